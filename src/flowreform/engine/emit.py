"""Program -> text: one Python text that CPython interprets and numba compiles, to the same last bit.

The text holds numbered slots, loop indices and float literals, and nothing else that came from a model: no names, no strings.
Its layout: `s[W * slot + r]` is the state of run r of a block, W the width of a row; every function walks `for r in range(R)`
innermost. Slots beyond the program's own hold the sum that turns NaN when a watched value is not finite (`alarm`), how often
each table was read outside its points (`counters`), for Runge-Kutta the rates (`rates`), the stocks before the step (`before`)
and sums of rates (`sums`), what is remembered (`held`), and literals that must not be folded (`literals`). They are rows of the
same array because a second one would make a compiler ask whether the two overlap.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from flowreform.engine.expressions import WIDTH, Printer, cell
from flowreform.engine.rows import lines, stretches
from flowreform.engine.schedule import MOST, Segment, key, numbers, segments
from flowreform.engine.watch import but_for_missing, handed_on, has_missing, watched
from flowreform.lower.order import reads
from flowreform.model import Method, deep
from flowreform.program import Assign, Code, Const, Op, Program, Read

_ARGUMENTS = "s, tab, X, Y, M, P, N, K, drive, hist, t, h, n"

_LOAD = """
def load(s, inputs, where, literals, first):
    for j in range(where.shape[0]):
        for r in range(R):
            s[W * where[j] + r] = inputs[j, r]
    for j in range(literals.shape[0]):
        for r in range(R):
            s[W * (first + j) + r] = literals[j]
"""

_COPY = """
@part
def keep(out, column, first, m, slots, s):
    for j in range(slots.shape[0]):
        row(out, first + j, m, column, s, W * slots[j])


@part
def remember(s, hist, n, remembered):
    for j in range(remembered.shape[0]):
        row(hist, j, n, 0, s, W * remembered[j])
"""


@dataclass(frozen=True, slots=True)
class EmittedText:
    """Emitted text and what must be laid out around it.

    `source` defines `run`; `slots` rows of state are needed; `literals` fill slots from `first_literal` on; `alarm` is
    the slot that is not finite when a watched value was not, `counters` the first of one counter per table."""

    source: str
    slots: int
    literals: tuple[float, ...]
    first_literal: int
    alarm: int
    counters: int


@deep()
def emit(program: Program, keep: Collection[int], width: int = WIDTH, same: Collection[int] = ()) -> EmittedText:
    """The text of a program that keeps the given slots readable after every step; others may live in registers only.

    `width` is the number of values from one slot to the next. What `same` names (`engine.pruned.same`) is worked out once a
    block and not once a run; reads outside a table's points are then counted in the first run only."""
    return _Emitter(program, keep, width, same).text()


