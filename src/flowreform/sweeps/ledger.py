"""The ledger: which parts are safely on disk, with a checksum for each file, and which of their runs failed and why.

SQLite, write-ahead log, synchronous=FULL: a row is there only once it is on disk, and it is written after its files are.
What the ledger does not know does not exist, whatever lies in the folder.
"""

from __future__ import annotations

import errno
import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flowreform.errors import ExperimentError, error, shorten

FORMAT = 1
"""Version of the tables."""
UNWORKED = "none"
"""The engine of a part that nobody could work out."""

_TABLES = """
CREATE TABLE IF NOT EXISTS about (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS parts (
    part INTEGER PRIMARY KEY, first_run INTEGER NOT NULL, runs INTEGER NOT NULL, failed INTEGER NOT NULL, strays TEXT NOT NULL,
    engine TEXT NOT NULL, session INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY, part INTEGER, bytes INTEGER NOT NULL, sha256 TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS failures (
    run INTEGER PRIMARY KEY, part INTEGER NOT NULL, scenario TEXT NOT NULL, draw INTEGER NOT NULL, reason TEXT NOT NULL,
    variable TEXT NOT NULL, time REAL, value TEXT NOT NULL, inputs TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS sessions (
    session INTEGER PRIMARY KEY, started TEXT NOT NULL, command TEXT NOT NULL, workers TEXT NOT NULL, outcome TEXT NOT NULL);
CREATE INDEX IF NOT EXISTS failures_of_part ON failures (part);
CREATE INDEX IF NOT EXISTS files_of_part ON files (part);
"""


@dataclass(frozen=True)
class Failed:
    """A run that failed: why, in which variable, when first (model time), and with what inputs."""

    run: int
    scenario: str
    draw: int
    reason: str
    variable: str = ""
    time: float | None = None
    value: str = ""
    inputs: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        where = f"scenario {self.scenario}, draw {self.draw}: "
        if not self.variable:
            return where + self.reason
        return f"{where}{self.variable} turned {self.value} at time {self.time:g}"


@dataclass(frozen=True)
class LedgerEntry:
    """A part as the ledger has it."""

    part: int
    runs: int
    failed: int
    strays: Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class File:
    """A file as the ledger has it; `part` is None for what belongs to the sweep as a whole."""

    path: str
    part: int | None
    size: int
    sha256: str


