"""What one peer did with one row of `weft bench`. Not here: how it is measured, or shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import median


@dataclass(slots=True)
class Timing:
    """What one peer did with one row."""

    row: str
    who: str
    first_s: float = 0.0
    error: float = 0.0
    samples: list[float] = field(default_factory=list[float])
    limit_s: float | None = None
    failed: str = ""

    @property
    def median_s(self) -> float:
        """Seconds of a call."""
        return median(self.samples)

    def as_json(self) -> dict[str, object]:
        """The entry in the file of `--json`."""
        share = None if self.limit_s is None else self.limit_s / self.median_s
        return {
            "row": self.row, "who": self.who, "median_s": self.median_s, "first_s": self.first_s,
            "error": self.error, "limit_share": share,
        }  # fmt: skip
