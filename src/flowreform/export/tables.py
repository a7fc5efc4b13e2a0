"""KPIs as tables: one row per run for programs and spreadsheets, and what the draws of a scenario have in common, for people.

A KPI has one number per run, or none: the event never happened, nothing was needed, the run failed, or the arithmetic has no
answer. Runs without a number are counted by cause and kept out of percentiles.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from flowreform.text import decimals_of, fixed, number, number_field, scale, shown_unit, text_field, text_row

if TYPE_CHECKING:
    from xarray import DataArray, Dataset

    from flowreform.kpi import KpiRow

MOST_DECIMALS = 7
"""Smaller numbers are written with an exponent."""


def label_of(data: DataArray) -> str:
    """The name shown for a KPI or variable."""
    return str(data.attrs.get("long_name") or data.name).replace("_", " ")


def unit_of(data: DataArray) -> str:
    """Its unit, empty for a plain number."""
    return shown_unit(str(data.attrs.get("units") or ""))


def columns(kpis: Dataset) -> Iterator[tuple[str, DataArray]]:
    """The KPIs of a Dataset, each [scenario, draw]."""
    for key in kpis.data_vars:
        yield str(key), kpis[key].transpose("scenario", "draw")


def kpis_csv(kpis: Dataset) -> str:
    """One row per run: scenario, draw, and every KPI with all its digits; empty where there is no number.

    Text that a spreadsheet would take for a formula has an apostrophe in front (`text.harmless`)."""
    found = list(columns(kpis))
    lines = [text_row(["scenario", "draw", *(name for name, _ in found)])]
    draws = kpis["draw"].values
    values = [np.asarray(data.values, dtype=np.float64) for _, data in found]
    for at, scenario in enumerate(kpis["scenario"].values):
        head = text_field(str(scenario))
        for place, draw in enumerate(draws):
            lines.append(",".join([head, str(int(draw)), *(number_field(float(part[at, place])) for part in values)]) + "\n")
    return "".join(lines)


def without(row: KpiRow) -> str:
    """How many runs of a row have no number, by cause: `12 never, 3 failed`; empty when all have one."""
    causes = (("never", row.never), ("none needed", row.none_needed), ("failed", row.failed), ("undefined", row.undefined))
    return ", ".join(f"{count:,} {word}" for word, count in causes if count)


def spread(row: KpiRow, *, signed: bool = False) -> str:
    """`23,100 (21,000 to 25,400)`: the median and the 10th and 90th percentile, and what is left out of them.

    All three are shown to the same decimal, so that a trace of a number beside a large one is 0."""
    lost = without(row)
    if signed and row.count and row.p10 == row.p90 == 0 and row.better_share in (None, 0.0):
        return f"{lost}; no difference" if lost else "no difference"
    if not row.count:
        return lost if row.never + row.none_needed + row.failed + row.undefined > 1 else lost.partition(" ")[2] or "-"
    parts = [part for part in (row.p10, row.p50, row.p90) if part - part == 0] or [0.0]
    factor, word = scale(*parts)
    decimals = decimals_of(max(abs(part) for part in parts) / factor)

    def text(value: float) -> str:
        if value - value != 0:
            return "never" if value > 0 else "not needed"
        shown = fixed(value / factor, decimals) if decimals <= MOST_DECIMALS else number(value)
        return f"+{shown}" if signed and value > 0 and shown != "0" else shown

    middle = text(row.p50)
    if row.p10 != row.p90:
        middle += f" ({text(row.p10)} to {text(row.p90)})"
    if word:
        middle += f" {word}"
    if row.never:  # how many never, before any median, which is of all of them
        return f"{lost} of {row.total:,}; {middle}"
    return f"{middle}; {lost}" if lost else middle


def by_kpi(rows: tuple[KpiRow, ...]) -> dict[str, dict[str, KpiRow]]:
    """The rows of a summary by KPI and scenario, in order."""
    found: dict[str, dict[str, KpiRow]] = {}
    for row in rows:
        found.setdefault(row.kpi, {})[row.scenario] = row
    return found


def alone(kpis: Dataset) -> Dataset:
    """The KPIs that say something of one scenario; those against the baseline stand in the table of differences."""
    against = [str(name) for name in kpis.data_vars if kpis[name].attrs.get("against")]
    return kpis.drop_vars([*against, *(f"{name}_outcome" for name in against)])


def heading(row: KpiRow) -> str:
    """The KPI of a row with its unit: `Open beds at the end [bed]`."""
    unit = shown_unit(row.unit)
    name = f"{row.label} [{unit}]" if unit else row.label
    return f"{name} ({row.caution})" if row.caution else name
