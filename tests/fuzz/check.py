"""Judges one case: compiled against the reference, compiled variants against each other, loops under the interpreter.

Not here: how cases are made (`programs.py`) or made smaller (`reduce.py`).
"""

import numpy as np

from tests.fuzz.native import Native
from tests.fuzz.reference import Known, Reference, Undecided
from weft.compiler import pipeline
from weft.ir.errors import IndexFault
from weft.ir.interp import interpret
from weft.ir.rewrite import copy_function
from weft.ir.walk import walk


class Disagreement(AssertionError):
    """Two ways to run a program differ."""


def expected(case):
    """What the reference says; raises Undecided where it cannot say."""
    return Reference(case.fn, case.arguments, case.sizes).run()


def _bits(a):
    return a.view(f"u{a.dtype.itemsize}") if a.dtype.kind == "f" else a


def parts(a):
    """The parts of complex numbers along a last axis; others as they are."""
    a = np.ascontiguousarray(a).reshape(a.shape)
    return a[..., None].view(f"f{a.itemsize // 2}") if a.dtype.kind == "c" else a


def same_bits(a, b):
    """Equal bits; any NaN equals any other."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return False
    a, b = parts(a), parts(b)
    a, b = np.ascontiguousarray(a).reshape(a.shape), np.ascontiguousarray(b).reshape(b.shape)
    equal = _bits(a) == _bits(b)
    return bool((equal | ((a != a) & (b != b))).all()) if a.dtype.kind == "f" else bool(equal.all())


def _wrong(found, known: Known, *, loose_zero):
    """Where a result is not what it must be."""
    if found.dtype == np.bool_ and (np.ascontiguousarray(found).view(np.uint8) > 1).any():
        return np.ones(found.shape, bool)
    want = known.value
    if want.dtype.kind == "c":
        error = None if known.error is None else np.stack([known.error] * 2, -1)
        return _wrong(parts(found), Known(parts(want), error), loose_zero=loose_zero).any(-1)
    if want.dtype.kind != "f":
        wrong = found != want
        return wrong if known.error is None else wrong & (known.error == 0)
    found = np.ascontiguousarray(found).reshape(found.shape)
    want = np.ascontiguousarray(want).reshape(want.shape)
    equal = (_bits(found) == _bits(want)) | (np.isnan(found) & np.isnan(want))
    if loose_zero:
        equal |= found == want
    if known.error is None:
        return ~equal
    with np.errstate(all="ignore"):
        near = np.abs(found.astype(np.float64) - want.astype(np.float64)) <= known.error
        near |= (found == want) & (known.error > 0)
    return ~(equal | near | np.isinf(known.error))


def compare(case, results, known, what):
    """Raise Disagreement if a compiled result is not what the reference allows."""
    loose = any(op.name in ("maximum", "minimum", "max", "min", "fmax", "fmin") or op.attributes.get("mode", op.attributes.get("by")) in ("minimum", "maximum")
                for op in walk(case.fn))  # fmt: skip
    for number, (found, want) in enumerate(zip(results, known, strict=True)):
        if found.shape != want.value.shape or found.dtype != want.value.dtype:
            raise Disagreement(
                f"{what}: result {number} is {found.dtype}{found.shape}, not {want.value.dtype}{want.value.shape}"
            )
        wrong = _wrong(found, want, loose_zero=loose)
        if wrong.any():
            at = tuple(int(k[0]) for k in np.nonzero(wrong)) if wrong.ndim else ()
            bound = 0.0 if want.error is None else want.error[at]
            raise Disagreement(
                f"{what}: result {number} has {int(wrong.sum())} of {wrong.size} wrong, first at {at}: "
                f"{found[at]!r}, not {want.value[at]!r}; allowed {bound:.3g}"
            )


def compare_bits(first, second, what):
    """Raise Disagreement if two runs differ in a bit."""
    for number, (a, b) in enumerate(zip(first, second, strict=True)):
        if not same_bits(a, b):
            raise Disagreement(f"{what}: result {number} differs in bits")


def copies(arguments):
    """Arguments that a run may write; strides are kept."""
    return [a if isinstance(a, np.int64) or a.ndim == 0 else _copy(a) for a in arguments]


def _copy(a):
    if a.flags.c_contiguous:
        return a.copy()
    return a  # `Native` copies into memory of its own


def constant_sizes(case):
    """The program for these sizes alone."""
    return copy_function(case.fn, dict(case.sizes))


def check_case(case, *, off=(), matrix=False, loops=False, level=1):
    """Raise if the case fails. Gives the share of elements whose bits were compared, None if nothing could be said."""
    try:
        known = expected(case)
    except (Undecided, IndexFault):
        return None
    native = Native(case.fn, level=level)
    results = native(case.arguments, case.sizes)
    compare(case, results, known, "compiled")
    first = [r.copy() for r in results]
    compare_bits(first, native(case.arguments, case.sizes, threads=-1), "parallel loops backwards")
    for name in off:
        other = Native(case.fn, off=(name,), level=level, known=native)
        compare_bits(first, other(case.arguments, case.sizes), f"pass {name} off")
    if matrix:
        check_matrix(case, native, first)
    if loops:
        check_loops(case, native, known)
    total = sum(k.value.size for k in known)
    exact = sum(k.value.size if k.error is None else int((k.error == 0).sum()) for k in known)
    return exact / total if total else 1.0


PASSES = tuple(step.name for step in pipeline.PASSES if not step.required)


def check_matrix(case, native, first):
    """Threads, alignments, constant sizes: equal bits."""
    for threads in (1, 2, 4):
        compare_bits(first, native(case.arguments, case.sizes, threads=threads), f"{threads} threads")
    for offset in (1, 2, 4, 8, 12, 16, 20, 36):
        compare_bits(first, native(case.arguments, case.sizes, offset=offset), f"byte offset {offset}")
    if case.fn.symbols:
        constant = Native(constant_sizes(case))
        compare_bits(first, constant(case.arguments, case.sizes), "constant sizes")
    compare_bits(first, Native(case.fn, level=3)(case.arguments, case.sizes), "LLVM's highest level")


def check_loops(case, native, known):
    """The loop-level program under the interpreter: races, memory outside, memory that was never written."""
    arguments = [
        np.array(a) if k not in case.fn.strided else a.copy("K") for k, a in enumerate(case.arguments)
    ]
    arguments = [_same_strides(a, b) for a, b in zip(case.arguments, arguments, strict=True)]
    sizes = {
        **case.sizes,
        **{f"a{k}_s{x}": s for k in case.fn.strided for x, s in enumerate(case.arguments[k].strides)},
    }
    made = iter(interpret(native.lowered, *arguments, sizes=sizes, seed=1, races=True))
    into = case.fn.into or (-1,) * len(case.fn.results)
    compare(case, [next(made) if t < 0 else arguments[t] for t in into], known, "loops interpreted")


def _same_strides(original, copy):
    original = np.asarray(original)
    if original.strides == copy.strides:
        return copy
    low = (
        sum(min(0, (n - 1) * s) for n, s in zip(original.shape, original.strides, strict=True))
        if original.size
        else 0
    )
    high = (
        sum(max(0, (n - 1) * s) for n, s in zip(original.shape, original.strides, strict=True))
        if original.size
        else 0
    )
    raw = np.zeros(high - low + original.itemsize, np.uint8)
    view = np.ndarray(original.shape, original.dtype, raw.data, -low, original.strides)
    view[...] = original
    return view


__all__ = ["PASSES", "Disagreement", "check_case", "constant_sizes"]
