"""The reference interpreter at every stage, its memory checks and its count of bytes."""

import numpy as np
import pytest

import weft.ir.ops  # noqa: F401 -- fills the registry
from weft.ir import IndexFault, InternalError, RuntimeFault, ShapeError
from weft.ir.interp import interpret
from weft.ir.memory import Traffic
from weft.ir.text import parse
from weft.ir.verify import verify


def run(text, *arguments, **options):
    fn = parse(text)
    verify(fn)
    return interpret(fn, *arguments, **options)


def f32(*values):
    return np.array(values, np.float32)


# ---- tensors


def test_straight_line_with_symbolic_sizes():
    text = """func @f[n, m](%0: f32[n,m]) -> (f32[n*m], f32[n]) stage "tensor" {
  %1 = reshape(%0) {shape = (n*m,)} : f32[n*m]
  %2 = sum(%0) {axis = 1} : f32[n]
  return(%1, %2)
}"""
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    flat, total = run(text, x)
    np.testing.assert_array_equal(flat, x.ravel())
    np.testing.assert_array_equal(total, [3, 12])
    flat[:] = 0  # results are new arrays
    assert x.sum() == 15


def test_sizes_must_agree():
    text = 'func @f[n >= 2](%0: f32[n], %1: f32[n]) -> (f32[n]) stage "tensor" {\n  return(%1)\n}'
    for bad in (
        (f32(1, 2), f32(1, 2, 3)),
        (f32(1), f32(1)),
        (f32(1, 2), np.zeros(2)),
        (f32(1, 2),),
        (f32(1, 2), np.float32(1)),
    ):
        with pytest.raises(ShapeError):
            run(text, *bad)


WHILE = """func @f[n](%0: f32[n], %1: i64[]) -> (f32[n], i64[]) into (0, -1) stage "tensor" {
  %2 = constant() {type = i64[], value = 1} : i64[]
  %3 = constant() {type = i64[], value = 0} : i64[]
  %4, %5 = while(%0, %1) (%6: f32[n], %7: i64[]) {
    %8 = greater(%7, %3) : bool[]
    yield(%8)
  } (%9: f32[n], %10: i64[]) {
    %11 = add(%9, %9) : f32[n]
    %12 = subtract(%10, %2) : i64[]
    yield(%11, %12)
  } : f32[n], i64[]
  return(%4, %5)
}"""


def test_while_writes_its_argument():
    x = f32(1, 2, 3)
    result, count = run(WHILE, x, np.int64(3))
    assert result is x
    np.testing.assert_array_equal(x, [8, 16, 24])
    assert count == 0


def test_for_binds_its_index_and_if_takes_one_branch():
    text = """func @f(%0: f32[4], %1: index(k in 0..4)) -> (f32[4]) stage "tensor" {
  %2 = dim() {dim = 0} : index(0)
  %3 = dim() {dim = 1} : index(1)
  %4 = constant() {type = f32[1], value = 9.0} : f32[1]
  %5 = constant() {type = i64[], value = 1} : i64[]
  %6 = for(%2, %1, %3, %0) {kind = "serial"} (%7: index(i in 0..3), %8: f32[4]) {
    %9 = from_index(%7) : i64[]
    %10 = equal(%9, %5) : bool[]
    %11 = if(%10) () {
      yield(%8)
    } () {
      %12 = update(%8, %4) {start = (i,), step = (1,)} : f32[4]
      yield(%12)
    } : f32[4]
    yield(%11)
  } : f32[4]
  return(%6)
}"""
    np.testing.assert_array_equal(run(text, f32(1, 2, 3, 4), 3)[0], [9, 2, 9, 4])
    np.testing.assert_array_equal(run(text, f32(1, 2, 3, 4), 0)[0], [1, 2, 3, 4])


def test_a_symbol_may_come_from_a_value():
    text = """func @f(%0: i64[]) -> (f32[k]) stage "tensor" {
  %1 = to_index(%0) {dim = k} : index(k in 1..5)
  %2 = iota() {dtype = f32, size = k} : f32[k]
  return(%2)
}"""
    np.testing.assert_array_equal(run(text, np.int64(3))[0], [0, 1, 2])
    with pytest.raises(ShapeError, match=r"k is 7, outside of 1\.\.5"):
        run(text, np.int64(7))


