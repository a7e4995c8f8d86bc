"""From a Python function and specs to the facts of an exported function, with its LLVM text.

Not here: the C side (`wrapper.py`, `header.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal, cast

import numpy as np

from weft import config
from weft.api import compile as make_compiled
from weft.backends.cpu.emit import emit_program
from weft.calls.binding import key_of, leaves
from weft.calls.function import Core, Work, program_of
from weft.calls.generate import interface_of, optimize
from weft.calls.guards import Facts, Sizes, sizes_of
from weft.compiler.frontend import result
from weft.compiler.frontend.arguments import (
    ArraySpec,
    FloatSpec,
    IntSpec,
    ScalarSpec,
    StaticSpec,
    children,
    is_node,
    step,
)
from weft.compiler.frontend.capture import Parameter
from weft.compiler.frontend.entry import Traced
from weft.compiler.frontend.number import IR_TYPES
from weft.compiler.frontend.source import Argument as ArgumentPath
from weft.compiler.frontend.source import Attribute, Item, Source
from weft.exporting import quantize
from weft.exporting.names import c_name
from weft.exporting.records import C_TYPES, FIRST_SITE, Argument, Function, Output, Place, Size, Stored
from weft.exporting.sizes import Compiled, with_other_sizes
from weft.ir import BufferType, Func, Options, UnsupportedError, UserError
from weft.ir.dims import DimLike, as_symbol, substitute, symbol, symbols_of
from weft.ir.target import Target
from weft.ir.types import F32, I8, I64, DType
from weft.runtime.checkpoint import unique_leaves
from weft.runtime.interface import Guard
from weft.runtime.variables import MEMORY, Variable

_type: Callable[[Any], Any] = type  # typed so: of a value of any type

_LEAST = -(1 << 63)


class Collection:
    """The variables and constants of a library, each once.

    With a `request` products and convolutions are quantized; `layers` says what that costs.
    """

    def __init__(self, request: quantize.Request | None = None) -> None:
        self.request = request
        self.layers: list[quantize.Layer] = []
        self.variables: dict[int, tuple[list[str], Stored]] = {}
        self.constants: list[Stored] = []
        self.roots: dict[str, Any] = {}

    def place(self, parameter: Parameter, core: Core, values: Sequence[Any]) -> Place:
        """Keep what a hidden parameter is; gives where."""
        value: Any = parameter.source.read(core.shape.function, tuple(values), core.shape.bound_named)
        spec = parameter.spec
        if isinstance(spec, ArraySpec) and spec.layout == "strided":
            raise UnsupportedError(
                f"{parameter.source} is not dense, and cannot be stored in a library",
                fix="keep a copy of it, as in np.ascontiguousarray(x)",
            )
        held: Any = getattr(value, MEMORY) if isinstance(value, Variable) else value
        array = np.asarray(held.T if isinstance(spec, ArraySpec) and spec.layout == "F" else held)
        dtype = _dtype_of(spec)
        assert dtype.numpy is not None
        content = np.ascontiguousarray(array, dtype.numpy).tobytes()
        source = parameter.source
        if isinstance(source, Attribute) and source.name == MEMORY:
            names = _names(source.base)
            if id(held) not in self.variables:
                root = _root(source)
                self.roots[names[0]] = root.read(core.shape.function, tuple(values), core.shape.bound_named)
                self.variables[id(held)] = (names, Stored(".".join(names), dtype, array.shape, content))
            return Place("variable", list(self.variables).index(id(held)))
        return self._constant(Stored(str(source), dtype, array.shape, content))

    def keep(self, one: quantize.Stored) -> Place:
        """Keep what quantization made; gives where."""
        dtype = I8 if one.content.dtype == np.int8 else F32
        return self._constant(Stored(one.name, dtype, one.content.shape, one.content.tobytes()))

    def _constant(self, one: Stored) -> Place:
        if one not in self.constants:
            self.constants.append(one)
        return Place("constant", self.constants.index(one))

    def named_variables(self) -> tuple[Stored, ...]:
        """The variables under the names that `weft.save` gives those of the object that holds them all.

        Where no single object does, names begin with the names of the objects.
        """
        paths = {key: names for key, (names, _) in self.variables.items()}
        (root, *others) = {names[0]: None for names in paths.values()}
        if not others and all(len(names) > 1 for names in paths.values()):
            known = {
                id(getattr(leaf, MEMORY)): name
                for name, leaf in unique_leaves(self.roots[root]).items()
                if isinstance(leaf, Variable)
            }
            paths = {key: [known.get(key, ".".join(names[1:]))] for key, names in paths.items()}
        found = tuple(replace(one, name=".".join(paths[key])) for key, (_, one) in self.variables.items())
        taken = [one.name for one in found]
        twice = next((name for name in taken if taken.count(name) > 1), None)
        if twice is not None:
            raise UserError(f"two variables are called {twice}", fix="give them different names")
        return found


def _names(source: Source) -> list[str]:
    """The words of a path."""
    if isinstance(source, Attribute):
        return [*_names(source.base), source.name]
    if isinstance(source, Item):
        return [*_names(source.base), str(source.key)]
    return [str(source)]


def _dtype_of(spec: Any) -> DType:
    if isinstance(spec, IntSpec):
        return I64
    dtype: DType = IR_TYPES[spec.type] if isinstance(spec, FloatSpec) else spec.dtype
    if dtype.name not in C_TYPES:
        raise UnsupportedError(f"{dtype} cannot be passed to an exported function", code="E051")
    return dtype


def function_of(
    fn: Any,
    specs: Any,
    label: str,
    symbol: str,
    target: Target,
    collection: Collection,
    first_site: int = FIRST_SITE,
    *,
    has_threads: bool = False,
) -> Function:
    """Trace and compile `fn` for `specs`; `collection` gets its variables and constants."""
    kind: Any = _type(fn)
    core: Core = (fn if hasattr(kind, "is_weft_function") else make_compiled(fn))._weft
    args, kwargs = _specs(core, specs)
    work = core.spec_work(args, kwargs)

    def serve(copies: Literal["views", "all"]) -> Function | None:
        def make(values: Mapping[str, int], number: int, site: int) -> Compiled:
            chosen = replace(work, present=dict(values), copies=copies)
            own = f"{symbol}.{number}" if number else symbol
            trace = core.trace(chosen)
            _check(core, trace[0], may_pin=number > 0)
            return _compiled(
                core, chosen, trace, label, own, target, collection, site, has_threads=has_threads
            )

        first = make(work.present, 0, first_site)
        if collection.request is not None:
            return first.function
        return with_other_sizes(first, work.present, make, may_differ=copies == "all")

    found = serve("views") or serve("all")
    assert found is not None
    return found


def _compiled(
    core: Core,
    work: Work,
    trace: tuple[Traced, Facts],
    label: str,
    symbol: str,
    target: Target,
    collection: Collection,
    first_site: int,
    *,
    has_threads: bool,
) -> Compiled:
    """The function with one program, for the sizes that it was traced with and what is like them."""
    traced, facts = trace
    sizes = _all_named(work, traced, _plain_sizes(traced, sizes_of(traced, facts.ints)))
    options = Options(core.code_options(config.current()), config.current().run)
    bound = (*core.shape.bound,)
    fn, stored = program_of(traced, sizes), dict[int, quantize.Stored]()
    if collection.request is not None:
        fn, stored = _quantized(fn, core, traced, collection, label)
    lowered = optimize(fn, options, target)
    interface = replace(interface_of(lowered, sizes.guards, ()), name=f"{symbol}_program")
    text = emit_program(lowered, interface, target, options.code, is_hosted=False, has_threads=has_threads)
    taken: set[str] = set()
    arguments, numbers = _arguments(core, work, traced, facts.ints, interface.numbers, taken)
    ints = {argument.symbol for argument in arguments}
    lowers = {s.name: s.lower for s in traced.func.symbols.values()}
    found = tuple(Size(c_name(n, taken), n, lowers.get(n, 1)) for n in interface.numbers if n not in ints)
    outputs = _outputs(lowered, traced, taken)
    places = tuple(
        Place("output", p.number)
        if p.role == "result"
        else collection.keep(stored[p.number])
        if p.number in stored
        else collection.place(traced.parameters[p.number], core, bound)
        if p.number not in numbers
        else Place("argument", numbers[p.number])
        for p in interface.pointers
    )
    tree = _tree(traced.result, work)
    parameters = [[p.key, p.name, _parameter(p, t, arguments)] for p, t in work.trees]
    function = Function(
        label, symbol, arguments, found, outputs, places, interface, text, tree, parameters, first_site
    )
    return Compiled(function, sizes.guards, lowers)


def _quantized(
    fn: Func, core: Core, traced: Traced, collection: Collection, label: str
) -> tuple[Func, dict[int, quantize.Stored]]:
    """The program with weights of int8, and what its parameters then hold."""
    assert collection.request is not None
    written = [p for p in fn.into if p >= 0 and _is_variable(traced.parameters[p])]
    if written:
        raise UserError(
            f"{label} changes the variable {_name_of(traced.parameters[written[0]])}: only functions that "
            "read their variables can be quantized",
            fix="export the step that trains to a library of its own, without quantize=",
        )
    bound = (*core.shape.bound,)
    arrays = [_content(p, core, bound) if _is_variable(p) else None for p in traced.parameters]
    calls: list[list[Any]] = []
    given = collection.request.calibration
    for call in given.get(label, ()) if isinstance(given, Mapping) else given:
        own = cast("Sequence[Any]", call) if isinstance(call, tuple | list) else (call,)
        values: tuple[Any, ...] = (*bound, *own)
        calls.append([_content(p, core, values) for p in traced.parameters])
    names = [_name_of(p) for p in traced.parameters]
    made, stored, layers = quantize.Quantizer(collection.request, fn, arrays, names, label).apply(calls)
    collection.layers += layers
    return made, stored


def _is_variable(parameter: Parameter) -> bool:
    return isinstance(parameter.source, Attribute) and parameter.source.name == MEMORY


def _name_of(parameter: Parameter) -> str:
    source = parameter.source
    return (
        ".".join(_names(source.base))
        if isinstance(source, Attribute) and _is_variable(parameter)
        else str(source)
    )


def _content(parameter: Parameter, core: Core, values: Sequence[Any]) -> Any:
    """What a parameter of the program is for these arguments of the function."""
    value: Any = parameter.source.read(core.shape.function, tuple(values), core.shape.bound_named)
    array = np.asarray(getattr(value, MEMORY) if isinstance(value, Variable) else value)
    spec = parameter.spec
    numpy = _dtype_of(spec).numpy
    return np.ascontiguousarray(
        array.T if isinstance(spec, ArraySpec) and spec.layout == "F" else array, numpy
    )


def _specs(core: Core, specs: Any) -> tuple[Sequence[Any], Mapping[str, Any]]:
    """Positional specs and keywords."""
    if specs is None and core.settings.signature is not None:
        return core.settings.signature, {}
    if specs is None:
        signature = core.shape.signature
        if signature is None or signature.parameters:
            raise UserError(
                f"the types of the arguments of {core.name} are not known",
                fix='give specs, as in weft.export(f, ["f32[n,784]"], path)',
            )
        return (), {}
    if isinstance(specs, Mapping):
        named = cast("Mapping[str, Any]", specs)
        _check_shapes(named.values())
        return (), named
    given = tuple(cast("Sequence[Any]", specs)) if isinstance(specs, list | tuple) else (specs,)
    _check_shapes(given)
    return given, {}


def _check_shapes(specs: Iterable[Any]) -> None:
    if any(one is np.ndarray for one in specs):
        raise UserError(
            "the spec np.ndarray has no shape", code="E003", fix='write dtype[sizes], as in "f32[n,784]"'
        )


def _check(core: Core, traced: Traced, *, may_pin: bool) -> None:
    """Raise UnsupportedError or UserError for what a library cannot do. One of several may pin sizes."""
    for guard in () if may_pin else traced.pins:
        raise UserError(
            f"{core.name} needs the number of {guard.left}, which is given as a name: {guard.reason}",
            location=guard.location,
            fix="give the number in the spec, or as the value of a static argument",
        )
    if traced.callbacks:
        raise UnsupportedError(
            f"{core.name} calls Python while it runs, which a library cannot do",
            location=traced.callbacks[0].location,
            fix="leave out prints, texts of traced values, weft.callback, and arrays whose size has no bound",
        )
    if traced.effects:
        kinds = ", ".join(sorted({f"{e.kind} of {e.source}" for e in traced.effects}))
        raise UnsupportedError(
            f"{core.name} changes Python objects ({kinds}), which a library has not",
            fix="return the new value, or keep it in a weft.Variable",
        )


def _all_named(work: Work, traced: Traced, sizes: Sizes) -> Sizes:
    """With all numbers that C passes, in the order of the specs: one may be known, as in `if n == 4`."""
    known = {n: substitute(symbol(n), traced.replaced) for n in work.present if n not in sizes.names}
    found = [Guard(symbol(n), "==", v) for n, v in known.items() if as_symbol(v) is None]
    found += [Guard(g.left, g.relation, g.right) for g in traced.pins]
    names = dict.fromkeys((*work.present, *sizes.names))
    return replace(sizes, names=tuple(names), guards=tuple(dict.fromkeys((*sizes.guards, *found))))


def _plain_sizes(traced: Traced, sizes: Sizes) -> Sizes:
    """Without the symbols that stand for the axes of arrays: C callers give the sizes themselves."""
    known = traced.func.symbols
    extra = {n for n in sizes.names if re.fullmatch(r"d\d+_\d+", n) and n not in known}
    guards = tuple(
        g for g in sizes.guards if not extra & {s.name for d in (g.left, g.right) for s in symbols_of(d)}
    )
    return replace(sizes, names=tuple(n for n in sizes.names if n not in extra), guards=guards)


def _arguments(
    core: Core,
    work: Work,
    traced: Traced,
    ints: Sequence[tuple[Source, DimLike]],
    numbers: Sequence[str],
    taken: set[str],
) -> tuple[tuple[Argument, ...], dict[int, int]]:
    """The arguments of the C function, and which of them each parameter of the program is."""
    positions = {key_of(p.source): k for k, p in enumerate(traced.parameters)}
    written = {p for p in traced.func.into if p >= 0}
    symbols = {key_of(path): as_symbol(dim) for path, dim in ints}
    found: list[Argument] = []
    where: dict[int, int] = {}
    for root, tree in work.trees:
        for path, spec in leaves(root, tree):
            if isinstance(spec, StaticSpec) or (isinstance(spec, IntSpec) and isinstance(spec.value, int)):
                continue
            text = str(path)
            name = c_name(text, taken)
            position = positions.get(key_of(path))
            if isinstance(spec, IntSpec):
                symbol = symbols[key_of(path)]
                assert symbol is not None
                if symbol.name not in numbers:
                    raise UserError(
                        f"{core.name} needs the value of {text} while it is compiled",
                        fix="give it as a value",
                    )
                lower = (
                    traced.func.symbols[symbol.name].lower if symbol.name in traced.func.symbols else _LEAST
                )
                found.append(
                    Argument(
                        name,
                        text,
                        "integer",
                        I64,
                        symbol=symbol.name,
                        lower=lower if lower > _LEAST else None,
                    )
                )
                continue
            if position is not None:
                where[position] = len(found)
            shape = spec.shape if isinstance(spec, ArraySpec) else ()
            if position is not None and isinstance(spec, ArraySpec):
                shape = getattr(traced.func.params[position].type, "shape", shape)
            assert isinstance(spec, ArraySpec | ScalarSpec | FloatSpec)
            dtype = _dtype_of(spec)  # C has no numbers of some types: those come by pointer
            by_pointer = isinstance(spec, ArraySpec) or dtype.is_complex or dtype.name == "f16"
            kind = "array" if by_pointer else "value"
            found.append(Argument(name, text, kind, dtype, tuple(shape), position in written))
    return tuple(found), where


def _outputs(lowered: Func, traced: Traced, taken: set[str]) -> tuple[Output, ...]:
    """The results that are new memory, by number."""
    paths = dict(_output_paths(traced.result, "out"))
    found: dict[int, Output] = {}
    for param in lowered.params:
        ty = param.type
        if isinstance(ty, BufferType) and not param.name.startswith("a"):
            number = int(param.name[1:])
            found[number] = Output(c_name(paths.get(number, f"out_{number}"), taken), ty.dtype, ty.shape)
            _dtype_of(ty)
    return tuple(found[k] for k in sorted(found))


def _output_paths(node: Any, path: str) -> list[tuple[int, str]]:
    if isinstance(node, result.ResultValue):
        return [(node.number, path)]
    if isinstance(node, result.ResultView) and node.number is not None:
        counts = [n for n in _counts(node) if n >= 0]
        return [(node.number, path), *((n, f"{path}_count") for n in counts)]
    if isinstance(node, result.ResultChoice):
        return [(node.number, f"{path}_is_given"), *_output_paths(node.then, path)]
    if isinstance(node, result.ResultItems):
        return [*_output_paths(node.count, f"{path}_count"), *_output_paths(node.parts[0], path)]
    if isinstance(node, result.ResultShared):
        return _output_paths(node.node, path)
    if isinstance(node, result.ResultTree):
        keys = [key for key, _ in children(node.like)]
        pairs = zip(keys, node.items, strict=True)
        return [found for key, item in pairs for found in _output_paths(item, f"{path}_{key}")]
    return []


def _counts(node: result.ResultView) -> tuple[int, ...]:
    """The results that say how much of each axis is given; -1: all."""
    lens = node.lenses[0] if len(node.lenses) == 1 else None
    return lens.numbers if isinstance(lens, result.Trimmed) else ()


# ---------------------------------------------------------------- trees, for load_library


def _tree(node: Any, work: Work) -> Any:
    """A result as JSON."""
    match node:
        case result.ResultValue():
            return {"output": node.number, "kind": node.kind}
        case result.ResultSize():
            return {"size": str(node.dim)}
        case result.ResultObject() if isinstance(_root(node.source), ArgumentPath):
            return {"argument": str(node.source)}
        case result.ResultConstant() if node.value is None or type(node.value) in (bool, int, float, str):
            return {"constant": node.value}
        case result.ResultTree():
            keys = [key for key, _ in children(node.like)]
            items = [_tree(item, work) for item in node.items]
            kind = type(node.like).__name__ if type(node.like) in (list, tuple, dict) else "record"
            return {kind: items, "keys": [str(key) for key in keys]}
        case result.ResultView() if node.number is not None and _counts(node):
            return {"output": node.number, "kind": "array", "counts": _counts(node)}
        case result.ResultChoice():
            both = [_tree(node.then, work), _tree(node.otherwise, work)]
            return {"choice": both, "flag": node.number}
        case result.ResultItems() if node.form in ("float", "int", "bool", "scalar", "array"):
            return {"items": _tree(node.parts[0], work), "count": _tree(node.count, work), "form": node.form}
        case result.ResultShared():
            return _tree(node.node, work)
        case _:
            raise UnsupportedError(
                f"an exported function cannot return {_describe(node)}",
                fix="return new arrays and numbers, as in W.copy()",
            )


def _describe(node: Any) -> str:
    if isinstance(node, result.ResultMade):
        what = "a text, a set, a dict by computed keys, or an array of a size without a bound"
        return f"{what}, that follows from arguments"
    if isinstance(node, result.ResultItems):
        return "a list of containers whose length follows from arguments"
    return "a variable or global object" if isinstance(node, result.ResultObject) else "this constant"


def _root(source: Any) -> Any:
    while isinstance(source, Attribute | Item):
        source = source.base
    return source


def _parameter(path: Source, tree: Any, arguments: Sequence[Argument]) -> Any:
    """An argument as JSON: the numbers of its leaves among the C function's."""
    numbers = {argument.path: k for k, argument in enumerate(arguments)}

    def visit(path: Source, tree: Any) -> Any:
        if not is_node(tree):
            return (
                {"leaf": numbers[str(path)]}
                if str(path) in numbers
                else {"static": repr(getattr(tree, "value", ""))}
            )
        keys = [key for key, _ in children(tree)]
        items = [visit(step(path, tree, key), item) for key, item in children(tree)]
        kind = type(tree).__name__ if type(tree) in (list, tuple, dict) else "record"
        return {kind: items, "keys": [str(key) for key in keys]}

    return visit(path, tree)
