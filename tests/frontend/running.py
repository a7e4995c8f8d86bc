"""Runs traced programs through the reference interpreter.

And compares them with plain NumPy in every respect. What is compared: value, dtype, shape, kind, sharing of
memory, and the arguments after the call.
"""

import copy

import numpy as np

from weft.compiler.frontend.arguments import ArraySpec, IntSpec, children, is_node, map_tree, rebuild, spec_of
from weft.compiler.frontend.capture import TraceOptions
from weft.compiler.frontend.entry import Traced, trace
from weft.compiler.frontend.result import (
    Picked,
    ResultConstant,
    ResultObject,
    ResultSize,
    ResultTree,
    ResultValue,
    ResultView,
)
from weft.compiler.frontend.rewrite import resolve_callable
from weft.compiler.frontend.source import Argument
from weft.compiler.frontend.storage import Broadcast, Diagonal, Reshape, Slice, Transpose
from weft.ir.dims import evaluate_dim, symbol
from weft.ir.interp import interpret
from weft.ir.parse import parse
from weft.ir.text import equal, show
from weft.ir.types import IndexType
from weft.ir.verify import verify


def symbolic(specs):
    """Every size from 2 up becomes a symbol, equal sizes the same one; ints too, apart from sizes."""

    def leaf(spec):
        if isinstance(spec, ArraySpec):
            shape = tuple(symbol(f"s{d}", 2) if d > 1 else d for d in spec.shape)
            return ArraySpec(spec.dtype, shape, spec.layout, spec.writeable, spec.alias)
        if isinstance(spec, IntSpec) and spec.value > 1:
            return IntSpec(symbol(f"i{spec.value}", 0))
        return spec

    return map_tree(leaf, specs)


def leaves(tree):
    if is_node(tree):
        for _, item in children(tree):
            yield from leaves(item)
    else:
        yield tree


def present(specs, args):
    """Values of the symbols in specs."""
    found = {}
    for spec, value in zip(leaves(specs), leaves(args), strict=True):
        if isinstance(spec, ArraySpec):
            found.update(
                {str(d): n for d, n in zip(spec.shape, value.shape, strict=True) if not isinstance(d, int)}
            )
        elif isinstance(spec, IntSpec) and not isinstance(spec.value, int):
            found[str(spec.value)] = value
    return found


def traced(fn, *args, sizes="constant", alias=False, **kwargs):
    """Trace for these arguments."""
    specs, named = spec_of(args), spec_of(kwargs)
    if sizes == "symbolic":
        specs, named = symbolic(specs), symbolic(named)
    if alias:
        numbers = {}
        flat = iter(list(leaves(args)))

        def number(spec):
            value = next(flat)
            if not isinstance(spec, ArraySpec):
                return spec
            return ArraySpec(
                spec.dtype,
                spec.shape,
                spec.layout,
                spec.writeable,
                numbers.setdefault(id(value), len(numbers)),
            )

        specs = map_tree(number, specs)
    arrays = {id(v): Argument(k) for k, v in enumerate(args) if isinstance(v, np.ndarray)} if alias else {}
    options = TraceOptions(present(specs, args) | present(named, kwargs), arrays=arrays)
    program = trace(fn, specs, named, options)
    verify(program.func)
    assert equal(parse(show(program.func)), program.func)
    return program


KINDS = {"array": lambda v: v, "scalar": lambda v: v[()], "float": float, "bool": bool, "int": int}


def given_values(program: Traced, function, args, kwargs):
    """The values of a program's parameters for a call."""
    given = []
    for one, param in zip(program.parameters, program.func.params, strict=True):
        value = one.source.read(function, args, kwargs or {})
        if isinstance(value, np.ndarray) and getattr(one.spec, "layout", "C") == "F":
            value = value.T
        given.append(value if not isinstance(param.type, IndexType) else np.int64(value))
    return given


def known_sizes(program: Traced, given):
    """What the symbols are in a call."""
    known = {}
    for param, value in zip(program.func.params, given, strict=True):
        dims = (param.type.dim,) if isinstance(param.type, IndexType) else param.type.shape
        sizes = (int(value),) if isinstance(param.type, IndexType) else np.shape(value)
        known.update({str(d): n for d, n in zip(dims, sizes, strict=True) if not isinstance(d, int)})
    return known


