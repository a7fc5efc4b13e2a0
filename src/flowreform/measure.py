"""A `Measure`: one number per run, read off a trajectory: a variable, a statistic, and when.

Measures select and compare; they never integrate. A total is a stock of the model, so the sum over a year is its
`increase`. Values are taken at saved times only: a date between two saved times is a fault, never interpolated.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, model_validator

from flowreform.calendar import Calendar, period_of
from flowreform.errors import ExperimentError, error
from flowreform.names import split
from flowreform.statistics import STATISTICS
from flowreform.toml import Table, one_of

if TYPE_CHECKING:
    from xarray import DataArray, Dataset

Statistic = Annotated[str, AfterValidator(one_of(STATISTICS))]
"""The name of a statistic."""
WHEN = ("year", "date", "start", "stop", "last")
Year = Annotated[int, Field(ge=2, le=9998)]

Floats = NDArray[np.float64]
Course = Callable[[str], Floats]
"""float64[..., time] of a variable, or of one of its elements, by name."""


class Second(Table):
    """The second measure of a ratio or a difference; what it does not say is as in the first."""

    variable: str | None = None
    """A variable's name, or `name[element]`."""
    statistic: Statistic | None = None
    """What to take of it."""
    threshold: float | None = None
    """For first_above and first_below, in the variable's unit."""
    year: Year | None = None
    """A reporting year."""
    date: datetime.date | None = None
    """A date."""
    start: datetime.date | None = Field(default=None, alias="from")
    """`from`: the first date of a window."""
    stop: datetime.date | None = Field(default=None, alias="to")
    """`to`: the last date of a window."""
    setting: str | None = None
    """Another setting of the case, so that two settings of one structure are compared; "" is the model as it stands."""
    last: Annotated[float, Field(gt=0)] | None = None
    """A window of so many time units before the end."""


class Measure(Table):
    """One number per run: a statistic of a variable, over the whole horizon, a reporting year, or a window of dates."""

    variable: str
    """A variable's name, or `name[element]` for one element."""
    statistic: Statistic
    """A name in `STATISTICS`: final (value at the end), at (value at a date, or at the end of a reporting year), min, max, mean
    (weighted by time), increase (last minus first), time_of_min, time_of_max, first_above, first_below (the first saved time
    beyond the threshold; never is NaN), last_above (the last saved time above it; NaN when it never is)."""
    threshold: float | None = None
    """For first_above, first_below and last_above, in the variable's unit."""
    year: Year | None = None
    """A reporting year of the calendar."""
    date: datetime.date | None = None
    """A date, for `at`."""
    start: datetime.date | None = Field(default=None, alias="from")
    """`from`: the first date of a window."""
    stop: datetime.date | None = Field(default=None, alias="to")
    """`to`: the last date of a window."""
    setting: str = ""
    """The setting of the case that it is taken in; the model as it stands when missing. For targets, gates and reference
    series; a KPI is taken in every run."""
    last: Annotated[float, Field(gt=0)] | None = None
    """A window of so many time units before the end."""
    scale: float = 1.0
    """The result is multiplied by this."""
    over: Second | None = None
    """The result is divided by a second measure."""
    minus: Second | None = None
    """A second measure is taken away from the result."""

    @model_validator(mode="before")
    @classmethod
    def _of_period(cls, given: object) -> object:
        """`period = "2026-05"`, "2026-Q2" or "2026-05-31" stands for its dates; a year has a key of its own."""
        if not isinstance(given, dict) or "period" not in given:
            return given
        rest = {name: value for name, value in given.items() if name != "period"}
        text = given["period"]
        period = period_of(text) if isinstance(text, str) else None
        if period is None or period.kind == "years":
            raise ValueError(
                'period is a month, quarter or day, as in "2026-05", "2026-Q2" or "2026-05-31"; a year is year = 2027'
            )
        row = STATISTICS.get(str(given.get("statistic")))
        if period.kind == "day" or (row is not None and row.looks == "moment"):
            return rest | {"date": period.moment}
        return rest | {"from": period.first, "to": period.until}

    def parts(self) -> tuple[Measure, ...]:
        """The plain measures it is made of: itself, and the second one of a ratio or difference with what it inherits."""
        plain = Measure(**{name: getattr(self, name) for name in ("variable", "statistic", "threshold", "setting", *WHEN)})
        second = self.over or self.minus
        if second is None:
            return (plain,)
        update = {
            name: getattr(second, name)
            for name in ("variable", "statistic", "threshold", "setting")
            if getattr(second, name) is not None
        }
        if any(getattr(second, name) is not None for name in WHEN):  # a second "when" replaces the first one whole
            update |= {name: getattr(second, name) for name in WHEN}
        return plain, plain.model_copy(update=update)

    def in_year(self, year: int) -> Measure:
        """The same measure in a given reporting year, unless it says when itself."""
        return self if any(getattr(self, name) is not None for name in WHEN) else self.model_copy(update={"year": year})

    @property
    def variables(self) -> tuple[str, ...]:
        """The names it reads, elements included."""
        return tuple(dict.fromkeys(part.variable for part in self.parts()))

    @property
    def is_time(self) -> bool:
        """Whether its value is a model time."""
        return STATISTICS[self.statistic].is_time and self.over is None and self.minus is None


