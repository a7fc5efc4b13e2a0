"""Numbers and tables for people, the same wherever they are shown: on a terminal, in a notebook, in a file.

Numbers have few digits, thousands apart, millions in words. A `Columns` is a table that has not been drawn yet: as plain text,
Markdown or HTML.
"""

from __future__ import annotations

import html
import re
import textwrap
import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import floor, isinf, log10

from flowreform.errors import visible

FORMULA_MARKS = frozenset("=+-@")
"""What a formula can begin with in a spreadsheet, in any width: some take a full-width sign for the plain one."""
APOSTROPHE = "'"
_QUOTED = frozenset('",\r\n')
_APART = re.compile(r'([;\t\r\n]"*)')
"""What begins a cell in the middle of a text where commas are not what keeps cells apart."""


def harmless(text: str) -> str:
    """The text, with an apostrophe in front of whatever a spreadsheet would take for a formula: at its beginning, and where a
    cell would begin for one that separates by semicolons."""
    if text.isalnum():
        return text
    before = APOSTROPHE if text[:1] in ("\t", "\r", "\n") else ""
    return before + "".join(APOSTROPHE + part if _is_formula(part) else part for part in _APART.split(text))


def _is_formula(text: str) -> bool:
    """Whether its first character that can be seen is the mark of a formula."""
    first = next((ch for ch in text if ch.isprintable() and not ch.isspace()), "")
    return unicodedata.normalize("NFKC", first) in FORMULA_MARKS


def text_field(text: str) -> str:
    """Text as one CSV field: harmless, and in quotes where it holds a comma, a quote or a line break."""
    safe = harmless(text)
    return '"' + safe.replace('"', '""') + '"' if not _QUOTED.isdisjoint(safe) else safe


def text_row(texts: Iterable[str]) -> str:
    """A line of text fields."""
    return ",".join(map(text_field, texts)) + "\n"


# --- numbers as people write them ------------------------------------------------------------------------------------


NUMBER = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
"""A number without its sign, as a part of a pattern."""
_WRITTEN = re.compile(rf"[-+]?{NUMBER}")
_WHOLE = re.compile(r"([-+]?)0*([0-9]{1,300})")


def as_number(text: str) -> float | None:
    """The finite number that a cell, an argument or a setting spells: digits 0 to 9, a decimal point, an exponent.

    None for all else that Python's own `float` takes: `1_0`, digits of other scripts and widths, `inf` and `nan`, 1e999."""
    plain = text.strip(" \t\r\n")
    if not _WRITTEN.fullmatch(plain):
        return None
    value = float(plain)
    return value if value - value == 0 else None


def as_whole(text: str) -> int | None:
    """The whole number that a text spells: a sign or none, digits 0 to 9; None for all else, and for one of more digits than any
    number here has. `int` takes `1_0` and digits of other scripts, `isdigit` those and `²`, and `int` stops at 4,300 digits."""
    found = _WHOLE.fullmatch(text.strip(" \t\r\n"))
    return int(found[1] + found[2]) if found else None


# --- numbers and tables ----------------------------------------------------------------------------------------------


CURRENCIES = {"GBP": "£", "EUR": "€", "NZD": "NZ$", "USD": "US$", "CAD": "CA$"}
"""Signs of currencies, as they are written and read."""
WORDS = ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"))
"""What large numbers are counted in."""


def number(value: float, digits: int = 4) -> str:
    """A number with `digits` significant digits, thousands apart, millions and more in words; a NaN is a dash.

    Whole digits below a million are never cut: 12,345.6 is 12,346. Below 0.0001 and from 1e15 on there is an exponent."""
    if value != value:
        return "-"
    if isinf(value):
        return "-infinite" if value < 0 else "infinite"
    if value == 0:
        return "0"
    if not 1e-4 <= abs(value) < 1e15:
        return f"{value:.{digits - 1}e}"
    factor, word = scale(value)
    text = fixed(value / factor, decimals_of(value / factor, digits))
    return f"{text} {word}" if word else text


def scale(*values: float) -> tuple[float, str]:
    """What the largest of some numbers is counted in: its size and its word, 1 and nothing below a million."""
    largest = max((abs(value) for value in values if value - value == 0), default=0.0)
    return next(((factor, word) for factor, word in WORDS if largest >= factor), (1.0, ""))


def decimals_of(value: float, digits: int = 4) -> int:
    """How many decimals show `digits` significant digits of a number; none for 0."""
    return max(0, digits - 1 - floor(log10(abs(value)))) if value else 0


def fixed(value: float, decimals: int) -> str:
    """A number with at most so many decimals, thousands apart."""
    text = f"{value:,.{decimals}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def number_field(value: float) -> str:
    """A number as one CSV field, with every digit; empty where there is no number, since spreadsheets have no infinity."""
    return exact(value) if value - value == 0 else ""


def exact(value: float) -> str:
    """The shortest text that reads back as the same number, for files that programs read; a NaN is empty."""
    if value != value:
        return ""
    return repr(float(value)).removesuffix(".0") if abs(value) < 1e15 else repr(float(value))


def short(label: str) -> str:
    """A scenario's label as far as its colon, where there is little room: `Build first` of `Build first: with a fund`."""
    return label.partition(":")[0].strip() or label


