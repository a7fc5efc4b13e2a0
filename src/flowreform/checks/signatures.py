"""The unit rules of built-ins: `a/T` as the powers of its letters, and the units of calls found by them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from flowreform.builtins import Builtin
from flowreform.units import NUMBER, Unit, ratio

Terms = tuple[tuple[str, float], ...]
"""Letters and their exponents; nothing is a number."""


@dataclass(frozen=True, slots=True)
class Signature:
    """The units of each argument and of the result; None is anything. The last argument repeats when `repeats`."""

    arguments: tuple[Terms | None, ...]
    result: Terms | None
    repeats: bool = False

    def argument(self, at: int) -> Terms | None:
        """What the argument at a place must be."""
        if at < len(self.arguments):
            return self.arguments[at]
        return self.arguments[-1] if self.repeats and self.arguments else None


@cache
def signature(row: Builtin) -> Signature:
    """The units of a built-in, as its record spells them."""
    return Signature(tuple(_terms(argument.unit) for argument in row.arguments), _terms(row.result), row.repeats)


def _terms(text: str) -> Terms | None:
    return None if "?" in text else tuple(_factors(text))


def _factors(text: str) -> Iterator[tuple[str, float]]:
    sign = 1.0
    for part in text.replace("*", " * ").replace("/", " / ").split():
        if part in ("*", "/"):
            sign = 1.0 if part == "*" else -1.0
            continue
        letter, _, power = part.partition("^")
        if letter != "1":
            yield letter, sign * float(power or 1.0)


@dataclass(frozen=True, slots=True)
class Misfit:
    """The argument at a place has another unit than it must."""

    at: int
    given: Unit
    wanted: Unit


def match(row: Signature, given: Sequence[Unit | None], time: Unit | None) -> tuple[Unit | None, tuple[Misfit, ...]]:
    """The unit of a call from those of its arguments (None: any), and the arguments that do not fit.

    A letter is bound by the first argument that says what it must be."""
    bound: dict[str, Unit] = {} if time is None else {"T": time}
    misfits = []
    for at, unit in enumerate(given):
        terms = row.argument(at)
        if terms is None or unit is None:
            continue
        wanted = _made(terms, bound)
        if wanted is None:
            _bind(terms, unit, bound)
        elif ratio(unit, wanted) != 1.0:
            misfits.append(Misfit(at, unit, wanted))
    return (None if row.result is None else _made(row.result, bound)), tuple(misfits)


def _made(terms: Terms, bound: Mapping[str, Unit]) -> Unit | None:
    if len(terms) == 1 and terms[0][1] == 1.0:
        return bound.get(terms[0][0])
    made = NUMBER
    for letter, power in terms:
        unit = bound.get(letter)
        if unit is None:
            return None
        made = made * unit**power
    return made


def _bind(terms: Terms, unit: Unit, bound: dict[str, Unit]) -> None:
    """Solve for the one letter of the terms that is not bound."""
    free = [(letter, power) for letter, power in terms if letter not in bound]
    if len(free) != 1:
        return
    letter, power = free[0]
    rest = _made(tuple(term for term in terms if term[0] != letter), bound)
    if rest is not None:
        bound[letter] = (unit / rest) ** (1.0 / power)
