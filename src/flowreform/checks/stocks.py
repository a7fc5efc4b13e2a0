"""Stocks and flows: every stock starts somewhere, and every flow joins a stock."""

from __future__ import annotations

from collections.abc import Iterator

from flowreform.checks.subject import Hints, finding, sections, warn
from flowreform.errors import Finding, shorten
from flowreform.model import Model, Role, Variable


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
