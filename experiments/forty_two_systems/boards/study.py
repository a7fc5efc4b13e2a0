"""The whole study: inner origins, the blind forecast, the panel without stocks, ablations."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from flowreform.analyse.fitting import convergence

from . import bands, simple
from .courses import Course, Panel, Stocks
from .data import HORIZON, MONTHS, Counts, in_counts
from .forecast import paths, quantiles
from .sampler import Posterior, Problem, Sampler
from .settings import Settings

R_HAT = 1.01
EFFECTIVE = 400
ENSEMBLES = 4
"""R-hat compares so many ensembles of chains, as for every posterior of the toolkit: chains are many and short."""
Say = Callable[[str], None]


@dataclass(frozen=True)
class Fit:
    """One way of forecasting at some origins: bands[3, board, series, month ahead] by origin, not scaled yet."""

    bands: dict[int, np.ndarray]
    posteriors: dict[int, Posterior]
    logs: dict[int, np.ndarray]
    courses: dict[int, np.ndarray]
    seconds: float


@dataclass(frozen=True)
class Study:
    """All that is published."""

    counts: Counts
    settings: Settings
    stocks: Fit
    panel: Fit
    ablations: dict[str, Fit]
    factors: np.ndarray
    panel_factors: np.ndarray
    converged: dict[int, tuple[float, float]]
    season: tuple[np.ndarray, np.ndarray]

    @property
    def origins(self) -> tuple[int, ...]:
        return self.settings.origins

    @property
    def seconds(self) -> float:
        """CPU seconds of all calibrations."""
        return sum(one.seconds for one in (self.stocks, self.panel, *self.ablations.values()))

    @property
    def longest(self) -> int:
        """The longest horizon that an inner origin sees."""
        return MONTHS - min(self.origins)

    def blind(self) -> np.ndarray:
        """The scaled bands of the months after March 2024."""
        return bands.scaled(self.stocks.bands[MONTHS], self.factors, self.longest)

    def actual(self, origin: int) -> np.ndarray:
        """What was counted after an inner origin: [board, series, month]."""
        return self.counts.forecast_series()[:, :, origin:]

    def simple(self, origin: int, horizon: int) -> dict[str, np.ndarray]:
        known = self.counts.until(origin).forecast_series()
        return simple.forecasts(known, horizon, origin >= self.settings.seasonal_from)


def generator(settings: Settings, name: str) -> np.random.Generator:
    """A stream of its own for each part, so that leaving one out moves no other."""
    return np.random.default_rng([settings.seed, zlib.crc32(name.encode())])


def fit(name: str, course: Course, problems: list[Problem], settings: Settings) -> Fit:
    """Calibrate all problems side by side and forecast from each origin to August 2025."""
    start = time.process_time()
    rng = generator(settings, name)
    found = Sampler(course, problems, settings, rng).run()
    logs, courses, band = {}, {}, {}
    for problem, posterior in zip(problems, found, strict=True):
        ahead, model = paths(course, problem, posterior, settings, rng, settings.draws)
        here = MONTHS + HORIZON if problem.origin == MONTHS else MONTHS
        logs[problem.origin] = ahead[..., : here - problem.origin]
        courses[problem.origin] = model
        band[problem.origin] = quantiles(logs[problem.origin])
    by_origin = {problem.origin: posterior for problem, posterior in zip(problems, found, strict=True)}
    return Fit(band, by_origin, logs, courses, time.process_time() - start)


def apart(counts: Counts, model: Path, settings: Settings) -> Fit:
    """No pooling: every board by itself, with its own season, and priors five times as wide about the same centre."""
    start = time.process_time()
    alone = replace(settings, boards=settings.boards * 5, draws=settings.draws // 2)
    band: dict[int, np.ndarray] = {}
    posteriors: dict[int, Posterior] = {}
    rng = generator(settings, "no pooling")
    course = Stocks(model, alone)
    for origin in settings.origins:
        problems = [Problem(counts.logs[k : k + 1], origin, national=False) for k in range(len(counts.codes))]
        parts = []
        for problem, posterior in zip(problems, Sampler(course, problems, alone, rng).run(), strict=True):
            ahead, _ = paths(course, problem, posterior, alone, rng, alone.draws)
            parts.append(quantiles(ahead[..., : MONTHS - origin]))
        band[origin] = np.concatenate(parts, axis=1)
    return Fit(band, posteriors, {}, {}, time.process_time() - start)


def beds_given(counts: Counts, whole: Fit, origins: tuple[int, ...]) -> Fit:
    """Beds open are not modelled but given, as the last month's: occupancy is the occupied beds of the same draws over them."""
    band = {}
    for origin in origins:
        logs = whole.logs[origin].copy()
        logs[:, :, 1] = counts.until(origin).logs[:, 1, -1][None, :, None]
        band[origin] = quantiles(logs)
    return Fit(band, {}, {}, {}, 0.0)


