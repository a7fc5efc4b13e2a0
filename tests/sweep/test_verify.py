"""`verify` catches what a checksum cannot: each test is a folder that is whole and wrong."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import zarr

import flowreform as fr
from flowreform.errors import ExperimentError
from flowreform.experiment import Experiment
from flowreform.sweeps import arrays, identity, verify
from flowreform.sweeps.layout import Layout
from flowreform.sweeps.ledger import File, Ledger
from flowreform.sweeps.verify import verify_sweep
from sweep.commands import run
from sweep.folders import DRAWS, PART


def rewrite(folder: Path, name: str, change: Callable[[np.ndarray], None]) -> None:
    """Change an array of the first part and make the ledger believe it."""
    ledger = Ledger(folder / "ledger.sqlite", write=True)
    layout = Layout.from_table(ledger.get("layout"))
    array = layout.arrays()[name]
    values = np.asarray(zarr.open_group(str(folder / "runs.zarr"), mode="r", use_consolidated=False)[name][: array.chunks[0]])
    change(values)
    content = arrays.encode(array, values)
    path = f"runs.zarr/{arrays.chunk_file(name, array, 0)}"
    (folder / path).write_bytes(content)
    ledger.put_files([File(path, 0, len(content), hashlib.sha256(content).hexdigest())])
    ledger.close()


def test_a_good_folder_is_good(undisturbed: Path) -> None:
    found = verify_sweep(undisturbed, sample=20, engine="python")
    assert found.same
    assert (found.runs, found.numbers, found.missing_parts) == (20, 80, 0)
    assert found.rule == verify.EXACT
    assert found.files > 30


def test_one_bit_of_one_value_is_found(copied: Path) -> None:
    def change(values: np.ndarray) -> None:
        values[:, 0] = np.nextafter(values[:, 0], np.inf)

    rewrite(copied, "kpi_value", change)
    found = verify_sweep(copied, sample=2 * DRAWS, seed=1, engine="numba")
    assert not found.same
    assert all("KPI beds_at_end" in fault for fault in found.faults)
    assert len(found.faults) == 2 * PART


@pytest.mark.parametrize("name", ["input_value", "status", "kpi_outcome"])
def test_other_arrays_are_compared_too(name: str, copied: Path) -> None:
    def change(values: np.ndarray) -> None:
        values[...] = 2

    rewrite(copied, name, change)
    assert not verify_sweep(copied, sample=2 * DRAWS, seed=1, engine="numba").same


def test_courses_are_compared(experiment: Experiment, tmp_path: Path) -> None:
    from dataclasses import replace

    kept = replace(experiment, draws=20, sweep=experiment.sweep.model_copy(update={"trajectories": "all"}))
    fr.sweep(kept, tmp_path / "sweep", engine="python")
    assert verify_sweep(tmp_path / "sweep", engine="python").same

    def change(values: np.ndarray) -> None:
        values[7, 1, 3] += 1e-9

    rewrite(tmp_path / "sweep", "trajectory", change)
    found = verify_sweep(tmp_path / "sweep", engine="python")
    assert len(found.faults) == 1
    assert "course of" in found.faults[0]


def test_another_model_in_the_folder_is_found(copied: Path) -> None:
    place = copied / "model" / "model.xmile"
    text = place.read_text(encoding="utf-8").replace("<eqn>0.05</eqn>", "<eqn>0.0500001</eqn>")
    place.write_text(text, encoding="utf-8")
    found = verify_sweep(copied, sample=5, engine="python")
    assert any("model.xmile" in fault for fault in found.faults)
    assert any("equation of closure_rate" in fault for fault in found.faults)


def test_on_another_machine_rounding_passes_and_more_does_not(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = {**identity.machine(), "processor": "another"}
    monkeypatch.setattr(verify, "machine", lambda: other)

    def scale(factor: float) -> Callable[[np.ndarray], None]:
        def change(values: np.ndarray) -> None:
            values *= factor

        return change

    rewrite(copied, "kpi_value", scale(1 + 1e-12))
    found = verify_sweep(copied, sample=2 * DRAWS, engine="numba")
    assert found.same
    assert "another machine" in found.rule
    assert "processor" in found.rule
    assert 0 < found.largest_difference < 1e-8
    rewrite(copied, "kpi_value", scale(1 + 1e-7))
    assert not verify_sweep(copied, sample=2 * DRAWS, engine="numba").same


def test_the_command(undisturbed: Path, tmp_path: Path) -> None:
    code, text = run("verify", undisturbed)
    assert code == 0
    assert re.search(r"checksums of files +\d+ +all equal", text)
    assert "Rule: same machine type and versions: equal to the last bit" in text
    code, text = run("verify", undisturbed, "--json")
    assert code == 0
    assert json.loads(text)["same"] is True
    code, text = run("verify", tmp_path / "nothing.txt")
    assert code == 1
    assert "there is no such file or folder" in text
    code, text = run("verify", tmp_path)
    assert code == 1
    assert "there is no sweep here" in text


def test_a_folder_without_a_sweep(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="there is no sweep here"):
        verify_sweep(tmp_path)
