"""The compiled function: variants, generalization of sizes, and what a user asks of it.

A call that no variant serves comes to `Compiled._miss`, which traces and compiles one. The first call's sizes and ints are
constants; one that is seen with a second value becomes a symbol. Not here: tracing (`weft.compiler.frontend`), native code
(`native.py`), guard tables (`guards.py`).
"""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from time import perf_counter
from types import FunctionType
from typing import Any

import numpy as np

from weft import config
from weft.compiler.frontend.arguments import ArraySpec, IntSpec, StaticSpec, is_node, map_paths, spec_of
from weft.compiler.frontend.capture import TraceOptions
from weft.compiler.frontend.entry import Traced, trace
from weft.compiler.frontend.rewrite import resolve_callable
from weft.compiler.frontend.source import Argument, Source
from weft.guards import Sizes, TableMaker, sizes_of
from weft.ir import CompileError, IndexFault, InternalError, Location, Options, WeftError
from weft.ir.dims import DimLike, symbol
from weft.native import Built, build
from weft.runtime.variant import Variant

log = logging.getLogger("weft")
SHORT_BYTES = 1 << 14  # a program that moves no more than this keeps the GIL


@dataclass(eq=False)
class Version:
    """One variant with everything that is known of it."""

    traced: Traced
    sizes: Sizes
    built: Built
    variant: Variant
    reason: str
    seconds: float


@dataclass
class History:
    """Values of sizes and ints in the calls of one class: same structure, dtypes, ranks, static values."""

    seen: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    calls: int = 0

    def add(self, values: Mapping[str, int]) -> None:
        """Note one more call."""
        for place, value in values.items():
            self.seen.setdefault(place, [value] * 0).append(value)
        self.calls += 1

    def dim(self, place: str, value: int, *, is_size: bool) -> DimLike:
        """The number, if every call had it; else a symbol, shared by places that were always equal."""
        values = self.seen.get(place, [value])
        if all(v == values[0] for v in values) or (is_size and value in (0, 1)):
            return value
        same = min(p for p, vs in self.seen.items() if vs == values)
        least = 2 if any(p.startswith("size") for p, vs in self.seen.items() if vs == values) else min(0, min(values))
        name = "n" + "".join(c if c.isalnum() else "_" for c in same)
        return symbol(name, least if least == 2 else -(2**63))


