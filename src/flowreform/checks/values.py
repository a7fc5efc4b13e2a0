"""Values, documentation and use: parameters within their ranges, every variable explained, nothing left over."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from flowreform.checks.subject import finding, lines, sections, warn
from flowreform.errors import Finding
from flowreform.lower import fold
from flowreform.model import Model, Role, canonical, names_in

CONTROLS = frozenset({"time_step", "final_time", "initial_time", "saveper"})
"""Vensim's variables of the run itself: read by no equation, and not left over."""


def ranges(model: Model) -> Iterator[Finding]:
    """Parameters outside their own range, and ranges the wrong way round."""
    for variable in model:
        low, high = variable.range
        if low is not None and high is not None and low > high:
            yield finding(model, variable, "bad-range", f"the range runs from {low:g} down to {high:g}", "swap its ends")
            continue
        if variable.role is not Role.PARAMETER:
            continue
        for equation in variable.equations:
            value = fold(equation.expr)
            if value is None or not ((low is not None and value < low) or (high is not None and value > high)):
                continue
            where = f"[{', '.join(equation.subscripts)}] " if equation.subscripts else ""
            below = low is not None and value < low
            limit = f"below its range, which starts at {low:g}" if below else f"above its range, which ends at {high:g}"
            unit = f" {variable.units}" if variable.units else ""
            reason = f"{where}{value:g}{unit} is {limit}"
            slider = model.path is not None and model.path.suffix.lower() == ".mdl"  # in Vensim it is a slider's range
            report, words = (warn, "[low, high]") if slider else (finding, "<range>")
            yield report(model, variable, "outside-range", reason, f"correct the value, or widen {words}", line=equation.line)


def papers(model: Model) -> Iterator[Finding]:
    """Variables without documentation or without units."""
    for variable in model:
        if variable.name in CONTROLS:
            continue
        if not variable.doc.strip():
            yield warn(model, variable, "missing-doc", "it has no documentation", "say in one sentence what it is")
        if variable.units is None:
            repair = "give it units (dimensionless is one): until then equations that read it are not checked"
            yield warn(model, variable, "missing-units", "it has no units", repair)


def unused(model: Model, used: Collection[str] = ()) -> Iterator[Finding]:
    """Parameters and lookups that no equation reads; auxiliaries too, when it is known (`used`) which ones are results.

    A parameter that only a case file names is reported: setting it would change nothing."""
    read = {name for variable in model for name in (*variable.inflows, *variable.outflows)}
    for section in sections(model):
        for line in lines(section):
            read.update(names_in(line.expr))
    results = {canonical(name.partition("[")[0]) for name in used}
    for variable in model:
        if variable.name in read or variable.name in CONTROLS:
            continue
        if variable.role in (Role.PARAMETER, Role.LOOKUP):
            reason = f"no equation reads this {variable.role}, so it changes nothing"
            yield warn(model, variable, "unused", reason, "use it or take it out")
        elif results and variable.role is Role.AUXILIARY and variable.name not in results:
            reason = "no equation, KPI, chart or target reads this auxiliary"
            yield warn(model, variable, "unused", reason, "use it or take it out")
