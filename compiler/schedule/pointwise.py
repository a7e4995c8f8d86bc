"""Schedule of kernels whose results share one index space, every element on its own.

Neighbouring axes that every access walks alike become one; the last axis runs in vectors, the first in
parallel. Where an op is made of pieces (concatenate, pad, update), loops are cut at the borders, so that no
element asks where it is.
Not here: anything that combines elements (`rows.py`, `columns.py`).
"""

import math
from collections.abc import Sequence
from itertools import pairwise

from weft.compiler.schedule.element import Index, Writer
from weft.compiler.schedule.kernel import (
    SERIAL_BYTES,
    SERIAL_BYTES_IN_LOOPS,
    Kernel,
    Root,
    cost_of,
    parallel_chunks,
    serial,
    vectorized,
)
from weft.compiler.schedule.thin import Thin, constant_of, is_thin, neighbours_of, reader_of
from weft.compiler.schedule.turned import TilePlan, Tiles, plan_tiles
from weft.ir import BufferType, Builder, Expr, TensorType, Value
from weft.ir.dataclass import dataclass
from weft.ir.dims import Compound, Dim, DimLike, as_symbol, decide, product, show_dim, symbols_of
from weft.ir.expr import maximum, minimum
from weft.ir.ops.shape import reshape_groups

MOST_PIECES = 27
"""So often the code of an element is written: three axes with two borders each."""


SHORT = 32
"""Elements of the last axis, fewer than pay for a loop over them."""


@dataclass(frozen=True, slots=True)
class Axis:
    """An axis to loop over: its size and the places inside where it is cut, ascending."""

    size: DimLike
    cuts: tuple[DimLike, ...] = ()

    def segments(self) -> list[tuple[DimLike, DimLike]]:
        """Half-open ranges between cuts."""
        edges = (0, *self.cuts, self.size)
        return [(a, b) for a, b in pairwise(edges) if a != b]


def lower_pointwise(kernel: Kernel, builder: Builder) -> None:
    """Write the loops; results of different index spaces get loops of their own."""
    for space, roots in spaces_of(kernel).items():
        Nest(kernel, builder, space, roots).write()


def spaces_of(kernel: Kernel) -> dict[tuple[DimLike, ...], list[Root]]:
    """The results of each index space that has elements."""
    spaces: dict[tuple[DimLike, ...], list[Root]] = {}
    for root in kernel.roots:
        if not any(d == 0 for d in root.space):
            is_one = len(kernel.roots) == 1 and root.buffer not in kernel.layouts
            one = unfolded(root) if is_one else root
            spaces.setdefault(one.space, []).append(one)
    return spaces


def unfolded(root: Root) -> Root:
    """A result that is a reshape of something else than it looks like: the loops run over what it was."""
    op = root.value.op
    is_whole = all(s == 1 for s in root.step) and all(a == 0 for a in root.start)
    if op is None or op.name != "reshape" or not is_whole:
        return root
    source, target = op.operands[0].type, root.value.type
    assert isinstance(source, TensorType)
    assert isinstance(target, TensorType)
    groups = reshape_groups(source.shape, target.shape)
    joined = tuple((tuple(left), len(right)) for left, right in groups)
    if all(len(left) <= 1 for left, _ in joined):
        return root
    return Root(op.operands[0], root.buffer, source.shape, root.start, root.step, joined)


