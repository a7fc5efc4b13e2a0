"""From the values of an experiment file to an `Experiment`: resolve names against the model and its case, override, check."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from flowreform.calendar import Calendar
from flowreform.case.checks import check_measure
from flowreform.case.inputs import check_uncertainty
from flowreform.case.tables import Case, Kpi
from flowreform.case.uncertainty import NEEDS, NUMBERS, Uncertainty
from flowreform.errors import ExperimentError, Finding, Level, did_you_mean, error
from flowreform.experiment.settings import Points, Scenario, Setting, SettingReader
from flowreform.experiment.tables import (
    MAX_RUNS,
    MAX_SCENARIOS,
    MAX_STEPS,
    Experiment,
    ExperimentTable,
    Origin,
    ScenarioTable,
    SweepTable,
)
from flowreform.model import Model, Role
from flowreform.names import Unknown, find, join, split
from flowreform.toml import Document, Loc, parse, required_table, table_of, unknown_keys

KEYS = ("experiment", "scenarios", "uncertainty", "kpi", "sweep")


def build_experiment(
    document: Document, model: Model, case: Case | None, findings: list[Finding], path: Path | None
) -> Experiment | None:
    """The experiment in a TOML document; every fault is added to `findings`. None when [experiment] itself is unusable."""
    unknown_keys(document, KEYS, findings)
    raw = required_table(document, "experiment", "title, question and model", findings)
    table = parse(ExperimentTable, raw, document, ("experiment",), findings)
    calendar = case.calendar if case else None
    scenarios = _scenarios(document, model, calendar, findings)
    settled = table or _usable(raw)
    start, stop, every = _horizon(settled, model, document, findings)
    origins: dict[str, Origin] = {}
    uncertainties = _uncertainties(settled, document, model, case, origins, findings)
    kpis = _kpis(settled, document, model, case, (start, stop, every), origins, findings)
    baseline = settled.baseline if settled.baseline is not None else next(iter(scenarios))
    if baseline not in scenarios:
        hint = did_you_mean(baseline, scenarios) or f"scenarios are {', '.join(scenarios)}"
        findings.append(document.fault("baseline", ("experiment", "baseline"), f'there is no scenario "{baseline}"', hint))
    _limits(settled, scenarios, uncertainties, document, findings)
    if table is None:
        return None
    return Experiment(
        name=path.stem if path else model.name,
        title=table.title,
        question=table.question,
        model=model,
        case=case,
        start=start,
        stop=stop,
        dt=model.specs.dt,
        save=_save(table, document, model, case, kpis, findings),
        save_every=every,
        draws=table.draws,
        design=table.design,
        seed=table.seed,
        scenarios=MappingProxyType(scenarios),
        baseline=baseline,
        uncertainties=MappingProxyType(uncertainties),
        kpis=MappingProxyType(kpis),
        charts=case.charts if case else (),
        origins=MappingProxyType(origins),
        sweep=parse(SweepTable, table_of(document, "sweep", findings), document, ("sweep",), findings) or SweepTable(),
        path=path,
        sha256=document.sha256,
        findings=tuple(finding for finding in findings if finding.level is Level.WARNING),
    )


def _usable(raw: object) -> ExperimentTable:
    """What a faulty [experiment] says well, so that the rest of the file can be checked against it."""
    words: dict[str, object] = {"title": "", "question": "", "model": ""}
    kept = dict(words)
    for key, value in raw.items() if isinstance(raw, dict) else ():
        try:
            ExperimentTable.model_validate(words | {key: value})
        except ValidationError:
            continue
        kept[key] = value
    return ExperimentTable.model_validate(kept)


def _warn(document: Document, rule: str, loc: Loc, reason: str, repair: str, findings: list[Finding]) -> None:
    findings.append(replace(document.fault(rule, loc, reason, repair), level=Level.WARNING))


# --- scenarios -------------------------------------------------------------------------------------------------------


def _scenarios(document: Document, model: Model, calendar: Calendar | None, findings: list[Finding]) -> dict[str, Scenario]:
    reader = SettingReader(model, calendar, document, findings)
    found: dict[str, Scenario] = {}
    for name, raw in table_of(document, "scenarios", findings).items():
        if not name.strip() or not name.isprintable() or len(name) > 100:
            reason = "a scenario's name is 1 to 100 printable characters"
            findings.append(document.fault("scenario", ("scenarios", name), reason, "use label for longer text"))
            continue
        table = parse(ScenarioTable, raw, document, ("scenarios", name), findings)
        if table is not None:
            found[name] = Scenario(
                name, table.label or name.replace("_", " "), reader.read(table.settings, ("scenarios", name, "set"))
            )
    return found or {"base": Scenario("base", "base", MappingProxyType({}))}


def _limits(
    table: ExperimentTable,
    scenarios: Mapping[str, Scenario],
    uncertainties: Mapping[str, Uncertainty],
    document: Document,
    findings: list[Finding],
) -> None:
    if len(scenarios) > MAX_SCENARIOS:
        reason = f"{len(scenarios):,} scenarios are more than the limit of {MAX_SCENARIOS:,}"
        findings.append(
            document.fault("limit", ("scenarios",), reason, "make what varies an uncertainty, or split the experiment")
        )
    if table.draws * len(scenarios) >= MAX_RUNS:
        reason = f"{len(scenarios):,} scenarios x {table.draws:,} draws reach the limit of {MAX_RUNS:,} runs"
        findings.append(document.fault("limit", ("experiment", "draws"), reason, "take fewer draws, or split the experiment"))
    if table.design == "sobol" and table.draws & (table.draws - 1):
        power = 1 << (table.draws - 1).bit_length()
        reason = f"a Sobol sequence is balanced at powers of two only, and {table.draws} is none"
        _warn(document, "sobol", ("experiment", "draws"), reason, f"take {power // 2} or {power} draws", findings)
    if table.draws > 1 and not uncertainties:
        _warn(
            document, "draws", ("experiment", "draws"), "nothing varies, so all draws are alike", "name uncertainties", findings
        )
    for name, scenario in scenarios.items():
        for key in scenario.settings:
            if key in uncertainties:
                reason = f"scenario {name} sets it, so its uncertainty does nothing there"
                loc: Loc = ("scenarios", name, "set", key)
                _warn(document, "set-uncertainty", loc, reason, "leave it out of the scenario, or out of uncertainties", findings)


def _horizon(table: ExperimentTable, model: Model, document: Document, findings: list[Finding]) -> tuple[float, float, float]:
    """Start, stop and saving interval, all on the grid of dt."""
    specs = model.specs
    own = (specs.start, specs.stop, _interval(specs.start, specs.stop, model))
    start = specs.start if table.start is None else table.start
    stop = specs.stop if table.stop is None else table.stop
    key = "stop" if table.stop is not None else "start"
    if stop <= start:
        findings.append(document.fault("horizon", ("experiment", key), f"stop {stop:g} does not come after start {start:g}", ""))
        return own
    if (stop - start) / specs.dt > MAX_STEPS:
        reason = f"{(stop - start) / specs.dt:.3g} steps of dt {specs.dt:g} are more than the limit of {MAX_STEPS:,}"
        findings.append(document.fault("limit", ("experiment", key), reason, "choose a nearer stop"))
        return own
    if not _multiple(stop - start, specs.dt):
        reason = f"start {start:g} to stop {stop:g} is not a whole number of steps of dt {specs.dt:g}"
        findings.append(document.fault("horizon", ("experiment", key), reason, "move start or stop"))
        return own
    every = table.save_every
    if every is None:
        return start, stop, _interval(start, stop, model)
    loc: Loc = ("experiment", "save_every")
    if every <= 0 or not _multiple(every, specs.dt):
        nearest = max(1, round(every / specs.dt)) * specs.dt
        findings.append(
            document.fault("save-every", loc, f"{every:g} is not a multiple of dt {specs.dt:g}", f"write {nearest:g}")
        )
        return start, stop, _interval(start, stop, model)
    if not _multiple(stop - start, every):
        reason = f"the end of the run is not saved: {stop - start:g} is not a multiple of save_every {every:g}"
        findings.append(document.fault("save-every", loc, reason, "choose a save_every that divides the horizon"))
        return start, stop, _interval(start, stop, model)
    return start, stop, every


def _interval(start: float, stop: float, model: Model) -> float:
    """The saving interval when none is given: the model's, or one time unit, or else dt; one that also saves the end."""
    for every in (model.specs.save_every, 1.0):
        if every and _multiple(every, model.specs.dt) and _multiple(stop - start, every):
            return every
    return model.specs.dt


