"""Everything that is known before the first cell: the experiment, its inputs and scenarios, the columns, the engine's answer."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from flowreform import engine as engines
from flowreform.batch import timed_in, within_horizon
from flowreform.case import Laws, WorkbookTable
from flowreform.errors import ExperimentError, Finding, ModelError, did_you_mean, error
from flowreform.experiment import Experiment, Points, Setting
from flowreform.export.workbook.printer import EngineColumns, Flat, SlotKind, choose, flatten, without_form
from flowreform.lower import lower
from flowreform.lower.stages import WEIGHTS, Unstageable
from flowreform.model import Model, Role, Variable, deep
from flowreform.names import element_names, split
from flowreform.program import Program

if TYPE_CHECKING:
    from collections.abc import Iterator

Floats = NDArray[np.float64]

ROOM = 550_000
"""Formulas of the Engine sheet up to which a model is shown whole; a larger one is folded until it fits, or cannot be."""
MOST_RECONCILED = 8
"""So many stocks are reconciled with their flows where the case file names none."""
LABEL = 120
"""Characters of a scenario's name in the selector."""
WARN, REFUSE = 500_000, 2_000_000
"""Formulas from which a workbook is slow, and from which it is not written."""


@dataclass(frozen=True)
class InputCell:
    """One number that a person may change: `settings` has what each scenario, by position, sets it to."""

    name: str
    variable: Variable
    slot: int
    value: float
    settings: Mapping[int, Setting]
    drive: int | None = None


@dataclass(frozen=True)
class Shown:
    """One series that the workbook shows: a slot with its name, the variable it belongs to, and whether it never moves."""

    name: str
    variable: Variable
    slot: int


@dataclass(frozen=True)
class WorkbookSource:
    """What a workbook is made from. `values` is float64[slot, row, scenario] of the engine (NaN where a slot has
    no cell), `rows` the model times; `saved` are
    the numbers of the rows at saved times. `own_dt` is the model's dt where the workbook has a coarser one, `own_values`
    float64[shown, saved, scenario] of the engine at it."""

    experiment: Experiment
    model: Model
    table: WorkbookTable
    laws: Laws | None
    flat: Flat
    columns: EngineColumns
    inputs: tuple[InputCell, ...]
    shown: tuple[Shown, ...]
    scenarios: tuple[str, ...]
    labels: tuple[str, ...]
    chosen: int
    values: Floats
    rows: Floats
    saved: tuple[int, ...]
    reconciled: tuple[str, ...]
    command: str
    own_dt: float | None = None
    own_values: Floats | None = None

    @property
    def program(self) -> Program:
        """The unrolled program."""
        return self.flat.program

    def series(self, slot: int) -> Floats:
        """The engine's values of a slot in every row, for the scenario that the workbook opens with."""
        return self.values[slot, :, self.chosen]

    def shown_as(self, name: str) -> Shown:
        """A shown series by its full name."""
        return next(item for item in self.shown if item.name == name)


def within_a_step(flat: Flat, item: Shown) -> list[tuple[int, float]]:
    """The slots that say what a flow carries in a step, with their weights: one by Euler's method, one for each look by a
    Runge-Kutta method. What is no flow, or does not move within a step, has the one."""
    if not flat.looks or item.variable.role is not Role.FLOW:
        return [(item.slot, 1.0)]
    looks = {look.number: slot for slot, look in flat.looks.items() if look.of == item.slot and not look.rate}
    count = max(look.number for look in flat.looks.values())
    weights = next(one for one in WEIGHTS.values() if len(one) == count)
    return [(looks.get(number, item.slot), weight / sum(weights)) for number, weight in enumerate(weights, start=1)]


