"""A filled template: the numbers are in their cells, and nothing else has changed."""

from __future__ import annotations

import dataclasses
import re
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from flowreform.errors import ExperimentError
from flowreform.experiment import Experiment
from flowreform.export.template import fill, plan, read_template
from flowreform.export.template.archive import Archive, read_archive
from flowreform.formats.limits import Limits
from office import recalculated
from planning import planning_workbook

if TYPE_CHECKING:
    from xarray import Dataset

MAP = """
[template]
scenario = "slower"

[[results]]
cell = "beds_by_year"
variable = "open_beds"
statistic = "at"
years = [2020, 2021]

[[results]]
cell = "ward_total"
variable = "bed_months_total"
statistic = "increase"
year = 2020
percentile = 90

[[kpis]]
cell = "Plan!E30"
kpi = "beds_at_end"
scenario = "as_planned"
"""
SLOWER = [100 * (1 - 0.01 / 4) ** steps for steps in (48, 96)]
SHEETS = {"xl/worksheets/sheet1.xml", "xl/worksheets/sheet2.xml"}

Fill = Callable[..., tuple[Path, tuple[str, ...]]]


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planning_workbook(tmp_path_factory.mktemp("planning") / "plan.xlsx")


@pytest.fixture
def filled(tmp_path: Path, template: Path, ds: Dataset, experiment: Experiment) -> Fill:
    """Fill the template by a map; the new file and the notes."""

    def made(text: str = MAP, workbook: Path = template, results: Dataset = ds) -> tuple[Path, tuple[str, ...]]:
        map_ = tmp_path / "map.toml"
        map_.write_text(text, encoding="utf-8")
        out = tmp_path / f"filled{workbook.suffix}"
        ready = plan(read_template(workbook, map_, out), experiment)
        return out, fill(ready, results, experiment, out)

    return made


def faults(fill_: Fill, text: str, workbook: Path | None = None) -> list[str]:
    with pytest.raises(ExperimentError) as raised:
        fill_(text, *([workbook] if workbook else []))
    return [str(finding) for finding in raised.value.findings]


def raw(path: Path) -> dict[str, bytes]:
    """Every member with its local record as it stands in the file: name, times, and the compressed bytes."""
    content = path.read_bytes()
    found = {}
    with zipfile.ZipFile(path) as book:
        assert book.testzip() is None
        for info in book.infolist():
            names, extra = struct.unpack_from("<HH", content, info.header_offset + 26)
            stop = info.header_offset + 30 + names + extra + info.compress_size
            found[info.filename] = content[info.header_offset : stop]
    return found


def changed(before: Path, after: Path) -> set[str]:
    """The members that are not the same bytes, in the same order, in both files."""
    one, two = raw(before), raw(after)
    assert [name for name in one if name in two] == list(two)
    return {name for name in one if one[name] != two.get(name)}


