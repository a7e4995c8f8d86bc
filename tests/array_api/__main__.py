"""`python -m tests.array_api [--compiled] [--only NAME...] [--draws N]`: pass counts against the array API standard."""

import argparse
import collections
import logging
import sys

from tests.array_api import special_cases
from tests.array_api.checks import calls, check, find, signature
from tests.array_api.draws import draw
from tests.array_api.specification import SIGNATURES


def drawn(count):
    """Random calls as `calls` gives its own."""
    for text in SIGNATURES:
        name, parameters = signature(text)
        for number in range(count):
            call = draw(name, len(parameters.parameters), 7, number)
            if call is not None:
                yield name, f"draw {number}", *call


def main():
    """Run; the exit status is the number of failures, at most 100."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--compiled", action="store_true", help="inside of a compiled function, not eagerly")
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--draws", type=int, default=10, help="random calls of each function")
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
    for name, label, args, kwargs in (*calls(), *drawn(options.draws)):
        if options.only and name not in options.only:
            continue
        try:
            outcome = check(name, args, kwargs, compiled=options.compiled)
        except Exception as error:
            outcome = "fail"
            taken = [getattr(a, "shape", a) for a in args]
            print(f"{name} {label} {taken} {kwargs}: {type(error).__name__} {error}"[:400], flush=True)
        kind = outcome.partition(":")[0]
        if kind == "refused" and functions.get(name) != "refused":
            print(f"{name} {label}: {outcome}"[:200], flush=True)
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
