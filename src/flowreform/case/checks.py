"""The rules of a case file against its model: every parameter has one origin, every name stands for something, every
distribution can be drawn from, every measure can be taken. Each rule adds findings and returns what it could resolve."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from math import inf, isclose, nan
from types import MappingProxyType
from typing import TypeVar

from flowreform.calendar import DAYS, MONTHS, Calendar, unit_of_time
from flowreform.case.observations import Observation
from flowreform.case.periods import measure_of
from flowreform.case.tables import (
    Case,
    Chart,
    FitPlan,
    FitRow,
    FitSeries,
    FitTable,
    Laws,
    LoopClaim,
    PlanningTable,
    WorkbookTable,
)
from flowreform.case.uncertainty import Uncertainty, faults
from flowreform.errors import did_you_mean, shorten
from flowreform.measure import Measure, Second, shape_faults, time_faults
from flowreform.model import Model, Role, names_in
from flowreform.names import Named, Unknown, base_values, element_names, find
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
            reason = f"the base value {value:g} {unit} is outside {lowest:g} to {highest:g}, the range of its distribution"
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


# --- the rules of a case file against its model ----------------------------------------------------------------------


T = TypeVar("T")
M = TypeVar("M", bound=Measure)
_NO_COURSE = "a lookup has no course over time"


def check_case(case: Case, model: Model, source: Source) -> Case:
    """The case with canonical names and numbers in the model's units; every fault is added to `source`."""
    calendar = check_calendar(case.calendar, model, source)
    tables = {key: _by_parameter(getattr(case, key), key, model, source) for key in ("levers", "uncertainties", "parameters")}
    _coverage(tables, model, source)
    uncertainties = {
        name: check_uncertainty(item, name, model, source, ("uncertainties", spelling))
        for name, (spelling, item) in tables["uncertainties"].items()
    }
    exogenous = {}
    for spelling, item in case.exogenous.items():
        found = _named(spelling, model, source, ("exogenous", spelling))
        if found is not None:
            exogenous[found.name] = item
    _clocks(model, exogenous, source)
    specs = model.specs
    grid = (specs.start, specs.stop, specs.dt)

    def measured(item: M, loc: Loc, *, row_year: bool = False) -> M:
        return check_measure(item, loc, model, calendar, source, grid=grid, year_follows=row_year)

    settings = {}
    for name, place in case.settings.items():
        values = _settings(place.values, model, source, ("settings", name, "set"))
        settings[name] = place.model_copy(update={"values": values})
    gates = {}
    for name, gate in case.gates.items():
        checks = tuple(measured(check, ("gates", name, "checks", at)) for at, check in enumerate(gate.checks))
        switched = _settings(gate.settings, model, source, ("gates", name, "set"))
        gates[name] = gate.model_copy(update={"settings": switched, "checks": checks})
    targets = {}
    for name, target in case.targets.items():
        checks = tuple(measured(check, ("targets", name, "checks", at)) for at, check in enumerate(target.checks))
        targets[name] = target.model_copy(update={"checks": checks})
    done = replace(
        case,
        calendar=calendar,
        levers=_frozen({name: item for name, (_, item) in tables["levers"].items()}),
        uncertainties=_frozen(uncertainties),
        parameters=_frozen({name: item for name, (_, item) in tables["parameters"].items()}),
        exogenous=_frozen(exogenous),
        kpis=_frozen({name: measured(item, ("kpis", name)) for name, item in case.kpis.items()}),
        reference=_frozen({name: measured(item, ("reference", name), row_year=True) for name, item in case.reference.items()}),
        targets=_frozen(targets),
        gates=_frozen(gates),
        charts=_charts(case, model, source),
        settings=_frozen(settings),
        laws=_check_laws(case.laws, model, source) if case.laws else None,
        workbook=_check_workbook(case.workbook, model, source),
        planning=_check_planning(case.planning, case, model, source),
        loops=_check_loops(case, model, source),
    )
    _check_conclusions(done, source)
    _check_starts(done, model, source)
    _in_settings(done, source)
    _limits(done, source)
    _fails_when(done, model, source)
    _series(done, source)
    return done


