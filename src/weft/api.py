"""The public functions that compile: `weft.compile` and `weft.spec`."""

from weft.unbuilt import Unbuilt

compile = Unbuilt("weft.compile")
spec = Unbuilt("weft.spec")
