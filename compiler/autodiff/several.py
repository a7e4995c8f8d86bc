"""Derivatives of functions that give more than one number, while they are traced.

Along a direction, back from given cotangents, and whole matrices of them, row by row or column by column in a
loop.
Not here: gradients, and how arguments get values of their own (`inline.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from weft.compiler.autodiff.flow import flow_of, is_float
from weft.compiler.autodiff.forward import Forward
from weft.compiler.autodiff.inline import (
    Entered,
    Leaf,
    at_line,
    enter,
    leave,
    names_of,
    run_back,
    split,
    start_back,
    wrap,
)
from weft.compiler.autodiff.loops import put
from weft.compiler.autodiff.residuals import without_checks
from weft.compiler.frontend.arguments import children, is_node, map_tree
from weft.compiler.frontend.number import IR_TYPES, TracedNumber, as_expr
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import TracedArray, TracedScalar, elements
from weft.ir import DTypeError, Expr, IndexType, Region, ShapeError, TensorType, Value, WeftError, record
from weft.ir.builder import Builder
from weft.ir.dims import DimLike, Symbol, atom_dim, bounds, product
from weft.ir.rewrite import Cloner, fresh_name, inline
from weft.ir.types import F64, Type

Call = Callable[..., Any]
_type: Callable[[Any], Any] = type  # typed so: of a value of any type


def leaves_of(tree: Any) -> Iterator[Any]:
    """The leaves of a tree, in order."""
    if not is_node(tree):
        yield tree
        return
    for _, item in children(tree):
        yield from leaves_of(item)


def output_of(trace: Trace, leaf: Any) -> Value | None:
    """The value of a leaf of a result; None for what has no derivative."""
    if type(leaf) is TracedNumber:
        return as_expr(trace, leaf, F64).value if leaf.dim is None and leaf.type is float else None
    if type(leaf) not in (TracedArray, TracedScalar):
        return None
    value = elements(trace, leaf).value
    return value if is_float(value.type) else None


def _matching(trace: Trace, tree: Any, like: Sequence[Value | None], what: str) -> list[Value | None]:
    """Values of a tree of cotangents or tangents, which must be as many and of the types of `like`."""
    found = list(leaves_of(tree))
    if len(found) != len(like):
        raise ShapeError(
            f"{len(found)} {what}s are given for {len(like)} values",
            location=trace.location(),
            fix=f"give a {what} for each value, in a structure of the same kind",
        )
    values: list[Value | None] = []
    for leaf, other in zip(found, like, strict=True):
        if other is None or leaf is None:
            values.append(None)
            continue
        assert isinstance(other.type, TensorType)
        number = type(leaf) in (int, float, TracedNumber)
        value = (as_expr(trace, leaf, other.type.dtype) if number else elements(trace, leaf)).value
        if value.type != other.type:
            raise ShapeError(
                f"a {what} is {value.type}, its value {other.type}",
                location=trace.location(),
                fix=f"give a {what} of the same shape and dtype",
            )
        values.append(value)
    return values


def push_forward(
    trace: Trace, call: Call, fn: Call, primals: Sequence[Any], tangents: Sequence[Any]
) -> tuple[Any, Any]:
    """The result of `fn(*primals)`, and how it changes along `tangents`; None for what is no float."""
    given: list[Value | None] = []

    def prepare(leaves: list[Leaf]) -> None:
        values = iter(leaves)
        like = [None if leaf is None else next(values).value for leaf in leaves_of(list(primals))]
        found = _matching(trace, list(tangents), like, "tangent")
        given.extend(tangent for tangent, value in zip(found, like, strict=True) if value is not None)

    entered = enter(trace, call, fn, list(primals), {}, range(len(primals)), prepare)
    outputs = [output_of(trace, leaf) for leaf in leaves_of(entered.returned)]
    ops = trace.region.ops[entered.start :]
    sources = [leaf.value for leaf in entered.leaves()]
    flow = flow_of(ops, sources, [v for v in outputs if v is not None])
    with at_line(trace):
        forward = Forward(ops, flow, Cloner(), Region(), names_of(trace), in_place=True)
        forward.tangents.update((v, t) for v, t in zip(sources, given, strict=True) if t is not None)
        forward.run()
        found = [None if v is None else forward.tangent(v) for v in outputs]
    trace.region.ops[entered.start :] = forward.region.ops
    items = iter([None if v is None else wrap(trace, v) for v in found])
    leave(trace, entered)
    return entered.returned, map_tree(lambda _: next(items), entered.returned)


class PullBack:
    """The way back of a function that was traced: cotangents of its result to those of its arguments."""

    def __init__(self, trace: Trace, call: Call, fn: Call, primals: Sequence[Any]) -> None:
        self.entered = enter(trace, call, fn, list(primals), {}, range(len(primals)))
        self.outputs = [output_of(trace, leaf) for leaf in leaves_of(self.entered.returned)]
        with at_line(trace):
            self.reverse = start_back(trace, self.entered, [v for v in self.outputs if v is not None])
        leave(trace, self.entered)

    def trace_call(self, trace: Trace, call: Call, args: Sequence[Any], kwargs: Any, effects: Any) -> Any:
        """Trace a call: one tree for each argument."""
        (cotangent,) = args
        given = _matching(trace, cotangent, self.outputs, "cotangent")
        leaves = self.entered.leaves()
        seeds = [(v, g) for v, g in zip(self.outputs, given, strict=True) if v is not None and g is not None]
        with at_line(trace):
            found = run_back(trace, self.reverse, leaves, seeds)
        made = {id(leaf): wrap(trace, v) for leaf, v in zip(leaves, found, strict=True)}
        return tuple(self.entered.rebuilt(made))


def with_custom(trace: Trace, call: Call, fn: Call, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Trace a function that returns (result, pull): the result, whose derivative `pull` gives.

    Raises UnsupportedError, ShapeError and UserError if `pull` writes or does not give what it should.
    """
    leaves = list(leaves_of(list(args)))
    inputs = [output_of(trace, leaf) for leaf in leaves]
    returned: Any = call(fn, *args, **kwargs)
    if _type(returned) is not tuple or len(returned) != 2:
        fix = "return (result, pull), where pull(cotangent) gives the gradients of the arguments"
        raise trace.refuse("a function under custom_gradient returns a tuple of two", fix, "E001")
    result: Any = returned[0]
    outputs = [output_of(trace, leaf) for leaf in leaves_of(result)]
    frame = trace.open(repeats=False)
    try:
        params = [None if v is None else wrap(trace, frame.region.add_param(v.type)) for v in outputs]
        items = iter(params)
        found: Any = call(returned[1], map_tree(lambda _: next(items), result))
        if len(args) == 1 and (_type(found) is not tuple or len(list(leaves_of(found))) != 1):
            found = (found,)
        given = _matching(trace, list(found), inputs, "gradient")
        pairs = [(v, g) for v, g in zip(inputs, given, strict=True) if v is not None]
        trace.emit_op("yield", [_zeros(trace, v) if g is None else g for v, g in pairs])
    finally:
        ends = trace.close(frame)
    if any(value is not frame.before[storage] for storage, value in ends.items()):
        raise trace.refuse("pull, under custom_gradient, writes an array", "let it only compute gradients")
    operands = [v for v in (*outputs, *inputs) if v is not None]
    made = iter(trace.emit_op("custom_gradient", operands, {}, [frame.region]).results)
    trace.marked = True
    wrapped = iter(
        [
            leaf if v is None else _alike(trace, leaf, next(made))
            for leaf, v in zip(leaves_of(result), outputs, strict=True)
        ]
    )
    return map_tree(lambda _: next(wrapped), result)


