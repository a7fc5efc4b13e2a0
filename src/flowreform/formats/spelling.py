"""An expression as XMILE text: the other way round from `expressions.parse`."""

from __future__ import annotations

import math
import re

from flowreform.formats.expressions import NAME
from flowreform.model import Binary, Call, Expr, Number, Ref, Star, Unary, fold

_KEYWORDS = frozenset({"if", "then", "else", "and", "or", "not", "mod"})
_PLAIN = re.compile(NAME)
_LEVELS = {
    "or": 1, "and": 2, "=": 3, "<>": 3, "<": 4, "<=": 4, ">": 4, ">=": 4, "+": 5, "-": 5, "*": 6, "/": 6, "mod": 6, "^": 8,
}  # fmt: skip
_SIGN, _ATOM = 7, 9

Part = tuple[str, int]
"""A text and how tightly its outermost operator binds (9: a number, a name, brackets)."""


def spell(expr: Expr) -> str:
    """The text of an expression, with brackets only where they are needed; `parse` gives the same expression again."""
    return fold(expr, _combine)[0]


def number(value: float) -> str:
    """A number as XMILE writes it, exact to the last bit."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "INF" if value > 0 else "-INF"
    text = repr(float(value))
    return text[:-2] if text.endswith(".0") else text


def spell_name(name: str) -> str:
    """A canonical name in an expression: quoted where it is no plain word."""
    if _PLAIN.fullmatch(name) and name not in _KEYWORDS and '"' not in name and not name.startswith("."):
        return name
    escaped = name.replace("\\", "\\\\").replace('"', '\\"') if '"' in name else name
    return f'"{escaped}"'


def _combine(expr: Expr, inside: tuple[Part, ...]) -> Part:
    match expr:
        case Number(value):
            text = number(value)
            return text, _SIGN if text.startswith("-") else _ATOM
        case Ref(name, subscripts):
            return spell_name(name) + (f"[{', '.join(text for text, _ in inside)}]" if subscripts else ""), _ATOM
        case Star(dimension):
            return "*" if dimension is None else f"{spell_name(dimension)}.*", _ATOM
        case Unary(op, _):
            return f"{'NOT ' if op == 'not' else op}{_in(inside[0], _SIGN)}", _SIGN
        case Binary("^", _, _):
            return f"{_in(inside[0], _ATOM)}^{_in(inside[1], _SIGN)}", _LEVELS["^"]
        case Binary(op, _, _):
            level = _LEVELS[op]
            word = op.upper() if op.isalpha() else op
            return f"{_in(inside[0], level)} {word} {_in(inside[1], level + 1)}", level
        case Call("if", _):
            condition, yes, no = (text for text, _ in inside)
            return f"(IF {condition} THEN {yes} ELSE {no})", _ATOM
        case Call("range", _):
            return f"{inside[0][0]}:{inside[1][0]}", _ATOM
        case Call("lookup", (Ref(_, (_, *_)), _)):
            return f"{inside[0][0]}({inside[1][0]})", _ATOM
        case Call(function, _):
            return f"{spell_name(function)}({', '.join(text for text, _ in inside)})", _ATOM


def _in(part: Part, least: int) -> str:
    text, level = part
    return text if level >= least else f"({text})"
