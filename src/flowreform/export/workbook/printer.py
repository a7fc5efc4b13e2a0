"""Expressions as Excel formulas: text in, text out, nothing of a model's own names.

A formula is printed once for a column, with marks where the number of its row and of the row above go (`at_row`). Excel's
own rules are kept out of the way: every unary minus stands in parentheses (`-2^2` is 4 there), powers are POWER, the
remainder is written out (Excel's MOD has the sign of the divisor), conditions are IF(condition,1,0).
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, StrEnum

from flowreform import builtins
from flowreform.builtins import Kind as BuiltinKind
from flowreform.lower.order import reads
from flowreform.lower.stages import Repeat, written_out
from flowreform.model import LookupKind
from flowreform.program import (
    Assign,
    Code,
    Const,
    Drive,
    LookupRead,
    Noise,
    Now,
    Op,
    Ordinal,
    Past,
    Pick,
    Program,
    Read,
    Reduce,
    Stock,
    Vector,
    bind,
    inside,
    walk,
)


class SlotKind(StrEnum):
    """Where a slot's value stands."""

    INPUT = "input"  # a parameter: one cell that a person may change
    ONCE = "once"  # worked out from inputs alone, or at the start of the run: one cell
    STEP = "step"  # auxiliaries and flows: a column, from the same row
    STOCK = "stock"  # a column, from the row above
    MEMORY = "memory"  # what is remembered from the row above
    NOTHING = "nothing"  # never written


@dataclass(frozen=True)
class Flat:
    """`once`, `step` in order, `begin` (what stocks, memories and held values are at the start); all by slot.

    `different` has the slots whose value while the run starts differs from that of the first row, with the code that gives
    it (ACTIVE INITIAL). `program` is the same model unrolled, for the engine."""

    program: Program
    kinds: Mapping[int, SlotKind]
    once: Mapping[int, Code]
    step: Mapping[int, Code]
    begin: Mapping[int, Code]
    different: Mapping[int, Code]
    rates: Mapping[int, tuple[Code, bool]]
    memory: Mapping[int, Code]
    looks: Mapping[int, Repeat] = field(default_factory=dict)
    """What the slots stand for that write out a Runge-Kutta step."""

    def codes(self, slot: int) -> Iterator[Code]:
        """Everything that must be worked out for a slot's own cells."""
        for table in (self.once, self.step, self.begin, self.memory):
            if slot in table:
                yield table[slot]
        if slot in self.rates:
            yield self.rates[slot][0]


def flatten(program: Program) -> Flat:
    """The flat form of a program."""
    unrolled, looks = written_out(_unrolled(program))
    program = _with_arguments(unrolled)
    step = {part.target.base: part.code for part in program.step}
    constant = {part.target.base: part.code for part in program.constant}
    rates = {stock.target.base: (stock.rate, stock.non_negative) for stock in program.stocks}
    memory = {part.target.base: part.code for part in program.memory}
    begin: dict[int, Code] = {}
    different: dict[int, Code] = {}
    for part in program.initial:
        slot = part.target.base
        if slot not in step:
            begin[slot] = part.code
        elif part.code != step[slot] or not different.keys().isdisjoint(reads(part)):
            different[slot] = part.code
    kinds: dict[int, SlotKind] = dict.fromkeys(range(program.slots), SlotKind.NOTHING)
    for item in program.inputs:
        kinds.update(dict.fromkeys(range(item.base, item.base + len(item.values)), SlotKind.INPUT))
    kinds.update(dict.fromkeys(constant, SlotKind.ONCE))
    kinds.update(dict.fromkeys(begin, SlotKind.ONCE))
    kinds.update(dict.fromkeys(step, SlotKind.STEP))
    kinds.update(dict.fromkeys(memory, SlotKind.MEMORY))
    kinds.update(dict.fromkeys(rates, SlotKind.STOCK))
    held = {slot: code for slot, code in begin.items() if kinds[slot] is SlotKind.ONCE}
    rest = {slot: code for slot, code in begin.items() if kinds[slot] is not SlotKind.ONCE}
    return Flat(program, kinds, {**constant, **held}, step, rest, different, rates, memory, looks)


