"""`weft.callback`: the same calls, results and errors as in plain Python, compiled and interpreted."""

import threading

import numpy as np
import pytest

import weft

LOG = []


def note(*args):
    LOG.append(repr(args))


def strided(x):
    weft.callback(note, x[::2], x.T, x[1])
    return x


def complex_and_scalars(x):
    y = weft.callback(lambda v: v[0] * 1j, x, result=weft.spec("c128[4]"))
    weft.callback(note, y, y[0], complex(y[1]), len(x), 3, "text", None)
    return (
        y * 2,
        weft.callback(lambda v: v.sum(), x, result="f64"),
        weft.callback(lambda v: 3, x, result="f32[]"),
    )


def half_and_bool(x):
    y = x[0].astype(np.float16)
    a, b = weft.callback(lambda v: (v.sum(), v > 1), y, result=("f16", "bool[4]"))
    return a, b, b.sum()


def in_order(x):
    n = 0
    while x.sum() < 100:
        x = x + 1
        n += 1
        if n == 2:
            weft.callback(note, n, x)
            continue
        if n > 3:
            break
        weft.callback(note, "while", x.sum())
    x = x.copy()
    for i in range(3):
        weft.callback(note, x[0, :i], i)
        x[0, i] = -x[0, i + 1]
        weft.callback(note, x)
    return x, n


def trees(x):
    weft.callback(note, {"a": x, "b": [x.sum(), 3, "t"]}, (1, None))
    return weft.callback(lambda d: {"p": d["a"] + 1, "q": 2}, {"a": x}, result={"p": x, "q": int})


def inner_functions(x):
    def twice(v):
        note("twice", v)
        return float(v) * k

    k, out = 2, np.zeros(3)
    for i in range(3):
        out[i] = weft.callback(twice, x[0, i], result=float)
    for name in ("a", "b"):
        weft.callback(lambda v: note(name, v), out)  # noqa: B023 -- it is called at once
    return out


def uses_traced_variables(x):
    def scaled(v):
        return v * factor + inner()

    inner = lambda: float(total)  # noqa: E731 -- a function in a variable of a function
    factor, total = x.sum(), x.max()
    weft.callback(lambda: note(x, factor))
    x[0] = 7
    weft.callback(lambda: note(x[0]))
    weft.callback(lambda f, v: note(f(v)), lambda v: v + factor, x[1])
    return weft.callback(scaled, x, result=x)


def branches(x):
    if x.sum() > 3:
        weft.callback(note, "large")
        y = weft.callback(np.sort, -x, result=x)
    else:
        weft.callback(note, "small")
        y = -x
    part = x[x > 2]
    return y, weft.callback(lambda v: v * 2, part, result=part)


def raises_later(x):
    weft.callback(note, "first")
    assert x[0, 0] > 1000, "then"
    weft.callback(note, "never")


def raises(x):
    weft.callback(note, x.sum())
    weft.callback(lambda v: {}["key"], x)
    weft.callback(note, "never")


def other_dtype(x):
    return weft.callback(lambda v: v.astype("f4"), x, result=x)


def other_shape(x):
    return weft.callback(lambda v: v[1:], x, result=x)


def other_structure(x):
    return weft.callback(lambda v: (v, v), x, result=(x, x, x))


def writes(x):
    def write(v):
        v[0] = 1

    weft.callback(write, x)


def outcome(fn, x):
    LOG.clear()
    x = x.copy()
    try:
        result = fn(x)
    except Exception as error:  # compared below
        result = type(error), str(error).splitlines()[0]
    return repr((result, x)), list(LOG)


PROGRAMS = [
    strided, complex_and_scalars, half_and_bool, in_order, trees, inner_functions, branches, raises_later,
    raises, uses_traced_variables, other_dtype, other_shape, other_structure, writes,
]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS)
def test_as_in_python(program):
    x = np.arange(12.0).reshape(3, 4)
    with np.errstate(all="ignore"):
        expected = outcome(program, x)
    assert outcome(weft.compile(program), x) == expected
    with weft.options(interpret=True):
        assert outcome(weft.compile(program), x) == expected
    every_other = np.arange(24.0).reshape(3, 8)[:, ::2]
    with np.errstate(all="ignore"):
        assert outcome(weft.compile(program), every_other) == outcome(program, every_other)


