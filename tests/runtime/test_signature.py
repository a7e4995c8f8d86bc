"""Guard tables.

Each step's hits and misses, by the reference matcher and by the native entry, which must agree.
"""

# ruff: noqa: E501 (tables of cases)

import enum

import numpy as np
import programs
import pytest

from weft.backends.cpu.entry_pack import PackedTable, TableError
from weft.runtime.signature import (
    Alias,
    Argument,
    Array,
    Attribute,
    Cell,
    CellContent,
    Constant,
    ConstantResult,
    DictValue,
    Equal,
    ExactType,
    Identity,
    Integer,
    Item,
    KeyMissing,
    Keys,
    Length,
    Symbol,
    Table,
    match,
)  # fmt: skip

F32, F64 = np.dtype("f4"), np.dtype("f8")
Color = enum.Enum("Color", "RED BLUE")


class Point:
    def __init__(self, x):
        self.x = x

    @property
    def broken(self):
        raise ValueError


class Odd:
    def __eq__(self, other):
        raise ValueError

    __hash__ = None


def table(*steps, positional=(0, 4)):
    return Table(steps, (), ConstantResult("hit"), registers=8, pointers=8, numbers=8, positional=positional)


def cell(*content):
    if content:
        value = content[0]
        return (lambda: value).__closure__[0]

    def outer():
        def inner():
            return value

        return inner

        value = 1

    return outer().__closure__[0]


X = Argument(0, 0, "x")
Y = Argument(1, 1, "y")
a = np.zeros((3, 4), "f4")
EMPTY = cell()
CASES = [
    # steps, calls that match, calls that do not; a call is a tuple of args or (args, kwargs)
    ((X, Y), [(1, 2), ((1,), {"y": 2}), ((), {"y": 1, "x": 2})], [(1,), (1, 2, 3, 4, 5), ((1, 2), {"y": 2}), ((1,), {"z": 2}), ((1, 2), {"z": 3})]),
    ((Constant(2, 9), Argument(0, 0, "x", default=2), Integer(0, 9)), [(9,), (), ((), {"x": 9})], [(8,), ((), {"y": 9})]),
    ((Argument(0, None, "key"),), [((), {"key": 1})], [(), ((), {})]),
    ((Argument(0, 0, None),), [(1,)], [((), {"x": 1})]),
    ((X, ExactType(0, list), Length(0, 2), Item(1, 0, 1), Integer(1, 5)), [([1, 5],)], [([1, 5, 3],), ((1, 5),), ([1, 6],)]),
    ((X, ExactType(0, tuple), Length(0, 2), Item(1, 0, 1), Integer(1, 5)), [((1, 5),)], [((1, 5, 3),), ([1, 5],), ((1, 6),)]),
    ((X, ExactType(0, dict), Keys(0, ("a", "b")), DictValue(1, 0, "b"), Integer(1, 5)), [({"a": 1, "b": 5},)],
     [({"b": 5, "a": 1},), ({"a": 1, "b": 6},), ({"a": 1},), ({"a": 1, "c": 5},), (5,)]),
    ((X, ExactType(0, dict), KeyMissing(0, "len"), DictValue(1, 0, "a")), [({"a": 1},)], [({"len": 1, "a": 1},), ({},)]),
    ((X, Attribute(1, 0, "x"), Integer(1, 5)), [(Point(5),)], [(Point(6),), (5,)]),
    ((X, Attribute(1, 0, "broken")), [], [(Point(5),)]),
    ((X, CellContent(1, 0), Integer(1, 5)), [(cell(5),)], [(cell(6),), (EMPTY,)]),
    ((X, Identity(0, None)), [(None,)], [(0,), (False,)]),
    ((X, Identity(0, Color.RED)), [(Color.RED,)], [(Color.BLUE,)]),
    ((X, Equal(0, "abc" * 2)), [("abc" * 2,), ("".join(["abc", "abc"]),)], [("abc",), (1,)]),
    ((X, Equal(0, (1, "a"))), [((1, "a"),)], [((1, "b"),), ([1, "a"],)]),
    ((X, Equal(0, F32)), [(np.dtype("f4"),), (np.dtype(np.float32, metadata={"a": 1}),)], [(F64,)]),
    ((X, Equal(0, Odd())), [], [(Odd(),), (1,)]),
    ((X, Integer(0, 5)), [(5,)], [(6,), (5.0,), (True,), (np.int64(5),), (2**70,)]),
    ((X, Integer(0, Symbol(0, 2)), Y, Integer(1, Symbol(0, 2))), [(2, 2), (2**62, 2**62)], [(1, 1), (2, 3), (2**63, 2**63), (-5, -5)]),
    ((X, Integer(0, Symbol(0, -(2**63)))), [(-(2**63),), (2**63 - 1,)], [(2**63,), (-(2**63) - 1,)]),
    ((X, Integer(0, Symbol(0)), Y, Array(1, F32, (Symbol(0), 4), 0)), [(3, a)], [(4, a)]),
    ((X, Cell(0, float, 0)), [(1.5,)], [(1,), (np.float64(1.5),)]),
    ((X, Cell(0, np.float64, 0)), [(np.float64(1.5),)], [(1.5,), (np.float32(1),)]),
    ((X, Cell(0, complex, 0)), [(1j,)], [(1.0,)]),
    ((X, Array(0, F32, (3, 4), 0)), [(a,), (np.array(a, np.dtype("f4", metadata={"a": 1})),)],
     [(a.T,), (a.astype("f8"),), (a[:2],), (a[:, ::2],), (a[None],), (1,), (a.astype(">f4"),), (a.view(np.matrix),), (a.astype("i4"),)]),
    ((X, Array(0, F32, (4, 3), 0, "F")), [(a.T,)], [(np.zeros((4, 3), "f4"),)]),
    ((X, Array(0, F32, (Symbol(0), Symbol(1)), 0, "strided", strides=2)), [(a,), (a.T,), (a[::-1, ::2],)], [(a[0],)]),
    ((X, Array(0, F32, (Symbol(0, 2), Symbol(0, 2)), 0)), [(np.zeros((2, 2), "f4"),)], [(a,), (np.zeros((1, 1), "f4"),)]),
    ((X, Array(0, F32, (), 0)), [(np.zeros((), "f4"),)], [(a,), (np.float32(1),)]),
    ((X, Array(0, F32, (3, 4), 0, is_written=True)), [(a,)], [(np.broadcast_to(np.zeros(4, "f4"), (3, 4)),), (np.frombuffer(bytes(48), "f4").reshape(3, 4),)]),
    ((X, Array(0, F32, (Symbol(0),), 0, "strided", 4), Y, Array(1, F32, (Symbol(1),), 1, "strided", 5), Alias(0, 1)),
     [(a[0], a[1]), (a[0, 2:], a[0, :2]), (a[0], a[0][4:]), (a[0, ::-1], a[1, ::-1])], [(a[0], a[0]), (a[0, 1:], a[0, :2]), (a[0, ::-1], a[0]), (a[0, ::2], a[0, 1::2])]),
    ((X, Array(0, F32, (Symbol(0),), 0, "strided", 4), Y, Array(1, F32, (Symbol(1),), 1, "strided", 5), Alias(0, 1, identical=True)),
     [(a[0], a[0]), (a[0], a[0][:])], [(a[0], a[1]), (a[0], a[0][:2]), (a[0, ::-1], a[0])]),
]  # fmt: skip


