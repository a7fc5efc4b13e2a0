"""A unit as a factor and the powers of base units."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import isclose

Powers = tuple[tuple[str, float], ...]
"""Names and exponents, sorted by name, none of them 0."""

COUNTS = ("hundred", "thousand", "million", "billion")


class UnitError(ValueError):
    """Unit text that cannot be read: the message says why in one plain sentence."""


@dataclass(frozen=True, slots=True)
class Unit:
    """`factor` base units, whose exponents are `powers`; `names` holds the names as written, for messages."""

    factor: float
    powers: Powers
    names: Powers = field(default=(), compare=False)

    @property
    def is_number(self) -> bool:
        """Whether it has no dimension and its size is 1."""
        return not self.powers and isclose(self.factor, 1.0, rel_tol=1e-9)

    def __mul__(self, other: Unit) -> Unit:
        return Unit(self.factor * other.factor, _merge(self.powers, other.powers), _merge(self.names, other.names))

    def __truediv__(self, other: Unit) -> Unit:
        return self * other**-1.0

    def __pow__(self, exponent: float) -> Unit:
        return Unit(self.factor**exponent, _raise(self.powers, exponent), _raise(self.names, exponent))

    def __str__(self) -> str:
        names = sorted(self.names, key=lambda item: not (item[0] in COUNTS or item[0][0].isdigit()))
        above = [_spell(name, power) for name, power in names if power > 0]
        below = [_spell(name, -power) for name, power in names if power < 0]
        top = "*".join(above) or ("1" if below else "dimensionless")
        bottom = below[0] if len(below) == 1 else f"({'*'.join(below)})"
        return f"{top}/{bottom}" if below else top


NUMBER = Unit(1.0, ())


def ratio(one: Unit, other: Unit) -> float | None:
    """How many of `other` make up one of `one`; 1 exactly where they agree to nine digits; None for different quantities."""
    if one.powers != other.powers:
        return None
    if not other.factor:
        return None  # a size lost to underflow
    found = one.factor / other.factor
    return 1.0 if isclose(found, 1.0, rel_tol=1e-9) else found


def _merge(one: Powers, other: Powers) -> Powers:
    if not other:
        return one
    if not one:
        return other
    found = dict(one)
    for name, power in other:
        found[name] = found.get(name, 0.0) + power
    return tuple(sorted((name, tidy) for name, power in found.items() if (tidy := round(power, 9))))


def _raise(powers: Powers, exponent: float) -> Powers:
    return tuple((name, tidy) for name, power in powers if (tidy := round(power * exponent, 9)))


def _spell(name: str, power: float) -> str:
    return name if power == 1.0 else f"{name}^{power:g}"
