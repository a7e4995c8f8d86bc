"""Turns break, continue and return inside statements into flags, so that bodies can become functions.

Plain syntax in, plain syntax out: a flag is a local variable, what a jump skips stands under `if not flag:`.
Where a branch always jumps, what follows the `if` moves into the other branch instead, so that names bound
on the only path that goes on are known to be bound. A `return` in a loop whose value holds a list or a part
of an array is evaluated after the loop, which leaves at once: lists and sizes are then what they are at its
end. Knows nothing of hooks.
"""

from __future__ import annotations

import ast
from dataclasses import field
from typing import TypeAlias, cast

from weft.compiler.frontend.scope import (
    INNER_SCOPES,
    Function,
    NodeT,
    facts,
    facts_of,
    located,
    parameter_names,
)
from weft.ir.dataclass import dataclass

RESULT = "__weft_result__"
RETURNED = "__weft_returned__"
FRAME_FUNCTIONS = frozenset({"locals", "vars", "dir", "eval", "exec"})
"""Builtins that look at the variables of their caller."""

Loop: TypeAlias = ast.While | ast.For
_JUMPS = (ast.Return, ast.Break, ast.Continue)


def has_regions(function: Function) -> bool:
    """Whether the statements of a function can become regions.

    Not so in generators and coroutines (a body that yields cannot be a function), where `finally` jumps
    (which drops an exception), where a `with` may swallow the exception that stops a jump, and where a
    builtin looks at the variables of its caller.
    """
    found = facts_of(function.body)
    plain = isinstance(function, ast.AsyncFunctionDef) or found.suspends or found.drops
    return not plain and not found.reads & FRAME_FUNCTIONS


@dataclass(slots=True)
class Lowered:
    """Statements without jumps; `may` holds the flags that they may set; every path jumps if `always`."""

    body: list[ast.stmt] = field(default_factory=list[ast.stmt])
    may: set[str] = field(default_factory=set[str])
    always: bool = False


@dataclass(slots=True, eq=False)
class LoopFlags:
    """The flags of the loop around a statement; `later` holds returns that follow it, by their flags.

    It is None where what stands around the return, inside of the loop, must see its value. `known` are the
    names that have values before the loop or need none to be carried.
    """

    stopped: str
    skipped: str
    known: frozenset[str]
    later: dict[str, ast.Return] | None


