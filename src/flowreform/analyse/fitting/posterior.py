"""The posterior of a case: its priors, its data, a sampler until it has converged, and what is kept and said of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowreform.analyse.fitting import chain as chain_file
from flowreform.analyse.fitting import convergence
from flowreform.analyse.fitting.likelihood import Likelihood
from flowreform.analyse.fitting.sampler import Chains, Sampler, Stream
from flowreform.analyse.fitting.search import asked
from flowreform.case import Case, Ensemble, FitPlan, Uncertainty
from flowreform.case.ensemble import DIGITS, NAME, write_text
from flowreform.case.fingerprint import fingerprint
from flowreform.errors import ModelError, error
from flowreform.experiment import Correlation, Experiment
from flowreform.model import Model
from flowreform.statistics import quantiles
from flowreform.text import Manual, Shown

Floats = NDArray[np.float64]

R_HAT = 1.01
"""The largest rank-normalised split R-hat over independent ensembles."""
EFFECTIVE = 400
"""The smallest effective size, for the middle of every parameter's distribution."""
TIMES = 5
"""Every walker's chain is at least this many times as long as its slowest parameter remembers."""
BLOCK, MOST = 250, 8_000
"""Iterations between two looks at convergence, and how many there may be in all."""
ENSEMBLES, WALKERS = 4, 32
SAME = 1e-3
"""Log-likelihoods of draws written with DIGITS digits are the same to this, or to this share of themselves."""
DRAWS = 512
"""Draws that are kept."""
BAND = (0.1, 0.5, 0.9)
"""The quantiles that are shown."""
STARTED = 4
"""One walker in so many starts at the fitted values, the others anywhere in the prior."""


@dataclass(frozen=True, slots=True)
class Known:
    """One parameter before and after the data: the 10th, 50th and 90th percentile, in the model's unit."""

    name: str
    unit: str
    prior: tuple[float, float, float]
    posterior: tuple[float, float, float]
    r_hat: float
    effective: float
    effective_tails: float

    @property
    def narrowed(self) -> float:
        """By what share the data have narrowed its 80 % band; below 0 where they widened it."""
        before, after = self.prior[2] - self.prior[0], self.posterior[2] - self.posterior[0]
        return 1.0 - after / before if before > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Observed:
    """One row of data: observed with its standard error, and what the model gives over prior and posterior."""

    series: str
    when: str
    at: float
    observed: float
    error: float
    prior: tuple[float, float, float]
    posterior: tuple[float, float, float]


class Sampled(Manual):
    """What every set of draws that has seen data can say of itself."""

    ensemble: Ensemble
    parameters: tuple[Known, ...]

    @property
    def r_hat(self) -> float:
        """The largest of any parameter."""
        return max(item.r_hat for item in self.parameters)

    @property
    def effective(self) -> float:
        """The smallest effective size of any parameter."""
        return min(item.effective for item in self.parameters)

    def applied(self, experiment: Experiment) -> Experiment:
        """The experiment with its draws taken from here."""
        return replace(experiment, ensemble=self.ensemble)


@dataclass(frozen=True, repr=False)
class Posterior(Sampled):
    """Draws that have seen the data, and whether they may be believed. `repr` and `str` are the report.

    `ensemble` holds the kept draws, `parameters` what the data say of each, `rows` the data beside both ensembles. `misfit` is
    the mean over draws of the mean squared residual in stated standard deviations: near or under 1 where the model fits as well
    as the errors say, well above 1 where it cannot, and then the draws are narrower than what is known."""

    model: str
    ensemble: Ensemble
    parameters: tuple[Known, ...]
    rows: tuple[Observed, ...]
    misfit: float
    accepted: float
    runs: int
    iterations: int
    seed: int
    command: str

    def as_dict(self) -> dict[str, Any]:
        """For scripts: plain values, without the draws."""
        found = {key: value for key, value in self.__dict__.items() if key not in ("ensemble", "parameters", "rows")}
        tables = {
            "parameters": [{**asdict(item), "narrowed": item.narrowed} for item in self.parameters],
            "rows": [asdict(item) for item in self.rows],
        }
        return found | {"r_hat": self.r_hat, "effective": self.effective, "draws": len(self.ensemble)} | tables

    def manual(self) -> Iterator[Shown]:
        """The report: parameters, data, and how it was sampled."""
        from flowreform.analyse.fitting.report import shown_posterior

        yield from shown_posterior(self)


