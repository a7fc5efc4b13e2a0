"""What every command shares: where its output goes, how it fails, how it shows that it is still at work.

Answers go to standard output, as tables for people or as JSON for scripts; findings, warnings and progress go to standard
error. Text from a model is never read as markup.
"""

from __future__ import annotations

import errno
import functools
import io
import json
import math
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec

from flowreform.errors import Finding, FlowreformError, InternalError, one_line, visible
from flowreform.text import Columns

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

P = ParamSpec("P")

DONE, WRONG_INPUT, SOME_RUNS_FAILED, DIFFERENT, OUR_FAULT, INTERRUPTED, BROKEN_PIPE, TERMINATED = 0, 1, 3, 4, 70, 130, 141, 143
"""What the shell sees. 2 is a usage error, and typer's own."""

QUIET_SECONDS = 1.0
"""Work shorter than this shows no progress."""

WIDE = 160
"""Columns of a table that goes to a file or a pipe, in characters."""

Advance = Callable[[int, int], None]
"""Told how many runs are done, and of how many."""


class _Terminated(BaseException):
    """The system asked us to end: passes every handler of ours on its way out, so that half-written files go."""


def command(function: Callable[P, int | None]) -> Callable[P, None]:
    """A command whose faults are lines and exit codes: it returns its exit code (None: 0) and never shows a traceback."""

    @functools.wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        sys.exit(outcome(lambda: function(*args, **kwargs) or DONE))

    return guarded


def outcome(work: Callable[[], int]) -> int:
    """The exit code of `work`, with whatever it raised said on standard error."""
    debug = bool(os.environ.get("FLOWREFORM_DEBUG"))
    open_streams()
    before = _on_termination(_terminate)
    try:
        with warnings.catch_warnings():
            if not debug and not sys.warnoptions:  # libraries warn their developers; what users must know is a finding
                warnings.simplefilter("ignore")
            code = work()
            sys.stdout.flush()
            return code
    except FlowreformError as fault:
        complain(fault.findings)
        return fault.exit_code
    except KeyboardInterrupt:
        say("interrupted: no result was written; run the same command again")
        return INTERRUPTED
    except _Terminated:
        say("terminated: no result was written; run the same command again")
        return TERMINATED
    except BrokenPipeError:
        _silence()  # whoever read our output has enough
        return BROKEN_PIPE
    except MemoryError as fault:
        if debug:
            raise
        say(f"error: there is not enough memory{f' ({one_line(str(fault))})' if str(fault) else ''}; {_SMALLER}")
        return WRONG_INPUT
    except Exception as fault:
        if debug:
            raise
        if (reason := _of_the_system(fault)) is not None:
            say(f"error: {reason}")
            return WRONG_INPUT
        _confess(fault)
        return OUR_FAULT
    finally:
        _on_termination(before)


_SMALLER = "ask for fewer draws or samples, save fewer variables or less often, or raise the limit"
_SYSTEM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EBADF,
           errno.ENAMETOOLONG, errno.ELOOP, errno.EACCES)  # fmt: skip


_WRITES_OUTPUT = (os.path.join("commands", "terminal.py"), os.path.join("rich", "console.py"))
"""Where a fault of standard output comes from."""


def _of_the_system(fault: Exception) -> str | None:
    """What the system will not let anybody do, in a line; None for any other fault."""
    if isinstance(fault, RuntimeError) and "start new thread" in str(fault):
        return f"the system lets us start no more threads; {_SMALLER}"
    if not isinstance(fault, OSError) or fault.errno not in _SYSTEM:
        return None
    reason = fault.strerror or str(fault)
    place = fault.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    if place is not None and place.tb_frame.f_code.co_filename.endswith(_WRITES_OUTPUT):
        _silence()
        return f"cannot write to standard output: {reason}"
    return f"{one_line(str(fault.filename))}: {reason}" if fault.filename else f"the system says: {reason}"


def _silence() -> None:
    """What is left to flush goes nowhere, or the interpreter complains at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def open_streams() -> None:
    """Standard streams that are there and take any character.

    One that was closed leads nowhere: its number would go to the next file that is opened, and what a library prints into that.
    A character that the terminal's encoding lacks is shown as an escape."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8", closefd=False))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _on_termination(handler: Any) -> Any:
    """Set the handler of SIGTERM, where there is one to set; the handler there was."""
    if threading.current_thread() is not threading.main_thread():
        return None
    return signal.signal(signal.SIGTERM, handler if handler is not None else signal.SIG_DFL)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    raise _Terminated


