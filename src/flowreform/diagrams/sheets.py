"""A sheet for each sector: its plumbing with the auxiliaries of the feedback core, what acts on what, and the levers.

Auxiliaries stand on slots of a grid that is free of boxes, pipes and names. They are put down one after the other where their
links are shortest and cross least, and then moved and exchanged as long as that helps.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from math import hypot
from typing import Any

from flowreform.diagrams.chain import Arranged, arranged, chain_drawing, name_box, note_width
from flowreform.diagrams.drawing import LINE, Arrow, Box, Drawing, Ground, Point, extent, text_width, wrapped
from flowreform.diagrams.overview import GAP, HEAD, counted_lines, shelves
from flowreform.diagrams.plumbing import Plumbing, plumbing
from flowreform.graph import components
from flowreform.model import Causes, Model, Role, causes, uses

FAR = 420.0
"""A cause farther away than this is named under its reader, in grey, and has no arrow."""
CROSSED_BOX, CROSSED_NAME, CROSSED_LINK = 70.0, 60.0, 9.0
STEP = (74.0, 34.0)
PASSES = 2
TRIED = 30
"""Free slots that are weighed for an auxiliary, those nearest to the middle of its neighbours first."""
CROWD, CROWD_GAP = 300, 24.0
"""More auxiliaries than this on a sheet stand in rows, so far apart: weighing places grows with the cube of their number, and
nobody reads such a sheet as a drawing."""
ROUNDS = 3
MOST_NOTES = 5
"""Causes from elsewhere that are named under a reader; more are counted."""

Link = tuple[str, str]


@dataclass(frozen=True)
class SheetPlan:
    """What a sheet shows of a sector: variables by name, the links drawn, and the notes under each reader."""

    sector: str
    shown: tuple[str, ...]
    links: tuple[Link, ...]
    notes: Mapping[str, tuple[tuple[str, str], ...]]


def sheets(
    model: Model,
    *,
    signs: Mapping[Link, int] | None = None,
    levers: Collection[str] = (),
    reported: Collection[str] = (),
    whole: bool = False,
) -> tuple[Drawing, ...]:
    """A drawing for each sector that has stocks or feedback.

    `signs` are those of links by name, 1 or -1 where they never change; `levers` parameters that are named where they first
    act; `reported` auxiliaries that are shown though no loop passes them. `whole` shows every auxiliary and parameter."""
    plan = plumbing(model, whole=whole)
    graph = causes(model)
    core = feedback_core(graph)
    found = []
    for at, (name, label) in enumerate(plan.sectors):
        made = _sheet(model, plan, graph, core, name, levers, reported, whole)
        if made.shown:
            found.append(
                _drawing(model, plan, graph, made, label.replace("_", " "), at, signs or {}, 10_000 if whole else MOST_NOTES)
            )
    return tuple(found)


def feedback_core(graph: Causes) -> frozenset[str]:
    """The largest group of variables that act on each other; those of smaller groups too, where it holds none of theirs."""
    groups = [group for group in components(uses(graph)) if len(group) > 2]
    return frozenset(name for group in groups for name in group)


# --- what a sheet shows ----------------------------------------------------------------------------------------------


def _sheet(
    model: Model,
    plan: Plumbing,
    graph: Causes,
    core: frozenset[str],
    sector: str,
    levers: Collection[str],
    reported: Collection[str],
    whole: bool,
) -> SheetPlan:
    chains = [chain for chain in plan.chains if chain.home == sector]
    pipes = [name for chain in chains for name in (*chain.stocks, *(flow.name for flow in chain.flows))]
    kinds = {Role.AUXILIARY, Role.FLOW, Role.PARAMETER, Role.LOOKUP} if whole else {Role.AUXILIARY, Role.FLOW}
    extra = [
        variable.name
        for variable in model
        if plan.home[variable.name] == sector
        and variable.name not in pipes
        and variable.role in kinds
        and (whole or variable.name in core or (variable.name in reported and variable.role is Role.AUXILIARY))
    ]
    shown = tuple(dict.fromkeys((*pipes, *extra)))
    inside = set(shown)
    stocks = {variable.name for variable in model if variable.role is Role.STOCK}
    links, notes = [], {}
    for reader in shown:
        if reader in stocks:
            continue  # what a stock reads are its flows, or what it starts with
        beside: list[tuple[str, str]] = []
        for cause in graph[reader]:
            variable = model.variables[cause]
            if cause == reader or (variable.role is Role.LOOKUP and not whole):
                continue
            if cause in inside:
                links.append((cause, reader))
            elif whole or cause in core or cause in stocks or cause in reported:
                beside.append(("ghost", variable.label.replace("_", " ")))
        if not whole:
            acting = _levers(model, graph, reader, set(levers), inside | core)
            beside += [("lever", model.variables[name].label.replace("_", " ")) for name in acting]
        notes[reader] = tuple(beside)
    return SheetPlan(sector, shown, tuple(links), notes)


def _levers(model: Model, graph: Causes, reader: str, levers: set[str], drawn: Collection[str]) -> list[str]:
    """The levers that act on a variable through nothing that is drawn."""
    found: dict[str, None] = {}
    seen: set[str] = set()
    stack = [reader]
    while stack:
        for cause in graph[stack.pop()]:
            if cause in levers:
                found[cause] = None
            elif cause not in seen and cause not in drawn and model.variables[cause].role is Role.AUXILIARY:
                seen.add(cause)
                stack.append(cause)
    return [name for name in model.variables if name in found]


def noted(notes: Sequence[tuple[str, str]], most: int) -> tuple[tuple[str, str], ...]:
    """At most so many lines; the rest is counted."""
    if len(notes) <= most:
        return tuple(notes)
    first = sorted(notes, key=lambda note: note[0] != "lever")[: most - 1]
    return (*first, ("ghost", f"{len(notes) - len(first)} more"))


# --- where it stands -------------------------------------------------------------------------------------------------


def _drawing(
    model: Model, plan: Plumbing, graph: Causes, sheet: SheetPlan, label: str, tint: int, signs: Mapping[Link, int], most: int
) -> Drawing:
    """The sheet laid out: links that are too long, or that would run over others, become names under their reader, and what is
    left is laid out anew."""
    chains = [arranged(chain) for chain in plan.chains if chain.home == sheet.sector]
    for _ in range(ROUNDS if most == MOST_NOTES else 1):
        base = _laid_out(model, chains, sheet, most)
        awkward = _awkward(base, sheet)
        if not awkward:
            break
        notes = {name: tuple(items) for name, items in sheet.notes.items()}
        for cause, reader in awkward:
            notes[reader] = (*notes.get(reader, ()), ("ghost", model.variables[cause].label.replace("_", " ")))
        sheet = replace(sheet, links=tuple(link for link in sheet.links if link not in awkward), notes=notes)
    base = _laid_out(model, chains, sheet, most)
    return _finished(model, plan, sheet, base, label, tint, signs, graph)


def _laid_out(model: Model, chains: Sequence[Arranged], sheet: SheetPlan, most: int) -> Drawing:
    """The plumbing of a sheet, and its auxiliaries on the slots that are free."""
    notes = {name: noted(items, most) for name, items in sheet.notes.items()}
    crowd = len(sheet.shown) - sum(len(part.chain.stocks) + len(part.chain.flows) for part in chains)
    pitch = min(26.0, 4.0 + 1.2 * crowd)
    base = shelves([chain_drawing(part, model, pitch, notes) for part in chains], 1000.0, 60.0)
    standing = {box.name for box in base.boxes if box.kind in ("stock", "valve")}
    free = [name for name in sheet.shown if name not in standing]
    return replace(base, boxes=(*base.boxes, *_Slots(model, base, sheet, free, notes).placed()))


def _awkward(base: Drawing, sheet: SheetPlan) -> list[Link]:
    """The links that are too long to follow, pass through a stock, or run over two things and more. The only link of an auxiliary
    stays unless it is too long: without it nothing would say where it belongs."""
    degree = Counter(name for link in sheet.links for name in link)
    boxes = {box.name: box for box in base.boxes if box.kind != "cloud"}
    in_the_way = list(boxes.values()) if len(boxes) <= CROWD else []  # through a crowd nobody follows a line: its length counts
    rooms = [(box, CROSSED_BOX if box.kind in ("stock", "valve") else CROSSED_BOX / 2) for box in in_the_way]
    rooms += [(name_box(box), CROSSED_BOX / 2) for box in in_the_way if box.kind == "valve"]
    found = []
    for cause, reader in sheet.links:
        arrow = arrow_between(boxes[cause], boxes[reader], 0)
        line = arrow.start, arrow.end
        over = sum(weight for room, weight in rooms if room.name not in (cause, reader) and touches(line, room, -1.0))
        lone = any(degree[name] == 1 and boxes[name].kind in ("auxiliary", "parameter") for name in (cause, reader))
        if hypot(line[0][0] - line[1][0], line[0][1] - line[1][1]) > FAR or (over >= CROSSED_BOX and not lone):
            found.append((cause, reader))
    return found


def _auxiliary(model: Model, name: str, notes: Sequence[tuple[str, str]], x: float, y: float) -> Box:
    variable = model.variables[name]
    lines = wrapped(variable.label, 112.0)
    widths = [text_width(line) for line in lines] + [note_width(text) for _, text in notes]
    kind = {Role.STOCK: "stock", Role.PARAMETER: "parameter"}.get(variable.role, "auxiliary")
    if kind == "stock":
        return Box(name, "stock", x, y, 124.0, 44.0, lines, tuple(notes), bool(variable.dimensions))
    height = LINE * (len(lines) + len(notes))
    return Box(name, kind, x, y, max(widths) + 4.0, height + 2.0, lines, tuple(notes), bool(variable.dimensions))


class _Slots:
    """The free places of a sheet, and who stands in which."""

    def __init__(
        self,
        model: Model,
        base: Drawing,
        sheet: SheetPlan,
        free: Sequence[str],
        notes: Mapping[str, tuple[tuple[str, str], ...]],
    ) -> None:
        import numpy as np

        self.np: Any = np
        self.free = list(free)
        self.fixed = {box.name: box for box in base.boxes if box.kind in ("stock", "valve")}
        names = [name_box(box) for box in self.fixed.values() if box.kind == "valve"]
        self.rooms = [*self.fixed.values(), *names]
        self.weights = np.array([CROSSED_BOX] * len(self.fixed) + [CROSSED_NAME] * len(names))
        self.walls = [(box, 8.0) for box in self.fixed.values()] + [(box, 12.0) for box in names] + _pipe_boxes(base)
        self.walls += [(box, 2.0) for box in base.boxes if box.kind == "cloud"]
        self.shape = {name: _auxiliary(model, name, notes.get(name, ()), 0.0, 0.0) for name in self.free}
        self.beside: dict[str, list[str]] = {name: [] for name in self.free}
        for a, b in sheet.links:
            if a in self.beside:
                self.beside[a].append(b)
            if b in self.beside:
                self.beside[b].append(a)
        self.at: dict[str, Box] = {}
        self.foot = base.height + 40.0
        if len(self.free) <= CROWD:
            self.slots = np.array(self._grid(base))
            self.clear = {name: ~self._hit(shape, self.walls) for name, shape in self.shape.items()}

    def _grid(self, base: Drawing) -> list[Point]:
        """Points of a grid around and within the plumbing, more rows below where there are many to place."""
        need = sum((shape.width + 24.0) * (shape.height + 18.0) for shape in self.shape.values())
        width = max(base.width, 560.0)
        tallest = max((shape.height for shape in self.shape.values()), default=0.0)
        below = need / width * 1.5 + 2 * tallest + 40.0
        columns = int(width // STEP[0]) + 1
        top = -int((60.0 + below * 0.3) // STEP[1]) if self.free else 0
        rows = int((base.height + below) // STEP[1]) + 1
        return [(i * STEP[0], j * STEP[1]) for j in range(top, rows + 1) for i in range(columns + 1)]

    def _hit(self, shape: Box, walls: Sequence[tuple[Box, float]]) -> Any:
        """By slot, whether a box there would meet one of some others, bool[slot]."""
        np = self.np
        if not walls:
            return np.zeros(len(self.slots), dtype=bool)
        xs, ys = self.slots[:, :1], self.slots[:, 1:]
        wide = np.array([shape.width + box.width + 2 * gap for box, gap in walls])
        high = np.array([shape.height + box.height + 2 * gap for box, gap in walls])
        near_x = abs(xs - np.array([box.x for box, _ in walls])) * 2 < wide
        return (near_x & (abs(ys - np.array([box.y for box, _ in walls])) * 2 < high)).any(axis=1)

    def placed(self) -> list[Box]:
        """Every auxiliary in its place; those of a crowd in rows under what stands, in the order of the file."""
        if len(self.free) > CROWD:
            return self._in_rows()
        order = self._order()
        for name in order:
            self._settle(name)
        for _ in range(PASSES):
            moved = [self._settle(name) for name in order]
            if not any(moved):
                break
        return [self.at[name] for name in self.free]

    def _in_rows(self) -> list[Box]:
        widths = [self.shape[name].width + CROWD_GAP for name in self.free]
        breadth = max(1000.0, (sum(widths) * 40.0) ** 0.5)
        found: list[Box] = []
        x, y, deepest = 0.0, self.foot + CROWD_GAP, 0.0
        for name, width in zip(self.free, widths, strict=True):
            shape = self.shape[name]
            if x and x + width > breadth:
                x, y, deepest = 0.0, y + deepest + CROWD_GAP, 0.0
            found.append(shape.at(x + shape.width / 2, y + shape.height / 2))
            x, deepest = x + width, max(deepest, shape.height)
        return found

    def _order(self) -> list[str]:
        """Those with most neighbours that stand already come first; else as in the file."""
        done = dict.fromkeys(self.fixed)
        left = list(self.free)
        found = []
        while left:
            best = max(left, key=lambda name: (sum(other in done for other in self.beside[name]), -left.index(name)))
            left.remove(best)
            done[best] = None
            found.append(best)
        return found

    def _settle(self, name: str) -> bool:
        """Put a variable where its links cost least; whether it moved."""
        np = self.np
        here = self.at.pop(name, None)
        shape, others = self.shape[name], list(self.at.values())
        ends = [self.at.get(other) or self.fixed.get(other) for other in self.beside[name]]
        near = [box for box in ends if box is not None]
        xs, ys = self.slots[:, 0], self.slots[:, 1]
        if near:
            length = sum(np.hypot(xs - box.x, ys - box.y) for box in near)
        else:
            length = abs(xs) + 2.0 * abs(ys - self.foot)
        length = np.where(self.clear[name] & ~self._hit(shape, [(box, 11.0) for box in others]), length, np.inf)
        tried = np.argsort(length, kind="stable")[:TRIED]
        tried = tried[np.isfinite(length[tried])]
        if not len(tried):  # no slot is free: a row of its own below everything
            low = max((box.bottom for box in others), default=self.foot)
            self.at[name] = shape.at(shape.width / 2, max(low, float(ys.max())) + shape.height / 2 + 12.0)
            return True
        places = self.slots[tried]
        cost = length[tried] + self._crossings(shape, places, near, others)
        x, y = places[int(np.argmin(cost))].tolist()
        self.at[name] = shape.at(x, y)
        return here is None or (here.x, here.y) != (x, y)

    def _crossings(self, shape: Box, places: Any, near: Sequence[Box], others: Sequence[Box]) -> Any:
        """By place, what the links of a variable there would run over, and what of others' would run over it."""
        np = self.np
        cost = np.zeros(len(places))
        rooms = [*self.rooms, *others]
        weights = np.concatenate([self.weights, np.full(len(others), CROSSED_NAME)])
        edges = _edges(np, rooms)
        for end in near:
            other = np.array([room.name != end.name for room in rooms])
            lines = np.column_stack([places, np.full(len(places), end.x), np.full(len(places), end.y)])
            cost += (_meetings(np, lines, edges) * weights * other).sum(axis=1)
        links = [(box, self.at.get(to) or self.fixed.get(to)) for box in others for to in self.beside[box.name]]
        lines = np.array([(a.x, a.y, b.x, b.y) for a, b in links if b is not None and b.name != shape.name]).reshape(-1, 4)
        if len(lines):
            half = np.array([shape.width / 2, shape.height / 2])
            cost += CROSSED_NAME * _meetings(np, lines, np.column_stack([places - half, places + half])).sum(axis=0)
        return cost


