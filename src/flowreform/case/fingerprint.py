"""What draws from the posterior depend on, as one hash: so that they are refused once the files say something else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from flowreform.case.tables import Case
from flowreform.model import Equation, Model, Variable, canonical

WORDS = {"label", "source", "status", "note", "unit", "because"}
"""Keys of a table that change no number."""
SEARCH = {"design", "samples", "seed", "starts"}
"""Keys of [fit] that say how to search, not for what."""


def fingerprint(model: Model, case: Case) -> str:
    """SHA-256 of everything that draws from the posterior depend on: equations, step, priors, data and their errors.

    Names shown, documentation, sources, the run's end, and the model's own values of what is sampled are left out."""
    return hashlib.sha256(json.dumps(list(_parts(model, case)), sort_keys=True, default=str).encode()).hexdigest()


def _parts(model: Model, case: Case) -> Iterator[Any]:
    table = dict(case.document.table.get("fit", {})) if case.document else {}
    asked = table.get("parameters", [])
    sampled = {*case.uncertainties, *(canonical(str(name)) for name in asked if isinstance(asked, list))}
    specs = model.specs
    yield [specs.start, specs.dt, str(specs.method), specs.time_unit, repr(case.calendar)]
    for variable in model:
        if variable.role == "parameter" and not variable.dimensions and variable.name in sampled:
            continue
        yield _said(variable)
    yield [
        [item.name, item.parameters, item.result, [_said(inner) for inner in item.variables]] for item in model.macros.values()
    ]
    yield [[item.name, item.elements, item.mappings] for item in model.dimensions.values()]
    yield {name: item.model_dump(mode="json", exclude=WORDS) for name, item in case.uncertainties.items()}
    yield _without({key: value for key, value in table.items() if key not in SEARCH})
    series = table.get("series", {})
    used = set(series) if isinstance(series, Mapping) else set()
    yield [
        [row.series, row.period.text if row.period else row.year, row.value] for row in case.observations if row.series in used
    ]
    yield {name: item.model_dump(mode="json", exclude=WORDS) for name, item in case.reference.items() if name in used}
    yield {name: dict(item.values) for name, item in case.settings.items()}


def _said(variable: Variable) -> list[Any]:
    flags = [variable.non_negative, variable.queue, variable.overflow]
    belt = [repr(variable.leak), variable.text if variable.conveyor is None else repr(variable.conveyor)]
    sides = [variable.inflows, variable.outflows, variable.dimensions]
    return [variable.name, str(variable.role), *flags, *belt, *sides, [_equation(item) for item in variable.equations]]


def _equation(item: Equation) -> list[Any]:
    table = [item.lookup.x, item.lookup.y, str(item.lookup.kind)] if item.lookup else None
    return ["".join(item.text.split()), item.subscripts, item.exceptions, table]


def _without(raw: Any) -> Any:
    """A table without the keys that change no number."""
    if isinstance(raw, Mapping):
        return {str(key): _without(value) for key, value in raw.items() if key not in WORDS}
    return [_without(value) for value in raw] if isinstance(raw, list | tuple) else raw
