"""Random smooth programs with branches, loops and writes, whose derivatives are compared with complex step.

A program is source text of plain NumPy. It runs as it is on complex numbers (the derivative along v is the
imaginary part of f(x + i h v) / h, exact to the last bits), and its gradient is traced and run by the
reference interpreter, or compiled (`--native`). Second derivatives: `hvp` against differences of the
gradient, for every fourth program.

    python -m tests.autodiff.random_programs --count 2000 --seed 1
"""

import argparse
import linecache
import sys
import time

import numpy as np

import weft
from tests.frontend.running import execute, traced

SHAPES = {"s": (), "v": (4,), "m": (4, 4)}
STEP = 1e-30


class Writer:
    """Writes one program; names begin with their kind: s, v or m."""

    def __init__(self, rng):
        self.rng, self.lines, self.depth, self.counter = rng, [], 1, 0
        self.names = {"s": ["x0[0]"], "v": ["x0", "x1[2]"], "m": ["x1"]}
        self.owned = {"s": [], "v": [], "m": []}
        self.indices = []

    def pick(self, items):
        return items[int(self.rng.integers(len(items)))]

    def line(self, text):
        self.lines.append("    " * self.depth + text)

    def name(self, kind):
        return self.pick(self.names[kind] + self.owned[kind] * 2)

    def index(self):
        if self.indices and self.rng.random() < 0.7:
            return f"{self.pick(self.indices)} % 4"
        return self.pick(["0", "1", "2", "3", "-1", "p[1]", "p[2]"])

    def expression(self, kind, depth=0):
        """An expression of moderate size."""
        if depth > 2 or self.rng.random() < 0.2:
            return self.name(kind)
        inner = lambda k=kind: self.expression(k, depth + 1)  # noqa: E731
        common = [
            lambda: f"np.sin({inner()})",
            lambda: f"np.tanh({inner()})",
            lambda: f"np.cos({inner()} * 0.7)",
            lambda: f"({inner()} * {inner()})",
            lambda: f"({inner()} + {inner()})",
            lambda: f"({inner()} - 0.5 * {inner()})",
            lambda: f"({inner()} / (1.5 + np.sin({inner()})))",
            lambda: f"np.exp(np.sin({inner()}))",
            lambda: f"np.sqrt(2.0 + np.cos({inner()}))",
            lambda: f"({inner()} * {self.expression('s', depth + 1)})",
        ]
        special = {
            "s": [
                lambda: f"{inner('v')}.sum()",
                lambda: f"({inner('v')} @ {inner('v')})",
                lambda: f"{self.name('v')}[{self.index()}]",
                lambda: f"{self.name('m')}[{self.index()}, {self.index()}]",
                lambda: f"{inner('m')}.mean()",
                lambda: f"np.prod({inner('v')} * 0.5)",
            ],
            "v": [
                lambda: f"({inner('m')} @ {inner('v')})",
                lambda: f"({inner('v')} @ {inner('m')})",
                lambda: f"{inner('m')}.sum(axis={self.pick([0, 1])})",
                lambda: f"{self.name('m')}[{self.index()}]",
                lambda: f"{inner('v')}[::-1]",
                lambda: f"np.cumsum({inner('v')})",
                lambda: f"{inner('v')}[p]",
                lambda: f"np.concatenate(({self.name('v')}[1:], {self.name('v')}[:1]))",
                lambda: f"np.where({self.name('v')}.real > 0.1, {inner('v')}, {inner('v')})",
            ],
            "m": [
                lambda: f"({inner('m')} @ {inner('m')} * 0.3)",
                lambda: f"{inner('m')}.T",
                lambda: f"({inner('v')}[:, None] * {inner('v')})",
                lambda: f"({inner('m')} + {inner('v')})",
            ],
        }
        return self.pick(common + special[kind] * 2)()

    def condition(self):
        return f"({self.expression('s', 2)}).real {self.pick(['>', '<'])} {self.rng.normal():.3f}"

    def assign(self):
        kind = self.pick(["s", "s", "v", "v", "m"])
        if self.owned[kind] and (self.rng.random() < 0.6 or self.depth > 1):
            name = self.pick(self.owned[kind])
        else:
            if self.depth > 1:
                return
            self.counter += 1
            name = f"{kind}{self.counter}"
        self.line(f"{name} = np.tanh({self.expression(kind)}) * 1.0")
        if name not in self.owned[kind]:
            self.owned[kind].append(name)

    def write(self):
        kinds = [k for k in ("v", "m") if self.owned[k]]
        if not kinds:
            return
        kind = self.pick(kinds)
        name = self.pick(self.owned[kind])
        small = "s" if kind == "v" else "v"
        choice = self.rng.random()
        if choice < 0.4:
            self.line(f"{name}[{self.index()}] = np.sin({self.expression(small)})")
        elif choice < 0.7:
            self.line(f"{name}[{self.index()}] += 0.5 * np.sin({self.expression(small)})")
        elif choice < 0.85:
            self.line(f"{name}[1:] = np.cos({name}[:-1] * {self.expression('s', 1)})")
        else:
            self.line(f"{name} *= np.cos({self.expression(kind, 1)})")

    def block(self, steps):
        self.depth += 1
        before = len(self.lines)
        for _ in range(steps):
            self.step()
        if len(self.lines) == before:
            self.line("pass")
        self.depth -= 1

    def step(self):
        choice = self.rng.random()
        if self.depth < 4 and choice < 0.14:
            self.line(f"if {self.condition()}:")
            self.block(2)
            if self.rng.random() < 0.6:
                self.line("else:")
                self.block(2)
        elif self.depth < 4 and choice < 0.28:
            self.loop()
        elif choice < 0.6:
            self.write()
        else:
            self.assign()

    def loop(self):
        self.counter += 1
        index = f"i{self.counter}"
        if self.rng.random() < 0.3:
            self.line(f"{index} = 0")
            self.line(f"while {self.condition()} and {index} < {int(self.rng.integers(1, 5))}:")
            self.block(2)
            self.depth += 1
            self.line(f"{index} += 1")
            self.depth -= 1
            return
        spans = ["3", "0", "1, 4", "3, -1, -1", "0, 5, 2", "n"] + [f"{i}" for i in self.indices]
        self.line(f"for {index} in range({self.pick(spans)}):")
        self.indices.append(index)
        self.block(2)
        if self.rng.random() < 0.25:
            self.depth += 1
            self.line(f"if {self.condition()}:")
            self.depth += 1
            self.line("break")
            self.depth -= 2
        self.indices.pop()

    def program(self):
        for kind in ("s", "v", "m"):
            self.counter += 1
            self.owned[kind].append(f"{kind}{self.counter}")
            self.line(f"{kind}{self.counter} = {self.names[kind][0]} * 1.0")
        for _ in range(int(self.rng.integers(4, 9))):
            self.step()
        ends = [(kind, name) for kind, names in self.owned.items() for name in names]
        parts = [name if kind == "s" else f"{name}.sum()" for kind, name in ends]
        self.line(f"return {' + '.join(parts)}")
        return "def f(x0, x1, p, n):\n" + "\n".join(self.lines) + "\n"


