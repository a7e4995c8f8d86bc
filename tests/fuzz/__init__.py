"""Random programs: made, compiled, run, compared with the reference, reduced when they disagree.

`python -m tests.fuzz --count 10000 --seed 0`. Not here: the few hundred programs that every test run makes
(`tests/differential/test_random.py`), nor programs that once failed (`tests/differential/test_regressions.py`).
"""
