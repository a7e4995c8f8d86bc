"""First result of each function of the surface, with nothing cached.

`python -m tests.surface.first_calls [NAME...] [--seed S] [--limit 0.25]` makes calls of `tests.surface`. It
prints the slowest, then how many take longer than the limit: seconds of the processor (and of the clock).
Compiler and LLVM are loaded before. Not here: warm calls, imports (`benchmarks`).
"""

import argparse
import os
import tempfile
import threading
import time

os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp()  # before Weft is loaded

import numpy as np

import weft
from tests.surface.check import bound
from tests.surface.samples import Maker
from tests.surface.table import CALLS


def settle() -> None:
    """Wait until what is compiled beside the first calls, native entries, is done: it takes processor time."""
    while any(thread.name == "weft-later" for thread in threading.enumerate()):
        time.sleep(0.02)


def first_call(name: str, seed: int) -> tuple[float, float, str] | None:
    """Seconds of the processor, of the clock, and what was given; None if it raises."""
    fn, generate = CALLS[name]
    args, kwargs = generate(Maker(seed, 0, sum(map(ord, name))))
    call, arrays = bound(fn, args, kwargs)
    settle()
    compiled, clock, processor = weft.compile(call), time.perf_counter(), time.process_time()
    try:
        compiled(*arrays)
    except Exception:
        return None
    times = time.process_time() - processor, time.perf_counter() - clock
    return *times, " ".join(f"{a.dtype}{list(a.shape)}" for a in arrays) + f" {kwargs or ''}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=float, default=0.25)
    options = parser.parse_args()
    for warm in (np.ones(3), np.ones((2, 2), complex)):
        weft.compile(lambda x: np.sort(np.exp(x).ravel() + 1))(warm)
    settle()
    found = [
        (times, name)
        for name in options.names or CALLS
        if (times := first_call(name, options.seed)) is not None
    ]
    found.sort(key=lambda row: row[0][0], reverse=True)
    for (processor, clock, given), name in found[:40]:
        print(f"{name:28} {processor:6.3f} ({clock:6.3f})  {given[:120]}")
    over = sum(times[0] > options.limit for times, _ in found)
    middle = found[len(found) // 2][0][0]
    print(f"{len(found)} first calls, {over} over {options.limit} s, in the middle {middle:.3f} s")


if __name__ == "__main__":
    main()
