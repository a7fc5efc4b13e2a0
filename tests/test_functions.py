"""Functions of Vensim and Stella against closed forms, and the table of docs/functions.md against what a model is told."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest

import flowreform as fr
from flowreform import builtins
from flowreform.builtins import Kind

TABLE = Path(__file__).resolve().parents[1] / "docs" / "functions.md"
ROWS = [
    (maker, *(cell.strip() for cell in line.strip("|").split("|")))
    for maker, text in zip(("Vensim", "Stella"), re.split(r"\n## ", TABLE.read_text(encoding="utf-8"))[1:], strict=True)
    for line in text.splitlines()
    if line.startswith("| ") and not line.startswith("| function")
]
VENSIM = """{{UTF-8}}
{equations}
INITIAL TIME = 0 ~ Month ~ |
FINAL TIME = 8 ~ Month ~ |
TIME STEP = 0.5 ~ Month ~ |
SAVEPER = TIME STEP ~ Month ~ |
"""
TIME = np.arange(17) / 2
XMILE = """<xmile version="1.0" xmlns="http://docs.oasis-open.org/xmile/ns/XMILE/v1.0">
<header><vendor>test</vendor><product>test</product></header>
<sim_specs method="Euler" time_units="Months"><start>0</start><stop>8</stop><dt>0.5</dt></sim_specs>
<model><variables>{variables}</variables></model></xmile>"""


@pytest.mark.parametrize(("maker", "function", "state", "what"), ROWS, ids=lambda value: str(value)[:30])
def test_the_table_says_what_a_model_is_told(maker: str, function: str, state: str, what: str) -> None:
    names = [function] if "," not in function else [f"{function.split(',')[0].rpartition(' ')[0]} {word}" for word in ("DATA",)]
    for name in names:
        row = builtins.find(name.lower().replace(" ", "_"))
        if state == "refused" and "binary" not in what:
            assert row is not None
            assert (row.kind, row.note) == (Kind.REFUSED, what)
        elif state == "done" and what.startswith("`"):
            own = builtins.find(what.strip("`"))
            assert own is not None
            assert own.kind is not Kind.REFUSED


def test_the_table_lists_each_function_once_and_enough_of_them() -> None:
    for maker, least in (("Vensim", 125), ("Stella", 100)):
        names = [function for row_maker, function, _, _ in ROWS if row_maker == maker]
        assert len(set(names)) == len(names) >= least


def vensim(folder: Path, equations: str, engine: str) -> dict[str, np.ndarray]:
    path = folder / "m.mdl"
    path.write_text(VENSIM.format(equations=equations), encoding="utf-8")
    ds = fr.simulate(fr.read_model(path), engine=engine)
    return {str(name): ds[name].values[0] for name in ds.data_vars if ds[name].dims == ("run", "time")}


def stella(folder: Path, engine: str, **equations: str) -> dict[str, np.ndarray]:
    path = folder / "m.xmile"
    auxiliaries = "".join(f'<aux name="{name}"><eqn>{text}</eqn></aux>' for name, text in equations.items())
    path.write_text(XMILE.format(variables=auxiliaries), encoding="utf-8")
    ds = fr.simulate(fr.read_model(path), engine=engine)
    return {str(name): ds[name].values[0] for name in ds.data_vars if ds[name].dims == ("run", "time")}


engines = pytest.mark.parametrize("engine", ["python", "numba"])


@engines
def test_waves_roots_shares_and_the_run_before(tmp_path: Path, engine: str) -> None:
    found = stella(
        tmp_path, engine, s="SINWAVE(3, 4)", c="COSWAVE(3, 4)", r="ROOTN(TIME, 3)", p="PERCENT(0.25)", e="ENDVAL(TIME, 7)"
    )
    assert found["s"] == pytest.approx(3 * np.sin(2 * np.pi * TIME / 4), abs=1e-12)
    assert found["c"] == pytest.approx(3 * np.cos(2 * np.pi * TIME / 4), abs=1e-12)
    assert found["r"] == pytest.approx(np.cbrt(TIME), rel=1e-12)
    assert found["p"].tolist() == [25.0] * 17
    assert found["e"].tolist() == [7.0] * 17


@engines
def test_history_is_what_was(tmp_path: Path, engine: str) -> None:
    found = stella(tmp_path, engine, x="TIME^2", ago="HISTORY(x, TIME - 3)", fixed="HISTORY(x, 2)", ahead="HISTORY(x, TIME + 1)")
    assert found["ago"].tolist() == [max(t - 3, 0.0) ** 2 for t in TIME]
    assert found["fixed"].tolist() == [min(t, 2.0) ** 2 for t in TIME]
    assert found["ahead"].tolist() == (TIME**2).tolist()


@engines
def test_derivatives_are_differences_over_dt(tmp_path: Path, engine: str) -> None:
    found = stella(tmp_path, engine, x="TIME^2", first="DERIVN(x, 1)", second="DERIVN(x, 2)")
    x = TIME**2
    first = np.r_[0.0, np.diff(x) / 0.5]
    assert found["first"] == pytest.approx(first, abs=1e-12)
    assert found["second"] == pytest.approx(np.r_[0.0, np.diff(first) / 0.5], abs=1e-12)


@engines
def test_net_present_value_of_a_level_stream(tmp_path: Path, engine: str) -> None:
    """A stream of 12 a month at 2 per cent a month: each 6 of a step is divided by 1.01 once more than the one before."""
    found = vensim(tmp_path, "worth = NPV(stream, 0.02, 5, 2) ~ ~ |\nstream = 12 + 0*Time ~ ~ |", engine)["worth"]
    expected = [2 * (5 + sum(6.0 / 1.01**step for step in range(count + 1))) for count in range(17)]
    assert found == pytest.approx(expected, rel=1e-12)


@engines
def test_lookups_read_from_y_to_x_and_data_at_other_times(tmp_path: Path, engine: str) -> None:
    equations = """up((0,0),(2,4),(8,8)) ~ ~ |
