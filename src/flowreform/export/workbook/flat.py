"""A program with its loops unrolled, sorted by how often a spreadsheet works each slot out: once, or in every row.

Every slot gets one `Kind`. Graphical functions whose argument is more than a single value get a slot for the argument, so
that the sheet (and the engine that runs this same program) has it in a cell of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from flowreform.lower.order import reads
from flowreform.lower.stages import Repeat, written_out
from flowreform.program import (
    Assign,
    Code,
    Const,
    LookupRead,
    Now,
    Op,
    Past,
    Pick,
    Program,
    Read,
    Reduce,
    Stock,
    Vector,
    bind,
)


class Kind(StrEnum):
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
    kinds: Mapping[int, Kind]
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
    kinds: dict[int, Kind] = dict.fromkeys(range(program.slots), Kind.NOTHING)
    for item in program.inputs:
        kinds.update(dict.fromkeys(range(item.base, item.base + len(item.values)), Kind.INPUT))
    kinds.update(dict.fromkeys(constant, Kind.ONCE))
    kinds.update(dict.fromkeys(begin, Kind.ONCE))
    kinds.update(dict.fromkeys(step, Kind.STEP))
    kinds.update(dict.fromkeys(memory, Kind.MEMORY))
    kinds.update(dict.fromkeys(rates, Kind.STOCK))
    held = {slot: code for slot, code in begin.items() if kinds[slot] is Kind.ONCE}
    rest = {slot: code for slot, code in begin.items() if kinds[slot] is not Kind.ONCE}
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
