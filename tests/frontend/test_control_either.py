"""Arrays that are one of several as the data decide: writes go to the one that a name is."""

import numpy as np
import pytest

import weft
from tests.frontend.test_control_programs import agree, ramp

X = np.array([3.0, 1, 4, 1, 5])
PAIRS = [(ramp(9) + start, ramp(9) * 2 + 3) for start in (0, 5)]
COUNTS = [(X, count) for count in (0, 1, 2, 300)]
PROGRAMS = []


def program(*cases):
    def add(fn):
        PROGRAMS.append((fn, cases))
        return fn

    return add


@program(*PAIRS)
def an_element(x, y):
    z = x if x[0] > 1 else y
    z[0] = 1
    return x


@program(*PAIRS)
def a_view_of_it_and_a_view_taken_before(x, y):
    before = x[::-1]
    if x[0] > 1:
        z = x
    else:
        z = y
    w = z[1:]
    w[0] = 100
    z += 1
    np.multiply(z, 2, out=z)
    z[x > 4] = 0
    z[1:3], z[[0, -1]] = z[2:4] - 1, 7
    return z, before, x + y


@program(*((np.asfortranarray(ramp(12).reshape(3, 4)), c) for c in (1.0, -1.0)))
def of_other_strides(x, c):
    y = np.zeros((3, 4))
    z = x if c > 0 else y
    for i in range(3):
        row = z[i]
        row[i] += 2
        z[:, i] *= 3
        z.T[0] = 1
        z.reshape(4, 3)[1, 1] = 9
    return z, y


@program((ramp(9),), (ramp(9) + 3,))
def one_that_it_may_be(x):
    y = x * 2
    z = x * 3
    w = y if x[0] > 1 else z
    y[0] = 100
    return w


@program((ramp(300), ramp(300)))
def what_had_another_name_before(x, y):
    last, s = x, 0.0
    for _ in range(len(x)):
        y[1:-1] = x[:-2] * 0.25 + x[2:] * 0.5
        s += last.sum()
        last = x
        x, y = y, x
    return s


@program((ramp(300), ramp(300)))
def what_another_name_writes(x, y):
    s = 0.0
    for _ in range(len(x)):
        x += 1
        s += y.sum()
        y = x
    return s


@program(*COUNTS)
def two_buffers_by_parity(x, n):
    p, q = x.copy(), x * 2
    for step in range(n):
        if step % 2:
            current = p
        else:
            current = q
        for i in range(len(x)):
            current[i] += p[i] * 0.5 - 0.6 * current[i] + step
    return p, q


@program(*COUNTS)
def exchanged_under_a_condition(x, n):
    a, b = x, x * 2
    for i in range(n):
        if a[i % 3] > b[i % 3]:
            a, b = b, a
        a[i % 4] += 1.5
    return a, b


@program(*COUNTS)
def bound_anew_on_one_path(x, n):
    v = x[1:]
    for i in range(n):
        if x[i % 4] > 2:
            x = np.minimum(x * 2, 50.0)
        x[i % 3] += 1
    return x, v


@program(*COUNTS)
def the_best_so_far(x, n):
    best = x
    for i in range(n):
        y = x * (i + 1)
        if y.sum() % 3 < 2:
            best = y
        y[0] = -i
        x[1] += 0.5
    best[2] = 7
    return best, x


@program(*COUNTS)
def three_arrays_of_earlier_iterations(x, n):
    before, now = x, x * 2
    third = now
    for i in range(n):
        new = now * 0.5 + before * 0.25
        if i % 3 == 1:
            third = before
        before, now = now, new
        before[0] += 1
        now[1] -= 1
        third[2] += 0.25
    return before, now, x, third


@program(*((X, count) for count in (0, 5, 300)))
def a_while_loop_with_a_way_out(x, n):
    t, i = None, 0
    while x[0] < n:
        i += 1
        if i % 2:
            t = x
        else:
            t = x + 1
        t[0] += 1
        x[1] += t[2]
        if i > 30:
            break
        x[0] += 0.5
    if t is not None:
        t[3] = 5
    return x, t


@program((X, 1.0), (X, -1.0))
def one_new_array_of_two_names(x, c):
    a, b = x.copy(), x.copy()
    if c > 0:
        t = x * 2
        a = t
        b = t
    a[0] = 50
    return b


@program((X, 300))
def one_new_array_of_two_names_in_a_loop(x, n):
    a, b = x.copy(), x.copy()
    for _ in range(n):
        a[1] += 1
        t = x * 0.5 + b * 0.5
        a = t
        b = t
    a[0] = 50
    return a, b


@program((X, 2), (X, 300))
def returned_from_inside(x, n):
    y = x * 2
    for i in range(n):
        z = y if x[i % 5] > 2 else x
        z[i % 3] += 1
        if z.sum() > 60:
            z[0] = -1
            return z, x
        if i % 4 == 3:
            x, y = y, x
    return y, x


@program((X, 2), (X, 300))
def asked_for_its_identity(x, n):
    y = x * 2
    z, found = y, 0
    for i in range(n):
        z = x if x[i % 3] > 2 else y
        if z is x:
            found += 1
        z[i % 5] += 0.25
    return found, z is x, z is not y


