"""Calls that become other expressions: reductions over whole dimensions, IF, lookups, MIN and MAX of many values."""

from __future__ import annotations

import math
from functools import partial

from flowreform.builtins import Builtin
from flowreform.lower import subscripts
from flowreform.lower.known import known
from flowreform.lower.scope import Builder, Fault, Running, Scope
from flowreform.model import Call, Expr, LookupKind, Ref
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
    table = call.args[0]
    if not isinstance(table, Ref) or table.name not in builder.table_of:
        word = call.function.upper().replace("_", " ")
        raise Fault(f"the first argument of {word} must be a lookup", "name a graphical function", call.column)
    return look_up(builder, scope, table, call.args[1:], row.name.partition("_")[2])


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
