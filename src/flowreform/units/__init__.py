"""Units of measurement: XMILE's unit text to factors and dimensions, by a unit file of our own.

`units.txt` says what is known (to a physicist's table of units `point`, `hand` and `stone` are lengths and masses); every
other name is a base unit of its own. A unit is a factor and the powers of base units, which multiply in a microsecond.

How text is read: case does not matter; a blank and an underscore are the same; `person/month`, `people per month`,
`1/month`, `USD/(bed*day)`, `m^2`, `bed-days` (a hyphen multiplies, before `/`). Words side by side are one name (`community
place`); only where each is known and all but one are numbers or times are they a product (`bed days`, `thousand GBP`). An
unknown name that ends in s is the plural of the one without it (`clinics`; `-ies` is `-y`; `-ches`, `-shes` and `-xes` lose
`es`; `-ss`, `-us` and `-is` stay).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from math import isclose, isfinite
from pathlib import Path
from string import digits

from flowreform.model import Model, UnitAlias

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
        names = sorted(self.names, key=lambda item: not (item[0] in COUNTS or item[0][0] in digits))
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


# --- what a name of a unit means -------------------------------------------------------------------------------------


@cache
def spellings() -> Mapping[str, tuple[str, Unit]]:
    """Every spelling in `units.txt`, with the name of its unit and the unit; read once.

    A line is `name = meaning = other spelling = ...`. A meaning is `[quantity]`, a base unit, or a product of numbers and units
    of lines above; `name-` is a prefix."""
    table: dict[str, tuple[str, Unit]] = {}
    for line in Path(__file__).with_name("units.txt").read_text(encoding="utf-8").splitlines():
        name, *rest = (part.strip() for part in line.partition("#")[0].split(" = "))
        if rest:
            unit = Unit(1.0, ((name, 1.0),)) if rest[0].startswith("[") else _product_of(rest[0], table)
            table |= dict.fromkeys((name, *rest[1:]), (name, unit))
    return table


def _product_of(text: str, table: Mapping[str, tuple[str, Unit]]) -> Unit:
    """`10000 * metre ** 2`: the numbers first, as the sizes of units are multiplied from the top down."""
    size, units = 1.0, NUMBER
    below = False
    for part in text.replace(" ** ", "^").split():
        if part in "*/":
            below = part == "/"
            continue
        number, _, power = part.partition("^")
        if number in table:
            units = units * table[number][1] ** (float(power or 1) * (-1.0 if below else 1.0))
        else:
            size = size / float(number) if below else size * float(number)
    return Unit(size * units.factor, units.powers)


@lru_cache(maxsize=4096)
def known(name: str) -> Unit | None:
    """The unit that `units.txt` gives a name (in lower case, its words joined by underscores), or None."""
    table = spellings()
    for spelling, prefix in [(name, ""), *((name[len(mark) :], mark + "-") for mark in ("kilo", "k") if name.startswith(mark))]:
        found = table.get(spelling) or (table.get(spelling[:-1]) if spelling.endswith("s") and len(spelling) > 2 else None)
        if found is not None and not found[0].endswith("-"):
            base, unit = found
            size = unit.factor * table[prefix][1].factor if prefix else unit.factor
            shown = ((("k" if prefix else "") + base, 1.0),) if unit.powers or size != 1.0 else ()
            return Unit(size, unit.powers, shown)
    return None


def new_base(name: str) -> Unit:
    """A unit of its own, under the singular of a name."""
    name = singular(name)
    return Unit(1.0, ((name, 1.0),), ((name, 1.0),))


def singular(name: str) -> str:
    if name.endswith("ies") and len(name) > 4:
        return name[:-3] + "y"
    if name.endswith(("ches", "shes", "xes")):
        return name[:-2]
    if name.endswith("s") and not name.endswith(("ss", "us", "is")) and len(name) > 2:
        return name[:-1]
    return name


def normal(text: str) -> str:
    return "_".join(text.replace("_", " ").casefold().split())


def definitions(aliases: Iterable[UnitAlias]) -> Mapping[str, str | Unit]:
    """A model's own units by normal name: what it says they are, as text to read or as a unit."""
    found: dict[str, str | Unit] = {}
    for alias in aliases:
        names = [name for name in map(normal, (alias.name, *alias.aliases)) if name]
        if not names:
            continue
        meaning: str | Unit = alias.equation.strip()
        if not meaning or normal(str(meaning)) in names:
            meaning = next((unit for name in names if (unit := known(name))), None) or new_base(names[0])
        for name in names:
            found.setdefault(name, meaning)
        for name in names:
            found.setdefault(singular(name), meaning)
    return found


