"""Laws of every run, with inputs that hypothesis chooses: each uncertainty anywhere in its distribution, far ends first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

import flowreform as fr
from flowreform.analyse.laws import Outcome, rules
from flowreform.analyse.laws.runs import courses
from flowreform.case import Case, Laws
from flowreform.formats import bundled
from flowreform.model import Model
from mutating import mutants, mutated

EVERY_RUN = ("finite", "conserved", "never above", "never negative", "steady")
"""Laws that one run can break; the others compare two."""
SHARES = st.floats(1e-6, 1 - 1e-6)
"""Where in its distribution an input lies; not at the very ends, which a normal distribution has at infinity."""
BATCH = 4
Shares = Mapping[str, float]


def opened(path: str | Path) -> tuple[Model, Case, Laws]:
    model = fr.read_model(path)
    case = fr.read_case(model)
    assert case is not None
    laws = case.laws
    assert laws is not None
    return model, case, laws


def inputs(case: Case) -> st.SearchStrategy[list[dict[str, float]]]:
    return st.lists(st.fixed_dictionaries(dict.fromkeys(case.uncertainties, SHARES)), min_size=BATCH, max_size=BATCH)


def outcomes(model: Model, case: Case, laws: Laws, batch: Sequence[Shares]) -> Iterator[Outcome]:
    """What the laws say of the model run with the inputs, as its levers stand and at rest."""
    drawn = [
        {name: float(item.quantile(np.array([shares[name]]))[0]) for name, item in case.uncertainties.items()} for shares in batch
    ]
    save, month = rules.saved_for(model, case, laws), 16 * model.specs.dt
    moving = courses(model, [(f"run {at}", one) for at, one in enumerate(drawn)], save, save_every=month, engine="python")
    yield from rules.finite(moving)
    yield from rules.conserved(model, laws, moving)
    yield from rules.never_above(model, laws, moving)
    yield from rules.never_negative(model, laws, moving)
    assert laws.steady is not None
    rest = [(f"run {at} at rest", {**one, **laws.steady.settings}) for at, one in enumerate(drawn)]
    still = courses(model, rest, save, save_every=month, engine="python")
    yield from rules.finite(still)
    yield from rules.steady(model, laws, still)


LONG = ("canterbury", "reform_levers")
"""Models of which a few runs take a quarter of a minute."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in LONG else ()) for name in bundled("models")]
)
def test_no_inputs_in_range_break_a_law(name: str) -> None:
    """A few inputs, the same each time; the slow test looks for new ones."""
    model, case, laws = opened(name)

    @settings(max_examples=2, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(inputs(case))
    def holds(batch: list[dict[str, float]]) -> None:
        assert not [str(one) for one in outcomes(model, case, laws, batch) if not one.ok]

    holds()


@pytest.mark.slow
@pytest.mark.parametrize("name", bundled("models"))
def test_no_inputs_at_the_ends_of_their_ranges_break_a_law(name: str) -> None:
    """64 draws, in each of which some, half or all inputs lie at the very ends of their distributions."""
    model, case, laws = opened(name)
    random = np.random.default_rng(1)
    names = list(case.uncertainties)
    batch = []
    for share in np.resize([0.0, 0.1, 0.5, 1.0], 64):
        ends = random.choice([1e-6, 0.5, 1 - 1e-6], len(names))
        values = np.where(random.random(len(names)) < share, ends, random.uniform(1e-6, 1 - 1e-6, len(names)))
        batch.append(dict(zip(names, values.tolist(), strict=True)))
    assert not [str(one) for one in outcomes(model, case, laws, batch) if not one.ok]


@pytest.mark.parametrize("item", [pytest.param(item, id=item["law"]) for _, item in (p.values for p in mutants("sound", "law"))
                                  if item["law"] in EVERY_RUN])  # fmt: skip
def test_a_mutant_is_found(item: dict[str, str], tmp_path: Path) -> None:
    model, case, laws = opened(mutated("sound", item, tmp_path))

    def breaks(batch: list[dict[str, float]]) -> bool:
        return any(one.law == item["law"] and not one.ok for one in outcomes(model, case, laws, batch))

    found = find(inputs(case), breaks, settings=settings(phases=[Phase.generate]))  # any will do: it need not be the simplest
    assert len(found) == BATCH
