"""Lets the tests of this folder import their helpers, and the programs of the CUDA tests."""

import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "cuda")]
