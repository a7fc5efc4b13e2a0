"""The rules of a number given for an input: its unit converts, it lies in the variable's range, it can be drawn."""

from __future__ import annotations

from math import inf, isclose, nan

from flowreform.case.uncertainty import Uncertainty, faults
from flowreform.errors import shorten
from flowreform.model import Model
from flowreform.names import Named, Unknown, base_values, find
from flowreform.toml import Loc, Source


def convert(unit: str | None, named: Named, model: Model, source: Source, loc: Loc) -> float:
    """How many of the variable's unit make up one `unit`; 1 where either is not given. Another dimension is reported."""
    own = named.variable.units
    if unit is None or own is None or unit.strip() == own.strip():
        return 1.0
    from flowreform.units import factor

    try:
        found = factor(unit, own, model) if len(unit) <= 200 else nan
    except (ValueError, ArithmeticError) as fault:
        reason = f'unit "{shorten(unit)}" does not convert to "{own}", the unit of {named.name}'
        source.fault("unit", loc, reason, shorten(str(fault), 120) or f'write it in "{own}"')
        return 1.0
    if not 0.0 < found < inf:
        source.fault("unit", loc, f'"{shorten(unit)}" is no unit of measurement', f'write it in "{own}"')
        return 1.0
    return 1.0 if isclose(found, 1.0, rel_tol=1e-12) else found


def check_uncertainty(item: Uncertainty, name: str, model: Model, source: Source, loc: Loc) -> Uncertainty:
    """The uncertainty in the model's unit; faults of its numbers, its unit and its range are reported."""
    found = faults(item)
    for key, reason, repair in found:
        source.fault("distribution", (*loc, key), reason, repair)
    named = find(model, name, parameter=True)
    if isinstance(named, Unknown):
        return item
    if named.variable.units is not None or found:
        item = item.scaled(convert(item.unit, named, model, source, (*loc, "unit")), named.variable.units or item.unit)
    if found:
        return item
    lowest, highest = item.support
    low, high = _range(named)
    unit = named.variable.units or ""
    if lowest < low or highest > high:
        reason = (
            f"{item.distribution} reaches from {lowest:g} to {highest:g} {unit}, outside the variable's range {low:g} to {high:g}"
        )
        repair = "cut it with truncated_normal" if item.kind.endless else "narrow it, or widen <range> in the model"
        source.fault("outside-range", (*loc, "distribution"), reason, repair)
    for value in base_values(model, named):
        if not lowest <= value <= highest:
            reason = f"the base value {value:g} {unit} is outside {lowest:g} to {highest:g}, what is drawn"
            source.warn("base-outside", (*loc, "distribution"), reason, "check the equation against the source")
            break
    return item


def _range(named: Named) -> tuple[float, float]:
    low, high = named.variable.range
    return (-inf if low is None else low), (inf if high is None else high)


def in_range(value: float, named: Named, source: Source, loc: Loc) -> None:
    """Report a value outside the range that the model gives the variable."""
    low, high = _range(named)
    if not low <= value <= high:
        unit = f" {named.variable.units}" if named.variable.units else ""
        reason = f"{value:g}{unit} is outside the range {low:g} to {high:g} of {named.variable.name}"
        source.fault("outside-range", loc, reason, "choose a value inside, or widen <range> in the model")
