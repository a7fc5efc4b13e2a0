"""What an experiment says, read part by part: what it names of its case, its horizon, KPIs, uncertainties and their
correlations.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from flowreform.case.checks import check_measure, check_uncertainty, in_range
from flowreform.case.distributions import DISTRIBUTIONS, NUMBERS
from flowreform.case.ensemble import Ensemble, read_ensemble
from flowreform.case.fingerprint import fingerprint
from flowreform.case.tables import Case, Kpi
from flowreform.case.uncertainty import Uncertainty
from flowreform.checks.values import CONTROLS
from flowreform.errors import did_you_mean, shorten
from flowreform.experiment.copula import Correlation, matrix_of, named_in
from flowreform.experiment.tables import MAX_STEPS, ExperimentTable, Origin, PaperTable
from flowreform.model import Model, Role, divides, whole_times
from flowreform.names import RESERVED, Unknown, find, join, split
from flowreform.toml import Loc, Source


def chosen(wanted: object, known: Iterable[str], own: Iterable[str], key: str, source: Source) -> tuple[str, ...]:
    """The names asked for, in order: those of the case, and those the experiment defines itself."""
    loc: Loc = ("experiment", key)
    every = tuple(dict.fromkeys((*known, *own)))
    if wanted == "all":
        return every
    if not isinstance(wanted, tuple):
        if wanted is not None:
            source.fault("schema", loc, '"all" or a list of names is needed', "")
        return tuple(own)
    found: list[str] = []
    for at, text in enumerate(wanted):
        name = text if text in every else canonical_name(text)
        if name not in every:
            hint = did_you_mean(name, every) or f"known are {', '.join(every) or 'none'}"
            source.fault(f"unknown-{key}", (*loc, at), "there is no such name", hint, element=text)
        elif name in found:
            source.fault("duplicate", (*loc, at), "it is named twice", "name it once", element=text)
        else:
            found.append(name)
    return tuple(found)


def canonical_name(text: str) -> str:
    """The one spelling of a name with its elements."""
    return join(*split(text))


def overrides_of(source: Source, key: str) -> dict[str, tuple[str, Mapping[str, Any]]]:
    found: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for text, raw in source.table(key).items():
        name = canonical_name(text)
        if not isinstance(raw, dict):
            source.fault("schema", (key, text), "a table is needed here", f"write [{key}.{text}]")
        elif name in found:
            source.fault("duplicate", (key, text), f"it stands here already, spelt {found[name][0]}", "keep one")
        else:
            found[name] = (text, raw)
    return found


def case_table(case: Case | None, key: str, name: str) -> Mapping[str, Any] | None:
    """A table of the case file as written, by canonical name: what an override changes keeps its unit and its words."""
    tables = case.document.table.get(key, {}) if case and case.document else {}
    return next((raw for text, raw in tables.items() if text == name or canonical_name(text) == name), None)


def case_origin(case: Case | None, key: str, name: str) -> Origin:
    document = case.document if case else None
    for (table, *rest), line in document.lines.items() if document else ():
        if table == key and len(rest) == 1 and (rest[0] == name or canonical_name(str(rest[0])) == name):
            return Origin(document.file if document else "", line)
    return Origin(case.file if case else "", 0)


# --- the horizon -----------------------------------------------------------------------------------------------------


def horizon_of(table: ExperimentTable, model: Model, source: Source) -> tuple[float, float, float]:
    """Start, stop and saving interval, all on the grid of dt."""
    specs = model.specs
    own = (specs.start, specs.end, _interval(specs.start, specs.end, model))
    start = specs.start if table.start is None else table.start
    stop = table.stop if table.stop is not None else specs.end if table.start is None else specs.stop
    key = "stop" if table.stop is not None else "start"
    if stop <= start:
        source.fault("horizon", ("experiment", key), f"stop {stop:g} does not come after start {start:g}", "")
        return own
    if (stop - start) / specs.dt > MAX_STEPS:
        reason = f"{(stop - start) / specs.dt:.3g} steps of dt {specs.dt:g} are more than the limit of {MAX_STEPS:,}"
        source.fault("limit", ("experiment", key), reason, "choose a nearer stop")
        return own
    if not _multiple(stop - start, specs.dt):
        reason = f"start {start:g} to stop {stop:g} is not a whole number of steps of dt {specs.dt:g}"
        source.fault("horizon", ("experiment", key), reason, "move start or stop")
        return own
    every = table.save_every
    if every is None:
        return start, stop, _interval(start, stop, model)
    loc: Loc = ("experiment", "save_every")
    if every <= 0 or not _multiple(every, specs.dt):
        nearest = max(1, whole_times(every, specs.dt)) * specs.dt
        source.fault("save-every", loc, f"{every:g} is not a multiple of dt {specs.dt:g}", f"write {nearest:g}")
        return start, stop, _interval(start, stop, model)
    if not _multiple(stop - start, every):
        reason = f"the end of the run is not saved: {stop - start:g} is not a multiple of save_every {every:g}"
        source.fault("save-every", loc, reason, "choose a save_every that divides the horizon")
        return start, stop, _interval(start, stop, model)
    return start, stop, every


def appraisal_end_of(table: ExperimentTable, grid: tuple[float, float, float], model: Model, source: Source) -> float | None:
    """Where runs end when they go on past stop; `grid` is start, stop and saving interval."""
    end = table.appraisal_end
    if end is None:
        return None
    start, stop, every = grid
    loc: Loc = ("experiment", "appraisal_end")
    if end == stop:
        return None
    if end < stop:
        reason = f"appraisal_end {end:g} comes before stop {stop:g}"
        source.fault("horizon", loc, reason, "choose a later one, or leave it out")
    elif (end - start) / model.specs.dt > MAX_STEPS:
        reason = f"{(end - start) / model.specs.dt:.3g} steps of dt are more than the limit of {MAX_STEPS:,}"
        source.fault("limit", loc, reason, "choose a nearer appraisal_end")
    elif not _multiple(end - stop, every):
        reason = f"stop {stop:g} to appraisal_end {end:g} is not a multiple of the saving interval {every:g}"
        source.fault("save-every", loc, reason, "move appraisal_end")
    else:
        return end
    return None


def _interval(start: float, stop: float, model: Model) -> float:
    """The saving interval when none is given: the model's, or one time unit, or else dt; one that also saves the end."""
    for every in (model.specs.saving if model.specs.save_every else None, 1.0):
        if every and _multiple(every, model.specs.dt) and _multiple(stop - start, every):
            return every
    return model.specs.dt