class Core:
    """What a compiled function knows, beside the native entry that users call."""

    def __init__(self, fn: Callable[..., Any], settings: Mapping[str, Any], entry: Any, entries: Any) -> None:
        self.fn = fn
        self.settings = dict(settings)
        self.entry, self.entries = entry, entries
        self.lock = threading.RLock()
        self.versions: list[Version] = []
        self.histories: dict[object, History] = {}
        self.compiles = 0
        self.compile_seconds = 0.0
        self.is_retry = threading.local()
        callee = resolve_callable(fn)
        self.function: FunctionType | None = callee.function if callee is not None else None
        try:
            self.signature: inspect.Signature | None = inspect.signature(fn)
        except (TypeError, ValueError):
            self.signature = None

    # ---------------------------------------------------------------- calls

    def miss(self, *args: Any, **kwargs: Any) -> Any:
        """Serve a call that no variant serves."""
        options = config.current()
        if options.run.disable:
            return self.fn(*args, **kwargs)
        plain_args, plain_kwargs, restore = _plain(args, kwargs)
        if getattr(self.is_retry, "on", False):
            raise InternalError(f"a variant of {self.name} does not serve the call that it was compiled for")
        self.compile_for(plain_args, plain_kwargs, options)
        self.is_retry.on = True
        try:
            result = self.entry(*plain_args, **plain_kwargs)
        finally:
            self.is_retry.on = False
        restore()
        return result

    @property
    def name(self) -> str:
        """Of the user's function."""
        return getattr(self.fn, "__name__", type(self.fn).__name__)

    def compile_for(self, args: Sequence[Any], kwargs: Mapping[str, Any], options: Options) -> Version:
        """Trace and compile a variant for these arguments, and publish it."""
        start = perf_counter()
        with self.lock:
            positional, named = self._normalize(args, kwargs)
            specs, keywords, present, is_general = self._specs(positional, named)
            try:
                traced = trace(self.fn, specs, keywords, self._trace_options(positional, named, present))
            except RecursionError as error:
                raise CompileError(f"{self.name} recurses too deeply to be traced") from error
            version = self._build(traced, options, len(positional), list(named), is_general, start)
            self._publish(version)
            return version

    def _build(self, traced: Traced, options: Options, given: int, named: Sequence[str], is_general: bool, start: float) -> Version:
        sizes = sizes_of(traced)
        func = replace(traced.func, symbols={**traced.func.symbols, **{n: _symbol_of(n) for n in sizes.names if n not in traced.func.symbols}},
                       strided=tuple(k for k, p in enumerate(traced.parameters) if isinstance(p.spec, ArraySpec) and p.spec.layout == "strided"))  # fmt: skip
        code = replace(options.code, fast_math=self.settings["fast_math"] or options.code.fast_math)
        options = Options(code, options.run)
        built = build(func, sizes.guards, sizes.results, options, is_short=_is_short(func))
        table = TableMaker(self.function, traced, sizes, built, given, named).table()
        variant = Variant(table, built.program, lambda *facts: self._fail(built, *facts))
        reason = "sizes became symbols" if is_general else "new arguments"
        return Version(traced, sizes, built, variant, reason, perf_counter() - start)

    def _publish(self, version: Version) -> None:
        self.compiles += 1
        self.compile_seconds += version.seconds
        if self.compiles == 2:
            log.info("%s: compiled again (%s)", self.name, version.reason)
        elif self.compiles > 2:
            log.warning("%s: compiled %d times; %s", self.name, self.compiles, self._advice(version))
        order = [v for v, _ in self.entries.variants(self.entry)]
        by_variant = {v.variant: v for v in self.versions}
        kept = [by_variant[v] for v in order if v in by_variant][: self.settings["max_variants"] - 1]
        self.versions = [version, *kept]
        self.entries.publish(self.entry, [v.variant for v in self.versions])

    def _advice(self, version: Version) -> str:
        pins = [f"{pin} ({pin.reason})" for pin in version.traced.pins]
        if pins:
            return f"pinned: {', '.join(pins)}; pass varying values in other ways, or call with fewer of them"
        return "its arguments differ in type, rank, dtype or a value known at compile time; see f.explain()"

    def _fail(self, built: Built, code: int, site: int, *facts: int) -> object:
        """Raise what a program recorded."""
        if 0 <= site < len(built.sites):
            where = built.sites[site]
            location: Location | None = where.locations[0] if where.locations else None
            if where.code == "index":
                raise IndexFault(f"index {facts[0]} is out of bounds for axis with size {facts[1]}", location=location)
            raise WeftError(f"the program failed: {where.code}", location=location)
        if code == -1:
            raise KeyboardInterrupt
        raise InternalError(f"the program failed with code {code} at no known place")

    # ---------------------------------------------------------------- signatures

    def _normalize(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
        """Keywords that name positional parameters become positional where nothing before them is missing."""
        positional, named = list(args), dict(kwargs)
        if self.signature is None:
            return positional, named
        try:
            self.signature.bind(*args, **kwargs)
        except TypeError:
            self.fn(*args, **kwargs)  # raises as Python does
            raise
        for k, parameter in enumerate(self.signature.parameters.values()):
            if k < len(positional):
                continue
            if parameter.kind is not inspect.Parameter.POSITIONAL_OR_KEYWORD or parameter.name not in named:
                break
            positional.append(named.pop(parameter.name))
        return positional, named

    def _static(self, key: int | str) -> bool:
        static = self.settings["static"]
        if key in static:
            return True
        if isinstance(key, int) and self.signature is not None:
            names = list(self.signature.parameters)
            return key < len(names) and names[key] in static
        return False

    def _specs(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any], dict[str, int], bool]:
        """Trees of specs, with symbols for what was seen to vary; the sizes of the present call; whether there are symbols."""
        trees: dict[int | str, Any] = {}
        for key, value in [*enumerate(args), *kwargs.items()]:
            trees[key] = StaticSpec(value) if self._static(key) else spec_of(value)
        values: dict[str, int] = {}
        for key, tree in trees.items():
            map_paths(lambda path, spec: _note(values, path, spec), Argument(key, str(key)), tree)
        history = self.histories.setdefault(_class_of(trees), History())
        if self.settings["dynamic"]:
            history.add(values)
        present: dict[str, int] = {}
        made = {
            key: map_paths(lambda path, spec: _with_symbols(history, path, spec, present), Argument(key, str(key)), tree)
            for key, tree in trees.items()
        }
        return [made[k] for k in range(len(args))], {k: made[k] for k in kwargs}, present, bool(present)

    def _trace_options(self, args: Sequence[Any], kwargs: Mapping[str, Any], present: dict[str, int]) -> TraceOptions:
        arrays: dict[int, Source] = {}
        for key, value in [*enumerate(args), *kwargs.items()]:
            map_paths(lambda path, leaf: arrays.setdefault(id(leaf), path) if isinstance(leaf, np.ndarray) else None,
                      Argument(key, self._parameter_name(key)), value)  # fmt: skip
        hidden = self.histories.setdefault("hidden", History())

        def hidden_int(path: Source, value: int) -> DimLike:
            place = f"int {path}"
            hidden.seen.setdefault(place, []).append(value)
            dim = hidden.dim(place, value, is_size=False)
            return _presented(dim, value, present)

        def hidden_shape(path: Source, array: np.ndarray) -> tuple[DimLike, ...]:
            dims: list[DimLike] = []
            for axis, value in enumerate(array.shape):
                place = f"size {path} {axis}"
                hidden.seen.setdefault(place, []).append(value)
                dims.append(_presented(hidden.dim(place, value, is_size=True), value, present))
            return tuple(dims)

        return TraceOptions(present, hidden_int, hidden_shape, arrays, frozenset(config.library))

    def _parameter_name(self, key: int | str) -> str:
        if isinstance(key, str) or self.function is None:
            return str(key) if isinstance(key, str) else ""
        code = self.function.__code__
        return code.co_varnames[key] if key < code.co_argcount else ""


