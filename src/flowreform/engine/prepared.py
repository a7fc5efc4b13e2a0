"""A program made ready once and run many times on the caller's own thread, for work that is cut into parts elsewhere.

`simulate` spreads one batch over the cores; here the caller does, so that nothing is shared but the compiled text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from flowreform.engine.plan import plan

if TYPE_CHECKING:
    import numpy as np

    from flowreform.program import Program

Check = Callable[[int], None]
"""Called with the number of runs just done; what it raises ends the batch."""


class Prepared:
    """A plan with its kernel. `run` may be called from several threads at once."""

    def __init__(self, program: Program, keep: Sequence[int], every: int, engine: str) -> None:
        self.program, self.engine = program, engine
        self.made = plan(program, keep, every)
        self._kernel = None
        if engine == "numba":
            from flowreform.engine import compiled

            self._kernel = compiled.Kernel(self.made)
        elif engine != "python":
            raise ValueError(f"unknown engine {engine}")

    @property
    def slots(self) -> tuple[int, ...]:
        """The kept slots, in the order of the results."""
        return self.made.saved

    def series(self, drive: np.ndarray | None) -> np.ndarray:
        """Levers over time [series, half-step] as the kernel reads them."""
        import numpy as np

        if drive is None or not drive.size:
            return np.full((1, 2 * self.program.steps + 3), np.nan)
        return np.ascontiguousarray(np.concatenate([drive, drive[:, -1:], drive[:, -1:]], axis=1))

    def run(
        self, inputs: np.ndarray, series: np.ndarray, values: np.ndarray, check: Check | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Run every column of `inputs` [input slot, run] into `values` [slot, time, run].

        Gives bool[run], whether every value of every variable was finite, and float64[table, run], reads outside a lookup's
        points. A run is the same to the last bit whatever else is in the batch."""
        import numpy as np

        from flowreform.engine.expressions import LANES

        runs = inputs.shape[1]
        alarm, strays = np.zeros(runs), np.zeros((len(self.made.P), runs))
        size = LANES if self._kernel is not None else 1
        for first in range(0, runs, size):
            part = slice(first, min(first + size, runs))
            if self._kernel is not None:
                self._kernel.block(inputs[:, part], series, values[:, :, part], alarm[part], strays[:, part])
            else:
                from flowreform.engine import interpret

                interpret.block(self.made, inputs[:, part], series, values[:, :, part], alarm[part], strays[:, part])
            if check is not None:
                check(part.stop - part.start)
        finite = np.isfinite(alarm)
        for run in np.flatnonzero(~finite):
            column = values[:, :, run]  # which NaN a processor leaves behind depends on the instruction: one for all
            column[np.isnan(column)] = np.nan
        return finite, strays
