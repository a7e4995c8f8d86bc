"""The text form: what is printed reads back; what cannot be read is refused with its place."""

import math
import struct
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import weft.ir.ops  # noqa: F401 -- fills the registry
from weft.ir.builder import Builder
from weft.ir.dims import floor_divide, maximum, minimum, modulo, symbol
from weft.ir.node import Func, Op, Region
from weft.ir.parse import ParseError
from weft.ir.source import Location
from weft.ir.text import equal, first_difference, parse, parse_dim, parse_type, same_attribute, show, show_op
from weft.ir.types import (
    DTYPES,
    F32,
    I64,
    TOKEN,
    BufferType,
    IndexType,
    TensorType,
    VectorType,
)
from weft.ir.verify import verify

N, M = symbol("n", 2), symbol("m", 0, 1024)
HEADER = {"n": N.terms[0][0][0], "m": M.terms[0][0][0]}
DIMS = [
    0,
    1,
    7,
    N,
    M,
    N + 1,
    2 * N * M + N - 1,
    -N + 3,
    floor_divide(N, 4),
    modulo(N + 1, M + 1),
    minimum(N, M),
    maximum(N, 3),
]

dims = st.sampled_from(DIMS)
shapes = st.lists(dims, max_size=3).map(tuple)
dtypes = st.sampled_from(list(DTYPES.values()))
types = st.one_of(
    st.builds(TensorType, dtypes, shapes),
    st.builds(IndexType, dims),
    st.builds(VectorType, dtypes, st.sampled_from([1, 2, 8, 16])),
    st.builds(BufferType, dtypes, shapes, st.booleans(), st.sampled_from(["global", "scratch", "shared"])),
    st.just(TOKEN),
)
bits = st.integers(0, 2**64 - 1).map(lambda b: struct.unpack("<d", struct.pack("<Q", b))[0])
floats = st.one_of(st.floats(), bits)
numbers = st.one_of(st.booleans(), st.integers(-(2**70), 2**70), floats)


@st.composite
def arrays(draw):
    dtype = draw(st.sampled_from([d.numpy for d in DTYPES.values() if d.numpy is not None]))
    shape = draw(st.lists(st.integers(0, 4), max_size=3))
    size = math.prod(shape) * dtype.itemsize
    data = draw(st.binary(min_size=size, max_size=size))
    if dtype.kind == "b":
        return (np.frombuffer(data, np.uint8) > 127).reshape(shape)
    return np.frombuffer(data, dtype).reshape(shape)


attributes = st.recursive(
    st.one_of(numbers, st.complex_numbers(), st.text(), st.none(), dtypes, types, dims, arrays()),
    lambda inner: st.lists(inner, max_size=3).map(tuple),
    max_leaves=4,
)
keys = st.sampled_from(["axis", "kind", "value", "π", "in", "true"])
user_names = st.sampled_from(["", "", "x", "loss", "größe", "a_1", "_", "self.x"])
op_names = st.sampled_from(["sin", "add", "for", "func", "stage", "token", "f32", "shift_left"])
places = st.builds(
    Location,
    st.sampled_from(["model.py", 'a "b"\\.py', "ü.py"]),
    st.integers(1, 9999),
    st.one_of(st.none(), st.integers(0, 80)),
    st.none(),
    st.sampled_from(["", "step", "<lambda>"]),
)


