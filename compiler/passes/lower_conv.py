"""Write convolutions as products of their windows, before kernels are chosen.

    conv(x, w)         = windows(x) as [places, kernel * channels] @ w as [kernel * channels, outputs]
    conv_filters(x, g) = (g as [outputs, places] @ windows(x) as [places, kernel * channels]).T

`windows` only re-indexes, so the patches are packed where the product packs its operand (implicit GEMM). Both
products read them with neighbouring channels next to each other. Not here: padding and the way back (the
records in `ir/ops/conv.py`).
"""

from collections.abc import Sequence

from weft.compiler.passes.canonicalize import RULES
from weft.compiler.passes.rules import ANY, Rewriter, made_by, scalar_of, shape_of
from weft.ir import REGISTRY, Builder, Func, Op, TensorType, Value
from weft.ir.dims import DimLike, floor_divide, product
from weft.ir.opdef import Scalar
from weft.ir.rewrite import remove_dead, rewrite
from weft.ir.rules import axes_attribute, integer_attribute, shape_attribute
from weft.ir.walk import uses, walk_regions


def lower_conv(fn: Func) -> Func:
    """The program without `conv` and `conv_filters`."""
    used = any(op.name in ("conv", "conv_filters") for region in walk_regions(fn) for op in region.ops)
    return remove_dead(rewrite(fn, _Lowering(fn).visit)) if used else fn


def _after(rewriter: Rewriter, op: Op) -> Value | None:
    # f(R x, R y, scalar) == R f(x, y, scalar) for elementwise f and one R of all: a transpose that moves
    # channels from the end to axis 1, or a reshape of rows. What follows a convolution stays in the order of
    # its result and ends in its kernel
    if not isinstance(REGISTRY[op.name].form, Scalar) or not isinstance(op.result.type, TensorType):
        return None
    moved = [v for v in op.operands if scalar_of(v) is None]
    first = moved[0].op if moved else None
    if first is None or not (_is_of_rows(first) or _moves_channels(first)):
        return None
    shape = shape_of(first.operands[0])
    for v in moved:
        same = v.op is not None and v.op.name == first.name and v.op.attributes == first.attributes
        if not same or shape_of(v.op.operands[0]) != shape:  # pyright: ignore[reportOptionalMemberAccess]
            return None
    sources = [
        v.op.operands[0] if v in moved and v.op is not None else rewriter.broadcast(_scalar(v), shape)
        for v in op.operands
    ]
    return rewriter.emit(first.name, [rewriter.emit(op.name, sources, op.attributes)], first.attributes)


def _scalar(value: Value) -> Value:
    found = scalar_of(value)
    assert found is not None
    return found


def _moves_channels(op: Op) -> bool:
    rank = len(shape_of(op.operands[0])) if op.name == "transpose" else 0
    return rank > 2 and op.attributes["axes"] == (0, rank - 1, *range(1, rank - 1))


def _is_of_rows(op: Op) -> bool:
    if op.name != "reshape":
        return False
    source, target = shape_of(op.operands[0]), shape_of(op.result)
    return len(source) == 2 < len(target) and source[-1] == target[-1]


def _is_inner(part: Op, source: Op) -> bool:
    """Whether the slice takes neighbours of each spatial axis, of a convolution with stride 1."""
    *_, channels = shape_of(source.result)
    start, size = shape_attribute(part.attributes, "start"), shape_attribute(part.attributes, "size")
    steps = (*shape_attribute(part.attributes, "step"), *axes_attribute(source.attributes, "stride"))
    is_some = 0 not in size  # no window fits into what a part of no elements is made of
    return is_some and all(s == 1 for s in steps) and start[-1] == 0 and size[-1] == channels


