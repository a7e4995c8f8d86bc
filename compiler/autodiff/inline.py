"""Gradients of a function that is being traced: its ops are written where it is called, then the way back.

The argument that is differentiated gets values of its own, so that the derivative is with respect to it
alone, at entry; writes to it are handed on. Not here: `weft.grad` (`weft.transforms`), rules and the reverse
sweep (`reverse.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from weft.compiler.autodiff.flow import flow_of
from weft.compiler.autodiff.reverse import Names, Reverse, check_loss, unbounded_in
from weft.compiler.frontend.arguments import is_node, map_tree
from weft.compiler.frontend.number import IR_TYPES, TracedNumber, as_expr
from weft.compiler.frontend.source import UserValue
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import TracedArray, TracedScalar, elements, new_array
from weft.ir import DTypeError, Region, TensorType, Value, WeftError
from weft.ir.rewrite import Cloner
from weft.ir.types import F64

_type: Callable[[Any], Any] = type  # typed so: of a value of any type


class Transformed(NamedTuple):
    """What a gradient gives: the value, what else was returned, one tree of gradients for each argument."""

    value: Any
    aux: Any
    gradients: list[Any]


class Leaf(NamedTuple):
    """A leaf of a differentiated argument: the user's, its stand-in, and the value at entry.

    A variable stands in for itself; `before` is the value that it gets back if nothing writes it.
    """

    original: Any
    stand_in: Any
    value: Value
    before: Value | None = None


class Entered(NamedTuple):
    """A function that was traced to be differentiated: what it returned, and where its ops begin.

    `trees` are the differentiated arguments by place, with their leaves.
    """

    returned: Any
    trees: list[tuple[Any, list[Leaf]]]
    start: int

    def leaves(self) -> list[Leaf]:
        """The leaves of all arguments, each once."""
        return list({id(leaf): leaf for _, leaves in self.trees for leaf in leaves}.values())

    def rebuilt(self, made: dict[int, Any]) -> list[Any]:
        """The trees with what was made for each leaf, by its identity."""
        found: list[Any] = []
        for tree, leaves in self.trees:
            items = iter([made[id(leaf)] for leaf in leaves])
            found.append(map_tree(lambda leaf, items=items: None if leaf is None else next(items), tree))
        return found


def enter(
    trace: Trace,
    call: Callable[..., Any],
    fn: Callable[..., Any],
    args: list[Any],
    kwargs: dict[str, Any],
    places: Sequence[int | str | TracedArray],
    prepare: Callable[[list[Leaf]], None] | None = None,
) -> Entered:
    """Trace `fn(*args, **kwargs)` with values of their own for the arguments at `places`, or variables.

    `prepare` may write ops that come before those of the function.

    Raises DTypeError for arguments that have no gradient, at the user's line.
    """
    found: dict[int | str, tuple[Any, list[Leaf]]] = {}
    for place in places:
        if isinstance(place, TracedArray) and id(place.view.storage) not in found:
            found[id(place.view.storage)] = (place, [_variable(trace, place)])
        if isinstance(place, TracedArray) or place in found:
            continue
        holder: Any = args if isinstance(place, int) else kwargs
        leaves: list[Leaf] = []
        holder[place] = map_tree(
            lambda leaf, leaves=leaves, place=place: _stand_in(trace, leaf, leaves, place), holder[place]
        )
        found[place] = (holder[place], leaves)
    if prepare is not None:
        prepare([leaf for _, leaves in found.values() for leaf in leaves])
    start = len(trace.region.ops)
    returned = call(fn, *args, **kwargs)
    trees = [found[id(p.view.storage) if isinstance(p, TracedArray) else p] for p in places]
    return Entered(returned, trees, start)


def leave(trace: Trace, entered: Entered) -> None:
    """Hand on what the function wrote to the stand-ins of its arguments."""
    for leaf in entered.leaves():
        if leaf.before is not None:
            storage = leaf.stand_in.view.storage
            storage.value = leaf.before if storage.value is leaf.value else storage.value
            storage.version += 1
        elif isinstance(leaf.stand_in, TracedArray) and leaf.stand_in.view.storage.version:
            leaf.original[...] = leaf.stand_in


def gradients(
    trace: Trace,
    call: Callable[..., Any],
    fn: Callable[..., Any],
    args: list[Any],
    kwargs: dict[str, Any],
    places: Sequence[int | str | TracedArray],
    *,
    has_aux: bool,
) -> Transformed:
    """Trace `fn(*args, **kwargs)` and its gradients by the arguments at `places`, or variables among them.

    Raises DTypeError and ShapeError for arguments and results that have no gradient, at the user's line.
    """
    entered = enter(trace, call, fn, args, kwargs, places)
    value, aux = split(trace, entered.returned, has_aux=has_aux)
    loss = _loss(trace, value)
    leaves = entered.leaves()
    with at_line(trace):
        check_loss(loss)
        back = start_back(trace, entered, [loss])
        assert isinstance(loss.type, TensorType)
        found = run_back(trace, back, leaves, [(loss, trace.constant(1.0, loss.type.dtype).value)])
    trees = entered.rebuilt({id(leaf): wrap(trace, v) for leaf, v in zip(leaves, found, strict=True)})
    leave(trace, entered)
    return Transformed(value, aux, trees)


@contextmanager
def at_line(trace: Trace) -> Generator[None, None, None]:
    """Give errors that have no line the present one."""
    try:
        yield
    except WeftError as error:
        error.location = error.location or trace.location()
        raise


def start_back(trace: Trace, entered: Entered, outputs: Sequence[Value]) -> Reverse:
    """Let loops and branches among the ops of the function keep what the way back needs."""
    region = Region()
    ops = trace.region.ops[entered.start :]
    flow = flow_of(ops, [leaf.value for leaf in entered.leaves()], outputs)
    reverse = Reverse(ops, flow, Cloner(), region, names_of(trace))
    reverse.run_forward(in_place=True)
    trace.region.ops[entered.start :] = region.ops
    return reverse


def names_of(trace: Trace) -> Names:
    """The symbols of a program that is being traced."""
    return Names(trace.names, {name for frame in trace.frames for name in unbounded_in(frame.region)})


def run_back(
    trace: Trace, reverse: Reverse, leaves: Sequence[Leaf], seeds: Sequence[tuple[Value, Value]]
) -> list[Value]:
    """Write the way back at the end of the open region, from cotangents of outputs to those of leaves."""
    reverse.restart(Region())
    for value, seed in seeds:
        reverse.add(value, reverse.builder.expr(seed))
    reverse.run_backward()
    found = [reverse.cotangent(leaf.value).value for leaf in leaves]
    reverse.drop_unused(found)
    trace.region.ops += reverse.region.ops
    return found


def _variable(trace: Trace, array: TracedArray) -> Leaf:
    """A variable, whose storage holds a value of its own until the function is traced."""
    if array.element.kind not in "fc":
        raise DTypeError(
            f"a derivative needs variables of floats, {array.view.storage.name} is {array!r}",
            location=trace.location(),
            fix="leave it out of wrt",
        )
    storage = array.view.storage
    before = trace.current_value(storage)
    value = _again(trace, before)
    storage.value = value
    storage.version += 1
    return Leaf(array, array, value, before)


def _stand_in(trace: Trace, leaf: UserValue, leaves: list[Leaf], place: object) -> UserValue:
    """A value of its own for a leaf of a differentiated argument; None, as of a layer without bias, stays."""
    match leaf:
        case None:
            return None
        case TracedArray():
            value = _again(trace, leaf.view.read(trace))
            made: Any = new_array(trace, trace.expr(value))
        case TracedScalar():
            value = _again(trace, leaf.value)
            made = TracedScalar(trace, value)
        case TracedNumber() if leaf.dim is None and leaf.type in (float, complex):
            value = _again(trace, as_expr(trace, leaf, IR_TYPES[leaf.type]).value)
            made = TracedNumber(trace, leaf.type, value=value)
        case float() | complex():
            kind = complex if isinstance(leaf, complex) else float
            value = _again(trace, trace.constant(leaf, IR_TYPES[kind]).value)
            made = TracedNumber(trace, kind, value=value)
        case _ if hasattr(leaf, "dtype"):
            return _stand_in(trace, new_array(trace, elements(trace, leaf)), leaves, place)
        case _:
            kind = "int" if isinstance(leaf, TracedNumber) else type(leaf).__name__
            raise DTypeError(
                f"a derivative needs arguments of floats, argument {place!r} holds a Python {kind}",
                location=trace.location(),
                fix="pass a float or an array of floats, or leave it out of wrt",
            )
    ty = value.type
    if not isinstance(ty, TensorType) or ty.dtype.kind not in "fc":
        raise DTypeError(
            f"a derivative needs an argument of floats, argument {place!r} is {ty}",
            location=trace.location(),
            fix="convert it first, as in x.astype(np.float64), or leave it out of wrt",
        )
    leaves.append(Leaf(leaf, made, value))
    return made


def _again(trace: Trace, value: Value) -> Value:
    """The same elements as another value."""
    assert isinstance(value.type, TensorType)
    return trace.emit("reshape", [value], {"shape": value.type.shape})


def split(trace: Trace, returned: UserValue, *, has_aux: bool) -> tuple[Any, Any]:
    """What is differentiated of what a function returned, and what it gave beside it."""
    if not has_aux:
        return returned, None
    kind: type = _type(returned)
    if kind is not tuple or len(returned) != 2:
        raise trace.refuse(
            "with aux=True the function returns (loss, anything)", "return a tuple of two", "E001"
        )
    return returned


def _loss(trace: Trace, value: UserValue) -> Value:
    """The value that is differentiated."""
    if is_node(value) or value is None:
        raise DTypeError(
            f"a gradient needs a result that is one number, got a {type(value).__name__}",
            location=trace.location(),
            fix="return the loss alone, or (loss, anything) with aux=True",
        )
    if isinstance(value, float | TracedNumber):
        return as_expr(trace, value, F64).value
    return elements(trace, value).value


def wrap(trace: Trace, value: Value) -> UserValue:
    """An array or scalar of the user's for a value."""
    assert isinstance(value.type, TensorType)
    return new_array(trace, trace.expr(value)) if value.type.shape else TracedScalar(trace, value)
