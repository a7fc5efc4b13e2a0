"""The correlations of an experiment file: which pairs, whether they are known, and whether they can stand together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from flowreform.case.uncertainty import Uncertainty
from flowreform.errors import did_you_mean
from flowreform.experiment.copula import Correlation, matrix_of, named_in
from flowreform.experiment.named import canonical_name
from flowreform.toml import Loc, Source

SMALLEST = 1e-6
"""Smallest eigenvalue that a correlation matrix may have."""


def correlations_of(source: Source, uncertainties: Mapping[str, Uncertainty], varies: bool) -> tuple[Correlation, ...]:
    """The correlations of an experiment file; every fault is added. `varies` is False where one draw runs the base values."""
    found: dict[frozenset[str], Correlation] = {}
    for at, item in source.listed(Correlation, "correlations"):
        loc: Loc = ("correlations", at)
        item = item.model_copy(update={"between": tuple(canonical_name(name) for name in item.between)})
        pair = frozenset(item.between)
        if len(pair) == 1:
            reason = f"{item.between[0]} cannot be correlated with itself"
            source.fault("correlation", (*loc, "between"), reason, "name two uncertainties")
        elif pair in found:
            reason = f"{' and '.join(item.between)} stand here already"
            source.fault("duplicate", (*loc, "between"), reason, "keep one of the two")
        elif not varies:
            reason = "one draw without uncertainties runs the base values, so nothing can move together"
            source.warn("unused", loc, reason, "set draws or uncertainties")
        elif _known(item, uncertainties, source, loc):
            found[pair] = item
    kept = tuple(found.values())
    _possible(kept, source)
    return kept


def _known(item: Correlation, uncertainties: Mapping[str, Uncertainty], source: Source, loc: Loc) -> bool:
    known = True
    for at, name in enumerate(item.between):
        place: Loc = (*loc, "between", at)
        if name not in uncertainties:
            hint = did_you_mean(name, uncertainties) or f"uncertainties are {', '.join(uncertainties) or 'none'}"
            source.fault("unknown-uncertainty", place, "the experiment has no such uncertainty", hint, element=name)
            known = False
        elif uncertainties[name].kind.stepped:
            reason = f"{name} has a few values, and equal values have no order: the rank correlation will be smaller"
            source.warn("correlation", place, reason, "give it a continuous distribution")
    return known


def _possible(correlations: Sequence[Correlation], source: Source) -> None:
    """Whether some numbers at all can be correlated like this: the matrix must be positive definite."""
    names = sorted(named_in(correlations))
    if not names or _smallest(names, correlations, 1.0) >= SMALLEST:
        return
    shares = np.arange(99, 0, -1) / 100.0
    enough = next(float(share) for share in shares if _smallest(names, correlations, float(share)) >= SMALLEST)
    reason = f"these cannot all hold at once: no numbers over {', '.join(names)} are correlated like that"
    repair = f"move them towards 0: all of them times {enough:g} would do"
    source.fault("correlation", ("correlations",), reason, repair)


def _smallest(names: Sequence[str], correlations: Sequence[Correlation], share: float) -> float:
    """The smallest eigenvalue of the matrix with all correlations made smaller."""
    smaller = [item.model_copy(update={"rank_correlation": share * item.rank_correlation}) for item in correlations]
    return float(np.linalg.eigvalsh(matrix_of(names, smaller))[0])
