"""The built-ins, one record each: how it is called, its units, its Python and Excel forms, how it is lowered.

A new built-in is one record here (and, if none serves, one function in `arithmetic` or `lower`). The first cell is how it
is called, with the word and the unit of each argument and of the result:

    pulse(volume: a, [start: T = start], [interval: T = 0]) -> a/T

Brackets make an argument optional, `= ...` gives its value where it is left out (a number, or `start` for the start of the
run), `...` after the last one lets it repeat. Units are letters for any unit (the same letter is the same unit), `1` for
dimensionless, `T` for the model's time unit and `?` for anything. `tests/test_builtins.py` walks every record: one that
lacks a cell which its kind needs fails there by its name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import reduce
from types import MappingProxyType

from flowreform import arithmetic as ieee
from flowreform import quantiles


class Kind(StrEnum):
    """How `lower` treats a call, and so which cells a record must have."""

    PURE = "pure"  # a number from numbers: python, excel
    TIMED = "timed"  # the same, with the time (and dt) handed in first: python, excel
    STATE = "state"  # becomes stocks or memory (delays, smooths): lowering
    REDUCE = "reduce"  # a number from a whole dimension: lowering
    VECTOR = "vector"  # a number for each element of a dimension from a whole dimension: lowering
    FORM = "form"  # rewritten into other forms (if, init): lowering
    RANDOM = "random"  # another number at every step, drawn before the run: lowering
    VALUE = "value"  # a name that stands for a number: time, dt, pi
    REFUSED = "refused"  # known and not supported: note


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument: the word for it in messages, its unit, and its value (text) where it may be left out."""

    word: str
    unit: str
    optional: bool = False
    default: str = ""


@dataclass(frozen=True, slots=True)
class Builtin:
    """One record.

    `python` computes it from floats; its parameters `t` or `begun`, and `dt`, come first. `excel` is the same as a
    formula of {0}, {1}, ..., {t} and {dt}; `no_excel` says why there is none. `lowering` names the function of
    `flowreform.lower` that turns a call into stocks and plain arithmetic, as "module.function". `stages` is the number of
    stocks of a delay, the argument that holds it ("order"), or "steps" where it is as many as its time has steps. `now`
    and `at_start` are the arguments whose value a function with a memory needs at once to give its own, during the run
    and at its start: a delay's output is its content over its time, so the time counts; a smooth's output is its content.
    `heavy` keeps a compiler from vectorising its neighbours; what is `held` keeps the value it has when a step
    begins until the step is over.
    """

    name: str
    arguments: tuple[Argument, ...]
    result: str
    kind: Kind
    repeats: bool = False
    python: Callable[..., float] | None = None
    excel: str = ""
    no_excel: str = ""
    lowering: str = ""
    stages: int | str = 0
    now: tuple[str, ...] = ()
    at_start: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    heavy: bool = False
    held: bool = False
    note: str = ""

    @property
    def least(self) -> int:
        """The fewest arguments it takes."""
        return sum(not argument.optional for argument in self.arguments)

    @property
    def most(self) -> int | None:
        """The most arguments it takes; None for any number."""
        return None if self.repeats else len(self.arguments)

    @property
    def words(self) -> tuple[str, ...]:
        """The words for its arguments."""
        return tuple(argument.word for argument in self.arguments)

    @property
    def clock(self) -> tuple[str, ...]:
        """What its Python form takes before its arguments: of `t` (the time), `begun` (the time at which the step began, by
        which what jumps is decided) and `dt` those it names."""
        code = getattr(self.python, "__code__", None)
        names = code.co_varnames[: code.co_argcount] if code is not None and self.kind is Kind.TIMED else ()
        return tuple(name for name in names if name in ("t", "begun", "dt"))

    def at_once(self, count: int, *, starting: bool) -> tuple[int, ...]:
        """The places of the arguments, of `count` given, whose value a function with a memory needs to give its own."""
        places = {argument.word.replace(" ", "_"): place for place, argument in enumerate(self.arguments[:count])}
        needed = [next((word for word in words.split("|") if word in places), "") for words in self.at_start] if starting else []
        return tuple(dict.fromkeys(places[word] for word in (*needed, *self.now) if word in places))

    def takes(self, count: int) -> bool:
        """Whether it can be called with so many arguments."""
        return self.least <= count and (self.most is None or count <= self.most)

    def of(self, numbers: Sequence[float]) -> float | None:
        """Its value for plain numbers, every argument given; None where it has none without a model around it."""
        if self.kind is not Kind.PURE or self.python is None:
            return None
        if self.repeats:
            return reduce(self.python, numbers) if numbers else None
        return self.python(*numbers) if len(numbers) == self.most else None