def _pipe_boxes(base: Drawing) -> list[tuple[Box, float]]:
    """Every straight piece of a pipe as a box without breadth, and how far to keep from it."""
    return [
        (Box("", "pipe", (a[0] + b[0]) / 2, (a[1] + b[1]) / 2, abs(a[0] - b[0]), abs(a[1] - b[1])), 6.0)
        for pipe in base.pipes
        for a, b in pairwise(pipe.points)
    ]


def _edges(np: Any, boxes: Sequence[Box]) -> Any:
    """Left, top, right and bottom of boxes, float64[box, 4]."""
    return np.array([(box.left, box.top, box.right, box.bottom) for box in boxes]).reshape(-1, 4)


def _meetings(np: Any, lines: Any, edges: Any) -> Any:
    """Whether each line (x0, y0, x1, y1) passes within each box (left, top, right, bottom): bool[line, box]."""
    low, high = np.zeros((len(lines), len(edges))), np.ones((len(lines), len(edges)))
    hit = np.ones((len(lines), len(edges)), dtype=bool)
    for axis in (0, 1):
        start, move = lines[:, axis, None], (lines[:, axis + 2] - lines[:, axis])[:, None]
        least, most = edges[None, :, axis], edges[None, :, axis + 2]
        level = move == 0.0
        step = np.where(level, 1.0, move)
        a, b = (least - start) / step, (most - start) / step
        low = np.where(level, low, np.maximum(low, np.minimum(a, b)))
        high = np.where(level, high, np.minimum(high, np.maximum(a, b)))
        hit &= ~level | ((start >= least) & (start <= most))
    return hit & (low <= high)


