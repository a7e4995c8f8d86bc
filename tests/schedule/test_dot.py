"""Matrix products: values against wider floats, the same bits from every version, thread, tile and size."""

import numpy as np
import pytest
from kernels import Compiled, interpreted

from weft.backends.cpu.target import named_target
from weft.compiler.passes.lower_tensor import SCHEDULES
from weft.compiler.schedule.dot import VERSIONS, lower_dot
from weft.compiler.schedule.dot_tile import fitting_tile
from weft.compiler.work import trips
from weft.ir.dims import symbol
from weft.ir.expr import maximum
from weft.ir.types import DTYPES, F32, F64, tensor
from weft.ir.walk import walk

for _version in VERSIONS:
    SCHEDULES[f"dot_{_version}"] = lambda kernel, builder, version=_version: lower_dot(
        kernel, builder, version
    )

rng = np.random.default_rng(7)


def product(a, b):
    return a.apply("dot", b)


def turn(x):
    rank = x.type.rank
    axes = (*range(rank - 2), rank - 1, rank - 2)
    return x.builder.expr(x.builder.emit("transpose", [x.value], {"axes": axes}).result)


def numbers(dtype, *shape):
    if dtype.is_float:
        return (rng.normal(size=shape) * 3).astype(dtype.numpy)
    return rng.integers(-(1 << 20), 1 << 20, shape).astype(dtype.numpy)


def check(result, a, b):
    """Within the error of k rounded steps; integers exactly, as they wrap."""
    if result.dtype.kind in "iu":
        assert np.array_equal(result, np.matmul(a, b))
        return
    exact = a.astype(np.longdouble) @ b.astype(np.longdouble)
    bound = (
        (np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64))
        * (a.shape[-1] + 2)
        * np.finfo(result.dtype).eps
    )
    assert (np.abs(result - exact) <= bound + np.finfo(result.dtype).tiny).all()


def chunked(a, b):
    """The order of DESIGN D19, with fma: chunks of 256, each from zero."""
    total = None
    for start in range(0, max(a.shape[1], 1), 256):
        part = np.zeros((a.shape[0], b.shape[1]), np.float64)
        for k in range(start, min(start + 256, a.shape[1])):
            # a product of two f32 is exact in f64; round the sum to odd, then to f32: one rounding, as fma
            part = fused(a[:, k : k + 1].astype(np.float64) * b[k : k + 1].astype(np.float64), part).astype(
                np.float64
            )
        total = part.astype(np.float32) if total is None else total + part.astype(np.float32)
    return total


def fused(product, total):
    from weft.ir.ops.loop import _round_to_odd_sum

    return _round_to_odd_sum(product, total).astype(np.float32)


SIZES = [
    (1, 1, 1), (6, 16, 16), (5, 7, 3), (7, 17, 33), (12, 256, 32), (13, 257, 31), (4, 513, 70), (61, 300, 70),
    (1, 600, 130), (6, 1, 1100), (2, 5000, 3), (1, 9500, 1),
]  # fmt: skip


@pytest.mark.parametrize("dtype", ["f32", "f64", "i32", "i64", "u8"])
@pytest.mark.parametrize("size", SIZES)
def test_versions(size, dtype):
    m, k, n = size
    ty = DTYPES[dtype]
    a, b = numbers(ty, m, k), numbers(ty, k, n)
    results = []
    for version in VERSIONS:
        if m <= 8 if version == "skinny" else m * n <= 8 or version != "deep":
            program = Compiled([tensor(ty, m, k), tensor(ty, k, n)], product, f"dot_{version}")
            results += [program(a, b), program(a, b, pool=False)]
    check(results[0], a, b)
    for other in results[1:]:
        assert results[0].tobytes() == other.tobytes()


