"""Ctrl-C once: finish the parts in hand. Ctrl-C twice, or SIGTERM: leave them and go. Either way what is finished is kept."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any


class Interrupted(KeyboardInterrupt):
    """A sweep was stopped by a signal; `exit_code` is what the shell sees, `done` of `runs` are safely on disk."""

    def __init__(self, number: int, done: int, runs: int) -> None:
        super().__init__(f"stopped with {done:,} of {runs:,} runs done")
        self.exit_code, self.done, self.runs = 128 + number, done, runs


class Signals:
    """The signals of a stretch of work. Outside the main thread none can be caught, and none is."""

    def __init__(self) -> None:
        self.number = 0
        self.at_once = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._heard)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)

    def _heard(self, number: int, frame: FrameType | None) -> None:
        self.at_once = self.at_once or number == signal.SIGTERM or self.number != 0
        self.number = number
