"""The Vensim reader: what a model file means, what it may not do, and how its faults are told."""

from __future__ import annotations

import contextlib
import csv
import math
import os
import shutil
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowreform import simulate
from flowreform.errors import ModelError
from flowreform.formats.limits import DEFAULT
from flowreform.formats.vensim import read_vensim
from flowreform.formats.vensim_data import locate
from flowreform.formats.vensim_dimensions import is_definition
from flowreform.formats.vensim_equations import Unreadable, parse_equation, read_points
from flowreform.formats.vensim_text import decode, split
from flowreform.model import Binary, Call, LookupKind, Method, Model, Number, Ref, Role, Star, Unary

FIXTURES = Path(__file__).parent / "fixtures" / "mdl"
CONTROLS = "\n".join(
    f"{name} = {value}\n\t~\tDay\n\t~\t|"
    for name, value in (("FINAL TIME", "10"), ("INITIAL TIME", "0"), ("SAVEPER", "TIME STEP"), ("TIME STEP", "0.5"))
)


def fixture(name: str) -> Model:
    return read_vensim(FIXTURES / f"{name}.mdl")


def write(folder: Path, *equations: str, controls: str = CONTROLS, head: str = "{UTF-8}\n", tail: str = "") -> Path:
    path = folder / "written.mdl"
    entries = "\n".join(f"{equation}\n\t~\t~\t|" for equation in equations)
    path.write_text(f"{head}{entries}\n{controls}\n{tail}", encoding="utf-8")
    return path


def expr(folder: Path, equation: str, *others: str) -> Any:
    """The expression of the first of some equations."""
    model = read_vensim(write(folder, equation, *others))
    return next(iter(model)).equations[0].expr


def faults(path: Path) -> list[str]:
    with pytest.raises(ModelError) as caught:
        read_vensim(path)
    texts = [str(finding) for finding in caught.value.findings]
    assert all("\n" not in text and "Traceback" not in text for text in texts)
    return texts


# --- what a file means -----------------------------------------------------------------------------------------------


def test_roles_flows_and_places_in_the_file() -> None:
    model = fixture("care")
    beds = model["Occupied Beds"]
    assert (beds.role, beds.inflows, beds.outflows) == (Role.STOCK, ("admissions",), ("discharges",))
    assert (beds.units, beds.doc, beds.group, beds.line) == ("people", "People in hospital.", "beds", 8)
    assert beds.equations[0].expr == Ref("initial_occupied_beds")
    assert model["admissions"].role is Role.FLOW
    assert model["Share Admitted"].role is Role.PARAMETER
    assert model["Share Admitted"].range == (0.0, 1.0)
    assert model["Length of Stay"].range == (1.0, None)
    assert model["effect of crowding (lookup)"].role is Role.LOOKUP
    assert model["effect of crowding (lookup)"].label == "Effect of crowding (lookup)"
    assert dict(model.groups)["community"] == "Community"


def test_a_rate_that_is_no_plain_sum_becomes_a_flow_of_its_own() -> None:
    model = fixture("care")
    assert model["caseload"].inflows == ("caseload_net_flow",)
    made = model["Caseload net flow"]
    assert (made.role, made.units) == (Role.FLOW, "people/Day")
    assert made.equations[0].text == "Discharges*Share Followed Up - Caseload/Episode"
    assert model["caseload"].equations[0].text == "200"


def test_a_number_stays_a_lever_even_where_a_stock_integrates_it(tmp_path: Path) -> None:
    model = read_vensim(write(tmp_path, "S= INTEG (a-b, 1)", "a= 3", "b= 2*a"))
    assert model["a"].role is Role.PARAMETER
    assert model["b"].role is Role.AUXILIARY
    assert model["s"].inflows == ("s_net_flow",)


def test_a_flow_between_two_stocks_and_a_made_name_that_is_taken(tmp_path: Path) -> None:
    equations = ("A= INTEG (-move, 9)", "B= INTEG (move-move*0, 1)", "move= A/3+Time*0", "B net flow= 7+Time")
    model = read_vensim(write(tmp_path, *equations))
    assert model["a"].outflows == ("move",)
    assert model["b"].inflows == ("b_net_flow_2",)


