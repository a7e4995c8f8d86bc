"""A network that reads digits, trained by C: the library, the data and the losses that Python has.

    python examples/export/digits_library.py DIR      # writes the library, digits.bin and losses.txt to DIR
    cc -O2 -IDIR examples/export/train.c DIR/libdigits.so -o DIR/train -Wl,-rpath,DIR
    DIR/train DIR/digits.bin | diff - DIR/losses.txt  # the same bits

The weights in the library are random: all training happens in C. `examples/export/server.cpp` then answers
with what was learned, and `examples/export/web/make.py` makes a page of it.
"""

import argparse
from pathlib import Path

import numpy as np

import weft
from weft import nn, optim

BATCH, STEPS, TEST = 64, 200, 360


class Network(weft.Module):
    """Two layers, 64 pixels to 10 digits, and their optimizer."""

    def __init__(self, seed=0, width=128):
        rng = weft.random.default_rng(seed)
        self.w1 = weft.Variable(nn.he_normal(rng, (64, width)))
        self.b1 = weft.Variable(np.zeros(width, np.float32))
        self.w2 = weft.Variable(nn.he_normal(rng, (width, 10)))
        self.b2 = weft.Variable(np.zeros(10, np.float32))
        self.optimizer = optim.Adam([self.w1, self.b1, self.w2, self.b2], 3e-3)

    def scores(self, x):
        """Ten logits for each image."""
        return nn.linear(nn.relu(nn.linear(x, self.w1, self.b1)), self.w2, self.b2)

    def loss(self, x, digits):
        """What a step makes smaller."""
        return nn.cross_entropy(self.scores(x), digits)

    def train(self, x, digits):
        """One step; gives the loss before it."""
        return self.optimizer.minimize(self.loss, x, digits)

    def predict(self, x):
        """The digit of each image."""
        return np.argmax(self.scores(x), axis=1)


def digits():
    """Images in 0..1 and digits, the last TEST of them to test with."""
    from sklearn.datasets import load_digits

    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    return data.data[order].astype(np.float32) / 16, data.target[order].astype(np.int64)


def export(network, path, **options):
    """The library of both functions."""
    functions = {
        "train": (weft.compile(network.train), ["f32[n,64]", "i64[n]"]),
        "predict": (weft.compile(network.predict), ["f32[n,64]"]),
    }
    return weft.export(functions, path=path, name="digits", **options)


def main():
    """Write everything."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--target", default="host")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    x, y = digits()
    with (arguments.folder / "digits.bin").open("wb") as file:
        file.write(np.int64(len(y)).tobytes() + x.tobytes() + y.tobytes())
    network = Network()
    report = export(network, arguments.folder / "libdigits.so", target=arguments.target)
    print(f"{report.library}: {report.library_bytes:,} bytes")
    step = weft.compile(network.train)
    lines = []
    starts = [k for k in range(0, len(y) - TEST - BATCH + 1, BATCH)]
    for number in range(STEPS):
        at = starts[number % len(starts)]
        loss = np.float32(step(x[at : at + BATCH], y[at : at + BATCH]))
        lines.append(f"{number} {loss.view(np.uint32):08x} {loss:.6f}\n")
    right = int(np.sum(network.predict(x[-TEST:]) == y[-TEST:]))
    lines.append(f"{right} of {TEST} images are read right\n")
    (arguments.folder / "losses.txt").write_text("".join(lines))
    print(lines[-1], end="")


if __name__ == "__main__":
    main()
