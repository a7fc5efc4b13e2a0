"""dt against the shortest delay: a step much longer than a stage of a delay gives numbers that are not the model's.

A first-order stage of time constant T that takes Euler steps of dt overshoots when dt > T and differs visibly from the
exact path when dt > T / 4 (Sterman, Business Dynamics, 2000, appendix A). Runge-Kutta methods bear 2 T (second order) and
2.785 T (fourth) before they diverge.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from flowreform import builtins
from flowreform.checks.subject import Line, finding, lines, sections, spell
from flowreform.constants import evaluate, nothing
from flowreform.errors import Finding, Level
from flowreform.graph import components
from flowreform.model import Binary, Call, Expr, Method, Model, Ref, Role, Variable, walk

_LIMIT = {Method.EULER: 1.0, Method.RK2: 2.0, Method.RK4: 2.785}
_DT = {"dt", "time_step"}


def delays(model: Model) -> Iterator[Finding]:
    """dt against every delay, smooth and drain (a stock over a time) whose time is known before the run."""
    known = constants(model)
    for section in sections(model):
        for line in lines(section):
            for part in walk(line.expr):
                if isinstance(part, Call):
                    yield from _of_call(model, line, part, known)
            yield from _drain(model, line, known)


def _of_call(model: Model, line: Line, call: Call, known: Mapping[str, float]) -> Iterator[Finding]:
    row = builtins.find(call.function)
    if row is None or not row.stages or len(call.args) < 2 or call.function in line.section.visible:
        return
    in_steps = row.stages == "steps"
    time, shown = value(call.args[1], known), call.function.upper()
    if time is None:
        return
    dt = model.specs.dt
    if not time > 0.0 and not in_steps:
        reason, repair = f"the time of {shown} is {time:g}", "give it a time above zero"
        yield line.finding(model, "delay-time", reason, repair, call.column)
    elif in_steps:
        steps = max(1, round(time / dt)) if abs(time / dt) < 1e15 else 1
        if abs(steps * dt - time) > 1e-6 * max(dt, abs(time)):
            reason = f"{shown} by {time:g} is not a whole number of steps of dt {dt:g}: it delays by {steps * dt:g}"
            yield _warning(model, line, reason, "choose a dt that divides the delay", call.column)
    else:
        if isinstance(row.stages, int):
            stages = float(row.stages)
        else:
            order = value(call.args[2], known) if len(call.args) > 2 else None
            stages = max(1.0, round(order)) if order is not None and abs(order) < 1e6 else 1.0
        what = f"{shown} of {time:g}" if stages == 1 else f"one of the {stages:g} stages of {shown} of {time:g}"
        yield from _against(model, line, what, time / stages, call.column, fitted=row.name == "delay_n" and time >= dt)


def _against(model: Model, line: Line, what: str, stage: float, column: int = 0, *, fitted: bool = False) -> Iterator[Finding]:
    """dt against one stage; `fitted` when the engine lowers the number of stages until they fit."""
    specs = model.specs
    if specs.dt <= stage / 4.0 * (1.0 + 1e-9):
        return
    unit = f" {specs.time_unit}" if specs.time_unit else ""
    best = 2.0 ** math.floor(math.log2(stage / 4.0)) if stage > 1e-300 else 0.0
    repair = f"set dt to {best:g} or less" if best else "lengthen the delay"
    if specs.dt <= stage * _LIMIT[specs.method]:
        share = f"{specs.dt / stage:.0%} of" if specs.dt < stage else "as long as" if specs.dt == stage else "longer than"
        reason = f"dt {specs.dt:g} is {share} {what} ({stage:g}{unit}): the result depends on dt"
        yield _warning(model, line, reason, repair, column)
    elif fitted:
        reason = f"dt {specs.dt:g} is longer than {what} ({stage:g}{unit}): it runs with fewer stages"
        yield _warning(model, line, reason, repair, column)
    else:
        reason = f"dt {specs.dt:g} is longer than {what} ({stage:g}{unit}): the result overshoots"
        yield line.finding(model, "dt", reason, repair, column)


def _warning(model: Model, line: Line, reason: str, repair: str, column: int) -> Finding:
    at = line.equation.line
    return finding(model, line.variable, "dt", reason, repair, level=Level.WARNING, line=at, column=column)


def _drain(model: Model, line: Line, known: Mapping[str, float]) -> Iterator[Finding]:
    """An outflow that is a stock times and over known numbers: its stock empties with that time constant.

    A stock over dt itself is meant to go in one step."""
    flow = line.variable
    if flow.role is not Role.FLOW or line.starting:
        return
    above, below = _factors(line.expr)
    stocks = [part for part in above if isinstance(part, Ref) and _drains(line.section.visible.get(part.name), flow)]
    if len(stocks) != 1 or any(isinstance(part, Ref) and part.name in _DT for part in below):
        return
    rest = [value(part, known) for part in above if part is not stocks[0]]
    times = [value(part, known) for part in below]
    if not (rest or times) or any(item is None for item in (*rest, *times)):
        return
    rate = math.prod(item for item in rest if item is not None)
    time = math.prod(item for item in times if item is not None)
    if rate > 0.0 and time > 0.0 and math.isfinite(time / rate):
        yield from _against(model, line, f"the time in which {spell(line.expr, 40)} empties {stocks[0].name}", time / rate)


def _drains(variable: Variable | None, flow: Variable) -> bool:
    return variable is not None and variable.role is Role.STOCK and flow.name in variable.outflows


def _factors(expr: Expr) -> tuple[list[Expr], list[Expr]]:
    """What a product and quotient multiplies, and what it divides by."""
    above: list[Expr] = []
    below: list[Expr] = []
    stack = [(expr, True)]
    while stack:
        part, is_above = stack.pop()
        if isinstance(part, Binary) and part.op in ("*", "/"):
            stack += [(part.left, is_above), (part.right, is_above == (part.op == "*"))]
        else:
            (above if is_above else below).append(part)
    return above, below


# --- what is known before the run ------------------------------------------------------------------------------------


def constants(model: Model) -> dict[str, float]:
    """The variables whose value follows from literals and parameters alone, each worked out once.

    Of an arrayed parameter the smallest value is named, which is what a delay's time is judged by."""
    specs = model.specs
    known = dict.fromkeys(("dt", "time_step"), specs.dt)
    known |= dict.fromkeys(("starttime", "initial_time"), specs.start) | dict.fromkeys(("stoptime", "final_time"), specs.stop)
    arrays: dict[str, float] = {}
    plain = {variable.name: expr for variable in model if (expr := _plain(variable)) is not None}
    graph = {name: [part.name for part in walk(expr) if isinstance(part, Ref)] for name, expr in plain.items()}
    for variable in model:
        known.pop(variable.name, None)
        if variable.role is Role.PARAMETER and variable.dimensions:
            found = [value(equation.expr, {}) for equation in variable.equations if equation.expr is not None]
            numbers = [item for item in found if item is not None]
            if numbers:
                arrays[variable.name] = min(numbers)
    for component in components(graph):
        for name in component:
            found_value = value(plain[name], known) if len(component) == 1 and name not in graph[name] else None
            if found_value is not None:
                known[name] = found_value
    return known | arrays


def _plain(variable: Variable) -> Expr | None:
    """The expression of a scalar that is one equation and no stock."""
    if variable.dimensions or len(variable.equations) != 1 or variable.role in (Role.STOCK, Role.LOOKUP):
        return None
    equation = variable.equations[0]
    return equation.expr if equation.lookup is None else None


def value(expr: Expr, known: Mapping[str, float]) -> float | None:
    """The number an expression comes to when all it reads is known; None otherwise."""
    return evaluate(expr, lambda ref: known.get(ref.name), nothing)