def _unrolled(program: Program) -> Program:
    """The same program, one statement for each element."""

    def apart(statements: tuple[Assign, ...]) -> tuple[Assign, ...]:
        return tuple(
            Assign(part.name, part.target, (), _plain(part.code)) for statement in statements for part in statement.unrolled()
        )

    stocks = []
    for stock in program.stocks:
        for part in Assign(stock.name, stock.target, stock.loops, stock.rate).unrolled():
            stocks.append(Stock(stock.name, part.target, (), _plain(part.code), stock.non_negative))
    return replace(
        program,
        constant=apart(program.constant),
        initial=apart(program.initial),
        step=apart(program.step),
        memory=apart(program.memory),
        stocks=tuple(stocks),
    )


def _plain(code: Code) -> Code:
    """The same expression with its reductions written out."""
    match code:
        case Reduce(op, loop, size, body):
            total = _plain(bind(body, loop, 0))
            for i in range(1, size):
                total = Op(op, (total, _plain(bind(body, loop, i))))
            return total
        case Op(name, args):
            return Op(name, tuple(_plain(arg) for arg in args))
        case LookupRead(table, x, terms):
            return LookupRead(table, _plain(x), terms)
        case Past(number, lag, before, terms):
            return Past(number, _plain(lag), _plain(before), terms)
        case Read(base, terms, picks) if picks:
            return Read(base, terms, tuple(Pick(_plain(pick.index), pick.stride, pick.size) for pick in picks))
        case Vector(name, size, arrays, args):
            return Vector(name, size, arrays, tuple(_plain(arg) for arg in args))
        case _:
            return code


def _with_arguments(program: Program) -> Program:
    """The same program with a slot of its own for every argument of a graphical function that is not a single value."""
    owners = list(program.owners)
    known: dict[tuple[str, Code], int] = {}

    def of(statements: tuple[Assign, ...], phase: str) -> tuple[Assign, ...]:
        done: list[Assign] = []
        for statement in statements:
            done.append(replace(statement, code=lift(statement.code, statement.name, done, phase)))
        return tuple(done)

    def lift(code: Code, name: str, before: list[Assign], phase: str) -> Code:
        match code:
            case LookupRead(table, x, terms):
                x = lift(x, name, before, phase)
                if isinstance(x, Now | Const) or (isinstance(x, Read) and not x.picks):
                    return LookupRead(table, x, terms)
                slot = known.get((phase, x))
                if slot is None:
                    slot = known[(phase, x)] = len(owners)
                    owners.append(name)
                    before.append(Assign(name, Read(slot), (), x))
                elif phase == "initial" and all(part.target.base != slot for part in before):
                    before.append(Assign(name, Read(slot), (), x))
                return LookupRead(table, Read(slot), terms)
            case Op(op, args):
                return Op(op, tuple(lift(arg, name, before, phase) for arg in args))
            case Past(number, lag, first, terms):
                return Past(number, lift(lag, name, before, phase), lift(first, name, before, phase), terms)
            case _:
                return code

    constant = of(program.constant, "constant")
    step = of(program.step, "step")
    # While the run starts the same arguments stand in the same slots.
    known.update({("initial", x): slot for (phase, x), slot in known.items() if phase == "step"})
    initial = of(program.initial, "initial")
    return replace(program, constant=constant, step=step, initial=initial, slots=len(owners), owners=tuple(owners))


# --- columns of the engine sheet -------------------------------------------------------------------------------------


LARGEST = 220
"""Parts of one formula after folding: well under Excel's 8,192 characters."""
DEEPEST = 48
"""Levels of one expression after folding, operators counted: Excel allows 64 levels of functions, which are far fewer."""

Argument = int | None
"""What a graphical function is read at: a slot, or None for the time."""


@dataclass(frozen=True)
class EngineColumns:
    """The slots that have a column, in order; those worked out inside other formulas; and the graphical functions that need a
    column for the number of the point they stand at, by (table, argument)."""

    slots: tuple[int, ...]
    folded: frozenset[int]
    points: tuple[tuple[int, Argument], ...]

    @property
    def count(self) -> int:
        """Formulas in each row."""
        return len(self.slots) + len(self.points)


