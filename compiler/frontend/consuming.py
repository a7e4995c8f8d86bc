"""Generators as functions that hand on what they yield: `yield v` calls who consumes it, with `v`.

A loop over a generator is then the generator's own statements, in which the body of the loop stands for each
`yield`; a consumer that wants no more has the generator return. Plain syntax in, plain syntax out. Not here:
who consumes, and when that is possible (`control/generated.py`).
"""

from __future__ import annotations

import ast
from copy import deepcopy

from weft.compiler.frontend.comprehension import SOURCE
from weft.compiler.frontend.jump import has_regions
from weft.compiler.frontend.scope import Function, facts_of, located

CONSUMER = "__weft_consumer__"
"""The parameter that such a function has besides its own; it gives whether it wants no more."""
_YIELDED = "_weft_yielded"
_HOLDING = (ast.If, ast.For, ast.While, ast.Match, ast.match_case)
"""Statements in which a `yield` may stand: none that would see an exception of the consumer's."""


def consuming(node: Function, name: str) -> ast.FunctionDef | None:
    """The function, called `name`, that a generator is; None if it is no generator, or not of this sort."""
    if not isinstance(node, ast.FunctionDef) or not facts_of(node.body).suspends:
        return None
    made = deepcopy(node)
    for part in ast.walk(made):
        part.__dict__.pop("facts", None)
    made.name = name
    made.body = _block(made.body)
    made.decorator_list, made.args.defaults = [], []
    made.args.kwonlyargs.append(located(ast.arg(CONSUMER), made))
    made.args.kw_defaults = [None] * len(made.args.kwonlyargs)
    return made if not facts_of(made.body).suspends and has_regions(made) else None


def expression_function(node: ast.GeneratorExp, name: str) -> ast.FunctionDef:
    """The function that a generator expression is; it is given the first iterable."""
    node = deepcopy(node)
    body: list[ast.stmt] = [_handed_on(node.elt, node)]
    for generator in reversed(node.generators):
        for test in reversed(generator.ifs):
            body = [located(ast.If(test, body, []), test)]
        first = generator is node.generators[0]
        source = located(ast.Name(SOURCE, ast.Load()), generator.iter) if first else generator.iter
        body = [located(ast.For(generator.target, source, body, []), generator.iter)]
    parameters = [located(ast.arg(one), node) for one in (SOURCE, CONSUMER)]
    args = ast.arguments([], parameters[:1], None, parameters[1:], [None], None, [])
    return located(ast.FunctionDef(name, args, body, []), node)


def _block(body: list[ast.stmt]) -> list[ast.stmt]:
    return [made for statement in body for made in _statement(statement)]


def _statement(node: ast.stmt) -> list[ast.stmt]:
    match node:
        case ast.Expr(value=ast.Yield(value=value)):
            return [_handed_on(value, node)]
        case ast.Assign(value=ast.Yield(value=value)):
            nothing = located(ast.Constant(None), node)
            return [_handed_on(value, node), located(ast.Assign(node.targets, nothing), node)]
        case ast.Expr(value=ast.YieldFrom(value=source)):
            target = located(ast.Name(_YIELDED, ast.Store()), node)
            item = located(ast.Name(_YIELDED, ast.Load()), node)
            return [located(ast.For(target, source, [_handed_on(item, node)], []), node)]
        case ast.Return(value=ast.expr() as value):
            return [located(ast.Expr(value), node), located(ast.Return(None), node)]
        case _:
            _inside(node)
            return [node]


def _inside(node: ast.AST) -> None:
    if not isinstance(node, _HOLDING):
        return
    for part in ("body", "orelse"):
        if statements := getattr(node, part, None):
            setattr(node, part, _block(statements))
    for case in getattr(node, "cases", ()):
        _inside(case)


def _handed_on(value: ast.expr | None, place: ast.AST) -> ast.stmt:
    consumer = located(ast.Name(CONSUMER, ast.Load()), place)
    given = value or located(ast.Constant(None), place)
    test = located(ast.Call(consumer, [given], []), given)
    return located(ast.If(test, [located(ast.Return(None), place)], []), place)
