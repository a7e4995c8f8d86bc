"""`python -m tests.array_api [--compiled] [--only NAME...]`: pass counts against the array API standard."""

import argparse
import collections
import logging
import sys

from tests.array_api import special_cases
from tests.array_api.checks import calls, check, find, signature
from tests.array_api.specification import SIGNATURES


def main():
    """Run; the exit status is the number of failures, at most 100."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--compiled", action="store_true", help="inside of a compiled function, not eagerly")
    parser.add_argument("--only", nargs="*")
    options = parser.parse_args()
    logging.getLogger("weft").setLevel(logging.ERROR)
    import weft.numpy as xp

    names = [signature(text)[0] for text in SIGNATURES]
    absent = []
    for name in names:
        try:
            find(xp, name)
        except AttributeError:
            absent.append(name)
    counts, functions = collections.Counter(), {}
    for name, dtype, args, kwargs in calls():
        if options.only and name not in options.only:
            continue
        try:
            outcome = check(name, args, kwargs, compiled=options.compiled)
        except Exception as error:
            outcome = "fail"
            print(
                f"{name} {dtype} {[getattr(a, 'shape', a) for a in args]} {kwargs}: {type(error).__name__} {error}"[
                    :400
                ],
                flush=True,
            )
        kind = outcome.partition(":")[0]
        if kind == "refused" and functions.get(name) != "refused":
            print(f"{name} {dtype}: {outcome}"[:200], flush=True)
        counts[kind] += 1
        worse = {"pass": 0, "refused": 1, "fail": 2}
        functions[name] = max(functions.get(name, "pass"), kind, key=worse.__getitem__)
    tried, failures = special_cases.check(xp, options.only, compiled=options.compiled)
    print(*failures, f"special cases: {tried - len(failures)} of {tried} rules hold", sep="\n")
    passed = sum(v == "pass" for v in functions.values())
    print(
        f"{'compiled' if options.compiled else 'eager'}: {len(names) - len(absent)} of {len(names)} names present; {passed} of {len(functions)} functions pass all; calls: {dict(counts)}"
    )
    return min(counts["fail"] + len(failures), 100)


if __name__ == "__main__":
    sys.exit(main())
