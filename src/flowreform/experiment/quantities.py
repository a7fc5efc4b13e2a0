"""Numbers as planners write them: "93 %", "£1.2m", "1,450 beds", "7.5 days", "April 2028", "2027/28"."""

from __future__ import annotations

import datetime
import re

from flowreform.calendar import Calendar, unit_of_time
from flowreform.model import Model
from flowreform.text import CURRENCIES, as_number

_SYMBOLS = {sign: code for code, sign in CURRENCIES.items()}
_SIGNS = "|".join(map(re.escape, _SYMBOLS))
_STEPS = {"": 1.0, "k": 1e3, "thousand": 1e3, "m": 1e6, "mn": 1e6, "million": 1e6, "bn": 1e9, "billion": 1e9}
_WRITTEN = re.compile(
    rf"\s*([-+−]?)\s*({_SIGNS})?\s*"
    r"([0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?|[0-9]+(?:\.[0-9]+)?|\.[0-9]+)"
    r"\s*(k|m|mn|bn|thousand|million|billion)?(?![A-Za-z])\s*(.*?)\s*$",
    re.DOTALL,
)
_NOUNS = {"patients": "person", "patient": "person", "people": "person", "posts": "wte", "staff": "wte", "fte": "wte"}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DATE = re.compile(r"\s*(?:([0-9]{1,2})\s+)?([A-Za-z]{3,9})\.?\s+([0-9]{4})\s*")
_ISO = re.compile(r"\s*([0-9]{4})-([0-9]{2})(?:-([0-9]{2}))?\s*")
_YEAR = re.compile(r"\s*([0-9]{4})/([0-9]{2})\s*")


def quantity(text: str, unit: str, model: Model | None = None) -> float:
    """The number in `unit` that a text writes, with its own unit or without one.

    Raises ValueError, with the reason, for what is no number, and for a unit of another kind."""
    match = _WRITTEN.fullmatch(text)
    if match is None:
        raise ValueError(f"{text.strip()[:60]!r} is no number")
    sign, symbol, digits, step, words = match.groups()
    value = as_number(digits.replace(",", ""))
    assert value is not None
    value *= _STEPS[step or ""]
    written = _unit_text(words)
    if symbol:
        written = _SYMBOLS[symbol] + written if not written or written.startswith("/") else f"{_SYMBOLS[symbol]} {written}"
    if written:
        factor = _factor(written, unit, model)
        parts = round(1 / factor)  # 94 % is 94 over 100, to the last bit
        value = value / parts if factor < 1 and abs(parts * factor - 1) < 1e-12 else value * factor
    return -value if sign in ("-", "−") else value


def _unit_text(words: str) -> str:
    text = re.sub(r"\s*\b(?:per cent|percent)\b", "%", words.strip().lower())
    text = re.sub(r"\s*(?:\bper\b|\ba\b|\beach\b|/)\s*", "/", text)
    parts = [" ".join(_NOUNS.get(word, word) for word in part.split()) for part in text.split("/")]
    return "/".join(parts).rstrip("/")


def _factor(written: str, unit: str, model: Model | None) -> float:
    from flowreform.units import factor

    wanted = unit.replace("%", "1") if unit.startswith("%") else unit or "1"
    if unit == "%/year" and written == "%":
        wanted = "1"
    if written == wanted.lower():
        return 1.0
    try:
        return factor(written, wanted, model)
    except (ValueError, ArithmeticError):
        raise ValueError(f'"{written}" does not convert to {unit or "a plain number"}') from None


def date_in(text: str, calendar: Calendar) -> datetime.date | None:
    """The date that a text writes: `1 April 2028`, `Apr 2028`, `2028-04`, or the first day of `2028/29`; None for other text."""
    if match := _ISO.fullmatch(text):
        year, month, day = int(match[1]), int(match[2]), int(match[3] or 1)
    elif match := _YEAR.fullmatch(text):
        if (int(match[1]) + 1) % 100 != int(match[2]):
            return None
        year, month, day = int(match[1]), calendar.year_starts, 1
    elif (match := _DATE.fullmatch(text)) and match[2][:3].lower() in _MONTHS:
        year, month, day = int(match[3]), _MONTHS.index(match[2][:3].lower()) + 1, int(match[1] or 1)
    else:
        return None
    try:
        return datetime.date(year, month, day)
    except ValueError:
        return None


def is_time(unit: str | None, calendar: Calendar | None) -> bool:
    """Whether a parameter in this unit may be given as a date."""
    return calendar is not None and unit is not None and unit_of_time(unit) == unit_of_time(calendar.time_unit)
