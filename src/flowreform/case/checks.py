"""The rules of a case file against its model: every parameter has one origin, every name stands for something, every
distribution can be drawn from, every measure can be taken. Each rule adds findings and returns what it could resolve."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import TypeVar

from flowreform.calendar import DAYS, MONTHS, Calendar, unit_of_time
from flowreform.case.inputs import check_uncertainty, convert, in_range
from flowreform.case.tables import Case, Chart
from flowreform.errors import Finding, Level, did_you_mean, error
from flowreform.measure import Measure, shape_faults, time_faults
from flowreform.model import Model, Role, names_in
from flowreform.names import Named, Unknown, element_names, find
from flowreform.toml import Document, Loc

T = TypeVar("T")
M = TypeVar("M", bound=Measure)
_NO_COURSE = "a lookup has no course over time"


def check_case(case: Case, model: Model, document: Document, findings: list[Finding]) -> Case:
    """The case with canonical names and numbers in the model's units; every fault is added to `findings`."""
    calendar = check_calendar(case.calendar, model, document, findings)
    tables = {
        key: _by_parameter(getattr(case, key), key, model, document, findings)
        for key in ("levers", "uncertainties", "parameters")
    }
    _coverage(tables, model, document, findings)
    uncertainties = {
        name: check_uncertainty(item, name, model, document, ("uncertainties", spelling), findings)
        for name, (spelling, item) in tables["uncertainties"].items()
    }
    exogenous = {}
    for spelling, item in case.exogenous.items():
        found = _named(spelling, model, document, ("exogenous", spelling), findings)
        if found is not None:
            exogenous[found.name] = item
    _clocks(model, exogenous, document, findings)
    specs = model.specs
    grid = (specs.start, specs.stop, specs.dt)

    def measured(item: M, loc: Loc, *, row_year: bool = False) -> M:
        return check_measure(item, loc, model, calendar, document, findings, grid=grid, year_follows=row_year)

    settings = {}
    for name, place in case.settings.items():
        values = _settings(place.values, model, document, ("settings", name, "set"), findings)
        settings[name] = place.model_copy(update={"values": values})
    gates = {}
    for name, gate in case.gates.items():
        checks = tuple(measured(check, ("gates", name, "checks", at)) for at, check in enumerate(gate.checks))
        switched = _settings(gate.settings, model, document, ("gates", name, "set"), findings)
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
        charts=_charts(case, model, document, findings),
        settings=_frozen(settings),
    )
    _in_settings(done, document, findings)
    _limits(done, document, findings)
    _fails_when(done, model, document, findings)
    _series(done, document, findings)
    return done


def _frozen(items: dict[str, T]) -> Mapping[str, T]:
    return MappingProxyType(items)


# --- names -----------------------------------------------------------------------------------------------------------


def _named(
    text: str, model: Model, document: Document, loc: Loc, findings: list[Finding], *, parameter: bool = False
) -> Named | None:
    found = find(model, text, parameter=parameter)
    if isinstance(found, Unknown):
        findings.append(document.fault("unknown-variable", loc, found.reason, found.repair, element=text))
        return None
    return found


def _by_parameter(
    items: Mapping[str, T], key: str, model: Model, document: Document, findings: list[Finding]
) -> dict[str, tuple[str, T]]:
    """The entries of a table by canonical name, with the spelling used; unknown names are reported and left out."""
    found: dict[str, tuple[str, T]] = {}
    for spelling, item in items.items():
        named = _named(spelling, model, document, (key, spelling), findings, parameter=True)
        if named is None:
            continue
        if named.name in found:
            reason = f"{named.name} has an entry in [{key}] already, spelt {found[named.name][0]}"
            findings.append(document.fault("duplicate", (key, spelling), reason, "keep one of them"))
            continue
        found[named.name] = (spelling, item)
    return found


def _coverage(
    tables: Mapping[str, Mapping[str, tuple[str, T]]], model: Model, document: Document, findings: list[Finding]
) -> None:
    """Every parameter, or every element of it, stands in exactly one of the three tables."""
    where: dict[str, str] = {}
    raw = {spelling for key in tables for spelling in _keys(document, key)}
    for key, table in tables.items():
        for name, (spelling, _) in table.items():
            named = find(model, name)
            if isinstance(named, Unknown):
                continue
            for element in element_names(model, named.variable) if named.is_array else (named.name,):
                if element in where:
                    reason = f"{element} stands in [{where[element]}] already"
                    findings.append(document.fault("duplicate", (key, spelling), reason, "keep it in one of the tables"))
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
            findings.append(error("no-source", reason, repair, file=document.file, element=element))


