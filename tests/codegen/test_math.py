"""The math functions through the pass and the CPU backend: the same bits as the small emitter of tests gives.

Their accuracy is tested in `tests/ops/test_math.py`.
"""

import numpy as np
import pytest
from loop_programs import Program, compile_func, dense, vector_load, vector_store

from tests.ops import accuracy
from weft.compiler.passes.expand_math import lower_math
from weft.compiler.passes.lower_math import MATH


def run(op, arrays, lanes):
    """`op` on arrays of a multiple of `lanes` elements."""
    out = np.zeros(len(arrays[0]), arrays[0].dtype)
    program = Program([*((f"x{i}", dense(a)) for i, a in enumerate(arrays)), ("y", dense(out))])
    *sources, result = program.buffers

    def write(b):
        def body(inner, i, _carried):
            operands = [vector_load(inner, source, i, lanes).value for source in sources]
            vector_store(inner, inner.expr(inner.emit(op, operands).result), result, i)
            return []

        b.loop(b.index(0), b.index(len(out)), lanes, [], body)

    program.kernel(write)
    compile_func(lower_math(program.func()), program.numbers, returned=program.returned)(*arrays, out)
    return out


@pytest.mark.parametrize("dtype", ["f32", "f64"])
@pytest.mark.parametrize("op", MATH)
def test_backend_gives_the_same_bits(op, dtype):
    arrays = accuracy.inputs(op, dtype, 400, np.random.default_rng(2))
    arrays = tuple(a[: len(a) // 16 * 16] for a in arrays)
    want = accuracy.compile_op(op, dtype)(*arrays)
    for lanes in (1, 16):
        np.testing.assert_array_equal(run(op, arrays, lanes), want)
