"""A planner's workbook as Excel would hold one: charts, validation, a table, a pivot table, merged cells, a calculation chain.

openpyxl makes most of it; the pivot table, the chain and the array formula are XML by hand, put into the zip afterwards.
"""

from __future__ import annotations

import zipfile
from pathlib import Path

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
TYPES = "application/vnd.openxmlformats-officedocument.spreadsheetml"
YEARS = (2020, 2021)


def planning_workbook(path: Path) -> Path:
    """Write the workbook: sheet Plan with cells to fill, sheet `Ward's data` with a table and the pivot table's source."""
    import openpyxl
    from openpyxl.chart import BarChart, LineChart, Reference
    from openpyxl.styles import Font, PatternFill
    from openpyxl.workbook.defined_name import DefinedName
    from openpyxl.worksheet.datavalidation import DataValidation
    from openpyxl.worksheet.table import Table

    book = openpyxl.Workbook()
    plan = book.active
    plan.title = "Plan"
    plan["A1"] = "Bed plan"
    plan.merge_cells("A1:D1")
    plan.append(["", *YEARS])
    plan["A3"] = "Beds at the end of the year"
    plan["B3"] = 111.5
    plan["B3"].font, plan["B3"].number_format = Font(bold=True, color="0000FF"), "#,##0.0"
    plan["B3"].fill = PatternFill("solid", fgColor="FFFF99")
    plan["A4"] = "Change of beds"
    plan["C4"] = "=C3-B3"
    plan["A5"] = "Beds closed"
    plan["B5"] = "=100-B3"
    plan["C5"] = "=100-C3"
    plan["A8"] = "Note"
    plan["B8"] = "to be filled"
    plan["F3"] = "not ours"
    checks = DataValidation(type="decimal", operator="between", formula1="0", formula2="1000", showErrorMessage=True)
    checks.add("B3:C3")
    plan.add_data_validation(checks)
    for chart, place in ((LineChart(), "H2"), (BarChart(), "H20")):
        chart.add_data(Reference(plan, min_col=1, max_col=3, min_row=3), from_rows=True, titles_from_data=True)
        plan.add_chart(chart, place)
    data = book.create_sheet("Ward's data")
    for row in (("ward", "beds"), ("north", 60), ("south", 40)):
        data.append(row)
    data.add_table(Table(displayName="Wards", ref="A1:B3"))
    for name, value in {
        "beds_at_end": "Plan!$C$3",
        "beds_by_year": "Plan!$B$3:$C$3",
        "ward_total": "'Ward''s data'!$D$9",
        "ratio": "0.92",
    }.items():
        book.defined_names[name] = DefinedName(name, attr_text=value)
    book.save(path)
    _by_hand(path)
    return path


