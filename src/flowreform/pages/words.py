"""Numbers, units and dates as a board reads them: £m and per cent, one rounding for a row, financial years."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from math import floor, isfinite, log10

from flowreform.calendar import Calendar
from flowreform.text import CURRENCIES, fixed

PLURALS = {"person": "people", "wte": "WTE", "dimensionless": "", "1": "", "dmnl": ""}
STEPS = ((1e9, "bn"), (1e6, "m"), (1e3, "k"))
MOST_OF_A_SHARE = 1.2
"""A plain number that never leaves 0 to this is taken for a share where the model does not say otherwise."""


@dataclass(frozen=True)
class UnitScale:
    """How the numbers of one row, or one axis, are written: `head` is the unit in words."""

    head: str
    prefix: str = ""
    suffix: str = ""
    factor: float = 1.0
    decimals: int = 0

    def text(self, value: float, signed: bool = False) -> str:
        """A number with its marks; a dash where there is none."""
        if not isfinite(value):
            return "–"
        shown = f"{round(abs(value) / self.factor, self.decimals):,.{max(0, self.decimals)}f}"
        if not shown.strip("0.,"):
            return f"{self.prefix}0{self.suffix if self.suffix == '%' else ''}"
        sign = "−" if value < 0 else "+" if signed else ""
        return f"{sign}{self.prefix}{shown}{self.suffix}"

    def bare(self, value: float) -> str:
        """The number alone, where the unit stands above it; a share keeps its sign."""
        return replace(self, prefix="", suffix="%" if self.suffix == "%" else "").text(value)

    def range(self, low: float, high: float, signed: bool = False) -> str:
        """`a to b`."""
        return f"{self.text(low, signed)} to {self.text(high, signed)}"


def scale_of(unit: str, values: Iterable[float], share: bool = False, digits: int = 3, millions: bool = False) -> UnitScale:
    """The scale that shows `digits` significant digits of the largest of some values in a unit of the model.

    `share` says that a plain number is a part of a whole, shown in per cent; `millions` keeps large money in millions."""
    known = [value for value in values if isfinite(value)]
    largest = max(map(abs, known), default=0.0)
    first, *others = [part.strip() for part in unit.replace("(", "").replace(")", "").split("/")]
    if first.lower() in ("", "1", "dimensionless", "dmnl") and not others and share:
        return UnitScale("%", "", "%", 0.01, 1 if max(known, default=0.0) - min(known, default=0.0) < 0.2 else 0)
    if first in CURRENCIES:
        steps = [step for step in STEPS if not (millions and step[0] > 1e6)]
        factor, word = next(((by, word) for by, word in steps if largest >= by), (1.0, ""))
        mark = CURRENCIES[first]
        return UnitScale(f"{mark}{word}" + _per(others), mark, word, factor, _decimals(largest / factor, digits, 2))
    factor, word = (1e6, "m") if largest >= 1e6 else (1.0, "")
    words = f"{'million ' if word else ''}{_words(first)}{_per(others)}"
    return UnitScale(words.strip(), "", word, factor, _decimals(largest / factor, digits, 3))


def _decimals(largest: float, digits: int, most: int) -> int:
    """Decimals of a row: negative where its numbers are rounded to tens or hundreds."""
    return min(most, digits - 1 - floor(log10(largest))) if largest > 0 else 0


def _words(unit: str) -> str:
    parts = [PLURALS.get(part, f"{part}s") for part in re.split(r"\*", unit) if part]
    if len(parts) == 2:
        return (
            f"{PLURALS.get(unit.split('*')[0], unit.split('*')[0])}-{parts[1]}" if parts[0] != "people" else f"person-{parts[1]}"
        )
    return " ".join(parts)


def _per(others: Iterable[str]) -> str:
    return "".join(f" a {other.replace('*', ' and ').replace('wte', 'WTE')}" for other in others)


def is_share(unit: str, low: float | None, high: float | None, values: Iterable[float]) -> bool:
    """Whether a plain number is a part of a whole: its range says so, or all its values lie between 0 and 1.2."""
    if unit.strip().lower() not in ("", "1", "dimensionless", "dmnl"):
        return False
    if low is not None and high is not None:
        return low >= -1.0 and high <= MOST_OF_A_SHARE
    found = [value for value in values if isfinite(value)]
    return bool(found) and min(found) >= -MOST_OF_A_SHARE and max(found) <= MOST_OF_A_SHARE


def listed(parts: Iterable[str]) -> str:
    """`a, b and c`."""
    found = list(parts)
    return found[0] if len(found) == 1 else f"{', '.join(found[:-1])} and {found[-1]}" if found else ""


def month(calendar: Calendar | None, time: float, unit: str) -> str:
    """`April 2028`, or the model time where there is no calendar."""
    if calendar is None:
        return f"{unit} {fixed(time, 1)}".strip()
    try:
        return f"{calendar.date(time):%B %Y}"
    except (ValueError, OverflowError):
        return f"{unit} {fixed(time, 1)}".strip()


def runs(count: int, of: int) -> str:
    """`in 184 of the 200 runs`."""
    if of == 1:
        return "in the one run made"
    return f"in all {of:,} runs" if count == of else f"in {count:,} of the {of:,} runs"


def with_unit(label: str, head: str) -> str:
    """A heading with its unit, where the label does not say it already."""
    return label if not head or head == "%" or head.lower() in label.lower() else f"{label}, {head}"
