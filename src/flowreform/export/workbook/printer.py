"""Expressions as Excel formulas: text in, text out, nothing of a model's own names.

A formula is printed once for a column, with marks where the number of its row and of the row above go (`at_row`). Excel's
own rules are kept out of the way: every unary minus stands in parentheses (`-2^2` is 4 there), powers are POWER, the
remainder is written out (Excel's MOD has the sign of the divisor), conditions are IF(condition,1,0).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from flowreform import builtins
from flowreform.builtins import Kind as BuiltinKind
from flowreform.export.workbook.columns import Argument, Columns, argument, moves
from flowreform.export.workbook.flat import Flat, Kind
from flowreform.model import LookupKind
from flowreform.program import Code, Const, Drive, LookupRead, Now, Op, Ordinal, Past, Pick, Read, Vector, walk

HERE, ABOVE = "\x01", "\x02"
"""Where the number of a formula's own row and of the row above go."""
LONGEST = 8192
"""Excel's limit on the characters of a formula."""
MOST_CHOICES = 254
"""Excel's limit on the values of CHOOSE."""
ENDLESS = "9.99E+307"
"""What stands for infinity where a number is only compared with it."""
_ATOM, _TIMES, _PLUS, _COMPARE = 9, 5, 4, 1
_CALL = re.compile(r"[A-Z][A-Z0-9.]*\(")

Text = tuple[str, int]
"""A formula's text and how tightly its outermost operator binds."""


class Moment(Enum):
    """Whose values are read: those of the same row, of the row above, or of the start of the run."""

    SAME = HERE
    BEFORE = ABOVE
    START = ""


class Unprintable(Exception):
    """An expression with no form in a spreadsheet: why."""


@dataclass(frozen=True)
class Points:
    """Where the points of one graphical function stand: cell ranges, the first and the last x."""

    xs: str
    ys: str
    slopes: str
    low: str
    high: str


@dataclass(frozen=True)
class Addresses:
    """Where everything stands. `columns` has the letters of each slot, `cells` the cell of each input and of what is worked
    out once, `begins` that of a slot whose value differs while the run starts; `numbers` the column of point numbers by
    (table, argument); `levers` the columns of levers over time, by (series,
    half steps later) and scenario (from 0); `first` the first row."""

    columns: Mapping[int, str]
    cells: Mapping[int, str]
    begins: Mapping[int, str]
    numbers: Mapping[tuple[int, Argument], str]
    tables: Mapping[int, Points]
    levers: Mapping[tuple[int, int], Mapping[int, str]]
    scenarios: int
    selector: str
    start: str
    dt: str
    first: int
    step: str = "$A"
    time: str = "$B"
    sheet: str = "Engine!"


