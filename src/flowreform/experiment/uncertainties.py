"""The uncertainties of an experiment: those of its case it asks for, and those it overrides or adds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flowreform.case.distributions import DISTRIBUTIONS, NUMBERS
from flowreform.case.inputs import check_uncertainty
from flowreform.case.tables import Case
from flowreform.case.uncertainty import Uncertainty
from flowreform.errors import Finding
from flowreform.experiment.named import case_origin, case_table, chosen, overrides_of, warn
from flowreform.experiment.tables import ExperimentTable, Origin
from flowreform.model import Model
from flowreform.names import Unknown, find, split
from flowreform.toml import Document, Loc, parse


def uncertainties_of(
    table: ExperimentTable,
    document: Document,
    model: Model,
    case: Case | None,
    origins: dict[str, Origin],
    findings: list[Finding],
) -> dict[str, Uncertainty]:
    known = case.uncertainties if case else {}
    overrides = overrides_of(document, "uncertainty", findings)
    wanted = table.uncertainties if table.uncertainties is not None else ("all" if table.draws > 1 else ())
    names = chosen(wanted, known, overrides, "uncertainties", document, findings)
    found: dict[str, Uncertainty] = {}
    for name, (text, raw) in overrides.items():
        loc: Loc = ("uncertainty", text)
        if name not in names and table.uncertainties is not None:
            reason = "it is overridden here, and is not among the uncertainties of this experiment"
            findings.append(document.fault("unused", loc, reason, "add it to uncertainties"))
        elif name not in names:
            reason = "it is overridden here, and one draw without uncertainties runs the base values"
            warn(document, "unused", loc, reason, "set draws or uncertainties", findings)
        named = find(model, name, parameter=True)
        if isinstance(named, Unknown):
            findings.append(document.fault("unknown-parameter", loc, named.reason, named.repair, element=text))
            continue
        item = parse(
            Uncertainty,
            _merged(raw, case_table(case, "uncertainties", name), document, loc, findings),
            document,
            loc,
            findings,
        )
        if item is not None:
            found[name] = check_uncertainty(item, name, model, document, loc, findings)
            origins[f"uncertainties.{name}"] = Origin(document.file, document.line(loc), tuple(raw) if name in known else ())
    for name in names:
        if name in known and name not in overrides:
            found[name] = known[name]
            origins[f"uncertainties.{name}"] = case_origin(case, "uncertainties", name)
    _no_overlap(names, model, document, findings)
    return {name: found[name] for name in names if name in found}


def _no_overlap(names: Iterable[str], model: Model, document: Document, findings: list[Finding]) -> None:
    """An arrayed parameter varies as a whole or by element, not both."""
    for name in names:
        base, elements = split(name)
        if elements and base in names:
            reason = f"{base} varies as a whole, so {name} cannot vary by itself"
            findings.append(
                document.fault("duplicate", ("experiment", "uncertainties"), reason, "keep one of them", element=name)
            )


def _merged(
    raw: Mapping[str, Any], base: Mapping[str, Any] | None, document: Document, loc: Loc, findings: list[Finding]
) -> dict[str, Any]:
    """The case's definition with the experiment's keys over it. A new distribution, or a new unit, brings all its numbers."""
    if base is None:
        return dict(raw)
    kind, unit = raw.get("distribution", base["distribution"]), raw.get("unit", base["unit"])
    if kind == base["distribution"] and unit == base["unit"]:
        return dict(base) | dict(raw)
    needs = DISTRIBUTIONS[kind].needs() if isinstance(kind, str) and kind in DISTRIBUTIONS else ()
    missing = [key for key in needs if key not in raw]
    if missing and kind == base["distribution"]:
        reason = f"a new unit needs all numbers again: {', '.join(missing)} is missing"
        findings.append(document.fault("distribution", (*loc, "unit"), reason, f"{kind} takes {', '.join(needs)}"))
    return {key: value for key, value in base.items() if key not in NUMBERS} | dict(raw)
