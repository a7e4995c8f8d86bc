"""Recurrent cells and layers: plain RNN, LSTM, GRU, in NumPy, over sequences of varying lengths.

Arrays are [time, batch, inputs]; weights [inputs, gates * hidden] for the input and [hidden, gates * hidden]
for the state, gates packed side by side in the order of torch: i, f, g, o (LSTM) and r, z, n (GRU). A layer
is one loop; the products with the input are made for all times at once, before it.
Not here: parameters, which are the caller's; several layers, which are calls in turn.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy

from weft.ir import ShapeError

np: Any = numpy  # typed so: arrays here may be traced


def rnn_cell(x: Any, h: Any, w_x: Any, w_h: Any, b: Any = None) -> Any:
    """tanh(x @ w_x + h @ w_h + b): the next state, [batch, hidden]. Source: Elman 1990."""
    return _rnn_step(_projected(x, w_x, b), h, w_h, None)


def lstm_cell(x: Any, state: tuple[Any, Any], w_x: Any, w_h: Any, b: Any = None) -> tuple[Any, Any]:
    """The next (h, c), each [batch, hidden]. Source: Hochreiter and Schmidhuber 1997; gates i, f, g, o."""
    return _lstm_step(_projected(x, w_x, b), state, w_h, None)


def gru_cell(x: Any, h: Any, w_x: Any, w_h: Any, b_x: Any = None, b_h: Any = None) -> Any:
    """The next state, [batch, hidden]. Source: Cho et al. 2014, as torch has it; gates r, z, n."""
    return _gru_step(_projected(x, w_x, b_x), h, w_h, b_h)


def rnn(
    x: Any, h: Any, w_x: Any, w_h: Any, b: Any = None, *, lengths: Any = None, reverse: bool = False
) -> tuple[Any, Any]:
    """States at all times, [time, batch, hidden], and the last; `h` is the first, None for zeros.

    `lengths` has a whole number for each sequence of the batch: from there on its outputs are zeros, and its
    last state is that of its end. `reverse` goes from the end to the start. `w_x` may be None where x is what
    the product with it gives, as rows of an embedding table.
    """
    return _layer(_rnn_step, _projected(x, w_x, b), _start(h, x, w_h), (w_h, None), lengths, reverse)


def lstm(
    x: Any, state: Any, w_x: Any, w_h: Any, b: Any = None, *, lengths: Any = None, reverse: bool = False
) -> tuple[Any, tuple[Any, Any]]:
    """Outputs h at all times and the last (h, c); `state` is the first, None for zeros. See `rnn`."""
    first = (_start(None, x, w_h), _start(None, x, w_h)) if state is None else tuple(state)
    return _layer(_lstm_step, _projected(x, w_x, b), first, (w_h, None), lengths, reverse)


def gru(
    x: Any, h: Any, w_x: Any, w_h: Any, b_x: Any = None, b_h: Any = None, *,
    lengths: Any = None, reverse: bool = False,
) -> tuple[Any, Any]:  # fmt: skip
    """States at all times and the last; see `rnn`. `b_h` belongs to the products with the state."""
    return _layer(_gru_step, _projected(x, w_x, b_x), _start(h, x, w_h), (w_h, b_h), lengths, reverse)


# ---------------------------------------------------------------- one step, from the product with the input


def _gate(x: Any) -> Any:
    """The sigmoid, exact to a rounding of 1, which is enough for a factor, and cheaper to go back through."""
    return 0.5 * np.tanh(0.5 * x) + 0.5


def _rnn_step(z: Any, h: Any, w_h: Any, _b: Any) -> Any:
    return np.tanh(z + h @ w_h)


def _lstm_step(z: Any, state: tuple[Any, Any], w_h: Any, _b: Any) -> tuple[Any, Any]:
    h, c = state
    n = c.shape[-1]
    z = z + h @ w_h
    kept = _gate(z[:, n : 2 * n]) * c
    c = kept + _gate(z[:, :n]) * np.tanh(z[:, 2 * n : 3 * n])
    return _gate(z[:, 3 * n :]) * np.tanh(c), c


def _gru_step(z: Any, h: Any, w_h: Any, b_h: Any) -> Any:
    n = h.shape[-1]
    own = h @ w_h if b_h is None else h @ w_h + b_h
    reset, update = _gate(z[:, :n] + own[:, :n]), _gate(z[:, n : 2 * n] + own[:, n : 2 * n])
    new = np.tanh(z[:, 2 * n :] + reset * own[:, 2 * n :])
    return (1 - update) * new + update * h


# ---------------------------------------------------------------- layers


def _layer(
    step: Callable[..., Any], z: Any, state: Any, weights: tuple[Any, Any], lengths: Any, reverse: bool
) -> tuple[Any, Any]:
    count, hidden = z.shape[0], weights[0].shape[0]
    outputs = np.zeros((count, z.shape[1], hidden), z.dtype)
    for k in range(count):
        t = count - 1 - k if reverse else k
        new = step(z[t], state, *weights)
        if lengths is None:
            state = new
            outputs[t] = new[0] if isinstance(new, tuple) else new
        else:
            runs = (t < lengths)[:, None]
            if isinstance(new, tuple):
                state = (np.where(runs, new[0], state[0]), np.where(runs, new[1], state[1]))
                outputs[t] = np.where(runs, new[0], 0)
            else:
                state = np.where(runs, new, state)
                outputs[t] = np.where(runs, new, 0)
    return outputs, state


def _projected(x: Any, w_x: Any, b: Any) -> Any:
    """The product with the input, of all times at once; without weights the input is that product."""
    if w_x is None:
        return x if b is None else x + b
    if x.shape[-1] != w_x.shape[0]:
        raise ShapeError(
            f"inputs of size {x.shape[-1]} meet weights for {w_x.shape[0]}",
            fix="give weights of [inputs, gates * hidden]",
        )
    flat = np.reshape(x, (-1, x.shape[-1])) @ w_x
    flat = flat if b is None else flat + b
    return np.reshape(flat, (*x.shape[:-1], w_x.shape[1]))


def _start(h: Any, x: Any, w_h: Any) -> Any:
    """The first state: what is given, or zeros."""
    return np.zeros((x.shape[1], w_h.shape[0]), x.dtype) if h is None else h
