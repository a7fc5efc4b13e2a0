"""Text as a cell of a CSV file, so that no spreadsheet takes it for a formula.

A spreadsheet reads a cell that begins with `=`, `+`, `-`, `@`, a tab or a line break as a formula, quotes or not. Such text
gets an apostrophe in front (OWASP, "CSV Injection"), which spreadsheets show as text. Numbers are not text: they stay as
they are, and `-1.5` stays a number.
"""

from __future__ import annotations

from collections.abc import Iterable

FORMULA_MARKS = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What the text of a formula can begin with."""
APOSTROPHE = "'"
_QUOTED = frozenset('",\r\n')


def harmless(text: str) -> str:
    """The text, with an apostrophe in front where a spreadsheet would take it for a formula."""
    return APOSTROPHE + text if text.startswith(FORMULA_MARKS) else text


def text_field(text: str) -> str:
    """Text as one CSV field: harmless, and in quotes where it holds a comma, a quote or a line break."""
    safe = harmless(text)
    return '"' + safe.replace('"', '""') + '"' if not _QUOTED.isdisjoint(safe) else safe


def text_row(texts: Iterable[str]) -> str:
    """A line of text fields."""
    return ",".join(map(text_field, texts)) + "\n"
