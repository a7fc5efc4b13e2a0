"""How the runs of a sweep are numbered, cut into parts, and laid out in arrays.

Run r is scenario r % scenarios of draw r // scenarios: more draws come at the end and move nothing. A part is a stretch of
draws with all their scenarios, and one chunk of every array along `run`; its number is the number of its chunk.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from math import ceil, prod
from typing import Any

from flowreform.experiment import Experiment
from flowreform.experiment.tables import MAX_RUNS
from flowreform.names import element_names, split

LANES = 64
"""Draws of one scenario that the engine takes at once."""
SECONDS, RATE = 4.0, 1.25e9
"""A part should be so many seconds of work for one core, which does about so many assignments a second."""
MOST_RUNS, MOST_BYTES = 65_536, 64 * 2**20
"""Most runs of a part, and most bytes of trajectories that a part holds at a time."""
MOST_CHUNK_BYTES = 2**31
"""What one chunk may hold: a compressor's own limit."""
RANKS = 128
"""Order statistics that stand for the draws of a part where quantiles are kept."""

MISSING, OK, FAILED = range(3)
STATUS = ("missing", "ok", "failed")
"""What became of a run, by flag: 0 to 2."""


@dataclass(frozen=True)
class Layout:
    """Names and sizes of everything a sweep stores.

    `columns` are the elements of the saved variables, where their courses or quantiles are kept; `kept_draws` is of how many
    draws the courses are."""

    scenarios: tuple[str, ...]
    draws: int
    draws_per_part: int
    kpis: tuple[str, ...]
    parameters: tuple[str, ...]
    columns: tuple[str, ...]
    times: int
    kept_draws: int
    quantiles: tuple[float, ...]
    ranks: int = RANKS

    @property
    def runs(self) -> int:
        """Runs in all."""
        return self.draws * len(self.scenarios)

    @property
    def parts(self) -> int:
        """Parts in all; the last one may be short."""
        return ceil(self.draws / self.draws_per_part)

    def draws_of(self, part: int) -> range:
        """The draws of a part."""
        first = part * self.draws_per_part
        return range(first, min(first + self.draws_per_part, self.draws))

    def keeps_courses(self, part: int) -> bool:
        """Whether trajectories of this part's runs are kept."""
        return part * self.draws_per_part < self.kept_draws

    def arrays_of(self, part: int) -> tuple[str, ...]:
        """The arrays in which a part has a chunk."""
        known = self.arrays()
        return tuple(name for name in known if known[name].by_part and (name != "trajectory" or self.keeps_courses(part)))

    def arrays(self) -> dict[str, Array]:
        """Every array of numbers that parts are written to, by name; those without a number are left out."""
        count, size = len(self.scenarios), self.draws_per_part
        shape = {
            "run": (self.runs, size * count),
            "draw": (self.draws, size),
            "part": (self.parts, 1),
            "scenario": (count, count),
            "kpi": (len(self.kpis),) * 2,
            "parameter": (len(self.parameters),) * 2,
            "column": (len(self.columns),) * 2,
            "time": (self.times, self.times),
            "rank": (self.ranks, self.ranks),
            "quantile": (len(self.quantiles),) * 2,
        }
        found = {
            name: replace(array, shape=tuple(shape[d][0] for d in array.dims), chunks=tuple(shape[d][1] for d in array.dims))
            for name, array in ARRAYS.items()
        }
        wanted = {"trajectory": bool(self.kept_draws)} | dict.fromkeys(
            ("sketch", "sketch_count", "quantile_value"), bool(self.quantiles)
        )
        return {name: array for name, array in found.items() if all(array.shape) and wanted.get(name, True)}

    def as_table(self) -> dict[str, Any]:
        """Plain values, for the ledger."""
        return asdict(self)

    @classmethod
    def from_table(cls, table: Mapping[str, Any]) -> Layout:
        """What `as_table` gave. Raises ValueError for what it cannot have given."""
        values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
        try:
            made = cls(**values)
        except TypeError as fault:
            raise ValueError("the layout has other fields") from fault
        made.require_sound()
        return made

    def require_sound(self) -> None:
        """Raises ValueError for a layout that no sweep can have: it may come from somebody else's folder."""
        counts = (self.draws, self.draws_per_part, self.times, self.kept_draws, self.ranks)
        if any(not isinstance(count, int) or isinstance(count, bool) or not 0 <= count < 2**53 for count in counts):
            raise ValueError("the layout has a count that is none")
        for names in (self.scenarios, self.kpis, self.parameters, self.columns):
            if not isinstance(names, tuple) or not all(isinstance(name, str) for name in names):
                raise ValueError("the layout has a name that is none")
        if not isinstance(self.quantiles, tuple) or not all(isinstance(share, float) for share in self.quantiles):
            raise ValueError("the layout has a quantile that is none")
        if not (self.draws and self.draws_per_part and self.times and self.ranks and self.scenarios):
            raise ValueError("the layout is empty")
        if self.draws > MAX_RUNS:
            raise ValueError("the layout has more draws than an experiment may have")
        if self.kept_draws > self.draws or (self.kept_draws and not self.columns):
            raise ValueError("the layout keeps courses that it cannot have")
        for name, array in self.arrays().items():
            if prod(array.chunks) * 8 >= MOST_CHUNK_BYTES:
                raise ValueError(f"a part of {name} would take more than {MOST_CHUNK_BYTES:,} bytes")

    def require_of(self, experiment: Experiment) -> None:
        """Raises ValueError where the layout is not of this experiment."""
        named = {split(name)[0] for name in self.columns}
        same = (
            self.scenarios == tuple(experiment.scenarios)
            and self.kpis == tuple(experiment.kpis)
            and self.parameters == tuple(experiment.uncertainties)
            and self.times == len(experiment.times)
            and named <= set(experiment.save)
        )
        if not same:
            raise ValueError("the layout is another experiment's")


