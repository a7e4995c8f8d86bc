"""The disk cache: objects by key, in a private folder, written atomically, verified when read (DESIGN D25).

An entry that is damaged, truncated or foreign counts as absent; a folder that cannot be used counts as empty.
Nothing here ever raises. Not here: what is a key (`weft.calls.native`), where the folder is (`weft.config`).
"""

import hashlib
import os
import stat
from pathlib import Path

_MAGIC = b"weft-cache-1\n"
_DIGEST_BYTES = 32
MAX_BYTES = 512 * 1024 * 1024
_KEEP_SHARE = 0.75  # of the limit, after old entries are removed


class DiskCache:
    """Byte strings by key in `folder`; None keeps nothing. Several processes may use one folder at once."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder if folder is not None and _is_private(folder) else None
        self._written = 0

    def fetch(self, key: str) -> bytes | None:
        """What was stored under `key`, if it is whole."""
        if self.folder is None:
            return None
        try:
            data = self._path(key).read_bytes()
        except OSError:
            return None
        head = len(_MAGIC) + _DIGEST_BYTES
        body = data[head:]
        digest = self._digest(key, body)
        return body if data[:head] == _MAGIC + digest else None

    def store(self, key: str, body: bytes) -> None:
        """Keep `body` under `key`; silently nothing where that is not possible."""
        if self.folder is None:
            return
        digest = self._digest(key, body)
        try:
            name = self.folder / f".new-{os.getpid()}-{os.urandom(8).hex()}"
            try:
                with open(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                    file.write(_MAGIC + digest + body)
                os.replace(name, self._path(key))
            except OSError:
                name.unlink(missing_ok=True)
                raise
        except OSError:
            return
        self._written += len(body)
        if self._written > MAX_BYTES // 16:
            self._written = 0
            self._trim()

    def _digest(self, key: str, body: bytes) -> bytes:
        return hashlib.sha256(f"{key}\0".encode() + body).digest()

    def _path(self, key: str) -> Path:
        assert self.folder is not None
        return self.folder / hashlib.sha256(key.encode()).hexdigest()

    def _trim(self) -> None:
        """Remove the entries that were not used for longest when the folder is over its limit."""
        assert self.folder is not None
        try:
            entries = [
                (e.stat().st_mtime, e.stat().st_size, e.path) for e in os.scandir(self.folder) if e.is_file()
            ]
            total = sum(size for _, size, _ in entries)
            if total <= MAX_BYTES:
                return
            for _, size, path in sorted(entries):
                os.unlink(path)
                total -= size
                if total <= MAX_BYTES * _KEEP_SHARE:
                    return
        except OSError:
            return


def _is_private(folder: Path) -> bool:
    """Whether the folder exists, or can be made, and only its owner, who is us, may write to it."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        facts = folder.stat()
        if not stat.S_ISDIR(facts.st_mode) or (hasattr(os, "getuid") and facts.st_uid != os.getuid()):
            return False
        return not facts.st_mode & 0o022 and os.access(folder, os.R_OK | os.W_OK | os.X_OK)
    except OSError:
        return False
