"""The training steps of the suite `train` in torch: its own layers and optimizers, eager or torch.compile.

Not here: what the networks are (`training.py`).
"""

# Written for another library, without types.
# pyright: basic, reportMissingImports=false

import torch
import torch.nn.functional as F


def mlp(p, x, y):
    h = torch.relu(torch.addmm(p[1], x, p[0]))
    h = torch.relu(torch.addmm(p[3], h, p[2]))
    return F.cross_entropy(torch.addmm(p[5], h, p[4]), y.long())


def conv(p, x, y):
    h = F.max_pool2d(torch.relu(F.conv2d(x, p[0], p[1], padding=2)), 2)
    h = F.max_pool2d(torch.relu(F.conv2d(h, p[2], p[3], padding=2)), 2).flatten(1)
    return F.cross_entropy(torch.addmm(p[7], torch.relu(torch.addmm(p[5], h, p[4])), p[6]), y.long())


def char(p, x, y):
    zero, none = torch.zeros(2, x.shape[1], 128), torch.zeros(512)
    weights = [p[0].t(), p[1].t(), p[2], none, p[3].t(), p[4].t(), p[5], none]
    rows = F.one_hot(x.long(), 65).float()
    rows = torch.lstm(rows, (zero, zero), weights, True, 2, 0.0, True, False, False)[0]
    return F.cross_entropy((rows @ p[6] + p[7]).flatten(0, 1), y.long().flatten())


def block(p, target):
    x, *p = p
    batch, length, width = x.shape
    h = F.linear(F.layer_norm(x, (width,), p[0], p[1]), p[2].t(), p[3])
    q, k, v = [t.reshape(batch, length, 4, width // 4).transpose(1, 2) for t in h.chunk(3, -1)]
    seen = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(x.shape)
    x = x + F.linear(seen, p[4].t(), p[5])
    h = F.gelu(F.linear(F.layer_norm(x, (width,), p[6], p[7]), p[8].t(), p[9]), approximate="tanh")
    return F.mse_loss(x + F.linear(h, p[10].t(), p[11]), target)


def words(p, centers, others, noise):
    v = F.embedding(centers, p[0], sparse=True)
    good = (v * F.embedding(others, p[1], sparse=True)).sum(1)
    bad = v @ F.embedding(noise, p[1], sparse=True).t()
    return (F.softplus(-good).sum() + F.softplus(bad).sum()) / centers.shape[0]


def wide(p, crossed, fields, dense, y):
    z = p[0][crossed].sum(1) + p[1]
    h = torch.cat([F.embedding(fields, p[2]).flatten(1), dense], 1)
    h = torch.relu(torch.addmm(p[6], torch.relu(torch.addmm(p[4], h, p[3])), p[5]))
    return F.binary_cross_entropy_with_logits(z + (h @ p[7])[:, 0], y)


def inception(p, target):
    def conv(x, k, padding):
        return torch.relu(F.conv2d(x, p[1 + 2 * k], p[2 + 2 * k], padding=padding))

    x = p[0]
    parts = [conv(x, 0, 0), conv(conv(x, 1, 0), 2, 1), conv(conv(x, 3, 0), 4, 2)]
    return F.mse_loss(torch.cat([*parts, conv(F.max_pool2d(x, 3, 1, 1), 5, 0)], 1), target)


LOSSES = {"mnist_mlp_step": mlp, "mnist_conv_step": conv, "charrnn_step": char, "tblock_step": block,
          "word2vec_step": words, "widedeep_step": wide, "inception_step": inception}  # fmt: skip


def step_of(row, threads, *, compiled):
    """A step of a row; with `compiled` loss and gradients go through torch.compile."""
    torch.set_num_threads(threads)
    if compiled:
        torch._dynamo.reset()
    p = [torch.from_numpy(a.copy()).requires_grad_() for a in row.parameters()]
    kind, lr = row.optimizer
    optimizer = {
        "sgd": lambda: torch.optim.SGD(p, lr),
        "adam": lambda: torch.optim.Adam(p, lr, fused=True),
        "adagrad": lambda: torch.optim.Adagrad(p, lr, initial_accumulator_value=0.1, eps=0, foreach=True),
    }[kind]()
    loss = torch.compile(LOSSES[row.name], dynamic=False) if compiled else LOSSES[row.name]

    def step(*batch):
        optimizer.zero_grad()
        value = loss(p, *map(torch.from_numpy, batch))
        value.backward()
        optimizer.step()
        return value.detach()

    return step
