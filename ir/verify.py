"""The verifier: what holds for every valid program, checked after each pass.

I1  every value is defined once, and knows its place
I2  every use is in scope of its definition
I3  an op's record yields the types of its results
I4  every region ends with a terminator, of the kind its owner needs, and has no other
I5  the parameters of a region fit the op that owns it
I6  a token is used at most once, and no region takes one from outside
I7  every symbol is bound before it is used, once, has one range and a name that the text can hold; from stage
    "buffers" on also a named i64 parameter binds the symbol of its name, and an alloc with `most`
    those of its type
I8  the stage of the function allows each op and type
I9  the header fits: results that are written to a parameter have its type

I8 by stage: "tensor" and "fused" hold no buffers, lanes or ops of the loop level, and "tensor" no fusion;
"buffers" has tensors only inside fusions; "loops" has none, and memory is touched by loop-level ops alone.
Not here: what only one pass or backend needs.
"""

from collections.abc import Callable, Iterator, Sequence

from weft.ir.dataclass import dataclass
from weft.ir.dims import Symbol, as_symbol, symbols_of
from weft.ir.errors import Fact, InternalError, UserError
from weft.ir.node import Func, Op, Region, Value
from weft.ir.opdef import REGISTRY
from weft.ir.text import is_symbol_name, show, show_op
from weft.ir.types import BOOL, I64, BufferType, IndexType, TensorType, TokenType, Type, VectorType
from weft.ir.walk import dims_of_attribute, dims_of_type, uses, walk

STAGES = ("tensor", "fused", "buffers", "loops")


@dataclass(frozen=True, slots=True)
class Violation:
    """What is wrong, and at which op if at one."""

    text: str
    op: Op | None = None


Check = Callable[[Func], Iterator[Violation]]


def verify(fn: Func, pass_name: str = "") -> None:
    """Check every invariant; raises InternalError with the first violation and the program in a note."""
    for number, (_, check) in INVARIANTS.items():
        violation = next(check(fn), None)
        if violation is not None:
            raise _error(fn, number, violation, pass_name)


def _error(fn: Func, number: str, violation: Violation, pass_name: str) -> InternalError:
    op = violation.op
    after = f"after pass {pass_name}, " if pass_name else ""
    rule, _ = INVARIANTS[number]
    error = InternalError(
        f"{after}invariant {number} ({rule}) does not hold in @{fn.name}: {violation.text}",
        code="E091",
        location=op.locations[0] if op is not None and op.locations else None,
        facts=[Fact("op", show_op(op).splitlines()[0])] if op is not None else [],
    )
    error.add_note(show(fn, mark=op, note=f"{number}: {violation.text}", locations=True))
    return error


# ---- I1 to I4


def check_definitions(fn: Func) -> Iterator[Violation]:
    """Find values that are defined twice or do not know their place."""
    seen: set[Value | Op | Region] = set()
    yield from _definitions(fn.body, None, seen)


def _definitions(region: Region, owner: Op | None, seen: set[Value | Op | Region]) -> Iterator[Violation]:
    if region in seen:
        yield Violation("one region is in two places", owner)
    seen.add(region)
    yield from _owned(region.params, region, owner, seen)
    for op in region.ops:
        if op in seen:
            yield Violation(f"the op {op.name} is in two places", op)
        seen.add(op)
        yield from _owned(op.results, op, op, seen)
        for inner in op.regions:
            yield from _definitions(inner, op, seen)


def _owned(
    values: Sequence[Value], owner: Op | Region, op: Op | None, seen: set[Value | Op | Region]
) -> Iterator[Violation]:
    for index, value in enumerate(values):
        if value in seen:
            yield Violation(f"value {value!r} is defined twice", op)
        if value.owner is not owner or value.index != index:
            yield Violation(f"value {value!r} does not know that it is number {index} here", op)
        seen.add(value)


def check_scopes(fn: Func) -> Iterator[Violation]:
    """Find uses that are not in scope of their definition."""
    yield from _scopes(fn.body, set())


