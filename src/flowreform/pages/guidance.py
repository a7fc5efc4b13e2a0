"""What service-change guidance and finance ask of a plan beyond the paper: places before beds, staff against need, the fund,
every line of money and benefit, paths to compare with. `[planning]` of the case names the series."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flowreform.case.tables import PlacesRow, PlanningTable, StaffRow
from flowreform.experiment import Experiment
from flowreform.pages import figures
from flowreform.pages.found import Found
from flowreform.pages.paper import (
    calendar_of,
    course,
    outcome_rows,
    picture,
    plain_ticks,
    series_label,
    series_scale,
    ticks_of,
    years_of,
)
from flowreform.pages.words import UnitScale, listed, month, scale_of, with_unit
from flowreform.statistics import quantiles
from flowreform.text import short

Floats = NDArray[np.float64]
PANELS = 3
"""So many groups stand side by side."""


@dataclass(frozen=True)
class GuidancePart:
    """A part of the detail: heading, a sentence, pictures, and a table with its head."""

    title: str
    note: str
    pictures: tuple[str, ...]
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def guidance_parts(found: Found) -> tuple[GuidancePart, ...]:
    """All parts for which the case names series; none without `[planning]`."""
    planning = planning_of(found.experiment)
    return tuple(_parts(found, planning)) if planning else ()


def planning_of(experiment: Experiment) -> PlanningTable | None:
    """`[planning]` of the case."""
    return experiment.case.planning if experiment.case else None


def _parts(found: Found, planning: PlanningTable) -> Iterator[GuidancePart]:
    if planning.places:
        yield _places(found, planning)
    if planning.staff:
        yield _staff(found, planning.staff)
    if planning.fund:
        yield _fund(found, planning)
    lines = [name for name in (*planning.lines, *planning.cash) if name in found.experiment.kpis]
    if lines:
        yield _lines(found, list(dict.fromkeys(lines)))
    if planning.paths:
        yield _paths(found, planning.paths)


def _options(found: Found) -> tuple[str, ...]:
    return tuple(short(found.scenario(option).label) for option in found.options)


def _when(found: Found, time: float) -> str:
    return month(calendar_of(found), time, found.experiment.model.specs.time_unit or "")


def _spread(values: Floats, shown: UnitScale) -> str:
    known = values[np.isfinite(values)]
    if not known.size:
        return "–"
    low, middle, high = map(float, quantiles(known, (0.1, 0.5, 0.9)))
    return shown.text(middle) + (f" ({shown.bare(low)} to {shown.bare(high)})" if known.size > 1 else "")


def _middle(values: Floats) -> Floats:
    return np.asarray(quantiles(values, (0.5,))[0]) if values.shape[0] > 1 else values[0]


# --- parts -----------------------------------------------------------------------------------------------------------


def _margin(found: Found, row: PlacesRow, option: str) -> Floats:
    """float64[draw, time]: usable places less what is needed of them."""
    usable = found.values(row.usable, option)
    share = found.values(row.staffed, option) if row.staffed else 1.0
    return usable * share - found.values(row.needed, option)


def _places(found: Found, planning: PlanningTable) -> GuidancePart:
    rows = []
    if planning.closed:
        shown = series_scale(found, planning.closed, 3)
        ends = [_spread(found.values(planning.closed, option)[:, -1], shown) for option in found.options]
        rows.append((f"{series_label(found, planning.closed)}, at the end", *ends))
    for row in planning.places:
        margins = [_margin(found, row, option) for option in found.options]
        shown = scale_of("place", [float(np.nanmin(part)) for part in margins])
        least = []
        for part in margins:
            middle = _middle(part)
            least.append(
                f"{_spread(np.nanmin(part, axis=1), shown)}, {_when(found, float(found.times[int(np.nanargmin(middle))]))}"
            )
        rows.append((f"{row.label}: least margin of staffed places over need, and its month", *least))
        below = [float(np.nanmedian((part < 0).sum(axis=1))) for part in margins]
        of = len(found.times)
        rows.append((f"{row.label}: saved times with too few, of {of}", *(f"{count:.0f}" for count in below)))
    note = "Places that are open and staffed, less the people in them and those who wait for one. Middle run, and 8 in 10 runs."
    return GuidancePart("Places before beds", note, (), ("", *_options(found)), tuple(rows))


def _staff(found: Found, groups: tuple[StaffRow, ...]) -> GuidancePart:
    focus = found.focus
    courses = []
    for row in groups:
        post = found.values(row.post, focus)
        own = replace(course(found, row.post, focus), name=row.label)
        courses.append(replace(own, against=_middle(post + found.values(row.gap, focus))))
    pictures = tuple(
        figures.multiples(found.times, part, None, ticks_of(found), plain_ticks(series_scale(found, groups[at].post)),
                          f"Staff in post and needed: {listed(item.name for item in part)}")
        for at, part in ((at, courses[at : at + PANELS]) for at in range(0, len(courses), PANELS))
    )  # fmt: skip
    rows = []
    for row in groups:
        cells = []
        for option in found.options:
            gap = found.values(row.gap, option)
            middle = _middle(gap)
            worst = int(np.nanargmax(middle))
            shown = scale_of("wte", [float(middle[worst])], digits=2)
            cells.append(f"{_spread(gap[:, worst], shown)}, {_when(found, float(found.times[worst]))}")
        rows.append((row.label, *cells))
    label = short(found.scenario(focus).label)
    note = f"{label}, WTE. Line and band: in post. Dashed: needed. Below: the widest gap of the middle run, and its month."
    return GuidancePart("Staff in post against staff needed", note, pictures, ("Widest gap, WTE", *_options(found)), tuple(rows))


def _fund(found: Found, planning: PlanningTable) -> GuidancePart:
    name = planning.fund
    shown = series_scale(found, name, 3)
    rows = []
    most, left, spent = [], [], []
    for option in found.options:
        values = found.values(name, option)
        middle = _middle(values)
        most.append(shown.text(float(np.nanmax(middle))))
        left.append(_spread(values[:, -1], shown))
        over = np.flatnonzero(middle > planning.fund_left)
        at = int(over[-1]) + 1 if over.size else 0
        spent.append(
            "none" if not over.size else "not in these years" if at >= len(found.times) else _when(found, float(found.times[at]))
        )
    rows = [("Most in it", *most), ("Spent by", *spent), ("Left at the end", *left)]
    heading = with_unit(series_label(found, name), shown.head)
    note = f"{heading}. A person names who pays into it, and which of the recurrent cost below is left uncovered when it ends."
    return GuidancePart("The fund", note, (picture(found, name, heading),), ("", *_options(found)), tuple(rows))


def _lines(found: Found, names: list[str]) -> GuidancePart:
    rows = []
    for row in outcome_rows(found, names):
        cells = (f"{cell.middle}{f' ({cell.spread})' if cell.spread else ''}" for cell in row.cells)
        rows.append((with_unit(row.name, row.unit), *cells))
    note = (
        "Each line is a measure of its own: no sum across cash and what is no cash, or across one-off and recurrent. "
        "Middle run, and 8 in 10 runs. Who pays: the lines of the NHS, the council and people themselves."
    )
    return GuidancePart("Money, benefits and who pays, line by line", note, (), ("Line", *_options(found)), tuple(rows))


def _paths(found: Found, names: tuple[str, ...]) -> GuidancePart:
    """The middle run at the end of each reporting year, with the range of 8 in 10 runs."""
    years = years_of(found)
    rows = []
    for name in names:
        shown = series_scale(found, name, 3)
        values = found.values(name, found.focus)
        places = [int(np.argmin(np.abs(found.times - last))) for _, last, _ in years]
        rows.append((with_unit(series_label(found, name), shown.head), *(_spread(values[:, at], shown) for at in places)))
    label = short(found.scenario(found.focus).label)
    note = (
        f"{label}, at the end of each year: middle run, and 8 in 10 runs. "
        "A person names the owner of each; its baseline is what is counted today."
    )
    return GuidancePart(
        "Paths to compare with, year by year", note, (), ("Measure", *(name for _, _, name in years)), tuple(rows)
    )


__all__ = ["GuidancePart", "guidance_parts", "planning_of"]
