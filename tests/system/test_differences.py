"""What `docs/differences.md` says: each deliberate difference, and what bad input gives."""

import warnings

import numpy as np
import pytest

import weft


def twice(x):
    return x * 2


def add(x, y):
    return x + y


def write_first(x, y):
    x += y
    return x


F32 = np.arange(12, dtype=np.float32).reshape(3, 4)
COUNTER = 0


def results(fn, *arguments):
    """Plain and compiled, on copies."""
    return fn(*map(np.copy, arguments)), weft.compile(fn)(*map(np.copy, arguments))


# ---------------------------------------------------------------- in values


def test_repeated_places_of_a_transposed_index():
    def write(x, i, v):
        x[i] = v
        return x

    i, v = np.asfortranarray([[0, 0], [0, 1]]), np.asfortranarray([[1.0, 2.0], [3.0, 4.0]])
    assert list(write(np.zeros(2), i, v)) == [2.0, 4.0]
    assert list(weft.compile(write)(np.zeros(2), i, v)) == [3.0, 4.0]


def test_new_results_are_c_contiguous():
    x = np.asfortranarray(F32)
    assert twice(x).flags.f_contiguous
    assert weft.compile(twice)(x).flags.c_contiguous


def test_views_keep_their_order():
    x = F32.copy()
    view = weft.compile(lambda x: x.T)(x)
    assert view.base is x
    assert view.flags.f_contiguous


def test_items_of_a_list_have_one_type():
    @weft.compile
    def mixed(n):
        items = [0] * n
        for k in range(n):
            if k > 2:
                items[k] = k * 0.5
        return items

    assert mixed(300)[:4] == [0, 0, 0, 1.5]
    assert type(mixed(300)[0]) is float


def test_an_array_of_no_items():
    @weft.compile
    def chosen(x):
        rows = []
        for row in x:
            if row[0] > 1:
                rows.append(row.astype(np.int64))
        found = np.array(rows)
        return found, found.sum()

    found, total = chosen(np.zeros((9, 3)))
    assert found.shape == (0,)
    assert found.dtype == np.float64
    assert total.dtype == np.int64


def test_an_array_that_a_loop_binds_anew():
    def doubled(x, n):
        while x[0] < n:
            x = x * 2
        return x

    x = np.ones(3)
    result = weft.compile(doubled)(x, 1)
    assert doubled(x, 1) is x
    assert np.array_equal(result, x)
    assert not np.shares_memory(result, x)


def test_math_functions_are_within_two_ulp():
    def functions(x):
        return np.exp(x), np.sin(x), np.tanh(x)

    x = np.linspace(-20, 20, 5001, dtype=np.float32)
    for got, wanted in zip(weft.compile(functions)(x), functions(x.astype(np.float64)), strict=True):
        assert np.all(np.abs(got - wanted) <= 2 * np.spacing(np.abs(wanted).astype(np.float32)))


def test_sums_have_their_own_order_and_are_as_accurate():
    x = np.random.default_rng(0).random(100_003, np.float32)
    plain, ours = results(np.sum, x)
    exact = np.sum(x.astype(np.float64))
    assert abs(ours - exact) <= abs(plain - exact) + np.spacing(np.float32(exact))


def test_products_have_their_own_order():
    rng = np.random.default_rng(0)
    x, y = rng.random((20, 700), np.float32), rng.random((700, 30), np.float32)
    _, ours = results(lambda x, y: x @ y, x, y)
    chunks = [slice(k, min(k + 256, 700)) for k in range(0, 700, 256)]
    exact = x.astype(np.float64) @ y
    assert len(chunks) == 3
    np.testing.assert_allclose(ours, exact, rtol=3e-6)


def test_extremes_of_complex_numbers_with_nan():
    x = np.array([[1 + 1j, complex(np.nan, 2), complex(3, np.nan)], [1, 2, 3j]])
    for axis in (0, 1, None):
        for reduce in (np.max, np.min):
            found = np.asarray(weft.compile(lambda x, r=reduce, a=axis: r(x, axis=a))(x))
            want = np.array(reduce(x, axis=axis))
            want[np.isnan(want)] = complex("nan+nanj")
            np.testing.assert_array_equal([found.real, found.imag], [want.real, want.imag])


def test_products_of_complex_numbers():
    rng = np.random.default_rng(0)
    z, w = (rng.normal(size=50) + 1j * rng.normal(size=50) for _ in range(2))
    plain, found = results(lambda z, w: z * w, z, w)
    np.testing.assert_array_equal(found, plain)
    np.testing.assert_array_equal(weft.compile(lambda a, b: a * b)(z[0], w[0]), z[0] * w[0])
    backwards = z.astype("c8")[::-1]
    np.testing.assert_allclose(weft.compile(lambda z: z * z)(backwards), backwards * backwards, rtol=1e-6)


def test_no_warning_of_dropped_imaginary_parts():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = weft.compile(lambda z: z.astype(np.float64))(np.array([1 + 2j]))
    assert found[0] == 1.0


