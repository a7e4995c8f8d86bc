"""Quantized libraries read digits as well as the exact ones, at a quarter of the weights."""

import shutil
import sys
from pathlib import Path

import exported as e
import numpy as np
import pytest

import weft
from tests.export.drivers import Program
from tests.export.models import MACHINES
from weft import nn, optim

pytest.importorskip("sklearn")
sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "train"))


@pytest.fixture(scope="module")
def digits():
    from convnet_digits import digits as load

    return load()


def trained(network, data, epochs, rate=2e-3):
    x, y, _, _ = data
    optimizer = optim.Adam(network, rate)
    step = weft.compile(lambda x, y: optimizer.minimize(network.loss, x, y))
    for start in [k for _ in range(epochs) for k in range(0, len(x) - 63, 64)]:
        step(x[start : start + 64], y[start : start + 64])
    return network


@pytest.fixture(scope="module")
def networks(digits):
    """The convnet of the examples and an MLP, with their inputs."""
    import convnet_digits

    flat = tuple(v.reshape(len(v), -1) if v.ndim > 1 else v for v in digits)
    return {
        "convnet": (trained(convnet_digits.Network(0), digits, 5), digits, "f32[n,1,8,8]"),
        "mlp": (trained(e.Network(), flat, 10), flat, "f32[n,64]"),
    }


@pytest.mark.parametrize("kind", ["int8", "int8-weights"])
@pytest.mark.parametrize("name", ["mlp", "convnet"])
def test_accuracy_and_size(name, kind, networks, tmp_path):
    network, (x, _, test_x, test_y), spec = networks[name]
    guess = weft.compile(lambda x: np.argmax(network.scores(x), axis=1))
    report = weft.export(
        guess, [spec], tmp_path / "libdigits.so", quantize=kind, calibration=[(x[:200],), (x[200:300],)]
    )
    found = weft.load_library(report.library)(test_x)
    exact = np.mean(guess(test_x) == test_y)
    assert exact > 0.9
    assert np.mean(found == test_y) >= exact - 0.01
    weights = [v for v in weft.variables(network) if v.value.ndim > 1]
    assert len(report.layers) == len(weights)
    assert all(layer.weight_error < 0.01 and layer.output_error < 0.03 for layer in report.layers)
    assert all(layer.is_integer == (kind == "int8") for layer in report.layers)
    kept = sum(bytes_ for name, bytes_ in report.sizes if "_constant_" in name)
    assert kept <= 0.27 * sum(v.value.nbytes for v in weights)


@pytest.mark.skipif(not shutil.which("qemu-aarch64"), reason="needs qemu-aarch64")
@pytest.mark.skipif(not shutil.which("aarch64-linux-gnu-gcc"), reason="needs aarch64-linux-gnu-gcc")
def test_bits_on_another_machine(networks, tmp_path):
    network, (x, _, test_x, _), spec = networks["mlp"]
    found = []
    for target in ("host", "aarch64"):
        folder = tmp_path / target
        folder.mkdir()
        report = weft.export(
            network.scores,
            [spec],
            folder / "libmlp.so",
            target=target,
            quantize="int8",
            calibration=[(x[:200],)],
        )
        found.append(Program(report, folder, *MACHINES[target]).mlp(test_x))
    assert found[0].tobytes() == found[1].tobytes()


def test_the_biases_stay_variables(networks, tmp_path):
    network, (x, *_), spec = networks["mlp"]
    report = weft.export(lambda x: network.scores(x), [spec], tmp_path / "f.so", quantize="int8-weights")
    library = weft.load_library(report.library)
    assert sorted(library.variables()) == ["b.0", "b.1"]
    assert report.layers[0].output_error is None
    np.testing.assert_allclose(library(x[:50]), network.scores(x[:50]), atol=0.3)


def test_weights_in_loops_and_shared_ones(tmp_path):
    """A loop's inputs stay float32; a weight that something else needs is kept beside its int8 form."""
    rng = np.random.default_rng(0)
    w = weft.Variable(rng.normal(size=(6, 6)).astype(np.float32) / 3, "w")
    u = weft.Variable(rng.normal(size=(6, 6)).astype(np.float32) / 3, "u")

    def run(x):
        h = x @ u.value
        for row in range(x.shape[0]):
            h = np.tanh(h @ w.value + x[row])
        return h + u.value.sum() + x @ u.value.T

    x = rng.normal(size=(9, 6)).astype(np.float32)
    report = weft.export(run, ["f32[n,6]"], tmp_path / "f.so", quantize="int8", calibration=[x])
    assert [layer.is_integer for layer in report.layers] == [True, False, True]
    found, exact = weft.load_library(report.library)(x), run(x)
    assert np.sqrt(np.mean((found - exact) ** 2)) < 0.03 * np.sqrt(np.mean(exact**2))


def test_what_cannot_be_quantized(networks, tmp_path):
    network, (x, *_), spec = networks["mlp"]
    path = tmp_path / "f.so"

    def scores(x):
        return network.scores(x)

    with pytest.raises(weft.UserError, match="needs calibration data"):
        weft.export(scores, [spec], path, quantize="int8")
    with pytest.raises(weft.UserError, match=r"more than the 0\.0% that are allowed"):
        weft.export(scores, [spec], path, quantize="int8", calibration=[x[:50]], max_error=1e-4)
    with pytest.raises(weft.UserError, match="only functions that read"):
        e.Training((6, 8, 3)).export(path, quantize="int8-weights")
    with pytest.raises(weft.UserError, match="no products or convolutions"):
        weft.export(lambda x: nn.relu(x), [spec], path, quantize="int8-weights")
    with pytest.raises(weft.UserError, match="quantize="):
        weft.export(scores, [spec], path, quantize="int4")
    assert list(tmp_path.iterdir()) == []
