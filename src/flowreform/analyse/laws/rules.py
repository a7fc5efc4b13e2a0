"""The laws themselves: each takes a model, its case and its `Laws` and says by how much the worst run breaks it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf, isfinite

import numpy as np

from flowreform.analyse.laws.runs import Courses, Floats, Settings, columns, courses, elements, own
from flowreform.case import Case, Laws
from flowreform.kpi import NEVER, NONE_NEEDED, VALUE, kpi_unit, kpis
from flowreform.model import Model
from flowreform.names import split
from flowreform.units import UnitError, parse_units

CONSERVED = 1e-9
"""Largest balance, as a share of the largest value of what it is compared with."""
EXCEEDED = 1e-9
"""Largest excess over a limit, and largest value under 0, as a share of the largest value in the run."""
STEADY = 1e-3
"""Largest drift from the start, as a share of it."""
EMPTY = 0.01
"""What may be left of a stock of people, as a share of its start."""
STAYS = 5.0
"""After so many mean stays a stock of people must be empty."""
HALVED = 0.005
"""Largest change of a level KPI when dt is halved, as a share of its value or floor."""
FLIPPED = 0.1
"""Largest share of runs in which halving dt may turn a value into "never" or back."""
SCALED = 1e-9
"""Largest difference of a stock from what scaling says, as a share of its largest value."""
NUDGE = 2.0**-49
"""By this share of itself every parameter is moved: four times the distance between two numbers."""
ALIKE = 1e-9
"""Largest difference of a stock after that, as a share of its largest value in any run."""
ROUNDING = 1e-6
"""A stock under this share of the largest of its unit is taken for rounding."""
FACTOR = 2.0
"""By so much the system is made larger. A power of two, so that rounding alone moves no threshold."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How far one law goes for one variable or KPI: the worst figure of all runs, the limit, and where the worst stood."""

    law: str
    name: str
    worst: float
    limit: float
    where: str = ""

    @property
    def ok(self) -> bool:
        """Whether the law holds; a figure that is not a number breaks it."""
        return self.worst <= self.limit

    def __str__(self) -> str:
        return f"{self.law}: {self.name} {self.worst:.3g} (limit {self.limit:g}){', ' + self.where if self.where else ''}"


def saved_for(model: Model, case: Case, laws: Laws) -> tuple[str, ...]:
    """The variables that any law needs. All runs keep the same ones, so that they share one compiled kernel."""
    pairs = (*laws.conserved.items(), *laws.never_above.items())
    people = laws.no_demand.empties if laws.no_demand else ()
    return tuple(
        dict.fromkeys(
            (
                *model.stocks,
                *(split(name)[0] for pair in pairs for name in pair),
                *(flow for name in people for flow in model[split(name)[0]].outflows),
                *(split(name)[0] for kpi in case.kpis.values() for name in kpi.variables),
            )
        )
    )


# --- laws of every run -----------------------------------------------------------------------------------------------


def finite(found: Courses) -> Iterator[Outcome]:
    """Every value of every run is a number."""
    at = next((at for at, name in enumerate(found.bad) if name), None)
    yield Outcome(
        "finite", "all variables" if at is None else found.bad[at], float(sum(map(bool, found.bad))), 0.0,
        "" if at is None else found.labels[at],
    )  # fmt: skip


def conserved(model: Model, laws: Laws, found: Courses) -> Iterator[Outcome]:
    """Balances stay 0: people and money are neither made nor lost."""
    for name, size in laws.conserved.items():
        scale = np.abs(found.of(model, size)).sum(axis=0).max(axis=0)
        yield _worst("conserved", name, np.abs(found.of(model, name)) / np.where(scale > 0, scale, 1.0), CONSERVED, found)


def never_above(model: Model, laws: Laws, found: Courses) -> Iterator[Outcome]:
    """What is used never exceeds what there is."""
    for name, limit in laws.never_above.items():
        used, there = found.of(model, name), found.of(model, limit)
        scale = np.abs(there).max(axis=(0, 1))
        yield _worst("never above", f"{name} over {limit}", (used - there) / np.where(scale > 0, scale, 1.0), EXCEEDED, found)


def never_negative(model: Model, laws: Laws, found: Courses) -> Iterator[Outcome]:
    """No stock of people, beds, places, staff or fund falls under 0."""
    for name in model.stocks:
        if name not in laws.may_be_negative:
            values = found.values[name]
            scale = np.abs(values).max(axis=(0, 1))
            yield _worst("never negative", name, -values / np.where(scale > 0, scale, 1.0), EXCEEDED, found)


