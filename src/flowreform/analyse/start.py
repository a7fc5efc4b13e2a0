"""The start of a system before anything is run: what its numbers come to, what does not add up, and which inputs matter most.

What a system counts is held; stays, waits and referrals are solved from it. Here both stand side by side, with the identities
that the model's `start.csv` names, the same of the national system, and the median and best quarter of real systems where they
are known. One step of the model is run for it, and, for the inputs that matter most, one run at each end of each range.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from flowreform.arithmetic import INFINITY, NAN
from flowreform.batch import Batch
from flowreform.case.form import Field, Form, Identity
from flowreform.case.solving import off
from flowreform.case.uncertainty import Uncertainty
from flowreform.errors import ExperimentError, error
from flowreform.experiment import Experiment, Subject, as_experiment
from flowreform.experiment.system import EnteredField, System, shown
from flowreform.names import element_names, split
from flowreform.text import Manual, Shown, columns, number

MOST = 10
"""So many inputs are named."""


@dataclass(frozen=True)
class StartLine:
    """An identity: what the start comes to here and in the national system, what was counted, and whether they agree.

    `off` is what is missing or too much, in the identity's unit: 0 where they agree."""

    identity: Identity
    value: float
    national: float
    counted: float | None
    off: float

    @property
    def closes(self) -> bool:
        """Whether nothing is missing."""
        return self.off == 0.0

    @property
    def said(self) -> str:
        """What does not add up, by how much, and what to change; "" where it does."""
        unit = self.identity.unit
        if self.closes:
            return ""
        if self.counted is not None and self.off == self.value - self.counted:
            how = f"{shown(self.counted, unit)} counted, {shown(self.value, unit)} by the other numbers"
        else:
            least = self.identity.at_least is not None and self.value < self.identity.at_least
            bound = self.identity.at_least if least else self.identity.at_most
            how = f"{shown(self.value, unit)}, and it must be {'at least' if least else 'at most'} {shown(bound or 0.0, unit)}"
        return f"{self.identity.label}: {how}; {shown(abs(self.off), unit)} off. Change {self.identity.change}."


@dataclass(frozen=True)
class Mover:
    """An input, and the answer with it at the low and the high end of its range, less that at its middle."""

    name: str
    label: str
    low: float
    high: float
    at_low: float
    at_high: float
    unit: str
    blank: bool

    @property
    def swing(self) -> float:
        """How far the answer moves."""
        return abs(self.at_high - self.at_low)


