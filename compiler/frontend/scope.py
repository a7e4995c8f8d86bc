"""Which names a piece of syntax binds and reads, and what a name means where it stands.

Works on the user's syntax only; it knows Python's rules of scope and nothing of rewriting.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
Comprehension: TypeAlias = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
INNER_SCOPES = (*FUNCTIONS, ast.Lambda, ast.ClassDef)
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


class Facts(NamedTuple):
    """What a piece of syntax does in the scope where it stands; `reads` includes functions inside it."""

    bound: frozenset[str] = frozenset()
    globals: frozenset[str] = frozenset()
    nonlocals: frozenset[str] = frozenset()
    reads: frozenset[str] = frozenset()
    captured: frozenset[str] = frozenset()  # what functions and generators inside it read
    shared: frozenset[str] = frozenset()  # what functions inside it declare nonlocal
    suspends: bool = False  # yields or awaits
    jumps: bool = False  # holds break, continue or return
    drops: bool = False  # holds a `finally` that jumps


NOTHING = Facts()
_SKIPPED = frozenset(
    {"ctx", "op", "ops", "kind", "type_comment", "conversion", "level", "annotation", "returns"}
)
_fields: dict[type[ast.AST], tuple[str, ...]] = {}


def children(node: ast.AST) -> list[ast.AST]:
    """Give the nodes directly inside `node`, but for operators, contexts and annotations."""
    kind = type(node)
    names = _fields.get(kind)
    if names is None:
        names = _fields[kind] = tuple(name for name in kind._fields if name not in _SKIPPED)
    found: list[ast.AST] = []
    for name in names:
        value = getattr(node, name, None)
        if isinstance(value, ast.AST):
            found.append(value)
        elif isinstance(value, list):
            found += [part for part in value if isinstance(part, ast.AST)]  # pyright: ignore[reportUnknownVariableType]  fields are not typed
    return found


def facts(node: ast.AST) -> Facts:
    """Give the facts of `node` as they were when first asked for: they are kept with it."""
    known = node.__dict__.get("facts")
    if known is None:
        known = node.facts = _facts(node)  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]  kept with the node
    return known


def _facts(node: ast.AST) -> Facts:
    if isinstance(node, ast.Constant):
        return NOTHING
    if isinstance(node, ast.Name):
        name = frozenset((node.id,))
        return Facts(reads=name) if isinstance(node.ctx, ast.Load) else Facts(bound=name)
    inside = joined([facts(part) for part in children(node)])
    if isinstance(node, INNER_SCOPES):
        return _facts_of_inner(node, inside)
    if isinstance(node, COMPREHENSIONS):
        return _facts_of_comprehension(node, inside)
    bound = _bound_by(node)
    if bound:
        inside = inside._replace(bound=inside.bound.union(bound))
    return _facts_of_kind(node, inside)


def _facts_of_kind(node: ast.AST, inside: Facts) -> Facts:
    match node:
        case ast.Global(names=names):
            return inside._replace(globals=frozenset(names))
        case ast.Nonlocal(names=names):
            return inside._replace(nonlocals=frozenset(names))
        case ast.Return() | ast.Break() | ast.Continue():
            return inside._replace(jumps=True)
        case ast.Try() | ast.TryStar() if any(facts(part).jumps for part in node.finalbody):
            return inside._replace(drops=True)
        case ast.comprehension(is_async=is_async):
            return inside._replace(suspends=inside.suspends or bool(is_async))
        case _:
            return inside._replace(suspends=True) if isinstance(node, SUSPENDING) else inside


def _facts_of_inner(node: ast.AST, inside: Facts) -> Facts:
    outside = joined([facts(part) for part in outer_parts(node)])
    name = getattr(node, "name", None)
    captured = inside.captured if isinstance(node, ast.ClassDef) else inside.captured | inside.reads
    return outside._replace(
        bound=outside.bound if name is None else outside.bound | {name},
        reads=inside.reads,
        captured=captured | inside.reads,
        shared=inside.shared | inside.nonlocals,
    )


def _facts_of_comprehension(node: Comprehension, inside: Facts) -> Facts:
    walrus = frozenset(
        part.target.id for part in ast.walk(node) if isinstance(part, ast.NamedExpr)
    )  # these bind in the scope around
    captured = inside.captured | inside.reads if isinstance(node, ast.GeneratorExp) else inside.captured
    return inside._replace(bound=walrus, captured=captured)


def joined(parts: Sequence[Facts]) -> Facts:
    """Put the facts of several pieces together."""
    parts = [part for part in parts if part is not NOTHING]
    if len(parts) <= 1:
        return parts[0] if parts else NOTHING
    sets = [frozenset[str]().union(*(part[index] for part in parts)) for index in range(6)]
    return Facts(*sets, *(any(part[index] for part in parts) for index in range(6, 9)))  # pyright: ignore[reportArgumentType]


def facts_of(nodes: Iterable[ast.AST]) -> Facts:
    """Give the facts of statements together."""
    return joined([facts(node) for node in nodes])


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
    found = facts_of(nodes)
    return Bindings(set(found.bound), set(found.globals), set(found.nonlocals))


def _bound_by(node: ast.AST) -> tuple[str, ...]:
    match node:
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


def mangle(name: str, class_name: str) -> str:
    """Give the name that `__private` has inside a class."""
    owner = class_name.lstrip("_")
    if not owner or not name.startswith("__") or name.endswith("__") or "." in name:
        return name
    return f"_{owner}{name}"
