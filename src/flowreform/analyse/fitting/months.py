"""How likely a system's months are: a model run through them, seasons, drifts, and a persistent residual for each series.

Logarithms are compared. What is left of a series after model, season and drift is an AR(1) process (Box and Jenkins 1970) of
stated persistence; its size has a scaled inverse chi-square prior and is integrated out (Gelman and others 2013, 3.2), so that
the likelihood is a multivariate t. The model's equations are its own: seasons, drifts and residuals are of the observation alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, Strict

from flowreform import engine as engines
from flowreform.analyse.fitting.history import History
from flowreform.analyse.fitting.sampler import Stream
from flowreform.batch import Batch, matrix_of
from flowreform.case.uncertainty import Sourced, Uncertainty
from flowreform.engine.prepared import Prepared
from flowreform.engine.pruned import prune
from flowreform.errors import ExperimentError, error
from flowreform.model import Model
from flowreform.names import Named, base_values
from flowreform.toml import Source, Table, read_document

Floats = NDArray[np.float64]
Names = Annotated[tuple[str, ...], Strict(False)]
Twelve = Annotated[tuple[float, ...], Strict(False), Field(min_length=12, max_length=12)]

NAME = "calibration.toml"
"""The file's name, beside the model's."""
PART = 2048
"""Runs of one batch."""


class Counted(Sourced):
    """`[series.<name>]`: what is counted, where the model has it, and how its residual behaves."""

    label: str
    """The name shown."""
    variable: str
    """The model's variable; a month's value is its mean."""
    parameters: Names
    """Parameters that give it at the start of a run, as their sum."""
    over: str = ""
    """The parameter is this series over that one."""
    spread: Annotated[float, Field(gt=0)]
    """Prior standard deviation of the level's logarithm about the first months."""
    persistence: Annotated[float, Field(ge=0, lt=1)]
    """Of the residual, from one month to the next."""
    scale: Annotated[float, Field(gt=0)]
    """Standard deviation of the residual, of logarithms."""
    season: Twelve
    """What is added to the logarithm, April to March."""
    follows: str = ""
    """A series whose residual this one follows, with the share `follow`."""
    follow: float = 0.0
    drift: Annotated[float, Field(ge=0)] = 0.0
    """Prior standard deviation of a drift of the logarithm a year, damped; 0 for none."""


class CalibrationTable(Table):
    """`calibration.toml` beside a model."""

    winter: str
    """The model's season: points over a year from April."""
    winter_height: str
    """The parameter that it is multiplied by."""
    level_months: Annotated[int, Field(ge=1)]
    damping_time: Annotated[float, Field(gt=0)]
    freedom: Annotated[float, Field(gt=2)]
    held: dict[str, float]
    series: dict[str, Counted]
    priors: dict[str, Uncertainty]


def settings_of(model: Model) -> CalibrationTable:
    """How a model is calibrated to months. Raises ExperimentError for a model that has no such file, or a faulty one."""
    path = model.path.with_name(NAME) if model.path else None
    if path is None or not path.is_file():
        reason = f"the model has no {NAME} beside it, so it cannot be calibrated to months"
        raise ExperimentError(error("no-calibration", reason, "use care_shift", file=model.file))
    source = Source(read_document(path, ExperimentError))
    found = source.parse(CalibrationTable, source.document.table, ())
    if found is None:
        raise ExperimentError(source.findings)
    return found


