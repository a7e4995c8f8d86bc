"""The parser of the text form that `text.py` prints.

It knows no op: names, attributes and types are read as they stand, and `verify.py` judges them.
"""

import json
import re
import struct
from bisect import bisect_right
from collections.abc import Callable, MutableMapping
from typing import NoReturn, TypeVar

import numpy as np

from weft.ir.dims import DimLike, Symbol, atom_dim, floor_divide, maximum, minimum, modulo
from weft.ir.errors import UserError
from weft.ir.node import Attribute, Func, Op, Region, Value
from weft.ir.source import Location
from weft.ir.types import (
    DTYPES,
    TOKEN,
    BufferType,
    DType,
    IndexType,
    TensorType,
    Type,
    VectorType,
)  # fmt: skip

T = TypeVar("T")
Constants = MutableMapping[str, np.ndarray]
"""The arrays that the text names by their hash."""

_TOKEN = re.compile(
    r"""(?P<skip>[ \t\r\n]+|\#[^\n]*)
    |(?P<value>%\w+)
    |(?P<hash>@[0-9a-f]{64}\b)
    |(?P<function>@\w*)
    |(?P<number>\d+\.\.(?=\d|-)|\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)
    |(?P<string>"(?:[^"\\\n]|\\.)*")
    |(?P<name>\w+(?:\.\w+)*)
    |(?P<punctuation>->|>=|\.\.|[-+*=(){}\[\]<>,:!])
    """,
    re.VERBOSE,
)
_VECTOR = re.compile(r"(\w+?)x(\d+)$")
_COMPOUNDS: dict[str, Callable[[DimLike, DimLike], DimLike]] = {
    "floordiv": floor_divide,
    "mod": modulo,
    "min": minimum,
    "max": maximum,
}
_WORDS = frozenset(
    {"true", "false", "none", "nan", "inf", "array", "complex", "index", "token", "buffer", "in"}
)


def is_symbol_name(name: str) -> bool:
    """Whether a symbol may have this name: an identifier that means nothing else in the text."""
    taken = name in _WORDS or name in DTYPES or name in _COMPOUNDS
    return name.isidentifier() and not taken and _vector(name) is None


def _vector(name: str) -> VectorType | None:
    match = _VECTOR.match(name)
    return VectorType(DTYPES[match[1]], int(match[2])) if match and match[1] in DTYPES else None


class ParseError(UserError, SyntaxError):
    """The text of a program cannot be read; the message starts with `file:line:column`."""

    default_code = "E090"


def parse(text: str, file: str = "<text>", constants: Constants | None = None) -> Func:
    """Read one function; `constants` has the arrays that the text names by their hash. Raises ParseError."""
    parser = _Parser(text, file, constants or {})
    fn = parser.function()
    parser.end()
    return fn


def parse_type(text: str, symbols: dict[str, Symbol] | None = None) -> Type:
    """Read a type; symbols that are not in `symbols` have no range."""
    parser = _Parser(text, "<type>", {}, symbols)
    ty = parser.type()
    parser.end()
    return ty


def parse_dim(text: str, symbols: dict[str, Symbol] | None = None) -> DimLike:
    """Read a size expression; symbols that are not in `symbols` have no range."""
    parser = _Parser(text, "<size>", {}, symbols)
    dim = parser.dim()
    parser.end()
    return dim


