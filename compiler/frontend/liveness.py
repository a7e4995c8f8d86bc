"""Which local names are read after a statement, and which its next iteration reads.

Works backwards over statements without jumps (see `jump.py`). What is reported may be too much, never too little:
names that a nested function reads count as read everywhere, a `try` reads its names throughout.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

from weft.compiler.frontend.scope import FUNCTIONS, names_read, outer_parts

Names = frozenset[str]


class Liveness:
    """The names live after each `if`, `while` and `for` (`after`) and at the head of each loop (`head`), by id."""

    def __init__(self, body: list[ast.stmt], stops: Mapping[int, tuple[str, ...]]) -> None:
        self.stops = stops
        self.after: dict[int, Names] = {}
        self.head: dict[int, Names] = {}
        self._reads: dict[int, Names] = {}
        self.block(body, _read_by_inner_functions(body))

    def block(self, body: list[ast.stmt], after: Names) -> Names:
        """Give the names live before `body`."""
        for statement in reversed(body):
            after = self.statement(statement, after)
        return after

    def statement(self, node: ast.stmt, after: Names) -> Names:
        """Give the names live before `node`."""
        match node:
            case ast.If():
                self.after[id(node)] = after
                return self.block(node.body, after) | self.block(node.orelse, after) | self.reads(node.test)
            case ast.While() | ast.For():
                self.after[id(node)] = after
                return self._loop(node, after)
            case ast.Try() | ast.TryStar():
                return self._try(node, after)
            case ast.With():
                before = self.block(node.body, after)
                return before.union(*(self.reads(item) for item in node.items))
            case ast.Match():
                arms = [self.block(case.body, after) for case in node.cases]
                guards = [
                    self.reads(part) for case in node.cases for part in (case.pattern, case.guard) if part
                ]
                return after.union(self.reads(node.subject), *arms, *guards)
            case ast.Assign(targets=targets, value=value):
                stores = [self.reads(target) for target in targets]
                return (after - _assigned(targets)).union(self.reads(value), *stores)
            case ast.AugAssign(target=ast.Name(id=name)):
                return after | self.reads(node.value) | {name}
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                return after.union(*(self.reads(part) for part in outer_parts(node)), self.reads(node))
            case _:
                return after | self.reads(node)

    def _loop(self, node: ast.While | ast.For, after: Names) -> Names:
        if isinstance(node, ast.While):
            test, target = self.reads(node.test), frozenset[str]()
        else:
            test, target = self.reads(node.target), _assigned([node.target])
        head = after | test | frozenset(self.stops.get(id(node), ()))
        while True:
            before = head | (self.block(node.body, head) - target)
            if before == head:
                break
            head = before
        self.head[id(node)] = head
        return head if isinstance(node, ast.While) else head | self.reads(node.iter)

    def _try(self, node: ast.Try | ast.TryStar, after: Names) -> Names:
        after = after | self.reads(node)
        for body in (node.body, node.orelse, node.finalbody, *(handler.body for handler in node.handlers)):
            self.block(body, after)
        return after

    def reads(self, node: ast.AST) -> Names:
        """Give the names that `node` may read."""
        key = id(node)
        if key not in self._reads:
            self._reads[key] = frozenset(names_read(node))
        return self._reads[key]


def _assigned(targets: list[ast.expr]) -> Names:
    """Give the names that an assignment to `targets` always binds."""
    names: set[str] = set()
    stack = list(targets)
    while stack:
        match stack.pop():
            case ast.Name(id=name):
                names.add(name)
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                stack.extend(parts)
            case ast.Starred(value=part):
                stack.append(part)
            case _:
                pass
    return frozenset(names)


def _read_by_inner_functions(body: list[ast.stmt]) -> Names:
    inner = (*FUNCTIONS, ast.Lambda, ast.GeneratorExp)
    names: set[str] = set()
    for statement in body:
        for node in ast.walk(statement):
            if isinstance(node, inner):
                names |= names_read(node)
    return frozenset(names)


def maybe_undefined(body: list[ast.stmt], parameters: set[str]) -> Names:
    """Give the names whose first binding in `body` is not certain to run, so that they may be unbound later."""
    known, doubtful = set(parameters), set[str]()
    for node in body:
        match node:
            case ast.Assign(targets=targets):
                known |= _assigned(targets) - doubtful
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()):
                known |= {name} - doubtful
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                known |= {name} - doubtful
            case ast.If() | ast.While() | ast.For() | ast.Try() | ast.TryStar() | ast.Match() | ast.With():
                found = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
                doubtful |= found - known
            case ast.Delete():
                doubtful |= {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
            case _:
                pass
    return frozenset(doubtful)