class _Emitter:
    def __init__(self, program: Program, keep: Collection[int], width: int, same: Collection[int]) -> None:
        self.program, self.width, self.same = program, width, same
        euler = program.method is Method.EULER
        self.alarm = program.slots
        self.counters = program.slots + 1
        self.rates = self.counters + len(program.tables)
        owners = [(stock, Assign("", stock.target, stock.loops, Const(0.0)).slots()) for stock in program.stocks]
        self.stocks = [slot for _, slots in owners for slot in slots]
        self.floors = [slot for stock, slots in owners if stock.non_negative for slot in slots]
        self.stock_slots = set(self.stocks)
        remembered = [part for statement in program.memory for part in statement.unrolled()]
        self.memory_to = [part.target.base for part in remembered]
        self.memory_from = [slot for part in remembered for slot in reads(part)]
        room = 0 if euler else len(self.stocks)
        self.before, self.sums, self.held = (self.rates + times * room for times in (1, 2, 3))
        self.first_literal = self.held + len(self.memory_to)
        self.literals: dict[float, int] = {}
        self.watched, self.missing, self.with_missing = watched(program), handed_on(program), has_missing(program)
        self.calls: dict[str, list[str]] = {}
        self.outside = set(keep) | {slot for statement in program.memory for slot in reads(statement)} | set(program.remembered)
        self.outside |= {slot for statement in program.step if statement.held for slot in statement.slots()}

    def text(self) -> EmittedText:
        program = self.program
        updates = self._updates() if program.method is Method.EULER else self._rates()
        parts = [
            self._phase("fixed", program.constant, everything=True),
            self._phase("begin", program.initial, everything=True),
            self._phase("advance", (*program.step, *updates)),
            *self._between(),
            _COPY,
            self._driver(),
        ]
        body = "\n\n".join(part.strip("\n") for part in parts) + "\n"
        literals = tuple(self.literals)
        return EmittedText(body, self.first_literal + len(literals), literals, self.first_literal, self.alarm, self.counters)

    def literal(self, value: float) -> int:
        """The slot that holds a literal which no compiler may fold."""
        return self.first_literal + self.literals.setdefault(value, len(self.literals))

    def _updates(self) -> list[Assign]:
        """Euler: stock + dt * rate, in the same run loop as the rates."""
        done = []
        for stock in self.program.stocks:
            code: Code = Op("+", (stock.target, Op("*", (Const(self.program.dt), stock.rate))))
            if stock.non_negative:
                code = Op("max", (code, Op("min", (stock.target, Const(0.0)))))
            done.append(Assign(stock.name, stock.target, stock.loops, code))
        return done

    def _rates(self) -> list[Assign]:
        """Runge-Kutta: the rates in slots of their own, in the order of the stocks."""
        done, first = [], self.rates
        for stock in self.program.stocks:
            statement = Assign(stock.name, stock.target, stock.loops, stock.rate)
            for part in statement.unrolled():
                done.append(Assign(stock.name, Read(first), (), part.code))
                first += 1
        return done

    def _phase(self, name: str, statements: tuple[Assign, ...], everything: bool = False) -> str:
        """The functions of one phase; the driver calls them one after another."""
        groups: list[list[Segment]] = [[]]
        for segment in segments(statements):
            if groups[-1] and sum(len(other.statements) for other in groups[-1]) + len(segment.statements) > MOST:
                groups.append([])
            groups[-1].append(segment)
        flat = [segment for group in groups for segment in group]
        readers: dict[int, set[int]] = {}
        for number, segment in enumerate(flat):
            for statement in segment.statements:
                for slot in reads(statement):
                    readers.setdefault(slot, set()).add(number)
        texts, number = [], 0
        for i, group in enumerate(groups):
            body: list[str] = []
            for segment in group:
                body.extend(self._segment(segment, number, readers, everything))
                number += 1
            texts.append(self._function(name, i, body))
        return "\n\n\n".join(texts)

    def _segment(self, segment: Segment, number: int, readers: dict[int, set[int]], everything: bool) -> list[str]:
        loops = [f"for i{i} in range({size}):" for i, size in enumerate(segment.sizes)]
        head = ["    " * depth + line for depth, line in enumerate([*loops, "for r in range(R):"])]
        printer = Printer(self.program, self.literal, self.counters, self.with_missing, self.width, self.same)
        alarmed: list[str] = []
        for statement in segment.statements:
            indices = numbers(statement)
            name = printer.assign(statement, indices)
            slots = statement.slots()
            watch = any(slot in self.watched for slot in slots)
            if watch and self.missing.isdisjoint(slots):
                alarmed.append(name)
            elif watch:
                alarmed.append(printer.named(but_for_missing(statement.code, self.program, self.missing)))
            target = key(statement.target, indices)
            own = self.stock_slots.issuperset(slots) or slots[0] >= self.rates
            away = any(readers.get(slot, set()) - {number} or slot in self.outside for slot in slots)
            if everything or own or away or target is None:
                printer.store(statement, indices, name)
        if alarmed:
            total = " + ".join(f"{name} * 0.0" for name in alarmed)
            printer.lines.append(f"{self._alarm()} = {self._alarm()} + ({total})")
        pad = "    " * len(head)
        inner = [pad + line for line in printer.lines]
        if not printer.once:
            return head + inner
        pad = "    " * len(loops)
        return [*head[:-1], f"{pad}r = 0", *(pad + line for line in printer.once), head[-1], *(inner or [f"{pad}    pass"])]

    def _alarm(self) -> str:
        return f"s[{cell(self.alarm, self.width)}]"

    def _rows(self, name: str, templates: Sequence[str], *columns: Sequence[int]) -> str:
        """The functions of a phase that does the same to many slots."""
        found = stretches(*columns)
        parts = [found[first : first + MOST] for first in range(0, len(found), MOST)]
        bodies = [lines(templates, part, self.width) for part in parts]
        return "\n\n\n".join(self._function(name, i, body) for i, body in enumerate(bodies))

    def _function(self, name: str, number: int, body: Sequence[str]) -> str:
        call = f"{name}_{number}({_ARGUMENTS})"
        self.calls.setdefault(name, []).append(call)
        return "\n".join([f"@straight\ndef {call}:", *("    " + line for line in body or ["pass"])])

    def _between(self) -> list[str]:
        """What happens to all stocks, and to what is remembered, around the evaluations of a step."""
        program, stocks, names = self.program, self.stocks, (self.rates, self.before, self.sums)
        dt, half, sixth = (repr(program.dt / by) for by in (1.0, 2.0, 6.0))
        room = program.method is not Method.EULER  # Euler's method has added them to the stocks
        rate, before, total = ([first + j for j in range(len(stocks))] for first in names)
        parts = [
            self._rows("clear", ["{0} = 0.0"], range(self.counters, self.counters + len(program.tables))),
            self._rows("settle", [f"{self._alarm()} = {self._alarm()} + {{0}} * 0.0"], stocks + (rate if room else [])),
            self._rows("take", ["{1} = {0}"], self.memory_from, [self.held + j for j in range(len(self.memory_from))]),
            self._rows("put", ["{1} = {0}"], [self.held + j for j in range(len(self.memory_to))], self.memory_to),
        ]
        if program.method is not Method.EULER:
            whole, part = f"{{0}} = {{2}} + {dt} * {{1}}", f"{{0}} = {{2}} + {half} * {{1}}"
            weight = half if program.method is Method.RK2 else sixth
            first = whole if program.method is Method.RK2 else part
            columns = stocks, rate, before, total
            parts += [
                self._rows("depart", ["{2} = {0}", "{3} = {1}", first], *columns),
                self._rows("midway", ["{3} = {3} + 2.0 * {1}", part], *columns),
                self._rows("across", ["{3} = {3} + 2.0 * {1}", whole], *columns),
                self._rows("arrive", [f"{{0}} = {{2}} + {weight} * ({{3}} + {{1}})"], *columns),
                self._rows(
                    "clamp",
                    ["{0} = larger({0}, smaller({1}, 0.0))"],
                    self.floors,
                    [self.before + self.stocks.index(slot) for slot in self.floors],
                ),
            ]
        return [part for part in parts if part]

    def _driver(self) -> str:
        program = self.program
        text = _RUN.format(
            load=_LOAD.strip("\n"),
            alarm=cell(self.alarm, self.width),
            start=repr(program.start),
            dt=repr(program.dt),
            stages=_STAGES[program.method].format(dt=repr(program.dt), half=repr(program.dt / 2.0)),
        )
        return _PHASE.sub(self._called, text)

    def _called(self, place: re.Match[str]) -> str:
        """A phase's name becomes the calls of its functions: one level less, and nothing is optimised twice."""
        return "\n".join(place.group(1) + call for call in self.calls.get(place.group(2), ["pass"]))


