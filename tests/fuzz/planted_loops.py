"""Faults planted in how loops carry values and in what order arrays are written: random loops must find every one.

Not here: how they are looked for (`planted.py`), nor the programs (`loops.py`).
"""

from unittest.mock import patch

from weft.compiler.frontend.control import aliases, either, loops, moving, rotation
from weft.compiler.passes import lives


def exchanged_arrays_stay():
    return patch.object(
        rotation.Rotation, "after", lambda self, _turns: {name: name for name in self.sources}
    )


def stale_arrays_are_read():
    return patch.object(aliases, "_refuse_stale", lambda *_a: None)


def the_last_written_array_is_not_carried():
    right = loops.written_in
    return patch.object(loops, "written_in", lambda *a: right(*a)[:-1])


def written_arrays_are_carried_crosswise():
    right = loops.finish
    return patch.object(loops, "finish", lambda body, written, **k: right(body, written[::-1], **k))


def breaks_are_not_tested():
    return patch.object(loops, "_flag_positions", lambda _variables: [])


def every_old_value_is_ours():
    return patch.object(lives.Lives, "owns", lambda self, value, op: True)


def places_are_not_kept():
    return patch.object(lives.Lives, "stale", lambda *_a: [])


def one_of_several_is_the_first():
    return patch.object(
        either, "is_number", lambda trace, choice, k: trace.expr(choice.index).apply("greater_equal", 0)
    )


def memory_that_names_hold_is_taken():
    return patch.object(moving, "_not", lambda _used: True)


PLANTED_IN_LOOPS = [
    exchanged_arrays_stay, stale_arrays_are_read, the_last_written_array_is_not_carried,
    written_arrays_are_carried_crosswise, breaks_are_not_tested, every_old_value_is_ours,
    one_of_several_is_the_first, memory_that_names_hold_is_taken,
]  # fmt: skip
PLANTED_IN_BORDERS = [places_are_not_kept]
