"""Input that does not fit, for each function of the surface: what NumPy raises, Weft raises.

`python -m tests.surface.bad_input [NAME...] [--seed S] [--part K/N]` takes a call of each function and changes
one thing at a time: an argument, an axis, a dtype, `out`, a keyword, a rank, a length. Each function runs in a
process of its own, so that one that ends it is named. It prints what differs: CLASS for another builtin class of
error, ACCEPT for what NumPy refuses, RAISES and REFUSE for what NumPy takes, DIFFER for other values, CRASH.
"""

import argparse
import collections
import copy
import logging
import os
import signal
import sys
import warnings

import numpy as np

import weft
from tests.surface.check import Difference, bound, same
from tests.surface.samples import Maker
from tests.surface.table import CALLS
from weft.ir.errors import UnsupportedError

KINDS = (
    TypeError, ValueError, IndexError, OverflowError, ZeroDivisionError, AttributeError, KeyError,
    RuntimeError, NotImplementedError, MemoryError,
)  # fmt: skip
SUBSTITUTES = {
    "empty": np.zeros(0), "empty2": np.zeros((0, 3)), "zerod": np.array(2.5), "lst": [1, 2, 3],
    "ragged": [[1, 2], [3]], "cplx": np.array([1 + 2j, 3]), "bools": np.array([True, False, True]),
    "r3": np.arange(24.0).reshape(2, 3, 4), "nan": np.array([np.nan, 1.0, np.nan]),
    "i1": np.array([-128, 127, 3], "i1"), "u8": np.array([0, 2**64 - 1], "u8"), "num": 3, "flt": 2.5, "neg": -1,
    "npi": np.int64(2), "f2": np.array([1, 2, 3], "f2"), "text": "x", "obj": {},
}  # fmt: skip
AXES = {
    "99": 99, "m99": -99, "text": "a", "flt": 1.5, "none": None, "rep": (0, 0), "0": 0, "m1": -1, "tup": (0, 1),
    "empty": (), "np": np.int64(0), "list": [0], "bool": True,
}  # fmt: skip
KEYWORDS = {
    "dtype=nope": {"dtype": "nope"}, "dtype=i4": {"dtype": "i4"}, "dtype=bool": {"dtype": bool},
    "dtype=c8": {"dtype": "c8"}, "out=bad": {"out": np.zeros((7, 5, 3))}, "out=list": {"out": [1, 2]},
    "out=bool": {"out": np.zeros((), bool)}, "unknown": {"bogus": 1}, "keepdims": {"keepdims": True},
    "where": {"where": np.array([True, False])}, "initial": {"initial": 5},
}  # fmt: skip


def changed(args, kwargs):
    """Each call with one thing changed, and what was changed."""
    for k in range(len(args)):
        for name, value in SUBSTITUTES.items():
            yield f"argument {k}={name}", [*args[:k], value, *args[k + 1 :]], kwargs
    for name, value in AXES.items():
        if "axis" in kwargs or name in ("99", "tup"):
            yield f"axis={name}", args, {**kwargs, "axis": value}
    for name, given in KEYWORDS.items():
        yield name, args, {**kwargs, **given}
    yield "fewer", args[:-1], kwargs
    yield "more", [*args, 1], kwargs
    yield "more text", [*args, "x"], kwargs
    for k, a in enumerate(args):
        if isinstance(a, np.ndarray):
            rest = args[k + 1 :]
            if a.ndim:
                yield f"longer {k}", [*args[:k], np.concatenate([a, a[:1], a[:1]]), *rest], kwargs
                yield f"lower {k}", [*args[:k], a[0] if len(a) else a.sum(0), *rest], kwargs
            yield f"rank {k}", [*args[:k], a[None], *rest], kwargs


def attempt(fn, arrays):
    """Its result and its error."""
    try:
        return fn(*copy.deepcopy(arrays)), None
    except Exception as error:
        return None, error


def kind(error):
    """The builtin class that users catch."""
    return next((k.__name__ for k in KINDS if isinstance(error, k)), type(error).__name__)


def outcome(fn, args, kwargs):
    """A word for what both did, and what to print."""
    call, arrays = bound(fn, args, kwargs)
    want, failure = attempt(call, arrays)
    if failure is None and (
        isinstance(want, str | bytes | dict) or (getattr(want, "dtype", np.dtype(int)).kind in "OUSMmV")
    ):
        return "not numbers", ""
    found, error = attempt(weft.compile(call), arrays)
    if failure is not None and error is not None:
        if isinstance(error, UnsupportedError) or kind(error) == kind(failure):
            return "both", ""
        return "CLASS", f"{error!r:.110} | NumPy {failure!r:.110}"
    if failure is not None:
        return "ACCEPT", f"{found!r:.80} | NumPy {failure!r:.130}"
    if error is not None:
        is_refused = isinstance(error, UnsupportedError) or getattr(error, "code", "") == "E031"
        return "REFUSE" if is_refused else "RAISES", f"{error!r:.130} | NumPy {want!r:.80}"
    if "where" in kwargs and "out" not in kwargs and isinstance(getattr(fn, "__self__", fn), np.ufunc):
        return "undefined", ""
    try:
        same(found, want, "result", 1e-2)
    except Difference as difference:
        return "DIFFER", str(difference)[:200]
    return "same", ""


def shown(value):
    """One argument in short."""
    return f"{value.dtype}{value.shape}" if isinstance(value, np.ndarray) else repr(value)


def sweep(name, seed, counts):
    """Every change of one call."""
    fn, generate = CALLS[name]
    args, kwargs = generate(Maker(seed, 0, sum(map(ord, name))))
    for what, given, named in changed(list(args), kwargs):
        if "out=" in what and ("cum" in name or "accum" in name):
            continue  # NumPy 2.4 ends the process
        if os.environ.get("VERBOSE"):
            print(name, what, flush=True)
        signal.alarm(30)
        word, text = outcome(fn, given, named)
        signal.alarm(0)
        counts[word] += 1
        if text:
            call = f"{', '.join(map(shown, given))} {({k: shown(v) for k, v in named.items()}) or ''}"
            print(f"{word} {name} {what} ({call[:120]}) {text}".replace("\n", " "), flush=True)


def in_its_own_process(name, seed):
    """Counts of one function."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        counts = collections.Counter()
        try:
            sweep(name, seed, counts)
        finally:
            sys.stdout.flush()
            os.write(writer, repr(dict(counts)).encode())
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        text = answer.read()
    status = os.waitpid(child, 0)[1]
    if status or not text:
        print(f"CRASH {name} (status {status})", flush=True)
        return {"CRASH": 1}
    return eval(text)


def main():
    """Run; the exit status is 1 if anything but refusals differs."""
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--part", default="0/1")
    options = parser.parse_args()
    logging.getLogger("weft").setLevel(logging.CRITICAL)
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    part, parts = map(int, options.part.split("/"))
    total = collections.Counter()
    for name in options.names or list(CALLS)[part::parts]:
        total.update(in_its_own_process(name, options.seed))
    print(f"{sum(total.values())} calls: {dict(total)}")
    return int(any(total[word] for word in ("CLASS", "ACCEPT", "RAISES", "DIFFER", "CRASH")))


if __name__ == "__main__":
    sys.exit(main())