def test_fusion_is_its_region():
    text = """func @f(%0: f32[2]) -> (f32[2]) stage "fused" {
  %1 = fusion(%0) (%2: f32[2]) {
    %3 = negative(%2) : f32[2]
    return(%3)
  } : f32[2]
  return(%1)
}"""
    np.testing.assert_array_equal(run(text, f32(1, 2))[0], [-1, -2])


def test_index_error_has_the_users_line():
    text = """func @f(%0: f32[4], %1: i64[2]) -> (f32[2]) stage "tensor" {
  %2 = gather(%0, %1) {axes = (0,)} : f32[2] !"model.py":14 in "step"
  return(%2)
}"""
    with pytest.raises(IndexFault, match=r"index 4 is out of bounds[\s\S]*model.py:14, in step"):
        run(text, f32(1, 2, 3, 4), np.array([0, 4]))


def test_a_result_that_is_not_what_its_type_says():
    fn = parse('func @f(%0: f32[4]) -> (f32[2]) stage "tensor" {\n  %1 = sin(%0) : f32[2]\n  return(%1)\n}')
    with pytest.raises(InternalError, match="sin gives"):
        interpret(fn, f32(1, 2, 3, 4))


# ---- buffers and loops

BUFFERS = """func @f[n](%0: buffer<f32[n]>, %1: buffer<f32[n]>) -> (buffer<f32[n]>) into (1,) stage "buffers" {
  %2 = alloc() {type = buffer<f32[n]>} : buffer<f32[n]>
  fusion(%0, %2) {outputs = 1} (%3: f32[n]) {
    %4 = sin(%3) : f32[n]
    return(%4)
  }
  fusion(%2, %1, %1) {outputs = 1} (%5: f32[n], %6: f32[n]) {
    %7 = add(%5, %6) : f32[n]
    return(%7)
  }
  return(%1)
}"""  # noqa: E501


def test_buffers_are_written_in_place():
    x, y = f32(1, 2, 3), f32(10, 20, 30)
    (result,) = run(BUFFERS, x, y)
    assert result is y
    np.testing.assert_array_equal(y, np.sin(x) + f32(10, 20, 30))


def loop(
    body, *, outer="", params="%0: buffer<f32[n]>, %1: buffer<f32[n]>", kind="serial", upper="n", step=1
):
    return f"""func @f[n]({params}, %n: i64) -> () stage "loops" {{
  %zero = constant() {{type = i64x1, value = 0}} : i64
  %one = constant() {{type = i64x1, value = {step}}} : i64
{outer}  kernel() {{name = "main"}} () {{
    for(%zero, %n, %one) {{kind = "{kind}"}} (%i: i64) {{
{body}      yield()
    }}
    yield()
  }}
  return()
}}"""


def test_scalar_loop_counts_its_bytes():
    text = loop("  %a = load(%0, %i) {lanes = 1} : f32\n  %b = add(%a, %a) : f32\n  store(%b, %1, %i)\n")
    x, y, traffic = f32(*range(10)), np.zeros(10, np.float32), Traffic()
    run(text, x, y, np.int64(10), traffic=traffic)
    np.testing.assert_array_equal(y, 2 * x)
    main = traffic.kernels["main"]
    assert (main.launches, traffic.launches, traffic.moved_bytes) == (1, 1, 80)
    assert (main.buffers["argument 0"].loaded_bytes, main.buffers["argument 0"].stored_bytes) == (40, 0)
    assert (main.buffers["argument 1"].loaded_bytes, main.buffers["argument 1"].stored_bytes) == (0, 40)
    assert "main" in traffic.table()


