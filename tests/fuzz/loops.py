"""Random Python programs with loops and branches: nested regions, writes in place, views, swaps, breaks, traced bounds.

`make(seed, number)` gives a `Source` as `sources.py` does, run by `calls.py` beside plain Python. Numbers stay exact: floats
are multiples of a quarter within bounds, ints within a modulus, so that any order of a sum gives the same. A name has one
type throughout, and loops over `c` end because `c` grows in them and
inner ones have counts of their own. Not here: straight-line NumPy (`sources.py`).
"""

import numpy as np

from tests.fuzz.sources import Source

HELPERS = """
def bump(z, q):
    z[q % len(z)] += 1.0
    return z[0]


def fold(z, w):
    t = np.zeros_like(z)
    t[1:] = z[:-1]
    return np.minimum(t + w, 60.0)

"""
CLIPPED = "min(max({}, -50.0), 50.0)"


class Loops:
    """Writes one function: `x`, `y`, `z` are vectors of n, `a` a matrix of n by m, `s`, `r` floats, `k`, `c` ints."""

    def __init__(self, seed, number, *, appends):
        self.rng = np.random.default_rng([seed, number, 23])
        self.lines = []
        self.indices = []  # loop variables that are below n
        self.columns = []  # below m
        self.loops = []  # kinds of open loops, the innermost last
        self.facts = {"loops"}
        self.vectors = ["x", "y", "z"]
        self.appends = appends
        self.fresh = 0

    def chance(self, p):
        return self.rng.random() < p

    def pick(self, items):
        return items[int(self.rng.integers(len(items)))]

    def put(self, depth, text):
        self.lines.append("    " * depth + text)

    # ---------------------------------------------------------------- expressions

    def index(self):
        """An int below n."""
        kinds = [*self.indices, *self.indices, "k % n", "0", "-1", "c % n", "n // 2"]
        return self.pick(kinds)

    def column(self):
        return self.pick([*self.columns, *self.columns, "k % m", "0", "-1"])

    def number(self):
        """A float that is exact."""
        kinds = [
            "s", "r", "1.0", "0.25", f"{self.pick(self.vectors)}[{self.index()}]", f"{self.pick(self.vectors)}[{self.index()}]",
            f"a[{self.index()}, {self.column()}]", "float(k)", f"v[{self.pick(['0', '-1', 'k % len(v)'])}]",
        ]  # fmt: skip
        return self.pick(kinds)

    def bounded(self):
        """A float within bounds, a NumPy scalar."""
        text = f"{self.number()} {self.pick('+-')} {self.number()}"
        return f"np.float64({CLIPPED.format(text)})"

    def vector(self):
        """A vector of n within bounds."""
        p, q = self.pick(self.vectors), self.pick(self.vectors)
        kinds = [
            f"np.minimum({p} + {q}, 50.0)", f"np.maximum({p} - {q}, -50.0)", f"np.where({p} > {self.number()}, {p}, {q})",
            f"np.clip({p} + {self.number()}, -50.0, 50.0)", f"fold({p}, 0.5)", f"{p}[::-1] * 1.0", f"np.maximum({p}, a[:, {self.column()}])",
            f"-{p}", f"{p}.copy()", "np.clip(a.sum(axis=1), -50.0, 50.0)",
        ]  # fmt: skip
        return self.pick(kinds)

    def condition(self):
        kinds = [
            f"{self.number()} {self.pick(['<', '>', '>='])} {self.number()}", f"k % {self.pick('234')} == {self.pick('01')}",
            f"{self.pick(self.vectors)}.sum() > {self.number()}", f"({self.pick(self.vectors)} > {self.number()}).any()",
        ]  # fmt: skip
        if self.indices:
            kinds.append(
                f"{self.pick(self.indices)} {self.pick(['<', '>', '=='])} {self.pick(['2', 'k % 5', 'n // 2'])}"
            )
        text = self.pick(kinds)
        if self.chance(0.2):
            text = f"{text} {self.pick(['and', 'or'])} {self.pick(kinds)}"
        return f"not ({text})" if self.chance(0.1) else text

    # ---------------------------------------------------------------- statements

    def block(self, depth, most):
        for _ in range(int(self.rng.integers(1 + most // 4, most + 1))):
            self.statement(depth)

    def statement(self, depth):
        kinds = (
            ["scalar"] * 3
            + ["element"] * 4
            + ["slice"] * 3
            + ["vector"] * 2
            + ["integer", "matrix", "view", "call", "late", "copy"]
        )
        if depth < 4:
            kinds += ["if"] * 3 + ["for"] * 3 + ["while"] * 2
        if self.chance(0.5):
            kinds += ["swap"]
        if self.loops:
            kinds += ["leave"] * 3 + ["append"] * (5 if self.appends else 0)
        getattr(self, f"_{self.pick(kinds)}")(depth)

    def _scalar(self, depth):
        name = self.pick("sr")
        self.put(depth, f"{name} = {self.bounded()}")

    def _integer(self, depth):
        extra = self.pick([*self.indices, "1", "c", f"int({self.number()})"])
        self.put(depth, f"k = (k * {self.pick('235')} + {extra}) % 13")

    def _element(self, depth):
        self.facts.add("writes")
        target = self.pick(
            [f"{self.pick(self.vectors)}[{self.index()}]"] * 2 + [f"a[{self.index()}, {self.column()}]"]
        )
        if self.chance(0.4):
            self.put(depth, f"{target} {self.pick(['+=', '-='])} {self.pick(['1.0', '0.25', '0.5'])}")
        else:
            self.put(depth, f"{target} = {self.bounded()}")

    def _slice(self, depth):
        self.facts.add("writes")
        p, q = self.pick(self.vectors), self.pick(self.vectors)
        w = self.index()
        kinds = [
            f"{p}[1:] = {q}[:-1]", f"{p}[:-1] -= {q}[1:] * 0.5 - {q}[1:] * 0.5", f"{p}[::2] = {self.number()}",
            f"{p}[:] = {self.vector()}", f"{p}[k % n:] += 0.25", f"a[{w}] = np.minimum(a[{w}] + 1.0, 50.0)",
            f"a[:, {self.column()}] = {q}", f"{p}[{p} > 20.0] = 0.0", f"{p} += 0.5",
        ]  # fmt: skip
        if self.indices:
            i = self.pick(self.indices)
            kinds += [
                f"{p}[{i}:] = {q}[{i}:]",
                f"{p}[:{i}] *= -1.0",
                f"{p}[{i} + 1:] += {self.number()} * 0.0",
            ]
        self.put(depth, self.pick(kinds))

    def _vector(self, depth):
        self.facts.add("joins")
        self.put(depth, f"{self.pick(self.vectors)} = {self.vector()}")

    def _matrix(self, depth):
        self.facts |= {"writes", "joins"}
        self.put(depth, self.pick([
            "a[1:, 1:] = np.minimum(a[:-1, :-1] + 0.25, 50.0)", "a[:, 0] = a[:, -1]", "a[0] *= -1.0",
            f"a[{self.index()}, :] = {self.number()}", "a = np.maximum(a - 0.5, -50.0)",
        ]))  # fmt: skip

    def _view(self, depth):
        self.facts.add("views")
        kinds = [
            f"{self.pick(self.vectors)}[1:]",
            f"{self.pick(self.vectors)}[::-1]",
            f"a[{self.index()}]",
            f"a[:, {self.column()}]",
        ]
        self.fresh += 1
        name = f"w{self.fresh}"
        self.put(depth, f"{name} = {self.pick(kinds)}")
        self.put(depth, f"{name}[{self.pick(['0', '-1', f'k % len({name})'])}] = {self.bounded()}")
        if self.chance(0.5):
            self.put(depth, f"{name} -= 0.25")

    def _swap(self, depth):
        self.facts.add("joins")
        order = self.pick([["x", "y"], ["y", "z"], ["x", "y", "z"]])
        turned = order[1:] + order[:1]
        self.put(depth, f"{', '.join(order)} = {', '.join(turned)}")

    def _late(self, depth):
        """An element is read before it is written, and used afterwards."""
        p, i = self.pick(self.vectors), self.index()
        self.put(depth, f"o = {p}[{i}]")
        self.put(depth, f"{p}[{i}] = {self.bounded()}")
        self.put(depth, f"s = np.float64({CLIPPED.format(f'o - {p}[{i}]')})")

    def _copy(self, depth):
        """What an array held before it was written is used afterwards."""
        p, i = self.pick(self.vectors), self.index()
        self.put(depth, f"q = {p}.copy()")
        self.put(depth, f"{p}[{i}] = {self.bounded()}")
        self.put(depth, f"s = np.float64({CLIPPED.format('q.sum()')})")

    def _exchange(self, depth):
        """A step of two buffers that change places."""
        self.facts.add("joins")
        self.put(depth, "y[1:] = np.clip(x[:-1] + 0.5, -50.0, 50.0)")
        self.put(depth, "x, y = y, x")

    def _call(self, depth):
        self.put(
            depth, f"s = np.float64({CLIPPED.format(f'bump({self.pick(self.vectors)}, {self.index()})')})"
        )

    def _append(self, depth):
        self.facts.add("appends")
        self.put(depth, f"out.append({self.pick(['s * 1.0', 'x[0] + s'])})")

    def _leave(self, depth):
        way = self.pick(["break", "continue", "break", "return"])
        self.put(depth, f"if {self.condition()}:")
        if self.chance(0.4):
            self._element(depth + 1)
        if way == "return":
            self.facts |= {"returns", "joins"}
            self.put(
                depth + 1, "return x, y, z * 1.0, s, r, k, v, a" + (", np.array(out)" if self.appends else "")
            )
        else:
            self.facts.add("breaks")
            self.put(depth + 1, way)

    def _if(self, depth):
        self.facts |= {"nested"} if self.loops else set()
        self.put(depth, f"if {self.condition()}:")
        self.block(depth + 1, 2)
        if self.chance(0.3):
            self.put(depth, f"elif {self.condition()}:")
            self.block(depth + 1, 2)
        if self.chance(0.5):
            self.put(depth, "else:")
            self.block(depth + 1, 2)

    def _for(self, depth):
        self.fresh += 1
        name = f"i{self.fresh}"
        bounds = ["n", "n", "1, n", "n - 1, -1, -1", "0, n, 2", "k % n", "int(abs(s)) % n"]
        if self.indices:
            bounds += [f"{self.pick(self.indices)}, n", self.pick(self.indices)] * 2
        way = self.rng.random()
        names, target = [name], self.indices
        if way < 0.7:
            bound = self.pick(bounds)
            self.facts |= {"bounds"} if "i" in bound or "k" in bound else set()
            head = f"for {name} in range({bound}):"
        elif way < 0.8:
            head, target = f"for {name} in range(m):", self.columns
        elif way < 0.9:
            head = f"for {name}, e{self.fresh} in enumerate({self.pick(self.vectors)}.copy()):"
        else:
            head = f"for {name}, e{self.fresh} in zip(range(n), {self.pick(self.vectors)} * 1.0):"
        self.put(depth, head)
        self.facts |= {"nested loops"} if self.loops else set()
        target.extend(names)
        self.loops.append("for")
        self.block(depth + 1, 3)
        if self.chance(0.15):
            self._exchange(depth + 1)
        self.loops.pop()
        del target[-1]
        if self.chance(0.1):
            self.put(depth, "else:")
            self.block(depth + 1, 1)

    def _while(self, depth):
        self.facts.add("while")
        limit = self.pick(["9", "n", "k + 3"])
        self.fresh += 1
        count = f"c{self.fresh}" if "while" in self.loops else "c"  # the loop around must end, too
        self.put(depth, f"{count} = 0")
        test = f"{count} < {limit}" if self.chance(0.4) else f"{count} < {limit} and ({self.condition()})"
        self.facts |= {"nested loops"} if self.loops else set()
        self.put(depth, f"while {test}:")
        self.put(depth + 1, f"{count} += 1")
        if "while" not in self.loops:
            self.loops.append("while")
            self.block(depth + 1, 3)
            self.loops.pop()
        else:
            self._element(depth + 1)

    # ---------------------------------------------------------------- the whole

    def make(self, seed, number):
        head = [
            "n = len(x)",
            "m = a.shape[1]",
            "k, c = 3, 0",
            "s = np.float64(0.5)",
            "r = x[0]",
            "z = np.zeros(n)",
            "v = y[1:]",
        ]
        if self.chance(0.5):  # else names of arguments are bound anew, too: often a copy is asked for
            self.facts.add("copies")
            head.insert(0, "x, y = x.copy(), y * 1.0")
        if self.appends:
            head.append("out = []")
        self.put(
            1,
            self.pick(
                ["for i0 in range(n):", "for i0 in range(n):", "for i0 in range(steps):", "if x[0] > 0:"]
            ),
        )
        first = self.lines[-1].strip()
        if "range(n)" in first:
            self.indices.append("i0")
        if first.startswith("for"):
            self.loops.append("for")
        self.block(2, 5)
        self.indices.clear()
        self.loops.clear()
        self.block(1, 2)
        body = "\n".join([*(f"    {line}" for line in head), *self.lines])
        results = "x, y, z * 1.0, s, r, k, v, a" + (", np.array(out)" if self.appends else "")
        text = f"import numpy as np\n\n{HELPERS}\ndef f(x, y, a, steps):\n{body}\n    return {results}\n"
        signature = [("x", "float64", ("n",), "C"), ("y", "float64", ("n",), "C"), ("a", "float64", ("n", "m"), "C"),
                     ("steps", "size", ("t",), "")]  # fmt: skip
        sizes = [
            {"n": int(self.pick([3, 4, 7])), "m": int(self.pick([2, 3, 5])), "t": int(self.pick([1, 4, 6]))}
        ]
        if self.chance(0.5):
            sizes.append({"n": int(self.pick([5, 9, 12])), "m": sizes[0]["m"], "t": int(self.pick([2, 5]))})
        return Source(text, signature, sizes, [], [], False, seed, number, self.facts)


def make(seed, number, *, appends=False):
    """Function `number` of the sequence that `seed` starts; with appends to a list in loops if asked for."""
    return Loops(seed, number, appends=appends).make(seed, number)
