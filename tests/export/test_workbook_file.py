"""The workbook as a file: text stays text, bytes repeat, cached values are the engine's, faults show, limits hold."""

from __future__ import annotations

import dataclasses
import hashlib
import html
import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import flowreform as fr
from building import auxiliary, flow, model, parameter, stock
from flowreform.cli import app
from flowreform.errors import ExperimentError, FlowreformError, ModelError
from flowreform.experiment import Experiment, Points, experiment_of, read_experiment
from flowreform.export.workbook import source as sources
from flowreform.model import Model
from workbooks import Series, Sheet, shortened, worst

HOSTILE = (
    "=cmd|'/c calc'!A1",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    '<script>alert(1)</script> & "quotes"',
    "+1+1",
    "a name of three hundred characters " + "x" * 265,
    "two names alike in their first thirty-one characters: one",
    "two names alike in their first thirty-one characters: two",
    "tab\tand\nline",
    "http://example.org/x",
    "{=1+1}",
)


def hostile() -> Model:
    """A model whose names, labels, units and documentation are written to be run."""
    variables = [
        dataclasses.replace(parameter(f'"{text}"', 1.5 + i), label=text, doc=text, units=text, range=(0.0, 100.0))
        for i, text in enumerate(HOSTILE)
    ]
    body = [
        stock("held", "1", ("rise",)),
        flow("rise", "growth/10"),
        dataclasses.replace(auxiliary("growth", "p + 1"), doc="=1+1", units="=1+1", label='=HYPERLINK("x")'),
        parameter("p", 2.0),
    ]
    return model([*body, *variables])


def sheets(path: Path) -> dict[str, str]:
    """The XML of every sheet by name."""
    with zipfile.ZipFile(path) as book:
        names = re.findall(r'<sheet name="([^"]+)"', book.read("xl/workbook.xml").decode())
        return {name: book.read(f"xl/worksheets/sheet{i + 1}.xml").decode() for i, name in enumerate(names)}


def members(path: Path) -> str:
    """Everything in the file, as one text."""
    with zipfile.ZipFile(path) as book:
        return "\n".join(book.read(item).decode("utf-8", "replace") for item in book.infolist())


@pytest.fixture(scope="module")
def short() -> Experiment:
    """Thirteen months of the care model by steps of an eighth, with three scenarios and two draws."""
    experiment = shortened(read_experiment("care_shift_build_or_close_first"), 13.0)
    made = dataclasses.replace(experiment.model, specs=dataclasses.replace(experiment.model.specs, dt=0.125))
    scenarios = {name: experiment.scenarios[name] for name in ("keep_up", "build_first", "close_first")}
    return dataclasses.replace(experiment, model=made, dt=0.125, draws=2, scenarios=scenarios)


