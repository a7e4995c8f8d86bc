"""The call entry, second half: native functions that run a matched variant.

Written in the subset of `native.py`. A call goes: match (`entry_match.py`), `prepare`, new arrays, the
program without the GIL unless the table says that it is short, then the results (`entry_results.py`). The
entry holds a reference to the owner of the tables while it reads them, so a table that is replaced meanwhile
lives until its last call is over.
"""

from weft.backends.cpu.entry_lock import OWN, entry_give_locks, entry_mark_locks, entry_take_locks
from weft.backends.cpu.entry_match import entry_drop, entry_keep, entry_match
from weft.backends.cpu.entry_records import (
    ArrayObject,
    Constants,
    Descr,
    EntryObject,
    Frame,
    OutputKind,
    OutputRecord,
    TableRecord,
)
from weft.backends.cpu.entry_results import entry_call_python, entry_result
from weft.backends.cpu.native import (
    address_of,
    external,
    invoke,
    invoke_int,
    native,
    native_cold,
    stack,
    static,
)
from weft.runtime.interface import WAITS_FOR_ITSELF
from weft.runtime.layout import Pointer, Words, i64

constants = static("weft_entry_constants", Constants)

MISS = 1  # neither an object nor the null of an error
COUNT_MASK = 0x7FFFFFFFFFFFFFFF  # of a vectorcall's argument count
FRAME_BYTES = 4096
FRAME_HEAD_BYTES = Frame.record_bytes
OUTPUT_BYTES = OutputRecord.record_bytes
CELL_BYTES = 16
LARGE_RESULT_BYTES = 1 << 20
SMALL_FACTOR = 1 << 31
MAX_BYTES = 1 << 62
ARRAY_FLAGS = 0x1 | 0x100 | 0x400  # C-contiguous, aligned, writeable
POLL_MS = 10
CLOCK_MONOTONIC_COARSE = 6

new_from_descr = external("weft_PyArray_NewFromDescr", 8)
set_base = external("weft_PyArray_SetBaseObject", 2, bits=32)
capsule_new = external("PyCapsule_New", 3)
capsule_pointer = external("PyCapsule_GetPointer", 2)
capsule_set_context = external("PyCapsule_SetContext", 2, bits=32)
capsule_context = external("PyCapsule_GetContext", 1)
vectorcall = external("PyObject_Vectorcall", 4)
int_new = external("PyLong_FromLongLong", 1)
error_occurred = external("PyErr_Occurred", 0)
no_memory = external("PyErr_NoMemory", 0)
bad_call = external("PyErr_BadInternalCall", 0)
check_signals = external("PyErr_CheckSignals", 0, bits=32)
save_thread = external("PyEval_SaveThread", 0)
restore_thread = external("PyEval_RestoreThread", 1)
pthread_self = external("pthread_self", 0)
clock_gettime = external("clock_gettime", 2, bits=32)
malloc = external("malloc", 1)
free = external("free", 1)
block_take = external("weft_block_take", 1)
block_give = external("weft_block_give", 2)
arena_enter = external("weft_arena_enter", 1)
arena_leave = external("weft_arena_leave", 2)
chunk_take = external("weft_chunk_take", 2)
chunk_give = external("weft_chunk_give", 1)
parallel_for = external("weft_parallel_for", 3)


# ---- what programs call through their context --------------------------------------------------------------


@native_cold
def entry_take_gil(frame: Frame) -> i64:
    """Before Python is called from a program."""
    if not frame.keeps_gil:
        restore_thread(frame.thread_state)
    return 0


@native_cold
def entry_release_gil(frame: Frame) -> i64:
    """After Python was called from a program."""
    if not frame.keeps_gil:
        frame.thread_state = save_thread()
    return 0


@native_cold
def entry_poll(frame: Frame) -> i64:
    """Whether the program shall stop.

    At most every 10 ms, ask Python whether a signal's handler has raised. Threads of the pool do not ask; a
    call that keeps the GIL has none (thread 0).
    """
    if frame.is_interrupted or (frame.thread != 0 and pthread_self() != frame.thread):
        return frame.is_interrupted
    time = Words.at(stack(16))
    clock_gettime(CLOCK_MONOTONIC_COARSE, address_of(time))
    now = time[0] * 1000 + time[1] // 1_000_000
    if frame.polled_ms == 0:
        frame.polled_ms = now
    if now - frame.polled_ms < POLL_MS:
        return 0
    frame.polled_ms = now
    entry_take_gil(frame)
    if check_signals() != 0:
        frame.is_interrupted = 1
    entry_release_gil(frame)
    return frame.is_interrupted


