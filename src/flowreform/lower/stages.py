"""A Runge-Kutta step written out: the same model for printers that know Euler's method alone, a spreadsheet first of all.

Heun's method (RK2) looks at the rates twice in a step and the classical method (RK4) four times. Written out, every look is a
set of slots of its own: stocks as far as the rates before have taken them, everything that depends on them or on the time, and
the rates there. The stock then takes one step with the weighted mean of the rates, which is all that Euler's method does. What
is held during a step (`program.Assign.held`) keeps its first value; what does not move within a step is not repeated.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf

from flowreform.lower.order import reads
from flowreform.model import Method
from flowreform.program import Assign, Code, Const, Drive, LookupRead, Now, Op, Past, Pick, Program, Read, walk


@dataclass(frozen=True, slots=True)
class Look:
    """One more look at the rates: the share of a step that the rates of the look before have taken the stocks, which is also how
    much later the time is, and that in half steps."""

    share: float
    later: int


LOOKS = {Method.RK2: (Look(1.0, 2),), Method.RK4: (Look(0.5, 1), Look(0.5, 1), Look(1.0, 2))}
"""The looks after the first."""
WEIGHTS = {Method.RK2: (1.0, 1.0), Method.RK4: (1.0, 2.0, 2.0, 1.0)}
"""How much the rates of each look count."""


@dataclass(frozen=True, slots=True)
class Repeat:
    """An added slot: the value of slot `of` in look `number` (from 1), or for a stock with `rate` its rate there."""

    of: int
    number: int
    rate: bool


class Unstageable(ValueError):
    """An expression that cannot be looked at within a step."""


def written_out(program: Program) -> tuple[Program, dict[int, Repeat]]:
    """The program for Euler's method, and what each slot that was added stands for.

    `program` has no loops (every statement writes one slot). One that has Euler's method already comes back as it is. Raises
    Unstageable for an element that is picked while running among some that move within a step and some that do not."""
    if program.method is Method.EULER:
        return program, {}
    writer = _Writer(program)
    return writer.write(), writer.repeats


class _Writer:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.owners = list(program.owners)
        self.step: list[Assign] = list(program.step)
        self.repeats: dict[int, Repeat] = {}
        self.rates: list[list[Code]] = []

    def write(self) -> Program:
        program = self.program
        self._rates({}, 1)
        for number, look in enumerate(LOOKS[program.method], start=2):
            self._look(look, number)
        weights = WEIGHTS[program.method]
        stocks = []
        for at, stock in enumerate(program.stocks):
            total: Code | None = None
            for rates, weight in zip(self.rates, weights, strict=True):
                part = rates[at] if weight == 1.0 else Op("*", (Const(weight), rates[at]))
                total = part if total is None else Op("+", (total, part))
            assert total is not None
            stocks.append(replace(stock, rate=Op("/", (total, Const(sum(weights))))))
        return replace(
            program,
            method=Method.EULER,
            slots=len(self.owners),
            owners=tuple(self.owners),
            step=tuple(self.step),
            stocks=tuple(stocks),
        )

    def _new(self, repeat: Repeat) -> int:
        self.owners.append(self.program.owners[repeat.of])
        self.repeats[len(self.owners) - 1] = repeat
        return len(self.owners) - 1

    def _rates(self, moved: Mapping[int, int], number: int, later: int = 0) -> None:
        """The rates of a look, each in a slot of its own unless it is one already."""
        found: list[Code] = []
        for stock in self.program.stocks:
            code = _at(stock.rate, moved, later, self.program.dt)
            if isinstance(code, Const) or (isinstance(code, Read) and not code.picks):
                found.append(code)
            else:
                slot = self._new(Repeat(stock.target.base, number, True))
                self.step.append(Assign(stock.name, Read(slot), (), code))
                found.append(Read(slot))
        self.rates.append(found)

    def _look(self, look: Look, number: int) -> None:
        program = self.program
        taken = [(stock, rate) for stock, rate in zip(program.stocks, self.rates[-1], strict=True) if rate != Const(0.0)]
        moving = {stock.target.base for stock, _ in taken}
        again = []
        for statement in program.step:
            if not statement.held and _moves(statement, moving):
                moving.add(statement.target.base)
                again.append(statement)
        moved = {slot: self._new(Repeat(slot, number, False)) for slot in sorted(moving)}  # elements stay side by side
        for stock, rate in taken:
            way = Op("*", (Const(program.dt * look.share), rate))
            code = Op("+", (Read(stock.target.base), way))
            self.step.append(Assign(stock.name, Read(moved[stock.target.base]), (), code))
        for statement in again:
            code_there = _at(statement.code, moved, look.later, program.dt)
            self.step.append(Assign(statement.name, Read(moved[statement.target.base]), (), code_there))
        self._rates(moved, number, look.later)


def _moves(statement: Assign, moving: set[int]) -> bool:
    """Whether a statement gives another value within a step."""
    timed = any(_timed(part) for part in walk(statement.code))
    return timed or not moving.isdisjoint(reads(statement))


def _timed(part: Code) -> bool:
    if isinstance(part, Op):
        return part.name == "ramp"
    return isinstance(part, Drive) or (isinstance(part, Now) and not part.begun)


def _at(code: Code, moved: Mapping[int, int], later: int, dt: float) -> Code:
    """An expression with the slots of a look, `later` half steps after the beginning of the step."""
    if not later and not moved:
        return code

    def of(part: Code) -> Code:
        return _at(part, moved, later, dt)

    match code:
        case Now(begun):
            return code if begun else _later(later, dt)
        case Drive(number):
            return Drive(number, later)
        case Read(base, terms, picks) if picks:
            slots = sorted(set(moved) & _within(code))
            if slots and [moved[slot] - moved[slots[0]] for slot in slots] != [slot - slots[0] for slot in slots]:
                raise Unstageable("it picks an element that moves within a step")
            shift = moved[slots[0]] - slots[0] if slots else 0
            if slots and len(slots) != len(_within(code)):
                raise Unstageable("it picks one of some elements that move within a step and some that do not")
            return Read(base + shift, terms, tuple(Pick(of(pick.index), pick.stride, pick.size) for pick in picks))
        case Read(base, terms, picks):
            return Read(moved.get(base, base), terms, picks)
        case Op("ramp", (slope, start, stop)):  # the one built-in that reads the time of a look
            now = _later(later, dt)
            until = now if stop == Const(inf) else Op("min", (now, of(stop)))
            risen = Op("*", (of(slope), Op("-", (until, of(start)))))
            return Op("if", (Op(">", (until, of(start))), risen, Const(0.0)))
        case Op(name, args):
            return Op(name, tuple(of(arg) for arg in args))
        case LookupRead(table, x, terms):
            return LookupRead(table, of(x), terms)
        case Past(number, lag, before, terms):
            return Past(number, of(lag), of(before), terms)
        case _:
            return code


def _within(read: Read) -> set[int]:
    slots = [read.base]
    for pick in read.picks:
        slots = [slot + i * pick.stride for slot in slots for i in range(pick.size)]
    return set(slots)


def _later(later: int, dt: float) -> Code:
    return Op("+", (Now(), Const(later * dt / 2.0)))


__all__ = ["LOOKS", "WEIGHTS", "Repeat", "Unstageable", "written_out"]
