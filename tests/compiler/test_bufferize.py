"""Every hard line of DESIGN D20 on hand-built programs: native code against the interpreter, copies counted.

Also failure and interruption inside loops.
"""

import numpy as np
import pytest
import running_native as running

import weft
from weft.ir import Builder, Func, IndexType, Region, TensorType, interpret, walk
from weft.ir.dims import symbol, symbols_of
from weft.ir.parse import parse
from weft.ir.types import F32, I64

RNG = np.random.default_rng(1)


def f32(*shape):
    return RNG.normal(size=shape).astype(np.float32)


def program(types, build, into=()):
    """A Func of one region; `build(builder, *params)` gives the results."""
    body = Region(types, [f"x{k}" for k in range(len(types))])
    b = Builder(body)
    results = build(b, *[b.expr(p) for p in body.params])
    results = results if isinstance(results, (list, tuple)) else [results]
    b.emit("return", [r.value for r in results])
    symbols = {s.name: s for t in types for d in t.shape for s in symbols_of(d)}
    return Func("f", body, symbols, "tensor", tuple(into))


def update(b, whole, part, start, step=None):
    facts = {"start": tuple(start), "step": tuple(step or (1,) * len(start))}
    return b.expr(b.emit("update", [whole.value, part.value], facts).result)


def cut(b, x, start, size, step=None):
    facts = {"start": tuple(start), "size": tuple(size), "step": tuple(step or (1,) * len(start))}
    return b.expr(b.emit("slice", [x.value], facts).result)


def number(b, dim):
    return b.emit("dim", [], {"dim": dim}).result


def loop(b, count, initial, body, name="t"):
    """`for t in range(count)`; body(builder, t, *carried) gives the next values."""
    index = symbol(name)
    region = Region([IndexType(index), *(e.value.type for e in initial)], [name])
    inner = b.inside(region)
    results = body(inner, index, *[inner.expr(p) for p in region.params[1:]])
    inner.emit("yield", [r.value for r in results])
    op = b.emit(
        "for",
        [number(b, 0), number(b, count), number(b, 1), *(e.value for e in initial)],
        {"kind": "serial"},
        [region],
    )
    return [b.expr(r) for r in op.results]


def check(fn, *arguments, copies=None):
    """Native results and written arguments equal the interpreter's; copies per run as expected."""
    expected_args = [a.copy() for a in arguments]
    expected = interpret(fn, *expected_args)
    got_args = [a.copy() for a in arguments]
    outcome = running.run_native(fn, *got_args)
    assert outcome.code == 0
    into = fn.into or (-1,) * len(expected)
    fresh = [r for r, target in zip(expected, into, strict=True) if target < 0]
    for want, got in zip(fresh, outcome.results, strict=True):
        np.testing.assert_array_equal(got, want)
    for want, got in zip(expected_args, got_args, strict=True):
        np.testing.assert_array_equal(got, want)
    lowered = running.lower(fn)
    interpreted = [a.copy() for a in arguments]
    interpret(lowered, *interpreted)  # finds races and accesses outside of memory
    if copies is not None:
        assert sum(op.name == "copy" for op in walk(lowered)) == copies
    return lowered


V = TensorType(F32, (9,))
M = TensorType(F32, (8, 12))


def test_an_argument_and_its_written_result_share_memory():
    check(program([V], lambda b, x: x * 2.0 + 1.0, into=[0]), f32(9), copies=0)


def test_a_chain_of_updates_writes_in_place():
    def build(b, x):
        first = update(b, x, cut(b, x, [0], [3]) * 2.0, [0])
        return update(b, first, cut(b, first, [5], [2]) + 1.0, [5])

    check(program([V], build, into=[0]), f32(9), copies=0)


def test_an_update_that_reads_other_elements_is_computed_aside():
    def build(b, x):
        return update(b, x, cut(b, x, [0], [8]) + cut(b, x, [1], [8]), [1])

    lowered = check(program([V], build, into=[0]), f32(9))
    assert sum(op.name in ("kernel", "copy") for op in walk(lowered)) <= 2


