"""All randomness: samples of uncertainties, drawn before any run and shared by all scenarios.

Random and Latin hypercube: every uncertainty has a stream of its own, seeded from (seed, its name), so that adding one
never moves another's. Sobol: the dimension is the order of declaration, and a digital shift seeded from (seed, name)
scrambles it, so that appending moves nothing. The first n draws of a random or Sobol design stay when n grows; those of a
Latin hypercube cannot, because its n strata are others.

Correlated inputs go through a Gaussian copula: the independent samples become normal variables, are mixed by the Cholesky
factor of their correlations, and become samples of the unit interval again, so that every distribution stays as it is. It was
chosen over the re-ordering of Iman and Conover (1982) because it works row by row: more draws keep the first ones, and a sweep
can draw a part without the rest. Only a Latin hypercube is re-ordered, by the ranks that the copula gives, which keeps one
sample in each stratum. Inputs that are correlated with none are drawn as they are without; correlated ones are exempt from
the rule that adding an uncertainty moves no other, because one added between two of them moves the later.

Draws of an experiment whose model has a posterior are rows of that, in an order that the seed gives, over again when there are
more draws than rows; what the posterior does not hold is drawn from its distribution.

Only raw words of PCG64 are used, which numpy keeps the same for ever; samples are values of the unit interval without its
ends (multiples of 2^-52, plus half of one) put through the inverse of the distribution function.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from flowreform.case.distributions import standard_normal
from flowreform.case.ensemble import Ensemble
from flowreform.case.uncertainty import Uncertainty
from flowreform.experiment import Experiment, Subject, as_experiment
from flowreform.experiment.copula import Correlation, matrix_of, named_in
from flowreform.names import split
from flowreform.streams import BITS, inside, words

if TYPE_CHECKING:
    from xarray import Dataset

Floats = NDArray[np.float64]

_TOP = 1.0 - 2.0**-53
_BOTTOM = 2.0**-60


def draws(experiment: Subject) -> Dataset:
    """The samples of an experiment's uncertainties: one variable for each, float64 (draw), in the model's unit.

    `experiment` is an Experiment, a bundled name, a path, or a Model. They are the values with which `fr.run` runs every
    scenario, and those of an arrayed parameter stand under the names of its elements;
    numbers of a system that was entered are the same in every draw. Raises what reading raises::

        fr.draws("care_shift_build_or_close_first").to_dataframe().describe()
    """
    import xarray as xr

    experiment = as_experiment(experiment)
    conditioned = set(experiment.ensemble.names) if experiment.ensemble else set()
    data = {}
    for name, column in samples(experiment).items():
        item = experiment.uncertainties.get(name)
        unit = item.unit if item else experiment.model.variables[split(name)[0]].units or ""
        label = (item.label if item else "") or name.replace("_", " ")
        distribution = "posterior" if name in conditioned else str(item)
        data[name] = ("draw", column, {"units": unit, "long_name": label, "distribution": distribution})
    for name, value in (experiment.system.values if experiment.system else {}).items():
        if name not in data and split(name)[0] not in data:
            unit = experiment.model.variables[split(name)[0]].units or ""
            label = name.replace("_", " ")
            about = {"units": unit, "long_name": label, "distribution": "held: of the system"}
            data[name] = ("draw", np.full(experiment.draws, value), about)
    attributes = {"experiment": experiment.name, "design": experiment.design, "seed": experiment.seed}
    return xr.Dataset(data, {"draw": np.arange(experiment.draws)}, attributes)


def draw(
    uncertainties: Mapping[str, Uncertainty], n: int, design: str, seed: int, correlations: Sequence[Correlation] = ()
) -> dict[str, Floats]:
    """`n` samples of every uncertainty by name, in its own unit, each float64[n].

    `design` is "random", "latin_hypercube" or "sobol"; `seed` is a whole number from 0; `correlations` are those of the
    experiment. Raises ValueError for another design.
    """
    unit = correlated(unit_samples(uncertainties, n, design, seed), correlations, reorder=design == "latin_hypercube")
    return {name: item.quantile(unit[name]) for name, item in uncertainties.items()}


def samples(experiment: Experiment) -> dict[str, Floats]:
    """Every draw of an experiment by parameter, each float64[draw]: rows of its ensemble, and the rest from distributions."""
    return drawer(experiment).part(0, experiment.draws)


def drawer(experiment: Experiment) -> Drawer:
    """The same by the stretch."""
    known = experiment.ensemble.names if experiment.ensemble else ()
    alone = {name: item for name, item in experiment.uncertainties.items() if name not in known}
    return Drawer(alone, experiment.draws, experiment.design, experiment.seed, experiment.correlations, experiment.ensemble)


def correlated(unit: Mapping[str, Floats], correlations: Sequence[Correlation], *, reorder: bool = False) -> dict[str, Floats]:
    """Independent samples of the unit interval with rank correlations put in: a Gaussian copula (Nelsen 2006, 2.3).

    With `reorder` each column keeps its own values, in the order that the copula asks for. What stands in no correlation comes
    back as it is. Correlations of which only one input is here are left out."""
    kept = [item for item in correlations if set(item.between) <= set(unit)]
    names = [name for name in unit if name in named_in(kept)]
    found = dict(unit)
    if not names:
        return found
    from scipy.special import ndtr

    mixing = np.linalg.cholesky(matrix_of(names, kept))
    normal = [standard_normal(unit[name]) for name in names]
    for at, name in enumerate(names):
        others = np.flatnonzero(mixing[at, :at])
        if not len(others):
            continue  # the first of its group stays as drawn
        mixed = mixing[at, at] * normal[at]
        for other in others:
            mixed = mixed + mixing[at, other] * normal[other]
        if reorder:
            place = np.argsort(np.argsort(mixed, kind="stable"), kind="stable")
            found[name] = np.sort(unit[name])[place]
        else:
            found[name] = np.clip(np.asarray(ndtr(mixed)), _BOTTOM, _TOP)
    return found


class Drawer:
    """Any stretch of the `n` draws that `draw` gives, the same to the last bit, without the rest of them.

    A Latin hypercube keeps the order of its strata, 4 bytes a draw and uncertainty, and its correlated inputs whole; random and
    Sobol designs keep nothing. Raises ValueError for another design."""

    def __init__(
        self,
        uncertainties: Mapping[str, Uncertainty],
        n: int,
        design: str,
        seed: int,
        correlations: Sequence[Correlation] = (),
        ensemble: Ensemble | None = None,
    ) -> None:
        if design not in ("random", "latin_hypercube", "sobol"):
            raise ValueError(f"unknown design {design!r}")
        self.uncertainties, self.n, self.design, self.seed, self.correlations = uncertainties, n, design, seed, correlations
        self._ensemble = ensemble
        self._places = _order(seed, "ensemble", len(ensemble)).astype(np.int64) if ensemble else np.zeros(0, dtype=np.int64)
        self._orders = {name: _order(seed, name, n) for name in uncertainties} if design == "latin_hypercube" else {}
        self._ordered: dict[str, Floats] = {}
        if design == "latin_hypercube" and correlations:  # a rank needs all draws
            names = tuple(name for name in uncertainties if name in named_in(correlations))
            self._ordered = correlated(unit_samples(names, n, design, seed), correlations, reorder=True)

    def part(self, first: int, last: int) -> dict[str, Floats]:
        """Draws `first` to `last` (without it) of every uncertainty by name, each float64[last - first]."""
        unit = dict(zip(self.uncertainties, self._samples(first, last), strict=True))
        if self.design == "latin_hypercube":
            unit |= {name: column[first:last] for name, column in self._ordered.items()}
        else:
            unit = correlated(unit, self.correlations)
        found = {name: item.quantile(unit[name]) for name, item in self.uncertainties.items()}
        if self._ensemble is None:
            return found
        return found | self._ensemble.columns(self._places[np.arange(first, last) % len(self._ensemble)])

    def _samples(self, first: int, last: int) -> list[Floats]:
        names = tuple(self.uncertainties)
        match self.design:
            case "random":
                return [inside(words(self.seed, name, "random", last - first, first)) for name in names]
            case "sobol":
                return _sobol(names, last, self.seed, first)
            case _:
                return [_placed(self._orders[name][first:last], self.seed, name, self.n, first) for name in names]


def unit_samples(names: Mapping[str, object] | tuple[str, ...], n: int, design: str, seed: int) -> dict[str, Floats]:
    """`n` samples of the open unit interval for every name: what `draw` puts through the distributions."""
    return dict(zip(names, _designs(names, n, design, seed), strict=True))


def _designs(names: Mapping[str, object] | tuple[str, ...], n: int, design: str, seed: int) -> list[Floats]:
    match design:
        case "random":
            return [inside(words(seed, name, "random", n)) for name in names]
        case "latin_hypercube":
            return [_strata(seed, name, n) for name in names]
        case "sobol":
            return _sobol(tuple(names), n, seed)
        case _:
            raise ValueError(f"unknown design {design!r}")


def _strata(seed: int, name: str, n: int) -> Floats:
    """A Latin hypercube's column: one sample in each of n equal strata, in random order (McKay, Beckman, Conover 1979)."""
    return _placed(_order(seed, name, n), seed, name, n, 0)


