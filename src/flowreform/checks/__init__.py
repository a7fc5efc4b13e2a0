"""Static checks: what can be known of a model without running it. One function per rule, all findings at once.

A new rule is a function from a `Model` to findings in one of the modules here and a line in `STRUCTURE` (the model cannot
run without it) or `QUALITY`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from flowreform.checks.circles import loops
from flowreform.checks.consistency import units
from flowreform.checks.delays import delays
from flowreform.checks.names import clashes, names, reserved
from flowreform.checks.subscripts import coverage, left_sides, subscripts
from flowreform.checks.values import clock, equality, equations, flows, idle_flows, papers, ranges, unused
from flowreform.errors import Finding, Level, ModelError
from flowreform.model import Model

Rule = Callable[[Model], Iterable[Finding]]

STRUCTURE: tuple[Rule, ...] = (equations, flows, names, reserved, left_sides, subscripts, coverage, loops)
QUALITY: tuple[Rule, ...] = (clashes, idle_flows, units, delays, clock, equality, ranges, papers)


def check(model: Model, used: Collection[str] = ()) -> tuple[Finding, ...]:
    """Every finding of every rule, what the reader warned of included, in the order of the file.

    `used` names variables that something outside the equations reads (KPIs, charts, targets): with it, auxiliaries that
    nothing reads are reported too."""
    found = [finding for finding in model.findings if isinstance(finding, Finding)]
    for rule in STRUCTURE:
        found.extend(rule(model))
    if not any(finding.level is Level.ERROR for finding in found):
        found.extend(_lowered(model))
    for rule in QUALITY:
        found.extend(rule(model))
    found.extend(unused(model, used))
    return tuple(sorted(dict.fromkeys(found), key=lambda item: (item.line, item.level is not Level.ERROR, item.column)))


def _lowered(model: Model) -> tuple[Finding, ...]:
    """What only turning the model into a program finds, so that a model that checks also runs."""
    from flowreform.lower import lower

    try:
        lower(model)
    except ModelError as fault:
        return fault.findings
    return ()


__all__ = ["QUALITY", "STRUCTURE", "Rule", "check"]
