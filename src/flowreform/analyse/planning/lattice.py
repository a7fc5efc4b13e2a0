"""Plans as points of a lattice: a whole number for each decision, from 0 to its count less one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, product

import numpy as np

from flowreform.experiment.plans import Decision
from flowreform.sampling import unit_samples

Plan = tuple[int, ...]


def values_of(plan: Plan, decisions: Sequence[Decision]) -> tuple[float, ...]:
    """What a plan decides, in the model's units."""
    return tuple(item.value(at) for item, at in zip(decisions, plan, strict=True))


def grid(decisions: Sequence[Decision]) -> Iterator[Plan]:
    """Every plan."""
    return product(*(range(item.count) for item in decisions))


def spread(decisions: Sequence[Decision], count: int, seed: int) -> list[Plan]:
    """Sobol points over the lattice, each once."""
    columns = unit_samples(tuple(item.name for item in decisions), count, "sobol", seed)
    rows = zip(*(np.floor(columns[item.name] * item.count).astype(int).tolist() for item in decisions), strict=True)
    return list(dict.fromkeys(rows))


def axes(plan: Plan, decisions: Sequence[Decision], step: int) -> list[Plan]:
    """The plans `step` values away in one decision, both ways, cut off at the ends."""
    return _moved(plan, decisions, [{at: way * step} for at in range(len(plan)) for way in (-1, 1)])


def diagonals(plan: Plan, decisions: Sequence[Decision], step: int) -> list[Plan]:
    """The plans `step` values away in two decisions at once."""
    pairs = combinations(range(len(plan)), 2)
    return _moved(plan, decisions, [{a: x * step, b: y * step} for a, b in pairs for x, y in product((-1, 1), repeat=2)])


def _moved(plan: Plan, decisions: Sequence[Decision], moves: Sequence[dict[int, int]]) -> list[Plan]:
    found = []
    for move in moves:
        other = tuple(
            min(max(at + move.get(place, 0), 0), item.count - 1)
            for place, (at, item) in enumerate(zip(plan, decisions, strict=True))
        )
        if other != plan:
            found.append(other)
    return list(dict.fromkeys(found))
