"""Reverse mode through branches and loops, against central differences of the plain function."""

import numpy as np
import pytest

import weft

RNG = np.random.default_rng(5)


def numeric(fn, args, number, step=1e-6):
    """The gradient by differences; arguments that are written are copied."""

    def at(place, distance):
        copies = [np.array(a) if isinstance(a, np.ndarray) else a for a in args]
        copies[number][place] += distance
        return fn(*copies)

    found = np.zeros_like(args[number])
    for place in np.ndindex(*found.shape):
        found[place] = (at(place, step) - at(place, -step)) / (2 * step)
    return found


def check(fn, *args, tolerance=1e-6):
    wrt = [k for k, a in enumerate(args) if isinstance(a, np.ndarray) and a.dtype == np.float64]
    copies = [np.array(a) if isinstance(a, np.ndarray) else a for a in args]
    value, found = weft.value_and_grad(fn, wrt=wrt)(*copies)
    plain = [np.array(a) if isinstance(a, np.ndarray) else a for a in args]
    np.testing.assert_allclose(value, fn(*plain), rtol=1e-12)
    for one, other in zip(copies, plain, strict=True):  # writes happen once
        np.testing.assert_allclose(one, other, rtol=1e-12)
    for number, gradient in zip(wrt, found, strict=True):
        expected = numeric(fn, args, number)
        np.testing.assert_allclose(gradient, expected, rtol=tolerance, atol=tolerance * 10)


def recurrent(x, w):
    h = np.zeros(4)
    s = 0.0
    for t in range(x.shape[0]):
        h = np.tanh(x[t] + w @ h)
        s = s + h.sum()
    return s


def branch(x):
    if x.sum() > 0:
        y = np.exp(x) * x
        z = y * 2
    else:
        y = x * 2
        z = np.sin(y)
    return (y * x + z).sum()


def in_place(x):
    y = x.copy()
    for i in range(1, len(x)):
        if y[i - 1] > 0.3:
            y[i] = y[i] * y[i - 1] + np.sin(y[i - 1])
        else:
            y[i] = y[i - 1] ** 2
    return y.sum()


def nested(x, w):
    s = x * 1.0
    for i in range(len(x)):
        for j in range(i):
            s = s + np.sin(s) * x[j] * w
        s[i] = s.sum() * w[i]
    return s.sum()


def written_argument(x, places):
    s = 0.0
    for i in range(len(places)):
        s = s * 0.9 + x[places[i]] ** 2
        x[places[i]] = s * 0.5
    return s + x.sum()


def swapped(x):
    a, b = x[0], x[1]
    for i in range(5, 0, -2):
        a, b = b, a * b + i * x[2]
    return a * b


def count_that_is_not_carried(x, n):
    total, count = 0.0, 0
    for i in range(n):
        if x[i % 3] > 0:
            count += 1
            total += x[i % 3] * count
    return total


def triangular_sizes(x):
    s = x * 1.0
    for i in range(1, len(x)):
        s[i:] = s[i:] * s[:-i].sum() + np.cos(s[i - 1])
    return s.sum()


def same_value_outside(x):
    s = x
    for _ in range(3):
        s = s * x
    return (s * x).sum()


def matrix_in_place(a):
    u = a.copy()
    n = len(u)
    for k in range(n):
        for i in range(k + 1, n):
            u[i, :] -= u[i, k] / u[k, k] * u[k, :]
    return np.log(np.abs(np.diagonal(u))).sum()


def products(x, w):
    h = x
    for _ in range(4):
        h = np.tanh(h @ w) + x
    return (h * h).sum()


def scanned(x, h):
    found, rows = weft.scan(lambda c, v: (np.sin(c) * v + c, c * v), h, x)
    return (rows**2).sum() + found.sum()


def newton(a):
    x = a * 0.5 + 0.5
    while np.max(np.abs(x * x - a)) > 1e-12:
        x = x - (x * x - a) / (2 * x)
    return x.sum()


def adaptive_step(y, rate):
    """Euler against the midpoint rule: the step follows the error, so the data decide how many there are."""
    t, h = 0.0, 0.1
    y = y * 1.0
    while t < 1.0:
        h = np.minimum(h, 1.0 - t)
        slope = -rate * y + np.sin(t)
        middle = -rate * (y + 0.5 * h * slope) + np.sin(t + 0.5 * h)
        error = h * np.max(np.abs(middle - slope))
        if error < 0.05:
            y = y + h * middle
            t = t + h
        h = h * np.minimum(2.0, 0.9 * np.sqrt(0.05 / (error + 1e-12)))
    return (y * y).sum()


def episode(policy):
    """A cart that a policy pushes until it is too far; what it earned on the way."""
    place, speed, earned, steps = 0.1, 0.0, 0.0, 0
    while abs(place) < 2.0 and steps < 60:
        force = np.tanh(policy[0] * place + policy[1] * speed + policy[2])
        speed = speed + 0.1 * (force + 0.5 * place)
        place = place + 0.1 * speed
        earned = earned + np.exp(-place * place) - 0.01 * force * force
        steps += 1
    return earned


def stopped(x):
    s = 0.0
    for i in range(100):
        s = s + np.sin(x[i % 3] * s) + x[0]
        if s > 5:
            break
    return s * s


def while_in_for(x):
    s = 0.0
    for i in range(4):
        y = x[i]
        while y < 10.0:
            y = y * y + x[0]
        s = s + y
    return s


def for_in_while(x):
    y = x * 1.0
    while y.sum() < 30.0:
        for j in range(1, 3):
            y[j] = y[j] + 0.3 * y[j - 1] * y[0]
        y = y * 1.01
    return y.sum()


