"""Layers where they are hard: huge logits, bad labels, points that are not smooth, state in training."""

import numpy as np
import pytest

import weft
from weft import nn
from weft.random import default_rng


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huge_logits_are_finite(dtype):
    z = np.array([[1e4, -1e4, 0.0], [-1e4, -1e4, 1e4], [1e4, 1e4, 1e4]], dtype)
    value, slope = weft.value_and_grad(lambda z: nn.cross_entropy(z, np.array([1, 0, 2])))(z)
    assert np.isclose(value, (2e4 + 2e4 + np.log(3)) / 3)
    np.testing.assert_allclose(slope * 3, [[1, -1, 0], [-1, 0, 1], [1 / 3, 1 / 3, -2 / 3]], atol=1e-6)
    for fn in (nn.softmax, nn.log_softmax, nn.sigmoid, nn.softplus, nn.silu, nn.gelu, nn.elu):
        value, slope = weft.value_and_grad(lambda z, fn=fn: np.sum(fn(z)))(z)
        assert np.isfinite(value), fn
        assert np.isfinite(slope).all(), fn
    value, slope = weft.value_and_grad(lambda z: nn.binary_cross_entropy(z, np.zeros_like(z)))(z)
    assert np.isfinite(value)
    assert np.isfinite(slope).all()


@pytest.mark.parametrize("labels", [[0, 1, 3], [0, -1, 2], [0, 1, 10**6]])
def test_labels_out_of_range(labels):
    z = np.zeros((3, 3), np.float32)
    wrong = next(k for k in labels if not 0 <= k < 3)
    for options in ({}, {"interpret": True}):
        with pytest.raises(weft.IndexFault, match=f"index {wrong} is out of bounds"), weft.options(**options):
            weft.compile(lambda z, y: nn.cross_entropy(z, y))(z, np.array(labels))


def test_points_that_are_not_smooth_in_layers():
    zero = np.zeros(1)
    assert weft.grad(lambda x: np.sum(nn.relu(x)))(zero) == 0
    assert weft.grad(lambda x: np.sum(nn.leaky_relu(x, 0.25)))(zero) == 0.25


def test_softmax_and_its_loss_take_few_kernels():
    z = np.random.default_rng(0).normal(size=(64, 10)).astype(np.float32)
    f = weft.compile(nn.softmax)
    np.testing.assert_allclose(f(z).sum(1), 1, rtol=1e-6)
    assert len(f.stats()["kernels"]) == 1
    g = weft.compile(weft.value_and_grad(lambda z, y: nn.cross_entropy(z, y)))
    g(z, nn.softmax(z))
    assert len(g.stats()["kernels"]) <= 3


def test_dropout_and_batch_norm_keep_state():
    mean, variance = weft.Variable(np.zeros(3, np.float32)), weft.Variable(np.ones(3, np.float32))
    rng = default_rng(0)
    x = np.random.default_rng(1).normal(2.0, 3.0, size=(500, 3)).astype(np.float32)

    @weft.compile
    def step(x):
        return nn.dropout(nn.batch_norm(x, mean, variance, training=True), 0.5, rng)

    first, second = step(x), step(x)
    assert not np.array_equal(first, second)
    assert 0.4 < np.mean(first == 0) < 0.6
    assert abs(first.mean()) < 0.1
    np.testing.assert_allclose(mean.value, 0.19 * x.mean(0), rtol=1e-4)
    np.testing.assert_allclose(variance.value, 0.81 + 0.19 * x.var(0, ddof=1), rtol=1e-4)
    calm = weft.compile(lambda x: nn.dropout(nn.batch_norm(x, mean, variance), 0.5, rng, training=False))
    expected = (x - mean.value) / np.sqrt(variance.value + 1e-5)
    np.testing.assert_allclose(calm(x), expected, rtol=1e-4, atol=1e-5)


