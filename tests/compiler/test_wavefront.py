"""Loops in which elements wait for their neighbours, in parallel tiles, with the bits of Python."""

import random

import numpy as np
import pytest

import weft
from weft.backends.cpu.threads import process_pool


@pytest.fixture
def tiny(monkeypatch):
    """Tiles of three columns and a few operations, on three threads."""
    monkeypatch.setattr("weft.compiler.passes.wavefront.TILE", 1)
    monkeypatch.setattr("weft.compiler.passes.wavefront.NARROWEST", 3)
    pool = process_pool()
    pool.configure(threads=3)
    yield
    pool.configure()


def relax(u):
    for i in range(1, u.shape[0] - 1):
        for j in range(1, u.shape[1] - 1):
            u[i, j] = 0.25 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1])


def distance(a, b):
    n, m = len(a), len(b)
    d = np.zeros((n + 1, m + 1), dtype=np.int64)
    d[:, 0] = np.arange(n + 1)
    d[0] = np.arange(m + 1)
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            other = 0 if a[i - 1] == b[j - 1] else 1
            d[i, j] = min(d[i - 1, j] + 1, d[i, j - 1] + 1, d[i - 1, j - 1] + other)
    return d


def below_the_diagonal(u):
    for i in range(1, u.shape[0]):
        for j in range(1, i):
            u[i, j] = 0.3 * (u[i - 1, j] + u[i, j - 1] + u[i - 1, j - 1])


def one_row(a, b):
    d = np.zeros(len(b) + 1)
    for i in range(len(a)):
        for j in range(1, len(b) + 1):
            d[j] = 0.5 * d[j - 1] + 0.4 * d[j] + a[i] * b[j - 1]
    return d


def until_it_rests(u, tolerance):
    change, least, sweeps = 1.0, 7, 0
    while change > tolerance:
        change = 0.0
        for i in range(1, u.shape[0] - 1):
            for j in range(1, u.shape[1] - 1):
                old = u[i, j]
                u[i, j] = 0.25 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1])
                change = max(change, abs(u[i, j] - old))
        sweeps += 1
        least = min(least, sweeps)
    return sweeps, change, least


RNG = np.random.default_rng(3)
CASES = {
    "relax": (relax, RNG.random((19, 23))),
    "distance": (distance, RNG.integers(0, 3, 21), RNG.integers(0, 3, 14)),
    "below_the_diagonal": (below_the_diagonal, RNG.random((23, 23))),
    "one_row": (one_row, RNG.random(17), RNG.random(26)),
    "until_it_rests": (until_it_rests, RNG.random((14, 17)), 1e-3),
}


def outcome(fn, arguments):
    own = [a.copy() if isinstance(a, np.ndarray) else a for a in arguments]
    result = fn(*own)
    parts = result if isinstance(result, tuple) else (result,)
    return [np.asarray(p).tobytes() for p in (*parts, *own) if p is not None]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dynamic", [False, True])
def test_bits_are_those_of_python(case, dynamic, tiny):
    fn, *arguments = CASES[case]
    compiled = weft.compile(fn, dynamic=dynamic)
    assert outcome(compiled, arguments) == outcome(fn, arguments)
    assert any("parallel" in line for line in compiled.ir("loops").splitlines())


def test_nan_and_signs_of_zero_stay_what_python_makes_them(tiny):
    def largest(u, first):
        most = first
        for i in range(1, u.shape[0]):
            for j in range(1, u.shape[1]):
                u[i, j] = 0.5 * (u[i - 1, j] - u[i, j - 1])
                most = max(most, abs(u[i, j]))
        return most

    compiled = weft.compile(largest)
    for first in (0.0, -0.0, np.nan, -1.0):
        for place in (None, (0, 5), (7, 0)):
            u = RNG.normal(size=(13, 16)) * (place is not None)
            if place is not None:
                u[place] = np.nan
            assert outcome(compiled, (u, first)) == outcome(largest, (u, first))


