"""`new` for a model that somebody brings: the example that it leaves behind is an experiment once its marks are taken away."""

from __future__ import annotations

from pathlib import Path

import pytest

import flowreform as fr
from flowreform.commands.new import new

MODEL = """<?xml version="1.0"?>
<xmile version="1.0" xmlns="http://docs.oasis-open.org/xmile/ns/XMILE/v1.0">
  <header><vendor>t</vendor><product>t</product><name>t</name></header>
  <sim_specs time_units="month"><start>0</start><stop>12</stop><dt>0.25</dt></sim_specs>
  <model><variables>
    <aux name="rate"><eqn>RATE</eqn><units>1/month</units></aux>
    <stock name="people"><eqn>10</eqn><outflow>leaving</outflow><units>person</units></stock>
    <flow name="leaving"><eqn>people*rate</eqn><units>person/month</units></flow>
  </variables></model>
</xmile>
"""


@pytest.mark.parametrize(("rate", "low", "high"), [("0.1", 0.08, 0.12), ("-0.1", -0.12, -0.08), ("0", -1.0, 1.0)])
def test_the_example_of_a_new_experiment_works(tmp_path: Path, rate: str, low: float, high: float) -> None:
    model, path = tmp_path / "mine.xmile", tmp_path / "mine.toml"
    model.write_text(MODEL.replace("RATE", rate))
    new(path, str(model), "", as_json=False)
    assert not fr.read_experiment(path).uncertainties
    head, _, example = path.read_text().partition("# What is uncertain")
    lines = [line.removeprefix("#").removeprefix(" ") for line in example.splitlines()[2:]]
    path.write_text(head.replace("draws = 1\n", "draws = 100\n").replace("kpis = []\n", "") + "\n".join(lines))
    found = fr.read_experiment(path)
    assert (found.draws, list(found.kpis)) == (100, ["people_at_end"])
    assert (found.uncertainties["rate"].low, found.uncertainties["rate"].high) == (low, high)
    assert fr.kpis(fr.run(found), found)["people_at_end"].size == 100
