"""Partial stubs of llvmlite 0.50: what Weft calls."""

__version__: str
