"""Part of weft.compiler.frontend."""
