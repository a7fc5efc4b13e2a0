"""A Runge-Kutta step written out gives what the engine gives, on models, jumps, delays, ramps and levers over time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import flowreform as fr
from flowreform import engine
from flowreform.batch import matrix_of
from flowreform.experiment import experiment_of
from flowreform.export.workbook.printer import flatten
from flowreform.lower import lower
from flowreform.lower.stages import LOOKS, WEIGHTS
from flowreform.model import Method
from flowreform.program import Drive, walk
from workbooks import by_soffice, worst
from workbooks import engine as by_engine

MODEL = """<?xml version="1.0" encoding="utf-8"?>
<xmile version="1.0" xmlns="http://docs.oasis-open.org/xmile/ns/XMILE/v1.0">
  <header><vendor>flowreform</vendor><product version="1.0">flowreform</product><name>ward</name></header>
  <sim_specs method="METHOD" time_units="month"><start>0</start><stop>12</stop><dt>0.25</dt></sim_specs>
  <dimensions><dim name="age"><elem name="young"/><elem name="old"/></dim></dimensions>
  <model><variables>
    <stock name="waiting"><dimensions><dim name="age"/></dimensions><eqn>40</eqn>
      <inflow>referral</inflow><outflow>admission</outflow><non_negative/></stock>
    <stock name="beds"><eqn>20</eqn><inflow>opening</inflow></stock>
    <stock name="total"><eqn>0</eqn><inflow>counting</inflow></stock>
    <flow name="counting"><eqn>SUM(admission)</eqn></flow>
    <flow name="referral"><dimensions><dim name="age"/></dimensions>
      <element subscript="young"><eqn>10 + RAMP(0.7, 3, 8) + STEP(4, 5) + 2*SIN(TIME)</eqn></element>
      <element subscript="old"><eqn>12 + PULSE(6, 2, 4)</eqn></element></flow>
    <flow name="admission"><dimensions><dim name="age"/></dimensions>
      <eqn>MIN(waiting/0.6, pace*beds*pressure)*share[age]</eqn></flow>
    <aux name="share"><dimensions><dim name="age"/></dimensions><element subscript="young"><eqn>0.4</eqn></element>
      <element subscript="old"><eqn>0.6</eqn></element></aux>
    <aux name="pressure"><eqn>SMTH1(SUM(waiting)/80, 2)</eqn></aux>
    <aux name="effect"><eqn>SUM(waiting)/80</eqn><gf><xscale min="0" max="2"/><ypts>0,0.8,1,1.1,1.1</ypts></gf></aux>
    <flow name="opening"><eqn>DELAY3(counting, 1.5)/30*effect - beds/40 + DELAY(counting, 1)/400</eqn></flow>
    <aux name="pace"><eqn>1.5</eqn></aux>
  </variables></model>
