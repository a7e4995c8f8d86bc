"""What a function gives back, as a tree that says where each leaf comes from, and its effects on objects.

Not here: how the runtime builds results (`runtime/`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, Literal, TypeAlias

import numpy as np

from weft.compiler.frontend.arguments import children, is_node
from weft.compiler.frontend.callback import deliver
from weft.compiler.frontend.capture import Inputs
from weft.compiler.frontend.chosen import ListMaker, holds_texts
from weft.compiler.frontend.control.either import is_number, possible_arrays
from weft.compiler.frontend.control.joins import (
    Array,
    Maybe,
    Nullable,
    Number,
    Possible,
    Same,
    Scalar,
    Slot,
    Tree,
    is_listed,
)  # fmt: skip
from weft.compiler.frontend.control.lists import (
    Row,
    Stack,
)
from weft.compiler.frontend.control.queues import is_queue
from weft.compiler.frontend.control.settling import (
    has_rows,
    settled,
)
from weft.compiler.frontend.control.tables import dict_maker, held_in, is_opaque, known_parts, table_of
from weft.compiler.frontend.instances import attributes_of, instance
from weft.compiler.frontend.number import TracedNumber, as_expr, size_number
from weft.compiler.frontend.source import Argument, Source
from weft.compiler.frontend.storage import (
    Choice,
    Lens,
    Pick,
    Shape,
    Storage,
    View,
    dims_of,
)
from weft.compiler.frontend.text import TracedText
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import TRACED, Made, MaskedElements, TracedArray, TracedScalar
from weft.ir.dataclass import dataclass
from weft.ir.dims import DimLike
from weft.ir.node import Value
from weft.ir.types import BOOL
from weft.runtime.callback import delivered

Kind = Literal["array", "scalar", "float", "bool", "int", "complex"]
NUMBER_KINDS: dict[type, Kind] = {bool: "bool", int: "int", float: "float", complex: "complex"}


@dataclass(frozen=True, slots=True)
class ResultValue:
    """Result `number` of the function, as an array, a NumPy scalar or a Python number.

    Equal numbers: one object.
    """

    number: int
    kind: Kind


@dataclass(frozen=True, slots=True)
class ResultSize:
    """A Python int, by its expression."""

    dim: DimLike


@dataclass(frozen=True, slots=True)
class ResultObject:
    """The object at a path of the call: an argument or something captured, as it is."""

    source: Source


@dataclass(frozen=True, slots=True)
class Picked:
    """A lens of results: a position on each of some axes, which vanish.

    Results `numbers` hold the positions.
    """

    axes: tuple[int, ...]
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Trimmed:
    """A lens of results: the first elements of each axis, as many as result `numbers[axis]` says; -1: all.

    What is given back is a copy, so that it holds no more memory than it needs.
    """

    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ResultView:
    """A view: of the memory of parameter `parameter`, or of result `number`, through lenses in order.

    Exactly one of the two is None. Equal identities: one object. `sizes` are the symbols in the lenses that
    the program computes, with the results that hold them.
    """

    parameter: int | None
    number: int | None
    lenses: tuple[Lens | Picked | Trimmed, ...]
    identity: int
    sizes: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class ResultConstant:
    """A value known while tracing."""

    value: Any


@dataclass(frozen=True, slots=True)
class ResultChoice:
    """One of two nodes: the first if result `number`, a truth value, holds."""

    number: int
    then: ResultNode
    otherwise: ResultNode


@dataclass(frozen=True, slots=True)
class ResultItems:
    """A list of `count` items in arrays: `parts` are nodes of arrays, an element of each for every item.

    `form` says how: a kind of `ResultValue`, or a container with a form for each item; `("list", form)` is an
    item that is a list itself.
    """

    count: ResultNode
    form: Any
    parts: tuple[ResultNode, ...]


@dataclass(frozen=True, slots=True)
class ResultShared:
    """A container that the result holds at several places: one object for each number."""

    number: int
    node: ResultNode


@dataclass(frozen=True, slots=True)
class ResultTree:
    """A container: `like` gives its type, keys and fields; items are nodes."""

    like: Any
    items: tuple[ResultNode, ...]


@dataclass(frozen=True, slots=True)
class ResultMade:
    """What `make` gives for the parts: a text, or an array that the program has handed over."""

    make: Any
    items: tuple[ResultNode, ...]


ResultNode: TypeAlias = (
    ResultValue
    | ResultMade
    | ResultSize
    | ResultObject
    | ResultView
    | ResultConstant
    | ResultTree
    | ResultChoice
    | ResultItems
    | ResultShared
)


def inner_nodes(node: ResultNode) -> tuple[ResultNode, ...]:
    """The nodes that a node is made of."""
    if isinstance(node, ResultChoice):
        return (ResultValue(node.number, "bool"), node.then, node.otherwise)
    if isinstance(node, ResultItems):
        return (node.count, *node.parts)
    if isinstance(node, ResultShared):
        return (node.node,)
    return node.items if isinstance(node, ResultTree | ResultMade) else ()


@dataclass(frozen=True, slots=True)
class Effect:
    """A change of a Python object that outlives the call, replayed after it: `kind` names the statement.

    setitem and setattr: target at `source`, `key`, `value`; append: `value`; extend: items; content: all that
    a list or dict holds; global and cell: `source` is the name's path; the delete kinds have no value.
    """

    kind: Literal["setitem", "setattr", "append", "global", "cell", "delitem", "delattr", "content", "extend"]
    source: Source
    key: Any = None
    value: Any = None


class Outputs:
    """Collects the results of a function while its return value and its effects are described."""

    def __init__(self, trace: Trace, inputs: Inputs, everything: Any) -> None:
        self.trace, self.inputs = trace, inputs
        self.values: list[Value] = []
        self._numbers: dict[int, tuple[Any, int]] = {}
        self._views: dict[int, tuple[Any, int]] = {}
        self._trims: dict[int, tuple[Any, int, Trimmed]] = {}
        self._shared = _shared_storages(trace, everything)
        self._containers: dict[int, int] = {}  # how often each occurs
        _count_containers(trace, everything, self._containers)
        self._made: dict[int, ResultShared] = {}
        self._open: set[int] = set()  # objects that are described
        self._delivered: dict[int, tuple[TracedArray, ResultShared]] = {}

    def describe(self, value: Any) -> ResultNode:
        """The node for a value of the user's function."""
        match value:
            case TracedArray():
                return self._array(value)
            case TracedScalar():
                return ResultValue(self._number(value, value.value), "scalar")
            case TracedNumber(dim=None):
                assert value.value is not None
                return ResultValue(self._number(value, value.value), NUMBER_KINDS[value.type])
            case MaskedElements():
                return self._array(value.elements)
            case Made():
                return ResultMade(value.make, (self._array(value.elements),))
            case TracedText():
                return ResultMade(value.make, tuple(map(self.describe, value.parts)))
            case Possible():
                flag = as_expr(self.trace, value.present, BOOL).value
                present = self.describe(value.value)
                return ResultChoice(self._number(value, flag), present, ResultConstant(None))
            case TracedNumber():
                assert value.dim is not None
                if self.trace.is_computed(value.dim):
                    return ResultValue(self._number(value, self.trace.size(value.dim).value), "int")
                return ResultSize(value.dim)
            case _:
                return self._object(value)

    def _items(self, value: list[Any]) -> ResultNode:
        stack = settled(self.trace, value)
        for part in stack.parts:
            views = self._shared[part.view.storage].values()
            if has_rows(stack.slot) or stack.outer is not None:
                self._check_alone(part, views)
        count = self.describe(size_number(self.trace, stack.length))
        parts = tuple(self.describe(part) for part in stack.arrays())
        if holds_texts(stack.slot):
            return ResultMade(ListMaker(self.trace, stack.slot), (count, *parts))
        return ResultItems(count, _form(stack.slot), parts)

    def _check_alone(self, part: TracedArray, views: Iterable[TracedArray]) -> None:
        if any(view is not part for view in views):
            fix = "return one of them, or a copy: `list(row)`"
            raise self.trace.refuse("a list of lists and one of its rows are both returned", fix, "E055")

    def _object(self, value: Any) -> ResultNode:
        source = self.inputs.path(value)
        if source is not None:
            return ResultObject(source)
        if is_opaque(value) and table_of(value) is None:
            return ResultMade(dict_maker(value), tuple(map(self.describe, known_parts(value))))
        if type(value) is Maybe:
            fix = "set it before, for example to None"
            raise self.trace.refuse("an object whose attribute may be missing is returned", fix, "E055")
        attributes = attributes_of(self.trace, value)
        if attributes is not None and not self._is_traced(attributes):
            return ResultConstant(value)
        if attributes is None and not is_node(held_in(value)):
            return ResultConstant(value)
        if self._containers.get(id(value), 0) < 2:
            return self._container(value)
        if id(value) not in self._made:
            self._made[id(value)] = ResultShared(len(self._made), self._container(value))
        return self._made[id(value)]

    def _is_traced(self, attributes: dict[str, Any]) -> bool:
        """Whether an object holds what the program computes."""
        found = _leaves(self.trace, attributes, {})
        return any(type(one) in (*TRACED, MaskedElements, Made) or is_opaque(one) for one in found)

    def _instance(self, value: Any, attributes: dict[str, Any]) -> ResultNode:
        if id(value) in self._open:
            fix = "return its arrays and numbers"
            raise self.trace.refuse("an object that leads to itself is returned", fix, "E055")
        self._open.add(id(value))
        parts = tuple(map(self.describe, attributes.values()))
        self._open.discard(id(value))
        return ResultMade(partial(instance, type(value), tuple(attributes)), parts)

    def _container(self, value: Any) -> ResultNode:
        attributes = attributes_of(self.trace, value)
        if attributes is not None:
            return self._instance(value, attributes)
        if is_listed(value):
            return self._items(value)
        table = table_of(value)
        if table is not None:
            parts = table.keys, *(() if table.values is None else (table.values,))
            return ResultMade(dict_maker(value), tuple(map(self.describe, parts)))
        return ResultTree(value, tuple(self.describe(item) for _, item in children(value)))

    def _array(self, array: TracedArray) -> ResultNode:
        view, storage = array.view, array.view.storage
        if storage.choice is not None and self.inputs.options.copies == "nothing":
            return self._chosen(array, storage.choice)
        if self.inputs.options.copies == "nothing" and not self.trace.carries_arrays:
            self._may_be_another(storage)
        same = self.inputs.path(array)
        if same is not None and (self.inputs.options.copies != "all" or not isinstance(same, Argument)):
            return ResultObject(same)
        if storage.variable is not None:  # a result never shares memory with one (D3)
            return ResultValue(self._number(array, view.read(self.trace)), "array")
        sizes = None if self.inputs.options.copies != "nothing" else self._computed_sizes(view)
        if storage.parameter is not None and sizes is not None:
            return self._seen(array, storage.parameter, None, sizes=sizes)
        whole = View.of(storage)
        is_alone = storage.choice is not None or len(self._shared[storage]) == 1
        is_alone = is_alone or not all(map(self.trace.has_bound, whole.shape))
        if is_alone or sizes is None:
            if any(self.trace.is_computed(d) for d in view.shape):
                made = self._computed(array)
                is_of_items = storage.of_items and view.base is None and view.shape
                return ResultMade(_of_items, (made,)) if is_of_items else made
            return ResultValue(self._number(array, view.read(self.trace)), "array")
        if any(self.trace.is_computed(d) for d in whole.shape):
            padded, trim = self._padded(storage, whole.read(self.trace), whole.shape)
            return self._seen(array, None, padded, trim, sizes=sizes)
        root = self._number(storage, whole.read(self.trace))
        return ResultValue(root, "array") if view.base is None else self._seen(array, None, root, sizes=sizes)

    def _may_be_another(self, storage: Storage) -> None:
        """Raise Restart for an array that was joined by value and may be one that the caller has."""
        for one in storage.possible()[1:]:
            if one.parameter is not None or one in self._shared:
                self.trace.choose_names(storage)

    def _chosen(self, array: TracedArray, choice: Choice) -> ResultNode:
        """An array that is one of several."""
        *others, last = [self._array(one) for one in possible_arrays(array)]
        for k, node in reversed(list(enumerate(others))):
            flag = is_number(self.trace, choice, k).value
            last = ResultChoice(self._number(flag, flag), node, last)
        return last

    def _computed(self, array: TracedArray) -> ResultNode:
        """An array of its own whose sizes the program computes."""
        if all(map(self.trace.has_bound, array.view.shape)):
            padded, trim = self._padded(array, array.expr.value, array.view.shape)
            return ResultView(None, padded, (trim,), self._identity(array))
        if id(array) not in self._delivered:
            node = ResultMade(partial(delivered, deliver(self.trace, array)), ())
            self._delivered[id(array)] = array, ResultShared(-1 - len(self._delivered), node)
        return self._delivered[id(array)][1]

    def _seen(
        self,
        array: TracedArray,
        parameter: int | None,
        number: int | None,
        *first: Trimmed,
        sizes: dict[str, Value],
    ) -> ResultView:
        """An array as a view of a parameter or of a result."""
        numbers = tuple((name, self._number(value, value)) for name, value in sizes.items())
        lenses = (*first, *self._lenses(array.view))
        return ResultView(parameter, number, lenses, self._identity(array), numbers)

    def _computed_sizes(self, view: View) -> dict[str, Value] | None:
        return self.trace.computed_sizes(dim for lens in view.lenses for dim in dims_of(lens))

    def _padded(self, key: Any, value: Value, shape: Shape) -> tuple[int, Trimmed]:
        """An array whose sizes the program computes: memory of the largest, of which a part is given back."""
        trace = self.trace
        if id(key) not in self._trims:
            zero = trace.constant(0, trace.expr(value).type.dtype)
            high = tuple(trace.most(d) - d for d in shape)
            whole = trace.emit("pad", [value, zero.value], {"low": (0,) * len(shape), "high": high})
            whole = trace.builder.reshape(trace.expr(whole), tuple(trace.most(d) for d in shape)).value
            sizes = [trace.size(d).value if trace.is_computed(d) else None for d in shape]
            numbers = tuple(-1 if v is None else self._number(v, v) for v in sizes)
            self._trims[id(key)] = key, self._number(key, whole), Trimmed(numbers)
        return self._trims[id(key)][1:]

    def _identity(self, array: TracedArray) -> int:
        """A number for the array object."""
        return self._views.setdefault(id(array), (array, len(self._views)))[1]

    def _lenses(self, view: View) -> tuple[Lens | Picked, ...]:
        """The lenses of a view, positions as results."""
        return tuple(
            Picked(lens.axes, tuple(self._number(v, v) for v in lens.positions))
            if isinstance(lens, Pick)
            else lens
            for lens in view.lenses
        )

    def _number(self, key: Any, value: Value) -> int:
        """The number of the result that holds `value`, one for each key."""
        known = self._numbers.setdefault(id(key), (key, len(self.values)))
        if known[1] == len(self.values):
            self.values.append(value)
        return known[1]


