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


def batches(text, rng, batch, length):
    """Random pieces and what follows each of their characters: two arrays [length, batch]."""
    starts = rng.integers(0, len(text) - length - 1, batch)
    pieces = text[starts[None, :] + np.arange(length + 1)[:, None]].astype(np.int32)
    return pieces[:-1], pieces[1:]


def bits_per_character(loss, text, batch, length):
    """The mean of a loss in bits over a text that is cut into pieces."""
    width = len(text) // batch
    rows = text[: width * batch].reshape(batch, width).T.astype(np.int32)
    found = [float(loss(rows[k : k + length], rows[k + 1 : k + length + 1]))
             for k in range(0, width - length - 1, length)]  # fmt: skip
    return float(np.mean(found)) / np.log(2)
