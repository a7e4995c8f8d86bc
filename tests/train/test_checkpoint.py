"""Saving and loading: names, files that are whole, and trainings that go on bit for bit."""

import json
import os
import signal
import struct
import subprocess
import sys

import numpy as np
import pytest

import weft
from weft import nn, optim
from weft.random import default_rng

pytest.importorskip("safetensors")


class Training:
    """A model with dropout, its optimizer and its random numbers."""

    def __init__(self, seed=0):
        start = np.random.default_rng(seed)
        self.layers = [weft.Variable(nn.he_normal(start, shape), "w") for shape in ((6, 8), (8, 3))]
        self.rng = default_rng(seed)
        self.optimizer = optim.Adam(self.layers, lr=1e-2)
        self.step = weft.compile(self.train)

    def loss(self, x, y):
        hidden = nn.dropout(nn.relu(x @ self.layers[0]), 0.2, self.rng)
        return nn.cross_entropy(hidden @ self.layers[1], y)

    def train(self, x, y):
        return self.optimizer.minimize(self.loss, x, y)


@pytest.fixture
def data():
    rng = np.random.default_rng(1)
    return rng.normal(size=(32, 6)).astype(np.float32), rng.integers(0, 3, 32)


def test_a_training_goes_on_bit_for_bit(tmp_path, data):
    first = Training()
    for _ in range(5):
        first.step(*data)
    weft.save(tmp_path / "a.safetensors", first)
    expected = [first.step(*data) for _ in range(5)]
    second = Training(seed=3)
    second.step(*data)
    weft.load(tmp_path / "a.safetensors", into=second)
    assert [second.step(*data) for _ in range(5)] == expected
    assert int(second.optimizer.step) == 10


def test_names(tmp_path):
    tree = {"model": Training(), "extra": [np.arange(3), {"k": np.float32([[1]])}]}
    path = tmp_path / "x.safetensors"
    weft.save(path, tree)
    found = weft.load(path)
    assert {"model.layers.0", "model.layers.1", "model.rng.key", "model.rng.counter", "model.optimizer.step",
            "model.optimizer.slots.0.mean", "extra.0", "extra.1.k"} <= found.keys()  # fmt: skip
    assert "model.optimizer.variables.0" not in found
    np.testing.assert_array_equal(found["extra.0"], [0, 1, 2])


def test_what_does_not_fit_changes_nothing(tmp_path):
    path = tmp_path / "x.safetensors"
    weft.save(path, {"a": weft.Variable(np.ones(3)), "b": weft.Variable(np.ones(2))})
    a = weft.Variable(np.zeros(3))
    for tree, kind, text in (
        ({"a": a}, weft.UserError, "nothing in the tree is called b"),
        ({"a": a, "b": weft.Variable(np.ones(2)), "c": weft.Variable(0.0)}, weft.UserError, "lacks c"),
        ({"a": a, "b": weft.Variable(np.ones(5))}, weft.ShapeError, "b has shape"),
        ({"a": a, "b": weft.Variable(np.ones(2, np.float32))}, weft.DTypeError, "b has dtype"),
    ):
        with pytest.raises(kind, match=text):
            weft.load(path, into=tree)
        assert a.sum() == 0
    weft.load(path, into={"a": a}, strict=False)
    assert a.sum() == 3
    other = weft.Variable(np.zeros(3))
    weft.load(path, into={"w": other}, rename={"a": "w"}, strict=False)
    assert other.sum() == 3
    with pytest.raises(weft.UserError, match="two arrays"):
        weft.load(path, rename=lambda name: "same")
    with pytest.raises(weft.UserError, match="no variable"):
        weft.save(path, {"a": None})
    with pytest.raises(FileNotFoundError):
        weft.load(tmp_path / "none")


def test_numbers_of_the_tree_itself(tmp_path):
    path, w = tmp_path / "x.safetensors", weft.Variable(np.ones(2))
    saved = {"epoch": 7, "best": 0.25, "done": True, "seen": np.float32(1.5), "rates": [0.1, (3, w)]}
    weft.save(path, saved)
    found = weft.load(path)
    assert {name: a.shape for name, a in found.items() if name != "rates.1.1"} == dict.fromkeys(
        ("epoch", "best", "done", "seen", "rates.0", "rates.1.0"), ()
    )
    tree = {"epoch": 0, "best": 0, "done": False, "seen": np.float32(0), "rates": [0.0, (3, w)]}
    weft.load(path, into=tree)
    assert tree == saved
    assert [type(tree[k]) for k in ("epoch", "best", "done", "seen")] == [int, float, bool, np.float32]
    tree["rates"][1] = (4, w)
    with pytest.raises(weft.UserError, match=r"rates\.1\.0 is 4, the file has 3, and a tuple"):
        weft.load(path, into=tree)


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [("gelu", weft.UserError, "settings.act is a text"), (1 << 70, weft.DTypeError, "settings.act has"),
     (np.ones(2, complex), weft.DTypeError, "settings.act has dtype complex128")],
)  # fmt: skip
def test_what_a_file_cannot_hold_is_named(tmp_path, value, kind, text):
    with pytest.raises(kind, match=text):
        weft.save(tmp_path / "x", {"w": np.ones(2), "settings": {"act": value}})
    assert not list(tmp_path.iterdir())


