"""Arrays that change their size in loops and branches: equal to plain Python, with few compiles."""

import copy
import re

import numpy as np
import pytest

import weft


def agree(compiled, fn, *args):
    """Results, and arguments after the call, are those of plain Python."""
    mine, theirs = copy.deepcopy(args), copy.deepcopy(args)
    for found, wanted in ((compiled(*mine), fn(*theirs)), (mine, theirs)):
        found, wanted = (v if isinstance(v, tuple) else (v,) for v in (found, wanted))
        for one, other in zip(found, wanted, strict=True):
            assert type(one) is type(other)
            if other is None:
                continue
            assert np.shape(one) == np.shape(other)
            assert getattr(one, "dtype", None) == getattr(other, "dtype", None)
            np.testing.assert_allclose(one, other, rtol=1e-13)


def pairwise_means(v, n):
    """A size less in each iteration."""
    for _ in range(n):
        v = 0.5 * (v[:-1] + v[1:])
    return v


def above_mean(x):
    """A mask in a `while` that asks for the size."""
    rounds = 0
    while len(x) > 1:
        x = x[x > x.mean()]
        rounds += 1
    return x, rounds


def cut_alike(x, y, n):
    """Two arrays cut by one mask still fit each other."""
    for i in range(n):
        keep = x + y > 0.1 * i
        x = x[keep]
        y = y[keep] * 2
    return x, y


def escaped(z, n):
    """In-place arithmetic, positions of what is left, and a way out when nothing is."""
    z = z.copy()
    when = np.zeros(len(z), dtype=int)
    where = np.arange(len(z))
    for i in range(n):
        z = z * z - 0.5
        gone = abs(z) > 1.5
        when[where[gone]] = i + 1
        np.logical_not(gone, gone)
        z = z[gone]
        where = where[gone]
    return when, z


def stopped(z, n):
    for i in range(n):
        if not len(z):
            break
        z = z[z > 0.3 * i] + 0.1
    return z, i


def appended(x, n):
    """Larger by one in each iteration."""
    for i in range(n):
        x = np.append(x, x[-1] + i)
    return x


def halved(x):
    """Larger in a branch, smaller after it."""
    rounds = 0
    while len(x) > 1:
        if len(x) % 2:
            x = np.append(x, 0.0)
        x = x[::2] + x[1::2]
        rounds += 1
    return x, rounds


def one_or_other(x, y):
    if x[0] > y[0]:
        z = x[1:]
    else:
        z = y
    return z * 2, len(z)


def rows(a, n):
    for _ in range(n):
        a = a[a[:, 0] >= a[:, 0].mean()]
        if a.shape[0] < 2:
            break
    return a


def nested(x, n):
    for i in range(n):
        for j in range(i):
            x = x[: len(x) - j]
        x = x * 2
    return x


CASES = {
    pairwise_means: lambda r, n: (r.random(n), n - 3),
    above_mean: lambda r, n: (r.random(n),),
    cut_alike: lambda r, n: (r.random(n), r.random(n), 4),
    escaped: lambda r, n: (r.random(n) * 2, 5),
    stopped: lambda r, n: (r.random(n), n),
    appended: lambda r, n: (r.random(3), n),
    halved: lambda r, n: (r.random(n),),
    one_or_other: lambda r, n: (r.random(n), r.random(n)),
    rows: lambda r, n: (r.random((n, 2)), 4),
    nested: lambda r, n: (r.random(n), 3),
}


@pytest.mark.parametrize("fn", CASES, ids=lambda fn: fn.__name__)
def test_arrays_that_change_their_size(fn):
    generator = np.random.default_rng(3)
    compiled = weft.compile(fn)
    for n in (7, 12, 20):
        agree(compiled, fn, *CASES[fn](generator, n))
    assert compiled.stats()["compiles"] <= 3, "one compile for the first sizes, few for all"


def test_a_size_without_bound_is_refused():
    @weft.compile
    def doubled(x):
        while x.sum() < 100:
            x = np.concatenate([x, x])
        return x

    with pytest.raises(weft.DTypeError, match="keep 'x' in one shape"):
        doubled(np.ones(3))


def test_elements_at_a_mask_are_made_where_all_paths_see_them():
    def maybe(x, wanted):
        found = x[x > 0.5]
        total = x[0] * 0
        if wanted:
            total = found.sum()
        return found, total

    compiled = weft.compile(maybe)
    x = np.random.default_rng(0).random(9)
    for wanted in (np.bool_(True), np.bool_(False)):
        agree(compiled, maybe, x, wanted)


def test_what_is_made_on_the_only_path_that_goes_on():
    def checked(x):
        if x.any():
            doubled = x * 2
            total = doubled.sum()
            many = int(total)
        else:
            raise ValueError("nothing to do")
        return doubled, total, many

    def returned(x):
        if x.any():
            return x + 1
        else:
            raise ValueError("nothing to do")

    for fn in (checked, returned):
        compiled = weft.compile(fn)
        agree(compiled, fn, np.arange(4.0))
        with pytest.raises(ValueError, match="nothing to do"):
            compiled(np.zeros(4))


