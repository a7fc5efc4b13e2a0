"""Sweeps of care_shift: runs a second, and what the store costs beside the bare kernel on the same runs.

    python -m pytest benchmarks/test_sweep.py --benchmark-enable

Two sizes are swept, so that what is done once (reading, making the folder, the tables) falls out of the difference. The bare
kernel gets the same runs in the same number of threads and keeps nothing.
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
from flowreform.experiment import Experiment
from flowreform.sweep.evaluate import BLOCK, Evaluator, assignments_of, batch_of
from flowreform.sweep.layout import layout_of

SMALL, LARGE = 1_000, 4_000
"""Draws, each with the experiment's seven scenarios."""


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    return replace(fr.read_experiment("care_shift_build_or_close_first"), draws=LARGE, design="random")


@pytest.fixture(scope="module")
def bare(experiment: Experiment) -> Callable[[int, int], None]:
    """So many runs in so many threads by the kernel alone."""
    worker = Evaluator(experiment, layout_of(experiment, assignments_of(batch_of(experiment, False))), "numba")
    drawn = worker.drawer.part(0, BLOCK)
    inputs = worker.inputs("build_first", drawn)
    matrix = matrix_of(worker.program, worker.model, {name: np.broadcast_to(v, (BLOCK,)) for name, v in inputs.items()}, BLOCK)
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


@pytest.mark.parametrize("workers", [1, 2])
def test_sweep(benchmark: Any, experiment: Experiment, bare: Callable[[int, int], None], workers: int, tmp_path: Path) -> None:
    def swept(draws: int) -> tuple[float, float]:
        shutil.rmtree(tmp_path / "sweep", ignore_errors=True)
        return seconds(lambda: fr.sweep(replace(experiment, draws=draws), tmp_path / "sweep", engine="numba", workers=workers))

    runs = (LARGE - SMALL) * len(experiment.scenarios)
    swept(64)
    kernel, small, large = seconds(lambda: bare(runs, workers)), swept(SMALL), swept(LARGE)
    wall, processor = large[0] - small[0], large[1] - small[1]
    benchmark.extra_info |= {
        "runs_per_second": runs / wall,
        "runs_per_second_of_the_kernel": runs / kernel[0],
        "overhead_wall": wall / kernel[0] - 1,
        "overhead_processor": processor / kernel[1] - 1,
    }
    print(benchmark.extra_info)
    benchmark.pedantic(lambda: bare(runs // 8, workers), rounds=1)
