"""The built-ins, one row each: arity, units, Python form, Excel form.

A new built-in is one row here (and, if no row's `python` serves, one function in `arithmetic`). An empty `python` on a
row that is `Kind.PURE` or `Kind.TIMED` is a refusal by name when a model is loaded; an empty `excel` one when a workbook
is asked for.

Units are written as a signature: letters are any unit (the same letter is the same unit), `1` is dimensionless, `T` the
model's time unit, `?` anything; `...` after an argument repeats it, brackets make the rest optional.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from flowreform import arithmetic as ieee


class Kind(StrEnum):
    """How `lower` treats a call."""

    PURE = "pure"  # a number from numbers
    TIMED = "timed"  # the same, with the time and dt handed in first
    STATE = "state"  # becomes stocks or memory (delays, smooths)
    REDUCE = "reduce"  # a number from a whole dimension
    VECTOR = "vector"  # a number for each element of a dimension from a whole dimension: ranks, allocations
    FORM = "form"  # rewritten into other forms (if, init, safediv with two arguments)
    VALUE = "value"  # a name that stands for a number: time, dt, pi
    REFUSED = "refused"  # known, and not done: says why


@dataclass(frozen=True, slots=True)
class Builtin:
    """One row. `most` None means any number of arguments; `note` says why a refused one is refused."""

    name: str
    least: int
    most: int | None
    units: str
    kind: Kind = Kind.PURE
    python: Callable[..., float] | None = None
    excel: str = ""
    heavy: bool = False
    note: str = ""


def _pure(name: str, count: int, units: str, python: Callable[..., float], excel: str = "", *, heavy: bool = False) -> Builtin:
    return Builtin(name, count, count, units, Kind.PURE, python, excel, heavy)


def _timed(name: str, least: int, most: int, units: str, python: Callable[..., float], excel: str) -> Builtin:
    return Builtin(name, least, most, units, Kind.TIMED, python, excel)


def _state(name: str, least: int, most: int, units: str) -> Builtin:
    return Builtin(name, least, most, units, Kind.STATE)


def _refused(name: str, why: str) -> Builtin:
    return Builtin(name, 0, None, "?... -> ?", Kind.REFUSED, note=why)


_RANDOM = "a run must be repeatable from its inputs alone; draw it as an uncertainty of the experiment instead"

# Excel forms of pulses, from the middle of the step (`{t}+{dt}/2`), as in `arithmetic`; Excel's MOD would have another sign.
_PULSE = (
    "IF({t}+{dt}/2>{1},IF(IF({2}>0,({t}+{dt}/2-({1}))-({2})*INT(({t}+{dt}/2-({1}))/({2})),{t}+{dt}/2-({1}))<{dt},({0})/{dt},0),0)"
)
_PULSE_TRAIN = (
    "IF(AND({t}+{dt}/2>{0},{t}+{dt}/2<{3}),IF({2}<=0,1,"
    "IF(({t}+{dt}/2-({0}))-({2})*INT(({t}+{dt}/2-({0}))/({2}))<MAX({1},{dt}),1,0)),0)"
)

_ROWS = (
    # numbers from numbers
    _pure("abs", 1, "a -> a", ieee.absolute, "ABS({0})"),
    _pure("min", 2, "a, a -> a", ieee.smaller, "MIN({0},{1})"),
    _pure("max", 2, "a, a -> a", ieee.larger, "MAX({0},{1})"),
    _pure("exp", 1, "1 -> 1", ieee.exp, "EXP({0})", heavy=True),
    _pure("ln", 1, "1 -> 1", ieee.ln, "LN({0})", heavy=True),
    _pure("log10", 1, "1 -> 1", ieee.log10, "LOG10({0})", heavy=True),
    _pure("sqrt", 1, "a -> a^0.5", ieee.sqrt, "SQRT({0})"),
    _pure("sin", 1, "1 -> 1", ieee.sin, "SIN({0})", heavy=True),
    _pure("cos", 1, "1 -> 1", ieee.cos, "COS({0})", heavy=True),
    _pure("tan", 1, "1 -> 1", ieee.tan, "TAN({0})", heavy=True),
    _pure("arcsin", 1, "1 -> 1", ieee.arcsin, "ASIN({0})", heavy=True),
    _pure("arccos", 1, "1 -> 1", ieee.arccos, "ACOS({0})", heavy=True),
    _pure("arctan", 1, "1 -> 1", ieee.arctan, "ATAN({0})", heavy=True),
    _pure("sinh", 1, "1 -> 1", ieee.sinh, "SINH({0})", heavy=True),
    _pure("cosh", 1, "1 -> 1", ieee.cosh, "COSH({0})", heavy=True),
    _pure("tanh", 1, "1 -> 1", ieee.tanh, "TANH({0})", heavy=True),
    _pure("int", 1, "a -> a", ieee.trunc, "TRUNC({0})"),
    _pure("integer", 1, "a -> a", ieee.trunc, "TRUNC({0})"),
    _pure("floor", 1, "a -> a", ieee.floor, "INT({0})"),
    _pure("ceiling", 1, "a -> a", ieee.ceiling, "-INT(-({0}))"),
    _pure("round", 1, "a -> a", ieee.nearest, "ROUND({0},0)"),
    _pure("modulo", 2, "a, a -> a", ieee.modulo, "({0})-({1})*TRUNC(({0})/({1}))"),
    _pure("quantum", 2, "a, a -> a", ieee.quantum, "IF(({1})>0,({1})*TRUNC(({0})/({1})),{0})"),
    _pure("xidz", 3, "a, b, a/b -> a/b", ieee.guarded_divide, "IF(ABS({1})<0.000001,{2},({0})/({1}))"),
    _pure("divide", 2, "a, b -> a/b", ieee.divide, "({0})/({1})"),
    _pure("power", 2, "a, 1 -> ?", ieee.power, "POWER({0},{1})", heavy=True),
    _pure("demand_at_price", 5, "a, 1, b, b, b -> a", ieee.demand_at_price, heavy=True),
    Builtin("safediv", 2, 3, "a, b, [a/b] -> a/b", Kind.PURE, ieee.safe_divide, "IF(({1})=0,{2},({0})/({1}))"),
    # numbers from numbers and the time
    _timed("step", 2, 2, "a, T -> a", ieee.step, "IF({t}+{dt}/2>{1},{0},0)"),
    _timed("ramp", 2, 3, "a/T, T, [T] -> a", ieee.ramp, "IF(MIN({t},{2})>{1},({0})*(MIN({t},{2})-({1})),0)"),
    _timed("pulse", 1, 3, "a, [T, T] -> a/T", ieee.pulse, _PULSE),
    _timed("pulse_width", 2, 2, "T, T -> 1", ieee.pulse_width, "IF(AND({t}+{dt}/2>{0},{t}+{dt}/2<({0})+MAX({1},{dt})),1,0)"),
    _timed("pulse_train", 4, 4, "T, T, T, T -> 1", ieee.pulse_train, _PULSE_TRAIN),
    # delays, smooths and memory: argument order input, time[, order][, initial]
    _state("delay1", 2, 3, "a, T, [a] -> a"),
    _state("delay3", 2, 3, "a, T, [a] -> a"),
    _state("delayn", 3, 4, "a, T, 1, [a] -> a"),
    _state("delay_n", 3, 4, "a, T, 1, [a] -> a"),  # Vensim's: each stage keeps the delay time of when its content came in
    _state("smth1", 2, 3, "a, T, [a] -> a"),
    _state("smth3", 2, 3, "a, T, [a] -> a"),
    _state("smthn", 3, 4, "a, T, 1, [a] -> a"),
    _state("trend", 2, 3, "a, T, [1/T] -> 1/T"),
    _state("forcst", 3, 4, "a, T, T, [1/T] -> a"),
    _state("forecast", 3, 4, "a, T, T, [1/T] -> a"),
    _state("delay", 2, 3, "a, T, [a] -> a"),
    _state("delay_fixed", 3, 3, "a, T, a -> a"),
    _state("delay_material", 4, 4, "a, T, a, a -> a"),
    _state("delay_information", 3, 3, "a, T, a -> a"),
    _state("sample_if_true", 3, 3, "1, a, a -> a"),
    _state("previous", 2, 2, "a, a -> a"),
    _state("init", 1, 1, "a -> a"),
    # a whole dimension
    Builtin("sum", 1, 1, "a -> a", Kind.REDUCE),
    Builtin("mean", 1, 1, "a -> a", Kind.REDUCE),
    Builtin("prod", 1, 1, "1 -> 1", Kind.REDUCE),
    Builtin("vmin", 1, 1, "a -> a", Kind.REDUCE),
    Builtin("vmax", 1, 1, "a -> a", Kind.REDUCE),
    Builtin("stddev", 1, 1, "a -> a", Kind.REDUCE),
    Builtin("size", 1, 1, "? -> 1", Kind.REDUCE),
    # a number for each element of a dimension
    Builtin("rank", 2, 2, "a, 1 -> 1", Kind.VECTOR),
    Builtin("vector_rank", 2, 2, "a, 1 -> 1", Kind.VECTOR),
    Builtin("vector_sort_order", 2, 2, "a, 1 -> 1", Kind.VECTOR),
    Builtin("vector_reorder", 2, 2, "a, 1 -> a", Kind.VECTOR),
    Builtin("vector_elm_map", 2, 2, "a, 1 -> a", Kind.VECTOR),
    Builtin("vector_select", 5, 5, "1, a, ?, 1, 1 -> ?", Kind.VECTOR),
    Builtin("invert_matrix", 2, 2, "?, 1 -> ?", Kind.VECTOR),
    Builtin("allocate_available", 3, 3, "a, ?, a -> a", Kind.VECTOR),
    Builtin("allocate_by_priority", 5, 5, "a, b, 1, b, a -> a", Kind.VECTOR),
    # rewritten
    Builtin("if", 3, 3, "1, a, a -> a", Kind.FORM),
    Builtin("lookup", 2, 2, "?, ? -> ?", Kind.FORM),
    Builtin("lookup_extrapolate", 2, 2, "?, ? -> ?", Kind.FORM),
    Builtin("lookup_forward", 2, 2, "?, ? -> ?", Kind.FORM),
    Builtin("lookup_backward", 2, 2, "?, ? -> ?", Kind.FORM),
    Builtin("game", 1, 1, "a -> a", Kind.FORM),
    Builtin("get_time_value", 3, 3, "1, T, 1 -> T", Kind.FORM),
    Builtin("active_initial", 2, 2, "a, a -> a", Kind.FORM),
    # names that stand for a number
    Builtin("time", 0, 0, "-> T", Kind.VALUE),
    Builtin("dt", 0, 0, "-> T", Kind.VALUE),
    Builtin("time_step", 0, 0, "-> T", Kind.VALUE),
    Builtin("starttime", 0, 0, "-> T", Kind.VALUE),
    Builtin("initial_time", 0, 0, "-> T", Kind.VALUE),
    Builtin("stoptime", 0, 0, "-> T", Kind.VALUE),
    Builtin("final_time", 0, 0, "-> T", Kind.VALUE),
    Builtin("saveper", 0, 0, "-> T", Kind.VALUE),
    Builtin("pi", 0, 0, "-> 1", Kind.VALUE),
    Builtin("inf", 0, 0, "-> ?", Kind.VALUE),
    Builtin("nan", 0, 0, "-> ?", Kind.VALUE),
    # known and refused
    *(_refused(name, _RANDOM) for name in (
        "random", "uniform", "normal", "lognormal", "exprnd", "poisson", "beta", "binomial", "gamma", "geometric", "negbinomial",
        "pareto", "triangular", "weibull", "montecarlo", "random_0_1", "random_uniform", "random_normal", "random_exponential",
        "random_poisson", "random_lognormal", "random_gamma", "random_beta", "random_triangular", "random_weibull",
        "random_pink_noise",
    )),
    _refused("npv", "what is reported as a total is a stock; write the discounted sum as one"),
)  # fmt: skip

BUILTINS: MappingProxyType[str, Builtin] = MappingProxyType({row.name: row for row in _ROWS})

ALIASES: MappingProxyType[str, str] = MappingProxyType(
    {
        "if_then_else": "if",
        "integ": "stock",
        "log": "log10",
        "sqr": "sqrt",
        "asin": "arcsin",
        "acos": "arccos",
        "atan": "arctan",
        "mod": "modulo",
        "product": "prod",
        "smooth": "smth1",
        "smooth3": "smth3",
        "smooth_n": "smthn",
        "initial": "init",
        "forecast": "forcst",
        "ln": "ln",
        "infinity": "inf",
        "endtime": "stoptime",
        "lookupxy": "lookup",
    }
)
"""Other spellings of a built-in, by canonical name."""


def find(name: str) -> Builtin | None:
    """The row of a built-in by any of its canonical spellings, or None."""
    return BUILTINS.get(ALIASES.get(name, name))
