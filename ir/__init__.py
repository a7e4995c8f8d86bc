"""Part of Weft; imported as weft.ir."""

if not __name__.startswith("weft."):
    raise ImportError("import weft.ir, not ir")
