"""Settings of a case: one structure, several places. Targets, fits, laws and scenarios run in the setting they name.

The ward's open beds are 100 (1 - rate dt)^n after n steps, so that every value here has a closed form."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import flowreform as fr
from flowreform.analyse.assessment import assess
from flowreform.analyse.fitting.estimate import fit
from flowreform.analyse.laws.runs import varied
from flowreform.case.fingerprint import fingerprint
from flowreform.errors import FlowreformError

CASE = """
[settings.elsewhere]
label = "A ward that closes at another pace"
set = { closure_rate = 0.04 }

[gates.nothing_closes]
label = "Nothing closes"
set = { closure_rate = 0.0 }

[targets.gap]
label = "Beds elsewhere less beds here"
source = "closed form"
status = "derived"
fails_when = "nothing_closes"
[[targets.gap.checks]]
variable = "open_beds"
statistic = "final"
setting = "elsewhere"
minus = { setting = "" }
value = GAP
tolerance = 1e-9
"""
STEPS, DT = 96, 0.25


def beds(rate: float, steps: int = STEPS) -> float:
    return float(100.0 * (1.0 - rate * DT) ** steps)


def written(ward: Path, folder: Path, more: str) -> Path:
    shutil.copy(ward / "model.xmile", folder / "model.xmile")
    shutil.copy(ward / "reference.csv", folder / "reference.csv")
    (folder / "model.toml").write_text((ward / "model.toml").read_text() + more)
    return folder / "model.xmile"


def test_a_difference_between_two_settings_is_a_target(ward: Path, tmp_path: Path) -> None:
    model = fr.read_model(written(ward, tmp_path, CASE.replace("GAP", repr(beds(0.04) - beds(0.05)))))
    found = [row for row in assess(model, witnesses=()).rows if row.kind == "target"]
    assert [(row.verdict, row.ok) for row in found] == [("pass", True)]
    assert found[0].simulated == pytest.approx(beds(0.04) - beds(0.05), rel=1e-12)


def test_a_wrong_difference_is_a_miss(ward: Path, tmp_path: Path) -> None:
    model = fr.read_model(written(ward, tmp_path, CASE.replace("GAP", repr(beds(0.04) - beds(0.051)))))
    assert [row.verdict for row in assess(model, witnesses=()).rows if row.kind == "target"] == ["miss"]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ('setting = "elsewhere"', 'setting = "elswhere"', 'there is no setting "elswhere"'),
        ('minus = { setting = "" }', 'minus = { setting = "nowhere" }', 'there is no setting "nowhere"'),
        ("set = { closure_rate = 0.04 }", "set = { closure = 0.04 }", "closure"),
        ("set = { closure_rate = 0.04 }", "set = { closure_rate = 40.0 }", "outside the range"),
        ("[gates.nothing", '[kpis.k]\nvariable = "open_beds"\nstatistic = "final"\nsetting = "elsewhere"\n[gates.nothing', "KPI"),
    ],
)
def test_a_faulty_setting_is_refused(ward: Path, tmp_path: Path, old: str, new: str, reason: str) -> None:
    assert old in CASE
    model = fr.read_model(written(ward, tmp_path, CASE.replace("GAP", "0").replace(old, new)))
    with pytest.raises(FlowreformError, match=reason):
        fr.read_case(model)


def test_a_scenario_starts_from_a_setting(ward: Path, tmp_path: Path) -> None:
    written(ward, tmp_path, CASE.replace("GAP", "0"))
    path = tmp_path / "two.toml"
    path.write_text(
        '[experiment]\ntitle = "t"\nquestion = "q?"\nmodel = "model.xmile"\nsave = ["open_beds"]\nkpis = []\n'
        '[scenarios.here]\n[scenarios.there]\nsetting = "elsewhere"\n'
        '[scenarios.there_but_slower]\nsetting = "elsewhere"\nset = { closure_rate = 0.01 }\n'
    )
    ds = fr.run(fr.read_experiment(path))
    found = ds["open_beds"].isel(draw=0, time=-1).values
    assert found == pytest.approx([beds(0.05), beds(0.04), beds(0.01)], rel=1e-12)
    path.write_text(path.read_text().replace('"elsewhere"\nset', '"elsewere"\nset'))
    with pytest.raises(FlowreformError, match="no setting"):
        fr.read_experiment(path)


FIT = """
[settings.elsewhere]
label = "A ward that starts with as many and closes at a pace of its own"
set = { share_in_use = 0.9, closure_rate = 0.04 }
[reference.there]
variable = "open_beds"
statistic = "at"
setting = "elsewhere"
minus = { setting = "" }
[fit]
parameters = ["share_in_use"]
[fit.series.there]
[fit.series.used]
[reference.used]
variable = "bed_months_total"
statistic = "increase"
setting = "elsewhere"
"""


def test_a_fit_reads_every_row_in_its_own_setting(ward: Path, tmp_path: Path) -> None:
    """Beds in use elsewhere are the area under (1 - 0.04 dt)^n times the share in use, which the fit must find."""
    path = written(ward, tmp_path, FIT)
    area = sum(beds(0.04, n) * DT for n in range(round(12 / DT)))
    rows = f"there,2020,{beds(0.04, 48) - beds(0.05, 48)},bed,closed form,derived\n"
    rows += f"used,2020,{0.85 * area},bed*month,closed form,derived\n"
    with (tmp_path / "reference.csv").open("a") as file:
        file.write(rows)
    found = fit(fr.read_model(path))
    assert found.values["share_in_use"] == pytest.approx(0.85, rel=1e-3)
    assert next(point.after for point in found.points) == pytest.approx(beds(0.04, 48) - beds(0.05, 48), rel=1e-9)


def test_laws_are_asked_of_every_setting(ward: Path, tmp_path: Path) -> None:
    model = fr.read_model(written(ward, tmp_path, CASE.replace("GAP", "0")))
    case = fr.read_case(model)
    assert case is not None
    runs = dict(varied(model, case, 3))
    assert runs["setting elsewhere"] == {"closure_rate": 0.04}


ARRAYED = """<?xml version="1.0"?>
<xmile version="1.0" xmlns="http://docs.oasis-open.org/xmile/ns/XMILE/v1.0">
  <header><vendor>t</vendor><product>t</product><name>t</name></header>
  <sim_specs time_units="month"><start>0</start><stop>2</stop><dt>1</dt></sim_specs>
  <dimensions><dim name="place"><elem name="near"/><elem name="far"/></dim></dimensions>
  <model><variables>
    <aux name="rate"><dimensions><dim name="place"/></dimensions>
      <element subscript="near"><eqn>1</eqn></element><element subscript="far"><eqn>2</eqn></element><units>1/month</units></aux>
    <stock name="done"><dimensions><dim name="place"/></dimensions><eqn>0</eqn><inflow>doing</inflow><units>1</units></stock>
    <flow name="doing"><dimensions><dim name="place"/></dimensions><eqn>rate[place]</eqn><units>1/month</units></flow>
  </variables></model>
