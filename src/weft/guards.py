"""From a traced function to the guard table that the call entry interprets: loads, checks, outputs, result tree.

Not here: tracing, and the meaning of tables (`weft.runtime.signature`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from weft.compiler.frontend import capture, result, source
from weft.compiler.frontend.arguments import ArraySpec, FloatSpec, IntSpec, ScalarSpec, rebuild
from weft.compiler.frontend.entry import Traced
from weft.compiler.frontend.replay import replay, view_of
from weft.ir.dims import DimLike, as_symbol, symbol
from weft.ir.types import IndexType, TensorType
from weft.native import Built
from weft.runtime import signature as sig
from weft.runtime.interface import Guard

_LIBRARIES = ("numpy", "scipy", "math", "cmath")


@dataclass(frozen=True, slots=True)
class Sizes:
    """How sizes are bound: for each parameter the symbol of each axis, and the relations that must hold besides."""

    axes: tuple[tuple[DimLike, ...], ...]
    guards: tuple[Guard, ...]
    names: tuple[str, ...]
    results: tuple[DimLike, ...]


def sizes_of(traced: Traced) -> Sizes:
    """Bind every symbol by a plain size or int; an axis that is an expression of others becomes a symbol and a relation."""
    func = traced.func
    names = dict.fromkeys(func.symbols)
    guards: list[Guard] = []
    axes: list[tuple[DimLike, ...]] = []
    for number, param in enumerate(func.params):
        dims = param.type.shape if isinstance(param.type, TensorType) else ()
        dims = (param.type.dim,) if isinstance(param.type, IndexType) else dims
        bound: list[DimLike] = []
        for axis, dim in enumerate(dims):
            if isinstance(dim, int) or as_symbol(dim) is not None:
                bound.append(dim)
                continue
            name = f"d{number}_{axis}"
            names[name] = None
            guards.append(Guard(symbol(name), "==", dim))
            bound.append(symbol(name))
        axes.append(tuple(bound))
    for guard in traced.sizes:
        if not guard.is_pin and _is_bound(guard, names):
            guards.append(Guard(guard.left, guard.relation, guard.right))
    for one in func.symbols.values():
        if one.upper is not None:
            guards.append(Guard(symbol(one.name), "<=", one.upper))
    wanted = tuple(dict.fromkeys(_sizes_in(traced.result)))
    return Sizes(tuple(axes), tuple(guards), tuple(names), wanted)


def _is_bound(guard: Any, names: dict[str, None]) -> bool:
    from weft.ir.dims import symbols_of  # noqa: PLC0415

    return all(s.name in names for side in (guard.left, guard.right) for s in symbols_of(side))


def _sizes_in(node: result.ResultNode) -> list[DimLike]:
    if isinstance(node, result.ResultSize):
        return [node.dim]
    if isinstance(node, result.ResultTree):
        return [d for item in node.items for d in _sizes_in(item)]
    return []


class TableMaker:
    """Writes one table."""

    def __init__(self, function: FunctionType | None, traced: Traced, sizes: Sizes, built: Built, given: int, keywords: Sequence[str]) -> None:
        self.function = function
        self.traced, self.sizes, self.built = traced, sizes, built
        self.given, self.keywords = given, tuple(keywords)
        self.steps: list[sig.Step] = []
        self.registers: dict[str, int] = {}
        self.count = 0
        self.slots = {name: k for k, name in enumerate(built.names)}

    def table(self) -> sig.Table:
        """The table."""
        for k in range(self.given):
            self.register(source.Argument(k, self._name(k)))
        for key in self.keywords:
            self.register(source.Argument(key, key))
        for guard in self.traced.guards:
            self._object_guard(guard)
        arrays = self._parameters()
        self._aliases(arrays)
        outputs = self._outputs(len(arrays))
        pointers = len(arrays) + len(outputs)
        tree = self._tree(self.traced.result)
        finish = None if tree is not None and not self.traced.effects else self._finish()
        return sig.Table(
            tuple(self.steps), tuple(outputs), None if finish else tree, self.count, pointers, self.built.slots,
            (0, self.given), finish,
        )  # fmt: skip

    def _name(self, k: int) -> str:
        for parameter in self.traced.parameters:
            root = _root(parameter.source)
            if isinstance(root, source.Argument) and root.key == k:
                return root.name
        if self.function is not None:
            return self.function.__code__.co_varnames[k] if k < self.function.__code__.co_argcount else ""
        return ""

    # ---------------------------------------------------------------- loads

    def register(self, path: source.Source) -> int:
        """The register that holds the value at a path, loaded once."""
        key = repr(path)
        if key not in self.registers:
            self._load(path, key)
        return self.registers[key]

    def _new(self, key: str) -> int:
        self.registers[key] = self.count
        self.count += 1
        return self.registers[key]

    def _constant(self, value: object) -> int:
        key = f"constant {id(value)}"
        if key not in self.registers:
            self.steps.append(sig.Constant(self._new(key), value))
        return self.registers[key]

    def _load(self, path: source.Source, key: str) -> None:
        match path:
            case source.Argument():
                index = path.key if isinstance(path.key, int) else None
                self.steps.append(sig.Argument(self._new(key), index, path.name or None))
            case source.Global():
                owner = path.owner or self.function
                assert owner is not None
                base = self._constant(owner.__globals__)
                if path.name in owner.__globals__:
                    self.steps.append(sig.DictValue(self._new(key), base, path.name))
                else:
                    self.steps.append(sig.KeyMissing(base, path.name))
                    builtins = owner.__builtins__ if isinstance(owner.__builtins__, dict) else vars(owner.__builtins__)  # pyright: ignore
                    self.steps.append(sig.DictValue(self._new(key), self._constant(builtins), path.name))
            case source.Cell():
                owner = path.owner or self.function
                assert owner is not None
                base = self._constant(source.closure_cell(owner, path.name))
                self.steps.append(sig.CellContent(self._new(key), base))
            case source.Default():
                self._default(path, key)
            case source.Attribute():
                base = self.register(path.base)
                self.steps.append(sig.Attribute(self._new(key), base, path.name))
            case source.Item():
                base = self.register(path.base)
                if isinstance(path.key, int) and f"{repr(path.base)} is dict" not in self.registers:
                    self.steps.append(sig.Item(self._new(key), base, path.key))
                else:
                    self.steps.append(sig.DictValue(self._new(key), base, path.key))

    def _default(self, path: source.Default, key: str) -> None:
        owner = path.owner or self.function
        assert owner is not None
        base = self._constant(owner)
        keyword_only: dict[str, object] = owner.__kwdefaults__ or {}
        if path.name in keyword_only:
            holder = self._new(f"{key} holder")
            self.steps.append(sig.Attribute(holder, base, "__kwdefaults__"))
            self.steps.append(sig.DictValue(self._new(key), holder, path.name))
            return
        code, defaults = owner.__code__, owner.__defaults__ or ()
        holder = self._new(f"{key} holder")
        self.steps.append(sig.Attribute(holder, base, "__defaults__"))
        self.steps.append(sig.ExactType(holder, tuple))
        self.steps.append(sig.Length(holder, len(defaults)))
        position = code.co_varnames.index(path.name) - code.co_argcount + len(defaults)
        self.steps.append(sig.Item(self._new(key), holder, position))

    # ---------------------------------------------------------------- checks

    def _object_guard(self, guard: capture.ObjectGuard) -> None:
        if isinstance(guard.source, source.Attribute) and guard.kind == "is" and _is_library(guard.value):
            return  # functions of a library module are taken to stay what they are
        register = self.register(guard.source)
        match guard.kind:
            case "is":
                self.steps.append(sig.Identity(register, guard.value))
            case "equals":
                self.steps.append(sig.Equal(register, guard.value))
            case "type":
                self.steps.append(sig.ExactType(register, guard.value))
                if guard.value is dict:
                    self.registers[f"{guard.source!r} is dict"] = register
            case "length":
                self.steps.append(sig.Length(register, guard.value))
            case "keys":
                self.steps.append(sig.Keys(register, guard.value))
            case _:
                self.steps.append(sig.Same(register, self.register(guard.value)))

    def _parameters(self) -> list[tuple[int, bool]]:
        """Check every parameter; (register, whether an array) for each that is a pointer."""
        written = {p for p in self.traced.func.into if p >= 0}
        found: list[tuple[int, bool]] = []
        for number, (parameter, axes) in enumerate(zip(self.traced.parameters, self.sizes.axes, strict=True)):
            register = self.register(parameter.source)
            match parameter.spec:
                case ArraySpec() as spec:
                    dims = [self._dim(d) for d in axes]
                    strides = self.slots.get(f"a{number}_s0") if spec.layout == "strided" else None
                    shape = tuple(reversed(dims)) if spec.layout == "F" else tuple(dims)
                    assert spec.dtype.numpy is not None
                    self.steps.append(sig.Array(register, spec.dtype.numpy, shape, len(found), spec.layout, strides, number in written))
                    found.append((register, True))
                case FloatSpec():
                    self.steps.append(sig.Cell(register, float, len(found)))
                    found.append((register, False))
                case ScalarSpec() as spec:
                    assert spec.dtype.numpy is not None
                    self.steps.append(sig.Cell(register, spec.dtype.numpy.type, len(found)))
                    found.append((register, False))
                case IntSpec():
                    self.steps.append(sig.Integer(register, self._dim(axes[0])))
                case _:
                    pass
        return found

    def _dim(self, dim: DimLike) -> int | sig.Symbol:
        if isinstance(dim, int):
            return dim
        one = as_symbol(dim)
        assert one is not None
        return sig.Symbol(self.slots[one.name], one.lower)

    def _aliases(self, arrays: Sequence[tuple[int, bool]]) -> None:
        """Arrays that are written must not share memory with others, unless they were traced as one."""
        into = {p for p in self.traced.func.into if p >= 0}
        pointer = {n: k for k, n in enumerate(n for n, p in enumerate(self.traced.func.params) if isinstance(p.type, TensorType))}
        for number in sorted(into):
            first = arrays[pointer[number]][0]
            for other, (register, is_array) in enumerate(arrays):
                written_too = other in {pointer[n] for n in into}
                if is_array and other != pointer[number] and not (written_too and other < pointer[number]):
                    self.steps.append(sig.Alias(first, register))

    # ---------------------------------------------------------------- results

    def _outputs(self, first: int) -> list[sig.RawOutput]:
        kinds: dict[int, str] = {}
        for node in [self.traced.result, *(e.value for e in self.traced.effects)]:
            _collect_kinds(node, kinds)
        outputs: list[sig.RawOutput] = []
        fresh = [r for r, into in zip(self.traced.func.results, self.traced.func.into, strict=True) if into < 0]
        for number, value in enumerate(fresh):
            assert isinstance(value.type, TensorType)
            dtype = value.type.dtype.numpy
            assert dtype is not None
            kind = kinds.get(number, "array")
            if kind == "scalar":
                outputs.append(sig.Scalar(dtype, first + number))
            elif kind in ("float", "bool", "int"):
                outputs.append(sig.PythonNumber(kind, first + number))  # pyright: ignore[reportArgumentType]
            else:
                dims = tuple(d if isinstance(d, int) else sig.Number(d[1]) for d in self.built.sizes[number])
                outputs.append(sig.NewArray(dtype, dims, first + number))
        return outputs

    def _tree(self, node: result.ResultNode) -> sig.Tree | None:
        """The node as a table's tree, None if it takes Python to make it."""
        match node:
            case result.ResultValue():
                return sig.Output(node.number)
            case result.ResultObject():
                return sig.Register(self.register(node.source))
            case result.ResultConstant():
                return sig.ConstantResult(node.value)
            case result.ResultTree():
                items = [self._tree(item) for item in node.items]
                if any(item is None for item in items):
                    return None
                if type(node.like) in (list, tuple):
                    return sig.Items("list" if type(node.like) is list else "tuple", tuple(items))  # pyright: ignore
                return sig.Entries(tuple(node.like), tuple(items)) if type(node.like) is dict else None  # pyright: ignore
            case _:
                return None

    def _finish(self) -> Callable[[list[object], list[object], list[int]], object]:
        traced, sizes, extra = self.traced, self.sizes, self.built.extra
        slots = dict(zip(sizes.results, extra, strict=True))
        registers = {repr(p): self.register(p) for p in _paths(traced)}
        parameters = [self.register(p.source) for p in traced.parameters]

        def make(node: Any, raw: list[object], held: list[object], numbers: list[int]) -> object:
            match node:
                case result.ResultValue():
                    return raw[node.number]
                case result.ResultSize():
                    return node.dim if isinstance(node.dim, int) else numbers[slots[node.dim]]
                case result.ResultObject():
                    return held[registers[repr(node.source)]]
                case result.ResultConstant():
                    return node.value
                case result.ResultView():
                    base = raw[node.number] if node.number is not None else held[parameters[node.parameter or 0]]
                    known = {name: numbers[k] for k, name in enumerate(self.built.names)}
                    return view_of(base, node.lenses, known)
                case _:
                    return rebuild(node.like, [make(item, raw, held, numbers) for item in node.items])

        def finish(raw: list[object], held: list[object], numbers: list[int]) -> object:
            value = make(traced.result, raw, held, numbers)
            for effect in traced.effects:
                new = make(effect.value, raw, held, numbers)
                replay(effect, new, held[registers[repr(effect.source)]] if repr(effect.source) in registers else None, self.function)
            return value

        return finish


def _root(path: source.Source) -> source.Source:
    while isinstance(path, source.Attribute | source.Item):
        path = path.base
    return path


def _is_library(value: object) -> bool:
    module = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
    return isinstance(value, np.ufunc) or (isinstance(module, str) and module.partition(".")[0] in _LIBRARIES)


def _collect_kinds(node: Any, kinds: dict[int, str]) -> None:
    if isinstance(node, result.ResultValue):
        kinds[node.number] = node.kind
    elif isinstance(node, result.ResultTree):
        for item in node.items:
            _collect_kinds(item, kinds)


def _paths(traced: Traced) -> list[source.Source]:
    """Paths that finishing reads."""
    found: list[source.Source] = []

    def visit(node: Any) -> None:
        if isinstance(node, result.ResultObject):
            found.append(node.source)
        elif isinstance(node, result.ResultTree):
            for item in node.items:
                visit(item)

    visit(traced.result)
    for effect in traced.effects:
        visit(effect.value)
        if not isinstance(effect.source, source.Global | source.Cell):
            found.append(effect.source)
    return found


__all__ = ["Sizes", "TableMaker", "fields", "is_dataclass", "sizes_of"]
