"""The two pages of a decision paper, as words, tables and pictures: what was asked, what came out, how sure, what it costs.

Nothing is praised and nothing is concluded here but what an author wrote or the case claims and the runs bear out. "Runs", never
"chance": draws are of assumptions."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from math import ceil, isfinite
from typing import TYPE_CHECKING

import numpy as np

from flowreform.kpi import KpiRow, summary
from flowreform.names import split
from flowreform.pages import figures
from flowreform.pages.found import Floats, Found, balances_of
from flowreform.pages.words import UnitScale, is_share, listed, month, runs, scale_of, with_unit
from flowreform.statistics import quantiles
from flowreform.text import short, spoken

if TYPE_CHECKING:
    from flowreform.calendar import Calendar

FEW = 5
"""If fewer runs differ, no difference is claimed."""
MOST_YEARS = 12
CONSERVED = 1e-6


@dataclass(frozen=True)
class Cell:
    """A cell of the table of outcomes: the median, `8 in 10 runs: a to b`, how often it is better than the baseline."""

    middle: str
    spread: str = ""
    better: str = ""
    mark: bool = False


@dataclass(frozen=True)
class OutcomeRow:
    """An outcome: its name and unit, a cell for each option."""

    name: str
    unit: str
    cells: tuple[Cell, ...]
    caution: str = ""


@dataclass(frozen=True)
class CheckLine:
    """A check: what was looked at, whether it holds (None: not run here), what was found."""

    name: str
    holds: bool | None
    found: str


@dataclass(frozen=True)
class Money:
    """Money by year: a picture, a table for the option in focus, one line for the worst moment."""

    heading: str
    picture: str
    years: tuple[str, ...]
    rows: tuple[tuple[str, str, tuple[str, ...]], ...]
    total: tuple[str, ...]
    worst: str
    table_of: str


@dataclass(frozen=True)
class Turn:
    """Which way it could turn: dots, and what moves the difference most."""

    headline: str
    picture: str
    movers: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Paper:
    """Everything on the two pages, ready to print."""

    title: str
    place: str
    question: str
    answer: tuple[str, ...]
    options: tuple[str, ...]
    explained: tuple[tuple[str, str], ...]
    rows: tuple[OutcomeRow, ...]
    chart_title: str
    chart: str
    chart_note: str
    size: str
    baseline: str
    ranged: bool
    money: Money | None
    turn: Turn | None
    outside: tuple[str, ...]
    checks: tuple[CheckLine, ...]


def paper_of(found: Found, conclusions: tuple[tuple[str, bool, str], ...] = ()) -> Paper:
    """The paper of an experiment that was run. `conclusions` are the case's: sentence, whether it holds, in how many draws."""
    experiment = found.experiment
    about = experiment.case.about if experiment.case else None
    answer = _answer(found, conclusions)
    title, picture, note = _chart(found)
    return Paper(
        title=spoken(experiment.title or experiment.name),
        place=_place(found),
        question=experiment.question or (about.question if about else ""),
        answer=answer,
        options=tuple(short(found.scenario(name).label) for name in found.options),
        explained=tuple((short(found.scenario(name).label), found.scenario(name).label) for name in found.options),
        rows=tuple(outcome_rows(found, found.outcomes)),
        chart_title=title,
        chart=picture,
        chart_note=note,
        size=_size(found),
        baseline=short(found.scenario(experiment.baseline).label),
        ranged=experiment.draws > 1,
        money=_money(found),
        turn=_turn(found),
        outside=tuple(_outside(found)),
        checks=tuple(_checks(found, conclusions)),
    )


def calendar_of(found: Found) -> Calendar | None:
    """The calendar of the case."""
    return found.experiment.case.calendar if found.experiment.case else None


def _place(found: Found) -> str:
    experiment, calendar = found.experiment, calendar_of(found)
    unit = experiment.model.specs.time_unit
    first, last = month(calendar, experiment.start, unit), month(calendar, experiment.stop, unit)
    regions = experiment.case.about.regions if experiment.case else ""
    where = spoken(re.split("[;:.]", regions)[0]) if regions else ""
    return ". ".join(part for part in (where, f"{first} to {last}") if part)


