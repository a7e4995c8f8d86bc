"""A static library (`ar` archive) with one object and the table of its symbols, in Python.

Not here: the object (`link.py`).
"""

import struct
from collections.abc import Sequence


def static_library(data: bytes, name: str, symbols: Sequence[str]) -> bytes:
    """The archive that holds an object under the name `NAME.o`; `symbols` are what others see of it."""
    names = [symbol.encode() for symbol in symbols]
    member = f"{name}.o/" if len(name) < 14 else "/0"
    long_names = b"" if len(name) < 14 else f"{name}.o/\n".encode()
    table_bytes = 4 + 4 * len(names) + sum(len(n) + 1 for n in names)
    start = 8 + 60 + table_bytes + table_bytes % 2
    start += 60 + len(long_names) + len(long_names) % 2 if long_names else 0
    table = struct.pack(f">{1 + len(names)}I", len(names), *([start] * len(names)))
    parts = [b"!<arch>\n", _member("/", table + b"".join(n + b"\0" for n in names))]
    if long_names:
        parts.append(_member("//", long_names))
    return b"".join((*parts, _member(member, data)))


def _member(name: str, content: bytes) -> bytes:
    """One member with its header; times and owners are 0, so equal content makes equal archives."""
    head = f"{name:<16}{0:<12}{0:<6}{0:<6}{644:<8}{len(content):<10}`\n".encode()
    return head + content + b"\n" * (len(content) % 2)
