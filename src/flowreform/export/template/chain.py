"""The calculation chain without cells that no longer hold a formula: Excel calls a workbook damaged that lists others.

Each entry names a cell and the number of its sheet; an entry without a number has that of the one before (ECMA-376, part 1,
18.6.1). A chain may not be empty: then the part goes, with its relation and its content type, and so it does when the chain
does not list a formula that was there, since then it is not to be trusted; Excel makes a new one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from flowreform.export.template.markup import Edit, Tag, edited, start_tag, walk
from flowreform.export.template.workbook import Workbook, relations_part

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