def _check_loops(case: Case, model: Model, source: Source) -> Mapping[str, LoopClaim]:
    """The loops with canonical names; one that names something unknown, or what no loop passes, is left out."""
    found: dict[str, LoopClaim] = {}
    for name, loop in case.loops.items():
        named = [_named(text, model, source, ("loops", name, "through", at)) for at, text in enumerate(loop.through)]
        known = [item for item in named if item is not None]
        for at, item in enumerate(known):
            if item.variable.role in (Role.PARAMETER, Role.LOOKUP):
                reason = f"{item.name} is a {item.variable.role}, and no loop passes it"
                source.fault("loop-claim", ("loops", name, "through", at), reason, "name stocks, flows and auxiliaries")
                named = []
        if len({item.name for item in known}) < len(known):
            source.fault("loop-claim", ("loops", name, "through"), "a variable is named twice", "name each once")
            named = []
        if named and len(known) == len(named):
            found[name] = loop.model_copy(update={"through": tuple(item.name for item in known)})
    return _frozen(found)


def _frozen(items: dict[str, T]) -> Mapping[str, T]:
    return MappingProxyType(items)


# --- names -----------------------------------------------------------------------------------------------------------


def _named(text: str, model: Model, source: Source, loc: Loc, *, parameter: bool = False) -> Named | None:
    found = find(model, text, parameter=parameter)
    if isinstance(found, Unknown):
        source.fault("unknown-variable", loc, found.reason, found.repair, element=text)
        return None
    return found


def _by_parameter(items: Mapping[str, T], key: str, model: Model, source: Source) -> dict[str, tuple[str, T]]:
    """The entries of a table by canonical name, with the spelling used; unknown names are reported and left out."""
    found: dict[str, tuple[str, T]] = {}
    for spelling, item in items.items():
        named = _named(spelling, model, source, (key, spelling), parameter=True)
        if named is None:
            continue
        if named.name in found:
            reason = f"{named.name} has an entry in [{key}] already, spelt {found[named.name][0]}"
            source.fault("duplicate", (key, spelling), reason, "keep one of them")
            continue
        found[named.name] = (spelling, item)
    return found


def _coverage(tables: Mapping[str, Mapping[str, tuple[str, T]]], model: Model, source: Source) -> None:
    """Every parameter, or every element of it, stands in exactly one of the three tables."""
    where: dict[str, str] = {}
    raw = {spelling for key in tables for spelling in _keys(source, key)}
    for key, table in tables.items():
        for name, (spelling, _) in table.items():
            named = find(model, name)
            if isinstance(named, Unknown):
                continue
            for element in element_names(model, named.variable) if named.is_array else (named.name,):
                if element in where:
                    reason = f"{element} stands in [{where[element]}] already"
                    source.fault("duplicate", (key, spelling), reason, "keep it in one of the tables")
                where.setdefault(element, key)
    spelt = {named.name for text in raw if isinstance(named := find(model, text), Named)}
    for name, variable in model.parameters.items():
        elements = element_names(model, variable)
        missing = [element for element in elements if element not in where and element not in spelt]
        if not missing or name in spelt:
            continue
        missing = [name] if len(missing) == len(elements) else missing
        for element in missing:
            reason = (
                f"the parameter (line {variable.line} of the model) stands in none of [levers], [uncertainties] and [parameters]"
            )
            key = f'"{element}"' if "[" in element else element
            repair = f"add [parameters.{key}] with source and status"
            source.add("no-source", reason, repair, element)


def _keys(source: Source, key: str) -> Iterable[str]:
    raw = source.document.table.get(key)
    return raw if isinstance(raw, dict) else ()


