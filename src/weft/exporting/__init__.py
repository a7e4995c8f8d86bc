"""Compiled functions as C libraries that need nothing: what `weft.export` does.

Not here: calling such a library from Python (`weft.library`), linking (`weft.backends.cpu.shared`).
"""
