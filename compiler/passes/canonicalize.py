"""Bring each op into one form: what does nothing goes away, chains of one kind become one op.

Every rule keeps the bits of the result for all inputs, -0.0, infinities and NaN included (a signalling NaN
may become a quiet one), so that a program gives the same bits with this pass off. x + 0 and x * 0 are
therefore no rules.
Not here: arithmetic on constants (`fold.py`), equal ops (`cse.py`), reshapes that move
over ops (`push_reshapes.py`).
"""

import math
from collections.abc import Sequence

import numpy as np

from weft.compiler.passes.rules import (
    ANY,
    Rewriter,
    Rules,
    apply_rules,
    made_by,
    number_of,
    scalar_of,
    shape_of,
)
from weft.ir import REGISTRY, DType, Func, Op, TensorType, Value
from weft.ir.dims import DimLike, decide, product
from weft.ir.opdef import Scalar
from weft.ir.ops.shape import inverse_permutation
from weft.ir.rules import axes_attribute, shape_attribute


def canonicalize(fn: Func) -> Func:
    """The program in canonical form."""
    return apply_rules(fn, RULES)


def _is(value: Value, number: float) -> bool:
    """Whether every element is this number, of the same sign if it is a zero."""
    found = number_of(value)
    return found is not None and found == number and math.copysign(1.0, found) == math.copysign(1.0, number)


def _dtype(value: Value) -> DType:
    assert isinstance(value.type, TensorType)
    return value.type.dtype


# ---------------------------------------------------------------- arithmetic


def _add_nothing(_rewriter: Rewriter, op: Op) -> Value | None:
    # x + -0.0 == x for floats (x + 0.0 turns -0.0 into 0.0); x + 0 == x for integers
    nothing = -0.0 if _dtype(op.operands[0]).is_float else 0
    x, y = op.operands
    return x if _is(y, nothing) else y if _is(x, nothing) else None


def _subtract_nothing(_rewriter: Rewriter, op: Op) -> Value | None:
    # x - 0 == x, for -0.0 too
    return op.operands[0] if _is(op.operands[1], 0.0) else None


def _multiply_by_one(_rewriter: Rewriter, op: Op) -> Value | None:
    # x * 1 == 1 * x == x
    x, y = op.operands
    return x if _is(y, 1.0) else y if _is(x, 1.0) else None


def _divide_by_one(_rewriter: Rewriter, op: Op) -> Value | None:
    # x / 1 == x
    return op.operands[0] if _is(op.operands[1], 1.0) else None


def _divide_by_power_of_two(rewriter: Rewriter, op: Op) -> Value | None:
    # x / 2^k == x * 2^-k: both round the same real number, once
    number = number_of(op.operands[1])
    if not number or not math.isfinite(number) or abs(math.frexp(number)[0]) != 0.5:
        return None
    dtype = _dtype(op.operands[1])
    inverse = 1.0 / number
    if dtype.numpy is None:
        return None
    facts = np.finfo(dtype.numpy)
    if not float(facts.tiny) <= abs(inverse) <= float(facts.max):
        return None
    factor = rewriter.emit("constant", [], {"value": inverse, "type": TensorType(dtype, ())})
    return rewriter.emit("multiply", [op.operands[0], rewriter.broadcast(factor, shape_of(op.operands[0]))])


def _undone(_rewriter: Rewriter, op: Op) -> Value | None:
    # f(f(x)) == x for negative, logical_not, invert
    inner = made_by(op.operands[0], op.name)
    return inner.operands[0] if inner is not None else None


def _absolute_of_sign(rewriter: Rewriter, op: Op) -> Value | None:
    # |-x| == |x|, ||x|| == |x|: the sign bit is cleared whatever it was; signed integers wrap alike
    inner = made_by(op.operands[0], "negative")
    if inner is not None and _dtype(inner.result).kind != "u":
        return rewriter.emit("absolute", inner.operands)
    return op.operands[0] if made_by(op.operands[0], "absolute") else None


def _same_twice(_rewriter: Rewriter, op: Op) -> Value | None:
    # f(x, x) == x for minimum, maximum, and, or
    return op.operands[0] if op.operands[0] is op.operands[1] else None


