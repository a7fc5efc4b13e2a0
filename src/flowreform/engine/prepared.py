"""A program made ready once and run many times, in blocks that any thread may take."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np

    from flowreform.engine.plan import Plan

Check = Callable[[int], None]
"""Called with the number of runs just done; what it raises ends the batch."""


class Kernel(Protocol):
    """What runs a block: `compiled.CompiledKernel` or `interpret.InterpretedKernel`."""

    size: int
    """Runs in a block."""

    def block(
        self, inputs: np.ndarray, drive: np.ndarray, out: np.ndarray, alarm: np.ndarray, strays: np.ndarray, first: int, /
    ) -> int:
        """Run the columns of `inputs` [input slot, run] from `first` on, at most `size` of them, into the same columns of `out`
        [slot, time, run], `alarm` [run] and `strays` [table, run]; how many they were. May be called from several threads."""


class Prepared:
    """A plan with its kernel. `run` may be called from several threads at once."""

    def __init__(self, made: Plan, engine: str) -> None:
        self.made, self.engine, self.kernel = made, engine, _kernel(made, engine)

    @property
    def slots(self) -> tuple[int, ...]:
        """The kept slots, in the order of the results."""
        return self.made.saved

    def series(self, drive: np.ndarray | None) -> np.ndarray:
        """Levers over time [series, half-step] as the kernel reads them."""
        import numpy as np

        if drive is None or not drive.size:
            return np.full((1, 2 * self.made.program.steps + 3), np.nan)
        return np.ascontiguousarray(np.concatenate([drive, drive[:, -1:], drive[:, -1:]], axis=1))

    def run(
        self, inputs: np.ndarray, series: np.ndarray, values: np.ndarray, check: Check | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Run every column of `inputs` [input slot, run] into `values` [slot, time, run], on the caller's own thread.

        Gives bool[run], whether every value of every variable was finite, and float64[table, run], reads outside a lookup's
        points. A run is the same to the last bit whatever else is in the batch."""
        import numpy as np

        runs = inputs.shape[1]
        alarm, strays = np.zeros(runs), np.zeros((len(self.made.P), runs))
        for first in range(0, runs, self.kernel.size):
            done = self.kernel.block(inputs, series, values, alarm, strays, first)
            if check is not None:
                check(done)
        return settled(values, alarm), strays


def settled(values: np.ndarray, alarm: np.ndarray) -> np.ndarray:
    """bool[run], whether every value was finite. Every NaN in `values` [slot, time, run] is made one and the same: which one a
    processor leaves behind depends on the instruction, and runs are compared bit by bit."""
    import numpy as np

    finite: np.ndarray = np.isfinite(alarm)
    for run in np.flatnonzero(~finite):
        column = values[:, :, run]
        column[np.isnan(column)] = np.nan
    return finite


def _kernel(made: Plan, engine: str) -> Kernel:
    if engine == "numba":
        from flowreform.engine import compiled

        return compiled.CompiledKernel(made)
    if engine == "python":
        from flowreform.engine import interpret

        return interpret.InterpretedKernel(made)
    raise ValueError(f"unknown engine {engine}")
