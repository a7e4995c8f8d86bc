"""Part of Weft; imported as weft.backends."""

if not __name__.startswith("weft."):
    raise ImportError("import weft.backends, not backends")
