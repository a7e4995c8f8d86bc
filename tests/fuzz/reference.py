"""What a tensor-level program must give: the interpreter's values, each with the error that a compiled program may have.

Where the error is 0 the bits must be equal (promise 4): elementwise arithmetic, integers, selections, and sums whose every
order is exact. Mathematics has a bound in ulp, other sums and products a running bound; where an error may have turned a
comparison the bound is infinite and nothing is said. Not here: the comparison (`check.py`).
"""

from dataclasses import dataclass

import numpy as np

from weft.compiler.passes.lower_math import MATH
from weft.ir.errors import InternalError
from weft.ir.interp import Machine
from weft.ir.opdef import REGISTRY, Combine, Scalar
from weft.ir.types import IndexType

ULP = {2: 1.0, 4: 8.0, 8: 16.0}
MONOTONE = {
    "exp",
    "exp2",
    "expm1",
    "log",
    "log2",
    "log10",
    "log1p",
    "tanh",
    "sinh",
    "arctan",
    "arcsinh",
    "cbrt",
    "sqrt",
    "erf",
}
LIPSCHITZ = {"sin", "cos", "negative", "absolute"}
INEXACT = {"exp", "log", "power", "power_float", "hypot", "logaddexp", "logaddexp2", "erf", "reciprocal"} | set(MATH) - {
    "floor", "ceil", "trunc", "rint", "floor_divide_float", "remainder_float", "fmod_float", "sqrt",
}  # fmt: skip
FACTORS = {"lu", "cholesky", "triangular", "qr", "rotate_rows"}
COMPARISONS = {"less", "less_equal", "greater", "greater_equal", "equal", "not_equal"}
STEPS = {"floor", "ceil", "trunc", "rint", "sign", "isnan", "isfinite", "isinf"}
MOVES = {"broadcast", "reshape", "transpose", "slice", "update", "pad", "concatenate"}


class Undecided(Exception):
    """A branch depends on a value that is not known well enough."""


@dataclass(frozen=True, slots=True)
class Known:
    """A value with the bound of its error; None is exact."""

    value: np.ndarray
    error: np.ndarray | None = None


def _spacing(z):
    with np.errstate(all="ignore"):
        step = np.spacing(np.abs(z)).astype(np.float64)
    return np.where(np.isfinite(step), step, 0.0)


def _error(known):
    return np.zeros(known.value.shape) if known.error is None else known.error


def _clean(error):
    error = np.where(np.isnan(error), np.inf, error)
    return None if not error.any() else error


