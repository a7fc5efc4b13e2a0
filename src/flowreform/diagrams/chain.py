"""One chain of stocks as a drawing: columns, rows, pipes and valves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import exp
from random import Random

from flowreform.diagrams.drawing import LINE, Box, Drawing, Pipe, Point, extent, text_width, wrapped
from flowreform.diagrams.plumbing import Chain, columns
from flowreform.model import Model

STOCK_WIDTH, STOCK_HEIGHT = 124.0, 44.0
VALVE = 14.0
CLOUD = 16.0
LANE = 7.0
"""From one pipe to the next beside it."""
SEED = 20260401

Notes = Mapping[str, Sequence[tuple[str, str]]]
"""By variable the small lines under its name: (ghost or lever, text)."""
NO_NOTES: Notes = {}


@dataclass(slots=True)
class _Node:
    """A stock, the valve of a flow, or a place where a long pipe passes a column; `column` counts stocks and gaps in turn."""

    name: str
    kind: str
    column: int
    row: int


@dataclass(frozen=True)
class Arranged:
    """A chain with the column and row of each of its parts."""

    chain: Chain
    nodes: tuple[_Node, ...]
    edges: tuple[tuple[int, int], ...]
    back: frozenset[str]


def arranged(chain: Chain) -> Arranged:
    """Columns and rows of a chain."""
    nodes, edges, back = _graph(chain)
    _rows(nodes, edges)
    return Arranged(chain, tuple(nodes), tuple(edges), back)


def chain_drawing(plan: Arranged, model: Model, pitch: float = 0.0, notes: Notes = NO_NOTES) -> Drawing:
    """A chain with its pipes; `pitch` adds to the distance of its rows, where room is needed between them, `notes` are small
    lines under the name of a flow."""
    return _Placed(plan, model, pitch, notes).drawing()


def _graph(chain: Chain) -> tuple[list[_Node], list[tuple[int, int]], frozenset[str]]:
    """Nodes in columns and the pipes between neighbours; clouds belong to their valve, what leads back goes round below."""
    column, back = columns(chain)
    nodes: list[_Node] = []
    edges: list[tuple[int, int]] = []
    at: dict[str, int] = {}
    for name in chain.stocks:
        at[name] = len(nodes)
        nodes.append(_Node(name, "stock", 2 * column[name], 0))
    for flow in chain.flows:
        here = len(nodes)
        at[flow.name] = here
        place = 2 * column[flow.source] + 1 if flow.source else 2 * column[flow.sink] - 1
        nodes.append(_Node(flow.name, "valve", place, 0))
        if flow.source:
            edges.append((at[flow.source], here))
        if flow.sink and flow.name not in back:
            last = here
            for between in range(place + 1, 2 * column[flow.sink]):
                nodes.append(_Node(flow.name, "pass", between, 0))
                edges.append((last, len(nodes) - 1))
                last = len(nodes) - 1
            edges.append((last, at[flow.sink]))
    by_column: dict[int, int] = {}
    for node in nodes:
        node.row = by_column.get(node.column, 0)
        by_column[node.column] = node.row + 1
    return nodes, edges, back


def _rows(nodes: list[_Node], edges: Sequence[tuple[int, int]]) -> None:
    """Rows by seeded annealing: short, straight pipes that cross little. Two nodes of a column never share a row."""
    if len(nodes) < 3:
        return
    random = Random(SEED)
    beside: list[list[int]] = [[] for _ in nodes]
    for number, (a, b) in enumerate(edges):
        beside[a].append(number)
        beside[b].append(number)
    taken = {(node.column, node.row): at for at, node in enumerate(nodes)}
    gaps: dict[int, list[int]] = {}
    for number, (a, b) in enumerate(edges):
        gaps.setdefault(min(nodes[a].column, nodes[b].column), []).append(number)
    tallest = max(sum(1 for node in nodes if node.column == at) for at in {node.column for node in nodes})
    top, bottom = -1, tallest + 1

    def cost(touched: Sequence[int]) -> float:
        """What the pipes of some nodes cost: height, bends, crossings; and how far the nodes lie from the middle."""
        own = {number for at in touched for number in beside[at]}
        total = 0.0
        for number in own:
            a, b = edges[number]
            rise = nodes[b].row - nodes[a].row
            total += abs(rise) + (0.8 if rise else 0.0)
            for other in gaps[min(nodes[a].column, nodes[b].column)]:
                if other != number:
                    c, d = edges[other]
                    if (nodes[a].row - nodes[c].row) * (nodes[b].row - nodes[d].row) < 0:
                        total += 0.35 if other in own else 0.7
        return total + sum(0.25 * abs(nodes[at].row - tallest / 2) for at in touched)

    def place(at: int, row: int) -> list[int]:
        """Move a node, and whoever stood there to where it was; who was moved."""
        node = nodes[at]
        other = taken.get((node.column, row))
        del taken[node.column, node.row]
        if other is not None:
            nodes[other].row = node.row
            taken[node.column, node.row] = other
        node.row = row
        taken[node.column, row] = at
        return [at] if other is None else [at, other]

    moves = min(12_000, 500 * len(nodes))
    for move in range(moves):
        at = random.randrange(len(nodes))
        row = random.randrange(top, bottom + 1)
        before = nodes[at].row
        if row == before:
            continue
        other = taken.get((nodes[at].column, row))
        touched = [at] if other is None else [at, other]
        old = cost(touched)
        place(at, row)
        worse = cost(touched) - old
        heat = 2.0 * (1.0 - move / moves) ** 2 + 1e-9
        if worse > 0 and random.random() >= exp(-worse / heat):
            place(at, before)
    used = sorted({node.row for node in nodes})
    for node in nodes:
        node.row = used.index(node.row)


class _Placed:
    """A chain in pixels."""

    def __init__(self, plan: Arranged, model: Model, pitch: float, notes: Notes) -> None:
        self.chain, self.model, self.nodes, self.edges, self.back = plan.chain, model, plan.nodes, plan.edges, plan.back
        self.notes = notes
        self.lines = {node.name: wrapped(model.variables[node.name].label) for node in self.nodes}
        self.first = min(node.column for node in self.nodes)
        self.widths: dict[int, float] = {}
        self.xs = self._columns()
        self.ys = self._heights(pitch)
        self.boxes: dict[str, Box] = {}
        for node in self.nodes:
            if node.kind != "pass":
                self.boxes[node.name] = self._box(node)
        self.left = {at: self._ports(at, side=1) for at in range(len(self.nodes)) if self.nodes[at].kind == "stock"}
        self.right = {at: self._ports(at, side=0) for at in range(len(self.nodes)) if self.nodes[at].kind == "stock"}

    def _columns(self) -> dict[int, float]:
        """The middle of each column: a gap is as wide as the widest name of its valves, clouds and lanes beside it."""
        columns = range(self.first, max(node.column for node in self.nodes) + 1)
        found: dict[int, float] = {}
        x = 0.0
        for column in columns:
            inside = [node for node in self.nodes if node.column == column]
            if column % 2 == 0:
                width = STOCK_WIDTH
            else:
                valves = [node.name for node in inside if node.kind == "valve"]
                names = [text_width(line) for name in valves for line in self.lines[name]]
                names += [note_width(text) for name in valves for _, text in self.notes.get(name, ())]
                lanes = max(self._bends(column - 1), self._bends(column)) + 2 * self._turning(column)
                width = max([64.0, *names]) + 2 * LANE * (lanes + 1) + (2 * CLOUD if self._clouds(column) else 0.0)
                self.widths[column] = width
            found[column] = x + width / 2
            x += width
        return found

    def _bends(self, column: int) -> int:
        """How many pipes change rows between a column and the next."""
        ends = ((self.nodes[a], self.nodes[b]) for a, b in self.edges)
        return sum(1 for a, b in ends if min(a.column, b.column) == column and a.row != b.row)

    def _turning(self, column: int) -> int:
        """How many returning pipes leave or enter in a gap."""
        at = {node.name: node.column for node in self.nodes if node.kind != "pass"}
        back = [flow for flow in self.chain.flows if flow.name in self.back]
        return sum((at[flow.name] == column) + (at[flow.sink] - 1 == column) for flow in back)

    def _clouds(self, column: int) -> bool:
        open_ended = {flow.name for flow in self.chain.flows if not flow.source or not flow.sink}
        return any(node.column == column and node.name in open_ended for node in self.nodes)

    def _heights(self, pitch: float) -> dict[int, float]:
        """The line of each row: rows are as high as what stands in them."""
        found: dict[int, float] = {}
        y = 0.0
        for row in range(max(node.row for node in self.nodes) + 1):
            inside = [node for node in self.nodes if node.row == row]
            above = max((STOCK_HEIGHT / 2 if node.kind == "stock" else VALVE / 2 + 2 for node in inside), default=10.0)
            below = max(
                (
                    STOCK_HEIGHT / 2
                    if node.kind == "stock"
                    else VALVE / 2 + 2 + LINE * (len(self.lines[node.name]) + len(self.notes.get(node.name, ())))
                    for node in inside
                    if node.kind != "pass"
                ),
                default=10.0,
            )
            y += above
            found[row] = y
            y += below + 12.0 + pitch
        return found

    def _box(self, node: _Node) -> Box:
        variable = self.model.variables[node.name]
        x, y = self.xs[node.column], self.ys[node.row]
        if node.kind == "stock":
            return Box(node.name, "stock", x, y, STOCK_WIDTH, STOCK_HEIGHT, self.lines[node.name], (), bool(variable.dimensions))
        notes = tuple(self.notes.get(node.name, ()))
        return Box(node.name, "valve", x, y, VALVE, VALVE, self.lines[node.name], notes, bool(variable.dimensions))

    def _ports(self, at: int, side: int) -> dict[int, float]:
        """By pipe, the height at which it leaves (side 0) or enters (side 1) a stock: in the order of the rows it comes from."""
        ends = [number for number, edge in enumerate(self.edges) if edge[side] == at]
        order = sorted(ends, key=lambda number: (self.nodes[self.edges[number][1 - side]].row, number))
        y = self.ys[self.nodes[at].row]
        # a pipe that stays in its row goes straight, the others find room above and below it
        step = min(10.0, (STOCK_HEIGHT - 10.0) / max(1, len(order)))
        straight = next(
            (place for place, number in enumerate(order) if self.nodes[self.edges[number][1 - side]].row == self.nodes[at].row),
            (len(order) - 1) / 2,
        )
        return {number: y + (place - straight) * step for place, number in enumerate(order)}

    def drawing(self) -> Drawing:
        """The stocks, valves, clouds and pipes of the chain, from its top left."""
        lanes = self._lanes()
        pipes, clouds = [], []
        low = extent(self.boxes.values())[3]
        below = max((name_box(box).bottom for box in self.boxes.values() if box.kind == "valve"), default=low)
        returns = 0
        by_name = {flow.name: flow for flow in self.chain.flows}
        ways = self._ways(lanes)
        for name, flow in by_name.items():
            valve = self.boxes[name]
            points = ways[name]
            if not flow.source:
                start = (valve.left - CLOUD, valve.y)
                points = [start, *points]
                clouds.append(Box(name, "cloud", start[0] - CLOUD / 2, start[1], CLOUD, CLOUD))
            if not flow.sink:
                end = (valve.right + CLOUD, valve.y)
                points = [*points, end]
                clouds.append(Box(name, "cloud", end[0] + CLOUD / 2, end[1], CLOUD, CLOUD))
            elif name in self.back:
                returns += 1
                target = self.boxes[flow.sink]
                lane = max(low, below) + 8.0 + 8.0 * returns
                gap = next(node.column for node in self.nodes if node.name == name)
                turn = self.xs[gap] + self.widths[gap] / 2 - LANE * (self._bends(gap) + returns + 0.5)
                into = target.left - LANE * (returns + self._bends(gap_before(self.nodes, flow.sink)) + 1)
                y = target.bottom - 5.0 - 4.0 * (returns % 4)
                points = [*points, (turn, valve.y), (turn, lane), (into, lane), (into, y), (target.left, y)]
            pipes.append(Pipe(name, tuple(_plain(points)), flow.source, flow.sink))
        boxes = [*self.boxes.values(), *clouds]
        names = [self._name(box) for box in self.boxes.values() if box.kind == "valve"]
        left, top, right, bottom = extent([*boxes, *names], pipes)
        return Drawing("chain", "", right - left, bottom - top, tuple(boxes), tuple(pipes)).moved(-left, -top)

    @staticmethod
    def _name(box: Box) -> Box:
        """The room of a valve's name."""
        return name_box(box)

    def _lanes(self) -> dict[int, float]:
        """By pipe that changes rows, where it does: in the gap, the one that goes farthest turns first."""
        found: dict[int, float] = {}
        by_gap: dict[int, list[int]] = {}
        for number, (a, b) in enumerate(self.edges):
            if self.nodes[a].row != self.nodes[b].row:
                by_gap.setdefault(self.nodes[a].column, []).append(number)
        for column, numbers in by_gap.items():
            down = [n for n in numbers if self.nodes[self.edges[n][1]].row > self.nodes[self.edges[n][0]].row]
            up = [n for n in numbers if n not in down]
            for part in (down, up):
                stock_first = column % 2 == 0
                # leaving a stock: what goes farthest turns last, so that no pipe crosses its neighbour; entering: first
                part.sort(
                    key=lambda n: abs(self.nodes[self.edges[n][1]].row - self.nodes[self.edges[n][0]].row),
                    reverse=not stock_first,
                )
                for place, number in enumerate(part):
                    if stock_first:
                        found[number] = self.xs[column] + STOCK_WIDTH / 2 + LANE * (place + 1)
                    else:
                        found[number] = self.xs[column + 1] - STOCK_WIDTH / 2 - LANE * (len(part) - place)
        return found

    def _ways(self, lanes: dict[int, float]) -> dict[str, list[Point]]:
        """By flow the points of its pipe between stocks, valve included."""
        found: dict[str, list[Point]] = {flow.name: [] for flow in self.chain.flows}
        for number, (a, b) in enumerate(self.edges):
            first, last = self.nodes[a], self.nodes[b]
            name = last.name if first.kind == "stock" else first.name
            y1 = self.right[a][number] if first.kind == "stock" else self.ys[first.row]
            y2 = self.left[b][number] if last.kind == "stock" else self.ys[last.row]
            x1 = self.xs[first.column] + (STOCK_WIDTH / 2 if first.kind == "stock" else 0.0)
            x2 = self.xs[last.column] - (STOCK_WIDTH / 2 if last.kind == "stock" else 0.0)
            way = found[name]
            way.append((x1, y1))
            if y1 != y2:
                lane = lanes.get(number, x1 + LANE if first.kind == "stock" else x2 - LANE)
                way += [(lane, y1), (lane, y2)]
            way.append((x2, y2))
        for flow in self.chain.flows:
            if not found[flow.name]:
                valve = self.boxes[flow.name]
                found[flow.name] = [(valve.x, valve.y)]
        return found


def note_width(text: str) -> float:
    """How wide a small line is, its mark included."""
    return text_width(text, 11.0) + 16.0


def gap_before(nodes: Sequence[_Node], stock: str) -> int:
    """The column of the gap before a stock."""
    return next(node.column for node in nodes if node.name == stock) - 1


def name_box(valve: Box) -> Box:
    """The room that the name under a valve takes."""
    width = max((text_width(line) for line in valve.lines), default=0.0)
    notes = max((note_width(text) for _, text in valve.notes), default=0.0)
    height = LINE * (len(valve.lines) + len(valve.notes))
    return Box(valve.name, "name", valve.x, valve.bottom + 2 + height / 2, max(width, notes), height)


def _plain(points: Sequence[Point]) -> list[Point]:
    """The points without those that lie on a straight line between their neighbours."""
    found: list[Point] = []
    for point in points:
        if found and found[-1] == point:
            continue
        if len(found) > 1 and (found[-2][0] == found[-1][0] == point[0] or found[-2][1] == found[-1][1] == point[1]):
            found[-1] = point
        else:
            found.append(point)
    return found
