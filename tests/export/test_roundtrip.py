"""The way back: a workbook's raw inputs give the engine's run, and `verify` tells what follows and what was changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pytest
import python_calamine
from typer.testing import CliRunner

import flowreform as fr
from flowreform.cli import app
from flowreform.errors import ExperimentError
from flowreform.export.roundtrip import inputs as inputs_module
from flowreform.export.roundtrip.cells import Formula
from flowreform.export.roundtrip.check import check_workbook, same_formula
from flowreform.export.roundtrip.inputs import experiment_in, told
from flowreform.export.roundtrip.netcdf import EXACT, check_netcdf
from flowreform.export.template.archive import read_archive
from flowreform.export.template.sheet import Value, area, patched, scan, split_sheet
from flowreform.export.template.workbook import read_workbook
from flowreform.formats.limits import Limits
from office import recalculated

BEDS = 100.0
WARDS = """<xmile version="1.0" xmlns="http://docs.oasis-open.org/xmile/ns/XMILE/v1.0">
<header><vendor>v</vendor><product version="1">p</product><name>m</name></header>
<sim_specs method="RK4" time_units="day"><start>0</start><stop>4</stop><dt>0.5</dt></sim_specs>
<dimensions><dim name="W"><elem name="a"/><elem name="b"/></dim></dimensions><model><variables>
<stock name="s"><dimensions><dim name="W"/></dimensions><eqn>j</eqn><outflow>f</outflow></stock>
<flow name="f"><dimensions><dim name="W"/></dimensions><eqn>s * k</eqn></flow>
<aux name="k"><dimensions><dim name="W"/></dimensions><eqn>0.1</eqn></aux>
<aux name="j"><dimensions><dim name="W"/></dimensions>
<element subscript="a"><eqn>1</eqn></element><element subscript="b"><eqn>2</eqn></element></aux>
</variables></model></xmile>"""
CELLS = {"closure_rate": "Inputs!C8", "share_in_use": "Inputs!C9"}


@pytest.fixture(scope="session")
def plan(ward: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The live workbook of the ward, in a folder with its experiment and model."""
    folder = tmp_path_factory.mktemp("plan") / "ward"
    shutil.copytree(ward, folder)
    experiment = fr.read_experiment(folder / "pace.toml")
    fr.to_xlsx(experiment, folder / "plan.xlsx", draws=False, command="flowreform export pace.toml -o plan.xlsx")
    return folder / "plan.xlsx"


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Away from the fixtures, which would be found by what they are."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def edit(plan: Path, tmp_path: Path) -> Callable[[Mapping[str, Value]], Path]:
    """The workbook with cells changed in the XML alone: every value that depends on them is stale."""

    def made(cells: Mapping[str, Value], source: Path = plan) -> Path:
        folder = tmp_path / "ward"
        if not folder.exists():
            shutil.copytree(plan.parent, folder)
        new = folder / "edited.xlsx"
        new.write_bytes(edited(source, cells))
        return new

    return made


def edited(path: Path, cells: Mapping[str, Value]) -> bytes:
    archive = read_archive(path, Limits())
    book = read_workbook(archive)
    parts: dict[str, dict[tuple[int, int], Value]] = {}
    for text, value in cells.items():
        name, rest = split_sheet(text)
        sheet, block = book.sheet(name), area(rest)
        assert sheet is not None
        assert block is not None
        parts.setdefault(sheet.part, {})[block.top, block.left] = value
    replaced = {}
    for part, values in parts.items():
        content = archive.read(part)
        replaced[part] = patched(content, scan(content, frozenset(values), str(path), part), values)
    return archive.with_members(replaced)


def run(*words: object) -> Any:
    result = CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200"})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


def final_beds(path: Path) -> float:
    ds = fr.run(experiment_in(path))
    return float(ds["open_beds"].isel(scenario=0, draw=0, time=-1))


def closed(rate: float) -> float:
    """The closed form of the ward after 24 months of steps of a quarter month."""
    return BEDS * (1 - rate / 4) ** 96


# --- run -------------------------------------------------------------------------------------------------------------


