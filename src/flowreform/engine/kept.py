"""Compiled kernels kept on disk between sessions, one file each: the SHA-256 of what follows, and what numba wrote.

numba's own cache is left alone. It goes to whatever folder a settings file in the current folder names, unpickles what lies
there, and a file that was cut short stops every later run. Here a file counts only if nobody else can have written it and it is
whole; anything else is a miss, and the kernel is compiled anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import pickle
import stat
import tempfile
import time
from pathlib import Path
from typing import Any

DIGEST = 32
"""Bytes of the checksum in front."""
SUFFIX, PREFIX = ".kernel", ".new-"
LEFT_BEHIND = 3600.0
"""Seconds after which a file that is still not whole belongs to nobody."""


def cache_folder() -> Path:
    """Where kernels are kept: FLOWREFORM_CACHE, or `kernels` in the user's cache folder."""
    named = os.environ.get("FLOWREFORM_CACHE")
    if named:
        return Path(named)
    from platformdirs import user_cache_path

    return user_cache_path("flowreform", appauthor=False) / "kernels"


def is_kept(name: str) -> bool:
    """Has the kernel of this name been compiled and kept before?"""
    return any(cache_folder().glob(f"{name}.*{SUFFIX}"))


class Kept:
    """The cache of one compiled function, as numba's dispatcher asks for it."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def cache_path(self) -> str:
        """The folder."""
        return str(cache_folder())

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The function compiled for these types on this processor; None where it is not kept, not ours or not whole."""
        target_context.refresh()
        path = self._path(sig, target_context.codegen())
        content = _read(path)
        if content is None:
            return None
        body = content[DIGEST:]
        if hashlib.sha256(body).digest() == content[:DIGEST]:
            from numba.core import compiler

            result: Any = compiler.CompileResult
            with contextlib.suppress(Exception):  # another build of numba under the same version, for one: compile it anew
                return result._rebuild(target_context, *pickle.loads(body))  # noqa: S301 - ours, and whole
        with contextlib.suppress(OSError):
            path.unlink()
        return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep a compiled function, where there is a folder for it and room."""
        folder = _folder()
        if folder is None:
            return
        from numba.core import serialize

        numbas: Any = serialize
        body: bytes = numbas.dumps(data._reduce())
        path = self._path(sig, data.codegen)
        temporary = None
        try:
            _tidy(folder)
            number, temporary = tempfile.mkstemp(prefix=PREFIX, dir=folder)
            with open(number, "wb") as handle:
                handle.write(hashlib.sha256(body).digest() + body)
            os.replace(temporary, path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary or "")

    def _path(self, sig: Any, codegen: Any) -> Path:
        where = hashlib.sha256(repr((sig, codegen.magic_tuple())).encode()).hexdigest()[:16]
        return cache_folder() / f"{self.name}.{where}{SUFFIX}"


def _tidy(folder: Path) -> None:
    """Files that a killed process left half written."""
    for left in folder.glob(f"{PREFIX}*"):
        if time.time() - left.stat().st_mtime > LEFT_BEHIND:
            left.unlink(missing_ok=True)


def _folder() -> Path | None:
    """The cache folder, made where it is missing; None where it cannot be, or others may write there."""
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return folder if _only_ours(folder.stat()) else None
    except OSError:
        return None


def _read(path: Path) -> bytes | None:
    """The bytes of a file that nobody but this user can have written."""
    try:
        if not _only_ours(path.parent.stat()):
            return None
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
        with open(handle, "rb") as file:
            info = os.fstat(handle)
            return file.read() if stat.S_ISREG(info.st_mode) and _only_ours(info) else None
    except OSError:
        return None


def _only_ours(info: os.stat_result) -> bool:
    return os.name != "posix" or (info.st_uid == os.getuid() and not info.st_mode & 0o022)
