"""The tables of an experiment file, field by field, and the frozen `Experiment` they make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, Strict

from flowreform.toml import Table

MAX_RUNS = 1_000_000_000
"""Most runs (scenarios x draws) of one experiment."""
MAX_SCENARIOS = 1_000
"""Most scenarios of one experiment."""
MAX_STEPS = 10_000_000
"""Most steps of dt in one run."""

Design = Literal["random", "latin_hypercube", "sobol"]


def _all_or_names(given: object) -> object:
    if given in ("all", "stocks") or given is None:
        return given
    if isinstance(given, list) and all(isinstance(name, str) for name in given):
        return tuple(given)
    raise ValueError('"all" or a list of names is needed')


def _conditioned_prior_or_names(given: object) -> object:
    if given in ("conditioned", "prior") or given is None or (isinstance(given, str) and given.lower().endswith(".csv")):
        return given
    if isinstance(given, list) and all(isinstance(name, str) for name in given):
        return tuple(given)
    raise ValueError('"conditioned", "prior", a list of names or a file of draws (.csv) is needed')


Ensembles = Annotated[Any, BeforeValidator(_conditioned_prior_or_names)]
AllOrNames = Annotated[Any, BeforeValidator(_all_or_names)]


class ExperimentTable(Table):
    """`[experiment]`: what is asked, of which model, and how it is run."""

    title: str
    """Title shown on tables and charts."""
    question: str
    """The one question it answers."""
    model: str
    """A bundled model's name, or a path from the experiment file."""
    start: float | None = None
    """First model time; the model's own when missing."""
    stop: float | None = None
    """Last model time; the model's own when missing."""
    appraisal_end: float | None = None
    """Runs go on to this model time, with levers as they are, for KPIs that have a run_on; all else ends at stop."""
    save: AllOrNames = None
    """Variables kept over time: a list, "stocks" or "all". Those that KPIs, charts and reference series need are always kept."""
    save_every: float | None = None
    """Saving interval in the model's time unit: a multiple of dt."""
    draws: Annotated[int, Field(ge=1, le=MAX_RUNS)] = 1
    """Samples of all uncertainties, shared by the scenarios."""
    design: Design = "random"
    """How they are drawn: random, latin_hypercube or sobol."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Where randomness starts: the same seed gives the same draws."""
    noise_seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    """Random functions of the model draw before each run, from this seed and the number of the draw; refused when missing."""
    baseline: str | None = None
    """The scenario that the others are contrasted with; the first one when missing."""
    ensemble: Ensembles = None
    """Where draws come from: "conditioned", the model's posterior (posterior.csv beside it), or a list of those inputs that come
    from it; "prior", each input's own distribution; a file beside this one, draws of the system calibrated to its own months
    (`flowreform fit FILE --history`). When missing: the posterior where there is one."""
    uncertainties: AllOrNames = None
    """Which inputs vary: "all" those of the case, or a list. When missing: all when there is more than one draw."""
    kpis: AllOrNames = "all"
    """What is reported: "all" KPIs of the case, or a list. Those defined here are always among them."""


class ScenarioTable(Table):
    """`[scenarios.<name>]`: a named setting of parameters."""

    label: str = ""
    """The name shown."""
    setting: str = ""
    """The setting of the case that it starts from; the model as it stands when missing."""
    settings: Annotated[dict[str, Any], Field(alias="set", default_factory=dict)]
    """`set`: parameter = number, { value =, unit = } or { points = [[time or date, value], ...] }."""


def _none_all_or_count(given: object) -> object:
    if given in ("none", "all") or (isinstance(given, int) and not isinstance(given, bool) and given > 0):
        return given
    raise ValueError('"none", "all" or a number of draws is needed')


def _shares(given: object) -> object:
    if isinstance(given, list | tuple) and all(isinstance(q, float) and 0.0 < q < 1.0 for q in given):
        return tuple(sorted(set(given)))
    raise ValueError("a list of numbers between 0 and 1 is needed")


class SweepTable(Table):
    """`[sweep]`: what a sweep keeps beside the KPIs of every run, and how it is cut up."""

    trajectories: Annotated[Literal["none", "all"] | int, BeforeValidator(_none_all_or_count)] = "none"
    """Whose courses over time are kept, of the variables in save: "none", "all", or of the first so many draws."""
    quantiles: Annotated[tuple[float, ...], BeforeValidator(_shares)] = ()
    """Quantiles over the draws, at every saved time, of the variables in save: such as [0.1, 0.5, 0.9]."""
    draws_per_part: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    """Draws that are written together, each with all its scenarios; chosen by the size of the model when missing."""
    seconds_per_run: Annotated[float, Field(gt=0)] | None = None
    """A run that takes longer counts as failed; no limit when missing."""


Names = Annotated[tuple[str, ...], Strict(False)]


class PaperTable(Table):
    """`[paper]`: what the decision paper of an experiment says and shows; what is missing is chosen by the order of the files."""

    answer: str = ""
    """The author's answer, in three sentences at most; the case's conclusions that hold in the draws when missing."""
    options: Annotated[Names, Field(max_length=4)] = ()
    """Up to four scenarios, side by side; the baseline and those after it when missing."""
    outcomes: Annotated[Names, Field(max_length=7)] = ()
    """Up to seven KPIs, a row each, the one that decides first; those with a better direction when missing."""
    decides: str = ""
    """The variable, or one element of it, whose course is charted; that of the first outcome when missing."""
    levers: Annotated[Names, Field(max_length=8)] = ()
    """Up to eight parameters with a slider; those that the options set when missing."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Which file an uncertainty or KPI comes from: `file` and `line`, and the keys that the experiment overrides."""

    file: str
    line: int
    overridden: tuple[str, ...] = ()

    def __str__(self) -> str:
        keys = f" (overrides {', '.join(self.overridden)})" if self.overridden else ""
        return f"{self.file}:{self.line}{keys}"
