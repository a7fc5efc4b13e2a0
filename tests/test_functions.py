"""Functions of Vensim and Stella against closed forms, and the table of docs/functions.md against what a model is told."""

from __future__ import annotations

import contextlib
import math
import re
from pathlib import Path

import numpy as np
import pytest

import flowreform as fr
from flowreform import builtins
from flowreform.builtins import Kind
from flowreform.errors import ModelError

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
    found = stella(tmp_path, engine, x="TIME^2", first="DERIVN(x, 1)", second="DERIVN(x, 2)", itself="DERIVN(x, 0)")
    x = TIME**2
    assert found["itself"].tolist() == x.tolist()
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


@engines
@pytest.mark.parametrize("method", ["Euler", "RK4"])
def test_the_area_under_a_graph(tmp_path: Path, engine: str, method: str) -> None:
    """Against the integral of the same straight lines, taken strip by strip. Vensim's lookup holds its ends beyond its points,
    Stella's graph counts for nothing there, and takes its ends in either order."""
    knots, heights = [1.0, 2.0, 5.0, 6.5], [4.0, 0.0, 6.0, 6.0]
    graph = (
        '<gf name="g"><xpts>1,2,5,6.5</xpts><ypts>4,0,6,6</ypts></gf><aux name="up"><eqn>LOOKUPAREA(g, TIME)</eqn></aux>'
        '<aux name="part"><eqn>LOOKUPAREA(g, 8 - TIME, TIME + 0.25)</eqn></aux><aux name="all"><eqn>LOOKUPAREA(g)</eqn></aux>'
        '<aux name="between"><eqn>LOOKUP_AREA(g, 8 - TIME, TIME + 0.25)</eqn></aux>'
    )
    path = tmp_path / "m.xmile"
    path.write_text(XMILE.format(variables=graph).replace("Euler", method), encoding="utf-8")
    ds = fr.simulate(fr.read_model(path), engine=engine)
    fine = np.linspace(-1.0, 10.0, 11_000 * 2 + 1)
    height = np.interp(fine, knots, heights)
    whole = np.r_[0.0, np.cumsum((height[1:] + height[:-1]) / 2 * np.diff(fine))]

    def area(low: float, high: float) -> float:
        return float(np.interp(high, fine, whole) - np.interp(low, fine, whole))

    def inside(*ends: float) -> list[float]:
        return sorted(min(max(end, knots[0]), knots[-1]) for end in ends)

    assert ds["up"].values[0] == pytest.approx([area(*inside(knots[0], t)) for t in TIME], abs=1e-9)
    assert ds["part"].values[0] == pytest.approx([area(*inside(8.0 - t, t + 0.25)) for t in TIME], abs=1e-9)
    assert ds["all"].values[0] == pytest.approx([area(knots[0], knots[-1])] * len(TIME), abs=1e-9)
    assert ds["between"].values[0] == pytest.approx([area(8.0 - t, t + 0.25) for t in TIME], abs=1e-9)


@engines
def test_the_slope_of_a_lookup(tmp_path: Path, engine: str) -> None:
    """Vensim's help: 1 and 0.5 between points, 0.75 where they meet; beyond the points 0, the nearest line, or nothing."""
    lines = ["f((0,0),(1,1),(3,2)) ~~|", "jump((0,0),(1,1),(1,2),(3,2)) ~~|"]
    lines += [f"{name} = LOOKUP SLOPE(f, Time - 1, {mode}) ~~|" for name, mode in (("flat", 0), ("on", 1), ("none", -1))]
    lines += [
        "at jump = LOOKUP SLOPE(jump, Time - 1, 0) ~~|",
        "INITIAL TIME = 0 ~~|",
        "FINAL TIME = 5 ~~|",
        "TIME STEP = 0.5 ~~|",
    ]
    (tmp_path / "m.mdl").write_text("\n".join(["{UTF-8}", *lines, "SAVEPER = TIME STEP ~~|"]), encoding="utf-8")
    ds = fr.simulate(fr.read_model(tmp_path / "m.mdl"), engine=engine)
    inside = [1.0, 1.0, 0.75, 0.5, 0.5, 0.5, 0.5]
    assert ds["flat"].values[0].tolist() == [0.0, 0.0, *inside, 0.0, 0.0]
    assert ds["on"].values[0].tolist() == [1.0, 1.0, *inside, 0.5, 0.5]
    assert ds["none"].values[0].tolist() == pytest.approx([np.nan] * 2 + inside + [np.nan] * 2, nan_ok=True)
    assert ds["at_jump"].values[0].tolist() == pytest.approx([0, 0, 1, 1, np.nan, 0, 0, 0, 0, 0, 0], nan_ok=True)
    assert not ds["failed"].values.any()


