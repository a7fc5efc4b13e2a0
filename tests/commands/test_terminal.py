"""Output and progress: JSON that is JSON, tables that show text as it is, a bar only where somebody watches."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from flowreform.commands import terminal
from flowreform.commands.terminal import outcome, plain, print_json, show, table
from flowreform.errors import ExperimentError, InternalError, error


def test_json_has_null_for_what_is_not_finite(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"a": math.nan, "b": [np.float64(1.5), math.inf], "c": np.int8(3), "d": Path("x"), "e": np.arange(2), "f": True})
    assert json.loads(capsys.readouterr().out) == {"a": None, "b": [1.5, None], "c": 3, "d": "x", "e": [0, 1], "f": True}


def test_plain_keeps_text_and_order() -> None:
    assert list(plain({"é": 1, "b": (2,)}).items()) == [("é", 1), ("b", [2])]


def test_text_of_a_model_is_not_markup(capsys: pytest.CaptureFixture[str]) -> None:
    show(table("[red]title[/red]", ("a",), [["[bold]beds[/bold] :bed: \x1b[31m"]]))
    out = capsys.readouterr().out
    assert "[red]title[/red]" in out
    assert "[bold]beds[/bold] :bed: \\x1b[31m" in out


def test_findings_are_lines_and_the_exit_code_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    def wrong() -> int:
        raise ExperimentError([error("a", "first"), error("b", "second\nline")])

    assert outcome(wrong) == 1
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_a_broken_law_is_our_fault(capsys: pytest.CaptureFixture[str]) -> None:
    def broken() -> int:
        raise InternalError("people were lost")

    assert outcome(broken) == 70
    assert "not in your files: people were lost" in capsys.readouterr().err


def test_debug_shows_where_it_happened(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> int:
        raise InternalError("people were lost")

    monkeypatch.setenv("FLOWREFORM_DEBUG", "1")
    with pytest.raises(InternalError):
        outcome(broken)


WORK = """
import sys, time
from flowreform.commands import terminal
terminal.QUIET_SECONDS = float(sys.argv[1])
with terminal.at_work("runs") as advance:
    for done in range(5):
        advance(done, 5)
        time.sleep(0.1)
"""


def on_terminal(quiet: float) -> str:
    """What `WORK` writes on standard error when that is a terminal."""
    pty = pytest.importorskip("pty", reason="Windows has no such terminals")
    ours, theirs = pty.openpty()
    subprocess.run(
        [sys.executable, "-c", WORK, str(quiet)], stderr=theirs, stdin=theirs, check=True, env=os.environ | {"TERM": "xterm"}
    )
    os.close(theirs)
    text = b""
    try:
        while chunk := os.read(ours, 65536):
            text += chunk
    except OSError:  # Linux's way of saying that the other end is closed
        pass
    os.close(ours)
    return text.decode(errors="replace")


def test_long_work_shows_how_far_it_is() -> None:
    text = on_terminal(0.15)
    assert "runs" in text
    assert "/5" in text


def test_short_work_shows_nothing() -> None:
    assert on_terminal(30.0) == ""


def test_nobody_watching_means_no_bar(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "QUIET_SECONDS", 0.0)
    with terminal.at_work("runs") as advance:
        advance(1, 2)
    assert capsys.readouterr().err == ""
