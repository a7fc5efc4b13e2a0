"""Functions with a memory become stocks: delays, smooths, trends; and what only remembers a step: PREVIOUS, SAMPLE IF TRUE.

Every formula is the one of the Vensim reference manual and of Sterman, Business Dynamics (2000), chapter 11; XMILE 1.0
section 3.5.3 defines the same functions. `order` stages share the delay time evenly.
"""

from __future__ import annotations

from dataclasses import replace

from flowreform.builtins import Builtin
from flowreform.lower.known import is_fixed, known
from flowreform.lower.scope import Builder, Fault, Running, Scope
from flowreform.model import Call, Dimension
from flowreform.program import Assign, Code, Const, Loop, Now, Op, Ordinal, Past, Read, Term, bind

MOST_STAGES = 1000


def _values(builder: Builder, scope: Scope, call: Call) -> list[Code]:
    return [builder.value(scope, arg) for arg in call.args]


def delay_of(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """DELAY1, DELAY3 and DELAYN."""
    args = _values(builder, scope, call)
    stages = row.stages if isinstance(row.stages, int) else order(builder, scope, call)
    return delay(builder, scope, args[0], args[1], stages, args[row.least :])


def smooth_of(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """SMTH1, SMTH3 and SMTHN."""
    args = _values(builder, scope, call)
    stages = row.stages if isinstance(row.stages, int) else order(builder, scope, call)
    return smooth(builder, scope, args[0], args[1], stages, args[row.least :])


def delay_in_steps(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """DELAY, whose time may change."""
    args = _values(builder, scope, call)
    return pipeline(builder, scope, args[0], args[1], args[2:], fixed=False)


def delay_fixed(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """DELAY FIXED, whose time is that of the start."""
    args = _values(builder, scope, call)
    return pipeline(builder, scope, args[0], args[1], args[2:], fixed=True)


def previous_of(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """PREVIOUS(input, initial)."""
    value, start = _values(builder, scope, call)
    return previous(builder, scope, value, start)


def sample_of(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """SAMPLE IF TRUE(condition, input, initial)."""
    condition, value, start = _values(builder, scope, call)
    return sample(builder, scope, condition, value, start)


def history(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """Stella's HISTORY(input, time): the input as it was at a time gone by. Before the start it is what it was at the start,
    and in a time still to come what it is now."""
    value, time = _values(builder, scope, call)
    source = builder.auxiliary(scope, value)
    ago = Op("/", (Op("-", (Now(), time)), Const(builder.model.specs.dt)))
    lag = builder.auxiliary(scope, Op("max", (Op("round", (ago,)), Const(0.0))))
    before = initial(builder, scope, source)
    past = _past(builder, scope, source, Op("max", (lag, Const(1.0))), before)
    return builder.decided(scope, Op("if", (Op("<", (lag, Const(0.5))), source, past)))


def derivative(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """Stella's DERIVN(input, order): the difference to the step before over dt, taken `order` times; 0 at the start.
    Of order 0 it is the input."""
    times = known(builder.model, scope.outward(call.args[1]))
    if times is None or not 0.0 <= times <= 10.0 or times != round(times):
        reason = "the order of DERIVN must be a whole number from 0 to 10, known before the run"
        raise Fault(reason, "write a number", call.column)
    value: Code = builder.value(scope, call.args[0])
    for _ in range(round(times)):
        now = builder.auxiliary(scope, value)
        before = previous(builder, scope, now, initial(builder, scope, now))
        value = Op("/", (Op("-", (now, before)), Const(builder.model.specs.dt)))
    return value


def net_present_value(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """Vensim's NPV(stream, discount rate, initial, factor): the discount factor and the discounted sum are stocks, and the
    stream of the present step is counted in (Vensim Reference Manual, NPV)."""
    stream, rate, start, factor = _values(builder, scope, call)
    dt = Const(builder.model.specs.dt)
    flow, share = builder.auxiliary(scope, stream), builder.auxiliary(scope, rate)
    discount, total = builder.hidden(scope), builder.hidden(scope)
    builder.begins(scope, discount, Const(1.0))
    falling = Op("/", (Op("*", (discount, share)), Op("+", (Const(1.0), Op("*", (share, dt))))))
    builder.integrates(scope, discount, builder.auxiliary(scope, Op("-", (Const(0.0), falling))))
    builder.begins(scope, total, start)
    discounted = builder.auxiliary(scope, Op("*", (flow, discount)))
    builder.integrates(scope, total, discounted)
    return Op("*", (Op("+", (total, Op("*", (discounted, dt)))), factor))


def initial_of(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """INIT(input)."""
    return initial(builder, scope, builder.value(scope, call.args[0]))


def order(builder: Builder, scope: Scope, call: Call) -> int:
    """The number of stages, known before the run (structure is frozen). Raises Fault when it is not."""
    value = known(builder.model, scope.outward(call.args[2]))
    if value is None or not 0.5 <= value <= MOST_STAGES:
        raise Fault(
            f"the order of {call.function.upper()} must be a whole number from 1 to {MOST_STAGES}, known before the run",
            "write a number or name a parameter",
            call.column,
        )
    return max(1, round(value))


def steps_of(time: float, dt: float) -> int:
    """The nearest number of steps, at least one. A time beyond 2^52 steps is taken for so many: no run is as long."""
    return max(1, int(min(time / dt, 2.0**52) + 0.5))


def stages_that_fit(builder: Builder, scope: Scope, call: Call) -> int:
    """The order of a DELAY N, lowered so that no stage is shorter than dt, as Vensim does (a shorter one would overshoot)."""
    wanted, time = order(builder, scope, call), known(builder.model, scope.outward(call.args[1]))
    if time is None or not time > 0.0:
        return wanted
    return max(1, int(min(float(wanted), time / builder.model.specs.dt + 1e-6)))


def _held(builder: Builder, scope: Scope, code: Code) -> Code:
    """The code, or the hidden auxiliary that works it out once when it would otherwise be worked out several times."""
    return code if isinstance(code, Const) else builder.auxiliary(scope, code)


def delay(builder: Builder, scope: Scope, flow: Code, time: Code, stages: int, start: list[Code]) -> Code:
    """Material delay: `stages` stocks in a row, each draining at stock / (time / stages); they start in balance."""
    share = _held(builder, scope, Op("/", (time, Const(float(stages)))) if stages > 1 else time)
    return _stages(builder, scope, flow, [share] * stages, start)


def _stages(builder: Builder, scope: Scope, flow: Code, shares: list[Code], start: list[Code]) -> Code:
    first = builder.auxiliary(scope, flow)
    inflow: Code = first
    for share in shares:
        stock = builder.hidden(scope)
        builder.begins(scope, stock, Op("*", (start[0] if start else first, share)))
        outflow = builder.auxiliary(scope, Op("/", (stock, share)))
        builder.integrates(scope, stock, Op("-", (inflow, outflow)))
        inflow = outflow
    return inflow


def delay_n(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """Vensim's DELAY N: as `delay`, but when the delay time changes a stage takes the new one a step after the stage before
    it, so that what is under way keeps the time it set out with. The order is that of the start."""
    args = _values(builder, scope, call)
    stages = stages_that_fit(builder, scope, call)
    if is_fixed(builder.model, call.args[1]):
        return delay(builder, scope, args[0], args[1], stages, args[3:])
    share = builder.auxiliary(scope, Op("/", (args[1], Const(float(stages)))))
    shares: list[Code] = [share]
    for _ in range(stages - 1):
        shares.append(previous(builder, scope, shares[-1], shares[-1]))
    return _stages(builder, scope, args[0], shares, args[3:])


def smooth(builder: Builder, scope: Scope, goal: Code, time: Code, stages: int, start: list[Code]) -> Code:
    """Information delay: `stages` stocks in a row, each moving to the one before at distance / (time / stages)."""
    target: Code = builder.auxiliary(scope, goal)
    share = _held(builder, scope, Op("/", (time, Const(float(stages)))) if stages > 1 else time)
    first = target
    for _ in range(stages):
        stock = builder.hidden(scope)
        builder.begins(scope, stock, start[0] if start else first)
        builder.integrates(scope, stock, builder.auxiliary(scope, Op("/", (Op("-", (target, stock)), share))))
        target = stock
    return target


def _average(builder: Builder, scope: Scope, goal: Code, time: Code, growth: Code | None) -> tuple[Code, Code, Code]:
    """Input, time and a first-order average that starts where steady growth at rate `growth` would have left it."""
    now, span = builder.auxiliary(scope, goal), _held(builder, scope, time)
    stock = builder.hidden(scope)
    start: Code = now if growth is None else Op("/", (now, Op("+", (Const(1.0), Op("*", (growth, span))))))
    builder.begins(scope, stock, start)
    builder.integrates(scope, stock, builder.auxiliary(scope, Op("/", (Op("-", (now, stock)), span))))
    return now, span, stock


def trend(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """Fractional growth rate: (input - average) / (time * |average|), 0 where the average is 0."""
    goal, time, *start = _values(builder, scope, call)
    now, span, average = _average(builder, scope, goal, time, start[0] if start else None)
    size = Op("*", (span, Op("abs", (average,))))
    return Op("safediv", (Op("-", (now, average)), size, Const(0.0)))


def forecast(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """Extrapolation by the recent trend: input * (1 + trend * horizon)."""
    goal, time, horizon, *start = _values(builder, scope, call)
    now, span, average = _average(builder, scope, goal, time, start[0] if start else None)
    rate = Op("safediv", (Op("-", (now, average)), Op("*", (span, average)), Const(0.0)))
    return Op("*", (now, Op("+", (Const(1.0), Op("*", (rate, horizon))))))


def pipeline(builder: Builder, scope: Scope, flow: Code, time: Code, start: list[Code], *, fixed: bool) -> Code:
    """The input as it was `time` ago: round(time / dt) steps, at least one; until then the value at the start."""
    source = builder.auxiliary(scope, flow)
    steps: Code = Op("max", (Op("round", (Op("/", (time, Const(builder.model.specs.dt))),)), Const(1.0)))
    lag: Code = initial(builder, scope, steps) if fixed else steps
    before = initial(builder, scope, start[0] if start else source)
    return builder.decided(scope, _past(builder, scope, source, lag, before))


def _past(builder: Builder, scope: Scope, source: Read, lag: Code, before: Code) -> Past:
    """A value as it was `lag` steps ago, and `before` as long as the run is younger than that."""
    number, count = len(builder.remembered), 1
    for loop in scope.loops:
        count *= loop.size
    builder.remembered.extend(range(source.base, source.base + count))
    return Past(number, lag, before, source.terms)


def previous(builder: Builder, scope: Scope, value: Code, start: Code) -> Code:
    """The value one step ago."""
    memory = builder.hidden(scope)
    builder.begins(scope, memory, start)
    builder.memory.append(Assign(scope.name, memory, scope.loops, builder.auxiliary(scope, value)))
    return memory


def sample(builder: Builder, scope: Scope, condition: Code, value: Code, start: Code) -> Code:
    """The value when the condition was last true; `start` until then."""
    memory = builder.hidden(scope)
    builder.begins(scope, memory, start)
    now = builder.auxiliary(scope, Op("if", (condition, value, memory)), held=True)
    builder.memory.append(Assign(scope.name, memory, scope.loops, now))
    return now


def initial(builder: Builder, scope: Scope, value: Code) -> Read:
    """The value at the start of the run, held."""
    memory = builder.hidden(scope)
    builder.begins(scope, memory, value)
    return memory


# --- vensim's delays whose time may change ---------------------------------------------------------------------------


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
