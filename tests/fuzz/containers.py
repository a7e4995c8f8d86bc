"""Random programs with lists, dicts and sets that grow, shrink and are exchanged by data, against plain Python.

`python -m tests.fuzz.containers --count 100 --seed 1`. A program may be refused; it must not differ.
"""

from __future__ import annotations

import argparse
import copy
import random
import sys
import tempfile
from pathlib import Path

import numpy as np

import weft

LISTS, SIZES = ("a", "b", "c"), (5, 8)


class Writer:
    """Writes one program."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.names = 0

    def number(self) -> str:
        return self.random.choice(("x[i]", "x[0]", "n", "i", "2", "x[i] * 2", "x[n % len(x)]"))

    def condition(self) -> str:
        one = self.random.choice(LISTS)
        return self.random.choice(
            (f"x[i] > {self.random.randint(0, 6)}", f"len({one}) > {self.random.randint(1, 6)}",
             f"{self.number()} in d", f"{self.number()} in s", "n % 2 == 0", f"x[i] in {one}",
             f"len({one}) > 2 and {one}[1] > 3", "len(s) > 2")
        )  # fmt: skip

    def simple(self) -> str:
        one, other = self.random.sample(LISTS, 2)
        return self.random.choice(
            (
                f"{one}.append({self.number()})",
                f"{one}.append({self.number()})",
                f"if len({one}) > 3: {one}.pop()",
                f"if len({one}) > 3: {one}.pop(1)",
                f"{one}[0] = {self.number()}",
                f"{one}[n % len({one})] = {self.number()}",
                f"{one}.insert(0, {self.number()})",
                f"{one} = {other}[:]",
                f"{one} = {other}",
                f"{one} = [v for v in {other} if v != {self.number()}] + [1]",
                f"{one} = {one} + [{self.number()}]",
                f"{one}.sort()",
                f"n += {one}[-1] % 3",
                f"n += len({one})",
                f"n += sum({one}) % 5",
                f"d[{self.number()}] = {self.number()}",
                f"d[{self.number()}] = d.get({self.number()}, 0) + 1",
                f"n += d.get({self.number()}, 7) % 4",
                f"d.pop({self.number()}, 0)",
                f"s.add({self.number()})",
                f"s.discard({self.number()})",
                "n += len(s) + len(d)",
                f"out.append(({one}[0], n))",
            )
        )

    def block(self, depth: int, indent: str) -> list[str]:
        lines: list[str] = []
        for _ in range(self.random.randint(1, 3)):
            kind = self.random.random()
            if depth == 0 or kind < 0.6:
                lines.append(indent + self.simple())
            elif kind < 0.85:
                lines += [f"{indent}if {self.condition()}:", *self.block(depth - 1, indent + "    ")]
                if self.random.random() < 0.5:
                    lines += [f"{indent}else:", *self.block(depth - 1, indent + "    ")]
            elif kind < 0.95:
                lines += [f"{indent}for i in range(len(x)):", *self.block(depth - 1, indent + "    ")]
            else:
                self.names += 1
                count = f"w{self.names}"
                lines += [f"{indent}{count} = 0", f"{indent}while {count} < 3 and len(a) > 0:"]
                lines += [f"{indent}    {count} += 1", *self.block(depth - 1, indent + "    ")]
        return lines

    def program(self) -> str:
        start = ["a, b, c = [1, 2], [3], [x[0], 5]", "d, s, out = {}, set(), []", "n = i = 0"]
        lines = ["def f(x):", *(f"    {line}" for line in start), "    for i in range(len(x)):"]
        lines += [*self.block(2, "        "), *self.block(2, "    ")]
        return "\n".join([*lines, "    return a, b, c, d, sorted(s), out, n, a is b", ""])


def outcome(fn, x):
    """The result, or the type of the exception that the user's code raises."""
    try:
        return fn(x)
    except weft.WeftError:
        raise
    except (ArithmeticError, LookupError, ValueError) as error:
        return type(error).__name__


def run(seed: int, folder: Path) -> str:
    """ "ok", "refused", or what differs."""
    text = Writer(seed).program()
    path = folder / f"program_{seed}.py"
    path.write_text(text)
    names: dict[str, object] = {}
    exec(compile(text, str(path), "exec"), names)
    plain, compiled = names["f"], weft.compile(names["f"])
    generator = np.random.default_rng(seed)
    for size in SIZES:
        x = generator.integers(0, 9, size)
        expected = outcome(plain, copy.copy(x))
        try:
            found = outcome(compiled, x)
        except weft.UserError:
            return "refused"
        except weft.InternalError as error:
            return f"{text}\n{str(error)[:300]}"
        if found != expected:
            return f"{text}\nx = {x!r}\nfound    {found}\nexpected {expected}"
    return "ok"


def main() -> None:
    """Run some programs; the exit status is 1 if one differs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    results: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(options.seed, options.seed + options.count):
            results.append(run(seed, Path(folder)))
            if results[-1] not in ("ok", "refused"):
                print(f"==== {seed}\n{results[-1]}", flush=True)
    failed = sum(one not in ("ok", "refused") for one in results)
    print(f"{len(results)} programs, {results.count('refused')} refused, {failed} differ")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
