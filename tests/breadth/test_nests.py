"""Scalar loop nests: independent iterations are shared out and run in vectors, all others stay in order."""

import numpy as np
import pytest

import weft
from weft.ir import VectorType
from weft.ir.parse import parse
from weft.ir.walk import walk

RNG = np.random.default_rng(4)


def smooth(a, b, out):
    for i in range(1, a.shape[0] - 1):
        for j in range(1, a.shape[1] - 1):
            out[i, j] = 0.25 * (a[i - 1, j] + a[i + 1, j] + b[i, j - 1] + a[i, j + 1])


def product(a, b, out):
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            total = 0.0
            for k in range(a.shape[1]):
                total += a[i, k] * b[0, k] + a[i, j]
            out[i, j] = total


def escape(a, b, out):
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            x, y, k = 0.0, 0.0, 0
            while k < 40 and x * x + y * y <= 4.0:
                x, y = x * x - y * y + a[i, j], 2.0 * x * y + b[i, j]
                k += 1
            out[i, j] = k


def branches(a, b, out):
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            if a[i, j] > 0.0:
                if j > 0:
                    out[i, j] = np.sqrt(a[i, j]) + b[i, j]
                else:
                    out[i, j] = 1.0
            elif b[i, j] > 0.0:
                total = 0.0
                for k in range(i):
                    total += b[k, j] / (1.0 + a[k, j] * a[k, j])
                out[i, j] = total


def rows_only(a, b, out):
    """Rows are independent, elements of a row are not."""
    for i in range(a.shape[0]):
        for j in range(1, a.shape[1]):
            out[i, j] = 0.5 * out[i, j - 1] + a[i, j] * b[i, j]


def columns_only(a, b, out):
    """A row needs the one before it; its elements are independent."""
    for i in range(1, a.shape[0]):
        for j in range(a.shape[1]):
            out[i, j] = 0.5 * out[i - 1, j] + a[i, j] * b[i, j]


