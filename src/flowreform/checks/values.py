"""Values, documentation and use: parameters within their ranges, every variable explained, nothing left over."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping

from flowreform.checks.subject import Hints, finding, lines, sections, warn
from flowreform.errors import Finding, shorten, warning
from flowreform.lower import fold
from flowreform.model import Binary, Expr, Model, Ref, Role, Unary, Variable, canonical, names_in, walk

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


def clock(model: Model) -> Iterator[Finding]:
    """A step that does not divide the run or the saving interval: what the run does instead."""
    specs = model.specs
    if not specs.divides(specs.stop - specs.start) and not any(
        isinstance(item, Finding) and item.rule == "uneven-steps" for item in model.findings
    ):
        reason = f"dt ({specs.dt:g}) does not divide the run ({specs.stop - specs.start:g}): it ends at {specs.end:g}"
        yield warning("uneven-steps", reason, "choose a dt that divides it", file=model.file, line=specs.line)
    if specs.save_every is not None and not specs.divides(specs.save_every):
        reason = (
            f"the saving interval ({specs.save_every:g}) is no multiple of dt ({specs.dt:g}): every {specs.saving:g} is saved"
        )
        yield warning("uneven-saving", reason, "choose a multiple of dt", file=model.file, line=specs.line)


def equality(model: Model) -> Iterator[Finding]:
    """`=` and `<>` between numbers that rounding may move: a spreadsheet, which compares 15 digits, decides them otherwise."""
    numbers = {v.name: fold(v.equations[0].expr) for v in model if v.role is Role.PARAMETER and len(v.equations) == 1}
    for section in sections(model):
        for line in lines(section):
            for part in walk(line.expr):
                if isinstance(part, Binary) and part.op in ("=", "<>"):
                    side = next((side for side in (part.left, part.right) if _rounded(side, model, numbers)), None)
                    if side is not None:
                        what = "the time" if side == Ref("time") else "a worked-out number"
                        reason = f"{part.op} compares {what}, which is rounded: whether it holds depends on the last digit"
                        repair = "compare with < or > and half a step or a tolerance to spare, or use STEP and PULSE for times"
                        yield warn(model, line.variable, "equality", reason, repair, line=line.equation.line)


def _rounded(expr: Expr, model: Model, numbers: Mapping[str, float | None]) -> bool:
    """Is an expression arithmetic on fractions that binary numbers do not hold exactly?"""
    match expr:
        case Ref("time", ()):
            return not (_exact(model.specs.dt) and _exact(model.specs.start))
        case Binary("+" | "-" | "*" | "/" as op, left, right):
            sides = [_value(side, numbers) for side in (left, right)]
            if op == "/" and sides[1] is not None and math.frexp(sides[1])[0] != 0.5:
                return True
            return any(value is not None and not _exact(value) for value in sides) or any(
                _rounded(side, model, numbers) for side in (left, right)
            )
        case Unary("-" | "+", operand):
            return _rounded(operand, model, numbers)
        case _:
            return False


def _value(expr: Expr, numbers: Mapping[str, float | None]) -> float | None:
    return numbers.get(expr.name) if isinstance(expr, Ref) and not expr.subscripts else fold(expr)


def _exact(value: float) -> bool:
    """Is a number a multiple of 2^-20, so that sums of a few hold all their digits?"""
    return math.isfinite(value) and value * 2.0**20 == math.floor(value * 2.0**20)


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


# --- stocks and flows ------------------------------------------------------------------------------------------------


def equations(model: Model) -> Iterator[Finding]:
    """Variables without an equation, and stocks without an initial value."""
    for section in sections(model):
        for variable in section.own:
            empty = [
                item for item in variable.equations if item.expr is None and (item.lookup is None or variable.role == "stock")
            ]
            if variable.equations and not empty:
                continue
            line = empty[0].line if empty else 0
            if variable.role is Role.STOCK:
                reason, repair = "the stock has no initial value", "write the value at the start as its equation"
                yield finding(model, variable, "stock-without-initial", reason, repair, line=line)
            elif variable.role is Role.LOOKUP:
                yield finding(model, variable, "missing-equation", "the lookup has no points", "give it points", line=line)
            else:
                yield finding(model, variable, "missing-equation", "it has no equation", "write one", line=line)


def flows(model: Model) -> Iterator[Finding]:
    """Flows that stocks name and that are not there, are no flows, or have another shape."""
    hints = Hints()
    for section in sections(model):
        known = [name for name, variable in section.visible.items() if variable.role is Role.FLOW]
        for stock in section.own:
            if stock.role is not Role.STOCK:
                continue
            for side, names in (("inflow", stock.inflows), ("outflow", stock.outflows)):
                for name in names:
                    if name not in section.arguments:
                        yield from _flow(model, stock, side, name, section.visible.get(name), known, hints)
            for name in sorted(set(stock.inflows) & set(stock.outflows)):
                reason = f"{shorten(name)} flows in and out of it, so it does nothing"
                yield warn(model, stock, "in-and-out", reason, "take it off one side")


def _flow(
    model: Model, stock: Variable, side: str, name: str, found: Variable | None, known: list[str], hints: Hints
) -> Iterator[Finding]:
    shown = shorten(name)
    if found is None:
        repair = hints.like(name, known, "add a flow of this name, or take it off the stock")
        yield finding(model, stock, "undefined-flow", f'the {side} "{shown}" is not defined', repair)
    elif found.role in (Role.STOCK, Role.LOOKUP):
        reason = f"the {side} {shown} is a {found.role}, not a flow"
        yield finding(model, stock, "not-a-flow", reason, "name a flow")
    elif found.role is not Role.FLOW:
        reason = f"the {side} {shown} is a{'n' * (found.role is Role.AUXILIARY)} {found.role}"
        yield warn(model, stock, "not-a-flow", reason, "write it as a flow")
    elif found.dimensions and found.dimensions != stock.dimensions:
        shape = f"[{', '.join(found.dimensions)}]"
        own = f"[{', '.join(stock.dimensions)}]" if stock.dimensions else "no dimension"
        reason = f"the {side} {shown} has {shape}, the stock has {own}"
        yield finding(model, stock, "flow-shape", reason, "give both the same dimensions")


def idle_flows(model: Model) -> Iterator[Finding]:
    """Flows that join no stock."""
    joined = {name for variable in model for name in (*variable.inflows, *variable.outflows)}
    for flow in model.of_role(Role.FLOW).values():
        if flow.name not in joined:
            yield warn(model, flow, "idle-flow", "no stock has this flow", "name it in a stock, or make it an auxiliary")