Segment = tuple[Point, Point]


def touches(segment: Segment, box: Box, gap: float) -> bool:
    """Whether a line passes within a box, or closer to it than `gap` (Liang and Barsky's clipping)."""
    (x0, y0), (x1, y1) = segment
    left, right = box.left - gap, box.right + gap
    top, bottom = box.top - gap, box.bottom + gap
    if max(x0, x1) < left or min(x0, x1) > right or max(y0, y1) < top or min(y0, y1) > bottom:
        return False
    low, high = 0.0, 1.0
    for start, move, least, most in ((x0, x1 - x0, left, right), (y0, y1 - y0, top, bottom)):
        if move == 0.0:
            if not least <= start <= most:
                return False
            continue
        a, b = sorted(((least - start) / move, (most - start) / move))
        low, high = max(low, a), min(high, b)
        if low > high:
            return False
    return True


def _finished(
    model: Model,
    plan: Plumbing,
    sheet: SheetPlan,
    base: Drawing,
    label: str,
    tint: int,
    signs: Mapping[Link, int],
    graph: Causes,
) -> Drawing:
    """The sheet with its arrows, its panel and its words."""
    boxes = {box.name: box for box in base.boxes if box.kind != "cloud"}
    arrows = [arrow_between(boxes[cause], boxes[reader], signs.get((cause, reader), 0)) for cause, reader in sheet.links]
    counted = [model.variables[stock].label.replace("_", " ") for stock in plan.counters if plan.home[stock] == sheet.sector]
    rooms = [*base.boxes, *(name_box(box) for box in base.boxes if box.kind == "valve")]
    left, top, right, bottom = extent(rooms, base.pipes)
    lines = counted_lines(counted, max(right - left, 320.0))
    width = max([right - left, text_width(label, 15.0), *(text_width(line) for line in lines)]) + 2 * GAP
    height = bottom - top + HEAD + GAP + (LINE * len(lines) + 8.0 if lines else 0.0)
    panel = Ground(label, 0.0, 0.0, width, height, tint, tuple(lines))
    moved = replace(base, arrows=tuple(arrows)).moved(GAP - left, HEAD + 6.0 - top)
    title = f"{model.name}: {label}"
    return replace(
        moved,
        kind="sheet",
        title=title,
        width=width,
        height=height,
        panels=(panel,),
        twin=_twin(sheet, plan, graph, signs, counted),
    )


