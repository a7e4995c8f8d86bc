"""The call entry, first half: native functions that match a call against a guard table.

Written in the subset of `native.py`, for CPython 3.11 to 3.14. What tables mean is said by
`weft.runtime.signature.match`; packed records are described in `entry_records.py`, running in `entry_run.py`.
A step answers 1 (go on) or 0 (this variant does not serve the call); a Python error on the way is cleared and
means 0. Objects are given back by `entry_drop`; a register that was loaded from a container holds a reference
until the call ends, since other threads may change containers while a program runs without the GIL.
"""

from weft.backends.cpu.entry_records import (
    ITEMS_OFFSET,
    VALUE_OFFSET,
    ArrayObject,
    Code,
    Constants,
    Descr,
    Frame,
    Object,
    SizedObject,
    SizeMode,
    SizeRecord,
    SplitObject,
    StepRecord,
    TableRecord,
)
from weft.backends.cpu.native import address_of, external, native, native_cold, stack, static
from weft.runtime.layout import Pointer, Words, i64

HAS_IMMORTALS = 1  # 3.12 and later; replaced when the entry is built
SIZE_BYTES = SizeRecord.record_bytes
STEP_BYTES = StepRecord.record_bytes
EQUALS = 2  # Py_EQ
RANGE_START, RANGE_END = 0, 1

constants = static("weft_entry_constants", Constants)

dealloc = external("_Py_Dealloc", 1)
error_clear = external("PyErr_Clear", 0)
compare_bool = external("PyObject_RichCompareBool", 3, bits=32)
dict_get = external("PyDict_GetItemWithError", 2)
dict_size = external("PyDict_Size", 1)
dict_next = external("PyDict_Next", 4, bits=32)
get_attribute = external("PyObject_GetAttr", 2)
cell_get = external("PyCell_Get", 1)
int_value = external("PyLong_AsLongLongAndOverflow", 2)


# ---- references --------------------------------------------------------------------------------------------


@native
def entry_keep(item: Pointer) -> i64:
    """Py_INCREF."""
    if HAS_IMMORTALS:
        split = SplitObject.at(item)
        if split.low_references >= 0:
            split.low_references += 1
        return 0
    head = Object.at(item)
    head.references += 1
    return 0


@native
def entry_drop(item: Pointer) -> i64:
    """Py_DECREF."""
    if HAS_IMMORTALS:
        split = SplitObject.at(item)
        if split.low_references < 0:
            return 0
        split.low_references -= 1
        if split.low_references == 0:
            dealloc(item)
        return 0
    head = Object.at(item)
    head.references -= 1
    if head.references == 0:
        dealloc(item)
    return 0


@native
def entry_own(frame: Frame, register: i64, item: Pointer) -> i64:
    """Put an object whose reference is ours into a register; it is dropped when the call ends."""
    Words.at(frame.owned)[frame.owned_count] = item
    frame.owned_count += 1
    Words.at(frame.registers)[register] = item
    return 1


@native_cold
def entry_failed_step() -> i64:
    """A step met a Python error: it is no match."""
    error_clear()
    return 0


# ---- loads -------------------------------------------------------------------------------------------------


@native_cold
def entry_find_name(names: Pointer, name: Pointer) -> i64:
    """Where `name` stands in the tuple of keyword names, or -1. Names are interned as a rule, not always."""
    count = SizedObject.at(names).size
    items = Words.at(names + ITEMS_OFFSET)
    for i in range(count):
        if items[i] == name:
            return i
    for i in range(count):
        if compare_bool(items[i], name, EQUALS) == 1:
            return i
    return -1


@native
def entry_argument(frame: Frame, step: StepRecord) -> i64:
    """By position, by name, by default."""
    registers = Words.at(frame.registers)
    if step.number >= 0 and step.number < frame.argument_count:
        registers[step.target] = Words.at(frame.arguments)[step.number]
        return 1
    if step.object != 0 and frame.names != 0:
        index = entry_find_name(frame.names, step.object)
        if index >= 0:
            frame.names_taken += 1
            registers[step.target] = Words.at(frame.arguments)[frame.argument_count + index]
            return 1
    if step.source < 0:
        return 0
    registers[step.target] = registers[step.source]
    return 1


