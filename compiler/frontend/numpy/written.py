"""What NumPy functions mean, written in NumPy: traced like a user's function, loops and all.

Not here: compositions of operations, which need no loop of the program.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def each(fn: Callable[..., Any], size: Any, arrays: Any) -> Any:
    """`fn` of the elements at each place of flat arrays, as Python numbers."""
    first = np.asarray(fn(*[a[0].item() for a in arrays]))
    result = np.empty(size, first.dtype)
    result[0] = first
    for k in range(1, size):
        result[k] = fn(*[a[k].item() for a in arrays])
    return result
