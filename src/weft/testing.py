"""Generic checks of a custom operation: its rules agree with one another.

Not here: tests of Weft itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from weft.api import compile
from weft.batched import vmap
from weft.custom import CustomOp
from weft.ir import UserError
from weft.ir.parse import parse
from weft.ir.text import show
from weft.transforms import grad, jvp

STEP = 1e-5


def check_op(op: Any, *arrays: Any, seed: int = 0, tolerance: float = 1e-6, **options: Any) -> None:
    """Check that the rules of a custom operation agree, on `arrays`, or on what its `samples` rule yields.

    Compared are the compiled operation and its reference (value, dtype, shape), also between other operations
    and for stacks of arrays (`weft.vmap`); the gradient and central differences of the reference; the second
    derivative and differences of the gradient, both in float64; the program and what its text reads as.
    `tolerance` is relative to the largest number. Raises AssertionError that says which rule is wrong.
    """
    if not isinstance(op, CustomOp):
        raise UserError(f"check_op takes a custom op, got {op!r}", fix="give what weft.custom_op made")
    rng = np.random.default_rng(seed)
    count = 0
    for given, more in _samples(op, arrays, options, rng):
        _Check(op, given, more, rng, tolerance).run()
        count += 1
    if not count:
        raise UserError(
            f"check_op has nothing to try {op.__name__} on", fix="give arrays, or the rule samples= of the op"
        )


def _samples(
    op: CustomOp, arrays: Sequence[Any], options: Mapping[str, Any], rng: np.random.Generator
) -> Iterator[tuple[tuple[Any, ...], Mapping[str, Any]]]:
    if arrays:
        yield tuple(map(np.asarray, arrays)), options
    elif op.rules["samples"] is not None:
        for one in op.rules["samples"](rng):
            yield tuple(map(np.asarray, one)), options


def _plain(op: Any, *args: Any, **options: Any) -> Any:
    return op(*args, **options)


class _Function:
    """A function of ours that is traced: `fn(call, *arrays)` calls the operation by `call`."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        self.fn = fn

    def __call__(self, *arrays: Any) -> Any:
        """In plain Python."""
        return self.fn(_plain, *arrays)

    def trace_call(self, trace: Any, call: Any, args: Sequence[Any], kwargs: Any, effects: Any) -> Any:
        """In a compiled function."""
        return self.fn(call, *args)


class _Check:
    """The checks on one tuple of arrays."""

    def __init__(
        self,
        op: CustomOp,
        arrays: tuple[Any, ...],
        options: Mapping[str, Any],
        rng: np.random.Generator,
        tolerance: float,
    ) -> None:
        self.op, self.arrays, self.rng = op, arrays, rng
        self.options, self.tolerance = options, tolerance

        def one(call: Any, *given: Any) -> Any:
            return call(op, *given, **options)

        self.call = _Function(one)

    def run(self) -> None:
        """All of them."""
        before = [a.copy() for a in self.arrays]
        expected = np.asarray(self.call(*self.arrays))
        for k, (old, new) in enumerate(zip(before, self.arrays, strict=True)):
            self._same(new, old, f"the reference writes array {k}")
        compiled = compile(self.call)
        self._same(compiled(*self.arrays), expected, "compiled and reference differ")

        def between(call: Any, *given: Any) -> Any:
            return np.abs(call(self.call, *[+g for g in given]))

        around = compile(_Function(between))
        self._same(around(*self.arrays), np.abs(expected), "between other operations it is another")
        text = compiled.ir("tensor", *self.arrays)
        assert show(parse(text)) == text, f"{self._name}: its text does not read as it was"
        self._stacks(expected)
        floats = [k for k, a in enumerate(self.arrays) if a.dtype.kind == "f"]
        if floats and expected.dtype.kind == "f" and (self.op.rules["derivative"] or self.op.rules["kernel"]):
            self._derivatives(floats, self.rng.normal(size=expected.shape))

    def _stacks(self, expected: Any) -> None:
        stacks = [np.stack([a, np.flip(a)]) for a in self.arrays]
        lanes = [expected, np.asarray(self.call(*[s[1] for s in stacks]))]
        self._same(vmap(self.call)(*stacks), np.stack(lanes), "vmap and single calls differ")

    def _derivatives(self, floats: Sequence[int], weights: Any) -> None:
        """First and second ones along a random direction."""
        places = list(floats)
        arrays = [a.astype(np.float64) if k in floats else a for k, a in enumerate(self.arrays)]

        def weighted(call: Any, *given: Any) -> Any:
            return np.sum(call(self.call, *given) * weights)

        loss = _Function(weighted)
        gradient = grad(loss, wrt=places)
        along: list[Any] = [
            self.rng.normal(size=a.shape) if k in floats else None for k, a in enumerate(arrays)
        ]

        def moved(step: float) -> list[Any]:
            return [a if d is None else a + step * d for a, d in zip(arrays, along, strict=True)]

        def differences(of: Callable[..., Any]) -> Any:
            return (np.asarray(of(*moved(STEP))) - np.asarray(of(*moved(-STEP)))) / (2 * STEP)

        found: list[Any] = gradient(*arrays)
        for k, g in zip(floats, found, strict=True):
            assert g.shape == arrays[k].shape, (
                f"{self._name}: the gradient of array {k} is of shape {g.shape}"
            )
        slope: Any = sum(np.sum(g * along[k]) for k, g in zip(floats, found, strict=True))
        self._near(slope, differences(loss), "the derivative and differences of the reference differ")
        for number, k in enumerate(floats):
            one = grad(loss, wrt=k)
            primals = [arrays[i] for i in floats]

            def at(call: Any, *given: Any, one: Any = one) -> Any:
                full = list(arrays)
                for i, a in zip(floats, given, strict=True):
                    full[i] = a
                return call(one, *full)

            _, second = jvp(_Function(at), tuple(primals), tuple(along[i] for i in floats))
            expected = differences(one)
            self._near(second, expected, f"the second derivative by array {number} and differences differ")

    @property
    def _name(self) -> str:
        return f"custom op {self.op.__name__}"

    def _same(self, found: Any, expected: Any, message: str) -> None:
        found, expected = np.asarray(found), np.asarray(expected)
        kinds = (found.dtype, found.shape), (expected.dtype, expected.shape)
        assert kinds[0] == kinds[1], f"{self._name}: {message}: {kinds[0]}, expected {kinds[1]}"
        if expected.dtype.kind in "fc":
            rounding = 64 * float(np.finfo(expected.dtype).eps)
            self._near(found, expected, message, max(rounding, 0.0))
        else:
            assert np.array_equal(found, expected), f"{self._name}: {message}: {found}, expected {expected}"

    def _near(self, found: Any, expected: Any, message: str, tolerance: float | None = None) -> None:
        size = float(np.max(np.abs(expected), initial=0.0, where=np.isfinite(expected)))
        bound = (self.tolerance if tolerance is None else tolerance) * (1 + size)
        near = np.allclose(found, expected, rtol=0, atol=bound, equal_nan=True)
        assert near, f"{self._name}: {message}: {found}, expected {expected}"
