"""The tables of a case file (`model.toml`), field by field, and the frozen `Case` they make.

Question, boundary and calendar; which parameters are levers and which are uncertainties, with sources; KPIs, reference
series, targets, gates and charts; the laws that every run must keep, the conclusions drawn from it, the loops behind them; what
is fitted to what;
what the workbook shows. Never a value that the equations hold. Settings of laws are tests and may lie outside a variable's
range, unlike those of gates.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, Strict

from flowreform.calendar import Calendar, DatedPeriod
from flowreform.case.ensemble import Ensemble
from flowreform.case.form import Form
from flowreform.case.observations import Observation
from flowreform.case.uncertainty import Sourced, Status, Uncertainty
from flowreform.errors import Finding
from flowreform.measure import Measure
from flowreform.names import join, split
from flowreform.text import as_number
from flowreform.toml import Document, Table

Strings = Annotated[tuple[str, ...], Strict(False)]
Year = Annotated[int, Field(ge=2, le=9998)]


class About(Table):
    """`[case]`: what the model is for."""

    title: str
    """The name of the case."""
    question: str
    """The question it answers, in one sentence."""
    boundary: str = ""
    """What is inside and what is outside."""
    currency: str = ""
    """Currency of all money."""
    price_base: str = ""
    """The year whose prices real money is in."""
    discount_base: datetime.date | None = None
    """The date that discounted money is worth at."""
    regions: str = ""
    """How space is divided, if it is."""


class Lever(Sourced):
    """`[levers.<parameter>]`: what a decision-maker sets. Base value in the equation, limits in the variable's range."""

    label: str = ""
    """The name shown; the model's own label when empty."""
    extensive: bool = False
    """Whether it scales with the size of the system."""


class Parameter(Sourced):
    """`[parameters.<parameter>]`: every other parameter, with the origin of its number."""

    label: str = ""
    """The name shown; the model's own label when empty."""
    extensive: bool = False
    """Whether it scales with the size of the system."""


class Exogenous(Sourced):
    """`[exogenous.<variable>]`: a lookup of time or a dated switch that is fed in."""

    quantity: str
    """What it measures; a target of the same quantity downstream of it does not count."""


def _never(given: object) -> object:
    if given is None or given == "stop" or (isinstance(given, float | int) and not isinstance(given, bool)):
        return given
    raise ValueError('a number or "stop" is needed')


class Kpi(Measure):
    """`[kpis.<name>]`: a measure that is reported for every run."""

    label: str = ""
    """The name shown."""
    unit: str | None = None
    """Unit of the result; the variable's own when missing, converted from it when it can be."""
    better: Literal["lower", "higher", "neither"] = "neither"
    """Which direction is better."""
    floor: Annotated[float, Field(ge=0)] = 0.0
    """Values below this count as this in relative comparison, in the unit of the result."""
    none_needed: float | None = None
    """The value by which the model says that there was nothing to measure (no payback needed)."""
    never: Annotated[float | Literal["stop"] | None, BeforeValidator(_never)] = None
    """The value by which the model says that it did not happen (never paid back): a number, or "stop" for a value within
    one dt of the end of the run."""
    against: Literal["baseline"] | None = None
    """"baseline": taken of this run less the baseline's of the same draw, moment by moment. Such a KPI needs a baseline."""
    run_on: str | None = None
    """The variable to take instead, at the very end, where an experiment runs on to its appraisal_end."""
    caution: str = ""
    """What to say beside it: why it must not be read alone, where it may look better when people are worse off."""

    @property
    def variables(self) -> tuple[str, ...]:
        """The names it reads, elements included."""
        read = tuple(dict.fromkeys(part.variable for part in self.parts()))
        return read if self.run_on is None or self.run_on in read else (*read, self.run_on)


class Reference(Measure):
    """`[reference.<series>]`: what the model has to say about one observed series. The year comes from each row."""

    unit: str | None = None
    """Unit of the series' values."""
    label: str = ""
    """The name shown."""


class Check(Measure):
    """What must be so: a measure, and a value with a tolerance or limits."""

    value: float | None = None
    """The value wanted."""
    tolerance: Annotated[float, Field(ge=0)] | None = None
    """How far the simulated value may be from it."""
    low: float | None = None
    """The smallest simulated value allowed."""
    high: float | None = None
    """The largest simulated value allowed."""

    @property
    def limits(self) -> tuple[float, float]:
        """The smallest and largest simulated value that passes; an open side is infinite."""
        if self.value is not None and self.tolerance is not None:
            return self.value - self.tolerance, self.value + self.tolerance
        return (
            self.low if self.low is not None else float("-inf"),
            self.high if self.high is not None else float("inf"),
        )


