"""`[fit]` of a case file: which parameters are fitted to which series, and how the search begins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, Strict

from flowreform.analyse.laws.runs import elements
from flowreform.case import Case, Observation, Reference
from flowreform.errors import Finding, ModelError, did_you_mean, error
from flowreform.measure import Measure, time_faults
from flowreform.model import Model
from flowreform.names import Unknown, find, split
from flowreform.toml import Document, Loc, Table, parse

Strings = Annotated[tuple[str, ...], Strict(False)]
Year = Annotated[int, Field(ge=2, le=9998)]


class FitSeries(Table):
    """`[fit.series.<name>]`: a series of [reference] that the fit must come close to."""

    error: Annotated[float, Field(gt=0)] = 0.05
    """One standard deviation of a row, as a share of its value: the weight of a row is one over its square."""
    first: Year | None = None
    """The first reporting year that is used."""
    last: Year | None = None
    """The last reporting year that is used."""
    level: Literal["given", "free"] = "given"
    """`free`: the series is compared up to a factor of its own, which the data give."""
    relative_to: Year | None = None
    """The year whose value both sides are divided by, where only the change is believed."""


class FitTable(Table):
    """`[fit]`: least squares on named parameters within their ranges."""

    parameters: Annotated[Strings, Field(min_length=1)]
    """Parameters, or elements of arrayed ones; each needs a range in the model."""
    series: Annotated[dict[str, FitSeries], Field(min_length=1)]
    """The series, by their name in [reference]."""
    design: Literal["sobol", "latin_hypercube"] = "sobol"
    """How the points are spread that the search begins from."""
    samples: Annotated[int, Field(ge=1, le=100_000)] = 64
    """How many of them."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1
    """Where their randomness starts."""
    starts: Annotated[int, Field(ge=1, le=50)] = 2
    """How many of the best are followed to the end."""
    settings: Annotated[dict[str, float], Field(alias="set", default_factory=dict)]
    """`set`: parameters held at other values during the fit."""


@dataclass(frozen=True, slots=True)
class Row:
    """One observation that counts: the measure that the model must give, its value, and its standard deviation."""

    series: str
    year: int
    measure: Measure
    observed: float
    error: float


@dataclass(frozen=True)
class Question:
    """A fit, checked: element names of parameters with their ranges and present values, and the rows."""

    parameters: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    before: tuple[float, ...]
    rows: tuple[Row, ...]
    table: FitTable
    base: dict[str, Measure]
    """For each series that is relative to a year, the measure in that year."""


def read_fit(model: Model, case: Case) -> Question:
    """What the case file asks to be fitted.

    Raises ModelError with every fault: no [fit], unknown names, a parameter without range, a series without rows, a year
    that the run does not reach."""
    from flowreform.analyse.laws.runs import own

    document = case.document
    if document is None or "fit" not in document.table:
        repair = "add [fit] with parameters and [fit.series.<name>]"
        raise ModelError(error("no-fit", "the case file does not say what to fit", repair, file=case.file))
    findings: list[Finding] = []
    table = parse(FitTable, document.table["fit"], document, ("fit",), findings)
    if table is None:
        raise ModelError(findings)
    names: list[str] = []
    ranges: list[tuple[float, float]] = []
    for at, text in enumerate(table.parameters):
        loc: Loc = ("fit", "parameters", at)
        found = find(model, text, parameter=True)
        if isinstance(found, Unknown):
            findings.append(document.fault("unknown-parameter", loc, found.reason, found.repair, element=text))
            continue
        if found.is_array:
            reason, example = "an arrayed parameter has several numbers", elements(model, found.name)[0]
            findings.append(document.fault("array", loc, reason, f'name one element, such as "{example}"', element=text))
            continue
        low, high = found.variable.range
        if low is None or high is None or not low < high:
            findings.append(document.fault("no-range", loc, "the parameter has no range to search in", "give it a <range>",
                                           element=text))  # fmt: skip
            continue
        if found.name in names:
            findings.append(document.fault("duplicate", loc, "the parameter is named twice", "name it once", element=text))
            continue
        names.append(found.name)
        ranges.append((low, high))
    settings: dict[str, float] = {}
    for text, value in table.settings.items():
        found = find(model, text, parameter=True)
        if isinstance(found, Unknown):
            findings.append(document.fault("unknown-parameter", ("fit", "set", text), found.reason, found.repair, element=text))
        elif found.name in names:
            reason = "the parameter is fitted and cannot be held"
            findings.append(document.fault("duplicate", ("fit", "set", text), reason, "remove it here or there", element=text))
        else:
            settings[found.name] = value
    rows: list[Row] = []
    base: dict[str, Measure] = {}
    for name, series in table.series.items():
        rows.extend(_rows(name, series, model, case, document, base, findings))
    if not findings and len(rows) < 2:
        findings.append(document.fault("no-data", ("fit", "series"), "there are fewer than two rows to fit to", "add data"))
    if findings:
        raise ModelError(findings)
    lows, highs = tuple(low for low, _ in ranges), tuple(high for _, high in ranges)
    before = tuple(own(model, name) for name in names)
    return Question(tuple(names), lows, highs, before, tuple(rows), table.model_copy(update={"settings": settings}), base)


def _rows(
    name: str, series: FitSeries, model: Model, case: Case, document: Document, base: dict[str, Measure], findings: list[Finding]
) -> list[Row]:
    loc: Loc = ("fit", "series", name)
    reference = case.reference.get(name)
    if reference is None:
        hint = did_you_mean(name, case.reference) or f"[reference] has {', '.join(case.reference) or 'none'}"
        findings.append(document.fault("unknown-series", loc, "[reference] has no such series", hint))
        return []
    chosen = [row for row in case.observations if row.series == name and _used(row, series)]
    if not chosen:
        findings.append(document.fault("no-data", loc, "no row of reference.csv lies in these years", "widen first and last"))
    anchor = 1.0
    if series.relative_to is not None:
        there = [row.value for row in case.observations if row.series == name and row.year == series.relative_to]
        if not there or there[0] == 0:
            reason = f"reference.csv has no value for {series.relative_to} to divide by"
            findings.append(document.fault("no-data", (*loc, "relative_to"), reason, "name another year"))
            return []
        anchor, base[name] = there[0], _in(reference, series.relative_to)
        chosen = [row for row in chosen if row.year != series.relative_to]
    rows = []
    for row in chosen:
        measure = _in(reference, row.year)
        faults = time_faults(measure, model.specs.start, model.specs.stop, model.specs.dt, case.calendar)
        if faults:
            findings.append(document.fault("fit-year", loc, f"{row.year}: {faults[0].reason}", "set first and last"))
            continue
        value = row.value / anchor
        rows.append(Row(name, row.year, measure, value, series.error * abs(value) if value else series.error))
    return rows


def _used(row: Observation, series: FitSeries) -> bool:
    return (series.first is None or row.year >= series.first) and (series.last is None or row.year <= series.last)


def _in(reference: Reference, year: int) -> Measure:
    return reference.in_year(year)


def variables(question: Question) -> tuple[str, ...]:
    """The variables that must be saved."""
    measures = [*(row.measure for row in question.rows), *question.base.values()]
    return tuple(dict.fromkeys(split(name)[0] for measure in measures for name in measure.variables))
