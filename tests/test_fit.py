"""Fitting: known parameters come back from data made with them, what cannot be known is called so, errors split as worked."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest

import flowreform as fr
from flowreform.analyse.fitting.estimate import Fit, fit, settled, write_fit
from flowreform.analyse.fitting.identify import known
from flowreform.analyse.fitting.search import Problem
from flowreform.analyse.fitting.theil import theil
from flowreform.errors import ModelError

MODEL = """<?xml version="1.0" encoding="utf-8"?>
<xmile version="1.0" xmlns="http://docs.oasis-open.org/xmile/ns/XMILE/v1.0">
  <header><vendor>flowreform</vendor><product version="1.0">flowreform</product><name>clinic</name></header>
  <sim_specs method="euler" time_units="year"><start>0</start><stop>12</stop><dt reciprocal="true">16</dt></sim_specs>
  <model><variables>
    <stock name="enrolled"><eqn>share_at_start</eqn><inflow>joining</inflow><outflow>leaving</outflow>
      <units>dimensionless</units></stock>
    <flow name="joining"><eqn>contact*persuasion*enrolled*(1 - enrolled)</eqn><units>1/year</units></flow>
    <flow name="leaving"><eqn>enrolled*leaving_rate</eqn><units>1/year</units></flow>
    <stock name="visits"><eqn>0</eqn><inflow>visiting</inflow><units>visit</units></stock>
    <flow name="visiting"><eqn>enrolled*visits_each</eqn><units>visit/year</units></flow>
    <aux name="Share at start"><eqn> 0.05 </eqn><range min="0.01" max="0.2"/><units>dimensionless</units></aux>
    <aux name="contact"><eqn>2</eqn><range min="0.5" max="4"/><units>1/year</units></aux>
    <aux name="persuasion"><eqn>0.5</eqn><range min="0.1" max="1"/><units>dimensionless</units></aux>
    <aux name="leaving rate"><eqn>0.1</eqn><range min="0" max="0.5"/><units>1/year</units></aux>
    <aux name="visits each"><eqn>3</eqn><range min="1" max="9"/><units>visit/year</units></aux>
    <aux name="idle"><eqn>1</eqn><range min="0" max="2"/><units>dimensionless</units></aux>
  </variables></model>
</xmile>
"""

CASE = """[case]
title = "A clinic"
question = "How fast do people enrol?"

[calendar]
origin = 2000-01-01
time_unit = "year"

[levers.contact]
source = "nobody knows"   # a comment that must stay
status = "assumption"
[parameters.persuasion]
source = "nobody knows"
status = "assumption"
note = "a note of its own"
[parameters.leaving_rate]
source = "nobody knows"
status = "assumption"
[parameters.share_at_start]
source = "nobody knows"
status = "assumption"
[parameters.visits_each]
source = "a count"
status = "verified"
[parameters.idle]
source = "nobody knows"
status = "assumption"

[reference.enrolment]
variable = "enrolled"
statistic = "at"
scale = 100.0

[reference.visits_a_year]
variable = "visits"
statistic = "increase"

