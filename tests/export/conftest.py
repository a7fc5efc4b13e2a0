"""Results of the ward experiment from closed forms, without an engine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from flowreform.experiment import Experiment, read_experiment

if TYPE_CHECKING:
    from xarray import Dataset


@pytest.fixture(scope="session")
def experiment(ward: Path) -> Experiment:
    """Two scenarios with 20 draws each."""
    return read_experiment(ward / "pace.toml")


@pytest.fixture
def solve() -> Callable[[Experiment], Dataset]:
    """What the engine would give, by hand: Euler's method on a rate that does not change."""

    def solved(experiment: Experiment) -> Dataset:
        from flowreform.results import dataset, provenance

        steps = np.round(experiment.times / experiment.dt).astype(int)
        share = np.linspace(0.8, 1.0, experiment.draws)
        beds, use = [], []
        for scenario in experiment.scenarios.values():
            rate = float(scenario.settings.get("closure_rate", 0.05))  # type: ignore[arg-type]
            every = 100 * (1 - rate * experiment.dt) ** np.arange(steps[-1] + 1)
            total = np.concatenate([[0.0], np.cumsum(every[:-1]) * experiment.dt])
            beds.append(np.repeat(every[steps][:, None], experiment.draws, axis=1))
            use.append(total[steps][:, None] * share)
        values = {"open_beds": np.concatenate(beds, axis=1), "bed_months_total": np.concatenate(use, axis=1)}
        return dataset(
            experiment.model,
            experiment.times,
            values,
            scenarios={name: scenario.label for name, scenario in experiment.scenarios.items()},
            inputs={"share_in_use": share},
            failed={"failed": np.zeros(experiment.runs, dtype=bool)},
            provenance=provenance(experiment, engine="python", command="flowreform run pace.toml"),
        )

    return solved


@pytest.fixture
def ds(experiment: Experiment, solve: Callable[[Experiment], Dataset]) -> Dataset:
    """The results of the experiment."""
    return solve(experiment)
