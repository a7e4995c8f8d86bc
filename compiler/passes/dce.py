"""Dead code: ops whose results no one needs are removed, unless they have an effect or can fail.

Not here: dead parameters of regions, which the passes that know the op remove.
"""

from weft.ir import Func
from weft.ir.rewrite import remove_dead


def dce(fn: Func) -> Func:
    """The program without dead ops."""
    return remove_dead(fn)
