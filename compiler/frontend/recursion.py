"""Functions that end in a call of themselves, as loops: for recursion whose end the program decides.

`return f(a, b)` becomes `x, y = a, b; continue` in a `while True`. Plain syntax in, plain syntax out. Not
here: which functions these are (`tracing.py` finds that a recursion is decided by data, and marks it).
"""

from __future__ import annotations

import ast
from copy import deepcopy
from types import FunctionType

from weft.compiler.frontend.scope import Function, located

_marked: set[tuple[str, int, str]] = set()


def mark(function: FunctionType, name: str) -> bool:
    """Have a function rewritten as a loop from now on; whether that is new."""
    key = (function.__code__.co_filename, function.__code__.co_firstlineno, name)
    is_new = key not in _marked
    _marked.add(key)
    return is_new


def looped(node: Function, file: str) -> Function:
    """The definition as a loop, if it was marked and all calls of itself come last; else as it is."""
    first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
    if (file, first, node.name) not in _marked or not isinstance(node, ast.FunctionDef):
        return node
    made = deepcopy(node)
    parameters = [one.arg for one in made.args.args]
    plain = not (made.args.vararg or made.args.kwarg or made.args.kwonlyargs or made.args.posonlyargs)
    inner = (ast.FunctionDef, ast.Lambda, ast.AsyncFunctionDef, ast.Yield, ast.YieldFrom, ast.Try, ast.With)
    if not plain or any(isinstance(one, inner) for part in made.body for one in ast.walk(part)):
        return node
    body = _Tail(node.name, parameters).block(made.body)
    calls = (one for part in body for one in ast.walk(part) if isinstance(one, ast.Name))
    if any(one.id == node.name for one in calls):
        return node
    documented = 1 if ast.get_docstring(node, clean=False) is not None else 0
    place = made.body[documented]
    forever = ast.While(located(ast.Constant(True), place), body[documented:], [])
    made.body = [*made.body[:documented], located(forever, place)]
    return made


class _Tail:
    """Rewrites what comes last on each path."""

    def __init__(self, name: str, parameters: list[str]) -> None:
        self.name, self.parameters = name, parameters

    def block(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """Statements of which the last is the last of the function."""
        *before, last = body
        return [*map(self._returns, before), *self._last(last)]

    def _last(self, node: ast.stmt) -> list[ast.stmt]:
        if isinstance(node, ast.If):
            node.body = self.block(node.body)
            node.orelse = self.block(node.orelse) if node.orelse else [self._return(None, node)]
            return [node]
        if isinstance(node, ast.Return):
            return self._returned(node.value, node)
        if isinstance(node, ast.Expr) and self._arguments(node.value) is not None:
            return self._again(node.value, node)
        return [self._returns(node), self._return(None, node)]

    def _returns(self, node: ast.stmt) -> ast.stmt:
        """A statement with what its `return`s give; they may stand in any `if`, but in no loop."""
        if isinstance(node, ast.If):
            node.body, node.orelse = (self._several(part) for part in (node.body, node.orelse))
        return node

    def _several(self, body: list[ast.stmt]) -> list[ast.stmt]:
        made: list[ast.stmt] = []
        for one in body:
            made += self._returned(one.value, one) if isinstance(one, ast.Return) else [self._returns(one)]
        return made

    def _returned(self, value: ast.expr | None, place: ast.stmt) -> list[ast.stmt]:
        if isinstance(value, ast.IfExp):
            sides = (self._returned(part, place) for part in (value.body, value.orelse))
            return [located(ast.If(value.test, *sides), place)]
        if value is not None and self._arguments(value) is not None:
            return self._again(value, place)
        return [self._return(value, place)]

    def _return(self, value: ast.expr | None, place: ast.stmt) -> ast.stmt:
        return located(ast.Return(value), place)

    def _arguments(self, value: ast.expr) -> dict[str, ast.expr] | None:
        """The arguments of a call of the function itself, by parameter."""
        match value:
            case ast.Call(func=ast.Name(id=name), args=args, keywords=keywords) if name == self.name:
                named = {one.arg: one.value for one in keywords if one.arg is not None}
                if len(named) < len(keywords) or any(isinstance(one, ast.Starred) for one in args):
                    return None
                found = {**dict(zip(self.parameters, args, strict=False)), **named}
                return found if sorted(found) == sorted(self.parameters) else None
            case _:
                return None

    def _again(self, value: ast.expr, place: ast.stmt) -> list[ast.stmt]:
        found = self._arguments(value) or {}
        changed = {
            name: part for name, part in found.items() if not (isinstance(part, ast.Name) and part.id == name)
        }
        made: list[ast.stmt] = []
        if changed:
            targets: list[ast.expr] = [located(ast.Name(name, ast.Store()), place) for name in changed]
            target = located(ast.Tuple(targets, ast.Store()), place)
            values = located(ast.Tuple([*changed.values()], ast.Load()), place)
            made.append(located(ast.Assign([target], values), place))
        return [*made, located(ast.Continue(), place)]
