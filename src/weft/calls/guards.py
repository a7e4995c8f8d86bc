"""From a traced function to the guard table that the call entry interprets.

Not here: tracing, and the meaning of tables (`weft.runtime.signature`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np

from weft.calls.binding import Call, key_of
from weft.calls.finish import ResultMaker, fixed_view, paths_read
from weft.calls.native import Built
from weft.compiler.frontend import capture, result, source
from weft.compiler.frontend.arguments import (
    ArraySpec,
    FloatSpec,
    IntSpec,
    ScalarSpec,
    children,
    is_node,
    step,
)
from weft.compiler.frontend.entry import Traced
from weft.ir.dataclass import dataclass
from weft.ir.dims import DimLike, as_symbol, decide, product, substitute, symbol, symbols_of
from weft.ir.errors import InternalError, UnsupportedError
from weft.ir.types import IndexType, TensorType
from weft.runtime import signature as sig
from weft.runtime.interface import Guard

_type: Callable[[Any], Any] = type  # typed so: of a value of any type

_LIBRARIES = ("numpy", "scipy", "math", "cmath")
MOST_BYTES = 2**62

Ints: TypeAlias = Sequence[tuple[source.Source, DimLike]]


@dataclass(frozen=True, slots=True)
class Sizes:
    """How sizes are bound: the symbol of each axis of each parameter, and further relations."""

    axes: tuple[tuple[DimLike, ...], ...]
    guards: tuple[Guard, ...]
    names: tuple[str, ...]
    results: tuple[DimLike, ...]


def sizes_of(traced: Traced, ints: Ints = ()) -> Sizes:
    """Bind every symbol by a plain size or int; other axes become a symbol and a relation.

    `ints` are the Python ints of the call that were symbols when tracing began: one that the trace replaced
    by an expression is still bound, and related to it.
    """
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
    guards += _int_relations(traced, ints, names)
    for guard in traced.sizes:
        if not guard.is_pin:
            left, right = (substitute(side, traced.replaced) for side in (guard.left, guard.right))
            if decide(left, guard.relation, right) is not True and _is_bound((left, right), names):
                guards.append(Guard(left, guard.relation, right))
    for one in func.symbols.values():
        if one.upper is not None:
            guards.append(Guard(symbol(one.name), "<=", one.upper))
    guards += _result_limits(traced, names)
    wanted = tuple(
        dict.fromkeys(
            d for node in (traced.result, *(e.value for e in traced.effects)) for d in _sizes_in(node)
        )
    )
    return Sizes(tuple(axes), tuple(dict.fromkeys(guards)), tuple(names), wanted)


def _int_relations(traced: Traced, ints: Ints, names: dict[str, None]) -> list[Guard]:
    """Ints that the trace replaced by expressions are bound as well, under their names."""
    found: list[Guard] = []
    bound = {key_of(p.source) for p in traced.parameters if isinstance(p.spec, IntSpec)}
    for path, dim in ints:
        if key_of(path) in bound:
            continue  # its parameter's type has the expression
        one = as_symbol(dim)
        value = substitute(dim, traced.replaced)
        if one is not None and one.name not in names and not isinstance(value, int):
            names[one.name] = None
            found.append(Guard(dim, "==", value))
    return found


def _result_limits(traced: Traced, names: Mapping[str, None]) -> list[Guard]:
    """The bytes of a new result must be a number of 64 bits; so `prepare` computes and checks the product."""
    found: list[Guard] = []
    for value, into in zip(traced.func.results, traced.func.into, strict=True):
        if (
            into < 0
            and isinstance(value.type, TensorType)
            and sum(not isinstance(d, int) for d in value.type.shape) > 1
        ):
            size = product(value.type.shape) * value.type.dtype.size_bytes
            if _is_bound((size,), names):
                found.append(Guard(size, "<=", MOST_BYTES))
    return found


def _is_bound(sides: Sequence[DimLike], names: Mapping[str, None]) -> bool:
    return all(s.name in names for side in sides for s in symbols_of(side))


def _sizes_in(node: result.ResultNode) -> list[DimLike]:
    if isinstance(node, result.ResultSize):
        return [node.dim]
    return [d for item in result.inner_nodes(node) for d in _sizes_in(item)]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a table is made from.

    The call it is for, trees of specs by the paths of arguments, symbolic ints, and arrays that share the
    memory of another path's.
    """

    call: Call
    trees: Sequence[tuple[source.Argument, Any]]
    ints: Ints = ()
    same: Sequence[tuple[source.Source, ArraySpec, source.Source]] = ()


