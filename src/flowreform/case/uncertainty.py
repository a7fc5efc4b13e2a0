"""What is written about an input: an `Uncertainty` (an input nobody sets) with its distribution, and the rules it obeys.

Numbers become samples in `draws`; here stands only what a file may say.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Strict

from flowreform.toml import Table

Status = Literal["verified", "derived", "recalled", "assumption", "fitted"]
"""How well a number is known: read in a document, worked out from one, remembered, assumed, or fitted to data."""

Numbers = Annotated[tuple[float, ...], Strict(False)]

TAIL = 4.753424308822899
"""Standard deviations beyond which a normal variable lies once in a million on each side: the reach of an endless tail."""

NEEDS: dict[str, tuple[str, ...]] = {
    "uniform": ("low", "high"),
    "triangular": ("low", "mode", "high"),
    "normal": ("mean", "sd"),
    "lognormal": ("median", "sigma"),
    "truncated_normal": ("mean", "sd", "low", "high"),
    "pert": ("low", "mode", "high"),
    "discrete": ("values", "weights"),
}
"""The numbers that each distribution takes."""

NUMBERS = ("low", "mode", "high", "mean", "sd", "median", "sigma", "values", "weights")
SCALED = ("low", "mode", "high", "mean", "sd", "median", "values")
"""The numbers that carry the unit of the input; `sigma` and `weights` do not."""


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
    distribution: Literal["uniform", "triangular", "normal", "lognormal", "truncated_normal", "pert", "discrete"]
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
        return f"{self.distribution}({', '.join(_text(getattr(self, key)) for key in NEEDS[self.distribution])})"

    def number(self, key: str) -> float:
        """A number that the distribution needs; an error of ours when the rules were not checked first."""
        value = getattr(self, key)
        if not isinstance(value, float | int):
            raise TypeError(f"{self.distribution} without {key}")
        return float(value)

    @property
    def support(self) -> tuple[float, float]:
        """The smallest and largest value that is drawn; endless tails are taken to reach one in a million."""
        match self.distribution:
            case "normal":
                reach = TAIL * self.number("sd")
                return self.number("mean") - reach, self.number("mean") + reach
            case "lognormal":
                from math import exp

                reach = TAIL * self.number("sigma")
                return self.number("median") * exp(-reach), self.number("median") * exp(reach)
            case "discrete":
                values = self.values or ()
                return min(values), max(values)
            case _:
                return self.number("low"), self.number("high")

    def scaled(self, factor: float, unit: str) -> Uncertainty:
        """The same distribution in another unit, `factor` of which make up one of this."""
        if factor == 1.0:
            return self.model_copy(update={"unit": unit})
        update: dict[str, object] = {"unit": unit}
        for key in SCALED:
            value = getattr(self, key)
            if value is not None:
                update[key] = tuple(item * factor for item in value) if key == "values" else value * factor
        return self.model_copy(update=update)


def _text(value: float | Numbers | None) -> str:
    return "?" if value is None else f"{value:g}" if isinstance(value, float | int) else f"[{', '.join(map(_text, value))}]"


def faults(item: Uncertainty) -> list[tuple[str, str, str]]:
    """What is wrong with a distribution: (key, reason, repair) for each fault; empty when it can be drawn from."""
    kind = item.distribution
    needs = NEEDS[kind]
    found = [(key, f'{kind} needs "{key}"', f"{kind} takes {', '.join(needs)}") for key in needs if getattr(item, key) is None]
    found += [
        (key, f'{kind} takes no "{key}"', f"{kind} takes {', '.join(needs)}")
        for key in NUMBERS
        if key not in needs and getattr(item, key) is not None
    ]
    if found:
        return found
    for key in ("sd", "sigma", "median"):
        if key in needs and item.number(key) <= 0:
            found.append((key, f"{key} must be above 0, not {item.number(key):g}", ""))
    if "low" in needs and item.number("low") >= item.number("high"):
        found.append(
            ("low", f"low {item.number('low'):g} is not below high {item.number('high'):g}", "swap them, or make it a parameter")
        )
    elif "mode" in needs and not item.number("low") <= item.number("mode") <= item.number("high"):
        low, mode, high = item.number("low"), item.number("mode"), item.number("high")
        found.append(("mode", f"mode {mode:g} is not between low {low:g} and high {high:g}", ""))
    elif kind == "truncated_normal" and not found:
        away = max(item.number("low") - item.number("mean"), item.number("mean") - item.number("high")) / item.number("sd")
        if away > TAIL:
            found.append(
                ("mean", f"low to high lies {away:.1f} standard deviations away from the mean", "take another distribution")
            )
    if kind == "discrete":
        values, weights = item.values or (), item.weights or ()
        if not values:
            found.append(("values", "there are no values", "give at least one"))
        elif len(values) != len(weights):
            found.append(("weights", f"{len(values)} values have {len(weights)} weights", "give one weight for each value"))
        elif min(weights) < 0 or sum(weights) <= 0:
            found.append(("weights", "weights must not be negative and not all 0", ""))
    return found
