"""Does a model behave as its case file says it must? Targets, gates, reference series and other tools' opinions.

A target counts only if nothing of the same quantity is fed in upstream of it (`given`), and if the gate or lever named in
`fails_when` makes it fail. A miss that is declared with its reason is no surprise; one that is not is, and so is a declared
miss that has begun to pass.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from flowreform.case import Case, read_case
from flowreform.case.periods import measure_of
from flowreform.case.tables import Check, Target
from flowreform.errors import FlowreformError, ModelError, error
from flowreform.experiment import Subject, as_model
from flowreform.formats import is_bundled, read_model
from flowreform.graph import ancestors
from flowreform.measure import Measure, evaluate
from flowreform.model import Method, Model, causes
from flowreform.names import split
from flowreform.text import Manual, Shown, columns, number

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from xarray import Dataset

    from flowreform.engine.reference import PysdRun

AGREEMENT = 1e-9
"""Largest difference to another tool, |a - b| over the size of a stock: its largest value as the model stands or under a gate."""

PYSD_STEPS = 48
"""So many steps of a model are compared with PySD unless a full comparison is asked for."""

SHARED, TOGETHER = 256, 64
"""So many draws of each ensemble are asked whether all targets hold, so many of them at a time."""

SAME_SHAPE = 0.01
"""Two series of one shape: after scaling they differ by less than this share of their range."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of an assessment.

    `kind` is target, draws, gate, reference or witness; `verdict` is pass, miss, given, declared miss, unexpected pass, does not
    fail (a target that its gate leaves standing), differs, not run, or empty for what is only shown. `ok` is False for
    what must not be so."""

    kind: str
    name: str
    label: str
    wanted: str
    simulated: float
    verdict: str
    ok: bool
    note: str = ""

    @property
    def judged(self) -> str:
        """The verdict, marked where it is not as it should be."""
        return self.verdict if self.ok else f"! {self.verdict}"


TITLES = {
    "test": "The standard battery of model tests",
    "target": "Targets",
    "draws": "Targets over draws of the uncertain inputs, before and after the data",
    "gate": "Gates: a mechanism is switched off",
    "reference": "Reference series",
}


@dataclass(frozen=True, repr=False)
class Assessment(Manual):
    """The outcome of an assessment, row by row; `ok` when every row is as it should be. Its `repr` is the report."""

    model: str
    rows: tuple[Row, ...]

    @property
    def ok(self) -> bool:
        """Is every row as it should be?"""
        return all(row.ok for row in self.rows)

    @property
    def counted(self) -> tuple[int, int]:
        """How many targets pass, and how many there are."""
        targets: dict[str, bool] = {}
        for row in self.rows:
            if row.kind == "target":
                targets[row.name] = targets.get(row.name, True) and row.verdict == "pass"
        return sum(targets.values()), len(targets)

    def manual(self) -> Iterator[Shown]:
        """A table for each kind of row, and the count."""
        for kind in dict.fromkeys(row.kind for row in self.rows):
            rows = [row for row in self.rows if row.kind == kind]
            if kind == "witness":
                yield from _witness_table(rows)
                continue
            cells = ((row.label or row.name, row.wanted, number(row.simulated), row.judged, row.note) for row in rows)
            yield columns(TITLES.get(kind, kind), ("what", "wanted", "simulated", "verdict", "note"), cells, right=(2,))
        passed, total = self.counted
        wrong = sum(not row.ok for row in self.rows)
        verdict = f"{wrong} row{'s' * (wrong != 1)} marked ! must be corrected" if wrong else "every row is as it should be"
        yield f"{self.model}: {passed} of {total} targets pass; {verdict}"

    def as_dict(self) -> dict[str, Any]:
        """For scripts: plain values, NaN as None."""
        rows = [{k: (None if isinstance(v, float) and math.isnan(v) else v) for k, v in asdict(row).items()} for row in self.rows]
        passed, total = self.counted
        return {"model": self.model, "ok": self.ok, "targets_passed": passed, "targets": total, "rows": rows}


def assess(model: Subject, *, witnesses: Sequence[str] = ("pysd", "pysimlin"), full: bool = False) -> Assessment:
    """Run a model against its case file and other tools.

    PySD takes up to half a second a step on an arrayed model, so it is given the first PYSD_STEPS steps unless `full`. It sees
    the file of a bundled model only; any other is written anew for it, without a word of its author's.
    Raises ModelError when the model has no case file, or when either cannot be used::

        fr.assess("care_shift", witnesses=())  # its repr is the report; .ok says whether every row is as it should be
    """
    model = as_model(model)
    case = read_case(model)
    if case is None:
        repair = "write one with [targets] and [gates], or use `flowreform run`"
        raise ModelError(
            error("no-case", "there is no model.toml beside the model, so nothing to assess against", repair, file=model.file)
        )
    runs = _runs(case)
    ds = _simulate(model, case, runs)
    rows = [
        *_targets(model, case, ds, runs),
        *_shares(model, case),
        *_gates(case, ds, runs),
        *_references(case, ds),
        *_witnesses(model, witnesses, full, runs),
    ]
    return Assessment(model.name, tuple(rows))


# --- one batch for everything ----------------------------------------------------------------------------------------


def _runs(case: Case) -> dict[str, Mapping[str, float]]:
    """Every setting that is to be run, by name; the first is the model as it stands."""
    runs: dict[str, Mapping[str, float]] = {"": {}}
    for target in case.targets.values():
        settings = case.switched_off(target.fails_when)
        if settings is not None:
            runs[target.fails_when] = settings
    for name, gate in case.gates.items():
        runs[name] = gate.settings
    return runs


def _simulate(model: Model, case: Case, runs: Mapping[str, Mapping[str, float]]) -> Dataset:
    measured = [split(part.variable)[0] for _, measure in case.measures() for part in measure.parts()]
    fed = [name for name in case.exogenous if name in model.variables and model.variables[name].role != "lookup"]
    return in_settings(model, case, list(runs.values()), list(dict.fromkeys([*measured, *fed])) or None)


def in_settings(
    model: Model,
    case: Case,
    runs: Sequence[Mapping[str, float]],
    save: Sequence[str] | None,
    engine: str = "auto",
    *,
    setting_first: bool = True,
) -> Dataset:
    """Every run in every setting of the case, a Dataset (setting, run, time, ...): what a run sets goes over its setting.

    For draws that is so for fitted parameters only (`setting_first=False`): what a setting says of another is not drawn there.
    The setting "" is the model as it stands."""
    import xarray as xr

    places: dict[str, Mapping[str, float]] = {"": {}, **{name: item.values for name, item in case.settings.items()}}
    fitted = set(case.fit.parameters) if case.fit and not setting_first else set()
    every: dict[str, Mapping[str, float]] = {}
    for name, place in places.items():
        over = {} if setting_first else {key: value for key, value in place.items() if key not in fitted}
        every |= {f"{at} {name}": {**place, **run, **over} for at, run in enumerate(runs)}
    ds = _together(model, every, save, engine)
    apart = [ds.isel(run=slice(at * len(runs), (at + 1) * len(runs))) for at in range(len(places))]
    kept = [block.drop_vars("run", errors="ignore") for block in apart]
    return xr.concat(kept, xr.Variable("setting", list(places)), data_vars="all", coords="minimal", join="override")


def _together(model: Model, runs: Mapping[str, Mapping[str, float]], save: Sequence[str] | None, engine: str = "auto") -> Dataset:
    from flowreform.analyse.laws.runs import columns
    from flowreform.runs import simulated

    inputs = {name: values.tolist() for name, values in columns(model, list(runs.values())).items()}
    return simulated(model, inputs, save=save, save_every=model.specs.dt, engine=engine)


# --- targets ---------------------------------------------------------------------------------------------------------


def _targets(model: Model, case: Case, ds: Dataset, runs: Mapping[str, Mapping[str, float]]) -> Iterator[Row]:
    order = list(runs)
    for name, target in case.targets.items():
        values = [_values(check, ds, case) for check in target.checks]
        passes = [_within(check, value[0]) for check, value in zip(target.checks, values, strict=True)]
        given = fed_in(model, case, target, ds)
        fails = True
        if target.fails_when in order[1:]:
            at = order.index(target.fails_when)
            fails = not all(_within(check, value[at]) for check, value in zip(target.checks, values, strict=True))
        for check, value, passed in zip(target.checks, values, passes, strict=True):
            verdict, ok, note = _verdict(target, passed, all(passes), given, fails)
            label = target.label if len(target.checks) == 1 else f"{target.label}: {_say(check)}"
            yield Row("target", name, label, _wanted(check), value[0], verdict, ok, note)


def _verdict(target: Target, passed: bool, every: bool, given: str, fails: bool) -> tuple[str, bool, str]:
    if given:
        return "given", True, f"not counted: {given} is fed in upstream"
    if not target.fails_when:
        return "not counted", False, "no gate or lever is named that makes it fail"
    if target.expected == "miss":
        return ("unexpected pass", False, "declared a miss and passes now") if every else ("declared miss", True, target.reason)
    if not passed:
        return "miss", False, ""
    if not fails:
        return "does not fail", False, f"still passes with {target.fails_when}"
    return "pass", True, f"fails with {target.fails_when}"


def fed_in(model: Model, case: Case, target: Target, ds: Dataset) -> str:
    """The exogenous series upstream of a target that already holds its answer, or an empty string.

    Every ancestor is followed through all equations. A series holds the answer when it measures the same quantity, or when
    its course, scaled, is that of the target's own variable."""
    graph = causes(model)
    for check in target.checks:
        base = split(check.variable)[0]
        upstream = ancestors(graph, base)
        for name, series in case.exogenous.items():
            if name not in upstream and name != base:
                continue
            if series.quantity.strip().lower() in (base.replace("_", " "), target.label.strip().lower()):
                return name
            if name in ds and same_course(ds.sel(setting=check.setting), name, check.variable):
                return name
    return ""