def steady(model: Model, laws: Laws, found: Courses) -> Iterator[Outcome]:
    """With everything that moves it off, a model stays where it starts.

    A stock is measured against its own start; one that starts at 0 against the largest start of a stock of its unit."""
    largest: dict[str, Floats] = {}
    for name in model.stocks:
        start = np.abs(found.values[name][:, 0]).max(axis=0)
        unit = model[name].units or ""
        largest[unit] = np.maximum(largest.get(unit, np.zeros_like(start)), start)
    for name in model.stocks:
        if name not in laws.running_totals:
            values = found.values[name]
            start = np.abs(values[:, :1])
            other = largest[model[name].units or ""]
            scale = np.where(start > 0, start, np.where(other > 0, other, 1.0))
            yield _worst("steady", name, np.abs(values - values[:, :1]) / scale, STEADY, found)


def last_digits(model: Model, found: Courses, moved: Courses) -> Iterator[Outcome]:
    """Parameters moved in their last digits move nothing else: no switch depends on rounding, and no loop is quicker than dt.

    Where this fails, two sound programs give two results, and so does one program at two steps. A stock is measured against
    its largest value in any run; one that is never more than rounding, against the largest stock of its unit."""
    largest: dict[str, float] = {}
    for name in model.stocks:
        unit = model[name].units or ""
        largest[unit] = max(largest.get(unit, 0.0), float(np.abs(found.values[name]).max()))
    for name in model.stocks:
        own_size, of_unit = float(np.abs(found.values[name]).max()), largest[model[name].units or ""]
        scale = own_size if own_size > ROUNDING * of_unit else of_unit
        yield _worst("last digits", name, np.abs(moved.values[name] - found.values[name]) / (scale or 1.0), ALIKE, found)


def _worst(law: str, name: str, values: Floats, limit: float, found: Courses) -> Outcome:
    """The largest of float64[element, time, run], or the first that is not a number."""
    values = np.where(np.isfinite(values), values, inf)
    _, time, run = np.unravel_index(int(values.argmax()), values.shape)
    return Outcome(law, name, max(0.0, float(values.max())), limit, f"{found.labels[run]}, time {found.times[time]:g}")


# --- no demand -------------------------------------------------------------------------------------------------------


def no_demand(
    model: Model, case: Case, laws: Laws, runs: Sequence[tuple[str, Settings]], *, save_every: float | None = None,
    engine: str = "auto",
) -> Iterator[Outcome]:  # fmt: skip
    """Without demand every stock of people runs empty: under 1 % after five mean stays, its own and those of the stocks
    that feed it.

    A mean stay is what is there over what leaves in the model as it stands (Little 1961)."""
    if laws.no_demand is None:
        return
    empties = [split(name)[0] for name in laws.no_demand.empties]
    flows = {name: model[name].outflows for name in empties}
    save = saved_for(model, case, laws)
    start = courses(model, runs, save, stop=model.specs.start + model.specs.dt, engine="python")
    stays: dict[str, float] = {}
    for name in empties:
        leaving = np.sum([start.values[flow][:, 0] for flow in flows[name]], axis=0)
        there = start.values[name][:, 0]
        stays[name] = float(np.where(there > 0, there / np.where(leaving > 0, leaving, np.nan), 0.0).max())
    interval = save_every or model.specs.save_every or model.specs.dt
    ends = {name: STAYS * sum(stays[one] for one in _feeding(model, name, empties)) for name in empties}
    known = [end for end in ends.values() if isfinite(end)]
    longest = max([model.specs.stop - model.specs.start, *known])
    stop = model.specs.start + interval * np.ceil(longest / interval - 1e-9)
    settings = laws.no_demand.settings
    found = courses(
        model, [(label, {**run, **settings}) for label, run in runs], save, save_every=interval, stop=stop, engine=engine
    )
    yield from finite(found)
    for name in empties:
        values = found.values[name]
        first = int(np.searchsorted(found.times, model.specs.start + ends[name] - 1e-6)) if isfinite(ends[name]) else -1
        share = values[:, first:] / np.where(values[:, :1] > 0, values[:, :1], 1.0)
        worst = _worst("no demand", name, share, EMPTY, found)
        yield replace(worst, where=f"{worst.where.partition(', time')[0]}, from time {found.times[first]:g} on")


def _feeding(model: Model, name: str, among: Sequence[str]) -> set[str]:
    """A stock and all those among `among` whose outflows lead into it, through whatever stocks."""
    found, stack = {name}, [name]
    while stack:
        into = set(model[stack.pop()].inflows)
        for other in among:
            if other not in found and into & set(model[other].outflows):
                found.add(other)
                stack.append(other)
    return found


# --- halving dt ------------------------------------------------------------------------------------------------------


