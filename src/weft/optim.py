"""Optimizers of variables: SGD, Momentum, Adagrad, RMSProp, Adam, AdamW, L-BFGS, and one's own.

    opt = weft.optim.Adam(model, lr=1e-3, clip_norm=1.0)
    loss = opt.minimize(loss_fn, x, y)      # inside of a compiled function or outside

Written as plain NumPy and traced like a user's code, so a training step is one program: loss, gradients and
updates. The formulas are those of torch.optim. Not here: gradients (`transforms.py`), saving
(`checkpoint.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from weft.compiler.frontend.entry import unhooked_trace
from weft.compiler.frontend.rows import rows_of
from weft.ir import DTypeError, ShapeError, UserError
from weft.runtime.variables import Variable
from weft.runtime.variables import variables as variables_of
from weft.transforms import value_and_grad

_type: Callable[[Any], Any] = type  # typed so: of a value of any type

Slots = dict[str, Any]


class Optimizer:
    """Changes variables by their gradients; `variables` is a list of them, or an object that holds them.

    `init(param)` gives the arrays that are kept for a parameter, by name, and `update(grad, slots, param,
    step)` the new parameter and slots; both in NumPy. `step` counts from 1. `lr` is a float, which may be
    changed between steps, a Variable, or a function of the number of steps done before. `clip_norm` bounds
    the norm of all gradients together.

    Of a table that the loss reads by whole-number indices alone, SGD and Adagrad change only the rows that
    were read: the result is the same, and a step costs what these rows cost. With `lazy=True` the others do
    it too, leaving the slots of other rows alone (as torch's SparseAdam). Clipping and decay touch all rows.
    """

    lazy = False

    def __init__(
        self, variables: Any, lr: Any = 1e-2, clip_norm: float | None = None, *,
        init: Callable[[Any], Slots] | None = None, update: Callable[..., Any] | None = None,
    ) -> None:  # fmt: skip
        self.variables = _checked(variables)
        self.lr = _rate(lr)
        self.clip_norm = None if clip_norm is None else _setting("clip_norm", clip_norm)
        self.step = Variable(np.int64(0), "step", trainable=False)
        self._init = self.init if init is None else init
        self._update = self.update if update is None else update
        self.slots: list[Slots] = [
            {
                name: Variable(value, f"{v.name}.{name}", trainable=False)
                for name, value in self._init(v.value).items()
            }
            for v in self.variables
        ]
        self._compiled: dict[str, Any] = {}

    def init(self, param: Any) -> Slots:
        """The arrays kept for a parameter."""
        return {}

    def update(self, grad: Any, slots: Slots, param: Any, step: Any) -> tuple[Any, Slots]:
        """The new parameter and the new slots."""
        raise UserError("an optimizer needs an update rule", fix="pass update=, or define it in a subclass")

    # ---- what users call

    def minimize(self, loss_fn: Callable[..., Any], *args: Any, aux: bool = False, **kwargs: Any) -> Any:
        """Do one step that makes `loss_fn(*args)` smaller; gives the loss from before it.

        With `aux=True` `loss_fn` returns (loss, anything), and so does this. Inside of a compiled function it
        becomes part of that; outside it is compiled at the first call for this `loss_fn`.
        """
        return _Traced(self, "minimize", self._minimize)(loss_fn, aux, *args, **kwargs)

    def apply(self, grads: Sequence[Any]) -> None:
        """Do one step with given gradients, one for each variable."""
        return _Traced(self, "apply", self._apply)(list(grads))

    # ---- what is traced

    def _minimize(self, loss_fn: Callable[..., Any], aux: bool, *args: Any, **kwargs: Any) -> Any:
        value, grads = value_and_grad(loss_fn, wrt=self.variables, aux=aux)(*args, **kwargs)
        self._apply(grads)
        return value

    def _apply(self, grads: list[Any]) -> None:
        if len(grads) != len(self.variables):
            raise ShapeError(
                f"{len(grads)} gradients for {len(self.variables)} variables",
                fix="give one for each, in their order",
            )
        for variable, grad in zip(self.variables, grads):  # noqa: B905 -- as many
            if grad is None:
                raise UserError(
                    f"None is given as gradient of {variable.name}", fix="give zeros, or leave it out"
                )
            if hasattr(grad, "shape") and tuple(grad.shape) != tuple(variable.shape):
                shapes = f"{tuple(grad.shape)} for a variable of shape {tuple(variable.shape)}"
                raise ShapeError(
                    f"a gradient of shape {shapes}", fix="give them in the order of the variables"
                )
        if self.clip_norm is not None:
            grads = clip_by_norm(grads, self.clip_norm)
        self.step += 1
        by_rows = self.clip_norm is None and self._goes_by_rows()
        together = zip(self.variables, self.slots, grads)  # noqa: B905 -- the lengths were compared
        for variable, slots, grad in together:
            parts = rows_of(grad) if by_rows else None
            if parts is not None:
                self._apply_rows(variable, slots, parts)
            else:
                param, new = self._update(grad, slots, variable, self.step)
                if set(new) != set(slots):
                    raise UserError(
                        f"update() gives the slots {sorted(new)}, init() gave {sorted(slots)}",
                        fix="give the same names",
                    )
                for name in new:
                    slots[name].assign(new[name])
                variable.assign(param)

    def _goes_by_rows(self) -> bool:
        """Whether rows with a gradient of zero may be left alone."""
        mine = getattr(type(self), "update", None) in _BY_ROWS and self._update == self.update
        return (
            mine and (self.lazy or type(self) in _EXACT_BY_ROWS) and not getattr(self, "weight_decay", None)
        )

    def _apply_rows(self, variable: Any, slots: Any, parts: list[Any]) -> None:
        """The same step for a gradient that is known as (indices, rows): it touches these rows alone."""
        width = tuple(variable.shape[1:])
        index = np.concatenate([np.reshape(i, -1) for i, _ in parts])
        rows = np.concatenate([np.reshape(r, (-1, *width)) for _, r in parts])
        if isinstance(self, SGD):  # what adds up needs no sorting
            np.subtract.at(variable, index, self.rate(variable) * rows)
        else:
            found, place = np.unique(
                np.where(index < 0, index + variable.shape[0], index), return_inverse=True
            )
            total = np.zeros((found.shape[0], *width), rows.dtype)
            np.add.at(total, place, rows)
            held = {name: slots[name][found] for name in slots}
            param, new = self._update(total, held, variable[found], self.step)
            for name in new:
                slots[name][found] = new[name]
            variable[found] = param

    def rate(self, like: Any) -> Any:
        """The learning rate of this step, in the dtype of `like`."""
        if isinstance(self.lr, Variable):
            return self.lr.astype(like.dtype)
        if callable(self.lr):
            return np.asarray(self.lr(self.step - 1)).astype(like.dtype)
        return self.lr


class SGD(Optimizer):
    """param - lr * grad."""

    def __init__(
        self, variables: Any, lr: Any = 1e-2, clip_norm: float | None = None, *, weight_decay: float = 0.0
    ) -> None:
        self.weight_decay = _or_none(weight_decay)
        super().__init__(variables, lr, clip_norm)

    def update(self, grad: Any, slots: Slots, param: Any, step: Any) -> tuple[Any, Slots]:
        """See `Optimizer`."""
        grad = _decayed(grad, param, self.weight_decay)
        return param - self.rate(param) * grad, {}


class Momentum(Optimizer):
    """velocity = momentum * velocity + grad; param - lr * velocity. `nesterov` looks one step ahead."""

    def __init__(
        self, variables: Any, lr: Any = 1e-2, clip_norm: float | None = None, *,
        momentum: float = 0.9, nesterov: bool = False, weight_decay: float = 0.0, lazy: bool = False,
    ) -> None:  # fmt: skip
        self.momentum, self.weight_decay = _setting("momentum", momentum), _or_none(weight_decay)
        self.nesterov, self.lazy = bool(nesterov), bool(lazy)
        super().__init__(variables, lr, clip_norm)

    def init(self, param: Any) -> Slots:
        """See `Optimizer`."""
        return {"velocity": np.zeros_like(param)}

    def update(self, grad: Any, slots: Slots, param: Any, step: Any) -> tuple[Any, Slots]:
        """See `Optimizer`."""
        grad = _decayed(grad, param, self.weight_decay)
        velocity = self.momentum * slots["velocity"] + grad
        change = grad + self.momentum * velocity if self.nesterov else velocity
        return param - self.rate(param) * change, {"velocity": velocity}


class Adagrad(Optimizer):
    """Divides by the root of the sum of all squared gradients so far. Source: Duchi et al. 2011."""

    def __init__(
        self, variables: Any, lr: Any = 1e-2, clip_norm: float | None = None, *,
        initial_sum: float = 0.0, eps: float = 1e-10, weight_decay: float = 0.0,
    ) -> None:  # fmt: skip
        self.initial_sum, self.eps = _setting("initial_sum", initial_sum), _setting("eps", eps)
        self.weight_decay = _or_none(weight_decay)
        super().__init__(variables, lr, clip_norm)

    def init(self, param: Any) -> Slots:
        """See `Optimizer`."""
        return {"sum": np.full_like(param, self.initial_sum)}

    def update(self, grad: Any, slots: Slots, param: Any, step: Any) -> tuple[Any, Slots]:
        """See `Optimizer`."""
        grad = _decayed(grad, param, self.weight_decay)
        total = slots["sum"] + grad * grad
        return param - self.rate(param) * (grad / (np.sqrt(total) + self.eps)), {"sum": total}


class RMSProp(Optimizer):
    """Divides by the root of a running mean of squared gradients. Source: Hinton, lecture 6e of 2012."""

    def __init__(
        self, variables: Any, lr: Any = 1e-2, clip_norm: float | None = None, *,
        alpha: float = 0.99, eps: float = 1e-8, weight_decay: float = 0.0, lazy: bool = False,
    ) -> None:  # fmt: skip
        self.alpha, self.eps = _setting("alpha", alpha), _setting("eps", eps)
        self.weight_decay = _or_none(weight_decay)
        self.lazy = bool(lazy)
        super().__init__(variables, lr, clip_norm)

    def init(self, param: Any) -> Slots:
        """See `Optimizer`."""
        return {"square": np.zeros_like(param)}

    def update(self, grad: Any, slots: Slots, param: Any, step: Any) -> tuple[Any, Slots]:
        """See `Optimizer`."""
        grad = _decayed(grad, param, self.weight_decay)
        square = self.alpha * slots["square"] + (1 - self.alpha) * (grad * grad)
        return param - self.rate(param) * (grad / (np.sqrt(square) + self.eps)), {"square": square}


class Adam(Optimizer):
    """Running means of gradients and their squares, corrected for the start. Source: Kingma and Ba 2015."""

    def __init__(
        self, variables: Any, lr: Any = 1e-3, clip_norm: float | None = None, *,
        betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0.0,
        lazy: bool = False,
    ) -> None:  # fmt: skip
        self.beta1, self.beta2 = (_setting("a beta", beta, below=1) for beta in betas)
        self.eps, self.weight_decay = _setting("eps", eps), _or_none(weight_decay)
        self.lazy = bool(lazy)
        super().__init__(variables, lr, clip_norm)

    def init(self, param: Any) -> Slots:
        """See `Optimizer`."""
        return {"mean": np.zeros_like(param), "square": np.zeros_like(param)}

    def update(self, grad: Any, slots: Slots, param: Any, step: Any) -> tuple[Any, Slots]:
        """See `Optimizer`."""
        return self.adapt(_decayed(grad, param, self.weight_decay), slots, param, step)

    def adapt(self, grad: Any, slots: Slots, param: Any, step: Any) -> tuple[Any, Slots]:
        """The step without decay."""
        mean = self.beta1 * slots["mean"] + (1 - self.beta1) * grad
        square = self.beta2 * slots["square"] + (1 - self.beta2) * (grad * grad)
        count = step.astype(np.float64)
        first = (1 - self.beta1**count).astype(param.dtype)
        second = np.sqrt(1 - self.beta2**count).astype(param.dtype)
        change = (self.rate(param) / first) * (mean / (np.sqrt(square) / second + self.eps))
        return param - change, {"mean": mean, "square": square}


class AdamW(Adam):
    """Adam with decay of the parameters apart from the gradients. Source: Loshchilov and Hutter 2019."""

    def __init__(
        self, variables: Any, lr: Any = 1e-3, clip_norm: float | None = None, *,
        betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 1e-2,
        lazy: bool = False,
    ) -> None:  # fmt: skip
        super().__init__(variables, lr, clip_norm, betas=betas, eps=eps, weight_decay=weight_decay, lazy=lazy)

    def update(self, grad: Any, slots: Slots, param: Any, step: Any) -> tuple[Any, Slots]:
        """See `Optimizer`."""
        kept = param if self.weight_decay is None else param * (1 - self.rate(param) * self.weight_decay)
        return self.adapt(grad, slots, kept, step)


class LBFGS(Optimizer):
    """Quasi-Newton steps from the last `history` changes, each with a line search of its own.

    One `minimize` does up to `iterations` of them in one compiled loop, and keeps what it learned for the
    next. It ends when the gradient is nowhere above `tolerance`, or a step changes the loss by less than
    `tolerance_change` of it, or after `evaluations` of loss and gradient (1.25 for each iteration). `calls`
    counts those. The loss should be smooth and give the same for the same variables.
    Source: Nocedal and Wright 2006, algorithms 7.4 and 3.5 (strong Wolfe conditions).
    """

    def __init__(
        self, variables: Any, lr: Any = 1.0, clip_norm: float | None = None, *, iterations: int = 20,
        history: int = 10, tolerance: float = 1e-7, tolerance_change: float = 1e-9,
        evaluations: int | None = None,
    ) -> None:  # fmt: skip
        super().__init__(variables, lr, clip_norm)
        if self.clip_norm is not None:
            raise UserError("L-BFGS does not clip: its line search bounds steps", fix="leave clip_norm out")
        self.iterations, self.history = int(iterations), int(history)
        self.evaluations = self.iterations * 5 // 4 if evaluations is None else int(evaluations)
        self.tolerance, self.tolerance_change = float(tolerance), float(tolerance_change)
        size, dtype = (
            sum(v.value.size for v in self.variables),
            np.result_type(*(v.dtype for v in self.variables)),
        )
        self.calls = Variable(np.int64(0), "calls", trainable=False)
        self.pairs: Any = Variable(np.int64(0), "pairs", trainable=False)
        self.moves = Variable(np.zeros((self.history, size), dtype), "moves", trainable=False)
        self.bends = Variable(np.zeros((self.history, size), dtype), "bends", trainable=False)

    def apply(self, grads: Sequence[Any]) -> None:
        """Not for L-BFGS, which looks at the loss at several places."""
        raise UserError("L-BFGS needs the loss itself, not gradients", fix="use minimize(loss_fn, ...)")

    def _minimize(self, loss_fn: Callable[..., Any], aux: bool, *args: Any, **kwargs: Any) -> Any:
        def at(x: Any) -> tuple[Any, Any]:
            """Value and gradient where all variables together are x."""
            self._assign(x)
            value, grads = value_and_grad(loss_fn, wrt=self.variables)(*args, **kwargs)
            self.calls += 1
            return value.astype(np.float64), self._joined(grads)

        if aux:
            raise UserError("L-BFGS evaluates the loss several times", fix="leave aux out")
        x = self._joined([v.value for v in self.variables])
        before = self.calls.astype(np.int64)
        value, gradient = at(x)
        first, count, goes_on = value, 0, np.max(np.abs(gradient)) > self.tolerance
        while goes_on:
            direction = self._direction(gradient)
            slope = np.sum(direction * gradient).astype(np.float64)
            if slope >= 0:  # what was learned is of no use here
                self._forget()
                direction = -gradient
                slope = np.sum(direction * gradient).astype(np.float64)
            step = np.float64(1.0) * self.rate(slope)
            if self.pairs == 0:
                step = step * np.minimum(1.0, 1 / np.sum(np.abs(gradient)).astype(np.float64))
            new, found, where = self._search(at, x, direction, (value, slope), (step, before))
            self._learn(where - x, found - gradient)
            count += 1
            change = np.abs(value - new)
            x, value, gradient = where, new, found
            goes_on = (
                (np.max(np.abs(gradient)) > self.tolerance)
                & (change > self.tolerance_change * np.maximum(np.abs(value), self.tolerance_change))
                & (count < self.iterations)
                & (self.calls - before < self.evaluations)
            )
        self._assign(x)
        self.step += 1
        return first

    def _search(
        self,
        at: Callable[[Any], Any],
        x: Any,
        direction: Any,
        start: tuple[Any, Any],
        limits: tuple[Any, Any],
    ) -> tuple[Any, Any, Any]:
        """(value, gradient, place) of a step that fulfils the strong Wolfe conditions, or the best one seen.

        `low` is the best step so far, `high` the other end of where one must be: infinite until it is known.
        """
        (value, slope), (step, before) = start, limits
        low, low_value, low_slope = 0.0 * step, value, slope
        high, high_value, high_slope = low + np.inf, value, slope
        new, found = at(x + step.astype(x.dtype) * direction)
        best_value, best, best_gradient = new, step, found
        searches = True
        while searches:
            rise = np.sum(found * direction).astype(np.float64)
            too_high = ~(new <= value + 1e-4 * step * slope) | ((new >= low_value) & (low > 0))
            is_good = ~too_high & (np.abs(rise) <= -0.9 * slope)
            turns = ~too_high & (rise * (high - low) >= 0)
            old = (low, low_value, low_slope)
            high = _either(too_high, step, _either(turns, old[0], high))
            high_value = _either(too_high, new, _either(turns, old[1], high_value))
            high_slope = _either(too_high, rise, _either(turns, old[2], high_slope))
            low = _either(too_high, low, step)
            low_value, low_slope = _either(too_high, low_value, new), _either(too_high, low_slope, rise)
            is_better = ~(new >= best_value)
            best, best_value = _either(is_better, step, best), _either(is_better, new, best_value)
            best_gradient = _either(is_better, found, best_gradient)
            narrow = np.abs(high - low) * np.max(np.abs(direction)) < 1e-9
            searches = ~is_good & ~narrow & (self.calls - before < self.evaluations)
            if is_good:
                best, best_value, best_gradient = step, new, found
            if searches:
                step = _next_step((low, low_value, low_slope), (high, high_value, high_slope), old)
                new, found = at(x + step.astype(x.dtype) * direction)
        return best_value, best_gradient, x + best.astype(x.dtype) * direction

    def _direction(self, gradient: Any) -> Any:
        """-H g, from the moves and changes of the gradient that were kept (two loops)."""
        known = np.minimum(self.pairs, self.history)
        kept: Any = np.zeros(self.history, gradient.dtype)
        direction = -gradient
        for k in range(known):
            i = (self.pairs - 1 - k) % self.history
            kept[i] = np.sum(self.moves[i] * direction) / np.sum(self.moves[i] * self.bends[i])
            direction = direction - kept[i] * self.bends[i]
        if known > 0:
            i = (self.pairs - 1) % self.history
            bend = np.sum(self.bends[i] * self.bends[i])
            direction = direction * (np.sum(self.moves[i] * self.bends[i]) / bend)
        for k in range(known):
            i = (self.pairs - known + k) % self.history
            back = np.sum(self.bends[i] * direction) / np.sum(self.moves[i] * self.bends[i])
            direction = direction + (kept[i] - back) * self.moves[i]
        return direction

    def _forget(self) -> None:
        self.pairs.assign(np.int64(0))

    def _learn(self, move: Any, bend: Any) -> None:
        """Keep a move and how the gradient changed over it, if the loss bends upwards there."""
        if np.sum(move * bend) > 1e-10 * np.sum(bend * bend):
            i = self.pairs % self.history
            self.moves[i] = move
            self.bends[i] = bend
            self.pairs += 1

    def _joined(self, parts: Sequence[Any]) -> Any:
        return np.concatenate([np.reshape(p, -1).astype(self.moves.dtype) for p in parts])

    def _assign(self, x: Any) -> None:
        start = 0
        for variable in self.variables:
            end = start + variable.size
            variable.assign(np.reshape(x[start:end], variable.shape).astype(variable.dtype))
            start = end


def _next_step(low: tuple[Any, Any, Any], high: tuple[Any, Any, Any], old: tuple[Any, Any, Any]) -> Any:
    """The next step to try, from (step, value, slope) of both ends, and of the low end before.

    The minimum of the cubic through both, well inside of them; further out while there is no other end.
    """
    is_open = np.isinf(high[0])
    (a, fa, da), b = low, _either(is_open, old[0], high[0])
    fb, db = _either(is_open, old[1], high[1]), _either(is_open, old[2], high[2])
    d1 = da + db - 3 * (fa - fb) / (a - b)
    d2 = _either(a < b, 1.0, -1.0) * np.sqrt(np.maximum(d1 * d1 - da * db, 0.0))
    cubic = b - (b - a) * ((db + d2 - d1) / (db - da + 2 * d2))
    near, far = (
        _either(is_open, a + 1.1 * (a - b), a + 0.1 * (b - a)),
        _either(is_open, a + 4 * (a - b), b - 0.1 * (b - a)),
    )
    least, most = np.minimum(near, far), np.maximum(near, far)
    cubic = _either(np.isfinite(cubic), cubic, _either(is_open, far, 0.5 * (a + b)))
    return np.minimum(np.maximum(cubic, least), most)


def _either(condition: Any, a: Any, b: Any) -> Any:
    """`np.where`, of scalars a scalar."""
    choose: Callable[..., Any] = np.where
    return choose(condition, a, b)[()]


_BY_ROWS = tuple(kind.update for kind in (SGD, Momentum, Adagrad, RMSProp, Adam, AdamW))
_EXACT_BY_ROWS = (SGD, Adagrad)


def clip_by_norm(grads: Sequence[Any], most: float) -> list[Any]:
    """The gradients, scaled together so that their norm is at most `most`, as by torch's clip_grad_norm_."""
    norm = np.sqrt(sum(np.sum(grad * grad) for grad in grads))
    factor = np.minimum(most / (norm + 1e-6), 1.0)
    return [grad * factor.astype(grad.dtype) for grad in grads]


class _Traced:
    """A method of an optimizer: traced where it is called; outside of a trace compiled once per optimizer."""

    def __init__(self, optimizer: Optimizer, name: str, method: Callable[..., Any]) -> None:
        self.optimizer, self.name, self.method = optimizer, name, method

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run it compiled, or trace it where the caller has no source and is not rewritten."""
        if (trace := unhooked_trace()) is not None:
            return trace.enter(self, *args, **kwargs)
        known = self.optimizer._compiled  # pyright: ignore[reportPrivateUsage] -- one module
        if self.name not in known:
            from weft.api import compile

            known[self.name] = compile(self.method)
        return known[self.name](*args, **kwargs)

    def trace_call(
        self,
        trace: Any,
        call: Callable[..., Any],
        args: Sequence[Any],
        kwargs: dict[str, Any],
        effects: list[Any],
    ) -> Any:
        """Trace the method."""
        return call(self.method, *args, **kwargs)


def _decayed(grad: Any, param: Any, weight_decay: float | None) -> Any:
    return grad if weight_decay is None else grad + weight_decay * param


def _or_none(weight_decay: float) -> float | None:
    """A decay of 0 is none: what is known while tracing costs nothing."""
    return _setting("weight_decay", weight_decay) or None


def _setting(name: str, value: Any, below: float = np.inf) -> float:
    """A number from 0 up; another would turn steps around, or make them NaN."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = np.nan
    if not 0 <= number < below:
        bound = "" if below == np.inf else f" to below {below:g}"
        raise UserError(f"{name} is a number from 0 up{bound}, got {value!r}", code="E002")
    return number


def _checked(given: Any) -> list[Variable]:
    is_list = _type(given) in (list, tuple) and all(isinstance(v, Variable) for v in given)
    found: list[Variable] = list(given) if is_list else variables_of(given, trainable=True)
    if len({id(v) for v in found}) < len(found):
        raise UserError("a variable is given twice, so that it would be changed twice", fix="give each once")
    if not found:
        raise UserError(
            "there is no variable to optimize",
            fix="pass a list of weft.Variable, or an object that holds some",
        )
    for v in found:
        if v.dtype.kind != "f":
            raise DTypeError(
                f"an optimizer changes variables of floats, {v.name} is {v.dtype}",
                fix="leave it out, or make it trainable=False",
            )
    return found


_NUMBERS: Any = (np.generic, np.ndarray)


def _rate(lr: Any) -> Any:
    if isinstance(lr, Variable) or callable(lr):
        return lr
    if isinstance(lr, _NUMBERS):
        lr = lr.item()
    if _type(lr) not in (int, float) or not lr >= 0:
        raise UserError(
            f"lr={lr!r} is no learning rate",
            fix="give a number from 0 up, a Variable or a function of the step",
        )
    return float(lr)


def __dir__() -> list[str]:
    """List the public names."""
    return ["LBFGS", "SGD", "Adagrad", "Adam", "AdamW", "Momentum", "Optimizer", "RMSProp", "clip_by_norm"]