def test_vectors_strides_and_masks():
    body = (
        "  %a = load(%0, %i) {lanes = 4, stride = 2} : f32x4\n"
        "  %l = lane_index() {lanes = 4} : i64x4\n"
        "  %t = constant() {type = i64x4, value = 2} : i64x4\n"
        "  %m = less(%l, %t) : boolx4\n"
        "  %j = multiply(%l, %t) : i64x4\n"
        "  store(%a, %1, %i, %m) {stride = 1}\n"
        "  scatter_lanes(%a, %1, %j, %m)\n"
        "  %g = gather_lanes(%0, %j, %m) : f32x4\n"
        "  %o = constant() {type = i64x1, value = 4} : i64\n"
        "  store(%g, %1, %o) {stride = 1}\n"
    )
    x, y = f32(1, 2, 3, 4, 5, 6, 7, 8), np.full(8, -1, np.float32)
    run(loop(body), x, y, np.int64(1))
    np.testing.assert_array_equal(y, [1, 3, 3, -1, 1, 3, 0, 0])


def test_carried_values_and_while():
    text = """func @f[n](%0: buffer<f32[n]>, %1: buffer<f32[]>, %n: i64) -> () stage "loops" {
  %zero = constant() {type = i64x1, value = 0} : i64
  %one = constant() {type = i64x1, value = 1} : i64
  %s = constant() {type = f32x1, value = 0.0} : f32
  %t = for(%zero, %n, %one, %s) {kind = "serial"} (%i: i64, %a: f32) {
    %x = load(%0, %i) {lanes = 1} : f32
    %b = add(%a, %x) : f32
    yield(%b)
  } : f32
  %w = while(%t) (%c: f32) {
    %h = constant() {type = f32x1, value = 100.0} : f32
    %p = less(%c, %h) : bool
    yield(%p)
  } (%d: f32) {
    %e = add(%d, %d) : f32
    yield(%e)
  } : f32
  store(%w, %1, %zero)
  return()
}"""
    total = np.zeros((), np.float32)
    run(text, f32(1, 2, 3, 4), total, np.int64(4))
    assert total == 160


def test_strided_arguments_are_addressed_in_bytes():
    text = """func @f(%0: buffer.strided<f32[3]>, %1: buffer<f32[3]>, %stride: i64) -> () stage "loops" {
  %zero = constant() {type = i64x1, value = 0} : i64
  %three = constant() {type = i64x1, value = 3} : i64
  %one = constant() {type = i64x1, value = 1} : i64
  for(%zero, %three, %one) {kind = "serial"} (%i: i64) {
    %o = multiply(%i, %stride) : i64
    %x = load(%0, %o) {lanes = 1} : f32
    store(%x, %1, %i)
    yield()
  }
  return()
}"""
    for x in (
        np.arange(9, dtype=np.float32)[::4],
        np.arange(9, dtype=np.float32)[::-3],
        np.ones((3, 3), np.float32)[:, 1],
    ):
        y = np.zeros(3, np.float32)
        run(text, x, y, np.int64(x.strides[0]))
        np.testing.assert_array_equal(y, x)
    with pytest.raises(InternalError, match="outside"):
        run(text, np.arange(9, dtype=np.float32)[::-3], y, np.int64(12))
    with pytest.raises(InternalError, match="not contiguous"):
        run(text.replace(".strided", ""), np.arange(9, dtype=np.float32)[::4], y, np.int64(1))


@pytest.mark.parametrize("kind", ["serial", "parallel"])
def test_order_of_parallel_iterations(kind):
    body = (
        "  %z = load(%1, %zero) {lanes = 1} : f32\n  %a = load(%0, %i) {lanes = 1} : f32\n"
        "  %two = constant() {type = f32x1, value = 2.0} : f32\n  %d = multiply(%z, %two) : f32\n"
        "  %b = add(%d, %a) : f32\n  store(%b, %1, %zero)\n"
    )  # depends on the order: wrong in a parallel loop, and shuffling shows it
    results = set()
    for seed in (None, 1, 2):
        y = np.zeros(6, np.float32)
        run(loop(body, kind=kind), f32(1, 2, 3, 4, 5, 6), y, np.int64(6), seed=seed)
        results.add(float(y[0]))
    assert (len(results) > 1) == (kind == "parallel")