@st.composite
def functions(draw):
    """Any structure whatever; ops need not exist nor types agree, since the text form knows no op."""
    fresh = [0]

    def a_type():
        if draw(st.integers(0, 9)) == 0:  # binds a symbol
            fresh[0] += 1
            lower = draw(st.integers(-2, 3))
            return IndexType(symbol(f"k{fresh[0]}", lower, draw(st.sampled_from([None, lower + 5]))))
        return draw(types)

    def fill(region, visible, depth):
        for _ in range(draw(st.integers(1, 3))):
            chosen = draw(st.lists(st.sampled_from(visible), max_size=3)) if visible else []
            inner = []
            for _ in range(draw(st.integers(0, 2)) if depth < 2 else 0):
                nested = Region([a_type() for _ in range(draw(st.integers(0, 2)))], ["i"])
                fill(nested, [*visible, *nested.params], depth + 1)
                inner.append(nested)
            facts = draw(st.dictionaries(keys, attributes, max_size=2))
            results = [a_type() for _ in range(draw(st.integers(0, 2)))]
            where = tuple(draw(st.lists(places, max_size=2)))
            op = Op(draw(op_names), chosen, results, facts, inner, where)
            for value in op.results:
                value.name = draw(user_names)
            region.ops.append(op)
            visible = [*visible, *op.results]
        region.ops.append(Op("return", visible[-2:], []))

    body = Region([a_type() for _ in range(draw(st.integers(0, 3)))], ["x", "y"])
    fill(body, list(body.params), 0)
    into = tuple(draw(st.lists(st.integers(-1, 3), max_size=2)))
    name = draw(st.sampled_from(["step", "<lambda>", "größe", ""]))
    return Func(name, body, dict(HEADER), draw(st.sampled_from(["tensor", "loops"])), into)


SLOW = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@SLOW
@given(functions(), st.booleans())
def test_round_trip(fn, locations):
    constants = {}
    text = show(fn, locations=locations, constants=constants)
    again = parse(text, constants=constants)
    assert first_difference(fn, again) is None, text
    assert show(again, locations=locations) == text
    if locations:
        assert [op.locations for op in again.body.ops] == [op.locations for op in fn.body.ops]


@SLOW
@given(types)
def test_types_round_trip(ty):
    assert parse_type(str(ty), HEADER) == ty


@SLOW
@given(attributes)
def test_attributes_round_trip(value):
    fn = Func("f", Region(), dict(HEADER))
    fn.body.ops.append(Op("return", [], [], {"value": value}))
    constants = {}
    again = parse(show(fn, constants=constants), constants=constants)
    assert same_attribute(again.body.ops[0].attributes["value"], value)


