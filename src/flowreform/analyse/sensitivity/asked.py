"""What was asked of an analysis, checked: method, inputs, scenarios, KPIs, variables, targets; every fault is collected."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from flowreform.analyse.sensitivity.methods import METHODS, Request, SensitivityMethod
from flowreform.analyse.sensitivity.runs import Quantities
from flowreform.analyse.sensitivity.targets import DrawTarget, read_targets
from flowreform.errors import ExperimentError, Finding, did_you_mean, error
from flowreform.experiment import Correlation, Experiment
from flowreform.model import Role
from flowreform.names import Unknown, element_names, find


def method_of(name: str, samples: int, faults: list[Finding]) -> SensitivityMethod | None:
    method = METHODS.get(name)
    if method is None:
        hint = did_you_mean(name, METHODS) or f"methods are {', '.join(METHODS)}"
        faults.append(error("unknown-method", "there is no such method", hint, element=name))
        return None
    if samples < method.smallest:
        reason = f"{samples} sample{'s are' if samples != 1 else ' is'} too few for {method.label}"
        faults.append(error("samples", reason, f"take {method.smallest} or more", element=name))
    return method


def _row(name: str) -> SensitivityMethod:
    """The method of that name; any, where there is none, which was reported."""
    return METHODS.get(name, next(iter(METHODS.values())))


def parameters_of(experiment: Experiment, wanted: Sequence[str] | None, faults: list[Finding]) -> list[str]:
    known = list(experiment.uncertainties)
    if not known:
        reason = "the experiment has no uncertainties, so nothing varies"
        of_model = experiment.case is not None and bool(experiment.case.uncertainties)
        repair = 'write uncertainties = "all" under [experiment], or add [uncertainties.NAME]'
        if not of_model:  # "all" would be none
            repair = "give a range with [uncertainties.NAME], and draws = 100 under [experiment], in an experiment file"
            repair += "" if experiment.path else ": `flowreform new FILE.toml --model MODEL` begins one"
        faults.append(error("no-parameters", reason, repair, file=str(experiment.path or experiment.model.file)))
        return []
    if wanted is None:
        return known
    for name in wanted:
        if name not in known:
            hint = did_you_mean(name, known) or f"uncertainties are {', '.join(known)}"
            faults.append(error("unknown-parameter", "the experiment has no such uncertainty", hint, element=name))
    if not wanted:
        faults.append(error("no-parameters", "the list of parameters is empty, so nothing varies", "name at least one"))
    return [name for name in known if name in set(wanted)]


def scenarios_of(
    experiment: Experiment, scenario: str | None, contrast: tuple[str, str] | None, faults: list[Finding]
) -> list[str]:
    known = list(experiment.scenarios)
    if scenario is not None and contrast is not None:
        faults.append(error("scenario", "a scenario and a contrast cannot stand together", "leave one of them out"))
    asked = list(contrast) if contrast is not None else [scenario] if scenario is not None else known
    for name in asked:
        if name not in known:
            hint = did_you_mean(name, known) or f"scenarios are {', '.join(known)}"
            faults.append(error("unknown-scenario", "the experiment has no such scenario", hint, element=name))
    if contrast is not None and contrast[0] == contrast[1]:
        reason = "a scenario does not differ from itself"
        faults.append(error("scenario", reason, "name two scenarios", element=contrast[0]))
    return asked


def wanted_of(
    experiment: Experiment,
    method: str,
    kpis: Sequence[str] | None,
    variables: Sequence[str] | None,
    targets: Sequence[str],
    faults: list[Finding],
) -> tuple[Experiment, Quantities]:
    """What is kept of each run, and the experiment with the KPIs that this needs."""
    names = list(experiment.kpis) if kpis is None else list(dict.fromkeys(kpis))
    for name in names:
        if name not in experiment.kpis:
            hint = did_you_mean(name, experiment.kpis) or f"KPIs are {', '.join(experiment.kpis)}"
            faults.append(error("unknown-kpi", "the experiment has no such KPI", hint, element=name))
    read: tuple[DrawTarget, ...] = ()
    try:
        read = read_targets(targets, experiment)
    except ExperimentError as fault:
        faults += fault.findings
    if variables is None:
        drawn = [name for chart in experiment.charts for name in chart.variables] if _row(method).courses else []
    else:
        drawn = list(variables)
    courses = _courses(experiment, drawn, faults)
    if not _row(method).measures:
        names, courses = [], []
    needed = {*names, *(target.name for target in read if not target.when)}
    kept = {name: kpi for name, kpi in experiment.kpis.items() if name in needed}
    end = experiment.appraisal_end if any(kpi.run_on for kpi in kept.values()) else None
    narrowed = dataclasses.replace(experiment, kpis=kept, appraisal_end=end)
    if not names and not courses and not read and not faults and _row(method).measures:
        faults.append(error("nothing-asked", "there is no KPI, variable or target to explain", "name at least one"))
    return narrowed, Quantities(tuple(names), tuple(courses), np.arange(len(narrowed.times)), read)


def _courses(experiment: Experiment, texts: Sequence[str], faults: list[Finding]) -> list[str]:
    """Variables by full name, arrays element by element."""
    found: dict[str, None] = {}
    for text in texts:
        named = find(experiment.model, text)
        if isinstance(named, Unknown):
            faults.append(error("unknown-variable", named.reason, named.repair, element=text))
        elif named.variable.role is Role.LOOKUP:
            faults.append(error("no-series", "a lookup has no course over time", "name a variable", element=text))
        else:
            found.update(dict.fromkeys(element_names(experiment.model, named.variable) if named.is_array else [named.name]))
    return list(found)


def check_numbers(resamples: int | None, confidence: float, seed: int | None, faults: list[Finding]) -> None:
    if resamples is not None and resamples < 2:
        faults.append(error("resamples", f"{resamples} resamplings give no interval", "take 100", element="resamples"))
    if not 0 < confidence < 1:
        faults.append(error("confidence", "a confidence level lies between 0 and 1", "take 0.95", element="confidence"))
    if seed is not None and not 0 <= seed < 2**32:
        faults.append(error("seed", "a seed is a whole number from 0 to 2^32 - 1", "take another", element="seed"))


def correlated(experiment: Experiment, names: Sequence[str]) -> list[Correlation]:
    """The correlations between inputs of which both vary."""
    return [item for item in experiment.correlations if set(item.between) <= set(names)]


def check_fit(
    experiment: Experiment, method: str, names: Sequence[str], targets: Sequence[str], second_order: bool
) -> list[Finding]:
    """What keeps a method from being used on this experiment."""
    found: list[Finding] = []
    pairs = correlated(experiment, names)
    if pairs and not METHODS[method].given:
        shown = "; ".join(" with ".join(item.between) for item in pairs[:3]) + ("; and others" if len(pairs) > 3 else "")
        reason = f"{method} assumes that inputs are independent, and the experiment correlates {shown}"
        repair = f"take {', '.join(name for name, item in METHODS.items() if item.given)}, or leave one of each pair out"
        found.append(error("correlated", reason, repair, element=method))
    items: Mapping[str, Any] = experiment.uncertainties
    steps = [name for name in names if name in items and items[name].kind.stepped]
    for reason, repair, element in METHODS[method].needs(Request(names, steps, targets)):
        found.append(error("method", reason, repair, element=element or method))
    if second_order and METHODS[method].pairs == "never":
        found.append(error("method", f"{method} has no second order", "take sobol, or leave it out", element=method))
    if second_order and len(names) == 1:
        found.append(error("method", "one parameter makes no pair", "leave second order out", element=names[0]))
    return found
