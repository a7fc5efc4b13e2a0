"""`[plan]` of an experiment: what may be decided, what must be kept, and what is wanted least or most; read and checked.

A plan is a point on a lattice of decisions. A requirement is a limit on a series or a KPI, kept in a run when it is kept
throughout its window. Both are checked against the model, the case and each other when the file is read, and an objective that
can be met by not treating people is refused there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, Strict

from flowreform.case.tables import PlanningTable
from flowreform.errors import ExperimentError, did_you_mean
from flowreform.experiment.settings import Points, Scenario, Setting, SettingReader
from flowreform.measure import Measure
from flowreform.names import Unknown, find, split
from flowreform.text import NUMBER, Shown, columns, number
from flowreform.toml import Document, Loc, Source, Table

if TYPE_CHECKING:
    from flowreform.experiment.experiment import Experiment

MAX_DECISIONS = 24
"""Most decisions of a plan."""
MAX_PLANS = 10**15
"""Most points of the lattice: positions stay exact."""
FORMS = ("at_most", "at_least", "difference_at_most", "difference_at_least", "times", "plus")
AGAINST_BASELINE = FORMS[2:]
Floats = Annotated[tuple[float, ...], Strict(False)]


class DecisionTable(Table):
    """`[plan.decide.<parameter>]`: the values that may be chosen."""

    start: Annotated[float, Field(alias="from")]
    """`from`: the first value, in the model's unit."""
    stop: Annotated[float, Field(alias="to")]
    """`to`: the last value."""
    step: Annotated[float, Field(gt=0)]
    """The distance between two values."""


class RequireTable(Table):
    """`[[plan.require]]`: a limit that a run keeps throughout a window."""

    name: str = ""
    """What it is called; its series or KPI when missing."""
    series: str | None = None
    """A variable, or one element of it; or else kpi."""
    kpi: str | None = None
    """A KPI of the experiment."""
    average: Literal["month", "quarter", "year"] | None = None
    """The mean of each month, quarter or year of the window is held against the limit; every saved value when missing."""
    at_most: float | None = None
    """The highest value allowed."""
    at_least: float | None = None
    """The lowest value allowed."""
    difference_at_most: float | None = None
    """The most that it may be above the baseline in the same draw and month (below it where negative)."""
    difference_at_least: float | None = None
    """The least that it must be above the baseline in the same draw and month (below it where negative)."""
    times: Annotated[float, Field(gt=0)] | None = None
    """At most so many times the baseline in the same draw and month."""
    plus: float | None = None
    """At most so much more than the baseline in the same draw and month."""
    against: Literal["baseline"] | None = None
    """ "baseline", for limits that are relative to it."""
    start: Annotated[float | str | None, Field(alias="from")] = None
    """`from`: where the window begins: a model time, "start" (when missing), "end", or a variable in the
    time unit, with "+ 12" or "- 12"."""
    stop: Annotated[float | str | None, Field(alias="until")] = None
    """`until`: where it ends, "end" when missing: that is the experiment's horizon and not its appraisal_end."""
    step: Annotated[float, Field(gt=0)] | None = None
    """How far the limit is moved when its price is asked; a hundredth of it when missing."""


class FrontierTable(Table):
    """`frontier`: the best plan for each of several levels of one requirement."""

    against: str
    """The requirement whose level is moved, by its name, series or KPI; or a KPI, in place of the requirements on beds."""
    levels: Annotated[Floats, Field(min_length=2, max_length=20)]
    """The levels, in the unit of what is limited."""


class ScheduleTable(Table):
    """`schedule`: decisions that may change from one period to the next."""

    levers: Annotated[tuple[str, ...], Strict(False), Field(min_length=1)]
    """Decisions of the plan, by name."""
    every: Annotated[float, Field(gt=0)]
    """The length of a period, in the model's time unit."""
    periods: Annotated[int, Field(ge=2, le=MAX_DECISIONS)]
    """How many periods; the last value is held after them. Levers times periods: up to 24."""
    start: Annotated[float | None, Field(alias="from")] = None
    """`from`: when the first period begins; the start of the run when missing."""


