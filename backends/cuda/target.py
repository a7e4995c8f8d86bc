"""NVIDIA's GPUs as targets. Not here: the record (`weft.ir.target`), which GPU there is (a driver says)."""

import re

from weft.backends.cuda.emit import SPELLED
from weft.ir import UnsupportedError
from weft.ir.target import Target

OLDEST = 75


def named_target(name: str) -> Target:
    """A GPU by architecture: "sm_80", "sm_90". Raises UnsupportedError for another."""
    match = re.fullmatch(r"sm_(\d+)[af]?", name)
    if match is None or int(match[1]) < OLDEST:
        raise UnsupportedError(f"there is no target {name!r}; GPUs from sm_{OLDEST} on are, as sm_90")
    return Target(
        "nvptx64-nvidia-cuda",
        name,
        kind="cuda",
        vector_bytes=0,
        vector_registers=255,
        has_fma=True,
        has_masked_memory=True,
        has_gather=True,
        has_rounding=True,
        l1_bytes=128 * 1024,
        l2_bytes=40 << 20,
        l3_bytes=0,
        line_bytes=128,
        ops=SPELLED,
    )