def _clocks(model: Model, exogenous: Mapping[str, object], source: Source) -> None:
    """A lookup whose input depends on nothing but time and parameters is fed in, and must be declared."""
    driven, tables = clock_driven(model), set(model.of_role(Role.LOOKUP))
    for name, variable in model.variables.items():
        if any(declared.partition("[")[0] == name for declared in exogenous) or name not in driven:
            continue
        if any(eq.expr is not None and (eq.lookup is not None or tables & set(names_in(eq.expr))) for eq in variable.equations):
            reason = f"a lookup of time (line {variable.line} of the model) is not declared"
            repair = f"add [exogenous.{name}] with quantity, source and status"
            source.add("undeclared-exogenous", reason, repair, name)


def clock_driven(model: Model) -> frozenset[str]:
    """The auxiliaries and flows that depend on time and parameters alone, through whatever steps."""
    reads: dict[str, set[str]] = {}
    for name, variable in model.variables.items():
        if variable.role in (Role.AUXILIARY, Role.FLOW):
            reads[name] = {
                word
                for equation in variable.equations
                if equation.expr is not None
                for word in names_in(equation.expr)
                if word in model.variables or word in ("time", "t")
            }
    steady = set(model.parameters) | set(model.of_role(Role.LOOKUP))
    driven: set[str] = set()
    while True:
        more = {
            name
            for name, words in reads.items()
            if name not in driven and words <= steady | driven | {"time", "t"} and words & (driven | {"time", "t"})
        }
        if not more:
            return frozenset(driven)
        driven |= more


# --- numbers ---------------------------------------------------------------------------------------------------------


def check_calendar(calendar: Calendar | None, model: Model, source: Source) -> Calendar | None:
    """The calendar in the model's time unit; a unit that is not the model's, or no unit of time, is reported."""
    if calendar is None:
        return None
    unit, own = unit_of_time(calendar.time_unit), unit_of_time(model.specs.time_unit)
    if unit not in MONTHS and unit not in DAYS:
        hint = did_you_mean(unit, (*MONTHS, *DAYS)) or f"known are {', '.join((*MONTHS, *DAYS))}"
        source.fault("calendar", ("calendar", "time_unit"), f'"{calendar.time_unit}" is no unit of time', hint)
        return None
    if own and unit != own:
        reason = f'"{calendar.time_unit}" is not the model\'s time unit, "{model.specs.time_unit}"'
        source.fault("calendar", ("calendar", "time_unit"), reason, f'write "{own}"')
    if not 1 <= calendar.year_starts <= 12:
        source.fault("calendar", ("calendar", "year_starts"), "a month from 1 to 12 is needed", "")
        return None
    return replace(calendar, time_unit=unit)


def _settings(raw: Mapping[str, float], model: Model, source: Source, loc: Loc) -> Mapping[str, float]:
    settings: dict[str, float] = {}
    for text, value in raw.items():
        named = _named(text, model, source, (*loc, text), parameter=True)
        if named is not None:
            in_range(value, named, source, (*loc, text))
            settings[named.name] = value
    return MappingProxyType(settings)


# --- measures --------------------------------------------------------------------------------------------------------


