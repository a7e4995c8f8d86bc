"""Runs loop-level functions on arrays: a function of `Expr` -> loop-level ops -> LLVM text -> native code.

A small emitter of its own, so that the math functions are tested for bits and speed without schedules or a
backend. Not here: memory, masks, schedules (`backends/cpu`).
"""

import ctypes
import struct
from collections.abc import Callable, Sequence

import llvmlite.binding as llvm
import numpy as np

from weft.ir import Builder, DType, Expr, Op, Region, Value, VectorType
from weft.ir.types import BOOL

llvm.initialize_native_target()
llvm.initialize_native_asmprinter()

_SPELLED = {"bool": "i1", "f32": "float", "f64": "double"}
# fmt: off
_FLOATS = {"add": "fadd", "subtract": "fsub", "multiply": "fmul", "divide": "fdiv"}
_INTEGERS = {"add": "add", "subtract": "sub", "multiply": "mul", "bitwise_and": "and", "bitwise_or": "or",
             "bitwise_xor": "xor", "shift_left_raw": "shl"}
_INTRINSICS = {"fma": "fma", "absolute_raw": "fabs", "sqrt": "sqrt", "floor": "floor", "ceil": "ceil",
               "trunc": "trunc", "rint": "roundeven"}
_COMPARE = {"equal": ("oeq", "eq"), "not_equal": ("une", "ne"), "less": ("olt", "lt"),
            "less_equal": ("ole", "le"), "greater": ("ogt", "gt"), "greater_equal": ("oge", "ge")}
# fmt: on


def _element(dtype: DType) -> str:
    return _SPELLED.get(dtype.name, f"i{dtype.bits}")


def _type(ty: VectorType) -> str:
    return _element(ty.dtype) if ty.lanes == 1 else f"<{ty.lanes} x {_element(ty.dtype)}>"


def _number(value: float | int | bool, dtype: DType) -> str:
    if dtype.is_float:
        value = float(np.float32(value)) if dtype.bits == 32 else float(value)
        return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"
    if dtype == BOOL:
        return "true" if value else "false"
    wrapped = int(value) & ((1 << dtype.bits) - 1)
    return str(wrapped - (1 << dtype.bits) if wrapped >> (dtype.bits - 1) else wrapped)