@native
def entry_item(frame: Frame, step: StepRecord, items: Pointer) -> i64:
    """An item of a list or tuple."""
    if step.number >= SizedObject.at(Words.at(frame.registers)[step.source]).size:
        return 0
    item = Words.at(items)[step.number]
    if step.flags:
        entry_keep(item)
        return entry_own(frame, step.target, item)
    Words.at(frame.registers)[step.target] = item
    return 1


@native_cold
def entry_lookup(frame: Frame, step: StepRecord) -> i64:
    """Loads that call Python.

    A dict's value, an attribute, a cell's content; and the check that a key is missing.
    """
    source = Words.at(frame.registers)[step.source]
    item = 0
    match step.code:
        case Code.DICT_VALUE | Code.KEY_MISSING:
            item = dict_get(source, step.object)
            if step.code == Code.KEY_MISSING:
                return item == 0
            if item != 0:
                entry_keep(item)
        case Code.ATTRIBUTE:
            item = get_attribute(source, step.object)
        case _:
            item = cell_get(source)
    if item == 0:
        return entry_failed_step()
    return entry_own(frame, step.target, item)


# ---- checks ------------------------------------------------------------------------------------------------


@native_cold
def entry_equal(item: Pointer, expected: Pointer) -> i64:
    """Same type and equal, or the same object."""
    if item == expected:
        return 1
    if Object.at(item).type != Object.at(expected).type:
        return 0
    answer = compare_bool(item, expected, EQUALS)
    if answer < 0:
        return entry_failed_step()
    return answer


@native_cold
def entry_keys(dictionary: Pointer, keys: Pointer) -> i64:
    """A dict has the keys of a tuple, in order."""
    count = SizedObject.at(keys).size
    if dict_size(dictionary) != count:
        return 0
    position = stack(24)
    Words.at(position)[0] = 0
    for i in range(count):
        if dict_next(dictionary, position, position + 8, position + 16) == 0:
            return 0
        if not entry_equal(Words.at(position)[1], Words.at(keys + ITEMS_OFFSET)[i]):
            return 0
    return 1


@native
def entry_size(frame: Frame, value: i64, size: SizeRecord) -> i64:
    """A size or an int against what the table wants."""
    if size.mode == SizeMode.EXACT:
        return value == size.value
    if size.mode == SizeMode.SAME:
        return value == Words.at(frame.numbers)[size.slot]
    if value < size.value:
        return 0
    Words.at(frame.numbers)[size.slot] = value
    return 1


@native_cold
def entry_same_descr(descr: Descr, expected: Descr) -> i64:
    """dtypes that are equal yet not one object: made from other names of the type, or with metadata."""
    if descr.kind != expected.kind or descr.item_bytes != expected.item_bytes:
        return 0
    return entry_equal_loosely(address_of(descr), address_of(expected))


@native_cold
def entry_equal_loosely(item: Pointer, expected: Pointer) -> i64:
    """`item == expected`, whatever the types."""
    answer = compare_bool(item, expected, EQUALS)
    if answer < 0:
        return entry_failed_step()
    return answer


@native
def entry_array(frame: Frame, step: StepRecord) -> i64:
    """Type, dtype, rank, flags and sizes of an array; writes its strides if they are wanted."""
    array = ArrayObject.at(Words.at(frame.registers)[step.source])
    if (
        array.type != constants.array_type
        or array.rank != step.count
        or array.flags & step.flags != step.flags
    ):
        return 0
    if array.descr != step.object and not entry_same_descr(Descr.at(array.descr), Descr.at(step.object)):
        return 0
    sizes = Words.at(array.dimensions)
    wanted = step.words
    for i in range(step.count):
        if not entry_size(frame, sizes[i], SizeRecord.at(wanted)):
            return 0
        wanted += SIZE_BYTES
    if step.number >= 0:
        strides = Words.at(array.strides)
        for i in range(step.count):
            Words.at(frame.numbers)[step.number + i] = strides[i]
    Words.at(frame.pointers)[step.target] = array.data
    return 1


@native
def entry_integer(frame: Frame, step: StepRecord) -> i64:
    """A Python int of 64 bits."""
    item = Words.at(frame.registers)[step.source]
    if Object.at(item).type != constants.int_type:
        return 0
    overflow = stack(8)
    Words.at(overflow)[0] = 0
    value = int_value(item, overflow)
    if Words.at(overflow)[0] != 0:
        return 0
    return entry_size(frame, value, SizeRecord.at(step.words))


