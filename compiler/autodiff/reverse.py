"""Reverse mode: a program that also computes gradients, from the `vjp` rules of the op records.

The new program is the old one followed by the way back: ops in reverse order, each handing the cotangents of
its results to its operands. Only ops between `wrt` and the differentiated results are visited, so the work
and the program's growth are linear in the number of ops. Writes and effects belong to the forward part and
stay as they are.
Not here: what a user passes (`weft.transforms`), rules of ops with regions (`regions.py`), forward mode.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from weft.compiler.autodiff.flow import Flow, flow_of, is_float, used_values
from weft.compiler.autodiff.places import accumulate
from weft.compiler.autodiff.regions import REASONS, RULES
from weft.compiler.autodiff.residuals import without_checks
from weft.compiler.passes import canonicalize, fold
from weft.compiler.passes.cse import cse
from weft.compiler.passes.rules import apply_rules
from weft.ir import (
    REGISTRY,
    Builder,
    DTypeError,
    Expr,
    Fact,
    Func,
    Location,
    Op,
    Region,
    ShapeError,
    TensorType,
    Type,
    UnsupportedError,
    Value,
    WeftError,
)  # fmt: skip
from weft.ir.dims import symbols_of
from weft.ir.rewrite import Cloner, symbol_names
from weft.ir.walk import calls_python, dims_of_type, walk


def differentiate(
    fn: Func,
    wrt: Sequence[int],
    *,
    cotangent_given: bool = False,
    of: Sequence[int] | None = None,
) -> Func:
    """The program that gives the results of `fn` and then one gradient for each parameter in `wrt`.

    Differentiates the scalar float result number 0, or the one in `of`. With `cotangent_given` it
    differentiates all float results that are not written to a parameter (or those in `of`, of any shape), and
    takes one more parameter for each of them, after the others: its cotangent. A gradient has the type of its
    parameter, is taken at the values at entry, and is zeros where no path leads to a differentiated result.
    Gradient ops carry the locations of their forward op. Requires stage "tensor".
    Raises DTypeError for a parameter that is not of floats, ShapeError for a result that is not one number,
    UnsupportedError for an op on the path that has no derivative.
    Source: Linnainmaa 1976; Griewank and Walther 2008, "Evaluating Derivatives", chapter 3.
    """
    results = _differentiated(fn, cotangent_given=cotangent_given) if of is None else tuple(of)
    _check(fn, wrt, results, any_shape=cotangent_given)
    sources, outputs = [fn.params[i] for i in wrt], [fn.results[i] for i in results]
    ops, cloner = fn.body.ops[:-1], Cloner()
    reverse = Reverse(
        ops, flow_of(ops, sources, outputs), cloner, Region(), Names(symbol_names(fn), unbounded_in(fn.body))
    )
    for param in fn.params:
        cloner.set([param], [reverse.region.add_param(param.type, param.name)])
    reverse.run_forward()
    for value in outputs:
        given = reverse.region.add_param(value.type) if cotangent_given else None
        seed = reverse.builder.constant(1.0, value.type) if given is None else reverse.builder.expr(given)
        reverse.add(value, seed)
    reverse.run_backward()
    return cse(apply_rules(_finish(fn, reverse, sources), canonicalize.RULES, fold.RULES))


def _finish(fn: Func, reverse: "Reverse", sources: Sequence[Value]) -> Func:
    """The new program: results and gradients, without those ops of the way back that nothing needs."""
    gradients = [reverse.cotangent(v).value for v in sources]
    returned = [*(reverse.cloner.value(v) for v in fn.results), *gradients]
    reverse.drop_unused(returned)
    terminator = fn.body.terminator
    reverse.builder.locations = terminator.locations
    reverse.builder.emit(terminator.name, returned)
    into = fn.into and (*fn.into, *(-1 for _ in gradients))
    return replace(fn, name=f"{fn.name}_grad", body=reverse.region, symbols=dict(fn.symbols), into=into)


def _differentiated(fn: Func, *, cotangent_given: bool) -> tuple[int, ...]:
    """The results that are differentiated if the caller names none."""
    if not cotangent_given:
        return (0,)
    written = {i for i, parameter in enumerate(fn.into) if parameter >= 0}
    return tuple(i for i, v in enumerate(fn.results) if is_float(v.type) and i not in written)


def _check(fn: Func, wrt: Sequence[int], results: Sequence[int], *, any_shape: bool) -> None:
    for number in wrt:
        parameter = fn.params[number]
        if not is_float(parameter.type):
            raise DTypeError(
                f"a derivative needs an argument of floats, {_called(parameter, number)} is {parameter.type}",
                fix="convert it first, as in x.astype(np.float64), or leave it out of wrt",
            )
    for number in results:
        check_loss(fn.results[number] if number < len(fn.results) else None, any_shape=any_shape)


def check_loss(value: Value | None, *, any_shape: bool = False) -> None:
    """Raise DTypeError or ShapeError for a result that cannot be differentiated."""
    if value is None or not is_float(value.type) or _tensor(value.type).dtype.is_complex:
        found = "no result" if value is None else str(value.type)
        raise DTypeError(f"a derivative needs a result of floats, got {found}", location=_origin(value))
    if not any_shape and _tensor(value.type).shape:
        raise ShapeError(
            f"a gradient needs a result that is one number, got {value.type}",
            location=_origin(value),
            fix="reduce it to one number, as in .sum() or .mean(), or use weft.vjp or weft.jacobian",
        )


def _called(value: Value, number: int) -> str:
    return value.name or f"argument {number}"


def _origin(value: Value | None) -> Location | None:
    return location_of(value.op) if value is not None and value.op is not None else None


def location_of(op: Op) -> Location | None:
    """The user's line of an op."""
    return op.locations[0] if op.locations else None


