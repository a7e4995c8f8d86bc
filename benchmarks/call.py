"""What a call costs.

The native entry against NumPy, in nanoseconds per call. Run as `python benchmarks/call.py`.
"""

import sys
import time
import timeit
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "runtime"))

import programs

from weft.backends.cpu import entry_type, link
from weft.backends.cpu.entry import build_entry, process_entries
from weft.runtime.signature import Symbol

REPEATS, SECONDS = 15, 0.01


def time_ns(statement: str, **names: object) -> float:
    """Nanoseconds per execution: the least of several repeats, since the machine is shared."""
    timer = timeit.Timer(statement, globals=names)
    number = max(1, int(SECONDS / max(timer.timeit(100) / 100, 1e-9)))
    return min(timer.repeat(REPEATS, number)) / number * 1e9


def rows() -> list[tuple[str, float]]:
    """Name and time of each row."""
    a, b = (np.random.default_rng(0).random(8, np.float32) for _ in range(2))
    x, y = (np.zeros((2, 4), np.float32) for _ in range(2))
    arrays = [a.copy() for _ in range(50)]
    short = programs.variant(programs.add_table(), "add", is_short=True)
    add = programs.entry(short)
    add_long = programs.entry(programs.variant(programs.add_table(), "add"))
    second = programs.entry(
        programs.variant(programs.add_table((Symbol(0), Symbol(1))), "nothing", is_short=True), short
    )
    many = programs.entry(programs.variant(programs.list_table(), "firsts", is_short=True))
    subclass = type("Compiled", (process_entries().type,), {})
    entry_type.inherit_vectorcall(subclass)
    method = programs.entry(short, type_=subclass)
    large = [np.zeros(1 << 20, np.float32) for _ in range(2)]
    return [
        ("np.add(a, b), f32[8]", time_ns("f(a, b)", f=np.add, a=a, b=b)),
        ("a + b by the entry, GIL kept", time_ns("f(a, b)", f=add, a=a, b=b)),
        ("a + b by the entry, GIL released", time_ns("f(a, b)", f=add_long, a=a, b=b)),
        ("a + b, instance of a Python subclass", time_ns("f(a, b)", f=method, a=a, b=b)),
        ("a + b, keyword arguments", time_ns("f(a=a, b=b)", f=add, a=a, b=b)),
        ("two variants in turn, two calls", time_ns("f(a, b); f(x, y)", f=second, a=a, b=b, x=x, y=y)),
        ("list of 50 arrays, one result", time_ns("f(xs)", f=many, xs=arrays)),
        ("miss: slow path in Python", time_ns("f(1)", f=add)),
        ("np.add, f32[1M]", time_ns("f(a, b)", f=np.add, a=large[0], b=large[1])),
        ("a + b by the entry, f32[1M] (scalar loop)", time_ns("f(a, b)", f=add_long, a=large[0], b=large[1])),
    ]


def latencies() -> list[tuple[str, float]]:
    """Name and milliseconds of what is done once per process, per version or per program."""
    start = time.perf_counter()
    link.host_machine()
    llvm = time.perf_counter()
    data = link.compile_text(programs.TEXT)
    compiled = time.perf_counter()
    link.load(data)
    loaded = time.perf_counter()
    entry = build_entry()
    built = time.perf_counter()
    link.load(entry, {name: 1 for name in _symbols(entry)})
    end = time.perf_counter()
    times = [start, llvm, compiled, loaded, built, end]
    names = [
        "load and start LLVM",
        "compile ten small programs",
        "load them",
        "build the entry",
        "load the entry",
    ]
    return [(name, (b - a) * 1e3) for name, a, b in zip(names, times[:-1], times[1:], strict=True)]


def _symbols(data: bytes) -> list[str]:
    from weft.backends.cpu.elf import read_object

    return [
        symbol.name
        for symbol in read_object(data).symbols
        if symbol.section == 0 and symbol.name.startswith("weft_")
    ]


if __name__ == "__main__":
    for name, milliseconds in latencies():
        print(f"{milliseconds:10.2f} ms  {name}")
    for name, nanoseconds in rows():
        print(f"{nanoseconds:10.0f} ns  {name}")