def test_time_and_settings() -> None:
    specs = fixture("care").specs
    assert (specs.start, specs.stop, specs.dt, specs.save_every, specs.time_unit) == (0.0, 40.0, 0.25, 1.0, "Day")
    assert specs.method is Method.EULER
    assert [unit.name for unit in fixture("care").unit_aliases] == ["Day", "people"]
    assert fixture("care")["time step"].role is Role.PARAMETER


@pytest.mark.parametrize(("code", "method"), [("0", "euler"), ("1", "rk4"), ("5", "rk4"), ("3", "rk2"), ("4", "rk2")])
def test_the_integration_method_is_a_setting(tmp_path: Path, code: str, method: str) -> None:
    tail = f"\\\\\\---/// Sketch information\n///---\\\\\\\n:L<%^E!@\n15:0,0,0,{code},0,0\n"
    assert read_vensim(write(tmp_path, "x= 1", tail=tail)).specs.method == method


def test_functions_have_our_names_and_order(tmp_path: Path) -> None:
    x, one, two, three, four = Ref("x"), Number(1.0), Number(2.0), Number(3.0), Number(4.0)
    cases: dict[str, Any] = {
        "IF THEN ELSE(x>1, 2, 3)": Call("if", (Binary(">", x, one), two, three)),
        "SMOOTH(x, 2)": Call("smth1", (x, two)),
        "SMOOTHI(x, 2, 3)": Call("smth1", (x, two, three)),
        "SMOOTH N(x, 2, 3, 4)": Call("smthn", (x, two, four, three)),
        "DELAY3(x, 2)": Call("delay3", (x, two)),
        "DELAY3I(x, 2, 3)": Call("delay3", (x, two, three)),
        "DELAY N(x, 2, 3, 4)": Call("delayn", (x, two, four, three)),
        "DELAY FIXED(x, 2, 3)": Call("delay_fixed", (x, two, three)),
        "TREND(x, 2, 3)": Call("trend", (x, two, three)),
        "FORECAST(x, 2, 3)": Call("forecast", (x, two, three)),
        "SAMPLE IF TRUE(x, 2, 3)": Call("sample_if_true", (x, two, three)),
        "PULSE(1, 2)": Call("pulse_width", (one, two)),
        "PULSE TRAIN(1, 2, 3, 4)": Call("pulse_train", (one, two, three, four)),
        "ZIDZ(x, 2)": Call("xidz", (x, two, Number(0.0))),
        "LOG(x, 2)": Binary("/", Call("ln", (x,)), Call("ln", (two,))),
        "INITIAL(x)": Call("init", (x,)),
        "GAME(x)": Call("game", (x,)),
        "x^2^3": Binary("^", x, Binary("^", two, three)),
        "-x^2": Unary("-", Binary("^", x, two)),
        "-2^2": Unary("-", Binary("^", two, two)),
        "x-2-3": Binary("-", Binary("-", x, two), three),
        "-4": Number(-4.0),
        "4-3+1": Binary("+", Binary("-", four, three), one),
        "2*-x": Binary("*", two, Unary("-", x)),
        "x>1 :OR: x<2 :AND: x=3": Binary("or", Binary(">", x, one), Binary("and", Binary("<", x, two), Binary("=", x, three))),
        "x>1 :AND: :NOT: x>2": Binary("and", Binary(">", x, one), Unary("not", Binary(">", x, two))),
        "GET TIME VALUE(1, 2, 3)": Call("get_time_value", (one, two, three)),
    }
    equations = [f"y{number}= {text}" for number, text in enumerate(cases)]
    model = read_vensim(write(tmp_path, *equations, "x= Time"))
    found = {text: model[f"y{number}"].equations[0].expr for number, text in enumerate(cases)}
    assert found == cases