def one_index(u):
    for i in range(1, u.shape[0]):
        for j in range(u.shape[1]):
            u[i, j] += u[i - 1, (j * 7) % 5]


def totals(u):
    total = 0.0
    for i in range(1, u.shape[0]):
        for j in range(1, u.shape[1]):
            u[i, j] += u[i - 1, j] + u[i, j - 1]
            total += u[i, j]
    return total


def diagonal(u):
    for i in range(1, u.shape[0]):
        for j in range(1, u.shape[0]):
            u[i, j] += u[j, i] + u[i - 1, j]


def rows_above(u):
    for i in range(1, u.shape[0]):
        for j in range(1, u.shape[1]):
            u[i, j] += 0.5 * u[i - 1, j - 1]


@pytest.mark.parametrize("fn", [one_index, totals, diagonal, rows_above])
def test_what_waits_for_unknown_elements_or_rounds_or_has_lanes_stays_in_order(fn, tiny):
    u = RNG.random((13, 13))
    compiled = weft.compile(fn)
    assert outcome(compiled, (u,)) == outcome(fn, (u,))
    assert "parallel" not in compiled.ir("loops")


def test_small_sizes_are_one_tile():
    assert "parallel" not in weft.compile(relax).ir("loops", weft.spec("f64[20,30]"))
    assert "parallel" in weft.compile(relax).ir("loops", weft.spec("f64[500,500]"))


def nest(rng):
    """A random nest: neighbours, directions, order of the loops, bounds, rank, what is carried."""
    down, along = rng.choice([1, -1]), rng.choice([1, -1])
    reach = 3
    rank = rng.choice([1, 2, 2, 2])
    terms = []
    for _ in range(rng.randint(1, 4)):
        di, dj = rng.randint(-2, 2), rng.randint(-reach, reach)
        place = f"j + {dj}" if rank == 1 else f"i + {di}, j + {dj}"
        terms.append(f"{rng.choice(['0.5', '-0.25', '0.3'])} * u[{place}]".replace("+ -", "- "))
    low, high = f"{reach}", f"m - {reach}"
    if rank == 2 and rng.random() < 0.25:
        low, high = rng.choice(
            [(f"{reach}", f"min(i, m - {reach})"), (f"max(i - 4, {reach})", f"m - {reach}")]
        )
    columns = f"range({low}, {high})" if along > 0 else f"range({high} - 1, {low} - 1, -1)"
    rows = f"range({reach}, n - {reach})" if down > 0 else f"range(n - {reach} - 1, {reach} - 1, -1)"
    order = [f"for i in {rows}:", f"for j in {columns}:"]
    if "i" not in low + high.replace("min", "") and rng.random() < 0.3:
        order.reverse()
    place = "j" if rank == 1 else "i, j"
    lines = ["def f(u, n, most):", "    m = u.shape[-1]"]
    lines += [
        f"    {order[0]}",
        f"        {order[1]}",
        f"            u[{place}] = {' + '.join(terms)} + 0.1 * (i - j)",
    ]
    if rng.random() < 0.5:
        lines.append(f"            most = {rng.choice(['max(most, abs(', 'min(most, abs('])}u[{place}]))")
    return "\n".join([*lines, "    return most"]), rank


@pytest.mark.parametrize("seed", range(12))
def test_random_nests(seed, tiny, tmp_path):
    rng = random.Random(seed)
    for number in range(2):
        source, rank = nest(rng)
        names = {}
        path = tmp_path / f"nest_{number}.py"
        path.write_text(source)
        exec(compile(source, str(path), "exec"), names)
        compiled = weft.compile(names["f"])
        for n, m in ((17, 21), (26, 16)):
            u = np.random.default_rng(seed).normal(size=(m,) if rank == 1 else (n, m))
            assert outcome(compiled, (u, n, 0.5)) == outcome(names["f"], (u, n, 0.5)), source
