"""`export` as a user and a script see it: the suffix chooses, faults come before anything runs, nothing is half written."""

from __future__ import annotations

import csv
import json
import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from typer.testing import CliRunner

import flowreform as fr
from flowreform.cli import app
from flowreform.commands.kinds import KINDS, FileKind
from flowreform.experiment import Experiment
from planning import planning_workbook

ROOT = Path(__file__).resolve().parents[2]


def export(*words: object) -> Any:
    result = CliRunner().invoke(app, ["export", *map(str, words)], env={"COLUMNS": "200"})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


@pytest.fixture(scope="session")
def swept(ward: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished sweep of the ward's experiment that keeps the courses of its first eight draws."""
    folder = tmp_path_factory.mktemp("sweep")
    shutil.copytree(ward, folder / "ward")
    file = folder / "ward" / "pace.toml"
    file.write_text(file.read_text(encoding="utf-8") + "\n[sweep]\ntrajectories = 8\n", encoding="utf-8")
    fr.sweep(fr.read_experiment(file), folder / "out", workers=1)
    return folder / "out"


@pytest.fixture
def base(ward: Path) -> Experiment:
    return fr.read_experiment(ward / "pace.toml")


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# --- each kind -------------------------------------------------------------------------------------------------------


def test_tidy_and_kpis_of_an_experiment(ward: Path, tmp_path: Path, base: Experiment) -> None:
    ds = fr.run(base)
    assert export(ward / "pace.toml", "-o", tmp_path / "r.csv").exit_code == 0
    rows = rows_of(tmp_path / "r.csv")
    assert len(rows) == 2 * 20 * 25 * 2
    last = rows[-1]
    assert float(last["value"]) == float(ds["bed_months_total"][-1, -1, -1])
    for name, options in (("a.kpis.csv", []), ("b.csv", ["--kpis"])):
        assert export(ward / "pace.toml", "-o", tmp_path / name, *options).exit_code == 0
    assert (tmp_path / "a.kpis.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert len(rows_of(tmp_path / "b.csv")) == 40


def test_a_model_is_run_once(ward: Path, tmp_path: Path) -> None:
    done = export(ward / "model.xmile", "-o", tmp_path / "r.csv", "--set", "closure_rate=0.02", "--save", "closing", "--json")
    assert done.exit_code == 0
    assert json.loads(done.stdout) == {"source": str(ward / "model.xmile"), "file": "r.csv", "notes": []}
    rows = [row for row in rows_of(tmp_path / "r.csv") if row["variable"] == "closing"]
    assert len(rows) == 25
    assert float(rows[0]["value"]) == 2.0


def test_parquet_netcdf_and_values(ward: Path, tmp_path: Path, base: Experiment) -> None:
    import pyarrow.parquet as pq

    for name in ("r.parquet", "r.nc"):
        assert export(ward / "pace.toml", "-o", tmp_path / name).exit_code == 0
    assert pq.read_table(tmp_path / "r.parquet").num_rows == 2 * 20 * 25 * 2
    assert fr.read_netcdf(tmp_path / "r.nc").drop_attrs().equals(fr.run(base).drop_attrs())
    assert export(ward / "pace.toml", "-o", tmp_path / "v.xlsx", "--values").exit_code == 0
    assert "Yearly" in openpyxl.load_workbook(tmp_path / "v.xlsx").sheetnames
    assert export(ward / "pace.toml", "-o", tmp_path / "l.xlsx", "--scenario", "slower").exit_code == 0
    assert openpyxl.load_workbook(tmp_path / "l.xlsx")["Control"]["C6"].value == "slower"


def test_a_template_is_filled(ward: Path, tmp_path: Path) -> None:
    planning_workbook(tmp_path / "plan.xlsx")
    (tmp_path / "map.toml").write_text(
        '[[results]]\ncell = "beds_at_end"\nvariable = "closing"\nstatistic = "at"\nyear = 2021\n', encoding="utf-8"
    )
    done = export(
        ward / "pace.toml", "-o", tmp_path / "f.xlsx", "--template", tmp_path / "plan.xlsx", "--map", tmp_path / "map.toml"
    )
    assert done.exit_code == 0, done.stderr  # closing is not among what the experiment saves, and is saved for this
    value = openpyxl.load_workbook(tmp_path / "f.xlsx")["Plan"]["C3"].value
    assert value == pytest.approx(5 * (1 - 0.05 / 4) ** 96, rel=1e-13)


def test_a_sweep_is_written_as_it_was_run(swept: Path, tmp_path: Path, base: Experiment) -> None:
    ds = fr.run(base)
    assert export(swept, "-o", tmp_path / "s.csv").exit_code == 0
    rows = rows_of(tmp_path / "s.csv")
    assert len(rows) == 2 * 8 * 25 * 2  # the courses that were kept
    assert all(row["value"] for row in rows)
    assert float(rows[-1]["value"]) == float(ds["bed_months_total"].sel(scenario="slower", draw=7).values[-1])
    assert export(swept, "-o", tmp_path / "s.kpis.csv").exit_code == 0
    export_of_run = tmp_path / "r.kpis.csv"
    from flowreform.export.tables import kpis_csv

    export_of_run.write_text(kpis_csv(fr.kpis(ds, base)), encoding="utf-8", newline="")
    assert export_of_run.read_bytes() == (tmp_path / "s.kpis.csv").read_bytes()
    done = export(swept, "-o", tmp_path / "s.xlsx")
    assert done.exit_code == 0
    texts = [cell for row in openpyxl.load_workbook(tmp_path / "s.xlsx")["Cover"].iter_rows(values_only=True) for cell in row]
    assert "Results by year are of the first 8 draws, whose course was kept; KPIs are of all draws." in texts


def test_a_sweep_that_kept_quantiles_alone(ward: Path, tmp_path: Path) -> None:
    shutil.copytree(ward, tmp_path / "ward")
    file = tmp_path / "ward" / "pace.toml"
    file.write_text(file.read_text(encoding="utf-8") + "\n[sweep]\nquantiles = [0.1, 0.5, 0.9]\n", encoding="utf-8")
    experiment = fr.read_experiment(file)
    fr.sweep(experiment, tmp_path / "out", workers=1)
    assert export(tmp_path / "out", "-o", tmp_path / "s.xlsx").exit_code == 0
    sheet = openpyxl.load_workbook(tmp_path / "s.xlsx")["Yearly"]
    rows = [row for row in sheet.iter_rows(values_only=True) if row[5] == "bed_months_total" and row[4] == "P50"]
    ds = fr.run(experiment)["bed_months_total"].sel(time=[12.0, 24.0]).median("draw").values
    assert [row[6:] for row in rows] == [pytest.approx(tuple(line), rel=0.02) for line in ds]
    done = export(tmp_path / "out", "-o", tmp_path / "s.csv")
    assert done.exit_code == 1
    assert "no variable over time" in done.stderr
    assert not (tmp_path / "s.csv").exists()


# --- usage -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["-o", "r.pdf"], 'nothing is written as ".pdf"; give it a name that ends in .xlsx'),
        (["-o", "r.cvs"], 'did you mean ".csv"'),
        (["-o", "results"], 'nothing is written as "results"'),
        (["-o", "r.xlsx", "--template", "plan.xlsx"], "--template needs --map"),
        (
            ["-o", "r.csv", "--template", "plan.xlsx", "--map", "m.toml"],
            "--template is for .xlsx, .xlsm (yearly results in cells of your own workbook)",
        ),
        (["-o", "r.xlsm"], "add --template and --map, or write .xlsx"),
        (["-o", "r.nc", "--kpis"], "--kpis is for .csv, .parquet (KPIs, a row for every run)"),
        (["-o", "r.csv", "--values"], "--values is for .xlsx"),
        (["-o", "r.csv", "--dt", "1"], "--dt is for .xlsx (the model with its scenarios as a workbook of formulas)"),
        (["-o", "r.xlsx", "--template", "nowhere.xlsx", "--map", "nowhere.toml"], "there is no such file"),
    ],
)
def test_what_makes_no_sense_is_one_line_and_no_file(
    ward: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], reason: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = export(ward / "pace.toml", *words)
    assert done.exit_code == 1
    assert reason in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_options_of_a_run_are_refused_for_a_sweep(swept: Path, tmp_path: Path) -> None:
    done = export(swept, "-o", tmp_path / "s.csv", "--draws", 3)
    assert done.exit_code == 1
    assert "a sweep is written as it was run" in done.stderr


