"""The memory of the reference interpreter: buffers with checked accesses, and the count of bytes moved.

Not here: what ops do with it (`accesses.py`), nor any memory of real programs (`runtime/`).
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import field

import numpy as np

from weft.ir.dataclass import dataclass
from weft.ir.errors import InternalError
from weft.ir.types import BufferType, DType

ROW_BYTES = (
    64 * 1024
)  # what one kernel reads again counts once if no more than this of the buffer was read since
_LINE_BYTES = 64
_SEVERAL = -1  # more than one iteration
_POISON = 0xFF  # fills new memory: NaN as a float, -1 as an integer


@dataclass(slots=True)
class Buffer:
    """Memory of one buffer: `data` are all bytes of the allocation, element 0 is at byte `start`.

    `label` says what it is: "argument 0", "result 1", "arena 3", "scratch 2". `data` is shared by views.
    """

    dtype: np.dtype
    shape: tuple[int, ...]
    data: np.ndarray
    start: int
    end: int
    label: str
    strided: bool = False
    counted: bool = True
    source: np.ndarray | None = None

    @property
    def size_bytes(self) -> int:
        """Bytes that may be touched."""
        return self.end - self.start

    def array(self) -> np.ndarray:
        """A view of the whole memory with its shape, or the argument it came from."""
        if self.source is not None:
            return self.source
        return self.data[self.start : self.end].view(self.dtype).reshape(self.shape)

    def view(self, offset: int, dtype: np.dtype, shape: tuple[int, ...]) -> "Buffer":
        """The memory from element `offset` on, as another shape or dtype."""
        if self.strided and not offset:
            return Buffer(dtype, shape, self.data, self.start, self.end, self.label, True, self.counted)
        start = self.start + offset * self.dtype.itemsize
        end = start + int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        if self.strided or start < self.start or end > self.end:
            raise InternalError(
                f"view of {self.label} leaves its memory: bytes {start} to {end} of {self.end}"
            )
        return Buffer(dtype, shape, self.data, start, end, self.label, False, self.counted)

    def places(self, offsets: np.ndarray) -> np.ndarray:
        """Positions in `data` of elements at these offsets (bytes if strided); raises if one is outside."""
        places = self.start + (offsets if self.strided else offsets * self.dtype.itemsize)
        low = 0 if self.strided else self.start
        if places.size and (places.min() < low or places.max() + self.dtype.itemsize > self.end):
            raise InternalError(
                f"{self.label} of {self.size_bytes} bytes is accessed outside, at offsets {offsets}"
            )
        return places

    def run(self, offset: int, count: int) -> slice:
        """Positions of the bytes of `count` elements one after the other; raises if one is outside."""
        size = self.dtype.itemsize
        first = self.start + (offset if self.strided else offset * size)
        if first < (0 if self.strided else self.start) or first + count * size > self.end:
            raise InternalError(
                f"{self.label} of {self.size_bytes} bytes is accessed outside: {count} from offset {offset}"
            )
        return slice(first, first + count * size)

    def read(self, places: np.ndarray | slice) -> np.ndarray:
        """Elements at positions."""
        if isinstance(places, slice):
            return self.data[places].view(self.dtype).copy()
        spots = places[:, None] + np.arange(self.dtype.itemsize)
        return self.data[spots].view(self.dtype).reshape(places.size)

    def write(self, places: np.ndarray | slice, elements: np.ndarray) -> None:
        """Set elements at positions, in order."""
        if elements.dtype != self.dtype:
            raise InternalError(f"{self.label} of {self.dtype} is written as {elements.dtype}")
        if isinstance(places, slice):
            self.data[places].view(self.dtype)[:] = elements
            return
        self.data[places[:, None] + np.arange(self.dtype.itemsize)] = (
            np.ascontiguousarray(elements).view(np.uint8).reshape(places.size, self.dtype.itemsize)
        )


def _every_byte(places: np.ndarray | slice, size: int) -> np.ndarray:
    """Positions of the bytes of elements, a row for each."""
    if isinstance(places, slice):
        places = np.arange(int(places.start), int(places.stop), size)
    return places[:, None] + np.arange(size)


def numpy_dtype(dtype: DType) -> np.dtype:
    """NumPy's dtype of an element type; raises InternalError where there is none."""
    if dtype.numpy is None:
        raise InternalError(f"the interpreter has no {dtype}")
    return dtype.numpy


