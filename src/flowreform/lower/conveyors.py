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

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from flowreform.lower.known import is_fixed, known
from flowreform.lower.resolve import resolve
from flowreform.lower.scope import Builder, Fault, Running, Scope
from flowreform.lower.state import initial, sample, steps_of
from flowreform.model import Conveyor, Dimension, Leak, Method, Model, Number, Variable
from flowreform.program import Assign, Code, Const, Loop, Now, Op, Ordinal, Past, Read, Reduce, Term, bind

_ONE = Const(1.0)


@dataclass(frozen=True, slots=True)
class Belt:
    """One conveyor while it is lowered: the stock and its slots, each leak's fraction, `active` (1 while it moves; None where
    it always does), and whether its transit time is the same throughout a run."""

    builder: Builder
    scope: Scope
    stock: Variable
    content: Read
    fractions: Mapping[str, Read]
    active: Read | None
    fixed: bool


@dataclass(frozen=True, slots=True)
class Zone:
    """The places of a leak: those after `first` up to `last`, `size` of them."""

    first: Code
    last: Code

    @property
    def size(self) -> Code:
        return Op("-", (self.last, self.first))

    def taken(self, places: Code) -> Code:
        """The sum over all places of the share of its fraction that a leak has taken before what stands there leaks again:
        0, 1, 2 .. size - 1 parts of `size` inside the zone, all of it behind."""
        inside = Op("*", (Const(0.5), Op("-", (self.size, _ONE))))
        return Op("+", (inside, Op("-", (places, self.last))))


def total(parts: Sequence[Code]) -> Code:
    """The sum of some values; 0 of none."""
    found: Code | None = None
    for part in parts:
        found = part if found is None else Op("+", (found, part))
    return Const(0.0) if found is None else found


def flow_of(builder: Builder, content: Read, stock: Variable, name: str) -> Read:
    """A flow of the stock, element by element beside it. Raises Fault where it has other dimensions."""
    place = builder.places.get(name)
    if place is None:
        raise Fault(f"flow {name} is not defined", "define it or take it off the stock")
    if place.dimensions != stock.dimensions:
        raise Fault(f"flow {name} has not the dimensions of the stock", "give both the same dimensions")
    return Read(place.base, content.terms)


def places_of(belt: Belt) -> Code:
    """How many places the belt has: known from the start of the run on where the transit time does not change, else those of
    this step's transit time."""
    builder, conveyor = belt.builder, belt.stock.conveyor
    assert conveyor is not None
    dt = builder.model.specs.dt
    if isinstance(conveyor.length, Number):
        return Const(float(steps_of(conveyor.length.value, dt)))
    steps = Op("/", (resolve(builder, belt.scope, conveyor.length), Const(dt)))
    whole = Op("max", (Op("round", (steps,)), _ONE))
    return initial(builder, belt.scope, whole) if belt.fixed else builder.auxiliary(belt.scope, whole)


def zone_of(belt: Belt, name: str, places: Code) -> Zone:
    """The places nearest to what was written, at least one."""
    builder, scope = belt.builder, belt.scope
    zone = builder.model.variables[name].leak or Leak()
    first: Code = Const(0.0)
    last = places
    if zone.start > 0.0:
        nearest = Op("round", (Op("*", (Const(zone.start), places)),))
        first = initial(builder, scope, Op("min", (nearest, Op("-", (places, _ONE)))))
    if zone.end < 1.0:
        nearest = Op("round", (Op("*", (Const(zone.end), places)),))
        last = initial(builder, scope, Op("max", (nearest, Op("+", (first, _ONE)))))
    return Zone(first, last)


# --- a conveyor kept place by place ----------------------------------------------------------------------------------


MOST_SLATS = 10_000
_NONE = Const(0.0)


def lay_slats(belt: Belt, conveyor: Conveyor) -> None:
    """Write the outflows of a conveyor and what moves on its belt. Raises Fault for more slats than can be kept."""
    _Slats(belt, conveyor).write()