def _order(seed: int, name: str, n: int) -> NDArray[np.uint32]:
    """The stratum of each draw."""
    return np.argsort(words(seed, name, "latin_hypercube order", n), kind="stable").astype(np.uint32)


def _placed(order: NDArray[np.uint32], seed: int, name: str, n: int, first: int) -> Floats:
    """A sample inside each of the strata in `order`, which begins with draw `first`."""
    raw = words(seed, name, "latin_hypercube place", len(order), first)
    places = ((raw >> np.uint64(40)).astype(np.float64) + 0.5) * 2.0**-24
    return np.clip((order.astype(np.int64) + places) / n, _BOTTOM, _TOP)


def _sobol(names: tuple[str, ...], n: int, seed: int, first: int = 0) -> list[Floats]:
    """Sobol points `first` to `n` (Joe and Kuo 2008) with a digital shift for each dimension."""
    if not names:
        return []
    from scipy.stats.qmc import Sobol

    if first:  # scipy can jump with 32 bits only; the first 2^32 points have no more than that, so they are the same
        points = Sobol(d=len(names), scramble=False, bits=32).fast_forward(first).random(n - first)
    else:
        points = Sobol(d=len(names), scramble=False, bits=BITS).random_base2(max(0, n - 1).bit_length())[:n]
    whole = (points * 2.0**BITS).astype(np.uint64)
    shifts = [words(seed, name, "sobol", 1) >> np.uint64(64 - BITS) for name in names]
    return [((whole[:, at] ^ shift).astype(np.float64) + 0.5) * 2.0**-BITS for at, shift in enumerate(shifts)]
