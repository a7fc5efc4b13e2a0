"""The tables of a case file (`model.toml`), field by field, and the frozen `Case` they make.

Question, boundary and calendar; which parameters are levers and which are uncertainties, with sources; KPIs, reference
series, targets, gates and charts. Never a value that the equations hold.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, Strict

from flowreform.calendar import Calendar
from flowreform.case.observations import Observation
from flowreform.case.uncertainty import Sourced, Status, Uncertainty
from flowreform.errors import Finding
from flowreform.measure import Measure
from flowreform.names import join, split
from flowreform.toml import Document, Table

Strings = Annotated[tuple[str, ...], Strict(False)]


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


@dataclass(frozen=True)
class Case:
    """A case file, checked against its model. All names are canonical; mappings are read-only and in file order.

    `observations` are the rows of `reference.csv` beside it. `findings` holds the warnings, `document` the file as written.
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
    settings: Mapping[str, Setting] = field(default_factory=dict)
    observations: tuple[Observation, ...] = ()
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
        try:
            found[join(*split(name))] = float(value)
        except ValueError:
            return None
    return found
