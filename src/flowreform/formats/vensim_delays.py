"""DELAY N with a delay time that never changes, and room for all its stages, is the ordinary delay of order N."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from flowreform.formats.vensim_build import Built
from flowreform.model import Call, Equation, Expr, Number, Ref, Role, fold, names_in, rebuilt


def with_plain_delays(built: Mapping[str, Built]) -> dict[str, Built]:
    """Every `delay_n` whose time and order are numbers or parameters, and whose stages are no shorter than the step, becomes a
    `delayn`: what is under way has one delay time then. Vensim runs any other with fewer stages, or with the time that each
    content set out with, which `delayn` does not do."""
    numbers = {name: value for name, item in built.items() if (value := _number(item)) is not None}
    return {name: _in_built(item, numbers) for name, item in built.items()}


def _number(item: Built) -> float | None:
    variable = item.variable
    plain = variable.role is Role.PARAMETER and not variable.dimensions and len(variable.equations) == 1
    expr = variable.equations[0].expr if plain else None
    return expr.value if isinstance(expr, Number) else None


def _in_built(item: Built, numbers: Mapping[str, float]) -> Built:
    equations = tuple(_in_equation(equation, numbers) for equation in item.variable.equations)
    nets = tuple(_in_equation(net, numbers) for net in item.nets)
    if equations == item.variable.equations and nets == item.nets:
        return item
    return Built(replace(item.variable, equations=equations), nets)


def _in_equation(equation: Equation, numbers: Mapping[str, float]) -> Equation:
    if equation.expr is None or "delay_n" not in names_in(equation.expr):
        return equation
    return replace(equation, expr=fold(equation.expr, lambda part, inside: _settled(part, inside, numbers)))


def _settled(part: Expr, inside: tuple[Expr, ...], numbers: Mapping[str, float]) -> Expr:
    if isinstance(part, Call) and part.function == "delay_n":
        time, order = (_value(side, numbers) for side in inside[1:3])
        step = numbers.get("time_step")
        if time is None or order is None or step is None or not math.isfinite(order):
            return rebuilt(part, inside)
        if time / max(1.0, round(order)) >= step * (1.0 - 1e-6):
            return Call("delayn", inside, part.column)
    return rebuilt(part, inside)


def _value(expr: Expr, numbers: Mapping[str, float]) -> float | None:
    if isinstance(expr, Number):
        return expr.value
    return numbers.get(expr.name) if isinstance(expr, Ref) and not expr.subscripts else None
