"""`[system]` of an experiment: a planner's own numbers reach everything, in the words and units of planners."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import flowreform as fr
from flowreform.case import Case
from flowreform.cli import app
from flowreform.experiment.experiment import KEYS, build_experiment
from flowreform.experiment.form_file import document_at
from flowreform.experiment.quantities import date_in, quantity
from flowreform.formats import bundled
from flowreform.toml import Source, read_document

HEAD = """[experiment]
title = "Ours"
question = "Build first?"
model = "care_shift"
draws = 3
baseline = "keep_up"
stop = 1
save = ["beds_open", "delayed_discharges"]
uncertainties = {varied}
kpis = ["a_kpi"]

[scenarios.keep_up.set]
share_of_growth_for_beds = 1

[scenarios.plan.set]
share_of_growth_for_beds = 1
beds_to_close = "60 beds"
closure_period = "3 years"
transition_fund_size = "£20m"
transformation_start = "April 2027"
share_of_savings_reinvested = "80 %"

[system]
"""
REVIEWED = """name = "Ours"
source = "returns of 2024/25"
population = "800,000"
beds_open = "1,450 beds"
occupancy = "93 %"
mean_stay = "7.5 days"
delayed_share_of_beds = "18 %"
places = 420
vacancies = "11 %"
"""
"""An ordinary system as a planner has its numbers: 18 % of beds delayed, a stay of 7.5 days."""


Reader = Callable[..., fr.Experiment]


@pytest.fixture(scope="module")
def model() -> fr.Model:
    return fr.read_model("care_shift")


@pytest.fixture(scope="module")
def case(model: fr.Model) -> Case:
    found = fr.read_case(model)
    assert found is not None
    assert found.form is not None
    return found


@pytest.fixture(scope="module")
def kpi(case: Case) -> str:
    return next(name for name, item in case.kpis.items() if item.against is None and item.variable == "staffed_beds")


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory, model: fr.Model, case: Case, kpi: str) -> Reader:
    folder = tmp_path_factory.mktemp("systems")

    def made(system: str, varied: str = '["readmission_share"]') -> fr.Experiment:
        path = folder / "ours.toml"
        path.write_text(HEAD.format(varied=varied).replace("a_kpi", kpi) + system, encoding="utf-8")
        source = Source(read_document(path, fr.ExperimentError))
        found = build_experiment(source, model, case, path)
        if found is None or source.failed:
            raise fr.ExperimentError(source.findings)
        return found

    return made


@pytest.fixture(scope="module")
def ours(read: Reader) -> fr.Experiment:
    return read(REVIEWED)


def number(model: fr.Model, name: str) -> float:
    from flowreform.names import Named, base_values, find

    named = find(model, name)
    assert isinstance(named, Named)
    return base_values(model, named)[0]


def test_an_ordinary_system_is_not_refused_and_keeps_its_identities(ours: fr.Experiment) -> None:
    value = {name: number(ours.model, name) for name in ("beds_at_start", "occupancy_at_start")}
    assert value == {"beds_at_start": 1450.0, "occupancy_at_start": 0.93}
    discharges = sum(number(ours.model, f"{part}_discharges_a_day") for part in ("home", "p1", "p2", "p3"))
    assert 1450 * 0.93 / discharges == pytest.approx(7.5, rel=1e-12)
    delayed = sum(number(ours.model, f"delayed_{part}_at_start") for part in ("for_p1", "for_p2", "for_p3", "inside"))
    assert delayed == pytest.approx(261, rel=1e-12)
    places = [number(ours.model, f"places_at_start[{part}]") for part in ("home", "bedded", "virtual", "response")]
    assert sum(places) == pytest.approx(420, rel=1e-12)
    assert number(ours.model, "hospital_vacancy_at_start[therapist]") == 0.11
    assert not [item for item in ours.findings if item.level == "error"]


def test_blanks_are_national_values_of_the_size_of_the_system(ours: fr.Experiment, model: fr.Model) -> None:
    assert ours.system is not None
    assert ours.system.blanks["care_home_places"].how == "scaled"
    assert number(ours.model, "care_home_places_at_start") == pytest.approx(0.8 * number(model, "care_home_places_at_start"))
    assert ours.system.blanks["stay.virtual_ward"].how == "national"
    assert ours.system.blanks["stay.home"].how == "solved"
    starts = number(ours.model, "places_at_start[home]") * number(ours.model, "occupancy_of_places_at_start[home]")
    assert starts / number(ours.model, "stay_in_service[home]") > number(ours.model, "p1_discharges_a_day")


def test_the_system_reaches_runs_draws_and_the_workbooks_inputs(ours: fr.Experiment, kpi: str) -> None:
    ds = fr.run(ours)
    assert np.all(ds["beds_open"].isel(time=0).values == 1450.0)
    assert np.all(fr.kpis(ds, ours)[kpi].values <= 1450.0 + 1e-9)
    assert np.all(fr.draws(ours)["beds_at_start"].values == 1450.0)
    from flowreform.export.roundtrip.inputs import bases

    assert bases(ours.model)["beds_at_start"] == 1450.0  # what Inputs shows and reading back compares with
    assert ds["delayed_discharges"].isel(time=0).values == pytest.approx(261, rel=1e-9)


def test_scenarios_take_words_of_planners(ours: fr.Experiment) -> None:
    settings = ours.scenarios["plan"].settings
    assert settings["beds_to_close"] == 60.0
    assert settings["closure_period"] == 36.0
    assert settings["transition_fund_size"] == 20e6
    assert settings["transformation_start"] == 12.0
    assert settings["share_of_savings_reinvested"] == pytest.approx(0.8, rel=1e-15)


def test_a_range_is_drawn_and_its_parts_move_together(read: Reader) -> None:
    found = read(REVIEWED.replace('delayed_share_of_beds = "18 %"', "no_criteria_to_reside = { low = 240, high = 280 }"), '"all"')
    drawn = fr.draws(found)
    parts = ["delayed_for_p1_at_start", "delayed_for_p2_at_start", "delayed_for_p3_at_start", "delayed_inside_at_start"]
    total = sum(drawn[name].values for name in parts)
    assert np.all((total > 239) & (total < 281))
    order = [np.argsort(drawn[name].values).tolist() for name in parts]
    assert all(one == order[0] for one in order)


def test_written_out_and_varied_it_stays_the_same_system(ours: fr.Experiment, tmp_path: Path) -> None:
    ours.to_toml(tmp_path / "again.toml")
    again = fr.read_experiment(tmp_path / "again.toml")
    assert again.model.variables == ours.model.variables
    assert again.uncertainties == ours.uncertainties
    more = ours.with_(draws=5)
    assert more.model.variables == ours.model.variables
    assert more.system is not None


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("beds_opn = 1450", 'did you mean "beds_open'),
        ("occupancy = 93", 'write "93 %", or 0.93'),
        ('beds_open = "many"', "is no number"),
        ('beds_open = "12 days"', "does not convert to bed"),
        ("beds_open = 1e9", "outside the range"),
        ("beds_open = { low = 5 }", 'needs "high"'),
        ("beds_open = { lo = 5, high = 6 }", "unknown key"),
        ('delayed_day_paid_by = "nobody"', "write hospital or council"),
        ('vocabulary = "scotlnd"', 'did you mean "scotland"'),
        ("places.home = 500\nplaces.virtual_ward = 300\nplaces.all = 420", "less than its parts"),
        ("places.home = 20\ndischarges.p1 = 14", "check places.home"),
    ],
)
def test_a_faulty_entry_is_told_with_its_line(read: Reader, line: str, words: str) -> None:
    with pytest.raises(fr.ExperimentError) as caught:
        read(line + "\n")
    first = str(caught.value.findings[0])
    assert words in str(caught.value)
    assert "ours.toml:" in first


def test_what_no_real_system_has_is_flagged_and_taken(read: Reader) -> None:
    found = read("population = 1000000\nbeds_open = 900\n")
    assert any("range of real systems" in item.reason for item in found.findings)
    assert number(found.model, "beds_at_start") == 900.0


def test_two_vocabularies_give_the_same_bits(read: Reader) -> None:
    english = read("population = 500000\nbeds_open = 900\nno_criteria_to_reside = 150\nplaces.virtual_ward = 60\n")
    scottish = read(
        'vocabulary = "scotland"\npopulation = 500000\nstaffed_beds = 900\ndelayed_discharges = 150\nhospital_at_home = 60\n'
    )
    assert english.model.variables == scottish.model.variables


def test_who_pays_for_the_delayed_day_is_a_switch(read: Reader) -> None:
    assert number(read('delayed_day_paid_by = "council"\n').model, "charge_for_a_delayed_day") == 562.0
    assert number(read('delayed_day_paid_by = "hospital"\n').model, "charge_for_a_delayed_day") == 0.0


def test_every_field_gives_back_what_is_entered(model: fr.Model, case: Case) -> None:
    """Each field alone, at its own value, leaves the national model as it is: what it says of the model is what it reads back."""
    assert case.form is not None
    from flowreform.experiment.system import _Reader
    from flowreform.toml import Document, Source

    national = _Reader(Source(Document("", {}, {})), model, case, case.form).national
    for item in case.form.fields.values():
        value = item.entered(national)
        if value is None or item.choices:
            continue
        total = item.sum.at({**national, "value": value})
        parts = [national[name] for name in item.parameters]
        assert total == pytest.approx(sum(parts) / len(parts) if item.each else sum(parts), rel=1e-12), item.name
        low, high = item.low, item.high
        absent = item.name in ("winter_peak", "growth_of_need", "charge_for_a_delayed_day")
        if low is not None and high is not None and not absent:
            assert low <= value <= high, item.name


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("93 %", "%", 0.93), ("0.5 % a year", "%/year", 0.005), ("£1.2m", "GBP", 1.2e6), ("£ 300", "GBP/day", None),
        ("£562 a day", "GBP/day", 562.0), ("1,450", "bed", 1450.0), ("7.5 days", "day", 7.5), ("2 years", "month", 24.0),
        ("270 WTE", "WTE", 270.0), ("£3m a year", "GBP/month", 250_000.0), ("48 hours", "day", 2.0), ("1.450,5", "bed", None),
        ("180 people a day", "person/day", 180.0), ("twelve", "bed", None), ("-3", "1", -3.0),
    ],
)  # fmt: skip
def test_numbers_as_people_write_them(text: str, unit: str, value: float | None) -> None:
    if value is None:
        with pytest.raises(ValueError):
            quantity(text, unit)
    else:
        assert quantity(text, unit) == pytest.approx(value, rel=1e-12)


def test_dates_as_people_write_them(case: Case) -> None:
    assert case.calendar is not None
    for text in ("1 April 2028", "Apr 2028", "2028-04", "2028-04-01", "2028/29"):
        assert str(date_in(text, case.calendar)) == "2028-04-01"
    assert date_in("2028/30", case.calendar) is None
    assert date_in("31 April 2028", case.calendar) is None


# --- the start ---------------------------------------------------------------------------------------------------------


def test_the_start_is_what_was_counted_and_closes(ours: fr.Experiment) -> None:
    found = fr.start(ours, movers=False)
    value = {line.identity.label.partition(":")[0]: line for line in found.lines}
    assert value["Occupied beds"].value == pytest.approx(1450 * 0.93)
    assert value["Mean stay"].value == pytest.approx(7.5)
    assert value["People ready to leave who remain"].value == pytest.approx(261)
    assert value["Mean days after ready"].value == pytest.approx(261 / (1450 * 0.93 / 7.5))
    assert not found.open
    assert value["Occupied beds"].national == pytest.approx(1743 * 0.931)


def test_counts_that_contradict_each_other_are_told_with_the_difference(read: Reader) -> None:
    system = "population = 800000\nbeds_open = 1450\noccupancy = 0.93\nmean_stay = 7.5\n"
    system += "discharges = { p0 = 100, p1 = 12, p2 = 5, p3 = 2 }\n"
    found = fr.start(read(system), movers=False)
    (line,) = found.open
    assert line.off == pytest.approx(1450 * 0.93 / 119 - 7.5)
    assert "7.5 days counted, 11.33 days by the other numbers; 3.832 days off. Change discharges a day or beds open." in line.said


def test_summary_begins_with_the_start(ours: fr.Experiment) -> None:
    from flowreform.export.summary import summary_text

    text = summary_text(fr.kpis(fr.run(ours.with_(draws=1)), ours), ours, (), {})
    assert text.index("## The start of Ours") < text.index("## Scenarios")
    assert "1,450 beds" in text
    assert "All counts agree with one another." in text
    assert "Everything closes" not in text  # to a planner, beds close


@pytest.mark.parametrize(("model", "then"), [("care_shift", "start"), ("va_transformation", "run")])
def test_a_new_file_names_a_command_that_takes_it(tmp_path: Path, model: str, then: str) -> None:
    path = tmp_path / "mine.toml"
    shown = CliRunner().invoke(app, ["new", str(path), "--model", model], env={"COLUMNS": "400"})
    assert shown.exit_code == 0
    assert f"`flowreform {then} {path}" in shown.output
    assert (fr.read_experiment(path).unfilled[1].form is not None) is (then == "start")


# --- the form in a spreadsheet -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def form(tmp_path_factory: pytest.TempPathFactory, ours: fr.Experiment, model: fr.Model, case: Case) -> Path:
    from flowreform.export.form import write_form

    path = tmp_path_factory.mktemp("form") / "ours.xlsx"
    write_form(path, model, case, ours)
    return path


def read_form(path: Path, model: fr.Model, case: Case) -> fr.Experiment:
    source = Source(document_at(path))
    found = build_experiment(source, model, case, path)
    assert found is not None, source.findings
    assert not source.failed, source.findings
    return found


def test_a_form_says_what_the_file_says(form: Path, ours: fr.Experiment, model: fr.Model, case: Case) -> None:
    found = read_form(form, model, case)
    assert found.model.variables == ours.model.variables
    assert {name: item.settings for name, item in found.scenarios.items()} == {
        name: item.settings for name, item in ours.scenarios.items()
    }
    assert (found.title, found.draws, found.seed, found.baseline) == (ours.title, ours.draws, ours.seed, ours.baseline)


def test_a_form_has_a_sheet_for_each_owner_and_every_field_once(form: Path, case: Case) -> None:
    import openpyxl

    assert case.form is not None
    book = openpyxl.load_workbook(form)
    assert book.sheetnames == ["System", *case.form.owners, "Options"]
    fields = [row[0].value for owner in case.form.owners for row in book[owner].iter_rows(min_row=5) if row[1].value]
    assert sorted(fields) == sorted(case.form.fields)
    assert all(book[owner].data_validations.count for owner in case.form.owners)


def test_a_blank_form_scales_and_flags_when_somebody_types(form: Path, model: fr.Model, case: Case, tmp_path: Path) -> None:
    import ironcalc as ic
    import openpyxl

    book = openpyxl.load_workbook(form)
    sheet = book["Urgent care"]
    rows = {row[0].value: row[0].row for row in sheet.iter_rows(min_row=5)}
    sheet.cell(rows["population"], 3).value = 500_000
    sheet.cell(rows["beds_open"], 3).value = 400
    sheet.cell(rows["occupancy"], 3).value = "94 %"
    for name in ("mean_stay", "delayed_share_of_beds"):
        for column in (3, 4, 5):  # IronCalc reads a blank of openpyxl's as 0
            del sheet._cells[rows[name], column]
    book.save(tmp_path / "typed.xlsx")
    found = read_form(tmp_path / "typed.xlsx", model, case)
    assert number(found.model, "beds_at_start") == 400.0
    assert number(found.model, "occupancy_at_start") == 0.94
    calculated = ic.load_from_xlsx(str(tmp_path / "typed.xlsx"), "en", "UTC", "en")
    calculated.evaluate()
    at = book.sheetnames.index("Urgent care")
    assert calculated.get_formatted_cell_value(at, rows["beds_open"], 10) == "under the range of real systems"
    assert calculated.get_formatted_cell_value(at, rows["mean_stay"], 10) == "national value"
    taken = float(calculated.get_formatted_cell_value(at, rows["mean_stay"], 7))
    assert taken == pytest.approx(1743 * 0.931 / 172.41, rel=1e-9)  # a stay is as long in a small system
    council = {row[0].value: row[0].row for row in book["Council"].iter_rows(min_row=5)}
    shown = calculated.get_formatted_cell_value(book.sheetnames.index("Council"), council["care_home_places"], 7)
    assert float(shown) == pytest.approx(number(found.model, "care_home_places_at_start"))


def test_a_fault_in_a_form_names_file_and_row(form: Path, model: fr.Model, case: Case, tmp_path: Path) -> None:
    import openpyxl

    book = openpyxl.load_workbook(form)
    sheet = book["Urgent care"]
    row = next(row[0].row for row in sheet.iter_rows(min_row=5) if row[0].value == "beds_open")
    sheet.cell(row, 3).value = "many"
    book.save(tmp_path / "typed.xlsx")
    source = Source(document_at(tmp_path / "typed.xlsx"))
    build_experiment(source, model, case, None)
    assert any(f"typed.xlsx:{row}: error: system.beds_open" in str(item) for item in source.findings)


def test_the_schema_knows_what_files_hold(case: Case, ours: fr.Experiment) -> None:
    from flowreform.experiment.schema import schema_of

    assert case.form is not None
    schema = json.loads(json.dumps(schema_of(case.form)))
    assert set(schema["properties"]) == set(KEYS)
    system = schema["properties"]["system"]["properties"]
    for name in case.form.fields:
        place = {"properties": system}
        for part in name.split("."):
            place = place["properties"][part]
        assert case.form.fields[name].label in place["description"]
    assert "Title shown" in schema["properties"]["experiment"]["properties"]["title"].get("description", "Title shown")
    assert "staffed_beds" in system


# --- both systems of the repository --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["an_ordinary_system", pytest.param("hertfordshire_and_west_essex", marks=pytest.mark.slow)])
def test_a_worked_system_closes_and_is_refused_nothing(name: str) -> None:
    found = fr.start(name, movers=False)
    assert not found.open
    assert found.system is not None
    assert found.system.entries


def test_the_worked_system_holds_what_is_published(model: fr.Model, case: Case) -> None:
    """Means of 2023/24 and returns of March 2024 (NHS England)."""
    found = read_form(bundled("experiments")["hertfordshire_and_west_essex"], model, case).system
    assert found is not None
    counted = {"beds_open": 1702.75, "occupancy": 0.9205, "no_criteria_to_reside": 181.98, "emergency_admissions": 9556.6}
    counted |= {"places.virtual_ward": 496, "places_filled.virtual_ward": 399 / 496}
    for name, value in counted.items():
        assert found.entries[name].value == pytest.approx(value, rel=1e-3), name
