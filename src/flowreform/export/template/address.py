"""Cells by the names that spreadsheets give them: `B5`, `$B$5:K5`, `'Ward plan'!B5`."""

from __future__ import annotations

import re
from dataclasses import dataclass

MOST_ROWS, MOST_COLUMNS = 1_048_576, 16_384
_CELL = re.compile(r"\$?([A-Za-z]{1,3})\$?([1-9][0-9]{0,6})")
_AREA = re.compile(rf"{_CELL.pattern}(?::{_CELL.pattern})?")


@dataclass(frozen=True, slots=True, order=True)
class Area:
    """A block of cells, both corners inside, counted from 1."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def cells(self) -> tuple[tuple[int, int], ...]:
        """(row, column) of every cell, row by row."""
        return tuple((row, column) for row in range(self.top, self.bottom + 1) for column in range(self.left, self.right + 1))

    @property
    def count(self) -> int:
        """How many cells it has."""
        return (self.bottom - self.top + 1) * (self.right - self.left + 1)

    def __contains__(self, cell: tuple[int, int]) -> bool:
        return self.top <= cell[0] <= self.bottom and self.left <= cell[1] <= self.right

    def __str__(self) -> str:
        first = address(self.top, self.left)
        return first if self.count == 1 else f"{first}:{address(self.bottom, self.right)}"


def column_number(letters: str) -> int:
    """`A` is 1, `AA` is 27."""
    found = 0
    for letter in letters.upper():
        found = found * 26 + ord(letter) - 64
    return found


def column_letters(number: int) -> str:
    """27 is `AA`."""
    text = ""
    while number:
        number, rest = divmod(number - 1, 26)
        text = chr(65 + rest) + text
    return text


def address(row: int, column: int) -> str:
    """Row 5, column 2 is `B5`."""
    return f"{column_letters(column)}{row}"


def area(text: str) -> Area | None:
    """The block that a text such as `$B$5:K5` names; None when it names none."""
    match = _AREA.fullmatch(text.strip())
    if match is None:
        return None
    first, last = (column_number(match[1]), int(match[2])), (column_number(match[3] or match[1]), int(match[4] or match[2]))
    left, right = sorted((first[0], last[0]))
    top, bottom = sorted((first[1], last[1]))
    return Area(top, left, bottom, right) if right <= MOST_COLUMNS and bottom <= MOST_ROWS else None


def split_sheet(text: str) -> tuple[str, str]:
    """`'Ward plan'!B5` as sheet and rest, quotes off; the sheet is empty where none is named."""
    head, mark, rest = text.strip().rpartition("!")
    if not mark:
        return "", text.strip()
    if len(head) >= 2 and head[0] == head[-1] == "'":
        head = head[1:-1].replace("''", "'")
    return head, rest
