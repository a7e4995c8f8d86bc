"""`python -m tests.surface [--count N] [--seed S] [--symbolic] [--only NAME]`: N calls of each function; prints what differs and the coverage."""

import argparse
import collections
import logging
import sys
import time

from tests.surface.check import PRODUCTS, Difference, check
from tests.surface.samples import Maker
from tests.surface.table import CALLS
from weft.cli.ops import numpy_functions

UNSHARED = {
    "ascontiguousarray",
    "ravel",
    "ndarray.ravel",
    "reshape",
    "ndarray.reshape",
    "trim_zeros",
}  # listed differences


def one(name, seed, number, *, symbolic=False):
    """Check one call."""
    fn, generate = CALLS[name]
    args, kwargs = generate(Maker(seed, number, sum(map(ord, name))))
    try:
        is_product, ignores_sharing = name in PRODUCTS, name in UNSHARED
        return check(
            fn, list(args), kwargs, ignores_sharing=ignores_sharing, is_product=is_product, symbolic=symbolic
        )
    except Difference as error:
        raise Difference(f"{name}(*{args!r:.300}, **{kwargs!r:.150}): {error}".replace("\n", "")) from error


def main():
    """Run; the exit status is the number of differences, at most 100."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--symbolic", action="store_true", help="compiled for any sizes")
    parser.add_argument("--only", nargs="*")
    options = parser.parse_args()
    logging.getLogger("weft").setLevel(logging.ERROR)
    start, counts, differences = time.time(), collections.Counter(), 0
    refused = collections.Counter()
    for name in options.only or CALLS:
        for number in range(options.count):
            try:
                outcome = one(name, options.seed, number, symbolic=options.symbolic)
            except Exception as error:
                differences += 1
                outcome = "different"
                print(f"{number}: {type(error).__name__} {error}"[:700], flush=True)
            counts[outcome] += 1
            refused[name] += outcome == "refused"
    missing = sorted({name for name, _, is_built in numpy_functions() if is_built} - CALLS.keys())
    print(
        f"{len(CALLS)} functions, {sum(counts.values())} calls: {dict(counts)}; {time.time() - start:.0f} s"
    )
    print("refused:", {k: v for k, v in refused.items() if v})
    print("built, not in the table:", *missing)
    return min(differences, 100)


if __name__ == "__main__":
    sys.exit(main())