def _multiple(length: float, step: float) -> bool:
    count = length / step
    return round(count) >= 1 and abs(count - round(count)) <= 1e-9 * max(1.0, count)


# --- uncertainties and kpis ------------------------------------------------------------------------------------------


def _chosen(
    wanted: object, known: Iterable[str], own: Iterable[str], key: str, document: Document, findings: list[Finding]
) -> tuple[str, ...]:
    """The names asked for, in order: those of the case, and those the experiment defines itself."""
    loc: Loc = ("experiment", key)
    every = tuple(dict.fromkeys((*known, *own)))
    if wanted == "all":
        return every
    if not isinstance(wanted, tuple):
        if wanted is not None:
            findings.append(document.fault("schema", loc, '"all" or a list of names is needed', ""))
        return tuple(own)
    found: list[str] = []
    for at, text in enumerate(wanted):
        name = text if text in every else canonical_name(text)
        if name not in every:
            hint = did_you_mean(name, every) or f"known are {', '.join(every) or 'none'}"
            findings.append(document.fault(f"unknown-{key}", (*loc, at), "there is no such name", hint, element=text))
        elif name in found:
            findings.append(document.fault("duplicate", (*loc, at), "it is named twice", "name it once", element=text))
        else:
            found.append(name)
    return tuple(found)


