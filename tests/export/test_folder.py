"""The four files of a run: whole, alike every time, and none of them when anything goes wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from flowreform.errors import warning
from flowreform.experiment import Experiment
from flowreform.export.folder import NAMES, write_folder
from flowreform.export.summary import summary_text, warning_lines
from flowreform.kpi import kpis

if TYPE_CHECKING:
    from xarray import Dataset


def test_four_files_that_read_back(tmp_path: Path, ds: Dataset, experiment: Experiment) -> None:
    from flowreform.results import read_netcdf

    write_folder(tmp_path / "out", ds, kpis(ds, experiment), experiment)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(NAMES)
    back = read_netcdf(tmp_path / "out" / "results.nc")
    assert back.equals(ds)
    assert back.attrs == ds.attrs


def test_text_and_chart_are_the_same_bytes_twice(tmp_path: Path, ds: Dataset, experiment: Experiment) -> None:
    for name in ("one", "two"):
        write_folder(tmp_path / name, ds, kpis(ds, experiment), experiment)
    for name in ("kpis.csv", "summary.md", "chart.png"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_nothing_is_written_when_the_chart_fails(
    tmp_path: Path, ds: Dataset, experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object, **options: object) -> None:
        raise RuntimeError("no chart today")

    monkeypatch.setattr("flowreform.export.chart.draw", broken)
    with pytest.raises(RuntimeError, match="no chart"):
        write_folder(tmp_path / "out", ds, kpis(ds, experiment), experiment)
    assert list(tmp_path.iterdir()) == []


def test_summary_has_the_worked_numbers(ds: Dataset, experiment: Experiment) -> None:
    text = summary_text(kpis(ds, experiment), experiment, (), ds.attrs)
    end, slow = 100 * (1 - 0.05 / 4) ** 96, 100 * (1 - 0.01 / 4) ** 96
    assert f"| Open beds at the end [bed], lower is better | {end:.2f} | {slow:.2f} |" in text
    assert f"| Open beds at the end [bed], lower is better | +{slow - end:.2f}, better in 0 % of draws |" in text
    assert "| First below 10 beds [month] | 20 never | 20 never |" in text
    assert "| slower | closure_rate = 0.01 1/month |" in text
    assert "2 scenarios x 20 draws of 1 uncertain input: 40 runs. Scenarios share their draws." in text
    assert f"| model file (SHA-256) | {experiment.model.sha256} |" in text
    assert "## Warnings\n\nNone.\n" in text


def test_summary_names_no_folder_of_the_machine(ds: Dataset, experiment: Experiment) -> None:
    found = warning("range", "outside its range", file="/home/someone/model.toml", line=7, element="closure_rate")
    text = summary_text(kpis(ds, experiment), experiment, warning_lines([found, "run 3 failed"]), ds.attrs)
    assert "- model.toml:7: closure_rate: outside its range\n- run 3 failed\n" in text
    assert "/home" not in text
    assert str(Path.cwd()) not in text


def test_a_single_run_has_no_differences(solve: Callable[[Experiment], Dataset], experiment: Experiment) -> None:
    alone = replace(experiment, draws=1, scenarios=MappingProxyType({"as_planned": experiment.scenarios["as_planned"]}))
    text = summary_text(kpis(solve(alone), alone), alone, (), {})
    assert "One run of the model." in text
    assert "Against" not in text


def test_a_single_run_without_kpis_is_shown_by_its_stocks(solve: Callable[[Experiment], Dataset], experiment: Experiment) -> None:
    alone = replace(experiment, draws=1, scenarios=MappingProxyType({"as_planned": experiment.scenarios["as_planned"]}))
    alone = replace(alone, kpis=MappingProxyType({}))
    ds = solve(alone)
    text = summary_text(kpis(ds, alone), alone, (), {}, ds)
    end = float(ds["open_beds"].isel(scenario=0, draw=0, time=-1))
    row = next(line for line in text.splitlines() if line.startswith("| open_beds | bed |"))
    assert "## Results" in text
    assert row.endswith(f"| {end:.2f} |")
