"""Experiment files against a model and a case made by hand: what a good one gives, and what every broken line is told."""

from __future__ import annotations

import datetime
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowreform.errors import ExperimentError, Finding, ModelError
from flowreform.experiment import Experiment, Points, experiment_of, experiment_path, read_experiment, with_settings
from flowreform.model import Binary, Dimension, Equation, Model, Number, Ref, Role, SimSpecs, Variable


def parameter(name: str, value: float, units: str, low: float, high: float, dimensions: tuple[str, ...] = ()) -> Variable:
    return Variable(name, name, Role.PARAMETER, (Equation(str(value), Number(value)),), dimensions, units, range=(low, high))


VARIABLES = (
    Variable("open_beds", "Open beds", Role.STOCK, (Equation("100", Number(100.0)),), units="bed", outflows=("closing",)),
    Variable("places", "Places", Role.STOCK, (Equation("10", Number(10.0)),), units="place"),
    Variable("closing", "Closing", Role.FLOW, (Equation("", Binary("*", Ref("open_beds"), Ref("pace"))),), units="bed/month"),
    parameter("pace", 0.1, "1/month", 0.0, 1.0),
    parameter("stay", 0.25, "month", 0.05, 2.0),
    parameter("delay", 6.0, "month", 1.0, 24.0),
    parameter("share", 0.5, "dimensionless", 0.0, 1.0, ("network",)),
)
MODEL = Model(
    "small",
    SimSpecs(0.0, 60.0, 0.25, time_unit="Months"),
    {item.name: item for item in VARIABLES},
    {"network": Dimension("network", "Network", ("losing", "gaining"))},
)

CASE = """\
[case]
title = "Small"
question = "Does it close?"
[calendar]
origin = 1993-10-01
time_unit = "month"
year_starts = 10
[levers.pace]
source = "a book"
status = "verified"
[uncertainties.stay]
distribution = "triangular"
low = 0.1
mode = 0.25
high = 0.5
unit = "month"
source = "a guess"
status = "assumption"
[uncertainties.delay]
distribution = "uniform"
low = 3
high = 12
unit = "month"
source = "another guess"
status = "assumption"
[parameters.share]
source = "a law"
status = "recalled"
[kpis.beds_at_end]
variable = "open_beds"
statistic = "final"
label = "Beds at the end"
[kpis.fall]
variable = "open_beds"
statistic = "increase"
year = 1995
[[charts]]
title = "Places"
variables = ["places"]
"""

GOOD = """\
[experiment]
title = "Pace"
question = "How fast?"
model = "small"
draws = 8
design = "sobol"
seed = 7
save_every = 1
baseline = "as_was"
uncertainties = "all"
kpis = "all"

[scenarios.as_was]

[scenarios.faster]
label = "Twice as fast"
set = { Pace = 0.2, "Share[Losing]" = 0.25 }

[scenarios.bending]
[scenarios.bending.set]
pace = { points = [[1993-10-01, 0.1], [12, 0.2], [1995-10-01, 0.05]] }

[uncertainties.stay]
high = 0.6

[kpis.places]
variable = "Places"
statistic = "max"
"""


@pytest.fixture
def model(tmp_path: Path) -> Model:
    (tmp_path / "small.toml").write_text(CASE)
    return replace(MODEL, path=tmp_path / "small.xmile")


def read(model: Model, text: str = GOOD) -> Experiment:
    assert model.path is not None
    path = model.path.with_name("experiment.toml")
    path.write_text(text, encoding="utf-8")
    return read_experiment(path, model)


SCRAPS = [
    *("1e999", "-1", "nan", "true", "[]", "{}", "[[1, 2]]", '"x"', "1990-01-01", "1990-01-01T00:00:00Z", "07:30:00"),
    *("9223372036854775808", "1" + "0" * 400, '"all"', '""', "{ a = { b = 1 } }", '"\\u0000"', '"a[b]"', "year = 1", "over = {}"),
    *(
        "minus = { year = 1994 }",
        "9999-12-31",
        "[experiment]",
        "[scenarios]",
        "[[kpis]]",
        "x = 1",
        "year = 9998",
        "date = 0001-01-01",
    ),
]


def faults(model: Model, text: str) -> list[Finding]:
    with pytest.raises(ExperimentError) as caught:
        read(model, text)
    return list(caught.value.findings)


def changed(old: str, new: str, text: str = GOOD) -> str:
    assert text.count(old) == 1, old
    return text.replace(old, new)


def line_of(text: str, part: str) -> int:
    assert text.count(part) == 1, part
    return text[: text.index(part)].count("\n") + 1


