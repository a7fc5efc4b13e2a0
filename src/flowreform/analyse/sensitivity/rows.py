"""An analysis of sensitivity in rows for people: what leads each KPI, targets met, scenarios that do better."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from flowreform.analyse.sensitivity.columns import STATUS
from flowreform.analyse.sensitivity.methods import METHODS
from flowreform.text import number, scale, shown_unit

if TYPE_CHECKING:
    from xarray import Dataset

LEADING = 5
"""Inputs named for each KPI on the screen and in summary.md."""


def titles(ds: Dataset) -> dict[str, str]:
    """A heading for each scenario of the analysis, or for its one difference."""
    return dict(zip(map(str, ds["scenario"].values), map(str, ds["scenario_label"].values), strict=True))


def leading_rows(ds: Dataset, scenario: str) -> list[list[str]]:
    """For each KPI its name with unit and its leading inputs with the index and its interval."""
    method = METHODS[str(ds.attrs["method"])]
    rows = []
    for kpi in map(str, ds["kpi"].values) if "kpi_index" in ds else ():
        one = ds.sel(scenario=scenario, kpi=kpi)
        unit = shown_unit(str(one["kpi_units"].values))
        head = f"{one['kpi_label'].values}{f' [{unit}]' if unit else ''}"
        status = int(one["kpi_status"])
        if status:
            rows.append([head, STATUS[status].replace("_", " ")])
            continue
        values = np.asarray(one["kpi_index"].sel(index=method.leading).values)
        widths = np.asarray(one["kpi_confidence"].sel(index=method.leading).values)
        order = np.argsort(-np.abs(values), kind="stable")[:LEADING]
        rows.append([head, ", ".join(f"{ds['parameter'].values[at]} {interval(values[at], widths[at])}" for at in order)])
    return rows


def interval(value: float, width: float) -> str:
    """`0.43 ± 0.05`, `2.86 ± 0.64 million`, or the number alone where the method gives no interval."""
    if not np.isfinite(width):
        return number(float(value), 3)
    factor, word = scale(float(value))
    text = f"{number(float(value) / factor, 3)} ± {number(float(width) / factor, 2)}"
    return f"{text} {word}" if word else text


def contenders(ds: Dataset) -> list[str]:
    """The short labels of the scenarios that were run."""
    return [str(label) for label in ds["contender_label"].values]


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


def opponent(ds: Dataset) -> str:
    """The label of what all others are compared with: the baseline, or the last scenario where that was not run."""
    return contenders(ds)[_opponent(ds)]


def _opponent(ds: Dataset) -> int:
    names = [str(name) for name in ds["contender"].values]
    baseline = str(ds.attrs["baseline"])
    return names.index(baseline) if baseline in names else len(names) - 1


def better_heads(ds: Dataset) -> list[str]:
    """The scenarios that are compared with the one."""
    labels = contenders(ds)
    del labels[_opponent(ds)]
    return labels


def better_rows(ds: Dataset) -> list[list[str]]:
    """A row for each KPI of which one direction is better: how often each scenario does better than the one."""
    if "better_probability" not in ds:
        return []
    others = [str(name) for name in ds["contender"].values]
    base = others.pop(_opponent(ds))
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
