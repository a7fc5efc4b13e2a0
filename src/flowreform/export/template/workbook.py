"""What a workbook file says about itself: its sheets, names, tables and pivots, and the parts that hold them."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from flowreform.errors import ExperimentError, Finding, did_you_mean, error
from flowreform.export.template.archive import Archive
from flowreform.export.template.sheet import Area, Edit, Tag, area, edited, split_sheet, start_tag, walk
from flowreform.text import as_whole

_KINDS = {
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml": ".xlsx",
    "application/vnd.ms-excel.sheet.macroEnabled.main+xml": ".xlsm",
}
_BEFORE_CALC = (
    "fileVersion", "fileSharing", "workbookPr", "workbookProtection", "bookViews", "sheets", "functionGroups",
    "externalReferences", "definedNames",
)  # fmt: skip
"""What stands before `calcPr` in a workbook (ECMA-376, part 1, 18.2.27)."""
_SAVE_AGAIN = "open it in the program that wrote it and save it again"


@dataclass(frozen=True, slots=True)
class Sheet:
    """One sheet: its name, the number that the calculation chain knows it by, its part; "" when it has no cells (a chart)."""

    name: str
    number: str
    part: str


@dataclass(frozen=True, slots=True)
class Nowhere:
    """A text that stands for no cells: why, and what to write instead."""

    reason: str
    repair: str


@dataclass(frozen=True)
class Workbook:
    """A workbook in an archive: `names` are defined names by (sheet, name in lower case); the sheet is "" for all of it."""

    archive: Archive
    part: str
    kind: str
    sheets: tuple[Sheet, ...]
    names: Mapping[tuple[str, str], tuple[str, str]] = field(repr=False)
    chain: str = ""

    def sheet(self, name: str) -> Sheet | None:
        """A sheet by name, in any case, as spreadsheets take it."""
        return next((sheet for sheet in self.sheets if sheet.name.lower() == name.lower()), None)

    def target(self, text: str) -> tuple[Sheet, Area] | Nowhere:
        """The cells that `Sheet!B5`, `Sheet!B5:K5` or a defined name stands for; else reason and repair."""
        head, rest = split_sheet(text)
        if head:
            sheet = self.sheet(head)
            if sheet is None:
                known = [item.name for item in self.sheets]
                hint = did_you_mean(head, known) or f"sheets are {', '.join(known[:20])}"
                return Nowhere(f'there is no sheet "{head}"', hint)
            block = area(rest)
            if block is not None:
                return _with_cells(sheet, block)
            found = self.names.get((sheet.name.lower(), rest.lower()))
        else:
            found = self.names.get(("", rest.lower()))
            if found is None:
                local = [value for (_, name), value in self.names.items() if name == rest.lower()]
                if len(local) > 1:
                    return Nowhere(f'several sheets have a name "{rest}"', f"write Sheet!{rest}")
                found = local[0] if local else None
        if found is None:
            if area(rest) is not None:
                return Nowhere("an address needs its sheet", f"write {self.sheets[0].name}!{rest}")
            known = [name for name, _ in self.names.values()]
            hint = did_you_mean(rest, known) or (f"names are {', '.join(known[:20])}" if known else "write Sheet!B5")
            return Nowhere(f'the workbook has no name "{rest}"', hint)
        return self._named(*found)

    def _named(self, name: str, value: str) -> tuple[Sheet, Area] | Nowhere:
        head, rest = split_sheet(value)
        sheet, block = self.sheet(head), area(rest)
        if sheet is None or block is None:
            reason = f'the name "{name}" stands for {value[:60]}, not for a block of cells'
            return Nowhere(reason, "let it refer to cells, or write Sheet!B5")
        return _with_cells(sheet, block)

    def covered(self, sheet: Sheet) -> Iterator[tuple[str, Area]]:
        """The cells of a sheet that Excel itself writes: headings and totals of tables, and pivot tables."""
        for kind, part in _related(self.archive, sheet.part):
            if kind == "table":
                root = _parsed(self.archive, part)
                block = area(root.get("ref", ""))
                if block is not None:
                    if root.get("headerRowCount", "1") != "0":
                        yield "the heading of a table", Area(block.top, block.left, block.top, block.right)
                    if root.get("totalsRowCount", "0") != "0":
                        yield "the totals row of a table", Area(block.bottom, block.left, block.bottom, block.right)
            elif kind == "pivotTable":
                for node in _parsed(self.archive, part).iter("{*}location"):
                    block = area(node.get("ref", ""))
                    if block is not None:
                        yield "a pivot table", block

    @property
    def signed(self) -> bool:
        """Whether the file bears a digital signature, which any change breaks."""
        return any(name.lower().startswith("_xmlsignatures/") for name in self.archive.members)


def _with_cells(sheet: Sheet, block: Area) -> tuple[Sheet, Area] | Nowhere:
    if not sheet.part:
        return Nowhere(f'the sheet "{sheet.name}" has no cells', "choose a worksheet")
    return sheet, block


def read_workbook(archive: Archive) -> Workbook:
    """The workbook in an archive. Raises ExperimentError when it is none, or of a kind that cannot be filled."""
    part = next((part for kind, part in _related(archive, "") if kind == "officeDocument"), "")
    if not part:
        raise _fault(archive, "this is no workbook: it does not say where its workbook part is", "give it an .xlsx or .xlsm file")
    kind = _KINDS.get(_content_type(archive, part), "")
    if not kind:
        raise _fault(archive, "this is no .xlsx or .xlsm workbook inside", "save it as .xlsx, or as .xlsm with its macros")
    root = _parsed(archive, part)
    parts = {ident: (kind, place) for ident, kind, place in _relations(archive, part)}
    sheets = []
    for node in root.iterfind("{*}sheets/{*}sheet"):
        ident = next((value for key, value in node.attrib.items() if key.endswith("}id")), "")
        relation, place = parts.get(ident, ("", ""))
        sheets.append(Sheet(node.get("name", ""), node.get("sheetId", ""), place if relation == "worksheet" else ""))
    if not sheets:
        raise _fault(archive, "the workbook has no sheets", _SAVE_AGAIN)
    names = {}
    for node in root.iterfind("{*}definedNames/{*}definedName"):
        name, local = node.get("name", ""), node.get("localSheetId", "")
        at = as_whole(local)
        owner = sheets[at].name.lower() if at is not None and 0 <= at < len(sheets) else ""
        if not name.lower().startswith("_xlnm."):
            names[owner, name.lower()] = (name, (node.text or "").strip())
    chain = next((place for relation, place in parts.values() if relation == "calcChain"), "")
    return Workbook(archive, part, kind, tuple(sheets), names, chain)


def recalculated(workbook: Workbook) -> bytes:
    """The workbook part with `fullCalcOnLoad="1"`: whoever opens the file works out every formula anew."""
    content = workbook.archive.read(workbook.part)
    found: list[Tag] = []
    after = [0]
    root: list[Tag] = []

    def opened(tag: Tag, depth: int) -> None:
        if depth == 1:
            root.append(tag)
            after[0] = tag.stop
        elif depth == 2 and tag.name == "calcPr":
            found.append(tag)

    def closed(name: str, depth: int, inside: int, stop: int) -> None:
        if depth == 2 and name in _BEFORE_CALC:
            after[0] = stop

    walk(content, opened, closed, workbook.archive.file, workbook.part)
    if found:
        tag = found[0]
        return edited(content, [Edit(tag.start, tag.stop, start_tag(tag, {"fullCalcOnLoad": "1"}))])
    return edited(content, [Edit(after[0], after[0], f'<{root[0].prefix}calcPr fullCalcOnLoad="1"/>'.encode())])


# --- parts and their relations ---------------------------------------------------------------------------------------


def _related(archive: Archive, part: str) -> Iterator[tuple[str, str]]:
    """The parts that a part refers to, each with the last word of the relation's type."""
    for _, kind, place in _relations(archive, part):
        yield kind, place


