"""Random NumPy functions as Python source: views, writes in place, aliased and captured arrays, calls with changing sizes.

`make(seed, number)` gives the text of a module with one function `f`, and a way to make the arguments of each call. Floats are
small multiples of a quarter and mathematics stays apart from comparisons, so that plain NumPy says what must come out.
Not here: how it is run (`calls.py`).
"""

from dataclasses import dataclass, field

import numpy as np

from tests.fuzz.data import elements

DTYPES = ("float32", "float64", "int32", "int64", "bool", "uint8", "int16", "complex128", "float16")
UNARY = ("np.negative", "np.abs", "np.square", "np.sign")
SMOOTH = ("np.exp", "np.tanh", "np.sin", "np.arctan", "np.cos")
BINARY = ("np.add", "np.subtract", "np.multiply", "np.maximum", "np.minimum")
COMPARE = ("<", "<=", ">", ">=", "==", "!=")


@dataclass
class Array:
    """What is known of a variable: dtype, sizes as names, whether its memory is its own."""

    name: str
    dtype: str
    shape: tuple[str, ...]
    is_view: bool = False


@dataclass
class Source:
    """A random function and its calls."""

    text: str
    signature: list[tuple[str, str, tuple[str, ...], str]]  # name, dtype, sizes, layout
    sizes: list[dict[str, int]]  # of each call
    captured: list[tuple[str, str, tuple[str, ...]]]
    aliased: list[tuple[int, int]]
    is_smooth: bool
    seed: int
    number: int
    facts: set[str] = field(default_factory=set)


