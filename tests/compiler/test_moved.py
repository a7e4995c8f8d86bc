"""What is read beside a result, at another place than its own, is not put into the kernel that makes it."""

import numpy as np
import pytest

import weft
from weft.compiler.passes.hoist import hoist
from weft.ir.text import parse, show
from weft.ir.verify import verify


def reversed_product(x, y):
    made = y @ x
    turned = made.copy()
    turned[::-1] = made
    return turned * made


def reversed_rows(x, y):
    made = y - y.sum(-1, keepdims=True)
    turned = made.copy()
    turned[::-1] = made
    return turned * made


def reversed_columns(x, y):
    made = y - y.sum(0)
    turned = made.copy()
    turned[:, ::-1] = made
    return turned * made


def moved_product(x, y):
    made = y @ y
    return np.pad(made[1:-1, 1:-1], 1) * made + np.concatenate([made[5:], made[:5]])


def rolled_rows(x, y):
    made = y - y.sum(-1, keepdims=True)
    return np.roll(made, 1, 0) * made + made[::-1]


@pytest.mark.parametrize(
    "fn", [reversed_product, reversed_rows, reversed_columns, moved_product, rolled_rows]
)
def test_results_read_at_other_places(fn):
    x, y = np.arange(10).reshape(10, 1), np.arange(100).reshape(10, 10) % 7
    assert np.array_equal(weft.compile(fn)(x, y), fn(x, y))


def recurrent(w, x):
    h = np.zeros((x.shape[1], w.shape[0]), np.float32)
    for k in range(x.shape[0]):
        h = np.tanh(h @ w + x[k])
    return h


def weights_change(w, x):
    h = np.zeros((x.shape[1], w.shape[0]), np.float32)
    for k in range(x.shape[0]):
        h = np.tanh(h @ w + x[k])
        w *= 0.5
    return h


def in_two_loops(w, x):
    h = np.zeros((x.shape[1], w.shape[0]), np.float32)
    for k in range(x.shape[0]):
        scaled = w * x[k, 0, 0]
        while h[0, 0] < 1:
            h = h @ scaled + 1
    return h


@pytest.mark.parametrize(("fn", "places"), [(recurrent, [2]), (weights_change, []), (in_two_loops, [4])])
def test_weights_are_packed_once(fn, places):
    """Before the loop that does not change them, in as many columns as it is indented by."""
    rng = np.random.default_rng(0)
    compiled = weft.compile(fn)
    w, x = (0.05 * rng.normal(size=s).astype(np.float32) for s in ((256, 256), (20, 50, 256)))
    changed, same = w.copy(), w.copy()
    result = compiled(changed, x)
    np.testing.assert_allclose(result, fn(same, x), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(changed, same)
    with weft.options(passes_off=("hoist",)):
        assert weft.compile(fn)(w, x).tobytes() == result.tobytes()
    lines = compiled.ir("loops").splitlines()
    found = [len(line) - len(line.lstrip()) for line in lines if "_packed" in line]
    assert found == places


def chosen_weights(ws, x, number, steps):
    h, chosen = np.zeros((50, 256), np.float32), number[0]
    for k in range(steps[0]):
        h = np.tanh(h @ ws[chosen] + x * k)
    return h


def test_a_place_that_is_not_checked_yet_is_not_read_before_the_loop():
    rng = np.random.default_rng(0)
    ws, x = (0.05 * rng.normal(size=s).astype(np.float32) for s in ((2, 256, 256), (50, 256)))
    compiled = weft.compile(chosen_weights)
    for number, steps in ((1, 3), (10**9, 0)):
        arguments = ws, x, np.array([number]), np.array([steps])
        np.testing.assert_allclose(compiled(*arguments), chosen_weights(*arguments), rtol=1e-4, atol=1e-5)
    with pytest.raises(IndexError):
        compiled(ws, x, np.array([10**9]), np.array([1]))


LOOPS = """func @f(%0_a0: buffer<f32[8]>, %1_a1: buffer<i64[8]>, %2_r0: buffer<f32[8]>) -> () stage "loops" {
  %z = constant() {type = i64x1, value = 0} : i64
  %n = constant() {type = i64x1, value = 8} : i64
  %u = constant() {type = i64x1, value = 1} : i64
  %q = load(%1_a1, %z) {lanes = 1, stride = 1} : i64
  for(%z, %n, %u) {kind = "serial"} (%t: i64) {
    kernel() {name = "k"} () {
      %s = alloc() {type = buffer<f32[8]>} : buffer<f32[8]>
      for(%z, %n, %u) {kind = "serial"} (%i: i64) {
        PLACE
        %v = load(%0_a0, %p) {lanes = 1, stride = 1} : f32
        store(%v, %s, %i) {stride = 1}
        yield()
      }
      for(%z, %n, %u) {kind = "serial"} (%j: i64) {
        %w = load(%s, %j) {lanes = 1, stride = 1} : f32
        store(%w, %WRITTEN, %j) {stride = 1}
        yield()
      }
      yield()
    }
    yield()
  }
  return()
}"""


@pytest.mark.parametrize(
    ("place", "written", "is_moved"),
    [
        ("add(%i, %z)", "2_r0", True),
        ("add(%i, %z)", "0_a0", False),  # the loop changes what the part reads
        ("add(%i, %t)", "2_r0", False),  # each iteration reads another part
        ("load(%1_a1, %i) {lanes = 1, stride = 1}", "2_r0", False),  # such a place may be outside
        ("add(%i, %q)", "2_r0", False),
    ],
)
def test_what_a_part_reads_decides_whether_it_is_moved(place, written, is_moved):
    fn = parse(LOOPS.replace("PLACE", f"%p = {place} : i64").replace("WRITTEN", written))
    verify(fn)
    moved = hoist(fn)
    verify(moved)
    assert ("k_packed" in show(moved)) == is_moved
