"""Options: one reader of the environment, typed values, context-local changes, documented."""

import ast
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import weft
from weft import config
from weft.ir import CodeOptions, Options

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("src/weft", "ir", "compiler", "backends", "runtime")


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    for setting in config.SETTINGS:
        if setting.variable:
            monkeypatch.delenv(setting.variable, raising=False)
    config.reload()
    yield
    config.reload()


def reads_environment(path: Path) -> bool:
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    names = {
        getattr(node, "attr", None) or getattr(node, "id", None) or getattr(node, "name", None)
        for node in nodes
    }
    return bool(names & {"environ", "environb", "getenv", "getenvb"})


def test_only_config_reads_the_environment():
    readers = [
        str(p.relative_to(ROOT)) for f in FOLDERS for p in (ROOT / f).rglob("*.py") if reads_environment(p)
    ]
    assert readers == ["src/weft/config.py"]


def test_at_most_twelve_variables():
    assert len([setting for setting in config.SETTINGS if setting.variable]) <= 12


def test_every_setting_has_a_field_and_a_sentence():
    fields = {*Options().code.__dataclass_fields__, *Options().run.__dataclass_fields__}
    for setting in config.SETTINGS:
        assert setting.field in fields
        assert setting.sentence.endswith(".")


def test_defaults():
    assert config.from_environment({}) == Options()


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("WEFT_DISABLE", "1", "disable", True),
        ("WEFT_DISABLE", "no", "disable", False),
        ("WEFT_THREADS", "4", "threads", 4),
        ("WEFT_THREADS", "", "threads", None),
        ("WEFT_TRACEBACK", "FULL", "traceback", "full"),
        ("WEFT_VERIFY", "2", "verify", 2),
        ("WEFT_DUMP", "fuse,place", "dump", "fuse,place"),
    ],
)
def test_variable(variable, text, field, value):
    assert getattr(config.from_environment({variable: text}).run, field) == value


def test_code_options_are_separate_and_hashed_whole():
    options = config.from_environment(
        {"WEFT_PASSES_OFF": "fuse, cse,fuse", "WEFT_PASS_LIMIT": "3", "WEFT_TIME": "1"}
    )
    assert options.code == CodeOptions(pass_limit=3, passes_off=("cse", "fuse"))
    assert all(name in options.code.key() for name in CodeOptions.__dataclass_fields__)
    assert CodeOptions(fast_math=True).key() != CodeOptions().key()


@pytest.mark.parametrize(
    ("variable", "text"),
    [("WEFT_THREADS", "0"), ("WEFT_THREADS", "many"), ("WEFT_DISABLE", "perhaps"), ("WEFT_VERIFY", "3")],
)
def test_bad_variable_names_itself_and_the_values(variable, text):
    with pytest.raises(weft.UserError, match=rf"\[E002\] {variable} cannot be '{text}'\n  Fix: set it to "):
        config.from_environment({variable: text})


def test_environment_is_read_once(monkeypatch):
    assert not config.current().run.disable
    monkeypatch.setenv("WEFT_DISABLE", "1")
    assert not config.current().run.disable
    config.reload()
    assert config.current().run.disable


def test_options_nest_and_end():
    with weft.options(threads=2, passes_off=["fuse"]) as outer:
        assert (outer.run.threads, outer.code.passes_off) == (2, ("fuse",))
        with weft.options(threads=None, dump="all"), weft.disabled():
            inner = config.current()
            assert (inner.run.threads, inner.run.dump, inner.run.disable) == (None, "all", True)
            assert inner.code.passes_off == ("fuse",)
        assert config.current() == outer
        assert config.chosen() == {"threads": 2, "passes_off": ("fuse",)}
    assert config.current() == Options()


def test_options_end_after_an_error():
    with pytest.raises(ZeroDivisionError), weft.options(time=True):
        _ = 1 / 0
    assert not config.current().run.time


def test_options_are_local_to_a_thread():
    seen = []
    with weft.options(threads=3):
        thread = threading.Thread(target=lambda: seen.append(config.current().run.threads))
        thread.start()
        thread.join()
    assert seen == [None]


def test_listeners_count_open_blocks():
    counts = []
    config.subscribe(counts.append)
    try:
        with weft.options(time=True), weft.disabled():
            pass
    finally:
        config._listeners.remove(
            counts.append
        ) if counts.append in config._listeners else config._listeners.pop()
    assert counts == [0, 1, 2, 1, 0]


@pytest.mark.parametrize("values", [{"nothing": 1}, {"threads": "x"}, {"traceback": 3}])
def test_bad_keyword(values):
    with pytest.raises(weft.UserError, match="E002"), weft.options(**values):
        pass


def test_library_is_handed_down():
    config.library.add("somelibrary")
    try:
        assert config.current().run.library == {"somelibrary"}
    finally:
        config.library.discard("somelibrary")


def test_cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert config.cache_folder(config.current().run) == tmp_path / "weft"
    with weft.options(cache_dir="off") as options:
        assert config.cache_folder(options.run) is None
    with weft.options(cache_dir=tmp_path / "mine") as options:
        assert config.cache_folder(options.run) == tmp_path / "mine"


def test_clean_environment_drops_what_slows_others(monkeypatch):
    monkeypatch.setenv("OPENBLAS_CORETYPE", "Haswell")
    assert "OPENBLAS_CORETYPE" in config.overriding_variables()
    assert "OPENBLAS_CORETYPE" not in config.clean_environment()
    assert "PATH" in config.clean_environment()


def test_docs_are_fresh():
    tool = ROOT / "tools" / "options_table.py"
    status = subprocess.run([sys.executable, str(tool), "--check"], check=False).returncode
    assert status == 0, "docs/options.md is stale: python tools/options_table.py"


def test_programs_use_as_many_threads_as_the_options_say():
    code = """
import os, numpy as np, weft
f, x = weft.compile(lambda x: np.tanh(x) + 1), np.ones(1 << 20)
with weft.options(threads=1):
    f(x)
f._weft.entries.settle()
before = len(os.listdir("/proc/self/task"))
def workers():
    f(x)
    return len(os.listdir("/proc/self/task")) - before
counts = [workers()]
with weft.options(threads=3):
    counts.append(workers())
    with weft.options(threads=1):
        counts.append(workers())
print(*counts, workers())
"""
    environment = config.environment_with(WEFT_THREADS="2")
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1", "2", "0", "1"]