@program((X, 2), (X, 300))
def items_of_containers(x, n):
    pair, named, sums = [x, x * 2], {"u": x, "v": x + 1}, []
    for i in range(n):
        if x[i % 3] > 0:
            pair[0], pair[1] = pair[1], pair[0]
        named["u"] = pair[0] if x[i % 3] > 2 else named["v"]
        pair[0][i % 4] += 1
        named["u"][0] += 0.5
        sums.append(named["u"].sum())
    return pair, named, np.array(sums)


@pytest.mark.parametrize(("fn", "cases"), PROGRAMS)
def test_it_is_the_one_that_python_says(fn, cases):
    compiled = weft.compile(fn)
    for case in cases:
        agree(compiled if case is not cases[0] else fn, *case)
        arguments = [part.copy() if isinstance(part, np.ndarray) else part for part in case]
        assert compiled.verify(*arguments)


def test_results_are_the_arguments():
    def f(x, y):
        z = x if x[0] > 1 else y
        z[0] = 7
        return z, z[1:], x, [z, y * 2]

    for x, y in PAIRS:
        a, b = x.copy(), y.copy()
        first, view, second, (third, _) = weft.compile(f)(a, b)
        assert first is third is (a if x[0] > 1 else b)
        assert second is a
        assert view.base is first


def test_variables():
    x, y = weft.Variable(np.arange(4.0)), weft.Variable(np.ones(4))

    @weft.compile
    def f(c):
        z = x if c > 0 else y
        z[1] += 5
        return z

    assert f(1.0) is x
    assert f(-1.0) is y
    assert (x.value.sum(), y.value.sum()) == (11.0, 9.0)

    def assigned(c):
        z = x if c > 0 else y
        z.assign(y * 2)

    with pytest.raises(weft.UnsupportedError, match="one of several"):
        weft.compile(assigned)(1.0)


def test_derivatives():
    def exchanged(x, n):
        a, b = x, x * 2
        for i in range(n):
            if a[i % 3] > b[i % 3]:
                a, b = b, a
            a[i % 4] += 0.5 * b[(i + 1) % 5]
            if i % 4 == 2:
                b = np.cos(a)
        return (a * x + b * b).sum()

    point, n = np.array([3.0, 1.1, 4.2, 1.3, 2.5]), 7
    found = weft.grad(exchanged)(point.copy(), n)
    steps = 1e-6 * np.eye(5)
    expected = [(exchanged(point + h, n) - exchanged(point - h, n)) / 2e-6 for h in steps]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    rows = np.stack([point, point[::-1]])
    found = weft.vmap(lambda row: exchanged(row, n))(rows.copy())
    np.testing.assert_allclose(found, [exchanged(row.copy(), n) for row in rows])


def test_a_read_only_array_is_refused_where_it_is_written():
    def f(x, y):
        z = x if y[0] > 1 else y
        z[0] = 7

    fixed = ramp(9)
    fixed.flags.writeable = False
    weft.compile(f)(fixed, ramp(9) - 5)
    with pytest.raises(ValueError, match="read-only"):
        weft.compile(f)(fixed, ramp(9) + 5)


def test_writes_do_not_copy():
    for fn in (two_buffers_by_parity, exchanged_under_a_condition):
        loops = weft.compile(fn).ir("loops", X, 300)
        assert not [line for line in loops.splitlines() if line.startswith("    ") and " copy(" in f" {line}"]


def test_what_is_not_known_is_refused():
    def last_row(x, n):
        for i in range(n):
            row = x[i % 5 :]
            last = row if row.sum() > 4 else x[:3]
            last[0] += 1
        return x

    def kept(x, n):
        found = []
        for i in range(n):
            y = x if x[i % 3] > 2 else x * 2
            y[0] += 0.5
            found.append(y)
        return found

    for fn in (last_row, kept):
        with pytest.raises(weft.UnsupportedError, match="E064") as error:
            weft.compile(fn)(X, 300)
        assert "[0] +=" in str(error.value)
        assert "names: " in str(error.value)


def halves_written(x, y):
    """What would be written in place without the choice needs memory, of a size with a computed bound."""
    x, y = x.copy(), y * 1.0
    s = 0.5
    v = y[1:]
    if x[0] > 0:
        y = np.minimum(y, 0.5)
        s = x.sum()
    for i in range(int(abs(s)) % len(x)):
        y[:i] *= -1.0
        y[1:] = x[:-1] + 0.5
    return s, v


def turned_until(x, y):
    s = 2.5
    for _ in range(len(x)):
        for i in range(int(abs(s)) % len(x)):
            if i > 3:
                x[i] = 1.0
                return x, y
            y[:i] *= -1.0
            y[1:] = x[:-1] + 0.5
            x, y = y, x
        s = y.sum()
    return x, y


@pytest.mark.parametrize("fn", [halves_written, turned_until], ids=lambda fn: fn.__name__)
@pytest.mark.parametrize("dynamic", [False, True])
def test_memory_of_sizes_that_computed_bounds_limit(fn, dynamic):
    compiled = weft.compile(fn, dynamic=dynamic)
    for size in (3, 7, 8):
        x, y = np.random.default_rng(size).random((2, size))
        mine, plain = (x.copy(), y.copy()), (x.copy(), y.copy())
        for one, other in zip((*compiled(*mine), *mine), (*fn(*plain), *plain), strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12)
