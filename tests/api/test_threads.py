"""Several threads, forked processes, and cache folders in any state."""

import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import weft
from weft.calls.function import Core

SECONDS = float(os.environ.get("WEFT_TEST_THREAD_SECONDS", "5"))


def test_a_call_whose_variant_others_keep_dropping_is_served(monkeypatch):
    compile_for = Core._compile_for

    def and_drop(core, lane, call, options):
        made = compile_for(core, lane, call, options)
        if lane in core.lanes.values():  # as if other threads had compiled more variants than are kept
            core.entries.publish(lane.entry, [])
        return made

    monkeypatch.setattr(Core, "_compile_for", and_drop)
    assert weft.compile(lambda x: x * 2)(np.ones(3)).tolist() == [2, 2, 2]


def test_eight_threads_call_and_compile():
    w = np.full(3, 2.0)

    @weft.compile(max_variants=3)
    def f(x, k):
        return np.tanh(x) * k + x.sum()

    @weft.compile
    def g(x):
        return x @ x.T + w[0]

    def plain_f(x, k):
        return np.tanh(x) * k + x.sum()

    stop, errors = time.monotonic() + SECONDS, []

    def work(seed):
        rng = np.random.default_rng(seed)
        try:
            while time.monotonic() < stop:
                x = rng.normal(size=int(rng.integers(1, 40))).astype(rng.choice(["f4", "f8"]))
                k = int(rng.integers(0, 5))
                assert np.allclose(f(x, k), plain_f(x, k), rtol=1e-4, atol=1e-4)
                a = rng.normal(size=(int(rng.integers(2, 9)), 3))
                assert np.allclose(g(a), a @ a.T + 2)
                if rng.random() < 0.02:
                    n = int(rng.integers(2, 6))
                    local = weft.compile(lambda x, n=n: x * n)
                    assert local(np.ones(3))[0] == n
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors, errors[0]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_calls_after_fork():
    f = weft.compile(lambda x: np.exp(x).sum(axis=0))
    large = np.ones((2000, 300))
    expected = f(large)
    child = os.fork()
    if child == 0:
        try:
            same = f(large).tobytes() == expected.tobytes()
            other = weft.compile(lambda x: x + 41)(np.ones(3))[0] == 42
            fresh = f(np.ones((3, 4), "f4")).shape == (4,)
            os._exit(0 if same and other and fresh else 1)
        except BaseException:
            os._exit(2)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert f(large).tobytes() == expected.tobytes()


# ---- cache folders

PROGRAM = """
import numpy as np, weft
f = weft.compile(lambda x: np.tanh(x) + x.sum())
print(f(np.arange(5.0)).tobytes().hex())
"""


def run(folder, program=PROGRAM):
    environment = {**os.environ, "WEFT_CACHE_DIR": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache") / "weft"
    return folder, run(folder)


def flipped(data):
    return data[:-9] + bytes([data[-9] ^ 255]) + data[-8:]


CHANGES = (
    flipped,
    lambda d: d[: len(d) // 2],
    lambda d: b"",
    lambda d: b"foreign" * 100,
    lambda d: d + b"more",
)


def test_damaged_entries_count_as_absent(filled):
    folder, expected = filled
    for number, path in enumerate(sorted(folder.iterdir())):
        path.write_bytes(CHANGES[number % len(CHANGES)](path.read_bytes()))
    assert run(folder) == expected
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    assert run(folder) == expected


def test_entries_of_other_programs_are_not_taken(filled):
    folder, expected = filled
    files = sorted((p for p in folder.iterdir() if p.is_file()), key=lambda p: p.stat().st_size)
    contents = [p.read_bytes() for p in files]
    for path, content in zip(files, contents[1:] + contents[:1], strict=True):
        path.write_bytes(content)
    assert run(folder) == expected


def test_folders_that_cannot_be_used(tmp_path, filled):
    expected = filled[1]
    a_file = tmp_path / "file"
    a_file.write_text("not a folder")
    assert run(a_file) == expected
    assert run("/proc/nothing/here") == expected
    open_to_all = tmp_path / "open"
    open_to_all.mkdir(mode=0o777)
    open_to_all.chmod(0o777)
    assert run(open_to_all) == expected
    assert list(open_to_all.iterdir()) == []
    read_only = tmp_path / "read_only"
    read_only.mkdir()
    read_only.chmod(0o500)
    assert run(read_only) == expected


def test_entries_that_are_folders(tmp_path, filled):
    folder = tmp_path / "weft"
    expected = run(folder)
    for path in [p for p in folder.iterdir() if p.is_file()]:
        path.unlink()
        path.mkdir()
    assert run(folder) == expected == filled[1]
