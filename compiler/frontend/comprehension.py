"""Comprehensions, and generators that a builtin uses up, as functions with loops, which can be compiled.

Plain syntax in, plain syntax out; a hook decides between the function and what the user wrote, by what the
first `for` goes over. Not here: the rewriting of either (`expression.py`).
"""

from __future__ import annotations

import ast
from copy import deepcopy

from weft.compiler.frontend.scope import Comprehension, facts, located

SOURCE, ITEMS = "_weft_source", "_weft_items"
_BODIES = {
    "list": f"{ITEMS}.append(0)",
    "set": f"{ITEMS}.add(0)",
    "dict": f"_weft_key = 1\n{ITEMS}[_weft_key] = 0",
    "sum": f"{ITEMS} = {ITEMS} + 0",
    "any": "if 0:\n return True",
    "all": "if not 0:\n return False",
    "min": f"_weft_item = 0\nif {ITEMS} is None or _weft_item < {ITEMS}:\n {ITEMS} = _weft_item",
    "max": f"_weft_item = 0\nif {ITEMS} is None or _weft_item > {ITEMS}:\n {ITEMS} = _weft_item",
}
_BEFORE = {
    "list": f"{ITEMS} = []",
    "set": f"{ITEMS} = {{*()}}",
    "dict": f"{ITEMS} = {{}}",
    "min": f"{ITEMS} = None",
    "max": f"{ITEMS} = None",
}
_AFTER = {"any": "return False", "all": "return True"}
REDUCTIONS = frozenset(_BODIES) - {"list", "set", "dict"}
"""Builtins that may be given a generator."""
COLLECTING = frozenset("list tuple sorted set frozenset dict min max".split())
"""Builtins that take all that a generator gives before they do anything."""


def can_be_loop(node: Comprehension) -> bool:
    """Whether the loops of a comprehension can stand in a function: it binds no outer name."""
    found = facts(node)
    return not found.bound and not found.suspends and not any(one.is_async for one in node.generators)


def loop_function(kind: str, name: str, node: Comprehension) -> ast.FunctionDef:
    """The function that does what a comprehension does, or `kind` with it; it is given the first iterable."""
    node = deepcopy(node)
    values = (node.value, node.key) if isinstance(node, ast.DictComp) else (node.elt,)
    body: list[ast.stmt] = [_Values(values).visit(statement) for statement in _parsed(_BODIES[kind], node)]
    for generator in reversed(node.generators):
        for test in reversed(generator.ifs):
            body = [located(ast.If(test, body, []), test)]
        first = generator is node.generators[0]
        source = located(ast.Name(SOURCE, ast.Load()), generator.iter) if first else generator.iter
        body = [located(ast.For(generator.target, source, body, []), generator.iter)]
    before = _parsed(_BEFORE.get(kind, ""), node)
    after = _parsed(_AFTER.get(kind, f"return {ITEMS}"), node)
    parameters = [ast.arg(SOURCE), *([ast.arg(ITEMS)] if kind == "sum" else [])]
    args = ast.arguments([], [located(one, node) for one in parameters], None, [], [], None, [])
    return located(ast.FunctionDef(name, args, [*before, *body, *after], []), node)


def _parsed(text: str, place: ast.AST) -> list[ast.stmt]:
    made = _function_body(text)
    for statement in made:
        for part in ast.walk(statement):
            if isinstance(part, ast.stmt | ast.expr):
                located(part, place)
    return made


def _function_body(text: str) -> list[ast.stmt]:
    inside = "\n".join(f" {line}" for line in text.split("\n"))
    made = ast.parse(f"def f():\n{inside}\n pass").body[0]
    assert isinstance(made, ast.FunctionDef)
    return made.body[:-1]


class _Values(ast.NodeTransformer):
    def __init__(self, values: tuple[ast.expr, ...]) -> None:
        self.values = values

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        """The value stands for the only 0, the key of a dict for the only 1."""
        return self.values[node.value] if type(node.value) is int else node
