"""Which loop leads from when to when, in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from flowreform.calendar import Calendar
from flowreform.text import number

if TYPE_CHECKING:
    import numpy as np

SHORTEST = 0.06
"""A regime shorter than this share of the run is part of its neighbour."""
DOMINANT = 0.5
"""A loop leads that has so large a share, as in the papers; a smaller one is only the largest."""
MOVES = 0.005
"""A stock that moves by less than this share of its range over the run hardly moves."""


class Scored(Protocol):
    """A loop, as far as regimes need it."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def shares(self) -> np.ndarray: ...


@dataclass(frozen=True)
class Regime:
    """From `start` to `stop`, in model time, one loop leads (none where all is at rest); `share` is its mean share there."""

    start: float
    stop: float
    leader: str
    share: float
    reinforcing: float
    balancing: float
    sentence: str

    def as_dict(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "start": self.start, "stop": self.stop, "leader": self.leader or None, "share": self.share,
            "reinforcing": self.reinforcing, "balancing": self.balancing, "sentence": self.sentence,
        }  # fmt: skip


@dataclass(frozen=True)
class When:
    """How times are said: in months where there is a calendar."""

    calendar: Calendar | None
    unit: str

    def between(self, start: float, stop: float) -> str:
        """From when to when."""
        if self.calendar is not None:
            first, last = self.calendar.date(start), self.calendar.date(stop)
            return f"{first:%B} {first.year} to {last:%B} {last.year}"
        word = self.unit or "time"
        return f"{word.capitalize()} {start:.4g} to {stop:.4g}"


def regimes(when: When, stock: str, values: np.ndarray | None, times: np.ndarray, loops: Sequence[Scored]) -> tuple[Regime, ...]:
    """The stretches of a run in which one loop has the largest share, short ones left to their neighbours, with a sentence for
    each. `values` float64[time] is what the stock does."""
    import numpy as np

    if not loops:
        return ()
    shares = np.stack([loop.shares for loop in loops])
    sizes = np.abs(shares)
    leaders = np.where(sizes.max(axis=0) > 0.0, sizes.argmax(axis=0), -1)
    spans = _spans(leaders, sizes)
    found = []
    for first, last in spans:
        inside = shares[:, first : last + 1]
        acting = np.abs(inside).sum(axis=0) > 0
        means = np.abs(inside[:, acting]).mean(axis=1) if acting.any() else np.zeros(len(loops))
        at = int(means.argmax())
        up = float(np.where(inside > 0, inside, 0.0)[:, acting].sum(axis=0).mean()) if acting.any() else 0.0
        down = float(np.where(inside < 0, -inside, 0.0)[:, acting].sum(axis=0).mean()) if acting.any() else 0.0
        leader = loops[at] if means[at] > 0.0 else None
        end = min(last + 1, len(times) - 1)
        doing = _doing(stock, values, first, end)
        span = float(times[first]), float(times[end])
        told = _sentence(when.between(*span), doing, leader, inside[at], float(means[at]), up, down)
        found.append(Regime(*span, leader.name if leader else "", float(means[at]), up, down, told))
    return tuple(found)


def _spans(leaders: np.ndarray, sizes: np.ndarray) -> list[tuple[int, int]]:
    """First and last moment of each stretch with one leader; the shortest is given away until none is too short."""
    spans: list[tuple[int, int, int]] = []
    for at, leader in enumerate(leaders.tolist()):
        if spans and spans[-1][2] == leader:
            spans[-1] = (spans[-1][0], at, leader)
        else:
            spans.append((at, at, leader))
    least = max(2, round(SHORTEST * len(leaders)))
    while len(spans) > 1:
        length, at = min((last - first + 1, at) for at, (first, last, _) in enumerate(spans))
        if length >= least:
            break
        first, last, _ = spans[at]

        def kept(beside: int, first: int = first, last: int = last) -> float:
            leader = spans[beside][2]
            return float(sizes[leader, first : last + 1].sum()) if leader >= 0 else 0.0

        beside = max((other for other in (at - 1, at + 1) if 0 <= other < len(spans)), key=lambda other: (kept(other), -other))
        low, high = min(at, beside), max(at, beside)
        spans[low : high + 1] = [(spans[low][0], spans[high][1], spans[beside][2])]
        at = 0
        while at + 1 < len(spans):  # neighbours that have one leader now are one
            if spans[at][2] == spans[at + 1][2]:
                spans[at : at + 2] = [(spans[at][0], spans[at + 1][1], spans[at][2])]
            else:
                at += 1
    return [(first, last) for first, last, _ in spans]


def _doing(stock: str, values: np.ndarray | None, first: int, last: int) -> str:
    """What the stock does in a stretch: rises or falls, from what to what, and whether it speeds up."""
    if values is None or not stock:
        return ""
    begin, end = float(values[first]), float(values[last])
    reach = float(values.max() - values.min())
    if abs(end - begin) <= MOVES * reach or reach == 0.0:
        inside = values[first : last + 1]
        if reach and float(inside.max() - inside.min()) > 10 * MOVES * reach:
            return f"{stock} goes up and down and ends where it was, at {number(end, 3)}"
        return f"{stock} hardly moves from {number(begin, 3)}"
    middle = float(values[(first + last) // 2])
    half = (middle - begin) / (end - begin)
    pace = ", slowing down" if half > 0.6 else ", ever faster" if half < 0.4 else ""
    turned = ", not all one way" if not 0.0 <= half <= 1.0 else pace
    return f"{stock} {'rises' if end > begin else 'falls'} from {number(begin, 3)} to {number(end, 3)}{turned}"


def _sentence(
    when: str, doing: str, leader: Scored | None, shares: np.ndarray,
    share: float, up: float, down: float,
) -> str:  # fmt: skip
    if leader is None:
        return f"{when}: {doing + '; ' if doing else ''}no loop acts."
    kind = "reinforcing" if shares.sum() > 0 else "balancing"
    whole = max(up, down)
    side = "reinforcing" if up > down else "balancing"
    rest = f"; {side} loops together have {number(100 * whole, 2)} %" if whole - share > 0.005 else ""
    leads = "leads with" if share >= DOMINANT else "is the largest, with"
    return (
        f"{when}: {doing + '; ' if doing else ''}the {kind} loop {leader.name} ({leader.title}) {leads} "
        f"{number(100 * share, 2)} % of all scores{rest}."
    )