def halved(
    model: Model, case: Case, laws: Laws, runs: Sequence[tuple[str, Settings]], *, engine: str = "auto"
) -> Iterator[Outcome]:
    """Half the step gives the same KPIs: levels within 0.5 % of value or floor, times within one saving interval.

    "Never" and "none needed" have no value; runs that change from or to one are counted apart."""
    from flowreform.experiment import experiment_of
    from flowreform.runs import simulated

    experiment = experiment_of(model)
    names = saved_for(model, case, laws)
    given = {name: list(column) for name, column in columns(model, [settings for _, settings in runs]).items()}
    results = []
    for share in (1.0, 0.5):
        dt = model.specs.dt * share
        stepped = replace(model, specs=replace(model.specs, dt=dt))
        ds = simulated(stepped, given, save=names, save_every=model.specs.dt, engine=engine)
        results.append(kpis(ds, replace(experiment, model=stepped, dt=dt)))
    whole, half = results
    interval = laws.save_every or model.specs.save_every or model.specs.dt
    for name, kpi in case.kpis.items():
        if kpi.against is not None:
            continue  # it is of two runs; its own test halves the step of both
        a, b = (np.broadcast_to(np.asarray(one[name].values, dtype=float), len(runs)) for one in (whole, half))
        flags = [np.broadcast_to(np.asarray(one.coords[f"{name}_outcome"].values), len(runs)) for one in (whole, half)]
        both = (flags[0] == VALUE) & (flags[1] == VALUE)
        wrong = ~np.isin(flags[0], (VALUE, NEVER, NONE_NEEDED)) | ~np.isin(flags[1], (VALUE, NEVER, NONE_NEEDED))
        is_time = kpi.is_time or _is_time(kpi_unit(kpi, experiment), model)
        unit = 1.0 if is_time else np.maximum(np.abs(a), kpi.floor if kpi.floor > 0 else np.finfo(float).tiny)
        change = np.where(wrong, inf, np.where(both, np.abs(a - b) / unit, 0.0))
        at = int(change.argmax())
        limit = _in_unit(interval, kpi_unit(kpi, experiment), model) * (1 + 1e-9) if is_time else HALVED
        yield Outcome("halved dt", name, float(change[at]), limit, f"{runs[at][0]}: {a[at]:g} and {b[at]:g}")
        flips = (flags[0] != flags[1]) & ~wrong
        if flips.any():
            yield Outcome("halved dt", f"{name}, never or not", float(flips.mean()), FLIPPED, runs[int(flips.argmax())][0])


def _is_time(unit: str, model: Model) -> bool:
    try:
        return parse_units(unit, model).powers == (("second", 1.0),)
    except UnitError:
        return False


def _in_unit(interval: float, unit: str, model: Model) -> float:
    """A span of model time in a KPI's own unit of time."""
    try:
        return interval * parse_units(model.specs.time_unit, model).factor / parse_units(unit, model).factor
    except UnitError:
        return interval


# --- scaling ---------------------------------------------------------------------------------------------------------


def extensive(case: Case) -> tuple[str, ...]:
    """The inputs that scale with the size of the system."""
    tables: tuple[Mapping[str, object], ...] = (case.levers, case.uncertainties, case.parameters)
    return tuple(name for table in tables for name, item in table.items() if getattr(item, "extensive", False))


def scaled(
    model: Model, case: Case, laws: Laws, runs: Sequence[tuple[str, Settings]], *, save_every: float | None = None,
    engine: str = "auto",
) -> Iterator[Outcome]:  # fmt: skip
    """A system twice as large has twice of every stock of people, beds, places, staff and money, and the same of every other.

    A stock scales with the powers of such units in its own unit: `person*month` with the size, `GBP/person` not at all."""
    names = [element for name in extensive(case) for element in elements(model, name)]
    if not names:
        return
    larger = []
    for label, settings in runs:
        values = {name: settings.get(name, settings.get(split(name)[0], own(model, name))) for name in names}
        larger.append((label, {**settings, **{name: FACTOR * value for name, value in values.items()}}))
    found = courses(model, [*runs, *larger], saved_for(model, case, laws), save_every=save_every, engine=engine)
    yield from finite(found)
    half = replace(found, labels=found.labels[: len(runs)])
    for name in model.stocks:
        small, large = found.values[name][..., : len(runs)], found.values[name][..., len(runs) :]
        wanted = small * FACTOR ** degree(model, laws, name)
        scale = np.abs(wanted).max(axis=(0, 1))
        yield _worst("scaling", name, np.abs(large - wanted) / np.where(scale > 0, scale, 1.0), SCALED, half)


def degree(model: Model, laws: Laws, name: str) -> float:
    """With what power of its size a variable scales: the exponents of the units that count things, added up."""
    resting = {power for unit in laws.intensive_units for power, _ in parse_units(unit, model).powers} | {"second"}
    return sum(exponent for unit, exponent in parse_units(model[name].units or "", model).powers if unit not in resting)
