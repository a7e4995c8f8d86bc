"""Texts that a program carries as numbers: those known while it was traced, and those that it makes.

A number stands for one text, so that equal texts have equal numbers as long as a call lasts. Not here: which
values of a program are such numbers (`weft.compiler.frontend.chosen`).
"""

from __future__ import annotations

import itertools
import threading

from weft.runtime.callback import depth_of_calls

_made = itertools.count(2**32)  # numbers of texts that programs made: never used twice


class Texts(threading.local):
    """The texts of one program; those that it makes are kept for the thread's present call."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: dict[int, tuple[dict[str, int], dict[int, str]]] = {}


class TextTable:
    """Numbers of texts; `number` is for those that are known while tracing."""

    def __init__(self) -> None:
        self._known: list[str] = []
        self._numbers: dict[str, int] = {}
        self._calls = Texts()
        self.makes_texts = False  # whether the program makes some, so that each call has to `begin`

    def number(self, text: str) -> int:
        """The number of a text that is known while tracing."""
        if text not in self._numbers:
            self._numbers[text] = len(self._known)
            self._known.append(text)
        return self._numbers[text]

    def begin(self) -> None:
        """Forget what an earlier call made: a call of the program begins."""
        self._calls.tables[depth_of_calls()] = {}, {}

    def keep(self, text: str) -> int:
        """The number of a text that the program has made."""
        if text in self._numbers:
            return self._numbers[text]
        numbers, texts = self._calls.tables[depth_of_calls()]
        if text not in numbers:
            numbers[text] = next(_made)
            texts[numbers[text]] = text
        return numbers[text]

    def text(self, number: int) -> str:
        """The text of a number, in a call or right after it."""
        if number < len(self._known):
            return self._known[number]
        depth = depth_of_calls()
        found = next((texts for k in (depth, depth + 1) if number in (texts := self._of(k))), None)
        if found is None:
            raise RuntimeError("a text of a compiled program was used after its call")
        return found[number]

    def _of(self, depth: int) -> dict[int, str]:
        return self._calls.tables.get(depth, ({}, {}))[1]