class MeasureFault(ValueError):
    """A measure that cannot be taken: `key` at fault, why, and what would mend it."""

    def __init__(self, key: str, reason: str, repair: str = "") -> None:
        super().__init__(reason)
        self.key, self.reason, self.repair = key, reason, repair


def shape_faults(measure: Measure, *, year_follows: bool = False) -> list[MeasureFault]:
    """What is wrong with a measure in itself; `year_follows` when the year comes with each row of data."""
    found: list[MeasureFault] = []
    if measure.over is not None and measure.minus is not None:
        found.append(MeasureFault("minus", '"over" and "minus" cannot stand together', "compute one of them in the model"))
    for key, part in zip(("", "over" if measure.over else "minus"), measure.parts(), strict=False):
        prefix = f"{key}." if key else ""
        when = [name for name in WHEN if getattr(part, name) is not None]
        window = bool({"start", "stop", "last"} & set(when))
        row = STATISTICS[part.statistic]
        if row.threshold:
            if part.threshold is None:
                found.append(
                    MeasureFault(f"{prefix}threshold", f'{part.statistic} needs a "threshold"', "add threshold = NUMBER")
                )
        elif part.threshold is not None and not key:
            found.append(MeasureFault("threshold", f"{part.statistic} takes no threshold", "remove it"))
        if len(when) > 1 and set(when) != {"start", "stop"}:
            words = ", ".join({"start": "from", "stop": "to"}.get(name, name) for name in when)
            found.append(
                MeasureFault(
                    f"{prefix}{when[1]}", f"{words} cannot stand together", "give year, or date, or last, or from and to"
                )
            )
        elif row.looks == "end" and when:
            found.append(
                MeasureFault(
                    f"{prefix}statistic", f"{part.statistic} is the end of the run and takes no date", 'use statistic = "at"'
                )
            )
        elif row.looks == "moment" and window:
            found.append(
                MeasureFault(
                    f"{prefix}statistic",
                    f"{part.statistic} takes one date, not a window",
                    "use year or date, or another statistic",
                )
            )
        elif row.looks == "moment" and not when and not year_follows:
            found.append(
                MeasureFault(
                    f"{prefix}statistic", f"{part.statistic} needs year or date", 'add year = YEAR or use statistic = "final"'
                )
            )
        elif row.looks != "moment" and "date" in when:
            found.append(MeasureFault(f"{prefix}date", f"{part.statistic} takes a year or from and to, not one date", ""))
        elif part.start is not None and part.stop is not None and part.start >= part.stop:
            found.append(MeasureFault(f"{prefix}to", "the window ends before it begins", "swap from and to"))
    return found


@dataclass(frozen=True, slots=True)
class Grid:
    """The saved times `start + k * every`, in the time unit, up to `stop`."""

    start: float
    stop: float
    every: float

    def nearest(self, time: float) -> tuple[int, float]:
        """The number of the saved time closest to a time, and that time."""
        last = round((self.stop - self.start) / self.every)
        at = min(max(round((time - self.start) / self.every), 0), last)
        return at, self.start + at * self.every


