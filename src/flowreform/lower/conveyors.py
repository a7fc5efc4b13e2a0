"""Conveyors: stocks whose outflow is what flowed in a transit time ago, less what leaked on the way.

XMILE 1.0, sections 3.7.2 and 4.2.1; where those are silent, isee's "Computational details" as pysimlin reads them. A belt of
k = round(length / dt) places, at least one, moves on one place a step. What entered j steps ago stands on place j (1 to k) and
leaves from place k. A linear leak takes the same share of what *entered* on each of its places, so that over the whole zone it
takes its fraction; an exponential one a share of what is there.

A belt that only moves is not stored: the history of the inflow says what stands where, so it costs the same at any length, and
its length may differ from run to run (`_by_history`). One that stands still at times, whose transit time changes, that leaks
exponentially or takes whole units is kept place by place (`lower.slats`). What a belt lets in is in `lower.admission`.

The initial content lies as a steady inflow would have left it: spread evenly where nothing leaks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from flowreform.lower import admission, slats
from flowreform.lower.belt import Belt, Zone, flow_of, places_of, total, zone_of
from flowreform.lower.known import is_fixed, known
from flowreform.lower.scope import Builder, Fault, Scope
from flowreform.lower.state import initial
from flowreform.model import Conveyor, Method, Model, Variable
from flowreform.program import Assign, Code, Const, Op, Past, Read

_ONE = Const(1.0)


def driven(model: Model) -> frozenset[str]:
    """The flows that leave conveyors and queues: their values follow from what flowed in."""
    return frozenset(flow for stock in model if stock.conveyor is not None or stock.queue for flow in stock.outflows)


def belted(model: Model) -> frozenset[str]:
    """The flows that enter conveyors and queues: below zero they are zero (section 4.3)."""
    return frozenset(flow for stock in model if stock.conveyor is not None or stock.queue for flow in stock.inflows)


def held_back(model: Model) -> tuple[str, ...]:
    """The flows with an equation that a conveyor may keep out in part."""
    out = driven(model)
    belts = [stock for stock in model if stock.conveyor is not None and admission.limits(stock.conveyor)]
    return tuple(dict.fromkeys(flow for stock in belts for flow in stock.inflows if flow not in out))


def leaks(model: Model, stock: Variable) -> tuple[Variable, ...]:
    """The leaks of a conveyor, in the order of its outflows."""
    found = (model.variables[flow] for flow in stock.outflows if flow in model.variables)
    return tuple(flow for flow in found if flow.leak is not None)


def expand(
    builder: Builder, scope: Scope, stock: Variable, content: Read, fractions: Mapping[str, Read], timed: Collection[str]
) -> None:
    """Write the outflows of a conveyor, and what of its inflows it lets in.

    `content` is the stock's own slots over the loops of `scope`, `fractions` those of each leak's fraction; `timed` names
    parameters that vary over time. Raises Fault for what cannot be a conveyor."""
    conveyor = stock.conveyor
    assert conveyor is not None
    fixed = is_fixed(builder.model, conveyor.length, timed)
    _refuse(builder.model, stock, conveyor, fixed)
    active = admission.moving(builder, scope, conveyor)
    belt = Belt(builder, scope, stock, content, fractions, active, fixed)
    admission.admit(belt, conveyor)
    if fixed and active is None and not conveyor.exponential_leak and not conveyor.discrete:
        _by_history(belt, timed)
    else:
        slats.expand(belt, conveyor)


def _refuse(model: Model, stock: Variable, conveyor: Conveyor, fixed: bool) -> None:
    if model.specs.method is not Method.EULER:
        raise Fault(f"a conveyor moves by whole steps, which {model.specs.method} has not", "write the method as euler")
    found = leaks(model, stock)
    value = known(model, conveyor.length)
    if value is not None and not value > 0.0:
        raise Fault(f"the transit time of the conveyor is {value:g}", "it must be above zero")
    ends = [flow for flow in stock.outflows if flow not in {leak.name for leak in found}]
    if len(ends) != 1:
        raise Fault(f"a conveyor has one outflow that is no leak, this one has {len(ends)}", "mark the others as leaks")
    exprs = [equation.expr for leak in found for equation in leak.equations if not equation.subscripts]
    shares = [share for share in (known(model, expr) for expr in exprs) if share is not None]
    if any(share < 0.0 for share in shares) or (not conveyor.exponential_leak and sum(shares) > 1.0 + 1e-12):
        raise Fault(f"its leaks take {sum(shares):g} of what flows in", "fractions are from 0 to 1, also together")
    zones = [leak for leak in found if leak.leak is not None and (leak.leak.start > 0.0 or leak.leak.end < 1.0)]
    if zones and not fixed:
        reason = (
            f"the leak {zones[0].label} has a zone on a conveyor whose transit time changes during a run, which is not supported"
        )
        raise Fault(reason, "let it leak all the way, or name a parameter in <len>")
    following = [other for other in model if other.conveyor is not None and set(stock.outflows) & set(other.inflows)]
    for other in following:
        if other.conveyor is not None and other.conveyor.arrest is not None:
            reason = f"it flows into the conveyor {other.label}, which can be arrested: that is not supported"
            raise Fault(reason, "put a queue between the two")


def _by_history(belt: Belt, timed: Collection[str]) -> None:
    """The outflows of a belt that only moves, from the history of what flowed in."""
    builder, scope, stock, fractions, content = belt.builder, belt.scope, belt.stock, belt.fractions, belt.content
    model, dt = builder.model, Const(builder.model.specs.dt)
    places = places_of(belt)
    inflow = builder.auxiliary(scope, total([flow_of(builder, content, stock, name) for name in stock.inflows]))
    zones = {name: zone_of(belt, name, places) for name in fractions}
    # What flowed in before the run: a steady inflow leaves inflow * dt * (places - what the leaks have taken from them).
    missing = [Op("*", (fractions[name], zone.taken(places))) for name, zone in zones.items()]
    full = Op("-", (places, total(missing))) if missing else places
    before = initial(builder, scope, Op("/", (Op("/", (content, full)), dt)))
    entered = _History(builder, scope, inflow, before)
    kept: Code = _ONE
    for name, zone in zones.items():
        fraction, variable = fractions[name], model.variables[name]
        inside = entered.over(Op("+", (zone.first, _ONE)), zone.last)
        share = Op("/", (fraction, zone.size))
        builder.step.append(Assign(name, flow_of(builder, content, stock, name), scope.loops, Op("*", (share, inside))))
        if all(equation.expr is not None and is_fixed(model, equation.expr, timed) for equation in variable.equations):
            gone: Code = fraction
        else:
            gone = _mean(builder, scope, fraction, zone, places)
        kept = Op("-", (kept, gone))
    leaving: Code = entered.ago(places)
    end = next(flow for flow in stock.outflows if flow not in fractions)
    code = Op("*", (leaving, kept)) if fractions else leaving
    builder.step.append(Assign(end, flow_of(builder, content, stock, end), scope.loops, code))


def _mean(builder: Builder, scope: Scope, fraction: Read, zone: Zone, places: Code) -> Code:
    """The mean of a fraction over the steps that what leaves now has spent in the zone."""
    held = _History(builder, scope, fraction, initial(builder, scope, fraction))
    newest, oldest = Op("-", (places, zone.last)), Op("-", (Op("-", (places, zone.first)), _ONE))
    return Op("/", (held.over_with_now(newest, oldest), zone.size))


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