class _Leaf:
    """A leaf of what a way back is given: a value, a float or not, of a Python number or not; else itself."""

    __slots__ = ("is_float", "is_value", "itself", "number", "value")

    def __init__(self, trace: Trace, leaf: Any) -> None:
        is_number = type(leaf) is TracedNumber and leaf.dim is None
        self.is_value = is_number or type(leaf) in (TracedArray, TracedScalar)
        self.is_float = output_of(trace, leaf) is not None
        self.number: Any = leaf.type if is_number else None
        self.itself = None if self.is_value else leaf
        self.value: Value | None = None  # what it is, until the op is written
        if is_number:
            self.value = as_expr(trace, leaf, IR_TYPES[leaf.type]).value
        elif self.is_value:
            self.value = elements(trace, leaf).value

    def again(self, trace: Trace, value: Value | None) -> Any:
        """What the user had, of another value."""
        if value is None:
            return self.itself
        return wrap(trace, value) if self.number is None else TracedNumber(trace, self.number, value=value)


class _Late:
    """A way back that is traced where a derivative needs it: `pull(cotangent, result, *args)`.

    `result` and `args` are trees of `_Leaf`.
    """

    def __init__(self, trace: Trace, call: Call, pull: Call, result: Any, args: Any) -> None:
        self.trace, self.call, self.pull, self.line = trace, call, pull, trace.location()
        self.result, self.args = result, args
        self.floats = [leaf.is_float for leaf in leaves_of(args) if leaf.is_value]

    def region(self, types: Sequence[Type]) -> Region:
        """A region from cotangents, results and arguments to cotangents of the arguments."""
        trace = self.trace
        frame = trace.open(repeats=False)
        try:
            self._trace([frame.region.add_param(ty) for ty in types])
        except WeftError as error:
            error.location = error.location or self.line
            raise
        finally:
            ends = trace.close(frame)
        if any(value is not frame.before[storage] for storage, value in ends.items()):
            raise trace.refuse("a derivative writes an array", "let it only compute gradients")
        return frame.region

    def _trace(self, values: Sequence[Value]) -> None:
        trace, params = self.trace, iter(values)
        leaves: list[_Leaf] = list(leaves_of(self.args))

        def taken(tree: Any) -> tuple[Any, list[Value | None]]:
            found = [next(params) if leaf.is_value else None for leaf in leaves_of(tree)]
            items = iter(found)
            return map_tree(lambda leaf: leaf.again(trace, next(items)), tree), found

        cotangent = map_tree(lambda leaf: wrap(trace, next(params)) if leaf.is_value else None, self.result)
        result, _ = taken(self.result)
        args, given = taken(self.args)
        like = [v if leaf.is_float else None for v, leaf in zip(given, leaves, strict=True)]
        found: Any = self.call(self.pull, cotangent, result, *args)
        if len(args) == 1 and (_type(found) is not tuple or len(list(leaves_of(found))) != 1):
            found = (found,)
        gradients = _matching(trace, found, like, "gradient")
        pairs = [(v, g) for v, g in zip(like, gradients, strict=True) if v is not None]
        trace.emit_op("yield", [_zeros(trace, v) if g is None else g for v, g in pairs])

    def gradients(self, builder: Builder, values: Sequence[Value]) -> list[Expr | None]:
        """Write the way back for cotangents, results and arguments."""
        made = iter(inline(builder, self.region([v.type for v in values]), values, taken=self.trace.names))
        return [builder.expr(next(made)) if is_float else None for is_float in self.floats]


