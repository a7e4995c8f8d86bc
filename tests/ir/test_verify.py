"""Each invariant has a program that breaks it; the message names pass, invariant, op and line."""

import pytest

import weft.ir.ops  # noqa: F401 -- fills the registry
from weft.ir import InternalError, Location
from weft.ir.builder import Builder
from weft.ir.dims import symbol
from weft.ir.node import Func, Op, Region
from weft.ir.text import parse
from weft.ir.types import F32, IndexType, TensorType
from weft.ir.verify import INVARIANTS, verify

GOOD = [
    """func @step[n >= 2](%0: f32[n], %1: index(k in 1..9)) -> (f32[n], f32[n]) into (0, -1) stage "tensor" {
  %2 = dim() {dim = 0} : index(0)
  %3 = dim() {dim = n} : index(n)
  %4 = for(%2, %3, %1, %0) {kind = "serial"} (%5: index(i), %6: f32[n]) {
    %7 = sin(%6) : f32[n]
    yield(%7)
  } : f32[n]
  %8 = constant() {type = bool[], value = true} : bool[]
  %9 = if(%8) () {
    yield(%0)
  } () {
    %10 = cos(%0) : f32[n]
    yield(%10)
  } : f32[n]
  %11 = while(%9) (%12: f32[n]) {
    yield(%8)
  } (%13: f32[n]) {
    yield(%13)
  } : f32[n]
  return(%4, %11)
}""",
    """func @f[n >= 2](%0: f32[n]) -> (f32[n]) stage "fused" {
  %1 = fusion(%0) (%2: f32[n]) {
    %3 = sin(%2) : f32[n]
    return(%3)
  } : f32[n]
  return(%1)
}""",
    """func @f[n >= 2](%0: buffer<f32[n]>) -> (buffer<f32[n]>) stage "buffers" {
  %1 = alloc() {type = buffer<f32[n]>} : buffer<f32[n]>
  fusion(%0, %1) {outputs = 1} (%2: f32[n]) {
    %3 = sin(%2) : f32[n]
    return(%3)
  }
  return(%1)
}""",
    """func @f[n >= 2](%0: buffer<f32[n]>, %1: buffer<f32[n]>) -> () stage "loops" {
  kernel() {name = "k"} () {
    %2 = constant() {type = i64x1, value = 0} : i64
    %3 = load(%0, %2) {lanes = 8} : f32x8
    store(%3, %1, %2)
    yield()
  }
  return()
}""",
]


@pytest.mark.parametrize("text", GOOD)
def test_good_programs_pass(text):
    verify(parse(text))


BAD = [
    ("I3", GOOD[1], "sin(%2) : f32[n]", "sin(%2) : f64[n]", "sin has types (f64[n]), its record gives (f32[n])"),  # noqa: E501
    ("I3", GOOD[1], "sin(%2)", "sine(%2)", "there is no operation sine"),
    ("I3", GOOD[1], "sin(%2)", "add(%2, %2, %2)", None),
    ("I3", GOOD[0], "cos(%0)", "cos()", "cos takes 1 operands, got 0"),
    ("I4", GOOD[1], "    return(%3)\n", "", "ends with sin, not with return"),
    ("I4", GOOD[1], "    return(%3)", "    yield(%3)", "ends with yield, not with return"),
    ("I4", GOOD[1], "%3 = sin(%2) : f32[n]", "%3 = sin(%2) : f32[n] return(%3)", "return is not the last op"),
    ("I5", GOOD[0], "if(%8)", "if(%0)", "the condition of if has type (f32[n])"),
    ("I5", GOOD[0], "(%12: f32[n])", "(%12: f32[n], %14: f32[n])", "while carries (f32[n])"),
    ("I5", GOOD[0], "(%13: f32[n]) {\n    yield(%13)", "(%13: f64[n]) {\n    yield(%9)", "while carries (f32[n])"),  # noqa: E501
    ("I5", GOOD[0], "    yield(%8)", "    yield(%12)", "does not yield one bool"),
    ("I5", GOOD[0], "index(i)", "index(3)", "not that of a symbol"),
    ("I5", GOOD[0], "for(%2, %3, %1, %0)", "for(%0, %3, %1, %0)", "the bounds of for have types"),
    ("I5", GOOD[1], "(%2: f32[n])", "(%2: f32[n], %9: f32[n])", "fusion takes (f32[n])"),
    ("I5", GOOD[2], "{outputs = 1}", "{outputs = 3}", "fusion has 3 outputs among 2 operands"),
    ("I5", GOOD[2], "    return(%3)", "    return(%3, %3)", "its region returns (f32[n], f32[n])"),
    ("I5", GOOD[2], "    %3 = sin(%2) : f32[n]\n    return(%3)", "    %3 = isnan(%2) : bool[n]\n    return(%3)", "fusion writes"),  # noqa: E501
    ("I5", GOOD[1], "sin(%2)", "sin(%2) () {\n yield()\n}", "sin has regions"),
    ("I5", GOOD[3], "    yield()\n  }", "    yield()\n  } () {\n  yield()\n  }", "kernel has 2 regions, not 1"),  # noqa: E501
    ("I5", GOOD[3], 'kernel() {name = "k"}', "beside()", "beside has less than two regions"),
    ("I6", "func @f(%0: token) -> (token, token) stage \"tensor\" {\n  return(%0, %0)\n}", "", "", "is used 2 times"),  # noqa: E501
    ("I6", "func @f(%0: token, %1: bool[]) -> (token) stage \"tensor\" {\n  %2 = if(%1) () {\n    yield(%0)\n  } () {\n"  # noqa: E501
           "    yield(%0)\n  } : token\n  return(%2)\n}", "", "", "token"),
    ("I7", GOOD[0], "func @step[n >= 2]", "func @step[m]", "symbol n is not bound here"),
    ("I7", GOOD[0], "[n >= 2]", "[n >= 2, m in 5..2]", "range 5..2 of m is empty"),
    ("I7", GOOD[0], "index(i)", "index(k)", "symbol k is bound twice"),
    ("I8", GOOD[1], 'stage "fused"', 'stage "tensor"', "stage 'tensor' has no fusion"),
    ("I8", GOOD[1], 'stage "fused"', 'stage "frozen"', "there is no stage 'frozen'"),
    ("I8", GOOD[3], 'stage "loops"', 'stage "tensor"', "stage 'tensor' has no buffer<f32[n]>"),
    ("I8", GOOD[3], 'stage "loops"', 'stage "buffers"', "stage 'buffers' has no kernel"),
    ("I8", GOOD[0], 'stage "tensor"', 'stage "loops"', "stage 'loops' has no f32[n]"),
    ("I9", GOOD[0], "into (0, -1)", "into (7, -1)", "parameter 7, which does not exist"),
    ("I9", GOOD[0], "into (0, -1)", "into (1, -1)", "is written to a index(k)"),
    ("I9", GOOD[0], "into (0, -1)", "into (0,)", "1 places for 2 results"),
    ("I9", GOOD[0], "into (0, -1)", "into (0, 0)", "two results are written"),
]  # fmt: skip