def test_an_area_is_taken_under_lines_that_end(tmp_path: Path) -> None:
    graph = '<gf name="g" type="discrete"><xscale min="0" max="2"/><ypts>4,0,6</ypts></gf>'
    graph += '<aux name="a"><eqn>LOOKUPAREA(g, 1)</eqn></aux>'
    path = tmp_path / "m.xmile"
    path.write_text(XMILE.format(variables=graph), encoding="utf-8")
    with pytest.raises(fr.ModelError, match="under straight lines"):
        fr.simulate(fr.read_model(path))


@engines
def test_money_over_periods_as_spreadsheets_have_it(tmp_path: Path, engine: str) -> None:
    """A loan of 10,000 over 36 months at 1 per cent a month, paid off month by month; and without interest."""
    found = stella(
        tmp_path, engine, paid="PMT(0.01, 36, 10000, 0)", worth="PV(0.01, 36, paid, 0)", later="FV(0.01, 36, paid, 0)",
        left="FV(0.01, 12, paid, 10000)", saved="PMT(0.01, 36, 0, 5000)", once="PV(0.01, 36, 0, 5000)",
        plain="PMT(0, 36, 10000, 800)", heap="FV(0, 36, -10, -5)", now="PV(0, 36, -10, -5)", moving="FV(TIME / 100, 3, -1, 0)",
    )  # fmt: skip
    debt, pot = 10_000.0, 0.0
    payment = -float(found["paid"][0])
    for month in range(36):
        debt = debt * 1.01 - payment
        pot = pot * 1.01 - float(found["saved"][0])
        if month == 11:
            assert found["left"][0] == pytest.approx(-debt, rel=1e-12)
    assert debt == pytest.approx(0.0, abs=1e-7)
    assert pot == pytest.approx(5000.0, rel=1e-12)
    assert found["worth"][0] == pytest.approx(10_000.0, rel=1e-12)
    assert found["later"][0] == pytest.approx(10_000.0 * 1.01**36, rel=1e-12)
    assert found["once"][0] == pytest.approx(-5000.0 / 1.01**36, rel=1e-12)
    assert (found["plain"][0], found["heap"][0], found["now"][0]) == (-300.0, 365.0, 365.0)
    assert found["moving"] == pytest.approx([1 + (1 + r) + (1 + r) ** 2 for r in TIME / 100], rel=1e-12)


@engines
def test_compound_growth_is_so_much_in_a_unit_of_time(tmp_path: Path, engine: str) -> None:
    path = tmp_path / "m.xmile"
    grows = '<stock name="s"><eqn>100</eqn><inflow>f</inflow></stock><flow name="f"><eqn>s * CGROWTH(10)</eqn></flow>'
    path.write_text(XMILE.format(variables=grows), encoding="utf-8")
    found = fr.simulate(fr.read_model(path), engine=engine)["s"].values[0]
    assert found == pytest.approx(100 * 1.1**TIME, rel=1e-12)


@engines
def test_values_between_the_elements_of_an_array(tmp_path: Path, engine: str) -> None:
    text = XMILE.replace(
        "<model>", '<dimensions><dim name="A" size="3"/><dim name="B"><elem name="x"/><elem name="y"/></dim></dimensions><model>'
    )
    cells = "".join(
        f'<element subscript="{a},{b}"><eqn>{v}</eqn></element>'
        for (a, b), v in zip([(1, "x"), (1, "y"), (2, "x"), (2, "y"), (3, "x"), (3, "y")], (1, 5, 2, 9, 7, 3), strict=True)
    )
    variables = (
        '<aux name="one"><dimensions><dim name="A"/></dimensions>'
        + "".join(f'<element subscript="{n}"><eqn>{v}</eqn></element>' for n, v in ((1, 10), (2, 15), (3, 20)))
        + f'</aux><aux name="two"><dimensions><dim name="A"/><dim name="B"/></dimensions>{cells}</aux>'
        '<aux name="p"><eqn>INTERPOLATE(one, 0.75)</eqn></aux><aux name="q"><eqn>INTERPOLATE(one, TIME / 4 - 0.5)</eqn></aux>'
        '<aux name="r"><eqn>INTERPOLATE(two, TIME / 8, 0.25)</eqn></aux>'
    )
    path = tmp_path / "m.xmile"
    path.write_text(text.format(variables=variables), encoding="utf-8")
    ds = fr.simulate(fr.read_model(path), engine=engine)
    assert ds["p"].values[0].tolist() == [17.5] * 17
    assert ds["q"].values[0] == pytest.approx(np.interp(TIME / 4 - 0.5, [0, 0.5, 1], [10, 15, 20]), abs=1e-12)
    rows = [0.75 * x + 0.25 * y for x, y in ((1, 5), (2, 9), (7, 3))]
    assert ds["r"].values[0] == pytest.approx(np.interp(TIME / 8, [0, 0.5, 1], rows), abs=1e-12)
    path.write_text(
        text.format(variables=variables.replace("INTERPOLATE(one, 0.75)", "INTERPOLATE(one, 0.75, 1)")), encoding="utf-8"
    )
    with pytest.raises(fr.ModelError, match="each of the 1 dimensions"):
        fr.simulate(fr.read_model(path))