def _keys(document: Document, key: str) -> Iterable[str]:
    raw = document.table.get(key)
    return raw if isinstance(raw, dict) else ()


def _clocks(model: Model, exogenous: Mapping[str, object], document: Document, findings: list[Finding]) -> None:
    """A lookup whose input hangs on nothing but time and parameters is fed in, and must be declared."""
    driven, tables = clock_driven(model), set(model.of_role(Role.LOOKUP))
    for name, variable in model.variables.items():
        if any(declared.partition("[")[0] == name for declared in exogenous) or name not in driven:
            continue
        if any(eq.expr is not None and (eq.lookup is not None or tables & set(names_in(eq.expr))) for eq in variable.equations):
            reason = f"a lookup of time (line {variable.line} of the model) is not declared"
            repair = f"add [exogenous.{name}] with quantity, source and status"
            findings.append(error("undeclared-exogenous", reason, repair, file=document.file, element=name))


def clock_driven(model: Model) -> frozenset[str]:
    """The auxiliaries and flows that hang on time and parameters alone, through whatever steps."""
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


def check_calendar(calendar: Calendar | None, model: Model, document: Document, findings: list[Finding]) -> Calendar | None:
    """The calendar in the model's time unit; a unit that is not the model's, or no unit of time, is reported."""
    if calendar is None:
        return None
    unit, own = unit_of_time(calendar.time_unit), unit_of_time(model.specs.time_unit)
    if unit not in MONTHS and unit not in DAYS:
        hint = did_you_mean(unit, (*MONTHS, *DAYS)) or f"known are {', '.join((*MONTHS, *DAYS))}"
        findings.append(document.fault("calendar", ("calendar", "time_unit"), f'"{calendar.time_unit}" is no unit of time', hint))
        return None
    if own and unit != own:
        reason = f'"{calendar.time_unit}" is not the model\'s time unit, "{model.specs.time_unit}"'
        findings.append(document.fault("calendar", ("calendar", "time_unit"), reason, f'write "{own}"'))
    if not 1 <= calendar.year_starts <= 12:
        findings.append(document.fault("calendar", ("calendar", "year_starts"), "a month from 1 to 12 is needed", ""))
        return None
    return replace(calendar, time_unit=unit)


def _settings(
    raw: Mapping[str, float], model: Model, document: Document, loc: Loc, findings: list[Finding]
) -> Mapping[str, float]:
    settings: dict[str, float] = {}
    for text, value in raw.items():
        named = _named(text, model, document, (*loc, text), findings, parameter=True)
        if named is not None:
            in_range(value, named, document, (*loc, text), findings)
            settings[named.name] = value
    return MappingProxyType(settings)


# --- measures --------------------------------------------------------------------------------------------------------


def check_measure(
    item: M,
    loc: Loc,
    model: Model,
    calendar: Calendar | None,
    document: Document,
    findings: list[Finding],
    *,
    grid: tuple[float, float, float],
    year_follows: bool = False,
) -> M:
    """The measure with canonical names and a scale that gives its stated unit; `grid` is start, stop and saving interval."""
    faulty = len(findings)
    update: dict[str, object] = {}
    names: dict[str, Named] = {}
    second = "over" if item.over else "minus"
    for key, text in _variables(item):
        place = (*loc, second, "variable") if key else (*loc, "variable")
        named = _named(text, model, document, place, findings)
        if named is None:
            continue
        if named.variable.role is Role.LOOKUP:
            findings.append(document.fault("lookup", place, _NO_COURSE, "measure what reads it", element=text))
            continue
        names[key] = named
        if named.is_array:
            example = element_names(model, named.variable)[:1]
            reason = f"{named.name} has dimension {', '.join(named.variable.dimensions)}; a measure is one number"
            findings.append(
                document.fault("array", place, reason, f'name one element, such as "{"".join(example)}"', element=text)
            )
        if key:
            update[second] = getattr(item, second).model_copy(update={"variable": named.name})
        else:
            update["variable"] = named.name
    wrong = shape_faults(item, year_follows=year_follows)
    if not wrong and not (year_follows and item.year is None and item.statistic == "at"):
        wrong = time_faults(item, *grid, calendar)
    for fault in wrong:
        findings.append(document.fault("measure", (*loc, *fault.key.split(".")), fault.reason, fault.repair))
    unit = getattr(item, "unit", None)
    if unit is not None and "" in names and len(findings) == faulty:
        update["scale"] = item.scale * _unit_scale(item, unit, names[""], model, document, (*loc, "unit"), findings)
    return item.model_copy(update=update)


