"""Numbers that are known before a run: what fixes a model's structure (orders of delays) must be one of these."""

from __future__ import annotations

from flowreform import functions
from flowreform.arithmetic import divide, modulo, power
from flowreform.functions import Kind
from flowreform.model import Binary, Call, Expr, Model, Number, Ref, Role, Unary, walk

DEEPEST = 50


def known(model: Model, expr: Expr | None, depth: int = 0) -> float | None:
    """The value of an expression at the start time if it follows from literals and parameters alone, else None.

    Scalars only; stocks, lookups and functions with a memory are not known."""
    if expr is None or depth > DEEPEST:
        return None
    match expr:
        case Number(value):
            return value
        case Unary(op, operand):
            inner = known(model, operand, depth + 1)
            if inner is None or op == "not":
                return None
            return -inner if op == "-" else inner
        case Binary(op, left, right):
            a, b = known(model, left, depth + 1), known(model, right, depth + 1)
            return None if a is None or b is None else _operate(op, a, b)
        case Ref(name, ()):
            return _named(model, name, depth)
        case Call(function, args):
            values = [known(model, arg, depth + 1) for arg in args]
            numbers = [value for value in values if value is not None]
            return _called(model, function, numbers) if len(numbers) == len(values) else None
        case _:
            return None


def _operate(op: str, a: float, b: float) -> float | None:
    table = {"+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b, "/": lambda: divide(a, b), "^": lambda: power(a, b)}
    table["mod"] = lambda: modulo(a, b)
    return table[op]() if op in table else None


def _named(model: Model, name: str, depth: int) -> float | None:
    variable = model.variables.get(name)
    if variable is not None:
        plain = not variable.dimensions and len(variable.equations) == 1 and variable.equations[0].lookup is None
        moving = variable.role in ("stock", "lookup")
        return known(model, variable.equations[0].expr, depth + 1) if plain and not moving else None
    specs = model.specs
    return {
        "time": specs.start,
        "dt": specs.dt,
        "time_step": specs.dt,
        "starttime": specs.start,
        "initial_time": specs.start,
        "stoptime": specs.stop,
        "final_time": specs.stop,
    }.get(name)


def _called(model: Model, function: str, numbers: list[float]) -> float | None:
    row = functions.find(function)
    if row is None or row.python is None or not row.least <= len(numbers) <= (row.most or len(numbers)):
        return None
    if row.kind is Kind.PURE and row.most == len(numbers):
        return row.python(*numbers)
    if row.name == "step":
        return row.python(model.specs.start, model.specs.dt, *numbers)
    return None


def is_fixed(model: Model, expr: Expr) -> bool:
    """Whether an expression has one value throughout a run: literals, parameters and plain functions of them."""
    waiting: list[Expr] = [expr]
    seen: set[str] = set()
    while waiting:
        for part in walk(waiting.pop()):
            if isinstance(part, Ref):
                variable = model.variables.get(part.name)
                if variable is None and part.name in ("time", "self"):
                    return False
                if variable is None or variable.role is Role.PARAMETER or variable.name in seen:
                    continue
                if variable.role not in (Role.AUXILIARY, Role.FLOW):
                    return False
                seen.add(variable.name)
                waiting.extend(equation.expr for equation in variable.equations if equation.expr is not None)
            elif isinstance(part, Call):
                row = functions.find(part.function)
                if row is None or row.kind is Kind.TIMED or row.kind is Kind.STATE or row.name in ("time", "get_time_value"):
                    return False
    return True