def test_unchanged_it_is_the_experiments_own_base_run(plan: Path) -> None:
    found = experiment_in(plan)
    assert (found.draws, list(found.scenarios), found.name) == (1, ["as_planned"], "plan")
    assert dict(found.scenarios["as_planned"].settings) == {}
    assert final_beds(plan) == pytest.approx(closed(0.05), rel=1e-13)


def test_raw_inputs_and_the_selector_are_read_though_every_value_is_stale(edit: Callable[..., Path]) -> None:
    path = edit({CELLS["closure_rate"]: 0.02, CELLS["share_in_use"]: 0.85})
    assert openpyxl.load_workbook(path, data_only=True)["Inputs"]["D8"].value == 0.05  # the active value is stale
    found = experiment_in(path)
    assert dict(found.scenarios["as_planned"].settings) == {"closure_rate": 0.02, "share_in_use": 0.85}
    assert final_beds(path) == pytest.approx(closed(0.02), rel=1e-13)
    path = edit({"Control!C6": "slower", CELLS["closure_rate"]: 0.02})
    assert final_beds(path) == pytest.approx(closed(0.01), rel=1e-13)  # what the scenario sets goes over the input
    path = edit({"Control!C6": "slower", "Scenarios!E8": 0.03})
    assert final_beds(path) == pytest.approx(closed(0.03), rel=1e-13)
    path = edit({"Control!C6": "slower", "Scenarios!E8": None, CELLS["closure_rate"]: 0.04})
    assert final_beds(path) == pytest.approx(closed(0.04), rel=1e-13)


def test_a_reader_of_the_cached_active_value_is_caught(edit: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inputs_module, "VALUE", "Active value")
    path = edit({CELLS["closure_rate"]: 0.02})
    with pytest.raises(ExperimentError, match="a formula that refers to other cells"):
        experiment_in(path)
    looks = inputs_module.Sheets.grid
    blind = lambda self, sheet: replace(looks(self, sheet), formulas={})  # noqa: E731 - one that does not even look
    monkeypatch.setattr(inputs_module.Sheets, "grid", blind)
    assert final_beds(path) != pytest.approx(closed(0.02), rel=1e-3)


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({"Inputs!C8": 7.0}, "Inputs!C8 closure_rate: 7 is outside the range 0 to 1 1/month"),
        ({"Inputs!C8": None}, "Inputs!C8 closure_rate: the value is missing; write a number; the model has 0.05"),
        ({"Inputs!C8": "five"}, 'Inputs!C8 closure_rate: "five" is not a number'),
        ({"Inputs!C8": "0,05"}, "write a decimal point"),
        ({"Inputs!A8": "closing_rate"}, 'Inputs!A8 closing_rate: the model has no such input; did you mean "closure_rate"?'),
        ({"Inputs!A9": "closure_rate"}, "stands here already, at Inputs!C8"),
        ({"Inputs!A7": "Names"}, 'there is no header row "Name ... Value ... Active value"'),
        ({"Control!C6": "quicker"}, '"quicker" is no scenario of this workbook'),
        ({"Control!C6": None}, "no scenario is chosen; choose one of as planned, slower"),
        ({"Scenarios!E8": "slow"}, 'Scenarios!E8 closure_rate: "slow" is not a number'),
        ({"Scenarios!E5": "fast"}, "the experiment has no such scenario"),
        ({"Provenance!B6": "a" * 64}, 'the model "ward" has changed since: SHA-256 aaaaaaaaaaaa... then'),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(edit: Callable[..., Path], cells: dict[str, Value], words: str) -> None:
    path = edit(cells)
    result = run("run", path)
    assert result.exit_code == 1
    assert words in result.stderr
    assert result.stdout == ""
    assert "Traceback" not in result.stderr


def test_every_fault_at_once(edit: Callable[..., Path]) -> None:
    with pytest.raises(ExperimentError) as raised:
        experiment_in(edit({"Inputs!C8": 7.0, "Inputs!C9": "x", "Control!C6": "none", "Scenarios!D9": -1.0}))
    assert len(raised.value.findings) == 4