Checks = Annotated[tuple[Check, ...], Strict(False)]


class Target(Table):
    """`[targets.<name>]`: a behaviour that the model must show. All checks must pass."""

    label: str
    """The name shown."""
    source: str
    """Where the value comes from."""
    status: Status
    """How well it is known."""
    fails_when: str = ""
    """A gate, or settings such as "diversion = 0", that make it fail; without one the target does not count."""
    expected: Literal["pass", "miss"] = "pass"
    """Whether the model is expected to pass; a miss needs a reason."""
    reason: str = ""
    """Why it is missed: the structure that is not there."""
    note: str = ""
    """Anything a reader should know."""
    checks: Annotated[Checks, Field(min_length=1)]
    """What must be so."""


class Setting(Table):
    """`[settings.<name>]`: one place or regime that the structure is run for: a named set of parameter values.

    Targets, gates and reference series name the setting they are measured in; the model as it stands needs no name."""

    label: str
    """The name shown."""
    note: str = ""
    """Anything a reader should know: where the values come from, and which are fitted."""
    values: Annotated[dict[str, float], Field(alias="set", min_length=1)]
    """`set`: parameters and their values in this setting."""


class Gate(Table):
    """`[gates.<name>]`: a mechanism switched off by parameters; the behaviour it explains must go."""

    label: str
    """The name shown."""
    question: str = ""
    """What switching it off asks."""
    settings: Annotated[dict[str, float], Field(alias="set", min_length=1)]
    """`set`: parameters and the values that switch the mechanism off."""
    checks: Checks = ()
    """What must be so with the mechanism off."""


class Chart(Table):
    """`[[charts]]`: variables shown together; reference series mapped to one of them are laid over."""

    title: str
    """Title of the chart."""
    variables: Annotated[Strings, Field(min_length=1)]
    """The lines."""
    unit: str | None = None
    """Label of the axis; the first variable's unit when missing."""


class Steady(Table):
    """`[laws.steady]`: what must be switched off for the model to stay where it starts."""

    settings: Annotated[dict[str, float], Field(alias="set", default_factory=dict)]
    """`set`: parameters and the values that switch levers, dated events, adoption, growth and winter off."""


class NoDemand(Table):
    """`[laws.no_demand]`: demand taken away from the first day; people must leave."""

    settings: Annotated[dict[str, float], Field(alias="set", min_length=1)]
    """`set`: parameters and the values that stop every referral; initial stocks must not depend on them."""
    empties: Annotated[Strings, Field(min_length=1)]
    """The stocks of people that must run empty."""


class Laws(Table):
    """`[laws]`: what must be so of every run, whatever the inputs."""

    running_totals: Strings = ()
    """Stocks that only add up or discount; the steady state says nothing of them."""
    may_be_negative: Strings = ()
    """Stocks that may fall under 0, such as net costs; no other may."""
    intensive_units: Strings = ()
    """Units that do not scale with the size of the system, besides time: `site`."""
    save_every: Annotated[float, Field(gt=0)] | None = None
    """The saving interval by which a time KPI may move when dt is halved; the file's own when missing, else dt."""
    conserved: dict[str, str] = Field(default_factory=dict)
    """Variables that must stay 0, each with the variable whose size it is compared with."""
    never_above: dict[str, str] = Field(default_factory=dict)
    """Variables that may never exceed another one."""
    steady: Steady | None = None
    """The model's own steady state."""
    no_demand: NoDemand | None = None
    """The model without demand."""
    halved_dt_misses: dict[str, str] = Field(default_factory=dict)
    """KPIs that are known to move by more than the limit when dt is halved, each with the reason: shown as broken, and a
    test fails when one that is not named here breaks, or when none of those named does any more."""


