"""What makes two sweeps the same: every equation, number and version that a run's values depend on, each under a name.

Words that change no number (labels, sources, documentation) are left out, so that a comment may be mended between two
sessions. A sweep goes on only where all of it is equal; what is not is named.
"""

from __future__ import annotations

import hashlib
import platform
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flowreform.errors import Finding, error, shorten
from flowreform.experiment import Experiment, Points, Setting
from flowreform.formats.writer import plain as plain_model
from flowreform.model import Variable

WORDS = {"label", "source", "status", "note", "caution"}
"""Keys of an uncertainty or KPI that change no number."""
SHA256 = "sha256"
_COLUMN = re.compile(r", column=[0-9]+\)")
"""Where a name stands in its line says nothing about the number."""
PACKAGES = ("flowreform", "numpy", "scipy", "numba", "llvmlite")


def identity_of(experiment: Experiment) -> dict[str, Any]:
    """The fields on which values depend, by name, in JSON's types; without the number of draws, which may grow."""
    specs = experiment.model.specs
    found: dict[str, Any] = {
        "dt": experiment.dt,
        "start": experiment.start,
        "stop": experiment.stop,
        **({"baseline": experiment.baseline} if any(kpi.against for kpi in experiment.kpis.values()) else {}),
        **({"appraisal_end": experiment.appraisal_end} if experiment.appraisal_end is not None else {}),
        **({"noise_seed": experiment.noise_seed} if experiment.noise_seed is not None else {}),
        "method": str(specs.method),
        "seed": experiment.seed,
        "design": experiment.design,
        "save": list(experiment.save),
        "save_every": experiment.save_every,
        "uncertainties": list(experiment.uncertainties),
        "kpis": list(experiment.kpis),
        "scenarios": list(experiment.scenarios),
        "sweep.trajectories": experiment.sweep.trajectories,
        "sweep.quantiles": list(experiment.sweep.quantiles),
        "sweep.seconds_per_run": experiment.sweep.seconds_per_run,
    }
    plain = plain_model(experiment.model)
    for variable in experiment.model:
        found[f"equation of {variable.name}"] = _said(variable, plain.variables[variable.name])
    for dimension in experiment.model.dimensions.values():
        found[f"dimension {dimension.name}"] = list(dimension.elements)
    for macro in experiment.model.macros.values():
        inner = zip(macro.variables, plain.macros[macro.name].variables, strict=True)
        said = [_said(variable, bare)[SHA256] for variable, bare in inner]
        found[f"macro {macro.name}"] = _digest(repr((macro.parameters, macro.result, said)))
    for name, item in experiment.uncertainties.items():
        found[f"uncertainty {name}"] = _plain(item.model_dump(mode="json", exclude_none=True))
    if experiment.ensemble is not None:
        found["ensemble"] = experiment.ensemble.digest
    for pair in experiment.correlations:
        found[f"correlation of {' and '.join(sorted(pair.between))}"] = pair.rank_correlation
    for name, kpi in experiment.kpis.items():
        found[f"kpi {name}"] = _plain(kpi.model_dump(mode="json", exclude_none=True, by_alias=True))
    calendar = experiment.case.calendar if experiment.case else None
    found["calendar"] = repr(calendar)
    for name, scenario in experiment.scenarios.items():
        found[f"scenario {name}"] = {key: _setting(value) for key, value in sorted(scenario.settings.items())}
    return found


def machine() -> dict[str, str]:
    """The versions and the type of machine on which values are equal to the last bit (rule 6)."""
    from importlib.metadata import PackageNotFoundError, version

    from llvmlite import binding

    found = {"version of python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[f"version of {name}"] = version(name)
        except PackageNotFoundError:
            found[f"version of {name}"] = "none"
    found["system"] = f"{platform.system()} {platform.machine()}"
    found["processor"] = str(binding.get_host_cpu_name())
    return found


def differences(stored: Mapping[str, Any], now: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    """The fields that are not equal: name, stored value, value now; None where a side lacks it."""
    names = dict.fromkeys((*stored, *now))
    return [(name, stored.get(name), now.get(name)) for name in names if _compared(stored.get(name)) != _compared(now.get(name))]


def _compared(value: Any) -> Any:
    return value.get(SHA256, value) if isinstance(value, Mapping) else value


MOST_NAMED = 10


def changed_fields(folder: str, stored: Mapping[str, Any], now: Mapping[str, Any]) -> list[Finding]:
    """An error for every field that is not as it was when the sweep was begun."""
    found = differences(stored, now)
    repair = "undo the change, or sweep into another folder (-o)"
    faults = []
    for name, was, is_now in found[:MOST_NAMED]:
        reason = f"it was {_shown(was)} when this sweep was begun and is {_shown(is_now)}"
        faults.append(error("sweep-changed", reason, repair, file=folder, element=name))
    if len(found) > MOST_NAMED:
        faults.append(error("sweep-changed", f"{len(found) - MOST_NAMED:,} more fields have changed", repair, file=folder))
    return faults


def _shown(value: Any) -> str:
    if value is None:
        return "not there"
    if isinstance(value, Mapping) and SHA256 in value:
        value = value["as_written"]
    if isinstance(value, Mapping):
        value = ", ".join(f"{key} = {_shown(item)}" for key, item in value.items()) or "empty"
    return shorten(str(value), 120)


def _said(variable: Variable, plain: Variable) -> dict[str, str]:
    """The equation as written, to be shown, and the hash of all that the engine takes from the variable, to be compared."""
    bare = replace(plain, label="", doc="", line=0, group=None, units=None, range=(None, None))
    return {"as_written": variable.text, SHA256: _digest(_COLUMN.sub(")", repr(bare)))}


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _plain(table: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if key not in WORDS}


def _setting(value: Setting) -> Any:
    return {"times": list(value.times), "values": list(value.values)} if isinstance(value, Points) else value