def _presented(dim: DimLike, value: int, present: dict[str, int]) -> DimLike:
    if not isinstance(dim, int):
        present[str(dim)] = value
    return dim


def _note(values: dict[str, int], path: Source, spec: Any) -> None:
    if isinstance(spec, ArraySpec):
        for axis, size in enumerate(spec.shape):
            values[f"size {path} {axis}"] = size  # pyright: ignore[reportArgumentType] -- specs of values have numbers
    elif isinstance(spec, IntSpec):
        values[f"int {path}"] = spec.value  # pyright: ignore[reportArgumentType]


def _with_symbols(history: History, path: Source, spec: Any, present: dict[str, int]) -> Any:
    if isinstance(spec, ArraySpec):
        dims = [history.dim(f"size {path} {k}", size, is_size=True) for k, size in enumerate(spec.shape)]  # pyright: ignore
        for dim, size in zip(dims, spec.shape, strict=True):
            _presented(dim, size, present)  # pyright: ignore[reportArgumentType]
        return replace(spec, shape=tuple(dims))
    if isinstance(spec, IntSpec):
        assert isinstance(spec.value, int)
        return IntSpec(_presented(history.dim(f"int {path}", spec.value, is_size=False), spec.value, present))
    return spec


def _class_of(trees: Mapping[int | str, Any]) -> object:
    """What calls must have in common to share symbols: all but the sizes, and which sizes are 0 or 1."""

    def leaf(spec: Any) -> object:
        if isinstance(spec, ArraySpec):
            small = tuple(d if d in (0, 1) else None for d in spec.shape)
            return ("array", spec.dtype.name, small, spec.layout, spec.writeable)
        if isinstance(spec, IntSpec):
            return "int"
        if isinstance(spec, StaticSpec):
            return ("static", type(spec.value), _hashable(spec.value))
        return repr(spec)

    def tree(value: Any) -> object:
        if not is_node(value):
            return leaf(value)
        from weft.compiler.frontend.arguments import children  # noqa: PLC0415

        return (type(value), tuple((_hashable(k), tree(v)) for k, v in children(value)))

    return tuple((key, tree(value)) for key, value in trees.items())


def _hashable(value: object) -> object:
    try:
        hash(value)
    except TypeError:
        return id(value)
    return value


def _symbol_of(name: str):  # noqa: ANN202
    from weft.ir.dims import Symbol  # noqa: PLC0415

    return Symbol(name, 0)


def _is_short(func: Any) -> bool:
    """Whether every parameter and result has a known size, and all together are small."""
    from weft.ir.dims import product  # noqa: PLC0415
    from weft.ir.types import TensorType  # noqa: PLC0415

    total = 0
    for value in [*func.params, *func.results]:
        if isinstance(value.type, TensorType):
            size = product(value.type.shape)
            if not isinstance(size, int):
                return False
            total += size * value.type.dtype.size_bytes
    return total <= SHORT_BYTES


def _plain(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any], Callable[[], None]]:
    """Arguments as exact ndarrays in native byte order, and what copies changes back into byte-swapped ones."""
    swapped: list[tuple[np.ndarray, np.ndarray]] = []

    def leaf(_path: Source, value: Any) -> Any:
        if type(value) is not np.ndarray and not isinstance(value, np.generic) and (
            isinstance(value, np.ndarray) or hasattr(value, "__array__") and not isinstance(value, type)
        ):  # fmt: skip
            value = np.asarray(value)
        if type(value) is np.ndarray and not value.dtype.isnative:
            native = value.astype(value.dtype.newbyteorder("="))
            native.flags.writeable = value.flags.writeable
            swapped.append((value, native))
            return native
        return value

    plain_args = [map_paths(leaf, Argument(k, ""), value) for k, value in enumerate(args)]
    plain_kwargs = {k: map_paths(leaf, Argument(k, k), value) for k, value in kwargs.items()}

    def restore() -> None:
        for original, native in swapped:
            if original.flags.writeable:
                original[...] = native

    return plain_args, plain_kwargs, restore