def test_memory_outside_is_an_internal_error():
    text = loop("  %a = load(%0, %i) {lanes = 4} : f32x4\n  store(%a, %1, %i) {stride = 1}\n")
    run(text, f32(*range(8)), np.zeros(8, np.float32), np.int64(5))
    with pytest.raises(InternalError, match="argument 0 of 32 bytes is accessed outside"):
        run(text, f32(*range(8)), np.zeros(8, np.float32), np.int64(6))


FAIL = (
    "  %a = load(%0, %i) {lanes = 1} : f32\n  %five = constant() {type = f32x1, value = 5.0} : f32\n"
    '  %m = greater(%a, %five) : bool\n  fail_if(%m, %i, %n, %zero) {code = "index"} !"model.py":3\n  store(%a, %1, %i)\n'  # noqa: E501
)


def test_first_failure_in_program_order_wins():
    x = f32(1, 2, 9, 3, 8, 4)
    y = np.zeros(6, np.float32)
    with pytest.raises(IndexFault, match=r"index 2 is out of bounds for axis 0 with size 6[\s\S]*model.py:3"):
        run(loop(FAIL), x, y, np.int64(6))
    np.testing.assert_array_equal(y, [1, 2, 0, 0, 0, 0])
    for seed in (None, 1, 2, 3):
        with pytest.raises(IndexFault, match="index 2 "):
            run(loop(FAIL, kind="parallel"), x, np.zeros(6, np.float32), np.int64(6), seed=seed)
    with pytest.raises(RuntimeFault, match="code 77"):
        run(loop(FAIL.replace('"index"', "77")), x, y, np.int64(6))


# ---- what is counted


def test_scratch_does_not_count_and_the_arena_does():
    inside = "  %k = alloc() {type = buffer.scratch<f32[4]>} : buffer.scratch<f32[4]>\n"
    outside = "  %k = alloc() {type = buffer<f32[4]>} : buffer<f32[4]>\n"
    body = "  %a = load(%0, %i) {lanes = 1} : f32\n  store(%a, %k, %zero)\n  %b = load(%k, %zero) {lanes = 1} : f32\n"  # noqa: E501
    for place, counted in ((inside, 0), (outside, 4 * 4 + 4)):  # stored four times, read again at once
        traffic = Traffic()
        text = loop((inside if place is inside else "") + body, outer=outside if place is outside else "")
        run(text, f32(1, 2, 3, 4), np.zeros(4, np.float32), np.int64(4), traffic=traffic)
        assert traffic.moved_bytes == 16 + counted


@pytest.mark.parametrize(("row", "sweeps"), [(1000, 1), (16384, 1), (16800, 3)])
def test_a_row_that_is_read_again_counts_once_up_to_64_kib(row, sweeps):
    text = """func @f[n,m](%0: buffer<f32[n,m]>, %n: i64, %m: i64) -> () stage "loops" {
  %zero = constant() {type = i64x1, value = 0} : i64
  %one = constant() {type = i64x1, value = 1} : i64
  %step = constant() {type = i64x1, value = 8} : i64
  %three = constant() {type = i64x1, value = 3} : i64
  kernel() {name = "rows"} () {
    for(%zero, %n, %one) {kind = "parallel"} (%i: i64) {
      %start = multiply(%i, %m) : i64
      for(%zero, %three, %one) {kind = "serial"} (%s: i64) {
        for(%zero, %m, %step) {kind = "serial"} (%j: i64) {
          %o = add(%start, %j) : i64
          %x = load(%0, %o) {lanes = 8} : f32x8
          yield()
        }
        yield()
      }
      yield()
    }
    yield()
  }
  return()
}"""
    x, traffic = np.zeros((2, row), np.float32), Traffic()
    run(text, x, np.int64(2), np.int64(row), traffic=traffic)
    assert traffic.moved_bytes == x.nbytes * sweeps


def test_results_are_made_from_sizes():
    text = loop("  %a = load(%0, %i) {lanes = 1} : f32\n  store(%a, %1, %i)\n")
    text = text.replace(", %n: i64)", ")").replace(
        "  %zero =", "  %n = constant() {type = i64x1, value = 3} : i64\n  %zero ="
    )
    (made,) = run(text, f32(1, 2, 3))
    np.testing.assert_array_equal(made, [1, 2, 3])


