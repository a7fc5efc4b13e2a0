"""The case file: what a model's equations do not hold (`model.toml` beside `model.xmile`), read and checked.

Every fault of the file, and of `reference.csv` beside it, is reported at once.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from flowreform.calendar import Calendar, CalendarTable
from flowreform.case.checks import check_case
from flowreform.case.observations import Observation, read_observations
from flowreform.case.tables import (
    About,
    Case,
    Chart,
    Check,
    Exogenous,
    Gate,
    Kpi,
    Lever,
    Parameter,
    Reference,
    Setting,
    Target,
    written_settings,
)
from flowreform.case.uncertainty import Uncertainty
from flowreform.errors import Finding, Level, ModelError
from flowreform.model import Model
from flowreform.toml import Document, parse, parse_tables, read_document, required_table, unknown_keys

__all__ = [
    "About",
    "Case",
    "Chart",
    "Check",
    "Exogenous",
    "Gate",
    "Kpi",
    "Lever",
    "Observation",
    "Parameter",
    "Reference",
    "Setting",
    "Target",
    "Uncertainty",
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
    "fit",
    "workbook",
)


def case_path(model: Model) -> Path | None:
    """Where the case file of a model would be: the same name with `.toml`."""
    return model.path.with_suffix(".toml") if model.path else None


def read_case(model: Model) -> Case | None:
    """The case file beside a model, checked against it; None when there is none.

    `model.xmile` has `model.toml`. A file of that name that holds an experiment is not a case file. Raises ModelError with
    all faults of the case file and of `reference.csv` at once.
    """
    path = case_path(model)
    if path is None or not path.is_file():
        return None
    document = read_document(path, ModelError)
    if "experiment" in document.table:
        return None
    findings: list[Finding] = []
    series = path.with_name("reference.csv")
    observations = read_observations(series, findings) if series.is_file() else ()
    case = build_case(document, model, findings, observations, path)
    if case is None or any(finding.level is Level.ERROR for finding in findings):
        raise ModelError(findings)
    return case


def build_case(
    document: Document,
    model: Model,
    findings: list[Finding],
    observations: tuple[Observation, ...] = (),
    path: Path | None = None,
) -> Case | None:
    """The case in a TOML document; every fault is added to `findings`. None when there is no usable `[case]`."""
    unknown_keys(document, KEYS, findings)
    about = parse(About, required_table(document, "case", "title and question", findings), document, ("case",), findings)
    charts: list[Chart] = []
    raw_charts = document.table.get("charts", [])
    if isinstance(raw_charts, list):
        parsed = (parse(Chart, raw, document, ("charts", at), findings) for at, raw in enumerate(raw_charts))
        charts = [chart for chart in parsed if chart is not None]
    else:
        findings.append(document.fault("schema", ("charts",), "a list of tables is needed here", "write [[charts]]"))
    calendar = None
    if "calendar" in document.table:
        table = parse(CalendarTable, document.table["calendar"], document, ("calendar",), findings)
        if table is not None:
            calendar = Calendar(table.origin, table.time_unit, table.year_starts, table.year_named_by, model.specs.start)
    case = Case(
        about=about or About(title="", question=""),
        calendar=calendar,
        levers=parse_tables(Lever, document, "levers", findings),
        uncertainties=parse_tables(Uncertainty, document, "uncertainties", findings),
        parameters=parse_tables(Parameter, document, "parameters", findings),
        exogenous=parse_tables(Exogenous, document, "exogenous", findings),
        kpis=parse_tables(Kpi, document, "kpis", findings),
        reference=parse_tables(Reference, document, "reference", findings),
        targets=parse_tables(Target, document, "targets", findings),
        gates=parse_tables(Gate, document, "gates", findings),
        charts=tuple(charts),
        settings=parse_tables(Setting, document, "settings", findings),
        observations=observations,
        path=path,
        sha256=document.sha256,
        document=document,
    )
    checked = check_case(case, model, document, findings)
    if about is None:
        return None
    return replace(checked, findings=tuple(finding for finding in findings if finding.level is Level.WARNING))