def canonical_name(text: str) -> str:
    """The one spelling of a name with its elements."""
    return join(*split(text))


def _overrides(document: Document, key: str, findings: list[Finding]) -> dict[str, tuple[str, Mapping[str, Any]]]:
    found: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for text, raw in table_of(document, key, findings).items():
        name = canonical_name(text)
        if not isinstance(raw, dict):
            findings.append(document.fault("schema", (key, text), "a table is needed here", f"write [{key}.{text}]"))
        elif name in found:
            findings.append(
                document.fault("duplicate", (key, text), f"it stands here already, spelt {found[name][0]}", "keep one")
            )
        else:
            found[name] = (text, raw)
    return found


def _uncertainties(
    table: ExperimentTable,
    document: Document,
    model: Model,
    case: Case | None,
    origins: dict[str, Origin],
    findings: list[Finding],
) -> dict[str, Uncertainty]:
    known = case.uncertainties if case else {}
    overrides = _overrides(document, "uncertainty", findings)
    wanted = table.uncertainties if table.uncertainties is not None else ("all" if table.draws > 1 else ())
    names = _chosen(wanted, known, overrides, "uncertainties", document, findings)
    found: dict[str, Uncertainty] = {}
    for name, (text, raw) in overrides.items():
        loc: Loc = ("uncertainty", text)
        if name not in names and table.uncertainties is not None:
            reason = "it is overridden here, and is not among the uncertainties of this experiment"
            findings.append(document.fault("unused", loc, reason, "add it to uncertainties"))
        elif name not in names:
            reason = "it is overridden here, and one draw without uncertainties runs the base values"
            _warn(document, "unused", loc, reason, "set draws or uncertainties", findings)
        named = find(model, name, parameter=True)
        if isinstance(named, Unknown):
            findings.append(document.fault("unknown-parameter", loc, named.reason, named.repair, element=text))
            continue
        item = parse(
            Uncertainty,
            _merged_uncertainty(raw, _raw(case, "uncertainties", name), document, loc, findings),
            document,
            loc,
            findings,
        )
        if item is not None:
            found[name] = check_uncertainty(item, name, model, document, loc, findings)
            origins[f"uncertainties.{name}"] = Origin(document.file, document.line(loc), tuple(raw) if name in known else ())
    for name in names:
        if name in known and name not in overrides:
            found[name] = known[name]
            origins[f"uncertainties.{name}"] = _case_origin(case, "uncertainties", name)
    _no_overlap(names, model, document, findings)
    return {name: found[name] for name in names if name in found}


def _no_overlap(names: Iterable[str], model: Model, document: Document, findings: list[Finding]) -> None:
    """An arrayed parameter varies as a whole or by element, not both."""
    for name in names:
        base, elements = split(name)
        if elements and base in names:
            reason = f"{base} varies as a whole, so {name} cannot vary by itself"
            findings.append(
                document.fault("duplicate", ("experiment", "uncertainties"), reason, "keep one of them", element=name)
            )


def _raw(case: Case | None, key: str, name: str) -> Mapping[str, Any] | None:
    """A table of the case file as written, by canonical name: what an override changes keeps its unit and its words."""
    tables = case.document.table.get(key, {}) if case and case.document else {}
    return next((raw for text, raw in tables.items() if text == name or canonical_name(text) == name), None)


def _merged_uncertainty(
    raw: Mapping[str, Any], base: Mapping[str, Any] | None, document: Document, loc: Loc, findings: list[Finding]
) -> dict[str, Any]:
    """The case's definition with the experiment's keys over it. A new distribution, or a new unit, brings all its numbers."""
    if base is None:
        return dict(raw)
    kind, unit = raw.get("distribution", base["distribution"]), raw.get("unit", base["unit"])
    if kind == base["distribution"] and unit == base["unit"]:
        return dict(base) | dict(raw)
    missing = [key for key in NEEDS.get(kind, ()) if key not in raw] if isinstance(kind, str) else []
    if missing and kind == base["distribution"]:
        reason = f"a new unit needs all numbers again: {', '.join(missing)} is missing"
        findings.append(document.fault("distribution", (*loc, "unit"), reason, f"{kind} takes {', '.join(NEEDS[kind])}"))
    return {key: value for key, value in base.items() if key not in NUMBERS} | dict(raw)