class _Parser:
    """Tokens of one text and a position in them; each method reads what its name says."""

    def __init__(
        self, text: str, file: str, constants: Constants, symbols: dict[str, Symbol] | None = None
    ) -> None:
        self.text = text
        self.file = file
        self.constants = constants
        self.symbols: dict[str, Symbol] = dict(symbols or {})
        self.values: dict[str, Value] = {}
        self.position = 0
        self.kinds: list[str] = []
        self.tokens: list[str] = []
        self.places: list[int] = []
        self.tokenize()
        self.find_ranges()

    # ---- tokens

    def tokenize(self) -> None:
        place = 0
        while place < len(self.text):
            match = _TOKEN.match(self.text, place)
            if match is None:
                self.fail_at(place, f"unexpected character {self.text[place]!r}")
            if match.lastgroup == "number" and match[0].endswith(".."):  # 2..9 is a range
                self.add("number", match[0][:-2], place)
                self.add("punctuation", "..", match.end() - 2)
            elif match.lastgroup != "skip":
                self.add(str(match.lastgroup), match[0], place)
            place = match.end()
        self.add("end", "end of text", len(self.text))

    def add(self, kind: str, token: str, place: int) -> None:
        self.kinds.append(kind)
        self.tokens.append(token)
        self.places.append(place)

    def fail_at(self, place: int, sentence: str) -> NoReturn:
        starts = [0, *(m.end() for m in re.finditer("\n", self.text))]
        line = bisect_right(starts, place)
        column = place - starts[line - 1] + 1
        excerpt = self.text.splitlines()[line - 1] if self.text.splitlines()[line - 1 : line] else ""
        marks = "".join("\t" if c == "\t" else " " for c in excerpt[: column - 1]) + "^"
        raise ParseError(f"{self.file}:{line}:{column}: {sentence}\n{excerpt}\n{marks}")

    def fail(self, sentence: str) -> NoReturn:
        self.fail_at(self.places[self.position], sentence)

    def expected(self, what: str) -> NoReturn:
        kind, token = self.kinds[self.position], self.tokens[self.position]
        self.fail(f"expected {what}, got {token if kind == 'end' else repr(token)}")

    @property
    def token(self) -> str:
        return self.tokens[self.position]

    @property
    def kind(self) -> str:
        return self.kinds[self.position]

    def accept(self, token: str) -> bool:
        if self.tokens[self.position] == token and self.kinds[self.position] != "string":
            self.position += 1
            return True
        return False

    def expect(self, token: str) -> None:
        if not self.accept(token):
            self.expected(repr(token))

    def take(self, kind: str, what: str) -> str:
        if self.kind != kind:
            self.expected(what)
        self.position += 1
        return self.tokens[self.position - 1]

    def name(self) -> str:
        return self.take("name", "name")

    def string(self) -> str:
        return str(json.loads(self.take("string", "string")))

    def integer(self) -> int:
        sign = -1 if self.accept("-") else 1
        if not self.token.isdecimal():
            self.expected("number")
        return sign * int(self.take("number", "number"))

    def end(self) -> None:
        if self.kind != "end":
            self.expected("end of text")

    def several(self, read: Callable[[], T], close: str) -> list[T]:
        """Items with commas between them, up to and with `close`."""
        items: list[T] = []
        while not self.accept(close):
            items.append(read())
            if not self.accept(","):
                self.expect(close)
                break
        return items

    # ---- sizes and types

    def find_ranges(self) -> None:
        """Read all `index(name in ..)` and `index(name >= ..)` first: sizes may mention a symbol earlier."""
        for i in range(len(self.tokens) - 4):
            if self.tokens[i] == "index" and self.tokens[i + 1] == "(" and self.tokens[i + 3] in ("in", ">="):
                self.position = i + 2
                self.symbol()
        self.position = 0

    def symbol(self) -> Symbol:
        """A symbol with its range: `n`, `n >= 2` or `n in 2..9`."""
        name = self.name()
        if not is_symbol_name(name):
            self.position -= 1
            self.fail(f"{name!r} cannot be the name of a symbol")
        lower, upper = 0, None
        if self.accept(">="):
            lower = self.integer()
        elif self.accept("in"):
            lower = self.integer()
            self.expect("..")
            upper = self.integer()
        else:
            return self.symbols.setdefault(name, Symbol(name))
        self.symbols[name] = Symbol(name, lower, upper)
        return self.symbols[name]

    def dim(self) -> DimLike:
        total = -self.product() if self.accept("-") else self.product()
        while self.token in ("+", "-"):
            plus = self.accept("+") or not self.accept("-")
            term = self.product()
            total = total + term if plus else total - term
        return total

    def product(self) -> DimLike:
        total = self.factor()
        while self.accept("*"):
            total = total * self.factor()
        return total

    def factor(self) -> DimLike:
        if self.kind == "number":
            return self.integer()
        if self.kind != "name":
            self.expected("size")
        combine = _COMPOUNDS.get(self.token)
        if combine is None:
            return atom_dim(self.known_symbol())
        self.position += 1
        self.expect("(")
        left = self.dim()
        self.expect(",")
        right = self.dim()
        self.expect(")")
        return combine(left, right)

    def known_symbol(self) -> Symbol:
        if not is_symbol_name(self.token):
            self.expected("name of a symbol")
        name = self.name()
        return self.symbols.setdefault(name, Symbol(name))

    def shape(self) -> tuple[DimLike, ...]:
        self.expect("[")
        return tuple(self.several(self.dim, "]"))

    def dtype(self) -> DType:
        if self.token not in DTYPES:
            self.expected("dtype")
        return DTYPES[self.name()]

    def type(self) -> Type:
        if self.accept("token"):
            return TOKEN
        if self.accept("index"):
            return self.index_type()
        words = self.token.split(".")
        if words[0] == "buffer":
            return self.buffer_type(words[1:])
        vector = _vector(self.token)
        if vector is not None:
            self.position += 1
            return vector
        if self.token not in DTYPES:
            self.expected("type")
        dtype = self.dtype()
        return TensorType(dtype, self.shape()) if self.token == "[" else VectorType(dtype)

    def index_type(self) -> IndexType:
        self.expect("(")
        if self.tokens[self.position + 1] in ("in", ">="):
            dim: DimLike = atom_dim(self.symbol())
        else:
            dim = self.dim()
        self.expect(")")
        return IndexType(dim)

    def buffer_type(self, words: list[str]) -> BufferType:
        self.name()
        strided = words[:1] == ["strided"]
        spaces = words[1:] if strided else words
        self.expect("<")
        dtype, shape = self.dtype(), self.shape()
        self.expect(">")
        return BufferType(dtype, shape, strided, spaces[0] if spaces else "global")

    # ---- attributes

    def attribute(self) -> "Attribute | Type":
        if self.kind == "string":
            return self.string()
        if self.accept("("):
            return tuple(self.several(self.attribute, ")"))  # pyright: ignore[reportReturnType] -- types nest too
        read = _ATTRIBUTES.get(self.token)
        if read is not None:
            self.position += 1
            return read(self)
        if self.is_type():
            if self.token in DTYPES and self.tokens[self.position + 1] != "[":
                return self.dtype()
            return self.type()
        if self.is_float():
            return self.float()
        return self.dim()

    def is_type(self) -> bool:
        word = self.token.split(".")[0]
        return self.kind == "name" and (
            word in ("buffer", "index", "token") or word in DTYPES or _vector(word) is not None
        )

    def is_float(self) -> bool:
        token = self.tokens[self.position + 1] if self.token == "-" else self.token
        return token in ("nan", "inf") or (token[0].isdecimal() and not token.isdecimal())

    def float(self) -> float:
        sign = "-" if self.accept("-") else ""
        if self.accept("nan"):
            if not self.accept("("):
                return float("nan")
            bits = self.string()
            self.expect(")")
            return float(struct.unpack(">d", bytes.fromhex(bits))[0])
        if self.accept("inf"):
            return float(sign + "inf")
        return float(sign + self.take("number", "number"))

    def real(self) -> "float":
        return self.float() if self.is_float() else float(self.integer())

    def complex(self) -> complex:
        self.expect("(")
        real = self.real()
        self.expect(",")
        imaginary = self.real()
        self.expect(")")
        return complex(real, imaginary)

    def array(self) -> np.ndarray:
        self.expect("(")
        ty = self.type()
        numpy = ty.dtype.numpy if isinstance(ty, TensorType) else None
        if not isinstance(ty, TensorType) or numpy is None or not all(isinstance(d, int) for d in ty.shape):
            self.fail("an array needs a dtype of NumPy and sizes that are numbers")
        shape = tuple(d for d in ty.shape if isinstance(d, int))
        if self.accept(")"):
            return np.zeros(shape, numpy)
        self.expect(",")
        if self.kind == "hash":
            array = self.constants.get(self.token[1:])
            if array is None:
                self.fail(f"the constant {self.token} was not given")
            self.position += 1
            self.expect(")")
            return array
        if self.kind == "string":
            array = np.frombuffer(bytes.fromhex(self.string()), numpy)
            self.expect(")")
        else:
            array = np.array(self.several(self.attribute, ")"), numpy)
        if array.size != ty.size:
            self.fail(f"{ty} has {ty.size} elements, got {array.size}")
        return array.reshape(shape)

    # ---- ops

    def function(self) -> Func:
        if not self.accept("func"):
            self.expected("'func'")
        name = self.take("function", "'@name'")[1:] or self.string()
        symbols = {s.name: s for s in (self.several(self.symbol, "]") if self.accept("[") else [])}
        self.expect("(")
        body = self.params()
        self.expect("->")
        self.expect("(")
        results_at = self.position
        results = self.several(self.type, ")")
        into, strided = self.numbers("into"), self.numbers("strided")
        stage = self.string() if self.accept("stage") else "tensor"
        self.ops(body)
        fn = Func(name, body, symbols, stage, into, strided)
        if [v.type for v in fn.results] != results:
            self.position = results_at
            self.fail(f"the header gives ({', '.join(map(str, results))}) and the function returns others")
        return fn

    def numbers(self, word: str) -> tuple[int, ...]:
        """The numbers after a word of the header, if it is there."""
        if not self.accept(word):
            return ()
        self.expect("(")
        return tuple(self.several(self.integer, ")"))

    def params(self) -> Region:
        region = Region()

        def read() -> None:
            self.define(lambda ty, name: region.add_param(ty, name))

        self.several(read, ")")
        return region

    def define(self, make: Callable[[Type, str], Value]) -> None:
        at = self.position
        token = self.take("value", "'%name'")
        self.expect(":")
        self.bind(token, make(self.type(), _user_name(token)), at)

    def bind(self, token: str, value: Value, at: int) -> None:
        if token in self.values:
            self.fail_at(self.places[at], f"{token} is defined twice")
        self.values[token] = value

    def ops(self, region: Region) -> None:
        self.expect("{")
        while not self.accept("}"):
            if self.kind == "end":
                self.expected("'}'")
            region.ops.append(self.op())
        if not region.ops:
            self.position -= 1
            self.expected("op")

    def op(self) -> Op:
        at = self.position
        results: list[str] = []
        while self.kind == "value":
            results.append(self.take("value", "value"))
            if not self.accept(","):
                self.expect("=")
                break
        name = self.name()
        self.expect("(")
        operands = self.several(self.operand, ")")
        attributes: dict[str, Attribute] = {}
        if self.accept("{"):
            attributes = dict(self.several(self.item, "}"))
        regions: list[Region] = []
        while self.accept("("):
            regions.append(self.params())
            self.ops(regions[-1])
        types = self.types() if self.accept(":") else []
        if len(types) != len(results):
            self.fail_at(self.places[at], f"{name} has {len(results)} results and {len(types)} types")
        op = Op(name, operands, types, attributes, regions, self.locations())
        for token, value in zip(results, op.results, strict=True):
            value.name = _user_name(token)
            self.bind(token, value, at)
        return op

    def types(self) -> list[Type]:
        types = [self.type()]
        while self.accept(","):
            types.append(self.type())
        return types

    def operand(self) -> Value:
        token = self.take("value", "value")
        if token not in self.values:
            self.position -= 1
            self.fail(f"{token} is not defined here")
        return self.values[token]

    def item(self) -> tuple[str, Attribute]:
        key = self.name()
        self.expect("=")
        return key, self.attribute()  # pyright: ignore[reportReturnType] -- the type of a constant is one too

    def locations(self) -> tuple[Location, ...]:
        places: list[Location] = []
        if self.accept("!"):
            places.append(self.location())
            while self.accept(","):
                places.append(self.location())
        return tuple(places)

    def location(self) -> Location:
        file = self.string()
        self.expect(":")
        line = self.integer()
        column = self.integer() if self.accept(":") else None
        end = self.integer() if column is not None and self.accept("-") else None
        return Location(file, line, column, end, self.string() if self.accept("in") else "")


def _user_name(token: str) -> str:
    return token.partition("_")[2]


_ATTRIBUTES: dict[str, Callable[[_Parser], "Attribute"]] = {
    "true": lambda parser: True,
    "false": lambda parser: False,
    "none": lambda parser: None,
    "complex": _Parser.complex,
    "array": _Parser.array,
}