def same_course(ds: Dataset, one: str, other: str) -> bool:
    """Do two variables, in the model as it stands, move alike up to a scale? Constants never do."""
    import numpy as np

    def series(name: str) -> np.ndarray | None:
        base, elements = split(name)
        data = ds[base].isel(run=0)
        if elements:
            inner = [dim for dim in data.dims if dim != "time"]
            data = data.sel(dict(zip(inner, elements, strict=True)))
        values = np.asarray(data.values, dtype=float)
        return values if values.ndim == 1 and np.isfinite(values).all() and values[0] != 0 else None

    a, b = series(one), series(other)
    if a is None or b is None:
        return False
    a, b = a / a[0], b / b[0]
    spread = max(np.ptp(a), np.ptp(b))
    return bool(spread > SAME_SHAPE and np.abs(a - b).max() < SAME_SHAPE * spread)


# --- targets over draws ----------------------------------------------------------------------------------------------


def _shares(model: Model, case: Case) -> Iterator[Row]:
    """In what share of draws every target holds that is expected to, before and after the data; nothing without a posterior."""
    targets = {name: target for name, target in case.targets.items() if target.expected == "pass"}
    if case.ensemble is None or not targets:
        return
    import numpy as np

    label = f"All {len(targets)} targets hold" if len(targets) > 1 else "The target holds"
    if not case.ensemble.current:
        repair = f"flowreform fit {model.name} --posterior --write"
        note = f"posterior.csv was made from other equations, data or priors: {repair}"
        yield Row("draws", "conditioned", f"{label}, conditioned draws", "", math.nan, "old posterior", False, note)
        return
    for name, words, draws in _ensembles(model, case):
        held = targets_held(model, case, draws)
        worst = min(targets, key=lambda target: held[target].mean())
        every = float(np.logical_and.reduce(list(held.values())).mean())
        note = f"least often: {targets[worst].label}, {100 * held[worst].mean():.0f} %"
        yield Row("draws", name, f"{label}, share of {len(draws)} {words}", "", every, "", True, note)