# --- the text of a unit ----------------------------------------------------------------------------------------------


LONGEST = 500
DEEPEST = 8
LARGEST_EXPONENT = 50.0

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[+-]?[0-9]+)?)(?![^\W\d_])"
    r"|(?P<word>[^\W\d_](?:[^\W_]|['’.])*\$?|[%‰$£€¥#°](?:[^\W\d_]+)?)"
    r"|(?P<sign>\*\*|[-*/^()·×_]))"
)


@dataclass(slots=True)
class UnitReading:
    """One text being read, by recursive descent over its tokens; `resolved` are the model's units worked out so far and
    `inside` those being worked out."""

    definitions: Mapping[str, str | Unit]
    resolved: dict[str, Unit]
    inside: tuple[str, ...] = ()
    source: str = ""
    tokens: list[tuple[str, str]] = field(default_factory=list)
    at: int = 0
    depth: int = 0

    def text(self, text: str) -> Unit:
        """The unit of a whole text."""
        if len(text) > LONGEST:
            raise UnitError(f"the unit has {len(text):,} characters, more than {LONGEST}")
        self.source = " ".join(text.split())
        own = self._own(normal(text))
        if own is not None:
            return own
        self.tokens = self._tokens(text.casefold())
        if not self.tokens:
            return NUMBER
        unit = self._product()
        if self.at < len(self.tokens):
            raise self._unexpected("an operator")
        return _checked(unit, self.source)

    def _tokens(self, text: str) -> list[tuple[str, str]]:
        tokens, at, end = [], 0, len(text.rstrip())
        while at < end:
            match = _TOKEN.match(text, at)
            if match is None:
                shown = text[at:].strip()[:1]
                raise UnitError(f'unit "{self.source}" holds "{shown}", which no unit does')
            at = match.end()
            if match.lastgroup == "sign" and match["sign"] == "_":
                continue
            kind = match.lastgroup or ""
            tokens.append((kind, match[kind].rstrip(".")))
        return [("sign", "/") if token == ("word", "per") and not self._is_name(tokens, i) else token
                for i, token in enumerate(tokens)]  # fmt: skip

    @staticmethod
    def _is_name(tokens: list[tuple[str, str]], i: int) -> bool:
        """Whether the `per` there is part of a name: per cent, per mille."""
        return tokens[i + 1 : i + 2] in ([("word", "cent")], [("word", "mille")])

    def _peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def _unexpected(self, wanted: str) -> UnitError:
        kind, shown = self._peek()
        if kind == "end":
            return UnitError(f'unit "{self.source}" breaks off where {wanted} should follow')
        return UnitError(f'unit "{self.source}" has "{shown}" where {wanted} should be')

    def _product(self) -> Unit:
        self.depth += 1
        if self.depth > DEEPEST:
            raise UnitError(f'unit "{self.source[:40]}" has brackets more than {DEEPEST} deep')
        unit = NUMBER if self._peek() == ("sign", "/") else self._joined()
        while self._peek()[0] == "sign" and self._peek()[1] in "*/·×":
            sign = self._peek()[1]
            self.at += 1
            right = self._joined()
            unit = _checked(unit / right if sign == "/" else unit * right, self.source)
        self.depth -= 1
        return unit

    def _joined(self) -> Unit:
        """Names joined by hyphens: one name if that is known, else their product."""
        at = self.at
        words: list[str] = []
        while at < len(self.tokens) and (self.tokens[at][0] == "word" or (words and self.tokens[at] == ("sign", "-"))):
            if self.tokens[at][0] == "word":
                words.append(self.tokens[at][1])
            at += 1
        if at - self.at > len(words) and (whole := self._named("_".join(words))) is not None:
            self.at = at
            return whole
        unit = self._power()
        while self._peek() == ("sign", "-"):
            self.at += 1
            unit = _checked(unit * self._power(), self.source)
        return unit

    def _power(self) -> Unit:
        unit = self._atom()
        if self._peek() in (("sign", "^"), ("sign", "**")):
            self.at += 1
            exponent = self._exponent()
            if not abs(exponent) <= LARGEST_EXPONENT:
                raise UnitError(f'unit "{self.source}" has the exponent {exponent:g}, beyond {LARGEST_EXPONENT:g}')
            try:
                return _checked(unit**exponent, self.source)
            except OverflowError:
                raise UnitError(f'unit "{self.source}" is too large or too small a multiple') from None
        return unit

    def _exponent(self) -> float:
        if self._peek() == ("sign", "("):
            self.at += 1
            value = self._exponent()
            if self._peek() == ("sign", "/"):
                self.at += 1
                below = self._exponent()
                value = value / below if below else float("inf")
            if self._peek() != ("sign", ")"):
                raise self._unexpected("a closing bracket")
            self.at += 1
            return value
        negative = self._peek() == ("sign", "-")
        self.at += negative
        kind, shown = self._peek()
        if kind != "number":
            raise self._unexpected("an exponent")
        self.at += 1
        return -float(shown) if negative else float(shown)

    def _atom(self) -> Unit:
        kind, shown = self._peek()
        if (kind, shown) == ("sign", "("):
            self.at += 1
            unit = self._product()
            if self._peek() != ("sign", ")"):
                raise self._unexpected("a closing bracket")
            self.at += 1
            return unit
        if kind == "number":
            self.at += 1
            value = float(shown)
            unit = Unit(value, (), ((shown, 1.0),) if value != 1.0 else ())
            return _checked(unit * self._words(), self.source) if self._peek()[0] == "word" else _checked(unit, self.source)
        if kind == "word":
            return self._words()
        raise self._unexpected("a name")

    def _words(self) -> Unit:
        """Words side by side: one name if that is known, else a product if each is known and one at most is neither number nor
        time, else a unit of its own."""
        words = [self._peek()[1]]
        self.at += 1
        while self._peek()[0] in ("word", "number"):
            words.append(self._peek()[1])
            self.at += 1
        whole = self._named("_".join(words))
        if whole is not None:
            return whole
        parts = [part for word in words if (part := self._named(word)) is not None]
        things = sum(any(base != "second" for base, _ in part.powers) for part in parts)
        if len(parts) < len(words) or things > 1:
            return new_base("_".join(words))
        unit = NUMBER
        for part in parts:
            unit = unit * part
        return unit

    def _named(self, name: str) -> Unit | None:
        own = self._own(name)
        return own if own is not None else known(name)

    def _own(self, name: str) -> Unit | None:
        """A unit that the model defines, by any spelling, plural included."""
        for spelling in (name, singular(name)):
            meaning = self.definitions.get(spelling)
            if isinstance(meaning, Unit):
                return meaning
            if meaning is not None:
                if spelling in self.inside:
                    if known(spelling) is not None:
                        return known(spelling)
                    raise UnitError(f'unit "{spelling}" is defined by itself')
                if len(self.inside) >= DEEPEST:
                    raise UnitError(f'unit "{self.inside[0]}" is defined through more than {DEEPEST} others')
                if spelling not in self.resolved:
                    inner = UnitReading(self.definitions, self.resolved, (*self.inside, spelling))
                    self.resolved[spelling] = inner.text(meaning)
                return self.resolved[spelling]
        return None


