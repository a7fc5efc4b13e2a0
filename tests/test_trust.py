"""README says of trust what the committed files say, and docs/trust.csv is of the models as they are."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import ModuleType

import pytest

from docs_scripts import docs_script
from flowreform.formats import bundled

ROOT = Path(__file__).resolve().parents[1]
REPAIR = "`python docs/refresh_trust.py`"


@pytest.fixture(scope="module")
def trust() -> ModuleType:
    """The script that writes it."""
    return docs_script("refresh_trust")


def test_the_readme_says_of_trust_what_the_command_says(trust: ModuleType) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    start, end = trust.MARKS
    assert text.count(start) == text.count(end) == 1
    stated = text.partition(start)[2].partition(end)[0].strip()
    assert stated.splitlines() == trust.block().splitlines(), f"README.md is of something else: {REPAIR}"


@pytest.mark.parametrize("name", sorted(bundled("models")))
def test_targets_and_draws_are_of_the_model_as_it_is(trust: ModuleType, name: str) -> None:
    rows = {row["model"]: row for row in trust.read_table(trust.TRUST)}
    assert rows[name]["made_from"] == trust.made_from(name), f"docs/trust.csv is of another {name}: {REPAIR} --targets"


def test_a_changed_equation_target_or_draw_is_seen_and_a_changed_word_is_not(
    trust: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(ROOT / "models" / "stroke_centralisation", tmp_path / "models" / "stroke_centralisation")
    monkeypatch.setattr(trust, "ROOT", tmp_path)
    folder, before = tmp_path / "models" / "stroke_centralisation", trust.made_from("stroke_centralisation")
    for name, old, new, seen in (
        ("model.xmile", "<eqn>", "<eqn>1+", True),
        ("model.xmile", "<doc>", "<doc>In words: ", False),
        ("model.toml", "[targets.", "[targets.another_", True),
        ("model.toml", 'label = "', 'label = "Another ', False),
        ("posterior.csv", "1", "2", True),
    ):
        whole = (folder / name).read_text(encoding="utf-8")
        assert old in whole
        (folder / name).write_text(whole.replace(old, new, 1), encoding="utf-8")
        assert (trust.made_from("stroke_centralisation") != before) is seen, (name, old)
        (folder / name).write_text(whole, encoding="utf-8")


def test_a_changed_score_or_speed_changes_the_text(trust: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = trust.block()
    study = tmp_path / "study"
    study.mkdir()
    for name in ("scores.csv", "README.md"):
        shutil.copy(trust.STUDY / name, study / name)
    rows = trust.read_table(study / "scores.csv")
    for row in rows:
        if row["method"] == "stocks":
            row["mae"] = str(2 * float(row["mae"]))
    trust.write_table(study / "scores.csv", tuple(rows[0]), [list(row.values()) for row in rows])
    monkeypatch.setattr(trust, "STUDY", study)
    assert trust.block() != before
    assert "1.96 times" in trust.block()


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(bundled("models")))
def test_targets_and_draws_come_out_as_written(trust: ModuleType, name: str) -> None:
    rows = {row["model"]: row for row in trust.read_table(trust.TRUST)}
    assert [str(value) for value in trust.measured(name)] == list(rows[name].values())
