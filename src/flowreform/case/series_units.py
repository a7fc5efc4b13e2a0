"""The `unit` column of reference.csv against what the model says of a series: converted, or refused.

A note in brackets at its end is no part of a unit, as in `beds (England)`. What is counted by other words than the model's own
(`employees` for wte) is taken as it stands: only a unit of the model, or one that every model knows, is compared. So is what
the series itself says that its rows are in (`unit` in [reference], beside the `scale` that leads to it). A number alone
(`million`) counts the model's own unit, and an increase over a reporting year may be written as a rate. A scale between a half
and two is the level of one way of counting against another (beds of England and Wales over those of England), not a unit.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from math import isclose

from flowreform.case.observations import Observation
from flowreform.case.tables import Reference
from flowreform.errors import Finding, error, shorten
from flowreform.model import Model
from flowreform.names import Unknown, find
from flowreform.units import COUNTS, Unit, UnitError, known, ratio, reader

_NOTE = re.compile(r"\s*\([^()]*\)\s*$")
_OF_ITS_VARIABLE = ("at", "mean", "min", "max", "final", "increase")
"""Statistics whose result has the variable's own unit."""


def in_units_of(
    rows: tuple[Observation, ...], reference: Mapping[str, Reference], model: Model, file: str, findings: list[Finding]
) -> tuple[Observation, ...]:
    """The rows in the unit of what is compared with them; a row in another kind of unit is added to `findings`."""
    try:
        read = reader(model)
        own = frozenset(power for item in model if item.units for power, _ in read(item.units).powers)
    except UnitError:
        return rows  # `check` says which unit cannot be read
    found = []
    for row in rows:
        measured = _unit(reference.get(row.series), model)
        text = _NOTE.sub("", row.unit).strip()
        if measured is None or not text or len(text) > 100:
            found.append(row)
            continue
        series, unit = measured
        try:
            given = read(text)
        except UnitError:
            found.append(row)
            continue
        scale = 1.0 if 0.5 < series.scale < 2.0 else series.scale  # a factor of level and no change of units
        times = given.factor if text.casefold() in COUNTS else ratio(given, unit)
        if times is None and series.statistic == "increase":
            times = ratio(given * read("year"), unit)
        if times is not None:
            found.append(row if isclose(times * scale, 1.0, rel_tol=1e-9) else replace(row, value=row.value * times * scale))
            continue
        stated = (
            series.unit is not None and text == _NOTE.sub("", series.unit).strip()
        )  # and its scale makes the one of the other
        if not stated and given.powers and all(power in own or known(power) is not None for power, _ in given.powers):
            reason = f'the unit of this row, "{shorten(text, 40)}", is another kind of quantity than {unit}'
            repair = "correct it, name a variable of that kind, or give the series this unit and the scale that leads to it"
            findings.append(error("reference-unit", reason, repair, file=file, line=row.line, element=row.series))
        found.append(row)
    return tuple(found)


def _unit(series: Reference | None, model: Model) -> tuple[Reference, Unit] | None:
    """A series with the unit of its variable; None where what it measures has no unit of its own."""
    if series is None or series.over is not None or series.minus is not None or series.statistic not in _OF_ITS_VARIABLE:
        return None
    named = find(model, series.variable)
    if isinstance(named, Unknown) or named.variable.units is None:
        return None
    return series, reader(model)(named.variable.units)
