"""Layers and losses, forward and gradients, against torch's results for random configurations."""

from pathlib import Path

import numpy as np
import pytest

import weft
from weft import nn

from .torch_cases import ALL, COUNT, case, digest, weights

RESULTS = {
    int(line.split()[0]): line.split()[2:]
    for line in (Path(__file__).parent / "torch_results.txt").read_text().splitlines()
    if not line.startswith("#")
}


def run(kind, o, a):  # noqa: C901 -- a table of calls
    """The result of one case."""
    if kind == "conv":
        call = (nn.conv1d, nn.conv2d, nn.conv3d)[o["rank"] - 1]
        return call(*a, stride=o["stride"], padding=o["padding"], dilation=o["dilation"], groups=o["groups"])
    if kind == "conv_transpose":
        names = ("stride", "padding", "output_padding", "groups", "dilation")
        return getattr(nn, f"{kind}{o['rank']}d")(*a, **{name: o[name] for name in names})
    if kind == "pool_options":
        call = getattr(nn, f"{'max' if o['is_max'] else 'avg'}_pool{o['rank']}d")
        return call(a[0], o["size"], o["stride"], o["padding"], **o["more"])
    if kind == "adaptive":
        return (nn.adaptive_max_pool if o["is_max"] else nn.adaptive_avg_pool)(a[0], o["sizes"])
    if kind == "entropy_options":
        options = {"reduction": o["reduction"], "smoothing": o["smoothing"]}
        return nn.cross_entropy(a[0], np.array(o["labels"]), ignore=-1, **options)
    if kind in ("max_pool", "avg_pool"):
        return getattr(nn, f"{kind}{o['rank']}d")(a[0], o["size"], o["stride"], o["padding"])
    if kind == "batch_norm":
        mean, variance = np.array(o["mean"]), np.array(o["variance"])
        y = nn.batch_norm(a[0], mean, variance, a[1], a[2], training=o["training"])
        return y + weft.stop_gradient(np.sum(mean) + 2 * np.sum(variance))
    if kind == "group_norm":
        return nn.group_norm(a[0], o["groups"], a[1], a[2])
    if kind == "attention":
        mask = {"bool": np.array(o["allowed"]), "float": np.array(o["added"])}.get(o["mask"])
        return nn.attention(*a, mask=mask, is_causal=o["mask"] == "causal")
    if kind == "cross_entropy":
        return nn.cross_entropy(a[0], np.array(o["labels"]), reduction=o["reduction"])
    if kind == "loss":
        target = np.array(o["target"])
        if o["name"] == "huber":
            return nn.huber(a[0], target, delta=o["delta"])
        name = {
            "mse": "mean_squared_error",
            "l1": "mean_absolute_error",
            "bce": "binary_cross_entropy",
            "kl": "kl_divergence",
        }[o["name"]]
        return getattr(nn, name)(a[0], target)
    if kind == "activation":
        return nn.gelu(a[0], approximate=True) if o["name"] == "gelu_tanh" else getattr(nn, o["name"])(a[0])
    if kind == "embedding":
        return nn.embedding(a[0], np.array(o["indices"]))
    return getattr(nn, kind)(*a)


def check(number):
    """Whether a case gives what torch gives."""
    kind, options, arrays = case(number)
    scale = weights(number, np.shape(run(kind, options, arrays)))

    def total(*given):
        result = run(kind, options, given)
        return np.sum(result * scale), result

    def both(*given):
        return weft.value_and_grad(total, wrt=list(range(len(arrays))), aux=True)(*given)

    (_, result), gradients = weft.compile(both)(*arrays)
    found, expected = digest(number, result, gradients), [float(v) for v in RESULTS[number]]
    size = max(1.0, *(np.abs(v).max() for v in (result, *gradients) if np.size(v)))
    np.testing.assert_allclose(
        found, expected, rtol=1e-7, atol=1e-7 * size, err_msg=f"case {number}: {kind} {options}"
    )


def known(numbers):
    """Those that torch takes."""
    return [n for n in numbers if RESULTS[n] != ["error"]]


@pytest.mark.parametrize("number", known([*range(28), *range(COUNT, COUNT + 6), *range(620, 628)]))
def test_compiled(number):
    check(number)


@pytest.mark.parametrize("first", range(28, ALL, 28))
def test_the_others_in_the_interpreter(first):
    with weft.options(interpret=True):
        for number in known(range(first, min(first + 28, ALL))):
            check(number)