@native_cold
def entry_serial_for(body: Pointer, env: Pointer, count: i64) -> i64:
    """What the thread pool does, on the calling thread."""
    for i in range(count):
        invoke(body, env, i, 0)
    return 0


@native_cold
def entry_callback(frame: Frame, site: i64, pointers: Pointer, numbers: Pointer) -> i64:
    """Call the table's Python function with a site's number and two addresses; 1 if it raised."""
    entry_take_gil(frame)
    arguments = Words.at(stack(24))
    arguments[0] = int_new(site)
    arguments[1] = int_new(pointers)
    arguments[2] = int_new(numbers)
    table = TableRecord.at(frame.table)
    entry_mark_locks(frame, table, pthread_self())
    result = entry_call_python(table.on_callback, arguments, 3)
    entry_mark_locks(frame, table, 0)
    if result != 0:
        entry_drop(result)
    entry_release_gil(frame)
    return result == 0


@native_cold
def entry_allocate(frame: Frame, size_bytes: i64) -> Pointer:
    """Memory until the program returns; for the calling thread only."""
    return chunk_take(address_of(frame.chunks), size_bytes)


# ---- before the program ------------------------------------------------------------------------------------


@native
def entry_bytes(output: OutputRecord, sizes: Words) -> i64:
    """Bytes of a new array; -1 if they do not fit, which NumPy shall report."""
    total = Descr.at(output.descr).item_bytes
    for i in range(output.rank):
        size = sizes[i]
        if size < 0:
            return -1
        if (size | total) >= SMALL_FACTOR and size != 0 and total > MAX_BYTES // size:
            return -1
        total *= size
    return total


@native_cold
def entry_block_free(capsule: Pointer) -> i64:
    """Destructor of the capsule that is the base of a large result."""
    return block_give(capsule_pointer(capsule, 0), capsule_context(capsule))


@native_cold
def entry_large_array(output: OutputRecord, sizes: Words, size_bytes: i64) -> Pointer:
    """A new array on a recycled block; 0 with a Python error."""
    memory = block_take(size_bytes)
    if memory == 0:
        no_memory()
        return 0
    capsule = capsule_new(memory, 0, address_of(entry_block_free))
    if capsule == 0:
        block_give(memory, size_bytes)
        return 0
    capsule_set_context(capsule, size_bytes)
    entry_keep(output.descr)
    array = new_from_descr(
        constants.array_type, output.descr, output.rank, address_of(sizes), 0, memory, ARRAY_FLAGS, 0
    )
    if array == 0:
        entry_drop(capsule)
    elif set_base(array, capsule) != 0:  # takes the capsule in any case
        entry_drop(array)
        array = 0
    return array


@native
def entry_sizes(frame: Frame, output: OutputRecord, sizes: Words) -> Pointer:
    """Put the sizes of a new array, some of which are numbers of this call, into memory for them."""
    words = Words.at(output.words)
    for i in range(output.rank):
        size = words[2 * i + 1]
        if words[2 * i]:
            size = Words.at(frame.numbers)[size]
        sizes[i] = size
    return address_of(sizes)


@native
def entry_new_array(frame: Frame, output: OutputRecord) -> Pointer:
    """A new array of a raw output; 0 with a Python error."""
    sizes = Words.at(output.words)
    size_bytes = output.fixed_bytes
    if size_bytes < 0:
        sizes = Words.at(entry_sizes(frame, output, Words.at(stack(512))))
        size_bytes = entry_bytes(output, sizes)
    if size_bytes > LARGE_RESULT_BYTES:
        return entry_large_array(output, sizes, size_bytes)
    entry_keep(output.descr)  # which the call takes
    return new_from_descr(constants.array_type, output.descr, output.rank, address_of(sizes), 0, 0, 0, 0)