class Nest:
    """The loops over one index space."""

    def __init__(
        self, kernel: Kernel, builder: Builder, space: tuple[DimLike, ...], roots: Sequence[Root]
    ) -> None:
        self.kernel = kernel
        self.roots = roots
        self.writer = kernel.writer(builder)
        self.tiles: TilePlan | None = None
        self.thin: Thin | None = None
        self.neighbours: dict[Value, tuple[int, int]] = {}
        self.symbols: list[str] = []  # of the axes, in the probe
        self.merged: list[str] = []  # of axes that are part of another
        self.lows: dict[int, DimLike] = {}  # where the piece begins that is written, by axis
        self.axes, self.expand = self._plan(space)

    def write(self) -> None:
        """Write them."""
        writer, axes = self.writer, self.axes
        if not axes:
            self.store([])
            return
        if self.tiles is not None:
            sizes = [a.size for a in axes]
            Tiles(self.kernel, writer, self.tiles, self.symbols, self.merged, sizes, self.store).write(
                self._item_cost()
            )
            return
        lanes = self.lanes
        outer = axes[:-1]
        flat = len(outer) > 1 and not any(a.cuts for a in outer)
        item = self._item_cost() * float(
            _hint(product(tuple(a.size for a in (axes[-1:] if flat else axes[1:]))))
        )
        total = product(tuple(a.size for a in outer)) if flat else axes[0].size

        def chunk(start: Expr, stop: Expr, _task: Expr) -> None:
            if flat:
                sizes = [a.size for a in outer]
                serial(
                    writer,
                    "p",
                    start,
                    stop,
                    (0, total),
                    lambda p: self._axis(len(outer), _split(p, sizes), None),
                )
            else:
                self._axis(0, [], (start, stop))

        few = SERIAL_BYTES_IN_LOOPS if self.kernel.in_loop else SERIAL_BYTES
        parallel_chunks(writer, total, lanes if len(axes) == 1 else 1, item, chunk, serial_bytes=few)

    def _axis(self, k: int, index: list[DimLike], limits: tuple[Expr, Expr] | None) -> None:
        """Loops over axis k and those inside it; `limits` are a task's share of the axis."""
        writer, axis, lanes = self.writer, self.axes[k], self.lanes
        for low, high in axis.segments():
            start, stop = writer.number(low), writer.number(high)
            extent: DimLike | None = high - low
            self.lows[k] = low
            if limits is not None:
                own_start, own_stop = writer.here(limits[0]), writer.here(limits[1])
                if axis.cuts:
                    start, stop, extent = maximum_index(start, own_start), minimum_index(stop, own_stop), None
                else:
                    start, stop = own_start, own_stop
                    extent = (
                        extent
                        if decide(extent, "<", 1 << 62) and _is_whole(own_start, own_stop)
                        else _aligned(extent, lanes)
                    )
            if k == len(self.axes) - 1:
                vectorized(writer, start, stop, (low, high), lanes, lambda j: self.store([*index, j]), extent)
            else:
                serial(writer, "i", start, stop, (low, high), lambda i: self._axis(k + 1, [*index, i], None))

    def store(self, index: list[DimLike]) -> None:
        """Write the element of every result at an index of the loops.

        All are computed before the first is written: a result may lie over an operand of another.
        """
        if self.thin is not None:
            streamed = [self._is_streamed(root) for root in self.roots]
            self.thin.store(self.roots, lambda k: self.expand([*index, k]), streamed)
            return
        full = self.expand(index)
        saved = dict(self.writer.sources)
        for entry in self.kernel.inputs:
            if entry.value in self.neighbours and self.writer.lanes > 1:
                count, least = self.neighbours[entry.value]
                read = reader_of(self.writer, entry, count, lambda _index, o, low=least: constant_of(o) - low)
                self.writer.sources[entry.value] = read
        elements = [self.writer.element(root.value, full) for root in self.roots]
        self.writer.sources = saved
        for root, e in zip(self.roots, elements, strict=True):
            self.writer.store(e, root.buffer, root.place(full), streamed=self._is_streamed(root))

    @property
    def lanes(self) -> int:
        """Lanes of the last axis that has a loop."""
        return self.kernel.lanes(1 if self.thin is not None else 2)

    def _is_streamed(self, root: Root) -> bool:
        """Whether a result is too large for the caches, and not read here."""
        ty = root.buffer.type
        assert isinstance(ty, BufferType)
        large = decide(ty.size * ty.dtype.size_bytes, ">", self.kernel.target.l3_bytes) is True
        return large and all(entry.buffer is not root.buffer for entry in self.kernel.inputs)

    def _item_cost(self) -> float:
        moved = sum(
            b.type.dtype.size_bytes for b in self.kernel.fusion.operands if isinstance(b.type, BufferType)
        )
        return cost_of(self.kernel.ops, moved)

    # ---------------------------------------------------------------- plan

    def _plan(self, space: tuple[DimLike, ...]):  # noqa: ANN202 -- (axes, function from loop indices to a full index)
        """Drop axes of size 1, merge those that are walked alike, find the cuts."""
        kept = [k for k, d in enumerate(space) if d != 1]
        probe = self.kernel.probe()
        names = [probe.fresh("probe") for _ in kept]
        short = len(kept) > 1 and decide(space[kept[-1]], "<=", SHORT) is True
        probe.cut = names[-2:] if short else names[-1:]  # what is cut can be merged with a short axis inside
        variables = [self.kernel.unknown(probe, n, space[k]) for n, k in zip(names, kept, strict=True)]
        full = _place(variables, kept, len(space))
        offsets = self._probe(probe, full)
        cuts = [_cuts(probe, n, space[k]) for n, k in zip(names, kept, strict=True)]
        pieces = math.prod(len(c) + 1 for c in cuts)
        groups: list[list[int]] = []
        for number, k in enumerate(kept):
            before = number - 1
            is_cut = bool(groups and cuts[groups[-1][0]])
            if (
                not groups
                or cuts[number]
                or (is_cut and (pieces > MOST_PIECES or self._asks(probe, names[number])))
            ):
                groups.append([number])
                continue
            values = offsets if is_cut else [*offsets, *probe.decided]
            if all(_merge(o, names[before], names[number], space[k]) for o in values):
                groups[-1].append(number)
            else:
                groups.append([number])
        self.symbols = [names[g[-1]] for g in groups]
        self.merged = [names[n] for g in groups for n in g[:-1]]
        inner = [product(tuple(space[kept[n]] for n in g[1:])) for g in groups]
        axes = _few_pieces(
            [
                Axis(space[kept[g[0]]] * d, tuple(cut * d for cut in cuts[g[0]]))
                for g, d in zip(groups, inner, strict=True)
            ]
        )

        firsts = [
            {cut * d: cut for cut in cuts[g[0]]} if len(g) > 1 else {}
            for g, d in zip(groups, inner, strict=True)
        ]
        if not probe.asked:
            self.tiles = plan_tiles(
                self.kernel, probe.accesses, self.symbols, [a.size for a in axes], coefficient
            )
        sizes = [a.size for a in axes]
        if self.tiles is None and is_thin(self.kernel, self.roots, offsets, self.symbols, sizes, coefficient):
            assert isinstance(sizes[-1], int)
            self.thin, axes = Thin(self.kernel, self.writer, sizes[-1]), axes[:-1]
        elif self.tiles is None and self.symbols and not probe.asked:
            places = offsets[len(self.roots) : len(self.roots) + len(probe.accesses)]
            reads = [(access.value, o) for access, o in zip(probe.accesses, places, strict=True)]
            self.neighbours = neighbours_of(self.kernel, reads, self.symbols[-1], coefficient)

        def expand(index: Sequence[DimLike]) -> Index:
            # within a group the last axis takes the whole run: every access is linear in it
            # its first one, if it is cut, stands where the piece begins: all of it gets the same answers
            place: list[DimLike] = [0] * len(kept)
            for number, (g, i) in enumerate(zip(groups, index, strict=True)):
                low = self.lows.get(number, 0) if len(g) > 1 else 0
                place[g[0]] = firsts[number].get(low, 0)
                place[g[-1]] = i - low if firsts[number] else i
            return _place(place, kept, len(space))

        return axes, expand

    @staticmethod
    def _asks(probe: Writer, name: str) -> bool:
        """Whether something hangs on where an axis stands."""
        return any(coefficient(index, name) != 0 for index in probe.decided)

    def _probe(self, probe: Writer, full: Index) -> list[DimLike]:
        """Every position in memory and every index whose value is used, in the loop symbols."""
        offsets: list[DimLike] = []
        strides = {entry.value: entry for entry in self.kernel.inputs}
        for root in self.roots:
            probe.element(root.value, full)
            ty = root.buffer.type
            assert isinstance(ty, BufferType)
            offsets.append(probe.offset(root.place(full), ty.shape, probe.layouts.get(root.buffer)))
        for access in probe.accesses:
            entry = strides[access.value]
            ty = entry.buffer.type
            assert isinstance(ty, BufferType)
            offsets.append(probe.offset(access.index, ty.shape, entry.strides))
        return [*offsets, *probe.observed]


