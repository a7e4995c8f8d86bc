"""Names of the contract that are not built yet: they exist, and say so when they are called.

Holds the stand-in only; which names stand in is listed where they belong (`weft`, `weft.nn`, ...).
"""

from __future__ import annotations

from typing import NoReturn

from weft.ir import UnsupportedError


def refuse(name: str) -> NoReturn:
    """Raise UnsupportedError because what `name` says is not built yet."""
    raise UnsupportedError(
        f"{name} is not built yet", code="E051", fix="see docs/status.md for what is built."
    )


class Unbuilt:
    """A function or class that a later version brings; calling or subclassing it raises UnsupportedError."""

    def __init__(self, name: str) -> None:
        self.__name__ = name.rpartition(".")[2]
        self.__qualname__ = self.__name__
        self.__doc__ = f"{name} is not built yet."
        self._name = name

    def __call__(self, *_arguments: object, **_keywords: object) -> NoReturn:
        """Raise UnsupportedError."""
        refuse(self._name)

    def __mro_entries__(self, bases: tuple[object, ...]) -> NoReturn:
        """Raise UnsupportedError where a class statement names this as a base."""
        refuse(self._name)

    def __instancecheck__(self, instance: object) -> bool:
        """Return False: nothing can be an instance yet."""
        return False

    def __repr__(self) -> str:
        """Return a text that says what this is."""
        return f"<{self._name}: not built yet>"
