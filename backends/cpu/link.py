"""LLVM IR text to object code, and object code into the process.

Holds the one place that calls llvmlite, which is loaded at the first compile. Objects are position
independent, hold no address of the process and are the unit of the disk cache; loading one needs no LLVM
(`elf.py`). Does not choose what is compiled for which target.
"""

import functools
import importlib
import os
import platform
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from weft.backends.cpu.elf import LoadedObject, load_object
from weft.backends.cpu.helpers import helpers_called
from weft.ir.dataclass import dataclass

if TYPE_CHECKING:
    from llvmlite.binding import ModulePassManager, ModuleRef, PassBuilder, TargetMachine

# The two halves of a cache: given a key, the object that was stored, or None; and the storing of one.
Fetch = Callable[[str], bytes | None]
Store = Callable[[str, bytes], None]


# Passes of LLVM by their names in llvmlite. LLVM's own list takes ten times as long and gains nothing:
# vectors and unrolling are explicit, and our own passes have made the code lean.
PROGRAM_PASSES = ("instruction_combine", "simplify_cfg")
# A library is made once and its size counts: LLVM's own list comes before these.
LIBRARY_PASSES = (
    "dead_arg_elimination", *PROGRAM_PASSES, "merge_functions", "constant_merge", "global_dead_code_eliminate"
)  # fmt: skip
RUNTIME_PASSES = ("always_inliner", "sroa", "instruction_combine", "simplify_cfg")

_lock = threading.RLock()
os.register_at_fork(
    before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release
)  # llvmlite's own lock would stay taken in a child


def exclusive() -> threading.RLock:
    """The lock around all work of LLVM, to be held in a `with`; a fork waits for it."""
    return _lock


@dataclass(frozen=True, slots=True)
class Machine:
    """What code is made for.

    An LLVM triple, a CPU and its features in LLVM's spelling; empty strings mean LLVM's defaults.
    """

    triple: str
    cpu: str = ""
    features: str = ""

    @property
    def architecture(self) -> str:
        """The first part of the triple."""
        return self.triple.split("-")[0]


def host_architecture() -> str:
    """The host's architecture as in triples, without loading LLVM."""
    return {"AMD64": "x86_64", "arm64": "aarch64"}.get(platform.machine(), platform.machine())


def baseline_machine() -> Machine:
    """Any machine of the host's architecture: for the runtime's own code, whose objects serve every CPU."""
    architecture = host_architecture()
    cpu = {"x86_64": "x86-64", "aarch64": "generic"}.get(architecture, "")
    return Machine(f"{architecture}-unknown-linux-gnu", cpu)


@functools.cache
def _llvm() -> ModuleType:
    """llvmlite's binding, initialized once for every target that we compile for."""
    binding = importlib.import_module("llvmlite.binding")  # not before the first compile
    binding.initialize_all_targets()
    binding.initialize_all_asmprinters()
    return binding


@functools.cache
def host_machine() -> Machine:
    """The machine that we run on. Loads LLVM."""
    with _lock:
        llvm = _llvm()
        features = llvm.get_host_cpu_features().flatten()
        return Machine(llvm.get_default_triple(), llvm.get_host_cpu_name(), features)


@functools.cache
def _target_machine(machine: Machine, level: int, thread: int = 0) -> "TargetMachine":
    """What emits code; each thread has its own, as LLVM asks."""
    target = _llvm().Target.from_triple(machine.triple)
    return target.create_target_machine(
        cpu=machine.cpu,
        features=machine.features,
        opt=level,
        reloc="static" if machine.architecture == "wasm32" else "pic",  # wasm's pic wants a dynamic linker
        codemodel="small",
        abiname="lp64d" if machine.architecture == "riscv64" else "",
    )


def prepared(
    text: str, machine: Machine, level: int, passes: Sequence[str], thread: int = 0
) -> tuple["TargetMachine", "ModuleRef", "ModulePassManager", "PassBuilder"]:
    """What emits code, the checked module of `text`, the passes to run; the lock is held."""
    llvm = _llvm()
    target = _target_machine(machine, level, thread)
    module = llvm.parse_assembly(text, llvm.create_context() if thread else None)
    module.verify()
    module.triple = machine.triple
    module.data_layout = str(target.target_data)
    manager = llvm.create_new_module_pass_manager()
    for name in passes:
        getattr(manager, f"add_{name}_pass")()
    options = llvm.create_pipeline_tuning_options(speed_level=level)
    return target, module, manager, llvm.create_pass_builder(target, options)


def _optimized(
    text: str, machine: Machine | None, level: int, passes: Sequence[str]
) -> tuple["TargetMachine", "ModuleRef"]:
    target, module, manager, builder = prepared(text, machine or host_machine(), level, passes)
    manager.run(module, builder)
    return target, module


