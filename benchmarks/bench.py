"""A benchmark's model, inputs and the two ways to run it."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path

import numpy as np

from flowreform.engine.plan import plan
from flowreform.engine.prepared import Prepared
from flowreform.formats import read_model
from flowreform.lower import lower
from flowreform.model import Model

HERE = Path(__file__).parent
LANES = 64
BLOCKS = 50


class Bench:
    """One model with inputs for BLOCKS blocks of runs, run by our kernel on one core."""

    def __init__(self, name: str, every_unit: bool) -> None:
        self.model: Model = read_model(HERE / "models" / f"{name}.xmile")
        self.program = lower(self.model)
        self.stocks = list(self.model.stocks)
        self.keep = [self.program.places[stock].base for stock in self.stocks]
        self.every = round(1 / self.program.dt) if every_unit else 1
        values = np.array([value for item in self.program.inputs for value in item.values])
        spread = np.random.default_rng(1).uniform(0.9, 1.1, (len(values), LANES * BLOCKS))
        self.inputs = values[:, None] * spread
        self.prepared = Prepared(plan(self.program, self.keep, self.every), "numba")
        self.series = self.prepared.series(None)

    @property
    def runs(self) -> int:
        return self.inputs.shape[1]

    def ours(self) -> np.ndarray:
        """Prepared once, as C is compiled once; the results are in fresh memory each time, as there."""
        values = np.empty((len(self.stocks), len(self.prepared.made.times), self.runs))
        self.prepared.run(self.inputs, self.series, values)
        return values

    def by_hand(self, library: ctypes.CDLL) -> np.ndarray:
        """The same through the kernel in C, block by block into one reused buffer and from there into the result."""
        kernel: Callable[..., None] = getattr(library, self.model.name)
        times = self.program.steps // self.every + 1
        result = np.empty((len(self.stocks), times, self.runs))
        buffer = np.empty((len(self.stocks), times, LANES))
        for first in range(0, self.runs, LANES):
            block = np.ascontiguousarray(self.inputs[:, first : first + LANES])
            kernel(
                ctypes.c_long(self.program.steps),
                ctypes.c_long(self.every),
                block.ctypes.data_as(ctypes.c_void_p),
                buffer.ctypes.data_as(ctypes.c_void_p),
                ctypes.c_long(times),
            )
            result[:, :, first : first + LANES] = buffer
        return result