def test_lookups_standing_alone_inline_and_inside(tmp_path: Path) -> None:
    points = "([(0,0)-(10,10)],(0,1),(2,3))"
    model = read_vensim(
        write(tmp_path, f"y= 2*WITH LOOKUP(Time, {points})", f"z= WITH LOOKUP(Time, {points})", "k((3,1),(1,2))", "u= k(Time)")
    )
    assert model["z"].equations[0].expr == Ref("time")
    assert model["z"].equations[0].lookup is not None
    assert model["y"].equations[0].expr == Binary("*", Number(2.0), Call("y_lookup_1", (Ref("time"),)))
    lifted = model["y lookup 1"].equations[0].lookup
    assert lifted is not None
    assert (lifted.x, lifted.y) == ((0.0, 2.0), (1.0, 3.0))
    assert model["k"].equations[0].lookup.x == (1.0, 3.0)  # type: ignore[union-attr]
    assert model["u"].equations[0].expr == Call("k", (Ref("time"),))


def test_active_initial(tmp_path: Path) -> None:
    model = read_vensim(write(tmp_path, "a= ACTIVE INITIAL(Time*2, 7)"))
    assert model["a"].equations[0].initial == Number(7.0)
    assert model["a"].equations[0].expr == Binary("*", Ref("time"), Number(2.0))


def test_comments_continuations_quotes_and_double_equals(tmp_path: Path) -> None:
    model = read_vensim(write(tmp_path, '"odd ~ | name {x}"= {seven} 7', "b == 3", 'c= "odd ~ | name {x}"*\\\n\t\tb'))
    assert list(model.variables)[:3] == ["odd_~_|_name_{x}", "b", "c"]
    assert model["c"].equations[0].expr == Binary("*", Ref("odd_~_|_name_{x}"), Ref("b"))
    assert model["c"].line == 6


def test_arrays() -> None:
    model = fixture("places")
    assert model.dimensions["age"].elements == ("band1", "band2", "band3")
    assert (model.dimensions["coast"].parent, model.dimensions["zone"].parent, model.dimensions["site"].parent) == (
        "site",
        "site",
        None,
    )
    assert model["beds"].dimensions == ("site",)
    assert (model["beds"].inflows, model["beds"].outflows) == (("opened",), ("closed",))
    assert model["beds"].equations[0].subscripts == ()
    assert [eq.subscripts for eq in model["closed"].equations] == [("coast",), ("south",)]
    table = {eq.subscripts: eq.expr.value for eq in model["rate"].equations if isinstance(eq.expr, Number)}
    assert table[("north", "band3")] == 3
    assert table[("south", "band1")] == 4
    assert {eq.subscripts: eq.expr for eq in model["table"].equations}[("band3", "north")] == Number(7.0)
    assert model["rate"].role is Role.PARAMETER
    special = model["special"].equations
    assert special[0].exceptions == (("south", "age"), ("north", "band1"))
    assert model["total"].equations[0].expr == Binary(
        "+", Call("sum", (Ref("beds", (Star("site"),)),)), Call("vmax", (Ref("plan", (Star("coast"),)),))
    )
    assert model["answer"].equations[0].expr == Call("lookup", (Ref("response", (Ref("site"),)), Ref("time")))
    assert [eq.subscripts for eq in model["waiting net flow"].equations] == [("band1",), ("older",)]


def test_a_mapping_tells_the_target_which_elements_stand_for_its_own() -> None:
    dimensions = fixture("mapping").dimensions
    assert dimensions["site"].mappings == (("trust", ("royal", "general", "royal")),)
    assert dict(fixture("cohorts").dimensions["older"].mappings) == {"younger": ("band1", "band2")}


def test_macros() -> None:
    model = fixture("macros")
    level = model.macros["level"]
    assert (level.parameters, level.result) == (("inflow_amount", "start"), "level")
    roles = {variable.name: variable.role for variable in level.variables}
    assert roles == {"level": Role.STOCK, "level_net_flow": Role.FLOW, "drain": Role.PARAMETER}
    assert model["answer"].equations[0].expr == Call("level", (Call("twice", (Ref("given"),)), Number(3.0)))


