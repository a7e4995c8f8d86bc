"""The companion of a program, `NAME_prepare(numbers)`: guards and sizes, every step checked for overflow.

Not here: sizes inside a program, which need no check since `prepare` has made it (`Writer.dim`).
"""

from weft.backends.cpu.writer import Module, Writer
from weft.ir import InternalError
from weft.ir.dims import DimLike, Symbol, fold_dim
from weft.ir.target import Target
from weft.runtime.interface import OVERFLOWED, Guard, Interface

_RELATIONS = {"==": "eq", "!=": "ne", "<": "slt", "<=": "sle", ">": "sgt", ">=": "sge"}


class _Checked:
    """Sizes as LLVM values, with a flag that is set once a step overflows."""

    def __init__(self, interface: Interface) -> None:
        self.writer = Writer(Module(interface.name, Target(""), {}))
        self.slots = {name: slot for slot, name in enumerate(interface.numbers)}
        self.loaded: dict[str, str] = {}
        self.overflow = "false"

    def dim(self, value: DimLike) -> str:
        return fold_dim(value, str, self.symbol, self.combine)

    def place(self, slot: int) -> str:
        return self.writer.let(f"getelementptr inbounds i64, ptr %numbers, i64 {slot}")

    def symbol(self, symbol: Symbol) -> str:
        if symbol.name not in self.loaded:
            slot = self.slots.get(symbol.name)
            if slot is None:
                raise InternalError(f"the size {symbol.name} is not among the numbers of the program")
            self.loaded[symbol.name] = self.writer.let(f"load i64, ptr {self.place(slot)}, align 8")
        return self.loaded[symbol.name]

    def combine(self, kind: str, a: str, b: str) -> str:
        writer = self.writer
        match kind:
            case "add" | "mul":
                pair = writer.let(f"call {{ i64, i1 }} @llvm.s{kind}.with.overflow.i64(i64 {a}, i64 {b})")
                self.flag(writer.let(f"extractvalue {{ i64, i1 }} {pair}, 1"))
                return writer.let(f"extractvalue {{ i64, i1 }} {pair}, 0")
            case "min" | "max":
                return writer.let(f"call i64 @llvm.s{kind}.i64(i64 {a}, i64 {b})")
            case _:
                self.flag(writer.let(f"icmp slt i64 {b}, 1"))  # a divisor must be positive
                return writer.floor(kind, a, writer.let(f"call i64 @llvm.smax.i64(i64 {b}, i64 1)"))

    def flag(self, condition: str) -> None:
        self.overflow = self.writer.let(f"or i1 {self.overflow}, {condition}")

    def fails(self, guard: Guard) -> str:
        holds = self.writer.let(
            f"icmp {_RELATIONS[guard.relation]} i64 {self.dim(guard.left)}, {self.dim(guard.right)}"
        )
        return self.writer.let(f"xor i1 {holds}, true")


def emit_prepare(interface: Interface) -> str:
    """LLVM text of `NAME_prepare`. Results are stored also where it fails; they mean nothing then."""
    sizes = _Checked(interface)
    writer, code = sizes.writer, "0"
    failures = [sizes.fails(guard) for guard in interface.guards]
    for number in reversed(range(len(failures))):
        code = writer.let(f"select i1 {failures[number]}, i32 {number + 1}, i32 {code}")
    for slot, value in interface.computed:
        text = sizes.dim(value)
        writer.line(f"store i64 {text}, ptr {sizes.place(slot)}, align 8")
    code = writer.let(f"select i1 {sizes.overflow}, i32 {OVERFLOWED}, i32 {code}")
    lines = "\n".join(writer.lines)
    return f'define i32 @"{interface.prepare_name}"(ptr %numbers) #0 {{\n{lines}\n  ret i32 {code}\n}}\n'
