"""What a scenario sets a parameter to: a number, or points over time; read from TOML or from the command line."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowreform.calendar import Calendar
from flowreform.case.checks import convert, in_range
from flowreform.errors import shorten
from flowreform.experiment.quantities import date_in, is_time, quantity
from flowreform.model import Model
from flowreform.names import Named, Unknown, find, split
from flowreform.text import as_number
from flowreform.toml import Loc, Source

MAX_POINTS = 10_000
"""Most points of one lever over time."""


@dataclass(frozen=True, slots=True)
class Points:
    """A lever over time: straight lines between points, the first and last value held beyond them.

    `times` (model time, rising strictly) and `values` (the variable's unit) are of one length, at least one."""

    times: tuple[float, ...]
    values: tuple[float, ...]

    def at(self, times: NDArray[np.float64]) -> NDArray[np.float64]:
        """The values at some model times."""
        return np.interp(times, self.times, self.values)


Setting = float | Points


@dataclass(frozen=True)
class Scenario:
    """A named setting of parameters; what it does not name stays as the model, or the draw, has it."""

    name: str
    label: str
    settings: Mapping[str, Setting]

    @property
    def fixed(self) -> dict[str, float]:
        """The parameters it sets to one number."""
        return {name: setting for name, setting in self.settings.items() if not isinstance(setting, Points)}

    @property
    def moving(self) -> dict[str, Points]:
        """The parameters that it varies over time."""
        return {name: setting for name, setting in self.settings.items() if isinstance(setting, Points)}

    def sets(self, name: str) -> bool:
        """Whether it sets a parameter, itself or the array that it is an element of."""
        return name in self.settings or split(name)[0] in self.settings

    def over(self, drawn: Mapping[str, NDArray[np.float64]], runs: int) -> dict[str, NDArray[np.float64]]:
        """float64[run] of every parameter that is drawn or set to a number: what the scenario sets wins over a draw."""
        fixed = self.fixed
        columns = {name: column for name, column in drawn.items() if name not in fixed and split(name)[0] not in fixed}
        return columns | {name: np.full(runs, value) for name, value in fixed.items()}


class SettingReader:
    """Reads the settings of one file: names, units and dates by the model and its calendar; faults go to `source`."""

    def __init__(self, model: Model, calendar: Calendar | None, source: Source) -> None:
        self.model, self.calendar, self.source = model, calendar, source

    def read(self, raw: object, loc: Loc) -> Mapping[str, Setting]:
        """The table at `loc`, `name = number | {value=, unit=} | {points=, unit=}`, by canonical name."""
        if not isinstance(raw, dict):
            self._fault(loc, "a table of settings is needed", "write set = { parameter = number }")
            return MappingProxyType({})
        settings: dict[str, Setting] = {}
        for text, value in raw.items():
            named = find(self.model, text, parameter=True)
            if isinstance(named, Unknown):
                self.source.fault("unknown-parameter", (*loc, text), named.reason, named.repair, element=text)
                continue
            if named.name in settings:
                self._fault((*loc, text), f"{named.name} is set already, in another spelling", "keep one of them")
                continue
            setting = self._one(value, named, (*loc, text))
            if setting is not None:
                settings[named.name] = setting
        return MappingProxyType(settings)

    def _fault(self, loc: Loc, reason: str, repair: str = "") -> None:
        self.source.fault("setting", loc, reason, repair)

    def _one(self, raw: object, named: Named, loc: Loc) -> Setting | None:
        if not isinstance(raw, dict):
            number = self._number(self._words(raw, named, loc), loc)
            if number is not None:
                in_range(number, named, self.source, loc)
            return number
        factor = self._factor(raw, named, loc)
        if factor is None:
            return None
        if "points" in raw:
            return self._points(raw["points"], factor, named, (*loc, "points"))
        number = self._number(raw["value"], (*loc, "value"))
        if number is not None:
            number = number * factor if factor != 1.0 else number
            in_range(number, named, self.source, loc)
        return number

    def _words(self, raw: object, named: Named, loc: Loc) -> object:
        """A number as people write it ("£20m", "8 %", "April 2028") in the unit of the parameter; what is none, as it is."""
        unit = named.variable.units
        if is_time(unit, self.calendar) and self.calendar is not None:
            date = raw if isinstance(raw, datetime.date) else date_in(raw, self.calendar) if isinstance(raw, str) else None
            if date is not None:
                return self._time(date, loc)
        if not isinstance(raw, str) or as_number(raw) is not None:
            return raw
        try:
            return quantity(raw, "" if unit in (None, "dimensionless") else unit or "", self.model)
        except ValueError:
            return raw

    def _factor(self, raw: Mapping[str, Any], named: Named, loc: Loc) -> float | None:
        extra = [key for key in raw if key not in ("value", "points", "unit")]
        for key in extra:
            self._fault((*loc, key), "unknown key", "a setting has value or points, and unit")
        if ("value" in raw) == ("points" in raw):
            self._fault(loc, "a setting has either value or points", "write { value = 1.0 } or { points = [[0, 1.0]] }")
            return None
        unit = raw.get("unit")
        if unit is not None and not isinstance(unit, str):
            self._fault((*loc, "unit"), "a unit is text in quotes", "")
            return None
        return None if extra else convert(unit, named, self.model, self.source, (*loc, "unit"))

    def _points(self, raw: object, factor: float, named: Named, loc: Loc) -> Points | None:
        if not isinstance(raw, list) or not raw or not all(isinstance(pair, list) and len(pair) == 2 for pair in raw):
            self._fault(loc, "points are pairs of time and value", "write points = [[0, 1.0], [12, 0.5]]")
            return None
        if len(raw) > MAX_POINTS:
            self._fault(loc, f"{len(raw):,} points are more than the limit of {MAX_POINTS:,}", "a lookup in the model holds data")
            return None
        times: list[float] = []
        values: list[float] = []
        for at, (when, value) in enumerate(raw):
            time, number = self._time(when, (*loc, at, 0)), self._number(value, (*loc, at, 1))
            if time is None or number is None:
                return None
            number = number * factor if factor != 1.0 else number
            in_range(number, named, self.source, (*loc, at))
            if times and time <= times[-1]:
                self._fault(
                    (*loc, at), f"time {time:g} does not come after {times[-1]:g}", "put the points in order, one for each time"
                )
                return None
            times.append(time)
            values.append(number)
        return Points(tuple(times), tuple(values))

    def _time(self, raw: object, loc: Loc) -> float | None:
        if isinstance(raw, datetime.date) and not isinstance(raw, datetime.datetime):
            if self.calendar is None:
                self._fault(loc, "a date needs the model's calendar, and the model has none", "write the model time as a number")
                return None
            return self.calendar.time(raw)
        return self._number(raw, loc)

    def _number(self, raw: object, loc: Loc) -> float | None:
        if isinstance(raw, bool) or not isinstance(raw, int | float):
            self._fault(loc, f"a number is needed, not {shorten(repr(raw), 60)}", "write it without quotes, with a decimal point")
            return None
        try:
            number = float(raw)
        except OverflowError:
            number = float("inf")
        if not isfinite(number):
            self._fault(loc, "a finite number is needed", "")
            return None
        return number
