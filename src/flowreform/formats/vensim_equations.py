"""One equation of a Vensim file, from its text to its parts: left side, kind and right side.

The grammar of Vensim's expressions (Vensim Reference Manual, "Equations"), tight to loose: subscripts and calls; `^` (from the
right); a sign; `* /`; `+ -`; comparisons; `:NOT:`; `:AND:`; `:OR:`. So `-2^2` is -4. Names hold blanks, apostrophes and dollar
signs, and are case-insensitive. What a name means (a variable, a macro, a function) is settled later, in `vensim_expr`, when
all names of the file are known. Pure: text in, frozen parts out, and nothing in it is ever evaluated.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from flowreform.formats.limits import Limits, how_to_raise
from flowreform.formats.points import Unorderable, in_order
from flowreform.model import Binary, Call, Expr, Lookup, Number, Ref, Star, Unary, canonical, children, rebuilt

if TYPE_CHECKING:
    from lark import Lark
    from lark.exceptions import UnexpectedInput

MISSING = math.nan
"""What `:NA:` stands for: no value."""


class Unreadable(Exception):
    """An equation with no meaning for us: `reason` and `repair`."""

    def __init__(self, reason: str, repair: str = "") -> None:
        super().__init__(reason)
        self.reason, self.repair = reason, repair


@dataclass(frozen=True, slots=True)
class VensimText:
    """Text in single quotes."""

    value: str


@dataclass(frozen=True, slots=True)
class VensimPoints:
    """The points of a WITH LOOKUP, still in the place of an argument."""

    lookup: Lookup


@dataclass(frozen=True, slots=True)
class Several:
    """A call of a macro with further results: `m(inputs : result, ...)`."""

    call: Call
    results: tuple[Expr, ...]


@dataclass(frozen=True, slots=True)
class VensimNumbers:
    """A list of numbers that fills an array, last subscript fastest."""

    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class External:
    """`GET XLS ...` or `GET DIRECT ...`: kind "constants", "lookups" or "data", and its arguments: texts, or names of string
    variables (`Ref`)."""

    kind: str
    arguments: tuple[VensimText | Ref, ...]


@dataclass(frozen=True, slots=True)
class NoEquation:
    """A right side that is not there: "data" for a data variable, "unwritten" for A FUNCTION OF."""

    kind: Literal["data", "unwritten"]


Raw = Expr | VensimText | VensimNumbers | Lookup | External | NoEquation
"""A right side before names are settled; inside it `Call` also stands for lookups, and `Text`, `Points`, `Several` for parts."""

Kind = Literal["equation", "lookup", "data", "text", "check"]


@dataclass(frozen=True, slots=True)
class VensimEquation:
    """An equation in its parts: `check` is a reality check or test input, which no run needs; `keyword` says how a data
    variable is read between its times ("interpolate", "hold_backward", "look_forward", "raw")."""

    kind: Kind
    name: str
    subscripts: tuple[str, ...] = ()
    exceptions: tuple[tuple[str, ...], ...] = ()
    keyword: str | None = None
    right: Raw = NoEquation("data")
    text: str = ""


_QUOTED = r'"(?:\\.|[^"\\])*"'
_BODY = r"[^\W\d]"
_NAME = rf"(?:{_BODY}[\w'$]*(?:[ \u00a0]+[\w'$]+)*|{_QUOTED})"
_NUMBER = r"(?>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)"
_SIGNED = rf"(?:[+-]\s*)?{_NUMBER}"
_PAIR = rf"\(\s*{_SIGNED}\s*,\s*{_SIGNED}\s*\)"

_LEFT = re.compile(
    rf"\s*(?P<name>{_NAME})\s*(?P<subscripts>\[[^\[\]]*\])?"
    rf"(?:\s*:EXCEPT:\s*(?P<except>\[[^\[\]]*\](?:\s*,\s*\[[^\[\]]*\])*))?\s*",
    re.IGNORECASE,
)
_KEYWORD = re.compile(r":\s*(interpolate|raw|hold backward|look forward)\s*:\s*", re.IGNORECASE)
_CHECK = re.compile(r":\s*(the condition|test input)\s*:", re.IGNORECASE)
_CONSTANT = re.compile(rf"\s*([+-]?{_NUMBER})\s*")
_LIST = re.compile(rf"\s*{_SIGNED}(?:\s*[,;]\s*{_SIGNED})*\s*[,;]?\s*")
_TABBED = re.compile(rf"TABBED ARRAY\s*\(((?:\s*{_SIGNED})*)\s*\)\s*", re.IGNORECASE)
_GET = re.compile(r"GET[ _](XLS|DIRECT|123|VDF)[ _](CONSTANTS|DATA|LOOKUPS)\s*\((.*)\)\s*", re.IGNORECASE | re.DOTALL)
_ARGUMENT = re.compile(rf"\s*(?:'([^']*)'|({_NAME}))\s*(?:,|$)")
_UNWRITTEN = re.compile(r"A FUNCTION OF\s*\(.*\)\s*", re.IGNORECASE | re.DOTALL)
_LIMITS = re.compile(r"\[[^\[\]]*\]\s*,?\s*")
_ITEM = re.compile(rf"\s*({_QUOTED}|[^,\"]+?)\s*(?:,|$)")


def parse_equation(text: str, limits: Limits) -> VensimEquation:
    """The parts of one equation. Raises Unreadable, with what is wrong and what to write."""
    head = _LEFT.match(text)
    if head is None:
        raise Unreadable(f"cannot read `{text.strip()[:60]}`", "write `name = expression`")
    name = head.group("name").strip()
    subscripts = _items(head.group("subscripts") or "")
    exceptions = tuple(_items(group) for group in re.findall(r"\[[^\[\]]*\]", head.group("except") or ""))
    rest = text[head.end() :]
    if _CHECK.match(rest):
        return VensimEquation("check", name)
    keyword = None
    if found := _KEYWORD.match(rest):
        keyword, rest = found.group(1).lower().replace(" ", "_"), rest[found.end() :]
    side = (name, subscripts, exceptions, keyword)
    if not rest.strip():
        return VensimEquation("data", *side)
    if rest.startswith(":IS:") or rest[:4].lower() == ":is:":
        return VensimEquation("text", *side, _quoted(rest[4:]))
    if rest.startswith("("):
        return VensimEquation("lookup", *side, _lookup_body(rest, limits), rest.strip())
    for sign, kind in ((":=", "data"), ("==", "equation"), ("=", "equation")):
        if rest.startswith(sign):
            right = rest[len(sign) :].strip()
            return VensimEquation(kind, *side, _right(right, limits), right)  # type: ignore[arg-type]
    raise Unreadable(f"cannot read `{rest.strip()[:60]}`", "write `name = expression`")


def _items(text: str) -> tuple[str, ...]:
    """The names between brackets."""
    inside = text.strip()[1:-1].strip() if text else ""
    return tuple(item for item in _ITEM.findall(inside) if item.strip())


def _quoted(text: str) -> VensimText:
    plain = text.strip()
    if len(plain) < 2 or plain[0] != plain[-1] or plain[0] not in "'\"":
        raise Unreadable("a string variable needs its text in quotes", "write name :IS: 'text'")
    return VensimText(plain[1:-1])


# --- right sides -----------------------------------------------------------------------------------------------------


def _right(text: str, limits: Limits) -> Raw:
    if not text:
        raise Unreadable("nothing stands behind the equals sign", "write the equation")
    if plain := _CONSTANT.fullmatch(text):
        return Number(_finite(plain.group(1)))
    if _LIST.fullmatch(text) and re.search(r"[,;]", text):
        return _numbers(text)
    if tabbed := _TABBED.fullmatch(text):
        return _numbers(tabbed.group(1))
    if fetched := _GET.fullmatch(text):
        return _external(fetched)
    if _UNWRITTEN.fullmatch(text):
        return NoEquation("unwritten")
    return parse_expression(text, limits)


def _finite(text: str) -> float:
    """A number as written; 1e999 is infinite, and whoever needs it finite says so."""
    return float(text.replace(" ", ""))


def _numbers(text: str) -> VensimNumbers:
    values = tuple(_finite(item) for item in re.findall(_SIGNED, text))
    if not values:
        raise Unreadable("the list holds no numbers", "write one number for each element")
    return VensimNumbers(values)


def _external(found: re.Match[str]) -> External:
    if found.group(1).upper() == "VDF":
        raise Unreadable(
            "GET VDF reads data in Vensim's own binary form", "export the data from Vensim as a spreadsheet and use GET DIRECT"
        )
    arguments: list[VensimText | Ref] = []
    inside, position = found.group(3), 0
    while inside[position:].strip():
        item = _ARGUMENT.match(inside, position)
        if item is None or item.end() == position:
            raise Unreadable("the arguments of GET ... must be texts in quotes", "write 'file', 'tab', 'cell'")
        name = item.group(2)
        arguments.append(VensimText(item.group(1)) if name is None else Ref(canonical(name)))
        position = item.end()
    kind = found.group(2).lower()
    wanted = 3 if kind == "constants" else 4
    if len(arguments) != wanted:
        reason = f"GET {found.group(1).upper()} {found.group(2).upper()} takes {wanted} texts in quotes and has {len(arguments)}"
        raise Unreadable(reason, "write the file, the tab and the cells")
    return External(kind, tuple(arguments))


def _lookup_body(text: str, limits: Limits) -> Lookup | External:
    """What stands behind the name of a lookup: points, or a reference to a spreadsheet."""
    plain = text.strip()
    if not plain.endswith(")"):
        raise Unreadable("the brackets around the points do not close", "close them")
    inside = plain[1:-1].strip()
    if fetched := _GET.fullmatch(inside):
        return _external(fetched)
    return read_points(inside, limits)


def read_points(text: str, limits: Limits) -> Lookup:
    """The points inside the brackets of a lookup: `[(x0,y0)-(x1,y1)], (x,y), ...`, or the older `x, x, ..., y, y, ...`."""
    frame = _LIMITS.match(text)
    if frame:
        if re.search(r"[^\s0-9.,()\[\]eE+-]", frame.group()):
            raise Unreadable(f"cannot read `{frame.group().strip()[:60]}`", "write the frame as [(0,0)-(10,10)]")
        text = text[frame.end() :]
    text = text.strip().rstrip(",")
    if re.fullmatch(rf"(?:{_PAIR}\s*(?:,\s*)?)+", text):
        values = [_finite(item) for item in re.findall(_SIGNED, text)]
        x, y = values[::2], values[1::2]
    elif re.fullmatch(rf"{_SIGNED}(?:\s*,\s*{_SIGNED})*", text):
        values = [_finite(item) for item in re.findall(_SIGNED, text)]
        if len(values) % 2:
            raise Unreadable(f"the lookup has {len(values)} numbers, which are no pairs", "write as many y values as x values")
        x, y = values[: len(values) // 2], values[len(values) // 2 :]
    else:
        raise Unreadable(f"cannot read `{text[:60]}` as points", "write (x, y), (x, y), ...")
    if len(x) > limits.elements:
        raise Unreadable(f"the lookup has more than {limits.elements:,} points", how_to_raise("elements"))
    return make_lookup(x, y)


def make_lookup(x: list[float], y: list[float]) -> Lookup:
    """`points.in_order`. Raises Unreadable."""
    try:
        return in_order(x, y)
    except Unorderable as fault:
        raise Unreadable(fault.reason, fault.repair) from None


# --- expressions -----------------------------------------------------------------------------------------------------

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


def parse_expression(text: str, limits: Limits) -> Expr:
    """The expression that a right side spells, names unsettled. Raises Unreadable."""
    from lark.exceptions import UnexpectedInput, VisitError

    try:
        expr: Expr = _parser().parse(text)  # type: ignore[assignment]
    except UnexpectedInput as fault:
        raise _explained(text, fault) from None
    except VisitError as fault:
        if isinstance(fault.orig_exc, Unreadable):
            raise fault.orig_exc from None
        raise
    if len(text) > limits.nesting and _depth(expr) > limits.nesting:
        raise Unreadable(f"operators and brackets stand more than {limits.nesting} levels deep", how_to_raise("nesting"))
    return expr


def parts(expr: Any) -> tuple[Any, ...]:
    """What stands directly inside a part of a raw expression."""
    return (expr.call, *expr.results) if isinstance(expr, Several) else children(expr)


def without_results(raw: Raw, calls: list[Several]) -> Raw:
    """The right side with each call that names further results replaced by the plain call; those calls go to `calls`."""
    if not isinstance(raw, (Several, Ref, Unary, Binary, Call)):
        return raw
    waiting: list[tuple[Any, bool]] = [(raw, False)]
    done: list[Any] = []
    while waiting:
        part, ready = waiting.pop()
        inside = parts(part)
        if inside and not ready:
            waiting.append((part, True))
            waiting.extend((child, False) for child in reversed(inside))
            continue
        first = len(done) - len(inside)
        new = tuple(done[first:])
        if isinstance(part, Several):
            calls.append(Several(new[0], part.results))
            done[first:] = [new[0]]
        else:
            done[first:] = [rebuilt(part, new) if inside else part]
    return done[0]  # type: ignore[no-any-return]


def _depth(expr: Any) -> int:
    deepest, waiting = 0, [(expr, 1)]
    while waiting:
        part, level = waiting.pop()
        deepest = max(deepest, level)
        waiting.extend((inside, level + 1) for inside in parts(part))
    return deepest


def _explained(text: str, fault: UnexpectedInput) -> Unreadable:
    """What the parser stumbled over, in words."""
    place = -1 if fault.pos_in_stream is None else fault.pos_in_stream
    place = place if place >= 0 else len(text)
    rest = text[place:].strip()
    bare = re.sub(rf"{_QUOTED}|'[^']*'", "", text)
    if bare.count("(") != bare.count(")") or bare.count("[") != bare.count("]"):
        kind = "round" if bare.count("(") != bare.count(")") else "square"
        return Unreadable(f"the {kind} brackets do not close: cannot read `{(rest or text.strip())[:60]}`", "close every bracket")
    if not rest:
        return Unreadable(f"the equation ends too early: cannot read `{text.strip()[-60:]}`", "complete the equation")
    return Unreadable(f"cannot read `{rest[:60]}`", "correct the equation")


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
def _parser() -> Lark:
    """The parser, built once. LALR with the transformer inside it: no tree is built and nothing recurses."""
    from lark import Lark, Transformer, v_args

    methods = {name: staticmethod(callback) for name, callback in _CALLBACKS.items()}
    methods["POINTS"] = staticmethod(_points_token)
    build = v_args(inline=True)(type("_Build", (Transformer,), methods))
    return Lark(_GRAMMAR, parser="lalr", lexer="contextual", transformer=build())


def _points_token(token: Any) -> VensimPoints:
    from flowreform.formats.limits import DEFAULT

    return VensimPoints(read_points(str(token)[1:-1].strip(), DEFAULT))
