"""Native records of the call entry: objects as far as the entry reads them, and packed guard tables.

Object layouts are those of CPython 3.11 to 3.14 with a GIL and of NumPy's stable ABI 2. Holds no code;
`entry_pack` writes the packed records, `entry_match` and `entry_run` read them.
"""

import enum

from weft.runtime.context import Context
from weft.runtime.layout import Pointer, Struct, i8, i32, i64

# ---- objects -----------------------------------------------------------------------------------------------


class Object(Struct):
    """Head of each object."""

    references: i64
    type: Pointer


class SplitObject(Struct):
    """Head of each object since 3.12: a count below zero tells immortal objects.

    The other half is zero, or flags (3.14).
    """

    low_references: i32
    high_references: i32


class SizedObject(Object):
    """A list, whose items lie elsewhere, or a tuple, whose items follow its size or (3.14) its hash."""

    size: i64
    items: Pointer


class TypeObject(Struct):
    """A type; only `tp_free` is read."""

    head: i64


class ArrayObject(Object):
    """`numpy.ndarray`."""

    data: Pointer
    rank: i32
    dimensions: Pointer
    strides: Pointer
    base: Pointer
    descr: Pointer
    flags: i32


class Descr(Object):
    """`numpy.dtype`."""

    scalar_type: Pointer
    kind: i8
    letter: i8
    byte_order: i8
    former_flags: i8
    number: i32
    flags: i64
    item_bytes: i64


class EntryObject(Object):
    """An instance of CompiledEntry.

    `owner` keeps the memory of `variants` alive; the two change together, under the GIL.
    """

    vectorcall: Pointer
    dictionary: Pointer
    weak_references: Pointer
    slow: Pointer
    owner: Pointer
    variants: Pointer


ITEMS_OFFSET = tuple.__basicsize__  # of a tuple's first item: 24, since 3.14 32
VALUE_OFFSET = 16  # of the value of a float, a complex or a NumPy scalar


# ---- packed tables -----------------------------------------------------------------------------------------


class Code(enum.IntEnum):
    """What a packed step does. The last two also do the step after them, an ARRAY of their target."""

    ARGUMENT = 0
    CONSTANT = 1
    LIST_ITEM = 2
    TUPLE_ITEM = 3
    DICT_VALUE = 4
    ATTRIBUTE = 5
    CELL_CONTENT = 6
    EXACT_TYPE = 7
    LENGTH = 8
    KEYS = 9
    KEY_MISSING = 10
    IDENTITY = 11
    EQUAL = 12
    ARRAY = 13
    INTEGER = 14
    CELL = 15
    DISJOINT = 16
    IDENTICAL = 17
    ARGUMENT_ARRAY = 18
    LIST_ITEM_ARRAY = 19


class SizeMode(enum.IntEnum):
    """How a size is checked."""

    EXACT = 0
    BIND = 1
    SAME = 2


class SizeRecord(Struct):
    """One size: `value` is the exact value or the minimum, `slot` the number that is bound or compared."""

    mode: i64
    value: i64
    slot: i64


class StepRecord(Struct):
    """One step. `target` is a register or a pointer, `source` a register (-1: none).

    ARGUMENT: number is the position or -1, object the name, source the default. Items: number is the index,
    flags whether a reference is held.
    ARRAY: object is the dtype, words the SizeRecords, count their number, flags what the array's flags must
    have, number where strides go or -1.
    """

    code: i32
    target: i32
    source: i32
    count: i32
    object: Pointer
    number: i64
    words: Pointer
    flags: i64


class OutputKind(enum.IntEnum):
    """What a raw output is."""

    ARRAY = 0
    SCALAR = 1
    INT = 2
    FLOAT = 3
    BOOL = 4
    COMPLEX = 5


class OutputRecord(Struct):
    """One raw output.

    `words` are the sizes if `fixed_bytes`, the size in bytes, is not negative; else pairs per dimension:
    0 and a size, or 1 and a number's slot.
    """

    kind: i32
    pointer: i32
    rank: i64
    descr: Pointer
    words: Pointer
    fixed_bytes: i64


class TreeCode(enum.IntEnum):
    """Steps that build the result on a stack."""

    OUTPUT = 0
    REGISTER = 1
    CONSTANT = 2
    LIST = 3
    TUPLE = 4
    DICT = 5


class TreeRecord(Struct):
    """One step: `number` is an index or a count, `object` a constant or the tuple of keys."""

    code: i64
    number: i64
    object: Pointer


class TableRecord(Struct):
    """A variant. Never changes once published, but for the counter of calls.

    `size_slots` are the numbers that a call's sizes and ints are bound to, `cell_count` is how many outputs
    are no arrays. A tree without steps is the first output.
    """

    positional_least: i64
    positional_most: i64
    steps: Pointer
    steps_end: Pointer
    outputs: Pointer
    output_count: i64
    cell_count: i64
    tree: Pointer
    tree_count: i64
    finish: Pointer
    register_count: i64
    pointer_count: i64
    number_count: i64
    owned_count: i64
    frame_bytes: i64
    program: Pointer
    prepare: Pointer
    arena_bytes: i64
    arena_slot: i64
    keeps_gil: i64
    short_size: i64
    size_slots: Pointer
    size_count: i64
    driver: Pointer
    on_error: Pointer
    on_callback: Pointer
    locks: Pointer
    lock_count: i64
    calls: i64


class Constants(Struct):
    """Objects that the entry compares with or returns; Python fills them in when the entry is loaded."""

    array_type: Pointer
    int_type: Pointer
    true: Pointer
    false: Pointer
    none: Pointer


class Frame(Context):
    """One call: the program's context, and behind it what the entry alone reads."""

    table: Pointer
    arguments: Pointer
    argument_count: i64
    names: Pointer
    names_taken: i64
    registers: Pointer
    pointers: Pointer
    numbers: Pointer
    owned: Pointer
    owned_count: i64
    results: Pointer
    cells: Pointer
    build_stack: Pointer
    thread: i64
    thread_state: Pointer
    keeps_gil: i64
    polled_ms: i64
    is_interrupted: i64
    chunks: Pointer
    locks: Pointer