# --- a good file -----------------------------------------------------------------------------------------------------


def test_a_good_file(model: Model) -> None:
    experiment = read(model)
    assert experiment.findings == ()
    assert (experiment.name, experiment.title, experiment.baseline) == ("experiment", "Pace", "as_was")
    assert (experiment.draws, experiment.design, experiment.seed, experiment.runs) == (8, "sobol", 7, 24)
    assert list(experiment.scenarios) == ["as_was", "faster", "bending"]
    assert dict(experiment.scenarios["as_was"].settings) == {}
    assert dict(experiment.scenarios["faster"].settings) == {"pace": 0.2, "share[losing]": 0.25}
    assert experiment.scenarios["faster"].label == "Twice as fast"
    assert list(experiment.uncertainties) == ["stay", "delay"]
    assert list(experiment.kpis) == ["beds_at_end", "fall", "places"]
    assert experiment.kpis["places"].variable == "places"
    assert experiment.save == ("open_beds", "places"), "what KPIs and charts need, in the model's order"
    np.testing.assert_array_equal(experiment.times, np.arange(61.0))
    assert len(experiment.sha256) == 64


def test_points_take_dates_and_times_and_are_held_beyond_their_ends(model: Model) -> None:
    points = read(model).scenarios["bending"].settings["pace"]
    assert points == Points((0.0, 12.0, 24.0), (0.1, 0.2, 0.05))
    assert isinstance(points, Points)
    np.testing.assert_allclose(points.at(np.array([-5.0, 0.0, 6.0, 18.0, 24.0, 99.0])), [0.1, 0.1, 0.15, 0.125, 0.05, 0.05])


def test_the_experiment_says_which_file_won(model: Model) -> None:
    experiment = read(model)
    assert experiment.uncertainties["stay"].high == 0.6
    assert experiment.uncertainties["stay"].low == 0.1
    stay, delay = experiment.origins["uncertainties.stay"], experiment.origins["uncertainties.delay"]
    assert Path(stay.file).name == "experiment.toml"
    assert (stay.line, stay.overridden) == (line_of(GOOD, "[uncertainties.stay]"), ("high",))
    assert Path(delay.file).name == "small.toml"
    assert (delay.line, delay.overridden) == (line_of(CASE, "[uncertainties.delay]"), ())
    assert str(stay).endswith("experiment.toml:23 (overrides high)")
    assert Path(experiment.origins["kpis.places"].file).name == "experiment.toml"
    assert experiment.origins["kpis.fall"].line == line_of(CASE, "[kpis.fall]")


def test_another_distribution_brings_all_its_numbers_and_keeps_the_words(model: Model) -> None:
    stay = read(model, changed("high = 0.6", 'distribution = "uniform"\nlow = 0.2\nhigh = 0.3')).uncertainties["stay"]
    assert (stay.distribution, stay.low, stay.high, stay.mode) == ("uniform", 0.2, 0.3, None)
    assert stay.source == "a guess"


def test_an_override_of_a_kpi_replaces_when_as_a_whole(model: Model) -> None:
    fall = read(model, GOOD + "[kpis.fall]\nfrom = 1993-10-01\nto = 1993-12-01\n").kpis["fall"]
    assert (fall.year, fall.start, fall.stop) == (None, datetime.date(1993, 10, 1), datetime.date(1993, 12, 1))
    assert fall.statistic == "increase"


def test_a_parameter_that_is_no_uncertainty_of_the_case_can_be_made_one(model: Model) -> None:
    more = '[uncertainties.pace]\ndistribution = "uniform"\nlow = 0\nhigh = 0.2\nunit = "1/month"\n'
    more += 'source = "x"\nstatus = "assumption"\n'
    experiment = read(model, GOOD + more)
    assert list(experiment.uncertainties) == ["stay", "delay", "pace"]
    assert [finding.element for finding in experiment.findings] == ["scenarios.faster.set.pace", "scenarios.bending.set.pace"]


def test_lists_choose_and_order(model: Model) -> None:
    text = changed('uncertainties = "all"', 'uncertainties = ["delay", "stay"]')
    experiment = read(model, changed('kpis = "all"', 'kpis = ["fall"]', text))
    assert list(experiment.uncertainties) == ["delay", "stay"]
    assert list(experiment.kpis) == ["fall", "places"]


def test_defaults_are_one_base_run(model: Model) -> None:
    experiment = read(model, '[experiment]\ntitle = "t"\nquestion = "q"\nmodel = "small"\n')
    assert (experiment.draws, experiment.baseline, experiment.runs) == (1, "base", 1)
    assert dict(experiment.uncertainties) == {}
    assert list(experiment.kpis) == ["beds_at_end", "fall"]
    assert experiment.save_every == 1.0