def check_measure(
    item: M,
    loc: Loc,
    model: Model,
    calendar: Calendar | None,
    source: Source,
    *,
    grid: tuple[float, float, float],
    year_follows: bool = False,
) -> M:
    """The measure with canonical names and a scale that gives its stated unit; `grid` is start, stop and saving interval."""
    faulty = len(source.findings)
    update: dict[str, object] = {}
    names: dict[str, Named] = {}
    second = "over" if item.over else "minus"
    for key, text in _variables(item):
        place = (*loc, second, "variable") if key else (*loc, "variable")
        named = _named(text, model, source, place)
        if named is None:
            continue
        if named.variable.role is Role.LOOKUP:
            source.fault("lookup", place, _NO_COURSE, "measure what reads it", element=text)
            continue
        names[key] = named
        if named.is_array:
            example = element_names(model, named.variable)[:1]
            reason = f"{named.name} has dimension {', '.join(named.variable.dimensions)}; a measure is one number"
            source.fault("array", place, reason, f'name one element, such as "{"".join(example)}"', element=text)
        if key:
            update[second] = getattr(item, second).model_copy(update={"variable": named.name})
        else:
            update["variable"] = named.name
    run_on = getattr(item, "run_on", None)
    if run_on is not None:
        last = _named(run_on, model, source, (*loc, "run_on"))
        if last is not None:
            update["run_on"] = last.name
            if item.statistic != "final" or second_of(item) is not None:
                source.fault("measure", (*loc, "run_on"), "run_on goes with a plain final value", "remove it")
    wrong = shape_faults(item, year_follows=year_follows)
    if not wrong and not (year_follows and item.year is None and item.statistic == "at"):
        wrong = time_faults(item, *grid, calendar)
    for fault in wrong:
        source.fault("measure", (*loc, *fault.key.split(".")), fault.reason, fault.repair)
    unit = getattr(item, "unit", None)
    if unit is not None and "" in names and len(source.findings) == faulty:
        update["scale"] = item.scale * _unit_scale(item, unit, names[""], model, source, (*loc, "unit"))
    return item.model_copy(update=update)


def _unit_scale(item: Measure, unit: str, named: Named, model: Model, source: Source, loc: Loc) -> float:
    """What a plain measure is multiplied by to be in its stated unit; a ratio, or one with a scale, speaks for itself."""
    if item.over is not None or item.scale != 1.0:
        return 1.0
    if item.is_time:
        named = replace(named, variable=replace(named.variable, units=model.specs.time_unit or None))
    return 1.0 / convert(unit, named, model, source, loc)


def second_of(item: Measure) -> Second | None:
    """The second measure of a ratio or a difference."""
    return item.over or item.minus


def _variables(item: Measure) -> Iterator[tuple[str, str]]:
    yield "", item.variable
    second = second_of(item)
    if second is not None and second.variable is not None:
        yield "second", second.variable


def _in_settings(case: Case, source: Source) -> None:
    """A measure names a setting of the case, or none; a KPI none, because it is taken in every run."""
    for loc, measure in case.measures():
        second = measure.over or measure.minus
        places = [("setting",), ("over" if measure.over else "minus", "setting")]
        for place, name in zip(places, (measure.setting, second.setting if second else None), strict=True):
            if name and loc[0] == "kpis":
                repair = "let the scenario of an experiment name the setting"
                source.fault("setting", (*loc, *place), "a KPI is taken in every run", repair)
            elif name and name not in case.settings:
                hint = did_you_mean(name, case.settings) or f"settings are {', '.join(case.settings) or 'none'}"
                source.fault("setting", (*loc, *place), f'there is no setting "{name}"', hint)


def _limits(case: Case, source: Source) -> None:
    """A check says either value and tolerance, or low or high."""
    for key, owners in (("targets", case.targets), ("gates", case.gates)):
        for name, owner in owners.items():
            for at, check in enumerate(owner.checks):
                loc: Loc = (key, name, "checks", at)
                centred = (check.value is not None, check.tolerance is not None)
                sided = check.low is not None or check.high is not None
                if any(centred) and not all(centred):
                    word = "tolerance" if centred[0] else "value"
                    source.fault("check", loc, f'"{word}" is missing', "give value and tolerance, or low or high")
                elif all(centred) == sided:
                    reason = "value and tolerance stand beside low or high" if sided else "there is nothing to compare with"
                    source.fault("check", loc, reason, "give value and tolerance, or low or high")
                elif check.low is not None and check.high is not None and check.low > check.high:
                    source.fault("check", (*loc, "low"), f"low {check.low:g} is above high {check.high:g}", "swap them")


