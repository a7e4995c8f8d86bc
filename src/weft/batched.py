"""`weft.vmap`: a function of one example, called on stacks of examples.

The function is traced once, for one lane; its program is rewritten for all of them. Not here: that rewriting
(`weft.compiler.batching`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from weft.compiler.batching import Batcher
from weft.compiler.batching.rules import shape_of
from weft.compiler.frontend.arguments import children, is_node, map_tree, rebuild
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import TracedArray, elements, new_array, wrap
from weft.ir import ShapeError, UnsupportedError, UserError, Value, WeftError
from weft.ir.dims import DimLike, Symbol, show_dim
from weft.ir.node import Op
from weft.ir.rules import tensor_operand
from weft.ir.types import TensorType
from weft.runtime.variables import Variable


def vmap(fn: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0) -> Any:
    """Return a function that maps `fn` over an axis of its arguments, as if called in a loop and stacked.

    `in_axes` says which axis of each positional argument holds the lanes: an int, None for an argument that
    all lanes share, or a list or tuple of these, one for each argument, which may be trees that fit the
    arguments from above. `out_axes` says where the lanes' axis is in the results. Keyword arguments are
    mapped over their first axis. Variables and arrays from outside are shared. Works inside and outside of
    `weft.compile`, nested, and together with `weft.grad`. What `fn` writes to its arguments is written to
    each lane's part; a lane that is finished with a loop stops, and a branch that no lane takes is not run.

    Raises UserError for `in_axes` that do not fit, ShapeError for arguments with different numbers of lanes,
    UnsupportedError where lanes write what they share or have results of different sizes.
    """
    return Vmap(fn, in_axes, out_axes)


class _Leaf:
    """An argument's leaf with lanes: the user's, its axis, the stack, lanes first, its stand-in for one."""

    def __init__(self, original: Any, axis: int, stack: Value) -> None:
        self.original, self.axis, self.stack = original, axis, stack
        self.param: Value | None = None
        self.lane: Any = None

    def enter(self, trace: Trace) -> None:
        """Make the lane, in the region that is traced for one."""
        ty = tensor_operand([self.stack.type])
        self.param = trace.region.add_param(TensorType(ty.dtype, ty.shape[1:]))
        self.lane = wrap(trace, trace.expr(self.param))


class Vmap:
    """A function of stacks, compiled, or traced into the compiled function that calls it."""

    def __init__(self, fn: Callable[..., Any], in_axes: Any, out_axes: Any) -> None:
        if not callable(fn):
            raise UserError(f"weft.vmap takes a function, got {fn!r}", fix="pass the function itself")
        self.fn, self.in_axes, self.out_axes = fn, in_axes, out_axes
        self.__wrapped__ = fn
        functools.update_wrapper(self, fn, assigned=("__doc__",), updated=())
        self.__name__ = f"vmap_{getattr(fn, '__name__', type(fn).__name__)}"
        self._compiled: Any = None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Give the results of all lanes; compiled at the first call."""
        if self._compiled is None:
            from weft.api import compile

            self._compiled = compile(self)
        return self._compiled(*args, **kwargs)

    def __repr__(self) -> str:
        """Return what it maps."""
        return f"<{self.__name__}>"

    def trace_call(
        self,
        trace: Trace,
        call: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        effects: list[Any],
    ) -> Any:
        """Trace a call: `fn` for one lane, then for all."""
        leaves: list[_Leaf] = []
        positional = [
            self._enter(trace, leaves, x, a) for x, a in zip(args, self._axes(trace, args), strict=True)
        ]
        named = {key: self._enter(trace, leaves, x, 0) for key, x in kwargs.items()}
        size = self._size(trace, leaves)
        count = len(effects)
        frame = trace.open(repeats=False)
        try:
            for leaf in leaves:
                leaf.enter(trace)
            returned = call(self.fn, *map(_lanes, positional), **{k: _lanes(x) for k, x in named.items()})
            outputs = _outputs(trace, returned)
            writes = [
                (leaf, leaf.lane.view.storage.value)
                for leaf in leaves
                if isinstance(leaf.lane, TracedArray) and leaf.lane.view.storage.writes
            ]
        finally:
            ends = trace.close(frame)
        if len(effects) > count:
            raise trace.refuse(
                f"{self.__name__} changes a Python object: once, or once for each lane?",
                "return the value instead",
                "E055",
            )
        wanted = [v for v in (*outputs, *(v for _, v in writes), *ends.values()) if v is not None]
        batcher = self._batch(trace, leaves, size, frame.region.ops, wanted)
        self._write_shared(trace, batcher, ends)
        for leaf, value in writes:
            made = batcher.stack(value, trace.builder)
            leaf.original[...] = _moved(trace, new_array(trace, made), leaf.axis)
        return self._leave(trace, batcher, returned, self.out_axes, iter(outputs))

    def _batch(
        self, trace: Trace, leaves: Sequence[_Leaf], size: DimLike, ops: Sequence[Op], wanted: Sequence[Value]
    ) -> Batcher:
        """Write the ops of a lane for all."""
        symbols: list[Symbol] = []

        def index() -> Symbol:
            symbols.append(trace.bind_index("lane", 0, size))
            return symbols[-1]

        batcher = Batcher(size, index)
        for leaf in leaves:
            assert leaf.param is not None
            batcher.bind(leaf.param, leaf.stack)
        try:
            batcher.ops(ops, trace.builder, wanted)
        except WeftError as error:
            error.location = error.location or trace.location()
            raise
        finally:
            for symbol in symbols:
                trace.release_index(symbol)
        return batcher

    # ---------------------------------------------------------------- arguments

    def _axes(self, trace: Trace, args: Sequence[Any]) -> Sequence[Any]:
        """`in_axes` of each argument."""
        if type(self.in_axes) not in (list, tuple):
            return [self.in_axes] * len(args)
        axes: list[Any] = [axis for _, axis in children(self.in_axes)]
        if len(axes) != len(args):
            raise UserError(
                f"in_axes has {len(axes)} entries, the call of {self.__name__} {len(args)} arguments",
                location=trace.location(),
                fix="give one entry for each positional argument",
            )
        return axes

    def _enter(self, trace: Trace, leaves: list[_Leaf], tree: Any, axes: Any) -> Any:
        """An argument with a `_Leaf` for each leaf that has lanes."""
        if is_node(tree):
            items = list(children(tree))
            if is_node(axes):
                below = dict(children(axes))
                if set(below) != {key for key, _ in items}:
                    raise UserError(
                        f"in_axes has entries {sorted(map(str, below))} for an argument with "
                        f"{sorted(str(k) for k, _ in items)}",
                        location=trace.location(),
                        fix="let in_axes have the argument's structure, or one entry for the whole of it",
                    )
                return rebuild(tree, [self._enter(trace, leaves, x, below[k]) for k, x in items])
            return rebuild(tree, [self._enter(trace, leaves, x, axes) for _, x in items])
        if axes is None or tree is None:
            return tree
        if type(axes) is not int:
            raise UserError(f"in_axes holds {axes!r}", location=trace.location(), fix="use an int or None")
        return self._leaf(trace, leaves, tree, axes)

    def _leaf(self, trace: Trace, leaves: list[_Leaf], leaf: Any, axis: int) -> _Leaf:
        if isinstance(leaf, Variable):
            leaf = trace.adopt(leaf)
        rank = leaf.ndim if hasattr(leaf, "ndim") else 0
        if not -rank <= axis < rank:
            raise UserError(
                f"{self.__name__} maps over axis {axis} of an argument of rank {rank}",
                location=trace.location(),
                fix="pass an array with that axis, or None in in_axes for what all lanes share",
            )
        leaves.append(_Leaf(leaf, axis, elements(trace, trace.call(np.moveaxis, leaf, axis, 0)).value))
        return leaves[-1]

    def _size(self, trace: Trace, leaves: Sequence[_Leaf]) -> DimLike:
        """The number of lanes."""
        sizes = [shape_of(trace.expr(leaf.stack))[0] for leaf in leaves]
        if not sizes:
            raise UserError(
                f"{self.__name__} has no argument with lanes",
                location=trace.location(),
                fix="give an axis in in_axes",
            )
        for size in sizes[1:]:
            if not trace.holds(sizes[0], "==", size, "numbers of lanes"):
                raise ShapeError(
                    f"arguments of {self.__name__} have {show_dim(sizes[0])} and {show_dim(size)} lanes",
                    location=trace.location(),
                    fix="map over axes of one size",
                )
        return sizes[0]

    # ---------------------------------------------------------------- results

    def _write_shared(self, trace: Trace, batcher: Batcher, ends: Mapping[Any, Value]) -> None:
        """Storages from outside that the function wrote, the same for all lanes."""
        for storage, value in ends.items():
            if value in batcher.batched:
                raise trace.refuse(
                    f"lanes of {self.__name__} write {storage.name or 'an array'} that all of them share",
                    "return the values, or map over that array too",
                    "E050",
                )
            if batcher.cloner.value(value) is not storage.value:
                trace.set_value(storage, batcher.cloner.value(value))

    def _leave(self, trace: Trace, batcher: Batcher, tree: Any, axes: Any, found: Any) -> Any:
        """A result for all lanes."""
        if is_node(tree):
            below = [a for _, a in children(axes)] if is_node(axes) else None
            items = [item for _, item in children(tree)]
            if below is not None and len(below) != len(items):
                raise UserError(
                    f"out_axes has {len(below)} entries, the result {len(items)}", location=trace.location()
                )
            each = [axes] * len(items) if below is None else below
            pairs = zip(items, each, strict=True)
            return rebuild(tree, [self._leave(trace, batcher, item, a, found) for item, a in pairs])
        value = next(found)
        if value is None:
            return tree
        if axes is None:
            if value in batcher.batched:
                raise UserError(
                    "out_axes is None for a result that differs between lanes", location=trace.location()
                )
            return wrap(trace, trace.expr(batcher.cloner.value(value)))
        return _moved(trace, new_array(trace, batcher.stack(value, trace.builder)), axes)


def _outputs(trace: Trace, returned: Any) -> list[Value | None]:
    """The values of a result's leaves, None for what is no number."""
    found: list[Value | None] = []

    def note(leaf: Any) -> Any:
        if leaf is None or isinstance(leaf, str):
            found.append(None)
            return leaf
        try:
            found.append(elements(trace, leaf).value)
        except TypeError as error:
            raise UnsupportedError(
                f"vmap returns a {type(leaf).__name__}", location=trace.location(), fix="return arrays"
            ) from error
        return leaf

    map_tree(note, returned)
    return found


def _lanes(tree: Any) -> Any:
    return map_tree(lambda leaf: leaf.lane if isinstance(leaf, _Leaf) else leaf, tree)


def _moved(trace: Trace, array: TracedArray, axis: int) -> Any:
    return array if axis == 0 else trace.call(np.moveaxis, array, 0, axis)