@pytest.mark.parametrize(("save", "names"), [("stocks", ("open_beds", "places")), ("all", tuple(MODEL.variables))])
def test_save_by_word(model: Model, save: str, names: tuple[str, ...]) -> None:
    assert read(model, changed("save_every = 1\n", f'save_every = 1\nsave = "{save}"\n')).save == names


def test_the_horizon_can_be_moved(model: Model) -> None:
    experiment = read(model, changed("save_every = 1\n", "save_every = 0.5\nstop = 36\n"))
    assert (experiment.start, experiment.stop, len(experiment.times)) == (0.0, 36.0, 73)


def test_an_experiment_cannot_be_changed(model: Model) -> None:
    experiment = read(model)
    with pytest.raises(FrozenInstanceError):
        experiment.draws = 3  # type: ignore[misc]
    with pytest.raises(TypeError):
        experiment.scenarios["x"] = experiment.scenarios["as_was"]  # type: ignore[index]


# --- faults ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "part", "reason", "repair"),
    [
        ("draws = 8", "drws = 8", "drws", "unknown key", '"draws"'),
        ("[scenarios.as_was]", "[scenario.as_was]", "[scenario.as_was]", "unknown key", '"scenarios"'),
        ("draws = 8", "draws = 0", "draws = 0", "greater than or equal to 1", ""),
        ("draws = 8", "draws = 8.5", "draws = 8.5", "whole number", ""),
        ("draws = 8", "draws = 400_000_000", "draws =", "limit of 1,000,000,000", "fewer"),
        ('"sobol"', '"sobel"', '"sobel"', "is not one of", '"sobol"'),
        ("seed = 7", "seed = -7", "seed = -7", "greater than or equal to 0", ""),
        ("save_every = 1", "save_every = 0.3", "save_every = 0.3", "not a multiple of dt 0.25", "0.25"),
        ("save_every = 1", "save_every = 7", "save_every = 7", "the end of the run is not saved", ""),
        ("save_every = 1", "save_every = 15", "kpis =", "between two saved times", "save_every = 3"),
        ("save_every = 1", "stop = 20.1", "stop = 20.1", "whole number of steps", ""),
        ("save_every = 1", "stop = -1", "stop = -1", "does not come after", ""),
        ("save_every = 1", "stop = 1e12", "stop = 1e12", "limit of 10,000,000", ""),
        ("save_every = 1", "stop = 12", "kpis =", "not inside the run", ""),
        ("save_every = 1", 'save = ["opn_beds"]', "opn_beds", "no such variable", '"open_beds"'),
        ('"as_was"', '"as_is"', '"as_is"', "no scenario", '"as_was"'),
        ('uncertainties = "all"', 'uncertainties = ["stay", "delai"]', "delai", "no such name", '"delay"'),
        ('uncertainties = "all"', 'uncertainties = ["delay"]', "[uncertainties.stay]", "not among the uncertainties", "add it"),
        ('uncertainties = "all"', 'uncertainties = ["stay", "Stay"]', '"Stay"', "named twice", ""),
        ('uncertainties = "all"', "uncertainties = 3", "uncertainties = 3", '"all" or a list', ""),
        ('kpis = "all"', 'kpis = ["fal"]', '"fal"', "no such name", '"fall"'),
        ("Pace = 0.2", "Pase = 0.2", "Pase", "no such parameter", '"pace"'),
        ("Pace = 0.2", "closing = 0.2", "closing = 0.2", "a flow, not a parameter", ""),
        ("Pace = 0.2", "Pace = 2", "Pace = 2", "outside the range 0 to 1 of pace", "widen"),
        ("Pace = 0.2", 'Pace = "0,2"', '"0,2"', "a number is needed", "decimal point"),
        ("Pace = 0.2", "Pace = inf", "Pace = inf", "finite", ""),
        ("Pace = 0.2", "Pace = 0.2, pace = 0.3", "pace = 0.3", "set already", ""),
        ("Pace = 0.2", "Pace = { value = 0.2, uint = 3 }", "uint", "unknown key", ""),
        ("Pace = 0.2", "Pace = {}", "Pace = {}", "either value or points", ""),
        ('"Share[Losing]"', '"Share[loose]"', "Share[loose]", "no element", "losing, gaining"),
        ("[12, 0.2]", "[30, 0.2]", "1995-10-01, 0.05", "does not come after 30", "in order"),
        ("[12, 0.2]", "[12]", "points", "pairs of time and value", ""),
        ("[12, 0.2]", "[12, 3.0]", "[12, 3.0]", "outside the range", ""),
        ("high = 0.6", "high = 0.01", "[uncertainties.stay]", "not below high", ""),
        ("high = 0.6", "hihg = 0.6", "hihg", "unknown key", '"high"'),
        ("high = 0.6", "high = 6.0", "[uncertainties.stay]", "outside the variable's range", ""),
        ("[uncertainties.stay]", "[uncertainties.sty]", "[uncertainties.sty]", "no such parameter", '"stay"'),
        ("[uncertainties.stay]", "[uncertainties.pace]", "[uncertainties.pace]", '"distribution" is missing', ""),
        ('variable = "Places"', 'variable = "Place"', '"Place"', "no such variable", '"places"'),
        ('statistic = "max"', 'statistic = "maxi"', '"maxi"', "is not one of", '"max"'),
    ],
)  # fmt: skip
def test_each_fault_has_its_line_reason_and_repair(model: Model, old: str, new: str, part: str, reason: str, repair: str) -> None:
    text = changed(old, new)
    found = faults(model, text)
    fitting = [finding for finding in found if reason in finding.reason and repair in finding.repair]
    assert fitting, [str(finding) for finding in found]
    assert line_of(text, part) in {finding.line for finding in fitting}, [str(finding) for finding in found]


