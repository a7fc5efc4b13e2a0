"""Tidy results: one row for every scenario, draw, time and variable, with its unit; block by block, so that it stays small.

A row is `scenario, draw, time, date, variable, value, unit`. Elements of an array have rows of their own and their full name
(`beds[surgical]`). `date` is the day that the model time falls on, empty where the model has no calendar. Rows come in the
order of these columns; of a sweep they are of the draws whose course was kept. Inputs that do not move over time are in the
netCDF file, not here.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from flowreform.errors import ExperimentError, error
from flowreform.export.tables import columns, unit_of
from flowreform.files import write_file
from flowreform.names import join
from flowreform.text import number_field, text_field, text_row

if TYPE_CHECKING:
    import datetime

    from xarray import Dataset

    from flowreform.calendar import Calendar

COLUMNS = ("scenario", "draw", "time", "date", "variable", "value", "unit")
BLOCK_BYTES = 16_000_000
"""So much of a result is held at once while its rows are written."""
OUTER = ("scenario", "draw", "time")

Floats = NDArray[np.float64]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class TidySeries:
    """One line over time: a variable, or one element of an array, with its full name and unit."""

    name: str
    unit: str


@dataclass(frozen=True, slots=True)
class TidyBlock:
    """The values of some draws of one scenario: float64[draw, time, series]."""

    scenario: str
    draws: tuple[int, ...]
    values: Floats


def series(ds: Dataset) -> tuple[TidySeries, ...]:
    """The lines of a Dataset, in its own order, elements of arrays with the last dimension fastest.

    Raises ExperimentError when nothing in it moves over time."""
    found: list[TidySeries] = []
    for name in moving(ds):
        data = ds[name]
        inner = [dim for dim in data.dims if dim not in OUTER]
        for elements in product(*(map(str, ds[dim].values) for dim in inner)):
            found.append(TidySeries(join(name, elements), unit_of(data)))
    if not found:
        raise ExperimentError(error("no-series", "the results hold no variable over time", "save variables, or write --kpis"))
    return tuple(found)


def moving(ds: Dataset) -> list[str]:
    """The variables that have a course over time in every run."""
    return [str(name) for name, data in ds.data_vars.items() if set(OUTER) <= set(data.dims)]


def kept(ds: Dataset) -> Dataset:
    """The draws whose course was kept: all of them, or the first so many of a sweep."""
    counts = [int(ds[name].attrs["kept_draws"]) for name in moving(ds) if "kept_draws" in ds[name].attrs]
    return ds.isel(draw=slice(min(counts))) if counts and min(counts) < ds.sizes["draw"] else ds


def blocks(ds: Dataset) -> Iterator[TidyBlock]:
    """The values of a Dataset (scenario, draw, time, ...), as many draws at a time as `BLOCK_BYTES` hold."""
    names, count = moving(ds), len(series(ds))
    draws = [int(draw) for draw in ds["draw"].values]
    size = max(1, BLOCK_BYTES // (8 * count * ds.sizes["time"]))
    for place, scenario in enumerate(map(str, ds["scenario"].values)):
        for first in range(0, len(draws), size):
            some = ds[names].isel(scenario=place, draw=slice(first, first + size))
            shape = (some.sizes["draw"], some.sizes["time"], -1)
            parts = [np.asarray(some[name].transpose("draw", "time", ...).values).reshape(shape) for name in names]
            yield TidyBlock(scenario, tuple(draws[first : first + size]), np.concatenate(parts, axis=-1, dtype=np.float64))


def dates(ds: Dataset, calendar: Calendar | None) -> list[datetime.date | None]:
    """The day of every saved time; None where there is no calendar, or no such day in it."""
    found: list[datetime.date | None] = []
    for time in ds["time"].values.tolist():
        try:
            found.append(calendar.date(time) if calendar is not None else None)
        except (ValueError, OverflowError):
            found.append(None)
    return found


def write_csv(path: Path, ds: Dataset, calendar: Calendar | None = None, progress: Progress | None = None) -> None:
    """The tidy table of a Dataset (scenario, draw, time, ...) as CSV, whole or not at all, the same bytes every time.

    `progress` is called with how many runs are written, and of how many. Text that could be a formula has an apostrophe in front.
    Raises ExperimentError where nothing moves over time or the file cannot be written."""
    lines, ds = series(ds), kept(ds)
    write_file(path, lambda temporary: _csv(temporary, ds, lines, calendar, progress))


def _csv(path: Path, ds: Dataset, found: tuple[TidySeries, ...], calendar: Calendar | None, progress: Progress | None) -> None:
    lines = [(f",{text_field(line.name)},", f",{text_field(line.unit)}\n") for line in found]
    stamps = [
        f"{number_field(time)},{day or ''}" for time, day in zip(ds["time"].values.tolist(), dates(ds, calendar), strict=True)
    ]
    done, total = 0, ds.sizes["scenario"] * ds.sizes["draw"]
    with open(path, "wb") as raw, io.TextIOWrapper(raw, encoding="utf-8", newline="", write_through=True) as out:
        out.write(text_row(COLUMNS))
        for block in blocks(ds):
            scenario = text_field(block.scenario)
            texts = iter(_texts(block.values))
            for draw in block.draws:
                head = f"{scenario},{draw},"
                out.write("".join([f"{head}{stamp}{middle}{next(texts)}{end}" for stamp in stamps for middle, end in lines]))
            done += len(block.draws)
            if progress is not None:
                progress(done, total)


def _texts(values: Floats) -> list[str]:
    """Every number with all its digits, in order; empty where there is none. In one go: half the time of one by one."""
    import orjson

    text = orjson.dumps(np.ascontiguousarray(values.reshape(-1)), option=orjson.OPT_SERIALIZE_NUMPY)[1:-1]
    return (text + b",").replace(b"null", b"").replace(b".0,", b",").decode("ascii").split(",")[:-1]


# --- Parquet ---------------------------------------------------------------------------------------------------------


COMPRESSION = "zstd"


def require_pyarrow(path: Path) -> None:
    """Raise ExperimentError, with what to install, where pyarrow is missing."""
    if find_spec("pyarrow") is None:
        repair = "pip install 'flowreform[parquet]', or write .csv"
        raise ExperimentError(
            error("no-pyarrow", "Parquet files are written by pyarrow, which is missing", repair, file=str(path))
        )


def write_parquet(path: Path, ds: Dataset, calendar: Calendar | None = None, progress: Progress | None = None) -> None:
    """The tidy table of a Dataset (scenario, draw, time, ...) as Parquet, one row group for each block, whole or not at all.

    Raises ExperimentError without pyarrow, where nothing moves over time, or where the file cannot be written."""
    require_pyarrow(path)
    lines, ds = series(ds), kept(ds)
    write_file(path, lambda temporary: _tidy(temporary, ds, lines, calendar, progress))


def _tidy(path: Path, ds: Dataset, lines: tuple[TidySeries, ...], calendar: Calendar | None, progress: Progress | None) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    words = pa.dictionary(pa.int32(), pa.string())
    fields = [("scenario", words), ("draw", pa.int64()), ("time", pa.float64()), ("date", pa.date32()),
              ("variable", words), ("value", pa.float64()), ("unit", words)]  # fmt: skip
    schema = pa.schema(fields, _metadata(ds))
    scenarios = [str(name) for name in ds["scenario"].values]
    units = list(dict.fromkeys(line.unit for line in lines))
    times, days = np.asarray(ds["time"].values, dtype=np.float64), dates(ds, calendar)
    day_numbers = np.array([day.toordinal() - _EPOCH if day else 0 for day in days], dtype=np.int32)
    no_day = np.array([day is None for day in days])
    of_unit = np.array([units.index(line.unit) for line in lines], dtype=np.int32)
    done, total = 0, ds.sizes["scenario"] * ds.sizes["draw"]

    def dictionary(indices: Any, values: list[str]) -> Any:
        return pa.DictionaryArray.from_arrays(pa.array(indices, pa.int32()), pa.array(values, pa.string()))

    with open(path, "xb") as file, pq.ParquetWriter(file, schema, compression=COMPRESSION) as out:  # a name may be an address
        for block in blocks(ds):
            many, steps, width = block.values.shape
            rows = many * steps * width
            parts = [
                dictionary(np.full(rows, scenarios.index(block.scenario), dtype=np.int32), scenarios),
                pa.array(np.repeat(np.array(block.draws, dtype=np.int64), steps * width)),
                pa.array(np.tile(np.repeat(times, width), many)),
                pa.array(np.tile(np.repeat(day_numbers, width), many), pa.date32(), mask=np.tile(np.repeat(no_day, width), many)),
                dictionary(np.tile(np.arange(width, dtype=np.int32), many * steps), [line.name for line in lines]),
                pa.array(block.values.reshape(-1)),
                dictionary(np.tile(of_unit, many * steps), units),
            ]
            out.write_batch(pa.record_batch(parts, schema=schema))
            done += many
            if progress is not None:
                progress(done, total)


_EPOCH = 719_163
"""The ordinal of 1 January 1970."""


def write_kpis(path: Path, kpis: Dataset) -> None:
    """The KPI table as Parquet: one row per run, a float64 column for each KPI; its unit is in the column's metadata."""
    require_pyarrow(path)
    write_file(path, lambda temporary: _kpis(temporary, kpis))


def _kpis(path: Path, kpis: Dataset) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    draws, found = kpis.sizes["draw"], list(columns(kpis))
    names = np.repeat(np.array([str(name) for name in kpis["scenario"].values], dtype=object), draws)
    fields = [pa.field("scenario", pa.string()), pa.field("draw", pa.int64())]
    fields += [pa.field(name, pa.float64(), metadata={"unit": str(data.attrs.get("units") or "")}) for name, data in found]
    parts = [pa.array(names, pa.string()), pa.array(np.tile(kpis["draw"].values.astype(np.int64), kpis.sizes["scenario"]))]
    parts += [pa.array(np.asarray(data.values, dtype=np.float64).reshape(-1)) for _, data in found]
    with open(path, "xb") as file:
        pq.write_table(pa.Table.from_arrays(parts, schema=pa.schema(fields, _metadata(kpis))), file, compression=COMPRESSION)


def _metadata(ds: Dataset) -> dict[str, str]:
    return {f"flowreform.{key}": str(value) for key, value in ds.attrs.items()}
