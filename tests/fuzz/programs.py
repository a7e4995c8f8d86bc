"""Typed random programs at the tensor level, over all op records: views, writes, regions, symbolic sizes.

`make(seed, number)` gives the same case every time. Not here: how a case is judged (`reference.py`, `check.py`).
"""

from dataclasses import dataclass, field

import numpy as np

from tests.fuzz.data import elements, strided_copy
from weft.ir import Builder, Func, Region, TensorType, Value, VectorType
from weft.ir.dims import Symbol, as_symbol, bounds, decide, evaluate_dim, floor_divide, product, symbol
from weft.ir.errors import WeftError
from weft.ir.opdef import REGISTRY, Combine, Scalar
from weft.ir.rewrite import remove_dead
from weft.ir.types import BOOL, DTYPES, I64, IndexType
from weft.ir.walk import walk

import weft.ir.ops  # noqa: F401 -- fills the registry

NAMES = ("bool", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "f32", "f64")
WEIGHTS = np.array([2, 1, 1, 3, 3, 1, 1, 1, 1, 5, 4], float)
MOST = 20000  # elements of one value
SIZES = (1, 2, 2, 3, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 70)
LARGE = (127, 130, 257, 1000, 4096, 4097, 9000)


class _Impossible(Exception):
    """This step does not fit what there is."""


@dataclass
class Case:
    """A program, its arguments, the sizes they bind, and what is worth counting."""

    fn: Func
    arguments: list[np.ndarray | np.int64]
    sizes: dict[str, int]
    seed: int = 0
    number: int = 0
    facts: set[str] = field(default_factory=set)


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
                except (WeftError, IndexError, ValueError, TypeError):
                    continue
                taken.append(DTYPES[dtype])
            if taken:
                found[name] = (count, taken)
    return found


ELEMENTWISE = signatures()
REDUCTIONS = {n: r for n, r in REGISTRY.items() if isinstance(r.form, Combine)}
SHAPES = ("broadcast", "reshape", "transpose", "slice", "pad", "concatenate", "update", "gather", "scatter")


