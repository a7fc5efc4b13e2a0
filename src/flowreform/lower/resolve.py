"""Expressions of names to expressions of slots."""

from __future__ import annotations

import math
from collections.abc import Callable

from flowreform import builtins
from flowreform.builtins import Builtin, Kind
from flowreform.lower import forms, macros, noise, state, subscripts, vectors
from flowreform.lower.known import clock
from flowreform.lower.missing import COMPARISONS, compared
from flowreform.lower.scope import Builder, Fault, Scope
from flowreform.model import Binary, Call, Expr, Number, Ref, Star, Unary
from flowreform.program import Code, Const, Now, Op, Ordinal, Read

_OPERATORS = {"+", "-", "*", "/", "=", "<>", "<", "<=", ">", ">=", "and", "or"}


def resolve(builder: Builder, scope: Scope, expr: Expr) -> Code:
    """The code of an expression. Raises `Fault` for anything that has no meaning here."""
    match expr:
        case Number(value):
            return Const(value, missing=math.isnan(value))
        case Ref():
            return _reference(builder, scope, expr)
        case Unary(op, operand):
            return _unary(op, resolve(builder, scope, operand))
        case Binary(op, left, right):
            a, b = resolve(builder, scope, left), resolve(builder, scope, right)
            return compared(op, a, b) if op in COMPARISONS and builder.has_missing else _binary(op, a, b)
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
        base, terms, picks = subscripts.locate(builder, scope, ref, place)
        return Read(base, terms, picks)
    if ref.name in builder.table_of:
        raise Fault(f"{ref.name} is a lookup and needs what it is read at", f"write {ref.name}(x)", ref.column)
    dimension = builder.model.dimensions.get(ref.name)
    if dimension is not None:
        # A subrange counts in its whole dimension, so that the same element has the same number under both names.
        whole = builder.model.dimensions.get(dimension.parent or "", dimension)
        offset, term = subscripts.running(builder, scope, dimension, whole, 1)
        return Ordinal(offset, (term,))
    row = builtins.find(ref.name)
    if row is not None:
        return _value(builder, row, ref)
    for dimension in builder.model.dimensions.values():
        if ref.name in dimension.elements:
            whole = builder.model.dimensions.get(dimension.parent or "", dimension)
            return Const(float(whole.elements.index(ref.name) + 1))
    owner, _, inner = ref.name.rpartition(".")
    if owner in builder.model.dimensions and inner in builder.model.dimensions[owner].elements:
        return Const(float(builder.model.dimensions[owner].elements.index(inner) + 1))
    near = builder.near(ref.name, (*builder.places, *builder.table_of))
    raise Fault(f"{ref.name} is not defined", near or "define it, or correct the name", ref.column)


def _value(builder: Builder, row: Builtin, ref: Ref) -> Code:
    if row.kind is Kind.REFUSED:
        raise Fault(f"{row.name.upper()} is not done here: {row.note}", column=ref.column)
    if row.kind is not Kind.VALUE:
        raise Fault(f"{row.name.upper()} is a function and needs arguments", f"write {row.name.upper()}(...)", ref.column)
    if row.name == "time":
        return Now()
    if row.name == "nan":
        return Const(math.nan, missing=True)
    return Const({**clock(builder.model.specs), "pi": math.pi, "inf": math.inf}[row.name])


# --- calls -----------------------------------------------------------------------------------------------------------


def _call(builder: Builder, scope: Scope, call: Call) -> Code:
    if call.function in scope.tables and len(call.args) == 1:
        return forms.read_table(builder, scope.tables[call.function], resolve(builder, scope, call.args[0]))
    if call.function in builder.model.macros:
        return macros.expand(builder, scope, builder.model.macros[call.function], call)
    if call.function in builder.table_of:
        return forms.look_up(builder, scope, Ref(call.function, (), call.column), call.args)
    row = builtins.find(call.function)
    if row is None:
        hint = builder.near(call.function, (*builtins.BUILTINS, *builder.table_of))
        raise Fault(f"there is no function {call.function.upper()}", hint or "use a function that there is", call.column)
    if row.kind is Kind.REFUSED:
        raise Fault(f"{call.function.upper()} is not done here: {row.note}", column=call.column)
    if not row.takes(len(call.args)):
        wanted = f"{row.least}" if row.most == row.least else f"{row.least} to {row.most or 'any number of'}"
        raise Fault(f"{call.function.upper()} takes {wanted} arguments and is given {len(call.args)}", column=call.column)
    if row.kind is Kind.VALUE:
        return _value(builder, row, Ref(row.name, (), call.column))
    if row.kind in (Kind.STATE, Kind.VECTOR) and scope.stars is not None:
        reason = f"{call.function.upper()} stands inside a reduction"
        raise Fault(reason, "give it a variable of its own and reduce that", call.column)
    if row.lowering:
        return lowering(row)(builder, scope, row, call)
    if row.repeats:
        return forms.folded(builder, scope, row, call)
    code = Op("/" if row.name == "divide" else row.name, arguments(builder, scope, row, call))
    return builder.decided(scope, code) if row.held else code


_MODULES = {"forms": forms, "noise": noise, "state": state, "vectors": vectors}


def lowering(row: Builtin) -> Callable[[Builder, Scope, Builtin, Call], Code]:
    """The function that a built-in's record names."""
    module, _, function = row.lowering.partition(".")
    return getattr(_MODULES[module], function)  # type: ignore[no-any-return]


def arguments(builder: Builder, scope: Scope, row: Builtin, call: Call) -> tuple[Code, ...]:
    """The arguments of a call, with the defaults of those left out."""
    args = [resolve(builder, scope, arg) for arg in call.args]
    for argument in row.arguments[len(args) :]:
        args.append(Const(builder.model.specs.start if argument.default == "start" else float(argument.default)))
    return tuple(args)
