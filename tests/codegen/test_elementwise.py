"""Every elementwise op that the CPU spells, or that becomes such by its rule, against its NumPy meaning."""

# ruff: noqa: E501 (tables of cases)

import numpy as np
import pytest
from loop_programs import Program, dense, same, vector_load, vector_store

from weft.backends.cpu.emit import SPELLED
from weft.backends.cpu.link import host_architecture
from weft.backends.cpu.target import named_target
from weft.compiler.passes.split_complex import PAIRS
from weft.ir import REGISTRY
from weft.ir.opdef import Scalar, random_array
from weft.ir.types import DTYPES, F16, F32, F64, I64, VectorType, dtype_of

LANES = (1, 4, 8, 16, 64)
MATH = {
    "exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sin", "cos", "tan", "tanh", "sinh", "cosh", "arcsin", "arccos",
    "arctan", "arcsinh", "arccosh", "arctanh", "cbrt", "erf", "arctan2", "power", "power_float", "hypot", "logaddexp",
    "logaddexp2", "floor_divide_float", "remainder_float", "fmod_float",
}  # fmt: skip
NAMES = sorted(
    name
    for name, record in REGISTRY.items()
    if isinstance(record.form, Scalar)
    and record.samples is not None
    and record.evaluate is not None
    and name not in MATH
)
TAKES_FLOATS_BY_MATH = ("floor_divide", "remainder", "fmod")


def padded(array, size):
    """The array flat, repeated to `size` elements."""
    return np.resize(array.reshape(-1), size)


def run_lanes(name, samples, *, target=None, **options):
    """One program that computes the op on all samples with all numbers of lanes; gives pairs of what came and what should."""
    arrays, results, expected = [], [], []
    for attributes, operands in samples:
        operands = [padded(np.asarray(o), 128) for o in operands]
        with np.errstate(all="ignore"):
            right = np.asarray(REGISTRY[name].evaluate(attributes, *operands))
        for lanes in LANES:
            arrays.append((attributes, operands, lanes))
            results.append(np.zeros(128, right.dtype))
            expected.append(right)
    buffers = [
        (f"x{i}_{j}", dense(o)) for i, (_, operands, _) in enumerate(arrays) for j, o in enumerate(operands)
    ]
    buffers += [(f"y{i}", dense(r)) for i, r in enumerate(results)]
    program = Program(buffers)
    params = iter(program.buffers)
    inputs = [[next(params) for _ in operands] for _, operands, _ in arrays]
    outputs = list(params)

    def write(builder, number):
        attributes, _, lanes = arrays[number]

        def body(b, i, carried):
            loaded = [vector_load(b, x, i, lanes) for x in inputs[number]]
            value = b.rule(name, [v.value for v in loaded], attributes)
            vector_store(b, value, outputs[number], i)
            return []

        builder.loop(builder.index(0), builder.index(128), lanes, [], body)

    for number in range(len(arrays)):
        program.kernel(lambda b, number=number: write(b, number))
    run = program.compile(target=target, **options)
    assert run(*[o for _, operands, _ in arrays for o in operands], *results) == 0
    return list(zip(results, expected, arrays, strict=True))


def check(name, samples, **more):
    for got, right, (attributes, operands, lanes) in run_lanes(name, samples, **more):
        assert got.dtype == right.dtype
        wrong = ~((got == right) | ((got != got) & (right != right)))
        assert same(got, right), (
            name,
            attributes,
            lanes,
            [o[wrong][:3] for o in operands],
            got[wrong][:3],
            right[wrong][:3],
        )


def lane_types(operands):
    return [VectorType(dtype_of(np.asarray(o).dtype)) for o in operands]


def samples_of(name):
    for attributes, operands in REGISTRY[name].samples(np.random.default_rng(5)):
        if name in TAKES_FLOATS_BY_MATH and operands[0].dtype.kind == "f":
            continue
        result = REGISTRY[name].infer(lane_types(operands), attributes, ())[0]
        if any(ty.dtype.name == "f16" or ty.dtype.is_complex for ty in (*lane_types(operands), result)):
            continue
        yield attributes, operands


@pytest.mark.parametrize("name", NAMES)
def test_agrees_with_numpy(name):
    samples = list(samples_of(name))
    if not samples:
        pytest.skip("no samples")
    kept = {}
    for attributes, operands in samples:  # one shape of each kind is enough
        kept[str(attributes), *(o.dtype for o in operands)] = (attributes, operands)
    check(name, list(kept.values()))


