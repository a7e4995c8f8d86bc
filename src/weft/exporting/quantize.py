"""Post-training quantization: weights of products and convolutions become int8 with a scale per channel.

    fn, stored, layers = Quantizer(request, fn, arrays, names, label).apply(calls)

`int8-weights` keeps inputs in float32; `int8` rounds them, too, by a scale found on calibration data,
multiplies in integers (int32 sums) and scales the sums. Symmetric, -127 to 127. Operations in loops keep
float32 inputs.
Not here: training with quantization, embeddings, biases (which stay float32).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import Any, Literal, cast

import numpy as np

from weft.ir import Func, UserError, Value
from weft.ir.builder import Builder
from weft.ir.dataclass import dataclass
from weft.ir.expr import Expr, maximum, minimum, rint
from weft.ir.expr import cast as cast_to
from weft.ir.interp import interpret
from weft.ir.node import Op, Region
from weft.ir.rewrite import Cloner
from weft.ir.types import F32, I8, I32, TensorType
from weft.ir.walk import walk

KINDS = ("int8", "int8-weights")
_MOST = 127.0


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for: the kind, arguments of calls to calibrate with, and the largest error of a result.

    The calls are a dict by function where there are several.
    """

    kind: Literal["int8", "int8-weights"]
    calibration: Sequence[Any] | Mapping[str, Sequence[Any]] = ()
    max_error: float = 0.1


@dataclass(frozen=True, slots=True)
class Layer:
    """One quantized operation: errors are root mean squares, relative to those of the exact values.

    `output_error` is None without calibration data and in loops.
    """

    function: str
    weight: str
    shape: tuple[int, ...]
    is_integer: bool
    weight_error: float
    output_error: float | None = None

    def __str__(self) -> str:
        error = "" if self.output_error is None else f", output {self.output_error:.2%}"
        kind = "int8" if self.is_integer else "int8 weights"
        name = f"{self.function}: {self.weight} {list(self.shape)}"
        return f"{name}: {kind}, weight {self.weight_error:.2%}{error}"


@dataclass(frozen=True, slots=True)
class Stored:
    """A new constant: the name of the weight it is for, and its content."""

    name: str
    content: Any


@dataclass(slots=True, eq=False)
class _Use:
    """An operation and its weight, as the operation sees it: `side` is the operand's number."""

    op: Op
    param: int
    side: int
    exact: Any
    whole: Any = None
    scale: Any = None
    input_scale: float = 0.0
    params: list[Value] = field(default_factory=list[Value])


def _weight_of(op: Op, arrays: Sequence[Any], params: Sequence[Value]) -> _Use | None:
    """The use of a weight by a product or convolution in float32."""
    for side in (1, 0) if op.name == "dot" else (1,) if op.name == "conv" else ():
        chain = list[Op]()
        value = _root(op.operands[side], chain)
        if not isinstance(value.owner, Region) or value not in params:
            continue
        array = arrays[params.index(value)]
        if array is None or array.dtype != np.float32 or array.ndim < 2:
            continue
        for step in reversed(chain):
            key = "axes" if step.name == "transpose" else "shape"
            given = cast("Any", step.attributes[key])
            array = np.transpose(array, given) if key == "axes" else array.reshape(given)
        return _Use(op, params.index(value), side, np.ascontiguousarray(array))
    return None


def _root(value: Value, chain: list[Op] | None = None) -> Value:
    """What a chain of transposes and reshapes begins with."""
    while isinstance(value.owner, Op) and value.owner.name in ("transpose", "reshape"):
        if chain is not None:
            chain.append(value.owner)
        value = value.owner.operands[0]
    return value


def _round(use: _Use) -> None:
    """Whole numbers and scales by channel, in the shape in which the result is scaled."""
    exact: Any = use.exact
    axes: Any = tuple(range(exact.ndim - 1)) if use.op.name == "conv" else -2 if use.side else -1
    most: Any = np.abs(exact).max(axis=axes, keepdims=True)
    scale: Any = np.where(most > 0, most / np.float32(_MOST), np.float32(1)).astype(np.float32)
    use.whole = np.clip(np.rint(exact / scale), -_MOST, _MOST).astype(np.int8)
    use.scale = scale
    if use.op.name == "conv" or (use.side == 1 and exact.ndim == 2):
        use.scale = scale.reshape(-1)


