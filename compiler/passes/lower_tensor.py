"""The pass `lower_tensor`: each bufferized fusion becomes a `kernel` op with loops, by the schedule it names.

Stage "buffers" to "loops". Sizes become i64 values on the way. Not here: the schedules
(`compiler/schedule`), arena offsets.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce

from weft.compiler.cost import kernel_name
from weft.compiler.schedule.columns import lower_columns
from weft.compiler.schedule.dot import lower_dot
from weft.compiler.schedule.factor import lower_cholesky, lower_lu, lower_triangular
from weft.compiler.schedule.fft import lower_fft
from weft.compiler.schedule.gpu_table import GPU_SCHEDULES
from weft.compiler.schedule.kernel import Kernel, kernel_of
from weft.compiler.schedule.orthogonal import lower_qr, lower_rotate_rows
from weft.compiler.schedule.pointwise import lower_pointwise
from weft.compiler.schedule.positions import lower_positions
from weft.compiler.schedule.rows import lower_rows
from weft.compiler.schedule.scan import lower_scan
from weft.compiler.schedule.scatter import lower_scatter
from weft.compiler.schedule.search import lower_search
from weft.compiler.schedule.sort import lower_sort
from weft.ir import BufferType, Builder, Expr, Func, IndexType, Op, Region, UnsupportedError, Value
from weft.ir.dims import (
    DimLike,
    fold_dim,
    maximum,
    minimum,
    range_over,
    show_dim,
    substitute,
    symbol,
    symbols_of,
)
from weft.ir.rewrite import prune
from weft.ir.target import Target
from weft.ir.types import INDEX
from weft.ir.walk import walk

VERSIONED = (
    "pointwise",
    "rows",
    "columns",
)  # have a version for arguments whose last axis is dense, others not
Schedule = Callable[[Kernel, Builder], None]
SCHEDULES: dict[str, Schedule] = {
    "pointwise": lower_pointwise,
    "rows": lower_rows,
    "columns": lower_columns,
    "dot": lower_dot,
    "scatter": lower_scatter,
    "scan": lower_scan,
    "sort": lower_sort,
    "search": lower_search,
    "positions": lower_positions,
    "lu": lower_lu,
    "triangular": lower_triangular,
    "cholesky": lower_cholesky,
    "fft": lower_fft,
    "qr": lower_qr,
    "rotate_rows": lower_rotate_rows,
}
FAMILIES: dict[str, Mapping[str, Schedule]] = {"cpu": SCHEDULES, **GPU_SCHEDULES}
"""The schedules of each kind of target."""


def lower_tensor(fn: Func, target: Target) -> Func:
    """The loop-level program."""
    return _Lowering(fn, target).run()


class _Lowering:
    def __init__(self, fn: Func, target: Target) -> None:
        self.fn = fn
        self.target = target
        self.values: dict[Value, Value] = {}
        self.sizes: dict[str, Value] = {}
        self.strides: dict[Value, tuple[DimLike, ...]] = {}
        self.names: dict[str, int] = {}
        self.loops = 0  # around what is written

    def run(self) -> Func:
        body = Region([p.type for p in self.fn.params], [p.name for p in self.fn.params])
        self.values.update(zip(self.fn.params, body.params, strict=True))
        self.sizes = {p.name: p for p in body.params if p.type == INDEX}
        for p in body.params:
            if isinstance(p.type, BufferType) and p.type.strided:
                self.strides[p] = tuple(symbol(f"{p.name}_s{k}") for k in range(len(p.type.shape)))
        self.region(self.fn.body, body)
        note_bounds(self.fn, body)
        prune(body)  # schedules write constants and counts that not all of their parts use
        return Func(self.fn.name, body, dict(self.fn.symbols), "loops", (), self.fn.strided)

    def region(self, old: Region, new: Region) -> None:
        """Write the ops of `old` into `new`."""
        builder = Builder(new)
        outer = dict(self.sizes)
        self.sizes.update({p.name: p for p in new.params if p.type == INDEX and p.name})
        for op in old.ops:
            builder.locations = op.locations
            self.op(builder, op)
        self.sizes = outer

    def op(self, builder: Builder, op: Op) -> None:
        """Write one op."""
        match op.name:
            case "fusion":
                self.kernel(builder, op)
            case "dim":
                self.define(op, self.number(builder, op.results[0]))
            case "to_index":
                zero = builder.index(0)
                value = builder.emit("load", [self.values[op.operands[0]], zero.value]).result
                self.define(op, value)
                if "memory" in op.attributes:  # memory of such a size needs it by its name
                    builder.emit("to_index", [value], op.attributes)
            case _:
                self.copy(builder, op)

    def define(self, op: Op, value: Value) -> None:
        """Bind an index-typed result, and the symbol that it introduces."""
        self.values[op.results[0]] = value
        ty = op.results[0].type
        assert isinstance(ty, IndexType)
        self.sizes.setdefault(show_dim(ty.dim), value)

    def number(self, builder: Builder, value: Value) -> Value:
        """A size expression as an i64."""
        ty = value.type
        assert isinstance(ty, IndexType)

        def combine(kind: str, a: Expr, b: Expr) -> Expr:
            match kind:
                case "add":
                    return a + b
                case "mul":
                    return a * b
                case "floordiv" | "mod":
                    quotient = _floor(a, b)
                    return quotient if kind == "floordiv" else a - quotient * b
                case _:
                    return a.apply("minimum" if kind == "min" else "maximum", b)

        return fold_dim(ty.dim, builder.index, lambda s: builder.expr(self.sizes[s.name]), combine).value

    def copy(self, builder: Builder, op: Op) -> None:
        """An op that stays as it is, its regions lowered."""
        regions: list[Region] = []
        is_loop = op.name in ("for", "while")
        self.loops += is_loop
        for old in op.regions:
            new = Region([p.type for p in old.params], [p.name for p in old.params])
            self.values.update(zip(old.params, new.params, strict=True))
            self.region(old, new)
            regions.append(new)
        self.loops -= is_loop
        new_op = Op(
            op.name,
            [self.values[v] for v in op.operands],
            [r.type for r in op.results],
            op.attributes,
            regions,
            op.locations,
        )
        builder.region.ops.append(new_op)
        self.values.update(zip(op.results, new_op.results, strict=True))

    def kernel(self, builder: Builder, op: Op) -> None:
        """One fusion."""
        region = Region()
        inner = Builder(region, op.locations)
        sizes = {name: inner.expr(value) for name, value in self.sizes.items()}
        mapped = Op(
            "fusion", [self.values[v] for v in op.operands], (), op.attributes, op.regions, op.locations
        )
        schedule = op.attributes["schedule"]
        assert isinstance(schedule, str)
        write = self.schedule(schedule)
        dense = self.dense_rows(mapped) if schedule in VERSIONED and self.target.kind == "cpu" else {}
        in_loop = self.loops > 0
        general = kernel_of(mapped, self.target, sizes, self.strides.get, in_loop=in_loop)
        if dense:
            special = kernel_of(mapped, self.target, sizes, {**self.strides, **dense}.get, in_loop=in_loop)
            inner.branch(
                self.has_dense_rows(inner, dense), _version(write, special), _version(write, general)
            )
        else:
            write(general, inner)
        inner.emit("yield")
        name = kernel_name(op, self.names)
        builder.region.ops.append(Op("kernel", (), (), {"name": name}, [region], op.locations))

    def dense_rows(self, fusion: Op) -> dict[Value, tuple[DimLike, ...]]:
        """Strides of the strided operands, were their last axis dense."""
        strided = {v: self.strides[v] for v in fusion.operands if v in self.strides}
        sizes = {v: v.type.dtype.size_bytes for v in strided if isinstance(v.type, BufferType)}
        return {v: (*strides[:-1], sizes[v]) for v, strides in strided.items() if strides}

    def has_dense_rows(self, builder: Builder, dense: Mapping[Value, tuple[DimLike, ...]]) -> Expr:
        """Whether it is."""
        tests = [
            builder.expr(self.sizes[show_dim(self.strides[v][-1])]).eq(s[-1])
            for v, s in dense.items()
            if isinstance(s[-1], int)
        ]
        return reduce(Expr.__and__, tests)

    def schedule(self, name: str) -> Schedule:
        """The schedule that writes loops for this kind of machine."""
        found = FAMILIES[self.target.kind].get(name)
        if found is None:
            raise UnsupportedError(f"there is no schedule {name!r} for {self.target.kind} yet", code="E051")
        return found


def _version(write: Schedule, kernel: Kernel) -> Callable[[Builder], Sequence[Expr]]:
    """One side of a branch between versions of a kernel."""

    def side(builder: Builder) -> Sequence[Expr]:
        write(kernel, builder)
        return []

    return side


ANY = (1 << 61, 1 << 62)
"""Two numbers above any that a program computes as a size."""


def note_bounds(fn: Func, body: Region) -> None:
    """Give memory whose size a loop or the program changes an attribute `most`: its largest size."""
    bounds: dict[str, tuple[DimLike, DimLike]] = {}
    computed: set[str] = set()
    for op in walk(fn):
        if op.name == "to_index" and "bound" not in op.attributes:
            computed |= {s.name for s in symbols_of(op.attributes["dim"])}  # pyright: ignore[reportArgumentType] -- a size
        elif op.name == "to_index":
            (symbol,) = symbols_of(op.attributes["dim"])  # pyright: ignore[reportArgumentType] -- a size
            bounds[symbol.name] = (max(symbol.lower, 0), op.attributes["bound"])  # pyright: ignore[reportArgumentType] -- a size
        elif op.name == "for":
            _note_range(op, bounds)
    for op in walk(body) if bounds or computed else ():
        ty = op.result.type if op.name == "alloc" else None
        names = {s.name for s in symbols_of(ty.size)} if isinstance(ty, BufferType) else set[str]()
        if not isinstance(ty, BufferType) or not names & (bounds.keys() | computed):
            continue
        most, other = (_most(ty.size, {**dict.fromkeys(computed, (0, any_)), **bounds}) for any_ in ANY)
        if _of_large_sizes(most) == _of_large_sizes(other):  # the least of a computed number and a size
            op.attributes["most"] = other
        elif names & bounds.keys():
            op.attributes["most"] = _most(ty.size, bounds)


def _of_large_sizes(size: DimLike) -> DimLike:
    """A size for arguments larger than memory, far below `ANY`."""
    return substitute(size, {s.name: 1 << 48 for s in symbols_of(size)})


def _note_range(op: Op, bounds: dict[str, tuple[DimLike, DimLike]]) -> None:
    """The first and last index of a loop, which its first parameter names."""
    name = op.regions[0].params[0].name
    limits = [v.type.dim for v in op.operands[:3] if isinstance(v.type, IndexType)]
    if name and len(limits) == 3:
        lower, upper, step = limits
        bounds[name] = (lower, upper - 1) if isinstance(step, int) and step > 0 else (upper + 1, lower)
        if not isinstance(step, int):
            bounds[name] = minimum(lower, upper + 1), maximum(lower, upper - 1)


def _most(size: DimLike, bounds: dict[str, tuple[DimLike, DimLike]]) -> DimLike:
    """The largest size.

    Inner symbols first, since the range of one may hold outer ones; of a loop that does not run
    it may be below 0.
    """
    for name in reversed(bounds):
        size = range_over(size, name, *bounds[name])[1]
    return maximum(size, 0)


def _floor(a: Expr, b: Expr) -> Expr:
    """floor(a / b) for b > 0."""
    quotient = a.apply("divide_raw", b)
    below = (a - quotient * b).lt(0)
    return quotient.builder.expr(
        quotient.builder.emit("select", [below.value, (quotient - 1).value, quotient.value]).result
    )
