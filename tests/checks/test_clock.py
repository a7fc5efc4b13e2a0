"""Steps that divide nothing, and comparisons that the last digit decides: check, run and simulate give one answer."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from building import auxiliary, flow, model, parameter, stock
from flowreform import check, read_experiment, read_model, run, simulate, write_model
from flowreform.cli import app
from flowreform.model import Model


def filled(stop: float, dt: float, every: float | None = None) -> Model:
    """A stock that fills by one a month."""
    made = model([stock("s", "0", ("f",)), flow("f", "1")], stop=stop, dt=dt)
    return dataclasses.replace(made, specs=dataclasses.replace(made.specs, save_every=every))


def rules(made: Model) -> set[str]:
    """The rules that found something."""
    return {finding.rule for finding in check(made)}


@pytest.mark.parametrize(
    ("stop", "dt", "every", "end", "saved", "found"),
    [
        (1.0, 0.3, None, 0.9, 0.3, {"uneven-steps"}),
        (1.0, 0.6, None, 1.2, 0.6, {"uneven-steps"}),
        (4.0, 0.0625, 0.1, 4.0, 0.125, {"uneven-saving"}),
        (1.0, 0.25, 0.1, 1.0, 0.25, {"uneven-saving"}),
        (1.0, 0.1, 0.2, 1.0, 0.2, set()),
    ],
)
def test_everything_gives_the_same_answer(
    tmp_path: Path, stop: float, dt: float, every: float | None, end: float, saved: float, found: set[str]
) -> None:
    made = filled(stop, dt, every)
    assert rules(made) & {"uneven-steps", "uneven-saving"} == found
    ds = simulate(made)
    np.testing.assert_allclose(ds["time"].values, np.arange(0.0, end + saved / 2, saved))
    assert float(ds["s"][0, -1]) == pytest.approx(end)
    assert made.specs.end == pytest.approx(end)
    path = tmp_path / "m.xmile"
    write_model(made, path)
    (tmp_path / "e.toml").write_text(
        '[experiment]\ntitle = "T"\nquestion = "Q?"\nmodel = "m.xmile"\n[scenarios.a]\nlabel = "A"\n', encoding="utf-8"
    )
    ran = run(read_experiment(tmp_path / "e.toml"))
    assert float(ran["time"].values[-1]) == pytest.approx(end)
    assert float(ran["s"].values.ravel()[-1]) == pytest.approx(end)
    assert rules(read_model(path)) >= found & {"uneven-steps"}


def test_the_command_line_runs_what_check_lets_through(tmp_path: Path) -> None:
    write_model(filled(1.0, 0.3), tmp_path / "m.xmile")
    checked = CliRunner().invoke(app, ["check", str(tmp_path / "m.xmile"), "--json"])
    assert checked.exit_code == 0
    assert "uneven-steps" in json.dumps(json.loads(checked.stdout))
    assert CliRunner().invoke(app, ["run", str(tmp_path / "m.xmile")]).exit_code == 0


@pytest.mark.parametrize(
    ("equation", "dt", "told"),
    [
        ("IF TIME = k THEN 1 ELSE 0", 0.1, True),
        ("IF TIME <> k THEN 1 ELSE 0", 0.1, True),
        ("IF TIME = k THEN 1 ELSE 0", 0.25, False),  # times are exact in binary
        ("IF x + 0.2 = 0.3 THEN 1 ELSE 0", 0.25, True),
        ("IF k / 3 = 1 THEN 1 ELSE 0", 0.25, True),
        ("IF k / 2 + 1 = 1.5 THEN 1 ELSE 0", 0.25, False),
        ("IF x = 0.1 THEN 1 ELSE 0", 0.25, False),  # the same number twice
        ("IF k = 0 AND x > 0.3 THEN 1 ELSE 0", 0.25, False),
        ("IF x + 0.2 > 0.3 THEN 1 ELSE 0", 0.25, False),  # may be off by a step, and says so to nobody
    ],
)
def test_equality_of_rounded_numbers_is_a_warning(equation: str, dt: float, told: bool) -> None:
    made = model([auxiliary("y", equation), parameter("k", 1.0), parameter("x", 0.1), *filled(1.0, dt)], stop=1.0, dt=dt)
    assert ("equality" in rules(made)) is told