def relations_part(part: str) -> str:
    """Where the relations of a part stand; of the whole file for ""."""
    folder, name = posixpath.split(part)
    return posixpath.join(folder, "_rels", f"{name}.rels")


def _relations(archive: Archive, part: str) -> Iterator[tuple[str, str, str]]:
    where = relations_part(part)
    if where not in archive:
        return
    for node in _parsed(archive, where).iterfind("{*}Relationship"):
        if node.get("TargetMode") != "External":
            target = node.get("Target", "")
            place = (
                target.lstrip("/")
                if target.startswith("/")
                else posixpath.normpath(posixpath.join(posixpath.dirname(part), target))
            )
            yield node.get("Id", ""), node.get("Type", "").rpartition("/")[2], _spelt(archive, place)


def _spelt(archive: Archive, place: str) -> str:
    """A part's name as the archive spells it: names of parts do not tell capitals apart."""
    if place in archive:
        return place
    return next((name for name in archive.members if name.lower() == place.lower()), place)


def _content_type(archive: Archive, part: str) -> str:
    root = _parsed(archive, "[Content_Types].xml")
    for node in root.iterfind("{*}Override"):
        if node.get("PartName", "").lower() == f"/{part}".lower():
            return str(node.get("ContentType", ""))
    suffix = part.rpartition(".")[2].lower()
    return next(
        (str(node.get("ContentType", "")) for node in root.iterfind("{*}Default") if node.get("Extension", "").lower() == suffix),
        "",
    )


