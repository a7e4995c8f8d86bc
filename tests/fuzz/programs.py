"""Typed random programs at the tensor level, over all op records: views, writes, regions, symbolic sizes.

`make(seed, number)` gives the same case every time. Not here: how a case is judged (`reference.py`, `check.py`).
"""

from dataclasses import dataclass, field

import numpy as np

from tests.fuzz.coverage import tensor_ops
from tests.fuzz.data import strided_copy
from tests.fuzz.regions import Regions
from tests.fuzz.values import Impossible
from weft.ir import Func, TensorType
from weft.ir.rewrite import remove_dead
from weft.ir.walk import walk


@dataclass
class Case:
    """A program, its arguments, the sizes they bind, and what is worth counting."""

    fn: Func
    arguments: list[np.ndarray | np.int64]
    sizes: dict[str, int]
    seed: int = 0
    number: int = 0
    facts: set[str] = field(default_factory=set)


FEATURES = 4  # ops in turn for each program
FEATURED = sorted(set(tensor_ops()) - {"constant", "each"})  # there are many; passes make it


class Maker(Regions):
    """Writes one program; `program` says whose turn it is among the ops."""

    def __init__(self, seed, number, program):
        super().__init__(seed, number)
        self.program, self.featured = program, []

    # ---------------------------------------------------------------- program

    def make(self):
        """The case."""
        for _ in range(int(self.rng.integers(1, 4))):
            self.matching(TensorType(self.dtype(), self.shape()), fresh=1.0)
        target = int(self.rng.integers(3, 20))
        names = [FEATURED[(FEATURES * self.program + k) % len(FEATURED)] for k in range(FEATURES)]
        waiting = {int(self.rng.integers(0, target)): name for name in names}
        for _ in range(3 * target):
            if len(self.body.ops) >= target:
                break
            self.step()
            for place in [p for p in waiting if p <= len(self.body.ops)]:
                self._feature(waiting.pop(place))
        for name in waiting.values():
            self._feature(name)
        return self._finish()

    def _feature(self, name):
        """Some ops are rare among those drawn: each program has its turn of them, in a few tries."""
        for _ in range(4):
            made = self.feature(name)
            if made:
                self.featured += [v for v in made if v.op is made[0].op]
                return

    def _finish(self):
        read = {id(o) for op in walk(self.body) for o in op.operands}
        tensors = [v for v in self.pool if isinstance(v.type, TensorType)]
        leaves = [v for v in tensors if id(v) not in read and v.op is not None] or tensors
        results = []
        for _ in range(int(self.rng.integers(1, 7))):
            fresh = [v for v in leaves if v not in results]
            results.append(self.pick(fresh or leaves) if self.chance(0.85) else self.pick(tensors))
        results += [v for v in self.featured if (id(v) not in read or v.op.regions) and v not in results]
        into = [-1] * len(results)
        if self.chance(0.55):
            self._write(results, into)
        self.builder.emit("return", results)
        for name in sorted(set(self.symbols) - self._bound()):
            self.parameter_of_symbol(name)
        params = self.body.params
        strided = tuple(
            k
            for k, p in enumerate(params)
            if isinstance(p.type, TensorType) and p.type.rank and self.chance(0.2)
        )
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
        rest = [
            p for p in self.body.params if isinstance(p.type, TensorType) and p.type.rank and p not in taken
        ]
        if rest and self.chance(0.7):
            p = self.pick(rest)
            value = p
            for _ in range(int(self.rng.integers(1, 3))):
                start, size, step = self._places(p.type.shape)
                try:
                    value = self.emit(
                        "update",
                        [value, self.matching(TensorType(p.type.dtype, size))],
                        {"start": start, "step": step},
                    )
                except Impossible:
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


def make(seed, number):
    """Case `number` of the sequence that `seed` starts."""
    for attempt in range(20):
        maker = Maker(seed, number * 20 + attempt, number)
        try:
            case = maker.make()
        except Impossible:
            continue
        case.number = number
        return case
    raise AssertionError(f"no program for {seed}, {number}")
