"""The attributes of an object as a mapping, in its `__dict__` or in the slots of its class.

Not here: what becomes of them where paths meet (`places.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from typing import Any

_vars: Callable[[Any], dict[str, Any]] = vars
_type: Callable[[Any], Any] = type  # typed so: of a value of any type


class Slots(MutableMapping[str, Any]):
    """The attributes of an object whose class has `__slots__`; those that have no value are not there."""

    def __init__(self, owner: Any) -> None:
        self.owner = owner

    def __getitem__(self, key: str) -> Any:
        try:
            return object.__getattribute__(self.owner, key)
        except AttributeError:
            raise KeyError(key) from None

    def __setitem__(self, key: str, value: Any) -> None:
        object.__setattr__(self.owner, key, value)

    def __delitem__(self, key: str) -> None:
        object.__delattr__(self.owner, key)

    def __iter__(self) -> Iterator[str]:
        held = _vars(self.owner) if hasattr(self.owner, "__dict__") else {}
        names = (*_slots_of(_type(self.owner)), *held)
        return iter([name for name in names if name in self])

    def __contains__(self, key: object) -> bool:
        try:
            object.__getattribute__(self.owner, str(key))
        except AttributeError:
            return False
        return True

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _slots_of(kind: type) -> list[str]:
    """The names of all slots of a class, as Python stores them."""
    found: list[str] = []
    for one in kind.__mro__:
        slots = one.__dict__.get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else slots:
            if name not in ("__dict__", "__weakref__"):
                is_private = name.startswith("__") and not name.endswith("__")
                found.append(f"_{one.__name__.lstrip('_')}{name}" if is_private else name)
    return found


def has_attributes(value: Any) -> bool:
    """Whether a value has attributes of its own."""
    return hasattr(value, "__dict__") or bool(_slots_of(_type(value)))


def attributes(value: Any) -> MutableMapping[str, Any]:
    """Those of an object, to be read and written."""
    return Slots(value) if _slots_of(_type(value)) else _vars(value)
