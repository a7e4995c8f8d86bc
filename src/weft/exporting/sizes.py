"""Other code for other sizes: a function whose program serves some sizes alone is compiled again for others.

A branch on a size is taken while a program is traced, with example sizes, and leaves a relation that
`prepare` checks. In Python a call that does not fit compiles a further variant; a library must hold them when
it is written. So examples that no program covers are looked for, and traced. Not here: how one program is
made (`program.py`), the function of C that tries them in order (`wrapper.py`).
"""

from __future__ import annotations

import itertools
import json
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from weft.exporting.records import Function
from weft.ir.dataclass import dataclass
from weft.ir.dims import DimLike, as_symbol, evaluate_dim, show_dim, substitute
from weft.runtime.interface import Guard

_MOST = 3
"""Programs of a function."""
_ATTEMPTS = 4
"""Traces: some sizes are errors, and each costs time."""
_COMBINATIONS = 400
_VALUES = (1009, 1008, 64, 7, 100, 17, 4, 5, 4096, 1013, 333)
_INTS = (1, 0, 2, 3, -1)
_LEAST = -(1 << 63)
_SMALLEST = 3
"""Sizes below are not given code of their own: slices that leave nothing set such limits."""
_RELATIONS: Mapping[str, Callable[[int, int], bool]] = {
    "==": int.__eq__, "!=": int.__ne__, "<": int.__lt__, "<=": int.__le__, ">": int.__gt__, ">=": int.__ge__,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Compiled:
    """A function with one program, and what it takes: relations, and the least of each symbol."""

    function: Function
    guards: tuple[Guard, ...]
    lowers: Mapping[str, int]

    @property
    def limits(self) -> dict[str, int]:
        """The least values of numbers, but of sizes those that slices ask for."""
        ints = {a.symbol for a in self.function.arguments if a.kind == "integer"}
        return {n: v for n, v in self.lowers.items() if v > (_LEAST if n in ints else _SMALLEST)}

    def covers(self, values: Mapping[str, int]) -> bool:
        """Whether it serves these sizes. Relations among symbols that are not named here count as held."""
        if any(name in values and values[name] < lower for name, lower in self.limits.items()):
            return False
        for guard in self.guards:
            try:
                left, right = evaluate_dim(guard.left, values), evaluate_dim(guard.right, values)
            except (KeyError, ArithmeticError):
                continue
            if not _RELATIONS[guard.relation](left, right):
                return False
        return True


def with_other_sizes(
    first: Compiled,
    examples: Mapping[str, int],
    make: Callable[[Mapping[str, int], int, int], Compiled],
    *,
    may_differ: bool,
) -> Function | None:
    """The function with code for sizes that `first` does not serve; `make` takes sizes, a number, a site.

    None where a result is an argument for some sizes alone, as after buffers are swapped, unless that may be.
    """
    found, seen = [first], [first]
    site = first.function.first_site + len(first.function.interface.sites)
    candidates = _candidates(first, examples) if first.guards or first.limits else iter(())
    uncovered = (values for values in candidates if not any(one.covers(values) for one in seen))
    for values in itertools.islice(uncovered, _ATTEMPTS):
        try:
            other = make(values, len(found), site)
        except Exception:
            continue  # what the function raises for these sizes, which do not fit each other
        seen.append(other)
        if _signature(first.function, other.guards) == _signature(other.function, ()):
            found.append(other)
            site += len(other.function.interface.sites)
        elif not may_differ and _arguments(first.function.tree) != _arguments(other.function.tree):
            return None
        if len(found) == _MOST:
            break
    return first.function if len(found) == 1 else _together([one.function for one in found])


def _arguments(tree: object) -> int:
    """How many results are arguments."""
    return json.dumps(tree).count('"argument": ')


def _candidates(first: Compiled, examples: Mapping[str, int]) -> Iterator[dict[str, int]]:
    """Sizes to look at: those that relations speak of and their neighbours, and some usual ones."""
    text = " ".join(show_dim(side) for guard in first.guards for side in (guard.left, guard.right))
    named = {int(digits) for digits in re.findall(r"(?<![\w.])\d{1,9}(?!\w)", text)}
    near = {n + k for n in (*named, *first.limits.values()) for k in (-1, 0, 1)}
    ints = {a.symbol for a in first.function.arguments if a.kind == "integer"}
    choices = [
        [examples[name], *(v for v in (*sorted(near), *_VALUES, *(_INTS if name in ints else ()))
                           if name in ints or v > _SMALLEST)]
        for name in examples
    ]  # fmt: skip
    count = 1
    for values in choices:
        count *= len(values)
    if count <= _COMBINATIONS:
        for chosen in itertools.product(*choices):
            yield dict(zip(examples, chosen, strict=True))
        return
    pick = random.Random(0)
    for _ in range(_COMBINATIONS):
        yield {name: pick.choice(values) for name, values in zip(examples, choices, strict=True)}


def _signature(function: Function, guards: Sequence[Guard]) -> object:
    """What the programs of a function must have in common, where these relations hold."""
    known = {
        one.name: guard.right
        for guard in guards
        if guard.relation == "=="
        and isinstance(guard.right, int)
        and (one := as_symbol(guard.left)) is not None
    }

    def shape(dims: Sequence[DimLike]) -> tuple[DimLike, ...]:
        return tuple(substitute(dim, known) for dim in dims)

    arguments = [replace(a, is_written=False, lower=None, shape=shape(a.shape)) for a in function.arguments]
    outputs = [replace(o, shape=shape(o.shape)) for o in function.outputs]
    sizes = [(size.name, size.symbol) for size in function.sizes]
    return arguments, sizes, outputs, function.tree, function.parameters


def _together(functions: Sequence[Function]) -> Function:
    """One function of C that tries these in order."""
    first = functions[0]
    arguments = tuple(
        replace(
            same[0],
            is_written=any(a.is_written for a in same),
            lower=min((a.lower for a in same if a.lower is not None), default=None),
        )
        for same in zip(*(f.arguments for f in functions), strict=True)
    )
    sizes = tuple(
        replace(same[0], lower=min(s.lower for s in same))
        for same in zip(*(f.sizes for f in functions), strict=True)
    )
    variants = tuple(replace(f, symbol=f"{first.symbol}.{k}") for k, f in enumerate(functions))
    return replace(first, arguments=arguments, sizes=sizes, variants=variants)
