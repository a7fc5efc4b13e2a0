"""`report` and `qa` as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

import flowreform as fr
from flowreform.cli import app


def asked(*words: str) -> tuple[int, str]:
    """Exit code and output of a command."""
    result = CliRunner().invoke(app, words, env={"COLUMNS": "160"})
    return result.exit_code, result.output


def test_a_report_is_written_and_told(ward: Path, tmp_path: Path) -> None:
    code, output = asked("report", str(ward / "pace.toml"), "-o", str(tmp_path / "report.html"), "--draws", "12", "--json")
    assert code == 0
    told = json.loads(output[output.index("{") :])
    assert told["runs"] == 24
    assert told["bytes"] == (tmp_path / "report.html").stat().st_size
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "flowreform run pace.toml --draws 12" in text
    assert str(ward) not in text


def test_a_sweep_has_the_report_of_its_experiment(ward: Path, tmp_path: Path) -> None:
    experiment = fr.read_experiment(ward / "pace.toml").with_(draws=12)
    fr.sweep(experiment, tmp_path / "sweep", engine="python", workers=1)
    code, _ = asked("report", str(tmp_path / "sweep"), "-o", str(tmp_path / "report.html"))
    assert code == 0
    assert "each run 12 times" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("report", "{ward}/pace.toml", "-o", "report.pdf"), "a report is an HTML page"),
        (("report", "{ward}/pace.toml", "-o", "report.html", "--draws", "20000"), "more than the 20,000"),
        (("qa", "{ward}/pace.toml", "-o", "qa.docx"), "the log is Markdown"),
    ],
)
def test_what_cannot_be_written_is_refused(words: tuple[str, ...], reason: str, ward: Path) -> None:
    code, output = asked(*(word.format(ward=ward) for word in words))
    assert code == 1
    assert reason in output


def test_a_log_is_written(ward: Path, tmp_path: Path) -> None:
    code, output = asked("qa", str(ward / "pace.toml"), "-o", str(tmp_path / "qa.md"), "--quick")
    assert code == 0
    assert "lines are for a person" in output
    assert "not run: left out by --quick" in (tmp_path / "qa.md").read_text(encoding="utf-8")


def test_names_in_paper_are_checked(ward: Path, tmp_path: Path) -> None:
    """Every fault of [paper] at once, with its line."""
    for name in ("model.xmile", "model.toml", "reference.csv"):
        (tmp_path / name).write_bytes((ward / name).read_bytes())
    faults = '\n[paper]\noptions = ["slowest"]\noutcomes = ["beds_at_ends"]\ndecides = "open_bed"\nlevers = ["closing"]\n'
    path = tmp_path / "pace.toml"
    path.write_text((ward / "pace.toml").read_text(encoding="utf-8") + faults, encoding="utf-8")
    with pytest.raises(fr.ExperimentError) as caught:
        fr.read_experiment(path)
    assert len(caught.value.findings) == 4
    assert all(finding.line for finding in caught.value.findings)


def test_a_paper_is_written_out_and_read_back(ward: Path) -> None:
    experiment = fr.read_experiment(ward / "pace.toml").with_(paper={"answer": "Slower.", "options": ["as_planned", "slower"]})
    assert 'answer = "Slower."' in experiment.to_toml()
    alone = experiment.with_(scenario="slower")
    assert alone.paper.options == ("slower",)
    assert alone.paper.answer == "Slower."
