"""Expressions of names to expressions of slots."""

from __future__ import annotations

import math
from collections.abc import Callable

from flowreform import functions
from flowreform.errors import did_you_mean
from flowreform.functions import Builtin, Kind
from flowreform.lower import state, subscripts
from flowreform.lower.known import clock, known
from flowreform.lower.scope import Builder, Fault, Running, Scope
from flowreform.model import Binary, Call, Dimension, Expr, Number, Ref, Star, Unary
from flowreform.program import Code, Const, LookupRead, Now, Op, Ordinal, Pick, Place, Read, Reduce, Term

_OPERATORS = {"+", "-", "*", "/", "=", "<>", "<", "<=", ">", ">=", "and", "or"}


def resolve(builder: Builder, scope: Scope, expr: Expr) -> Code:
    """The code of an expression. Raises `Fault` for anything that has no meaning here."""
    match expr:
        case Number(value):
            return Const(value)
        case Ref():
            return _reference(builder, scope, expr)
        case Unary(op, operand):
            return _unary(op, resolve(builder, scope, operand))
        case Binary(op, left, right):
            return _binary(op, resolve(builder, scope, left), resolve(builder, scope, right))
        case Call():
            return _call(builder, scope, expr)
        case Star():
            raise Fault("a whole dimension stands where a number is wanted", "reduce it with SUM, MEAN, MIN, MAX or PROD")


def _unary(op: str, operand: Code) -> Code:
    if op == "not":
        return Op("not", (operand,))
    if op == "+":
        return operand
    return Const(-operand.value) if isinstance(operand, Const) else Op("neg", (operand,))


def _binary(op: str, left: Code, right: Code) -> Code:
    if op in _OPERATORS:
        return Op(op, (left, right))
    if op == "^":
        # x^2 is a multiplication in both engines; a compiler would fold any literal power in a way of its own.
        return Op("square", (left,)) if right == Const(2.0) else Op("power", (left, right))
    if op == "mod":
        return Op("modulo", (left, right))
    raise Fault(f"unknown operator {op}")


# --- names -----------------------------------------------------------------------------------------------------------


def _reference(builder: Builder, scope: Scope, ref: Ref) -> Code:
    if ref.name in scope.local and not ref.subscripts:
        return scope.local[ref.name]
    if ref.name == "self" and "self" not in builder.places:
        return _reference(builder, scope, Ref(scope.name, ref.subscripts, ref.column))
    place = builder.places.get(ref.name)
    if place is not None:
        base, terms, picks = locate(builder, scope, ref, place)
        return Read(base, terms, picks)
    if ref.name in builder.table_of:
        raise Fault(f"{ref.name} is a lookup and needs what it is read at", f"write {ref.name}(x)", ref.column)
    dimension = builder.model.dimensions.get(ref.name)
    if dimension is not None:
        # A subrange counts in its whole dimension, so that the same element has the same number under both names.
        whole = builder.model.dimensions.get(dimension.parent or "", dimension)
        offset, term = subscripts.running(builder, scope, dimension, whole, 1)
        return Ordinal(offset, (term,))
    row = functions.find(ref.name)
    if row is not None:
        return _value(builder, row, ref)
    for dimension in builder.model.dimensions.values():
        if ref.name in dimension.elements:
            whole = builder.model.dimensions.get(dimension.parent or "", dimension)
            return Const(float(whole.elements.index(ref.name) + 1))
    near = did_you_mean(ref.name, (*builder.places, *builder.table_of))
    raise Fault(f"{ref.name} is not defined", near or "define it, or correct the name", ref.column)


def _value(builder: Builder, row: Builtin, ref: Ref) -> Code:
    if row.kind is Kind.REFUSED:
        raise Fault(f"{row.name.upper()} is not done here: {row.note}", column=ref.column)
    if row.kind is not Kind.VALUE:
        raise Fault(f"{row.name.upper()} is a function and needs arguments", f"write {row.name.upper()}(...)", ref.column)
    if row.name == "time":
        return Now()
    return Const({**clock(builder.model.specs), "pi": math.pi, "inf": math.inf, "nan": math.nan}[row.name])


