"""docs/how_to_plan_your_system.md: the file that it writes is read, its start closes, and its commands run in order."""

from __future__ import annotations

import csv
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

import flowreform as fr
from flowreform.cli import app

PAGE = (Path(__file__).resolve().parents[1] / "docs" / "how_to_plan_your_system.md").read_text(encoding="utf-8")
(OURS,) = re.findall(r"```toml\n(.*?)```", PAGE, re.S)


def test_the_file_of_the_page_is_read_and_its_start_closes(tmp_path: Path) -> None:
    (tmp_path / "ours.toml").write_text(OURS, encoding="utf-8")
    found = fr.start(tmp_path / "ours.toml", movers=False)
    assert not found.open
    assert found.system is not None
    assert found.system.values["beds_at_start"] == 1450


def write_history(path: Path) -> None:
    """The months that the page shows the first of: those of a real system, at the size of this one and two years later."""
    months = (Path(__file__).resolve().parents[1] / "experiments" / "forty_two_systems" / "icb_monthly.csv").read_text("utf-8")
    lines = [PAGE[(at := PAGE.index("month,beds_open")) : PAGE.index("\n", at)]]
    for row in csv.DictReader(months.splitlines()):
        if row["icb_code"] == "E54000025" and row["ga_beds_available"]:
            beds, occupied, remaining = (float(row[key]) for key in ("ga_beds_available", "ga_beds_occupied", "nctr_remaining"))
            month = f"{int(row['month'][:4]) + 2}-{row['month'][5:]}"
            lines.append(f"{month},{beds * 0.86:.0f},{occupied * 0.87:.0f},{remaining * 1.3:.0f}")
    path.write_text("\n".join(lines), encoding="utf-8")


@pytest.mark.slow
def test_every_command_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("ours.toml").write_text(OURS.replace("draws = 100", "draws = 4"), encoding="utf-8")
    write_history(Path("history.csv"))
    blocks = re.findall(r"^```\w*\n(.*?)^```$", PAGE, re.S | re.M)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("flowreform ")]
    assert len(lines) >= 7
    for line in lines:
        result = CliRunner().invoke(app, shlex.split(line)[1:], env={"COLUMNS": "160"})
        assert result.exit_code == 0, f"{line}\n{result.output}"
    assert fr.read_experiment("ours.toml").ensemble is not None
    assert Path("out/summary.md").read_text(encoding="utf-8").startswith("# Our system plans to close sixty beds")