def _of_items(array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """An array made of a list: without items it is as NumPy makes it."""
    return array if len(array) else np.array([])


def _form(slot: Slot) -> Any:
    """How items are put together (`ResultItems`)."""
    match slot:
        case Number(kind):
            return NUMBER_KINDS[kind]
        case Scalar():
            return "scalar"
        case Array():
            return "array"
        case Row(inner):
            return ("list", _form(inner))
        case Nullable(inner):
            return ("or None", _form(inner))
        case Tree(like, items):
            return ("tree", like, tuple(map(_form, items)))
        case Same(value):
            return ("constant", value)
        case _:
            raise TypeError(f"no form of {slot}")


def settle_all(trace: Trace, value: Any, seen: dict[int, Any] | None = None) -> None:
    """Give each list with segments in a result one stack."""
    if is_queue(trace, value):
        fix = "return a list: `list(queue)`"
        raise trace.refuse("a deque of a compiled function leaves it", fix, "E055")
    seen = {} if seen is None else seen
    value = _inside(trace, value, seen)
    if is_listed(value):
        settled(trace, value)
    elif is_node(value):
        for _, item in children(value):
            settle_all(trace, item, seen)


def _inside(trace: Trace, value: Any, seen: dict[int, Any]) -> Any:
    """As `held_in`, and what an object of the user's holds, once."""
    attributes = attributes_of(trace, value)
    if attributes is None:
        return held_in(value)
    is_first = id(value) not in seen
    seen[id(value)] = value
    return tuple(attributes.values()) if is_first else ()


def _count_containers(trace: Trace, value: Any, found: dict[int, int]) -> None:
    held = attributes_of(trace, value)
    held = held_in(value) if held is None else tuple(held.values())
    if is_node(value):
        found[id(value)] = found.get(id(value), 0) + (type(value) is not tuple)
        if found[id(value)] < 2:
            for _, item in children(value):
                _count_containers(trace, item, found)
    elif held is not value:
        found[id(value)] = found.get(id(value), 0) + 1
        if found[id(value)] < 2:
            _count_containers(trace, held, found)


def _leaves(trace: Trace, value: Any, seen: dict[int, Any]) -> Iterator[Any]:
    value = _inside(trace, value, seen)
    if is_node(value):
        for _, item in children(value):
            yield from _leaves(trace, item, seen)
    elif type(value) in (Possible, Maybe):
        yield from _leaves(trace, value.value, seen)
    elif isinstance(value, Stack | TracedText):
        for part in value.parts:
            yield from _leaves(trace, part, seen)
    else:
        yield value


def _shared_storages(trace: Trace, value: Any) -> dict[Storage, dict[int, Any]]:
    """The views of each storage among the results, by identity of the array object's view."""
    found: dict[Storage, dict[int, Any]] = {}
    for one in _leaves(trace, value, {}):
        leaf = one.elements if isinstance(one, MaskedElements | Made) else one
        for array in possible_arrays(leaf) if isinstance(leaf, TracedArray) else ():
            found.setdefault(array.view.storage, {})[id(array.view)] = array
    return found