@dataclass(frozen=True, repr=False)
class SystemStart(Manual):
    """What `start` found. `movers` are the inputs that move `answer` most, first the strongest; none where nothing was run."""

    title: str
    system: System | None
    lines: tuple[StartLine, ...]
    movers: tuple[Mover, ...]
    answer: str
    answer_unit: str

    @property
    def open(self) -> tuple[StartLine, ...]:
        """The identities that do not add up."""
        return tuple(line for line in self.lines if not line.closes)

    def manual(self) -> Iterator[Shown]:
        """The entries and blanks, the identities, what does not add up, and the inputs that matter most."""
        yield f"{self.title}: the start, before anything is run"
        if self.system:
            yield columns("Counted", ("field", "", "entered", "note"), self.entered())
            blanks = self.system.blanks.items()
            shown_first = [(name, item) for name, item in blanks if item.field.depth == "first" or item.how == "solved"]
            missing = [(name, item.field.label, shown(item.value, item.field.unit), item.how) for name, item in shown_first]
            yield columns("Left blank", ("field", "", "taken", "from"), missing, right=(2,))
        yield columns("What it comes to", HEADS, self.rows(), right=(1, 2, 3, 4, 5))
        yield from (f"{OPEN} {line.said}" for line in self.open)
        if not self.open:
            yield ALL_AGREE
        if self.movers:
            yield columns(f"Moves the answer most: {self.answer}", MOVED, self.moved(), right=(1, 2, 3, 4))

    def entered(self) -> list[tuple[str, str, str, str]]:
        """Rows of the entries."""
        entries: tuple[EnteredField, ...] = tuple(self.system.entries.values()) if self.system else ()
        return [(item.word, item.field.label, item.text, item.outside) for item in entries]

    def rows(self) -> list[tuple[str, ...]]:
        """Rows of the identities."""
        found = []
        for line in self.lines:
            item = line.identity
            cells = (line.value, line.counted, line.national, item.median, item.best_quarter)
            texts = ["" if value is None or value != value else shown(value, item.unit) for value in cells]
            low, high = item.low, item.high
            unusual = (low is not None and line.value < low) or (high is not None and line.value > high)
            note = "does not add up" if not line.closes else "unusual" if unusual else ""
            found.append((item.label, *texts, note))
        return found

    def moved(self) -> list[tuple[str, ...]]:
        """Rows of the inputs that matter most."""
        unit = "" if self.answer_unit in ("", "1", "dimensionless") else f" {self.answer_unit}"
        return [
            (f"{item.label}{' (blank)' if item.blank else ''}", number(item.low), number(item.high),
             f"{number(item.at_low)}{unit}", f"{number(item.at_high)}{unit}")
            for item in self.movers
        ]  # fmt: skip

    def as_dict(self) -> dict[str, object]:
        """For scripts."""
        return {
            "title": self.title,
            "entered": {item.field.name: item.value for item in (self.system.entries.values() if self.system else ())},
            "blank": {name: {"value": item.value, "from": item.how} for name, item in
                      (self.system.blanks.items() if self.system else ())},
            "start": [{"label": line.identity.label, "value": line.value, "national": line.national, "counted": line.counted,
                       "unit": line.identity.unit, "off": line.off} for line in self.lines],
            "does_not_close": [line.said for line in self.open],
            "answer": self.answer,
            "moves_it_most": [{"name": item.name, "low": item.low, "high": item.high, "at_low": item.at_low,
                               "at_high": item.at_high} for item in self.movers],
        }  # fmt: skip


OPEN = "Does not add up."
ALL_AGREE = "All counts agree with one another."
"""Said without the word "close", which a planner reads as beds."""
HEADS = ("", "here", "counted", "national", "median of systems", "best quarter", "")
MOVED = ("input", "low", "high", "answer at low", "at high")


def start(experiment: Subject, *, movers: bool = True) -> SystemStart:
    """The solved start of an experiment's system beside what was counted, and the inputs that move the answer most.

    `experiment` is an Experiment, a bundled name, a path, or a Model. The answer is the first outcome of its paper (or the first
    KPI with a better direction) in its last scenario, less that of the baseline. Without `movers` one step is run and no more.
    Raises ExperimentError where the model has no form::

        fr.start("care_shift", movers=False)
    """
    experiment = as_experiment(experiment)
    case = experiment.unfilled[1]
    form = case.form if case else None
    if form is None:
        raise ExperimentError(
            error("no-form", "the model has no form.csv beside it", "use care_shift", file=experiment.model.file)
        )
    lines = tuple(_lines(experiment, form))
    found, answer, unit = _movers(experiment, form) if movers else ((), "", "")
    system = experiment.system
    return SystemStart((system.name if system else "") or experiment.title, system, lines, found, answer, unit)


def _lines(experiment: Experiment, form: Form) -> Iterator[StartLine]:
    """One step of two runs: the system, and the national one."""
    model, system = experiment.model, experiment.system
    wanted = {name for item in form.start for name in (*item.expression.of, *item.expression.over)}
    save = tuple(name for name in model.variables if any(split(one)[0] == name for one in wanted))
    specs = replace(model.specs, start=experiment.start, stop=experiment.start + model.specs.dt)
    before, _ = experiment.unfilled
    values = {}
    for at, one in enumerate((model, before)):
        ran = Batch(replace(one, specs=specs), save, model.specs.dt, "python").run({}, {}, 1).values
        for name in save:
            cells = np.asarray(ran[name])[..., 0, 0].ravel()
            for element, value in zip(element_names(one, one.variables[name]), cells, strict=True):
                values[at, element] = float(value)
    for item in form.start:
        given = {name: values[0, name] for name in wanted if (0, name) in values}
        national = {name: values[1, name] for name in wanted if (1, name) in values}
        compared = system.entries if system else {}
        given |= {name: compared[name].value for name in wanted if name in compared}
        names = (*item.expression.of, *item.expression.over)
        if any(name not in given for name in names):
            continue
        value = item.expression.at(given)
        other = item.expression.at(national) if all(name in national for name in names) else float("nan")
        counted = compared[item.entered].value if item.entered in compared else None
        yield StartLine(item, value, other, counted, _off(item, value, counted))