def hostile(tmp_path):
    header = json.dumps({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}).encode()
    overlap = json.dumps({
        "a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]},
        "b": {"dtype": "F32", "shape": [4], "data_offsets": [8, 24]},
    }).encode()  # fmt: skip
    return {
        "empty": b"",
        "foreign": b"PK\x03\x04 a zip file, say",
        "huge header": struct.pack("<Q", 1 << 60) + b"{}",
        "truncated": struct.pack("<Q", len(header)) + header + bytes(8),
        "overlapping": struct.pack("<Q", len(overlap)) + overlap + bytes(24),
        "too long": struct.pack("<Q", len(header)) + header + bytes(99),
    }


@pytest.mark.parametrize("name", ["empty", "foreign", "huge header", "truncated", "overlapping", "too long"])
def test_files_that_are_not_whole(tmp_path, name):
    path = tmp_path / "x.safetensors"
    path.write_bytes(hostile(tmp_path)[name])
    a = weft.Variable(np.zeros(4, np.float32))
    with pytest.raises(weft.UserError, match="not a whole file"):
        weft.load(path, into={"a": a})


def test_a_checkpointer_keeps_the_newest_and_skips_torn_files(tmp_path):
    v = weft.Variable(np.zeros(3))
    keeper = weft.Checkpointer(tmp_path / "run", keep=2)
    assert keeper.restore({"v": v}) is None
    for step in range(5):
        v.assign(np.full(3, float(step)))
        keeper.save(step, {"v": v})
        v.assign(np.full(3, -1.0))
    keeper.wait()
    assert keeper.steps() == [3, 4]
    data = keeper.path(4).read_bytes()
    keeper.path(9).write_bytes(data[:-5])
    assert keeper.restore({"v": v}) == 4
    assert v.value.tolist() == [4, 4, 4]
    assert not [p for p in (tmp_path / "run").iterdir() if p.name.startswith(".")]


def test_an_error_in_the_background_is_raised(tmp_path):
    file = tmp_path / "file"
    file.write_text("x")
    keeper = weft.Checkpointer(file / "sub")
    keeper.save(0, {"v": weft.Variable(1.0)})
    with pytest.raises(OSError, match="file"):
        keeper.wait()
    keeper.wait()


KILLED = """
import sys, numpy as np, weft
v = weft.Variable(np.zeros(20_000))
keeper = weft.Checkpointer(sys.argv[1], keep=2, background=False)
k = keeper.restore({"v": v}) or 0
print("ready", flush=True)
while True:
    k += 1
    v.assign(np.full(20_000, float(k)))
    keeper.save(k, {"v": v})
"""


def test_killed_while_saving(tmp_path):
    v = weft.Variable(np.zeros(20_000))
    last = 0
    for k in range(int(os.environ.get("WEFT_TEST_KILLS", "4"))):
        with subprocess.Popen(
            [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE
        ) as process:
            process.stdout.readline()
            try:
                process.wait(0.02 + 0.01 * (k % 5))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
        step = weft.Checkpointer(tmp_path).restore({"v": v})
        if step is not None:
            assert step >= last
            assert set(v.value) == {float(step)}
            last = step
    assert last > 0


FULL = """
import resource, signal, sys
import numpy as np
import weft

v = weft.Variable(np.arange(1 << 16, dtype=np.float64), "v")
path, folder = sys.argv[1:]
weft.save(path, {"v": v})
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))  # as a disk that is full: writing fails midway
v.assign(v + 1)
keeper = weft.Checkpointer(folder)
failed = 0
for write in (lambda: weft.save(path, {"v": v}), lambda: (keeper.save(1, {"v": v}), keeper.wait())):
    try:
        write()
    except OSError:
        failed += 1
assert failed == 2 and v.numpy()[0] == 1
"""


def test_a_full_disk(tmp_path):
    path, folder = tmp_path / "x.safetensors", tmp_path / "run"
    subprocess.run([sys.executable, "-c", FULL, path, folder], check=True)
    np.testing.assert_array_equal(weft.load(path)["v"], np.arange(1 << 16))  # the old one, whole
    assert [p.name for p in tmp_path.iterdir() if p != folder] == [path.name]
    assert weft.Checkpointer(folder).restore({"v": weft.Variable(np.zeros(1 << 16))}) is None


def test_names_that_one_file_cannot_hold(tmp_path):
    path = tmp_path / "x.safetensors"
    weft.save(path, {"a": np.ones(2)})
    for tree in (
        {"a.b": np.ones(1), "a": {"b": np.zeros(1)}},
        {1: np.ones(1), "1": 2.0},
        {"__metadata__": np.ones(1)},
    ):
        with pytest.raises(weft.UserError, match=r"are called|is no name"):
            weft.save(path, tree)
    assert weft.load(path)["a"].sum() == 2  # the old one


def test_kinds_that_numpy_lacks(tmp_path):
    path = tmp_path / "x.safetensors"

    def write(kind, data):
        header = json.dumps(
            {"w": {"dtype": kind, "shape": [2], "data_offsets": [0, len(data)]}, "__metadata__": {"by": "us"}}
        ).encode()
        path.write_bytes(struct.pack("<Q", len(header)) + header + data)

    write("BF16", struct.pack("<HH", 0x3F80, 0xC000))
    found = weft.load(path)["w"]
    assert (found.dtype, found.tolist()) == (np.float32, [1, -2])
    write("F8_E4M3", b"ab")
    with pytest.raises(weft.DTypeError, match=r"w in .* F8_E4M3"):
        weft.load(path)


def test_what_is_no_file_is_not_replaced(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(FileExistsError, match="no file"):
        weft.save(pipe, {"a": np.ones(2)})
    assert list(tmp_path.iterdir()) == [pipe]
    with pytest.raises(weft.UserError, match="a step is a whole number"):
        weft.Checkpointer(tmp_path).save({"a": np.ones(2)}, 1)
