"""Exported libraries give the bits of the JIT, need libc alone, and need no tool to be made."""

import ctypes
import os
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import exported as e
import numpy as np
import pytest

import weft

RNG = np.random.default_rng(3)
X = RNG.normal(size=(13, 4)).astype(np.float32)
PARAMS = {"w": RNG.normal(size=(4, 5)), "b": RNG.normal(size=5)}
CASES = [
    (e.softmax, ["f32[n,m]"], [X]),
    (e.softmax, ["f32[13,4]"], [X]),
    (e.softmax, ["f64[n,2*m]"], [X.astype(np.float64)]),
    (e.captured, ["f32[n,4]"], [X]),
    (e.newton, ["float"], [2.0]),
    (e.decayed, ["f64[n]"], [X[0].astype(np.float64)]),
    (e.slope, ["f32[n]"], [X[1]]),
    (e.convolved, ["f32[4,1,8,8]"], [RNG.normal(size=(4, 1, 8, 8)).astype(np.float32)]),
    (lambda x, y: (x + y).T, ["f32[n,m]", "f32[n,m]"], [X, X[::-1]]),
    (
        e.tree,
        [{"w": "f64[k,m]", "b": "f64[m]"}, "f64[n,k]", "float", "int"],
        [PARAMS, X.astype(np.float64), 2.5, 3],
    ),
    (e.pick, ["f32[n,m]", "i64[q]"], [X, np.array([0, -1, 5])]),
    (e.joined, ["f32[n,m]", "f32[p,m]"], [X, X[:3]]),
    (e.flags, ["f64[n]", "f32"], [np.arange(-3.0, 20), np.float32(2)]),
    (
        lambda z, k: np.fft.fft(z) * k + 1j,
        ["c128[n]", "c128[1]"],
        [X[0].astype(complex) * 2j, np.array([3 - 1j])],
    ),
    (
        lambda x, z: (x * 1.5, z.real @ z.imag, z.conj()),
        ["f16[n]", "c64[m]"],
        [X[0].astype(np.float16), X[1] * np.complex64(2j + 1)],
    ),
    (e.length, [e.Point("f64[n]", "f64[n]")], [e.Point(X[:, 0].astype(float), X[:, 1].astype(float))]),
]


def same(a, b):
    if isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in b)
    if isinstance(b, tuple | list):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(b, np.ndarray | np.generic):
        return type(a) is type(b) and a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    return type(a) is type(b) and a == b


@pytest.mark.parametrize(("fn", "specs", "arguments"), CASES)
def test_bits_of_the_jit(fn, specs, arguments, tmp_path):
    report = weft.export(fn, specs, tmp_path / "libf.so")
    library = weft.load_library(report.library)
    compiled = weft.compile(fn)
    compiled.prepare(*specs)
    assert same(library(*arguments), compiled(*arguments))
    assert library.version.startswith(f"weft {weft.__version__} ")
    print(f"{getattr(fn, '__name__', fn)}: {report.library_bytes} bytes")


def test_an_argument_that_is_written(tmp_path):
    library = weft.load_library(weft.export(e.fill, ["f32[n,m]", "f32[n,m]"], tmp_path / "f.so").library)
    out = np.zeros_like(X)
    assert library(X, out) is out
    assert out.tobytes() == np.cumsum(X, axis=0).tobytes()


@e.needs_nm
def test_only_names_of_libc(tmp_path):
    training = e.Training((6, 8, 3))
    report = training.export(tmp_path / "libmlp.so")
    assert e.undefined(report.library, "-D") <= e.LIBC
    listing = subprocess.run(["nm", "-D", "--defined-only", report.library], capture_output=True, text=True)
    names = {line.split()[-1] for line in listing.stdout.splitlines()}
    assert names == {
        f"mlp_{n}"
        for n in "train predict train_arena_size predict_arena_size arena_init strerror version metadata "
        "init save load state_size".split()
    }
    report = training.export(tmp_path / "mlp.o", kind="o")
    assert e.undefined(report.library) <= e.LIBC
    dynamic = subprocess.run(["readelf", "-d", tmp_path / "libmlp.so"], capture_output=True, text=True)
    assert "NEEDED" not in dynamic.stdout
    assert "=>" not in subprocess.run(["ldd", tmp_path / "libmlp.so"], capture_output=True, text=True).stdout
    assert "TEXTREL" not in dynamic.stdout


def test_training_and_prediction_share_variables(tmp_path):
    training = e.Training()
    report = training.export(tmp_path / "libmlp.so")
    size = report.library_bytes
    weights = sum(v.value.nbytes for v in weft.variables(training.network))
    print(f"MLP, train and predict: {size} bytes, {size - weights} without weights")
    assert size - weights < 60_000
    library = weft.load_library(report.library)
    x, digits = e.batch()
    for _ in range(3):
        assert library.train(x, digits) == training.train(x, digits)
    assert same(library.predict(x), training.predict(x))
    library.save(tmp_path / "state.safetensors")
    pytest.importorskip("safetensors")
    weft.save(tmp_path / "python.safetensors", training.optimizer)
    stored = weft.load(tmp_path / "state.safetensors")
    assert all(stored[k].tobytes() == v.tobytes() for k, v in library.variables().items())
    library.init()
    assert library.train(x, digits) != training.train(x, digits)
    library.load(tmp_path / "state.safetensors")
    later = library.train(x, digits)
    other = e.Training()
    for _ in range(3):
        other.train(x, digits)
    assert later == other.train(x, digits)


