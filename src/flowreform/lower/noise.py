"""Random functions: another number at every step, made of a series that is drawn before the run.

A call reads a series of numbers between 0 and 1 of its own (`program.Noise`), one for each element, and puts it through the
inverse of its distribution (`quantiles`). The number holds for the whole of a step under every method. The series belongs to the
model's `noise_seed`, the variable, the place of the call in it and the element, and to the draw of the experiment: the stream and
seed numbers in a file choose nothing here, and the random numbers of no other program are reproduced.
"""

from __future__ import annotations

import math

from flowreform.builtins import NOISE_OFF, NOISE_REPAIR, Builtin
from flowreform.lower.scope import Builder, Fault, Scope
from flowreform.model import Call
from flowreform.program import Code, Const, Noise, Op, Term

_NONE = Const(math.nan)
_HUNDRED = Const(100.0)


def _draw(builder: Builder, scope: Scope, call: Call) -> Noise:
    """A series of its own for every index of the loops around. Raises Fault."""
    shown = call.function.upper()
    if builder.model.noise_seed is None:
        raise Fault(f"{shown} is not done here: {NOISE_OFF}", NOISE_REPAIR, call.column)
    if scope.stars is not None:
        raise Fault(f"{shown} stands inside a reduction", "give it a variable of its own and reduce that", call.column)
    place = builder.random[scope.name] = builder.random.get(scope.name, 0) + 1
    first, terms, count = len(builder.noises), [], 1
    for loop in reversed(scope.loops):
        terms.append(Term(loop.number, count))
        count *= loop.size
    builder.noises.extend(f"{scope.name} {place} {element}" for element in range(count))
    return Noise(first, tuple(reversed(terms)))


def _arguments(builder: Builder, scope: Scope, row: Builtin, call: Call) -> dict[str, Code]:
    """What is given, by its word. Raises Fault for a number that holds for longer than a step."""
    given = {argument.word: arg for argument, arg in zip(row.arguments, call.args, strict=False)}
    found = {word: builder.value(scope, arg) for word, arg in given.items() if word not in ("seed", "stream")}
    hold = found.pop("hold", _NONE)
    if not (isinstance(hold, Const) and (math.isnan(hold.value) or hold.value == 0.0)):
        repair = "leave that argument out, or hold the number with SAMPLE IF TRUE"
        raise Fault(f"{call.function.upper()} is done with a new number at every step only", repair, call.column)
    return found


def _number(
    builder: Builder, scope: Scope, row: Builtin, call: Call, name: str, *words: str, limits: tuple[str, str] = ("", "")
) -> Code:
    """The call of a `quantiles` function with what is given under `words`, between the two limits."""
    given = _arguments(builder, scope, row, call)
    ends = tuple(given.get(word, _NONE) for word in limits)
    return builder.decided(scope, Op(name, (_draw(builder, scope, call), *ends, *(given[word] for word in words))))


VENSIM, STELLA = ("lowest", "highest"), ("least", "most")


