"""Reading a Vensim model (.mdl).

The text is cut into entries here, with their lines; PySD's translator turns each equation into a syntax tree in a child
process (see `vensim_child`), and the rest of this family turns the trees into a `Model`:

    vensim_text        bytes -> entries, macros, groups, settings
    vensim_translate   entries -> syntax trees, in the child
    vensim_dimensions  subscript ranges -> dimensions
    vensim_expr        a syntax tree -> an expression
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
from typing import Any

from flowreform.constants import evaluate, nothing
from flowreform.errors import Finding, Level, ModelError, error, warning
from flowreform.formats import limits as bounds
from flowreform.formats.vensim_build import CONTROLS, Built, Section, build
from flowreform.formats.vensim_data import Loader
from flowreform.formats.vensim_delays import with_plain_delays
from flowreform.formats.vensim_dimensions import define, is_definition
from flowreform.formats.vensim_flows import with_flows
from flowreform.formats.vensim_text import Entry, MacroHead, Parts, decode, split
from flowreform.formats.vensim_translate import allowance_from_environment, translate
from flowreform.model import Dimension, Macro, Model, Ref, SimSpecs, canonical, names_in, walk

Pair = tuple[Entry, dict[str, Any]]


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
    results = translate([entry.equation for entry in equations], file, allowance_from_environment())
    pairs: list[Pair] = list(zip(equations, results, strict=True))

    section = Section(file, dimensions, _elements(dimensions), limits, loader.load, _macro_names(parts))
    built = with_plain_delays(build(section, [pair for pair in pairs if pair[0].macro is None]))
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
        return path.read_bytes()
    except OSError as fault:
        reason = f"cannot be read: {fault.strerror or fault}"
        raise ModelError(error("cannot-read", reason, "check the path and who may read it", file=str(path))) from fault


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


def _macro_names(parts: Parts) -> frozenset[str]:
    return frozenset(canonical(macro.name) for macro in parts.macros)


def _macros(parts: Parts, pairs: list[Pair], main: Section, findings: list[Finding]) -> dict[str, Macro]:
    """The macros of a file; a macro that calls itself, directly or through others, is a finding."""
    found: dict[str, Macro] = {}
    for number, head in enumerate(parts.macros):
        name = canonical(head.name)
        section = Section(
            main.file,
            main.dimensions,
            main.elements,
            main.limits,
            main.load,
            main.macros,
            frozenset(map(canonical, head.inputs)),
            True,
        )
        built = build(section, [pair for pair in pairs if pair[0].macro == number])
        findings += section.findings
        fault = _macro_fault(head, name, built, found)
        if fault:
            findings.append(error("macro", *fault, file=main.file, line=head.line, element=head.name))
            continue
        variables = tuple(with_flows(built, "").values())
        found[name] = Macro(name, tuple(canonical(item) for item in head.inputs), variables, name, head.line)
    calls = {name: _called(macro) & found.keys() for name, macro in found.items()}
    for name, macro in found.items():
        if _reaches(name, name, calls):
            reason = "the macro calls itself" if name in calls[name] else "the macro calls itself through another macro"
            repair = "write the repetition as a stock or a subscript"
            findings.append(error("macro", reason, repair, file=main.file, line=macro.line, element=name))
    return found


def _macro_fault(head: MacroHead, name: str, built: Mapping[str, Built], found: Mapping[str, Macro]) -> tuple[str, str] | None:
    if name in found:
        return "the macro is defined twice", "remove one definition"
    if head.results:
        return "a macro with more than one result is not supported", "write one macro for each result"
    if name not in built:
        return "the macro has no equation of its own name", "give it one: that is its result"
    return None


def _called(macro: Macro) -> set[str]:
    """Every function that the equations of a macro name."""
    called: set[str] = set()
    for variable in macro.variables:
        for equation in variable.equations:
            for expr in (equation.expr, equation.initial):
                if expr is not None:
                    called.update(names_in(expr))
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
    return faults
