"""Arrays in, arrays out: the engine runs a `Program` and knows no files, names, clocks or random numbers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flowreform.engine.memory import zeros
from flowreform.engine.plan import Plan, plan, whole_steps
from flowreform.engine.prepared import Kernel, Prepared, settled

if TYPE_CHECKING:
    import numpy as np

    from flowreform.program import Program

TOGETHER = 16
"""Blocks that a thread takes at once, at most: handing one over takes as long as a short one runs."""

Arrays = tuple["np.ndarray", "np.ndarray", "np.ndarray", "np.ndarray", "np.ndarray"]
"""Inputs, levers over time, results, alarm and strays of a batch."""

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
    made: Plan | None = None,
) -> Trajectories:
    """Run every column of `inputs` [input slot, run], in the order of `program.inputs`, with the series of `program.noises` after
    them, each `program.steps + 1` rows.

    `drive` [series, half-step] holds the levers over time, NaN where a lever is left alone. `keep` names the slots whose
    values come back, every `every` steps; `made` is the plan of these, where it is made already. A run is the same to the last
    bit whatever else is in the batch."""
    import numpy as np

    runs = inputs.shape[1]
    made = plan(program, keep, every) if made is None else made
    ready = Prepared(made, choose(made, runs) if engine == "auto" else engine)
    values = zeros(len(made.saved), len(made.times), runs)
    alarm, strays = np.zeros(runs), np.zeros((len(made.P), runs))
    _run(ready.kernel, (inputs, ready.series(drive), values, alarm, strays), workers, progress)
    return Trajectories(made.saved, made.times, values, settled(values, alarm), strays, ready.engine)


def _run(kernel: Kernel, arrays: Arrays, workers: int | None, progress: Progress | None) -> None:
    """Every block, on several threads where the kernel lets them work at the same time."""
    import os
    from concurrent.futures import ThreadPoolExecutor

    runs, done = arrays[0].shape[1], 0

    def some(firsts: Sequence[int]) -> int:
        return sum(kernel.block(*arrays, first) for first in firsts)

    def note(count: int) -> None:
        nonlocal done
        done += count
        if progress:
            progress(done, runs)

    starts = range(0, runs, kernel.size)
    workers = (workers or os.cpu_count() or 1) if kernel.size > 1 else 1
    alone = len(starts) if workers == 1 else 1  # the first block compiles, once, before threads start
    for first in starts[:alone]:
        note(some([first]))
    rest = starts[alone:]
    if rest:
        share = max(1, min(TOGETHER, len(rest) // (workers * TOGETHER)))
        with ThreadPoolExecutor(workers) as pool:
            for count in pool.map(some, (rest[at : at + share] for at in range(0, len(rest), share))):
                note(count)


__all__ = ["Plan", "Progress", "Trajectories", "choose", "plan", "simulate", "whole_steps"]