def choose(flat: Flat, shown: Collection[int], most: int) -> EngineColumns:
    """The columns of a model of which `shown` must be seen, at most `most` where that can be done."""
    every = [slot for slot, kind in flat.kinds.items() if kind in (SlotKind.STEP, SlotKind.STOCK, SlotKind.MEMORY)]
    whole = _columns(flat, every, frozenset())
    if whole.count <= most:
        return whole
    live = _live(flat, shown)
    kept = [slot for slot in every if slot in live]
    folded = _fold(flat, kept, shown, most)
    return _columns(flat, [slot for slot in kept if slot not in folded], folded)


def reads_of(code: Code) -> Counter[int]:
    """How often an expression reads each slot."""
    found: Counter[int] = Counter()
    for part in walk(code):
        if isinstance(part, Read):
            found.update(_touched(part))
    return found


def _touched(read: Read) -> Iterable[int]:
    slots = [read.base]
    for pick in read.picks:
        slots = [slot + i * pick.stride for slot in slots for i in range(pick.size)]
    return slots


def _live(flat: Flat, shown: Collection[int]) -> set[int]:
    """Everything that what is shown depends on."""
    live: set[int] = set()
    stack = list(shown)
    while stack:
        slot = stack.pop()
        if slot in live:
            continue
        live.add(slot)
        codes = [*flat.codes(slot), *([flat.different[slot]] if slot in flat.different else ())]
        for code in codes:
            stack.extend(reads_of(code))
            stack.extend(flat.program.remembered[part.number] for part in walk(code) if isinstance(part, Past))
    return live


def _columns(flat: Flat, slots: list[int], folded: frozenset[int]) -> EngineColumns:
    points: dict[tuple[int, Argument], None] = {}
    for slot in (*slots, *sorted(folded)):
        for code in _row_codes(flat, slot):
            for part in walk(code):
                if isinstance(part, LookupRead) and len(flat.program.tables[part.table].x) > 1 and moves(flat, part.x):
                    points[(part.table, argument(part))] = None
    return EngineColumns(tuple(slots), folded, tuple(points))


def argument(read: LookupRead) -> Argument:
    """The slot that a graphical function is read at; None is the time."""
    return read.x.base if isinstance(read.x, Read) else None


def moves(flat: Flat, x: Code) -> bool:
    """Whether an argument differs from row to row."""
    return isinstance(x, Now) or (isinstance(x, Read) and flat.kinds[x.base] in (SlotKind.STEP, SlotKind.STOCK, SlotKind.MEMORY))


def _row_codes(flat: Flat, slot: int) -> list[Code]:
    """What stands in the rows of a column, the first one aside."""
    if slot in flat.step:
        return [flat.step[slot]]
    if slot in flat.rates:
        return [flat.rates[slot][0]]
    return [flat.memory[slot]] if slot in flat.memory else []


# --- folding ---------------------------------------------------------------------------------------------------------


