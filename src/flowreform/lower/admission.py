"""What a conveyor lets in: limits on its content and on its inflow, whole units, and standing still (XMILE 1.0, 3.7.2, 4.2.1).

What leaves another conveyor is never kept out: a belt cannot be blocked, and a modeller who wants that puts a queue between the
two. Of everything else comes in, in the order of the inflows, what there is room for, once what leaves in the same step has
made room. The inflow's own value is what came in; what did not stays upstream.
"""

from __future__ import annotations

from flowreform.lower.belt import Belt, flow_of, total
from flowreform.lower.resolve import resolve
from flowreform.lower.scope import Builder, Fault, Scope
from flowreform.model import Conveyor
from flowreform.program import Assign, Code, Const, Now, Op, Read

_NONE = Const(0.0)
_ONE = Const(1.0)


def limits(conveyor: Conveyor) -> bool:
    """May the conveyor keep something out?"""
    return any((conveyor.content_limit, conveyor.inflow_limit, conveyor.arrest)) or conveyor.discrete


def moving(builder: Builder, scope: Scope, conveyor: Conveyor) -> Read | None:
    """1 while the belt moves and 0 while it is arrested; None where it cannot be."""
    if conveyor.arrest is None:
        return None
    stopped = Op("<>", (resolve(builder, scope, conveyor.arrest), _NONE))
    return builder.auxiliary(scope, Op("if", (stopped, _NONE, _ONE)))


def admit(belt: Belt, conveyor: Conveyor) -> None:
    """Write the inflows that the conveyor may keep out. Raises Fault for a queue that it cannot take from."""
    builder, scope, stock, dt = belt.builder, belt.scope, belt.stock, Const(belt.builder.model.specs.dt)
    queued = [name for name in stock.inflows if name in _out_of_queues(builder)]
    asked = [name for name in stock.inflows if name in builder.asked]
    if queued:
        _refuse(queued, asked, conveyor)
    elif not asked:
        return
    belts = [name for name in stock.inflows if name in builder.driven and name not in queued]
    unasked = [Op("*", (flow_of(builder, belt.content, stock, name), dt)) for name in belts]
    room = _room(belt, conveyor, unasked)
    window = _Window(belt, conveyor) if conveyor.inflow_limit is not None else None
    budget = window.left if window else None
    most = room if budget is None else budget if room is None else Op("min", (room, budget))
    least = builder.auxiliary(scope, most if most is not None else Const(float("inf")))
    if queued:
        takes: Code = least if belt.active is None else Op("if", (belt.active, least, _NONE))
        builder.room[queued[0]] = builder.auxiliary(scope, takes)
        cleared: list[Code] = [Op("*", (flow_of(builder, belt.content, stock, queued[0]), dt))]
    else:
        cleared = _share(belt, asked, least, dt, room if conveyor.discrete else None, whole=conveyor.discrete)
    if window:
        window.note(total(cleared))


def _out_of_queues(builder: Builder) -> frozenset[str]:
    return frozenset(flow for stock in builder.model if stock.queue for flow in stock.outflows)


def _refuse(queued: list[str], asked: list[str], conveyor: Conveyor) -> None:
    if not conveyor.discrete:
        raise Fault(f"the queue's outflow {queued[0]} enters a conveyor that is not discrete", 'write <conveyor discrete="true">')
    if len(queued) > 1 or asked:
        other = (*queued[1:], *asked)[0]
        raise Fault(f"a conveyor fed by a queue takes nothing else in, and {other} enters too", "let both enter the queue")


def _room(belt: Belt, conveyor: Conveyor, unasked: list[Op]) -> Code | None:
    """What the limit on the content leaves, less what comes in unasked; None where there is no limit."""
    if conveyor.content_limit is None:
        return None
    builder, stock, dt = belt.builder, belt.stock, Const(belt.builder.model.specs.dt)
    most = Op("max", (resolve(builder, belt.scope, conveyor.content_limit), _NONE))
    out = total([flow_of(builder, belt.content, stock, name) for name in stock.outflows])
    after: Code = Op("-", (belt.content, Op("*", (out, dt))))
    for amount in unasked:
        after = Op("+", (after, amount))
    return builder.auxiliary(belt.scope, Op("max", (Op("-", (most, after)), _NONE)))


def _share(belt: Belt, asked: list[str], most: Read, dt: Const, room: Code | None, *, whole: bool) -> list[Code]:
    """Give the inflows what there is room for, in their order; what each is given, before it is rounded to whole units."""
    builder, scope = belt.builder, belt.scope
    left: Code = most
    units: Code | None = Op("floor", (room,)) if room is not None else None
    given: list[Code] = []
    for name in asked:
        wanted = Op("*", (Read(builder.asked[name].base, belt.content.terms), dt))
        amount = Op("min", (wanted, left))
        share = builder.auxiliary(scope, amount if belt.active is None else Op("if", (belt.active, amount, _NONE)))
        given.append(share)
        left = Op("-", (left, share))
        flows: Code = share
        if whole:
            flows = _whole_units(belt, share, units)
            units = None if units is None else Op("-", (units, flows))
        target = flow_of(builder, belt.content, belt.stock, name)
        builder.step.append(Assign(name, target, scope.loops, Op("/", (flows, dt))))
    return given


def _whole_units(belt: Belt, share: Read, room: Code | None) -> Read:
    """The whole units that what one inflow was given so far comes to; the rest is carried on to the next step."""
    builder, scope = belt.builder, belt.scope
    carried = builder.hidden(scope)
    builder.begins(scope, carried, _NONE)
    gathered = builder.auxiliary(scope, Op("+", (carried, share)))
    units: Code = Op("floor", (gathered,))
    if room is not None:
        units = Op("min", (units, room))
    if belt.active is not None:
        units = Op("if", (belt.active, units, _NONE))
    entered = builder.auxiliary(scope, units)
    rest = builder.auxiliary(scope, Op("-", (gathered, entered)))
    builder.memory.append(Assign(scope.name, carried, scope.loops, rest))
    return entered


class _Window:
    """The limit on the inflow: so much a step where the stream is continuous; on a discrete belt all of a unit of time's share
    may come at once, and the count begins anew when the clock passes a whole unit."""

    def __init__(self, belt: Belt, conveyor: Conveyor) -> None:
        builder, scope, dt = belt.builder, belt.scope, belt.builder.model.specs.dt
        assert conveyor.inflow_limit is not None
        self.belt = belt
        self.used: Read | None = None
        limit = Op("max", (resolve(builder, scope, conveyor.inflow_limit), _NONE))
        if not conveyor.discrete:
            self.left: Code = Op("*", (limit, Const(dt)))
            return
        self.used = builder.hidden(scope)
        builder.begins(scope, self.used, _NONE)
        unit = Op("floor", (Op("+", (Now(), Const(1e-6 * dt))),))
        before = Op("floor", (Op("+", (Op("-", (Now(), Const(dt))), Const(1e-6 * dt))),))
        self.so_far = builder.auxiliary(scope, Op("if", (Op(">", (unit, before)), _NONE, self.used)))
        self.left = Op("max", (Op("-", (limit, self.so_far)), _NONE))

    def note(self, amount: Code) -> None:
        """So much came in this step."""
        if self.used is not None:
            builder, scope = self.belt.builder, self.belt.scope
            now = builder.auxiliary(scope, Op("+", (self.so_far, amount)))
            builder.memory.append(Assign(scope.name, self.used, scope.loops, now))