def _place(variables: Sequence[DimLike], kept: Sequence[int], rank: int) -> Index:
    index: list[DimLike] = [0] * rank
    for v, k in zip(variables, kept, strict=True):
        index[k] = v
    return tuple(index)


def _split(p: DimLike, sizes: Sequence[DimLike]) -> list[DimLike]:
    from weft.ir.ops.shape import split_index

    return split_index(p, sizes)


def coefficient(value: DimLike, name: str) -> DimLike | None:
    """Factor of a symbol; None if the expression is not linear in it."""
    if not isinstance(value, Dim):
        return 0
    total: DimLike = 0
    for monomial, factor in value.terms:
        hits = [a for a in monomial if not isinstance(a, Compound) and a.name == name]
        if any(
            isinstance(a, Compound) and name in {s.name for s in symbols_of(Dim((((a,), 1),)))}
            for a in monomial
        ):
            return None
        if len(hits) > 1:
            return None
        if hits:
            rest: DimLike = factor
            for a in monomial:
                if a is not hits[0]:
                    rest = rest * Dim((((a,), 1),))
            total = total + rest
    return total


def _merge(offset: DimLike, outer: str, inner: str, size: DimLike) -> bool:
    """Whether a position depends on outer * size + inner alone."""
    a, b = coefficient(offset, outer), coefficient(offset, inner)
    return a is not None and b is not None and a == b * size