def test_numbers_and_series_from_files_beside_the_model() -> None:
    model = fixture("spreadsheet")
    assert [eq.expr for eq in model["beds"].equations] == [Number(10.0), Number(20.0)]
    assert model["one"].equations[0].expr == Number(7.0)
    drawn, held, late = (model[name].equations[0].lookup for name in ("drawn", "held", "next"))
    assert drawn is not None
    assert held is not None
    assert late is not None
    assert (drawn.x, drawn.y, drawn.kind) == ((0, 2, 4), (10, 20, 40), LookupKind.CONTINUOUS)
    assert held.kind is LookupKind.DISCRETE
    assert (late.kind, late.y) == (LookupKind.DISCRETE, (10, 20, 40))
    assert late.x == pytest.approx((0, 0, 2), abs=1e-6)
    across = model["across"].equations
    assert [eq.lookup.y for eq in across if eq.lookup] == [(1.0, 9.0), (2.0, 4.0)]


# --- what a file may not do ------------------------------------------------------------------------------------------


def test_text_in_a_lookup_never_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(FIXTURES / "hostile.mdl", tmp_path / "hostile.mdl")
    texts = faults(Path("hostile.mdl"))
    assert ["hostile.mdl:2" in texts[0], "hostile.mdl:4" in texts[1]] == [True, True]
    assert not (tmp_path / "MARKER").exists()


def test_reading_writes_nothing_and_reads_no_script_beside_the_model(tmp_path: Path) -> None:
    path = write(tmp_path, "x= 3*Time")
    for name in ("written.py", "numpy.py", "parsimonious.py", "json.py"):
        (tmp_path / name).write_text("raise SystemExit('run by mistake')\n", encoding="utf-8")
    before = {item.name: item.read_bytes() for item in tmp_path.iterdir()}
    here = Path.cwd()
    os.chdir(tmp_path)
    try:
        assert "x" in read_vensim(Path("written.mdl"))
    finally:
        os.chdir(here)
    assert {item.name: item.read_bytes() for item in tmp_path.iterdir()} == before
    assert path.exists()


