"""The points of a graphical function in order, as every reader takes them."""

from __future__ import annotations

import math
from collections.abc import Sequence

from flowreform.model import Lookup


class Unorderable(Exception):
    """Points that are no function: `reason` and `repair`."""

    def __init__(self, reason: str, repair: str) -> None:
        super().__init__(reason)
        self.reason, self.repair = reason, repair


def in_order(x: Sequence[float], y: Sequence[float]) -> Lookup:
    """A lookup from points, sorted by x; a point given twice counts once. Two values at one x are a step: the first holds up
    to and at that x, the second from the next number that a computer can tell from it.

    Raises Unorderable for an x that is not finite and for three values at one x."""
    points: list[tuple[float, float]] = []
    step = math.nan
    for place, value in sorted(zip(x, y, strict=True), key=lambda pair: pair[0]):
        if not math.isfinite(place):
            raise Unorderable("an x of the lookup is not a finite number", "write a finite number")
        if points and (place, value) in points[-2:]:
            continue
        if place == step:
            raise Unorderable(f"the lookup has three values at x = {place:g}", "keep two: before and after the step")
        if points and place == points[-1][0]:
            step, place = place, math.nextafter(place, math.inf)
        points.append((place, value))
    return Lookup(tuple(point[0] for point in points), tuple(point[1] for point in points))