def _scopes(region: Region, visible: set[Value]) -> Iterator[Violation]:
    """`visible` is shared: what a region adds is taken out at its end."""
    added: list[Value] = list(region.params)
    visible.update(added)
    for op in region.ops:
        for number, value in enumerate(op.operands):
            if value not in visible:
                yield Violation(f"operand {number} of {op.name}, {value!r}, is not defined before it", op)
        for inner in op.regions:
            yield from _scopes(inner, visible)
        visible.update(op.results)
        added += op.results
    visible.difference_update(added)


def check_types(fn: Func) -> Iterator[Violation]:
    """Find ops whose types are not those of their record."""
    for op in _inner_first(fn.body):
        if op.name not in REGISTRY:
            yield Violation(f"there is no operation {op.name}", op)
            continue
        found = tuple(v.type for v in op.results)
        try:
            expected = tuple(
                REGISTRY[op.name].infer([v.type for v in op.operands], op.attributes, op.regions)
            )
        except UserError as error:
            yield Violation(f"{op.name} refuses its operands: {error.sentence}", op)
        except Exception as error:  # a record may rely on operands that are not there
            yield Violation(f"the record of {op.name} fails: {type(error).__name__}: {error}", op)
        else:
            if expected != found:
                yield Violation(
                    f"{op.name} has types {_types(found)}, its record gives {_types(expected)}", op
                )


def _inner_first(region: Region) -> Iterator[Op]:
    """Every op, after those of its regions: the record of the outer one looks at what they yield."""
    for op in region.ops:
        for inner in op.regions:
            yield from _inner_first(inner)
        yield op


def _types(types: Sequence[Type]) -> str:
    return f"({', '.join(map(str, types))})"


def _is_terminator(op: Op) -> bool:
    record = REGISTRY.get(op.name)
    return record is not None and record.has("terminator")


def check_terminators(fn: Func) -> Iterator[Violation]:
    """Find regions without the right terminator at their end, or with one before it."""
    yield from _terminated(fn.body, None, ("return",))
    for op in walk(fn):
        for region in op.regions:
            yield from _terminated(region, op, ("return",) if op.name == "fusion" else ("yield",))


def _terminated(region: Region, owner: Op | None, kinds: tuple[str, ...]) -> Iterator[Violation]:
    name = owner.name if owner is not None else "function"
    if not region.ops:
        yield Violation(f"a region of {name} is empty", owner)
        return
    if region.ops[-1].name not in kinds:
        yield Violation(
            f"a region of {name} ends with {region.ops[-1].name}, not with {' or '.join(kinds)}",
            region.ops[-1],
        )
    for op in region.ops[:-1]:
        if _is_terminator(op):
            yield Violation(f"{op.name} is not the last op of its region", op)


# ---- I5: regions and their owners


def check_regions(fn: Func) -> Iterator[Violation]:
    """Find regions whose parameters do not fit the op that owns them."""
    for op in walk(fn):
        rule = _REGION_RULES.get(op.name)
        if rule is None:
            if op.regions:
                yield Violation(f"{op.name} has regions", op)
            continue
        count, check = rule
        if count and len(op.regions) != count:
            yield Violation(f"{op.name} has {len(op.regions)} regions, not {count}", op)
        else:
            yield from (Violation(text, op) for text in check(op))


def _params(region: Region) -> tuple[Type, ...]:
    return tuple(p.type for p in region.params)


def _operand_types(op: Op) -> tuple[Type, ...]:
    return tuple(v.type for v in op.operands)


def _is_condition(ty: Type) -> bool:
    """A bool scalar; before the loop level it may lie in memory."""
    if isinstance(ty, VectorType):
        return ty == VectorType(BOOL)
    return isinstance(ty, TensorType | BufferType) and ty.dtype == BOOL and ty.shape == ()


def _check_if(op: Op) -> Iterator[str]:
    if len(op.operands) != 1 or not _is_condition(op.operands[0].type):
        yield f"the condition of if has type {_types(_operand_types(op))}, not one bool"
    if any(region.params for region in op.regions):
        yield "a branch of if has parameters"


