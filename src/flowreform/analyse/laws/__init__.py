"""Laws: what must be so of every run of a model, whatever its inputs, and what is concluded from its runs.

`check_laws` runs a model in a few batches and yields an `Outcome` for every law and variable. A case file states in
`[laws]` which variables balance, what may be negative, and which settings switch the world off.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from flowreform.analyse.laws import rules
from flowreform.analyse.laws.rules import Outcome
from flowreform.analyse.laws.runs import courses, drawn, nudged, standing, varied
from flowreform.case import Case, Laws
from flowreform.model import Model

__all__ = ["LAWS", "Outcome", "check_laws"]

LAWS = ("finite", "conserved", "never above", "never negative", "steady", "no demand", "halved dt", "scaling", "last digits")
"""Every law by name."""


def check_laws(
    model: Model, case: Case, laws: Laws, *, draws: int = 9, seed: int = 1, engine: str = "auto", only: Collection[str] = LAWS
) -> Iterator[Outcome]:
    """Every law named in `only`, over `draws` draws of the uncertainties (and levers, where the law speaks of them).

    Half steps are asked of the levers as they are. "numba" pays from some fifty draws on."""
    monthly, save = _sparse(model), rules.saved_for(model, case, laws)
    if {"finite", "conserved", "never above", "never negative", "last digits"} & set(only):
        runs = list(varied(model, case, draws, seed))
        found = courses(model, runs, save, save_every=monthly, engine=engine)
        if "finite" in only:
            yield from rules.finite(found)
        if "conserved" in only:
            yield from rules.conserved(model, laws, found)
        if "never above" in only:
            yield from rules.never_above(model, laws, found)
        if "never negative" in only:
            yield from rules.never_negative(model, laws, found)
        if "last digits" in only:
            for by in (rules.NUDGE, -rules.NUDGE):
                moved = courses(model, nudged(model, runs, by), save, save_every=monthly, engine=engine)
                yield from rules.last_digits(model, found, moved)
    plain = [(f"draw {at}", settings) for at, settings in enumerate(drawn(case, draws, seed))]
    few = [*standing(case), *plain[: max(2, draws // 4)]]
    if "steady" in only and laws.steady is not None:
        still = [(label, {**settings, **laws.steady.settings}) for label, settings in [*standing(case), *plain]]
        found = courses(model, still, save, save_every=monthly, engine=engine)
        yield from rules.finite(found)
        yield from rules.steady(model, laws, found)
    if "no demand" in only:
        yield from rules.no_demand(model, case, laws, few, save_every=monthly, engine=engine)
    if "scaling" in only:
        yield from rules.scaled(model, case, laws, list(varied(model, case, max(2, draws // 4), seed)), save_every=monthly,
                                engine=engine)  # fmt: skip
    if "halved dt" in only:
        yield from rules.halved(model, case, laws, [*standing(case), *plain], engine=engine)


def _sparse(model: Model) -> float:
    """A saving interval of about 100 to 250 values a run, a whole number of steps that divides the run evenly."""
    steps = model.specs.steps
    every = max(1, steps // 250)
    while steps % every and every > 1:
        every -= 1
    return every * model.specs.dt
