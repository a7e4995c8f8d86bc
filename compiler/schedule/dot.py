"""Schedule of kernels with a matrix product: which of its versions run, by sizes and the order of memory.

Not here: the versions (`dot_direct.py`, `dot_packed.py`), nor products with vectors, which are sums (D19).
"""

from collections.abc import Callable, Sequence

from weft.compiler.schedule.dot_deep import depth_of, is_deep, lower_deep
from weft.compiler.schedule.dot_direct import lower_skinny, lower_small, skinny_rows
from weft.compiler.schedule.dot_packed import Order, lower_packed
from weft.compiler.schedule.dot_tile import Product, product_of
from weft.compiler.schedule.kernel import Kernel
from weft.compiler.schedule.pointwise import coefficient
from weft.ir import BufferType, Builder, Expr, Op, Value, record
from weft.ir.dims import DimLike, decide
from weft.ir.errors import InternalError
from weft.ir.opdef import Element

NEAR_BYTES = 1 << 16  # a right operand up to this size is read where it is
VERSIONS = ("small", "skinny", "packed", "deep")


def lower_dot(kernel: Kernel, builder: Builder, version: str = "") -> None:
    """Write the kernel's loops; `version` forces one of `VERSIONS`, if it can run. All give the same bits."""
    problem = product_of(kernel)
    if any(size == 0 for size in (*problem.batch, problem.m, problem.n)):
        return
    left, right = order_of(problem, 0), order_of(problem, 1)
    direct = right.columns and all(_is_plain(o) for o in problem.op.operands)

    def write(name: str, builder: Builder) -> None:
        if name == "packed":
            lower_packed(problem, left, right, builder)
        elif name == "deep":
            lower_deep(problem, builder)
        else:
            (lower_small if name == "small" else lower_skinny)(problem, builder)

    if version:
        if not (is_deep(problem) if version == "deep" else version == "packed" or direct):
            raise InternalError(f"a dot of this order of memory has no version {version}")
        write(version, builder)
    elif problem.k == 0:
        write("small", builder)
    elif is_deep(problem) and decide(problem.k, "<", depth_of(problem)) is not True:
        _chain(
            problem,
            builder,
            write,
            [("small" if direct else "packed", problem.k, depth_of(problem) - 1)],
            "deep",
        )
    elif not direct:
        write("packed", builder)
    else:
        _choose(problem, builder, write)


def _choose(problem: Product, builder: Builder, write: Callable[[str, Builder], None]) -> None:
    """The first version whose condition holds: known now, or asked at run time; two of them at most."""
    bytes_near = problem.k * problem.n * problem.dtype.size_bytes
    near = ("small", bytes_near, NEAR_BYTES)
    few = ("skinny", problem.m, skinny_rows(problem))
    is_near = decide(bytes_near, "<=", NEAR_BYTES)
    _chain(
        problem,
        builder,
        write,
        [near] if is_near is None and decide(problem.m, "<=", few[2]) is None else [near, few],
    )


def _chain(
    problem: Product,
    builder: Builder,
    write: Callable[[str, Builder], None],
    conditions: Sequence[tuple[str, DimLike, int]],
    last: str = "packed",
) -> None:
    if not conditions:
        write(last, builder)
        return
    (name, size, most), *rest = conditions
    known = decide(size, "<=", most)
    if known is True:
        write(name, builder)
        return
    if known is False:
        _chain(problem, builder, write, rest, last)
        return

    def then(inner: Builder) -> Sequence[Expr]:
        write(name, inner)
        return []

    def otherwise(inner: Builder) -> Sequence[Expr]:
        _chain(problem, inner, write, rest, last)
        return []

    number = problem.kernel.writer(builder).number(size)
    builder.branch(number.le(most), then, otherwise)


def order_of(problem: Product, operand: int) -> Order:
    """How an operand lies in memory."""
    kernel, probe = problem.kernel, problem.kernel.probe()
    batch = [kernel.unknown(probe, probe.fresh("b"), d) for d in problem.batch]
    extents = (problem.m, problem.k) if operand == 0 else (problem.k, problem.n)
    names = [probe.fresh("x"), probe.fresh("x")]
    index = [kernel.unknown(probe, name, d) for name, d in zip(names, extents, strict=True)]
    probe.element(problem.op.operands[operand], (*batch, *index))
    entries = {entry.value: entry for entry in kernel.inputs}
    dense = [True, True]
    for access in probe.accesses:
        entry = entries[access.value]
        ty = entry.buffer.type
        assert isinstance(ty, BufferType)
        offset = probe.offset(access.index, ty.shape, None)
        for axis, name in enumerate(names):
            dense[axis] &= not entry.strides and coefficient(offset, name) in (0, 1)
    return Order(dense[0], dense[1])


def _is_plain(value: Value) -> bool:
    """Whether an element of the value is an element of memory, so that reading it again costs nothing."""
    op: Op | None = value.op
    if op is None or op.name == "constant":
        return True
    form = record(op).form
    return isinstance(form, Element) and form.aligned and all(_is_plain(o) for o in op.operands)
