"""The expressions of XMILE 1.0 (section 3.3): text in, `Expr` out.

Precedence from tight to loose, left to right but for `^`: subscripts and calls; `^` (from right to left); unary `+ - NOT`;
`* / MOD`; `+ -`; `< <= > >=`; `= <>`; `AND`; `OR`. So `-2^2` is -4 and `2^-1` is a half. `a // b` is `safediv(a, b)`, and
an `IF` takes everything to the right of its `ELSE`. Words and names are case-insensitive, `{...}` is a comment.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import isfinite
from typing import TYPE_CHECKING, Any

from flowreform.errors import shorten
from flowreform.formats.limits import DEFAULT, Limits, how_to_raise
from flowreform.model import Binary, Call, Expr, Number, Ref, Star, Unary, canonical, fold

if TYPE_CHECKING:
    from lark import Lark
    from lark.exceptions import UnexpectedInput

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
    expr = _Quick(text, column if 1 <= column <= _WIDEST_COLUMN else _WIDEST_COLUMN + 1).parsed() or _by_grammar(text, column)
    if len(text) > limits.nesting and (deepest := depth(expr)) > limits.nesting:
        reason = f"the equation is nested {deepest:,} levels deep, the limit is {limits.nesting:,}"
        repair = f"split it over several variables, or {how_to_raise('nesting')}"
        raise ExpressionError(reason, repair, column=column, rule="equation-too-deep")
    return expr


def _by_grammar(text: str, column: int) -> Expr:
    """The expression by the grammar, which says what is wrong where there is none."""
    from lark.exceptions import UnexpectedInput

    padded = " " * (column - 1 if 1 <= column <= _WIDEST_COLUMN else _WIDEST_COLUMN) + text
    try:
        return _parser().parse(padded)  # type: ignore[return-value]
    except UnexpectedInput as fault:
        reason, repair, place = explain(padded, fault)
        line = padded.count("\n", 0, place) + 1
        column = place - padded.rfind("\n", 0, place)
        raise ExpressionError(reason, repair, line=line, column=column if line > 1 or column <= _WIDEST_COLUMN else 0) from None


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


_TOKEN = re.compile(rf"(?:[\s\u00a0]++|\{{[^}}]*\}})*+(?:({NAME})|({NUMBER})|(<>|<=|>=|//|[-+*/^=<>(),:\[\]]))")
_REST = re.compile(r"(?:[\s\u00a0]++|\{[^}]*\})*+")
_KEYWORDS = frozenset({"if", "then", "else", "and", "or", "not", "mod"})
_LEVELS = {
    "or": 1, "and": 2, "=": 3, "<>": 3, "<": 4, "<=": 4, ">": 4, ">=": 4, "+": 5, "-": 5, "*": 6, "/": 6, "//": 6, "mod": 6,
}  # fmt: skip
_DEEPEST = 60
"""Brackets inside each other that the quick parser follows."""


class _Unsure(Exception):
    """Something the quick parser leaves to the grammar: a fault, or a rare form."""


class _Quick:
    """The same language by precedence climbing, without building the grammar's tables: for the equations that are right, which
    is nearly all of them. Whatever it is not sure of goes to the grammar, which also says what is wrong; a test holds the
    two to each other. `column` is where the text begins in its line."""

    def __init__(self, text: str, column: int) -> None:
        self.text, self.column = text, column
        self.first_break = text.find("\n") if "\n" in text else len(text)
        self.tokens: list[tuple[str, str, int]] = []  # operator, keyword or kind; the text; where it begins
        self.next = 0
        self.depth = 0

    def parsed(self) -> Expr | None:
        """The expression; None where the grammar must be asked."""
        try:
            self._split()
            expr = self._expression(1)
        except _Unsure:
            return None
        return expr if self.tokens[self.next][0] == "end" else None

    def _split(self) -> None:
        place, text = 0, self.text
        while (match := _TOKEN.match(text, place)) is not None:
            name, number, sign = match.groups()
            if name is not None:
                word = name.lower()
                if word.partition(".")[0] in _KEYWORDS and word not in _KEYWORDS:
                    raise _Unsure
                self.tokens.append((word if word in _KEYWORDS else "name", name, match.start(1)))
            elif number is not None:
                self.tokens.append(("number", number, match.start(2)))
            else:
                self.tokens.append((sign, sign, match.start(3)))
            place = match.end()
        if _REST.fullmatch(text, place) is None:
            raise _Unsure
        self.tokens.append(("end", "", len(text)))

    def _take(self, kind: str) -> bool:
        """Whether the next token is of a kind; past it then."""
        found = self.tokens[self.next][0] == kind
        self.next += found
        return found

    def _need(self, kind: str) -> None:
        if not self._take(kind):
            raise _Unsure

    def _place(self, start: int) -> int:
        column = self.column + start
        return column if start < self.first_break and column <= _WIDEST_COLUMN else 0

    def _expression(self, least: int) -> Expr:
        self.depth += 1
        if self.depth > _DEEPEST:
            raise _Unsure
        left = self._signed()
        while (level := _LEVELS.get((token := self.tokens[self.next])[0], 0)) >= least:
            self.next += 1
            right = self._expression(level + 1)
            if token[0] == "//":
                left = Call("safediv", (left, right), self._place(token[2]))
            else:
                left = Binary(token[0], left, right)
        self.depth -= 1
        return left

    def _signed(self) -> Expr:
        sign = self.tokens[self.next][0]
        if sign in ("+", "-", "not"):
            self.next += 1
            if self.tokens[self.next][0] in ("+", "-", "not"):
                raise _Unsure
            return Unary(sign, self._signed())
        base = self._atom()
        if not self._take("^"):
            return base
        self.depth += 1
        if self.depth > _DEEPEST:
            raise _Unsure
        power = Binary("^", base, self._signed())
        self.depth -= 1
        return power

    def _atom(self) -> Expr:
        kind, text, start = self.tokens[self.next]
        self.next += 1
        match kind:
            case "number":
                if not isfinite(value := float(text)):
                    raise _Unsure
                return Number(value)
            case "(":
                inside = self._expression(1)
                self._need(")")
                return inside
            case "if":
                condition = self._expression(1)
                self._need("then")
                yes = self._expression(1)
                self._need("else")
                return Call("if", (condition, yes, self._expression(1)), self._place(start))
            case "name":
                return self._named(text, self._place(start))
            case _:
                raise _Unsure

    def _named(self, text: str, column: int) -> Expr:
        name = qualified(text)
        if self._take("["):
            indexes = self._several(self._index, "]")
            if not self._take("("):
                return Ref(name, indexes, column)
            argument = self._expression(1)
            self._need(")")
            return Call("lookup", (Ref(name, indexes, column), argument), column)
        if self._take("("):
            return Call(name, () if self._take(")") else self._several(lambda: self._expression(1), ")"), column)
        return Ref(name, (), column)

    def _several(self, item: Callable[[], Expr], close: str) -> tuple[Expr, ...]:
        items = [item()]
        while self._take(","):
            items.append(item())
        self._need(close)
        return tuple(items)

    def _index(self) -> Expr:
        if self._take("*"):
            return Star(None)
        first = self._expression(1)
        return Call("range", (first, self._expression(1))) if self._take(":") else first


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


# --- faults in words -------------------------------------------------------------------------------------------------


_PIECE = re.compile(
    rf"""(?P<skip>\{{[^}}]*\}}|[\s\u00a0]+)|(?P<number>{NUMBER})|(?P<name>{NAME})
    |(?P<operator>//|<>|<=|>=|[-+*/^=<>])|(?P<open>[(\[])|(?P<close>[)\]])|(?P<comma>,)|(?P<other>[\s\S])""",
    re.VERBOSE,
)
_OPERATOR_WORDS = frozenset({"and", "or", "not", "mod"})
_WORDS = _OPERATOR_WORDS | {"if", "then", "else"}
_ENDS_A_VALUE = frozenset({"number", "name", "close"})
_BEGINS_A_VALUE = frozenset({"number", "name", "open"})

