"""A conveyor kept place by place: for belts that stand still at times, whose transit time changes, that leak exponentially or
take whole units (XMILE 1.0, 3.7.2 and 4.2.1).

Slat 1 leaves this step, and what enters goes onto slat k, k the places of the transit time when it enters: what is on the belt
keeps its own. On each slat stands what is there and, for linear leaks, what entered it by the number of its places.
"""

from __future__ import annotations

from dataclasses import replace

from flowreform.lower.belt import Belt, Zone, flow_of, places_of, total, zone_of
from flowreform.lower.resolve import resolve
from flowreform.lower.scope import Fault, Running, Scope
from flowreform.lower.state import initial, sample, steps_of
from flowreform.model import Conveyor, Dimension, Number
from flowreform.program import Assign, Code, Const, Loop, Op, Ordinal, Read, Reduce, Term, bind

MOST_SLATS = 10_000
_NONE = Const(0.0)
_ONE = Const(1.0)


def expand(belt: Belt, conveyor: Conveyor) -> None:
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
