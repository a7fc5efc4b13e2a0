"""A planner's system calibrated to its own months: posterior, back-test, and the draws that later runs take.

Few numbers are fitted: the levels that were counted, growth of need, the height of winter, and a drift of those who wait. The
rest stays as entered. The plan's start is put where the months lead: the level without season and winter, with what the
residuals leave of themselves over the plan's first year.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowreform.analyse.fitting.history import History, read_history
from flowreform.analyse.fitting.months import MonthsLikelihood, likelihood_of, settings_of
from flowreform.analyse.fitting.posterior import BAND, DRAWS, ENSEMBLES, MOST, WALKERS, Known, Sampled, band, sampled, thinned
from flowreform.analyse.fitting.sampler import Chains, Sampler, Stream
from flowreform.case.ensemble import DIGITS, Ensemble, write_text
from flowreform.case.fingerprint import fingerprint
from flowreform.errors import ExperimentError, error
from flowreform.experiment import Experiment
from flowreform.statistics import quantiles
from flowreform.text import Shown

Floats = NDArray[np.float64]

HELD_OUT = 6
"""Months that the back-test holds out, the last ones."""
YEAR = 12
AHEAD = 12
"""The plan may start so many months after the last one counted."""
NARROWED = 0.1
"""A parameter whose 80 % band got narrower by less than this share is told as not identified."""


@dataclass(frozen=True, slots=True)
class Month:
    """One month of one series: what was counted (NaN for nothing) and the 10th, 50th and 90th percentile.

    `held_out` is True in the back-test's months, which that fit had not seen; `ahead` after the last month counted."""

    series: str
    month: str
    observed: float
    band: tuple[float, float, float]
    held_out: bool = False
    ahead: bool = False


@dataclass(frozen=True, slots=True)
class BackTest:
    """The back-test of one series: mean absolute errors over the months held out, and how many of them the 80 % bands held."""

    series: str
    months: int
    error: float
    last_value: float
    same_month: float
    inside: int


@dataclass(frozen=True, repr=False)
class Calibration(Sampled):
    """A system calibrated to its own months. `repr` and `str` are the report.

    `ensemble` holds the draws of the model's parameters at the plan's start; `parameters` what the months say of each fitted
    number, `months` the counts beside the bands, `scores` the back-test: empty, with the reason in `untested`, where there are
    too few months."""

    experiment: str
    ensemble: Ensemble
    parameters: tuple[Known, ...]
    months: tuple[Month, ...]
    scores: tuple[BackTest, ...]
    untested: str
    labels: Mapping[str, str]
    first: str
    last: str
    start: str
    runs: int
    iterations: int
    seed: int
    command: str

    @property
    def unknown(self) -> tuple[str, ...]:
        """The fitted numbers that the months say next to nothing of: they stay at their priors."""
        return tuple(item.name for item in self.parameters if item.narrowed < NARROWED)

    def as_dict(self) -> dict[str, Any]:
        """For scripts: plain values, without the draws."""
        found = {key: value for key, value in self.__dict__.items() if key not in ("ensemble", "parameters", "months", "scores")}
        tables = {
            "parameters": [{**asdict(item), "narrowed": item.narrowed} for item in self.parameters],
            "months": [asdict(item) | ({} if item.observed == item.observed else {"observed": None}) for item in self.months],
            "back_test": [asdict(item) for item in self.scores],
        }  # fmt: skip
        about = {
            "r_hat": self.r_hat,
            "effective": self.effective,
            "draws": len(self.ensemble),
            "not_identified": list(self.unknown),
        }
        return {**found, "labels": dict(self.labels)} | about | tables

    def manual(self) -> Iterator[Shown]:
        """The report: what the months say, the back-test, how it was sampled."""
        from flowreform.analyse.fitting.report import shown_calibration

        yield from shown_calibration(self)


