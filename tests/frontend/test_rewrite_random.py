"""Random programs with nested statements: rewritten with plain hooks, they do what the originals do."""

# ruff: noqa: C901, E501, E731

import random

import pytest

from tests.frontend.test_rewrite import _comparable, load, outcome, rewritten

N = ["a", "b", "c", "d"]


def expr(r, d=0):
    k = r.randrange(14 if d < 2 else 4)
    e = lambda: expr(r, d + 1)
    n = r.choice(N)
    return [
        lambda: n,
        lambda: str(r.randrange(4)),
        lambda: n,
        lambda: f"x[{r.randrange(4)}]",
        lambda: f"({e()} + {e()})",
        lambda: f"({e()} - {e()})",
        lambda: f"({e()} and {e()})",
        lambda: f"({e()} or {e()})",
        lambda: f"(not {e()})",
        lambda: f"({e()} < {e()} <= {e()})",
        lambda: f"({e()} if {e()} else {e()})",
        lambda: f"({n} := {e()})",
        lambda: f"sum([{e()} for {r.choice(N)} in range(2) if {e()}])",
        lambda: f"(lambda {n}: {n} or {r.choice(N)})({e()})",
    ][k]()


def block(r, depth, loop, ind):
    return "".join(stmt(r, depth, loop, ind) for _ in range(r.randrange(1, 3)))


def stmt(r, depth, loop, ind):
    p = "    " * ind
    n = r.choice(N)
    k = r.randrange(20 if depth < 3 else 8)
    if k < 3:
        return f"{p}{n} = {expr(r)}\n"
    if k == 3:
        return f"{p}x[{expr(r)} % 4] {r.choice(['=', '+=', '-='])} {expr(r)}\n"
    if k == 4:
        return f"{p}{n} {r.choice(['+=', '*='])} {expr(r)}\n"
    if k == 5:
        return f"{p}log({expr(r)})\n"
    if k == 6:
        if loop and r.random() < 0.7:
            return f"{p}{r.choice(['break', 'continue'])}\n"
        return f"{p}return {expr(r)}\n"
    if k == 7:
        return f"{p}{r.choice([f'del {n}', 'pass', f'raise ValueError({expr(r)})', f'assert {expr(r)}', f'{n}, x[0] = x[0], {n}', 'fns.append(lambda: (a, b))', f'log(add({expr(r)}))'])}\n"
    if k in (8, 9, 10, 11):
        s = f"{p}if {expr(r)}:\n" + block(r, depth + 1, loop, ind + 1)
        if r.random() < 0.3:
            s += f"{p}elif {expr(r)}:\n" + block(r, depth + 1, loop, ind + 1)
        if r.random() < 0.5:
            s += f"{p}else:\n" + block(r, depth + 1, loop, ind + 1)
        return s
    if k in (12, 13, 14, 15):
        s = f"{p}for {n} in range({expr(r)} % 4):\n" + block(r, depth + 1, True, ind + 1)
        if r.random() < 0.3:
            s += f"{p}else:\n" + block(r, depth + 1, loop, ind + 1)
        return s
    if k in (16, 17):
        s = f"{p}while tick() and {expr(r)}:\n" + block(r, depth + 1, True, ind + 1)
        if r.random() < 0.3:
            s += f"{p}else:\n" + block(r, depth + 1, loop, ind + 1)
        return s
    s = (
        f"{p}try:\n"
        + block(r, depth + 1, loop, ind + 1)
        + f"{p}except (NameError, ValueError, AssertionError):\n"
        + block(r, depth + 1, loop, ind + 1)
    )
    if r.random() < 0.4:
        s += f"{p}else:\n" + block(r, depth + 1, loop, ind + 1)
    if r.random() < 0.4:
        s += f"{p}finally:\n" + block(r, depth + 1, False, ind + 1).replace("return", "log")
    return s


def program(seed):
    r = random.Random(seed)
    add = (
        "    def add(v):\n        nonlocal c\n        c = v + 1\n        return c\n"
        if r.random() < 0.4
        else "    add = lambda v: v\n"
    )
    return (
        "def f(x, a, b):\n    c = 0\n    fns = []\n    ticks = [0]\n    def tick():\n        ticks[0] += 1\n        return ticks[0] < 30\n"
        + add
        + "".join(stmt(r, 0, False, 1) for _ in range(5))
        + "    log([g() for g in fns])\n    return x, a, b, c\n"
    )


@pytest.mark.filterwarnings("ignore::SyntaxWarning")
@pytest.mark.parametrize("first", range(0, 200, 20))
def test_random_programs(first):
    for seed in range(first, first + 20):
        text = program(seed)
        try:
            compile(text, "program", "exec")
        except SyntaxError:
            continue
        results = []
        for wrap in (lambda fn: fn, rewritten):
            log, args = [], ([3, 1, 4, 1], 2, 0)
            found = outcome(wrap(load(text, log=log.append)), *args)
            results.append((_comparable(found), _comparable(log), _comparable(args)))
        assert results[0] == results[1], f"seed {seed}\n{text}"
