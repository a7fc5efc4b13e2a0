"""What the sheets are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flowreform.experiment import Experiment
from flowreform.export.tidy import kept
from flowreform.export.values.lines import Line
from flowreform.export.values.periods import Period

if TYPE_CHECKING:
    from xarray import Dataset

NOT_ADDITIVE = "Percentiles do not add up across rows: the P90 of a total is not the sum of the P90s of its parts."


@dataclass(frozen=True)
class Results:
    """The experiment, its Dataset and KPIs, the years, a line for each variable, and the indices of a sensitivity analysis
    where there are any. `labels` are the scenarios' names as shown, in order, all different."""

    experiment: Experiment
    ds: Dataset
    kpis: Dataset
    years: tuple[Period, ...]
    lines: tuple[Line, ...]
    labels: tuple[str, ...]
    indices: Dataset | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The scenarios' own names, in order."""
        return tuple(str(name) for name in self.ds["scenario"].values)

    @property
    def baseline(self) -> int:
        """The position of the baseline among the scenarios."""
        return self.names.index(self.experiment.baseline)

    @property
    def draws(self) -> int:
        """How many draws there are."""
        return int(self.ds.sizes["draw"])

    @property
    def kept(self) -> int:
        """How many of them have their course over time kept."""
        return int(kept(self.ds).sizes["draw"])
