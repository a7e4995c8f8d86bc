"""Dumped programs: read from a file, given arguments, run by the interpreter or as native code.

A program runs from the stage it was dumped at: the passes after that are run first. Not here: the commands.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from weft import config
from weft.backends.cpu.emit import emit_program
from weft.backends.cpu.link import LoadedObject, compile_text, load
from weft.backends.cpu.target import host_target, machine_of
from weft.calls.generate import SYMBOL, interface_of
from weft.compiler.manager import Pass, Setting, run
from weft.compiler.pipeline import PASSES
from weft.ir import BufferType, Func, IndexType, TensorType, UserError, Value
from weft.ir.dims import Symbol, as_symbol, evaluate_dim
from weft.ir.errors import failure
from weft.ir.interp import interpret
from weft.ir.parse import parse
from weft.ir.types import INDEX
from weft.ir.verify import verify
from weft.runtime.context import Context
from weft.runtime.interface import Interface

_STEP = re.compile(r"step_\d+_(\w+)\.ir")
_FIRST = {"tensor": "", "fused": "separate", "buffers": "bufferize", "loops": "lower_tensor"}
Array = np.ndarray[Any, Any]


def read_program(file: Path) -> Func:
    """The program in a dump; raises UserError where there is none, ParseError, InternalError if invalid."""
    if not file.is_file():
        raise UserError(f"there is no file {file}", code="E003", fix="name a dump, as WEFT_DUMP writes them.")
    fn = parse(file.read_text(), str(file))
    verify(fn)
    return fn


def rest_of_passes(fn: Func, file: Path, after: str = "") -> Sequence[Pass]:
    """The passes after the one that a dump shows: as `after`, its name, or its stage says."""
    names = [step.name for step in PASSES]
    match = _STEP.fullmatch(file.name)
    last = after or (match[1] if match else _FIRST.get(fn.stage, ""))
    if last in ("", "traced"):
        return PASSES
    if last not in names:
        raise UserError(f"there is no pass {last!r}", code="E003", fix=f"name one of {', '.join(names)}.")
    return PASSES[names.index(last) + 1 :]


def sizes_of(fn: Func, given: Sequence[str]) -> dict[str, int]:
    """The sizes of a program's symbols: those given as `n=5`, the others small and different."""
    found = {name: max(5 + 2 * k, one.lower) for k, (name, one) in enumerate(sorted(_symbols(fn).items()))}
    for text in given:
        name, _, number = text.partition("=")
        if name not in found or not number.isdecimal():
            known = f"set one of {', '.join(found)}" if found else "the program has no symbols"
            raise UserError(f"{text!r} sets no size", code="E003", fix=f"{known}, as in --size n=5.")
        found[name] = int(number)
    return found


def _symbols(fn: Func) -> dict[str, Symbol]:
    """The symbols of the header and of parameters."""
    found = dict(fn.symbols)
    for param in fn.params:
        one = as_symbol(param.type.dim) if isinstance(param.type, IndexType) else None
        if one is not None:
            found.setdefault(one.name, one)
    return found


def arguments_of(fn: Func, sizes: Mapping[str, int], seed: int, file: str = "") -> list[Array]:
    """Arguments for a program: of a file of NumPy (`.npz`, in its order), else random numbers."""
    wanted = [p for p in fn.params if not _is_result(p) and p.type != INDEX]
    if file:
        loaded: Mapping[str, Array] = np.load(file)
        return [loaded[name] for name in loaded]
    rng = np.random.default_rng(seed)
    return [_random(rng, p, sizes) for p in wanted]


def _is_result(param: Value) -> bool:
    return isinstance(param.type, BufferType) and param.name.startswith("r")


def _random(rng: np.random.Generator, param: Value, sizes: Mapping[str, int]) -> Array:
    """Multiples of a quarter, small integers, or the size that a parameter is."""
    ty = param.type
    if isinstance(ty, IndexType):
        return np.asarray(evaluate_dim(ty.dim, sizes))
    assert isinstance(ty, TensorType | BufferType)
    shape = tuple(evaluate_dim(d, sizes) for d in ty.shape)
    numbers = rng.integers(0, 2, shape) if ty.dtype.kind == "b" else rng.integers(-8, 9, shape)
    if ty.dtype.kind == "u":
        numbers = abs(numbers)
    return (numbers / 4 if ty.dtype.is_float else numbers).astype(ty.dtype.numpy)