def time_faults(measure: Measure, start: float, stop: float, every: float, calendar: Calendar | None) -> list[MeasureFault]:
    """What keeps a measure from being taken on a run saved at `start + k * every` up to `stop` (all in the time unit)."""
    grid = Grid(start, stop, every)
    found: list[MeasureFault] = []
    for prefix, part in zip(("", "over." if measure.over else "minus."), measure.parts(), strict=False):
        try:
            window(part, grid, calendar)
        except MeasureFault as fault:
            found.append(MeasureFault(prefix + fault.key, fault.reason, fault.repair))
    return found


def window(measure: Measure, grid: Grid, calendar: Calendar | None) -> tuple[int, int]:
    """The numbers of the first and last saved time that a plain measure looks at.

    Raises MeasureFault for a date without calendar, outside the run, or between two saved times.
    """
    if all(getattr(measure, name) is None for name in WHEN):
        return 0, grid.nearest(grid.stop)[0]
    if measure.last is not None:
        return _last(measure.last, grid)
    key = next({"start": "from", "stop": "to"}.get(name, name) for name in WHEN if getattr(measure, name) is not None)
    if calendar is None:
        raise MeasureFault(key, "there is no calendar to turn dates into model time", "add [calendar] to the case file")
    if measure.year is not None:
        begin, end = calendar.year(measure.year)
        what = f"year {measure.year}"
    elif measure.date is not None:
        begin = end = calendar.time(measure.date)
        what = str(measure.date)
    else:
        begin = grid.start if measure.start is None else calendar.time(measure.start)
        end = grid.stop if measure.stop is None else calendar.time(measure.stop)
        what = f"{measure.start or 'start'} to {measure.stop or 'end'}"
    if STATISTICS[measure.statistic].looks == "moment":
        begin = end
    guard = 1e-6 * max(1.0, grid.every)
    if begin < grid.start - guard or end > grid.stop + guard:
        span = f"{calendar.text(grid.start)} to {calendar.text(grid.stop)}"
        raise MeasureFault(key, f"{what} is not inside the run, {span}", "choose a time inside, or move start or stop")
    found = []
    for time in (begin, end):
        at, saved = grid.nearest(time)
        if abs(saved - time) > guard:
            reason = f"{what}: {calendar.text(time)} (time {time:g}) lies between two saved times, {grid.every:g} apart"
            raise MeasureFault(key, reason, _finer(grid, time))
        found.append(at)
    return found[0], found[1]


def _last(length: float, grid: Grid) -> tuple[int, int]:
    """The numbers of the saved times of the last so many time units."""
    guard = 1e-6 * max(1.0, grid.every)
    if grid.stop - length < grid.start - guard:
        reason = f"the last {length:g} are longer than the run, {grid.stop - grid.start:g}"
        raise MeasureFault("last", reason, "choose a shorter window, or a later stop")
    at, saved = grid.nearest(grid.stop - length)
    if abs(saved - (grid.stop - length)) > guard:
        reason = f"time {grid.stop - length:g} lies between two saved times, {grid.every:g} apart"
        raise MeasureFault("last", reason, _finer(grid, grid.stop - length))
    return at, grid.nearest(grid.stop)[0]


def _finer(grid: Grid, time: float) -> str:
    """The saving interval that would keep a time as well, where a plain fraction of the present one does."""
    share = (time - grid.start) / grid.every
    parts = Fraction(share).limit_denominator(5000)
    if abs(share - parts) < 1e-6:
        return f"set save_every = {grid.every / parts.denominator:g}"
    return "set a smaller save_every, or a date at the beginning of a month"


# --- taking a measure ------------------------------------------------------------------------------------------------


def evaluate(measure: Measure, ds: Dataset, calendar: Calendar | None = None) -> DataArray:
    """The measure of every run in a Dataset.

    `ds` has a `time` dimension and whatever else: (scenario, draw, time, ...) or (run, time, ...); the result has the rest.
    A dimension `setting` holds the settings of a case, and each part of the measure is taken in its own.
    A run with a number in the window that is not finite gives NaN; so does "never" of first_above and first_below, and a
    ratio over 0. Raises ExperimentError when a variable was not saved or a date is not a saved time.
    """
    from xarray import DataArray, broadcast

    ready = taker(measure, np.asarray(ds["time"].values, dtype=np.float64), calendar)
    courses = broadcast(*(_course(part, ds) for part in measure.parts()))
    values = ready.of_parts([np.asarray(course.values, dtype=np.float64) for course in courses])
    kept = {name: coord for name, coord in courses[0].coords.items() if "time" not in coord.dims}
    return DataArray(values, coords=kept, dims=courses[0].dims[:-1], name=courses[0].name)


