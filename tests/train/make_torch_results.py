"""Write `torch_results.txt`: what torch says of each case. Tests read the file.

Run by hand where torch is installed:
python tests/train/make_torch_results.py
"""

import sys
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parent))
from torch_cases import ALL, case, digest, weights


def conv(o, a):
    call = (functional.conv1d, functional.conv2d, functional.conv3d)[o["rank"] - 1]
    return call(*a, stride=o["stride"], padding=o["padding"], dilation=o["dilation"], groups=o["groups"])


def conv_transpose(o, a):
    call = (functional.conv_transpose1d, functional.conv_transpose2d, functional.conv_transpose3d)[
        o["rank"] - 1
    ]
    names = ("stride", "padding", "output_padding", "groups", "dilation")
    return call(*a, **{name: o[name] for name in names})


def pool_options(o, a):
    call = getattr(functional, f"{'max' if o['is_max'] else 'avg'}_pool{o['rank']}d")
    return call(a[0], o["size"], o["stride"], o["padding"], **o["more"])


def adaptive(o, a):
    return getattr(functional, f"adaptive_{'max' if o['is_max'] else 'avg'}_pool{o['rank']}d")(
        a[0], o["sizes"]
    )


def instance_norm(o, a):
    return functional.instance_norm(a[0], weight=a[1], bias=a[2])


def entropy_options(o, a):
    names = {"reduction": o["reduction"], "ignore_index": -1, "label_smoothing": o["smoothing"]}
    return functional.cross_entropy(a[0], torch.tensor(o["labels"]), **names)


def max_pool(o, a):
    call = (functional.max_pool1d, functional.max_pool2d, functional.max_pool3d)[o["rank"] - 1]
    return call(a[0], o["size"], o["stride"], o["padding"])


def avg_pool(o, a):
    call = (functional.avg_pool1d, functional.avg_pool2d, functional.avg_pool3d)[o["rank"] - 1]
    return call(a[0], o["size"], o["stride"], o["padding"])


def batch_norm(o, a):
    mean, variance = (
        torch.tensor(o["mean"], dtype=torch.float64),
        torch.tensor(o["variance"], dtype=torch.float64),
    )
    y = functional.batch_norm(a[0], mean, variance, a[1], a[2], training=o["training"])
    return y + 0 * y.sum() + (mean.sum() + 2 * variance.sum())


def layer_norm(o, a):
    return functional.layer_norm(a[0], a[0].shape[-1:], a[1], a[2])


def group_norm(o, a):
    return functional.group_norm(a[0], o["groups"], a[1], a[2])


def rms_norm(o, a):
    return functional.rms_norm(a[0], a[0].shape[-1:], a[1], eps=1e-6)


def attention(o, a):
    mask = {
        "bool": torch.tensor(o["allowed"]),
        "float": torch.tensor(o["added"], dtype=torch.float64),
    }.get(o["mask"])
    return functional.scaled_dot_product_attention(*a, attn_mask=mask, is_causal=o["mask"] == "causal")


def cross_entropy(o, a):
    return functional.cross_entropy(
        a[0],
        torch.tensor(o["labels"], dtype=None if np.ndim(o["labels"]) == 1 else torch.float64),
        reduction=o["reduction"],
    )


def loss(o, a):
    target = torch.tensor(o["target"], dtype=torch.float64)
    if o["name"] == "huber":
        return functional.huber_loss(a[0], target, delta=o["delta"])
    if o["name"] == "kl":
        return functional.kl_div(a[0], target, reduction="batchmean")
    return {
        "mse": functional.mse_loss,
        "l1": functional.l1_loss,
        "bce": functional.binary_cross_entropy_with_logits,
    }[o["name"]](a[0], target)


def activation(o, a):
    if o["name"] == "gelu_tanh":
        return functional.gelu(a[0], approximate="tanh")
    return getattr(functional, o["name"])(a[0], **({"dim": -1} if "softmax" in o["name"] else {}))


def embedding(o, a):
    return functional.embedding(torch.tensor(o["indices"]), a[0])


CASES = {
    f.__name__: f
    for f in (
        conv,
        conv_transpose,
        pool_options,
        adaptive,
        instance_norm,
        entropy_options,
        max_pool,
        avg_pool,
        batch_norm,
        layer_norm,
        group_norm,
        rms_norm,
        attention,
        cross_entropy,
        loss,
        activation,
        embedding,
    )
}


def run(kind, o, a):
    """The result of one case."""
    return CASES[kind](o, a)


def main():
    """Write all."""
    lines = []
    for number in range(ALL):
        kind, options, arrays = case(number)
        tensors = [torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in arrays]
        try:
            result = run(kind, options, tensors)
            (result * torch.tensor(weights(number, result.shape))).sum().backward()
        except RuntimeError as error:
            lines.append(f"{number} {kind} error")
            sys.stderr.write(f"{number} {kind} {str(error)[:80]}\n")
            continue
        numbers = digest(number, result.detach().numpy(), [t.grad.numpy() for t in tensors])
        lines.append(f"{number} {kind} {' '.join(f'{v:.15g}' for v in numbers)}")
    head = f"# torch {torch.__version__}, float64"
    (Path(__file__).parent / "torch_results.txt").write_text("\n".join([head, *lines]) + "\n")


if __name__ == "__main__":
    main()