def every_other(a, b, out):
    flat = out.reshape(-1)
    for i in range(flat.shape[0] // 2):
        total = 0.0
        for k in range(3):
            total += a[0, 0] * k + i
        flat[2 * i] = total


def recurrence(a, b, out):
    flat = out.reshape(-1)
    for i in range(1, flat.shape[0]):
        for _ in range(2):
            flat[i] = flat[i - 1] * 0.5 + flat[i]


def diagonal(a, b, out):
    """Each row reads the next element of the row above: neither rows nor elements can be turned round."""
    for i in range(1, a.shape[0]):
        for j in range(a.shape[1] - 1):
            out[i, j] = out[i - 1, j + 1] * 0.5 + out[i, j + 1] + out[i, j - 1]


def overlapping_rows(a, b, out):
    """Windows of a flat array that overlap."""
    flat = out.reshape(-1)
    for i in range(a.shape[0] - 1):
        for j in range(a.shape[1]):
            flat[i * (a.shape[1] - 1) + j] += a[i, j]


def carried(a, b, out):
    total = 0.0
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            total += a[i, j]
            out[i, j] = total


def indirect(a, b, out):
    flat = out.reshape(-1)
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            flat[int(abs(a[i, j]) * 3.0) % 5] += 1.0


def one_place(a, b, out):
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            out[0, 0] = a[i, j]


def backwards(a, b, out):
    n = out.shape[0]
    for i in range(n):
        for j in range(out.shape[1]):
            out[i, j] = out[n - 1 - i, j] + a[i, j]


BOTH = (smooth, product, escape, branches)
SHARED = (*BOTH, rows_only)
VECTORS = (*BOTH, columns_only)
SERIAL = (every_other, recurrence, diagonal, overlapping_rows, carried, indirect, one_place, backwards)
ALL = tuple(dict.fromkeys((*SHARED, *VECTORS, *SERIAL)))


def ops_of(program):
    """The ops of the loop level outside of kernels."""
    arrays = [RNG.normal(size=(9, 11)) for _ in range(3)]
    fn = parse(weft.compile(program).ir("loops", *arrays))
    inside = {inner for op in walk(fn) if op.name == "kernel" for inner in walk(op.regions[0])}
    return [op for op in walk(fn) if op not in inside]


def is_shared(ops):
    return any(op.name == "for" and op.attributes["kind"] == "parallel" for op in ops)


def is_vector(ops):
    types = [v.type for op in ops for v in op.operands]
    return any(isinstance(ty, VectorType) and ty.lanes > 1 for ty in types)


@pytest.mark.parametrize("program", ALL, ids=lambda f: f.__name__)
def test_as_python(program):
    compiled = weft.compile(program)
    for shape in ((9, 11), (2, 3), (40, 65), (1, 8), (16, 16)):
        arrays = [RNG.normal(size=shape) for _ in range(3)]
        expected = [x.copy() for x in arrays]
        program(*expected)
        compiled(*arrays)
        for found, wanted in zip(arrays, expected, strict=True):
            np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize("program", ALL, ids=lambda f: f.__name__)
def test_what_is_independent(program):
    ops = ops_of(program)
    assert is_shared(ops) == (program in SHARED)
    assert is_vector(ops) == (program in VECTORS)


@pytest.mark.parametrize("program", [smooth, rows_only], ids=lambda f: f.__name__)
def test_arguments_that_are_one_array(program):
    """What is read and written through two names is one array to the tests, too."""
    compiled = weft.compile(program)
    x, b = RNG.normal(size=(12, 13)), RNG.normal(size=(12, 13))
    expected = x.copy()
    program(expected, b, expected)
    compiled(x, b, x)
    np.testing.assert_array_equal(x, expected)


def test_strided_arguments():
    """Distances that only a call knows: nothing is proved, all is right."""
    compiled = weft.compile(smooth)
    whole, a, b = RNG.normal(size=(20, 26)), RNG.normal(size=(10, 13)), RNG.normal(size=(10, 13))
    expected = whole.copy()
    smooth(a, b, expected[::2, ::-2])
    compiled(a, b, whole[::2, ::-2])
    np.testing.assert_array_equal(whole, expected)


def test_large_enough_for_threads():
    compiled = weft.compile(escape)
    a, b = RNG.normal(size=(2, 150, 130))
    expected, out = np.zeros_like(a), np.zeros_like(a)
    escape(a, b, expected)
    compiled(a, b, out)
    np.testing.assert_array_equal(out, expected)


def two_ago(a, b, out):
    flat = out[0]
    for i in range(2, flat.shape[0]):
        flat[i] = flat[i - 1] * 0.5 + flat[i - 2] * 0.25 + a[0, i]


def guarded(a, b, out):
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            if j > 0:
                out[i, j] = out[i, j - 1] * 0.5 + a[i, j]


def two_stores(a, b, out):
    for i in range(1, a.shape[0]):
        for j in range(1, a.shape[1] - 1):
            out[i, j] = out[i, j - 1] * 0.5 + a[i, j]
            out[i, j + 1] = out[i, j] + b[i, j]


def other_name(a, b, out):
    for i in range(1, a.shape[0]):
        for j in range(1, a.shape[1]):
            out[i, j] = out[i, j - 1] * 0.5 + a[i, j - 1]


@pytest.mark.parametrize("program", [recurrence, rows_only, two_ago, guarded, two_stores, other_name])
def test_recurrences(program):
    """What was just written is in a register, if it is what would be read; two arguments may be one array."""
    compiled = weft.compile(program)
    for shape in ((9, 11), (1, 2), (3, 1), (2, 40)):
        arrays = [RNG.normal(size=shape) for _ in range(3)]
        expected = [x.copy() for x in arrays]
        program(*expected)
        compiled(*arrays)
        for found, wanted in zip(arrays, expected, strict=True):
            np.testing.assert_array_equal(found, wanted)
    x, b = RNG.normal(size=(5, 9)), RNG.normal(size=(5, 9))
    expected = x.copy()
    program(expected, b, expected)
    compiled(x, b, x)
    np.testing.assert_array_equal(x, expected)


def test_a_recurrence_reads_nothing_back():
    fn = parse(weft.compile(two_ago).ir("loops", *[RNG.normal(size=(3, 20)) for _ in range(3)]))
    (loop,) = [op for op in walk(fn) if op.name == "for"]
    assert sum(op.name == "load" for op in walk(loop.regions[0])) == 1
    assert len(loop.results) == 2


def test_a_loop_works_in_the_memory_of_its_result():
    def decay(a):
        a = a.copy()
        for i in range(1, len(a)):
            a[i] += 0.5 * a[i - 1]
        return a

    fn = parse(weft.compile(decay).ir("loops", RNG.normal(size=50)))
    assert sum(op.name == "copy" for op in walk(fn)) == 1
    assert not any(op.name == "alloc" for op in walk(fn))