def _check_for(op: Op) -> Iterator[str]:
    types, params = _operand_types(op), _params(op.regions[0])
    if len(types) < 3 or len(params) != len(types) - 2:
        yield f"for has {len(types)} operands and {len(params)} parameters"
        return
    index = params[0]
    if isinstance(index, IndexType):
        if as_symbol(index.dim) is None:
            yield f"the index of for has type {index}, not that of a symbol"
        if not all(isinstance(t, IndexType) for t in types[:3]):
            yield f"the bounds of for have types {_types(types[:3])}, not index"
    elif index != VectorType(I64):
        yield f"the index of for has type {index}"
    elif any(t != VectorType(I64) and not isinstance(t, IndexType) for t in types[:3]):
        yield f"the bounds of for have types {_types(types[:3])}, not i64"
    if params[1:] != types[3:]:
        yield f"for carries {_types(types[3:])}, its parameters are {_types(params[1:])}"


def _check_while(op: Op) -> Iterator[str]:
    types = _operand_types(op)
    for region in op.regions:
        if _params(region) != types:
            yield f"while carries {_types(types)}, the parameters are {_types(_params(region))}"
    terminator = op.regions[0].terminator.operands
    if len(terminator) != 1 or not _is_condition(terminator[0].type):
        yield "the condition of while does not yield one bool"


def _check_fusion(op: Op) -> Iterator[str]:
    types, params = _operand_types(op), _params(op.regions[0])
    outputs = op.attributes.get("outputs")
    if outputs is None:
        if params != types:
            yield f"fusion takes {_types(types)}, its parameters are {_types(params)}"
        return
    if not isinstance(outputs, int) or not 0 <= outputs <= len(types):
        yield f"fusion has {outputs} outputs among {len(types)} operands"
        return
    inputs = types[: len(types) - outputs]
    if not all(_fits(p, t) for p, t in zip(params, types, strict=False)) or len(params) not in (
        len(inputs),
        len(types),
    ):
        yield f"fusion takes {_types(types)}, its parameters are {_types(params)}"
    returned = tuple(v.type for v in op.regions[0].terminator.operands)
    if len(returned) != outputs or not all(map(_fits, returned, types[len(inputs) :])):
        yield f"fusion writes {_types(types[len(inputs) :])}, its region returns {_types(returned)}"


def _fits(inside: Type, outside: Type) -> bool:
    """Whether a tensor inside a fusion is what its buffer outside holds."""
    if isinstance(inside, TensorType) and isinstance(outside, BufferType):
        return (inside.dtype, inside.shape) == (outside.dtype, outside.shape)
    return inside == outside


def _check_custom(op: Op) -> Iterator[str]:
    types, count = tuple(_operand_types(op)), len(op.regions[0].params)
    found = tuple(v.type for v in op.regions[0].terminator.operands)
    if types[:count] != tuple(_params(op.regions[0])) or types[count:] != found:
        yield f"custom_gradient of {_types(types)} has a region from {count} cotangents to {_types(found)}"


def _check_kernel(op: Op) -> Iterator[str]:
    if op.operands or op.regions[0].params or op.regions[0].terminator.operands:
        yield "a kernel has operands, parameters or results"


def _check_beside(op: Op) -> Iterator[str]:
    if len(op.regions) < 2 or any(region.params for region in op.regions):
        yield "beside has less than two regions, or parameters"
    if len(op.operands) > 1 or (op.operands and not _is_condition(op.operands[0].type)):
        yield f"the condition of beside has type {_types(_operand_types(op))}, not one bool"


_REGION_RULES: dict[str, tuple[int, Callable[[Op], Iterator[str]]]] = {
    "beside": (0, _check_beside),  # two or more
    "if": (2, _check_if),
    "for": (1, _check_for),
    "while": (2, _check_while),
    "custom_gradient": (1, _check_custom),
    "fusion": (1, _check_fusion),
    "each": (1, _check_fusion),
    "kernel": (1, _check_kernel),
}


# ---- I6: tokens


def check_tokens(fn: Func) -> Iterator[Violation]:
    """Find tokens that are used twice or in an inner region."""
    homes = _homes(fn.body, {})
    for value, places in uses(fn).items():
        if not isinstance(value.type, TokenType):
            continue
        if len(places) > 1:
            yield Violation(f"token {value!r} is used {len(places)} times", places[1][0])
        home = value.owner if isinstance(value.owner, Region) else homes.get(value.owner)
        if homes[places[0][0]] is not home:
            yield Violation(f"token {value!r} is taken from outside the region", places[0][0])


