"""The text form: `show` prints a Func, `parse` reads it back, `equal` compares two (grammar: `docs/ir.md`).

    func @step[n >= 2](%0_x: f32[n,4], %1: i64) -> (f32[n,4]) stage "tensor" {
      %2 = sin(%0_x) : f32[n,4] !"model.py":12
      return(%2)
    }

One generic form for every op: `results = name(operands) {attributes} (parameters) {ops}... : types
!"file":line`. Values are numbered in print order, so equal programs print equal text. A symbol that is not
one of the function's prints its range, if it has one, where a value of type index first stands for it: `%3:
index(i in 0..9)`. Not here: reading (`parse.py`, whose `parse` is re-exported), checks of what was read
(`verify.py`).
"""

import hashlib
import json
import re
import struct
from collections.abc import Callable, Iterable, Sequence
from typing import cast

import numpy as np

from weft.ir.dims import Dim, Symbol, as_symbol, show_dim
from weft.ir.node import Attribute, Attributes, Func, Op, Region, Value
from weft.ir.parse import Constants, is_symbol_name, parse, parse_dim, parse_type
from weft.ir.source import Location
from weft.ir.types import BufferType, DType, IndexType, TensorType, TokenType, Type, VectorType, dtype_of
from weft.ir.walk import free_values

INLINE_BYTES = 64  # constants above this are parameters of the text, not part of it (DESIGN D25)
_PLAIN_NAN = struct.pack("<d", float("nan"))


def show(
    fn: Func,
    *,
    locations: bool = False,
    names: bool = True,
    constants: Constants | None = None,
    mark: Op | None = None,
    note: str = "here",
) -> str:
    """The text of `fn`.

    `names=False` leaves out the user's names (they mean nothing). Constants above 64 bytes print as their
    hash and are put into `constants`, with which `parse` finds them again. The line of `mark` gets the
    comment `note`.
    """
    printer = _Printer(fn, locations=locations, names=names, constants=constants, mark=mark, note=note)
    return printer.function(fn)


def show_op(op: Op) -> str:
    """One op alone, the values that it uses numbered from 0: for messages."""
    printer = _Printer(Func("", Region()))
    for value in dict.fromkeys([*op.operands, *(v for region in op.regions for v in free_values(region))]):
        printer.define(value)
    printer.op(op, "")
    return "\n".join(printer.lines)