def locate(builder: Builder, scope: Scope, ref: Ref, place: Place) -> tuple[int, tuple[Term, ...], tuple[Pick, ...]]:
    """First slot, loop terms and running subscripts of a reference."""
    dimensions = [builder.model.dimensions[name] for name in place.dimensions]
    given: tuple[Expr | None, ...] = ref.subscripts or (None,) * len(dimensions)
    if len(given) != len(dimensions):
        raise Fault(
            f"{ref.name} has {len(dimensions)} dimension{'s' * (len(dimensions) != 1)}"
            f" ({', '.join(place.dimensions) or 'none'}) and is given {len(given)} subscript{'s' * (len(given) != 1)}",
            "one subscript per dimension",
            ref.column,
        )
    base, terms, picks = place.base, [], []
    named: dict[str, int] = {}
    for axis, stride, subscript in zip(dimensions, subscripts.strides(place.shape), given, strict=True):
        if subscript is None and scope.stars is not None:
            subscript = Star()
        if subscript is None:
            offset, term = _implied(builder, scope, ref, axis, stride)
        elif isinstance(subscript, Star):
            offset, term = _starred(builder, scope, subscript, axis, stride, named)
        else:
            position = subscripts.element(axis, subscript)
            if position is not None:
                base += position * stride
                continue
            dimension = builder.model.dimensions.get(subscript.name) if isinstance(subscript, Ref) else None
            if dimension is None or (isinstance(subscript, Ref) and subscript.name in builder.places):
                picks.append(Pick(_index(builder, scope, axis, subscript), stride, len(axis.elements)))
                continue
            try:
                offset, term = subscripts.running(builder, scope, dimension, axis, stride)
            except Fault:
                if scope.stars is None:
                    raise
                # MIN(x[d]) where the equation does not run over d: the dimension's name means all of it.
                offset, term = _starred(builder, scope, Star(dimension.name), axis, stride, named)
        base += offset
        terms.append(term)
    return base, tuple(terms), tuple(picks)


def _implied(builder: Builder, scope: Scope, ref: Ref, axis: Dimension, stride: int) -> tuple[int, Term]:
    """The loop meant by an arrayed variable without brackets: the equation runs over the same dimension."""
    try:
        return subscripts.running(builder, scope, axis, axis, stride)
    except Fault:
        raise Fault(
            f"{ref.name} is arrayed over {axis.label}, and the equation is not",
            f"name an element ({ref.name}[{axis.elements[0]}]), reduce it with SUM, or give the variable that dimension",
            ref.column,
        ) from None


def _starred(builder: Builder, scope: Scope, star: Star, axis: Dimension, stride: int, named: dict[str, int]) -> tuple[int, Term]:
    if scope.stars is None:
        raise Fault("a whole dimension stands where a number is wanted", "reduce it with SUM, MEAN, MIN, MAX or PROD")
    dimension = subscripts.star_dimension(builder, star, axis)
    occurrence = named.get(dimension.name, 0)
    named[dimension.name] = occurrence + (star.dimension is None)
    key = (dimension.name, occurrence)
    if key not in scope.stars:
        scope.stars[key] = Running(builder.loop(len(dimension.elements)), dimension)
    found = subscripts.term(builder, scope.stars[key], axis, stride)
    if found is None:
        raise Fault(f"dimension {dimension.label} does not fit where {axis.label} is wanted")
    return found


def _index(builder: Builder, scope: Scope, axis: Dimension, subscript: Expr) -> Code:
    if isinstance(subscript, Ref) and subscript.name not in builder.places and functions.find(subscript.name) is None:
        hint = did_you_mean(subscript.name, (*axis.elements, *builder.model.dimensions))
        raise Fault(f"{subscript.name} is no element of dimension {axis.label} and no variable", hint, subscript.column)
    return resolve(builder, scope, subscript)


# --- calls -----------------------------------------------------------------------------------------------------------


def _call(builder: Builder, scope: Scope, call: Call) -> Code:
    if call.function in scope.tables and len(call.args) == 1:
        return LookupRead(scope.tables[call.function], resolve(builder, scope, call.args[0]))
    if call.function in builder.model.macros:
        from flowreform.lower import macros

        return macros.expand(builder, scope, builder.model.macros[call.function], call)
    if call.function in builder.table_of:
        return _look_up(builder, scope, Ref(call.function, (), call.column), call.args)
    row = functions.find(call.function)
    if row is None:
        hint = did_you_mean(call.function, (*functions.BUILTINS, *builder.table_of))
        raise Fault(f"there is no function {call.function.upper()}", hint or "use a function that there is", call.column)
    if row.kind is Kind.REFUSED:
        raise Fault(f"{call.function.upper()} is not done here: {row.note}", column=call.column)
    if row.name in ("min", "max") and len(call.args) != 2:
        return _extreme(builder, scope, row.name, call)
    if len(call.args) < row.least or (row.most is not None and len(call.args) > row.most):
        wanted = f"{row.least}" if row.most == row.least else f"{row.least} to {row.most}"
        raise Fault(f"{call.function.upper()} takes {wanted} arguments and is given {len(call.args)}", column=call.column)
    if row.kind is Kind.REDUCE:
        return _reduce(builder, scope, row.name, call.args[0])
    if row.kind is Kind.VECTOR:
        from flowreform.lower import vectors

        return vectors.expand(builder, scope, row.name, call)
    if row.kind is Kind.FORM:
        return _form(builder, scope, row.name, call)
    if row.kind is Kind.STATE:
        if scope.stars is not None:
            raise Fault(
                f"{call.function.upper()} stands inside a reduction", "give it a variable of its own and reduce that", call.column
            )
        return state.expand(builder, scope, row.name, [resolve(builder, scope, arg) for arg in call.args], call)
    if row.kind is Kind.VALUE:
        return _value(builder, row, Ref(row.name, (), call.column))
    args = tuple(resolve(builder, scope, arg) for arg in call.args)
    return _with_defaults(builder, row, args)


