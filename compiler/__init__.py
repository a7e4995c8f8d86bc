"""Part of Weft; imported as weft.compiler."""

if not __name__.startswith("weft."):
    raise ImportError("import weft.compiler, not compiler")
