"""The thread pool: fork-join in native code, for programs in the process and exported libraries alike.

Holds the pool's native functions, their LLVM IR text (`pool_text`) and the pool of this process (`pool`). Not
how loops are cut into indices: that is the schedule's business, and it never depends on the number of
threads, so neither do the bits.

How it works. Each participant (the caller is 0) owns a word with the range of indices it has not begun: next
in the low half, end in the high half. It takes from the front by compare-and-exchange; who has run dry takes
from the back of others. So an index goes to the same thread every time as long as all keep pace, and its data
stays in that thread's cache. A claim that succeeds proves that the job is open, and it stays open until the
claimed index is counted in `done`; hence `body` and `env` are read after a claim, and a thread that wakes
late does no harm. The caller waits for indices, never for threads: it does the share of those that sleep. An
idle worker spins on its own word, then sleeps on a futex. A call made inside a parallel loop, or while
another has the pool, runs serially.
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
    atomic_add,
    atomic_exchange,
    atomic_load,
    atomic_store,
    compare_exchange,
    external,
    invoke,
    native,
    native_cold,
    pause,
    stack,
    static,
    static_words,
)
from weft.backends.cpu.native_text import translate
from weft.runtime.forks import Lock
from weft.runtime.layout import Pointer, Struct, Words, i64

MAX_THREADS = 256
DEFAULT_SPINS = 20_000  # about 0.3 ms: longer than the serial stretch between two loops of a program

LINE_WORDS = 16  # a hot word has 128 bytes to itself: two lines, since cores fetch them in pairs
WORDS_BYTES = 8 * LINE_WORDS * MAX_THREADS
HALF = 1 << 32
LOW = HALF - 1
WAIT_PAUSES = 2_000  # a caller that waits longer gives its core away: there may be more threads than cores

SYSCALL_FUTEX = 202
FUTEX_WAIT, FUTEX_WAKE = 128, 129  # both private to the process
MASK_BYTES = 128  # of a CPU set, as in glibc; also enough for a signal set
MASK_BITS = 8 * MASK_BYTES
SIGNALS_BLOCK = 0

SYSTEM_CALLS = {"x86_64": 202, "aarch64": 98}


class Shared(Struct):
    """What the pool's threads share. Written by the caller that has the pool."""

    body: Pointer
    env: Pointer
    participants: i64
    wanted: i64
    spins: i64
    is_pinned: i64
    first_cpu: i64
    is_stopping: i64


class Counter(Struct):
    """A word that threads write."""

    value: i64


