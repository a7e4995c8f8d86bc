"""Faults planted in rules, passes, schedules and code generation: the random programs must find every one.

Each is a context manager that swaps a right rule for a wrong one. Not here: programs (`programs.py`),
judging (`check.py`).
"""

import os
import time
import warnings
from contextlib import contextmanager
from dataclasses import replace
from typing import ClassVar
from unittest.mock import patch

from tests.fuzz import borders, planted_loops
from tests.fuzz import loops as random_loops
from tests.fuzz.calls import check_source
from tests.fuzz.check import check_case
from tests.fuzz.programs import make
from weft.backends.cpu import access
from weft.compiler.passes import bufferize, cse, fuse, group, lives, plan_memory
from weft.compiler.passes.lower_math import MATH
from weft.compiler.schedule import accumulate, element, kernel, pointwise
from weft.ir.dims import Dim
from weft.ir.expr import constant, select
from weft.ir.opdef import REGISTRY, Element, Scalar
from weft.ir.ops import shape as shape_ops

MOST = 1500
"""Programs after which a fault counts as missed."""


@contextmanager
def _form(name, change):
    """Another form for an op."""
    record = REGISTRY[name]
    with patch.dict(REGISTRY, {name: replace(record, form=change(record.form))}):
        yield


def _element(name, rule):
    aligned = REGISTRY[name].form.aligned
    return _form(name, lambda form: Element(rule(form.rule), aligned))


def _scalar(name, rule):
    return _form(name, lambda form: Scalar(rule))


def _merge(name, rule):
    return _form(name, lambda form: replace(form, merge=rule(form.merge)))


def slice_forgets_its_start():
    def rule(_right):
        def wrong(context, op, index):
            places = zip(op.attributes["start"], op.attributes["step"], index, strict=True)
            return context.read(
                0, [i * abs(s) if s == 1 or not isinstance(s, int) else a + i * s for a, s, i in places]
            )

        return wrong

    return _element("slice", rule)


def transpose_by_the_inverse():
    return _element(
        "transpose",
        lambda _right: lambda context, op, index: context.read(0, [index[k] for k in op.attributes["axes"]]),
    )


def concatenate_border_off_by_one():
    right = shape_ops.concatenate_starts

    def wrong(op):
        starts = right(op)
        return [starts[0], *(s - 1 for s in starts[1:-1]), starts[-1]]

    return patch.object(shape_ops, "concatenate_starts", wrong)


def pad_exchanges_low_and_high():
    def rule(right):
        def wrong(context, op, index):
            class Swapped:
                operands, results = op.operands, op.results
                name = op.name
                attributes: ClassVar = {
                    **op.attributes,
                    "low": op.attributes["high"],
                    "high": op.attributes["low"],
                }

            return right(context, Swapped, index)

        return wrong

    return _element("pad", rule)


def results_overwrite_each_other():
    def wrong(self, results, outputs):
        for r, o in zip(results, outputs, strict=True):
            if self.memory[r] is not o:
                self._copy(self.memory[r], o)

    return patch.object(bufferize._Bufferizer, "_deliver", wrong)


def loops_take_memory_of_others():
    return patch.object(
        bufferize._Bufferizer, "_carry_in", lambda self, value, op, number: self.memory[value]
    )


def loops_do_not_swap():
    """The next iteration writes into the buffer that it reads."""
    right = bufferize._Bufferizer._body

    def wrong(self, op, operands, spares, first):
        region = right(self, op, operands, spares, first)
        last = region.terminator
        kept = list(last.operands)[: len(spares)]
        last.operands = [*kept, *(v for v, s in zip(kept, spares, strict=True) if s)]
        return region

    return patch.object(bufferize._Bufferizer, "_body", wrong)


@contextmanager
def _in_both(name):
    with patch.object(bufferize, name, lambda *_a: True), patch.object(lives, name, lambda *_a: True):
        yield


def updates_read_what_they_wrote():
    return _in_both("reads_only_written")


def kernels_read_what_they_wrote():
    return _in_both("reads_in_step")


def every_old_value_is_ours():
    return patch.object(lives.Lives, "owns", lambda self, value, op: True)


def every_update_in_place():
    right = group.updates_in_place

    def wrong(fn):
        from weft.ir.walk import walk

        return right(fn) | {op for op in walk(fn) if op.name == "update"}

    return patch.object(group, "updates_in_place", wrong)


def arena_slots_are_shared_too_early():
    right = plan_memory._Lives.span

    def wrong(self, value):
        first, last = right(self, value)
        return first, (first + last) // 2

    return patch.object(plan_memory._Lives, "span", wrong)


def arena_slots_are_too_small():
    right = plan_memory._bytes
    return patch.object(
        plan_memory,
        "_bytes",
        lambda op: right(op) - 64 if isinstance(right(op), Dim) or right(op) > 64 else right(op),
    )


def tail_has_one_lane_more():
    right = kernel._tail

    def wrong(writer, builder, whole, stop, *others):
        right(writer, builder, whole, writer.here(stop) + 1, *others)

    return patch.object(kernel, "_tail", wrong)


def reduction_mask_has_one_lane_more():
    right = accumulate._below
    return patch.object(accumulate, "_below", lambda writer, free, width: right(writer, free + 1, width))


