"""`weft bench`: time Weft against NumPy and others in one run: same inputs, results checked first, in turn.

Each peer runs in a process of its own whose environment has no settings of numerical libraries left over from
the shell. Only one of them is busy at a time. Not here: rows, that process, limits, tables (`benchmark/`).
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import platform
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import numpy as np

import weft
from weft import config
from weft.cli.benchmark import limits, plot, report, worker
from weft.cli.benchmark.timing import Timing
from weft.ir import InternalError, UserError

PEERS = {"core": ("weft", "numpy"), "programs": ("weft", "numpy", "numba", "jax"),
         "train": ("weft", "torch", "torch_compile", "jax")}  # fmt: skip
SAMPLES = 7  # of each row and peer, in turn


class Process:
    """A peer's process."""

    def __init__(self, who: str, environment: dict[str, str]) -> None:
        self.who = who
        command = [sys.executable, "-m", "weft.cli.benchmark.worker", who]
        self.pipe = subprocess.Popen(
            command, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )

    def ask(self, **request: object) -> dict[str, Any]:
        """Send a request and wait for the answer."""
        assert self.pipe.stdin is not None
        assert self.pipe.stdout is not None
        self.pipe.stdin.write(json.dumps(request) + "\n")
        self.pipe.stdin.flush()
        answer = self.pipe.stdout.readline()
        if not answer:
            raise InternalError(f"the process of {self.who} ended with status {self.pipe.wait()}")
        return json.loads(answer)

    def __enter__(self) -> Process:
        """Give the process."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        self.pipe.communicate()


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `weft bench`."""
    parser.add_argument("--suite", default="core", help="the list of rows: core, programs, train")
    parser.add_argument("--rows", default="", metavar="NAME,NAME", help="only these rows")
    parser.add_argument(
        "--seconds", type=float, default=0.1, help="of each sample; there are 7 of each row and peer (0.1)"
    )
    parser.add_argument(
        "--threads", type=int, default=0, help="threads of every peer; default: the cores of this process"
    )
    parser.add_argument("--json", default="", metavar="FILE", help="write the results to a file")
    parser.add_argument(
        "--plot",
        nargs="?",
        const="bench.png",
        default="",
        metavar="FILE",
        help="draw the results (needs matplotlib)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Measure, print, write; return 1 if a result is wrong."""
    rows = choose_rows(arguments.suite, arguments.rows)
    if arguments.plot:
        plot.require()
    threads = arguments.threads or usable_cores()
    peers = installed_peers(arguments.suite)
    report.print_head(arguments.suite, threads, SAMPLES, peers, processor())
    timings: list[Timing] = []
    before = busy_seconds()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        environment = environment_of(threads, folder)
        processes = {who: stack.enter_context(Process(who, environment)) for who in peers}
        for row in rows:
            store_reference(row, folder)
            found = measure(row, arguments, threads, folder, processes)
            report.print_row(row, found)
            timings += found
    report.print_summary(rows, timings)
    others = share_of_others(before, busy_seconds())
    if others > 0.1:
        print(f"others kept {others:.0%} of the machine busy meanwhile: take the figures as rough")
    done = [t for t in timings if not t.failed]
    facts = {
        "machine": {**machine_facts(threads), "busy_with_others": round(others, 2)},
        "suite": arguments.suite,
        "rows": [t.as_json() for t in done],
    }
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(facts, indent=1) + "\n")
        print(f"written to {arguments.json}")
    if arguments.plot:
        plot.draw(facts, Path(arguments.plot))
        print(f"drawn in {arguments.plot}")
    limits_of = {row.name: row.tolerance for row in rows}
    ours = [t for t in timings if t.who in ("weft", "numpy")]
    return int(any(t.failed or t.error > limits_of[t.row] for t in ours))


def installed_peers(suite: str) -> list[str]:
    """The peers of a suite that can be imported; says which cannot."""
    found = [who for who in PEERS.get(suite, PEERS["core"]) if find_spec(who.partition("_")[0]) is not None]
    for who in PEERS.get(suite, PEERS["core"]):
        if who not in found:
            print(f"{who} is left out: it is not installed (pip install {who})")
    return found