class _Printer:
    """Holds the numbering of one function while it prints."""

    def __init__(
        self,
        fn: Func,
        *,
        locations: bool = False,
        names: bool = True,
        constants: Constants | None = None,
        mark: Op | None = None,
        note: str = "",
    ) -> None:
        self.lines: list[str] = []
        self.names: dict[Value, str] = {}
        self.types: dict[int, str] = {}  # by identity: hashing a type costs more than printing it
        self.known = set(fn.symbols)
        self.locations = locations
        self.user_names = names
        self.constants: Constants = {} if constants is None else constants
        self.mark = mark
        self.note = note

    def function(self, fn: Func) -> str:
        symbols = ", ".join(s.name + _show_range(s) for s in fn.symbols.values())
        header = f"func @{fn.name if fn.name.isidentifier() else json.dumps(fn.name)}"
        header += f"[{symbols}]" if symbols else ""
        header += f"({self.params(fn.params)})"
        results = fn.results if fn.body.ops else ()
        header += f" -> ({', '.join(self.type(v.type) for v in results)})"
        header += f" into {_show_tuple([str(i) for i in fn.into])}" if fn.into else ""
        header += f" strided {_show_tuple([str(i) for i in fn.strided])}" if fn.strided else ""
        self.lines.append(f"{header} stage {json.dumps(fn.stage)} {{")
        self.ops(fn.body, "  ")
        self.lines.append("}\n")
        return "\n".join(self.lines)

    def define(self, value: Value) -> str:
        """Number a value that is defined now."""
        name = value.name if self.user_names else ""
        if not name.isascii() or not name.isidentifier():
            name = re.sub(r"\W", "_", name)
        text = f"%{len(self.names)}_{name}" if name else f"%{len(self.names)}"
        self.names[value] = text
        return text

    def use(self, value: Value) -> str:
        """The text of an operand, also of one that is not defined before its use (only invalid programs)."""
        return self.names.get(value) or f"%undefined_{value.name}"

    def params(self, params: Sequence[Value]) -> str:
        return ", ".join([f"{self.define(p)}: {self.binding_type(p.type)}" for p in params])

    def ops(self, region: Region, indent: str) -> None:
        for op in region.ops:
            self.op(op, indent)

    def op(self, op: Op, indent: str) -> None:
        results = ", ".join([self.define(v) for v in op.results]) + " = " if op.results else ""
        text = f"{indent}{results}{op.name}({', '.join([self.use(v) for v in op.operands])})"
        if op.attributes:
            text += f" {{{self.attributes(op.attributes)}}}"
        comment = f"  # <-- {self.note}" if op is self.mark else ""
        for region in op.regions:
            self.lines.append(f"{text} ({self.params(region.params)}) {{{comment}")
            self.ops(region, indent + "  ")
            text, comment = indent + "}", ""
        if op.results:
            text += f" : {', '.join([self.binding_type(v.type) for v in op.results])}"
        if self.locations and op.locations:
            text += " !" + ", ".join([_show_location(place) for place in op.locations])
        self.lines.append(text + comment)

    def type(self, ty: Type) -> str:
        text = self.types.get(id(ty))
        if text is None:
            text = self.types[id(ty)] = str(ty)
        return text

    def binding_type(self, ty: Type) -> str:
        """The text of a value's type; the first one that stands for a symbol shows the symbol's range."""
        symbol = as_symbol(ty.dim) if isinstance(ty, IndexType) else None
        if symbol is None or symbol.name in self.known:
            return self.type(ty)
        self.known.add(symbol.name)
        return f"index({symbol.name}{_show_range(symbol)})"

    def attributes(self, attributes: Attributes) -> str:
        items = sorted(attributes.items()) if len(attributes) > 1 else attributes.items()
        return ", ".join([f"{key} = {self.attribute(value)}" for key, value in items])

    def attribute(self, value: "Attribute | Type") -> str:
        show_kind = _ATTRIBUTES.get(type(value))
        if show_kind is not None:
            return show_kind(value)
        if isinstance(value, tuple):
            return _show_tuple([self.attribute(item) for item in value])
        if isinstance(value, np.ndarray):
            return self.array(value)
        if isinstance(value, np.generic):
            return self.attribute(cast("Attribute", value.item()))
        raise TypeError(f"an attribute cannot hold {value!r}")

    def array(self, array: np.ndarray) -> str:
        """`array(f32[2], 1.0, 2.0)`, or the bytes or their hash instead of the elements."""
        dtype = dtype_of(array.dtype)
        if dtype is None:
            raise TypeError(f"an attribute cannot hold an array of {array.dtype}")
        ty = TensorType(dtype, array.shape)
        data = np.ascontiguousarray(array).tobytes()
        if len(data) > INLINE_BYTES:
            key = hashlib.sha256(f"{ty}".encode() + data).hexdigest()
            self.constants.setdefault(key, array)
            return f"array({ty}, @{key})"
        elements: list[Attribute] = array.ravel().tolist()
        if np.array(elements, array.dtype).tobytes() != data:  # the payload of a NaN that Python floats lose
            return f'array({ty}, "{data.hex()}")'
        return f"array({', '.join([str(ty), *map(self.attribute, elements)])})"


def _show_bool(value: bool) -> str:
    return "true" if value else "false"


def _show_none(value: None) -> str:
    return "none"


