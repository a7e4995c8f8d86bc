"""The limits of the machine: a copy loop of a given footprint and a loop of multiply-adds, on threads.

Both are LLVM IR written here, so that they measure the machine and not our code generator. Each thread of
Python runs one loop; ctypes lets go of the GIL meanwhile.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from functools import cache
from time import perf_counter

import numpy as np

from weft.backends.cpu.link import LoadedObject, compile_text, load
from weft.backends.cpu.target import host_target, machine_of

SUMS, TRIALS, SECONDS = 10, 5, 0.02


def copy_seconds(footprint_bytes: int, threads: int) -> float:
    """How long it takes to read half of so many bytes and write the other half; best of a few trials."""
    count = max(64, footprint_bytes // 8 // threads // 64 * 64)  # float32 for each thread
    arrays = [(np.ones(count, np.float32), np.zeros(count, np.float32)) for _ in range(threads)]
    copy = _function("copy", ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)

    def work(thread: int, repeats: int) -> None:
        source, target = arrays[thread]
        copy(target.ctypes.data, source.ctypes.data, count, repeats)

    return _best(work, threads)


def flops_per_second(threads: int) -> float:
    """Float32 operations of multiply-adds on registers."""
    steps = 10_000
    multiply = _function("multiply", ctypes.c_int64)
    flops = 2 * SUMS * host_target().lanes(4) * steps * threads
    return flops / _best(lambda _thread, repeats: multiply(steps * repeats), threads)


def _best(work: Callable[[int, int], object], threads: int) -> float:
    """The shortest time of one repeat, all threads at once."""
    repeats, best = 1, float("inf")
    while True:
        seconds = _together(work, threads, repeats)
        if seconds > SECONDS / 4 or repeats > 1 << 24:
            break
        repeats *= 4
    for _ in range(TRIALS):
        best = min(best, _together(work, threads, repeats) / repeats)
    return best


def _together(work: Callable[[int, int], object], threads: int, repeats: int) -> float:
    """Seconds until all threads are through, from when all have begun."""
    barrier = threading.Barrier(threads)
    spans: list[tuple[float, float]] = []

    def body(thread: int) -> None:
        barrier.wait()
        began = perf_counter()
        work(thread, repeats)
        spans.append((began, perf_counter()))

    workers = [threading.Thread(target=body, args=(k,)) for k in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return max(end for _, end in spans) - min(began for began, _ in spans)


def _function(name: str, *kinds: object) -> Callable[..., int]:
    kind = ctypes.CFUNCTYPE(ctypes.c_int32, *kinds)  # pyright: ignore[reportArgumentType]
    return kind(_code().address(name))


@cache
def _code() -> LoadedObject:
    """The two loops."""
    lanes = host_target().lanes(4)
    return load(compile_text(_copy_text(lanes) + _multiply_text(lanes), machine_of(host_target())))


def _copy_text(lanes: int) -> str:
    """`copy(target, source, count, repeats)`: four vectors a step; count is a multiple of 64."""
    vector = f"<{lanes} x float>"
    moves = "\n".join(
        f"  %o{k} = add i64 %i, {k * lanes}\n"
        f"  %p{k} = getelementptr float, ptr %source, i64 %o{k}\n"
        f"  %v{k} = load {vector}, ptr %p{k}, align 4\n"
        f"  %q{k} = getelementptr float, ptr %target, i64 %o{k}\n  store {vector} %v{k}, ptr %q{k}, align 4"
        for k in range(4)
    )
    return f"""
define i32 @copy(ptr noalias %target, ptr noalias %source, i64 %count, i64 %repeats) {{
entry:
  br label %again
again:
  %r = phi i64 [ 0, %entry ], [ %r2, %done ]
  br label %loop
loop:
  %i = phi i64 [ 0, %again ], [ %i2, %loop ]
{moves}
  %i2 = add i64 %i, {4 * lanes}
  %more = icmp slt i64 %i2, %count
  br i1 %more, label %loop, label %done
done:
  call void asm sideeffect "", "~{{memory}}"()
  %r2 = add i64 %r, 1
  %left = icmp slt i64 %r2, %repeats
  br i1 %left, label %again, label %exit
exit:
  ret i32 0
}}
"""


def _multiply_text(lanes: int) -> str:
    """`multiply(steps)`: independent sums, each one multiply-add a step."""
    vector = f"<{lanes} x float>"
    register = "x" if host_target().architecture.startswith("x86") else "w"
    # a zero that LLVM does not know
    start = f'call {vector} asm sideeffect "", "={register},0"({vector} zeroinitializer)'
    phis = "\n".join(
        f"  %a{k} = phi {vector} [ zeroinitializer, %entry ], [ %b{k}, %loop ]" for k in range(SUMS)
    )
    call = f"call {vector} @llvm.fma.v{lanes}f32({vector} %x, {vector} %y, {vector}"
    adds = "\n".join(f"  %b{k} = {call} %a{k})" for k in range(SUMS))
    uses = "\n".join(f'  call void asm sideeffect "", "{register}"({vector} %b{k})' for k in range(SUMS))
    return f"""
declare {vector} @llvm.fma.v{lanes}f32({vector}, {vector}, {vector})
define i32 @multiply(i64 %steps) {{
entry:
  %x = {start}
  %y = {start}
  br label %loop
loop:
  %i = phi i64 [ 0, %entry ], [ %i2, %loop ]
{phis}
{adds}
  %i2 = add i64 %i, 1
  %more = icmp slt i64 %i2, %steps
  br i1 %more, label %loop, label %exit
exit:
{uses}
  ret i32 0
}}
"""