def test_reversing_in_place():
    check(program([V], lambda b, x: cut(b, x, [8], [9], [-1]), into=[0]), f32(9))


def test_the_old_value_is_read_after_the_update():
    def build(b, x):
        new = update(b, x, cut(b, x, [0], [3]) * 2.0, [0])
        return new, x + 1.0

    check(program([V], build, into=[0, -1]), f32(9))


def test_a_slice_read_after_its_place_was_written_is_set_aside():
    def exchange(b, x):
        left = cut(b, x, [0], [2])
        return update(b, update(b, x, cut(b, x, [6], [2]), [0]), left, [6])

    def relax(b, t, x, most):
        old = cut(b, x, [t], [1])
        new = (old + cut(b, x, [t + 1], [1])) * 0.5
        return [
            update(b, x, new, [t]),
            b.expr(b.emit("maximum", [most.value, ((new - old) * (new - old)).value]).result),
        ]

    check(program([V], exchange, into=[0]), f32(9), copies=0)
    lowered = check(
        program([V], lambda b, x: loop(b, 8, [x, cut(b, x, [0], [1])], relax), into=[0, -1]), f32(9)
    )
    large = [op for op in walk(lowered) if op.name == "copy" and op.operands[0].type.shape == (9,)]
    assert not large


def test_two_arguments_change_places():
    check(program([V, V], lambda b, x, y: (y, x), into=[0, 1]), f32(9), f32(9))


def test_an_argument_is_returned_and_written():
    check(program([V], lambda b, x: (x, x * 3.0), into=[-1, 0]), f32(9))


def test_one_value_is_two_results():
    def build(b, x):
        y = x + 1.0
        return y, y

    check(program([V], build), f32(9))


def test_a_loop_updates_in_place_without_copies():
    def body(b, t, x):
        return [update(b, x, cut(b, x, [t], [1]) * 2.0, [t + 1])]

    lowered = check(program([V], lambda b, x: loop(b, 8, [x], body)[0], into=[0]), f32(9))
    inner = next(op for op in walk(lowered) if op.name == "for")
    assert not any(op.name == "copy" for region in inner.regions for op in walk(region))


def test_a_stencil_in_a_loop_swaps_two_buffers():
    def body(b, t, x):
        inside = (6, 10)
        mean = (
            cut(b, x, [0, 1], inside)
            + cut(b, x, [2, 1], inside)
            + cut(b, x, [1, 0], inside)
            + cut(b, x, [1, 2], inside)
        ) * 0.25
        return [update(b, b.full_like(x.type, 0.0, F32), mean, [1, 1])]

    lowered = check(program([M], lambda b, x: loop(b, 5, [x], body)[0]), f32(8, 12))
    inner = next(op for op in walk(lowered) if op.name == "for" and op.attributes["kind"] == "serial")
    names = [op.name for op in inner.regions[0].ops]
    assert names.count("kernel") == 1
    assert "copy" not in names


def test_a_loop_swaps_what_it_carries():
    check(program([V, V], lambda b, x, y: loop(b, 3, [x, y], lambda i, t, p, q: [q, p])), f32(9), f32(9))


def test_a_loop_carries_a_value_from_outside():
    check(program([V, V], lambda b, x, y: loop(b, 3, [x], lambda i, t, p: [y])), f32(9), f32(9))


def test_a_loop_of_no_iterations():
    check(program([V], lambda b, x: loop(b, 0, [x], lambda i, t, p: [p * 2.0])), f32(9))


def test_the_initial_value_is_read_after_the_loop():
    def build(b, x):
        (last,) = loop(b, 4, [x], lambda i, t, p: [p * 2.0])
        return last - x

    check(program([V], build), f32(9))