@pytest.mark.parametrize("size", [(3, 9, 17), (2, 300, 8), (7, 600, 5)])
def test_order_of_sums(size):
    m, k, n = size
    a, b = numbers(F32, m, k), numbers(F32, k, n)
    result = Compiled([tensor(F32, m, k), tensor(F32, k, n)], product, "dot")(a, b)
    assert result.tobytes() == chunked(a, b).tobytes()


def test_large_blocks():
    """More than one block of every kind: chunks at once, rows, columns of a task; k that needs an arena."""
    a, b = numbers(F32, 150, 2100), numbers(F32, 2100, 1050)
    result = Compiled([tensor(F32, 150, 2100), tensor(F32, 2100, 1050)], product, "dot_packed")(a, b)
    small = Compiled([tensor(F32, 150, 2100), tensor(F32, 2100, 1050)], product, "dot_small")(a, b)
    check(result, a, b)
    assert result.tobytes() == small.tobytes()


@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize("which", ["left", "right", "both"])
@pytest.mark.parametrize("size", [(5, 7, 3), (13, 300, 37), (70, 64, 64)])
def test_transposes(size, which, dtype):
    m, k, n = size
    ty = DTYPES[dtype]
    turned = [which in ("left", "both"), which in ("right", "both")]
    a = numbers(ty, *((k, m) if turned[0] else (m, k)))
    b = numbers(ty, *((n, k) if turned[1] else (k, n)))

    def write(x, y):
        return (turn(x) if turned[0] else x).apply("dot", turn(y) if turned[1] else y)

    types = [tensor(ty, *a.shape), tensor(ty, *b.shape)]
    left, right = (a.T if turned[0] else a), (b.T if turned[1] else b)
    result = Compiled(types, write, "dot")(a, b)
    check(result, left, right)
    plain = Compiled([tensor(ty, m, k), tensor(ty, k, n)], product, "dot_small")
    assert result.tobytes() == plain(left.copy(), right.copy()).tobytes()
    assert result.tobytes() == Compiled(types, write, "dot_packed")(a, b).tobytes()


@pytest.mark.parametrize("version", ["dot", "dot_small", "dot_packed"])
@pytest.mark.parametrize("batch", [(3,), (2, 3)])
def test_batches(batch, version):
    a, b = numbers(F32, *batch, 13, 70), numbers(F32, *batch, 70, 21)
    result = Compiled([tensor(F32, *a.shape), tensor(F32, *b.shape)], product, version)(a, b)
    check(result, a, b)


@pytest.mark.parametrize("version", ["dot", "dot_small", "dot_packed", "dot_skinny"])
def test_epilogue(version):
    m, k, n = 3 if version == "dot_skinny" else 23, 300, 45

    def write(x, w, bias, scale, other):
        y = x.apply("dot", w)
        wide = y.builder.broadcast(bias, (m, n))
        column = y.builder.broadcast(scale, (m, n))
        z = y + wide
        return maximum(z, 0.0) * column, z - other

    x, w, bias = numbers(F32, m, k), numbers(F32, k, n), numbers(F32, n)
    scale, other = numbers(F32, m, 1), numbers(F32, m, n)
    types = [tensor(F32, *a.shape) for a in (x, w, bias, scale, other)]
    first, second = Compiled(types, write, version)(x, w, bias, scale, other)
    y = Compiled([tensor(F32, m, k), tensor(F32, k, n)], product, "dot")(x, w)
    assert np.array_equal(first, np.maximum(y + bias, 0) * scale)
    assert np.array_equal(second, y + bias - other)


def test_long_epilogue():
    """A tile too long to be written out goes row by row."""

    def write(x, w):
        y = x.apply("dot", w)
        for _ in range(8):
            y = y * y + 0.5
        return y

    x, w = (numbers(F32, 20, 30) / 30), (numbers(F32, 30, 40) / 30)
    for version in ("dot_small", "dot_packed"):
        result = Compiled([tensor(F32, 20, 30), tensor(F32, 30, 40)], write, version)(x, w)
        y = Compiled([tensor(F32, 20, 30), tensor(F32, 30, 40)], product, version)(x, w)
        for _ in range(8):
            y = y * y + np.float32(0.5)
        assert np.array_equal(result, y)


