"""Optimizers against their formulas, torch.optim's, in float64 NumPy with hand-written gradients."""

import sys
from pathlib import Path

import numpy as np
import pytest

import weft
from weft import optim

STEPS = 100


def quadratic():
    a = np.array([[3.0, 1.0], [1.0, 2.0]])

    def loss(p):
        return 0.5 * np.sum(p * (a @ p)) - np.sum(p)

    return np.array([2.0, -3.0]), loss, lambda p: a @ p - 1


def rosenbrock():
    def loss(p):
        return (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2

    def gradient(p):
        u = p[1] - p[0] ** 2
        return np.array([-2 * (1 - p[0]) - 400 * p[0] * u, 200 * u])

    return np.array([-1.2, 1.0]), loss, gradient


def logistic():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(20, 3)), rng.integers(0, 2, 20) * 2.0 - 1

    def loss(p):
        return np.mean(np.log1p(np.exp(-y * (x @ p))))

    def gradient(p):
        return -(x.T @ (y / (1 + np.exp(y * (x @ p))))) / len(y)

    return np.array([0.5, -1.0, 2.0]), loss, gradient


PROBLEMS = [quadratic, rosenbrock, logistic]


def sgd(lr, weight_decay=0.0):
    def step(p, g, s, t):
        return p - lr * (g + weight_decay * p)

    return step


def momentum(lr, mu, nesterov=False):
    def step(p, g, s, t):
        s["v"] = g.copy() if t == 1 else mu * s["v"] + g
        return p - lr * (g + mu * s["v"] if nesterov else s["v"])

    return step


def adagrad(lr, eps=1e-10):
    def step(p, g, s, t):
        s["a"] = s.get("a", 0) + g * g
        return p - lr * g / (np.sqrt(s["a"]) + eps)

    return step


def rmsprop(lr, alpha=0.99, eps=1e-8):
    def step(p, g, s, t):
        s["a"] = alpha * s.get("a", 0) + (1 - alpha) * g * g
        return p - lr * g / (np.sqrt(s["a"]) + eps)

    return step


def adam(lr, b1=0.9, b2=0.999, eps=1e-8, weight_decay=0.0, decoupled=False):
    def step(p, g, s, t):
        if decoupled:
            p = p * (1 - lr * weight_decay)
        else:
            g = g + weight_decay * p
        s["m"] = b1 * s.get("m", 0) + (1 - b1) * g
        s["v"] = b2 * s.get("v", 0) + (1 - b2) * g * g
        return p - lr / (1 - b1**t) * s["m"] / (np.sqrt(s["v"]) / np.sqrt(1 - b2**t) + eps)

    return step


CASES = {
    "sgd": (lambda v: optim.SGD(v, lr=1e-3), sgd(1e-3)),
    "sgd decay": (lambda v: optim.SGD(v, lr=1e-3, weight_decay=0.1), sgd(1e-3, 0.1)),
    "momentum": (lambda v: optim.Momentum(v, lr=2e-4, momentum=0.9), momentum(2e-4, 0.9)),
    "nesterov": (lambda v: optim.Momentum(v, lr=2e-4, nesterov=True), momentum(2e-4, 0.9, True)),
    "adagrad": (lambda v: optim.Adagrad(v, lr=0.1), adagrad(0.1)),
    "rmsprop": (lambda v: optim.RMSProp(v, lr=1e-2), rmsprop(1e-2)),
    "adam": (lambda v: optim.Adam(v, lr=1e-2), adam(1e-2)),
    "adam decay": (
        lambda v: optim.Adam(v, lr=1e-2, betas=(0.8, 0.95), weight_decay=0.1),
        adam(1e-2, 0.8, 0.95, weight_decay=0.1),
    ),
    "adamw": (lambda v: optim.AdamW(v, lr=1e-2), adam(1e-2, weight_decay=1e-2, decoupled=True)),
}


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("name", CASES)
def test_a_hundred_steps_by_the_formulas(name, problem):
    make, rule = CASES[name]
    start, loss, gradient = problem()
    p = weft.Variable(start)
    opt = make([p])
    step = weft.compile(lambda: opt.minimize(lambda: loss(p)))
    expected, slots = start.copy(), {}
    for t in range(1, STEPS + 1):
        np.testing.assert_allclose(step(), loss(expected), rtol=1e-6, atol=1e-9)
        expected = rule(expected, gradient(expected), slots, t)
    np.testing.assert_allclose(p.value, expected, rtol=1e-6, atol=1e-9)
    assert int(opt.step) == STEPS
    assert step.stats()["compiles"] == 1