@pytest.mark.parametrize(
    "name",
    ["/etc/passwd", "../x.csv", "a/../../x.csv", "\\\\server\\share\\x.csv", "//server/x.csv", "C:\\x.csv", "c:x.csv", "~/x.csv",
     "http://host/x.csv", "?data", "", "a\nb.csv", "x.csv:stream"],
)  # fmt: skip
def test_data_outside_the_folder_is_refused_by_its_name(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def touched(*_: object, **__: object) -> None:
        raise AssertionError("the place was asked for")

    monkeypatch.setattr(Path, "resolve", touched)
    monkeypatch.setattr(Path, "is_file", touched)
    with pytest.raises(Unreadable):
        locate(tmp_path, name)


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret.csv").write_text("1\n", encoding="utf-8")
    (folder / "link.csv").symlink_to(tmp_path / "secret.csv")
    with pytest.raises(Unreadable, match="outside the model's folder"):
        locate(folder, "link.csv")


@given(st.text(alphabet="ab./\\:~?* \t", max_size=12))
def test_no_name_leads_out_of_the_folder(name: str) -> None:
    root = FIXTURES.resolve()
    try:
        assert locate(FIXTURES, name).is_relative_to(root)
    except Unreadable:
        return


def test_the_environment_sets_the_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOWREFORM_MAX_STEPS", "10")
    assert "FLOWREFORM_MAX_STEPS" in faults(write(tmp_path, "x= 3*Time"))[0]


@pytest.mark.parametrize("depth", [500, 15_000])
def test_deep_nesting_is_refused_by_name(tmp_path: Path, depth: int) -> None:
    text = faults(write(tmp_path, f"x= {'MAX(1,' * depth}Time{')' * depth}"))[0]
    assert "x: " in text
    assert "deep" in text


def test_a_huge_numbered_range_is_refused_before_it_is_made(tmp_path: Path) -> None:
    assert "FLOWREFORM_MAX_ELEMENTS" in faults(write(tmp_path, "d: (a1-a999999999)"))[0]


# --- faults ----------------------------------------------------------------------------------------------------------


def test_every_fault_is_told_at_once_with_its_line() -> None:
    with pytest.raises(ModelError) as caught:
        fixture("faults")
    told = {finding.element: finding for finding in caught.value.findings}
    lines = (FIXTURES / "faults.mdl").read_text(encoding="utf-8").split("\n")
    for element, words in {
        "Broken": "cannot read `* 4`",
        "Short": "SMOOTH takes 2 arguments and is given 1",
        "Twice": "more than once",
        "Nested": "INTEG stands inside",
        "Three Values": "three values at x = 1",
        "Nowhere": "no subscript nobody",
        "Elsewhere": "outside the model's folder",
        "Missing": "not there",
        "range": "listed twice",
        "TIME STEP": "TIME STEP is 0",
    }.items():
        finding = told[element]
        assert words in finding.reason
        assert finding.repair
        assert lines[finding.line - 1].startswith(element)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b" \r\n", "empty"),
        (b"{UTF-8}\n", "no equations"),
        (b"<?xml version='1.0'?><xmile/>", "name the file .xmile"),
        (bytes(range(256)), "binary"),
        (b"{zlib_codec}\nx=1~~|", "unknown text encoding 'zlib_codec'"),
        (b"{no_such_codec}\nx=1~~|", "unknown text encoding"),
        (b"{unicode_escape}\nx=1~~|", "unknown text encoding"),
        (b"{UTF-8}\nx=1\n", "does not end in"),
        (b"{UTF-8}\n:MACRO: M(a)\nM=a~~|\nx=1~~|", ":END OF MACRO:"),
    ],
)
def test_a_file_that_is_no_vensim_text(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "odd.mdl"
    path.write_bytes(content)
    assert words in "\n".join(faults(path))


@pytest.mark.parametrize(
    ("codec", "head"),
    [("utf-8-sig", "{UTF-8}"), ("utf-16", "{UTF-8}"), ("cp1252", "{windows-1252}"), ("gb18030", "{GB18030}"), ("utf-8", "")],
)
def test_encodings_and_line_ends(tmp_path: Path, codec: str, head: str) -> None:
    word = "\u5e8a" if codec == "gb18030" else "\u00c9t\u00e9"
    path = tmp_path / "coded.mdl"
    path.write_bytes(f"{head}\r\n{word}= 3\r\n\t~\t~\t|\r\n{CONTROLS}\r\n".encode(codec))
    assert next(iter(read_vensim(path))).label == word


def test_a_byte_that_is_not_utf8_is_a_warning_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "latin.mdl"
    path.write_bytes(b"{UTF-8}\nx= 3\n\t~\t~ caf\xe9 |\n" + CONTROLS.encode())
    finding = read_vensim(path).findings[0]
    assert (finding.level, finding.line) == ("warning", 3)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("FINAL TIME", "-1", "before INITIAL TIME"),
        ("FINAL TIME", "1e999", "inf"),
        ("TIME STEP", "-1", "TIME STEP is -1"),
        ("TIME STEP", "1e-12", "2e+13 steps"),
        ("SAVEPER", "0", "SAVEPER is 0"),
        ("FINAL TIME", "nobody", "no number that is known before the run"),
    ],
)
def test_time_that_cannot_be(tmp_path: Path, name: str, value: str, words: str) -> None:
    values = {"FINAL TIME": "20", "INITIAL TIME": "0", "SAVEPER": "TIME STEP", "TIME STEP": "1", name: value}
    controls = "\n".join(f"{key} = {text}\n\t~\tDay\n\t~\t|" for key, text in values.items())
    assert words in "\n".join(faults(write(tmp_path, "x= 1", controls=controls)))


def test_a_missing_control_and_one_that_moves(tmp_path: Path) -> None:
    assert "the model has no TIME STEP" in "\n".join(faults(write(tmp_path, "x= 1", controls="FINAL TIME= 3~~|")))
    moving = CONTROLS.replace("FINAL TIME = 10", "FINAL TIME = IF THEN ELSE(Time<5, horizon*2, 3)")
    model = read_vensim(write(tmp_path, "horizon= 6", controls=moving))
    assert model.specs.stop == 12
    assert "changes during the run" in str(model.findings[0])