class Emitter:
    """LLVM text of a region of loop-level scalar ops."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.tables: list[str] = []
        self.declared: set[str] = set()
        self.names: dict[Value, str] = {}
        self.block = "loop"
        self.count = 0

    def fresh(self) -> str:
        self.count += 1
        return f"%v{self.count}"

    def put(self, text: str) -> str:
        name = self.fresh()
        self.lines.append(f"  {name} = {text}")
        return name

    def label(self, name: str) -> None:
        self.lines.append(f"{name}:")
        self.block = name

    def region(self, region: Region) -> list[str]:
        """Emit all ops; names of the terminator's operands."""
        for op in region.ops[:-1]:
            self.op(op)
        return [self.names[v] for v in region.terminator.operands]

    def op(self, op: Op) -> None:
        match op.name:
            case "if":
                self.branch(op)
            case "while":
                self.loop(op)
            case "constant":
                ty = op.result.type
                text = _number(op.attributes["value"], ty.dtype)
                self.names[op.result] = text if ty.lanes == 1 else f"splat ({_element(ty.dtype)} {text})"
            case _:
                self.names[op.result] = self.plain(op)

    def plain(self, op: Op) -> str:
        source, a = op.operands[0].type, [self.names[v] for v in op.operands]
        ty, name = _type(source), op.name
        if name in _COMPARE:
            ordered, integer = _COMPARE[name]
            sign = "" if integer in ("eq", "ne") else "u" if source.dtype.kind in "ub" else "s"
            kind = f"fcmp {ordered}" if source.dtype.is_float else f"icmp {sign}{integer}"
            return self.put(f"{kind} {ty} {a[0]}, {a[1]}")
        if name in _FLOATS and source.dtype.is_float:
            return self.put(f"{_FLOATS[name]} {ty} {a[0]}, {a[1]}")
        if name in _INTEGERS:
            return self.put(f"{_INTEGERS[name]} {ty} {a[0]}, {a[1]}")
        if name in _INTRINSICS:
            return self.call(_INTRINSICS[name], source, a)
        return getattr(self, name)(op, source, ty, a)

    def call(self, intrinsic: str, source: VectorType, a: Sequence[str]) -> str:
        ty, vector = _type(source), "" if source.lanes == 1 else f"v{source.lanes}"
        function = f"@llvm.{intrinsic}.{vector}f{source.dtype.bits}"
        self.declared.add(f"declare {ty} {function}({', '.join([ty] * len(a))})")
        return self.put(f"call {ty} {function}({', '.join(f'{ty} {x}' for x in a)})")

    def negative(self, _op: Op, source: VectorType, ty: str, a: Sequence[str]) -> str:
        zero = "0" if source.lanes == 1 else "zeroinitializer"
        return self.put(f"fneg {ty} {a[0]}" if source.dtype.is_float else f"sub {ty} {zero}, {a[0]}")

    def invert(self, _op: Op, source: VectorType, ty: str, a: Sequence[str]) -> str:
        ones = _number(-1 if source.dtype != BOOL else True, source.dtype)
        ones = ones if source.lanes == 1 else f"splat ({_element(source.dtype)} {ones})"
        return self.put(f"xor {ty} {a[0]}, {ones}")

    logical_not = invert

    def shift_right_raw(self, _op: Op, source: VectorType, ty: str, a: Sequence[str]) -> str:
        return self.put(f"{'lshr' if source.dtype.kind == 'u' else 'ashr'} {ty} {a[0]}, {a[1]}")

    def select(self, op: Op, _source: VectorType, ty: str, a: Sequence[str]) -> str:
        result = _type(op.result.type)
        return self.put(f"select {ty} {a[0]}, {result} {a[1]}, {result} {a[2]}")

    def cast(self, op: Op, source: VectorType, ty: str, a: Sequence[str]) -> str:
        old, new = source.dtype, op.result.type.dtype
        if old.is_float and new.is_float:
            kind = "fpext" if new.bits > old.bits else "fptrunc"
        elif old.is_float:
            kind = "fptosi"
        elif new.is_float:
            kind = "sitofp" if old.kind == "i" else "uitofp"
        elif new.bits == old.bits:
            return a[0]
        else:
            kind = "trunc" if new.bits < old.bits else "sext" if old.kind == "i" else "zext"
        return self.put(f"{kind} {ty} {a[0]} to {_type(op.result.type)}")

    def bitcast(self, op: Op, _source: VectorType, ty: str, a: Sequence[str]) -> str:
        return self.put(f"bitcast {ty} {a[0]} to {_type(op.result.type)}")

    bitcast_signed = bitcast_unsigned = bitcast_float = bitcast

    def lookup(self, op: Op, source: VectorType, ty: str, a: Sequence[str]) -> str:
        result, lanes = op.result.type, source.lanes
        element, table = _element(result.dtype), op.attributes["table"]
        numbers = ", ".join(f"{element} {_number(v, result.dtype)}" for v in table)
        self.tables.append(
            f"@t{len(self.tables)} = private constant [{len(table)} x {element}] [{numbers}], align 64"
        )
        pointers = self.put(f"getelementptr {element}, ptr @t{len(self.tables) - 1}, {ty} {a[0]}")
        if lanes == 1:
            return self.put(f"load {element}, ptr {pointers}")
        short = f"{'f' if result.dtype.is_float else 'i'}{result.dtype.bits}"
        function, full = f"@llvm.masked.gather.v{lanes}{short}.v{lanes}p0", _type(result)
        self.declared.add(f"declare {full} {function}(<{lanes} x ptr>, i32, <{lanes} x i1>, {full})")
        mask, size = f"<{lanes} x i1> splat (i1 true)", result.dtype.size_bytes
        return self.put(
            f"call {full} {function}(<{lanes} x ptr> {pointers}, i32 {size}, {mask}, {full} poison)"
        )

    def any_lane(self, _op: Op, source: VectorType, ty: str, a: Sequence[str]) -> str:
        if source.lanes == 1:
            return a[0]
        self.declared.add(f"declare i1 @llvm.vector.reduce.or.v{source.lanes}i1({ty})")
        return self.put(f"call i1 @llvm.vector.reduce.or.v{source.lanes}i1({ty} {a[0]})")

    def branch(self, op: Op) -> None:
        self.count += 1
        number = self.count
        self.lines.append(f"  br i1 {self.names[op.operands[0]]}, label %then{number}, label %else{number}")
        ends: list[tuple[list[str], str]] = []
        for word, region in zip(("then", "else"), op.regions, strict=True):
            self.label(f"{word}{number}")
            ends.append((self.region(region), self.block))
            self.lines.append(f"  br label %join{number}")
        self.label(f"join{number}")
        for i, result in enumerate(op.results):
            arms = ", ".join(f"[ {names[i]}, %{block} ]" for names, block in ends)
            self.names[result] = self.put(f"phi {_type(result.type)} {arms}")

    def loop(self, op: Op) -> None:
        self.count += 1
        number, before = self.count, self.block
        self.lines.append(f"  br label %head{number}")
        self.label(f"head{number}")
        place, names = len(self.lines), [self.fresh() for _ in op.results]
        self.names.update(zip(op.regions[0].params, names, strict=True))
        self.names.update(zip(op.regions[1].params, names, strict=True))
        self.names.update(zip(op.results, names, strict=True))
        (go,) = self.region(op.regions[0])
        self.lines.append(f"  br i1 {go}, label %body{number}, label %exit{number}")
        self.label(f"body{number}")
        after, end = self.region(op.regions[1]), self.block
        self.lines.append(f"  br label %head{number}")
        self.label(f"exit{number}")
        self.lines[place:place] = [
            f"  {name} = phi {_type(v.type)} [ {self.names[v]}, %{before} ], [ {new}, %{end} ]"
            for name, v, new in zip(names, op.operands, after, strict=True)
        ]


