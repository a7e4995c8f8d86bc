"""Times a warm prediction of one image: a library called from C, beside the function called from Python.

    python -m tests.export.warm_calls [mlp convnet lstm]

Both are measured in turn; what is printed is the least of 41 and the ratio. The library should take at most
1.1 of the compiled function's time.
"""

import ctypes
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import weft
from tests.export.models import MODELS

LOOP = r"""
#include <stdint.h>
#include <time.h>
static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return 1e9 * (double)t.tv_sec + (double)t.tv_nsec;
}
typedef int named_function(void *, void *, void *, int64_t, void *);
typedef int fixed_function(void *, void *, void *, void *);
double named(named_function *f, void *s, void *a, void *x, void *y, int count) {
    double start = now();
    for (int k = 0; k < count; k++) if (f(s, a, x, 1, y)) return -1;
    return (now() - start) / count;
}
double fixed(fixed_function *f, void *s, void *a, void *x, void *y, int count) {
    double start = now();
    for (int k = 0; k < count; k++) if (f(s, a, x, y)) return -1;
    return (now() - start) / count;
}
"""


def pointer(array):
    return ctypes.c_void_p(None if array is None else array.ctypes.data)


def measure(name, kind, folder, loop):
    """Nanoseconds from C and from Python."""
    functions, _, (specs, data) = MODELS[name]()
    predict, x = functions["predict"], np.ascontiguousarray(data[0][:1])
    spec = specs[0] if kind == "named" else specs[0].replace("[n", "[1")
    predict.prepare(spec)
    wanted = predict(x)
    library = weft.load_library(
        weft.export(predict, [spec], folder / f"lib{name}_{kind}.so", name="net").library
    )
    assert library(x).tobytes() == wanted.tobytes()
    code, arena, out = (
        library._code,
        library.arena("net", [1] if kind == "named" else []),
        np.empty_like(wanted),
    )
    timed = getattr(loop, kind)
    timed.restype = ctypes.c_double
    passed = [ctypes.cast(code["net"], ctypes.c_void_p), *map(pointer, (library._state, arena, x, out))]
    count = 100 if name == "convnet" else 1000
    for _ in range(300):
        predict(x)
    time.sleep(1)  # the native entry is built meanwhile
    from_c, from_python = [], []
    for _ in range(41):
        from_c.append(timed(*passed, count))
        start = time.perf_counter_ns()
        for _ in range(count):
            predict(x)
        from_python.append((time.perf_counter_ns() - start) / count)
    return min(from_c), min(from_python)


def main():
    """Measure the models that the command line names."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "loop.c").write_text(LOOP)
        words = ["cc", "-O2", "-shared", "-fPIC", folder / "loop.c", "-o", folder / "loop.so"]
        subprocess.run(words, check=True)
        loop = ctypes.CDLL(str(folder / "loop.so"))
        for name in sys.argv[1:] or ("mlp", "convnet", "lstm"):
            for kind in ("fixed", "named"):
                c, python = measure(name, kind, folder, loop)
                sys.stdout.write(
                    f"{name:8} {kind} size: C {c:7.0f} ns, Python {python:7.0f} ns, {c / python:.2f}\n"
                )
                sys.stdout.flush()


if __name__ == "__main__":
    main()
