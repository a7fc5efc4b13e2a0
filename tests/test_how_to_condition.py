"""`docs/how_to_condition.md` is run as it stands: its files are written, its commands and its Python executed."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

import flowreform as fr
from flowreform.case import read_case
from flowreform.cli import app

PAGE = Path(__file__).parents[1] / "docs" / "how_to_condition.md"


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)


def test_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for kind, name in (("xml", "wards.xmile"), ("csv", "reference.csv"), ("toml", "wards.toml")):
        (text,) = blocks(kind)
        Path(name).write_text(text)
    for command in "".join(blocks("bash")).splitlines():
        words = shlex.split(command)
        assert words[0] == "flowreform"
        done = CliRunner().invoke(app, words[1:])
        assert done.exit_code == 0, (command, done.output, done.exception)
    assert {"posterior.csv", "bands.png"} <= set(os.listdir())
    case = read_case(fr.read_model("wards.xmile"))
    assert case is not None
    assert case.ensemble is not None
    assert case.ensemble.current
    assert set(case.ensemble.names) == {"mean_stay", "admissions_a_month", "yearly_growth"}
    (python,) = blocks("python")
    space: dict[str, object] = {}
    exec(python, space)
    known = {item.name: item for item in space["found"].parameters}  # type: ignore[attr-defined]
    assert known["admissions_a_month"].narrowed > 0.8
    assert known["mean_stay"].narrowed > 0.5
