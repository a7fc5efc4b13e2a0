"""Why an expression cannot be read, in the words of the person who wrote it.

The parser says which token it did not expect; what that means (a decimal comma, a forgotten operator, an IF without ELSE)
depends on what stands around it. `explain` looks, and runs only once a fault is known.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flowreform.errors import shorten
from flowreform.formats.expressions import NAME, NUMBER

if TYPE_CHECKING:
    from lark.exceptions import UnexpectedInput

_TOKEN = re.compile(
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
    for match in _TOKEN.finditer(text):
        kind = match.lastgroup or "other"
        if kind == "name" and match[0].lower() in _WORDS:
            kind = "operator" if match[0].lower() in _OPERATOR_WORDS else "word"
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
