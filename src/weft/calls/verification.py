"""`f.verify`: plain Python and the compiled function on copies of the arguments, compared.

Not here: tests of the compiler (`tests/`), which know the exact bounds of each op.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from weft import config
from weft.calls.binding import Call, leaves
from weft.compiler.frontend.arguments import ArraySpec, children, is_node
from weft.compiler.frontend.source import Argument
from weft.ir.dataclass import dataclass
from weft.ir.types import TensorType
from weft.ir.walk import values_of

TOLERANCE_ULPS = 4096  # of the largest element: reductions and products have an order of their own
SHAKES = 4  # runs of plain Python on arguments that differ in their last bit
SPREAD = 64  # times what those runs differ in an element may be the rounding of another order of operations


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What a call leaves."""

    result: Any
    args: Any
    kwargs: Any
    captured: list[np.ndarray]


PARTS = (
    ("the result", "result"),
    ("the arguments after the call", "args"),
    ("the keywords after the call", "kwargs"),
    ("captured arrays after the call", "captured"),
)


def verify_call(entry: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Print the first difference, or that there is none; whether there is none."""
    core = entry._weft
    traced, captured = _trace(core, args, kwargs)
    before = [a.copy() for a in captured]

    def run(function: Any, shake: Callable[[Any], None] | None = None) -> _Outcome:
        its_args, its_kwargs = copy_arguments((args, dict(kwargs)))
        if shake is not None:
            shake((its_args, its_kwargs, captured))
        try:
            result = function(*its_args, **its_kwargs)
            return _Outcome(result, list(its_args), its_kwargs, [a.copy() for a in captured])
        finally:
            for array, content in zip(captured, before, strict=True):
                if array.flags.writeable:
                    array[...] = content

    with config.disabled(), np.errstate(all="ignore"):
        expected = run(core.fn)
    found = run(entry)
    difference = _difference(found, expected, [])
    if difference:  # perhaps the program makes much of little: how much do its last bits matter?
        with config.disabled(), np.errstate(all="ignore"):
            others = [run(core.fn, _Shake(traced, seed)) for seed in range(SHAKES)]
        difference = _difference(found, expected, others)
    sys.stdout.write(f"{core.name}: {difference or 'plain Python and the compiled function agree'}\n")
    return difference is None


def _difference(found: _Outcome, expected: _Outcome, others: Sequence[_Outcome]) -> str | None:
    for where, part in PARTS:
        ours, theirs = getattr(found, part), getattr(expected, part)
        text = first_difference(where, ours, theirs, [getattr(o, part) for o in others])
        if text:
            return text
    return None


class _Shake:
    """Moves floats by a few units in the last place of the least exact type that the program computes in."""

    def __init__(self, traced: Any, seed: int) -> None:
        types = [v.type.dtype for v in values_of(traced.func) if isinstance(v.type, TensorType)]
        inexact = [np.finfo(t.numpy).eps for t in types if t.numpy is not None and t.is_float]
        self.least = max(inexact, default=0.0)
        self.rng = np.random.default_rng(seed)

    def __call__(self, tree: Any) -> None:
        for _, leaf in leaves(Argument("tree"), tree):
            if type(leaf) is np.ndarray and leaf.dtype.kind in "fc" and leaf.flags.writeable:
                unit = max(float(np.finfo(leaf.dtype).eps), self.least)
                leaf[...] = leaf * (1 + unit * self.rng.integers(-2, 3, leaf.shape))


def _trace(core: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, list[np.ndarray]]:
    """The program, and the arrays that it reaches outside of its arguments."""
    our_args, our_kwargs = copy_arguments((args, dict(kwargs)))
    call = Call.of(core.shape, our_args, our_kwargs)
    traced, facts = core.trace(core.work(call, note=False))
    return traced, [facts.call.read(p.source) for p in traced.hidden if isinstance(p.spec, ArraySpec)]


# ---------------------------------------------------------------- copies


def copy_arguments(tree: Any) -> Any:
    """A deep copy in which arrays that shared memory still do, with their strides, alignment and flags."""
    memo: dict[int, Any] = {}
    bases: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for _, leaf in leaves(Argument("tree"), tree):
        if type(leaf) is np.ndarray:
            memo[id(leaf)] = _copy_array(leaf, bases)
    return copy.deepcopy(tree, memo)


def _copy_array(array: np.ndarray, bases: dict[int, tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    owner = array
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    low, high = np.lib.array_utils.byte_bounds(owner)
    if type(owner) is not np.ndarray or high - low > 4 * owner.nbytes + 64 or array.dtype.hasobject:
        return array.copy()
    if id(owner) not in bases:
        raw = np.empty(high - low + 128, np.uint8)
        start = (low - raw.__array_interface__["data"][0]) % 64
        memory = raw[start : start + high - low]
        memory[:] = np.ndarray((high - low,), np.uint8, buffer=_buffer(owner, low, high))
        bases[id(owner)] = (owner, memory)
    memory = bases[id(owner)][1]
    offset = array.__array_interface__["data"][0] - low
    made = np.ndarray(array.shape, array.dtype, buffer=memory.data, offset=offset, strides=array.strides)
    made.flags.writeable = array.flags.writeable
    return made


def _buffer(owner: np.ndarray, low: int, high: int) -> Any:
    import ctypes

    return (ctypes.c_uint8 * (high - low)).from_address(low)


# ---------------------------------------------------------------- comparison


def first_difference(where: str, found: Any, expected: Any, others: Sequence[Any] = ()) -> str | None:
    """The first difference of two trees in words: kind, dtype, shape or value.

    `others` are what plain Python gives on arguments that differ in their last bits: values may differ as
    these do.
    """
    if type(found) is not type(expected):
        return f"{where} is a {_kind(found)}, in plain Python a {_kind(expected)}"
    if is_node(expected):
        return _difference_inside(where, found, expected, others)
    if _is_array(expected):
        if found.dtype != expected.dtype:
            return f"{where} has dtype {found.dtype}, in plain Python {expected.dtype}"
        if found.shape != expected.shape:
            return f"{where} has shape {list(found.shape)}, in plain Python {list(expected.shape)}"
        return _value_difference(where, np.asarray(found), np.asarray(expected), others)
    if type(expected) in (float, complex, int, bool):
        return _value_difference(where, np.asarray(found), np.asarray(expected), others)
    try:
        same = (
            found is expected
            or bool(found == expected)
            or not isinstance(expected, int | str | complex | None)
        )
    except Exception:
        same = True  # objects that do not compare are not values
    return None if same else f"{where} is {found!r}, in plain Python {expected!r}"


def _difference_inside(where: str, found: Any, expected: Any, others: Sequence[Any]) -> str | None:
    ours, theirs = list(children(found)), list(children(expected))
    if [k for k, _ in ours] != [k for k, _ in theirs]:
        return f"{where} has {[k for k, _ in ours]}, in plain Python {[k for k, _ in theirs]}"
    more = [dict(children(o)) for o in others if type(o) is type(expected)]
    for (key, a), (_, b) in zip(ours, theirs, strict=True):
        text = first_difference(f"{where}[{key!r}]", a, b, [m[key] for m in more if key in m])
        if text:
            return text
    return None


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.generic)


def _kind(value: Any) -> str:
    if _is_array(value):
        return f"{type(value).__module__}.{type(value).__qualname__} of shape {list(value.shape)}"
    return type(value).__qualname__


def _value_difference(
    where: str, found: np.ndarray, expected: np.ndarray, others: Sequence[Any]
) -> str | None:
    others = [o for o in map(np.asarray, others) if o.shape == expected.shape]
    with np.errstate(all="ignore"):
        wrong, allowed = _wrong(found, expected, others)
    if not wrong.any():
        return None
    place = tuple(int(k) for k in np.argwhere(wrong)[0])
    ours, theirs = found[place], expected[place]
    text = f"{where}{list(place) if place else ''} is {ours!r}, in plain Python {theirs!r}"
    if allowed is not None:
        with np.errstate(all="ignore"):
            ulps = abs(ours - theirs) / np.spacing(max(abs(theirs), np.finfo(found.dtype).tiny))
        text += (
            f": {ulps:.3g} ulp apart; the order of operations explains a difference of {allowed[place]:.3g}"
        )
    return f"{text} ({int(wrong.sum())} of {wrong.size} elements differ)"


def _wrong(
    found: np.ndarray, expected: np.ndarray, others: Sequence[np.ndarray]
) -> tuple[np.ndarray, np.ndarray | None]:
    """Where values differ by more than is allowed, and what is, of floats."""
    if found.dtype.kind not in "fc":
        moves = [o != expected for o in others]
        return (found != expected) & ~np.logical_or.reduce(moves, axis=0, initial=False), None
    finite = np.abs(expected[np.isfinite(expected)])
    allowed = np.full(
        expected.shape, TOLERANCE_ULPS * np.finfo(found.dtype).eps * (finite.max() if finite.size else 1.0)
    )
    for other in others:
        spread = np.abs(other - expected)
        allowed = np.maximum(allowed, np.where(other == expected, 0.0, SPREAD * spread))
    allowed = np.where(np.isnan(allowed) & ~np.isnan(expected), np.inf, allowed)  # a number, or none
    close = (found == expected) | (np.abs(found - expected) <= allowed) | np.isinf(allowed)
    return ~(close | (np.isnan(found) & np.isnan(expected))), allowed
