"""`f.verify`: plain Python and the compiled function on copies of the arguments, compared.

Not here: tests of the compiler (`tests/`), which know the exact bounds of each op.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from weft import config
from weft.binding import Call, leaves
from weft.compiler.frontend.arguments import ArraySpec, children, is_node
from weft.compiler.frontend.source import Argument

TOLERANCE_ULPS = 4096  # of the largest element: reductions and products have an order of their own


def verify_call(entry: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> bool:
    """Print the first difference, or that there is none; whether there is none."""
    core = entry._weft
    captured = _captured(core, args, kwargs)
    before = [a.copy() for a in captured]
    plain_args, plain_kwargs = copy_arguments((args, dict(kwargs)))
    with config.disabled(), np.errstate(all="ignore"):
        expected = core.fn(*plain_args, **plain_kwargs)
    plain_captured = [a.copy() for a in captured]
    _reset(captured, before)
    our_args, our_kwargs = copy_arguments((args, dict(kwargs)))
    found = entry(*our_args, **our_kwargs)
    our_captured = [a.copy() for a in captured]
    _reset(captured, before)
    difference = (
        first_difference("the result", found, expected)
        or first_difference("the arguments after the call", list(our_args), list(plain_args))
        or first_difference("the keywords after the call", our_kwargs, plain_kwargs)
        or first_difference("captured arrays after the call", our_captured, plain_captured)
    )
    sys.stdout.write(f"{core.name}: {difference or 'plain Python and the compiled function agree'}\n")
    return difference is None


def _captured(core: Any, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[np.ndarray]:
    """The arrays that the function reaches outside of its arguments."""
    our_args, our_kwargs = copy_arguments((args, dict(kwargs)))
    call = Call.of(core.shape, our_args, our_kwargs)
    traced, facts = core.trace(core.work(call, note=False))
    return [facts.call.read(p.source) for p in traced.hidden if isinstance(p.spec, ArraySpec)]


def _reset(arrays: Sequence[np.ndarray], contents: Sequence[np.ndarray]) -> None:
    for array, content in zip(arrays, contents, strict=True):
        if array.flags.writeable:
            array[...] = content


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


def first_difference(where: str, found: Any, expected: Any) -> str | None:
    """The first difference of two trees in words: kind, dtype, shape or value."""
    if type(found) is not type(expected):
        return f"{where} is a {_kind(found)}, in plain Python a {_kind(expected)}"
    if is_node(expected):
        ours, theirs = list(children(found)), list(children(expected))
        if [k for k, _ in ours] != [k for k, _ in theirs]:
            return f"{where} has {[k for k, _ in ours]}, in plain Python {[k for k, _ in theirs]}"
        pairs = zip(ours, theirs, strict=True)
        return next((d for (k, a), (_, b) in pairs if (d := first_difference(f"{where}[{k!r}]", a, b))), None)
    if _is_array(expected):
        if found.dtype != expected.dtype:
            return f"{where} has dtype {found.dtype}, in plain Python {expected.dtype}"
        if found.shape != expected.shape:
            return f"{where} has shape {list(found.shape)}, in plain Python {list(expected.shape)}"
        return _value_difference(where, np.asarray(found), np.asarray(expected))
    if isinstance(expected, float):
        return _value_difference(where, np.asarray(found), np.asarray(expected))
    try:
        same = (
            found is expected
            or bool(found == expected)
            or not isinstance(expected, int | str | complex | None)
        )
    except Exception:
        same = True  # objects that do not compare are not values
    return None if same else f"{where} is {found!r}, in plain Python {expected!r}"


def _is_array(value: Any) -> bool:
    return isinstance(value, np.ndarray | np.generic)


def _kind(value: Any) -> str:
    if _is_array(value):
        return f"{type(value).__module__}.{type(value).__qualname__} of shape {list(value.shape)}"
    return type(value).__qualname__


def _value_difference(where: str, found: np.ndarray, expected: np.ndarray) -> str | None:
    if found.dtype.kind not in "fc":
        wrong = found != expected
        allowed = None
    else:
        finite = np.abs(expected[np.isfinite(expected)])
        unit = np.finfo(found.dtype).eps * (finite.max() if finite.size else 1.0)
        allowed = TOLERANCE_ULPS * unit
        with np.errstate(all="ignore"):
            close = (found == expected) | (np.abs(found - expected) <= allowed)
        wrong = ~(close | (np.isnan(found) & np.isnan(expected)))
    if not wrong.any():
        return None
    place = tuple(int(k) for k in np.argwhere(wrong)[0])
    ours, theirs = found[place], expected[place]
    text = f"{where}{list(place) if place else ''} is {ours!r}, in plain Python {theirs!r}"
    if allowed is not None:
        with np.errstate(all="ignore"):
            ulps = abs(ours - theirs) / np.spacing(max(abs(theirs), np.finfo(found.dtype).tiny))
        text += f": {ulps:.3g} ulp apart, more than {allowed:.3g} is not explained by the order of operations"
    return f"{text} ({int(wrong.sum())} of {wrong.size} elements differ)"