MODULE = """<model><variables><module name="m" model_name="inner"><connect to="m.used" from="outside"/></module>
<aux name="outside"><eqn>7</eqn></aux></variables></model><model name="inner"><variables><aux name="used" access="input"/>
<aux name="unused"><eqn>2</eqn></aux><aux name="got"><eqn>IF ISMODULEINPUT(used) THEN used ELSE 1</eqn></aux>
<aux name="own"><eqn>IF ISMODULEINPUT(unused) THEN 0 ELSE unused</eqn></aux></variables></model>"""


@engines
def test_a_module_knows_what_is_connected(tmp_path: Path, engine: str) -> None:
    text = re.sub(r"<model>.*</model>", lambda _: MODULE, XMILE, flags=re.DOTALL)
    path = tmp_path / "m.xmile"
    path.write_text(text, encoding="utf-8")
    ds = fr.simulate(fr.read_model(path), engine=engine)
    assert (ds["m.got"].values[0, 0], ds["m.own"].values[0, 0]) == (7.0, 2.0)
    assert stella(tmp_path, engine, x="3", alone="ISMODULEINPUT(x)")["alone"][0] == 0.0


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


# --- vectors, choices and arrays as other programs write them --------------------------------------------------------


LOOKED_UP = (  # mode, x, y of the points (0, 0), (1, 10), (2, 15), worked by hand
    (0, -1.0, 0.0), (0, 0.5, 5.0), (0, 1.5, 12.5), (0, 2.0, 15.0), (0, 9.0, 15.0),
    (3, -1.0, -10.0), (3, 1.5, 12.5), (3, 4.0, 25.0),
    (2, 1.5, 10.0), (2, 1.0, 10.0), (4, 1.5, 15.0), (4, 0.1, 10.0), (4, 9.0, 15.0),
)  # fmt: skip


@pytest.mark.parametrize("engine", ["python", "numba"])
def test_vector_lookup_reads_a_vector_as_points(tmp_path: Path, engine: str) -> None:
    calls = (f"y{at} = VECTOR LOOKUP(ys[one], {x}, 0, 2, {mode}) ~~|\n" for at, (mode, x, _) in enumerate(LOOKED_UP))
    found = vensim(tmp_path, "Where: one, two, three ~~|\nys[Where] = 0, 10, 15 ~~|\n" + "".join(calls), engine)
    for at, (mode, x, expected) in enumerate(LOOKED_UP):
        assert found[f"y{at}"] == pytest.approx(np.full(17, expected)), (mode, x)


def test_vector_lookup_of_another_mode_is_refused(tmp_path: Path) -> None:
    text = "Where: one, two ~~|\nys[Where] = 0, 10 ~~|\ny = VECTOR LOOKUP(ys[one], 1, 0, 2, 5) ~~|\n"
    with pytest.raises(ModelError, match="mode of VECTOR LOOKUP is 0, 2, 3 or 4"):
        vensim(tmp_path, text, "python")


def test_the_inverse_of_a_matrix_over_two_names_of_one_range(tmp_path: Path) -> None:
    """Rows and columns named alike, as input and output tables write them: x times its inverse is the unit matrix."""
    ranges = "All: a, b, c ~~|\nRow: a, b, c ~~|\nColumn: a, b, c ~~|\n"
    numbers = "x[Row, Column] = 4, 1, 0; 1, 3, 1; 0, 2, 5; ~~|\n"
    for names in ("Row, Row", "Row, Column", "Column, Column"):
        call = f"y[Row, Column] = INVERT MATRIX(x[{names}], ELMCOUNT(All)) ~~|\n"
        found = arrays(tmp_path, ranges + numbers + call, "y")
        expected = np.linalg.inv([[4.0, 1.0, 0.0], [1.0, 3.0, 1.0], [0.0, 2.0, 5.0]])
        assert found[0] == pytest.approx(expected, abs=1e-12)


def arrays(folder: Path, equations: str, name: str) -> np.ndarray:
    """An arrayed variable of a Vensim model, [time, ...]."""
    (folder / "m.mdl").write_text(VENSIM.format(equations=equations), encoding="utf-8")
    return fr.simulate(folder / "m.mdl", engine="python")[name].isel(run=0).transpose("time", ...).values