def _fails_when(case: Case, model: Model, source: Source) -> None:
    for name, target in case.targets.items():
        loc: Loc = ("targets", name, "fails_when")
        if target.expected == "miss" and not target.reason.strip():
            place: Loc = ("targets", name, "expected")
            source.fault("target", place, "a miss is expected without a reason", 'add reason = "..."')
        if not target.fails_when:
            source.warn("target", loc, "nothing is named that makes it fail, so it does not count", "name a gate")
            continue
        settings = case.switched_off(target.fails_when)
        if settings is None:
            hint = did_you_mean(target.fails_when, case.gates) or 'name a gate, or write settings such as "diversion = 0"'
            source.fault("target", loc, f'there is no gate "{target.fails_when}"', hint)
        elif target.fails_when not in case.gates:
            for text, value in settings.items():
                named = _named(text, model, source, loc, parameter=True)
                if named is not None:
                    in_range(value, named, source, loc)


# --- the rest --------------------------------------------------------------------------------------------------------


def _charts(case: Case, model: Model, source: Source) -> tuple[Chart, ...]:
    charts = []
    for at, chart in enumerate(case.charts):
        found = [_named(text, model, source, ("charts", at, "variables", i)) for i, text in enumerate(chart.variables)]
        for i, named in enumerate(found):
            if named is not None and named.variable.role is Role.LOOKUP:
                loc: Loc = ("charts", at, "variables", i)
                source.fault("lookup", loc, _NO_COURSE, "chart what reads it", element=chart.variables[i])
        charts.append(chart.model_copy(update={"variables": tuple(named.name for named in found if named is not None)}))
    return tuple(charts)


def _series(case: Case, source: Source) -> None:
    """Every mapped series has data."""
    known = dict.fromkeys(row.series for row in case.observations)
    for name in case.reference:
        if name not in known:
            hint = did_you_mean(name, known) or "add its rows to reference.csv beside the case file"
            source.fault("reference", ("reference", name), "reference.csv has no such series", hint)


# --- laws, conclusions, fit, workbook --------------------------------------------------------------------------------


def _check_laws(laws: Laws, model: Model, source: Source) -> Laws:
    """The same with canonical names; faults are added to `source`."""

    def name(text: str, loc: Loc, *, parameter: bool = False, stock: bool = False) -> str:
        found = find(model, text, parameter=parameter)
        if isinstance(found, Unknown):
            source.fault("unknown-variable", loc, found.reason, found.repair, element=text)
            return text
        if stock and found.variable.role is not Role.STOCK:
            reason, repair = f"this is a {found.variable.role}, not a stock", "name a stock"
            source.fault("not-a-stock", loc, reason, repair, element=text)
        return found.name

    def names(items: Iterable[str], key: str, *, stock: bool = True) -> tuple[str, ...]:
        return tuple(name(text, ("laws", key, at), stock=stock) for at, text in enumerate(items))

    def settings(items: Mapping[str, float], key: str) -> dict[str, float]:
        return {name(text, ("laws", key, "set", text), parameter=True): value for text, value in items.items()}

    def pairs(items: Mapping[str, str], key: str) -> dict[str, str]:
        return {name(one, ("laws", key, one)): name(other, ("laws", key, one)) for one, other in items.items()}

    update: dict[str, object] = {
        "running_totals": names(laws.running_totals, "running_totals"),
        "may_be_negative": names(laws.may_be_negative, "may_be_negative"),
        "conserved": pairs(laws.conserved, "conserved"),
        "never_above": pairs(laws.never_above, "never_above"),
    }
    if laws.steady is not None:
        update["steady"] = laws.steady.model_copy(update={"settings": settings(laws.steady.settings, "steady")})
    if laws.no_demand is not None:
        empties = tuple(
            name(text, ("laws", "no_demand", "empties", at), stock=True) for at, text in enumerate(laws.no_demand.empties)
        )
        update["no_demand"] = laws.no_demand.model_copy(
            update={"settings": settings(laws.no_demand.settings, "no_demand"), "empties": empties}
        )
    return laws.model_copy(update=update)