def remade(path: Path, new: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    """The workbook with members changed, or left out where `change` gives None."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(new, "w", zipfile.ZIP_DEFLATED) as out:
        for info in old.infolist():
            content = change(info.filename, old.read(info))
            if content is not None:
                out.writestr(info.filename, content)
    return new


def member(path: Path, name: str) -> str:
    with zipfile.ZipFile(path) as book:
        return book.read(name).decode()


# --- the numbers are there -------------------------------------------------------------------------------------------


def test_numbers_are_read_back_by_others(filled: Fill, ds: Dataset) -> None:
    import openpyxl
    import python_calamine

    out, notes = filled()
    assert notes == ()
    book = openpyxl.load_workbook(out)
    plan_, data = book["Plan"], book["Ward's data"]
    np.testing.assert_allclose([plan_["B3"].value, plan_["C3"].value], SLOWER, rtol=1e-12)
    assert plan_["E30"].value == pytest.approx(100 * (1 - 0.05 / 4) ** 96, rel=1e-12)
    total = ds["bed_months_total"].sel(scenario="slower")
    grown = (total.sel(time=12.0) - total.sel(time=0.0)).values
    assert data["D9"].value == float(np.quantile(grown, 0.9))
    rows = python_calamine.load_workbook(out).get_sheet_by_name("Plan").to_python(skip_empty_area=False)
    assert rows[2][1:3] == [plan_["B3"].value, plan_["C3"].value]
    assert rows[7][1] == "to be filled"


def test_a_cell_keeps_its_style_and_the_sheet_its_features(filled: Fill, template: Path) -> None:
    import openpyxl

    out, _ = filled()
    old, new = openpyxl.load_workbook(template)["Plan"], openpyxl.load_workbook(out)["Plan"]
    assert new["B3"].font.color.rgb == "000000FF"
    assert new["B3"].number_format == "#,##0.0"
    assert new.merged_cells.ranges == old.merged_cells.ranges
    assert [rule.sqref for rule in new.data_validations.dataValidation] == ["B3:C3"]
    before, after = (member(path, "xl/worksheets/sheet1.xml") for path in (template, out))
    for cell in ("B3", "C3", "E30"):
        after = re.sub(rf'(<row r="30">)?<c r="{cell}"[^>]*>.*?</c>(</row>(?=</sheetData>))?', "", after)
        before = re.sub(rf'<c r="{cell}"[^>]*>.*?</c>', "", before)
    assert after == before.replace('ref="A1:F8"', 'ref="A1:F30"')


def test_nothing_else_is_touched(filled: Fill, template: Path) -> None:
    out, _ = filled()
    assert changed(template, out) <= SHEETS | {"xl/workbook.xml"}
    assert changed(template, out) >= SHEETS
    names = set(raw(out))
    assert {"xl/charts/chart1.xml", "xl/charts/chart2.xml", "xl/pivotTables/pivotTable1.xml", "xl/calcChain.xml"} <= names


def test_a_writer_that_touches_another_member_is_caught(filled: Fill, template: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mutant packs one part anew: same content, other bytes."""
    sound = Archive.with_members

    def mutant(self: Archive, replaced: dict[str, bytes], removed: tuple[str, ...] = ()) -> bytes:
        return sound(self, {**replaced, "xl/charts/chart1.xml": self.read("xl/charts/chart1.xml")}, removed)

    monkeypatch.setattr(Archive, "with_members", mutant)
    out, _ = filled()
    with zipfile.ZipFile(template) as old, zipfile.ZipFile(out) as new:
        assert old.read("xl/charts/chart1.xml") == new.read("xl/charts/chart1.xml")
    assert not changed(template, out) <= SHEETS | {"xl/workbook.xml"}


def test_the_same_bytes_twice(filled: Fill) -> None:
    assert filled()[0].read_bytes() == filled()[0].read_bytes()


@pytest.mark.requires("soffice")
def test_libreoffice_opens_it_and_works_out_what_depends_on_it(filled: Fill, tmp_path: Path) -> None:
    import openpyxl

    out, _ = filled()
    book = openpyxl.load_workbook(recalculated(out, tmp_path), data_only=True)
    cells = book["Plan"]
    assert cells["C4"].value == pytest.approx(SLOWER[1] - SLOWER[0], rel=1e-12)
    assert [cells["B5"].value, cells["C5"].value] == pytest.approx([100 - value for value in SLOWER], rel=1e-12)
    assert [cells["B12"].value, cells["C12"].value] == pytest.approx([2 * value for value in SLOWER], rel=1e-12)
    again = openpyxl.load_workbook(tmp_path / "recalculated" / out.name)
    assert len(again["Plan"]._charts) == 2
    assert len(again["Plan"].data_validations.dataValidation) == 1
    assert len(again["Ward's data"]._pivots) == 1


# --- recalculation, formulas and the chain ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "calculation",
    [
        "",
        '<calcPr calcId="191029"/>',
        '<calcPr calcId="1" fullCalcOnLoad="0" iterate="1"/>',
        '<calcPr calcMode="manual"></calcPr>',
    ],
)
def test_recalculation_on_opening_is_asked_for(filled: Fill, template: Path, tmp_path: Path, calculation: str) -> None:
    def change(name: str, content: bytes) -> bytes:
        pattern = rb"<calcPr[^>]*/>"
        return re.sub(pattern, calculation.encode(), content) if name == "xl/workbook.xml" else content

    out, _ = filled(MAP, remade(template, tmp_path / "changed.xlsx", change))
    text = member(out, "xl/workbook.xml")
    assert text.count("<calcPr ") == 1
    assert 'fullCalcOnLoad="1"' in text
    for kept in re.findall(r'(?:calcId|iterate|calcMode)="[^"]*"', calculation):
        assert kept in text
    order = re.findall(r"<(workbookPr|sheets|definedNames|calcPr|pivotCaches)\b", text)
    assert order == ["workbookPr", "sheets", "definedNames", "calcPr", "pivotCaches"]


