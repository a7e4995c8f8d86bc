"""The quick `dataclass` behaves as the standard one."""

import copy
import dataclasses
import pickle

import pytest

from weft.ir.dataclass import dataclass as quick


def _make(decorator):
    @decorator(frozen=True, slots=True)
    class Point:
        """A point."""

        x: int
        y: float = 2.0
        names: list = dataclasses.field(default_factory=list, compare=False)
        secret: int = dataclasses.field(default=3, repr=False, hash=False)

        def __post_init__(self):
            if self.x < 0:
                raise ValueError(self.x)

        def __hash__(self):
            return 7

    @decorator(frozen=True, slots=True)
    class One:
        """One value."""

        value: object

    @decorator(frozen=True, slots=True, eq=False)
    class Same:
        """Compared by identity."""

        value: object = None

    @decorator(frozen=True, slots=True)
    class Nothing:
        """No fields."""

    class Base:
        """No dataclass, with a slot of its own."""

        __slots__ = ("kept",)

    @decorator(slots=True)
    class Open(Base):
        """Can be changed, so it has no hash."""

        kept: int
        others: list = dataclasses.field(default_factory=list)

    return Point, One, Same, Nothing, Open


KINDS = [_make(quick), _make(dataclasses.dataclass)]
QuickOne = KINDS[0][1]
QuickOne.__qualname__ = "QuickOne"


@pytest.mark.parametrize("kinds", KINDS, ids=["quick", "standard"])
def test_same_behaviour(kinds):
    point, one, same, nothing, changing = kinds
    p = point(1, names=["a"])
    assert repr(p).endswith("Point(x=1, y=2.0, names=['a'])")
    assert p == point(1, 2.0, [])
    assert p != point(1, 2.0, [], 4)
    assert p != 1
    assert hash(p) == 7
    assert point(1).names == []
    assert point(1).names is not point(1).names
    assert dataclasses.replace(p, x=5) == point(5)
    assert dataclasses.is_dataclass(point)
    assert [f.name for f in dataclasses.fields(p)] == ["x", "y", "names", "secret"]
    assert dataclasses.asdict(p) == {"x": 1, "y": 2.0, "names": ["a"], "secret": 3}
    assert copy.copy(p) == p
    assert copy.deepcopy(p) == p
    assert not hasattr(p, "__dict__")
    assert hash(one(1)) == hash(one(1))
    assert one(1) != nothing() == nothing()
    assert same() != same()
    assert len({same(), same()}) == 2
    assert hash(nothing()) == hash(nothing())
    with pytest.raises(dataclasses.FrozenInstanceError):
        p.x = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        del p.y
    with pytest.raises((AttributeError, TypeError)):  # the latter in the standard one of 3.11
        p.other = 1
    with pytest.raises(ValueError, match="-1"):
        point(-1)
    with pytest.raises(TypeError):
        point()
    with pytest.raises(TypeError):
        hash(one([]))
    match p:
        case point(x, y):
            assert (x, y) == (1, 2.0)
    made = changing(1)
    made.kept, made.others = 2, [3]
    assert made == changing(2, [3]) != changing(2)
    assert repr(copy.copy(made)).endswith("Open(kept=2, others=[3])")
    assert (changing.__slots__, changing.__dataclass_params__.frozen) == (("others",), False)
    with pytest.raises(TypeError):
        hash(made)
    with pytest.raises(AttributeError):
        made.other = 1


def test_pickle():
    assert pickle.loads(pickle.dumps(QuickOne([1]))) == QuickOne([1])


def test_the_rest_is_the_standard_librarys():
    @quick
    class Plain:
        x: int = 1

    @quick(frozen=True, slots=True)
    class Base:
        x: int = 1

    @quick(frozen=True, slots=True)
    class Derived(Base):
        y: int = 2

    made = Plain()
    made.x = 2
    assert made == Plain(2)
    assert Derived(3).x == 3
