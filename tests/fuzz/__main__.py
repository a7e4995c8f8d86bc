"""The command: makes, runs and compares random programs; prints coverage, and for each failure its smallest form.

`python -m tests.fuzz --count 10000 --seed 0 [--mode ir|numpy|loops|both] [--off PASS] [--matrix N] [--loops N] [--workers N]`,
`--only K` replays program K of the seed, `--planted` looks for the planted faults. Not here: any of the work.
"""

import argparse
import importlib
import logging
import os
import pickle
import shutil
import sys
import tempfile
import time
import traceback
import warnings

CHUNK = 25


def main(arguments=None):
    """Run the command; the exit status is the number of failures, at most 100."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="number of the first program")
    parser.add_argument("--only", type=int, help="one program of the seed, printed")
    parser.add_argument("--mode", choices=("ir", "numpy", "loops", "both"), default="both")
    parser.add_argument(
        "--off", action="append", default=[], help="compare with this pass off; 'all' for each of them"
    )
    parser.add_argument(
        "--matrix",
        type=int,
        default=25,
        help="threads, alignments, constant sizes for one in N programs, 0 for none",
    )
    parser.add_argument(
        "--loops", type=int, default=25, help="interpret the loops of one in N small programs, 0 for none"
    )
    parser.add_argument(
        "--appends",
        action="store_true",
        help="all programs of mode loops append to a list, not every other one",
    )
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=0, help="stop after so long")
    parser.add_argument("--planted", action="store_true")
    options = parser.parse_args(arguments)
    os.environ["WEFT_CACHE_DIR"] = folder = tempfile.mkdtemp(prefix="weft_fuzz_")
    try:
        if options.planted:
            from tests.fuzz.planted import run_planted

            return run_planted(options.seed)
        if options.only is not None:
            options.first, options.count = options.only, 1
        return run(options)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def run(options):
    """All programs, in processes that may die."""
    from tests.fuzz.coverage import Coverage

    for name in (
        "check",
        "calls",
        "reduce",
        "sources_reduce",
        "loops",
    ):  # once for all processes, of one state of the sources
        importlib.import_module(f"tests.fuzz.{name}")
    start, coverage, failures = time.time(), Coverage(), []
    waiting = [
        (k, min(k + CHUNK, options.first + options.count))
        for k in range(options.first, options.first + options.count, CHUNK)
    ]
    waiting.reverse()
    running = {}
    while waiting or running:
        while waiting and len(running) < options.workers:
            if options.seconds and time.time() - start > options.seconds:
                waiting.clear()
                break
            first, last = waiting.pop()
            path = tempfile.mktemp(prefix="weft_fuzz_")
            child = os.fork()
            if not child:
                _chunk(options, first, last, path)
            running[child] = (first, last, path)
        if not running:
            break
        child, status = os.wait()
        first, last, path = running.pop(child)
        done, found = _read(path, coverage)
        failures += found
        for text in found:
            print(text, flush=True)
        if status:
            failures.append(f"program {done} ended its process with status {status}")
            print(failures[-1] + "; replay: " + replay(options, done), flush=True)
            if done + 1 < last:
                waiting.append((done + 1, last))
    print(f"{len(failures)} failures; {time.time() - start:.0f} s; seed {options.seed}")
    print("\n".join(coverage.report()))
    return min(len(failures), 100)


def replay(options, number):
    """The line that runs one program again."""
    more = (
        f" --mode {options.mode}"
        + "".join(f" --off {o}" for o in options.off)
        + (" --appends" if options.appends else "")
        + f" --matrix {options.matrix} --loops {options.loops}"
    )
    return f"python -m tests.fuzz --seed {options.seed} --only {number}{more}"


def _chunk(options, first, last, path):
    """A process's share; leaves what it found at `path`, the number in hand at `path`.at."""
    from tests.fuzz.coverage import Coverage

    warnings.simplefilter("ignore")
    logging.getLogger("weft").setLevel(logging.ERROR)
    coverage, found = Coverage(), []
    for number in range(first, last):
        with open(path + ".at", "w") as file:
            file.write(str(number))
        found += one(options, number, coverage)
        with open(path, "wb") as file:
            pickle.dump((coverage, found), file)
    os._exit(0)


def _read(path, coverage):
    try:
        with open(path, "rb") as file:
            part, found = pickle.load(file)
        coverage.add(part)
        os.unlink(path)
    except FileNotFoundError:
        found = []
    with open(path + ".at") as file:
        done = int(file.read())
    os.unlink(path + ".at")
    return done, found


def one(options, number, coverage):
    """Program `number` in the modes asked for; texts of failures."""
    found = []
    if options.mode in ("ir", "both"):
        found += one_program(options, number, coverage)
    if options.mode == "numpy" or (options.mode == "both" and number % 3 == 0):
        found += one_source(options, number, coverage)
    if options.mode == "loops":
        found += one_source(options, number, coverage, "loops")
    return found


def one_program(options, number, coverage):
    """A program of the tensor level."""
    import numpy as np

    from tests.fuzz.check import PASSES, check_case
    from tests.fuzz.programs import make
    from tests.fuzz.reduce import reduce
    from weft.ir.text import show

    case = make(options.seed, number)
    small = sum(np.size(a) for a in case.arguments) <= 400
    off = PASSES if "all" in options.off else tuple(options.off)

    def check(one):
        return check_case(
            one, off=off, matrix=_every(options.matrix, number), loops=small and _every(options.loops, number)
        )

    if options.only is not None:
        print(show(case.fn), case.sizes)
    try:
        coverage.note(case, check(case))
    except Exception as error:  # every failure is reported
        smallest = reduce(case, check, 200)
        coverage.note(case, None)
        return [
            f"==== program {number}: {_text(error)}\n{show(smallest.fn)}sizes {smallest.sizes}\nreplay: {replay(options, number)}"
        ]
    return []


def one_source(options, number, coverage, mode="numpy"):
    """A NumPy function, of mode "loops" one with loops and branches."""
    from tests.fuzz import loops, sources
    from tests.fuzz.calls import check_source
    from tests.fuzz.sources_reduce import reduce_source

    if mode == "loops":
        source = loops.make(options.seed, number, appends=options.appends or number % 2 == 1)
    else:
        source = sources.make(options.seed, number)
    if options.only is not None:
        print(source.text, source.sizes, source.aliased)
    try:
        outcome = check_source(source)
    except Exception as error:  # every failure is reported
        coverage.note_facts(source.facts, "undecided", mode)
        smallest = reduce_source(source)
        return [
            f"==== function {number}: {_text(error)}\n{smallest.text}sizes {smallest.sizes} {smallest.signature} aliased {smallest.aliased}\n"
            f"replay: {replay(options, number)}"
        ]
    if outcome.startswith("refused") and mode == "loops":
        print(f"function {number}: {outcome}", flush=True)
    coverage.note_facts(source.facts, outcome, mode)
    return []


def _every(n, number):
    return bool(n) and number % n == 0


def _text(error):
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {str(error)[:400]} ({last.filename}:{last.lineno})"


if __name__ == "__main__":
    sys.exit(main())
