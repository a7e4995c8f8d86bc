"""`compile(check="nan")`: the first operation that makes what is not finite of what is, and where."""

import numpy as np
import pytest

import weft


def failure(fn, *args):
    with pytest.raises(FloatingPointError) as caught:
        weft.compile(fn, check="nan")(*args)
    assert isinstance(caught.value, weft.RuntimeFault)
    assert caught.value.code == "E082"
    return caught.value, {fact.label: fact.text for fact in caught.value.facts}


def line_of(error):
    return error.location.line


def test_line_operands_and_element():
    def f(x, y):
        z = x / y  # of this line
        return np.sum(np.log(z))

    here = f.__code__.co_firstlineno
    error, facts = failure(f, np.array([1.0, 2, 3]), np.array([1.0, 0, 2]))
    assert str(error).startswith("[E082] divide gives NaN or an infinity")
    assert line_of(error) == here + 1
    assert facts == {"operands": "f64[3], f64[3]", "element": "1 in row-major order", "of": "2, 0"}
    error, facts = failure(f, np.array([1.0, -2, 3]), np.ones(3))
    assert (line_of(error), facts["of"]) == (here + 2, "-2")


def test_what_comes_in_is_no_fault_of_ours():
    f = weft.compile(lambda x: np.where(x > 0, x, -np.inf) * 2, check="nan")
    found = f(np.array([1.0, np.nan, -1.0]))
    np.testing.assert_array_equal(found, [2, -np.inf, -np.inf])


def test_the_next_call_works():
    f = weft.compile(lambda x: np.sqrt(x), check="nan")
    with pytest.raises(FloatingPointError):
        f(np.array([-1.0]))
    np.testing.assert_array_equal(f(np.array([4.0])), [2])
    assert f.stats()["compiles"] == 1


@pytest.mark.parametrize(
    ("fn", "place"),
    [(lambda x: x.sum(axis=1), 1), (lambda x: x @ x.T, 1), (lambda x: np.cumsum(x, axis=1), 5)],
)
def test_the_element_of_the_result_where_it_combines_many(fn, place):
    x = np.ones((3, 4), np.float32)
    x[1] = 2e38
    _, facts = failure(fn, x)
    assert facts["element"] == f"{place} in row-major order"
    assert "of" not in facts


def test_index_of_for():
    def f(x, n):
        for _ in range(n):
            x = x * x
        return x

    _, facts = failure(f, np.full((2, 3), 1e3, np.float32), 10)
    assert facts["loop index"] == "3"
    assert facts["of"] == "1e+24, 1e+24"


def test_iteration_of_while_and_branch():
    def f(x):
        while x.sum() < 100:
            x = x - 1
            if x[0] < 3:
                x = np.log(x)
        return x

    _, facts = failure(f, np.array([5.0, 3.0]))
    assert facts["loop index"] == "2"
    assert facts["of"] == "0"
    assert facts["element"].startswith("1 ")


@pytest.mark.parametrize(
    ("fn", "name"),
    [
        (lambda x: x @ x, "dot"),
        (lambda x: np.sum(x), "sum"),
        (lambda x: np.cumsum(x), "scan"),
        (lambda x: x.astype(np.float32), "cast"),
    ],
)
def test_operations_of_many_elements(fn, name):
    error, _ = failure(fn, np.full((4, 4), 1.7e308))
    assert str(error).startswith(f"[E082] {name} gives")


def test_a_gradient_names_the_line_of_the_function():
    def loss(x):
        return np.sum(np.sqrt(x))  # whose slope at 0 is infinite

    error, _ = failure(weft.grad(loss), np.array([1.0, 0.0]))
    assert line_of(error) == loss.__code__.co_firstlineno + 1


def test_training_stops_where_it_goes_wrong():
    w = weft.Variable(np.ones(3), "w")
    optimizer = weft.optim.SGD([w], lr=1e300)

    def step(x):
        return optimizer.minimize(lambda x: np.sum((w * x) ** 2), x)

    f = weft.compile(step, check="nan")
    f(np.ones(3))
    with pytest.raises(FloatingPointError, match="square gives"):
        f(np.ones(3))


def test_complex_numbers_and_sizes():
    f = weft.compile(lambda x: 1 / x, check="nan")
    for n in (3, 4, 5):
        np.testing.assert_allclose(f(np.full(n, 2j)), np.full(n, -0.5j))
    with pytest.raises(FloatingPointError, match="divide"):
        f(np.zeros(7, complex))
