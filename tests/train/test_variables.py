"""Variables: in plain Python, in compiled functions, and both together."""

import copy
import sys

import numpy as np
import pytest

import weft


class Model(weft.Module):
    """A few variables in the usual places."""

    def __init__(self) -> None:
        self.w = weft.Variable(np.ones((3, 4), np.float32))
        self.layers = [weft.Variable(np.zeros(3)), weft.Variable(np.ones(3))]
        self.step = weft.Variable(0, trainable=False)


def make_step(model):
    @weft.compile
    def step(x):
        model.w += x
        for layer in model.layers:
            layer += 1
        model.layers[0][1] = 7
        model.step.assign(model.step + 1)
        return model.w.sum()

    return step


def test_writes_reach_the_variables():
    model = Model()
    step = make_step(model)
    for k in range(3):
        assert step(np.ones((3, 4), np.float32)) == 12 * (k + 2)
    np.testing.assert_array_equal(model.w.value, np.full((3, 4), 4, np.float32))
    np.testing.assert_array_equal(model.layers[0].value, [3, 7, 3])
    assert int(model.step) == 3
    assert step.stats()["compiles"] == 1


def test_the_address_stays_for_a_thousand_steps():
    model = Model()
    step = make_step(model)
    x = np.ones((3, 4), np.float32)
    before = [v._memory.ctypes.data for v in weft.variables(model)]
    for _ in range(1000):
        step(x)
    assert [v._memory.ctypes.data for v in weft.variables(model)] == before
    assert model.w.value[0, 0] == 1001


def test_a_warm_call_runs_no_python():
    model = Model()
    step = make_step(model)
    x = np.ones((3, 4), np.float32)
    step(x)
    step._weft.entries.settle()
    step(x), step(x)
    frames = []
    sys.setprofile(lambda frame, event, _: frames.append(frame.f_code.co_name) if event == "call" else None)
    try:
        step(x)
    finally:
        sys.setprofile(None)
    assert frames == []


def test_plain_python_reads_and_writes_it_like_an_array():
    v = weft.Variable(np.arange(6.0).reshape(2, 3), name="v")
    assert (v.shape, v.dtype, v.name, v.ndim, len(v)) == ((2, 3), np.float64, "v", 2, 2)
    np.testing.assert_array_equal(v + 1, np.arange(6.0).reshape(2, 3) + 1)
    np.testing.assert_array_equal(np.ones(2) @ v, [3, 5, 7])
    np.testing.assert_array_equal(np.concatenate([v, v.T.reshape(2, 3)]).shape, (4, 3))
    assert np.sum(v) == v.sum() == 15
    address = v._memory.ctypes.data
    v += 1
    v[0, 1:] = 9
    np.testing.assert_array_equal(v.value, [[1, 9, 9], [4, 5, 6]])
    v.assign(np.zeros((2, 3)))
    assert v._memory.ctypes.data == address
    snapshot = v.value
    v += 1
    assert snapshot.sum() == 0
    assert float(weft.Variable(2.5)) == 2.5
    other = copy.deepcopy(v)
    other += 1
    assert v.sum() == 6
    assert other.sum() == 12


def test_what_leaves_a_compiled_function_is_the_variable_or_a_copy():
    v = weft.Variable(np.zeros((3, 2)))

    @weft.compile
    def give():
        return v, v[1:], v.value, v.T

    whole, part, value, turned = give()
    assert whole is v
    for array in (part, value, turned):
        array[...] = 5
    assert v.sum() == 0


def test_variables_as_arguments_share_a_variant():
    @weft.compile
    def decay(v, rate):
        v *= rate
        return v.sum()

    first, second = weft.Variable(np.ones(3)), weft.Variable(np.full(3, 2.0))
    assert decay(first, 0.5) == 1.5
    assert decay(second, 0.5) == 3
    assert decay.stats()["compiles"] == 1


def test_instances_of_a_class_share_a_variant():
    class Counter:
        def __init__(self, start):
            self.total = weft.Variable(start)

        def add(self, x):
            self.total += x
            return self.total * 2

    add = weft.compile(Counter.add)
    counters = [Counter(float(k)) for k in range(20)]
    assert [add(c, 1.0) for c in counters] == [2.0 * (k + 1) for k in range(20)]
    assert [add(c, 1.0) for c in counters] == [2.0 * (k + 2) for k in range(20)]
    assert add.stats()["compiles"] == 1