# --- the table of kinds ----------------------------------------------------------------------------------------------

GIVEN = {"kpis": ["--kpis"], "values": ["--values"], "template": ["--template", "plan.xlsx"], "map": ["--map", "map.toml"],
         "scenario": ["--scenario", "slower"], "dt": ["--dt", "0.5"], "into": ["--into", "plan.xlsx"],
         "sheet": ["--sheet", "Beds"]}  # fmt: skip
"""How each option of a row is written on the command line."""
WRITTEN = [(kind, suffix) for kind in KINDS for suffix in kind.suffixes if suffix != ".xlsm"]
"""All but workbooks with macros inside, which tests/export/test_template.py makes by hand."""


@pytest.mark.parametrize(("kind", "suffix"), WRITTEN,
                         ids=lambda value: value if isinstance(value, str) else value.writer)  # fmt: skip
def test_every_kind_is_written_with_the_options_that_it_takes(
    kind: FileKind, suffix: str, ward: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    planning_workbook(tmp_path / "plan.xlsx")
    (tmp_path / "map.toml").write_text(
        '[[results]]\ncell = "beds_at_end"\nvariable = "closing"\nstatistic = "at"\nyear = 2021\n', encoding="utf-8"
    )
    options = [word for option in (*kind.chosen_by, *kind.takes) for word in GIVEN[option]]
    source = ward / ("model.xmile" if kind.what.endswith("XMILE") else "pace.toml")
    done = export(source, "-o", f"made{suffix}", *options)
    assert done.exit_code == 0, done.stderr
    assert (tmp_path / f"made{suffix}").stat().st_size > 0


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.writer)
def test_every_kind_has_its_writer_and_is_in_the_help(kind: FileKind) -> None:
    from flowreform.commands import export as writers

    assert getattr(writers, kind.writer).__doc__, f"{kind.writer} has no writer in commands/export.py"
    assert set(kind.chosen_by) | set(kind.takes) <= set(GIVEN)
    shown = " ".join(CliRunner().invoke(app, ["export", "--help"]).output.split())
    assert all(suffix in shown for suffix in kind.suffixes)


