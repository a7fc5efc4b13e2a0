"""Bridge: how the difference in a total to the scenario compared with, as exported, is made up: a table and a waterfall."""

from __future__ import annotations

from flowreform.export.workbook.book import (
    CELL,
    DARK,
    FONT,
    GREY,
    HEADER,
    LINE,
    SMALL,
    WRAPPED,
    Book,
    Live,
    Page,
    SheetLayout,
    Style,
    chart_text,
    number_format,
    reference,
    style,
)
from flowreform.export.workbook.source import WorkbookSource, moving
from flowreform.export.workbook.yearly_sheets import BOLD, heading

FIRST = 6
"""The first row of the bridge."""
HERE, THERE, PART, BEFORE, AFTER = 2, 3, 4, 5, 6
"""Columns: this scenario, the one compared with, what it adds, the total before it and after it."""
NOISE = 1e-12
"""A difference under this share of what it is a difference of is rounding: it shows as 0."""
COLOURS = ("#DA291C", "#009639")
"""Parts that add cost and parts that take it away."""


def write_bridge(book: Book, source: WorkbookSource, layout: SheetLayout) -> None:
    """A sheet with one row for each part, where the case file has a bridge and there are two scenarios."""
    table = source.table
    if not table.bridge or len(source.scenarios) < 2:
        return
    page = book.page("Bridge", "#009639")
    page.widths(46, 30, *([16] * 5))
    base = list(source.scenarios).index(source.experiment.baseline)
    label = source.labels[base]
    heading(page, source, "Bridge", f'From "{label}", as exported, to this scenario: totals of the whole run.')
    heads = ("Part", "Variable", "This scenario", f"{label}, as exported", "Adds", "Total before", "Total after")
    page.put_row(FIRST - 1, 0, heads, HEADER)
    unit = source.shown_as(table.bridge[0].variable).variable.units or ""
    size = max(abs(_end(source, part.variable, k)) for part in table.bridge for k in range(len(source.scenarios)))
    look = style(num_format=number_format(unit, size=size))
    at, running = FIRST, 0.0
    for part in table.bridge:
        added = _line(page, source, layout, part.label, part.variable, at, base, look, sign=part.sign)
        before = reference(at, BEFORE, fixed=False)
        above = "=0" if at == FIRST else f"={reference(at - 1, AFTER, fixed=False)}"
        page.put(at, BEFORE, Live(above, running), CELL, look)
        running += added
        page.put(at, AFTER, Live(f"={before}+{reference(at, PART, fixed=False)}", running), CELL, look)
        at += 1
    whole = _line(page, source, layout, "Difference in all", table.bridge_total, at, base, look, sign=1, bold=True)
    parts = f"SUM({reference(FIRST, PART)}:{reference(at - 1, PART)})"
    gap = f"=ABS({reference(at, PART)}-{parts})/MAX(ABS({reference(at, HERE)}),0.000000001)"
    page.put(at + 1, 0, "Not explained by the parts, of the total of this scenario", CELL, style(italic=True))
    worked = abs(whole - running) / max(abs(_end(source, table.bridge_total, source.chosen)), 1e-9)
    page.put(at + 1, PART, Live(gap, worked), CELL, style(num_format="0.0E+00", italic=True))
    note = f'"{label}" does not follow inputs that are changed here: export again to compare with it under other inputs.'
    page.put(at + 3, 0, note, SMALL)
    page.sheet.insert_chart(at + 5, 0, _waterfall(book, source, at - 1, unit), {"object_position": 1})
    page.finish(area=(0, 0, at + 30, AFTER))


def _end(source: WorkbookSource, name: str, scenario: int) -> float:
    return float(source.values[source.shown_as(name).slot, -1, scenario])


def _line(
    page: Page, source: WorkbookSource, layout: SheetLayout, label: str, name: str, at: int, base: int, look: Style, *,
    sign: int, bold: bool = False,
) -> float:  # fmt: skip
    """A row: what it comes to here and there, and what it adds."""
    item = source.shown_as(name)
    here, there = _end(source, name, source.chosen), _end(source, name, base)
    if moving(source.flat, item.slot):
        cell = layout.engine_cell(item.slot, source.program.steps)
    else:
        cell = layout.addresses.cells[item.slot]
    more = (BOLD,) if bold else ()
    page.put(at, 0, label, WRAPPED, *more)
    page.put(at, 1, item.name, CELL, style(font_size=8, font_color=GREY))
    page.put(at, HERE, Live(f"={cell}", here), CELL, look)
    page.put(at, THERE, there, CELL, look)
    mark = "" if sign > 0 else "-"
    one, other = reference(at, HERE, fixed=False), reference(at, THERE, fixed=False)
    small = f"ABS({one}-{other})<={NOISE!r}*MAX(ABS({one}),ABS({other}),1)"
    added = sign * (here - there) if abs(here - there) > NOISE * max(abs(here), abs(there), 1.0) else 0.0
    page.put(at, PART, Live(f"=IF({small},0,{mark}({one}-{other}))", added), CELL, look, *more)
    return added


def _waterfall(book: Book, source: WorkbookSource, last: int, unit: str) -> object:
    """Bars from the total before to the total after: up is more cost, down is less, and they may cross nothing."""
    chart = book.chart("line")
    names = ["Bridge", FIRST, 0, last, 0]
    for column in (BEFORE, AFTER):
        chart.add_series({
            "name": ["Bridge", FIRST - 1, column], "categories": names, "values": ["Bridge", FIRST, column, last, column],
            "line": {"none": True}, "marker": {"type": "none"},
        })  # fmt: skip
    chart.set_up_down_bars({
        "up": {"fill": {"color": COLOURS[0]}, "border": {"none": True}},
        "down": {"fill": {"color": COLOURS[1]}, "border": {"none": True}},
    })  # fmt: skip
    text = {"name": FONT, "size": 9, "color": DARK}
    chart.set_title({"name": chart_text("From business as usual to this scenario"), "name_font": text | {"size": 12}})
    chart.set_legend({"none": True})
    chart.set_x_axis({"num_font": text | {"rotation": -35}, "label_position": "low", "line": {"color": LINE}})
    money = "#,##0,," if unit else "0.0"
    name = chart_text(f"{unit} million" if unit else "")
    grid = {"visible": True, "line": {"color": LINE}}
    chart.set_y_axis({"name": name, "num_format": money, "num_font": text, "name_font": text, "major_gridlines": grid})
    chart.set_size({"width": 980, "height": 460})
    return chart
