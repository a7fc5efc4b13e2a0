"""The distributions an uncertainty may have: one class each, with the numbers it takes, its faults, support and quantiles.

A class is the whole of a distribution: its fields are the numbers that a file gives, by name and in order, each a field of
`Uncertainty` too. `DISTRIBUTIONS` holds them by the name that a file uses; everything else asks the class.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from math import exp
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Fault = tuple[str, str, str]
"""The number at fault, why, and what would correct it."""

TAIL = 4.753424308822899
"""Standard deviations beyond which a normal variable lies once in a million on each side: the reach of an endless tail."""


@dataclass(frozen=True)
class Distribution(ABC):
    """The base: numbers in the unit of the input, but for those in `pure`.

    `endless`: a tail without end, of which `support` gives one in a million. `stepped`: a few values only, so no derivatives and
    no order between equal ones. `positive`: the numbers that must be above 0."""

    endless: ClassVar[bool] = False
    stepped: ClassVar[bool] = False
    positive: ClassVar[tuple[str, ...]] = ()
    pure: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def needs(cls) -> tuple[str, ...]:
        """The numbers it takes, in order."""
        return tuple(item.name for item in dataclasses.fields(cls))

    def scaled(self, factor: float) -> Self:
        """The same distribution in another unit, `factor` of which make up one of this."""
        numbers = {name: getattr(self, name) for name in self.needs() if name not in self.pure}
        return dataclasses.replace(
            self, **{name: tuple(v * factor for v in n) if isinstance(n, tuple) else n * factor for name, n in numbers.items()}
        )

    def faults(self) -> Iterator[Fault]:
        """What keeps it from being sampled."""
        for name in self.positive:
            if getattr(self, name) <= 0:
                yield name, f"{name} must be above 0, not {getattr(self, name):g}", ""

    @property
    @abstractmethod
    def support(self) -> tuple[float, float]:
        """The smallest and the largest sample; endless tails reach to one in a million."""

    @abstractmethod
    def quantile(self, u: Floats) -> Floats:
        """The inverse distribution function at `u`, strictly between 0 and 1."""


@dataclass(frozen=True)
class Bounded(Distribution):
    """The base of those between two numbers."""

    low: float
    high: float

    def faults(self) -> Iterator[Fault]:
        yield from super().faults()
        if self.low >= self.high:
            yield "low", f"low {self.low:g} is not below high {self.high:g}", "swap them, or make it a parameter"

    @property
    def support(self) -> tuple[float, float]:
        return self.low, self.high

    def clip(self, values: Floats) -> Floats:
        """The samples inside the bounds: rounding alone can pass an end, by one unit in the last place."""
        return np.clip(values, self.low, self.high)


@dataclass(frozen=True)
class Uniform(Bounded):
    """Every value between two numbers equally likely."""

    def quantile(self, u: Floats) -> Floats:
        return self.clip(self.low + (self.high - self.low) * u)


@dataclass(frozen=True)
class Peaked(Bounded):
    """The base of those with a most likely value between two numbers."""

    mode: float

    @classmethod
    def needs(cls) -> tuple[str, ...]:
        return "low", "mode", "high"

    def faults(self) -> Iterator[Fault]:
        order = list(super().faults())
        yield from order
        if not order and not self.low <= self.mode <= self.high:
            yield "mode", f"mode {self.mode:g} is not between low {self.low:g} and high {self.high:g}", ""


@dataclass(frozen=True)
class Triangular(Peaked):
    """Straight lines up to the most likely value and down again."""

    def quantile(self, u: Floats) -> Floats:
        low, mode, high, width = self.low, self.mode, self.high, self.high - self.low
        left = low + np.sqrt(u * width * (mode - low))
        right = high - np.sqrt((1.0 - u) * width * (high - mode))
        return self.clip(np.where(u * width < mode - low, left, right))


@dataclass(frozen=True)
class Pert(Peaked):
    """The beta distribution with weight 4 on the mode (Malcolm, Roseboom, Clark and Fazar 1959)."""

    def quantile(self, u: Floats) -> Floats:
        from scipy.special import betaincinv

        low, mode, high, width = self.low, self.mode, self.high, self.high - self.low
        shape = 1.0 + 4.0 * (mode - low) / width, 1.0 + 4.0 * (high - mode) / width
        return self.clip(low + width * np.asarray(betaincinv(*shape, u)))


@dataclass(frozen=True)
class Normal(Distribution):
    """The normal distribution."""

    mean: float
    sd: float

    endless: ClassVar[bool] = True
    positive: ClassVar[tuple[str, ...]] = ("sd",)

    @property
    def support(self) -> tuple[float, float]:
        reach = TAIL * self.sd
        return self.mean - reach, self.mean + reach

    def quantile(self, u: Floats) -> Floats:
        return self.mean + self.sd * standard_normal(u)


@dataclass(frozen=True)
class Lognormal(Distribution):
    """A variable whose logarithm is normal; `sigma` is the standard deviation of the logarithm."""

    median: float
    sigma: float

    endless: ClassVar[bool] = True
    positive: ClassVar[tuple[str, ...]] = ("sigma", "median")
    pure: ClassVar[tuple[str, ...]] = ("sigma",)

    @property
    def support(self) -> tuple[float, float]:
        reach = TAIL * self.sigma
        return self.median * exp(-reach), self.median * exp(reach)

    def quantile(self, u: Floats) -> Floats:
        return self.median * np.exp(self.sigma * standard_normal(u))


@dataclass(frozen=True)
class TruncatedNormal(Bounded):
    """A normal distribution cut at two numbers; mean and standard deviation are those before it is cut."""

    mean: float
    sd: float

    positive: ClassVar[tuple[str, ...]] = ("sd",)

    @classmethod
    def needs(cls) -> tuple[str, ...]:
        return "mean", "sd", "low", "high"

    def faults(self) -> Iterator[Fault]:
        earlier = list(super().faults())
        yield from earlier
        if not earlier:
            away = max(self.low - self.mean, self.mean - self.high) / self.sd
            if away > TAIL:
                reason = f"low to high lies {away:.1f} standard deviations away from the mean"
                yield "mean", reason, "take another distribution"

    def quantile(self, u: Floats) -> Floats:
        """Worked out in the lower tail, where the distribution function keeps its digits: mirrored when low is above the mean."""
        from scipy.special import ndtr, ndtri

        mean, sd = self.mean, self.sd
        first, last = (self.low - mean) / sd, (self.high - mean) / sd
        if first > 0:
            return self.clip(mean - sd * np.asarray(ndtri(ndtr(-first) * (1.0 - u) + ndtr(-last) * u)))
        return self.clip(mean + sd * np.asarray(ndtri(ndtr(first) * (1.0 - u) + ndtr(last) * u)))


@dataclass(frozen=True)
class Discrete(Distribution):
    """A few values with their weights, which need not sum to 1."""

    values: tuple[float, ...]
    weights: tuple[float, ...]

    stepped: ClassVar[bool] = True
    pure: ClassVar[tuple[str, ...]] = ("weights",)

    def faults(self) -> Iterator[Fault]:
        values, weights = self.values, self.weights
        if not values:
            yield "values", "there are no values", "give at least one"
        elif len(values) != len(weights):
            yield "weights", f"{len(values)} values have {len(weights)} weights", "give one weight for each value"
        elif min(weights) < 0 or sum(weights) <= 0:
            yield "weights", "weights must not be negative and not all 0", ""

    @property
    def support(self) -> tuple[float, float]:
        return min(self.values), max(self.values)

    def quantile(self, u: Floats) -> Floats:
        values, weights = np.asarray(self.values, np.float64), np.asarray(self.weights, np.float64)
        shares = np.cumsum(weights) / np.sum(weights)
        last = int(np.flatnonzero(weights)[-1])  # rounding must not reach a value of weight 0 at the end
        return np.asarray(values[np.minimum(np.searchsorted(shares, u, side="right"), last)])


def standard_normal(u: Floats) -> Floats:
    """The inverse distribution function of the standard normal variable."""
    from scipy.special import ndtri

    return np.asarray(ndtri(u))


DISTRIBUTIONS: dict[str, type[Distribution]] = {
    "uniform": Uniform,
    "triangular": Triangular,
    "normal": Normal,
    "lognormal": Lognormal,
    "truncated_normal": TruncatedNormal,
    "pert": Pert,
    "discrete": Discrete,
}
"""The distributions by the name that a file uses."""
NUMBERS = tuple(dict.fromkeys(name for kind in DISTRIBUTIONS.values() for name in kind.needs()))
"""Every number that some distribution takes."""
