"""What ops of memory do in the reference interpreter: allocation, views, loads and stores of lanes, copies.

Not here: memory itself (`memory.py`), all other ops (`interp.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from weft.ir.memory import Buffer, allocate, numpy_dtype
from weft.ir.node import Op, Value
from weft.ir.types import BufferType, VectorType

if TYPE_CHECKING:
    from weft.ir.interp import Machine

Runtime = np.ndarray | int | Buffer | None


def integer(value: Runtime) -> int:
    """An index, a scalar of the loop level or a scalar tensor as an int."""
    if isinstance(value, int):
        return value
    assert value is not None
    array = value.array() if isinstance(value, Buffer) else value
    return int(array.reshape(-1)[0])


def lane_array(value: Runtime) -> np.ndarray:
    """Lanes as an array of one dimension."""
    assert not isinstance(value, Buffer)
    array = np.asarray(value)
    return array if array.ndim == 1 else array.reshape(-1)


def _alloc(machine: Machine, op: Op) -> None:
    ty = op.result.type
    assert isinstance(ty, BufferType)
    label = machine.label(ty)
    machine.values[op.result] = allocate(
        ty, machine.shape(ty.shape), label, counted=label.startswith("arena")
    )


def _view(machine: Machine, op: Op) -> None:
    ty = op.result.type
    assert isinstance(ty, BufferType)
    buffer = _buffer(machine, op.operands[0])
    offset = integer(machine.values[op.operands[1]]) if len(op.operands) > 1 else 0
    machine.values[op.result] = buffer.view(offset, numpy_dtype(ty.dtype), machine.shape(ty.shape))


def _buffer(machine: Machine, value: Value) -> Buffer:
    buffer = machine.values[value]
    assert isinstance(buffer, Buffer)
    return buffer


def _offsets(machine: Machine, op: Op, buffer: Buffer, operand: Value, lanes: int) -> np.ndarray:
    """Offsets of all lanes: a vector of them, or a scalar and the attribute `stride`, in elements."""
    offsets = lane_array(machine.values[operand])
    if op.name in ("gather_lanes", "scatter_lanes") or lanes == 1:
        return offsets
    stride = op.attributes.get("stride", 1)
    assert isinstance(stride, int)
    return int(offsets[0]) + np.arange(lanes) * (stride * buffer.dtype.itemsize if buffer.strided else stride)


def _mask(machine: Machine, op: Op, number: int, lanes: int) -> np.ndarray | None:
    if len(op.operands) <= number:
        return None
    mask = lane_array(machine.values[op.operands[number]])
    return np.broadcast_to(mask, (lanes,))


def _places(machine: Machine, op: Op, buffer: Buffer, number: int, lanes: int) -> np.ndarray | slice:
    """Positions of all lanes of a load or store without a mask; operand `number` is the offset."""
    dense = lanes == 1 or op.attributes.get("stride", 1) == 1
    if dense and op.name in ("load", "store"):
        return buffer.run(integer(machine.values[op.operands[number]]), lanes)
    return buffer.places(_offsets(machine, op, buffer, op.operands[number], lanes))


def _load(machine: Machine, op: Op) -> None:
    buffer, ty = _buffer(machine, op.operands[0]), op.result.type
    assert isinstance(ty, VectorType)
    mask = _mask(machine, op, 2, ty.lanes)
    if mask is None:
        places = _places(machine, op, buffer, 1, ty.lanes)
    else:
        places = buffer.places(_offsets(machine, op, buffer, op.operands[1], ty.lanes)[mask])
    if machine.traffic is not None:
        machine.traffic.load(buffer, places)
    if machine.races is not None:
        machine.races.load(buffer, places)
    elements = buffer.read(places)
    if mask is not None:
        lanes = np.zeros(ty.lanes, buffer.dtype)
        lanes[mask] = elements
        elements = lanes
    machine.values[op.result] = elements


def _store(machine: Machine, op: Op) -> None:
    elements, buffer = lane_array(machine.values[op.operands[0]]), _buffer(machine, op.operands[1])
    mask = _mask(machine, op, 3, elements.size)
    if mask is None:
        places = _places(machine, op, buffer, 2, elements.size)
    else:
        places = buffer.places(_offsets(machine, op, buffer, op.operands[2], elements.size)[mask])
        elements = elements[mask]
    if machine.traffic is not None:
        machine.traffic.store(buffer, places)
    if machine.races is not None:
        machine.races.store(buffer, places, elements)
    buffer.write(places, elements)


def _copy_buffer(machine: Machine, op: Op) -> None:
    source, target = (_buffer(machine, v) for v in op.operands)
    if machine.traffic is not None:
        size = source.array().size * source.dtype.itemsize
        machine.traffic.load(source, slice(source.start, source.start + size))
        machine.traffic.store(target, slice(target.start, target.start + size))
    target.array()[...] = source.array().reshape(target.array().shape)


MEMORY: dict[str, Callable[..., None]] = {
    "alloc": _alloc,
    "view": _view,
    "load": _load,
    "store": _store,
    "gather_lanes": _load,
    "scatter_lanes": _store,
    "copy": _copy_buffer,
}
"""The ops of memory."""
