"""What is given in Python as the tables that an experiment file would hold, so that one reader checks both."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from flowreform.case.tables import Case
from flowreform.experiment.settings import Points, Scenario, Setting
from flowreform.model import Model
from flowreform.names import join, split
from flowreform.text import NUMBER, number
from flowreform.toml import Table

Given = str | Sequence[str] | Mapping[str, object] | None
"""Uncertainties or KPIs as given in Python: "all", names, or tables by name."""

HEAD = (
    "title",
    "question",
    "start",
    "stop",
    "appraisal_end",
    "save",
    "save_every",
    "draws",
    "design",
    "seed",
    "noise_seed",
    "baseline",
)
"""Keys of [experiment] that are given as they stand in a file."""
FILE = "Experiment"
"""What findings name as their file where there is none."""
_NUMBER_UNIT = re.compile(rf"\s*([-+]?{NUMBER})(?![0-9_])\s*(.*?)\s*$")


def as_table(given: Mapping[str, Any], model: Model, case: Case | None) -> dict[str, Any]:
    """What a file with the same content would hold."""
    about = case.about if case else None
    head = {key: plain(given[key]) for key in HEAD if given[key] is not None}
    head = {"title": about.title if about else model.name, "question": about.question if about else ""} | head
    table: dict[str, Any] = {"experiment": head | {"model": model.name}}
    known = {"uncertainties": case.uncertainties if case else {}, "kpis": case.kpis if case else {}}
    for key in ("uncertainties", "kpis"):
        value = given[key]
        if isinstance(value, Mapping):
            table["experiment"][key] = [str(name) for name in value]
            changed = {str(name): item for name, item in value.items() if item is not None}
            table[key] = {name: plain(item) for name, item in changed.items() if not same(known[key].get(name), item)}
        elif value is not None:
            table["experiment"][key] = plain(value)
    for name, item in table.get("uncertainties", {}).items():
        if name not in known["uncertainties"] and isinstance(item, dict):
            table["uncertainties"][name] = _defaults(name, model) | item
    if given["ensemble"] is not None:
        table["experiment"]["ensemble"] = plain(given["ensemble"])
    if given["scenarios"]:
        table["scenarios"] = {str(name): scenario_table(item) for name, item in given["scenarios"].items()}
    if given["correlations"]:
        table["correlations"] = [plain(item) for item in given["correlations"]]
    if given.get("system"):
        table["system"] = plain(given["system"])
    if given["sweep"] is not None:
        table["sweep"] = plain(given["sweep"])
    if given["paper"] is not None:
        table["paper"] = plain(given["paper"])
    if given["plan"] is not None:
        table["plan"] = plain(given["plan"])
    return table


def _defaults(name: str, model: Model) -> dict[str, str]:
    """What a new uncertainty is where it does not say otherwise: in the model's own unit, an assumption."""
    base = split(name)[0]
    unit = model.variables[base].units if base in model.variables else None
    return {"unit": unit or "dimensionless", "source": "given in Python", "status": "assumption"}


def same(known: object, item: object) -> bool:
    """Whether an uncertainty or KPI is the case's own; one that was scaled to the model's unit is compared as it is now."""
    return known is not None and known == item


def names_of(given: Given, known: Mapping[str, object]) -> list[str]:
    return list(known) if given == "all" or given is None else [given] if isinstance(given, str) else list(given)


def scenario_table(item: object) -> Any:
    """A scenario as a file holds it: of a `Scenario`, of settings, or of a table with `label` and `set`."""
    if isinstance(item, Scenario):
        return {"label": item.label, "set": {name: _setting_table(value) for name, value in item.settings.items()}}
    table = item if isinstance(item, Mapping) else {"set": item}
    if not (isinstance(table.get("set"), Mapping) and set(table) <= {"label", "set", "setting"}):
        table = {"set": item}
    settings = table["set"]
    if isinstance(settings, Mapping):
        settings = {str(name): _setting_table(value) for name, value in settings.items()}
    return {**table, "set": settings}


def _setting_table(value: object) -> Any:
    if isinstance(value, str):
        return worded(value)
    return plain(value)


def set_over(item: object, settings: Mapping[str, object]) -> Any:
    table = scenario_table(item)
    over = {join(*split(name)): value for name, value in settings.items()}
    kept = {name: value for name, value in table["set"].items() if join(*split(name)) not in over}
    return table | {"set": kept | {name: _setting_table(value) for name, value in over.items()}}


def plain(value: Any) -> Any:
    """A value in TOML's own types: tables, lists, text, numbers and dates."""
    if isinstance(value, Table):
        return plain(value.model_dump(exclude_none=True, by_alias=True))
    if isinstance(value, Points):
        return {"points": [list(pair) for pair in zip(value.times, value.values, strict=True)]}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value


def worded(text: str) -> float | str | dict[str, object]:
    """ "6.5" as a number, "6.5 day" as a number with its unit; any other text as it is, for a reader to refuse."""
    match = _NUMBER_UNIT.match(text)
    if match is None:
        return text
    return {"value": float(match[1]), "unit": match[2]} if match[2] else float(match[1])


def setting_text(value: Setting) -> str:
    """A setting in a few characters."""
    return f"{len(value.times)} points over time" if isinstance(value, Points) else number(value, 6)
