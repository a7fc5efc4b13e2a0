"""The uncertainties of an experiment: those of its case it asks for, and those it overrides or adds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from flowreform.case.distributions import DISTRIBUTIONS, NUMBERS
from flowreform.case.ensemble import Ensemble
from flowreform.case.inputs import check_uncertainty
from flowreform.case.tables import Case
from flowreform.case.uncertainty import Uncertainty
from flowreform.errors import did_you_mean
from flowreform.experiment.named import case_origin, case_table, chosen, overrides_of
from flowreform.experiment.tables import ExperimentTable, Origin
from flowreform.model import Model
from flowreform.names import Unknown, find, split
from flowreform.toml import Loc, Source


def uncertainties_of(
    table: ExperimentTable,
    source: Source,
    model: Model,
    case: Case | None,
    origins: dict[str, Origin],
) -> dict[str, Uncertainty]:
    known = case.uncertainties if case else {}
    overrides = overrides_of(source, "uncertainties")
    wanted = table.uncertainties if table.uncertainties is not None else ("all" if table.draws > 1 else ())
    names = chosen(wanted, known, overrides, "uncertainties", source)
    found: dict[str, Uncertainty] = {}
    for name, (text, raw) in overrides.items():
        loc: Loc = ("uncertainties", text)
        if name not in names and table.uncertainties is not None:
            reason = "it is overridden here, and is not among the uncertainties of this experiment"
            source.fault("unused", loc, reason, "add it to uncertainties")
        elif name not in names:
            reason = "it is overridden here, and one draw without uncertainties runs the base values"
            source.warn("unused", loc, reason, "set draws or uncertainties")
        named = find(model, name, parameter=True)
        if isinstance(named, Unknown):
            source.fault("unknown-parameter", loc, named.reason, named.repair, element=text)
            continue
        item = source.parse(Uncertainty, _merged(raw, case_table(case, "uncertainties", name), source, loc), loc)
        if item is not None:
            found[name] = check_uncertainty(item, name, model, source, loc)
            origins[f"uncertainties.{name}"] = Origin(
                source.document.file, source.document.line(loc), tuple(raw) if name in known else ()
            )
    for name in names:
        if name in known and name not in overrides:
            found[name] = known[name]
            origins[f"uncertainties.{name}"] = case_origin(case, "uncertainties", name)
    _no_overlap(names, model, source)
    return {name: found[name] for name in names if name in found}


def ensemble_of(
    table: ExperimentTable, source: Source, case: Case | None, uncertainties: Mapping[str, Uncertainty]
) -> Ensemble | None:
    """The draws of the model's posterior that this experiment takes: all of them, or those of the inputs that it names.

    An input whose distribution stands in the experiment is drawn from that, and not from the posterior."""
    loc: Loc = ("experiment", "ensemble")
    found = case.ensemble if case else None
    if table.ensemble == "prior":
        return None
    if case is None or found is None:
        if table.ensemble is not None:
            repair = "write it with `flowreform fit MODEL --posterior --write`, or remove this line"
            source.fault("no-posterior", loc, "there is no posterior.csv beside the model", repair)
        return None
    if not found.current:
        reason = "posterior.csv was made from other equations, data or priors than the model's files hold now"
        repair = 'write it anew with `flowreform fit MODEL --posterior --write`, delete it, or set ensemble = "prior"'
        source.fault("old-posterior", loc, reason, repair)
        return None
    if isinstance(table.ensemble, tuple):
        for name in table.ensemble:
            if name not in found.names:
                hint = did_you_mean(name, found.names) or f"it has {', '.join(found.names)}"
                source.fault("unknown-parameter", loc, "posterior.csv has no such input", hint, element=name)
        return found.only(set(table.ensemble))
    own = {name for name, item in uncertainties.items() if _numbers(item) != _numbers(case.uncertainties.get(name))}
    for name in sorted(own & set(found.names)):
        reason = f"{name} is drawn as this file says, apart from what the data say of it together with other inputs"
        source.warn("own-distribution", ("uncertainties", name), reason, "leave it out to draw from the posterior")
    everything = table.uncertainties in (None, "all")
    kept = found.only((set(found.names) if everything else set(uncertainties)) - own)
    return kept if kept.names else None


def _numbers(item: Uncertainty | None) -> object:
    return None if item is None else item.model_dump(exclude={"label", "source", "status", "note", "extensive"})


def _no_overlap(names: Iterable[str], model: Model, source: Source) -> None:
    """An arrayed parameter varies as a whole or by element, not both."""
    for name in names:
        base, elements = split(name)
        if elements and base in names:
            reason = f"{base} varies as a whole, so {name} cannot vary by itself"
            source.fault("duplicate", ("experiment", "uncertainties"), reason, "keep one of them", element=name)


def _merged(raw: Mapping[str, Any], base: Mapping[str, Any] | None, source: Source, loc: Loc) -> dict[str, Any]:
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
        source.fault("distribution", (*loc, "unit"), reason, f"{kind} takes {', '.join(needs)}")
    return {key: value for key, value in base.items() if key not in NUMBERS} | dict(raw)
