"""DELAY N with a delay time that never changes is the ordinary delay of order N."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from flowreform.formats.vensim_build import Built
from flowreform.model import Call, Equation, Expr, Ref, Role, fold, names_in, rebuilt


def with_plain_delays(built: Mapping[str, Built]) -> dict[str, Built]:
    """Every `delay_n` whose time is a parameter becomes a `delayn`: what is under way has one delay time then."""
    fixed = frozenset(name for name, item in built.items() if item.variable.role is Role.PARAMETER)
    return {name: _in_built(item, fixed) for name, item in built.items()}


def _in_built(item: Built, fixed: frozenset[str]) -> Built:
    equations = tuple(_in_equation(equation, fixed) for equation in item.variable.equations)
    nets = tuple(_in_equation(net, fixed) for net in item.nets)
    if equations == item.variable.equations and nets == item.nets:
        return item
    return Built(replace(item.variable, equations=equations), nets)


def _in_equation(equation: Equation, fixed: frozenset[str]) -> Equation:
    if equation.expr is None or "delay_n" not in names_in(equation.expr):
        return equation
    return replace(equation, expr=fold(equation.expr, lambda part, inside: _settled(part, inside, fixed)))


def _settled(part: Expr, inside: tuple[Expr, ...], fixed: frozenset[str]) -> Expr:
    if isinstance(part, Call) and part.function == "delay_n" and isinstance(inside[1], Ref) and inside[1].name in fixed:
        return Call("delayn", inside, part.column)
    return rebuilt(part, inside)
