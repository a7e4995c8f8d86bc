"""Native functions (`native.py`) to LLVM IR text.

Holds the translator. Compiling and loading the text is `link.py`. Each local lives in a stack slot, each
address is cast where it is used; LLVM makes registers and addresses of them.
"""

import ast
import enum
from collections.abc import Callable, Mapping, Sequence

from weft.backends.cpu.native import External, Native, NativeSyntaxError, Static, find_native
from weft.runtime.layout import Field, Struct, Words

_INTRINSICS: dict[str, str] = {
    "atomic_store": "store atomic i64 {1}, ptr {0} seq_cst, align 8",
    "atomic_load": "load atomic i64, ptr {0} seq_cst, align 8",
    "atomic_add": "atomicrmw add ptr {0}, i64 {1} seq_cst",
    "atomic_exchange": "atomicrmw xchg ptr {0}, i64 {1} seq_cst",
}
_PAUSE = {"x86_64": ("@llvm.x86.sse2.pause()", "()"), "aarch64": ("@llvm.aarch64.isb(i32 15)", "(i32)")}


# ---- translation -------------------------------------------------------------------------------------------


def translate(
    exports: Sequence[Callable[..., int]], *, architecture: str, constants: Mapping[str, int] | None = None
) -> str:
    """The LLVM IR text of `exports` and of all native functions that they reach, which are internal.

    `architecture` is "x86_64" or "aarch64". `constants` replaces module constants of that name (system call
    numbers).
    """
    module = _Module(architecture, dict(constants or {}))
    visible = [module.reach(fn) for fn in exports]
    bodies: list[str] = []
    while module.waiting:
        fn = module.waiting.pop()
        bodies.append(_Function(module, fn, visible=fn.name in visible).text())
    return "\n".join([*sorted(module.declarations), *module.statics.values(), *bodies, ""])


class _Module:
    """What the functions of a module share."""

    def __init__(self, architecture: str, constants: dict[str, int]) -> None:
        self.architecture = architecture
        self.constants = constants
        self.declarations: set[str] = set()
        self.statics: dict[str, str] = {}
        self.reached: dict[str, Native] = {}
        self.waiting: list[Native] = []

    def reach(self, item: object) -> str | None:
        """The symbol of a native function, which is noted to be translated; None for other objects."""
        fn = find_native(item)
        if fn is None:
            return None
        if fn.name not in self.reached:
            self.reached[fn.name] = fn
            self.waiting.append(fn)
        if self.reached[fn.name] is not fn:
            raise NativeSyntaxError(f"two native functions are called {fn.name}")
        return fn.name

    def static(self, place: Static) -> str:
        kind = f"[{place.size_bytes} x i8] zeroinitializer, align {place.alignment}"
        self.statics[place.name] = f"@{place.name} = internal global {kind}"
        return f"ptrtoint (ptr @{place.name} to i64)"


_BINARY: dict[type[ast.operator], str] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.FloorDiv: "sdiv", ast.Mod: "srem", ast.BitAnd: "and",
    ast.BitOr: "or", ast.BitXor: "xor", ast.LShift: "shl", ast.RShift: "ashr",
}  # fmt: skip
_COMPARE: dict[type[ast.cmpop], str] = {
    ast.Eq: "eq", ast.NotEq: "ne", ast.Lt: "slt", ast.LtE: "sle", ast.Gt: "sgt", ast.GtE: "sge",
}  # fmt: skip