def _logic_with_constant(_rewriter: Rewriter, op: Op) -> Value | None:
    # x & true == x, x & false == false; x | false == x, x | true == true
    if _dtype(op.operands[0]).kind != "b":
        return None
    neutral = op.name == "bitwise_and"
    for x, y in (op.operands, op.operands[::-1]):
        number = number_of(y)
        if number is not None:
            return x if bool(number) == neutral else y
    return None


def _of_scalars(rewriter: Rewriter, op: Op) -> Value | None:
    # f(broadcast a, broadcast b) == broadcast f(a, b) for elementwise f and scalars a, b
    if not op.operands or not isinstance(op.result.type, TensorType) or not op.result.type.shape:
        return None
    if not isinstance(REGISTRY[op.name].form, Scalar):
        return None
    scalars = [s for s in map(scalar_of, op.operands) if s is not None]
    if len(scalars) < len(op.operands):
        return None
    return rewriter.broadcast(rewriter.emit(op.name, scalars, op.attributes), op.result.type.shape)


# ---------------------------------------------------------------- selection and conversion


def _select_known(rewriter: Rewriter, op: Op) -> Value | None:
    # select(true, x, y) == x; select(m, x, x) == x; select(!m, x, y) == select(m, y, x)
    mask, x, y = op.operands
    number = number_of(mask)
    if number is not None:
        return x if number else y
    inverse = made_by(mask, "logical_not")
    if inverse is not None:
        return rewriter.emit("select", [inverse.operands[0], y, x])
    return x if x is y else None


def holds_exactly(wide: DType, narrow: DType) -> bool:
    """Whether every value of `narrow` is one of `wide`, so that a conversion there keeps it."""
    if narrow == wide or narrow.kind == "b":
        return True
    if "c" in (narrow.kind, wide.kind) or wide.kind == "b":
        return False
    if wide.is_float:
        if wide.numpy is None or narrow.numpy is None:
            return False
        bits = narrow.bits - (narrow.kind == "i")
        return wide.bits > narrow.bits if narrow.is_float else bits <= np.finfo(wide.numpy).nmant + 1
    if narrow.is_float or (narrow.kind == "i" and wide.kind == "u"):
        return False
    return wide.bits > narrow.bits


def _cast_nothing(_rewriter: Rewriter, op: Op) -> Value | None:
    # cast(x: T, T) == x
    return op.operands[0] if _dtype(op.operands[0]) == op.attributes["dtype"] else None


def _cast_of_cast(rewriter: Rewriter, op: Op) -> Value | None:
    # cast(cast(x: A, B), C) == cast(x, C) if B holds every A exactly
    inner = made_by(op.operands[0], "cast")
    if inner is None or not holds_exactly(_dtype(inner.result), _dtype(inner.operands[0])):
        return None
    return rewriter.emit("cast", inner.operands, op.attributes)


# ---------------------------------------------------------------- shape


def _same_shape(_rewriter: Rewriter, op: Op) -> Value | None:
    # broadcast or reshape of x to its own shape == x
    return op.operands[0] if shape_of(op.operands[0]) == shape_of(op.result) else None


def _reindex_scalar(rewriter: Rewriter, op: Op) -> Value | None:
    # reshape, transpose or slice of a scalar a, or of broadcast a == broadcast a to the new shape
    scalar = scalar_of(op.operands[0])
    return rewriter.broadcast(scalar, shape_of(op.result)) if scalar is not None else None


def _spread_constant(rewriter: Rewriter, op: Op) -> Value | None:
    # one number at a shape == broadcast of the number
    ty, number = op.attributes["type"], op.attributes["value"]
    if not isinstance(ty, TensorType) or not ty.shape or not isinstance(number, bool | int | float | complex):
        return None
    scalar = rewriter.emit("constant", [], {"value": number, "type": TensorType(ty.dtype, ())})
    return rewriter.broadcast(scalar, ty.shape)


def _reshape_of_reshape(rewriter: Rewriter, op: Op) -> Value | None:
    # reshape(reshape(x, s), t) == reshape(x, t)
    inner = made_by(op.operands[0], "reshape")
    return rewriter.reshape(inner.operands[0], shape_of(op.result)) if inner is not None else None


