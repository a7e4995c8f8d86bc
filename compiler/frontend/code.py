"""From a function to the syntax that it was made from, and from rewritten syntax back to a code object.

Holds no rewriting. A function without source, or whose source does not fit it, has no definition here.
"""

from __future__ import annotations
import __future__

import ast
import inspect
import sys
from collections.abc import Iterator
from functools import reduce
from types import CodeType, FunctionType
from typing import Any, TypeAlias

from weft.compiler.frontend.location import REGION_MARK, source_lines
from weft.compiler.frontend.recursion import looped
from weft.compiler.frontend.scope import (
    FUNCTIONS,
    Function,
    children,
    facts,
    function_names,
    located,
    mangle,
    parameter_names,
)
from weft.ir.dataclass import dataclass

Constant: TypeAlias = Any  # what a code object may hold
PREFIX = "__weft_"  # begins every name that rewriting makes up
FACTORY = "__weft_factory__"
THUNK_MARK = "__weft_thunk__"  # the `*parameter` of a lambda that is not the user's


@dataclass(frozen=True, slots=True)
class Definition:
    """The syntax of one function, with the class around it ("" if none), whose name mangles private names."""

    node: Function
    class_name: str


def find_definition(function: FunctionType) -> Definition | None:
    """Parse the source of `function`; None if there is none, or if it is not that of its code."""
    code = function.__code__
    lines = source_lines(code.co_filename, function.__globals__)
    if not 0 < code.co_firstlineno <= len(lines):
        return None
    class_name = _class_around(code.co_qualname)
    try:
        node = _find_lambda(lines, code) if code.co_name == "<lambda>" else _find_function(lines, code)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    if node is None or not _fits(node, code, class_name):
        return None
    return Definition(looped(node, code.co_filename), class_name)


def _class_around(qualname: str) -> str:
    """Give the innermost class around a function, functions between them or not."""
    parts = qualname.split(".")[:-1]
    following = [*parts, ""][1:]
    pairs = list(zip(parts, following, strict=False))
    classes = [part for part, after in pairs if "<locals>" not in (part, after) and part[0] != "<"]
    return classes[-1] if classes else ""


def _find_function(lines: list[str], code: CodeType) -> Function | None:
    first = code.co_firstlineno
    try:
        return _parse_function(lines, first, _block_end(lines, code), code.co_name)
    except SyntaxError:  # the end was guessed by indentation; a string may reach further to the left
        for node in ast.walk(_parse_file(lines, code.co_filename)):
            if isinstance(node, FUNCTIONS) and _first_line(node) == first and node.name == code.co_name:
                return _parse_function(lines, first, node.end_lineno or first, code.co_name)
        return None


def _first_line(node: Function) -> int:
    return min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])


def _block_end(lines: list[str], code: CodeType) -> int:
    """Give the number of the last line of the block that starts at the code's first line."""
    start = lines[code.co_firstlineno - 1]
    indent = len(start) - len(start.lstrip())
    last = max(code.co_firstlineno, *(line for one in all_code(code) for *_, line in one.co_lines() if line))
    for index in range(last, len(lines)):
        text = lines[index].lstrip()
        if text and text[0] != "#" and len(lines[index]) - len(text) <= indent and text[0] not in ")]}":
            return index
    return len(lines)


def _parse_function(lines: list[str], first: int, last: int, name: str) -> Function | None:
    """Parse lines `first` to `last` in place: line numbers and columns are those of the file."""
    block = "".join(lines[first - 1 : last])
    indented = block[0] in " \t\f"
    text = "\n" * (first - 2) + "if 1:\n" + block if indented else "\n" * (first - 1) + block
    node: ast.stmt = ast.parse(text).body[0]
    if indented and isinstance(node, ast.If):
        node = node.body[0]
    return node if isinstance(node, FUNCTIONS) and node.name == name else None


def function_of(node: ast.Lambda, name: str) -> ast.FunctionDef:
    """The definition of a function that does what a lambda does: loops can stand before its statement."""
    returned: list[ast.stmt] = [located(ast.Return(node.body), node.body)]
    return located(ast.FunctionDef(name, node.args, returned, [], **_NO_TYPE_PARAMETERS), node)


def _find_lambda(lines: list[str], code: CodeType) -> ast.FunctionDef | None:
    candidates = [
        node
        for node in ast.walk(_parse_file(lines, code.co_filename))
        if isinstance(node, ast.Lambda)
        and node.lineno == code.co_firstlineno
        and _fits(node, code, _class_around(code.co_qualname))
    ]
    if not _places(code):  # Python 3.12 gives none to a body that is a constant
        candidates = [node for node in candidates if _is_constant(node.body, code)] or candidates
    holding = [node for node in candidates if _holds(node.body, code)] or candidates
    if not holding:
        return None
    found = min(holding, key=_extent)
    segment = ast.get_source_segment("".join(lines), found) or ""
    text = "(" + "\n" * (found.lineno - 1) + " " * (found.col_offset - (found.lineno == 1)) + segment + "\n)"
    node = ast.parse(text, mode="eval").body
    return function_of(node, code.co_name) if isinstance(node, ast.Lambda) else None


def _extent(node: ast.expr) -> tuple[int, int]:
    return (node.end_lineno or 0) - node.lineno, (node.end_col_offset or 0) - node.col_offset


def _holds(node: ast.expr, code: CodeType) -> bool:
    """Whether all instructions of `code` that have a place stand within `node`."""
    low = (node.lineno, node.col_offset)
    high = (node.end_lineno or 0, node.end_col_offset or 0)
    return all(
        low <= (first or 0, start or 0) and (last or 0, end or 0) <= high
        for first, last, start, end in _places(code)
    )


