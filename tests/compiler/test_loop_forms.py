"""What becomes of loops: recurrences in registers also under a `while`, rolls that cut only one axis."""

import numpy as np

import weft
from weft.backends.cpu.target import host_target
from weft.calls.generate import optimize, stage_text
from weft.compiler.frontend.arguments import spec_of
from weft.compiler.frontend.entry import trace
from weft.ir import Options
from weft.ir.walk import walk


def lowered(fn, *arguments):
    return optimize(trace(fn, [spec_of(a) for a in arguments]).func, Options(), host_target())


def relax(u, sweeps, least):
    change, count = 1.0, 0
    while count < sweeps and change > least:
        change = 0.0
        for i in range(1, u.shape[0] - 1):
            for j in range(1, u.shape[1] - 1):
                old = u[i, j]
                u[i, j] = 0.25 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1])
                change = max(change, abs(u[i, j] - old))
        count += 1
    return count, change


def test_a_recurrence_under_a_while_is_in_a_register():
    u = np.random.default_rng(3).random((7, 9))
    body = [op for op in walk(lowered(relax, u.copy(), 5, 1e-3)) if op.name == "for"][-1].regions[0]
    assert sum(op.name == "load" for op in walk(body)) == 4  # u[i, j - 1] is what the last iteration wrote
    plain, compiled = u.copy(), u.copy()
    assert weft.compile(relax)(compiled, 5, 1e-3) == relax(plain, 5, 1e-3)
    np.testing.assert_array_equal(compiled, plain)


def decayed(x):
    out = np.empty_like(x)
    for row in range(x.shape[0]):
        held = 0.0
        for n in range(x.shape[1]):
            held = 0.5 * held + x[row, n]
            out[row, n] = held
    return out


def test_one_row_left_of_recurrences_side_by_side_needs_no_mask():
    x = np.random.default_rng(3).random((9, 30))
    loads = [op for op in walk(lowered(decayed, x)) if op.name == "load"]
    assert [(op.result.type.lanes > 1, len(op.operands) == 3) for op in loads] == [
        (True, False), (False, False), (True, True),  # whole vectors, one row, some under a mask
    ]  # fmt: skip
    compiled = weft.compile(decayed)
    for rows in (1, 2, 7, 8, 9):
        np.testing.assert_array_equal(compiled(x[:rows]), decayed(x[:rows]))


def around(x):
    return sum(np.roll(np.roll(x, a, 0), b, 1) for a in (-1, 0, 1) for b in (-1, 0, 1) if a or b) - x


def test_rolls_of_the_outer_axis_choose_a_row_and_cut_no_loop():
    x = np.random.default_rng(4).random((5, 40))
    stores = [op for op in walk(lowered(around, x)) if op.name == "store"]
    assert len(stores) == 4  # the last axis is cut at both borders, and what is between has a tail
    for shape in ((1, 1), (2, 3), (3, 40), (17, 64)):
        x = np.random.default_rng(4).random(shape)
        np.testing.assert_allclose(weft.compile(around)(x), around(x), rtol=1e-14)


def test_borders_of_many_axes_do_not_multiply_the_code():
    def padded(x):
        return np.pad(x, 1)

    stores = [
        sum(op.name == "store" for op in walk(lowered(padded, np.ones((2,) * rank)))) for rank in (3, 4, 7)
    ]
    assert stores[0] >= 27
    assert stores[2] <= 2 * stores[0]
    x = np.random.default_rng(6).random((2, 3, 1, 2, 3))
    np.testing.assert_array_equal(weft.compile(padded)(x), padded(x))


def test_rolls_that_meet_a_reduction():
    def energy(x):
        return (x * np.roll(x, 1, 0)).sum(1), (x * np.roll(x, -2, 0) + np.roll(x, 3, 1)).sum(0)

    x = np.random.default_rng(5).integers(0, 9, (6, 7))
    for got, wanted in zip(weft.compile(energy)(x), energy(x), strict=True):
        np.testing.assert_array_equal(got, wanted)


def turned(x, y):
    return np.sin(x) * np.cos(x) + np.tan(x), np.cos(y * 2.0) - np.sin(y)


def test_sines_share_their_reduction_and_its_rare_side():
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=37) * 1e3, rng.normal(size=(5, 11)) * 1e12
    x[5], y[2, 3] = 1e300, np.inf
    fn = trace(turned, [spec_of(x), spec_of(y)]).func
    text = stage_text(fn, [], "llvm", Options())
    assert text.count("define internal {") == 1  # for all of them, in whole vectors and in tails
    assert text.count(".rare") == 1 + 6  # x, 2 * y and y, each in whole vectors and in a tail
    with np.errstate(all="ignore"):
        for got, wanted in zip(weft.compile(turned)(x, y), turned(x, y), strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-13, atol=1e-13)


def test_a_long_chain_in_one_kernel_is_no_deep_recursion():
    def chain(x):
        for k in [1, 2, 3] * 60:
            x = np.sqrt(x * k + 1)
        return x

    x = np.random.default_rng(7).random(11)
    np.testing.assert_allclose(weft.compile(chain)(x), chain(x), rtol=1e-15)