def _ensembles(model: Model, case: Case) -> Iterator[tuple[str, str, list[dict[str, float]]]]:
    """SHARED draws from the priors of everything that was sampled, and as many from the posterior."""
    import numpy as np

    from flowreform.sampling import draw

    assert case.ensemble is not None
    count = min(SHARED, len(case.ensemble))
    columns = draw(case.fit.priors if case.fit else case.uncertainties, count, "random", 1)
    yield "prior", "prior draws", [{name: float(column[at]) for name, column in columns.items()} for at in range(count)]
    columns = case.ensemble.columns(np.arange(count))
    yield "conditioned", "conditioned draws", [{n: float(column[at]) for n, column in columns.items()} for at in range(count)]


def targets_held(model: Model, case: Case, draws: Sequence[Mapping[str, float]]) -> dict[str, NDArray[np.bool_]]:
    """bool[draw] for each target that is expected to pass: whether all its checks hold with the parameters of each draw.

    A setting of the case goes over a draw, but for what is fitted."""
    import numpy as np

    targets = {name: target for name, target in case.targets.items() if target.expected == "pass"}
    checks = [check for target in targets.values() for check in target.checks]
    save = list(dict.fromkeys(split(part.variable)[0] for check in checks for part in check.parts()))
    found: dict[str, list[NDArray[np.bool_]]] = {name: [] for name in targets}
    for first in range(0, len(draws), TOGETHER):
        ds = in_settings(model, case, draws[first : first + TOGETHER], save, setting_first=False)
        for name, target in targets.items():
            each = [[_within(check, value) for value in _values(check, ds, case)] for check in target.checks]
            found[name].append(np.logical_and.reduce(np.array(each, dtype=bool)))
    return {name: np.concatenate(parts) for name, parts in found.items()}


