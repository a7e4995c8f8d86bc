"""The ops of random programs that have no regions, each with attributes and operands that fit.

Not here: branches and loops (`regions.py`).
"""

import numpy as np

from tests.fuzz.values import (
    ELEMENTWISE,
    MOST,
    NAMES,
    REDUCTIONS,
    SHAPES,
    Impossible,
    Values,
    names_in,
    parts,
    takes,
)
from weft.ir import TensorType
from weft.ir.dims import bounds, decide, floor_divide, product, symbol
from weft.ir.opdef import REGISTRY
from weft.ir.types import BOOL, DTYPES, I64, dtype_of


class Steps(Values):
    """Writes one op, and what it needs."""

    # ---------------------------------------------------------------- steps

    def step(self):
        """One random op."""
        kinds = (
            ["elementwise"] * 16
            + ["shape"] * 9
            + ["reduce"] * 5
            + ["order", "scan"]
            + ["select", "cast", "dot", "number"]
        )
        if self.depth < 2:
            kinds += ["branch", "count", "while"]
        if self.chance(0.15):
            kinds = ["update"] * 2 + ["slice"]
        kind = self.pick(kinds)
        kept = len(self.builder.region.ops)
        try:
            getattr(self, f"_{kind}")()
        except Impossible:
            pass
        return len(self.builder.region.ops) - kept

    def feature(self, name):
        """One op of this name, if it fits what there is; its results."""
        have = {id(op) for op in self.builder.region.ops}
        try:
            if name in ELEMENTWISE:
                self._elementwise(name)
            elif name in REDUCTIONS:
                self._reduce(name)
            else:
                self._kind_of(name)()
        except Impossible:
            return []
        made = [op for op in self.builder.region.ops if id(op) not in have and op.name == name]
        return [v for op in made for v in op.results if isinstance(v.type, TensorType)]

    def _kind_of(self, name):
        """The step that writes an op which is neither elementwise nor a reduction."""
        if name in ("sort", "argsort", "search"):
            return lambda: self._order(name)
        kind = {
            "for": "count",
            "if": "branch",
            "iota": "number",
            "from_index": "number",
            "dim": "number",
        }.get(name, name)
        return getattr(self, f"_{kind}", lambda: self._sample(name))

    def _sample(self, name):
        """An op of its own, as its record's samples have it, on new arguments."""
        if REGISTRY[name].samples is None:
            raise Impossible
        samples = list(REGISTRY[name].samples(self.rng))
        attributes, arrays = self.pick([s for s in samples if all(np.size(a) <= MOST for a in s[1])])
        if len(self.body.params) + len(arrays) > 9:
            raise Impossible
        operands = []
        for array in map(np.asarray, arrays):
            operands.append(self.parameter(TensorType(dtype_of(array.dtype), array.shape)))
            self.arguments[self.body.params.index(operands[-1])] = array
        self.emit(name, operands, dict(attributes))

    def _elementwise(self, name=None):
        name = name or self.pick(list(ELEMENTWISE))
        count, dtypes = ELEMENTWISE[name]
        have = [v for v in self.pool if v.type.dtype in dtypes]
        first = self.pick(have) if have and not self.chance(0.1) else self.value(self.pick(dtypes))
        others = [self.matching(first.type) for _ in range(count - 1)]
        if name == "power" and first.type.dtype.kind == "i":  # NumPy refuses negative exponents
            seven = self.emit("constant", (), {"value": 7, "type": TensorType(first.type.dtype)})
            seven = (
                seven
                if first.type.shape == ()
                else self.emit("broadcast", [seven], {"shape": first.type.shape})
            )
            others = [self.emit("bitwise_and", [others[0], seven])]
        self.emit(name, [first, *others])
        if self.chance(0.6):
            self._elementwise()

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
            dtype = self.pick([d for d in map(DTYPES.get, NAMES) if d.kind in "iuf"])
            self.emit("iota", (), {"size": dim, "dtype": dtype})

    def _need(self, *dims):
        for name in sorted(names_in(dims) - self._bound()):
            self.parameter_of_symbol(name)

    def _reduce(self, name=None):
        name = name or self.pick(list(REDUCTIONS))
        dtypes = [DTYPES[n] for n in NAMES if takes(name, DTYPES[n])]
        x = self.value(self.pick(dtypes), rank=1)
        axis = int(self.rng.integers(x.type.rank))
        if self.size(x.type.shape[axis]) == 0 and name in ("argmax", "argmin", "max", "min"):
            raise Impossible
        attributes = {"axis": axis}
        if name == "variance" and self.chance(0.3):
            attributes["ddof"] = 1
        result = self.emit(name, [x], attributes)
        if self.chance(0.35) and result.type.dtype == x.type.dtype:  # used along the axis, as softmax does
            kept = (*x.type.shape[:axis], 1, *x.type.shape[axis + 1 :])
            back = self.emit(
                "broadcast", [self.emit("reshape", [result], {"shape": kept})], {"shape": x.type.shape}
            )
            binary = self.pick(
                [n for n, (c, d) in ELEMENTWISE.items() if c == 2 and n != "power" and x.type.dtype in d]
            )
            self.emit(binary, [x, back])

    def _order(self, name=None):
        """Sorting, the permutation that sorts, places in what is sorted."""
        x = self.value(rank=1, test=lambda v: not v.type.dtype.is_complex)
        axis = int(self.rng.integers(x.type.rank))
        name = name or self.pick(["sort", "argsort", "search"])
        if name != "search":
            self.emit(name, [x], {"axis": axis})
            return
        line = self.emit("sort", [x], {"axis": axis})
        if x.type.rank > 1:
            line = self.emit(
                "sort", [self.emit("reshape", [line], {"shape": (product(x.type.shape),)})], {"axis": 0}
            )
        self.emit("search", [line, self.value(x.type.dtype)], {"right": self.chance(0.5)})

    def _scan(self):
        x = self.value(rank=1)
        names = [
            n
            for n in ("add", "subtract", "multiply", "maximum", "minimum", "bitwise_and", "bitwise_xor")
            if x.type.dtype in ELEMENTWISE[n][1]
            and (
                n != "multiply" or not x.type.dtype.is_complex
            )  # NumPy's accumulate has other bits than its product
        ]
        self.emit("scan", [x], {"axis": int(self.rng.integers(x.type.rank)), "by": self.pick(names)})

    def _dot(self):
        dtype = self.pick([DTYPES[n] for n in ("f32", "f64", "i32", "i64", "f16", "c64", "c128")])
        a = self.value(dtype,
            test=lambda v: v.type.rank >= 2) if any(v.type.rank >= 2 and v.type.dtype == dtype for v in self.pool) else (
            self.matching(TensorType(dtype, self.shape(2))))  # fmt: skip
        b_shape = (*a.type.shape[:-2], a.type.shape[-1], self.pick([*self.dims, 1]))
        if self.count(b_shape) > MOST or self.count(a.type.shape) * self.size(b_shape[-1]) > 300000:
            raise Impossible
        self.emit("dot", [a, self.matching(TensorType(dtype, b_shape))])

    def _images(self):
        """[batch, places, channels] of integers, which no order of a sum changes, and facts of its windows."""
        batch, channels = (self.pick([*self.dims, 1]) for _ in range(2))
        x = self.matching(TensorType(I64, (batch, int(self.rng.integers(7, 20)), channels)))
        return x, {"stride": (int(self.rng.integers(1, 4)),), "dilation": (int(self.rng.integers(1, 3)),)}

    def _windows(self):
        x, facts = self._images()
        self.emit("windows", [x], {**facts, "kernel": (int(self.rng.integers(1, 4)),)})

    def _conv(self):
        x, facts = self._images()
        shape = (int(self.rng.integers(1, 4)), x.type.shape[-1], self.pick([*self.dims, 1]))
        if self.count(shape) * self.count(x.type.shape) > 300000:
            raise Impossible
        return self.emit("conv", [x, self.matching(TensorType(I64, shape))], {**facts, "groups": 1})

    def _conv_filters(self):
        result = self._conv()
        op = result.op
        facts = {**op.attributes, "kernel": op.operands[1].type.shape[:-2]}
        self.emit("conv_filters", [op.operands[0], result], facts)

    def _matrix(self):
        """A square matrix whose diagonal outweighs each row and column, so that no row changes its place."""
        small = [d for d in self.dims if 0 < self.size(d) <= 40]
        if not small or len(self.body.params) >= 9:
            raise Impossible
        dim, dtype = self.pick(small), self.pick([DTYPES["f32"], DTYPES["f64"]])
        n = self.size(dim)
        x = self.parameter(TensorType(dtype, (dim, dim)))
        half = self.rng.integers(-4, 5, (n, n)) / 4
        self.arguments[self.body.params.index(x)] = np.asarray(half + half.T + 4 * n * np.eye(n), dtype.numpy)
        return x

    def _lu(self):
        self.emit("lu", [self._matrix()])

    def _cholesky(self):
        self.emit("cholesky", [self._matrix()])

    def _triangular(self):
        x = self._matrix()
        right = self.matching(TensorType(x.type.dtype, (x.type.shape[0], self.pick([*self.dims, 1]))))
        self.emit("triangular", [x, right], {"lower": self.chance(0.5), "unit": self.chance(0.3)})

    def _positions(self):
        """Places of a mask whose number of places is known beforehand."""
        dim = self.pick([d for d in self.dims if (bounds(d)[0] or 0) >= 2] or [5])
        self._need(dim)
        line = self.emit("iota", (), {"size": dim, "dtype": I64})
        number = self.emit("broadcast", [self.emit("constant", (), {"value": int(self.rng.integers(2)), "type": TensorType(I64)})],
                           {"shape": (dim,)})  # fmt: skip
        mask, size = self.emit("not_equal", [line, number]), dim - 1
        if self.chance(0.5):
            two = self.emit(
                "broadcast",
                [self.emit("constant", (), {"value": 2, "type": TensorType(I64)})],
                {"shape": (dim,)},
            )
            zero = self.emit("subtract", [two, two])
            mask, size = (
                self.emit("equal", [self.emit("remainder", [line, two]), zero]),
                floor_divide(dim + 1, 2),
            )
        self.emit("positions", [mask], {"size": size})

    def _shape(self):
        getattr(self, f"_{self.pick(SHAPES)}")()

    def _broadcast(self):
        x = self.value(test=lambda v: v.type.rank < 3)
        stretched = tuple(self.pick(self.dims) if d == 1 and self.chance(0.6) else d for d in x.type.shape)
        shape = (*(self.pick([*self.dims, 1]) for _ in range(int(self.rng.integers(0, 2)))), *stretched)
        if self.count(shape) > MOST:
            raise Impossible
        self._need(*shape)
        self.emit("broadcast", [x], {"shape": shape})

    def _reshape(self):
        x = self.value()
        shape, total = x.type.shape, product(x.type.shape)
        choices = [(total,), (1, *shape), (*shape, 1), tuple(d for d in shape if d != 1)]
        if len(shape) >= 2:
            choices += [
                (shape[0] * shape[1], *shape[2:]),
                (*shape[:-2], shape[-2] * shape[-1]),
                shape[::-1],
            ] * 2
        choices += [
            v.type.shape for v in self.pool if product(v.type.shape) == total and v.type.shape != shape
        ] * 2
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
        here = [(s, b) for s, b in self.loops if low >= 1 and decide(b, "<=", dim) is True]
        if here and self.chance(0.6):
            return symbol(*parts(self.pick(here)[0])), 1, 1
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
            names = [n for n, (c, d) in ELEMENTWISE.items() if c == 2 and n != "power" and x.type.dtype in d]
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
                raise Impossible
            parts.append(self.matching(TensorType(x.type.dtype, shape)))
        order = [parts[int(k)] for k in self.rng.permutation(len(parts))]
        self.emit("concatenate", order, {"axis": axis})

    def _indices(self, dims, shape):
        """Index operands for axes of these sizes."""
        found = []
        for dim in dims:
            if self.size(dim) == 0 or bounds(dim)[0] == 0:
                raise Impossible
            ty = TensorType(I64, shape)
            if (
                self.chance(0.5)
                and len(self.body.params) < 9
                and not names_in(shape) & {s.name for s, _ in self.loops}
            ):
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
            raise Impossible
        return x, axes, (*shape, *rest), self._indices([x.type.shape[k] for k in axes], shape)

    def _gather(self):
        x, axes, _, indices = self._indexed()
        self.emit("gather", [x, *indices], {"axes": axes})

    def _scatter(self):
        x, axes, shape, indices = self._indexed()
        mode = self.pick(["set", "set", "add", "multiply", "minimum", "maximum"])
        if x.type.dtype == BOOL or (mode == "multiply" and x.type.dtype.kind in "fc"):
            mode = "set"
        self.emit(
            "scatter",
            [x, self.matching(TensorType(x.type.dtype, shape)), *indices],
            {"axes": axes, "mode": mode},
        )
