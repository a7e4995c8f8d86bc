"""Dumps and times of passes: the hook of the manager that `WEFT_DUMP` and `WEFT_TIME` ask for.

Programs are written as `step_07_fuse.ir`, in a folder per function; they parse back. Not here: reading
options (`weft.config`), running passes (`manager.py`).
"""

import difflib
from collections.abc import Callable, Sequence
from pathlib import Path

from weft.ir import Func, UserError
from weft.ir.options import RunOptions
from weft.ir.text import show
from weft.ir.walk import walk

Tell = Callable[[str], None]


class PassReport:
    """A watch for one run of the passes; `finish` prints the times."""

    def __init__(self, fn: Func, passes: Sequence[str], chosen: RunOptions, tell: Tell) -> None:
        self.chosen, self.tell = chosen, tell
        self.function = fn.name
        self.step_of = {name: number for number, name in enumerate(passes, start=1)}
        self.rows: list[tuple[str, float, int, int]] = []
        names = {name.strip() for name in chosen.dump.split(",") if name.strip()}
        self.is_changed = names == {"changed"}
        self.wanted = set(passes) if names == {"all"} else set[str]() if self.is_changed else names
        unknown = sorted(self.wanted - set(passes))
        if unknown:
            raise UserError(
                f"WEFT_DUMP names {unknown[0]!r}, which is no pass",
                code="E002",
                fix=f"set it to all, changed, or some of {', '.join(passes)}",
            )
        if names == {"all"}:
            self._write(0, "traced", fn)

    def __call__(self, name: str, before: Func, after: Func, seconds: float) -> None:
        """Note one pass."""
        self.rows.append((name, seconds, _count(before), _count(after)))
        if name in self.wanted:
            self._write(self.step_of.get(name, len(self.rows)), name, after)
        if self.is_changed:
            self._show_change(name, show(before), show(after))

    def _write(self, step: int, name: str, fn: Func) -> None:
        folder = Path(self.chosen.dump_folder) / "".join(c if c.isalnum() else "_" for c in self.function)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"step_{step:02}_{name}.ir").write_text(show(fn) + "\n")

    def _show_change(self, name: str, before: str, after: str) -> None:
        lines = difflib.unified_diff(
            before.splitlines(), after.splitlines(), "before", f"after {name}", lineterm="", n=2
        )
        text = "\n".join(lines)
        self.tell(f"{self.function}: {name}: {'no change' if not text else ''}\n{text}".rstrip())

    def finish(self) -> None:
        """Print the table of times, the longest first, if it was asked for."""
        if not self.chosen.time:
            return
        total = sum(seconds for _, seconds, _, _ in self.rows)
        lines = [
            f"{self.function}: {1000 * total:.2f} ms in passes",
            f"  {'pass':<16}{'ms':>9}{'ops before':>12}{'after':>8}",
        ]
        for name, seconds, before, after in sorted(self.rows, key=lambda row: -row[1]):
            lines.append(f"  {name:<16}{1000 * seconds:>9.2f}{before:>12}{after:>8}")
        self.tell("\n".join(lines))


def _count(fn: Func) -> int:
    return sum(1 for _ in walk(fn))