class Maker:
    """Writes one program."""

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
        op = self.builder.emit(name, [o.value if hasattr(o, "value") else o for o in operands], attributes or {}, regions)
        for value in op.results:
            if isinstance(value.type, TensorType):
                if self.count(value.type.shape) > MOST:
                    self.builder.region.ops.remove(op)
                    raise _Impossible
        for value in op.results:
            if isinstance(value.type, TensorType):
                self.pool.append(value)
        return op.results[0] if op.results else op

    def parameter(self, ty, limit=None):
        """A new argument; `limit` makes it an array of indices of an axis of that size."""
        unbound = {s.name for d in ty.shape if not isinstance(d, int) for s in _symbols(d)} - self._bound()
        if unbound:
            for name in sorted(unbound):
                self.parameter_of_symbol(name)
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
        if ty.shape and all(isinstance(d, int) for d in ty.shape) and self.count(ty.shape) <= 40 and self.chance(0.4):
            return self.emit("constant", (), {"value": elements(self.rng, ty.dtype.numpy, ty.shape), "type": ty})
        number = elements(self.rng, ty.dtype.numpy, ()).item()
        if not np.isfinite(number):
            number = 1.5
        scalar = self.emit("constant", (), {"value": number, "type": TensorType(ty.dtype)})
        return scalar if ty.shape == () else self.emit("broadcast", [scalar], {"shape": ty.shape})

    def value(self, dtype=None, rank=None, test=None):
        """Any value of a dtype and rank: one that exists, seldom a new one."""
        fits = [v for v in self.pool if (dtype is None or v.type.dtype == dtype) and (rank is None or v.type.rank >= rank)]
        fits = [v for v in fits if test is None or test(v)]
        if fits and not self.chance(0.12):
            return fits[-1] if self.chance(0.4) else self.pick(fits)
        if test is not None:
            if fits:
                return self.pick(fits)
            raise _Impossible
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
            small = [v for v in self.pool if v.type.dtype == ty.dtype and v.type != ty and _broadcasts(v.type.shape, ty.shape)]
            if small:
                return self.emit("broadcast", [self.pick(small)], {"shape": ty.shape})
        if way < 0.7 or (self.loops and any(s.name in _names(ty.shape) for s, _ in self.loops)):
            return self.constant(ty)
        if way < 0.75 and len(ty.shape) == 1 and ty.dtype.kind in "iuf":
            return self.emit("iota", (), {"size": ty.shape[0], "dtype": ty.dtype})
        return self.parameter(ty) if len(self.body.params) < 9 else self.constant(ty)

    # ---------------------------------------------------------------- steps

    def step(self):
        """One random op."""
        kinds = ["elementwise"] * 16 + ["shape"] * 9 + ["reduce"] * 5 + ["order", "scan"] + ["select", "cast", "dot", "number"]
        if self.depth < 2:
            kinds += ["branch", "count", "while"]
        if self.chance(0.15):
            kinds = ["update"] * 2 + ["slice"]
        kind = self.pick(kinds)
        kept = len(self.builder.region.ops)
        try:
            getattr(self, f"_{kind}")()
        except _Impossible:
            pass
        return len(self.builder.region.ops) - kept

    def _elementwise(self):
        name = self.pick(list(ELEMENTWISE))
        count, dtypes = ELEMENTWISE[name]
        have = [v for v in self.pool if v.type.dtype in dtypes]
        first = self.pick(have) if have and not self.chance(0.1) else self.value(self.pick(dtypes))
        others = [self.matching(first.type) for _ in range(count - 1)]
        if name == "power" and first.type.dtype.kind == "i":  # NumPy refuses negative exponents
            seven = self.emit("constant", (), {"value": 7, "type": TensorType(first.type.dtype)})
            seven = seven if first.type.shape == () else self.emit("broadcast", [seven], {"shape": first.type.shape})
            others = [self.emit("bitwise_and", [others[0], seven])]
        self.emit(name, [first, *others])

    def _select(self):
        first = self.value()
        mask = self.matching(TensorType(BOOL, first.type.shape))
        self.emit("select", [mask, first, self.matching(first.type)])

    def _cast(self):
        self.emit("cast", [self.value()], {"dtype": self.dtype()})

    def _number(self):
        """A size as a number, or counting."""
        dim = self.pick(self.dims)
        if self.chance(0.5):
            self._need(dim)
            index = self.builder.emit("dim", (), {"dim": dim}).result
            self.emit("from_index", [index])
        else:
            self._need(dim)
            dtype = self.pick([d for d in map(DTYPES.get, NAMES) if d != BOOL])
            self.emit("iota", (), {"size": dim, "dtype": dtype})

    def _need(self, *dims):
        for name in sorted(_names(dims) - self._bound()):
            self.parameter_of_symbol(name)

    def _reduce(self):
        name = self.pick(list(REDUCTIONS))
        dtypes = [DTYPES[n] for n in NAMES if _takes(name, DTYPES[n])]
        x = self.value(self.pick(dtypes), rank=1)
        axis = int(self.rng.integers(x.type.rank))
        if self.size(x.type.shape[axis]) == 0 and name in ("argmax", "argmin", "max", "min"):
            raise _Impossible
        attributes = {"axis": axis}
        if name == "variance" and self.chance(0.3):
            attributes["ddof"] = 1
        result = self.emit(name, [x], attributes)
        if self.chance(0.35) and result.type.dtype == x.type.dtype:  # used along the axis, as softmax does
            kept = (*x.type.shape[:axis], 1, *x.type.shape[axis + 1 :])
            back = self.emit("broadcast", [self.emit("reshape", [result], {"shape": kept})], {"shape": x.type.shape})
            binary = self.pick([n for n, (c, d) in ELEMENTWISE.items() if c == 2 and x.type.dtype in d])
            self.emit(binary, [x, back])

    def _order(self):
        """Sorting, the permutation that sorts, places in what is sorted."""
        x = self.value(rank=1)
        axis = int(self.rng.integers(x.type.rank))
        if self.chance(0.6):
            self.emit(self.pick(["sort", "argsort"]), [x], {"axis": axis})
            return
        line = self.emit("sort", [x], {"axis": axis})
        if x.type.rank > 1:
            line = self.emit("sort", [self.emit("reshape", [line], {"shape": (product(x.type.shape),)})], {"axis": 0})
        self.emit("search", [line, self.value(x.type.dtype)], {"right": self.chance(0.5)})

    def _scan(self):
        x = self.value(rank=1)
        names = [n for n in ("add", "subtract", "multiply", "maximum", "minimum", "bitwise_and", "bitwise_xor") if x.type.dtype in ELEMENTWISE[n][1]]
        self.emit("scan", [x], {"axis": int(self.rng.integers(x.type.rank)), "by": self.pick(names)})

    def _dot(self):
        dtype = self.pick([DTYPES[n] for n in ("f32", "f64", "i32", "i64")])
        a = self.value(dtype, test=lambda v: v.type.rank >= 2) if any(v.type.rank >= 2 and v.type.dtype == dtype for v in self.pool) else (
            self.matching(TensorType(dtype, self.shape(2))))  # fmt: skip
        b_shape = (*a.type.shape[:-2], a.type.shape[-1], self.pick([*self.dims, 1]))
        if self.count(b_shape) > MOST or self.count(a.type.shape) * self.size(b_shape[-1]) > 300000:
            raise _Impossible
        self.emit("dot", [a, self.matching(TensorType(dtype, b_shape))])

    def _shape(self):
        getattr(self, f"_{self.pick(SHAPES)}")()

    def _broadcast(self):
        x = self.value(test=lambda v: v.type.rank < 3)
        stretched = tuple(self.pick(self.dims) if d == 1 and self.chance(0.6) else d for d in x.type.shape)
        shape = (*(self.pick([*self.dims, 1]) for _ in range(int(self.rng.integers(0, 2)))), *stretched)
        if self.count(shape) > MOST:
            raise _Impossible
        self._need(*shape)
        self.emit("broadcast", [x], {"shape": shape})

    def _reshape(self):
        x = self.value()
        shape, total = x.type.shape, product(x.type.shape)
        choices = [(total,), (1, *shape), (*shape, 1), tuple(d for d in shape if d != 1)]
        if len(shape) >= 2:
            choices += [(shape[0] * shape[1], *shape[2:]), (*shape[:-2], shape[-2] * shape[-1]), shape[::-1]] * 2
        choices += [v.type.shape for v in self.pool if product(v.type.shape) == total and v.type.shape != shape] * 2
        if isinstance(total, int):
            choices += [(k, total // k) for k in (2, 3, 4, 5, 7) if total and total % k == 0]
        target = self.pick([c for c in choices if len(c) <= 4])
        self.emit("reshape", [x], {"shape": target})

    def _transpose(self):
        x = self.value(rank=3 if self.chance(0.5) else 2)
        self.emit("transpose", [x], {"axes": tuple(int(k) for k in self.rng.permutation(x.type.rank))})

    def _part(self, dim):
        """(start, size, step) of a random part of an axis, valid for every value of its symbols."""
        low = bounds(dim)[0] or 0
        way = self.rng.random()
        here = [(s, b) for s, b in self.loops if decide(b, "<=", dim) is True]
        if here and self.chance(0.6):
            return symbol(*_parts(self.pick(here)[0])), 1, 1
        if isinstance(dim, int) and dim >= 2 and way < 0.6:
            step = int(self.pick([1, 1, 2, 3, -1, -2, -3]))
            size = int(self.rng.integers(1, (dim - 1) // abs(step) + 2))
            room = dim - 1 - (size - 1) * abs(step)
            first = int(self.rng.integers(0, room + 1))
            return first + (size - 1) * abs(step) if step < 0 else first, size, step
        if way < 0.3 and low >= 1:
            return dim - 1, dim, -1
        if way < 0.6 and low >= 2:
            cut = int(self.rng.integers(0, 3))
            return min(cut, 1), dim - min(cut, 1) - int(cut == 2), 1
        if way < 0.75 and low >= 2:
            return int(self.pick([0, 1])), floor_divide(dim, 2), 2
        if way < 0.8 and low >= 2:
            return dim - 1, floor_divide(dim, 2), -2
        if way < 0.85 and low >= 1:
            return self.pick([0, dim - 1]), 1, 1
        if way < 0.87:
            return 0, 0, 1
        return 0, dim, 1

    def _places(self, shape):
        parts = [self._part(d) for d in shape]
        start, size, step = zip(*parts, strict=True) if parts else ((), (), ())
        return start, size, step

    def _slice(self):
        x = self.value(rank=1)
        start, size, step = self._places(x.type.shape)
        self.emit("slice", [x], {"start": start, "size": size, "step": step})

    def _update(self):
        x = self.value(rank=1)
        start, size, step = self._places(x.type.shape)
        part = None
        if self.chance(0.35):  # read and write the same place, or one beside it
            other = (start, step) if self.chance(0.6) else self._shifted(x.type.shape, start, size, step)
            part = self.emit("slice", [x], {"start": other[0], "size": size, "step": other[1]})
            names = [n for n, (c, d) in ELEMENTWISE.items() if c == 2 and x.type.dtype in d]
            if self.chance(0.7) and names:
                result = self.emit(self.pick(names), [part, self.matching(part.type)])
                part = result if result.type == part.type else part
        part = part if part is not None else self.matching(TensorType(x.type.dtype, size))
        self.emit("update", [x, part], {"start": start, "step": step})

    def _shifted(self, shape, start, size, step):
        moved = tuple(a + 1 if s == 1 and decide(a + n, "<", d) is True else a - 1 if s == 1 and decide(a, ">=", 1) is True else a
                      for a, n, s, d in zip(start, size, step, shape, strict=True))  # fmt: skip
        return moved, step

    def _pad(self):
        x = self.value(rank=1)
        low = tuple(int(k) for k in self.rng.integers(0, 3, x.type.rank))
        high = tuple(int(k) for k in self.rng.integers(0, 3, x.type.rank))
        self.emit("pad", [x, self.matching(TensorType(x.type.dtype))], {"low": low, "high": high})

    def _concatenate(self):
        x = self.value(rank=1)
        axis = int(self.rng.integers(x.type.rank))
        parts = [x]
        for _ in range(int(self.rng.integers(1, 3))):
            size = self.pick([x.type.shape[axis], *self.dims, 1])
            shape = (*x.type.shape[:axis], size, *x.type.shape[axis + 1 :])
            if self.count(shape) > MOST:
                raise _Impossible
            parts.append(self.matching(TensorType(x.type.dtype, shape)))
        order = [parts[int(k)] for k in self.rng.permutation(len(parts))]
        self.emit("concatenate", order, {"axis": axis})

    def _indices(self, dims, shape):
        """Index operands for axes of these sizes."""
        found = []
        for dim in dims:
            if self.size(dim) == 0 or bounds(dim)[0] == 0:
                raise _Impossible
            ty = TensorType(I64, shape)
            if self.chance(0.5) and len(self.body.params) < 9 and not _names(shape) & {s.name for s, _ in self.loops}:
                found.append(self.parameter(ty, limit=dim))
                self.pool.remove(found[-1])
            else:
                self._need(dim)
                limit = self.emit("from_index", [self.builder.emit("dim", (), {"dim": dim}).result])
                limit = limit if shape == () else self.emit("broadcast", [limit], {"shape": shape})
                found.append(self.emit("remainder", [self.matching(ty), limit]))
        return found

    def _indexed(self):
        x = self.value(rank=1)
        axes = tuple(k for k in range(x.type.rank) if self.chance(0.6)) or (0,)
        shape = self.shape(int(self.pick([0, 1, 1, 2])))
        rest = tuple(d for k, d in enumerate(x.type.shape) if k not in axes)
        if self.count((*shape, *rest)) > MOST:
            raise _Impossible
        return x, axes, (*shape, *rest), self._indices([x.type.shape[k] for k in axes], shape)

    def _gather(self):
        x, axes, _, indices = self._indexed()
        self.emit("gather", [x, *indices], {"axes": axes})

    def _scatter(self):
        x, axes, shape, indices = self._indexed()
        mode = self.pick(["set", "set", "add", "multiply", "minimum", "maximum"])
        if x.type.dtype == BOOL or (mode == "multiply" and x.type.dtype.is_float):
            mode = "set"
        self.emit("scatter", [x, self.matching(TensorType(x.type.dtype, shape)), *indices], {"axes": axes, "mode": mode})

    # ---------------------------------------------------------------- regions

    def _inside(self, region, params, steps, finish):
        """Write ops into a region that sees what is here; `finish` yields."""
        builder, pool = self.builder, list(self.pool)
        self.builder = Builder(region)
        self.pool = [*self.pool, *params]
        self.depth += 1
        try:
            for _ in range(steps):
                self.step()
            self.builder.emit("yield", finish())
        finally:
            self.builder = builder
            # parameters of the function that were added inside are seen from everywhere
            self.pool = pool + [p for p in self.body.params if p not in pool and isinstance(p.type, TensorType)]
            self.depth -= 1

    def _condition(self):
        flags = [v for v in self.pool if v.type == TensorType(BOOL)]
        if flags and self.chance(0.6):
            return self.pick(flags)
        rows = [v for v in self.pool if v.type.dtype == BOOL and v.type.rank == 1]
        if rows:
            return self.emit(self.pick(["any", "all"]), [self.pick(rows)], {"axis": 0})
        return self.matching(TensorType(BOOL), fresh=1.0)

    def _branch(self):
        condition = self._condition()
        types = [self.value().type for _ in range(int(self.rng.integers(1, 3)))]
        regions = []
        for _ in range(2):
            region = Region()
            self._inside(region, [], int(self.rng.integers(0, 4)), lambda: [self.matching(t) for t in types])
            regions.append(region)
        self.emit("if", [condition], {}, regions)

    def _count(self):
        self.counter += 1
        constant = self.chance(0.5) or not self.symbols
        upper = int(self.rng.integers(0, 5)) if constant else self.pick([d for d in self.dims if not isinstance(d, int)] or [3])
        if not isinstance(upper, int) and self.size(upper) > 8:
            upper = 3
        self._need(upper)
        index = Symbol(f"i{self.counter}", 0, upper - 1 if isinstance(upper, int) and upper > 0 else None)
        carried = [self.value(test=lambda v: self.count(v.type.shape) <= 4000) for _ in range(int(self.rng.integers(1, 4)))]
        region = Region([IndexType(symbol(*_parts(index))), *(v.type for v in carried)])
        bounds_of = [self.builder.emit("dim", (), {"dim": d}).result for d in (0, upper, 1)]

        def finish():
            if self.chance(0.3):
                self.emit("from_index", [region.params[0]])
            return self._next(region.params[1:])

        self.loops.append((index, upper))
        try:
            self._inside(region, region.params[1:], int(self.rng.integers(1, 6)), finish)
        finally:
            self.loops.pop()
        self.emit("for", [*bounds_of, *carried], {"kind": "serial"}, [region])

    def _next(self, params):
        """Next values of what a loop carries; sometimes exchanged."""
        values = [self._moved(p) if self.chance(0.35) else self.matching(p.type, fresh=0.05) for p in params]
        pairs = [(j, k) for k in range(len(params)) for j in range(k) if params[j].type == params[k].type]
        if pairs and self.chance(0.3):
            j, k = self.pick(pairs)
            values[j], values[k] = (params[k], params[j]) if self.chance(0.5) else (values[k], values[j])
        return values

    def _moved(self, p):
        """A carried value made of other elements of itself, so that it may not be written over while it is read."""
        if not p.type.rank or self.size(p.type.shape[0]) < 2 or bounds(p.type.shape[0])[0] in (0, 1):
            return self.matching(p.type, fresh=0.05)
        n = p.type.shape[0]
        rest = p.type.shape[1:]
        start, size, step = (0,) * len(rest), rest, (1,) * len(rest)
        way = self.rng.random()
        if way < 0.4:  # turned around
            moved = self.emit("slice", [p], {"start": (n - 1, *start), "size": (n, *size), "step": (-1, *step)})
        elif way < 0.7:  # rotated
            head = self.emit("slice", [p], {"start": (0, *start), "size": (1, *size), "step": (1, *step)})
            tail = self.emit("slice", [p], {"start": (1, *start), "size": (n - 1, *size), "step": (1, *step)})
            moved = self.emit("concatenate", [tail, head], {"axis": 0})
        else:  # a part shifted within itself
            part = self.emit("slice", [p], {"start": (0, *start), "size": (n - 1, *size), "step": (1, *step)})
            moved = self.emit("update", [p, part], {"start": (1, *start), "step": (1, *step)})
        names = [name for name, (c, d) in ELEMENTWISE.items() if c == 2 and p.type.dtype in d and name in ("add", "subtract", "maximum", "bitwise_xor")]
        return self.emit(self.pick(names), [moved, self.pick([p, self.matching(p.type)])]) if names and self.chance(0.7) else moved

    def _while(self):
        limit = self.emit("constant", (), {"value": int(self.rng.integers(0, 5)), "type": TensorType(I64)})
        zero = self.emit("constant", (), {"value": 0, "type": TensorType(I64)})
        carried = [self.value(test=lambda v: self.count(v.type.shape) <= 4000) for _ in range(int(self.rng.integers(1, 3)))]
        types = [TensorType(I64), *(v.type for v in carried)]
        test, region = Region(types), Region(types)
        self._inside(test, test.params, int(self.rng.integers(0, 2)), lambda: [self.emit("less", [test.params[0], limit])])

        def finish():
            one = self.emit("constant", (), {"value": 1, "type": TensorType(I64)})
            return [self.emit("add", [region.params[0], one]), *self._next(region.params[1:])]

        self._inside(region, region.params, int(self.rng.integers(1, 5)), finish)
        self.emit("while", [zero, *carried], {}, [test, region])

    # ---------------------------------------------------------------- program

    def make(self):
        """The case."""
        for _ in range(int(self.rng.integers(1, 4))):
            self.matching(TensorType(self.dtype(), self.shape()), fresh=1.0)
        target = int(self.rng.integers(3, 20))
        for _ in range(3 * target):
            if len(self.body.ops) >= target:
                break
            self.step()
        return self._finish()

    def _finish(self):
        read = {id(o) for op in walk(self.body) for o in op.operands}
        tensors = [v for v in self.pool if isinstance(v.type, TensorType)]
        leaves = [v for v in tensors if id(v) not in read and v.op is not None] or tensors
        results = []
        for _ in range(int(self.rng.integers(1, 7))):
            fresh = [v for v in leaves if v not in results]
            results.append(self.pick(fresh or leaves) if self.chance(0.85) else self.pick(tensors))
        into = [-1] * len(results)
        if self.chance(0.55):
            self._write(results, into)
        self.builder.emit("return", results)
        for name in sorted(set(self.symbols) - self._bound()):
            self.parameter_of_symbol(name)
        params = self.body.params
        strided = tuple(k for k, p in enumerate(params) if isinstance(p.type, TensorType) and p.type.rank and self.chance(0.2))
        for k in strided:
            self.arguments[k] = strided_copy(self.rng, self.arguments[k])
        bound = {s for s in self.symbols if s in self._bound()}
        symbols = {n: s for n, s in self.symbols.items() if n in bound}
        fn = remove_dead(Func("f", self.body, symbols, "tensor", tuple(into), strided))
        self._note(fn)
        return Case(fn, self.arguments, {n: self.known[n] for n in bound}, self.seed, self.number, self.facts)

    def _write(self, results, into):
        """Some results are written to arguments: what there is, or parts updated."""
        taken = set()
        params = [p for p in self.body.params if isinstance(p.type, TensorType)]
        pairs = [(p, q) for p in params for q in params if p is not q and p.type == q.type]
        if pairs and self.chance(0.4):  # two arguments exchange what they hold
            p, q = self.pick(pairs)
            results += [p, q]
            into += [self.body.params.index(q), self.body.params.index(p)]
            taken |= {p, q}
        for k in range(len(results)):
            fits = [p for p in self.body.params if p.type == results[k].type and p not in taken]
            if fits and into[k] < 0 and self.chance(0.5):
                taken.add(self.pick(fits))
                into[k] = self.body.params.index(next(p for p in fits if p in taken))
        rest = [p for p in self.body.params if isinstance(p.type, TensorType) and p.type.rank and p not in taken]
        if rest and self.chance(0.7):
            p = self.pick(rest)
            value = p
            for _ in range(int(self.rng.integers(1, 3))):
                start, size, step = self._places(p.type.shape)
                try:
                    value = self.emit("update", [value, self.matching(TensorType(p.type.dtype, size))], {"start": start, "step": step})
                except _Impossible:
                    continue
            results.append(value)
            into.append(self.body.params.index(p))

    def _note(self, fn):
        names = {op.name for op in walk(fn)}
        if any(t >= 0 for t in fn.into) or "update" in names or "scatter" in names:
            self.facts.add("writes")
        if names & {"slice", "transpose", "reshape", "broadcast"}:
            self.facts.add("views")
        if fn.symbols:
            self.facts.add("symbolic")
        if fn.strided:
            self.facts.add("strided")
        if names & {"for", "while", "if"}:
            self.facts.add("regions")
        if len(set(fn.results)) < len(fn.results) or any(r.op is None for r in fn.results):
            self.facts.add("shared results")


def _parts(one):
    return one.name, one.lower, one.upper


def _symbols(dim):
    from weft.ir.dims import symbols_of

    return symbols_of(dim)


def _names(dims):
    return {s.name for d in dims if not isinstance(d, int) for s in _symbols(d)}


def _broadcasts(small, large):
    tail = large[len(large) - len(small) :]
    return len(small) <= len(large) and all(a in (1, b) for a, b in zip(small, tail, strict=True))


def _takes(name, dtype):
    try:
        REGISTRY[name].infer([TensorType(dtype, (3,))], {"axis": 0}, ())
    except WeftError:
        return False
    return True


def make(seed, number):
    """Case `number` of the sequence that `seed` starts."""
    for attempt in range(20):
        maker = Maker(seed, number * 20 + attempt)
        try:
            case = maker.make()
        except _Impossible:
            continue
        case.number = number
        return case
    raise AssertionError(f"no program for {seed}, {number}")


__all__ = ["ELEMENTWISE", "NAMES", "Case", "Value", "make"]
