"""Calls of each function of the standard, and what must come out. Not here: signatures (`specification.py`), the command."""

import inspect
import warnings

import numpy as np

import weft
import weft.numpy as xp
from tests.array_api.specification import (
    ALL,
    ELEMENTWISE,
    FLOATS,
    NUMERIC,
    OF_COMPLEX,
    OF_FLOATS,
    REAL,
    SIGNATURES,
)
from tests.surface.check import Difference, same
from weft.ir.errors import DTypeError, UnsupportedError

SHAPES = [(), (3,), (0,), (2, 3), (1, 2, 1)]


def signature(text):
    """Name and parameters of a line of the standard."""
    name, _, rest = text.partition("(")
    scope = {}
    exec(f"def fn({rest}: pass", scope)
    return name, inspect.signature(scope["fn"])


def find(namespace, name):
    """A function by its dotted name."""
    for part in name.split("."):
        namespace = getattr(namespace, part)
    return namespace


def elements(dtype, shape, seed=0):
    """Small values of both signs; zeros, infinities and NaN among floats."""
    rng = np.random.default_rng([seed, len(shape), *shape])
    kind = np.dtype(dtype).kind
    if kind == "b":
        return np.asarray(rng.random(shape) < 0.5)
    if kind in "iu":
        return np.asarray(rng.integers(1 if kind == "u" else -5, 6, shape)).astype(dtype)
    value = rng.normal(size=shape) * 2
    value = np.where(rng.random(shape) < 0.15, rng.choice([0.0, -0.0, np.inf, -np.inf, np.nan], shape), value)
    if kind == "c":
        value = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    return np.asarray(value).astype(dtype)


def square(dtype, n=3):
    """A matrix that is positive definite."""
    a = np.random.default_rng(n).normal(size=(n, n))
    return (a @ a.T + n * np.eye(n)).astype(dtype)


