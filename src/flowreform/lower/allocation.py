"""Scarce supply shared out: Vensim's ALLOCATE AVAILABLE and ALLOCATE BY PRIORITY (reference manual, "Allocation")."""

from __future__ import annotations

from dataclasses import replace

from flowreform.builtins import Builtin
from flowreform.lower import subscripts
from flowreform.lower.scope import Builder, Fault, Running, Scope
from flowreform.lower.vectors import Values, collect, fitting, here, moved, starred, used, values_of
from flowreform.model import Call, Ref, Star
from flowreform.program import Assign, Code, Const, Op, Pick, Read, Vector, bind

_FIELDS = 4


@fitting
def by_price(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """ALLOCATE AVAILABLE(request[who], profile[who, type], available): each gets what it asks for at the price at which
    all together ask for what is available. A request of no price (type 0) is served first; where there is less than such requests
    ask for, each gets the same share of it."""
    profile = call.args[1]
    request = values_of(builder, scope, call.args[0], call)
    who = request.run.dimension
    if not isinstance(profile, Ref) or len(profile.subscripts) < 2 or profile.name not in builder.places:
        raise Fault("the profile of ALLOCATE AVAILABLE has two dimensions, as in profile[who, ptype]", "", call.column)
    place = builder.places[profile.name]
    axis = builder.model.dimensions[place.dimensions[-1]]
    first = subscripts.element(axis, profile.subscripts[-1])
    if first is None or first + 3 > len(axis.elements):
        raise Fault(
            "the last subscript of the profile is its first element (the type), with priority and width after it", "", call.column
        )
    fields = []
    for number in range(first, min(first + _FIELDS, len(axis.elements))):
        sides = (*profile.subscripts[:-2], Star(who.name), Ref(axis.elements[number]))
        fields.append(collect(builder, scope, Ref(profile.name, sides, profile.column), call))
    table = _table(builder, fields)
    available = builder.value(scope, call.args[2])
    outside = [run for run in scope.running if run.dimension.name not in _names_of(builder, scope, request)]
    around = replace(scope, running=tuple(outside))
    price, share = (
        builder.auxiliary(around, Vector(name, request.size, (request.whole(), table), (available,)))
        for name in ("clearing_price", "fixed_share")
    )
    offset, term = here(builder, scope, request)
    loop = request.run.loop.number
    own = [moved(part.read, part.run.loop.number, term, offset) for part in fields[:3]]
    given = Op("demand_at_price", (moved(request.read, loop, term, offset), *own, price))
    return Op("if", (Op("=", (own[0], Const(0.0))), Op("*", (given, share)), given))


def _names_of(builder: Builder, scope: Scope, values: Values) -> set[str]:
    """The dimensions of the loops around that stand for the vector's own dimension."""
    _, term = here(builder, scope, values)
    return {run.dimension.name for run in scope.running if run.loop.number == term.loop}


def _table(builder: Builder, fields: list[Values]) -> Read:
    """The fields of every profile side by side, for a `Vector`."""
    numbers = {run.loop.number for part in fields for run in part.scope.running[:-1]}
    runs = tuple(run for run in _all_running(fields) if run.loop.number in numbers)
    last = fields[0].run
    scope = replace(fields[0].scope, running=(*runs, last, Running(builder.loop(len(fields)), last.dimension)))
    room = builder.hidden(scope)
    across = scope.running[-1].loop.number
    for number, part in enumerate(fields):
        target = bind(room, across, number)
        assert isinstance(target, Read)
        loops = tuple(run.loop for run in scope.running[:-1])
        builder.step.append(Assign(scope.name, target, loops, part.across(last.loop.number)))
    whole = bind(bind(room, across, 0), last.loop.number, 0)
    assert isinstance(whole, Read)
    nothing = Const(1.0)
    return replace(whole, picks=(Pick(nothing, len(fields), last.loop.size), Pick(nothing, 1, len(fields))))


def _all_running(fields: list[Values]) -> tuple[Running, ...]:
    return tuple({run.loop.number: run for part in fields for run in part.scope.running[:-1]}.values())


@fitting
def by_priority(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """ALLOCATE BY PRIORITY(request[who], priority[who], size, width, supply): requests fill evenly from the highest
    priority down; the next starts once the one above has got as much of its request as they are widths apart."""
    request = values_of(builder, scope, call.args[0], call)
    who = request.run.dimension
    priority = collect(builder, scope, starred(builder, call.args[1], who), call)
    width, supply = builder.value(scope, call.args[3]), builder.value(scope, call.args[4])
    own_loop = priority.run.loop.number
    running = {run.loop.number: run for run in (*request.scope.running[:-1], *priority.scope.running[:-1], *used(scope, width))}
    around = replace(scope, running=(*running.values(), priority.run))
    vectors = (request.whole(), priority.whole())
    start = builder.auxiliary(around, Vector("priority_start", request.size, vectors, (width, priority.read)))
    starts = Values(start, priority.run, around)
    outside = [run for run in scope.running if run.dimension.name not in _names_of(builder, scope, request)]
    level = builder.auxiliary(
        replace(scope, running=tuple(outside)),
        Vector("filling_level", request.size, (request.whole(), starts.whole()), (supply,)),
    )
    offset, term = here(builder, scope, request)
    share = Op("-", (level, moved(start, own_loop, term, offset)))
    clipped = Op("min", (Op("max", (share, Const(0.0))), Const(1.0)))
    asked = Op("max", (moved(request.read, request.run.loop.number, term, offset), Const(0.0)))
    return Op("*", (asked, clipped))
