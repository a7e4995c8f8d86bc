"""`import weft` is cheap, and every name of the contract exists."""

import os
import subprocess
import sys

import pytest

import weft

NAMES = """
compile spec disabled options name Variable variables grad value_and_grad vjp jvp jacobian hessian hvp
stop_gradient remat custom_gradient vmap nn optim random cond while_loop fori_loop scan save load
Checkpointer export load_library device devices custom_op callback Module testing config WeftError
UserError ShapeError IndexFault DTypeError AliasError UnsupportedError CompileError RuntimeFault
OutOfMemoryError InternalError
""".split()


def run(code: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, env=environment
    ).stdout


def test_import_loads_numpy_alone():
    loaded = set(run("import sys, weft; print(*sys.modules)").split())
    assert "numpy" in loaded
    assert not loaded & {"llvmlite", "networkx", "cupy", "rich", "sklearn", "scipy"}
    late = ("compiler.passes", "compiler.schedule", "compiler.math", "generate", "backends.cpu.emit")
    early = [name for name in loaded if name.startswith(tuple(f"weft.{part}" for part in late))]
    assert not early, "loaded by the first program that is not in the cache"


IMPORTS = """
import time
start = time.process_time()
import numpy
between = time.process_time()
import weft
print(between - start, time.process_time() - between)
"""


def test_import_takes_little_beyond_numpy():
    """The limit is for a machine on which `import numpy` takes 0.1 s, as those of `test_start.py`."""
    times = [tuple(map(float, run(IMPORTS).split())) for _ in range(3)]
    numpy, ours = map(min, zip(*times, strict=True))
    assert ours < 0.15 * max(1, numpy / 0.1)


@pytest.mark.parametrize("name", NAMES)
def test_name_exists(name):
    assert hasattr(weft, name)
    assert name in dir(weft)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = weft.nothing


def unbuilt():
    from weft.unbuilt import Unbuilt

    found = [(name, getattr(weft, name)) for name in NAMES]
    for module in (weft.nn, weft.optim, weft.random, weft.testing):
        found += [(f"{module.__name__}.{name}", getattr(module, name)) for name in dir(module)]
    return [pytest.param(value, id=name) for name, value in found if isinstance(value, Unbuilt)]


@pytest.mark.parametrize("value", unbuilt())
def test_name_that_is_not_built_says_so_when_called(value):
    with pytest.raises(weft.UnsupportedError, match=r"\[E051\].* is not built yet"):
        value(1, key=2)
    with pytest.raises(weft.UnsupportedError, match="E051"):
        type("Derived", (), {}) if not hasattr(value, "__mro_entries__") else value.__mro_entries__(())
    assert not isinstance(1, value)
