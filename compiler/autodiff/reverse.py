"""Reverse mode: a program that also computes gradients, from the `vjp` rules of the op records.

The new program is the old one followed by the way back: ops in reverse order, each handing the cotangents of
its results to its operands. Only ops between `wrt` and the differentiated results are visited, so the work
and the program's growth are linear in the number of ops. Writes and effects belong to the forward part and
stay as they are.
Not here: what a user passes (`weft.transforms`), rules of ops with regions (`regions.py`), forward mode.
"""

from collections.abc import Sequence
from dataclasses import replace

from weft.compiler.autodiff.regions import REASONS, RULES
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
from weft.ir.rewrite import Cloner
from weft.ir.walk import free_values


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
    reverse = Reverse(fn, wrt, results)
    reverse.run_forward()
    reverse.seed(given=cotangent_given)
    reverse.run_backward()
    return cse(apply_rules(reverse.finish(), canonicalize.RULES, fold.RULES))


def way_back(fn: Func, wrt: Sequence[int], of: int = 0) -> tuple[list[Op], list[Value], dict[Value, Value]]:
    """The ops that compute the gradients of the scalar result `of`, these, and what stands for `fn`'s values.

    For a program whose forward part is there already. Raises like `differentiate`, and UnsupportedError for
    loops and branches on the path, whose forward part would have to be another.
    """
    _check(fn, wrt, (of,), any_shape=False)
    reverse = Reverse(fn, wrt, (of,))
    for op in fn.body.ops[:-1]:
        if op.regions and op in reverse.path:
            raise _unsupported(op, f"the derivative of {op.name} is not built yet")
    reverse.run_forward()
    start = len(reverse.region.ops)
    reverse.seed(given=False)
    reverse.forward_count = start
    reverse.run_backward()
    gradients = [reverse.cotangent(fn.params[i]).value for i in reverse.wrt]
    reverse.drop_unused(gradients)
    return reverse.region.ops[reverse.forward_count :], gradients, dict(reverse.cloner.values)


def _differentiated(fn: Func, *, cotangent_given: bool) -> tuple[int, ...]:
    """The results that are differentiated if the caller names none."""
    if not cotangent_given:
        return (0,)
    written = {i for i, parameter in enumerate(fn.into) if parameter >= 0}
    return tuple(i for i, v in enumerate(fn.results) if is_float(v.type) and i not in written)


def is_float(ty: Type) -> bool:
    """Whether values of this type have a derivative."""
    return isinstance(ty, TensorType) and ty.dtype.is_float


def _check(fn: Func, wrt: Sequence[int], results: Sequence[int], *, any_shape: bool) -> None:
    for number in wrt:
        parameter = fn.params[number]
        if not is_float(parameter.type):
            raise DTypeError(
                f"a derivative needs an argument of floats, {_called(parameter, number)} is {parameter.type}",
                fix="convert it first, as in x.astype(np.float64), or leave it out of wrt",
            )
    for number in results:
        value = fn.results[number] if number < len(fn.results) else None
        if value is None or not is_float(value.type):
            found = "no result" if value is None else str(value.type)
            raise DTypeError(f"a derivative needs a result of floats, got {found}", location=_origin(value))
        if not any_shape and value.type != TensorType(_tensor(value.type).dtype, ()):
            raise ShapeError(
                f"a gradient needs a result that is one number, got {value.type}",
                location=_origin(value),
                fix="reduce it to one number, as in .sum() or .mean(), or use weft.vjp or weft.jacobian",
            )


def _called(value: Value, number: int) -> str:
    return value.name or f"argument {number}"


def _origin(value: Value | None) -> Location | None:
    return _location(value.op) if value is not None and value.op is not None else None


def _location(op: Op) -> Location | None:
    return op.locations[0] if op.locations else None


def _tensor(ty: Type) -> TensorType:
    assert isinstance(ty, TensorType)
    return ty


