"""Non-negative stocks: what flows out is limited to what is there, in the order of the stock's outflows.

The rule is that of the format's maker (isee's help, "Flow prioritization"): once a step each outflow is
MIN(stock/dt + total inflow, explicit outflow), where what the outflows before it take is no longer there. Nothing is made or
lost: whoever reads the flow, the stock at its other end included, reads what flows. Where the help is silent:

- "stock" is what the stock holds at the beginning of the step, by every method, so that a stage of Runge-Kutta neither takes
  more than there was nor less than was asked for.
- An inflow below zero takes out of the stock, after the outflows, and is limited likewise.
- An outflow that another one's equation reads is served before it.
- An inflow counts unless it follows, in the same moment, from what it would be counted for (a circle); then what its own
  source holds for it counts, or nothing.
- A stock that starts below zero keeps that value until inflows lift it; nothing flows out of it before.
- While initial values are worked out, a flow that would need the very stock it sets is taken as its equation says.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from flowreform.lower.conveyors import flow_of
from flowreform.lower.order import reads
from flowreform.lower.scope import Builder, Scope
from flowreform.model import Model, Role, Variable
from flowreform.program import Assign, Code, Const, Op, Place, Read

_NONE = Const(0.0)


def limited(model: Model, driven: frozenset[str]) -> dict[str, tuple[str, ...]]:
    """By flow, the non-negative stocks that limit it: first those it leaves, then those it enters and may drain."""
    found: dict[str, list[str]] = {}
    flows = {variable.name for variable in model if variable.role is Role.FLOW}
    stocks = [
        variable
        for variable in model
        if variable.role is Role.STOCK and variable.non_negative and (variable.inflows or variable.outflows)
    ]
    for stock in stocks:
        for name in stock.outflows:
            if name not in driven and name in flows:
                found.setdefault(name, []).append(stock.name)
    for stock in stocks:
        for name in stock.inflows:
            if name not in driven and name in flows and not model.variables[name].non_negative:
                found.setdefault(name, []).append(stock.name)
    return {name: tuple(dict.fromkeys(limiters)) for name, limiters in found.items()}


@dataclass(frozen=True, slots=True)
class _Flow:
    """A limited flow on its way from what its equation gives to what flows: a place after the limit of each of its stocks."""

    stocks: tuple[str, ...]
    places: tuple[Place, ...]
    sources: int
    """How many of the limits are those of stocks it leaves; they come first."""

    @property
    def explicit(self) -> Place:
        """What its equation gives."""
        return self.places[0]

    @property
    def leaving(self) -> Place:
        """What its sources let go."""
        return self.places[self.sources]

    def at(self, stock: Variable) -> tuple[Place, Place]:
        """Before and after the limit of a stock."""
        number = self.stocks.index(stock.name)
        return self.places[number], self.places[number + 1]


class OutflowLimits:
    """The limited flows of a model, with their places."""

    def __init__(self, builder: Builder) -> None:
        self.builder, self.model = builder, builder.model
        self.flows: dict[str, _Flow] = {}
        for name, stocks in limited(self.model, builder.driven).items():
            real = builder.asked.get(name) or builder.places[name]
            sources = sum(name in self.model.variables[stock].outflows for stock in stocks)
            beside = [replace(real, base=builder.slot(name, real.size)) for _ in stocks]
            self.flows[name] = _Flow(stocks, (*beside, real), sources)
        self.contents: dict[str, Read] = {}
        self.scopes: Mapping[str, tuple[Read, Scope]] = {}
        self.needs = _Needs(())

    def explicit(self, name: str) -> Place | None:
        """Where the equation of a limited flow is written; None for any other."""
        return self.flows[name].explicit if name in self.flows else None

    @property
    def stocks(self) -> tuple[str, ...]:
        """The stocks that limit a flow, in the model's order."""
        found = {stock for flow in self.flows.values() for stock in flow.stocks}
        return tuple(variable.name for variable in self.model if variable.name in found)

    def begin(self, scopes: Mapping[str, tuple[Read, Scope]]) -> None:
        """All equations stand by now. `scopes` has the slots and loops of `stocks`."""
        builder, self.scopes, self.needs = self.builder, scopes, _Needs(self.builder.step)
        for flow in self.flows.values():
            for before, after in zip(flow.places, flow.places[1:], strict=False):
                for i, slot in enumerate(after.slots):
                    self.needs.put(slot, {before.base + i})
                    builder.unlimited[slot] = Read(flow.explicit.base + i)
        for name, (content, scope) in scopes.items():
            self.contents[name] = content if builder.looks_once else builder.auxiliary(scope, content, held=True)

    def write(self, stock: Variable) -> None:
        """Write the limits of one of `stocks`. Raises Fault for a flow that has not its dimensions."""
        builder, needs, (content, scope) = self.builder, self.needs, self.scopes[stock.name]
        drains = [name for name in dict.fromkeys((*stock.outflows, *stock.inflows)) if self._limits(stock, name)]
        for name in drains:
            flow_of(builder, content, stock, name)
        drains = self._served(stock, drains)
        ends = [self.flows[name].at(stock)[1] for name in drains]
        room: Code = self._there(stock.name, content)
        counted: list[Place] = []
        for name in dict.fromkeys(stock.inflows):
            arriving, parts = self._arriving(stock, name, content, ends)
            counted += parts
            room = Op("+", (room, arriving)) if parts else room
        left = builder.auxiliary(scope, Op("max", (room, _NONE)))
        for number, name in enumerate(drains):
            before, after = self.flows[name].at(stock)
            given, flows = _read(before, content), _read(after, content)
            out = name in stock.outflows
            code = Op("min", (given, left)) if out else Op("max", (given, Op("neg", (left,))))
            builder.step.append(Assign(name, flows, scope.loops, code))
            for i, slot in enumerate(after.slots):
                needs.put(slot, {_slot(part, i) for part in (*counted, *ends[:number])})
            if number + 1 < len(drains):
                taken = Op("max", (flows if out else Op("neg", (flows,)), _NONE))
                left = builder.auxiliary(scope, Op("-", (left, taken)))

    def _limits(self, stock: Variable, name: str) -> bool:
        return name in self.flows and stock.name in self.flows[name].stocks

    def _there(self, stock: str, content: Read) -> Op:
        """What a stock holds at the beginning of the step, a unit of time; `content` is at the element at hand."""
        held = replace(content, base=self.contents[stock].base)
        return Op("/", (held, Const(self.model.specs.dt)))

    def _served(self, stock: Variable, drains: Sequence[str]) -> list[str]:
        """The drains in the order in which they are served: as listed, but none before one that its equation reads."""
        waiting, served = list(drains), []
        while waiting:
            for name in waiting:
                ends = [self.flows[other].at(stock)[1] for other in waiting if other != name]
                if not self.needs.any(self.flows[name].at(stock)[:1], ends):
                    break
            else:
                name = waiting[0]  # a circle of the modeller's own, reported where statements are put in order
            waiting.remove(name)
            served.append(name)
        return served

    def _arriving(self, stock: Variable, name: str, content: Read, ends: Sequence[Place]) -> tuple[Code, list[Place]]:
        """What an inflow is sure to bring, and the places that this follows from; none where nothing is sure before what flows
        out is known."""
        flow = self.flows.get(name)
        place = flow.leaving if flow is not None else self.builder.places[name]
        if not self.needs.any([place], ends):
            brought = _read(place, content)
            return (brought if self.model.variables[name].non_negative else Op("max", (brought, _NONE))), [place]
        source = self.model.variables[flow.stocks[0]] if flow is not None and flow.sources == 1 else None
        if source is None or source.dimensions != stock.dimensions:
            return _NONE, []
        ahead = source.outflows[: source.outflows.index(name)]
        asked = [self.flows[other].explicit for other in (*ahead, name)]
        if self.needs.any(asked, ends):
            return _NONE, []
        there: Code = self._there(source.name, content)
        for part in asked[:-1]:
            there = Op("-", (there, Op("max", (_read(part, content), _NONE))))
        return Op("max", (Op("min", (_read(asked[-1], content), there)), _NONE)), asked


