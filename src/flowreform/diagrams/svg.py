"""A drawing as SVG, and several as one HTML page that opens without network or script.

Every text is escaped, and nothing hidden in it survives: a label is only ever text between tags.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from math import atan2, cos, hypot, pi, sin

from flowreform.diagrams.chain import name_box
from flowreform.diagrams.drawing import LINE, SIZE, Arrow, Box, Drawing, Ground, Pipe, Point, text_width
from flowreform.errors import visible

MARGIN = 16.0
TINTS = ("#eef3f9", "#f1f6ee", "#f9f3ea", "#f5eef7", "#eaf5f5", "#f7f1ee", "#f2f2f2", "#eef0fa")
INK, GREY, BLUE, RED = "#222222", "#6b6b6b", "#1f4e79", "#a02020"
PIPE, INSIDE = "#4a6a8a", "#ffffff"
FONT = "Arial, Helvetica, sans-serif"


def svg(drawing: Drawing, *, label: str = "") -> str:
    """One drawing as an SVG document of its own; its title and its text twin are for those who cannot see it."""
    wide = max(drawing.width, text_width(drawing.title, 17.0) * 1.1) if drawing.title else drawing.width
    width, height = wide + 2 * MARGIN, drawing.height + 2 * MARGIN + (30.0 if drawing.title else 0.0)
    shift = MARGIN + (30.0 if drawing.title else 0.0)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_n(width)} {_n(height)}" width="{_n(width)}" '
        f'height="{_n(height)}" role="img" font-family="{FONT}" font-size="{_n(SIZE)}" fill="{INK}">',
        f"<title>{_safe(label or drawing.title)}</title>",
        f"<desc>{_safe('; '.join(line.strip() for line in drawing.twin))}</desc>",
        f'<rect width="{_n(width)}" height="{_n(height)}" fill="#ffffff"/>',
    ]
    if drawing.title:
        parts.append(_text(MARGIN, 30.0, drawing.title, size=17.0, weight="bold"))
    parts.append(f'<g transform="translate({_n(MARGIN)} {_n(shift)})">')
    parts += [part for panel in drawing.panels for part in _panel(panel)]
    parts += [part for pipe in drawing.pipes for part in _pipe(pipe)]
    parts += [part for arrow in drawing.arrows for part in _arrow(arrow)]
    parts += [part for box in drawing.boxes for part in _box(box)]
    parts += [_label(*label) for label in drawing.labels]
    return "\n".join([*parts, "</g>", "</svg>"]) + "\n"


def page(title: str, drawings: Sequence[Drawing], notes: Iterable[str] = ()) -> str:
    """Drawings one below the other in one HTML file, each with its text twin under it."""
    body = [f"<h1>{_safe(title)}</h1>", *(f"<p>{_safe(note)}</p>" for note in notes)]
    for at, drawing in enumerate(drawings):
        body.append(f'<section aria-labelledby="d{at}"><h2 id="d{at}">{_safe(drawing.title)}</h2>')
        body.append(f'<div class="drawing">{svg(_untitled(drawing), label=drawing.title)}</div>')
        twin = "\n".join(_safe(line) for line in drawing.twin)
        body.append(f"<details><summary>The same in words</summary><pre>{twin}</pre></details></section>")
    style = (
        f"body{{font:17px/1.5 {FONT};margin:1.5rem auto;max-width:90rem;padding:0 1rem;color:{INK};background:#fff}}"
        ".drawing{overflow-x:auto}svg{max-width:100%;height:auto}pre{white-space:pre-wrap;font-size:14px}"
        "@media print{details>pre{display:block}section{break-inside:avoid}}"
    )
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    return (
        '<!DOCTYPE html>\n<html lang="en-GB">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_safe(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(body)
        + "\n</main>\n</body>\n</html>\n"
    )


def _untitled(drawing: Drawing) -> Drawing:
    from dataclasses import replace

    return replace(drawing, title="")


def _n(value: float) -> str:
    """A coordinate to a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0").replace("-0.0", "0") or "0"


