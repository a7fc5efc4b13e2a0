"""The months as counted: arrays by board, series and month."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

SERIES = ("ga_beds_occupied", "ga_beds_available", "nctr_remaining")
FORECAST = ("ga_beds_occupied", "ga_occupancy", "nctr_remaining")
"""What is forecast: occupancy is occupied beds over beds open."""
FIRST_YEAR = 2022
FIRST_MONTH = 4
MONTHS = 24
"""April 2022 to March 2024: nothing later is read, and a later row is refused."""
HORIZON = 17
MISREPORTED = (("E54000032", "2023-10", "nctr_remaining"),)
"""Rows that icb.md warns of: Medway is missing from Kent and Medway's count of delays in October 2023."""


@dataclass(frozen=True)
class Counts:
    """`logs` is float64[board, series, month] of logarithms, NaN where nothing was counted."""

    codes: tuple[str, ...]
    names: tuple[str, ...]
    logs: np.ndarray

    @property
    def months(self) -> int:
        return int(self.logs.shape[2])

    def until(self, origin: int) -> Counts:
        """What was known after so many months."""
        return replace(self, logs=self.logs[:, :, :origin])

    def forecast_series(self) -> np.ndarray:
        """float64[board, 3, month] in counts: occupied beds, occupancy, ready to leave."""
        return in_counts(self.logs)


def in_counts(logs: np.ndarray) -> np.ndarray:
    """Logarithms of occupied beds, beds open and ready (axis -2) as occupied beds, occupancy and ready."""
    occupied, beds, ready = (logs[..., k, :] for k in range(3))
    return np.stack([np.exp(occupied), np.exp(occupied - beds), np.exp(ready)], axis=-2)


def label(month: int) -> str:
    """The month so many after the first, as 2022-04."""
    year, rest = divmod(FIRST_MONTH - 1 + month, 12)
    return f"{FIRST_YEAR + year}-{rest + 1:02d}"


def read(path: Path) -> Counts:
    """The counts of a file; raises ValueError for a month outside April 2022 to March 2024, or a board without all 24."""
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    number = {label(k): k for k in range(MONTHS)}
    late = sorted({row["month"] for row in rows} - set(number))
    if late:
        raise ValueError(f"{path}: months outside {label(0)} to {label(MONTHS - 1)}: {', '.join(late)}; the forecast is blind")
    names = {row["icb_code"]: row["icb_name"] for row in rows}
    codes = tuple(sorted(names))
    place = {code: k for k, code in enumerate(codes)}
    counts = np.full((len(codes), len(SERIES), MONTHS), np.nan)
    seen = set()
    for row in rows:
        seen.add((row["icb_code"], row["month"]))
        for k, series in enumerate(SERIES):
            if row[series] and (row["icb_code"], row["month"], series) not in MISREPORTED:
                counts[place[row["icb_code"]], k, number[row["month"]]] = float(row[series])
    if len(rows) != len(seen) or len(seen) != len(codes) * MONTHS:
        raise ValueError(f"{path}: {len(rows)} rows, where {len(codes)} boards of {MONTHS} months are {len(codes) * MONTHS}")
    return Counts(codes, tuple(names[code] for code in codes), np.log(counts))