def _answer(found: Found, conclusions: tuple[tuple[str, bool, str], ...]) -> tuple[str, ...]:
    written = found.experiment.paper.answer.strip()
    if written:
        return (written,)
    return tuple(f"{text.rstrip('.')} ({how})." for text, holds, how in conclusions if holds)[:3]


def _size(found: Found) -> str:
    experiment = found.experiment
    draws, options = experiment.draws, len(experiment.scenarios)
    if experiment.runs == 1:
        return "One run of the model, with its base values."
    inputs = len(set(experiment.uncertainties) | set(experiment.ensemble.names if experiment.ensemble else ()))
    met = f"{options} option{'s' * (options != 1)}, each run {draws:,} time{'s' * (draws != 1)}"
    luck = (
        f" with the same {draws:,} samples of {inputs} uncertain inputs: every option meets the same draws" if draws > 1 else ""
    )
    lost = f" {found.failed:,} of {experiment.runs:,} runs failed and are left out." if found.failed else ""
    return f"{met}{luck}.{lost}"


# --- the table of outcomes -------------------------------------------------------------------------------------------


def outcome_rows(found: Found, names: Sequence[str]) -> list[OutcomeRow]:
    """A row for each KPI that has values, a cell for each option."""
    own = {(row.kpi, row.scenario): row for row in summary(found.kpis)}
    other = {(row.kpi, row.scenario): row for row in summary(found.against)} if found.against is not None else {}
    return [_row(found, name, own, other) for name in names if (name, found.options[0]) in own]


def _row(found: Found, name: str, own: dict[tuple[str, str], KpiRow], other: dict[tuple[str, str], KpiRow]) -> OutcomeRow:
    kpi = found.experiment.kpis[name]
    rows = [own[name, option] for option in found.options]
    unit = rows[0].unit
    values = [value for row in rows for value in (row.p10, row.p50, row.p90)]
    variable = found.experiment.model[split(kpi.variable)[0]]
    shown = scale_of(unit, values, is_share(unit, *variable.range, values))
    cells = []
    for option, row in zip(found.options, rows, strict=True):
        against = other.get((name, option))
        cells.append(_cell(found, row, against, shown, base=option == found.experiment.baseline, difference=bool(kpi.against)))
    label = spoken(rows[0].label)
    return OutcomeRow(label, shown.head, tuple(cells), rows[0].caution)


def _cell(found: Found, row: KpiRow, against: KpiRow | None, shown: UnitScale, *, base: bool, difference: bool) -> Cell:
    if difference and base:
        return Cell("baseline")
    if not row.count:
        causes = ((row.never, "never"), (row.none_needed, "not needed"), (row.failed, "failed"), (row.undefined, "no value"))
        count, word = max(causes)
        return Cell(word, f"{runs(count, row.total)}" if count and row.total > 1 else "")
    middle = "never" if row.p50 == float("inf") else shown.text(row.p50, signed=difference)
    spread = f"{shown.bare(row.p10)} to {shown.bare(row.p90) if isfinite(row.p90) else 'never'}" if row.total > 1 else ""
    if row.never:
        spread += f"; never {runs(row.never, row.total)}"
    if base or against is None or against.better == "neither" or not against.count or row.total == 1:
        return Cell(middle, spread)
    if against.better_share is None:
        return Cell(middle, spread, "no difference seen")
    better = round(against.better_share * against.count)
    worse = _worse(found, against)
    if better + worse < FEW:
        return Cell(middle, spread, "no difference seen")
    if better >= worse:
        return Cell(middle, spread, f"better in {better:,} of {against.total:,}", better >= 0.95 * against.total)
    return Cell(middle, spread, f"worse in {worse:,} of {against.total:,}")


