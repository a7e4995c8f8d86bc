"""A web page that reads drawn digits: trains a network, exports it to WebAssembly, writes the page.

    python examples/export/web/make.py DIR      # then open DIR/index.html; no server is needed

The page holds the module as text, so that browsers load it from a file, too. Needs the linkers of ziglang:
pip install "weft[export]".
"""

import argparse
import base64
import shutil
import sys
from pathlib import Path

import numpy as np

import weft

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import digits_library  # noqa: E402


def shifted(x, rng):
    """The images moved by up to one pixel: people do not draw in the middle."""
    images = np.pad(x.reshape(-1, 8, 8), ((0, 0), (1, 1), (1, 1)))
    rows, columns = rng.integers(0, 3, 2)
    return np.ascontiguousarray(images[:, rows : rows + 8, columns : columns + 8].reshape(-1, 64))


def main():
    """Train, export, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=40)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    x, y = digits_library.digits()
    network, rng = digits_library.Network(), np.random.default_rng(1)
    step, size = weft.compile(network.train), digits_library.BATCH
    for _ in range(arguments.epochs):
        for at in range(0, len(y) - digits_library.TEST - size + 1, size):
            step(shifted(x[at : at + size], rng), y[at : at + size])
    right = np.mean(network.predict(x[-digits_library.TEST :]) == y[-digits_library.TEST :])
    functions = {"predict": (weft.compile(network.predict), ["f32[n,64]"])}
    report = weft.export(functions, path=arguments.folder / "digits.wasm", target="wasm32", optimize="size")
    text = base64.b64encode(report.library.read_bytes()).decode()
    (arguments.folder / "model.js").write_text(f'const MODEL = "{text}";\n')
    for name in ("index.html", "weft.js"):
        shutil.copy(HERE / name, arguments.folder / name)
    print(f"{report.library}: {report.library_bytes:,} bytes, {right:.1%} of test images read right")


if __name__ == "__main__":
    main()