class Writer:
    """Writes one function."""

    def __init__(self, seed, number):
        self.rng = np.random.default_rng([seed, number, 7])
        self.seed, self.number = seed, number
        self.names = list("nmk"[: int(self.rng.integers(1, 4))])
        self.arrays = []
        self.lines = []
        self.facts = set()
        self.layouts = set()  # of arguments
        self.is_transposed = False  # whether a value is, so far
        self.count = 0
        self.smooth = self.chance(0.25)
        self.ops = 0

    def chance(self, p):
        return self.rng.random() < p

    def pick(self, items):
        return items[int(self.rng.integers(len(items)))]

    def shape(self):
        rank = int(self.rng.choice(4, p=[0.08, 0.45, 0.37, 0.10]))
        return tuple(self.pick(self.names) for _ in range(rank))

    def fresh(self):
        self.count += 1
        return f"t{self.count}"

    def add(self, text, dtype, shape, *, view=False):
        """A new variable."""
        name = self.fresh()
        self.lines.append(f"{name} = {text}")
        self.arrays.append(Array(name, dtype, shape, view))
        return self.arrays[-1]

    def value(self, test=lambda a: True):
        fits = [a for a in self.arrays if test(a)]
        if not fits:
            return None
        return fits[-1] if self.chance(0.35) else self.pick(fits)

    # ---------------------------------------------------------------- statements

    def step(self):
        """One random statement."""
        kinds = ["binary"] * 4 + ["view"] * 4 + ["write"] * 4 + ["reduce"] * 2 + [
            "unary", "number", "select", "compare", "join", "gather", "create", "out", "dot", "mask", "augment", "alias", "size",
        ]  # fmt: skip
        getattr(self, f"_{self.pick(kinds)}")()

    def _fits(self, shape):
        """A variable or number that broadcasts against a shape."""
        other = self.value(
            lambda a: (
                a.shape == shape
                or ((a.shape == () or a.shape == shape[len(shape) - len(a.shape) :]) and a.dtype != "bool")
            )
        )
        return other

    def _binary(self):
        a = self.value(lambda a: a.dtype != "bool")
        if a is None:
            return
        b = self._fits(a.shape)
        if b is None or b.dtype == "bool":
            return
        dtype = np.result_type(a.dtype, b.dtype).name
        operands = [a.name, b.name] if self.chance(0.5) else [b.name, a.name]
        self.add(f"{self.pick(BINARY)}({', '.join(operands)})" if self.chance(0.5) else f"{operands[0]} {self.pick('+-*')} {operands[1]}",
                 dtype, a.shape)  # fmt: skip

    def _unary(self):
        a = self.value(lambda a: a.dtype != "bool" and a.dtype[0] != "u")
        if a is None:
            return
        if self.smooth and a.dtype.startswith("float") and self.chance(0.6):
            self.add(f"{self.pick(SMOOTH)}(np.minimum({a.name}, 3))", a.dtype, a.shape)
        else:
            self.add(f"{self.pick(UNARY)}({a.name})", a.dtype, a.shape)

    def _number(self):
        a = self.value(lambda a: a.dtype != "bool")
        if a is not None:
            self.add(f"{a.name} {self.pick('+-*')} {self.pick([1, 2, 3])}", a.dtype, a.shape)

    def _compare(self):
        a = self.value(lambda a: a.dtype != "bool")
        b = self._fits(a.shape) if a is not None else None
        if b is not None and not self.smooth and b.dtype != "bool":
            self.add(f"{a.name} {self.pick(COMPARE)} {b.name}", "bool", a.shape)

    def _select(self):
        m = self.value(lambda a: a.dtype == "bool")
        a = self.value(lambda a: m is not None and a.shape == m.shape and a.dtype != "bool")
        if a is not None:
            b = self.value(lambda b: b.shape == a.shape and b.dtype == a.dtype)
            self.add(f"np.where({m.name}, {a.name}, {b.name})", a.dtype, a.shape)

    def _index(self, a):
        """A basic index and the shape it gives; sizes keep their names where the part is whole."""
        parts, shape = [], []
        for d in a.shape:
            way = self.rng.random()
            if way < 0.35:
                parts.append(":")
                shape.append(d)
            elif way < 0.5:
                parts.append("::-1")
                shape.append(d)
            elif way < 0.7:
                parts.append(self.pick(["1:", ":-1"]))
                shape.append(f"({d}-1)")
            elif way < 0.8:
                parts.append(self.pick(["::2"]))
                shape.append(f"(({d}+1)//2)")
            elif way < 0.95:
                parts.append(self.pick(["0", "-1", "1"]))
            else:
                parts.append("1:2")
                shape.append("1")
        return ", ".join(parts), tuple(shape)

    def _view(self):
        a = self.value(lambda a: len(a.shape) > 0)
        if a is None:
            return
        self.facts.add("views")
        way = self.rng.random()
        if way < 0.55:
            index, shape = self._index(a)
            self.add(f"{a.name}[{index}]", a.dtype, shape, view=True)
        elif way < 0.7:
            self.is_transposed = True
            self.add(f"{a.name}.T", a.dtype, a.shape[::-1], view=True)
        elif way < 0.8:
            # in another order than C, an array's ravel is a copy or a view where NumPy's is not (a listed difference);
            # so is that of a reversed argument whose rows lay in reverse order, and of what is computed of a transpose
            copied = ".copy()" if self.layouts & {"F", "negative"} or self.is_transposed else ""
            self.add(f"{a.name}.ravel(){copied}", a.dtype, (f"({'*'.join(a.shape)})",), view=not copied)
        elif way < 0.9:
            self.add(
                f"{a.name}[None]" if self.chance(0.5) else f"np.expand_dims({a.name}, 0)",
                a.dtype,
                ("1", *a.shape),
                view=True,
            )
        else:
            shape = (self.pick(self.names), *a.shape)
            if len(shape) <= 3:
                self.add(
                    f"np.broadcast_to({a.name}, ({', '.join(self.dim(d) for d in shape)},)).copy()",
                    a.dtype,
                    shape,
                )

    def dim(self, d):
        """A size as an expression of the function."""
        for name in self.names:
            d = d.replace(name, f"s_{name}")
        return d

    def _writable(self):
        return self.value(lambda a: len(a.shape) > 0 and a.dtype != "bool")

    def _write(self):
        a = self._writable()
        if a is None:
            return
        self.facts.add("writes")
        index, shape = self._index(a)
        b = self.value(lambda b: b.shape == shape and b.dtype == a.dtype)
        right = b.name if b is not None else self.pick(["1", "2", "0"])
        if self.chance(0.3):
            other = self._index(a)
            right = f"{a.name}[{other[0]}] + 1" if other[1] == shape else right
        operator = self.pick(["=", "=", "+=", "*=", "-="])
        self.lines.append(f"{a.name}[{index}] {operator} {right}")

    def _augment(self):
        a = self._writable()
        b = self.value(lambda b: a is not None and b.dtype == a.dtype and b.shape == a.shape)
        if b is not None:
            self.facts.add("writes")
            self.lines.append(f"{a.name} {self.pick(['+=', '-=', '*='])} {b.name}")

    def _out(self):
        a = self._writable()
        b = self.value(lambda b: a is not None and b.dtype == a.dtype and b.shape == a.shape)
        if b is not None and "(" not in "".join(a.shape):
            self.facts.add("writes")
            self.lines.append(f"{self.pick(BINARY)}({a.name}, {b.name}, out={a.name})")

    def _mask(self):
        a = self._writable()
        m = self.value(lambda m: a is not None and m.dtype == "bool" and m.shape == a.shape)
        if m is not None:
            self.facts.add("writes")
            self.lines.append(f"{a.name}[{m.name}] = {self.pick([0, 1, 2])}")

    def _alias(self):
        a = self.value()
        if a is not None:
            self.lines.append(f"{self.fresh()} = {a.name}")
            self.arrays.append(Array(f"t{self.count}", a.dtype, a.shape, True))

    def _size(self):
        a = self.value(lambda a: len(a.shape) > 0 and a.dtype.startswith("float"))
        if a is not None:
            self.add(f"{a.name} * {a.name}.shape[0]", a.dtype, a.shape)

    def _reduce(self):
        a = self.value(lambda a: len(a.shape) > 0)
        if a is None:
            return
        way = self.pick(["sum", "max", "min", "argmax", "all", "any"])
        if (
            (way in ("all", "any") and a.dtype != "bool")
            or (way == "argmax" and self.smooth)
            or (way == "sum" and a.dtype == "bool")
        ):
            way = "sum" if a.dtype != "bool" else "any"
        dtype = {"argmax": "int64", "all": "bool", "any": "bool"}.get(way, a.dtype)
        if way == "sum" and a.dtype[0] in "iu":
            dtype = "uint64" if a.dtype[0] == "u" else "int64"
        if self.chance(0.3):
            self.add(f"{a.name}.{way}()", dtype, ())
            return
        axis = int(self.rng.integers(len(a.shape)))
        keep = way != "argmax" and self.chance(0.3)
        shape = (*a.shape[:axis], *(("1",) if keep else ()), *a.shape[axis + 1 :])
        self.add(f"{a.name}.{way}(axis={axis}{', keepdims=True' if keep else ''})", dtype, shape)

    def _join(self):
        a = self.value(lambda a: len(a.shape) > 0)
        b = self.value(lambda b: a is not None and b.shape == a.shape and b.dtype == a.dtype)
        if b is None or len(a.shape) > 2:
            return
        if self.chance(0.5):
            self.add(
                f"np.concatenate([{a.name}, {b.name}])",
                a.dtype,
                (f"({a.shape[0]}+{a.shape[0]})", *a.shape[1:]),
            )
        else:
            self.add(f"np.stack([{a.name}, {b.name}])", a.dtype, ("2", *a.shape))

    def _gather(self):
        a = self.value(lambda a: len(a.shape) > 0)
        i = self.value(lambda i: i.dtype == "int64" and len(i.shape) <= 1 and "(" not in "".join(i.shape))
        if a is not None and i is not None and not self.smooth:
            shape = (*i.shape, *a.shape[1:])
            place = f"{i.name} % {a.name}.shape[0]"
            if self.chance(0.4) and a.dtype != "bool" and i.shape:
                self.facts.add("writes")
                self.lines.append(f"{a.name}[{place}] = {self.pick([0, 1, 3])}")
            else:
                self.add(f"{a.name}[{place}]", a.dtype, shape)

    def _create(self):
        shape = self.shape()
        dtype = self.pick(DTYPES)
        way = self.pick(["zeros", "ones", "like", "arange"])
        a = self.value()
        if way == "like" and a is not None:
            self.add(f"np.zeros_like({a.name})", a.dtype, a.shape)
        elif way == "arange":
            d = self.pick(self.names)
            self.add(f"np.arange({self.dim(d)})", "int64", (d,))
        else:
            way = "ones" if way == "ones" else "zeros"
            self.add(
                f"np.{way}(({''.join(self.dim(d) + ', ' for d in shape)}), dtype=np.{dtype if dtype != 'bool' else 'bool_'})",
                dtype,
                shape,
            )

    def _dot(self):
        a = self.value(lambda a: len(a.shape) == 2 and a.dtype in ("float32", "float64"))
        b = self.value(
            lambda b: (
                a is not None and len(b.shape) in (1, 2) and b.dtype == a.dtype and b.shape[0] == a.shape[1]
            )
        )
        if b is not None:
            self.add(f"{a.name} @ {b.name}", a.dtype, (a.shape[0], *b.shape[1:]))

    # ---------------------------------------------------------------- the whole

    def make(self):
        """The function."""
        signature, captured = [], []
        for k in range(int(self.rng.integers(1, 5))):
            shape, dtype = self.shape(), self.pick(DTYPES)
            shape = shape or (self.pick(self.names),)
            if signature and self.chance(0.6):  # two that may be one array
                _, dtype, shape, _ = self.pick(signature)
            layout = str(self.rng.choice(["C", "C", "C", "F", "strided", "negative"]))
            signature.append((f"a{k}", dtype, shape, layout))
            self.layouts.add(layout)
            self.arrays.append(Array(f"a{k}", dtype, shape))
        for k in range(int(self.chance(0.6)) * int(self.rng.integers(1, 3))):
            shape, dtype = self.shape(), self.pick(DTYPES)
            captured.append((f"G{k}", dtype, shape))
            self.arrays.append(Array(f"G{k}", dtype, shape))
            self.facts.add("captured")
        named = [n for n in self.names if any(n in s for _, _, s, _ in signature)]
        unnamed = [n for n in self.names if n not in named]
        for n in unnamed:  # a size that no argument has comes as an int
            signature.append((f"s_{n}", "size", (n,), ""))
        for _ in range(int(self.rng.integers(3, 14))):
            self.step()
        results = [self.pick(self.arrays).name for _ in range(int(self.rng.integers(1, 4)))]
        results.append(self.arrays[-1].name)
        head = []
        for n in named:
            a = next((name, s.index(n)) for name, _, s, _ in signature if n in s)
            head.append(f"s_{n} = {a[0]}.shape[{a[1]}]")
        body = "\n".join(f"    {line}" for line in [*head, *self.lines, f"return {', '.join(results)}"])
        text = f"import numpy as np\n\n\ndef f({', '.join(s[0] for s in signature)}):\n{body}\n"
        aliased = []
        arrays = [k for k, s in enumerate(signature) if s[1] != "size"]
        pairs = [(j, k) for k in arrays for j in arrays if j < k and signature[j][1:3] == signature[k][1:3]]
        if pairs and self.chance(0.85):
            aliased.append(self.pick(pairs))
            self.facts.add("aliased")
        sizes = self._sizes(captured)
        if len({tuple(s.values()) for s in sizes}) > 1:
            self.facts.add("symbolic")
        return Source(
            text, signature, sizes, captured, aliased, self.smooth, self.seed, self.number, self.facts
        )

    def _sizes(self, captured):
        choices = (2, 3, 4, 5, 7, 8, 9, 16, 17, 33, 65)
        fixed = {d for _, _, s in captured for d in s if self.chance(0.5)}
        base = {n: int(self.pick(choices)) for n in self.names}
        calls = [base]
        for _ in range(int(self.pick([0, 2, 3]))):
            calls.append({n: base[n] if n in fixed else int(self.pick(choices)) for n in self.names})
        return calls