class Printer:
    """Prints expressions for cells of the Engine sheet, or with `outside` for another sheet (at the start of the run only)."""

    def __init__(self, flat: Flat, columns: Columns, where: Addresses, moment: Moment, *, outside: bool = False) -> None:
        self.flat, self.columns, self.where, self.moment, self.outside = flat, columns, where, moment, outside

    def formula(self, code: Code) -> str:
        """The formula of an expression, with its `=`."""
        return "=" + self.value(code)[0]

    def value(self, code: Code) -> Text:
        """The text of a number."""
        match code:
            case Const(value):
                return literal(value), _ATOM
            case Now():
                return self._now(), _ATOM
            case Ordinal(base, terms) if not terms:
                return str(base + 1), _ATOM
            case Read(base, _, picks):
                return (self._picked(base, picks), _ATOM) if picks else self.slot(base)
            case LookupRead():
                return self._lookup(code)
            case Past(number, lag, before, _):
                return self._past(number, lag, before)
            case Op():
                return self._operate(code)
            case _:
                raise Unprintable(f"{type(code).__name__.lower()} has no form in a spreadsheet")

    # --- where values stand

    def slot(self, slot: int) -> Text:
        """The cell of a slot, or its expression where it is worked out inside others."""
        where = self.where
        if slot in where.cells:
            return where.cells[slot], _ATOM
        if self.moment is Moment.START and slot in where.begins:
            return where.begins[slot], _ATOM
        if slot in self.columns.folded:
            return self.value(self.flat.step[slot])
        if slot not in where.columns:
            raise Unprintable("it reads an element that has no value")
        return self._cell(where.columns[slot]), _ATOM

    def _cell(self, column: str) -> str:
        if self.moment is not Moment.START:
            return f"{column}{self.moment.value}"
        return f"{self.where.sheet}{column}${self.where.first}" if self.outside else f"{column}{self.where.first}"

    def _now(self) -> str:
        return self._fixed(self.where.start) if self.moment is Moment.START else f"{self.where.time}{self.moment.value}"

    def _fixed(self, cell: str) -> str:
        return f"{self.where.sheet}{cell}" if self.outside else cell

    def _picked(self, base: int, picks: tuple[Pick, ...]) -> str:
        """An element whose number is worked out: 0 outside the dimension (XMILE 1.0, 3.7.1)."""
        pick, *rest = picks
        if pick.size > MOST_CHOICES:
            raise Unprintable(f"it picks one of {pick.size} elements, and a spreadsheet can do {MOST_CHOICES}")
        index = self.value(pick.index)[0]
        values = [
            self._picked(base + i * pick.stride, tuple(rest)) if rest else self.slot(base + i * pick.stride)[0]
            for i in range(pick.size)
        ]
        return f"IF(AND({index}>=1,{index}<{pick.size + 1}),CHOOSE(INT({index}),{','.join(values)}),0)"

    def _past(self, number: int, lag: Code, before: Code) -> Text:
        """A value some steps ago: from strictly earlier rows."""
        if self.moment is Moment.START:
            return self.value(before)
        if self.moment is Moment.BEFORE:
            raise Unprintable("a delay of fixed length stands inside a rate")
        column = self.where.columns[self.flat.program.remembered[number]]
        steps, first = self.value(lag)[0], self.where.first
        past = f"INDEX({column}${first}:{column}{ABOVE},{self.where.step}{HERE}-INT({steps})+1)"
        return f"IF(OR({steps}>{self.where.step}{HERE},{steps}<1),{self.value(before)[0]},{past})", _ATOM

    # --- operators and functions

    def _operate(self, op: Op) -> Text:
        name, args = op.name, op.args
        if name in ("+", "-", "*", "/"):
            level = _PLUS if name in "+-" else _TIMES
            return f"{self._at_least(args[0], level)}{name}{self._at_least(args[1], level + 1)}", level
        if name == "neg":
            return f"(-{self._at_least(args[0], _ATOM)})", _ATOM
        if name == "square":
            text, level = self.value(args[0])
            return (f"{text}*{text}", _TIMES) if level == _ATOM and len(text) < 40 else (f"POWER({text},2)", _ATOM)
        if name == "if":
            if isinstance(args[1], Drive):
                return self._lever(args[1], args[2]), _ATOM
            return f"IF({self.condition(args[0])},{self.value(args[1])[0]},{self.value(args[2])[0]})", _ATOM
        if name in _COMPARISONS or name in ("and", "or", "not"):
            return f"IF({self.condition(op)},1,0)", _ATOM
        row = builtins.BUILTINS.get(name)
        if row is None or not row.excel:
            raise Unprintable(f"{name.upper()} has no form in a spreadsheet{': ' + row.no_excel if row and row.no_excel else ''}")
        bounds = row.repeats or row.kind is BuiltinKind.TIMED
        texts = [ENDLESS if bounds and arg == Const(math.inf) else self.value(arg)[0] for arg in args]
        text = row.excel.format(*texts, t=self._now(), dt=self._fixed(self.where.dt))
        return (text if _CALL.match(text) and _closes_last(text) else f"({text})"), _ATOM

    def _at_least(self, code: Code, level: int) -> str:
        text, own = self.value(code)
        return text if own >= level else f"({text})"

    def condition(self, code: Code) -> str:
        """The text of a truth value: anything but 0 is true."""
        if isinstance(code, Op) and code.name in _COMPARISONS:
            return f"{self._at_least(code.args[0], _PLUS)}{code.name}{self._at_least(code.args[1], _PLUS)}"
        if isinstance(code, Op) and code.name in ("and", "or"):
            return f"{code.name.upper()}({self.condition(code.args[0])},{self.condition(code.args[1])})"
        if isinstance(code, Op) and code.name == "not":
            return f"NOT({self.condition(code.args[0])})"
        return f"{self._at_least(code, _PLUS)}<>0"

    # --- graphical functions and levers over time

    def _lookup(self, read: LookupRead) -> Text:
        table = self.flat.program.tables[read.table]
        if len(table.x) == 1:
            return literal(table.y[0]), _ATOM
        points = self.where.tables[read.table]
        x = self.value(read.x)[0]
        number = None
        if self.moment is Moment.SAME and moves(self.flat, read.x):
            number = f"{self.where.numbers[(read.table, argument(read))]}{HERE}"
        return read_points(points, table.kind, len(table.x), x, number)

    def _lever(self, drive: Drive, given: Code) -> str:
        """A lever over time: the series of the chosen scenario where it has one, the given value elsewhere."""
        own = self.value(given)[0]
        series = self.where.levers.get((drive.number, drive.later), {})
        if not series:
            return own
        if self.where.scenarios > MOST_CHOICES:
            raise Unprintable(f"it varies over time in one of {self.where.scenarios} scenarios, and {MOST_CHOICES} is the limit")
        choices = [self._cell(series[i]) if i in series else own for i in range(self.where.scenarios)]
        return f"CHOOSE({self.where.selector},{','.join(choices)})"


