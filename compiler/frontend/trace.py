"""`Trace`: the function being built, its open regions and storages, and what was assumed on the way.

Not here: what values do (`values.py`), what a NumPy function
means (`numpy/`), how a trace begins and ends (`entry.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from dataclasses import field
from itertools import chain, count
from typing import Any

from weft.compiler.frontend.assumption import INVERSE, Assumptions, compare
from weft.compiler.frontend.fixed import fixed_number
from weft.compiler.frontend.location import current_position, resolve
from weft.compiler.frontend.storage import Storage, View, row_major
from weft.ir.builder import Builder
from weft.ir.dataclass import dataclass
from weft.ir.dims import Dim, DimLike, Symbol, atom_dim, bounds, maximum, show_dim, substitute, symbols_of
from weft.ir.errors import Fact, UnsupportedError
from weft.ir.expr import Expr, Number
from weft.ir.node import Attribute, Attributes, Func, Op, Region, Value
from weft.ir.source import LIBRARIES, Location
from weft.ir.types import BOOL, I64, DType, TensorType
from weft.runtime.callback import Site

_type: Callable[[Any], Any] = type  # typed so: of a value of any type

Call = Callable[..., Any]
UNBOUNDED = 2**62
"""Stands for a limit of a number of which nothing is known."""


@dataclass(slots=True, eq=False)
class Frame:
    """An open region. `before` holds the value that each outer storage had when the region first touched it.

    In a body that runs more than once (`repeats`) a touched storage starts with a provisional value, held in
    `start`, which becomes a parameter of the region if the body writes the storage, and else the value
    before.
    """

    region: Region
    repeats: bool = False
    before: dict[Storage, Value] = field(default_factory=dict[Storage, Value])
    start: dict[Storage, Value] = field(default_factory=dict[Storage, Value])


class Trace:
    """Builds one function.

    `call(fn, *args)` is how values reach the table of NumPy functions, `adopt(array)` how an array object
    that no load brought becomes a traced one.
    """

    def __init__(self, name: str, assumptions: Assumptions, call: Callable[..., Any]) -> None:
        self.func = Func(name, Region())
        self.frames = [Frame(self.func.body)]
        self.assumptions = assumptions
        self.log: list[str] = []
        self.adopt: Callable[[Any], Any] = _refuse_array
        self.forget_writes: Callable[[], None] = lambda: None  # to what came from outside
        self.note: Callable[[Any], None] = lambda _: None  # told of an object before it changes
        self.gather: Callable[[Any], Any] = lambda _: None  # makes a list with segments one of a single one
        self.share: Callable[..., None] = lambda *_: None  # told of containers that must not change
        self.is_outer: Callable[[Any], bool] = lambda _: False  # whether a list is older than an open region
        self.is_opened: Callable[[Any], bool] = lambda _: False  # whether a list stands for one from outside
        self.references: Callable[[Any], int] = lambda _: 0  # how many variables and items lead to a list
        self.queues: dict[int, list[Any]] = {}  # lists that stand for a deque
        self.repeat: Callable[[Any, Any], Any] = lambda _items, _count: None  # `items * count` of a list
        self.run: Callable[..., Any] = (
            _refuse_array  # calls a function of Weft's own as if it were the user's
        )
        self.read_chosen: Callable[[View], Value] = _refuse_array  # of an array that is one of several
        self.write_chosen: Callable[[View, Value], None] = lambda _view, _part: None
        self.choose: Callable[[Any], Any] = lambda _: None  # the slot of an array as one of several
        self._call = call
        self.enter: Callable[..., Any] = call  # a call of a function that is traced like a user's
        self.load_attribute: Callable[[Any, str], Any] = getattr
        self.is_outside: Callable[[Any], bool] = lambda _: (
            False
        )  # whether an object outlives the call, unopened
        self.hold: Callable[[Any], Any] = lambda value: value  # what a callback gets for a value from outside
        self._builder = Builder(self.func.body)
        self._locations: dict[tuple[int, int], Location] = {}
        self._loops: dict[str, tuple[DimLike, DimLike]] = {}
        self.sizes: dict[object, list[tuple[Region, Dim]]] = {}  # of memory, by the number that they are
        self._bound: dict[str, tuple[Region, Value]] = {}  # what the program computes, where
        self._memory: set[str] = set()  # of these, sizes of which there is memory
        self.masks: dict[object, list[tuple[Region, Value]]] = {}  # where a mask holds, by what it is
        self.joining = ""  # the name that is joined now
        self.carries_arrays = False  # whether a loop binds arrays anew, by value
        self.names: set[str] = set()  # of symbols, those of arguments too
        self.released: set[str] = set()  # indices of loops that are closed
        self.moves: list[Storage] = []
        self.marked = False  # whether there are ops that live only while tracing
        self.groups = 0  # of ops that are marked to be computed again for derivatives
        self.limits: dict[object, tuple[Dim, Region]] = {}  # bounds and counts of slices, by what they are of
        self.tries = False  # whether a `try` was traced
        self.raises: list[Any] = []  # exceptions that ops `check` name by number
        self.texts: Any = None  # those that the program carries as numbers (`chosen.py`)
        self.callbacks: list[Site] = []  # what ops `callback` name by number
        self.facts: dict[Value, bool] = {}  # what scalars are on the path that is traced
        self.put_off: list[Callable[[], Any]] = []  # weak references to what has `do()`
        self.numbers: dict[Value, tuple[str, Any]] = {}  # parameters that are floats: paths, present values
        self.rooms: dict[tuple[Region, object], Value] = {}  # arrays that hold those whose sizes differ
        self.widths: dict[tuple[Region, object], Dim] = {}  # the sizes that these have there
        self._closed: dict[Op | Region, Location | None] = {}

    # ---- where

    def location(self) -> Location:
        """The user's line that runs now."""
        code, lasti = current_position(_is_library)
        key = (id(code), lasti)
        if key not in self._locations:
            self._locations[key] = resolve(code, lasti)
        return self._locations[key]

    # ---- ops

    @property
    def region(self) -> Region:
        """The innermost open region."""
        return self.frames[-1].region

    def is_open(self, region: Region) -> bool:
        """Whether values of `region` are in scope."""
        return any(frame.region is region for frame in self.frames)

    @property
    def builder(self) -> Builder:
        """Writes ops at the user's present line into the innermost region."""
        if self._builder.region is not self.region:
            self._builder = Builder(self.region)
        self._builder.locations = (self.location(),)
        return self._builder

    def emit_op(
        self,
        name: str,
        operands: Sequence[Value] = (),
        attributes: Attributes | None = None,
        regions: Sequence[Region] = (),
    ) -> Op:
        """Append an op."""
        return self.builder.emit(name, operands, attributes, regions)

    def emit(self, name: str, operands: Sequence[Value] = (), attributes: Attributes | None = None) -> Value:
        """Append an op of one result, and give that."""
        return self.builder.emit(name, operands, attributes).result

    def expr(self, value: Value) -> Expr:
        """A handle for compositions; raises UnsupportedError for a value of a region that is closed."""
        if value.owner in self._closed:
            raise self._escaped(value)
        return Expr(self.builder, value)

    def _escaped(self, value: Value) -> UnsupportedError:
        error = self.refuse(
            "a value made in a loop or branch is used after it, and is not carried out of it",
            "give it a value before, and assign to that name inside",
            "E060",
        )
        error.facts = (Fact("made as", str(value.type), self._closed[value.owner]),)
        return error

    def constant(self, number: Number, dtype: DType) -> Expr:
        """A rank-0 constant."""
        return self.builder.constant(number, TensorType(dtype))

    def size(self, dim: DimLike) -> Expr:
        """A size expression as an i64 scalar."""
        if isinstance(dim, int):
            return self.constant(dim, I64)
        return self.expr(self.emit("from_index", [self.emit("dim", [], {"dim": dim})]))

    def fail_unless(self, condition: Expr, exception: Any) -> None:
        """Raise an exception of Python's when the program runs and the condition does not hold."""
        text = f"{_type(exception).__name__}: {exception}"
        code = f"raise {len(self.raises)} {text}"
        self.raises.append(exception)
        self.emit_op("check", [condition.value], {"code": code})

    def fail(self, exception: Any) -> None:
        """Raise an exception of Python's when the program comes here."""
        self.fail_unless(self.constant(0, BOOL), exception)

    # ---- sizes

    def holds(self, left: DimLike, relation: str, right: DimLike, reason: str) -> bool:
        """Whether a relation of sizes holds in this variant; it may become a guard.

        Raises UnsupportedError if it holds in some iterations of an open loop and not in others.
        """
        answer = self.known(left, relation, right, reason)
        if answer is None:
            raise self.refuse(
                f"{show_dim(left)} {relation} {show_dim(right)} depends on a loop's iteration ({reason})",
                "make it hold in all iterations, for example by other bounds",
                "E051",
            )
        return answer

    def agree(self, left: DimLike, right: DimLike, reason: str, otherwise: Exception) -> bool:
        """Whether two sizes are equal; where only a run knows, it fails with `otherwise` if they are not."""
        answer = self.known(left, "==", right, reason)
        if answer is None:
            self.fail_unless(self.size(left).apply("equal", self.size(right)), otherwise)
        return answer is not False

    def known(self, left: DimLike, relation: str, right: DimLike, reason: str) -> bool | None:
        """As `holds`, but None if the answer differs between iterations of an open loop."""
        difference = left - right
        if not any(s.name in self._loops for s in symbols_of(difference)):
            return self.assumptions.holds(left, relation, right, reason, self.location())
        low, high = self._extreme(difference, largest=False), self._extreme(difference, largest=True)
        if low is None and high is None:  # of no line in an index
            low, high = bounds(difference)
        for answer, fact in ((True, relation), (False, INVERSE[relation])):
            if self._proves(low, high, fact, reason):
                return answer
        return None

    def _proves(self, low: DimLike | None, high: DimLike | None, fact: str, reason: str) -> bool:
        """Whether `d fact 0` follows for all d in [low, high]."""
        if fact in ("<", "<="):
            return high is not None and self._holds_now(high, fact, reason)
        if fact in (">", ">="):
            return low is not None and self._holds_now(low, fact, reason)
        if fact == "!=":
            return self._proves(low, high, "<", reason) or self._proves(low, high, ">", reason)
        return False

    def _holds_now(self, dim: DimLike, relation: str, reason: str) -> bool:
        """Assume a relation to 0 if it holds in the present call."""
        return compare(self.assumptions.now(dim), relation, 0) and self.assumptions.holds(
            dim, relation, 0, reason, self.location()
        )

    def _extreme(self, dim: DimLike, *, largest: bool) -> DimLike | None:
        """A bound of `dim` over all iterations of open loops, in the other symbols.

        None if it is not linear in an index.
        """
        for name, (lower, last) in reversed(self._loops.items()):
            if not isinstance(dim, Dim) or all(s.name != name for s in symbols_of(dim)):
                continue
            index = next(atom_dim(s) for s in symbols_of(dim) if s.name == name)
            step = substitute(dim, {name: index + 1}) - dim
            if not isinstance(step, int):
                return None
            dim = substitute(dim, {name: last if (step > 0) == largest else lower})
        return dim

    def bind_index(self, name: str, lower: DimLike, upper: DimLike) -> Symbol:
        """A new symbol for the index of a loop from `lower` to before `upper`."""
        unique = next(n for n in chain([name], (f"{name}_{k}" for k in count(2))) if n not in self.names)
        self.names.add(unique)
        self._loops[unique] = (lower, upper - 1)
        low, high = bounds(lower)[0], bounds(upper - 1)[1]
        return Symbol(unique, -UNBOUNDED if low is None else low, high)

    def bind_number(
        self, value: Value, name: str = "k", low: DimLike = -UNBOUNDED, high: DimLike = UNBOUNDED
    ) -> Dim:
        """An i64 scalar that the program computes, in [low, high], as a size: its symbol is bound here."""
        unique = next(n for n in chain([name], (f"{name}_{k}" for k in count(2))) if n not in self.names)
        self.names.add(unique)
        self._loops[unique] = (low, high)
        self._bound[unique] = self.region, value
        lowest, highest = bounds(low)[0], bounds(high)[1]
        upper = None if highest is None or highest > UNBOUNDED else highest
        made = atom_dim(Symbol(unique, -UNBOUNDED if lowest is None else lowest, upper))
        facts: dict[str, Attribute] = {"dim": made}
        if isinstance(high, Dim) and not self.has_bound(high):
            facts["memory"] = True
            self._memory.add(unique)
        elif isinstance(high, Dim) or high < UNBOUNDED:
            facts["bound"] = self.most(high)
        self.emit("to_index", [value], facts)
        return made

    def number_as_size(self, value: Value) -> Dim:
        """An i64 scalar that the program computes as a size, one symbol for one value."""
        found = self.sizes.setdefault(value, [])
        known = [dim for region, dim in found if self.is_open(region)]
        if not known:
            known = [self.bind_number(value)]
            found.append((self.region, known[0]))
        return known[0]

    def computed_size(self, count: Expr, *, or_none: bool = False) -> Dim:
        """An i64 scalar that the program computes as a size of memory, one symbol for the same value.

        The program raises NumPy's ValueError for one below 0, or takes it as 0.
        """
        from weft.compiler.frontend.masks import key_of  # which imports this module

        if not or_none:
            negative = ValueError("negative dimensions are not allowed")
            self.fail_unless(count.apply("greater_equal", 0), negative)
        found = self.sizes.setdefault(key_of(count.value), [])
        known = [dim for region, dim in found if self.is_open(region)]
        if known:
            return known[0]
        dim = self.bind_number(count.apply("maximum", 0).value, "n", 0)
        self.region.ops[-1].attributes["memory"] = True  # pyright: ignore[reportIndexIssue] -- it is ours
        self._memory.update(s.name for s in symbols_of(dim))
        found.append((self.region, dim))
        return dim

    def has_bound(self, dim: DimLike) -> bool:
        """Whether the largest that a size can be is known when the program starts."""
        try:
            self.most(dim)
        except UnsupportedError:
            return False
        return True

    def is_computed(self, dim: DimLike) -> bool:
        """Whether a size is known only when the program has run so far."""
        return any(s.name in self._loops for s in symbols_of(dim))

    def is_left(self, name: str) -> bool:
        """Whether a symbol was bound in a region that is no longer open."""
        return name in self._bound and not self.is_open(self._bound[name][0])

    def computed_sizes(self, dims: Iterable[DimLike]) -> dict[str, Value] | None:
        """The symbols in `dims` that the program computes, with their values; None if one is out of scope."""
        names = sorted({s.name for dim in dims for s in symbols_of(dim) if s.name in self._loops})
        bound = {name: self._bound[name] for name in names if name in self._bound}
        found = {name: value for name, (region, value) in bound.items() if self.is_open(region)}
        return found if len(found) == len(names) else None

    def most_items(self, dim: DimLike) -> DimLike:
        """As `most`; sizes of memory that the program knows before its loops and branches count as known."""
        top = self.frames[0].region
        for name in (s.name for s in symbols_of(dim) if s.name in self._bound):
            if self._bound[name][0] is top and self._loops[name][1] == UNBOUNDED:
                op = next(op for op in top.ops if op.name == "to_index" and _binds(op, name))
                op.attributes["memory"] = True  # pyright: ignore[reportIndexIssue] -- it is ours
                self._memory.add(name)
        return self.most(dim, frozenset(n for n in self._memory if self._bound[n][0] is top))

    def most(self, dim: DimLike, known: frozenset[str] = frozenset()) -> DimLike:
        """The largest that a size can be, in what is known when the program starts or in symbols `known`."""
        if not self.is_computed(dim):
            return dim
        found = dim
        for name, (low, last) in reversed(self._loops.items()):
            if name not in known and any(s.name == name for s in symbols_of(found)):
                ends = [substitute(found, {name: end}) for end in (maximum(low, 0), last)]
                found = maximum(*ends)  # a size grows or falls in each symbol
        left = any(s.name in self._loops and s.name not in known for s in symbols_of(found))
        if left or (bounds(found)[0] or 0) >= UNBOUNDED >> 16:  # `n - 1` and `n // 4` have no bound either
            raise self.refuse(
                "a size that the program computes has no bound", "use a size that is known", "E051"
            )
        return found

    def changes(self, dim: DimLike) -> bool:
        """Whether `dim` depends on a loop or on what the program computes."""
        return any(s.name in self._loops for s in symbols_of(dim))

    def release_index(self, symbol: Symbol) -> tuple[str, tuple[DimLike, DimLike]]:
        """The loop is closed. What `index_again` needs."""
        self.released.add(symbol.name)
        return symbol.name, self._loops.pop(symbol.name)

    @contextmanager
    def index_again(self, index: tuple[str, tuple[DimLike, DimLike]] | None) -> Generator[None, None, None]:
        """As if the loop of an index were open, for questions about sizes in its body."""
        if index is not None:
            self._loops[index[0]] = index[1]
        try:
            yield
        finally:
            if index is not None:
                del self._loops[index[0]]

    def pin(self, dim: DimLike, reason: str) -> int:
        """Fix a size to its present value."""
        if any(s.name in self._loops for s in symbols_of(dim)):
            raise self.refuse(
                f"a number that a loop changes must be known ({reason})", "use a constant", "E051"
            )
        return dim if isinstance(dim, int) else self.assumptions.pin(dim, reason, self.location())

    def fix(self, value: Value) -> Any:
        """The number that a scalar is, if only sizes, ints and floats of the call decide it; else None.

        These are then fixed to what they are: raises Restart if any was open.
        """
        return fixed_number(self, value)  # pyright: ignore[reportArgumentType] -- this very class, found by two paths

    # ---- storages

    def new_storage(self, value: Value, name: str = "") -> Storage:
        """Fresh memory that holds `value`."""
        assert isinstance(value.type, TensorType)
        return Storage(value, row_major(value.type.shape), name=name, depth=len(self.frames))

    def current_value(self, storage: Storage) -> Value:
        """The value of a storage in the innermost region."""
        if storage.left:
            raise self.refuse_alias(storage)
        self._touch(storage, len(self.frames) - 1)
        return storage.value

    def set_value(self, storage: Storage, value: Value) -> None:
        """Write a whole storage."""
        self._touch(storage, len(self.frames) - 1)
        storage.value = value
        storage.version += 1
        self.note_write(storage)

    def note_write(self, storage: Storage) -> None:
        """A storage is written: joins by value that it is part of, and a join's parts, are not to be used."""
        if storage.fixed:
            raise self.refuse_alias(storage)
        storage.writes += 1
        origins = _closure([storage], lambda one: one.origins)
        for other in origins[1:]:
            if other.parameter is not None:
                raise self.refuse_alias(storage)
            other.writes += 1
        for other in _closure(origins, lambda one: one.copies)[1:]:
            self.leave_storage(other)

    def leave_storage(self, storage: Storage) -> None:
        """From now on, using a storage is an error."""
        if not storage.left:
            storage.left = True
            self.moves.append(storage)

    def leave_linked(self, storage: Storage) -> None:
        """As `note_write` for what is not written, but not all of what a list holds from now on.

        Arrays that the list has as items stay what they are.
        """
        origins = _closure([storage], lambda one: one.origins)
        for other in _closure(origins, lambda one: one.copies)[1:]:
            if other.in_list:
                self.leave_storage(other)

    def forget_moves(self, count: int) -> None:
        """Take back what was left since there were `count` moves."""
        for storage in self.moves[count:]:
            storage.left = False
        del self.moves[count:]

    def take_moves(self, count: int) -> list[Storage]:
        """As `forget_moves`; gives what was left."""
        found = self.moves[count:]
        self.forget_moves(count)
        return found

    def link(self, copy: Storage, origin: Storage) -> None:
        """Note that an array joined by value may be, in Python, one that was there before."""
        if copy.choice is not None:
            return
        copy.link(origin)
        copy.fixed |= origin.fixed
        if origin is not copy and origin not in copy.origins:
            copy.origins.append(origin)
            origin.copies.append(copy)

    def refuse_alias(self, *storages: Storage) -> UnsupportedError:
        """The error for an array that is written while it may or may not be another one.

        Raises Restart if they were joined by value.
        """
        self.choose_names(*storages)
        error = self.refuse(
            "an array is written that may or may not be the memory of another: both names would see it",
            "give one of them memory of its own before, for example by `x = x.copy()`",
            "E064",
        )
        found = (one.joined or one.name for one in _closure([*storages], lambda one: one.linked))
        names = sorted({name for name in found if name.isidentifier() and not name.startswith("__weft")})
        error.facts = (Fact("names", ", ".join(names)),) if names else ()
        return error

    def choose_names(self, *storages: Storage) -> None:
        """Join the names for which these, or what may be these, were joined otherwise. May raise Restart."""
        self.assumptions.join_by_choice(one.joined for one in _closure([*storages], lambda one: one.linked))

    def _touch(self, storage: Storage, number: int) -> None:
        """Note the value of `storage` on entry to each open region younger than it, outer regions first."""
        frame = self.frames[number]
        if storage.depth > number or storage in frame.before:
            return
        self._touch(storage, number - 1)
        frame.before[storage] = storage.value
        if frame.repeats:
            storage.value = frame.start[storage] = Value(storage.type, frame.region, -1, storage.name)
            storage.version += 1

    # ---- regions

    def open(self, *, repeats: bool) -> Frame:
        """Open a region. What was put off is done before it, where all paths see it."""
        put_off, self.put_off = self.put_off, []
        for reference in put_off:
            one = reference()
            if one is not None:
                one.do()
        frame = Frame(Region(), repeats)
        self.frames.append(frame)
        return frame

    def close(self, frame: Frame) -> dict[Storage, Value]:
        """Close the innermost region, give back to outer storages the values from before.

        The result is the values that they had at its end.
        """
        last = self.leave(frame)
        self.seal(frame)
        return last

    def seal(self, frame: Frame) -> None:
        """From now on, using a value of a region that was left is an error."""
        here = self.location()
        self._closed[frame.region] = here
        for op in frame.region.ops:
            self._closed[op] = op.locations[0] if op.locations else here

    def leave(self, frame: Frame) -> dict[Storage, Value]:
        """As `close`, but more ops may be added to the region (`reopen`) until it is sealed."""
        while self.frames[-1] is not frame:  # an error came out of a region in it
            self.leave(self.frames[-1])
        self.frames.pop()
        last: dict[Storage, Value] = {}
        for storage, before in frame.before.items():
            last[storage], storage.value = storage.value, before
            storage.version += 1
        return last

    @contextmanager
    def reopen(self, frame: Frame) -> Generator[None, None, None]:
        """Add ops to a region that was left; storages are not to be touched."""
        self.frames.append(frame)
        try:
            yield
        finally:
            assert self.frames.pop() is frame

    # ---- calls

    def call(self, fn: Any, /, *args: Any, **kwargs: Any) -> Any:
        """Apply a NumPy function that the table knows; raises UnsupportedError for others."""
        return self._call(self, fn, *args, **kwargs)

    def refuse(self, sentence: str, fix: str, code: str = "E050") -> UnsupportedError:
        """The error for something not supported, at the user's line."""
        return UnsupportedError(sentence, code=code, location=self.location(), fix=fix)


def _binds(op: Op, name: str) -> bool:
    dim: Any = op.attributes["dim"]
    return any(s.name == name for s in symbols_of(dim))


def _closure(found: list[Storage], further: Callable[[Storage], list[Storage]]) -> list[Storage]:
    """Storages and all that they lead to, in order."""
    for one in found:
        found += [other for other in further(one) if other not in found]
    return found


def _refuse_array(array: Any) -> Any:
    raise TypeError("an array of unknown origin")


def _is_library(module: str) -> bool:
    return module.partition(".")[0] in LIBRARIES
