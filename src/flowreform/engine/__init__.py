"""Arrays in, arrays out: the engine runs a `Program` and knows no files, names, clocks or random numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flowreform.engine.plan import Plan, plan, whole_steps

if TYPE_CHECKING:
    import numpy as np

    from flowreform.program import Program

Progress = Callable[[int, int], None]
"""Called with (runs done, runs in all)."""


@dataclass(frozen=True)
class Trajectories:
    """What a batch of runs gave.

    `values` is float64[slot, time, run] in the order of `slots`; `times` are the saved times; `finite` says of each run
    whether every value of every variable was; `strays` counts, per table and run, reads outside a lookup's points."""

    slots: tuple[int, ...]
    times: tuple[float, ...]
    values: np.ndarray
    finite: np.ndarray
    strays: np.ndarray
    engine: str


def choose(made: Plan, runs: int) -> str:
    """`python` or `numba`: whichever is expected to answer sooner, the wait for a compiler included.

    Measured on a 2-core machine: CPython takes about 0.4 microseconds an assignment, step and run; numba takes 0.7 s to
    start, 12 ms an assignment to compile and 2 ns an assignment, step and run afterwards."""
    p = made.program
    size = sum(len(s.slots()) for s in p.step) + len(made.stocks)
    work = size * (p.steps + 1) * runs
    if work * 0.4e-6 < 1.5:
        return "python"
    from flowreform.engine import compiled

    wait = 0.7 if compiled.is_kept(made.text.source) else 2.0 + 0.012 * len(p.step)
    return "numba" if wait + work * 2e-9 < work * 0.4e-6 else "python"


def simulate(
    program: Program,
    inputs: np.ndarray,
    drive: np.ndarray | None = None,
    *,
    keep: Sequence[int],
    every: int = 1,
    engine: str = "auto",
    workers: int | None = None,
    progress: Progress | None = None,
) -> Trajectories:
    """Run every column of `inputs` [input slot, run], in the order of `program.inputs`.

    `drive` [series, half-step] holds the levers over time, NaN where a lever is left alone. `keep` names the slots whose
    values come back, every `every` steps. A run is the same to the last bit whatever else is in the batch."""
    import numpy as np

    made = plan(program, keep, every)
    runs = inputs.shape[1]
    series = np.full((1, 2 * program.steps + 3), np.nan)
    if drive is not None and drive.size:
        series = np.concatenate([drive, drive[:, -1:], drive[:, -1:]], axis=1)
    series = np.ascontiguousarray(series)
    values = np.empty((len(made.saved), len(made.times), runs))
    alarm = np.zeros(runs)
    strays = np.zeros((len(made.P), runs))
    used = choose(made, runs) if engine == "auto" else engine
    if used == "python":
        _interpret(made, inputs, series, values, alarm, strays, progress)
    elif used == "numba":
        _compile(made, inputs, series, values, alarm, strays, workers, progress)
    else:
        raise ValueError(f"unknown engine {used}")
    finite = np.isfinite(alarm)
    for run in np.flatnonzero(~finite):
        # Which NaN a processor leaves behind depends on the instruction; one for all makes runs comparable bit by bit.
        column = values[:, :, run]
        column[np.isnan(column)] = np.nan
    return Trajectories(made.saved, made.times, values, finite, strays, used)


def _interpret(
    made: Plan, inputs: np.ndarray, drive: np.ndarray, values: np.ndarray, alarm: np.ndarray, strays: np.ndarray,
    progress: Progress | None,
) -> None:  # fmt: skip
    from flowreform.engine import interpret

    runs = inputs.shape[1]
    for run in range(runs):
        one = slice(run, run + 1)
        interpret.block(made, inputs[:, one], drive, values[:, :, one], alarm[one], strays[:, one])
        if progress:
            progress(run + 1, runs)


def _compile(
    made: Plan, inputs: np.ndarray, drive: np.ndarray, values: np.ndarray, alarm: np.ndarray, strays: np.ndarray,
    workers: int | None, progress: Progress | None,
) -> None:  # fmt: skip
    import os
    from concurrent.futures import ThreadPoolExecutor

    from flowreform.engine import compiled
    from flowreform.engine.expressions import LANES

    runs = inputs.shape[1]
    kernel = compiled.Kernel(made)
    blocks = [slice(first, min(first + LANES, runs)) for first in range(0, runs, LANES)]

    def one(part: slice) -> int:
        kernel.block(inputs[:, part], drive, values[:, :, part], alarm[part], strays[:, part])
        return len(alarm[part])

    done = one(blocks[0])  # compiles, once, before the threads start
    if progress:
        progress(done, runs)
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        for count in pool.map(one, blocks[1:]):
            done += count
            if progress:
                progress(done, runs)


__all__ = ["Plan", "Progress", "Trajectories", "choose", "plan", "simulate", "whole_steps"]