def test_exceptions_pass_with_the_line():
    error = KeyError("mine")

    def fail(_v):
        raise error

    @weft.compile
    def f(x):
        for i in range(3):
            if x[i] > 0:
                weft.callback(fail, x[i])
        return x

    for _ in range(2):
        with pytest.raises(KeyError) as caught:
            f(np.ones(3))
        assert caught.value is error
        assert len(error.__notes__) == 1
        assert "test_callback.py" in error.__notes__[0]
    assert f(-np.ones(3)).tolist() == [-1, -1, -1]


def test_failures_before_a_call_come_first():
    @weft.compile
    def f(x, i):
        weft.callback(note, "first")
        y = x[i] * 2
        weft.callback(note, "second")
        return x[i] + y

    LOG.clear()
    with pytest.raises(IndexError):
        f(np.ones(3), np.array([0, 7]))
    assert LOG == ["('first',)"]


def test_what_is_outside_is_itself_and_guarded():
    seen = []

    class Log:
        def __init__(self):
            self.items = []

        def add(self, v):
            self.items.append(float(v))

    @weft.compile
    def f(x, log):
        weft.callback(seen.append, x)
        weft.callback(log.add, x.sum())

    first, second = Log(), Log()
    f(np.ones(2), first)
    f(np.ones(2), second)
    f(np.ones(2), first)
    assert [len(first.items), len(second.items), len(seen)] == [2, 1, 3]
    seen[0][0:1].copy()
    assert not seen[0].flags.writeable


def changes_a_local_list(x):
    seen = []
    weft.callback(seen.append, x)
    return len(seen)


def changes_a_copy(x):
    items = [x, x]
    weft.callback(lambda v: v.append(1), items)
    return len(items)


def binds_a_local_name(x):
    n = 0

    def count(v):
        nonlocal n
        n += 1

    weft.callback(count, x)
    return n


def unknown_size(x):
    return weft.callback(lambda v: v, x, result="f64[k]")


def calls_itself(x):
    def down(n):
        return 0 if n == 0 else down(n - 1)

    return weft.callback(down, 3, result=int) + x


def no_function(x):
    return weft.callback(3, x)


REFUSED = [
    (changes_a_local_list, "made in the compiled function"),
    (changes_a_copy, "which is a copy"),
    (binds_a_local_name, "binds 'n'"),
    (unknown_size, "the size k"),
    (calls_itself, "calls itself"),
    (no_function, "takes a function"),
]


@pytest.mark.parametrize(("fn", "message"), REFUSED)
def test_refused(fn, message):
    with pytest.raises(weft.UserError, match=message):
        weft.compile(fn)(np.ones(3))


def test_threads():
    @weft.compile
    def f(x, n):
        total = 0.0
        for _ in range(n):
            total += weft.callback(lambda v: float(v.sum()), x, result=float)
        return total

    found = {}

    def work(k):
        found[k] = f(np.full(3, float(k)), 50)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert found == {k: 150.0 * k for k in range(4)}


def test_calls_of_compiled_functions():
    inner = weft.compile(lambda x: x * 2 + 1)

    @weft.compile
    def f(x):
        y = x + 1
        z = weft.callback(inner, y, result=y)
        return y + z

    assert f(np.ones(3)).tolist() == [7, 7, 7]


def test_a_callback_does_not_wait_for_its_own_program():
    from weft.backends.cpu.entry import process_entries

    v = weft.Variable(np.zeros(3), name="v")
    other = weft.Variable(np.ones(3))
    read = weft.compile(lambda: v * 2)
    write = weft.compile(lambda x: v.assign(x))

    def assign():
        v.assign(np.ones(3))

    @weft.compile
    def reads(x, what):
        y = v + x
        weft.callback(what)
        return y

    @weft.compile
    def writes(x, what):
        v.assign(v + x)
        weft.callback(what)
        return v.sum()

    for is_native in (False, True):
        v.assign(np.zeros(3))
        if is_native:
            process_entries().settle()
        for what in (v.numpy, read, assign, lambda: write(np.zeros(3))):
            with pytest.raises(weft.RuntimeFault, match="variable that the program around it holds"):
                writes(np.ones(3), what)
        for what in (assign, lambda: write(np.zeros(3))):
            with pytest.raises(weft.RuntimeFault, match="variable that the program around it holds"):
                reads(np.ones(3), what)
        assert reads(np.ones(3), v.numpy).shape == (3,)
        assert reads(np.ones(3), other.numpy).shape == (3,)
        assert reads(np.ones(3), read).shape == (3,)
        assert v.numpy().shape == (3,)
