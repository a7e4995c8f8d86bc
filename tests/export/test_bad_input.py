"""What cannot be exported or loaded is a clear error, and leaves no file."""

import errno
import os
import resource
import signal

import exported as e
import numpy as np
import pytest

import weft
from weft.cli import main

COUNTS = []


def remembers(x):
    COUNTS.append(x.shape[0])
    return x + 1


BAD = [
    ({"target": "z80"}, "there is no target 'z80'"),
    ({"kind": "dll"}, "kind="),
    ({"arena": "heap"}, "arena="),
    ({"optimize": "fun"}, "optimize="),
    ({"quantize": "int8"}, "needs calibration data"),
    ({"name": "int"}, "name of a library"),
    ({"name": "a-b"}, "name of a library"),
    ({"name": "memcpy"}, "take the place of C's own memcpy"),
]


@pytest.mark.parametrize(("keywords", "message"), BAD)
def test_keywords(keywords, message, tmp_path):
    with pytest.raises(weft.WeftError, match=message):
        weft.export(e.softmax, ["f32[n,m]"], tmp_path / "libf.so", **keywords)
    assert list(tmp_path.iterdir()) == []


FUNCTIONS = [
    (e.softmax, None, "types of the arguments"),
    (e.softmax, ["f32[n"], "not a type"),
    (e.softmax, ["f32[n,m]", "f32"], "argument"),
    (remembers, ["f32[n]"], "Python objects"),
    (lambda x: (x, e.W), ["f32[n]"], "global object"),
    (lambda x: np.zeros(x.shape) if x.shape[0] == 7 else x + 1, ["f32[7]"], None),
    (lambda x: [float(v) for v in x], ["f32[n]"], None),
    (lambda x: weft.callback(lambda v: v, x), ["f32[n]"], "calls Python while it runs"),
    (e.softmax, ["f32[-1,4]"], "not a type"),
    (e.softmax, [np.ndarray], "has no shape"),
    (3, ["f32[n]"], "takes a function"),
    ({}, None, "dict"),
    ({"version": (e.softmax, ["f32[n,m]"])}, None, "taken"),
    ({"a b": (e.softmax, ["f32[n,m]"])}, None, "name of a function"),
]


@pytest.mark.parametrize(("fn", "specs", "message"), FUNCTIONS)
def test_functions(fn, specs, message, tmp_path):
    if message is None:
        try:
            weft.export(fn, specs, path=tmp_path / "libf.so")
        except (weft.WeftError, TypeError):
            assert list(tmp_path.iterdir()) == []
        return
    with pytest.raises((weft.WeftError, TypeError), match=message):
        weft.export(fn, specs, path=tmp_path / "libf.so")
    assert list(tmp_path.iterdir()) == []


