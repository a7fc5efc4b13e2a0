"""What the live part of a page is given: the model as JavaScript, inputs, draws, levers, and results to check itself by."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from flowreform.batch import ExperimentBatch, matrix_of
from flowreform.engine.javascript import javascript
from flowreform.errors import FlowreformError
from flowreform.experiment import Experiment, Points, Scenario, Setting
from flowreform.experiment.experiment import toml_text
from flowreform.formats import is_bundled
from flowreform.names import element_names, split
from flowreform.pages.found import Found
from flowreform.pages.paper import series_label, series_scale, ticks_of
from flowreform.pages.words import is_share, scale_of, with_unit
from flowreform.program import Program
from flowreform.sampling import samples
from flowreform.text import short, spoken

DRAGGED = 20
"""Runs that are drawn while a lever moves."""


@dataclass(frozen=True)
class LiveModel:
    """The text of a model as a function body, the data beside it, and the program that both were made from."""

    text: str
    data: dict[str, Any]
    program: Program


def live(found: Found) -> tuple[str, dict[str, Any]]:
    """The text of the model as a function body, and the data beside it.

    Raises ExperimentError where the model cannot run in a browser."""
    made = live_model(found)
    return made.text, made.data


def live_model(found: Found) -> LiveModel:
    """The same with its program."""
    experiment = replace(found.experiment, appraisal_end=None)
    scenarios = [experiment.scenarios[name] for name in found.options]
    batch = ExperimentBatch(experiment, [split(name)[0] for name in found.series], scenarios=scenarios)
    program = batch.program
    assert program is not None
    model = batch.model
    slots = {name: _slot(experiment, program.places, name) for name in found.series}
    drawn = samples(experiment)
    own = matrix_of(program, model, {}, 1)[:, 0]
    varied = matrix_of(program, model, drawn, experiment.draws)
    rows = _rows(program.inputs)
    varying = [row for row in range(len(own)) if np.ptp(varied[row]) > 0 or varied[row][0] != own[row]]
    where = [slot for item in program.inputs for slot in range(item.base, item.base + len(item.values))]
    text, plan = javascript(program, list(dict.fromkeys(slots.values())), [where[row] for row in varying], batch.every)
    order = list(plan.saved)
    numbers = {item.name: item.drive for item in program.inputs if item.drive is not None}
    options = []
    for scenario in scenarios:
        values = matrix_of(program, model, scenario.over({}, 1), 1)[:, 0]
        touched = [row for name in scenario.fixed for row in _touched(model, rows, name)]
        moving = [
            [numbers[split(name)[0]] + offset, list(points.times), list(points.values)]
            for name, points in scenario.moving.items()
            for offset in _offsets(model, name)
        ]
        options.append({
            "name": scenario.name,
            "label": short(scenario.label),
            "set": [[row, float(values[row])] for row in touched],
            "moving": moving,
            "toml": _settings(scenario),
            "check": [[_plain(v) for v in found.values(name, scenario.name)[0]] for name in found.series],
        })  # fmt: skip
    data = {
        "base": [float(value) for value in own],
        "drawn": [[row, [float(value) for value in varied[row]]] for row in varying],
        "draws": experiment.draws,
        "dragged": min(DRAGGED, experiment.draws),
        "series": [_series(found, name, order.index(slots[name])) for name in found.series],
        "times": [float(time) for time in found.times],
        "ticks": [[float(time), word] for time, word in ticks_of(found)],
        "start": program.start,
        "dt": program.dt,
        "drives": sum(len(item.values) for item in program.inputs if item.drive is not None),
        "options": options,
        "baseline": found.options.index(experiment.baseline),
        "focus": found.options.index(found.focus),
        "levers": [item for name in found.levers if (item := _lever(found, rows, own, name)) is not None],
        "toml": _toml(found.experiment),
        "model": experiment.model.sha256,
    }
    return LiveModel(text, data, program)


def _toml(experiment: Experiment) -> str:
    """The experiment as a file beside its model, which it names without a folder; empty where its model has no file."""
    path = experiment.model.path
    if path is None:
        return ""
    try:
        return toml_text(experiment, path.parent.name if is_bundled(path) else f"./{path.name}")
    except FlowreformError:
        return ""


def _settings(scenario: Scenario) -> list[list[str]]:
    """What a scenario sets, as an experiment file writes it."""
    return [[name, _toml_value(value)] for name, value in scenario.settings.items()]


def _toml_value(value: Setting) -> str:
    if isinstance(value, Points):
        pairs = ", ".join(f"[{float(x)!r}, {float(y)!r}]" for x, y in zip(value.times, value.values, strict=True))
        return f"{{ points = [{pairs}] }}"
    return repr(float(value))


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _slot(experiment: Experiment, places: Any, name: str) -> int:
    base, elements = split(name)
    place = places[base]
    if not elements:
        return int(place.base)
    names = element_names(experiment.model, experiment.model.variables[base])
    return int(place.base) + names.index(f"{base}[{','.join(elements)}]")


def _rows(inputs: Any) -> dict[str, int]:
    """Where each parameter's values begin among the inputs."""
    found, at = {}, 0
    for item in inputs:
        found[item.name] = at
        at += len(item.values)
    return found