class PlanTable(Table):
    """`[plan]`: what a plan may decide and must keep."""

    baseline: str = ""
    """The scenario that plans are compared with; the experiment's baseline when missing."""
    scenario: str = ""
    """The scenario whose settings a plan starts from; the baseline when missing, so that growth is treated alike."""
    objective: str = "net_present_cost"
    """A KPI, whose mean over the draws is made least, or greatest where higher is better."""
    kept_in_share_of_runs: Annotated[float, Field(gt=0, le=1)] = 0.9
    """The share of draws in which each requirement must be kept."""
    draws: Annotated[int, Field(ge=10, le=10_000)] = 100
    """Draws that the search meets."""
    fresh_draws: Annotated[int, Field(ge=10, le=100_000)] = 400
    """Draws, of another seed, that the plan is proved on."""
    appraisal_end: float | None = None
    """Runs go on to this time for KPIs with a run_on; that of the experiment, or else twice the horizon, when missing."""
    fixed: Annotated[dict[str, Any], Field(default_factory=dict)]
    """Settings of every plan."""
    worlds: Annotated[dict[str, Floats], Field(default_factory=dict)]
    """Inputs and the values at which plans are compared, one world each."""
    beside: Annotated[tuple[str, ...], Strict(False)] | None = None
    """Scenarios written beside the plan, to compare it with; the baseline and up to three more when missing."""
    frontier: FrontierTable | None = None
    """The best plan for each of several levels of one requirement."""
    schedule: ScheduleTable | None = None
    """After the plan: the best schedule of some of its decisions, and what it gains over them held constant."""
    decide: Annotated[dict[str, DecisionTable], Field(min_length=1, max_length=MAX_DECISIONS)]
    """The decisions."""
    require: Annotated[tuple[RequireTable, ...], Strict(False)] = ()
    """The requirements."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A parameter that a plan sets, and the values it may have: `start + k * step`, k from 0 to `count - 1`."""

    name: str
    label: str
    unit: str
    start: float
    step: float
    count: int

    def value(self, at: int) -> float:
        """Value number `at`, with the rounding of binary steps taken off."""
        return float(f"{self.start + at * self.step:.12g}")


@dataclass(frozen=True, slots=True)
class WindowEdge:
    """A place in time: `offset` after a variable's value at the start of the run, after its start or end, or (no name) a time."""

    name: str
    offset: float

    @property
    def of_run(self) -> bool:
        """Whether it depends on the run."""
        return self.name not in ("", "start", "end")

    def text(self) -> str:
        """As a file has it."""
        if not self.name:
            return f"{self.offset:g}"
        sign = "+" if self.offset > 0 else "-"
        return self.name + (f" {sign} {abs(self.offset):g}" if self.offset else "")


@dataclass(frozen=True, slots=True)
class Requirement:
    """A limit on a series (or KPI), its form one of FORMS, kept in a run when it is kept throughout its window."""

    name: str
    label: str
    unit: str
    form: str
    level: float
    series: str = ""
    kpi: str = ""
    average: str = ""
    start: WindowEdge = WindowEdge("start", 0.0)
    stop: WindowEdge = WindowEdge("end", 0.0)
    step: float = 0.0

    @property
    def sign(self) -> float:
        """1 where less is safer, -1 where more is."""
        return -1.0 if self.form.endswith("at_least") else 1.0

    @property
    def relative(self) -> bool:
        """Whether it is held against the baseline."""
        return self.form in AGAINST_BASELINE


