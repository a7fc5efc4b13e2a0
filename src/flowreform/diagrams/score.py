"""The geometry score: what a reader trips over in a drawing, counted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import hypot

from flowreform.diagrams.chain import name_box
from flowreform.diagrams.drawing import Box, Drawing, Point
from flowreform.diagrams.sheets import touches


@dataclass(frozen=True, slots=True)
class Score:
    """What is counted: `overlaps` of boxes and names (none is wanted), `pipes_over` boxes and names, `arrows_over` boxes and
    names, `crossings` of pipes with pipes, `arrow_crossings` of arrows with arrows, `bends` of pipes; `outside` what leaves the
    ground; `length` of pipes and arrows in pixels."""

    overlaps: int
    pipes_over: int
    arrows_over: int
    crossings: int
    arrow_crossings: int
    bends: int
    outside: int
    length: float
    things: int

    @property
    def total(self) -> float:
        """One number, by the weights of the layout: overlaps and what leaves the ground 40, pipes over something 20, crossed
        pipes 5, arrows over something 6, crossed arrows 1, bends 0.8, and 1 for 200 pixels; per box, so that sizes compare."""
        weighed = 40.0 * (self.overlaps + self.outside) + 20 * self.pipes_over + 5 * self.crossings
        weighed += 6 * self.arrows_over + self.arrow_crossings + 0.8 * self.bends + self.length / 200
        return weighed / max(1, self.things)


def score(drawing: Drawing) -> Score:
    """The score of a drawing; arrows count as the straight lines between their ends."""
    solid = [box for box in drawing.boxes if box.kind != "cloud"]
    rooms = list(_rooms(solid))
    clouds = [box for box in drawing.boxes if box.kind == "cloud"]
    everything = [*rooms, *clouds]
    overlaps = sum(
        1
        for i, a in enumerate(everything)
        for b in everything[i + 1 :]
        if a.meets(b, -1.0) and not (a.name == b.name and _own(a, b))
    )
    runs = [
        (pipe.name, pipe.source, pipe.sink, a, b)
        for pipe in drawing.pipes
        for a, b in zip(pipe.points, pipe.points[1:], strict=False)
    ]
    pipes_over = sum(
        1
        for name, source, sink, a, b in runs
        for room in rooms
        if room.name not in (name, source, sink) and touches((a, b), room, -1.0)
    )
    crossings = sum(1 for i, one in enumerate(runs) for two in runs[i + 1 :] if one[0] != two[0] and crossed(one[3:], two[3:]))
    lines = [(arrow.source, arrow.target, arrow.start, arrow.end) for arrow in drawing.arrows]
    arrows_over = sum(
        1 for source, target, a, b in lines for room in rooms if room.name not in (source, target) and touches((a, b), room, -1.0)
    )
    arrow_crossings = sum(
        1
        for i, one in enumerate(lines)
        for two in lines[i + 1 :]
        if not {one[0], one[1]} & {two[0], two[1]} and crossed(one[2:], two[2:])
    )
    outside = sum(1 for box in rooms if box.left < 0 or box.top < 0 or box.right > drawing.width or box.bottom > drawing.height)
    ends = [*((a, b) for *_, a, b in runs), *((a, b) for _, _, a, b in lines)]
    length = sum(hypot(b[0] - a[0], b[1] - a[1]) for a, b in ends)
    bends = sum(len(pipe.points) - 2 for pipe in drawing.pipes)
    return Score(overlaps, pipes_over, arrows_over, crossings, arrow_crossings, bends, outside, length, len(solid))


def _own(a: Box, b: Box) -> bool:
    """Whether two are parts of one thing: a valve and its name or cloud."""
    return {a.kind, b.kind} & {"name", "cloud"} != set()


def _rooms(boxes: list[Box]) -> Iterator[Box]:
    """Every box, and the room of each name and note."""
    for box in boxes:
        yield box
        if box.kind == "valve":
            yield name_box(box)


def crossed(one: tuple[Point, Point], two: tuple[Point, Point]) -> bool:
    """Whether two lines cross, ends that only touch aside."""
    (a, b), (c, d) = one, two

    def side(p: Point, q: Point, r: Point) -> float:
        return (q[0] - p[0]) * (r[1] - p[1]) - (q[1] - p[1]) * (r[0] - p[0])

    return side(a, b, c) * side(a, b, d) < -1e-9 and side(c, d, a) * side(c, d, b) < -1e-9
