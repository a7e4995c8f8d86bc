"""Random loops in time that write parts of arrays one after the other, borders and inside, against plain NumPy.

`python -m tests.fuzz.borders --count 300 --seed 1`. Not here: other loops (`loops.py`).
"""

import argparse
import linecache
import logging
import sys

import numpy as np

import weft
from tests.fuzz.check import Disagreement

NEIGHBOURS = {
    "1:-1": ("1:-1", "2:", ":-2"), "1:": ("1:", ":-1", "1:"), ":-1": (":-1", "1:", ":-1"), "0": ("0", "1", "-1"),
    "-1": ("-1", "-2", "0"), "1": ("1", "2", "0"), "-2": ("-2", "-3", "-1"), ":": (":",) * 3, "2:-2": ("2:-2",) * 3,
    "0:1": ("0:1",) * 3, "1:2": ("1:2",) * 3,
}  # fmt: skip
"""Parts of an axis, and others of the same length."""
ODDS = np.array([34, 8, 8, 8, 8, 6, 6, 12, 4, 3, 3]) / 100
CALLS, STEPS = (5, 7, 30), 5


class Writer:
    """Writes one program; `size` is that of arrays it makes itself, None if they are arguments."""

    def __init__(self, seed, number):
        self.rng = np.random.default_rng([seed, number, 11])
        self.rank = int(self.rng.choice([1, 1, 2]))
        self.names = ["u", "v"][: int(self.rng.integers(1, 3))]
        self.size = int(self.rng.integers(4, 8)) if self.rng.random() < 0.5 else None

    def place(self):
        return [str(p) for p in self.rng.choice(list(NEIGHBOURS), self.rank, p=ODDS)]

    def beside(self, place):
        return ", ".join(NEIGHBOURS[part][int(self.rng.integers(3))] for part in place)

    def statement(self):
        """One write, and perhaps an exchange or a sum of what was written."""
        rng, target, place = self.rng, self.rng.choice(self.names), self.place()
        terms = [
            f"{rng.choice(['0.5', '0.25', '-0.5'])} * {rng.choice(self.names)}[{self.beside(place)}]"
            for _ in range(int(rng.integers(3)))
        ]
        terms += ["1.0"] * (rng.random() < 0.3) + [str(rng.choice(["0.25 * u.sum()", "t"]))] * (
            rng.random() < 0.2
        )
        yield f"{target}[{', '.join(place)}] {rng.choice(['=', '=', '+='])} {' + '.join(terms) or '0.0'}"
        if len(self.names) == 2 and rng.random() < 0.15:
            yield "u, v = v, u"
        if rng.random() < 0.1:
            yield f"s = s + {target}[{', '.join(self.place())}].sum()"

    def text(self):
        """The program."""
        lines = [line for _ in range(int(self.rng.integers(1, 5))) for line in self.statement()]
        shape = f"({self.size},) * {self.rank}"
        made = [] if self.size is None else [f"    u, v = np.zeros({shape}), np.ones({shape})"]
        head = f"def f({'u, v, ' if self.size is None else ''}n):"
        body = ["    s = 0.0", *made, "    for t in range(n):", *(f"        {line}" for line in lines)]
        return "\n".join(["import numpy as np", "", "", head, *body, "    return u, v, s", ""])


def agree(seed, number):
    """Raise Disagreement if a program gives other results than NumPy."""
    writer = Writer(seed, number)
    text, name, space = writer.text(), f"<borders {seed} {number}>", {}
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    exec(compile(text, name, "exec"), space)
    compiled = weft.compile(space["f"])
    for size in CALLS if writer.size is None else CALLS[:1]:
        arrays = [writer.rng.integers(-4, 5, (size,) * writer.rank) / 4 for _ in range(2)]
        given = [] if writer.size is not None else arrays
        plain, ours = ([x.copy() for x in given] for _ in range(2))
        wanted, found = space["f"](*plain, STEPS), compiled(*ours, STEPS)
        if not all(np.allclose(a, b, rtol=1e-9) for a, b in zip(found, wanted, strict=True)):
            raise Disagreement(text)


def main():
    """Run some programs; the exit status is the number that differ, at most 100."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    logging.getLogger("weft").setLevel(logging.ERROR)
    failed = 0
    for number in range(options.count):
        try:
            agree(options.seed, number)
        except Disagreement as error:
            failed += 1
            print(f"==== {number}\n{error}", flush=True)
    print(f"{options.count} programs, {failed} differ")
    sys.exit(min(failed, 100))


if __name__ == "__main__":
    main()
