"""Large models: 10,000 variables in a chain load, check, lower and run, and the cost grows as the model does."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from flowreform import check, read_model, simulate
from flowreform.engine import compiled, plan
from flowreform.lower import lower
from flowreform.model import Model

_FILE = """<?xml version="1.0" encoding="utf-8"?>
<xmile version="1.0" xmlns="http://docs.oasis-open.org/xmile/ns/XMILE/v1.0">
<header><vendor>test</vendor><product version="1">test</product></header>
<sim_specs method="euler" time_units="day"><start>0</start><stop>4</stop><dt>0.5</dt></sim_specs>
<model><variables>{body}</variables></model>
</xmile>
"""


def chain(count: int, folder: Path) -> Path:
    """A stock, `count` variables that each add 1 to the one before, and a flow of a ten-thousandth of the last."""
    body = '<stock name="s"><eqn>1</eqn><inflow>f</inflow></stock><aux name="v0"><eqn>s</eqn></aux>'
    body += "".join(f'<aux name="v{i}"><eqn>v{i - 1} + 1</eqn></aux>' for i in range(1, count))
    body += f'<flow name="f"><eqn>v{count - 1} / 10000</eqn></flow>'
    path = folder / f"chain{count}.xmile"
    path.write_text(_FILE.format(body=body), encoding="utf-8")
    return path


def prepared(path: Path) -> tuple[Model, float]:
    """A model read, checked and lowered, and the processor time of that."""
    before = time.process_time()
    model = read_model(path)
    check(model)
    lower(model)
    return model, time.process_time() - before


def test_ten_thousand_variables_in_a_chain(tmp_path: Path) -> None:
    model, _ = prepared(chain(10_000, tmp_path))
    expected = 1.0
    for _ in range(8):
        expected += 0.5 * (expected + 9_999) / 10_000
    assert float(simulate(model, save=["s"])["s"][0, -1]) == pytest.approx(expected, rel=1e-12)


def test_the_cost_grows_as_the_model_does(tmp_path: Path) -> None:
    """Four times the variables take about four times as long; something that compared all with all would take sixteen."""
    prepared(chain(100, tmp_path))  # loads what is loaded once
    small = min(prepared(chain(1_000, tmp_path))[1] for _ in range(3))
    large = min(prepared(chain(4_000, tmp_path))[1] for _ in range(2))
    assert large < 9 * small


_TIMES = "INITIAL TIME = 0 ~~|\nFINAL TIME = 1 ~~|\nTIME STEP = 1 ~~|\nSAVEPER = 1 ~~|\n"
MANY = {
    "lookups": "l{i}((0,0),(1,{i})) ~~|\nv{i} = l{i}(Time) ~~|\n",
    "names that are not there": "v{i} = quantity{i}+1 ~~|\n",
    "chain without data": "v{i} = v{before}+1 ~~|\n",
    "series without data": "d{i} :RAW: ~~|\nv{i} = d{i} ~~|\n",
}


@pytest.mark.parametrize("what", MANY)
def test_many_of_a_kind_cost_as_many_times_as_much(what: str, tmp_path: Path) -> None:
    """Each of these compared all with all: a model of 500 lookups ran for ten seconds, of 2,000 for minutes."""

    def spent(count: int) -> float:
        path = tmp_path / f"{count}.mdl"
        body = "".join(MANY[what].format(i=i, before=i - 1) for i in range(1, count))
        path.write_text("{UTF-8}\nv0 :RAW: ~~|\nz = 1 ~~|\n" + body + _TIMES, encoding="utf-8")
        begin = time.process_time()
        model = read_model(path)
        if check(model) and what != "names that are not there":
            simulate(model, engine="python")
        return time.process_time() - begin

    spent(50)  # loads what is loaded once
    small = min(spent(250) for _ in range(3))
    assert min(spent(1_000) for _ in range(2)) < 9 * small


def drains(count: int, folder: Path) -> Path:
    """`count` / 2 stocks that drain into each other, so that every second variable has a state."""
    body = '<stock name="s"><eqn>1</eqn><outflow>f0</outflow></stock><flow name="f0"><eqn>s / 10</eqn></flow>'
    for i in range(1, count // 2):
        body += f'<stock name="x{i}"><eqn>{i}</eqn><inflow>f{i - 1}</inflow><outflow>f{i}</outflow></stock>'
        body += f'<flow name="f{i}"><eqn>x{i} / 10</eqn></flow>'
    path = folder / f"drains{count}.xmile"
    path.write_text(_FILE.format(body=body), encoding="utf-8")
    return path


@pytest.mark.slow
@pytest.mark.parametrize("made_of", [chain, drains])
def test_two_thousand_variables_compile_and_start_warm(
    made_of: Callable[[int, Path], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Processor time, so that other work on the machine counts less: under 15 s from nothing and under 1 s from the cache."""
    monkeypatch.setenv("FLOWREFORM_CACHE", str(tmp_path / "kernels"))
    program = lower(read_model(made_of(2_000, tmp_path)))
    made = plan(program, [program.places["s"].base], 1)
    import numpy as np

    def run() -> float:
        before = time.process_time()
        kernel = compiled.CompiledKernel(made)
        inputs = np.zeros((0, 1))
        drive = np.full((1, 2 * program.steps + 3), np.nan)
        kernel.block(inputs, drive, np.empty((1, len(made.times), 1)), np.zeros(1), np.zeros((0, 1)), 0)
        return time.process_time() - before

    import sys

    cold = run()
    sys.modules.pop(compiled.kernel_name(made.text.source))
    warm = run()
    print(f"\ncold {cold:.1f} s, warm {warm:.2f} s")
    assert cold < 15.0
    assert warm < 1.0