# --- what the documentation shows ------------------------------------------------------------------------------------


def test_the_documented_map_fits_the_documented_experiment(tmp_path: Path) -> None:
    from openpyxl.workbook.defined_name import DefinedName

    from flowreform.export.template import plan, read_template

    text = (ROOT / "docs" / "templates.md").read_text(encoding="utf-8")
    (map_,) = re.findall(r"```toml\n(.*?)```", text, flags=re.DOTALL)
    command = re.search(r"flowreform export (\S+) -o", text)
    assert command is not None
    tomllib.loads(map_)
    (tmp_path / "map.toml").write_text(map_, encoding="utf-8")
    book = openpyxl.Workbook()
    book.active.title = "Plan"
    book.defined_names["unmet_need_first_year"] = DefinedName("unmet_need_first_year", attr_text="Plan!$D$4")
    book.save(tmp_path / "plan.xlsx")
    template = read_template(tmp_path / "plan.xlsx", tmp_path / "map.toml", tmp_path / "out.xlsx")
    ready = plan(template, fr.read_experiment(command[1]))
    assert sum(len(cells) for _, cells in ready.cells.values()) == 10 + 1 + 1 + 1 + 1


def test_a_template_from_a_sweep_says_which_draws_it_is_of(swept: Path, tmp_path: Path, base: Experiment) -> None:
    import numpy as np

    planning_workbook(tmp_path / "plan.xlsx")
    (tmp_path / "map.toml").write_text(
        '[[results]]\ncell = "Plan!B20"\nvariable = "bed_months_total"\nstatistic = "increase"\nyear = 2020\n'
        '[[kpis]]\ncell = "Plan!B21"\nkpi = "use_in_first_year"\n',
        encoding="utf-8",
    )
    done = export(swept, "-o", tmp_path / "f.xlsx", "--template", tmp_path / "plan.xlsx", "--map", tmp_path / "map.toml")
    assert done.exit_code == 0, done.stderr
    assert "results are of the first 8 draws" in done.stderr
    values = fr.kpis(fr.run(base), base)["use_in_first_year"].sel(scenario="as_planned").values
    sheet = openpyxl.load_workbook(tmp_path / "f.xlsx")["Plan"]
    assert sheet["B20"].value == pytest.approx(float(np.median(values[:8])), rel=1e-14)
    assert sheet["B21"].value == float(np.median(values))
