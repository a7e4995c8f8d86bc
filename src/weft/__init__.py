"""Weft: NumPy functions compiled into fused native kernels."""