def condition(
    model: Model,
    case: Case,
    question: FitPlan,
    *,
    priors: Mapping[str, Uncertainty] | None = None,
    correlations: Sequence[Correlation] = (),
    held: Mapping[str, float] | None = None,
    draws: int = DRAWS,
    iterations: int = MOST,
    engine: str = "auto",
    progress: Callable[[str], None] | None = None,
    chain: Path | None = None,
) -> Posterior:
    """Sample a question's posterior and keep `draws` of it; `iterations` is the most there may be.

    Where `chain` is given, chains that end before they have converged are written there, and the next call goes on from them.
    Raises ModelError when it has not converged, with the parameters that have not and what to do."""
    seed = question.table.seed
    likelihood = Likelihood(model, case, question, priors or question.priors, correlations, engine, held)
    width = len(likelihood.names)
    if not width:
        raise _refused(
            model, "there is nothing to sample: no uncertainties and no fitted parameters", "add [uncertainties] or [fit]"
        )
    sampler = Sampler(
        likelihood, width, seed=seed, ensembles=ENSEMBLES, walkers=WALKERS, start=_start(likelihood, question), every=STARTED
    )
    stamp = chain_file.made_from(fingerprint(model, case), question.before, seed, priors, correlations, held)
    parts: list[Chains] = []
    if chain is not None and chain.exists():
        parts.append(chain_file.load(chain, sampler, stamp))
    elif not sampler.warm_up(progress):
        raise _refused(
            model,
            "no run over the priors gives a number for every row of data, or the likelihood cannot be climbed",
            "try the ends of the ranges with `flowreform run MODEL --set`; check units and years of reference.csv",
        )
    try:
        z, found = sampled(model, likelihood.names, sampler, parts, iterations, progress)
    except BaseException:  # refused or interrupted: an hour's work is not thrown away
        if chain is not None and parts:
            chain_file.save(chain, sampler, parts, stamp)
            if progress:
                progress(f"chains kept in {chain}")
        raise
    value = np.concatenate([part.likelihood for part in parts], axis=2)
    kept, at_likelihood = thinned(z, value, draws, seed)
    columns = likelihood.values(kept)
    values = np.column_stack([columns[name] for name in likelihood.names])
    values = np.array([[float(f"{number:.{DIGITS}g}") for number in row] for row in values])
    before = Stream(seed, 1_000_003).normal(draws, width)
    rows, prior = likelihood.rows(kept), likelihood.rows(before)
    command = f"flowreform fit {model.name} --posterior --write" + ("" if draws == DRAWS else f" --draws {draws}")
    about = {
        "model": model.name,
        "made_from": fingerprint(model, case),
        "command": command,
        "seed": seed,
        "ensembles": ENSEMBLES,
        "walkers": WALKERS,
        "iterations": z.shape[2],
        "runs": sampler.runs,
        "r_hat": round(max(item[0] for item in found), 5),
        "effective": round(min(item[1] for item in found), 1),
    }
    prior_values = likelihood.values(before)
    return Posterior(
        model=model.name,
        ensemble=Ensemble(likelihood.names, values, at_likelihood, about),
        parameters=tuple(
            Known(name, likelihood.priors[name].unit, band(prior_values[name]), band(values[:, at]), *found[at])
            for at, name in enumerate(likelihood.names)
        ),
        rows=tuple(
            Observed(row.series, row.when, row.at, row.observed, row.error, band(prior[at]), band(rows[at]))
            for at, row in enumerate(question.rows)
        ),
        misfit=float((likelihood.problem.residuals(rows) ** 2).mean()),
        accepted=chain_file.accepted(parts),
        runs=sampler.runs,
        iterations=z.shape[2],
        seed=seed,
        command=command,
    )


def sampled(
    model: Model,
    names: Sequence[str],
    sampler: Sampler,
    parts: list[Chains],
    iterations: int,
    progress: Callable[[str], None] | None,
) -> tuple[Floats, list[tuple[float, float, float]]]:
    """Blocks of chains, added to `parts`, until they have converged: all of them float64[ensemble, walker, iteration, parameter],
    and what is said of every parameter. Raises ModelError when there may be no more."""
    short = max(EFFECTIVE, TIMES * ENSEMBLES * WALKERS)
    while True:
        if parts:
            z = np.concatenate([part.z for part in parts], axis=2)
            found = [_converged(z[..., at]) for at in range(len(names))]
            worst, least = max(item[0] for item in found), min(item[1] for item in found)
            if progress:
                size = f"{z.shape[2]:,} iterations of {ENSEMBLES} x {WALKERS} walkers"
                progress(f"{size}: R-hat {worst:.4f} (limit {R_HAT}), effective size {least:,.0f} (wanted {short})")
            if worst <= R_HAT and least >= short:
                return z, found
            if z.shape[2] >= iterations:
                raise _not_converged(model, names, found, short, z.shape[2])
        parts.append(sampler.sample(BLOCK))