def split(call):
    if len(call) == 2 and isinstance(call[0], tuple) and isinstance(call[1], dict):
        return call
    return call, {}


@pytest.mark.parametrize("steps", range(len(CASES)))
def test_hits_and_misses(steps):
    steps, hits, misses = CASES[steps]
    made = table(*steps)
    f = programs.entry(programs.variant(made))
    for calls, hit in ((hits, True), (misses, False)):
        for call in calls:
            args, kwargs = split(call)
            assert (match(made, args, kwargs) is not None) is hit, call
            expected = "hit" if hit else ("missed", args, kwargs)
            found = f(*args, **kwargs)
            assert found is expected or hit is False, call
            if not hit:
                assert found[0] == "missed"
                assert found[2] == kwargs


def test_bindings():
    made = table(X, Array(0, F32, (Symbol(0), 4), 1, "strided", strides=3), Y, Integer(1, Symbol(1)))
    binding = match(made, (a[:, ::-1], 7), {})
    assert binding.numbers == [3, 7, 0, 16, -4, 0, 0, 0]
    assert binding.pointers[1] is binding.registers[0]
    assert binding.registers[1] == 7


@pytest.mark.parametrize(
    "steps",
    [(Item(1, 0, 0),), (X, Item(1, 0, 0)), (X, ExactType(0, dict), Length(0, 1)), (X, Y, Alias(0, 1))],
)
def test_unchecked_tables_are_refused(steps):
    with pytest.raises(TableError):
        PackedTable(programs.variant(table(*steps)))
