"""The inputs of a live workbook: the raw cells of Inputs and Scenarios, and the selector of Control.

Found by what is printed there: on Inputs the header row `Name ... Value`, on Scenarios the header row `Name ... Unit` with the
scenarios' names in the row above it (those over `as exported` are a copy), on Control the row `Scenario`, on Provenance the
rows `model sha256`, `experiment sha256`, `dt`. The column `Active value` is worked out by the sheet, so it is stale after an
edit by a program that does not recalculate: it is never read.
"""

from __future__ import annotations

import hashlib
import os
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any

from flowreform.errors import ExperimentError, Finding, did_you_mean, error, shorten, warning
from flowreform.experiment import Experiment, Points, Scenario, Setting, experiment_of, read_experiment, with_settings
from flowreform.experiment.options import read_settings, with_options
from flowreform.export.roundtrip.cells import Cell, Formula, Sheets, place, read_sheets
from flowreform.files import open_plain
from flowreform.formats import VENSIM_SUFFIXES, XMILE_SUFFIXES, Kind, bundled, read_model
from flowreform.model import Model
from flowreform.names import Named, base_values, element_names, split
from flowreform.text import as_number, as_whole
from flowreform.toml import MAX_BYTES

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
        comma = isinstance(content, str) and as_number(content.replace(",", ".", 1)) is not None
        return refuse("text", f'"{shown}" is not a number', "write a decimal point, as a number" if comma else "write a number")
    number = float(content)
    low, high = model.variables[split(name)[0]].range
    if number - number != 0 or (low is not None and number < low) or (high is not None and number > high):
        span = f"{'-' if low is None else f'{low:g}'} to {'-' if high is None else f'{high:g}'}"
        unit = model.variables[split(name)[0]].units or ""
        return refuse("range", f"{number:g} is outside the range {span} {unit}".rstrip(), "write a value inside it")
    return number


# --- the files a result was made from --------------------------------------------------------------------------------


MODELS = (*XMILE_SUFFIXES, *VENSIM_SUFFIXES)
MOST_FILES, DEEPEST = 20_000, 3
"""Files looked at, and levels of folders."""
MOST_MODEL_BYTES = 50_000_000


@dataclass(frozen=True, slots=True)
class Told:
    """What the command that made a result said beside the name: keys over [experiment], and settings for every scenario."""

    options: Mapping[str, Any]
    settings: tuple[str, ...]
    engine: str = "auto"


@dataclass(frozen=True)
class ResultOrigin:
    """The experiment that a result was made from, before the command's options; whether its case file is still the same."""

    experiment: Experiment
    told: Told
    same_case: bool


def find_origin(facts: Mapping[str, Any], file: Path) -> ResultOrigin:
    """The experiment behind a result with these facts (`results.provenance`), looked for among the bundled ones, and in and
    under the result's folder, the folder above it and the present one.

    Raises ExperimentError where it is not there, or has changed since."""
    model_hash, experiment_hash = str(facts.get("model_sha256") or ""), str(facts.get("experiment_sha256") or "")
    if len(model_hash) != 64:
        reason = "it does not say which model it was made from"
        raise ExperimentError(error("no-origin", reason, "give a file that flowreform wrote", file=str(file)))
    if experiment_hash:
        path = _wanted(experiment_hash, str(facts.get("experiment", "")), "experiments", file, (".toml", ".xlsx"), MAX_BYTES)
        found = read_experiment(path)
    else:
        path = _wanted(model_hash, str(facts.get("model", "")), "models", file, MODELS, MOST_MODEL_BYTES)
        found = experiment_of(read_model(path))
    if found.model.sha256 != model_hash:
        raise ExperimentError(_changed("model", found.model.name, model_hash, found.model.sha256, file))
    case_hash = str(facts.get("case_sha256") or "")
    said = told(str(facts.get("command", "")))
    seed = as_whole(str(facts.get("noise_seed", "")))
    if seed is not None:  # a call from Python leaves no command
        said = replace(said, options={**said.options, "noise_seed": seed})
    return ResultOrigin(found, said, (found.case.sha256 if found.case else "") == case_hash)