class JumpLowering:
    """Lowers one function; `stops` then gives, by id of a loop, the flags after which it must not go on."""

    def __init__(self) -> None:
        self.stops: dict[int, tuple[str, ...]] = {}
        self.used: set[str] = set()  # flags that are tested somewhere
        self.setting: dict[int, str] = {}  # by id of an assignment, the flag that it sets
        self.count = 0
        self.nodes: list[ast.AST] = []  # keeps ids valid
        self.earlier: set[str] = set()  # names that statements before the present one bind
        self.changing: frozenset[str] = frozenset()  # names of lists and other containers

    def function(self, node: Function) -> list[ast.stmt]:
        """Give the body of `node` without jumps but, at most, a `return` as the last statement."""
        end = located(ast.Return(located(ast.Constant(None), node.body[-1])), node.body[-1])
        self.earlier.update(parameter_names(node.args))
        self.changing = containers(node.body)
        lowered = self.block([*node.body, end], None, outermost=True)
        body = lowered.body
        if RETURNED in self.used:
            body = [self._set(RETURNED, False, node.body[0]), *body]
        if body[-1] is end:
            body = body[:-1]
        elif not isinstance(body[-1], ast.Return):
            body = [*body, located(ast.Return(located(ast.Name(RESULT, ast.Load()), end)), end)]
        return self._without_unused(body)

    def _without_unused(self, body: list[ast.stmt]) -> list[ast.stmt]:
        """Drop assignments to flags that nothing tests."""
        kept: list[ast.stmt] = []
        for statement in body:
            if self.setting.get(id(statement), RETURNED) not in self.used and id(statement) in self.setting:
                continue
            if not isinstance(statement, INNER_SCOPES):
                for holder in _holders(statement):
                    for name in ("body", "orelse", "finalbody"):
                        if inner := cast("list[ast.stmt]", getattr(holder, name, None)):
                            left = self._without_unused(inner)
                            setattr(holder, name, left or [located(ast.Pass(), statement)])
            kept.append(statement)
        return kept

    def block(self, body: list[ast.stmt], loop: LoopFlags | None, *, outermost: bool = False) -> Lowered:
        """Lower a list of statements that run one after the other."""
        result = Lowered()
        for index, statement in enumerate(body):
            rest = body[index + 1 :]
            if not isinstance(statement, ast.While | ast.For):
                self.earlier |= facts(statement).bound
            if isinstance(statement, _JUMPS):
                if outermost:
                    result.body.append(statement)
                else:
                    self._jump(statement, loop, result)
                result.always = True
                return result
            if isinstance(statement, ast.If):
                finished = self._if(statement, rest, loop, result)
            else:
                flags, tail = self._compound(statement, loop, result)
                finished = bool(flags or tail)
                if finished:
                    self._continue(flags, [*tail, *rest], loop, result)
            if finished:
                return result
        return result

    def _jump(self, statement: ast.stmt, loop: LoopFlags | None, result: Lowered) -> None:
        flag = RETURNED
        if isinstance(statement, ast.Return) and loop is not None and self._waits(statement, loop):
            assert loop.later is not None
            flag = f"{loop.stopped[:-2]}_{len(loop.later)}__"
            loop.later[flag] = statement
        elif isinstance(statement, ast.Return):
            value = statement.value or located(ast.Constant(None), statement)
            result.body.append(
                located(ast.Assign([located(ast.Name(RESULT, ast.Store()), statement)], value), statement)
            )
        elif loop is not None:
            flag = loop.stopped if isinstance(statement, ast.Break) else loop.skipped
        result.body.append(self._set(flag, True, statement))
        result.may.add(flag)

    def _waits(self, statement: ast.Return, loop: LoopFlags) -> bool:
        """Whether a return's value is evaluated after the loop."""
        if loop.later is None or statement.value is None:
            return False
        reads = facts(statement.value).reads
        cuts = any(isinstance(part, ast.Slice) for part in ast.walk(statement.value))
        return bool(cuts or reads & self.changing) and reads.isdisjoint(self.changing - loop.known)

    def _if(self, node: ast.If, rest: list[ast.stmt], loop: LoopFlags | None, result: Lowered) -> bool:
        """Lower an `if`; True if the statements after it were taken care of."""
        leaves, other_leaves = always_jumps(node.body), always_jumps(node.orelse)
        one_sided = leaves != other_leaves
        then = self.block([*node.body, *rest] if other_leaves and one_sided else node.body, loop)
        other = self.block([*node.orelse, *rest] if leaves and one_sided else node.orelse, loop)
        lowered = ast.If(node.test, then.body or [located(ast.Pass(), node)], other.body)
        result.body.append(self._kept(located(lowered, node)))
        may = then.may | other.may
        if one_sided or (leaves and other_leaves):
            result.may |= may
            result.always = then.always and other.always
            return True
        if may:
            self._continue(may, rest, loop, result)
        return bool(may)

    def _continue(
        self, flags: set[str], rest: list[ast.stmt], loop: LoopFlags | None, result: Lowered
    ) -> None:
        """Lower what follows a statement that may have set `flags`."""
        result.may |= flags
        lowered = self.block(rest, loop)
        result.may |= lowered.may
        if not flags:
            result.body += lowered.body
            result.always = lowered.always
        elif lowered.body:
            place = rest[0]
            result.body.append(located(ast.If(self._none_of(flags, place), lowered.body, []), place))
            result.always = False

    def _compound(
        self, node: ast.stmt, loop: LoopFlags | None, result: Lowered
    ) -> tuple[set[str], list[ast.stmt]]:
        """Lower one statement that is no `if`; give the flags it may set and what must run if none is set."""
        match node:
            case ast.While() | ast.For():
                return self._loop(node, loop, result)
            case ast.Try() | ast.TryStar():
                return self._try(node, loop, result)
            case ast.With():
                inner = self.block(node.body, _inside(loop))
                lowered = ast.With(node.items, inner.body)
                result.body.append(self._kept(located(lowered, node)))
                return inner.may, []
            case ast.Match():
                cases = [(case, self.block(case.body, loop)) for case in node.cases]
                arms = [ast.match_case(case.pattern, case.guard, inner.body) for case, inner in cases]
                result.body.append(self._kept(located(ast.Match(node.subject, arms), node)))
                return set[str]().union(*(inner.may for _, inner in cases)), []
            case _:
                result.body.append(node)
                return set(), []

    def _loop(self, node: Loop, loop: LoopFlags | None, result: Lowered) -> tuple[set[str], list[ast.stmt]]:
        self.count += 1
        if isinstance(node, ast.While) and not node.orelse and _binds(node.test):
            node = _tested_inside(node)
        known = frozenset(self.earlier) | (self.changing - facts_of(node.body).bound)
        flags = LoopFlags(f"__weft_break_{self.count}__", f"__weft_continue_{self.count}__", known, {})
        bound = facts(node).bound
        inner = self.block(node.body, flags)
        self.earlier |= bound
        later = flags.later or {}
        body = inner.body or [located(ast.Pass(), node)]
        if flags.skipped in inner.may:
            body = [self._set(flags.skipped, False, node.body[0]), *body]
        stops = tuple(sorted(inner.may & {flags.stopped, RETURNED, *later}))
        ways = {flags.stopped, *later}.intersection(stops)
        result.body += [self._set(flag, False, node) for flag in sorted(ways)]
        self.used.update(stops)
        lowered = (
            ast.While(node.test, body, [])
            if isinstance(node, ast.While)
            else ast.For(node.target, node.iter, body, [])
        )
        result.body.append(self._kept(located(lowered, node)))
        self.stops[id(lowered)] = stops
        tail: list[ast.stmt] = node.orelse
        if tail and ways:
            tail = [located(ast.If(self._none_of(ways, tail[0]), tail, []), tail[0])]
        for flag, end in later.items():
            test = located(ast.Name(flag, ast.Load()), end)
            self.used.add(flag)
            tail = [located(ast.If(test, [end], tail), end)]
        return inner.may & {RETURNED}, tail

    def _try(
        self, node: ast.Try | ast.TryStar, loop: LoopFlags | None, result: Lowered
    ) -> tuple[set[str], list[ast.stmt]]:
        around = _inside(loop)
        inner, other, last = (self.block(part, around) for part in (node.body, node.orelse, node.finalbody))
        handlers = [(handler, self.block(handler.body, around)) for handler in node.handlers]
        orelse: list[ast.stmt] = other.body
        if orelse and inner.may:
            place = node.orelse[0]
            orelse = [located(ast.If(self._none_of(inner.may, place), orelse, []), place)]
        undone: list[ast.stmt] = []
        if facts_of(node.body).leaves:  # a handler runs only if the jump was given up for an exception
            undone = [self._set(flag, False, node) for flag in sorted(inner.may)]
        caught = [
            located(ast.ExceptHandler(handler.type, handler.name, [*undone, *lowered.body]), handler)
            for handler, lowered in handlers
        ]
        lowered = type(node)(inner.body, caught, orelse, last.body)
        result.body.append(self._kept(located(lowered, node)))
        return inner.may.union(other.may, last.may, *(lowered.may for _, lowered in handlers)), []

    def _set(self, flag: str, value: bool, place: ast.AST) -> ast.stmt:
        target = located(ast.Name(flag, ast.Store()), place)
        statement = self._kept(located(ast.Assign([target], located(ast.Constant(value), place)), place))
        self.setting[id(statement)] = flag
        return statement

    def _none_of(self, flags: set[str], place: ast.AST) -> ast.expr:
        self.used |= flags
        names: list[ast.expr] = [located(ast.Name(flag, ast.Load()), place) for flag in sorted(flags)]
        tested = names[0] if len(names) == 1 else located(ast.BoolOp(ast.Or(), names), place)
        return located(ast.UnaryOp(ast.Not(), tested), place)

    def _kept(self, node: NodeT) -> NodeT:
        self.nodes.append(node)
        return node


