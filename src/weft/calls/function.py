"""The compiled function: its variants, and what happens when no variant serves a call.

Users call a native entry. A call that none of its variants serves, and every call while a `weft.options`
block is open, comes to `Core`, which finds the variants for the options in force, traces and compiles what
is missing, and calls again. Not here: tracing (`weft.compiler.frontend`), native code (`native.py`), guard
tables (`guards.py`), what varies (`history.py`).
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import field, replace
from functools import partial
from time import perf_counter
from typing import Any, Literal, NamedTuple

import numpy as np

from weft import config
from weft.backends.cpu.threads import use_threads
from weft.calls.binding import (
    Call,
    Shape,
    class_of,
    key_of,
    leaves,
    places,
    plain,
    spec_tree,
    static_spec,
    with_alias,
)
from weft.calls.checks import check_signature, check_sizes, shared_arrays
from weft.calls.guards import Facts, Sizes, TableMaker, sizes_of
from weft.calls.handlers import Handlers
from weft.calls.history import MOST_INT, History, Place
from weft.calls.native import Built, build
from weft.calls.reasons import Key, advice, describe_difference, key_of_variant, nearest
from weft.calls.specs import argument_spec, examples
from weft.compiler.debug.finite import check_finite
from weft.compiler.frontend.arguments import ArraySpec, IntSpec, map_paths
from weft.compiler.frontend.capture import TraceOptions
from weft.compiler.frontend.entry import Traced, trace
from weft.compiler.frontend.location import user_location, user_traceback
from weft.compiler.frontend.source import Argument, Source
from weft.ir import (
    CodeOptions,
    Func,
    IndexFault,
    InternalError,
    Location,
    Options,
    OutOfMemoryError,
    UnsupportedError,
    WeftError,
)
from weft.ir.dataclass import dataclass
from weft.ir.dims import DimLike, as_symbol
from weft.ir.errors import not_finite
from weft.runtime.callback import server
from weft.runtime.forks import Lock
from weft.runtime.interface import WAITS_FOR_ITSELF
from weft.runtime.locks import own_lock
from weft.runtime.variant import Variant

_ATTEMPTS = 4  # other threads may drop a variant, or rebind what it reads, before its call is made


@dataclass(frozen=True, slots=True)
class Settings:
    """The keywords of `weft.compile`."""

    static: tuple[str | int, ...] = ()
    dynamic: bool = True
    signature: tuple[Any, ...] | None = None
    max_variants: int = 8
    fast_math: bool = False
    check: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """One variant with everything that is known of it."""

    traced: Traced
    sizes: Sizes
    built: Built
    variant: Variant
    key: Key
    reason: str
    options: Options
    present: Mapping[str, int]
    seconds: float


@dataclass(eq=False, slots=True)
class Lane:
    """The variants for one setting of the options that change code, and an entry that tries them."""

    entry: Any
    versions: list[Version] = field(default_factory=list[Version])
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Work:
    """What one trace starts from: the call, its trees of specs, and the values of the symbols in them.

    `copies` says which results are memory of their own.
    """

    call: Call
    trees: tuple[tuple[Argument, Any], ...]
    present: dict[str, int]
    ints: list[tuple[Source, DimLike]]
    has_values: bool = True
    copies: Literal["nothing", "views", "all"] = "nothing"


class Tools(NamedTuple):
    """What is used when options ask for it: a call in the interpreter, a variant in words."""

    interpret: Callable[[Any, Sequence[Any], Mapping[str, Any]], Any]
    explain: Callable[[Any], str]


class _Unserved(Exception):
    """No variant serves a call that was made to be served."""


class Core:
    """What a compiled function knows, beside the native entry that users call."""

    def __init__(
        self,
        fn: Callable[..., Any],
        settings: Settings,
        entry: Any,
        entries: Any,
        make_entry: Callable[[], Any],
        tools: Tools,
    ) -> None:
        self.fn, self.settings, self.tools = fn, settings, tools
        self._entry = weakref.ref(entry)
        self.entries, self.make_entry = entries, make_entry
        self.shape = Shape.of(fn)
        self.lock = Lock()
        self.publishing = Lock()
        self.lanes: dict[CodeOptions, Lane] = {}
        self.histories: dict[object, History] = {}
        self.hidden = History()
        self.compiles = 0
        self.compile_seconds = 0.0
        self.retired_calls = 0
        self.counted: dict[Variant, int] = {}
        self.reasons: list[str] = []
        self.thread = threading.local()
        self.handlers = Handlers(fn, self.shape)  # all calls are routed if there are any
        self.runs: dict[Any, Any] = {}  # compiled parts, by what is fetched and fed
        _cores.add(self)

    @property
    def name(self) -> str:
        """Of the user's function."""
        return self.shape.name

    @property
    def entry(self) -> Any:
        """What users call."""
        return self._entry()

    # ---------------------------------------------------------------- calls

    def route(self, *args: Any, **kwargs: Any) -> Any:
        """Serve a call that users' entry did not serve, by the options in force here."""
        options = config.current()
        use_threads(options.run.threads, options.run.pin)
        if options.run.disable and not hasattr(type(self.fn), "trace_call"):
            return self.fn(*args, **kwargs)
        if options.run.traceback == "full":
            return self._serve(options, args, kwargs)
        try:
            return self._serve(options, args, kwargs)
        except _Unserved:
            raise
        except Exception as error:
            if isinstance(error, InternalError):
                raise
            error.__suppress_context__ = True
            raise error.with_traceback(user_traceback(error.__traceback__))  # noqa: B904 -- its own cause stays

    def _serve(self, options: Options, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        if options.run.interpret or options.run.disable:
            return self.tools.interpret(self, args, kwargs)
        return self.handlers.call(self.lane(options).entry, args, kwargs)

    def lane(self, options: Options) -> Lane:
        """The variants for these options."""
        code = self.code_options(options)
        lane = self.lanes.get(code)
        if lane is None:
            with self.publishing:
                lane = self.lanes[code] = self.lanes.get(code) or self._new_lane()
        return lane

    def _new_lane(self) -> Lane:
        lane = Lane(self.make_entry())
        self.entries.set_slow(lane.entry, partial(self.miss, lane))
        return lane

    def code_options(self, options: Options) -> CodeOptions:
        """The options that change code, with those of this function."""
        return replace(options.code, fast_math=True) if self.settings.fast_math else options.code

    def miss(self, lane: Lane, *args: Any, **kwargs: Any) -> Any:
        """Compile what a call needs, and make the call."""
        if getattr(self.thread, "is_retry", False):
            raise _Unserved
        generation = lane.generation
        call = given = Call.of(self.shape, args, kwargs)
        made = plain(call, self.is_static)
        call = replace(call, positional=made.args, named=made.kwargs)
        options = config.current()
        if made.is_changed:
            try:
                return self._served(lane, call, made.restore)
            except _Unserved:
                pass
        for attempt in range(2 * _ATTEMPTS):
            if attempt == _ATTEMPTS:  # the others need more variants than are kept: one of this call's own
                lane, generation = self._new_lane(), 0
            with self.lock:
                if lane.generation == generation:
                    call = self._compile_for(lane, call, options)
                    self.handlers.save(given)
                generation = lane.generation
            try:
                return self._served(lane, call, made.restore)
            except _Unserved:
                continue
        raise InternalError(f"a variant of {self.name} does not serve the call that it was compiled for")

    def _served(self, lane: Lane, call: Call, restore: Callable[[], None]) -> Any:
        self.thread.is_retry = True
        try:
            return lane.entry(*call.positional, **call.named)
        finally:
            self.thread.is_retry = False
            restore()

    def _compile_for(self, lane: Lane, call: Call, options: Options) -> Call:
        """Compile a variant for a call; gives the call as the variant takes it."""
        if self.settings.signature is None:
            self.add(lane, self.work(call), options)
            return call
        dense = check_signature(call, self.signature_work().trees)
        if dense is not call:
            return dense
        self.add(lane, self.signature_work(), options)
        return call

    # ---------------------------------------------------------------- what to trace

    def work(self, call: Call, *, note: bool = True) -> Work:
        """Trees of specs for the values of a call, with symbols for what was seen to vary."""
        trees = [
            (
                key,
                spec_tree(
                    call.argument(key), value, static=self.is_static(key), location=self.shape.location
                ),
            )
            for key, value in call.items()
        ]
        values: dict[Place, int] = {}
        for key, tree in trees:
            if not self.is_static(key):
                values.update(places(call.argument(key), tree))
        if not self.settings.dynamic:
            return Work(call, tuple((call.argument(k), t) for k, t in trees), {}, [])
        class_ = class_of(trees)
        history = self.histories.get(class_, History())
        if note:
            self.histories[class_] = history
            history.note(values)
        present: dict[str, int] = {}
        made = [
            (call.argument(k), t if self.is_static(k) else _symbolic(history, call.argument(k), t, present))
            for k, t in trees
        ]
        return Work(call, tuple(made), present, _ints(made))

    def spec_work(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Work:
        """The same for specs that a user gives."""
        call = Call.of(self.shape, args, kwargs)
        trees = tuple((call.argument(k), self._given_spec(call.argument(k), k, v)) for k, v in call.items())
        return Work(call, trees, examples(tree for _, tree in trees), _ints(trees), has_values=False)

    def _given_spec(self, path: Argument, key: int | str, value: Any) -> Any:
        return static_spec(path, value) if self.is_static(key) else argument_spec(value, key_of(path))

    def signature_work(self) -> Work:
        """The same for the keyword `signature`."""
        assert self.settings.signature is not None
        return self.spec_work(self.settings.signature, {})

    def is_static(self, key: int | str) -> bool:
        """Whether an argument is named in `static`."""
        static = self.settings.static
        if not static or key in static:
            return bool(static)
        if isinstance(key, int) and self.shape.signature is not None:
            names = list(self.shape.signature.parameters)
            return key < len(names) and names[key] in static
        return False

    # ---------------------------------------------------------------- tracing

    def trace(self, work: Work) -> tuple[Traced, Facts]:
        """Trace a function; arrays that share memory, one of them written, are traced as one."""
        numbers: dict[str, int] = {}
        arrays = work.call.arrays() if work.has_values else {}
        traced = self._trace(work, numbers, arrays)
        while work.has_values and any(p >= 0 for p in traced.func.into):
            found = shared_arrays(traced, work.call)
            for path, value, first in found:
                numbers[str(path)] = numbers.setdefault(str(first), len(numbers))
                arrays[id(value)] = first
            if not found:
                break
            traced = self._trace(work, numbers, arrays)
        same = self._same(work, traced, numbers)
        return traced, Facts(work.call, work.trees, work.ints, same)

    def _same(
        self, work: Work, traced: Traced, numbers: Mapping[str, int]
    ) -> list[tuple[Source, ArraySpec, Source]]:
        """Arguments that were traced as one with another."""
        first = {
            numbers[str(p.source)]: p.source for p in reversed(traced.parameters) if str(p.source) in numbers
        }
        found: list[tuple[Source, ArraySpec, Source]] = []
        for path, tree in work.trees:
            for place, leaf in leaves(path, tree):
                number = numbers.get(str(place))
                if isinstance(leaf, ArraySpec) and number in first and key_of(first[number]) != key_of(place):
                    found.append((place, leaf, first[number]))
        return found

    def _trace(self, work: Work, numbers: Mapping[str, int], arrays: Mapping[int, Source]) -> Traced:
        trees = [(path, with_alias(tree, path, numbers) if numbers else tree) for path, tree in work.trees]
        positional = [tree for path, tree in trees if isinstance(path.key, int)]
        named = {path.key: tree for path, tree in trees if isinstance(path.key, str)}
        try:
            traced = trace(self.fn, positional, named, self._trace_options(work, arrays))
        except RecursionError as error:
            raise UnsupportedError(
                f"{self.name} recurses too deeply to be traced: what the program computes decides its end",
                location=user_location(error.__traceback__),
                fix="write the recursion as a loop, make its depth a static argument, or call the function "
                "by weft.callback",
            ) from error
        return traced if self.settings.check is None else replace(traced, func=check_finite(traced.func))

    def _trace_options(self, work: Work, arrays: Mapping[int, Source]) -> TraceOptions:
        hidden, present, ints = (
            self.hidden,
            work.present,
            {key_of(path): (path, dim) for path, dim in work.ints},
        )

        def dim_of(place: Place, value: int) -> DimLike:
            if not self.settings.dynamic or abs(value) >= MOST_INT:
                return value
            hidden.note_one(place, value)
            dim = hidden.dim(place, value)
            if not isinstance(dim, int):
                present[str(dim)] = value
            return dim

        def hidden_int(path: Source, value: int) -> DimLike:
            dim = dim_of(Place(str(path), -1), value)
            if not isinstance(dim, int) and key_of(path) not in ints:
                ints[key_of(path)] = (path, dim)
                work.ints.append((path, dim))
            return dim

        def hidden_shape(path: Source, array: np.ndarray) -> tuple[DimLike, ...]:
            return tuple(dim_of(Place(str(path), axis), value) for axis, value in enumerate(array.shape))

        def read(path: Source) -> Any:
            return work.call.read(path) if work.has_values else None

        library = frozenset(config.library)
        return TraceOptions(present, hidden_int, hidden_shape, arrays, read, library, work.copies)

    # ---------------------------------------------------------------- variants

    def add(self, lane: Lane, work: Work, options: Options) -> Version:
        """Trace, compile and publish a variant."""
        start = perf_counter()
        traced, facts = self.trace(work)
        check_sizes(traced, work.present)
        sizes = sizes_of(traced, facts.ints)
        options = Options(self.code_options(options), options.run)
        built = build(program_of(traced, sizes), sizes.guards, sizes.results, options)
        table = TableMaker(facts, traced, sizes, built).table()

        def fail(*found: Any) -> Any:
            return _fail(self.name, built, traced.raises, *found)

        self.handlers.note(traced)
        variant = Variant(table, built.program, fail, server(traced.callbacks))
        key = key_of_variant(traced, work.trees, work.present)
        old = nearest(key, [v.key for v in lane.versions])
        reason = "first call" if old is None else describe_difference(old, key)
        version = Version(
            traced, sizes, built, variant, key, reason, options, dict(work.present), perf_counter() - start
        )
        self._report(version, old)
        self._publish(lane, version)
        return version

    def _report(self, version: Version, old: Key | None) -> None:
        self.compiles += 1
        self.compile_seconds += version.seconds
        self.reasons.append(version.reason)
        if self.compiles > 1:
            self._warn(version, old)
        if version.options.run.explain and config.is_chosen(self.name, version.options.run):
            config.tell(f"{self.name}: {self.tools.explain(version)}")

    def _warn(self, version: Version, old: Key | None) -> None:
        from logging import getLogger  # takes 4 ms of `import weft`

        log = getLogger("weft")
        if self.compiles == 2:
            log.info("%s: compiled a second time: %s", self.name, version.reason)
        elif not (getattr(self.fn, "__module__", None) or "").startswith("weft."):  # none of ours
            log.warning(
                "%s: compiled %d times, now because %s; %s",
                self.name,
                self.compiles,
                version.reason,
                advice(version.traced, old, version.key),
            )

    def _publish(self, lane: Lane, version: Version) -> None:
        with self.publishing:
            order = [v for v, _ in self.entries.variants(self.entry)] if self.entry is not None else []
            order += [v for v, _ in self.entries.variants(lane.entry) if v not in order]
            by_variant = {v.variant: v for v in lane.versions}
            kept = [by_variant[v] for v in order if v in by_variant]
            self._keep_counts(kept[self.settings.max_variants - 1 :])
            lane.versions = [version, *kept[: self.settings.max_variants - 1]]
            self.entries.publish(lane.entry, [v.variant for v in lane.versions])
            if self.handlers.exist:
                self.entries.publish(self.entry, [])
            elif not _open_blocks and lane is self.lanes.get(self.code_options(config.base())):
                self.entries.publish(self.entry, [v.variant for v in lane.versions])
            lane.generation += 1

    def _keep_counts(self, dropped: Sequence[Version]) -> None:
        counts = self.counts() if dropped else {}
        for version in dropped:
            self.retired_calls += counts.get(version.variant, 0)
            self.counted.pop(version.variant, None)

    def counts(self) -> dict[Variant, int]:
        """Calls that each variant has served."""
        found = dict(self.counted)
        for entry in [self.entry, *(lane.entry for lane in self.lanes.values())]:
            for variant, count in self.entries.variants(entry):
                found[variant] = found.get(variant, 0) + count
        return found

    def show_variants(self, *, shown: bool) -> None:
        """Let users' entry serve calls by itself, or send every call to `route`."""
        with self.publishing:
            entry = self.entry
            if entry is None:
                return
            for variant, count in self.entries.variants(entry):
                self.counted[variant] = self.counted.get(variant, 0) + count
            self.entries.publish(entry, [])
            lane = self.lanes.get(self.code_options(config.base()))
            if shown and lane is not None and not self.handlers.exist:
                self.entries.publish(entry, [v.variant for v in lane.versions])

    def current(self) -> Version | None:
        """The variant that served the latest call."""
        lane = self.lane(config.current())
        entry = self.entry
        order = [v for v, _ in self.entries.variants(entry)] or [
            v for v, _ in self.entries.variants(lane.entry)
        ]
        by_variant = {v.variant: v for v in lane.versions}
        return next((by_variant[v] for v in order if v in by_variant), None)


def program_of(traced: Traced, sizes: Sizes) -> Func:
    """The program with every symbol that is bound at a call."""
    from weft.ir.dims import Symbol

    func = traced.func
    more = {n: Symbol(n, -(2**63)) for n in sizes.names if n not in func.symbols}
    strided = tuple(
        k
        for k, p in enumerate(traced.parameters)
        if isinstance(p.spec, ArraySpec) and p.spec.layout == "strided"
    )
    return replace(func, symbols={**func.symbols, **more}, strided=strided)


def _symbolic(history: History, path: Source, tree: Any, present: dict[str, int]) -> Any:
    def seen(place: Place, value: int) -> DimLike:
        dim = history.dim(place, value)
        if not isinstance(dim, int):
            present[str(dim)] = value
        return dim

    def leaf(place: Source, spec: Any) -> Any:
        if isinstance(spec, ArraySpec):
            return replace(spec, shape=tuple(seen(Place(str(place), k), n) for k, n in enumerate(spec.shape)))  # pyright: ignore[reportArgumentType] -- specs of values have numbers
        if isinstance(spec, IntSpec) and isinstance(spec.value, int) and abs(spec.value) < MOST_INT:
            return IntSpec(seen(Place(str(place), -1), spec.value))
        return spec

    return map_paths(leaf, path, tree)


def _ints(trees: Sequence[tuple[Argument, Any]]) -> list[tuple[Source, DimLike]]:
    """Paths of the Python ints that are symbols."""
    return [
        (place, leaf.value)
        for path, tree in trees
        for place, leaf in leaves(path, tree)
        if isinstance(leaf, IntSpec) and as_symbol(leaf.value) is not None
    ]


def _fail(name: str, built: Built, raises: Sequence[Any], code: int, site: int, *facts: int) -> object:
    """Raise what a program recorded."""
    if 0 <= site < len(built.sites):
        where = built.sites[site]
        location: Location | None = where.locations[0] if where.locations else None
        if where.code == "index":
            index = facts[0] + IndexFault.apart if facts[0] < -IndexFault.apart // 2 else facts[0]
            raise IndexFault(
                f"index {index} is out of bounds for an axis of size {facts[1]}",
                location=location,
                fix="check the index, or clip it with np.clip",
            )
        if isinstance(where.code, str) and where.code.startswith("nan "):
            raise not_finite(where.code, facts, location)
        if where.code in ("memory", "size"):
            amount = f"of {facts[0]} bytes" if where.code == "memory" and facts[0] >= 0 else "so large"
            raise OutOfMemoryError(f"there is no memory for an array {amount}", location=location)
        if isinstance(where.code, str) and where.code.startswith("raise "):
            raise _fresh(raises[int(where.code.split(" ", 2)[1])], location)
        raise WeftError(f"the program failed: {where.code}", location=location, code="E080")
    if code == -1:
        raise KeyboardInterrupt
    if code == WAITS_FOR_ITSELF:
        raise own_lock(name)
    raise InternalError(f"the program of {name} failed with code {code} at no known place")


def _fresh(exception: BaseException, location: Location | None) -> BaseException:
    """An exception of the user's as if it were raised now, with its line as a note."""
    made = copy(exception)
    made.__traceback__ = made.__context__ = None
    if location is not None:
        made.add_note(f"raised by a compiled program at {location}")
    return made


# ---------------------------------------------------------------- options, forks

_cores: weakref.WeakSet[Core] = weakref.WeakSet()
_open_blocks = 0


def _blocks_changed(count: int) -> None:
    """While a block is open, every call is routed by the options in force where it is made."""
    global _open_blocks
    before, _open_blocks = _open_blocks, count
    if before and not count:
        use_threads(config.base().run.threads, config.base().run.pin)
    if bool(before) != bool(count):
        for core in list(_cores):
            core.show_variants(shown=not count)


config.subscribe(_blocks_changed)

__all__ = ["Core", "Settings", "Tools", "Version", "Work", "program_of"]