def test_a_changed_model_is_refused(edit: Callable[..., Path]) -> None:
    path = edit({})
    model = path.with_name("model.xmile")
    model.write_text(model.read_text(encoding="utf-8").replace("<eqn>0.05</eqn>", "<eqn>0.06</eqn>"), encoding="utf-8")
    result = run("run", path)
    assert result.exit_code == 1
    assert 'the model "ward" has changed since' in result.stderr
    (path.parent / "pace.toml").unlink()
    assert "is neither bundled nor beside it" in run("run", path).stderr


def test_formulas_of_numbers_alone_are_taken_and_references_are_not(plan: Path, tmp_path: Path) -> None:
    import zipfile

    folder = tmp_path / "ward"
    shutil.copytree(plan.parent, folder)
    part = read_workbook(read_archive(plan, Limits())).sheet("Inputs")
    assert part is not None
    for formula, good in (("0.01*2", True), ("D9/10", False)):
        with zipfile.ZipFile(plan) as old, zipfile.ZipFile(folder / "f.xlsx", "w") as new:
            for info in old.infolist():
                content = old.read(info)
                if info.filename == part.part:
                    begin = content.index(b'<c r="C8"')
                    value = content.index(b"<v>", begin)
                    content = (
                        content[:value] + f"<f>{formula}</f><v>0.02</v>".encode() + content[content.index(b"</v>", value) + 4 :]
                    )
                new.writestr(info.filename, content)
        if good:
            assert final_beds(folder / "f.xlsx") == pytest.approx(closed(0.02), rel=1e-13)
        else:
            with pytest.raises(ExperimentError, match="refers to other cells"):
                experiment_in(folder / "f.xlsx")


def test_run_prints_and_writes_as_run_does(edit: Callable[..., Path], tmp_path: Path) -> None:
    path = edit({CELLS["closure_rate"]: 0.02})
    result = run("run", path, "-o", tmp_path / "out", "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["kpis"][0]["p50"] == pytest.approx(closed(0.02), rel=1e-13)
    assert {item.name for item in (tmp_path / "out").iterdir()} == {"results.nc", "kpis.csv", "summary.md", "chart.png"}
    assert "closure_rate = 0.02" in (tmp_path / "out" / "summary.md").read_text(encoding="utf-8")
    drawn = fr.run(experiment_in(path, {"draws": 7}))
    assert drawn.sizes["draw"] == 7
    assert len(np.unique(drawn["share_in_use"].values)) == 7
    set_ = run("run", path, "--set", "closure_rate=0.03", "--json")
    assert json.loads(set_.stdout)["kpis"][0]["p50"] == pytest.approx(closed(0.03), rel=1e-13)


def test_a_workbook_that_is_not_ours(tmp_path: Path) -> None:
    openpyxl.Workbook().save(tmp_path / "other.xlsx")
    for command in ("run", "verify"):
        result = run(command, tmp_path / "other.xlsx")
        assert result.exit_code == 1
        assert "this is no live workbook of flowreform" in result.stderr


def test_cells_at_far_corners_do_not_take_the_machine(edit: Callable[..., Path]) -> None:
    result = run("run", edit({"Inputs!XFD1048576": 1.0}))
    assert result.exit_code == 1
    assert "its last cell is XFD1048576, and more than 20,000,000 cells are not read" in result.stderr


def test_a_far_corner_in_a_row_that_says_another_number(plan: Path, tmp_path: Path) -> None:
    archive = read_archive(plan, Limits())
    part = read_workbook(archive).sheet("Inputs").part  # type: ignore[union-attr]
    content = archive.read(part).replace(b"</row>", b'<c r="XFD1048576"><v>1</v></c></row>', 1)
    (tmp_path / "far.xlsx").write_bytes(archive.with_members({part: content}))
    result = run("verify", tmp_path / "far.xlsx")
    assert result.exit_code == 1
    assert "its last cell is XFD1048576" in result.stderr


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        (b'<c r="A99999999999999999999"><v>1</v></c>', '"A99999999999999999999" is no cell'),
        (b'<c r="ZZZZZZZ1"><v>1</v></c>', '"ZZZZZZZ1" is no cell'),
        (b'<c r="' + b"A" * 200_000 + b'1"><v>1</v></c>', "is no cell"),
        (b'<c r="A1048577"><v>1</v></c>', '"A1048577" is no cell'),
        (b'<other><c r="XFD1048576"><v>1</v></c></other>', "its last cell is XFD1048576"),
        (b'<c r="XFD1" t="s"><v>99999999</v></c>', "the sheets cannot be read: "),
    ],
)
def test_cells_that_are_none_are_one_line(plan: Path, tmp_path: Path, cell: bytes, words: str) -> None:
    """calamine asks for as much memory as they say, or raises what is no ValueError."""
    archive = read_archive(plan, Limits())
    part = read_workbook(archive).sheet("Inputs").part  # type: ignore[union-attr]
    content = archive.read(part).replace(b"</row>", cell + b"</row>", 1)
    (tmp_path / "odd.xlsx").write_bytes(archive.with_members({part: content}))
    result = run("verify", tmp_path / "odd.xlsx")
    assert (result.exit_code, len(result.stderr.splitlines())) == (1, 1)
    assert words in result.stderr


