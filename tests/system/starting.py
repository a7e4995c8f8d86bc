"""Measures what a fresh process pays: `import weft`, first results, warm calls.

For tests and benchmarks/start.py.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

START = """
import json, sys, time
begun = time.perf_counter(), time.process_time()
import numpy as np
report = {"numpy": [time.perf_counter() - begun[0], time.process_time() - begun[1]]}
def timed(name, run):
    start, cpu = time.perf_counter(), time.process_time()
    result = run()
    report[name] = [time.perf_counter() - start, time.process_time() - cpu]
    return result
def softmax(x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)
x, y = (np.linspace(-1, 1, n * 100, dtype=np.float32).reshape(n, 100) for n in (8, 9))
expected = [softmax(x), softmax(y)]
def first():
    global f
    f = weft.compile(softmax)
    return f(x)
def load():
    global weft
    import weft
timed("import", load)
report["loaded by import"] = list(sys.modules)
results = [timed("first", first), timed("second", lambda: f(y))]
report["loaded by results"] = list(sys.modules)
assert all(np.allclose(a, b) for a, b in zip(results, expected)) and f.stats()["compiles"] == 2
print(json.dumps(report))
"""

CALLS = """
import json, timeit
import numpy as np
import weft
from weft.api import compiled_class
add = weft.compile(lambda a, b: a + b)
ends = weft.compile(lambda xs: xs[0] + xs[49])
sums = weft.compile(lambda a, b: a + b)
a, b = (np.linspace(0, k, 8, dtype=np.float32) for k in (1, 2))
arrays = [a.copy() for _ in range(50)]
add(a, b), ends(arrays)
for n in (7, 9):
    sums(np.zeros(n, np.float32), np.zeros(n, np.float32))
compiled_class()[1].settle()
rows = {
    "np.add(a, b), f32[8]": ("f(a, b)", np.add), "a + b, f32[8]": ("f(a, b)", add),
    "a + b, f32[n]": ("f(a, b)", sums),
    "a list of 50 f32[8]": ("f(arrays)", ends), "np.empty(8, f32)": ("f(8, a.dtype)", np.empty),
}
best = {}
for _ in range(40):
    for name, (text, f) in rows.items():
        names = {"f": f, "a": a, "b": b, "arrays": arrays}
        best[name] = min(timeit.timeit(text, globals=names, number=10000) / 10000, best.get(name, 1))
print(json.dumps(best))
"""


def run(code: str, cache: str) -> dict[str, object]:
    """What `code` prints in a new process, whose modules may be kept as bytecode."""
    environment = {**os.environ, "WEFT_CACHE_DIR": cache, "PYTHONPATH": os.pathsep.join(sys.path)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment
    )
    return json.loads(done.stdout)


def starts(count: int) -> dict[str, list[dict[str, object]]]:
    """Reports of processes with an empty cache ("cold") and with the cache of one before ("warm")."""
    reports: dict[str, list[dict[str, object]]] = {"cold": [], "warm": []}
    for _ in range(count):
        with tempfile.TemporaryDirectory() as folder:
            for kind in reports:
                reports[kind].append(run(START, str(Path(folder) / "cache")))
    return reports


def best(reports: list[dict[str, object]], name: str, clock: int) -> float:
    """The least seconds of a row; clock 0 is the wall's, 1 the processor's."""
    return min(report[name][clock] for report in reports)