def test_a_formula_is_not_replaced_unless_it_may_be(filled: Fill) -> None:
    text = MAP.replace("Plan!E30", "Plan!B5")
    (line,) = faults(filled, text)
    assert re.search(r"map\.toml:19: error: Plan!B5: the cell holds a formula; .*overwrite_formulas = true", line)


def test_a_formula_that_goes_leaves_the_chain_sound(filled: Fill, template: Path) -> None:
    text = MAP.replace('"Plan!E30"', '"Plan!C5"\noverwrite_formulas = true')
    out, _ = filled(text)
    assert changed(template, out) <= SHEETS | {"xl/workbook.xml", "xl/calcChain.xml"}
    chain = member(out, "xl/calcChain.xml")
    assert re.findall(r"<c [^>]*/>", chain) == [
        '<c r="B5" i="1"/>', '<c r="C4"/>', '<c r="B12" a="1"/>', '<c r="B14"/>', '<c r="C14"/>',
    ]  # fmt: skip
    assert '<c r="C5"><v>' in member(out, "xl/worksheets/sheet1.xml")


@pytest.mark.parametrize("chain", ['<c r="C5" i="1"/>', '<c r="A1" i="1"/><c r="A2"/>'])
def test_a_chain_that_would_be_empty_or_is_wrong_goes(filled: Fill, template: Path, tmp_path: Path, chain: str) -> None:
    def change(name: str, content: bytes) -> bytes:
        return re.sub(rb"<c .*/>", chain.encode(), content) if name == "xl/calcChain.xml" else content

    workbook = remade(template, tmp_path / "changed.xlsx", change)
    out, _ = filled(MAP.replace('"Plan!E30"', '"Plan!C5"\noverwrite_formulas = true'), workbook)
    assert "xl/calcChain.xml" not in raw(out)
    assert "calcChain" not in member(out, "[Content_Types].xml")
    assert "calcChain" not in member(out, "xl/_rels/workbook.xml.rels")


@pytest.mark.parametrize(
    ("cell", "words"),
    [
        ("Plan!C12", "an array formula over B12:C12"),
        ("Plan!B14", "other cells take their formula from this cell"),
        ("Plan!C1", "part of the merged block A1:D1; write A1"),
        ("Ward's data!B1", "the heading of a table (A1:B1)"),
        ("'Ward''s data'!G2", "a pivot table (F1:G4)"),
        ("Plan!B3:C3", "2 cells, and one cell is needed"),
        ("Plam!B3", 'there is no sheet "Plam"; did you mean "Plan"?'),
        ("beds_at_ends", 'no name "beds_at_ends"; did you mean "beds_at_end"'),
        ("ratio", "stands for 0.92, not for a block of cells"),
        ("B3", "an address needs its sheet; write Plan!B3"),
        ("Plan!C3", "is filled by the entry at line 5 already"),
    ],
)
def test_cells_that_are_not_written_to(filled: Fill, cell: str, words: str) -> None:
    (line,) = faults(filled, MAP.replace('"Plan!E30"', f'"{cell}"\noverwrite_formulas = true'))
    assert words in line
    assert re.search(r"map\.toml:\d+: error:", line)