def _worse(found: Found, row: KpiRow) -> int:
    assert found.against is not None
    values = np.asarray(found.against[row.kpi].sel(scenario=row.scenario).values, dtype=np.float64)
    return int((values > 0).sum() if row.better == "lower" else (values < 0).sum())


# --- the chart that decides ------------------------------------------------------------------------------------------


def ticks_of(found: Found) -> list[tuple[float, str]]:
    """Where reporting years begin, with their names."""
    calendar, experiment = calendar_of(found), found.experiment
    if calendar is None:
        step = (experiment.stop - experiment.start) / 5
        return [(experiment.start + i * step, f"{experiment.start + i * step:g}") for i in range(6)]
    return [(first, name) for first, _, name in years_of(found)]


def years_of(found: Found) -> list[tuple[float, float, str]]:
    """The reporting years wholly within the horizon: beginning, end, name."""
    calendar, experiment = calendar_of(found), found.experiment
    if calendar is None:
        return []
    guard = 1e-6 * (experiment.stop - experiment.start)
    done = []
    for year in range(calendar.date(experiment.start).year - 1, calendar.date(experiment.stop).year + 2):
        first, last = calendar.year(year)
        if first >= experiment.start - guard and last <= experiment.stop + guard:
            named = year if calendar.year_named_by == "start" else year - 1
            done.append((first, last, str(year) if calendar.year_starts == 1 else f"{named}/{(named + 1) % 100:02d}"))
    return done


def course(found: Found, name: str, option: str) -> figures.Median:
    """The median of a series in an option, and the band of 8 in 10 runs."""
    values = found.values(name, option)
    label = short(found.scenario(option).label)
    if values.shape[0] == 1:
        return figures.Median(label, values[0])
    low, middle, high = quantiles(values, (0.1, 0.5, 0.9))
    return figures.Median(label, middle, low, high)


def series_scale(found: Found, name: str, digits: int = 2) -> UnitScale:
    """How a series is written on its axis."""
    variable = found.experiment.model[split(name)[0]]
    unit = variable.units or ""
    values = np.concatenate([found.values(name, option).ravel() for option in found.options])
    known = values[np.isfinite(values)]
    sample = (float(known.min()), float(known.max())) if known.size else (0.0,)
    return scale_of(unit, sample, is_share(unit, *variable.range, sample), digits)


def series_label(found: Found, name: str) -> str:
    """The name of a series for a reader, with its element."""
    base, elements = split(name)
    label = spoken(found.experiment.model[base].label)
    return f"{label}: {', '.join(elements).replace('_', ' ')}" if elements else label


def picture(found: Found, name: str, title: str) -> str:
    """Small multiples of a series over the options."""
    courses = [course(found, name, option) for option in found.options]
    shown = series_scale(found, name)
    baseline = found.options.index(found.experiment.baseline)
    return figures.multiples(
        found.times, courses, baseline if len(courses) > 1 else None, ticks_of(found), plain_ticks(shown), title,
        1.0 if shown.suffix == "%" else None,
    )  # fmt: skip


def plain_ticks(shown: UnitScale) -> Callable[[float], str]:
    """Ticks with as few decimals as they need."""

    def text(value: float) -> str:
        number = value / shown.factor
        digits = next((d for d in range(4) if abs(number - round(number, d)) < 1e-9 * max(1.0, abs(number))), 3)
        return replace(shown, decimals=digits).bare(value)

    return text


def _chart(found: Found) -> tuple[str, str, str]:
    name = found.series[0]
    label, shown = series_label(found, name), series_scale(found, name)
    title = with_unit(label, shown.head)
    bands = "Line: the middle run. Band: 8 in 10 runs. " if found.experiment.draws > 1 else ""
    base = short(found.scenario(found.experiment.baseline).label)
    dashed = f"Dashed: {base}." if len(found.options) > 1 else ""
    return title, picture(found, name, _told(found, name, label)), f"{bands}{dashed}"


