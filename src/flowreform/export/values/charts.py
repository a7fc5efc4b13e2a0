"""Native charts of the medians by year: the charts of the case, a line for each scenario."""

from __future__ import annotations

from flowreform.export.values.results import Results
from flowreform.export.values.sheets import YEARLY_COLUMNS, YEARLY_FIRST
from flowreform.export.workbook.book import BLUE, FONT, GREY, LINE, SMALL, SUBTITLE, TITLE, Book, chart_text

COLOURS = (BLUE, "#DA291C", "#009639", "#330072", "#ED8B00", "#00A9CE", "#7C2855", "#768692")
MOST = 12
WIDTH, HEIGHT = 700, 340
ROWS, COLUMNS = 19, 11
"""Cells that one chart takes."""


def write_charts(book: Book, results: Results, medians: dict[tuple[str, int], int]) -> None:
    """Two charts side by side; those of the case first, else the first lines of the yearly sheet."""
    from flowreform.names import split

    lines = {line.name: line for line in results.lines}
    wanted = [name for chart in results.experiment.charts for variable in chart.variables for name in lines
              if name == variable or split(name)[0] == variable]  # fmt: skip
    names = list(dict.fromkeys(wanted or lines))[:MOST]
    if not names or not results.years:
        return
    page = book.page("Charts", "#41B6E6")
    page.put(0, 0, "Charts", TITLE)
    middle = f"Medians of {results.draws:,} draws by year" if results.draws > 1 else "By year"
    page.put(1, 0, f"{middle}; the numbers stand on the Yearly sheet.", SUBTITLE)
    last = YEARLY_COLUMNS + len(results.years) - 1
    for at, name in enumerate(names):
        line = lines[name]
        chart = book.chart("line")
        for scenario, label in enumerate(results.labels):
            row = medians[name, scenario]
            chart.add_series(
                {
                    "name": chart_text(label, 80),
                    "categories": ["Yearly", YEARLY_FIRST - 1, YEARLY_COLUMNS, YEARLY_FIRST - 1, last],
                    "values": ["Yearly", row, YEARLY_COLUMNS, row, last],
                    "line": {"color": COLOURS[scenario % len(COLOURS)], "width": 2.25},
                    "marker": {"type": "none"},
                }
            )
        title = chart_text(line.label[:1].upper() + line.label[1:])
        font = {"name": FONT, "size": 9, "color": GREY}
        chart.set_title({"name": title, "name_font": {"name": FONT, "size": 12, "bold": True}, "overlay": False})
        chart.set_x_axis({"num_font": font, "line": {"color": LINE}})
        axis = {"name": chart_text(line.unit, 60), "name_font": font | {"bold": False}, "num_font": font}
        chart.set_y_axis(axis | {"major_gridlines": {"visible": True, "line": {"color": LINE}}, "line": {"none": True}})
        chart.set_legend({"position": "bottom", "font": font})
        chart.set_size({"width": WIDTH, "height": HEIGHT})
        page.sheet.insert_chart(3 + (at // 2) * ROWS, (at % 2) * COLUMNS, chart, {"object_position": 1})
    rows = 3 + ((len(names) + 1) // 2) * ROWS
    page.put(rows, 0, "A line is the median of each year by itself, so it need not be the course of any one draw.", SMALL)
    page.finish(area=(0, 0, rows, 2 * COLUMNS - 1))
