"""Types of values: elements, tensors with symbolic sizes; scalars, vectors and buffers of the loop level.

Sizes are `DimLike` (see `dims.py`). Not here: how a type is spelled in LLVM or C (backends), and promotion
(frontend).
"""

import numpy as np

from weft.ir.dataclass import dataclass
from weft.ir.dims import Dim, DimLike, product, show_dim


@dataclass(frozen=True, slots=True)
class DType:
    """An element type.

    `kind` is NumPy's letter: b bool, i signed, u unsigned, f float, c complex; bfloat16 has no NumPy type.
    """

    name: str
    kind: str
    bits: int
    numpy: np.dtype | None

    def __str__(self) -> str:
        return self.name

    @property
    def size_bytes(self) -> int:
        """Bytes of one element."""
        return (self.bits + 7) // 8

    @property
    def is_float(self) -> bool:
        """Whether it is a real floating-point type."""
        return self.kind == "f"

    @property
    def is_complex(self) -> bool:
        """Whether its elements are pairs of real numbers."""
        return self.kind == "c"

    @property
    def part(self) -> "DType":
        """The type of the real and the imaginary part; a real type is its own."""
        return DTYPES[f"f{self.bits // 2}"] if self.is_complex else self

    @property
    def is_integer(self) -> bool:
        """Whether it holds integers, signed or unsigned."""
        return self.kind in "iu"


# fmt: off
BOOL = DType("bool", "b", 8,   np.dtype(np.bool_))
I8   = DType("i8",   "i", 8,   np.dtype(np.int8))
I16  = DType("i16",  "i", 16,  np.dtype(np.int16))
I32  = DType("i32",  "i", 32,  np.dtype(np.int32))
I64  = DType("i64",  "i", 64,  np.dtype(np.int64))
U8   = DType("u8",   "u", 8,   np.dtype(np.uint8))
U16  = DType("u16",  "u", 16,  np.dtype(np.uint16))
U32  = DType("u32",  "u", 32,  np.dtype(np.uint32))
U64  = DType("u64",  "u", 64,  np.dtype(np.uint64))
F16  = DType("f16",  "f", 16,  np.dtype(np.float16))
BF16 = DType("bf16", "f", 16,  None)
F32  = DType("f32",  "f", 32,  np.dtype(np.float32))
F64  = DType("f64",  "f", 64,  np.dtype(np.float64))
C64  = DType("c64",  "c", 64,  np.dtype(np.complex64))
C128 = DType("c128", "c", 128, np.dtype(np.complex128))
# fmt: on

DTYPES: dict[str, DType] = {
    d.name: d for d in (BOOL, I8, I16, I32, I64, U8, U16, U32, U64, F16, BF16, F32, F64, C64, C128)
}
_FROM_NUMPY = {d.numpy: d for d in DTYPES.values() if d.numpy is not None}


def dtype_of(numpy_dtype: np.dtype) -> DType | None:
    """The element type of a NumPy dtype in native byte order; None for what Weft does not hold."""
    return _FROM_NUMPY.get(numpy_dtype)


@dataclass(frozen=True, slots=True)
class TensorType:
    """A value of the tensor level: dtype and shape, no strides. Prints as `f32[n,4]`; a scalar is `f32[]`."""

    dtype: DType
    shape: tuple[DimLike, ...] = ()

    def __str__(self) -> str:
        return f"{self.dtype}[{','.join(map(show_dim, self.shape))}]"

    @property
    def rank(self) -> int:
        """Number of axes."""
        return len(self.shape)

    @property
    def size(self) -> DimLike:
        """Number of elements."""
        return product(self.shape)


@dataclass(frozen=True, slots=True)
class IndexType:
    """An integer used as size, bound or index; the type carries its expression. Prints as `index(n+1)`."""

    dim: DimLike

    def __str__(self) -> str:
        return f"index({show_dim(self.dim)})"


@dataclass(frozen=True, slots=True)
class VectorType:
    """A value of the loop level held in registers: a scalar (lanes 1, prints `f32`) or a vector (`f32x8`).

    Bool lanes are masks.
    """

    dtype: DType
    lanes: int = 1

    def __str__(self) -> str:
        return self.dtype.name if self.lanes == 1 else f"{self.dtype}x{self.lanes}"


@dataclass(frozen=True, slots=True)
class BufferType:
    """Memory of the loop level.

    Dense buffers are row-major, addressed by element offset; strided ones (arguments only) by byte offset.
    `space` is "global" (arguments, results, arena), "scratch" (of one worker) or
    "shared" (GPU block).
    """

    dtype: DType
    shape: tuple[DimLike, ...] = ()
    strided: bool = False
    space: str = "global"

    def __str__(self) -> str:
        words = [
            "buffer",
            *(["strided"] if self.strided else []),
            *([self.space] if self.space != "global" else []),
        ]
        return f"{'.'.join(words)}<{self.dtype}[{','.join(map(show_dim, self.shape))}]>"

    @property
    def size(self) -> DimLike:
        """Number of elements."""
        return product(self.shape)


@dataclass(frozen=True, slots=True)
class TokenType:
    """The order of effects."""

    def __str__(self) -> str:
        return "token"


Type = TensorType | IndexType | VectorType | BufferType | TokenType
TOKEN = TokenType()
INDEX = VectorType(I64)  # indices of the loop level


def tensor(dtype: DType, *shape: DimLike) -> TensorType:
    """`tensor(F32, n, 4)` is `f32[n,4]`."""
    return TensorType(dtype, tuple(shape))


def is_static(shape: tuple[DimLike, ...]) -> bool:
    """Whether every size is a number."""
    return not any(isinstance(d, Dim) for d in shape)
