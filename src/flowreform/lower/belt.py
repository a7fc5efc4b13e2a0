"""What all ways to write a conveyor share: its flows, its places, the zones of its leaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flowreform.lower.resolve import resolve
from flowreform.lower.scope import Builder, Fault, Scope
from flowreform.lower.state import initial, steps_of
from flowreform.model import Leak, Number, Variable
from flowreform.program import Code, Const, Op, Read

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
