"""Counts what the random programs contain.

Not here: whether they were right.
"""

from collections import Counter

import numpy as np

from weft.ir.opdef import REGISTRY
from weft.ir.walk import walk


def tensor_ops():
    """Names of the ops of the tensor level that programs are made of."""
    return [
        name
        for name, record in REGISTRY.items()
        if not record.has("loop") and not record.has("terminator") and name not in ("fusion", "each", "to_index")
        and (record.form is not None or name in ("if", "for", "while", "dim", "from_index"))
    ]  # fmt: skip


class Coverage:
    """Sums over programs; two can be added."""

    def __init__(self):
        self.ops = Counter()
        self.facts = Counter()
        self.outcomes = Counter()
        self.exact = []

    def note(self, case, outcome):
        """One program of the tensor level."""
        self.ops.update({op.name for op in walk(case.fn)})
        self.note_facts(case.facts, "decided" if outcome is not None else "undecided", "ir")
        if outcome is not None:
            self.exact.append(outcome)

    def note_facts(self, facts, outcome, mode):
        self.outcomes[f"{mode} {outcome}"] += 1
        self.facts.update(f"{mode} {fact}" for fact in facts)

    def add(self, other):
        self.ops += other.ops
        self.facts += other.facts
        self.outcomes += other.outcomes
        self.exact += other.exact

    def report(self):
        """Lines to print."""
        lines = []
        for mode in ("ir", "numpy", "loops"):
            total = sum(n for k, n in self.outcomes.items() if k.startswith(mode))
            if not total:
                continue
            facts = ", ".join(
                f"{k.partition(' ')[2]} {100 * n / total:.0f} %"
                for k, n in sorted(self.facts.items())
                if k.startswith(mode)
            )
            outcomes = ", ".join(
                f"{n} {k.partition(' ')[2]}" for k, n in sorted(self.outcomes.items()) if k.startswith(mode)
            )
            lines.append(f"{mode}: {total} programs ({outcomes}); {facts}")
        if self.exact:
            lines.append(f"elements compared in every bit: {100 * np.mean(self.exact):.1f} %")
        if self.ops:
            counted = sorted((self.ops[n], n) for n in tensor_ops())
            lines.append("programs with each op: " + ", ".join(f"{n} {c}" for c, n in counted))
        return lines
