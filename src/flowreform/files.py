"""All or nothing on disk: a file is written under a temporary name, synced, and only then given its own.

Whoever looks finds the old file or the new one, never half of either; several files written together by `write_files`
appear together or, when anything fails on the way, not at all. A temporary name is always a new file of ours: what somebody has
put in its place, a symbolic link above all, is taken away and never written through.
"""

from __future__ import annotations

import errno
import io
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path, PurePosixPath
from typing import Any

from flowreform.errors import ExperimentError, error

Writer = Callable[[Path], None]
"""Writes one file at the path it is given."""

STAGING, TEMPORARY = ".flowreform-", "flowreform.tmp-"
"""How the names of our folders for a while begin: beside what is written, and in the system's temporary folder."""
NEW = 60.0
"""Seconds in which nobody takes a folder for left behind, whether it is locked yet or not."""
PIECE = 1 << 22
"""Bytes that are read of a file at a time."""
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def write_file(path: Path, writer: Writer, *, size: int = 0) -> None:
    """Let `writer` write `path` under a temporary name beside it, and rename once it is safely on disk.

    Where `path` is a symbolic link, the file that it leads to is the one written. `size` is about how many bytes it will take,
    where that is known. Raises ExperimentError where the file cannot be written; whatever `writer` raises leaves an older file
    untouched."""
    try:
        target = resolved(path) if path.is_symlink() else path
    except OSError as fault:
        raise _cannot_write(path, fault) from fault
    if target.exists() and not target.is_file() and not target.is_dir():  # a rename would take the device's place
        raise _cannot_write(path, OSError(errno.EINVAL, "it is not an ordinary file"))
    write_files(target.parent, {target.name: writer}, size=size)


def write_text(path: Path, text: str) -> None:
    """`write_file` for text: UTF-8, and line ends as they stand on every system."""
    content = text.encode()
    write_file(path, lambda temporary: put(temporary, content), size=len(content))


def write_bytes(path: Path, content: bytes) -> None:
    """Put one file into a folder that is there: temporary name, sync, rename, sync of the folder.

    A temporary file left by a process that was killed is taken away first. Raises OSError; then an older file is untouched and
    the temporary one is gone."""
    temporary = temporary_of(path)
    temporary.unlink(missing_ok=True)
    with open(temporary, "xb") as handle:
        try:
            handle.write(content)
            handle.flush()
            os.fsync(handle.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    _sync_folder(path.parent)


def temporary_of(path: Path) -> Path:
    """The name under which `write_bytes` writes a file first."""
    return path.with_name(f".{path.name}.tmp")


def write_files(folder: Path, writers: Mapping[str, Writer], *, size: int = 0) -> None:
    """Write the files named in `writers` into `folder`, all of them or none; other files there stay as they are.

    The folder is made when it is missing, and taken away again when nothing came of it. A symbolic link that stands in it under
    one of the names is replaced, not followed: the folder may be somebody else's. `size` is about how many bytes all of them
    will take: without so much room nothing is begun. Raises ExperimentError where it cannot be written to; whatever a writer
    raises passes through."""
    made: list[Path] = []
    done = False
    written = 0
    try:
        _require_a_folder(folder)
        _require_room(folder, size)
        made = _make(folder)
        for name in writers:
            if (folder / name).is_dir() and not (folder / name).is_symlink():
                raise IsADirectoryError(errno.EISDIR, f"{name} is a folder there")
        with _held(folder, STAGING) as staging:
            try:
                for name, writer in writers.items():
                    writer(staging / name)
                    _sync(staging / name)
                for name in writers:
                    os.replace(staging / name, folder / name)
                done = True
                _sync_folder(folder)
            except OSError:
                written = sum(item.stat().st_size for item in staging.iterdir())
                raise
    except OSError as fault:
        raise _cannot_write(folder, fault, size, written) from fault
    finally:
        if not done:
            _remove_empty(made)


def put(path: Path, content: bytes) -> None:
    """The simplest writer."""
    path.write_bytes(content)


# --- folders for a while ---------------------------------------------------------------------------------------------


@contextmanager
def temporary_folder() -> Iterator[Path]:
    """A folder of ours alone in the system's temporary folder, gone at the end; what killed processes left there goes too."""
    with _held(Path(tempfile.gettempdir()), TEMPORARY) as place:
        yield place


@contextmanager
def _held(base: Path, prefix: str) -> Iterator[Path]:
    """A new folder in `base`, locked for as long as it is used, so that others can tell it from one left behind."""
    _tidy(base, prefix)
    place = Path(tempfile.mkdtemp(prefix=prefix, dir=base))
    handle = _lock(place)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)
        if handle is not None:
            os.close(handle)


