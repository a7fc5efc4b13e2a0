"""Which way links act: by finite differences along runs, and by the structure of the equations alone."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from itertools import pairwise
from typing import TYPE_CHECKING

from flowreform.links.course import Course
from flowreform.links.scores import Link
from flowreform.program import Assign, Code, Const, LookupRead, Op, Ordinal, Past, Program, Read, Reduce, bind

if TYPE_CHECKING:
    import numpy as np

NUDGE = 1e-6
"""A slot is moved by this share of its largest value, to either side."""
FLAT = 1e-11
"""What moves the result by less than this share of its largest value has no sign there."""


def signs(course: Course, links: Collection[Link], most: int = 1_000) -> dict[Link, np.ndarray]:
    """The sign of each link at each step of a run, int8[step]: of the partial derivative, by central differences; 0 where the
    one does not act on the other. Of a long run `most` steps at most are looked at, evenly apart."""
    import numpy as np

    steps = np.arange(0, len(course.times), -(-len(course.times) // most))
    finite = np.where(np.isfinite(course.values), course.values, 0.0)
    sizes = np.abs(finite).max(axis=1)
    found: dict[Link, np.ndarray] = {}
    for source, target in links:
        code = equation(course, target).code
        nudge = NUDGE * (float(sizes[source]) or 1.0)

        def moved(by: float, code: Code = code, source: int = source) -> np.ndarray:
            return course.evaluate(code, steps, lambda slot: finite[slot][steps] + (by if slot == source else 0.0))

        up, down, level = moved(nudge), moved(-nudge), moved(0.0)
        size = float(np.abs(level[np.isfinite(level)]).max(initial=0.0))
        change = np.where(np.isfinite(up) & np.isfinite(down), up - down, 0.0)
        found[source, target] = np.where(np.abs(change) > FLAT * size, np.sign(change), 0.0).astype(np.int8)
    return found


def equation(course: Course, slot: int) -> Assign:
    """What a slot follows: its rate, what it remembers, or its equation."""
    for table in (course.rates, course.after, course.within):
        if slot in table:
            return table[slot]
    raise KeyError(slot)


def constant_signs(along: Iterable[Mapping[Link, np.ndarray]]) -> dict[Link, int]:
    """The links that act one way wherever they act, over all runs: 1 or -1."""
    seen: dict[Link, set[int]] = {}
    for run in along:
        for link, values in run.items():
            seen.setdefault(link, set()).update(int(value) for value in set(values.tolist()) if value)
    return {link: next(iter(values)) for link, values in seen.items() if len(values) == 1}


# --- by structure ----------------------------------------------------------------------------------------------------


def structural_sign(code: Code, slot: int, program: Program) -> int | None:
    """The sign of an expression's derivative with respect to a slot, with every variable taken to be 0 or more: 1, -1, 0 (not
    read), None where the equation alone does not say."""
    match code:
        case Read(base, _, picks):
            if picks:
                return None if slot >= base else 0
            return 1 if base == slot else 0
        case LookupRead(table, x, _):
            inner = structural_sign(x, slot, program)
            points = program.tables[table].y
            rising = all(a <= b for a, b in pairwise(points))
            falling = all(a >= b for a, b in pairwise(points))
            return 0 if inner == 0 else None if inner is None or rising == falling else inner if rising else -inner
        case Reduce(op, loop, size, body):
            parts = [structural_sign(bind(body, loop, i), slot, program) for i in range(size)]
            return _joined(parts) if op != "*" else None if any(part != 0 for part in parts) else 0
        case Past(number, _, _, _):
            return 1 if program.remembered[number] == slot else 0
        case Op(name, args):
            return _of_operation(name, args, slot, program)
        case _:
            return 0


def _of_operation(name: str, args: tuple[Code, ...], slot: int, program: Program) -> int | None:
    inner = [structural_sign(arg, slot, program) for arg in args]
    if all(sign == 0 for sign in inner):
        return 0
    match name:
        case "+" | "min" | "max":
            return _joined(inner)
        case "-":
            return _joined([inner[0], _negative(inner[1])])
        case "neg":
            return _negative(inner[0])
        case "*":
            return _joined([_times(inner[0], _value(args[1])), _times(inner[1], _value(args[0]))])
        case "/":
            over = _times(_negative(inner[1]), _value(args[0]))
            return _joined([_times(inner[0], _value(args[1])), over])
        case "safe_divide" | "guarded_divide":
            over = _times(_negative(inner[1]), _value(args[0]))
            return _joined([_times(inner[0], _value(args[1])), over]) if inner[2] == 0 else None
        case "if":
            return _joined(inner[1:]) if inner[0] == 0 else None
        case "sqrt" | "exp" | "ln" | "log10" | "square" | "floor" | "round" | "int":
            return inner[0]
        case _:
            return None


def _value(code: Code) -> int | None:
    """The sign of an expression's own value, with every variable 0 or more."""
    match code:
        case Const(value):
            return (value > 0) - (value < 0)
        case Read() | Ordinal():
            return 1
        case LookupRead() | Reduce() | Past():
            return None
        case Op("neg", (inner,)):
            return _negative(_value(inner))
        case Op("+" | "*" | "/" | "min" | "max" | "safe_divide" | "guarded_divide", args):
            parts = {_value(arg) for arg in args} - {0}
            return 1 if parts <= {1} else None
        case Op("-", (Const(1.0), _)):  # one less a share
            return 1
        case Op("if", (_, yes, no)):
            parts = {_value(yes), _value(no)} - {0}
            return parts.pop() if len(parts) == 1 else None
        case Op("exp" | "sqrt" | "square"):
            return 1
        case _:
            return None


def _joined(parts: list[int | None]) -> int | None:
    kinds = set(parts) - {0}
    return 0 if not kinds else kinds.pop() if len(kinds) == 1 else None


def _negative(sign: int | None) -> int | None:
    return None if sign is None else -sign


def _times(a: int | None, b: int | None) -> int | None:
    return 0 if a == 0 else None if a is None or b is None else a * b
