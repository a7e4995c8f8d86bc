"""What a warm call of a compiled function costs, beside NumPy's: `python benchmarks/warm_call.py`."""

import timeit

import numpy as np

import weft
from weft.api import compiled_class


def add(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Two arrays."""
    return a + b


def ends(arrays: list[np.ndarray]) -> np.ndarray:
    """The first and the last of a list."""
    return arrays[0] + arrays[-1]


def total(arrays: list[np.ndarray]) -> np.ndarray:
    """All of a list."""
    result = arrays[0]
    for array in arrays[1:]:
        result = result + array
    return result


def nanoseconds(statement: str, **names: object) -> float:
    """The least of several repeats, since machines are shared."""
    return min(timeit.Timer(statement, globals=names).repeat(15, 20_000)) / 20_000 * 1e9


def main() -> None:
    """Print a line for each."""
    a, b = (np.random.default_rng(0).random(8, np.float32) for _ in range(2))
    arrays = [a.copy() for _ in range(50)]
    compiled = [weft.compile(fn) for fn in (add, ends, total)]
    _, entries = compiled_class()
    entries.settle()
    for fn, arguments in zip(compiled, ((a, b), (arrays,), (arrays,)), strict=True):
        fn(*arguments)
    print(f"a + b, 8 float32, compiled          {nanoseconds('f(a, b)', f=compiled[0], a=a, b=b):7.0f} ns")
    print(f"np.add(a, b)                        {nanoseconds('f(a, b)', f=np.add, a=a, b=b):7.0f} ns")
    print(f"list of 50 arrays, two of them used {nanoseconds('f(x)', f=compiled[1], x=arrays):7.0f} ns")
    print(f"list of 50 arrays, all added        {nanoseconds('f(x)', f=compiled[2], x=arrays):7.0f} ns")


if __name__ == "__main__":
    main()