def machine() -> llvm.TargetMachine:
    """This machine with all its features."""
    features = llvm.get_host_cpu_features().flatten()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=features, opt=3
    )


class Compiled:
    """`function` of lanes as a native loop over arrays; `lanes` lanes at a time."""

    def __init__(
        self, function: Callable[..., Expr], dtypes: Sequence[DType], lanes: int | None = None
    ) -> None:
        self.lanes = lanes or 256 // dtypes[0].bits
        self.dtypes = tuple(dtypes)
        region = Region([VectorType(d, self.lanes) for d in dtypes])
        builder = Builder(region)
        builder.emit("yield", [function(*(builder.expr(p) for p in region.params)).value])
        self.ops = len(region.ops)
        self.result = region.terminator.operands[0].type.dtype
        module = llvm.parse_assembly(self.text(region))
        module.verify()
        target = machine()
        options = llvm.create_pipeline_tuning_options(3)
        options.loop_unrolling = False
        passes = llvm.create_pass_builder(target, options)
        passes.getModulePassManager().run(module, passes)
        self.assembly = target.emit_assembly(module)
        self.engine = llvm.create_mcjit_compiler(module, target)
        self.engine.finalize_object()
        signature = ctypes.CFUNCTYPE(None, *([ctypes.c_void_p] * (len(dtypes) + 1)), ctypes.c_int64)
        self.native = signature(self.engine.get_function_address("f"))

    def text(self, region: Region) -> str:
        emitter = Emitter()
        loads: list[str] = []
        for i, (value, dtype) in enumerate(zip(region.params, self.dtypes, strict=True)):
            emitter.names[value] = f"%x{i}"
            loads.append(f"  %p{i} = getelementptr {_element(dtype)}, ptr %a{i}, i64 %i")
            loads.append(f"  %x{i} = load {_type(value.type)}, ptr %p{i}, align {dtype.size_bytes}")
        (answer,) = emitter.region(region)
        element, ty = _element(self.result), _type(VectorType(self.result, self.lanes))
        arguments = "".join(f"ptr noalias %a{i}, " for i in range(len(self.dtypes)))
        return "\n".join([
            *emitter.tables,
            f"define void @f({arguments}ptr noalias %o, i64 %n) {{",
            "entry:",
            "  br label %loop",
            "loop:",
            f"  %i = phi i64 [ 0, %entry ], [ %j, %{emitter.block} ]",
            *loads,
            *emitter.lines,
            f"  %po = getelementptr {element}, ptr %o, i64 %i",
            f"  store {ty} {answer}, ptr %po, align {self.result.size_bytes}",
            f"  %j = add i64 %i, {self.lanes}",
            "  %c = icmp slt i64 %j, %n",
            "  br i1 %c, label %loop, label %done",
            "done:",
            "  ret void",
            "}",
            *sorted(emitter.declared),
        ])  # fmt: skip

    def __call__(self, *arrays: np.ndarray) -> np.ndarray:
        inputs = [np.ascontiguousarray(a, d.numpy) for a, d in zip(arrays, self.dtypes, strict=True)]
        count = inputs[0].size
        padded = -(-count // self.lanes) * self.lanes
        if padded != count:
            inputs = [np.concatenate([a, np.ones(padded - count, a.dtype)]) for a in inputs]
        out = np.empty(padded, self.result.numpy)
        self.native(*(a.ctypes.data for a in inputs), out.ctypes.data, padded)
        return out[:count]

    def instructions(self) -> int:
        """Instructions from the head of the outermost loop to its end, rare branches included."""
        code: list[str] = []
        labels: dict[str, int] = {}
        longest = 0
        for line in (text.strip() for text in self.assembly.splitlines()):
            if line.startswith(".L") and ":" in line.split()[0]:
                labels[line.split(":")[0]] = len(code)
            elif line and line[0] not in ".#" and not line.endswith(":"):
                code.append(line)
                target = line.split()[-1]
                if line.startswith("j") and target in labels:
                    longest = max(longest, len(code) - labels[target])
        return longest
