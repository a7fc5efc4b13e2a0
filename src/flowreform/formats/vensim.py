"""Reading a Vensim model (.mdl).

A family of modules, from text to `Model`:

    vensim_text        bytes -> entries, macros, groups, settings
    vensim_equations   an entry -> its left side, kind and right side, by a grammar
    vensim_dimensions  subscript ranges -> dimensions
    vensim_expr        a right side -> an expression, names and functions settled
    vensim_build       the equations of a variable -> a variable
    vensim_flows       INTEG -> inflows and outflows
    vensim_data        GET XLS, GET DIRECT -> numbers and lookups

Integration is Euler's unless the settings at the end of the file say Runge-Kutta.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from flowreform.constants import evaluate, nothing
from flowreform.errors import Finding, Level, ModelError, error, warning
from flowreform.files import read_plain
from flowreform.formats import limits as bounds
from flowreform.formats.vensim_build import CONTROLS, Built, Pair, VensimSection, build
from flowreform.formats.vensim_data import Loader
from flowreform.formats.vensim_delays import with_plain_delays
from flowreform.formats.vensim_dimensions import define, is_definition
from flowreform.formats.vensim_equations import Unreadable, VensimEquation, parse_equation
from flowreform.formats.vensim_flows import with_flows
from flowreform.formats.vensim_text import Parts, decode, split
from flowreform.model import Call, Dimension, Macro, Model, Ref, Role, SimSpecs, canonical, names_in, walk


def read_vensim(path: Path) -> Model:
    """The model in a Vensim file.

    Control variables (INITIAL TIME, FINAL TIME, TIME STEP, SAVEPER) are variables like others, and their values at the
    start are the model's `specs`. Raises ModelError with every fault found; warnings are in the model's `findings`."""
    file = str(path)
    limits = bounds.from_environment()
    data = _bytes(path, limits)
    text, warnings = decode(data, file)
    parts = split(text, file)
    findings: list[Finding] = [*warnings, *parts.findings]
    _check_sizes(parts, file, limits)

    loader = Loader(path.parent, file, limits, parts.data_files)
    definitions = [entry for entry in parts.entries if is_definition(entry.equation)]
    dimensions, faults = define(definitions, file, limits, loader.labels)
    findings += faults
    equations = [entry for entry in parts.entries if not is_definition(entry.equation)]
    pairs: list[Pair] = [(entry, _parsed(entry.equation, limits)) for entry in equations]

    section = VensimSection(file, dimensions, _elements(dimensions), limits, loader.load, _result_macros(parts))
    built = with_plain_delays(build(section, [pair for pair in pairs if pair[0].macro is None]))
    built = _without_data(built, section)
    findings += section.findings
    macros = _macros(parts, pairs, section, findings)
    _check_names(built, dimensions, file, findings)
    specs = _specs(built, parts, file, limits, findings)
    if specs is None or any(finding.level is Level.ERROR for finding in findings):
        raise ModelError(_in_order(findings))
    return Model(
        name=path.stem,
        specs=specs,
        variables=MappingProxyType(with_flows(built, specs.time_unit)),
        dimensions=MappingProxyType(dimensions),
        macros=MappingProxyType(macros),
        unit_aliases=parts.unit_aliases,
        groups=tuple((canonical(label), label) for label, _ in parts.groups),
        path=path,
        sha256=hashlib.sha256(data).hexdigest(),
        findings=tuple(_in_order(findings)),
    )


def _bytes(path: Path, limits: bounds.Limits) -> bytes:
    try:
        if path.stat().st_size > limits.file_bytes:
            reason = f"the file has more than {limits.file_bytes:,} bytes"
            raise ModelError(error("limit", reason, bounds.how_to_raise("file_bytes"), file=str(path)))
        return read_plain(path, limits.file_bytes)
    except OSError as fault:
        reason = f"cannot be read: {fault.strerror or fault}"
        raise ModelError(error("cannot-read", reason, "check the path and who may read it", file=str(path))) from fault


def _parsed(equation: str, limits: bounds.Limits) -> VensimEquation | Unreadable:
    try:
        return parse_equation(equation, limits)
    except Unreadable as fault:
        return fault


def _without_data(built: dict[str, Built], section: VensimSection) -> dict[str, Built]:
    """The variables without those that have no data and those that read them: observations to compare with, which the model
    runs without. Where a stock or a setting of time needs them, the missing data is an error."""
    missing = dict.fromkeys(section.without_data)
    if not missing:
        return built
    readers: dict[str, list[str]] = {}
    for name, item in built.items():
        for read in _names_read(item):
            readers.setdefault(read, []).append(name)
    waiting = list(missing)
    for name in waiting:  # it grows by what reads what is missing
        more = [reader for reader in readers.get(name, ()) if reader not in missing]
        missing.update(dict.fromkeys(more))
        waiting += more
    needed = [name for name in missing if name in built and (built[name].variable.role is Role.STOCK or name in CONTROLS)]
    for name, entry in section.without_data.items():
        reason = "a data variable without data"
        if needed:
            repair = f"{built[needed[0]].variable.label} needs it: give it a constant, a lookup of Time, or GET DIRECT DATA"
            section.fault(entry, name, reason, repair)
        else:
            others = readers.get(name, [])
            reason += (
                f"; left out of the run, as is what reads it ({', '.join(others[:5])})" if others else "; left out of the run"
            )
            repair = "nothing, if it is there to compare with; else give it data"
            section.findings.append(warning("no-data", reason, repair, file=section.file, line=entry.line, element=name))
    return built if needed else {name: item for name, item in built.items() if name not in missing}


def _names_read(item: Built) -> set[str]:
    """Every name in the equations and rates of a variable."""
    names: set[str] = set()
    for equation in (*item.variable.equations, *item.nets):
        for expr in (equation.expr, equation.initial):
            if expr is not None:
                names.update(names_in(expr))
    return names


def _in_order(findings: list[Finding]) -> list[Finding]:
    return sorted(dict.fromkeys(findings), key=lambda finding: (finding.line, finding.element))


def _check_sizes(parts: Parts, file: str, limits: bounds.Limits) -> None:
    """Refuse what would be too much before any of it is translated. Raises ModelError."""
    faults: list[Finding] = []
    if not parts.entries and not parts.findings:
        faults.append(error("empty-file", "the file holds no equations", "save the model again", file=file))
    if len(parts.entries) > limits.variables:
        reason = f"the file has more than {limits.variables:,} equations"
        faults.append(error("limit", reason, bounds.how_to_raise("variables"), file=file))
    for entry in parts.entries:
        if len(entry.equation) > limits.equation_characters:
            reason = f"the equation has more than {limits.equation_characters:,} characters"
            repair = bounds.how_to_raise("equation_characters")
            faults.append(error("limit", reason, repair, file=file, line=entry.line, element=entry.equation[:40]))
    if not parts.entries:
        faults += parts.findings
    if faults:
        raise ModelError(faults)


def _elements(dimensions: Mapping[str, Dimension]) -> dict[str, str]:
    """Every element of the model, with one dimension that has it."""
    return {element: name for name, dimension in dimensions.items() for element in dimension.elements}


def _check_names(built: Mapping[str, Built], dimensions: Mapping[str, Dimension], file: str, findings: list[Finding]) -> None:
    for name, item in built.items():
        if name in dimensions:
            reason = f"a variable and the subscript range on line {dimensions[name].line} have one name"
            line, label = item.variable.line, item.variable.label
            findings.append(error("duplicate-name", reason, "rename one of them", file=file, line=line, element=label))


# --- macros ----------------------------------------------------------------------------------------------------------


def _result_macros(parts: Parts) -> dict[str, tuple[str, ...]]:
    """For each macro the names of the macros that give its further results: a macro of ours has one result."""
    taken = {canonical(head.name) for head in parts.macros}
    names: dict[str, tuple[str, ...]] = {}
    for head in parts.macros:
        made = []
        for result in head.results:
            name, number = f"{canonical(head.name)}_{canonical(result)}", 2
            while name in taken:
                name, number = f"{canonical(head.name)}_{canonical(result)}_{number}", number + 1
            taken.add(name)
            made.append(name)
        names[canonical(head.name)] = tuple(made)
    return names


def _macros(parts: Parts, pairs: list[Pair], main: VensimSection, findings: list[Finding]) -> dict[str, Macro]:
    """The macros of a file, one for each result; a macro that calls itself, directly or through others, is a finding."""
    macros: dict[str, Macro] = {}
    for number, head in enumerate(parts.macros):
        name = canonical(head.name)
        inputs = tuple(map(canonical, head.inputs))
        section = VensimSection(
            main.file, main.dimensions, main.elements, main.limits, main.load, main.macros, frozenset(inputs), True
        )
        built = build(section, [pair for pair in pairs if pair[0].macro == number])
        findings += section.findings
        results: dict[str, str] = {name: name, **dict(zip(main.macros[name], map(canonical, head.results), strict=True))}
        fault = _macro_fault(name, results, built, macros)
        if fault:
            findings.append(error("macro", *fault, file=main.file, line=head.line, element=head.name))
            continue
        variables = tuple(with_flows(built, "").values())
        for own, result in results.items():
            macros[own] = Macro(own, inputs, variables, result, head.line)
    calls = {name: _called(macro) & macros.keys() for name, macro in macros.items()}
    for name, macro in macros.items():
        if macro.result == macro.name and _reaches(name, name, calls):
            reason = "the macro calls itself" if name in calls[name] else "the macro calls itself through another macro"
            repair = "write the repetition as a stock or a subscript"
            findings.append(error("macro", reason, repair, file=main.file, line=macro.line, element=name))
    return macros


def _macro_fault(
    name: str, results: Mapping[str, str], built: Mapping[str, Built], macros: Mapping[str, Macro]
) -> tuple[str, str] | None:
    if name in macros:
        return "the macro is defined twice", "remove one definition"
    for result in results.values():
        if result not in built:
            which = "its own name" if result == name else f"its result {result}"
            return f"the macro has no equation of {which}", "give it one: that is its result"
    return None


def _called(macro: Macro) -> set[str]:
    """Every function that the equations of a macro name."""
    called: set[str] = set()
    for variable in macro.variables:
        for equation in variable.equations:
            for expr in (equation.expr, equation.initial):
                if expr is not None:
                    called.update(part.function for part in walk(expr) if isinstance(part, Call))
    return called


def _reaches(start: str, goal: str, calls: Mapping[str, set[str]]) -> bool:
    waiting, seen = [start], set()
    while waiting:
        for name in calls.get(waiting.pop(), set()):
            if name == goal:
                return True
            if name not in seen:
                seen.add(name)
                waiting.append(name)
    return False


# --- time ------------------------------------------------------------------------------------------------------------


def _specs(
    built: Mapping[str, Built], parts: Parts, file: str, limits: bounds.Limits, findings: list[Finding]
) -> SimSpecs | None:
    """Start, stop, step and saving interval: the control variables at the start of the run; None when they cannot be had."""
    values: dict[str, float] = {}
    faults: list[Finding] = []
    for name in CONTROLS:
        value, fault = _control(name, built, values.get("initial_time"), file)
        if fault is not None and not (name == "saveper" and name not in built):
            faults.append(fault)
        if value is not None:
            values[name] = value
    if not any(fault.level is Level.ERROR for fault in faults):  # a warning that one changes over time is none
        faults += _range_faults(values, built, file, limits)
    findings += faults
    if any(fault.level is Level.ERROR for fault in faults):
        return None
    units = (built[name].variable.units for name in ("time_step", "final_time", "initial_time", "saveper") if name in built)
    return SimSpecs(
        start=values["initial_time"],
        stop=values["final_time"],
        dt=values["time_step"],
        method=parts.method,
        time_unit=next((unit for unit in units if unit), ""),
        save_every=values.get("saveper"),
        line=built["time_step"].variable.line,
    )


def _display(name: str) -> str:
    return name.replace("_", " ").upper()


def _control(name: str, built: Mapping[str, Built], start: float | None, file: str) -> tuple[float | None, Finding | None]:
    """The value of a control variable at the start, and an error where it has none or a warning where it changes later."""
    label = _display(name)
    if name not in built:
        return None, error("time", f"the model has no {label}", f"add `{label} = ...`", file=file, element=label)
    variable = built[name].variable

    def value_of(wanted: str, seen: tuple[str, ...] = ()) -> float | None:
        if wanted == "time":
            return start if start is not None else 0.0
        item = built.get(wanted)
        if item is None or wanted in seen or len(seen) > 50 or item.variable.dimensions:
            return None
        only = item.variable.equations[0]
        if only.expr is None or only.lookup is not None:
            return None
        return evaluate(only.expr, lambda ref: None if ref.subscripts else value_of(ref.name, (*seen, wanted)), nothing)

    value = value_of(name)
    line = variable.line
    if value is None:
        reason = f"{label} is no number that is known before the run"
        return None, error("time", reason, "write a number, or parameters and arithmetic", file=file, line=line, element=label)
    if not math.isfinite(value):
        return None, error("time", f"{label} is {value}", "write a finite number", file=file, line=line, element=label)
    if _depends_on_time(name, built):
        reason = f"{label} changes during the run; its value at the start, {value:g}, is used throughout"
        return value, warning("time", reason, "write a constant", file=file, line=line, element=label)
    return value, None


def _depends_on_time(name: str, built: Mapping[str, Built]) -> bool:
    waiting, seen = [name], {name}
    while waiting:
        item = built.get(waiting.pop())
        if item is None:
            continue
        for equation in item.variable.equations:
            for part in walk(equation.expr) if equation.expr is not None else ():
                if part == Ref("time"):
                    return True
                if isinstance(part, Ref) and part.name not in seen:
                    seen.add(part.name)
                    waiting.append(part.name)
    return False


def _range_faults(values: Mapping[str, float], built: Mapping[str, Built], file: str, limits: bounds.Limits) -> list[Finding]:
    start, stop, dt = values["initial_time"], values["final_time"], values["time_step"]

    def fault(name: str, reason: str, repair: str) -> Finding:
        return error("time", reason, repair, file=file, line=built[name].variable.line, element=_display(name))

    faults: list[Finding] = []
    if dt <= 0:
        faults.append(fault("time_step", f"TIME STEP is {dt:g}", "write a number above zero"))
    if stop < start:
        faults.append(fault("final_time", f"FINAL TIME {stop:g} is before INITIAL TIME {start:g}", "write a later FINAL TIME"))
    if values.get("saveper", 1.0) <= 0:
        faults.append(fault("saveper", f"SAVEPER is {values['saveper']:g}", "write a number above zero"))
    if not faults and (stop - start) / dt > limits.steps:
        reason = f"{(stop - start) / dt:.3g} steps from {start:g} to {stop:g} with TIME STEP {dt:g}, of at most {limits.steps:,}"
        faults.append(fault("time_step", reason, f"write a larger TIME STEP, or {bounds.how_to_raise('steps')}"))
    elif not faults and (blurred := SimSpecs(start, stop, dt).blurred):
        faults.append(fault("time_step", blurred, "count time from a nearer INITIAL TIME"))
    return faults