class Reference:
    """Runs a Func of stage "tensor"."""

    def __init__(self, fn, arguments, sizes):
        self.machine = Machine()
        self.machine.known.update(sizes)
        self.machine.bind(fn, [np.asarray(a) for a in arguments])
        self.values = {}
        for p in fn.params:
            v = self.machine.values[p]
            self.values[p] = v if isinstance(p.type, IndexType) else Known(np.array(v))
        self.fn = fn

    def run(self):
        """The results, each a `Known`."""
        return self.region(self.fn.body)

    def region(self, region):
        for op in region.ops[:-1]:
            self.op(op)
        return [self.values[v] for v in region.terminator.operands]

    def enter(self, region, values):
        for param, value in zip(region.params, values, strict=True):
            self.values[param] = value
            if isinstance(param.type, IndexType):
                self.machine.bind_index(param.type, value)
        return self.region(region)

    def op(self, op):
        handler = getattr(self, f"_{op.name}", None)
        if handler is not None:
            results = handler(op)
        else:
            results = [self.evaluate(op)]
        for value, known in zip(op.results, results, strict=True):
            if isinstance(known, Known):
                shape = self.machine.shape(value.type.shape)
                if known.value.shape != shape or known.value.dtype != value.type.dtype.numpy:
                    raise InternalError(
                        f"{op.name} gives {known.value.dtype}{known.value.shape}, its type is {value.type}, {shape} now"
                    )
            self.values[value] = known

    # ---------------------------------------------------------------- structure

    def _truth(self, known):
        if known.error is not None and known.error.any():
            raise Undecided
        return bool(known.value)

    def _if(self, op):
        return self.region(op.regions[0 if self._truth(self.values[op.operands[0]]) else 1])

    def _for(self, op):
        lower, upper, step = (self.values[v] for v in op.operands[:3])
        carried = [self.values[v] for v in op.operands[3:]]
        for index in range(lower, upper, step):
            carried = self.enter(op.regions[0], [index, *carried])
        return carried

    def _while(self, op):
        carried = [self.values[v] for v in op.operands]
        while self._truth(self.enter(op.regions[0], carried)[0]):
            carried = self.enter(op.regions[1], carried)
        return carried

    def _dim(self, op):
        return [self.machine.size(op.result.type.dim)]

    def _from_index(self, op):
        return [Known(np.array(self.values[op.operands[0]], np.int64))]

    # ---------------------------------------------------------------- values

    def evaluate(self, op):
        """One op that has a NumPy meaning."""
        operands = [self.values[v] for v in op.operands]
        attributes = self.machine.attributes(op)
        record = REGISTRY[op.name]
        with np.errstate(all="ignore"):
            wide = self._wide(op, record, attributes, operands)
            value = (
                np.asarray(record.evaluate(attributes, *[k.value for k in operands]))
                if wide is None
                else wide
            )
            known = Known(value, self._bound(op, record, attributes, operands, value))
        return known

    @staticmethod
    def _wide(op, record, attributes, operands):
        """Mathematics of float32 and its sums are computed in float64."""
        if not operands or operands[0].value.dtype != np.float32:
            return None
        if op.name in INEXACT or op.name in ("sum", "dot", "variance"):
            wide = np.asarray(record.evaluate(attributes, *[k.value.astype(np.float64) for k in operands]))
            return wide.astype(np.float32)
        return None

    def _bound(self, op, record, attributes, operands, value):
        """The error of a result."""
        exact = all(k.error is None for k in operands)
        if isinstance(record.form, Combine) or op.name == "dot":
            rule = getattr(self, f"_of_{op.name}", None)
            return (
                rule(attributes, operands, value)
                if rule
                else self._of_choice(op.name, attributes, operands, value)
            )
        if op.name in MOVES:
            return None if exact else _clean(np.asarray(record.evaluate(attributes, *map(_error, operands))))
        if op.name == "scatter" and attributes["mode"] == "multiply" and value.dtype.kind == "c":
            return np.full(value.shape, np.inf)  # NumPy's has other bits than its product
        if op.name in ("gather", "scatter"):
            return None if exact else self._of_indexed(op.name, attributes, operands, value)
        if op.name in FACTORS:
            return (
                _factor_bound(op.name, attributes, operands, value) if exact else np.full(value.shape, np.inf)
            )
        if op.name == "fft" and exact:
            (x,) = operands
            count = x.value.shape[-1]
            size = np.abs(x.value.astype(np.complex128)).sum(-1, keepdims=True)
            share = {"none": 1.0, "root": count**-0.5, "count": 1.0 / count}[attributes["scale"]]
            unit = np.finfo(value.dtype).eps * (2 + np.log2(count)) * share
            return _clean(np.broadcast_to(4 * unit * size, value.shape))
        if not isinstance(record.form, Scalar):
            return None if exact else np.full(value.shape, np.inf)
        if op.name in ("copysign", "signbit"):  # which sign a NaN has is not said
            signs = operands[-1].value
            exact = exact and not np.isnan(signs).any()
            operands = [*operands[:-1], Known(signs, np.where(np.isnan(signs), np.inf, _error(operands[-1])))]
        if any(v.dtype.kind == "c" for v in (value, *(k.value for k in operands))):
            return self._of_complex(op.name, operands, value)
        own = (
            ULP[value.dtype.itemsize] * _spacing(value)
            if op.name in INEXACT and value.dtype.kind == "f"
            else None
        )
        if op.name in (
            "logaddexp",
            "logaddexp2",
        ):  # the reference adds to the greater operand, and may cancel it
            own = own + 2 * np.maximum(*(_spacing(k.value) for k in operands))
        if exact:
            return own
        error = self._propagated(op.name, record, attributes, operands, value)
        return _clean(error if own is None else error + own)

    @staticmethod
    def _of_complex(name, operands, value):
        """Arithmetic, selection and comparison have the bits of NumPy; of the rest nothing is said."""
        if name in INEXACT - {"reciprocal"} or name in ("sqrt", "sign"):
            return np.full(value.shape, np.inf)
        worst = sum((_error(k) > 0) for k in operands)
        return _clean(np.where(np.broadcast_to(worst, value.shape), np.inf, 0.0))

    def _propagated(self, name, record, attributes, operands, value):
        e = [_error(k) for k in operands]
        x = [k.value.astype(np.float64) if k.value.dtype.kind == "f" else k.value for k in operands]
        any_wrong = np.where(sum(np.where(a > 0, 1, 0) for a in e) > 0, np.inf, 0.0)
        if name == "select":
            return np.where(e[0] > 0, np.inf, np.where(operands[0].value, e[1], e[2]))
        if x[0].dtype.kind != "f":
            return any_wrong
        if name in ("add", "subtract"):
            return e[0] + e[1] + _spacing(value)
        if name == "multiply":
            return np.abs(x[0]) * e[1] + np.abs(x[1]) * e[0] + e[0] * e[1] + 2 * _spacing(value)
        if name == "divide":
            return (e[0] + np.abs(value) * e[1]) / np.maximum(np.abs(x[1]) - e[1], 0) + 2 * _spacing(value)
        if name in ("maximum", "minimum", "fmax", "fmin"):
            return np.maximum(e[0], e[1])
        if name in LIPSCHITZ:
            return e[0]
        if name in COMPARISONS:
            error = e[0] + e[1]
            is_near = (np.abs(x[0] - x[1]) <= error) | np.isinf(error)  # infinities have no distance
            return np.where(is_near & (error > 0), np.inf, 0.0)
        if name == "square":
            return 2 * np.abs(x[0]) * e[0] + e[0] ** 2 + 2 * _spacing(value)
        if name in MONOTONE and value.dtype.kind == "f":
            low, high = (np.asarray(record.evaluate(attributes, x[0] + s * e[0])) for s in (-1, 1))
            error = np.maximum(np.abs(low - value), np.abs(high - value)) + _spacing(value)
            return np.where(np.isinf(e[0]), np.inf, error)  # it may be NaN
        if name in STEPS or (name == "cast" and value.dtype.kind != "f"):
            low, high = (np.asarray(record.evaluate(attributes, x[0] + s * e[0])) for s in (-1, 1))
            return np.where(((low == high) & (low == value)) | (e[0] == 0), 0.0, np.inf)
        if name == "cast":
            return e[0] + _spacing(value)
        return any_wrong

    @staticmethod
    def _of_indexed(name, attributes, operands, value):
        indices = operands[1:] if name == "gather" else operands[2:]
        if any(k.error is not None for k in indices):
            return np.full(value.shape, np.inf)
        evaluate = REGISTRY[name].evaluate
        places = [k.value for k in indices]
        errors = [_error(k) for k in operands[: len(operands) - len(indices)]]
        if name == "gather":
            return _clean(np.asarray(evaluate(attributes, errors[0], *places)))
        mode = attributes["mode"]
        if mode == "set":
            return _clean(np.asarray(evaluate(attributes, *errors, *places)))
        if mode in ("minimum", "maximum"):
            return _clean(np.asarray(evaluate({**attributes, "mode": "maximum"}, *errors, *places)))
        if mode == "add" and value.dtype.kind == "f":
            size = [np.abs(k.value.astype(np.float64)) for k in operands[:2]]
            total = np.asarray(evaluate(attributes, *size, *places))
            return _clean(
                np.asarray(evaluate(attributes, *errors, *places))
                + np.finfo(value.dtype).eps * places[0].size * total
            )
        return np.where(
            np.asarray(evaluate({**attributes, "mode": "maximum"}, *errors, *places)) > 0, np.inf, 0.0
        )

    # ---------------------------------------------------------------- reductions

    @staticmethod
    def _of_choice(name, attributes, operands, value):
        """max, min, all, any, argmax, argmin: exact on what is exact."""
        (x,) = operands
        if x.error is None:
            return None
        worst = x.error.max(attributes["axis"], initial=0.0)
        if name in ("max", "min") and value.dtype.kind == "f":
            return _clean(worst)
        return _clean(np.where(worst > 0, np.inf, 0.0))

    @staticmethod
    def _of_sum(attributes, operands, value):
        (x,) = operands
        if value.dtype.kind == "c":
            halves = [Known(part.astype(np.float64), x.error) for part in (x.value.real, x.value.imag)]
            bounds = [_sum_bound(k.value, _error(k), attributes["axis"], value.real) for k in halves]
            return _clean(sum(np.zeros(value.shape) if b is None else b for b in bounds))
        if value.dtype.kind != "f":
            return Reference._of_choice("sum", attributes, operands, value)
        return _sum_bound(x.value.astype(np.float64), _error(x), attributes["axis"], value)

    @staticmethod
    def _of_prod(attributes, operands, value):
        (x,) = operands
        if value.dtype.kind == "c":
            return np.full(value.shape, np.inf)
        if value.dtype.kind != "f":
            return Reference._of_choice("prod", attributes, operands, value)
        axis = attributes["axis"]
        wide = x.value.astype(np.float64)
        error = np.zeros(value.shape)
        if x.value.size:
            most = np.prod(np.maximum(np.abs(wide), 1), axis)
            whole = (np.where(np.isfinite(wide), wide, 0.5) % 1 == 0).all(axis) & (
                most < 2.0 ** np.finfo(value.dtype).nmant
            )
            least = np.prod(np.minimum(np.abs(wide), 1), axis)
            tame = (most < 1e30) & (least > 1e-30)
            error = np.where(
                whole,
                0.0,
                np.where(tame, 2 * x.value.shape[axis] * np.finfo(value.dtype).eps * np.abs(value), np.inf),
            )
            error = np.where(x.error.max(axis) > 0, np.inf, error) if x.error is not None else error
        return _clean(error)

    @staticmethod
    def _of_variance(attributes, operands, value):
        (x,) = operands
        axis = attributes["axis"]
        wide = x.value.astype(np.float64)
        if not x.value.shape[axis]:
            return None
        count = x.value.shape[axis]
        spread = wide.max(axis) - wide.min(axis)
        size = np.abs(wide).max(axis)
        e = _error(x).max(axis)
        rest = max(count - attributes.get("ddof", 0), 0)
        scale = count / rest if rest else np.inf
        eps = np.finfo(value.dtype).eps
        bound = (
            (300 + count) * eps * (spread * (spread + size))
            + 2 * e * (spread + e)
            + (eps * size * count) ** 2
        ) * scale
        if not rest:  # a square over nothing: NaN or infinity, as rounding will
            return _clean(np.where(spread == 0, 0.0, np.inf))
        return _clean(
            np.where(
                np.isfinite(bound)
                & np.isfinite(value)
                & (spread * spread * count < float(np.finfo(value.dtype).max) / 8),
                bound,
                np.inf,
            )
        )

    @staticmethod
    def _of_dot(_attributes, operands, value):
        if value.dtype.kind == "c":  # sums of products of parts: ar br - ai bi and ar bi + ai br
            a, b = ((k.value.real, k.value.imag) for k in operands)
            ea, eb = (
                np.concatenate([_error(k)] * 2, axis) for k, axis in zip(operands, (-1, -2), strict=True)
            )
            first = Known(np.concatenate(a, -1), ea)
            bounds = [
                Reference._of_dot(_attributes, [first, Known(np.concatenate(half, -2), eb)], value.real)
                for half in (b, b[::-1])
            ]
            return _clean(np.maximum(*(np.zeros(value.shape) if b is None else b for b in bounds)))
        if value.dtype.kind != "f":
            return (
                _clean(np.full(value.shape, np.inf)) if any(k.error is not None for k in operands) else None
            )
        a, b = (k.value.astype(np.float64) for k in operands)
        ea, eb = (_error(k) for k in operands)
        absolute = np.matmul(np.abs(a), np.abs(b))
        good = np.isfinite(absolute) & (absolute < 1e30)
        eps = np.finfo(value.dtype).eps
        error = np.matmul(np.abs(a), eb) + np.matmul(ea, np.abs(b)) + np.matmul(ea, eb)
        rounding = (a.shape[-1] + 4) * eps * absolute + a.shape[-1] * 1e-45
        grid = _grain(a) * _grain(b)
        if grid and (ea == 0).all() and (eb == 0).all():
            rounding = np.where(absolute / grid < 2.0 ** np.finfo(value.dtype).nmant, 0.0, rounding)
        return _clean(np.where(good, error + rounding, np.inf))


