"""Building new programs from old ones: copies, rules applied to every op, inlining, removal of dead ops.

A pass never changes an op: it writes a new region from an old one, with a map from old values to new. What
stays as it is may be in both, as a pass gives the old program up (`renewed`, `uses_any`). All of this is
linear in the number of ops. Not here: the rules and passes themselves (`compiler/passes`), nor canonical
forms.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace

from weft.ir.builder import Builder
from weft.ir.dims import Dim, DimLike, Symbol, as_symbol, atom_dim, substitute
from weft.ir.node import Attribute, Attributes, Func, Op, Region, Value
from weft.ir.opdef import REGISTRY
from weft.ir.types import BufferType, IndexType, TensorType, Type
from weft.ir.walk import has_effect, values_of, walk

Rule = Callable[[Builder, Op, tuple[Value, ...]], Sequence[Value] | None]
"""(builder, old op, its new operands) -> the new values of its results, or None to copy the op."""


class Cloner:
    """Copies ops into new regions. `values` maps old values to new ones; a value not in it stands for itself.

    `dims` replaces symbols by name in types and attributes. If `taken` is given, the symbols that the copied
    regions bind get names that are not in it (and are added), so that a body may be copied more than once
    into one function. `rule` is asked for each op, before its regions are entered; what it returns stands for
    the op's results.
    """

    def __init__(
        self,
        values: Mapping[Value, Value] | None = None,
        *,
        dims: Mapping[str, DimLike] | None = None,
        taken: set[str] | None = None,
        rule: Rule | None = None,
    ) -> None:
        self.values: dict[Value, Value] = dict(values or {})
        self.dims: dict[str, DimLike] = dict(dims or {})
        self.taken = taken
        self.rule = rule

    def value(self, old: Value) -> Value:
        """The new value that stands for `old`."""
        return self.values.get(old, old)

    def operands(self, op: Op) -> tuple[Value, ...]:
        """The new operands of an old op."""
        values = self.values
        return tuple([values.get(v, v) for v in op.operands])

    def set(self, old: Sequence[Value], new: Sequence[Value]) -> None:
        """Let new values stand for old ones; they take over the user's names."""
        for before, after in zip(old, new, strict=True):
            if before is after:
                continue
            self.values[before] = after
            if before.name and not after.name:
                after.name = before.name

    def op(self, builder: Builder, op: Op) -> None:
        """Write what stands for `op`: what the rule says, else a copy."""
        operands = self.operands(op)
        if self.rule is not None:
            before, builder.locations = builder.locations, op.locations
            results = self.rule(builder, op, operands)
            builder.locations = before
            if results is not None:
                self.set(op.results, results)
                return
        self.copy(builder.region, op, operands)

    def copy(self, target: Region, op: Op, operands: Sequence[Value]) -> Op:
        """Append a copy of `op` with these operands, its regions rewritten."""
        types: Sequence[Type] = [v.type for v in op.results]
        attributes: Attributes = op.attributes
        if self.taken is not None:
            self._rename(op.results if op.name == "to_index" else ())
        regions = [self.region(region) for region in op.regions]
        if self.dims:
            types = [substitute_type(ty, self.dims) for ty in types]
            attributes = substitute_attributes(attributes, self.dims)
        new = Op(op.name, operands, types, attributes, regions, op.locations)
        target.ops.append(new)
        self.set(op.results, new.results)
        return new

    def region(self, old: Region) -> Region:
        """A new region with new parameters, its ops rewritten."""
        new = Region()
        self.parameters(old, new)
        self.ops(old, Builder(new))
        return new

    def parameters(self, old: Region, new: Region) -> None:
        """Give a new region the parameters of an old one."""
        if self.taken is not None:
            self._rename(old.params)
        for param in old.params:
            ty = substitute_type(param.type, self.dims) if self.dims else param.type
            self.values[param] = new.add_param(ty, param.name)

    def ops(self, old: Region, builder: Builder, *, terminator: bool = True) -> None:
        """Write the ops of `old` at the end of the builder's region; its parameters must have values."""
        for op in old.ops if terminator else old.ops[:-1]:
            self.op(builder, op)

    def function(self, fn: Func) -> Func:
        """A new function."""
        return replace(fn, body=self.region(fn.body), symbols=dict(fn.symbols))

    def _rename(self, values: Sequence[Value]) -> None:
        """Give the symbols that these values bind new names."""
        assert self.taken is not None
        for value in values:
            symbol = as_symbol(value.type.dim) if isinstance(value.type, IndexType) else None
            if symbol is not None and symbol.name not in self.dims:
                name = fresh_name(symbol.name, self.taken)
                self.dims[symbol.name] = atom_dim(Symbol(name, symbol.lower, symbol.upper))


def renewed(old: Region) -> Region:
    """An empty region with the very parameters of `old`, whose program nobody runs passes on any more."""
    new = Region()
    new.params = old.params
    for param in new.params:
        param.owner = new
    return new


def uses_any(op: Op, values: Container[Value]) -> bool:
    """Whether an op, or one in its regions, uses one of the values: one that does not can stay as it is."""
    if any([v in values for v in op.operands]):
        return True
    return any([v in values for region in op.regions for inner in walk(region) for v in inner.operands])


