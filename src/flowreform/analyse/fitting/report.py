"""What a fit shows of itself: the values, what the data know of them, and the error of every series."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from flowreform.text import Shown, columns

if TYPE_CHECKING:
    from flowreform.analyse.fitting.calibrate import Calibration
    from flowreform.analyse.fitting.estimate import Fit
    from flowreform.analyse.fitting.posterior import Posterior

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


DRAWN = ("parameter", "unit", "prior: median (10th to 90th percentile)", "posterior", "narrower by", "R-hat", "effective size")
SEEN = ("series", "when", "observed", "standard error", "prior: median (10th to 90th percentile)", "posterior")


def shown_posterior(found: Posterior) -> Iterator[Shown]:
    """What the data say of every parameter, most first; data beside both ensembles; how it was sampled."""
    yield columns(f"Posterior of {found.model}", DRAWN, _drawn(found), right=(5, 6))
    yield columns("Data, and what the model gives", SEEN, _seen(found), right=(2, 3))
    yield (
        f"{len(found.ensemble):,} draws kept of {found.iterations:,} iterations; {found.runs:,} runs; "
        f"R-hat at most {found.r_hat:.4f}, effective size at least {found.effective:,.0f}; "
        f"{100 * found.accepted:.0f} % of moves accepted. Mean squared residual {found.misfit:.2g} in stated standard errors"
        + _misfit(found.misfit)
    )


def _drawn(found: Posterior | Calibration) -> Iterator[list[str]]:
    for item in sorted(found.parameters, key=lambda item: -item.narrowed):
        narrower, r_hat = f"{100 * item.narrowed:.0f} %", f"{item.r_hat:.4f}"
        yield [item.name, item.unit, _spread(item.prior), _spread(item.posterior), narrower, r_hat, f"{item.effective:,.0f}"]


def _seen(found: Posterior) -> Iterator[list[str]]:
    for row in found.rows:
        yield [row.series, row.when, number(row.observed), number(row.error), _spread(row.prior), _spread(row.posterior)]


def _misfit(value: float) -> str:
    if value <= 1.5:
        return ": the model meets the data as closely as they are known"
    return ": the model cannot meet the data as closely as they are known, so its bands are narrower than what is known"


def _spread(band: tuple[float, float, float]) -> str:
    return f"{number(band[1])} ({number(band[0])} to {number(band[2])})"


MONTHS = ("number", "unit", "prior: median (10th to 90th percentile)", "posterior", "narrower by", "R-hat", "effective size")
TESTED = (
    "series",
    "months held out",
    "error of the model",
    "of the last value",
    "of the same month last year",
    "within the 80 % band",
)


def shown_calibration(found: Calibration) -> Iterator[Shown]:
    """What the months say of every number, the back-test, and what to make of it."""
    yield f"{found.experiment}: calibrated to {found.first} to {found.last}; the plan starts in {found.start}"
    yield columns("What the months say", MONTHS, _drawn(found), right=(5, 6))
    unknown = ", ".join(found.unknown)
    yield (f"not identified by these months, and left at the prior from 42 systems: {unknown}. " if unknown else "") + (
        "Months say nothing of treatment stay, waits apart, virtual wards, money or levers: these stay as entered or national."
    )
    if found.untested:
        yield f"no back-test: {found.untested}"
    else:
        yield columns(
            "Fitted without the last six months, then forecast (priors are of all systems, all months): mean absolute error",
            TESTED,
            _tested(found),
            right=range(1, 6),
        )
        yield (
            "One system fitted alone will rarely beat the simple methods by itself: 42 systems fitted together do as well as the "
            "best of them. What the calibration adds is where the plan starts, and how sure that is."
        )
    yield (
        f"{len(found.ensemble):,} draws kept of {found.iterations:,} iterations; {found.runs:,} runs; "
        f"R-hat at most {found.r_hat:.4f}, effective size at least {found.effective:,.0f}; seed {found.seed}"
    )


def _tested(found: Calibration) -> Iterator[list[str]]:
    for item in found.scores:
        errors = (item.error, item.last_value, item.same_month)
        name = found.labels.get(item.series, item.series)
        yield [name, str(item.months), *map(number, errors), f"{item.inside} of {item.months}"]