def _safe(text: str) -> str:
    return html.escape(visible(text))


def _text(
    x: float, y: float, text: str, *, size: float = SIZE, anchor: str = "start", weight: str = "", fill: str = "", style: str = ""
) -> str:
    more = "".join(
        f' {name}="{value}"'
        for name, value in (
            ("text-anchor", "" if anchor == "start" else anchor),
            ("font-size", "" if size == SIZE else _n(size)),
            ("font-weight", weight),
            ("font-style", style),
            ("fill", fill),
        )
        if value
    )
    return f'<text x="{_n(x)}" y="{_n(y)}"{more}>{_safe(text)}</text>'


def _panel(panel: Ground) -> list[str]:
    tint = TINTS[panel.tint % len(TINTS)]
    found = [
        f'<rect x="{_n(panel.x)}" y="{_n(panel.y)}" width="{_n(panel.width)}" height="{_n(panel.height)}" rx="6" fill="{tint}"/>',
        _text(panel.x + 14, panel.y + 24, panel.title, size=15.0, weight="bold", fill=BLUE),
    ]
    for at, note in enumerate(panel.notes):
        y = panel.y + panel.height - 12.0 - LINE * (len(panel.notes) - 1 - at)
        found.append(_text(panel.x + 14, y, note, fill=GREY, style="italic"))
    return found


def _points(points: Sequence[Point]) -> str:
    return " ".join(f"{_n(x)},{_n(y)}" for x, y in points)


def _pipe(pipe: Pipe) -> list[str]:
    """Two lines with light between them, and a head where the material goes."""
    points = pipe.points
    (x0, y0), (x1, y1) = points[-2], points[-1]
    angle = atan2(y1 - y0, x1 - x0)
    short = (x1 - 7.0 * cos(angle), y1 - 7.0 * sin(angle))
    way = _points([*points[:-1], short])
    return [
        f'<polyline points="{way}" fill="none" stroke="{PIPE}" stroke-width="4.4" stroke-linejoin="round"/>',
        f'<polyline points="{way}" fill="none" stroke="{INSIDE}" stroke-width="2" stroke-linejoin="round"/>',
        _head((x1, y1), angle, PIPE, 9.0, 4.8),
    ]


def _head(tip: Point, angle: float, colour: str, length: float, half: float) -> str:
    x, y = tip
    back = (x - length * cos(angle), y - length * sin(angle))
    side = (half * sin(angle), -half * cos(angle))
    corners = [tip, (back[0] + side[0], back[1] + side[1]), (back[0] - side[0], back[1] - side[1])]
    return f'<polygon points="{_points(corners)}" fill="{colour}"/>'


def _arrow(arrow: Arrow) -> list[str]:
    """A thin arrow; minus is red and dashed, so that it is told from plus without colour; the sign stands by the head."""
    (x0, y0), (x1, y1) = arrow.start, arrow.end
    colour = RED if arrow.sign < 0 else BLUE if arrow.sign > 0 else GREY
    dash = ' stroke-dasharray="5 3"' if arrow.sign < 0 else ""
    length = hypot(x1 - x0, y1 - y0) or 1.0
    along = ((x1 - x0) / length, (y1 - y0) / length)
    across = (-along[1], along[0])
    bend = arrow.bend * length
    middle = ((x0 + x1) / 2 + across[0] * bend, (y0 + y1) / 2 + across[1] * bend)
    angle = atan2(y1 - middle[1], x1 - middle[0])
    stop = (x1 - 5.0 * cos(angle), y1 - 5.0 * sin(angle))
    path = f"M{_n(x0)} {_n(y0)}Q{_n(middle[0])} {_n(middle[1])} {_n(stop[0])} {_n(stop[1])}"
    found = [
        f'<path d="{path}" fill="none" stroke="{colour}" stroke-width="1.2"{dash}/>',
        _head(arrow.end, angle, colour, 7.0, 3.0),
    ]
    if arrow.sign:
        beside = angle + (pi / 2 if arrow.bend >= 0 else -pi / 2)
        sx, sy = x1 - 15.0 * cos(angle) + 8.0 * cos(beside), y1 - 15.0 * sin(angle) + 8.0 * sin(beside)
        found.append(
            _text(sx, sy + 4, "+" if arrow.sign > 0 else "\u2212", size=13.0, anchor="middle", weight="bold", fill=colour)
        )
    return found