def _told(found: Found, name: str, label: str) -> str:
    """The chart in a sentence: what it is at the end in each option."""
    shown = series_scale(found, name)
    ends = [f"{item.name} {shown.text(float(item.middle[-1]))}" for item in (course(found, name, o) for o in found.options)]
    return f"{label} over time. At the end, in the middle run: {listed(ends)}."


# --- money by year ---------------------------------------------------------------------------------------------------


def _money(found: Found) -> Money | None:
    experiment = found.experiment
    workbook = experiment.case.workbook if experiment.case else None
    years = years_of(found)
    if workbook is None or not workbook.bridge or not workbook.bridge_total or len(found.options) < 2 or not years:
        return None
    many = ceil(len(years) / MOST_YEARS)
    groups = [(part[0][0], part[-1][1], _years_name(part)) for part in (years[i : i + many] for i in range(0, len(years), many))]
    times = found.times
    edges = [int(np.argmin(np.abs(times - first))) for first, _, _ in groups] + [int(np.argmin(np.abs(times - groups[-1][1])))]
    others = [name for name in found.options if name != experiment.baseline]

    def difference(variable: str, option: str) -> Floats:
        return found.values(variable, option) - found.values(variable, experiment.baseline)

    def yearly(variable: str, option: str, sign: int = 1) -> Floats:
        mean = np.nanmean(difference(variable, option), axis=0)
        return np.asarray(sign * np.diff(mean[edges]))

    values = [np.array([yearly(part.variable, option, part.sign) for part in workbook.bridge]) for option in others]
    net = [yearly(workbook.bridge_total, option) for option in others]
    unit = (experiment.model[split(workbook.bridge_total)[0]].units or "").split("/")[0]
    every = np.concatenate([part.ravel() for part in (*values, *net)])
    shown = scale_of(unit, every.tolist(), millions=True)
    least = 0.5 * shown.factor * 10.0**-shown.decimals
    labels = [part.label for part in workbook.bridge]
    used = [at for at in range(len(labels)) if any(np.abs(part[at]).max() >= least for part in values)]
    focus = others.index(found.focus)
    names = [short(found.scenario(name).label) for name in others]
    title = f"Money by year against {short(found.scenario(experiment.baseline).label)}, mean of the runs"
    drawn = figures.stacks(
        names, [name for _, _, name in groups], [part[used] for part in values], net, plain_ticks(shown), title
    )
    rows = tuple(
        (spoken(labels[at]), figures.STACK[place % len(figures.STACK)], tuple(shown.bare(float(v)) for v in values[focus][at]))
        for place, at in enumerate(used)
    )
    base = experiment.case.about.price_base if experiment.case else ""
    prices = f"real, {base} prices" if base else "as the model counts it"
    return Money(
        f"{shown.head} a year, {prices}; each option less {short(found.scenario(experiment.baseline).label)}, mean of the runs",
        drawn,
        tuple(name for _, _, name in groups),
        rows,
        tuple(shown.bare(float(v)) for v in net[focus]),
        _worst(found, difference(workbook.bridge_total, found.focus), unit),
        f"{names[focus]}, {shown.head}",
    )


def _years_name(part: list[tuple[float, float, str]]) -> str:
    return part[0][2] if len(part) == 1 else f"{part[0][2][:4]}–{part[-1][2][:4]}"


def _worst(found: Found, cumulative: Floats, unit: str) -> str:
    """The most money that is needed ahead of savings, and when."""
    most = np.nanmax(cumulative, axis=1)
    low, middle, high = quantiles(most, (0.1, 0.5, 0.9))
    shown = scale_of(unit, (float(low), float(middle), float(high)), digits=2)
    at = int(np.nanargmax(np.nanmedian(cumulative, axis=0)))
    when = month(calendar_of(found), float(found.times[at]), found.experiment.model.specs.time_unit)
    spread = f" (8 in 10 runs: {shown.range(float(low), float(high))})" if len(most) > 1 else ""
    return f"Cash needed at the worst moment: {shown.text(float(middle))}{spread}; in the middle run in {when}."


# --- which way it could turn -----------------------------------------------------------------------------------------