def test_no_warnings_of_floating_point():
    compiled = weft.compile(lambda x: (1 / x, np.log(x), x * np.float32(3e38)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        quotient, logarithm, product = compiled(np.array([0, -1, 3], np.float32))
    assert np.isinf(quotient[0])
    assert np.isnan(logarithm[1])
    assert np.isinf(product[2])


def test_partial_overlap_of_a_written_argument():
    memory = np.arange(10, dtype=np.float32)
    compiled = weft.compile(write_first)
    with pytest.raises(weft.AliasError):
        compiled(memory[:6], memory[2:8])
    np.testing.assert_array_equal(memory, np.arange(10))
    np.testing.assert_array_equal(compiled(memory[:4], memory[4:8]), [4, 6, 8, 10])


def test_sorting_is_stable():
    x = np.repeat(np.arange(3.0), 50)[::-1].copy()
    np.testing.assert_array_equal(weft.compile(np.argsort)(x), np.argsort(x, kind="stable"))
    for count in (4, 40, 400):
        zeros = np.where(np.arange(count) % 2, 0.0, -0.0)[::-1].copy()
        signs = np.signbit(weft.compile(np.sort)(zeros))
        np.testing.assert_array_equal(signs, np.arange(count) < count // 2)


def test_sizes_that_are_computed_must_be_equal():
    def both(x, limit):
        return x[x > 2] + x[x < limit]

    compiled, x = weft.compile(both), np.arange(12.0)
    np.testing.assert_array_equal(compiled(x, 9), both(x, 9))
    for limit in (7, 1):  # NumPy repeats an array of one element
        with pytest.raises(ValueError, match="could not be broadcast"):
            compiled(x, limit)


def test_bincount_with_a_length():
    x = np.array([1, 2, 2])
    np.testing.assert_array_equal(weft.compile(lambda x: np.bincount(x, minlength=3))(x), np.bincount(x))
    np.testing.assert_array_equal(weft.compile(np.bincount)(x), np.bincount(x))
    with pytest.raises(IndexError):
        weft.compile(lambda x: np.bincount(x, minlength=2))(x)


# ---------------------------------------------------------------- in what may be written


@pytest.mark.parametrize("body", ["str(x.sum()).split()", "np.save('/tmp/nothing', x)"])
def test_traced_values_forced_to_python(tmp_path, body):
    fn = made(tmp_path, f"def f(x):\n    return {body}\n")
    with pytest.raises(weft.UnsupportedError, match=r"made\.py:5"):
        weft.compile(fn)(F32)


@pytest.mark.parametrize("body", ["np.random.rand(3) + x", "time.time() + x", "open('/dev/null')"])
def test_impure_calls_are_refused(tmp_path, body):
    fn = made(tmp_path, f"def f(x):\n    return {body}\n")
    with pytest.raises(weft.UnsupportedError, match="Fix"):
        weft.compile(fn)(F32[0, :3].copy())


@pytest.mark.parametrize(
    "array",
    [np.array([{}]), np.array(["a"]), np.array(["2020"], "datetime64[D]"), np.zeros(2, [("a", "f4")])],
)
def test_arrays_of_other_things_are_refused(array):
    compiled = weft.compile(twice)
    with pytest.raises(weft.DTypeError):
        compiled(array)
    np.testing.assert_array_equal(compiled(F32), F32 * 2)


# ---------------------------------------------------------------- bad input


def made(folder, text):
    """A function of a file of its own, whose lines errors can name."""
    from weft.cli.files import load_file

    file = folder / "made.py"
    file.write_text("import time\nimport numpy as np\n\n" + text)
    return load_file(file, "made").f


def test_shapes_that_do_not_fit():
    compiled = weft.compile(add)
    with pytest.raises(weft.ShapeError):
        compiled(np.ones(3), np.ones(4))
    np.testing.assert_array_equal(compiled(np.ones(4), np.ones(4)), np.full(4, 2.0))


def test_wrong_rank():
    compiled = weft.compile(lambda x: x.sum(axis=1))
    with pytest.raises((weft.WeftError, np.exceptions.AxisError)):
        compiled(np.ones(3))
    np.testing.assert_array_equal(compiled(np.ones((2, 3))), [3.0, 3.0])


def test_index_out_of_range():
    compiled = weft.compile(lambda x, i: x[i])
    with pytest.raises(IndexError):
        compiled(F32, np.array([0, 7]))
    np.testing.assert_array_equal(compiled(F32, np.array([0, 2])), F32[[0, 2]])


def test_ragged_lists():
    with pytest.raises((weft.ShapeError, ValueError)):
        weft.compile(lambda: np.array([[1.0], [1.0, 2.0]]))()


def test_any_strides():
    for x in (F32[::2], F32[:, ::-1], F32.T, F32[1:, 1:3], np.broadcast_to(F32[0], (5, 4))):
        np.testing.assert_array_equal(weft.compile(twice)(x), x * 2)


def test_read_only_arrays():
    x = F32.copy()
    x.flags.writeable = False
    np.testing.assert_array_equal(weft.compile(twice)(x), x * 2)
    with pytest.raises(ValueError, match="read-only"):
        weft.compile(write_first)(x, F32)


def test_misaligned_arrays():
    memory = np.zeros(4 * 12 + 1, np.uint8)
    x = memory[1:].view(np.float32).reshape(3, 4)
    x[...] = F32
    np.testing.assert_array_equal(weft.compile(twice)(x), F32 * 2)
    weft.compile(write_first)(x, F32)
    np.testing.assert_array_equal(x, F32 * 2)


def test_byte_swapped_arrays():
    x = F32.astype(">f4")
    np.testing.assert_array_equal(weft.compile(twice)(x), F32 * 2)
    weft.compile(write_first)(x, F32)
    np.testing.assert_array_equal(x, F32 * 2)


def test_arguments_that_are_one_array():
    x, y = F32.copy(), F32.copy()
    compiled = weft.compile(write_first)
    assert compiled(x, x) is x
    np.testing.assert_array_equal(x, write_first(y, y))


def test_arguments_that_overlap_and_are_only_read():
    memory = np.arange(10, dtype=np.float32)
    np.testing.assert_array_equal(weft.compile(add)(memory[:6], memory[2:8]), memory[:6] + memory[2:8])


def test_numbers_that_meet_are_floats():
    result = weft.compile(lambda a, b: (min(a, b), max(a, b)))(3, 4.5)
    assert result == (3.0, 4.5)
    assert [type(v) for v in result] == [float, float]


def test_views_of_an_array_without_a_bound():
    @weft.compile
    def fn(x):
        z = np.bincount(x)
        return z, z[:2]

    z, view = fn(np.array([3, 1, 1]))
    np.testing.assert_array_equal(z, [0, 2, 0, 1])
    np.testing.assert_array_equal(view, [0, 2])
    assert not np.shares_memory(z, view)


def test_reshape_of_an_argument_with_gaps():
    def part():
        return np.arange(40.0).reshape(5, 8)[1:4, ::2]

    def write(x):
        y = x.reshape(-1)
        y += 1
        return y

    x = part()
    flat = weft.compile(lambda x: x.reshape(-1))(x)
    np.testing.assert_array_equal(flat, x.reshape(-1))
    assert np.shares_memory(x.reshape(-1), x)
    assert not np.shares_memory(flat, x)
    with pytest.raises(weft.UnsupportedError, match="E064"):
        weft.compile(write)(part())
    np.testing.assert_array_equal(weft.compile(write)(part().copy()), part().ravel() + 1)


def test_sizes_whose_product_overflows():
    x = np.broadcast_to(np.float32(1), (2**40, 1))
    y = np.broadcast_to(np.float32(1), (1, 2**40))
    with pytest.raises((weft.ShapeError, MemoryError, ValueError)):
        weft.compile(add)(x, y)
    np.testing.assert_array_equal(weft.compile(add)(F32, F32), F32 * 2)


def test_rows_of_an_argument_keep_their_places():
    def exchange(rows):
        for i in range(len(rows) - 1):
            if rows[i][0] < rows[i + 1][0]:
                rows[i], rows[i + 1] = rows[i + 1], rows[i]
        return len(rows)

    plain = [[float(i), i + 0.5] for i in range(6)]
    mine = [list(row) for row in plain]
    objects = list(mine)
    exchange(plain)
    weft.compile(exchange)(mine)
    assert mine == plain
    assert all(a is b for a, b in zip(mine, objects, strict=True))


def test_a_loop_without_iterations():
    def halved(x, limit):
        while x.max() > limit:
            x = x / 2
        return x

    compiled = weft.compile(halved)
    assert compiled(np.array([5, 9]), 1.0).dtype == np.float64
    with pytest.raises(weft.DTypeError, match="'x' has different types"):
        compiled(np.array([5, 9]), 100.0)


def test_exceptions_of_a_program_that_prints_are_not_caught(capsys):
    def solved(a, b):
        try:
            print(a.sum())  # noqa: T201
            return np.linalg.solve(a, b)
        except np.linalg.LinAlgError:
            return np.zeros(2)

    compiled = weft.compile(solved)
    np.testing.assert_allclose(compiled(np.eye(2), np.ones(2)), np.ones(2))
    with pytest.raises(np.linalg.LinAlgError):
        compiled(np.zeros((2, 2)), np.ones(2))


def test_byte_order():
    x = np.arange(3.0)
    found, plain = weft.compile(lambda x: np.array(x, dtype=">f8"))(x), np.array(x, dtype=">f8")
    assert plain.dtype != found.dtype == np.float64
    np.testing.assert_array_equal(found, plain)


def test_sums_from_a_negative_zero():
    x = np.array([-0.0, -0.0])
    assert str(np.sum(x, initial=-0.0)) == "-0.0"
    assert str(weft.compile(lambda x: np.sum(x, initial=-0.0))(x)) == "0.0"
