"""When a plan breaks: rules on the inputs, with counts, in the order of how much they tell.

`peel` is the Patient Rule Induction Method of Friedman and Fisher (1999): a box that holds most of the broken draws and few
others, found by taking a small part of the draws away at a time. One- and two-cut rules are tried one by one: an input above or
below a threshold, or two such at once; the best has the largest difference between the share of broken draws that it holds and
the share of others (Youden 1950).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

THRESHOLDS = 19
"""Thresholds tried of each input: its 5th, 10th ... 95th percentile in the draws."""


@dataclass(frozen=True, slots=True)
class Threshold:
    """An input above (`above`) a threshold, or at most that."""

    name: str
    above: bool
    value: float


@dataclass(frozen=True, slots=True)
class Rule:
    """Draws in which all cuts hold: how many there are, how many of them are broken, and the same of all others."""

    cuts: tuple[Threshold, ...]
    inside: int
    broken_inside: int
    outside: int
    broken_outside: int

    @property
    def gain(self) -> float:
        """The share of broken draws inside less the share of whole draws inside."""
        broken, whole = self.broken_inside + self.broken_outside, self.inside + self.outside
        kept = whole - broken
        return self.broken_inside / max(1, broken) - (self.inside - self.broken_inside) / max(1, kept)


@dataclass(frozen=True, slots=True)
class PeeledBox:
    """One step of peeling: limits by input (those that were cut), and coverage, density and mass of the draws inside."""

    limits: Mapping[str, tuple[float, float]]
    coverage: float
    density: float
    mass: float


def best_rules(inputs: Mapping[str, Floats], broken: Bools) -> tuple[Rule | None, Rule | None]:
    """The best rule of one cut and of two; None where nothing is broken, or everything, or nothing varies."""
    count, bad = len(broken), int(broken.sum())
    cuts, masks = _cuts(inputs, count)
    if not bad or bad == count or not cuts:
        return None, None
    inside = masks.astype(np.float64)
    hits = inside[:, broken].sum(axis=1)
    gain = hits / bad - (inside.sum(axis=1) - hits) / (count - bad)
    one = int(np.argmax(gain))
    first = _rule((cuts[one],), masks[one], broken)
    pair_hits = inside[:, broken] @ inside[:, broken].T
    pair_misses = inside[:, ~broken] @ inside[:, ~broken].T
    gains = pair_hits / bad - pair_misses / (count - bad)
    names = np.array([list(inputs).index(cut.name) for cut in cuts])
    gains[names[:, None] >= names[None, :]] = -np.inf
    if not np.isfinite(gains).any():
        return first, None
    a, b = np.unravel_index(int(np.argmax(gains)), gains.shape)
    return first, _rule((cuts[int(a)], cuts[int(b)]), masks[int(a)] & masks[int(b)], broken)


def _cuts(inputs: Mapping[str, Floats], count: int) -> tuple[list[Threshold], Bools]:
    cuts, masks = [], []
    for name, column in inputs.items():
        for value in np.unique(np.quantile(column, np.arange(1, THRESHOLDS + 1) / (THRESHOLDS + 1))):
            for above in (True, False):
                mask = column > value if above else column <= value
                if 0 < mask.sum() < len(column):
                    cuts.append(Threshold(name, above, float(value)))
                    masks.append(mask)
    return cuts, np.array(masks, dtype=bool).reshape(len(cuts), count)


def _rule(cuts: tuple[Threshold, ...], mask: Bools, broken: Bools) -> Rule:
    return Rule(cuts, int(mask.sum()), int((mask & broken).sum()), int((~mask).sum()), int((~mask & broken).sum()))


def peel(inputs: Mapping[str, Floats], broken: Bools, *, alpha: float = 0.05, least: float = 0.05) -> tuple[PeeledBox, ...]:
    """The boxes on the way from all draws to the densest, by peeling `alpha` of the draws inside at a time.

    Of the cuts possible at a step, that with the largest gain in density for each draw that it takes away; where a cut takes more
    draws than were meant, because values are alike, it pays for them. Ends where less than `least` of the draws would be left, or
    no cut makes the box denser."""
    names = [name for name in inputs if len(np.unique(inputs[name])) > 1]
    table = np.stack([inputs[name] for name in names], axis=1) if names else np.empty((len(broken), 0))
    low, high = table.min(axis=0, initial=np.inf), table.max(axis=0, initial=-np.inf)
    whole = (low.copy(), high.copy())
    rows = np.arange(len(broken))
    found = [_box(names, low, high, whole, rows, broken)]
    while len(rows) and broken.any():
        cut = _best_cut(table, rows, broken, alpha, least)
        if cut is None:
            break
        at, side, value, rows = cut
        (low if side == "low" else high)[at] = value
        found.append(_box(names, low, high, whole, rows, broken))
        if found[-1].density >= 1.0:
            break
    return tuple(found)


def _best_cut(
    table: Floats, rows: NDArray[np.int_], broken: Bools, alpha: float, least: float
) -> tuple[int, str, float, NDArray[np.int_]] | None:
    now, best = float(broken[rows].mean()), None
    top = -np.inf
    for at in range(table.shape[1]):
        column = table[rows, at]
        for side, edge in (("low", np.quantile(column, alpha)), ("high", np.quantile(column, 1 - alpha))):
            inside = column >= edge if side == "low" else column <= edge
            if inside.all():  # the edge is the most usual value: take that away
                inside = column > edge if side == "low" else column < edge
            if not inside.any() or inside.all() or inside.sum() < least * len(broken):
                continue
            gain = (float(broken[rows[inside]].mean()) - now) / (len(rows) - int(inside.sum()))
            if gain > top:
                left = column[inside]
                top, best = gain, (at, side, float(left.min() if side == "low" else left.max()), rows[inside])
    return best if top > 0 else None


def _box(
    names: Sequence[str], low: Floats, high: Floats, whole: tuple[Floats, Floats], rows: NDArray[np.int_], broken: Bools
) -> PeeledBox:
    limits = {
        name: (float(low[at]), float(high[at]))
        for at, name in enumerate(names)
        if low[at] > whole[0][at] or high[at] < whole[1][at]
    }
    inside = broken[rows]
    return PeeledBox(
        limits, float(inside.sum() / max(1, broken.sum())), float(inside.mean()) if len(rows) else 0.0, len(rows) / len(broken)
    )


def telling(boxes: Sequence[PeeledBox]) -> PeeledBox | None:
    """The box to show: that with the largest product of coverage and density, and at least one limit."""
    cut = [box for box in boxes if box.limits]
    return max(cut, key=lambda box: (box.coverage * box.density, -len(box.limits)), default=None)
