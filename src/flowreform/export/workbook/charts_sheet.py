"""Charts: native ones, over the saved times, that move with the inputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from flowreform.case.tables import LineChart
from flowreform.export.workbook.book import (
    ACTIVE,
    BLUE,
    DARK,
    FONT,
    GREY,
    INPUT_FIRST,
    LINE,
    SMALL,
    SUBTITLE,
    TITLE,
    Book,
    SheetLayout,
    chart_text,
    letters,
    reference,
)
from flowreform.export.workbook.engine_sheet import describe
from flowreform.export.workbook.series_sheet import FIRST, Series, baseline_column, baseline_range
from flowreform.export.workbook.source import Shown, WorkbookSource
from flowreform.text import short

COLOURS = (BLUE, "#DA291C", "#009639", "#330072", "#ED8B00", "#00A9CE", "#7C2855", "#768692")
WIDTH, HEIGHT = 700, 340
"""Pixels of one chart."""
ROWS, COLUMNS = 19, 11
"""Cells that one chart takes."""
MOST_COMPARED = 3
FEW = 8
"""Lines that an eye can tell apart in one chart."""


def charts_of(source: WorkbookSource) -> tuple[LineChart, ...]:
    """The charts of the case file's workbook table, or those of its `[[charts]]` with single variables."""
    if source.table.charts:
        return source.table.charts
    names = {item.name for item in source.shown}
    found = []
    for chart in source.experiment.charts:
        variables = tuple(name for name in chart.variables if name in names)
        if variables:
            found.append(LineChart(title=chart.title, variables=variables, unit=chart.unit or ""))
    return tuple(found) or tuple(LineChart(title=item.variable.label, variables=(item.name,)) for item in source.shown[:6])


def compared(source: WorkbookSource) -> tuple[str, ...]:
    """The series drawn for every scenario."""
    if len(source.scenarios) < 2:
        return ()
    names = {item.name for item in source.shown}
    wanted = source.table.compare or tuple(chart.variables[0] for chart in charts_of(source))
    return tuple(dict.fromkeys(name for name in wanted if name in names))[:MOST_COMPARED]


