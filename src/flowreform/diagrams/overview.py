"""The overview: what flows where, sector by sector."""

from __future__ import annotations

from dataclasses import replace

from flowreform.diagrams.chain import arranged, chain_drawing, name_box
from flowreform.diagrams.drawing import LINE, Box, Drawing, Ground, Pipe, extent, text_width, wrapped
from flowreform.diagrams.plumbing import Plumbing, plumbing
from flowreform.model import Model

GAP = 26.0
HEAD = 34.0
SHAPE = 1.414
"""Wanted width over height, or height over width: a sheet of A paper."""


def overview(model: Model, title: str = "") -> Drawing:
    """The plumbing of a model: stocks, flows and what lies outside, a panel for each sector."""
    plan = plumbing(model)
    panels = []
    drawn = {
        name: [chain_drawing(arranged(chain), model) for chain in plan.chains if chain.home == name] for name, _ in plan.sectors
    }
    wide = max((shelves(chains).width for chains in drawn.values()), default=0.0)
    for at, (name, label) in enumerate(plan.sectors):
        chains = drawn[name]
        counted = [model.variables[stock].label.replace("_", " ") for stock in plan.counters if plan.home[stock] == name]
        if chains or counted:
            panels.append(_sector(label.replace("_", " "), at, chains, counted, wide))
    return replace(_packed(panels), title=title or f"{model.name}: overview", twin=overview_twin(model, plan))


def _sector(label: str, tint: int, chains: list[Drawing], counted: list[str], wide: float) -> Drawing:
    """One sector: its chains on shelves, and what is counted below."""
    packed = shelves(chains, wide)
    notes = counted_lines(counted, max(packed.width, 320.0))
    width = max([packed.width, text_width(label, 15.0), *(text_width(line) for line in notes)]) + 2 * GAP
    height = packed.height + HEAD + GAP + (LINE * len(notes) + 8.0 if notes else 0.0)
    panel = Ground(label, 0.0, 0.0, width, height, tint, tuple(notes))
    return replace(packed.moved(GAP, HEAD + 6.0), panels=(panel,), width=width, height=height)


def counted_lines(counted: list[str], width: float) -> list[str]:
    """`Counted: ...` on lines of some width."""
    if not counted:
        return []
    lines = ["Counted: "]
    for at, name in enumerate(counted):
        word = name + (", " if at + 1 < len(counted) else "")
        if text_width(lines[-1] + word) > width and len(lines[-1]) > 12:
            lines.append("")
        lines[-1] += word
    return [line.rstrip() for line in lines]


def shelves(parts: list[Drawing], wide: float = 0.0, gap: float = 34.0) -> Drawing:
    """Drawings side by side on shelves, the largest first, at most so wide; about as wide as high where no width is given."""
    if not parts:
        return Drawing("chain", "", 0.0, 0.0)
    area = sum((part.width + gap) * (part.height + gap) for part in parts)
    wide = max(max(part.width for part in parts), wide or (area * SHAPE) ** 0.5)
    order = sorted(range(len(parts)), key=lambda at: (-parts[at].height, at))
    boxes: list[Box] = []
    pipes: list[Pipe] = []
    x = y = shelf = right = 0.0
    for at in order:
        part = parts[at]
        if x and x + part.width > wide:
            x, y, shelf = 0.0, y + shelf + gap, 0.0
        moved = part.moved(x, y)
        boxes += moved.boxes
        pipes += moved.pipes
        x += part.width + gap
        right = max(right, x - gap)
        shelf = max(shelf, part.height)
    return Drawing("chain", "", right, y + shelf, tuple(boxes), tuple(pipes))


def _packed(parts: list[Drawing], gap: float = 18.0) -> Drawing:
    """Panels in one to three columns, whichever comes closest to a sheet of paper."""
    best: Drawing | None = None
    for count in (1, 2, 3):
        if count > max(1, len(parts)):
            break
        made = _in_columns(parts, count, gap)
        if best is None or _misshape(made) < _misshape(best):
            best = made
    assert best is not None
    return best


def _misshape(drawing: Drawing) -> float:
    """How far a drawing is from the shape of a sheet, empty ground counted too."""
    if not drawing.height:
        return 0.0
    shape = drawing.width / drawing.height
    away = max(shape, 1 / shape) / SHAPE
    used = sum(panel.width * panel.height for panel in drawing.panels) / (drawing.width * drawing.height)
    return max(away, 1 / away) - used


def _in_columns(parts: list[Drawing], count: int, gap: float) -> Drawing:
    """Each panel into the column that is shortest so far, the tallest first; within a column in the order of the file."""
    heights = [0.0] * count
    members: list[list[int]] = [[] for _ in range(count)]
    for at in sorted(range(len(parts)), key=lambda at: (-parts[at].height, at)):
        column = heights.index(min(heights))
        members[column].append(at)
        heights[column] += parts[at].height + gap
    members.sort(key=lambda group: min(group, default=len(parts)))
    boxes: list[Box] = []
    pipes: list[Pipe] = []
    panels: list[Ground] = []
    x = 0.0
    bottom = 0.0
    for group in members:
        wide = max((parts[at].width for at in group), default=0.0)
        y = 0.0
        for at in sorted(group):
            moved = parts[at].moved(x, y)
            boxes += moved.boxes
            pipes += moved.pipes
            panels += [replace(panel, x=x, y=y, width=wide) for panel in parts[at].panels]
            y += parts[at].height + gap
        bottom = max(bottom, y - gap)
        x += wide + gap
    return Drawing("overview", "", max(0.0, x - gap), max(0.0, bottom), tuple(boxes), tuple(pipes), (), tuple(panels))


def overview_twin(model: Model, plan: Plumbing) -> tuple[str, ...]:
    """The overview in words: of each sector its stocks, its flows from where to where, and what it counts."""
    lines = []
    for name, label in plan.sectors:
        chains = [chain for chain in plan.chains if chain.home == name]
        counted = [stock for stock in plan.counters if plan.home[stock] == name]
        if not chains and not counted:
            continue
        lines.append(f"{label.replace('_', ' ')}:")
        for chain in chains:
            lines.append(f"  stocks {', '.join(chain.stocks)}")
            lines += [f"  {flow.name}: from {flow.source or 'outside'} to {flow.sink or 'outside'}" for flow in chain.flows]
        if counted:
            lines.append(f"  counted: {', '.join(counted)}")
    return tuple(lines)


__all__ = ["extent", "name_box", "overview", "wrapped"]