@native
def entry_allocate_outputs(frame: Frame, table: TableRecord) -> i64:
    """Give each raw output its memory: a new array, or a cell. 0 with a Python error."""
    output = OutputRecord.at(table.outputs)
    cell = frame.cells
    for i in range(table.output_count):
        memory = cell
        if output.kind == OutputKind.ARRAY:
            array = entry_new_array(frame, output)
            if array == 0:
                return 0
            Words.at(frame.results)[i] = array
            memory = ArrayObject.at(array).data
        else:
            Words.at(cell)[0] = 0
            Words.at(cell)[1] = 0
            cell += CELL_BYTES
        Words.at(frame.pointers)[output.pointer] = memory
        output = OutputRecord.at(address_of(output) + OUTPUT_BYTES)
    return 1


# ---- the program -------------------------------------------------------------------------------------------


@native
def entry_fill_context(frame: Frame, table: TableRecord, arena: Pointer, arena_bytes: i64) -> i64:
    """What the program is given."""
    frame.arena = arena
    frame.arena_bytes = arena_bytes
    frame.error_code = 0
    frame.error_location = 0
    frame.error_fact0 = 0
    frame.error_fact1 = 0
    frame.error_fact2 = 0
    frame.poll = address_of(entry_poll)
    frame.callback = address_of(entry_callback)
    frame.allocate = address_of(entry_allocate)
    frame.driver = table.driver
    frame.polled_ms = 0
    frame.is_interrupted = 0
    frame.chunks = 0
    return 0


@native
def entry_keeps_gil(frame: Frame, table: TableRecord) -> i64:
    """Whether the call is short."""
    if table.keeps_gil or table.short_size == 0:
        return table.keeps_gil
    slots = Words.at(table.size_slots)
    for i in range(table.size_count):
        size = Words.at(frame.numbers)[slots[i]]
        if size > table.short_size or size < -table.short_size:
            return 0
    return 1


@native
def entry_arena_bytes(frame: Frame, table: TableRecord) -> i64:
    """The size of the arena, which `prepare` may have computed."""
    if table.arena_slot >= 0:
        return Words.at(frame.numbers)[table.arena_slot]
    return table.arena_bytes


@native
def entry_invoke(frame: Frame, table: TableRecord) -> i64:
    """Run the program itself, without the GIL unless the call is short; gives its code."""
    frame.keeps_gil = entry_keeps_gil(frame, table)
    if frame.keeps_gil:
        frame.parallel_for = address_of(entry_serial_for)
        frame.thread = 0
    else:
        frame.parallel_for = address_of(parallel_for)
        frame.thread = pthread_self()
        frame.thread_state = save_thread()
    code = invoke_int(table.program, address_of(frame), frame.pointers, frame.numbers)
    if not frame.keeps_gil:
        restore_thread(frame.thread_state)
    return code


@native_cold
def entry_not_locked(frame: Frame, table: TableRecord, taken: i64) -> Pointer:
    """Report why the locks of a call were not taken; gives 0 with a Python error."""
    if taken == OWN:
        return entry_report(frame, table, WAITS_FOR_ITSELF)
    return 0


@native
def entry_execute(frame: Frame, table: TableRecord) -> Pointer:
    """Run the program; gives the call's result, 0 with a Python error."""
    arena_bytes = entry_arena_bytes(frame, table)
    arena = 0
    if arena_bytes > 0:
        arena = arena_enter(arena_bytes)
        if arena == 0:
            return no_memory()
    if table.lock_count > 0:
        taken = entry_take_locks(frame, table)
        if taken != 1:
            if arena != 0:
                arena_leave(arena, arena_bytes)
            return entry_not_locked(frame, table, taken)
    entry_fill_context(frame, table, arena, arena_bytes)
    code = entry_invoke(frame, table)
    if table.lock_count > 0:
        entry_give_locks(frame, table)
    if frame.chunks != 0:
        chunk_give(frame.chunks)
    if arena != 0:
        arena_leave(arena, arena_bytes)
    if code != 0 or frame.is_interrupted:
        return entry_report(frame, table, code)
    return entry_result(frame, table)


@native_cold
def entry_report(frame: Frame, table: TableRecord, code: i64) -> Pointer:
    """The program has failed.

    Python's error if there is one, else what `on_error(code, location, three facts)` raises or returns.
    """
    if error_occurred() != 0:
        return 0
    arguments = Words.at(stack(40))
    arguments[0] = int_new(code)
    arguments[1] = int_new(frame.error_location)
    arguments[2] = int_new(frame.error_fact0)
    arguments[3] = int_new(frame.error_fact1)
    arguments[4] = int_new(frame.error_fact2)
    return entry_call_python(table.on_error, arguments, 5)