@dataclass(frozen=True)
class PlanProblem:
    """A plan to be found: checked, names canonical, numbers in the model's units.

    `given` are the settings of every plan, which decisions are laid over; `sense` is 1 where less of the objective is better, -1
    where more is. `frontier` names the requirement whose level moves over `levels`; `added` says that it is the last one and
    asked for by the frontier alone, in place of those called `replaced`. `rules` is what the case says of its variables."""

    baseline: str
    scenario: str
    objective: str
    sense: float
    share: float
    draws: int
    fresh_draws: int
    appraisal_end: float | None
    given: Mapping[str, Setting]
    decisions: tuple[Decision, ...]
    requirements: tuple[Requirement, ...]
    worlds: tuple[tuple[str, float], ...] = ()
    frontier: str = ""
    levels: tuple[float, ...] = ()
    beside: tuple[str, ...] = ()
    schedule: tuple[str, ...] = ()
    every: float = 0.0
    periods: int = 0
    schedule_start: float = 0.0
    replaced: tuple[str, ...] = ()
    added: bool = False
    rules: PlanningTable = field(default_factory=PlanningTable)

    @property
    def size(self) -> int:
        """How many plans there are."""
        return math.prod(item.count for item in self.decisions)


def still_planned(table: PlanTable | None, scenarios: Collection[str], baseline: str) -> PlanTable | None:
    """A plan whose scenarios are still there; None where one is not."""
    if table is None:
        return None
    first = table.baseline or baseline
    return table if first in scenarios and (table.scenario or first) in scenarios else None


def plan_manual(table: PlanTable, experiment: Experiment) -> Iterator[Shown]:
    """What a plan may decide and must keep, as `show` has it."""
    wanted = f"{table.objective}, each requirement kept in {table.kept_in_share_of_runs:.0%} of runs"
    yield f"Plan: best {wanted}; {table.draws} draws, proved on {table.fresh_draws} others; `flowreform plan` finds it"
    rows = [
        (name, number(row.start), number(row.stop), number(row.step), experiment.model[split(name)[0]].units or "")
        for name, row in table.decide.items()
    ]
    yield columns("Decisions", ("name", "from", "to", "step", "unit"), rows, right=(1, 2, 3))
    limits = []
    for item in table.require:
        form = next(name for name in FORMS if getattr(item, name) is not None)
        window = f"{'start' if item.start is None else item.start} to {'end' if item.stop is None else item.stop}"
        words = (item.name or item.series or item.kpi or "", item.series or item.kpi or "", f"{form} {getattr(item, form):g}")
        limits.append((*words, item.average or "", window if item.series else ""))
    if limits:
        yield columns("Requirements", ("name", "of", "limit", "mean of each", "window"), limits)


def problem_of(experiment: Experiment) -> PlanProblem:
    """What `[plan]` of an experiment asks. Raises ExperimentError with every fault, and where there is none."""
    file = str(experiment.path) if experiment.path else "Experiment"
    source = Source(Document(file, {}, {}))
    if experiment.plan is None:
        source.add("no-plan", "the experiment has no [plan]", "add [plan] with decide and require: docs/how_to_plan.md")
        raise ExperimentError(source.findings)
    found = checked_plan(experiment.plan, experiment, source)
    if found is None or source.failed:
        raise ExperimentError(source.findings)
    return found


