"""Operations that exist only at the loop level: memory, lanes, threads of a block, failure. Load and store act in program order.

Offsets are i64 counted in elements of a dense buffer, in bytes of a strided one. With `lanes` > 1 lane i is at
offset + i * stride elements; `stride` is an attribute. A last bool operand masks lanes: those not set are not touched
(loaded as 0). Not here: arithmetic (`elementwise.py`), loops (`control.py`).
"""

from collections.abc import Sequence

import numpy as np

from weft.ir.errors import ShapeError
from weft.ir.node import Attributes, Region
from weft.ir.opdef import EvaluateRule, InferRule, OpDef, Scalar, define, elements_of, with_dtype
from weft.ir.types import BOOL, I64, BufferType, DType, Type, VectorType


def _buffer(types: Sequence[Type], number: int) -> BufferType:
    ty = types[number]
    if not isinstance(ty, BufferType):
        raise ShapeError(f"expected a buffer, got {ty}")
    return ty


def _lanes(types: Sequence[Type], number: int) -> VectorType:
    ty = types[number]
    if not isinstance(ty, VectorType):
        raise ShapeError(f"expected lanes, got {ty}")
    return ty


def _nothing(_t: Sequence[Type], _a: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    return ()


def _infer_type(_t: Sequence[Type], attributes: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    return (attributes["type"],)  # pyright: ignore[reportReturnType]


def _infer_load(types: Sequence[Type], attributes: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    lanes = attributes.get("lanes", 1)
    assert isinstance(lanes, int)
    return (VectorType(_buffer(types, 0).dtype, lanes),)


def _infer_gather(types: Sequence[Type], _a: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    return (VectorType(_buffer(types, 0).dtype, _lanes(types, 1).lanes),)


def _infer_first(types: Sequence[Type], _a: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    return (types[0],)


def _infer_bitcast(types: Sequence[Type], attributes: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    dtype = attributes["dtype"]
    assert isinstance(dtype, DType)
    if dtype.bits != elements_of(types[0]).bits:
        raise ShapeError(f"bitcast of {types[0]} to {dtype}")
    return (with_dtype(types[0], dtype),)


def _infer_lookup(types: Sequence[Type], attributes: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    dtype = attributes["dtype"]
    assert isinstance(dtype, DType)
    return (with_dtype(types[0], dtype),)


def _infer_splat(types: Sequence[Type], attributes: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    lanes = attributes["lanes"]
    assert isinstance(lanes, int)
    return (VectorType(elements_of(types[0]), lanes),)


def _infer_lane_index(_t: Sequence[Type], attributes: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    lanes = attributes["lanes"]
    assert isinstance(lanes, int)
    return (VectorType(I64, lanes),)


def _infer_shuffle(types: Sequence[Type], attributes: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    order = attributes["order"]
    assert isinstance(order, tuple)
    return (VectorType(elements_of(types[0]), len(order)),)


def _infer_any_lane(_t: Sequence[Type], _a: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    return (VectorType(BOOL),)


def _infer_view(types: Sequence[Type], attributes: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    return (attributes["type"],)  # pyright: ignore[reportReturnType]


def _define(
    name: str,
    doc: str,
    infer: InferRule,
    evaluate: EvaluateRule | None = None,
    *traits: str,
    flops: float = 0,
) -> OpDef:
    form = Scalar() if evaluate else None
    return define(OpDef(name, doc, infer, evaluate, None, form, flops, None, frozenset({"loop", *traits})))


def _evaluate_fma(_a: Attributes, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """One rounding: exactly in twice the precision for f32; through error-free transforms for f64."""
    if a.dtype == np.float32:
        return _round_to_odd_sum(a.astype("f8") * b.astype("f8"), c.astype("f8")).astype("f4")
    return _fma_double(a, b, c)


def _round_to_odd_sum(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """x + y in f64 rounded to odd, so that a second rounding to f32 is right. Source: Boldo and Melquiond 2008."""
    with np.errstate(all="ignore"):
        total = x + y
        part = total - x
        error = (x - (total - part)) + (y - part)
        bits = np.atleast_1d(total).view("i8").copy()
        inexact = np.atleast_1d((error != 0) & np.isfinite(total) & np.isfinite(error)) & ((bits & 1) == 0)
        up = np.atleast_1d((error > 0) == (total > 0))
        bits = np.where(inexact, np.where(up, bits + 1, bits - 1), bits)
        return bits.view("f8").reshape(np.shape(total))


def _fma_double(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    from fractions import Fraction

    def one(x: float, y: float, z: float) -> float:
        if not (np.isfinite(x) and np.isfinite(y) and np.isfinite(z)):
            return x * y + z
        exact = Fraction(x) * Fraction(y) + Fraction(z)
        if exact == 0:
            return x * y + z
        try:
            return float(exact)
        except OverflowError:
            return float("inf") if exact > 0 else float("-inf")

    with np.errstate(all="ignore"):
        return np.vectorize(one, otypes=["f8"])(a, b, c)


# fmt: off
alloc = _define("alloc", "New memory of buffer type `type`, living to the end of its region.", _infer_type, None, "effect")
view = _define("view", "A buffer's memory from element offset `operand 1` on, as `type`.", _infer_view, None)
load = _define("load", "`lanes` elements of a buffer at an offset, `stride` apart, optionally masked.", _infer_load, None, "memory")
store = _define("store", "Write lanes (operand 0) to a buffer (1) at an offset (2), `stride` apart, optionally masked (3).", _nothing, None, "memory")
gather_lanes = _define("gather_lanes", "Elements of a buffer at a vector of offsets, optionally masked.", _infer_gather, None, "memory")
scatter_lanes = _define("scatter_lanes", "Write lanes (0) to a buffer (1) at a vector of offsets (2), optionally masked (3).", _nothing, None, "memory")
prefetch = _define("prefetch", "Bring memory near an offset (1) of a buffer (0), or beyond it, into the cache.", _nothing, None, "memory")
copy = _define("copy", "Copy a buffer (0) to another (1) of the same type.", _nothing, None, "memory")
fail_if = _define("fail_if", "Record error `code` if a lane (operand 0) holds; facts are i64 operands of the first such lane.", _nothing, None, "memory")
fma = _define("fma", "a * b + c with one rounding.", _infer_first, _evaluate_fma, flops=2)
bitcast = _define("bitcast", "The same bits as `dtype`.", _infer_bitcast, lambda a, x: np.asarray(x).view(a["dtype"].numpy))
lookup = _define("lookup", "Element of the constant `table` of `dtype` at an i64 index in range.", _infer_lookup,
                 lambda a, i: np.asarray(a["table"], a["dtype"].numpy)[i])
splat = _define("splat", "A scalar in `lanes` lanes.", _infer_splat, lambda a, x: np.repeat(np.atleast_1d(x), a["lanes"]))
lane_index = _define("lane_index", "0, 1, 2, ... in `lanes` lanes.", _infer_lane_index, lambda a: np.arange(a["lanes"], dtype="i8"))
shuffle = _define("shuffle", "Lanes `order` of the operand, or of two operands one after the other.", _infer_shuffle,
                  lambda a, *x: np.concatenate([np.atleast_1d(v) for v in x])[list(a["order"])])
barrier = _define("barrier", "Waits for all threads of the block; what they wrote before it, all of them see after it.", _nothing, None, "effect")
exchange_down = _define("exchange_down", "The operand of the thread `distance` further on in the same `group` of threads; past its end the own.", _infer_first, None, "effect")
exchange_from = _define("exchange_from", "The operand of thread `thread` of the same `group` of threads.", _infer_first, None, "effect")
any_lane = _define("any_lane", "Whether a lane of the mask is set.", _infer_any_lane, lambda a, x: np.atleast_1d(np.any(x)))
# fmt: on
