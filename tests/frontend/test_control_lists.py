"""Lists that grow in compiled loops and branches, against plain Python: stacked, iterated, returned.

One small program per construct. Value, kind, arguments after the call and exceptions are compared, at two
sizes, both long enough not to be unrolled.
"""

import numpy as np
import pytest

import weft
from tests.frontend.test_control_programs import agree, mixed

PROGRAMS = []
SIZES = ((mixed(300),), (mixed(20),))


def program(*cases):
    """Note a program with the arguments of each case."""

    def add(fn):
        PROGRAMS.extend((fn, case) for case in cases or SIZES)
        return fn

    return add


@program((mixed(9), 300), (mixed(9), 20))
def states_of_a_recurrence(x, n):
    hs = []
    h = x * 0
    for _ in range(n):
        h = np.tanh(h + x)
        hs.append(h)
    return np.array(hs), np.stack(hs, axis=1), len(hs), hs[-1], hs[3]


@program()
def comprehensions(x):
    ends = np.array([np.sum(x[:i]) for i in range(len(x))])
    table = np.array([[x[i] * x[j] for j in range(9)] for i in range(len(x))])
    return [v + 1 for v in x], [v for v in x if v > 0], ends, table


@program()
def generators(x):
    steps = min(x[i] - x[i - 1] for i in range(1, len(x)))
    return (
        sum(v * v for v in x),
        max(abs(v) for v in x),
        any(v > 99 for v in x),
        all(v > -99 for v in x),
        steps,
    )


@program((mixed(9), 300), (mixed(9), 20))
def numbers(x, n):
    found, where = [], []
    s = 0.0
    for t in range(n):
        s = s + float(x[t % 9])
        found.append(s)
        where.append(t)
    return found, where, np.array(where)


@program()
def appended_if(x):
    kept, where = [], []
    for i in range(len(x)):
        if x[i] > 0:
            kept.append(x[i])
            if x[i] > 1:
                where.append(i)
    return np.array(kept), where, len(kept)


@program()
def one_of_two_lists(x):
    low, high = [], [0.0]
    for v in x:
        if v < 0:
            low.append(v)
        else:
            high.append(v)
            high.append(-v)
    return np.array(low), np.array(high)


@program()
def reads_what_it_appended(x):
    e = [x[0]]
    for i in range(1, len(x)):
        e.append(0.5 * e[-1] + x[i])
    return np.array(e)


@program()
def reads_by_position(x):
    e = [x[0], x[1]]
    for i in range(2, len(x)):
        e.append(0.5 * e[i - 1] - 0.2 * e[i - 2] + x[i] + len(e))
    return np.array(e), e[5], e[-2]


@program((mixed(30),), (mixed(20),))
def appended_in_nested_loops(x):
    pairs, sums = [], []
    for i in range(len(x)):
        s = 0.0
        for j in range(i):
            if x[j] < x[i]:
                pairs.append(x[i] * x[j])
            s += x[j]
        sums.append(s)
    return np.array(pairs), np.array(sums)


@program()
def rows_of_rows(x):
    rows = []
    for i in range(len(x)):
        row = []
        for j in range(6):
            row.append(x[i] * j)
        rows.append(row)
    return rows, np.array(rows)


@program()
def tuples(x):
    e = []
    for i in range(len(x) - 1):
        e.append((x[i], x[i + 1], i))
    return e, np.array(e)


@program()
def appended_in_another_function(x):
    out = []

    def keep(v):
        if v > 0:
            out.append(v * 2)

    for v in x:
        keep(v)
    return out


@program()
def in_a_dict(x):
    history = {"loss": [], "step": []}
    w = 0.0
    for i in range(len(x)):
        w += 0.1 * (x[i] - w)
        history["loss"].append((x[i] - w) ** 2)
        history["step"].append(i)
    return history


@program()
def on_an_object(x):
    class Log:
        def __init__(self):
            self.items = []

    log = Log()
    for v in x:
        log.items.append(v)
    return np.array(log.items)