XMILE_WARDS = '<dimensions><dim name="Ward"><elem name="a"/><elem name="b"/><elem name="c"/></dim></dimensions>'


def xmile(folder: Path, variables: str, dimensions: str = "") -> dict[str, np.ndarray]:
    path = folder / "m.xmile"
    path.write_text(XMILE.replace("<model>", f"{dimensions}<model>").format(variables=variables), encoding="utf-8")
    ds = fr.simulate(fr.read_model(path), engine="python").isel(run=0)
    return {str(name): ds[name].values for name in ds.data_vars}


def test_stellas_allocate_is_vensims_allocate_available(tmp_path: Path) -> None:
    """The same requests, priorities and widths in both programs' words, every type of profile."""
    wards = "".join(
        f'<aux name="{name}"><dimensions><dim name="Ward"/></dimensions>'
        + "".join(f'<element subscript="{ward}"><eqn>{value}</eqn></element>' for ward, value in zip("abc", values, strict=True))
        + "</aux>"
        for name, values in (("request", (3, 5, 4)), ("priority", (1, 2, 3)), ("width", (1, 1, 1)))
    )
    for kind in (1, 2, 3, 4):
        call = "ALLOCATE(2 + TIME / 2, Ward, request, priority[*], width[Ward], kind[Ward])"
        kinds = f'<aux name="kind"><dimensions><dim name="Ward"/></dimensions><eqn>0 * request[Ward] + {kind}</eqn></aux>'
        got = f'<aux name="got"><dimensions><dim name="Ward"/></dimensions><eqn>{call}</eqn></aux>'
        ours = xmile(tmp_path, wards + kinds + got, XMILE_WARDS)["got"]
        text = (
            "Ward: a, b, c ~~|\nfield: ptype, ppriority, pwidth, pextra ~~|\nrequest[Ward] = 3, 5, 4 ~~|\n"
            f"profile[Ward, field] = {kind}, 1, 1, 0; {kind}, 2, 1, 0; {kind}, 3, 1, 0; ~~|\n"
            "got[Ward] = ALLOCATE AVAILABLE(request[Ward], profile[Ward, ptype], 2 + Time / 2) ~~|\n"
        )
        theirs = arrays(tmp_path, text, "got")
        assert ours == pytest.approx(theirs, rel=1e-12)
        assert ours.sum(axis=-1) == pytest.approx(2 + TIME / 2)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("PERMUTATIONS(5, 3)", 60), ("COMBINATIONS(5, 3)", 10), ("FACTORIAL(5)", 120), ("FACTORIAL(0)", 1),
        ("COMBINATIONS(60, 30)", math.comb(60, 30)), ("PERMUTATIONS(20, 10)", math.perm(20, 10)),
        ("NORMALCDF(-1, 2)", 0.8185946141203637), ("NORMALCDF(7, 13, 10, 3)", 0.6826894921370859),
        ("INVNORM(0.975)", 1.959963984540054), ("MEAN(1, 2, 6)", 3), ("RAMP(2)", None),
    ],
)  # fmt: skip
def test_functions_of_stella_against_closed_forms(tmp_path: Path, call: str, expected: float | None) -> None:
    found = xmile(tmp_path, f'<aux name="y"><eqn>{call}</eqn></aux>')["y"]
    assert found == pytest.approx(2 * TIME if expected is None else np.full(17, expected), rel=1e-12)


def test_an_element_with_its_dimension_is_its_number_and_a_star_names_the_axis(tmp_path: Path) -> None:
    beds = (
        '<aux name="beds"><dimensions><dim name="Ward"/></dimensions><element subscript="a"><eqn>7</eqn></element>'
        '<element subscript="b"><eqn>3</eqn></element><element subscript="c"><eqn>5</eqn></element></aux>'
    )
    found = xmile(
        tmp_path, beds + '<aux name="n"><eqn>Ward.b</eqn></aux><aux name="m"><eqn>RANK(beds[*], 1)</eqn></aux>', XMILE_WARDS
    )
    assert (found["n"][0], found["m"][0]) == (2.0, 2.0)


@pytest.mark.parametrize("order", ["-1e309", "1e5000"])
def test_a_delay_of_an_endless_order_is_a_finding_and_no_traceback(tmp_path: Path, order: str) -> None:
    text = f"x = 1 ~~|\ny = DELAY N(x, 2, 1, {order}) ~~|\n"
    with contextlib.suppress(fr.FlowreformError):  # anything else escapes and fails
        vensim(tmp_path, text, "python")
