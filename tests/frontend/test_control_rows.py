"""Lists of lists in compiled control flow, against plain Python: written, kept by two names, returned.

A program gives what plain Python gives, aliases in the result too, or is refused; one that is refused is in a
table of its own with its reason.
"""

import copy

import numpy as np
import pytest

import weft
from tests.frontend.test_control_programs import agree

RIGHT, REFUSED = [], []


def right(*cases):
    """Note a program with the arguments of each case; none: a size to unroll, and one that is not."""

    def add(fn):
        RIGHT.extend((fn, case) for case in cases or ((6,), (300,)))
        return fn

    return add


def refused(match, *args):
    """Note a program that is refused, and the error."""

    def add(fn):
        REFUSED.append((fn, match, args or (300,)))
        return fn

    return add


WORDS = np.random.default_rng(3).integers(0, 3, (2, 300))


@right((WORDS[0, :8], WORDS[1, :9]), (WORDS[0, :40], WORDS[1, :30]))
def longest_common_subsequence(a, b):
    n, m = len(a), len(b)
    table = [[0] * (m + 1) for _ in range(n + 1)]
    for i in range(1, n + 1):
        for j in range(1, m + 1):
            if a[i - 1] == b[j - 1]:
                table[i][j] = table[i - 1][j - 1] + 1
            else:
                table[i][j] = max(table[i - 1][j], table[i][j - 1])
    return table[n][m], table


@right((6,), (40,))
def widened_rows(n):
    rows = [[0] * n for _ in range(n)]
    for i in range(n):
        for j in range(n):
            rows[i][j] = i * j * 0.5
    return rows


@right((6,), (40,))
def rows_by_iteration_and_by_name(n):
    rows, others = [[0] * n for _ in range(n)], [[1] * n for _ in range(n)]
    for i, row in enumerate(rows):
        for j in range(n):
            row[j] = i * j
    for row, other in zip(rows, others, strict=True):
        row[0], other[1] = other[0], row[2]
    for i in range(n):
        row = rows[i]
        row[-1] += 7
    return rows, others


@right()
def row_that_has_a_name(n):
    first = [0, 0, 0]
    rows = [first, [1, 1, 1], [2, 2, 2]]
    for i in range(n):
        rows[i % 3][1] += 1
        first[2] += rows[0][1]
    return rows


@right((4,), (9,))
def three_deep(n):
    cube = [[[0] * n for _ in range(n)] for _ in range(n)]
    for i in range(n):
        for j in range(n):
            for k in range(n):
                cube[i][j][k] = i * 100 + j * 10 + k
    return cube


@right()
def lists_in_tuples_and_dicts(n):
    pair, named = ([0] * n, [1] * n), {"a": [0] * n, "b": [1] * n}
    rows = [([0, 0, 0], i) for i in range(n)]
    for i in range(n):
        pair[0][i] = i
        named["b"][i] += pair[1][i] + i
        rows[i][0][1] = i
    return pair, named, rows


@right()
def rows_that_were_appended(n):
    rows = []
    for i in range(n):
        rows.append([i, 0, 0])
    for i in range(n):
        rows[i][1] += i
    return rows


@right()
def rows_written_in_a_helper(n):
    def put(row, j, value):
        row[j] = value

    rows = [[0, 0] for _ in range(n)]
    for i in range(n):
        put(rows[i], 1, i)
    return rows


@right()
def copies_of_a_row(n):
    row, rows = [0] * 5, []
    for i in range(n):
        row[i % 5] = i
        rows.append(list(row))
        rows.append(row[:])
        rows.append(row.copy())
    return rows


@right()
def row_that_is_seen_by_a_branch(n):
    rows = [[0, 0, 0], [1, 1, 1]]
    first = rows[0]
    for i in range(n):
        if i % 3:
            rows[i % 2][0] += 5
        else:
            first[1] += 1
    return rows


@right((3,), (9,))
def the_same_list_twice(n):
    row = [1, 2]
    return [row, row], {"row": row, "n": n}


@refused("memory of another")
def row_in_two_lists(n):
    row = [0, 0, 0]
    rows, others = [row, [1, 1, 1]], [row, [2, 2, 2]]
    for i in range(n):
        rows[i % 2][0] += 1
        others[i % 2][0] += 2
    return rows, others


@refused("memory of another")
def same_row_appended_again(n):
    row, rows = [0, 0, 0], []
    for i in range(n):
        row[i % 3] = i
        rows.append(row)
    return rows


@refused("changes its length")
def row_that_grows(n):
    rows = [[0] for _ in range(5)]
    for i in range(n):
        rows[i % 5].append(i)
    return rows


