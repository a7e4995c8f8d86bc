"""THE list of passes, from the traced program to the loops that a backend spells. Its order is the order.

Each pass is one file of `passes/`. `after` is checked when this module is imported.
Not here: how passes are run (`manager.py`), differentiation, which comes before on request (`autodiff`).
"""

from weft.compiler.manager import Pass, check_order, simple
from weft.compiler.passes.canonicalize import canonicalize
from weft.compiler.passes.cse import cse
from weft.compiler.passes.dce import dce
from weft.compiler.passes.fold import fold
from weft.compiler.passes.push_reshapes import push_reshapes

# fmt: off
PASSES: tuple[Pass, ...] = (
    # tensor level: pure SSA, stage "tensor"
    Pass("canonicalize",  simple(canonicalize)),
    Pass("fold",          simple(fold),          after=("canonicalize",)),  # numbers at a shape are broadcasts by then
    Pass("push_reshapes", simple(push_reshapes), after=("canonicalize",)),  # sees one reshape where there was a chain
    Pass("cse",           simple(cse),           after=("canonicalize", "fold", "push_reshapes")),  # of equal forms
    Pass("dce",           simple(dce),           after=("cse",)),
    # fuse:         tensor -> fused,   after dce (uses decide what is fused)
    # bufferize:    fused -> buffers,  required
    # lower_tensor: buffers -> loops,  required
    # lower_math:   loops -> loops,    required
    # plan_memory:  loops -> loops,    required
)
# fmt: on

check_order(PASSES)
