"""Where a run went wrong: the first time, and the first variable at that time, that was infinite or not a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flowreform import engine
from flowreform.program import Program

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

    evaluated = [slot for statement in (*program.constant, *program.step) for slot in statement.slots()]
    stocks = [slot for stock in program.stocks for slot in _slots(stock)]
    order = list(dict.fromkeys([*stocks, *evaluated]))
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


def _slots(stock: object) -> tuple[int, ...]:
    from flowreform.program import Stock, spread

    assert isinstance(stock, Stock)
    return spread(stock.target, stock.loops)