def unit(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """Vensim's RANDOM 0 1()."""
    return builder.decided(scope, _draw(builder, scope, call))


def uniform(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """RANDOM UNIFORM, RANDOM and UNIFORM(lowest, highest)."""
    given = _arguments(builder, scope, row, call)
    low, high = given["lowest"], given["highest"]
    if "least" in given:
        low = Op("if", (Op(">", (given["least"], low)), given["least"], low))
    if "most" in given:
        high = Op("if", (Op("<", (given["most"], high)), given["most"], high))
    return builder.decided(scope, Op("uniform_between", (_draw(builder, scope, call), low, high)))


def normal_within(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """RANDOM NORMAL(lowest, highest, mean, deviation)."""
    return _number(builder, scope, row, call, "normal_between", "mean", "deviation", limits=VENSIM)


def normal(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """NORMAL(mean, deviation)."""
    return _number(builder, scope, row, call, "normal_between", "mean", "deviation", limits=STELLA)


def lognormal(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """LOGNORMAL(mean, deviation) of the numbers themselves (XMILE 1.0, 3.5.6)."""
    return _number(builder, scope, row, call, "lognormal_between", "mean", "deviation", limits=STELLA)


def exponential_within(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """RANDOM EXPONENTIAL(lowest, highest, shift, stretch)."""
    return _number(builder, scope, row, call, "exponential_between", "shift", "stretch", limits=VENSIM)


def exponential(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """EXPRND(mean)."""
    return _shifted(builder, scope, row, call, "exponential_between", "mean")


def weibull_within(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """RANDOM WEIBULL(lowest, highest, shape, shift, stretch), whose mean is 1 before it is stretched."""
    return _number(builder, scope, row, call, "unit_weibull_between", "shape", "shift", "stretch", limits=VENSIM)


def weibull(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """WEIBULL(shape, scale)."""
    return _shifted(builder, scope, row, call, "weibull_between", "scale", "shape")


def _shifted(builder: Builder, scope: Scope, row: Builtin, call: Call, name: str, stretch: str, *before: str) -> Code:
    """Stella's form of a distribution that Vensim shifts and stretches: from 0, with its scale."""
    given = _arguments(builder, scope, row, call)
    ends = tuple(given.get(word, _NONE) for word in STELLA)
    numbers = (*(given[word] for word in before), Const(0.0), given[stretch])
    return builder.decided(scope, Op(name, (_draw(builder, scope, call), *ends, *numbers)))


def pareto(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """PARETO(shape, scale)."""
    return _number(builder, scope, row, call, "pareto_between", "shape", "scale", limits=STELLA)


def logistic(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """LOGISTIC(mean, scale)."""
    return _number(builder, scope, row, call, "logistic_between", "mean", "scale", limits=STELLA)


def triangular_within(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """RANDOM TRIANGULAR(lowest, highest, start, peak, stop)."""
    return _number(builder, scope, row, call, "triangular_between", "start", "peak", "stop", limits=VENSIM)


def triangular(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """TRIANGULAR(start, peak, stop)."""
    return _number(builder, scope, row, call, "triangular_between", "start", "peak", "stop", limits=STELLA)


def poisson_within(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """RANDOM POISSON(lowest, highest, mean, shift, stretch)."""
    return _counted(builder, scope, row, call, "poisson_between", "mean")


def binomial_within(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """RANDOM BINOMIAL(lowest, highest, probability, trials, shift, stretch)."""
    return _counted(builder, scope, row, call, "binomial_between", "probability", "trials")


def _counted(builder: Builder, scope: Scope, row: Builtin, call: Call, name: str, *words: str) -> Code:
    """A count that is stretched and shifted, with its limits taken back to the count."""
    given = _arguments(builder, scope, row, call)
    shift, stretch = given["shift"], given["stretch"]
    ends = tuple(Op("/", (Op("-", (given[word], shift)), stretch)) for word in VENSIM)
    count = Op(name, (_draw(builder, scope, call), *ends, *(given[word] for word in words)))
    return builder.decided(scope, Op("+", (shift, Op("*", (stretch, count)))))


def poisson(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """Stella's POISSON(mean): so many in a unit of time, and so mean * dt in a step."""
    given = _arguments(builder, scope, row, call)
    ends = tuple(given.get(word, _NONE) for word in STELLA)
    mean = Op("*", (given["mean"], Const(builder.model.specs.dt)))
    return builder.decided(scope, Op("poisson_between", (_draw(builder, scope, call), *ends, mean)))


def binomial(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """BINOMIAL(trials, probability)."""
    return _number(builder, scope, row, call, "binomial_between", "probability", "trials", limits=STELLA)


def monte_carlo(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """MONTECARLO(probability): 1 with that probability, in per cent of a unit of time, else 0."""
    given = _arguments(builder, scope, row, call)
    share = Op("/", (Op("*", (given["probability"], Const(builder.model.specs.dt))), _HUNDRED))
    return builder.decided(scope, Op("chance", (_draw(builder, scope, call), share)))