def _reshape_of_transpose(rewriter: Rewriter, op: Op) -> Value | None:
    # reshape(transpose(x, a), t) == reshape(transpose(reshape(x, s), b), t) where s has one axis for
    # neighbours before and after a that t merges: one number tells where an element lies along them
    inner = made_by(op.operands[0], "transpose")
    if inner is None:
        return None
    axes, shape = _axes(inner), shape_of(op.operands[0])
    runs: list[list[int]] = []  # axes of x, in their order after the transpose
    for block in _merged_axes(shape, shape_of(op.result)):
        for place, k in enumerate(block):
            if place and axes[k] == runs[-1][-1] + 1:
                runs[-1].append(axes[k])
            else:
                runs.append([axes[k]])
    if len(runs) == len(axes):
        return None
    before = shape_of(inner.operands[0])
    ordered = sorted(runs)
    merged = rewriter.reshape(inner.operands[0], [product(tuple(before[k] for k in run)) for run in ordered])
    turned = rewriter.emit("transpose", [merged], {"axes": tuple(map(ordered.index, runs))})
    return rewriter.reshape(turned, shape_of(op.result))


def _merged_axes(source: Sequence[DimLike], target: Sequence[DimLike]) -> list[list[int]]:
    """The axes of `source` in blocks: those that a reshape makes one axis, each other one by itself."""
    blocks: list[list[int]] = []
    left, start = list(target), 0
    while start < len(source):
        end, whole = start + 1, source[start]
        while left and end < len(source) and decide(whole, "<", left[0]) is True:
            whole, end = whole * source[end], end + 1
        if not left or whole != left[0]:  # one that is split, or of which nothing is known: so are all behind
            return blocks + [[k] for k in range(start, len(source))]
        blocks.append(list(range(start, end)))
        del left[0]
        start = end
    return blocks


def without_units(shape: Sequence[DimLike]) -> list[DimLike]:
    """The sizes that are not 1."""
    return [d for d in shape if d != 1]


def _reshape_of_broadcast(rewriter: Rewriter, op: Op) -> Value | None:
    # reshape(broadcast(x, s), t) == broadcast(reshape(x, u), t) where s and t differ in axes of size 1 alone
    inner = made_by(op.operands[0], "broadcast")
    if inner is None or without_units(shape_of(inner.result)) != without_units(shape_of(op.result)):
        return None
    source, middle, target = shape_of(inner.operands[0]), shape_of(inner.result), shape_of(op.result)
    padded = (*[1] * (len(middle) - len(source)), *source)
    kept = iter([p for p, d in zip(padded, middle, strict=True) if d != 1])
    small = [1 if d == 1 else next(kept) for d in target]
    return rewriter.broadcast(rewriter.reshape(inner.operands[0], small), target)


def _broadcast_of_broadcast(rewriter: Rewriter, op: Op) -> Value | None:
    # broadcast(broadcast(x, s), t) == broadcast(x, t)
    inner = made_by(op.operands[0], "broadcast")
    return rewriter.broadcast(inner.operands[0], shape_of(op.result)) if inner is not None else None


def _broadcast_adds_axes(rewriter: Rewriter, op: Op) -> Value | None:
    # broadcast(reshape(x, (1, ..., *s)), t) == broadcast(x, t) for x of shape s
    inner = made_by(op.operands[0], "reshape")
    if inner is None:
        return None
    source, padded = shape_of(inner.operands[0]), shape_of(inner.result)
    extra = len(padded) - len(source)
    if extra <= 0 or padded != (*[1] * extra, *source):
        return None
    return rewriter.broadcast(inner.operands[0], shape_of(op.result))


def _axes(op: Op) -> tuple[int, ...]:
    return op.attributes["axes"]  # pyright: ignore[reportReturnType] -- a permutation


def _transpose_of_transpose(rewriter: Rewriter, op: Op) -> Value | None:
    # transpose(transpose(x, a), b) == transpose(x, a[b])
    inner = made_by(op.operands[0], "transpose")
    if inner is None:
        return None
    axes = tuple(_axes(inner)[k] for k in _axes(op))
    return rewriter.emit("transpose", inner.operands, {"axes": axes})