_CHARACTERS = {
    "{": ("a comment opened by { is never closed", "close it with }"),
    "}": ("} closes a comment that was never opened", "take it out"),
    '"': ("a name in quotes is never closed", 'close it with "'),
    "'": ("' (transposing an array) is not supported", "name the dimensions in the order you want, as in x[b, a]"),
    "@": ("@ (a dimension by its position) is not supported", "name the dimension itself"),
    "&": ("& is not an operator here", "write AND"),
    "|": ("| is not an operator here", "write OR"),
    "!": ("! is not an operator here", "write NOT or <>, and name.* for a whole dimension"),
    "%": ("% is not an operator here", "write MOD, or divide by 100"),
    ";": ("; does not belong in an equation", "separate arguments by a comma and keep one equation for each variable"),
    ":": (": belongs between two elements in brackets", "logical operators are AND, OR and NOT without colons"),
    "?": ("? stands where an expression should be", "write the expression"),
    "\u2212": ("a typographic minus is not an operator", "write - (hyphen)"),
    "\u2013": ("a dash is not an operator", "write - (hyphen)"),
    "\u00d7": ("\u00d7 is not an operator here", "write *"),
    "\u00b7": ("\u00b7 is not an operator here", "write *"),
    "\u22c5": ("\u22c5 is not an operator here", "write *"),
    "\u00f7": ("\u00f7 is not an operator here", "write /"),
    "\u2264": ("\u2264 is not an operator here", "write <="),
    "\u2265": ("\u2265 is not an operator here", "write >="),
    "\u2260": ("\u2260 is not an operator here", "write <>"),
    "\u201c": ("typographic quotes do not hold a name", 'write straight ones: "'),
    "\u201d": ("typographic quotes do not hold a name", 'write straight ones: "'),
}
_PAIRS = {
    ("=", "="): ("== is not an operator here", "write ="),
    ("*", "*"): ("** is not an operator here", "write ^"),
    ("=", "<"): ("=< is not an operator here", "write <="),
    ("=", ">"): ("=> is not an operator here", "write >="),
}


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    start: int

    @property
    def shown(self) -> str:
        return shorten(self.text, 40)

    @property
    def end(self) -> int:
        return self.start + len(self.text)


