"""A small sweep that every test compares with: two scenarios of the ward, in parts of 32 draws."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import flowreform as fr
from flowreform.experiment import Experiment
from sweep.folders import DRAWS, PART, contents

MEMORY = Path("/dev/shm")
"""A file system in memory, where there is one: a sweep syncs every file, and a test has hundreds of them."""


def scratch() -> Path:
    """A new folder, in memory where that can be."""
    return Path(tempfile.mkdtemp(prefix="flowreform-test-", dir=MEMORY if os.access(MEMORY, os.W_OK) else None))


@pytest.fixture(scope="session")
def session_folder() -> Iterator[Path]:
    folder = scratch()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A folder for one test."""
    folder = scratch()
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def experiment_file(session_folder: Path, ward: Path) -> Path:
    """The ward's experiment with 300 draws, in a folder of its own."""
    folder = session_folder / "ward"
    folder.mkdir()
    for name in ("model.xmile", "model.toml", "reference.csv", "pace.toml"):
        shutil.copy(ward / name, folder / name)
    path = folder / "pace.toml"
    text = path.read_text(encoding="utf-8").replace("draws = 20", f"draws = {DRAWS}")
    path.write_text(f"{text}\n[sweep]\ndraws_per_part = {PART}\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def experiment(experiment_file: Path) -> Experiment:
    return fr.read_experiment(experiment_file)


@pytest.fixture(scope="session")
def undisturbed(experiment: Experiment, session_folder: Path) -> Path:
    """The folder of a sweep that nothing happened to."""
    folder = session_folder / "undisturbed"
    fr.sweep(experiment, folder, engine="numba", workers=1)
    return folder


@pytest.fixture(scope="session")
def right(undisturbed: Path) -> dict[str, str]:
    """What every disturbed sweep must come to."""
    return contents(undisturbed)


@pytest.fixture
def changed(experiment: Experiment) -> Callable[..., Experiment]:
    """The experiment with other fields; those of `sweep_` go to [sweep]."""

    def make(**fields: Any) -> Experiment:
        inner = {key.removeprefix("sweep_"): fields.pop(key) for key in list(fields) if key.startswith("sweep_")}
        made = replace(experiment, **fields)
        return replace(made, sweep=made.sweep.model_copy(update=inner))

    return make


@pytest.fixture
def copied(undisturbed: Path, tmp_path: Path) -> Path:
    """A copy of the undisturbed sweep, to be damaged."""
    return Path(shutil.copytree(undisturbed, tmp_path / "sweep"))
