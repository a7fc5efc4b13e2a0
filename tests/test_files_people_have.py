"""Small model files written as their makers write them, with what each must come to: by hand, by conservation, or by a
plain integration written out here."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

import flowreform as fr
from flowreform.errors import Level

CONTROLS = "".join(
    f"{name} = {value} ~ Month ~ |\n"
    for name, value in (("INITIAL TIME", 0), ("FINAL TIME", 10), ("TIME STEP", 1), ("SAVEPER", "TIME STEP"))
)
STELLA = """<xmile version="1.0" xmlns="http://docs.oasis-open.org/xmile/ns/XMILE/v1.0">
<header><vendor>isee systems, inc.</vendor><product>Stella</product></header>
<sim_specs method="Euler" time_units="Months"><start>0</start><stop>4</stop><dt>1</dt></sim_specs>
{dimensions}{models}</xmile>
"""


def vensim(folder: Path, text: str, *, engine: str = "python") -> dict[str, np.ndarray]:
    """The series of each variable, time last but for elements."""
    path = folder / "model.mdl"
    path.write_text(f"{{UTF-8}}\n{text}\n{CONTROLS}", encoding="utf-8")
    return run(path, engine)


def stella(folder: Path, models: str, dimensions: str = "", *, engine: str = "python") -> dict[str, np.ndarray]:
    path = folder / "model.stmx"
    path.write_text(STELLA.format(models=models, dimensions=dimensions), encoding="utf-8")
    return run(path, engine)


def run(path: Path, engine: str) -> dict[str, np.ndarray]:
    ds = fr.simulate(fr.read_model(path), engine=engine)
    assert not bool(ds["failed"].any())
    series = [name for name in ds.data_vars if ds[name].dtype.kind == "f" and ds[name].dims[:2] == ("run", "time")]
    return {str(name): ds[name].values[0] for name in series}


engines = pytest.mark.parametrize("engine", ["python", "numba"])


@engines
def test_connections_that_stella_lists_in_both_modules(tmp_path: Path, engine: str) -> None:
    both = '<connect to="Clinic.referrals" from="Ward.leaving"/><connect to="Ward.arrivals" from="Clinic.sent"/>'
    models = f"""<model><variables><module name="Ward">{both}</module><module name="Clinic">{both}</module></variables></model>"""
    models += """<model name="Ward"><variables>
    <stock name="inpatients"><eqn>100</eqn><inflow>admit</inflow><outflow>leaving</outflow></stock>
    <flow name="admit"><eqn>arrivals</eqn></flow><flow name="leaving" access="output"><eqn>inpatients/10</eqn></flow>
    <aux name="arrivals" access="input"><eqn>0</eqn></aux></variables></model>
    <model name="Clinic"><variables>
    <stock name="caseload"><eqn>40</eqn><inflow>start</inflow><outflow>sent</outflow></stock>
    <flow name="start"><eqn>referrals</eqn></flow><flow name="sent" access="output"><eqn>caseload/20</eqn></flow>
    <aux name="referrals" access="input"><eqn>0</eqn></aux></variables></model>"""
    found = stella(tmp_path, models, engine=engine)
    ward, clinic = [100.0], [40.0]
    for _ in range(4):
        out, back = ward[-1] / 10, clinic[-1] / 20
        ward.append(ward[-1] + back - out)
        clinic.append(clinic[-1] + out - back)
    assert found["ward.inpatients"] == pytest.approx(ward, rel=1e-12)
    assert found["clinic.caseload"] == pytest.approx(clinic, rel=1e-12)
    assert found["ward.inpatients"] + found["clinic.caseload"] == pytest.approx(140.0, rel=1e-12)  # nobody is lost between them


def test_an_output_connected_to_a_variable_around_the_module(tmp_path: Path) -> None:
    models = """<model><variables><module name="Ward"><connect to="seen" from="Ward.level"/></module>
    <aux name="seen" access="input"><eqn>0</eqn></aux><aux name="twice"><eqn>2*seen</eqn></aux></variables></model>
    <model name="Ward"><variables><aux name="level" access="output"><eqn>7</eqn></aux></variables></model>"""
    assert stella(tmp_path, models)["twice"].tolist() == [14.0] * 5


def test_two_sources_for_one_input_are_refused(tmp_path: Path) -> None:
    models = """<model><variables><module name="Ward"><connect to="x" from="a"/></module><module name="Clinic">
    <connect to="Ward.x" from="b"/></module><aux name="a"><eqn>1</eqn></aux><aux name="b"><eqn>2</eqn></aux></variables></model>
    <model name="Ward"><variables><aux name="x" access="input"/></variables></model>
    <model name="Clinic"><variables><aux name="y"><eqn>1</eqn></aux></variables></model>"""
    with pytest.raises(fr.ModelError, match="two sources"):
        stella(tmp_path, models)


@engines
def test_apostrophes_in_names_that_stella_writes_without_quotes(tmp_path: Path, engine: str) -> None:
    models = """<model><variables><aux name="ward's beds"><eqn>20</eqn></aux>
    <stock name="open beds"><eqn>Ward's_Beds</eqn><inflow>opening</inflow></stock>
    <flow name="opening"><eqn>2</eqn></flow></variables></model>"""
    assert stella(tmp_path, models, engine=engine)["open_beds"].tolist() == [20.0, 22.0, 24.0, 26.0, 28.0]
    with pytest.raises(fr.ModelError, match="transposing"):
        stella(tmp_path, "<model><variables><aux name='x'><eqn>a'*b</eqn></aux></variables></model>")


@engines
def test_the_size_of_a_dimension_by_its_name(tmp_path: Path, engine: str) -> None:
    dimensions = "<dimensions><dim name='Ward'><elem name='N'/><elem name='S'/><elem name='E'/></dim></dimensions>"
    models = """<model><variables><aux name="wards"><eqn>SIZE(Ward)</eqn></aux>
    <aux name="beds"><dimensions><dim name="Ward"/></dimensions><eqn>10*SIZE(Ward)+Ward</eqn></aux></variables></model>"""
    found = stella(tmp_path, models, dimensions, engine=engine)
    assert found["wards"][0] == 3.0
    assert found["beds"][0].tolist() == [31.0, 32.0, 33.0]


@engines
def test_a_sample_that_reads_itself_is_a_running_maximum(tmp_path: Path, engine: str) -> None:
    level = 5 + 3 * np.sin(np.arange(11.0))
    text = "level = 5 + 3*SIN(Time) ~ ~ |\ntop = SAMPLE IF TRUE(level > top, level, 4) ~ ~ |"
    expected = np.maximum.accumulate(np.r_[4.0, level])[1:]
    assert vensim(tmp_path, text, engine=engine)["top"] == pytest.approx(expected, rel=1e-15)
    macro = ":MACRO: HIGHEST(v)\nHIGHEST = SAMPLE IF TRUE(v > HIGHEST, v, v) ~ ~ |\n:END OF MACRO:\n"
    found = vensim(tmp_path, f"{macro}level = 5 + 3*SIN(Time) ~ ~ |\ntop = HIGHEST(level) ~ ~ |", engine=engine)["top"]
    assert found == pytest.approx(np.maximum.accumulate(level), rel=1e-15)


@engines
def test_a_macro_may_name_its_own_result(tmp_path: Path, engine: str) -> None:
    macro = ":MACRO: FOLLOW(aim, lag)\nFOLLOW = INTEG((aim-FOLLOW)/lag, aim) ~ ~ |\n:END OF MACRO:\n"
    found = vensim(tmp_path, f"{macro}goal = 10 + STEP(5, 2) ~ ~ |\nseen = FOLLOW(goal, 4) ~ ~ |", engine=engine)["seen"]
    expected = [10.0]
    for step in range(10):
        expected.append(expected[-1] + ((15.0 if step >= 2 else 10.0) - expected[-1]) / 4)
    assert found == pytest.approx(expected, rel=1e-14)


@engines
def test_an_order_that_a_macro_is_given_as_an_expression_of_constants(tmp_path: Path, engine: str) -> None:
    macro = ":MACRO: LATE(inp, tau, start, ord)\nLATE = DELAY N(inp, tau, start, ord) ~ ~ |\n:END OF MACRO:\n"
    outer = ":MACRO: LATER(inp, ord)\nLATER = LATE(inp, 6, inp, ord + 1) ~ ~ |\n:END OF MACRO:\n"
    text = "steps = 3 ~ ~ |\nin = 10 + STEP(5, 2) ~ ~ |\na = LATER(in, MAX(1, steps) - 1) ~ ~ |\nb = DELAY N(in, 6, in, 3) ~ ~ |"
    found = vensim(tmp_path, macro + outer + text, engine=engine)
    assert found["a"].tolist() == found["b"].tolist()
    assert found["a"][-1] > 10.0


@engines
def test_old_lookups_list_all_x_before_all_y(tmp_path: Path, engine: str) -> None:
    found = vensim(tmp_path, "Effect(0,1,2,4, 0,10,15,18) ~ ~ |\nresult = Effect(Time/2) ~ ~ |", engine=engine)["result"]
    assert found == pytest.approx(np.interp(np.arange(11) / 2, [0, 1, 2, 4], [0, 10, 15, 18]), rel=1e-14)


@engines
def test_a_step_in_a_lookup(tmp_path: Path, engine: str) -> None:
    found = vensim(tmp_path, "Ramp((0,0),(4,4),(4,9),(8,9)) ~ ~ |\nresult = Ramp(Time) ~ ~ |", engine=engine)["result"]
    assert found[:7].tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 9.0, 9.0]
    assert math.isfinite(float(found[4]))


def levels(path: Path, rule: str) -> list[Level]:
    return [finding.level for finding in fr.check(fr.read_model(path)) if finding.rule == rule]


def test_a_range_in_vensim_is_that_of_a_slider(tmp_path: Path) -> None:
    path = tmp_path / "model.mdl"
    path.write_text(f"{{UTF-8}}\nlast year = 2013 ~ year [1900,2006] ~ |\n{CONTROLS}", encoding="utf-8")
    assert levels(path, "outside-range") == [Level.WARNING]


def test_radians_are_a_unit_of_angles(tmp_path: Path) -> None:
    path = tmp_path / "model.mdl"
    path.write_text(f"{{UTF-8}}\nphase = 0.5 ~ radians ~ |\nwave = SIN(phase) ~ Dmnl ~ |\n{CONTROLS}", encoding="utf-8")
    assert levels(path, "units") == []


# --- XMILE as exporters of Vensim's models write it ------------------------------------------------------------------

EXPORTED = """<?xml version="1.0" encoding="utf-8"?>
<!-- --- exported -- by another program --- -->
<xmile version="1.0" xmlns="http://docs.oasis-open.org/xmile/ns/XMILE/v1.0">
<header><vendor>t</vendor><product>t</product></header>
<sim_specs method="Euler" time_units="Month"><start> 0</start><stop> 4</stop><dt> TIME_STEP=1</dt></sim_specs>
<dimensions><dim name="Region"><elem name="n"/><elem name="s"/></dim><dim name="Age"><elem name="young"/><elem name="old"/></dim>
<dim name="Part"><elem name="s"/></dim></dimensions>
<model><variables>{variables}</variables></model></xmile>"""


def exported(folder: Path, variables: str) -> dict[str, np.ndarray]:
    path = folder / "model.xmile"
    path.write_text(EXPORTED.format(variables=variables), encoding="utf-8")
    return run(path, "python")


def test_lists_of_numbers_steps_in_graphs_and_a_step_that_is_an_equation(tmp_path: Path) -> None:
    both = '<dimensions><dim name="Region"/><dim name="Age"/></dimensions>'
    found = exported(
        tmp_path,
        f'<aux name="share">{both}<eqn>\n0.01,0.1;0.05,0.05;\t</eqn></aux>'
        '<aux name="y"><eqn>TIME</eqn><gf><xpts>0,2,2,4</xpts><ypts>1,1,5,5</ypts></gf></aux>',
    )
    assert found["share"][0].tolist() == [[0.01, 0.1], [0.05, 0.05]]
    assert found["y"].tolist() == [1, 1, 1, 5, 5]  # at the step the first of two values holds, as in Vensim


def test_names_of_several_words_colons_and_whole_subranges(tmp_path: Path) -> None:
    found = exported(
        tmp_path,
        '<aux name="beds in use"><eqn>3</eqn></aux><aux name="beds"><eqn>4</eqn></aux>'
        '<aux name="both"><eqn>IF (beds in use > 2 :AND: beds > 3) THEN 2 * beds in use + beds ELSE :NA:</eqn></aux>'
        '<aux name="places"><dimensions><dim name="Region"/></dimensions><element subscript="n"><eqn>5</eqn></element>'
        '<element subscript="s"><eqn>7</eqn></element></aux><aux name="south"><eqn>SUM(places[*:Part])</eqn></aux>'
        '<aux name="kept"><eqn>SAMPLE IF TRUE(TIME >= 2, TIME, 9)</eqn></aux>',
    )
    assert (found["both"][0], found["south"][0]) == (10.0, 7.0)
    assert found["kept"].tolist() == [9, 9, 2, 3, 4]


def test_a_name_that_is_two_names_is_still_two_names(tmp_path: Path) -> None:
    with pytest.raises(fr.errors.ModelError, match="two names in a row"):
        exported(tmp_path, '<aux name="a b"><eqn>1</eqn></aux><aux name="c"><eqn>a c</eqn></aux>')


def test_a_macro_that_is_called_like_a_built_in_it_uses(tmp_path: Path) -> None:
    """INIT(x) = INITIAL(x): the macro is not its own definition."""
    found = vensim(tmp_path, ":MACRO: INIT(x)\nINIT = INITIAL(x) ~~|\n:END OF MACRO:\ny = INIT(Time + 7) ~~|\n")
    assert found["y"].tolist() == [7.0] * 11
