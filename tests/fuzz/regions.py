"""Branches and loops of random programs, and what loops carry.

Not here: ops without regions (`steps.py`).
"""

from tests.fuzz.steps import Steps
from tests.fuzz.values import ELEMENTWISE, parts
from weft.ir import Builder, Region, TensorType
from weft.ir.dims import Symbol, bounds, symbol
from weft.ir.types import BOOL, I64, IndexType


class Regions(Steps):
    """Writes ops with regions."""

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
            self.pool = pool + [
                p for p in self.body.params if p not in pool and isinstance(p.type, TensorType)
            ]
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
        upper = (
            int(self.pick([0, 1, 2, 3, 3, 4, 5]))
            if constant
            else self.pick([d for d in self.dims if not isinstance(d, int)] or [3])
        )
        if not isinstance(upper, int) and self.size(upper) > 8:
            upper = 3
        self._need(upper)
        index = Symbol(f"i{self.counter}", 0, upper - 1 if isinstance(upper, int) and upper > 0 else None)
        carried = [
            self.value(test=lambda v: self.count(v.type.shape) <= 4000)
            for _ in range(int(self.rng.integers(1, 4)))
        ]
        region = Region([IndexType(symbol(*parts(index))), *(v.type for v in carried)])
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
        values = [self._moved(p) if self.chance(0.55) else self.matching(p.type, fresh=0.05) for p in params]
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
            moved = self.emit(
                "slice", [p], {"start": (n - 1, *start), "size": (n, *size), "step": (-1, *step)}
            )
        elif way < 0.7:  # rotated
            head = self.emit("slice", [p], {"start": (0, *start), "size": (1, *size), "step": (1, *step)})
            tail = self.emit("slice", [p], {"start": (1, *start), "size": (n - 1, *size), "step": (1, *step)})
            moved = self.emit("concatenate", [tail, head], {"axis": 0})
        else:  # a part shifted within itself
            part = self.emit("slice", [p], {"start": (0, *start), "size": (n - 1, *size), "step": (1, *step)})
            moved = self.emit("update", [p, part], {"start": (1, *start), "step": (1, *step)})
        names = [
            name
            for name, (c, d) in ELEMENTWISE.items()
            if c == 2 and p.type.dtype in d and name in ("add", "subtract", "maximum", "bitwise_xor")
        ]
        return (
            self.emit(self.pick(names), [moved, self.pick([p, self.matching(p.type)])])
            if names and self.chance(0.7)
            else moved
        )

    def _while(self):
        limit = self.emit(
            "constant", (), {"value": int(self.pick([0, 1, 2, 3, 3, 4])), "type": TensorType(I64)}
        )
        zero = self.emit("constant", (), {"value": 0, "type": TensorType(I64)})
        carried = [
            self.value(test=lambda v: self.count(v.type.shape) <= 4000)
            for _ in range(int(self.rng.integers(1, 3)))
        ]
        types = [TensorType(I64), *(v.type for v in carried)]
        test, region = Region(types), Region(types)
        self._inside(
            test,
            test.params,
            int(self.rng.integers(0, 2)),
            lambda: [self.emit("less", [test.params[0], limit])],
        )

        def finish():
            one = self.emit("constant", (), {"value": 1, "type": TensorType(I64)})
            return [self.emit("add", [region.params[0], one]), *self._next(region.params[1:])]

        self._inside(region, region.params, int(self.rng.integers(1, 5)), finish)
        self.emit("while", [zero, *carried], {}, [test, region])
