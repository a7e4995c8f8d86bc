"""From a tensor-level program to native code in the process: passes, code generation, objects, the disk cache.

Not here: tracing, guards and calls (`function.py`), the passes themselves (`weft.compiler`).
"""

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import cache
from importlib import resources
from time import perf_counter

from weft import config
from weft.backends.cpu.emit import emit_program, failure_sites
from weft.backends.cpu.link import host_architecture, assembly, compile_text, load
from weft.backends.cpu.target import host_target, machine_of
from weft.compiler.manager import Setting, Watch, run
from weft.compiler.passes.plan_memory import arena_bytes
from weft.compiler.pipeline import PASSES
from weft.ir import BufferType, Func, Location, Options, record
from weft.ir.dataclass import dataclass
from weft.ir.dims import DimLike
from weft.ir.target import Target
from weft.ir.text import show
from weft.ir.verify import verify
from weft.ir.walk import walk
from weft.runtime.disk import DiskCache
from weft.runtime.interface import Guard, Interface, Pointer, Site
from weft.runtime.variant import Program

SYMBOL = "weft_program"
STAGES = ("tensor", "fused", "loops", "llvm", "asm")


@dataclass(frozen=True, slots=True)
class Built:
    """Native code of one program.

    `slots` counts its numbers; those of `names` are bound by the caller, in order. `sizes[r]` are the dimensions of result r: ints, or
    ("slot", i) for what `prepare` puts in number i. `extra` are the slots of the further sizes that were asked for.
    """

    program: Program
    names: tuple[str, ...]
    slots: int
    sizes: tuple[tuple[int | tuple[str, int], ...], ...]
    extra: tuple[int, ...]
    sites: tuple[Site, ...]
    kernels: tuple[dict[str, object], ...]
    seconds: float
    is_cached: bool


def optimize(fn: Func, options: Options, target: Target, watch: Watch | None = None) -> Func:
    """Run all passes: stage "tensor" to "loops", memory planned."""
    check = (lambda f, name: verify(f, name)) if options.run.verify else None
    return run(fn, PASSES, Setting(options.code, target), verify=check, limit=options.code.pass_limit,
               off=options.code.passes_off, watch=watch)  # fmt: skip


def interface_of(fn: Func, guards: Sequence[Guard], extra: Sequence[DimLike]) -> Interface:
    """The interface of a planned loop-level program; after the names come the arena, sizes of results, extra sizes."""
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


def build(fn: Func, guards: Sequence[Guard], extra: Sequence[DimLike], options: Options, *, is_short: bool) -> Built:
    """Native code for `fn`, from the disk cache if it is there."""
    start = perf_counter()
    target = host_target()
    disk = disk_cache()
    key = _key(fn, guards, extra, options, target)
    stored = disk.fetch(key)
    if stored is None:
        stored = _make(fn, guards, extra, options, target)
        disk.store(key, stored)
        is_cached = False
    else:
        is_cached = True
    head, _, code = stored.partition(b"\n")
    facts = json.loads(head)
    loaded = load(code).keep()
    program = Program(
        loaded.address(SYMBOL), loaded.address(f"{SYMBOL}_prepare"), 0, facts["arena"], is_short, 0, loaded
    )
    sizes = tuple(tuple(d if isinstance(d, int) else ("slot", d[1]) for d in dims) for dims in facts["sizes"])
    sites = tuple(Site(code, tuple(Location(*place) for place in places)) for code, places in facts["sites"])
    return Built(
        program, tuple(facts["names"]), facts["slots"], sizes, tuple(facts["extra"]), sites, tuple(facts["kernels"]),
        perf_counter() - start, is_cached,
    )  # fmt: skip


def _make(fn: Func, guards: Sequence[Guard], extra: Sequence[DimLike], options: Options, target: Target) -> bytes:
    """Facts as a line of JSON, then the object."""
    lowered = optimize(fn, options, target)
    interface = interface_of(lowered, guards, extra)
    code = compile_text(emit_program(lowered, interface, target, options.code), machine_of(target))
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
        "sizes": sizes,
        "extra": list(range(slot, slot + len(extra))),
        "sites": [[site.code, [_plain(place) for place in site.locations]] for site in interface.sites],
        "kernels": kernel_facts(lowered),
    }
    return json.dumps(facts).encode() + b"\n" + code


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


# ---------------------------------------------------------------- cache


def _key(fn: Func, guards: Sequence[Guard], extra: Sequence[DimLike], options: Options, target: Target) -> str:
    """Everything that the code depends on. Lines of the user's file enter only if the program can name them."""
    can_fail = any(record(op).has("can_fail") for op in walk(fn))
    parts = (show(fn, locations=can_fail), str(tuple(guards)), str(tuple(extra)), options.code.key(), target.key(), source_hash())
    return "\0".join(parts)


@cache
def source_hash() -> str:
    """A hash of Weft's own sources: other code makes other objects."""
    digest = hashlib.sha256()
    for folder in ("weft", "weft.ir", "weft.compiler", "weft.backends", "weft.runtime"):
        for path in sorted(_python_files(resources.files(folder)), key=str):
            digest.update(path.read_bytes())  # pyright: ignore[reportUnknownMemberType]
    return digest.hexdigest()


def _python_files(folder):  # noqa: ANN001, ANN202 -- importlib's Traversable
    for entry in folder.iterdir():
        if entry.is_dir() and entry.name != "__pycache__":
            yield from _python_files(entry)
        elif entry.name.endswith((".py", ".cuh")):
            yield entry


def _runtime_key(key: str) -> str:
    return "\0".join(("runtime", key, host_architecture(), source_hash()))


def runtime_fetch(key: str) -> bytes | None:
    """An object of Weft's own runtime (call entry, pool, memory) from the disk cache."""
    return disk_cache().fetch(_runtime_key(key))


def runtime_store(key: str, data: bytes) -> None:
    """Keep an object of Weft's own runtime."""
    disk_cache().store(_runtime_key(key), data)


_caches: dict[object, DiskCache] = {}


def disk_cache() -> DiskCache:
    """The cache in the folder that the options name."""
    folder = config.cache_folder(config.current().run)
    if folder not in _caches:
        _caches[folder] = DiskCache(folder)
    return _caches[folder]


Maker = Callable[[], bytes]
