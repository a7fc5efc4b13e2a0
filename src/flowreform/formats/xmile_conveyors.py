"""Conveyors and queues of an XMILE file (1.0, sections 3.7.2, 3.7.3, 4.2.1 and 4.3): stocks whose outflows follow from what
flowed in, and from what a belt further on takes.

What a run does with them, and what it refuses, is in `lower.conveyors` and `lower.queues`.
"""

from __future__ import annotations

from dataclasses import replace

from flowreform.errors import shorten
from flowreform.formats.expressions import qualified
from flowreform.formats.writer import spell
from flowreform.formats.xmile_document import Node, Reading, attribute, line_of, text_of, truth
from flowreform.model import Binary, Conveyor, Equation, Expr, Leak, Number, Ref, Role, Variable

_PARTS = {
    "capacity": ("content_limit", "inf"),
    "in_limit": ("inflow_limit", "inf"),
    "sample": ("sample", "1"),
    "arrest": ("arrest", "0"),
}
"""What a conveyor may hold beside its length: what it is in a `Conveyor`, and the text that says there is none."""


def driven_flows(nodes: list[Node]) -> frozenset[str]:
    """The outflows of the conveyors and queues among some variables; they need no equation."""
    stocks = [node for node in nodes if node.tag == "stock"]
    belts = [node for node in stocks if node.find("conveyor") is not None or node.find("queue") is not None]
    return frozenset(qualified(text_of(child)) for node in belts for child in node.findall("outflow") if text_of(child))


def read_conveyor(node: Node, label: str, reading: Reading) -> Conveyor | None:
    """What makes a stock a conveyor; None when it is none, and, with a fault, when that cannot be read."""
    for element in node.findall("element"):
        if element.find("conveyor") is not None:
            reason = "a conveyor for some elements of a stock is not supported"
            reading.fault("unsupported", reason, "write <conveyor> once, for all elements", at=element, element=label)
    written = node.find("conveyor")
    if written is None:
        return None
    if node.find("queue") is not None:
        reading.fault("bad-conveyor", "a stock is a conveyor or a queue, not both", "delete one", at=written, element=label)
    parts: dict[str, Expr | None] = {}
    for child in written:
        if child.tag in _PARTS:
            name, none = _PARTS[child.tag]
            if text_of(child).lower() not in ("", none):
                parts[name] = reading.expression(child, label)
        elif child.tag != "len" and not child.tag.startswith("{"):
            reason = f"<{shorten(child.tag)}> of a conveyor is not supported"
            reading.fault("unsupported", reason, "delete it", at=child, element=label)
    length = written.find("len")
    if not text_of(length):
        reading.fault("bad-conveyor", "the conveyor has no transit time", "write it in <len>", at=written, element=label)
        return None
    expr = reading.expression(length, label)
    if expr is None:
        return None
    return Conveyor(
        expr,
        parts.get("content_limit"),
        parts.get("inflow_limit"),
        parts.get("sample"),
        parts.get("arrest"),
        discrete=_mode(written, "discrete", False, label, reading),
        batch_integrity=_mode(written, "batch_integrity", False, label, reading),
        one_at_a_time=_mode(written, "one_at_a_time", True, label, reading),
        exponential_leak=_mode(written, "exponential_leak", False, label, reading),
    )


def _mode(written: Node, name: str, default: bool, label: str, reading: Reading) -> bool:
    value = truth(attribute(written, name), default)
    if value is None:
        reading.fault("bad-conveyor", f"{name} is neither true nor false", 'write "true" or "false"', at=written, element=label)
    return default if value is None else value


def read_leak(node: Node, label: str, reading: Reading) -> Leak | None:
    """What makes a flow a leak; None when it is none. Its zone stands on the flow or on `<leak>`."""
    written = node.find("leak")
    if written is None:
        return None
    sides = []
    for name, default in (("leak_start", 0.0), ("leak_end", 1.0)):
        text = (attribute(node, name) or attribute(written, name) or "").strip()
        value = reading.number(text, name, at=node, element=label, rule="bad-conveyor") if text else default
        sides.append(default if value is None else value)
    start, end = sides
    if not 0.0 <= start < end <= 1.0:
        reason = f"the leak runs from {start:g} to {end:g} of the way"
        repair = "write a leak_start below leak_end, both from 0 to 1"
        reading.fault("bad-conveyor", reason, repair, at=node, element=label)
        return Leak()
    return Leak(start, end)