# --- gates, references -----------------------------------------------------------------------------------------------


def _gates(case: Case, ds: Dataset, runs: Mapping[str, Mapping[str, float]]) -> Iterator[Row]:
    order = list(runs)
    for name, gate in case.gates.items():
        at = order.index(name)
        for check in gate.checks:
            value = _values(check, ds, case)[at]
            passed = _within(check, value)
            label = gate.label if len(gate.checks) == 1 else f"{gate.label}: {_say(check)}"
            settings = ", ".join(f"{key} = {number:g}" for key, number in gate.settings.items())
            yield Row("gate", name, label, _wanted(check), value, "pass" if passed else "miss", passed, settings)


def _references(case: Case, ds: Dataset) -> Iterator[Row]:
    """Each observed value beside the simulated one; shown, not judged."""
    for observation in case.observations:
        series = case.reference.get(observation.series)
        if series is None or case.calendar is None:
            continue
        measure = measure_of(series, observation)
        try:
            value = float(evaluate(measure, ds, case.calendar).isel(run=0).values)
        except FlowreformError:  # a year outside the horizon: nothing to compare
            continue
        label = f"{series.label or observation.series} {observation.when}"
        wanted = f"{observation.value:,.6g}"
        yield Row("reference", observation.series, label, wanted, value, "", True, observation.status)


def _values(check: Measure, ds: Dataset, case: Case) -> list[float]:
    return [float(value) for value in evaluate(check, ds, case.calendar).values]


def _within(check: Check, value: float) -> bool:
    low, high = check.limits
    return low <= value <= high


def _wanted(check: Check) -> str:
    if check.value is not None and check.tolerance is not None:
        return f"{check.value:g} ± {check.tolerance:g}"
    low, high = check.limits
    if math.isinf(low):
        return f"at most {high:g}"
    return f"at least {low:g}" if math.isinf(high) else f"{low:g} to {high:g}"


def _say(check: Check) -> str:
    """What a check measures, in a few words."""
    text = f"{check.variable.replace('_', ' ')}, {check.statistic.replace('_', ' ')}"
    if check.year is not None:
        text += f" {check.year}"
    if check.over is not None:
        year = check.over.year
        text += f" over {year}" if year is not None else f" over {check.over.variable or 'another'}".replace("_", " ")
    return text


# --- witnesses -------------------------------------------------------------------------------------------------------


def _witnesses(model: Model, wanted: Sequence[str], full: bool, runs: Mapping[str, Mapping[str, float]]) -> Iterator[Row]:
    """The largest difference of each stock between our engine and another tool."""
    if not model.stocks or model.path is None or not wanted:
        return
    sizes = _sizes(model, runs)
    for tool in wanted:
        short = tool == "pysd" and not full and model.specs.steps > PYSD_STEPS
        seen = _shortened(model) if short else model
        if tool == "pysd" or _moves_with_stages(model):  # the equations are compared by Euler's method, which both know
            seen = replace(seen, specs=replace(seen.specs, method=Method.EULER))
        yield from _witness(seen, tool, sizes)


