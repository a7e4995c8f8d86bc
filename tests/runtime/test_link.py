"""Objects: compiled, loaded without LLVM, relocated for both machines; the subset of native functions."""

import ctypes
from types import SimpleNamespace

import pytest

from weft.backends.cpu import elf, entry_type, link, parts
from weft.backends.cpu.native import NativeSyntaxError, native, stack, static
from weft.backends.cpu.native_text import translate
from weft.runtime.layout import Struct, Words, i8, i32, i64

TEXT = """
@table = internal constant [4 x i64] [i64 10, i64 20, i64 30, i64 40]
@pointers = internal global [2 x ptr] [ptr @count, ptr @strlen]
@count = internal global i64 0
declare i64 @strlen(ptr)
declare i64 @given(i64)
define i64 @pick(i64 %i) {
  %p = getelementptr [4 x i64], ptr @table, i64 0, i64 %i
  %v = load i64, ptr %p
  %c = load i64, ptr @count
  %d = add i64 %c, 1
  store i64 %d, ptr @count
  %s = add i64 %v, %c
  ret i64 %s
}
define i64 @length(ptr %text) {
  %n = call i64 @strlen(ptr %text)
  %f = load ptr, ptr getelementptr ([2 x ptr], ptr @pointers, i64 0, i64 1)
  %m = call i64 %f(ptr %text)
  %s = add i64 %n, %m
  ret i64 %s
}
define i64 @outside(i64 %x) {
  %y = call i64 @given(i64 %x)
  ret i64 %y
}
"""


class Pair(Struct):
    small: i8
    number: i32
    next: i64


memory = static("test_pair", Pair)


@native
def collatz(n: i64) -> i64:
    steps = 0
    while n != 1:
        if n % 2 == 0:
            n = n // 2
        else:
            n = 3 * n + 1
        steps += 1
    return steps


@native
def control(x: i64) -> i64:
    total = 0
    for i in range(2, 100):
        if i == 5:
            continue
        if i == x or (i > 50 and not x < 50):
            break
        total += i
    match x:
        case 1 | 2:
            return -1
        case 3:
            total = collatz(27)
        case _:
            total = -total if x > 60 else total
    return total


@native
def fields(x: i64) -> i64:
    pair = Pair.at(stack(16))
    pair.small = x
    pair.number = x
    pair.next = x
    memory.next += 1
    words = Words.at(stack(32))
    words[2] = pair.small + pair.number
    return words[2] * 1000 + memory.next


@native
def wrong(x: i64) -> i64:
    return [x][0]


def call(code, name, *arguments):
    return ctypes.CFUNCTYPE(ctypes.c_int64, *[ctypes.c_int64] * len(arguments))(code.address(name))(
        *arguments
    )


def test_object():
    code = link.load(
        link.compile_text(TEXT), symbols={"given": ctypes.cast(ctypes.CDLL(None).labs, ctypes.c_void_p).value}
    )
    assert [call(code, "pick", i) for i in range(4)] == [10, 21, 32, 43]
    text = ctypes.create_string_buffer(b"hello")
    assert call(code, "length", ctypes.addressof(text)) == 10
    assert call(code, "outside", -5) == 5
    assert "pick" in code
    assert "count" not in code


def test_missing_function():
    with pytest.raises(elf.ObjectFormatError, match="needs given"):
        link.load(link.compile_text(TEXT))
    with pytest.raises(elf.ObjectFormatError):
        link.load(b"MZ")


PARTS = (
    """
@table = internal constant [2 x i64] [i64 3, i64 4]
declare i64 @other(ptr, i64)
define hidden i64 @own(i64 %i) {
  %p = getelementptr [2 x i64], ptr @table, i64 0, i64 %i
  %v = load i64, ptr %p
  ret i64 %v
}
define i64 @start(i64 %i) {
  %v = call i64 @other(ptr @own, i64 %i)
  ret i64 %v
}
""",
    """
@table = internal constant [2 x i64] [i64 100, i64 200]
declare i64 @own(i64)
define hidden i64 @other(ptr %f, i64 %i) {
  %p = getelementptr [2 x i64], ptr @table, i64 0, i64 %i
  %v = load i64, ptr %p
  %a = call i64 %f(i64 %i)
  %b = call i64 @own(i64 %i)
  %c = add i64 %a, %b
  %d = add i64 %c, %v
  ret i64 %d
}
""",
)


def test_parts_use_each_other():
    objects = parts.compile_parts(PARTS, link.host_machine())
    assert len(objects) == 2
    code = link.load(*objects)
    assert [call(code, "start", i) for i in range(2)] == [106, 208]
    assert "other" not in code
    with pytest.raises(elf.ObjectFormatError, match="needs other"):
        link.load(objects[0])
    with pytest.raises(RuntimeError, match="parsing"):
        parts.compile_parts([PARTS[0], "define"], link.host_machine())


def test_invalid_text():
    with pytest.raises(RuntimeError):
        link.compile_text("define i64 @f() { ret i32 0 }")


@pytest.mark.parametrize("text", [TEXT, translate(entry_type.EXPORTS, architecture="aarch64")])
def test_aarch64_relocations_are_known(text):
    data = link.compile_text(text, link.Machine("aarch64-unknown-linux-gnu"))
    loader = elf._Loader(elf.read_object(data), {}, lambda name: 1 << 40)
    loader.base = 1 << 32
    assert len(loader.image()) == loader.size_bytes


def test_instruction_cache_is_cleared_on_aarch64(monkeypatch):
    data = link.compile_text("define i64 @f() { ret i64 7 }", link.Machine("aarch64-unknown-linux-gnu"))
    cleared, library = [], ctypes.CDLL

    def opened(name, **settings):
        if name is None:
            return library(None, **settings)
        return SimpleNamespace(**{"__clear_cache": lambda start, stop: cleared.append((start, stop))})

    monkeypatch.setattr(elf.ctypes, "CDLL", opened)
    code = link.load(data)
    ((start, stop),) = cleared
    assert start.value <= code.address("f") < stop.value


def test_subset():
    code = link.load(link.compile_text(translate([control, fields], architecture="x86_64")))
    sums = {x: sum(i for i in range(2, min(x, 100)) if i != 5) for x in (4, 10, 40)}
    assert {x: call(code, "control", x) for x in sums} == sums
    assert [call(code, "control", x) for x in (1, 2, 3)] == [-1, -1, 111]
    assert call(code, "control", 70) == -sum(i for i in range(2, 51) if i != 5)
    assert call(code, "fields", 7) == 14001
    assert call(code, "fields", -1) == -1998
    assert "collatz" not in code


def test_subset_is_small():
    with pytest.raises(NativeSyntaxError, match="wrong"):
        translate([wrong], architecture="x86_64")