def _calls_of(name, dtype):
    """Calls (arguments, keywords) of a function at a dtype, beyond elementwise ones."""
    x, y = elements(dtype, (2, 3)), elements(dtype, (4,), 1)
    one, flat = elements(dtype, ()), np.sort(elements(dtype, (5,), 2))
    matrix = square(dtype) if dtype in (*FLOATS, "c8", "c16") else None
    axes = [((x,), {}), ((x,), {"axis": 0, "keepdims": True}), ((x,), {"axis": (0, 1)}), ((one,), {})]
    single = [((x,), {"axis": k}) for k in (0, -1)]
    reduced = {
        "sum": ALL,
        "prod": ALL,
        "max": REAL,
        "min": REAL,
        "mean": FLOATS,
        "std": FLOATS,
        "var": FLOATS,
        "all": ALL,
        "any": ALL,
    }
    if name in reduced:
        more = [((x,), {"correction": 1.0})] if name in ("std", "var") else []
        return axes + more if dtype in reduced[name] else []
    table = {
        "argmax": (REAL, [((x,), {}), ((x,), {"axis": 1, "keepdims": True})]),
        "argmin": (REAL, [((x,), {}), ((x,), {"axis": 1})]),
        "argsort": (REAL, [((x,), {"descending": True}), ((x,), {"axis": 0})]),
        "sort": (REAL, [((x,), {"descending": True}), ((x,), {"axis": 0})]),
        "astype": (
            ALL,
            [((x, np.float64), {}), ((x, x.dtype), {"copy": False})]
            if x.dtype.kind != "c"
            else [((x, x.dtype), {})],
        ),
        "broadcast_arrays": (ALL, [((x, one), {})]),
        "broadcast_to": (ALL, [((x, (2, 2, 3)), {})]),
        "clip": (REAL, [((x,), {"min": 1, "max": 3}), ((x, None, 2), {}), ((x,), {})]),
        "concat": (ALL, [(([x, x],), {}), (([x, x],), {"axis": 1}), (([x, one[None]],), {"axis": None})]),
        "count_nonzero": (ALL, axes),
        "cumulative_sum": (NUMERIC, [((y,), {}), ((x,), {"axis": 0, "include_initial": True})]),
        "cumulative_prod": (NUMERIC, [((y,), {}), ((x,), {"axis": 1})]),
        "diff": (NUMERIC, [((x,), {}), ((x,), {"axis": 0, "n": 1}), ((y,), {"n": 2})]),
        "expand_dims": (ALL, [((x,), {"axis": 0}), ((x, -1), {})]),
        "flip": (ALL, [((x,), {}), ((x,), {"axis": 1}), ((one,), {})]),
        "full": (ALL, [(((2, 3), one.item()), {"dtype": x.dtype}), ((3, 2), {})]),
        "full_like": (ALL, [((x, one.item()), {}), ((x, 1), {"dtype": np.float64})]),
        "ones": (ALL, [(((2, 0),), {"dtype": x.dtype}), ((3,), {})]),
        "zeros": (ALL, [(((2, 3),), {"dtype": x.dtype}), ((3,), {})]),
        "ones_like": (ALL, [((x,), {}), ((x,), {"dtype": np.int32})]),
        "zeros_like": (ALL, [((x,), {}), ((one,), {})]),
        "eye": (NUMERIC, [((3,), {"dtype": x.dtype}), ((2, 4), {"k": 1})]),
        "linspace": (FLOATS, [((0.0, 2.0, 5), {"dtype": x.dtype}), ((0, 1), {"num": 4, "endpoint": False})]),
        "arange": (REAL, [((5,), {"dtype": x.dtype}), ((1, 9, 2), {}), ((0.0, 1.0, 0.25), {})]),
        "isin": (REAL, [((x, y), {}), ((x, y), {"invert": True})]),
        "matmul": (NUMERIC, [((x, x.T), {}), ((x, x[0]), {}), ((x[0], x[0]), {})]),
        "matrix_transpose": (ALL, [((x,), {})]),
        "meshgrid": (ALL, [((y, y[:2]), {}), ((y, y[:2]), {"indexing": "ij"})]),
        "moveaxis": (ALL, [((x, 0, 1), {}), ((x, (0, 1), (1, 0)), {})]),
        "nonzero": (ALL, [((x,), {})]),
        "permute_dims": (ALL, [((x, (1, 0)), {})]),
        "repeat": (ALL, [((x, 2), {}), ((x, 2), {"axis": 1})]),
        "reshape": (ALL, [((x, (3, 2)), {}), ((x, (-1,)), {"copy": True})]),
        "roll": (ALL, [((x, 1), {}), ((x, (1, -1)), {"axis": (0, 1)})]),
        "searchsorted": (REAL, [((flat, y), {}), ((flat, y), {"side": "right"})]),
        "squeeze": (ALL, [((x[None],), {"axis": 0})]),
        "stack": (ALL, [(([x, x],), {}), (([x, x],), {"axis": -1})]),
        "take": (ALL, [((x, np.asarray([0, 1])), {"axis": 1}), ((y, np.asarray([2, 0])), {})]),
        "take_along_axis": (ALL, [((x, np.asarray([[0], [1]])), {"axis": 1})]),
        "tensordot": (NUMERIC, [((x, x.T), {"axes": 1}), ((x, x), {"axes": ((1,), (1,))})]),
        "tile": (ALL, [((x, (2, 1)), {})]),
        "tril": (ALL, [((x,), {}), ((x,), {"k": 1})]),
        "triu": (ALL, [((x,), {}), ((x,), {"k": -1})]),
        "unique_all": (REAL, [((np.sort(y),), {})]),
        "unique_counts": (REAL, [((y,), {})]),
        "unique_inverse": (REAL, [((y,), {})]),
        "unique_values": (REAL, [((y[:1],), {})]),
        "unstack": (ALL, [((x,), {}), ((x,), {"axis": 1})]),
        "vecdot": (NUMERIC, [((x, x), {}), ((x, x), {"axis": 0})]),
        "where": (ALL, [((x != x[0], x, x), {})]),
    }
    linalg = {
        "cholesky": [((matrix,), {}), ((matrix,), {"upper": True})], "cross": [((x, x), {})], "inv": [((matrix,), {})],
        "det": [((matrix,), {})], "diagonal": [((x,), {"offset": 1})], "eigvalsh": [((matrix,), {})], "eigh": [((matrix,), {})],
        "eig": [((matrix,), {})], "eigvals": [((matrix,), {})], "matmul": [((x, x.T), {})], "matrix_norm": [((x,), {}), ((x,), {"ord": 1, "keepdims": True})],
        "matrix_power": [((matrix, 3), {})], "matrix_rank": [((matrix,), {})], "matrix_transpose": [((x,), {})], "outer": [((y, y), {})],
        "pinv": [((matrix,), {}), ((matrix,), {"rtol": 1e-4})], "qr": [((matrix,), {"mode": "complete"})], "slogdet": [((matrix,), {})],
        "solve": [((matrix, x.T), {})], "svd": [((matrix,), {"full_matrices": False})], "svdvals": [((matrix,), {})],
        "tensordot": [((x, x.T), {"axes": 1})], "trace": [((x,), {}), ((x,), {"offset": 1})], "vecdot": [((x, x), {"axis": -1})],
        "vector_norm": [((x,), {}), ((x,), {"axis": 0, "ord": 1})],
    }  # fmt: skip
    if name.startswith("linalg."):
        part = name.removeprefix("linalg.")
        return (
            []
            if dtype not in FLOATS and not (dtype == "c16" and part in ("matmul", "outer"))
            else linalg[part]
        )
    if name.startswith("fft."):
        part = name.removeprefix("fft.")
        if part.endswith("freq"):
            return [((5,), {"d": 0.5})] if dtype == "f8" else []
        x = np.where(np.isfinite(x), x, 1).astype(x.dtype)  # where infinities spread is not said
        single = [((x,), {"axis": k}) for k in (0, -1)]
        wanted = "f8" if part in ("rfft", "rfftn", "ihfft") else "c16"
        if part.endswith("n") or part.endswith("shift"):
            single = [((x,), {}), ((x,), {"axes": (0,)})]
        return single if dtype == wanted else []
    dtypes, found = table.get(name, ((), []))
    return found if dtype in dtypes else []


