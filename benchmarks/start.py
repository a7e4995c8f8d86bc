"""What a fresh process pays, in milliseconds, and what a warm call costs, in nanoseconds.

    python benchmarks/start.py [--processes N]

Best of N processes, by the wall's clock and by the processor's (a busy machine disturbs the latter less). The
limits are those of the project's first issue.
"""

import argparse
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "system"))

import starting

ROWS = (
    ("import weft, beyond NumPy", "warm", "import", 150),
    ("first softmax, empty cache", "cold", "first", 300),
    ("second, symbolic compile, empty cache", "cold", "second", 300),
    ("first softmax, from the disk cache", "warm", "first", 50),
    ("second, symbolic, from the disk cache", "warm", "second", 50),
)


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=5)
    count = parser.parse_args().processes
    starting.starts(1)  # bytecode is written
    reports = starting.starts(count)
    print(f"{'':40}{'wall ms':>10}{'cpu ms':>10}{'limit':>8}")
    for title, kind, name, limit in ROWS:
        wall, cpu = (1e3 * starting.best(reports[kind], name, clock) for clock in (0, 1))
        print(f"{title:40}{wall:10.1f}{cpu:10.1f}{limit:8}")
    with tempfile.TemporaryDirectory() as folder:
        for title, seconds in starting.run(starting.CALLS, folder).items():
            print(f"{title:40}{1e9 * seconds:10.0f} ns")


if __name__ == "__main__":
    main()
