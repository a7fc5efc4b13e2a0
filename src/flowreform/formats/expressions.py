"""The expressions of XMILE 1.0 (section 3.3): text in, `Expr` out.

Precedence from tight to loose, left to right but for `^`: subscripts and calls; `^` (from right to left); unary `+ - NOT`;
`* / MOD`; `+ -`; `< <= > >=`; `= <>`; `AND`; `OR`. So `-2^2` is -4 and `2^-1` is a half. `a // b` is `safediv(a, b)`, and
an `IF` takes everything to the right of its `ELSE`. Words and names are case-insensitive, `{...}` is a comment.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from math import isfinite
from typing import TYPE_CHECKING, Any

from flowreform.formats.limits import DEFAULT, Limits, how_to_raise
from flowreform.model import Binary, Call, Expr, Number, Ref, Star, Unary, canonical, fold

if TYPE_CHECKING:
    from lark import Lark


# Letters, digits, _ and $, and of the rest of Unicode what is not a blank, a dash, a typographic quote or a mathematical sign.
_LETTER = (
    "A-Za-z_$\u00a1-\u00aa\u00ae-\u00b0\u00b2-\u00ba\u00bc-\u00d6\u00d8-\u00f6\u00f8-\u1fff\u200c\u200d"
    "\u2070-\u21ff\u2300-\u2fff\u3001-\ufefe\uff00-\U0010ffff"
)
_QUOTED = r'"(?:[^"\\]|\\[\s\S])*"'
_APOSTROPHE = f"(?:'(?=[{_LETTER}0-9]))"  # Stella writes `ward's_beds` without quotes; before anything else ' transposes an array
_SEGMENT = f"(?:[{_LETTER}](?:[{_LETTER}0-9]|{_APOSTROPHE})*|{_QUOTED})"
NAME = rf"\.?{_SEGMENT}(?:\.(?:[{_LETTER}0-9]+|{_QUOTED}))*"
_WORD_ENDS = f"(?![{_LETTER}0-9])"
NUMBER = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"

_GRAMMAR = rf"""
?start: expression
?expression: disjunction
?disjunction: conjunction | disjunction OR conjunction -> binary
?conjunction: equality | conjunction AND equality -> binary
?equality: relation | equality (EQUAL | UNEQUAL) relation -> binary
?relation: sum | relation (LESS | AT_MOST | MORE | AT_LEAST) sum -> binary
?sum: product | sum (PLUS | MINUS) product -> binary
?product: signed | product (TIMES | OVER | MOD | SAFELY_OVER) signed -> binary
?signed: power | (PLUS | MINUS | NOT) signed -> unary
?power: atom | atom POWER signed -> binary
?atom: "(" expression ")"
     | NUMBER -> number
     | NAME -> ref
     | NAME "[" indexes "]" -> ref
     | NAME "(" ")" -> call
     | NAME "(" arguments ")" -> call
     | NAME "[" indexes "]" "(" expression ")" -> lookup_element
     | IF expression THEN expression ELSE expression -> conditional
arguments: expression ("," expression)* -> several
indexes: index ("," index)* -> several
?index: expression
      | TIMES -> star
      | WHOLE_DIMENSION -> star
      | expression ":" expression -> span

