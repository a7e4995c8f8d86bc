"""`weft.cond`, `while_loop`, `fori_loop` and `scan`: compiled and as plain Python."""

import numpy as np
import pytest

import weft
from tests.frontend.test_control_programs import agree, ramp


def by_cond(x):
    return weft.cond(x[0] > 1, lambda a: a * 2, lambda a: a + 1, x)


def by_while(x):
    k, r = weft.while_loop(
        lambda s: abs(s[1] * s[1] - 2) > 1e-12, lambda s: (s[0] + 1, (s[1] + 2 / s[1]) / 2), (0, x[3])
    )
    return k, r


def by_fori(x):
    return weft.fori_loop(0, len(x), lambda i, s: s * 0.5 + x[i], x[0])


def by_fori_of_arrays(x):
    return weft.fori_loop(0, 5, lambda i, h: np.tanh(h + x * i), x)


def by_scan(x):
    return weft.scan(lambda s, v: (s + v, s * v), x[0] * 0, x)


def by_scan_of_trees(x):
    def step(carry, item):
        h = np.tanh(carry["h"] + item["a"])
        return {"h": h}, (h * 2, item["b"])

    return weft.scan(step, {"h": np.zeros(3)}, {"a": x.reshape(-1, 3), "b": x.reshape(-1, 3)[:, 0]})


def by_scan_backwards(x):
    return weft.scan(lambda s, v: (s * 0.5 + v, s), x[0], x, reverse=True)


def by_scan_of_a_length(x):
    return weft.scan(lambda s, _: (s * 2, s), x[1], None, length=6)


FORMS = [
    by_cond, by_while, by_fori, by_fori_of_arrays, by_scan, by_scan_of_trees, by_scan_backwards,
    by_scan_of_a_length,
]  # fmt: skip


@pytest.mark.parametrize("fn", FORMS)
def test_form(fn):
    agree(fn, ramp(12))
    agree(fn, ramp(9) + 1)