class Reverse:
    """One differentiation: the new program while it is written, and the cotangents found so far.

    Keys of `cotangents`, `saved` and the sets are values and ops of the old program, what they hold is of the
    new one.
    """

    def __init__(self, fn: Func, wrt: Sequence[int], results: Sequence[int]) -> None:
        self.fn = fn
        self.wrt = tuple(wrt)
        self.outputs = [fn.results[i] for i in results]
        self.cloner = Cloner()
        self.region = Region()
        self.builder = Builder(self.region)
        self.cotangents: dict[Value, Expr] = {}
        self.written: dict[Op, Op] = {}
        self.saved: dict[Op, object] = {}
        self.path = find_path(fn, [fn.params[i] for i in self.wrt], self.outputs)
        self.forward_count = 0

    def run_forward(self) -> None:
        """Copy the program, with the forward parts of region rules in place of their ops."""
        for param in self.fn.params:
            self.cloner.set([param], [self.region.add_param(param.type, param.name)])
        for op in self.fn.body.ops[:-1]:
            rule = RULES.get(op.name) if op in self.path else None
            if rule is not None:
                rule.forward(self, op)
            else:
                self.cloner.op(self.builder, op)
                self.written[op] = self.region.ops[-1]

    def seed(self, *, given: bool) -> None:
        """Start the way back: cotangents are parameters, or 1 for a scalar."""
        for value in self.outputs:
            if given:
                seed = self.builder.expr(self.region.add_param(value.type))
            else:
                seed = self.builder.constant(1.0, value.type)
            self.add(value, seed)
        self.forward_count = len(self.region.ops)

    def run_backward(self) -> None:
        """Visit the ops of the path, last first."""
        for op in reversed(self.fn.body.ops[:-1]):
            if op in self.path and any(v in self.cotangents for v in op.results):
                self.builder.locations = op.locations
                rule = RULES.get(op.name)
                if rule is not None:
                    rule.backward(self, op)
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
        """Count a cotangent toward an old value; None is zeros. Values that hold no floats have none."""
        if cotangent is None or not is_float(value.type):
            return
        before = self.cotangents.get(value)
        self.cotangents[value] = cotangent if before is None else before + cotangent

    def finish(self) -> Func:
        """The new program: results and gradients, without those ops of the way back that nothing needs."""
        gradients = [self.cotangent(self.fn.params[i]) for i in self.wrt]
        results = [self.cloner.value(v) for v in self.fn.results]
        returned = [*results, *(g.value for g in gradients)]
        self.drop_unused(returned)
        terminator = self.fn.body.terminator
        self.builder.locations = terminator.locations
        self.builder.emit(terminator.name, returned)
        into = self.fn.into and (*self.fn.into, *(-1 for _ in gradients))
        return replace(
            self.fn, name=f"{self.fn.name}_grad", body=self.region, symbols=dict(self.fn.symbols), into=into
        )

    def _pull(self, op: Op) -> None:
        """Hand the cotangents of an op's results to its operands."""
        vjp = REGISTRY[op.name].vjp
        if vjp is None:
            raise _unsupported(op)
        cotangents = [self.cotangent(v) for v in op.results]
        operands = [self.builder.expr(self.cloner.value(v)) for v in op.operands]
        results = [self.builder.expr(self.cloner.value(v)) for v in op.results]
        try:
            parts = vjp(self.written[op], cotangents, results, operands)
        except NotImplementedError as error:
            raise _unsupported(op, str(error)) from None
        except WeftError as error:
            error.location = error.location or _location(op)
            raise
        for value, part in zip(op.operands, parts, strict=True):
            self.add(value, part)

    def drop_unused(self, needed: Sequence[Value]) -> None:
        """Remove unused ops of the way back, also those that could fail: the forward part fails first."""
        live = set(needed)
        kept: list[Op] = []
        for op in reversed(self.region.ops[self.forward_count :]):
            if any(v in live for v in op.results):
                kept.append(op)
                live.update(op.operands)
        self.region.ops[self.forward_count :] = reversed(kept)


def find_path(fn: Func, sources: Sequence[Value], outputs: Sequence[Value]) -> set[Op]:
    """The ops through which a float value of `sources` reaches one of `outputs`.

    An op with regions counts as using the outer values that its regions use.
    """
    active = set(sources)
    reached: list[Op] = []
    for op in fn.body.ops[:-1]:
        if any(is_float(v.type) for v in op.results) and any(v in active for v in used_values(op)):
            active.update(v for v in op.results if is_float(v.type))
            reached.append(op)
    wanted = set(outputs)
    path: set[Op] = set()
    for op in reversed(reached):
        if any(v in wanted and v in active for v in op.results):
            path.add(op)
            wanted.update(used_values(op))
    return path


def used_values(op: Op) -> Sequence[Value]:
    """The operands of an op and the outer values that its regions use."""
    if not op.regions:
        return op.operands
    return [*op.operands, *(v for region in op.regions for v in free_values(region))]


def _unsupported(op: Op, reason: str = "") -> UnsupportedError:
    reason = reason or REASONS.get(op.name, f"{op.name} has no derivative")
    return UnsupportedError(
        f"cannot differentiate: {reason}",
        location=_location(op),
        facts=[Fact("op", f"{op.name} of {', '.join(str(v.type) for v in op.operands)}")],
        fix="keep it off the path from the argument to the result",
    )