def compile_text(
    text: str, machine: Machine | None = None, *, level: int = 2, passes: Sequence[str] = PROGRAM_PASSES
) -> bytes:
    """The object code of LLVM IR `text` for `machine` (default: the host).

    `level` 0 to 3 is that of code generation alone.
    Raises RuntimeError with LLVM's message when the text is not valid. One thread compiles at a time.
    """
    with _lock:
        return _object(text, machine, level, passes)


def _object(text: str, machine: Machine | None, level: int, passes: Sequence[str]) -> bytes:
    """The same under the lock, which so covers the end of LLVM's objects, too."""
    target, module = _optimized(text, machine, level, passes)
    return target.emit_object(module)


def compile_library(
    texts: Sequence[str], exported: Collection[str], machine: Machine | None = None, *, is_small: bool = False
) -> bytes:
    """One object of several texts, whose functions call each other; only names in `exported` can be seen.

    `is_small` prefers short code to fast code. Raises RuntimeError with LLVM's message
    when a text is not valid.
    """
    with _lock:
        return _library(texts, exported, machine or host_machine(), is_small=is_small)


def _library(texts: Sequence[str], exported: Collection[str], machine: Machine, *, is_small: bool) -> bytes:
    target = _target_machine(machine, 2)
    module: Any = _linked(texts, exported, machine, is_small=is_small)
    if machine.architecture.startswith(("armv", "wasm32")) or "windows" in machine.triple:
        # After all passes, which would make a helper a call of itself.
        helpers = _llvm().parse_assembly(helpers_called(target.emit_assembly(module)))
        names = {function.name for function in helpers.functions if not function.is_declaration}
        module.link_in(helpers)
        for function in module.functions:
            if function.name in names:
                function.linkage = "internal"
    return target.emit_object(module)


def _linked(
    texts: Sequence[str], exported: Collection[str], machine: Machine, *, is_small: bool
) -> "ModuleRef":
    """One module of all, optimized."""
    llvm = _llvm()
    target = _target_machine(machine, 2)
    first, *others = [llvm.parse_assembly(text) for text in texts]
    for other in others:
        first.link_in(other)
    for value in (*first.functions, *first.global_variables):
        if not (value.is_declaration or value.name in exported or value.name.startswith("llvm.")):
            value.linkage = "internal"
    if is_small:
        for function in first.functions:
            if not function.is_declaration:
                function.add_function_attribute("minsize")
                function.add_function_attribute("optsize")
    first.triple = machine.triple
    first.data_layout = str(target.target_data)
    first.verify()
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization = options.slp_vectorization = (
        False  # vectors are explicit, and so is unrolling
    )
    options.loop_unrolling = options.loop_interleaving = False
    builder = llvm.create_pass_builder(target, options)
    builder.getModulePassManager().run(first, builder)
    manager = llvm.create_new_module_pass_manager()
    for name in LIBRARY_PASSES:
        getattr(manager, f"add_{name}_pass")()
    manager.run(first, builder)
    return first


def assembly(
    text: str, machine: Machine | None = None, *, level: int = 2, passes: Sequence[str] = PROGRAM_PASSES
) -> str:
    """The assembly text of the same code, to be read."""
    with _lock:
        return _assembly(text, machine, level, passes)


def _assembly(text: str, machine: Machine | None, level: int, passes: Sequence[str]) -> str:
    target, module = _optimized(text, machine, level, passes)
    return target.emit_assembly(module)


def machine_code(text: str, machine: Machine) -> tuple[str, str]:
    """Assembly for `machine`, and what LLVM writes to the standard error about its CPU and features."""
    import tempfile  # takes 4 ms of `import weft`

    with _lock, tempfile.TemporaryFile() as file:
        kept = os.dup(2)
        os.dup2(file.fileno(), 2)
        try:
            code = _assembly(text, machine, 2, ())
        finally:
            os.dup2(kept, 2)
            os.close(kept)
        file.seek(0)
        return code, file.read().decode(errors="replace").strip()


def load(*parts: bytes, symbols: Mapping[str, int] | None = None) -> LoadedObject:
    """Bring object code into the process, all parts of it; it is unmapped when the result dies."""
    return load_object(*parts, symbols=symbols)


def cached_object(key: str, make: Callable[[], bytes], fetch: Fetch | None, store: Store | None) -> bytes:
    """The object stored under `key`, else a new one, which is stored.

    The key names what is built; the cache itself adds a hash of Weft's sources and the architecture.
    """
    data = fetch(key) if fetch else None
    if data is None:
        data = make()
        if store:
            store(key, data)
    return data
