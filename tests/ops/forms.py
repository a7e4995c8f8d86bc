"""The forms of an op carried out by the interpreter, to compare with its NumPy meaning."""

from itertools import count

import numpy as np

from weft.ir.builder import Builder
from weft.ir.dims import Symbol, as_symbol, atom_dim, fold_dim, symbol
from weft.ir.expr import Expr, select
from weft.ir.interp import interpret
from weft.ir.node import Func, Op, Region
from weft.ir.opdef import REGISTRY, Scalar
from weft.ir.types import I64, BufferType, TensorType, VectorType, dtype_of


def tensor_type(array):
    return TensorType(dtype_of(array.dtype), array.shape)


def one_op(name, attributes, arrays):
    """A function of one op."""
    region = Region([tensor_type(a) for a in arrays])
    builder = Builder(region)
    op = builder.emit(name, region.params, attributes)
    builder.emit("return", op.results)
    return Func("one", region)


def symbolic(name, attributes, arrays):
    """The same with a symbol for each distinct size."""
    sizes = {d: symbol(f"n{d}") for a in arrays for d in a.shape}
    region = Region([TensorType(dtype_of(a.dtype), tuple(sizes[d] for d in a.shape)) for a in arrays])
    builder = Builder(region)
    op = builder.emit(name, region.params, attributes)
    builder.emit("return", op.results)
    return Func("one", region, {s.name: s for s in map(as_symbol, sizes.values())})


# ---- scalar


def run_scalar(name, attributes, arrays):
    """The scalar rule of an op on all elements at once, as lanes."""
    lanes = arrays[0].size
    region = Region([VectorType(dtype_of(a.dtype), lanes) for a in arrays])
    builder = Builder(region)
    result = REGISTRY[name].form.rule(attributes, *map(builder.expr, region.params))
    builder.emit("return", [result.value])
    return interpret(Func("scalar", region, stage="loops"), *arrays)[0].reshape(arrays[0].shape)


# ---- element


class ElementContext:
    """Writes an element rule in scalar ops; conditions become branches, so that only what is taken is read."""  # noqa: E501

    def __init__(self, builder, buffers, shapes):
        self.builder = builder
        self.buffers = buffers
        self.shapes = shapes
        self.symbols = {}
        self.names = map("s{}".format, count())

    def index_value(self, index):
        names = {
            "floordiv": "floor_divide",
            "mod": "remainder",
            "min": "minimum",
            "max": "maximum",
            "add": "add",
            "mul": "multiply",
        }
        return fold_dim(
            index,
            self.builder.index,
            lambda s: Expr(self.builder, self.symbols[s.name].value),
            lambda kind, a, b: Expr(self.builder, self.builder.emit(names[kind], [a.value, b.value]).result),
        )

    def read(self, number, index):
        offset = 0
        for i, size in zip(index, self.shapes[number], strict=True):
            offset = offset * size + i
        operands = [self.buffers[number], self.index_value(offset).value]
        return self.builder.expr(self.builder.emit("load", operands, {"lanes": 1}).result)

    def element(self, value):
        op, form = value.op, REGISTRY[value.op.name].form
        if op.name == "constant":
            return self.builder.constant(op.attributes["value"], VectorType(value.type.dtype, 1))
        if isinstance(form, Scalar):
            operands = [self.element(v) for v in op.operands]
            return (
                form.rule(op.attributes, *operands)
                if form.rule
                else operands[0].apply(op.name, *operands[1:])
            )
        return form.rule(Beside(self, op), op, ())

    def as_index(self, value, lower, upper):
        name = next(self.names)
        self.symbols[name] = value
        return atom_dim(Symbol(name, lower, upper - 1))

    def where(self, condition, then, otherwise):
        def inside(make):
            def write(builder):
                before, self.builder = self.builder, builder
                result = make()
                self.builder = before
                return [result]

            return write

        return self.builder.branch(condition, inside(then), inside(otherwise))[0]

    def piecewise(self, index, pieces):
        (bound, make), *rest = pieces
        if bound is None:
            return make()
        if isinstance(index, int) and isinstance(bound, int):
            return make() if index < bound else self.piecewise(index, rest)
        return self.where(
            self.index_value(index).lt(self.index_value(bound)), make, lambda: self.piecewise(index, rest)
        )

    def index_of(self, number, index, size, axis):
        return self.as_index(self.check_index(self.read(number, index), size, axis), 0, size)

    def check_index(self, value, size, axis):
        size = self.index_value(size)
        wrapped = select(value.lt(0), value + size, value)
        bad = wrapped.lt(0) | wrapped.ge(size)
        self.builder.emit(
            "fail_if", [bad.value, value.value, size.value, self.builder.index(axis).value], {"code": "index"}
        )
        return select(bad, wrapped.like(0), wrapped)


class Beside:
    """The same for an op outside of the region: its operands are computed too, or are buffers."""

    def __init__(self, context, op):
        self.context, self.op = context, op

    def __getattr__(self, name):
        return getattr(self.context, name)

    def read(self, number, index):
        value = self.op.operands[number]
        if value.op is None:
            return self.context.read(value.index, index)
        return REGISTRY[value.op.name].form.rule(Beside(self.context, value.op), value.op, index)

    def index_of(self, number, index, size, axis):
        return self.as_index(self.check_index(self.element(self.op.operands[number]), size, axis), 0, size)


def run_element(name, attributes, arrays, indices):
    """Elements of the result at `indices` by the element rule."""
    types = [tensor_type(a) for a in arrays]
    outer = Region(types)
    results = REGISTRY[name].infer(types, attributes, ())
    op = Op(name, outer.params, results, attributes)
    region = Region([BufferType(t.dtype, t.shape) for t in types])
    builder = Builder(region)
    context = ElementContext(builder, region.params, [a.shape for a in arrays])
    elements = [REGISTRY[name].form.rule(context, op, index) for index in indices]
    builder.emit("return", [e.value for e in elements])
    given = [np.array(a, order="C") for a in arrays]
    return [r[0] for r in interpret(Func("element", region, stage="loops"), *given)]


# ---- combine


def run_combine(name, attributes, array, split):
    """The reduction of `array` by its rules: elements before and after `split` one after the other, then merged."""  # noqa: E501
    axis, form = attributes["axis"], REGISTRY[name].form
    rows = np.moveaxis(array, axis, 0)
    lanes = max(rows[0].size, 1)
    region = Region([VectorType(dtype_of(array.dtype), lanes) for _ in rows])
    builder = Builder(region)

    def number(value, dtype=I64):
        return builder.constant(value, VectorType(dtype, lanes))

    def fold(start, stop):
        accumulators = [number(value, dtype) for dtype, value in form.initial(dtype_of(array.dtype))]
        for position in range(start, stop):
            element = builder.expr(region.params[position])
            accumulators = form.step(accumulators, element, number(position), number(position - start + 1))
        return accumulators

    size = len(rows)
    merged = form.merge(fold(0, split), fold(split, size), number(split), number(size - split))
    results = form.finish(attributes, merged, number(size))
    builder.emit("return", [r.value for r in results])
    found = interpret(Func("combine", region, stage="loops"), *[r.reshape(-1) for r in rows])
    return [f.reshape(rows.shape[1:]) for f in found]
