"""Memory of programs: recycled blocks for large results, an arena per thread, and memory without a bound.

Holds native functions, their text, and this process's instance. A fresh 64 MB costs 20 ms of page faults,
eight times the arithmetic on it; hence blocks are aligned to 2 MB, backed by huge pages and used again. Who
wraps a block into a NumPy array is the entry.

Blocks: sizes are rounded up to a class (2 MB, then eighths of a power of two), and only a block of the same
class is used again, so that an address and a size are all that is to be remembered. At most 256 MB lie free;
the oldest go first.

Arena: one block per thread, used as a stack by all programs: `weft_arena_enter` gives the memory of a call,
`weft_arena_leave` takes it back. It grows when the outermost call needs more; a nested call that does not fit
gets a block of its own. Every 256 outermost calls it is given back if at most half was used. Memory goes to
the pool when its thread ends.
"""

import ctypes
import os

from weft.backends.cpu.elf import LoadedObject
from weft.backends.cpu.link import (
    RUNTIME_PASSES,
    Fetch,
    Store,
    baseline_machine,
    cached_object,
    compile_text,
    host_architecture,
    load,
)
from weft.backends.cpu.native import (
    address_of,
    atomic_load,
    atomic_store,
    compare_exchange,
    external,
    native,
    native_cold,
    static,
    static_words,
)
from weft.backends.cpu.native_text import translate
from weft.runtime.forks import Lock
from weft.runtime.layout import Pointer, Struct, Words, i64

MEGABYTE = 1 << 20
HUGE_PAGE = 2 * MEGABYTE
LARGE_RESULT_BYTES = MEGABYTE  # a larger result comes from a block
FREE_LIMIT_BYTES = 256 * MEGABYTE
MAX_FREE_BLOCKS = 64
TRIM_CALLS = 256
LINE = 64

PROTECT_READ_WRITE = 3
MAP_PRIVATE_ANONYMOUS = 0x22
MAP_FAILED = -1
ADVICE_HUGE_PAGE = 14


class Blocks(Struct):
    """The pool of free blocks, under a lock."""

    lock: i64
    count: i64
    free_bytes: i64
    taken: i64
    mapped: i64


class Block(Struct):
    """A free block."""

    address: Pointer
    size_bytes: i64


class Arena(Struct):
    """The arena of one thread: the bytes below `top` are in use."""

    base: Pointer
    capacity: i64
    top: i64
    peak: i64
    calls: i64


class Key(Struct):
    """Key of the thread's arena, plus one; 0 before the start."""

    value: i64


class Chunk(Struct):
    """Head of memory that a program asked for while it ran; 64 bytes before that memory."""

    next: Pointer
    size_bytes: i64


blocks = static("weft_blocks", Blocks)
free_blocks = static_words("weft_free_blocks", 2 * MAX_FREE_BLOCKS)
arena_key = static("weft_arena_key", Key)

mmap = external("mmap", 6)
munmap = external("munmap", 2, bits=32)
madvise = external("madvise", 3, bits=32)
memmove = external("memmove", 3)
malloc = external("malloc", 1)
aligned_alloc = external("aligned_alloc", 2)
free = external("free", 1)
sched_yield = external("sched_yield", 0, bits=32)
pthread_key_create = external("pthread_key_create", 2, bits=32)
pthread_getspecific = external("pthread_getspecific", 1)
pthread_setspecific = external("pthread_setspecific", 2, bits=32)


# ---- blocks ------------------------------------------------------------------------------------------------


@native
def weft_block_class(size_bytes: i64) -> i64:
    """The size of the block that holds `size_bytes`; wastes at most an eighth, or 2 MB."""
    step = HUGE_PAGE
    while step * 16 <= size_bytes:
        step *= 2
    return (size_bytes + step - 1) & -step


@native
def weft_blocks_lock() -> i64:
    """Take the pool's lock; it is held for some tens of instructions, or for an unmapping."""
    while compare_exchange(address_of(blocks), 0, 1) != 0:
        sched_yield()
    return 0


@native_cold
def weft_block_map(size_bytes: i64) -> Pointer:
    """New memory, aligned to 2 MB, with huge pages if the system gives them; 0 if there is none."""
    start = mmap(0, size_bytes + HUGE_PAGE, PROTECT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0)
    if start == MAP_FAILED:
        return 0
    address = (start + HUGE_PAGE - 1) & -HUGE_PAGE
    if address != start:
        munmap(start, address - start)
    if start + HUGE_PAGE != address:
        munmap(address + size_bytes, start + HUGE_PAGE - address)
    madvise(address, size_bytes, ADVICE_HUGE_PAGE)
    return address