def _parsed(archive: Archive, part: str) -> Any:
    """The root of an XML part: no entities, no DOCTYPE, no network."""
    from lxml import etree

    parser = etree.XMLParser(
        recover=False, resolve_entities=False, load_dtd=False, no_network=True, remove_comments=True, remove_pis=True
    )
    content = archive.read(part)
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as fault:
        raise _fault(archive, f"the part is not well-formed XML: {fault.msg}", _SAVE_AGAIN, part) from None
    if root.getroottree().docinfo.doctype:
        raise _fault(archive, "the part declares a DOCTYPE, which a workbook never needs", _SAVE_AGAIN, part)
    return root


def _fault(archive: Archive, reason: str, repair: str, element: str = "") -> ExperimentError:
    found: Finding = error("workbook", reason, repair, file=archive.file, element=element)
    return ExperimentError(found)


# --- the calculation chain -------------------------------------------------------------------------------------------


_TYPES = "[Content_Types].xml"


def without(workbook: Workbook, gone: Collection[tuple[str, str]]) -> tuple[dict[str, bytes], tuple[str, ...]]:
    """The parts to replace and the parts to remove when formulas are `gone`, as (number of the sheet, address)."""
    if not workbook.chain or workbook.chain not in workbook.archive or not gone:
        return {}, ()
    archive = workbook.archive
    content = archive.read(workbook.chain)
    edits: list[Edit] = []
    kept = removed = 0
    open_: list[tuple[Tag, bool]] = []
    number, stated = "", True

    def opened(tag: Tag, depth: int) -> None:
        nonlocal number, stated, kept, removed
        if depth != 2 or tag.name != "c":
            return
        number, own = tag.attributes.get("i", number), "i" in tag.attributes
        goes = (number, tag.attributes.get("r", "").upper()) in gone
        open_.append((tag, goes))
        if goes:
            removed += 1
            stated = stated and not own
        else:
            kept += 1
            if not own and not stated:
                edits.append(Edit(tag.start, tag.stop, start_tag(tag, {"i": number})))
            stated = True

    def closed(name: str, depth: int, inside: int, stop: int) -> None:
        if depth == 2 and open_:
            tag, goes = open_.pop()
            if goes:
                edits.append(Edit(tag.start, stop, b""))

    walk(content, opened, closed, archive.file, workbook.chain)
    if kept and removed == len(gone):
        return {workbook.chain: edited(content, edits)}, ()
    relations = relations_part(workbook.part)
    replaced = {
        relations: _dropped(workbook, relations, lambda tag: tag.attributes.get("Type", "").endswith("/calcChain")),
        _TYPES: _dropped(
            workbook, _TYPES, lambda tag: tag.attributes.get("PartName", "").lower() == f"/{workbook.chain}".lower()
        ),
    }
    return replaced, (workbook.chain,)


def _dropped(workbook: Workbook, part: str, which: Callable[[Tag], bool]) -> bytes:
    """A part without the elements right under its root that `which` picks."""
    content = workbook.archive.read(part)
    edits: list[Edit] = []
    inside: list[Tag] = []

    def opened(tag: Tag, depth: int) -> None:
        if depth == 2:
            inside.append(tag)

    def closed(name: str, depth: int, begin: int, stop: int) -> None:
        if depth == 2 and which(inside[-1]):
            edits.append(Edit(inside[-1].start, stop, b""))

    walk(content, opened, closed, workbook.archive.file, part)
    return edited(content, edits)