def argmax_joins_in_the_wrong_order():
    def rule(_right):
        def wrong(a, b, _count_a, _count_b):
            take = b[1].ge(0) & (a[1].lt(0) | a[0].le(b[0]))
            return select(take, b[0], a[0]), select(take, b[1], a[1])

        return wrong

    return _merge("argmax", rule)


def variance_joins_without_the_distance():
    def rule(right):
        def wrong(a, b, count_a, count_b):
            joined = right(a, b, count_a, count_b)
            return joined[0], joined[1], a[2] + b[2]

        return wrong

    return _merge("variance", rule)


def sum_starts_at_one():
    return _form("sum", lambda form: replace(form, initial=lambda dtype: ((dtype, 1),)))


def integers_divide_toward_zero():
    def wrong(_attributes, x, y):
        if x.dtype.is_float:
            return x.apply("floor_divide_float", y)
        zero = y.eq(0)
        unsafe = zero if x.dtype.kind == "u" else zero | y.eq(-1)
        quotient = x.apply("divide_raw", select(unsafe, constant(y, 1), y))
        negative = constant(x, 0) if x.dtype.kind == "u" else -x
        return select(zero, constant(x, 0), select(unsafe, negative, quotient))

    return _scalar("floor_divide", wrong)


def tanh_is_a_little_off():
    right = MATH["tanh"]
    return patch.dict(MATH, {"tanh": lambda x: right(x) * 1.00001})


def axes_merge_too_often():
    return patch.object(pointwise, "_merge", lambda *_a: True)


def strides_are_forgotten():
    right = kernel.Kernel.writer

    def wrong(self, builder):
        writer = right(self, builder)
        writer.layouts.clear()
        return writer

    return patch.object(kernel.Kernel, "writer", wrong)


def negative_indices_do_not_wrap():
    def wrong(self, value, size, _axis):
        writer = self.writer
        return select(value.lt(0), value.like(0), value) if size else writer.here(value)

    return patch.object(element.OpContext, "check_index", wrong)


def cse_forgets_attributes():
    return patch.object(cse, "freeze", lambda attribute: type(attribute).__name__)


def private_values_that_are_not():
    return patch.object(fuse.Partition, "_is_private", lambda *_a: True)


def backward_loads_are_not_reversed():
    return patch.object(access, "_reverse", lambda writer, scalar, lanes, text: text)


def scatter_drops_what_was_there():
    return patch.object(fuse, "is_start", lambda op, value: False)


PLANTED = [
    slice_forgets_its_start, transpose_by_the_inverse, concatenate_border_off_by_one,
    pad_exchanges_low_and_high,
    results_overwrite_each_other, loops_take_memory_of_others, loops_do_not_swap,
    updates_read_what_they_wrote,
    kernels_read_what_they_wrote, every_old_value_is_ours, every_update_in_place,
    arena_slots_are_shared_too_early,
    arena_slots_are_too_small, tail_has_one_lane_more, reduction_mask_has_one_lane_more,
    argmax_joins_in_the_wrong_order,
    variance_joins_without_the_distance, sum_starts_at_one, integers_divide_toward_zero, tanh_is_a_little_off,
    axes_merge_too_often, strides_are_forgotten, negative_indices_do_not_wrap, cse_forgets_attributes,
    private_values_that_are_not, backward_loads_are_not_reversed, scatter_drops_what_was_there,
]  # fmt: skip


def search(fault, seed, most=MOST, make=make, check=check_case):
    """(number of the program that shows the fault or None, what it shows). Runs in this process, which may die."""
    warnings.simplefilter("ignore")
    for number in range(most):
        case = make(seed, number)
        with fault():
            shown = _failure(case, check)
        if "<locals>" in shown:  # the fault does not fit the code any more: it shows nothing
            return None, ""
        if shown and not _failure(case, check):
            return number, shown
    return None, ""


def _failure(case, check):
    """What a case shows, empty if it is right."""
    try:
        check(case)
    except Exception as error:  # any failure finds it
        return f"{type(error).__name__}: {str(error).splitlines()[0][:90]}"
    return ""


def found_in_a_child(fault, seed, **how):
    """The same in a process of its own: one that dies has found it."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        try:
            number, text = search(fault, seed, **how)
            os.write(write, f"{number}\t{text}".encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as file:
        text = file.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return "a program that", f"ends the process by signal {os.WTERMSIG(status)}"
    number, _, shown = text.partition("\t")
    return (None if number in ("", "None") else f"program {number}"), shown


def run_planted(seed):
    """Look for each; print and count the missed ones. What a fault compiled is not kept for the right compiler."""
    missed = 0
    os.environ["WEFT_CACHE_DIR"] = "off"
    loops = {"make": random_loops.make, "check": check_source, "most": MOST // 4}
    parts = {"make": lambda *one: one, "check": lambda one: borders.agree(*one)}
    hows = [(planted_loops.PLANTED_IN_LOOPS, loops), (planted_loops.PLANTED_IN_BORDERS, parts)]
    faults = [(fault, {}) for fault in PLANTED] + [(fault, how) for group, how in hows for fault in group]
    for fault, how in faults:
        start = time.time()
        number, shown = found_in_a_child(fault, seed, **how)
        missed += number is None
        print(
            f"{fault.__name__}: {'MISSED' if number is None else f'{number} {shown}'} ({time.time() - start:.0f} s)",
            flush=True,
        )
    count = len(faults)
    print(f"{count - missed} of {count} planted faults found")
    return missed
