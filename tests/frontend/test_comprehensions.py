"""Comprehensions, and what uses generators up, over arrays and lists, short and long: as in plain Python."""

import numpy as np
import pytest

import weft
from tests.frontend.test_control_builtins import same


def collected(k):
    return (
        tuple(i * 2 for i in k.tolist()),
        sorted(i % 5 for i in k.tolist()),
        list(i * 2 for i in k.tolist()),
        ", ".join(str(i) for i in k.tolist()),
        np.array([i * 2.5 for i in k.tolist()]),
    )


def nested(k):
    rows = k[:2].tolist(), k[1:3].tolist()
    return [x for r in rows for x in r], [[x * y for x in k.tolist()] for y in k.tolist()]


def reduced(k):
    return (
        max(i % 5 for i in k.tolist()),
        min((i % 5 for i in k.tolist()), default=0),
        max((v for v in k.tolist() if v > 100), default=-1),
        max(k.tolist(), default=3, key=lambda v: v % 5),
        min([], default=2),
        max([int(k[0]), 4], default=1),
    )


def chosen(k):
    return (
        [i for i in k if i > 4],
        [i for i in range(3) if k[i] > 4],
        [(i, j) for i in range(2) for j in range(2) if k[i] > k[j]],
        [v for r in (k, k * 2) for v in r if v > 6],
        [i for i in k.tolist() if i % 2 if i > 3],
    )


def chosen_and_reduced(k):
    return (
        sum(i for i in k.tolist() if i > 4),
        sum(1 for i in range(3) if k[i] > 4),
        max(i for i in k if i > 4),
        any(i > 6 for i in k if i > 4),
        all(i > 6 for i in k if i > 4),
        sum(v for v in (k[0], k[1], 9) if v > 4),
    )


def lazily(k):
    return list(map(lambda i: i + 1, k.tolist())), list(filter(lambda i: i > 4, k.tolist()))


def with_functions(k):
    adders = [lambda a, i=i: a + i for i in range(3)]
    products = lambda row: sum(a * b for a, b in zip(row, row, strict=True))  # noqa: E731
    return [f(k) for f in adders], products(k.tolist()), products(k)


@pytest.mark.parametrize("size", [3, 6])
@pytest.mark.parametrize(
    "program", [collected, nested, reduced, chosen, chosen_and_reduced, lazily, with_functions]
)
def test_programs(program, size):
    k = np.array([3, 5, 7, 11, 2, 8])[:size]
    compiled = weft.compile(program)
    same(compiled(k), program(k))
    compiled(k)
    assert compiled.stats()["compiles"] == 1


def test_in_lambdas():
    k = np.array([3, 5, 7, 11])
    for program in (
        lambda k: [i**10 % 13 for i in k.tolist()],
        lambda k: sum(i * i for i in k.tolist()),
        lambda k, limit=4: [i for i in k.tolist() if i > limit],
    ):
        same(weft.compile(program)(k), program(k))


def test_powers_of_numbers():
    def powers(n, x):
        return (
            pow(n, 2),
            pow(n, 5, 7),
            pow(n, -1, 7),
            pow(2, n),
            pow(float(x[1]), 2),
            pow(x, 2),
            pow(int(x[0]), 3, 5),
        )

    same(weft.compile(powers)(17, np.arange(3.0)), powers(17, np.arange(3.0)))
    for modulus, error in ((0, ValueError), (34, ValueError)):
        with pytest.raises(error):
            weft.compile(lambda n, m: pow(n, -1, m))(17, modulus)
    with pytest.raises(OverflowError, match="3037000499"):
        weft.compile(lambda x: pow(int(x[0]), 3, 2**40))(np.array([3]))


def test_whole_numbers():
    def whole(x):
        return [float(v).is_integer() for v in x]

    x = np.array([2.0, 2.5, -3.0, np.inf, np.nan])
    same(weft.compile(whole)(x), whole(x))
