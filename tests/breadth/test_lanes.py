"""Loops over whole arrays that work element by element run lane by lane, and only those that may."""

import numpy as np
import pytest

import weft
from weft.ir.text import parse
from weft.ir.walk import walk

RNG = np.random.default_rng(3)


def escape_where(cr, ci, trips):
    zr, zi = np.zeros_like(cr), np.zeros_like(ci)
    count = np.zeros(cr.shape, dtype=np.int64)
    for _ in range(trips):
        mask = zr * zr + zi * zi <= 4.0
        count += mask
        t = zr * zr - zi * zi + cr
        zi = np.where(mask, 2.0 * zr * zi + ci, zi)
        zr = np.where(mask, t, zr)
    return count


def escape_break(cr, ci, trips):
    zr, zi = np.zeros_like(cr), np.zeros_like(ci)
    time = np.full(cr.shape, trips, dtype=np.int64)
    for i in range(trips):
        mask = zr * zr + zi * zi <= 4.0
        if not np.any(mask):
            break
        t = zr * zr - zi * zi + cr
        zi = np.where(mask, 2.0 * zr * zi + ci, zi)
        zr = np.where(mask, t, zr)
        time[mask] = i
    return time


def newton(a, b, trips):
    x = np.ones_like(a)
    for _ in range(trips):
        x = x - (x * x * x - a) / (3.0 * x * x)
    return x * b


def newton_active(a, b, trips):
    x = np.abs(a) + 1.0
    active = np.ones(a.shape, dtype=bool)
    k = 0
    while np.any(active) and k < trips:
        dx = (x * x - b * b) / (2.0 * x)
        x = np.where(active, x - dx, x)
        active = active & (np.abs(dx) > 1e-12)
        k += 1
    return x


def collatz(a, _b, trips):
    n = (np.abs(a) * 100).astype(np.int64) + trips
    steps = np.zeros(n.shape, dtype=np.int64)
    active = n > 1
    while active.any():
        n = np.where(active, np.where(n % 2 == 0, n // 2, 3 * n + 1), n)
        steps[active] += 1
        active = n > 1
    return steps


def until_all_done(a, b, trips):
    x = np.abs(a)
    done = x > 10.0
    while not np.all(done):
        x = np.where(done, x, x * 1.5 + np.abs(b) + 0.1)
        done = x > 10.0
    return x * trips


def counted_index(a, b, trips):
    x = a.copy()
    for i in range(trips, 0, -1):
        x = x * 0.5 + b * i
    return x


# ---- those that may not: each lane would see another number of iterations, or other lanes


def unmasked(a, b, trips):
    x = np.ones_like(a)
    dx = np.full_like(a, 1.0)
    while np.any(np.abs(dx) > 1e-9):
        dx = (x - np.abs(b)) * 0.5
        x = x - dx
    return x


def half_masked(a, b, trips):
    x, n = np.abs(a), np.zeros_like(a)
    active = x < 10.0
    while np.any(active):
        x = np.where(active, x * 1.5 + 0.1, x)
        n += 1.0
        active = x < 10.0
    return n


def revived(a, b, trips):
    x = np.abs(a)
    active = x < 10.0
    k = 0
    while np.any(active) and k < 30:
        x = np.where(active, x * 1.5 + 0.1, x)
        k += 1
        active = (x < 10.0) | (k % 4 == 0)
    return x


def sees_others(a, b, trips):
    x = a.copy()
    for _ in range(trips):
        x = x * 0.5 + x.max(initial=0.0)
    return x


def shifted(a, b, trips):
    x = a.copy()
    for _ in range(trips):
        x = x * 0.5 + x[::-1] * b
    return x


def counts_rounds(a, b, trips):
    x, k = np.abs(a), 0
    active = x < 10.0
    while np.any(active):
        x = np.where(active, x * 1.5 + 0.1, x)
        active = x < 10.0
        k += 1
    return x + k


LANES = (escape_where, escape_break, newton, newton_active, collatz, until_all_done, counted_index)
WHOLE = (unmasked, half_masked, revived, sees_others, shifted, counts_rounds)


def ops_of(program):
    """Names of the ops after the tensor passes."""
    fn = parse(weft.compile(program).ir("tensor", RNG.normal(size=(5, 7)), RNG.normal(size=(5, 7)), 40))
    return {op.name for op in walk(fn)}


@pytest.mark.parametrize("program", LANES + WHOLE, ids=lambda f: f.__name__)
def test_as_numpy(program):
    compiled = weft.compile(program)
    for shape, trips in (((5, 7), 40), ((3, 1), 0), ((40, 9), 25), ((1,), 13), ((0, 3), 4)):
        a, b = RNG.normal(size=shape) * 2, RNG.normal(size=shape)
        for x, y in ((a, b), (a[::-1], b[..., ::-1])):
            with np.errstate(all="ignore"):
                expected = program(x, y, trips)
            np.testing.assert_array_equal(compiled(x, y, trips), expected, strict=True)


@pytest.mark.parametrize("program", LANES, ids=lambda f: f.__name__)
def test_runs_lane_by_lane(program):
    found = ops_of(program)
    assert "each" in found


@pytest.mark.parametrize("program", WHOLE, ids=lambda f: f.__name__)
def test_stays_whole(program):
    assert "each" not in ops_of(program)


def test_lanes_that_circle_stop():
    """A loop of 10^9 iterations ends at once when no bit changes, or when the bits come round again."""

    def turning(x, trips):
        for _ in range(trips):
            x = 1.0 - x
        return x

    x = RNG.integers(0, 9, 37) / 8
    compiled = weft.compile(turning)
    np.testing.assert_array_equal(compiled(x, 5), turning(x, 5))
    np.testing.assert_array_equal(compiled(x, 7), turning(x, 7))
    np.testing.assert_array_equal(compiled(x, 10**9 + 1), turning(x, 1))
    zeros = np.array([0.0, -0.0, np.inf, -np.inf])
    assert np.signbit(compiled(zeros, 10**9)).tolist() == np.signbit(turning(zeros, 2)).tolist()


def test_few_bytes():
    """What the loop carries is in registers: one read of each argument, one write of the result."""
    compiled = weft.compile(escape_where)
    a = RNG.normal(size=(64, 64))
    for trips in (10, 20):
        compiled(a, a, trips)
    (kernel,) = [k for k in compiled.stats()["kernels"] if "each" in k["ops"]]
    assert kernel["bytes_read"] <= 2 * a.nbytes
    assert kernel["bytes_written"] == a.nbytes


def test_reductions_of_elements_at_a_mask_need_no_positions():
    def facts(x, y):
        mask = x > 0.3
        part = x[mask]
        return (
            part.sum(), len(part), (part * y[mask]).sum(), part.any(), (part > 0.5).all(),
            (x[mask] * 2).prod(),
        )  # fmt: skip

    compiled = weft.compile(facts)
    for shape in ((40,), (6, 7), (90,)):
        args = RNG.random(shape), RNG.random(shape)
        for ours, theirs in zip(compiled(*args), facts(*args), strict=True):
            assert type(ours) is type(theirs)
            np.testing.assert_allclose(ours, theirs, rtol=1e-12)
    numbers = RNG.integers(0, 9, 40)
    program = parse(compiled.ir("tensor", numbers, numbers))
    assert not [op for op in walk(program) if op.name in ("positions", "gather")]
    values = np.array([1.0, np.nan, 2.0, np.inf])
    assert weft.compile(lambda x: x[np.isfinite(x)].sum())(values) == 3.0
