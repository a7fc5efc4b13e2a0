"""The bed-closure test: what is there when a bed closes, month by month, and whether the people are there to run it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from flowreform.analyse.planning import FoundPlan
from flowreform.case.tables import PlacesRow, StaffRow
from flowreform.export.panels import select
from flowreform.export.planning.words import amount, freed_shares, month, percent
from flowreform.kpi import within
from flowreform.text import Shown, columns, number, number_field, text_row

if TYPE_CHECKING:
    from xarray import Dataset

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Spread:
    """A quantity over the saved times up to the horizon: the 10th, 50th and 90th percentile of the draws."""

    label: str
    unit: str
    low: Floats
    middle: Floats
    high: Floats


@dataclass(frozen=True)
class Closure:
    """The page: beds closed, usable places by kind and what is needed of them, margins, staff; `times` up to the horizon."""

    times: Floats
    closed: Spread | None
    usable: tuple[Spread, ...]
    margins: tuple[Spread, ...]
    posts: tuple[Spread, ...]
    gaps: tuple[Spread, ...]


def closure_of(found: FoundPlan, ds: Dataset) -> Closure:
    """The bed-closure page of the plan, from its runs."""
    rules = found.problem.rules
    inside = within(ds, found.experiment)

    def values(name: str) -> Floats:
        return _values(inside, "plan", name)

    def units(name: str) -> str:
        return str(select(inside, name).attrs.get("units", ""))

    def usable(row: PlacesRow) -> Floats:
        return values(row.usable) * (values(row.staffed) if row.staffed else 1.0)

    def margin(row: PlacesRow) -> Floats:
        return usable(row) - values(row.needed)

    def staff(row: StaffRow, name: str) -> Spread:
        return _course(row.label, units(name), values(name))

    return Closure(
        np.asarray(inside["time"].values, dtype=np.float64),
        _course("Beds closed", units(rules.closed), values(rules.closed)) if rules.closed else None,
        tuple(_course(row.label, units(row.usable), usable(row)) for row in rules.places),
        tuple(_course(row.label, units(row.usable), margin(row)) for row in rules.places),
        tuple(staff(row, row.post) for row in rules.staff),
        tuple(staff(row, row.gap) for row in rules.staff),
    )


def _values(ds: Dataset, scenario: str, name: str) -> Floats:
    """float64[draw, time]."""
    return np.asarray(select(ds.sel(scenario=[scenario]), name).values[0], dtype=np.float64)


def _course(label: str, unit: str, values: Floats) -> Spread:
    with np.errstate(invalid="ignore"):
        low, middle, high = np.nanquantile(values, (0.1, 0.5, 0.9), axis=0)
    return Spread(label, unit, low, middle, high)


def page(found: FoundPlan, ds: Dataset, kpis: Dataset) -> Iterator[Shown]:
    """The page in words and tables; its monthly numbers are in closure.csv."""
    shown = closure_of(found, ds)
    if shown.closed is None and not shown.usable:
        return
    yield from _margins(found, shown)
    yield from _staff(found, shown)
    rows = freed_shares(found, kpis)
    if rows and rows[0][-1] == rows[0][-1]:
        yield f"Share of the beds freed that rests on shorter stays alone: {percent(rows[0][-1])}."
    yield from _gates(found, ds)


def _margins(found: FoundPlan, shown: Closure) -> Iterator[Shown]:
    every = _quarters(shown.times, found)
    if shown.closed is not None:
        heads = ("month", "beds closed", *(f"{item.label}: usable (margin)" for item in shown.usable))
        pairs = list(zip(shown.usable, shown.margins, strict=True))
        rows = [
            (
                month(found, float(shown.times[at])), number(float(shown.closed.middle[at])),
                *(f"{number(float(one.middle[at]))} ({number(float(two.middle[at]))})" for one, two in pairs),
            )
            for at in every
        ]  # fmt: skip
        yield columns("Beds closed against usable places, and their margin over what is needed of them (medians)", heads, rows)
    for item in shown.margins:
        at, mid = int(np.argmin(item.low)), int(np.argmin(item.middle))
        below = int((item.middle < 0).sum())
        flag = f"; the median is below 0 in {below} of {len(item.middle)} months" if below else "; the median is never below 0"
        yield (
            f"{item.label}: least margin {amount(float(item.middle[mid]), item.unit)} in "
            f"{month(found, float(shown.times[mid]))} in the middle run, {amount(float(item.low[at]), item.unit)} "
            f"in {month(found, float(shown.times[at]))} in one run of ten{flag}."
        )


def _staff(found: FoundPlan, shown: Closure) -> Iterator[Shown]:
    rows = []
    for post, gap in zip(shown.posts, shown.gaps, strict=True):
        at = int(np.argmax(gap.middle))
        rows.append(
            (
                post.label, number(float(post.middle[0])), number(float(post.middle[at])),
                number(float(post.middle[at] + gap.middle[at])),
                f"{number(float(gap.middle[at]))} ({number(float(gap.high[at]))})", month(found, float(shown.times[at])),
            )
        )  # fmt: skip
    if rows:
        heads = ("group", "WTE in post at the start", "in post then", "needed then", "worst gap (one run of ten)", "month")
        yield columns("Staff in post against needed, in the month of the widest gap", heads, rows, right=range(1, 5))


def _gates(found: FoundPlan, ds: Dataset) -> Iterator[Shown]:
    """The chance to pass each condition, year by year: what a closure that waits for its conditions would meet."""
    per_year = _months_in_year(found)
    inside = within(ds, found.experiment)
    times = np.asarray(inside["time"].values, dtype=np.float64)
    if per_year <= 0 or len(times) <= per_year:
        return
    rows = []
    for item in found.problem.requirements:
        if not item.series or item.form == "times":
            continue
        values = _values(inside, "plan", item.series)
        if item.relative:
            values = values - _values(inside, found.problem.baseline, item.series)
        years = range(per_year, len(times), per_year)
        held = [item.sign * (values[:, at - per_year : at + 1].mean(axis=1) - item.level) <= 1e-9 for at in years]
        rows.append((item.name, *(percent(float(row.mean())) for row in held)))
    if rows:
        heads = ("condition, mean of the year", *(f"year {at + 1}" for at in range(len(rows[0]) - 1)))
        yield columns(
            "Gates: the share of draws in which each condition is met, year by year", heads, rows, right=range(1, len(heads))
        )


def _months_in_year(found: FoundPlan) -> int:
    from flowreform.experiment.plans import period_length

    return round(period_length("year", found.experiment) / found.experiment.save_every)


def _quarters(times: Floats, found: FoundPlan) -> list[int]:
    """The numbers of the saved times that a table shows: every quarter, or fewer so that there are at most 44."""
    step = max(1, _months_in_year(found) // 4)
    while len(times) / step > 44:
        step *= 2
    return list(range(0, len(times), step))


def closure_csv(found: FoundPlan, ds: Dataset) -> str:
    """The page month by month: every course with its percentiles."""
    shown = closure_of(found, ds)
    groups = (
        *((("beds closed", shown.closed),) if shown.closed is not None else ()),
        *((f"usable places, {item.label}", item) for item in shown.usable),
        *((f"margin, {item.label}", item) for item in shown.margins),
        *((f"in post, {item.label}", item) for item in shown.posts),
        *((f"gap, {item.label}", item) for item in shown.gaps),
    )
    return _csv(found, shown.times, groups)


def paths_csv(found: FoundPlan, ds: Dataset) -> str:
    """The measures to watch, with the path that the model expects month by month: what comes is compared with it."""
    inside = within(ds, found.experiment)
    groups = []
    for name in found.problem.rules.paths or tuple(item.series for item in found.problem.requirements if item.series):
        unit = str(select(inside, name).attrs.get("units", ""))
        groups.append((name, _course(name, unit, _values(inside, "plan", name))))
    return _csv(found, np.asarray(inside["time"].values, dtype=np.float64), tuple(dict(groups).items()))


def _csv(found: FoundPlan, times: Floats, groups: tuple[tuple[str, Spread], ...]) -> str:
    calendar = found.experiment.case.calendar if found.experiment.case else None
    lines = [text_row(("measure", "unit", "time", "date", "p10", "p50", "p90")).rstrip("\n")]
    for name, item in groups:
        for at, time in enumerate(times.tolist()):
            date = calendar.text(time) if calendar else ""
            numbers = (number_field(float(row[at])) for row in (item.low, item.middle, item.high))
            lines.append(text_row((name, item.unit)).rstrip("\n") + f",{number_field(time)},{date}," + ",".join(numbers))
    return "\n".join(lines) + "\n"