def _tidy(base: Path, prefix: str) -> None:
    """Remove our folders that nobody holds any more: their process was killed."""
    if os.name != "posix":
        return
    with suppress(OSError), os.scandir(base) as entries:
        for entry in [one for one in entries if one.name.startswith(prefix)]:
            with suppress(OSError):
                info = entry.stat(follow_symlinks=False)
                if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.getuid() or time.time() - info.st_mtime < NEW:
                    continue
                handle = _lock(Path(entry.path))
                if handle is not None:
                    shutil.rmtree(entry.path, ignore_errors=True)
                    os.close(handle)


def _lock(folder: Path) -> int | None:
    """A handle that holds the folder's lock until it is closed or its process ends; None where another one has it."""
    if os.name != "posix":
        return None
    import fcntl

    handle = None
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        if handle is not None:
            os.close(handle)
        return None
    return handle


# --- files in a folder that somebody else may have made -----------------------------------------------------------------


def resolved(path: Path) -> Path:
    """The path with every link followed. Raises OSError for links that lead round in a circle too."""
    try:
        return path.resolve()
    except RuntimeError as fault:
        raise OSError(errno.ELOOP, "a symbolic link on the way to it leads to itself") from fault


def inside(folder: Path, path: str) -> Path:
    """The place of a file that a list in `folder` names. Raises OSError where it lies elsewhere, by its name or by a link."""
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or any(mark in path for mark in "\\:\0"):
        raise OSError(errno.EINVAL, "its name leads out of the folder")
    place = folder.joinpath(*parts)
    if resolved(place.parent) != resolved(folder).joinpath(*parts[:-1]):
        raise OSError(errno.ELOOP, "a symbolic link on the way to it leads elsewhere")
    return place


def is_file(path: Path) -> bool:
    """Whether there is an ordinary file, or a link to one; not for a name that no file can have."""
    try:
        return path.is_file()
    except OSError:  # a name too long, a folder that may not be looked into
        return False


def read_plain(path: Path, most: int) -> bytes:
    """The bytes of an ordinary file, or of the one that a link leads to. Raises OSError for anything else, and for more than
    `most` bytes."""
    pieces, size = [], 0
    with open_plain(path, follow=True) as file:
        while piece := file.read(min(PIECE, most + 1 - size)):  # memory for what is there, not for what may be
            pieces.append(piece)
            size += len(piece)
    if size > most:
        raise OSError(errno.EFBIG, f"it is larger than {most:,} bytes")
    return b"".join(pieces)


def open_plain(place: Path, *, follow: bool = False) -> BufferedReader:
    """A file to read that must be an ordinary one: devices and pipes are not waited for, and links are not followed unless a
    user named the place (`follow`). Raises OSError."""
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        flags |= 0 if follow else getattr(os, "O_NOFOLLOW", 0)
        handle = os.open(place, flags)
    except OSError as fault:
        if fault.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "it is a symbolic link") from fault
        raise
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "it is not an ordinary file")
    return open(handle, "rb")


_PAGE = 1 << 16
_MOST_PAGES = 4096
"""So much of what no disk took is kept in memory: 256 MB."""