def _transpose_of_units(rewriter: Rewriter, op: Op) -> Value | None:
    # a transpose that keeps the order of the axes of size other than 1 is a reshape
    source = shape_of(op.operands[0])
    moved = [k for k in _axes(op) if source[k] != 1]
    return rewriter.reshape(op.operands[0], shape_of(op.result)) if moved == sorted(moved) else None


Places = list[tuple[DimLike, DimLike, DimLike]]


def _places(op: Op) -> Places:
    """(start, size, step) of each axis of a slice, or of the part that an update writes."""
    start, step = shape_attribute(op.attributes, "start"), shape_attribute(op.attributes, "step")
    size = shape_attribute(op.attributes, "size") if op.name == "slice" else shape_of(op.operands[1])
    return list(zip(start, size, step, strict=True))


def _whole(places: Places, shape: Sequence[DimLike]) -> bool:
    return all((a, n) == (0, d) and (s == 1 or d == 1) for (a, n, s), d in zip(places, shape, strict=True))


def _cut(rewriter: Rewriter, value: Value, places: Places) -> Value:
    start, size, step = zip(*places, strict=True)
    return rewriter.emit("slice", [value], {"start": start, "size": size, "step": step})


def _slice_everything(_rewriter: Rewriter, op: Op) -> Value | None:
    # x[0:n:1, ...] == x
    return op.operands[0] if _whole(_places(op), shape_of(op.operands[0])) else None


def _slice_of_slice(rewriter: Rewriter, op: Op) -> Value | None:
    # x[a::s][b::t] == x[a + b s::s t]
    inner = made_by(op.operands[0], "slice")
    if inner is None:
        return None
    pairs = zip(_places(inner), _places(op), strict=True)
    return _cut(rewriter, inner.operands[0], [(a + b * s, n, s * t) for (a, _, s), (b, n, t) in pairs])


def _slice_of_update(rewriter: Rewriter, op: Op) -> Value | None:
    # update(x, y, p)[p] == y
    inner = made_by(op.operands[0], "update")
    return inner.operands[1] if inner is not None and _places(inner) == _places(op) else None


def _slice_of_concatenate(rewriter: Rewriter, op: Op) -> Value | None:
    # concatenate(x, y)[p] == x[p] if p lies in x
    inner = made_by(op.operands[0], "concatenate")
    if inner is None:
        return None
    axis = inner.attributes["axis"]
    assert isinstance(axis, int)
    places = _places(op)
    first, count, step = places[axis]
    low, high = first, first + (count - 1) * step
    if decide(step, "<", 0) is True:
        low, high = high, low
    end: DimLike = 0
    for part in inner.operands:
        begin, end = end, end + shape_of(part)[axis]
        if decide(low, ">=", begin) is True and decide(high, "<", end) is True:
            return _cut(rewriter, part, [*places[:axis], (first - begin, count, step), *places[axis + 1 :]])
    return None


def _slice_of_reshape(rewriter: Rewriter, op: Op) -> Value | None:
    # reshape(x, s)[p] == reshape(x[q], t) if p is one block of each axis of x
    inner = made_by(op.operands[0], "reshape")
    places = None if inner is None else _places_before(inner, _places(op))
    if inner is None or places is None:
        return None
    return rewriter.reshape(_cut(rewriter, inner.operands[0], places), shape_of(op.result))


def _update_of_reshape(rewriter: Rewriter, op: Op) -> Value | None:
    # update(reshape(x, s), y, p) == reshape(update(x, reshape(y), q), s) if p is one block of each axis of x
    inner = made_by(op.operands[0], "reshape")
    places = None if inner is None else _places_before(inner, _places(op))
    if inner is None or places is None:
        return None
    start, size, step = zip(*places, strict=True)
    facts = {"start": start, "step": step}
    put = rewriter.emit("update", [inner.operands[0], rewriter.reshape(op.operands[1], size)], facts)
    return rewriter.reshape(put, shape_of(op.result))


def _places_before(reshape: Op, places: Places) -> Places | None:
    """Places in the operand of a reshape that splits its axes, or adds axes of one element."""
    found: Places = []
    left = list(zip(shape_of(reshape.result), places, strict=True))
    for whole in shape_of(reshape.operands[0]):
        group: Places = []
        sizes: list[DimLike] = []
        total: DimLike = 1
        while total != whole:
            if not left:
                return None
            size, place = left.pop(0)
            total = total * size
            group.append(place)
            sizes.append(size)
        block = _block(group, sizes)
        if block is None:
            return None
        found.append(block)
    return found if found and all(place == (0, 1, 1) for _, place in left) else None