_CALL = re.compile(r"(\w+)(?:\((.*)\))? -> (\S+)")
_ARGUMENT = re.compile(r"(\[?)([\w ]+): ([\w/^?]+)(\.\.\.)?(?: = ([\w.]+))?\]?")


def builtin(
    call: str,
    kind: Kind,
    python: Callable[..., float] | None = None,
    excel: str = "",
    *,
    lowering: str = "",
    no_excel: str = "",
    stages: int | str = 0,
    now: str = "",
    at_start: str = "",
    also: str = "",
    heavy: bool = False,
    held: bool = False,
) -> Builtin:
    """The record of a built-in called like this."""
    head = _CALL.fullmatch(call)
    assert head is not None, call
    arguments, repeats = [], False
    for text in head[2].split(", ") if head[2] else ():
        part = _ARGUMENT.fullmatch(text)
        assert part is not None, text
        arguments.append(Argument(part[2], part[3], bool(part[1]), part[5] or ""))
        repeats = bool(part[4])
    return Builtin(
        name=head[1],
        arguments=tuple(arguments),
        result=head[3],
        kind=kind,
        repeats=repeats,
        python=python,
        excel=excel,
        no_excel=no_excel,
        lowering=lowering,
        stages=stages,
        now=tuple(now.split()),
        at_start=tuple(at_start.split()),
        also=tuple(also.split()),
        heavy=heavy,
        held=held,
    )


def _refused(names: str, why: str) -> list[Builtin]:
    return [Builtin(name, (), "?", Kind.REFUSED, repeats=True, note=why) for name in names.split()]


# Excel forms of what begins at a time, as in `arithmetic`; Excel's MOD would have another sign.
_LATE = "{t}+{dt}*0.499999"
_STEP = f"IF({_LATE}>{{1}},{{0}},0)"
_PULSE = (
    f"IF({_LATE}>{{1}},IF(IF({{2}}>0,({_LATE}-({{1}}))-({{2}})*INT(({_LATE}-({{1}}))/({{2}})),{_LATE}-({{1}}))<{{dt}},"
    "({0})/{dt},0),0)"
)
_PULSE_WIDTH = f"IF(AND({_LATE}>{{0}},{_LATE}<=({{0}})+MAX({{1}},{{dt}})),1,0)"
_PULSE_TRAIN = (
    f"IF(AND({_LATE}>{{0}},{_LATE}<={{3}}+{{dt}}),IF({{2}}<=0,1,"
    f"IF(({_LATE}-({{0}}))-({{2}})*INT(({_LATE}-({{0}}))/({{2}}))<MAX({{1}},{{dt}}),1,0)),0)"
)
NOISE_OFF = "it draws a random number at every step, and a run must be repeatable from its inputs alone"
NOISE_REPAIR = (
    "let it draw before each run with --noise-seed N (noise_seed = N in Python and in [experiment]), or draw the quantity as an "
    "uncertainty"
)
_DRAWN = "what a random function drew stands in no spreadsheet"
_SHARE = "the normal distribution of the engine and that of spreadsheets differ in their last digits"
_WHOLE = "spreadsheets refuse what is no whole number here"
_PRICE = "the normal distribution function of the engine has no equal among spreadsheets"

