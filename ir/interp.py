"""The reference interpreter: runs a Func of any stage op by op with NumPy. It defines what a program means.

Tensors are arrays, indices are ints, lanes are arrays of shape [lanes], buffers are checked memory
(`memory.py`). Parallel loops run one iteration after the other, in a shuffled order if asked. The first
failure in program order is raised; memory then holds what was written before it. Not here: ops of
memory (`accesses.py`), speed, anything of a target.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import numpy as np

from weft.ir.accesses import MEMORY, Runtime, integer, lane_array
from weft.ir.block import Thread, has_meetings, run_block
from weft.ir.dims import DimLike, as_symbol, evaluate_dim
from weft.ir.errors import IndexFault, InternalError, ShapeError, WeftError, failure
from weft.ir.memory import Buffer, Races, Traffic, allocate, numpy_dtype, wrap
from weft.ir.node import Attributes, Func, Op, Region, Value
from weft.ir.opdef import REGISTRY
from weft.ir.parameters import STRIDE, argument_numbers, sizes_of
from weft.ir.rewrite import substitute_attributes
from weft.ir.source import Location
from weft.ir.types import INDEX, BufferType, IndexType, TensorType, Type, VectorType
from weft.ir.walk import dims_of_attribute

Step = Callable[[], None]
PythonCall = Callable[[Sequence[np.ndarray], Sequence[tuple[int, ...]]], Sequence[np.ndarray]]
PARALLEL = ("parallel", "grid", "thread")


def interpret(
    fn: Func,
    *arguments: object,
    sizes: Mapping[str, int] | None = None,
    traffic: Traffic | None = None,
    seed: int | None = None,
    races: bool = False,
    callbacks: Sequence[PythonCall] = (),
) -> list[np.ndarray]:
    """The results of `fn`: new arrays, and for those that are written to an argument that argument.

    Symbols get their values from the shapes of the arguments and from `sizes`. Buffer parameters without an
    argument are results: their memory is made here, and they are appended to what the function returns.
    `traffic` counts bytes; `seed` shuffles the iterations of parallel loops; `races` checks that they
    share no memory that one writes; `callbacks` are the Python functions that ops `callback` call by number:
    from arrays, and the shapes of operands and results, to arrays. Raises
    IndexFault and other errors of the program with the user's line,
    InternalError for what a right program cannot do (memory accessed outside, a race, a result that is not
    of its type).
    """
    machine = Machine(traffic, seed, Races() if races else None)
    machine.known.update(sizes or {})
    machine.callbacks = callbacks
    given = [np.asarray(a) for a in arguments]
    machine.bind(fn, given)
    returned = machine.run(fn.body)
    taken = argument_numbers(fn, len(given))
    made = [
        machine.values[p]
        for p, number in zip(fn.params, taken, strict=True)
        if number is None and isinstance(p.type, BufferType)
    ]
    returned += [buffer for buffer in made if not any(buffer is r for r in returned)]
    results = [v.array() if isinstance(v, Buffer) else np.array(v) for v in returned]
    for number, into in enumerate(fn.into):
        if 0 <= into < len(given):
            if fn.stage in ("tensor", "fused"):
                np.copyto(given[into], results[number], casting="no")
            results[number] = given[into]
    return results


def _as_array(value: Runtime) -> np.ndarray:
    return value.array() if isinstance(value, Buffer) else np.asarray(value)


class Machine:
    """The state of one run: values, sizes, traffic. A region becomes a list of steps when it first runs."""

    def __init__(
        self, traffic: Traffic | None = None, seed: int | None = None, races: Races | None = None
    ) -> None:
        self.values: dict[Value, Runtime] = {}
        self.known: dict[str, int] = {}
        self.traffic = traffic
        self.races = races
        self.shuffle = None if seed is None else np.random.default_rng(seed)
        self.in_kernel = False
        self.allocations = 0
        self.thread: Thread | None = None
        self.callbacks: Sequence[PythonCall] = ()
        self._steps: dict[Region, list[Step]] = {}

    # ---- parameters

    def bind(self, fn: Func, arguments: Sequence[np.ndarray]) -> None:
        """Give parameters their arguments and symbols their sizes; raises ShapeError if they do not fit."""
        numbers = argument_numbers(fn, len(arguments))
        given = [(p, n, arguments[n]) for p, n in zip(fn.params, numbers, strict=True) if n is not None]
        for param, _, argument in given:
            if param.type == INDEX and param.name:
                self.known.setdefault(param.name, int(argument))
            for dim, size in sizes_of(param.type, argument):
                symbol = as_symbol(dim)
                if symbol is not None:
                    self.known.setdefault(symbol.name, size)
        for symbol in fn.symbols.values():
            if symbol.name in self.known:
                self.set_symbol(symbol.name, symbol.lower, symbol.upper, self.known[symbol.name])
        for param, number, argument in given:
            self.check_argument(param, number, argument)
            self.values[param] = self.argument(param.type, argument, f"argument {number}")
        results = 0
        for param, number in zip(fn.params, numbers, strict=True):
            if number is None:
                self.values[param] = self.made(fn, param, arguments, results)
                results += isinstance(param.type, BufferType)

    def made(self, fn: Func, param: Value, arguments: Sequence[np.ndarray], result: int) -> Runtime:
        """What a parameter holds that is no argument: memory of a result, a size or a stride."""
        ty, stride = param.type, STRIDE.fullmatch(param.name)
        if isinstance(ty, BufferType):
            return allocate(ty, self.shape(ty.shape), f"result {result}")
        if isinstance(ty, IndexType):
            return self.size(ty.dim)
        if ty == INDEX and param.name in self.known:
            return np.array([self.known[param.name]])
        if ty == INDEX and stride is not None:
            return np.array([arguments[int(stride[1])].strides[int(stride[2])]])
        raise ShapeError(f"{fn.name} takes {len(fn.params)} arguments, got {len(arguments)}")

    def argument(self, ty: Type, argument: np.ndarray, label: str) -> Runtime:
        """What a parameter of this type holds."""
        if isinstance(ty, BufferType):
            return wrap(argument, ty, label)
        if isinstance(ty, IndexType):
            return int(argument)
        return argument.reshape(ty.lanes) if isinstance(ty, VectorType) else argument

    def check_argument(self, param: Value, number: int, argument: np.ndarray) -> None:
        """Compare an argument with its type."""
        ty = param.type
        for dim, size in sizes_of(ty, argument):
            if self.size(dim) != size:
                raise ShapeError(f"argument {number} is {ty}, got an array of shape {argument.shape}")
        if isinstance(ty, TensorType | BufferType | VectorType) and argument.dtype != numpy_dtype(ty.dtype):
            raise ShapeError(f"argument {number} is {ty}, got an array of {argument.dtype}")

    def set_symbol(self, name: str, lower: int, upper: int | None, size: int) -> None:
        """Bind a symbol; raises ShapeError outside its range."""
        if size < lower or (upper is not None and size > upper):
            raise ShapeError(f"size {name} is {size}, outside of {lower}..{'' if upper is None else upper}")
        self.known[name] = size

    def size(self, dim: DimLike) -> int:
        """The number that an expression is now."""
        return dim if isinstance(dim, int) else evaluate_dim(dim, self.known)

    def shape(self, dims: Sequence[DimLike]) -> tuple[int, ...]:
        """The numbers of a shape."""
        return tuple([self.size(d) for d in dims])

    # ---- running

    def run(self, region: Region) -> list[Runtime]:
        """Run the ops of a region; gives the operands of its terminator."""
        steps = self._steps.get(region)
        if steps is None:
            steps = self._steps[region] = [self.step(op) for op in region.ops[:-1]]
        for step in steps:
            step()
        values = self.values
        return [values[v] for v in region.ops[-1].operands]

    def enter(self, region: Region, params: Sequence[Runtime]) -> list[Runtime]:
        """Bind the parameters of a region and run it."""
        for param, value in zip(region.params, params, strict=True):
            self.values[param] = value
            if isinstance(param.type, IndexType):
                self.bind_index(param.type, integer(value))
            elif param.type == INDEX and param.name:
                self.known[param.name] = integer(value)
        return self.run(region)

    def bind_index(self, ty: IndexType, value: int) -> None:
        """A value of type index is defined: bind its symbol, or check its expression."""
        symbol = as_symbol(ty.dim)
        if symbol is not None:
            self.set_symbol(symbol.name, symbol.lower, symbol.upper, value)
        elif self.size(ty.dim) != value:
            raise InternalError(f"a value of type {ty} is {value}")

    def set(self, op: Op, results: Sequence[Runtime]) -> None:
        """Define the results of an op."""
        for value, result in zip(op.results, results, strict=True):
            self.values[value] = result
            if isinstance(value.type, IndexType):
                self.bind_index(value.type, integer(result))

    def step(self, op: Op) -> Step:
        """A function that runs `op` once."""
        if op.name == "callback":
            return lambda: _callback(self, op)  # what it raises is the user's own
        handler = _HANDLERS.get(op.name)
        if handler is not None:
            return lambda: self.guarded(op, handler)
        if REGISTRY[op.name].evaluate is None:
            raise InternalError(f"the interpreter does not know {op.name}", location=_location(op))
        if len(op.results) == 1 and isinstance(op.results[0].type, VectorType):
            return self.lanes_step(op)
        return lambda: self.guarded(op, _evaluate)

    def guarded(self, op: Op, handler: "Handler") -> None:
        """Run a handler; errors of the program get the line of the op."""
        try:
            handler(self, op)
        except WeftError as error:
            if error.location is None:
                error.location = _location(op)
            raise
        except IndexError as error:
            if op.regions or op.name in ("check", "fail_if"):  # the user's own
                raise
            shown = re.sub(r"-\d{18,}", lambda found: str(int(found[0]) + IndexFault.apart), str(error))
            raise IndexFault(shown, location=_location(op)) from error

    def lanes_step(self, op: Op) -> Step:
        """The fast way for arithmetic of the loop level: attributes hold no symbols, one result."""
        rule, attributes, values, result = REGISTRY[op.name].evaluate, op.attributes, self.values, op.result
        assert rule is not None
        evaluate = cast("Callable[..., np.ndarray]", rule)  # one result is one array
        match op.operands:
            case ():
                constant = evaluate(attributes)
                return lambda: values.__setitem__(result, constant)
            case (a,):
                return lambda: values.__setitem__(result, evaluate(attributes, values[a]))
            case (a, b):
                return lambda: values.__setitem__(result, evaluate(attributes, values[a], values[b]))
            case operands:
                return lambda: values.__setitem__(
                    result, evaluate(attributes, *[values[v] for v in operands])
                )

    def attributes(self, op: Op) -> Attributes:
        """The attributes with numbers for sizes."""
        if not any(next(dims_of_attribute(a), None) is not None for a in op.attributes.values()):
            return op.attributes
        return substitute_attributes(op.attributes, self.known)

    def label(self, ty: BufferType) -> str:
        """A name for memory that is made now."""
        self.allocations += 1
        return (
            f"{'arena' if ty.space == 'global' and not self.in_kernel else 'scratch'} {self.allocations - 1}"
        )


Handler = Callable[[Machine, Op], None]


def _location(op: Op) -> Location | None:
    return op.locations[0] if op.locations else None


# ---- tensors


def _evaluate(machine: Machine, op: Op) -> None:
    evaluate = REGISTRY[op.name].evaluate
    assert evaluate is not None
    operands = [machine.values[v] for v in op.operands]
    results = evaluate(machine.attributes(op), *operands)
    results = list(results) if isinstance(results, tuple) else [results]
    for number, (value, array) in enumerate(zip(op.results, results, strict=True)):
        _check_result(machine, op, value.type, np.asarray(array))
        machine.values[value] = np.asarray(results[number])


def _check_result(machine: Machine, op: Op, ty: Type, array: np.ndarray) -> None:
    if not isinstance(ty, TensorType):
        return
    expected = machine.shape(ty.shape)
    if array.shape != expected or array.dtype != numpy_dtype(ty.dtype):
        raise InternalError(
            f"{op.name} gives {array.dtype}{list(array.shape)}, its type {ty} is {list(expected)} now"
        )


# ---- structure


def _if(machine: Machine, op: Op) -> None:
    holds = integer(machine.values[op.operands[0]])
    machine.set(op, machine.run(op.regions[0 if holds else 1]))


def _while(machine: Machine, op: Op) -> None:
    carried: Sequence[Runtime] = [machine.values[v] for v in op.operands]
    condition, body = op.regions
    while integer(machine.enter(condition, carried)[0]):
        carried = machine.enter(body, carried)
    machine.set(op, carried)


def _for(machine: Machine, op: Op) -> None:
    lower, upper, step = (integer(machine.values[v]) for v in op.operands[:3])
    if step == 0:
        raise InternalError("a loop has step 0")
    carried: Sequence[Runtime] = [machine.values[v] for v in op.operands[3:]]
    (body,) = op.regions
    lanes = bool(body.params) and isinstance(body.params[0].type, VectorType)
    if op.attributes.get("kind") == "thread" and has_meetings(body):
        _block(machine, body, range(lower, upper, step))
        return
    if op.attributes.get("kind") in PARALLEL and not carried:
        _parallel(machine, body, range(lower, upper, step), lanes=lanes)
        return
    for index in range(lower, upper, step):
        carried = machine.enter(body, [np.array([index]) if lanes else index, *carried])
    machine.set(op, carried)


def _parallel(machine: Machine, body: Region, indices: Sequence[int], *, lanes: bool) -> None:
    _in_any_order(
        machine, indices, lambda index: machine.enter(body, [np.array([index]) if lanes else index])
    )


def _beside(machine: Machine, op: Op) -> None:
    found: dict[int, list[Runtime]] = {}
    _in_any_order(
        machine,
        range(len(op.regions)),
        lambda number: found.__setitem__(number, machine.run(op.regions[number])),
    )
    machine.set(op, [value for number in sorted(found) for value in found[number]])


def _in_any_order(machine: Machine, indices: Sequence[int], run: Callable[[int], object]) -> None:
    """Iterations in any order; all run, and the failure with the smallest index is raised (DESIGN D13)."""
    failures: dict[int, WeftError] = {}
    order = list(indices)
    if machine.shuffle is not None:
        machine.shuffle.shuffle(order)
    outermost = machine.races is not None and not machine.races.iteration
    for number, index in enumerate(order, 1):
        if machine.races is not None and outermost:
            machine.races.iteration = number
        try:
            run(index)
        except InternalError:
            raise
        except WeftError as error:
            failures[index] = error
    if machine.races is not None and outermost:
        machine.races.begin()
    if failures:
        raise failures[min(failures, key=order.index if machine.shuffle is None else int)]


def _block(machine: Machine, body: Region, indices: Sequence[int]) -> None:
    """Threads that meet: each has values of its own, memory is shared."""
    order = list(range(len(indices)))
    if machine.shuffle is not None:
        machine.shuffle.shuffle(order)

    def run_thread(thread: Thread) -> None:
        own = Machine(machine.traffic)
        own.values, own.known = dict(machine.values), dict(machine.known)
        own.in_kernel, own.thread = True, thread
        own.enter(body, [np.array([indices[thread.number]])])

    run_block(len(indices), order, run_thread)


def _meet(machine: Machine, op: Op) -> None:
    """A barrier or an exchange; a thread alone has no one to wait for."""
    value = lane_array(machine.values[op.operands[0]]) if op.operands else None
    if machine.thread is not None:
        value = machine.thread.meet(op, value)
    if op.results:
        machine.values[op.result] = value


def _fusion(machine: Machine, op: Op) -> None:
    (body,) = op.regions
    operands = [machine.values[v] for v in op.operands]
    outputs = op.attributes.get("outputs")
    if outputs is None:
        machine.set(op, machine.enter(body, operands))
        return
    assert isinstance(outputs, int)
    inputs, targets = operands[: len(operands) - outputs], operands[len(operands) - outputs :]
    taken = [
        v.array().copy() if isinstance(v, Buffer) and not isinstance(p.type, BufferType) else v
        for v, p in zip(inputs, body.params, strict=False)
    ]
    if len(body.params) > len(inputs):  # the region may name its outputs too
        taken += targets
    for target, result in zip(targets, machine.enter(body, taken), strict=True):
        assert isinstance(target, Buffer)
        target.array()[...] = _as_array(result)


def _kernel(machine: Machine, op: Op) -> None:
    name = str(op.attributes.get("name", "kernel"))
    if machine.traffic is not None:
        machine.traffic.launch(name)
    machine.in_kernel = True
    try:
        (body,) = op.regions
        machine.enter(body, [machine.values[v] for v in op.operands[: len(body.params)]])
    finally:
        machine.in_kernel = False
        if machine.traffic is not None:
            machine.traffic.launch("")


def _dim(machine: Machine, op: Op) -> None:
    ty = op.result.type
    assert isinstance(ty, IndexType)
    machine.values[op.result] = machine.size(ty.dim)


def _from_index(machine: Machine, op: Op) -> None:
    index = np.int64(integer(machine.values[op.operands[0]]))
    machine.values[op.result] = np.array([index] if isinstance(op.result.type, VectorType) else index)


def _to_index(machine: Machine, op: Op) -> None:
    machine.set(op, [integer(machine.values[op.operands[0]])])


# ---- failure


def _fail_if(machine: Machine, op: Op) -> None:
    mask = lane_array(machine.values[op.operands[0]])
    if not mask.any():
        return
    lane = int(mask.argmax())
    facts = [lane_array(machine.values[v]) for v in op.operands[1:]]
    numbers = [int(f[lane if f.size > 1 else 0]) for f in facts]
    axis = op.attributes.get("axis")
    numbers += [axis] if isinstance(axis, int) else []
    raise failure(op.attributes.get("code", ""), numbers, _location(op))


def _check(machine: Machine, op: Op) -> None:
    if not lane_array(machine.values[op.operands[0]]).all():
        facts = [int(lane_array(machine.values[v])[0]) for v in op.operands[1:]]
        raise failure(op.attributes.get("code", ""), facts, _location(op))


def _callback(machine: Machine, op: Op) -> None:
    """Results as values, or written to the buffers behind the `inputs`."""
    call = machine.callbacks[integer(op.attributes["site"])]  # pyright: ignore[reportArgumentType] -- an int
    values = [machine.values[v] for v in op.operands]
    if op.results or "inputs" not in op.attributes:
        types = [v.type for v in (*op.operands, *op.results)]
        shapes = [machine.shape(ty.shape) for ty in types if isinstance(ty, TensorType)]
        machine.set(op, call([_as_array(v) for v in values], shapes))
        return
    count, ranks = op.attributes["inputs"], op.attributes["ranks"]
    assert isinstance(count, int)
    assert isinstance(ranks, tuple)
    sizes = iter(values[len(ranks) :])
    shapes = [tuple([integer(next(sizes)) for _ in range(cast(int, rank))]) for rank in ranks]
    found = call([_as_array(v) for v in values[:count]], shapes)
    for target, array in zip(values[count : len(ranks)], found, strict=True):
        assert isinstance(target, Buffer)
        target.array()[...] = array.view(target.dtype).reshape(target.array().shape)


_HANDLERS: dict[str, Handler] = {
    "if": _if,
    "while": _while,
    "for": _for,
    "beside": _beside,
    "fusion": _fusion,
    "each": _fusion,
    "kernel": _kernel,
    "dim": _dim,
    "from_index": _from_index,
    "to_index": _to_index,
    "check": _check,
    **MEMORY,
    "prefetch": lambda machine, op: None,
    "fail_if": _fail_if,
    "barrier": _meet,
    "exchange_down": _meet,
    "exchange_from": _meet,
}
"""What ops without an `evaluate` rule do; every other op is its record's NumPy meaning."""