def _with_defaults(builder: Builder, row: Builtin, args: tuple[Code, ...]) -> Code:
    """The call with every optional argument filled in."""
    defaults: dict[str, tuple[Code, ...]] = {
        "safediv": (Const(0.0),),
        "ramp": (Const(math.inf),),
        "pulse": (Const(builder.model.specs.start), Const(0.0)),
    }
    if row.most is not None and len(args) < row.most:
        args = (*args, *defaults[row.name][len(args) - row.most :])
    if row.name == "divide":
        return Op("/", args)
    return Op(row.name, args)


def _extreme(builder: Builder, scope: Scope, name: str, call: Call) -> Code:
    """MIN or MAX of one array, or of more than two numbers."""
    if not call.args:
        raise Fault(f"{name.upper()} takes at least one argument", column=call.column)
    if len(call.args) == 1:
        return _reduce(builder, scope, f"v{name}", call.args[0])
    result = resolve(builder, scope, call.args[0])
    for arg in call.args[1:]:
        result = Op(name, (result, resolve(builder, scope, arg)))
    return result


def _reduce(builder: Builder, scope: Scope, name: str, body: Expr) -> Code:
    inner = scope.reducing()
    code = resolve(builder, inner, body)
    assert inner.stars is not None
    loops = [run.loop for run in inner.stars.values()]
    count = Const(float(math.prod(loop.size for loop in loops)))

    def fold(op: str, code: Code) -> Code:
        for loop in loops:
            code = Reduce(op, loop.number, loop.size, code)
        return code

    folds: dict[str, Callable[[], Code]] = {
        "sum": lambda: fold("+", code),
        "prod": lambda: fold("*", code),
        "vmin": lambda: fold("min", code),
        "vmax": lambda: fold("max", code),
        "mean": lambda: Op("/", (fold("+", code), count)),
        "size": lambda: count,
        "stddev": lambda: _deviation(builder, scope, body, fold("+", code), count),
    }
    return folds[name]()


def _deviation(builder: Builder, scope: Scope, body: Expr, total: Code, count: Const) -> Code:
    """The population standard deviation: the root of the mean squared distance from the mean."""
    mean = Op("/", (total, count))
    inner = scope.reducing()
    distance: Code = Op("square", (Op("-", (resolve(builder, inner, body), mean)),))
    for run in (inner.stars or {}).values():
        distance = Reduce("+", run.loop.number, run.loop.size, distance)
    return Op("sqrt", (Op("/", (distance, count)),))


def _form(builder: Builder, scope: Scope, name: str, call: Call) -> Code:
    if name == "if":
        return Op("if", tuple(resolve(builder, scope, arg) for arg in call.args))
    if name == "game":
        return resolve(builder, scope, call.args[0])
    if name.startswith("lookup"):
        table = call.args[0]
        if not isinstance(table, Ref) or table.name not in builder.table_of:
            word = call.function.upper().replace("_", " ")
            raise Fault(f"the first argument of {word} must be a lookup", "name a graphical function", call.column)
        return _look_up(builder, scope, table, call.args[1:], name.partition("_")[2])
    if name == "get_time_value":
        return _time_value(builder, scope, call)
    raise Fault(f"{call.function.upper()} must stand alone on the right side of an equation", column=call.column)


def _time_value(builder: Builder, scope: Scope, call: Call) -> Code:
    """GET TIME VALUE(relative to, offset, measure), in units of Time: from now (0) or from the start of the run (1)."""
    relative, measure = known(builder.model, call.args[0]), known(builder.model, call.args[2])
    if relative == 2.0:
        raise Fault("GET TIME VALUE(2, ...) reads the clock", "a run must be repeatable from its inputs alone", call.column)
    if relative not in (0.0, 1.0) or measure != 0.0:
        raise Fault(
            "GET TIME VALUE is done for the model's own time only",
            "write 0 or 1 for its first argument and 0 for its last",
            call.column,
        )
    origin: Code = Now() if relative == 0.0 else Const(builder.model.specs.start)
    return Op("+", (origin, resolve(builder, scope, call.args[1])))


def _look_up(builder: Builder, scope: Scope, table: Ref, args: tuple[Expr, ...], how: str = "") -> Code:
    if len(args) != 1:
        raise Fault(f"lookup {table.name} takes one argument and is given {len(args)}", column=table.column)
    variable = builder.model.variables[table.name]
    shape = tuple(len(builder.model.dimensions[name].elements) for name in variable.dimensions)
    first = builder.tables_read(table.name, how, math.prod(shape))
    place = Place(table.name, first, variable.dimensions, shape, variable.role)
    base, terms, picks = locate(builder, scope, table, place)
    if table.name in builder.shared:  # one table for all elements
        return LookupRead(first, resolve(builder, scope, args[0]))
    if picks:
        raise Fault(f"lookup {table.name} needs elements or dimensions as subscripts", column=table.column)
    return LookupRead(base, resolve(builder, scope, args[0]), terms)
