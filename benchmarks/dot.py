"""Matrix products against NumPy and this machine's peak: GFLOP/s, for each version that is asked for.

    python benchmarks/dot.py [--threads N] [--sizes 64,256,8x1024x1024] [--versions dot,small,packed]

A size is one number, or MxKxN. All run in turn in this process, the best of several rounds counts; with one
thread the clock is that of the thread, so that a busy machine disturbs less. Results are compared with
float64. The peak is a loop of independent fma.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

for _name in [n for n in os.environ if n.startswith(("OPENBLAS_", "MKL_", "OMP_"))]:
    del os.environ[_name]
_THREADS = next((b for a, b in zip(sys.argv, sys.argv[1:], strict=False) if a == "--threads"), "1")
os.environ["OPENBLAS_NUM_THREADS"] = _THREADS  # read when NumPy is loaded
sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "schedule"))

import numpy as np  # noqa: E402
from kernels import Compiled  # noqa: E402

from weft.backends.cpu.target import host_target  # noqa: E402
from weft.backends.cpu.threads import process_pool  # noqa: E402
from weft.compiler.passes.lower_tensor import SCHEDULES  # noqa: E402
from weft.compiler.schedule.dot import VERSIONS, lower_dot  # noqa: E402
from weft.ir.expr import Expr, fma  # noqa: E402
from weft.ir.types import DTYPES, DType, VectorType, tensor  # noqa: E402

ROUNDS, REPEATS, ROUND_SECONDS = 5, 4, 0.02
PEAK_STEPS = 20_000

for _version in VERSIONS:
    SCHEDULES[_version] = lambda kernel, builder, version=_version: lower_dot(kernel, builder, version)


def clock() -> float:
    """Seconds: of this thread if it is the only one."""
    return time.thread_time() if _THREADS == "1" else time.perf_counter()


def best_seconds(run: Callable[[], object], estimate_s: float) -> float:
    """The shortest time of one run."""
    count = max(1, int(ROUND_SECONDS / REPEATS / estimate_s))
    best = 1e9
    for _ in range(REPEATS):
        began = clock()
        for _ in range(count):
            run()
        best = min(best, (clock() - began) / count)
    return best


def peak_program(dtype: DType) -> tuple[Callable[[], object], float]:
    """A loop that only multiplies and adds, and its flops."""
    lanes, sums = host_target().lanes(dtype.size_bytes), 12

    def write(kernel: object, builder: object) -> None:
        entry = kernel.inputs[0].buffer  # type: ignore[attr-defined]
        first = builder.expr(
            builder.emit("load", [entry, builder.index(0).value], {"lanes": lanes, "stride": 1}).result
        )  # type: ignore[attr-defined]
        zero = builder.constant(0.0, VectorType(dtype, lanes))  # type: ignore[attr-defined]

        def step(inner: object, _index: Expr, carried: list[Expr]) -> list[Expr]:
            here = Expr(inner, first.value)  # type: ignore[arg-type]
            return [fma(here, here, c) for c in carried]

        totals = builder.loop(builder.index(0), builder.index(PEAK_STEPS), 1, [zero] * sums, step)  # type: ignore[attr-defined]
        for number, total in enumerate(totals):
            place = builder.index(number * lanes)  # type: ignore[attr-defined]
            builder.emit("store", [total.value, kernel.roots[0].buffer, place.value], {"stride": 1})  # type: ignore[attr-defined]

    SCHEDULES["peak"] = write  # type: ignore[assignment]
    program = Compiled([tensor(dtype, sums * lanes)], lambda x: -x, "peak")
    run, _ = program.prepare(np.full(sums * lanes, 0.5, dtype.numpy), pool=False)
    return run, PEAK_STEPS * sums * lanes * 2.0


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--sizes", default="16,64,128,256,512,1024")
    parser.add_argument("--versions", default="dot")
    parser.add_argument("--dtype", default="f32")
    parser.add_argument("--turned", action="store_true", help="the right operand is a transpose")
    parser.add_argument("--json")
    options = parser.parse_args()
    process_pool().configure(options.threads)
    dtype = DTYPES[options.dtype]
    peak, peak_flops = peak_program(dtype)
    rows: list[dict[str, object]] = []
    for text in options.sizes.split(","):
        m, k, n = map(int, text.split("x")) if "x" in text else (int(text),) * 3
        rows += measure(options, dtype, (m, k, n), lambda: peak_flops / best_seconds(peak, 2e-3) / 1e9)
    if options.json:
        Path(options.json).write_text(
            json.dumps({"suite": "dot", "threads": options.threads, "rows": rows}, indent=1)
        )


def measure(
    options: argparse.Namespace, dtype: DType, size: tuple[int, int, int], peak: Callable[[], float]
) -> list[dict[str, object]]:
    """All versions and NumPy at one size."""
    m, k, n = size
    rng, flops = np.random.default_rng(0), 2.0 * m * n * k
    a = (rng.normal(size=(m, k)) * 4).astype(dtype.numpy)
    b = (rng.normal(size=(n, k) if options.turned else (k, n)) * 4).astype(dtype.numpy)
    right = b.T if options.turned else b
    expected = a.astype(np.float64) @ right.astype(np.float64)

    def product(x: Expr, y: Expr) -> Expr:
        turned = (
            y.builder.expr(y.builder.emit("transpose", [y.value], {"axes": (1, 0)}).result)
            if options.turned
            else y
        )
        return x.apply("dot", turned)

    runs: dict[str, Callable[[], object]] = {}
    seconds: dict[str, float] = {}
    about: dict[str, tuple[float, float]] = {}
    for version in options.versions.split(","):
        program = Compiled([tensor(dtype, m, k), tensor(dtype, *b.shape)], product, version)
        run, results = program.prepare(a, b)
        run()
        about[version] = program.compile_s, float(np.abs(results[0] - expected).max())
        runs[version] = run
    out = np.empty((m, n), dtype.numpy)
    runs["numpy"] = lambda: np.matmul(a, right, out=out)
    highest = 0.0
    for _ in range(ROUNDS):
        highest = max(highest, peak())
        for name, run in runs.items():
            seconds[name] = min(seconds.get(name, 1e9), best_seconds(run, flops / 5e10 + 1e-6))
    highest *= options.threads
    line = "  ".join(f"{name} {flops / s / 1e9:6.1f}" for name, s in seconds.items())
    facts = "  ".join(
        f"{name}: compiled in {c * 1e3:.0f} ms, error {e:.1e}" for name, (c, e) in about.items()
    )
    print(f"{m}x{k}x{n} {dtype}  peak {highest:6.1f}  {line}  GFLOP/s  {facts}", flush=True)
    return [
        {"row": f"{m}x{k}x{n}", "who": name, "median_s": s, "limit_share": flops / s / 1e9 / highest}
        for name, s in seconds.items()
    ]


if __name__ == "__main__":
    main()
