"""stats, explain, graph, verify, disabled, the interpreter, dumps."""

import copy
import pickle
import types

import networkx
import numpy as np
import pytest

import weft
from weft.ir import Func, Region


@weft.compile
def layer(x, w, b):
    h = np.maximum(x @ w + b, 0)
    return h / h.sum(axis=1, keepdims=True)


def call_layer(n=4):
    return layer(np.ones((n, 5), "f4"), np.ones((5, 3), "f4"), np.ones(3, "f4"))


def test_stats():
    f = weft.compile(layer.__wrapped__)
    empty = f.stats()
    assert empty["compiles"] == empty["calls"] == 0
    x, w, b = np.ones((4, 5), "f4"), np.ones((5, 3), "f4"), np.ones(3, "f4")
    f(x, w, b)
    f(x, w, b)
    stats = f.stats()
    assert set(stats) >= {"compiles", "calls", "variants", "kernels", "arena_bytes", "compile_seconds"}
    assert (stats["compiles"], stats["calls"], len(stats["variants"])) == (1, 2, 1)
    assert set(stats["variants"][0]) >= {"key", "guards", "reason"}
    for kernel in stats["kernels"]:
        assert set(kernel) == {"name", "device", "ops", "flops", "bytes_read", "bytes_written", "source"}
    first = stats["kernels"][0]
    assert first["ops"] == ["dot", "add", "maximum"]
    assert first["flops"] == 2 * 4 * 5 * 3 + 2 * 12
    assert first["bytes_read"] == 4 * (20 + 15 + 3)
    assert first["bytes_written"] == 48
    assert "test_tools.py" in first["source"][0]
    assert stats["arena_bytes"] > 0
    assert 0 < stats["compile_seconds"] < 60
    f(np.ones((9, 5), "f4"), w, b)
    assert "x_0" in f.stats()["kernels"][0]["flops"]


def test_explain():
    f = weft.compile(layer.__wrapped__)
    assert "not been compiled" in f.explain()
    f(np.ones((4, 5), "f4"), np.ones((5, 3), "f4"), np.ones(3, "f4"))
    f(np.ones((7, 5), "f4"), np.ones((5, 3), "f4"), np.ones(3, "f4"))
    text = f.explain()
    for words in (
        "2 compiles",
        "first call",
        "x.shape[0] varies (4, now 7)",
        "dot, add, maximum",
        "not fused",
        "test_tools.py",
    ):
        assert words in text


def test_explain_names_copies():
    @weft.compile
    def f(x):
        y = x * 2
        x[1:] = x[:-1] + 1
        return y

    f(np.ones(5))
    assert "kernels:" in f.explain()


def test_graph():
    call_layer()
    graph = layer.graph()
    assert isinstance(graph, networkx.DiGraph)
    assert networkx.is_directed_acyclic_graph(graph)
    ops = [d for _, d in graph.nodes(data=True) if d["kind"] == "op"]
    values = [d for _, d in graph.nodes(data=True) if d["kind"] == "value"]
    assert {"dot", "maximum", "divide"} <= {d["op"] for d in ops}
    assert {"x", "w", "b"} <= {d["label"] for d in values}
    assert all(d["device"] == "cpu" for d in (*ops, *values))
    assert any("test_tools.py" in d["line"] for d in ops)


def nothing_captured(_work):
    """A trace for functions that are exchanged under the compiler."""
    return types.SimpleNamespace(hidden=(), func=Func("nothing", Region())), None


def test_verify_agrees(capsys):
    x = np.ones((4, 5), "f4")
    assert layer.verify(x, np.ones((5, 3), "f4"), np.ones(3, "f4")) is True
    assert "agree" in capsys.readouterr().out

    w = np.zeros(3)

    @weft.compile
    def writes(x, y):
        x += 1
        w[:] = x[:3]
        return x * y, x[1:]

    a = np.ones(4)
    assert writes.verify(a, a)
    assert a.tolist() == [1] * 4
    assert w.tolist() == [0] * 3


