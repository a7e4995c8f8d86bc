"""Random configurations of layers and losses, the same for Weft and torch: `cases()` gives them by number.

A case is (kind, options, arrays): float64 arrays are differentiated. `digest` turns a result and its
gradients into a few
numbers: products with fixed random arrays. Not here: what torch says (`torch_results.txt`, made by
`make_torch_results.py`).
"""

import numpy as np

COUNT = 560
ALL = 700
"""Those from COUNT on are transposed convolutions, from 620 on what `LATER` says, in turn."""


def case(number):
    """The configuration of this number."""
    rng = np.random.default_rng(number)
    kind = KINDS[number % len(KINDS)] if number < COUNT else _later(number)
    options, arrays = kind(rng)
    return kind.__name__, options, arrays


def digest(number, result, gradients):
    """A few numbers that stand for a result and its gradients."""
    rng = np.random.default_rng(10_000 + number)
    return [float(np.sum(np.asarray(a) * rng.normal(size=np.shape(a)))) for a in (result, *gradients)]


def weights(number, shape):
    """What a result is multiplied with before it is summed and differentiated."""
    return np.random.default_rng(20_000 + number).normal(size=shape)


def _pick(rng, *values):
    return values[rng.integers(len(values))]


def conv(rng):
    """One to three axes, stride, padding, dilation, groups."""
    rank = int(rng.integers(1, 4))
    groups = int(_pick(rng, 1, 1, 2))
    inputs, outputs = groups * int(rng.integers(1, 4)), groups * int(rng.integers(1, 4))
    kernel = [int(k) for k in rng.integers(1, 4, rank)]
    options = {
        "rank": rank, "groups": groups, "stride": [int(s) for s in rng.integers(1, 3, rank)],
        "padding": [int(p) for p in rng.integers(0, 3, rank)],
        "dilation": [int(d) for d in rng.integers(1, 3, rank)],
    }  # fmt: skip
    sizes = [int(rng.integers(5, 9 if rank < 3 else 7)) for _ in kernel]
    x = rng.normal(size=(int(rng.integers(1, 3)), inputs, *sizes))
    return options, [x, rng.normal(size=(outputs, inputs // groups, *kernel)), rng.normal(size=outputs)]


def conv_transpose(rng):
    """One to three axes, all that torch has."""
    options, (x, _, _) = conv(rng)
    rank, groups = options["rank"], options["groups"]
    shape = (x.shape[1], int(rng.integers(1, 4)), *(int(k) for k in rng.integers(1, 4, rank)))
    spans = [d * (k - 1) + 1 for k, d in zip(shape[2:], options["dilation"], strict=True)]
    options["padding"] = [int(rng.integers(0, min(span, 3))) for span in spans]
    most = [max(s, d) for s, d in zip(options["stride"], options["dilation"], strict=True)]
    options["output_padding"] = [int(rng.integers(0, m)) for m in most]
    return options, [x, rng.normal(size=shape), rng.normal(size=shape[1] * groups)]


def pool_options(rng):
    """Windows with gaps, or reaching over the end, or means without the border."""
    options, arrays = max_pool(rng)
    is_max = bool(rng.integers(2))
    more = {"dilation": int(rng.integers(1, 3))} if is_max else {"count_include_pad": bool(rng.integers(2))}
    return {**options, "is_max": is_max, "more": {**more, "ceil_mode": bool(rng.integers(2))}}, arrays


def adaptive(rng):
    """As many windows as are asked for."""
    rank = int(rng.integers(1, 4))
    options = {
        "rank": rank,
        "sizes": [int(k) for k in rng.integers(1, 5, rank)],
        "is_max": bool(rng.integers(2)),
    }
    return options, [rng.normal(size=(2, 2, *rng.integers(4, 8, rank)))]


def instance_norm(rng):
    """Each channel by itself."""
    _, (x, weight, bias) = group_norm(rng)
    return {}, [x, weight, bias]


def entropy_options(rng):
    """Labels that do not count, weight for all classes."""
    rows, classes = int(rng.integers(2, 7)), int(rng.integers(2, 7))
    options = {
        "labels": [0, *rng.integers(-1, classes, rows - 1).tolist()],
        "smoothing": float(_pick(rng, 0.0, 0.1)),
        "reduction": _pick(rng, "mean", "sum", "none"),
    }  # fmt: skip
    return options, [rng.normal(size=(rows, classes))]


def max_pool(rng):
    """Windows that may overlap."""
    rank = int(rng.integers(1, 4))
    size = [int(k) for k in rng.integers(2, 4, rank)]
    stride = [int(s) for s in rng.integers(1, 4, rank)]
    options = {"rank": rank, "size": size, "stride": stride, "padding": int(rng.integers(0, 2))}
    return options, [rng.normal(size=(2, 2, *rng.integers(4, 8, rank)))]


def avg_pool(rng):
    """The same for means."""
    return max_pool(rng)


def batch_norm(rng):
    """In training and out of it."""
    channels = int(rng.integers(1, 4))
    shape = (int(rng.integers(2, 5)), channels, *rng.integers(2, 5, int(rng.integers(0, 3))))
    options = {
        "training": bool(rng.integers(2)),
        "mean": rng.normal(size=channels).tolist(),
        "variance": rng.uniform(0.5, 2, channels).tolist(),
    }
    return options, [rng.normal(size=shape), rng.normal(size=channels), rng.normal(size=channels)]


def layer_norm(rng):
    """Over the last axis."""
    size = int(rng.integers(2, 9))
    return {}, [
        rng.normal(size=(*rng.integers(1, 5, int(rng.integers(1, 3))), size)),
        rng.normal(size=size),
        rng.normal(size=size),
    ]


def group_norm(rng):
    """Groups of channels."""
    groups = int(rng.integers(1, 4))
    channels = groups * int(rng.integers(1, 3))
    x = rng.normal(size=(2, channels, *rng.integers(2, 5, int(rng.integers(1, 3)))))
    return {"groups": groups}, [x, rng.normal(size=channels), rng.normal(size=channels)]


def rms_norm(rng):
    """Over the last axis."""
    size = int(rng.integers(2, 9))
    return {}, [rng.normal(size=(3, size)), rng.normal(size=size)]


def attention(rng):
    """With masks of bools or floats, or causal."""
    n, m, size = (int(v) for v in rng.integers(2, 6, 3))
    mask = _pick(rng, "none", "causal", "bool", "float")
    m = n if mask == "causal" else m
    allowed = rng.random((n, m)) < 0.6
    allowed[:, 0] = True
    options = {"mask": mask, "allowed": allowed.tolist(), "added": rng.normal(size=(n, m)).tolist()}
    lead = (2, int(rng.integers(1, 3)))
    return options, [
        rng.normal(size=(*lead, n, size)),
        rng.normal(size=(*lead, m, size)),
        rng.normal(size=(*lead, m, 3)),
    ]


def cross_entropy(rng):
    """Whole labels or probabilities, logits up to 1e4."""
    rows, classes = int(rng.integers(1, 6)), int(rng.integers(2, 7))
    logits = rng.normal(size=(rows, classes)) * _pick(rng, 1.0, 10.0, 1e4)
    chances = rng.random((rows, classes))
    options = {
        "labels": rng.integers(0, classes, rows).tolist()
        if rng.integers(2)
        else (chances / chances.sum(1, keepdims=True)).tolist(),
        "reduction": _pick(rng, "mean", "sum", "none"),
    }
    return options, [logits]


def loss(rng):
    """Losses of two arrays."""
    name = _pick(rng, "mse", "l1", "huber", "bce", "kl")
    shape = tuple(rng.integers(1, 6, 2))
    x, target = rng.normal(size=shape) * 2, rng.random(shape)
    return {"name": name, "delta": float(_pick(rng, 0.5, 1.0)), "target": target.tolist()}, [x]


def activation(rng):
    """Each of them, at ordinary and large arguments."""
    name = _pick(
        rng,
        "relu",
        "leaky_relu",
        "elu",
        "sigmoid",
        "silu",
        "softplus",
        "gelu",
        "gelu_tanh",
        "softmax",
        "log_softmax",
    )
    return {"name": name}, [rng.normal(size=(3, 5)) * _pick(rng, 1.0, 5.0, 30.0)]


def embedding(rng):
    """Rows that are used several times."""
    rows = int(rng.integers(2, 7))
    return {"indices": rng.integers(0, rows, (2, 3)).tolist()}, [rng.normal(size=(rows, 3))]


KINDS = [
    conv, conv, max_pool, avg_pool, batch_norm, layer_norm, group_norm, rms_norm, attention, attention,
    cross_entropy, loss,
    activation, embedding,
]  # fmt: skip
LATER = [pool_options, adaptive, instance_norm, entropy_options]


def _later(number):
    return conv_transpose if number < 620 else LATER[number % len(LATER)]