def _block(places: Places, sizes: Sequence[DimLike]) -> tuple[DimLike, DimLike, DimLike] | None:
    """The place in the one axis that has these axes in it; None if its steps differ."""
    if len(places) < 2:
        return places[0] if places else (0, 1, 1)
    wide = [k for k, (_, count, _) in enumerate(places) if count != 1] or [len(places) - 1]
    first, end = wide[0], wide[-1] + 1
    step = places[first][2]
    if end - first > 1 and (step != 1 or not _whole(places[first + 1 : end], sizes[first + 1 : end])):
        return None
    start: DimLike = 0
    count: DimLike = 1
    for (a, n, _), size in zip(places, sizes, strict=True):
        start, count = start * size + a, count * n
    for size in sizes[end:]:
        step = step * size
    return start, count, step


def _slice_of_transpose(rewriter: Rewriter, op: Op) -> Value | None:
    # transpose(x)[p] == transpose(x[q])
    inner = made_by(op.operands[0], "transpose")
    if inner is None:
        return None
    axes, places = axes_attribute(inner.attributes, "axes"), _places(op)
    part = _cut(rewriter, inner.operands[0], [places[axis] for axis in inverse_permutation(axes)])
    return rewriter.emit("transpose", [part], {"axes": axes})


def _update_of_transpose(rewriter: Rewriter, op: Op) -> Value | None:
    # update(transpose(x), y, p) == transpose(update(x, transpose(y), q))
    inner = made_by(op.operands[0], "transpose")
    if inner is None:
        return None
    axes, places = axes_attribute(inner.attributes, "axes"), _places(op)
    back = inverse_permutation(axes)
    start, _, step = zip(*(places[axis] for axis in back), strict=True)
    part = rewriter.emit("transpose", [op.operands[1]], {"axes": back})
    put = rewriter.emit("update", [inner.operands[0], part], {"start": start, "step": step})
    return rewriter.emit("transpose", [put], {"axes": axes})


def _update_everything(_rewriter: Rewriter, op: Op) -> Value | None:
    # update(x, y) of all elements == y
    return op.operands[1] if _whole(_places(op), shape_of(op.operands[0])) else None


def _update_of_update(rewriter: Rewriter, op: Op) -> Value | None:
    # update(update(x, y, p), z, p) == update(x, z, p)
    inner = made_by(op.operands[0], "update")
    if inner is None or _places(inner) != _places(op):
        return None
    return rewriter.emit("update", [inner.operands[0], op.operands[1]], op.attributes)


def _update_of_view(rewriter: Rewriter, op: Op) -> Value | None:
    # x[a::s] = (x[a::s] with [b::t] = v)  ==  x[a + b s::s t] = v; the view may have lost its unit axes
    part = op.operands[1]
    inner = made_by(part, "update") or made_by(_source(part), "update")
    view = (
        None
        if inner is None
        else made_by(inner.operands[0], "slice") or made_by(_source(inner.operands[0]), "slice")
    )
    if inner is None or view is None or view.operands[0] is not op.operands[0]:
        return None
    shape = shape_of(part)
    if shape_of(view.result) != shape or any(
        view.attributes[k] != op.attributes[k] for k in ("start", "step")
    ):
        return None
    places = _places_in_view(op, inner, shape)
    if places is None:
        return None
    start, step, size = zip(*places, strict=True)
    value = rewriter.reshape(inner.operands[1], size)
    return rewriter.emit("update", [op.operands[0], value], {"start": start, "step": step})


def _places_in_view(
    op: Op, inner: Op, shape: Sequence[DimLike]
) -> list[tuple[DimLike, DimLike, DimLike]] | None:
    """(start, step, size) in the whole, for each axis, of what `inner` writes into the view."""
    first, strides = _dims(inner, "start"), _dims(inner, "step")
    seen = list(zip(first, strides, shape_of(inner.operands[0]), shape_of(inner.operands[1]), strict=True))
    found: list[tuple[DimLike, DimLike, DimLike]] = []
    for a, s, n in zip(_dims(op, "start"), _dims(op, "step"), shape, strict=True):
        if seen and seen[0][2] == n:
            b, t, _, count = seen.pop(0)
            found.append((a + b * s, s * t, count))
        elif n == 1:
            found.append((a, s, 1))
        else:
            return None
    return None if seen or not found else found


