"""What a fit shows of itself: the values, what the data know of them, and the error of every series."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flowreform.text import Shown, columns

if TYPE_CHECKING:
    from flowreform.analyse.fitting.estimate import Fit

ESTIMATES = ("parameter", "unit", "range", "before", "fitted", "standard error", "95 % interval", "note")
ERRORS = ("series", "rows", "error (root mean square)", "of the mean", "bias", "variation", "covariation")


def shown(fit: Fit) -> Iterator[Shown]:
    """Fitted values, the error of each series with Theil's split of it, and a line on the search."""
    yield columns(f"Fit of {fit.model}", ESTIMATES, _estimates(fit), right=range(2, 6))
    yield columns("Error of each series, and Theil's split of it", ERRORS, _errors(fit), right=range(1, 7))
    lost = fit.not_identified
    unidentified = f"; not identified: {', '.join(lost)}" if lost else ""
    yield (
        f"sum of squares {number(fit.cost_before)} before, {number(fit.cost_after)} after, "
        f"over {len(fit.points)} rows of {fit.data}; {len(fit.starts)} local searches, {fit.runs} runs{unidentified}"
    )


def _estimates(fit: Fit) -> Iterator[list[str]]:
    for item in fit.estimates:
        yield [
            item.name,
            item.unit,
            f"{number(item.low)} to {number(item.high)}",
            number(item.before),
            number(item.value),
            number(item.standard_error) if item.identified else "-",
            f"{number(item.lower)} to {number(item.upper)}" if item.identified else "not identified",
            item.note,
        ]


def _errors(fit: Fit) -> Iterator[list[str]]:
    for name, one in fit.errors.items():
        shares = (one.relative, one.bias, one.variation, one.covariation)
        yield [name, str(one.count), number(one.root_mean_square), *map(_percent, shares)]


def number(value: float) -> str:
    """Four significant digits, large numbers whole: fitted values are copied into files, so none is in millions."""
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e15 else f"{value:.4g}"


def _percent(share: float) -> str:
    return "-" if share != share else f"{100 * share:.1f} %"
