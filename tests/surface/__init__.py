"""Every supported NumPy function against NumPy, on generated arguments: the table (`table.py`), the check (`check.py`).

`python -m tests.surface` is the long run. A fast sample is in `tests/breadth/test_surface.py`.
"""
