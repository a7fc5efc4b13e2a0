"""Unit text to a unit, by recursive descent; the package's own text says how it is read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import isfinite

from flowreform.units.names import known, new_base, normal, singular
from flowreform.units.unit import NUMBER, Unit, UnitError

LONGEST = 500
DEEPEST = 8
LARGEST_EXPONENT = 50.0

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)(?![^\W\d_])"
    r"|(?P<word>[^\W\d_](?:[^\W_]|['’.])*\$?|[%‰$£€¥#°](?:[^\W\d_]+)?)"
    r"|(?P<sign>\*\*|[-*/^()·×_]))"
)


@dataclass(slots=True)
class Reading:
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
                    inner = Reading(self.definitions, self.resolved, (*self.inside, spelling))
                    self.resolved[spelling] = inner.text(meaning)
                return self.resolved[spelling]
        return None


def _checked(unit: Unit, source: str) -> Unit:
    """The unit, if its size is a number above zero. Raises UnitError when it is not."""
    if not (isfinite(unit.factor) and unit.factor > 0.0):
        raise UnitError(f'unit "{source}" is too large or too small a multiple')
    return unit