</xmile>
"""
ARRAYED_CASE = """
[case]
title = "t"
question = "q"
[parameters.rate]
source = "s"
status = "assumption"
[gates.nothing_is_done]
label = "Nothing is done"
set = { rate = 0.0 }
[targets.far]
label = "Done far away"
source = "closed form"
status = "derived"
fails_when = "nothing_is_done"
[[targets.far.checks]]
variable = "done[far]"
statistic = "final"
value = 4.0
tolerance = 1e-12
"""


def test_a_gate_on_an_array_leaves_its_elements_alone_elsewhere(tmp_path: Path) -> None:
    """Every element keeps its own value in the runs that a gate is not in: two months at 2 a month are 4, not 2."""
    (tmp_path / "model.xmile").write_text(ARRAYED)
    (tmp_path / "model.toml").write_text(ARRAYED_CASE)
    found = [row for row in assess(fr.read_model(tmp_path / "model.xmile"), witnesses=()).rows if row.kind == "target"]
    assert [(row.verdict, row.simulated) for row in found] == [("pass", 4.0)]


def test_a_posterior_belongs_to_the_settings_it_was_made_with(ward: Path, tmp_path: Path) -> None:
    """The fingerprint of a case with settings is one, stays one, and changes with a value of a setting."""
    path = written(ward, tmp_path, CASE.replace("GAP", "0"))

    def made() -> str:
        model = fr.read_model(path)
        case = fr.read_case(model)
        assert case is not None
        return fingerprint(model, case)

    first = made()
    assert made() == first
    text = path.with_suffix(".toml").read_text()
    path.with_suffix(".toml").write_text(text.replace("A ward that closes at another pace", "A ward elsewhere"))
    assert made() == first
    path.with_suffix(".toml").write_text(text.replace("closure_rate = 0.04", "closure_rate = 0.041"))
    assert made() != first