def function(number, rng):
    """A random program, and its source text."""
    source = Writer(rng).program()
    name = f"<random {number}>"
    linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
    space = {"np": np, "__name__": "random_program"}
    exec(compile(source, name, "exec"), space)
    return space["f"], source


def check(number, seed, *, native=False):
    """Compare the derivatives of one program; gives its text if they differ."""
    rng = np.random.default_rng([seed, number])
    f, source = function(number, rng)
    x0, x1, p = rng.normal(size=4), rng.normal(size=(4, 4)), rng.integers(-4, 4, 4)
    v0, v1 = rng.normal(size=4), rng.normal(size=(4, 4))
    with np.errstate(all="ignore"):
        expected, *near = (
            f(x0 * (1 + e) + 1j * STEP * v0, x1 * (1 + e) + 1j * STEP * v1, p, 3).imag / STEP
            for e in (0.0, 1e-15, -1e-15)
        )
    gradient = weft.grad(f, wrt=[0, 1])

    def run(one, *args):
        return one(*args) if native else execute(traced(one, *args), one, args)

    g0, g1 = run(gradient, x0, x1, p, 3)
    problems = []
    scale = max(1.0, np.abs(g0 * v0).sum() + np.abs(g1 * v1).sum())
    rounding = max(abs(other - expected) for other in near)  # large where a program is chaotic
    if not abs(np.sum(g0 * v0) + np.sum(g1 * v1) - expected) <= max(1e-9 * scale, rounding):
        problems.append(f"reverse: {np.sum(g0 * v0) + np.sum(g1 * v1)}, complex step: {expected}")
    if number % 4 == 0:
        product = _product(f, p)
        h0, h1 = run(product, (x0, x1), (v0, v1))
        found = np.concatenate([h0.ravel(), h1.ravel()])
        tolerance = 1e-5 * max(1.0, np.abs(found).max())
        for h in (1e-5, 1e-8):  # a program may be so curved that the first is too far
            more, less = (run(gradient, x0 + s * v0, x1 + s * v1, p, 3) for s in (h, -h))
            pairs = zip(more, less, strict=True)
            difference = np.concatenate([((a - b) / (2 * h)).ravel() for a, b in pairs])
            if np.allclose(found, difference, rtol=1e-4, atol=tolerance):
                break
        else:
            problems.append(f"hvp {found} differs from {difference}")
    return "\n".join([*problems, source]) if problems else None


def _product(f, p):
    def product(primals, tangents):
        return weft.hvp(lambda x0, x1: f(x0, x1, p, 3), primals, tangents)

    return product


def main():
    """Check many programs, and say which failed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int)
    parser.add_argument("--native", action="store_true")
    options = parser.parse_args()
    start, failures, refused = time.perf_counter(), 0, 0
    numbers = range(options.count) if options.only is None else [options.only]
    for number in numbers:
        try:
            problem = check(number, options.seed, native=options.native)
        except weft.UnsupportedError as error:  # a name that may or may not be an array that is written
            if error.code != "E064":
                raise
            problem, refused = None, refused + 1
        except Exception as error:
            source = function(number, np.random.default_rng([options.seed, number]))[1]
            problem = f"{type(error).__name__}: {error}\n{source}"
        if problem is not None:
            failures += 1
            sys.stdout.write(f"---- {number}\n{problem}\n")
            sys.stdout.flush()
    seconds = time.perf_counter() - start
    sys.stdout.write(f"{failures} of {len(numbers)} programs differ, {refused} refused; {seconds:.0f} s\n")
    sys.exit(failures > 0)


if __name__ == "__main__":
    main()
