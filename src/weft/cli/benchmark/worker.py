"""The process of one peer: reads a line of JSON for each thing to do, answers with one line of JSON.

    {"start": row, "folder": path}   load the row, call it once, check -> {"first_s", "error"}
    {"sample": seconds}              the seconds of one call, over a run of about so long -> {"seconds"}

Not here: who is asked when (`bench.py`). A peer is one line of `PEERS`.
"""

from __future__ import annotations

import json
import sys
import timeit
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from types import ModuleType
from typing import Any, cast

import numpy as np

from weft.cli.files import load_file

ROWS = Path(__file__).parent / "rows.py"


def load_rows() -> ModuleType:
    """The module of rows, as a user's file."""
    return load_file(ROWS, "rows")


def _compiled(fn: Callable[..., Any]) -> Callable[..., Any]:
    import weft

    return weft.compile(fn)


def _load_weft() -> None:
    """Load compiler, LLVM and native entry: first calls are those of a process that compiled before."""
    from weft.api import compiled_class

    _compiled(load_rows().add)(np.ones(3), np.ones(3))
    _, entries = compiled_class()
    entries.settle()


PEERS: dict[str, Callable[[Callable[..., Any]], Callable[..., Any]]] = {
    "weft": _compiled,
    "numpy": lambda fn: fn,
}
"""From the name of a peer to what makes its version of a NumPy function."""


class Peer:
    """One row at a time in this process."""

    def __init__(self, name: str) -> None:
        self.make = PEERS[name]
        self.rows = load_rows()
        self.call: Callable[[], object] = lambda: None
        self.timer = timeit.Timer()
        self.estimate_s = 0.0
        if name == "weft":
            _load_weft()

    def start(self, name: str, suite: str, folder: str) -> dict[str, float]:
        """Take up a row: the seconds of its first call and the error of the result."""
        self.timer = timeit.Timer()  # lets go of the last row's arrays
        row = next(r for r in self.rows.SUITES[suite] if r.name == name)
        arguments = row.inputs()
        fn = self.make(row.fn)
        began = perf_counter()
        result = fn(*arguments)
        first_s = perf_counter() - began
        error = difference(row.error, result, Path(folder))
        names = {f"a{k}": value for k, value in enumerate(arguments)}
        self.timer = timeit.Timer(f"f({', '.join(names)})", globals={"f": fn, **names})
        del result
        self.timer.timeit(1)
        self.estimate_s = self.timer.timeit(1)
        return {"first_s": first_s, "error": error}

    def sample(self, seconds: float) -> dict[str, float]:
        """The time of one call, of as many as fit into `seconds`."""
        count = max(1, int(seconds / max(self.estimate_s, 1e-8)))
        self.estimate_s = self.timer.timeit(count) / count
        return {"seconds": self.estimate_s}


def results_of(value: Any) -> list[np.ndarray[Any, Any]]:
    """The arrays of a result."""
    items = cast(tuple[Any, ...], value if isinstance(value, tuple) else (value,))
    return [np.asarray(item) for item in items]


def difference(kind: str, result: Any, folder: Path) -> float:
    """How far a result is from the reference: beside its largest element, or the share that differs."""
    worst = 0.0
    for number, got in enumerate(results_of(result)):
        wanted: np.ndarray[Any, Any] = np.load(folder / f"{number}.npy")
        if got.shape != wanted.shape:
            return float("inf")
        far = float(np.mean(np.not_equal(got, wanted))) if kind == "fraction" else _relative(got, wanted)
        worst = max(worst, far)
    return worst


def _relative(got: np.ndarray[Any, Any], wanted: np.ndarray[Any, Any]) -> float:
    distance: np.ndarray[Any, Any] = np.abs(got - wanted)
    far = float(np.max(distance)) / float(np.max(np.abs(wanted)))
    return far if far == far else float("inf")  # NaN is as wrong as can be


def main(name: str) -> None:
    """Answer until the input ends."""
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
