"""From the values of an experiment file to an `Experiment`: resolve names against the model and its case, override, check."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from pydantic import ValidationError

from flowreform.case.tables import Case
from flowreform.case.uncertainty import Uncertainty
from flowreform.errors import Finding, Level, did_you_mean
from flowreform.experiment.correlations import correlations_of
from flowreform.experiment.horizon import horizon_of
from flowreform.experiment.measures import kpis_of, saved
from flowreform.experiment.named import warn
from flowreform.experiment.settings import Scenario, SettingReader
from flowreform.experiment.tables import (
    MAX_RUNS,
    MAX_SCENARIOS,
    Experiment,
    ExperimentTable,
    Origin,
    ScenarioTable,
    SweepTable,
)
from flowreform.experiment.uncertainties import uncertainties_of
from flowreform.model import Model
from flowreform.toml import Document, Loc, parse, required_table, table_of, unknown_keys

KEYS = ("experiment", "scenarios", "uncertainty", "correlation", "kpi", "sweep")


def build_experiment(
    document: Document, model: Model, case: Case | None, findings: list[Finding], path: Path | None
) -> Experiment | None:
    """The experiment in a TOML document; every fault is added to `findings`. None when [experiment] itself is unusable."""
    unknown_keys(document, KEYS, findings)
    raw = required_table(document, "experiment", "title, question and model", findings)
    table = parse(ExperimentTable, raw, document, ("experiment",), findings)
    scenarios = _scenarios(document, model, case, findings)
    settled = table or _usable(raw)
    start, stop, every = horizon_of(settled, model, document, findings)
    origins: dict[str, Origin] = {}
    uncertainties = uncertainties_of(settled, document, model, case, origins, findings)
    varies = settled.draws > 1 or settled.uncertainties is not None
    correlations = correlations_of(document, uncertainties, varies, findings)
    kpis = kpis_of(settled, document, model, case, (start, stop, every), origins, findings)
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
        save=saved(table, document, model, case, kpis, findings),
        save_every=every,
        draws=table.draws,
        design=table.design,
        seed=table.seed,
        scenarios=MappingProxyType(scenarios),
        baseline=baseline,
        uncertainties=MappingProxyType(uncertainties),
        correlations=correlations,
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


def _scenarios(document: Document, model: Model, case: Case | None, findings: list[Finding]) -> dict[str, Scenario]:
    reader = SettingReader(model, case.calendar if case else None, document, findings)
    places = case.settings if case else {}
    found: dict[str, Scenario] = {}
    for name, raw in table_of(document, "scenarios", findings).items():
        if not name.strip() or not name.isprintable() or len(name) > 100:
            reason = "a scenario's name is 1 to 100 printable characters"
            findings.append(document.fault("scenario", ("scenarios", name), reason, "use label for longer text"))
            continue
        table = parse(ScenarioTable, raw, document, ("scenarios", name), findings)
        if table is None:
            continue
        settings = reader.read(table.settings, ("scenarios", name, "set"))
        if table.setting and table.setting not in places:
            hint = did_you_mean(table.setting, places) or f"settings are {', '.join(places) or 'none'}"
            reason = f'the model has no setting "{table.setting}"'
            findings.append(document.fault("setting", ("scenarios", name, "setting"), reason, hint))
        elif table.setting:
            settings = MappingProxyType({**places[table.setting].values, **settings})
        found[name] = Scenario(name, table.label or name.replace("_", " "), settings)
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
        warn(document, "sobol", ("experiment", "draws"), reason, f"take {power // 2} or {power} draws", findings)
    if table.draws > 1 and not uncertainties:
        warn(document, "draws", ("experiment", "draws"), "nothing varies, so all draws are alike", "name uncertainties", findings)
    for name, scenario in scenarios.items():
        for key in scenario.settings:
            if key in uncertainties:
                reason = f"scenario {name} sets it, so its uncertainty does nothing there"
                loc: Loc = ("scenarios", name, "set", key)
                warn(document, "set-uncertainty", loc, reason, "leave it out of the scenario, or out of uncertainties", findings)