def allocate(ty: BufferType, shape: tuple[int, ...], label: str, *, counted: bool = True) -> Buffer:
    """New memory, filled with a pattern that shows if it is read before it is written."""
    dtype = numpy_dtype(ty.dtype)
    if min(shape, default=0) < 0:
        raise InternalError(f"{label} has a negative size: {shape}")
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    data = np.full(size, _POISON, np.uint8)
    return Buffer(dtype, shape, data, 0, size, label, ty.strided, counted and ty.space == "global")


def wrap(array: np.ndarray, ty: BufferType, label: str) -> Buffer:
    """The memory of an argument, without a copy; a dense buffer needs a C-contiguous array."""
    if not ty.strided and not array.flags.c_contiguous:
        raise InternalError(f"{label} is not contiguous and its buffer is not strided")
    low, high = np.lib.array_utils.byte_bounds(array) if array.size else (0, 0)
    origin = array.ctypes.data - low if array.size else 0
    forward = array[(..., *(slice(None, None, -1 if s < 0 else 1) for s in array.strides))]
    lowest = forward[(..., *(slice(0, 1) for _ in forward.shape))]  # one element, the lowest in memory
    data = np.lib.stride_tricks.as_strided(
        lowest.reshape(-1).view(np.uint8) if array.size else np.empty(0, np.uint8), (high - low,), (1,)
    )
    if array.size and data.ctypes.data != low:
        raise InternalError(f"{label} was copied")
    return Buffer(array.dtype, array.shape, data, origin, high - low, label, ty.strided, source=array)


# ---- races


class Races:
    """Finds iterations of one parallel loop that touch the same bytes, one of them writing.

    Writing what is there already is no race. Memory that an iteration allocates is its own.
    """

    def __init__(self) -> None:
        self.iteration = 0  # 0 outside of parallel loops
        self._touched: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}

    def begin(self) -> None:
        """An outermost parallel loop starts, or ends."""
        self.iteration = 0
        self._touched = {}

    def _of(self, buffer: Buffer) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The buffer's bytes, kept alive, and the iterations that last wrote and last read each."""
        key = buffer.data.ctypes.data
        if key not in self._touched:
            size = buffer.data.size
            self._touched[key] = (buffer.data, np.zeros(size, np.int32), np.zeros(size, np.int32))
        return self._touched[key]

    def load(self, buffer: Buffer, places: np.ndarray | slice) -> None:
        """Elements are loaded by the present iteration."""
        if not self.iteration:
            return
        _, writer, reader = self._of(buffer)
        spots = _every_byte(places, buffer.dtype.itemsize)
        self._check(buffer, writer[spots], "is read by one iteration and written by another")
        before = reader[spots]
        reader[spots] = np.where((before == 0) | (before == self.iteration), self.iteration, _SEVERAL)

    def store(self, buffer: Buffer, places: np.ndarray | slice, elements: np.ndarray) -> None:
        """Elements are about to be stored by the present iteration."""
        if not self.iteration:
            return
        _, writer, reader = self._of(buffer)
        spots = _every_byte(places, buffer.dtype.itemsize)
        new = np.ascontiguousarray(elements).view(np.uint8).reshape(spots.shape)
        spots = spots[(buffer.data[spots] != new).any(axis=1)]
        self._check(buffer, writer[spots], "is written by two iterations")
        self._check(buffer, reader[spots], "is written by one iteration and read by another")
        writer[spots] = self.iteration

    def _check(self, buffer: Buffer, others: np.ndarray, what: str) -> None:
        if ((others != 0) & (others != self.iteration)).any():
            raise InternalError(f"a parallel loop is not parallel: {buffer.label} {what}")