TORCH = [line.split(",") for line in (Path(__file__).parent / "torch_optim.txt").read_text().splitlines()[1:]]


@pytest.mark.parametrize("name", CASES)
def test_a_hundred_steps_as_torch(name):
    for problem in PROBLEMS:
        start, loss, _ = problem()
        for clipped in ("plain", "clipped"):
            p = weft.Variable(start)
            opt = CASES[name][0]([p])
            opt.clip_norm = 0.5 if clipped == "clipped" else None
            step = weft.compile(lambda opt=opt, loss=loss, p=p: opt.minimize(lambda: loss(p)))
            for _ in range(STEPS):
                step()
            expected = next(line[3] for line in TORCH if line[:3] == [problem.__name__, name, clipped])
            np.testing.assert_allclose(p.value, [float(v) for v in expected.split()], rtol=1e-6, atol=1e-9)


def small_model():
    rng = np.random.default_rng(0)
    w = weft.Variable(rng.normal(size=(5, 3)).astype(np.float32))
    b = weft.Variable(np.zeros(3, np.float32))

    def loss(x, y):
        return np.mean((np.tanh(x @ w + b) - y) ** 2)

    x = rng.normal(size=(16, 5)).astype(np.float32)
    return [w, b], loss, x, np.tanh(x[:, :3])


def test_a_warm_step_runs_no_python_and_updates_each_variable_in_one_kernel():
    variables, loss, x, y = small_model()
    opt = optim.Adam(variables, lr=1e-2)

    @weft.compile
    def step(x, y):
        return opt.minimize(loss, x, y)

    first = step(x, y)
    step._weft.entries.settle()
    addresses = [v._memory.ctypes.data for v in weft.variables(opt)]
    for _ in range(300):
        last = step(x, y)
    assert last < first / 5
    assert [v._memory.ctypes.data for v in weft.variables(opt)] == addresses
    frames = []
    sys.setprofile(lambda frame, event, _: frames.append(frame.f_code.co_name) if event == "call" else None)
    try:
        step(x, y)
    finally:
        sys.setprofile(None)
    assert frames == []
    updates = [
        k["name"]
        for k in step.stats()["kernels"]
        if k["name"].startswith("pointwise") and "subtract" in k["name"]
    ]
    assert len(updates) <= 4, updates


def test_ten_thousand_steps_keep_their_memory():
    variables, loss, x, y = small_model()
    opt = optim.Adam(variables, lr=1e-3, clip_norm=1.0)
    step = weft.compile(lambda x, y: opt.minimize(loss, x, y))
    pages = []
    for k in range(10_001):
        step(x, y)
        if k in (500, 10_000):
            pages.append(int(Path("/proc/self/statm").read_text().split()[1]))
    assert pages[1] - pages[0] < 64  # of 4 KiB


def test_outside_of_a_compiled_function():
    variables, loss, x, y = small_model()
    opt = optim.Momentum(variables, lr=0.1)
    losses = [float(opt.minimize(loss, x, y)) for _ in range(50)]
    assert losses[-1] < losses[0] / 2
    assert opt._compiled["minimize"].stats()["compiles"] == 1
    before = [v.value for v in variables]
    opt.apply([np.ones_like(b) for b in before])
    assert int(opt.step) == 51
    assert all((v.value != b).all() for v, b in zip(variables, before, strict=True))
    with pytest.raises(weft.ShapeError, match="1 gradients for 2"):
        opt.apply([np.ones((5, 3), np.float32)])


def test_aux_and_learning_rates():
    p = weft.Variable(np.array([4.0]))
    rate = weft.Variable(0.1)

    def loss(k):
        return np.sum(p * k), {"p": p.value}

    for lr, expected in ((0.1, 3.9), (rate, 3.8), (lambda step: 0.1 / (step + 1.0), 3.7)):
        opt = optim.SGD([p], lr=lr)
        found, aux = opt.minimize(loss, 1.0, aux=True)
        assert np.isclose(found, expected + 0.1)
        assert np.isclose(aux["p"][0], expected + 0.1)
        assert np.isclose(p[0], expected)
    opt.minimize(loss, 1.0, aux=True)
    assert np.isclose(p[0], 3.65)
    opt = optim.SGD([p], lr=0.1)
    for lr in (0.1, 0.2, 0.3):
        opt.lr = lr
        before = p.value[0]
        opt.minimize(loss, 1.0, aux=True)
        assert np.isclose(before - p[0], lr)
    assert opt._compiled["minimize"].stats()["compiles"] == 1