def calls():
    """(name, dtype, arguments, keywords) of all checks."""
    kinds = {name: dtypes for names, dtypes in ELEMENTWISE.items() for name in names.split()}
    for text in SIGNATURES:
        name, parameters = signature(text)
        for dtype in ALL:
            if name not in kinds:
                yield from ((name, dtype, args, kwargs) for args, kwargs in _calls_of(name, dtype))
                continue
            if (
                dtype not in kinds[name]
                or (name in OF_FLOATS and dtype[0] not in "fc")
                or (name in OF_COMPLEX and dtype[0] != "c")
            ):
                continue
            for shape in SHAPES:
                args = tuple(elements(dtype, shape, k) for k in range(len(parameters.parameters)))
                if name == "pow" and dtype[0] == "i":
                    args = (args[0], abs(args[1]))
                if "shift" in name:
                    args = (args[0], abs(args[1]) % 7)
                yield name, dtype, args, {}


def check(name, args, kwargs, *, compiled):
    """ "pass" or "refused"; raises Difference."""
    fn, reference = find(xp, name), _reference(name)
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        want = reference(*args, **kwargs)
        try:
            found = weft.compile(lambda args: fn(*args, **kwargs))(args) if compiled else fn(*args, **kwargs)
        except (UnsupportedError, DTypeError) as error:
            return f"refused: {str(error).splitlines()[0]}"
        except Exception as error:
            raise Difference(f"raises {type(error).__name__}: {str(error)[:200]}") from error
    if name == "linalg.eigvals":  # complex in the standard
        want = want.astype(np.result_type(want, np.complex64))
    if name in ("linalg.svd", "linalg.eigh", "linalg.eig"):  # vectors up to a sign
        found, want = [tuple(abs(v) for v in pair) for pair in (found, want)]
    same(found, want, "result")
    return "pass"


def _reference(name):
    if name == "clip":
        return lambda x, min=None, max=None: np.clip(x, min, max)
    if name == "unique_values":  # of which NumPy does not say the order
        return np.unique
    if name == "sort":
        return lambda x, axis=-1, descending=False, **_stable: (
            np.flip(np.sort(x, axis), axis) if descending else np.sort(x, axis)
        )
    if name == "argsort":

        def stable(x, axis=-1, descending=False, **_stable):
            return np.lexsort((np.arange(x.shape[axis]) + 0 * x.T.astype(int).T if axis else np.arange(x.shape[0])[:, None] + 0 * x.astype(int), -x.astype("f8")), axis) if descending else np.argsort(x, axis, stable=True)  # fmt: skip

        return stable
    return find(np, name)
