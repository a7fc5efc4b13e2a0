"""One sweep in a folder at a time: a lock that names its owner and that a dead owner cannot keep.

The operating system holds the lock and lets go of it when a process ends, however it ends. On a file system that other
machines share, and that may not pass their locks on, the owner's sign of life counts as well: a lock of another machine is
stale once it has not been touched for `STALE` seconds.
"""

from __future__ import annotations

import errno
import json
import os
import platform
import stat
import time
from pathlib import Path
from typing import IO, Any

from flowreform.errors import ExperimentError, error

NAME = "lock"
STALE = 120.0
"""Seconds after which another machine's lock without a sign of life is taken over."""
TOUCH = 10.0
"""Seconds between two signs of life."""


class Lock:
    """Held from `take` to `release`. `taken_over` says whose stale lock it was, if anybody's."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        self.taken_over = ""
        self._handle: IO[str] | None = None
        self._touched = 0.0

    def take(self) -> None:
        """Raises ExperimentError, naming the owner, where another sweep is at work; OSError where nothing can be written."""
        while True:
            handle = _open(self.path)
            try:
                if not _lock(handle):
                    raise self._busy(_owner(handle))
                if not self._is_same(handle):
                    handle.close()
                    continue  # its owner was just leaving and took the file away
                before = _owner(handle)
                if before and before.get("host") != platform.node() and time.time() - os.fstat(handle.fileno()).st_mtime < STALE:
                    raise self._busy(before)
                self.taken_over = _said(before) if before else ""
                handle.seek(0)
                handle.truncate()
                mine = {"process": os.getpid(), "host": platform.node(), "since": _clock()}
                handle.write(json.dumps(mine))
                handle.flush()
                os.fsync(handle.fileno())
            except BaseException:
                handle.close()
                raise
            self._handle, self._touched = handle, time.monotonic()
            return

    def touch(self) -> None:
        """A sign of life, now and then. Raises ExperimentError when the folder is gone or somebody else has taken the lock."""
        if self._handle is None or time.monotonic() - self._touched < TOUCH:
            return
        self._touched = time.monotonic()
        if not self._is_same(self._handle):
            reason = "the folder has vanished, or its lock was taken away, while the sweep was at work"
            raise ExperimentError(
                error("sweep-lock", reason, "put the folder back and run the command again", file=str(self.path.parent))
            )
        os.utime(self._handle.fileno() if os.utime in os.supports_fd else self.path)

    def release(self) -> None:
        """Let go, and leave nothing behind."""
        if self._handle is None:
            return
        try:
            if self._is_same(self._handle):
                self.path.unlink(missing_ok=True)
        except OSError:
            pass  # read-only or gone by now: an empty-handed lock is stale at once
        self._handle.close()
        self._handle = None

    def _is_same(self, handle: IO[str]) -> bool:
        """Whether the file we have open is still the one in the folder."""
        try:
            return os.path.samestat(os.fstat(handle.fileno()), self.path.lstat())
        except OSError:
            return False

    def _busy(self, owner: dict[str, Any]) -> ExperimentError:
        reason = f"another sweep is at work in this folder: {_said(owner)}"
        return ExperimentError(
            error("sweep-lock", reason, "wait for it, stop it, or sweep into another folder (-o)", file=str(self.path.parent))
        )


def _open(path: Path) -> IO[str]:
    """The lock file, made where it is missing; a link is not followed. Raises OSError where something else stands there."""
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    handle = os.open(path, flags, 0o666)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, f"{path.name} is not an ordinary file")
    return open(handle, "r+", encoding="utf-8", errors="replace")


def _lock(handle: IO[str]) -> bool:
    """Ask the operating system for the lock; False when another process has it."""
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(handle.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
        else:
            import fcntl

            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except PermissionError:
        if os.name == "nt":
            return False
        raise
    return True


def _owner(handle: IO[str]) -> dict[str, Any]:
    handle.seek(0)
    try:
        found = json.loads(handle.read(2000) or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _said(owner: dict[str, Any]) -> str:
    if not owner:
        return "a process that has not said who it is"
    return f"process {owner.get('process')} on {owner.get('host')}, since {owner.get('since')}"


def _clock() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