def test_initial_values():
    for rng in (default_rng(0), np.random.default_rng(0)):
        both, inputs = 2 / 300, 2 / 100
        makers = (nn.glorot_uniform, nn.glorot_normal, nn.he_uniform, nn.he_normal)
        for make, expected in zip(makers, (both, both, inputs, inputs), strict=True):
            w = make(rng, (100, 200))
            assert w.dtype == np.float32
            assert abs(w.var() / expected - 1) < 0.05
    assert nn.he_normal(default_rng(0), (8, 4, 3, 3)).shape == (8, 4, 3, 3)


def test_bad_shapes():
    with pytest.raises(weft.ShapeError, match="conv2d"):
        nn.conv2d(np.zeros((1, 3, 8, 8)), np.zeros((4, 2, 3, 3)))
    with pytest.raises(weft.ShapeError, match="pooling"):
        nn.max_pool2d(np.zeros((3, 8)), 2)
    with pytest.raises(weft.UserError, match="reduction"):
        nn.mean_squared_error(np.zeros(3), np.ones(3), reduction="max")


@pytest.mark.parametrize("compiled", [False, True])
def test_options_that_make_no_sense(compiled):
    def refused(fn, kind, text):
        with pytest.raises(kind, match=text):
            (weft.compile(fn) if compiled else fn)(np.ones((1, 3, 2, 2)))

    refused(lambda x: nn.max_pool2d(x, 3), weft.ShapeError, "a window of 3 does not fit in 2 elements")
    refused(lambda x: nn.avg_pool2d(x, 2, padding=-1), weft.ShapeError, "does not fit")
    refused(lambda x: nn.conv2d(x, np.ones((4, 3, 3, 3))), weft.ShapeError, "does not fit")
    refused(lambda x: nn.dropout(x, 1.5, weft.random.default_rng(0)), weft.UserError, "from 0 to below 1")
    refused(lambda x: nn.adaptive_avg_pool(x, (1,)), weft.ShapeError, "pooling of")
    refused(lambda x: nn.conv_transpose2d(x, np.ones((2, 1, 3, 3))), weft.ShapeError, "conv_transpose2d of")


LOSSES = [nn.mean_squared_error, nn.mean_absolute_error, nn.huber, nn.binary_cross_entropy, nn.kl_divergence]


@pytest.mark.parametrize("loss", LOSSES)
def test_targets_that_would_make_the_result_larger(loss):
    x = np.full(3, 0.5)
    for a, b in ((x, x[:, None]), (x[:, None], x), (x, x[:2])):
        with pytest.raises(weft.ShapeError, match="is compared with"):
            weft.compile(lambda a, b: loss(a, b))(a, b)
        with pytest.raises(weft.ShapeError, match="is compared with"):
            loss(a, b)
    for b in (0.5, x[:1], np.float64(0.5)):
        assert loss(x, b) == loss(x, np.full(3, 0.5))


def test_labels_of_another_shape():
    logits = np.random.default_rng(0).normal(size=(4, 4))
    for labels in (np.zeros((4, 1), int), np.zeros(4), np.zeros((1, 4)), np.zeros(3, int)):
        with pytest.raises(weft.ShapeError, match=r"labels of .* have shape") as caught:
            weft.compile(lambda a, b: nn.cross_entropy(a, b))(logits, labels)
        assert "test_layers.py" in str(caught.value)
    chosen = [2, 0, 1, 3]
    assert nn.cross_entropy(logits, chosen) == nn.cross_entropy(logits, np.array(chosen))


def test_sigmoid_near_zero():
    x = np.array([-80, -20, -10, 0, 10], np.float32)
    value, slope = weft.vjp(nn.sigmoid, x)
    exact = 1 / (1 + np.exp(-x.astype(float)))
    np.testing.assert_allclose(value, exact, rtol=1e-6)
    np.testing.assert_allclose(slope(np.ones_like(x))[0], exact * (1 - exact), rtol=1e-4)
