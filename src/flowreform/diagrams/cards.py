"""A card for a loop: its variables in a ring, what each does to the next, and what the loop is called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import cos, pi, sin

from flowreform.diagrams.drawing import LINE, Arrow, Box, Drawing, extent, text_width, wrapped
from flowreform.diagrams.sheets import arrow_between
from flowreform.model import Model, Role

ROUND = 9
"""Loops of more variables stand in two columns: down the right side and up the left."""
LETTERS = {"reinforcing": "R", "balancing": "B", "changing": "R/B"}


def card(model: Model, name: str, label: str, kind: str, path: Sequence[str], signs: Sequence[int]) -> Drawing:
    """A loop; `signs` are those of the links from each variable to the next, 0 where they change."""
    boxes = _ring(model, path) if len(path) <= ROUND else _columns(model, path)
    arrows = [
        replace(arrow_between(a, b, sign), bend=bend)
        for a, b, sign, bend in zip(boxes, (*boxes[1:], boxes[0]), signs, _bends(boxes), strict=True)
    ]
    left, top, right, bottom = extent(boxes)
    pad = 26.0
    title = f"{label or name}: {kind}"
    words = wrapped(label or name, 150.0, 4)
    width = max(right - left + 2 * pad, text_width(title, 17.0) + pad)
    shift = (width - (right - left)) / 2
    made = Drawing("card", title, width, bottom - top + 2 * pad, tuple(boxes), (), tuple(arrows))
    x, y = width / 2, made.height / 2
    middle = [(x, y, LETTERS.get(kind, "?"), 30.0)]
    if len(path) > 2:
        middle += [(x, y + 20.0 + 15.0 * at, line, 13.0) for at, line in enumerate(words)]
    return replace(made.moved(shift - left, pad - top), labels=tuple(middle), twin=_twin(path, signs, kind))


def _box(model: Model, name: str, x: float, y: float) -> Box:
    base, bracket, elements = (name, "", "") if name in model.variables else name.partition("[")
    variable = model.variables[base]
    label = f"{variable.label} {bracket}{elements}".rstrip()
    lines = wrapped(label, 132.0)
    width = max(text_width(line) for line in lines)
    if variable.role is Role.STOCK:
        return Box(name, "stock", x, y, max(width + 18.0, 90.0), LINE * len(lines) + 16.0, lines, (), bool(variable.dimensions))
    return Box(name, "auxiliary", x, y, width + 10.0, LINE * len(lines) + 6.0, lines)


def _ring(model: Model, path: Sequence[str]) -> list[Box]:
    """The variables on an ellipse, clockwise from the top; two side by side."""
    count = len(path)
    if count == 2:
        return [_box(model, path[0], 0.0, 0.0), _box(model, path[1], 260.0, 0.0)]
    wide, high = 120.0 + 20.0 * count, 40.0 + 18.0 * count
    angles = [-pi / 2 + 2 * pi * at / count for at in range(count)]
    return [_box(model, name, round(wide * cos(a), 1), round(high * sin(a), 1)) for name, a in zip(path, angles, strict=True)]


def _columns(model: Model, path: Sequence[str]) -> list[Box]:
    """Down on the right, up on the left, as far apart as the title in the middle needs."""
    half = (len(path) + 1) // 2
    boxes = []
    y = 0.0
    heights = []
    for name in path:
        heights.append(_box(model, name, 0.0, 0.0).height + 26.0)
    for at in range(half):
        boxes.append(_box(model, path[at], 340.0, y + heights[at] / 2))
        y += heights[at]
    left = path[half:]
    room = sum(heights[half:])
    gap = (y - room) / max(1, len(left))
    low = y
    for at, name in enumerate(left):
        high = heights[half + at] + gap
        boxes.append(_box(model, name, 0.0, low - high / 2))
        low -= high
    return boxes


def _bends(boxes: Sequence[Box]) -> list[float]:
    """Round loops bow outwards, columns run straight."""
    if len(boxes) == 2:
        return [0.25, 0.25]
    if len(boxes) > ROUND:
        return [0.0] * len(boxes)
    return [-0.08] * len(boxes)


def _twin(path: Sequence[str], signs: Sequence[int], kind: str) -> tuple[str, ...]:
    words = {1: "more of it means more", -1: "more of it means less", 0: "acts now one way, now the other, on"}
    lines = [f"{a}: {words[sign]} {b}" for a, b, sign in zip(path, (*path[1:], path[0]), signs, strict=True)]
    return (f"A {kind} loop of {len(path)} variables:", *lines)


__all__ = ["Arrow", "card"]