def explain(text: str, fault: UnexpectedInput) -> tuple[str, str, int]:
    """Reason, repair, and where in `text` the fault shows (from 0)."""
    place = fault.pos_in_stream
    if getattr(getattr(fault, "token", None), "type", "") == "$END" or place is None:
        place = len(text)
    tokens = _tokens(text, place)
    before = [token for token in tokens if token.start < place]
    found = next((token for token in tokens if token.start >= place), None)
    after = tokens[len(before) + 1] if len(tokens) > len(before) + 1 else None
    reason, repair = _why(before, found, after)
    return reason, repair, found.start if found else len(text.rstrip())


def _tokens(text: str, place: int) -> list[_Token]:
    """The tokens up to the one after `place`; no further, since beyond a fault anything may stand."""
    tokens: list[_Token] = []
    for match in _PIECE.finditer(text):
        kind = match.lastgroup or "other"
        if kind == "name" and match[0].lower() in _WORDS:
            kind = "operator" if match[0].lower() in _OPERATOR_WORDS else "word"
        if match[0] == "{":  # never closed: what follows is a comment, and to look for its end at each { takes a square of time
            tokens.append(_Token(kind, "{", match.start()))
            break
        if kind != "skip":
            tokens.append(_Token(kind, match[0], match.start()))
            if len(tokens) > 1 and tokens[-2].start >= place:
                break
    return tokens


def _open(tokens: list[_Token]) -> list[tuple[_Token, bool]]:
    """What is still open after these tokens, outermost first: brackets (and whether they are a call's or an index's) and
    the IF or THEN that waits for its next word."""
    waiting: list[tuple[_Token, bool]] = []
    last: _Token | None = None
    for token in tokens:
        word = token.text.lower() if token.kind == "word" else ""
        if token.kind == "open":
            waiting.append((token, token.text == "[" or (last is not None and (last.kind == "name" or last.text == "]"))))
        elif word == "if":
            waiting.append((token, False))
        elif token.kind == "close" or word in {"then", "else"}:
            if waiting:
                waiting.pop()
            if word == "then":
                waiting.append((token, False))
        last = token
    return waiting


