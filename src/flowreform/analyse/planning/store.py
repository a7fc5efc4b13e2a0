"""What is known of plans on disk, so that a search that was stopped goes on where it was.

One file of arrays, with the hash of everything that its numbers depend on: of another experiment, model, version or machine it
is not read, and everything begins anew.
"""

from __future__ import annotations

import hashlib
import platform
from importlib.metadata import version
from pathlib import Path

import numpy as np

from flowreform import __version__
from flowreform.analyse.planning.evaluate import Evaluated
from flowreform.analyse.planning.lattice import Plan
from flowreform.experiment import Experiment
from flowreform.experiment.experiment import toml_text
from flowreform.files import write_file

NAME = "evaluated.npz"
"""The file's name in the folder of a plan."""


def made_from(experiment: Experiment) -> str:
    """The hash of the experiment with all its definitions, of the model, and of the versions and machine of the arithmetic."""
    versions = [f"{name} {version(name)}" for name in ("numpy", "numba", "llvmlite")]
    parts = (
        __version__,
        toml_text(experiment, experiment.model.name, whole=True),
        experiment.model.sha256,
        experiment.ensemble.digest if experiment.ensemble else "",
        *versions,
        platform.machine(),
    )
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def save(path: Path, experiment: Experiment, known: dict[Plan, Evaluated]) -> None:
    """Write what is known, whole or not at all. Raises ExperimentError where it cannot be written."""
    rows = list(known.values())
    arrays = {
        "plans": np.array(list(known), dtype=np.int64),
        "objective": np.array([row.objective for row in rows]),
        "harm": np.array([row.harm for row in rows]),
        "worst": np.array([row.worst for row in rows]),
        "made_from": np.array(made_from(experiment)),
    }

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            np.savez_compressed(file, **arrays)  # type: ignore[arg-type]

    write_file(path, write, size=sum(array.nbytes for array in arrays.values()))


def load(path: Path, experiment: Experiment) -> dict[Plan, Evaluated]:
    """What was known when the file was written; nothing where there is none, it is damaged, or it belongs to something else."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as held:
            if str(held["made_from"]) != made_from(experiment):
                return {}
            plans, objective, harm, worst = (held[name] for name in ("plans", "objective", "harm", "worst"))
    except Exception:  # noqa: BLE001 - a damaged archive can make zipfile and numpy say anything, and is only run again
        return {}
    if not len(plans) == len(objective) == len(harm) == len(worst):
        return {}
    return {tuple(int(at) for at in plan): Evaluated(objective[at], harm[at], worst[at]) for at, plan in enumerate(plans)}