def test_all_faults_are_told_at_once(model: Model) -> None:
    text = changed("draws = 8", "draws = 0")
    text = changed("Pace = 0.2", "Pase = 0.2", text)
    text = changed("[12, 0.2]", "[12, 3.0]", text)
    text = changed('statistic = "max"', 'statistic = "maxi"', text)
    lines = [finding.line for finding in faults(model, text)]
    assert lines == [line_of(text, "draws = 0"), line_of(text, "Pase"), line_of(text, "[12, 3.0]"), line_of(text, '"maxi"')]


@given(st.data())
def test_a_mangled_file_gives_an_experiment_or_findings_and_nothing_else(data: st.DataObject) -> None:
    """Every fault of the text is the user's to read: one printable line with the file's name."""
    lines = GOOD.splitlines()
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(lines) - 1))
        scrap = data.draw(st.sampled_from(SCRAPS) | st.text(max_size=5))
        if data.draw(st.booleans()) and "=" in lines[at]:
            lines[at] = lines[at].partition("=")[0] + "= " + scrap
        else:
            lines[at : at + data.draw(st.integers(0, 2))] = [scrap]
    with TemporaryDirectory() as folder:
        (Path(folder) / "small.toml").write_text(CASE)
        found: tuple[Finding, ...] = ()
        try:
            read(replace(MODEL, path=Path(folder) / "small.xmile"), "\n".join(lines))
        except ExperimentError as caught:
            found = caught.findings
        assert all(str(finding).startswith(folder) and str(finding).isprintable() for finding in found)


def test_warnings_stop_nothing(model: Model) -> None:
    (finding,) = read(model, changed("draws = 8", "draws = 200")).findings
    assert "powers of two" in finding.reason
    assert finding.repair == "take 128 or 256 draws"


def test_a_dated_point_needs_a_calendar(model: Model) -> None:
    assert model.path is not None
    bare = replace(model, path=model.path.with_name("bare.xmile"))
    text = changed('uncertainties = "all"\n', "")
    text = text[: text.index("[uncertainties.stay]")]
    assert any("needs the model's calendar" in finding.reason for finding in faults(bare, text))


def test_a_new_unit_needs_all_numbers_again(model: Model) -> None:
    found = faults(model, changed("high = 0.6", 'high = 2\nunit = "week"'))
    assert any("new unit needs all numbers again: low, mode is missing" in finding.reason for finding in found)


def test_a_value_with_a_unit_is_converted(model: Model) -> None:
    experiment = read(model, changed("Pace = 0.2", 'Pace = { value = 1.2, unit = "1/year" }'))
    assert experiment.scenarios["faster"].settings["pace"] == pytest.approx(0.1)
    found = faults(model, changed("Pace = 0.2", 'Pace = { value = 1.2, unit = "bed" }'))
    assert any('unit "bed" does not convert to "1/month"' in finding.reason for finding in found)


def test_points_with_a_unit_are_converted(model: Model) -> None:
    experiment = read(model, changed("0.05]] }", '0.05]], unit = "1/year" }'))
    points = experiment.scenarios["bending"].settings["pace"]
    assert isinstance(points, Points)
    assert points.values == pytest.approx((0.1 / 12, 0.2 / 12, 0.05 / 12))


# --- files and models ------------------------------------------------------------------------------------------------


