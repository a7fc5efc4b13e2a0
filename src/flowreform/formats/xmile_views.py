"""`<views>` of a written model: the sheets of `diagrams`, one below the other, with everything that the model has.

XMILE 1.0, chapter 6: positions are in pixels from the top left, of the middle of a thing; a flow has the points of its pipe, a
connector the angle at which it leaves. A cause that stands elsewhere, or too far away for an arrow to be followed, is an alias
under its reader, as in Stella (Vensim and Simlin call it a shadow or ghost).
"""

from __future__ import annotations

from collections.abc import Mapping
from math import atan2, degrees

from flowreform.diagrams.chain import name_box
from flowreform.diagrams.drawing import LINE, Box, Drawing
from flowreform.diagrams.sheets import sheets
from flowreform.formats.xmile_document import Node
from flowreform.model import Model, Role, causes

_SPACE = "http://docs.oasis-open.org/xmile/ns/XMILE/v1.0"
MARGIN = 40.0


def add_views(owner: Node, model: Model, written: Mapping[str, tuple[str, str]]) -> None:
    """One view of a whole model; `written` has each variable's name as it stands in the file and as equations spell it."""
    from lxml import etree

    views = etree.SubElement(owner, f"{{{_SPACE}}}views")
    pages = sheets(model, whole=True)
    width = max((page.width for page in pages), default=0.0) + 2 * MARGIN
    height = sum(page.height + MARGIN for page in pages) + MARGIN
    size = {"page_width": _number(width), "page_height": _number(height)}
    view = etree.SubElement(views, f"{{{_SPACE}}}view", {"view_type": "stock_flow", "type": "stock_flow", **size})
    top, aliases = MARGIN, 0
    for page in pages:
        aliases = _page(view, model, page.moved(MARGIN, top), written, aliases)
        top += page.height + MARGIN


def _page(view: Node, model: Model, page: Drawing, written: Mapping[str, tuple[str, str]], aliases: int) -> int:
    """One sheet: what stands on it, its aliases, its connectors; how many aliases there are by now."""
    boxes = {box.name: box for box in page.boxes if box.kind != "cloud"}
    ways = {pipe.name: pipe.points for pipe in page.pipes}
    for box in boxes.values():
        _thing(view, model, box, ways.get(box.name, ()), written[box.name][0])
    graph = causes(model)
    drawn = {(arrow.source, arrow.target) for arrow in page.arrows}
    for box in boxes.values():
        if model.variables[box.name].role is Role.STOCK:
            continue
        row = 0
        for cause in graph[box.name]:
            if cause == box.name:
                continue
            if (cause, box.name) in drawn:
                _connector(view, written[cause][1], None, boxes[cause], box, written[box.name][1])
                continue
            y = _foot(box) + LINE * row
            alias = Box(cause, "alias", box.x, y, 0.0, 0.0)
            row, aliases = row + 1, aliases + 1
            node = _add(view, "alias", x=_number(box.x), y=_number(y), uid=str(aliases))
            _add(node, "of").text = written[cause][1]
            _connector(view, "", aliases, alias, box, written[box.name][1])
    return aliases


def _foot(box: Box) -> float:
    """Where the first small line under a name stands."""
    room = name_box(box) if box.kind == "valve" else box
    return room.top + LINE * (len(box.lines) + 0.5)


def _thing(view: Node, model: Model, box: Box, points: tuple[tuple[float, float], ...], name: str) -> None:
    variable = model.variables[box.name]
    tag = "stock" if variable.role is Role.STOCK else "flow" if points or variable.role is Role.FLOW else "aux"
    node = _add(view, tag, x=_number(box.x), y=_number(box.y), name=name)
    if tag == "stock":  # a stock's place is its top left corner where a size is given
        node.set("x", _number(box.left))
        node.set("y", _number(box.top))
        node.set("width", _number(box.width))
        node.set("height", _number(box.height))
    if points:
        inside = _add(node, "pts")
        for x, y in points:
            _add(inside, "pt", x=_number(x), y=_number(y))


def _connector(view: Node, cause: str, alias: int | None, a: Box, b: Box, reader: str) -> None:
    angle = degrees(atan2(a.y - b.y, b.x - a.x)) % 360.0
    node = _add(view, "connector", angle=_number(angle))
    source = _add(node, "from")
    if alias is None:
        source.text = cause
    else:
        _add(source, "alias", uid=str(alias))
    _add(node, "to").text = reader


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _add(owner: Node, tag: str, **attributes: str) -> Node:
    from lxml import etree

    return etree.SubElement(owner, f"{{{_SPACE}}}{tag}", attributes)
