"""The suite `train` of `weft bench`: one training step of seven networks, as Weft and its peers do it.

A step takes a batch and gives the loss; parameters and the optimizer's state stay with the peer. Checked are
the losses of the first steps, against Weft's in float64, which torch and jax confirm. torch and jax have their
own versions (`training_torch.py`, `training_jax.py`). Not here: how rows are timed.
"""

# Plain NumPy without types, as users write it.
# pyright: basic

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

import weft
from weft import nn, optim

STEPS = 3  # whose losses are compared


@dataclass(frozen=True)
class Training:
    """A network's training step: what it starts from, a batch, its loss, its optimizer and learning rate."""

    name: str
    make: Callable  # rng -> (parameters, batch)
    loss: Callable  # (parameters, *batch) -> number
    optimizer: tuple
    flops: int = 0
    bytes: int = 0
    error: str = "relative"
    tolerance: float = 1e-3

    def _made(self):
        return self.make(np.random.default_rng(int(hashlib.md5(self.name.encode()).hexdigest()[:8], 16)))

    def parameters(self):
        """Float32 arrays, the same in every process."""
        return self._made()[0]

    def inputs(self):
        """The batch."""
        return self._made()[1]

    def weft(self, dtype: type = np.float32):
        """A step by Weft: the loss of a batch, the variables changed."""
        variables = [weft.Variable(p.astype(dtype)) for p in self.parameters()]
        kind, lr = self.optimizer
        made = {
            "sgd": lambda: optim.SGD(variables, lr=lr),
            "adam": lambda: optim.Adam(variables, lr=lr),
            "adagrad": lambda: optim.Adagrad(variables, lr=lr, initial_sum=0.1, eps=0.0),
        }[kind]()
        return weft.compile(lambda *batch: made.minimize(self.loss, variables, *batch))

    def fn(self, *batch):
        """The losses of the first steps, in float64."""
        step = self.weft(np.float64)
        return np.array([float(step(*batch)) for _ in range(STEPS)])


def normal(rng, *shape, scale=1.0):
    """Float32 numbers of a normal distribution."""
    return (rng.standard_normal(shape) * scale).astype(np.float32)


def many(rng, *shapes):
    """Parameters: a matrix or filter of each (shape, scale), a vector of each number."""
    return [
        normal(rng, s, scale=0.01) if isinstance(s, int) else normal(rng, *s[0], scale=s[1]) for s in shapes
    ]


def labels(rng, high, *shape):
    """Whole numbers below `high`."""
    return rng.integers(0, high, shape).astype(np.int32)


# ---- networks


def mlp_loss(p, x, y):
    """784-512-512-10."""
    h = nn.relu(x @ p[0] + p[1])
    h = nn.relu(h @ p[2] + p[3])
    return nn.cross_entropy(h @ p[4] + p[5], y)


def make_mlp(rng):
    """A batch of 128."""
    shapes = ((784, 512), 0.05), 512, ((512, 512), 0.06), 512, ((512, 10), 0.06), 10
    return many(rng, *shapes), [rng.random((128, 784), np.float32), labels(rng, 10, 128)]


def conv_loss(p, x, y):
    """Two convolutions of 5 x 5 with pooling, two layers."""
    h = nn.max_pool2d(nn.relu(nn.conv2d(x, p[0], p[1], padding=2)), 2)
    h = nn.max_pool2d(nn.relu(nn.conv2d(h, p[2], p[3], padding=2)), 2)
    h = np.reshape(h, (x.shape[0], -1))
    return nn.cross_entropy(nn.relu(h @ p[4] + p[5]) @ p[6] + p[7], y)


def make_conv(rng):
    """A batch of 64 images of 28 x 28."""
    shapes = (((32, 1, 5, 5), 0.2), 32, ((64, 32, 5, 5), 0.05), 64, ((3136, 1024), 0.025), 1024,
              ((1024, 10), 0.04), 10)  # fmt: skip
    return many(rng, *shapes), [rng.random((64, 1, 28, 28), np.float32), labels(rng, 10, 64)]


def char_loss(p, x, y):
    """Two layers of LSTM over 50 characters."""
    hidden = p[1].shape[0]
    rows, _ = nn.lstm(p[0][x], None, None, p[1], p[2])
    rows, _ = nn.lstm(rows, None, p[3], p[4], p[5])
    return nn.cross_entropy(np.reshape(rows, (-1, hidden)) @ p[6] + p[7], np.reshape(y, -1))


def make_char(rng):
    """A batch of 50 with 65 characters, 128 states."""
    wide = ((128, 512), 0.08)
    shapes = ((65, 512), 0.08), wide, 512, wide, wide, 512, ((128, 65), 0.08), 65
    return many(rng, *shapes), [labels(rng, 65, 50, 50), labels(rng, 65, 50, 50)]


