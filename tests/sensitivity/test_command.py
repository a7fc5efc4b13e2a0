"""`flowreform sensitivity`: tables, JSON, files and exit codes; pictures are the same bytes twice."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from flowreform.cli import app


@pytest.fixture
def pace(ward: Path, tmp_path: Path) -> Path:
    """The ward's experiment with both of its inputs uncertain."""
    for name in ("model.xmile", "model.toml", "reference.csv"):
        (tmp_path / name).write_bytes((ward / name).read_bytes())
    more = (
        'uncertainties = "all"\n\n[uncertainties.closure_rate]\ndistribution = "uniform"\nlow = 0.02\nhigh = 0.08\n'
        'unit = "1/month"\nsource = "test"\nstatus = "assumption"\n\n[scenarios.as_planned]'
    )
    text = (ward / "pace.toml").read_text(encoding="utf-8").replace("[scenarios.as_planned]", more, 1)
    path = tmp_path / "pace.toml"
    path.write_text(text, encoding="utf-8")
    return path


def call(*words: object) -> Result:
    return CliRunner().invoke(app, ["sensitivity", *map(str, words)], env={"COLUMNS": "200"})


def test_a_table_and_json(pace: Path) -> None:
    done = call(pace, "--samples", 32, "--scenario", "as_planned")
    assert done.exit_code == 0, done.stderr
    assert "closure_rate" in done.stdout
    done = call(pace, "--samples", 32, "--contrast", "as_planned", "slower", "--json")
    found = json.loads(done.stdout)
    inputs = found["indices"]["as_planned - slower"]["beds_at_end"]["inputs"]
    assert inputs["closure_rate"]["ST"]["value"] == pytest.approx(1, abs=0.2)
    assert found["provenance"]["command"].endswith("pace.toml --samples 32 --contrast as_planned slower")


@pytest.mark.parametrize(
    ("method", "pictures"),
    [
        ("sobol", {"indices_1", "scatter_1", "over_time_1", "fan_1"}),
        ("morris", {"morris_1", "over_time_1"}),
        ("tornado", {"tornado_1"}),
    ],
)
def test_files_are_written_the_same_twice(pace: Path, tmp_path: Path, method: str, pictures: set[str]) -> None:
    folders = [tmp_path / name for name in ("one", "two")]
    for folder in folders:
        done = call(pace, "--method", method, "--samples", 16, "--scenario", "as_planned", "-o", folder)
        assert done.exit_code == 0, done.stderr
    names = {path.name for path in folders[0].iterdir()}
    tables = {"sensitivity.nc", "indices.csv", "summary.md"} | ({"bands.csv"} if method == "sobol" else set())
    assert names == tables | {f"{n}.{form}" for n in pictures for form in ("png", "svg")}
    for name in names - {"sensitivity.nc"}:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes(), name
    if method == "sobol":
        bands = list(csv.DictReader((folders[0] / "bands.csv").read_text(encoding="utf-8").splitlines()))
        assert len(bands) == 2 * 25  # two charted variables, 25 saved times
        assert all(float(row["p5"]) <= float(row["p50"]) <= float(row["p95"]) for row in bands)
    rows = list(csv.DictReader((folders[0] / "indices.csv").read_text(encoding="utf-8").splitlines()))
    assert {row["parameter"] for row in rows} == {"closure_rate", "share_in_use"}
    assert "## Where it comes from" in (folders[0] / "summary.md").read_text(encoding="utf-8")


def test_targets_and_who_does_better_are_shown(pace: Path) -> None:
    done = call(pace, "--samples", 32, "--target", "beds_at_end <= 30", "--kpi", "beds_at_end", "--parameter", "closure_rate")
    assert done.exit_code == 0, done.stderr
    assert "Chance of meeting each target (95 % interval)" in done.stdout
    assert "How often each scenario does better than as planned" in done.stdout
    found = json.loads(call(pace, "--samples", 32, "--target", "beds_at_end <= 30", "--json").stdout)
    assert 0.3 < found["targets"]["beds_at_end <= 30"]["as_planned"]["probability"] < 0.7
    assert found["targets"]["beds_at_end <= 30"]["slower"]["probability"] == 0
    assert found["better"]["beds_at_end"]["as_planned"]["slower"]["probability"] == 1


def test_bad_input_is_a_line_and_exit_code_1(pace: Path) -> None:
    done = call(pace, "--samples", 1)
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    assert call(pace, "--method", "guess").exit_code == 2
