"""Courses of the three counts for given numbers of boards and a given winter: by the stock-and-flow model, or without stocks.

Arrays are [chain, board, number] for numbers, [chain, season] for the season's coordinates, and [chain, board, series, month] for
logarithms of occupied beds, beds open and ready to leave.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np

import flowreform as fr

from .data import HORIZON, MONTHS
from .settings import NUMBERS, Settings

ALL_MONTHS = MONTHS + HORIZON
MONTH_NAMES = [
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
    "january",
    "february",
    "march",
]


class Course(Protocol):
    """What the sampler needs to know of a model: its seasons, its courses, and how beds follow a residual of occupied beds."""

    seasons: int

    def logs(self, numbers: np.ndarray, season: np.ndarray, origin: np.ndarray) -> np.ndarray: ...

    def follow(self, numbers: np.ndarray) -> np.ndarray: ...


def season_basis(smoothness: float, rough: float) -> np.ndarray:
    """float64[12, 11]: from standard normal coordinates to a smooth periodic season with mean zero and mean variance one."""
    months = np.arange(12)
    distance = np.abs(months[:, None] - months[None, :]) * np.pi / 12
    covariance = (1 - rough) * np.exp(-2 * (np.sin(distance) / smoothness) ** 2) + rough * np.eye(12)
    centred = np.eye(12) - 1 / 12
    values, vectors = np.linalg.eigh(centred @ covariance @ centred)
    # The sign of an eigenvector is the library's choice; fixed here, so that a seed gives the same winter anywhere.
    vectors = vectors * np.where(vectors[np.abs(vectors).argmax(axis=0), months] < 0, -1, 1)
    basis = vectors[:, 1:] * np.sqrt(values[1:])
    return np.asarray(basis / np.sqrt(np.mean(np.sum(basis**2, axis=1))))


class Stocks:
    """model.xmile, run by flowreform for all chains and boards at once."""

    def __init__(self, path: Path, settings: Settings, *, winter: bool = True) -> None:
        self.model = fr.read_model(path)
        self.settings = settings
        basis = season_basis(settings.smoothness, settings.rough)
        self.basis = basis if winter else basis[:, :0]
        self.seasons = 2 * self.basis.shape[1]
        ranges = [self.model[name].range for name in NUMBERS]
        self.low, self.high = (np.array([pair[k] for pair in ranges], dtype=float) for k in (0, 1))

    def logs(self, numbers: np.ndarray, season: np.ndarray, origin: np.ndarray) -> np.ndarray:
        chains, boards, _ = numbers.shape
        values = np.where(self.settings.logarithm, np.exp(np.minimum(numbers, 20)), numbers)
        values = np.clip(values, self.low, self.high).reshape(chains * boards, len(NUMBERS))
        inputs = {name: values[:, k] for k, name in enumerate(NUMBERS)}
        half = self.seasons // 2
        for k, what in enumerate(("need", "ready")):
            shape = self.settings.winter[k] * season[:, k * half : (k + 1) * half] @ self.basis.T
            for month, name in enumerate(MONTH_NAMES):
                inputs[f"season_of_{what}_{name}"] = np.repeat(np.clip(shape[:, month], -1, 1), boards)
        inputs["last_observed_month"] = np.repeat(origin.astype(float), boards)
        inputs["damping_time"] = np.full(chains * boards, self.settings.damping_time)
        totals = ("total_occupied_months", "total_open_months", "total_ready_months")
        ds = fr.simulate(self.model, inputs, save=totals, save_every=1)
        counts = np.stack([np.diff(ds[name].values, axis=1) for name in totals], axis=1)
        return np.asarray(np.log(counts).reshape(chains, boards, 3, ALL_MONTHS))

    def follow(self, numbers: np.ndarray) -> np.ndarray:
        """One number for all boards. With each board's own pass-through the nation's residual took up part of the level, because
        boards with a high pass-through are fuller."""
        return np.full(numbers.shape[:-1], self.settings.follow)


class Panel:
    """No stocks: a level and a trend for each board and series, one season for each series, logarithms added up."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.basis = season_basis(settings.smoothness, settings.rough)
        self.seasons = 33

    def logs(self, numbers: np.ndarray, season: np.ndarray, origin: np.ndarray) -> np.ndarray:
        need, ready = self.settings.winter
        middle = np.arange(ALL_MONTHS) + 0.5
        fade = self.settings.damping_time
        after = np.maximum(0, middle - origin[:, None])
        years = ((middle - after) + fade * (1 - np.exp(-after / fade)))[:, None, :] / 12
        shapes = [
            scale * (season[:, 11 * k : 11 * k + 11] @ self.basis.T)[:, None, np.arange(ALL_MONTHS) % 12]
            for k, scale in enumerate((need, need, ready))
        ]
        level, delayed, occupancy, growth, drift, beds = (numbers[..., k, None] for k in range(6))
        courses = (
            level + growth * years + shapes[0],
            level - occupancy + (beds - self.settings.centre[5] + self.settings.centre[3]) * years + shapes[1],
            delayed + drift * years + shapes[2],
        )
        return np.stack(np.broadcast_arrays(*courses), axis=2)

    def follow(self, numbers: np.ndarray) -> np.ndarray:
        return np.full(numbers.shape[:-1], self.settings.follow)
