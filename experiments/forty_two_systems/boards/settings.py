"""What is chosen and not fitted, from settings.toml; variants change it by name."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

NUMBERS = (
    "people_in_beds_at_start",
    "ready_at_start",
    "planned_occupancy",
    "annual_growth_of_need",
    "annual_drift_of_leaving",
    "pass_through",
)
"""The six structural numbers of a board, parameters of model.xmile; with two of its noise, eight."""


@dataclass(frozen=True)
class Settings:
    """`centre`, `spread` and `boards` by number, those with `logarithm` as logarithms; the rest as in settings.toml."""

    seed: int
    chains: int
    warm_up: int
    iterations: int
    draws: int
    origins: tuple[int, ...]
    seasonal_from: int
    logarithm: tuple[bool, ...]
    centre: np.ndarray
    spread: np.ndarray
    boards: np.ndarray
    winter: tuple[float, float]
    smoothness: float
    rough: float
    persistence: np.ndarray
    national_persistence: np.ndarray
    scale: np.ndarray
    national_scale: np.ndarray
    freedom: float
    follow: float
    damping_time: float


def read(path: Path) -> Settings:
    """The settings of a file; a missing key raises KeyError by its name."""
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    numbers = [table["numbers"][name] for name in NUMBERS]
    residual = table["residual"]
    return Settings(
        seed=table["seed"],
        chains=table["chains"],
        warm_up=table["warm_up"],
        iterations=table["iterations"],
        draws=table["draws"],
        origins=tuple(table["origins"]),
        seasonal_from=table["seasonal_from"],
        logarithm=tuple(number["logarithm"] for number in numbers),
        centre=np.array([number["centre"] for number in numbers]),
        spread=np.array([number["spread"] for number in numbers]),
        boards=np.array([number["boards"] for number in numbers]),
        winter=(table["winter"]["need"], table["winter"]["ready"]),
        smoothness=table["winter"]["smoothness"],
        rough=table["winter"]["rough"],
        persistence=np.array(residual["persistence"]),
        national_persistence=np.array(residual["national_persistence"]),
        scale=np.array(residual["scale"]),
        national_scale=np.array(residual["national_scale"]),
        freedom=residual["freedom"],
        follow=residual["follow"],
        damping_time=table["horizon"]["damping_time"],
    )
