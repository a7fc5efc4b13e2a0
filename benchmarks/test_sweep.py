"""Sweeps of care_shift: runs a second, and what everything around the kernel costs.

    python -m pytest benchmarks/test_sweep.py --benchmark-enable -s

Two sizes are swept, so that what is done once (reading, making the folder) falls out of the difference. The kernel's share is
timed inside the same sweep, so that other work on the machine weighs on both alike; beside it stand the runs a second of the
kernel alone in the same number of threads, which keeps nothing.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import flowreform as fr
from flowreform.batch import matrix_of
from flowreform.engine.prepared import Prepared
from flowreform.experiment import Experiment
from flowreform.sweeps.evaluate import BLOCK, Evaluator, assignments_of, batch_of
from flowreform.sweeps.layout import layout_of

SMALL, LARGE = 1_000, 4_000
"""Draws, each with every scenario of the experiment."""
SMOKE = (64, 256)
"""The same where nothing is timed, only tried."""


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    return replace(fr.read_experiment("care_shift_build_or_close_first"), draws=LARGE, design="random")


@pytest.fixture(scope="module")
def bare(experiment: Experiment) -> Callable[[int, int], None]:
    """So many runs in so many threads by the kernel alone."""
    worker = Evaluator(experiment, layout_of(experiment, assignments_of(batch_of(experiment, False))), "numba")
    drawn = worker.drawer.part(0, BLOCK)
    matrix = matrix_of(worker.program, worker.model, experiment.scenarios["build_first"].over(drawn, BLOCK), BLOCK)
    series = worker.series["build_first"]

    def some(blocks: int) -> None:
        values = np.empty((len(worker.prepared.slots), worker.times, BLOCK))
        for _ in range(blocks):
            worker.prepared.run(matrix, series, values)

    some(1)

    def work(runs: int, threads: int) -> None:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(some, [runs // BLOCK // threads] * threads))

    return work


def seconds(work: Callable[[], Any]) -> tuple[float, float]:
    """Wall and processor seconds."""
    wall, processor = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - processor


class Timed:
    """Processor seconds spent in the kernel, by all threads together."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.spent: list[float] = []
        run = Prepared.run

        def timed(*arguments: Any) -> Any:
            started = time.thread_time()
            found = run(*arguments)
            self.spent.append(time.thread_time() - started)
            return found

        monkeypatch.setattr(Prepared, "run", timed)

    def take(self) -> float:
        """What was spent since the last time."""
        total = sum(self.spent)
        self.spent.clear()
        return total


@pytest.mark.parametrize("workers", [1, 2])
def test_sweep(
    benchmark: Any, experiment: Experiment, bare: Callable[[int, int], None], workers: int, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    timed = Timed(monkeypatch)

    def swept(draws: int) -> tuple[float, float, float]:
        shutil.rmtree(tmp_path / "sweep", ignore_errors=True)
        timed.take()
        wall, processor = seconds(
            lambda: fr.sweep(replace(experiment, draws=draws), tmp_path / "sweep", engine="numba", workers=workers)
        )
        return wall, processor, timed.take()

    few, many = SMOKE if benchmark.disabled else (SMALL, LARGE)
    runs = (many - few) * len(experiment.scenarios)
    swept(64)
    small, large = swept(few), swept(many)
    wall, processor, kernel = (after - before for after, before in zip(large, small, strict=True))
    alone = seconds(lambda: bare(runs // 4, workers))
    benchmark.extra_info |= {
        "runs_per_second": runs / wall,
        "runs_per_second_of_the_kernel": runs / 4 / alone[0],
        "overhead": processor / kernel - 1,
    }
    print(benchmark.extra_info)
    benchmark.pedantic(lambda: bare(runs // 8, workers), rounds=1)