# --- verify ----------------------------------------------------------------------------------------------------------


def test_as_written_it_follows(plan: Path) -> None:
    found = check_workbook(plan)
    assert found.same
    assert found.changed == ()
    assert found.largest == 0.0
    assert found.formulas > found.values > 500
    result = run("verify", plan)
    assert result.exit_code == 0
    assert "the results follow from the inputs" in result.stderr


def test_stale_results_do_not_follow(edit: Callable[..., Path]) -> None:
    path = edit({CELLS["closure_rate"]: 0.02})
    result = run("verify", path, "--json")
    assert result.exit_code == 4
    found = json.loads(result.stdout)
    assert not found["same"]
    assert found["overwritten"] == found["altered"] == []
    assert found["changed"] == [{"cell": "Inputs!C8", "input": "closure_rate", "old": 0.05, "new": 0.02}]
    assert len(found["different"]) > 300
    text = run("verify", path)
    assert "Inputs!C8" in text.stdout
    assert "may not have been recalculated" in text.stderr


def test_an_overwritten_formula_and_an_altered_number_are_named(edit: Callable[..., Path], plan: Path) -> None:
    cells = openpyxl.load_workbook(plan)
    live = [cell.coordinate for row in cells["Engine"].iter_rows(min_row=40) for cell in row if cell.data_type == "f"][3]
    shown = openpyxl.load_workbook(plan, data_only=True)["Engine"][live].value
    found = check_workbook(edit({f"Engine!{live}": shown}))
    assert found.overwritten == (f"Engine!{live}",)
    assert not found.same  # a number in a formula's place is no result, even where it is the right one today
    assert run("verify", edit({f"Engine!{live}": 1.0})).exit_code == 4


def test_a_scenario_cell_that_was_changed_is_told_with_its_scenario(edit: Callable[..., Path]) -> None:
    found = check_workbook(edit({"Scenarios!E8": 0.03, "Scenarios!E9": 0.7}))
    assert found.changed == (
        ("Scenarios!E8", "closure_rate in slower", 0.01, 0.03),
        ("Scenarios!E9", "share_in_use in slower", None, 0.7),
    )
    assert found.same  # the chosen scenario is the other one


@pytest.mark.requires("soffice")
def test_recalculated_by_libreoffice_it_follows_and_the_engine_agrees(edit: Callable[..., Path], tmp_path: Path) -> None:
    path = edit({"Control!C6": "slower", "Scenarios!E8": 0.03, CELLS["share_in_use"]: 0.7})
    assert not check_workbook(path).same
    saved = recalculated(path, tmp_path)
    again = path.with_name("saved.xlsx")
    shutil.copy(saved, again)
    found = check_workbook(again)
    assert found.different == ()
    assert found.overwritten == ()
    assert found.same
    assert found.largest <= 1e-9
    assert {(name, new) for _, name, _, new in found.changed} == {("closure_rate in slower", 0.03), ("share_in_use", 0.7)}
    assert final_beds(again) == pytest.approx(closed(0.03), rel=1e-13)
    shown = python_calamine.load_workbook(again).get_sheet_by_name("Yearly").to_python()
    values = [cell for row in shown for cell in row if isinstance(cell, float)]
    assert min(abs(value - closed(0.03)) for value in values) < 1e-9 * BEDS


