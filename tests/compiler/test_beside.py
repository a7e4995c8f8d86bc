"""Large parts that use one core each run at once: which do, with the same bits, errors, arguments."""

import math
import re
import signal
import time

import numpy as np
import pytest

import weft
from weft.backends.cpu.target import host_target
from weft.backends.cpu.threads import process_pool
from weft.calls.generate import optimize
from weft.compiler.frontend.arguments import spec_of
from weft.compiler.frontend.entry import trace
from weft.ir import Options, interpret
from weft.ir.walk import walk

RNG = np.random.default_rng(5)


def lowered(fn, *arguments):
    return optimize(trace(fn, [spec_of(a) for a in arguments]).func, Options(), host_target())


def sides(fn, *arguments):
    """The number of tasks of each `beside` op."""
    return [len(op.regions) for op in walk(lowered(fn, *arguments)) if op.name == "beside"]


def chains(x, w, y, v):
    for _ in range(3000):
        x = np.tanh(w @ x)
    for _ in range(3000):
        y = np.sin(v @ y) + 0.1
    return x, y


def few(x, w, y, v):
    for _ in range(5):
        x = np.tanh(w @ x)
    for _ in range(5):
        y = np.sin(v @ y) + 0.1
    return x, y


def recurrences(a, b):
    s = t = 0.0
    for i in range(len(a)):
        s = math.sin(s * 0.5 + a[i])
    for i in range(len(b)):
        t = math.cos(t * 0.5 + b[i])
    return s - t


def relaxed(u, v):
    for _ in range(12):
        for i in range(1, u.shape[0] - 1):
            for j in range(1, u.shape[1] - 1):
                u[i, j] = 0.25 * (u[i - 1, j] + u[i + 1, j] + u[i, j - 1] + u[i, j + 1])
    for _ in range(12):
        for i in range(1, v.shape[0] - 1):
            for j in range(1, v.shape[1] - 1):
                v[i, j] = 0.5 * (v[i - 1, j] + v[i, j - 1])


CASES = {
    "chains": (chains, [RNG.normal(size=s) for s in (40, (40, 40), 40, (40, 40))]),
    "recurrences": (recurrences, [RNG.normal(size=20_000), RNG.normal(size=30_000)]),
    "relaxed": (relaxed, [RNG.normal(size=(60, 70)), RNG.normal(size=(70, 60))]),
}


@pytest.fixture(params=CASES, ids=str)
def case(request):
    return CASES[request.param]


def bits(fn, arguments):
    own = [a.copy() for a in arguments]
    result = fn(*own)
    parts = result if isinstance(result, tuple) else (result,)
    return [np.asarray(p).tobytes() for p in (*parts, *own) if p is not None]


def test_the_same_bits_for_any_number_of_threads_and_without(case):
    fn, arguments = case
    assert sides(fn, *arguments) == [2]
    compiled, alone = weft.compile(fn), weft.compile(fn)
    with weft.options(passes_off=("beside",)):
        found = [bits(alone, arguments)]
    pool = process_pool()
    try:
        for threads in (1, 2, 2, 3):
            pool.configure(threads=threads)
            found.append(bits(compiled, arguments))
    finally:
        pool.configure()
    assert all(f == found[0] for f in found)


def test_memory_of_tasks_is_apart():
    fn, arguments = CASES["chains"]
    program = lowered(fn, *arguments)
    (op,) = [op for op in walk(program) if op.name == "beside"]
    places = []
    for region in op.regions:
        allocs = [o for o in walk(region) if o.name == "alloc" and "arena_offset" in o.attributes]
        offsets = [o.attributes["arena_offset"] for o in allocs]
        places.append(
            {b for o, at in zip(allocs, offsets, strict=True) for b in range(at, at + o.result.type.size * 8)}
        )
    assert places[0]
    assert places[1]
    assert not places[0] & places[1]


def test_tasks_share_no_memory_that_one_writes(case, monkeypatch):
    monkeypatch.setattr("weft.compiler.passes.beside.WORTH", 20)
    fn, _ = case
    shapes = {chains: (3, (3, 3), 3, (3, 3)), recurrences: (9, 7), relaxed: ((4, 5), (5, 4))}[fn]
    if fn is chains:
        fn = few
    arguments = [RNG.normal(size=s) for s in shapes]
    own = [a.copy() for a in arguments]
    program = lowered(fn, *arguments)
    assert any(op.name == "beside" for op in walk(program))
    got = interpret(program, *own, seed=3, races=True)
    wanted = fn(*arguments)
    for one, other in zip(
        got if wanted is not None else own,
        np.atleast_1d(wanted) if wanted is not None else arguments,
        strict=False,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-9)