@dataclass(frozen=True)
class MonthsLikelihood:
    """Called with float64[run, parameter] of standard normal numbers: the logarithm of the likelihood, float64[run], and whitened
    residuals [run, row]. `names` are the parameters: levels, those of the priors, drifts."""

    model: Model
    settings: CalibrationTable
    history: History
    extra: int
    names: tuple[str, ...]
    centres: Mapping[str, float]
    batch: Batch
    ready: Prepared
    white: Mapping[str, tuple[NDArray[np.int_], Floats]]

    def __call__(self, z: Floats) -> tuple[Floats, Floats]:
        found = [self._likelihood(z[at : at + PART]) for at in range(0, len(z), PART)]
        return np.concatenate([part[0] for part in found]), np.concatenate([part[1] for part in found])

    def _likelihood(self, z: Floats) -> tuple[Floats, Floats]:
        rows = self.whitened(self.residuals(self.logarithms(z)))
        nu = self.settings.freedom
        value = np.zeros(len(z))
        for row in rows.values():
            value -= 0.5 * (nu + len(row)) * np.log1p((row**2).sum(axis=0) / nu)
        every = np.concatenate(list(rows.values()))
        return np.where(np.isfinite(every).all(axis=0), value, -np.inf), every.T

    # --- parameters ----------------------------------------------------------------------------------------------------

    def values(self, z: Floats) -> dict[str, Floats]:
        """Levels in the units of their series, parameters of the priors in the model's, drifts a year: float64[run] by name."""
        from scipy.special import ndtr

        found = {}
        for at, name in enumerate(self.names):
            kind, _, of = name.partition(" of ")
            if kind == "level":
                found[name] = np.exp(self.centres[of] + self.settings.series[of].spread * z[:, at])
            elif kind == "drift":
                found[name] = self.settings.series[of].drift * z[:, at]
            else:
                below = np.clip(np.asarray(ndtr(z[:, at])), 2.0**-60, 1.0 - 2.0**-53)
                found[name] = self.settings.priors[name].quantile(below)
        return found

    def inputs(self, levels: Mapping[str, Floats], others: Mapping[str, Floats]) -> dict[str, Floats]:
        """The model's parameters, by name, for levels of the series by theirs; parts of a total keep their shares."""
        found = dict(others)
        for name, item in self.settings.series.items():
            own = [self.model.variables[one] for one in item.parameters]
            base = np.array([base_values(self.model, Named(one.name, one))[0] for one in own])
            total = levels[name] / levels[item.over] if item.over else levels[name]
            found |= {one.name: total * share for one, share in zip(own, base / base.sum(), strict=True)}
        return found

    # --- the model through the months ----------------------------------------------------------------------------------

    def logarithms(self, z: Floats) -> dict[str, Floats]:
        """Of every series what model, season and drift give: float64[month, run], the months of the history and `extra` more."""
        values = self.values(z)
        found = self._run(z, {})
        months = self.history.months + self.extra
        at = (np.arange(months) + self.history.first.month - 4) % 12
        tau = self.settings.damping_time / 12.0
        passed = tau * (1.0 - np.exp(-(np.arange(months) + 0.5) / self.settings.damping_time))
        for name, item in self.settings.series.items():
            found[name] = found[name] + np.array(item.season)[at, None]
            if item.drift:
                found[name] = found[name] + passed[:, None] * values[f"drift of {name}"]
        return found

    def without_winter(self, z: Floats) -> dict[str, Floats]:
        """The same without season and winter: the levels that the model's own start is given in."""
        values = self.values(z)
        found = self._run(z, {self.settings.winter_height: np.zeros(len(z))})
        for name, item in self.settings.series.items():
            if item.drift:
                passed = 1.0 - np.exp(-(np.arange(len(found[name])) + 0.5) / self.settings.damping_time)
                found[name] = found[name] + self.settings.damping_time / 12.0 * passed[:, None] * values[f"drift of {name}"]
        return found

    def _run(self, z: Floats, over: Mapping[str, Floats]) -> dict[str, Floats]:
        """Monthly means of every series, as logarithms, NaN where a run has none."""
        values = self.values(z)
        levels = {name: values[f"level of {name}"] for name in self.settings.series}
        others = {name: values[name] for name in self.settings.priors}
        held = {name: np.full(len(z), value) for name, value in self.settings.held.items()}
        columns = {**held, **self.inputs(levels, others), **over}
        for name, column in columns.items():  # outside the model's own range there is no run
            low, high = self.model.variables[name].range
            columns[name] = np.where((column < (-np.inf if low is None else low)) | (column > (np.inf if high is None else high)),
                                     np.nan, column)  # fmt: skip
        possible = np.isfinite(np.stack(list(columns.values()))).all(axis=0)
        program, count = self.batch.program, len(z)
        assert program is not None
        safe = {
            name: np.where(possible, column, np.nanmedian(column) if possible.any() else 1.0) for name, column in columns.items()
        }
        matrix = matrix_of(program, self.model, safe, count, np.zeros(count, dtype=np.int64))
        out = np.empty((len(self.ready.slots), self.model.specs.steps + 1, count))
        self.ready.run(matrix, self.ready.series(None), out)
        found = self.batch.named(out, self.ready.slots)
        each = round(1.0 / self.model.specs.dt)
        months = self.history.months + self.extra
        made = {}
        for name, item in self.settings.series.items():
            course = found[item.variable].reshape(-1, count)[: months * each].reshape(months, each, count).mean(axis=1)
            with np.errstate(divide="ignore", invalid="ignore"):
                made[name] = np.where(possible, np.log(course), np.nan)
        return made

    # --- residuals -----------------------------------------------------------------------------------------------------

    def residuals(self, logarithms: Mapping[str, Floats]) -> dict[str, Floats]:
        """What the model leaves of each series' logarithms, less what it follows: float64[month, run], NaN for what is blank."""
        months = self.history.months
        left = {name: np.log(self.history.series[name])[:, None] - logarithms[name][:months] for name in self.settings.series}
        found = {}
        for name, item in self.settings.series.items():
            followed = np.nan_to_num(left[item.follows]) if item.follows else 0.0
            found[name] = left[name] - item.follow * followed
        return found

    def whitened(self, residuals: Mapping[str, Floats]) -> dict[str, Floats]:
        """Independent of each other, in units of `scale`: float64[row, run]."""
        found = {}
        for name, (at, inverse) in self.white.items():
            found[name] = inverse @ residuals[name][at] / self.settings.series[name].scale
        return found

    def forecast(self, z: Floats, stream: Stream) -> tuple[dict[str, Floats], dict[str, Floats]]:
        """Drawn logarithms of every series, and of them the residual: float64[month, run].

        In the months of the history residuals are drawn as if nothing had been counted; later ones go on from the last count."""
        from scipy.special import gammaincinv

        logarithms, nu = self.logarithms(z), self.settings.freedom
        left = self.residuals(logarithms)
        white = self.whitened(left)
        months, count = self.history.months, len(z)
        drawn: dict[str, Floats] = {}
        for name, item in self.settings.series.items():
            rows = white[name]
            chi = 2.0 * gammaincinv(0.5 * (nu + len(rows)), stream.uniform(count))
            size = item.scale * np.sqrt((nu + (rows**2).sum(axis=0)) / chi)
            noise = size * stream.normal(months + self.extra, count)
            last = int(self.white[name][0][-1])
            own = noise.copy()
            for at in range(1, months + self.extra):
                before = left[name][last] if at - 1 == last else own[at - 1]
                own[at] = item.persistence * before + np.sqrt(1.0 - item.persistence**2) * noise[at]
            drawn[name] = own
        whole = {
            name: drawn[name] + (item.follow * drawn[item.follows] if item.follows else 0.0)
            for name, item in self.settings.series.items()
        }
        return {name: logarithms[name] + whole[name] for name in whole}, whole


