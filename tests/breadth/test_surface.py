"""One call of each NumPy function of the table, native; `python -m tests.surface` makes more."""

import numpy as np
import pytest

from tests.surface.__main__ import one
from tests.surface.check import Difference, is_listed, same
from tests.surface.table import CALLS
from weft.cli.ops import numpy_functions

NAMES = sorted(CALLS)
PARTS = 12


@pytest.mark.parametrize("part", range(PARTS))
def test_a_call_of_each(part):
    differences = []
    for name in NAMES[part::PARTS]:
        try:
            one(name, 1, 0)
        except AssertionError as error:
            differences.append(str(error))
    assert not differences, "\n".join(differences)


def test_every_function_that_is_built_is_in_the_table():
    outside = {
        "asfortranarray",
        "astype",
        "broadcast_shapes",
        "empty",
        "empty_like",
        "fromfunction",
        "isscalar",
        "mask_indices",
    }
    missing = {name for name, _, is_built in numpy_functions() if is_built} - CALLS.keys() - outside
    missing = {name for name in missing if not name.startswith("fft")}  # `tests/breadth` of their own
    assert not missing, f"add a generator to tests/surface/table.py for {sorted(missing)}"


def test_only_nan_of_infinite_complex_elements_is_listed():
    nan, infinite = np.array([complex(np.nan, 1), 2]), np.array([np.inf, 1j])
    for found, want, argument, listed in [
        (infinite, np.array([complex(np.nan, 1), 1j]), infinite, True),
        (infinite, nan, nan.real, False),  # no complex argument
        (infinite, nan, np.ones(2, complex), False),  # all finite
        (np.array([3.0, 2j]), nan, infinite, False),  # a number where NumPy has none
        (infinite, np.array([np.inf, 5j]), infinite, False),  # another number
    ]:
        with pytest.raises(Difference) as caught:
            same(found, want, "result")
        assert is_listed(caught.value, [argument]) is listed, (found, want)