def test_macros_that_cannot_be(tmp_path: Path) -> None:
    head = "{UTF-8}\n:MACRO: A(x)\nA= B(x)~~|\n:END OF MACRO:\n:MACRO: B(x)\nB= A(x)~~|\n:END OF MACRO:\n"
    assert "calls itself through another macro" in "\n".join(faults(write(tmp_path, "y= A(1)", head=head)))
    assert "calls itself" in faults(write(tmp_path, "y= A(1)", head="{UTF-8}\n:MACRO: A(x)\nA= A(x)~~|\n:END OF MACRO:\n"))[0]
    assert (
        "no equation of its own name"
        in faults(write(tmp_path, "y= A(1)", head="{UTF-8}\n:MACRO: A(x)\nC= x~~|\n:END OF MACRO:\n"))[0]
    )


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        ("d: (a5-a1)", "does not rise"),
        ("d: (a1-b3)", "cannot read the numbered range"),
        ("d <-> nobody", "no subscript range nobody"),
        ("d: a, b -> nobody", "the mapping names no subscript range"),
        ("d: a, b -> (e: x)", "the mapping to e has 1 elements"),
        ("d: a, b -> (e: x, q)", "which e does not have"),
        ("d: a, b -> (e: x, x)", "leaves out y"),
        ("d: GET DIRECT SUBSCRIPT('x.csv', ',', 'A1', 'A2', '')", "not there"),
    ],
)
def test_subscript_ranges_that_cannot_be(tmp_path: Path, definition: str, words: str) -> None:
    assert words in "\n".join(faults(write(tmp_path, definition, "e: x, y")))


def test_observations_without_data_are_left_out_with_a_warning(tmp_path: Path) -> None:
    model = read_vensim(write(tmp_path, "observed :RAW:", "error= beds-observed", "beds= INTEG(1, 0)", "worst= error*2"))
    assert list(model.variables)[:2] == ["beds", "beds_net_flow"]
    assert "observed" not in model
    assert "worst" not in model
    assert "left out of the run, as is what reads it (error)" in str(model.findings[0])
    text = faults(write(tmp_path, "observed", "beds= INTEG(change, 0)", "change= observed/2"))
    assert len(text) == 1
    assert "without data" in text[0]
    assert "beds needs it" in text[0]


@pytest.mark.parametrize("function", ["GET VDF CONSTANTS('inputs.vdf', 'price', 1)", "GET VDF DATA('inputs.vdf', 'price', 1, 0)"])
def test_data_in_vensims_own_form_are_named_as_such(tmp_path: Path, function: str) -> None:
    text = faults(write(tmp_path, f"price= {function}", "paid= 2*price"))
    assert len(text) == 1
    assert "price: GET VDF reads data in Vensim's own binary form; export the data" in text[0]


def test_equations_not_written_yet_are_one_fault(tmp_path: Path) -> None:
    texts = faults(write(tmp_path, "x= A FUNCTION OF(y)", "y= A FUNCTION OF(x, -z)", "z= y+1"))
    assert len(texts) == 1
    assert "x, y" in texts[0]


def test_a_macro_with_several_results_gives_each_its_variable(tmp_path: Path) -> None:
    head = "{UTF-8}\n:MACRO: M(v : doubled, halved)\ndoubled= 2*v~~|\nhalved= v/2~~|\nM= doubled+halved~~|\n:END OF MACRO:\n"
    model = read_vensim(write(tmp_path, "level= Time", "total= 1+M(level : twice, half)", head=head))
    assert model["twice"].equations[0].expr == Call("m_doubled", (Ref("level"),))
    assert {name: macro.result for name, macro in model.macros.items()} == {
        "m": "m",
        "m_doubled": "doubled",
        "m_halved": "halved",
    }
    text = faults(write(tmp_path, "level= Time", "total= M(level : twice)", head=head))[0]
    assert "1 further results and has 2" in text


def test_string_variables_name_files_and_cells(tmp_path: Path) -> None:
    (tmp_path / "beds.csv").write_text("7,8\n", encoding="utf-8")
    model = read_vensim(write(tmp_path, "source :IS: 'beds.csv'", "beds= GET DIRECT CONSTANTS(source, ',', 'B1')"))
    assert model["beds"].equations[0].expr == Number(8.0)
    assert "source" not in model
    assert "nowhere is no string variable" in faults(write(tmp_path, "b= GET DIRECT CONSTANTS(nowhere, ',', 'B1')"))[0]