def checked_plan(table: PlanTable, experiment: Experiment, source: Source) -> PlanProblem | None:
    """The problem that a table states; every fault is added to `source`."""
    model, rules = experiment.model, experiment.case.planning if experiment.case else PlanningTable()
    baseline = table.baseline or experiment.baseline
    start = table.scenario or baseline
    for key, name in (("baseline", baseline), ("scenario", start)):
        if name not in experiment.scenarios:
            hint = did_you_mean(name, experiment.scenarios) or f"scenarios are {', '.join(experiment.scenarios)}"
            source.fault("baseline", ("plan", key), f'there is no scenario "{name}"', hint)
    base = experiment.scenarios.get(start, Scenario(start, start, MappingProxyType({})))
    reader = SettingReader(model, experiment.case.calendar if experiment.case else None, source)
    fixed = reader.read(table.fixed, ("plan", "fixed"))
    given = {name: value for name, value in base.settings.items() if not any(_covers(key, name) for key in fixed)}
    given |= fixed
    rows = [_decision(name, row, experiment, given, source) for name, row in table.decide.items()]
    decisions = tuple(item for item in rows if item is not None)
    _no_overlap(decisions, fixed, source)
    requirements = tuple(
        item for at, row in enumerate(table.require) if (item := _requirement(at, row, experiment, source)) is not None
    )
    _distinct(requirements, source)
    sense = _objective(table, experiment, source)
    _refusals(table, requirements, experiment, rules, source)
    requirements += _of_the_fund(requirements, experiment, rules)
    end = _appraisal_end(table, experiment, source)
    worlds = _worlds(table, experiment, source)
    frontier = _frontier(table, requirements, experiment, source)
    beside = _beside(table, baseline, experiment, source)
    _schedule(table, decisions, experiment, source)
    if source.failed:
        return None
    levels = table.frontier.levels if table.frontier else ()
    schedule = table.schedule
    added = bool(frontier) and frontier not in [item.name for item in requirements]
    replaced: tuple[str, ...] = ()
    if added:
        replaced = tuple(item.name for item in requirements if item.series and split(item.series)[0] in rules.beds)
        requirements += (_of_frontier(frontier, levels, experiment),)
    return PlanProblem(
        baseline, start, table.objective, sense, table.kept_in_share_of_runs, table.draws, table.fresh_draws, end,
        MappingProxyType(given), decisions, requirements, worlds, frontier, levels, beside,
        schedule.levers if schedule else (), schedule.every if schedule else 0.0,
        schedule.periods if schedule else 0, _first(schedule, experiment), replaced, added, rules,
    )  # fmt: skip


def _beside(table: PlanTable, baseline: str, experiment: Experiment, source: Source) -> tuple[str, ...]:
    """The scenarios that stand beside the plan, the baseline first."""
    for at, name in enumerate(table.beside or ()):
        if name not in experiment.scenarios:
            hint = did_you_mean(name, experiment.scenarios) or f"scenarios are {', '.join(experiment.scenarios)}"
            source.fault("baseline", ("plan", "beside", at), f'there is no scenario "{name}"', hint)
    others = tuple(experiment.scenarios)[:4] if table.beside is None else table.beside
    return tuple(dict.fromkeys((baseline, *others)))


def _first(table: ScheduleTable | None, experiment: Experiment) -> float:
    return experiment.start if table is None or table.start is None else table.start


def _schedule(table: PlanTable, decisions: tuple[Decision, ...], experiment: Experiment, source: Source) -> None:
    """A schedule is of decisions, in whole steps of dt, within the horizon, and of no more numbers than can be searched."""
    item = table.schedule
    if item is None:
        return
    loc: Loc = ("plan", "schedule")
    names = [row.name for row in decisions]
    for at, name in enumerate(item.levers):
        if name not in names or name in item.levers[:at]:
            hint = did_you_mean(name, names) or f"decisions are {', '.join(names)}"
            source.fault(
                "schedule", (*loc, "levers", at), "a lever of a schedule is a decision of the plan, named once", hint, name
            )
    if len(item.levers) * item.periods > MAX_DECISIONS:
        reason = f"{len(item.levers)} levers of {item.periods} periods are more than {MAX_DECISIONS} numbers"
        source.fault(
            "limit", (*loc, "periods"), reason, f"take {MAX_DECISIONS // max(1, len(item.levers))} periods, or fewer levers"
        )
    steps = item.every / experiment.dt
    if abs(steps - round(steps)) > 1e-9 * steps or round(steps) < 2:
        reason = f"a period of {item.every:g} is not two or more whole steps of dt {experiment.dt:g}"
        source.fault("schedule", (*loc, "every"), reason, "choose a multiple of dt")
    first = _first(item, experiment)
    if not experiment.start <= first <= first + (item.periods - 1) * item.every < experiment.stop:
        source.fault("schedule", (*loc, "periods"), "the last period begins after the horizon", "take fewer or shorter periods")


def _covers(one: str, other: str) -> bool:
    """Whether setting `one` sets `other` too: itself, or the array that it is an element of."""
    return one == other or one == split(other)[0]


