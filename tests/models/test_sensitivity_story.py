"""What the READMEs say of double-running cost follows from the tables beside them, and the tables from the models."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from docs_scripts import docs_script
from flowreform.experiment import read_experiment

ROOT = Path(__file__).resolve().parents[2]


def _script() -> Any:
    return docs_script("refresh_sensitivity")


SCRIPT = _script()
MODELS = tuple(SCRIPT.ANALYSED)


@pytest.mark.parametrize("name", MODELS)
def test_a_readme_says_what_its_table_says(name: str) -> None:
    folder = ROOT / "models" / name
    rows = SCRIPT.read_table(folder / "sensitivity.csv")
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert text.count(SCRIPT.BEGIN) == 1
    assert SCRIPT.section(rows) in text, "run python docs/refresh_sensitivity.py --words"
    assert (folder / "sensitivity.png").read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert (folder / "sensitivity.png").stat().st_size < 150_000


@pytest.mark.parametrize("name", MODELS)
def test_a_table_is_about_an_experiment_that_is_there(name: str) -> None:
    rows = SCRIPT.read_table(ROOT / "models" / name / "sensitivity.csv")
    experiment = read_experiment(rows[0].experiment)
    assert (rows[0].experiment, rows[0].scenario) == SCRIPT.ANALYSED[name]
    assert rows[0].scenario in experiment.scenarios
    assert {row.parameter for row in rows} - {""} <= set(experiment.uncertainties)
    ranked = [row.value for row in rows if row.index == "ST"]
    assert ranked == sorted(ranked, reverse=True)
    assert len(ranked) == SCRIPT.NAMED
    assert all(0 < row.half_width < 0.5 for row in rows if row.index == "ST")
    low, middle, high = ([row.value for row in rows if row.index == f"P{share}"] for share in (5, 50, 95))
    assert low < middle < high


def test_a_readme_that_says_something_else_is_found_out() -> None:
    folder = ROOT / "models" / MODELS[0]
    rows = SCRIPT.read_table(folder / "sensitivity.csv")
    text = (folder / "README.md").read_text(encoding="utf-8")
    changed = [replace(row, value=row.value * 1.1) if row.index == "ST" else row for row in rows]
    assert SCRIPT.section(changed) not in text
    assert SCRIPT.placed(SCRIPT.placed(text, SCRIPT.section(changed)), SCRIPT.section(rows)) == text


def test_the_sentences_of_a_tie_and_of_leaders_that_change() -> None:
    common = ("question", "plan", 64, 1, "")
    whole = [SCRIPT.Row(*common, "", "", "", f"P{at}", at * 1e6, np.nan, "GBP") for at in (5, 50, 95)]
    shares = [("a", "Pay of wards", 0.40, 0.1), ("b", "GP places", 0.35, 0.1), ("c", "Time to train", 0.1, 0.02)]
    whole += [SCRIPT.Row(*common, "", name, label, "ST", value, width, "") for name, label, value, width in shares]
    pay, train = ("a", "Pay of wards"), ("c", "Time to train")
    parts = [("2001 to 2003", *pay, 0.5), ("2003 to 2005", *pay, 0.3), ("2005 to 2007", *train, 0.6)]
    times = [SCRIPT.Row(*common, period, name, label, "S1", value, np.nan, "") for period, name, label, value in parts]
    what, when = SCRIPT.sentences(whole + times)
    assert "50 million GBP in all (median; 5th to 95th percentile 5 million to 95 million)" in what
    assert (
        "pay of wards (0.40 ± 0.10) or GP places (0.35 ± 0.10), too close to tell which, then time to train (0.10 ± 0.02)" in what
    )
    assert when.startswith("When: pay of wards in 2001 to 2005 (0.50 then 0.30) and time to train in 2005 to 2007 (0.60), ")
    weak = [*times[:2], replace(times[2], value=0.1)]
    assert "no one input in 2005 to 2007 (the largest is time to train, 0.10: inputs act" in SCRIPT.sentences(whole + weak)[1]
    apart = [replace(row, half_width=0.01) if row.index == "ST" else row for row in whole]
    what, when = SCRIPT.sentences([*apart, *times[:2]])
    assert "what matters most for it is pay of wards (0.40 ± 0.01), then GP places (0.35 ± 0.01) and time to train" in what
    assert when.startswith("It leads at all times")


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_the_models_still_give_the_tables(name: str) -> None:
    """A smaller sample: the leading share within both intervals, the median within 5 %."""
    rows = SCRIPT.read_table(ROOT / "models" / name / "sensitivity.csv")
    again, _ = SCRIPT.analyse(name, 128)
    assert again[0].model_sha256 == rows[0].model_sha256, "run python docs/refresh_sensitivity.py"
    stored = {row.parameter: row for row in rows if row.index == "ST"}
    for row in again:
        if row.index == "ST" and row.parameter in stored:
            assert abs(row.value - stored[row.parameter].value) <= row.half_width + stored[row.parameter].half_width
    middle, now = (next(row.value for row in table if row.index == "P50") for table in (rows, again))
    assert now == pytest.approx(middle, rel=0.05)
    leading = max(stored.values(), key=lambda row: row.value)
    assert leading.parameter in {row.parameter for row in again if row.index == "ST"}
