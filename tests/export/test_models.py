"""Models of `examples/train`: training and prediction from C on several machines; more by `models.py`."""

import shutil

import pytest

from tests.export import models
from weft.backends.cpu import linking
from weft.backends.cpu.target import host_target

CASES = [
    ("convnet", "host"), ("cartpole", "host"), ("gpt", "host"), ("lstm", "aarch64"), ("convnet", "armv7"),
    ("lstm", "riscv64"),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("name", "target"), CASES)
def test_steps_and_predictions(name, target, tmp_path):
    compiler, runner = models.MACHINES[target]
    missing = [tool for tool in (*compiler, *runner[:1]) if not shutil.which(tool)]
    if missing or (target in ("armv7", "riscv64") and linking.zig() is None):
        pytest.skip(f"needs {', '.join(missing) or 'the linkers of ziglang'}")
    report, found, wanted = models.check(name, tmp_path, target)
    weights = sum(size for symbol, size in report.sizes if "_initial_" in symbol)
    if target in ("host", "aarch64"):
        is_wide = target == "host" and host_target().vector_bytes == 64  # instructions of AVX-512 are longer
        assert report.library_bytes - weights < (130_000 if is_wide else 120_000)
    assert models.same(found, wanted)
