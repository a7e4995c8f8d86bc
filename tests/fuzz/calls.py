"""Runs a random NumPy function compiled and plain, on copies, and compares everything a caller can see.

Value, dtype, shape, kind, which results share memory, every argument and captured array after the call. Not here: how the
function was made (`sources.py`).
"""

import linecache
import types
import warnings

import numpy as np

import weft
from tests.fuzz.check import Disagreement
from tests.fuzz.sources import arguments
from weft.ir.errors import UnsupportedError


def _module(text, name):
    """The function `f` of a module of this text, whose lines Python can find."""
    module = types.ModuleType(name)
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    exec(compile(text, name, "exec"), vars(module))
    return module


def check_source(source, *, calls=None):
    """Raise if a call differs; gives "decided", "both raise", or "refused" with the error's code."""
    name = f"<fuzz {source.seed} {source.number}>"
    plain, ours = _module(source.text, name), _module(source.text, name)
    compiled = weft.compile(ours.f)
    for call in range(len(source.sizes) if calls is None else calls):
        plain_arguments, captured = arguments(source, call)
        our_arguments, our_captured = arguments(source, call)
        if call == 0 or any(np.shape(v) != np.shape(vars(plain)[k]) for k, v in captured.items()):
            vars(plain).update(captured)
            vars(ours).update(our_captured)
        wide = types.ModuleType(name)
        vars(wide).update({key: _widened(value) for key, value in vars(plain).items()})
        wide_of = {id(value): _widened(value) for value in plain_arguments}
        wide_arguments = [wide_of[id(value)] for value in plain_arguments]
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                want = plain.f(*plain_arguments)
            except Exception as error:  # what NumPy refuses, we must refuse too
                try:
                    compiled(*our_arguments)
                except Exception:
                    return "both raise"
                raise Disagreement(
                    f"call {call}: no error, NumPy says {type(error).__name__}: {error}"
                ) from error
        try:
            found = compiled(*our_arguments)
        except UnsupportedError as error:
            return f"refused {error.code}"
        found_all = [found, our_arguments, [vars(ours)[key] for key in captured]]
        want_all = [want, plain_arguments, [vars(plain)[key] for key in captured]]
        try:
            _same(
                found_all,
                want_all,
                2e-4 if source.is_smooth else 0.0,
                f"call {call}: of results, arguments, captured",
            )
        except Disagreement:
            if source.is_smooth or not _rounds(source.text, wide, wide_arguments, want):
                raise
            _same(found_all, want_all, 2e-4, f"call {call}: of results, arguments, captured")
        if "joins" not in source.facts:  # a name that is one array or another is returned as a copy
            _same_sharing([*found, *our_arguments], [*want, *plain_arguments], f"call {call}")
    return "decided"


def _widened(value):
    """A copy of a float array with more digits."""
    if not isinstance(value, np.ndarray):
        return value
    return value.astype(np.longdouble if value.dtype.kind == "f" else value.dtype)


def _rounds(text, wide, arguments, want):
    """Whether NumPy's own results are not exact, so that they hang on the order of its sums."""
    exec(compile(text, wide.__name__, "exec"), vars(wide))
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exact = wide.f(*arguments)
    pairs = zip(_floats(want), _floats(exact), strict=False)
    return any(not np.array_equal(a, b, equal_nan=True) for a, b in pairs)


def _floats(values):
    values = values if isinstance(values, tuple | list) else [values]
    return [v for v in values if isinstance(v, np.ndarray | np.generic) and v.dtype.kind == "f"]


def _same(found, want, tolerance, where):
    if isinstance(want, tuple | list):
        if len(found) != len(want):
            raise Disagreement(f"{where}: {len(found)} items, not {len(want)}")
        for k, (a, b) in enumerate(zip(found, want, strict=True)):
            _same(a, b, tolerance, f"{where} {k}")
        return
    if type(found) is not type(want):
        raise Disagreement(f"{where}: {type(found).__name__}, not {type(want).__name__}")
    if not isinstance(want, np.ndarray | np.generic):
        if found != want:
            raise Disagreement(f"{where}: {found!r}, not {want!r}")
        return
    if found.dtype != want.dtype or found.shape != want.shape:
        raise Disagreement(f"{where}: {found.dtype}{found.shape}, not {want.dtype}{want.shape}")
    with np.errstate(all="ignore"):
        equal = (found == want) | ((found != found) & (want != want))
        if tolerance and want.dtype.kind == "f":
            most = float(np.nanmax(np.abs(np.where(np.isfinite(want), want, 0)), initial=1.0))
            allowed = max(tolerance, 4 * float(np.finfo(want.dtype).eps)) * max(most, 1.0)
            equal |= np.abs(found.astype("f8") - want.astype("f8")) <= allowed
    if not np.all(equal):
        at = tuple(int(k[0]) for k in np.nonzero(~np.asarray(equal))) if np.ndim(equal) else ()
        raise Disagreement(
            f"{where}: {int(np.sum(~equal))} of {np.size(equal)} differ, first at {at}: {found[at]!r}, not {want[at]!r}"
        )


def _same_sharing(found, want, where):
    arrays = [k for k, v in enumerate(want) if isinstance(v, np.ndarray) and v.size]
    for i in arrays:
        for j in arrays:
            if i < j and (found[i] is found[j]) != (want[i] is want[j]):
                raise Disagreement(
                    f"{where}: values {i} and {j} are{'' if found[i] is found[j] else ' not'} one object"
                )
            if i < j and np.shares_memory(found[i], found[j]) != np.shares_memory(want[i], want[j]):
                raise Disagreement(
                    f"{where}: values {i} and {j} do{'' if np.shares_memory(found[i], found[j]) else ' not'} share memory"
                )