def _read(place: Place, content: Read) -> Read:
    """A place of the stock's dimensions, or of none, at the element at hand."""
    return Read(place.base, content.terms if place.dimensions else ())


def _slot(place: Place, i: int) -> int:
    return place.base + (i if place.dimensions else 0)


class _Needs:
    """Which slots each slot needs in the same moment."""

    def __init__(self, statements: Iterable[Assign]) -> None:
        self.direct: dict[int, set[int]] = {}
        for statement in statements:
            for part in statement.unrolled():
                self.put(part.target.base, reads(part))

    def put(self, slot: int, needed: set[int]) -> None:
        """A slot needs these, too."""
        self.direct.setdefault(slot, set()).update(needed)

    def any(self, places: Sequence[Place], ends: Sequence[Place]) -> bool:
        """Does one of `places` need one of `ends`, element by element?"""
        if not ends:
            return False
        count = max(place.size for place in ends)
        return any(self._reach([_slot(part, i) for part in places], {_slot(end, i) for end in ends}) for i in range(count))

    def _reach(self, slots: list[int], goals: set[int]) -> bool:
        stack, seen = slots, set(slots)
        while stack:
            slot = stack.pop()
            if slot in goals:
                return True
            fresh = self.direct.get(slot, set()) - seen
            seen |= fresh
            stack.extend(fresh)
        return False
