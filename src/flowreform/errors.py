"""Who is at fault, where, why, and what would mend it.

Three people can be at fault: the modeller (`ModelError`), the experimenter (`ExperimentError`) and us
(`InternalError`). The first two carry findings, all of them at once, and the command line prints one line for each and
never a traceback. Anything else that escapes is our fault.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum


class Level(StrEnum):
    """How bad a finding is: an error stops the run, a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, repr=False)
class Finding:
    """One fault in one place.

    `file` is the file's path as the user gave it, `line` and `column` count from 1 (0 = not known), `element` is the
    variable, parameter or key at fault in the user's own spelling, `reason` says what is wrong and `repair` what to do.
    """

    level: Level
    rule: str
    file: str
    line: int
    element: str
    reason: str
    repair: str = ""
    column: int = 0

    def __str__(self) -> str:
        place = one_line(self.file) if self.file else "model"
        if self.line:
            place += f":{self.line}"
            if self.column:
                place += f":{self.column}"
        subject = f" {shorten(self.element)}:" if self.element else ""
        repair = f"; {one_line(self.repair)}" if self.repair else ""
        return f"{place}: {self.level}:{subject} {one_line(self.reason)}{repair} [{self.rule}]"

    __repr__ = __str__


def error(
    rule: str, reason: str, repair: str = "", *, file: str = "", line: int = 0, element: str = "", column: int = 0
) -> Finding:
    """A finding that stops the run."""
    return Finding(Level.ERROR, rule, file, line, element, reason, repair, column)


def warning(
    rule: str, reason: str, repair: str = "", *, file: str = "", line: int = 0, element: str = "", column: int = 0
) -> Finding:
    """A finding that is worth a look and stops nothing."""
    return Finding(Level.WARNING, rule, file, line, element, reason, repair, column)


class FlowreformError(Exception):
    """The base of every error a user can cause; `findings` holds all the faults found, `exit_code` what the shell sees."""

    exit_code = 1

    def __init__(self, findings: Finding | Iterable[Finding]) -> None:
        self.findings: tuple[Finding, ...] = (findings,) if isinstance(findings, Finding) else tuple(findings)
        super().__init__("\n".join(str(finding) for finding in self.findings))


class ModelError(FlowreformError):
    """The model file, its case file or its data cannot be used as they stand."""


class ExperimentError(FlowreformError):
    """The experiment file, or a value given by the user, cannot be used as it stands."""


class InternalError(Exception):
    """A law that flowreform itself should keep was broken: please report it."""


def visible(text: str) -> str:
    """The text with nothing hidden in it: what moves a terminal's cursor, turns the direction of writing or cannot be seen is
    shown as an escape, an unusual blank is a blank. Line breaks stay."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(ch if ch.isprintable() or ch == "\n" else _shown(ch) for ch in text)


def _shown(character: str) -> str:
    if character in "\t\r" or unicodedata.category(character) in ("Zs", "Zl", "Zp"):
        return " "
    return character.encode("unicode_escape").decode()


def one_line(text: str, limit: int = 400) -> str:
    """The text on one line, made visible, cut in the middle when longer than `limit`."""
    plain = " ".join(visible(text).split())
    if len(plain) <= limit:
        return plain
    half = limit // 2 - 2
    return f"{plain[:half]} ... {plain[-half:]}"


def shorten(name: str, limit: int = 80) -> str:
    """A name fit for a message: one line and at most `limit` characters."""
    return one_line(name, limit)


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`did you mean "x" or "y"?`, or an empty string when nothing known is close."""
    close = get_close_matches(name[:100], [item for item in known if len(item) <= 200], n=3, cutoff=0.6)
    return "did you mean " + " or ".join(f'"{item}"' for item in close) + "?" if close else ""
