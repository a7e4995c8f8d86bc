"""Variables used by several threads: a reader never sees half a step, and nobody waits forever."""

import signal
import threading
import time

import numpy as np
import pytest

import weft
from weft.runtime.locks import held

SIZE = 200_000
SECONDS = 1.0


def run(*works):
    """Run functions in threads of their own for a while; raises what one of them raised."""
    stop, errors = threading.Event(), []

    def repeat(work):
        try:
            while not stop.is_set():
                work()
        except BaseException as error:
            errors.append(error)
            stop.set()

    threads = [threading.Thread(target=repeat, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    stop.wait(SECONDS)
    stop.set()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive(), "a thread waits forever"
    if errors:
        raise errors[0]


def test_reading_while_another_thread_trains():
    v, w = weft.Variable(np.zeros(SIZE)), weft.Variable(np.zeros(SIZE))
    seen = []

    @weft.compile
    def train():
        v[...] = v + 1
        w[...] = v * 2

    @weft.compile
    def both():
        return np.min(v), np.max(v), np.min(w), np.max(w)

    def read():
        for snapshot in (v.value, w.numpy(), np.array(w)):
            assert snapshot.min() == snapshot.max()
        seen.append(snapshot[0])

    def compute():
        low, high, other_low, other_high = both()
        assert low == high
        assert other_low == other_high == 2 * low

    train(), both()
    train._weft.entries.settle()
    run(train, read, compute, lambda: time.sleep(0.001))
    assert len(seen) > 3
    assert seen[-1] > seen[0]
    assert v.value[0] == train.stats()["calls"]


def test_two_programs_that_use_the_same_variables_in_another_order():
    a, b = weft.Variable(np.zeros(SIZE)), weft.Variable(np.zeros(SIZE))

    @weft.compile
    def forth(x):
        a.assign(a + x)
        b.assign(b + x)

    @weft.compile
    def back(x):
        b.assign(b + x)
        a.assign(a + x)

    forth(1.0), back(1.0)
    run(lambda: forth(1.0), lambda: back(1.0), lambda: (a + b).sum(), lambda: a.value)
    assert a.value[0] == b.value[-1] == forth.stats()["calls"] + back.stats()["calls"]


def test_a_signal_ends_the_wait_for_a_lock():
    v = weft.Variable(np.zeros(4))
    step = weft.compile(lambda: v.assign(v + 1))
    step()
    step._weft.entries.settle()

    def interrupt(*_):
        raise KeyboardInterrupt

    old = signal.signal(signal.SIGALRM, interrupt)
    try:
        with held(v._memory, exclusive=True):
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            with pytest.raises(KeyboardInterrupt):
                step()
    finally:
        signal.signal(signal.SIGALRM, old)
    step()
    assert v.value.tolist() == [2, 2, 2, 2]


def test_a_failed_call_gives_its_locks_back():
    v = weft.Variable(np.zeros(4))
    step = weft.compile(lambda i: v[i])
    assert step(np.array([1])) == 0
    step._weft.entries.settle()
    for _ in range(2):
        with pytest.raises(IndexError):
            step(np.array([9]))
    v.assign(np.ones(4))
    assert step(np.array([3])) == 1
