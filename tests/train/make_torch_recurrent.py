"""Write `torch_recurrent.txt`: what torch says of recurrent layers of random sizes. Tests read the file.

Run by hand where torch is installed:
python tests/train/make_torch_recurrent.py
"""

import sys
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))
from recurrent_cases import COUNT, case, digest, weights

LAYERS = {"rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}


def run(name, lengths, reverse, arrays):
    """Outputs and last states of one direction; torch runs the other by turning each sequence around."""
    x, h, c, w_x, w_h, b_x, b_h = arrays
    layer = LAYERS[name](x.shape[2], h.shape[1]).double()
    turned = turn(x, lengths) if reverse else x
    start = (h[None], c[None]) if name == "lstm" else h[None]
    parameters = {"weight_ih_l0": w_x.T, "weight_hh_l0": w_h.T, "bias_ih_l0": b_x, "bias_hh_l0": b_h}
    packed = torch.nn.utils.rnn.pack_padded_sequence(turned, lengths, enforce_sorted=False)
    outputs, last = torch.func.functional_call(layer, parameters, (packed, start))
    outputs, _ = torch.nn.utils.rnn.pad_packed_sequence(outputs, total_length=x.shape[0])
    last = torch.cat(last) if name == "lstm" else last
    return turn(outputs, lengths) if reverse else outputs, last.reshape(-1, h.shape[1])


def turn(x, lengths):
    """Each sequence from its end to its start; what is after the end stays."""
    rows = [torch.cat([x[:n, k].flip(0), x[n:, k]]) for k, n in enumerate(lengths)]
    return torch.stack(rows, 1)


def main():
    """Write the file."""
    lines = [f"# torch {torch.__version__}, float64"]
    for number in range(COUNT):
        name, lengths, reverse, arrays = case(number)
        tensors = [torch.tensor(a, requires_grad=True) for a in arrays]
        outputs, last = run(name, torch.tensor(lengths), reverse, tensors)
        first, second = weights(number, outputs.shape, last.shape)
        total = (outputs * torch.tensor(first)).sum() + (last * torch.tensor(second)).sum()
        gradients = torch.autograd.grad(total, tensors, allow_unused=True)
        found = [g.numpy() if g is not None else a * 0 for g, a in zip(gradients, arrays, strict=True)]
        values = digest(number, outputs.detach().numpy(), found)
        lines.append(f"{number} {' '.join(f'{v:.15g}' for v in values)}")
    (Path(__file__).parent / "torch_recurrent.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