def test_a_single_cell_of_a_shared_formula_may_be_replaced(filled: Fill) -> None:
    out, _ = filled(MAP.replace('"Plan!E30"', '"Plan!C14"\noverwrite_formulas = true'))
    assert '<c r="C14"><v>' in member(out, "xl/worksheets/sheet1.xml")


# --- the map ---------------------------------------------------------------------------------------------------------


def test_every_fault_of_the_map_at_once(filled: Fill) -> None:
    text = MAP.replace('statistic = "at"', 'statistics = "at"').replace("percentile = 90", "percentile = 900")
    lines = faults(filled, text + '\n[[kpi]]\ncell = "x"\n')
    assert len(lines) == 4
    assert [re.search(r"map\.toml:(\d+):", line)[1] for line in lines] == ["23", "5", "8", "16"]  # type: ignore[index]


def test_every_fault_against_the_experiment_at_once(filled: Fill) -> None:
    text = """
[template]
scenario = "fast"
stamp = "Plan!Z"

[[results]]
cell = "beds_by_year"
variable = "open_bed"
statistic = "at"
years = [2020, 2021]

[[results]]
cell = "Plan!B3"
variable = "open_beds"
statistic = "at"
year = 2031

[[results]]
cell = "Plan!B20"
variable = "open_beds"
statistic = "at"
year = 2020
unit = "month"

[[kpis]]
cell = "Plan!B21"
kpi = "bed_at_end"
"""
    lines = faults(filled, text)
    for place, words in {
        3: 'no scenario "fast"', 4: 'no name "Z"', 8: 'did you mean "open_beds"', 16: "2031 is not inside the run",
        23: "does not convert", 27: 'did you mean "beds_at_end"',
    }.items():  # fmt: skip
        assert any(f"map.toml:{place}:" in line and words in line for line in lines), (place, words, lines)
    assert len(lines) == 7  # the cell B3 is in beds_by_year too


def test_units_are_converted(filled: Fill) -> None:
    import openpyxl

    text = MAP.replace("year = 2020\n", 'year = 2020\nunit = "bed*year"\n')
    plain, _ = filled()
    months = openpyxl.load_workbook(plain)["Ward's data"]["D9"].value
    out, _ = filled(text)
    assert openpyxl.load_workbook(out)["Ward's data"]["D9"].value == pytest.approx(months / 12, rel=1e-12)


def test_what_has_no_number_empties_its_cell_and_says_so(filled: Fill) -> None:
    import openpyxl

    out, notes = filled(MAP.replace("Plan!E30", "Plan!F3").replace('kpi = "beds_at_end"', 'kpi = "empty_at"'))
    assert notes == ("Plan!F3 was emptied: no run of scenario as_planned has a number for it",)
    assert openpyxl.load_workbook(out)["Plan"]["F3"].value is None


def test_a_stamp_is_text_whatever_it_says(
    filled: Fill, ds: Dataset, experiment: Experiment, tmp_path: Path, template: Path
) -> None:
    import openpyxl

    map_ = tmp_path / "map.toml"
    map_.write_text(MAP.replace('scenario = "slower"', 'scenario = "slower"\nstamp = "Plan!B8"', 1), encoding="utf-8")
    hostile = dataclasses.replace(experiment, title="=cmd|' /c calc'!A1 <b>&amp;</b>\x00")
    out = tmp_path / "filled.xlsx"
    fill(plan(read_template(template, map_, out), hostile), ds, hostile, out)
    cell = openpyxl.load_workbook(out)["Plan"]["B8"]
    assert cell.data_type == "s"
    assert cell.value.startswith("flowreform: =cmd|' /c calc'!A1 <b>&amp;</b>; scenario slower, as planned; model ward ")
    assert experiment.sha256[:12] in cell.value


# --- forms of sheets -------------------------------------------------------------------------------------------------

