"""Diagrams: a layout that does not trip its reader, the same bytes every time, and no label that is more than text."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest

from building import auxiliary, flow, model, parameter, stock
from flowreform import read_case, read_model, simulate, write_model
from flowreform.diagrams.cards import card
from flowreform.diagrams.chain import arranged, chain_drawing
from flowreform.diagrams.drawing import Box, Drawing, Pipe, text_width, wrapped
from flowreform.diagrams.overview import overview
from flowreform.diagrams.plumbing import columns, plumbing
from flowreform.diagrams.score import score
from flowreform.diagrams.sheets import CROWD, sheets
from flowreform.diagrams.svg import page, svg
from flowreform.export.structure import structure
from flowreform.formats.writer import plain
from flowreform.model import Model
from flowreform.names import split

BUNDLED = ("canterbury", "care_shift", "mental_health_shift", "reform_levers", "stroke_centralisation", "va_transformation")
OVERVIEW, SHEET = 3.0, 5.0
"""The highest score allowed: per box, in the weights of `Score.total`; a sheet carries arrows as well."""


def ward() -> Model:
    """A queue, a ward and a way back, a stock that only counts, and a rate that reads the ward."""
    return model(
        [
            stock("waiting", "10", ("arriving", "coming_back"), ("admitting",)),
            stock("in ward", "20", ("admitting",), ("leaving",)),
            stock("at home", "0", ("leaving",), ("coming_back", "settling")),
            stock("days counted", "0", ("counting",)),
            flow("arriving", "rate"),
            flow("admitting", "waiting/2*room"),
            flow("leaving", "in_ward/stay"),
            flow("coming_back", "at_home/20"),
            flow("settling", "at_home/10"),
            flow("counting", "in_ward"),
            auxiliary("room", "MAX(0, 1 - in_ward/beds)"),
            parameter("rate", 5.0),
            parameter("stay", 4.0),
            parameter("beds", 40.0),
        ]
    )


def drawn(name: str) -> tuple[Drawing, ...]:
    found = read_model(name)
    case = read_case(found)
    assert case is not None
    reported = {split(variable)[0] for kpi in case.kpis.values() for variable in kpi.variables}
    return sheets(found, levers=tuple(case.levers), reported=reported)


# --- plumbing --------------------------------------------------------------------------------------------------------


def test_a_stock_that_nothing_reads_back_is_counted_not_drawn() -> None:
    plan = plumbing(ward())
    assert plan.counters == ("days_counted",)
    assert [chain.stocks for chain in plan.chains] == [("waiting", "in_ward", "at_home")]
    assert "counting" not in {item.name for chain in plan.chains for item in chain.flows}
    whole = plumbing(ward(), whole=True)
    assert whole.counters == ()
    assert ("days_counted",) in [chain.stocks for chain in whole.chains]


def test_columns_follow_the_way_of_the_material_and_what_leads_back_is_known() -> None:
    column, back = columns(plumbing(ward()).chains[0])
    assert column == {"waiting": 0, "in_ward": 1, "at_home": 2}
    assert back == {"coming_back"}


def test_every_flow_has_a_pipe_that_ends_at_its_stocks() -> None:
    chain = plumbing(ward()).chains[0]
    made = chain_drawing(arranged(chain), ward())
    boxes = {box.name: box for box in made.boxes if box.kind == "stock"}
    pipes = {pipe.name: pipe for pipe in made.pipes}
    assert set(pipes) == {item.name for item in chain.flows}
    for item in chain.flows:
        points = pipes[item.name].points
        for end, name in ((points[0], item.source), (points[-1], item.sink)):
            if name:
                box = boxes[name]
                assert end[0] in (pytest.approx(box.left), pytest.approx(box.right))
                assert box.top <= end[1] <= box.bottom
        for (x0, y0), (x1, y1) in pairwise(points):
            assert x0 == x1 or y0 == y1  # level or upright


# --- the geometry score ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BUNDLED)
def test_the_overview_of_a_bundled_model_reads_well(name: str) -> None:
    found = score(overview(read_model(name)))
    assert (found.overlaps, found.outside, found.pipes_over) == (0, 0, 0), found
    assert found.total <= OVERVIEW, found


@pytest.mark.slow
@pytest.mark.parametrize("name", BUNDLED)
def test_the_sheets_of_a_bundled_model_read_well(name: str) -> None:
    for sheet in drawn(name):
        found = score(sheet)
        assert (found.overlaps, found.outside) == (0, 0), (sheet.title, found)
        assert found.total <= SHEET, (sheet.title, found)


def test_a_sheet_reads_well() -> None:
    (sheet,) = sheets(ward())
    found = score(sheet)
    assert (found.overlaps, found.outside, found.pipes_over) == (0, 0, 0), found
    assert found.total <= SHEET, found


def box(name: str, x: float, y: float) -> Box:
    return Box(name, "stock", x, y, 100.0, 40.0, (name,))


LAID = Drawing(
    "sheet",
    "",
    900.0,
    400.0,
    (box("a", 100, 100), box("b", 400, 100), box("c", 700, 100)),
    (Pipe("f", ((150.0, 100.0), (350.0, 100.0)), "a", "b"),),
)


def test_the_score_sees_what_a_reader_trips_over() -> None:
    """Mutants of a good drawing: each is worse by what was done to it."""
    good = score(LAID)
    assert (good.overlaps, good.pipes_over, good.crossings, good.outside) == (0, 0, 0, 0)
    over = replace(LAID, boxes=(*LAID.boxes[:2], box("c", 420, 110)))
    assert score(over).overlaps == 1
    through = replace(LAID, pipes=(Pipe("f", ((150.0, 100.0), (650.0, 100.0)), "a", "c"),))
    assert score(through).pipes_over == 1
    crossing = replace(LAID, pipes=(*LAID.pipes, Pipe("g", ((250.0, 50.0), (250.0, 150.0)))))
    assert score(crossing).crossings == 1
    outside = replace(LAID, boxes=(*LAID.boxes[:2], box("c", 880, 100)))
    assert score(outside).outside == 1
    bent = replace(LAID, pipes=(Pipe("f", ((150.0, 100.0), (250.0, 100.0), (250.0, 110.0), (350.0, 110.0)), "a", "b"),))
    assert score(bent).bends == 2
    worse = (score(item).total for item in (over, through, crossing, outside, bent))
    assert all(total > good.total for total in worse)


def test_names_are_as_wide_as_they_are_drawn_at_most() -> None:
    assert text_width("wide Words") > text_width("will it fit")
    assert all(text_width(line) <= 118.0 for line in wrapped("a name of a great many words that has to be cut somewhere"))
    assert wrapped("x" * 200)[0].endswith("...")


# --- the same bytes, and nothing but text ----------------------------------------------------------------------------


def test_a_label_of_a_megabyte_is_cut_and_as_long_as_fits() -> None:
    """Cut from its end one character at a time it takes the square of its length: hours."""
    for letters in ("y" * 1_000_000, "Wi" * 300_000, "名" * 1_000_000):
        (line,) = wrapped(letters, 118.0, 1)
        assert text_width(line) <= 118.0 < text_width(letters[: len(line) - 2] + "..."), line


def test_a_crowd_stands_in_rows() -> None:
    """Weighing places for each of many took minutes to write a model of a thousand variables."""
    count = 3 * CROWD
    texts = ("level" if i == 0 else f"level*{i} + a_quantity_number_{max(0, i - 7)}" for i in range(count))
    chain = [auxiliary(f"a quantity number {i}", text) for i, text in enumerate(texts)]
    crowded = model([stock("level", "1", ("rising",)), flow("rising", f"a_quantity_number_{count - 1}"), *chain])
    (sheet,) = sheets(crowded, whole=True)
    boxes = [box for box in sheet.boxes if box.kind == "auxiliary"]
    assert len(boxes) == count
    rows = sorted(boxes, key=lambda box: (box.top, box.left))
    for one, other in pairwise(rows):
        assert one.right <= other.left or one.bottom <= other.top
    assert sheet.height < 3 * sheet.width


def test_the_same_model_gives_the_same_bytes() -> None:
    def made() -> str:
        item = ward()
        return page(
            "ward", [overview(item), *sheets(item), card(item, "back", "", "reinforcing", ("waiting", "in_ward"), (1, 1))]
        )

    assert made() == made()


DRAW = """
import hashlib
from flowreform import read_model
from flowreform.diagrams.overview import overview
from flowreform.diagrams.sheets import sheets
from flowreform.diagrams.svg import svg
model = read_model("care_shift")
text = "".join(svg(drawing) for drawing in (overview(model), *sheets(model)))
print(hashlib.sha256(text.encode()).hexdigest())
"""


def test_another_process_draws_the_same() -> None:
    """Whatever the order that sets have in it: links taken from a set, which other seeds order otherwise, fail here."""

    def made(seed: str) -> str:
        surroundings = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.run([sys.executable, "-c", DRAW], env=surroundings, capture_output=True, text=True, check=True).stdout

    assert made("1") == made("2") != ""


HOSTILE = '</text></svg><script>alert(1)</script><img src=x onerror="alert(2)">&\'"]]>\u202e\u0000'


def test_a_hostile_label_is_text() -> None:
    plain_model = ward()
    items = [replace(item, label=HOSTILE, doc=HOSTILE) for item in plain_model]
    hostile = replace(plain_model, name=HOSTILE, variables={item.name: item for item in items}, groups=((("g", HOSTILE),)))
    drawings = [
        overview(hostile),
        *sheets(hostile),
        card(hostile, HOSTILE, HOSTILE, "balancing", ("waiting", "in_ward", "room"), (1, -1, 0)),
    ]
    for drawing in drawings:
        root = ElementTree.fromstring(svg(drawing))
        tags = {element.tag.rpartition("}")[2] for element in root.iter()}
        assert tags <= {"svg", "title", "desc", "g", "rect", "text", "polyline", "polygon", "path", "circle"}
        assert not any(name.lower().startswith("on") or "href" in name for element in root.iter() for name in element.attrib)
    text = page(HOSTILE, drawings)
    assert "<script" not in text
    assert "<img" not in text
    assert "\u202e" not in text
    assert "default-src 'none'" in text


# --- the same in words -----------------------------------------------------------------------------------------------


def test_the_twin_says_what_flows_where_and_what_drives_it() -> None:
    found = ward()
    words = "\n".join(overview(found).twin)
    assert "admitting: from waiting to in_ward" in words
    assert "arriving: from outside to waiting" in words
    assert "counted: days_counted" in words
    (sheet,) = sheets(found, signs={("waiting", "admitting"): 1, ("in_ward", "room"): -1}, levers=("beds",))
    told = dict(line.split(": ", 1) for line in sheet.twin)
    assert told["admitting"] == "from waiting to in_ward; driven by waiting (+), room"
    assert told["room"] == "driven by in_ward (-), beds; levers: beds"
    made = card(found, "queue", "", "balancing", ("in_ward", "room", "admitting"), (-1, 1, 1))
    assert made.twin[1] == "in_ward: more of it means less room"


def test_signs_of_a_model_come_from_its_runs(tmp_path: Path) -> None:
    path = write_model(ward(), tmp_path / "ward.xmile")
    found = structure(read_model(path), None)
    signs = {(arrow.source, arrow.target): arrow.sign for sheet in found.sheets for arrow in sheet.arrows}
    assert signs["in_ward", "room"] == -1
    assert signs["room", "admitting"] == signs["waiting", "admitting"] == signs["in_ward", "leaving"] == 1


# --- views -----------------------------------------------------------------------------------------------------------


@pytest.mark.requires("pysimlin")
def test_another_reader_finds_everything_where_it_stands(tmp_path: Path) -> None:
    """What is written is read by pysimlin: every variable once, at the place of the layout, and the model computes the same."""
    import simlin

    made = ward()
    path = write_model(made, tmp_path / "ward.xmile")
    assert plain(read_model(path)).variables == plain(replace(made, path=path)).variables
    opened = simlin.load(path)
    elements = json.loads(opened.project.serialize_json())["models"][0]["views"][0]["elements"]
    named = {item["name"].lower().replace(" ", "_"): item for item in elements if item["type"] in ("stock", "flow", "aux")}
    assert sorted(named) == sorted(made.variables)
    (sheet,) = sheets(made, whole=True)
    boxes = {box.name: box for box in sheet.boxes if box.kind != "cloud"}
    shift = named["room"]["x"] - boxes["room"].x, named["room"]["y"] - boxes["room"].y
    for name, item in named.items():
        assert item["x"] - shift[0] == pytest.approx(boxes[name].x, abs=0.1), name
        assert item["y"] - shift[1] == pytest.approx(boxes[name].y, abs=0.1), name
    ends = {(link["fromUid"], link["toUid"]) for link in elements if link["type"] == "link"}
    uid = {name: item["uid"] for name, item in named.items()} | {}
    shadows = {item["uid"]: item["aliasOfUid"] for item in elements if item["type"] == "alias"}
    acting = {(shadows.get(a, a), b) for a, b in ends}
    assert (uid["in_ward"], uid["room"]) in acting
    assert (uid["room"], uid["admitting"]) in acting
    frame = opened.run(analyze_loops=False).results
    ours = simulate(read_model(path))["in_ward"].sel(run=0)
    assert float(frame["in_ward"].iloc[-1]) == pytest.approx(float(ours[-1]), rel=1e-9)


@pytest.mark.slow
@pytest.mark.requires("pysimlin")
@pytest.mark.parametrize("name", BUNDLED)
def test_a_bundled_model_is_written_laid_out(name: str, tmp_path: Path) -> None:
    import simlin

    made = read_model(name)
    path = write_model(made, tmp_path / "copy.xmile")
    assert plain(read_model(path)).variables == plain(made).variables
    elements = json.loads(simlin.load(path).project.serialize_json())["models"][0]["views"][0]["elements"]
    kinds = [item["type"] for item in elements]
    assert kinds.count("stock") == len(made.stocks)
    assert sum(kinds.count(kind) for kind in ("stock", "flow", "aux")) == len(made.variables)


# --- the commands ----------------------------------------------------------------------------------------------------


def said(*words: str) -> tuple[int, str]:
    from typer.testing import CliRunner

    from flowreform.cli import app

    result = CliRunner().invoke(app, list(words), env={"COLUMNS": "200"})
    return result.exit_code, result.output


def test_diagram_writes_svg_and_html_and_says_the_same_in_words(tmp_path: Path) -> None:
    path = str(write_model(ward(), tmp_path / "ward.xmile"))
    assert said("diagram", path, "-o", str(tmp_path / "a.svg"))[0] == 0
    assert ElementTree.parse(tmp_path / "a.svg").getroot().tag.endswith("svg")
    assert said("diagram", path, "-o", str(tmp_path / "a.html"))[0] == 0
    assert (tmp_path / "a.html").read_text(encoding="utf-8").count("<svg") == 2
    code, words = said("diagram", path)
    assert code == 0
    assert "admitting: from waiting to in_ward" in words
    code, text = said("diagram", path, "--json")
    entries = json.loads(text)["drawings"]
    assert [entry["kind"] for entry in entries] == ["overview", "sheet"]
    assert all(entry["score"]["overlaps"] == 0 for entry in entries)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("-o", "a.png"), "name that ends in .svg or .html"),
        (("--sheet", "bads"), "no such sector"),
        (("--loops",), "names no loops"),
    ],
)
def test_what_cannot_be_drawn_is_said(words: tuple[str, ...], reason: str, tmp_path: Path) -> None:
    path = str(write_model(ward(), tmp_path / "ward.xmile"))
    code, text = said("diagram", path, *words)
    assert code == 1
    assert reason in text


def test_loops_prints_sentences_and_json(tmp_path: Path) -> None:
    path = str(write_model(ward(), tmp_path / "ward.xmile"))
    code, text = said("loops", path, "in_ward")
    assert code == 0
    assert "% of all scores" in text
    found = json.loads(said("loops", path, "in_ward", "--set", "stay=6", "--json")[1])
    assert {"regimes", "loops", "times", "method"} <= set(found)
    assert len(found["loops"][0]["shares"]) == len(found["times"])
    assert said("loops", path, "days")[0] == 1