def deciding(found: Found) -> str:
    """The KPI that decides: the first outcome that has a better direction."""
    return next((name for name in found.outcomes if found.experiment.kpis[name].better != "neither"), "")


def _turn(found: Found) -> Turn | None:
    name = deciding(found)
    if found.against is None or found.experiment.draws < 10 or not name:
        return None
    others = [option for option in found.options if option != found.experiment.baseline]
    values = {option: np.asarray(found.against[name].sel(scenario=option).values, dtype=np.float64) for option in others}
    every = np.concatenate(list(values.values()))
    if not np.isfinite(every).any():
        return None
    kpi = found.experiment.kpis[name]
    unit = str(found.against[name].attrs.get("units", ""))
    variable = found.experiment.model[split(kpi.variable)[0]]
    shown = scale_of(unit, every.tolist(), is_share(unit, *variable.range, every.tolist()), 2)
    label = spoken(str(found.kpis[name].attrs.get("long_name", name)))
    base = short(found.scenario(found.experiment.baseline).label)
    unit_words = f", {shown.head}" if shown.head else ""
    picture = figures.swarm(
        [(short(found.scenario(option).label), values[option]) for option in others],
        plain_ticks(shown),
        f"{label}: each option less {base}, a dot for each run",
    )
    better = "left of the line is better" if kpi.better == "lower" else "right of the line is better"
    told = f"Beside it: what moves {short(found.scenario(found.focus).label)} most, with its rank correlation"
    headline = f"{label}: each option less {base}{unit_words}. A dot for each run; {better}. {told}."
    return Turn(headline, picture, tuple(movers(found, values[found.focus], kpi.better)))


def movers(found: Found, difference: Floats, better: str, most: int = 5) -> list[tuple[str, str]]:
    """The uncertain inputs that move the difference most, by rank correlation over the draws, and where each turns the order.

    A cut is the value of an input that parts the runs in which the order flips from the others best."""
    known = np.isfinite(difference)
    flips = (difference > 0) if better == "lower" else (difference < 0)
    if np.median(difference[known]) > 0 if better == "lower" else np.median(difference[known]) < 0:
        flips = (difference < 0) if better == "lower" else (difference > 0)
    count = int(flips[known].sum())
    scored = []
    for name in found.experiment.uncertainties:
        base, _ = split(name)
        if name not in found.ds and base not in found.ds:
            continue
        data = found.ds[name if name in found.ds else base]
        if set(data.dims) == {"scenario", "draw"}:
            data = data.sel(scenario=found.focus)
        if set(data.dims) != {"draw"}:
            continue
        values = np.asarray(data.values, dtype=np.float64)[known]
        if np.ptp(values) == 0 or np.ptp(difference[known]) == 0:
            continue
        scored.append((_rank_correlation(values, difference[known]), name, values))
    scored.sort(key=lambda item: (-abs(item[0]), item[1]))
    lines = []
    for strength, name, values in scored[:most]:
        item = found.experiment.uncertainties[name]
        variable = found.experiment.model[split(name)[0]]
        unit = variable.units or ""
        shown = scale_of(unit, values.tolist(), is_share(unit, *variable.range, values.tolist()), 2)
        way = "the more, the higher" if strength > 0 else "the more, the lower"
        label = spoken(item.label or variable.label)
        status = "an assumption" if item.status == "assumption" else item.status
        size = f"{strength:+.2f}".replace("-", "−")
        lines.append((label, f"{way} ({size}; {status}). {_cut(values, flips[known], shown, count)}"))
    return lines


def _rank_correlation(a: Floats, b: Floats) -> float:
    first, second = (np.argsort(np.argsort(part, kind="stable"), kind="stable").astype(np.float64) for part in (a, b))
    return float(np.corrcoef(first, second)[0, 1])


