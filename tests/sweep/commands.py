"""The command `flowreform` as a process of its own that starts at once: forked from a server that has imported everything."""

from __future__ import annotations

import atexit
import functools
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

PATIENCE = 120.0
"""Seconds after which a test gives up: a sweep must never hang."""


@functools.cache
def _server() -> ForkServerContext:
    context = multiprocessing.get_context("forkserver")
    names = [
        "flowreform.cli",
        "flowreform.commands.sweep",
        "flowreform.sweeps.finish",
        "flowreform.sweeps.verify",
        "xarray",
        "zarr",
        "zarr.codecs",
    ]
    context.set_forkserver_preload(
        [*names, "flowreform.engine.interpret", "flowreform.formats.writer", "llvmlite.binding", "pyarrow.parquet"]
    )
    return context


@functools.cache
def _outputs() -> str:
    """A folder for what commands print, gone when the tests are over."""
    folder = tempfile.mkdtemp(prefix="flowreform-test-output-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _hold(after: int, output: str) -> None:
    """Have the sweep wait, once so many parts are written, until the test lets it go on."""
    from flowreform.sweeps.store import Store

    plain, count = Store.write, 0

    def write(self: Store, part: Any, session: int) -> None:
        nonlocal count
        plain(self, part, session)
        count += 1
        if count == after:
            Path(f"{output}.held").touch()
            deadline = time.monotonic() + PATIENCE
            while not Path(f"{output}.go").exists() and time.monotonic() < deadline:
                time.sleep(0.005)

    Store.write = write  # type: ignore[method-assign]


def _main(words: list[str], output: str, hold: int) -> None:
    """The command with its output in a file."""
    file = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, 1)
    os.dup2(file, 2)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.setsid()
    sys.argv = ["flowreform", *words]
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    from flowreform.cli import main

    if hold:
        _hold(hold, output)
    main()


class Command:
    """A running `flowreform`. `text` is all it has printed so far; a sweep waits after `hold` parts until `go`."""

    def __init__(self, *words: object, hold: int = 0) -> None:
        handle, name = tempfile.mkstemp(dir=_outputs())
        os.close(handle)
        self.output = Path(name)
        arguments = ([str(word) for word in words], name, hold)
        self.process = _server().Process(target=_main, args=arguments)
        self.process.start()
        assert self.process.pid is not None
        self.pid = self.process.pid

    @property
    def text(self) -> str:
        return self.output.read_text(encoding="utf-8")

    def until(self, wanted: Callable[[], object], *, ended: bool = False) -> None:
        """Wait for something to become true while the command is at work."""
        began = time.monotonic()
        while not wanted():
            if not ended and not self.process.is_alive():
                raise AssertionError(f"it ended too early with {self.process.exitcode}: {self.text}")
            if time.monotonic() - began > PATIENCE:
                self.process.kill()
                raise AssertionError(f"it hangs: {self.text}")
            time.sleep(0.002)

    def until_held(self) -> None:
        """Wait until the sweep waits."""
        self.until(lambda: Path(f"{self.output}.held").exists())

    def go(self) -> None:
        """Let it go on."""
        Path(f"{self.output}.go").touch()

    def send(self, number: int) -> None:
        os.kill(self.pid, number)

    def wait(self) -> int:
        """The exit code as a shell sees it; minus the signal where one killed it."""
        self.process.join(PATIENCE)
        if self.process.exitcode is None:
            self.process.kill()
            raise AssertionError(f"it hangs: {self.text}")
        return self.process.exitcode


def run(*words: object) -> tuple[int, str]:
    """A command from beginning to end: its exit code and all it printed."""
    made = Command(*words)
    return made.wait(), made.text