# ---- the call ----------------------------------------------------------------------------------------------


@native
def entry_lay_out(frame: Frame, table: TableRecord, memory: Pointer) -> i64:
    """Place the arrays of a frame behind its head and clear what must be clear."""
    frame.table = address_of(table)
    frame.names_taken = 0
    frame.owned_count = 0
    frame.registers = memory
    frame.numbers = frame.registers + 8 * table.register_count
    frame.results = frame.numbers + 8 * table.number_count
    frame.pointers = frame.results + 8 * table.output_count
    frame.owned = frame.pointers + 8 * table.pointer_count
    frame.build_stack = frame.owned + 8 * table.owned_count
    frame.locks = frame.build_stack + 8 * table.tree_count
    frame.cells = frame.locks + 8 * table.lock_count
    results = Words.at(frame.results)
    for i in range(table.output_count):
        results[i] = 0
    if table.finish != 0:  # sees all, also what this call has not set
        words = Words.at(frame.registers)
        for i in range(table.register_count + table.number_count):
            words[i] = 0
    return 0


@native
def entry_release(frame: Frame, table: TableRecord) -> i64:
    """Drop what the call holds."""
    owned = Words.at(frame.owned)
    for i in range(frame.owned_count):
        entry_drop(owned[i])
    results = Words.at(frame.results)
    for i in range(table.output_count):
        if results[i] != 0:
            entry_drop(results[i])
    return 0


@native
def entry_attempt(frame: Frame, table: TableRecord) -> Pointer:
    """Serve the call by one table: MISS if it does not describe the call, 0 with a Python error."""
    result = MISS
    if entry_match(frame, table):
        if table.prepare == 0 or invoke_int(table.prepare, frame.numbers) == 0:
            table.calls += 1
            result = 0
            if entry_allocate_outputs(frame, table):
                result = entry_execute(frame, table)
    entry_release(frame, table)
    return result


@native_cold
def entry_attempt_large(frame: Frame, table: TableRecord) -> Pointer:
    """The same for a table whose frame is too large for the stack."""
    memory = malloc(table.frame_bytes)
    if memory == 0:
        return no_memory()
    entry_lay_out(frame, table, memory)
    result = entry_attempt(frame, table)
    free(memory)
    return result


@native_cold
def entry_move_to_front(tables: Words, index: i64) -> i64:
    """Let a table be tried first, the others after it in their order. The GIL is held."""
    table = tables[index]
    while index > 0:
        tables[index] = tables[index - 1]
        index -= 1
    tables[0] = table
    return 0


@native
def entry_try_all(variants: Words, arguments: Pointer, count: i64, names: Pointer) -> Pointer:
    """Try the tables in turn; MISS if none serves the call."""
    head = Frame.at(stack(FRAME_HEAD_BYTES))
    memory = stack(FRAME_BYTES)
    head.arguments = arguments
    head.argument_count = count
    head.names = names
    result = MISS
    for i in range(variants[0]):
        table = TableRecord.at(variants[i + 1])
        if count >= table.positional_least and count <= table.positional_most:
            if table.frame_bytes > FRAME_BYTES:
                result = entry_attempt_large(head, table)
            else:
                entry_lay_out(head, table, memory)
                result = entry_attempt(head, table)
            if result != MISS:
                if i > 0:
                    entry_move_to_front(Words.at(address_of(variants[1])), i)
                break
    return result


@native
def entry_vectorcall(callable_: Pointer, arguments: Pointer, count_and_flag: i64, names: Pointer) -> Pointer:
    """The vectorcall of CompiledEntry: a variant, else the Python slow path."""
    entry = EntryObject.at(callable_)
    if entry.variants != 0:
        owner = entry.owner
        entry_keep(owner)
        result = entry_try_all(Words.at(entry.variants), arguments, count_and_flag & COUNT_MASK, names)
        entry_drop(owner)
        if result != MISS:
            return result
    if entry.slow == 0:
        bad_call()
        return 0
    return vectorcall(entry.slow, arguments, count_and_flag, names)
