"""The case file: what a model's equations do not hold (`model.toml` beside `model.xmile`), read and checked.

Every fault of the file, and of `reference.csv` beside it, is reported at once.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from flowreform.calendar import Calendar, CalendarTable
from flowreform.case.checks import check_case, check_fit
from flowreform.case.ensemble import NAME as POSTERIOR
from flowreform.case.ensemble import Ensemble, misfits, read_ensemble
from flowreform.case.fingerprint import fingerprint
from flowreform.case.form import NAME as FORM
from flowreform.case.form import read_form
from flowreform.case.observations import Observation, read_observations
from flowreform.case.periods import settled
from flowreform.case.series_units import in_units_of
from flowreform.case.tables import (
    About,
    Case,
    Chart,
    Check,
    Conclusion,
    Exogenous,
    FitPlan,
    FitTable,
    Gate,
    Kpi,
    Laws,
    Lever,
    LoopClaim,
    Parameter,
    PlanningTable,
    Reference,
    Setting,
    StartRule,
    Target,
    WorkbookTable,
    written_settings,
)
from flowreform.case.uncertainty import Uncertainty
from flowreform.errors import Finding, ModelError, error
from flowreform.model import Model
from flowreform.toml import Source, read_document

__all__ = [
    "About",
    "Case",
    "Chart",
    "Check",
    "Conclusion",
    "Ensemble",
    "Exogenous",
    "FitPlan",
    "Gate",
    "Kpi",
    "Laws",
    "Lever",
    "LoopClaim",
    "Observation",
    "Parameter",
    "PlanningTable",
    "Reference",
    "Setting",
    "Target",
    "Uncertainty",
    "WorkbookTable",
    "build_case",
    "case_path",
    "read_case",
    "written_settings",
]

KEYS = (
    "case",
    "calendar",
    "levers",
    "uncertainties",
    "parameters",
    "exogenous",
    "kpis",
    "reference",
    "settings",
    "targets",
    "gates",
    "charts",
    "laws",
    "conclusions",
    "loops",
    "starts",
    "fit",
    "workbook",
    "planning",
)


def case_path(model: Model) -> Path | None:
    """Where the case file of a model would be: the same name with `.toml`."""
    return model.path.with_suffix(".toml") if model.path else None


def read_case(model: Model) -> Case | None:
    """The case file beside a model, checked against it; None when there is none.

    `model.xmile` has `model.toml`. A file of that name that holds an experiment is not a case file. Raises ModelError with
    all faults of the case file and of `reference.csv` at once::

        case = fr.read_case(fr.read_model("care_shift"))
        case.levers["planned_bed_reduction"].source
    """
    path = case_path(model)
    if path is None or not os.path.lexists(path):
        return None
    source = Source(read_document(path, ModelError))
    if "experiment" in source.document.table:
        return None
    series = path.with_name("reference.csv")
    observations = read_observations(series, source.findings) if os.path.lexists(series) else ()
    case = build_case(source, model, observations, path)
    if case is not None and not source.failed:
        case = _with_ensemble(case, model, path.with_name(POSTERIOR), source.findings)
        case = replace(case, form=read_form(path.with_name(FORM), model, source.findings))
    if case is None or source.failed:
        raise ModelError(source.findings)
    return case


def _with_ensemble(case: Case, model: Model, path: Path, findings: list[Finding]) -> Case:
    """The case with the draws of `posterior.csv`, if there is one; whether they still belong to these files is noted.

    Whatever has the name is read: draws that cannot be had are never silently those of the prior."""
    if not os.path.lexists(path):
        return case
    found = read_ensemble(path, findings)
    if found is None:
        return case
    current = found.about.get("made_from") == fingerprint(model, case)
    if current:  # or they are refused as old
        repair = "delete it, and write it anew with `flowreform fit MODEL --posterior --write`"
        faults = misfits(found, case.fit.priors if case.fit else {})
        findings.extend(error("posterior", reason, repair, file=str(path)) for reason in faults)
    return replace(case, ensemble=replace(found, current=current))


def build_case(source: Source, model: Model, observations: tuple[Observation, ...] = (), path: Path | None = None) -> Case | None:
    """The case in a TOML file; every fault is added to `source`. None when there is no usable `[case]`."""
    source.only(KEYS)
    about = source.parse(About, source.required("case", "title and question"), ("case",))
    calendar = None
    if (table := source.one(CalendarTable, "calendar")) is not None:
        calendar = Calendar(table.origin, table.time_unit, table.year_starts, table.year_named_by, model.specs.start)
    reference = source.each(Reference, "reference")
    file = str(path.with_name("reference.csv")) if path is not None else ""
    statistics = {name: item.statistic for name, item in reference.items()}
    observations = settled(observations, statistics, calendar, file, source.findings)
    case = Case(
        about=about or About(title="", question=""),
        calendar=calendar,
        levers=source.each(Lever, "levers"),
        uncertainties=source.each(Uncertainty, "uncertainties"),
        parameters=source.each(Parameter, "parameters"),
        exogenous=source.each(Exogenous, "exogenous"),
        kpis=source.each(Kpi, "kpis"),
        reference=reference,
        targets=source.each(Target, "targets"),
        gates=source.each(Gate, "gates"),
        charts=tuple(chart for _, chart in source.listed(Chart, "charts")),
        settings=source.each(Setting, "settings"),
        laws=source.one(Laws, "laws"),
        conclusions=source.each(Conclusion, "conclusions"),
        loops=source.each(LoopClaim, "loops"),
        starts=source.each(StartRule, "starts"),
        workbook=source.one(WorkbookTable, "workbook") or WorkbookTable(),
        planning=source.one(PlanningTable, "planning") or PlanningTable(),
        observations=observations,
        path=path,
        sha256=source.document.sha256,
        document=source.document,
    )
    checked = check_case(case, model, source)
    if path is not None:
        checked = replace(checked, observations=in_units_of(observations, checked.reference, model, file, source.findings))
    fit = source.one(FitTable, "fit")
    if fit is not None:
        checked = replace(checked, fit=check_fit(fit, checked, model, source))
    if about is None:
        return None
    return replace(checked, findings=source.warnings)
