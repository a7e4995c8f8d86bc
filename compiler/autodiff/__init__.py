"""How a program is differentiated: Func -> Func on pure SSA, before bufferization."""

from weft.compiler.autodiff.reverse import differentiate

__all__ = ["differentiate"]
