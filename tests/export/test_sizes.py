"""Functions that do different things for different sizes and ints: a library has code for each."""

import platform

import numpy as np
import pytest

import weft


def long_or_short(x):
    return x + 1 if x.shape[0] < 2000 else x * 2


def counted(x, k):
    if k < 2000:
        return x + 1
    return x * 2


def special(x, k):
    if k == 7:
        return x + 1
    if x.shape[0] != 4:
        return x + 9
    return x * 3


def positive(x, k):
    if k >= 1:
        return x + 5
    return x * 3


def kept(x):
    if x.shape[0] % 2:
        return x + STATE.value
    STATE.assign(STATE.value + 1)
    return x * STATE.value


STATE = weft.Variable(np.array([3.0]), "kept")
SEVERAL = [
    (long_or_short, ["f64[a]"], [(5,), (1999,), (2000,)]),
    (counted, ["f64[a]", "int"], [(5, 5), (5, 1999), (5, 2000)]),
    (special, ["f64[a]", "int"], [(5, 5), (5, 7), (4, 3), (4, 7)]),
    (positive, ["f64[a]", "int"], [(3, 5), (3, 0), (3, -4)]),
]


@pytest.mark.parametrize(("fn", "specs", "calls"), SEVERAL)
def test_code_for_all_sizes(fn, specs, calls, tmp_path):
    library = weft.load_library(weft.export(fn, specs, tmp_path / "libf.so").library)
    for size, *ints in calls:
        x = np.arange(1.0, size + 1)
        assert library(x, *ints).tobytes() == fn(x, *ints).tobytes()


@pytest.mark.skipif(platform.machine() != "x86_64", reason="needs x86-64")
def test_code_for_all_sizes_and_levels(tmp_path):
    report = weft.export(special, ["f64[a]", "int"], tmp_path / "libf.so", target="x86-64-any")
    library = weft.load_library(report.library)
    for size, k in ((5, 5), (5, 7), (4, 3)):
        x = np.arange(1.0, size + 1)
        assert library(x, k).tobytes() == special(x, k).tobytes()


def test_buffers_that_are_swapped(tmp_path):
    """After an even number of steps the result is the argument: in C it is memory of its own for all."""

    def smoothed(u, steps):
        new = u.copy()
        for _ in range(steps):
            new[1:-1] = (u[:-2] + u[2:]) / 2
            u, new = new, u
        return u

    library = weft.load_library(weft.export(smoothed, ["f64[a]", "int"], tmp_path / "libf.so").library)
    x = np.arange(8.0) ** 2
    for steps in (3, 4, 0, 1):
        ours, theirs = x.copy(), x.copy()
        assert library(ours, steps).tobytes() == smoothed(theirs, steps).tobytes()
        assert ours.tobytes() == theirs.tobytes()


def test_one_that_refuses_changes_nothing(tmp_path):
    report = weft.export(kept, ["f64[a]"], tmp_path / "libf.so")
    library, x = weft.load_library(report.library), np.ones(7)
    assert [float(library(x[:n])[0]) for n in (7, 6, 6, 5)] == [4, 4, 5, 6]
    assert "where" not in report.header.read_text()


def test_sizes_that_no_code_serves_are_an_error(tmp_path):
    """The shape of the result is another expression: C could not know how much memory it takes."""

    def half(x):
        n = x.shape[0]
        return x[: n // 2] + 1 if n % 2 else x[n // 2 :] * 3

    report = weft.export(half, ["f64[a]"], tmp_path / "libf.so")
    assert "where mod(a,2)" in report.header.read_text()
    library, x = weft.load_library(report.library), np.arange(7.0)
    assert (library(x) == half(x)).all()
    with pytest.raises(weft.RuntimeFault, match="do not fit"):
        library(x[:6])


def test_a_size_that_does_not_fit_an_int_is_an_error(tmp_path):
    """A limit of an int that only a shape sets."""
    library = weft.load_library(weft.export(lambda k: np.ones(k), ["int"], tmp_path / "libf.so").library)
    assert library(3).tolist() == [1, 1, 1]
    with pytest.raises(weft.RuntimeFault, match="size"):
        library(-2)


NUMBERS = [
    (lambda x: x * 2, "f64[]", np.array(1.5)),
    (lambda z: z * 2j, "c128", np.complex128(1 + 2j)),
    (lambda z: z * np.arange(3.0), "complex", 1 + 2j),
    (lambda h: h * h, "f16", np.float16(1.25)),
]


@pytest.mark.parametrize(("fn", "spec", "value"), NUMBERS)
def test_arrays_of_no_axes_and_numbers_that_c_has_not(fn, spec, value, tmp_path):
    library = weft.load_library(weft.export(fn, [spec], tmp_path / "libf.so").library)
    found, wanted = library(value), weft.compile(fn)(value)
    assert type(found) is type(wanted)
    assert np.array_equal(found, wanted)