def _checked(unit: Unit, source: str) -> Unit:
    """The unit, if its size is a number above zero. Raises UnitError when it is not."""
    if not (isfinite(unit.factor) and unit.factor > 0.0):
        raise UnitError(f'unit "{source}" is too large or too small a multiple')
    return unit


# --- units of measurement --------------------------------------------------------------------------------------------


def parse_units(text: str, model: Model | None = None) -> Unit:
    """The unit that a text spells; with a model, its own units (`<model_units>`) are known too.

    Raises UnitError for text that cannot be read."""
    return reader(model)(text)


def factor(from_text: str, to_text: str, model: Model | None = None) -> float:
    """How many of the second unit make up one of the first.

    Raises ValueError, with a plain sentence, when they measure different things or cannot be read."""
    read = reader(model)
    found = ratio(read(from_text), read(to_text))
    if found is None:
        raise ValueError(
            f"{from_text.strip() or 'dimensionless'} and {to_text.strip() or 'dimensionless'} are different quantities"
        )
    return found


def same(one: Unit | str, other: Unit | str, model: Model | None = None) -> bool:
    """Are two units, or the units that two texts spell, the same, size included?

    Raises UnitError for text that cannot be read."""
    read = reader(model)
    units = [read(item) if isinstance(item, str) else item for item in (one, other)]
    return ratio(*units) == 1.0


def reader(model: Model | None = None) -> Callable[[str], Unit]:
    """A function from text to unit that knows a model's own units and remembers what it has read.

    The function raises UnitError for text that cannot be read."""
    own = definitions(model.unit_aliases if model else ())

    resolved: dict[str, Unit] = {}

    @cache
    def read(text: str) -> Unit:
        return UnitReading(own, resolved).text(text)

    return read


__all__ = [
    "COUNTS",
    "NUMBER",
    "Powers",
    "Unit",
    "UnitError",
    "factor",
    "known",
    "new_base",
    "parse_units",
    "ratio",
    "reader",
    "same",
    "spellings",
]
