"""Arrays of a sweep that xarray reads piece by piece: stored along `run`, shown as (scenario, draw, ...)."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from flowreform.sweeps.arrays import Numbers

Key = tuple[Any, ...]


class _Lazy(BackendArray):
    """What both kinds share: xarray asks with numbers and slices, whatever the user wrote."""

    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.BASIC, self._read)

    @abstractmethod
    def _read(self, key: Key) -> NDArray[Any]:
        """The part that a key of numbers and slices names."""


class Folded(_Lazy):
    """An array along `run`, then whatever, as (scenario, draw, ...).

    `columns` (first, count) picks part of the second axis of [run, column, time] and folds it behind time into `inner`; `equal`
    makes it a comparison with a number."""

    def __init__(
        self, array: Numbers, scenarios: int, draws: int, *, columns: tuple[int, int] | None = None, inner: tuple[int, ...] = (),
        equal: int | None = None,
    ) -> None:  # fmt: skip
        self._array, self._scenarios, self._columns, self._inner, self._equal = array, scenarios, columns, inner, equal
        rest = tuple(array.shape[1:]) if columns is None else (array.shape[2], *inner)
        self.shape = (scenarios, draws, *rest)
        self.dtype = np.dtype(bool) if equal is not None else np.dtype(array.dtype)

    def _read(self, key: Key) -> NDArray[Any]:
        scenario, draw, *rest = key
        first, last, step = _stretch(draw, self.shape[1])
        runs = slice(first * self._scenarios, last * self._scenarios)
        if self._columns is None:
            found = self._array[(runs, *rest)] if not _has_numbers(rest) else self._array[runs][(slice(None), *rest)]
            rest = []
        else:
            begin, count = self._columns
            found = np.moveaxis(self._array[runs, begin : begin + count], 1, -1)
            found = found.reshape(*found.shape[:-1], *self._inner)
        if self._equal is not None:
            found = found == self._equal
        found = found.reshape(last - first, self._scenarios, *found.shape[1:]).swapaxes(0, 1)
        found = found[:, ::step]
        if isinstance(draw, int | np.integer):
            found = found[:, 0]
            return np.asarray(found[(scenario, *rest)])
        return np.asarray(found[(scenario, slice(None), *rest)])


class Drawn(_Lazy):
    """One column of the drawn inputs (draw); with `fixed` (scenario, draw), where a number wins over what was drawn."""

    def __init__(self, array: Numbers, place: int, fixed: list[float | None] | None) -> None:
        self._array, self._place, self._fixed = array, place, fixed
        self.shape = (array.shape[0],) if fixed is None else (len(fixed), array.shape[0])
        self.dtype = np.dtype(np.float64)

    def _read(self, key: Key) -> NDArray[Any]:
        drawn = self._array[:, self._place] if key[-1] == slice(None) else self._array[key[-1], self._place]
        if self._fixed is None:
            return drawn
        rows = [drawn if value is None else np.full(drawn.shape, float(value)) for value in self._fixed]
        return np.asarray(np.stack(rows)[key[0]])


def _stretch(key: Any, size: int) -> tuple[int, int, int]:
    """First, last (without it) and step of a number or a slice."""
    if isinstance(key, slice):
        first, last, step = key.indices(size)
        return first, max(first, last), step
    return int(key), int(key) + 1, 1


def _has_numbers(key: list[Any]) -> bool:
    return any(isinstance(item, int | np.integer) for item in key)
