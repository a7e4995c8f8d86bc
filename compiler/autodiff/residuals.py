"""What a way back through a region takes from the forward part: which values are kept, which computed again.

Rules for regions first write the forward ops and the way back into one region, as if both ran together. Here
that is cut in two. A value that the way back needs is kept if that takes no more room than what it is
computed from; results of loops, branches, products and reductions are always kept. So `x[i]` of a carried
array is kept and not the array, and of `sin(x)`, `exp(sin(x))`... only x.
Not here: where kept values lie (`loops.py`, `branches.py`).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from weft.compiler.autodiff.flow import used_values
from weft.ir import REGISTRY, Builder, IndexType, Op, Region, TensorType, UnsupportedError, Value
from weft.ir.dims import DimLike, as_symbol, bounds, symbols_of
from weft.ir.opdef import Element, Scalar
from weft.ir.rewrite import Cloner
from weft.ir.walk import dims_of_attribute, dims_of_type, walk

USUAL_SIZE = 256
"""Stands for a size that only a call knows when room is compared."""

_CHEAP = frozenset({"constant", "dim", "from_index", "to_index", "iota"})


def room_of(ty: TensorType) -> int:
    """About how many bytes a value takes."""
    total = ty.dtype.size_bytes
    for dim in ty.shape:
        total *= dim if isinstance(dim, int) else min(bounds(dim)[1] or USUAL_SIZE, USUAL_SIZE)
    return total


def is_cheap(op: Op) -> bool:
    """Whether computing the results again costs about as much as reading them."""
    return not op.regions and (op.name in _CHEAP or isinstance(REGISTRY[op.name].form, Scalar | Element))


class Joint:
    """A region with forward ops, then the way back. `inner` are its parameters that are made anew each time.

    Of these, `kept` come at no cost: the way back has them anyway.
    """

    def __init__(
        self, region: Region, split: int, inner: Sequence[Value], kept: Iterable[Value] = ()
    ) -> None:
        self.forward, self.backward = region.ops[:split], region.ops[split:]
        self.saved: dict[Value, None] = {}
        self.again: set[Op] = set()
        self._free = set(kept)
        self._home: dict[Value, Op | None] = dict.fromkeys(inner)
        self._binder: dict[str, Value] = {}
        self._used: dict[Op, list[Value]] = {}
        for op in self.forward:
            self._home.update((v, op) for v in op.results)
            if op.name == "to_index":
                symbol = as_symbol(op.result.type.dim) if isinstance(op.result.type, IndexType) else None
                assert symbol is not None
                self._binder[symbol.name] = op.result
        for value in self._free:
            symbol = as_symbol(value.type.dim) if isinstance(value.type, IndexType) else None
            if symbol is not None:
                self._binder[symbol.name] = value

    def choose(self, *, at_ties: bool, outer_room: Callable[[Value], int] = lambda _: 0) -> None:
        """Fill `saved`, and `again` with the forward ops that the way back repeats.

        `at_ties` says whether a value is kept that takes as much room as what it is computed from;
        `outer_room` gives the cost of using a value from outside of the region.
        """
        needed = dict.fromkeys(v for op in self.backward for v in self._uses(op) if v in self._home)
        order = {v: k for k, v in enumerate(self._home)}
        for value in sorted(needed, key=order.__getitem__):
            self._decide(value, at_ties, outer_room)
        pending = [v for v in needed if v not in self.saved]
        while pending:
            op = self._home[pending.pop()]
            if op is not None and op not in self.again:
                self.again.add(op)
                pending += [v for v in self._uses(op) if v in self._home and v not in self.saved]

    def _decide(self, value: Value, at_ties: bool, outer_room: Callable[[Value], int]) -> None:
        op = self._home[value]
        if value in self.saved or value in self._free:
            return
        if self._can_be_saved(value) and (op is None or not is_cheap(op)):
            self.saved[value] = None
            return
        leaves = list(self._leaves(value))
        if self._can_be_saved(value):
            assert isinstance(value.type, TensorType)
            cost = sum(room_of(v.type) if v in self._home else outer_room(v) for v in leaves)  # pyright: ignore[reportArgumentType] -- leaves are tensors
            room = room_of(value.type)
            if room < cost or (at_ties and room == cost):
                self.saved[value] = None
                return
        self.saved.update(dict.fromkeys(v for v in leaves if v in self._home))

    def _leaves(self, value: Value) -> Iterator[Value]:
        """What must be known to compute a value again, beside what is saved already."""
        seen, pending = {value}, [value]
        while pending:
            here = pending.pop()
            if here in self.saved or here in self._free:
                continue
            op = self._home.get(here)
            stops = op is None or not is_cheap(op)
            if here not in self._home or (here is not value and stops and self._can_be_saved(here)):
                if isinstance(here.type, TensorType):
                    yield here
                continue
            if op is None:
                raise UnsupportedError(f"the way back needs {here.type}, which it cannot keep")
            more = [v for v in self._uses(op) if v not in seen]
            seen.update(more)
            pending += more

    def _can_be_saved(self, value: Value) -> bool:
        """Whether a value is a tensor of one size in all iterations."""
        ty = value.type
        return isinstance(ty, TensorType) and not any(
            s.name in self._binder for d in ty.shape for s in symbols_of(d)
        )

    def _uses(self, op: Op) -> list[Value]:
        """The operands of an op, what its regions use, and what binds the symbols in its types."""
        if op not in self._used:
            binders = [self._binder[n] for n in names_in(op) if n in self._binder] if self._binder else []
            self._used[op] = [*used_values(op), *binders]
        return self._used[op]

    def write_backward(self, cloner: Cloner, builder: Builder) -> None:
        """Write the ops of the way back, and before them those that it repeats, which fail no more."""
        cloner.rule = without_checks
        for op in self.forward:
            if op in self.again:
                cloner.op(builder, op)
        cloner.rule = without_zeros
        for op in self.backward:
            cloner.op(builder, op)


def names_in(op: Op) -> set[str]:
    """The symbols that the types and attributes of an op and those in its regions mention."""
    found: set[str] = set()
    inner = [o for region in op.regions for o in walk(region)]
    for one in (op, *inner):
        dims: list[DimLike] = [d for a in one.attributes.values() for d in dims_of_attribute(a)]
        dims += [d for v in one.results for d in dims_of_type(v.type)]
        found.update(s.name for d in dims for s in symbols_of(d))
    return found


def without_checks(_builder: Builder, op: Op, _operands: tuple[Value, ...]) -> Sequence[Value] | None:
    """A rule for copies of ops that ran before: what was checked then is not checked again."""
    if op.name == "callback" and op.results:
        raise UnsupportedError(
            "cannot differentiate: the way back would call a callback of Python again",
            location=op.locations[0] if op.locations else None,
            fix="call it outside of the `while` or of what weft.remat computes again",
        )
    return () if op.name in ("check", "callback") else None


def without_zeros(_builder: Builder, op: Op, operands: tuple[Value, ...]) -> Sequence[Value] | None:
    """A rule for copies of a way back: a cotangent that turns out to be zeros is not added."""
    if op.name == "add":
        for zero, other in (operands, operands[::-1]):
            if is_zero(zero):
                return (other,)
    return None


def is_zero(value: Value) -> bool:
    """Whether a value is zeros for all that is seen."""
    op = value.op
    if op is not None and op.name == "broadcast":
        op = op.operands[0].op
    number = op.attributes["value"] if op is not None and op.name == "constant" else None
    return isinstance(number, int | float) and not number
