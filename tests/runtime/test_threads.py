"""The thread pool: every index runs once, whatever the number of threads, callers, nesting and forks."""

import ctypes
import os
import threading

import numpy as np
import pytest

from weft.backends.cpu import link
from weft.backends.cpu.threads import pool_text, process_pool

# inc: counts index i in its own cache line. nest: a parallel loop inside a parallel loop; env =
# {parallel_for, counters}.
TEXT = """
define i64 @inc(i64 %env, i64 %i) {
  %o = mul i64 %i, 64
  %a = add i64 %env, %o
  %p = inttoptr i64 %a to ptr
  %v = load i64, ptr %p
  %w = add i64 %v, 1
  store i64 %w, ptr %p
  ret i64 0
}
define i64 @nest(ptr %env, i64 %i) {
  %f = load ptr, ptr %env
  %q = getelementptr i64, ptr %env, i64 1
  %c = load i64, ptr %q
  %o = mul i64 %i, 512
  %a = add i64 %c, %o
  %x = call i64 %f(ptr @inc, i64 %a, i64 8)
  ret i64 0
}
define void @many(ptr %for, i64 %reps, i64 %env, i64 %n) {
entry:
  br label %l
l:
  %k = phi i64 [0, %entry], [%k1, %l]
  %x = call i64 %for(ptr @inc, i64 %env, i64 %n)
  %k1 = add i64 %k, 1
  %c = icmp slt i64 %k1, %reps
  br i1 %c, label %l, label %d
d:
  ret void
}
"""


@pytest.fixture(scope="module")
def code():
    return link.load(link.compile_text(TEXT))


@pytest.fixture
def pool():
    pool = process_pool()
    yield pool
    pool.configure(2)


def counters(count):
    return np.zeros((count, 8), np.int64)


@pytest.mark.parametrize("threads", [1, 2, 3, 4])
@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 64])
def test_each_index_runs_once(pool, code, threads, count):
    pool.configure(threads)
    seen = counters(count + 1)
    for _ in range(50):
        pool.run(code.address("inc"), seen.ctypes.data, count)
    assert (seen[:count, 0] == 50).all()
    assert (seen[count] == 0).all()


@pytest.mark.parametrize(("spins", "pinned"), [(0, True), (20_000, False)])
def test_many_short_loops(pool, code, spins, pinned):
    pool.configure(3, spins=spins, is_pinned=pinned)
    many = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 4)(code.address("many"))
    seen = counters(16)
    many(pool.parallel_for, 2000, seen.ctypes.data, 16)
    assert (seen[:, 0] == 2000).all()


def test_nested_loops_run_serially(pool, code):
    pool.configure(2)
    seen = counters(64)
    env = np.array([pool.parallel_for, seen.ctypes.data])
    pool.run(code.address("nest"), env.ctypes.data, 8)
    assert (seen[:, 0] == 1).all()


def test_concurrent_callers(pool, code):
    pool.configure(2)
    all_seen = [counters(8) for _ in range(4)]

    def call(seen):
        for _ in range(300):
            pool.run(code.address("inc"), seen.ctypes.data, 8)

    threads = [threading.Thread(target=call, args=(seen,)) for seen in all_seen]
    [t.start() for t in threads]
    for n in (3, 1, 2):
        pool.configure(n)  # also while others call
    [t.join() for t in threads]
    assert all((seen[:, 0] == 300).all() for seen in all_seen)


def test_pool_is_rebuilt_after_fork(pool, code):
    pool.configure(2)
    seen = counters(8)
    pool.run(code.address("inc"), seen.ctypes.data, 8)
    child = os.fork()
    if child == 0:
        pool.run(code.address("inc"), seen.ctypes.data, 8)
        started = len(os.listdir("/proc/self/task")) == 2
        os._exit(0 if started and (seen[:, 0] == 2).all() else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_text_for_aarch64():
    machine = link.Machine("aarch64-unknown-linux-gnu")
    listing = link.assembly(pool_text("aarch64"), machine)
    assert "isb" in listing
    assert "#98" in listing
    assert link.compile_text(pool_text("aarch64"), machine)[:4] == b"\x7fELF"
