"""Part of weft.compiler.passes."""