class _Lowering:
    """Writes what stands for each convolution, and its readers in the order of its result."""

    def __init__(self, fn: Func) -> None:
        self.rewriter = Rewriter(RULES, {ANY: (_after,)})
        self.count = {value: len(places) for value, places in uses(fn).items()}
        self.parts: dict[Value, Op] = {}  # the slice of a convolution's result that alone is read
        for region in walk_regions(fn):
            for op in region.ops:
                source = made_by(op.operands[0], "conv") if op.name == "slice" else None
                if source is not None and self.count[source.result] == 1 and _is_inner(op, source):
                    self.parts[source.result] = op

    def visit(self, builder: Builder, op: Op, operands: tuple[Value, ...]) -> Sequence[Value] | None:
        """The rule for one op."""
        self.rewriter.builder = builder
        if op.name == "conv":
            return (self._conv(op, *operands),)
        if op.name == "conv_filters":
            return (self._filters(op, *operands),)
        if op.name == "slice" and self.parts.get(op.operands[0]) is op:
            return operands  # the convolution computed this part alone
        return self.rewriter.visit(builder, op, operands)

    def _conv(self, op: Op, x: Value, w: Value) -> Value:
        groups, (*kernel, inner, _) = integer_attribute(op.attributes, "groups"), shape_of(w)
        part = self.parts.get(op.result)
        if (
            part is not None
        ):  # of the way back through padding: what only the border would get is not computed
            x = self._input_of(op, part, x)
        patches = self._patches(op, x, tuple(kernel))
        filters = self._grouped(w, groups, product(tuple(kernel)) * inner, is_input=False)
        found = self.rewriter.emit("dot", [patches, filters])
        places = shape_of(op.result if part is None else part.result)
        return self.rewriter.reshape(self._joined(found, groups), places)

    def _input_of(self, op: Op, part: Op, x: Value) -> Value:
        """What the part of a result with stride 1 is made of, where x is padded less if it is."""
        gaps, kernel = axes_attribute(op.attributes, "dilation"), shape_of(op.operands[1])[:-2]
        start, size = shape_attribute(part.attributes, "start"), shape_attribute(part.attributes, "size")
        spans = (0, *(d * (k - 1) for d, k in zip(gaps, kernel, strict=True)), 0)
        wanted = (*(n + s for n, s in zip(size[:-1], spans[:-1], strict=True)), shape_of(x)[-1])
        padded = made_by(x, "pad")
        if padded is not None:
            low = shape_attribute(padded.attributes, "low")
            left = tuple(a - b for a, b in zip(low, start, strict=True))
            right = tuple(
                n - a - m for n, a, m in zip(wanted, left, shape_of(padded.operands[0]), strict=True)
            )
            if all(isinstance(n, int) and n >= 0 for n in (*left, *right)):
                return self.rewriter.emit("pad", padded.operands, {"low": left, "high": right})
        facts = {"start": (*start[:-1], 0), "size": wanted, "step": (1,) * len(wanted)}
        return self.rewriter.emit("slice", [x], facts)

    def _filters(self, op: Op, x: Value, g: Value) -> Value:
        groups, (*kernel, inner, outputs) = integer_attribute(op.attributes, "groups"), shape_of(op.result)
        patches = self._patches(op, x, tuple(kernel))
        rows = self._grouped(g, groups, product(shape_of(g)[:-1]), is_input=False)
        found = self.rewriter.emit(
            "dot", [self._swapped(rows), patches]
        )  # [(group,) outputs, kernel * channels]
        found = self.rewriter.reshape(found, (outputs, product(tuple(kernel)) * inner))
        return self.rewriter.reshape(self._swapped(found), shape_of(op.result))

    def _patches(self, op: Op, x: Value, kernel: tuple[DimLike, ...]) -> Value:
        """[(group,) places, kernel * channels]."""
        groups, steps = integer_attribute(op.attributes, "groups"), axes_attribute(op.attributes, "stride")
        facts = {"stride": steps, "dilation": axes_attribute(op.attributes, "dilation"), "kernel": kernel}
        if all(k == 1 for k in kernel) and all(s == 1 for s in steps):
            found = x
        else:
            found = self.rewriter.emit("windows", [self._laid_out(x)], facts)
        shape = shape_of(found)
        places = product(shape[: 1 + len(steps)])
        return self._grouped(found, groups, places, is_input=True, kernel=product(kernel))

    def _grouped(
        self, value: Value, groups: int, rows: DimLike, *, is_input: bool, kernel: DimLike = 1
    ) -> Value:
        """[rows, columns], or [groups, rows, columns] where the last axis of `value` holds groups."""
        columns = shape_of(value)[-1]
        emit, reshape = self.rewriter.emit, self.rewriter.reshape
        if groups == 1:
            return reshape(value, (rows, kernel * columns))
        each = floor_divide(columns, groups)
        if not is_input:
            parts = reshape(value, (rows, groups, each))
            return emit("transpose", [parts], {"axes": (1, 0, 2)})
        parts = emit("transpose", [reshape(value, (rows, kernel, groups, each))], {"axes": (2, 0, 1, 3)})
        return reshape(parts, (groups, rows, kernel * each))

    def _joined(self, value: Value, groups: int) -> Value:
        return value if groups == 1 else self.rewriter.emit("transpose", [value], {"axes": (1, 0, 2)})

    def _swapped(self, value: Value) -> Value:
        rank = len(shape_of(value))
        return self.rewriter.emit("transpose", [value], {"axes": (*range(rank - 2), rank - 1, rank - 2)})

    def _laid_out(self, x: Value) -> Value:
        """The input in the order of its axes: patches would read a transpose of it element by element."""
        source: Value = x
        while (op := source.op) is not None and op.name in ("reshape", "slice"):
            source = op.operands[0]
        if made_by(source, "transpose") is None:
            return x
        assert isinstance(x.type, TensorType)
        rank, assembled = len(x.type.shape), self.rewriter
        nothing = assembled.emit("constant", [], {"value": 0.0, "type": TensorType(x.type.dtype, ())})
        # a border of nothing is a copy: unlike a transpose, it is written to memory
        copy = Op("pad", (x, nothing), (x.type,), {"low": (0,) * rank, "high": (0,) * rank})
        assert assembled.builder is not None
        copy.locations = assembled.builder.locations
        assembled.builder.region.ops.append(copy)
        return copy.result
