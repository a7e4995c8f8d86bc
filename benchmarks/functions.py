"""Each NumPy function at 100 000 elements, compiled and plain, in turn: `python benchmarks/functions.py [NAME...]`.

One thread each. Prints the slowest first: least times of the processor, NumPy's over ours, the time of the first call. Not here: programs
(`weft bench`).
"""

import os

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "WEFT_THREADS"):
    os.environ[_name] = "1"

import inspect
import sys
import time
import warnings

import numpy as np

import weft

N = 100_000
RNG = np.random.default_rng(0)
X = RNG.normal(size=N)
Y = RNG.normal(size=N) + 3
F = X.astype(np.float32)
I = RNG.integers(0, 1000, N)
M = X[: 300 * 300].reshape(300, 300)
W = X.reshape(25_000, 4)
S = M @ M.T + 300 * np.eye(300)
B = X > 0
SORTED = np.sort(X)
EDGES = np.linspace(-3, 3, 65)

CASES = {
    name: (getattr(np, name), (X,))
    for name in (
        "sum prod max min mean var std median ptp all any argmax argmin cumsum cumprod diff gradient sort argsort unique "
        "nansum nanmax nanmean nanstd nanmedian count_nonzero ravel flip nonzero sinc nan_to_num trapezoid ediff1d round "
        "exp log1p sin cos tan arctan tanh sqrt cbrt absolute sign floor rint isnan square reciprocal exp2 expm1 unwrap"
    ).split()
}
CASES |= {
    name: (getattr(np, name), (X, Y))
    for name in "add multiply divide maximum arctan2 hypot power fmod remainder floor_divide dot vdot logaddexp isclose allclose".split()
}
CASES |= {
    "sort f4": (np.sort, (F,)), "sort i8": (np.sort, (I,)), "argsort f4": (np.argsort, (F,)), "sort rows": (lambda a: np.sort(a, -1), (M,)),
    "sort sorted": (np.sort, (SORTED,)), "unique i8": (np.unique, (I,)), "unique inverse": (lambda a: np.unique(a, return_inverse=True), (I,)),
    "partition": (lambda a: np.partition(a, 50_000), (X,)), "argpartition": (lambda a: np.argpartition(a, 50_000), (X,)),
    "percentile": (lambda a: np.percentile(a, [25, 75]), (X,)), "median rows": (lambda a: np.median(a, axis=1), (M,)),
    "searchsorted": (np.searchsorted, (SORTED, Y)), "searchsorted small": (np.searchsorted, (EDGES, Y)), "digitize": (np.digitize, (X, EDGES)),
    "histogram": (lambda a: np.histogram(a, 64), (X,)), "histogram edges": (lambda a: np.histogram(a, EDGES), (X,)),
    "bincount": (lambda a: np.bincount(a, minlength=1000), (I,)), "bincount weights": (lambda a, w: np.bincount(a, w, 1000), (I, X)),
    "histogram2d": (lambda a, b: np.histogram2d(a, b, 16), (X, Y)), "interp": (lambda a: np.interp(a, EDGES, EDGES**2), (X,)),
    "convolve 9": (np.convolve, (X, X[:9])), "convolve 200": (np.convolve, (X, X[:200])), "correlate": (np.correlate, (X, X[:50])),
    "transpose": (lambda a: a.T.copy(), (M,)), "transpose thin": (lambda a: a.T.copy(), (W,)), "transpose thin back": (lambda a: a.T.copy(), (W.T.copy(),)),
    "take": (np.take, (X, I)), "mask": (lambda a, m: a[m], (X, B)), "where": (np.where, (B, X, Y)), "compress": (np.compress, (B, X)),
    "gather rows": (lambda a, i: a[i % 300], (M, I[:300])), "scatter": (lambda a, i: np.add.at(a, i, 1.0), (X.copy(), I)),
    "concatenate": (lambda a, b: np.concatenate([a, b]), (X, Y)), "stack last": (lambda a, b: np.stack([a, b], -1), (X, Y)),
    "repeat": (lambda a: np.repeat(a, 3), (X,)), "tile": (lambda a: np.tile(a, 3), (X,)), "roll": (lambda a: np.roll(a, 7), (X,)),
    "pad": (lambda a: np.pad(a, 3, mode="reflect"), (M,)), "rot90": (lambda a: np.rot90(a).copy(), (M,)), "tril": (np.tril, (M,)),
    "sum axis 0": (lambda a: a.sum(0), (M,)), "sum thin": (lambda a: a.sum(1), (W,)), "cumsum axis 0": (lambda a: np.cumsum(a, 0), (M,)),
    "argmax axis 0": (lambda a: a.argmax(0), (M,)), "clip": (lambda a: np.clip(a, -1, 1), (X,)), "isin": (np.isin, (I, I[:100])),
    "union1d": (np.union1d, (I, I + 5)), "intersect1d": (np.intersect1d, (I, I + 5)), "lexsort": (lambda a, b: np.lexsort((a, b)), (X, I)),
    "cov": (np.cov, (W.T.copy(),)), "outer": (np.outer, (X[:300], Y[:300])), "kron": (np.kron, (M[:10, :10], M[:30, :30])),
    "matmul": (np.matmul, (M, M)), "einsum": (lambda a, b: np.einsum("ij,kj->ik", a, b), (M, M)), "cross": (np.cross, (X[:99_999].reshape(-1, 3), Y[:99_999].reshape(-1, 3))),
    "inv": (np.linalg.inv, (S,)), "solve": (np.linalg.solve, (S, M[:, :10])), "cholesky": (np.linalg.cholesky, (S,)), "det": (np.linalg.det, (S,)),
    "qr": (np.linalg.qr, (M[:, :100],)), "svd": (np.linalg.svd, (M[:60, :60],)), "eigh": (np.linalg.eigh, (S[:60, :60],)), "norm": (np.linalg.norm, (M,)),
    "lstsq": (np.linalg.lstsq, (W, X[:25_000])), "polyval": (lambda a: np.polyval([1.0, 2, 3, 4], a), (X,)), "arange": (lambda: np.arange(N) * 1.0, ()),
    "linspace": (lambda: np.linspace(0, 1, N), ()), "packbits": (np.packbits, (B,)), "meshgrid": (lambda a, b: np.meshgrid(a, b)[0] + 0, (X[:300], Y[:300])),
    "average": (lambda a, w: np.average(a, weights=w), (X, Y)), "unravel_index": (lambda i: np.unravel_index(i, (10, 100)), (I,)),
    "choose": (lambda i, a, b: np.choose(i % 2, [a, b]), (I, X, Y)), "select": (lambda a, b: np.select([a > 0, b > 3], [a, b], 0.0), (X, Y)),
}  # fmt: skip