def always_jumps(body: list[ast.stmt]) -> bool:
    """Whether every path through `body` ends in break, continue or return."""
    for statement in body:
        if isinstance(statement, _JUMPS):
            return True
        if isinstance(statement, ast.If) and always_jumps(statement.body) and always_jumps(statement.orelse):
            return True
    return False


def containers(body: list[ast.stmt]) -> frozenset[str]:
    """Names that hold lists, dicts or sets made here, or to which something is appended."""
    found: set[str] = set()
    for part in (part for statement in body for part in ast.walk(statement)):
        match part:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if _is_container(value):
                found.add(name)
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="append" | "extend" | "add")):
                found.add(name)
            case _:
                pass
    return frozenset(found)


def _is_container(value: ast.expr) -> bool:
    if isinstance(value, ast.BinOp):
        return _is_container(value.left) or _is_container(value.right)
    made = ast.List | ast.ListComp | ast.Dict | ast.DictComp | ast.Set | ast.SetComp
    makers = ("list", "dict", "set", "deque", "defaultdict", "Counter")
    is_made = isinstance(value, ast.Call) and isinstance(value.func, ast.Name) and value.func.id in makers
    return isinstance(value, made) or is_made


def _inside(loop: LoopFlags | None) -> LoopFlags | None:
    """The flags for what stands in a `try` or `with` in a loop: a return's value is theirs to see."""
    return None if loop is None else LoopFlags(loop.stopped, loop.skipped, loop.known, None)


def _holders(statement: ast.stmt) -> list[ast.AST]:
    inner = [*getattr(statement, "handlers", ()), *getattr(statement, "cases", ())]
    return [statement, *inner]


def _binds(test: ast.expr) -> bool:
    return any(isinstance(part, ast.NamedExpr) for part in ast.walk(test))


def _tested_inside(node: ast.While) -> ast.While:
    """A loop whose test binds a name, with the test as the first statement of its body."""
    test, place = node.test, node.test
    leave = ast.If(located(ast.UnaryOp(ast.Not(), test), place), [located(ast.Break(), place)], [])
    always = located(ast.Constant(True), place)
    return located(ast.While(always, [located(leave, place), *node.body], []), node)
