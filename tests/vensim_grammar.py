"""Vensim's expressions by a grammar for lark: the witness of the reader in `vensim_equations`, which is written by hand."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from lark import Lark, Transformer, v_args
from lark.exceptions import UnexpectedInput

from flowreform.formats.limits import DEFAULT
from flowreform.formats.vensim_equations import (
    _NAME,
    _NUMBER,
    _PAIR,
    _SIGNED,
    MISSING,
    Several,
    Unreadable,
    VensimPoints,
    VensimText,
    read_points,
)
from flowreform.model import Binary, Call, Number, Ref, Star, Unary, canonical


def parse(text: str) -> object:
    """The expression, or None where there is none."""
    try:
        return parser().parse(text)
    except (UnexpectedInput, Unreadable):
        return None


_GRAMMAR = rf"""
?start: disjunction
?disjunction: conjunction | disjunction OR conjunction -> binary
?conjunction: negation | conjunction AND negation -> binary
?negation: comparison | NOT negation -> unary
?comparison: sum | comparison (EQUAL | UNEQUAL | LESS | AT_MOST | MORE | AT_LEAST) sum -> binary
?sum: product | sum (PLUS | MINUS) product -> binary
?product: signed | product (TIMES | OVER) signed -> binary
?signed: power | (PLUS | MINUS) signed -> unary
?power: atom | atom POWER signed -> binary
?atom: "(" disjunction ")"
     | NUMBER -> number
     | MISSING -> missing
     | NAME -> ref
     | NAME "[" subscripts "]" -> ref
     | NAME "(" ")" -> call
     | NAME "(" arguments ")" -> call
     | NAME "(" arguments ":" arguments ")" -> call_with_results
     | NAME "[" subscripts "]" "(" arguments ")" -> lookup_element
     | WITH_LOOKUP "(" disjunction "," POINTS ")" -> with_lookup
arguments: argument ("," argument)* -> several
?argument: disjunction | TEXT -> text
subscripts: subscript ("," subscript)* -> several
?subscript: NAME -> ref | NAME "!" -> star

WITH_LOOKUP.4: /with[ _]+lookup(?=\s*\()/i
MISSING.3: /:\s*NA\s*:/i
NOT.3: /:\s*NOT\s*:/i
AND.3: /:\s*AND\s*:/i
OR.3: /:\s*OR\s*:/i
POINTS.5: /\((?:\s*\[[^\[\]]*\]\s*,?)?\s*(?:{_PAIR}\s*,?\s*)+\)|\((?:\s*\[[^\[\]]*\]\s*,?)?\s*{_SIGNED}(?:\s*,\s*{_SIGNED})*\s*\)/
TEXT: /'[^']*'/
NAME.1: /{_NAME.replace("/", chr(92) + "/")}/
NUMBER: /{_NUMBER}/
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
POWER: "^"
%ignore /[\s\\\u00a0]+/
"""


def _negative(operator: Any, operand: Any) -> Any:
    sign = _WORDS.get(_plain(operator), str(operator))
    if sign == "+":
        return operand
    if sign == "-" and isinstance(operand, Number):
        return Number(-operand.value)
    return Unary(sign, operand)


_WORDS = {":and:": "and", ":or:": "or", ":not:": "not"}


def _plain(operator: Any) -> str:
    return "".join(str(operator).lower().split())


_CALLBACKS: dict[str, Callable[..., object]] = {
    "number": lambda token: Number(float(token)),
    "missing": lambda _: Number(MISSING),
    "text": lambda token: VensimText(str(token)[1:-1]),
    "ref": lambda name, subscripts=(): Ref(canonical(name), subscripts),
    "star": lambda name: Star(canonical(name)),
    "call": lambda name, arguments=(): Call(canonical(name), arguments),
    "call_with_results": lambda name, inputs, results: Several(Call(canonical(name), inputs), results),
    "lookup_element": lambda name, subscripts, arguments: Call("lookup", (Ref(canonical(name), subscripts), *arguments)),
    "with_lookup": lambda _word, argument, points: Call("with_lookup", (argument, points)),
    "binary": lambda left, operator, right: Binary(_WORDS.get(_plain(operator), str(operator)), left, right),
    "unary": _negative,
    "several": lambda *items: items,
}


@cache
def parser() -> Any:
    """The parser, built once."""
    methods = {name: staticmethod(callback) for name, callback in _CALLBACKS.items()}
    methods["POINTS"] = staticmethod(_points_token)
    build = v_args(inline=True)(type("_Build", (Transformer,), methods))
    return Lark(_GRAMMAR, parser="lalr", lexer="contextual", transformer=build())


def _points_token(token: Any) -> VensimPoints:
    return VensimPoints(read_points(str(token)[1:-1].strip(), DEFAULT))