def _tensor(ty: Type) -> TensorType:
    assert isinstance(ty, TensorType)
    return ty


class Names(NamedTuple):
    """Symbols of the program: those in use, and those of computed sizes that have no bound."""

    taken: set[str]
    unbounded: set[str]


def unbounded_in(region: Region) -> set[str]:
    """The symbols of computed sizes without a bound."""
    found = [op for op in walk(region) if op.name == "to_index" and "bound" not in op.attributes]
    return {s.name for op in found for d in dims_of_type(op.result.type) for s in symbols_of(d)}


class Reverse:
    """The differentiation of the ops of one region: the new ones while they are written, and the cotangents.

    Keys of `cotangents` and `saved` are values and ops of the old program, what they hold is of the new one.
    A rule for an op with regions makes one of these for each of its regions (`inside`).
    """

    def __init__(
        self,
        ops: Sequence[Op],
        flow: Flow,
        cloner: Cloner,
        region: Region,
        names: Names,
        depth: int = 0,
    ) -> None:
        self.ops, self.flow, self.cloner, self.region, self.depth = ops, flow, cloner, region, depth
        self.names, self.taken = names, names.taken
        self.builder = Builder(region)
        self.cotangents: dict[Value, Expr] = {}
        self.emitted: dict[Op, Sequence[Op]] = {}
        self.saved: dict[Op, object] = {}
        self.forward_count = 0
        found = (op.attributes.get("remat") for op in ops)
        self.groups: dict[int, Cloner | None] = {g: None for g in found if isinstance(g, int)}

    def inside(self, ops: Sequence[Op], region: Region) -> "Reverse":
        """The differentiation of the ops of an inner region, written to `region`."""
        return Reverse(ops, self.flow, self.cloner, region, self.names, self.depth + 1)

    def run_forward(self, *, in_place: bool = False) -> None:
        """Copy the ops, with the forward parts of region rules in place of theirs.

        With `in_place` the ops are taken over, not copied, and those of region rules get the old results.
        """
        for op in self.ops:
            start = len(self.region.ops)
            rule = RULES.get(op.name) if self.flow.on_path(op) else None
            if rule is not None:
                self.builder.locations = op.locations
                rule.forward(self, op)  # pyright: ignore[reportArgumentType] -- the checker sees this class twice
                if in_place:
                    self._adopt(op, self.region.ops[-1])
            elif in_place:
                self.region.ops.append(op)
            else:
                self.cloner.op(self.builder, op)
            self.emitted[op] = self.region.ops[start:]
        self.forward_count = len(self.region.ops)

    def restart(self, region: Region) -> None:
        """Begin a way back in a region of its own, with no cotangents."""
        self.region, self.builder = region, Builder(region)
        self.cotangents = {}
        self.groups = dict.fromkeys(self.groups)
        self.forward_count = 0

    def _adopt(self, old: Op, new: Op) -> None:
        """Let `new` give the results of `old`, which the program knows already, and more."""
        new.results = (*old.results, *new.results[len(old.results) :])
        for value in old.results:
            value.owner = new
            del self.cloner.values[value]

    def run_backward(self) -> None:
        """Visit the ops of the path, last first."""
        for op in reversed(self.ops):
            if self.flow.on_path(op) and any(v in self.cotangents for v in op.results):
                self.builder.locations = op.locations
                rule = RULES.get(op.name)
                if rule is not None:
                    rule.backward(self, op)  # pyright: ignore[reportArgumentType] -- the same
                else:
                    self._pull(op)
        self.builder.locations = ()

    def cotangent(self, value: Value) -> Expr:
        """The cotangent of an old value; zeros if nothing has reached it."""
        found = self.cotangents.get(value)
        if found is not None:
            return found
        ty = _tensor(self.cloner.value(value).type)
        return self.builder.full_like(ty, 0.0, ty.dtype)

    def add(self, value: Value, cotangent: Expr | None) -> None:
        """Count a cotangent toward an old value; None is zeros. Values that no source reaches have none."""
        if cotangent is None or value not in self.flow.active:
            return
        before = self.cotangents.get(value)
        if before is None:
            self.cotangents[value] = cotangent
        else:
            self.cotangents[value] = accumulate(before, cotangent, is_region=self.depth > 0)

    def set(self, value: Value, cotangent: Expr) -> None:
        """A cotangent in place of the one so far, which it holds."""
        self.cotangents[value] = cotangent

    def _pull(self, op: Op) -> None:
        """Hand the cotangents of an op's results to its operands."""
        vjp = REGISTRY[op.name].vjp
        if vjp is None:
            raise unsupported(op)
        cotangents = [self.cotangent(v) for v in op.results]
        cloner = self._again(op.attributes.get("remat")) or self.cloner
        operands = [self.builder.expr(cloner.value(v)) for v in op.operands]
        results = [self.builder.expr(cloner.value(v)) for v in op.results]
        try:
            parts = vjp(self.emitted[op][-1], cotangents, results, operands)
        except NotImplementedError as error:
            raise unsupported(op, str(error)) from None
        except WeftError as error:
            error.location = error.location or location_of(op)
            raise
        for value, part in zip(op.operands, parts, strict=True):
            self.add(value, part)

    def _again(self, group: object) -> Cloner | None:
        """The values of a group of ops under `weft.remat`, computed again when the way back comes to it.

        The copies are marked as another group, so that they are not taken to be the ops that they repeat.
        """
        if not isinstance(group, int) or group not in self.groups:
            return None
        cloner = self.groups[group]
        if cloner is None:
            cloner = self.groups[group] = Cloner(self.cloner.values, taken=self.taken, rule=without_checks)
            for op in self.ops:
                if op.attributes.get("remat") == group:
                    start = len(self.region.ops)
                    cloner.op(self.builder, op)
                    for copy in self.region.ops[start:]:
                        copy.attributes["remat"] = -group
        return cloner

    def drop_unused(self, needed: Sequence[Value]) -> None:
        """Remove unused ops of the way back, also those that could fail: the forward part fails first."""
        live = set(needed)
        kept: list[Op] = []
        for op in reversed(self.region.ops[self.forward_count :]):
            if any(v in live for v in op.results) or calls_python(op):
                kept.append(op)
                live.update(used_values(op))
        self.region.ops[self.forward_count :] = reversed(kept)


def unsupported(op: Op, reason: str = "") -> UnsupportedError:
    """The error for an op that is not differentiated, at its line."""
    reason = reason or REASONS.get(op.name, f"{op.attributes.get('op', op.name)} has no derivative")
    return UnsupportedError(
        f"cannot differentiate: {reason}",
        location=location_of(op),
        facts=[Fact("op", f"{op.name} of {', '.join(str(v.type) for v in op.operands)}")],
        fix="keep it off the path from the argument to the result",
    )
