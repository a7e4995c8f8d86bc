"""Write `torch_optim.txt`: parameters after 100 steps of torch.optim. Run by hand where torch is installed.

python tests/train/make_torch_optim.py
"""

from pathlib import Path

import numpy as np
import torch


def problems():
    """The three of `test_optim.py`, in torch."""
    rng = np.random.default_rng(1)
    x, y = torch.tensor(rng.normal(size=(20, 3))), torch.tensor(rng.integers(0, 2, 20) * 2.0 - 1)
    a = torch.tensor([[3.0, 1.0], [1.0, 2.0]], dtype=torch.float64)
    return {
        "quadratic": ([2.0, -3.0], lambda p: 0.5 * (p * (a @ p)).sum() - p.sum()),
        "rosenbrock": ([-1.2, 1.0], lambda p: (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2),
        "logistic": ([0.5, -1.0, 2.0], lambda p: torch.log1p(torch.exp(-y * (x @ p))).mean()),
    }


CASES = {
    "sgd": lambda p: torch.optim.SGD(p, lr=1e-3),
    "sgd decay": lambda p: torch.optim.SGD(p, lr=1e-3, weight_decay=0.1),
    "momentum": lambda p: torch.optim.SGD(p, lr=2e-4, momentum=0.9),
    "nesterov": lambda p: torch.optim.SGD(p, lr=2e-4, momentum=0.9, nesterov=True),
    "adagrad": lambda p: torch.optim.Adagrad(p, lr=0.1),
    "rmsprop": lambda p: torch.optim.RMSprop(p, lr=1e-2),
    "adam": lambda p: torch.optim.Adam(p, lr=1e-2),
    "adam decay": lambda p: torch.optim.Adam(p, lr=1e-2, betas=(0.8, 0.95), weight_decay=0.1),
    "adamw": lambda p: torch.optim.AdamW(p, lr=1e-2),
}


def main():
    """Write all, with gradients as they are and clipped to a norm of 0.5."""
    head = "problem, optimizer, clipped or not, parameters after 100 steps"
    lines = [f"# torch {torch.__version__}, float64: {head}"]
    for problem, (start, loss) in problems().items():
        for name, make in CASES.items():
            for clip in (False, True):
                p = torch.tensor(start, dtype=torch.float64, requires_grad=True)
                optimizer = make([p])
                for _ in range(100):
                    optimizer.zero_grad()
                    loss(p).backward()
                    if clip:
                        torch.nn.utils.clip_grad_norm_([p], 0.5)
                    optimizer.step()
                values = " ".join(f"{v:.17g}" for v in p.detach().tolist())
                lines.append(f"{problem},{name},{'clipped' if clip else 'plain'},{values}")
    (Path(__file__).parent / "torch_optim.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