@pytest.mark.parametrize(("invariant", "text", "before", "after", "message"), BAD)
def test_broken_programs_name_the_invariant(invariant, text, before, after, message):
    assert before in text
    with pytest.raises(InternalError, match=f"invariant {invariant} ") as caught:
        verify(parse(text.replace(before, after) if before else text))
    assert message is None or message in caught.value.sentence


def _function():
    region = Region([TensorType(F32, (4,))], ["x"])
    builder = Builder(region)
    y = builder.expr(region.params[0]).apply("sin")
    builder.emit("return", [y.value])
    return Func("f", region)


def test_i1_an_op_in_two_places():
    fn = _function()
    fn.body.ops.insert(0, fn.body.ops[0])
    with pytest.raises(InternalError, match=r"invariant I1 .* sin is in two places"):
        verify(fn)


def test_i1_a_value_that_does_not_know_its_place():
    fn = _function()
    fn.body.ops[0].result.index = 3
    with pytest.raises(InternalError, match="invariant I1 "):
        verify(fn)


def test_i2_a_use_before_the_definition():
    fn = _function()
    later = Op("cos", [fn.body.ops[0].result], [TensorType(F32, (4,))])
    fn.body.ops.insert(0, later)
    with pytest.raises(InternalError, match=r"invariant I2 .* is not defined before it"):
        verify(fn)


def test_i2_a_value_that_left_its_region():
    fn = parse(GOOD[1])
    inner = fn.body.ops[0].regions[0].ops[0].result
    fn.body.ops[1] = Op("return", [inner], [])
    with pytest.raises(InternalError, match="invariant I2 "):
        verify(fn)


def test_i7_one_symbol_with_two_ranges():
    fn = _function()
    op = Op("dim", [], [IndexType(symbol("n", 5))], {"dim": symbol("n", 5)})
    fn.symbols["n"] = symbol("n", 2).terms[0][0][0]
    fn.body.ops.insert(0, op)
    with pytest.raises(InternalError, match=r"has two ranges, 2\.\.None and 5\.\.None"):
        verify(fn)


def test_message_names_pass_op_and_line():
    fn = parse(GOOD[1].replace("sin(%2) : f32[n]", "sin(%2) : f64[n]"), "x")
    fn.body.ops[0].regions[0].ops[0].locations = (Location("model.py", 12, function="step"),)
    with pytest.raises(InternalError) as caught:
        verify(fn, "fuse")
    message = str(caught.value)
    assert caught.value.code == "E091"
    assert (
        "after pass fuse, invariant I3 (an op's record yields the types of its results) does not hold in @f"
        in message
    )
    assert "model.py:12, in step" in message
    assert "%1 = sin(%0) : f64[n]" in message
    (note,) = caught.value.__notes__
    marked = [line for line in note.splitlines() if "# <-- I3: sin has types" in line]
    assert marked == [line for line in note.splitlines() if "sin(" in line]


def test_every_invariant_is_tested():
    tested = {invariant for invariant, *_ in BAD} | {"I1", "I2"}
    assert tested == set(INVARIANTS)