def _wanted(digest: str, name: str, kind: Kind, file: Path, suffixes: Sequence[str], most: int) -> Path:
    """The file with these bytes. A file of the same name and other bytes is named in the message."""
    alike = ""
    seen: set[Path] = set()
    for path in _candidates(kind, file, suffixes):
        if path in seen:
            continue
        seen.add(path)
        try:
            if not path.is_file() or path.stat().st_size > most:
                continue
            with open_plain(path, follow=True) as handle:
                found = hashlib.file_digest(handle, "sha256").hexdigest()
        except OSError:
            continue
        if found == digest:
            return path
        if name and name in (path.stem, path.parent.name if path.stem == "model" else path.stem):
            alike = alike or found
    word = kind.removesuffix("s")
    if alike:
        raise ExperimentError(_changed(word, name, digest, alike, file))
    reason = f'the {word} "{name}" that it was made from (SHA-256 {digest[:12]}...) is neither bundled nor beside it'
    repair = f"put the {word} file beside it, or go to the folder that holds it"
    raise ExperimentError(error("no-origin", reason, repair, file=str(file)))


def _changed(word: str, name: str, was: str, now: str, file: Path) -> Any:
    reason = f'the {word} "{name}" has changed since: SHA-256 {was[:12]}... then, {now[:12]}... now'
    return error("changed", reason, f"restore that {word}, or export anew", file=str(file))


def _candidates(kind: Kind, file: Path, suffixes: Sequence[str]) -> Iterator[Path]:
    yield from bundled(kind).values()
    seen: set[Path] = set()
    looked = 0
    for base in (file.resolve().parent, file.resolve().parent.parent, Path.cwd()):
        for folder, inner, names in os.walk(base):
            here = Path(folder)
            depth = len(here.relative_to(base).parts)
            inner[:] = sorted(name for name in inner if not name.startswith(".")) if depth < DEEPEST else []
            if here in seen:
                continue
            seen.add(here)
            looked += 1 + len(names)
            if looked > MOST_FILES:
                return
            yield from (here / name for name in sorted(names) if name.lower().endswith(tuple(suffixes)))


def told(command: str) -> Told:
    """What a command line that flowreform wrote down says; nothing of it reaches a shell, and all of it is checked as options
    are."""
    try:
        words = shlex.split(command)
    except ValueError:
        words = []
    options: dict[str, Any] = {}
    settings: list[str] = []
    save: list[str] = []
    engine = "auto"
    for word, value in pairwise(words):
        match word:
            case "--set":
                settings.append(value)
            case "--save":
                save.append(value)
            case "--draws" | "--noise-seed" if (count := as_whole(value)) is not None:
                options[word[2:].replace("-", "_")] = count
            case "--save-every" if (number := as_number(value)) is not None:
                options["save_every"] = number
            case "--engine" if value in ("auto", "python", "numba", "pysd"):
                engine = value
    if save:
        options["save"] = save
    return Told(options, tuple(settings), engine)


# --- a live workbook as an experiment --------------------------------------------------------------------------------


def experiment_in(path: Path, options: Mapping[str, Any] | None = None, settings: Sequence[str] = ()) -> Experiment:
    """The experiment that the inputs and the selector of a live workbook make: one scenario, one run, at the workbook's step.

    `options` replace keys of [experiment], after those that the workbook was exported with; with `draws` among them the
    uncertain inputs vary, but for those that the workbook has changed. `settings` (NAME=VALUE) go over the workbook's inputs.

    Raises ExperimentError where it is no live workbook, where its model or experiment is not there or has changed since, and,
    all at once and by cell, for inputs that are missing, empty, text, out of range, or formulas that refer to other cells."""
    sheets = read_sheets(path)
    told = facts(sheets)
    origin = find_origin(told, path)
    wanted = {key: value for key, value in (options or {}).items() if value is not None}
    experiment = with_options(origin.experiment, dict(origin.told.options) | wanted, origin.told.settings)
    found = as_given(experiment, given(sheets, experiment), drawn="draws" in wanted)
    dt = step_of(told, experiment)
    findings = list(found.findings)
    if dt != experiment.dt:
        specs = replace(found.model.specs, dt=dt)
        found = replace(found, dt=dt, model=replace(found.model, specs=specs))
        reason = f"the workbook has step {dt:g}, the model {experiment.dt:g}: this run has the workbook's"
        findings.append(warning("dt", reason, file=sheets.file))
    if not origin.same_case:
        reason = "the case file of the model has changed since the workbook was made: labels and KPIs may be others"
        findings.append(warning("case", reason, file=sheets.file))
    found = replace(found, name=path.stem, findings=tuple(findings))
    extra = read_settings(settings)
    return with_settings(found, extra) if extra else found