def _source(value: Value) -> Value:
    """What a reshape that only adds or drops axes of one element shows."""
    inner = made_by(value, "reshape")
    if inner is None or without_units(shape_of(value)) != without_units(shape_of(inner.operands[0])):
        return value
    return inner.operands[0]


def _dims(op: Op, name: str) -> tuple[DimLike, ...]:
    found = op.attributes[name]
    assert isinstance(found, tuple)
    return found  # pyright: ignore[reportReturnType] -- sizes


def _update_with_own(_rewriter: Rewriter, op: Op) -> Value | None:
    # update(x, x[p], p) == x
    part = made_by(op.operands[1], "slice")
    same = part is not None and part.operands[0] is op.operands[0] and _places(part) == _places(op)
    return op.operands[0] if same else None


def _pad_nothing(_rewriter: Rewriter, op: Op) -> Value | None:
    # pad(x, 0, 0) == x
    return op.operands[0] if shape_of(op.result) == shape_of(op.operands[0]) else None


def _concatenate_one(_rewriter: Rewriter, op: Op) -> Value | None:
    # concatenate(x) == x
    return op.operands[0] if len(op.operands) == 1 else None


def _reduce_one(rewriter: Rewriter, op: Op) -> Value | None:
    # a reduction of one element is that element: 1 * x == x, and the others are idempotent; 0.0 + -0.0 == 0.0
    axis = op.attributes["axis"]
    assert isinstance(axis, int)
    if op.name in ("max", "min") and _dtype(op.result).is_complex:
        return None  # a NaN becomes another
    if shape_of(op.operands[0])[axis] != 1:
        return None
    element = rewriter.reshape(op.operands[0], shape_of(op.result))
    if op.name != "sum" or _dtype(op.result).kind not in "fc":
        return element
    zero = rewriter.emit("constant", [], {"value": 0.0, "type": TensorType(_dtype(op.result), ())})
    return rewriter.emit("add", [element, rewriter.broadcast(zero, shape_of(op.result))])


# fmt: off
RULES: Rules = {
    "add":          (_add_nothing,),
    "subtract":     (_subtract_nothing,),
    "multiply":     (_multiply_by_one,),
    "divide":       (_divide_by_one, _divide_by_power_of_two),
    "negative":     (_undone,),
    "logical_not":  (_undone,),
    "invert":       (_undone,),
    "absolute":     (_absolute_of_sign,),
    "minimum":      (_same_twice,),
    "maximum":      (_same_twice,),
    "bitwise_and":  (_same_twice, _logic_with_constant),
    "bitwise_or":   (_same_twice, _logic_with_constant),
    "select":       (_select_known,),
    "cast":         (_cast_nothing, _cast_of_cast),
    "constant":     (_spread_constant,),
    "broadcast":    (_same_shape, _broadcast_of_broadcast, _broadcast_adds_axes),
    "reshape":      (_same_shape, _reindex_scalar, _reshape_of_reshape, _reshape_of_broadcast,
                     _reshape_of_transpose),
    "transpose":    (_reindex_scalar, _transpose_of_units, _transpose_of_transpose),
    "slice":        (_slice_everything, _reindex_scalar, _slice_of_slice, _slice_of_update,
                     _slice_of_concatenate, _slice_of_reshape, _slice_of_transpose),
    "update":       (_update_everything, _update_of_update, _update_of_view, _update_with_own,
                     _update_of_reshape, _update_of_transpose),
    "pad":          (_pad_nothing,),
    "concatenate":  (_concatenate_one,),
    "sum":          (_reduce_one,),
    "prod":         (_reduce_one,),
    "max":          (_reduce_one,),
    "min":          (_reduce_one,),
    "all":          (_reduce_one,),
    "any":          (_reduce_one,),
    ANY:            (_of_scalars,),
}
# fmt: on