def test_elements_that_are_stocks_beside_elements_that_are_not(tmp_path: Path) -> None:
    path = write(tmp_path, "d: a, b, c", "level[a]= INTEG(2, 1)", "level[b]= 7", "level[c]= Time", "all= SUM(level[d!])")
    for engine in ("python", "numba"):
        ds = simulate(read_vensim(path), engine=engine)
        assert ds["level"].values[0, -1].tolist() == [21.0, 7.0, 10.0]
        assert ds["all"].values[0, -1] == 38.0


def test_an_exception_may_name_elements_that_the_variable_has_not(tmp_path: Path) -> None:
    equations = ("d: a, b, c", "s: b, c", "v[s] :EXCEPT: [a]= 3*Time", "w[s] :EXCEPT: [p]= Time", "w[b]= 5", "p: a, b")
    ds = simulate(read_vensim(write(tmp_path, *equations)), engine="python")
    assert ds["v"].values[0, -1].tolist() == [30.0, 30.0]
    assert ds["w"].values[0, -1].tolist() == [5.0, 10.0]


def test_comments_inside_comments(tmp_path: Path) -> None:
    assert expr(tmp_path, "d= 8760 {not yet: {leap year} MAX(8784, 1) {or {both}} } ") == Number(8760.0)


@pytest.mark.parametrize(
    ("first", "last", "names"), [("A2", "A", ("r1", "r2")), ("A1", "1", ("c0", "c1", "c2")), ("B1", "C1", ("c1", "c2"))]
)
def test_subscripts_run_down_a_column_or_along_a_row(tmp_path: Path, first: str, last: str, names: tuple[str, ...]) -> None:
    (tmp_path / "names.csv").write_text("c0,c1,c2\nr1,,\nr2,,\n", encoding="utf-8")
    model = read_vensim(write(tmp_path, f"d: GET DIRECT SUBSCRIPT('names.csv', ',', '{first}', '{last}', '')", "v[d]= 1"))
    assert model.dimensions["d"].elements == names


def test_left_sides_that_do_not_fit(tmp_path: Path) -> None:
    texts = "\n".join(faults(write(tmp_path, "d: a, b", "v[d]= 1, 2, 3", "w[a]= 1", "w[b]((0,1),(1,2))", "u[d]= 1", "u[d,d]= 2")))
    assert "3 numbers are given for 2 elements" in texts
    assert "are lookups and some are not" in texts
    assert "different numbers of subscripts" in texts


@pytest.mark.parametrize(
    ("equation", "expected"),
    [
        ("d: a, b", True),
        ("d <-> e", True),
        ('"quoted: range": a', True),
        ("d :INTERPOLATE:", False),
        ("d :HOLD BACKWARD: := f", False),
        ("d := f", False),
        ("x= a :AND: b", False),
        ("x[d] :EXCEPT: [a]= 3", False),
        ("rule :THE CONDITION: x > 3", False),
        ('"a: b"= 3', False),
        ("k((0,1),(2,3))", False),
    ],
)
def test_definitions_are_told_from_equations(equation: str, expected: bool) -> None:
    assert is_definition(equation) is expected


@given(st.binary(max_size=300))
def test_no_bytes_upset_the_text_reader(data: bytes) -> None:
    try:
        text, _ = decode(data, "x.mdl")
    except ModelError:
        return
    split(text, "x.mdl")


@given(st.text(alphabet='ab=~|{}[]()":,\\*\n -><', max_size=80))
def test_no_text_upsets_the_splitter(text: str) -> None:
    for entry in split(text, "x.mdl").entries:
        is_definition(entry.equation)
        assert 1 <= entry.line <= text.count("\n") + 1


@given(st.dictionaries(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), min_size=1, max_size=6))
def test_points_are_read_as_written_in_both_forms(points: dict[float, float]) -> None:
    pairs = ",".join(f"({a!r}, {b!r})" for a, b in points.items())
    numbers = ", ".join(map(repr, (*points, *points.values())))
    expected = tuple(sorted(points)), tuple(points[x] for x in sorted(points))
    for text in (pairs, f"[(0,0)-(10,10)],{pairs}", f"[(0,0)-(10,10),(1,2)], {pairs}", numbers):
        lookup = read_points(text, DEFAULT)
        assert (lookup.x, lookup.y) == expected