def test_prologue():
    """Operands that are computed, read in part, or converted."""
    m, k, n = 19, 40, 27

    def write(x, w):
        part = w.builder.expr(
            w.builder.emit("slice", [w.value], {"start": (1, 2), "size": (k, n), "step": (1, 2)}).result
        )
        return (x * x + 1.0).apply(
            "dot", w.builder.expr(w.builder.emit("cast", [part.value], {"dtype": F32}).result)
        )

    x, w = numbers(F32, m, k), numbers(DTYPES["i32"], k + 1, 2 * n + 3)
    program = Compiled([tensor(F32, m, k), tensor(DTYPES["i32"], *w.shape)], write, "dot")
    check(program(x, w), x * x + np.float32(1), w[1:, 2 : 2 + 2 * n : 2].astype(np.float32))


def test_symbolic_sizes():
    """One program for all sizes, with a version chosen at run time, and the bits of programs of one size."""
    m, k, n = (symbol(name, 0) for name in "mkn")
    program = Compiled([tensor(F32, m, k), tensor(F32, k, n)], product, "dot")
    for size in [
        (2, 2, 2),
        (3, 5, 7),
        (13, 70, 37),
        (6, 0, 5),
        (0, 4, 4),
        (64, 300, 130),
        (130, 600, 90),
        (2, 2000, 100),
    ]:
        a, b = numbers(F32, *size[:2]), numbers(F32, *size[1:])
        result = program(a, b)
        check(result, a, b)
        if 0 not in size:
            fixed = Compiled([tensor(F32, *a.shape), tensor(F32, *b.shape)], product, "dot")(a, b)
            assert result.tobytes() == fixed.tobytes()


def test_symbolic_rows():
    """Weights of a known size and any number of rows: few ones walk the weights once."""
    m = symbol("m", 2)
    program = Compiled([tensor(F32, m, 300), tensor(F32, 300, 200)], product, "dot")
    b = numbers(F32, 300, 200)
    whole = numbers(F32, 50, 300)
    expected = Compiled([tensor(F32, 50, 300), tensor(F32, 300, 200)], product, "dot")(whole, b)
    for rows in (2, 3, 4, 5, 6, 7, 50):
        assert program(whole[:rows], b).tobytes() == expected[:rows].tobytes()


def test_symbolic_turned():
    m, k, n = (symbol(name, 0) for name in "mkn")
    program = Compiled([tensor(F32, m, k), tensor(F32, n, k)], lambda x, y: x.apply("dot", turn(y)), "dot")
    for size in [(2, 2, 2), (13, 300, 37), (3, 0, 4)]:
        a, b = numbers(F32, size[0], size[1]), numbers(F32, size[2], size[1])
        check(program(a, b), a, b.T)


def test_no_products():
    program = Compiled([tensor(F64, 4, 0), tensor(F64, 0, 9)], product, "dot")
    assert np.array_equal(program(np.zeros((4, 0)), np.zeros((0, 9))), np.zeros((4, 9)))
    program = Compiled([tensor(F64, 0, 3), tensor(F64, 3, 9)], product, "dot")
    assert program(np.zeros((0, 3)), np.zeros((3, 9))).shape == (0, 9)


def test_strided_operands():
    base = numbers(F32, 40, 90)
    a, b = base[::2, 1:62:2], numbers(F32, 62, 50)[::2, ::-1][:, :45]
    types = [tensor(F32, *a.shape), tensor(F32, *b.shape)]
    check(Compiled(types, product, "dot", strided=(0, 1))(a, b), a, b)


def test_special_numbers():
    """inf and nan stay in their rows and columns, also beside tails."""
    a, b = numbers(F32, 7, 20), numbers(F32, 20, 19)
    a[6, 3], b[4, 18] = np.inf, np.nan
    for version in ("dot_small", "dot_packed"):
        result = Compiled([tensor(F32, 7, 20), tensor(F32, 20, 19)], product, version)(a, b)
        assert np.isfinite(result[:6, :18]).all()
        assert np.isinf(result[6, :18]).all()
        assert np.isnan(result[:, 18]).all()


