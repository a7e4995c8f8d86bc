"""The pass manager and the list of passes: order, limit, off, watch, verification, failures, equal bits."""

from pathlib import Path

import numpy as np
import pytest

from weft.compiler.manager import Pass, check_order, run, simple
from weft.compiler.pipeline import PASSES
from weft.ir import Builder, Func, InternalError, Region, UserError
from weft.ir.dims import evaluate_dim
from weft.ir.interp import interpret
from weft.ir.opdef import random_array
from weft.ir.text import parse, show
from weft.ir.types import F32, tensor
from weft.ir.verify import verify

SIZE = {"n": 7, "m": 5, "k": 4}
TENSOR = [p for p in PASSES if p.name in ("canonicalize", "fold", "push_reshapes", "cse", "dce")]


def sine():
    region = Region([tensor(F32, 3)])
    builder = Builder(region)
    builder.emit("return", [builder.expr(region.params[0]).apply("sin").value])
    return Func("f", region)


def test_order_is_checked():
    check_order(PASSES)
    nothing = simple(lambda fn: fn)
    with pytest.raises(InternalError, match="pass b must come after a"):
        check_order([Pass("b", nothing, after=("a",)), Pass("a", nothing)])
    with pytest.raises(InternalError, match="pass a is listed twice"):
        check_order([Pass("a", nothing)] * 2)


def names_run(**options):
    ran = []
    required = Pass("lower", simple(lambda fn: fn), required=True)
    run(sine(), [TENSOR[0], required, *TENSOR[1:]], watch=lambda name, *_: ran.append(name), **options)
    return ran


def test_limit_counts_optimizations_and_keeps_lowerings():
    assert names_run(limit=0) == ["lower"]
    assert names_run(limit=2) == ["canonicalize", "lower", "fold"]


def test_off():
    assert names_run(off=["fold", "cse"]) == ["canonicalize", "lower", "push_reshapes", "dce"]
    with pytest.raises(UserError, match="no pass that can be switched off is called 'lower'"):
        names_run(off=["lower"])


def test_watch_sees_both_programs_and_the_time():
    seen = []
    fn = sine()
    result = run(fn, TENSOR, watch=lambda *facts: seen.append(facts))
    assert seen[0][1] is fn
    assert seen[-1][2] is result
    assert all(seconds >= 0 for *_, seconds in seen)


def test_invalid_result_names_the_pass():
    def spoil(fn):
        region = Region([v.type for v in fn.params])
        Builder(region).emit("return", list(fn.params))
        return Func("f", region)

    with pytest.raises(InternalError, match="after pass spoil"):
        run(sine(), [Pass("spoil", simple(spoil))], verify=verify)


def test_failing_pass_is_our_error_with_the_program():
    def fail(_fn):
        raise KeyError("x")

    with pytest.raises(InternalError, match="pass fail failed on @f: KeyError") as caught:
        run(sine(), [Pass("fail", simple(fail))])
    assert "sin(%0)" in caught.value.__notes__[0]


def golden_inputs():
    for file in sorted((Path(__file__).parent.parent / "golden").glob("*.test")):
        if file.stem in [p.name for p in TENSOR]:
            for chunk in file.read_text().split("[case ")[1:]:
                name, _, rest = chunk.partition("]\n")
                yield pytest.param(rest.partition("[out]\n")[0], id=f"{file.stem}: {name}")


@pytest.mark.parametrize("text", list(golden_inputs()))
def test_same_bits_with_any_pass_off_and_at_any_limit(text):
    fn, rng = parse(text), np.random.default_rng(5)
    arrays = [
        random_array(rng, p.type.dtype.numpy, tuple(evaluate_dim(d, SIZE) for d in p.type.shape))
        for p in fn.params
    ]
    expected = interpret(fn, *arrays)
    variants = [{}, *({"off": [p.name]} for p in TENSOR), *({"limit": k} for k in range(len(TENSOR)))]
    for options in variants:
        found = interpret(run(fn, TENSOR, verify=verify, **options), *arrays)
        for a, b in zip(expected, found, strict=True):
            np.testing.assert_array_equal(a, b, strict=True)
            finite = ~np.isnan(a) if a.dtype.kind == "f" else np.ones(a.shape, bool)
            assert a[finite].tobytes() == b[finite].tobytes()


def test_passes_reach_a_form_that_they_keep():
    text = show(run(parse(next(iter(golden_inputs())).values[0]), TENSOR))
    assert show(run(parse(text), TENSOR)) == text
