"""The table of what other programs do with each construct, held to what PySD and simlin do with its examples."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import flowreform as fr
from building import flow, model, parameter, stock
from flowreform.analyse.portability import NO, OTHERWISE, READS, TABLE, Construct, Verdict, portability
from flowreform.cli import app
from flowreform.engine.reference import run_pysd
from flowreform.engine.witness import run_simlin
from flowreform.errors import ModelError

XMILE = """<xmile version="1.0" xmlns="http://docs.oasis-open.org/xmile/ns/XMILE/v1.0"><header><vendor>t</vendor><product>t</product>
</header><sim_specs method="{method}" time_units="Months"><start>0</start><stop>8</stop><dt>0.5</dt></sim_specs>{header}
<model><variables>{variables}</variables></model></xmile>"""


def written(row: Construct, folder: Path) -> fr.Model:
    """The example of a row as a file."""
    path = folder / ("m.mdl" if row.example.startswith("{UTF-8}") else "m.xmile")
    text = row.example if path.suffix == ".mdl" else XMILE.format(method=row.method, header=row.header, variables=row.example)
    path.write_text(text, encoding="utf-8")
    return fr.read_model(path)


def verdict(tool: object, model: fr.Model) -> Verdict:
    """What a program does with an example: the numbers of ours, other ones, or none."""
    ds = fr.simulate(model, engine="python", noise_seed=1)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = tool(model.path, {}, model=model).values  # type: ignore[operator]
    except ModelError as fault:
        return OTHERWISE if "Euler's method only" in str(fault) else NO  # it runs by Euler's method all the same
    for name, theirs in ((name, found[name]) for name in found if name in model.variables and name in ds):
        ours = ds[name].transpose(..., "time", "run").values
        if ours.shape != theirs.shape or not np.allclose(ours, theirs, rtol=1e-9, atol=1e-9 * np.abs(ours).max()):
            return OTHERWISE
    return READS


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.what)
def test_each_example_uses_its_construct(row: Construct, tmp_path: Path) -> None:
    assert row in [use.construct for use in portability(written(row, tmp_path))]


@pytest.mark.slow
@pytest.mark.requires("pysimlin")
@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.what)
def test_the_table_says_what_pysd_and_simlin_do(row: Construct, tmp_path: Path) -> None:
    example = written(row, tmp_path)
    assert (verdict(run_pysd, example), verdict(run_simlin, example)) == (row.pysd, row.simlin)


def test_a_model_of_stocks_and_flows_alone_is_in_no_row() -> None:
    plain = model([stock("s", "10", outflows=("f",)), flow("f", "MAX(0, s / k)"), parameter("k", 4.0)])
    assert portability(plain) == ()


def test_where_no_row_applies_the_command_line_says_so_and_shows_no_table(tmp_path: Path) -> None:
    plain = model([stock("s", "10", outflows=("f",)), flow("f", "s / k"), parameter("k", 4.0)])
    path = tmp_path / "plain.xmile"
    fr.write_model(plain, path)
    shown = CliRunner().invoke(app, ["check", str(path), "--portable"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    assert "Everything in it means the same in Stella, Vensim, PySD and simlin" in shown.output
    assert "construct" not in shown.output


def test_the_command_line_shows_the_rows_and_where(tmp_path: Path) -> None:
    row = next(row for row in TABLE if row.what == "non-negative stock")
    path = str(written(row, tmp_path).path)
    shown = CliRunner().invoke(app, ["check", path, "--portable"], env={"COLUMNS": "200"})
    assert shown.exit_code == 0
    assert "non-negative stock" in shown.output
    found = json.loads(CliRunner().invoke(app, ["check", path, "--portable", "--json"]).stdout)
    verdicts = {"stella": "reads", "vensim": "no", "pysd": "otherwise", "simlin": "otherwise"}
    assert found["constructs"] == [{"construct": row.what, **verdicts, "note": row.note, "variables": ["s"]}]
