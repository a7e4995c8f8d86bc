"""What a function reaches outside of its arguments, and what it does to Python objects."""

import dataclasses
import math
from collections import namedtuple

import numpy as np
import pytest

from tests.frontend.running import check, execute, traced
from weft.compiler.frontend.arguments import ArraySpec, FloatSpec, IntSpec

X = np.arange(3.0)
W = np.ones(3)
SCALE = 2.0
COUNT = 3
FLAG = True
TABLE = {"w": np.full(3, 2.0), "b": [np.ones(3), 5.0]}
SAVED = []


class Layer:
    def __init__(self, w):
        self.w = w
        self.calls = 0

    def __call__(self, x):
        self.calls += 1
        return self.scaled(x) + self.calls

    def scaled(self, x):
        return x * self.w * self.factor

    @property
    def factor(self):
        return self.w[0] + 1


LAYER = Layer(np.full(3, 2.0))
Point = namedtuple("Point", "x y")


@dataclasses.dataclass
class Pair:
    first: object
    second: object


def follows(fn, change, undo=lambda: None):
    """A program traced once follows what changes outside."""
    program = traced(fn, X)
    np.testing.assert_array_equal(execute(program, fn, (X,)), fn(X))
    change()
    try:
        np.testing.assert_array_equal(execute(program, fn, (X,)), fn(X))
    finally:
        undo()
    return program


def test_a_global_array_is_read_at_each_call():
    def change():
        global W
        W = np.full(3, 5.0)

    program = follows(lambda x: x * W[0] + np.sum(W), change)
    assert [str(p.source) for p in program.hidden] == ["W"]
    W[1] = 9
    follows(lambda x: x * W[0] + np.sum(W), lambda: W.fill(2))


def test_a_closure_array_is_read_at_each_call():
    w = np.ones(3)

    def change():
        nonlocal w
        w = np.full(3, 4.0)

    follows(lambda x: x * w[0] + np.sum(w), change)


def test_attribute_default_and_dict_arrays():
    follows(lambda x: x * LAYER.w, lambda: setattr(LAYER, "w", np.full(3, 7.0)))
    default = np.ones(3)

    def fn(x, w=default):
        return x * w

    follows(fn, lambda: default.fill(3))
    follows(lambda x: x * TABLE["w"] + TABLE["b"][0] * TABLE["b"][1], lambda: TABLE.update(w=np.full(3, 8.0)))


def test_a_global_float_is_traced_and_an_int_guarded():
    def change():
        global SCALE
        SCALE = 3.5

    program = follows(lambda x: x * SCALE + COUNT, change)
    assert [type(p.spec) for p in program.hidden] == [FloatSpec]
    assert any(str(g.source) == "COUNT" and g.value == 3 for g in program.guards)


def test_other_values_are_guards():
    program = traced(lambda x: x if FLAG else -x, X)
    assert any(str(g.source) == "FLAG" and g.kind == "equals" and g.value is True for g in program.guards)


def test_writes_reach_captured_arrays():
    w = np.zeros(3)

    def fn(x):
        w[:] += x
        return w

    program = traced(fn, X)
    result = execute(program, fn, (X,))
    assert result is w
    np.testing.assert_array_equal(w, X)


def test_methods_and_properties():
    check(lambda x: LAYER.scaled(x), X)
    layer = Layer(np.full(3, 3.0))
    check(layer.scaled, X)


def test_attribute_writes_are_replayed():
    layer = Layer(np.ones(3))
    program = traced(layer, X)
    assert layer.calls == 0
    assert [(e.kind, e.key) for e in program.effects] == [("setattr", "calls")]
    np.testing.assert_array_equal(execute(program, layer, (X,)), X * 2 + 1)
    assert layer.calls == 1


def test_appends_and_items_are_replayed():
    log, table = [], {"a": 1.0}

    def fn(x):
        log.append(x * 2)
        table["b"] = x.sum()
        table["a"] = table["b"] + 1
        return table["a"], len(log)

    program = traced(fn, X)
    assert log == []
    assert execute(program, fn, (X,)) == (4.0, 1)
    np.testing.assert_array_equal(log[0], X * 2)
    assert table == {"a": 4.0, "b": 3.0}


def test_global_and_nonlocal_are_replayed():
    total = 0.0

    def fn(x):
        nonlocal total
        total = total + x.sum()
        return total

    program = traced(fn, X)
    assert total == 0.0
    assert execute(program, fn, (X,)) == 3.0
    assert total == 3.0


@pytest.mark.parametrize(
    "fn",
    [
        lambda t: t["w"] @ t["b"][0],
        lambda t: {**t, "c": t["w"] + 1},
        lambda t: [v for v in t["b"]],
        lambda t: t,
        lambda t: t["b"],
        lambda t: Point(t["w"], 1),
        lambda t: t["p"].x + t["q"].first,
        lambda t: Pair(t["w"], t["q"]),
        lambda t: sum(v.sum() for v in t["b"]),
        lambda t: t.get("zz"),
        lambda t: t["b"].append(t["w"] + 1),
    ],
)
def test_pytrees(fn):
    table = {"w": X * 1.0, "b": [X + 1, X * 2], "p": Point(X * 3, 2.0), "q": Pair(X - 1, "text")}

    check(fn, table)


def test_items_of_an_argument_are_set_after_the_call():
    def step(params, x):
        for name in params:
            params[name] = params[name] - x.sum()
        params["w"] -= 1
        return params

    check(step, {"w": np.ones(3), "b": np.zeros(2)}, X)


def test_equal_arguments_are_one_array():
    def fn(x, y):
        x += 1
        return y * 2

    a = np.arange(3.0)
    program = traced(fn, a, a, alias=True)
    assert len(program.func.params) == 1
    np.testing.assert_array_equal(execute(program, fn, (a, a)), [2, 4, 6])


def test_helper_functions_and_lambdas():
    def helper(a, *rest, scale=2, **options):
        return a * scale + sum(rest) + options["c"]

    check(lambda x: helper(x, 1, x[0], c=3) + (lambda v: v * 2)(x) + list(map(lambda v: v + 1, [x]))[0], X)  # noqa: RUF015 -- a list


def test_math_of_constants():
    check(lambda x: x * math.pi + math.sqrt(COUNT), X)


def test_a_symbolic_int_is_one_parameter():
    program = check(lambda x, n: (x * n, n + 1, np.zeros(n), x[: n - 5]), X, 7, sizes="symbolic")
    assert [type(p.spec) for p in program.parameters] == [ArraySpec, IntSpec]


def test_pins_are_listed():
    program = traced(lambda x, n: {k: x * k for k in range(n)}, X, 3, sizes="symbolic")
    (pin,) = program.pins
    assert (str(pin.left), pin.right) == ("i3", 3)
    assert "range" in pin.reason


def test_narrowed_sizes_are_guards():
    program = traced(lambda x: x[2:-2], np.arange(9.0), sizes="symbolic")
    assert program.func.symbols["s9"].lower == 5


def test_equal_sizes_are_joined():
    def fn(x, y):
        return x[1:] + y

    program = check(fn, np.arange(4.0), np.arange(3.0))
    assert len(program.func.symbols) == 1