@program()
def two_loops(x):
    e = []
    for v in x:
        e.append(v)
    e.append(7.0)
    for v in x[:10]:
        e.append(-v)
    return np.array(e), len(e)


@program()
def until_a_break(x):
    e = []
    for v in x:
        if v > 2.2:
            break
        e.append(v)
    return np.array(e), len(e)


@program()
def iterated(x):
    e = []
    for v in x:
        e.append(v * 2)
    s = 0.0
    for k, v in enumerate(e):
        s += k * v
    for a, b in zip(e, x):  # noqa: B905
        s -= a * b
    return s, sum(e) / len(e), max(e), min(e), e[2:5]


@program((mixed(8), 300), (mixed(8), 10))
def trajectory(x, steps):
    path = [x.copy()]
    v = np.zeros_like(x)
    for _ in range(steps):
        v -= 0.01 * x
        x += 0.01 * v
        path.append(x.copy())
    return np.array(path), np.vstack(path), np.concatenate(path)


@program((mixed(300),), (np.abs(mixed(20)),), (-np.abs(mixed(20)),))
def empty_or_not(x):
    e = []
    for v in x:
        if v > 0:
            e.append(v)
    if not e:
        return -1.0
    return float(max(e) + len(e))


@program()
def is_in_a_list(x):
    seen, count = [], 0
    for i in range(len(x)):
        k = int(x[i] * 3)
        if k not in seen:
            seen.append(k)
            count += 1
    return count, seen


@program()
def is_written_or_replaced(x):
    """On one path items are written where they lie, on the other the list gets other arrays."""
    a, b, seen = [1.0, 2.0, 3.0], [4.0] * 9, []
    b[int(x[0]) % 3] = 5.0
    for v in x:
        if v > 0.5 and len(a) > 1:
            a.pop(0)
        elif v > 0:
            a[0] = v
        else:
            a.append(v)
        seen.append(a[0])
    if x[1] > 99:
        b.pop(1)
    else:
        b[int(x[2]) % 5] = 7.0
    while len(a) > 2 and len(seen) > 10:
        seen.pop(0)
    return a, b, seen


@program((np.arange(5.0),), (np.arange(8.0),))
def gets_items_in_front_and_is_bound_anew(x):
    c, n = [x[0], x[1]], 0
    for i in range(len(x)):
        for j in range(len(x)):
            if n % 2 == 0:
                c.insert(0, x[i])
            c = [*c, x[j]]
    return c


@pytest.mark.parametrize(
    ("fn", "args"), PROGRAMS, ids=[f"{fn.__name__}-{k}" for k, (fn, _) in enumerate(PROGRAMS)]
)
def test_program(fn, args):
    agree(fn, *args)


def test_size_of_the_program_does_not_depend_on_the_iterations():
    @weft.compile
    def history(x, n):
        e = []
        for _ in range(n):
            x = x * 0.5
            if x[0] > 0.1:
                e.append(x)
        return np.array(e)

    counts = [len(history.ir("tensor", mixed(5), n).splitlines()) for n in (10, 10_000)]
    assert counts[0] == counts[1]


def test_an_array_that_is_written_after_it_was_appended():
    @weft.compile
    def aliases(x):
        e = []
        for _ in range(300):
            x *= 0.9
            e.append(x)
        return np.array(e)

    with pytest.raises(weft.UnsupportedError, match="memory of another"):
        aliases(mixed(5))


def test_a_list_of_sizes_is_known_again_where_its_loop_is_unrolled():
    def f(x, sizes):
        for axis in range(x.ndim):
            count = sizes[axis]
            x = np.stack([x.take(k, axis) + k for k in range(count)], axis=axis)
        return x

    x = np.arange(24.0).reshape(4, 6)
    np.testing.assert_array_equal(weft.compile(f)(x, [2, 3]), f(x, [2, 3]))
