"""Convolutions become products that pack patches on the way: kernels, varying sizes, the plain Python."""

import numpy as np
import pytest

import weft
from weft import nn


def normal(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def names(fn):
    return [kernel["name"].split("_")[0] for kernel in fn.stats()["kernels"]]


def test_bias_and_activation_are_the_end_of_the_product_and_patches_are_never_in_memory():
    layer = weft.compile(lambda x, w, b: nn.relu(nn.conv2d(x, w, b, padding=1)))
    x, w, b = normal(8, 16, 12, 12), normal(24, 16, 3, 3, seed=1), normal(24, seed=2)
    layer(x, w, b)
    assert sorted(names(layer)) == ["dot", "pointwise", "pointwise"]
    patches_bytes = 8 * 12 * 12 * 16 * 9 * 4
    assert layer.stats()["arena_bytes"] < patches_bytes


def test_the_way_back_through_a_border_computes_what_is_read():
    def loss(x, w):
        return np.sum(nn.conv2d(x, w, padding=2) ** 2)

    step = weft.compile(lambda x, w: weft.grad(loss, wrt=[0, 1])(x, w))
    x, w = normal(2, 8, 10, 10), normal(16, 8, 5, 5, seed=1)
    step(x, w)
    products = [k for k in step.stats()["kernels"] if "dot" in k["name"]]
    forward = 2 * 2 * 10 * 10 * 8 * 16 * 25
    assert len(products) == 3
    assert all(k["flops"] < 1.1 * forward for k in products)


@pytest.mark.parametrize(
    ("shape", "filters", "options"),
    [
        ((3, 6, 9, 8), (4, 3, 3, 2), {"stride": (2, 1), "groups": 2, "padding": (1, 0)}),
        ((2, 8, 11), (8, 8, 3), {"dilation": 2, "padding": "same"}),
        ((1, 3, 5, 6, 4), (8, 3, 2, 3, 1), {"stride": 2}),
        ((2, 16, 7, 7), (8, 16, 1, 1), {}),
    ],
)
def test_values_and_gradients_are_those_of_plain_python(shape, filters, options):
    conv = {3: nn.conv1d, 4: nn.conv2d, 5: nn.conv3d}[len(shape)]
    x, w = normal(*shape).astype(np.float64), normal(*filters, seed=1).astype(np.float64)

    def value(x, w):
        return np.sum(np.sin(conv(x, w, **options)))

    with weft.disabled():
        plain = value(x, w)
    np.testing.assert_allclose(weft.compile(value)(x, w), plain, rtol=1e-12)
    for number, found in enumerate(weft.grad(value, wrt=[0, 1])(x, w)):
        direction = normal(*(shape, filters)[number], seed=3).astype(np.float64)
        moved = [[x, w], [x, w]]
        moved[0][number], moved[1][number] = ((x, w)[number] + e * direction for e in (1e-6, -1e-6))
        with weft.disabled():
            difference = (value(*moved[0]) - value(*moved[1])) / 2e-6
        np.testing.assert_allclose(np.sum(found * direction), difference, rtol=1e-6)


def test_one_program_for_every_batch():
    layer = weft.compile(lambda x, w: nn.max_pool2d(nn.conv2d(x, w), 2))
    w = normal(8, 8, 3, 3, seed=1)
    for batch in (2, 3, 5):
        x = normal(batch, 8, 6, 6)
        with weft.disabled():
            plain = nn.max_pool2d(nn.conv2d(x, w), 2)
        np.testing.assert_allclose(layer(x, w), plain, rtol=1e-4, atol=1e-4)
    assert layer.stats()["compiles"] == 2


def test_of_equal_elements_the_first_gets_the_gradient():
    x = np.zeros((1, 1, 4, 4), np.float32)
    found = weft.grad(lambda x: np.sum(nn.max_pool2d(x, 2)))(x)
    np.testing.assert_array_equal(found[0, 0], np.kron(np.ones((2, 2)), [[1, 0], [0, 0]]))


def test_a_pool_keeps_nan():
    x = np.array([[[1, np.nan, 3, 2]]], np.float32)
    np.testing.assert_array_equal(weft.compile(lambda x: nn.max_pool1d(x, 2))(x), [[[np.nan, 3]]])


def test_in_a_function_without_source():
    layer = eval("lambda x, w: nn.conv2d(x, w)", {"nn": nn})
    x, w = normal(1, 2, 4, 4), normal(3, 2, 3, 3, seed=1)
    np.testing.assert_array_equal(weft.compile(layer)(x, w), weft.compile(lambda x, w: nn.conv2d(x, w))(x, w))