def arrow_between(a: Box, b: Box, sign: int) -> Arrow:
    """From the edge of one box to the edge of the other, a little bent; over the pipe where one runs straight between them."""
    if a.kind == "stock" and b.kind == "valve" and abs(a.y - b.y) < 14.0 and a.top < b.y < a.bottom and abs(a.x - b.x) < 260.0:
        right = b.x > a.x
        start = (a.right - 16.0, a.top - 1.0) if right else (a.left + 16.0, a.top - 1.0)
        return Arrow(a.name, b.name, start, (b.x, b.top - 2.0), sign, -0.28 if right else 0.28)
    start, end = _edge(_from(a, b), (b.x, b.y), 2.0), _edge(_from(b, a), (a.x, a.y), 3.0)
    return Arrow(a.name, b.name, start, end, sign, 0.06)


def _from(box: Box, other: Box) -> Box:
    """What an arrow leaves or reaches: of a valve its name, where the arrow would pass through it."""
    if box.kind != "valve":
        return box
    room = name_box(box)
    return room if other.y > box.bottom and touches(((other.x, other.y), (box.x, box.y)), room, 0.0) else box


def _edge(box: Box, towards: Point, gap: float) -> Point:
    """Where the line from the middle of a box leaves it."""
    dx, dy = towards[0] - box.x, towards[1] - box.y
    if dx == 0.0 and dy == 0.0:
        return box.x, box.y
    wide, high = box.width / 2 + gap, box.height / 2 + gap
    share = min(wide / abs(dx) if dx else float("inf"), high / abs(dy) if dy else float("inf"))
    share = min(share, 1.0)
    return box.x + dx * share, box.y + dy * share


def _twin(sheet: SheetPlan, plan: Plumbing, graph: Causes, signs: Mapping[Link, int], counted: Sequence[str]) -> tuple[str, ...]:
    """The sheet in words: each flow from where to where, and of every variable what drives it, with signs."""
    words = {1: " (+)", -1: " (-)"}
    flows = {flow.name: flow for chain in plan.chains for flow in chain.flows}
    lines = []
    for name in sheet.shown:
        way = f"from {flows[name].source or 'outside'} to {flows[name].sink or 'outside'}" if name in flows else ""
        drives = ", ".join(f"{cause}{words.get(signs.get((cause, name), 0), '')}" for cause in graph[name] if cause != name)
        levers = ", ".join(text for kind, text in sheet.notes.get(name, ()) if kind == "lever")
        parts = [way, f"driven by {drives}" if drives else "", f"levers: {levers}" if levers else ""]
        lines.append(f"{name}: {'; '.join(part for part in parts if part) or 'nothing drives it'}")
    if counted:
        lines.append(f"counted: {', '.join(counted)}")
    return tuple(lines)
