"""Rewrites statements: stores and conditions go to the hooks, and bodies become functions.

A body shares the variables of the user's function as cells (`nonlocal`), so a name keeps Python's meaning
whatever runs the body: unbound names raise, closures see later values, nothing is copied. `jump.py` has
taken the jumps out before. Generators, and the others that `has_regions` names, keep Python's own
statements and ask `truth` alone.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeAlias, cast

from weft.compiler.frontend.code import PREFIX, Definition
from weft.compiler.frontend.consuming import consuming
from weft.compiler.frontend.expression import (
    SIGNS,
    ExpressionRewriter,
    Reference,
    first_parameter,
    hook,
    lambda_of,
    mark_tests,
)
from weft.compiler.frontend.jump import JumpLowering, has_regions
from weft.compiler.frontend.liveness import Liveness, maybe_undefined
from weft.compiler.frontend.scope import (
    Bindings,
    Function,
    Scope,
    bindings,
    facts_of,
    function_names,
    located,
    mangle,
    parameter_names,
)

Field: TypeAlias = Any  # a field of a node: syntax, a text, a number or None
ITEM = f"{PREFIX}item__"
CONSUMING = f"{PREFIX}consuming__"
"""The attribute of a generator inside of a function that holds it as a function that hands on its values."""


def rewrite_definition(definition: Definition, closure: frozenset[str]) -> list[Reference]:
    """Rewrite a function in place; give its uses of outer names."""
    outside = Scope("function", Bindings(), closure=closure)
    expressions = ExpressionRewriter(outside, definition.class_name)
    expressions.rewrite_function = lambda made: StatementRewriter(expressions).function(made)
    node = definition.node
    node.args.defaults = []
    node.args.kw_defaults = [None] * len(node.args.kw_defaults)
    _strip(node)
    StatementRewriter(expressions).function(node)
    return expressions.references


def _strip(node: Function) -> None:
    """Drop what is evaluated where the function is defined."""
    node.decorator_list, node.returns = [], None
    if hasattr(node, "type_params"):
        setattr(node, "type_params", [])  # noqa: B010  Python 3.12 has it
    args = node.args
    for parameter in (*args.posonlyargs, *args.args, *args.kwonlyargs, args.vararg, args.kwarg):
        if parameter is not None:
            parameter.annotation = None


class StatementRewriter:
    """Rewrites the body of one function (or class); functions inside it get one of their own."""

    def __init__(self, expressions: ExpressionRewriter) -> None:
        self.expressions = expressions
        self.lowering = JumpLowering()
        self.liveness: Liveness | None = None  # None: statements stay Python's own
        self.written_inside: frozenset[str] = frozenset()  # names that functions inside bind by `nonlocal`

    # -- functions and classes -------------------------------------------------------------------------------

    def function(self, node: Function) -> None:
        """Rewrite a function's body in place."""
        expressions = self.expressions
        names = function_names(node)
        doubtful = frozenset[str]()
        if has_regions(node):
            node.body = self.lowering.function(node)
            self.liveness = Liveness(node.body, self.lowering.stops)
            self.written_inside = facts_of(node.body).shared & names.local
            doubtful = maybe_undefined(node.body, set(parameter_names(node.args)))
        outer = expressions.scope
        scope = Scope("function", names, outer, outer.closure, doubtful)
        with self._standing_in(scope, first_parameter(node.args)):
            documentation = node.body[:1] if ast.get_docstring(node, clean=False) is not None else []
            body = self.block(node.body[len(documentation) :])
            node.body = [*documentation, *self._declarations(names, node), *body] or [ast.Pass()]

    @contextmanager
    def _standing_in(self, scope: Scope, first: str | None) -> Generator[None, None, None]:
        expressions = self.expressions
        saved = expressions.first_parameter, expressions.shared
        expressions.first_parameter, expressions.shared = first, set()
        with expressions.within(scope):
            yield
        expressions.first_parameter, expressions.shared = saved

    def _declarations(self, names: Bindings, place: ast.AST) -> list[ast.stmt]:
        """Give the user's own declarations, and make names local that now are bound in bodies alone."""
        made: list[ast.stmt] = []
        if names.globals:
            made.append(ast.Global(sorted(names.globals)))
        if names.nonlocals:
            made.append(ast.Nonlocal(sorted(names.nonlocals)))
        if shared := sorted(self.expressions.shared):
            targets: list[ast.expr] = [ast.Name(name, ast.Store()) for name in shared]
            made.append(ast.If(ast.Constant(0), [ast.Assign(targets, ast.Constant(None))], []))
        return [located(statement, place) for statement in made]

    def on_definition(self, node: Function) -> list[ast.stmt]:
        """Rewrite a function inside the function."""
        expressions = self.expressions
        node.decorator_list = expressions.several(node.decorator_list)
        expressions.defaults(node.args)
        twin = None
        if not node.decorator_list and expressions.scope.kind == "function":
            twin = consuming(node, expressions.fresh("generator"))
        StatementRewriter(expressions).function(node)
        if twin is None:
            return [node]
        StatementRewriter(expressions).function(twin)
        made = located(ast.Name(node.name, ast.Load()), node)
        target = located(ast.Attribute(made, CONSUMING, ast.Store()), node)
        return [node, twin, located(ast.Assign([target], _name_of(twin, node)), node)]

    def on_class(self, node: ast.ClassDef) -> list[ast.stmt]:
        """Rewrite a class inside the function; its body is Python's."""
        expressions = self.expressions
        node.decorator_list = expressions.several(node.decorator_list)
        node.bases = expressions.several(node.bases)
        node.keywords = [expressions.visit(keyword) for keyword in node.keywords]
        class_name, expressions.class_name = expressions.class_name, node.name
        names = bindings(node.body)
        names.bound.update(parameter.name for parameter in getattr(node, "type_params", ()))
        with expressions.within(expressions.scope.inner("class", names)):
            node.body = StatementRewriter(expressions).block(node.body)
        expressions.class_name = class_name
        return [node]

    # -- statements ------------------------------------------------------------------------------------------

    def block(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """Rewrite statements that follow each other."""
        result: list[ast.stmt] = []
        for node in body:
            saved = self.expressions.hoisted
            hoisted: list[ast.stmt] | None = None if self.expressions.scope.kind == "class" else []
            self.expressions.hoisted = hoisted
            made = self.statement(node)
            self.expressions.hoisted = saved
            result += [*(hoisted or ()), *made]
        return result or [ast.Pass()]

    def statement(self, node: ast.stmt) -> list[ast.stmt]:
        """Rewrite one statement."""
        handler = _HANDLERS.get(type(node))
        if handler is not None:
            return handler(self, node)
        self._parts(node)
        return [node]

    def _parts(self, node: ast.AST) -> None:
        """Rewrite the expressions and statements in `node` where they are."""
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "pattern", "type_params"):
                continue
            if isinstance(value, list):
                parts = cast("list[Any]", value)
                block = bool(parts) and isinstance(parts[0], ast.stmt)
                setattr(node, name, self.block(parts) if block else [self._part(part) for part in parts])
            elif isinstance(value, ast.AST):
                setattr(node, name, self._part(value))

    def _part(self, value: Field) -> Field:
        if isinstance(value, ast.expr):
            return self.expressions.visit(value)
        if isinstance(value, ast.withitem | ast.ExceptHandler):
            self._parts(value)
        if isinstance(value, ast.match_case):
            value.guard = value.guard and self.expressions.truth(value.guard)
            value.body = self.block(value.body)
        return value

    def on_if(self, node: ast.If) -> list[ast.stmt]:
        """Make the branches functions."""
        if self.liveness is None:
            node.test = self.expressions.truth(node.test)
            node.body, node.orelse = self.block(node.body), self.block(node.orelse) if node.orelse else []
            return [node]
        bound = facts_of([*node.body, *node.orelse]).bound
        facts = self._facts(bound, live=self.liveness.after[id(node)])
        test: ast.expr = self.expressions.test(node.test)
        then = self._body("then", node.body, node)
        orelse = self._body("else", node.orelse, node) if node.orelse else None
        branches = [_name_of(body, node) if body else ast.Constant(None) for body in (then, orelse)]
        called = ast.Expr(hook("if_", node.test, test, *branches, **facts))
        return [then, *([orelse] if orelse else []), located(called, node.test)]

    def on_while(self, node: ast.While) -> list[ast.stmt]:
        """Make test and body functions."""
        mark_tests(node.test)
        tests = None if self.liveness is None else self.expressions.thunks([node.test])
        if self.liveness is None or tests is None:
            node.test = self.expressions.truth(node.test)
            node.body, node.orelse = self.block(node.body), self.block(node.orelse) if node.orelse else []
            return [node]
        facts = self._loop_facts(node, self.liveness, facts_of([node.test, *node.body]).bound)
        body = self._body("while", node.body, node)
        called = hook("while_", node.test, tests[0], _name_of(body, node), self._stop(node), **facts)
        return [body, located(ast.Expr(called), node.test)]

    def on_for(self, node: ast.For) -> list[ast.stmt]:
        """Make the body a function of the item."""
        if self.liveness is None:
            iterable: ast.expr = self.expressions.visit(node.iter)
            node.iter = hook("iterate", node.iter, iterable)
            node.target = self.expressions.visit(node.target)
            node.body, node.orelse = self.block(node.body), self.block(node.orelse) if node.orelse else []
            return [node]
        item = located(ast.Name(ITEM, ast.Load()), node.target)
        bind = located(ast.Assign([node.target], item), node.target)
        facts = self._loop_facts(node, self.liveness, facts_of([node.target, *node.body]).bound)
        body = self._body("for", [bind, *node.body], node, [ITEM])
        source: ast.expr = self.expressions.visit(node.iter)
        called = hook("for_", node.iter, source, _name_of(body, node), self._stop(node), **facts)
        return [body, located(ast.Expr(called), node.iter)]

    def _body(
        self, kind: str, body: list[ast.stmt], place: ast.AST, parameters: list[str] | None = None
    ) -> ast.stmt:
        name = self.expressions.fresh(kind)
        bound = facts_of(body).bound | self.written_inside
        return self.expressions.function(name, parameters or [], self.block(body), bound, place)

    def _stop(self, node: ast.While | ast.For) -> ast.expr:
        flags = self.lowering.stops[id(node)]
        if not flags:
            return ast.Constant(None)
        tests = [located(ast.Name(flag, ast.Load()), node) for flag in flags]
        if len(tests) == 1:
            return lambda_of(tests[0])
        return lambda_of(hook("or_", node, tests[0], *map(lambda_of, tests[1:])))

    def _loop_facts(
        self, node: ast.While | ast.For, liveness: Liveness, bound: frozenset[str]
    ) -> dict[str, ast.expr]:
        return self._facts(bound, carried=liveness.head[id(node)], live=liveness.after[id(node)])

    def _facts(self, bound: frozenset[str], **live: frozenset[str]) -> dict[str, ast.expr]:
        scope = self.expressions.scope
        written = {name for name in bound if name.startswith(PREFIX) or scope.meaning(name) == "local"}
        written |= self.written_inside
        kept = {key: written & (names | self.written_inside) for key, names in live.items()}
        return {key: self._names(names) for key, names in {"written": written, **kept}.items()}

    def _names(self, names: set[str]) -> ast.expr:
        class_name = self.expressions.class_name
        texts: Any = tuple(sorted(mangle(name, class_name) for name in names))
        return ast.Constant(texts)

    def on_assert(self, node: ast.Assert) -> list[ast.stmt]:
        """Check by a hook, unless Python leaves assertions out."""
        if not __debug__:
            return [located(ast.Pass(), node)]
        messages = self.expressions.thunks([node.msg]) if node.msg else [ast.Constant(None)]
        if messages is None:
            node.test = self.expressions.truth(node.test)
            node.msg = self.expressions.visit(node.msg) if node.msg else None
            return [node]
        test: ast.expr = self.expressions.visit(node.test)
        return [located(ast.Expr(hook("assert_", node, test, *messages)), node)]

    def on_try(self, node: ast.Try) -> list[ast.stmt]:
        """Tell a hook where handlers may catch what the program raises, or `finally` runs after it."""
        self._parts(node)
        node.body.insert(0, located(ast.Expr(hook("tries", node)), node))
        return [node]

    def on_raise(self, node: ast.Raise) -> list[ast.stmt]:
        """Show the exception to a hook; a bare `raise` stays."""
        self._parts(node)
        if node.exc is not None:
            node.exc = hook("raise_", node.exc, node.exc)
        return [node]

    def on_assign(self, node: ast.Assign) -> list[ast.stmt]:
        """Show what is taken apart to a hook, unless it stands there in parts."""
        in_parts = isinstance(node.value, ast.Tuple | ast.List)
        takes_apart = any(isinstance(target, ast.Tuple | ast.List) for target in node.targets)
        self._parts(node)
        if takes_apart and not in_parts:
            node.value = hook("unpack", node.value, node.value)
        return [node]

    def on_augmented(self, node: ast.AugAssign) -> list[ast.stmt]:
        """Rebind a name to, or store, what a hook makes of the old value and the operand."""
        expressions, symbol = self.expressions, ast.Constant(f"{SIGNS[type(node.op)]}=")
        target = node.target
        if isinstance(target, ast.Name):
            old = expressions.visit(located(ast.Name(target.id, ast.Load()), target))
            made = hook("augmented", node, symbol, old, expressions.visit(node.value))
            return [located(ast.Assign([expressions.visit(target)], made), node)]
        holder = expressions.visit(target).value  # the target object, of which `.value` would be assigned
        loaded = ast.Call(ast.Attribute(holder, "load", ast.Load()), [], [])
        operands: list[ast.expr] = [symbol, expressions.visit(node.value)]
        done = ast.Call(ast.Attribute(located(loaded, target), "augment", ast.Load()), operands, [])
        return [located(ast.Expr(located(done, node)), node)]

    def on_annotated(self, node: ast.AnnAssign) -> list[ast.stmt]:
        """Assign; inside a function, annotations are not evaluated."""
        if self.expressions.scope.kind == "class" or node.value is None:
            self._parts(node) if node.value is not None else None
            return [node]
        return self.statement(located(ast.Assign([node.target], node.value), node))

    def on_delete(self, node: ast.Delete) -> list[ast.stmt]:
        """Delete targets one by one."""
        return [made for target in node.targets for made in self._delete(target)]

    def _delete(self, target: ast.expr) -> list[ast.stmt]:
        expressions = self.expressions
        match target:
            case ast.Tuple(elts=parts) | ast.List(elts=parts):
                return [made for part in parts for made in self._delete(part)]
            case ast.Name(id=name) if name.startswith(PREFIX) or expressions.scope.meaning(name) == "local":
                return [located(ast.Delete([target]), target)]
            case ast.Name(id=name):
                call = hook(f"delete_{expressions.scope.meaning(name)}", target, expressions.text(name))
            case ast.Attribute(value=base, attr=name):
                call = hook("delete_attribute", target, expressions.visit(base), expressions.text(name))
            case ast.Subscript(value=base, slice=key):
                call = hook("delete_item", target, expressions.visit(base), expressions.key(key))
            case _:
                raise ValueError(f"no target of del: {ast.dump(target)}")
        return [located(ast.Expr(call), target)]

    def on_declaration(self, node: ast.Global | ast.Nonlocal) -> list[ast.stmt]:
        """Drop; `function` declares all at its start (in a class they stay)."""
        return [node] if self.expressions.scope.kind == "class" else []

    def leave(self, node: ast.stmt) -> list[ast.stmt]:
        """Leave a statement as it is."""
        return [node]


