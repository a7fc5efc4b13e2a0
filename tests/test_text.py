"""Numbers for people keep their size, and numbers for programs keep every bit."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowreform.text import as_number, as_whole, exact, number


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (-0.0, "0"),
        (12345.6, "12,346"),
        (52315.0, "52,315"),
        (0.4567, "0.4567"),
        (0.45678, "0.4568"),
        (-1.5, "-1.5"),
        (2.0, "2"),
        (999_999.0, "999,999"),
        (1_234_567.0, "1.235 million"),
        (-10_412_083_418.0, "-10.41 billion"),
        (1.7e10, "17 billion"),
        (3e12, "3 trillion"),
        (1e-7, "1.000e-07"),
        (1e15, "1.000e+15"),
        (math.nan, "-"),
        (math.inf, "infinite"),
        (-math.inf, "-infinite"),
    ],
)
def test_number(value: float, text: str) -> None:
    assert number(value) == text


@given(st.floats(-1e300, 1e300))
def test_number_is_right_to_its_digits(value: float) -> None:
    digits, _, word = number(value).partition(" ")
    size = {"": 1.0, "million": 1e6, "billion": 1e9, "trillion": 1e12}[word]
    assert size * float(digits.replace(",", "")) == pytest.approx(value, rel=6e-4, abs=1e-320)


@given(st.floats(allow_nan=False))
def test_exact_reads_back_as_the_same_number(value: float) -> None:
    assert float(exact(value)) == value


def test_exact_of_nothing_is_empty() -> None:
    assert exact(math.nan) == ""


@pytest.mark.parametrize(
    ("text", "value"), [("5", 5.0), (" -0.25 ", -0.25), ("+3.", 3.0), (".5", 0.5), ("1e3", 1000.0), ("1E-2\n", 0.01)]
)
def test_a_number_as_people_write_it(text: str, value: float) -> None:
    assert as_number(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1_0",
        "\uff15",
        "\u0665",
        "1\u0660",
        "inf",
        "-Infinity",
        "nan",
        "1e999",
        "0x10",
        "1,5",
        "1 000",
        "5\v",
        "\u00a05",
        "1e",
        "e5",
    ],
)
def test_what_only_python_takes_for_a_number_is_none(text: str) -> None:
    assert as_number(text) is None


@pytest.mark.parametrize(
    ("text", "value"), [("5", 5), (" -07 ", -7), ("+3\n", 3), ("0" * 5000 + "3", 3), ("9" * 300, 10**300 - 1)]
)
def test_a_whole_number_as_people_write_it(text: str, value: int) -> None:
    assert as_whole(text) == value


@pytest.mark.parametrize(
    "text", ["", "-", "1.0", "1e3", "\u00b2", "\uff15", "\u0665", "1_0", "9" * 301, "9" * 5000, "0x1", "5\v"]
)
def test_what_only_looks_like_a_whole_number_is_none(text: str) -> None:
    assert as_whole(text) is None