def with_known(trace: Trace, call: Call, result: Any, args: Sequence[Any], pull: Call) -> Any:
    """A result whose derivative is `pull(cotangent, result, *args)`, traced only when one is asked for."""
    outputs, inputs = (map_tree(lambda leaf: _Leaf(trace, leaf), tree) for tree in (result, list(args)))
    known = [leaf.value for leaf in leaves_of(outputs) if leaf.value is not None]
    fixed = [trace.emit("stop_gradient", [v]) for v in known]  # its own ops are not differentiated
    operands = [*fixed, *(leaf.value for leaf in leaves_of(inputs) if leaf.value is not None)]
    for leaf in (*leaves_of(outputs), *leaves_of(inputs)):
        leaf.value = None
    late: Any = _Late(trace, call, pull, outputs, inputs)
    made = iter(trace.emit_op("known_gradient", operands, {"count": len(fixed), "pull": late}).results)
    trace.marked = True
    return map_tree(lambda leaf: leaf.again(trace, next(made) if leaf.is_value else None), outputs)


def _zeros(trace: Trace, like: Value) -> Value:
    ty = _tensor(like)
    return trace.builder.full_like(ty, 0, ty.dtype).value


def _alike(trace: Trace, leaf: Any, value: Value) -> Any:
    """A value as the user had it."""
    return TracedNumber(trace, leaf.type, value=value) if type(leaf) is TracedNumber else wrap(trace, value)


