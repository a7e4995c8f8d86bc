"""Part of Weft; imported as weft.runtime."""

if not __name__.startswith("weft."):
    raise ImportError("import weft.runtime, not runtime")
