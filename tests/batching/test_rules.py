"""Each op on stacks of lanes, some operands shared, against the same op lane by lane."""

from itertools import product

import numpy as np
import pytest

from weft.compiler.batching import Batcher
from weft.compiler.batching.rules import rule_of
from weft.ir import Builder, Func, Region
from weft.ir.dims import Symbol
from weft.ir.interp import interpret
from weft.ir.opdef import REGISTRY
from weft.ir.types import TensorType, dtype_of
from weft.ir.verify import verify

LANES = 3
NAMES = [
    n for n, r in REGISTRY.items() if r.samples is not None and not r.has("loop") and r.evaluate is not None
]


def small_samples(name):
    """Samples of a record that need no more than a moment, of different ranks."""
    rng = np.random.default_rng(5)
    found = {}
    for attributes, arrays in REGISTRY[name].samples(rng):
        arrays = [np.asarray(a) for a in arrays]
        if all(0 < a.size <= 200 for a in arrays):
            found.setdefault(tuple(a.ndim for a in arrays), (attributes, arrays))
    return list(found.values())[:4]


def types_of(arrays):
    return [TensorType(dtype_of(a.dtype), a.shape) for a in arrays]


def one_op(name, attributes, types):
    region = Region(types)
    builder = Builder(region)
    op = builder.emit(name, region.params, dict(attributes))
    return region, op


@pytest.mark.parametrize("name", NAMES)
def test_stacks_of_lanes(name):
    for attributes, arrays in small_samples(name):
        for flags in product([True, False], repeat=len(arrays)):
            if not any(flags):
                continue
            stacks = [
                np.stack([a, *[np.roll(a, k) for k in range(1, LANES)]]) if f else a
                for a, f in zip(arrays, flags, strict=True)
            ]
            if name in (
                "positions",
                "cholesky",
            ):  # a number of places, and what makes a matrix definite, must stay
                stacks = [np.stack([a] * LANES) for a in arrays]
            check(name, attributes, arrays, stacks, flags)


def check(name, attributes, arrays, stacks, flags):
    lane, op = one_op(name, attributes, types_of(arrays))
    body = Region(types_of(stacks))
    batcher = Batcher(LANES, iter([Symbol(f"lane{k}", 0, LANES - 1) for k in range(9)]).__next__)
    for old, new, is_stack in zip(lane.params, body.params, flags, strict=True):
        batcher.cloner.values[old] = new
        if is_stack:
            batcher.batched.add(old)
    builder = Builder(body)
    batcher.ops(lane.ops, builder, op.results)
    builder.emit("return", [batcher.stack(r, builder).value for r in op.results])
    fn = Func("stacks", body)
    verify(fn)
    found = interpret(fn, *stacks)
    for k in range(LANES):
        one, op = one_op(
            name, attributes, types_of([s[k] if f else s for s, f in zip(stacks, flags, strict=True)])
        )
        Builder(one).emit("return", op.results)
        want = interpret(Func("lane", one), *[s[k] if f else s for s, f in zip(stacks, flags, strict=True)])
        for a, b in zip(found, want, strict=True):
            np.testing.assert_allclose(a[k], b, rtol=1e-5, atol=1e-6)


def test_every_op_has_a_rule_or_is_known_to_go_lane_by_lane():
    without = {n for n in NAMES if rule_of(n) is None}
    assert without <= {"positions", "conv_filters", "constant", "iota", "place"}, without