SHEET = '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">{}</worksheet>'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("<sheetData/>", '<sheetData><row r="3"><c r="B3"><v>V</v></c><c r="C3"><v>V</v></c></row></sheetData>'),
        (
            '<sheetData><row r="3" s="7" customFormat="1" spans="1:2"/></sheetData>',
            '<sheetData><row r="3" s="7" customFormat="1" spans="1:3"><c r="B3" s="7"><v>V</v></c>'
            '<c r="C3" s="7"><v>V</v></c></row></sheetData>',
        ),
        (
            '<cols><col min="3" max="9" style="4"/></cols><sheetData><row r="2"/><row r="9"><c r="A9"/></row></sheetData>',
            '<cols><col min="3" max="9" style="4"/></cols><sheetData><row r="2"/><row r="3"><c r="B3"><v>V</v></c>'
            '<c r="C3" s="4"><v>V</v></c></row><row r="9"><c r="A9"/></row></sheetData>',
        ),
        (
            "<sheetData><row/><row/><row><c/><c s='2' t='s'><v>0</v></c><c><is><t>x</t></is></c><c><v>9</v></c></row>"
            "</sheetData>",
            '<sheetData><row/><row/><row><c/><c r="B3" s="2"><v>V</v></c><c r="C3"><v>V</v></c><c><v>9</v></c></row></sheetData>',
        ),
        (
            '<sheetData><row r="3"><c r="A3"/><c r="D3" t="str"><f>1</f><v>x</v></c></row></sheetData>',
            '<sheetData><row r="3"><c r="A3"/><c r="B3"><v>V</v></c><c r="C3"><v>V</v></c><c r="D3" t="str"><f>1</f><v>x</v></c>'
            "</row></sheetData>",
        ),
    ],
)
def test_cells_and_rows_are_put_in_order(filled: Fill, template: Path, tmp_path: Path, before: str, after: str) -> None:
    def change(name: str, content: bytes) -> bytes:
        return SHEET.format(before).encode() if name == "xl/worksheets/sheet1.xml" else content

    text = "\n".join(MAP.splitlines()[:9])
    out, _ = filled(text, remade(template, tmp_path / "changed.xlsx", change))
    found = re.sub(r"<v>[0-9.]{8,}</v>", "<v>V</v>", member(out, "xl/worksheets/sheet1.xml"))
    assert found == SHEET.format(after)


@pytest.mark.parametrize("digits", ["\u00b2", "\u0665", "9" * 5000])
def test_numbers_of_a_sheet_that_are_none_are_left_aside(filled: Fill, template: Path, tmp_path: Path, digits: str) -> None:
    rows = (
        f'<cols><col min="1" max="{digits}" style="3"/></cols><sheetData><row r="3" spans="1:{digits}"><c r="B3" s="{digits}"/>'
    )

    def change(name: str, content: bytes) -> bytes:
        if name == "xl/workbook.xml":
            return content.replace(b"<definedName ", f'<definedName localSheetId="{digits}" '.encode(), 1)
        return SHEET.format(rows + "</row></sheetData>").encode() if name == "xl/worksheets/sheet1.xml" else content

    text = "\n".join(MAP.splitlines()[:9]).replace("beds_by_year", "Plan!B3:C3")
    out, _ = filled(text, remade(template, tmp_path / "changed.xlsx", change))
    assert re.search('<c r="B3"><v>[0-9.]{8,}</v></c><c r="C3"><v>', member(out, "xl/worksheets/sheet1.xml"))


def test_prefixes_and_a_byte_order_mark_are_kept(filled: Fill, template: Path, tmp_path: Path) -> None:
    sheet = (
        "\ufeff<?xml version='1.0' encoding='utf-8'?>"
        "<x:worksheet xmlns:x='http://schemas.openxmlformats.org/spreadsheetml/2006/main'><x:sheetData><x:row r='3'>"
        "<x:c r='A3' t='inlineStr'><x:is><x:t>å&gt;ß</x:t></x:is></x:c></x:row></x:sheetData></x:worksheet>"
    )

    def change(name: str, content: bytes) -> bytes:
        return sheet.encode() if name == "xl/worksheets/sheet1.xml" else content

    out, _ = filled("\n".join(MAP.splitlines()[:9]), remade(template, tmp_path / "changed.xlsx", change))
    found = re.sub(r"<x:v>[0-9.]{8,}</x:v>", "<x:v>V</x:v>", member(out, "xl/worksheets/sheet1.xml"))
    cells = '<x:c r="B3"><x:v>V</x:v></x:c><x:c r="C3"><x:v>V</x:v></x:c></x:row>'
    assert found == sheet.replace("</x:row>", cells)