def test_a_bound_beyond_all_sizes_is_no_guard():
    compiled = weft.compile(lambda x, at: np.clip(at, 0, len(x) - 1))
    for n in (5, 9, 14):
        agree(compiled, lambda x, at: np.clip(at, 0, len(x) - 1), np.ones(n), np.arange(-2, n + 2))
    assert compiled.stats()["compiles"] == 2


def cut_until_empty(z, c, n):
    for i in range(n):
        if not len(z):
            break
        z = z * z + c
        keep = np.abs(z) < 1.2 + 0.01 * i
        z = z[keep]
        c = c[keep]
    return z, c


def cut_or_kept(z, n):
    for i in range(n):
        if len(z) > 4 + i:
            z = z[z > z.mean() - 1.0]
        elif i % 2:
            z = z[:2] * 0.5
    return z


def cut_and_kept_argument(x, y, n):
    v = x
    for _ in range(n):
        if len(v) > 3:
            v = v[v > v.min()]
        else:
            v = y[:2]
    return v, x, y


@pytest.mark.parametrize("fn", [cut_until_empty, cut_or_kept, cut_and_kept_argument])
def test_rooms_of_arrays_that_are_cut(fn):
    rng = np.random.default_rng(11)
    compiled = weft.compile(fn)
    for size in (1, 9, 40, 9):
        arrays = [rng.normal(size=size) for _ in range(1 if fn is cut_or_kept else 2)]
        agree(compiled, fn, *arrays, 12)


def test_room_is_not_filled_again():
    arguments = np.ones(20), np.ones(20), 12
    text = weft.compile(cut_until_empty).ir("tensor", *arguments)
    loop = text[text.index(" while(") :]
    filled = re.findall(r"(%\d+) = broadcast", loop)
    updated = re.findall(r" update\((%\d+)", loop)
    assert updated
    assert not set(filled) & set(updated)


def history(x, tol):
    """A list that the loop fills, returned from it and after it."""
    seen = []
    for _ in range(30):
        seen.append(abs(x).sum())
        if seen[-1] < tol:
            return x, np.array(seen)
        x = x * 0.5
    return x, np.array(seen)


def states(x, tol):
    seen = []
    while True:
        seen.append(x[0])
        if x[0] < tol or len(seen) > 40:
            return x, seen
        x = x * 0.5


def head_until(x, tol):
    for k in range(len(x)):
        if x[k] > tol:
            return x[:k], k
    return x, -1


def first_window(x, tol):
    """A return from two loops whose size both decide."""
    best = x[:1]
    for i in range(len(x)):
        for j in range(i + 1, len(x)):
            if x[i:j].sum() > tol:
                best = x[i:j]
                return best, i, j
    return best, 0, 0


def last_part(x, tol):
    """What the last iteration made."""
    for k in range(1, len(x)):
        y = x[:k] * 2
        if y.sum() > tol:
            break
    return y


def one_or_many(x, tol):
    if x.sum() > tol:
        return x[1:], 1.0
    return x[:1], 2.0


def grown_on_one_path(x, tol):
    seen = []
    if x[0] > 0:
        c = 0
        while c < len(x):
            c += 1
            seen.append(x[0])
            if x.sum() > tol:
                return x, np.array(seen)
    return x, np.array(seen)


def grown_or_nothing(x, tol):
    seen = []
    for value in x:
        seen.append(value * 2.0)
        if value > tol:
            return x, np.array(seen)


RETURNS = [
    history, states, head_until, first_window, last_part, one_or_many, grown_on_one_path, grown_or_nothing,
]  # fmt: skip


@pytest.mark.parametrize("fn", RETURNS, ids=lambda fn: fn.__name__)
def test_returns_of_sizes_that_a_loop_or_path_decides(fn):
    compiled = weft.compile(fn)
    for x in (np.arange(5.0) + 1, np.arange(7.0) - 2):
        for tol in (0.3, 3.0, 100.0):
            agree(compiled, fn, x, tol)


def windows(img, k):
    """Windows cut at the borders: the room for one is of largest and smallest ends."""
    out = img.copy()
    h, w = img.shape
    for y in range(h):
        for x in range(w):
            y0, y1 = max(0, y - k), min(h, y + k + 1)
            x0, x1 = max(0, x - k), min(w, x + k + 1)
            out[y, x] = np.median(img[y0:y1, x0:x1])
    return out


def test_windows_cut_at_borders():
    compiled = weft.compile(windows)
    for shape in ((3, 4), (7, 6)):
        agree(compiled, windows, np.random.default_rng(2).random(shape), 1)
