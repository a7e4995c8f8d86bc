"""The training steps of the suite `train` in jax: one jitted function each, its state donated.

Not here: what the networks are (`training.py`).
"""

# Written for another library, without types.
# pyright: basic, reportMissingImports=false

import jax
import jax.numpy as jnp
from jax import lax


def entropy(scores, y):
    chances = jax.nn.log_softmax(scores, -1)
    return -jnp.take_along_axis(chances, y[:, None], 1).mean()


def filtered(x, w, b, padding):
    """Channels last, which jax is faster with."""
    sides = [(padding, padding)] * 2
    w = jnp.transpose(w, (2, 3, 1, 0))
    return jax.nn.relu(
        lax.conv_general_dilated(x, w, (1, 1), sides, dimension_numbers=("NHWC", "HWIO", "NHWC")) + b
    )


def largest(x, size, stride, padding):
    sides = ((0, 0), (padding, padding), (padding, padding), (0, 0))
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, size, size, 1), (1, stride, stride, 1), sides)


def last(x):
    return jnp.transpose(x, (0, 2, 3, 1))


def mlp(p, x, y):
    h = jax.nn.relu(jax.nn.relu(x @ p[0] + p[1]) @ p[2] + p[3])
    return entropy(h @ p[4] + p[5], y)


def conv(p, x, y):
    h = largest(filtered(last(x), p[0], p[1], 2), 2, 2, 0)
    h = largest(filtered(h, p[2], p[3], 2), 2, 2, 0)
    h = jnp.transpose(h, (0, 3, 1, 2)).reshape(x.shape[0], -1)
    return entropy(jax.nn.relu(h @ p[4] + p[5]) @ p[6] + p[7], y)


def cell(z, c):
    i, f, g, o = jnp.split(z, 4, -1)
    c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
    return jax.nn.sigmoid(o) * jnp.tanh(c), c


def char(p, x, y):
    def body(state, at):
        h1, c1, h2, c2 = state
        h1, c1 = cell(p[0][at] + h1 @ p[1] + p[2], c1)
        h2, c2 = cell(h1 @ p[3] + h2 @ p[4] + p[5], c2)
        return (h1, c1, h2, c2), h2

    zero = jnp.zeros((x.shape[1], p[1].shape[0]), p[1].dtype)
    rows = lax.scan(body, (zero,) * 4, x)[1]
    return entropy(rows.reshape(-1, rows.shape[-1]) @ p[6] + p[7], y.reshape(-1))


def normed(x, weight, bias):
    centred = x - x.mean(-1, keepdims=True)
    return centred * lax.rsqrt((centred * centred).mean(-1, keepdims=True) + 1e-5) * weight + bias


def block(p, target):
    x, *p = p
    batch, length, width = x.shape
    h = normed(x, p[0], p[1]) @ p[2] + p[3]
    q, k, v = [t.reshape(batch, length, 4, -1).transpose(0, 2, 1, 3) for t in jnp.split(h, 3, -1)]
    s = q @ k.swapaxes(-1, -2) * (width // 4) ** -0.5
    s = jax.nn.softmax(jnp.where(jnp.tril(jnp.ones((length, length), bool)), s, -1e30), -1)
    x = x + (s @ v).transpose(0, 2, 1, 3).reshape(x.shape) @ p[4] + p[5]
    h = jax.nn.gelu(normed(x, p[6], p[7]) @ p[8] + p[9], approximate=True)
    return ((x + h @ p[10] + p[11] - target) ** 2).mean()


def words(v, u, n):
    return (jax.nn.softplus(-(v * u).sum(1)).sum() + jax.nn.softplus(v @ n.T).sum()) / v.shape[0]


def wide(p, crossed, fields, dense, y):
    h = jnp.concatenate([p[2][fields].reshape(y.shape[0], -1), dense], 1)
    h = jax.nn.relu(jax.nn.relu(h @ p[3] + p[4]) @ p[5] + p[6])
    z = p[0][crossed].sum(1) + p[1] + (h @ p[7])[:, 0]
    return (jnp.maximum(z, 0) - z * y + jnp.log1p(jnp.exp(-jnp.abs(z)))).mean()


def inception(p, target):
    def at(x, k, padding):
        return filtered(x, p[1 + 2 * k], p[2 + 2 * k], padding)

    x = last(p[0])
    parts = [at(x, 0, 0), at(at(x, 1, 0), 2, 1), at(at(x, 3, 0), 4, 2), at(largest(x, 3, 1, 1), 5, 0)]
    return ((jnp.concatenate(parts, -1) - last(target)) ** 2).mean()


LOSSES = {"mnist_mlp_step": mlp, "mnist_conv_step": conv, "charrnn_step": char, "tblock_step": block,
          "widedeep_step": wide, "inception_step": inception}  # fmt: skip


def adam(lr):
    def update(p, grads, state):
        count, means, squares = state
        count = count + 1
        means = [0.9 * m + 0.1 * g for m, g in zip(means, grads, strict=True)]
        squares = [0.999 * s + 0.001 * g * g for s, g in zip(squares, grads, strict=True)]
        a, b = 1 - 0.9**count, 1 - 0.999**count
        moved = [q - lr / a * m / (jnp.sqrt(s / b) + 1e-8) for q, m, s in zip(p, means, squares, strict=True)]
        return moved, (count, means, squares)

    return update, lambda p: (jnp.float32(0), [jnp.zeros_like(q) for q in p], [jnp.zeros_like(q) for q in p])


def sgd(lr):
    return lambda p, grads, state: ([q - lr * g for q, g in zip(p, grads, strict=True)], state), lambda p: ()


def adagrad(lr):
    def update(p, grads, state):
        state = [s + g * g for s, g in zip(state, grads, strict=True)]
        return [q - lr * g * lax.rsqrt(s) for q, g, s in zip(p, grads, state, strict=True)], state

    return update, lambda p: [jnp.full_like(q, 0.1) for q in p]


def step_of(row):
    """A step of a row."""
    kind, lr = row.optimizer
    update, start = {"sgd": sgd, "adam": adam, "adagrad": adagrad}[kind](lr)
    p = [jnp.array(a) for a in row.parameters()]
    held = [p, start(p)]

    def change(p, state, *batch):
        value, grads = jax.value_and_grad(LOSSES[row.name])(p, *batch)
        return (value, *update(p, grads, state))

    def change_rows(p, state, centers, others, noise):
        rows = p[0][centers], p[1][others], p[1][noise]
        value, (v, u, n) = jax.value_and_grad(words, (0, 1, 2))(*rows)
        second = p[1].at[others].add(-lr * u).at[noise].add(-lr * n)
        return value, [p[0].at[centers].add(-lr * v), second], state

    compiled = jax.jit(change_rows if row.name == "word2vec_step" else change, donate_argnums=(0, 1))

    def step(*batch):
        value, *held[:] = compiled(*held, *batch)
        jax.block_until_ready(held)
        return value

    return step