down((0,8),(8,0)) ~ ~ |
from up = LOOKUP INVERT(up, Time) ~ ~ |
from down = LOOKUP INVERT(down, Time) ~ ~ |
series := WITH LOOKUP(Time, ((0,0),(4,8),(6,2))) ~ ~ |
late = GET DATA AT TIME(series, Time - 1) ~ ~ |
hold = GET DATA BETWEEN TIMES(series, Time, -1) ~ ~ |
next = GET DATA BETWEEN TIMES(series, Time, 1) ~ ~ |
first = GET DATA FIRST TIME(series) ~ ~ |
last = GET DATA LAST TIME(series) ~ ~ |
base = TIME BASE(3, 2) ~ ~ |"""
    found = vensim(tmp_path, equations, engine)
    assert found["from_up"] == pytest.approx(np.interp(TIME, [0, 4, 8], [0, 2, 8]), abs=1e-12)
    assert found["from_down"] == pytest.approx(8 - TIME, abs=1e-12)
    assert found["late"] == pytest.approx(np.interp(TIME - 1, [0, 4, 6], [0, 8, 2]), abs=1e-12)
    assert found["hold"].tolist() == [0.0 if t < 4 else 8.0 if t < 6 else 2.0 for t in TIME]
    assert found["next"].tolist() == [0.0 if t == 0 else 8.0 if t <= 4 else 2.0 for t in TIME]
    assert (found["first"][0], found["last"][0]) == (0.0, 6.0)
    assert found["base"] == pytest.approx(3 + 2 * TIME)


def test_a_lookup_that_turns_has_no_inverse(tmp_path: Path) -> None:
    with pytest.raises(fr.ModelError, match="rise or fall"):
        vensim(tmp_path, "k((0,0),(1,2),(2,1)) ~ ~ |\nx = LOOKUP INVERT(k, Time) ~ ~ |", "python")


@pytest.mark.parametrize("x", [1e-8, 0.1, 0.5, 1.0, 1.5, 2.0, 3.7, 9.99, 10.0, 57.3, 1e3, 1e10, 1e300])
def test_log_gamma_is_that_of_the_library(x: float) -> None:
    from flowreform.arithmetic import log_gamma

    assert log_gamma(x) == pytest.approx(math.lgamma(x), rel=1e-13, abs=2e-14)


def test_log_gamma_at_its_ends() -> None:
    from flowreform.arithmetic import log_gamma

    assert [log_gamma(0.0), log_gamma(math.inf)] == [math.inf, math.inf]
    assert math.isnan(log_gamma(-1.5))
    assert math.isnan(log_gamma(math.nan))
