"""Expressions worked out before a run, from literals and names whose value is known."""

from __future__ import annotations

from collections.abc import Callable

from flowreform import builtins
from flowreform.arithmetic import divide, modulo, power
from flowreform.model import Binary, Call, Expr, Number, Ref, Unary, children

_OPERATORS: dict[str, Callable[[float, float], float]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": divide,
    "^": power,
    "mod": modulo,
    "and": lambda a, b: float(bool(a) and bool(b)),
    "or": lambda a, b: float(bool(a) or bool(b)),
    "=": lambda a, b: float(a == b),
    "<>": lambda a, b: float(a != b),
    "<": lambda a, b: float(a < b),
    "<=": lambda a, b: float(a <= b),
    ">": lambda a, b: float(a > b),
    ">=": lambda a, b: float(a >= b),
}


ValueOf = Callable[[Ref], float | None]
ValueOfCall = Callable[[str, list[float]], float | None]


def evaluate(expr: Expr, value_of: ValueOf, own: ValueOfCall) -> float | None:
    """The number an expression comes to when all it reads is known; None otherwise. Without recursion.

    `value_of` knows names; `own` answers for calls that are no plain function of numbers (None where it cannot)."""
    done: list[float | None] = []
    work: list[tuple[Expr, bool]] = [(expr, False)]
    while work:
        part, ready = work.pop()
        inside = () if isinstance(part, Ref) else children(part)
        if inside and not ready:
            work.append((part, True))
            work.extend((child, False) for child in reversed(inside))
            continue
        first = len(done) - len(inside)
        given = done[first:]
        del done[first:]
        done.append(value_of(part) if isinstance(part, Ref) else _combine(part, given, own))
    return done[0]


def nothing(_: str, __: list[float]) -> None:
    """No call but plain functions of numbers is known."""


def _combine(expr: Expr, given: list[float | None], own: ValueOfCall) -> float | None:
    if isinstance(expr, Call) and len(given) == 3 and (row := builtins.find(expr.function)) is not None and row.name == "if":
        return None if given[0] is None else given[1] if given[0] else given[2]
    numbers = [value for value in given if value is not None]
    if len(numbers) != len(given):
        return None
    match expr:
        case Number(value):
            return value
        case Unary("-", _):
            return -numbers[0]
        case Unary("not", _):
            return float(not numbers[0])
        case Unary():
            return numbers[0]
        case Binary(op, _, _):
            return _OPERATORS[op](*numbers) if op in _OPERATORS else None
        case Call(function, _):
            row = builtins.find(function)
            result = row.of(numbers) if row is not None else None
            return own(function, numbers) if result is None else result
        case _:
            return None