@native
def weft_block_remove(index: i64) -> Pointer:
    """Take block `index` off the list of free ones, which stays ordered by age. The lock is held."""
    block = Block.at(address_of(free_blocks[2 * index]))
    address = block.address
    blocks.free_bytes -= block.size_bytes
    blocks.count -= 1
    memmove(
        address_of(free_blocks[2 * index]),
        address_of(free_blocks[2 * index + 2]),
        16 * (blocks.count - index),
    )
    return address


@native_cold
def weft_block_take(size_bytes: i64) -> Pointer:
    """A block of at least `size_bytes`, aligned to 2 MB.

    The one freed last, if there is one. 0 if there is no memory.
    """
    wanted = weft_block_class(size_bytes)
    weft_blocks_lock()
    blocks.taken += 1
    index = blocks.count - 1
    while index >= 0:
        if free_blocks[2 * index + 1] == wanted:
            address = weft_block_remove(index)
            atomic_store(address_of(blocks), 0)
            return address
        index -= 1
    blocks.mapped += 1
    atomic_store(address_of(blocks), 0)
    return weft_block_map(wanted)


@native_cold
def weft_block_limit(limit_bytes: i64, limit_count: i64) -> i64:
    """Unmap the oldest free blocks until they are within the limits. The lock is held."""
    while blocks.count > 0 and (blocks.free_bytes > limit_bytes or blocks.count > limit_count):
        size_bytes = free_blocks[1]
        munmap(weft_block_remove(0), size_bytes)
    return 0


@native_cold
def weft_block_give(address: Pointer, size_bytes: i64) -> i64:
    """Give back a block that was taken for `size_bytes`."""
    size = weft_block_class(size_bytes)
    if size > FREE_LIMIT_BYTES:
        munmap(address, size)
        return 0
    weft_blocks_lock()
    weft_block_limit(FREE_LIMIT_BYTES - size, MAX_FREE_BLOCKS - 1)
    block = Block.at(address_of(free_blocks[2 * blocks.count]))
    block.address = address
    block.size_bytes = size
    blocks.count += 1
    blocks.free_bytes += size
    atomic_store(address_of(blocks), 0)
    return 0


@native_cold
def weft_memory_trim() -> i64:
    """Unmap all free blocks, and this thread's arena if it is not in use."""
    arena = Arena.at(pthread_getspecific(arena_key.value - 1))
    if address_of(arena) != 0 and arena.top == 0 and arena.base != 0:
        weft_arena_drop(address_of(arena))
    weft_blocks_lock()
    weft_block_limit(0, 0)
    atomic_store(address_of(blocks), 0)
    return 0


@native_cold
def weft_memory_forget() -> i64:
    """In a child after fork.

    The lock may have been held by a thread that is gone, its list half changed; forget the blocks.
    """
    if atomic_load(address_of(blocks)):
        blocks.count = 0
        blocks.free_bytes = 0
        atomic_store(address_of(blocks), 0)
    return 0


@native_cold
def weft_memory_statistics(which: i64) -> i64:
    """0: bytes that lie free, 1: free blocks, 2: blocks taken so far, 3: of these new from the system."""
    match which:
        case 0:
            return blocks.free_bytes
        case 1:
            return blocks.count
        case 2:
            return blocks.taken
        case _:
            return blocks.mapped


# ---- the arena of a thread ---------------------------------------------------------------------------------


@native_cold
def weft_arena_drop(record: Pointer) -> i64:
    """Give an arena's memory to the pool."""
    arena = Arena.at(record)
    weft_block_give(arena.base, arena.capacity)
    arena.base = 0
    arena.capacity = 0
    arena.peak = 0
    arena.calls = 0
    return 0


@native_cold
def weft_arena_end(record: Pointer) -> i64:
    """A thread ends: called by the C library."""
    arena = Arena.at(record)
    if arena.base != 0:
        weft_arena_drop(record)
    free(record)
    return 0


@native_cold
def weft_memory_start() -> i64:
    """Once per process, before all else. Not 0: no key to be had."""
    failed = pthread_key_create(address_of(arena_key), address_of(weft_arena_end))
    arena_key.value += 1
    return failed


@native_cold
def weft_arena_new() -> Pointer:
    """The record of a thread that has none; 0 if there is no memory."""
    arena = Arena.at(malloc(Arena_BYTES))
    if address_of(arena) != 0:
        arena.base = 0
        arena.capacity = 0
        arena.top = 0
        arena.peak = 0
        arena.calls = 0
        pthread_setspecific(arena_key.value - 1, address_of(arena))
    return address_of(arena)


Arena_BYTES = Arena.record_bytes


@native_cold
def weft_arena_grow(record: Pointer, size_bytes: i64) -> i64:
    """Make the unused arena hold `size_bytes`; gives its base, 0 if there is no memory."""
    arena = Arena.at(record)
    if arena.base != 0:
        weft_arena_drop(record)
    arena.base = weft_block_take(size_bytes)
    if arena.base != 0:
        arena.capacity = weft_block_class(size_bytes)
        arena.top = size_bytes
    return arena.base


