"""Walks, copies, rules, inlining and removal of dead ops."""

import numpy as np

import weft.ir.ops  # noqa: F401 -- fills the registry
from weft.ir.builder import Builder
from weft.ir.dims import symbol
from weft.ir.interp import interpret
from weft.ir.node import Func, Region
from weft.ir.rewrite import Cloner, copy_function, fresh_name, inline, remove_dead, rewrite, symbol_names
from weft.ir.text import equal, parse, show
from weft.ir.types import F32, TensorType
from weft.ir.verify import verify
from weft.ir.walk import free_values, has_effect, uses, values_of, walk, walk_regions

LOOP = """func @f[n >= 2](%0_x: f32[n], %1: index(k in 1..9)) -> (f32[n]) stage "tensor" {
  %2 = dim() {dim = 0} : index(0)
  %3 = sin(%0_x) : f32[n]
  %4 = dim() {dim = 1} : index(1)
  %5 = for(%2, %1, %4, %0_x) {kind = "serial"} (%6: index(i in 0..8), %7_acc: f32[n]) {
    %8 = add(%7_acc, %3) : f32[n]
    %9 = cos(%8) : f32[n]
    yield(%8)
  } : f32[n]
  %10 = tan(%5) : f32[n]
  return(%5)
}"""


def _x():
    return np.array([0.5, -1.0, 2.0], np.float32)


def test_walk_visits_nested_ops_in_order():
    fn = parse(LOOP)
    names = [op.name for op in walk(fn)]
    assert names == ["dim", "sin", "dim", "for", "add", "cos", "yield", "tan", "return"]
    assert len(list(walk_regions(fn))) == 2
    assert len(list(values_of(fn))) == 11


def test_uses_count_operands():
    fn = parse(LOOP)
    found = uses(fn)
    x = fn.params[0]
    assert [(op.name, number) for op, number in found[x]] == [("sin", 0), ("for", 3)]
    assert [v.name for v in free_values(fn.body.ops[3].regions[0])] == [""]
    assert free_values(fn.body) == []


def test_copy_is_equal_and_shares_nothing():
    fn = parse(LOOP)
    new = copy_function(fn)
    assert equal(fn, new)
    assert show(fn) == show(new)
    assert not set(values_of(fn)) & set(values_of(new))
    verify(new)


def test_copy_with_numbers_for_symbols():
    new = copy_function(parse(LOOP), {"n": 3})
    verify(new)
    assert "f32[3]" in show(new)
    assert new.symbols == {}
    m = copy_function(parse(LOOP), {"n": symbol("m", 2)})
    verify(m)
    assert list(m.symbols) == ["m"]


def test_rule_replaces_ops_in_regions_too():
    def rule(builder, op, operands):
        if op.name == "add":
            return [builder.emit("multiply", operands).result]
        return None

    new = rewrite(parse(LOOP), rule)
    verify(new)
    assert [op.name for op in walk(new)].count("multiply") == 1
    np.testing.assert_array_equal(interpret(new, _x(), 2)[0], _x() * np.sin(_x()) * np.sin(_x()))


def test_rule_keeps_names_and_locations():
    fn = parse(
        'func @f(%0: f32[4]) -> (f32[4]) stage "tensor" {\n  %1_loss = sin(%0) : f32[4] !"m.py":7\n  return(%1_loss)\n}'  # noqa: E501
    )
    new = rewrite(fn, lambda b, op, v: [b.emit("cos", v).result] if op.name == "sin" else None)
    assert '%1_loss = cos(%0) : f32[4] !"m.py":7' in show(new, locations=True)


def test_rule_may_forward_a_value():
    new = rewrite(parse(LOOP), lambda b, op, v: v if op.name == "sin" else None)
    verify(new)
    np.testing.assert_array_equal(interpret(new, _x(), 2)[0], _x() * 3)


def test_dead_ops_go_also_in_regions():
    new = remove_dead(parse(LOOP))
    verify(new)
    assert [op.name for op in walk(new)] == ["dim", "sin", "dim", "for", "add", "yield", "return"]


def test_effects_and_failures_stay():
    text = """func @f(%0: f32[4], %1: i64[2], %2: i64[]) -> () stage "tensor" {
  %3 = gather(%0, %1) {axes = (0,)} : f32[2]
  %4 = to_index(%2) {dim = k} : index(k)
  return()
}"""
    fn = remove_dead(parse(text))
    assert [op.name for op in walk(fn)] == ["gather", "to_index", "return"]
    assert all(has_effect(op) for op in fn.body.ops[:2])


def test_inline_binds_symbols_of_the_callee():
    callee = parse(
        'func @g[n](%0: f32[n]) -> (f32[n+1]) stage "tensor" {\n'
        "  %1 = constant() {type = f32[1], value = 1.0} : f32[1]\n"
        "  %2 = concatenate(%0, %1) {axis = 0} : f32[n+1]\n  return(%2)\n}"
    )
    region = Region([TensorType(F32, (symbol("m"),))], ["x"])
    builder = Builder(region)
    (once,) = inline(builder, callee, region.params)
    (twice,) = inline(builder, callee, [once])
    builder.emit("return", [twice])
    fn = Func("f", region, {"m": symbol("m").terms[0][0][0]})
    verify(fn)
    assert str(twice.type) == "f32[m+2]"
    np.testing.assert_array_equal(interpret(fn, _x())[0], [0.5, -1.0, 2.0, 1.0, 1.0])


def test_inline_twice_renames_bound_symbols():
    source = parse(LOOP)
    new = Func("twice", Region([p.type for p in source.params]), dict(source.symbols))
    taken = symbol_names(source) - {"i"}
    builder = Builder(new.body)
    (once,) = inline(builder, source, new.params, taken=taken)
    (twice,) = inline(builder, source, [once, new.params[1]], taken=taken)
    builder.emit("return", [twice])
    verify(new)
    assert "index(i_2 in 0..8)" in show(new)
    assert equal(parse(show(new)), new)


def test_fresh_names():
    taken = {"n", "i_2"}
    assert fresh_name("m", taken) == "m"
    assert fresh_name("n", taken) == "n_2"
    assert fresh_name("n", taken) == "n_3"
    assert fresh_name("i_2", taken) == "i_3"


def test_cloner_maps_outer_values():
    fn = parse(LOOP)
    body = fn.body.ops[3].regions[0]
    x, sine = fn.params[0], fn.body.ops[1].result
    copy = Cloner({sine: x}).region(body)
    assert free_values(copy) == [x]