def _offsets(model: Any, name: str) -> list[int]:
    base, elements = split(name)
    names = element_names(model, model.variables[base])
    return [names.index(f"{base}[{','.join(elements)}]")] if elements else list(range(len(names)))


def _touched(model: Any, rows: dict[str, int], name: str) -> list[int]:
    return [rows[split(name)[0]] + offset for offset in _offsets(model, name)]


def _series(found: Found, name: str, kept: int) -> dict[str, Any]:
    shown = series_scale(found, name, 3)
    values = [found.values(name, option) for option in found.options]
    known = np.concatenate([part[np.isfinite(part)] for part in values])
    low, high = np.quantile(known, (0.01, 0.99)) if known.size else (0.0, 1.0)
    return {
        "name": name,
        "label": series_label(found, name),
        "heading": with_unit(series_label(found, name), shown.head),
        "unit": shown.head,
        "prefix": shown.prefix,
        "suffix": shown.suffix,
        "factor": shown.factor,
        "decimals": shown.decimals,
        "kept": kept,
        "low": min(0.0, float(low)) if low < 0.5 * high else float(low),
        "high": float(high),
    }


def _lever(found: Found, rows: dict[str, int], own: Any, name: str) -> dict[str, Any] | None:
    """A slider; None where some option moves the parameter over time."""
    experiment = found.experiment
    base, elements = split(name)
    variable = experiment.model[base]
    if any(split(key)[0] == base for option in found.options for key in found.scenario(option).moving):
        return None
    touched = _touched(experiment.model, rows, name)
    set_to = [
        float(scenario.fixed[name]) for scenario in experiment.scenarios.values() if name in scenario.fixed
    ] + [float(own[touched[0]])]  # fmt: skip
    low = variable.range[0] if variable.range[0] is not None else min(set_to)
    high = variable.range[1] if variable.range[1] is not None else max(set_to)
    if not high > low:
        return None
    unit = variable.units or ""
    shown = scale_of(unit, (low, high), is_share(unit, low, high, (low, high)))
    lever = experiment.levers.get(name) or experiment.levers.get(base)
    return {
        "name": name,
        "label": spoken((lever.label if lever else "") or variable.label)
        + (f": {', '.join(elements).replace('_', ' ')}" if elements else ""),
        "rows": touched,
        "low": low,
        "high": high,
        "step": _step(low, high),
        "today": float(own[touched[0]]),
        "tested": [min(set_to), max(set_to)],
        "unit": shown.head,
        "prefix": shown.prefix,
        "suffix": shown.suffix,
        "factor": shown.factor,
        "decimals": shown.decimals,
    }


def _step(low: float, high: float) -> float:
    """A hundredth of the range, or the round number below it."""
    size = (high - low) / 100.0
    power = 10.0 ** np.floor(np.log10(size))
    return float(next(power * by for by in (5, 2, 1) if power * by <= size * 1.0001))
