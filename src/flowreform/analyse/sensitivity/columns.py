"""An estimator over columns of which some are constant and some lack values: what can be estimated is, the rest is named."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from flowreform.analyse.sensitivity.designs import Design
from flowreform.analyse.sensitivity.estimators import Floats, Indices, Settings
from flowreform.analyse.sensitivity.methods import SensitivityMethod

ESTIMATED, CONSTANT, TOO_FEW = range(3)
STATUS = ("estimated", "constant", "too_few_values")
"""What became of a column, by flag: 0 to 2."""
FLAT = 1e-11
"""A column whose values differ by less than this share of the largest is rounding, not an answer."""
FEWEST = 4
"""No fewer blocks than this, and no fewer than half of them, may be left for an estimate."""
FRACTIONS = (0.25, 0.5, 1.0)
"""The shares of the sample at which convergence is shown."""


NOTHING = {"p_value": 1.0}
"""What an index is where nothing is explained; 0 where it does not stand here."""


@dataclass
class ColumnCells:
    """Indices of all columns, 0 where a column is constant and NaN where too few values are left; why, and from how many blocks.

    `values` and `half_widths` are float64[index, parameter, column] in the method's order; NaN where there is no interval."""

    values: Floats
    half_widths: Floats
    pairs: Floats | None
    pair_half_widths: Floats | None
    status: NDArray[np.int8]
    blocks: NDArray[np.int_]


def estimate(method: SensitivityMethod, design: Design, outputs: Floats, settings: Settings | None) -> ColumnCells:
    """Indices of every column of `outputs` float64[row, column]; blocks with a missing value are left out of a column."""
    count, columns = design.parameters, outputs.shape[1]
    shape = (len(method.indices), count, columns)
    pairs = np.full((count, count, columns), np.nan) if design.second_order or method.pairs == "always" else None
    found = ColumnCells(
        np.full(shape, np.nan), np.full(shape, np.nan), pairs, None if pairs is None else pairs.copy(),
        np.full(columns, ESTIMATED, dtype=np.int8), np.zeros(columns, dtype=int),
    )  # fmt: skip
    for kept, chosen in _patterns(design, outputs):
        found.blocks[chosen] = kept.sum()
        if kept.sum() < min(max(FEWEST, design.blocks / 2), design.blocks):
            found.status[chosen] = TOO_FEW
            continue
        block = outputs if len(chosen) == columns else outputs[:, chosen]
        block = block if kept.all() else block[design.rows(kept)]
        flat = _flat(block)
        if method.by_base:
            flat |= _flat(block[:: design.block], np.maximum(block.max(axis=0), -block.min(axis=0)))
        steady = chosen[flat]
        found.status[steady] = CONSTANT
        found.values[..., steady] = 0.0
        for cells in (found.pairs, found.pair_half_widths):
            if cells is not None:
                cells[np.triu(np.ones((count, count), dtype=bool), 1)[:, :, None] & flat_columns(steady, columns)] = 0.0
        if not flat.all():
            varied = block if not flat.any() else block[:, ~flat]
            indices = method.estimate(design.take(kept), np.ascontiguousarray(varied), settings)
            _put(found, method, indices, chosen[~flat])
    return found


def still(cells: ColumnCells, method: SensitivityMethod, inputs: NDArray[np.bool_]) -> None:
    """Inputs, bool[parameter], that had one value in every run: they explain nothing, whatever an estimator makes of the order
    in which the runs happen to stand."""
    found, widths = cells.values[:, inputs], cells.half_widths[:, inputs]
    nothing = np.array([NOTHING.get(name, 0.0) for name in method.indices])[:, None, None]
    cells.values[:, inputs] = np.where(np.isnan(found), np.nan, nothing)
    cells.half_widths[:, inputs] = np.where(np.isnan(widths), np.nan, 0.0)


def _flat(block: Floats, size: Floats | None = None) -> NDArray[np.bool_]:
    """Which columns hold one value, but for rounding of numbers of this size (their own, where nothing is said)."""
    low, high = block.min(axis=0), block.max(axis=0)
    return np.asarray(high - low <= FLAT * (np.maximum(high, -low) if size is None else size))


def flat_columns(steady: NDArray[np.int_], columns: int) -> NDArray[np.bool_]:
    """bool[1, 1, column]: the constant ones."""
    marks = np.zeros(columns, dtype=bool)
    marks[steady] = True
    return marks[None, None, :]


def convergence(
    method: SensitivityMethod, design: Design, outputs: Floats, settings: Settings, whole: ColumnCells
) -> Floats | None:
    """float64[fraction, index, parameter, column] from the first quarter and half of the blocks, and from the `whole`; None
    where a part of the sample is no sample."""
    if not method.partial or design.blocks * FRACTIONS[0] < FEWEST:
        return None
    found = []
    for fraction in FRACTIONS[:-1]:
        kept = np.arange(design.blocks) < round(design.blocks * fraction)
        part = design.take(kept)
        found.append(estimate(method, part, outputs[design.rows(kept)], settings if method.slow else None).values)
    return np.stack([*found, whole.values])


def _patterns(design: Design, outputs: Floats) -> list[tuple[NDArray[np.bool_], NDArray[np.int_]]]:
    """Which blocks are whole, and the columns of which that is so; columns with the same gaps go together."""
    columns = np.arange(outputs.shape[1])
    if not np.isnan(outputs.max(axis=0)).any():  # a maximum is NaN where any value is: no array of flags for the usual case
        return [(np.ones(design.blocks, dtype=bool), columns)] if len(columns) else []
    whole = ~np.isnan(outputs).reshape(design.blocks, design.block, -1).any(axis=1)
    rows, inverse = np.unique(whole.T, axis=0, return_inverse=True)
    return [(row, columns[inverse.ravel() == at]) for at, row in enumerate(rows)]


def _put(found: ColumnCells, method: SensitivityMethod, indices: Indices, chosen: NDArray[np.int_]) -> None:
    for at, name in enumerate(method.indices):
        found.values[at][:, chosen] = indices.values[name]
        if name in indices.half_widths:
            found.half_widths[at][:, chosen] = indices.half_widths[name]
    if indices.pairs is not None and found.pairs is not None:
        found.pairs[..., chosen] = indices.pairs
    if indices.pair_half_widths is not None and found.pair_half_widths is not None:
        found.pair_half_widths[..., chosen] = indices.pair_half_widths