def _few_pieces(axes: Sequence[Axis]) -> list[Axis]:
    """The axes with the innermost cuts alone: each further axis would multiply the code by its pieces."""
    pieces, kept = 1, list[Axis]()
    for axis in reversed(axes):
        pieces *= len(axis.cuts) + 1
        kept.insert(0, axis if pieces <= MOST_PIECES else Axis(axis.size))
    return kept


def _cuts(probe: Writer, name: str, size: DimLike) -> list[DimLike]:
    """Where to cut the axis so that every question `index < bound` has one answer; [] if unknown."""
    found: list[DimLike] = []
    for index, bound in probe.asked:
        slope = coefficient(index - bound, name)
        if slope != 1:
            if slope != 0:
                return []
            continue
        cut = bound - index + (as_dim(name))
        if any(s.name.startswith(("probe", "at")) for s in symbols_of(cut)):
            return []
        if cut not in found and decide(cut, ">", 0) is not False and decide(cut, "<", size) is not False:
            found.append(cut)
    ordered: list[DimLike] = []
    for cut in found:
        place = sum(1 for other in ordered if decide(other, "<=", cut) is True)
        if any(decide(cut, "<=", other) is not True for other in ordered[place:]):
            return []
        ordered.insert(place, cut)
    inside = all(decide(c, ">=", 0) and decide(c, "<=", size) for c in ordered)
    return ordered if inside else []


def as_dim(name: str) -> Dim:
    """The expression of a symbol by name."""
    from weft.ir.dims import symbol

    return symbol(name)


def _hint(size: DimLike) -> int:
    """A number for a size, when only its magnitude matters."""
    return size if isinstance(size, int) else 1024


def _is_whole(start: Expr, stop: Expr) -> bool:
    """Whether the chunk is the whole range: its start is the constant 0 written for it."""
    op = start.value.op
    return op is not None and op.name == "constant"


def _aligned(extent: DimLike, lanes: int) -> DimLike | None:
    """What is known of a task's share: chunks are multiples of the lanes, as is a whole without a tail."""
    return lanes * as_dim("chunk") if isinstance(extent, int) and extent % lanes == 0 else None


def maximum_index(a: Expr, b: Expr) -> Expr:
    """The larger of two i64 scalars."""
    from weft.ir.expr import select

    return select(a.ge(b), a, b)


def minimum_index(a: Expr, b: Expr) -> Expr:
    """The smaller of two i64 scalars."""
    from weft.ir.expr import select

    return select(a.le(b), a, b)


__all__ = ["as_symbol", "lower_pointwise", "maximum", "minimum", "show_dim"]
