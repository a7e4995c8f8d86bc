"""Checks that the guard table cannot make or explain: shared memory, sizes that overflow, signatures.

They run when a call is compiled for, or refused; warm calls make the table's checks alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from weft.calls.binding import Call, leaves
from weft.compiler.frontend.arguments import (
    ArraySpec,
    FloatSpec,
    IntSpec,
    ScalarSpec,
    StaticSpec,
    is_node,
    map_paths,
    spec_of,
)
from weft.compiler.frontend.entry import Traced
from weft.compiler.frontend.source import Argument, Source
from weft.ir import AliasError, DTypeError, Fact, Location, ShapeError, UserError
from weft.ir.dims import DimLike, as_symbol, evaluate_dim, symbols_of
from weft.ir.types import TensorType
from weft.ir.walk import walk

_MOST_BYTES = 2**63 - 1


# ---------------------------------------------------------------- shared memory


def shared_arrays(traced: Traced, call: Call) -> list[tuple[Source, np.ndarray, Source]]:
    """Arrays that are the memory of an earlier one, one of the two written: (path, array, path of the first).

    Raises AliasError for arrays that share memory in part.
    """
    arrays = [
        (k, p.source, call.read(p.source))
        for k, p in enumerate(traced.parameters)
        if isinstance(p.spec, ArraySpec)
    ]
    written = {p: traced.func.results[r] for r, p in enumerate(traced.func.into) if p >= 0}
    found: dict[int, tuple[Source, np.ndarray, Source]] = {}
    for position, (number, path, array) in enumerate(arrays):
        for other, first, earlier in arrays[:position]:
            if (
                number in found
                or not {number, other} & written.keys()
                or not np.may_share_memory(array, earlier)
            ):
                continue
            if _is_same_memory(array, earlier):
                found[number] = (path, array, found[other][2] if other in found else first)
            else:
                value = written[number if number in written else other]
                locations = value.op.locations if value.op is not None else ()
                raise _overlap(first, earlier, path, array, path if number in written else first, locations)
    return list(found.values())


def _is_same_memory(a: np.ndarray, b: np.ndarray) -> bool:
    place = a.__array_interface__["data"][0] == b.__array_interface__["data"][0]
    return place and a.dtype == b.dtype and a.shape == b.shape and a.strides == b.strides


def _overlap(
    first: Source,
    a: np.ndarray,
    second: Source,
    b: np.ndarray,
    written: Source,
    locations: Sequence[Location],
) -> AliasError:
    return AliasError(
        f"{first} and {second} overlap in part, and the function writes {written}",
        location=locations[0] if locations else None,
        facts=[Fact(str(first), _about(a)), Fact(str(second), _about(b))],
        fix=f"pass a copy of one of them, as in {second}.copy()",
    )


def _about(array: np.ndarray) -> str:
    low, high = np.lib.array_utils.byte_bounds(array)
    return f"{array.dtype}{list(array.shape)}, bytes {low:#x} to {high:#x}"


# ---------------------------------------------------------------- sizes


def check_sizes(traced: Traced, present: Mapping[str, int]) -> None:
    """Raise ShapeError for a value whose bytes 64 bits cannot count, at the sizes of the present call."""
    for op in walk(traced.func):
        for value in op.results:
            if isinstance(value.type, TensorType):
                shape = _known(value.type.shape, present)
                if shape is not None and _bytes(shape, value.type.dtype.size_bytes) > _MOST_BYTES:
                    raise ShapeError(
                        f"{op.name} makes an array of shape {list(shape)}: its size does not fit in 64 bits",
                        code="E016",
                        location=op.locations[0] if op.locations else None,
                        fix="use smaller sizes",
                    )


def _bytes(shape: Sequence[int], item: int) -> int:
    total = item
    for size in shape:
        total *= size
    return total


def _known(shape: Sequence[DimLike], present: Mapping[str, int]) -> tuple[int, ...] | None:
    if any(s.name not in present for d in shape for s in symbols_of(d)):
        return None
    return tuple(evaluate_dim(d, present) for d in shape)


# ---------------------------------------------------------------- a fixed signature


def check_signature(call: Call, trees: Sequence[tuple[Argument, Any]]) -> Call:
    """The call, with arrays in C order, if its arguments are what the signature says; else raises E004."""
    given = {key: value for key, value in call.items()}
    expected = dict(zip(given, trees, strict=False))
    if len(given) != len(trees):
        raise UserError(
            f"{call.shape.name} takes the {len(trees)} arguments of its signature, got {len(given)}",
            code="E004",
            fix="pass the arguments that the signature names, by position",
        )
    try:
        return _fitted(call, given, expected)
    except UserError as error:
        error.location = call.shape.location
        raise


def _fitted(
    call: Call, given: Mapping[int | str, Any], expected: Mapping[int | str, tuple[Argument, Any]]
) -> Call:
    sizes: dict[str, tuple[int, Source]] = {}
    is_changed = False
    positional: list[Any] = []
    for key, value in given.items():
        path, tree = expected[key]
        _compare(path, tree, value, sizes)
        dense = (
            map_paths(lambda _, leaf: _dense(leaf), path, value)
            if any(_is_sparse(v) for _, v in leaves(path, value))
            else value
        )
        is_changed |= dense is not value
        positional.append(dense)
    return replace(call, positional=tuple(positional), named={}) if is_changed else call


def _is_sparse(leaf: Any) -> bool:
    return isinstance(leaf, np.ndarray) and not leaf.flags.c_contiguous


def _dense(leaf: Any) -> Any:
    return np.ascontiguousarray(leaf) if _is_sparse(leaf) and leaf.ndim else leaf


def _compare(path: Source, expected: Any, value: Any, sizes: dict[str, tuple[int, Source]]) -> None:
    if is_node(expected) or is_node(value):
        wanted, found = leaves(path, expected), leaves(path, value)
        if type(expected) is not type(value) or [str(p) for p, _ in wanted] != [str(p) for p, _ in found]:
            raise _refuse(path, _structure(expected), _structure(value))
        for (place, spec), (_, leaf) in zip(wanted, found, strict=True):
            _compare_leaf(place, spec, leaf, sizes)
        return
    _compare_leaf(path, expected, value, sizes)


def _compare_leaf(path: Source, expected: Any, value: Any, sizes: dict[str, tuple[int, Source]]) -> None:
    if isinstance(expected, StaticSpec):
        if type(value) is not type(expected.value) or not (
            value is expected.value or value == expected.value
        ):
            raise _refuse(path, repr(expected.value), repr(value))
        return
    found = spec_of(value)
    fits = type(found) is type(expected)
    match expected:
        case ArraySpec() if fits:
            if found.dtype != expected.dtype:
                raise _refuse(path, show_spec(expected), show_spec(found), DTypeError)
            if len(found.shape) != len(expected.shape):
                raise _refuse(path, show_spec(expected), show_spec(found))
            for dim, size in zip(expected.shape, found.shape, strict=True):
                _bind(path, dim, size, sizes, show_spec(expected), show_spec(found))
        case IntSpec() if fits:
            _bind(path, expected.value, value, sizes, show_spec(expected), repr(value))
        case ScalarSpec() if fits and found.dtype == expected.dtype:
            pass
        case FloatSpec() if fits and found.type is expected.type:
            pass
        case _:
            raise _refuse(path, show_spec(expected), show_spec(found), DTypeError)


def _bind(
    path: Source, dim: DimLike, size: int, sizes: dict[str, tuple[int, Source]], wanted: str, got: str
) -> None:
    one = as_symbol(dim)
    if isinstance(dim, int):
        if dim != size:
            raise _refuse(path, wanted, got)
    elif one is not None:
        known, origin = sizes.setdefault(one.name, (size, path))
        if known != size or size < one.lower:
            raise _refuse(
                path,
                wanted,
                got,
                more=f"{one.name} is {known} in {origin}"
                if known != size
                else f"{one.name} is at least {one.lower}",
            )
    elif all(s.name in sizes for s in symbols_of(dim)):
        value = evaluate_dim(dim, {name: known for name, (known, _) in sizes.items()})
        if value != size:
            raise _refuse(path, wanted, got, more=f"{dim} is {value}")


def _refuse(
    path: Source, expected: str, got: str, kind: type[UserError] = ShapeError, more: str = ""
) -> UserError:
    facts = [Fact("expected", expected), Fact("got", got)]
    if more:
        facts.append(Fact("because", more))
    return kind(
        f"{path} does not fit the signature",
        code="E004",
        facts=facts,
        fix="pass what the signature says, or leave signature= out to compile for every type and size",
    )


def _structure(value: Any) -> str:
    return (
        show_spec(value)
        if not is_node(value)
        else f"{type(value).__name__} of {len(value) if hasattr(value, '__len__') else 'fields'}"
    )


def show_spec(spec: Any) -> str:
    """A spec in the notation of `weft.spec`."""
    match spec:
        case ArraySpec():
            layout = "" if spec.layout == "C" else f", {'columns first' if spec.layout == 'F' else 'strided'}"
            return f"{TensorType(spec.dtype, spec.shape)}{layout}"
        case IntSpec():
            return "int" if as_symbol(spec.value) is not None else f"int {spec.value}"
        case FloatSpec(kind):
            return kind.__name__
        case ScalarSpec():
            return spec.dtype.name
        case StaticSpec():
            return repr(spec.value)
        case _:
            return type(spec).__name__
