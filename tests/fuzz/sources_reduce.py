"""Makes a failing NumPy function smaller: statements, results and calls are dropped while it fails the same way.

Not here: what it means to fail (`calls.py`).
"""

from dataclasses import replace

from tests.fuzz.calls import check_source
from tests.fuzz.reduce import kind_of


def reduce_source(source, steps=80):
    """The smallest function found."""
    wanted = _failure(source)
    progress = wanted is not None
    while progress and steps > 0:
        progress = False
        for smaller in _smaller(source):
            steps -= 1
            if steps <= 0:
                break
            if _failure(smaller) == wanted:
                source, progress = smaller, True
                break
    return source


def _failure(source):
    try:
        check_source(source)
    except Exception as error:  # any failure counts
        return kind_of(error)
    return None


def _smaller(source):
    if len(source.sizes) > 1:
        yield replace(source, sizes=source.sizes[:1])
        yield replace(source, sizes=source.sizes[:-1])
    lines = source.text.split("\n")
    first = next(k for k, line in enumerate(lines) if line.startswith("def f(")) + 1
    last = next(k for k, line in enumerate(lines) if k > first and line.startswith("    return"))
    results = lines[last].removeprefix("    return ").split(", ")
    for k in range(len(results)):
        if len(results) > 2 or (len(results) == 2 and results[1] == ""):
            kept = [r for n, r in enumerate(results) if n != k]
            yield replace(
                source, text="\n".join([*lines[:last], "    return " + ", ".join(kept), *lines[last + 1 :]])
            )
    for k in range(first, last):
        end = _end(lines, k)
        if end > k + 1:
            inside = [line.removeprefix("    ") for line in lines[k + 1 : end]]
            for kept in ([], inside):
                yield replace(source, text="\n".join(lines[:k] + kept + lines[end:]))
    for k in reversed(range(first, last)):
        yield replace(source, text="\n".join(lines[:k] + lines[k + 1 :]))
    if source.aliased:
        yield replace(source, aliased=[])
    for k, (name, dtype, shape, layout) in enumerate(source.signature):
        if layout not in ("C", ""):
            changed = [*source.signature[:k], (name, dtype, shape, "C"), *source.signature[k + 1 :]]
            yield replace(source, signature=changed)


def _end(lines, k):
    """Where the block ends whose first line is `k`."""
    depth = len(lines[k]) - len(lines[k].lstrip())
    return next(n for n in range(k + 1, len(lines)) if len(lines[n]) - len(lines[n].lstrip()) <= depth)