def write_posterior(model: Model, found: Posterior) -> Path:
    """Put the draws beside the model, as `posterior.csv`. Raises ModelError for a model that was not read from a file."""
    from flowreform.files import write_file

    if model.path is None:
        raise ModelError(
            error("no-file", "the model was not read from a file, so there is no folder to write to", "save it first")
        )
    path = model.path.with_name(NAME)

    def write(temporary: Path) -> None:
        temporary.write_bytes(write_text(found.ensemble).encode("ascii"))

    write_file(path, write)
    return path


@dataclass(frozen=True, slots=True)
class Belongs:
    """Whether draws beside a model are still its posterior's: made from the same files, and as likely as their file says.

    `largest` is the largest difference of a log-likelihood, of the first draws run again."""

    model: str
    same_files: bool
    largest: float

    @property
    def ok(self) -> bool:
        """Whether they are."""
        return self.same_files and self.largest <= SAME

    def __str__(self) -> str:
        files = "as its files say now" if self.same_files else "of other equations, data or priors than its files hold now"
        return f"{self.model}: posterior.csv is {files}; log-likelihoods differ by {self.largest:.2g} at most (limit {SAME:g})"


def belongs(model: Model) -> Belongs:
    """Look at `posterior.csv` beside a model. Raises ModelError when there is none."""
    case, question = asked(model)
    kept = case.ensemble
    if kept is None:
        repair = f"write it with `flowreform fit {model.name} --posterior --write`"
        raise ModelError(error("no-posterior", "there is no posterior.csv beside the model", repair, file=model.file))
    likelihood = Likelihood(model, case, question, question.priors)
    some = np.arange(min(64, len(kept)))
    again = likelihood.of(likelihood.problem.rows(kept.columns(some), len(some)))
    difference = np.abs(again - kept.likelihood[some]) / np.maximum(1.0, np.abs(kept.likelihood[some]))
    return Belongs(model.name, kept.current, float(np.where(np.isfinite(difference), difference, np.inf).max()))


def _converged(values: Floats) -> tuple[float, float, float]:
    return convergence.r_hat(values), convergence.bulk(values), convergence.tail(values)


def _start(likelihood: Likelihood, question: FitPlan) -> Floats:
    """The fitted values in standard normal units, NaN for what is not fitted: found by halving, so for any distribution."""
    from scipy.special import ndtri

    found = np.full(len(likelihood.names), np.nan)
    for name, value in zip(question.parameters, question.before, strict=True):
        if name not in likelihood.names:
            continue
        low, high = 1e-3, 1.0 - 1e-3
        for _ in range(50):
            middle = 0.5 * (low + high)
            below = float(likelihood.priors[name].quantile(np.array([middle]))[0]) < value
            low, high = (middle, high) if below else (low, middle)
        found[likelihood.names.index(name)] = float(ndtri(0.5 * (low + high)))
    return found


def thinned(z: Floats, value: Floats, draws: int, seed: int) -> tuple[Floats, Floats]:
    """Draws far apart in every walker's chain, in random order: float64[draw, parameter] and their likelihoods."""
    chains, length, width = z.shape[0] * z.shape[1], z.shape[2], z.shape[3]
    each = -(-draws // chains)
    at = length - 1 - (np.arange(each) * (length // each))
    points, values = z[:, :, at].reshape(-1, width), value[:, :, at].reshape(-1)
    order = np.argsort(Stream(seed, 1_000_001).uniform(len(points)), kind="stable")[:draws]
    return points[order], values[order]


def band(values: Floats) -> tuple[float, float, float]:
    low, middle, high = quantiles(values, BAND)
    return float(low), float(middle), float(high)


def _refused(model: Model, reason: str, repair: str) -> ModelError:
    return ModelError(error("no-posterior", reason, repair, file=model.file))


def _not_converged(
    model: Model, names: Sequence[str], found: Sequence[tuple[float, float, float]], short: float, length: int
) -> ModelError:
    order = sorted(range(len(names)), key=lambda at: found[at][1] if isfinite(found[at][0]) else 0.0)
    worst = ", ".join(f"{names[at]} (R-hat {found[at][0]:.3f}, effective size {found[at][1]:.0f})" for at in order[:3])
    reason = f"after {length:,} iterations the sampler has not converged: {worst}; wanted are R-hat <= {R_HAT} and {short:.0f}"
    repair = (
        "give it more --iterations (with --chain FILE it goes on where it ended); fix a parameter that the data know only "
        "together with another, or give it a prior in [fit.priors]; errors far under the misfit of the best fit make a surface "
        "that no sampler crosses"
    )
    return ModelError(error("not-converged", reason, repair, file=model.file))