def _multiple(length: float, step: float) -> bool:
    return divides(step, length, 1e-9)


# --- KPIs ------------------------------------------------------------------------------------------------------------


def kpis_of(
    table: ExperimentTable,
    source: Source,
    model: Model,
    case: Case | None,
    grid: tuple[float, float, float],
    origins: dict[str, Origin],
) -> dict[str, Kpi]:
    known = case.kpis if case else {}
    calendar = case.calendar if case else None
    overrides = {text: (text, raw) for text, raw in source.table("kpis").items()}
    names = chosen(table.kpis, known, overrides, "kpis", source)
    found: dict[str, Kpi] = {}
    for name in dict.fromkeys((*names, *overrides)):
        if name in overrides:
            loc: Loc = ("kpis", name)
            raw = overrides[name][1]
            base = known.get(name)
            item = source.parse(Kpi, _merged_kpi(raw, case_table(case, "kpis", name)), loc)
            if item is not None:
                found[name] = check_measure(item, loc, model, calendar, source, grid=grid)
                origins[f"kpis.{name}"] = Origin(source.document.file, source.document.line(loc), tuple(raw) if base else ())
        elif name in known:
            found[name] = known[name]
            origins[f"kpis.{name}"] = case_origin(case, "kpis", name)
            lines: dict[Loc, int] = {("experiment", "kpis"): source.document.line(("experiment", "kpis"))}
            place = Source(replace(source.document, lines=lines), source.findings)
            check = known[name].model_copy(update={"unit": None})  # names and unit were checked with the case; now the times
            check_measure(check, ("experiment", "kpis", name), model, calendar, place, grid=grid)
    return found


def _merged_kpi(raw: object, base: Mapping[str, Any] | None) -> object:
    """The case's definition with the experiment's keys over it; a new year, date or window replaces the old one whole."""
    if base is None or not isinstance(raw, dict):
        return raw
    when = ("year", "date", "from", "to", "last")
    dropped = when if any(key in raw for key in when) else ()
    return {key: value for key, value in base.items() if key not in dropped} | raw


