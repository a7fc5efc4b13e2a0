"""Everything that is fixed before the first run: emitted text and the tables it reads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from flowreform.engine.emit import EmittedText, emit
from flowreform.engine.expressions import index_tables, slopes
from flowreform.model import LookupKind
from flowreform.program import Assign, Const, Program

_KINDS = {LookupKind.CONTINUOUS: 0, LookupKind.EXTRAPOLATE: 1, LookupKind.DISCRETE: 2}


@dataclass(frozen=True)
class Plan:
    """A program laid out for running: what to emit, which slots to keep and how often.

    `early` slots are read before the step that overwrites them (stocks, inputs), `late` ones after it; results come in
    the order `early + late`. `every` is the number of steps between two saved times, `times` the saved times."""

    program: Program
    text: EmittedText
    early: tuple[int, ...]
    late: tuple[int, ...]
    every: int
    where: tuple[int, ...]
    stocks: tuple[int, ...]
    tab: tuple[int, ...]
    X: tuple[float, ...]
    Y: tuple[float, ...]
    M: tuple[float, ...]
    P: tuple[int, ...]
    N: tuple[int, ...]
    K: tuple[int, ...]

    @property
    def times(self) -> tuple[float, ...]:
        """The saved times, `start + n * dt`."""
        p = self.program
        return tuple(p.start + n * p.dt for n in range(0, p.steps + 1, self.every))

    @property
    def saved(self) -> tuple[int, ...]:
        """The kept slots in the order of the results."""
        return (*self.early, *self.late)


def plan(program: Program, keep: Sequence[int], every: int = 1) -> Plan:
    """The plan that keeps slots `keep` every `every` steps."""
    stocks: list[int] = []
    for stock in program.stocks:
        stocks.extend(Assign(stock.name, stock.target, stock.loops, Const(0.0)).slots())
    before = {*stocks, *(slot for statement in program.memory for slot in statement.slots())}
    early = tuple(slot for slot in keep if slot in before)
    late = tuple(slot for slot in keep if slot not in before)
    where = tuple(slot for item in program.inputs for slot in range(item.base, item.base + len(item.values)))
    first: list[int] = []
    count: list[int] = []
    xs: list[float] = []
    ys: list[float] = []
    ms: list[float] = []
    for table in program.tables:
        first.append(len(xs))
        count.append(len(table.x))
        xs.extend(table.x)
        ys.extend(table.y)
        ms.extend(slopes(table.x, table.y))
    return Plan(
        program,
        emit(program, keep),
        early,
        late,
        every,
        where,
        tuple(stocks),
        index_tables(program)[0],
        tuple(xs),
        tuple(ys),
        tuple(ms),
        tuple(first),
        tuple(count),
        tuple(_KINDS[table.kind] for table in program.tables),
    )


def whole_steps(program: Program, time: float) -> int:
    """How many steps a time span takes. Raises ValueError when it is not a whole number of them, to 1e-6."""
    steps = time / program.dt
    if not math.isfinite(steps) or steps < 0.5 or abs(steps - round(steps)) > 1e-6 * max(1.0, steps):
        raise ValueError(f"{time:g} is not a whole number of steps of {program.dt:g}")
    return round(steps)
