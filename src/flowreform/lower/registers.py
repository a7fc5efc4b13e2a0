"""Vensim's delays whose time may change: DELAY MATERIAL and DELAY INFORMATION (reference manual, "discrete delays").

A row of places moves on by one a step, and what comes in is put as many places back as its delay time has steps. Material that
meets other material on a place is added to it; where nothing comes out the missing value does. Information replaces all that
was to come out later, and where nothing new comes out the old value is held. With a delay time that never changes both are
DELAY FIXED.
"""

from __future__ import annotations

from dataclasses import replace

from flowreform.builtins import Builtin
from flowreform.lower.known import is_fixed, known
from flowreform.lower.scope import Builder, Fault, Running, Scope
from flowreform.lower.state import initial, steps_of
from flowreform.model import Call, Dimension
from flowreform.program import Assign, Code, Const, Loop, Op, Ordinal, Read, Term, bind

MOST_PLACES = 10_000
_NONE, _ONE = Const(0.0), Const(1.0)


def material(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """DELAY MATERIAL(input, time, initial, missing): the sum of what is due now, `missing` where nothing is."""
    args = [builder.value(scope, arg) for arg in call.args]
    belt = _Places(builder, scope, args[1], call)
    at_start = Op("<=", (belt.number, belt.at_start))
    amounts = belt.array(Op("if", (at_start, initial(builder, scope, args[2]), _NONE)))
    there = belt.array(Op("if", (at_start, _ONE, _NONE)))
    here = Op("=", (belt.number, belt.steps))
    entering = builder.auxiliary(scope, args[0])
    belt.moves(amounts, Op("+", (belt.behind(amounts), Op("if", (here, entering, _NONE)))))
    belt.moves(there, Op("+", (belt.behind(there), Op("if", (here, _ONE, _NONE)))))
    return Op("if", (Op(">", (belt.first(there), _NONE)), belt.first(amounts), args[3]))


def information(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """DELAY INFORMATION(input, time, initial): the newest value that is due."""
    args = [builder.value(scope, arg) for arg in call.args]
    belt = _Places(builder, scope, args[1], call)
    values = belt.array(initial(builder, scope, args[2]))
    entering = builder.auxiliary(scope, args[0])
    belt.moves(values, Op("if", (Op(">=", (belt.number, belt.steps)), entering, belt.behind(values))))
    return belt.first(values)


class _Places:
    """Places that move on by one a step: as many as a delay time that is known and never changes has steps, else as many as
    the run has, since what is put further back never comes out."""

    def __init__(self, builder: Builder, scope: Scope, time: Code, call: Call) -> None:
        self.builder, self.scope = builder, scope
        specs = builder.model.specs
        written = (
            known(builder.model, scope.outward(call.args[1]))
            if isinstance(time, Const) and is_fixed(builder.model, call.args[1])
            else None
        )
        count = specs.steps + 1 if written is None else steps_of(written, specs.dt)
        if count > MOST_PLACES:
            reason = f"{call.function.upper()} would keep {count:,} values, and {MOST_PLACES:,} are kept at most"
            raise Fault(reason, "write a larger TIME STEP, or DELAY FIXED with a fixed delay time", call.column)
        self.loop = builder.loop(count)
        self.inside = replace(scope, running=(*scope.running, Running(self.loop, Dimension("places", "places", ()))))
        self.number = Ordinal(0, (Term(self.loop.number, 1),))
        whole = Op("max", (Op("round", (Op("/", (time, Const(specs.dt))),)), _ONE))
        self.steps = builder.auxiliary(scope, whole)
        self.at_start = initial(builder, scope, self.steps)

    def array(self, start: Code) -> Read:
        """A value on each place, and one more after the last that is always 0."""
        roomy = Running(Loop(self.loop.number, self.loop.size + 1), Dimension("places", "places", ()))
        held = self.builder.hidden(replace(self.scope, running=(*self.scope.running, roomy)))
        self.builder.begin.append(Assign(self.scope.name, held, self.inside.loops, start))
        return held

    def first(self, array: Read) -> Code:
        """What comes out now."""
        return bind(array, self.loop.number, 0)

    def behind(self, array: Read) -> Read:
        """What stands one place further back."""
        return replace(array, base=array.base + 1)

    def moves(self, array: Read, code: Code) -> None:
        """What stands on each place next."""
        self.builder.memory.append(Assign(self.scope.name, array, self.inside.loops, self.builder.auxiliary(self.inside, code)))
