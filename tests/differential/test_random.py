"""A few hundred random programs in every test run; `python -m tests.fuzz` makes as many as asked.

A failure prints the program and the line that replays it. Not here: programs that once failed (`test_regressions.py`).
"""

import logging
import warnings

import numpy as np
import pytest

from tests.fuzz import borders
from tests.fuzz.calls import check_source
from tests.fuzz.check import PASSES, check_case
from tests.fuzz.loops import make as make_loops
from tests.fuzz.planted import search
from tests.fuzz.planted_loops import the_last_written_array_is_not_carried
from tests.fuzz.programs import make
from tests.fuzz.reduce import reduce
from tests.fuzz.sources import make as make_source
from weft.ir.text import show

SEED = 20
PROGRAMS = 120
SOURCES = 40
LOOPS = 20


@pytest.fixture(autouse=True)
def quiet(tmp_path, monkeypatch):
    monkeypatch.setenv("WEFT_CACHE_DIR", str(tmp_path))
    logging.getLogger("weft").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    logging.getLogger("weft").setLevel(logging.NOTSET)


@pytest.mark.parametrize("first", range(0, PROGRAMS, 20))
def test_programs_agree_with_the_reference(first):
    for number in range(first, first + 20):
        case = make(SEED, number)
        small = sum(np.size(a) for a in case.arguments) <= 400

        def check(one, number=number, small=small):
            off = (PASSES[number % len(PASSES)],)
            return check_case(one, off=off, matrix=number % 20 == 0, loops=small and number % 4 == 0)

        try:
            check(case)
        except Exception as error:
            smallest = reduce(case, check, 60)
            pytest.fail(
                f"{error}\n{show(smallest.fn)}{smallest.sizes}\npython -m tests.fuzz --mode ir --off all --seed {SEED} --only {number}"
            )


@pytest.mark.parametrize("first", range(0, SOURCES, 20))
def test_functions_agree_with_numpy(first):
    for number in range(first, first + 20):
        source = make_source(SEED, number)
        try:
            check_source(source)
        except Exception as error:
            pytest.fail(
                f"{error}\n{source.text}{source.sizes}\npython -m tests.fuzz --mode numpy --seed {SEED} --only {number}"
            )


def test_loops_agree_with_python():
    for number in range(LOOPS):
        source = make_loops(SEED, number)
        try:
            check_source(source)
        except Exception as error:
            pytest.fail(
                f"{error}\n{source.text}{source.sizes}\npython -m tests.fuzz --mode loops --seed {SEED} --only {number}"
            )


def test_random_loops_find_a_planted_fault():
    number, shown = search(the_last_written_array_is_not_carried, 1, 12, make_loops, check_source)
    assert number is not None
    assert "differ" in shown


def test_parts_that_loops_write_agree_with_numpy():
    for number in range(15):
        borders.agree(SEED, number)
