"""Hand-written programs (DESIGN D16) for the tests of the call path, and what puts them behind an entry."""

# ruff: noqa: E501 (tables of cases)

import functools

import numpy as np

from weft.backends.cpu import link
from weft.backends.cpu.entry import process_entries
from weft.runtime.signature import Argument, Array, NewArray, Number, Output, Symbol, Table
from weft.runtime.variant import Program, Variant

F32 = np.dtype("f4")

TEXT = """
; pointers: a, b, result; numbers: n. result = a + b
define i32 @add(ptr %context, ptr %pointers, ptr %numbers) {
entry:
  %pb = getelementptr ptr, ptr %pointers, i64 1
  %po = getelementptr ptr, ptr %pointers, i64 2
  %a = load ptr, ptr %pointers
  %b = load ptr, ptr %pb
  %o = load ptr, ptr %po
  %n = load i64, ptr %numbers
  br label %test
test:
  %i = phi i64 [0, %entry], [%next, %body]
  %more = icmp slt i64 %i, %n
  br i1 %more, label %body, label %done
body:
  %qa = getelementptr float, ptr %a, i64 %i
  %qb = getelementptr float, ptr %b, i64 %i
  %qo = getelementptr float, ptr %o, i64 %i
  %x = load float, ptr %qa, align 1
  %y = load float, ptr %qb, align 1
  %s = fadd float %x, %y
  store float %s, ptr %qo, align 1
  %next = add i64 %i, 1
  br label %test
done:
  ret i32 0
}
; result[0] = sum of the first elements of numbers[1] arrays
define i32 @firsts(ptr %context, ptr %pointers, ptr %numbers) {
entry:
  br label %body
body:
  %i = phi i64 [0, %entry], [%next, %body]
  %sum = phi float [0.0, %entry], [%s, %body]
  %q = getelementptr ptr, ptr %pointers, i64 %i
  %a = load ptr, ptr %q
  %x = load float, ptr %a, align 1
  %s = fadd float %sum, %x
  %next = add i64 %i, 1
  %more = icmp slt i64 %next, 50
  br i1 %more, label %body, label %done
done:
  %po = getelementptr ptr, ptr %pointers, i64 50
  %o = load ptr, ptr %po
  store float %s, ptr %o
  ret i32 0
}
define i32 @nothing(ptr %context, ptr %pointers, ptr %numbers) {
  ret i32 0
}
; fails with code 7, location 3, facts 10, 20, 30
define i32 @holds_gil(ptr %context, ptr %pointers, ptr %numbers) {
  %held = call i32 @PyGILState_Check()
  %answer = zext i32 %held to i64
  %o = load ptr, ptr %pointers
  store i64 %answer, ptr %o
  ret i32 0
}
declare i32 @PyGILState_Check()
define i32 @fails(ptr %context, ptr %pointers, ptr %numbers) {
  %code = getelementptr i8, ptr %context, i64 16
  store i32 7, ptr %code
  %location = getelementptr i8, ptr %context, i64 20
  store i32 3, ptr %location
  %f0 = getelementptr i8, ptr %context, i64 24
  store i64 10, ptr %f0
  %f1 = getelementptr i8, ptr %context, i64 32
  store i64 20, ptr %f1
  %f2 = getelementptr i8, ptr %context, i64 40
  store i64 30, ptr %f2
  ret i32 7
}
; copies 16 bytes from pointer 0 to pointer 1
define i32 @copy(ptr %context, ptr %pointers, ptr %numbers) {
  %a = load ptr, ptr %pointers
  %q = getelementptr ptr, ptr %pointers, i64 1
  %b = load ptr, ptr %q
  %x = load i64, ptr %a, align 1
  store i64 %x, ptr %b, align 1
  ret i32 0
}
; copies number 0 to pointer 0
define i32 @number(ptr %context, ptr %pointers, ptr %numbers) {
  %b = load ptr, ptr %pointers
  %x = load i64, ptr %numbers
  store i64 %x, ptr %b
  ret i32 0
}
; spins until poll says stop
define i32 @spin(ptr %context, ptr %pointers, ptr %numbers) {
entry:
  %q = getelementptr i8, ptr %context, i64 56
  %poll = load ptr, ptr %q
  br label %body
body:
  %stop = call i32 %poll(ptr %context)
  %c = icmp eq i32 %stop, 0
  br i1 %c, label %body, label %done
done:
  ret i32 1
}
; callback(site 5), returns what it returns
define i32 @calls(ptr %context, ptr %pointers, ptr %numbers) {
  %q = getelementptr i8, ptr %context, i64 64
  %callback = load ptr, ptr %q
  %r = call i32 %callback(ptr %context, i64 5, ptr %pointers, ptr %numbers)
  ret i32 %r
}
; writes its arena (bytes in number 0) and as much memory from allocate, gives the sum of first and last byte
define i32 @scratch(ptr %context, ptr %pointers, ptr %numbers) {
  %n = load i64, ptr %numbers
  %arena = load ptr, ptr %context
  %last = sub i64 %n, 1
  %end = getelementptr i8, ptr %arena, i64 %last
  store i8 1, ptr %arena
  store i8 2, ptr %end
  %q = getelementptr i8, ptr %context, i64 72
  %allocate = load ptr, ptr %q
  %m = call ptr %allocate(ptr %context, i64 %n)
  %mend = getelementptr i8, ptr %m, i64 %last
  store i8 3, ptr %m
  store i8 4, ptr %mend
  %b = load ptr, ptr %pointers
  %x = load i8, ptr %end
  %y = load i8, ptr %mend
  %z = add i8 %x, %y
  %w = zext i8 %z to i64
  store i64 %w, ptr %b
  ret i32 0
}
; result[i] = i for i < 64, in parallel; twice, since the first loop starts the threads
define i64 @set(i64 %env, i64 %i) {
  %o = mul i64 %i, 4
  %a = add i64 %env, %o
  %p = inttoptr i64 %a to ptr
  %x = sitofp i64 %i to float
  store float %x, ptr %p
  ret i64 0
}
define i32 @parallel(ptr %context, ptr %pointers, ptr %numbers) {
  %q = getelementptr i8, ptr %context, i64 48
  %for = load ptr, ptr %q
  %o = load ptr, ptr %pointers
  call void %for(ptr @set, ptr %o, i64 64)
  call void %for(ptr @set, ptr %o, i64 64)
  ret i32 0
}
; numbers[1] = 2 * numbers[0]; fails if it is above 1000
define i32 @double(ptr %numbers) {
  %n = load i64, ptr %numbers
  %m = mul i64 %n, 2
  %q = getelementptr i64, ptr %numbers, i64 1
  store i64 %m, ptr %q
  %bad = icmp sgt i64 %m, 1000
  %r = zext i1 %bad to i32
  ret i32 %r
}
"""