def likelihood_of(model: Model, settings: CalibrationTable, history: History, extra: int) -> MonthsLikelihood:
    """The likelihood of a history, with a model that runs `extra` months beyond it."""
    turned = _from_month(model, settings.winter, history.first.month)
    turned = replace(turned, specs=replace(turned.specs, stop=turned.specs.start + history.months + extra))
    keep = tuple(name for name in turned.variables if name in {item.variable for item in settings.series.values()})
    batch = Batch(turned, keep, turned.specs.dt, "auto", total=100_000)
    assert batch.program is not None
    batch.program = prune(batch.program, batch.keep)
    plan = engines.plan(batch.program, batch.keep, batch.every)
    ready = Prepared(plan, engines.choose(plan, 100_000))
    names = (
        *(f"level of {name}" for name in settings.series),
        *settings.priors,
        *(f"drift of {name}" for name, item in settings.series.items() if item.drift),
    )
    centres, white = {}, {}
    for name, item in settings.series.items():
        at = np.flatnonzero(np.isfinite(history.series[name]))
        season = np.array(item.season)[(at + history.first.month - 4) % 12]
        centres[name] = float((np.log(history.series[name][at]) - season)[: settings.level_months].mean())
        white[name] = (at, np.linalg.inv(np.linalg.cholesky(item.persistence ** np.abs(at[:, None] - at[None, :]))))
    return MonthsLikelihood(turned, settings, history, extra, names, centres, batch, ready, white)


def _from_month(model: Model, name: str, month: int) -> Model:
    """The model with its season turned, so that time 0 is the first of a month; as it is, time 0 is 1 April."""
    variable = model.variables[name]
    (equation,) = variable.equations
    table, by = equation.lookup, (month - 4) % 12
    if table is None or len(table.x) != 13 or not by:
        return model
    turned = replace(equation, lookup=replace(table, y=tuple(table.y[(at + by) % 12] for at in range(13))))
    variables = {**model.variables, name: replace(variable, equations=(turned,))}
    return replace(model, variables=MappingProxyType(variables))