def calibrate(
    experiment: Experiment,
    history: History | str | Path,
    *,
    draws: int = DRAWS,
    iterations: int = MOST,
    seed: int | None = None,
    progress: Callable[[str], None] | None = None,
) -> Calibration:
    """Fit an experiment's system to its months, test the fit on the last of them, and draw the plan's start.

    Raises ExperimentError for faults of the history or the experiment, and ModelError when the sampler has not converged."""
    settings = settings_of(experiment.model)
    if not isinstance(history, History):
        history = read_history(history, tuple(settings.series))
    case, ahead = experiment.case, _ahead(experiment, history)
    assert case is not None
    seed = experiment.seed if seed is None else seed
    whole = likelihood_of(experiment.model, settings, history, ahead + YEAR)
    kept, about, parameters = _posterior(whole, draws, iterations, seed, progress, "all months")
    start = _start(whole, kept, seed, ahead)
    command = f"flowreform fit {experiment.name} --history {Path(history.file).name} --write"
    made = {
        "model": experiment.model.name,
        "made_from": fingerprint(experiment.model, case),
        "history": history.sha256,
        "first": f"{history.first:%Y-%m}",
        "months": history.months,
        "command": command,
        "seed": seed,
        **about,
    }
    names = tuple(start)
    values = np.array([[float(f"{number:.{DIGITS}g}") for number in row] for row in np.column_stack(list(start.values()))])
    tested, scores, untested, runs = _back_test(experiment, whole, draws, iterations, seed, progress)
    months = tested or _bands(whole, kept, seed, history, 0)
    later = _bands(whole, kept, seed, history, ahead + YEAR)
    last = history.date(history.months - 1)
    return Calibration(
        experiment=experiment.name,
        ensemble=Ensemble(names, values, whole(kept)[0], made),
        parameters=parameters,
        months=(*months, *(item for item in later if item.ahead)),
        scores=scores,
        untested=untested,
        labels={name: item.label for name, item in settings.series.items()},
        first=f"{history.first:%B %Y}",
        last=f"{last:%B %Y}",
        start=f"{_origin(experiment):%B %Y}",
        runs=int(about["runs"]) + runs,
        iterations=int(about["iterations"]),
        seed=seed,
        command=command,
    )


def _origin(experiment: Experiment) -> datetime.date:
    assert experiment.case is not None
    assert experiment.case.calendar is not None
    return experiment.case.calendar.origin


def _ahead(experiment: Experiment, history: History) -> int:
    """Months from the end of the last one counted to the plan's start. Raises ExperimentError where that cannot be."""
    file = str(experiment.path or experiment.name)
    case = experiment.case
    if experiment.system is None or case is None or case.calendar is None or "start" not in experiment.system.table:
        reason = "the experiment does not say which system it is, or when its plan starts"
        repair = 'add [system] with what you count, and start = "April 2026": the month after the last one counted'
        raise ExperimentError(error("calibration", reason, repair, file=file, element="system.start"))
    origin = _origin(experiment)
    ahead = 12 * (origin.year - history.first.year) + origin.month - history.first.month - history.months
    if not 0 <= ahead <= AHEAD:
        after = history.date(history.months)
        reason = f"the plan starts in {origin:%B %Y}, and the history ends in {history.date(history.months - 1):%B %Y}"
        repair = f'write start = "{after:%B %Y}", or a month at most {AHEAD} later'
        raise ExperimentError(error("calibration", reason, repair, file=file, element="system.start"))
    return ahead


def _posterior(
    likelihood: MonthsLikelihood, draws: int, iterations: int, seed: int, progress: Callable[[str], None] | None, words: str
) -> tuple[Floats, dict[str, Any], tuple[Known, ...]]:
    """Kept points float64[draw, parameter] in standard normal units, how they were sampled, and what is known of each number."""
    width, names = len(likelihood.names), likelihood.names
    say = (lambda line: progress(f"{words}: {line}")) if progress else None
    sampler = Sampler(likelihood, width, seed=seed, ensembles=ENSEMBLES, walkers=WALKERS)
    if not sampler.warm_up(say):
        reason = "no run from near the first months' levels gives a number for every month counted"
        repair = "look at the start first (`flowreform start`): what is entered in [system] may not fit the months"
        raise ExperimentError(error("calibration", reason, repair, file=likelihood.history.file))
    parts: list[Chains] = []
    z, found = sampled(likelihood.model, names, sampler, parts, iterations, say)
    value = np.concatenate([part.likelihood for part in parts], axis=2)
    kept, _ = thinned(z, value, draws, seed)
    before, after = likelihood.values(Stream(seed, 1_000_003).normal(4 * draws, width)), likelihood.values(kept)
    parameters = []
    for at, name in enumerate(names):
        kind, _, of = name.partition(" of ")
        unit = likelihood.settings.priors[name].unit if name in likelihood.settings.priors else ""
        unit = (
            "1/year"
            if kind == "drift"
            else unit or likelihood.model.variables[likelihood.settings.series[of].variable].units or ""
        )
        parameters.append(Known(name, unit, band(before[name]), band(after[name]), *found[at]))
    about = {
        "ensembles": ENSEMBLES,
        "walkers": WALKERS,
        "iterations": z.shape[2],
        "runs": sampler.runs,
        "r_hat": round(max(item[0] for item in found), 5),
        "effective": round(min(item[1] for item in found), 1),
    }
    return kept, about, tuple(parameters)