_COMPARISONS = ("=", "<>", "<", "<=", ">", ">=")


def number_of_point(points: Points, kind: LookupKind, count: int, x: str) -> str:
    """The number of the point, from 1, that a graphical function is read from."""
    match kind:
        case LookupKind.CONTINUOUS:
            return f"MATCH({_held(points, x)},{points.xs},1)"
        case LookupKind.EXTRAPOLATE:
            return f"MIN(IFERROR(MATCH({x},{points.xs},1),1),{count - 1})"
        case LookupKind.DISCRETE:
            return f"IFERROR(MATCH({x},{points.xs},1),1)"


def read_points(points: Points, kind: LookupKind, count: int, x: str, number: str | None) -> Text:
    """A graphical function at x; `number` is the cell of the point's number where there is one."""
    k = number or number_of_point(points, kind, count, x)
    if kind is LookupKind.DISCRETE:
        return f"INDEX({points.ys},{k})", _ATOM
    at = _held(points, x) if kind is LookupKind.CONTINUOUS else f"({x})"
    return f"INDEX({points.ys},{k})+INDEX({points.slopes},{k})*({at}-INDEX({points.xs},{k}))", _PLUS


def _held(points: Points, x: str) -> str:
    return f"MAX({points.low},MIN({points.high},{x}))"


def _closes_last(text: str) -> bool:
    """Whether the parenthesis that the text opens first is the one that closes at its end."""
    depth = 0
    for i, mark in enumerate(text):
        depth += (mark == "(") - (mark == ")")
        if mark == ")" and depth == 0:
            return i == len(text) - 1
    return False


def literal(number: float) -> str:
    """A number as Excel writes it."""
    if not math.isfinite(number):
        raise Unprintable("a spreadsheet has neither infinity nor NaN")
    text = str(int(number)) if number == int(number) and abs(number) < 1e15 else repr(number).upper()
    return text if number >= 0 else f"({text})" if number else "0"


def at_row(formula: str, row: int) -> str:
    """A column's formula in one row."""
    return formula.replace(HERE, str(row)).replace(ABOVE, str(row - 1))


def without_form(code: Code) -> list[str]:
    """The functions of an expression that no spreadsheet has, by the name a modeller knows."""
    found: list[str] = []
    for part in walk(code):
        if isinstance(part, Op) and part.name in builtins.BUILTINS:
            row = builtins.BUILTINS[part.name]
            if row.kind in (BuiltinKind.PURE, BuiltinKind.TIMED) and not row.excel:
                found.append(part.name.upper())
        elif isinstance(part, Vector):
            found.append(part.name.upper())
        elif isinstance(part, Const) and math.isnan(part.value):
            found.append("a missing value (NaN)")
    return list(dict.fromkeys(found))


__all__ = [
    "ABOVE", "HERE", "Addresses", "Kind", "Moment", "Points", "Printer", "Unprintable", "at_row", "literal", "number_of_point",
    "read_points", "without_form",
]  # fmt: skip