def test_clipping_by_the_norm_of_all():
    a, b = weft.Variable(np.zeros(2)), weft.Variable(np.zeros((1, 1)))
    opt = optim.SGD([a, b], lr=1.0, clip_norm=1.0)
    opt.apply([np.array([3.0, 0.0]), np.array([[4.0]])])
    np.testing.assert_allclose(a.value, [-0.6, 0], rtol=1e-6)
    np.testing.assert_allclose(b.value, [[-0.8]], rtol=1e-6)
    opt.apply([np.array([0.3, 0.0]), np.array([[0.4]])])
    np.testing.assert_allclose(a.value, [-0.9, 0], rtol=1e-6)


def test_an_optimizer_of_ones_own():
    p = weft.Variable(np.array([1.0, -2.0]))

    def init(param):
        return {"sign": np.zeros_like(param)}

    def update(grad, slots, param, step):
        sign = np.sign(grad)
        return param - 0.1 * sign, {"sign": sign}

    opt = optim.Optimizer([p], init=init, update=update)
    opt.minimize(lambda: np.sum(p * p))
    np.testing.assert_allclose(p.value, [0.9, -1.9])
    np.testing.assert_array_equal(opt.slots[0]["sign"].value, [1, -1])


def test_bad_input():
    with pytest.raises(weft.UserError, match="no variable"):
        optim.Adam([])
    with pytest.raises(weft.DTypeError, match="int64"):
        optim.Adam([weft.Variable(1)])
    with pytest.raises(weft.UserError, match="learning rate"):
        optim.Adam([weft.Variable(1.0)], lr="fast")
    p = weft.Variable(np.ones(3))
    with pytest.raises(weft.ShapeError, match="one number"):
        optim.SGD([p]).minimize(lambda: p * 2)
    np.testing.assert_array_equal(p.value, np.ones(3))
    w = weft.Variable(np.ones((3, 2)))
    with pytest.raises(weft.UserError, match="no learning rate"):
        optim.SGD([w], lr=-1.0)
    with pytest.raises(weft.ShapeError, match="a gradient of shape"):  # which would broadcast
        optim.SGD([w]).apply([np.ones(2)])
    assert (w.numpy() == 1).all()


@pytest.mark.parametrize(
    "make",
    [
        lambda v: optim.Adam([v], betas=(1.0, 0.9)),
        lambda v: optim.Adam([v], eps=-1.0),
        lambda v: optim.SGD([v], clip_norm=-1.0),
        lambda v: optim.SGD([v], weight_decay=float("nan")),
        lambda v: optim.Momentum([v], momentum="much"),
    ],
)
def test_settings_that_would_turn_steps_around(make):
    with pytest.raises(weft.UserError, match="is a number from 0 up"):
        make(weft.Variable(1.0))


def test_what_would_be_changed_twice_or_not_at_all():
    v = weft.Variable(np.ones(2))
    with pytest.raises(weft.UserError, match="given twice"):
        optim.SGD([v, v])
    with pytest.raises(weft.UserError, match="None is given"):
        optim.SGD([v]).apply([None])
    own = optim.Optimizer([v], init=lambda p: {"a": p}, update=lambda g, slots, p, step: (p - g, {}))
    with pytest.raises(weft.UserError, match="gives the slots"):
        own.minimize(lambda: v.sum())
    np.testing.assert_array_equal(v.value, np.ones(2))


def test_a_step_that_fails_counts_nothing():
    table = weft.Variable(np.ones((4, 2)))
    opt = optim.SGD([table], lr=0.1)
    step = weft.compile(lambda i: opt.minimize(lambda: (table[i] ** 2).sum()))
    with pytest.raises(weft.IndexFault):
        step(np.array([0, 7]))
    assert int(opt.step) == 0
    np.testing.assert_array_equal(table.value, np.ones((4, 2)))