def _by_hand(path: Path) -> None:
    """Add what openpyxl does not make."""
    with zipfile.ZipFile(path) as old:
        members = {info.filename: old.read(info) for info in old.infolist()}

    def change(name: str, before: str, after: str) -> None:
        text = members[name].decode()
        assert text.count(before) == 1, (name, before, text)
        members[name] = text.replace(before, after).encode()

    change(
        "xl/worksheets/sheet1.xml",
        "</sheetData>",
        '<row r="12"><c r="B12"><f t="array" ref="B12:C12">B3:C3*2</f><v>0</v></c><c r="C12"><v>0</v></c></row>'
        '<row r="14"><c r="B14"><f t="shared" ref="B14:C14" si="0">B3+1</f><v>1</v></c>'
        '<c r="C14"><f t="shared" si="0"/><v>1</v></c></row></sheetData>',
    )
    types = "".join(
        f'<Override PartName="/xl/{part}" ContentType="{TYPES}.{kind}+xml"/>'
        for part, kind in {
            "calcChain.xml": "calcChain",
            "pivotTables/pivotTable1.xml": "pivotTable",
            "pivotCache/pivotCacheDefinition1.xml": "pivotCacheDefinition",
            "pivotCache/pivotCacheRecords1.xml": "pivotCacheRecords",
        }.items()
    )
    change("[Content_Types].xml", "</Types>", f"{types}</Types>")
    change(
        "xl/_rels/workbook.xml.rels",
        "</Relationships>",
        f'<Relationship Id="rIdChain" Type="{RELATIONS}/calcChain" Target="calcChain.xml"/>'
        f'<Relationship Id="rIdCache" Type="{RELATIONS}/pivotCacheDefinition" Target="pivotCache/pivotCacheDefinition1.xml"/>'
        "</Relationships>",
    )
    change("xl/workbook.xml", "</workbook>", "</workbook>")
    text = members["xl/workbook.xml"].decode()
    caches = f'<pivotCaches><pivotCache cacheId="1" xmlns:r="{RELATIONS}" r:id="rIdCache"/></pivotCaches></workbook>'
    members["xl/workbook.xml"] = text.replace("</workbook>", caches).encode()
    change(
        "xl/worksheets/_rels/sheet2.xml.rels",
        "</Relationships>",
        f'<Relationship Id="rIdPivot" Type="{RELATIONS}/pivotTable" Target="../pivotTables/pivotTable1.xml"/></Relationships>',
    )
    declaration = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
    chain = '<c r="C5" i="1"/><c r="B5"/><c r="C4"/><c r="B12" a="1"/><c r="B14"/><c r="C14"/>'
    members["xl/calcChain.xml"] = f'{declaration}<calcChain xmlns="{MAIN}">{chain}</calcChain>'.encode()
    members["xl/pivotCache/pivotCacheDefinition1.xml"] = (
        f'{declaration}<pivotCacheDefinition xmlns="{MAIN}" xmlns:r="{RELATIONS}" r:id="rId1" refreshOnLoad="1" recordCount="2">'
        """<cacheSource type="worksheet"><worksheetSource ref="A1:B3" sheet="Ward's data"/></cacheSource>"""
        '<cacheFields count="2"><cacheField name="ward" numFmtId="0"><sharedItems count="2"><s v="north"/><s v="south"/>'
        '</sharedItems></cacheField><cacheField name="beds" numFmtId="0"><sharedItems containsSemiMixedTypes="0" '
        'containsString="0" containsNumber="1" containsInteger="1" minValue="40" maxValue="60"/></cacheField></cacheFields>'
        "</pivotCacheDefinition>"
    ).encode()
    members["xl/pivotCache/_rels/pivotCacheDefinition1.xml.rels"] = (
        f'{declaration}<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship '
        f'Id="rId1" Type="{RELATIONS}/pivotCacheRecords" Target="pivotCacheRecords1.xml"/></Relationships>'
    ).encode()
    members["xl/pivotCache/pivotCacheRecords1.xml"] = (
        f'{declaration}<pivotCacheRecords xmlns="{MAIN}" count="2"><r><x v="0"/><n v="60"/></r><r><x v="1"/><n v="40"/></r>'
        "</pivotCacheRecords>"
    ).encode()
    members["xl/pivotTables/pivotTable1.xml"] = (
        f'{declaration}<pivotTableDefinition xmlns="{MAIN}" name="Beds" cacheId="1" dataCaption="Values" '
        'applyNumberFormats="0" applyBorderFormats="0" applyFontFormats="0" applyPatternFormats="0" '
        'applyAlignmentFormats="0" applyWidthHeightFormats="1" outline="1" outlineData="1">'
        '<location ref="F1:G4" firstHeaderRow="1" firstDataRow="1" firstDataCol="1"/><pivotFields count="2">'
        '<pivotField axis="axisRow" showAll="0"><items count="3"><item x="0"/><item x="1"/><item t="default"/></items>'
        '</pivotField><pivotField dataField="1" showAll="0"/></pivotFields><rowFields count="1"><field x="0"/></rowFields>'
        '<rowItems count="3"><i><x/></i><i><x v="1"/></i><i t="grand"><x/></i></rowItems><colItems count="1"><i/></colItems>'
        '<dataFields count="1"><dataField name="Sum of beds" fld="1" baseField="0" baseItem="0"/></dataFields>'
        "</pivotTableDefinition>"
    ).encode()
    members["xl/pivotTables/_rels/pivotTable1.xml.rels"] = (
        f'{declaration}<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship '
        f'Id="rId1" Type="{RELATIONS}/pivotCacheDefinition" Target="../pivotCache/pivotCacheDefinition1.xml"/></Relationships>'
    ).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name, content in members.items():
            new.writestr(zipfile.ZipInfo(name, (2024, 4, 1, 9, 30, 0)), content, zipfile.ZIP_DEFLATED, 1)