def _check_conclusions(case: Case, source: Source) -> None:
    for name, item in case.conclusions.items():
        given = (("kpi", item.kpi, case.kpis), ("gate", item.gate, case.gates), ("against", item.against, case.gates))
        for key, text, known in given:
            if text not in known and not (key == "against" and not text):
                word = "KPI" if key == "kpi" else "gate"
                hint = did_you_mean(text, known) or f"known are {', '.join(known) or 'none'}"
                source.fault("unknown-name", ("conclusions", name, key), f'there is no {word} "{text}"', hint)


def _check_starts(case: Case, model: Model, source: Source) -> None:
    for name, rule in case.starts.items():
        for key, texts in (("add", rule.add), ("less", rule.less), ("counts", rule.counts)):
            for at, text in enumerate(texts):
                found = find(model, text, parameter=key == "counts")
                if isinstance(found, Unknown):
                    source.fault("unknown-variable", ("starts", name, key, at), found.reason, found.repair, element=text)
                elif found.variable.dimensions and "[" not in text:
                    reason = f"{text} has {', '.join(found.variable.dimensions)}: one element is meant"
                    source.fault("element", ("starts", name, key, at), reason, f"write {text}[...]", element=text)


def check_fit(table: FitTable, case: Case, model: Model, source: Source) -> FitPlan:
    """What is fitted to what: names against the model, ranges, and the rows of the series."""
    fitted: dict[str, Named] = {}
    for at, text in enumerate(table.parameters):
        loc: Loc = ("fit", "parameters", at)
        found = find(model, text, parameter=True)
        if isinstance(found, Unknown):
            source.fault("unknown-parameter", loc, found.reason, found.repair, element=text)
            continue
        if found.is_array:
            reason, example = "an arrayed parameter has several numbers", element_names(model, found.variable)[0]
            source.fault("array", loc, reason, f'name one element, such as "{example}"', element=text)
            continue
        low, high = found.variable.range
        if low is None or high is None or not low < high:
            source.fault("no-range", loc, "the parameter has no range to search in", "give it a <range>", element=text)
            continue
        if found.name in fitted:
            source.fault("duplicate", loc, "the parameter is named twice", "name it once", element=text)
            continue
        fitted[found.name] = found
    settings: dict[str, float] = {}
    for text, value in table.settings.items():
        found = find(model, text, parameter=True)
        if isinstance(found, Unknown):
            source.fault("unknown-parameter", ("fit", "set", text), found.reason, found.repair, element=text)
        elif found.name in fitted:
            reason = "the parameter is fitted and cannot be held"
            source.fault("duplicate", ("fit", "set", text), reason, "remove it here or there", element=text)
        else:
            settings[found.name] = value
    rows: list[FitRow] = []
    base: dict[str, Measure] = {}
    for name, series in table.series.items():
        rows.extend(_rows(name, series, model, case, source, base))
    priors = _priors(table, case, fitted, model, source)
    if not source.failed and len(rows) < 2:
        source.fault("no-data", ("fit", "series"), "there are fewer than two rows to fit to", "add data")
    return FitPlan(
        parameters=tuple(fitted),
        low=tuple(float(item.variable.range[0] or 0.0) for item in fitted.values()),
        high=tuple(float(item.variable.range[1] or 0.0) for item in fitted.values()),
        before=tuple(base_values(model, item)[0] for item in fitted.values()),
        rows=tuple(rows),
        table=table.model_copy(update={"settings": settings}),
        priors=priors,
        base=base,
    )


