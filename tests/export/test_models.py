"""A convolutional network and an LSTM: one training step and predictions, from C on several machines."""

import shutil
import sys
from pathlib import Path

import exported as e
import numpy as np
import pytest

import weft
from weft import nn, optim
from weft.backends.cpu import linking

sys.path.insert(0, str(Path(__file__).parents[2] / "examples" / "train"))

DRIVER = r"""
#include "libnet.h"
#include <stdio.h>
#include <stdlib.h>
int main(int count, char **words) {
    static float x[8 * 64]; static int64_t digits[8], guesses[8];
    float loss[3];
    FILE *file = count > 2 ? fopen(words[1], "rb") : NULL;
    if (!file || fread(x, 4, 512, file) != 512 || fread(digits, 8, 8, file) != 8) return 9;
    fclose(file);
    int64_t bytes = net_train_arena_size(8), other = net_predict_arena_size(8);
    bytes = other > bytes ? other : bytes;
    void *arena = malloc((size_t)bytes), *state = malloc((size_t)net_state_size());
    int code = net_arena_init(arena, bytes) + net_init(state);
    for (int k = 0; k < 3 && !code; k++) code = net_train(state, arena, x, digits, 8, &loss[k]);
    if (!code) code = net_predict(state, arena, x, 8, guesses);
    if (code) { puts(net_strerror(code)); return 1; }
    file = fopen(words[2], "wb");
    fwrite(loss, 4, 3, file);
    fwrite(guesses, 8, 8, file);
    fclose(file);
    free(arena); free(state);
    return 0;
}
"""


class Recurrent(weft.Module):
    """An LSTM over the rows of an image, as a loop."""

    def __init__(self, hidden=12):
        rng = np.random.default_rng(0)
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


def build(name):
    """Functions that train and predict."""
    if name == "convnet":
        import convnet_digits

        network = convnet_digits.Network(0)
    else:
        network = Recurrent()
    optimizer = optim.Adam(network, 3e-3)
    return {
        "train": weft.compile(lambda x, digits: optimizer.minimize(network.loss, x, digits)),
        "predict": weft.compile(lambda x: np.argmax(network.scores(x), axis=1)),
    }


def inputs():
    rng = np.random.default_rng(5)
    return rng.random((8, 1, 8, 8)).astype(np.float32), rng.integers(0, 10, 8)


def exported_model(model, path, **keywords):
    functions = build(model)
    specs = {"train": ["f32[n,1,8,8]", "i64[n]"], "predict": ["f32[n,1,8,8]"]}
    return weft.export({k: (f, specs[k]) for k, f in functions.items()}, path=path, **keywords)


@pytest.fixture(scope="module")
def expected():
    found = {}
    for name in ("convnet", "lstm"):
        functions, (x, digits) = build(name), inputs()
        losses = [np.float32(functions["train"](x, digits)) for _ in range(3)]
        found[name] = b"".join(loss.tobytes() for loss in losses) + functions["predict"](x).tobytes()
    return found


MACHINES = {
    "host": ("cc", ()),
    "aarch64": ("aarch64-linux-gnu-gcc", ("qemu-aarch64", "-L", "/usr/aarch64-linux-gnu")),
    "armv7": ("arm-linux-gnueabihf-gcc", ("qemu-arm", "-L", "/usr/arm-linux-gnueabihf")),
    "riscv64": ("riscv64-linux-gnu-gcc", ("qemu-riscv64", "-L", "/usr/riscv64-linux-gnu")),
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("convnet", "host"), ("lstm", "host"), ("lstm", "aarch64"), ("convnet", "armv7"), ("lstm", "riscv64")
    ],
)  # fmt: skip
def test_steps_and_predictions(name, target, expected, tmp_path):
    compiler, runner = MACHINES[target]
    missing = [tool for tool in (compiler, *runner[:1]) if not shutil.which(tool)]
    if missing or (target in ("armv7", "riscv64") and linking.zig() is None):
        pytest.skip(f"needs {', '.join(missing) or 'the linkers of ziglang'}")
    report = exported_model(name, tmp_path / "libnet.so", name="net", target=target)
    weights = sum(size for symbol, size in report.sizes if "_initial_" in symbol)
    if target in ("host", "aarch64"):
        assert report.library_bytes - weights < 120_000
    x, digits = inputs()
    (tmp_path / "in").write_bytes(x.tobytes() + digits.tobytes())
    e.run_c(tmp_path, DRIVER, report.library, "in", "out", compiler=(compiler,), runner=runner)
    assert (tmp_path / "out").read_bytes() == expected[name]
