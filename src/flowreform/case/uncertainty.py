"""What is written about an input: an `Uncertainty` (an input nobody sets) with its distribution, and the rules it obeys."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Strict

from flowreform.case.distributions import DISTRIBUTIONS, NUMBERS, Distribution, Fault, Floats
from flowreform.toml import Table, one_of

Status = Literal["verified", "derived", "recalled", "assumption", "fitted"]
"""How well a number is known: read in a document, worked out from one, remembered, assumed, or fitted to data."""

Numbers = Annotated[tuple[float, ...], Strict(False)]

Kind = Annotated[str, AfterValidator(one_of(DISTRIBUTIONS))]
"""The name of a distribution."""


class Sourced(Table):
    """A number with its origin."""

    source: str
    """Where the number comes from."""
    status: Status
    """verified, derived, recalled, assumption or fitted."""
    note: str = ""
    """Anything a reader should know."""


class Uncertainty(Sourced):
    """`[uncertainties.<parameter>]`: an input nobody sets. The base value stands in the equation."""

    label: str = ""
    """The name shown; the model's own label when empty."""
    distribution: Kind
    """uniform(low, high), triangular(low, mode, high), normal(mean, sd), lognormal(median, sigma),
    truncated_normal(mean, sd, low, high), pert(low, mode, high) or discrete(values, weights)."""
    low: float | None = None
    """Smallest value."""
    mode: float | None = None
    """Most likely value."""
    high: float | None = None
    """Largest value."""
    mean: float | None = None
    """Mean of the normal (before it is cut)."""
    sd: float | None = None
    """Standard deviation of the normal (before it is cut)."""
    median: float | None = None
    """Median of the lognormal."""
    sigma: float | None = None
    """Standard deviation of the logarithm; no unit."""
    values: Numbers | None = None
    """Possible values."""
    weights: Numbers | None = None
    """Weight of each value; they need not sum to 1."""
    unit: str
    """Unit of the numbers: the model's, or one that converts to it."""
    extensive: bool = False
    """Whether it scales with the size of the system."""

    def __str__(self) -> str:
        """`triangular(0.91, 0.93, 0.95)`."""
        return f"{self.distribution}({', '.join(_text(getattr(self, key)) for key in self.kind.needs())})"

    @property
    def kind(self) -> type[Distribution]:
        """The class of its distribution."""
        return DISTRIBUTIONS[self.distribution]

    @property
    def made(self) -> Distribution:
        """The distribution with its numbers; an error of ours when the rules were not checked first."""
        numbers = {key: getattr(self, key) for key in self.kind.needs()}
        if missing := [key for key, value in numbers.items() if value is None]:
            raise TypeError(f"{self.distribution} without {missing[0]}")
        return self.kind(**numbers)

    @property
    def support(self) -> tuple[float, float]:
        """The smallest and the largest sample, in its unit; endless tails are taken to reach to one in a million."""
        return self.made.support

    def quantile(self, u: Floats) -> Floats:
        """The inverse distribution function at `u` (strictly between 0 and 1), in its unit."""
        return self.made.quantile(u)

    def scaled(self, factor: float, unit: str) -> Uncertainty:
        """The same distribution in another unit, `factor` of which make up one of this."""
        numbers: dict[str, object] = {}
        if factor != 1.0 and not _misfits(self):
            made = self.made.scaled(factor)
            numbers = {key: getattr(made, key) for key in made.needs()}
        return self.model_copy(update={"unit": unit} | numbers)


def _text(value: float | Numbers | None) -> str:
    return "?" if value is None else f"{value:g}" if isinstance(value, float | int) else f"[{', '.join(map(_text, value))}]"


def _misfits(item: Uncertainty) -> list[Fault]:
    """The numbers that the distribution needs and does not have, and those that it does not take."""
    kind, needs = item.distribution, item.kind.needs()
    repair = f"{kind} takes {', '.join(needs)}"
    missing = [(key, f'{kind} needs "{key}"', repair) for key in needs if getattr(item, key) is None]
    extra = [key for key in NUMBERS if key not in needs and getattr(item, key) is not None]
    return missing + [(key, f'{kind} takes no "{key}"', repair) for key in extra]


def faults(item: Uncertainty) -> list[Fault]:
    """What is wrong with a distribution: (key, reason, repair) for each fault; empty when it can be sampled."""
    return _misfits(item) or list(item.made.faults())
