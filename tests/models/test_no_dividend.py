"""canterbury: harm that is done to it pays nobody, and effort works as far as it goes: what a hard reading once found otherwise.

Each claim is of runs that differ in one input, over its range, and has a fault in `mutants/canterbury.toml` that it must notice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

import flowreform as fr
from flowreform.model import Model
from mutating import mutants, mutated

Ends = Mapping[str, np.ndarray]
END, JUNE_2017 = 168.0, 132.0
SAVED = ("cumulative_deficit", "cumulative_spend", "present_cost", "unmet_need", "staffed_beds", "community_places_open")


def rises(values: np.ndarray) -> bool:
    """Each value at least that before it, but for a thousandth of the largest."""
    return bool((np.diff(values) >= -1e-3 * np.abs(values).max()).all())


def lost_wards_cost(at_end: Ends, by_2017: Ends) -> bool:
    """More beds lost, more deficit: staff of a ward that is being replaced are paid."""
    return rises(at_end["cumulative_deficit"])


def operations_put_off_free_no_money(at_end: Ends, by_2017: Ends) -> bool:
    """With no theatre lost, six and twelve: many more wait, and places bought and the deficit hardly move."""
    waiting, places, deficit = by_2017["unmet_need"], at_end["community_places_open"], by_2017["cumulative_deficit"]
    return bool(
        (waiting[1:] > 5 * waiting[:-1]).all()
        and np.ptp(places) < 0.01 * places[0]
        and np.ptp(deficit) < 0.1 * np.abs(deficit[0])
    )


def training_works_as_far_as_it_goes(at_end: Ends, by_2017: Ends) -> bool:
    """Nothing and a cent a month are the same; a tenth of the programme does less than a quarter of what it does, half of it less
    than all; and six times as much takes nothing away."""
    saved = at_end["staffed_beds"][0] - at_end["staffed_beds"]
    nothing, cent, tenth, half, all_of_it, six_times = saved
    return bool(abs(cent - nothing) < 0.1 and 0 < tenth < all_of_it / 4 and tenth < half < all_of_it <= six_times)


def the_earthquake_costs(at_end: Ends, by_2017: Ends) -> bool:
    """The stronger, the more is spent, owed and waited for."""
    return all(rises(at_end[name]) for name in ("cumulative_deficit", "cumulative_spend", "present_cost", "unmet_need"))


Claim = Callable[[Ends, Ends], bool]
CLAIMS: Mapping[str, tuple[Claim, str, Sequence[float]]] = {
    "lost wards": (lost_wards_cost, "hospital_beds_lost", (0.0, 53.0, 106.0, 212.0)),
    "operations": (operations_put_off_free_no_money, "theatres_lost", (0.0, 6.0, 12.0)),
    "training": (training_works_as_far_as_it_goes, "training_investment", (0.0, 0.01, 16e3, 80e3, 160e3, 1e6)),
    "earthquake": (the_earthquake_costs, "earthquake_strength", (0.0, 0.5, 1.0, 1.5)),
}


def holds(model: Model, name: str) -> bool:
    """Whether a claim is true of a model."""
    claim, moved, values = CLAIMS[name]
    ds = fr.simulate(model, {moved: list(values)}, save=list(SAVED), save_every=12.0, engine="python")
    return claim(*({key: np.asarray(ds[key].sel(time=time).values) for key in SAVED} for time in (END, JUNE_2017)))


@pytest.mark.slow
@pytest.mark.parametrize("name", CLAIMS)
def test_nobody_gains_by_a_loss_and_effort_is_no_switch(name: str) -> None:
    assert holds(fr.read_model("canterbury"), name)


@pytest.mark.slow
@pytest.mark.parametrize(("model", "item"), mutants("canterbury", "claim"))
def test_a_mutant_is_caught_by_its_claim(model: str, item: dict[str, str], tmp_path: Path) -> None:
    assert not holds(fr.read_model(mutated(model, item, tmp_path)), item["claim"]), "the mutant lives"


def test_every_claim_has_a_mutant() -> None:
    assert {item.values[1]["claim"] for item in mutants("canterbury", "claim")} == set(CLAIMS)
