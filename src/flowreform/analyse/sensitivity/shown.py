"""The Dataset of an analysis, whose `repr` is what the command line prints."""

from __future__ import annotations

from collections.abc import Iterator

from xarray import Dataset

from flowreform.analyse.sensitivity.methods import MEANINGS, METHODS
from flowreform.analyse.sensitivity.rows import better_heads, better_rows, contenders, leading_rows, opponent, target_rows, titles
from flowreform.text import Manual, Shown, columns


class SensitivityIndices(Manual, Dataset):  # type: ignore[no-untyped-call]
    """An xarray Dataset in all that it does. Where a part is taken out of it, it shows itself as any other Dataset."""

    __slots__ = ()

    def manual(self) -> Iterator[Shown]:
        """What leads each KPI, how often targets are met, and which scenario does better."""
        if not {"method", "title", "baseline"} <= set(self.attrs) or "scenario" not in self.dims:
            yield Dataset.__repr__(self)
            return
        method = METHODS[str(self.attrs["method"])]
        yield str(self.attrs["title"])
        yield f"{method.label}: {method.leading} is the {MEANINGS[method.leading]}"
        for name, heading in titles(self).items():
            yield columns(heading, ("KPI", "leading inputs"), leading_rows(self, name))
        if rows := target_rows(self):
            yield columns("Chance of meeting each target (95 % interval)", ("target", *contenders(self)), rows)
        if rows := better_rows(self):
            heading = f"How often each scenario does better than {opponent(self)}, draw against the same draw"
            yield columns(heading, ("KPI", *better_heads(self)), rows)