IF.3: /if{_WORD_ENDS}/i
THEN.3: /then{_WORD_ENDS}/i
ELSE.3: /else{_WORD_ENDS}/i
AND.3: /and{_WORD_ENDS}/i
OR.3: /or{_WORD_ENDS}/i
NOT.3: /not{_WORD_ENDS}/i
MOD.3: /mod{_WORD_ENDS}/i
WHOLE_DIMENSION.2: /{_SEGMENT}\.\*/
NAME.1: /{NAME}/
NUMBER: /{NUMBER}/
EQUAL: "="
UNEQUAL: "<>"
LESS: "<"
AT_MOST: "<="
MORE: ">"
AT_LEAST: ">="
PLUS: "+"
MINUS: "-"
TIMES: "*"
OVER: "/"
SAFELY_OVER: "//"
POWER: "^"
COMMENT: /\{{[^}}]*\}}/
BLANK: /[\s\u00a0]+/
%ignore COMMENT
%ignore BLANK
"""

_PLAIN_NUMBER = re.compile(rf"\s*({NUMBER})\s*")
_PARTS = re.compile(rf"{_QUOTED}|[^.\"]+")
_WIDEST_COLUMN = 1_000  # a file without line breaks gives no columns: padding each equation to its place would be quadratic


class ExpressionError(ValueError):
    """An expression that cannot be read: `reason` says what was found and expected in plain words, `repair` what to write;
    `line` counts from 1 inside the text and `column` inside that line (shifted by `parse`'s `column` in the first)."""

    def __init__(self, reason: str, repair: str = "", *, line: int = 1, column: int = 0, rule: str = "expression") -> None:
        super().__init__(f"{reason}; {repair}" if repair else reason)
        self.reason, self.repair, self.line, self.column, self.rule = reason, repair, line, column, rule


def parse(text: str, *, limits: Limits = DEFAULT, column: int = 1) -> Expr:
    """The expression that `text` spells.

    `column` is where the text begins in its line of the file, 0 for not known; references and calls in that line carry
    their own column, those in later lines none.
    Raises ExpressionError, with the place and a repair, for anything that is not one expression or is over a limit."""
    if len(text) > limits.equation_characters:
        reason = f"the equation has {len(text):,} characters, the limit is {limits.equation_characters:,}"
        raise ExpressionError(reason, how_to_raise("equation_characters"), rule="equation-too-long")
    plain = _PLAIN_NUMBER.fullmatch(text)
    if plain:
        return _number(plain[1], 1, column)
    from lark.exceptions import UnexpectedInput

    from flowreform.formats.xmile_explain import explain

    padded = " " * (column - 1 if 1 <= column <= _WIDEST_COLUMN else _WIDEST_COLUMN) + text
    try:
        expr: Expr = _parser().parse(padded)  # type: ignore[assignment]
    except UnexpectedInput as fault:
        reason, repair, place = explain(padded, fault)
        line = padded.count("\n", 0, place) + 1
        found = place - padded.rfind("\n", 0, place)
        raise ExpressionError(reason, repair, line=line, column=found if line > 1 or found <= _WIDEST_COLUMN else 0) from None
    if len(text) > limits.nesting and (deepest := depth(expr)) > limits.nesting:
        reason = f"the equation is nested {deepest:,} levels deep, the limit is {limits.nesting:,}"
        repair = f"split it over several variables, or {how_to_raise('nesting')}"
        raise ExpressionError(reason, repair, column=column, rule="equation-too-deep")
    return expr


def depth(expr: Expr) -> int:
    """How many expressions stand inside one another at the deepest place; 1 for a number."""
    return fold(expr, lambda _, inside: 1 + max(inside, default=0))


def qualified(name: str) -> str:
    """The canonical form of a name that may be qualified: `Hospital."Open Beds"` is `hospital.open_beds`; a leading dot
    (the root model) stays, and the namespace `std` goes."""
    if "." not in name:
        return canonical(name)
    parts = [canonical(part) for part in _PARTS.findall(name)]
    if len(parts) > 1 and parts[0] == "std":
        parts = parts[1:]
    return ("." if name.startswith(".") else "") + ".".join(parts)


def _number(text: str, line: int, column: int) -> Number:
    value = float(text)
    if not isfinite(value):
        column = column if column <= _WIDEST_COLUMN or line > 1 else 0
        repair = "the largest is about 1.8e308; write INF for infinity"
        raise ExpressionError(f'"{text[:40]}" is too large for a number', repair, line=line, column=column)
    return Number(value)


def _column(token: Any) -> int:
    return int(token.column) if token.line == 1 and token.column <= _WIDEST_COLUMN else 0


def _ref(name: Any, indexes: tuple[Expr, ...] = ()) -> Ref:
    return Ref(qualified(name), indexes, _column(name))


def _call(name: Any, arguments: tuple[Expr, ...] = ()) -> Call:
    return Call(qualified(name), arguments, _column(name))


def _lookup_element(name: Any, indexes: tuple[Expr, ...], argument: Expr) -> Call:
    return Call("lookup", (_ref(name, indexes), argument), _column(name))


def _binary(left: Expr, operator: Any, right: Expr) -> Expr:
    return Call("safediv", (left, right), _column(operator)) if operator == "//" else Binary(str(operator).lower(), left, right)


def _star(token: Any) -> Star:
    return Star(None if token == "*" else canonical(token[:-2]))


_CALLBACKS: dict[str, Callable[..., object]] = {
    "number": lambda token: _number(str(token), token.line, token.column),
    "ref": _ref,
    "call": _call,
    "lookup_element": _lookup_element,
    "binary": _binary,
    "unary": lambda operator, operand: Unary(str(operator).lower(), operand),
    "conditional": lambda _if, condition, _then, yes, _else, no: Call("if", (condition, yes, no), _column(_if)),
    "several": lambda *items: items,
    "star": _star,
    "span": lambda first, last: Call("range", (first, last)),
}


@cache
def _parser() -> Lark:
    """The parser, built once. LALR with the transformer inside it: no tree is built and nothing recurses."""
    from lark import Lark, Transformer, v_args

    methods = {name: staticmethod(callback) for name, callback in _CALLBACKS.items()}
    build = v_args(inline=True)(type("_Build", (Transformer,), methods))
    return Lark(_GRAMMAR, parser="lalr", lexer="basic", transformer=build())