def _decision(
    text: str, row: DecisionTable, experiment: Experiment, given: Mapping[str, Setting], source: Source
) -> Decision | None:
    loc: Loc = ("plan", "decide", text)
    named = find(experiment.model, text, parameter=True)
    if isinstance(named, Unknown):
        source.fault("unknown-parameter", loc, named.reason, named.repair, element=text)
        return None
    if row.stop < row.start:
        source.fault("decision", (*loc, "to"), f"to {row.stop:g} is below from {row.start:g}", "swap them")
        return None
    count = (row.stop - row.start) / row.step
    if abs(count - round(count)) > 1e-6 * max(1.0, count):
        near = row.start + math.floor(count + 1e-9) * row.step
        reason = f"{row.start:g} to {row.stop:g} is no whole number of steps of {row.step:g}"
        source.fault("decision", (*loc, "step"), reason, f"write to = {near:g}")
        return None
    low, high = named.variable.range
    for key, value in (("from", row.start), ("to", row.stop)):
        if (low is not None and value < low) or (high is not None and value > high):
            span = f"{'-' if low is None else f'{low:g}'} to {'-' if high is None else f'{high:g}'}"
            source.fault(
                "outside-range", (*loc, key), f"{value:g} is outside the range {span} of {named.name}", "choose one inside"
            )
    if any(isinstance(value, Points) and (_covers(key, named.name) or _covers(named.name, key)) for key, value in given.items()):
        source.fault("decision", loc, "the scenario that the plan starts from sets it over time", "take it out of that scenario")
    levers = experiment.levers
    if levers and named.name not in levers and split(named.name)[0] not in levers:
        source.warn("decision", loc, "the case does not name it as a lever: nobody may be able to set it", "decide on levers")
    lever = levers.get(named.name) or levers.get(split(named.name)[0])
    label = (lever.label if lever and named.name in levers else "") or named.variable.label or named.name.replace("_", " ")
    if split(named.name)[1]:
        label = f"{lever.label if lever else label}: {', '.join(split(named.name)[1])}"
    return Decision(named.name, label, named.variable.units or "", row.start, row.step, round(count) + 1)


def _no_overlap(decisions: tuple[Decision, ...], fixed: Mapping[str, Setting], source: Source) -> None:
    names = [item.name for item in decisions]
    for at, name in enumerate(names):
        for other in names[at + 1 :]:
            if _covers(name, other) or _covers(other, name):
                source.fault("decision", ("plan", "decide"), f"{name} and {other} decide on the same number", "keep one")
        for other in fixed:
            if _covers(other, name) or _covers(name, other):
                source.fault("decision", ("plan", "fixed", other), f"{name} is decided as well", "fix it or decide it")
    if math.prod(item.count for item in decisions) > MAX_PLANS:
        source.fault("limit", ("plan", "decide"), f"there are more than {MAX_PLANS:,} plans", "take larger steps")


_MOMENT = re.compile(rf"\s*([^\s+\-][^+\-]*?)\s*(?:([+-])\s*({NUMBER})\s*)?$")


def _moment(given: float | str | None, usual: str, loc: Loc, experiment: Experiment, source: Source) -> WindowEdge:
    if given is None:
        return WindowEdge(usual, 0.0)
    if not isinstance(given, str):
        return WindowEdge("", float(given))
    match = _MOMENT.fullmatch(given)
    if match is None:
        source.fault("window", loc, f'"{given}" is no place in time', 'write a time, "start", "end", or a variable with "+ 12"')
        return WindowEdge("start", 0.0)
    offset = float(match[3]) * (-1.0 if match[2] == "-" else 1.0) if match[2] else 0.0
    if match[1] in ("start", "end"):
        return WindowEdge(match[1], offset)
    named = find(experiment.model, match[1])
    if isinstance(named, Unknown):
        repair = f'{named.repair or ""}; or "start" or "end"'.lstrip("; ")
        source.fault("unknown-variable", loc, named.reason, repair, element=match[1])
    elif named.variable.units != experiment.model.specs.time_unit:
        unit = experiment.model.specs.time_unit
        reason = f"{named.name} is in {named.variable.units or 'no unit'}, and a place in time is in {unit}"
        source.fault("window", loc, reason, "name a variable that holds a date")
    else:
        return WindowEdge(named.name, offset)
    return WindowEdge("start", 0.0)


