"""The tables of `weft bench`: a line for each row, what they come to. Not here: how anything is measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from weft.cli.benchmark.timing import Timing

FLOOR = 0.95  # of NumPy's speed; rows below are named
FIRST_S = 1.0  # within which a first result should come


def print_head(suite: str, threads: int, samples: int, peers: Sequence[str], processor: str) -> None:
    """Print what is measured on what, and the names of the columns."""
    print(f"{processor}, {threads} threads, NumPy {np.__version__}; medians of {samples} samples in turn")
    best = f"{'best/weft':>11}" if len(peers) > 2 else ""
    limit = f"{'of limit':>10}" if suite != "programs" else ""
    plain = f"{'numpy/weft':>12}" if "numpy" in peers else ""
    names = "".join(f"{who:>{_width(who)}}" for who in peers)
    print(f"{'row':<21}{names}{plain}{best}{limit}{'first call':>12}{'error':>9}")


def _shown(timing: Timing, wrong: set[str]) -> str:
    """The time of a peer, or why there is none."""
    if timing.failed:
        return "-"
    return "wrong" if timing.who in wrong - {"weft", "numpy"} else _time(timing.median_s)


def _width(who: str) -> int:
    return max(10, len(who) + 1)


def print_row(row: Any, timings: Sequence[Timing]) -> None:
    """Print one row of the table."""
    found = {t.who: t for t in timings}
    ours, plain = found["weft"], found.get("numpy")
    failed = [f"{t.who} failed: {t.failed.splitlines()[0]}" for t in (ours, plain) if t and t.failed]
    if failed:
        print(f"{row.name:<21}{'; '.join(failed)}", flush=True)
        return
    wrong = {t.who for t in timings if not t.failed and t.error > row.tolerance}
    times = "".join(f"{_shown(t, wrong):>{_width(t.who)}}" for t in timings)
    others = [t.median_s for t in timings if t.who != "weft" and not t.failed and t.who not in wrong]
    best = f"{min(others, default=float('nan')) / ours.median_s:>10.2f}x" if len(timings) > 2 else ""
    limit = ""
    if row.error != "mixed":
        limit = f"{'' if ours.limit_s is None else f'{ours.limit_s / ours.median_s:.0%}':>10}"
    beside = "" if plain is None else f"{plain.median_s / ours.median_s:>11.2f}x"
    print(
        f"{row.name:<21}{times}{beside}{best}{limit}{_time(ours.first_s):>12}"
        f"{ours.error:>9.0e}{'  WRONG' if 'weft' in wrong else ''}",
        flush=True,
    )


def print_summary(rows: Sequence[Any], timings: Sequence[Timing]) -> None:
    """Print the mean ratios, what failed, and what the columns mean."""
    found = {(t.row, t.who): t for t in timings if not t.failed}
    both = [row for row in rows if (row.name, "weft") in found and (row.name, "numpy") in found]
    ratios = {r.name: found[r.name, "numpy"].median_s / found[r.name, "weft"].median_s for r in both}
    print()
    if not any(t.who == "numpy" for t in timings):
        _print_training(rows, found)
        return
    if both:
        print(f"geometric mean of numpy/weft over {len(both)} rows: {_mean(ratios.values()):.2f}x")
    if both and rows[0].error == "mixed":
        _print_groups(both, ratios, found)
        _print_refusals(timings)
        return
    print(
        "of limit: the time of a copy loop of the same footprint, or of as many multiply-adds, by Weft's time"
    )
    print("first call: trace, compile and run, nothing cached, Weft loaded; error: against NumPy in float64")


def _print_groups(
    rows: Sequence[Any], ratios: dict[str, float], found: dict[tuple[str, str], Timing]
) -> None:
    """Print the means of groups and of the best peer, the slow rows, and first results."""
    groups = {group: [r.name for r in rows if r.group == group] for group in ("vector", "scalar", "BLAS")}
    groups["without BLAS"] = groups["vector"] + groups["scalar"]
    for group, names in groups.items():
        if not names:
            continue
        line = f"  {group:<13}{len(names):>3} rows{_mean(ratios[n] for n in names):>9.2f}x NumPy"
        for who in ("numba", "jax"):
            shared = [n for n in names if (n, who) in found and found[n, who].error < 1e-2]
            if shared:
                mean = _mean(found[n, who].median_s / found[n, "weft"].median_s for n in shared)
                line += f"; {mean:.2f}x {who} over {len(shared)}"
        print(line)
    slow = [
        f"{name} {ratio:.2f}"
        for name, ratio in sorted(ratios.items(), key=lambda one: one[1])
        if ratio < FLOOR
    ]
    print(f"below {FLOOR} of NumPy: {', '.join(slow) or 'none'}")
    first = sorted((found[r.name, "weft"].first_s, r.name) for r in rows)
    quick = sum(seconds < FIRST_S for seconds, _ in first)
    worst = f"the slowest {first[-1][1]}, {_time(first[-1][0])}"
    print(f"first results, nothing cached: {quick} of {len(first)} under {FIRST_S:g} s; {worst}")


def _print_training(rows: Sequence[Any], found: dict[tuple[str, str], Timing]) -> None:
    """Print the means over each peer, over the best one, and of first calls."""
    names = [row.name for row in rows if (row.name, "weft") in found]
    limits = {row.name: row.tolerance for row in rows}
    right = {key: t for key, t in found.items() if t.error <= limits[key[0]]}
    for who in dict.fromkeys(who for _, who in right if who != "weft"):
        shared = [n for n in names if (n, who) in right]
        warm = _mean(right[n, who].median_s / found[n, "weft"].median_s for n in shared)
        first = _mean(right[n, who].first_s / found[n, "weft"].first_s for n in shared)
        print(f"{who}/weft over {len(shared)} rows: {warm:.2f}x, first calls {first:.2f}x (geometric means)")
    best = {
        n: min(t.median_s for (row, who), t in right.items() if row == n and who != "weft")
        / found[n, "weft"].median_s
        for n in names
        if any(row == n and who != "weft" for row, who in right)
    }
    if best:
        print(f"best peer/weft over {len(best)} rows: {_mean(best.values()):.2f}x")
    print("error: losses of the first steps against Weft's in float64; first call: nothing cached")


def _print_refusals(timings: Sequence[Timing]) -> None:
    """Print what peers do not take, with the reason."""
    for timing in timings:
        if timing.failed and "no version for jax" not in timing.failed:
            reason = " ".join(timing.failed.split())[:110]
            print(f"{timing.who} does not run {timing.row}: {reason}")


def _mean(ratios: Iterable[float]) -> float:
    """The geometric mean."""
    return float(np.exp(np.mean([np.log(ratio) for ratio in ratios])))


def _time(seconds: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= scale:
            return f"{seconds / scale:.3g} {unit}"
    return f"{seconds * 1e9:.0f} ns"
