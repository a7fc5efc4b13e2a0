"""The folder of a sensitivity analysis: sensitivity.nc, indices.csv, bands.csv, summary.md and the pictures, or none of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from flowreform.analyse.sensitivity.analysis import warnings_of
from flowreform.analyse.sensitivity.columns import STATUS
from flowreform.analyse.sensitivity.methods import MEANINGS, METHODS
from flowreform.analyse.sensitivity.rows import better_heads, better_rows, contenders, leading_rows, opponent, target_rows, titles
from flowreform.files import Writer, write_files
from flowreform.results import to_netcdf
from flowreform.text import cell, exact, harmless, markdown, number

if TYPE_CHECKING:
    from xarray import Dataset

    from flowreform.experiment import Experiment


def write_sensitivity(folder: Path, ds: Dataset, experiment: Experiment) -> tuple[str, ...]:
    """Write the analysis into `folder` and return the names of its files; what else stands there stays.

    Raises ExperimentError where the folder cannot be written to; then nothing in it has changed."""
    from flowreform.export.panels import axis_of
    from flowreform.export.sensitivity_pictures import pictures, writers

    calendar = experiment.case.calendar if experiment.case else None
    axis = axis_of(experiment.start, experiment.stop, experiment.model.specs.time_unit, calendar)
    files: dict[str, Writer] = {
        "sensitivity.nc": lambda path: to_netcdf(ds, path),
        "indices.csv": lambda path: _text(path, indices_csv(ds)),
        **({"bands.csv": lambda path: _text(path, bands_csv(ds))} if "band" in ds else {}),
        "summary.md": lambda path: _text(path, summary_text(ds, experiment)),
        **writers(pictures(ds, axis, titles(ds))),
    }
    write_files(folder, files)
    return tuple(files)


def indices_csv(ds: Dataset) -> str:
    """One row for every scenario, KPI, parameter (or pair) and index, with all digits; indices over time are in the netCDF."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["scenario", "kpi", "parameter", "other", "index", "value", "half_width", "status"])
    if "kpi_index" in ds:
        writer.writerows(_rows(ds))
    if "kpi_pair" in ds:
        writer.writerows(_pair_rows(ds))
    return out.getvalue()


def _rows(ds: Dataset) -> Iterator[list[str]]:
    index, width = np.asarray(ds["kpi_index"].values), np.asarray(ds["kpi_confidence"].values)
    status, names, kinds = np.asarray(ds["kpi_status"].values), ds["parameter"].values, ds["index"].values
    for scenario, kpi, parameter, kind in np.ndindex(index.shape):
        place = (scenario, kpi, parameter, kind)
        numbers = [exact(float(index[place])), exact(float(width[place])), STATUS[int(status[scenario, kpi])]]
        yield [*_column(ds, scenario, kpi), harmless(str(names[parameter])), "", str(kinds[kind]), *numbers]


def _pair_rows(ds: Dataset) -> Iterator[list[str]]:
    pair, width = np.asarray(ds["kpi_pair"].values), np.asarray(ds["kpi_pair_confidence"].values)
    status, names = np.asarray(ds["kpi_status"].values), ds["parameter"].values
    kind = "S2" if ds.attrs["method"] == "sobol" else "IE"
    for scenario, kpi, one, other in np.ndindex(pair.shape):
        if one < other:
            place = (scenario, kpi, one, other)
            numbers = [exact(float(pair[place])), exact(float(width[place])), STATUS[int(status[scenario, kpi])]]
            yield [*_column(ds, scenario, kpi), harmless(str(names[one])), harmless(str(names[other])), kind, *numbers]


def _column(ds: Dataset, scenario: int, kpi: int) -> list[str]:
    return [harmless(str(ds["scenario"].values[scenario])), harmless(str(ds["kpi"].values[kpi]))]


def bands_csv(ds: Dataset) -> str:
    """One row for every scenario, variable and saved time: quantiles over the draws, all digits."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["scenario", "variable", "unit", "time", *(f"p{100 * q:g}" for q in ds["quantile"].values)])
    values, times = np.asarray(ds["band"].values), ds["time"].values
    for at, scenario in enumerate(map(str, ds["scenario"].values)):
        for place, variable in enumerate(map(str, ds["variable"].values)):
            head = [harmless(text) for text in (scenario, variable, str(ds["variable_units"].values[place]))]
            for moment, time in enumerate(times):
                row = [exact(float(value)) for value in values[at, place, :, moment]]
                writer.writerow([*head, exact(float(time)), *row])
    return out.getvalue()


def summary_text(ds: Dataset, experiment: Experiment) -> str:
    """The analysis for people: what leads each KPI, convergence, warnings, where the numbers come from."""
    method = METHODS[str(ds.attrs["method"])]
    found = [f"# {cell(experiment.title)}: {method.label}\n"]
    found += [f"`{name}`: {MEANINGS[name]}.\n" for name in method.indices]
    heads = titles(ds)
    for label in map(str, ds["scenario"].values):
        rows = leading_rows(ds, label)
        if rows:
            found.append(f"## {cell(heads[label])}\n")
            found.append(markdown(["KPI", f"leading inputs ({method.leading})"], rows, right=False))
            if "kpi_convergence" in ds:
                found.append(_convergence(ds, label))
    if rows := target_rows(ds):
        found.append("## Chance of meeting each target\n")
        found.append("Share of the draws, with Wilson's 95 % interval.\n")
        found.append(markdown(["target", *contenders(ds)], rows))
    if rows := better_rows(ds):
        found.append(f'## How often each scenario does better than "{cell(opponent(ds))}"\n')
        found.append("Share of the draws, each compared with the same draw.\n")
        found.append(markdown(["KPI", *better_heads(ds)], rows))
    lines = warnings_of(ds)
    if lines:
        found.append("## Warnings\n")
        found.append("\n".join(f"- {cell(line)}" for line in lines) + "\n")
    found.append("## Where it comes from\n")
    skipped = ("warnings", "title", "question")
    found.append(markdown(["", ""], [[key, str(value)] for key, value in ds.attrs.items() if key not in skipped], right=False))
    return "\n".join(found)


def _convergence(ds: Dataset, scenario: str) -> str:
    """The leading input of every KPI from a quarter, half and all of the sample."""
    method = METHODS[str(ds.attrs["method"])]
    rows = []
    for kpi in map(str, ds["kpi"].values):
        one = ds.sel(scenario=scenario, kpi=kpi)
        if int(one["kpi_status"]):
            continue
        at = int(np.argmax(np.abs(one["kpi_index"].sel(index=method.leading).values)))
        parts = np.asarray(one["kpi_convergence"].sel(index=method.leading).isel(parameter=at).values)
        rows.append([kpi, str(ds["parameter"].values[at]), *(number(float(part), 3) for part in parts)])
    return markdown(["KPI", "leading input", "a quarter of the sample", "half", "all"], rows) if rows else ""


def _text(path: Path, text: str) -> None:
    path.write_bytes(text.encode())