@dataclass(frozen=True)
class Array:
    """An array of the store: its dimensions, numpy type and what stands where nothing has been written."""

    dims: tuple[str, ...]
    dtype: str
    fill: float
    doc: str
    by_part: bool = True
    shape: tuple[int, ...] = ()
    chunks: tuple[int, ...] = ()


NAN = float("nan")
ARRAYS = {
    "kpi_value": Array(("run", "kpi"), "float64", NAN, "value of each KPI; NaN where it has none"),
    "kpi_outcome": Array(("run", "kpi"), "int8", -1, "why a KPI has a value or none; -1 where the run is missing"),
    "status": Array(("run",), "int8", MISSING, "what became of the run"),
    "scenario_number": Array(("run",), "int16", -1, "place of the run's scenario in `scenario`"),
    "draw_number": Array(("run",), "int64", -1, "number of the run's draw"),
    "input_value": Array(
        ("draw", "parameter"), "float64", NAN, "what was drawn; a scenario that sets the parameter wins over it"
    ),
    "trajectory": Array(("run", "column", "time"), "float64", NAN, "saved variables over time"),
    "sketch": Array(("part", "scenario", "column", "time", "rank"), "float64", NAN, "order statistics of the draws of a part"),
    "sketch_count": Array(("part", "scenario"), "int64", 0, "how many runs without failure the order statistics stand for"),
    "quantile_value": Array(("scenario", "column", "time", "quantile"), "float64", NAN, "quantiles over the draws", False),
}
"""What is stored, in the order in which a part writes it."""


def layout_of(experiment: Experiment, assignments: int) -> Layout:
    """The layout of a new sweep; `assignments` is how many the model works out in one step."""
    wanted = experiment.sweep
    kept = {"none": 0, "all": experiment.draws}.get(str(wanted.trajectories), wanted.trajectories)
    kept_draws = min(int(kept), experiment.draws)
    names = experiment.save if kept_draws or wanted.quantiles else ()
    columns = tuple(column for name in names for column in element_names(experiment.model, experiment.model.variables[name]))
    made = Layout(
        tuple(experiment.scenarios),
        experiment.draws,
        1,
        tuple(experiment.kpis),
        tuple(experiment.uncertainties),
        columns,
        len(experiment.times),
        kept_draws,
        wanted.quantiles,
    )
    return replace(made, draws_per_part=wanted.draws_per_part or _draws_per_part(made, experiment, assignments))


def _draws_per_part(made: Layout, experiment: Experiment, assignments: int) -> int:
    steps = max(1, round((experiment.run_stop - experiment.start) / experiment.dt))
    count = len(made.scenarios)
    draws = min(SECONDS * RATE / (max(1, assignments) * steps), MOST_RUNS) / count
    course = max(1, len(made.columns) * made.times * 8)
    if made.kept_draws:
        draws = min(draws, MOST_BYTES / (course * count))
    if made.quantiles:
        draws = min(draws, MOST_BYTES / course)
    draws = min(draws, experiment.draws / 8)
    return max(1, ceil(draws / LANES)) * LANES
