"""GoogLeNet whole, forward and backward: it learns one batch by heart.

    python examples/train/googlenet.py             # five seeds, images of 224 x 224
    python examples/train/googlenet.py --short     # one seed, images of 32 x 32, two modules

All gradients are finite, and the loss on the batch falls to at most half within the steps. Source: Szegedy et
al. 2015, without the two side classifiers.
"""

import argparse
import sys
from time import perf_counter

import numpy as np

import weft
from weft import nn, optim
from weft.random import default_rng

MODULES = (  # 1x1 | 3x3 after | 5x5 after | after the pool; None: a pool between
    (64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64), None,
    (192, 96, 208, 16, 48, 64), (160, 112, 224, 24, 64, 64), (128, 128, 256, 24, 64, 64),
    (112, 144, 288, 32, 64, 64), (256, 160, 320, 32, 128, 128), None,
    (256, 160, 320, 32, 128, 128), (384, 192, 384, 48, 128, 128),
)  # fmt: skip


class Conv(weft.Module):
    """A convolution that keeps the size, with a bias and relu."""

    def __init__(self, rng, inputs, outputs, kernel, stride=1):
        self.kernel, self.stride = kernel, stride
        self.weight = weft.Variable(nn.he_normal(rng, (outputs, inputs, kernel, kernel)), "weight")
        self.bias = weft.Variable(np.zeros(outputs, np.float32), "bias")

    def __call__(self, x):
        """[batch, inputs, h, w] to [batch, outputs, ...]."""
        return nn.relu(nn.conv2d(x, self.weight, self.bias, stride=self.stride, padding=self.kernel // 2))


class Inception(weft.Module):
    """Four ways side by side."""

    def __init__(self, rng, inputs, sizes):
        a, b, c, d, e, f = sizes
        kinds = ((inputs, a, 1), (inputs, b, 1), (b, c, 3), (inputs, d, 1), (d, e, 5), (inputs, f, 1))
        self.convs = [Conv(rng, *kind) for kind in kinds]
        self.outputs = a + c + e + f

    def __call__(self, x):
        """The results one after the other."""
        c = self.convs
        parts = [c[0](x), c[2](c[1](x)), c[4](c[3](x)), c[5](nn.max_pool2d(x, 3, 1, 1))]
        return np.concatenate(parts, axis=1)


class GoogLeNet(weft.Module):
    """A stem, nine modules, the mean of each channel, a layer."""

    def __init__(self, seed, modules, classes):
        rng = default_rng(seed)
        self.stem = [Conv(rng, 3, 64, 7, 2), Conv(rng, 64, 64, 1), Conv(rng, 64, 192, 3)]
        self.modules, channels = [], 192
        for sizes in modules:
            self.modules.append(None if sizes is None else Inception(rng, channels, sizes))
            channels = channels if sizes is None else self.modules[-1].outputs
        self.weight = weft.Variable(nn.glorot_uniform(rng, (channels, classes)), "weight")

    def loss(self, images, labels):
        """What a step makes smaller."""
        x = nn.max_pool2d(self.stem[0](images), 3, 2, 1)
        x = nn.max_pool2d(self.stem[2](self.stem[1](x)), 3, 2, 1)
        for module in self.modules:
            x = nn.max_pool2d(x, 3, 2, 1) if module is None else module(x)
        return nn.cross_entropy(nn.global_avg_pool(x) @ self.weight, labels)


def train(seed, steps, size, batch, modules):
    """The last loss as a share of the first."""
    network, rng = GoogLeNet(seed, modules, 10), np.random.default_rng(seed)
    images = rng.standard_normal((batch, 3, size, size)).astype(np.float32)
    labels = rng.integers(0, 10, batch)
    optimizer = optim.Adam(network, lr=3e-4, clip_norm=1.0)
    step = weft.compile(lambda x, y: optimizer.minimize(network.loss, x, y))
    losses, start = [], perf_counter()
    for k in range(steps):
        losses.append(float(step(images, labels)))
        print(f"  step {k + 1} of {steps}: loss {losses[-1]:.3f}, {perf_counter() - start:.1f} s", flush=True)
    assert all(np.isfinite(v.numpy()).all() for v in weft.variables(network)), "a gradient is not finite"
    return losses[-1] / losses[0]


def main(arguments=None):
    """Train as the command line says; whether the bound is reached, as an exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--short", action="store_true", help="one seed, small images, two modules")
    parser.add_argument("--seeds", type=int, default=5, help="how many seeds the full setting runs")
    options = parser.parse_args(arguments)
    setting = (12, 32, 4, (MODULES[0], None)) if options.short else (20, 224, 8, MODULES)
    found = []
    for seed in range(1 if options.short else options.seeds):
        found.append(train(seed, *setting))
        print(f"seed {seed}: {found[-1]:.3f} of the first loss", flush=True)
    mean = float(np.mean(found))
    print(f"the loss falls to {mean:.2f} of the first, at most 0.5 expected")
    return 0 if mean <= 0.5 else 1


if __name__ == "__main__":
    sys.exit(main())
