"""Which names a piece of syntax binds and reads, and what a name means where it stands.

Works on the user's syntax only; it knows Python's rules of scope and nothing of rewriting.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any, Literal, NamedTuple, TypeAlias, TypeVar, cast

from weft.ir.dataclass import dataclass

NodeT = TypeVar("NodeT", bound=ast.AST)
Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
Comprehension: TypeAlias = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_TELLING = (
    *(
        ast.Global,
        ast.Nonlocal,
        ast.Return,
        ast.Break,
        ast.Continue,
        ast.Try,
        ast.TryStar,
        ast.With,
        ast.comprehension,
    ),
    *(ast.ExceptHandler, ast.MatchAs, ast.MatchStar, ast.MatchMapping, ast.alias),
    *(ast.Yield, ast.YieldFrom, ast.Await, ast.AsyncFor, ast.AsyncWith),
)
INNER_SCOPES = (*FUNCTIONS, ast.Lambda, ast.ClassDef)
SUSPENDING = (ast.Yield, ast.YieldFrom, ast.Await, ast.AsyncFor, ast.AsyncWith)
_KEPT = (ast.stmt, ast.Lambda, *COMPREHENSIONS)

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
    """A scope; `closure` is that of the outermost function, `doubtful` names may be unbound."""

    kind: Literal["function", "lambda", "comprehension", "class"]
    names: Bindings
    parent: Scope | None = None
    closure: frozenset[str] = frozenset()
    doubtful: frozenset[str] = frozenset()
    renamed: Mapping[str, str] = field(default_factory=dict[str, str])

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
    drops: bool = False  # holds a `finally` that jumps, or a `with` around what `leaves`
    leaves: bool = False  # holds a jump out of a `with` or of a `try` with `finally`, which may raise instead


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
        value: Any = getattr(node, name, None)
        if value.__class__ is list:
            found += [part for part in value if part.__class__ is not str and part is not None]
        elif isinstance(value, ast.AST):
            found.append(value)
    return found


def located(node: NodeT, place: ast.AST) -> NodeT:
    """Give `node` the place of another (as `ast.copy_location`, which is slower)."""
    known, other = node.__dict__, place.__dict__
    known["lineno"], known["col_offset"] = other["lineno"], other["col_offset"]
    known["end_lineno"], known["end_col_offset"] = other.get("end_lineno"), other.get("end_col_offset")
    return node


def facts(node: ast.AST) -> Facts:
    """Give the facts of `node` as they were when first asked for: they are kept with it."""
    known: Facts | None = node.__dict__.get("facts")
    if known is None:
        known = node.__dict__["facts"] = _Scan().all_of(node).result()
    return known


def facts_of(nodes: Iterable[ast.AST]) -> Facts:
    """Give the facts of several nodes together."""
    scan = _Scan()
    for node in nodes:
        scan.add(facts(node))
    return scan.result()


class _Scan:
    """Collects facts."""

    def __init__(self) -> None:
        self.names: list[set[str]] = [set() for _ in range(6)]
        self.flags = [False, False, False, False]

    def add(self, other: Facts) -> None:
        """Add what is known of a part."""
        if other is NOTHING:
            return
        self.names[3].update(other.reads)
        if other.bound:
            self.names[0].update(other.bound)
        if other.captured:
            self.names[4].update(other.captured)
        if other.globals or other.nonlocals or other.shared:
            self.names[1].update(other.globals)
            self.names[2].update(other.nonlocals)
            self.names[5].update(other.shared)
        if other.suspends or other.jumps or other.drops or other.leaves:
            self.flags = [one or more for one, more in zip(self.flags, other[6:], strict=True)]

    def result(self) -> Facts:
        """Give what was collected."""
        if not any(self.names) and not any(self.flags):
            return NOTHING
        names = [frozenset(one) for one in self.names]
        return Facts(names[0], names[1], names[2], names[3], names[4], names[5], *self.flags)

    def all_of(self, root: ast.AST) -> _Scan:
        """Add `root` and what is inside it; statements and scopes inside keep facts of their own."""
        bound, reads = self.names[0], self.names[3]
        stack = [root]
        while stack:
            node = stack.pop()
            kind = type(node)
            if kind is ast.Name:
                name = cast(ast.Name, node)
                (reads if isinstance(name.ctx, ast.Load) else bound).add(name.id)
            elif kind is ast.Constant:
                pass
            elif node is not root and isinstance(node, _KEPT):
                self.add(facts(node))
            elif isinstance(node, INNER_SCOPES):
                self._inner_scope(node)
            elif isinstance(node, COMPREHENSIONS):
                self._comprehension(node)
            else:
                if isinstance(node, _TELLING):
                    self._telling(node)
                stack += children(node)
        return self

    def _telling(self, node: ast.AST) -> None:
        bound, outer, nonlocals, *_ = self.names
        match node:
            case ast.Global(names=names):
                outer.update(names)
            case ast.Nonlocal(names=names):
                nonlocals.update(names)
            case ast.Return() | ast.Break() | ast.Continue():
                self.flags[1] = True
            case ast.Try() | ast.TryStar():
                self.flags[2] |= any(facts(part).jumps for part in node.finalbody)
                self.flags[3] |= bool(node.finalbody) and facts_of(children(node)).jumps
            case ast.With():
                inside = facts_of(node.body)
                self.flags[2] |= inside.leaves
                self.flags[3] |= inside.jumps
            case ast.comprehension(is_async=is_async):
                self.flags[0] |= bool(is_async)
            case _ if isinstance(node, SUSPENDING):
                self.flags[0] = True
            case _:
                bound.update(_bound_by(node))

    def _inner_scope(self, node: ast.AST) -> None:
        inside, outside = facts_of(children(node)), facts_of(outer_parts(node))
        self.add(outside)
        if isinstance(name := getattr(node, "name", None), str):
            self.names[0].add(name)
        self.names[3] |= inside.reads
        self.names[4] |= inside.captured | inside.reads
        self.names[5] |= inside.shared | inside.nonlocals

    def _comprehension(self, node: Comprehension) -> None:
        inside = facts_of(children(node))
        walrus = {part.target.id for part in ast.walk(node) if isinstance(part, ast.NamedExpr)}
        self.add(inside._replace(bound=frozenset(walrus)))  # these bind in the scope around
        if isinstance(node, ast.GeneratorExp):
            self.names[4] |= inside.reads


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
