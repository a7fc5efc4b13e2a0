"""What a reader of indices must know, in plain lines: how sure they are, and what could not be estimated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from flowreform.analyse.sensitivity.assemble import Findings
from flowreform.analyse.sensitivity.columns import CONSTANT, TOO_FEW
from flowreform.analyse.sensitivity.methods import SensitivityMethod
from flowreform.names import split

if TYPE_CHECKING:
    from xarray import Dataset

Floats = NDArray[np.float64]

MOST = 6
"""Most names in one line."""
NOTICEABLE = 0.05
"""Shares of variance below this need no ranking."""
UNSTEADY = 0.1
"""A change of a share by more than this from half to all of the sample is no convergence."""


def lines(
    ds: Dataset, found: Findings, method: SensitivityMethod, samples: int, scenarios: Sequence[tuple[str, Mapping[str, object]]]
) -> list[str]:
    """All warnings of an analysis, the gravest first."""
    return [
        *_failed(found),
        *_missing(ds, found),
        *_constant(ds),
        *_fixed(found, scenarios),
        *_correlated(found),
        *_sample(found, method, samples),
        *_ranking(ds, method),
        *_converged(ds, method),
        *_outside(ds, method),
        *_tails(found),
    ]


def _named(names: Sequence[str]) -> str:
    rest = len(names) - MOST
    return ", ".join(names[:MOST]) + (f" and {rest} more" if rest > 0 else "")


def _failed(found: Findings) -> Iterator[str]:
    size = len(found.design.unit)
    for label, count in zip(found.labels, found.failed, strict=True):
        if not count:
            continue
        if found.design.blocks == 1:
            yield f"{label}: {count:,} of {size:,} runs failed, and {found.method} can spare none: no index was estimated"
        else:
            kind = "run" if found.design.block == 1 else f"group of {found.design.block} runs that belong together"
            yield f"{label}: {count:,} of {size:,} runs failed; every {kind} with a failed one is left out"


def _missing(ds: Dataset, found: Findings) -> Iterator[str]:
    if "kpi_status" not in ds:
        return
    whole = found.design.blocks
    for label in ds["scenario"].values:
        one = ds.sel(scenario=label)
        failed = int(one["failed_runs"])
        few = [str(name) for name in ds["kpi"].values if int(one["kpi_status"].sel(kpi=name)) == TOO_FEW]
        if few and not (failed and whole == 1):
            yield (f'{label}: too few runs have a value of {_named(few)}: no index; ask for a target such as "KPI <= 60"')
        partly = [
            f"{name} ({int(one['kpi_blocks'].sel(kpi=name)):,})"
            for name in ds["kpi"].values
            if int(one["kpi_blocks"].sel(kpi=name)) < whole and int(one["kpi_status"].sel(kpi=name)) != TOO_FEW
        ]
        if partly and not failed:
            yield f"{label}: only part of the {whole:,} sample points have a value, and indices are of those: {_named(partly)}"


def _constant(ds: Dataset) -> Iterator[str]:
    for label in ds["scenario"].values:
        names: list[str] = []
        if "kpi_status" in ds:
            flags = ds["kpi_status"].sel(scenario=label).values
            names += [str(name) for name, flag in zip(ds["kpi"].values, flags, strict=True) if flag == CONSTANT]
        if "variable_status" in ds:
            flags = ds["variable_status"].sel(scenario=label).values
            names += [str(n) for n, flag in zip(ds["variable"].values, flags, strict=True) if (flag == CONSTANT).all()]
        if names:
            yield f"{label}: the same in every run, so that nothing matters (indices 0): {_named(list(dict.fromkeys(names)))}"


def _fixed(found: Findings, scenarios: Sequence[tuple[str, Mapping[str, object]]]) -> Iterator[str]:
    for label, settings in scenarios:
        names = [name for name in found.values if name in settings or split(name)[0] in settings]
        if names:
            yield f"{label}: set by the scenario, and so without effect there: {_named(names)}"


def _correlated(found: Findings) -> Iterator[str]:
    pairs = [item for item in found.experiment.correlations if set(item.between) <= set(found.values)]
    if pairs:
        shown = [f"{' with '.join(item.between)} ({item.rank_correlation:g})" for item in pairs]
        yield (
            "inputs are correlated, and an index counts what comes with the other too, so that shares may sum to more than 1: "
            + _named(shown)
        )


def _sample(found: Findings, method: SensitivityMethod, samples: int) -> Iterator[str]:
    if found.method == "sobol" and samples & (samples - 1):
        below = 1 << (samples.bit_length() - 1)
        yield f"{samples:,} samples are no power of 2, which Sobol points need: take {below:,} or {2 * below:,}"
    if found.method == "fast":
        yield "intervals of fast come from halves of its curves and are a hint, not a level of confidence"
    if not method.partial and not method.fixed:
        yield f"{found.method} has no convergence within one sample: run it again with half the samples"


def _ranking(ds: Dataset, method: SensitivityMethod) -> Iterator[str]:
    """Where the intervals of the first two inputs overlap."""
    if "kpi_index" not in ds or ds.sizes["parameter"] < 2:
        return
    for label in ds["scenario"].values:
        index = np.asarray(ds["kpi_index"].sel(scenario=label, index=method.leading).values)
        width = np.asarray(ds["kpi_confidence"].sel(scenario=label, index=method.leading).values)
        tied = []
        for at, kpi in enumerate(ds["kpi"].values):
            if (
                not np.isfinite(index[at]).all()
                or not np.isfinite(width[at]).all()
                or int(ds["kpi_status"].sel(scenario=label)[at])
            ):
                continue
            first, second = np.argsort(-index[at], kind="stable")[:2]
            if method.shares and index[at, first] < NOTICEABLE:
                continue
            if index[at, first] - width[at, first] <= index[at, second] + width[at, second]:
                names = ds["parameter"].values[[first, second]]
                tied.append(
                    f"{kpi}: {names[0]} {index[at, first]:.3g} ± {width[at, first]:.2g}, "
                    f"{names[1]} {index[at, second]:.3g} ± {width[at, second]:.2g}"
                )
        if tied:
            shown = "; ".join(tied[:3]) + (f"; and {len(tied) - 3} more KPIs" if len(tied) > 3 else "")
            yield f"{label}: intervals of {method.leading} are too wide to say which input comes first ({shown})"


def _converged(ds: Dataset, method: SensitivityMethod) -> Iterator[str]:
    if "kpi_convergence" not in ds or not method.shares:
        return
    parts = ds["kpi_convergence"].sel(index=method.leading)
    change = np.abs(parts.sel(fraction=1.0).values - parts.sel(fraction=0.5).values).max(axis=-1)
    for at, label in enumerate(ds["scenario"].values):
        with np.errstate(invalid="ignore"):
            moved = [str(name) for name, much in zip(ds["kpi"].values, change[at], strict=True) if much > UNSTEADY]
        if moved:
            yield (
                f"{label}: {method.leading} still moves by more than {UNSTEADY:g} from half the sample to all of it "
                f"(take more samples): {_named(moved)}"
            )


def _outside(ds: Dataset, method: SensitivityMethod) -> Iterator[str]:
    """Shares below 0 or above 1: noise, or too small a sample."""
    if not method.shares or "kpi_index" not in ds:
        return
    index, width = np.asarray(ds["kpi_index"].values), np.nan_to_num(np.asarray(ds["kpi_confidence"].values))
    with np.errstate(invalid="ignore"):
        below, above = index < -1e-9, index > 1 + 1e-9
        grave = (index < -width - 1e-9) & below | (index > 1 + width + 1e-9) & above
    if not below.any() and not above.any():
        return
    text = (
        f"{int(below.sum())} indices are below 0 (lowest {np.nanmin(index):.2g}) and {int(above.sum())} above 1: estimates "
        "scatter around the truth, so read a negative one as near 0"
    )
    yield text + (f"; {int(grave.sum())} lie outside by more than their interval: take more samples" if grave.any() else "")


def _tails(found: Findings) -> Iterator[str]:
    endless = [name for name in found.values if found.experiment.uncertainties[name].kind.endless]
    if endless and found.design.corners:
        yield f"{found.method} goes to the ends of inputs; those of endless distributions are 0.5 and 99.5 %: {_named(endless)}"
