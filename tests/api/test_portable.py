"""Whole programs by the calls that serve interpreters whose object layouts the native entry does not know."""

import subprocess
import sys

SCRIPT = """
import numpy as np
import weft.api
import weft.backends.cpu.entry
weft.api.has_native_entry = weft.backends.cpu.entry.has_native_entry = lambda: False
import weft

x = np.array([3, 1, 4, 1])
calls = [
    (lambda x: np.zeros(x[0]), None),
    (lambda x: np.zeros(x[0] * 2**61), MemoryError),
    (lambda x: np.zeros(x[0] * 10**13), MemoryError),
    (lambda x: x[x[0] + 1], IndexError),
    (lambda x: (np.cumsum(x)[x > 1], {"sum": x.sum(), "view": x[::2]}), None),
    (lambda x: [x * k for k in range(3)], None),
]
for f, error in calls:
    compiled = weft.compile(f)
    try:
        print(repr(compiled(x)) == repr(f(x)) and error is None)
    except Exception as found:
        print(error is not None and isinstance(found, error))
w = weft.Variable(np.ones(3))
optimizer = weft.optim.SGD([w], 0.5)
step = weft.compile(lambda: optimizer.minimize(lambda: (w**2).sum()))
step()
print(w.numpy().tolist() == [0.0] * 3)
print(type(step).__mro__[1].__name__)
"""


def test_programs(tmp_path):
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True"] * 7 + ["PortableEntry"]