def _sizes(model: Model, runs: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """The largest value of each stock in the run as it stands and under any gate."""
    import numpy as np

    ds = _together(model, runs, list(model.stocks))
    found = {name: np.abs(ds[name].values) for name in model.stocks}
    return {name: float(values[np.isfinite(values)].max(initial=0.0)) for name, values in found.items()}


def _shortened(model: Model) -> Model:
    return replace(model, specs=replace(model.specs, stop=model.specs.start + PYSD_STEPS * model.specs.dt))


def _witness(model: Model, tool: str, sizes: Mapping[str, float]) -> Iterator[Row]:
    from flowreform.engine.witness import compare
    from flowreform.runs import simulate

    assert model.path is not None
    wanted = f"at most {AGREEMENT:g}"
    try:
        theirs = _pysd(model) if tool == "pysd" else _simlin(model)
    except ModelError as fault:
        left_out = "not installed" in str(fault) or (tool == "pysd" and not is_bundled(model.path))
        yield Row("witness", tool, tool, wanted, math.nan, "not run", left_out, fault.findings[0].reason)
        return
    ds = simulate(model, save=list(model.stocks), save_every=_interval(theirs.times, model))
    ours = {
        name: ds[name].transpose(*[dim for dim in ds[name].dims if dim not in ("time", "run")], "time", "run").values
        for name in model.stocks
    }
    note = f"to time {theirs.times[-1]:g}" + (", by Euler's method" if model.specs.method is Method.EULER else "")
    for name, difference in compare(ours, theirs.values, sizes).items():
        ok = difference <= AGREEMENT
        verdict = "pass" if ok else "differs"
        yield Row("witness", f"{tool}/{name}", f"{tool}: {name}", wanted, difference, verdict, ok, note)


def _moves_with_stages(model: Model) -> bool:
    """Whether pysimlin reads a STEP or PULSE within a Runge-Kutta step, where it is decided at its beginning."""
    jumps = re.compile(r"\b(STEP|PULSE)\s*\(", re.IGNORECASE)
    sound = model.specs.method is Method.EULER or model.path is None or model.path.suffix == ".mdl"
    return not sound and any(
        jumps.search(equation.text) for variable in model.variables.values() for equation in variable.equations
    )


def _simlin(model: Model) -> PysdRun:
    """The stocks by pysimlin, which takes the method from the file: from a copy where we run another."""
    from flowreform.engine.witness import run_simlin
    from flowreform.files import temporary_folder

    assert model.path is not None
    if model.path.suffix == ".mdl" or read_model(model.path).specs.method is model.specs.method:
        return run_simlin(model.path, {}, None, model=model)
    with temporary_folder() as folder:
        path = folder / f"model{model.path.suffix}"
        text = model.path.read_text(encoding="utf-8")
        path.write_text(re.sub(r'(<sim_specs\b[^>]*?\bmethod=")[^"]*', r"\1Euler", text, count=1), encoding="utf-8")
        return run_simlin(path, {}, None, model=model)


def _pysd(model: Model) -> PysdRun:
    """The stocks by PySD, which builds Python from a model's text and runs it: only a bundled model is given to it as it
    stands. Of any other it gets what our own writer writes of the equations, with numbers for names.

    Raises ModelError where PySD cannot run it, or where it cannot be written so."""
    from flowreform.engine.reference import PysdRun, run_pysd
    from flowreform.files import temporary_folder
    from flowreform.formats.numbered import numbered
    from flowreform.formats.writer import to_xmile

    assert model.path is not None
    if is_bundled(model.path):
        return run_pysd(model.path, {}, list(model.stocks), model=model)
    anew = numbered(model)
    with temporary_folder() as folder:
        path = folder / "model.xmile"
        path.write_bytes(to_xmile(anew.model))
        found = run_pysd(path, {}, [anew.names[name] for name in model.stocks], model=anew.model)
    return PysdRun(found.times, {name: found.values[anew.names[name]] for name in model.stocks})


def _interval(times: np.ndarray, model: Model) -> float:
    """The time between two of another tool's rows, as a whole number of our steps."""
    dt = model.specs.dt
    return max(1, round(float(times[1] - times[0]) / dt)) * dt if len(times) > 1 else dt


def _witness_table(rows: Sequence[Row]) -> Iterator[Shown]:
    """One line for each stock with its difference to each tool, and the largest of all; tools that were not run in words."""
    run = [row for row in rows if "/" in row.name]
    tools = list(dict.fromkeys(row.name.partition("/")[0] for row in run))
    stocks = list(dict.fromkeys(row.name.partition("/")[2] for row in run))
    cells = {row.name: number(row.simulated) + ("" if row.ok else " !") for row in run}
    lines = [[stock, *(cells.get(f"{tool}/{stock}", "") for tool in tools)] for stock in stocks]
    largest = [max(row.simulated for row in run if row.name.startswith(f"{tool}/")) for tool in tools]
    lines.append(["largest", *(number(value) for value in largest)])
    if run:
        title = f"Other simulators: largest difference of each stock, |a - b| over its size, {run[0].wanted}"
        yield columns(title, ("stock", *tools), lines, right=range(1, 1 + len(tools)))
    yield from (f"{row.label}: {row.judged}; {row.note}" for row in rows if "/" not in row.name)


def worst(assessment: Assessment, tool: str) -> float:
    """The largest difference of any stock to one tool; NaN when it was not run."""
    values = [row.simulated for row in assessment.rows if row.kind == "witness" and row.name.startswith(f"{tool}/")]
    return max(values, default=math.nan)
