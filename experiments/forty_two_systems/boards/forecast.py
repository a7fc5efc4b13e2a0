"""From kept states to courses of the months to come."""

from __future__ import annotations

import numpy as np

from .courses import ALL_MONTHS, Course
from .data import MONTHS, in_counts
from .sampler import Posterior, Problem, whitening
from .settings import Settings


def paths(
    course: Course, problem: Problem, posterior: Posterior, settings: Settings, rng: np.random.Generator, draws: int
) -> tuple[np.ndarray, np.ndarray]:
    """(logs[draw, board, series, month] with residuals after the origin, the model's own courses of all months).

    Draws are spread over the kept states of all chains. The national residual of a draw is the same for all boards.
    """
    flat = [np.concatenate(list(np.swapaxes(part, 0, 1))) for part in _parts(posterior)]
    chosen = np.linspace(0, len(flat[0]) - 1, draws).round().astype(int)
    numbers, season, national, noise, scale, national_scale = (part[chosen] for part in flat)
    origin = problem.origin
    model = course.logs(numbers, season, np.full(draws, origin))
    follow = course.follow(numbers)
    seen = np.isfinite(problem.logs[:, :, :origin])
    observed = np.where(seen, problem.logs[:, :, :origin], 0.0)
    off = observed - model[..., :origin]
    off[:, :, 1] -= follow[..., None] * off[:, :, 0]
    off -= national[:, None, :, :origin]
    spread = scale[:, None, :] * np.sqrt(noise[:, :, (0, 0, 1)])
    months = np.arange(ALL_MONTHS)
    last = np.where(seen.any(axis=2), (seen * (1 + months[:origin])).max(axis=2) - 1, 0)
    carried = np.take_along_axis(off, np.broadcast_to(last[None, :, :, None], (*off.shape[:3], 1)), axis=3)[..., 0]
    carried = np.where(seen.any(axis=2), carried, 0.0)
    keep = settings.persistence if problem.persistent else np.zeros(3)
    # from the last count to the origin, where the last months of a board are missing
    gap = keep ** (origin - 1 - last)
    own = gap * carried + spread * np.sqrt(1 - gap**2) * rng.standard_normal(spread.shape)
    ours = national[:, :, origin - 1]
    result = np.empty((*model.shape[:3], ALL_MONTHS - origin))
    for step in range(ALL_MONTHS - origin):
        own = keep * own + spread * np.sqrt(1 - keep**2) * rng.standard_normal(own.shape)
        fade = settings.national_persistence
        if problem.national:
            ours = fade * ours + national_scale * np.sqrt(1 - fade**2) * rng.standard_normal(ours.shape)
        total = own + ours[:, None]
        total[:, :, 1] += follow * total[:, :, 0]
        result[..., step] = model[..., origin + step] + total
    return result, model


def _parts(posterior: Posterior) -> tuple[np.ndarray, ...]:
    return (
        posterior.numbers,
        posterior.season,
        posterior.residual,
        posterior.noise,
        posterior.scale,
        posterior.national_scale,
    )


def quantiles(logs: np.ndarray) -> np.ndarray:
    """float64[3, board, series, month]: 10th, 50th and 90th percentile of occupied beds, occupancy and ready, as counts."""
    return np.quantile(in_counts(logs), (0.1, 0.5, 0.9), axis=0)


__all__ = ["MONTHS", "paths", "quantiles", "whitening"]
