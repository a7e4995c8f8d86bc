"""The drawing of `weft bench --plot`: how many times faster than the other peer, by row. Needs matplotlib."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from weft.ir import UnsupportedError


def require() -> None:
    """Raise UnsupportedError where matplotlib is not installed: before the measurement, not after it."""
    if find_spec("matplotlib") is None:
        raise UnsupportedError(
            "`weft bench --plot` needs matplotlib", code="E051", fix="pip install 'weft[plot]'."
        )


def draw(facts: dict[str, Any], file: Path) -> None:
    """Write the drawing of a run to `file`."""
    library: Any = import_module("matplotlib")  # an extra: loaded when used
    library.use("Agg")
    pyplot: Any = import_module("matplotlib.pyplot")
    ours = {r["row"]: r for r in facts["rows"] if r["who"] == "weft"}
    others = [r for r in facts["rows"] if r["who"] != "weft" and r["row"] in ours]
    names = list(ours)
    ratios = [
        next(r["median_s"] for r in others if r["row"] == name) / ours[name]["median_s"] for name in names
    ]
    figure, axes = pyplot.subplots(figsize=(9, 0.35 * len(names) + 1.5))
    axes.barh(names, ratios, color=["#2a9d8f" if ratio >= 1 else "#e76f51" for ratio in ratios])
    axes.bar_label(axes.containers[0], [f" {ratio:.1f}x" for ratio in ratios])
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xscale("log")
    axes.invert_yaxis()
    machine = facts["machine"]
    axes.set_title(
        f"times faster than NumPy: {machine['processor']}, {machine['threads']} threads", fontsize=10
    )
    figure.tight_layout()
    figure.savefig(file, dpi=150)
    pyplot.close(figure)
