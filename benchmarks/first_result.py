"""How long a user waits: `import weft`, the first result of softmax, and the second, symbolic compile.

Run as `WEFT_CACHE_DIR=$(mktemp -d) python benchmarks/first_result.py`, and again with the same folder for
the disk cache.
"""

from time import perf_counter

import numpy as np

began = perf_counter()
import weft  # noqa: E402 -- its import is what is measured

imported = perf_counter()


def softmax(x: np.ndarray) -> np.ndarray:
    """Over rows."""
    e = np.exp(x - x.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def main() -> None:
    """Print the three times."""
    small, large = np.ones((64, 100), np.float32), np.ones((65, 100), np.float32)
    start = perf_counter()
    compiled = weft.compile(softmax)
    compiled(small)
    first = perf_counter()
    compiled(large)
    second = perf_counter()
    print(f"import weft {imported - began:.3f} s; first result {first - start:.3f} s")
    print(f"second, symbolic compile {second - first:.3f} s")


if __name__ == "__main__":
    main()
