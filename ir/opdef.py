"""One record per operation: every rule the compiler needs, in one place (add a record, touch one file).

Not here: the records (`ops/`), nor any backend's spelling.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Protocol

import numpy as np

from weft.ir.dataclass import dataclass
from weft.ir.dims import DimLike
from weft.ir.errors import DTypeError, ShapeError
from weft.ir.expr import Expr, Number
from weft.ir.node import Attributes, Op, Region, Value
from weft.ir.types import BOOL, DType, TensorType, Type, VectorType

Arrays = tuple[np.ndarray, ...]
InferRule = Callable[[Sequence[Type], Attributes, Sequence[Region]], Sequence[Type]]
EvaluateRule = Callable[..., np.ndarray | Arrays]  # (attributes with numbers for sizes, *operands)
VjpRule = Callable[[Op, Sequence[Expr], Sequence[Expr], Sequence[Expr]], Sequence[Expr | None]]
Samples = Callable[["np.random.Generator"], Iterator[tuple[Attributes, Arrays]]]


class Context(Protocol):
    """What an `element` rule may ask while it writes one element of its result.

    Indices are `DimLike` over loop symbols.
    """

    def read(self, number: int, index: Sequence[DimLike]) -> Expr:
        """The element of operand `number` at `index`; in `piecewise`, only lanes of the piece are read."""
        ...

    def element(self, value: Value) -> Expr:
        """The element of a tensor of rank 0 that ops outside of any region compute from the operands."""
        ...

    def index_value(self, index: DimLike) -> Expr:
        """An index as an i64 value."""
        ...

    def as_index(self, value: Expr, lower: int, upper: DimLike) -> DimLike:
        """An i64 value, known to be in [lower, upper), as an index."""
        ...

    def piecewise(self, index: DimLike, pieces: Sequence[tuple[DimLike | None, Callable[[], Expr]]]) -> Expr:
        """The value of the first piece whose bound is above `index`. Bounds ascend; the last is None."""
        ...

    def place_in(
        self, index: DimLike, places: Sequence[tuple[DimLike, DimLike]], size: DimLike
    ) -> DimLike | None:
        """Of pairs (bound, place) the place of the first whose bound is above `index`, in [0, size).

        None where `piecewise` is better: one place is known to be it, or loops are cut at the bounds.
        """
        ...

    def where(self, condition: Expr, then: Callable[[], Expr], otherwise: Callable[[], Expr]) -> Expr:
        """`then` where the condition holds, else `otherwise`; each reads only in its own lanes."""
        ...

    def index_of(self, number: int, index: Sequence[DimLike], size: DimLike, axis: int) -> DimLike:
        """The element of operand `number` as a checked index of an axis of `size`.

        Checked once for all elements that share it.
        """
        ...

    def check_index(self, value: Expr, size: DimLike, axis: int) -> Expr:
        """`value` wrapped once if negative; outside of [-size, size) records an IndexError and yields 0."""
        ...


@dataclass(frozen=True, slots=True)
class Scalar:
    """Elementwise.

    `rule(attributes, *lanes)` writes one element in other loop-level ops; None: the op exists there itself.
    """

    rule: Callable[..., Expr] | None = None


@dataclass(frozen=True, slots=True)
class Element:
    """One result element in elements of the operands: slice, concat, gather...

    `aligned` says that the rule only re-indexes (no arithmetic, no condition), so recomputing it is free.
    """

    rule: Callable[[Context, Op, Sequence[DimLike]], Expr]
    aligned: bool = False


@dataclass(frozen=True, slots=True)
class Combine:
    """A reduction of operand 0 over attribute `axis` with accumulators, in the order of DESIGN D19.

    initial(dtype): numbers that start the accumulators, each with its dtype.
    step(accumulators, element, position, count): take one element; `position` is its index along the axis,
        `count` the number of elements each lane will hold after this step, the same in all lanes; both i64.
    merge(a, b, count_a, count_b): join two accumulators of so many elements, a's before b's.
    finish(attributes, accumulators, count): the results.
    """

    initial: Callable[[DType], Sequence[tuple[DType, Number]]]
    step: Callable[[Sequence[Expr], Expr, Expr, Expr], Sequence[Expr]]
    merge: Callable[[Sequence[Expr], Sequence[Expr], Expr, Expr], Sequence[Expr]]
    finish: Callable[[Attributes, Sequence[Expr], Expr], Sequence[Expr]]


@dataclass(frozen=True, slots=True)
class Expand:
    """Lowered by a schedule of its own (dot, sort, scans): the name of that schedule."""

    schedule: str


Form = Scalar | Element | Combine | Expand | None


@dataclass(frozen=True, slots=True)
class OpDef:
    """All that is known of one operation; see the module docstrings of `ops/` for the attributes of each.

    infer:    operand types, attributes, regions -> result types; raises a UserError.
    evaluate: NumPy meaning, the reference for every backend and for constant folding; None for control,
    memory.
    vjp:      (op, cotangents, results, operands) -> a cotangent or None for each operand; None: it has none.
    form:     how it enters a kernel; None for what never does.
    flops:    arithmetic operations per result element.
    traits:   "commutative", "effect" (keeps its place among effects), "can_fail", "terminator",
    "loop" (level).
    samples:  attributes and operands for the generic tests; None only for control and memory ops.
    """

    name: str
    doc: str
    infer: InferRule
    evaluate: EvaluateRule | None
    vjp: VjpRule | None
    form: Form
    flops: float
    samples: Samples | None
    traits: frozenset[str] = field(default_factory=frozenset[str])

    def has(self, trait: str) -> bool:
        """Whether the op has this trait."""
        return trait in self.traits


REGISTRY: dict[str, OpDef] = {}


def define(op: OpDef) -> OpDef:
    """Register `op`; a second definition of one name is an error."""
    if op.name in REGISTRY:
        raise ValueError(f"operation {op.name!r} is already defined")
    REGISTRY[op.name] = op
    return op


def record(op: Op) -> OpDef:
    """The record of an op."""
    return REGISTRY[op.name]


# ---------------------------------------------------------------- families: elementwise ops of exact arity


def elements_of(type: Type) -> DType:
    """The dtype of a tensor or vector."""
    if isinstance(type, TensorType | VectorType):
        return type.dtype
    raise DTypeError(f"expected elements, got {type}")


def with_dtype(type: Type, dtype: DType) -> Type:
    """The same shape or lanes with another dtype."""
    if isinstance(type, TensorType):
        return TensorType(dtype, type.shape)
    if isinstance(type, VectorType):
        return VectorType(dtype, type.lanes)
    raise DTypeError(f"expected elements, got {type}")


def is_complex(types: Sequence[Type]) -> bool:
    """Whether one of the types has complex elements: rules of `Scalar` forms are for real ones alone."""
    return any(isinstance(ty, TensorType | VectorType) and ty.dtype.is_complex for ty in types)


def same_types(name: str, types: Sequence[Type], kinds: str, count: int | None = None) -> Type:
    """Check that all operands (`count` of them) have one type whose dtype kind is in `kinds`, and give it."""
    if count is not None and len(types) != count:
        raise ShapeError(f"{name} takes {count} operands, got {len(types)}")
    first = types[0]
    if any(t != first for t in types[1:]):
        raise ShapeError(f"{name} needs equal types, got {' and '.join(map(str, types))}")
    if elements_of(first).kind not in kinds:
        raise DTypeError(f"{name} does not take {first}")
    return first


UnaryVjp = Callable[[Expr, Expr, Expr], Expr | None]
BinaryVjp = Callable[[Expr, Expr, Expr, Expr], tuple[Expr | None, Expr | None]]


def unary(
    name: str,
    doc: str,
    evaluate: Callable[[np.ndarray], np.ndarray],
    *,
    vjp: UnaryVjp | None,
    kinds: str = "f",
    result: DType | None = None,
    scalar: Callable[[Expr], Expr] | None = None,
    flops: float = 1,
    samples: Samples | None = None,
) -> OpDef:
    """Elementwise op of one operand. `vjp(g, y, x)` -> cotangent of x; `kinds` are its dtype kinds."""

    def infer(types: Sequence[Type], _a: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
        ty = same_types(name, types, kinds, 1)
        return (with_dtype(ty, result) if result else ty,)

    def pull(_op: Op, g: Sequence[Expr], y: Sequence[Expr], x: Sequence[Expr]) -> Sequence[Expr | None]:
        assert vjp is not None
        return (vjp(g[0], y[0], x[0]),)

    def reference(_a: Attributes, x: np.ndarray) -> np.ndarray:
        return np.asarray(evaluate(x))

    def rule(_a: Attributes, x: Expr) -> Expr:
        assert scalar is not None
        return scalar(x)

    form = Scalar(rule if scalar else None)
    return define(
        OpDef(name, doc, infer, reference, pull if vjp else None, form, flops, samples or numbers(kinds, 1))
    )


def binary(
    name: str,
    doc: str,
    evaluate: Callable[[np.ndarray, np.ndarray], np.ndarray],
    *,
    vjp: BinaryVjp | None,
    kinds: str = "iuf",
    result: DType | None = None,
    scalar: Callable[[Expr, Expr], Expr] | None = None,
    flops: float = 1,
    traits: Sequence[str] = (),
    samples: Samples | None = None,
) -> OpDef:
    """Elementwise op of two operands of one type. `vjp(g, z, x, y)` -> cotangents of x and y."""

    def infer(types: Sequence[Type], _a: Attributes, _r: Sequence[Region]) -> Sequence[Type]:
        ty = same_types(name, types, kinds, 2)
        return (with_dtype(ty, result) if result else ty,)

    def pull(_op: Op, g: Sequence[Expr], y: Sequence[Expr], x: Sequence[Expr]) -> Sequence[Expr | None]:
        assert vjp is not None
        return vjp(g[0], y[0], x[0], x[1])

    def reference(_a: Attributes, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.asarray(evaluate(x, y))

    def rule(_a: Attributes, x: Expr, y: Expr) -> Expr:
        assert scalar is not None
        return scalar(x, y)

    form, samples = Scalar(rule if scalar else None), samples or numbers(kinds, 2)
    return define(
        OpDef(name, doc, infer, reference, pull if vjp else None, form, flops, samples, frozenset(traits))
    )


_SAMPLE_DTYPES: Mapping[str, tuple[str, ...]] = {
    "b": ("bool",),
    "i": ("int8", "int16", "int32", "int64"),
    "u": ("uint8", "uint16", "uint32", "uint64"),
    "f": ("float32", "float64"),
    "c": ("complex64", "complex128"),
}


def random_array(rng: "np.random.Generator", dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """Elements over the useful range of a dtype: all its integers, floats of mixed and special values."""
    kind = np.dtype(dtype).kind
    if kind == "b":
        return np.asarray(rng.integers(0, 2, shape) > 0)
    if kind in "iu":
        info = np.iinfo(dtype)
        wide = rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)
        return np.where(rng.random(shape) < 0.5, wide, (wide % 7).astype(dtype)).astype(dtype)
    if kind == "c":
        part = f"f{np.dtype(dtype).itemsize // 2}"
        both = (random_array(rng, part, shape), random_array(rng, part, shape))
        return np.stack(both, axis=-1).view(dtype).reshape(shape)
    x = rng.normal(size=shape) * 10.0 ** rng.integers(-3, 3, shape)
    special = rng.choice([0.0, -0.0, 1.0, -1.0, np.inf, -np.inf, np.nan], shape)
    return np.where(rng.random(shape) < 0.9, x, special).astype(dtype)


def numbers(kinds: str, count: int, shapes: Sequence[tuple[int, ...]] = ((3, 5), (), (33,))) -> Samples:
    """Samples: `count` arrays of one dtype and shape, for each dtype of `kinds`."""

    def make(rng: "np.random.Generator") -> Iterator[tuple[Attributes, Arrays]]:
        for kind in kinds:
            for dtype in _SAMPLE_DTYPES.get(kind, ()):
                for shape in shapes:
                    yield {}, tuple(random_array(rng, dtype, shape) for _ in range(count))

    return make


__all__ = [
    "BOOL", "REGISTRY", "Arrays", "Combine", "Context", "Element", "Expand", "Form", "OpDef", "Samples",
    "Scalar",
    "binary", "define", "elements_of", "numbers", "random_array", "record", "same_types", "unary",
    "with_dtype",
]  # fmt: skip