def _course(measure: Measure, ds: Dataset) -> DataArray:
    """What a plain measure reads: its variable or element of it, in its setting, with `time` as the last dimension."""
    base, elements = split(measure.variable)
    if base not in ds.data_vars:
        raise ExperimentError(error("not-saved", "the variable was not saved", f'add "{base}" to save', element=measure.variable))
    data = ds[base]
    if "setting" in data.dims:
        data = data.sel(setting=measure.setting, drop=True)
    elif measure.setting:
        repair = "take it in `assess`, which runs every setting of the case"
        raise ExperimentError(error("setting", f'there are no runs of setting "{measure.setting}"', repair, element=base))
    if elements:
        outer = [str(name) for name in data.dims if name not in ("scenario", "draw", "run", "time")]
        data = data.sel(dict(zip(outer, elements, strict=True)))
    return data.transpose(..., "time")


@dataclass(frozen=True, slots=True)
class Cut:
    """A plain measure on known saved times: the numbers it looks at are those from `first` to `last`, both included."""

    measure: Measure
    times: Floats
    first: int
    last: int

    def of(self, values: Floats) -> Floats:
        """The measure of `values` float64[..., time]: NaN where a number that it looks at is not finite."""
        part = values[..., self.first : self.last + 1]
        statistic, threshold = STATISTICS[self.measure.statistic].array, self.measure.threshold or 0.0
        with np.errstate(invalid="ignore", over="ignore"):
            result = statistic(part, self.times[self.first : self.last + 1], threshold)
        return np.where(np.isfinite(part).all(axis=-1), result, np.nan)


def cut_of(measure: Measure, times: Floats, calendar: Calendar | None) -> Cut:
    """A plain measure on evenly spaced saved times. Raises ExperimentError for a date that is not among them."""
    every = float(times[1] - times[0]) if len(times) > 1 else 1.0
    if len(times) > 1 and float(np.abs(np.diff(times) - every).max()) > 1e-6 * max(1.0, every):
        reason = "the saved times are not evenly spaced"
        raise ExperimentError(error("measure-time", reason, "measure the whole Dataset", element=measure.variable))
    try:
        first, last = window(measure, Grid(float(times[0]), float(times[-1]), every), calendar)
    except MeasureFault as fault:
        raise ExperimentError(error("measure-time", fault.reason, fault.repair, element=measure.variable)) from fault
    return Cut(measure, times, first if STATISTICS[measure.statistic].looks == "window" else last, last)


@dataclass(frozen=True, slots=True)
class Taker:
    """A measure made ready for arrays of runs; every way to take one ends here."""

    measure: Measure
    cuts: tuple[Cut, ...]

    def of(self, course: Course) -> Floats:
        """The measure of every run; `course` gives float64[..., time] of a variable or of one of its elements by name."""
        return self.of_parts([course(cut.measure.variable) for cut in self.cuts])

    def in_settings(self, courses: Mapping[str, Course]) -> Floats:
        """The same where each part is taken in its own setting of the case."""
        return self.of_parts([courses[cut.measure.setting](cut.measure.variable) for cut in self.cuts])

    def of_parts(self, courses: Sequence[Floats]) -> Floats:
        """The measure of every run from what its parts read, float64[..., time] each."""
        values = [cut.of(course) for cut, course in zip(self.cuts, courses, strict=True)]
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            value = values[0]
            if self.measure.over is not None:
                value = value / np.where(values[1] != 0, values[1], np.nan)
            elif self.measure.minus is not None:
                value = value - values[1]
            return value * self.measure.scale if self.measure.scale != 1.0 else value


def taker(measure: Measure, times: Floats, calendar: Calendar | None) -> Taker:
    """A measure on evenly spaced saved times. Raises ExperimentError for a date that is not among them."""
    return Taker(measure, tuple(cut_of(part, times, calendar) for part in measure.parts()))