def test_formulas_are_the_same_whatever_a_program_does_to_them() -> None:
    assert same_formula(Formula("MAX(0, D8 + 0.25*C8)"), "=MAX(0,D8+2.5e-1*C8)")
    assert same_formula(Formula("Max(0,D8)"), "=MAX(0,D8)")
    assert not same_formula(Formula("MAX(0,D9)"), "=MAX(0,D8)")
    assert not same_formula(Formula("MAX(1,D8)"), "=MAX(0,D8)")
    assert not same_formula(Formula('IF(A1,"x ","y")'), '=IF(A1,"x","y")')
    assert not same_formula(Formula("D08"), "=D8")


# --- netCDF ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def results(plan: Path, tmp_path: Path) -> Path:
    shutil.copytree(plan.parent, tmp_path / "ward")
    path = tmp_path / "ward" / "results.nc"
    assert run("export", tmp_path / "ward" / "pace.toml", "-o", path, "--draws", 6, "--set", "closure_rate=0.03").exit_code == 0
    return path


def test_results_are_worked_out_again_to_the_last_bit(results: Path) -> None:
    found = check_netcdf(results)
    assert (found.same, found.rule, found.runs, found.largest) == (True, EXACT, 12, 0.0)
    assert run("verify", results).exit_code == 0


@pytest.mark.parametrize("name", ["open_beds", "share_in_use"])
def test_one_number_that_was_changed_is_found(results: Path, name: str) -> None:
    ds = fr.read_netcdf(results)
    values = ds[name].values
    values[(1,) * values.ndim] *= 1 + 1e-8
    fr.write_netcdf(ds, results)
    result = run("verify", results)
    assert result.exit_code == 4
    assert f"different: {name}: 1 of" in result.stderr
    assert "draw 1" in result.stderr


def test_within_a_billionth_it_is_another_machine(results: Path) -> None:
    ds = fr.read_netcdf(results)
    ds["open_beds"].values[0, 0, 5] *= 1 + 1e-12
    fr.write_netcdf(ds, results)
    found = check_netcdf(results)
    assert found.same
    assert "1e-09 of the largest value" in found.rule
    assert 0 < found.largest < 2e-12


def test_another_seed_or_file_is_not_what_was_run(results: Path) -> None:
    experiment = results.with_name("pace.toml")
    experiment.write_text(experiment.read_text(encoding="utf-8").replace("seed = 1", "seed = 2"), encoding="utf-8")
    result = run("verify", results)
    assert result.exit_code == 1
    assert 'the experiment "pace" has changed since' in result.stderr


def test_a_plain_simulation_is_verified_by_its_inputs(plan: Path, tmp_path: Path) -> None:
    shutil.copytree(plan.parent, tmp_path / "ward")
    model = fr.read_model(tmp_path / "ward" / "model.xmile")
    fr.write_netcdf(fr.simulate(model, {"closure_rate": [0.01, 0.02]}, save=["open_beds"]), tmp_path / "ward" / "s.nc")
    found = check_netcdf(tmp_path / "ward" / "s.nc")
    assert (found.same, found.runs, found.rule) == (True, 2, EXACT)


@pytest.mark.parametrize("inputs", [{"closure_rate": [0.01, 0.02]}, {"closure_rate": 0.02, "share_in_use": [0.8, 0.9, 1.0]}, {}])
def test_inputs_that_are_saved_as_variables_are_inputs(plan: Path, tmp_path: Path, inputs: dict[str, Any]) -> None:
    shutil.copytree(plan.parent, tmp_path / "ward")
    fr.write_netcdf(fr.simulate(fr.read_model(tmp_path / "ward" / "model.xmile"), inputs), tmp_path / "ward" / "s.nc")
    found = check_netcdf(tmp_path / "ward" / "s.nc")
    assert (found.faults, found.rule) == ((), EXACT)