shared = static("weft_pool_shared", Shared)
busy = static("weft_pool_busy", Counter)
done = static("weft_pool_done", Counter)
sleepers = static("weft_pool_sleepers", Counter)
epoch = static("weft_pool_epoch", Counter)
ranges = static_words("weft_pool_ranges", LINE_WORDS * MAX_THREADS)
handles = static_words("weft_pool_handles", MAX_THREADS)
cpus = static_words("weft_pool_cpus", MASK_BYTES // 8)

syscall = external("syscall", 1, variadic=True)
pthread_create = external("pthread_create", 4, bits=32)
pthread_join = external("pthread_join", 2, bits=32)
pthread_sigmask = external("pthread_sigmask", 3, bits=32)
sched_yield = external("sched_yield", 0, bits=32)
sched_getcpu = external("sched_getcpu", 0, bits=32)
sched_getaffinity = external("sched_getaffinity", 3, bits=32)
sched_setaffinity = external("sched_setaffinity", 3, bits=32)


# ---- claiming ----------------------------------------------------------------------------------------------


@native
def weft_pool_claim(participant: i64, step: i64) -> i64:
    """Take an index from a participant's range.

    -1 when it is empty. `step` is 1 to take the first, -HALF to take the last.
    """
    word = address_of(ranges[participant * LINE_WORDS])
    seen = atomic_load(word)
    while (seen & LOW) < ((seen >> 32) & LOW):
        old = compare_exchange(word, seen, seen + step)
        if old == seen:
            return (seen & LOW) if step == 1 else ((seen >> 32) & LOW) - 1
        seen = old
    return -1


@native
def weft_pool_run(owner: i64, step: i64, participant: i64) -> i64:
    """Run indices of the range of `owner` until it is empty; gives their number."""
    count = 0
    index = weft_pool_claim(owner, step)
    while index >= 0:
        invoke(shared.body, shared.env, index, participant)
        count += 1
        index = weft_pool_claim(owner, step)
    return count


@native
def weft_pool_drain(participant: i64) -> i64:
    """Run what is left of the present job: the own range from the front, then the others' from the back."""
    count = weft_pool_run(participant, 1, participant)
    if count:
        atomic_add(address_of(done), count)
    owner = participant + 1
    for _ in range(1, shared.participants):
        if owner >= shared.participants:
            owner = 0
        count = weft_pool_run(owner, -HALF, participant)
        if count:
            atomic_add(address_of(done), count)
        owner += 1
    return 0


# ---- workers -----------------------------------------------------------------------------------------------


@native
def weft_pool_has_work(participant: i64) -> i64:
    """Whether a worker has something to do; to stop is something too."""
    word = atomic_load(address_of(ranges[participant * LINE_WORDS]))
    return (word & LOW) < ((word >> 32) & LOW) or atomic_load(address_of(shared.is_stopping)) != 0


@native
def weft_pool_idle(participant: i64) -> i64:
    """Return when there is work: spin, then sleep.

    No wake is lost: the sleeper counts itself before it looks for the last time, the caller publishes before
    it reads the count.
    """
    pauses = 0
    while not weft_pool_has_work(participant):
        pauses += 1
        if pauses <= shared.spins:
            pause()
            continue
        pauses = 0
        now = atomic_load(address_of(epoch))
        atomic_add(address_of(sleepers), 1)
        if not weft_pool_has_work(participant):
            syscall(SYSCALL_FUTEX, address_of(epoch), FUTEX_WAIT, now, 0, 0, 0)
        atomic_add(address_of(sleepers), -1)
    return 0


@native
def weft_pool_worker(participant: i64) -> i64:
    """A worker's life. Signals are left to the threads of the host program."""
    signals = stack(MASK_BYTES)
    for i in range(MASK_BYTES // 8):
        Words.at(signals)[i] = -1
    pthread_sigmask(SIGNALS_BLOCK, signals, 0)
    if shared.is_pinned:
        weft_pool_pin(participant)
    while True:
        weft_pool_idle(participant)
        if atomic_load(address_of(shared.is_stopping)):
            return 0
        weft_pool_drain(participant)
    return 0


@native_cold
def weft_pool_pin(participant: i64) -> i64:
    """Bind this worker to the allowed CPU that is `participant` places after the first caller's.

    Beyond their number, to none.
    """
    cpu = shared.first_cpu
    left = participant
    for _ in range(MASK_BITS - 1):
        cpu = (cpu + 1) % MASK_BITS
        if cpu == shared.first_cpu:
            return 0
        if cpus[cpu // 64] >> (cpu % 64) & 1:
            left -= 1
            if left == 0:
                mask = stack(MASK_BYTES)
                for i in range(MASK_BYTES // 8):
                    Words.at(mask)[i] = 0
                Words.at(mask)[cpu // 64] = 1 << (cpu % 64)
                return sched_setaffinity(0, MASK_BYTES, mask)
    return 0


# ---- the pool: start, stop, forget. The caller has `busy` --------------------------------------------------


@native_cold
def weft_pool_start() -> i64:
    """Create the workers that are wanted; fewer if the system refuses."""
    for i in range(MASK_BYTES // 8):
        cpus[i] = 0
    sched_getaffinity(0, MASK_BYTES, address_of(cpus))
    shared.first_cpu = sched_getcpu()
    atomic_store(address_of(shared.is_stopping), 0)
    count = 1
    while count < shared.wanted:
        ranges[count * LINE_WORDS] = 0
        if pthread_create(address_of(handles[count]), 0, address_of(weft_pool_worker), count):
            break
        count += 1
    shared.participants = count
    return 0


@native_cold
def weft_pool_stop() -> i64:
    """End the workers and wait for them."""
    atomic_store(address_of(shared.is_stopping), 1)
    atomic_add(address_of(epoch), 1)
    syscall(SYSCALL_FUTEX, address_of(epoch), FUTEX_WAKE, MAX_THREADS, 0, 0, 0)
    for i in range(1, shared.participants):
        pthread_join(handles[i], 0)
    shared.participants = 0
    return 0


@native_cold
def weft_pool_set(threads: i64, spins: i64, is_pinned: i64) -> i64:
    """Set the number of threads, the pauses before sleep, and pinning.

    The caller counts as a thread. Waits while a loop runs. Workers start with the next parallel loop. Must
    not be called inside a parallel loop.
    """
    while compare_exchange(address_of(busy), 0, 1) != 0:
        sched_yield()
    weft_pool_stop()
    shared.wanted = threads if threads < MAX_THREADS else MAX_THREADS
    shared.spins = spins
    shared.is_pinned = is_pinned
    atomic_store(address_of(busy), 0)
    return 0


@native_cold
def weft_pool_forget() -> i64:
    """In a child after fork: the workers are gone; the next parallel loop starts new ones."""
    shared.participants = 0
    atomic_store(address_of(sleepers), 0)
    atomic_store(address_of(busy), 0)
    return 0


# ---- the loop ----------------------------------------------------------------------------------------------


@native
def weft_parallel_for(body: Pointer, env: Pointer, count: i64) -> i64:
    """Run `body(env, i)` for 0 <= i < count.

    Returns when all are done. `body` may take the thread's number as a third argument.
    """
    if count < 2 or count > LOW >> 1 or shared.wanted < 2 or compare_exchange(address_of(busy), 0, 1) != 0:
        for i in range(count):
            invoke(body, env, i, 0)
        return 0
    if shared.participants == 0:
        weft_pool_start()
    weft_pool_publish(body, env, count)
    weft_pool_drain(0)
    weft_pool_wait(count)
    atomic_store(address_of(busy), 0)
    return 0


@native
def weft_pool_publish(body: Pointer, env: Pointer, count: i64) -> i64:
    """Deal the indices out in equal runs and wake who sleeps."""
    shared.body = body
    shared.env = env
    atomic_store(address_of(done), 0)
    parts = shared.participants
    each = count // parts
    more = count % parts
    start = 0
    for i in range(parts):
        stop = start + each + (1 if i < more else 0)
        atomic_exchange(address_of(ranges[i * LINE_WORDS]), start | stop << 32)
        start = stop
    if atomic_load(address_of(sleepers)):
        atomic_add(address_of(epoch), 1)
        syscall(SYSCALL_FUTEX, address_of(epoch), FUTEX_WAKE, parts - 1, 0, 0, 0)
    return 0


@native
def weft_pool_wait(count: i64) -> i64:
    """Return when all indices are done."""
    pauses = 0
    while atomic_load(address_of(done)) != count:
        pauses += 1
        if pauses > WAIT_PAUSES:
            sched_yield()
        else:
            pause()
    return 0


EXPORTS = (weft_parallel_for, weft_pool_set, weft_pool_forget)


def pool_text(architecture: str) -> str:
    """The pool as LLVM IR text, for a Linux machine.

    `weft_parallel_for`, `weft_pool_set`, `weft_pool_forget`.
    """
    constants = {"SYSCALL_FUTEX": SYSTEM_CALLS[architecture]}
    return translate(EXPORTS, architecture=architecture, constants=constants)


# ---- the pool of this process ------------------------------------------------------------------------------


class ThreadPool:
    """The process's pool, in native code. `parallel_for` is the address that a context carries."""

    def __init__(self, code: LoadedObject) -> None:
        self._code = code
        self.parallel_for = code.address("weft_parallel_for")
        self._set = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 3)(code.address("weft_pool_set"))
        self._run = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * 3)(self.parallel_for)
        self._forget = ctypes.CFUNCTYPE(None)(code.address("weft_pool_forget"))
        self.threads = 0
        os.register_at_fork(after_in_child=self._forget)

    def configure(
        self, threads: int | None = None, *, spins: int = DEFAULT_SPINS, is_pinned: bool = True
    ) -> None:
        """Set the number of threads (default.

        CPUs that the process may use). Waits while a parallel loop runs.
        """
        self.threads = min(max(threads or len(os.sched_getaffinity(0)), 1), MAX_THREADS)
        self._set(self.threads, spins, is_pinned)

    def run(self, body: int, env: int, count: int) -> None:
        """Call the native `body(env, i)` for each i below `count`, the GIL released."""
        self._run(body, env, count)


def _build() -> bytes:
    return compile_text(pool_text(host_architecture()), baseline_machine(), passes=RUNTIME_PASSES)


_lock = Lock()


_pools: list[ThreadPool] = []
_wanted: list[tuple[int | None, bool]] = [(None, True)]


def use_threads(threads: int | None, is_pinned: bool) -> None:
    """Let programs use so many threads from their next loop on; None: one for each CPU of the process.

    A change ends the workers of before; waits while a parallel loop runs.
    """
    if _wanted[0] == (threads, is_pinned):
        return
    with _lock:
        _wanted[0] = (threads, is_pinned)
        if _pools:
            _pools[0].configure(threads, is_pinned=is_pinned)


def process_pool(fetch: Fetch | None = None, store: Store | None = None) -> ThreadPool:
    """The pool of this process.

    The first call loads it (from the cache, if one is given). Threads start with the first parallel loop.
    """
    with _lock:
        if not _pools:
            _pools.append(ThreadPool(load(cached_object("threads", _build, fetch, store)).keep()))
            _pools[0].configure(_wanted[0][0], is_pinned=_wanted[0][1])
        return _pools[0]