def _requirement(at: int, row: RequireTable, experiment: Experiment, source: Source) -> Requirement | None:
    loc: Loc = ("plan", "require", at)
    forms = [name for name in FORMS if getattr(row, name) is not None]
    if len(forms) != 1:
        reason = f"a requirement has one limit, and this has {', '.join(forms) or 'none'}"
        source.fault("requirement", (*loc, forms[1]) if forms[1:] else loc, reason, f"give one of {', '.join(FORMS)}")
        return None
    form, level = forms[0], float(getattr(row, forms[0]))
    if form in AGAINST_BASELINE and row.against is None:
        source.fault("requirement", (*loc, form), f"{form} is relative to the baseline", 'add against = "baseline"')
    if form not in AGAINST_BASELINE and row.against is not None:
        repair = "write times, plus, difference_at_most or difference_at_least, or take against away"
        source.fault("requirement", (*loc, "against"), f"{form} is a level, and not relative to the baseline", repair)
    if (row.series is None) == (row.kpi is None):
        source.fault("requirement", loc, "a requirement is on a series or on a KPI", "write series = or kpi =")
        return None
    step = row.step if row.step is not None else abs(level) / 100.0 or 0.01
    if row.kpi is not None:
        return _of_kpi(row, loc, form, level, step, experiment, source)
    named = find(experiment.model, row.series or "")
    if isinstance(named, Unknown):
        source.fault("unknown-variable", (*loc, "series"), named.reason, named.repair, element=row.series)
        return None
    if named.variable.dimensions and not split(named.name)[1]:
        source.fault(
            "requirement", (*loc, "series"), f"{named.name} has elements, and a requirement is on one number", "name an element"
        )
        return None
    start = _moment(row.start, "start", (*loc, "from"), experiment, source)
    stop = _moment(row.stop, "end", (*loc, "until"), experiment, source)
    if row.average is not None and (reason := _too_short(row.average, experiment)):
        source.fault("requirement", (*loc, "average"), reason, "set a smaller save_every, or leave average out")
    _window(start, stop, loc, experiment, source)
    label = named.variable.label or named.name.replace("_", " ")
    return Requirement(
        row.name or named.name, label, named.variable.units or "", form, level, series=named.name, average=row.average or "",
        start=start, stop=stop, step=step,
    )  # fmt: skip


def _of_kpi(
    row: RequireTable, loc: Loc, form: str, level: float, step: float, experiment: Experiment, source: Source
) -> Requirement | None:
    name = row.kpi or ""
    if name not in experiment.kpis:
        hint = did_you_mean(name, experiment.kpis) or f"KPIs are {', '.join(experiment.kpis)}"
        source.fault("unknown-kpis", (*loc, "kpi"), "the experiment has no such KPI", hint, element=name)
        return None
    for key in ("average", "start", "stop"):
        if getattr(row, key) is not None:
            word = {"start": "from", "stop": "until"}.get(key, key)
            source.fault("requirement", (*loc, word), "a KPI has a window of its own", "take it away, or name a series")
    item = experiment.kpis[name]
    if item.against is not None and form in AGAINST_BASELINE:
        source.fault("requirement", (*loc, form), f"{name} is a difference to the baseline already", "write at_most or at_least")
    return Requirement(row.name or name, item.label or name.replace("_", " "), item.unit or "", form, level, kpi=name, step=step)


def _window(start: WindowEdge, stop: WindowEdge, loc: Loc, experiment: Experiment, source: Source) -> None:
    """Windows that are known before any run must lie inside the horizon and not be empty."""
    ends = []
    for key, moment in (("from", start), ("until", stop)):
        if moment.of_run:
            return
        time = moment.offset + {"start": experiment.start, "end": experiment.stop}.get(moment.name, 0.0)
        if not experiment.start - 1e-9 <= time <= experiment.stop + 1e-9:
            span = f"{experiment.start:g} to {experiment.stop:g}"
            source.fault(
                "window", (*loc, key), f"time {time:g} is not inside the run, {span}", 'choose one inside; "end" is the horizon'
            )
        ends.append(time)
    if ends[1] < ends[0]:
        source.fault("window", (*loc, "until"), "the window ends before it begins", "swap from and until")