class _Function:
    """Translates one function. Locals live in stack slots, which LLVM turns into registers."""

    def __init__(self, module: _Module, fn: Native, *, visible: bool) -> None:
        self.module, self.fn, self.visible = module, fn, visible
        self.tree, self.scope = fn.tree(), fn.scope
        self.slots: list[str] = []
        self.lines: list[str] = []
        self.types: dict[str, object] = {}
        self.loops: list[tuple[str, str]] = []
        self.count = 0
        self.is_open = True

    def text(self) -> str:
        parameters = [argument.arg for argument in self.tree.args.args]
        for argument in self.tree.args.args:
            self.declare(argument.arg, argument.annotation)
            self.emit(f"store i64 %{argument.arg}.in, ptr %v.{argument.arg}")
        self.body(self.tree.body)
        if self.is_open:
            self.emit("ret i64 0")
        head = ", ".join(f"i64 %{name}.in" for name in parameters)
        linkage = "" if self.visible else "internal "
        hot = "nounwind" if self.visible else "nounwind alwaysinline"
        traits = "nounwind noinline cold" if self.fn.is_cold else hot
        lines = ["entry:", *self.slots, *self.lines]
        return f"define {linkage}i64 @{self.fn.name}({head}) {traits} {{\n" + "\n".join(lines) + "\n}"

    # -- emission

    def emit(self, line: str) -> None:
        if self.is_open:
            self.lines.append("  " + line)

    def value(self, line: str) -> str:
        self.count += 1
        self.emit(f"%t{self.count} = {line}")
        return f"%t{self.count}"

    def label(self, hint: str) -> str:
        self.count += 1
        return f"{hint}{self.count}"

    def end(self, line: str) -> None:
        self.emit(line)
        self.is_open = False

    def begin(self, label: str) -> None:
        self.end(f"br label %{label}")
        self.open(label)

    def open(self, label: str) -> None:
        self.lines.append(f"{label}:")
        self.is_open = True

    def branch(self, condition: str, yes: str, no: str) -> None:
        self.end(f"br i1 {condition}, label %{yes}, label %{no}")

    def declare(self, name: str, annotation: ast.expr | None = None) -> None:
        if name not in self.types:
            self.slots.append(f"  %v.{name} = alloca i64, align 8")
            self.types[name] = self.resolve(annotation) if isinstance(annotation, ast.Name) else int
            self.types[name] = self.types[name] if self.is_typed(self.types[name]) else int

    @staticmethod
    def is_typed(kind: object) -> bool:
        return isinstance(kind, type) and issubclass(kind, (Struct, Words))

    def resolve(self, node: ast.expr) -> object:
        """The Python object that a global name or an enum member stands for; None when it is not one."""
        if isinstance(node, ast.Name):
            return self.module.constants.get(node.id, self.scope.get(node.id))
        if isinstance(node, ast.Attribute) and isinstance(owner := self.resolve(node.value), enum.EnumType):
            return int(getattr(owner, node.attr))
        return None

    def fail(self, node: ast.AST, why: str) -> NativeSyntaxError:
        return NativeSyntaxError(
            f"{self.fn.name}, line {getattr(node, 'lineno', 0)}: {why}: {ast.unparse(node)}"
        )

    # -- statements

    def body(self, statements: list[ast.stmt]) -> None:
        for statement in statements:
            getattr(self, "do_" + type(statement).__name__, self.unknown)(statement)

    def unknown(self, node: ast.AST) -> None:
        raise self.fail(node, "not in the native subset")

    def do_Pass(self, node: ast.Pass) -> None: ...  # noqa: N802 (named after the node, like all below)

    def do_Expr(self, node: ast.Expr) -> None:  # noqa: N802
        if not isinstance(node.value, ast.Constant):
            self.word(node.value)

    def do_Return(self, node: ast.Return) -> None:  # noqa: N802
        self.end(f"ret i64 {self.word(node.value) if node.value else 0}")

    def do_Assign(self, node: ast.Assign) -> None:  # noqa: N802
        self.assign(node.targets[0], self.word(node.value), self.kind(node.value))

    def do_AnnAssign(self, node: ast.AnnAssign) -> None:  # noqa: N802
        if isinstance(node.target, ast.Name):
            self.declare(node.target.id, node.annotation)
        if node.value:
            self.assign(node.target, self.word(node.value), int)

    def do_AugAssign(self, node: ast.AugAssign) -> None:  # noqa: N802
        old = self.word(ast.parse(ast.unparse(node.target), mode="eval").body)
        self.assign(
            node.target, self.value(f"{_BINARY[type(node.op)]} i64 {old}, {self.word(node.value)}"), int
        )

    def assign(self, target: ast.expr, value: str, kind: object) -> None:
        if isinstance(target, ast.Name):
            if target.id not in self.types:
                self.declare(target.id)
                self.types[target.id] = kind
            self.emit(f"store i64 {value}, ptr %v.{target.id}")
            return
        pointer, bits = self.place(target)
        if bits != 64:
            value = self.value(f"trunc i64 {value} to i{bits}")
        self.emit(f"store i{bits} {value}, ptr {pointer}")

    def do_If(self, node: ast.If) -> None:  # noqa: N802
        yes, no, after = self.label("then"), self.label("else"), self.label("after")
        self.branch(self.condition(node.test), yes, no)
        for label, statements in ((yes, node.body), (no, node.orelse)):
            self.open(label)
            self.body(statements)
            self.end(f"br label %{after}")
        self.begin(after)

    def do_While(self, node: ast.While) -> None:  # noqa: N802
        test, inside, after = self.label("while"), self.label("do"), self.label("after")
        self.begin(test)
        self.branch(self.condition(node.test), inside, after)
        self.open(inside)
        self.loop(node.body, again=test, after=after)
        self.end(f"br label %{test}")
        self.open(after)

    def do_For(self, node: ast.For) -> None:  # noqa: N802
        if not (isinstance(node.target, ast.Name) and isinstance(node.iter, ast.Call)):
            raise self.fail(node, "for needs a name and a range")
        bounds = [self.word(argument) for argument in node.iter.args]
        start, stop = ("0", bounds[0]) if len(bounds) == 1 else bounds
        name = node.target.id
        self.declare(name)
        self.emit(f"store i64 {start}, ptr %v.{name}")
        test, inside, step, after = (
            self.label("for"),
            self.label("do"),
            self.label("step"),
            self.label("after"),
        )
        self.begin(test)
        index = self.value(f"load i64, ptr %v.{name}")
        self.branch(self.value(f"icmp slt i64 {index}, {stop}"), inside, after)
        self.open(inside)
        self.loop(node.body, again=step, after=after)
        self.begin(step)
        index = self.value(f"load i64, ptr %v.{name}")
        self.emit(f"store i64 {self.value(f'add i64 {index}, 1')}, ptr %v.{name}")
        self.end(f"br label %{test}")
        self.open(after)

    def loop(self, statements: list[ast.stmt], *, again: str, after: str) -> None:
        self.loops.append((again, after))
        self.body(statements)
        self.loops.pop()

    def do_Break(self, node: ast.Break) -> None:  # noqa: N802
        self.end(f"br label %{self.loops[-1][1]}")

    def do_Continue(self, node: ast.Continue) -> None:  # noqa: N802
        self.end(f"br label %{self.loops[-1][0]}")

    def do_Match(self, node: ast.Match) -> None:  # noqa: N802
        subject, after, default = self.word(node.subject), self.label("after"), self.label("default")
        arms = [(self.label("case"), case) for case in node.cases]
        table = [f"i64 {key}, label %{label}" for label, case in arms for key in self.keys(case.pattern)]
        self.end(f"switch i64 {subject}, label %{default} [{' '.join(table)}]")
        for label, case in arms:
            self.open(label if self.keys(case.pattern) else default)
            self.body(case.body)
            self.end(f"br label %{after}")
        if all(self.keys(case.pattern) for _, case in arms):
            self.open(default)
        self.begin(after)

    def keys(self, pattern: ast.pattern) -> list[str]:
        """The constants of a case; none for `_`."""
        if isinstance(pattern, ast.MatchOr):
            return [key for part in pattern.patterns for key in self.keys(part)]
        return [self.word(pattern.value)] if isinstance(pattern, ast.MatchValue) else []

    # -- expressions

    def kind(self, node: ast.expr) -> object:
        """The record class of an expression's address, or int."""
        if isinstance(node, ast.Name):
            if node.id in self.types:
                return self.types[node.id]
            owner = self.resolve(node)
            return (owner.record or Words) if isinstance(owner, Static) else int
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "at":
            return self.resolve(node.func.value)
        return int

    def place(self, node: ast.expr) -> tuple[str, int]:
        """Pointer and width of a field or of an element of Words."""
        if isinstance(node, ast.Subscript):
            if self.kind(node.value) is not Words:
                raise self.fail(node, "only Words are indexed")
            offset = self.value(f"shl i64 {self.word(node.slice)}, 3")
            return self.pointer(self.value(f"add i64 {self.word(node.value)}, {offset}")), 64
        if isinstance(node, ast.Attribute) and (field := self.field(node)):
            return self.pointer(self.value(f"add i64 {self.word(node.value)}, {field.offset}")), field.bits
        raise self.fail(node, "no place in memory")

    def field(self, node: ast.Attribute) -> Field | None:
        kind = self.kind(node.value)
        return (
            kind.record_fields.get(node.attr) if isinstance(kind, type) and issubclass(kind, Struct) else None
        )

    def pointer(self, word: str) -> str:
        return self.value(f"inttoptr i64 {word} to ptr")

    def condition(self, node: ast.expr) -> str:
        """An i1."""
        if isinstance(node, ast.BoolOp):
            return self.short_circuit(node)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return self.value(f"xor i1 {self.condition(node.operand)}, true")
        if isinstance(node, ast.Compare):
            left, right = self.word(node.left), self.word(node.comparators[0])
            return self.value(f"icmp {_COMPARE[type(node.ops[0])]} i64 {left}, {right}")
        return self.value(f"icmp ne i64 {self.word(node)}, 0")

    def short_circuit(self, node: ast.BoolOp) -> str:
        is_and = isinstance(node.op, ast.And)
        slot = f"%logic{(number := self.count + 1)}"
        self.count = number
        self.slots.append(f"  {slot} = alloca i1")
        after = self.label("logic")
        for operand in node.values:
            result, rest = self.condition(operand), self.label("rest")
            self.emit(f"store i1 {result}, ptr {slot}")
            self.branch(result, *((rest, after) if is_and else (after, rest)))
            self.open(rest)
        self.begin(after)
        return self.value(f"load i1, ptr {slot}")

    def word(self, node: ast.expr) -> str:
        """An i64: the value of an expression."""
        handler = getattr(self, "word_" + type(node).__name__, None)
        if handler is not None:
            return handler(node)
        if isinstance(node, (ast.Compare, ast.BoolOp)) or isinstance(node, ast.UnaryOp):
            return self.value(f"zext i1 {self.condition(node)} to i64")
        raise self.fail(node, "not in the native subset")

    def word_Constant(self, node: ast.Constant) -> str:  # noqa: N802
        if not isinstance(node.value, int):
            raise self.fail(node, "constants are ints")
        return str(int(node.value))

    def word_UnaryOp(self, node: ast.UnaryOp) -> str:  # noqa: N802
        if isinstance(node.op, ast.Not):
            return self.value(f"zext i1 {self.condition(node)} to i64")
        operand = self.word(node.operand)
        return self.value(
            f"xor i64 {operand}, -1" if isinstance(node.op, ast.Invert) else f"sub i64 0, {operand}"
        )

    def word_BinOp(self, node: ast.BinOp) -> str:  # noqa: N802
        left, right = self.word(node.left), self.word(node.right)
        return self.value(f"{_BINARY[type(node.op)]} i64 {left}, {right}")

    def word_IfExp(self, node: ast.IfExp) -> str:  # noqa: N802
        choice, yes, no = self.condition(node.test), self.word(node.body), self.word(node.orelse)
        return self.value(f"select i1 {choice}, i64 {yes}, i64 {no}")

    def word_Name(self, node: ast.Name) -> str:  # noqa: N802
        if node.id in self.types:
            return self.value(f"load i64, ptr %v.{node.id}")
        owner = self.resolve(node)
        if isinstance(owner, Static):
            return self.module.static(owner)
        if isinstance(owner, External):
            self.module.declarations.add(owner.declaration)
            return f"ptrtoint (ptr @{owner.name} to i64)"
        if isinstance(owner, int):
            return str(int(owner))
        if symbol := self.module.reach(owner):
            return f"ptrtoint (ptr @{symbol} to i64)"
        raise self.fail(node, "unknown name")

    def word_Attribute(self, node: ast.Attribute) -> str:  # noqa: N802
        constant = self.resolve(node)
        if isinstance(constant, int):
            return str(constant)
        pointer, bits = self.place(node)
        loaded = self.value(f"load i{bits}, ptr {pointer}")
        return loaded if bits == 64 else self.value(f"sext i{bits} {loaded} to i64")

    def word_Subscript(self, node: ast.Subscript) -> str:  # noqa: N802
        return self.value(f"load i64, ptr {self.place(node)[0]}")

    # -- calls

    def word_Call(self, node: ast.Call) -> str:  # noqa: N802
        if isinstance(node.func, ast.Attribute):  # Record.at(address)
            return self.word(node.args[0])
        if not isinstance(node.func, ast.Name):
            raise self.fail(node, "not callable here")
        name = node.func.id
        special = getattr(self, "call_" + name, None)
        if special is not None:
            return special(node)
        arguments = [self.word(argument) for argument in node.args]
        if name in _INTRINSICS:
            pointer = self.pointer(arguments[0])
            text = _INTRINSICS[name].format(pointer, *arguments[1:])
            if name == "atomic_store":
                self.emit(text)
                return "0"
            return self.value(text)
        target = self.resolve(node.func)
        if isinstance(target, External):
            return self.call_c(target, arguments)
        symbol = self.module.reach(target)
        if symbol is None:
            raise self.fail(node, "not a native function")
        return self.value(f"call i64 @{symbol}({', '.join('i64 ' + a for a in arguments)})")

    def call_c(self, target: External, arguments: list[str]) -> str:
        self.module.declarations.add(target.declaration)
        if target.floats:
            arguments = [
                "double " + self.value(f"bitcast i64 {argument} to double") for argument in arguments
            ]
        else:
            arguments = ["i64 " + argument for argument in arguments]
        prototype = f"i{target.bits} (i64, ...)" if target.variadic else f"i{target.bits}"
        result = self.value(f"call {prototype} @{target.name}({', '.join(arguments)})")
        return result if target.bits == 64 else self.value(f"sext i{target.bits} {result} to i64")

    def call_invoke(self, node: ast.Call, bits: int = 64) -> str:
        function, *arguments = [self.word(argument) for argument in node.args]
        text = ", ".join("i64 " + argument for argument in arguments)
        result = self.value(f"call i{bits} {self.pointer(function)}({text})")
        return result if bits == 64 else self.value(f"sext i{bits} {result} to i64")

    def call_invoke_int(self, node: ast.Call) -> str:
        return self.call_invoke(node, 32)

    def call_address_of(self, node: ast.Call) -> str:
        place = node.args[0]
        if isinstance(place, ast.Subscript) or (isinstance(place, ast.Attribute) and self.field(place)):
            return self.value(f"ptrtoint ptr {self.place(place)[0]} to i64")
        return self.word(place)

    def call_stack(self, node: ast.Call) -> str:
        self.count += 1
        slot = f"%stack{self.count}"
        self.slots.append(f"  {slot} = alloca [{self.word(node.args[0])} x i8], align 64")
        return self.value(f"ptrtoint ptr {slot} to i64")

    def call_load_byte(self, node: ast.Call) -> str:
        byte = self.value(f"load i8, ptr {self.pointer(self.word(node.args[0]))}")
        return self.value(f"zext i8 {byte} to i64")

    def call_compare_exchange(self, node: ast.Call) -> str:
        address, expected, value = [self.word(argument) for argument in node.args]
        pair = self.value(f"cmpxchg ptr {self.pointer(address)}, i64 {expected}, i64 {value} seq_cst seq_cst")
        return self.value(f"extractvalue {{i64, i1}} {pair}, 0")

    def call_pause(self, node: ast.Call) -> str:
        call, types = _PAUSE[self.module.architecture]
        self.module.declarations.add(f"declare void {call.split('(')[0]}{types}")
        self.emit(f"call void {call}")
        return "0"