def execute(program: Traced, fn, args, kwargs=None):
    """Run a traced program on arguments as the runtime will."""
    callee = resolve_callable(fn, args, kwargs)
    function, args, kwargs = callee or (fn, args, kwargs)
    given = given_values(program, function, args, kwargs)
    known = known_sizes(program, given)
    results = interpret(program.func, *given)
    objects = {}

    def build(node):
        match node:
            case ResultValue(number, kind):
                return objects.setdefault(number, KINDS[kind](results[number]))
            case ResultSize(dim):
                return evaluate_dim(dim, known)
            case ResultObject(source):
                return source.read(function, args, kwargs or {})
            case ResultConstant(value):
                return value
            case ResultTree(like, items):
                return rebuild(like, [build(item) for item in items])
            case ResultView(parameter, number, lenses, _, sizes):
                base = given[parameter] if number is None else objects.setdefault(number, results[number])
                computed = {name: int(results[at]) for name, at in sizes}
                return apply_lenses(base, lenses, {**known, **computed}, results)

    result = build(program.result)
    for effect in program.effects:
        perform(effect, function, args, kwargs or {}, build)
    return result


def python_slice(start, size, step):
    stop = start + size * step
    return slice(start, None if stop < 0 else stop, step) if size else slice(0, 0)


def apply_lenses(base, lenses, known, results):
    def numbers(dims):
        return tuple(evaluate_dim(d, known) for d in dims)

    for lens in lenses:
        match lens:
            case Slice(start, size, step):
                base = base[tuple(map(python_slice, *map(numbers, (start, size, step))))]
            case Transpose(axes):
                base = base.transpose(axes)
            case Reshape(target):
                base = base.reshape(numbers(target), copy=False)
            case Picked(axes, places):
                key = [slice(None)] * base.ndim
                for axis, place in zip(axes, places, strict=True):
                    key[axis] = int(results[place])
                base = base[tuple(key)]
            case Diagonal():
                base = base.diagonal(0, -2, -1)
            case Broadcast(target):
                base = np.broadcast_to(base, numbers(target))
    return base


def perform(effect, function, args, kwargs, build):
    target = effect.source.read(function, args, kwargs) if effect.kind not in ("global", "cell") else None
    value = build(effect.value)
    match effect.kind:
        case "setitem":
            target[effect.key] = value
        case "setattr":
            setattr(target, effect.key, value)
        case "append":
            target.append(value)
        case "global":
            function.__globals__[effect.source.name] = value
        case "cell":
            effect.source.cell(function).cell_contents = value


def check(fn, *args, sizes=("constant", "symbolic"), alias=False, tolerance=0.0, **kwargs):
    """Compare the traced program with plain Python, for constant and for symbolic sizes.

    Give the last program.
    """
    program = None
    for one in (sizes,) if isinstance(sizes, str) else sizes:
        plain_args, plain_kwargs = copy.deepcopy((args, kwargs))
        our_args, our_kwargs = copy.deepcopy((args, kwargs))
        with np.errstate(all="ignore"):
            expected = fn(*plain_args, **plain_kwargs)
        program = traced(fn, *our_args, sizes=one, alias=alias, **our_kwargs)
        found = execute(program, fn, our_args, our_kwargs)
        same(found, expected, tolerance, "result")
        same(our_args, plain_args, tolerance, "arguments")
        same(our_kwargs, plain_kwargs, tolerance, "keywords")
        same_sharing(list(leaves((found, our_args))), list(leaves((expected, plain_args))))
    return program


def same(found, expected, tolerance, where):
    assert type(found) is type(expected), f"{where}: {type(found)} instead of {type(expected)}"
    if is_node(expected):
        pairs = list(zip(children(found), children(expected), strict=True))
        for (key, a), (other, b) in pairs:
            assert key == other
            same(a, b, tolerance, f"{where}[{key}]")
        return
    if isinstance(expected, np.ndarray | np.generic):
        assert found.dtype == expected.dtype, f"{where}: {found.dtype} instead of {expected.dtype}"
        assert found.shape == expected.shape, f"{where}: {found.shape} instead of {expected.shape}"
    if isinstance(expected, np.ndarray | np.generic | float | int | complex):
        if tolerance:
            np.testing.assert_allclose(found, expected, tolerance, tolerance, err_msg=where)
        else:
            np.testing.assert_array_equal(found, expected, err_msg=where)
    else:
        assert found is expected or found == expected, where


def same_sharing(found, expected):
    """The same pairs of arrays are one object, and the same pairs share memory."""
    for k in range(len(expected)):
        for j in range(k):
            if isinstance(expected[k], np.ndarray) and isinstance(expected[j], np.ndarray):
                assert (found[k] is found[j]) == (expected[k] is expected[j]), (
                    f"identity of leaves {j} and {k}"
                )
                shares = np.shares_memory(expected[k], expected[j])
                assert np.shares_memory(found[k], found[j]) == shares, (
                    f"sharing of leaves {j} and {k}: {shares}"
                )