class _Slats:
    def __init__(self, belt: Belt, conveyor: Conveyor) -> None:
        self.belt, self.conveyor, self.builder = belt, conveyor, belt.builder
        self.scope, self.dt = belt.scope, Const(belt.builder.model.specs.dt)
        self.count = self._count()
        self.loop = belt.builder.loop(self.count)
        inner = Running(self.loop, Dimension("slats", "slats", ()))
        self.inside: Scope = replace(belt.scope, running=(*belt.scope.running, inner))
        self.ordinal = Ordinal(0, (Term(self.loop.number, 1),))
        places = places_of(belt)
        self.start = places if belt.fixed else initial(self.builder, self.scope, places)
        self.places = places if belt.fixed and conveyor.sample is None else self._sampled(places)
        self.zones = {name: zone_of(belt, name, self.places) for name in belt.fractions}

    def _count(self) -> int:
        """How many slats to keep: all of a belt whose length is written down, else as many as a run has steps, since what
        enters further back never leaves."""
        specs, length = self.builder.model.specs, self.conveyor.length
        written = steps_of(length.value, specs.dt) if isinstance(length, Number) else specs.steps + 1
        if written > MOST_SLATS:
            reason = f"the belt has {written:,} places, and of one like this {MOST_SLATS:,} are kept at most"
            raise Fault(reason, "write a shorter transit time as a number, or a larger dt")
        return written

    def _sampled(self, places: Code) -> Code:
        """The places that what enters now has before it: those of when the transit time was last read."""
        conditions = []
        if self.conveyor.sample is not None:
            conditions.append(Op("<>", (resolve(self.builder, self.scope, self.conveyor.sample), _NONE)))
        if self.belt.active is not None:
            conditions.append(Op("<>", (self.belt.active, _NONE)))
        if not conditions:
            return places
        when: Code = conditions[0]
        for other in conditions[1:]:
            when = Op("and", (when, other))
        return sample(self.builder, self.scope, when, places, self.start)

    # --- arrays

    def array(self) -> Read:
        """A value for every slat and a last one that is always 0: what comes after the end."""
        roomy = replace(self.inside, running=(*self.scope.running, Running(Loop(self.loop.number, self.count + 1), _slats())))
        return self.builder.hidden(roomy)

    def assign(self, target: Read, code: Code) -> Read:
        self.builder.step.append(Assign(self.scope.name, target, self.inside.loops, code))
        return target

    def behind(self, read: Read) -> Read:
        """The value one slat further back."""
        return replace(read, base=read.base + 1)

    def over_all(self, code: Code) -> Code:
        return Reduce("+", self.loop.number, self.count, code)

    def begins(self, target: Read, code: Code) -> None:
        self.builder.begin.append(Assign(self.scope.name, target, self.inside.loops, code))

    # --- a step

    def write(self) -> None:
        belt, stock, builder, content = self.belt, self.belt.stock, self.builder, self.belt.content
        held, parts = self.array(), self.array()
        self._fill(held, parts)
        shed = self._leaks(held, parts)
        rest: Code = held
        for amount in shed.values():
            rest = Op("-", (rest, amount))
        after = self.assign(self.array(), rest) if shed else held
        for name, amount in shed.items():
            self._flow(name, self.over_all(amount))
        first = bind(after, self.loop.number, 0)
        self._flow(next(flow for flow in stock.outflows if flow not in belt.fractions), first)
        inflows = total([flow_of(builder, content, stock, name) for name in stock.inflows])
        entered = builder.auxiliary(self.scope, Op("*", (inflows, self.dt)))
        end = builder.auxiliary(self.scope, Op("min", (self.places, Const(float(self.count)))))
        here = Op("=", (self.ordinal, end))
        self._move(held, Op("+", (self.behind(after), Op("if", (here, entered, _NONE)))))
        if belt.fractions and not self.conveyor.exponential_leak:
            part = builder.auxiliary(self.scope, Op("/", (entered, self.places)))
            self._move(parts, Op("+", (self.behind(parts), Op("if", (here, part, _NONE)))))

    def _flow(self, name: str, amount: Code) -> None:
        rate: Code = Op("/", (amount, self.dt))
        if self.belt.active is not None:
            rate = Op("if", (self.belt.active, rate, _NONE))
        target = flow_of(self.builder, self.belt.content, self.belt.stock, name)
        self.builder.step.append(Assign(name, target, self.scope.loops, rate))

    def _move(self, array: Read, code: Code) -> None:
        """What stands on each slat next; the same as now while the belt stands still."""
        moved = self.array()
        self.assign(moved, code if self.belt.active is None else Op("if", (self.belt.active, code, array)))
        self.builder.memory.append(Assign(self.scope.name, array, self.inside.loops, moved))

    def _within(self, zone: Zone, slat: Ordinal) -> Code:
        """Is a slat in the zone? Its place, counted from where things enter, is k + 1 less its number."""
        place = Op("-", (Op("+", (self.places, _ONE)), slat))
        return Op("and", (Op(">", (place, zone.first)), Op("<=", (place, zone.last))))

    def _leaks(self, held: Read, parts: Read) -> dict[str, Read]:
        """What each leak takes from each slat, the first of them first. Where several exponential leaks take from one slat
        their shares are added."""
        shed: dict[str, Read] = {}
        left: Code = held
        for name, zone in self.zones.items():
            fraction = Op("max", (self.belt.fractions[name], _NONE))
            if self.conveyor.exponential_leak:
                amount: Code = Op("min", (Op("*", (held, Op("*", (fraction, self.dt)))), left))
            else:
                share = Op("*", (Op("min", (fraction, _ONE)), parts))
                if not _is_whole(zone, self.places):
                    share = Op("*", (share, Op("/", (self.places, zone.size))))
                amount = Op("min", (share, left))
            if not _is_whole(zone, self.places):
                amount = Op("if", (self._within(zone, self.ordinal), amount, _NONE))
            shed[name] = self.assign(self.array(), amount)
            left = Op("-", (left, shed[name]))
        return shed

    # --- the start

    def _fill(self, held: Read, parts: Read) -> None:
        """The initial content as a steady inflow would have left it."""
        builder, scope, conveyor = self.builder, self.scope, self.conveyor
        on_belt = Op("<=", (self.ordinal, self.start))
        if conveyor.discrete and builder.model.specs.dt != 1.0:
            if self.zones:
                raise Fault("leaks of a discrete conveyor with a dt other than 1 are not supported", "let it be continuous")
            profile = self._by_units()
        else:
            profile = self._profile()
        weight: Code = Op("if", (on_belt, profile, _NONE))
        if self.zones or conveyor.discrete:
            everything: Code = self.over_all(weight)
            if not isinstance(conveyor.length, Number):  # more places than slats: no sum tells what lies on them
                everything = Op("if", (Op(">", (self.start, Const(float(self.count)))), Const(float("nan")), everything))
        else:
            everything = self.start
        one = initial(builder, scope, Op("/", (self.belt.content, everything)))
        self.begins(held, Op("*", (one, weight)))
        self.begins(parts, Op("if", (on_belt, Op("/", (one, self.start)), _NONE)))

    def _profile(self) -> Code:
        """What is left of one unit by the time that it stands on this slat."""
        if self.conveyor.exponential_leak and self.zones:
            return self._exponential_profile()
        code: Code = _ONE
        place = Op("-", (self.start, self.ordinal))  # places passed before this one
        for name, zone in self.zones.items():
            fraction = Op("max", (self.belt.fractions[name], _NONE))
            size = Op("-", (zone.last, zone.first))
            passed = Op("min", (Op("max", (Op("-", (place, zone.first)), _NONE)), size))
            code = Op("-", (code, Op("/", (Op("*", (Op("min", (fraction, _ONE)), passed)), size))))
        return code

    def _exponential_profile(self) -> Code:
        """The product of what each slat further back keeps; a power where all of them keep the same."""

        def kept(slat: Ordinal) -> Code:
            parts = []
            for name, zone in self.zones.items():
                share = Op("*", (Op("max", (self.belt.fractions[name], _NONE)), self.dt))
                parts.append(share if _is_whole(zone, self.places) else Op("if", (self._within(zone, slat), share, _NONE)))
            return Op("max", (Op("-", (_ONE, total(parts))), _NONE))

        if all(_is_whole(zone, self.places) for zone in self.zones.values()):
            return Op("power", (kept(self.ordinal), Op("-", (self.start, self.ordinal))))
        other = self.builder.loop(self.count)
        slat = Ordinal(0, (Term(other.number, 1),))
        behind = Op("and", (Op(">", (slat, self.ordinal)), Op("<=", (slat, self.start))))
        return Reduce("*", other.number, other.size, Op("if", (behind, kept(slat), _ONE)))

    def _by_units(self) -> Code:
        """1 on the last slat of each unit of time: a discrete belt is filled as if each unit's share had come at its start."""

        def unit(number: Code) -> Code:
            return Op("floor", (Op("+", (Op("*", (number, self.dt)), Const(1e-9))),))

        last = Op("or", (Op(">", (unit(self.ordinal), unit(Op("-", (self.ordinal, _ONE))))), Op("=", (self.ordinal, self.start))))
        return Op("if", (last, _ONE, _NONE))


