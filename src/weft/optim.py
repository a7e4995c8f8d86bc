"""Optimizers of variables: SGD, Momentum, Adagrad, RMSProp, Adam, AdamW, and one's own from two functions.

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

from weft.ir import DTypeError, ShapeError, UserError
from weft.runtime.variables import Variable
from weft.runtime.variables import variables as variables_of
from weft.transforms import value_and_grad
from weft.unbuilt import Unbuilt

_type: Callable[[Any], Any] = type  # typed so: of a value of any type

Slots = dict[str, Any]


class Optimizer:
    """Changes variables by their gradients; `variables` is a list of them, or an object that holds them.

    `init(param)` gives the arrays that are kept for a parameter, by name, and `update(grad, slots, param,
    step)` the new parameter and slots; both in NumPy. `step` counts from 1. `lr` is a float, which may be
    changed between steps, a Variable, or a function of the number of steps done before. `clip_norm` bounds
    the norm of all gradients together.
    """

    def __init__(
        self, variables: Any, lr: Any = 1e-2, clip_norm: float | None = None, *,
        init: Callable[[Any], Slots] | None = None, update: Callable[..., Any] | None = None,
    ) -> None:  # fmt: skip
        self.variables = _checked(variables)
        self.lr = _rate(lr)
        self.clip_norm = None if clip_norm is None else float(clip_norm)
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
        if self.clip_norm is not None:
            grads = clip_by_norm(grads, self.clip_norm)
        self.step += 1
        together = zip(self.variables, self.slots, grads)  # noqa: B905 -- the lengths were compared
        for variable, slots, grad in together:
            param, new = self._update(grad, slots, variable, self.step)
            for name in new:
                slots[name].assign(new[name])
            variable.assign(param)

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
        momentum: float = 0.9, nesterov: bool = False, weight_decay: float = 0.0,
    ) -> None:  # fmt: skip
        self.momentum, self.nesterov, self.weight_decay = momentum, bool(nesterov), _or_none(weight_decay)
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
        self.initial_sum, self.eps, self.weight_decay = initial_sum, eps, _or_none(weight_decay)
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
        alpha: float = 0.99, eps: float = 1e-8, weight_decay: float = 0.0,
    ) -> None:  # fmt: skip
        self.alpha, self.eps, self.weight_decay = alpha, eps, _or_none(weight_decay)
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
    ) -> None:  # fmt: skip
        self.beta1, self.beta2 = betas
        self.eps, self.weight_decay = eps, _or_none(weight_decay)
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
    ) -> None:  # fmt: skip
        super().__init__(variables, lr, clip_norm, betas=betas, eps=eps, weight_decay=weight_decay)

    def update(self, grad: Any, slots: Slots, param: Any, step: Any) -> tuple[Any, Slots]:
        """See `Optimizer`."""
        kept = param if self.weight_decay is None else param * (1 - self.rate(param) * self.weight_decay)
        return self.adapt(grad, slots, kept, step)


LBFGS = Unbuilt("weft.optim.LBFGS")


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
        """Run it compiled."""
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
    return float(weight_decay) if weight_decay else None


def _checked(given: Any) -> list[Variable]:
    is_list = _type(given) in (list, tuple) and all(isinstance(v, Variable) for v in given)
    found: list[Variable] = list(given) if is_list else variables_of(given, trainable=True)
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
    if _type(lr) not in (int, float):
        raise UserError(
            f"lr={lr!r} is no learning rate", fix="give a number, a Variable or a function of the step"
        )
    return float(lr)


def __dir__() -> list[str]:
    """List the public names."""
    return ["LBFGS", "SGD", "Adagrad", "Adam", "AdamW", "Momentum", "Optimizer", "RMSProp", "clip_by_norm"]
