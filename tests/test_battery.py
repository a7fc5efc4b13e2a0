"""The battery: rows for every test a machine can make, verdicts that can go wrong, and the tests left to people."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import flowreform as fr
from flowreform.analyse.assessment import Row
from flowreform.analyse.battery import HUMAN, battery, conclusions, extremes, markdown
from flowreform.case import Case
from flowreform.model import Model

SOUND = Path(__file__).parent / "models" / "mutants" / "sound"


def opened(folder: Path) -> tuple[Model, Case]:
    model = fr.read_model(folder / "model.xmile")
    case = fr.read_case(model)
    assert case is not None
    return model, case


def edited(folder: Path, old: str, new: str, file: str = "model.xmile") -> tuple[Model, Case]:
    for name in ("model.xmile", "model.toml"):
        shutil.copy(SOUND / name, folder / name)
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))
    return opened(folder)


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return list(battery(*opened(SOUND), draws=8, engine="python"))


def by_name(rows: list[Row]) -> dict[str, Row]:
    return {row.name: row for row in rows}


def test_a_sound_model_passes_everything(rows: list[Row]) -> None:
    assert [row.name for row in rows if not row.ok] == []
    assert {row.kind for row in rows} == {"test"}
    assert {row.verdict for row in rows} == {"pass", "needs a human"}


def test_every_law_has_a_row(rows: list[Row]) -> None:
    wanted = {"units", "documentation", "sources", "finite", "conserved", "never negative", "never above", "steady", "no demand",
              "halved dt", "scaling", "last digits", "extremes", "extremes keep the laws"}  # fmt: skip
    assert wanted <= set(by_name(rows))


def test_what_needs_a_human_is_said(rows: list[Row]) -> None:
    assert [row.name for row in rows if row.verdict == "needs a human"] == [name for name, _, _ in HUMAN]
    text = markdown(opened(SOUND)[0], rows)
    assert text.startswith("# Tests of sound\n")
    assert "**Boundary adequacy**" in text.partition("## What needs a human")[2]
    assert len({line.count("|") for line in text.splitlines() if line.startswith("|")}) == 1


def test_a_unit_that_does_not_fit_is_a_miss(tmp_path: Path) -> None:
    found = by_name(
        list(battery(*edited(tmp_path, "<eqn>cared_for/stay</eqn>", "<eqn>cared_for</eqn>"), draws=3, engine="python"))
    )
    assert (found["units"].ok, found["units"].verdict) == (False, "miss")
    assert found["units"].simulated > 0


def test_a_missing_description_is_a_miss(tmp_path: Path) -> None:
    found = by_name(list(battery(*edited(tmp_path, "<doc>Staff.</doc>", ""), draws=3, engine="python")))
    assert not found["documentation"].ok
    assert found["documentation"].note == "wte"


def test_an_open_range_is_a_miss(tmp_path: Path) -> None:
    found = by_name(list(battery(*edited(tmp_path, '<range min="0.25" max="2"/>', ""), draws=3, engine="python")))
    assert not found["sources"].ok
    assert found["sources"].note == "wait"


def test_an_end_of_a_range_that_breaks_the_model_is_found(tmp_path: Path) -> None:
    model, case = edited(tmp_path, '<range min="24" max="120"/>', '<range min="0" max="120"/>')
    laws = case.laws
    assert laws is not None
    found = by_name(list(extremes(model, case, laws, "python")))
    assert not found["extremes"].ok
    assert found["extremes"].note == "wte_tenure = 0"


def test_a_law_that_is_broken_names_its_variable(tmp_path: Path) -> None:
    found = by_name(list(battery(*edited(tmp_path, "MIN(places, staffable_places)", "places + 1"), draws=3, engine="python")))
    assert not found["never above"].ok
    assert "usable_places" in found["never above"].note


def test_a_conclusion_survives_or_does_not(tmp_path: Path) -> None:
    model, case = opened(SOUND)
    kept = next(conclusions(model, case, draws=12, engine="python"))
    assert kept.ok
    assert 0.5 <= kept.simulated <= 1.0
    model, case = edited(tmp_path, 'sign = "lower"', 'sign = "higher"', "model.toml")
    lost = next(conclusions(model, case, draws=12, engine="python"))
    assert (lost.ok, lost.verdict) == (False, "miss")
    assert lost.simulated <= 1.0 - kept.simulated + 1e-12
    assert "not so in the model as it stands" in lost.note


def test_a_model_without_laws_says_that_they_were_not_run(ward: Path) -> None:
    found = by_name(list(battery(*opened(ward), draws=3, engine="python")))
    assert (found["laws"].verdict, found["laws"].ok) == ("not run", True)


def test_the_error_of_a_series_is_split(ward: Path, tmp_path: Path) -> None:
    for name in ("model.xmile", "model.toml"):
        shutil.copy(ward / name, tmp_path / name)
    text = (tmp_path / "model.xmile").read_text().replace("<stop>24</stop>", "<stop>48</stop>")
    (tmp_path / "model.xmile").write_text(text)
    values = (53.0, 30.0, 16.0, 9.0)
    rows = "".join(f"beds,{2020 + at},{value},bed,census,verified\n" for at, value in enumerate(values))
    (tmp_path / "reference.csv").write_text(
        f"series,year,value,unit,source,status\n{rows}use,2020,810,bed*month,census,verified\n"
    )
    row = by_name(list(battery(*opened(tmp_path), draws=3, engine="python")))["series beds"]
    # open_beds after n years of four steps a month: 100 (1 - 0.05/4)^(48 n)
    simulated = [100 * (1 - 0.05 / 4) ** (48 * (at + 1)) for at in range(4)]
    square = sum((s - o) ** 2 for s, o in zip(simulated, values, strict=True)) / 4
    assert row.simulated == pytest.approx(square**0.5 / (sum(values) / 4), rel=1e-9)
    assert "bias" in row.note
