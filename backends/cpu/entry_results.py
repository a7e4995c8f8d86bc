"""The results of a call, as Python objects: numbers, trees, and what a Python function makes of raw outputs.

Written in the subset of `native.py`. Not here: new arrays, made before a program runs (`entry_run.py`).
"""

from weft.backends.cpu.entry_match import entry_drop, entry_keep
from weft.backends.cpu.entry_records import (
    ITEMS_OFFSET,
    Constants,
    Frame,
    OutputKind,
    OutputRecord,
    TableRecord,
    TreeCode,
    TreeRecord,
)
from weft.backends.cpu.native import (
    address_of,
    external,
    load_byte,
    native,
    native_cold,
    stack,
    static,
)
from weft.runtime.layout import Pointer, Words, i64

constants = static("weft_entry_constants", Constants)

OUTPUT_BYTES = OutputRecord.record_bytes
TREE_BYTES = TreeRecord.record_bytes
CELL_BYTES = 16

array_scalar = external("weft_PyArray_Scalar", 3)
vectorcall = external("PyObject_Vectorcall", 4)
int_new = external("PyLong_FromLongLong", 1)
float_new = external("PyFloat_FromDouble", 1, floats=True)
complex_new = external("PyComplex_FromDoubles", 2, floats=True)
list_new = external("PyList_New", 1)
list_set = external("PyList_SetItem", 3, bits=32)
tuple_new = external("PyTuple_New", 1)
tuple_set = external("PyTuple_SetItem", 3, bits=32)
dict_new = external("PyDict_New", 0)
dict_set = external("PyDict_SetItem", 3, bits=32)
bad_call = external("PyErr_BadInternalCall", 0)


@native_cold
def entry_call_python(function: Pointer, arguments: Words, count: i64) -> Pointer:
    """Call a Python function with new objects, which are dropped.

    0 if it, or the making of one of them, raised.
    """
    is_complete = 1
    for i in range(count):
        if arguments[i] == 0:
            is_complete = 0
    result = 0
    if function == 0:
        bad_call()
    elif is_complete:
        result = vectorcall(function, address_of(arguments), count, 0)
    for i in range(count):
        if arguments[i] != 0:
            entry_drop(arguments[i])
    return result


@native_cold
def entry_make_number(output: OutputRecord, cell: Words) -> Pointer:
    """A NumPy scalar or Python number from its cell."""
    match output.kind:
        case OutputKind.SCALAR:
            return array_scalar(address_of(cell), output.descr, 0)
        case OutputKind.INT:
            return int_new(cell[0])
        case OutputKind.FLOAT:
            return float_new(cell[0])
        case OutputKind.COMPLEX:
            return complex_new(cell[0], cell[1])
        case _:
            answer = constants.true if load_byte(address_of(cell)) else constants.false
            entry_keep(answer)
            return answer


@native
def entry_make_numbers(frame: Frame, table: TableRecord) -> i64:
    """Make objects of the raw outputs that are not arrays. 0 with a Python error."""
    output = OutputRecord.at(table.outputs)
    results = Words.at(frame.results)
    cell = frame.cells
    for i in range(table.output_count):
        if output.kind != OutputKind.ARRAY:
            results[i] = entry_make_number(output, Words.at(cell))
            if results[i] == 0:
                return 0
            cell += CELL_BYTES
        output = OutputRecord.at(address_of(output) + OUTPUT_BYTES)
    return 1


@native_cold
def entry_make_list(items: Words, count: i64) -> Pointer:
    """A list that takes over the references of `items`, also when it fails."""
    made = list_new(count)
    for i in range(count):
        if made != 0:
            list_set(made, i, items[i])
        else:
            entry_drop(items[i])
    return made


@native_cold
def entry_make_tuple(items: Words, count: i64) -> Pointer:
    """A tuple that takes over the references of `items`, also when it fails."""
    made = tuple_new(count)
    for i in range(count):
        if made != 0:
            tuple_set(made, i, items[i])
        else:
            entry_drop(items[i])
    return made


@native_cold
def entry_make_dict(items: Words, keys: Words, count: i64) -> Pointer:
    """A dict that takes over the references of `items`, also when it fails."""
    made = dict_new()
    for i in range(count):
        if made != 0 and dict_set(made, keys[i], items[i]) != 0:
            entry_drop(made)
            made = 0
        entry_drop(items[i])
    return made


@native
def entry_make(frame: Frame, step: TreeRecord, items: Words) -> Pointer:
    """The object of one step of the tree; containers take the `step.number` objects at `items`."""
    item = 0
    match step.code:
        case TreeCode.OUTPUT:
            item = Words.at(frame.results)[step.number]
        case TreeCode.REGISTER:
            item = Words.at(frame.registers)[step.number]
        case TreeCode.CONSTANT:
            item = step.object
        case TreeCode.LIST:
            return entry_make_list(items, step.number)
        case TreeCode.TUPLE:
            return entry_make_tuple(items, step.number)
        case _:
            return entry_make_dict(items, Words.at(step.object + ITEMS_OFFSET), step.number)
    entry_keep(item)
    return item


@native
def entry_build(frame: Frame, table: TableRecord) -> Pointer:
    """The result that the tree describes; 0 with a Python error."""
    step = TreeRecord.at(table.tree)
    build_stack = Words.at(frame.build_stack)
    depth = 0
    for _ in range(table.tree_count):
        if step.code >= TreeCode.LIST:
            depth -= step.number
        made = entry_make(frame, step, Words.at(address_of(build_stack[depth])))
        if made == 0:
            for i in range(depth):
                entry_drop(build_stack[i])
            return 0
        build_stack[depth] = made
        depth += 1
        step = TreeRecord.at(address_of(step) + TREE_BYTES)
    return build_stack[0]


@native_cold
def entry_copy_list(items: Words, count: i64) -> Pointer:
    """A list of objects, of which it keeps references; None for what is not set."""
    made = list_new(count)
    for i in range(count):
        item = items[i]
        if item == 0:
            item = constants.none
        if made != 0:
            entry_keep(item)
            list_set(made, i, item)
    return made


@native_cold
def entry_copy_numbers(numbers: Words, count: i64) -> Pointer:
    """A list of the numbers as Python ints; 0 with a Python error."""
    made = list_new(count)
    for i in range(count):
        if made != 0:
            number = int_new(numbers[i])
            if number == 0:
                entry_drop(made)
                made = 0
            else:
                list_set(made, i, number)
    return made


@native_cold
def entry_finish(frame: Frame, table: TableRecord) -> Pointer:
    """The result that the table's Python function makes of raw outputs, registers and numbers."""
    arguments = Words.at(stack(24))
    arguments[0] = entry_copy_list(Words.at(frame.results), table.output_count)
    arguments[1] = entry_copy_list(Words.at(frame.registers), table.register_count)
    arguments[2] = entry_copy_numbers(Words.at(frame.numbers), table.number_count)
    return entry_call_python(table.finish, arguments, 3)


@native
def entry_result(frame: Frame, table: TableRecord) -> Pointer:
    """The call's result; 0 with a Python error."""
    if table.cell_count > 0:
        if not entry_make_numbers(frame, table):
            return 0
    if table.finish != 0:
        return entry_finish(frame, table)
    if table.tree_count == 0:
        result = Words.at(frame.results)[0]
        Words.at(frame.results)[0] = 0
        return result
    return entry_build(frame, table)
