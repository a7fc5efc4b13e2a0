"""Models at the edge of what a model is: without stocks, and with the names that results need for themselves. Every door says
the same of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import flowreform as fr
from flowreform.cli import app

HEAD = """<xmile version="1.0" xmlns="http://docs.oasis-open.org/xmile/ns/XMILE/v1.0">
<header><vendor>v</vendor><product version="1.0">p</product></header>
<sim_specs method="{method}" time_units="month"><start>0</start><stop>4</stop><dt>1</dt></sim_specs>
<model><variables>{variables}</variables></model></xmile>"""


def written(folder: Path, variables: str, method: str = "Euler") -> Path:
    path = folder / "m.xmile"
    path.write_text(HEAD.format(variables=variables, method=method), encoding="utf-8")
    return path


def run(*words: object) -> Any:
    result = CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "200"})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


# --- without stocks --------------------------------------------------------------------------------------------------

NO_STOCKS = {
    "constants": ('<aux name="base rate"><eqn>4</eqn></aux><aux name="yearly"><eqn>base_rate*12</eqn></aux>', [48.0] * 5),
    "the time": ('<aux name="yearly"><eqn>TIME*12</eqn></aux>', [0.0, 12.0, 24.0, 36.0, 48.0]),
    "a flow alone": ('<flow name="yearly"><eqn>12</eqn></flow>', [12.0] * 5),
    "a memory": ('<aux name="yearly"><eqn>PREVIOUS(TIME, 7)</eqn></aux>', [7.0, 0.0, 1.0, 2.0, 3.0]),
}


@pytest.mark.parametrize("method", ["Euler", "RK4"])
@pytest.mark.parametrize("kind", NO_STOCKS)
def test_a_model_without_stocks_runs(kind: str, method: str, tmp_path: Path) -> None:
    variables, expected = NO_STOCKS[kind]
    path = written(tmp_path, variables, method)
    assert fr.simulate(fr.read_model(path), engine="python")["yearly"].values[0].tolist() == expected
    assert run("check", path).exit_code == 0
    result = run("run", path, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    assert "yearly" in result.stdout
    stored = fr.read_netcdf(tmp_path / "out" / "results.nc")
    assert stored["yearly"].values.ravel().tolist() == expected
    assert run("verify", tmp_path / "out" / "results.nc").exit_code == 0


@pytest.mark.parametrize("kind", ["nc", "csv", "xmile", "parquet"])
def test_a_model_without_stocks_is_exported(kind: str, tmp_path: Path) -> None:
    path = written(tmp_path, NO_STOCKS["the time"][0])
    result = run("export", path, "-o", tmp_path / f"x.{kind}")
    assert result.exit_code == 0, result.stderr
    assert (tmp_path / f"x.{kind}").stat().st_size > 100


def test_check_and_run_say_the_same_of_a_model_without_anything(tmp_path: Path) -> None:
    path = written(tmp_path, "")
    assert run("check", path).exit_code == run("run", path).exit_code


# --- names that results need -----------------------------------------------------------------------------------------

TAKEN = ("Run", "draw", "Scenario", "Failed", "failed time", "failed variable", "Failed Value")


@pytest.mark.parametrize("name", TAKEN)
def test_every_door_refuses_a_stock_under_a_name_that_results_need(name: str, tmp_path: Path) -> None:
    """With the line at which it stands, and the same words."""
    path = written(tmp_path, f'<aux name="rate"><eqn>1</eqn></aux>\n<stock name="{name}"><eqn>3</eqn></stock>')
    reason = "results need this name for themselves"
    for words in (
        ("check", path),
        ("run", path),
        ("run", path, "-o", tmp_path / "out"),
        ("export", path, "-o", tmp_path / "x.csv"),
    ):
        result = run(*words)
        assert result.exit_code == 1, words
        assert f"m.xmile:5: error: {name}" in result.stdout + result.stderr or f"m.xmile:5: error: {_canonical(name)}" in (
            result.stdout + result.stderr
        )
        assert reason in result.stdout + result.stderr
    with pytest.raises(fr.ModelError, match=reason) as caught:
        fr.simulate(fr.read_model(path))
    assert caught.value.findings[0].line == 5
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", TAKEN)
def test_a_parameter_of_such_a_name_runs_and_can_be_neither_saved_nor_set(name: str, tmp_path: Path) -> None:
    path = written(
        tmp_path,
        f'<aux name="{name}"><eqn>2</eqn></aux><stock name="beds"><eqn>3</eqn><inflow>more</inflow></stock>'
        f'<flow name="more"><eqn>{_canonical(name)}</eqn></flow>',
    )
    checked = run("check", path)
    assert checked.exit_code == 0
    assert "the variable can be neither saved nor set" in checked.stdout + checked.stderr
    assert run("run", path).exit_code == 0
    assert fr.simulate(fr.read_model(path), save=["beds"])["beds"].values[0].tolist() == [3.0, 5.0, 7.0, 9.0, 11.0]
    with pytest.raises(fr.ModelError, match="results need this name"):
        fr.simulate(fr.read_model(path), {_canonical(name): 1.0}, save=["beds"])
    assert run("run", path, "--set", f"{_canonical(name)}=1").exit_code == 1


@pytest.mark.parametrize("name", ["scenario", "Draw", "run", "time", "failed"])
def test_a_dimension_of_such_a_name_has_another_in_results(name: str, tmp_path: Path) -> None:
    stocks = f'<stock name="beds"><dimensions><dim name="{name}"/></dimensions><eqn>3</eqn></stock>'
    path = written(tmp_path, stocks)
    text = path.read_text(encoding="utf-8")
    dimensions = f'<dimensions><dim name="{name}"><elem name="a"/><elem name="b"/></dim></dimensions>'
    path.write_text(text.replace("<model>", f"{dimensions}<model>"), encoding="utf-8")
    result = run("run", path, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    assert fr.read_netcdf(tmp_path / "out" / "results.nc")["beds"].sizes[f"{name.lower()}_dimension"] == 2
    assert run("export", path, "-o", tmp_path / "x.csv").exit_code == 0


@pytest.mark.parametrize("name", ["beds [ward A]", "[bold]beds[/bold]", "a[b]"])
def test_every_door_refuses_a_stock_whose_name_ends_like_an_element(name: str, tmp_path: Path) -> None:
    path = written(tmp_path, f'<stock name="{name}"><eqn>3</eqn></stock>')
    doors = ("check", path), ("run", path), ("run", path, "-o", tmp_path / "out"), ("export", path, "-o", tmp_path / "x.csv")
    for words in doors:
        result = run(*words)
        assert result.exit_code == 1
        assert "a name that ends in brackets stands for an element of an array" in result.stdout + result.stderr
    with pytest.raises(fr.ModelError, match="ends in brackets"):
        fr.simulate(fr.read_model(path))


@pytest.mark.parametrize("name", ["a]", "[", "beds [x] (y)"])
def test_other_brackets_in_a_name_are_letters(name: str, tmp_path: Path) -> None:
    path = written(tmp_path, f'<stock name="{name}"><eqn>3</eqn></stock>')
    assert run("check", path).exit_code == 0
    assert run("run", path, "-o", tmp_path / "out").exit_code == 0
    assert fr.read_netcdf(tmp_path / "out" / "results.nc")[_canonical(name)].values.ravel().tolist() == [3.0] * 5


def _canonical(name: str) -> str:
    return name.lower().replace(" ", "_")