@pytest.mark.parametrize("name", ["add", "divide", "shift_right_raw", "cast", "floor", "select"])
def test_all_of_llvm_changes_nothing(name):
    check(name, list(samples_of(name))[:6], passes=())


@pytest.mark.skipif(host_architecture() != "x86_64", reason="runs code for x86-64")
@pytest.mark.parametrize("name", ["floor", "ceil", "trunc", "rint", "sqrt", "fma", "cast", "absolute_raw"])
def test_old_machines_get_the_same(name):
    """x86-64 without SSE4.1 and FMA: no call of a C function, the same results."""
    if name == "fma":
        rng = np.random.default_rng(3)
        samples = [({}, tuple(random_array(rng, "float32", (128,)) for _ in range(3)))]
        samples += [({}, tuple(rng.normal(size=128) for _ in range(3)))]
    else:
        samples = [s for s in samples_of(name) if name != "cast" or s[1][0].dtype.kind == "f"][:24]
    check(name, samples, target=named_target("x86-64"))


def test_division_of_the_smallest_integers():
    for dtype in ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"):
        info = np.iinfo(dtype)
        x = np.array([info.min, info.max, 0, 7, info.max - 1], dtype).repeat(5)
        y = np.tile(np.array([0, 1, info.max, 3 if info.min == 0 else -1, 2], dtype), 5)
        for name in ("floor_divide", "remainder", "fmod"):
            check(name, [({}, (x, y))])


def test_fma_rounds_once():
    rng = np.random.default_rng(0)
    cases = []
    for dtype in ("float32", "float64"):
        a, b = (rng.normal(size=128).astype(dtype) for _ in range(2))
        cases.append(({}, (a, b, -(a * b))))
        cases.append(({}, tuple(random_array(rng, dtype, (128,)) for _ in range(3))))
    check("fma", cases)


def test_bits():
    rng = np.random.default_rng(1)
    pairs = [
        ("float32", "i32"),
        ("float32", "u32"),
        ("float64", "i64"),
        ("uint64", "f64"),
        ("int32", "f32"),
        ("int8", "u8"),
    ]
    check("bitcast", [({"dtype": DTYPES[to]}, (random_array(rng, source, (128,)),)) for source, to in pairs])


def test_lookup():
    index = np.random.default_rng(2).integers(0, 7, 128)
    tables = [
        (F32, (1.5, -0.0, float("inf"), 3.0, 4.0, 5.0, 6.0)),
        (F64, tuple(1 / (k + 1) for k in range(7))),
        (I64, tuple(range(7))),
    ]
    check("lookup", [({"table": table, "dtype": dtype}, (index,)) for dtype, table in tables])
    check("lookup", [({"table": (True, False) * 4, "dtype": DTYPES["bool"]}, (index,))])


@pytest.mark.parametrize("dtype", ["bool", "int8", "uint64", "float32", "float64"])
def test_lanes_move(dtype):
    """splat, lane_index, shuffle of one and two operands, extraction of a lane, any_lane."""
    x = random_array(np.random.default_rng(4), dtype, (16,))
    ty = dense(x)
    out = {name: np.zeros(16, dtype) for name in ("splat", "reverse", "mixed", "narrow")}
    one, indices, flags = np.zeros(1, dtype), np.zeros(16, np.int64), np.zeros(3, bool)
    program = Program(
        [
            ("x", ty),
            *((n, ty) for n in out),
            ("one", dense(one)),
            ("indices", dense(indices)),
            ("flags", dense(flags)),
        ]
    )
    source, *targets = program.buffers

    def write(b):
        zero = b.index(0)
        value, other = vector_load(b, source, zero, 16), vector_load(b, source, b.index(8), 8)
        first = b.expr(b.emit("shuffle", [value.value], {"order": (3,)}).result)
        vector_store(b, b.expr(b.emit("splat", [first.value], {"lanes": 16}).result), targets[0], zero)
        vector_store(
            b,
            b.expr(b.emit("shuffle", [value.value], {"order": tuple(reversed(range(16)))}).result),
            targets[1],
            zero,
        )
        mixed = b.emit("shuffle", [value.value, other.value], {"order": (0, 16, 1, 17, 2, 18, 3, 23)}).result
        vector_store(b, b.expr(mixed), targets[2], zero)
        pair = b.emit("shuffle", [first.value, first.value], {"order": (0, 1)}).result
        vector_store(b, b.expr(pair), targets[3], zero)
        vector_store(
            b,
            b.expr(b.emit("shuffle", [value.value, other.value], {"order": (20,)}).result),
            targets[4],
            zero,
        )
        lanes = b.expr(b.emit("lane_index", (), {"lanes": 16}).result)
        vector_store(b, lanes, targets[5], zero)
        for place, bound in enumerate((5, 0, 16)):
            some = b.expr(b.emit("any_lane", [lanes.lt(bound).value]).result)
            vector_store(b, some, targets[6], b.index(place))

    program.kernel(write)
    program.compile()(x, *out.values(), one, indices, flags)
    assert same(out["splat"], np.full(16, x[3]))
    assert same(out["reverse"], x[::-1].copy())
    assert same(out["mixed"][:8], np.array([x[0], x[8], x[1], x[9], x[2], x[10], x[3], x[15]]))
    assert same(out["narrow"][:2], np.array([x[3], x[3]]))
    assert same(one, x[12:13])
    assert indices.tolist() == list(range(16))
    assert flags.tolist() == [True, False, True]


