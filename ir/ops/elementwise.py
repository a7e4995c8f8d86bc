"""Elementwise operations: arithmetic, comparison, logic, bits, rounding, mathematics, casts.

Each works on tensors of equal shape and on lanes alike. Integer arithmetic is total (DESIGN D15). Mathematics with a
`MATH` name is replaced by polynomials in `compiler/passes/lower_math.py`.
Not here: broadcasting, promotion (frontend), reductions.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from weft.ir.errors import DTypeError, ShapeError
from weft.ir.expr import Expr, absolute, cast, constant, floor, maximum, minimum, select, sqrt
from weft.ir.node import Attributes, Op, Region
from weft.ir.opdef import (
    Arrays,
    OpDef,
    Scalar,
    binary,
    define,
    elements_of,
    numbers,
    random_array,
    same_types,
    unary,
    with_dtype,
)  # fmt: skip
from weft.ir.types import BOOL, DTYPES, F32, I32, I64, U32, DType, Type

Numeric = Callable[[np.ndarray, np.ndarray], np.ndarray]


def _quiet(function: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """NumPy's function without its RuntimeWarnings."""

    def evaluate(*operands: np.ndarray) -> np.ndarray:
        with np.errstate(all="ignore"):
            return function(*operands)

    return evaluate


# ---------------------------------------------------------------- arithmetic
# fmt: off
add = binary("add", "Sum.", _quiet(np.add), kinds="iufc", traits=("commutative",),
             vjp=lambda g, z, x, y: (g, g))
subtract = binary("subtract", "Difference.", _quiet(np.subtract), kinds="iufc",
                  vjp=lambda g, z, x, y: (g, -g))
multiply = binary("multiply", "Product.", _quiet(np.multiply), kinds="iufc", traits=("commutative",),
                  vjp=lambda g, z, x, y: (g * y, g * x))
divide = binary("divide", "True division of floats.", _quiet(np.true_divide), kinds="fc",
                vjp=lambda g, z, x, y: (g / y, -(g * z / y)))
negative = unary("negative", "Minus x; unsigned integers wrap.", _quiet(np.negative), kinds="iufc",
                 vjp=lambda g, y, x: -g)
# fmt: on


def _floor_divide_integers(x: Expr, y: Expr) -> Expr:
    """floor(x / y); 0 for y == 0, wrapping for min // -1."""
    zero = y.eq(0)
    one = constant(y, 1)
    if x.dtype.kind == "u":
        return select(zero, constant(x, 0), x.apply("divide_raw", select(zero, one, y)))
    minus = y.eq(-1)
    safe = select(zero | minus, one, y)
    quotient = x.apply("divide_raw", safe)
    rest = x - quotient * safe
    lower = rest.ne(0) & (rest.lt(0) ^ safe.lt(0))
    exact = quotient - cast(lower, x.dtype)
    return select(zero, constant(x, 0), select(minus, -x, exact))


def _remainder_integers(x: Expr, y: Expr) -> Expr:
    """x - y * floor(x / y), of y's sign; 0 for y == 0."""
    return select(y.eq(0), constant(x, 0), x - y * _floor_divide_integers(x, y))


def _fmod_integers(x: Expr, y: Expr) -> Expr:
    """Remainder of x's sign; 0 for y == 0."""
    unsafe = y.eq(0) if x.dtype.kind == "u" else y.eq(0) | y.eq(-1)
    safe = select(unsafe, constant(y, 1), y)
    return x - x.apply("divide_raw", safe) * safe


def _by_kind(name: str, integers: Callable[[Expr, Expr], Expr]) -> Callable[[Expr, Expr], Expr]:
    """Integers by a formula; floats by the loop-level op `name`_float, which the math pass expands."""

    def rule(x: Expr, y: Expr) -> Expr:
        return x.apply(f"{name}_float", y) if x.dtype.is_float else integers(x, y)

    return rule


def _remainder_vjp(g: Expr, z: Expr, x: Expr, y: Expr) -> tuple[Expr, Expr]:
    return g, -(g * floor(x / y))


def _fmod_vjp(g: Expr, z: Expr, x: Expr, y: Expr) -> tuple[Expr, Expr]:
    return g, -(g * (x / y).apply("trunc"))


