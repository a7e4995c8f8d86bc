"""Same inputs, same bits (promise 4): threads, alignment, sizes constant or symbolic, cache, passes off."""

import numpy as np
import pytest

import weft
from weft.backends.cpu.parts import compile_parts
from weft.backends.cpu.threads import process_pool

X = np.random.default_rng(0).normal(size=(900, 1003)).astype(np.float32)


def softmax(x):
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def statistics(x):
    return x.mean(axis=0), x.var(axis=0), x.sum(), x.std(), x.argmax(axis=1)


def dense(x):
    return np.maximum(x @ x.T + 1, 0)


PROGRAMS = (softmax, statistics, dense)


def bits(result):
    return [np.asarray(r).tobytes() for r in (result if isinstance(result, tuple) else (result,))]


@pytest.fixture(params=PROGRAMS, ids=lambda f: f.__name__)
def program(request):
    return request.param


@pytest.fixture(autouse=True)
def _threads_as_before():
    pool = process_pool()
    yield
    pool.configure()


def test_any_number_of_threads(program):
    compiled = weft.compile(program)
    pool = process_pool()
    pool.configure(threads=1)
    expected = bits(compiled(X))
    for threads in (2, 4):
        pool.configure(threads=threads)
        assert bits(compiled(X)) == expected


def test_any_alignment(program):
    compiled = weft.compile(program)
    expected = bits(compiled(X))
    for offset in (4, 8, 12, 20, 28, 36, 1, 63):
        raw = np.empty(X.nbytes + 128, np.uint8)
        start = -raw.ctypes.data % 64 + offset
        moved = raw[start : start + X.nbytes].view(np.float32).reshape(X.shape)
        moved[...] = X
        assert bits(compiled(moved)) == expected


def test_constant_and_symbolic_sizes(program):
    expected = bits(weft.compile(program)(X))
    general = weft.compile(program)
    general(X[:50, :40].copy())
    general(X[:61, :47].copy())
    assert bits(general(X)) == expected
    assert general.stats()["compiles"] == 2


def test_cached_or_not(program, tmp_path):
    with weft.options(cache_dir=str(tmp_path)):
        first = bits(weft.compile(program)(X))
        assert bits(weft.compile(program)(X)) == first
    with weft.options(cache_dir="off"):
        assert bits(weft.compile(program)(X)) == first


@pytest.mark.parametrize("off", ["canonicalize", "fold", "push_reshapes", "cse", "dce", "fuse"])
def test_each_pass_off(program, off):
    small = X[:70, :90].copy()
    expected = bits(weft.compile(program)(small))
    with weft.options(passes_off=(off,)):
        assert bits(weft.compile(program)(small)) == expected


def test_code_compiled_in_parts(program, monkeypatch, tmp_path):
    expected = bits(weft.compile(program)(X))
    monkeypatch.setattr("weft.backends.cpu.emit._PART_CHARACTERS", 1000)
    monkeypatch.setattr("weft.calls.generate.useful_threads", lambda: 3)
    made = []

    def noted(texts, machine):
        made.append(texts)
        return compile_parts(texts, machine)

    monkeypatch.setattr("weft.calls.generate.compile_parts", noted)
    with weft.options(cache_dir=str(tmp_path)):
        assert bits(weft.compile(program)(X)) == expected
        assert [len(texts) for texts in made] == [9]
        assert bits(weft.compile(program)(X)) == expected
    assert len(made) == 1
