"""What the draws of an analysis say together, in rows: targets met, scenarios that do better, bands over time."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

import numpy as np

from flowreform.export.summary import short
from flowreform.text import exact, harmless

if TYPE_CHECKING:
    from xarray import Dataset

    from flowreform.experiment import Experiment


def contenders(ds: Dataset, experiment: Experiment) -> list[str]:
    """The short labels of the scenarios that were run."""
    return [short(experiment.scenarios[str(name)].label) for name in ds["contender"].values]


def share(value: float) -> str:
    """`83 %`; what is not quite nothing or all is said so."""
    if np.isnan(value):
        return "-"
    percent = 100.0 * value
    if 0.0 < percent < 0.5:
        return "under 1 %"
    return "over 99 %" if 99.5 <= percent < 100.0 else f"{percent:.0f} %"


def target_rows(ds: Dataset) -> list[list[str]]:
    """A row for each target: the chance that each scenario meets it, with its interval."""
    if "target_probability" not in ds:
        return []
    parts = [np.asarray(ds[f"target_{key}"].transpose("target", "contender").values) for key in ("probability", "low", "high")]
    rows = []
    for at, text in enumerate(map(str, ds["target"].values)):
        cells = []
        for middle, low, high in zip(*(part[at] for part in parts), strict=True):
            interval = f" ({100 * low:.0f} to {100 * high:.0f} %)" if np.isfinite(low) else ""
            cells.append(share(float(middle)) + interval)
        rows.append([text, *cells])
    return rows


def opponent(ds: Dataset, baseline: str) -> str:
    """Whom all others are compared with: the baseline, or the last scenario where that was not run."""
    names = [str(name) for name in ds["contender"].values]
    return baseline if baseline in names else names[-1]


def better_heads(ds: Dataset, experiment: Experiment) -> list[str]:
    """The scenarios that are compared with the one."""
    base = opponent(ds, experiment.baseline)
    return [label for name, label in zip(ds["contender"].values, contenders(ds, experiment), strict=True) if str(name) != base]


def better_rows(ds: Dataset, baseline: str) -> list[list[str]]:
    """A row for each KPI of which one direction is better: how often each scenario does better than the one."""
    if "better_probability" not in ds:
        return []
    base = opponent(ds, baseline)
    others = [str(name) for name in ds["contender"].values if str(name) != base]
    rows = []
    for kpi in map(str, ds["judged_kpi"].values):
        one = ds.sel(judged_kpi=kpi, opponent=base)
        cells = []
        for name in others:
            ties = float(one["better_ties"].sel(contender=name))
            text = share(float(one["better_probability"].sel(contender=name)))
            cells.append(text + (f" (as well in {share(ties)})" if ties > 0 else ""))
        rows.append([str(ds["kpi_label"].sel(kpi=kpi).values), *cells])
    return rows


def bands_csv(ds: Dataset) -> str:
    """One row for every scenario, variable and saved time: quantiles over the draws, all digits."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["scenario", "variable", "unit", "time", *(f"p{100 * q:g}" for q in ds["quantile"].values)])
    values, times = np.asarray(ds["band"].values), ds["time"].values
    for at, scenario in enumerate(map(str, ds["scenario"].values)):
        for place, variable in enumerate(map(str, ds["variable"].values)):
            head = [harmless(text) for text in (scenario, variable, str(ds["variable_units"].values[place]))]
            for number, time in enumerate(times):
                row = [exact(float(value)) for value in values[at, place, :, number]]
                writer.writerow([*head, exact(float(time)), *row])
    return out.getvalue()
