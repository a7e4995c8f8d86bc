"""Rewrites expressions: loads, calls, and operators that Python does not leave to an operand go to the hooks.

Statements are `statement.py`'s. Nothing is evaluated here, and nothing in another order than Python's.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

from weft.compiler.frontend.code import PREFIX, THUNK_MARK, function_of
from weft.compiler.frontend.comprehension import COLLECTING, REDUCTIONS, can_be_loop, loop_function
from weft.compiler.frontend.consuming import CONSUMER, expression_function
from weft.compiler.frontend.jump import FRAME_FUNCTIONS
from weft.compiler.frontend.scope import (
    Comprehension,
    Meaning,
    Scope,
    comprehension_names,
    facts,
    facts_of,
    function_names,
    located,
    mangle,
    outer_parts,
)

HOOKS = "__weft__"
UNTOUCHED = frozenset({"__class__", "__debug__"})
CALLED_IN_PLACE = FRAME_FUNCTIONS | {"super", "globals", "breakpoint"}
SIGNS: dict[type[ast.operator | ast.unaryop], str] = {
    ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//", ast.Mod: "%",
    ast.Pow: "**", ast.MatMult: "@", ast.BitAnd: "&", ast.BitOr: "|", ast.BitXor: "^",
    ast.LShift: "<<", ast.RShift: ">>", ast.USub: "-", ast.UAdd: "+", ast.Invert: "~",
}  # fmt: skip
COMPARISON_SYMBOLS: dict[type[ast.cmpop], str] = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
    ast.Is: "is", ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in",
}  # fmt: skip
ASKED = (ast.Is, ast.IsNot, ast.In, ast.NotIn)
INLINES = sys.version_info >= (3, 12)
CONVERSION_LETTERS = {-1: "", 115: "s", 114: "r", 97: "a"}


class Reference(NamedTuple):
    """A use of a global or closure name, with the attributes after it, as it stands in the source."""

    meaning: Meaning
    path: tuple[str, ...]
    line: int
    column: int


def hook(name: str, place: ast.AST, *args: ast.expr, **keywords: ast.expr) -> ast.expr:
    """Make a call of the hook `name`, placed where `place` is."""
    named = [ast.keyword(key, value) for key, value in keywords.items()]
    called = ast.Attribute(ast.Name(HOOKS, ast.Load()), name, ast.Load())
    return located(ast.Call(called, list(args), named), place)


def lambda_of(body: ast.expr) -> ast.expr:
    """Make a lambda that evaluates `body`, marked as not the user's."""
    args = ast.arguments([], [], ast.arg(THUNK_MARK), [], [], None, [])
    return located(ast.Lambda(args, body), body)


TEST = "_weft_test"