def computed_again(trace: Trace, call: Call, fn: Call, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Trace a function whose values derivatives compute again, and whose loops keep few states."""
    start = len(trace.region.ops)
    returned = call(fn, *args, **kwargs)
    trace.groups += 1
    for op in trace.region.ops[start:]:
        if (op.operands and record(op).form is not None) or op.regions:
            op.attributes.setdefault("remat", trace.groups)
    return returned


def jacobians(
    trace: Trace,
    call: Call,
    fn: Call,
    args: list[Any],
    kwargs: dict[str, Any],
    places: Sequence[int | str | TracedArray],
    *,
    by_columns: bool,
    has_aux: bool,
    like_wrt: Callable[[Sequence[Any]], Any],
) -> tuple[Any, Any]:
    """Trees of derivatives of each float of the result by each argument, in the structure of the result.

    `by_columns` says whether they are found by forward mode, one element of the arguments after the other.
    """
    entered = enter(trace, call, fn, args, kwargs, places)
    returned, aux = split(trace, entered.returned, has_aux=has_aux)
    outputs = [output_of(trace, leaf) for leaf in leaves_of(returned)]
    if any(v is None for v in outputs):
        raise DTypeError(
            "a Jacobian needs results of floats",
            location=trace.location(),
            fix="return floats alone, or (result, anything) with aux=True",
        )
    values = [v for v in outputs if v is not None]
    with at_line(trace):
        rows = (_columns if by_columns else _rows)(trace, entered, values)
    leaves = entered.leaves()
    made = [{id(leaf): wrap(trace, v) for leaf, v in zip(leaves, row, strict=True)} for row in rows]
    trees = [like_wrt(entered.rebuilt(one)) for one in made]
    items = iter(trees)
    leave(trace, entered)
    return map_tree(lambda _: next(items), returned), aux


def _tensor(value: Value) -> TensorType:
    ty = value.type
    assert isinstance(ty, TensorType)
    return ty


def _rows(trace: Trace, entered: Entered, outputs: Sequence[Value]) -> list[list[Value]]:
    """For each output, its derivatives by the leaves: a loop over its elements runs the way back."""
    reverse = start_back(trace, entered, outputs)
    leaves = entered.leaves()
    rows: list[list[Value]] = []
    for output in outputs:

        def back(b: Builder, seed: Expr, output: Value = output) -> list[Value]:
            reverse.restart(b.region)
            reverse.add(output, reverse.builder.expr(seed.value))
            reverse.run_backward()
            found = [reverse.cotangent(leaf.value).value for leaf in leaves]
            reverse.drop_unused(found)
            return found

        ty = _tensor(output)
        stacks = _for_each(trace, ty, [_tensor(leaf.value) for leaf in leaves], back)
        shapes = [(*ty.shape, *_tensor(leaf.value).shape) for leaf in leaves]
        rows.append(
            [trace.builder.reshape(trace.expr(s), d).value for s, d in zip(stacks, shapes, strict=True)]
        )
    return rows


def _columns(trace: Trace, entered: Entered, outputs: Sequence[Value]) -> list[list[Value]]:
    """The same by forward mode: a loop over the elements of each leaf runs the function with tangents."""
    ops = list(trace.region.ops[entered.start :])
    leaves = entered.leaves()
    flow = flow_of(ops, [leaf.value for leaf in leaves], outputs)
    columns: list[list[Value]] = []
    for leaf in leaves:
        ty = _tensor(leaf.value)

        def along(b: Builder, seed: Expr, leaf: Leaf = leaf) -> list[Value]:
            names = names_of(trace)
            cloner = Cloner(taken=names.taken, rule=without_checks)
            forward = Forward(ops, flow, cloner, b.region, names, in_place=False)
            forward.tangents[leaf.value] = seed.value
            forward.run()
            return [forward.tangent(v) for v in outputs]

        stacks = _for_each(trace, ty, [_tensor(v) for v in outputs], along)
        columns.append([_turned(trace, s, ty.shape) for s in stacks])
    return [[column[k] for column in columns] for k in range(len(outputs))]


def _turned(trace: Trace, stack: Value, shape: Sequence[DimLike]) -> Value:
    """A stack of columns as rows of the shape of what they are derivatives by."""
    ty = _tensor(stack)
    axes = (*range(1, ty.rank), 0)
    turned = trace.emit("transpose", [stack], {"axes": axes}) if ty.rank > 1 else stack
    return trace.builder.reshape(trace.expr(turned), (*ty.shape[1:], *shape)).value


def _for_each(
    trace: Trace,
    ty: TensorType,
    results: Sequence[TensorType],
    body: Callable[[Builder, Expr], list[Value]],
) -> Sequence[Value]:
    """Run `body` with each unit tensor of a type, and stack what it gives."""
    count = product(ty.shape)
    most = bounds(count)[1]
    index = atom_dim(
        Symbol(fresh_name("element", trace.names), 0, None if most is None else max(most - 1, 0))
    )
    b = trace.builder
    stacks = [b.full_like(TensorType(r.dtype, (count, *r.shape)), 0, r.dtype).value for r in results]
    if count == 0:
        return stacks
    region = Region([IndexType(index), *(s.type for s in stacks)])
    inner = Builder(region, b.locations)
    flat = TensorType(ty.dtype, (count,))
    one = inner.broadcast(inner.constant(1.0, TensorType(ty.dtype, ())), (1,))
    zeros = inner.full_like(flat, 0.0, ty.dtype)
    unit = inner.emit("update", [zeros.value, one.value], {"start": (index,), "step": (1,)}).result
    made = body(inner, inner.reshape(inner.expr(unit), ty.shape))
    inner.emit("yield", [put(inner, p, v, index) for p, v in zip(region.params[1:], made, strict=True)])
    limits = [b.emit("dim", (), {"dim": d}).result for d in (0, count, 1)]
    return b.emit("for", [*limits, *stacks], {"kind": "serial"}, [region]).results