def _grain(x):
    """A power of two that divides every element; 0 if there is no coarse one."""
    if not np.isfinite(x).all():
        return 0.0
    for grain in (1.0, 0.25, 2.0**-6):
        if (x / grain % 1 == 0).all():
            return grain
    return 0.0


def _factor_bound(name, attributes, operands, value):
    """Of matrices whose diagonal outweighs the rest, none of whose rows moves; |T^-1| |T| |X| n eps of a system with T."""
    x = operands[0].value.astype(np.float64)
    size = 8 * (x.shape[-1] + 1) * float(np.finfo(value.dtype).eps)
    if name in ("qr", "rotate_rows"):
        size *= 100
    if name != "triangular":
        return _clean(size * (1 + np.abs(x).max(initial=0.0)) * np.ones(value.shape))
    matrix = np.tril(x) if attributes["lower"] else np.triu(x)
    if attributes["unit"]:
        matrix = np.where(np.eye(x.shape[-1], dtype=bool), 1.0, matrix)
    growth = np.abs(np.linalg.inv(matrix)) @ np.abs(matrix)
    return _clean(size * np.matmul(growth, np.abs(value.astype(np.float64)) + 1e-30))


def _sum_bound(x, e, axis, value):
    """Of a float sum in any order."""
    if not x.size:
        return None
    total = np.abs(np.where(np.isfinite(x), x, 0.0)).sum(axis)
    finite = np.isfinite(x).all(axis)
    eps, most = np.finfo(value.dtype).eps, float(np.finfo(value.dtype).max)
    grain = _grain(np.where(np.isfinite(x), x, 0.0))
    rounding = (x.shape[axis] + 2) * eps * total
    if grain:
        rounding = np.where(total / grain < 2.0 ** np.finfo(value.dtype).nmant, 0.0, rounding)
    rounding = np.where(finite, rounding, 0.0)
    error = rounding + np.where(finite, e.sum(axis), np.where(e.max(axis) > 0, np.inf, 0.0))
    return _clean(np.where(total > most / 4, np.inf, error))