def fresh_name(name: str, taken: set[str]) -> str:
    """`name`, or `name_2`, `name_3`... if it is taken; added to `taken`."""
    base, _, number = name.rpartition("_")
    base = base if base and number.isdecimal() else name
    count = 2
    while name in taken:
        name = f"{base}_{count}"
        count += 1
    taken.add(name)
    return name


def symbol_names(fn: Func) -> set[str]:
    """The names of all symbols that the function or an op in it binds."""
    symbols = (as_symbol(v.type.dim) for v in values_of(fn) if isinstance(v.type, IndexType))
    return {*fn.symbols, *(s.name for s in symbols if s is not None)}


def substitute_type(ty: Type, dims: Mapping[str, DimLike]) -> Type:
    """The type with symbols replaced by name; the same object if it has none."""
    if isinstance(ty, TensorType | BufferType):
        if not any(isinstance(d, Dim) for d in ty.shape):
            return ty
        return replace(ty, shape=tuple(substitute(d, dims) for d in ty.shape))
    return IndexType(substitute(ty.dim, dims)) if isinstance(ty, IndexType) else ty


def substitute_attributes(attributes: Attributes, dims: Mapping[str, DimLike]) -> Attributes:
    """The attributes with symbols replaced by name."""
    return {key: _substitute_attribute(value, dims) for key, value in attributes.items()}


def _substitute_attribute(value: Attribute, dims: Mapping[str, DimLike]) -> Attribute:
    if isinstance(value, Dim):
        return substitute(value, dims)
    if isinstance(value, tuple):
        return tuple(_substitute_attribute(item, dims) for item in value)
    if isinstance(value, Type):
        return substitute_type(value, dims)
    return value


def copy_function(fn: Func, substitution: Mapping[str, DimLike] | None = None) -> Func:
    """A copy that shares no op or value; symbols are replaced by name and leave the header."""
    cloner = Cloner(dims=substitution)
    new = cloner.function(fn)
    new.symbols = {name: s for name, s in fn.symbols.items() if name not in cloner.dims}
    for dim in cloner.dims.values():
        symbol = as_symbol(dim)
        if symbol is not None:
            new.symbols.setdefault(symbol.name, symbol)
    return new


def rewrite(fn: Func, rule: Rule) -> Func:
    """A new function in which `rule` was asked once for each op, an op before those of its regions.

    What the rule writes is not visited again; a rule that removes an op without results returns ().
    """
    return Cloner(rule=rule).function(fn)


def inline(
    builder: Builder,
    source: Func | Region,
    arguments: Sequence[Value],
    *,
    dims: Mapping[str, DimLike] | None = None,
    taken: set[str] | None = None,
    rule: Rule | None = None,
) -> tuple[Value, ...]:
    """Write the ops of `source` with arguments for its parameters; gives the operands of its terminator.

    Symbols of a Func are bound to the sizes of the arguments' types. `taken` holds the names of symbols of
    the function around it, needed if a body that binds symbols is written more than once.
    """
    region = source.body if isinstance(source, Func) else source
    known = {} if dims is None else dict(dims)
    for param, argument in zip(region.params, arguments, strict=True):
        known.update(match_type(param.type, argument.type))
    cloner = Cloner(dict(zip(region.params, arguments, strict=True)), dims=known, taken=taken, rule=rule)
    cloner.ops(region, builder, terminator=False)
    return cloner.operands(region.terminator)


def match_type(pattern: Type, actual: Type) -> dict[str, DimLike]:
    """What the bare symbols of `pattern` stand for so that it is `actual`, but for themselves."""
    if isinstance(pattern, IndexType) and isinstance(actual, IndexType):
        pairs = [(pattern.dim, actual.dim)]
    elif isinstance(pattern, TensorType | BufferType) and isinstance(actual, TensorType | BufferType):
        pairs = list(zip(pattern.shape, actual.shape, strict=True))
    else:
        return {}
    bound = ((as_symbol(p), a) for p, a in pairs)
    return {s.name: a for s, a in bound if s is not None and a != atom_dim(s)}


def remove_dead(fn: Func) -> Func:
    """A new function without the ops that have no effect and whose results no one needs."""
    live: set[Op] = set()
    _mark_live(fn.body, set(), live)
    return rewrite(fn, lambda _builder, op, _operands: None if op in live else op.results)


def prune(region: Region) -> None:
    """Take the ops that `remove_dead` would leave out from a region that is still being made."""
    live: set[Op] = set()
    _mark_live(region, set(), live)
    _keep(region, live)


def _keep(region: Region, live: set[Op]) -> None:
    region.ops[:] = [op for op in region.ops if op in live]
    for op in region.ops:
        for inner in op.regions:
            _keep(inner, live)


def _mark_live(region: Region, needed: set[Value], live: set[Op]) -> None:
    for op in reversed(region.ops):
        is_needed = not needed.isdisjoint(op.results)  # asked first: most are, and it costs least
        if is_needed or REGISTRY[op.name].has("terminator") or has_effect(op):
            live.add(op)
            needed.update(op.operands)
            for inner in op.regions:
                _mark_live(inner, needed, live)