def _priors(table: FitTable, case: Case, fitted: Mapping[str, Named], model: Model, source: Source) -> dict[str, Uncertainty]:
    """The case's uncertainties as they are; what is fitted and not among them by [fit.priors], or anywhere in its range."""
    found = dict(case.uncertainties)
    for text, item in table.priors.items():
        loc: Loc = ("fit", "priors", text)
        named = find(model, text, parameter=True)
        name = text if isinstance(named, Unknown) else named.name
        if name not in fitted or name in case.uncertainties:
            reason = "it is not fitted" if name not in fitted else "its distribution stands in [uncertainties] already"
            source.fault("prior", loc, reason, "a prior belongs to a name in parameters", element=text)
            continue
        found[name] = check_uncertainty(item, name, model, source, loc)
    for name, place in fitted.items():
        if name not in found:
            low, high = place.variable.range
            found[name] = Uncertainty(
                distribution="uniform", low=low, high=high, unit=place.variable.units or "1", source="the range in the model",
                status="assumption",
            )  # fmt: skip
    return found


def _rows(name: str, series: FitSeries, model: Model, case: Case, source: Source, base: dict[str, Measure]) -> list[FitRow]:
    loc: Loc = ("fit", "series", name)
    reference = case.reference.get(name)
    if reference is None:
        hint = did_you_mean(name, case.reference) or f"[reference] has {', '.join(case.reference) or 'none'}"
        source.fault("unknown-series", loc, "[reference] has no such series", hint)
        return []
    chosen = [row for row in case.observations if row.series == name and _used(row, series)]
    if not chosen:
        source.fault("no-data", loc, "no row of reference.csv lies in these years", "widen first and last")
    anchor = 1.0
    if series.relative_to is not None:
        there = [row.value for row in case.observations if row.series == name and row.year == series.relative_to]
        if len(there) > 1:
            reason = f"reference.csv has {len(there)} values in {series.relative_to}, and one is needed to divide by"
            source.fault("no-data", (*loc, "relative_to"), reason, "leave relative_to out, or give the series one row a year")
            return []
        if not there or there[0] == 0:
            reason = f"reference.csv has no value for {series.relative_to} to divide by"
            source.fault("no-data", (*loc, "relative_to"), reason, "name another year")
            return []
        anchor, base[name] = there[0], reference.in_year(series.relative_to)
        chosen = [row for row in chosen if row.year != series.relative_to]
    rows = []
    for row in chosen:
        measure = measure_of(reference, row)
        faults = time_faults(measure, model.specs.start, model.specs.stop, model.specs.dt, case.calendar)
        if faults:
            source.fault(
                "fit-year",
                loc,
                f"{row.when}: {faults[0].reason}",
                "set first and last" if row.period is None else faults[0].repair,
            )
            continue
        value = row.value / anchor
        rows.append(
            FitRow(name, row.year, measure, value, max(series.error * abs(value), series.error_at_least or 0.0), row.period)
        )
    largest = max((abs(row.observed) for row in rows), default=0.0)
    near = [row for row in rows if abs(row.observed) <= NEAR_ZERO * largest]
    if near and series.error_at_least is None:
        reason = (
            f"{near[0].when}: with an error of {series.error:.0%} of it, {near[0].observed:g} would outweigh all other values"
        )
        source.fault("fit-zero", loc, reason, "say what such a value is known to: error_at_least, in the unit of the series")
        return []
    return rows


NEAR_ZERO = 0.001
"""A value under this share of the largest in its series is near zero, where an error that is a share of it says nothing."""


def _used(row: Observation, series: FitSeries) -> bool:
    return (series.first is None or row.year >= series.first) and (series.last is None or row.year <= series.last)