class ExpressionRewriter(ast.NodeTransformer):
    """Rewrites the expressions of one function and of those inside it; `scope` is where it stands now."""

    def __init__(self, scope: Scope, class_name: str) -> None:
        self.scope = scope
        self.class_name = class_name
        self.first_parameter: str | None = None
        self.hoisted: list[ast.stmt] | None = (
            None  # functions to define before the statement; None: not possible
        )
        self.shared: set[str] = set()  # local names that a hoisted function or statement body binds
        self.rows: set[ast.AST] = set()  # items of which a method is called that makes a list longer
        self.references: list[Reference] = []
        self.count = 0
        self.rewrite_function: Callable[[ast.FunctionDef], None] = lambda _: (
            None
        )  # set by who rewrites statements

    def fresh(self, kind: str) -> str:
        """Make a name of our own."""
        self.count += 1
        return f"{PREFIX}{kind}_{self.count}__"

    @contextmanager
    def within(self, scope: Scope) -> Generator[None, None, None]:
        """Stand in `scope`, before whose expressions nothing can be defined."""
        saved = self.scope, self.hoisted
        self.scope, self.hoisted = scope, None
        try:
            yield
        finally:
            self.scope, self.hoisted = saved

    def text(self, name: str) -> ast.expr:
        """Give a name as a constant, as Python would store it."""
        return ast.Constant(mangle(name, self.class_name))

    def several(self, nodes: Sequence[ast.expr]) -> list[ast.expr]:
        """Rewrite expressions in order."""
        return [self.visit(node) for node in nodes]

    # -- names, attributes, items ----------------------------------------------------------------------------

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Take loads of outer names to hooks; outer names that are assigned become targets that store."""
        if node.id.startswith(PREFIX) or node.id in UNTOUCHED:
            return node
        owner = self.scope.owner(node.id)
        loads = isinstance(node.ctx, ast.Load)
        if owner is not None and node.id in owner.renamed:
            return located(ast.Name(owner.renamed[node.id], node.ctx), node)
        if owner is not None:
            doubtful = loads and node.id in owner.doubtful
            return hook("load_local", node, self.text(node.id), node) if doubtful else node
        meaning = self.scope.meaning(node.id)
        if not loads:
            return self._target(hook(f"{meaning}_target", node, self.text(node.id)), node)
        self.references.append(Reference(meaning, (node.id,), node.lineno, node.col_offset))
        return hook(f"load_{meaning}", node, self.text(node.id), node)

    def _target(self, holder: ast.expr, place: ast.AST) -> ast.expr:
        return located(ast.Attribute(holder, "value", ast.Store()), place)

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        """Take `base.name` to a hook, also where it is assigned."""
        base: ast.expr = self.visit(node.value)
        if not isinstance(node.ctx, ast.Load):
            return self._target(hook("attribute_target", node, base, self.text(node.attr)), node)
        last = self.references[-1] if self.references else None
        if last is not None and last.path == _dotted(node.value):
            place = (node.end_lineno or node.lineno, node.col_offset)
            self.references.append(Reference(last.meaning, (*last.path, node.attr), *place))
        return hook("load_attribute", node, base, self.text(node.attr))

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        """Take `base[key]` to a hook, also where it is assigned."""
        base, key = self.visit(node.value), self.key(node.slice)
        if not isinstance(node.ctx, ast.Load):
            return self._target(hook("item_target", node, base, key), node)
        return hook("load_row" if node in self.rows else "load_item", node, base, key)

    def key(self, node: ast.expr) -> ast.expr:
        """Rewrite what stands between brackets; slices become objects."""
        match node:
            case ast.Slice(lower=lower, upper=upper, step=step):
                parts = [self.visit(part) if part else ast.Constant(None) for part in (lower, upper, step)]
                return hook("slice", node, *parts)
            case ast.Tuple(elts=parts):
                return located(ast.Tuple([self.key(part) for part in parts], ast.Load()), node)
            case _:
                return self.visit(node)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> ast.expr:
        """Store walrus targets that are not local through a hook."""
        value: ast.expr = self.visit(node.value)
        meaning = self.scope.meaning(node.target.id)
        if meaning != "local":
            return hook(f"store_{meaning}", node, self.text(node.target.id), value)
        return located(ast.NamedExpr(node.target, value), node)

    # -- calls and strings -----------------------------------------------------------------------------------

    def visit_Call(self, node: ast.Call) -> ast.expr:
        """Take calls to a hook, but for builtins that look at the frame of their caller."""
        match node.func:
            case ast.Name(id=name) if name in CALLED_IN_PLACE and self.scope.meaning(name) == "global":
                return self._call_in_place(node, name)
            case ast.Name(id=name) if name == CONSUMER:
                return hook("consume", node, node.func, *self.several(node.args))
            case _:
                pass
        if (reduced := self._reduction(node)) is not None:
            return reduced
        self._collect(node)
        match node.func:
            case ast.Attribute(value=ast.Subscript() as row, attr="append" | "extend"):
                self.rows.add(row)
            case _:
                pass
        name = "call_next" if self._is_next(node) else "call"
        call = hook(name, node, self.visit(node.func), *self.several(node.args))
        if isinstance(call, ast.Call):
            call.keywords = [self.visit(keyword) for keyword in node.keywords]
        return call

    def _is_next(self, node: ast.Call) -> bool:
        """Whether it asks for the first item of an iterator that is made for that."""
        match node:
            case ast.Call(func=ast.Name(id="next"), args=[ast.Call() | ast.GeneratorExp(), *_], keywords=[]):
                return self.scope.meaning("next") == "global"
            case _:
                return False

    def _call_in_place(self, node: ast.Call, name: str) -> ast.expr:
        args: list[ast.expr] = self.several(node.args)
        if name == "super" and not args and self.first_parameter and self._in_class():
            first: ast.expr = ast.Name(self.first_parameter, ast.Load())
            args = [located(ast.Name("__class__", ast.Load()), node), located(first, node)]
        keywords = [self.visit(keyword) for keyword in node.keywords]
        return located(ast.Call(node.func, args, keywords), node)

    def _in_class(self) -> bool:
        scope: Scope | None = self.scope
        while scope is not None:
            if scope.kind == "class" or "__class__" in scope.closure:
                return True
            scope = scope.parent
        return False

    def visit_JoinedStr(self, node: ast.JoinedStr) -> ast.expr:
        """Format each value of an f-string by a hook, and join them by another."""
        parts = [self._part(part) for part in node.values]
        if not any(isinstance(part, ast.FormattedValue) for part in node.values):
            return node
        return hook("join_string", node, *parts)

    def _part(self, node: ast.expr) -> ast.expr:
        if not isinstance(node, ast.FormattedValue):
            return node
        value: ast.expr = self.visit(node.value)
        conversion = ast.Constant(CONVERSION_LETTERS[node.conversion])
        specification = self.visit(node.format_spec) if node.format_spec else ast.Constant("")
        return hook("format_value", node, value, conversion, specification)

    # -- conditions ------------------------------------------------------------------------------------------

    def truth(self, node: ast.expr) -> ast.expr:
        """Rewrite a condition on which Python itself branches."""
        return hook("truth", node, self.visit(node))

    def thunks(self, nodes: Sequence[ast.expr]) -> list[ast.expr] | None:
        """Make functions that evaluate `nodes`; None if these must stay where they are.

        They must where they suspend the function, in a class body (whose names functions do not see), and
        where they bind a name inside a lambda or comprehension.
        """
        if self.scope.kind == "class" or facts_of(nodes).suspends:
            return None
        bound = [facts(node).bound for node in nodes]
        if self.hoisted is None and any(bound):
            return None
        return [self._thunk(node, names) for node, names in zip(nodes, bound, strict=True)]

    def _thunk(self, node: ast.expr, bound: frozenset[str]) -> ast.expr:
        body: ast.expr = self.visit(node)
        if not bound or self.hoisted is None:
            return lambda_of(body)
        name = self.fresh("thunk")
        result = located(ast.Return(body), node)
        self.hoisted.append(self.function(name, [], [result], bound, node))
        return located(ast.Name(name, ast.Load()), node)

    def function(
        self, name: str, parameters: list[str], body: list[ast.stmt], bound: frozenset[str], place: ast.AST
    ) -> ast.stmt:
        """Make a function that stands for a part of the user's function, with whose variables it works."""
        local = {one for one in bound if one.startswith(PREFIX) or self.scope.meaning(one) != "global"}
        self.shared |= {one for one in local if one.startswith(PREFIX) or self.scope.owner(one) is self.scope}
        declared: list[ast.stmt] = []
        if local:
            declared.append(ast.Nonlocal(sorted(local)))
        if others := sorted(one for one in bound - local if one in self.scope.names.globals):
            declared.append(ast.Global(others))
        args = ast.arguments([], [ast.arg(one) for one in parameters], None, [], [], None, [])
        made = ast.FunctionDef(name, args, [*declared, *(body or [ast.Pass()])], [])
        return located(made, place)

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """Show the operands to a hook."""
        is_text = isinstance(node.left, ast.JoinedStr) or (
            isinstance(node.left, ast.Constant) and isinstance(node.left.value, str)
        )
        self.generic_visit(node)
        if is_text and isinstance(node.op, ast.Mod):
            return hook("percent", node, node.left, node.right)
        if isinstance(node.left, ast.Constant) and isinstance(node.right, ast.Constant):
            return node
        return hook("operate", node, ast.Constant(SIGNS[type(node.op)]), node.left, node.right)

    def visit_List(self, node: ast.List) -> ast.expr:
        """Show what is unpacked into a list to a hook."""
        if isinstance(node.ctx, ast.Load):
            node.elts = [self._element(part) for part in node.elts]
            return node
        node.elts = [self.visit(part) for part in node.elts]
        return node

    def visit_Dict(self, node: ast.Dict) -> ast.expr:
        """Show what is unpacked into a dict to a hook."""
        values: list[ast.expr] = []
        for k, (key, value) in enumerate(zip(node.keys, node.values, strict=True)):
            node.keys[k] = None if key is None else self.visit(key)
            seen: ast.expr = self.visit(value)
            values.append(hook("spread", value, seen) if key is None else seen)
        node.values = values
        return node

    def visit_Set(self, node: ast.Set) -> ast.expr:
        """Take a display to a hook."""
        return hook("made_set", node, *map(self.visit, node.elts))

    def _element(self, part: ast.expr) -> ast.expr:
        if isinstance(part, ast.Starred):
            return located(ast.Starred(hook("display", part.value, self.visit(part.value)), part.ctx), part)
        return self.visit(part)

    def visit_Starred(self, node: ast.Starred) -> ast.expr:
        """Show what is unpacked into a display or a call to a hook."""
        node.value = self.visit(node.value)
        if isinstance(node.ctx, ast.Load):
            node.value = hook("spread", node.value, node.value)
        return node

    def visit(self, node: Any) -> Any:
        """Rewrite one expression."""
        made = super().visit(node)
        return hook("asked", made, made) if getattr(node, TEST, False) else made

    def test(self, node: ast.expr) -> ast.expr:
        """Rewrite what is asked for its truth alone."""
        mark_tests(node)
        return self.visit(node)

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        """Take `and` and `or` to hooks that evaluate their operands as needed."""
        others = self.thunks(node.values[1:])
        if others is None:
            return located(ast.BoolOp(node.op, self.several(node.values)), node)
        name = "and_" if isinstance(node.op, ast.And) else "or_"
        return hook(name, node, self.visit(node.values[0]), *others)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        """Take it to a hook."""
        operand = self.test(node.operand) if isinstance(node.op, ast.Not) else self.visit(node.operand)
        if isinstance(node.op, ast.Not):
            return hook("not_", node, operand)
        if isinstance(operand, ast.Constant):
            return located(ast.UnaryOp(node.op, operand), node)
        return hook("operate", node, ast.Constant(SIGNS[type(node.op)]), operand)

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        """Take conditional expressions to a hook."""
        branches = self.thunks([node.body, node.orelse])
        if branches is None:
            parts = self.truth(node.test), self.visit(node.body), self.visit(node.orelse)
            return located(ast.IfExp(*parts), node)
        return hook("if_expression", node, self.test(node.test), *branches)

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        """Take chains, and comparisons that may be of containers, to hooks."""
        symbols = [COMPARISON_SYMBOLS[type(op)] for op in node.ops]
        sides = (node.left, node.comparators[0])
        plain = all(isinstance(part, ast.Constant) and part.value is not None for part in sides)
        if len(symbols) == 1 and (isinstance(node.ops[0], ASKED) or not plain):
            left: ast.expr = self.visit(node.left)
            return hook("compare", node, ast.Constant(symbols[0]), left, self.visit(node.comparators[0]))
        others = self.thunks(node.comparators) if len(symbols) > 1 else None
        if others is None:
            parts = self.visit(node.left), node.ops, self.several(node.comparators)
            return located(ast.Compare(*parts), node)
        texts = ast.Tuple([ast.Constant(symbol) for symbol in symbols], ast.Load())
        return hook("compare_chain", node, texts, self.visit(node.left), *others)

    # -- scopes ----------------------------------------------------------------------------------------------

    def visit_Lambda(self, node: ast.Lambda) -> ast.expr:
        """Rewrite a lambda of the user's; one with comprehensions as a function before the statement."""
        if self._is_simple(node):
            made = self._defined(function_of(node, self.fresh("lambda")))
            if made is not None:
                return made
        self.defaults(node.args)
        saved = self.first_parameter
        self.first_parameter = first_parameter(node.args)
        with self.within(self.scope.inner("lambda", function_names(node))):
            node.body = self.visit(node.body)
        self.first_parameter = saved
        return node

    @staticmethod
    def _is_simple(node: ast.Lambda) -> bool:
        """Whether a lambda has comprehensions that may be loops, and no defaults."""
        inside = [one for one in ast.walk(node.body) if isinstance(one, ast.ListComp | ast.GeneratorExp)]
        return not outer_parts(node) and bool(inside) and all(map(can_be_loop, inside))

    def defaults(self, args: ast.arguments) -> None:
        """Rewrite the defaults of a definition, which are evaluated where it stands; annotations stay."""
        args.defaults = self.several(args.defaults)
        args.kw_defaults = [self.visit(default) if default else None for default in args.kw_defaults]

    def _comprehension_scope(self, node: Comprehension) -> Scope:
        """Give the scope of a comprehension, with other names for variables that hide those of a function.

        Python 3.12 to 3.14 inlines comprehensions, and takes the two variables for one where a function
        reads its outer one in a second comprehension only, or an inner function holds one. That depends on
        what stands in the same function, and statement bodies and thunks are functions of their own.
        """
        names = comprehension_names(node)
        hiding = [name for name in sorted(names.bound) if self.scope.meaning(name) != "global"]
        renamed = {name: self.fresh(name) for name in hiding} if INLINES else {}
        return replace(self.scope.inner("comprehension", names), renamed=renamed)

    def _comprehension(self, node: Comprehension) -> ast.expr:
        first = node.generators[0].iter
        outer: ast.expr = self.visit(first)
        with self.within(self._comprehension_scope(node)):
            for generator in node.generators:
                source = outer if generator.iter is first else self.visit(generator.iter)
                generator.iter = source if generator.is_async else hook("iterate", first, source)
                generator.target = self.visit(generator.target)
                generator.ifs = [self.truth(test) for test in generator.ifs]
            if isinstance(node, ast.DictComp):
                node.key, node.value = self.visit(node.key), self.visit(node.value)
            else:
                node.elt = self.visit(node.elt)
        return node

    def visit_ListComp(self, node: ast.ListComp) -> ast.expr:
        """Rewrite inside, where the loop variables are names of their own, and as a loop."""
        loop = self._loop("list", node)
        if loop is None:
            return self._comprehension(node)
        chooses = _chooses(node)
        source, plain = self._plain(node)
        return hook("comprehension", node, source, loop, plain, chooses)

    def _loop(self, kind: str, node: Comprehension) -> ast.expr | None:
        """Define the function with the loops of a comprehension before the statement, and give its name."""
        return self._defined(loop_function(kind, self.fresh("items"), node)) if can_be_loop(node) else None

    def _defined(self, made: ast.FunctionDef) -> ast.expr | None:
        """Define a function before the statement, and give its name; None where that cannot be."""
        if self.hoisted is None or self.scope.kind != "function":
            return None
        waiting, self.hoisted = self.hoisted, None
        self.rewrite_function(made)
        self.hoisted = waiting
        waiting.append(made)
        return located(ast.Name(made.name, ast.Load()), made)

    def _plain(self, node: Comprehension) -> tuple[ast.expr, ast.expr]:
        """The rewritten first iterable, and a function of it that does what stands there."""
        first = node.generators[0]
        source: ast.expr = self.visit(first.iter)
        first.iter = located(ast.Name(f"{PREFIX}source__", ast.Load()), first.iter)
        made = lambda_of(self._comprehension(node))
        assert isinstance(made, ast.Lambda)
        made.args.args = [located(ast.arg(f"{PREFIX}source__"), node)]
        return source, made

    def _collect(self, node: ast.Call) -> None:
        """Make a generator that the function called uses up, whatever it holds, a list comprehension."""
        match node:
            case ast.Call(func=ast.Name(id=name), args=[ast.GeneratorExp() as items, *_]):
                uses_up = name in COLLECTING and self.scope.meaning(name) == "global"
            case ast.Call(func=ast.Attribute(attr=name), args=[ast.GeneratorExp() as items]):
                uses_up = name in ("join", "extend")
            case _:
                return
        if uses_up:
            node.args[0] = located(ast.ListComp(items.elt, items.generators), items)

    def _reduction(self, node: ast.Call) -> ast.expr | None:
        """`sum(... for ...)` and its kin."""
        match node:
            case ast.Call(func=ast.Name(id=name), args=[ast.GeneratorExp() as items, *rest], keywords=[]):
                if (
                    name not in REDUCTIONS
                    or self.scope.meaning(name) != "global"
                    or len(rest) > (name == "sum")
                ):
                    return None
                loop = self._loop(name, items)
            case _:
                return None
        if loop is None:
            return None
        chooses = _chooses(items)
        source, plain = self._plain(items)
        return hook(
            "reduction", node, self.visit(node.func), source, loop, plain, chooses, *self.several(rest)
        )

    def visit_SetComp(self, node: ast.SetComp) -> ast.expr:
        """As of a list."""
        return self._collection("set", node)

    def visit_DictComp(self, node: ast.DictComp) -> ast.expr:
        """As of a list."""
        return self._collection("dict", node)

    def _collection(self, kind: str, node: ast.SetComp | ast.DictComp) -> ast.expr:
        loop = self._loop(kind, node)
        if loop is None:
            return self._comprehension(node)
        source, plain = self._plain(node)
        return hook("collection", node, source, loop, plain)

    def visit_GeneratorExp(self, node: ast.GeneratorExp) -> ast.expr:
        """Rewrite inside, and as a function that hands on what it yields."""
        if not can_be_loop(node):
            return self._comprehension(node)
        twin = self._defined(expression_function(node, self.fresh("generator")))
        if twin is None:
            return self._comprehension(node)
        source, plain = self._plain(node)
        return hook("generate", node, source, twin, plain)


def _chooses(node: ast.ListComp | ast.GeneratorExp) -> ast.expr:
    """Whether there is a condition, of which Python itself would have to know whether it holds."""
    return located(ast.Constant(any(generator.ifs for generator in node.generators)), node)


def mark_tests(node: ast.expr) -> None:
    """Note the operands of `and` and `or` that are asked for their truth alone, as they may be lists."""
    if isinstance(node, ast.BoolOp):
        for part in node.values:
            mark_tests(part)
            if isinstance(part, ast.Name | ast.Attribute | ast.Subscript):
                setattr(part, TEST, True)


def first_parameter(args: ast.arguments) -> str | None:
    """Give the name of the parameter that `super()` takes its object from."""
    positional = [*args.posonlyargs, *args.args]
    return positional[0].arg if positional else None


def _dotted(node: ast.expr) -> tuple[str, ...]:
    match node:
        case ast.Name(id=name):
            return (name,)
        case ast.Attribute(value=base, attr=name):
            inner = _dotted(base)
            return (*inner, name) if inner else ()
        case _:
            return ()