def test_rebinding_a_name_is_seen():
    class Holder:
        pass

    holder = Holder()
    holder.a = holder.b = weft.Variable(np.zeros(2))

    @weft.compile
    def step():
        holder.a += 1
        holder.b += holder.a

    step()
    np.testing.assert_array_equal(holder.a.value, [2, 2])
    holder.b = weft.Variable(np.zeros(2))
    step()
    np.testing.assert_array_equal(holder.a.value, [3, 3])
    np.testing.assert_array_equal(holder.b.value, [3, 3])
    holder.b = holder.a
    step()
    np.testing.assert_array_equal(holder.a.value, [8, 8])


def test_it_is_a_variable_inside_too():
    v = weft.Variable(np.zeros(2), name="weights", trainable=False)

    @weft.compile
    def facts(x):
        return (
            isinstance(v, weft.Variable),
            isinstance(v, np.ndarray),
            v.name,
            v.trainable,
            v.shape,
            isinstance(x, weft.Variable),
        )

    assert facts(np.zeros(2)) == (True, False, "weights", False, (2,), False)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (np.zeros(4), weft.ShapeError),
        (np.zeros((1, 3)), weft.ShapeError),
        (np.zeros(3, np.complex128), weft.DTypeError),
    ],
)
def test_wrong_assignments(value, kind):
    v = weft.Variable(np.zeros(3, np.float32))
    with pytest.raises(kind, match="variable"):
        v.assign(value)
    if value.dtype != np.complex128:
        with pytest.raises(kind, match="variable"):
            weft.compile(lambda x: v.assign(x))(value)
    v.assign([1, 2, 3])
    with pytest.raises(weft.DTypeError, match="float64"):
        v.assign(np.zeros(3))
    with pytest.raises(weft.DTypeError, match="float64"):
        weft.compile(lambda x: v.assign(x))(np.zeros(3))
    np.testing.assert_array_equal(v.value, [1, 2, 3])


def test_a_variable_made_inside_of_a_compiled_function():
    with pytest.raises(weft.UnsupportedError, match="Variable made inside"):
        weft.compile(lambda x: weft.Variable(x) + 1)(1.0)


def test_a_variable_holds_numbers():
    with pytest.raises(weft.DTypeError):
        weft.Variable("text")


def test_variables_of_a_tree():
    model = Model()
    tree = {"model": model, "again": (model, model.w), "other": [weft.Variable(1.0), 3, None, "x"]}
    assert [v.name for v in weft.variables(tree)] == [
        v.name for v in [*weft.variables(model), tree["other"][0]]
    ]
    assert len(weft.variables(model)) == len(model.variables()) == 4
    assert len(weft.variables(model, trainable=True)) == 3
    assert weft.variables(model, trainable=False) == [model.step]
    model.itself = model
    assert len(weft.variables(model)) == 4


def test_an_array_of_a_view_of_a_variable_is_seen_to_overlap():
    v = weft.Variable(np.zeros(4))

    @weft.compile
    def shift(x):
        v[:3] = x + 1

    with pytest.raises(weft.AliasError):
        shift(v[1:])
    shift(np.ones(3))
    np.testing.assert_array_equal(v.value, [2, 2, 2, 0])


class Parts(weft.Module):
    def __init__(self):
        self.w, self.b = weft.Variable(np.arange(3.0)), weft.Variable(np.ones(2))


@pytest.mark.parametrize(
    "penalty",
    [
        lambda parts: sum(np.sum(v**2) for v in parts.variables()),
        lambda parts: sum((v * v).sum() for v in weft.variables(parts)),
        lambda parts: sum(np.sum(2 * v * v) / 2 for v in vars(parts).values()),
        lambda parts: sum(np.dot(getattr(parts, k), getattr(parts, k)) for k in ("w", "b")),
        lambda parts: sum(x**2 for v in parts.variables() for x in v),
    ],
)
def test_variables_that_a_collection_gives_are_no_constants(penalty):
    parts, far = Parts(), Parts()
    gradient = weft.compile(lambda: weft.grad(lambda: penalty(parts), wrt=parts.w)())
    for _ in range(2):
        np.testing.assert_array_equal(gradient(), 2 * parts.w.value)
        parts.w.assign(parts.w + 1)

    @weft.compile
    def follow(x):
        parts.w.assign(parts.w - x)
        for slow, fast in zip(far.variables(), parts.variables(), strict=True):
            slow.assign(0.5 * slow + 0.5 * fast)

    expected = far.w.value
    for _ in range(2):
        follow(np.ones(3))
        expected = 0.5 * expected + 0.5 * parts.w.value
        np.testing.assert_array_equal(far.w.value, expected)