@refused("rows are both returned")
def list_and_its_row(n):
    rows = [[0] * 3 for _ in range(n)]
    for i in range(n):
        rows[i][0] = i
    return rows, rows[1]


@right()
def copies_by_operators(n):
    a = [0] * n
    for i in range(n):
        a[i] = i
    five = [5]
    b, c, d, e, f = a + five, a * 2, [*a, 7], tuple(a[:3]), [1]
    f += a
    a[0] = 9
    return a, b, c, d, e, f


@right()
def comparisons_of_rows(n):
    rows = [[0] * 3 for _ in range(n)]
    for i in range(n):
        rows[i][0] = i
    return rows[0] == rows[0], rows[0] == rows[1], rows[1] != rows[2], rows[0] == [0, 0, 0]


@right((40,), (300,))
def rows_that_are_exchanged(n):
    last, following = [0] * (n + 1), [0] * (n + 1)
    for i in range(n):
        for j in range(1, n + 1):
            following[j] = last[j - 1] + 1 if (i * j) % 3 else max(last[j], following[j - 1])
        last, following = following, last
    return last, following


@right((40,), (300,))
def row_that_is_bound_anew(n):
    last = [0] * (n + 1)
    for i in range(n):
        row = [i] + [0] * n
        for j in range(1, n + 1):
            row[j] = min(row[j - 1], last[j]) + (i * j) % 4
        last = row
    return last


@right()
def row_by_a_condition(n):
    rows = [[(i * 7) % 5, i, 2] for i in range(n)]
    best = rows[0]
    for i in range(n):
        if rows[i][0] > best[0]:
            best = rows[i]
    return best, n


@refused("both names would see it", np.array([1.0, 2.0]))
def one_of_two_lists(x):
    a, b = [1, 2], [3, 4]
    one = a if x[0] > 1 else b
    one[0] = 9
    return a, b


@refused("both names would see it")
def dict_that_was_appended(n):
    found, last = [], {"v": 0}
    for i in range(n):
        last = {"v": i}
        found.append(last)
    last["v"] = 77
    return found


@refused("memory of another")
def row_from_before_a_loop(n):
    rows = [[0] * 3]
    first = rows[0]
    for i in range(n):
        rows.append([i] * 3)
        rows[0][1] += i
    return first


@refused("memory of another")
def array_that_was_appended_twice(n):
    a, found = np.zeros(3), []
    for _ in range(n):
        found.append(a)
    found[0][0] = 5
    return found[1]


POINTS = np.random.default_rng(5).random((7, 3)) * 2


@right((POINTS.copy(),), (POINTS[:3].copy(),), (POINTS * 0,))
def rows_that_are_chosen(x):
    found, low = [], []
    for row in x:
        if row[0] > 1:
            found.append(row)
        elif row.sum() > 2:
            low.append(row * 2)
    return np.array(found), np.array(low), len(found)


@refused("memory of another", POINTS.copy())
def row_that_was_chosen_is_written(x):
    found = []
    for row in x:
        if row[0] > 1:
            found.append(row)
    found[0][0] = 7
    return x


@refused("memory of another", POINTS[:3].copy())
def row_that_a_branch_appended_is_written(x):
    found = []
    for row in x:
        if row[0] > 1:
            found.append(row)
    for one in found:
        one[0] = 0
    return x


@refused("memory of another", POINTS.copy())
def row_before_a_loop_is_written_after_it(x):
    found = [x[0]]
    for _ in range(len(x)):
        found.append(found[-1] * 2)
    x[0, 0] = 4
    return np.array(found)


@refused("memory of another", POINTS.copy())
def row_is_written_in_a_list_that_became_longer(x):
    found = []
    for row in x:
        found.append(row)
    found.append(x[0] * 2)
    found[0][0] = 7
    return x


VALUES = np.random.default_rng(6).random(40)


@right((VALUES[:1],), (VALUES[:5],), (VALUES,))
def values_in_groups(x):
    groups = [[] for _ in range(3)]
    named = {"low": [], "high": []}
    places = {k: [] for k in range(3)}
    for i, v in enumerate(x):
        groups[int(v * 3) - 3].append(v)
        named["high" if v > 0.5 else "low"].append((i, v))
        places[int(v * 3)].extend([i, i])
    return groups, named, places, [len(group) for group in groups]


@right((VALUES[:16],), (VALUES[20:],))
def neighbours_in_order(x):
    n = 4
    graph = {i: [] for i in range(n)}
    for i in range(n):
        for j in range(n):
            if x[i * n + j] > 0.5:
                graph[i].append(j)
    seen, order, waiting = [False] * n, [], [0]
    while waiting:
        at = waiting.pop()
        if not seen[at]:
            seen[at] = True
            order.append(at)
            for other in graph[at]:
                waiting.append(other)
    return order, graph


