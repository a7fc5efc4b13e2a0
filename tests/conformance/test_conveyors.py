"""Conveyors: what flows in comes out a transit time later, less what leaks; against closed forms, a belt of slats moved by
hand, and pysimlin."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from flowreform import read_model, simulate
from flowreform.checks import check
from flowreform.errors import ModelError
from flowreform.formats.writer import plain, write_model
from flowreform.lower import lower
from flowreform.model import Conveyor, Leak, Model, Number, Role, causes

_FILE = """<?xml version="1.0" encoding="utf-8"?>
<xmile version="1.0" xmlns="http://docs.oasis-open.org/xmile/ns/XMILE/v1.0">
<header><vendor>test</vendor><product version="1">test</product><options><uses_conveyor leak="true"/></options></header>
<sim_specs method="{method}" time_units="day"><start>0</start><stop>{stop}</stop><dt>{dt}</dt></sim_specs>
{outside}
<model><variables>{body}</variables></model>
</xmile>
"""
PULSE = "IF TIME = 0 THEN 10 ELSE 0"
WAVE = "5 + 4 * SIN(TIME)"


def ward(
    inflow: str, start: str = "0", length: str = "4", leaks: str = "", outflows: str = "", inside: str = "", more: str = ""
) -> str:
    """A ward as a conveyor: patients stay `length` and then go home, those of the leaks before."""
    return (
        f'<stock name="Ward"><eqn>{start}</eqn><inflow>admissions</inflow><outflow>home</outflow>{outflows}'
        f'<conveyor><len>{length}</len>{inside}</conveyor></stock><flow name="admissions"><eqn>{inflow}</eqn></flow>'
        f'<flow name="home"/>{leaks}{more}'
    )


def leak(fraction: str, name: str = "deaths", zone: str = "") -> str:
    return f'<flow name="{name}" {zone}><eqn>{fraction}</eqn><leak/></flow>'


DEATHS = "<outflow>deaths</outflow>"


@pytest.fixture
def load(tmp_path: Path):  # type: ignore[no-untyped-def]
    def loaded(body: str, *, stop: float = 12, dt: float = 1, method: str = "euler", outside: str = "") -> Model:
        path = tmp_path / "ward.xmile"
        path.write_text(_FILE.format(body=body, stop=stop, dt=dt, method=method, outside=outside), encoding="utf-8")
        return read_model(path)

    return loaded


def series(model: Model, engine: str = "python", **inputs: object) -> dict[str, np.ndarray]:
    """Every variable over time, without dimensions of one element."""
    found = simulate(model, engine=engine, **inputs)  # type: ignore[arg-type]
    return {v.name: np.asarray(found[v.name]).squeeze() for v in model if v.role is not Role.LOOKUP}


def belt(inflow: np.ndarray, start: float, places: int, dt: float, shares: dict[str, np.ndarray], zones: dict[str, range]):  # type: ignore[no-untyped-def]
    """The belt, slat by slat: what entered and what is left of it on each; constant initial fill."""
    parts = {name: shares[name][0] / len(zones[name]) for name in shares}
    left = [1.0 - sum(parts[name] * sum(z < place for z in zones[name]) for name in shares) for place in range(places)]
    entered = [start / sum(left)] * places
    held = [share * start / sum(left) for share in left]
    content, home, gone = [], [], {name: [] for name in shares}
    for n, rate in enumerate(inflow):
        content.append(sum(held))
        for name in shares:
            amounts = {place: shares[name][n] / len(zones[name]) * entered[place] for place in zones[name]}
            gone[name].append(sum(amounts.values()) / dt)
            for place, amount in amounts.items():
                held[place] -= amount
        home.append(held[-1] / dt)
        entered, held = [rate * dt, *entered[:-1]], [rate * dt, *held[:-1]]
    return np.array(content), np.array(home), {name: np.array(rates) for name, rates in gone.items()}


# --- closed forms ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dt", "places"), [(1.0, 4), (0.5, 8), (0.25, 16)])
def test_a_pulse_comes_out_a_transit_time_later(load, dt: float, places: int) -> None:  # type: ignore[no-untyped-def]
    found = series(load(ward(PULSE), dt=dt))
    at = np.zeros(round(12 / dt) + 1)
    at[places] = 10.0
    np.testing.assert_array_equal(found["home"], at)
    inside = np.zeros_like(at)
    inside[1 : places + 1] = 10.0 * dt
    np.testing.assert_allclose(found["ward"], inside, atol=1e-12)


@pytest.mark.parametrize("dt", [1.0, 0.25])
def test_a_steady_inflow_fills_the_conveyor_to_inflow_times_transit_time(load, dt: float) -> None:  # type: ignore[no-untyped-def]
    found = series(load(ward("3", length="stay", more='<aux name="stay"><eqn>5</eqn></aux>'), dt=dt))
    time = np.arange(0, 12 + dt, dt)
    np.testing.assert_allclose(found["ward"], 3 * np.minimum(time, 5), atol=1e-12)
    np.testing.assert_allclose(found["home"], np.where(time >= 5, 3.0, 0.0), atol=1e-12)


def test_the_initial_content_is_spread_evenly(load) -> None:  # type: ignore[no-untyped-def]
    found = series(load(ward("0", "100"), dt=0.5, stop=6))
    time = np.arange(0, 6.5, 0.5)
    np.testing.assert_allclose(found["ward"], np.maximum(100 - 25 * time, 0), atol=1e-12)
    np.testing.assert_allclose(found["home"], np.where(time < 4, 25.0, 0.0), atol=1e-12)


@pytest.mark.parametrize("dt", [1.0, 0.25])
def test_a_leak_takes_its_fraction_of_what_flows_in(load, dt: float) -> None:  # type: ignore[no-untyped-def]
    """In balance: home = (1 - f) q, deaths = f q, and the content that the isee manual gives,
    length * q - (length / dt - 1) * deaths * dt / 2."""
    found = series(load(ward("10", outflows=DEATHS, leaks=leak("0.2")), dt=dt))
    assert found["home"][-1] == pytest.approx(8.0, abs=1e-12)
    assert found["deaths"][-1] == pytest.approx(2.0, abs=1e-12)
    assert found["ward"][-1] == pytest.approx(4 * 10 - (4 / dt - 1) * 2 * dt / 2, abs=1e-12)


def test_a_balanced_start_stays_in_balance(load) -> None:  # type: ignore[no-untyped-def]
    found = series(load(ward("10", "37", outflows=DEATHS, leaks=leak("0.2"))))
    for name, value in {"ward": 37.0, "home": 8.0, "deaths": 2.0}.items():
        np.testing.assert_allclose(found[name], value, rtol=1e-13)


# --- a belt moved by hand --------------------------------------------------------------------------------------------

ZONES = {
    "whole": ("", lambda k: range(k)),
    "first half": ('leak_start="0" leak_end="0.5"', lambda k: range(k // 2)),
    "second half": ('leak_start="0.5" leak_end="1"', lambda k: range(k // 2, k)),
    "middle": ('leak_start="0.25" leak_end="0.75"', lambda k: range(k // 4, 3 * k // 4)),
}


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("fraction", ["0.3", "0.2 + 0.1 * SIN(TIME)"])
@pytest.mark.parametrize("dt", [1.0, 0.25])
def test_the_belt_moves_as_slats_do(load, zone: str, fraction: str, dt: float) -> None:  # type: ignore[no-untyped-def]
    written, chosen = ZONES[zone]
    flows = leak(fraction, zone=written) + leak("0.1", "transfers")
    model = load(ward(WAVE, "50", outflows=DEATHS + "<outflow>transfers</outflow>", leaks=flows), dt=dt)
    found = series(model)
    time, places = np.arange(0, 12 + dt, dt), round(4 / dt)
    shares = {"deaths": 0.3 + 0 * time if fraction == "0.3" else 0.2 + 0.1 * np.sin(time), "transfers": 0.1 + 0 * time}
    content, home, gone = belt(
        5 + 4 * np.sin(time), 50, places, dt, shares, {"deaths": chosen(places), "transfers": range(places)}
    )
    np.testing.assert_allclose(found["ward"], content, rtol=1e-12)
    np.testing.assert_allclose(found["home"], home, rtol=1e-12)
    for name, rates in gone.items():
        np.testing.assert_allclose(found[name], rates, rtol=1e-12)
    into, out = np.cumsum(found["admissions"]) * dt, np.cumsum(found["home"] + found["deaths"] + found["transfers"]) * dt
    np.testing.assert_allclose(50 + into[:-1], found["ward"][1:] + out[:-1], atol=1e-9)


def test_every_run_has_a_transit_time_and_a_fraction_of_its_own(load) -> None:  # type: ignore[no-untyped-def]
    more = '<aux name="stay"><eqn>4</eqn></aux><aux name="risk"><eqn>0.1</eqn></aux>'
    model = load(ward(WAVE, "50", "stay", leak("risk"), DEATHS, more=more))
    found = series(model, inputs={"stay": [2.0, 4.0, 7.0], "risk": [0.0, 0.25, 0.5]})
    time = np.arange(13.0)
    for run, (places, risk) in enumerate([(2, 0.0), (4, 0.25), (7, 0.5)]):
        content, home, _ = belt(5 + 4 * np.sin(time), 50, places, 1.0, {"deaths": risk + 0 * time}, {"deaths": range(places)})
        np.testing.assert_allclose(found["ward"][run], content, rtol=1e-12)
        np.testing.assert_allclose(found["home"][run], home, rtol=1e-12)


def test_arrays_have_a_belt_for_every_element(load) -> None:  # type: ignore[no-untyped-def]
    dims = '<dimensions><dim name="d"><elem name="a"/><elem name="b"/></dim></dimensions>'
    each = '<dimensions><dim name="d"/></dimensions><element subscript="a"><eqn>{}</eqn></element>'
    each += '<element subscript="b"><eqn>{}</eqn></element>'
    body = (
        f'<stock name="Ward">{each.format(30, 12)}<inflow>admissions</inflow><outflow>home</outflow><outflow>deaths</outflow>'
        f'<conveyor><len>stay[d]</len></conveyor></stock><aux name="stay">{each.format(3, 6)}</aux>'
        f'<flow name="admissions">{each.format(4, WAVE)}</flow><flow name="home"><dimensions><dim name="d"/></dimensions></flow>'
        f'<flow name="deaths">{each.format(0.1, 0.4)}<leak/></flow>'
    )
    found = series(load(body, outside=dims))
    time = np.arange(13.0)
    settings = [(4 + 0 * time, 30, 3, 0.1), (5 + 4 * np.sin(time), 12, 6, 0.4)]
    for element, (inflow, start, places, risk) in enumerate(settings):
        content, home, gone = belt(inflow, start, places, 1.0, {"deaths": risk + 0 * time}, {"deaths": range(places)})
        np.testing.assert_allclose(found["ward"][:, element], content, rtol=1e-12)
        np.testing.assert_allclose(found["home"][:, element], home, rtol=1e-12)
        np.testing.assert_allclose(found["deaths"][:, element], gone["deaths"], rtol=1e-12)


def test_conveyors_in_a_row_and_back_again(load) -> None:  # type: ignore[no-untyped-def]
    """What leaves one belt enters the next, and from there the first: nothing is lost and there is no circle to solve."""
    body = (
        '<stock name="Sick"><eqn>30</eqn><inflow>back</inflow><outflow>over</outflow><conveyor><len>3</len></conveyor></stock>'
        '<stock name="Well"><eqn>0</eqn><inflow>over</inflow><outflow>back</outflow><conveyor><len>5</len></conveyor></stock>'
        '<flow name="over"/><flow name="back"/>'
    )
    found = series(load(body, stop=16))
    np.testing.assert_allclose(found["sick"] + found["well"], 30, rtol=1e-13)
    np.testing.assert_allclose(found["over"], np.where(np.arange(17) % 8 < 3, 10, 0), rtol=1e-13)


def test_an_inflow_below_zero_is_zero(load) -> None:  # type: ignore[no-untyped-def]
    np.testing.assert_array_equal(series(load(ward("TIME - 4")))["admissions"], np.maximum(np.arange(13) - 4, 0))


@pytest.mark.parametrize("fraction", ["0.2", "0.2 + 0.1 * SIN(TIME)"])
def test_compiled_it_is_the_same_to_the_last_bit(load, fraction: str) -> None:  # type: ignore[no-untyped-def]
    more = '<aux name="stay"><eqn>4</eqn></aux>'
    model = load(ward(WAVE, "50", "stay", leak(fraction, zone='leak_end="0.7"'), DEATHS, more=more), dt=0.25)
    inputs = {"stay": [2.0, 4.1, 7.0]}
    interpreted, compiled = (series(model, engine, inputs=inputs) for engine in ("python", "numba"))
    for name, values in interpreted.items():
        assert values.tobytes() == compiled[name].tobytes(), name


# --- other tools and files -------------------------------------------------------------------------------------------

CASES = {
    "pulse": ward(PULSE),
    "one place": ward("10", "100", "1"),
    "not a whole number of steps": ward(PULSE, "100", "2.3"),
    "leak": ward(WAVE, "100", outflows=DEATHS, leaks=leak("0.2")),
    "zone": ward(WAVE, "100", outflows=DEATHS, leaks=leak("0.2", zone='leak_start="0.3" leak_end="0.9"')),
    "moving fraction": ward(WAVE, "100", outflows=DEATHS, leaks=leak("IF TIME &lt; 3 THEN 0.2 ELSE 0.4")),
    "below zero": ward("TIME - 4", "10"),
}


@pytest.mark.requires("pysimlin")
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("dt", [1.0, 0.25])
def test_pysimlin_agrees(load, case: str, dt: float) -> None:  # type: ignore[no-untyped-def]
    import simlin

    model = load(CASES[case], dt=dt)
    assert model.path is not None
    theirs = simlin.load(model.path).run(analyze_loops=False).results
    for name, values in series(model).items():
        np.testing.assert_allclose(values, theirs[name].to_numpy(), atol=1e-10, err_msg=name)


@pytest.mark.parametrize("case", CASES)
def test_what_is_written_reads_the_same(load, case: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    model = load(CASES[case])
    again = read_model(write_model(model, tmp_path / "again.xmile"))
    assert plain(replace(again, name=model.name)) == plain(model)
    for name, values in series(model).items():
        np.testing.assert_array_equal(series(again)[name], values)


def test_the_model_says_what_is_a_conveyor(load) -> None:  # type: ignore[no-untyped-def]
    model = load(ward("1", outflows=DEATHS, leaks='<flow name="deaths" leak_start="0.5"><leak>0.1</leak><non_negative/></flow>'))
    assert model["Ward"].conveyor == Conveyor(Number(4.0))
    assert model["deaths"].leak == Leak(0.5, 1.0)
    assert model["deaths"].text == "0.1"
    assert model["home"].text == "ward / 4"
    assert model["home"].leak is None
    assert not model["home"].non_negative


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (ward("1", inside="<speed>2</speed>"), "<speed> of a conveyor is not supported"),
        (ward("1", length=""), "the conveyor has no transit time"),
        (
            ward("1", outflows=DEATHS, leaks='<flow name="deaths"><eqn>1</eqn></flow>'),
            "two outflows that are not marked as leaks",
        ),
        (ward("1", leaks=leak("0.1")), "a leak that is no outflow of a conveyor"),
        (ward("1", outflows=DEATHS, leaks=leak("0.1", zone='leak_start="0.5" leak_end="0.2"')), "the leak runs from 0.5 to 0.2"),
        (ward("1", outflows=DEATHS, leaks=leak("0.1</eqn><leak_integers/><eqn>")), "leaks of whole units only are not supported"),
        (ward("1", outflows=DEATHS, leaks='<flow name="deaths"><leak/></flow>'), "it has no equation"),
        (ward("1").replace("<outflow>home</outflow>", ""), "no outflow at its end"),
    ],
)
def test_what_the_reader_refuses(load, body: str, reason: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ModelError) as caught:
        load(body)
    assert any(reason in finding.reason and finding.line == 6 for finding in caught.value.findings), caught.value


@pytest.mark.parametrize(
    ("body", "method", "reason"),
    [
        (ward("1", length="0"), "euler", "the transit time of the conveyor is 0"),
        (ward("1"), "rk4", "a conveyor moves by whole steps"),
        (ward("1", outflows=DEATHS, leaks=leak("1.5")), "euler", "its leaks take 1.5 of what flows in"),
    ],
)
def test_what_a_run_refuses(load, body: str, method: str, reason: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ModelError) as caught:
        simulate(load(body, method=method))
    assert any(reason in finding.reason for finding in caught.value.findings), caught.value


def test_a_transit_time_and_a_fraction_may_be_levers_over_time(load) -> None:  # type: ignore[no-untyped-def]
    more = '<aux name="stay"><eqn>4</eqn></aux><aux name="risk"><eqn>0.1</eqn></aux>'
    model = load(ward("1", length="stay", leaks=leak("risk"), outflows=DEATHS, more=more))
    assert lower(model, timed=["risk"]).inputs[1].drive == 0
    program = lower(model, timed=["stay"])
    assert program.inputs[0].drive == 0
    assert not lower(model).memory or len(program.memory) > len(lower(model).memory)  # now the belt is kept place by place


def test_checks_know_what_belongs_to_a_conveyor(load) -> None:  # type: ignore[no-untyped-def]
    """Units: a leak's equation is a fraction, the end's is content over time. Loops: the content acts on its leaks."""
    body = ward("3", length="stay", leaks=leak("risk"), outflows=DEATHS)
    body = body.replace("<inflow>", "<units>bed</units><inflow>").replace("</eqn></flow>", "</eqn><units>bed/day</units></flow>")
    body = body.replace('<flow name="home"/>', '<flow name="home"><units>bed/day</units></flow>')
    body = body.replace("<leak/>", "<units>bed/day</units><leak/>")
    more = '<aux name="stay"><eqn>4</eqn><units>day</units></aux><aux name="risk"><eqn>0.1</eqn><units>{}</units></aux>'
    model = load(body + more.format("1"))
    assert [str(item) for item in check(model) if item.rule in ("units", "missing-equation")] == []
    wrong = load(body + more.format("bed"))
    assert [item.element for item in check(wrong) if item.rule == "units"] == ["deaths"]
    assert causes(model)["deaths"] == ("risk", "ward", "stay")
    assert causes(model)["home"] == ("ward", "stay")
