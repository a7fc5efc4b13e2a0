r"""No regular expression of ours takes for ever over a text it does not match.

A pattern in which one text can be split between two repeats in many ways (`(?:\s+)*`, `,\s*[+-]?\s*`) takes twice the time for
every further character of a text that fails at its end: forty blanks before a stray sign, and reading never ends.
"""

from __future__ import annotations

import importlib
import itertools
import pkgutil
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import flowreform

PIECES = (
    " ",
    "a",
    "1",
    ",",
    "1,",
    ", 1",
    "1 ",
    "a ",
    "(1, 1) ",
    "(",
    ")",
    '"',
    '""',
    "\\ ",
    "'",
    "/",
    "[",
    "]",
    ".",
    "-",
    "{}",
    "{",
    "e1",
    ":",
    "|",
    "<",
    ">",
)
"""What texts for models, data and cells are made of, to be repeated."""
HEADS = ("", "1", "a = 1", "TABBED ARRAY(", '"', "'", "(", "[", "<", ":MACRO: ", "{")
DIGIT = re.compile(r"(?<!\[\^\\W)(?<!\[\^\\s)(?<!\\)\\d")
"""`\\d` in a pattern, but for `[^\\W\\d]`, a letter of any script."""
SIMPLE = re.compile(r"\.is(?:digit|numeric|decimal)\(")
ENOUGH = 0.02
"""Seconds: a text of forty pieces is matched or refused in a thousandth of that."""


def patterns() -> Iterator[tuple[str, re.Pattern[str] | re.Pattern[bytes]]]:
    """Every pattern that a module of ours holds, with the place where it stands."""
    for module in pkgutil.walk_packages(flowreform.__path__, "flowreform."):
        if not module.name.endswith("__main__"):
            for name, value in vars(importlib.import_module(module.name)).items():
                if isinstance(value, re.Pattern):
                    yield f"{module.name}.{name}", value


def slow(pattern: re.Pattern[str] | re.Pattern[bytes]) -> str:
    """A text over which the pattern takes longer than it may, "" when there is none; texts grow, so that it ends."""
    for head, piece in itertools.product(HEADS, PIECES):
        for count in (8, 12, 16, 20, 24, 40):
            text: str | bytes = head + piece * count + "\x01"
            if isinstance(pattern.pattern, bytes):
                text = str(text).encode()
            begin = time.process_time()
            pattern.match(text)  # type: ignore[arg-type]
            pattern.fullmatch(text)  # type: ignore[arg-type]
            if time.process_time() - begin > ENOUGH:
                return f"{text!r} took {time.process_time() - begin:.2g} s"
    return ""


def test_no_pattern_takes_for_ever() -> None:
    found = {name: text for name, pattern in patterns() if (text := slow(pattern))}
    assert not found


def test_no_pattern_takes_digits_of_other_scripts() -> None:
    r"""`\d` matches full-width and Arabic digits, and `float` reads them: a number was another to a person than to us."""
    text = {path: path.read_text(encoding="utf-8") for path in Path(flowreform.__file__).parent.rglob("*.py")}
    lines = [f"{path.name}: {line.strip()}" for path, whole in text.items() for line in whole.splitlines() if DIGIT.search(line)]
    assert not lines


def test_no_text_is_taken_for_a_number_by_isdigit() -> None:
    """It says yes to `²`, which `int` refuses, and to five thousand digits, which it refuses as well: see `text.as_whole`."""
    text = {path: path.read_text(encoding="utf-8") for path in Path(flowreform.__file__).parent.rglob("*.py")}
    lines = [f"{path.name}: {line}" for path, whole in text.items() for line in whole.splitlines() if SIMPLE.search(line)]
    assert not lines


@pytest.mark.parametrize("pattern", [r"(?:\s+|\{\})*a", r"1(?:\s*,\s*[+-]?\s*[0-9]+)*", r"TABBED ARRAY\(((?:\s*[0-9]+)*)\)"])
def test_a_pattern_that_does_is_noticed(pattern: str) -> None:
    assert slow(re.compile(pattern))