class Unfailing(io.RawIOBase):
    """A new file that keeps its first fault to itself: HDF5 ends the process when a write fails while it closes a file, or when
    it does not find what it wrote, and a zip file complains once more when it is thrown away. From the first fault on, what is
    written is kept in memory, so that it is read back as it was. `settle` raises the fault."""

    def __init__(self, path: Path) -> None:
        self.file = open(path, "xb+", buffering=0)  # noqa: SIM115 - until it is settled
        self.fault: OSError | None = None
        self._at = self._end = 0
        self._pages: dict[int, bytearray] = {}

    def settle(self) -> None:
        """Close the file. Raises OSError where a write failed."""
        self._pages.clear()
        try:
            self.file.close()
        except OSError as fault:
            self.fault = self.fault or fault
        if self.fault is not None:
            raise self.fault

    def readable(self) -> bool:
        return True

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def flush(self) -> None:
        """Nothing waits here; and a zip file that is thrown away flushes what has been closed before it."""

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = (0, self._at, self._end)[whence] + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        size = min(len(buffer), max(0, self._end - self._at))
        found = bytearray(self._stored(self._at, size).ljust(size, b"\0"))
        for page, begin, stop in _pages(self._at, size):
            if page in self._pages:
                place = page * _PAGE + begin - self._at
                found[place : place + stop - begin] = self._pages[page][begin:stop]
        buffer[:size] = found
        self._at += size
        return size

    def write(self, content: Any) -> int:
        view = memoryview(content).cast("B")
        try:
            if self.fault is None and not self.file.closed:
                self.file.seek(self._at)
                rest = view
                while len(rest):
                    rest = rest[self.file.write(rest) or 0 :]
        except OSError as fault:
            self.fault = fault
        if self.fault is not None:
            self._keep(view)
        self._at += view.nbytes
        self._end = max(self._end, self._at)
        return view.nbytes

    def truncate(self, size: int | None = None) -> int:
        self._end = self._at if size is None else size
        try:
            if self.fault is None and not self.file.closed:
                self.file.truncate(self._end)
        except OSError as fault:
            self.fault = fault
        return self._end

    def _keep(self, view: memoryview) -> None:
        for page, begin, stop in _pages(self._at, view.nbytes):
            if page not in self._pages and len(self._pages) < _MOST_PAGES:
                self._pages[page] = bytearray(self._stored(page * _PAGE, _PAGE).ljust(_PAGE, b"\0"))
            if page in self._pages:
                place = page * _PAGE + begin - self._at
                self._pages[page][begin:stop] = view[place : place + stop - begin]

    def _stored(self, at: int, size: int) -> bytes:
        if self.file.closed:
            return b""
        self.file.seek(at)
        return self.file.read(size) or b""


def _pages(at: int, size: int) -> Iterator[tuple[int, int, int]]:
    """The pages that so many bytes from a place on lie in, and from where to where in each."""
    stop = at + size
    while at < stop:
        page, begin = divmod(at, _PAGE)
        length = min(_PAGE - begin, stop - at)
        yield page, begin, begin + length
        at += length


# --- in detail -------------------------------------------------------------------------------------------------------


def _require_a_folder(folder: Path) -> None:
    """Say at once, and by name, that a file stands where a folder should."""
    for place in (folder, *folder.parents):
        if place.exists() and not place.is_dir():
            raise NotADirectoryError(f"{place} is a file, not a folder")


def _require_room(folder: Path, size: int) -> None:
    """Refuse before anything is begun: a library in the middle of a file may not survive a full disk."""
    place = next((one for one in (folder, *folder.parents) if one.is_dir()), None)
    if size and place is not None and shutil.disk_usage(place).free < size:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _make(folder: Path) -> list[Path]:
    """Make the folder and those above it; the ones that were missing, outermost first."""
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    made = []
    for place in reversed(missing):
        place.mkdir(exist_ok=True)
        made.append(place)
    return made


def _remove_empty(made: list[Path]) -> None:
    for place in reversed(made):
        try:
            place.rmdir()
        except OSError:  # somebody else has put something there
            return


def _sync(path: Path) -> None:
    with open(path, "rb+") as handle:
        os.fsync(handle.fileno())


def _sync_folder(folder: Path) -> None:
    """Make the renames last. Windows cannot open a folder and journals renames itself."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def no_room(place: Path, size: int = 0, written: int = 0) -> str:
    """`: about 1,000 bytes are needed and 10 are free`, for a message about a full disk; `written` is what it already took."""
    with suppress(OSError):
        free = shutil.disk_usage(next(one for one in (place, *place.parents) if one.is_dir())).free
        if not size and not written:
            return f": {free:,} bytes are free"
        needed = f"about {size:,}" if size > written else f"more than {written:,}"
        return f": {needed} bytes are needed and {free:,} are free"
    return ""


def _cannot_write(place: Path, fault: OSError, size: int = 0, written: int = 0) -> ExperimentError:
    reason = fault.strerror or str(fault)
    if fault.errno in _NO_ROOM:
        reason += no_room(place, size, written)
    repair = "choose another place with -o, or make room and check who may write there"
    return ExperimentError(error("cannot-write", f"cannot write there: {reason}", repair, file=str(place)))
