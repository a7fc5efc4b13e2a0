"""Numbers that are known before a run: what fixes a model's structure (orders of delays) must be one of these."""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection

from flowreform import functions
from flowreform.arithmetic import divide, modulo, power
from flowreform.functions import Kind
from flowreform.model import Binary, Call, Expr, Model, Number, Ref, Role, SimSpecs, Unary, walk

DEEPEST = 50

_OPERATORS: dict[str, Callable[[float, float], float]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": divide,
    "^": power,
    "mod": modulo,
}


def clock(specs: SimSpecs) -> dict[str, float]:
    """The names that stand for a number of the simulation's own settings."""
    return {
        "dt": specs.dt,
        "time_step": specs.dt,
        "starttime": specs.start,
        "initial_time": specs.start,
        "stoptime": specs.stop,
        "final_time": specs.stop,
        "saveper": specs.save_every or specs.dt,
    }


def known(model: Model, expr: Expr | None) -> float | None:
    """The value of an expression at the start time if it follows from literals and parameters alone, else None.

    Scalars only; stocks, lookups and functions with a memory are not known, nor is what stands too deep."""
    return _Values(model).of(expr, 0)


class _Values:
    """What one question has found out: each variable is worked out once, however often it is read."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.found: dict[str, float | None] = {}

    def of(self, expr: Expr | None, depth: int) -> float | None:
        if expr is None or depth > DEEPEST:
            return None
        match expr:
            case Number(value):
                return value
            case Unary(op, operand):
                inner = self.of(operand, depth + 1)
                if inner is None or op == "not":
                    return None
                return -inner if op == "-" else inner
            case Binary(op, left, right):
                a, b = self.of(left, depth + 1), self.of(right, depth + 1)
                return None if a is None or b is None or op not in _OPERATORS else _OPERATORS[op](a, b)
            case Ref(name, ()):
                if name not in self.found:
                    self.found[name] = None  # a circle is not known
                    self.found[name] = self._named(name, depth)
                return self.found[name]
            case Call(function, args):
                values = [self.of(arg, depth + 1) for arg in args]
                numbers = [value for value in values if value is not None]
                return self._called(function, numbers) if len(numbers) == len(values) else None
            case _:
                return None

    def _named(self, name: str, depth: int) -> float | None:
        variable = self.model.variables.get(name)
        if variable is not None:
            plain = not variable.dimensions and len(variable.equations) == 1 and variable.equations[0].lookup is None
            moving = variable.role in ("stock", "lookup")
            return self.of(variable.equations[0].expr, depth + 1) if plain and not moving else None
        return self.model.specs.start if name == "time" else clock(self.model.specs).get(name)

    def _called(self, function: str, numbers: list[float]) -> float | None:
        row = functions.find(function)
        if row is None or row.python is None or not row.least <= len(numbers) <= (row.most or len(numbers)):
            return None
        if row.kind is Kind.PURE and row.most == len(numbers):
            return row.python(*numbers)
        if row.name == "step":
            return row.python(self.model.specs.start, self.model.specs.dt, *numbers)
        return None


def is_fixed(model: Model, expr: Expr, timed: Collection[str] = ()) -> bool:
    """Whether an expression has one value throughout a run: literals, parameters and plain functions of them.

    `timed` names parameters that vary over time."""
    waiting: list[Expr] = [expr]
    seen: set[str] = set()
    while waiting:
        for part in walk(waiting.pop()):
            if isinstance(part, Ref):
                variable = model.variables.get(part.name)
                if (variable is None and part.name in ("time", "self")) or part.name in timed:
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
