"""The process of one peer: reads a line of JSON for each thing to do, answers with one line of JSON.

    {"start": row, "suite": name, "folder": path}   load the row, call it once, check -> {"first_s", "error"}
    {"sample": seconds}              the seconds of one call, over a run of about so long -> {"seconds"}

Not here: who is asked when (`bench.py`). A peer is one line of `PEERS`.
"""

from __future__ import annotations

import copy
import json
import sys
import timeit
import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from time import perf_counter
from types import ModuleType
from typing import Any, cast

import numpy as np

from weft import config
from weft.cli.benchmark import programs
from weft.cli.files import load_file

ROWS = Path(__file__).parent / "rows.py"
TRAINING = Path(__file__).parent / "training.py"


def load_rows() -> ModuleType:
    """The module of rows, as a user's file."""
    return load_file(ROWS, "rows")


def suites() -> dict[str, Callable[[], Sequence[Any]]]:
    """From the name of a suite to what loads its rows."""
    named: dict[str, Sequence[Any]] = load_rows().SUITES
    return {
        **{name: (lambda rows=rows: rows) for name, rows in named.items()},
        "programs": programs.load_programs,
        "train": lambda: load_file(TRAINING, "training").TRAIN,
    }


def _compiled(fn: Callable[..., Any]) -> Callable[..., Any]:
    import weft

    return weft.compile(fn)


def _load_weft() -> None:
    """Load compiler, LLVM and native entry: first calls are those of a process that compiled before."""
    from weft.api import compiled_class

    _compiled(load_rows().add)(np.ones(3), np.ones(3))
    _, entries = compiled_class()
    entries.settle()


def _weft(row: Any) -> Callable[..., Any]:
    return row.weft() if hasattr(row, "parameters") else _compiled(row.fn)


def _torch(row: Any, *, compiled: bool = False) -> Callable[..., Any]:
    threads = int(config.environment_with().get("OMP_NUM_THREADS", "1"))
    return import_module("weft.cli.benchmark.training_torch").step_of(row, threads, compiled=compiled)


def _jax(row: Any) -> Callable[..., Any]:
    if not hasattr(row, "parameters"):
        return programs.with_jax(row)
    return import_module("weft.cli.benchmark.training_jax").step_of(row)


PEERS: dict[str, Callable[[Any], Callable[..., Any]]] = {
    "weft": _weft,
    "numpy": lambda row: row.fn,
    "numba": programs.with_numba,
    "jax": _jax,
    "torch": _torch,
    "torch_compile": lambda row: _torch(row, compiled=True),
}
"""From the name of a peer to what makes its version of a row."""


class Peer:
    """One row at a time in this process."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.make = PEERS[name]
        self.fresh: Callable[[], list[Any]] | None = None  # makes arguments where a row writes to its own
        self.fn: Callable[..., Any] = lambda: None
        self.timer = timeit.Timer()
        self.estimate_s = 0.0
        if name == "weft":
            _load_weft()

    def start(self, name: str, suite: str, folder: str) -> dict[str, float]:
        """Take up a row: the seconds of its first call and the error of the result."""
        self.timer = timeit.Timer()  # lets go of the last row's arrays
        row = next(r for r in suites()[suite]() if r.name == name)
        arguments = row.inputs()
        trains = hasattr(row, "parameters")
        if self.name == "jax" and not trains:
            arguments = programs.for_jax(arguments)
        written: list[int] = []
        if self.name != "jax":  # its versions return what others write
            written = json.loads((Path(folder) / "written.json").read_text())
        fn = self.fn = self.make(row)
        given = _with_copies(arguments, written)
        began = perf_counter()
        result = fn(*given)
        first_s = perf_counter() - began
        if trains:  # the losses of the first steps are compared
            steps = load_file(TRAINING, "training").STEPS
            result = np.array([float(result), *(float(fn(*given)) for _ in range(steps - 1))])
        values = [*results_of(result), *(np.asarray(given[k]) for k in written)]
        error = difference(row.error, values, Path(folder))
        self.fresh = (lambda: _with_copies(arguments, written)) if written else None
        if self.fresh is not None:
            self.estimate_s = self._fresh_call()
            return {"first_s": first_s, "error": error}
        names = {f"a{k}": value for k, value in enumerate(arguments)}
        self.timer = timeit.Timer(f"f({', '.join(names)})", globals={"f": fn, **names})
        del result
        self.timer.timeit(1)
        self.estimate_s = self.timer.timeit(1)
        return {"first_s": first_s, "error": error}

    def sample(self, seconds: float) -> dict[str, float]:
        """The time of one call, of as many as fit into `seconds`."""
        count = max(1, int(seconds / max(self.estimate_s, 1e-8)))
        if self.fresh is not None:
            self.estimate_s = sum(self._fresh_call() for _ in range(count)) / count
            return {"seconds": self.estimate_s}
        self.estimate_s = self.timer.timeit(count) / count
        return {"seconds": self.estimate_s}

    def _fresh_call(self) -> float:
        """Seconds of one call with arguments as they were before the first."""
        assert self.fresh is not None
        arguments = self.fresh()
        began = perf_counter()
        self.fn(*arguments)
        return perf_counter() - began


def _with_copies(arguments: Sequence[Any], written: Sequence[int]) -> list[Any]:
    """The arguments, those that are written as copies."""
    return [copy.deepcopy(a) if k in written else a for k, a in enumerate(arguments)]


def results_of(value: Any) -> list[np.ndarray[Any, Any]]:
    """The arrays of a result."""
    items = cast(tuple[Any, ...], value if isinstance(value, tuple) else (value,))
    return [np.asarray(item) for item in items]


def difference(kind: str, values: Sequence[np.ndarray[Any, Any]], folder: Path) -> float:
    """How far results are from the reference: beside the largest element, or the share that differs.

    Of "mixed" results, floats and complex numbers are compared in the first way, all others in the second.
    """
    worst = 0.0
    for number, got in enumerate(values):
        wanted: np.ndarray[Any, Any] = np.load(folder / f"{number}.npy")
        if got.shape != wanted.shape:
            return float("inf")
        exact = kind == "fraction" or (kind == "mixed" and wanted.dtype.kind not in "fc")
        far = float(np.mean(np.not_equal(got, wanted))) if exact else _relative(got, wanted)
        worst = max(worst, far)
    return worst


def _relative(got: np.ndarray[Any, Any], wanted: np.ndarray[Any, Any]) -> float:
    known = np.not_equal(got, wanted)  # infinities that are equal have no distance
    distance: np.ndarray[Any, Any] = np.abs(got[known] - wanted[known])
    far = float(np.max(distance, initial=0)) / float(
        np.max(np.abs(wanted[np.isfinite(wanted)]), initial=1e-300)
    )
    return far if far == far else float("inf")  # NaN is as wrong as can be


def main(name: str) -> None:
    """Answer until the input ends."""
    warnings.simplefilter("ignore")  # of peers about their own ways
    peer, answers = Peer(name), sys.stdout
    sys.stdout = sys.stderr  # what a row prints is no answer
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if "start" in request:
                answer: dict[str, Any] = peer.start(request["start"], request["suite"], request["folder"])
            else:
                answer = peer.sample(request["sample"])
        except Exception as error:
            answer = {"failed": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
