"""Where a run went wrong: the first time, and the first variable at that time, that was infinite or not a number."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from flowreform import engine
from flowreform.engine.watch import but_for_missing, handed_on
from flowreform.program import Assign, Program, Read, spread

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class Failure:
    """A run that turned non-finite: which, in which variable, when (model time) and to what."""

    run: int
    variable: str
    time: float
    value: float

    def __str__(self) -> str:
        value = "NaN" if self.value != self.value else ("inf" if self.value > 0 else "-inf")
        return f"run {self.run}: {self.variable} = {value}, first at time {self.time:g}"


def first_failure(program: Program, inputs: np.ndarray, drive: np.ndarray | None = None) -> Failure | None:
    """Run one column of inputs again, keeping everything, and find where it failed; None when it did not."""
    import numpy as np

    program, instead = _but_for_missing(program)
    evaluated = [slot for statement in (*program.constant, *program.step) for slot in statement.slots()]
    stocks = [slot for stock in program.stocks for slot in spread(stock.target, stock.loops)]
    order = list(dict.fromkeys(slot for slot in (*stocks, *evaluated) if slot not in instead))
    found = engine.simulate(program, inputs, drive, keep=order, every=1, engine="python")
    row = {slot: i for i, slot in enumerate(found.slots)}
    values = found.values[[row[slot] for slot in order], :, 0]
    bad = ~np.isfinite(values)
    steps = np.flatnonzero(bad.any(axis=0))
    if not len(steps):
        return None
    step = int(steps[0])
    position = int(np.flatnonzero(bad[:, step])[0])
    return Failure(0, program.owners[order[position]], found.times[step], float(values[position, step]))


def _but_for_missing(program: Program) -> tuple[Program, frozenset[int]]:
    """The program with a value beside each that may be missing on purpose: what it is but for that; and whom these stand for."""
    missing = handed_on(program)
    parts = [part for s in program.step if not missing.isdisjoint(s.slots()) for part in s.unrolled()]
    beside = [
        Assign(part.name, Read(program.slots + i), (), but_for_missing(part.code, program, missing))
        for i, part in enumerate(parts)
    ]
    owners = (*program.owners, *(part.name for part in parts))
    return replace(program, step=(*program.step, *beside), slots=len(owners), owners=owners), missing
