"""`weft.custom_op`: an operation of the user's own, with all its rules in one place.

The rules are NumPy code and are traced where the operation is called. Not here: how one element is compiled
(`ir/ops/custom.py`), the checks of an operation (`weft.testing`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from weft.compiler.autodiff.several import with_known
from weft.compiler.frontend.assumption import Assumptions, Restart
from weft.compiler.frontend.number import TracedNumber, as_dim
from weft.compiler.frontend.trace import Trace
from weft.compiler.frontend.values import TracedArray, TracedScalar, elements, new_array
from weft.ir import Func, Region, TensorType, UnsupportedError, UserError, Value
from weft.ir.dims import DimLike, Symbol, as_symbol, atom_dim, symbol, symbols_of
from weft.ir.opdef import Combine, Expand, record
from weft.ir.text import show
from weft.ir.walk import dims_of_attribute

_type: Callable[[Any], Any] = type  # typed so: of a value of any type


def custom_op(
    name: Any,
    reference: Callable[..., Any],
    *,
    shape: Callable[..., Any] | None = None,
    element: Callable[..., Any] | None = None,
    kernel: Callable[..., Any] | None = None,
    derivative: Callable[..., Any] | None = None,
    samples: Callable[..., Any] | None = None,
) -> CustomOp:
    """Make an operation of one's own: a function of arrays that compiled functions may call.

    `reference(*arrays)` is its meaning in NumPy: what runs in plain Python, and what `check_op` compares
    with. Of the two rules for compiled functions one is given; both are NumPy code:

    - `element(*arrays, *position)` gives one element of the result at a position, ints; `shape(*arrays)` the
      shape of the result, a tuple. It becomes part of the kernel around it.
    - `kernel(*arrays)` gives the whole result in operations that fuse as if written where it is called: for
      what sums, sorts or scans, in NumPy's own reductions, `weft.scan` or a loop.

    `derivative(cotangent, result, *arrays)` gives the gradient of the array, a tuple of them if there are
    several, None for zeros; without it an op with `element` has none, one with `kernel` that of its
    operations. `samples(rng)` yields tuples of arrays for `weft.testing.check_op`. Keyword arguments of a
    call are given to every rule. Raises UserError if the rules do not fit together.
    """
    if not isinstance(name, str) or not name.isidentifier():
        raise UserError(f"{name!r} is no name of an operation", code="E002", fix="give it a plain name")
    rules = {"reference": reference, "shape": shape, "element": element, "kernel": kernel,
             "derivative": derivative, "samples": samples}  # fmt: skip
    for key, rule in rules.items():
        if rule is not None and not callable(rule):
            raise UserError(f"{key}= of custom_op {name} is {rule!r}", code="E002", fix="give a function")
    if (element is None) == (kernel is None) or (shape is None) != (element is None):
        raise UserError(
            f"custom_op {name} needs either element= and shape=, or kernel=",
            code="E002",
            fix="say how one element is made and what shape the result has, or how the whole result is",
        )
    return CustomOp(name, rules)


class CustomOp:
    """An operation made by `weft.custom_op`. Outside of compiled functions it is its reference."""

    def __init__(self, name: str, rules: Mapping[str, Callable[..., Any] | None]) -> None:
        self.__name__, self.rules = name, rules
        self.__doc__ = getattr(rules["reference"], "__doc__", None)

    def __call__(self, *arrays: Any, **options: Any) -> Any:
        """Run the reference."""
        reference = self.rules["reference"]
        assert reference is not None
        return reference(*arrays, **options)

    def __repr__(self) -> str:
        """Return what it is."""
        return f"<custom op {self.__name__}>"

    def trace_call(
        self,
        trace: Trace,
        call: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        effects: list[Any],
    ) -> Any:
        """Trace a call in a compiled function."""
        args = [new_array(trace, elements(trace, a)) if _is_array(a) else a for a in args]
        if self.rules["derivative"] is None:
            return self.result(trace, call, args, kwargs)
        result = self.result(trace, call, args, kwargs)
        pull: Any = _Pull(self, kwargs)
        return with_known(trace, call, result, args, pull)

    def result(
        self, trace: Trace, call: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> Any:
        """The operation alone."""
        if self.rules["kernel"] is not None:
            return call(self.rules["kernel"], *args, **kwargs)
        for k, a in enumerate(args):
            if not isinstance(a, TracedArray | TracedScalar):
                raise UnsupportedError(
                    f"{self.__name__} takes arrays, argument {k} is {a!r}",
                    location=trace.location(),
                    fix="give numbers by keyword",
                )
        values = [elements(trace, a).value for a in args]
        dims = self.dims(trace, call, args, kwargs)
        for dim in dims:
            if not trace.holds(dim, ">=", 0, f"a size of the result of {self.__name__}"):
                raise self.wrong(trace, "shape", f"gives the size {dim}", "give sizes from 0 up")
        rule = _Rule(self, trace, call, values, kwargs)
        facts = {"op": self.__name__, "shape": dims, **rule.traced()}
        if 0 in dims:
            nothing = TensorType(rule.dtype, dims)
            return new_array(trace, trace.builder.full_like(nothing, 0, rule.dtype))
        return new_array(trace, trace.expr(trace.emit("custom", rule.operands, facts)))

    def dims(
        self, trace: Trace, call: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> tuple[DimLike, ...]:
        """What `shape` says of operands."""
        given: Any = call(self.rules["shape"], *args, **kwargs)
        dims = [as_dim(d) for d in given] if _type(given) in (tuple, list) else [None]
        if any(d is None for d in dims):
            raise self.wrong(trace, "shape", f"gives {given!r}", "give a tuple of ints")
        return tuple(d for d in dims if d is not None)

    def wrong(self, trace: Trace, rule: str, what: str, fix: str) -> UserError:
        """The error of a rule."""
        return UserError(f"{rule} of custom_op {self.__name__} {what}", location=trace.location(), fix=fix)


def _is_array(value: Any) -> bool:
    return not isinstance(value, TracedNumber | TracedScalar) and hasattr(value, "dtype")


def _is_number(value: Value) -> bool:
    return isinstance(value.type, TensorType) and not value.type.shape


class _Rule:
    """The rule of one element as a program of its own, for operands of these types."""

    def __init__(
        self,
        op: CustomOp,
        trace: Trace,
        call: Callable[..., Any],
        operands: Sequence[Value],
        kwargs: Mapping[str, Any],
    ) -> None:
        self.op, self.trace, self.call, self.kwargs = op, trace, call, kwargs
        self.operands = operands
        self.sizes: dict[DimLike, DimLike] = {}

    def traced(self) -> dict[str, Any]:
        """The attributes `rule` and `index`."""
        trace = self.trace
        frame = trace.open(repeats=False)
        places: list[Symbol] = []
        outer, trace.assumptions = trace.assumptions, Assumptions(is_final=True)
        try:
            arrays = [
                new_array(trace, trace.expr(frame.region.add_param(self._alike(v)))) for v in self.operands
            ]
            for k, size in enumerate(self.op.dims(trace, self.call, arrays, self.kwargs)):
                places.append(trace.bind_index(f"at{k}", 0, size))
            position = [TracedNumber(trace, int, dim=atom_dim(s)) for s in places]
            found: Any = self.call(self.op.rules["element"], *arrays, *position, **self.kwargs)
            value = elements(trace, found)
            if not isinstance(value.type, TensorType) or value.type.shape:
                what = f"gives {value.type}"
                raise self.op.wrong(trace, "element", what, "give one number")
            self.dtype = value.dtype
            trace.emit_op("return", [value.value])
            if trace.assumptions.guards:
                raise Restart
        except Restart:
            raise self._refuse("decides by a size", "use np.where, which takes the position too") from None
        finally:
            trace.assumptions = outer
            ends = trace.close(frame)
            for one in places:
                trace.release_index(one)
        sizes = {s.name: s for d in self.sizes.values() for s in symbols_of(d)}
        body = frame.region
        self._check(body, places, is_writing=any(v is not frame.before[s] for s, v in ends.items()))
        free = {s.name: Symbol(s.name, 0, None) for s in places}
        fn = Func(self.op.__name__, body, {**sizes, **free}, into=(-1,))
        return {"rule": show(fn, names=False), "index": tuple(s.name for s in places)}

    def _alike(self, value: Value) -> TensorType:
        """The type of an operand with a name of its own for each size."""
        ty = value.type
        assert isinstance(ty, TensorType)
        for d in ty.shape:
            if (not isinstance(d, int) or d == 0) and d not in self.sizes:  # of 0 elements none is made
                is_any = not isinstance(d, int) and as_symbol(d) is None
                self.sizes[d] = symbol(f"d{len(self.sizes)}", 0 if is_any else 1)
        return TensorType(ty.dtype, tuple(self.sizes.get(d, d) for d in ty.shape))

    def _check(self, body: Region, places: Sequence[Symbol], *, is_writing: bool) -> None:
        """Refuse what one element cannot be made of."""
        if is_writing:
            raise self._refuse("writes an array", "compute the element from what it reads")
        made, known = set(body.params), {s.name for s in places}
        known |= {s.name for d in self.sizes.values() for s in symbols_of(d)}
        for op in body.ops[:-1]:
            plain = op.name in ("dim", "from_index") or record(op).form is not None
            if op.regions or not plain or isinstance(record(op).form, Combine | Expand):
                raise self._refuse(
                    f"uses {op.name}",
                    "use arithmetic, np.where and elements of the arrays, or give it all by kernel=",
                )
            made.update(op.results)
            dims = [d for a in op.attributes.values() for d in dims_of_attribute(a)]
            outside = any(s.name not in known for d in dims for s in symbols_of(d))
            if outside or any(v not in made and not _is_number(v) for v in op.operands):
                raise self._refuse("reads an array or a size that is none of the op", "pass it as an array")
        self._take_numbers(body, made)

    def _take_numbers(self, body: Region, made: set[Value]) -> None:
        """Numbers from outside become operands of rank 0."""
        outside = {v: None for op in body.ops for v in op.operands if v not in made}
        params = {v: body.add_param(v.type) for v in outside}
        for op in body.ops:
            op.operands = tuple(params.get(v, v) for v in op.operands)
        self.operands = (*self.operands, *outside)

    def _refuse(self, what: str, fix: str) -> UnsupportedError:
        sentence = f"element of custom_op {self.op.__name__} {what}"
        return UnsupportedError(sentence, location=self.trace.location(), fix=fix)


class _Pull:
    """Gives the gradients of the operands."""

    def __init__(self, op: CustomOp, options: Mapping[str, Any]) -> None:
        self.op, self.options = op, options

    def trace_call(
        self,
        trace: Trace,
        call: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Mapping[str, Any],
        effects: list[Any],
    ) -> Any:
        """Trace the user's rule."""
        return call(self.op.rules["derivative"], *args, **self.options)