# ---- counting


@dataclass(slots=True)
class BufferTraffic:
    """Bytes that one kernel loaded from and stored to one buffer."""

    loaded_bytes: int = 0
    stored_bytes: int = 0


@dataclass(slots=True)
class KernelTraffic:
    """What the launches of one kernel moved, by label of the buffer."""

    launches: int = 0
    buffers: dict[str, BufferTraffic] = field(default_factory=dict[str, BufferTraffic])

    @property
    def moved_bytes(self) -> int:
        """Bytes loaded and stored."""
        return sum(b.loaded_bytes + b.stored_bytes for b in self.buffers.values())


class Traffic:
    """Counts what kernels load and store: arguments, results and arena buffers count, scratch does not.

    What a kernel reads again counts once if at most `row_bytes` of that buffer were read in between (a row
    that stays near). Everything stored counts. Loads outside of kernels are under the name "".
    """

    def __init__(self, row_bytes: int = ROW_BYTES) -> None:
        self.row_bytes = row_bytes
        self.current = KernelTraffic()
        self.kernels: dict[str, KernelTraffic] = {"": self.current}
        self._recent: dict[int, OrderedDict[int, int]] = {}

    @property
    def moved_bytes(self) -> int:
        """Bytes loaded and stored by all kernels, and outside of them."""
        return sum(k.moved_bytes for k in self.kernels.values())

    @property
    def launches(self) -> int:
        """Launches of kernels; what is outside of them is none."""
        return sum(k.launches for name, k in self.kernels.items() if name)

    def launch(self, name: str) -> None:
        """A kernel starts; "" when it ends."""
        self.current = self.kernels.setdefault(name, KernelTraffic())
        self.current.launches += 1
        self._recent = {}

    def _of(self, buffer: Buffer) -> BufferTraffic:
        return self.current.buffers.setdefault(buffer.label, BufferTraffic())

    def load(self, buffer: Buffer, places: np.ndarray | slice) -> None:
        """Elements at these positions are loaded."""
        if not buffer.counted:
            return
        size = buffer.dtype.itemsize
        recent = self._recent.setdefault(id(buffer.data), OrderedDict())
        if isinstance(places, slice):
            fresh = self._touch(recent, places.start, places.stop)
        else:
            fresh = sum(self._touch(recent, p, p + size) for p in places.tolist())
        self._of(buffer).loaded_bytes += fresh

    def _touch(self, recent: OrderedDict[int, int], start: int, end: int) -> int:
        """How many of these bytes were not read lately; `recent` has the bytes read of each line of 64."""
        fresh = 0
        for line in range(start // _LINE_BYTES, (end - 1) // _LINE_BYTES + 1):
            base = line * _LINE_BYTES
            low, high = max(start - base, 0), min(end - base, _LINE_BYTES)
            bits = (1 << high) - (1 << low)
            seen = recent.get(line, 0)
            fresh += (bits & ~seen).bit_count()
            recent[line] = seen | bits
            recent.move_to_end(line)
        while len(recent) * _LINE_BYTES > self.row_bytes + _LINE_BYTES:  # a row need not start at a line
            recent.popitem(last=False)
        return fresh

    def store(self, buffer: Buffer, places: np.ndarray | slice) -> None:
        """Elements at these positions are stored."""
        if buffer.counted:
            is_run = isinstance(places, slice)
            size = places.stop - places.start if is_run else places.size * buffer.dtype.itemsize
            self._of(buffer).stored_bytes += size

    def table(self) -> str:
        """The counts as lines of text."""
        rows: list[Sequence[object]] = [("kernel", "launches", "buffer", "loaded", "stored")]
        for name, kernel in self.kernels.items():
            for label, moved in kernel.buffers.items():
                rows.append((name, kernel.launches, label, moved.loaded_bytes, moved.stored_bytes))
        return "\n".join("  ".join(f"{cell!s:>14}" for cell in row) for row in rows)