def interpreted(fn: Func, arguments: Sequence[Array], sizes: Mapping[str, int]) -> list[Array]:
    """What the reference makes of a program: new results, then the arguments as they are afterwards."""
    given = [a.copy() for a in arguments]
    numbers = [np.asarray(sizes[p.name]) for p in fn.params if p.type == INDEX and p.name in sizes]
    with np.errstate(all="ignore"):
        results = interpret(fn, *given, *numbers, sizes=dict(sizes))
    into = fn.into or (-1,) * len(results)
    return [*(r for r, target in zip(results, into, strict=True) if target < 0), *given]


def compiled(
    fn: Func, arguments: Sequence[Array], sizes: Mapping[str, int], passes: Sequence[Pass]
) -> list[Array]:
    """What native code makes of it after these passes, in the same order."""
    options, target = config.current(), host_target()
    lowered = run(fn, passes, Setting(options.code, target), verify=verify, limit=options.code.pass_limit,
                  off=options.code.passes_off)  # fmt: skip
    interface = interface_of(lowered, (), ())
    text = emit_program(lowered, interface, target, options.code)
    return _call(load(compile_text(text, machine_of(target))), interface, arguments, sizes)


def _call(
    code: LoadedObject, interface: Interface, arguments: Sequence[Array], sizes: Mapping[str, int]
) -> list[Array]:
    """Call a program by its C signature; raises the error that it reports."""
    entry = ctypes.CFUNCTYPE(ctypes.c_int32, *[ctypes.c_void_p] * 3)(code.address(SYMBOL))
    prepare = ctypes.CFUNCTYPE(ctypes.c_int32, ctypes.c_void_p)(code.address(f"{SYMBOL}_prepare"))
    given = [a.copy() for a in arguments]
    numbers = dict(sizes)
    for k, array in enumerate(given):
        numbers.update({f"a{k}_s{axis}": stride for axis, stride in enumerate(array.strides)})
    slots = (ctypes.c_int64 * max(interface.slots, 1))(*[numbers[name] for name in interface.numbers])
    if prepare(ctypes.addressof(slots)):
        raise UserError("the program does not take these sizes", code="E003", fix="choose others by --size.")
    made: list[Array] = []
    memory: list[int] = []
    place = len(interface.numbers) + 1
    for pointer in interface.pointers:
        if pointer.role == "argument":
            memory.append(given[pointer.number].ctypes.data)
            continue
        shape = tuple(slots[place + axis] for axis in range(len(pointer.shape or ())))
        place += len(shape)
        made.append(np.zeros(shape, pointer.dtype.numpy))
        memory.append(made[-1].ctypes.data)
    arena = np.zeros(slots[interface.arena_slot] + 64, np.uint8)
    fields = {"arena": -(-arena.ctypes.data // 64) * 64, "arena_bytes": slots[interface.arena_slot]}
    context = ctypes.create_string_buffer(bytes(Context.pack(**fields)))
    table = (ctypes.c_void_p * max(len(memory), 1))(*memory)
    status = entry(ctypes.addressof(context), ctypes.addressof(table), ctypes.addressof(slots))
    if status:
        record = Context.unpack(bytes(context))
        facts = [record[f"error_fact{k}"] for k in range(3)]
        locations = interface.sites[record["error_location"]].locations
        raise failure(interface.sites[record["error_location"]].code, facts, *locations[:1])
    return [*made, *given]


def distance(a: Array, b: Array) -> float:
    """The largest difference of two arrays, beside the largest element; infinite if one has NaN alone."""
    if a.dtype.kind not in "fc":
        return float(np.mean(np.not_equal(a, b))) if a.size else 0.0
    differ = np.not_equal(a, b) & ~(np.isnan(a) & np.isnan(b))
    if not differ.any():
        return 0.0
    known = np.abs(b[np.isfinite(b)]).max(initial=1e-300)
    far = np.abs(a[differ] - b[differ]).max() / known
    return float(far) if far == far else float("inf")