def converged(posterior: Posterior) -> tuple[float, float]:
    """The largest R-hat and the smallest effective size (bulk) over the national layer.

    That is the season, means, spreads of boards, scales, and the national residual of every month."""
    months = posterior.residual.shape[-1]
    layer = [
        posterior.season,
        posterior.mean,
        posterior.between,
        posterior.scale,
        posterior.national_scale,
        posterior.residual.reshape(*posterior.residual.shape[:2], 3 * months),
    ]
    values = np.concatenate(layer, axis=2)
    r_hat, effective = 1.0, np.inf
    for k in range(values.shape[2]):
        one = np.ascontiguousarray(values[:, :, k].T)
        ensembles = one.reshape(min(ENSEMBLES, len(one)), -1, one.shape[1])
        r_hat = max(r_hat, convergence.r_hat(ensembles))
        effective = min(effective, convergence.bulk(ensembles))
    return r_hat, float(effective)


def carry_out(counts: Counts, model: Path, settings: Settings, say: Say) -> Study:
    """Inner origins and the blind origin with the same settings, then the bands' factors, then everything beside it."""
    origins = (*settings.origins, MONTHS)
    problems = [Problem(counts.logs, origin) for origin in origins]
    course = Stocks(model, settings)
    stocks = fit("stocks", course, problems, settings)
    checks = {origin: converged(stocks.posteriors[origin]) for origin in origins}
    for origin, (r_hat, effective) in checks.items():
        good = r_hat <= R_HAT and effective >= EFFECTIVE
        say(f"{origin} months: R-hat {r_hat:.4f}, effective size {effective:,.0f}{'' if good else ' (NOT CONVERGED)'}")
    say(f"stocks: {stocks.seconds:,.0f} CPU s, accepted {stocks.posteriors[MONTHS].accepted}")
    actual = [counts.forecast_series()[:, :, origin:] for origin in settings.origins]
    factors = bands.factors([stocks.bands[origin] for origin in settings.origins], actual)
    say(f"bands scaled by {', '.join(f'{factor:.3f}' for factor in factors)}")
    few = replace(settings, iterations=max(10, settings.iterations // 4))
    panel = fit("panel", Panel(few), problems, few)
    panel_factors = bands.factors([panel.bands[origin] for origin in settings.origins], actual)
    say(f"panel without stocks: {panel.seconds:,.0f} CPU s")
    short = replace(settings, chains=4, iterations=max(10, settings.iterations // 8), warm_up=settings.warm_up // 3)
    inner = problems[:-1]
    plain = [replace(problem, national=False, persistent=False) for problem in inner]
    single = replace(short, chains=2, iterations=max(10, short.iterations // 3), warm_up=max(4, short.warm_up // 3))
    ablations = {
        "no pooling": apart(counts, model, single),
        "no winter": fit("no winter", Stocks(model, short, winter=False), inner, short),
        "no residual": fit("no residual", Stocks(model, short), plain, short),
        "beds given": beds_given(counts, stocks, settings.origins),
    }
    for name, one in ablations.items():
        say(f"{name}: {one.seconds:,.0f} CPU s")
    half = course.seasons // 2
    whole = stocks.posteriors[MONTHS].season.reshape(-1, course.seasons)
    season = tuple(
        np.quantile(settings.winter[k] * whole[:, k * half : (k + 1) * half] @ course.basis.T, (0.1, 0.5, 0.9), axis=0)
        for k in (0, 1)
    )
    return Study(counts, settings, stocks, panel, ablations, factors, panel_factors, checks, (season[0], season[1]))


def england(study: Study) -> dict[str, np.ndarray]:
    """Sums of the boards that were counted, to March 2024; occupancy as a fraction.

    observed[3, month]; [3 quantiles, 3, month] of stocks and season alone, and with the national residual."""
    logs = study.counts.logs
    seen = np.isfinite(logs)
    posterior = study.stocks.posteriors[MONTHS]
    model = study.stocks.courses[MONTHS][..., :MONTHS]
    chosen = np.linspace(0, posterior.residual.shape[0] * posterior.residual.shape[1] - 1, len(model)).round().astype(int)
    national = np.concatenate(list(np.swapaxes(posterior.residual, 0, 1)))[chosen]
    shift = np.broadcast_to(national[:, None], model.shape).copy()
    shift[:, :, 1] += study.settings.follow * shift[:, :, 0]

    def total(values: np.ndarray) -> np.ndarray:
        sums = np.where(seen, np.exp(values), 0).sum(axis=-3)
        with np.errstate(divide="ignore", invalid="ignore"):
            found = in_counts(np.log(sums))
        return np.where(sums > 0, found, np.nan)

    observed = np.where(seen, logs, 0.0)
    return {
        "observed": total(observed),
        "model": np.quantile(total(model), (0.1, 0.5, 0.9), axis=0),
        "with residual": np.quantile(total(model + shift), (0.1, 0.5, 0.9), axis=0),
    }
