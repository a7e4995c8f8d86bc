"""Blocks and arenas: reuse, limits, stack order, threads."""

import ctypes
import threading

import pytest

from weft.backends.cpu.memory import FREE_LIMIT_BYTES, HUGE_PAGE, process_memory

MB = 1 << 20


@pytest.fixture
def memory():
    memory = process_memory()
    memory.trim()
    return memory


def call(memory, name, *arguments):
    return ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * len(arguments))(memory.symbols[name])(
        *arguments
    )


def test_a_block_is_used_again(memory):
    first = call(memory, "weft_block_take", 3 * MB)
    assert first % HUGE_PAGE == 0
    ctypes.memset(first, 1, 3 * MB)
    call(memory, "weft_block_give", first, 3 * MB)
    assert memory.statistics()["free_bytes"] == 4 * MB
    assert call(memory, "weft_block_take", 4 * MB) == first
    other = call(memory, "weft_block_take", 4 * MB)
    assert other != first
    call(memory, "weft_block_give", first, 4 * MB)
    call(memory, "weft_block_give", other, 4 * MB)


def test_at_most_256_megabytes_lie_free(memory):
    taken = [call(memory, "weft_block_take", 60 * MB) for _ in range(6)]
    for address in taken:
        call(memory, "weft_block_give", address, 60 * MB)
        assert memory.statistics()["free_bytes"] <= FREE_LIMIT_BYTES
    assert memory.statistics()["free_blocks"] == 4
    huge = call(memory, "weft_block_take", 300 * MB)
    call(memory, "weft_block_give", huge, 300 * MB)
    assert memory.statistics()["free_blocks"] == 4
    small = [call(memory, "weft_block_take", 2 * MB) for _ in range(80)]
    assert len(set(small)) == 80
    for address in small:
        call(memory, "weft_block_give", address, 2 * MB)
    assert memory.statistics()["free_blocks"] == 64
    memory.trim()
    assert memory.statistics()["free_bytes"] == 0


def test_arena_is_a_stack(memory):
    outer = call(memory, "weft_arena_enter", 1000)
    inner = call(memory, "weft_arena_enter", 100)
    assert inner == outer + 1024
    too_big = call(memory, "weft_arena_enter", 5 * MB)
    assert not outer <= too_big < outer + HUGE_PAGE
    call(memory, "weft_arena_leave", too_big, 5 * MB)
    call(memory, "weft_arena_leave", inner, 100)
    call(memory, "weft_arena_leave", outer, 1000)
    grown = call(memory, "weft_arena_enter", 5 * MB)
    assert grown == too_big  # the block that lay free
    call(memory, "weft_arena_leave", grown, 5 * MB)


def test_idle_arena_is_trimmed(memory):
    big = call(memory, "weft_arena_enter", 64 * MB)
    call(memory, "weft_arena_leave", big, 64 * MB)
    for _ in range(512):
        call(memory, "weft_arena_leave", call(memory, "weft_arena_enter", 64), 64)
    assert memory.statistics()["free_bytes"] >= 64 * MB


def test_arena_of_a_thread_returns_to_the_pool(memory):
    def work():
        address = call(memory, "weft_arena_enter", 20 * MB)
        ctypes.memset(address, 1, 20 * MB)
        call(memory, "weft_arena_leave", address, 20 * MB)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    for _ in range(200):  # the C library may still be ending the thread
        if memory.statistics()["free_bytes"] >= 20 * MB:
            break
        threading.Event().wait(0.01)
    assert memory.statistics()["free_bytes"] >= 20 * MB


def test_blocks_from_many_threads(memory):
    def work(seed):
        for i in range(300):
            size = (2 + (i * seed) % 5 * 2) * MB
            address = call(memory, "weft_block_take", size)
            word = ctypes.c_int64.from_address(address)
            word.value = seed
            assert word.value == seed
            call(memory, "weft_block_give", address, size)

    threads = [threading.Thread(target=work, args=(n,)) for n in (1, 3, 7)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert memory.statistics()["free_bytes"] <= FREE_LIMIT_BYTES


def test_chunks(memory):
    chain = ctypes.c_int64(0)
    for size in (1, 100, 3 * MB):
        address = call(memory, "weft_chunk_take", ctypes.addressof(chain), size)
        assert address % 64 == 0
        ctypes.memset(address, 1, size)
    assert call(memory, "weft_chunk_take", ctypes.addressof(chain), 1 << 60) == 0
    call(memory, "weft_chunk_give", chain.value)
