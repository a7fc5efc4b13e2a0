"""All or nothing on disk: a file is written under a temporary name, synced, and only then given its own.

Whoever looks finds the old file or the new one, never half of either; several files written together by `write_files`
appear together or, when anything fails on the way, not at all.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from flowreform.errors import ExperimentError, error

Writer = Callable[[Path], None]
"""Writes one file at the path it is given."""


def write_file(path: Path, writer: Writer) -> None:
    """Let `writer` write `path` under a temporary name beside it, and rename once it is safely on disk.

    Raises ExperimentError where the file cannot be written; whatever `writer` raises leaves an older file untouched."""
    write_files(path.parent, {path.name: writer})


def write_text(path: Path, text: str) -> None:
    """`write_file` for text: UTF-8, and line ends as they stand on every system."""
    write_file(path, lambda temporary: _put(temporary, text.encode()))


def write_bytes(path: Path, content: bytes) -> None:
    """Put one file into a folder that is there: temporary name, sync, rename, sync of the folder.

    A temporary file left by a process that was killed is written over the next time. Raises OSError; then an older file is
    untouched and the temporary one is gone."""
    temporary = temporary_of(path)
    try:
        with open(temporary, "wb") as handle:
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


def write_files(folder: Path, writers: Mapping[str, Writer]) -> None:
    """Write the files named in `writers` into `folder`, all of them or none; other files there stay as they are.

    The folder is made when it is missing, and taken away again when nothing came of it. Raises ExperimentError where it
    cannot be written to; whatever a writer raises passes through."""
    made: list[Path] = []
    try:
        _require_a_folder(folder)
        made = _make(folder)
        staging = Path(tempfile.mkdtemp(prefix=".flowreform-", dir=folder))
    except OSError as fault:
        _remove_empty(made)
        raise _cannot_write(folder, fault) from fault
    done = False
    try:
        for name, writer in writers.items():
            writer(staging / name)
            _sync(staging / name)
        for name in writers:
            os.replace(staging / name, folder / name)
        done = True
        _sync_folder(folder)
    except OSError as fault:
        raise _cannot_write(folder, fault) from fault
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        if not done:
            _remove_empty(made)


def _put(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _require_a_folder(folder: Path) -> None:
    """Say at once, and by name, that a file stands where a folder should."""
    for place in (folder, *folder.parents):
        if place.exists() and not place.is_dir():
            raise NotADirectoryError(f"{place} is a file, not a folder")


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


def _cannot_write(place: Path, fault: OSError) -> ExperimentError:
    reason = fault.strerror or str(fault)
    repair = "choose another place with -o, or make room and check who may write there"
    return ExperimentError(error("cannot-write", f"cannot write there: {reason}", repair, file=str(place)))