def test_a_group_that_is_not_there():
    @weft.compile
    def grouped(x):
        groups = [[] for _ in range(2)]
        for v in x:
            groups[int(v * 4)].append(v)
        return groups

    assert grouped(VALUES[:5] / 4) == [list(VALUES[:5] / 4), []]
    with pytest.raises(IndexError, match="list index out of range"):
        grouped(VALUES[:5] / 4 + 0.5)


@refused("both names would see it", VALUES[:9] + 0.5)
def best_that_is_the_last(x):
    last = {"s": 0.0}
    best, i = last, 0
    while last["s"] < 3:
        new = {"s": last["s"] + x[i]}
        if new["s"] > best["s"]:
            best = new
        last = new
        i += 1
    last["s"] = 99
    return best


@right((VALUES[:3],), (VALUES,))
def dict_made_anew_until_it_stays(x):
    rank, turns = {i: 1.0 for i in range(3)}, 0
    while True:
        new = {}
        for i in range(3):
            new[i] = 0.5 * rank[(i + 1) % 3] + x[i]
        apart = sum(abs(new[i] - rank[i]) for i in range(3))
        rank = new
        turns += 1
        if apart < 0.1 or turns > 20:
            break
    return rank, turns


@right(
    (VALUES[:8].reshape(4, 2), 3),
)
def groups_of_rows(x, turns):
    middle = x[:2].copy()
    for _ in range(turns):
        groups = [[] for _ in range(2)]
        for row in x:
            apart = [np.linalg.norm(row - one) for one in middle]
            groups[apart.index(min(apart))].append(row)
        for k in range(2):
            if groups[k]:
                middle[k] = np.mean(groups[k], axis=0)
    return middle, [len(group) for group in groups]


def aliases(value, seen, path, found):
    """Pairs of paths that lead to one list or dict."""
    if isinstance(value, (list, dict)):
        if id(value) in seen:
            found.append((seen[id(value)], path))
            return found
        seen[id(value)] = path
    if isinstance(value, (list, tuple, dict)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            aliases(item, seen, f"{path}.{key}", found)
    return found


@pytest.mark.parametrize(("fn", "args"), RIGHT, ids=[f"{fn.__name__}-{k}" for k, (fn, _) in enumerate(RIGHT)])
def test_program(fn, args):
    compiled = agree(fn, *args)
    found, expected = compiled(*copy.deepcopy(args)), fn(*copy.deepcopy(args))
    assert aliases(found, {}, "result", []) == aliases(expected, {}, "result", [])


@pytest.mark.parametrize(("fn", "match", "args"), REFUSED, ids=[fn.__name__ for fn, _, _ in REFUSED])
def test_refused(fn, match, args):
    with pytest.raises(weft.UnsupportedError, match=match):
        weft.compile(fn)(*args)


def _joined_lists(x):
    a, b = [], []
    for v in x:
        a.append(v)
        b.append(v * 2)
    if x[0] > 0:
        b = a
    return a, b


def longer(x):
    a, b = _joined_lists(x)
    b.append(5.0)
    return a, b


def shorter(x):
    a, b = _joined_lists(x)
    b.pop()
    return a, b


def longer_in_a_loop(x):
    a, b = _joined_lists(x)
    for v in x:
        a.append(v)
    return b


def written_in_a_loop(x):
    a, b = _joined_lists(x)
    for i in range(len(a)):
        a[i] = 7.0
    return b


@pytest.mark.parametrize("fn", [longer, shorter, longer_in_a_loop, written_in_a_loop])
def test_a_list_that_may_be_another_one_changes(fn):
    """Both names would see it: an error where the other is used afterwards."""
    with pytest.raises(weft.UnsupportedError, match="both names would see it"):
        weft.compile(fn)(np.arange(1.0, 9.0))


def test_one_of_two_lists_goes_on():
    def used_alone(x):
        _, b = _joined_lists(x)
        for v in x:
            b.append(v)
        return b

    x = np.arange(1.0, 9.0)
    assert weft.compile(used_alone)(x) == used_alone(x)
    assert weft.compile(used_alone)(-x) == used_alone(-x)


def test_whether_lists_are_one_that_the_program_may_make_one():
    def asked(x):
        a, b = [1, 2], [3]
        if x[0] > 2:
            a = b
        return a is b

    def known(x):
        a, b = [1, 2], [3]
        for v in x:
            a.append(v)
        c = a
        return a is b, a is c, b is not c

    x = np.arange(4)
    with pytest.raises(weft.UnsupportedError, match="may or may not"):
        weft.compile(asked)(x)
    assert weft.compile(known)(x) == known(x)