def test_files_are_those_of_python(tmp_path):
    pytest.importorskip("safetensors")
    network = e.Network((5, 7, 3))
    library = weft.load_library(
        weft.export(weft.compile(lambda x: network.scores(x)), ["f32[n,5]"], tmp_path / "f.so").library
    )
    library.save(tmp_path / "c.safetensors")
    weft.save(tmp_path / "python.safetensors", network)
    assert (tmp_path / "c.safetensors").read_bytes() == (tmp_path / "python.safetensors").read_bytes()
    for v in weft.variables(network):
        v.assign(v.value * 2)
    weft.save(tmp_path / "python.safetensors", network)
    library.load(tmp_path / "python.safetensors")
    x = RNG.normal(size=(3, 5)).astype(np.float32)
    assert same(library(x), weft.compile(network.scores)(x))


@pytest.mark.parametrize("target", ["x86-64-v3", "aarch64"])
def test_sizes(target, tmp_path):
    """At most 40 KB beside the weights, training and prediction."""
    training = e.Training()
    weights = sum(v.value.nbytes for v in weft.variables(training.network))
    report = training.export(tmp_path / "libmlp.so", target=target)
    assert report.library_bytes - weights < 40_000
    sizes = dict(report.sizes)
    assert sizes["mlp_initial_0"] == 64 * 256 * 4
    assert 100 < sizes["mlp_train"] < (report.library_bytes - weights) / 10  # it only calls the kernels
    assert report.sizes[0][1] >= report.sizes[-1][1]
    if report.library.read_bytes()[18] == {"x86_64": 62, "aarch64": 183}.get(platform.machine()):
        x, digits = e.batch()
        assert weft.load_library(report.library).train(x, digits) == training.train(x, digits)


def test_a_pool_in_the_library(tmp_path):
    """Any number of threads gives the same bits, and leaves none behind."""
    report = e.Training().export(tmp_path / "libmlp.so", threads=True)
    assert "int mlp_set_threads(int count);" in report.header.read_text()
    library, training = weft.load_library(report.library), e.Training()
    x, digits = e.batch(512)
    expected = [training.train(x, digits) for _ in range(4)]
    before = set(os.listdir("/proc/self/task"))  # the pool of this process is among them
    for count, loss in zip((1, 2, 4, 1), expected, strict=True):
        library.set_threads(count)
        assert library.train(x, digits) == loss
    assert set(os.listdir("/proc/self/task")) <= before
    with pytest.raises(weft.RuntimeFault, match="size"):
        library.set_threads(0)
    with pytest.raises(weft.UnsupportedError, match="threads=True"):
        weft.export(e.softmax, ["f32[n,m]"], tmp_path / "g.so", target="wasm32", threads=True)
    assert library.functions["train"].__name__ == "train"


def test_threads_with_states_of_their_own(tmp_path):
    report = e.Training((6, 8, 3)).export(tmp_path / "libmlp.so")
    x, digits = e.batch(20, 6)

    def train(_):
        library = weft.load_library(report.library)
        return [library.train(x, digits % 3) for _ in range(50)]

    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(train, range(16)))
    assert all(result == results[0] for result in results)


def test_static_arena(tmp_path):
    library = weft.load_library(
        weft.export(e.softmax, ["f32[13,4]"], tmp_path / "f.so", arena="static").library
    )
    assert same(library(X), weft.compile(e.softmax)(X))
    with pytest.raises(weft.UserError, match="static"):
        weft.export(lambda x: np.sort(x @ x.T), ["f32[n,4]"], tmp_path / "g.so", arena="static")
    assert not (tmp_path / "g.so").exists()


def test_with_an_empty_path_and_only_numpy(tmp_path):
    """Made and loaded where no tool is found, by ctypes alone."""
    make = f"""
import sys; sys.path.insert(0, {str(Path(__file__).parent)!r})
import exported as e, weft
weft.export(e.softmax, ["f32[n,m]"], {str(tmp_path / "libsoft.so")!r})
"""
    use = f"""
import sys
for name in ("llvmlite", "safetensors", "torch", "scipy"): sys.modules[name] = None
import numpy as np, weft
print(weft.load_library({str(tmp_path / "libsoft.so")!r})(np.ones((2, 4), np.float32)).tolist())
"""
    environment = {**os.environ, "PATH": "", "WEFT_CACHE_DIR": str(tmp_path)}
    for source in (make, use):
        done = subprocess.run([sys.executable, "-c", source], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert done.stdout == "[[0.25, 0.25, 0.25, 0.25], [0.25, 0.25, 0.25, 0.25]]\n"
    code = ctypes.CDLL(str(tmp_path / "libsoft.so"))
    out = np.empty((13, 4), np.float32)
    code.soft_arena_size.restype = ctypes.c_int64
    need = code.soft_arena_size(ctypes.c_int64(13), ctypes.c_int64(4))
    arena = ctypes.create_string_buffer(max(need, 1))
    assert need == 0 or code.soft_arena_init(arena, ctypes.c_int64(need)) == 0
    sizes = ctypes.c_int64(13), ctypes.c_int64(4)
    assert (
        code.soft(arena, X.ctypes.data_as(ctypes.c_void_p), *sizes, out.ctypes.data_as(ctypes.c_void_p)) == 0
    )
    assert out.tobytes() == weft.compile(e.softmax)(X).tobytes()


def test_the_same_program_gives_the_same_bytes(tmp_path):
    one = weft.export(e.softmax, ["f32[n,m]"], tmp_path / "libf.so").library.read_bytes()
    assert weft.export(e.softmax, ["f32[n,m]"], tmp_path / "libf.so").library.read_bytes() == one
