"""Calls that become other expressions: reductions over whole dimensions, IF, lookups, MIN and MAX of many values."""

from __future__ import annotations

import itertools
import math
from functools import partial

from flowreform.builtins import Builtin
from flowreform.lower import subscripts
from flowreform.lower.known import known
from flowreform.lower.scope import Builder, Fault, Running, Scope
from flowreform.model import Binary, Call, Expr, LookupKind, Number, Ref
from flowreform.program import Code, Const, LookupRead, Now, Op, Place, Reduce, Term

# --- reductions ------------------------------------------------------------------------------------------------------


def _inside(builder: Builder, scope: Scope, body: Expr) -> tuple[Code, list[Running]]:
    """The code of what is reduced, and the loops of the whole dimensions in it."""
    inner = scope.reducing()
    code = builder.value(inner, body)
    return code, list((inner.stars or {}).values())


def _reduce(op: str, code: Code, runs: list[Running]) -> Code:
    for run in runs:
        code = Reduce(op, run.loop.number, run.loop.size, code)
    return code


def _fold(op: str, builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    return _reduce(op, *_inside(builder, scope, call.args[0]))


total = partial(_fold, "+")
product = partial(_fold, "*")
least = partial(_fold, "min")
greatest = partial(_fold, "max")


def count(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """SIZE: the number of elements, of an array or of a dimension by its name."""
    match call.args[0]:
        case Ref(name, ()) if name in builder.model.dimensions and name not in builder.places:
            return Const(float(len(builder.model.dimensions[name].elements)))
    _, runs = _inside(builder, scope, call.args[0])
    return Const(float(math.prod(run.loop.size for run in runs)))


def mean(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """MEAN: the sum over the number of elements of an array, or of the values given."""
    if len(call.args) > 1:
        total: Code = builder.value(scope, call.args[0])
        for arg in call.args[1:]:
            total = Op("+", (total, builder.value(scope, arg)))
        return Op("/", (total, Const(float(len(call.args)))))
    code, runs = _inside(builder, scope, call.args[0])
    return Op("/", (_reduce("+", code, runs), Const(float(math.prod(run.loop.size for run in runs)))))


def deviation(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """STDDEV: the population standard deviation, the root of the mean squared distance from the mean."""
    code, runs = _inside(builder, scope, call.args[0])
    size = Const(float(math.prod(run.loop.size for run in runs)))
    average = Op("/", (_reduce("+", code, runs), size))
    again, others = _inside(builder, scope, call.args[0])
    distance = _reduce("+", Op("square", (Op("-", (again, average)),)), others)
    return Op("sqrt", (Op("/", (distance, size)),))


def folded(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """MIN or MAX: of one array, or of any number of values."""
    if len(call.args) == 1:
        return _fold(row.name, builder, scope, row, call)
    result = builder.value(scope, call.args[0])
    for arg in call.args[1:]:
        result = Op(row.name, (result, builder.value(scope, arg)))
    return result


# --- rewritten -------------------------------------------------------------------------------------------------------


def choice(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """IF condition THEN this ELSE that."""
    return Op("if", tuple(builder.value(scope, arg) for arg in call.args))


def itself(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """GAME: its argument."""
    return builder.value(scope, call.args[0])


def alone(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """ACTIVE INITIAL has a meaning only as a whole right side, where `lower` takes it apart. Raises Fault."""
    raise Fault(f"{call.function.upper()} must stand alone on the right side of an equation", column=call.column)


def time_value(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """GET TIME VALUE(relative to, offset, measure), in units of Time: from now (0) or from the start of the run (1)."""
    relative, measure = (known(builder.model, scope.outward(call.args[place])) for place in (0, 2))
    if relative == 2.0:
        raise Fault("GET TIME VALUE(2, ...) reads the clock", "a run must be repeatable from its inputs alone", call.column)
    if relative not in (0.0, 1.0) or measure != 0.0:
        raise Fault(
            "GET TIME VALUE is done for the model's own time only",
            "write 0 or 1 for its first argument and 0 for its last",
            call.column,
        )
    origin: Code = Now() if relative == 0.0 else Const(builder.model.specs.start)
    return Op("+", (origin, builder.value(scope, call.args[1])))


def _data(builder: Builder, call: Call) -> Ref:
    """The data variable that a GET DATA function names. Raises Fault."""
    data = call.args[0]
    if isinstance(data, Ref) and data.name in builder.table_of:
        return data
    word = call.function.upper().replace("_", " ")
    raise Fault(f"the first argument of {word} must be data", "name a data variable", call.column)


def data_at_time(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """GET DATA AT TIME(data, time): between the points by a straight line."""
    return look_up(builder, scope, _data(builder, call), call.args[1:])


def data_between_times(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """GET DATA BETWEEN TIMES(data, time, mode): mode 1 looks forward, 0 interpolates, -1 holds backward."""
    mode = known(builder.model, scope.outward(call.args[2]))
    ways = {1.0: "forward", 0.0: "", -1.0: "backward"}
    if mode not in ways:
        raise Fault("the mode of GET DATA BETWEEN TIMES is 1, 0 or -1, known before the run", "write the number", call.column)
    return look_up(builder, scope, _data(builder, call), call.args[1:2], ways[mode])


def _end_of_data(builder: Builder, call: Call, place: int) -> Code:
    data = _data(builder, call)
    if data.subscripts or builder.model.variables[data.name].dimensions:
        raise Fault("the times of arrayed data are not read", "name data without subscripts", call.column)
    return Const(builder.tables[builder.table_of[data.name]].x[place])


def data_first_time(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """GET DATA FIRST TIME(data)."""
    return _end_of_data(builder, call, 0)


def data_last_time(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """GET DATA LAST TIME(data)."""
    return _end_of_data(builder, call, -1)


def _wave(name: str, builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """SINWAVE, COSWAVE(amplitude, period): a wave over the time."""
    amplitude, period = (builder.value(scope, arg) for arg in call.args)
    turn = Op("/", (Op("*", (Const(2.0 * math.pi), Now())), period))
    return Op("*", (amplitude, Op(name, (turn,))))


sine_wave = partial(_wave, "sin")
cosine_wave = partial(_wave, "cos")


def root(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """ROOTN(x, order)."""
    x, order = (builder.value(scope, arg) for arg in call.args)
    return Op("power", (x, Op("/", (Const(1.0), order))))


def percent(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """PERCENT(x): a hundred times x."""
    return Op("*", (builder.value(scope, call.args[0]), Const(100.0)))


def normal_share_between(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """NORMALCDF(left, right, mean, deviation): the share of a normal distribution between two numbers."""
    left, right, *numbers = (builder.value(scope, arg) for arg in call.args)
    mean = numbers[0] if numbers else Const(0.0)
    deviation = numbers[1] if len(numbers) > 1 else Const(1.0)
    high, low = (Op("normal_share", (Op("/", (Op("-", (x, mean)), deviation)),)) for x in (right, left))
    return Op("-", (high, low))


def value_of_first_run(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """ENDVAL(x, initial): the value of x at the end of the run before; every run is the first here, so `initial`, or 0."""
    return builder.value(scope, call.args[1]) if len(call.args) > 1 else Const(0.0)


def time_base(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """TIME BASE(start, slope): start + slope * Time."""
    start, slope = (builder.value(scope, arg) for arg in call.args)
    return Op("+", (start, Op("*", (slope, Now()))))


def lookup(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """LOOKUP(table, x) and its kinds: extrapolating, the point before, the point after."""
    return look_up(builder, scope, _table_of(builder, call), call.args[1:], row.name.partition("_")[2])


def _area_from_first(builder: Builder, scope: Scope, table: Ref, x: Expr) -> Code:
    """The area under a lookup from its first point to x: all whole strips to the left of x, and a part of the next."""
    x = Binary("+", x, Number(0.0))  # what jumps is read at the beginning of a step where it is read at the time itself
    left, strips, low = (look_up(builder, scope, table, (x,), how) for how in ("left", "area", "backward"))
    middle = Op("/", (Op("+", (low, look_up(builder, scope, table, (x,)))), Const(2.0)))
    return Op("+", (strips, Op("*", (middle, Op("-", (builder.value(scope, x), left))))))


def _table_of(builder: Builder, call: Call) -> Ref:
    table = call.args[0]
    if isinstance(table, Ref) and table.name in builder.table_of:
        return table
    word = call.function.upper().replace("_", " ")
    raise Fault(f"the first argument of {word} must be a lookup", "name a graphical function", call.column)


def area_between(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """LOOKUP AREA(lookup, from, to): the area between, negative where `to` is the smaller; beyond its points a lookup holds
    its ends."""
    table = _table_of(builder, call)
    before, until = (_area_from_first(builder, scope, table, x) for x in call.args[1:])
    return Op("-", (until, before))


def area_up_to(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """Stella's LOOKUPAREA(graph, to, from), either end first: from the first point where `from` is missing, the whole graph where
    both are. Beyond its points a graph counts for nothing (isee's help, "Graphical builtins")."""
    table, ends = _table_of(builder, call), call.args[1:]

    def up_to(x: Expr) -> Code:
        x = Binary("+", x, Number(0.0))
        left, strips, low, last = (look_up(builder, scope, table, (x,), how) for how in ("left", "area", "backward", "last"))
        middle = Op("/", (Op("+", (low, look_up(builder, scope, table, (x,)))), Const(2.0)))
        part = Op("max", (Const(0.0), Op("-", (Op("min", (builder.value(scope, x), last)), left))))
        return Op("+", (strips, Op("*", (middle, part))))

    if not ends:
        shape = builder.model.variables[table.name].dimensions
        if shape:
            raise Fault(f"LOOKUPAREA of the whole of {table.name}, which has elements, is not done", "name an end", call.column)
        return up_to(Number(builder.tables[builder.table_of[table.name]].x[-1]))
    if len(ends) == 1:
        return up_to(ends[0])
    to, since = (up_to(x) for x in ends)
    forwards = Op(">=", (builder.value(scope, ends[0]), builder.value(scope, ends[1])))
    return Op("if", (forwards, Op("-", (to, since)), Op("-", (since, to))))


def slope(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """Vensim's LOOKUP SLOPE(lookup, x, mode): that of the line at x, at a point the mean of the two lines that meet there, and
    missing where two points have one x. Beyond the points it is 0 (mode 0), that of the nearest line (1) or missing (-1).
    (Vensim's help, LOOKUP SLOPE; at the first and the last point, of which it says nothing, it is that of the one line there is.)
    """
    table, x = _table_of(builder, call), call.args[1]
    mode = known(builder.model, scope.outward(call.args[2]))
    if mode not in (0.0, 1.0, -1.0):
        raise Fault("the mode of LOOKUP SLOPE must be 0, 1 or -1, known before the run", "write one of them", call.column)
    x = Binary("+", x, Number(0.0))
    left, last, after, here = (look_up(builder, scope, table, (x,), how) for how in ("left", "last", "slope after", "slope at"))
    at = builder.value(scope, x)
    inside = Op("if", (Op("=", (at, left)), here, after))
    if mode == 1.0:
        return inside
    outside = Const(0.0) if mode == 0.0 else Const(math.nan, missing=True)
    return Op("if", (Op("or", (Op("<", (at, left)), Op(">", (at, last)))), outside, inside))


# --- money and growth over periods -----------------------------------------------------------------------------------


def _compounding(builder: Builder, scope: Scope, call: Call) -> tuple[Code, Code, Code, Code, Code, Code]:
    """Rate, periods, the two sums, what 1 grows to, and what 1 a period, paid at its end, grows to."""
    rate, periods, one, other = (builder.value(scope, arg) for arg in call.args)
    growth = Op("power", (Op("+", (Const(1.0), rate)), periods))
    annuity = Op("if", (Op("=", (rate, Const(0.0))), periods, Op("/", (Op("-", (growth, Const(1.0))), rate))))
    return rate, periods, one, other, growth, annuity


def future_value(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """FV(rate, periods, payment, present value), with the signs of spreadsheets: what is paid out is negative."""
    _, _, payment, present, growth, annuity = _compounding(builder, scope, call)
    return Op("-", (Const(0.0), Op("+", (Op("*", (present, growth)), Op("*", (payment, annuity))))))


def present_value(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """PV(rate, periods, payment, future value)."""
    _, _, payment, future, growth, annuity = _compounding(builder, scope, call)
    return Op("-", (Const(0.0), Op("/", (Op("+", (future, Op("*", (payment, annuity)))), growth))))


def payment(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """PMT(rate, periods, present value, future value)."""
    _, _, present, future, growth, annuity = _compounding(builder, scope, call)
    return Op("-", (Const(0.0), Op("/", (Op("+", (Op("*", (present, growth)), future)), annuity))))


def compound_growth(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """CGROWTH(percent): the rate that, applied in every step, grows a stock by so many per cent in a unit of time."""
    share = Op("/", (builder.value(scope, call.args[0]), Const(100.0)))
    dt = Const(builder.model.specs.dt)
    return Op("/", (Op("-", (Op("power", (Op("+", (Const(1.0), share)), dt)), Const(1.0))), dt))


# --- other forms -----------------------------------------------------------------------------------------------------

MOST_INTERPOLATED = 1_000
"""Most elements of an array that is interpolated: each is written out."""


def between_elements(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """INTERPOLATE(array, share, ...): the value that far along each dimension, from 0, its first element, to 1, its last."""
    array, *shares = call.args
    if not isinstance(array, Ref) or array.subscripts or array.name not in builder.places:
        raise Fault("the first argument of INTERPOLATE must be a whole array", "name it without subscripts", call.column)
    dimensions = [builder.model.dimensions[name] for name in builder.places[array.name].dimensions]
    if len(dimensions) != len(shares) or not dimensions:
        reason = f"INTERPOLATE takes a share for each of the {len(dimensions)} dimensions of {array.name}, not {len(shares)}"
        raise Fault(reason, "write one number from 0 to 1 for each", call.column)
    if math.prod(len(dimension.elements) for dimension in dimensions) > MOST_INTERPOLATED:
        raise Fault(f"INTERPOLATE is done for arrays of at most {MOST_INTERPOLATED:,} elements", "use LOOKUP", call.column)
    places = []
    for share, dimension in zip(shares, dimensions, strict=True):
        bounded = Op("max", (Const(0.0), Op("min", (Const(1.0), builder.value(scope, share)))))
        places.append(Op("*", (bounded, Const(len(dimension.elements) - 1.0))))
    total: Code = Const(0.0)
    for numbers in itertools.product(*(range(len(dimension.elements)) for dimension in dimensions)):
        elements = [Ref(dimension.elements[number]) for dimension, number in zip(dimensions, numbers, strict=True)]
        part = builder.value(scope, Ref(array.name, tuple(elements)))
        for place, number in zip(places, numbers, strict=True):
            apart = Op("abs", (Op("-", (place, Const(float(number)))),))
            part = Op("*", (part, Op("max", (Const(0.0), Op("-", (Const(1.0), apart))))))
        total = Op("+", (total, part))
    return total


def unconnected(builder: Builder, scope: Scope, row: Builtin, call: Call) -> Code:
    """ISMODULEINPUT(input): 0 wherever the reader of modules has not found a connection, and written 1."""
    return Const(0.0)


def look_up(builder: Builder, scope: Scope, table: Ref, args: tuple[Expr, ...], how: str = "") -> Code:
    """A graphical function read at its one argument; `how` as in `Builder.tables_read`."""
    if len(args) != 1:
        raise Fault(f"lookup {table.name} takes one argument and is given {len(args)}", column=table.column)
    variable = builder.model.variables[table.name]
    shape = tuple(len(builder.model.dimensions[name].elements) for name in variable.dimensions)
    first = builder.tables_read(table.name, how, math.prod(shape))
    place = Place(table.name, first, variable.dimensions, shape, variable.role)
    base, terms, picks = subscripts.locate(builder, scope, table, place)
    if table.name in builder.shared:  # one table for all elements
        return read_table(builder, first, builder.value(scope, args[0]))
    if picks:
        raise Fault(f"lookup {table.name} needs elements or dimensions as subscripts", column=table.column)
    return read_table(builder, base, builder.value(scope, args[0]), terms)


def read_table(builder: Builder, table: int, x: Code, terms: tuple[Term, ...] = ()) -> LookupRead:
    """A graphical function read at x. One that jumps, read at the time, is read at the beginning of the step."""
    if isinstance(x, Now) and builder.tables[table].kind is LookupKind.DISCRETE and not builder.looks_once:
        x = Now(begun=True)
    return LookupRead(table, x, terms)