def test_one_initial_value_for_two_carried():
    def build(b, x):
        y = x + 1.0
        return loop(b, 3, [y, y], lambda i, t, p, q: [p * 2.0, q + p])

    check(program([V], build), f32(9))


def test_nested_loops_carry_in_place():
    def inner(b, j, x):
        return [update(b, x, cut(b, x, [j], [1]) + 1.0, [j])]

    def outer(b, i, x):
        return loop(b, 9, [x], inner, "j")

    check(program([V], lambda b, x: loop(b, 3, [x], outer, "i")[0], into=[0]), f32(9))


def test_branches_yield_into_one_buffer():
    def build(b, x, y):
        total = b.expr(b.emit("sum", [x.value], {"axis": 0}).result)
        sides = []
        for factor in (2.0, None):
            region = Region()
            inner = b.inside(region)
            value = inner.expr(x.value) * factor if factor else inner.expr(y.value)
            inner.emit("yield", [value.value])
            sides.append(region)
        return b.expr(b.emit("if", [total.gt(0.0).value], {}, sides).result) + 1.0

    fn = program([V, V], build)
    check(fn, np.abs(f32(9)), f32(9))
    check(fn, -np.abs(f32(9)), f32(9))


def test_a_while_loop_carries_scalars_and_arrays():
    def build(b, x):
        zero = b.constant(0.0, TensorType(F32))
        test, body = Region([V, TensorType(F32)]), Region([V, TensorType(F32)])
        t = b.inside(test)
        t.emit("yield", [t.expr(test.params[1]).lt(50.0).value])
        s = b.inside(body)
        value, total = (s.expr(p) for p in body.params)
        doubled = value * 2.0
        s.emit(
            "yield",
            [doubled.value, (total + s.expr(s.emit("max", [doubled.value], {"axis": 0}).result)).value],
        )
        return [b.expr(r) for r in b.emit("while", [x.value, zero.value], {}, [test, body]).results]

    check(program([V], build), np.abs(f32(9)) + 1)


@pytest.mark.parametrize("off", ["fuse", "canonicalize", "cse", "dce"])
def test_passes_off_give_equal_bits(off):
    def build(b, x):
        y = update(b, x * 2.0, cut(b, x, [0], [4]).apply("exp"), [3])
        return y, b.expr(b.emit("sum", [y.value], {"axis": 0}).result)

    fn, x = program([V], build), f32(9)
    first, second = running.run_native(fn, x), running.run_native(fn, x, off=[off])
    for a, b in zip(first.results, second.results, strict=True):
        assert a.tobytes() == b.tobytes()


def test_index_error_from_iteration_10000():
    indices = TensorType(I64, (20_000,))

    def build(b, x, i):
        def body(inner, t, total):
            place = cut(inner, inner.expr(i.value), [t], [1])
            taken = inner.expr(inner.emit("gather", [x.value, place.value], {"axes": (0,)}).result)
            return [total + inner.expr(inner.emit("sum", [taken.value], {"axis": 0}).result)]

        return loop(b, 20_000, [b.constant(0.0, TensorType(F32))], body)[0]

    fn = program([V, indices], build)
    where = np.zeros(20_000, np.int64)
    where[10_000] = 9
    where[15_000] = 77
    outcome = running.run_native(fn, f32(9), where)
    assert outcome.code > 0
    assert outcome.site.code == "index"
    assert outcome.record["error_fact0"] == 9
    assert outcome.record["error_fact1"] == 9
    where[:] = -9
    assert running.run_native(fn, f32(9), where).code == 0


def test_an_endless_loop_is_interrupted():
    def build(b, x):
        test, body = Region([V]), Region([V])
        t = b.inside(test)
        always = t.expr(t.emit("max", [test.params[0]], {"axis": 0}).result)
        t.emit("yield", [always.eq(always).value])
        s = b.inside(body)
        s.emit("yield", [(s.expr(body.params[0]) * 1.0).value])
        return b.expr(b.emit("while", [x.value], {}, [test, body]).result)

    calls = []

    def poll(_context):
        calls.append(None)
        return len(calls) >= 3

    outcome = running.run_native(program([V], build), f32(9), poll=poll)
    assert outcome.code == -1
    assert len(calls) == 3


