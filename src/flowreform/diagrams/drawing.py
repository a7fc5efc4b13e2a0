"""What a drawing is made of, in pixels from the top left, and how wide a text is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

Point = tuple[float, float]

SIZE = 12.0
"""Pixels of a line of small text."""
LINE = 14.0
"""From one line of small text to the next."""


def text_width(text: str, size: float = SIZE) -> float:
    """About as wide as Arial draws it; never less by more than a few pixels."""
    total = 0.0
    for character in text:
        if character in "iljtfrI.,:;'|!()[] -":
            total += 0.36
        elif character in "mwMW%@" or ord(character) > 0x2E7F:
            total += 0.9
        elif character.isupper() or not character.isascii():
            total += 0.72
        else:
            total += 0.56
    return total * size


def wrapped(label: str, width: float = 118.0, most: int = 3) -> tuple[str, ...]:
    """A label on as few lines as its width needs; what does not fit on the last ends in three dots."""
    words = label.replace("_", " ").split() or [""]
    lines: list[str] = []
    for word in words:
        longer = f"{lines[-1]} {word}" if lines else word
        if lines and text_width(longer) <= width:
            lines[-1] = longer
        else:
            lines.append(word)
    if len(lines) > most:
        lines = [*lines[: most - 1], " ".join(lines[most - 1 :])]
    return tuple(_cut(line, width) for line in lines)


def _cut(line: str, width: float) -> str:
    if text_width(line) <= width:
        return line
    room = width - text_width("...")
    for at, character in enumerate(line):  # not from its end: a label may be a megabyte long
        room -= text_width(character)
        if room < 0:
            return line[:at].rstrip() + "..."
    return line


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle that something stands in, by its middle. `kind` is stock, valve, cloud, auxiliary, flow or sum."""

    name: str
    kind: str
    x: float
    y: float
    width: float
    height: float
    lines: tuple[str, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    """Small lines under it: (ghost or lever, text)."""
    array: bool = False

    @property
    def left(self) -> float:
        return self.x - self.width / 2

    @property
    def right(self) -> float:
        return self.x + self.width / 2

    @property
    def top(self) -> float:
        return self.y - self.height / 2

    @property
    def bottom(self) -> float:
        return self.y + self.height / 2

    def at(self, x: float, y: float) -> Box:
        """The same box elsewhere."""
        return Box(self.name, self.kind, x, y, self.width, self.height, self.lines, self.notes, self.array)

    def moved(self, dx: float, dy: float) -> Box:
        return self.at(self.x + dx, self.y + dy)

    def meets(self, other: Box, gap: float = 0.0) -> bool:
        """Whether the two overlap, or come closer than `gap`."""
        return (
            abs(self.x - other.x) * 2 < self.width + other.width + 2 * gap
            and abs(self.y - other.y) * 2 < self.height + other.height + 2 * gap
        )


@dataclass(frozen=True, slots=True)
class Pipe:
    """What flows: along `points`, through the valve of its flow. A cloud stands where it begins or ends outside."""

    name: str
    points: tuple[Point, ...]
    source: str = ""
    sink: str = ""

    def moved(self, dx: float, dy: float) -> Pipe:
        return replace(self, points=tuple((x + dx, y + dy) for x, y in self.points))


@dataclass(frozen=True, slots=True)
class Arrow:
    """What acts on what, from `start` to `end`; `sign` is 1, -1, or 0 where it is not the same throughout."""

    source: str
    target: str
    start: Point
    end: Point
    sign: int = 0
    bend: float = 0.0

    def moved(self, dx: float, dy: float) -> Arrow:
        start, end = (self.start[0] + dx, self.start[1] + dy), (self.end[0] + dx, self.end[1] + dy)
        return replace(self, start=start, end=end)


@dataclass(frozen=True, slots=True)
class Ground:
    """The tinted ground of a sector, with its title and what is only counted there."""

    title: str
    x: float
    y: float
    width: float
    height: float
    tint: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Drawing:
    """One diagram: `kind` is overview, sheet or card; `labels` are words that stand free (x, y, text, size); `twin` says the same
    as the drawing in words, line by line."""

    kind: str
    title: str
    width: float
    height: float
    boxes: tuple[Box, ...] = ()
    pipes: tuple[Pipe, ...] = ()
    arrows: tuple[Arrow, ...] = ()
    panels: tuple[Ground, ...] = ()
    labels: tuple[tuple[float, float, str, float], ...] = ()
    twin: tuple[str, ...] = ()

    def moved(self, dx: float, dy: float) -> Drawing:
        """The same drawing elsewhere on the page."""
        return replace(
            self,
            boxes=tuple(box.moved(dx, dy) for box in self.boxes),
            pipes=tuple(pipe.moved(dx, dy) for pipe in self.pipes),
            arrows=tuple(arrow.moved(dx, dy) for arrow in self.arrows),
            labels=tuple((x + dx, y + dy, text, size) for x, y, text, size in self.labels),
        )


def extent(boxes: Iterable[Box], pipes: Iterable[Pipe] = ()) -> tuple[float, float, float, float]:
    """The bounding box of boxes and pipes: left, top, right, bottom. All 0 when there are none."""
    xs: list[float] = []
    ys: list[float] = []
    for box in boxes:
        xs += [box.left, box.right]
        ys += [box.top, box.bottom]
    for pipe in pipes:
        xs += [x for x, _ in pipe.points]
        ys += [y for _, y in pipe.points]
    return (min(xs), min(ys), max(xs), max(ys)) if xs else (0.0, 0.0, 0.0, 0.0)