def make(seed, number):
    """Function `number` of the sequence that `seed` starts."""
    return Writer(seed, number).make()


def arguments(source, call):
    """(arguments, captured arrays) of a call: the same each time."""
    rng = np.random.default_rng([source.seed, source.number, call, 11])
    sizes = source.sizes[call]
    found = []
    for _, dtype, shape, layout in source.signature:
        if dtype == "size":
            found.append(sizes[shape[0]])
            continue
        found.append(_laid_out(_gentle(rng, dtype, [sizes[d] for d in shape]), layout))
    for j, k in source.aliased:
        found[k] = found[j]
    captured = {
        name: _gentle(rng, dtype, [sizes[d] for d in shape]) for name, dtype, shape in source.captured
    }
    return found, captured


def _gentle(rng, dtype, shape):
    if dtype.startswith("float"):
        return np.asarray(rng.integers(-8, 9, shape) / 4, dtype)
    if dtype == "bool":
        return np.asarray(elements(rng, dtype, shape))
    return np.asarray(rng.integers(0, 9, shape), dtype)


def _laid_out(a, layout):
    if layout == "F":
        return np.asfortranarray(a)
    if layout == "strided":
        wide = np.zeros((*a.shape[:-1], 2 * a.shape[-1]), a.dtype)
        wide[..., ::2] = a
        return wide[..., ::2]
    if layout == "negative":
        return a[::-1].copy()[::-1]
    return a