def _start(likelihood: MonthsLikelihood, z: Floats, seed: int, ahead: int) -> dict[str, Floats]:
    """The model's parameters at the plan's start, float64[draw]: levels as the months leave them, and what the priors are of."""
    months = likelihood.history.months + ahead
    plain, (_, left), values = likelihood.without_winter(z), likelihood.forecast(z, Stream(seed, 1_000_005)), likelihood.values(z)
    levels = {name: np.exp(plain[name][months] + left[name][months : months + YEAR].mean(axis=0)) for name in plain}
    found = likelihood.inputs(levels, {name: values[name] for name in likelihood.settings.priors})
    for name, column in found.items():
        low, high = likelihood.model.variables[name].range
        found[name] = np.clip(column, low, high)
    return found


def _bands(likelihood: MonthsLikelihood, z: Floats, seed: int, history: History, after: int) -> tuple[Month, ...]:
    """Bands of every month of `history`, and `after` more; those that the likelihood has not seen are held out."""
    drawn, _ = likelihood.forecast(z, Stream(seed, 1_000_007))
    found = []
    for name in likelihood.settings.series:
        low, middle, high = np.exp(quantiles(drawn[name][: history.months + after], BAND, axis=1))
        for at in range(history.months + after):
            counted = float(history.series[name][at]) if at < history.months else float("nan")
            held = likelihood.history.months <= at < history.months
            ahead = at >= history.months
            found.append(
                Month(
                    name, f"{history.date(at):%Y-%m}", counted, (float(low[at]), float(middle[at]), float(high[at])), held, ahead
                )
            )
    return tuple(found)


def _back_test(
    experiment: Experiment,
    whole: MonthsLikelihood,
    draws: int,
    iterations: int,
    seed: int,
    progress: Callable[[str], None] | None,
) -> tuple[tuple[Month, ...], tuple[BackTest, ...], str, int]:
    """The fit to all but the last months, and how far off it was in them."""
    history = whole.history
    seen = history.until(history.months - HELD_OUT)
    short = [name for name, row in seen.series.items() if np.isfinite(row).sum() < YEAR]
    if short:
        return (), (), f"{YEAR + HELD_OUT} months of each series are needed for a back-test, and {', '.join(short)} has fewer", 0
    likelihood = likelihood_of(experiment.model, whole.settings, seen, HELD_OUT)
    kept, about, _ = _posterior(likelihood, draws, iterations, seed, progress, f"without the last {HELD_OUT}")
    months = _bands(likelihood, kept, seed, history, 0)
    scores = tuple(
        _score(name, history, [item for item in months if item.series == name and item.held_out])
        for name in whole.settings.series
    )
    return months, scores, "", int(about["runs"])


def _score(name: str, history: History, held: list[Month]) -> BackTest:
    row, first = history.series[name], history.months - HELD_OUT
    seen = row[:first]
    last = float(seen[np.isfinite(seen)][-1])
    pairs = [(item, float(row[first + at - YEAR])) for at, item in enumerate(held) if item.observed == item.observed]
    off = [abs(item.band[1] - item.observed) for item, _ in pairs]
    off_last = [abs(last - item.observed) for item, _ in pairs]
    off_same = [abs((before if before == before else last) - item.observed) for item, before in pairs]
    inside = sum(item.band[0] <= item.observed <= item.band[2] for item, _ in pairs)
    return BackTest(name, len(pairs), _mean(off), _mean(off_last), _mean(off_same), inside)


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def keeps(experiment: Experiment) -> Path:
    """The file that names the draws of an experiment. Raises ExperimentError for a form, and for a bundled experiment."""
    from flowreform.formats import bundled

    path = experiment.path
    theirs = path is not None and path.resolve() in {known.resolve() for known in bundled("experiments").values()}
    if path is None or theirs or path.suffix.lower() != ".toml":
        reason = "the draws are named in the experiment's own text file, and this is " + ("a bundled one" if theirs else "none")
        repair = "make one first: `flowreform new my_system.toml --from NAME_OR_FILE`"
        raise ExperimentError(error("calibration", reason, repair, file=str(path or experiment.name)))
    return path


def write_calibration(experiment: Experiment, found: Calibration) -> Path:
    """Put the draws beside the experiment, as `<name>.posterior.csv`, and name them in its file. Raises ExperimentError."""
    from flowreform.experiment.naming import name_ensemble
    from flowreform.files import write_text as put

    path = keeps(experiment)
    beside = path.with_name(f"{path.stem}.posterior.csv")
    text = name_ensemble(path, beside.name)
    put(beside, write_text(found.ensemble))
    put(path, text)
    return beside
