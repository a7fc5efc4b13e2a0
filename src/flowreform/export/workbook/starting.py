"""The value of a slot while the run starts, where that differs from its value in the first row (ACTIVE INITIAL)."""

from __future__ import annotations

import dataclasses

import numpy as np

from flowreform import engine as engines
from flowreform.export.workbook.source import Source, input_values
from flowreform.program import Assign, Read


def starting_value(source: Source, slot: int) -> float:
    """The engine's value of `different[slot]`, from a run of one step in which a spare slot keeps it."""
    program = source.program
    spare = program.slots
    keeper = Assign(program.owners[slot], Read(spare), (), Read(slot))
    held = dataclasses.replace(
        program,
        slots=spare + 1,
        owners=(*program.owners, program.owners[slot]),
        initial=(*program.initial, keeper),
        stop=program.start + program.dt,
    )
    values = {cell.slot: value for cell, value in input_values(source)}
    order = [at for item in program.inputs for at in range(item.base, item.base + len(item.values))]
    matrix = np.array([[values[at]] for at in order]).reshape(len(order), 1)
    drive = None
    timed = [item for item in program.inputs if item.drive is not None]
    if timed:
        drive = np.full((sum(len(item.values) for item in timed), 3), np.nan)
    found = engines.simulate(held, matrix, drive, keep=[spare], engine="python")
    return float(found.values[0, 0, 0])