@native
def weft_arena_enter(size_bytes: i64) -> Pointer:
    """64-byte aligned memory for one call.

    0 if there is none. `weft_arena_leave` with the same size gives it back, in stack order.
    """
    arena = Arena.at(pthread_getspecific(arena_key.value - 1))
    if address_of(arena) == 0:
        arena = Arena.at(weft_arena_new())
        if address_of(arena) == 0:
            return 0
    rounded = (size_bytes + LINE - 1) & -LINE
    if arena.top + rounded <= arena.capacity:
        address = arena.base + arena.top
        arena.top += rounded
        return address
    if arena.top == 0:
        return weft_arena_grow(address_of(arena), rounded)
    return weft_block_take(rounded)


@native
def weft_arena_leave(address: Pointer, size_bytes: i64) -> i64:
    """Give back the memory of a call."""
    arena = Arena.at(pthread_getspecific(arena_key.value - 1))
    rounded = (size_bytes + LINE - 1) & -LINE
    if address < arena.base or address >= arena.base + arena.capacity:
        return weft_block_give(address, rounded)
    if arena.top > arena.peak:
        arena.peak = arena.top
    arena.top = address - arena.base
    if arena.top == 0:
        arena.calls += 1
        if arena.calls >= TRIM_CALLS:
            if 2 * weft_block_class(arena.peak) <= arena.capacity:
                return weft_arena_drop(address_of(arena))
            arena.calls = 0
            arena.peak = 0
    return 0


# ---- memory without a bound --------------------------------------------------------------------------------


@native_cold
def weft_chunk_take(chain: Pointer, size_bytes: i64) -> Pointer:
    """64-byte aligned memory, put on the chain whose first word is at `chain`; 0 if there is none."""
    total = ((size_bytes + LINE - 1) & -LINE) + LINE
    if size_bytes < 0 or total < size_bytes:
        return 0
    if total > LARGE_RESULT_BYTES:
        chunk = Chunk.at(weft_block_take(total))
    else:
        chunk = Chunk.at(aligned_alloc(LINE, total))
    if address_of(chunk) == 0:
        return 0
    chunk.next = Words.at(chain)[0]
    chunk.size_bytes = total
    Words.at(chain)[0] = address_of(chunk)
    return address_of(chunk) + LINE


@native_cold
def weft_chunk_give(first: Pointer) -> i64:
    """Free the chain that starts with `first`."""
    chunk = Chunk.at(first)
    while address_of(chunk) != 0:
        following = chunk.next
        if chunk.size_bytes > LARGE_RESULT_BYTES:
            weft_block_give(address_of(chunk), chunk.size_bytes)
        else:
            free(address_of(chunk))
        chunk = Chunk.at(following)
    return 0


EXPORTS = (
    weft_block_take,
    weft_block_give,
    weft_arena_enter,
    weft_arena_leave,
    weft_chunk_take,
    weft_chunk_give,
    weft_memory_trim,
    weft_memory_forget,
    weft_memory_statistics,
    weft_memory_start,
)


# ---- the memory of this process ----------------------------------------------------------------------------


class Memory:
    """The process's blocks and arenas.

    `symbols` are the native functions by name, for the entry to link with.
    """

    def __init__(self, code: LoadedObject) -> None:
        self.symbols = {fn.__name__: code.address(fn.__name__) for fn in EXPORTS}
        if ctypes.CFUNCTYPE(ctypes.c_int64)(self.symbols["weft_memory_start"])():
            raise OSError("no thread key left for the arenas")
        self._statistics = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_int64)(
            self.symbols["weft_memory_statistics"]
        )
        self._trim = ctypes.CFUNCTYPE(ctypes.c_int64)(self.symbols["weft_memory_trim"])
        self._forget = ctypes.CFUNCTYPE(ctypes.c_int64)(self.symbols["weft_memory_forget"])
        os.register_at_fork(after_in_child=self._forget)

    def statistics(self) -> dict[str, int]:
        """Bytes and blocks that lie free, blocks taken so far, and how many of these were new."""
        names = ("free_bytes", "free_blocks", "taken", "mapped")
        return {name: self._statistics(which) for which, name in enumerate(names)}

    def trim(self) -> None:
        """Give all free blocks and the calling thread's arena back to the system."""
        self._trim()


def _build() -> bytes:
    return compile_text(
        translate(EXPORTS, architecture=host_architecture()), baseline_machine(), passes=RUNTIME_PASSES
    )


_lock = Lock()
_memories: list[Memory] = []


def process_memory(fetch: Fetch | None = None, store: Store | None = None) -> Memory:
    """The memory of this process; the first call loads the native code (from the cache, if one is given)."""
    with _lock:
        if not _memories:
            _memories.append(Memory(load(cached_object("memory", _build, fetch, store)).keep()))
        return _memories[0]
