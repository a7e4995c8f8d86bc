"""What a random program has while it is written: sizes, arguments, values of every type, and new ones of a type.

Not here: its ops (`steps.py`, `regions.py`).
"""

import numpy as np

import weft.ir.ops  # noqa: F401 -- fills the registry
from tests.fuzz.data import elements
from weft.ir import Builder, Region, TensorType, VectorType
from weft.ir.dims import Symbol, as_symbol, evaluate_dim, symbol, symbols_of
from weft.ir.errors import WeftError
from weft.ir.opdef import REGISTRY, Combine, Scalar
from weft.ir.types import DTYPES, IndexType

NAMES = ("bool", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "f16", "f32", "f64", "c64", "c128")
WEIGHTS = np.array([2, 1, 1, 3, 3, 1, 1, 1, 1, 1, 5, 4, 1, 1.5], float)
MOST = 20000  # elements of one value
SIZES = (1, 2, 2, 3, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 70)
LARGE = (127, 130, 257, 1000, 4096, 4097, 9000)


class Impossible(Exception):
    """This step does not fit what there is."""


def signatures():
    """For each elementwise op of the tensor level: the number of operands, and dtypes it takes."""
    found = {}
    for name, record in REGISTRY.items():
        if not isinstance(record.form, Scalar) or record.has("loop") or name in ("select", "cast"):
            continue
        for count in (1, 2, 3):
            taken = []
            for dtype in NAMES:
                try:
                    record.infer([VectorType(DTYPES[dtype])] * count, {}, ())
                except (WeftError, IndexError, KeyError, ValueError, TypeError):
                    continue
                taken.append(DTYPES[dtype])
            if taken:
                found[name] = (count, taken)
    return found


ELEMENTWISE = signatures()
REDUCTIONS = {n: r for n, r in REGISTRY.items() if isinstance(r.form, Combine)}
SHAPES = ("broadcast", "reshape", "transpose", "slice", "pad", "concatenate", "update", "gather", "scatter")