def _check_workbook(table: WorkbookTable, model: Model, source: Source) -> WorkbookTable:
    def name(text: str, loc: Loc, role: Role | None = None) -> str:
        found = find(model, text, parameter=role is Role.PARAMETER)
        if isinstance(found, Unknown):
            source.fault("unknown-variable", loc, found.reason, found.repair, element=text)
            return text
        if found.is_array or found.variable.role is Role.LOOKUP or (role is Role.STOCK and found.variable.role is not role):
            reason = f"a single {'stock' if role is Role.STOCK else 'value'} is needed here"
            source.fault("not-single", loc, reason, "name one element", element=text)
        return found.name

    def names(texts: Iterable[str], loc: Loc, role: Role | None = None) -> tuple[str, ...]:
        return tuple(name(text, (*loc, at), role) for at, text in enumerate(texts))

    yearly = tuple(
        row.model_copy(update={"variable": name(row.variable, ("workbook", "yearly", at, "variable"))})
        for at, row in enumerate(table.yearly)
    )
    charts = []
    for at, chart in enumerate(table.charts):
        loc: Loc = ("workbook", "charts", at)
        update: dict[str, object] = {
            "variables": names(chart.variables, (*loc, "variables")),
            "shaded": names(chart.shaded, (*loc, "shaded")),
        }
        if isinstance(chart.limit, str):
            update["limit"] = name(chart.limit, (*loc, "limit"), Role.PARAMETER)
        charts.append(chart.model_copy(update=update))
    update = {
        "yearly": yearly,
        "charts": tuple(charts),
        "compare": names(table.compare, ("workbook", "compare")),
        "reconcile": names(table.reconcile, ("workbook", "reconcile"), Role.STOCK),
        "bridge": tuple(
            part.model_copy(update={"variable": name(part.variable, ("workbook", "bridge", at, "variable"))})
            for at, part in enumerate(table.bridge)
        ),
    }
    if bool(table.bridge) != bool(table.bridge_total):
        missing = "bridge" if table.bridge_total else "bridge_total"
        source.fault("bridge", ("workbook",), f'"{missing}" is missing', "a bridge needs its parts and its total")
    if table.bridge_total:
        update["bridge_total"] = name(table.bridge_total, ("workbook", "bridge_total"))
    if table.discount_rate:
        update["discount_rate"] = name(table.discount_rate, ("workbook", "discount_rate"), Role.PARAMETER)
    if table.discount_factor:
        update["discount_factor"] = name(table.discount_factor, ("workbook", "discount_factor"))
    return table.model_copy(update=update)


def _check_planning(table: PlanningTable, case: Case, model: Model, source: Source) -> PlanningTable:
    """Every name stands for a variable, a parameter or a KPI; those of variables come back canonical."""

    def name(text: str, loc: Loc, *, parameter: bool = False, single: bool = True) -> str:
        found = find(model, text, parameter=parameter)
        if isinstance(found, Unknown):
            source.fault("unknown-variable", loc, found.reason, found.repair, element=text)
            return text
        if single and found.is_array:
            source.fault("not-single", loc, "a single value is needed here", "name one element", element=text)
        return found.name

    update: dict[str, object] = {}
    for key in ("fund", "build_date", "closure_date", "harm", "closed", "lead", "fund_size"):
        if text := str(getattr(table, key)):
            update[key] = name(text, ("planning", key), parameter=key in ("lead", "fund_size"))
    for key in ("beds", "patients", "switch", "paths"):
        texts = getattr(table, key)
        update[key] = tuple(
            name(text, ("planning", key, at), parameter=key == "switch", single=key in ("switch", "paths"))
            for at, text in enumerate(texts)
        )
    for key in ("cash", "cost_parts", "lines", "freed"):
        for at, text in enumerate(getattr(table, key)):
            if text not in case.kpis:
                hint = did_you_mean(text, case.kpis) or f"KPIs are {', '.join(case.kpis)}"
                source.fault("unknown-kpis", ("planning", key, at), "the case has no such KPI", hint, element=text)
    for key, fields in (("places", ("usable", "staffed", "needed")), ("staff", ("post", "gap"))):
        update[key] = tuple(
            row.model_copy(
                update={item: name(text, ("planning", key, at, item)) for item in fields if (text := str(getattr(row, item)))}
            )
            for at, row in enumerate(getattr(table, key))
        )
    return table.model_copy(update=update)
