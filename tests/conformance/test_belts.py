"""Conveyors that keep things out, stand still, change their length, leak exponentially or take whole units, and queues: beside
pysimlin, beside closed forms, and both engines to the last bit."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from flowreform import read_model, simulate
from flowreform.checks import check
from flowreform.engine.witness import compare, run_simlin
from flowreform.errors import ModelError
from flowreform.formats.writer import plain, write_model
from flowreform.model import Model, Role, causes

sys.path.insert(0, str(Path(__file__).parent))
from test_conveyors import _FILE, DEATHS, WAVE, leak, series, ward

Load = Callable[..., Model]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def loaded(body: str, *, stop: float = 12, dt: float = 1, method: str = "euler", outside: str = "") -> Model:
        path = tmp_path / "belts.xmile"
        path.write_text(_FILE.format(body=body, stop=stop, dt=dt, method=method, outside=outside), encoding="utf-8")
        return read_model(path)

    return loaded


def belt(inside: str = "", attributes: str = "", **more: str) -> str:
    """A ward with something more in its `<conveyor>`."""
    return ward(inside=inside, **more).replace("<conveyor>", f"<conveyor {attributes}>")


OVERFLOW = "<outflow>elsewhere</outflow>", '<flow name="elsewhere"><overflow/></flow>'


def clinic(inflow: str, start: str = "5", inside: str = "", attributes: str = "", length: str = "3", over: bool = False) -> str:
    """People wait for a clinic that takes as many as it has room for."""
    outflow, flow = OVERFLOW if over else ("", "")
    return (
        f'<stock name="Waiting"><eqn>{start}</eqn><inflow>referrals</inflow><outflow>seen</outflow>{outflow}<queue/></stock>'
        f'<flow name="referrals"><eqn>{inflow}</eqn></flow><flow name="seen"/>{flow}'
        f'<stock name="Clinic"><eqn>0</eqn><inflow>seen</inflow><outflow>leave</outflow>'
        f'<conveyor discrete="true" {attributes}><len>{length}</len>{inside}</conveyor></stock><flow name="leave"/>'
    )


TWO_INFLOWS = "<inflow>admissions</inflow><inflow>transfers</inflow>"
TRANSFERS = '<flow name="transfers"><eqn>2 + COS(TIME)</eqn></flow>'
LEAKY = {"outflows": DEATHS, "leaks": leak("0.1")}
TWO_LEAKS = {"outflows": DEATHS + "<outflow>moves</outflow>", "leaks": leak("0.1") + leak("0.05", "moves")}
ZONED = {
    "outflows": DEATHS + "<outflow>moves</outflow>",
    "leaks": leak("0.2", zone='leak_start="0" leak_end="0.5"') + leak("0.1", "moves", 'leak_start="0.25" leak_end="1"'),
}
STOPS = "<arrest>IF TIME &gt; 3.2 AND TIME &lt; 6.1 THEN 1 ELSE 0</arrest>"

WITNESSED = {
    "a limit on the content": belt("<capacity>10</capacity>", inflow="3 + TIME"),
    "a limit on the content that changes": belt("<capacity>20 - TIME</capacity>", inflow=WAVE, start="40"),
    "a limit on the content and leaks": belt("<capacity>15</capacity>", inflow=WAVE, start="10", **LEAKY),
    "a limit on the inflow": belt("<in_limit>5</in_limit>", inflow="3 + TIME"),
    "both limits": belt("<capacity>12</capacity><in_limit>4</in_limit>", inflow=WAVE, start="6"),
    "two inflows share the room": belt("<capacity>9</capacity>", inflow=WAVE, more=TRANSFERS).replace(
        "<inflow>admissions</inflow>", TWO_INFLOWS
    ),
    "arrest": belt(STOPS, inflow="3 + TIME", start="8"),
    "arrest and linear leaks": belt(STOPS, inflow="3 + TIME", start="8", **LEAKY),
    "arrest and a limit": belt(STOPS + "<capacity>12</capacity>", inflow=WAVE, start="8"),
    "a shorter transit time": belt(inflow="3 + TIME", start="8", length="IF TIME &gt; 3 THEN 2 ELSE 4"),
    "a longer transit time": belt(inflow="3 + TIME", start="8", length="IF TIME &gt; 3 THEN 6 ELSE 4"),
    "a transit time that swings": belt(inflow=WAVE, start="30", length="4 + 2 * SIN(TIME)"),
    "a transit time that swings, with leaks": belt(inflow=WAVE, start="30", length="4 + 2 * SIN(TIME)", **TWO_LEAKS),
    "sampled": belt("<sample>IF TIME = 5 THEN 1 ELSE 0</sample>", inflow="3 + TIME", length="4 - TIME / 4"),
    "sampled, and arrested": belt(
        "<sample>IF TIME = 5 OR TIME = 9 THEN 1 ELSE 0</sample>" + STOPS, inflow="3 + TIME", length="4 - TIME / 4"
    ),
    "an exponential leak": belt(attributes='exponential_leak="true"', inflow=WAVE, start="40", **LEAKY),
    "two exponential leaks": belt(attributes='exponential_leak="true"', inflow=WAVE, start="40", **TWO_LEAKS),
    "exponential leaks with zones": belt(attributes='exponential_leak="true"', inflow=WAVE, start="40", **ZONED),
    "exponential leaks and arrest": belt(STOPS, attributes='exponential_leak="true"', inflow=WAVE, start="40", **TWO_LEAKS),
    "a shorter transit time and exponential leaks": belt(
        attributes='exponential_leak="true"', inflow=WAVE, start="30", length="4 + 2 * SIN(TIME)", **TWO_LEAKS
    ),
    "whole units": belt(attributes='discrete="true"', inflow="1.4 + SIN(TIME)"),
    "whole units and a limit": belt("<capacity>3.5</capacity>", attributes='discrete="true"', inflow="1.7"),
    "whole units and a limit on the inflow": belt("<in_limit>2.5</in_limit>", attributes='discrete="true"', inflow="1.7 * TIME"),
    "whole units on a full belt": belt(attributes='discrete="true"', inflow="1.7", start="12"),
    "one belt into a limited one": belt("<capacity>3</capacity>", inflow="back", start="8", more="").replace(
        '<flow name="admissions"><eqn>back</eqn></flow>',
        '<stock name="Home care"><eqn>20</eqn><outflow>admissions</outflow><conveyor><len>2</len></conveyor></stock>'
        '<flow name="admissions"/>',
    ),
    "a queue that nothing holds up": '<stock name="Q"><eqn>5</eqn><inflow>a</inflow><outflow>b</outflow><queue/></stock>'
    '<flow name="a"><eqn>3 + TIME</eqn></flow><flow name="b"/>',
    "a queue, one batch a step": clinic("3", inside="<capacity>4</capacity>"),
    "a queue with steps in which nobody comes": clinic(
        "IF TIME MOD 3 = 0 THEN 3 ELSE 0", start="10", inside="<capacity>4</capacity>", length="1"
    ),
    "a queue, all batches": clinic("3", inside="<capacity>4</capacity>", attributes='one_at_a_time="false"'),
    "a queue of fractions": clinic("1.3", start="0", inside="<capacity>2.5</capacity>"),
    "a queue and a limit on the inflow": clinic("4 + TIME", start="0", inside="<in_limit>2.5</in_limit>"),
    "batches that stay whole": clinic("2 + TIME MOD 3", inside="<capacity>9</capacity>", attributes='batch_integrity="true"'),
    "a queue that overflows": clinic("3", inside="<capacity>4</capacity>", over=True),
    "a queue that overflows, all batches": clinic(
        "3", inside="<capacity>4</capacity>", attributes='one_at_a_time="false"', over=True
    ),
    "a queue that overflows past a limit on the inflow": clinic("3", inside="<in_limit>2</in_limit>", over=True),
    "whole batches that overflow": clinic(
        "2 + TIME MOD 3", inside="<capacity>7</capacity>", attributes='batch_integrity="true"', over=True
    ),
    "a queue before a belt that stops": clinic("3", inside=STOPS + "<capacity>8</capacity>", over=True),
}


@pytest.mark.requires("pysimlin")
@pytest.mark.parametrize("dt", [1.0, 0.5])
@pytest.mark.parametrize("name", WITNESSED)
def test_belts_and_queues_are_those_of_pysimlin(load: Load, name: str, dt: float) -> None:
    model = load(WITNESSED[name], dt=dt)
    assert model.path is not None
    ours, theirs = series(model), run_simlin(model.path, {}, model=model).values
    found = compare(ours, {key: values.squeeze() for key, values in theirs.items()})
    assert len(found) >= 2
    assert max(found.values()) < 1e-9, found


SOME = ("both limits", "exponential leaks with zones", "whole units and a limit", "a queue that overflows")


def same_bits(model: Model) -> None:
    found, again = series(model), series(model, "numba")
    for variable, values in found.items():
        np.testing.assert_array_equal(values, again[variable], err_msg=variable)


@pytest.mark.parametrize("name", SOME)
def test_the_engines_agree_to_the_last_bit(load: Load, name: str) -> None:
    same_bits(load(WITNESSED[name], dt=0.5))


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(WITNESSED) - set(SOME)))
def test_the_engines_agree_to_the_last_bit_on_all_the_rest(load: Load, name: str) -> None:
    same_bits(load(WITNESSED[name], dt=0.5))


@pytest.mark.parametrize("name", WITNESSED)
def test_nothing_is_lost(load: Load, name: str) -> None:
    """What is there is what was there, with what came in and less what went out."""
    model = load(WITNESSED[name], dt=0.5)
    found = series(model)
    for stock in model.stocks.values():
        change = sum(found[flow] for flow in stock.inflows) - sum(found[flow] for flow in stock.outflows)
        np.testing.assert_allclose(
            np.diff(found[stock.name]), 0.5 * np.broadcast_to(change, found[stock.name].shape)[:-1], atol=1e-9
        )
        assert found[stock.name].min() >= -1e-9
    for flow in (flow for stock in model.stocks.values() for flow in (*stock.inflows, *stock.outflows)):
        assert np.min(found[flow]) >= -1e-12, flow


@pytest.mark.parametrize("name", WITNESSED)
def test_belts_and_queues_are_written_as_they_were_read(load: Load, name: str, tmp_path: Path) -> None:
    model = load(WITNESSED[name])
    again = read_model(write_model(model, tmp_path / "again.xmile"))
    assert plain(again).variables == plain(model).variables


# --- closed forms ----------------------------------------------------------------------------------------------------


def test_a_full_belt_lets_in_what_leaves(load: Load) -> None:
    """A limit of 12 on a stay of 4 days lets 3 a day through, however many come; the rest wait in the stock before it."""
    body = ward("Waiting / DT", inside="<capacity>12</capacity>").replace(
        '<stock name="Ward">',
        '<stock name="Waiting"><eqn>100</eqn><inflow>come</inflow><outflow>admissions</outflow></stock>'
        '<flow name="come"><eqn>5</eqn></flow><stock name="Ward">',
    )
    found = series(load(body, stop=40))
    assert found["ward"].max() == 12.0
    np.testing.assert_allclose(np.add.reduceat(found["home"][4:40], np.arange(0, 36, 4)), 12.0, rtol=1e-12)
    np.testing.assert_allclose(
        found["waiting"] + found["ward"] + np.append(0, np.cumsum(found["home"])[:-1]), 100 + 5 * np.arange(41)
    )


@pytest.mark.parametrize("dt", [1.0, 0.25])
def test_an_exponential_leak_in_balance(load: Load, dt: float) -> None:
    """With inflow q, share f a day and k places: home = q (1 - f dt)^k, content = q dt (1 - (1 - f dt)^k) / (f dt)."""
    body = belt(attributes='exponential_leak="true"', inflow="10", outflows=DEATHS, leaks=leak("0.2"))
    found = series(load(body, dt=dt))
    kept = (1 - 0.2 * dt) ** (4 / dt)
    assert found["home"][-1] == pytest.approx(10 * kept, rel=1e-12)
    assert found["ward"][-1] == pytest.approx(10 * (1 - kept) / 0.2, rel=1e-12)
    assert found["deaths"][-1] == pytest.approx(10 * (1 - kept), rel=1e-12)
    again = load(body.replace("<eqn>0</eqn>", f"<eqn>{10 * (1 - kept) / 0.2!r}</eqn>", 1), dt=dt)
    np.testing.assert_allclose(series(again)["ward"], found["ward"][-1], rtol=1e-12)  # and from there nothing moves


def test_a_belt_that_stands_still_is_late_by_as_long(load: Load) -> None:
    stopped = series(load(belt("<arrest>IF TIME &gt;= 5 AND TIME &lt; 8 THEN 1 ELSE 0</arrest>", inflow="7", start="28")))
    np.testing.assert_array_equal(stopped["home"][5:8], 0.0)
    np.testing.assert_array_equal(np.delete(stopped["home"], [5, 6, 7]), 7.0)
    np.testing.assert_allclose(stopped["ward"], 28.0)


def test_what_is_under_way_keeps_its_transit_time(load: Load) -> None:
    """10 enter on day 1 for 6 days and 4 on day 3 for 2: the later ones are out first."""
    inflow = "IF TIME = 1 THEN 10 ELSE IF TIME = 3 THEN 4 ELSE 0"
    found = series(load(belt(inflow=inflow, length="IF TIME &lt; 2 THEN 6 ELSE 2")))
    expected = np.zeros(13)
    expected[7], expected[5] = 10.0, 4.0
    np.testing.assert_array_equal(found["home"], expected)


def test_every_run_has_limits_of_its_own(load: Load) -> None:
    more = '<aux name="beds"><eqn>12</eqn></aux><aux name="risk"><eqn>0.1</eqn></aux><aux name="stay"><eqn>4</eqn></aux>'
    body = belt("<capacity>beds</capacity>", inflow="5", length="stay", outflows=DEATHS, leaks=leak("risk"), more=more)
    model = load(body.replace("<conveyor >", '<conveyor exponential_leak="true">'))
    together = simulate(model, {"beds": [6.0, 12.0, 100.0], "risk": [0.0, 0.2, 0.4], "stay": [2.0, 4.0, 7.0]}, engine="numba")
    for run, (beds, risk, stay) in enumerate([(6.0, 0.0, 2.0), (12.0, 0.2, 4.0), (100.0, 0.4, 7.0)]):
        alone = simulate(model, {"beds": beds, "risk": risk, "stay": stay}, engine="python")
        for name in ("ward", "home", "deaths", "admissions"):
            np.testing.assert_array_equal(together[name].values[run], alone[name].values[0])
    assert together["ward"].values[0].max() <= 6.0


def test_arrays_have_queues_and_limits_for_every_element(load: Load) -> None:
    dims = '<dimensions><dim name="d"><elem name="a"/><elem name="b"/></dim></dimensions>'
    inner = '<dimensions><dim name="d"/></dimensions>'
    body = clinic("3", inside="<capacity>room[d]</capacity>", over=True)
    body = body.replace('"><eqn>', f'">{inner}<eqn>').replace('<flow name="seen"/>', f'<flow name="seen">{inner}</flow>')
    body = body.replace('<flow name="elsewhere">', f'<flow name="elsewhere">{inner}').replace(
        '<flow name="leave"/>', f'<flow name="leave">{inner}</flow>'
    )
    each = '<element subscript="a"><eqn>4</eqn></element><element subscript="b"><eqn>7</eqn></element>'
    body += f'<aux name="room">{inner}{each}</aux>'
    found = series(load(body, outside=dims))
    for element, room in enumerate(("4", "7")):
        alone = series(load(clinic("3", inside=f"<capacity>{room}</capacity>", over=True)))
        for name in ("waiting", "clinic", "seen", "leave", "elsewhere"):
            np.testing.assert_array_equal(found[name][:, element], alone[name])


def test_what_acts_on_a_flow_is_told(load: Load) -> None:
    more = '<aux name="beds"><eqn>4</eqn></aux>'
    model = load(clinic("3", inside="<capacity>beds</capacity>", over=True) + more)
    graph = causes(model)
    assert graph["seen"] == ("waiting", "referrals", "beds", "clinic")
    assert graph["elsewhere"] == ("waiting", "referrals")
    assert model["Waiting"].queue
    assert model["elsewhere"].overflow
    assert model["seen"].role is Role.FLOW
    assert model["seen"].text == "waiting / dt"


def test_units_of_an_exponential_leak(load: Load) -> None:
    """Its equation is a share a unit of time, that of a linear one a share."""
    body = belt(attributes='exponential_leak="true"', inflow="3", outflows=DEATHS, leaks=leak("risk"))
    body = body.replace("<inflow>", "<units>bed</units><inflow>").replace(
        "<eqn>risk</eqn>", "<eqn>risk</eqn><units>bed/day</units>"
    )
    for units, wrong in (("1/day", []), ("1", ["deaths"])):
        model = load(body + f'<aux name="risk"><eqn>0.1</eqn><units>{units}</units></aux>')
        assert [item.element for item in check(model) if item.rule == "units"] == wrong


# --- refusals --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "options", "reason"),
    [
        (clinic("3").replace('discrete="true"', ""), {}, "enters a conveyor that is not discrete"),
        (
            clinic("3", attributes='one_at_a_time="false" batch_integrity="true"', inside="<capacity>4</capacity>"),
            {},
            "takes several batches a step and keeps each whole",
        ),
        (clinic("3"), {"method": "rk4"}, "moves by whole steps"),
        (clinic("3").replace("<queue/>", "<queue/><conveyor><len>2</len></conveyor>"), {}, "a conveyor or a queue, not both"),
        (clinic("3").replace("<outflow>seen</outflow>", ""), {}, "the queue has no outflow"),
        (clinic("3") + '<flow name="spill"><eqn>1</eqn><overflow/></flow>', {}, "no outflow of a queue"),
        (clinic("3", over=True).replace("<overflow/>", ""), {}, "a second outflow of a queue that waits for a conveyor"),
        (clinic("3").replace("<inflow>seen</inflow>", "<inflow>seen</inflow><inflow>walk</inflow>")
         + '<flow name="walk"><eqn>1</eqn></flow>', {}, "a conveyor fed by a queue takes nothing else in"),
        (clinic("3"), {"dt": 0.002, "stop": 20}, "the queue may hold 10,002 batches"),
        (belt(STOPS, inflow="1", length="TIME + 1"), {"dt": 0.001, "stop": 20}, "the belt has 20,001 places"),
        (belt(attributes='discrete="maybe"', inflow="1"), {}, "discrete is neither true nor false"),
        (belt(inflow="1", length="4 + TIME", **ZONED), {}, "has a zone on a conveyor whose transit time changes"),
        (belt(attributes='discrete="true"', inflow="1", **LEAKY), {"dt": 0.5}, "leaks of a discrete conveyor with a dt"),
        (belt("<speed>2</speed>", inflow="1"), {}, "<speed> of a conveyor is not supported"),
        (WITNESSED["one belt into a limited one"].replace("<capacity>3</capacity>", STOPS), {}, "can be arrested"),
    ],
)  # fmt: skip
def test_what_is_refused(load: Load, body: str, options: dict[str, float], reason: str) -> None:
    with pytest.raises(ModelError) as caught:
        simulate(load(body, **options))
    assert any(reason in finding.reason and finding.repair for finding in caught.value.findings), caught.value
