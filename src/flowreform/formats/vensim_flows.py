"""The flows of Vensim's stocks.

Vensim knows no flows: a stock is `INTEG(net, initial)`. Where `net` is a sum and difference of plain variables, those
become the stock's inflows and outflows; where it is anything else, a flow named "<stock> net flow" is made to hold it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from flowreform.formats.vensim_build import CONTROLS, Built
from flowreform.model import Binary, Expr, Number, Ref, Role, Unary, Variable, canonical


def with_flows(built: Mapping[str, Built], time_unit: str) -> dict[str, Variable]:
    """The variables with every stock's flows named, and each flow in its role; made ones stand behind their stock.

    A parameter stays a parameter, so that a lever may name it, and is no flow."""
    variables = {name: item.variable for name, item in built.items()}
    plans = {name: _plan(item, variables) for name, item in built.items() if item.variable.role is Role.STOCK}
    flows = {flow for plan in plans.values() if plan for flow in (*plan[0], *plan[1])}
    taken = set(variables)
    result: dict[str, Variable] = {}
    for name, item in built.items():
        variable = item.variable
        if name in flows:
            result[name] = replace(variable, role=Role.FLOW)
        elif variable.role is not Role.STOCK:
            result[name] = variable
        else:
            plan = plans[name]
            if plan is not None:
                result[name] = replace(variable, inflows=plan[0], outflows=plan[1])
            else:
                made = _net_flow(item, taken, time_unit)
                taken.add(made.name)
                result[name] = replace(variable, inflows=(made.name,))
                result[made.name] = made
    return result


def _plan(item: Built, variables: Mapping[str, Variable]) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """Inflows and outflows, or None when the rate is not a plain sum of variables shaped as the stock is."""
    stock = item.variable
    plans = set()
    for equation, net in zip(stock.equations, item.nets, strict=True):
        terms = _terms(net.expr)
        sides = equation.subscripts or stock.dimensions
        if equation.exceptions or terms is None:
            return None
        for _, ref in terms:
            if ref.subscripts != tuple(Ref(side) for side in sides) or not _may_flow(ref.name, stock, variables):
                return None
        names = [ref.name for _, ref in terms]
        if len(set(names)) != len(names):
            return None
        plans.add((tuple(ref.name for sign, ref in terms if sign > 0), tuple(ref.name for sign, ref in terms if sign < 0)))
    return plans.pop() if len(plans) == 1 else None


def _may_flow(name: str, stock: Variable, variables: Mapping[str, Variable]) -> bool:
    variable = variables.get(name)
    return (
        variable is not None
        and variable.role is Role.AUXILIARY
        and name not in CONTROLS
        and variable.dimensions == stock.dimensions
    )


def _terms(expr: Expr | None) -> list[tuple[int, Ref]] | None:
    """A sum and difference of names as signed names in order, or None for any other expression; 0 has no terms."""
    if expr is None or expr == Number(0.0):
        return []
    found: list[tuple[int, Ref]] = []
    waiting: list[tuple[int, Expr]] = [(1, expr)]
    while waiting:
        sign, part = waiting.pop()
        match part:
            case Ref():
                found.append((sign, part))
            case Unary("-", operand):
                waiting.append((-sign, operand))
            case Binary("+", left, right):
                waiting += [(sign, right), (sign, left)]
            case Binary("-", left, right):
                waiting += [(-sign, right), (sign, left)]
            case _:
                return None
    return found


def _net_flow(item: Built, taken: set[str], time_unit: str) -> Variable:
    """A flow that holds the rate of a stock, equation by equation."""
    stock = item.variable
    label, number = f"{stock.label} net flow", 2
    while canonical(label) in taken:
        label, number = f"{stock.label} net flow {number}", number + 1
    units = f"{_bracketed(stock.units)}/{_bracketed(time_unit)}" if stock.units and time_unit else None
    doc = f"The rate of {stock.label}, as its equation gives it."
    return Variable(
        canonical(label), label, Role.FLOW, item.nets, stock.dimensions, units, doc, group=stock.group, line=stock.line
    )


def _bracketed(units: str) -> str:
    return f"({units})" if any(sign in units for sign in "*/^") else units