def returned(x):
    for i in range(10):
        x = x * x[::-1] + 0.1
        if x.sum() > 2.0:
            return (x * i).sum()
    return x.sum()


def computed_count(x, counts):
    s = x[0] * 1.0
    for j in range(2):
        for i in range(counts[j]):
            s = s * x[1] + np.sin(s) * i
    return s * s


def never_run(x):
    y = x * 1.0
    for i in range(0):
        for j in range(3):
            y[j % 3] = np.sin(y[i % 3] * y[j])
    return (y * y).sum()


def not_entered(x):
    s = x.sum()
    while s < -100.0:
        s = s * 2
    return s * s


CASES = {
    "newton": (newton, np.array([7.0, 2.0, 0.3])),
    "adaptive_step": (adaptive_step, np.array([1.0, -0.5]), np.array([3.0, 0.7])),
    "episode": (episode, np.array([0.3, -0.2, 0.1])),
    "stopped": (stopped, np.abs(RNG.normal(size=3))),
    "while_in_for": (while_in_for, np.abs(RNG.normal(size=4)) + 1),
    "for_in_while": (for_in_while, np.abs(RNG.normal(size=3)) + 0.5),
    "returned": (returned, np.array([0.9, 1.1, 0.7])),
    "computed_count": (computed_count, np.array([0.3, 0.4]), np.array([3, 4])),
    "never_run": (never_run, RNG.normal(size=3)),
    "not_entered": (not_entered, RNG.normal(size=3)),
    "recurrent": (recurrent, RNG.normal(size=(7, 4)), RNG.normal(size=(4, 4))),
    "then": (branch, np.abs(RNG.normal(size=5))),
    "else": (branch, -np.abs(RNG.normal(size=5))),
    "in_place": (in_place, RNG.normal(size=9)),
    "nested": (nested, RNG.normal(size=4), RNG.normal(size=4)),
    "written_argument": (written_argument, RNG.normal(size=4), np.array([0, 3, 2, 3, 1, 1])),
    "swapped": (swapped, RNG.normal(size=3)),
    "count": (count_that_is_not_carried, RNG.normal(size=3), 7),
    "triangular_sizes": (triangular_sizes, RNG.normal(size=5)),
    "same_value_outside": (same_value_outside, RNG.normal(size=3)),
    "matrix_in_place": (matrix_in_place, RNG.normal(size=(4, 4)) + 4 * np.eye(4)),
    "products": (products, RNG.normal(size=(3, 4)), RNG.normal(size=(4, 4))),
    "scanned": (scanned, RNG.normal(size=(5, 3)), RNG.normal(size=3)),
}


@pytest.mark.parametrize("name", CASES)
def test_against_differences(name):
    check(*CASES[name])


def test_no_iterations():
    assert (
        weft.grad(recurrent, wrt=1)(np.zeros((0, 4)), np.ones((4, 4))).tolist() == np.zeros((4, 4)).tolist()
    )


def test_elements_are_kept_and_not_arrays():
    """A loop that changes one element of n in each iteration needs room for n, not for n * n."""
    gradient = weft.grad(in_place)
    gradient(RNG.normal(size=20_000))
    assert gradient._compiled.stats()["arena_bytes"] < 2e6


def test_more_iterations_than_places_for_states():
    def long(x):
        y, k = x[0] * 1.0, 0
        while k < 20_000:
            y = y + 1e-4 * np.sin(y) * x[1]
            k += 1
        return y

    x = np.array([1.0, 0.7])
    found = weft.grad(long)(x)
    exact = np.array([np.sin(long(x)) / np.sin(1.0), 2.0 * np.sin(long(x))])
    np.testing.assert_allclose(found, exact, rtol=1e-3)
    np.testing.assert_allclose(found, numeric(long, (x,), 0), rtol=1e-7)


def test_writes_at_computed_places_stay_in_place():
    """No iteration of the loop and of its way back copies the array of which it writes one element."""

    def fn(x, places):
        y = x * 1.0
        for i in range(len(places)):
            y[places[i]] = y[places[i]] * 0.5 + np.sin(y[places[i] - 1])
        return y.sum()

    places = np.array([1, 3, 3, 2, 5])
    check(fn, RNG.normal(size=6), places)
    gradient = weft.grad(fn)
    gradient(RNG.normal(size=6), places)
    assert not [line for line in gradient._compiled.ir("loops").splitlines() if line.startswith("    copy(")]


@pytest.mark.parametrize("is_turned", [False, True])
def test_rows_of_an_array_in_other_axes_add_up_in_place(is_turned):
    """The way back of a loop over rows of a product adds to the rows it read, and to no others."""

    def fn(x, w):
        steps, rows, states = x.shape[0], x.shape[1], w.shape[1]
        z = np.reshape(np.reshape(x, (steps * rows, -1)) @ w, (steps, rows, states))
        if is_turned:
            z = np.transpose(z, (1, 0, 2))
        h = np.zeros((z.shape[1], states)) * x[0, 0, 0]
        for k in range(z.shape[0]):
            h = np.tanh(0.5 * h.sum() + z[k])
        return h.sum()

    x, w = 0.3 * RNG.normal(size=(6, 5, 3)), RNG.normal(size=(3, 4))
    check(fn, x, w)
    gradient = weft.grad(fn)
    gradient(x, w)
    kernels = gradient._compiled.stats()["kernels"]
    whole = x.shape[0] * x.shape[1] * w.shape[1] * 8
    assert [k["bytes_written"] for k in kernels if "update" in k["ops"] and k["bytes_written"] >= whole] == []