def test_what_hangs_on_each_other_stays_in_order():
    def hangs(a):
        s = t = 0.0
        for i in range(len(a)):
            s = math.sin(s + a[i])
        for i in range(len(a)):
            t = math.sin(t + a[i] * s)
        return t

    def one_array(u):
        for i in range(1, 90_000):
            u[i] = u[i] + u[i - 1]
        for i in range(1, 90_000):
            u[i] = u[i] * u[i - 1]

    assert sides(hangs, np.ones(50_000)) == []
    assert sides(one_array, np.ones(90_000)) == []


def test_a_third_that_hangs_on_one_joins_it_and_what_hangs_on_both_comes_after():
    def three(a, b):
        s = t = r = q = 0.0
        for i in range(len(a)):
            s = np.sin(s + a[i])
        for i in range(len(b)):
            t = np.sin(t + b[i])
        for i in range(len(a)):
            r = np.cos(r + a[i] * s)
        for i in range(len(b)):
            q = np.sin(q + b[i] * s * t)
        return r + q

    a, b = RNG.normal(size=(2, 9000))
    program = lowered(three, a, b)
    (op,) = [op for op in program.body.ops if op.name == "beside"]
    assert [sum(o.name == "for" for o in region.ops) for region in op.regions] == [2, 1]
    assert weft.compile(three)(a, b) == pytest.approx(three(a, b), rel=1e-9)


def test_small_parts_run_where_they_are():
    assert sides(recurrences, np.ones(50), np.ones(50)) == []
    text = weft.compile(recurrences).ir("loops", weft.spec("f64[n]"), weft.spec("f64[m]"))
    assert re.search(r"beside\(%\d+\)", text)  # sizes decide when the program runs
    compiled = weft.compile(recurrences)
    for sizes in ((5, 6), (20_000, 8), (20_000, 30_000)):
        a, b = (RNG.normal(size=size) for size in sizes)
        assert compiled(a, b) == pytest.approx(recurrences(a, b), rel=1e-9)


def picks(a, k, b, m, log):
    s = t = 0.0
    log[0] = 1.0
    for i in range(len(k)):
        s = math.sin(s + a[k[i]])
    log[1] = 2.0
    for i in range(len(m)):
        t = math.sin(t + b[m[i]])
    log[2] = 3.0
    return s + t


@pytest.mark.parametrize("bad", ["first", "second", "both", "none"])
def test_errors_are_those_of_the_program(bad):
    a, b = RNG.normal(size=(2, 30))
    k, m = RNG.integers(0, 30, (2, 30_000))
    if bad in ("first", "both"):
        k[-1] = 71
    if bad in ("second", "both"):
        m[0] = 92
    compiled = weft.compile(picks)
    for _ in range(3):
        logs = np.zeros((2, 3))
        errors = []
        for fn, log in zip((picks, compiled), logs, strict=True):
            try:
                fn(a, k, b, m, log)
                errors.append(None)
            except IndexError as error:
                errors.append(re.search(r"71|92", str(error))[0])
        assert errors[0] == errors[1]
        np.testing.assert_array_equal(*logs)


def test_parts_that_can_fail_run_beside_each_other_and_the_first_error_counts():
    def two(a, k, b, m):
        s = t = 0.0
        for i in range(len(k)):
            s = math.sin(s + a[k[i]])
        for i in range(len(m)):
            t = math.sin(t + b[m[i]])
        return s + t

    a, b = RNG.normal(size=(2, 30))
    k, m = RNG.integers(0, 30, (2, 30_000))
    assert sides(two, a, k, b, m) == [2]
    compiled = weft.compile(two)
    assert compiled(a, k, b, m) == pytest.approx(two(a, k, b, m), rel=1e-9)
    m[0] = 92
    with pytest.raises(IndexError, match="92"):
        compiled(a, k, b, m)
    k[-1] = 71  # 30 000 steps later in time, and before it in the program
    with pytest.raises(IndexError, match="71"):
        compiled(a, k, b, m)


def test_an_endless_task_is_interrupted():
    def endless(a, b):
        s, t = 1.0, 1.0
        for i in range(len(a)):
            s = math.sin(s + a[i])
        while t > 0.0:
            for i in range(len(b)):
                t = math.cos(t + b[i]) ** 2 + 1.0
        return s + t

    def stop(_number, _frame):
        raise KeyboardInterrupt

    a, b = np.ones((2, 20_000))
    assert sides(endless, a, b) == [2]
    compiled = weft.compile(endless)
    old = signal.signal(signal.SIGALRM, stop)
    start = time.monotonic()
    try:
        signal.setitimer(signal.ITIMER_REAL, 1.5)
        with pytest.raises(KeyboardInterrupt):
            compiled(a, b)
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        start = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            compiled(a, b)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)
    assert time.monotonic() - start < 3