</xmile>
"""


def both(model: fr.Model, timed: set[str] = frozenset(), drive: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """The engine's own Runge-Kutta, and Euler's method on what is written out: float64[slot, time] of every named slot."""
    program = lower(model, timed)
    flat = flatten(program)
    assert flat.program.method is Method.EULER
    slots = sorted({slot for place in program.places.values() for slot in place.slots})
    inputs = matrix_of(program, model, {}, 1)
    found = []
    for one in (program, flat.program):
        got = engine.simulate(one, inputs, drive, keep=slots, engine="python")
        order = np.argsort(got.slots)
        found.append(got.values[order, :, 0])
    return found[0], found[1]


@pytest.mark.parametrize("method", ["rk2", "rk4"])
def test_a_model_with_jumps_delays_and_limits(tmp_path, method: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "ward.xmile"
    path.write_text(MODEL.replace("METHOD", method))
    own, written = both(fr.read_model(path))
    size = np.maximum(np.abs(own).max(axis=1, keepdims=True), 1e-300)
    assert (np.abs(own - written) / size).max() < 1e-12
    euler = both(replace(fr.read_model(path), specs=replace(fr.read_model(path).specs, method=Method.EULER)))[1]
    assert (np.abs(own - euler) / size).max() > 1e-3  # it is not Euler's method under another name


@pytest.mark.parametrize("method", ["rk2", "rk4"])
def test_a_lever_over_time_is_read_within_the_step(tmp_path, method: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "ward.xmile"
    path.write_text(MODEL.replace("METHOD", method))
    model = fr.read_model(path)
    times = np.arange(2 * model.specs.steps + 1) * model.specs.dt / 2
    drive = np.interp(times, [0, 3, 9], [1.5, 0.4, 2.0])[None, :]
    own, written = both(model, {"pace"}, drive)
    assert (np.abs(own - written) / np.maximum(np.abs(own).max(axis=1, keepdims=True), 1e-300)).max() < 1e-12
    flat = flatten(lower(model, {"pace"}))
    later = {part.later for code in flat.step.values() for part in walk(code) if isinstance(part, Drive)}
    assert later == {0, *(look.later for look in LOOKS[Method(method)])}


@pytest.mark.parametrize("method", [Method.RK2, Method.RK4])
@pytest.mark.parametrize("name", ["care_shift", "canterbury", "va_transformation", "mental_health_shift"])
def test_bundled_models(name: str, method: Method) -> None:
    model = fr.read_model(name)
    specs = model.specs
    own, written = both(replace(model, specs=replace(specs, method=method, stop=specs.start + 40 * specs.dt)))
    size, largest = np.abs(own).max(axis=1, keepdims=True), np.abs(own).max()
    nothing = size < 1e-12 * largest  # balances: differences of large sums that are nothing but rounding
    assert (np.abs(own - written) / np.where(nothing, largest, np.maximum(size, 1e-300))).max() < 1e-12


def test_the_looks_are_those_of_the_tableau(tmp_path) -> None:  # type: ignore[no-untyped-def]
    """Weights sum to one step; RK4's error falls by 16 when the step is halved, RK2's by 4 (y' = -y against exp)."""
    text = MODEL.split("<dimensions>")[0] + (
        '<model><variables><stock name="y"><eqn>1</eqn><outflow>out</outflow></stock><flow name="out"><eqn>y</eqn></flow>'
        "</variables></model></xmile>"
    )
    for method, order in ((Method.RK2, 4.0), (Method.RK4, 16.0)):
        assert len(LOOKS[method]) + 1 == len(WEIGHTS[method])
        errors = []
        for dt in (0.25, 0.125):
            path = tmp_path / "decay.xmile"
            path.write_text(text.replace("METHOD", str(method)).replace("<dt>0.25", f"<dt>{dt}"))
            own, written = both(fr.read_model(path))
            np.testing.assert_allclose(written, own, rtol=1e-13)
            errors.append(abs(written[0, round(1 / dt)] - np.exp(-1.0)))
        assert errors[0] / errors[1] == pytest.approx(order, rel=0.15)


@pytest.mark.requires("soffice")
@pytest.mark.parametrize("method", ["rk2", "rk4"])
def test_libreoffice_recalculates_a_workbook_to_what_the_engine_gives(tmp_path, method: str) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "ward.xmile"
    text = MODEL.replace("METHOD", method).replace("DELAY(counting, 1)", "counting")  # a delay of whole steps apart: it is held
    path.write_text(text)
    experiment = experiment_of(fr.read_model(path))
    fr.to_xlsx(experiment, tmp_path / "ward.xlsx")
    found = by_soffice(tmp_path / "ward.xlsx", tmp_path)
    wanted = by_engine(experiment, [("base", {})], found)[0]
    assert len(found.keys() & wanted.keys()) >= 9
    assert worst(found, wanted)[0] <= 1e-9
    path.write_text(text.replace(f'method="{method}"', 'method="euler"'))
    assert worst(by_engine(experiment_of(fr.read_model(path)), [("base", {})], found)[0], wanted)[0] > 1e-3
