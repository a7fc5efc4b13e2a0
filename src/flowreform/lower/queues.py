"""Queues: stocks that are emptied from the front as far as what follows takes it (XMILE 1.0, 3.7.3 and 4.2.1).

What flows in during a step is one batch. An outflow to anything but a conveyor empties the queue, the batch of this step
included. A (discrete) conveyor takes what it has room for: of the first batch alone (`one_at_a_time`, the rule unless the file
says otherwise), or of all of them. An overflow takes what the outflow before it was kept from taking.
"""

from __future__ import annotations

from dataclasses import replace

from flowreform.lower.conveyors import flow_of, total
from flowreform.lower.scope import Builder, Fault, Running, Scope
from flowreform.model import Dimension, Method, Variable
from flowreform.program import Assign, Code, Const, Loop, Op, Ordinal, Read, Term, bind

MOST_BATCHES = 5_000
_NONE = Const(0.0)
_ONE = Const(1.0)


def expand(builder: Builder, scope: Scope, stock: Variable, content: Read) -> None:
    """Write the outflows of a queue; `content` is the stock's own slots over the loops of `scope`. Raises Fault for what cannot
    be a queue."""
    model, dt = builder.model, Const(builder.model.specs.dt)
    if model.specs.method is not Method.EULER:
        raise Fault(f"a queue moves by whole steps, which {model.specs.method} has not", "write the method as euler")
    entered = total([Op("*", (flow_of(builder, content, stock, name), dt)) for name in stock.inflows])
    arrived = builder.auxiliary(scope, entered)
    first, *others = stock.outflows
    _refuse(builder, stock)
    if first not in builder.room:
        taken: Code = Op("+", (content, arrived))
        over: Code = _NONE
    else:
        belt = next(other.conveyor for other in model if first in other.inflows and other.conveyor is not None)
        if belt.one_at_a_time:
            taken, over = _front(builder, scope, stock, content, arrived, whole=belt.batch_integrity)
        elif belt.batch_integrity:
            reason = f"{first} takes several batches a step and keeps each whole, which is not supported"
            raise Fault(reason, 'write one_at_a_time="true" or batch_integrity="false" in the conveyor')
        else:
            there = builder.auxiliary(scope, Op("+", (content, arrived)))
            taken = builder.auxiliary(scope, Op("min", (there, _room(builder, first, content))))
            over = Op("-", (there, taken))
    amounts = [taken, *([over] if others else []), *([_NONE] * (len(others) - 1))]
    for name, amount in zip(stock.outflows, amounts, strict=True):
        builder.step.append(Assign(name, flow_of(builder, content, stock, name), scope.loops, Op("/", (amount, dt))))


def _refuse(builder: Builder, stock: Variable) -> None:
    into_belts = {flow for other in builder.model if other.conveyor is not None for flow in other.inflows}
    first, *others = stock.outflows
    for name in others:
        if name in into_belts:
            reason = f"{name}, which is not the first outflow of the queue, enters a conveyor: that is not supported"
            raise Fault(reason, "let it enter a stock")
        if first in into_belts and not builder.model.variables[name].overflow:
            reason = f"{name} is a second outflow of a queue that waits for a conveyor, and no overflow: that is not supported"
            raise Fault(reason, "mark it with <overflow/>, or give the queue one outflow")


def _room(builder: Builder, flow: str, content: Read) -> Read:
    """How much the conveyor that an outflow enters takes, at the element at hand of the queue."""
    return Read(builder.room[flow].base, content.terms)


def _front(builder: Builder, scope: Scope, stock: Variable, content: Read, arrived: Read, *, whole: bool) -> tuple[Read, Read]:
    """What the conveyor takes of the first batch and what the overflow takes of it. The batches stand one behind the other, as
    many as a run has steps; one of nothing is none."""
    count = builder.model.specs.steps + 2
    if count > MOST_BATCHES:
        reason = f"the queue may hold {count:,} batches, and {MOST_BATCHES:,} are kept at most"
        raise Fault(reason, 'write one_at_a_time="false" in the conveyor that it enters, or a larger dt')
    first = stock.outflows[0]
    loop = builder.loop(count)
    inside = replace(scope, running=(*scope.running, Running(loop, Dimension("batches", "batches", ()))))

    def array() -> Read:
        roomy = Running(Loop(loop.number, count + 1), Dimension("batches", "batches", ()))
        return builder.hidden(replace(scope, running=(*scope.running, roomy)))

    number = Ordinal(0, (Term(loop.number, 1),))
    batches, waiting = array(), builder.hidden(scope)
    full = Op(">", (content, _NONE))
    builder.begin.append(Assign(stock.name, batches, inside.loops, Op("if", (Op("=", (number, _ONE)), content, _NONE))))
    builder.begins(scope, waiting, Op("if", (full, _ONE, _NONE)))
    some = Op("if", (Op(">", (arrived, _NONE)), _ONE, _NONE))
    queued = builder.auxiliary(scope, Op("+", (waiting, some)))
    joins = Op("and", (Op(">", (arrived, _NONE)), Op("=", (number, queued))))
    now = array()
    builder.step.append(Assign(stock.name, now, inside.loops, Op("if", (joins, arrived, batches))))
    front = bind(now, loop.number, 0)
    room = _room(builder, first, content)
    fits: Code = Op("min", (front, room))
    if whole:
        fits = Op("if", (Op("<=", (front, room)), front, _NONE))
    taken = builder.auxiliary(scope, fits)
    over = builder.auxiliary(scope, Op("-", (front, taken)) if len(stock.outflows) > 1 else _NONE)
    left = builder.auxiliary(scope, Op("-", (Op("-", (front, taken)), over)))
    gone = builder.auxiliary(scope, Op("if", (Op("and", (Op(">", (queued, _NONE)), Op("<=", (left, _NONE)))), _ONE, _NONE)))
    following = Op("if", (Op("=", (number, _ONE)), left, now))
    moved = array()
    code = Op("if", (gone, replace(now, base=now.base + 1), following))
    builder.step.append(Assign(stock.name, moved, inside.loops, code))
    builder.memory.append(Assign(stock.name, batches, inside.loops, moved))
    fewer = builder.auxiliary(scope, Op("-", (queued, gone)))
    builder.memory.append(Assign(stock.name, waiting, scope.loops, fewer))
    return taken, over
