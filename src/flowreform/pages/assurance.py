"""The assurance log of an experiment as Markdown: a STRESS-SD checklist, what was checked, and what those who decide ask for.

A line is filled where a file or a run of this very log says it; elsewhere it reads "for a person: ...". What was not run is not
claimed. STRESS-SD: Monks and others (2019), Journal of Simulation 13(1), 55-67. The log follows the roles of the AQuA Book (HM
Treasury): author, reviewer, senior responsible owner."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence

from flowreform import __version__
from flowreform.analyse.assessment import Assessment
from flowreform.case.tables import Case
from flowreform.errors import Finding, Level
from flowreform.experiment import Experiment
from flowreform.export.summary import distribution
from flowreform.model import Role
from flowreform.pages.found import money_of
from flowreform.text import cell, markdown, short

PERSON = "for a person: "


def assurance(experiment: Experiment, findings: Sequence[Finding], result: Assessment | None, why_not: str = "") -> str:
    """The log. `findings` are those of `fr.check`; `result` what `fr.assess` gave, None where it was not run, `why_not` why."""
    parts = [
        f"# Assurance log: {cell(experiment.title or experiment.name)}\n",
        f"{cell(experiment.question)}\n" if experiment.question else "",
        _table("Who answers for it", ("role", "name", "date"), [(role, PERSON + "name", PERSON + "date") for role in ROLES]),
        _table("Reporting checklist (STRESS-SD)", ("item", "what is asked", "answer"), _stress(experiment)),
        _table(
            "Verification: is the model built as intended?", ("what", "found"), _verified(experiment, findings, result, why_not)
        ),
        _table("Validation: is it the right model?", ("what", "found"), _validated(experiment, result, why_not)),
        _table("Inputs without a published source", ("input", "drawn from", "status"), _assumed(experiment)),
        _table("What decision-makers ask for", ("question", "where it stands"), _asked(experiment)),
    ]
    return "\n".join(part for part in parts if part)


ROLES = ("Author", "Reviewer, independent of the author", "Senior responsible owner")


def _table(title: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return f"## {title}\n\n" + markdown(heads, rows, right=False) if rows else ""


def _stress(experiment: Experiment) -> list[tuple[str, str, str]]:
    model, case = experiment.model, experiment.case
    about = case.about if case else None
    roles = {role: sum(variable.role is role for variable in model) for role in Role}
    specs = model.specs
    data = f"{len(case.observations)} observed values in {len({row.series for row in case.observations})} series" if case else ""
    unit = specs.time_unit
    parameters = len({*experiment.uncertainties, *(case.parameters if case else ()), *(case.levers if case else ())})
    size = ", ".join(f"{count} {_plural(role.value, count)}" for role, count in roles.items() if count)
    rows = [
        ("1.1", "Purpose", experiment.question or (about.question if about else "") or PERSON + "state the question"),
        ("1.2", "Outputs", f"{len(experiment.kpis)} KPIs, defined in the case and the experiment"),
        ("1.3", "Aims of the experiment", f"{len(experiment.scenarios)} scenarios against {_base(experiment)}"),
        ("2.1", "Overview diagram", f"flowreform diagram {model.name} -o {model.name}.html"),
        ("2.2", "Logic of the model", f"the equations of {model.name}, {size}"),
        ("2.3", "Logic of the scenarios", "; ".join(short(item.label) for item in experiment.scenarios.values())),
        ("2.4", "Algorithms", f"{specs.method.value}, step {experiment.dt:g} {unit}"),
        ("2.5", "Components", f"every variable with its unit: flowreform show {model.name}"),
        ("3.1", "Data sources", data or PERSON + "name them"),
        ("3.2", "Input parameters", f"{parameters} with source and status, {len(experiment.uncertainties)} of them drawn"),
        ("3.3", "Preparation of data", PERSON + "say how counted numbers became inputs"),
        ("3.4", "Assumptions", (about.boundary if about else "") or PERSON + "say what is inside and outside"),
        ("4.1", "Start", PERSON + "say whether the start is a steady state that was ever observed"),
        ("4.2", "Run length", f"{unit} {experiment.start:g} to {experiment.run_stop:g}"),
        ("4.3", "Estimation", _estimation(experiment)),
        ("5.1", "Software", f"flowreform {__version__}, Python {platform.python_version()}"),
        ("5.2", "Random sampling", _sampling(experiment)),
        ("5.3", "Execution", f"flowreform run {experiment.name}"),
        ("5.4", "System", PERSON + "name the machine where its speed matters"),
        ("6.1", "Access", f"model SHA-256 {model.sha256}; " + PERSON + "say where the files can be had"),
    ]
    return [(item, asked, cell(answer)) for item, asked, answer in rows]


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word.removesuffix('y')}ies" if word.endswith("y") else f"{word}s"


def _base(experiment: Experiment) -> str:
    return short(experiment.scenarios[experiment.baseline].label)


def _estimation(experiment: Experiment) -> str:
    fit = experiment.case.fit if experiment.case else None
    if experiment.ensemble is not None:
        return f"{len(experiment.ensemble.names)} inputs drawn from a posterior that has seen the data"
    return f"{len(fit.parameters)} parameters fitted to observed series" if fit else "nothing is fitted"


def _sampling(experiment: Experiment) -> str:
    if experiment.draws < 2:
        return "none: one run with base values"
    return f"{experiment.draws:,} draws, {experiment.design.replace('_', ' ')}, seed {experiment.seed}, shared by all scenarios"


def _verified(
    experiment: Experiment, findings: Sequence[Finding], result: Assessment | None, why_not: str
) -> list[tuple[str, str]]:
    errors = sum(item.level is Level.ERROR for item in findings)
    rows = [("Names, units, loops, delays against the step", f"{errors} errors, {len(findings) - errors} warnings")]
    for tool, label in (("pysd", "PySD"), ("pysimlin", "pysimlin")):
        rows.append((f"The same by another simulator: {label}", _witness(result, tool, why_not)))
    rows.append(("Conservation and other laws", f"not run here: flowreform assess {experiment.model.name} --battery"))
    rows.append(("Equations read by somebody who did not write them", PERSON + "name and date"))
    return [(what, cell(found)) for what, found in rows]


def _witness(result: Assessment | None, tool: str, why_not: str) -> str:
    if result is None:
        return f"not run: {why_not}"
    rows = [row for row in result.rows if row.kind == "witness" and tool in f"{row.name} {row.label} {row.wanted}".lower()]
    if not rows:
        return "not run"
    wrong = [row for row in rows if not row.ok]
    return f"{len(rows) - len(wrong)} of {len(rows)} comparisons agree" + (f"; {wrong[0].note}" if wrong else "")


def _validated(experiment: Experiment, result: Assessment | None, why_not: str) -> list[tuple[str, str]]:
    if result is None:
        rows = [("Targets and gates", f"not run: {why_not}")]
    else:
        passed, total = result.counted
        gates = [row for row in result.rows if row.kind == "gate"]
        rows = [("Targets", f"{passed} of {total} pass")]
        rows += [(f"Target missed: {row.label or row.name}", row.note or row.verdict) for row in result.rows
                 if row.kind == "target" and row.verdict not in ("pass", "given")]  # fmt: skip
        rows.append(("Gates", f"{sum(row.ok for row in gates)} of {len(gates)} behave as they must when a mechanism is off"))
    rows.append(("Conclusions against the draws", f"not run here: flowreform report {experiment.name} -o report.html"))
    rows.append(("Those who run the system recognise it", PERSON + "who, when, what they said"))
    return [(cell(what), cell(found)) for what, found in rows]


def _assumed(experiment: Experiment) -> list[tuple[str, str, str]]:
    return [
        (cell(item.label or name.replace("_", " ")), cell(distribution(item)), item.status)
        for name, item in experiment.uncertainties.items()
        if item.status in ("assumption", "recalled")
    ]


def _asked(experiment: Experiment) -> list[tuple[str, str]]:
    return [(asked, cell(where)) for asked, where in requirements(experiment, experiment.case)]


def requirements(experiment: Experiment, case: Case | None) -> Iterator[tuple[str, str]]:
    """What service-change guidance, finance and the Green Book ask of such a model, and where the report answers it.

    Where it does not, the line says what a person has to bring."""
    money = "report, money by year" if money_of(experiment) else PERSON + "the case names no lines of money"
    options = len(experiment.scenarios)
    compared = "report, the options side by side, paired with the baseline run by run"
    planning = experiment.case.planning if experiment.case else None
    lines = "report, line by line" if planning and planning.lines else money
    series = "report, courses over time, where the case charts it; the workbook has every series"
    yield (
        "Alternative provision in place alongside or ahead of closure",
        "report, places before beds" if planning and planning.places else series,
    )
    yield (
        "The workforce is there to deliver it",
        "report, staff in post against needed" if planning and planning.staff else series,
    )
    yield "New treatment cuts a category of admissions", "workbook, yearly sheet; " + PERSON + "name the cause and the source"
    yield "Beds used as efficiently as the national average", PERSON + "the national figures are not part of the model"
    yield "Care not worse for patients", compared
    yield "Engagement, choice, clinical evidence, commissioner support", PERSON + "four boxes; no model result"
    yield "Affordable in capital and revenue", money
    yield "Double running shown apart and limited in time", money
    yield (
        "Source and end of transitional funding",
        ("report, the fund" if planning and planning.fund else money) + "; " + PERSON + "name who pays",
    )
    yield "Stranded cost and how it is removed", money
    yield "Cash-releasing apart from not; recurrent apart from not", lines + "; " + PERSON + "confirm which line is cash"
    yield "Options against business as usual", compared if options > 1 else PERSON + "there is one scenario only"
    yield "Net present social cost with stated rate and price year", _npc(experiment, case)
    yield "Optimism bias", PERSON + "no uplift is applied; add one to capital and time"
    yield "Sensitivity and switching values", "report, which way it could turn"
    yield "Distribution: who gains, who loses", PERSON + "the report adds up places, ages and groups; say who gains and who loses"
    yield "Effect on social care", lines if planning and planning.lines else series
    yield "Capital case aligned with the service case", PERSON + "compare years and bed numbers of the two"
    yield "Deliverability and risks", PERSON + "gates and what happens when one is not met"
    yield "Bed model and assumptions open to review", "report, inputs with source and status, what is not in the ranges"
    paths = "report, paths to compare with, year by year; " if planning and planning.paths else ""
    yield "Benefits realisation", paths + PERSON + "name baseline, date and owner of each measure"


def _npc(experiment: Experiment, case: Case | None) -> str:
    found = [kpi.label for kpi in experiment.kpis.values() if "present" in kpi.label.lower()]
    if not found:
        return PERSON + "no KPI is a present value"
    base = f", prices of {case.about.price_base}" if case and case.about.price_base else ""
    return f"report, the options side by side: {found[0]}{base}"


__all__ = ["assurance", "requirements"]