def _fold(flat: Flat, kept: list[int], shown: Collection[int], most: int) -> frozenset[int]:
    """The slots to work out inside other formulas until at most `most` columns are left."""
    reads = {slot: sum((reads_of(code) for code in _row_codes(flat, slot)), Counter()) for slot in kept}
    size = {slot: sum(_size(code) for code in _row_codes(flat, slot)) for slot in kept}
    depth = {slot: max((_depth(code) for code in _row_codes(flat, slot)), default=0) for slot in kept}
    readers: dict[int, set[int]] = {slot: set() for slot in kept}
    for slot in kept:
        for other in reads[slot]:
            if other in readers:
                readers[other].add(slot)
    fixed = {*shown, *flat.program.remembered, *flat.different}
    for slot in kept:
        for code in (*_row_codes(flat, slot), *([flat.begin[slot]] if slot in flat.begin else ())):
            for part in walk(code):
                if isinstance(part, LookupRead) and isinstance(part.x, Read):
                    fixed.add(part.x.base)
                if isinstance(part, Read) and part.picks:
                    fixed.update(_touched(part))
    open_ = {slot for slot in kept if slot in flat.step and slot not in fixed and _foldable(flat.step[slot])}
    hidden = {slot for slot in open_ if not any(slot in place.slots for place in flat.program.places.values())}
    folded: set[int] = set()
    count = _columns(flat, kept, frozenset()).count
    while count > most and open_:
        best, price = -1, (0, True, 0)
        for slot in open_:
            uses = sum(reads[reader][slot] for reader in readers[slot])
            key = ((uses - 1) * size[slot], slot not in hidden, slot)
            if best < 0 or key < price:
                best, price = slot, key
        open_.discard(best)
        if any(
            size[reader] + reads[reader][best] * (size[best] - 1) > LARGEST or depth[reader] + depth[best] > DEEPEST
            for reader in readers[best]
        ):
            continue
        for reader in readers[best]:
            times = reads[reader].pop(best)
            size[reader] += times * (size[best] - 1)
            depth[reader] += depth[best]
            for other, often in reads[best].items():
                reads[reader][other] += times * often
                if other in readers:
                    readers[other].add(reader)
        for other in reads[best]:
            if other in readers:
                readers[other].discard(best)
        folded.add(best)
        count -= 1
    return frozenset(folded)


def _foldable(code: Code) -> bool:
    return not any(isinstance(part, Past | Drive | Vector) for part in walk(code))


def _size(code: Code) -> int:
    return sum(6 if isinstance(part, LookupRead) else 1 for part in walk(code))


def _depth(code: Code) -> int:
    return 1 + max((_depth(part) for part in inside(code)), default=0) if not isinstance(code, Const | Read) else 0


# --- expressions as excel formulas -----------------------------------------------------------------------------------


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
class PointCells:
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
    tables: Mapping[int, PointCells]
    levers: Mapping[tuple[int, int], Mapping[int, str]]
    scenarios: int
    selector: str
    start: str
    dt: str
    first: int
    step: str = "$A"
    time: str = "$B"
    sheet: str = "Engine!"


class FormulaPrinter:
    """Prints expressions for cells of the Engine sheet, or with `outside` for another sheet (at the start of the run only)."""

    def __init__(self, flat: Flat, columns: EngineColumns, where: Addresses, moment: Moment, *, outside: bool = False) -> None:
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
        slot = self.flat.program.remembered[number]
        steps, first = self.value(lag)[0], self.where.first
        if slot not in self.where.columns:  # a constant was the same at any time, as is the inflow of a conveyor that has none
            return f"IF(OR({steps}>{self.where.step}{HERE},{steps}<1),{self.value(before)[0]},{self.slot(slot)[0]})", _ATOM
        column = self.where.columns[slot]
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


def number_of_point(points: PointCells, kind: LookupKind, count: int, x: str) -> str:
    """The number of the point, from 1, that a graphical function is read from."""
    match kind:
        case LookupKind.CONTINUOUS:
            return f"MATCH({_held(points, x)},{points.xs},1)"
        case LookupKind.EXTRAPOLATE:
            return f"MIN(IFERROR(MATCH({x},{points.xs},1),1),{count - 1})"
        case LookupKind.DISCRETE:
            return f"IFERROR(MATCH({x},{points.xs},1),1)"


def read_points(points: PointCells, kind: LookupKind, count: int, x: str, number: str | None) -> Text:
    """A graphical function at x; `number` is the cell of the point's number where there is one."""
    k = number or number_of_point(points, kind, count, x)
    if kind is LookupKind.DISCRETE:
        return f"INDEX({points.ys},{k})", _ATOM
    at = _held(points, x) if kind is LookupKind.CONTINUOUS else f"({x})"
    return f"INDEX({points.ys},{k})+INDEX({points.slopes},{k})*({at}-INDEX({points.xs},{k}))", _PLUS


def _held(points: PointCells, x: str) -> str:
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
        if isinstance(part, Noise):
            return ["a random function"]
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
    "ABOVE",
    "HERE",
    "Addresses",
    "FormulaPrinter",
    "Moment",
    "PointCells",
    "SlotKind",
    "Unprintable",
    "at_row",
    "literal",
    "number_of_point",
    "read_points",
    "without_form",
]