def _chain(count):
    region = Region([TensorType(F32, (N, 4))], ["x"])
    builder = Builder(region, (Location("model.py", 3),))
    x = builder.expr(region.params[0])
    for _ in range(count // 2):
        x = (x + x).apply("sin")
    builder.emit("return", [x.value])
    return Func("chain", region, {"n": HEADER["n"]})


def test_golden():
    fn = _chain(2)
    fn.body.ops[0].result.name = "loss"
    assert show(fn, locations=True) == (
        'func @chain[n >= 2](%0_x: f32[n,4]) -> (f32[n,4]) stage "tensor" {\n'
        '  %1_loss = add(%0_x, %0_x) : f32[n,4] !"model.py":3\n'
        '  %2 = sin(%1_loss) : f32[n,4] !"model.py":3\n'
        '  return(%2) !"model.py":3\n'
        "}\n"
    )
    assert "loss" not in show(fn, names=False)
    assert show_op(fn.body.ops[1]) == "%1 = sin(%0_loss) : f32[n,4]"
    assert (
        show(fn, mark=fn.body.ops[1], note="here").splitlines()[2]
        == "  %2 = sin(%1_loss) : f32[n,4]  # <-- here"
    )
    assert equal(parse(show(fn, mark=fn.body.ops[1])), fn)


def test_regions_and_ranges_print_once():
    text = (
        'func @f[n in 2..9](%0: f32[n], %1: index(0), %2: index(n)) -> (f32[n]) into (-1,) stage "tensor" {\n'
        '  %3 = for(%1, %2, %1, %0) {kind = "serial"} (%4: index(i in 0..8), %5: f32[n]) {\n'
        "    %6 = dim() {dim = i+1} : index(i+1)\n"
        "    %7 = dim() {dim = i} : index(i)\n"
        "    yield(%5)\n"
        "  } : f32[n]\n"
        "  return(%3)\n"
        "}\n"
    )
    fn = parse(text)
    assert show(fn) == text
    (symbol_,) = fn.body.ops[0].regions[0].ops[0].attributes["dim"].terms[0][0]
    assert (symbol_.lower, symbol_.upper) == (0, 8)


def test_large_constants_are_parameters():
    table = np.arange(100, dtype=np.float32)
    fn = Func("f", Region())
    fn.body.ops.append(Op("return", [], [], {"value": table}))
    constants = {}
    text = show(fn, constants=constants)
    assert len(text) < 200
    assert [a is table for a in constants.values()] == [True]
    assert equal(parse(text, constants=constants), fn)
    with pytest.raises(ParseError, match="was not given"):
        parse(text)


def test_equal_sees_differences():
    text = show(_chain(4))
    for before, after in (
        ("sin", "cos"),
        ("n >= 2", "n >= 3"),
        ("f32[n,4]", "f32[n,5]"),
        ("@chain", "@other"),
    ):
        assert not equal(parse(text), parse(text.replace(before, after)))
    assert not same_attribute(1, 1.0)
    assert not same_attribute(0.0, -0.0)
    assert not same_attribute(True, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("func @f() -> () {\n  %2 = =\n}", "a.ir:2:8: expected name, got '='\n  %2 = =\n       ^"),
        ("func f", "a.ir:1:6: expected '@name', got 'f'"),
        ("func @f() -> () {\n  return(%9)\n}", "a.ir:2:10: %9 is not defined here"),
        ("func @f(%0: f32[n) -> () {", "a.ir:1:18: expected ']', got ')'"),
        ("func @f(%0: g32[n]) -> () {", "a.ir:1:13: expected type, got 'g32'"),
        ("func @f(%0: f32, %0: f32) -> ()", "a.ir:1:18: %0 is defined twice"),
        ("func @f[f32](%0: f32) -> ()", "a.ir:1:9: 'f32' cannot be the name of a symbol"),
        ("func @f() -> () {\n}", "a.ir:2:1: expected op, got '}'"),
        ("func @f() -> () {\n  return()\n", "a.ir:3:1: expected '}', got end of text"),
        (
            "func @f() -> (f32) {\n  return()\n}",
            "a.ir:1:15: the header gives (f32) and the function returns others",
        ),
        ("func @f() -> () {\n  %1 = sin()\n}", "a.ir:2:3: sin has 1 results and 0 types"),
        ("func @f() -> () {\n  return() {a = ?}\n}", "a.ir:2:17: unexpected character '?'"),
        ("func @f() -> () {\n  return() {a = array(f32[3], 1.0)}\n}", "f32[3] has 3 elements, got 1"),
        ("func @f() -> () {\n  return()\n} x", "a.ir:3:3: expected end of text, got 'x'"),
    ],
)
def test_errors_have_a_place(text, message):
    with pytest.raises(ParseError) as caught:
        parse(text, "a.ir")
    assert message in str(caught.value)


def test_error_has_line_and_caret():
    with pytest.raises(ParseError) as caught:
        parse_dim("n + + 2")
    assert "<size>:1:5: expected size, got '+'\nn + + 2\n    ^" in str(caught.value)


def test_printing_is_fast_and_linear():
    """Measured 5 us an op; the bound leaves room for a busy machine."""
    seconds = {}
    for count in (500, 4000):
        fn = _chain(count)
        seconds[count] = min(_time(lambda fn=fn: show(fn)) for _ in range(5)) / count
    assert seconds[4000] < 60e-6
    assert seconds[4000] < 3 * seconds[500] + 2e-6


def _time(run):
    start = time.process_time()
    run()
    return time.process_time() - start


def test_index_vector_is_not_a_dtype():
    fn = Func("f", Region())
    fn.body.ops.append(Op("return", [], [], {"dtype": I64, "type": VectorType(I64)}))
    assert "dtype = i64, type = i64x1" in show(fn)


def test_the_program_in_the_docs_is_valid():
    page = (Path(__file__).parents[2] / "docs" / "ir.md").read_text()
    program = page.split("```")[1].strip() + "\n"
    fn = parse(program)
    verify(fn)
    assert show(fn, locations=True) == program