def test_two_values_at_one_x_are_a_step() -> None:
    lookup = read_points("(0,1),(2,1),(2,5),(3,5),(3,5)", DEFAULT)
    assert lookup.y == (1, 1, 5, 5)
    assert lookup.x == (0, 2, math.nextafter(2, 3), 3)


@given(st.text(alphabet="ab1.e+-*/^(),:[]'\"=<>! ANDORTXxy", max_size=40))
def test_no_text_upsets_the_grammar(text: str) -> None:
    try:
        parse_equation(f"x = {text}", DEFAULT)
    except Unreadable:
        return


# --- other people's files --------------------------------------------------------------------------------------------


@pytest.mark.requires("bad_inputs")
def test_bad_inputs_behave_as_their_index_says(bad_inputs: Path, tmp_path: Path) -> None:
    later = {"semantics"}  # undefined names and circles are found when equations are resolved, not while reading
    warned = {"m57_data_no_file.mdl"}  # observations that nothing needs are left out: most published models hold some
    with (bad_inputs / "index.csv").open(encoding="utf-8", newline="") as handle:
        rows = [row for row in csv.DictReader(handle) if row["file"].endswith(".mdl")]
    assert rows
    for row in rows:
        path = tmp_path / Path(row["file"]).name
        shutil.copyfile(bad_inputs / row["file"], path)
        path.with_suffix(".py").write_text("the user's\n", encoding="utf-8")
        if path.name in warned:
            assert "without data" in str(read_vensim(path).findings[0])
        elif row["expect"] == "error" and row["kind"] not in later:
            text = faults(path)[0]
            assert path.name in text
        else:
            read_vensim(path)
        assert {item.name for item in tmp_path.iterdir()} == {path.name, path.with_suffix(".py").name}
        path.unlink()
        path.with_suffix(".py").unlink()


@pytest.mark.slow
@pytest.mark.requires("conformance")
def test_every_conformance_model_reads(conformance: Path) -> None:
    """All of them, but for those whose data files are not in the folder: these are refused for that and nothing else."""

    def read(path: Path) -> list[str]:
        try:
            read_vensim(path)
        except ModelError as fault:
            return [f"{path.name}: {finding.reason}" for finding in fault.findings if "is not there" not in finding.reason]
        return []

    files = sorted(conformance.rglob("*.mdl"))
    assert files
    with ThreadPoolExecutor(2) as pool:
        wrong = [text for texts in pool.map(read, files) for text in texts]
    assert wrong == []


@pytest.mark.parametrize(
    "text", ["y=" + "{" * 150_000 + "1", '"a\\"' * 40_000, 'y="' + 'a\\"' * 60_000, "{" * 150_000, "y=1+" + "{a" * 70_000 + "}2"]
)
def test_what_is_never_closed_is_looked_for_once(text: str, tmp_path: Path) -> None:
    """Looked for at each mark, a file of 150 kB took minutes."""
    clock = "INITIAL TIME=0~~|FINAL TIME=1~~|TIME STEP=1~~|SAVEPER=1~~|"
    (tmp_path / "m.mdl").write_text("{UTF-8}\n" + text + "~~|\n" + clock, encoding="utf-8")
    begin = time.process_time()
    with contextlib.suppress(ModelError):
        assert read_vensim(tmp_path / "m.mdl").variables["y"]
    assert time.process_time() - begin < 3.0


def test_an_interval_of_saving_beyond_any_number_of_steps(tmp_path: Path) -> None:
    text = "{UTF-8}\ny=Time~~|\nINITIAL TIME=0~~|\nFINAL TIME=4~~|\nTIME STEP=0.25~~|\nSAVEPER=1e308~~|\n"
    (tmp_path / "m.mdl").write_text(text, encoding="utf-8")
    assert read_vensim(tmp_path / "m.mdl").specs.saving == 2.0**53 * 0.25
    assert simulate(read_vensim(tmp_path / "m.mdl"))["y"].values.tolist() == [[0.0]]
