"""Program -> text: one Python text that CPython interprets and numba compiles, to the same last bit.

The text holds numbered slots, loop indices and float literals, and nothing else that came from a model: no names, no strings.
Its layout: `s[W * slot + r]` is the state of run r of a block, W the width of a row; every function walks `for r in range(R)`
innermost. Slots beyond the program's own hold the sum that turns NaN when a watched value is not finite (`alarm`), how often
each table was read outside its points (`counters`), for Runge-Kutta the rates (`rates`), and literals that must not be folded
(`literals`). They are rows of the same array because a second one would make a compiler ask whether the two overlap.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from flowreform.engine.expressions import Printer, cell
from flowreform.engine.schedule import MOST, Segment, key, numbers, segments
from flowreform.engine.watch import watched
from flowreform.lower.order import reads
from flowreform.model import Method
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
def keep(out, first, m, slots, s):
    for j in range(slots.shape[0]):
        for r in range(R):
            out[first + j, m, r] = s[W * slots[j] + r]


@part
def remember(s, hist, n, remembered):
    for j in range(remembered.shape[0]):
        for r in range(R):
            hist[j, n, r] = s[W * remembered[j] + r]
"""


@dataclass(frozen=True, slots=True)
class Text:
    """Emitted text and what must be laid out around it.

    `source` defines `run`; `slots` rows of state are needed; `literals` fill slots from `first_literal` on; `alarm` is
    the slot that is not finite when a watched value was not, `counters` the first of one counter per table."""

    source: str
    slots: int
    literals: tuple[float, ...]
    first_literal: int
    alarm: int
    counters: int
    rates: int


def emit(program: Program, keep: Collection[int]) -> Text:
    """The text of a program that keeps the given slots readable after every step; others may live in registers only."""
    return _Emitter(program, keep).text()


class _Emitter:
    def __init__(self, program: Program, keep: Collection[int]) -> None:
        self.program = program
        euler = program.method is Method.EULER
        self.alarm = program.slots
        self.counters = program.slots + 1
        self.rates = self.counters + len(program.tables)
        self.stock_slots = {
            slot for stock in program.stocks for slot in Assign("", stock.target, stock.loops, Const(0.0)).slots()
        }
        self.first_literal = self.rates + (0 if euler else len(self.stock_slots))
        self.literals: dict[float, int] = {}
        self.watched = watched(program)
        self.calls: dict[str, list[str]] = {}
        self.outside = set(keep) | {slot for statement in program.memory for slot in reads(statement)} | set(program.remembered)

    def text(self) -> Text:
        program = self.program
        updates = self._updates() if program.method is Method.EULER else self._rates()
        parts = [
            self._phase("fixed", program.constant, everything=True),
            self._phase("begin", program.initial, everything=True),
            self._phase("advance", (*program.step, *updates)),
            _COPY,
            self._driver(),
        ]
        body = "\n\n".join(part.strip("\n") for part in parts) + "\n"
        literals = tuple(self.literals)
        return Text(body, self.first_literal + len(literals), literals, self.first_literal, self.alarm, self.counters, self.rates)

    def literal(self, value: float) -> int:
        """The slot that holds a literal which no compiler may fold."""
        return self.first_literal + self.literals.setdefault(value, len(self.literals))

    def _updates(self) -> list[Assign]:
        """Euler: stock + dt * rate, in the same run loop as the rates."""
        done = []
        for stock in self.program.stocks:
            code: Code = Op("+", (stock.target, Op("*", (Const(self.program.dt), stock.rate))))
            if stock.non_negative:
                code = Op("max", (code, Const(0.0)))
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
            lines = [f"@straight\ndef {name}_{i}({_ARGUMENTS}):"]
            for segment in group:
                lines.extend(self._segment(segment, number, readers, everything))
                number += 1
            texts.append("\n".join(lines if len(lines) > 1 else [*lines, "    pass"]))
            self.calls.setdefault(name, []).append(f"{name}_{i}({_ARGUMENTS})")
        return "\n\n\n".join(texts)

    def _segment(self, segment: Segment, number: int, readers: dict[int, set[int]], everything: bool) -> list[str]:
        lines, depth = [], 1
        for i, size in enumerate(segment.sizes):
            lines.append("    " * depth + f"for i{i} in range({size}):")
            depth += 1
        lines.append("    " * depth + "for r in range(R):")
        printer = Printer(self.program, self.literal, self.counters)
        alarmed: list[str] = []
        for statement in segment.statements:
            loops = numbers(statement)
            name = printer.assign(statement, loops)
            slots = statement.slots()
            watch = any(slot in self.watched for slot in slots)
            if watch:
                alarmed.append(name)
            target = key(statement.target, loops)
            own = self.stock_slots.issuperset(slots) or slots[0] >= self.rates
            away = any(readers.get(slot, set()) - {number} or slot in self.outside for slot in slots)
            if everything or own or away or target is None:
                printer.store(statement, loops, name)
        if alarmed:
            total = " + ".join(f"{name} * 0.0" for name in alarmed)
            printer.lines.append(f"s[{cell(self.alarm)}] = s[{cell(self.alarm)}] + ({total})")
        pad = "    " * (depth + 1)
        return lines + [pad + line for line in printer.lines]

    def _driver(self) -> str:
        program = self.program
        stages = {Method.EULER: _EULER, Method.RK2: _RK2, Method.RK4: _RK4}[program.method]
        dt, half, sixth = repr(program.dt), repr(program.dt / 2.0), repr(program.dt / 6.0)
        clamp = any(stock.non_negative for stock in program.stocks) and program.method is not Method.EULER
        text = _RUN.format(
            load=_LOAD.strip("\n"),
            arguments=_ARGUMENTS,
            alarm=cell(self.alarm),
            counters=self.counters,
            start=repr(program.start),
            dt=dt,
            stages=stages.format(dt=dt, half=half, sixth=sixth, arguments=_ARGUMENTS),
            clamp=_CLAMP if clamp else "",
        )
        return _PHASE.sub(self._called, text)

    def _called(self, place: re.Match[str]) -> str:
        """A phase's name becomes the calls of its functions: one level less, and nothing is optimised twice."""
        return "\n".join(place.group(1) + call for call in self.calls[place.group(2)])