_ROWS = (
    # numbers from numbers
    builtin("abs(x: a) -> a", Kind.PURE, ieee.absolute, "ABS({0})"),
    builtin("min(value: a...) -> a", Kind.PURE, ieee.smaller, "MIN({0},{1})"),
    builtin("max(value: a...) -> a", Kind.PURE, ieee.larger, "MAX({0},{1})"),
    builtin("exp(x: 1) -> 1", Kind.PURE, ieee.exp, "EXP({0})", heavy=True),
    builtin("ln(x: 1) -> 1", Kind.PURE, ieee.ln, "LN({0})", heavy=True),
    builtin("log10(x: 1) -> 1", Kind.PURE, ieee.log10, "LOG10({0})", heavy=True, also="log"),
    builtin("sqrt(x: a) -> a^0.5", Kind.PURE, ieee.sqrt, "SQRT({0})", also="sqr"),
    builtin("sin(angle: 1) -> 1", Kind.PURE, ieee.sin, "SIN({0})", heavy=True),
    builtin("cos(angle: 1) -> 1", Kind.PURE, ieee.cos, "COS({0})", heavy=True),
    builtin("tan(angle: 1) -> 1", Kind.PURE, ieee.tan, "TAN({0})", heavy=True),
    builtin("arcsin(x: 1) -> 1", Kind.PURE, ieee.arcsin, "ASIN({0})", heavy=True, also="asin"),
    builtin("arccos(x: 1) -> 1", Kind.PURE, ieee.arccos, "ACOS({0})", heavy=True, also="acos"),
    builtin("arctan(x: 1) -> 1", Kind.PURE, ieee.arctan, "ATAN({0})", heavy=True, also="atan"),
    builtin("sinh(x: 1) -> 1", Kind.PURE, ieee.sinh, "SINH({0})", heavy=True),
    builtin("cosh(x: 1) -> 1", Kind.PURE, ieee.cosh, "COSH({0})", heavy=True),
    builtin("tanh(x: 1) -> 1", Kind.PURE, ieee.tanh, "TANH({0})", heavy=True),
    builtin("int(x: a) -> a", Kind.PURE, ieee.trunc, "TRUNC({0})"),
    builtin("integer(x: a) -> a", Kind.PURE, ieee.trunc, "TRUNC({0})"),
    builtin("floor(x: a) -> a", Kind.PURE, ieee.floor, "INT({0})"),
    builtin("ceiling(x: a) -> a", Kind.PURE, ieee.ceiling, "-INT(-({0}))"),
    builtin("round(x: a) -> a", Kind.PURE, ieee.nearest, "ROUND({0},0)"),
    builtin("modulo(x: a, divisor: a) -> a", Kind.PURE, ieee.modulo, "({0})-({1})*TRUNC(({0})/({1}))", also="mod"),
    builtin("quantum(x: a, unit: a) -> a", Kind.PURE, ieee.quantum, "IF(({1})>0,({1})*TRUNC(({0})/({1})),{0})"),
    builtin("xidz(numerator: a, denominator: b, otherwise: a/b) -> a/b", Kind.PURE, ieee.guarded_divide,
         "IF(ABS({1})<0.000001,{2},({0})/({1}))"),
    builtin("divide(numerator: a, denominator: b) -> a/b", Kind.PURE, ieee.divide, "({0})/({1})"),
    builtin("power(base: a, exponent: 1) -> ?", Kind.PURE, ieee.power, "POWER({0},{1})", heavy=True),
    builtin("gamma_ln(x: 1) -> 1", Kind.PURE, ieee.log_gamma, "GAMMALN({0})", heavy=True, also="gammaln"),
    builtin("demand_at_price(quantity: a, profile: 1, priority: b, width: b, price: b) -> a", Kind.PURE, ieee.demand_at_price,
         no_excel=_PRICE, heavy=True),
    builtin("safediv(numerator: a, denominator: b, [otherwise: a/b = 0]) -> a/b", Kind.PURE, ieee.safe_divide,
         "IF(({1})=0,{2},({0})/({1}))"),
    builtin("normal_share(x: 1) -> 1", Kind.PURE, quantiles.normal_share, no_excel=_SHARE, heavy=True),
    builtin("normal_quantile(share: 1) -> 1", Kind.PURE, quantiles.normal_quantile, no_excel=_SHARE, heavy=True, also="invnorm"),
    # what random functions draw, from a sample of the unit interval and the lowest and highest number allowed
    builtin("uniform_between(draw: 1, lowest: a, highest: a) -> a", Kind.PURE, quantiles.uniform_between, no_excel=_DRAWN),
    builtin("normal_between(draw: 1, lowest: a, highest: a, mean: a, deviation: a) -> a", Kind.PURE, quantiles.normal_between,
         no_excel=_DRAWN, heavy=True),
    builtin("lognormal_between(draw: 1, lowest: a, highest: a, mean: a, deviation: a) -> a", Kind.PURE,
         quantiles.lognormal_between, no_excel=_DRAWN, heavy=True),
    builtin("exponential_between(draw: 1, lowest: a, highest: a, shift: a, stretch: a) -> a", Kind.PURE,
         quantiles.exponential_between, no_excel=_DRAWN, heavy=True),
    builtin("weibull_between(draw: 1, lowest: a, highest: a, shape: 1, shift: a, stretch: a) -> a", Kind.PURE,
         quantiles.weibull_between, no_excel=_DRAWN, heavy=True),
    builtin("unit_weibull_between(draw: 1, lowest: a, highest: a, shape: 1, shift: a, stretch: a) -> a", Kind.PURE,
         quantiles.unit_weibull_between, no_excel=_DRAWN, heavy=True),
    builtin("pareto_between(draw: 1, lowest: a, highest: a, shape: 1, scale: a) -> a", Kind.PURE, quantiles.pareto_between,
         no_excel=_DRAWN, heavy=True),
    builtin("logistic_between(draw: 1, lowest: a, highest: a, mean: a, scale: a) -> a", Kind.PURE, quantiles.logistic_between,
         no_excel=_DRAWN, heavy=True),
    builtin("triangular_between(draw: 1, lowest: a, highest: a, start: a, peak: a, stop: a) -> a", Kind.PURE,
         quantiles.triangular_between, no_excel=_DRAWN, heavy=True),
    builtin("poisson_between(draw: 1, lowest: 1, highest: 1, mean: 1) -> 1", Kind.PURE, quantiles.poisson_between,
         no_excel=_DRAWN, heavy=True),
    builtin("binomial_between(draw: 1, lowest: 1, highest: 1, probability: 1, trials: 1) -> 1", Kind.PURE,
         quantiles.binomial_between, no_excel=_DRAWN, heavy=True),
    builtin("chance(draw: 1, probability: 1) -> 1", Kind.PURE, quantiles.chance, no_excel=_DRAWN),
    builtin("factorial(x: 1) -> 1", Kind.PURE, ieee.factorial, no_excel=_WHOLE),
    builtin("permutations(x: 1, chosen: 1) -> 1", Kind.PURE, ieee.permutations, no_excel=_WHOLE),
    builtin("combinations(x: 1, chosen: 1) -> 1", Kind.PURE, ieee.combinations, no_excel=_WHOLE),
    # numbers from numbers and the time
    builtin("step(height: a, start: T) -> a", Kind.TIMED, ieee.step, _STEP),
    builtin("ramp(slope: a/T, [start: T = start], [stop: T = inf]) -> a", Kind.TIMED, ieee.ramp,
         "IF(MIN({t},{2})>{1},({0})*(MIN({t},{2})-({1})),0)"),
    builtin("pulse(volume: a, [start: T = start], [interval: T = 0]) -> a/T", Kind.TIMED, ieee.pulse, _PULSE,
         held=True),
    builtin("pulse_width(start: T, width: T) -> 1", Kind.TIMED, ieee.pulse_width, _PULSE_WIDTH),
    builtin("pulse_train(start: T, width: T, interval: T, stop: T) -> 1", Kind.TIMED, ieee.pulse_train, _PULSE_TRAIN),
    # delays, smooths and memory
    builtin("delay1(input: a, time: T, [initial: a]) -> a", Kind.STATE, lowering="state.delay_of", stages=1, now="time",
         at_start="initial|input"),
    builtin("delay3(input: a, time: T, [initial: a]) -> a", Kind.STATE, lowering="state.delay_of", stages=3, now="time",
         at_start="initial|input"),
    builtin("delayn(input: a, time: T, order: 1, [initial: a]) -> a", Kind.STATE, lowering="state.delay_of", stages="order",
         now="time", at_start="initial|input"),
    # Vensim's: each stage keeps the delay time of when its content came in
    builtin("delay_n(input: a, time: T, order: 1, [initial: a]) -> a", Kind.STATE, lowering="state.delay_n", stages="order",
         now="time", at_start="initial|input"),
    builtin("smth1(input: a, time: T, [initial: a]) -> a", Kind.STATE, lowering="state.smooth_of", stages=1,
         at_start="initial|input", also="smooth"),
    builtin("smth3(input: a, time: T, [initial: a]) -> a", Kind.STATE, lowering="state.smooth_of", stages=3,
         at_start="initial|input", also="smooth3"),
    builtin("smthn(input: a, time: T, order: 1, [initial: a]) -> a", Kind.STATE, lowering="state.smooth_of", stages="order",
         at_start="initial|input", also="smooth_n"),
    builtin("trend(input: a, averaging time: T, [initial: 1/T]) -> 1/T", Kind.STATE, lowering="state.trend", stages=1,
         now="input averaging_time", at_start="input averaging_time initial"),
    builtin("forcst(input: a, averaging time: T, horizon: T, [initial: 1/T]) -> a", Kind.STATE, lowering="state.forecast",
         stages=1,
         now="input averaging_time horizon", at_start="input averaging_time horizon initial", also="forecast"),
    builtin("delay(input: a, time: T, [initial: a]) -> a", Kind.STATE, lowering="state.delay_in_steps",
         stages="steps", now="time",
         at_start="initial|input"),
    builtin("delay_fixed(input: a, time: T, initial: a) -> a", Kind.STATE, lowering="state.delay_fixed",
         stages="steps", at_start="initial"),
    builtin("delay_material(input: a, time: T, initial: a, missing: a) -> a", Kind.STATE, lowering="state.material",
         now="missing", at_start="initial"),
    builtin("delay_information(input: a, time: T, initial: a) -> a", Kind.STATE, lowering="state.information",
         at_start="initial"),
    builtin("sample_if_true(condition: 1, input: a, initial: a) -> a", Kind.STATE, lowering="state.sample_of",
         at_start="initial"),
    builtin("previous(input: a, initial: a) -> a", Kind.STATE, lowering="state.previous_of", at_start="initial"),
    builtin("history(input: a, time: T) -> a", Kind.STATE, lowering="state.history", now="input time", at_start="input time"),
    builtin("derivn(input: a, order: 1) -> ?", Kind.STATE, lowering="state.derivative", now="input", at_start="input"),
    builtin("npv(stream: a/T, discount rate: 1/T, initial: a, factor: 1) -> a", Kind.STATE, lowering="state.net_present_value",
         stages=1, now="stream factor", at_start="stream initial factor"),
    builtin("init(input: a) -> a", Kind.STATE, lowering="state.initial_of", at_start="input", also="initial"),
    # a whole dimension
    builtin("sum(array: a) -> a", Kind.REDUCE, lowering="forms.total"),
    builtin("mean(array: a...) -> a", Kind.REDUCE, lowering="forms.mean"),
    builtin("prod(array: 1) -> 1", Kind.REDUCE, lowering="forms.product", also="product"),
    builtin("vmin(array: a) -> a", Kind.REDUCE, lowering="forms.least"),
    builtin("vmax(array: a) -> a", Kind.REDUCE, lowering="forms.greatest"),
    builtin("stddev(array: a) -> a", Kind.REDUCE, lowering="forms.deviation"),
    builtin("size(array: ?) -> 1", Kind.REDUCE, lowering="forms.count"),
    # a number for each element of a dimension
    builtin("rank(array: a, place: 1) -> 1", Kind.VECTOR, lowering="vectors.rank"),
    builtin("vector_rank(array: a, direction: 1) -> 1", Kind.VECTOR, lowering="vectors.vector_rank"),
    builtin("vector_sort_order(array: a, direction: 1) -> 1", Kind.VECTOR, lowering="vectors.sort_order"),
    builtin("vector_reorder(array: a, order: 1) -> a", Kind.VECTOR, lowering="vectors.reorder"),
    builtin("vector_elm_map(element: a, offset: 1) -> a", Kind.VECTOR, lowering="vectors.element_map"),
    builtin("vector_lookup(vector: a, x: b, xmin: b, xmax: b, mode: 1) -> a", Kind.VECTOR, lowering="vectors.vector_lookup"),
    builtin("allocate(available: a, dimension: ?, request: a, priority: b, width: b, profile type: 1) -> a", Kind.VECTOR,
         lowering="vectors.by_profile"),
    builtin("vector_select(selection: 1, expression: a, missing: ?, action: 1, error: 1) -> ?", Kind.VECTOR,
         lowering="vectors.select"),
    builtin("invert_matrix(matrix: ?, size: 1) -> ?", Kind.VECTOR, lowering="vectors.invert"),
    builtin("allocate_available(request: a, profile: ?, available: a) -> a", Kind.VECTOR, lowering="vectors.by_price"),
    builtin("allocate_by_priority(request: a, priority: b, size: 1, width: b, supply: a) -> a", Kind.VECTOR,
         lowering="vectors.by_priority"),
    # rewritten
    builtin("if(condition: 1, then: a, else: a) -> a", Kind.FORM, lowering="forms.choice", also="if_then_else"),
    builtin("lookup(lookup: ?, x: ?) -> ?", Kind.FORM, lowering="forms.lookup", also="lookupxy"),
    builtin("lookup_extrapolate(lookup: ?, x: ?) -> ?", Kind.FORM, lowering="forms.lookup"),
    builtin("lookup_forward(lookup: ?, x: ?) -> ?", Kind.FORM, lowering="forms.lookup"),
    builtin("lookup_backward(lookup: ?, x: ?) -> ?", Kind.FORM, lowering="forms.lookup"),
    builtin("lookup_invert(lookup: ?, y: ?) -> ?", Kind.FORM, lowering="forms.lookup", also="lookupinv"),
    builtin("lookup_area(lookup: ?, from: ?, to: ?) -> ?", Kind.FORM, lowering="forms.area_between"),
    builtin("lookup_slope(lookup: ?, x: ?, mode: 1) -> ?", Kind.FORM, lowering="forms.slope"),
    builtin("lookuparea(lookup: ?, [to: ?], [from: ?]) -> ?", Kind.FORM, lowering="forms.area_up_to"),
    builtin("fv(rate: 1, periods: 1, payment: a, present value: a) -> a", Kind.FORM, lowering="forms.future_value"),
    builtin("pv(rate: 1, periods: 1, payment: a, future value: a) -> a", Kind.FORM, lowering="forms.present_value"),
    builtin("pmt(rate: 1, periods: 1, present value: a, future value: a) -> a", Kind.FORM, lowering="forms.payment"),
    builtin("cgrowth(per cent: 1) -> 1/T", Kind.FORM, lowering="forms.compound_growth"),
    builtin("interpolate(array: a, share: 1...) -> a", Kind.FORM, lowering="forms.between_elements"),
    builtin("ismoduleinput(input: ?) -> 1", Kind.FORM, lowering="forms.unconnected"),
    builtin("get_data_at_time(data: ?, time: T) -> ?", Kind.FORM, lowering="forms.data_at_time"),
    builtin("get_data_between_times(data: ?, time: T, mode: 1) -> ?", Kind.FORM, lowering="forms.data_between_times"),
    builtin("get_data_first_time(data: ?) -> T", Kind.FORM, lowering="forms.data_first_time"),
    builtin("get_data_last_time(data: ?) -> T", Kind.FORM, lowering="forms.data_last_time"),
    builtin("sinwave(amplitude: a, period: T) -> a", Kind.FORM, lowering="forms.sine_wave"),
    builtin("coswave(amplitude: a, period: T) -> a", Kind.FORM, lowering="forms.cosine_wave"),
    builtin("rootn(x: ?, order: 1) -> ?", Kind.FORM, lowering="forms.root"),
    builtin("percent(x: 1) -> 1", Kind.FORM, lowering="forms.percent", also="pct"),
    builtin("endval(x: a, [initial: a]) -> a", Kind.FORM, lowering="forms.value_of_first_run"),
    builtin("time_base(start: T, slope: 1) -> T", Kind.FORM, lowering="forms.time_base"),
    builtin("game(value: a) -> a", Kind.FORM, lowering="forms.itself"),
    builtin("get_time_value(relative to: 1, offset: T, measure: 1) -> T", Kind.FORM, lowering="forms.time_value"),
    builtin("active_initial(active: a, initial: a) -> a", Kind.FORM, lowering="forms.alone"),
    builtin("normalcdf(left: a, right: a, [mean: a], [deviation: a]) -> 1", Kind.FORM, lowering="forms.normal_share_between"),
    # random functions: Vensim's, with the limits first and the stream last, and Stella's, with seed, limits and hold at the end
    builtin("random_0_1 -> 1", Kind.RANDOM, lowering="noise.unit"),
    builtin("random_uniform(lowest: a, highest: a, [stream: 1]) -> a", Kind.RANDOM, lowering="noise.uniform"),
    builtin("random_normal(lowest: a, highest: a, mean: a, deviation: a, [stream: 1]) -> a", Kind.RANDOM,
         lowering="noise.normal_within"),
    builtin("random_exponential(lowest: a, highest: a, shift: a, stretch: a, [stream: 1]) -> a", Kind.RANDOM,
         lowering="noise.exponential_within"),
    builtin("random_weibull(lowest: a, highest: a, shape: 1, shift: a, stretch: a, [stream: 1]) -> a", Kind.RANDOM,
         lowering="noise.weibull_within"),
    builtin("random_triangular(lowest: a, highest: a, start: a, peak: a, stop: a, [stream: 1]) -> a", Kind.RANDOM,
         lowering="noise.triangular_within"),
    builtin("random_poisson(lowest: a, highest: a, mean: 1, shift: a, stretch: a, [stream: 1]) -> a", Kind.RANDOM,
         lowering="noise.poisson_within"),
    builtin("random_binomial(lowest: a, highest: a, probability: 1, trials: 1, shift: a, stretch: a, [stream: 1]) -> a",
         Kind.RANDOM, lowering="noise.binomial_within"),
    builtin("random(lowest: a, highest: a, [seed: 1]) -> a", Kind.RANDOM, lowering="noise.uniform"),
    builtin("uniform(lowest: a, highest: a, [seed: 1], [least: a], [most: a], [hold: T]) -> a", Kind.RANDOM,
         lowering="noise.uniform"),
    builtin("normal(mean: a, deviation: a, [seed: 1], [least: a], [most: a], [hold: T]) -> a", Kind.RANDOM,
         lowering="noise.normal"),
    builtin("lognormal(mean: a, deviation: a, [seed: 1], [least: a], [most: a], [hold: T]) -> a", Kind.RANDOM,
         lowering="noise.lognormal"),
    builtin("exprnd(mean: a, [seed: 1], [least: a], [most: a], [hold: T]) -> a", Kind.RANDOM, lowering="noise.exponential"),
    builtin("weibull(shape: 1, scale: a, [seed: 1], [least: a], [most: a], [hold: T]) -> a", Kind.RANDOM,
         lowering="noise.weibull"),
    builtin("pareto(shape: 1, scale: a, [seed: 1], [least: a], [most: a], [hold: T]) -> a", Kind.RANDOM,
         lowering="noise.pareto"),
    builtin("logistic(mean: a, scale: a, [seed: 1], [least: a], [most: a], [hold: T]) -> a", Kind.RANDOM,
         lowering="noise.logistic"),
    builtin("triangular(start: a, peak: a, stop: a, [seed: 1], [least: a], [most: a], [hold: T]) -> a", Kind.RANDOM,
         lowering="noise.triangular"),
    builtin("poisson(mean: ?, [seed: 1], [least: 1], [most: 1], [hold: T]) -> ?", Kind.RANDOM, lowering="noise.poisson"),
    builtin("binomial(trials: 1, probability: 1, [seed: 1], [least: 1], [most: 1], [hold: T]) -> 1", Kind.RANDOM,
         lowering="noise.binomial"),
    builtin("montecarlo(probability: ?, [seed: 1]) -> 1", Kind.RANDOM, lowering="noise.monte_carlo"),
    # names that stand for a number
    builtin("time -> T", Kind.VALUE),
    builtin("dt -> T", Kind.VALUE, also="time_step"),
    builtin("starttime -> T", Kind.VALUE, also="initial_time"),
    builtin("stoptime -> T", Kind.VALUE, also="final_time endtime"),
    builtin("saveper -> T", Kind.VALUE),
    builtin("pi -> 1", Kind.VALUE),
    builtin("inf -> ?", Kind.VALUE, also="infinity"),
    builtin("nan -> ?", Kind.VALUE),
    # known and refused
    *_refused(
        "beta gamma geometric negbinomial random_beta random_gamma random_lognormal random_negative_binomial random_lookup "
        "random_pink_noise",
        "its distribution has no inverse in closed form, or the makers leave open which it is; draw it as an uncertainty, or use "
        "NORMAL, LOGNORMAL, EXPRND, POISSON or another that is done",
    ),
    *_refused(
        "clocktime runcount sensiruncount cputime message pause sound switch get_odbc",
        "a run must be repeatable from its inputs alone, and has nobody to speak to",
    ),
    *_refused(
        "delay_batch delay_conveyor delay_profile shift_if_true queue_fifo queue_fifo_attrib "
        "queue_age_average queue_age_in_range queue_age_oldest queue_attrib_average queue_attrib_in_range "
        "queue_attrib_max queue_attrib_min queue_attrib_quantity",
        "discrete batches inside a function; write a conveyor or a queue in XMILE, or DELAY FIXED",
    ),
    *_refused("delayp", "a delay with a second result, its pipeline; write the delay as stocks"),
    *_refused(
        "find_market_price supply_at_price alloc_p marketp",
        "not supported; ALLOCATE AVAILABLE and ALLOCATE BY PRIORITY are",
    ),
    *_refused("find_zero simultaneous internal_rate_of_return irr", "found by iteration in a step; put a stock into the loop"),
    *_refused("depreciate_straightline depreciate_by_schedule", "write the schedule as stocks"),
    *_refused("lookupmean", "write the mean as LOOKUPAREA over the length"),
    *_refused(
        "get_data_max get_data_min get_data_mean get_data_median get_data_stdv get_data_total_points cumulate cumulatef "
        "time_shift",
        "work it out from the data before the run, and give it as a parameter or a lookup",
    ),
    *_refused(
        "counter rework sample_until sshape logisticbound",
        "not supported; write it with MODULO, POWER, IF and the other functions",
    ),
    *_refused(
        "ctmean ctmax ctmin ctstddev ctflow throughput cyclemean cyclemax cyclemin cyclestddev ostate qelem qlen convey",
        "statistics of a conveyor or a queue are not kept; read the stock and its flows",
    ),
)  # fmt: skip

BUILTINS: MappingProxyType[str, Builtin] = MappingProxyType({row.name: row for row in _ROWS})

ALIASES: MappingProxyType[str, str] = MappingProxyType({name: row.name for row in _ROWS for name in row.also})
"""Other spellings of a built-in, by canonical name."""


def find(name: str) -> Builtin | None:
    """The record of a built-in by any of its canonical spellings, or None."""
    return BUILTINS.get(ALIASES.get(name, name))