def _name_of(made: ast.stmt, place: ast.AST) -> ast.expr:
    assert isinstance(made, ast.FunctionDef)
    return located(ast.Name(made.name, ast.Load()), place)


_HANDLERS: dict[type[ast.stmt], Callable[[StatementRewriter, Any], list[ast.stmt]]] = {
    ast.FunctionDef: StatementRewriter.on_definition,
    ast.AsyncFunctionDef: StatementRewriter.on_definition,
    ast.ClassDef: StatementRewriter.on_class,
    ast.If: StatementRewriter.on_if,
    ast.While: StatementRewriter.on_while,
    ast.For: StatementRewriter.on_for,
    ast.Assert: StatementRewriter.on_assert,
    ast.Raise: StatementRewriter.on_raise,
    ast.Try: StatementRewriter.on_try,
    ast.Assign: StatementRewriter.on_assign,
    ast.AugAssign: StatementRewriter.on_augmented,
    ast.AnnAssign: StatementRewriter.on_annotated,
    ast.Delete: StatementRewriter.on_delete,
    ast.Global: StatementRewriter.on_declaration,
    ast.Nonlocal: StatementRewriter.on_declaration,
    ast.Import: StatementRewriter.leave,
    ast.ImportFrom: StatementRewriter.leave,
}
if (_type_alias := getattr(ast, "TypeAlias", None)) is not None:  # Python 3.12 has it
    _HANDLERS[_type_alias] = StatementRewriter.leave