def _confess(fault: Exception) -> None:
    what = one_line(str(fault)) or "no message"
    kind = "" if isinstance(fault, InternalError) else f"{type(fault).__name__}: "
    say(f"flowreform: this is a fault in flowreform, not in your files: {kind}{what}")
    say("please report it with the command and the files; FLOWREFORM_DEBUG=1 before the command shows where it happened")


def complain(findings: Iterable[Finding]) -> None:
    """One line for each finding, on standard error."""
    for finding in findings:
        say(str(finding))


def say(line: str) -> None:
    """A line on standard error, with nothing hidden in it; where nobody can read it, it is not said."""
    with suppress(OSError):
        print(visible(line), file=sys.stderr, flush=True)


# --- output ----------------------------------------------------------------------------------------------------------


def console() -> Console:
    """Where tables go: colours and the window's width on a terminal, plain and wide anywhere else."""
    from rich.console import Console

    class Plain(Console):
        def on_broken_pipe(self) -> None:  # rich would end the process with 1, as if the input were wrong
            raise BrokenPipeError

    terminal = sys.stdout.isatty()
    width = None if terminal or os.environ.get("COLUMNS") else WIDE
    return Plain(markup=False, emoji=False, highlight=False, width=width)


def show(*parts: RenderableType | Columns) -> None:
    """Print tables and text, one below the other, text with nothing hidden in it."""
    place = console()
    for part in parts:
        if isinstance(part, Columns):
            place.print(table(part.title, part.heads, part.rows, right=part.right))
        else:
            place.print(visible(part) if isinstance(part, str) else part)


def write(text: str) -> None:
    """Text on standard output as it stands, for files and pipes, with nothing hidden in it."""
    sys.stdout.write(visible(text) + "\n")


def table(title: str, columns: Iterable[str], rows: Iterable[Iterable[str]], *, right: Iterable[int] = ()) -> RenderableType:
    """A table for people under its title; the columns numbered in `right` hold numbers."""
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    numbers = set(right)
    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for place, name in enumerate(columns):
        grid.add_column(
            one_line(name, 2000), justify="right" if place in numbers else "left", no_wrap=place in numbers, overflow="fold"
        )
    for row in rows:
        grid.add_row(*(one_line(cell, 2000) for cell in row))
    return Group(Text(one_line(title, 2000), style="bold"), grid) if title else grid


def print_json(value: Any) -> None:
    """JSON on standard output: what is not finite becomes null, and what cannot be seen is an escape that says the same."""
    text = json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    hidden = {ord(mark): json.dumps(mark)[1:-1] for mark in set(text) if not mark.isprintable() and mark != "\n"}
    sys.stdout.write(text.translate(hidden))


def plain(value: Any) -> Any:
    """The value in JSON's own types; numpy's and pydantic's included."""
    if isinstance(value, bool | str) or value is None:
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if hasattr(value, "model_dump"):
        return plain(value.model_dump())
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return str(value)


# --- progress --------------------------------------------------------------------------------------------------------


@contextmanager
def at_work(label: str) -> Iterator[Advance]:
    """Show a bar on standard error while the body runs, if that is a terminal and takes more than a second.

    Yields a function that takes (done, total)."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    bar = _Bar(label)
    timer = threading.Timer(QUIET_SECONDS, bar.start)
    timer.daemon = True
    timer.start()
    try:
        yield bar.advance
    finally:
        timer.cancel()
        bar.stop()


class _Bar:
    """A progress bar that is only drawn once `start` is called, from whatever thread."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._lock = threading.Lock()
        self._state: tuple[int, int | None] = (0, None)
        self._live: Any = None
        self._task: Any = None
        self._over = False

    def start(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

        with self._lock:
            if self._over:
                return
            columns = TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn()
            place = Console(stderr=True)
            self._live = Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=place, transient=True)
            self._live.start()
            done, total = self._state
            self._task = self._live.add_task(self._label, completed=done, total=total)

    def advance(self, done: int, total: int) -> None:
        with self._lock:
            self._state = (done, total)
            if self._live is not None:
                self._live.update(self._task, completed=done, total=total)

    def stop(self) -> None:
        with self._lock:
            self._over = True
            if self._live is not None:
                self._live.stop()
