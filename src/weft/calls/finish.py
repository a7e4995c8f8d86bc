"""Results that take Python to make: views, containers of the user's classes, sizes; effects replayed.

Not here: results that a table's tree describes (`guards.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import FunctionType
from typing import Any

from weft.compiler.frontend import result, source
from weft.compiler.frontend.arguments import ArraySpec, rebuild
from weft.compiler.frontend.entry import Traced
from weft.compiler.frontend.replay import fixed_lens, replay, view_of
from weft.ir.dims import DimLike


class ResultMaker:
    """Makes the results of one call.

    `raw` are the outputs of the program, `at(path)` the object at a path of the call, `parameter(k)` the
    argument that is parameter k, `size(dim)` a Python int of the result, `known` the numbers of the symbols.
    """

    def __init__(
        self,
        traced: Traced,
        raw: Sequence[Any],
        at: Callable[[source.Source], Any],
        parameter: Callable[[int], Any],
        size: Callable[[DimLike], int],
        known: Mapping[str, int],
    ) -> None:
        self.traced, self.raw, self.at = traced, raw, at
        self.parameter, self.size, self.known = parameter, size, known
        self.views: dict[int, Any] = {}
        self.trimmed: dict[int, Any] = {}
        self.containers: dict[int, Any] = {}

    def finish(self, function: FunctionType | None) -> Any:
        """The result; effects of the function are done, in order."""
        value = self.make(self.traced.result)
        for effect in self.traced.effects:
            new = self.make(effect.value)
            named = effect.kind in ("global", "cell")
            replay(effect, new, None if named else self.at(effect.source), function)
        return value

    def make(self, node: Any) -> Any:
        """The value that a node of the result describes."""
        match node:
            case result.ResultValue():
                return self.raw[node.number]
            case result.ResultSize():
                return self.size(node.dim)
            case result.ResultObject():
                return self.at(node.source)
            case result.ResultConstant():
                return node.value
            case result.ResultView():
                return _once(self.views, node.identity, lambda: self._view(node))
            case result.ResultChoice():
                return self.make(node.then if self.raw[node.number] else node.otherwise)
            case result.ResultItems():
                arrays = iter([self.make(part) for part in node.parts])
                return _items(node.form, arrays, int(self.make(node.count)))
            case result.ResultShared():
                return _once(self.containers, node.number, lambda: self.make(node.node))
            case result.ResultTree() | result.ResultMade():
                items = [self.make(item) for item in node.items]
                return rebuild(node.like, items) if isinstance(node, result.ResultTree) else node.make(*items)
            case _:
                return node

    def _view(self, node: result.ResultView) -> Any:
        if node.number is not None:
            base = self.raw[node.number]
        else:
            number = node.parameter or 0
            base, spec = self.parameter(number), self.traced.parameters[number].spec
            if isinstance(spec, ArraySpec) and spec.layout == "F":
                base = base.T
        known = {**self.known, **{name: int(self.raw[number]) for name, number in node.sizes}}
        for lens in node.lenses:
            if isinstance(lens, result.Picked):
                base = self._pick(base, lens)
            elif isinstance(lens, result.Trimmed):
                base = _once(self.trimmed, id(lens), lambda base=base, lens=lens: self._trim(base, lens))
            else:
                base = view_of(base, [lens], known)
        return base

    def _pick(self, base: Any, lens: result.Picked) -> Any:
        key: list[Any] = [slice(None)] * base.ndim
        for axis, number in zip(lens.axes, lens.numbers, strict=True):
            key[axis] = int(self.raw[number])
        return base[tuple(key)]

    def _trim(self, base: Any, lens: result.Trimmed) -> Any:
        key = tuple(slice(None) if number < 0 else slice(int(self.raw[number])) for number in lens.numbers)
        return base[key].copy()


def fixed_view(traced: Traced) -> tuple[int, Callable[[Any], Any]] | None:
    """The parameter that a result is a view of, and what makes it, if sizes of the call do not change it."""
    node = traced.result
    if not isinstance(node, result.ResultView) or traced.effects or node.number is not None or node.sizes:
        return None
    number = node.parameter or 0
    spec, steps = traced.parameters[number].spec, list[Callable[[Any], Any]]()
    if isinstance(spec, ArraySpec) and spec.layout == "F":
        return None
    for lens in node.lenses:
        step = None if isinstance(lens, result.Picked | result.Trimmed) else fixed_lens(lens)
        if step is None:
            return None
        steps.append(step)

    def show(base: Any) -> Any:
        for step in steps:
            base = step(base)
        return base

    return number, steps[0] if len(steps) == 1 else show


def _once(made: dict[int, Any], number: int, make: Callable[[], Any]) -> Any:
    if number not in made:
        made[number] = make()
    return made[number]


def _items(form: Any, arrays: Iterator[Any], count: int) -> list[Any]:
    """The items that lie in arrays (`ResultItems`)."""
    if form in ("float", "int", "bool", "complex"):
        return next(arrays)[:count].tolist()
    if form in ("scalar", "array"):
        return list(next(arrays)[:count])
    match form:
        case ("list", inner):
            whole = [next(arrays)[:count] for _ in range(_width(inner))]
            rows = zip(*whole, strict=True)
            return [_items(inner, iter(parts), len(parts[0])) for parts in rows]
        case ("or None", inner):
            values, flags = _items(inner, arrays, count), next(arrays)
            return [value if flag else None for value, flag in zip(values, flags, strict=False)]
        case ("tree", like, forms):
            columns = [_items(one, arrays, count) for one in forms]
            return [rebuild(like, [column[k] for column in columns]) for k in range(count)]
        case _:
            _, value = form
            return [value] * count


def _width(form: Any) -> int:
    """How many arrays an item lies in."""
    match form:
        case ("list", inner):
            return _width(inner)
        case ("or None", inner):
            return _width(inner) + 1
        case ("tree", _, forms):
            return sum(map(_width, forms))
        case ("constant", _):
            return 0
        case _:
            return 1


def paths_read(traced: Traced) -> list[source.Source]:
    """Paths of the objects that finishing reads."""
    found: list[source.Source] = []

    def visit(node: Any) -> None:
        if isinstance(node, result.ResultObject):
            found.append(node.source)
        for item in result.inner_nodes(node):
            visit(item)

    visit(traced.result)
    for effect in traced.effects:
        visit(effect.value)
        if effect.kind not in ("global", "cell"):
            found.append(effect.source)
    return found