def test_a_stencil_in_a_loop_swaps_its_arrays():
    """Each iteration reads and writes the array once; what it does not write was copied before the loop."""

    def stencil(u, steps):
        for _ in range(steps):
            u[1:-1] = 0.5 * (u[2:] + u[:-2])
            u[0] = u[-2]
        return u

    compiled = weft.compile(stencil)
    for size, steps in ((50, 0), (50, 1), (51, 2), (50, 7)):
        u = np.random.default_rng(size).normal(size=size)
        expected = u.copy()
        stencil(expected, steps)
        assert compiled(u, steps) is u
        np.testing.assert_array_equal(u, expected)
    fn = parse(compiled.ir("loops", u, 7))
    (loop,) = [op for op in fn.body.ops if op.name == "for"]
    assert [op.name for op in walk(loop.regions[0])].count("copy") == 0
    assert sum(op.name == "alloc" and op.result.type.shape != () for op in walk(fn)) == 1
    first, second = loop.regions[0].params[1:3]
    assert loop.regions[0].terminator.operands[:2] == (second, first)


def test_a_small_write_in_a_loop_copies_no_array():
    def ends(u, steps):
        for _ in range(steps):
            u[0:2] = u[1:3]
        return u

    fn = parse(weft.compile(ends).ir("loops", np.zeros(5000), 7))
    assert not any(op.name == "copy" for op in walk(fn))


def accumulated(count):
    x = np.zeros(3)
    for _ in range(count):
        for k in range(2):
            x[k] = x[k] + 0.5
    return x


def with_borders(x, count):
    """Borders that read themselves, each other, and what the stencil wrote."""
    for t in range(count):
        x[1:-1, 1:-1] = 0.25 * (x[:-2, 1:-1] + x[2:, 1:-1]) - 0.5 * x[1:-1, 2:]
        x[0] = x[0] * 0.5 + x[1]
        x[:, -1] = x[:, -2] + x[:, -1] + t
        x[-1, 1:] += 0.5 * x[0, 1:]
    return x, x.sum()


@pytest.mark.parametrize("off", [(), ("canonicalize",)])
def test_parts_of_an_array_that_a_loop_writes_one_after_the_other(off):
    with weft.options(passes_off=off):
        np.testing.assert_array_equal(weft.compile(accumulated)(5), accumulated(5))
        compiled = weft.compile(with_borders)
        for size in (5, 9, 40):
            x = RNG.integers(-4, 5, (size, size)) / 4
            for found, wanted in zip(compiled(x.copy(), 4), with_borders(x.copy(), 4), strict=True):
                np.testing.assert_allclose(found, wanted, rtol=1e-12)


def both(x, first, last, ahead):
    """Two arrays of one zero: rows from `first` on to `last`, some read before they are written."""
    rows, others = np.zeros((6, 8)), np.zeros((6, 8))
    for i in range(first, last):
        x = 0.5 * x + (others[i - 1] if ahead else 0.0)
        rows[i] = x
        others[i] = x * x
    return rows, others


@pytest.mark.parametrize(
    ("first", "last", "ahead", "copied"),
    [(0, 6, False, False), (1, 6, False, True), (0, 5, False, True), (0, 6, True, True)],
)
def test_what_a_loop_fills_is_not_copied_first(first, last, ahead, copied):
    x = np.linspace(-1, 1, 8)
    fn = weft.compile(lambda x: both(x, first, last, ahead), dynamic=False)
    for found, expected in zip(fn(x), both(x, first, last, ahead), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    fn.verify(x)
    copies = [op for op in walk(parse(fn.ir("loops", x))) if op.name == "copy"]
    assert any(op.operands[0].type.shape == (6, 8) for op in copies) == copied
