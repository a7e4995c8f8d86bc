"""CPython's own standard library as text: on any machine that runs Python. Not an example itself."""

import gzip
import sysconfig
from pathlib import Path

import numpy as np


def texts(most_bytes, held_out=8):
    """Two arrays of bytes: files to train on, and files held out (every `held_out`-th, at most a tenth).

    Each file gives its first bytes, as many as all files have room for.
    """
    folder = Path(sysconfig.get_paths()["stdlib"])
    files = sorted(f for f in folder.glob("*.py") if 2000 < f.stat().st_size < 150_000)

    def joined(chosen, most):
        return np.frombuffer(b"".join(f.read_bytes()[: most // len(chosen)] for f in chosen), np.uint8)

    test = files[::held_out]
    return joined([f for f in files if f not in test], most_bytes), joined(test, most_bytes // 10)


def gzip_bits(text):
    """Bits per character of `gzip -9`."""
    return 8 * len(gzip.compress(text.tobytes(), 9)) / len(text)


def frequency_bits(train, test):
    """Bits per character of a text when only the letters' frequencies in another are known."""
    share = (np.bincount(train, minlength=256) + 1) / (len(train) + 256)
    return float(-np.log2(share[test]).mean())


def pieces(text, starts, length):
    """Pieces from the places `starts`, and what follows each of their characters: two of [length, batch]."""
    found = text[starts + np.arange(length + 1)[:, None]].astype(np.int32)
    return found[:-1], found[1:]


def contexts(x, rows, lengths):
    """For each place of [length, batch] and each of `lengths`, a number below `rows`.

    It stands for so many last characters, so that a table of rows knows what often follows them.
    """
    found, key = [], x
    for n in range(1, max(lengths)):
        before = np.concatenate([np.zeros_like(x[:n]), x[:-n]])
        key = key * 31 + before + n
        if n + 1 in lengths:
            found.append(key * (2 * n + 1) % rows)
    return found


def rate(step, steps, most, warm=50):
    """A learning rate that rises over the first steps and then falls along a cosine, to a hundredth."""
    falls = 0.5 * (1.02 + np.cos(np.minimum(step / steps, 1.0) * np.pi))
    return most * np.minimum((step + 1) / warm, 1.0) * falls
