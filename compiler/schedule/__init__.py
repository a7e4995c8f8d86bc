"""Part of weft.compiler.schedule."""