def period_length(average: str, experiment: Experiment) -> float:
    """A month, quarter or year in the model's time unit; 0 where that unit is no part of the calendar."""
    months = {"month": 1.0, "quarter": 3.0, "year": 12.0}[average]
    unit = (
        experiment.case.calendar.time_unit if experiment.case and experiment.case.calendar else experiment.model.specs.time_unit
    )
    word = unit.strip().lower().removesuffix("s")
    return months / {"month": 1.0, "quarter": 3.0, "year": 12.0, "day": 12.0 / 365.25, "week": 84.0 / 365.25}.get(word, math.inf)


def _too_short(average: str, experiment: Experiment) -> str:
    length = period_length(average, experiment)
    if length <= 0:
        return f"a {average} has no length in {experiment.model.specs.time_unit}"
    count = length / experiment.save_every
    if round(count) < 1 or abs(count - round(count)) > 1e-6 * count:
        return (
            f"a {average} is no whole number of saving intervals of {experiment.save_every:g} {experiment.model.specs.time_unit}"
        )
    return ""


def _distinct(requirements: tuple[Requirement, ...], source: Source) -> None:
    names = [item.name for item in requirements]
    for at, name in enumerate(names):
        if name in names[:at]:
            source.fault("duplicate", ("plan", "require", at), f'two requirements are called "{name}"', "give each a name")


def _objective(table: PlanTable, experiment: Experiment, source: Source) -> float:
    loc: Loc = ("plan", "objective")
    kpi = experiment.kpis.get(table.objective)
    if kpi is None:
        hint = did_you_mean(table.objective, experiment.kpis) or f"KPIs are {', '.join(experiment.kpis) or 'none'}"
        source.fault("unknown-kpis", loc, f'the experiment has no KPI "{table.objective}"', hint)
        return 1.0
    if kpi.better == "neither":
        source.fault(
            "objective", loc, f"neither direction of {table.objective} is better", "choose a KPI with a better direction"
        )
    if isinstance(kpi, Measure) and kpi.is_time:
        source.fault("objective", loc, f"{table.objective} is a date that may never come, which has no mean", "choose an amount")
    return -1.0 if kpi.better == "higher" else 1.0


def _refusals(
    table: PlanTable, requirements: tuple[Requirement, ...], experiment: Experiment, rules: PlanningTable, source: Source
) -> None:
    """What would let a plan look good by not treating people, or by ending before its cost comes."""
    loc: Loc = ("plan", "objective")
    read = [
        {split(item.series)[0]} if item.series else {split(name)[0] for name in experiment.kpis[item.kpi].variables}
        for item in requirements
    ]
    patients = any(names & set(rules.patients) for names in read)
    beds = any(names & set(rules.beds) for names in read)
    reason = f"{table.objective} can always be made small by not treating people"
    if table.objective in (*rules.cash, *rules.cost_parts) and not patients:
        repair = f"require one of {', '.join(rules.patients)} against the baseline (times = 1.02), or take net_present_cost"
        source.fault("objective", loc, reason, repair)
    if table.objective in rules.cost_parts and not beds:
        reason = f"{table.objective} is a part of the cost, and a plan that moves nothing has none of it"
        repair = f"require fewer beds ({' or '.join(rules.beds)}, difference_at_most) to the end, or take net_present_cost"
        source.fault("objective", loc, reason, repair)
    for at, item in enumerate(table.require):
        named = find(experiment.model, item.series) if item.series is not None else None
        if named is None or isinstance(named, Unknown) or split(named.name)[0] not in rules.beds:
            continue
        if item.stop is not None and item.stop not in ("end", experiment.stop):
            reason = "beds that may open again after the window are not closed"
            source.fault("window", ("plan", "require", at, "until"), reason, 'write until = "end"')


