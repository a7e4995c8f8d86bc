# ruff: noqa: T201, UP031 -- what is tested
"""`print`, texts and messages of traced values: what Python prints and raises, in order, at run time."""

import builtins
import contextlib
import io
import sys

import numpy as np
import pytest

import weft

LOG = []


class Bad(ValueError):
    def __init__(self, v, code):
        super().__init__(f"bad value {v:.2f}", code)
        self.v = v


def values(x, n):
    print("start", x, x.sum(), len(x), x.shape, 3, None, [x[0], 1], {"a": x}, sep=" | ", end="!\n")
    for i in range(n):
        print(i, x[i], float(x[i]), x[i] > 0.3, int(x[i] * 10), flush=True)
    print()
    print("err", n, file=sys.stderr)
    c = x * 1j
    print(c, c[1], complex(c[1]), x.astype("f2"), x > 0.5, x.astype(int), x.reshape(2, 2).T)
    print(x[0].astype("f4"), x.max(), -x, np.arange(3), n * 2, n / 2, [v for v in x], *x[:2])


def texts(x, n):
    print(f"{x.sum():.3f} {x} {x[0]!r:>20} {3} {x.shape} {len(x)}")
    t = f"[{n}] {x[1]:8.3f}"
    x[1] = 9
    print(t, t.upper(), t + "x", "y" + t, t * 2, ",".join([t, "z"]), repr(x[1]), str(x))
    print("%.2f %s and %d" % (x[0], x, n), f"{x[1]:.1f}/{x.sum()}", "-" * 3)
    names = {f"k{len(x)}": x}
    return f"total {x.sum():.2f}", isinstance(t, str), type(t) is str, names[f"k{len(x)}"]


def in_a_while(x, n):
    s = 0.0
    while True:
        s += x.sum()
        print("s =", s)
        if s > 10:
            break
    LOG.append(f"end {s:.1f}")
    return s


def raises_in_a_loop(x, n):
    for i in range(n):
        print(i)
        if x[i] > 0.3:
            raise Bad(x[i], i)
    return x


def asserts(x, n):
    assert x[0] == 0, "never"
    assert x.sum() < 0, f"sum is {x.sum()}"
    return x


def raises_on_all_paths(x, n):
    s = x.sum()
    if s > 1:
        raise KeyError(f"big {s}", s)
    raise IndexError("small")


def always_raises(x, n):
    print("before")
    raise RuntimeError(f"always {x[1]:.1f}")


def raises_after_a_print(x, n):
    print(x)
    raise IndexError("small")


def catches_its_own(x, n):
    print(x)
    try:
        raise KeyError(n)
    except KeyError:
        print("caught", x[0])
    return x


PROGRAMS = [
    raises_after_a_print,
    catches_its_own,
    values,
    texts,
    in_a_while,
    raises_in_a_loop,
    asserts,
    raises_on_all_paths,
    always_raises,
]


def outcome(fn, *args):
    out, err = io.StringIO(), io.StringIO()
    x = np.linspace(0, 1, 4)
    LOG.clear()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            result = fn(x, *args)
        except Exception as error:  # compared below
            facts = {k: v for k, v in vars(error).items() if k != "__notes__"}
            first = [
                str(one).partition("\n")[0] for one in error.args
            ]  # pytest adds lines to those of assert
            result = type(error), first, facts
    return repr(result), repr(x), out.getvalue(), err.getvalue(), list(LOG)


@pytest.mark.parametrize("program", PROGRAMS)
def test_as_in_python(program):
    expected = outcome(program, 3)
    compiled = weft.compile(program)
    assert outcome(compiled, 3) == expected
    assert outcome(compiled, 3) == expected
    with weft.options(interpret=True):
        assert outcome(weft.compile(program), 3) == expected


def test_a_message_has_the_line_of_its_raise():
    with pytest.raises(Bad) as caught:
        weft.compile(raises_in_a_loop)(np.ones(3), 3)
    line = raises_in_a_loop.__code__.co_firstlineno + 4
    assert f"test_print.py:{line}" in caught.value.__notes__[0]


def test_prints_of_sizes_compile_nothing_new():
    @weft.compile
    def f(x):
        print(len(x), x.sum())

    with contextlib.redirect_stdout(io.StringIO()) as out:
        for n in (3, 4, 5, 6):
            f(np.ones(n))
    assert out.getvalue() == "3 3.0\n4 4.0\n5 5.0\n6 6.0\n"
    assert f.stats()["compiles"] == 2


def characters(x):
    return "known only" in {f"{x[0]}": 1}, f"{x[0]}".split()


def chooses(x):
    return {f"{x[0]}": 1}


def saves(x):
    np.save("x.npy", x)


@pytest.mark.parametrize(
    ("fn", "fix"), [(characters, "known only"), (chooses, "known only"), (saves, "callback")]
)
def test_refused(fn, fix):
    with pytest.raises(weft.UnsupportedError, match=fix):
        weft.compile(fn)(np.ones(3))


def test_breakpoint_stops_where_the_function_is_traced(monkeypatch):
    seen = []
    monkeypatch.setattr(sys, "breakpointhook", lambda: seen.append("traced"))

    @weft.compile
    def f(x):
        breakpoint()
        return x + 1

    assert f(np.ones(2)).tolist() == [2, 2]
    f(np.ones(2))
    assert seen == ["traced"]
    assert builtins.breakpoint is breakpoint