def _off(item: Identity, value: float, counted: float | None) -> float:
    least = -INFINITY if item.at_least is None else item.at_least
    most = INFINITY if item.at_most is None else item.at_most
    return off(value, NAN if counted is None else counted, least, most)


def _movers(experiment: Experiment, form: Form) -> tuple[tuple[Mover, ...], str, str]:
    from flowreform.analyse.sensitivity import sensitivity
    from flowreform.kpi import NOISE, kpi_unit

    outcomes = [*experiment.paper.outcomes, *(name for name, item in experiment.kpis.items() if item.better != "neither")]
    options = [name for name in (*experiment.paper.options, *experiment.scenarios) if name != experiment.baseline]
    answer = next(iter(outcomes), None)
    if answer is None or not options:
        return (), "", ""
    option = options[-1]
    uncertainties = dict(_ranges(experiment, form))
    whole = {split(name)[0] for name in uncertainties if "[" in name}
    known = experiment.case.uncertainties if experiment.case else {}
    uncertainties |= {name: item for name, item in known.items() if name not in whole}
    uncertainties |= experiment.uncertainties
    settings = {name for item in experiment.scenarios.values() for name in item.settings}
    uncertainties = {name: item for name, item in uncertainties.items() if name not in settings}
    tried = experiment.with_(uncertainties=uncertainties, kpis=[answer], draws=2, scenarios={
        name: experiment.scenarios[name] for name in (experiment.baseline, option)}, correlations=[])  # fmt: skip
    tried = replace(tried, correlations=())  # the parts of one uncertain total, each alone
    against = experiment.kpis[answer].against is not None  # the baseline is in it already
    pair = None if against else (option, experiment.baseline)
    ds = sensitivity(tried, "tornado", scenario=option if against else None, contrast=pair, kpis=[answer], variables=[])
    index = ds["kpi_index"].isel(scenario=0).sel(kpi=answer)
    found = []
    for name in map(str, ds["parameter"].values):
        item = uncertainties[name]
        low, high = (float(item.quantile(np.array([at]))[0]) for at in (0.1, 0.9))
        at_low, at_high = (float(index.sel(parameter=name, index=one)) for one in ("low", "high"))
        blank = experiment.system is not None and name not in experiment.uncertainties and name not in known
        found.append(Mover(name, item.label or name.replace("_", " "), low, high, at_low, at_high, item.unit, blank))
    found.sort(key=lambda mover: -mover.swing if mover.swing == mover.swing else 0.0)
    kpi = experiment.kpis[answer]
    words = f"{kpi.label or answer.replace('_', ' ')}, {experiment.scenarios[option].label}, against the baseline"
    moving = [mover for mover in found if mover.swing > NOISE * kpi.floor]
    return tuple(moving[:MOST]), words, kpi_unit(kpi, experiment)


def _ranges(experiment: Experiment, form: Form) -> Iterator[tuple[str, Uncertainty]]:
    """The range of real systems for each blank field that is one parameter."""
    system = experiment.system
    if system is None:
        return
    for name, blank in system.blanks.items():
        item: Field = blank.field
        low, high = system.range_of(item)
        if blank.how == "solved" or low is None or high is None or len(item.parameters) != 1 or not low < high:
            continue
        (one,) = item.parameters
        scale = item.sum.at({"value": 1.0}) if item.sum.of == ("value",) and not item.sum.over else 0.0
        if not scale:
            continue
        unit = experiment.model.variables[split(one)[0]].units or "1"
        yield one, Uncertainty(
            label=item.label, distribution="uniform", low=low * scale, high=high * scale, unit=unit, source=item.source or name,
            status="assumption",
        )  # fmt: skip