@native
def entry_cell(frame: Frame, step: StepRecord) -> i64:
    """A float, complex or NumPy scalar: the program reads its value where it lies."""
    item = Words.at(frame.registers)[step.source]
    if Object.at(item).type != step.object:
        return 0
    Words.at(frame.pointers)[step.target] = item + VALUE_OFFSET
    return 1


@native
def entry_byte_range(array: ArrayObject, bounds: Words) -> i64:
    """First byte and the one after the last of an array; 0 if it has none."""
    low = array.data
    high = array.data + Descr.at(array.descr).item_bytes
    for i in range(array.rank):
        size = Words.at(array.dimensions)[i]
        if size == 0:
            return 0
        reach = Words.at(array.strides)[i] * (size - 1)
        if reach < 0:
            low += reach
        else:
            high += reach
    bounds[RANGE_START] = low
    bounds[RANGE_END] = high
    return 1


@native_cold
def entry_disjoint(first: Pointer, second: Pointer) -> i64:
    """Whether the byte ranges of two arrays have nothing in common."""
    one = Words.at(stack(16))
    two = Words.at(stack(16))
    if not entry_byte_range(ArrayObject.at(first), one) or not entry_byte_range(ArrayObject.at(second), two):
        return 1
    return one[RANGE_END] <= two[RANGE_START] or two[RANGE_END] <= one[RANGE_START]


@native_cold
def entry_identical(first: ArrayObject, second: ArrayObject) -> i64:
    """Whether two arrays of one dtype are the same memory, seen in the same way."""
    if first.data != second.data or first.rank != second.rank:
        return 0
    for i in range(first.rank):
        if Words.at(first.dimensions)[i] != Words.at(second.dimensions)[i]:
            return 0
        if Words.at(first.strides)[i] != Words.at(second.strides)[i]:
            return 0
    return 1


# ---- matching ----------------------------------------------------------------------------------------------


@native
def entry_step(frame: Frame, step: StepRecord) -> i64:  # noqa: C901 (one case per code)
    """Do one step, or two; gives how many, 0 for no match."""
    if step.code == Code.ARGUMENT_ARRAY:  # most steps: not by way of the table of cases
        if not entry_argument(frame, step):
            return 0
        return 2 * entry_array(frame, StepRecord.at(address_of(step) + STEP_BYTES))
    registers = Words.at(frame.registers)
    match step.code:
        case Code.LIST_ITEM_ARRAY:
            items = SizedObject.at(registers[step.source]).items
            if not entry_item(frame, step, items):
                return 0
            return 2 * entry_array(frame, StepRecord.at(address_of(step) + STEP_BYTES))
        case Code.ARGUMENT:
            return entry_argument(frame, step)
        case Code.ARRAY:
            return entry_array(frame, step)
        case Code.LIST_ITEM:
            return entry_item(frame, step, SizedObject.at(registers[step.source]).items)
        case Code.TUPLE_ITEM:
            return entry_item(frame, step, registers[step.source] + ITEMS_OFFSET)
        case Code.CONSTANT:
            registers[step.target] = step.object
            return 1
        case Code.EXACT_TYPE:
            return Object.at(registers[step.source]).type == step.object
        case Code.LENGTH:
            return SizedObject.at(registers[step.source]).size == step.number
        case Code.INTEGER:
            return entry_integer(frame, step)
        case Code.CELL:
            return entry_cell(frame, step)
        case Code.IDENTITY:
            return registers[step.source] == step.object
        case Code.EQUAL:
            return entry_equal(registers[step.source], step.object)
        case Code.KEYS:
            return entry_keys(registers[step.source], step.object)
        case Code.DISJOINT:
            return entry_disjoint(registers[step.source], registers[step.target])
        case Code.IDENTICAL:
            return entry_identical(
                ArrayObject.at(registers[step.source]), ArrayObject.at(registers[step.target])
            )
        case _:
            return entry_lookup(frame, step)


@native
def entry_match(frame: Frame, table: TableRecord) -> i64:
    """Do the steps of a table. Every keyword of the call must have been taken."""
    step = table.steps
    while step != table.steps_end:
        count = entry_step(frame, StepRecord.at(step))
        if count == 0:
            return 0
        step += STEP_BYTES * count
    if frame.names == 0:
        return 1
    return frame.names_taken == SizedObject.at(frame.names).size