@pytest.mark.parametrize(
    ("ours", "theirs", "words"),
    [
        (lambda x: x + 1, lambda x: x + 2, "is np.float64(2.0), in plain Python np.float64(3.0)"),
        (lambda x: x.astype("f4"), lambda x: x * 1, "dtype float32"),
        (lambda x: x[1:] + 0, lambda x: x + 0, "shape [3], in plain Python [4]"),
        (lambda x: x.sum(), lambda x: float(x.sum()), "in plain Python a float"),
        (lambda x: (x + 1, x), lambda x: [x + 1, x], "tuple"),
        (lambda x: {"a": x.max(), "b": x.max()}, lambda x: {"a": x.max(), "b": -x.max()}, "['b']"),
    ],
)
def test_verify_finds_differences(capsys, ours, theirs, words):
    f = weft.compile(ours)
    f._weft.fn = theirs  # as a miscompile would look
    f.prepare  # noqa: B018
    x = np.ones(4)
    core = f._weft
    core.fn = ours
    f(x)
    core.fn = theirs
    real, core.trace = core.trace, nothing_captured
    try:
        assert f.verify(x) is False
    finally:
        core.trace = real
    assert words in capsys.readouterr().out


def test_verify_finds_a_written_argument(capsys):
    def ours(x):
        x += 1
        return 0

    def theirs(x):
        x += 2
        return 0

    f = weft.compile(ours)
    f(np.ones(2))
    core = f._weft
    core.fn, core.trace = theirs, nothing_captured
    assert f.verify(np.ones(2)) is False
    assert "arguments after the call" in capsys.readouterr().out


# ---- switched off, interpreted, dumped


def test_disabled_reaches_warm_calls():
    ran = []

    def f(x):
        ran.append(type(x))
        return x + 1

    g = weft.compile(f)
    g(np.ones(2))
    g(np.ones(2))
    before = len(ran)
    with weft.disabled():
        ran.clear()
        assert g(np.ones(2)).tolist() == [2, 2]
        assert g(np.ones(2)).tolist() == [2, 2]
        assert ran == [np.ndarray, np.ndarray]
        calls = g.stats()["compiles"]
    assert calls == 1
    g(np.ones(2))
    assert g.stats()["compiles"] == 1
    assert g.stats()["calls"] == 3
    assert before == 2


def test_options_are_part_of_the_key():
    @weft.compile
    def f(x):
        return np.exp(x) * 2 + x

    x = np.linspace(0, 1, 7)
    plain = f(x)
    with weft.options(passes_off="fuse"):
        assert f(x).tobytes() == plain.tobytes()
        assert len(f.stats()["kernels"]) > 1
    assert f.stats()["compiles"] == 2
    assert f(x).tobytes() == plain.tobytes()
    assert f.stats()["compiles"] == 2
    assert len(f.stats()["kernels"]) == 1
    with weft.options(pass_limit=0):
        assert f(x).tobytes() == plain.tobytes()


def test_interpreter():
    log = []

    @weft.compile
    def f(x, n, d):
        log.append(x.sum())
        d["y"] = x * n
        x += 1
        return x[1:], x.sum(), len(x), x.T

    f(np.arange(4.0), 2, {})
    x, d = np.asfortranarray(np.arange(6.0).reshape(2, 3)), {}
    with weft.options(interpret=True):
        result = f(x, 3, d)
    assert result[1] == 21
    assert type(result[1]) is np.float64
    assert result[2] == 2
    assert np.shares_memory(result[0], x)
    assert np.shares_memory(result[3], x)
    assert result[3].shape == (3, 2)
    assert d["y"].sum() == 45
    assert log[-1] == 15
    assert f.stats()["compiles"] == 1