STATED = {
    "rotations of rows instead of LAPACK's bidiagonal form": "eigh svd",
    "stable, by bytes; NumPy compares in vectors": "sort|sort f4|sort i8|sort sorted|sort rows|unique|partition|argpartition",
    "Python makes the view, after the program": "flip ravel",
    "counted first, then written, then cut to size": "nonzero compress",
    "the order of a sum is fixed: 64 lanes in blocks of 4096": "dot vdot",
    "a search in the sorted test set; NumPy has a table of integers of a small range": "isin",
    "a test and a comparison for each element": "nanmax",
    "rounded to half an ulp, by a last step with the exact residual": "cbrt",
    "a value and the number of a step for each lane": "argmax argmin",
    "at the limit: NumPy computes it in vectors of AVX-512, too": "arctan",
    "a plain copy, for which NumPy has the C library's": "concatenate tile",
}
"""Reasons, and the functions that are slower for them (docs/status.md); within a tenth is no difference."""


def stated(name):
    """Why a function is slower, if that is known."""
    return next(
        (why for why, names in STATED.items() if name in names.split("|" if "|" in names else " ")), ""
    )


def measure(fn, args):
    """Seconds: ours, NumPy's, our first call."""
    arity = len(inspect.signature(fn).parameters) if inspect.isfunction(fn) else None
    assert arity is None or arity >= len(args)
    compiled = weft.compile(fn)
    start = time.thread_time()
    compiled(*args)
    first = time.thread_time() - start
    compiled(*args)
    fn(*args)
    samples = {"ours": [], "numpy": []}
    for _ in range(15):
        for who, one in (("ours", compiled), ("numpy", fn)):
            start = time.thread_time()  # of this thread alone: others keep machines busy
            one(*args)
            samples[who].append(time.thread_time() - start)
    return min(samples["ours"]), min(samples["numpy"]), first


def _wait_for_entry():
    """Until calls are native: with nothing cached their code is compiled beside the first calls, which take 50 microseconds."""
    compiled, until = weft.compile(lambda x: x + 1), time.monotonic() + 20
    while time.monotonic() < until:
        compiled(1.0)
        start = time.thread_time()
        compiled(1.0)
        if time.thread_time() - start < 5e-6:
            return
        time.sleep(0.01)


def main():
    """Measure and print."""
    warnings.simplefilter("ignore")
    _wait_for_entry()
    rows = []
    for name in sys.argv[1:] or CASES:
        try:
            rows.append((name, *measure(*CASES[name])))
        except weft.UnsupportedError as error:
            print(f"{name}: {str(error).splitlines()[0]}")
    rows.sort(key=lambda row: row[2] / row[1])
    print(f"{'function':<22}{'weft us':>10}{'numpy us':>10}{'ratio':>8}{'first ms':>10}")
    for name, ours, plain, first in rows:
        why = stated(name) if plain < 0.9 * ours else ""
        print(
            f"{name:<22}{ours * 1e6:>10.1f}{plain * 1e6:>10.1f}{plain / ours:>8.2f}{first * 1e3:>10.0f}  {why}"
        )
    slower = [name for name, ours, plain, _ in rows if plain < 0.9 * ours]
    print(
        f"{len(rows)} functions; {len(slower)} slower than NumPy by more than a tenth, not stated: {[n for n in slower if not stated(n)]}"
    )
    print(
        f"{sum(first > 0.25 for *_, first in rows)} first calls over 0.25 s, that of the first function loads LLVM"
    )


if __name__ == "__main__":
    main()
