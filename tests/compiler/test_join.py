"""Independent elementwise kernels become one: counted, in any order, with the bits of kernels apart."""

import numpy as np
import pytest

import weft
from weft import optim


def names(fn):
    return [kernel["name"] for kernel in fn.stats()["kernels"]]


def training(shapes):
    """A step of AdamW with clipping, which no kernel of a gradient can take in."""
    rng = np.random.default_rng(0)
    variables = [weft.Variable(rng.normal(size=s).astype(np.float32), f"v{k}") for k, s in enumerate(shapes)]
    optimizer = optim.AdamW(variables, lr=0.1, clip_norm=1.0, weight_decay=0.1)

    def loss(scale):
        return sum(np.sum(np.tanh(v * scale) ** 2) for v in variables)

    return optimizer, weft.compile(lambda scale: optimizer.minimize(loss, scale))


SMALL = ((7, 5), (5,), (5, 3), (3,))
LARGE = ((700, 300), (300,), (90, 4000), (3,), (1,), (1000, 501))


@pytest.mark.parametrize("shapes", [SMALL, LARGE], ids=["small", "large"])
def test_all_updates_of_a_step_are_one_kernel(shapes):
    results = []
    for off in ((), ("join",)):
        optimizer, step = training(shapes)
        with weft.options(passes_off=off):
            for _ in range(3):
                step(np.float32(0.5))
            updates = [n for n in names(step) if n.startswith("pointwise") and "subtract" in n]
        results.append([v.value.tobytes() for v in weft.variables(optimizer)])
        if not off:
            assert [n for n in updates if "_and_" in n] == updates
            assert len(updates) == 1, updates
            assert updates[0].endswith(f"_and_{len(shapes) - 1}")
    assert results[0] == results[1]


@pytest.mark.parametrize("n", [5, 400_000])
def test_a_kernel_that_needs_another_stays_behind_it(n):
    a, b = weft.Variable(np.arange(float(n))), weft.Variable(np.ones(n))
    c = weft.Variable(np.zeros((2, n)))

    @weft.compile
    def step(x):
        a.assign(b * 2 + x)  # before b changes
        b.assign(a + 1)  # after a did
        c.assign(np.stack([b, a]) - c)
        return a[::-1] + b

    plain = np.ones(n), np.zeros((2, n))
    for x in (1.0, 3.0):
        first = plain[0] * 2 + x
        second = first + 1
        plain = second, np.stack([second, first]) - plain[1]
        np.testing.assert_array_equal(step(np.float64(x)), first[::-1] + second)
        for variable, value in ((a, first), (b, plain[0]), (c, plain[1])):
            np.testing.assert_array_equal(variable.value, value)


@pytest.mark.parametrize("n", [6, 300_000])
def test_results_of_any_shapes_and_sizes_that_calls_know(n):
    def f(x, y):
        return x + 1, np.sqrt(y), x[:, None] * np.ones(2), y.T * 2, np.concatenate([x, x])

    x, y = np.arange(float(n)), np.arange(2.0 * n).reshape(2, n)
    compiled = weft.compile(f)
    for k in (n, n // 2):
        for found, wanted in zip(compiled(x[:k], y[:, :k]), f(x[:k], y[:, :k]), strict=True):
            np.testing.assert_array_equal(found, wanted)
    assert len(names(compiled)) < 5


def test_a_failure_between_two_changes_leaves_both():
    a, b = weft.Variable(np.zeros(3)), weft.Variable(np.zeros(4))

    @weft.compile
    def step(x, i):
        a.assign(a + 1)
        b[i] = x
        b.assign(b + 1)

    step(2.0, 3)
    with pytest.raises(weft.IndexFault):
        step(2.0, 4)
    assert a.value.tolist() == [1, 1, 1]  # indices are looked at before anything is changed
    assert b.value.tolist() == [1, 1, 1, 3]
