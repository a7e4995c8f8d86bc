"""The public transformations of functions: `weft.grad` and `weft.value_and_grad`."""

from weft.unbuilt import Unbuilt

grad = Unbuilt("weft.grad")
value_and_grad = Unbuilt("weft.value_and_grad")