# fmt: off
floor_divide = binary("floor_divide", "floor(x / y); integers divided by 0 give 0.", _quiet(np.floor_divide),
                      scalar=_by_kind("floor_divide", _floor_divide_integers), flops=4,
                      vjp=lambda g, z, x, y: (None, None))
remainder = binary("remainder", "x - y * floor(x / y), of y's sign.", _quiet(np.remainder),
                   scalar=_by_kind("remainder", _remainder_integers), flops=5, vjp=_remainder_vjp)
fmod = binary("fmod", "Remainder of x's sign, as C's fmod.", _quiet(np.fmod),
              scalar=_by_kind("fmod", _fmod_integers), flops=5, vjp=_fmod_vjp)
for _name, _function in (("floor_divide", np.floor_divide), ("remainder", np.remainder), ("fmod", np.fmod)):
    binary(f"{_name}_float", f"Loop-level {_name} of floats.", _quiet(_function), kinds="f", vjp=None, flops=10,
           traits=("loop",))
divide_raw = binary("divide_raw", "Loop-level integer division toward zero; the divisor is not 0, nor -1 under min.",
                    _quiet(lambda x, y: (np.sign(x) * np.sign(y) * (np.abs(x) // np.maximum(np.abs(y), 1))).astype(x.dtype)),
                    kinds="iu", vjp=None, traits=("loop",),
                    samples=lambda rng: iter([({}, (np.arange(-8, 8), np.full(16, 3)))]))
# fmt: on


def _half_each(g: Expr, first: Expr, second: Expr, x: Expr, y: Expr) -> tuple[Expr, Expr]:
    """The cotangent goes to the operand that was taken, half to each where they are equal."""
    zero = constant(g, 0.0)
    half = select(x.eq(y), g * 0.5, zero)
    return select(first, g, half), select(second, g, half)


def _extreme_integers(relation: str) -> Callable[[Expr, Expr], Expr]:
    def rule(x: Expr, y: Expr) -> Expr:
        if x.dtype.is_float:
            # NaN if either is: x wins if it is NaN or compares true, and y otherwise carries its own NaN.
            keep = x.apply(relation, y) | x.ne(x)
            return select(keep, x, y)
        return select(x.apply(relation, y), x, y)

    return rule


def _extreme_ignoring_nan(relation: str) -> Callable[[Expr, Expr], Expr]:
    def rule(x: Expr, y: Expr) -> Expr:
        if not x.dtype.is_float:
            return select(x.apply(relation, y), x, y)
        return select(x.apply(relation, y) | y.ne(y), x, y)

    return rule


# fmt: off
minimum_ = binary("minimum", "The smaller; NaN if either is NaN.", np.minimum, kinds="biufc", traits=("commutative", "idempotent"),
                  scalar=_extreme_integers("less_equal"), flops=1,
                  vjp=lambda g, z, x, y: _half_each(g, x.lt(y), y.lt(x), x, y))
maximum_ = binary("maximum", "The larger; NaN if either is NaN.", np.maximum, kinds="biufc", traits=("commutative", "idempotent"),
                  scalar=_extreme_integers("greater_equal"), flops=1,
                  vjp=lambda g, z, x, y: _half_each(g, x.gt(y), y.gt(x), x, y))
fmin = binary("fmin", "The smaller, ignoring NaN.", np.fmin, kinds="biufc", scalar=_extreme_ignoring_nan("less_equal"),
              vjp=lambda g, z, x, y: _half_each(g, x.lt(y) | y.ne(y), y.lt(x) | x.ne(x), x, y))
fmax = binary("fmax", "The larger, ignoring NaN.", np.fmax, kinds="biufc", scalar=_extreme_ignoring_nan("greater_equal"),
              vjp=lambda g, z, x, y: _half_each(g, x.gt(y) | y.ne(y), y.gt(x) | x.ne(x), x, y))
# fmt: on


def _sign(x: Expr) -> Expr:
    one, zero = constant(x, 1), constant(x, 0)
    if x.dtype.kind == "u":
        return select(x.gt(0), one, zero)
    signs = select(x.gt(0), one, select(x.lt(0), constant(x, -1), zero))
    return select(x.ne(x), x, signs) if x.dtype.is_float else signs


# fmt: off
absolute_ = unary("absolute", "Magnitude; the smallest integer stays.", _quiet(np.absolute), kinds="iuf",
                  scalar=lambda x: x if x.dtype.kind == "u" else x.apply("absolute_raw"),
                  vjp=lambda g, y, x: g * x.apply("sign"))
absolute_raw = unary("absolute_raw", "Loop-level magnitude of signed integers and floats.", _quiet(np.absolute), kinds="if",
                     vjp=None)
sign = unary("sign", "-1, 0 or 1; NaN stays.", _quiet(np.sign), kinds="iufc", scalar=_sign, flops=2,
             vjp=lambda g, y, x: None)
sqrt_ = unary("sqrt", "Square root, correctly rounded.", _quiet(np.sqrt), kinds="fc", flops=4, vjp=lambda g, y, x: g * 0.5 / y)
stop_gradient = unary("stop_gradient", "x, taken to be constant by derivatives.", np.array, kinds="biufc", scalar=lambda x: x,
                      flops=0, vjp=lambda g, y, x: None, samples=numbers("iu", 1))  # differences would say 1
hold = unary("hold", "x, computed where it stands: what is read of memory before that is written over.", np.array, kinds="biufc",
             scalar=lambda x: x, flops=0, vjp=lambda g, y, x: g)
square = unary("square", "x * x.", _quiet(np.square), kinds="iufc", scalar=lambda x: x * x,
               vjp=lambda g, y, x: g * (x * 2.0))
reciprocal = unary("reciprocal", "1 / x of floats.", _quiet(np.reciprocal), kinds="fc", scalar=lambda x: constant(x, 1.0) / x,
                   flops=4, vjp=lambda g, y, x: -(g * y * y))

# ---------------------------------------------------------------- rounding
floor_ = unary("floor", "The largest integer not above x.", np.floor, vjp=lambda g, y, x: None)
ceil_ = unary("ceil", "The smallest integer not below x.", np.ceil, vjp=lambda g, y, x: None)
trunc_ = unary("trunc", "The integer nearest to x toward 0.", np.trunc, vjp=lambda g, y, x: None)
rint_ = unary("rint", "The nearest integer, halves to even.", np.rint, vjp=lambda g, y, x: None)

# ---------------------------------------------------------------- comparison
for _name, _function, _sense in (("equal", np.equal, "x == y"), ("not_equal", np.not_equal, "x != y"),
                                 ("less", np.less, "x < y"), ("less_equal", np.less_equal, "x <= y"),
                                 ("greater", np.greater, "x > y"), ("greater_equal", np.greater_equal, "x >= y")):
    binary(_name, f"{_sense}; false for NaN but in not_equal.", _function, kinds="biufc", result=BOOL,
           vjp=lambda g, z, x, y: (None, None))

# ---------------------------------------------------------------- logic and bits
logical_not = unary("logical_not", "The other truth value.", np.logical_not, kinds="b", vjp=lambda g, y, x: None)
invert = unary("invert", "Every bit flipped.", np.invert, kinds="biu", vjp=lambda g, y, x: None)
bitwise_and = binary("bitwise_and", "Bits in both.", np.bitwise_and, kinds="biu", traits=("commutative", "idempotent"), vjp=lambda g, z, x, y: (None, None))
bitwise_or = binary("bitwise_or", "Bits in either.", np.bitwise_or, kinds="biu", traits=("commutative", "idempotent"), vjp=lambda g, z, x, y: (None, None))
bitwise_xor = binary("bitwise_xor", "Bits in one.", np.bitwise_xor, kinds="biu", traits=("commutative",), vjp=lambda g, z, x, y: (None, None))
# fmt: on


def _shift_samples(rng: "np.random.Generator") -> Iterator[tuple[Attributes, Arrays]]:
    for name in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"):
        x = random_array(rng, name, (3, 5))
        yield {}, (x, rng.integers(0, x.dtype.itemsize * 8, (3, 5)).astype(name))


def _too_far(x: Expr, y: Expr) -> Expr:
    """Whether y is not in [0, bits)."""
    unsigned = y if y.dtype.kind == "u" else y.apply("bitcast_unsigned")
    return unsigned.ge(x.dtype.bits)


def _shift_left(x: Expr, y: Expr) -> Expr:
    far = _too_far(x, y)
    return select(far, constant(x, 0), x << select(far, constant(y, 0), y))


def _shift_right(x: Expr, y: Expr) -> Expr:
    far = _too_far(x, y)
    if x.dtype.kind == "u":
        return select(far, constant(x, 0), x >> select(far, constant(y, 0), y))
    return x >> select(far, constant(y, x.dtype.bits - 1), y)


_UNSIGNED = {8: "u8", 16: "u16", 32: "u32", 64: "u64"}


def _infer_unsigned(types: Sequence[Type], _a: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    return (with_dtype(types[0], DTYPES[_UNSIGNED[elements_of(types[0]).bits]]),)


# fmt: off
left_shift = binary("left_shift", "x shifted left; 0 if y is not in [0, bits).", np.left_shift, kinds="iu",
                    scalar=_shift_left, flops=3, vjp=None)
right_shift = binary("right_shift", "x shifted right; 0 or the sign if y is not in [0, bits).", np.right_shift, kinds="iu",
                     scalar=_shift_right, flops=3, vjp=None)
shift_left_raw = binary("shift_left_raw", "Loop-level shift by less than the width.", np.left_shift, kinds="iu", vjp=None,
                        traits=("loop",), samples=_shift_samples)
shift_right_raw = binary("shift_right_raw", "Loop-level shift by less than the width, arithmetic if signed.", np.right_shift,
                         kinds="iu", vjp=None, traits=("loop",), samples=_shift_samples)
bitcast_unsigned = define(OpDef("bitcast_unsigned", "Loop-level: an integer's bits as unsigned.", _infer_unsigned,
                                lambda _a, x: x.view(f"u{x.dtype.itemsize}"), None, Scalar(), 0, numbers("iu", 1),
                                frozenset({"loop"})))
isnan = unary("isnan", "Whether x is NaN.", np.isnan, kinds="fc", result=BOOL, scalar=lambda x: x.ne(x), vjp=lambda g, y, x: None)
isinf = unary("isinf", "Whether x is an infinity.", np.isinf, kinds="fc", result=BOOL,
              scalar=lambda x: absolute(x).eq(float("inf")), vjp=lambda g, y, x: None)
isfinite = unary("isfinite", "Whether x is neither NaN nor an infinity.", np.isfinite, kinds="fc", result=BOOL,
                 scalar=lambda x: absolute(x).lt(float("inf")), vjp=lambda g, y, x: None)
# fmt: on


def _integer_like(x: Expr) -> DType:
    return DTYPES[f"i{x.dtype.bits}"]


def _signbit(x: Expr) -> Expr:
    return x.apply("bitcast_signed").lt(0)


def _copysign(x: Expr, y: Expr) -> Expr:
    return select(_signbit(y), -absolute(x), absolute(x))


def _infer_signed(types: Sequence[Type], _a: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    return (with_dtype(types[0], DTYPES[f"i{elements_of(types[0]).bits}"]),)


# fmt: off
bitcast_signed = define(OpDef("bitcast_signed", "Loop-level: the bits as a signed integer.", _infer_signed,
                              lambda _a, x: np.asarray(x).view(f"i{x.dtype.itemsize}"), None, Scalar(), 0, numbers("iuf", 1),
                              frozenset({"loop"})))
signbit = unary("signbit", "Whether the sign bit is set.", np.signbit, result=BOOL, scalar=_signbit, vjp=lambda g, y, x: None)
copysign_ = binary("copysign", "|x| with y's sign.", np.copysign, kinds="f", scalar=_copysign, flops=2,
                   vjp=lambda g, z, x, y: (g * x.apply("sign") * (constant(y, 1.0).apply("copysign", y)), None))
# fmt: on


# ---------------------------------------------------------------- complex numbers
# Derivatives are transposes without conjugation (DESIGN 1, JAX's convention): they hold for holomorphic functions as they stand.


def _infer_part(types: Sequence[Type], _a: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    ty = same_types("part", types, "c", 1)
    return (with_dtype(ty, elements_of(ty).part),)


def _infer_complex(types: Sequence[Type], _a: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    ty = same_types("complex", types, "f", 2)
    name = {32: "c64", 64: "c128"}.get(elements_of(ty).bits)
    if name is None:
        raise DTypeError(f"there are no complex numbers of two {elements_of(ty)}")
    return (with_dtype(ty, DTYPES[name]),)


def _evaluate_complex(_a: Attributes, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    both = np.stack(
        [np.asarray(x), np.asarray(y)], axis=-1
    )  # arithmetic would lose signs of 0 and infinities
    return both.view(f"c{2 * both.itemsize}").reshape(np.shape(x))


# fmt: off
real_ = define(OpDef("real", "The real part.", _infer_part, lambda _a, x: np.array(np.real(x)),
                     lambda op, g, y, x: (g[0].apply("complex", 0.0),), Scalar(), 0, numbers("c", 1)))
imag_ = define(OpDef("imag", "The imaginary part.", _infer_part, lambda _a, x: np.array(np.imag(x)),
                     lambda op, g, y, x: (constant(g[0], 0.0).apply("complex", -g[0]),), Scalar(), 0, numbers("c", 1)))
complex_ = define(OpDef("complex", "The complex numbers with these real and imaginary parts.", _infer_complex, _evaluate_complex,
                        lambda op, g, y, x: (g[0].apply("real"), -g[0].apply("imag")), Scalar(), 0, numbers("f", 2)))
conjugate = unary("conjugate", "The same real part, minus the imaginary part.", np.conjugate, kinds="c",
                  vjp=lambda g, y, x: g.apply("conjugate"))
# fmt: on


# ---------------------------------------------------------------- selection and conversion


def _infer_select(types: Sequence[Type], _a: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    if elements_of(types[0]) != BOOL or types[1] != types[2] or with_dtype(types[1], BOOL) != types[0]:
        raise ShapeError(f"select needs a mask and two equal types, got {', '.join(map(str, types))}")
    return (types[1],)


def _select_vjp(op: Op, g: Sequence[Expr], y: Sequence[Expr], x: Sequence[Expr]) -> Sequence[Expr | None]:
    zero = constant(g[0], 0.0)
    return None, select(x[0], g[0], zero), select(x[0], zero, g[0])


def _select_samples(rng: "np.random.Generator") -> Iterator[tuple[Attributes, Arrays]]:
    for dtype in ("bool", "int8", "int32", "float32", "float64", "complex64", "complex128"):
        yield (
            {},
            (rng.random((4, 7)) < 0.5, random_array(rng, dtype, (4, 7)), random_array(rng, dtype, (4, 7))),
        )


select_ = define(
    OpDef(
        "select", "Elements of the second operand where the mask holds, else of the third.", _infer_select,
        lambda _a, m, x, y: np.where(m, x, y), _select_vjp, Scalar(), 1, _select_samples,
    )
)  # fmt: skip


def _infer_cast(types: Sequence[Type], attributes: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    dtype = attributes["dtype"]
    if not isinstance(dtype, DType):
        raise DTypeError("cast needs a dtype")
    return (with_dtype(types[0], dtype),)


def evaluate_cast(x: np.ndarray, dtype: DType) -> np.ndarray:
    """Conversion of DESIGN D15, the same on every machine."""
    assert dtype.numpy is not None
    if x.dtype.kind == "c" and dtype.kind not in "bc":
        x = np.real(x)
    if x.dtype.kind == "f" and dtype.is_integer:
        return _float_to_integer(x, dtype)
    with np.errstate(all="ignore"):
        return x.astype(dtype.numpy)


def _float_to_integer(x: np.ndarray, dtype: DType) -> np.ndarray:
    """Through int32 for 8 and 16 bits; out of range gives the smallest value; u32 and u64 by halves."""
    assert dtype.numpy is not None
    if dtype.bits < 32:
        return _float_to_integer(x, I32).astype(dtype.numpy)
    if dtype.kind == "u":
        half = 2.0 ** (dtype.bits - 1)
        signed = DTYPES[f"i{dtype.bits}"]
        low = _float_to_integer(x, signed).view(dtype.numpy)
        with np.errstate(all="ignore"):
            high = _float_to_integer(x - x.dtype.type(half), signed).view(dtype.numpy)
        # not (x < half): NaN takes the upper way and becomes the smallest signed value with the top bit flipped twice
        return np.where(x < half, low, high ^ dtype.numpy.type(2 ** (dtype.bits - 1)))
    limit = 2.0 ** (dtype.bits - 1)
    with np.errstate(all="ignore"):
        good = (
            (x >= -limit) & (x < limit)
            if x.dtype.itemsize * 8 <= dtype.bits
            else (x > -limit - 1) & (x < limit)
        )
    return np.where(good, np.where(good, x, 0).astype(dtype.numpy), np.iinfo(dtype.numpy).min)


def _cast_rule(attributes: Attributes, x: Expr) -> Expr:
    """Float to narrow or unsigned integers in steps that targets spell; all else is one instruction."""
    dtype = attributes["dtype"]
    assert isinstance(dtype, DType)
    if dtype.is_complex:
        return cast(x, dtype)
    if dtype == BOOL and x.dtype != BOOL:
        return x.ne(0)
    if x.dtype.is_float and x.dtype.bits < 32 and dtype.is_integer:
        x = cast(x, F32)  # bounds of integers are no float16
    if not (x.dtype.is_float and dtype.is_integer) or attributes.get("is_in_range"):
        return cast(x, dtype)
    if dtype.bits < 32:
        return cast(_in_range(x, I32), dtype)
    if dtype.kind == "i":
        return _in_range(x, dtype)
    signed = I32 if dtype == U32 else I64
    half = 2.0 ** (dtype.bits - 1)
    low = x.lt(half)
    # x - 2^31 below 2^31 keeps the low bits; above, the top bit is put back
    value = cast(_in_range(select(low, x, x - half), signed), dtype)
    return select(low, value, value ^ (1 << (dtype.bits - 1)))


def _in_range(x: Expr, dtype: DType) -> Expr:
    """Float to i32 or i64; the smallest value where it does not fit."""
    limit = 2.0 ** (dtype.bits - 1)
    above = x.ge(-limit) if x.dtype.bits <= dtype.bits else x.gt(-limit - 1.0)
    good = above & x.lt(limit)
    inside = select(good, x, constant(x, 0.0))
    number = x.builder.emit("cast", [inside.value], {"dtype": dtype, "is_in_range": True}).result
    return select(good, Expr(x.builder, number), constant(x, -(2 ** (dtype.bits - 1)), dtype))


def _cast_vjp(op: Op, g: Sequence[Expr], y: Sequence[Expr], x: Sequence[Expr]) -> Sequence[Expr | None]:
    has_slope = all(e.dtype.is_float or e.dtype.is_complex for e in (x[0], y[0]))
    return (cast(g[0], x[0].dtype) if has_slope else None,)


def _cast_samples(rng: "np.random.Generator") -> Iterator[tuple[Attributes, Arrays]]:
    names = (
        "bool",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "float32",
        "float64",
    )
    for source in (*names, "complex64", "complex128"):
        for target in (
            "c64",
            "c128",
            "bool",
            "i8",
            "u8",
            "i16",
            "u16",
            "i32",
            "u32",
            "i64",
            "u64",
            "f32",
            "f64",
        ):
            yield {"dtype": DTYPES[target]}, (random_array(rng, source, (3, 11)),)


def _evaluate_cast(attributes: Attributes, x: np.ndarray) -> np.ndarray:
    dtype = attributes["dtype"]
    assert isinstance(dtype, DType)
    return evaluate_cast(np.asarray(x), dtype)


cast_ = define(
    OpDef("cast", "Conversion to attribute `dtype` (DESIGN D15).", _infer_cast, _evaluate_cast, _cast_vjp,
          Scalar(_cast_rule), 1, _cast_samples)
)  # fmt: skip


# ---------------------------------------------------------------- mathematics
def _power_vjp(g: Expr, z: Expr, x: Expr, y: Expr) -> tuple[Expr, Expr]:
    """y x^(y-1) and log(x) x^y, with 0 for 0^0 in the first and for log(0) in the second; NaN for the log of x < 0."""
    zero, one = x.eq(0.0), constant(x, 1.0)
    slope = y * select(zero & y.eq(0.0), one, x).apply("power", y - 1.0)
    return g * slope, g * (z * select(zero, one, x).apply("log"))


def _hypot_vjp(g: Expr, z: Expr, x: Expr, y: Expr) -> tuple[Expr, Expr]:
    """x / z and y / z; 0 at the origin."""
    scale = g / select(z.eq(0.0), constant(z, 1.0), z)
    return scale * x, scale * y


def _share(x: Expr, z: Expr, power: str) -> Expr:
    """The power of x - z, the part of `x` in log(exp x + exp y) = z; 1 for x = inf."""
    return select(x.eq(float("inf")), constant(x, 0.0), x - z).apply(power)


def _integer_power(x: Expr, y: Expr) -> Expr:
    """x ** y for y >= 0 by squaring, wrapping; one select and two products for each bit of the exponent."""
    if x.dtype.is_float:
        return x.apply("power_float", y)
    result, base, exponent = constant(x, 1), x, y
    for _ in range(min(x.dtype.bits, 63)):
        result = select((exponent & 1).ne(0), result * base, result)
        base, exponent = base * base, exponent >> 1
    return result


LN2, LN10 = float(np.log(2.0)), float(np.log(10.0))
TWO_OVER_ROOT_PI = float(2.0 / np.sqrt(np.pi))


def _erf(x: np.ndarray) -> np.ndarray:
    from math import erf  # NumPy has none

    return np.vectorize(erf, otypes=[x.dtype])(x)


# fmt: off
exp = unary("exp", "e ** x.", _quiet(np.exp), kinds="fc", flops=12, vjp=lambda g, y, x: g * y)
exp2 = unary("exp2", "2 ** x.", _quiet(np.exp2), kinds="fc", flops=12, vjp=lambda g, y, x: g * y * LN2)
expm1 = unary("expm1", "e ** x - 1, exact near 0.", _quiet(np.expm1), kinds="fc", flops=16, vjp=lambda g, y, x: g * (y + 1.0))
log = unary("log", "Natural logarithm.", _quiet(np.log), kinds="fc", flops=14, vjp=lambda g, y, x: g / x)
log2 = unary("log2", "Logarithm of base 2.", _quiet(np.log2), kinds="fc", flops=14, vjp=lambda g, y, x: g / (x * LN2))
log10 = unary("log10", "Logarithm of base 10.", _quiet(np.log10), kinds="fc", flops=14, vjp=lambda g, y, x: g / (x * LN10))
log1p = unary("log1p", "log(1 + x), exact near 0.", _quiet(np.log1p), kinds="fc", flops=16, vjp=lambda g, y, x: g / (x + 1.0))
sin = unary("sin", "Sine, x in radians.", _quiet(np.sin), kinds="fc", flops=20, vjp=lambda g, y, x: g * x.apply("cos"))
cos = unary("cos", "Cosine, x in radians.", _quiet(np.cos), kinds="fc", flops=20, vjp=lambda g, y, x: -(g * x.apply("sin")))
tan = unary("tan", "Tangent, x in radians.", _quiet(np.tan), kinds="fc", flops=25, vjp=lambda g, y, x: g * (y * y + 1.0))
tanh = unary(
    "tanh",
    "Hyperbolic tangent.",
    _quiet(np.tanh),
    kinds="fc",
    flops=16,
    vjp=lambda g, y, x: g * (1.0 - y * y),
)
sinh = unary("sinh", "Hyperbolic sine.", _quiet(np.sinh), kinds="fc", flops=20, vjp=lambda g, y, x: g * x.apply("cosh"))
cosh = unary("cosh", "Hyperbolic cosine.", _quiet(np.cosh), kinds="fc", flops=20, vjp=lambda g, y, x: g * x.apply("sinh"))
arcsin = unary("arcsin", "Inverse sine.", _quiet(np.arcsin), kinds="fc", flops=20, vjp=lambda g, y, x: g / sqrt(1.0 - x * x))
arccos = unary("arccos", "Inverse cosine.", _quiet(np.arccos), kinds="fc", flops=20, vjp=lambda g, y, x: -(g / sqrt(1.0 - x * x)))
arctan = unary("arctan", "Inverse tangent.", _quiet(np.arctan), kinds="fc", flops=20, vjp=lambda g, y, x: g / (x * x + 1.0))
arcsinh = unary("arcsinh", "Inverse hyperbolic sine.", _quiet(np.arcsinh), kinds="fc", flops=25, vjp=lambda g, y, x: g / sqrt(x * x + 1.0))
arccosh = unary("arccosh", "Inverse hyperbolic cosine.", _quiet(np.arccosh), kinds="fc", flops=25,
                vjp=lambda g, y, x: g / (sqrt(x - 1.0) * sqrt(x + 1.0)))
arctanh = unary("arctanh", "Inverse hyperbolic tangent.", _quiet(np.arctanh), kinds="fc", flops=20, vjp=lambda g, y, x: g / (1.0 - x * x))
cbrt = unary("cbrt", "Cube root.", _quiet(np.cbrt), flops=20, vjp=lambda g, y, x: g / (y * y * 3.0))
erf = unary("erf", "The error function.", _erf, flops=20,
            vjp=lambda g, y, x: g * (-(x * x)).apply("exp") * TWO_OVER_ROOT_PI)
arctan2 = binary("arctan2", "Angle of the point (y, x), the first operand being y.", _quiet(np.arctan2), kinds="f", flops=25,
                 vjp=lambda g, z, y, x: (g * x / (x * x + y * y), -(g * y / (x * x + y * y))))
power = binary("power", "x ** y; integers wrap.", _quiet(np.power), kinds="iufc", scalar=_integer_power, flops=40, vjp=_power_vjp,
               samples=lambda rng: iter([({}, (np.abs(rng.normal(size=(4, 9))).astype(t), rng.normal(size=(4, 9)).astype(t)))
                                         for t in ("float32", "float64")] +
                                        [({}, (rng.integers(0, 9, (4, 9)).astype(t), rng.integers(0, 9, (4, 9)).astype(t)))
                                         for t in ("int8", "int64", "uint32")]))
power_float = binary("power_float", "Loop-level power of floats.", _quiet(np.power), kinds="f", flops=40, vjp=None, traits=("loop",))
hypot = binary("hypot", "sqrt(x*x + y*y) without overflow.", _quiet(np.hypot), kinds="f", flops=10, traits=("commutative",),
               vjp=_hypot_vjp)
logaddexp = binary("logaddexp", "log(exp(x) + exp(y)).", _quiet(np.logaddexp), kinds="f", flops=30, traits=("commutative",),
                   vjp=lambda g, z, x, y: (g * _share(x, z, "exp"), g * _share(y, z, "exp")))
logaddexp2 = binary("logaddexp2", "log2(2**x + 2**y).", _quiet(np.logaddexp2), kinds="f", flops=30, traits=("commutative",),
                    vjp=lambda g, z, x, y: (g * _share(x, z, "exp2"), g * _share(y, z, "exp2")))
nextafter = binary("nextafter", "The next float after x toward y.", _quiet(np.nextafter), kinds="f", flops=8, vjp=None,
                   scalar=lambda x, y: _nextafter(x, y))
# fmt: on


def _nextafter(x: Expr, y: Expr) -> Expr:
    """One step of the bit pattern: up if it moves away from 0, down otherwise; from 0 to the smallest denormal."""
    integer = _integer_like(x)
    bits = x.apply("bitcast_signed")
    away = x.lt(y) ^ x.lt(0.0)
    stepped = select(away, bits + 1, bits - 1)
    smallest = select(
        y.lt(0.0), constant(x, -(2 ** (integer.bits - 1)) + 1, integer), constant(x, 1, integer)
    )
    moved = select(x.eq(0.0), smallest, stepped).apply("bitcast_float")
    return select(x.ne(x) | y.ne(y), x + y, select(x.eq(y), y, moved))


def _infer_float(types: Sequence[Type], _a: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
    return (with_dtype(types[0], DTYPES[f"f{elements_of(types[0]).bits}"]),)


bitcast_float = define(
    OpDef("bitcast_float", "Loop-level: the bits of an i32 or i64 as a float.", _infer_float,
          lambda _a, x: np.asarray(x).view(f"f{x.dtype.itemsize}"), None, Scalar(), 0,
          lambda rng: iter([({}, (rng.integers(0, 1 << 20, 7).astype("i4"),))]), frozenset({"loop"}))
)  # fmt: skip

__all__ = ["evaluate_cast", "maximum", "minimum", "same_types"]