def _box(box: Box) -> list[str]:
    match box.kind:
        case "cloud":
            return _cloud(box)
        case "valve":
            return _valve(box)
        case "stock":
            return _stock(box)
        case _:
            return _words(box)


def _cloud(box: Box) -> list[str]:
    x, y, r = box.x, box.y, box.width / 4
    circles = ((x - r, y + 1, r), (x + r, y + 1, r), (x, y - r + 1, r * 1.1), (x, y + 1.5, r))
    return [f'<circle cx="{_n(a)}" cy="{_n(b)}" r="{_n(c)}" fill="#c3ced9"/>' for a, b, c in circles]


def _valve(box: Box) -> list[str]:
    x, y, r = box.x, box.y, box.width / 2
    left, right = (
        f"{_n(x - r)},{_n(y - r)} {_n(x - r)},{_n(y + r)} {_n(x)},{_n(y)}",
        f"{_n(x + r)},{_n(y - r)} {_n(x + r)},{_n(y + r)} {_n(x)},{_n(y)}",
    )
    found = [f'<polygon points="{side}" fill="{PIPE}"/>' for side in (left, right)]
    room = name_box(box)
    y = room.top
    for line in box.lines:
        y += LINE
        found.append(_text(x, y - 3, line, anchor="middle"))
    return found + _notes(box, y)


def _stock(box: Box) -> list[str]:
    size = f'width="{_n(box.width)}" height="{_n(box.height)}"'
    found = []
    if box.array:
        found.append(
            f'<rect x="{_n(box.left + 4)}" y="{_n(box.top - 4)}" {size} fill="#ffffff" stroke="{INK}" stroke-width="1"/>'
        )
    found.append(f'<rect x="{_n(box.left)}" y="{_n(box.top)}" {size} fill="#ffffff" stroke="{INK}" stroke-width="1.6"/>')
    found += _lines(box, box.y)
    return found + _notes(box, box.bottom + 2)


def _words(box: Box) -> list[str]:
    """An auxiliary, or a variable of a loop card: its name, and what acts on it from elsewhere."""
    found = _lines(box, box.top + LINE * len(box.lines) / 2)
    return found + _notes(box, box.top + LINE * len(box.lines))


def _lines(box: Box, middle: float) -> list[str]:
    y = middle - LINE * (len(box.lines) - 1) / 2 + SIZE * 0.35
    return [_text(box.x, y + LINE * at, line, anchor="middle") for at, line in enumerate(box.lines)]


def _notes(box: Box, top: float) -> list[str]:
    """Causes from elsewhere in grey, levers with a diamond."""
    found = []
    for at, (kind, text) in enumerate(box.notes):
        y = top + LINE * (at + 1) - 3
        if kind == "lever":
            found.append(_text(box.x, y, f"\u25c6 {text}", size=11.0, anchor="middle", fill=BLUE, weight="bold"))
        else:
            found.append(_text(box.x, y, f"\u2190 {text}", size=11.0, anchor="middle", fill=GREY, style="italic"))
    return found


def _label(x: float, y: float, text: str, size: float) -> str:
    """The letter of a loop's kind, or its name."""
    big = size > 20.0
    return _text(x, y, text, size=size, anchor="middle", weight="bold" if big else "", fill=BLUE if big else "")