def test_macros_are_kept_as_they_are(filled: Fill, template: Path, tmp_path: Path) -> None:
    def change(name: str, content: bytes) -> bytes:
        if name == "[Content_Types].xml":
            content = content.replace(
                b"application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml",
                b"application/vnd.ms-excel.sheet.macroEnabled.main+xml",
            ).replace(b"</Types>", b'<Default Extension="bin" ContentType="application/vnd.ms-office.vbaProject"/></Types>')
        return content

    workbook = remade(template, tmp_path / "macros.xlsm", change)
    with zipfile.ZipFile(workbook, "a") as book:
        book.writestr("xl/vbaProject.bin", bytes(range(256)) * 40)
    out, _ = filled(MAP, workbook)
    assert "xl/vbaProject.bin" in raw(out)
    assert changed(workbook, out) <= SHEETS | {"xl/workbook.xml"}
    with pytest.raises(ExperimentError, match=r"with macros inside; give the output a name that ends in \.xlsm"):
        read_template(workbook, tmp_path / "map.toml", tmp_path / "out.xlsx")


def test_a_protected_sheet_and_a_signature_are_noted(filled: Fill, template: Path, tmp_path: Path) -> None:
    def change(name: str, content: bytes) -> bytes:
        if name == "xl/worksheets/sheet1.xml":
            return content.replace(b"</sheetData>", b'</sheetData><sheetProtection sheet="1" objects="1"/>')
        return content

    workbook = remade(template, tmp_path / "protected.xlsx", change)
    with zipfile.ZipFile(workbook, "a") as book:
        book.writestr("_xmlsignatures/sig1.xml", "<Signature/>")
    _, notes = filled(MAP, workbook)
    assert [note.partition(":")[0].partition(";")[0] for note in notes] == [
        'the sheet "Plan" is protected',
        "the workbook was signed",
    ]


# --- files that are not sound ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not a zip file"),
        (b"PK\x03\x04 and nothing more", "not a zip file"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "a workbook with a password"),
    ],
)
def test_files_that_are_no_workbook(filled: Fill, tmp_path: Path, content: bytes, words: str) -> None:
    workbook = tmp_path / "broken.xlsx"
    workbook.write_bytes(content)
    (line,) = faults(filled, MAP, workbook)
    assert words in line


@pytest.mark.parametrize("cut", [1, 30, 300, 3000])
def test_a_file_cut_short_is_refused(filled: Fill, template: Path, tmp_path: Path, cut: int) -> None:
    workbook = tmp_path / "cut.xlsx"
    workbook.write_bytes(template.read_bytes()[:-cut])
    assert faults(filled, MAP, workbook)


@pytest.mark.parametrize(
    ("part", "before", "after", "words"),
    [
        ("xl/worksheets/sheet1.xml", b"<worksheet ", b"<!DOCTYPE x [<!ENTITY a 'b'>]><worksheet ", "DOCTYPE"),
        ("xl/workbook.xml", b"<workbook ", b"<!DOCTYPE x SYSTEM 'file:///etc/passwd'><workbook ", "DOCTYPE"),
        ("xl/worksheets/sheet1.xml", b"</sheetData>", b"", "not well-formed"),
        ("xl/worksheets/sheet1.xml", b"<sheetData>", b"<sheetData>" + b"<a>" * 300, "nested more than"),
        ("xl/worksheets/sheet1.xml", b'r="B3"', b'r="A1B3"', "is no cell"),
        ("xl/worksheets/sheet1.xml", b'<row r="3"', b'<row r="1"', "out of order"),
        ("xl/worksheets/sheet1.xml", b'<row r="3"', b'<row r="' + b"9" * 5000 + b'"', "out of order"),
        ("[Content_Types].xml", b"sheet.main+xml", b"template.main+xml", "no .xlsx or .xlsm workbook inside"),
    ],
)
def test_parts_that_are_not_sound(
    filled: Fill, template: Path, tmp_path: Path, part: str, before: bytes, after: bytes, words: str
) -> None:
    def change(name: str, content: bytes) -> bytes:
        if name != part:
            return content
        return re.sub(rb"^<\?xml.*?\?>\s*", b"", content).replace(before, after, 1)

    lines = faults(filled, MAP, remade(template, tmp_path / "broken.xlsx", change))
    assert any(words in line for line in lines), lines


