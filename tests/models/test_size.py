"""How wide the bundled models are as a workbook, where every step is a row and everything that moves has a column.

A column is one number worked out anew at every step: each element of a stock, a flow or an auxiliary that changes over time,
and the hidden stages of delays and smooths. What is the same at every step (parameters, starts solved from them) has none,
nor have the helper cells of lookups. How many formulas a workbook has is counted in the workbook itself, where variables are
worked out inside the formulas that read them until it fits.
"""

from __future__ import annotations

from pathlib import Path

import pytest

import flowreform as fr
from flowreform.export.workbook.source import read_source
from flowreform.formats import bundled
from flowreform.lower import lower
from flowreform.program import Program, spread

COLUMNS = {"care_shift": 471, "mental_health_shift": 290}
EXPERIMENTS = {"care_shift": "care_shift_build_or_close_first", "mental_health_shift": "mental_health_double_running"}
FORMULAS = 900_000


def columns(program: Program) -> int:
    """Slots that move: those of stocks, and those written at every step."""
    integrated = sum(len(spread(stock.target, stock.loops)) for stock in program.stocks)
    return integrated + sum(len(statement.slots()) for statement in (*program.step, *program.memory))


@pytest.mark.parametrize("name", COLUMNS)
def test_a_model_fits_its_workbook(name: str) -> None:
    assert columns(lower(fr.read_model(bundled("models")[name]))) <= COLUMNS[name]
    source = read_source(fr.read_experiment(EXPERIMENTS[name]), None, None, "")
    assert (source.columns.count + 1) * len(source.rows) <= FORMULAS


MODEL = """<?xml version="1.0"?>
<xmile version="1.0" xmlns="http://docs.oasis-open.org/xmile/ns/XMILE/v1.0">
  <header><vendor>t</vendor><product>t</product><name>t</name></header>
  <sim_specs time_units="month"><start>0</start><stop>12</stop><dt>0.25</dt></sim_specs>
  <dimensions><dim name="ward"><elem name="a"/><elem name="b"/><elem name="c"/></dim></dimensions>
  <model><variables>
    <aux name="rate"><eqn>0.1</eqn></aux>
    <aux name="doubled"><eqn>2*rate</eqn></aux>
    <stock name="people"><dimensions><dim name="ward"/></dimensions><eqn>10</eqn><outflow>leaving</outflow></stock>
    <flow name="leaving"><dimensions><dim name="ward"/></dimensions><eqn>people[ward]*doubled</eqn></flow>
    MORE
  </variables></model>
</xmile>
"""


@pytest.mark.parametrize(
    ("more", "wanted"),
    [
        ("", 6),
        ('<aux name="total"><eqn>people[a] + people[b] + people[c]</eqn></aux>', 7),
        ('<aux name="fixed"><eqn>3*doubled</eqn></aux>', 6),
        ('<stock name="late"><eqn>0</eqn><inflow>lag</inflow></stock><flow name="lag"><eqn>people[a] - late</eqn></flow>', 8),
    ],
)
def test_columns_are_what_moves(tmp_path: Path, more: str, wanted: int) -> None:
    """Three wards, stock and flow: six; what follows from a constant alone has no column."""
    path = tmp_path / "model.xmile"
    path.write_text(MODEL.replace("MORE", more))
    assert columns(lower(fr.read_model(path))) == wanted


def test_stages_of_delays_are_counted(tmp_path: Path) -> None:
    """A third-order delay holds three stocks that nobody named, so it is wider than the sum it is of."""
    path = tmp_path / "model.xmile"
    widths = []
    for equation in ("people[a]", "DELAY3(people[a], 3)"):
        path.write_text(MODEL.replace("MORE", f'<aux name="seen"><eqn>{equation}</eqn></aux>'))
        widths.append(columns(lower(fr.read_model(path))))
    assert widths[0] == 7
    assert widths[1] >= widths[0] + 3
