"""`docs/how_to_plan.md` is run as it stands, and the keys that it shows are those that there are."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import flowreform as fr
from flowreform.cli import app
from flowreform.experiment.plans import PlanTable, RequireTable

PAGE = Path(__file__).parents[1] / "docs" / "how_to_plan.md"  # "how_to_plan.md"
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


def test_the_table_shown_is_one_that_is_read() -> None:
    shown = tomllib.loads(next(text for language, text in BLOCKS if language == "toml"))["plan"]
    assert set(PlanTable.model_validate(shown).model_dump(by_alias=True)) == set(shown)  # every key is shown
    words = PAGE.read_text(encoding="utf-8")
    for name, field in RequireTable.model_fields.items():
        assert f"`{field.alias or name}`" in words or f"{field.alias or name} = " in words, name


@pytest.mark.slow
def test_every_block_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"fr": fr}
    for language, text in BLOCKS:
        if language == "python":
            exec(compile(text, "<example>", "exec"), names)
        elif language == "bash":
            for line in text.splitlines():
                done = CliRunner().invoke(app, shlex.split(line)[1:])
                assert done.exit_code == 0, f"{line}\n{done.output}"