def _homes(region: Region, homes: dict[Op, Region]) -> dict[Op, Region]:
    """The region that each op stands in."""
    for op in region.ops:
        homes[op] = region
        for inner in op.regions:
            _homes(inner, homes)
    return homes


# ---- I7: symbols


def check_symbols(fn: Func) -> Iterator[Violation]:
    """Find symbols that are not bound, bound twice, of two ranges or of a name that no text can hold."""
    for name, symbol in fn.symbols.items():
        if name != symbol.name or not is_symbol_name(name):
            yield Violation(f"{symbol.name!r} cannot be the name of a symbol")
        if symbol.upper is not None and symbol.upper < symbol.lower:
            yield Violation(f"the range {symbol.lower}..{symbol.upper} of {name} is empty")
    yield from _Symbols(fn).region(fn.body, None, {})


class _Symbols:
    """The symbols in scope while a function is walked."""

    def __init__(self, fn: Func) -> None:
        self.header = fn.symbols
        self.bound: set[str] = set(fn.symbols)
        self.lowered = fn.stage in ("buffers", "loops")

    def region(self, region: Region, owner: Op | None, outer: dict[str, Symbol]) -> Iterator[Violation]:
        scope = {**self.header, **outer}
        for param in region.params:
            symbol = as_symbol(param.type.dim) if isinstance(param.type, IndexType) else None
            counts = owner is not None and owner.name == "for" and param.index == 0
            if symbol is not None and (counts or symbol.name not in scope):
                yield from self.bind(symbol, owner, scope)
            elif self.lowered and param.type == VectorType(I64) and param.name:
                scope.setdefault(param.name, Symbol(param.name))
        for param in region.params:
            yield from self.used(param.type, owner, scope)
        for op in region.ops:
            yield from self.op(op, scope)

    def bind(self, symbol: Symbol, op: Op | None, scope: dict[str, Symbol]) -> Iterator[Violation]:
        if symbol.name in self.bound:
            yield Violation(f"symbol {symbol} is bound twice", op)
        if not is_symbol_name(symbol.name):
            yield Violation(f"{symbol.name!r} cannot be the name of a symbol", op)
        self.bound.add(symbol.name)
        scope[symbol.name] = symbol

    def op(self, op: Op, scope: dict[str, Symbol]) -> Iterator[Violation]:
        if op.name == "to_index":
            for value in op.results:
                symbol = as_symbol(value.type.dim) if isinstance(value.type, IndexType) else None
                if symbol is None:
                    yield Violation(f"to_index gives {value.type}, not a symbol", op)
                else:
                    yield from self.bind(symbol, op, scope)
        if self.lowered and op.name == "alloc" and "most" in op.attributes:
            new = {s.name: s for dim in dims_of_type(op.result.type) for s in symbols_of(dim)}
            scope.update({**new, **scope})
        for attribute in op.attributes.values():
            for dim in dims_of_attribute(attribute):
                yield from self.check(symbols_of(dim), op, scope)
        for value in op.results:
            yield from self.used(value.type, op, scope)
        for region in op.regions:
            yield from self.region(region, op, scope)

    def used(self, ty: Type, op: Op | None, scope: dict[str, Symbol]) -> Iterator[Violation]:
        for dim in dims_of_type(ty):
            yield from self.check(symbols_of(dim), op, scope)

    def check(
        self, symbols: Iterator[Symbol], op: Op | None, scope: dict[str, Symbol]
    ) -> Iterator[Violation]:
        for symbol in symbols:
            known = scope.get(symbol.name)
            if known is None:
                yield Violation(f"symbol {symbol} is not bound here", op)
            elif not self.lowered and (known.lower, known.upper) != (symbol.lower, symbol.upper):
                ranges = f"{known.lower}..{known.upper} and {symbol.lower}..{symbol.upper}"
                yield Violation(f"symbol {symbol} has two ranges, {ranges}", op)