class Conclusion(Table):
    """`[conclusions.<name>]`: a sentence that a decision-maker would take away, and the difference that carries it."""

    label: str
    """The sentence."""
    kpi: str
    """The KPI that is compared."""
    gate: str
    """The gate whose settings are run."""
    against: str = ""
    """The gate whose settings it is compared with; the model as it stands when missing."""
    sign: Literal["higher", "lower"]
    """The sign of the difference, `gate` less `against`, same draw against same draw."""
    share: Annotated[float, Field(gt=0, le=1)] = 0.9
    """The share of draws in which the sign must hold."""
    appraisal_end: float | None = None
    """Until when both gates run, in the model's time unit: a present value is then of the whole appraisal, with no annuity."""


class StartRule(Table):
    """`[starts.<name>]`: what the numbers of the start must keep; an experiment whose counts contradict each other is refused."""

    add: Annotated[Strings, Field(min_length=1)]
    """Variables, or elements, whose values at the start are added up. Delays are not worked out."""
    less: Strings = ()
    """Those that are taken off."""
    at_least: float = 0.0
    """The least that this may come to, in the model's unit."""
    steps: float = 0.0
    """The least number of steps of computation (dt) that it may last: a time that the step cannot follow."""
    reason: str
    """What is wrong where it comes to less, in words."""
    counts: Annotated[Strings, Field(min_length=1)]
    """The parameters that contradict each other: named, with their values."""


class LoopClaim(Table):
    """`[loops.<name>]`: a feedback loop that carries the model's story, and what it does; `check` sees whether it does."""

    label: str = ""
    """What it is called, in a few words."""
    through: Annotated[Strings, Field(min_length=1)]
    """Variables, or elements, on the loop in its order: the shortest loop that passes them is meant."""
    kind: Literal["reinforcing", "balancing", "changing"]
    """Whether it amplifies a change, works against it, or does the one at some times and the other at others."""
    note: str = ""
    """Anything a reader should know."""


class FitSeries(Table):
    """`[fit.series.<name>]`: a series of [reference] that the fit must come close to."""

    because: str = ""
    """Where the error comes from, so that it stands before anything is fitted: how the series was counted, rounded or quoted."""
    error: Annotated[float, Field(gt=0)] = 0.05
    """One standard deviation of a row, as a share of its value: the weight of a row is one over its square."""
    error_at_least: Annotated[float, Field(gt=0)] | None = None
    """The smallest standard deviation of a row, in the unit of the series: what a value near zero is known to."""
    first: Year | None = None
    """The first reporting year that is used."""
    last: Year | None = None
    """The last reporting year that is used."""
    level: Literal["given", "free"] = "given"
    """`free`: the series is compared up to a factor of its own, which the data give."""
    relative_to: Year | None = None
    """The year whose value both sides are divided by, where only the change is believed."""


