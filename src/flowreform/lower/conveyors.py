"""Conveyors: stocks whose outflow is what flowed in a transit time ago, less what leaked on the way.

XMILE 1.0, sections 3.7.2 and 4.2.1. A belt of k = round(length / dt) places, at least one, moves on one place a step. What
entered j steps ago stands on place j (1 to k) and leaves from place k. A leak takes the same share of what *entered* on each
of its places, so that over the whole zone it takes its fraction. No place of the belt is stored: the history of the inflow
says what stands where, so a belt costs the same at any length, and its length may differ from run to run.

The initial content lies as a steady inflow would have left it: spread evenly where nothing leaks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from flowreform.lower.known import is_fixed, known
from flowreform.lower.resolve import resolve
from flowreform.lower.scope import Builder, Fault, Scope
from flowreform.lower.state import initial
from flowreform.model import Leak, Method, Model, Number, Variable
from flowreform.program import Assign, Code, Const, Op, Past, Read

_ONE = Const(1.0)


def driven(model: Model) -> frozenset[str]:
    """The flows that leave conveyors: their values come from the belt."""
    return frozenset(flow for stock in model if stock.conveyor is not None for flow in stock.outflows)


def belted(model: Model) -> frozenset[str]:
    """The flows that enter conveyors: below zero they are zero (section 4.3)."""
    return frozenset(flow for stock in model if stock.conveyor is not None for flow in stock.inflows)


def leaks(model: Model, stock: Variable) -> tuple[Variable, ...]:
    """The leaks of a conveyor, in the order of its outflows."""
    found = (model.variables[flow] for flow in stock.outflows if flow in model.variables)
    return tuple(flow for flow in found if flow.leak is not None)


def expand(
    builder: Builder, scope: Scope, stock: Variable, content: Read, fractions: Mapping[str, Read], timed: Collection[str]
) -> None:
    """Write the outflows of a conveyor.

    `content` is the stock's own slots over the loops of `scope`, `fractions` those of each leak's fraction; `timed` names
    parameters that vary over time. Raises Fault for what cannot be a conveyor."""
    model, dt = builder.model, Const(builder.model.specs.dt)
    _refuse(model, stock, timed)
    places = _places(builder, scope, stock)
    inflow = builder.auxiliary(scope, _sum([_flow(builder, content, stock, name) for name in stock.inflows]))
    zones = {name: _zone(builder, scope, model.variables[name].leak, places) for name in fractions}
    # What flowed in before the run: a steady inflow leaves inflow * dt * (places - what the leaks have taken from them).
    missing = [Op("*", (fractions[name], zone.taken(places))) for name, zone in zones.items()]
    full = Op("-", (places, _sum(missing))) if missing else places
    before = initial(builder, scope, Op("/", (Op("/", (content, full)), dt)))
    entered = _History(builder, scope, inflow, before)
    kept: Code = _ONE
    for name, zone in zones.items():
        fraction, variable = fractions[name], model.variables[name]
        inside = entered.over(Op("+", (zone.first, _ONE)), zone.last)
        share = Op("/", (fraction, zone.size))
        builder.step.append(Assign(name, _flow(builder, content, stock, name), scope.loops, Op("*", (share, inside))))
        if all(equation.expr is not None and is_fixed(model, equation.expr, timed) for equation in variable.equations):
            gone: Code = fraction
        else:  # the mean of the fraction over the steps that what leaves now has spent in the zone
            held = _History(builder, scope, fraction, initial(builder, scope, fraction))
            newest, oldest = Op("-", (places, zone.last)), Op("-", (Op("-", (places, zone.first)), _ONE))
            gone = Op("/", (held.over_with_now(newest, oldest), zone.size))
        kept = Op("-", (kept, gone))
    leaving: Code = entered.ago(places)
    end = next(flow for flow in stock.outflows if flow not in fractions)
    code = Op("*", (leaving, kept)) if fractions else leaving
    builder.step.append(Assign(end, _flow(builder, content, stock, end), scope.loops, code))


def _refuse(model: Model, stock: Variable, timed: Collection[str]) -> None:
    assert stock.conveyor is not None
    length = stock.conveyor.length
    if model.specs.method is not Method.EULER:
        raise Fault(f"a conveyor moves by whole steps, which {model.specs.method} has not", "write the method as euler")
    if not is_fixed(model, length, timed):
        raise Fault("a transit time of a conveyor that changes during a run is not supported", "name a parameter in <len>")
    value = known(model, length)
    if value is not None and not value > 0.0:
        raise Fault(f"the transit time of the conveyor is {value:g}", "it must be above zero")
    ends = [flow for flow in stock.outflows if flow not in {leak.name for leak in leaks(model, stock)}]
    if len(ends) != 1:
        raise Fault(f"a conveyor has one outflow that is no leak, this one has {len(ends)}", "mark the others as leaks")
    exprs = [equation.expr for leak in leaks(model, stock) for equation in leak.equations if not equation.subscripts]
    shares = [share for share in (known(model, expr) for expr in exprs) if share is not None]
    if any(share < 0.0 for share in shares) or sum(shares) > 1.0 + 1e-12:
        raise Fault(f"its leaks take {sum(shares):g} of what flows in", "fractions are from 0 to 1, also together")


def _flow(builder: Builder, content: Read, stock: Variable, name: str) -> Read:
    """A flow of the conveyor, element by element beside the stock."""
    place = builder.places.get(name)
    if place is None:
        raise Fault(f"flow {name} is not defined", "define it or take it off the stock")
    if place.dimensions != stock.dimensions:
        raise Fault(f"flow {name} has not the dimensions of the conveyor", "give both the same dimensions")
    return Read(place.base, content.terms)


def _places(builder: Builder, scope: Scope, stock: Variable) -> Code:
    """How many places the belt has, known from the start of the run on."""
    assert stock.conveyor is not None
    steps = Op("/", (resolve(builder, scope, stock.conveyor.length), Const(builder.model.specs.dt)))
    if isinstance(stock.conveyor.length, Number):
        return Const(float(max(1, int(stock.conveyor.length.value / builder.model.specs.dt + 0.5))))
    return initial(builder, scope, Op("max", (Op("round", (steps,)), _ONE)))


def _sum(parts: list[Read] | list[Op]) -> Code:
    total: Code | None = None
    for part in parts:
        total = part if total is None else Op("+", (total, part))
    return Const(0.0) if total is None else total


class _Zone:
    """The places of a leak: those after `first` up to `last`, `size` of them."""

    def __init__(self, first: Code, last: Code) -> None:
        self.first, self.last = first, last
        self.size: Code = Op("-", (last, first))

    def taken(self, places: Code) -> Code:
        """The sum over all places of the share of its fraction that a leak has taken before what stands there leaks again:
        0, 1, 2 .. size - 1 parts of `size` inside the zone, all of it behind."""
        inside = Op("*", (Const(0.5), Op("-", (self.size, _ONE))))
        return Op("+", (inside, Op("-", (places, self.last))))


def _zone(builder: Builder, scope: Scope, leak: Leak | None, places: Code) -> _Zone:
    """The places nearest to what was written, at least one."""
    zone = leak or Leak()
    first: Code = Const(0.0)
    last = places
    if zone.start > 0.0:
        nearest = Op("round", (Op("*", (Const(zone.start), places)),))
        first = initial(builder, scope, Op("min", (nearest, Op("-", (places, _ONE)))))
    if zone.end < 1.0:
        nearest = Op("round", (Op("*", (Const(zone.end), places)),))
        last = initial(builder, scope, Op("max", (nearest, Op("+", (first, _ONE)))))
    return _Zone(first, last)


class _History:
    """A value at every step so far, and before the run."""

    def __init__(self, builder: Builder, scope: Scope, source: Read, before: Code) -> None:
        self.builder, self.scope, self.source, self.before = builder, scope, source, before
        self.number = len(builder.remembered)
        count = 1
        for loop in scope.loops:
            count *= loop.size
        builder.remembered.extend(range(source.base, source.base + count))

    def ago(self, steps: Code) -> Past:
        """The value so many steps ago, at least one."""
        return Past(self.number, steps, self.before, self.source.terms)

    def over(self, newest: Code, oldest: Code) -> Read:
        """The sum of the values of `newest` to `oldest` steps ago, carried from step to step: one comes in, one goes out."""
        return self._carried(self.ago(newest), newest, oldest)

    def over_with_now(self, newest: Code, oldest: Code) -> Read:
        """The same where `newest` may be 0, this step."""
        return self._carried(Op("if", (Op("<", (newest, _ONE)), self.source, self.ago(newest))), newest, oldest)

    def _carried(self, entering: Code, newest: Code, oldest: Code) -> Read:
        total = self.builder.hidden(self.scope)
        after = Op("+", (oldest, _ONE))
        self.builder.begins(self.scope, total, Op("*", (self.before, Op("-", (after, newest)))))
        now = self.builder.auxiliary(self.scope, Op("-", (Op("+", (total, entering)), self.ago(after))))
        self.builder.memory.append(Assign(self.scope.name, total, self.scope.loops, now))
        return now