class Values:
    """What a program has so far: sizes, arguments, values."""

    def __init__(self, seed, number):
        self.seed, self.number = seed, number
        self.rng = np.random.default_rng([seed, number])
        self.known = {}
        self.symbols = {}
        self.body = Region()
        self.arguments = []
        self.facts = set()
        self.builder = Builder(self.body)
        self.pool = []
        self.loops = []  # (symbol of a loop's index, its bound)
        self.counter = 0
        self.depth = 0
        self.dims = self._dims()

    # ---------------------------------------------------------------- sizes

    def chance(self, p):
        return self.rng.random() < p

    def pick(self, items):
        return items[int(self.rng.integers(len(items)))]

    def _dims(self):
        style = self.pick(["constant", "symbolic", "symbolic", "mixed"])
        dims = []
        for k in range(int(self.rng.integers(1, 4))):
            size = int(self.pick(LARGE if self.chance(0.06) else SIZES))
            if style == "constant" or (style == "mixed" and k == 0) or size < 2:
                dims.append(size)
            else:
                name = "nmk"[k]
                self.symbols[name] = Symbol(name, 2)
                self.known[name] = size
                dims.append(symbol(name, 2))
                if self.chance(0.3):
                    dims.append(dims[-1] + int(self.pick([1, 2, -1])))
                if self.chance(0.15):
                    dims.append(dims[-1] * 2)
        if self.chance(0.04):
            dims.append(0)
        return dims

    def size(self, dim):
        return evaluate_dim(dim, self.known)

    def count(self, shape):
        return int(np.prod([self.size(d) for d in shape], dtype=np.int64))

    def shape(self, rank=None):
        """A random shape of bounded size."""
        rank = int(self.rng.choice(4, p=[0.1, 0.4, 0.38, 0.12])) if rank is None else rank
        for _ in range(9):
            shape = tuple(1 if self.chance(0.08) else self.pick(self.dims) for _ in range(rank))
            if self.count(shape) <= MOST:
                return shape
        return tuple(1 for _ in range(rank))

    def dtype(self):
        return DTYPES[str(self.rng.choice(NAMES, p=WEIGHTS / WEIGHTS.sum()))]

    # ---------------------------------------------------------------- values

    def emit(self, name, operands=(), attributes=None, regions=()):
        op = self.builder.emit(
            name, [o.value if hasattr(o, "value") else o for o in operands], attributes or {}, regions
        )
        for value in op.results:
            if isinstance(value.type, TensorType):
                if self.count(value.type.shape) > MOST:
                    self.builder.region.ops.remove(op)
                    raise Impossible
        for value in op.results:
            if isinstance(value.type, TensorType):
                self.pool.append(value)
        return op.results[0] if op.results else op

    def parameter(self, ty, limit=None):
        """A new argument; `limit` makes it an array of indices of an axis of that size."""
        unbound = {s.name for d in ty.shape if not isinstance(d, int) for s in symbols(d)} - self._bound()
        if unbound:
            for name in sorted(unbound):
                self.parameter_of_symbol(name)
        if self.count(ty.shape) > MOST:
            raise Impossible
        value = self.body.add_param(ty)
        shape = [self.size(d) for d in ty.shape]
        if limit is not None:
            size = self.size(limit)
            array = self.rng.integers(-size, size, shape)
        else:
            array = elements(self.rng, ty.dtype.numpy, shape)
        self.arguments.append(np.asarray(array, ty.dtype.numpy))
        self.pool.append(value)
        return value

    def _bound(self):
        found = set()
        for p in self.body.params:
            dims = (p.type.dim,) if isinstance(p.type, IndexType) else p.type.shape
            found |= {as_symbol(d).name for d in dims if as_symbol(d) is not None}
        return found | {s.name for s, _ in self.loops}

    def parameter_of_symbol(self, name):
        if self.chance(0.5):
            self.body.add_param(IndexType(symbol(name, 2)))
            self.arguments.append(np.int64(self.known[name]))
        else:
            self.parameter(TensorType(self.dtype(), (symbol(name, 2),)))

    def constant(self, ty):
        """A compile-time value: a number, an array of a few elements, or counted up."""
        if (
            ty.shape
            and all(isinstance(d, int) for d in ty.shape)
            and self.count(ty.shape) <= 40
            and self.chance(0.4)
        ):
            return self.emit(
                "constant", (), {"value": elements(self.rng, ty.dtype.numpy, ty.shape), "type": ty}
            )
        number = elements(self.rng, ty.dtype.numpy, ()).item()
        if not np.isfinite(number):
            number = 1.5
        scalar = self.emit("constant", (), {"value": number, "type": TensorType(ty.dtype)})
        return scalar if ty.shape == () else self.emit("broadcast", [scalar], {"shape": ty.shape})

    def value(self, dtype=None, rank=None, test=None):
        """Any value of a dtype and rank: one that exists, seldom a new one."""
        fits = [
            v
            for v in self.pool
            if (dtype is None or v.type.dtype == dtype) and (rank is None or v.type.rank >= rank)
        ]
        fits = [v for v in fits if test is None or test(v)]
        if fits and not self.chance(0.12):
            return fits[-1] if self.chance(0.4) else self.pick(fits)
        if test is not None:
            if fits:
                return self.pick(fits)
            raise Impossible
        shape = self.shape()
        if rank is not None and len(shape) < rank:
            shape = self.shape(rank)
        return self.matching(TensorType(dtype or self.dtype(), shape))

    def matching(self, ty, *, fresh=0.15):
        """A value of exactly this type."""
        same = [v for v in self.pool if v.type == ty]
        if same and not self.chance(fresh):
            return same[-1] if self.chance(0.3) else self.pick(same)
        way = self.rng.random()
        if way < 0.3:
            shaped = [v for v in self.pool if v.type.shape == ty.shape and v.type.dtype != ty.dtype]
            if shaped:
                return self.emit("cast", [self.pick(shaped)], {"dtype": ty.dtype})
        if way < 0.6:
            small = [
                v
                for v in self.pool
                if v.type.dtype == ty.dtype and v.type != ty and broadcasts(v.type.shape, ty.shape)
            ]
            if small:
                return self.emit("broadcast", [self.pick(small)], {"shape": ty.shape})
        if way < 0.7 or (self.loops and any(s.name in names_in(ty.shape) for s, _ in self.loops)):
            return self.constant(ty)
        if way < 0.75 and len(ty.shape) == 1 and ty.dtype.kind in "iuf":
            return self.emit("iota", (), {"size": ty.shape[0], "dtype": ty.dtype})
        return self.parameter(ty) if len(self.body.params) < 9 else self.constant(ty)


def parts(one):
    return one.name, one.lower, one.upper


def symbols(dim):
    return symbols_of(dim)


def names_in(dims):
    return {s.name for d in dims if not isinstance(d, int) for s in symbols(d)}


def broadcasts(small, large):
    tail = large[len(large) - len(small) :]
    return len(small) <= len(large) and all(a in (1, b) for a, b in zip(small, tail, strict=True))


def takes(name, dtype):
    try:
        REGISTRY[name].infer([TensorType(dtype, (3,))], {"axis": 0}, ())
    except WeftError:
        return False
    return True