def choose_rows(suite: str, names: str) -> list[Any]:
    """The rows of a suite that were asked for, all if none was."""
    suites = worker.suites()
    if suite not in suites:
        raise UserError(
            f"there is no suite {suite!r}", code="E003", fix=f"choose one of {', '.join(suites)}."
        )
    known = {row.name: row for row in suites[suite]()}
    chosen = [name.strip() for name in names.split(",") if name.strip()] or list(known)
    for name in chosen:
        if name not in known:
            raise UserError(
                f"suite {suite} has no row {name!r}", code="E003", fix=f"choose of {', '.join(known)}."
            )
    return [known[name] for name in chosen]


def usable_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def environment_of(threads: int, folder: Path) -> dict[str, str]:
    """The environment of every peer's process; the empty cache makes first calls compile."""
    number = str(threads)
    return {
        **config.clean_environment(), "OPENBLAS_NUM_THREADS": number, "OMP_NUM_THREADS": number,
        "WEFT_THREADS": number, "WEFT_CACHE_DIR": str(folder / "cache"),
        "TORCHINDUCTOR_CACHE_DIR": str(folder / "inductor"),
    }  # fmt: skip


def measure(
    row: Any, arguments: argparse.Namespace, threads: int, folder: Path, processes: dict[str, Process]
) -> list[Timing]:
    """All peers on one row, and the machine's limit for it."""
    timings = {who: Timing(row.name, who) for who in processes}
    for who, process in processes.items():
        _note(timings[who], process.ask(start=row.name, suite=arguments.suite, folder=str(folder)))
    running = [who for who in processes if not timings[who].failed]
    for _ in range(SAMPLES):
        for who in running:
            timings[who].samples.append(processes[who].ask(sample=arguments.seconds)["seconds"])
    limit_s = limit_of(row, threads)
    for timing in timings.values():
        timing.limit_s = limit_s
    return list(timings.values())


def _note(timing: Timing, answer: dict[str, Any]) -> None:
    """Note how a peer took up a row."""
    timing.failed = answer.get("failed", "")
    if not timing.failed:
        timing.first_s, timing.error = answer["first_s"], answer["error"]


def store_reference(row: Any, folder: Path) -> None:
    """Write the results of plain NumPy in float64 on the same inputs, for the peers to compare with."""
    wide = [a.astype(np.float64) if getattr(a, "dtype", None) == np.float32 else a for a in row.inputs()]
    given = copy.deepcopy(wide) if getattr(row, "writes", False) else wide
    results = worker.results_of(row.fn(*given))
    changed = [k for k, (a, b) in enumerate(zip(wide, given, strict=True)) if a is not b and _differ(a, b)]
    for number, result in enumerate([*results, *(given[k] for k in changed)]):
        np.save(folder / f"{number}.npy", result)
    (folder / "written.json").write_text(json.dumps(changed))


def _differ(a: Any, b: Any) -> bool:
    """Whether an argument was written."""
    return isinstance(a, np.ndarray) and not np.array_equal(cast(Any, a), b)


def limit_of(row: Any, threads: int) -> float | None:
    """The seconds that the machine's limits allow for a row, None where no limit is known."""
    if row.flops:
        return row.flops / limits.flops_per_second(threads)
    return limits.copy_seconds(row.bytes, threads) if row.bytes else None


def machine_facts(threads: int) -> dict[str, object]:
    """What the figures depend on."""
    return {
        "processor": processor(), "cores": usable_cores(), "threads": threads, "system": platform.platform(),
        "python": platform.python_version(), "numpy": np.__version__, "weft": weft.__version__,
        "multiply_add_gflops": round(limits.flops_per_second(threads) / 1e9, 1),
        "copy_gb_per_s": round((1 << 27) / limits.copy_seconds(1 << 27, threads) / 1e9, 1),
    }  # fmt: skip


def busy_seconds() -> tuple[float, float, float]:
    """Seconds of all cores together: on the clock, of anyone's work, of our processes that have ended."""
    file = Path("/proc/stat")
    if not file.exists():
        return 0.0, 0.0, 0.0
    ticks = [int(word) for word in file.read_text().split("\n", 1)[0].split()[1:9]]  # steal included
    second = os.sysconf("SC_CLK_TCK")
    ours = os.times()
    return sum(ticks) / second, (sum(ticks) - ticks[3] - ticks[4]) / second, sum(ours[:4])


def share_of_others(before: tuple[float, float, float], after: tuple[float, float, float]) -> float:
    """The share of the machine that other programs used between two readings."""
    clock, work, ours = (b - a for a, b in zip(before, after, strict=True))
    return max(0.0, (work - ours) / clock) if clock > 0 else 0.0


def processor() -> str:
    """The name of the processor."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")),
        platform.machine(),
    )
