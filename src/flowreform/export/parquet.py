"""Tidy results and KPI tables as Parquet, by pyarrow (the extra `parquet`).

The columns are those of the CSV, with their own types: text stays as it is, since Parquet has no formulas, and a number that
is not finite stays so too. Where the results come from is in the file's key-value metadata.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from flowreform.errors import ExperimentError, error
from flowreform.export.tables import columns
from flowreform.export.tidy import Progress, Series, blocks, dates, kept, series
from flowreform.files import write_file

if TYPE_CHECKING:
    from xarray import Dataset

    from flowreform.calendar import Calendar

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


def _tidy(path: Path, ds: Dataset, lines: tuple[Series, ...], calendar: Calendar | None, progress: Progress | None) -> None:
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

    with pq.ParquetWriter(path, schema, compression=COMPRESSION) as out:
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
    pq.write_table(pa.Table.from_arrays(parts, schema=pa.schema(fields, _metadata(kpis))), path, compression=COMPRESSION)


def _metadata(ds: Dataset) -> dict[str, str]:
    return {f"flowreform.{key}": str(value) for key, value in ds.attrs.items()}