# ---- I8 and I9: stages and the header


def check_stage(fn: Func) -> Iterator[Violation]:
    """Find ops and types that the stage does not allow."""
    if fn.stage not in STAGES:
        yield Violation(f"there is no stage {fn.stage!r}")
        return
    allowed = _TYPES_OF_STAGE[fn.stage]
    for param in fn.params:
        if not isinstance(param.type, allowed):
            yield Violation(f"stage {fn.stage!r} has no {param.type}")
    yield from _stage_of_region(fn.body, fn.stage, allowed)


_TENSORS = (TensorType, IndexType, TokenType)
_LANES = (BufferType, VectorType, IndexType, TokenType)
_TYPES_OF_STAGE: dict[str, tuple[type, ...]] = {
    "tensor": _TENSORS,
    "fused": _TENSORS,
    "buffers": _LANES,
    "loops": _LANES,
}
_SHARED_OPS = ("alloc", "view", "copy", "load", "store", "fail_if")  # of the loop level, also between fusions


def _stage_of_region(region: Region, stage: str, allowed: tuple[type, ...]) -> Iterator[Violation]:
    for op in region.ops:
        record = REGISTRY.get(op.name)
        early = stage in ("tensor", "fused") or (stage == "buffers" and op.name not in _SHARED_OPS)
        if record is not None and record.has("loop") and early:
            yield Violation(f"stage {stage!r} has no {op.name}", op)
        if op.name == "fusion" and stage in ("tensor", "loops"):
            yield Violation(f"stage {stage!r} has no fusion", op)
        inside = _TENSORS if op.name == "fusion" and stage == "buffers" else allowed
        for value in [*op.results, *(p for r in op.regions for p in r.params)]:
            number = stage == "buffers" and value.type == TensorType(I64)  # what from_index gives
            if not isinstance(value.type, (*inside, *allowed)) and not number:
                yield Violation(f"stage {stage!r} has no {value.type}", op)
        for inner in op.regions:
            yield from _stage_of_region(inner, "fused" if inside is not allowed else stage, (*inside,))


def check_header(fn: Func) -> Iterator[Violation]:
    """Find results that do not fit the parameter they are written to."""
    for number in fn.strided:
        if not 0 <= number < len(fn.params):
            yield Violation(f"parameter {number} is strided and does not exist")
    if fn.into and len(fn.into) != len(fn.results) and fn.stage in ("tensor", "fused"):
        yield Violation(f"{len(fn.into)} places for {len(fn.results)} results")
    for number, (into, value) in enumerate(zip(fn.into, fn.results, strict=False)):
        if into >= len(fn.params) or into < -1:
            yield Violation(f"result {number} is written to parameter {into}, which does not exist")
        elif into >= 0 and not _same_elements(fn.params[into].type, value.type):
            yield Violation(f"result {number} of type {value.type} is written to a {fn.params[into].type}")
    written = [into for into in fn.into if into >= 0]
    if len(set(written)) != len(written):
        yield Violation("two results are written to one parameter")


def _same_elements(a: Type, b: Type) -> bool:
    if isinstance(a, TensorType | BufferType) and isinstance(b, TensorType | BufferType):
        return (a.dtype, a.shape) == (b.dtype, b.shape)
    return False


INVARIANTS: dict[str, tuple[str, Check]] = {
    "I1": ("every value is defined once, and knows its place", check_definitions),
    "I2": ("every use is in scope of its definition", check_scopes),
    "I4": (
        "every region ends with a terminator, of the kind its owner needs, and has no other",
        check_terminators,
    ),
    "I5": ("the parameters of a region fit the op that owns it", check_regions),
    "I3": ("an op's record yields the types of its results", check_types),
    "I6": ("a token is used at most once, and no region takes one from outside", check_tokens),
    "I7": (
        "every symbol is bound before it is used, once, has one range and a name that the text can hold",
        check_symbols,
    ),
    "I8": ("the stage of the function allows each op and type", check_stage),
    "I9": ("the header fits: results that are written to a parameter have its type", check_header),
}
"""The numbered invariants, in an order in which each may rely on those before it."""