@deep()
def read_source(
    experiment: Experiment,
    scenario: str | None = None,
    dt: float | None = None,
    command: str = "",
    room: int = ROOM,
) -> WorkbookSource:
    """Lower the model, refuse what no spreadsheet can do, choose the columns and run the engine for every scenario.

    KPIs against the baseline are of two runs, and a workbook holds one; it ends at the horizon. Raises ModelError for the model
    and ExperimentError for the rest, before anything is written."""
    alone = {name: kpi for name, kpi in experiment.kpis.items() if kpi.against is None}
    experiment = dataclasses.replace(experiment, kpis=alone, appraisal_end=None)
    model = within_horizon(experiment)
    own = model.specs.dt
    chosen = _scenario(experiment, scenario)
    if dt is not None and dt != own:
        model = _coarser(model, experiment, dt)
    timed = timed_in(experiment.scenarios.values())
    table = experiment.case.workbook if experiment.case else WorkbookTable()
    laws = experiment.case.laws if experiment.case else None
    try:
        flat = flatten(lower(model, timed, experiment.save_every))
    except Unstageable as fault:
        reason = f"{fault}, and a spreadsheet cannot write out {model.specs.method.upper()} there"
        raise ModelError(
            error("no-excel-form", reason, "write the method as euler", file=model.file, line=model.specs.line)
        ) from None
    inputs = _inputs(flat.program, model, experiment)
    reconciled = _reconciled(model, experiment, table)
    shown = _shown(flat, model, experiment, table, laws, reconciled)
    rows = flat.program.steps + 1
    needed = [slot for item in shown if moving(flat, item.slot) for slot, _ in within_a_step(flat, item)]
    columns = choose(flat, needed, max(1, room // rows))
    _refuse(flat, columns, model)
    if columns.count * rows > REFUSE:
        raise ModelError(
            error(
                "too-many-formulas",
                f"the workbook would hold {columns.count * rows:,} formulas ({columns.count} columns x {rows:,} rows), and more "
                f"than {REFUSE:,} cannot be worked with",
                "take a larger --dt, fewer sectors, or values instead of formulas (flowreform run -o DIR)",
                file=model.file,
                element=model.name,
            )
        )
    every = engines.whole_steps(flat.program, experiment.save_every)
    keep = sorted({*columns.slots, *flat.once, *(item.slot for item in shown), *(cell.slot for cell in inputs)})
    found = _run(flat.program, inputs, len(experiment.scenarios), keep, 1)
    values = np.full((flat.program.slots, *found.shape[1:]), np.nan)
    values[keep] = found
    source = WorkbookSource(
        experiment=experiment,
        model=model,
        table=table,
        laws=laws,
        flat=flat,
        columns=columns,
        inputs=inputs,
        shown=shown,
        scenarios=tuple(experiment.scenarios),
        labels=_labels(experiment),
        chosen=chosen,
        values=values,
        rows=flat.program.start + np.arange(rows, dtype=np.float64) * flat.program.dt,
        saved=tuple(range(0, rows, every)),
        reconciled=reconciled,
        command=command,
    )
    _finite(source)
    if model.specs.dt == own:
        return source
    return dataclasses.replace(source, own_dt=own, own_values=_at_own_dt(source, timed, own))


def with_inputs(source: WorkbookSource, inputs: tuple[InputCell, ...]) -> WorkbookSource:
    """The same workbook with other values and settings in its input cells, worked out anew by the engine.

    Raises ModelError where a cell would then hold no finite number."""
    values = _run(source.program, inputs, len(source.scenarios), range(source.program.slots), 1)
    changed = dataclasses.replace(source, inputs=inputs, values=values)
    _finite(changed)
    return changed


def moving(flat: Flat, slot: int) -> bool:
    """Whether a slot has a value of its own in each row."""
    return flat.kinds[slot] in (SlotKind.STEP, SlotKind.STOCK, SlotKind.MEMORY)


def _scenario(experiment: Experiment, name: str | None) -> int:
    names = list(experiment.scenarios)
    wanted = experiment.baseline if name is None else name
    if wanted not in names:
        hint = did_you_mean(wanted, names) or f"scenarios are {', '.join(names)}"
        raise ExperimentError(error("scenario", "there is no such scenario", hint, file="--scenario", element=wanted))
    return names.index(wanted)


def _coarser(model: Model, experiment: Experiment, dt: float) -> Model:
    """The model with another step, which must divide the horizon and the saving interval."""
    reason = ""
    if not (np.isfinite(dt) and dt > 0):
        reason = "dt must be above 0"
    elif dt < model.specs.dt:
        reason = f"dt {dt:g} is finer than the model's own, {model.specs.dt:g}"
    else:
        for span, what in ((experiment.stop - experiment.start, "the horizon"), (experiment.save_every, "save_every")):
            if round(span / dt) < 1 or abs(span / dt - round(span / dt)) > 1e-9 * max(1.0, span / dt):
                reason = f"{what}, {span:g}, is not a whole number of steps of {dt:g}"
    if reason:
        repair = f"write {2 * model.specs.dt:g} or another multiple of {model.specs.dt:g} that divides {experiment.save_every:g}"
        raise ExperimentError(error("dt", reason, repair, file="--dt", element=f"{dt:g}"))
    return dataclasses.replace(model, specs=dataclasses.replace(model.specs, dt=dt))


def _labels(experiment: Experiment) -> tuple[str, ...]:
    """Names for the selector: none alike whatever their case, and without the signs that a spreadsheet takes for a pattern."""
    found: list[str] = []
    for scenario in experiment.scenarios.values():
        text = " ".join("".join(" " if mark in "*?~" or not mark.isprintable() else mark for mark in scenario.label).split())
        text = text[:LABEL] or scenario.name[:LABEL]
        label, number = text, 2
        while label.casefold() in {other.casefold() for other in found}:
            label, number = f"{text} ({number})", number + 1
        found.append(label)
    return tuple(found)


def _inputs(program: Program, model: Model, experiment: Experiment) -> tuple[InputCell, ...]:
    cells: list[InputCell] = []
    for item in program.inputs:
        variable = model.variables[item.name]
        for i, name in enumerate(element_names(model, variable)):
            settings: dict[int, Setting] = {}
            for number, scenario in enumerate(experiment.scenarios.values()):
                setting = scenario.settings.get(name, scenario.settings.get(item.name))
                if setting is not None:
                    settings[number] = setting
            drive = None if item.drive is None else item.drive + i
            cells.append(InputCell(name, variable, item.base + i, item.values[i], settings, drive))
    return tuple(cells)


def _reconciled(model: Model, experiment: Experiment, table: WorkbookTable) -> tuple[str, ...]:
    """The stocks that are reconciled with their flows: those named, or the first of those shown."""
    named = table.reconcile or tuple(
        full
        for name in experiment.save
        if model.variables[name].role is Role.STOCK
        for full in element_names(model, model.variables[name])
    )
    found = [name for name in named if _moves(model.variables[split(name)[0]])]
    return tuple(found if table.reconcile else found[:MOST_RECONCILED])


def _moves(stock: Variable) -> bool:
    return bool(stock.inflows or stock.outflows)


def _shown(
    flat: Flat, model: Model, experiment: Experiment, table: WorkbookTable, laws: Laws | None, reconciled: Sequence[str]
) -> tuple[Shown, ...]:
    wanted: dict[str, None] = dict.fromkeys(experiment.save)
    wanted.update(dict.fromkeys(row.variable for row in table.yearly))
    for chart in table.charts:
        wanted.update(dict.fromkeys((*chart.variables, *chart.shaded)))
    wanted.update(dict.fromkeys(table.compare))
    wanted.update(dict.fromkeys(name for name in (*(part.variable for part in table.bridge), table.bridge_total) if name))
    wanted.update(dict.fromkeys(name for name in (table.discount_factor,) if name))
    for stock in reconciled:
        base, elements = split(stock)
        variable = model.variables[base]
        suffix = f"[{','.join(elements)}]" if elements else ""
        wanted.update(dict.fromkeys((stock, *(f"{flow}{suffix}" for flow in (*variable.inflows, *variable.outflows)))))
    lawful: set[str] = set()
    if laws is not None:
        lawful = {name for pairs in (laws.conserved, laws.never_above) for pair in pairs.items() for name in pair}
        wanted.update(dict.fromkeys(sorted(lawful)))
    found: dict[str, Shown] = {}
    for name in wanted:
        base, elements = split(name)
        variable = model.variables[base]
        if variable.role is Role.LOOKUP or (variable.role is Role.PARAMETER and name not in lawful):
            continue  # an input has its own sheet; one that a law compares with is looked up like everything else there
        place = flat.program.places[base]
        for i, full in enumerate(element_names(model, variable)):
            if (not elements or full == name) and flat.kinds[place.base + i] is not SlotKind.NOTHING:
                found.setdefault(full, Shown(full, variable, place.base + i))
    return tuple(found.values())


def _refuse(flat: Flat, columns: EngineColumns, model: Model) -> None:
    """Everything that no spreadsheet has a form for, by name and all at once."""
    findings: list[Finding] = []
    told: set[tuple[str, str]] = set()
    for slot in (*flat.once, *columns.slots, *sorted(columns.folded)):
        for code in flat.codes(slot):
            for what in without_form(code):
                owner = flat.program.owners[slot]
                if (owner, what) in told:
                    continue
                told.add((owner, what))
                variable = model.variables.get(owner)
                findings.append(
                    error(
                        "no-excel-form",
                        f"{what} has no form in a spreadsheet",
                        "write it with other functions, or export values instead of formulas (flowreform run -o DIR)",
                        file=model.file,
                        line=variable.line if variable else 0,
                        element=variable.label if variable else owner,
                    )
                )
    if findings:
        raise ModelError(findings)


# --- the engine ------------------------------------------------------------------------------------------------------


def _run(program: Program, inputs: Sequence[InputCell], scenarios: int, keep: Sequence[int], every: int) -> Floats:
    """float64[slot, row, scenario] in the order of `keep`."""
    matrix = np.array([[_number(cell, i) for i in range(scenarios)] for cell in inputs]).reshape(len(inputs), scenarios)
    timed = [cell for cell in inputs if cell.drive is not None]
    batches = [range(i, i + 1) for i in range(scenarios)] if timed else [range(scenarios)]
    parts = []
    for batch in batches:
        drive = _drive(program, timed, batch.start) if timed else None
        found = engines.simulate(program, matrix[:, batch.start : batch.stop], drive, keep=list(keep), every=every)
        row = {slot: i for i, slot in enumerate(found.slots)}
        parts.append(found.values[[row[slot] for slot in keep]])
    return np.concatenate(parts, axis=2)


def _number(cell: InputCell, scenario: int) -> float:
    setting = cell.settings.get(scenario)
    return float(setting) if isinstance(setting, float | int) else cell.value


def _drive(program: Program, timed: Sequence[InputCell], scenario: int) -> Floats:
    times = program.start + np.arange(2 * program.steps + 1, dtype=np.float64) * (program.dt / 2.0)
    series = np.full((len(timed), len(times)), np.nan)
    for cell in timed:
        setting = cell.settings.get(scenario)
        if isinstance(setting, Points) and cell.drive is not None:
            series[cell.drive] = setting.at(times)
    return series


def _finite(source: WorkbookSource) -> None:
    """Refuse a run with an infinity or a NaN in a cell: a spreadsheet would show an error where the engine goes on."""
    kept = [*source.columns.slots, *source.flat.once]
    bad = ~np.isfinite(source.values[kept])
    if not bad.any():
        return
    findings = []
    for at in np.flatnonzero(bad.any(axis=(1, 2)))[:20]:
        row, scenario = (int(part) for part in np.argwhere(bad[at])[0])
        owner = source.program.owners[kept[at]]
        reason = f"it is not a finite number at time {source.rows[row]:g} in scenario {source.scenarios[scenario]}"
        repair = "guard the division or the function that gives it; `flowreform check` may say which"
        findings.append(error("not-finite", reason, repair, file=source.model.file, element=owner))
    raise ModelError(findings)


def _at_own_dt(source: WorkbookSource, timed: Collection[str], own: float) -> Floats:
    """The shown series at saved times, by the engine at the model's own dt."""
    experiment = source.experiment
    specs = dataclasses.replace(source.model.specs, dt=own)
    program = lower(dataclasses.replace(source.model, specs=specs), timed, experiment.save_every)
    inputs = _inputs(program, source.model, experiment)
    keep = [slot for name in dict.fromkeys(split(item.name)[0] for item in source.shown) for slot in program.places[name].slots]
    found = _run(program, inputs, len(source.scenarios), keep, engines.whole_steps(program, experiment.save_every))
    row = {slot: i for i, slot in enumerate(keep)}
    return found[[row[program.places[split(item.name)[0]].base + _element(source, item)] for item in source.shown]]


def _element(source: WorkbookSource, item: Shown) -> int:
    return item.slot - source.program.places[split(item.name)[0]].base


def input_values(source: WorkbookSource) -> Iterator[tuple[InputCell, float]]:
    """Each input with the value that is active when the workbook opens."""
    for cell in source.inputs:
        yield cell, _number(cell, source.chosen)