def test_places(tmp_path):
    with pytest.raises(weft.UserError, match="there is no folder"):
        weft.export(e.softmax, ["f32[n,m]"], tmp_path / "no" / "libf.so")
    with pytest.raises(weft.UserError, match="needs a path"):
        weft.export(e.softmax, ["f32[n,m]"])
    (tmp_path / "libg.so").mkdir()
    with pytest.raises(OSError, match="directory"):
        weft.export(e.softmax, ["f32[n,m]"], tmp_path / "libg.so")
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def limited(bytes_written):
    """For a child: files end at so many bytes, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_written, bytes_written))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def forked(action):
    """What a child says that does this: "OSError 27", or how it died."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            action()
            os.write(write, b"done")
        except OSError as error:
            os.write(write, f"OSError {error.errno}".encode())
        except BaseException as error:
            os.write(write, str(error).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as said:
        text = said.read()
    status = os.waitpid(child, 0)[1]
    return text or f"signal {os.WTERMSIG(status)}"


def test_a_full_disk_leaves_the_old_library(tmp_path):
    old = weft.export(e.softmax, ["f32[n,m]"], tmp_path / "libf.so").library.read_bytes()

    def export():
        limited(2000)
        weft.export(e.softmax, ["f64[n,m]"], tmp_path / "libf.so")

    assert forked(export) == f"OSError {errno.EFBIG}"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["libf.h", "libf.so"]
    assert (tmp_path / "libf.so").read_bytes() == old


def test_a_process_that_is_killed_leaves_the_old_library(tmp_path):
    old = weft.export(e.softmax, ["f32[n,m]"], tmp_path / "libf.so").library.read_bytes()

    def export():
        os.chmod = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # when the new one is written, beside it
        weft.export(e.softmax, ["f64[n,m]"], tmp_path / "libf.so")

    assert forked(export) == "signal 9"
    assert (tmp_path / "libf.so").read_bytes() == old


def test_a_full_disk_leaves_the_old_state(tmp_path):
    library = weft.load_library(e.Training((6, 8, 3)).export(tmp_path / "libmlp.so").library)
    library.save(tmp_path / "state")
    old = (tmp_path / "state").read_bytes()
    library.train(np.ones((2, 6), np.float32), np.array([0, 1]))

    def save():
        limited(1000)
        library.save(tmp_path / "state")

    assert "cannot be read or written" in forked(save)
    assert (tmp_path / "state").read_bytes() == old
    assert not (tmp_path / "state.part").exists()
    library.save(tmp_path / "state")
    assert (tmp_path / "state").read_bytes() != old


def test_loading(tmp_path):
    (tmp_path / "text.so").write_text("text")
    with pytest.raises(weft.UserError, match="not a shared library"):
        weft.load_library(tmp_path / "text.so")
    with pytest.raises(FileNotFoundError):
        weft.load_library(tmp_path / "none.so")
    other = weft.export(e.softmax, ["f32[n,m]"], tmp_path / "liba.so", target="aarch64").library
    with pytest.raises(weft.UserError, match="is for aarch64"):
        weft.load_library(other)


def test_a_file_that_was_written_anew(tmp_path):
    """The system would give the code that it loaded from this path before."""
    path, x = tmp_path / "libf.so", np.arange(4.0)
    kept = weft.load_library(weft.export(lambda x: x + 1, ["f64[n]"], path).library)
    assert weft.load_library(weft.export(lambda x: x * 3, ["f64[n]"], path).library)(x)[1] == 3
    assert weft.load_library(weft.export(lambda x: x * 5, ["f64[n]"], path, name="g").library)(x)[1] == 5
    assert kept(x)[1] == 2


def test_calls(tmp_path):
    library = weft.load_library(weft.export(e.pick, ["f32[n,m]", "i64[q]"], tmp_path / "libf.so").library)
    x = np.ones((3, 4), np.float32)
    with pytest.raises(weft.DTypeError, match="float64"):
        library(x.astype(np.float64), np.array([0]))
    with pytest.raises(weft.ShapeError, match="axes"):
        library(x[0], np.array([0]))
    with pytest.raises(weft.RuntimeFault, match="out of bounds"):
        library(x, np.array([3]))
    with pytest.raises(weft.RuntimeFault, match="smaller"):
        library(x[:0], np.array([3]))
    with pytest.raises(weft.UserError, match="lacks"):
        library(x)
    with pytest.raises(AttributeError):
        library.nothing(x)
    with pytest.raises(weft.UserError, match="no variables"):
        library.init()


def test_state_files(tmp_path):
    library = weft.load_library(e.Training((6, 8, 3)).export(tmp_path / "libmlp.so").library)
    other = weft.load_library(e.Training((6, 9, 3)).export(tmp_path / "libmlp2.so").library)
    x = np.ones((2, 6), np.float32)
    before = library.predict(x)
    other.save(tmp_path / "other")
    with pytest.raises(weft.RuntimeFault, match="other variables"):
        library.load(tmp_path / "other")
    library.save(tmp_path / "mine")
    with pytest.raises(weft.RuntimeFault, match="cannot be read or written"):
        library.save(tmp_path / "no" / "file")
    assert (library.predict(x) == before).all()
    (tmp_path / "mine").write_bytes((tmp_path / "mine").read_bytes()[:-4])
    with pytest.raises(weft.RuntimeFault, match="other variables"):
        library.load(tmp_path / "mine")
    with pytest.raises(weft.RuntimeFault, match="not initialized"):
        library.predict(x)


def test_the_command(tmp_path, capsys):
    (tmp_path / "file.py").write_text("import numpy as np\ndef f(x):\n    return np.exp(x)\n")
    words = ["export", f"{tmp_path / 'file.py'}:f", "f32[n]", "-o", str(tmp_path / "made")]
    assert main(words) == 0
    assert "libf.so" in capsys.readouterr().out
    x = np.linspace(0, 1, 9, dtype=np.float32)
    assert weft.load_library(tmp_path / "made" / "libf.so")(x).tobytes() == weft.compile(np.exp)(x).tobytes()
    assert main([*words, "--target", "z80"]) == 2
    assert "z80" in capsys.readouterr().err