class FitTable(Table):
    """`[fit]`: least squares on named parameters within their ranges."""

    parameters: Annotated[Strings, Field(min_length=1)]
    """Parameters, or elements of arrayed ones; each needs a range in the model."""
    series: Annotated[dict[str, FitSeries], Field(min_length=1)]
    """The series, by their name in [reference]."""
    design: Literal["sobol", "latin_hypercube"] = "sobol"
    """How the points are spread that the search begins from."""
    samples: Annotated[int, Field(ge=1, le=100_000)] = 64
    """How many of them."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1
    """Where their randomness starts."""
    starts: Annotated[int, Field(ge=1, le=50)] = 2
    """How many of the best are followed to the end."""
    priors: Annotated[dict[str, Uncertainty], Field(default_factory=dict)]
    """`[fit.priors.<parameter>]`: for the posterior, a distribution of a fitted parameter; anywhere in its range when missing."""
    settings: Annotated[dict[str, float], Field(alias="set", default_factory=dict)]
    """`set`: parameters held at other values during the fit."""


@dataclass(frozen=True, slots=True)
class FitRow:
    """One observation that counts: the measure that the model must give, its value, and its standard deviation."""

    series: str
    year: int
    measure: Measure
    observed: float
    error: float
    period: DatedPeriod | None = None

    @property
    def when(self) -> str:
        """What it is measured over, in a word."""
        return self.period.text if self.period else str(self.year)

    @property
    def at(self) -> float:
        """Where it stands on an axis of years."""
        return self.period.at if self.period and self.period.kind != "years" else float(self.year)


@dataclass(frozen=True)
class FitPlan:
    """`[fit]`, checked: element names of parameters with their ranges and present values, and the rows.

    `priors` are those of everything that is sampled for a posterior: the case's uncertainties, and what is fitted."""

    parameters: tuple[str, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    before: tuple[float, ...]
    rows: tuple[FitRow, ...]
    table: FitTable
    priors: dict[str, Uncertainty]
    base: dict[str, Measure]
    """For each series that is relative to a year, the measure in that year."""

    @property
    def variables(self) -> tuple[str, ...]:
        """The variables that must be saved."""
        measures = [*(row.measure for row in self.rows), *self.base.values()]
        return tuple(dict.fromkeys(split(name)[0] for measure in measures for name in measure.variables))


YearStatistic = Literal["start", "end", "mean", "max", "min", "increase", "total"]
"""What stands for a year: the value at its start or end, the mean, highest or lowest over its steps, the increase over the year,
or the sum of a rate over it."""


class YearlyRow(Table):
    """`[[workbook.yearly]]`: one row of the yearly sheet."""

    section: str = ""
    """The heading it stands under; that of the row before when empty."""
    label: str = ""
    """The name shown; the variable's own when empty."""
    variable: str
    """A variable, or one element of it."""
    statistic: YearStatistic
    """What stands for a year."""
    unit: str = ""
    """The unit shown, after scaling."""
    scale: float = 1.0
    """What the value is multiplied by."""
    percent: bool = False
    """Shown as a percentage."""


class LineChart(Table):
    """`[[workbook.charts]]`: one chart of the charts sheet, over the saved times."""

    title: str
    """Title of the chart."""
    variables: Annotated[Strings, Field(min_length=1)]
    """The lines."""
    shaded: Strings = ()
    """Variables drawn as a filled area under the lines."""
    limit: str | float | None = None
    """A level line: a parameter's name, or a number."""
    limit_label: str = ""
    """What the level line is called."""
    unit: str = ""
    """Label of the axis; the first variable's unit when empty."""
    percent: bool = False
    """The axis is in per cent."""
    scale: float = 1.0
    """What the values are multiplied by."""


class BridgePart(Table):
    """A row of `bridge`: a total, and whether it adds to the difference or takes from it."""

    label: str
    """The name shown."""
    variable: str
    """The total at the end of the run."""
    sign: Literal[-1, 1] = 1
    """1 adds, -1 takes away."""


class WorkbookTable(Table):
    """`[workbook]`: what the live workbook shows."""

    yearly: Annotated[tuple[YearlyRow, ...], Strict(False)] = ()
    """Rows of the yearly sheet."""
    charts: Annotated[tuple[LineChart, ...], Strict(False)] = ()
    """Charts of the charts sheet."""
    compare: Strings = ()
    """Variables that are compared across scenarios."""
    bridge: Annotated[tuple[BridgePart, ...], Strict(False)] = ()
    """The parts that the difference in a total to the baseline is made up of."""
    bridge_total: str = ""
    """That total: a stock."""
    reconcile: Strings = ()
    """Stocks whose opening and closing values are reconciled with their flows, year by year."""
    discount_rate: str = ""
    """The parameter that discounts."""
    discount_factor: str = ""
    """The variable that holds the discount factor."""


class PlacesRow(Table):
    """`[[planning.places]]`: one kind of place of the bed-closure page: what there is, and what is needed of it."""

    label: str
    """The name shown."""
    usable: str
    """Places that are open, or one element."""
    staffed: str = ""
    """The share of them that is staffed; all when missing."""
    needed: str
    """How much of them is needed: the people cared for and those who wait for one."""


class StaffRow(Table):
    """`[[planning.staff]]`: one group of staff of the bed-closure page."""

    label: str
    """The name shown."""
    post: str
    """WTE in post."""
    gap: str
    """WTE needed and not in post."""


class PlanningTable(Table):
    """`[planning]`: what `flowreform plan` has to know of a model's variables and KPIs."""

    beds: Strings = ()
    """Variables that count beds: a limit on one lasts to the end of the run."""
    patients: Strings = ()
    """Variables that rise when people are kept waiting or turned away."""
    cash: Strings = ()
    """KPIs that count money alone: no objective without a requirement on patients."""
    cost_parts: Strings = ()
    """KPIs that are a part of the cost: no objective without requirements on patients and on beds."""
    fund: str = ""
    """The stock of money that ends: a plan may not have any in its last months."""
    fund_left: Annotated[float, Field(ge=0)] = 0.0
    """How much of it counts as none."""
    months_without_fund: Annotated[float, Field(ge=0)] = 24.0
    """How many time units before the end it must be spent."""
    lead: str = ""
    """The lever by which building comes before closing: its least value is the latest safe start."""
    build_date: str = ""
    """The variable that holds the date on which building starts."""
    closure_date: str = ""
    """The variable that holds the date on which closing starts."""
    fund_size: str = ""
    """The lever of which the least is wanted beside the objective: the size of a fund."""
    harm: str = ""
    """The present value of harm to people that is a part of the objective, for its switching value."""
    switch: Strings = ()
    """Inputs whose switching values are always shown."""
    lines: Strings = ()
    """KPIs shown of a plan, in order."""
    freed: Strings = ()
    """KPIs that count the beds freed by each mechanism; the first by shorter stays alone."""
    paths: Strings = ()
    """Series whose expected path is written down, so that they can be compared month by month."""
    closed: str = ""
    """Beds closed and released: the other side of the bed-closure page."""
    places: Annotated[tuple[PlacesRow, ...], Strict(False)] = ()
    """Kinds of place that are to be there when a bed closes."""
    staff: Annotated[tuple[StaffRow, ...], Strict(False)] = ()
    """Groups of staff."""


@dataclass(frozen=True)
class Case:
    """A case file, checked against its model. All names are canonical; mappings are read-only and in file order.

    `observations` are the rows of `reference.csv` beside it, `ensemble` the draws of `posterior.csv`,
    `form` what a system can count (`form.csv`), if there.
    `findings` holds the warnings, `document` the file as written.
    """

    about: About
    calendar: Calendar | None
    levers: Mapping[str, Lever]
    uncertainties: Mapping[str, Uncertainty]
    parameters: Mapping[str, Parameter]
    exogenous: Mapping[str, Exogenous]
    kpis: Mapping[str, Kpi]
    reference: Mapping[str, Reference]
    targets: Mapping[str, Target]
    gates: Mapping[str, Gate]
    charts: tuple[Chart, ...]
    laws: Laws | None = None
    conclusions: Mapping[str, Conclusion] = field(default_factory=dict)
    loops: Mapping[str, LoopClaim] = field(default_factory=dict)
    starts: Mapping[str, StartRule] = field(default_factory=dict)
    fit: FitPlan | None = None
    workbook: WorkbookTable = field(default_factory=WorkbookTable)
    planning: PlanningTable = field(default_factory=PlanningTable)
    settings: Mapping[str, Setting] = field(default_factory=dict)
    observations: tuple[Observation, ...] = ()
    ensemble: Ensemble | None = field(default=None, compare=False)
    form: Form | None = field(default=None, compare=False, repr=False)
    path: Path | None = field(default=None, compare=False)
    sha256: str = ""
    findings: tuple[Finding, ...] = field(default=(), compare=False)
    document: Document | None = field(default=None, compare=False, repr=False)

    def __repr__(self) -> str:
        tables = ("levers", "uncertainties", "parameters", "exogenous", "kpis", "reference", "settings", "targets", "gates")
        return f"<Case {self.about.title}: {', '.join(f'{len(getattr(self, name))} {name}' for name in tables)}>"

    @property
    def file(self) -> str:
        """The path as text, for messages."""
        return str(self.path) if self.path else ""

    def switched_off(self, fails_when: str) -> Mapping[str, float] | None:
        """The parameter values meant by a target's `fails_when`: a gate's, or those written out; None when neither."""
        if fails_when in self.gates:
            return self.gates[fails_when].settings
        return written_settings(fails_when)

    def measures(self) -> Iterator[tuple[tuple[str | int, ...], Measure]]:
        """Every measure of the file with its place."""
        yield from ((("kpis", name), kpi) for name, kpi in self.kpis.items())
        yield from ((("reference", name), item) for name, item in self.reference.items())
        for table, owners in (("targets", self.targets), ("gates", self.gates)):
            for name, owner in owners.items():
                yield from (((table, name, "checks", at), check) for at, check in enumerate(owner.checks))


def written_settings(text: str) -> dict[str, float] | None:
    """`"diversion = 0, training = 2.5"` as settings; None when the text is something else."""
    found: dict[str, float] = {}
    for part in text.split(","):
        name, equals, value = part.partition("=")
        if not equals or not name.strip():
            return None
        number = as_number(value)
        if number is None:
            return None
        found[join(*split(name))] = number
    return found