[fit]
parameters = {parameters}
seed = 3
{more}
{series}
"""

TRUE = {"contact": 2.0, "leaving_rate": 0.2, "share_at_start": 0.08, "visits_each": 5.0}


def made(folder: Path, parameters: list[str], truth: dict[str, float], *, noise: float = 0.0, more: str = "",
         series: str = "[fit.series.enrolment]\nerror = 0.02\n[fit.series.visits_a_year]\nerror = 0.02\n",
         factor: float = 1.0) -> fr.Model:  # fmt: skip
    """The model with data made by itself from `truth`; visits come out `factor` times too high."""
    folder.mkdir(exist_ok=True)
    (folder / "model.xmile").write_text(MODEL)
    (folder / "model.toml").write_text(CASE.format(parameters=str(parameters).replace("'", '"'), more=more, series=series))
    model = fr.read_model(folder / "model.xmile")
    (folder / "truth.xmile").write_text(re.sub(r"<range[^>]*/>", "", MODEL))  # the truth may lie outside a range
    unbounded = fr.read_model(folder / "truth.xmile")
    ds = fr.simulate(unbounded, truth, save=["enrolled", "visits"], save_every=1.0, engine="python").isel(run=0)
    random = np.random.default_rng(5)
    lines = ["series,year,value,unit,source,status"]
    for year in range(2000, 2011):
        enrolled, count = float(ds.enrolled[year - 1999]), float(ds.visits[year - 1999] - ds.visits[year - 2000])
        wobble = 1 + noise * random.standard_normal(2)
        lines.append(f"enrolment,{year},{float(100 * enrolled * wobble[0])!r},percent,made,derived")
        lines.append(f"visits_a_year,{year},{float(factor * count * wobble[1])!r},visit,made,derived")
    (folder / "reference.csv").write_text("\n".join(lines) + "\n")
    return model


def by_name(found: Fit) -> dict[str, object]:
    return {item.name: item for item in found.estimates}


def test_known_parameters_come_back(tmp_path: Path) -> None:
    found = fit(made(tmp_path, list(TRUE), TRUE))
    assert found.values == pytest.approx(TRUE, rel=2e-3)
    assert found.not_identified == ()
    assert found.cost_after < 1e-3 < found.cost_before
    for item in found.estimates:
        assert item.lower <= TRUE[item.name] <= item.upper


def test_intervals_hold_the_truth_under_noise(tmp_path: Path) -> None:
    found = fit(made(tmp_path, list(TRUE), TRUE, noise=0.02))
    inside = [item.lower <= TRUE[item.name] <= item.upper for item in found.estimates]
    assert all(inside)
    assert all(0 < item.standard_error < 0.25 * (item.high - item.low) for item in found.estimates)


def test_a_product_of_two_is_not_identified(tmp_path: Path) -> None:
    found = fit(made(tmp_path, ["contact", "persuasion", "leaving_rate"], {"contact": 2.2, "leaving_rate": 0.15}))
    assert set(found.not_identified) == {"contact", "persuasion"}
    assert found.groups == (("contact", "persuasion"),)
    values = found.values
    assert values["contact"] * values["persuasion"] == pytest.approx(1.1, rel=2e-3)
    assert values["leaving_rate"] == pytest.approx(0.15, rel=5e-3)
    assert "only known together with persuasion" in by_name(found)["contact"].note  # type: ignore[attr-defined]
    assert "not identified" in str(found)


def test_a_parameter_without_effect_is_not_identified(tmp_path: Path) -> None:
    found = fit(made(tmp_path, ["contact", "idle"], {"contact": 2.2}))
    assert found.not_identified == ("idle",)
    assert "hardly move" in by_name(found)["idle"].note  # type: ignore[attr-defined]


def test_a_truth_outside_the_range_ends_on_the_bound(tmp_path: Path) -> None:
    found = fit(made(tmp_path, ["leaving_rate"], {"leaving_rate": 0.7}))
    assert found.values["leaving_rate"] == pytest.approx(0.5, abs=1e-4)
    assert "on the end of its range" in found.estimates[0].note


def test_a_series_may_have_a_level_of_its_own(tmp_path: Path) -> None:
    series = '[fit.series.visits_a_year]\nerror = 0.02\nlevel = "free"\n'
    free = fit(
        made(tmp_path / "free", ["contact", "leaving_rate"], {"contact": 2.2, "leaving_rate": 0.15}, series=series, factor=3.0)
    )
    assert free.values == pytest.approx({"contact": 2.2, "leaving_rate": 0.15}, rel=1e-2)
    given = fit(made(tmp_path / "given", ["contact", "leaving_rate"], {"contact": 2.2, "leaving_rate": 0.15}, factor=3.0,
                     series=series.replace("free", "given")))  # fmt: skip
    assert given.cost_after > 100 > free.cost_after


def test_a_series_may_be_compared_with_one_of_its_years(tmp_path: Path) -> None:
    series = "[fit.series.visits_a_year]\nerror = 0.02\nrelative_to = 2000\n"
    found = fit(made(tmp_path, ["contact"], {"contact": 2.2}, series=series, factor=3.0))
    assert found.values == pytest.approx({"contact": 2.2}, rel=1e-3)
    assert min(point.year for point in found.points) == 2001


def test_years_outside_first_and_last_are_left_alone(tmp_path: Path) -> None:
    series = "[fit.series.enrolment]\nfirst = 2002\nlast = 2004\n"
    found = fit(made(tmp_path, ["contact"], {"contact": 2.2}, series=series))
    assert [point.year for point in found.points] == [2002, 2003, 2004]
    assert found.data == "enrolment 2002 to 2004"


def test_a_fit_is_the_same_twice(tmp_path: Path) -> None:
    model = made(tmp_path, ["contact", "leaving_rate"], TRUE, noise=0.02)
    assert fit(model, engine="python").as_dict() == fit(model, engine="python").as_dict()


@pytest.mark.parametrize(
    ("parameters", "more", "series", "element"),
    [
        (["contct"], "", "[fit.series.enrolment]", "contct"),
        (["contact", "contact"], "", "[fit.series.enrolment]", "contact"),
        (["contact"], "set = { contact = 1 }", "[fit.series.enrolment]", "contact"),
        (["contact"], "", "[fit.series.enrolmnt]", "fit.series.enrolmnt"),
        (["contact"], "", "[fit.series.enrolment]\nfirst = 2050", "fit.series.enrolment"),
        (["contact"], "sampels = 3", "[fit.series.enrolment]", "fit.sampels"),
        (["contact"], "", "[fit.series.enrolment]\nrelative_to = 1950", "fit.series.enrolment.relative_to"),
    ],
)
def test_faults_of_the_table_are_findings(tmp_path: Path, parameters: list[str], more: str, series: str, element: str) -> None:
    model = made(tmp_path, parameters, {}, more=more, series=series)
    with pytest.raises(ModelError) as caught:
        fit(model)
    assert element in [finding.element for finding in caught.value.findings]
    assert all(finding.line for finding in caught.value.findings)


def test_without_a_fit_table_there_is_one_finding(ward: Path) -> None:
    with pytest.raises(ModelError, match="does not say what to fit"):
        fit(fr.read_model(ward / "model.xmile"))


def test_writing_changes_the_numbers_and_their_standing_alone(tmp_path: Path) -> None:
    model = made(tmp_path, ["contact", "persuasion", "share_at_start"], {"contact": 2.2, "share_at_start": 0.08})
    before, case_before = (tmp_path / "model.xmile").read_text(), (tmp_path / "model.toml").read_text()
    found = fit(model)
    write_fit(model, found)
    after, case_after = (tmp_path / "model.xmile").read_text(), (tmp_path / "model.toml").read_text()
    changed = [(a, b) for a, b in zip(before.splitlines(), after.splitlines(), strict=True) if a != b]
    assert len(changed) == 3
    assert f"<eqn> {found.values['share_at_start']:g} </eqn>" in after
    assert "# a comment that must stay" in case_after
    assert case_after.count('status = "fitted"') == 3
    assert str(found.values["contact"]) not in case_after.split("[fit]")[0]
    again = fr.read_model(tmp_path / "model.xmile")
    case = fr.read_case(again)
    assert case is not None
    assert case.levers["contact"].status == "fitted"
    assert case.parameters["persuasion"].note.startswith("a note of its own; fitted to enrolment 2000 to 2010")
    assert "(not identified)" in case.parameters["persuasion"].note
    second = fit(again)
    assert second.values["share_at_start"] == pytest.approx(found.values["share_at_start"], rel=1e-3)
    write_fit(again, second)
    assert (tmp_path / "model.toml").read_text() == case_after, "a second fit must not pile up notes"
    assert len(case_before.splitlines()) + 2 == len(case_after.splitlines())


def test_values_are_settled_once_they_are_written(tmp_path: Path) -> None:
    model = made(tmp_path, ["contact", "leaving_rate"], {"contact": 2.2, "leaving_rate": 0.15}, noise=0.02)
    before = settled(model)
    assert not before.ok
    assert before.gain > 0.5
    found = fit(model)
    write_fit(model, found)
    after = settled(fr.read_model(tmp_path / "model.xmile"))
    assert after.ok
    assert after.cost == pytest.approx(found.cost_after, rel=1e-9)
    assert max(map(abs, after.moves.values())) < 0.05
    assert "standard errors" in str(after)


def test_a_value_on_the_end_of_its_range_is_settled(tmp_path: Path) -> None:
    """The data pull it outwards, and there is nowhere to go."""
    model = made(tmp_path, ["leaving_rate"], {"leaving_rate": 0.7})
    write_fit(model, fit(model))
    assert settled(fr.read_model(tmp_path / "model.xmile")).ok


def test_check_ends_with_4_where_another_value_fits_better(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from flowreform.commands.fit import check

    model = made(tmp_path, ["contact"], {"contact": 2.2})
    assert check(str(tmp_path / "model.xmile"), as_json=True) == 4
    write_fit(model, fit(model))
    assert check(str(tmp_path / "model.xmile"), as_json=False) == 0
    assert "one more step" in capsys.readouterr().out


def test_a_run_ends_where_the_data_end(tmp_path: Path) -> None:
    """Later years are not simulated, and nothing changes with that."""
    series = "[fit.series.enrolment]\nfirst = 2002\nlast = 2004\n"
    model = made(tmp_path, ["contact"], {"contact": 2.2}, series=series)
    case = fr.read_case(model)
    assert case is not None
    assert case.fit is not None
    problem = Problem(model, case, case.fit, "python")
    assert problem.model.specs.stop == 5.0
    ds = fr.simulate(model, {"contact": 3.0}, save=["enrolled"], save_every=1.0, engine="python").isel(run=0)
    wanted = [100 * float(ds.enrolled[at]) for at in (3, 4, 5)]
    assert problem.simulate(problem.share(np.array([[3.0]])))[:, 0] == pytest.approx(wanted, rel=1e-12)


def test_a_chart_has_a_panel_for_each_series(tmp_path: Path) -> None:
    from flowreform.analyse.fitting.chart import write_chart

    found = fit(made(tmp_path, ["contact"], TRUE, more="samples = 4\nstarts = 1"))
    write_chart(found, tmp_path / "fit.png")
    first = (tmp_path / "fit.png").read_bytes()
    assert first.startswith(b"\x89PNG")
    write_chart(found, tmp_path / "fit.png")
    assert (tmp_path / "fit.png").read_bytes() == first


def test_words_in_a_chart_are_text(tmp_path: Path) -> None:
    """A `$` begins no mathematics, whose mistakes would end the command; letters that the font lacks are no fault."""
    from dataclasses import replace

    from flowreform.analyse.fitting.chart import write_chart

    found = fit(made(tmp_path, ["contact"], TRUE, more="samples = 4\nstarts = 1"))
    for name in ("$\\frac{1}{$", "$x$", "\u5e8a $", "\x1b[31m", "a_" * 400):
        points = tuple(replace(point, series=name) for point in found.points)
        named = replace(found, model=name, points=points, errors=dict.fromkeys([name], 1.0))
        write_chart(named, tmp_path / "fit.png")
        assert (tmp_path / "fit.png").read_bytes().startswith(b"\x89PNG")


# --- Theil's split, worked by hand ------------------------------------------------------------------------------------


def test_theil_of_a_constant_error_is_all_bias() -> None:
    found = theil(np.array([2.0, 3.0, 4.0]), np.array([1.0, 2.0, 3.0]))
    assert (found.root_mean_square, found.relative) == (1.0, 0.5)
    assert (found.bias, found.variation) == pytest.approx((1.0, 0.0))
    assert found.covariation == pytest.approx(0.0, abs=1e-12)


def test_theil_of_a_wider_swing_is_all_variation() -> None:
    # observed -1, 1 and simulated -3, 3: means 0 and 0, deviations 1 and 3, r = 1; square 4 = (3 - 1)^2
    found = theil(np.array([-3.0, 3.0]), np.array([-1.0, 1.0]))
    assert found.root_mean_square == 2.0
    assert (found.bias, found.variation, found.covariation) == pytest.approx((0.0, 1.0, 0.0), abs=1e-12)


def test_theil_worked_by_hand() -> None:
    # s = 1, 2, 6: mean 3, variance 14/3. o = 2, 2, 5: mean 3, variance 2. covariance 3. square (1 + 0 + 1)/3 = 2/3
    found = theil(np.array([1.0, 2.0, 6.0]), np.array([2.0, 2.0, 5.0]))
    swing = (math.sqrt(14 / 3) - math.sqrt(2)) ** 2 / (2 / 3)
    assert found.root_mean_square == pytest.approx(math.sqrt(2 / 3))
    assert (found.bias, found.variation) == pytest.approx((0.0, swing))
    assert found.covariation == pytest.approx(2 * (math.sqrt(14 / 3) * math.sqrt(2) - 3) / (2 / 3))
    assert found.bias + found.variation + found.covariation == pytest.approx(1.0)


def test_theils_shares_sum_to_one() -> None:
    random = np.random.default_rng(2)
    for _ in range(50):
        found = theil(random.normal(3, 2, 12), random.normal(1, 4, 12))
        assert found.bias + found.variation + found.covariation == pytest.approx(1.0)


def test_theil_without_error_has_nothing_to_split() -> None:
    found = theil(np.array([1.0, 2.0]), np.array([1.0, 2.0]))
    assert found.root_mean_square == 0
    assert math.isnan(found.bias)


# --- standard errors, by the formula ----------------------------------------------------------------------------------


def test_standard_errors_are_those_of_linear_regression() -> None:
    """y = a + b x at x = 0, 1, 2, 3: the covariance is s^2 (X'X)^-1 with (X'X)^-1 = [[0.7, -0.3], [-0.3, 0.2]]."""
    slopes = np.column_stack([np.ones(4), np.arange(4.0)])
    residuals = np.array([2.0, -2.0, -2.0, 2.0])
    found = known(slopes, residuals)
    assert found.spread == pytest.approx(16 / 2)
    assert found.errors == pytest.approx(np.sqrt(8 * np.array([0.7, 0.2])))
    assert found.halves == pytest.approx(found.errors * 4.302653, rel=1e-6)


def test_a_fit_closer_than_the_stated_errors_does_not_narrow_them() -> None:
    slopes = np.column_stack([np.ones(4), np.arange(4.0)])
    assert known(slopes, np.full(4, 1e-9)).spread == 1.0


def test_fewer_rows_than_parameters_identify_nothing_for_sure() -> None:
    found = known(np.array([[1.0, 1.0]]), np.array([0.1]))
    assert found.identified == (False, False)
    assert found.groups == ((0, 1),)