def driven_equation(
    node: Node, name: str, leak: Leak | None, label: str, driven: frozenset[str], reading: Reading
) -> tuple[Equation, ...] | None:
    """The equation of a leak written as `<leak>0.1</leak>`, or a place for that of a conveyor's end; None for any other."""
    if leak is not None:
        written = node.find("leak")
        if not text_of(written):
            return None
        expr = reading.expression(written, label)
        return () if expr is None else (Equation(text_of(written), expr, reading.document.place(written)[0]),)
    return (Equation("", Number(0.0), line_of(node)),) if name in driven else None


def settle_conveyors(variables: dict[str, Variable], reading: Reading) -> None:
    """Every conveyor has one outflow at its end, which is given its equation; every leak leaves a conveyor, and every overflow
    a queue."""
    _settle_queues(variables, reading)
    taken: dict[str, str] = {}
    for stock in [variable for variable in variables.values() if variable.conveyor is not None]:
        assert stock.conveyor is not None
        ends = [flow for flow in stock.outflows if flow in variables and variables[flow].leak is None]
        for flow in stock.outflows:
            if flow in taken:
                reason = f'its outflow "{shorten(flow)}" leaves the conveyor "{shorten(taken[flow])}" already'
                reading.fault("bad-conveyor", reason, "give each conveyor flows of its own", at=stock.line, element=stock.label)
            taken[flow] = stock.label
        if len(ends) != 1:
            what = "no outflow at its end" if not ends else "two outflows that are not marked as leaks"
            repair = "name one outflow without <leak/>" if not ends else f'write <leak/> in "{shorten(ends[1])}"'
            reading.fault("unsupported", f"a conveyor with {what} is not supported", repair, at=stock.line, element=stock.label)
            continue
        subscripts = tuple(Ref(name) for name in stock.dimensions)
        balance = Binary("/", Ref(stock.name, subscripts), stock.conveyor.length)
        end = variables[ends[0]]
        equation = Equation(spell(balance), balance, end.line)
        variables[end.name] = replace(end, equations=(equation,), non_negative=False)
    for variable in variables.values():
        if variable.leak is not None and variable.name not in taken:
            reason = "a leak that is no outflow of a conveyor is not supported"
            reading.fault(
                "unsupported", reason, "name it in a conveyor, or delete <leak/>", at=variable.line, element=variable.label
            )
        elif variable.leak is not None and variable.role is not Role.FLOW:
            variables[variable.name] = replace(variable, role=Role.FLOW)


def _settle_queues(variables: dict[str, Variable], reading: Reading) -> None:
    """The outflows of a queue are given the equation of one that empties it; a run works out what each really takes."""
    overflows = {variable.name for variable in variables.values() if variable.overflow}
    for stock in [variable for variable in variables.values() if variable.queue]:
        if not stock.outflows:
            reading.fault("bad-queue", "the queue has no outflow", "name one", at=stock.line, element=stock.label)
        elif stock.outflows[0] in overflows:
            first = variables[stock.outflows[0]]
            repair = "name the outflow that it stands in for before it"
            reading.fault("bad-queue", "the first outflow of a queue is an overflow", repair, at=first.line, element=first.label)
        subscripts = tuple(Ref(name) for name in stock.dimensions)
        empty = Binary("/", Ref(stock.name, subscripts), Ref("dt"))
        for name in stock.outflows:
            overflows.discard(name)
            if name in variables:
                flow = variables[name]
                equations = (Equation(spell(empty), empty, flow.line),)
                variables[name] = replace(flow, equations=equations, non_negative=False, role=Role.FLOW)
    for name in overflows:
        reason = "an overflow that is no outflow of a queue has nothing to overflow from"
        line, label = variables[name].line, variables[name].label
        reading.fault("bad-queue", reason, "name it in a queue, or delete <overflow/>", at=line, element=label)
