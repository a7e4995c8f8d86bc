"""Write `torch_results.txt`: what torch says of each case. Run by hand where torch is installed; tests read the file.

python tests/train/make_torch_results.py
"""

import sys
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

sys.path.insert(0, str(Path(__file__).parent))
from torch_cases import COUNT, case, digest, weights


def run(kind, o, a):
    """The result of one case."""
    if kind == "conv":
        call = (F.conv1d, F.conv2d, F.conv3d)[o["rank"] - 1]
        return call(*a, stride=o["stride"], padding=o["padding"], dilation=o["dilation"], groups=o["groups"])
    if kind == "max_pool":
        call = (F.max_pool1d, F.max_pool2d, F.max_pool3d)[o["rank"] - 1]
        return call(a[0], o["size"], o["stride"], o["padding"])
    if kind == "avg_pool":
        call = (F.avg_pool1d, F.avg_pool2d, F.avg_pool3d)[o["rank"] - 1]
        return call(a[0], o["size"], o["stride"], o["padding"])
    if kind == "batch_norm":
        mean, variance = (
            torch.tensor(o["mean"], dtype=torch.float64),
            torch.tensor(o["variance"], dtype=torch.float64),
        )
        y = F.batch_norm(a[0], mean, variance, a[1], a[2], training=o["training"])
        return y + 0 * y.sum() + (mean.sum() + 2 * variance.sum())
    if kind == "layer_norm":
        return F.layer_norm(a[0], a[0].shape[-1:], a[1], a[2])
    if kind == "group_norm":
        return F.group_norm(a[0], o["groups"], a[1], a[2])
    if kind == "rms_norm":
        return F.rms_norm(a[0], a[0].shape[-1:], a[1], eps=1e-6)
    if kind == "attention":
        mask = {
            "bool": torch.tensor(o["allowed"]),
            "float": torch.tensor(o["added"], dtype=torch.float64),
        }.get(o["mask"])
        return F.scaled_dot_product_attention(*a, attn_mask=mask, is_causal=o["mask"] == "causal")
    if kind == "cross_entropy":
        return F.cross_entropy(
            a[0],
            torch.tensor(o["labels"], dtype=None if np.ndim(o["labels"]) == 1 else torch.float64),
            reduction=o["reduction"],
        )
    if kind == "loss":
        target = torch.tensor(o["target"], dtype=torch.float64)
        if o["name"] == "huber":
            return F.huber_loss(a[0], target, delta=o["delta"])
        if o["name"] == "kl":
            return F.kl_div(a[0], target, reduction="batchmean")
        return {"mse": F.mse_loss, "l1": F.l1_loss, "bce": F.binary_cross_entropy_with_logits}[o["name"]](
            a[0], target
        )
    if kind == "activation":
        if o["name"] == "gelu_tanh":
            return F.gelu(a[0], approximate="tanh")
        return getattr(F, o["name"])(a[0], **({"dim": -1} if "softmax" in o["name"] else {}))
    return F.embedding(torch.tensor(o["indices"]), a[0])


def main():
    """Write all."""
    lines = []
    for number in range(COUNT):
        kind, options, arrays = case(number)
        tensors = [torch.tensor(a, dtype=torch.float64, requires_grad=True) for a in arrays]
        try:
            result = run(kind, options, tensors)
            (result * torch.tensor(weights(number, result.shape))).sum().backward()
        except RuntimeError as error:
            lines.append(f"{number} {kind} error")
            print(number, kind, str(error)[:80])
            continue
        numbers = digest(number, result.detach().numpy(), [t.grad.numpy() for t in tensors])
        lines.append(f"{number} {kind} {' '.join(f'{v:.15g}' for v in numbers)}")
    head = f"# torch {torch.__version__}, float64"
    (Path(__file__).parent / "torch_results.txt").write_text("\n".join([head, *lines]) + "\n")


if __name__ == "__main__":
    main()