def _relative(found: Any, exact: Any) -> float:
    wide: Any = np.asarray(exact, np.float64)
    lost: Any = np.asarray(found, np.float64) - wide
    return float(np.linalg.norm(lost)) / (float(np.linalg.norm(wide)) or 1.0)


def _is_used_otherwise(fn: Func, param: Value, uses: Sequence[_Use]) -> bool:
    """Whether anything but these operations needs the weight as it is."""
    ours = {use.op for use in uses}
    seen, todo = {param}, [param]
    while todo:
        value = todo.pop()
        for op in walk(fn):
            if value in op.operands and op not in ours:
                if op.name not in ("transpose", "reshape"):
                    return True
                if op.result not in seen:
                    seen.add(op.result)
                    todo.append(op.result)
    return False


class Quantizer:
    """Quantizes one program. `arrays` are the contents of its parameters, None for arguments of calls."""

    def __init__(
        self, request: Request, fn: Func, arrays: Sequence[Any], names: Sequence[str], label: str
    ) -> None:
        self.request, self.fn, self.arrays, self.names, self.label = request, fn, arrays, names, label
        found = (_weight_of(op, arrays, fn.params) for op in walk(fn))
        self.uses = [use for use in found if use is not None]
        if not self.uses:
            raise UserError(
                f"{label} has no products or convolutions with float32 variables to quantize",
                fix="leave quantize= out",
            )
        for use in self.uses:
            _round(use)

    def apply(self, calls: Sequence[Sequence[Any]]) -> tuple[Func, dict[int, Stored], tuple[Layer, ...]]:
        """The program, what its new and changed parameters hold, and what was lost.

        `calls` are all arguments of the program for each set of calibration data. Raises UserError if a
        result loses more than the request allows.
        """
        top = {op for op in self.fn.body.ops}
        watched = [use for use in self.uses if use.op in top]
        exact = [
            _probe(self.fn, [(u.op.operands[1 - u.side], u.op.result) for u in watched], call)
            for call in calls
        ]
        if self.request.kind == "int8":
            for number, use in enumerate(watched):
                most = max(float(np.abs(run[1][number][0]).max(initial=0)) for run in exact)
                use.input_scale = most / _MOST or 1.0
                use.scale = (use.scale * np.float32(use.input_scale)).astype(np.float32)
        made, stored = self._rewritten()
        values = {old: new for old, new in zip(self.uses, self._results, strict=True)}
        pairs = [(values[u], values[u]) for u in watched]
        complete = [self._completed(call, stored) for call in calls]
        found = [_probe(made, pairs, call) for call in complete]
        self._check(exact, found)
        layers: list[Layer] = []
        for use in self.uses:
            number = watched.index(use) if use in watched and calls else -1
            error = None
            if number >= 0:
                one, other = (
                    np.concatenate([np.ravel(r[1][number][1]) for r in runs]) for runs in (found, exact)
                )
                error = _relative(one, other)
            scale = use.scale / np.float32(use.input_scale or 1.0)
            loss = _relative(use.whole * scale, use.exact)
            name = self.names[use.param]
            layers.append(Layer(self.label, name, use.exact.shape, bool(use.input_scale), loss, error))
        return made, stored, tuple(layers)

    # ---- the new program

    def _rewritten(self) -> tuple[Func, dict[int, Stored]]:
        """With parameters of int8 in place of weights that nothing else needs, others at the end."""
        fn, stored = self.fn, dict[int, Stored]()
        region, cloner = Region(), Cloner(rule=self._rule)
        replaced: dict[int, _Use] = {}
        self._replaced: set[Value] = set()
        for number in {use.param for use in self.uses}:
            own = [use for use in self.uses if use.param == number]
            if not _is_used_otherwise(fn, fn.params[number], own):
                replaced[number] = own[0]
        for number, param in enumerate(fn.params):
            use = replaced.get(number)
            ty = TensorType(I8, use.whole.shape) if use else param.type
            cloner.values[param] = region.add_param(ty, param.name)
            if use:
                self._replaced.add(param)
                stored[number] = Stored(f"{self.names[number]} int8", use.whole)
                use.params.append(region.params[-1])

        def more(content: Any, what: str, use: _Use) -> None:
            dtype = I8 if content.dtype == np.int8 else F32
            stored[len(region.params)] = Stored(f"{self.names[use.param]} {what}", content)
            use.params.append(
                region.add_param(TensorType(dtype, content.shape), f"{what}{len(region.params)}")
            )

        for use in self.uses:
            if not use.params:
                more(use.whole, "int8", use)
            more(use.scale, "scale", use)
        self._results: list[Value] = []
        self._by_op = {use.op: use for use in self.uses}
        self._made: dict[Op, Value] = {}
        cloner.ops(fn.body, Builder(region))
        self._results = [self._made[use.op] for use in self.uses]
        return replace(fn, body=region, symbols=dict(fn.symbols)), stored

    def _rule(self, builder: Builder, op: Op, operands: tuple[Value, ...]) -> Sequence[Value] | None:
        if op.name in ("transpose", "reshape") and _root(op.result) in self._replaced:
            return (
                operands[0],
            )  # the new parameter has the form that the operation takes; nothing else is left
        use = self._by_op.get(op)
        if use is None:
            return None
        weight, scale = (builder.expr(value) for value in use.params)
        x = builder.expr(operands[1 - use.side])
        if use.input_scale:
            units = maximum(minimum(rint(x * (1.0 / use.input_scale)), _MOST), -_MOST)
            sums = cast_to(self._apply(builder, use, cast_to(units, I32), cast_to(weight, I32)), F32)
        else:
            sums = self._apply(builder, use, x, cast_to(weight, F32))
        ty = sums.type
        assert isinstance(ty, TensorType)
        result = (sums * builder.broadcast(scale, ty.shape)).value
        self._made[op] = result
        return (result,)

    def _apply(self, builder: Builder, use: _Use, x: Expr, weight: Expr) -> Expr:
        pair = [x.value, weight.value] if use.side else [weight.value, x.value]
        return builder.expr(builder.emit(use.op.name, pair, use.op.attributes).result)

    def _completed(self, call: Sequence[Any], stored: dict[int, Stored]) -> list[Any]:
        """The arguments of the new program."""
        count = max([len(call), *(k + 1 for k in stored)])
        return [stored[k].content if k in stored else call[k] for k in range(count)]

    def _check(self, exact: Sequence[Any], found: Sequence[Any]) -> None:
        """Raise UserError if a result has lost too much."""
        for number in range(len(exact[0][0]) if exact else 0):
            one, other = (
                np.concatenate([np.ravel(run[0][number]) for run in runs]) for runs in (found, exact)
            )
            error = _relative(one, other) if other.dtype.kind in "fc" else float((one != other).mean())
            if error > self.request.max_error:
                raise UserError(
                    f"quantization changes result {number} of {self.label} by {error:.1%}, more than the "
                    f"{self.request.max_error:.1%} that are allowed",
                    fix='use quantize="int8-weights", other calibration data, or a larger max_error=',
                )


def _copied(value: Any) -> Any:
    return np.array(value)


def _probe(fn: Func, pairs: Sequence[tuple[Value, Value]], call: Sequence[Any]) -> tuple[Any, Any]:
    """The results of a call, and the values of some pairs."""
    region = Region()
    region.params = fn.body.params
    end = fn.body.terminator
    values = [v for pair in pairs for v in pair]
    region.ops = [
        *fn.body.ops[:-1],
        Op(end.name, [*end.operands, *values], [], end.attributes, [], end.locations),
    ]
    into = (*(fn.into or (-1,) * len(end.operands)), *([-1] * len(values)))
    results = interpret(replace(fn, body=region, into=into), *map(_copied, call))
    count = len(end.operands)
    rest = results[count:]
    return results[:count], [(rest[2 * k], rest[2 * k + 1]) for k in range(len(pairs))]
