"""Part of weft.compiler.autodiff."""
