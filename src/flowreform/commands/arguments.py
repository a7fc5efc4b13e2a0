"""Numbers on the command line, by the one rule for numbers that people write."""

from __future__ import annotations

from collections.abc import Callable

import typer

from flowreform.errors import shorten
from flowreform.text import as_number, as_whole


def whole(least: int, most: int | None = None) -> Callable[[str | int], int]:
    """A reader of whole numbers from `least` to `most`; it raises BadParameter, which ends with 2, for anything else."""

    def read(given: str | int) -> int:
        text = str(given).strip()
        value = as_whole(text)
        if value is None:
            raise typer.BadParameter(f"'{shorten(str(given), 40)}' is not a whole number.")
        if value < least or (most is not None and value > most):
            limits = f"at least {least}" if most is None else f"from {least} to {most:,}"
            raise typer.BadParameter(f"{shorten(text, 40)} is out of range: {limits}.")
        return value

    return read


def decimal(given: str | float) -> float:
    """A finite number. Raises BadParameter."""
    value = as_number(str(given))
    if value is None:
        raise typer.BadParameter(f"'{shorten(str(given), 40)}' is not a number.")
    return value
