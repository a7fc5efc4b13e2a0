"""A sampler for parameters whose prior is standard normal: independent ensembles of walkers, all moved in one batch.

Every ensemble starts from the prior and is warmed up by itself: the likelihood is raised to a power that grows from 0 to 1
(tempering, Neal 2001; Del Moral, Doucet and Jasra 2006), while mean and covariance of the ensemble are learned. Then both
are frozen and every walker is a Metropolis-Hastings chain of its own, with two moves in turn by chance:

- a preconditioned Crank-Nicolson step (Cotter, Roberts, Stuart and White 2013; with mean and covariance, Pinski and others
  2015), which keeps N(mean, covariance) as it is, so that what the data say nothing about costs no rejections;
- a random walk with the same covariance (Haario, Saksman and Tamminen 2001), which no tail can hold fast.

The step of each iteration is drawn from SCALES of the learned one. Randomness is raw words of PCG64, so that a seed gives the
same chains with any version of numpy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Residuals = Callable[[Floats], tuple[Floats, Floats]]
"""For float64[run, parameter] the logarithm of the likelihood, float64[run] (-inf where a run has none), and residuals in
standard deviations, float64[run, row]: minus half the sum of their squares is the logarithm, or near it."""

KEPT_WEIGHT = 0.5
"""A power of the likelihood is raised as far as leaves this share of the walkers effective."""
REMEMBERED = 4096
"""Points of each ensemble whose residuals are regressed, the last ones."""
MOVES = 6
"""Moves at each power."""
STAGES = 60
"""Most powers on the way to 1."""
ROUNDS = (20, 40, 60)
"""Iterations between two estimates of mean and covariance, with the whole likelihood."""
ACCEPTED = 0.3
"""The share of accepted moves that the step is tuned to."""
SCALES = (0.3, 1.0, 2.0)
"""Steps of an iteration, of the tuned one: small ones leave narrow corners, large ones cross the middle."""
TOLD = 1.1
"""A direction counts as one that the data know something of when its variance is under that of the prior by this factor."""
KINDS = ("walk", "told", "untold")
"""A random walk along directions that the data know, a Crank-Nicolson step along those, and one along all the others."""


@dataclass(frozen=True)
class Chains:
    """What was sampled: `z` float64[ensemble, walker, iteration, parameter] in standard normal units, `likelihood` its
    logarithm [ensemble, walker, iteration], the share of accepted moves and the number of runs."""

    z: Floats
    likelihood: Floats
    accepted: float
    runs: int


class Stream:
    """Uniform and normal numbers from raw words of one stream."""

    def __init__(self, seed: int, number: int) -> None:
        self._words = np.random.PCG64(np.random.SeedSequence([seed, number]))

    def uniform(self, *shape: int) -> Floats:
        """Numbers strictly between 0 and 1."""
        words = np.asarray(self._words.random_raw(int(np.prod(shape))), dtype=np.uint64)
        return (((words >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52).reshape(shape)

    def normal(self, *shape: int) -> Floats:
        """Standard normal numbers."""
        from scipy.special import ndtri

        return np.asarray(ndtri(self.uniform(*shape)))

    @property
    def state(self) -> NDArray[np.uint64]:
        """How far the stream has got: uint64[2], the high and the low half of one number."""
        state: int = self._words.state["state"]["state"]
        return np.array([state >> 64, state & (1 << 64) - 1], dtype=np.uint64)

    @state.setter
    def state(self, words: NDArray[np.uint64]) -> None:
        whole = self._words.state
        whole["state"]["state"] = (int(words[0]) << 64) | int(words[1])
        self._words.state = whole


@dataclass
class Shape:
    """The normal distribution that proposals of one ensemble follow: `mean`, and standard deviations `spread` along the columns
    of `directions`. `told` says which of these the data know something of; `steps` has one step for each of KINDS."""

    mean: Floats
    directions: Floats
    spread: Floats
    told: NDArray[np.bool_]
    steps: Floats

    @classmethod
    def prior(cls, width: int) -> Shape:
        """What is proposed before anything has been run."""
        return cls(np.zeros(width), np.eye(width), np.ones(width), np.ones(width, dtype=bool), np.full(len(KINDS), 0.5))

    @classmethod
    def of(cls, z: Floats, residuals: Floats, power: float, steps: Floats) -> Shape:
        """The posterior of a model that is linear: residuals float64[point, row] are regressed on float64[point, parameter].

        What the rows do not move with keeps its prior exactly, which no estimate of a covariance from the walkers would give."""
        width = z.shape[1]
        centre, level = z.mean(axis=0), residuals.mean(axis=0)
        away = z - centre
        slopes = np.linalg.solve(away.T @ away + np.eye(width), away.T @ (residuals - level))
        sizes, directions = np.linalg.eigh(np.eye(width) + power * (slopes @ slopes.T))
        mean = -power * (directions / sizes) @ (directions.T @ (slopes @ (level - centre @ slopes)))
        told = sizes > TOLD
        return cls(mean, directions, 1.0 / np.sqrt(sizes), told if told.any() else ~told, steps)

    def proposal(self, z: Floats, noise: Floats, kind: int, scale: float) -> tuple[Floats, Floats]:
        """Where every walker would go, and the logarithm of what makes up for proposals that do not go back as often."""
        size = min(float(self.steps[kind]) * scale, 0.999)
        mask = self.told if KINDS[kind] != "untold" or self.told.all() else ~self.told
        across, wide = self.directions[:, mask], self.spread[mask]
        if KINDS[kind] == "walk":
            return z + size * ((noise[:, mask] * wide) @ across.T), np.zeros(len(z))
        before = ((z - self.mean) @ across) / wide
        after = np.sqrt(1.0 - size * size) * before + size * noise[:, mask]
        return z + ((after - before) * wide) @ across.T, 0.5 * np.asarray((after**2).sum(axis=1) - (before**2).sum(axis=1))


class Sampler:
    """Ensembles on their way. Of every ensemble one walker in `every` starts at `start` (NaN: in the prior), the others in the
    prior; where all of them start is forgotten before anything is kept."""

    def __init__(
        self,
        likelihood: Residuals,
        width: int,
        *,
        seed: int,
        ensembles: int = 4,
        walkers: int = 32,
        start: Floats | None = None,
        every: int = 4,
    ) -> None:
        self.likelihood, self.width, self.ensembles, self.walkers = likelihood, width, ensembles, walkers
        self.streams = [Stream(seed, number) for number in range(ensembles)]
        self.z = np.stack([stream.normal(walkers, width) for stream in self.streams])
        if start is not None:
            self.z[:, ::every] = np.where(np.isnan(start), self.z[:, ::every], start)
        self.runs = 0
        self.seen: list[list[tuple[Floats, Floats]]] | None = [[] for _ in range(ensembles)]
        self.value = self._evaluate(self.z)
        self.shapes = [Shape.prior(width) for _ in range(ensembles)]
        self.kind = [0] * ensembles

    def go_on(self, chains: Chains) -> None:
        """Every walker where its chain ended, with nothing left to learn."""
        self.z, self.value, self.runs = chains.z[:, :, -1].copy(), chains.likelihood[:, :, -1].copy(), chains.runs
        self.seen = None

    def _evaluate(self, z: Floats) -> Floats:
        self.runs += z.shape[0] * z.shape[1]
        value, residuals = self.likelihood(z.reshape(-1, self.width))
        value = np.where(np.isnan(value), -np.inf, value).reshape(z.shape[:2])
        if self.seen is not None:
            by_ensemble = residuals.reshape(*z.shape[:2], -1)
            for at, seen in enumerate(self.seen):
                good = np.isfinite(value[at])
                seen.append((z[at, good], by_ensemble[at, good]))
                del seen[: -max(1, REMEMBERED // self.walkers)]
        return value

    def _learn(self, at: int, power: float) -> None:
        if not self.seen or not any(len(points) for points, _ in self.seen[at]):
            return
        points, residuals = (np.concatenate(part) for part in zip(*self.seen[at], strict=True))
        self.shapes[at] = Shape.of(points, residuals, power, self.shapes[at].steps)

    def warm_up(self, progress: Callable[[str], None] | None = None) -> bool:
        """From the prior to the posterior, and the shape of proposals learned; whether it got there."""
        power = np.zeros(self.ensembles)
        for _ in range(STAGES):
            if (power >= 1.0).all():
                break
            for at in range(self.ensembles):
                power[at] = self._raise(at, float(power[at]))
                self._learn(at, float(power[at]))
            if progress:
                progress(f"warming up: likelihood to the power {', '.join(f'{value:.2g}' for value in power)}")
            for _ in range(MOVES):
                self._tune(self.move(power))
        if (power < 1.0).any():
            return False
        for length in ROUNDS:
            for at in range(self.ensembles):
                self._learn(at, 1.0)
            for _ in range(length):
                self._tune(self.move())
        self.seen = None
        return True

    def _raise(self, at: int, power: float) -> float:
        """The next power of one ensemble, its walkers drawn anew by their weights."""
        if power >= 1.0:
            return 1.0
        value = self.value[at]
        best = value[np.isfinite(value)].max(initial=-np.inf)
        if not np.isfinite(best):
            return power

        def weights(new: float) -> Floats:
            w = np.exp((new - power) * (value - best))
            return np.asarray(w / w.sum())

        def effective(new: float) -> float:
            return float(1.0 / (weights(new) ** 2).sum())

        low, high = power, 1.0
        wanted = KEPT_WEIGHT * self.walkers
        if effective(1.0) < wanted:
            for _ in range(60):
                middle = 0.5 * (low + high)
                low, high = (middle, high) if effective(middle) >= wanted else (low, middle)
            new = max(high, power + 1e-12)
        else:
            new = 1.0
        places = (np.arange(self.walkers) + self.streams[at].uniform(1)) / self.walkers
        chosen = np.minimum(np.searchsorted(np.cumsum(weights(new)), places), self.walkers - 1)
        self.z[at], self.value[at] = self.z[at][chosen], value[chosen]
        return new

    def move(self, power: Floats | None = None) -> Floats:
        """One move of every walker; the share accepted in each ensemble."""
        proposed, factor, luck = np.empty_like(self.z), np.empty(self.z.shape[:2]), np.empty(self.z.shape[:2])
        for at, (stream, shape) in enumerate(zip(self.streams, self.shapes, strict=True)):
            kind, scale = stream.uniform(2)
            noise = stream.normal(self.walkers, self.width)
            luck[at] = np.log(stream.uniform(self.walkers))
            self.kind[at] = int(kind * len(KINDS))
            proposed[at], factor[at] = shape.proposal(self.z[at], noise, self.kind[at], SCALES[int(scale * len(SCALES))])
        value = self._evaluate(proposed)
        by = np.ones(self.ensembles) if power is None else power
        prior = 0.5 * ((self.z**2).sum(axis=2) - (proposed**2).sum(axis=2))
        with np.errstate(invalid="ignore"):
            gain = by[:, None] * (value - self.value)
        gain = np.where(np.isneginf(value), -np.inf, np.where(np.isneginf(self.value), np.inf, gain))
        taken = luck < gain + prior + factor
        self.z = np.where(taken[:, :, None], proposed, self.z)
        self.value = np.where(taken, value, self.value)
        return np.asarray(taken.mean(axis=1))

    def _tune(self, accepted: Floats) -> None:
        for shape, kind, share in zip(self.shapes, self.kind, accepted, strict=True):
            shape.steps[kind] = np.clip(shape.steps[kind] * np.exp(0.3 * (share - ACCEPTED)), 1e-3, 0.999)

    def sample(self, iterations: int) -> Chains:
        """Chains of every walker with nothing learned any more."""
        z = np.empty((self.ensembles, self.walkers, iterations, self.width))
        value = np.empty((self.ensembles, self.walkers, iterations))
        accepted = 0.0
        for at in range(iterations):
            accepted += float(self.move().mean()) / iterations
            z[:, :, at], value[:, :, at] = self.z, self.value
        return Chains(z, value, accepted, self.runs)