def saved(table: ExperimentTable, source: Source, model: Model, case: Case | None, kpis: Mapping[str, Kpi]) -> tuple[str, ...]:
    """Whole variables in model order: those asked for, and those that KPIs, charts and reference series need; of a model without
    stocks everything that it works out."""
    wanted: set[str] = {split(name)[0] for kpi in kpis.values() for name in kpi.variables}
    if case:
        wanted |= {split(name)[0] for chart in case.charts for name in chart.variables}
        wanted |= {split(name)[0] for item in case.reference.values() for name in item.variables}
    lookups = model.of_role(Role.LOOKUP)
    if table.save == "all":
        wanted |= set(model.variables) - set(lookups)
    elif table.save == "stocks" or (table.save is None and not wanted):
        wanted |= set(model.stocks) or set(model.variables) - {*lookups, *RESERVED, *CONTROLS}
    elif isinstance(table.save, tuple):
        for at, text in enumerate(table.save):
            loc: Loc = ("experiment", "save", at)
            found = find(model, text)
            if isinstance(found, Unknown):
                source.fault("unknown-variable", loc, found.reason, found.repair, element=text)
            elif found.variable.name in lookups:
                source.fault("lookup", loc, "a lookup has no course over time to save", "", element=text)
            else:
                wanted.add(found.variable.name)
    return tuple(name for name in model.variables if name in wanted)


# --- uncertainties ---------------------------------------------------------------------------------------------------


def uncertainties_of(
    table: ExperimentTable,
    source: Source,
    model: Model,
    case: Case | None,
    origins: dict[str, Origin],
    entered: Mapping[str, Uncertainty | None] = MappingProxyType({}),
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
        if name in entered and item is not None and item != entered[name]:
            reason = f"[system] says already what {name} is"
            source.fault("duplicate", loc, reason, "give the range there, or leave it out there")
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
    table: ExperimentTable, source: Source, model: Model, case: Case | None, uncertainties: Mapping[str, Uncertainty]
) -> Ensemble | None:
    """The draws of the model's posterior that this experiment takes: all of them, or those of the inputs that it names.

    An input whose distribution stands in the experiment is drawn from that, and not from the posterior."""
    loc: Loc = ("experiment", "ensemble")
    found = case.ensemble if case else None
    if table.ensemble == "prior":
        return None
    if isinstance(table.ensemble, str) and table.ensemble != "conditioned":
        return _calibrated(table.ensemble, source, model, case)
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


def _calibrated(name: str, source: Source, model: Model, case: Case | None) -> Ensemble | None:
    """The draws of a system calibrated to its own months, of the file beside the experiment's. What the experiment gives another
    distribution is drawn from that all the same: the months are of the whole system."""
    loc: Loc = ("experiment", "ensemble")
    path = Path(source.document.file).parent / name.replace("\\", "/")
    if "://" in name or name.startswith(("//", "\\\\")):
        source.fault("posterior", loc, "draws are read from a file of this machine only", "copy it beside")
        return None
    if not path.is_file():
        repair = "write it with `flowreform fit FILE --history history.csv --write`, or remove this line"
        source.fault("no-posterior", loc, f"there is no file {shorten(name)} beside the experiment", repair)
        return None
    before = len(source.findings)
    found = read_ensemble(path, source.findings)
    if found is None or case is None:
        del source.findings[before:]
        reason = f"{shorten(name)} holds no draws, or was damaged"
        source.fault("posterior", loc, reason, "write it anew with `flowreform fit FILE --history history.csv --write`")
        return None
    if found.about.get("made_from") != fingerprint(model, case):
        reason = f"{shorten(name)} was made for a system with other numbers than [system] and the model hold now"
        repair = 'write it anew with `flowreform fit FILE --history history.csv --write`, or set ensemble = "prior"'
        source.fault("old-posterior", loc, reason, repair)
        return None
    for one, column in zip(found.names, found.values.T, strict=True):
        named = find(model, one, parameter=True)
        if isinstance(named, Unknown):
            source.fault("unknown-parameter", loc, named.reason, named.repair, element=shorten(one))
            return None
        for end in (float(column.min()), float(column.max())):
            in_range(end, named, source, loc)
    return replace(found, file=path.as_posix())


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


# --- the paper of an experiment --------------------------------------------------------------------------------------


