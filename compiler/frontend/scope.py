"""Which names a piece of syntax binds and reads, and what a name means where it stands.

Works on the user's syntax only; it knows Python's rules of scope and nothing of rewriting.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
Comprehension: TypeAlias = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
SUSPENDING = (ast.Yield, ast.YieldFrom, ast.Await, ast.AsyncFor, ast.AsyncWith)

Meaning: TypeAlias = Literal["local", "cell", "global"]
"""A name of this function or of one rewritten with it; of the closure of the outermost; of the module."""


@dataclass(slots=True)
class Bindings:
    """What the statements of one scope say about names."""

    bound: set[str] = field(default_factory=set[str])
    globals: set[str] = field(default_factory=set[str])
    nonlocals: set[str] = field(default_factory=set[str])

    @property
    def local(self) -> set[str]:
        """The names that belong to this scope."""
        return self.bound - self.globals - self.nonlocals


@dataclass(frozen=True, slots=True)
class Scope:
    """A scope of the user's code; `closure` is that of the outermost function, `doubtful` names may be unbound."""

    kind: Literal["function", "lambda", "comprehension", "class"]
    names: Bindings
    parent: Scope | None = None
    closure: frozenset[str] = frozenset()
    doubtful: frozenset[str] = frozenset()

    def owner(self, name: str) -> Scope | None:
        """Give the scope of which `name` is a local name; None if it is no one's or declared global."""
        scope: Scope | None = self
        while scope is not None:
            if scope.kind != "class" or scope is self:
                if name in scope.names.globals:
                    return None
                if name in scope.names.bound and name not in scope.names.nonlocals:
                    return scope
            scope = scope.parent
        return None

    def is_global(self, name: str) -> bool:
        """Whether `name` is declared global here or around."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names.globals and (scope.kind != "class" or scope is self):
                return True
            scope = scope.parent
        return False

    def meaning(self, name: str) -> Meaning:
        """Say whose name `name` is when it is used in this scope."""
        if self.owner(name) is not None:
            return "local"
        return "cell" if name in self.closure and not self.is_global(name) else "global"

    def inner(self, kind: Literal["function", "lambda", "comprehension", "class"], names: Bindings) -> Scope:
        """Give a scope inside this one."""
        return Scope(kind, names, self, self.closure)


def own_nodes(nodes: Iterable[ast.AST]) -> Iterator[tuple[ast.AST, bool]]:
    """Yield the nodes that run in this scope, with whether they stand in a comprehension.

    A nested function, lambda or class is yielded itself, of its insides only what runs outside of it.
    """
    stack = [(node, False) for node in nodes]
    while stack:
        node, comprehended = stack.pop()
        yield node, comprehended
        if isinstance(node, (*FUNCTIONS, ast.Lambda, ast.ClassDef)):
            stack.extend((part, comprehended) for part in outer_parts(node))
        elif isinstance(node, COMPREHENSIONS):
            first = node.generators[0].iter
            stack.extend((part, True) for part in ast.walk(node) if part is not node and part is not first)
            stack.append((first, comprehended))
        else:
            stack.extend((part, comprehended) for part in ast.iter_child_nodes(node))


def outer_parts(node: ast.AST) -> list[ast.expr]:
    """Give the expressions of a definition that are evaluated where it stands (annotations left out)."""
    match node:
        case ast.Lambda(args=args):
            return [*args.defaults, *(default for default in args.kw_defaults if default)]
        case ast.FunctionDef(args=args) | ast.AsyncFunctionDef(args=args):
            kept = [default for default in args.kw_defaults if default]
            return [*node.decorator_list, *args.defaults, *kept]
        case ast.ClassDef():
            return [*node.decorator_list, *node.bases, *(keyword.value for keyword in node.keywords)]
        case _:
            return []


def bindings(nodes: Iterable[ast.AST]) -> Bindings:
    """Collect what `nodes` bind and declare in their scope."""
    found = Bindings()
    for node, comprehended in own_nodes(nodes):
        if comprehended:
            if isinstance(node, ast.NamedExpr):
                found.bound.add(node.target.id)
            continue
        match node:
            case ast.Global(names=names):
                found.globals.update(names)
            case ast.Nonlocal(names=names):
                found.nonlocals.update(names)
            case _:
                found.bound.update(_bound_by(node))
    return found


def _bound_by(node: ast.AST) -> tuple[str, ...]:
    match node:
        case ast.Name(id=name, ctx=ast.Store() | ast.Del()):
            return (name,)
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return (name,)
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            return (name,)
        case ast.MatchMapping(rest=str(name)):
            return (name,)
        case ast.alias(name=name, asname=other):
            return (other or name.partition(".")[0],)
        case _:
            return ()


def function_names(node: Function | ast.Lambda) -> Bindings:
    """Collect the names of a function: parameters, type parameters, and what its body binds."""
    found = bindings([node.body] if isinstance(node, ast.Lambda) else node.body)
    found.bound.update(parameter_names(node.args))
    found.bound.update(parameter.name for parameter in getattr(node, "type_params", ()))
    return found


def parameter_names(args: ast.arguments) -> list[str]:
    """Give the names of all parameters."""
    rest = [parameter for parameter in (args.vararg, args.kwarg) if parameter]
    return [parameter.arg for parameter in (*args.posonlyargs, *args.args, *args.kwonlyargs, *rest)]


def comprehension_names(node: Comprehension) -> Bindings:
    """Collect the loop variables of a comprehension."""
    targets = [generator.target for generator in node.generators]
    return Bindings(
        {part.id for target in targets for part in ast.walk(target) if isinstance(part, ast.Name)}
    )


def names_read(node: ast.AST) -> set[str]:
    """Collect every name that `node` may read, those inside nested functions included."""
    return {
        part.id for part in ast.walk(node) if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load)
    }


def suspends(node: ast.AST) -> bool:
    """Whether an expression or statement yields or awaits in its own scope, or names one that does."""
    return any(
        isinstance(part, SUSPENDING) or (isinstance(part, ast.comprehension) and part.is_async)
        for part, _ in own_nodes([node])
    )


def mangle(name: str, class_name: str) -> str:
    """Give the name that `__private` has inside a class."""
    owner = class_name.lstrip("_")
    if not owner or not name.startswith("__") or name.endswith("__") or "." in name:
        return name
    return f"_{owner}{name}"
