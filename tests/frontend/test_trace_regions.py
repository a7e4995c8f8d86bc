"""Loops and branches by their explicit forms.

What is carried, what is read from outside, what may not escape.
"""

import numpy as np
import pytest

from tests.frontend.running import check, execute, traced
from weft.compiler.frontend.number import as_dim
from weft.compiler.frontend.numpy.table import enter
from weft.compiler.frontend.region import branch, for_loop, while_loop
from weft.ir.errors import WeftError
from weft.ir.walk import walk

X = np.arange(6.0)


def loop(lower, upper, step, carried, body):
    for i in range(lower, upper, step):
        carried = body(i, carried)
    return carried


def choose(condition, then, otherwise):
    return then() if condition else otherwise()


def repeat(carried, condition, body):
    while condition(carried):
        carried = body(carried)
    return carried


enter(loop, lambda trace, lower, upper, *rest: for_loop(trace, as_dim(lower), as_dim(upper), *rest))
enter(choose, branch)
enter(repeat, while_loop)


def operands_of(program, name):
    (op,) = [op for op in walk(program.func) if op.name == name]
    return op


def prefix_sums(x):
    def body(i, carried):
        x[i] = x[i] + x[i - 1]
        return carried

    loop(1, x.shape[0], 1, [], body)
    return x


def unchanged_is_not_carried(x, w):
    y = np.zeros(6)

    def body(i, carried):
        y[i] = w[i] * 2
        return [carried[0] + w[i]]

    (total,) = loop(0, x.shape[0], 1, [np.float64(0)], body)
    return y, total


def written_through_a_view_in_a_helper(x):
    rows = x.reshape(3, 2)
    view = rows[:, 1]

    def helper(k):
        view[k] += 10

    def body(i, carried):
        helper(i)
        return carried

    def outer(k, carried):
        return loop(0, 3, 1, carried, body)

    loop(0, 2, 1, [view[0]], outer)
    return rows


def branches(x):
    def then():
        x[0] = 5
        return [x.sum()]

    def otherwise():
        return [x[1]]

    (value,) = choose(x[2] > 1, then, otherwise)
    return value, x


def newton(x):
    def condition(carried):
        return abs(carried[0] * carried[0] - 2) > 1e-12

    def body(carried):
        x[0] += 1
        return [(carried[0] + 2 / carried[0]) / 2]

    (root,) = repeat([x[5]], condition, body)
    return root, x


def backwards(x):
    def body(i, carried):
        x[i] += x[i + 1]
        return carried

    loop(x.shape[0] - 2, -1, -1, [], body)


@pytest.mark.parametrize("fn", [prefix_sums, written_through_a_view_in_a_helper, branches, newton, backwards])
def test_programs(fn):
    check(fn, X.copy())


def test_only_what_is_written_is_carried():
    program = check(unchanged_is_not_carried, X, X + 1)
    op = operands_of(program, "for")
    assert len(op.results) == 2


def test_a_body_is_traced_once():
    def fn(x):
        runs = []

        def body(i, carried):
            runs.append(1)
            x[i] = i * 2.0
            return carried

        loop(0, 6, 1, [], body)
        return len(runs)

    assert execute(traced(fn, X), fn, (X.copy(),)) == 1


def test_in_bounds_by_the_loop_needs_no_gather():
    program = traced(prefix_sums, X, sizes="symbolic")
    assert not [op for op in walk(program.func) if op.name == "gather"]


def test_out_of_range_is_checked_when_it_runs():
    def fn(x):
        def body(i, carried):
            return [carried[0] + x[i + 1]]

        return loop(0, x.shape[0], 1, [x[0]], body)[0]

    program = traced(fn, X)
    with pytest.raises(IndexError):
        execute(program, fn, (X,))


def test_a_value_that_escapes_is_an_error_with_both_lines():
    def fn(x):
        kept = []

        def body(i, carried):
            kept.append(x[i] * 2)
            return carried

        loop(0, 3, 1, [], body)
        return x + kept[0]

    with pytest.raises(WeftError) as caught:
        traced(fn, X)
    assert caught.value.code == "E060"
    assert "kept.append(x[i] * 2)" in str(caught.value)


def test_types_that_change_are_an_error():
    def fn(x):
        return loop(0, 3, 1, [np.float32(0)], lambda i, carried: [carried[0] + x[i]])

    with pytest.raises(WeftError) as caught:
        traced(fn, X)
    assert caught.value.code == "E061"


def test_a_part_of_a_row_is_written_once():
    """`x[i, 1:] += v` stores what it has just written in place."""

    def fn(x, place):
        x[place[0], 1:] += x[place[1], 1:]
        return x

    rows, place = np.arange(12.0).reshape(3, 4), np.array([2, 1])
    program = check(fn, rows, place)
    assert [op.name for op in walk(program.func.body)].count("scatter") == 1