_PHASE = re.compile(r"^( *)(fixed|begin|advance)\(.*\)$", re.MULTILINE)

_CLAMP = """
        for j in range(floors.shape[0]):
            for r in range(R):
                if s[W * floors[j] + r] < 0.0:
                    s[W * floors[j] + r] = 0.0"""

_EULER = ""

_RK2 = """
        for j in range(stocks.shape[0]):
            for r in range(R):
                y[W * j + r] = s[W * stocks[j] + r]
                g[W * j + r] = s[W * (rates + j) + r]
                s[W * stocks[j] + r] = y[W * j + r] + {dt} * g[W * j + r]
        t = t + {dt}
        h = h + 2
        advance({arguments})
        for j in range(stocks.shape[0]):
            for r in range(R):
                s[W * stocks[j] + r] = y[W * j + r] + {half} * (g[W * j + r] + s[W * (rates + j) + r])"""

_RK4 = """
        for j in range(stocks.shape[0]):
            for r in range(R):
                y[W * j + r] = s[W * stocks[j] + r]
                g[W * j + r] = s[W * (rates + j) + r]
                s[W * stocks[j] + r] = y[W * j + r] + {half} * s[W * (rates + j) + r]
        t = t + {half}
        h = h + 1
        for stage in range(2):
            advance({arguments})
            for j in range(stocks.shape[0]):
                for r in range(R):
                    g[W * j + r] = g[W * j + r] + 2.0 * s[W * (rates + j) + r]
                    if stage == 0:
                        s[W * stocks[j] + r] = y[W * j + r] + {half} * s[W * (rates + j) + r]
                    else:
                        s[W * stocks[j] + r] = y[W * j + r] + {dt} * s[W * (rates + j) + r]
        t = t + {half}
        h = h + 1
        advance({arguments})
        for j in range(stocks.shape[0]):
            for r in range(R):
                s[W * stocks[j] + r] = y[W * j + r] + {sixth} * (g[W * j + r] + s[W * (rates + j) + r])"""

_RUN = """@part
{load}


@compiled
def run(s, y, g, inputs, where, literals, first, out, early, late, every, steps, stocks, rates, floors,
        memory_to, memory_from, remembered, tab, X, Y, M, P, N, K, drive, hist):
    load(s, inputs, where, literals, first)
    n = 0
    h = 0
    t = {start}
    for r in range(R):
        s[{alarm}] = 0.0
    fixed({arguments})
    begin({arguments})
    for r in range(R):
        for k in range(P.shape[0]):
            s[W * ({counters} + k) + r] = 0.0
    m = 0
    for n in range(steps + 1):
        t = {start} + n * {dt}
        h = 2 * n
        saving = n % every == 0
        if saving:
            keep(out, 0, m, early, s)
        if n == steps:
            for j in range(stocks.shape[0]):
                for r in range(R):
                    s[{alarm}] = s[{alarm}] + s[W * stocks[j] + r] * 0.0
        advance({arguments})
        if saving:
            keep(out, early.shape[0], m, late, s)
            m = m + 1
        if n == steps:
            break
        remember(s, hist, n, remembered)
        # What is remembered is taken now, before later stages overwrite it, and put in place at the end.
        for j in range(memory_from.shape[0]):
            for r in range(R):
                g[W * (stocks.shape[0] + j) + r] = s[W * memory_from[j] + r]{stages}{clamp}
        for j in range(memory_to.shape[0]):
            for r in range(R):
                s[W * memory_to[j] + r] = g[W * (stocks.shape[0] + j) + r]
"""