class Ledger:
    """The open ledger of a folder. Raises sqlite3.Error where the disk is full, gone or read-only, or the file is no ledger.

    The file may be a stranger's: it must hold our tables and nothing else, no view or trigger that would run when a table is
    looked at, and every row is checked as it is read. Raises ExperimentError where it does not."""

    def __init__(self, path: Path, *, write: bool) -> None:
        self.path, self.write = path, write
        _require_its_own(path)
        self._base = self._open("mode=rwc" if write else "mode=ro")
        try:
            if not write and not self._reads():
                self._base.close()
                self._base = self._open("mode=ro&immutable=1")  # a folder in which SQLite may not put its own files
            self._base.execute("PRAGMA trusted_schema=OFF")
            self._require_our_tables()
            if write:
                self._base.execute("PRAGMA journal_mode=WAL")
                self._base.execute("PRAGMA synchronous=FULL")
                self._base.execute("PRAGMA wal_autocheckpoint=64")  # pages: the log stays small beside a small sweep
                self._base.executescript(_TABLES)
            self._base.execute("SELECT count(*) FROM about").fetchone()
        except (sqlite3.Error, ExperimentError):
            self._base.close()
            raise

    def _require_our_tables(self) -> None:
        """Nothing but what `_TABLES` makes: less of it is what a kill leaves."""
        there = set(self._base.execute("SELECT type, name, tbl_name, sql FROM sqlite_master LIMIT 100"))
        if there - _schema():
            raise self._damaged("it holds tables that are not a sweep's")

    def _damaged(self, reason: str) -> ExperimentError:
        repair = "restore it from a copy, or sweep into another folder"
        return ExperimentError(error("sweep-ledger", f"the ledger is damaged: {reason}", repair, file=str(self.path)))

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """What stands in a row is what we wrote there, or the ledger is damaged."""
        try:
            yield
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as fault:
            raise self._damaged(shorten(str(fault))) from fault
        except sqlite3.DatabaseError as fault:
            if isinstance(fault, sqlite3.OperationalError) and "no such table" not in str(fault):
                raise
            raise self._damaged(shorten(str(fault))) from fault

    def _open(self, options: str) -> sqlite3.Connection:
        return sqlite3.connect(f"{self.path.absolute().as_uri()}?{options}", uri=True, timeout=30, isolation_level=None)

    def _reads(self) -> bool:
        try:
            self._base.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError:
            return False
        return True

    def close(self) -> None:
        """Let go of the file, which stands alone from then on: the write-ahead log is folded in."""
        if self.write:
            with suppress(sqlite3.Error):  # somebody reads it, or the disk is gone: the log is folded in the next time
                self._base.execute("PRAGMA journal_mode=DELETE")
        self._base.close()

    # --- what the sweep is ---

    def get(self, key: str) -> Any:
        """A value of the sweep as a whole; None when it is not there."""
        with self._reading():
            row = self._base.execute("SELECT value FROM about WHERE key = ?", (key,)).fetchone()
            return json.loads(row[0]) if row else None

    def table(self, key: str) -> dict[str, Any]:
        """The same where it must be a table. Raises ExperimentError when it is none."""
        found = self.get(key)
        if not isinstance(found, dict):
            raise self._damaged(f"it does not say what {key} is")
        return found

    def set(self, **values: Any) -> None:
        """Set values of the sweep as a whole, all of them or none."""
        with self._transaction():
            for key, value in values.items():
                self._base.execute("INSERT OR REPLACE INTO about VALUES (?, ?)", (key, json.dumps(value)))

    # --- parts and files ---

    def add(
        self, entry: LedgerEntry, first_run: int, engine: str, session: int, files: Iterable[File], failures: Iterable[Failed]
    ) -> None:
        """A part whose files are on disk: everything about it, or nothing."""
        with self._transaction():
            self._forget(entry.part)
            row = (entry.part, first_run, entry.runs, entry.failed, json.dumps(dict(entry.strays)), engine, session)
            self._base.execute("INSERT INTO parts VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            self._put(files)
            rows = [
                (f.run, entry.part, f.scenario, f.draw, f.reason, f.variable, f.time, f.value, json.dumps(dict(f.inputs)))
                for f in failures
            ]
            self._base.executemany("INSERT INTO failures VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def forget(self, part: int) -> None:
        """A part that is damaged or must be longer."""
        with self._transaction():
            self._forget(part)

    def put_files(self, files: Iterable[File]) -> None:
        """Files of the sweep as a whole."""
        with self._transaction():
            self._put(files)

    def parts(self) -> dict[int, LedgerEntry]:
        """Every part there is, in order."""
        with self._reading():
            rows = self._base.execute("SELECT part, runs, failed, strays FROM parts ORDER BY part")
            return {
                row[0]: LedgerEntry(
                    _count(row[0]),
                    _count(row[1]),
                    _count(row[2]),
                    {k: (_count(runs), _count(reads)) for k, (runs, reads) in json.loads(row[3]).items()},
                )
                for row in rows
            }

    def unworked(self) -> frozenset[int]:
        """The parts whose every worker died: their runs are marked failed, and the next sweep tries them again."""
        with self._reading():
            return frozenset(row[0] for row in self._base.execute("SELECT part FROM parts WHERE engine = ?", (UNWORKED,)))

    def files(self) -> list[File]:
        """Every file there should be."""
        with self._reading():
            rows = self._base.execute("SELECT path, part, bytes, sha256 FROM files ORDER BY part, path")
            return [
                File(_text(path), None if part is None else _count(part), _count(size), _text(digest))
                for path, part, size, digest in rows
            ]

    def failures(self, most: int = -1) -> list[Failed]:
        """The runs that failed, in order; at most so many."""
        with self._reading():
            rows = self._base.execute(
                "SELECT run, scenario, draw, reason, variable, time, value, inputs FROM failures ORDER BY run LIMIT ?", (most,)
            )
            return [
                Failed(
                    *(_count(run), _text(scenario), _count(draw), _text(reason), _text(variable)),
                    None if time is None else float(time),
                    _text(value),
                    {str(name): float(number) for name, number in json.loads(inputs).items()},
                )
                for run, scenario, draw, reason, variable, time, value, inputs in rows
            ]

    def counts(self) -> tuple[int, int]:
        """Runs that are there, and how many of them failed."""
        with self._reading():
            row = self._base.execute("SELECT coalesce(sum(runs), 0), coalesce(sum(failed), 0) FROM parts").fetchone()
            return int(row[0]), int(row[1])

    # --- who worked on it ---

    def begin(self, started: str, command: str, workers: str) -> int:
        """A new session; its number."""
        with self._transaction():
            row = (started, command, workers, "not finished")
            found = self._base.execute("INSERT INTO sessions (started, command, workers, outcome) VALUES (?, ?, ?, ?)", row)
            return int(found.lastrowid or 0)

    def end(self, session: int, outcome: str) -> None:
        """How a session ended."""
        with self._transaction():
            self._base.execute("UPDATE sessions SET outcome = ? WHERE session = ?", (outcome, session))

    def _put(self, files: Iterable[File]) -> None:
        rows = [(file.path, file.part, file.size, file.sha256) for file in files]
        self._base.executemany("INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?)", rows)

    def _forget(self, part: int) -> None:
        for table in ("parts", "files", "failures"):
            self._base.execute(f"DELETE FROM {table} WHERE part = ?", (part,))

    def _transaction(self) -> _Transaction:
        return _Transaction(self._base)


_SUPER_JOURNAL = bytes.fromhex("d9d505f920a163d7")
"""How a journal ends that belongs to several databases and names a file which SQLite may delete. Ours never does."""


def _require_its_own(path: Path) -> None:
    """Raises OSError where the ledger, or what SQLite keeps beside it, is not an ordinary file of this folder."""
    for place in (path, *(path.with_name(path.name + end) for end in ("-wal", "-shm", "-journal"))):
        if place.is_symlink():
            raise OSError(errno.ELOOP, f"{place.name} is a symbolic link")
        if place.exists() and not place.is_file():
            raise OSError(errno.EINVAL, f"{place.name} is not an ordinary file")
    journal = path.with_name(path.name + "-journal")
    if journal.is_file():
        with open(journal, "rb") as handle:
            handle.seek(max(0, journal.stat().st_size - len(_SUPER_JOURNAL)))
            if handle.read() == _SUPER_JOURNAL:
                raise OSError(errno.EINVAL, f"{journal.name} names a file elsewhere")


def _schema() -> set[tuple[Any, ...]]:
    """What stands in `sqlite_master` of a new ledger."""
    base = sqlite3.connect(":memory:")
    try:
        base.executescript(_TABLES)
        return set(base.execute("SELECT type, name, tbl_name, sql FROM sqlite_master"))
    finally:
        base.close()


def _count(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{shorten(repr(value), 40)} is no number of things")
    return value


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{shorten(repr(value), 40)} is no text")
    return value


class _Transaction:
    """Everything inside, or nothing of it."""

    def __init__(self, base: sqlite3.Connection) -> None:
        self._base = base

    def __enter__(self) -> None:
        self._base.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, fault: object, trace: object) -> None:
        if kind is None:
            self._base.execute("COMMIT")
        elif self._base.in_transaction:
            self._base.execute("ROLLBACK")
