"""The inputs of a live workbook: the raw cells of Inputs and Scenarios, and the selector of Control.

Found by what is printed there: on Inputs the header row `Name ... Value`, on Scenarios the header row `Name ... Unit` with the
scenarios' names in the row above it (those over `as exported` are a copy), on Control the row `Scenario`, on Provenance the
rows `model sha256`, `experiment sha256`, `dt`. The column `Active value` is worked out by the sheet, so it is stale after an
edit by a program that does not recalculate: it is never read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from flowreform.errors import ExperimentError, Finding, did_you_mean, error, shorten
from flowreform.experiment import Experiment, Points, Scenario, Setting
from flowreform.export.roundtrip.cells import Cell, Formula, Sheets, place
from flowreform.model import Model
from flowreform.names import Named, base_values, element_names, split

INPUTS, SCENARIOS, CONTROL, PROVENANCE = "Inputs", "Scenarios", "Control", "Provenance"
NAME, VALUE, UNIT, COPY, OVER_TIME = "Name", "Value", "Unit", "as exported", "over time"
"""Words printed on the sheets."""


@dataclass(frozen=True)
class Raw:
    """One cell that a person may change: where it stands and what is in it."""

    sheet: str
    cell: Cell
    content: Any
    formula: Formula | None = None

    @property
    def place(self) -> str:
        """`Inputs!C8`."""
        return place(self.sheet, self.cell)


@dataclass(frozen=True)
class Given:
    """What the sheets say: the value of every input by name, the settings of every scenario, and the scenario chosen."""

    values: Mapping[str, float]
    settings: Mapping[str, Mapping[str, Setting]]
    chosen: str
    places: Mapping[str, str]

    def changed(self, experiment: Experiment) -> list[tuple[str, str, object, object]]:
        """Cells that are not as the model and the experiment have them: place, name, old, new; None for an empty cell."""
        found: list[tuple[str, str, object, object]] = []
        for name, base in bases(experiment.model).items():
            if name in self.values and self.values[name] != base:
                found.append((self.places[name], name, base, self.values[name]))
        for scenario, table in self.settings.items():
            own = experiment.scenarios[scenario].settings
            for name in bases(experiment.model):
                old, new = own.get(name, own.get(split(name)[0])), table.get(name)
                if old != new and not isinstance(old, Points):
                    found.append((self.places[f"{scenario}\0{name}"], f"{name} in {scenario}", old, new))
        return found


def facts(sheets: Sheets) -> dict[str, Any]:
    """What Provenance says, by the keys of `results.provenance`. Raises ExperimentError where it is no live workbook."""
    if not {INPUTS, SCENARIOS, CONTROL, PROVENANCE} <= set(sheets.names):
        missing = ", ".join(name for name in (INPUTS, SCENARIOS, CONTROL, PROVENANCE) if name not in sheets.names)
        reason = f"this is no live workbook of flowreform: it has no sheet {missing}"
        raise ExperimentError(
            error("no-workbook", reason, "give one that `flowreform export -o FILE.xlsx` wrote", file=sheets.file)
        )
    found = {}
    for row in sheets.grid(PROVENANCE).rows:
        if row and isinstance(row[0], str) and row[0].strip():
            key, value = row[0].strip(), row[1] if len(row) > 1 else ""
            found[key if key in ("dt of the model",) else key.replace(" ", "_")] = value
    return found


def given(sheets: Sheets, experiment: Experiment) -> Given:
    """The inputs as they stand. Raises ExperimentError with every fault: what is missing, unknown, twice there, empty, text, a
    formula that refers to other cells, or outside its range."""
    findings: list[Finding] = []
    names = bases(experiment.model)
    raw = _column(sheets, names, findings)
    values, places = {}, {}
    for name, cell in raw.items():
        places[name] = cell.place
        number = _number(cell, name, experiment.model, findings, sheets.file)
        if number is not None:
            values[name] = number
    for name in names:
        if name not in raw:
            reason = f"the input is missing: no row of {INPUTS} has this name"
            findings.append(error("missing-input", reason, "put its row back, or export anew", file=sheets.file, element=name))
    labels: dict[str, str] = {}
    settings: dict[str, dict[str, Setting]] = {}
    for scenario, label, cells in _scenarios(sheets, experiment, findings):
        labels[scenario], table = label, settings.setdefault(scenario, {})
        own = experiment.scenarios[scenario].settings
        for name, cell in cells.items():
            places[f"{scenario}\0{name}"] = cell.place
            points = own.get(name, own.get(split(name)[0]))
            if isinstance(points, Points):
                if cell.content != OVER_TIME:
                    reason = "this setting varies over time, and the workbook cannot change it"
                    repair = f'write "{OVER_TIME}" again, and change it in the experiment'
                    findings.append(error("over-time", reason, repair, file=sheets.file, element=f"{cell.place} {name}"))
                table[name] = points
            elif cell.content != "" and cell.content is not None:
                number = _number(cell, name, experiment.model, findings, sheets.file)
                if number is not None:
                    table[name] = number
    chosen = _selector(sheets, labels, findings)
    if findings:
        raise ExperimentError(findings)
    return Given(values, settings, chosen, places)


def as_given(experiment: Experiment, found: Given, *, drawn: bool = False) -> Experiment:
    """One scenario of the experiment, the chosen one, with the inputs of the workbook; one run unless `drawn`."""
    names = bases(experiment.model)
    settings: dict[str, Setting] = {name: value for name, value in found.values.items() if value != names[name]}
    settings |= found.settings[found.chosen]
    scenario = Scenario(found.chosen, experiment.scenarios[found.chosen].label, MappingProxyType(settings))
    one = replace(experiment, scenarios=MappingProxyType({found.chosen: scenario}), baseline=found.chosen)
    return one if drawn else replace(one, draws=1, uncertainties=MappingProxyType({}))


def step_of(told: Mapping[str, Any], experiment: Experiment) -> float:
    """The step of the workbook, in the model's time unit; the model's own where Provenance does not say it."""
    dt = told.get("dt")
    return float(dt) if isinstance(dt, int | float) and not isinstance(dt, bool) and dt > 0 else experiment.dt


def bases(model: Model) -> dict[str, float]:
    """Every element of every parameter by its full name, with the number that the model gives it."""
    found: dict[str, float] = {}
    for base, variable in model.parameters.items():
        names = element_names(model, variable)
        values = base_values(model, Named(base, variable))
        if len(values) == len(names):
            found.update(zip(names, values, strict=True))
    return found


# --- finding cells ---------------------------------------------------------------------------------------------------


def _column(sheets: Sheets, names: Mapping[str, float], findings: list[Finding]) -> dict[str, Raw]:
    """The raw value of every input by name."""
    grid = sheets.grid(INPUTS)
    rows, formulas = grid.rows, grid.formulas
    head = next((i for i, row in enumerate(rows) if row[:1] == [NAME] and VALUE in row and "Active value" in row), None)
    if head is None:
        reason = f'there is no header row "{NAME} ... {VALUE} ... Active value"'
        findings.append(error("no-header", reason, "put it back, or export anew", file=sheets.file, element=INPUTS))
        return {}
    column = rows[head].index(VALUE)
    found: dict[str, Raw] = {}
    for at, row in enumerate(rows[head + 1 :], head + 1):
        name = str(row[0]).strip()
        if not name or name == "Worked out from the inputs":
            if any(str(part).strip() for part in row) and not name:
                continue
            break
        cell = (at + 1, column + 1)
        where = place(INPUTS, (at + 1, 1))
        if name not in names:
            hint = did_you_mean(name, names) or "the workbook is of another model, or the name was changed"
            findings.append(
                error("unknown-input", "the model has no such input", hint, file=sheets.file, element=f"{where} {name}")
            )
        elif name in found:
            reason = f"the input stands here already, at {found[name].place}"
            findings.append(error("duplicate", reason, "keep one row", file=sheets.file, element=f"{where} {name}"))
        else:
            found[name] = Raw(INPUTS, cell, row[column], formulas.get(cell))
    return found


def _scenarios(sheets: Sheets, experiment: Experiment, findings: list[Finding]) -> list[tuple[str, str, dict[str, Raw]]]:
    """Name, label and cells by input of every scenario."""
    grid = sheets.grid(SCENARIOS)
    rows, formulas = grid.rows, grid.formulas
    head = next((i for i, row in enumerate(rows) if i and row[:1] == [NAME] and UNIT in row), None)
    if head is None:
        reason = f'there is no header row "{NAME} ... {UNIT}"'
        findings.append(error("no-header", reason, "put it back, or export anew", file=sheets.file, element=SCENARIOS))
        return []
    found: list[tuple[str, str, dict[str, Raw]]] = []
    inputs = [(at, str(row[0]).strip()) for at, row in enumerate(rows[head + 1 :], head + 1) if str(row[0]).strip()]
    for column in range(rows[head].index(UNIT) + 1, len(rows[head])):
        name, label = str(rows[head - 1][column]).strip(), str(rows[head][column]).strip()
        if not name or label == COPY:
            continue
        if name not in experiment.scenarios or name in {other for other, _, _ in found}:
            hint = did_you_mean(name, experiment.scenarios) or f"scenarios are {', '.join(experiment.scenarios)}"
            where = place(SCENARIOS, (head, column + 1))
            reason = (
                "the experiment has no such scenario" if name not in experiment.scenarios else "the scenario stands here twice"
            )
            findings.append(error("unknown-scenario", reason, hint, file=sheets.file, element=f"{where} {name}"))
            continue
        cells = {
            text: Raw(SCENARIOS, (at + 1, column + 1), rows[at][column], formulas.get((at + 1, column + 1)))
            for at, text in inputs
        }
        found.append((name, label, cells))
    for name in experiment.scenarios:
        if name not in {other for other, _, _ in found} and not any(item.element.endswith(f" {name}") for item in findings):
            reason = "the scenario is missing: no column has its name"
            findings.append(error("missing-scenario", reason, "put it back, or export anew", file=sheets.file, element=name))
    return found


def _selector(sheets: Sheets, labels: Mapping[str, str], findings: list[Finding]) -> str:
    """The name of the scenario that Control has chosen, by its label."""
    rows = sheets.grid(CONTROL).rows
    row = next((row for row in rows if row[:1] == ["Scenario"]), None)
    text = next((str(part).strip() for part in (row or [])[1:] if str(part).strip()), "")
    chosen = next((name for name, label in labels.items() if label.casefold() == text.casefold()), "")
    if not chosen:
        reason = f'"{shorten(text)}" is no scenario of this workbook' if text else "no scenario is chosen"
        hint = did_you_mean(text, labels.values()) or f"choose one of {', '.join(labels.values())}"
        findings.append(error("selector", reason, hint, file=sheets.file, element=f"{CONTROL}: Scenario"))
    return chosen


def _number(cell: Raw, name: str, model: Model, findings: list[Finding], file: str) -> float | None:
    """The number in a cell; None, and a finding, when there is none that can be used."""

    def refuse(rule: str, reason: str, repair: str) -> float | None:
        findings.append(error(rule, reason, repair, file=file, element=f"{cell.place} {name}"))
        return None

    content = cell.content
    if cell.formula is not None and not cell.formula.only_numbers:
        return refuse(
            "formula", "the cell holds a formula that refers to other cells, and its value may be stale", "write the number"
        )
    if content == "" or content is None:
        return refuse("empty", "the value is missing", f"write a number; the model has {bases(model)[name]:g}")
    if isinstance(content, bool) or not isinstance(content, int | float):
        shown = shorten(str(content), 40)
        comma = isinstance(content, str) and content.replace(",", ".", 1).replace(".", "", 1).strip("-+ ").isdigit()
        return refuse("text", f'"{shown}" is not a number', "write a decimal point, as a number" if comma else "write a number")
    number = float(content)
    low, high = model.variables[split(name)[0]].range
    if number - number != 0 or (low is not None and number < low) or (high is not None and number > high):
        span = f"{'-' if low is None else f'{low:g}'} to {'-' if high is None else f'{high:g}'}"
        unit = model.variables[split(name)[0]].units or ""
        return refuse("range", f"{number:g} is outside the range {span} {unit}".rstrip(), "write a value inside it")
    return number
