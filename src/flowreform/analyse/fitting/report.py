"""A fit as Markdown: the values, what the data know of them, and the error of every series."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowreform.analyse.fitting.estimate import Fit


def estimate_rows(fit: Fit) -> list[list[str]]:
    """parameter, unit, range, before, fitted, standard error, 95 % interval, note."""
    return [
        [
            item.name,
            item.unit,
            f"{number(item.low)} to {number(item.high)}",
            number(item.before),
            number(item.value),
            number(item.standard_error) if item.identified else "-",
            f"{number(item.lower)} to {number(item.upper)}" if item.identified else "not identified",
            item.note,
        ]
        for item in fit.estimates
    ]


def error_rows(fit: Fit) -> list[list[str]]:
    """series, rows, root mean squared error, as a share of the mean, and Theil's three shares."""
    return [
        [name, str(one.count), number(one.root_mean_square), _percent(one.relative), _percent(one.bias), _percent(one.variation),
         _percent(one.covariation)]
        for name, one in fit.errors.items()
    ]  # fmt: skip


def number(value: float) -> str:
    """Four significant digits."""
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e15 else f"{value:.4g}"


def _percent(share: float) -> str:
    return "-" if share != share else f"{100 * share:.1f} %"


ESTIMATES = ("parameter", "unit", "range", "before", "fitted", "standard error", "95 % interval", "note")
ERRORS = ("series", "rows", "error (root mean square)", "of the mean", "bias", "variation", "covariation")


def closing(fit: Fit) -> str:
    """One line on the search."""
    lost = fit.not_identified
    said = f"; not identified: {', '.join(lost)}" if lost else ""
    return (
        f"sum of squares {number(fit.cost_before)} before, {number(fit.cost_after)} after, "
        f"over {len(fit.points)} rows of {fit.data}; {len(fit.starts)} local searches, {fit.runs} runs{said}"
    )


def markdown(fit: Fit) -> str:
    """The whole report."""
    return "\n".join(
        [f"# Fit of {fit.model}", "", *_table(ESTIMATES, estimate_rows(fit)), "", *_table(ERRORS, error_rows(fit)), "",
         closing(fit) + ".", ""]
    )  # fmt: skip


def _table(head: tuple[str, ...], rows: list[list[str]]) -> list[str]:
    lines = [head, ["---"] * len(head), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines]