def test_copy_and_view():
    text = """func @f(%0: buffer<f32[4]>, %1: buffer<f32[2]>) -> () stage "loops" {
  %two = constant() {type = i64x1, value = 2} : i64
  %2 = view(%0, %two) {type = buffer<f32[2]>} : buffer<f32[2]>
  copy(%2, %1)
  return()
}"""
    y = np.zeros(2, np.float32)
    run(text, f32(1, 2, 3, 4), y)
    np.testing.assert_array_equal(y, [3, 4])
    with pytest.raises(InternalError, match="leaves it"):
        run(text.replace("value = 2", "value = 3"), f32(1, 2, 3, 4), y)


def test_names_of_lowered_parameters_bind_them():
    """As bufferize makes them: arguments, results, then numbers for symbols (ints first) and strides."""
    text = """func @f[n >= 2, k](PARAMS, %2_k: i64, %3_n: i64, %4_a0_s0: i64) -> () STAGE {
  %5 = constant() {type = i64x1, value = 0} : i64
  %6 = constant() {type = i64x1, value = 1} : i64
  for(%5, %3_n, %6) {kind = "serial"} (%7_i: i64) {
    %8 = multiply(%7_i, %4_a0_s0) : i64
    %9 = load(%0_a0, %8) {lanes = 1} : f32
    %10 = cast(%2_k) {dtype = f32} : f32
    %11 = multiply(%9, %10) : f32
    %12 = dim() {dim = i+k} : index(i+k)
    store(%11, %1_r0, %7_i)
    yield()
  }
  return()
}"""
    text = text.replace("PARAMS", "%0_a0: buffer.strided<f32[n]>, %1_r0: buffer<f32[n]>")
    text = text.replace("STAGE", 'strided (0,) stage "loops"')
    x, traffic = f32(1, 2, 3, 4, 5, 6)[::-2], Traffic()
    (result,) = run(text, x, 3, traffic=traffic)
    np.testing.assert_array_equal(result, 3 * x)
    outside = {k: (b.loaded_bytes, b.stored_bytes) for k, b in traffic.kernels[""].buffers.items()}
    assert outside == {"argument 0": (12, 0), "result 0": (0, 12)}
    assert traffic.launches == 0
    with pytest.raises(ShapeError, match="takes 5 arguments"):
        run(text, x)
    with pytest.raises(ShapeError, match="n is 1"):
        run(text, x[:1], 3)


RACES = {
    "is written by two iterations": "  %a = load(%0, %i) {lanes = 1} : f32\n  store(%a, %1, %zero)\n",
    "is read by one iteration and written by another": (
        "  %a = load(%1, %zero) {lanes = 1} : f32\n  %b = load(%0, %i) {lanes = 1} : f32\n  store(%b, %1, %i)\n"  # noqa: E501
    ),
    "is written by one iteration and read by another": (
        "  %a = load(%1, %last) {lanes = 1} : f32\n  %b = load(%0, %i) {lanes = 1} : f32\n  store(%b, %1, %i)\n"  # noqa: E501
    ),
}


@pytest.mark.parametrize("what", sorted(RACES))
def test_races_of_parallel_iterations_are_found(what):
    outer = "  %last = constant() {type = i64x1, value = 3} : i64\n"
    x = f32(1, 2, 3, 4)
    with pytest.raises(InternalError, match=f"argument 1 {what}"):
        run(loop(RACES[what], outer=outer, kind="parallel"), x, f32(0, 0, 0, 0), np.int64(4), races=True)
    run(loop(RACES[what], outer=outer, kind="serial"), x, f32(0, 0, 0, 0), np.int64(4), races=True)


def test_parallel_loops_without_races_pass():
    body = "  %a = load(%1, %i) {lanes = 1} : f32\n  %b = add(%a, %a) : f32\n  store(%b, %1, %i)\n"
    body += (
        "  %k = alloc() {type = buffer.scratch<f32[4]>} : buffer.scratch<f32[4]>\n  store(%b, %k, %zero)\n"
    )
    run(loop(body, kind="parallel"), f32(1, 2, 3, 4), f32(1, 2, 3, 4), np.int64(4), races=True, seed=1)