def _why(before: list[_Token], found: _Token | None, after: _Token | None) -> tuple[str, str]:
    waiting = _open(before)
    innermost = waiting[-1][0].text.lower() if waiting else ""
    last = before[-1] if before else None
    if found and found.kind == "other":
        return _CHARACTERS.get(
            found.text, (f'the character "{found.shown}" has no meaning in an equation', "take it out, or put the name in quotes")
        )
    if last and found and (last.text, found.text) in _PAIRS and last.end == found.start:
        return _PAIRS[last.text, found.text]
    if (
        last
        and last.kind == "operator"
        and (not found or (found.kind in {"close", "comma", "word"} and found.text.lower() != "if"))
    ):
        return f"a value is missing after {last.shown}", "write the value, or take the operator out"
    if last and found and last.kind == "operator" and found.kind == "operator":
        return f"two operators in a row: {last.shown} {found.shown}", "take one out, or write the value between them"
    if not found:
        return _at_the_end(innermost, sum(token.text == "(" for token, _ in waiting), last)
    if found.kind == "close" or found.text.lower() in {"then", "else"} or (found.kind == "comma" and innermost in {"if", "then"}):
        return _closing(found, innermost, last)
    if found.kind == "comma":
        return _comma(before, found, after, within=bool(waiting and waiting[-1][1]))
    if last and last.kind in _ENDS_A_VALUE and (found.kind in _BEGINS_A_VALUE or found.text.lower() in {"if", "not"}):
        return _side_by_side(last, found)
    if found.kind == "operator" and found.text.lower() not in {"+", "-", "not"}:
        where = f"after {last.shown}" if last else "at the beginning"
        return f"a value is missing {where}, before {found.shown}", "write the value, or take the operator out"
    where = f" after {last.shown}" if last else ""
    return f"{found.shown} does not belong{where}", "check the spelling"


def _at_the_end(innermost: str, brackets: int, last: _Token | None) -> tuple[str, str]:
    if innermost == "if":
        return "IF without THEN", "write IF condition THEN value ELSE value"
    if innermost == "then" and (last is None or last.text.lower() != "then"):
        return "IF without ELSE", "add ELSE and the value when the condition does not hold"
    if innermost == "[":
        return "a bracket [ is never closed", "close it with ]"
    if brackets:
        many = f"{brackets} opening parentheses are" if brackets > 1 else "an opening parenthesis is"
        return f"unbalanced parenthesis: {many} never closed", "add )"
    return f"the equation ends after {last.shown if last else 'nothing'}, and a value is missing", "write the rest of it"


def _closing(found: _Token, innermost: str, last: _Token | None) -> tuple[str, str]:
    text = found.text.lower()
    if innermost == "if" and text != "then":
        return "IF without THEN", "write IF condition THEN value ELSE value"
    if innermost == "then" and text in {")", "]", ","}:
        return "IF without ELSE", "add ELSE and the value when the condition does not hold"
    if text in {"then", "else"} and innermost != {"then": "if", "else": "then"}[text]:
        return f"{text.upper()} without IF", "write IF condition THEN value ELSE value"
    if text in {")", "]"} and innermost not in {"(", "["}:
        return f"unbalanced parenthesis: {text} closes nothing", f"take it out, or open it with {'(' if text == ')' else '['}"
    if (text, innermost) in {(")", "["), ("]", "(")}:
        return f"{innermost} is closed by {text}", f"close it with {']' if innermost == '[' else ')'}"
    if last and last.text in {"(", "["}:
        return "there is nothing between the brackets", "write a value between them, or take them out"
    return f"a value is missing before {found.shown}", "write it"


def _comma(before: list[_Token], found: _Token, after: _Token | None, *, within: bool) -> tuple[str, str]:
    last = before[-1] if before else None
    if within:
        return "an argument is missing before the comma", "write it, or take the comma out"
    if last and after and last.kind == after.kind == "number" and last.end == found.start:
        return f"{last.shown},{after.shown} is not a number (a decimal comma?)", f"write {last.shown}.{after.shown}"
    return "a comma stands outside a function's arguments", "write one expression; decimals have a point"


def _side_by_side(last: _Token, found: _Token) -> tuple[str, str]:
    pair = f"{last.shown} {found.shown}"
    if last.kind == found.kind == "number":
        return f"two numbers in a row ({pair}): an operator is missing", f"write an operator, as in {last.shown} * {found.shown}"
    if last.kind == found.kind == "name":
        joined = f"{last.shown}_{found.shown}".replace('"', "")
        return f"two names in a row ({pair}): an operator is missing", f"write one, or join a name of two words as {joined}"
    if last.kind == "number" and found.kind == "name" and last.end == found.start:
        repair = (
            f'write {last.shown} * {found.shown}, or put a name that begins with a digit in quotes: "{last.shown}{found.shown}"'
        )
        return f"an operator is missing between {last.shown} and {found.shown}", repair
    return f"an operator is missing between {last.shown} and {found.shown}", "write one, as in 2 * x"