@pytest.fixture(scope="module")
def book(short: Experiment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its workbook."""
    path = tmp_path_factory.mktemp("book") / "plan.xlsx"
    fr.to_xlsx(short, path)
    return path


def test_hostile_text_comes_out_as_text(tmp_path: Path) -> None:
    path = tmp_path / "hostile.xlsx"
    experiment = experiment_of(hostile())
    labels = [*HOSTILE[5:7], "=1+1", "*", "?", "A", "a", "~"]
    scenario = next(iter(experiment.scenarios.values()))
    scenarios = {f"s{i}": dataclasses.replace(scenario, name=f"s{i}", label=label) for i, label in enumerate(labels)}
    fr.to_xlsx(dataclasses.replace(experiment, scenarios=scenarios, baseline="s0", title="=1+1", question="<b>&</b>"), path)
    everything = members(path)
    for formula in re.findall(r"<f>(.*?)</f>", everything):
        text = html.unescape(formula)
        assert "cmd" not in text
        assert "HYPERLINK" not in text
        assert "http" not in text
        assert re.fullmatch(r"[-A-Za-z0-9$!:,.()+*/<>=&\"' ]*", text), text
    names = list(sheets(path))
    assert len({name.casefold() for name in names}) == len(names)
    assert all(len(name) <= 31 and name.isalnum() for name in names)
    sheet = Sheet(path)
    sheet.evaluate()
    assert sheet.value("Checks", "C5") == "OK"
    found = sheet.inputs()
    assert len(found) == len(HOSTILE) + 1
    assert any(name.startswith("=cmd|") for name in found)
    source = sources.read_source(dataclasses.replace(experiment, scenarios=scenarios, baseline="s0"))
    assert len({label.casefold() for label in source.labels}) == len(labels)
    for i, label in enumerate(source.labels):
        sheet.model.update_cell_with_text(sheet.sheets.index("Control"), 6, 3, label)
        sheet.evaluate()
        assert sheet.value("Control", "C7") == i + 1


def test_nothing_volatile_linked_or_programmed(book: Path) -> None:
    with zipfile.ZipFile(book) as archive:
        names = archive.namelist()
    assert not [name for name in names if "externalLink" in name or "vba" in name or "connection" in name]
    everything = members(book)
    formulas = {html.unescape(text) for text in re.findall(r"<f>(.*?)</f>", everything)}
    words = {word for text in formulas for word in re.findall(r"([A-Z][A-Z0-9.]*)\(", text)}
    assert not words & {"OFFSET", "INDIRECT", "NOW", "TODAY", "RAND", "RANDBETWEEN", "CELL", "INFO", "FILTER", "LET", "SEQUENCE"}
    assert max(len(text) for text in formulas) < 8192
    assert "/root" not in everything
    assert str(book.parent) not in everything


def test_the_same_experiment_gives_the_same_bytes(short: Experiment, book: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.xlsx"
    fr.to_xlsx(short, again)
    assert hashlib.sha256(again.read_bytes()).digest() == hashlib.sha256(book.read_bytes()).digest()
    other = tmp_path / "other.xlsx"
    fr.to_xlsx(short, other, scenario="build_first")
    assert other.read_bytes() != book.read_bytes()


def test_the_date_comes_from_the_environment(short: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    path = tmp_path / "dated.xlsx"
    fr.to_xlsx(short, path, draws=False)
    assert "2023-11-14" in sheets(path)["Cover"]


def cached(path: Path, sheet: str) -> dict[str, float | str]:
    """The cached value of every formula cell of a sheet."""
    found: dict[str, float | str] = {}
    pattern = r'<c r="([A-Z]+\d+)"[^>]*?(t="\w+")?><f>.*?</f><v>(.*?)</v>'
    for cell, kind, value in re.findall(pattern, sheets(path)[sheet]):
        found[cell] = html.unescape(value) if kind == 't="str"' else float(value)
    return found


def compare(path: Path) -> float:
    """The largest difference between a cached value and what IronCalc makes of the cell, of the larger of it and 1e-3."""
    sheet = Sheet(path)
    sheet.evaluate()
    largest = 0.0
    for name in sheet.sheets:
        for cell, value in cached(path, name).items():
            got = sheet.value(name, cell)
            if isinstance(value, str):
                assert got == value, (name, cell)
            else:
                assert isinstance(got, int | float), (name, cell)
                largest = max(largest, abs(got - value) / max(abs(value), 1e-3))
    return largest


def test_cached_values_are_those_of_the_formulas(book: Path) -> None:
    assert compare(book) <= 1e-9


def test_a_cached_value_that_is_off_is_caught(book: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.xlsx"
    with zipfile.ZipFile(book) as old, zipfile.ZipFile(wrong, "w") as new:
        for item in old.infolist():
            data = old.read(item)
            if item.filename == "xl/worksheets/sheet6.xml":
                cells = list(re.finditer(rb"</f><v>(1\d{3}\.?\d*)</v>", data))
                spot = cells[len(cells) // 2]
                value = repr(float(spot[1]) * (1 + 1e-6)).encode()
                data = data[: spot.start(1)] + value + data[spot.end(1) :]
            new.writestr(item, data)
    assert compare(wrong) > 1e-7


@pytest.mark.parametrize("place", ["a stock in the middle", "a flow", "what is worked out once"])
def test_checks_turn_red_when_a_formula_is_overwritten(book: Path, place: str) -> None:
    sheet = Sheet(book)
    sheet.evaluate()
    assert sheet.value("Checks", "C5") == "OK"
    names = list(sheet.engine())
    at = {"a stock in the middle": "planned_list", "a flow": "planned_admission"}.get(place)
    if at is not None:
        row, column = 60, 4 + names.index(at)
        index = sheet.sheets.index("Engine")
    else:
        index, row = sheet.sheets.index("Inputs"), 8 + len(sheet.inputs()) + 4
        while sheet.model.get_cell_value(index, row, 1) != "treated_at_start":
            row += 1
        column = 4
    value = sheet.model.get_cell_value(index, row, column)
    sheet.model.set_user_input(index, row, column, repr(float(value) * 1.0001))
    sheet.evaluate()
    assert "failed" in str(sheet.value("Checks", "C5"))
    assert "failed" in str(sheet.value("Control", "C8"))


def test_checks_count_errors_and_values_out_of_range(book: Path) -> None:
    sheet = Sheet(book)
    sheet.change({"bed_emptying_time": 0.0})
    sheet.evaluate()
    assert "failed" in str(sheet.value("Checks", "C5"))


def test_input_cells_are_open_and_all_others_locked(book: Path) -> None:
    import openpyxl

    workbook = openpyxl.load_workbook(book)
    for sheet in workbook.worksheets:
        assert sheet.protection.sheet, sheet.title
        assert sheet.protection.password is None
    inputs = workbook["Inputs"]
    assert inputs["C8"].protection.locked is False
    assert inputs["D8"].protection.locked is True
    assert inputs["C8"].fill.fgColor.rgb == "FFFFF2CC"
    rules = {str(rule.sqref): rule for rule in inputs.data_validations.dataValidation}
    assert rules["C8"].type == "decimal"
    assert "month" in rules["C8"].prompt
    assert workbook["Control"]["C6"].protection.locked is False
    assert workbook["Engine"].freeze_panes == "D8"
    assert all(sheet.print_area for sheet in workbook.worksheets)


def test_levers_over_time_follow_the_selector(tmp_path: Path) -> None:
    made = model([stock("s", "10", ("into",)), flow("into", "rate*2"), parameter("rate", 1.0)])
    experiment = experiment_of(made)
    base = next(iter(experiment.scenarios.values()))
    settings: dict[str, Mapping[str, float | Points]] = {
        "fixed": {}, "moving": {"rate": Points((0.0, 3.0, 7.0), (1.0, 4.0, -2.0))}, "set": {"rate": 2.5},
        "one_point": {"rate": Points((1.0,), (3.0,))},
    }  # fmt: skip
    scenarios = {name: dataclasses.replace(base, name=name, label=name, settings=given) for name, given in settings.items()}
    experiment = dataclasses.replace(experiment, scenarios=scenarios, baseline="fixed", save=("s", "into"), save_every=0.25)
    path = tmp_path / "moving.xlsx"
    fr.to_xlsx(experiment, path, scenario="moving")
    ds = fr.run(experiment)
    sheet = Sheet(path)
    for name in scenarios:
        sheet.choose(name)
        sheet.evaluate()
        wanted: Series = {key: ds[key].sel(scenario=name).isel(draw=0).values for key in ("s", "into")}
        assert worst(sheet.engine(), wanted)[0] <= 1e-12, name
        assert sheet.value("Checks", "C5") == "OK"


def test_a_coarser_step_is_shown_with_what_it_costs(short: Experiment, tmp_path: Path) -> None:
    path = tmp_path / "coarse.xlsx"
    fine = dataclasses.replace(short.model, specs=dataclasses.replace(short.model.specs, dt=0.0625))
    written = fr.to_xlsx(dataclasses.replace(short, model=fine, dt=0.0625), path, dt=0.125, draws=False)
    assert written.rows == 105
    assert compare(path) <= 1e-9
    text = sheets(path)["Checks"]
    assert "Coarser step" in text
    assert "0.0625" in text
    written = fr.to_xlsx(short, tmp_path / "wild.xlsx", dt=0.25, draws=False)
    assert any("a step of 0.25 moves" in str(finding) for finding in written.findings)
    whole = "not a whole number"
    for dt, words in (
        (0.4, whole),
        (1e11, whole),
        (1e30, whole),
        (0.0625, "finer than"),
        (-1.0, "above 0"),
        (float("nan"), "above 0"),
    ):
        with pytest.raises(ExperimentError, match=words):
            fr.to_xlsx(short, tmp_path / "no.xlsx", dt=dt)
    assert not (tmp_path / "no.xlsx").exists()


def test_a_workbook_that_is_too_large_is_refused_with_the_remedy(
    short: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "REFUSE", 10_000)
    with pytest.raises(ModelError, match=r"formulas .* a larger --dt"):
        fr.to_xlsx(short, tmp_path / "no.xlsx", draws=False)
    assert not list(tmp_path.iterdir())


def test_a_large_workbook_is_written_with_a_warning(short: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flowreform.export.workbook.write.WARN", 10_000)
    written = fr.to_xlsx(short, tmp_path / "large.xlsx", draws=False)
    assert any("spreadsheets grow slow" in str(finding) for finding in written.findings)


def test_an_unknown_scenario_is_refused(short: Experiment, tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="did you mean"):
        fr.to_xlsx(short, tmp_path / "no.xlsx", scenario="biuld_first")


def test_the_command_line(ward: Path, tmp_path: Path) -> None:
    out = tmp_path / "ward.xlsx"
    done = CliRunner().invoke(app, ["export", str(ward / "pace.toml"), "-o", str(out), "--json"])
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    assert facts["formulas"] > 100
    sheet = Sheet(out)
    sheet.evaluate()
    assert sheet.value("Checks", "C5") == "OK"
    wrong = CliRunner().invoke(app, ["export", str(ward / "model.xmile"), "-o", str(tmp_path / "m.xmile"), "--dt", "0.5"])
    assert wrong.exit_code == 1
    assert not (tmp_path / "m.xmile").exists()


def test_spread_over_the_draws_is_the_quantile_of_the_runs(ward: Path, tmp_path: Path) -> None:
    experiment = read_experiment(ward / "pace.toml")
    out = tmp_path / "ward.xlsx"
    fr.to_xlsx(experiment, out)
    ds = fr.run(experiment)
    text = sheets(out)["Sensitivity"]
    assert "Percentiles do not add up across rows" in text
    values = [float(value) for value in re.findall(r"<v>([-\d.E+]+)</v>", text)]
    scenario = str(ds["scenario"].values[0])
    assert any(
        np.isclose(value, float(np.quantile(ds["bed_months_total"].sel(scenario=scenario).isel(time=-1), 0.9)), rtol=1e-9)
        or np.isclose(value, float(np.quantile(ds["open_beds"].sel(scenario=scenario).isel(time=-1), 0.9)), rtol=1e-9)
        for value in values
    )


def test_faults_of_the_workbook_table_are_told_with_their_line(ward: Path, tmp_path: Path) -> None:
    for item in ward.iterdir():
        if item.is_file():
            (tmp_path / item.name).write_bytes(item.read_bytes())
    case = tmp_path / "model.toml"
    case.write_text(case.read_text() + '\n[workbook]\ncompare = ["opne_beds"]\nreconcile = ["share_in_use"]\n')
    with pytest.raises(FlowreformError) as caught:
        fr.to_xlsx(read_experiment(tmp_path / "pace.toml"), tmp_path / "no.xlsx")
    told = str(caught.value)
    assert "opne_beds" in told
    assert "a single stock is needed" in told
    assert "model.toml:" in told
