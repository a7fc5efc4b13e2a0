"""The KPIs of an experiment, and the variables it keeps for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flowreform.case.checks import check_measure
from flowreform.case.tables import Case, Kpi
from flowreform.experiment.named import case_origin, case_table, chosen
from flowreform.experiment.tables import ExperimentTable, Origin
from flowreform.model import Model, Role
from flowreform.names import Unknown, find, split
from flowreform.toml import Loc, Source


def kpis_of(
    table: ExperimentTable,
    source: Source,
    model: Model,
    case: Case | None,
    grid: tuple[float, float, float],
    origins: dict[str, Origin],
) -> dict[str, Kpi]:
    known = case.kpis if case else {}
    calendar = case.calendar if case else None
    overrides = {text: (text, raw) for text, raw in source.table("kpis").items()}
    names = chosen(table.kpis, known, overrides, "kpis", source)
    found: dict[str, Kpi] = {}
    for name in dict.fromkeys((*names, *overrides)):
        if name in overrides:
            loc: Loc = ("kpis", name)
            raw = overrides[name][1]
            base = known.get(name)
            item = source.parse(Kpi, _merged_kpi(raw, case_table(case, "kpis", name)), loc)
            if item is not None:
                found[name] = check_measure(item, loc, model, calendar, source, grid=grid)
                origins[f"kpis.{name}"] = Origin(source.document.file, source.document.line(loc), tuple(raw) if base else ())
        elif name in known:
            found[name] = known[name]
            origins[f"kpis.{name}"] = case_origin(case, "kpis", name)
            lines: dict[Loc, int] = {("experiment", "kpis"): source.document.line(("experiment", "kpis"))}
            place = Source(replace(source.document, lines=lines), source.findings)
            check = known[name].model_copy(update={"unit": None})  # names and unit were checked with the case; now the times
            check_measure(check, ("experiment", "kpis", name), model, calendar, place, grid=grid)
    return found


def _merged_kpi(raw: object, base: Mapping[str, Any] | None) -> object:
    """The case's definition with the experiment's keys over it; a new year, date or window replaces the old one whole."""
    if base is None or not isinstance(raw, dict):
        return raw
    when = ("year", "date", "from", "to", "last")
    dropped = when if any(key in raw for key in when) else ()
    return {key: value for key, value in base.items() if key not in dropped} | raw


def saved(table: ExperimentTable, source: Source, model: Model, case: Case | None, kpis: Mapping[str, Kpi]) -> tuple[str, ...]:
    """Whole variables in model order: those asked for, and those that KPIs, charts and reference series need."""
    wanted: set[str] = {split(name)[0] for kpi in kpis.values() for name in kpi.variables}
    if case:
        wanted |= {split(name)[0] for chart in case.charts for name in chart.variables}
        wanted |= {split(name)[0] for item in case.reference.values() for name in item.variables}
    lookups = model.of_role(Role.LOOKUP)
    if table.save == "all":
        wanted |= set(model.variables) - set(lookups)
    elif table.save == "stocks" or (table.save is None and not wanted):
        wanted |= set(model.stocks)
    elif isinstance(table.save, tuple):
        for at, text in enumerate(table.save):
            loc: Loc = ("experiment", "save", at)
            found = find(model, text)
            if isinstance(found, Unknown):
                source.fault("unknown-variable", loc, found.reason, found.repair, element=text)
            elif found.variable.name in lookups:
                source.fault("lookup", loc, "a lookup has no course over time to save", "", element=text)
            else:
                wanted.add(found.variable.name)
    return tuple(name for name in model.variables if name in wanted)