class TableMaker:
    """Writes one table."""

    def __init__(self, facts: Facts, traced: Traced, sizes: Sizes, built: Built) -> None:
        self.facts = facts
        self.call = facts.call
        self.function = facts.call.shape.function
        self.traced, self.sizes, self.built = traced, sizes, built
        self.steps: list[sig.Step] = []
        self.registers: dict[str, int] = {}
        self.types: dict[str, type] = {}
        self.locks: list[tuple[int, bool]] = []
        self.arrays: dict[str, tuple[int, int]] = {}  # register and pointer of each checked array, by path
        self.count = 0
        self.extra = 0
        self.slots = {name: k for k, name in enumerate(built.names)}

    def table(self) -> sig.Table:
        """The table."""
        for path, tree in self.facts.trees:
            self._structure(path, tree)
        for guard in self.traced.guards:
            if guard.kind != "same":
                self._object_guard(guard)
        pointers = self._parameters()
        self._ints()
        outputs = self._outputs(pointers)
        self._same(pointers + len(outputs))
        self._aliases()
        tree = self._tree(self.traced.result)
        finish = None if tree is not None and not self.traced.effects else self._finish()
        return sig.Table(
            tuple(self.steps),
            tuple(outputs),
            None if finish else tree,
            self.count,
            pointers + len(outputs) + self.extra,
            self.built.slots,
            (0, len(self.call.positional)),
            finish,
            tuple(self.locks),
        )

    def _structure(self, path: source.Source, tree: Any) -> None:
        """Load an argument and check the containers in it."""
        register = self.register(path)
        if not is_node(tree):
            return
        kind: Any = _type(tree)
        self._check_type(path, register, kind)
        if kind is dict:
            self.steps.append(sig.Keys(register, tuple(tree)))
        elif issubclass(kind, list | tuple):
            self.steps.append(sig.Length(register, len(tree)))
        for key, item in children(tree):
            self._structure(step(path, tree, key), item)

    def _check_type(self, path: source.Source, register: int, kind: type) -> None:
        if self.types.get(key_of(path)) is not kind:
            self.types[key_of(path)] = kind
            self.steps.append(sig.ExactType(register, kind))

    # ---------------------------------------------------------------- loads

    def register(self, path: source.Source) -> int:
        """The register that holds the value at a path, loaded once."""
        key = key_of(path)
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
                self._argument(path, key)
            case source.Global():
                owner: Any = path.owner or self.function
                assert owner is not None
                base = self._constant(owner.__globals__)
                if path.name in owner.__globals__:
                    self.steps.append(sig.DictValue(self._new(key), base, path.name))
                else:
                    self.steps.append(sig.KeyMissing(base, path.name))
                    builtins: Any = owner.__builtins__
                    names = builtins if _type(builtins) is dict else builtins.__dict__
                    self.steps.append(sig.DictValue(self._new(key), self._constant(names), path.name))
            case source.Cell():
                holder: Any = path.owner or self.function
                assert holder is not None
                base = self._constant(source.closure_cell(holder, path.name))
                self.steps.append(sig.CellContent(self._new(key), base))
            case source.Default():
                self._default(path, key)
            case source.Pinned():
                self.registers[key] = self._constant(path.value)
            case source.Attribute():
                base = self.register(path.base)
                self.steps.append(sig.Attribute(self._new(key), base, path.name))
            case source.Item():
                self._item(path, key)
            case _:
                raise InternalError(f"there is no way to load {path}")

    def _argument(self, path: source.Argument, key: str) -> None:
        """An argument of the call, or what the callable is bound to."""
        shape, number = self.call.shape, path.key
        if isinstance(number, str):
            if number in shape.bound_named and number not in self.call.named:
                self.registers[key] = self._constant(shape.bound_named[number])
            else:
                self.steps.append(sig.Argument(self._new(key), None, number))
        elif number < len(shape.bound):
            self.registers[key] = self._constant(shape.bound[number])
        else:
            index = number - len(shape.bound)
            self.steps.append(sig.Argument(self._new(key), index, shape.by_keyword(index)))

    def _item(self, path: source.Item, key: str) -> None:
        """An item of a list, tuple or dict; its type was checked when it was reached."""
        base = self.register(path.base)
        kind = self.types.get(key_of(path.base), object)
        if issubclass(kind, list | tuple) and isinstance(path.key, int):
            index = path.key
            if index < 0:
                items = self.call.read(path.base)
                self.steps.append(sig.Length(base, len(items)))
                index += len(items)
            self.steps.append(sig.Item(self._new(key), base, index))
        elif issubclass(kind, dict):
            self.steps.append(sig.DictValue(self._new(key), base, path.key))
        else:
            raise UnsupportedError(
                f"{path} reads an item of a {kind.__name__} from outside of the function",
                code="E053",
                fix="pass the item as an argument, or keep it in a list, tuple or dict",
            )

    def _default(self, path: source.Default, key: str) -> None:
        owner: Any = path.owner or self.function
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
        value: Any = guard.value
        match guard.kind:
            case "is":
                self.steps.append(sig.Identity(register, value))
            case "equals" if type(guard.value) is int and abs(guard.value) < 2**62:
                self.steps.append(sig.Integer(register, guard.value))
            case "equals":
                self.steps.append(sig.Equal(register, value))
            case "type":
                self._check_type(guard.source, register, value)
            case "length":
                self.steps.append(sig.Length(register, value))
            case "keys":
                self.steps.append(sig.Keys(register, value))
            case _:
                raise InternalError(f"a guard of kind {guard.kind}")

    def _parameters(self) -> int:
        """Check every parameter; how many are pointers."""
        written = {p for p in self.traced.func.into if p >= 0}
        pointer = 0
        for number, (parameter, axes) in enumerate(zip(self.traced.parameters, self.sizes.axes, strict=True)):
            register = self.register(parameter.source)
            match parameter.spec:
                case ArraySpec() as spec:
                    strides = self.slots.get(f"a{number}_s0") if spec.layout == "strided" else None
                    shape = tuple(reversed(axes)) if spec.layout == "F" else axes
                    self._array(register, spec, shape, pointer, strides, is_written=number in written)
                    self.arrays[key_of(parameter.source)] = (register, pointer)
                    if parameter.is_variable:
                        self.locks.append((pointer, number in written))
                case FloatSpec(kind):
                    self.steps.append(sig.Cell(register, kind, pointer))
                case ScalarSpec() as spec:
                    assert spec.dtype.numpy is not None
                    self.steps.append(sig.Cell(register, spec.dtype.numpy.type, pointer))
                case _:
                    self.steps.append(sig.Integer(register, self._dim(axes[0])))
                    continue
            pointer += 1
        return pointer

    def _array(
        self,
        register: int,
        spec: ArraySpec,
        shape: Sequence[DimLike],
        pointer: int,
        strides: int | None,
        *,
        is_written: bool,
    ) -> None:
        assert spec.dtype.numpy is not None
        dims = tuple(self._dim(d) for d in shape)
        self.steps.append(
            sig.Array(register, spec.dtype.numpy, dims, pointer, spec.layout, strides, is_written)
        )

    def _ints(self) -> None:
        """Python ints that were symbols and are no parameters: fixed to a number, or related to others."""
        taken = {key_of(p.source) for p in self.traced.parameters if isinstance(p.spec, IntSpec)}
        for path, dim in self.facts.ints:
            if key_of(path) not in taken:
                value = substitute(dim, self.traced.replaced)
                self.steps.append(
                    sig.Integer(self.register(path), value if isinstance(value, int) else self._dim(dim))
                )

    def _same(self, first: int) -> None:
        """Arrays that were traced as one must be one."""
        found = list(self.facts.same)
        for guard in self.traced.guards:
            if guard.kind == "same":
                spec = next(p.spec for p in self.traced.parameters if key_of(p.source) == key_of(guard.value))
                assert isinstance(spec, ArraySpec)
                found.append((guard.source, spec, guard.value))
        for path, spec, other in found:
            register, original = self.register(path), self.arrays[key_of(other)][0]
            number = next(
                k for k, p in enumerate(self.traced.parameters) if key_of(p.source) == key_of(other)
            )
            axes = self.sizes.axes[number]
            shape = tuple(reversed(axes)) if spec.layout == "F" else axes
            self._array(register, spec, shape, first + self.extra, None, is_written=False)
            self.steps.append(sig.Alias(original, register, identical=True))
            self.extra += 1

    def _dim(self, dim: DimLike) -> int | sig.Symbol:
        if isinstance(dim, int):
            return dim
        one = as_symbol(dim)
        assert one is not None
        return sig.Symbol(self.slots[one.name], one.lower)

    def _aliases(self) -> None:
        """Arrays that are written must not share memory with others, unless they were traced as one."""
        written = [
            key_of(self.traced.parameters[p].source) for p in dict.fromkeys(self.traced.func.into) if p >= 0
        ]
        for number, path in enumerate(written):
            for other, (register, _) in self.arrays.items():
                if other != path and other not in written[:number]:
                    self.steps.append(sig.Alias(self.arrays[path][0], register))

    # ---------------------------------------------------------------- results

    def _outputs(self, first: int) -> list[sig.RawOutput]:
        kinds: dict[int, str] = {}
        for node in [self.traced.result, *(e.value for e in self.traced.effects)]:
            _collect_kinds(node, kinds)
        outputs: list[sig.RawOutput] = []
        fresh = [
            r for r, into in zip(self.traced.func.results, self.traced.func.into, strict=True) if into < 0
        ]
        for number, value in enumerate(fresh):
            assert isinstance(value.type, TensorType)
            dtype = value.type.dtype.numpy
            assert dtype is not None
            kind = kinds.get(number, "array")
            if kind == "scalar":
                outputs.append(sig.Scalar(dtype, first + number))
            elif kind in ("float", "bool", "int", "complex"):
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
                made = [self._tree(item) for item in node.items]
                items = tuple(item for item in made if item is not None)
                like: Any = node.like
                if len(items) < len(made):
                    return None
                if type(like) in (list, tuple):
                    return sig.Items("list" if type(like) is list else "tuple", items)
                return sig.Entries(tuple(like), items) if _type(like) is dict else None
            case _:
                return None

    def _finish(self) -> Callable[[list[object], list[object], list[int]], object]:
        traced = self.traced
        slots = dict(zip(self.sizes.results, self.built.extra, strict=True))
        registers = {id(p): self.register(p) for p in paths_read(traced)}
        parameters = [self.register(p.source) for p in traced.parameters]
        names = list(self.built.names)
        fixed = fixed_view(traced)
        if fixed is not None:
            register, show = parameters[fixed[0]], fixed[1]
            return lambda _raw, held, _numbers: show(held[register])

        def finish(raw: list[object], held: list[object], numbers: list[int]) -> object:
            known = dict(zip(names, numbers, strict=False))

            def size(dim: DimLike) -> int:
                return dim if isinstance(dim, int) else numbers[slots[dim]]

            maker = ResultMaker(
                traced, raw, lambda p: held[registers[id(p)]], lambda k: held[parameters[k]], size, known
            )
            return maker.finish(self.function)

        return finish


def _is_library(value: object) -> bool:
    module = value.__name__ if isinstance(value, ModuleType) else getattr(value, "__module__", None)
    return isinstance(value, np.ufunc) or (isinstance(module, str) and module.partition(".")[0] in _LIBRARIES)


def _collect_kinds(node: Any, kinds: dict[int, str]) -> None:
    if isinstance(node, result.ResultValue):
        kinds[node.number] = node.kind
    for item in result.inner_nodes(node):
        _collect_kinds(item, kinds)
