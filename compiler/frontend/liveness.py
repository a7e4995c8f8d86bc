"""Which local names are read after a statement, and which its next iteration reads.

Works backwards over statements without jumps (see `jump.py`). What is reported may be too much, never
too little: names that a nested function reads count as read everywhere, a `try` reads its names throughout.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

from weft.compiler.frontend.scope import facts, facts_of

Names = frozenset[str]


class Liveness:
    """The names live after each `if` and loop (`after`) and at the head of each loop (`head`), by id."""

    def __init__(self, body: list[ast.stmt], stops: Mapping[int, tuple[str, ...]]) -> None:
        self.stops = stops
        self.after: dict[int, Names] = {}
        self.head: dict[int, Names] = {}
        self.block(body, facts_of(body).captured)

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
                return self.block(node.body, after) | self.block(node.orelse, after) | facts(node.test).reads
            case ast.While() | ast.For():
                self.after[id(node)] = after
                return self._loop(node, after)
            case ast.Try() | ast.TryStar():
                return self._try(node, after)
            case ast.With():
                before = self.block(node.body, after)
                return before.union(*(facts(item).reads for item in node.items))
            case ast.Match():
                arms = [self.block(case.body, after) for case in node.cases]
                guards = [
                    facts(part).reads for case in node.cases for part in (case.pattern, case.guard) if part
                ]
                return after.union(facts(node.subject).reads, *arms, *guards)
            case ast.Assign(targets=targets):
                return (after - _assigned(targets)) | facts(node).reads
            case ast.AugAssign(target=ast.Name(id=name)):
                return after | facts(node).reads | {name}
            case _:
                return after | facts(node).reads

    def _loop(self, node: ast.While | ast.For, after: Names) -> Names:
        if isinstance(node, ast.While):
            test, target = facts(node.test).reads, frozenset[str]()
        else:
            test, target = facts(node.target).reads, _assigned([node.target])
        head = after | test | frozenset(self.stops.get(id(node), ()))
        while True:
            before = head | (self.block(node.body, head) - target)
            if before == head:
                break
            head = before
        self.head[id(node)] = head
        return head if isinstance(node, ast.While) else head | facts(node.iter).reads

    def _try(self, node: ast.Try | ast.TryStar, after: Names) -> Names:
        after = after | facts(node).reads
        for body in (node.body, node.orelse, node.finalbody, *(handler.body for handler in node.handlers)):
            self.block(body, after)
        return after


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


def _deleted(node: ast.stmt) -> set[str]:
    """Names that a statement inside of another may unbind."""
    inside = [part for part in ast.walk(node) if isinstance(part, ast.Delete)]
    names = {name for part in inside for name in facts(part).bound}
    return names | {part.name for part in ast.walk(node) if isinstance(part, ast.ExceptHandler) and part.name}


def maybe_undefined(body: list[ast.stmt], parameters: set[str]) -> Names:
    """Give the names whose first binding in `body` is not certain to run: they may be unbound later."""
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
                doubtful |= (facts(node).bound - known) | _deleted(node)
            case ast.Delete():
                doubtful |= facts(node).bound
            case _:
                pass
    return frozenset(doubtful)
