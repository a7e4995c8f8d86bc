"""Methods of lists whose items lie in arrays, in compiled control flow, against plain Python."""

import numpy as np
import pytest

import weft
from tests.frontend.test_control_programs import agree

PROGRAMS = []


def program(*cases):
    """Note a program with the arguments of each case; none: a size to unroll, and one that is not."""

    def add(fn):
        PROGRAMS.extend((fn, case) for case in cases or ((7,), (300,)))
        return fn

    return add


def made(n):
    a = [0] * n
    for i in range(n):
        a[i] = (i * 7) % 11
    return a


@program((np.array([[3.0, 1.0], [2.0, 1.0], [0.5, 4.0]]),), (np.random.default_rng(2).random((9, 2)),))
def sorted_pairs(x):
    pairs = [(x[i, 1], i) for i in range(len(x))]
    pairs.sort()
    order = [(i, x[i, 0]) for i in range(len(x))]
    order.sort(key=lambda pair: -pair[1])
    known = [2, 0, 1]
    known.sort(key=lambda i: x[i, 0], reverse=True)
    return pairs, order, known


@program()
def ends_and_middles(n):
    a = made(n)
    found = a.pop(), a.pop(0), a.pop(2), a.pop(-2)
    a.insert(0, 99)
    a.insert(3, 98)
    a.insert(-1, 97)
    a.insert(10**6, 96)
    a.remove(7)
    return a, found


@program()
def orders(n):
    a = made(n)
    b = a
    a.sort()
    c = sorted(a, reverse=True)
    b.reverse()
    return a, c, b is a, a.index(7), a.count(7), a.count(1000)


@program((300,))
def missing_item(n):
    return made(n).index(1000)


@program((300,))
def pop_of_nothing(n):
    a = made(n)
    a.clear()
    return a.pop()


@program()
def queue(n):
    q, s = [1], 0
    for i in range(n):
        v = q.pop(0)
        s += v
        q.append(v + 1)
        if i % 2:
            q.append(v)
    return q, s


@program()
def cleared_in_a_branch(n):
    held, best = [], 0
    for i in range(n):
        held.append(i)
        if i % 4 == 3:
            best = max(best, len(held))
            held.clear()
    return held, best


@program((np.array([2.0, 0.0, 3.0, 1.0, 5.0]),), (np.array([0.0, -2.0, 1.0]),))
def lengths_that_branches_change(x):
    a, b, c = [1, 2, 3], [1, 2, 3], [1, 2, 3]
    if x[1] < 0:
        a.pop()
        del b[0]
        c.clear()
    else:
        b.append(7)
    return a, b, c, len(c)


@program((np.array([2.0, 0.0, 3.0, 1.0, 5.0, 4.0]),), (np.linspace(1, -1, 300),))
def insertion(x):
    a = []
    for v in x:
        k = 0
        while k < len(a) and a[k] < v:
            k += 1
        a.insert(k, v)
    return a


@program((np.array([1, 2, -2, -1]),), (np.array([1, -2, 2]),), (np.array([1, 2]),))
def brackets(codes):
    stack = []
    for code in codes:
        if code > 0:
            stack.append(code)
        else:
            if not stack or stack[-1] != -code:
                return False
            stack.pop()
    return not stack


@program((np.array([3, 4, -1, 5, -2]),))
def reverse_polish(codes):
    stack = []
    for k in range(len(codes)):
        if codes[k] >= 0:
            stack.append(int(codes[k]))
        else:
            b, a = stack.pop(), stack.pop()
            stack.append(a + b if codes[k] == -1 else a * b)
    return stack[-1]


@program()
def slices(n):
    a = made(n)
    a[1:3] = [50, 51]
    b = a[2:5]
    b[0] = 1
    return a, b, a[::-1], a[-2:]


@program((np.array([3, 4, 1, 5, 2]),), (np.array([], int),))
def error_on_a_path_not_taken(x):
    if len(x) > 2 and x[0] > 100:
        return [1, 2][5]
    return len(x)


EDGES = np.random.default_rng(2).random((2, 12, 12)) < 0.25


@program((EDGES[0],), (EDGES[1],))
def depth_first(edges):
    seen, stack, order = [False] * len(edges), [0], []
    while stack:
        u = stack.pop()
        if seen[u]:
            continue
        seen[u] = True
        order.append(u)
        for v in range(len(edges)):
            if edges[u, v] and not seen[v]:
                stack.append(v)
    return seen, order


@program((EDGES[0],), (EDGES[1],))
def breadth_first(edges):
    distance, waiting = [-1] * len(edges), [0]
    distance[0] = 0
    while waiting:
        u = waiting.pop(0)
        for v in range(len(edges)):
            if edges[u, v] and distance[v] < 0:
                distance[v] = distance[u] + 1
                waiting.append(v)
    return distance


@program((7,), (27,))
def collatz(n):
    found = [n]
    while n != 1:
        n = n // 2 if n % 2 == 0 else 3 * n + 1
        found.append(n)
    return found


@program((9, 3), (41, 3))
def josephus(n, k):
    people, i = list(range(n)), 0
    while len(people) > 1:
        i = (i + k - 1) % len(people)
        people.pop(i)
    return people[0]


@program((np.array([3, 1, 4, 1, 5, 9, 2]),), (np.arange(40)[::-1] % 17,))
def next_greater(x):
    stack, found = [], [0] * len(x)
    for i in range(len(x)):
        while stack and x[stack[-1]] < x[i]:
            found[stack.pop()] = i
        stack.append(i)
    return found


@program((30,), (300,))
def sieve(n):
    prime, i = [True] * (n + 1), 2
    while i * i <= n:
        if prime[i]:
            for j in range(i * i, n + 1, i):
                prime[j] = False
        i += 1
    return [k for k in range(2, n + 1) if prime[k]]


@program((np.array([3, 1, 4, 1, 5]), 4), (np.array([3, 1, 4, 1, 5]), 7))
def bisection(x, wanted):
    items = sorted(x)
    low, high = 0, len(items) - 1
    while low <= high:
        middle = (low + high) // 2
        if items[middle] == wanted:
            return middle
        if items[middle] < wanted:
            low = middle + 1
        else:
            high = middle - 1
    return -1


@program((np.arange(12.0).reshape(3, 4),), (np.arange(600).reshape(300, 2),))
def lists_of_an_array(x):
    rows = x.tolist()
    for i in range(len(rows)):
        rows[i][0] += 1
    return rows, x[0].tolist()


@pytest.mark.parametrize(
    ("fn", "args"), PROGRAMS, ids=[f"{fn.__name__}-{k}" for k, (fn, _) in enumerate(PROGRAMS)]
)
def test_program(fn, args):
    agree(fn, *args)


def test_a_list_without_bound():
    @weft.compile
    def squares(most):
        found, n = [], 0
        while n * n < most:
            found.append(n)
            n += 1
        return len(found)

    assert squares(10_000) == 100
    with pytest.raises(weft.UnsupportedError, match="too many items in a `while` loop"):
        squares(100_000**2)
