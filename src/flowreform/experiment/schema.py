"""The JSON schema of experiment files, so that an editor completes and checks them: made from the tables that read them."""

from __future__ import annotations

from typing import Any

from flowreform.case.distributions import DISTRIBUTIONS, NUMBERS
from flowreform.case.form import Field, Form
from flowreform.case.tables import Kpi
from flowreform.case.uncertainty import Uncertainty
from flowreform.experiment.copula import Correlation
from flowreform.experiment.plans import PlanTable
from flowreform.experiment.system import ABOUT
from flowreform.experiment.tables import ExperimentTable, PaperTable, ScenarioTable, SweepTable
from flowreform.toml import Table

DRAFT = "https://json-schema.org/draft/2020-12/schema"


def schema_of(form: Form | None) -> dict[str, Any]:
    """The schema; with a form, `[system]` has its fields."""
    definitions: dict[str, Any] = {}

    def made(kind: type[Table]) -> dict[str, Any]:
        found = kind.model_json_schema(by_alias=True, ref_template="#/$defs/{model}")
        definitions.update(found.pop("$defs", {}))
        return found

    tables: dict[str, Any] = {
        "experiment": made(ExperimentTable),
        "scenarios": {"type": "object", "additionalProperties": made(ScenarioTable)},
        "uncertainties": {"type": "object", "additionalProperties": {**made(Uncertainty), "required": []}},
        "correlations": {"type": "array", "items": made(Correlation)},
        "kpis": {"type": "object", "additionalProperties": {**made(Kpi), "required": []}},
        "sweep": made(SweepTable),
        "paper": made(PaperTable),
        "system": _system(form),
        "plan": made(PlanTable),
    }
    return {
        "$schema": DRAFT, "title": "Experiment file of flowreform", "type": "object", "properties": tables,
        "required": ["experiment"], "additionalProperties": False, "$defs": definitions,
    }  # fmt: skip


def _system(form: Form | None) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "object", "properties": {key: {"type": "string"} for key in ABOUT}}
    found["properties"]["start"] = {"description": 'A date, "April 2026" or "2026/27".'}
    if form is None:
        return found
    for name, item in form.fields.items():
        place = found
        *above, last = name.split(".")
        for part in above:
            place = place["properties"].setdefault(part, {"type": "object", "properties": {}, "additionalProperties": False})
        place["properties"][last] = _entry(item)
    for words in form.words.values():
        for word, (name, _) in words.items():
            found["properties"].setdefault(word, _entry(form.fields[name]))
    found["properties"]["vocabulary"] = {"enum": list(form.words)}
    found["additionalProperties"] = False
    return found


def _entry(item: Field) -> dict[str, Any]:
    low, high = item.low, item.high
    seen = (
        ""
        if low is None or high is None
        else f" Real systems: {low:g} to {high:g}{' per million people' * bool(item.scales_with)}."
    )
    words = f"{item.label} [{item.unit or 'a word'}]. {item.definition}{seen}"
    if item.choices:
        return {"description": words, "enum": list(item.choices)}
    number = {"type": ["number", "string"]}
    table: dict[str, Any] = {
        "type": "object",
        "properties": {
            **dict.fromkeys(("value", *NUMBERS), number), "distribution": {"enum": list(DISTRIBUTIONS)},
            "source": {"type": "string"}, "status": {"type": "string"},
        },
        "additionalProperties": False,
    }  # fmt: skip
    table["properties"] |= {key: {"type": "array"} for key in ("values", "weights")}
    return {"description": words, "anyOf": [number, table]}
