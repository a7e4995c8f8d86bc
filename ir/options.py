"""The options as frozen facts that are handed down; reading the environment is the work of `weft.config`.

The fields are separated by type: `CodeOptions` changes the code that is made and enters the cache key whole,
`RunOptions` changes nothing in it.
"""

from __future__ import annotations

from dataclasses import field, fields

from weft.ir.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class CodeOptions:
    """Options that change the code; the record is hashed whole, so every field is part of the cache key."""

    pass_limit: int | None = None
    passes_off: tuple[str, ...] = ()
    fast_math: bool = False
    check: str | None = None

    def key(self) -> str:
        """Return a text that is equal for equal options, for the cache key."""
        return ",".join(f"{entry.name}={getattr(self, entry.name)!r}" for entry in fields(self))


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Options that change what is shown, checked or kept, never the code."""

    disable: bool = False
    dump: str = ""
    dump_folder: str = "weft_dump"
    function: str = ""
    time: bool = False
    interpret: bool = False
    explain: bool = False
    cache_dir: str = ""
    threads: int | None = None
    pin: bool = True
    traceback: str = "user"
    verify: int = 0
    library: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Options:
    """Everything that a user can set, in two parts: what changes the code and what does not."""

    code: CodeOptions = field(default_factory=CodeOptions)
    run: RunOptions = field(default_factory=RunOptions)