@pytest.mark.parametrize("inputs", [{"k": [0.1, 0.2]}, {"k[a]": [0.1, 0.2]}, {"k": [0.3, 0.4], "k[b]": 0.1}, {"j": [3, 4]}, {}])
def test_elements_of_inputs_are_told_apart(tmp_path: Path, inputs: dict[str, Any]) -> None:
    (tmp_path / "m.xmile").write_text(WARDS, encoding="utf-8")
    fr.write_netcdf(fr.simulate(fr.read_model(tmp_path / "m.xmile"), inputs), tmp_path / "s.nc")
    assert check_netcdf(tmp_path / "s.nc").faults == ()


@pytest.mark.parametrize("command", ["", "flowreform run pace.toml --noise-seed 5"])
def test_random_functions_are_drawn_again_from_the_seed_of_the_result(plan: Path, tmp_path: Path, command: str) -> None:
    folder = tmp_path / "ward"
    shutil.copytree(plan.parent, folder)
    path = folder / "model.xmile"
    path.write_text(path.read_text(encoding="utf-8").replace("<eqn>0.05<", "<eqn>0.05 + 0 * RANDOM(0, 1)<"), encoding="utf-8")
    (folder / "model.toml").unlink()
    fr.write_netcdf(fr.simulate(fr.read_model(path), noise_seed=5, command=command), folder / "s.nc")
    assert check_netcdf(folder / "s.nc").faults == ()
    fr.write_netcdf(fr.read_netcdf(folder / "s.nc").assign_attrs(noise_seed=6, command=""), folder / "s.nc")
    assert check_netcdf(folder / "s.nc").same


def test_the_command_a_result_carries_is_data() -> None:
    found = told(
        "flowreform run x.toml --set 'closure_rate=0.02 1/month' --draws 5 --save open_beds --save-every 3 --engine numba"
    )
    assert found.settings == ("closure_rate=0.02 1/month",)
    assert found.options == {"draws": 5, "save": ["open_beds"], "save_every": 3.0}
    assert found.engine == "numba"
    assert told("flowreform run x --draws " + "9" * 5000 + " --noise-seed \u00b2 --save-every nan").options == {}
    assert told("flowreform run x --noise-seed 7 --save-every 1e1").options == {"noise_seed": 7, "save_every": 10.0}
    assert told("flowreform run 'x --draws; rm -rf / `id` $(id) --draws x --engine sh").options == {}


@pytest.mark.parametrize("kind", ["numbers as text", "inputs as text", "no draws", "one draw alone", "several engines"])
def test_results_of_another_shape_are_told_apart(plan: Path, kind: str) -> None:
    """A stranger may have written the file: each ended `verify` with a fault of our own."""
    folder = plan.parent
    ds = fr.run(fr.read_experiment(folder / "pace.toml"), engine="python")
    saved = next(name for name, data in ds.data_vars.items() if "time" in data.dims)
    drawn = next(name for name, data in ds.data_vars.items() if "time" not in data.dims and data.dtype.kind == "f")
    changed = {
        "numbers as text": lambda: ds.assign({saved: ds[saved].astype(str)}),
        "inputs as text": lambda: ds.assign({drawn: ds[drawn].astype(str)}),
        "no draws": lambda: ds.rename(draw="other"),
        "one draw alone": lambda: ds.isel(draw=0),
        "several engines": lambda: ds.assign_attrs(engine=[1, 2, 3]),
    }[kind]()
    path = folder / "strange.nc"
    changed.to_netcdf(path, engine="h5netcdf")
    result = CliRunner().invoke(app, ["verify", str(path)])
    path.unlink()
    expected, words = {"text": (4, "it holds no numbers"), "engines": (0, "as it should be")}.get(
        kind.split()[-1], (1, "the file holds no runs of a model")
    )
    assert result.exit_code == expected, result.stderr
    assert words in result.stderr