def _cut(values: Floats, flips: np.ndarray, shown: UnitScale, count: int) -> str:
    if not count:
        return "In no run does the order flip."
    order = np.argsort(values, kind="stable")
    hits = np.concatenate([[0], np.cumsum(flips[order])])
    places = np.arange(len(values) + 1)
    below = hits / np.maximum(places, 1)
    above = (count - hits) / np.maximum(len(values) - places, 1)
    inside = slice(max(1, len(values) // 20), len(values) - max(1, len(values) // 20))
    at = int(np.argmax(np.abs(below - above)[inside])) + inside.start
    cut = float(values[order][at])
    low, high = int(hits[at]), count - int(hits[at])
    head = f" {shown.head}" if shown.head and not (shown.prefix or shown.suffix) else ""
    return f"Below {shown.text(cut)}{head} the order flips in {low} of {at} runs, above in {high} of {len(values) - at}."


# --- what is not in the ranges, what was checked ---------------------------------------------------------------------


def _outside(found: Found) -> list[str]:
    experiment, case = found.experiment, found.experiment.case
    lines = []
    if case and case.about.boundary:
        text = " ".join(case.about.boundary.split())
        _, mark, rest = text.partition("Outside:")
        lines.append("Left out of the model, so outside every range: " + rest.strip() if mark else text)
    statuses = [item.status for item in experiment.uncertainties.values()]
    if case:
        statuses += [item.status for name, item in case.parameters.items() if name not in experiment.uncertainties]
    if statuses:
        assumed = sum(status in ("assumption", "recalled") for status in statuses)
        drawn = len(experiment.uncertainties)
        lines.append(
            f"{assumed} of {len(statuses)} inputs are assumptions; {drawn} are drawn from a range, "
            "the others have one value in every run, so what they would change is not shown here."
        )
    missed = [item for item in case.targets.values() if item.expected == "miss"] if case else []
    if missed:
        why = f" ({missed[0].reason})" if missed[0].reason else ""
        lines.append(f"The model is known to miss: {missed[0].label}{why}.")
    elif case and not case.observations:
        lines.append("No observed history stands beside this model: nothing in it has been tested against what happened.")
    else:
        lines.append("Structure that nobody thought of is outside every range: all runs share the same equations.")
    return lines


def _checks(found: Found, conclusions: tuple[tuple[str, bool, str], ...]) -> list[CheckLine]:
    experiment = found.experiment
    good = experiment.runs - found.failed
    lines = [CheckLine("Runs", not found.failed, f"{good:,} of {experiment.runs:,} gave a number everywhere")]
    pairs = balances_of(experiment)
    if pairs:
        worst = max(_imbalance(found, pairs[at], pairs[at + 1]) for at in range(0, len(pairs), 2))
        what = listed([spoken(name).removesuffix(" balance").lower() for name in pairs[::2]])
        gap = f"largest gap {worst:.0e} of the total, over all runs"
        lines.append(CheckLine("Conservation", worst <= CONSERVED, f"what goes in comes out or is still there: {what} ({gap})"))
    else:
        lines.append(CheckLine("Conservation", None, "the case names nothing to add up"))
    if conclusions:
        held = sum(holds for _, holds, _ in conclusions)
        told = f"{held} of {len(conclusions)} hold in the draws"
        lines.append(CheckLine("Conclusions of the case", held == len(conclusions), told))
    observed = len(experiment.case.observations) if experiment.case else 0
    fit = f"{observed} observed values stand beside the model" if observed else "no observed values stand beside the model"
    tool = f"flowreform assess {experiment.model.name}"
    lines.append(CheckLine("Fit to observed, steady state, other simulators", None, f"{fit}; {tool} runs all three"))
    return lines


def _imbalance(found: Found, balance: str, other: str) -> float:
    """The largest size of a balance as a share of what it balances, over all runs that did not fail."""
    one, two = (np.asarray(found.ds[split(name)[0]].values, dtype=np.float64) for name in (balance, other))
    size = np.nanmax(np.abs(two)) if np.isfinite(two).any() else 0.0
    return float(np.nanmax(np.abs(one)) / size) if size > 0 else 0.0