_PHASE = re.compile(r"^( *)<(\w+)>$", re.MULTILINE)

_STAGES = {
    Method.EULER: "",
    Method.RK2: """
        <depart>
        t = t + {dt}
        h = h + 2
        <advance>
        <arrive>
        <clamp>""",
    Method.RK4: """
        <depart>
        t = t + {half}
        h = h + 1
        <advance>
        <midway>
        <advance>
        <across>
        t = t + {half}
        h = h + 1
        <advance>
        <arrive>
        <clamp>""",
}

_RUN = """@part
{load}


@compiled
def run(s, inputs, where, literals, first, out, column, early, late, every, steps, remembered,
        tab, X, Y, M, P, N, K, drive, hist):
    load(s, inputs, where, literals, first)
    n = 0
    h = 0
    t = {start}
    for r in range(R):
        s[{alarm}] = 0.0
    <fixed>
    <begin>
    <clear>
    m = 0
    following = 0
    for n in range(steps + 1):
        t = {start} + n * {dt}
        h = 2 * n
        saving = n == following
        if saving:
            keep(out, column, 0, m, early, s)
        <advance>
        if saving:
            keep(out, column, early.shape[0], m, late, s)
            m = m + 1
            following = following + every
        if n == steps:
            # What turned infinite or NaN shows in the stocks by now, or at this last time in what would change them.
            <settle>
            break
        remember(s, hist, n, remembered)
        # What is remembered is taken now, before later stages overwrite it, and put in place at the end.
        <take>{stages}
        <put>
"""
