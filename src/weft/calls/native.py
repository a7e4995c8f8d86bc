"""Native code in the process, from the disk cache if it is there.

The modules that generate code are loaded when they are first needed. Not here: these (`generate.py`),
tracing, guards and calls (`function.py`).
"""

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from importlib import import_module
from itertools import accumulate, pairwise
from time import perf_counter
from types import ModuleType
from typing import TYPE_CHECKING

from weft import backends, compiler, config, ir, runtime
from weft.backends.cpu.link import exclusive, host_architecture, load
from weft.backends.cpu.target import host_key
from weft.calls.short import short_size
from weft.ir import Func, Location, Options, record
from weft.ir.dataclass import dataclass
from weft.ir.dims import DimLike
from weft.ir.text import show
from weft.ir.walk import walk
from weft.runtime.disk import DiskCache
from weft.runtime.interface import Guard, Site
from weft.runtime.variant import Program
from weft.version import VERSION

if TYPE_CHECKING:
    from weft.compiler.manager import Watch
    from weft.ir.target import Target

SYMBOL = "weft_program"
STAGES = ("tensor", "fused", "loops", "llvm", "asm")


@dataclass(frozen=True, slots=True)
class Built:
    """Native code of one program.

    `slots` counts its numbers; those of `names` are bound by the caller, in order. `sizes[r]` are the
    dimensions of result r: ints, or ("slot", i) for what `prepare` puts in number i. `extra` are the slots of
    the further sizes that were asked for.
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


def build(fn: Func, guards: Sequence[Guard], extra: Sequence[DimLike], options: Options) -> Built:
    """Native code for `fn`, from the disk cache if it is there."""
    start = perf_counter()
    disk = disk_cache()
    key = _key(fn, guards, extra, options)
    stored = None if options.run.dump or options.run.time else disk.fetch(key)  # then passes must run
    if stored is None:
        stored = _generator().generate(fn, guards, extra, options)
        disk.store(key, stored)
        is_cached = False
    else:
        is_cached = True
    head, _, code = stored.partition(b"\n")
    facts = json.loads(head)
    ends = list(accumulate(facts["bytes"], initial=0))
    loaded = load(*(code[start:end] for start, end in pairwise(ends))).keep()
    short = short_size(fn)
    is_short = bool(short) and not facts["names"]
    program = Program(loaded.address(SYMBOL), is_short=is_short, short_size=short, code=loaded)
    if facts["constant_arena"] is None:
        program = replace(program, prepare=loaded.address(f"{SYMBOL}_prepare"), arena_slot=facts["arena"])
    else:  # nothing is to be computed before a call
        program = replace(program, arena_bytes=facts["constant_arena"])
    sizes = tuple(tuple(d if isinstance(d, int) else ("slot", d[1]) for d in dims) for dims in facts["sizes"])
    sites = tuple(Site(code, tuple(Location(*place) for place in places)) for code, places in facts["sites"])
    return Built(
        program, tuple(facts["names"]), facts["slots"], sizes, tuple(facts["extra"]), sites,
        tuple(facts["kernels"]), perf_counter() - start, is_cached,
    )  # fmt: skip


@cache
def _generator() -> ModuleType:
    """Code generation, loaded; a fork waits, as a child must not find a lock of the import system taken."""
    with exclusive():
        return import_module("weft.calls.generate")


def optimize(fn: Func, options: Options, target: "Target", watch: "Watch | None" = None) -> Func:
    """See `weft.calls.generate`."""
    return _generator().optimize(fn, options, target, watch)


def stage_text(fn: Func, guards: Sequence[Guard], stage: str, options: Options) -> str:
    """See `weft.calls.generate`."""
    return _generator().stage_text(fn, guards, stage, options)


# ---------------------------------------------------------------- cache


def _key(fn: Func, guards: Sequence[Guard], extra: Sequence[DimLike], options: Options) -> str:
    """Everything that the code depends on; lines of the user's file only if the program can name them."""
    can_fail = any(record(op).has("can_fail") for op in walk(fn))
    return "\0".join(
        (
            show(fn, locations=can_fail),
            str(tuple(guards)),
            str(tuple(extra)),
            options.code.key(),
            host_key(),
            source_version(),
        )
    )


@cache
def source_version() -> str:
    """A hash of the names, sizes and times of Weft's own sources: other code makes other objects."""
    digest = hashlib.sha256(VERSION.encode())
    own = os.path.dirname(str(config.__file__))
    for folder in (own, *(f for package in (ir, compiler, backends, runtime) for f in package.__path__)):
        for facts in sorted(_sources(folder)):
            digest.update(repr(facts).encode())
    return digest.hexdigest()


def _sources(folder: str) -> Iterator[tuple[str, int, int]]:
    try:
        entries = list(os.scandir(folder))
    except OSError:  # a zip file: its version has to do
        return
    for entry in entries:
        if entry.name.endswith((".py", ".cuh")):
            facts = entry.stat()
            yield entry.path, facts.st_size, facts.st_mtime_ns
        elif entry.name != "__pycache__" and entry.is_dir():
            yield from _sources(entry.path)


def _runtime_key(key: str) -> str:
    return "\0".join(("runtime", key, host_architecture(), source_version()))


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