@functools.cache
def code():
    return link.load(link.compile_text(TEXT))


class ProgramError(Exception):
    pass


def raise_error(*facts):
    raise ProgramError(*facts)


def variant(table, name="nothing", *, prepare=None, on_callback=None, on_error=raise_error, **options):
    prepare = code().address(prepare) if prepare else 0
    return Variant(
        table, Program(code().address(name), prepare, code=code(), **options), on_error, on_callback
    )


def missed(*args, **kwargs):
    """The slow path of the tests."""
    return ("missed", args, kwargs)


def entry(*variants, type_=None):
    entries = process_entries()
    made = (type_ or entries.type)()
    entries.set_slow(made, missed)
    entries.publish(made, variants)
    return made


VECTOR = (Symbol(0),)


def add_table(dims=VECTOR, dtype=F32):
    sizes = tuple(Number(d.slot) if isinstance(d, Symbol) else d for d in dims)
    return Table(
        steps=(Argument(0, 0, "a"), Array(0, dtype, dims, 0), Argument(1, 1, "b"), Array(1, dtype, dims, 1)),
        outputs=(NewArray(dtype, sizes, 2),), tree=Output(0), registers=2, pointers=3, numbers=2, positional=(0, 2),
    )  # fmt: skip


def list_table(count=50):
    from weft.runtime.signature import ExactType, Item, Length

    steps = [Argument(0, 0, "xs"), ExactType(0, list), Length(0, count)]
    for i in range(count):
        steps += [Item(i + 1, 0, i), Array(i + 1, F32, (Symbol(0),), i)]
    return Table(
        steps=tuple(steps), outputs=(NewArray(F32, (1,), count),), tree=Output(0), registers=count + 1, pointers=count + 1,
        numbers=1, positional=(1, 1),
    )  # fmt: skip
