"""CPython's own standard library as text: on any machine that runs Python. Not an example itself."""

import gzip
import sysconfig
from pathlib import Path

import numpy as np


def texts(most_bytes, held_out=8):
    """Two arrays of bytes: files to train on, and files held out (every `held_out`-th, at most a tenth)."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    files = sorted(f for f in folder.glob("*.py") if 2000 < f.stat().st_size < 150_000)
    train = b"".join(f.read_bytes() for k, f in enumerate(files) if k % held_out)[:most_bytes]
    test = b"".join(f.read_bytes() for k, f in enumerate(files) if not k % held_out)[: most_bytes // 10]
    return np.frombuffer(train, np.uint8), np.frombuffer(test, np.uint8)


def gzip_bits(text):
    """Bits per character of `gzip -9`."""
    return 8 * len(gzip.compress(text.tobytes(), 9)) / len(text)


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