def _is_whole(zone: Zone, places: Code) -> bool:
    return zone.first == _NONE and zone.last == places


def _slats() -> Dimension:
    return Dimension("slats", "slats", ())


# --- what a conveyor lets in -----------------------------------------------------------------------------------------


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
        _refuse_limits(queued, asked, conveyor)
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


def _refuse_limits(queued: list[str], asked: list[str], conveyor: Conveyor) -> None:
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


# --- conveyors -------------------------------------------------------------------------------------------------------


def driven(model: Model) -> frozenset[str]:
    """The flows that leave conveyors and queues: their values follow from what flowed in."""
    return frozenset(flow for stock in model if stock.conveyor is not None or stock.queue for flow in stock.outflows)


def belted(model: Model) -> frozenset[str]:
    """The flows that enter conveyors and queues: below zero they are zero (section 4.3)."""
    return frozenset(flow for stock in model if stock.conveyor is not None or stock.queue for flow in stock.inflows)


def held_back(model: Model) -> tuple[str, ...]:
    """The flows with an equation that a conveyor may keep out in part."""
    out = driven(model)
    belts = [stock for stock in model if stock.conveyor is not None and limits(stock.conveyor)]
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
    active = moving(builder, scope, conveyor)
    belt = Belt(builder, scope, stock, content, fractions, active, fixed)
    admit(belt, conveyor)
    if fixed and active is None and not conveyor.exponential_leak and not conveyor.discrete:
        _by_history(belt, timed)
    else:
        lay_slats(belt, conveyor)


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
