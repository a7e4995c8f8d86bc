"""From a tensor-level program to an object: passes, code generation, and the facts that are stored with it.

Loads the passes and the backend, and LLVM at the first object; so it is itself loaded at the first program
that is not in the disk cache (`native.py`). Not here: the passes (`weft.compiler`), the spelling
(`weft.backends`).
"""

import gc
import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager

from weft import config
from weft.backends.cpu.emit import emit_parts, emit_program, failure_sites
from weft.backends.cpu.link import assembly
from weft.backends.cpu.parts import compile_parts, useful_threads
from weft.backends.cpu.target import host_target, machine_of
from weft.compiler.debug.dump import PassReport
from weft.compiler.manager import Setting, Watch, run
from weft.compiler.passes.plan_memory import arena_bytes
from weft.compiler.pipeline import PASSES
from weft.ir import BufferType, Func, Location, Options
from weft.ir.dims import DimLike
from weft.ir.target import Target
from weft.ir.text import show
from weft.ir.verify import verify
from weft.ir.walk import walk
from weft.runtime.interface import Guard, Interface, Pointer

SYMBOL = "weft_program"


def optimize(fn: Func, options: Options, target: Target, watch: Watch | None = None) -> Func:
    """Run all passes: stage "tensor" to "loops", memory planned."""
    check = verify if options.run.verify else None
    report = _report(fn, options) if watch is None else None
    setting = Setting(options.code, target, saves_memory=any("remat" in op.attributes for op in walk(fn)))
    lowered = run(fn, PASSES, setting, verify=check, limit=options.code.pass_limit,
                  off=options.code.passes_off, watch=report or watch)  # fmt: skip
    if report is not None:
        report.finish()
    return lowered


def _report(fn: Func, options: Options) -> PassReport | None:
    """What shows the passes at work, if an option asks for it."""
    is_asked = (options.run.dump or options.run.time) and config.is_chosen(fn.name, options.run)
    return PassReport(fn, [step.name for step in PASSES], options.run, config.tell) if is_asked else None


def interface_of(fn: Func, guards: Sequence[Guard], extra: Sequence[DimLike]) -> Interface:
    """The interface of a planned loop-level program.

    After the names come the arena, the sizes of results, the extra sizes.
    """
    pointers: list[Pointer] = []
    names: list[str] = []
    for param in fn.params:
        ty = param.type
        if isinstance(ty, BufferType):
            role = "argument" if param.name.startswith("a") else "result"
            pointers.append(Pointer(role, int(param.name[1:]), ty.dtype, None if ty.strided else ty.shape))
        else:
            names.append(param.name)
    wanted = [arena_bytes(fn), *(d for p in pointers if p.role == "result" for d in p.shape or ()), *extra]
    computed = tuple((len(names) + k, dim) for k, dim in enumerate(wanted))
    return Interface(
        SYMBOL, tuple(pointers), tuple(names), computed, tuple(guards), failure_sites(fn), (), len(names)
    )


@contextmanager
def _no_collection() -> Generator[None, None, None]:
    """No garbage collection meanwhile: one takes as long as all passes, and finds nothing."""
    is_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if is_on:
            gc.enable()


def generate(fn: Func, guards: Sequence[Guard], extra: Sequence[DimLike], options: Options) -> bytes:
    """Facts as a line of JSON, then the objects."""
    target = host_target()
    with _no_collection():
        lowered = optimize(fn, options, target)
        interface = interface_of(lowered, guards, extra)
        texts = emit_parts(lowered, interface, target, options.code, useful_threads())
    objects = compile_parts(texts, machine_of(target))
    arena = arena_bytes(lowered)
    slot = interface.arena_slot + 1
    sizes: list[list[object]] = []
    for pointer in interface.pointers:
        if pointer.role == "result":
            dims = pointer.shape or ()
            sizes.append([d if isinstance(d, int) else ["slot", slot + k] for k, d in enumerate(dims)])
            slot += len(dims)
    facts = {
        "names": interface.numbers,
        "slots": interface.slots,
        "arena": interface.arena_slot,
        "constant_arena": arena
        if isinstance(arena, int) and not (interface.numbers or guards or extra)
        else None,
        "sizes": sizes,
        "extra": list(range(slot, slot + len(extra))),
        "sites": [[site.code, [_plain(place) for place in site.locations]] for site in interface.sites],
        "kernels": kernel_facts(lowered),
        "bytes": [len(part) for part in objects],
    }
    return b"".join((json.dumps(facts).encode(), b"\n", *objects))


def _plain(place: Location) -> list[object]:
    return [place.file, place.line, place.column, place.end_column, place.function]


def kernel_facts(fn: Func) -> list[dict[str, object]]:
    """For `f.stats()`: one entry for each kernel of a loop-level program."""
    return [
        {"name": op.attributes["name"], "device": "cpu", "source": [str(place) for place in op.locations]}
        for op in walk(fn)
        if op.name == "kernel"
    ]


def stage_text(fn: Func, guards: Sequence[Guard], stage: str, options: Options) -> str:
    """The program after a stage, as text."""
    target = host_target()
    seen: dict[str, str] = {"tensor": show(fn)}

    def watch(_name: str, _before: Func, after: Func, _seconds: float) -> None:
        seen[after.stage] = show(after)

    lowered = optimize(fn, options, target, watch)
    if stage in seen:
        return seen[stage]
    text = emit_program(lowered, interface_of(lowered, guards, ()), target, options.code)
    return text if stage == "llvm" else assembly(text, machine_of(target))