def _merged_kpi(raw: object, base: Mapping[str, Any] | None) -> object:
    """The case's definition with the experiment's keys over it; a new year, date or window replaces the old one whole."""
    if base is None or not isinstance(raw, dict):
        return raw
    when = ("year", "date", "from", "to")
    dropped = when if any(key in raw for key in when) else ()
    return {key: value for key, value in base.items() if key not in dropped} | raw


def _case_origin(case: Case | None, key: str, name: str) -> Origin:
    document = case.document if case else None
    for (table, *rest), line in document.lines.items() if document else ():
        if table == key and len(rest) == 1 and (rest[0] == name or canonical_name(str(rest[0])) == name):
            return Origin(document.file if document else "", line)
    return Origin(case.file if case else "", 0)


def _kpis(
    table: ExperimentTable,
    document: Document,
    model: Model,
    case: Case | None,
    grid: tuple[float, float, float],
    origins: dict[str, Origin],
    findings: list[Finding],
) -> dict[str, Kpi]:
    known = case.kpis if case else {}
    calendar = case.calendar if case else None
    overrides = {text: (text, raw) for text, raw in table_of(document, "kpi", findings).items()}
    names = _chosen(table.kpis, known, overrides, "kpis", document, findings)
    found: dict[str, Kpi] = {}
    for name in dict.fromkeys((*names, *overrides)):
        if name in overrides:
            loc: Loc = ("kpi", name)
            raw = overrides[name][1]
            base = known.get(name)
            item = parse(Kpi, _merged_kpi(raw, _raw(case, "kpis", name)), document, loc, findings)
            if item is not None:
                found[name] = check_measure(item, loc, model, calendar, document, findings, grid=grid)
                origins[f"kpis.{name}"] = Origin(document.file, document.line(loc), tuple(raw) if base else ())
        elif name in known:
            found[name] = known[name]
            origins[f"kpis.{name}"] = _case_origin(case, "kpis", name)
            place = replace(document, lines={("experiment", "kpis"): document.line(("experiment", "kpis"))})
            check = known[name].model_copy(update={"unit": None})  # names and unit were checked with the case; now the times
            check_measure(check, ("experiment", "kpis", name), model, calendar, place, findings, grid=grid)
    return found


def _save(
    table: ExperimentTable, document: Document, model: Model, case: Case | None, kpis: Mapping[str, Kpi], findings: list[Finding]
) -> tuple[str, ...]:
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
                findings.append(document.fault("unknown-variable", loc, found.reason, found.repair, element=text))
            elif found.variable.name in lookups:
                findings.append(document.fault("lookup", loc, "a lookup has no course over time to save", "", element=text))
            else:
                wanted.add(found.variable.name)
    return tuple(name for name in model.variables if name in wanted)


# --- settings from outside -------------------------------------------------------------------------------------------

_NUMBER_UNIT = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(.*?)\s*$")


def add_settings(experiment: Experiment, settings: Mapping[str, Setting | str]) -> Experiment:
    """The experiment with parameters set in every scenario; see `experiment.with_settings`."""
    findings: list[Finding] = []
    raw: dict[str, object] = {}
    fixed: dict[str, Points] = {}
    for text, value in settings.items():
        if isinstance(value, Points):
            named = find(experiment.model, text, parameter=True)
            if isinstance(named, Unknown):
                findings.append(error("unknown-parameter", named.reason, named.repair, element=text))
            else:
                fixed[named.name] = value
        elif isinstance(value, str):
            match = _NUMBER_UNIT.match(value)
            if match is None:
                repair = f"write {text}=1.5 or {text}='1.5 day'"
                findings.append(error("setting", f'"{value}" is no number', repair, element=text))
            else:
                raw[text] = {"value": float(match[1]), "unit": match[2]} if match[2] else float(match[1])
        else:
            raw[text] = value
    calendar = experiment.case.calendar if experiment.case else None
    reader = SettingReader(experiment.model, calendar, Document("--set", {}, {}), findings)
    added = {**reader.read(raw, ()), **fixed}
    if findings:
        raise ExperimentError(findings)
    scenarios = {
        name: replace(scenario, settings=MappingProxyType({**scenario.settings, **added}))
        for name, scenario in experiment.scenarios.items()
    }
    return replace(experiment, scenarios=MappingProxyType(scenarios))