def block_loss(p, target):
    """A transformer block with four heads, the norms before the sums."""
    x, *p = [p[k] for k in range(13)]
    batch, length, width = x.shape
    h = nn.layer_norm(x, p[0], p[1]) @ p[2] + p[3]
    parts = np.transpose(np.reshape(h, (batch, length, 3, 4, width // 4)), (2, 0, 3, 1, 4))
    seen = nn.attention(parts[0], parts[1], parts[2], is_causal=True)
    x = x + np.reshape(np.transpose(seen, (0, 2, 1, 3)), (batch, length, width)) @ p[4] + p[5]
    h = nn.gelu(nn.layer_norm(x, p[6], p[7]) @ p[8] + p[9], approximate=True)
    return np.mean((x + h @ p[10] + p[11] - target) ** 2)


def make_block(rng):
    """Four sequences of 256 positions of width 256."""
    s = 1 / 16
    shapes = (256, 256, ((256, 768), s), 768, ((256, 256), s), 256, 256, 256, ((256, 1024), s), 1024,
              ((1024, 256), s / 2), 256)  # fmt: skip
    p = many(rng, *shapes)
    p[0], p[6] = p[0] + 1, p[6] + 1
    return [normal(rng, 4, 256, 256), *p], [normal(rng, 4, 256, 256)]


def words_loss(p, centers, others, noise):
    """Skip-gram with noise shared over the batch."""
    v = p[0][centers]
    good, bad = np.sum(v * p[1][others], axis=1), v @ p[1][noise].T
    return (np.sum(nn.softplus(-good)) + np.sum(nn.softplus(bad))) / centers.shape[0]


def make_words(rng):
    """1 024 pairs of 50 000 words, 64 words of noise."""
    pairs = [(rng.zipf(1.3, 1024) % 50000).astype(np.int32) for _ in range(2)]
    noise = rng.choice(50000, 64, replace=False).astype(np.int32)
    return many(rng, *[((50000, 128), 0.1)] * 2), [*pairs, noise]


def wide_loss(p, crossed, fields, dense, y):
    """A sum of weights of crossed features, beside a network on embedded fields."""
    wide = np.sum(p[0][crossed], axis=1) + p[1]
    h = np.concatenate([np.reshape(p[2][fields], (y.shape[0], -1)), dense], axis=1)
    h = nn.relu(nn.relu(h @ p[3] + p[4]) @ p[5] + p[6])
    return nn.binary_cross_entropy(wide + (h @ p[7])[:, 0], y)


def make_wide(rng):
    """512 rows of ten crossed features of 10 000, eight fields of 1 000, five numbers."""
    shapes = 10000, 1, ((8000, 8), 0.3), ((69, 100), 0.15), 100, ((100, 50), 0.12), 50, ((50, 1), 0.15)
    fields = (rng.integers(0, 1000, (512, 8)) + 1000 * np.arange(8)).astype(np.int32)
    y = rng.integers(0, 2, 512).astype(np.float32)
    return many(rng, *shapes), [labels(rng, 10000, 512, 10), fields, normal(rng, 512, 5), y]


INCEPTION = ((64, 192, 1), (96, 192, 1), (128, 96, 3), (16, 192, 1), (32, 16, 5), (32, 192, 1))


def inception_loss(p, target):
    """One module of GoogLeNet; its input is trained too, as inside of a network."""

    def conv(x, k):
        return nn.relu(nn.conv2d(x, p[1 + 2 * k], p[2 + 2 * k], padding=INCEPTION[k][2] // 2))

    x = p[0]
    parts = [conv(x, 0), conv(conv(x, 1), 2), conv(conv(x, 3), 4), conv(nn.max_pool2d(x, 3, 1, 1), 5)]
    return np.mean((np.concatenate(parts, axis=1) - target) ** 2)


def make_inception(rng):
    """Sixteen images of 28 x 28 with 192 channels."""
    shapes = [s for o, i, k in INCEPTION for s in (((o, i, k, k), (2 / (i * k * k)) ** 0.5), o)]
    return [normal(rng, 16, 192, 28, 28), *many(rng, *shapes)], [normal(rng, 16, 256, 28, 28)]


# fmt: off
# ruff: noqa: E501 -- one row, one line
TRAIN = (
    Training("mnist_mlp_step", make_mlp, mlp_loss, ("sgd", 0.1), flops=6 * 128 * (784 * 512 + 512 * 512 + 5120) - 2 * 128 * 784 * 512),
    Training("mnist_conv_step", make_conv, conv_loss, ("adam", 1e-3), flops=64 * (4 * 25 * 32 * 784 + 6 * 25 * 32 * 64 * 196 + 6 * (3136 * 1024 + 10240))),
    Training("charrnn_step", make_char, char_loss, ("adam", 2e-3), flops=6 * 2500 * (3 * 128 * 512 + 128 * 65)),
    Training("tblock_step", make_block, block_loss, ("sgd", 0.1), flops=3 * (2 * 1024 * (256 * 768 + 256 * 256 + 2 * 256 * 1024) + 64 * 256 * 256 * 64)),
    Training("word2vec_step", make_words, words_loss, ("sgd", 0.2), flops=6 * 1024 * 65 * 128),
    Training("widedeep_step", make_wide, wide_loss, ("adagrad", 0.05)),
    Training("inception_step", make_inception, inception_loss, ("sgd", 0.1), flops=6 * 16 * 784 * sum(o * i * k * k for o, i, k in INCEPTION)),
)
# fmt: on