def test_a_part_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.xlsx"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("[Content_Types].xml", b" " * 3_000_000)
    archive = read_archive(bomb, Limits(file_bytes=1_000_000))
    with pytest.raises(ExperimentError, match="unpacks to more than 1,000,000 bytes; raise the limit"):
        archive.read("[Content_Types].xml")
    lied = bytearray(bomb.read_bytes())
    at = lied.rindex(b"PK\x01\x02")
    lied[at + 24 : at + 28] = struct.pack("<L", 10)  # says that it unpacks to ten bytes
    bomb.write_bytes(lied)
    with pytest.raises(ExperimentError, match="unpacks to more than"):
        read_archive(bomb, Limits(file_bytes=1_000_000)).read("[Content_Types].xml")


def test_parts_that_share_bytes_or_a_name_are_refused(template: Path, tmp_path: Path) -> None:
    workbook = tmp_path / "twice.xlsx"
    with zipfile.ZipFile(workbook, "w") as book:
        book.writestr("a.xml", "<a/>")
        with pytest.warns(UserWarning, match="Duplicate name"):
            book.writestr("a.xml", "<b/>")
    with pytest.raises(ExperimentError, match="holds a part twice"):
        read_archive(workbook, Limits())
    content = bytearray(template.read_bytes())
    with zipfile.ZipFile(template) as book:
        first, second = book.infolist()[:2]
    at = content.rindex(b"PK\x01\x02", 0, content.rindex(second.filename.encode()))
    content[at + 42 : at + 46] = struct.pack("<L", first.header_offset)
    workbook.write_bytes(content)
    with pytest.raises(ExperimentError, match="damaged"):
        read_archive(workbook, Limits())


@pytest.mark.parametrize("seed", range(4))
def test_damaged_bytes_never_give_more_than_a_line(filled: Fill, template: Path, tmp_path: Path, seed: int) -> None:
    """Bytes of the file, or of a part inside it, changed, dropped or doubled at random: filled, or refused in words."""
    random = np.random.default_rng(seed)
    whole = template.read_bytes()
    with zipfile.ZipFile(template) as book:
        parts = {info.filename: book.read(info) for info in book.infolist()}
    targets = [name for name in parts if name.endswith((".xml", ".rels"))]
    refused = 0
    for _ in range(40):
        workbook = tmp_path / "damaged.xlsx"
        if random.random() < 0.4:
            workbook.write_bytes(_damaged(whole, random))
        else:
            name = targets[int(random.integers(len(targets)))]
            changed_ = _damaged(parts[name], random)
            with zipfile.ZipFile(workbook, "w") as book:
                for part, content in parts.items():
                    book.writestr(part, changed_ if part == name else content)
        try:
            filled(MAP, workbook)
        except ExperimentError:
            refused += 1
    assert refused > 5


def _damaged(content: bytes, random: np.random.Generator) -> bytes:
    data = bytearray(content)
    for _ in range(int(random.integers(1, 4))):
        at = int(random.integers(len(data)))
        match int(random.integers(3)):
            case 0:
                data[at] = int(random.integers(256))
            case 1:
                del data[at : at + int(random.integers(1, 30))]
            case _:
                data[at:at] = data[at : at + int(random.integers(1, 30))]
    return bytes(data)