def test_a_bool_byte_of_any_value_is_true():
    x = np.array([0, 1, 2, 255, 128, 0, 7, 1], np.uint8).view(bool)
    y = np.zeros(8, np.int32)
    program = Program([("x", dense(x)), ("y", dense(y))])
    a, b_ = program.buffers

    def write(b):
        value = vector_load(b, a, b.index(0), 8)
        vector_store(
            b, b.expr(b.emit("cast", [value.value], {"dtype": DTYPES["i32"]}).result), b_, b.index(0)
        )

    program.kernel(write)
    program.compile()(x, y)
    assert y.tolist() == [0, 1, 1, 1, 1, 0, 1, 1]


def test_all_that_is_spelled_is_known():
    assert set(REGISTRY) >= SPELLED
    never = (
        {n for n, r in REGISTRY.items() if isinstance(r.form, Scalar) and r.form.rule is None}
        - SPELLED
        - MATH
        - PAIRS.keys()
        - {"each"}  # its schedule writes the loop that it holds
    )
    assert never == set()


def test_constants():
    numbers = {
        "u64": 2**64 - 1,
        "i8": -128,
        "u8": 255,
        "f32": 0.1,
        "f64": -0.0,
        "bool": True,
        "i64": -(2**63),
    }
    outs = [np.zeros(8, DTYPES[d].numpy) for d in numbers]
    program = Program([(d, dense(o)) for d, o in zip(numbers, outs, strict=True)])

    def write(b):
        for target, (name, number) in zip(program.buffers, numbers.items(), strict=True):
            vector_store(b, b.constant(number, VectorType(DTYPES[name], 4)), target, b.index(0))
            vector_store(b, b.constant(number, VectorType(DTYPES[name], 1)), target, b.index(4))

    program.kernel(write)
    program.compile()(*outs)
    for out, (name, number) in zip(outs, numbers.items(), strict=True):
        assert same(out[:5], np.full(5, number, DTYPES[name].numpy)), name


@pytest.mark.parametrize("level", ["x86-64", "x86-64-v3"])
def test_float16_is_converted_with_and_without_instructions(level):
    every = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    wide, found = np.zeros(1 << 16, "f4"), np.zeros(1 << 16, "f2")
    program = Program([("half", dense(every)), ("single", dense(wide)), ("back", dense(found))])
    half, single, back = program.buffers

    def write(builder):
        def body(b, i, carried):
            value = b.rule("cast", [vector_load(b, half, i, 8).value], {"dtype": F32})
            vector_store(b, value, single, i)
            vector_store(b, b.rule("cast", [(value * 1.5).value], {"dtype": F16}), back, i)
            return []

        builder.loop(builder.index(0), builder.index(1 << 16), 8, [], body)

    program.kernel(write)
    assert program.compile(target=named_target(level))(every, wide, found) == 0
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(wide, every.astype("f4"))
        np.testing.assert_array_equal(found, (every.astype("f4") * np.float32(1.5)).astype("f2"))
