"""Functions of all kinds in one library, from C and by `weft.load_library`: the bits of Python's calls."""

import copy
import shutil
from dataclasses import dataclass

import exported as e
import numpy as np
import pytest

import weft
from tests.export.drivers import Program
from tests.export.models import same

STEPS = weft.Variable(np.array([0], np.int64), "steps")
RANDOM = weft.random.default_rng(3)


@dataclass
class Body:
    place: np.ndarray
    speed: np.ndarray


def sums(x):
    total = np.zeros(x.shape[1])
    for row in x:
        total = total * 0.5 + row
    return total


def root(a):
    x = a
    while abs(x * x - a) > 1e-9:
        x = (x + a / x) / 2
    return x


def moments(x):
    return x.mean(), {"variance": x.var(), "range": (x.min(), x.max())}


def moved(body, dt):
    return {"body": (body["a"].place + dt * body["a"].speed, body["a"].speed), "steps": 3}


def repeated(x, k, times):
    return np.tile(x, times)[:k] * k


def counted(x):
    STEPS.assign(STEPS.value + 1)
    return x + STEPS.value


def turned(z, angle):
    return z * np.exp(1j * angle), z.imag, z.conj()


def halved(x, mask):
    x[mask] /= 2
    x += 1
    return x.sum()


def chosen(a, b, flags):
    return np.where(flags, a, b), flags.any(), ~flags


def scaled(x, f, k, yes):
    return x * f + k if yes else x * 1.0


def views(x):
    return x[::2], x.T, x.reshape(-1), x[1]


def positive(x):
    return x[x > 0], np.nonzero(x > 0)[0], np.unique(x)


def listed(n):
    squares = []
    for k in range(n):
        squares.append(k * k)
    return squares


def found(x, y):
    return None if x.sum() > y else x * 2


def either(x, y):
    z = x if x[0] > y[0] else y
    z[0] = 7
    return z, z[1:] * 2


def noise(n):
    return RANDOM.normal(size=(n,)), RANDOM.integers(0, 9, 4)


def sorted_rows(x):
    return np.sort(x, axis=1), np.argsort(x, axis=1), x.argmax(axis=0)


X = np.random.default_rng(0).normal(size=(6, 4))
Z = X[0] + 2j * X[1]
BODY = {"a": Body(X[0], X[1])}
CASES = {
    "sums": (sums, ["f64[n,m]"], (X,)),
    "root": (root, ["float"], (2.0,)),
    "moments": (moments, ["f64[n,m]"], (X,)),
    "moved": (moved, [{"a": Body("f64[n]", "f64[n]")}, "f32"], (BODY, np.float32(0.5))),
    "repeated": (repeated, ["f64[n]", "int", "int"], (X[0], 7, 3)),
    "counted": (counted, ["f64[n]"], (X[0],)),
    "turned": (turned, ["c128[n]", "float"], (Z, 0.3)),
    "halved": (halved, ["f32[n]", "bool[n]"], (X[0].astype(np.float32), X[0] > 0)),
    "chosen": (chosen, ["i32[n]", "i32[n]", "bool[n]"],
               (np.arange(4, dtype=np.int32), -np.arange(4, dtype=np.int32), X[0] > 0)),
    "scaled": (scaled, ["f64[]", "f32", "i64", "bool"],
               (np.array(1.5), np.float32(2), np.int64(3), np.True_)),
    "views": (views, ["f64[n,m]"], (X,)),
    "positive": (positive, ["f64[n]"], (X[0],)),
    "listed": (listed, ["int"], (5,)),
    "found": (found, ["f64[n]", "float"], (X[0], 100.0)),
    "either": (either, ["f64[n]", "f64[n]"], (X[0], X[1])),
    "noise": (noise, ["int"], (6,)),
    "sorted_rows": (sorted_rows, ["f64[n,m]"], (X,)),
}  # fmt: skip


def plain(value):
    """With records as dicts, as libraries give them."""
    return [plain(v) for v in value.values()] if isinstance(value, dict) else value


def equal(a, b):
    if isinstance(b, dict):
        return list(a) == list(b) and all(equal(a[k], b[k]) for k in b)
    if isinstance(b, tuple | list):
        return type(a) is type(b) and len(a) == len(b) and all(map(equal, a, b))
    return b is a if b is None else type(a) is type(b) and same(a, b)


@pytest.mark.skipif(not shutil.which("cc"), reason="needs a C compiler")
def test_functions(tmp_path):
    functions = {name: (fn, specs) for name, (fn, specs, _) in CASES.items()}
    report = weft.export(functions, path=tmp_path / "libmany.so")
    library, program = weft.load_library(report.library), Program(report, tmp_path)
    assert e.undefined(report.library, "-D") <= e.LIBC
    for name, (fn, _, arguments) in CASES.items():
        given = [copy.deepcopy(arguments) for _ in range(3)]
        wanted = weft.compile(fn)(*given[0])
        for there, own in ((getattr(library, name), given[1]), (getattr(program, name), given[2])):
            result = there(*own)
            assert equal(result, wanted), f"{name}: {result} is not {wanted}"
            assert all(same(a, b) for a, b in zip(own, given[0], strict=True) if isinstance(b, np.ndarray)), (
                name
            )


def test_transforms_of_even_and_odd_lengths(tmp_path):
    spectrum = weft.compile(lambda x: np.fft.rfft(x))
    weft.export(spectrum, ["f64[n]"], tmp_path / "libfft.so", name="fft")
    library = weft.load_library(tmp_path / "libfft.so")
    for x in (X[0], np.append(X[0], 1.0)):
        assert same(library(x), spectrum(x))