def write_charts(book: Book, series: Series, layout: SheetLayout) -> None:
    """The sheet: two charts side by side. Columns that charts need of the Series sheet are added to it."""
    source = series.source
    page = book.page("Charts", "#41B6E6")
    page.put(0, 0, "Charts", TITLE)
    page.put(
        1,
        0,
        "They follow the scenario and the inputs. In comparisons thin lines are as exported, the thick one is now.",
        SUBTITLE,
    )
    drawn: list[Any] = [_line_chart(book, series, layout, chart) for chart in charts_of(source)]
    drawn += [_comparison(book, series, name) for name in compared(source)]
    for i, chart in enumerate(drawn):
        chart.set_size({"width": WIDTH, "height": HEIGHT})
        page.sheet.insert_chart(3 + (i // 2) * ROWS, (i % 2) * COLUMNS, chart, {"object_position": 1})
    rows = 3 + ((len(drawn) + 1) // 2) * ROWS
    page.put(rows, 0, "Points are at the saved times, see the Series sheet.", SMALL)
    page.finish(area=(0, 0, rows, 2 * COLUMNS - 1))


def _line_chart(book: Book, series: Series, layout: SheetLayout, chart: LineChart) -> Any:
    source = series.source
    lines = book.chart("line")
    top = 0.0
    for i, name in enumerate(chart.variables):
        item = source.shown_as(name)
        column = _scaled(series, item, chart.scale)
        top = max(top, _top(source, item, chart.scale))
        lines.add_series(_series(series, describe(source, item.slot)[1], series.range(column), COLOURS[i % len(COLOURS)], 2.0))
    if chart.limit is not None:
        column, label = _limit(series, layout, chart)
        lines.add_series(_series(series, label, series.range(column), DARK, 1.25, dash="dash"))
    drawn = lines
    if chart.shaded:
        area = book.chart("area")
        for i, name in enumerate(chart.shaded):
            item = source.shown_as(name)
            column = _scaled(series, item, chart.scale)
            top = max(top, _top(source, item, chart.scale))
            shade = ("#F0B7A1", "#B7D6F0")[i % 2]
            look = _series(series, describe(source, item.slot)[1], series.range(column), shade, 0)
            look["fill"] = {"color": shade, "transparency": 25}
            look["line"] = {"none": True}
            area.add_series(look)
        area.combine(lines)
        drawn = area
    unit = "" if chart.percent else chart.unit or source.shown_as(chart.variables[0]).variable.units or ""
    _finish(series, drawn, chart.title, unit, "0%" if chart.percent else "#,##0" if top >= 10 else "0.00")
    return drawn


def _top(source: WorkbookSource, item: Shown, scale: float) -> float:
    """The largest value in any scenario."""
    return float(np.abs(source.values[item.slot]).max()) * scale


def _scaled(series: Series, item: Shown, scale: float) -> int:
    """The column of a shown series in the unit of a chart."""
    column, values = series.position(item.name), series.values(item.name)
    if scale == 1.0:
        return column
    letter = letters(column)
    label = f"{describe(series.source, item.slot)[1]} x {scale:g}"
    key = ("scaled", item.name, repr(scale))
    return series.added(key, label, "", lambda row: f"={letter}{row}*{scale!r}", values * scale)


def _limit(series: Series, layout: SheetLayout, chart: LineChart) -> tuple[int, str]:
    """The column of a level line: the active value of an input in every row, or a number."""
    count = len(series.source.saved)
    if isinstance(chart.limit, str):
        at = next(i for i, cell in enumerate(layout.order) if cell.name == chart.limit)
        cell = layout.order[at]
        address = reference(INPUT_FIRST + at, ACTIVE, sheet="Inputs")
        value = float(series.source.values[cell.slot, 0, series.source.chosen])
        label = chart.limit_label or cell.variable.label.replace("_", " ")
        return series.added(
            ("limit", cell.name), label, cell.variable.units or "", lambda row: f"={address}", np.full(count, value)
        ), label
    number = float(chart.limit or 0.0)
    label = chart.limit_label or f"{number:g}"
    return series.added(("limit", repr(number)), label, "", lambda row: f"={number!r}", np.full(count, number)), label


def _comparison(book: Book, series: Series, name: str) -> Any:
    """One series in every scenario as exported, with the live one on top."""
    source = series.source
    item = source.shown_as(name)
    at = source.shown.index(item)
    chart = book.chart("line")
    heads = [short(label) for label in source.labels]
    labels = heads if len(set(heads)) == len(heads) else list(source.labels)
    for place, number in enumerate(_told_apart(source)):
        cells = baseline_range(source, at, number)
        chart.add_series(_series(series, labels[number], cells, COLOURS[(place + 1) % len(COLOURS)], 1.25))
    chart.add_series(_series(series, "Now", series.range(series.position(name)), "#000000", 2.75))
    top = float(np.abs(source.values[item.slot]).max())
    unit = item.variable.units or ""
    percent = unit in ("dimensionless", "1") and "occupancy" in name
    _finish(
        series,
        chart,
        f"{describe(source, item.slot)[1]} by scenario",
        "" if percent else unit,
        "0%" if percent else "#,##0" if top >= 10 else "0.00",
    )
    return chart


def _told_apart(source: WorkbookSource) -> list[int]:
    """The scenarios of a comparison: all where an eye can follow them, else the baseline and those that the paper names, or
    the first."""
    every = range(len(source.scenarios))
    if len(every) <= FEW:
        return list(every)
    wanted = {source.experiment.baseline, *(source.experiment.paper.options or source.scenarios[: FEW - 1])}
    return [number for number in every if source.scenarios[number] in wanted][:FEW]


def _year(series: Series) -> float:
    """The length of a year in the model's time unit."""
    case = series.source.experiment.case
    unit = case.calendar.time_unit if case and case.calendar else "year"
    return {"month": 12.0, "quarter": 4.0, "year": 1.0, "week": 52.18, "day": 365.25}.get(unit, 1.0)


def _series(series: Series, name: str, cells: str, colour: str, width: float, dash: str = "solid") -> dict[str, Any]:
    # A name that begins with "=" would be taken for a reference.
    return {
        "name": chart_text(name) or "-",
        "categories": f"={series.axis_range}",
        "values": f"={cells}",
        "line": {"color": colour, "width": width, "dash_type": dash},
        "marker": {"type": "none"},
        "smooth": False,
    }


def _finish(series: Series, chart: Any, title: str, unit: str, look: str) -> None:
    font = {"name": FONT, "size": 9, "color": GREY}
    chart.set_title(
        {
            "name": chart_text(title, 200) or "-",
            "name_font": {"name": FONT, "size": 12, "bold": True, "color": DARK},
            "overlay": False,
        }
    )
    case = series.source.experiment.case
    every = max(1, len(series.source.saved) // 10)
    axis: dict[str, Any] = {"num_font": font, "line": {"color": LINE}, "label_position": "low"}
    if case is not None and case.calendar is not None:
        years = max(1, round((series.times[-1] - series.times[0]) / _year(series) / 12))
        axis |= {"date_axis": True, "num_format": "yyyy", "major_unit": years, "major_unit_type": "years"}
    else:
        axis |= {"num_format": "0", "interval_unit": every, "interval_tick": every}
    chart.set_x_axis(axis)
    chart.set_y_axis(
        {
            "name": chart_text(unit, 80),
            "name_font": {**font, "bold": False},
            "num_font": font,
            "num_format": look,
            "major_gridlines": {"visible": True, "line": {"color": "#E8EDEE"}},
            "line": {"none": True},
        }
    )
    chart.set_legend({"position": "bottom", "font": font})
    chart.set_chartarea({"border": {"color": LINE}})


__all__ = ["FIRST", "SUBTITLE", "baseline_column", "charts_of", "compared", "write_charts"]
