"""Threads of a block in the interpreter: barriers, exchanges, and threads that wait in vain."""

import numpy as np
import pytest

from weft.ir import BufferType, Builder, Func, InternalError, Region, interpret, verify
from weft.ir.types import I64

THREADS = 64


def block(write, size=THREADS):
    """A program of one block: `write(builder, thread, shared)` gives what each thread stores."""
    body = Region([BufferType(I64, (size,))], ["r0"])
    region = Region()
    kernel = Builder(region)

    def threads(inner, shared):
        def thread(b, index, _carried):
            value = write(b, index, shared)
            b.emit("store", [value.value, body.params[0], index.value])
            return []

        inner.loop(inner.index(0), inner.index(THREADS), 1, [], thread, kind="thread")

    def grid(b, _index, _carried):
        shared = b.emit("alloc", (), {"type": BufferType(I64, (THREADS,), False, "shared")}).result
        threads(b, shared)
        return []

    kernel.loop(kernel.index(0), kernel.index(1), 1, [], grid, kind="grid", attributes={"extent": 1})
    kernel.emit("yield")
    builder = Builder(body)
    builder.emit("kernel", (), {"name": "block"}, [region])
    builder.emit("return")
    fn = Func("program", body, {}, "loops")
    verify(fn)
    return fn


def through_memory(*, with_barrier):
    def write(b, thread, shared):
        b.emit("store", [(thread * 10).value, shared, thread.value])
        if with_barrier:
            b.emit("barrier")
        return b.expr(b.emit("load", [shared, (b.index(THREADS - 1) - thread).value]).result)

    return block(write)


@pytest.mark.parametrize("seed", [None, 1, 2])
def test_a_barrier_makes_memory_seen(seed):
    (result,) = interpret(through_memory(with_barrier=True), seed=seed)
    assert np.array_equal(result, np.arange(THREADS)[::-1] * 10)


@pytest.mark.parametrize("seed", [None, 1, 2])
def test_a_missing_barrier_shows(seed):
    (result,) = interpret(through_memory(with_barrier=False), seed=seed)
    assert not np.array_equal(result, np.arange(THREADS)[::-1] * 10)


def test_exchanges_stay_in_their_group():
    def write(b, thread, _shared):
        down = b.expr(b.emit("exchange_down", [thread.value], {"distance": 16, "group": 32}).result)
        first = b.expr(b.emit("exchange_from", [thread.value], {"thread": 3, "group": 32}).result)
        return down * 100 + first

    (result,) = interpret(block(write), seed=3)
    t = np.arange(THREADS)
    assert np.array_equal(result, np.where(t % 32 < 16, t + 16, t) * 100 + t // 32 * 32 + 3)


def test_one_group_may_exchange_alone():
    def write(b, thread, _shared):
        def exchange(inner):
            return [
                inner.expr(inner.emit("exchange_from", [thread.value], {"thread": 0, "group": 32}).result)
            ]

        return b.branch(thread.lt(32), exchange, lambda inner: [inner.expr(thread.value)])[0]

    (result,) = interpret(block(write))
    assert np.array_equal(result, np.where(np.arange(THREADS) < 32, 0, np.arange(THREADS)))


@pytest.mark.parametrize("name", ["barrier", "exchange_from"])
def test_threads_that_wait_in_vain_are_reported(name):
    def write(b, thread, _shared):
        def meet(inner):
            if name == "barrier":
                inner.emit("barrier")
            else:
                inner.emit(name, [thread.value], {"thread": 0, "group": 32})
            return []

        b.branch(thread.lt(40), meet, lambda inner: [])
        return thread

    with pytest.raises(InternalError, match="wait at different places"):
        interpret(block(write))


def test_what_a_thread_raises_is_raised():
    def write(b, thread, _shared):
        b.emit("barrier")
        return b.expr(b.emit("load", [_shared, (thread + 1).value]).result)

    with pytest.raises(InternalError, match="accessed outside"):
        interpret(block(write))