def test_dumps(tmp_path, capsys):
    f = weft.compile(lambda x: np.tanh(x + 1))
    with weft.options(dump="all", dump_folder=str(tmp_path), time=True, verify=1):
        f(np.ones(3))
    files = sorted(path.name for path in tmp_path.rglob("*.ir"))
    assert "step_00_traced.ir" in files
    assert any(name.endswith("_fuse.ir") for name in files)
    shown = capsys.readouterr().err
    assert "lower_tensor" in shown
    times = [float(line.split()[1]) for line in shown.splitlines()[2:] if line.strip()]
    assert times == sorted(times, reverse=True)
    with weft.options(dump="changed"):
        weft.compile(lambda x: np.tanh(x + 2))(np.ones(3))
    assert "after fuse" in capsys.readouterr().err
    with weft.options(dump="fuse", dump_folder=str(tmp_path / "other"), function="^nothing$"):
        weft.compile(lambda x: np.tanh(x + 3))(np.ones(3))
    assert not (tmp_path / "other").exists()
    with weft.options(dump="no_such_pass"), pytest.raises(weft.UserError, match="no_such_pass"):
        weft.compile(lambda x: np.tanh(x + 4))(np.ones(3))


def test_dumps_parse_back(tmp_path):
    from weft.ir.parse import parse
    from weft.ir.text import show

    with weft.options(dump="all", dump_folder=str(tmp_path)):
        weft.compile(layer.__wrapped__)(np.ones((4, 5), "f4"), np.ones((5, 3), "f4"), np.ones(3, "f4"))
    for path in tmp_path.rglob("*.ir"):
        assert show(parse(path.read_text())) + "\n" == path.read_text()


def test_explain_option(capsys):
    with weft.options(explain=True):
        weft.compile(lambda x: x + 1)(np.ones(3))
    assert "first call" in capsys.readouterr().err


def test_names_that_are_not_built():
    with pytest.raises(weft.UnsupportedError):
        weft.device("gpu:0")


# ---- where errors point


@weft.compile
def decorated(x, y):
    z = x * 2
    return z + y


def test_errors_point_at_the_line_of_a_decorated_function():
    with pytest.raises(weft.ShapeError) as caught:
        decorated(np.ones(3), np.ones(4))
    code = decorated.__wrapped__.__code__
    assert caught.value.location.line == code.co_firstlineno + 3
    assert "return z + y" in str(caught.value)


def test_tracebacks_show_the_users_frames():
    with pytest.raises(weft.ShapeError) as caught:
        decorated(np.ones(3), np.ones(4))
    names = [entry.name for entry in caught.traceback]
    assert names[-1] == "decorated"
    assert not {"miss", "trace", "_attempt", "call"} & set(names)
    with weft.options(traceback="full"), pytest.raises(weft.ShapeError) as caught:
        decorated(np.ones(3), np.ones(4))
    assert "miss" in [entry.name for entry in caught.traceback]


def test_verify_knows_what_rounding_explains(capsys):
    @weft.compile
    def cancelled(x):
        return np.sum(x.astype("f8")) - np.sum(x, dtype="f4").astype("f8"), np.argmax(x - np.mean(x) > 0)

    @weft.compile
    def chaotic(x):
        for _ in range(200):
            x = 3.9 * x * (1 - x)
        return x.sum() / np.exp(np.sin(x)).sum()

    rng = np.random.default_rng(0)
    assert cancelled.verify(rng.normal(size=5000).astype("f4"))
    assert chaotic.verify(rng.uniform(0.1, 0.9, 50))
    assert capsys.readouterr().out.count("agree") == 2


def test_copies_and_pickles_are_as_those_of_functions():
    assert copy.copy(layer) is copy.deepcopy([layer])[0] is layer
    assert pickle.loads(pickle.dumps(layer)) is layer
    other = pickle.loads(pickle.dumps(weft.compile(call_layer, dynamic=False)))
    assert other.__wrapped__ is call_layer
    assert other._weft.settings.dynamic is False
    with pytest.raises((pickle.PicklingError, AttributeError), match="<lambda>"):
        pickle.dumps(weft.compile(lambda x: x))