def _show_string(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _show_float(value: float) -> str:
    if value == value or struct.pack("<d", value) == _PLAIN_NAN:
        return repr(value)
    return f'nan("{struct.pack(">d", value).hex()}")'


def _show_complex(value: complex) -> str:
    return f"complex({_show_float(value.real)}, {_show_float(value.imag)})"


def _show_vector(value: VectorType) -> str:
    return f"{value.dtype}x{value.lanes}"  # f32x1, since f32 is the dtype


_ATTRIBUTES: dict[type, Callable[..., str]] = {
    bool: _show_bool,
    int: int.__repr__,
    float: _show_float,
    complex: _show_complex,
    str: _show_string,
    type(None): _show_none,
    DType: str,
    Dim: show_dim,
    VectorType: _show_vector,
    **dict.fromkeys((TensorType, IndexType, BufferType, TokenType), str),
}


def _show_tuple(items: Sequence[str]) -> str:
    return f"({items[0]},)" if len(items) == 1 else f"({', '.join(items)})"


def _show_range(symbol: Symbol) -> str:
    if symbol.upper is not None:
        return f" in {symbol.lower}..{symbol.upper}"
    return f" >= {symbol.lower}" if symbol.lower else ""


def _show_location(place: Location) -> str:
    text = f"{json.dumps(place.file, ensure_ascii=False)}:{place.line}"
    if place.column is not None:
        text += f":{place.column}" + ("" if place.end_column is None else f"-{place.end_column}")
    return text + (f" in {json.dumps(place.function, ensure_ascii=False)}" if place.function else "")


# ---- comparison


def equal(f: Func, g: Func) -> bool:
    """Whether two functions are the same program: all but the user's names and the locations is compared.

    Raises nothing; `first_difference` says where they differ.
    """
    return first_difference(f, g) is None


def first_difference(f: Func, g: Func) -> str | None:
    """What differs first between two functions, or None."""
    headers = [(x.name, x.stage, x.into, x.strided) for x in (f, g)]
    if headers[0] != headers[1]:
        return f"headers differ: {headers[0]} and {headers[1]}"
    if _ranges(f.symbols.values()) != _ranges(g.symbols.values()):
        return "symbols differ"
    return _compare_regions(f.body, g.body, {})


def _ranges(symbols: Iterable[Symbol]) -> list[tuple[str, int, int | None]]:
    return [(s.name, s.lower, s.upper) for s in symbols]


def _same_type(a: Type, b: Type) -> bool:
    if a is b:
        return True
    if a != b:
        return False
    symbols = [as_symbol(ty.dim) if isinstance(ty, IndexType) else None for ty in (a, b)]
    return symbols == [None, None] or _ranges(s for s in symbols[:1] if s) == _ranges(
        s for s in symbols[1:] if s
    )


def _compare_values(
    a: Sequence[Value], b: Sequence[Value], same: dict[Value, Value], where: str
) -> str | None:
    if len(a) != len(b):
        return f"{where}: {len(a)} and {len(b)} values"
    for x, y in zip(a, b, strict=True):
        if not _same_type(x.type, y.type):
            return f"{where}: types {x.type} and {y.type}"
        same[x] = y
    return None


def _compare_regions(a: Region, b: Region, same: dict[Value, Value]) -> str | None:
    difference = _compare_values(a.params, b.params, same, "parameters")
    if difference is None and len(a.ops) != len(b.ops):
        difference = f"{len(a.ops)} and {len(b.ops)} ops"
    for x, y in zip(a.ops, b.ops, strict=False):
        difference = difference or _compare_ops(x, y, same)
    return difference


def _compare_ops(a: Op, b: Op, same: dict[Value, Value]) -> str | None:
    if a.name != b.name or len(a.regions) != len(b.regions):
        return f"{a.name} and {b.name}"
    if [same.get(v) for v in a.operands] != list(b.operands):
        return f"{a.name}: operands differ"
    if a.attributes.keys() != b.attributes.keys():
        return f"{a.name}: attributes {sorted(a.attributes)} and {sorted(b.attributes)}"
    for key, value in a.attributes.items():
        if not same_attribute(value, b.attributes[key]):
            return f"{a.name}: {key} is {value!r} and {b.attributes[key]!r}"
    for x, y in zip(a.regions, b.regions, strict=True):
        difference = _compare_regions(x, y, same)
        if difference:
            return f"{a.name}: {difference}"
    return _compare_values(a.results, b.results, same, a.name)


def same_attribute(a: "Attribute | Type", b: "Attribute | Type") -> bool:
    """Whether two attributes are the same to the bit: 1, 1.0 and true differ, nan equals itself."""
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        if not (isinstance(a, np.ndarray) and isinstance(b, np.ndarray)):
            return False
        return (a.dtype, a.shape) == (b.dtype, b.shape) and a.tobytes() == b.tobytes()
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(map(same_attribute, a, b))
    if type(a) is not type(b):
        return False
    if isinstance(a, float | complex):
        return np.array(a).tobytes() == np.array(b).tobytes()
    return a == b


__all__ = [
    "INLINE_BYTES", "Constants", "equal", "first_difference", "is_symbol_name", "parse", "parse_dim",
    "parse_type", "same_attribute", "show", "show_op",
]  # fmt: skip