@pytest.mark.parametrize("name", ["x86-64", "x86-64-v4", "aarch64"])
@pytest.mark.parametrize("version", VERSIONS)
def test_other_targets(name, version):
    """Loops for other machines, run by the interpreter: the same bits."""
    m, k, n = {"skinny": (3, 20, 37), "deep": (2, 1100, 3)}.get(version, (17, 20, 37))
    a, b = numbers(F32, m, k), numbers(F32, k, n)
    types = [tensor(F32, m, k), tensor(F32, k, n)]
    result = interpreted(types, product, f"dot_{version}", named_target(name), a, b)
    assert result.tobytes() == Compiled(types, product, "dot")(a, b).tobytes()


@pytest.mark.parametrize("name", ["x86-64-v4", "aarch64"])
def test_registers(name):
    """The inner loop of a tile keeps its sums in registers on machines that are not this one."""
    target = named_target(name)
    text = Compiled(
        [tensor(F32, 112, 128), tensor(F32, 128, 128)], product, "dot_packed", target=target
    ).assembly()
    mnemonic = "vfmadd" if "86" in name else "fmla"
    lines = text.splitlines()
    first = next(i for i, line in enumerate(lines) if mnemonic in line)
    start = max(i for i in range(first) if lines[i].startswith(".LBB"))
    end = next(
        i for i in range(first, len(lines)) if lines[i].lstrip().startswith(("j", "b.", "cbnz", "tbnz"))
    )
    body = lines[start:end]
    assert sum(mnemonic in line for line in body) in (28, 16)
    assert not any("sp" in line.replace("dispatch", "") for line in body if "," in line)


def test_fitting_tiles():
    """Few rows are computed over the end, and a few tiles are two equal shares."""
    target = named_target("x86-64-v4")
    for rows, height in ((50, 13), (128, 13), (64, 11), (112, 14), (1000, 13), (3, 10), ("n", 14)):
        tile = fitting_tile(target, F32, symbol(rows) if rows == "n" else rows)
        assert (tile.rows, tile.columns) == (height, 32)


@pytest.mark.parametrize(
    "size", [(50, 128, 512), (50, 512, 128), (14, 512, 512), (16, 4096, 32), (128, 2500, 512)]
)
def test_small_tasks(size):
    """A product of a few tiles is work for several threads, too: a step of a recurrent layer."""
    m, k, n = size
    types = [tensor(F32, m, k), tensor(F32, k, n)]
    program = Compiled(types, product, "dot_packed", target=named_target("x86-64-v4"))
    loops = [op for op in walk(program.fn) if op.name == "for" and op.attributes["kind"] == "parallel"]
    assert trips(loops[-1]) in (2, 4, 8, 10)  # equal shares of two threads
    for dtype in (F32, F64):
        a, b = numbers(dtype, m, k), numbers(dtype, k, n)
        check(Compiled([tensor(dtype, m, k), tensor(dtype, k, n)], product, "dot_packed")(a, b), a, b)


def test_reshaped_operands():
    """Split and merged axes are read where they are, without a division in the inner loop."""

    def write(x, w):
        return x.builder.reshape(x, (24, 32)).apply("dot", w.builder.reshape(w, (32, 16)))

    x, w = numbers(F32, 4, 6, 32), numbers(F32, 8, 4, 16)
    program = Compiled([tensor(F32, *x.shape), tensor(F32, *w.shape)], write, "dot")
    check(program(x, w), x.reshape(24, 32), w.reshape(32, 16))
    plain = Compiled([tensor(F32, 24, 32), tensor(F32, 32, 16)], product, "dot")
    assert program.text.count("sdiv") == plain.text.count("sdiv")
