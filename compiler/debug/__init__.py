"""Part of weft.compiler.debug."""
