"""The assurance log: filled where a run says it, left to a person elsewhere, and nothing claimed that was not run."""

from __future__ import annotations

from pathlib import Path

import pytest

import flowreform as fr
from flowreform.analyse.assessment import Assessment
from flowreform.analyse.assessment import Row as AssessedRow
from flowreform.pages.assurance import PERSON, assurance, requirements

STRESS = (
    *("1.1", "1.2", "1.3", "2.1", "2.2", "2.3", "2.4", "2.5", "3.1", "3.2", "3.3", "3.4"),
    *("4.1", "4.2", "4.3", "5.1", "5.2", "5.3", "5.4", "6.1"),
)
ASKED = 21
"""Rows of what those who decide ask for."""


@pytest.fixture(scope="module")
def pace(ward: Path) -> fr.Experiment:
    """The small experiment."""
    return fr.read_experiment(ward / "pace.toml")


def test_every_item_of_the_checklist_has_an_answer_or_a_person(pace: fr.Experiment) -> None:
    text = assurance(pace, (), None, "left out")
    lines = {line.split("|")[1].strip(): line for line in text.splitlines() if line.startswith("| ")}
    assert [item for item in STRESS if item not in lines] == []
    assert all(len(line.split("|")[3].strip()) > 3 for item, line in lines.items() if item in STRESS)
    assert "20 draws, random, seed 1" in lines["5.2"]


def test_what_was_not_run_is_not_claimed(pace: fr.Experiment) -> None:
    text = assurance(pace, (), None, "left out by --quick")
    assert text.count("not run: left out by --quick") == 3
    assert " pass" not in text
    assert "agree" not in text


def test_a_target_that_is_missed_is_named(pace: fr.Experiment) -> None:
    """The mutant of a clean log: one row of the assessment is a miss."""
    rows = (
        AssessedRow("target", "beds", "Beds fall", "", 1.0, "pass", True),
        AssessedRow("target", "money", "Money falls too", "", 1.0, "miss", False, "it rises"),
        AssessedRow("witness", "pysd", "stocks", "", 1e-12, "pass", True),
    )
    text = assurance(pace, (), Assessment("ward", rows))
    assert "1 of 2 pass" in text
    assert "| Target missed: Money falls too | it rises |" in text
    assert "1 of 1 comparisons agree" in text
    assert "pysimlin | not run |" in text


def test_every_requirement_has_its_place(pace: fr.Experiment) -> None:
    found = list(requirements(pace, pace.case))
    assert len(found) == ASKED
    assert all(where for _, where in found)
    boxes = [asked for asked, where in found if where.startswith(PERSON)]
    assert "Engagement, choice, clinical evidence, commissioner support" in boxes
    assert "Distribution: who gains, who loses" in boxes


def test_a_label_cannot_break_the_table(pace: fr.Experiment) -> None:
    text = assurance(pace.with_(title="a | b <script>"), (), None, "left out")
    assert "<script>" not in text
    assert "# Assurance log: a \\| b" in text