def test_a_path_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "pace.toml").write_text(GOOD)
    with pytest.raises(ExperimentError, match="no such file") as caught:
        experiment_path(tmp_path / "pase.toml")
    assert '"pace.toml"' in caught.value.findings[0].repair
    with pytest.raises(ExperimentError, match="folder"):
        experiment_path(tmp_path)
    with pytest.raises(ExperimentError, match="no bundled experiment"):
        experiment_path("there_is_no_such_experiment")


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        ('"http://example.org/x.xmile"', "of this machine only"),
        ('"//host/share/x.xmile"', "of this machine only"),
        ("'\\\\host\\share\\x.xmile'", "of this machine only"),
        ('"../none.xmile"', "no model file"),
        ("3", "name or path is needed"),
        ('""', "name or path is needed"),
    ],
)
def test_a_model_that_cannot_be_read_is_a_fault_of_its_line(tmp_path: Path, model: str, reason: str) -> None:
    text = changed('model = "small"', f"model = {model}")
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(ExperimentError) as caught:
        read_experiment(path)
    (finding,) = caught.value.findings
    assert reason in finding.reason
    assert finding.line == 4


def test_no_experiment_table_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text("[case]\n")
    with pytest.raises(ExperimentError, match=r"no \[experiment\] table"):
        read_experiment(tmp_path / "x.toml")


XMILE = """\
<?xml version="1.0" encoding="utf-8"?>
<xmile version="1.0" xmlns="http://docs.oasis-open.org/xmile/ns/XMILE/v1.0">
<header><vendor>test</vendor><product version="1">test</product><name>tank</name></header>
<sim_specs time_units="month"><start>0</start><stop>12</stop><dt>0.25</dt></sim_specs>
<model><variables>
<stock name="Open Beds"><eqn>100</eqn><outflow>closing</outflow><units>bed</units></stock>
<flow name="closing"><eqn>Open_Beds*pace</eqn><units>bed/month</units></flow>
<aux name="pace"><eqn>0.1</eqn><units>1/month</units><range min="0" max="1"/></aux>
</variables></model></xmile>
"""


def test_a_model_file_is_found_from_the_experiment_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "experiments").mkdir()
    (tmp_path / "models" / "tank.xmile").write_text(XMILE)
    text = '[experiment]\ntitle = "t"\nquestion = "q"\nmodel = "../models/tank.xmile"\n[scenarios.fast]\nset = { pace = 0.2 }\n'
    (tmp_path / "experiments" / "x.toml").write_text(text)
    monkeypatch.chdir("/")
    experiment = read_experiment(tmp_path / "experiments" / "x.toml")
    assert experiment.case is None
    assert experiment.save == ("open_beds",)
    assert experiment.scenarios["fast"].settings["pace"] == 0.2


def test_a_faulty_case_file_is_the_models_fault(model: Model) -> None:
    assert model.path is not None
    model.path.with_suffix(".toml").write_text(CASE.replace("[levers.pace]", "[levers.pase]"))
    with pytest.raises(ModelError, match="pase"):
        read(model)


# --- settings from outside -------------------------------------------------------------------------------------------


def test_settings_go_over_every_scenario(model: Model) -> None:
    experiment = with_settings(read(model), {"PACE": 0.5, "delay": "3", "share[gaining]": Points((0.0,), (0.1,))})
    for scenario in experiment.scenarios.values():
        assert scenario.settings["pace"] == 0.5
        assert scenario.settings["delay"] == 3.0
        assert scenario.settings["share[gaining]"] == Points((0.0,), (0.1,))
    assert experiment.scenarios["faster"].settings["share[losing]"] == 0.25


def test_a_setting_with_a_unit(model: Model) -> None:
    assert with_settings(experiment_of(model), {"delay": "0.5 year"}).scenarios["base"].settings["delay"] == pytest.approx(6.0)


def test_faulty_settings_are_all_told(model: Model) -> None:
    with pytest.raises(ExperimentError) as caught:
        with_settings(read(model), {"pase": 1.0, "pace": "fast", "delay": 99.0, "nobody": Points((0.0,), (0.0,))})
    assert sorted(finding.element for finding in caught.value.findings) == ["delay", "nobody", "pace", "pase"]


def test_one_run_of_a_model(model: Model) -> None:
    experiment = experiment_of(model, {"pace": 0.3})
    assert (experiment.runs, experiment.title, experiment.question) == (1, "Small", "Does it close?")
    assert dict(experiment.scenarios["base"].settings) == {"pace": 0.3}
    assert list(experiment.kpis) == ["beds_at_end", "fall"]
    bare = experiment_of(MODEL)
    assert bare.case is None
    assert bare.save == ("open_beds", "places")
