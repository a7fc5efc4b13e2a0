"""Numbers for people: few digits, thousands apart, millions in words, the same wherever a table or an axis shows them."""

from __future__ import annotations

from math import floor, isinf, log10

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