def spoken(label: str) -> str:
    """A label as it begins a line: no underscores, a capital first, WTE, NHS and pathways as they are written."""
    text = " ".join(label.replace("_", " ").split())
    text = re.sub(r"\b(wte|nhs|bau|p[0-3])\b", lambda found: found[1].upper(), text)
    return text[:1].upper() + text[1:]


def shown_unit(unit: str) -> str:
    """A unit for people: nothing where there is nothing to say."""
    return "" if unit.strip().lower() in ("", "1", "dimensionless", "dmnl") else unit


# --- tables ----------------------------------------------------------------------------------------------------------

WIDTH = 130
"""Characters of a line of plain text."""
WIDEST = 60
"""Characters of a cell, before it continues on the next line."""


@dataclass(frozen=True)
class Columns:
    """A table with its title: `heads` over `rows` of as many cells; the columns numbered in `right` hold numbers."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    right: frozenset[int] = frozenset()


def columns(title: str, heads: Iterable[str], rows: Iterable[Iterable[str]], *, right: Iterable[int] = ()) -> Columns:
    """A table; the columns numbered in `right` hold numbers."""
    return Columns(title, tuple(heads), tuple(tuple(row) for row in rows), frozenset(right))


Shown = str | Columns
"""A part of what an object shows of itself: a line of text, or a table."""


class Manual(ABC):
    """The base of objects whose `repr` is their manual: lines and tables, as plain text and, in notebooks, as HTML."""

    __slots__ = ()

    @abstractmethod
    def manual(self) -> Iterable[Shown]:
        """What the object shows of itself, part by part."""

    def __repr__(self) -> str:
        return plain_text(self.manual())

    def _repr_html_(self) -> str:
        return as_html(self.manual())


def plain_text(parts: Iterable[Shown]) -> str:
    """Lines and tables, one below the other."""
    return visible("\n".join(part if isinstance(part, str) else "\n".join(_plain_table(part)) for part in parts))


def _plain_table(table: Columns) -> list[str]:
    cells = [[textwrap.wrap(" ".join(text.split()), WIDEST) or [""] for text in row] for row in table.rows]
    widths = [
        max(len(head), *(len(line) for row in cells for line in row[at])) if cells else len(head)
        for at, head in enumerate(table.heads)
    ]
    lines = [*([table.title] if table.title else []), _joined(table.heads, widths, table.right)]
    lines.append("-" * min(WIDTH, len(lines[-1]) or 1))
    for row in cells:
        for part in range(max(len(cell) for cell in row)):
            lines.append(_joined([cell[part] if part < len(cell) else "" for cell in row], widths, table.right))
    return [*lines, ""]


def _joined(cells: Sequence[str], widths: Sequence[int], right: frozenset[int]) -> str:
    padded = (
        cell.rjust(width) if at in right else cell.ljust(width)
        for at, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join(padded).rstrip()


def as_html(parts: Iterable[Shown]) -> str:
    """Lines as paragraphs and tables as tables; every text escaped."""
    found = []
    for part in parts:
        if isinstance(part, str):
            found.append(f"<div>{html.escape(visible(part))}</div>" if part else "<br>")
            continue
        found.append("<table>" + (f"<caption>{html.escape(visible(part.title))}</caption>" if part.title else ""))
        found.append(
            f"<thead><tr>{''.join(_cell('th', text, at in part.right) for at, text in enumerate(part.heads))}</tr></thead>"
        )
        body = (f"<tr>{''.join(_cell('td', text, at in part.right) for at, text in enumerate(row))}</tr>" for row in part.rows)
        found.append(f"<tbody>{''.join(body)}</tbody></table>")
    return "".join(found)


def _cell(tag: str, text: str, right: bool) -> str:
    return f'<{tag} style="text-align: {"right" if right else "left"}">{html.escape(visible(text))}</{tag}>'


def as_markdown(parts: Iterable[Shown]) -> str:
    """Lines as paragraphs, titles of tables as headings, tables as Markdown tables."""
    found = []
    for part in parts:
        if isinstance(part, str):
            found.append(f"{visible(part)}\n")
        else:
            found += [f"## {part.title}\n"] * bool(part.title) + [markdown(part.heads, part.rows, right=part.right)]
    return "\n".join(found)


def markdown(header: Sequence[str], rows: Iterable[Sequence[str]], *, right: bool | frozenset[int] = True) -> str:
    """A Markdown table; the columns numbered in `right` hold numbers, all but the first when it is True."""
    numbers = right if isinstance(right, frozenset) else frozenset(range(1, len(header)) if right else ())
    rule = ["---:" if at in numbers else "---" for at in range(len(header))]
    body = "\n".join("| " + " | ".join(cell(text) for text in line) + " |" for line in [header, *rows])
    first, _, rest = body.partition("\n")
    return f"{first}\n| {' | '.join(rule)} |\n{rest}".rstrip("\n") + "\n"


def cell(text: str) -> str:
    """Text that cannot end its cell, its table, begin a tag or a link, or hide anything."""
    plain = " ".join(visible(text).split())
    return plain.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("`", "'").replace("](", "]\\(")
