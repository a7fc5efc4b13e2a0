"""Control: the scenario, the checks at a glance, and the key numbers."""

from __future__ import annotations

from flowreform.export.workbook.book import (
    CELL,
    DARK,
    GREY,
    HEADER,
    HEADING,
    INPUT,
    PALE,
    SCENARIO_FIRST,
    SCENARIO_LABEL_ROW,
    SELECTED,
    SELECTOR,
    SMALL,
    SUBTITLE,
    TITLE,
    WRAPPED,
    Book,
    Link,
    Live,
    Page,
    letters,
    number_format,
    reference,
    style,
)
from flowreform.export.workbook.checks_sheet import CHANGED_CELL, OK, OVERALL, colour_status
from flowreform.export.workbook.series_sheet import Series
from flowreform.export.workbook.yearly_sheets import key_number, kpi_values, unit_of
from flowreform.text import shown_unit

KEY_FIRST = 12
"""The first row of key numbers."""


def open_control(book: Book) -> Page:
    """The sheet in its place; it is filled when the sheets it reads are known."""
    return book.page("Control", "#FFB81C")


def write_control(book: Book, page: Page, series: Series) -> None:
    """Fill the sheet."""
    source = series.source
    count = len(source.scenarios)
    last = letters(SCENARIO_FIRST + count - 1)
    labels = f"Scenarios!${letters(SCENARIO_FIRST)}${SCENARIO_LABEL_ROW + 1}:${last}${SCENARIO_LABEL_ROW + 1}"
    page.widths(62, 20, 26, 22, 22, 18)
    page.put(0, 0, source.experiment.title, TITLE)
    page.put(1, 0, source.experiment.question, SUBTITLE)
    page.put(3, 0, "Choose a scenario in the yellow cell, change inputs on the Inputs sheet; everything else follows.", SMALL)
    row, column = SELECTOR
    page.put(row, 0, "Scenario", style(bold=True, font_size=12))
    page.put(row, column, source.labels[source.chosen], INPUT, style(bold=True, text_wrap=True, valign="vcenter"))
    page.height(row, 34)
    page.sheet.data_validation(
        row, column, row, column,
        {"validate": "list", "source": f"={labels}", "input_title": "Scenario", "input_message": "Choose one of the list.",
         "error_title": "Not taken", "error_message": "Choose a scenario of the list."},
    )  # fmt: skip
    page.put(SELECTED[0], 0, "Number of the scenario", CELL, style(font_color=GREY))
    chosen = Live(f"=MATCH({reference(*SELECTOR)},{labels},0)", source.chosen + 1)
    page.put(*SELECTED, chosen, CELL, style(font_color=GREY, align="left"))
    page.put(7, 0, "Checks", style(bold=True, font_size=12))
    page.put(7, 2, Live(f"=Checks!{reference(*OVERALL)}", OK), style(bold=True, align="center", border=1))
    page.put(7, 3, Link("see Checks", "Checks"), style(font_color="#005EB8", underline=1))
    colour_status(book, page, 7, 2)
    page.put(8, 0, "Inputs and settings changed", CELL, style(font_color=GREY))
    page.put(8, 2, Live(f"=Checks!{reference(*CHANGED_CELL)}", 0), CELL, style(font_color=GREY, align="left"))
    _key_numbers(page, series)
    page.finish(freeze=(KEY_FIRST, 0), area=(0, 0, KEY_FIRST + len(source.experiment.kpis) + 1, 5))


def _key_numbers(page: Page, series: Series) -> None:
    source = series.source
    baseline = source.experiment.baseline
    compared = list(source.scenarios).index(baseline)
    page.put_row(KEY_FIRST - 2, 0, ("Key numbers", *([None] * 5)), HEADING, style(bg_color=PALE))
    heads = (
        "Key number",
        "Unit",
        "Now",
        "As exported, this scenario",
        f"As exported: {source.labels[compared]}",
        "Now less that",
    )
    page.put_row(KEY_FIRST - 1, 0, heads[:2], HEADER)
    page.put_row(KEY_FIRST - 1, 2, heads[2:], HEADER, style(align="right"))
    page.height(KEY_FIRST - 1, 44)
    selected = reference(*SELECTED)
    count = len(source.scenarios)
    for i, (name, kpi) in enumerate(source.experiment.kpis.items()):
        row = KEY_FIRST + i
        frozen = kpi_values(series, kpi)
        live = key_number(series, kpi, frozen[source.chosen])
        sizes = [abs(value) for value in frozen if isinstance(value, float)]
        unit = unit_of(series, kpi)
        percent = unit in ("dimensionless", "1") and any(word in kpi.variable for word in ("occupancy", "share"))
        look = style(num_format=number_format(unit, percent=percent, size=max(sizes, default=0.0)), align="right")
        better = {"lower": ", lower is better", "higher": ", higher is better"}.get(kpi.better, "")
        page.put(row, 0, (kpi.label or name.replace("_", " ")) + better, WRAPPED)
        page.put(row, 1, "" if percent else shown_unit(unit), CELL, style(font_color=GREY))
        page.put(row, 2, live, CELL, look, style(bold=True, font_color=DARK))
        for k, value in enumerate(frozen):
            page.put(row, 7 + k, value, SMALL, style(num_format="General"))
        block = f"{reference(row, 7)}:{reference(row, 6 + count)}"
        page.put(row, 3, Live(f"=INDEX({block},{selected})", frozen[source.chosen]), CELL, look)
        base = frozen[compared]
        page.put(row, 4, Live(f"={reference(row, 7 + compared)}", base), CELL, look)
        now, then = reference(row, 2), reference(row, 4)
        first = live.value
        difference = first - base if isinstance(first, float) and isinstance(base, float) else "-"
        page.put(row, 5, Live(f'=IF(AND(ISNUMBER({now}),ISNUMBER({then})),{now}-{then},"-")', difference), CELL, look)
    page.put(KEY_FIRST - 1, 7, "as exported, every scenario", SMALL)
    page.sheet.set_column(6, 6, 3)
    page.sheet.set_column(7, 6 + count, 11)
    note = "Now is worked out by this workbook; as exported is what flowreform's engine gave."
    page.put(KEY_FIRST + len(source.experiment.kpis) + 1, 0, note, SMALL)


__all__ = ["open_control", "write_control"]