def paper_of(source: Source, model: Model, scenarios: Iterable[str], kpis: Iterable[str]) -> PaperTable:
    """What the experiment's paper names, checked: scenarios, KPIs, one series that is saved, parameters."""
    table = source.parse(PaperTable, source.table("paper"), ("paper",)) or PaperTable()
    for key, names, known in (("options", table.options, tuple(scenarios)), ("outcomes", table.outcomes, tuple(kpis))):
        for at, name in enumerate(names):
            if name not in known:
                hint = did_you_mean(name, known) or f"known are {', '.join(known) or 'none'}"
                source.fault("unknown-name", ("paper", key, at), "the experiment has no such name", hint, element=name)
    for at, text in enumerate(table.levers):
        named = find(model, text, parameter=True)
        if isinstance(named, Unknown):
            source.fault("unknown-parameter", ("paper", "levers", at), named.reason, named.repair, element=text)
    if table.decides:
        named = find(model, table.decides)
        if isinstance(named, Unknown):
            source.fault("unknown-variable", ("paper", "decides"), named.reason, named.repair, element=table.decides)
        elif named.variable.role is Role.LOOKUP or (named.variable.dimensions and not named.elements):
            reason = "one series is needed: a variable without dimensions, or one element"
            source.fault("unknown-variable", ("paper", "decides"), reason, "write name[element]", element=table.decides)
    return table.model_copy(update={"levers": tuple(map(canonical_name, table.levers))})


def still(table: PaperTable, scenarios: Iterable[str], kpis: object) -> PaperTable:
    """A paper without the scenarios and KPIs that are no longer there."""
    kept = set(scenarios)
    names = set(kpis) if isinstance(kpis, Mapping | list | tuple) else set(table.outcomes)
    options = tuple(name for name in table.options if name in kept)
    return table.model_copy(update={"options": options, "outcomes": tuple(name for name in table.outcomes if name in names)})


# --- the correlations of an experiment file --------------------------------------------------------------------------


SMALLEST = 1e-6
"""Smallest eigenvalue that a correlation matrix may have."""


def correlations_of(source: Source, uncertainties: Mapping[str, Uncertainty], varies: bool) -> tuple[Correlation, ...]:
    """The correlations of an experiment file; every fault is added. `varies` is False where one draw runs the base values."""
    found: dict[frozenset[str], Correlation] = {}
    for at, item in source.listed(Correlation, "correlations"):
        loc: Loc = ("correlations", at)
        item = item.model_copy(update={"between": tuple(canonical_name(name) for name in item.between)})
        pair = frozenset(item.between)
        if len(pair) == 1:
            reason = f"{item.between[0]} cannot be correlated with itself"
            source.fault("correlation", (*loc, "between"), reason, "name two uncertainties")
        elif pair in found:
            reason = f"{' and '.join(item.between)} stand here already"
            source.fault("duplicate", (*loc, "between"), reason, "keep one of the two")
        elif not varies:
            reason = "one draw without uncertainties runs the base values, so nothing can move together"
            source.warn("unused", loc, reason, "set draws or uncertainties")
        elif _known(item, uncertainties, source, loc):
            found[pair] = item
    kept = tuple(found.values())
    _possible(kept, source)
    return kept


def still_drawn(correlations: Iterable[Correlation], uncertainties: Mapping[str, Uncertainty]) -> tuple[Correlation, ...]:
    """Those of which both inputs are drawn."""
    return tuple(item for item in correlations if set(item.between) <= set(uncertainties))


def _known(item: Correlation, uncertainties: Mapping[str, Uncertainty], source: Source, loc: Loc) -> bool:
    known = True
    for at, name in enumerate(item.between):
        place: Loc = (*loc, "between", at)
        if name not in uncertainties:
            hint = did_you_mean(name, uncertainties) or f"uncertainties are {', '.join(uncertainties) or 'none'}"
            source.fault("unknown-uncertainty", place, "the experiment has no such uncertainty", hint, element=name)
            known = False
        elif uncertainties[name].kind.stepped:
            reason = f"{name} has a few values, and equal values have no order: the rank correlation will be smaller"
            source.warn("correlation", place, reason, "give it a continuous distribution")
    return known


def _possible(correlations: Sequence[Correlation], source: Source) -> None:
    """Whether some numbers at all can be correlated like this: the matrix must be positive definite."""
    names = sorted(named_in(correlations))
    if not names or _smallest(names, correlations, 1.0) >= SMALLEST:
        return
    shares = np.arange(99, 0, -1) / 100.0
    enough = next(float(share) for share in shares if _smallest(names, correlations, float(share)) >= SMALLEST)
    reason = f"these cannot all hold at once: no numbers over {', '.join(names)} are correlated like that"
    repair = f"move them towards 0: all of them times {enough:g} would do"
    source.fault("correlation", ("correlations",), reason, repair)


def _smallest(names: Sequence[str], correlations: Sequence[Correlation], share: float) -> float:
    """The smallest eigenvalue of the matrix with all correlations made smaller."""
    smaller = [item.model_copy(update={"rank_correlation": share * item.rank_correlation}) for item in correlations]
    return float(np.linalg.eigvalsh(matrix_of(names, smaller))[0])