def _unit_scale(
    item: Measure, unit: str, named: Named, model: Model, document: Document, loc: Loc, findings: list[Finding]
) -> float:
    """What a plain measure is multiplied by to be in its stated unit; a ratio, or one with a scale, speaks for itself."""
    if item.over is not None or item.scale != 1.0:
        return 1.0
    if item.is_time:
        named = replace(named, variable=replace(named.variable, units=model.specs.time_unit or None))
    return 1.0 / convert(unit, named, model, document, loc, findings)


def _variables(item: Measure) -> Iterator[tuple[str, str]]:
    yield "", item.variable
    second = item.over or item.minus
    if second is not None and second.variable is not None:
        yield "second", second.variable


def _in_settings(case: Case, document: Document, findings: list[Finding]) -> None:
    """A measure names a setting of the case, or none; a KPI none, because it is taken in every run."""
    for loc, measure in case.measures():
        second = measure.over or measure.minus
        places = [("setting",), ("over" if measure.over else "minus", "setting")]
        for place, name in zip(places, (measure.setting, second.setting if second else None), strict=True):
            if name and loc[0] == "kpis":
                repair = "let the scenario of an experiment name the setting"
                findings.append(document.fault("setting", (*loc, *place), "a KPI is taken in every run", repair))
            elif name and name not in case.settings:
                hint = did_you_mean(name, case.settings) or f"settings are {', '.join(case.settings) or 'none'}"
                findings.append(document.fault("setting", (*loc, *place), f'there is no setting "{name}"', hint))


def _limits(case: Case, document: Document, findings: list[Finding]) -> None:
    """A check says either value and tolerance, or low or high."""
    for key, owners in (("targets", case.targets), ("gates", case.gates)):
        for name, owner in owners.items():
            for at, check in enumerate(owner.checks):
                loc: Loc = (key, name, "checks", at)
                centred = (check.value is not None, check.tolerance is not None)
                sided = check.low is not None or check.high is not None
                if any(centred) and not all(centred):
                    word = "tolerance" if centred[0] else "value"
                    findings.append(
                        document.fault("check", loc, f'"{word}" is missing', "give value and tolerance, or low or high")
                    )
                elif all(centred) == sided:
                    reason = "value and tolerance stand beside low or high" if sided else "there is nothing to compare with"
                    findings.append(document.fault("check", loc, reason, "give value and tolerance, or low or high"))
                elif check.low is not None and check.high is not None and check.low > check.high:
                    findings.append(
                        document.fault("check", (*loc, "low"), f"low {check.low:g} is above high {check.high:g}", "swap them")
                    )


def _fails_when(case: Case, model: Model, document: Document, findings: list[Finding]) -> None:
    for name, target in case.targets.items():
        loc: Loc = ("targets", name, "fails_when")
        if target.expected == "miss" and not target.reason.strip():
            place: Loc = ("targets", name, "expected")
            findings.append(document.fault("target", place, "a miss is expected without a reason", 'add reason = "..."'))
        if not target.fails_when:
            fault = document.fault("target", loc, "nothing is named that makes it fail, so it does not count", "name a gate")
            findings.append(replace(fault, level=Level.WARNING))
            continue
        settings = case.switched_off(target.fails_when)
        if settings is None:
            hint = did_you_mean(target.fails_when, case.gates) or 'name a gate, or write settings such as "diversion = 0"'
            findings.append(document.fault("target", loc, f'there is no gate "{target.fails_when}"', hint))
        elif target.fails_when not in case.gates:
            for text, value in settings.items():
                named = _named(text, model, document, loc, findings, parameter=True)
                if named is not None:
                    in_range(value, named, document, loc, findings)


# --- the rest --------------------------------------------------------------------------------------------------------


def _charts(case: Case, model: Model, document: Document, findings: list[Finding]) -> tuple[Chart, ...]:
    charts = []
    for at, chart in enumerate(case.charts):
        found = [
            _named(text, model, document, ("charts", at, "variables", i), findings) for i, text in enumerate(chart.variables)
        ]
        for i, named in enumerate(found):
            if named is not None and named.variable.role is Role.LOOKUP:
                loc: Loc = ("charts", at, "variables", i)
                findings.append(document.fault("lookup", loc, _NO_COURSE, "chart what reads it", element=chart.variables[i]))
        charts.append(chart.model_copy(update={"variables": tuple(named.name for named in found if named is not None)}))
    return tuple(charts)


def _series(case: Case, document: Document, findings: list[Finding]) -> None:
    """Every mapped series has data."""
    known = dict.fromkeys(row.series for row in case.observations)
    for name in case.reference:
        if name not in known:
            hint = did_you_mean(name, known) or "add its rows to reference.csv beside the case file"
            findings.append(document.fault("reference", ("reference", name), "reference.csv has no such series", hint))
