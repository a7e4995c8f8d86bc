"""Mathematical functions of float32 and float64 as loop-level ops, the same for every target.

Accuracy and speed are measured by `python -m tests.ops.accuracy`. Not here: the table that maps ops to them
(`passes/lower_math.py`).
"""
