"""Sobol indices with second order, N = 1,024, 12 parameters of care_shift, 10 variables x 120 months: all columns at once,
and beside it SALib's analyze, one column after the other (timed on a few columns, since all would take many minutes)."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import flowreform as fr
from flowreform.analyse.sensitivity import designs, estimators, sensitivity
from flowreform.analyse.sensitivity.methods import make

SAMPLES, PARAMETERS, COLUMNS, MONTHS = 1024, 12, 10, 120
TIMED = 3
"""Columns that SALib is timed on."""


@pytest.fixture(scope="module")
def experiment() -> Any:
    return fr.read_experiment("care_shift_build_or_close_first")


@pytest.fixture(scope="module")
def sample() -> tuple[designs.Design, NDArray[np.float64]]:
    """A design and a made-up output for each month of each column."""
    design = make("sobol", PARAMETERS, SAMPLES, 1, second_order=True)
    weights = np.random.default_rng(1).uniform(0, 1, (PARAMETERS, COLUMNS * MONTHS))
    return design, (design.unit @ weights) ** 2


def test_whole_analysis(benchmark: Any, experiment: Any) -> None:
    """Sampling, runs and indices: KPIs and 10 variables over 120 months, in one scenario."""
    names = list(dict.fromkeys(name for chart in experiment.charts for name in chart.variables))[:COLUMNS]
    options = {
        "scenario": "build_first",
        "variables": names,
        "parameters": list(experiment.uncertainties)[:PARAMETERS],
        "second_order": True,
    }
    sensitivity(experiment, samples=4, **options)  # compiles
    benchmark.group = "sensitivity"
    samples = 16 if benchmark.disabled else SAMPLES  # where nothing is timed, only tried
    benchmark.pedantic(sensitivity, (experiment,), {"samples": samples, **options}, rounds=1, iterations=1)


def test_indices_at_once(benchmark: Any, sample: Any) -> None:
    benchmark.group = "sensitivity"
    benchmark.pedantic(estimators.sobol, (*sample, estimators.Settings()), rounds=3, iterations=1)


def test_indices_by_a_loop_over_salib(benchmark: Any, sample: Any) -> None:
    """Some columns; `extra_info` has what all of them would take, and how many times quicker all at once is."""
    from SALib.analyze import sobol

    design, outputs = sample
    problem = designs.problem(PARAMETERS)

    def loop() -> list[Any]:
        return [sobol.analyze(problem, outputs[:, column], num_resamples=100, seed=1) for column in range(TIMED)]

    benchmark.group = "sensitivity"
    begin, busy = time.perf_counter(), time.process_time()
    witnesses = benchmark.pedantic(loop, rounds=1, iterations=1)
    share = outputs.shape[1] / TIMED
    whole, whole_busy = (time.perf_counter() - begin) * share, (time.process_time() - busy) * share
    begin, busy = time.perf_counter(), time.process_time()
    found = estimators.sobol(design, outputs, estimators.Settings())
    quick, quick_busy = time.perf_counter() - begin, time.process_time() - busy
    benchmark.extra_info |= {
        "all columns by SALib, seconds": whole,
        "at once, seconds": quick,
        "times quicker": whole / quick,
        "times less work of processors": whole_busy / quick_busy,  # hangs less on what else the machine does
    }
    for column, witness in enumerate(witnesses):
        np.testing.assert_allclose(found.values["ST"][:, column], witness["ST"], rtol=1e-12, atol=1e-12)
