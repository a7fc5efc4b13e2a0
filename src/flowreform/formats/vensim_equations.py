"""One equation of a Vensim file, from its text to its parts: left side, kind and right side.

The grammar of Vensim's expressions (Vensim Reference Manual, "Equations"), tight to loose: subscripts and calls; `^` (from the
right); a sign; `* /`; `+ -`; comparisons; `:NOT:`; `:AND:`; `:OR:`. So `-2^2` is -4. Names hold blanks, apostrophes and dollar
signs, and are case-insensitive. What a name means (a variable, a macro, a function) is settled later, in `vensim_expr`, when
all names of the file are known. Pure: text in, frozen parts out, and nothing in it is ever evaluated.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Any, Literal

from flowreform.formats.limits import DEFAULT, Limits, how_to_raise
from flowreform.formats.points import Unorderable, in_order
from flowreform.model import Binary, Call, Expr, Lookup, Number, Ref, Star, Unary, canonical, children, rebuilt

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

_TOKEN = re.compile(
    rf"[\s\\\u00a0]*(?:(?P<lookup>(?i:with[ _]+lookup)(?=\s*\())|(?P<name>{_NAME})|(?P<number>{_NUMBER})|(?P<text>'[^']*')"
    r"|(?P<word>(?i::\s*(?:NA|NOT|AND|OR)\s*:))|(?P<sign><>|<=|>=|[-+*/^=<>(),!:\[\]])|(?P<end>\Z))"
)
_BLANKS = re.compile(r"[\s\\\u00a0]*")
_POINTS = re.compile(
    rf"[\s\\\u00a0]*(\((?:\s*\[[^\[\]]*\]\s*,?)?\s*(?:(?:{_PAIR}\s*(?:,\s*)?)+|{_SIGNED}(?:\s*,\s*{_SIGNED})*\s*)\))"
)
_STRENGTH = {
    **dict.fromkeys(["or"], 1),
    **dict.fromkeys(["and"], 2),
    **dict.fromkeys(["=", "<>", "<", "<=", ">", ">="], 4),
    **dict.fromkeys(["+", "-"], 5),
    **dict.fromkeys(["*", "/"], 6),
    "^": 8,
}
"""How tightly an operator between two operands binds."""
_NOT, _SIGN = 3, 7
"""How tightly :NOT: and a sign bind what stands behind them."""


class _Stopped(Exception):
    """The text cannot be read from here on."""

    def __init__(self, place: int) -> None:
        self.place = place


@dataclass(slots=True)
class _Open:
    """A bracket that is open: what stands before it, what is complete in it, and the operators that still wait for an operand.

    `inputs` are the arguments before the colon of a call that names its results."""

    kind: Literal["whole", "group", "call", "element", "lookup"]
    name: str = ""
    subscripts: tuple[Any, ...] = ()
    arguments: list[Any] = field(default_factory=list)
    inputs: tuple[Any, ...] | None = None
    operands: list[Any] = field(default_factory=list)
    operators: list[tuple[int, str]] = field(default_factory=list)

    def settle(self, strength: int) -> None:
        """Apply the operators that bind at least so tightly."""
        while self.operators and self.operators[-1][0] >= strength:
            level, sign = self.operators.pop()
            right = self.operands.pop()
            if level in (_NOT, _SIGN):
                self.operands.append(_signed(sign, right))
            else:
                self.operands.append(Binary(sign, self.operands.pop(), right))

    def take(self) -> Any:
        """The one expression that was read since the bracket or the last comma."""
        self.settle(0)
        return self.operands.pop()


def _signed(sign: str, operand: Any) -> Any:
    if sign == "+":
        return operand
    if sign == "-" and isinstance(operand, Number):
        return Number(-operand.value)
    return Unary(sign, operand)


class _ExpressionReading:
    """One text being read, token by token. Brackets are kept on a list, so that nothing recurses however deep they stand."""

    def __init__(self, text: str) -> None:
        self.text, self.at, self.place, self.kind, self.token = text, 0, 0, "", ""
        self.open = [_Open("whole")]

    def next(self) -> None:
        """Go on to the next token: its kind and its text."""
        found = _TOKEN.match(self.text, self.at)
        if found is None:
            raise _Stopped(self._behind_blanks())
        self.kind = found.lastgroup or ""
        self.place, self.at = found.span(self.kind)
        self.token = found.group(self.kind)

    def word(self) -> str:
        """An operator as our expressions spell it: `:AND:` is and."""
        return self.token.strip(":").strip().lower() if self.kind == "word" else self.token

    def expression(self) -> Expr:
        self.next()
        while True:
            self._operand()
            while True:
                if self.kind == "end" and len(self.open) == 1:
                    return self.open[0].take()  # type: ignore[no-any-return]
                if not self._closing():
                    break

    def _operand(self) -> None:
        """Read up to the end of one operand: signs, brackets that open, and what they stand for."""
        while True:
            top = self.open[-1]
            sign = self.word()
            if self.kind == "sign" and sign in ("+", "-"):
                top.operators.append((_SIGN, sign))
            elif self.kind == "word" and sign == "not":
                if top.operators and top.operators[-1][0] > _NOT:
                    raise _Stopped(self.place)
                top.operators.append((_NOT, sign))
            elif self.kind == "sign" and sign == "(":
                self.open.append(_Open("group"))
            elif self.kind == "lookup":
                self.next()
                self.open.append(_Open("lookup"))
            elif self.kind == "name":
                if self._named():
                    return
            elif self.kind in ("number", "word", "text"):
                top.operands.append(self._literal(top, sign))
                self.next()
                return
            else:
                raise _Stopped(self.place)
            self.next()

    def _literal(self, top: _Open, word: str) -> Any:
        if self.kind == "number":
            return Number(float(self.token))
        if self.kind == "word":
            if word != "na":
                raise _Stopped(self.place)
            return Number(MISSING)
        if top.kind not in ("call", "element") or top.operators:
            raise _Stopped(self.place)
        rest = _TOKEN.match(self.text, self.at)
        if rest is None or rest.group("sign") not in (",", ")", ":"):  # a text is a whole argument
            raise _Stopped(self._behind_blanks())
        return VensimText(self.token[1:-1])

    def _behind_blanks(self) -> int:
        return _BLANKS.match(self.text, self.at).end()  # type: ignore[union-attr]

    def _named(self) -> bool:
        """A name with its subscripts; whether it is an operand, and not the beginning of a call with arguments."""
        name, subscripts = canonical(self.token), None
        self.next()
        if (self.kind, self.token) == ("sign", "["):
            subscripts = self._subscripts()
        if (self.kind, self.token) != ("sign", "("):
            self.open[-1].operands.append(Ref(name, subscripts or ()))
            return True
        if subscripts is not None:
            self.open.append(_Open("element", name, subscripts))
            return False
        rest = _TOKEN.match(self.text, self.at)
        if rest is not None and rest.group("sign") == ")":
            self.next()
            self.open[-1].operands.append(Call(name, ()))
            self.next()
            return True
        self.open.append(_Open("call", name))
        return False

    def _subscripts(self) -> tuple[Any, ...]:
        found: list[Any] = []
        while True:
            self.next()
            if self.kind != "name":
                raise _Stopped(self.place)
            name = canonical(self.token)
            self.next()
            if (self.kind, self.token) == ("sign", "!"):
                found.append(Star(name))
                self.next()
            else:
                found.append(Ref(name))
            if self.kind != "sign" or self.token not in ",]":
                raise _Stopped(self.place)
            if self.token == "]":
                self.next()
                return tuple(found)

    def _closing(self) -> bool:
        """What may stand behind an operand: an operator or a comma, after which an operand follows, or the end of a bracket,
        after which the same may stand again (True)."""
        top = self.open[-1]
        sign = self.word()
        if self.kind in ("sign", "word") and sign in _STRENGTH:
            strength = _STRENGTH[sign]
            top.settle(strength + (sign == "^"))
            top.operators.append((strength, sign))
            self.next()
            return False
        if self.kind != "sign" or top.kind == "whole":
            raise _Stopped(self.place)
        if sign == ")" and top.kind != "lookup":
            self.open.pop()
            self.open[-1].operands.append(self._closed(top))
            self.next()
            return True
        if sign == "," and top.kind == "lookup":
            self._points(self.open.pop().take())
            return True
        if sign == "," and top.kind in ("call", "element"):
            top.arguments.append(top.take())
            self.next()
            return False
        if sign == ":" and top.kind == "call" and top.inputs is None:
            top.inputs, top.arguments = (*top.arguments, top.take()), []
            self.next()
            return False
        raise _Stopped(self.place)

    def _closed(self, top: _Open) -> Any:
        last = top.take()
        if top.kind == "group":
            return last
        arguments = (*top.arguments, last)
        if top.kind == "element":
            return Call("lookup", (Ref(top.name, top.subscripts), *arguments))
        return Call(top.name, arguments) if top.inputs is None else Several(Call(top.name, top.inputs), arguments)

    def _points(self, argument: Any) -> None:
        """The points of a WITH LOOKUP, its second argument, and its closing bracket."""
        found = _POINTS.match(self.text, self.at)
        if found is None:
            raise _Stopped(self._behind_blanks())
        self.at = found.end()
        points: Any = VensimPoints(read_points(found.group(1)[1:-1].strip(), DEFAULT))
        self.next()
        if (self.kind, self.token) != ("sign", ")"):
            raise _Stopped(self.place)
        self.open[-1].operands.append(Call("with_lookup", (argument, points)))
        self.next()


def parse_expression(text: str, limits: Limits) -> Expr:
    """The expression that a right side spells, names unsettled. Raises Unreadable."""
    try:
        expr = _ExpressionReading(text).expression()
    except _Stopped as fault:
        raise _explained(text, fault.place) from None
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


def _explained(text: str, place: int) -> Unreadable:
    """What the reader stumbled over, in words."""
    rest = text[place:].strip()
    bare = re.sub(rf"({_QUOTED}|'[^']*')|\"[\s\S]*", lambda found: "" if found[1] else '"', text)
    if '"' in bare:
        return Unreadable(f"the quotes do not close: cannot read `{(rest or text.strip())[:60]}`", "close the quotes")
    if bare.count("(") != bare.count(")") or bare.count("[") != bare.count("]"):
        kind = "round" if bare.count("(") != bare.count(")") else "square"
        return Unreadable(f"the {kind} brackets do not close: cannot read `{(rest or text.strip())[:60]}`", "close every bracket")
    if not rest:
        return Unreadable(f"the equation ends too early: cannot read `{text.strip()[-60:]}`", "complete the equation")
    return Unreadable(f"cannot read `{rest[:60]}`", "correct the equation")
