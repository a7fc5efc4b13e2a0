"""`summary.md`: the question, what was compared, the KPIs, the differences, what to beware of, and where it all comes from.

The same experiment, files and versions give the same bytes: there is no clock and no path in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from flowreform.errors import Finding
from flowreform.export.panels import course
from flowreform.export.tables import alone, by_kpi, heading, spread
from flowreform.kpi import contrast, summary
from flowreform.text import cell, markdown, number, short, shown_unit

if TYPE_CHECKING:
    from xarray import Dataset

    from flowreform.case.uncertainty import Uncertainty
    from flowreform.experiment import Experiment
    from flowreform.experiment.settings import Scenario


def distribution(item: Uncertainty) -> str:
    """`triangular(low 0.3, mode 0.5, high 0.8) month`."""
    parts = []
    for key in item.kind.needs():
        value = getattr(item, key)
        parts.append(f"{key} {' or '.join(map(number, value)) if isinstance(value, tuple) else number(value)}")
    return f"{item.distribution}({', '.join(parts)}) {item.unit}"


# --- `summary.md` ----------------------------------------------------------------------------------------------------


WORDS = {"lower": "lower is better", "higher": "higher is better"}

PROVENANCE = {
    "command": "command",
    "model": "model",
    "model_sha256": "model file (SHA-256)",
    "case_sha256": "case file (SHA-256)",
    "experiment": "experiment",
    "experiment_sha256": "experiment file (SHA-256)",
    "method": "method",
    "dt": "dt",
    "engine": "engine",
    "draws": "draws",
    "design": "design",
    "seed": "seed",
    "versions": "versions",
}


def summary_text(
    kpis: Dataset, experiment: Experiment, warnings: Iterable[str], attributes: Mapping[str, object], ds: Dataset | None = None
) -> str:
    """The whole summary; `attributes` are the provenance of the results. One run `ds` without KPIs is shown by its stocks."""
    parts = [f"# {cell(experiment.title or experiment.name)}\n", f"{cell(experiment.question)}\n" if experiment.question else ""]
    parts += [_start(experiment)] if experiment.system else []
    parts += [_size(experiment), _scenarios(experiment), _results(kpis, experiment)]
    if ds is not None and experiment.runs == 1 and not kpis.data_vars:
        heads, rows = course(ds, experiment)
        parts.append("## Results\n\n" + markdown(heads, rows, right=frozenset(range(2, len(heads)))))
    if len(experiment.scenarios) > 1:
        parts.append(_differences(kpis, experiment))
    parts += [_uncertainties(experiment), _warnings(warnings), _provenance(attributes)]
    return "\n".join(part for part in parts if part)


def warning_lines(findings: Iterable[object]) -> tuple[str, ...]:
    """Findings as lines without the folders of their files."""
    lines = []
    for finding in findings:
        if isinstance(finding, Finding):
            place = finding.file.replace("\\", "/").rpartition("/")[2]
            where = f"{place}:{finding.line}: " if finding.line else f"{place}: " if place else ""
            lines.append(f"{where}{finding.element + ': ' if finding.element else ''}{finding.reason}")
        else:
            lines.append(str(finding))
    return tuple(lines)


def _start(experiment: Experiment) -> str:
    """The start of the system that was entered, beside what was counted: what a reader must believe before the rest."""
    from flowreform.analyse.start import ALL_AGREE, HEADS, OPEN, start

    found = start(experiment, movers=False)
    system = found.system
    assert system is not None
    rows = [[label, text, source, note] for (_, label, text, note), source in
            zip(found.entered(), (item.source for item in system.entries.values()), strict=True)]  # fmt: skip
    text = f"## The start of {cell(system.name or 'the system')}\n\n"
    text += markdown(["counted", "entered", "source", "note"], rows, right=False) + "\n"
    text += f"{len(system.blanks)} fields are left blank and take the national value, put to the size of the system.\n\n"
    text += markdown(["what it comes to", *HEADS[1:-1], "note"], [list(row) for row in found.rows()]) + "\n"
    return text + "".join(f"- {OPEN} {cell(line.said)}\n" for line in found.open) + (
        "" if found.open else f"{ALL_AGREE}\n")  # fmt: skip


def _size(experiment: Experiment) -> str:
    scenarios, draws = len(experiment.scenarios), experiment.draws
    if experiment.runs == 1:
        return "One run of the model.\n"
    text = (
        f"{_count(scenarios, 'scenario')} x {_count(draws, 'draw')} of {_count(len(experiment.uncertainties), 'uncertain input')}"
    )
    shared = " Scenarios share their draws." if scenarios > 1 and draws > 1 else ""
    return f"{text}: {_count(experiment.runs, 'run')}.{shared}\n"


def _count(many: int, word: str) -> str:
    return f"{many:,} {word}{'' if many == 1 else 's'}"


def _scenarios(experiment: Experiment) -> str:
    rows = [[scenario.label + (" (baseline)" if name == experiment.baseline else ""), _settings(scenario, experiment)]
            for name, scenario in experiment.scenarios.items()]  # fmt: skip
    return "## Scenarios\n\n" + markdown(["scenario", "what it sets"], rows, right=False)


def _settings(scenario: Scenario, experiment: Experiment) -> str:
    return (
        "; ".join(f"{name} = {setting_text(name, value, experiment)}" for name, value in scenario.settings.items()) or "nothing"
    )


def setting_text(name: str, value: object, experiment: Experiment) -> str:
    """What a parameter is set to, with its unit: a number, or how it moves."""
    from flowreform.experiment.settings import Points
    from flowreform.names import split

    unit = shown_unit(experiment.model[split(name)[0]].units or "")
    if isinstance(value, Points):
        text = ", ".join(f"{number(y)} at {number(x, 6)}" for x, y in zip(value.times, value.values, strict=True))
    else:
        text = number(float(value)) if isinstance(value, int | float) else str(value)
    return f"{text} {unit}".strip()


def _results(kpis: Dataset, experiment: Experiment) -> str:
    table = by_kpi(summary(alone(kpis)))
    if not table:
        return ""
    names = list(experiment.scenarios)
    header = ["KPI", *(short(experiment.scenarios[name].label) for name in names)]
    rows = [[_about(next(iter(of.values()))), *(spread(of[name]) for name in names)] for of in table.values()]
    middle = "Median (10th to 90th percentile) of the draws; runs without a number are counted beside it.\n\n"
    return "## Results\n\n" + (middle if experiment.draws > 1 else "") + markdown(header, rows)


def _about(row: object) -> str:
    from flowreform.kpi import KpiRow

    assert isinstance(row, KpiRow)
    word = WORDS.get(row.better)
    return heading(row) + (f", {word}" if word else "")


def _differences(kpis: Dataset, experiment: Experiment) -> str:
    table = by_kpi(summary(contrast(kpis, baseline=experiment.baseline)))
    if not table:
        return ""
    label = short(experiment.scenarios[experiment.baseline].label)
    names = [name for name in experiment.scenarios if name != experiment.baseline]
    rows = []
    for of in table.values():
        cells = []
        for name in names:
            row = of[name]
            better = (
                f", better in {100 * row.better_share:.0f} % of draws" if row.better_share is not None and row.count > 1 else ""
            )
            cells.append(spread(row, signed=True) + better)
        rows.append([_about(next(iter(of.values()))), *cells])
    header = ["difference", *(short(experiment.scenarios[name].label) for name in names)]
    middle = "Median (10th to 90th percentile) of the differences. " if experiment.draws > 1 else ""
    how = f'{middle}Each draw is compared with the same draw of "{cell(label)}"; + is more than there.\n\n'
    return f'## Against "{cell(label)}"\n\n' + how + markdown(header, rows)


def _uncertainties(experiment: Experiment) -> str:
    rows = [[item.label or name.replace("_", " "), distribution(item), item.source, item.status]
            for name, item in experiment.uncertainties.items()]  # fmt: skip
    if not rows:
        return ""
    text = "## Uncertain inputs\n\n" + markdown(["input", "distribution", "source", "status"], rows, right=False)
    if experiment.correlations:
        pairs = [[*item.between, number(item.rank_correlation), item.source, item.status] for item in experiment.correlations]
        text += "\n" + markdown(["input", "moves with", "rank correlation", "source", "status"], pairs, right=False)
    return text


def _warnings(warnings: Iterable[str]) -> str:
    lines = [f"- {cell(line)}" for line in warnings]
    return "## Warnings\n\n" + ("\n".join(lines) if lines else "None.") + "\n"


def _provenance(attributes: Mapping[str, object]) -> str:
    rows = []
    for key, label in PROVENANCE.items():
        value = attributes.get(key)
        if value is not None and value != "":
            rows.append([label, f"{value:g}" if isinstance(value, float) else str(value)])
    return "## Where this comes from\n\n" + markdown(["what", "value"], rows, right=False)
