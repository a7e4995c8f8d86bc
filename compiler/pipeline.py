"""THE list of passes, from the traced program to the loops that a backend spells. Its order is the order.

Each pass is one file of `passes/`. `after` is checked when this module is imported.
Not here: how passes are run (`manager.py`), differentiation, which comes before on request (`autodiff`).
"""

from collections.abc import Sequence

from weft.compiler.manager import Pass, Setting, check_order, simple
from weft.compiler.passes.beside import beside
from weft.compiler.passes.bufferize import bufferize
from weft.compiler.passes.canonicalize import canonicalize
from weft.compiler.passes.carry import carry
from weft.compiler.passes.cse import cse
from weft.compiler.passes.dce import dce
from weft.compiler.passes.expand_math import lower_math
from weft.compiler.passes.fold import fold
from weft.compiler.passes.group import fuse, separate
from weft.compiler.passes.hoist import hoist
from weft.compiler.passes.inside import inside
from weft.compiler.passes.interchange import interchange
from weft.compiler.passes.join import join
from weft.compiler.passes.lower_conv import lower_conv
from weft.compiler.passes.lower_tensor import lower_tensor
from weft.compiler.passes.plan_memory import plan_memory
from weft.compiler.passes.promote_scalars import promote_scalars
from weft.compiler.passes.push_reshapes import push_reshapes
from weft.compiler.passes.split_complex import split_complex
from weft.compiler.passes.spread import spread
from weft.compiler.passes.trim import trim
from weft.compiler.passes.unmask import unmask
from weft.compiler.passes.vectorize import vectorize
from weft.compiler.passes.wavefront import wavefront
from weft.compiler.passes.widen_half import widen_half
from weft.ir import Func, InternalError, Op, Value
from weft.ir.builder import Builder
from weft.ir.rewrite import rewrite


def lower_for_target(fn: Func, setting: Setting) -> Func:
    """`lower_tensor` for the machine of the setting."""
    if setting.target is None:
        raise InternalError("lowering needs a target", code="E092")
    lowered = lower_tensor(fn, setting.target)
    return lowered if setting.target.has_fused_products else rewrite(lowered, _split_product)


def _split_product(builder: Builder, op: Op, operands: tuple[Value, ...]) -> Sequence[Value] | None:
    """fma as a product and a sum: no math function is lowered yet, so that these are all in products."""
    if op.name != "fma":
        return None
    a, b, c = (builder.expr(value) for value in operands)
    return ((a * b + c).value,)


def vectorize_for_target(fn: Func, setting: Setting) -> Func:
    """`vectorize` for the machine of the setting."""
    return fn if setting.target is None else vectorize(fn, setting.target)


def beside_for_target(fn: Func, setting: Setting) -> Func:
    """`beside` for machines with a pool of threads; parts at once need more memory than one by one."""
    has_pool = setting.target is not None and setting.target.kind == "cpu"
    return beside(fn) if has_pool and not setting.saves_memory else fn


# fmt: off
PASSES: tuple[Pass, ...] = (
    # tensor level: pure SSA, stage "tensor"
    Pass("canonicalize",  simple(canonicalize)),
    Pass("fold",          simple(fold),          after=("canonicalize",)),  # numbers are scalars by then
    Pass("push_reshapes", simple(push_reshapes), after=("canonicalize",)),  # chains are one reshape
    Pass("cse",           simple(cse),           after=("canonicalize", "push_reshapes")),  # equal forms
    Pass("dce",           simple(dce),           after=("cse",)),
    Pass("unmask",        simple(unmask),        after=("cse", "dce")),     # equal masks are one value
    Pass("inside",        simple(inside),        after=("cse", "unmask")),  # what is still read by places
    Pass("interchange",   simple(interchange),   after=("cse", "unmask")),  # equal things are one value
    Pass("lower_conv",    simple(lower_conv),    required=True, after=("dce",)),  # products from here on
    # kernels: stage "fused", then memory: "buffers", then loops: "loops"
    Pass("fuse",          simple(fuse),          after=("dce", "interchange", "lower_conv")),  # uses decide
    Pass("separate",      simple(separate),      required=True, after=("fuse",)),
    Pass("bufferize",     simple(bufferize),     required=True, after=("separate",)),
    Pass("lower_tensor",  lower_for_target,      required=True, after=("bufferize",)),
    Pass("hoist",         simple(hoist),         after=("lower_tensor",)),   # parts of kernels are known
    Pass("promote_scalars", simple(promote_scalars),         after=("lower_tensor",)),  # accesses are known
    Pass("trim",          simple(trim),          after=("promote_scalars",)),  # spares are values
    Pass("wavefront",     simple(wavefront),     after=("trim",)),           # what is still carried matters
    Pass("carry",         simple(carry),         after=("wavefront",)),        # loops carry values by then
    Pass("spread",        simple(spread),        after=("carry",)),
    Pass("vectorize",     vectorize_for_target,  after=("spread",)),         # shares first, then lanes
    Pass("join",          simple(join),          after=("vectorize",)),      # loops are as they will be
    Pass("split_complex", simple(split_complex), required=True, after=("vectorize",)),
    Pass("widen_half",    simple(widen_half),    required=True, after=("split_complex",)),
    Pass("lower_math",    simple(lower_math),    required=True, after=("widen_half",)),     # of real lanes
    Pass("beside",        beside_for_target,     after=("vectorize", "lower_math")),  # what is still serial
    Pass("plan_memory",   simple(plan_memory),   required=True, after=("lower_math",)),
)
# fmt: on

check_order(PASSES)