def _places(code: CodeType) -> list[tuple[int | None, int | None, int | None, int | None]]:
    return [place for place in code.co_positions() if None not in place and place[2:] != (0, 0)]


def _is_constant(node: ast.expr, code: CodeType) -> bool:
    """Whether an expression is the constant that `code` returns; equal ones are as good as one another."""
    made = compile(ast.Expression(node), "<constant>", "eval")
    return len(made.co_code) == len(code.co_code) and repr(made.co_consts[-1:]) == repr(code.co_consts[-1:])


def _fits(node: Function | ast.Lambda, code: CodeType, class_name: str) -> bool:
    """Whether the source may be that of the code: the file can have changed since it was imported."""
    parameters = [mangle(name, class_name) for name in parameter_names(node.args)]
    if parameters != list(code.co_varnames[: len(parameters)]):
        return False
    names = function_names(node)
    inside = facts(node)
    known = {mangle(name, class_name) for name in names.bound | inside.reads | inside.bound}
    unknown = {name for name in (*code.co_varnames, *code.co_cellvars) if name.isidentifier()} - known
    if not unknown - _IMPLICIT:
        return True
    # Newer Pythons make loop variables of comprehensions local.
    deeper = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    return unknown <= _IMPLICIT | {mangle(name, class_name) for name in deeper}


_IMPLICIT = {"__class__", "__classdict__"}
_parsed: dict[str, tuple[str, ast.Module]] = {}


def _parse_file(lines: list[str], file: str) -> ast.Module:
    """Parse a whole file, once per content; the tree is shared and never changed."""
    text = "".join(lines)
    known = _parsed.get(file)
    if known is None or known[0] != text:
        known = _parsed[file] = (text, ast.parse(text))
    return known[1]


def compile_function(definition: Definition, code: CodeType, extra: str) -> CodeType:
    """Compile rewritten syntax to a code object that stands in for `code`, with one more free variable.

    The definition is compiled inside a function that has the free variables as parameters and, for private
    names, inside a class of the right name; only its code is taken.
    """
    node = definition.node
    inner: Function | ast.ClassDef = node
    if definition.class_name:
        inner = ast.ClassDef(definition.class_name, [], [], [inner], [], **_NO_TYPE_PARAMETERS)
    free = [name for name in (extra, *code.co_freevars) if name.isidentifier()]
    parameters = [ast.arg(name) for name in free]
    arguments = ast.arguments([], parameters, None, [], [], None, [])
    inside: list[ast.stmt] = [inner]
    if inner.name not in free:
        inside = [ast.Global([inner.name]), inner]  # it must not be a variable of the factory
    factory = ast.FunctionDef(FACTORY, arguments, inside, [], **_NO_TYPE_PARAMETERS)
    located(inner, node)
    if code.co_firstlineno < node.lineno:
        # Code begins at its first decorator, which is not called: it belongs to the factory.
        node.decorator_list = [
            ast.Constant(
                None,
                lineno=code.co_firstlineno,
                col_offset=0,
                end_lineno=code.co_firstlineno,
                end_col_offset=0,
            )
        ]
    module = ast.Module([located(factory, node)], [])
    _place(factory, (node.lineno, node.col_offset, node.end_lineno, node.end_col_offset))
    compiled = compile(module, code.co_filename, "exec", code.co_flags & _FUTURE_FLAGS, dont_inherit=True)
    path = [FACTORY, *([definition.class_name] if definition.class_name else []), code.co_name]
    found = reduce(_inner_code, path, compiled)
    return _retitle(found, code.co_name, found.co_qualname, code.co_qualname)


def _place(root: ast.AST, place: tuple[int, int, int | None, int | None]) -> None:
    """Give nodes without a place that of the node around them."""
    stack = [(root, place)]
    while stack:
        node, place = stack.pop()
        known = node.__dict__
        if "lineno" in known:
            place = known["lineno"], known["col_offset"], known["end_lineno"], known["end_col_offset"]
        elif node._attributes:
            known["lineno"], known["col_offset"], known["end_lineno"], known["end_col_offset"] = place
        if not isinstance(node, ast.Name | ast.Constant):
            stack += [(part, place) for part in children(node)]


def _inner_code(code: CodeType, name: str) -> CodeType:
    return next(
        constant for constant in code.co_consts if isinstance(constant, CodeType) and constant.co_name == name
    )


def all_code(code: CodeType) -> Iterator[CodeType]:
    """Yield `code` and all code inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from all_code(constant)


def _retitle(code: CodeType, name: str, old: str, base: str) -> CodeType:
    """Give `code`, called `name`, and the code inside it the names that they have in the user's source.

    `old` is its qualified name, `base` the right one. Bodies of statements are called as the function around.
    """

    def change(constant: Constant) -> Constant:
        if isinstance(constant, str):  # the __qualname__ of a class body, the only code without fast locals
            is_name = constant == old and not code.co_flags & inspect.CO_OPTIMIZED
            return base if is_name else constant
        if not isinstance(constant, CodeType):
            return constant
        inner = constant.co_qualname
        if constant.co_name.startswith(PREFIX) or THUNK_MARK in constant.co_varnames:
            return _retitle(constant, name, inner, base).replace(co_qualname=base + REGION_MARK)
        right = base + inner[len(old) :] if inner.startswith(old) else inner
        return _retitle(constant, constant.co_name, inner, right)

    constants = tuple(change(constant) for constant in code.co_consts)
    return code.replace(co_name=name, co_qualname=base, co_consts=constants)


_NO_TYPE_PARAMETERS: dict[str, Any] = {"type_params": []} if sys.version_info >= (3, 12) else {}
_FUTURE_FLAGS = __future__.annotations.compiler_flag