def _of_the_fund(requirements: tuple[Requirement, ...], experiment: Experiment, rules: PlanningTable) -> tuple[Requirement, ...]:
    """No plan may live on a fund in its last months, unless a requirement speaks of the fund."""
    if not rules.fund or any(split(item.series)[0] == rules.fund for item in requirements if item.series):
        return ()
    length = experiment.stop - experiment.start
    if length <= rules.months_without_fund:
        return ()
    variable = experiment.model[rules.fund]
    label = variable.label or rules.fund.replace("_", " ")
    name = f"no fund in the last {rules.months_without_fund:g} {experiment.model.specs.time_unit}s"
    start = WindowEdge("end", -rules.months_without_fund)
    return (Requirement(name, label, variable.units or "", "at_most", rules.fund_left, series=rules.fund, start=start, step=0.0),)


def _of_frontier(kpi: str, levels: tuple[float, ...], experiment: Experiment) -> Requirement:
    """A KPI that only the frontier limits: at most a level where lower is better, else at least."""
    item = experiment.kpis[kpi]
    form = "at_most" if item.better == "lower" else "at_least"
    step = abs(levels[-1] - levels[0]) / 10.0
    return Requirement(kpi, item.label or kpi.replace("_", " "), item.unit or "", form, levels[0], kpi=kpi, step=step)


def _appraisal_end(table: PlanTable, experiment: Experiment, source: Source) -> float | None:
    if not any(kpi.run_on is not None for kpi in experiment.kpis.values()):
        if table.appraisal_end is not None:
            reason = "no KPI of the experiment has a run_on, so that nothing is read after the horizon"
            source.fault("horizon", ("plan", "appraisal_end"), reason, "leave it out")
        return None
    end = table.appraisal_end if table.appraisal_end is not None else experiment.appraisal_end
    end = experiment.start + 2 * (experiment.stop - experiment.start) if end is None else end
    steps = (end - experiment.stop) / experiment.save_every
    if end < experiment.stop or abs(steps - round(steps)) > 1e-6 * max(1.0, steps):
        reason = f"appraisal_end {end:g} is not the horizon {experiment.stop:g} and whole saving intervals after it"
        source.fault("horizon", ("plan", "appraisal_end"), reason, "move it")
    return end


def _worlds(table: PlanTable, experiment: Experiment, source: Source) -> tuple[tuple[str, float], ...]:
    found = []
    for text, values in table.worlds.items():
        named = find(experiment.model, text, parameter=True)
        loc: Loc = ("plan", "worlds", text)
        if isinstance(named, Unknown):
            source.fault("unknown-parameter", loc, named.reason, named.repair, element=text)
            continue
        low, high = named.variable.range
        for at, value in enumerate(values):
            if (low is not None and value < low) or (high is not None and value > high):
                source.fault("outside-range", (*loc, at), f"{value:g} is outside the range of {named.name}", "choose one inside")
            found.append((named.name, value))
    return tuple(found)


def _frontier(table: PlanTable, requirements: tuple[Requirement, ...], experiment: Experiment, source: Source) -> str:
    """The name of the requirement whose level moves; of a KPI that none limits, the KPI's own."""
    if table.frontier is None:
        return ""
    loc: Loc = ("plan", "frontier", "levels")
    levels = table.frontier.levels
    if any(after <= before for before, after in pairwise(levels)):
        source.fault("frontier", loc, "levels rise from one to the next", "put them in order, each once")
    wanted = table.frontier.against
    for item in requirements:
        if wanted in (item.name, item.series, item.kpi):
            return item.name
    if wanted in experiment.kpis:
        return wanted
    known = [*(item.name for item in requirements), *experiment.kpis]
    hint = did_you_mean(wanted, known) or f"requirements are {', '.join(item.name for item in requirements) or 'none'}"
    source.fault("frontier", ("plan", "frontier", "against"), f'there is no requirement or KPI "{wanted}"', hint)
    return ""
