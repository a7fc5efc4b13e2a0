"""What emitted text calls besides `arithmetic`: reading tables, histories and running subscripts.

Written so that CPython runs them and numba compiles them alike; arrays or tuples, both do.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flowreform.arithmetic import demand_at_price, divide


def look(
    X: Sequence[float],
    Y: Sequence[float],
    M: Sequence[float],
    P: Sequence[int],
    N: Sequence[int],
    K: Sequence[int],
    k: int,
    x: float,
) -> float:
    """Graphical function k at x: points X, Y with slopes M from P[k] on, N[k] of them, of kind K[k] (0 continuous,
    1 extrapolate, 2 discrete). NaN at NaN."""
    if x != x:
        return x
    low = P[k]
    high = low + N[k] - 1
    if K[k] == 2:
        if not x >= X[low]:
            return Y[low]
        if x >= X[high]:
            return Y[high]
    elif x <= X[low]:
        return Y[low] if K[k] == 0 or low == high else Y[low] + M[low] * (x - X[low])
    elif x >= X[high]:
        return Y[high] if K[k] == 0 or low == high else Y[high - 1] + M[high - 1] * (x - X[high - 1])
    while high - low > 1:
        middle = (low + high) >> 1
        if (x >= X[middle]) if K[k] == 2 else (x > X[middle]):
            low = middle
        else:
            high = middle
    return Y[low] if K[k] == 2 else Y[low] + M[low] * (x - X[low])


def astray(X: Any, P: Any, N: Any, K: Any, k: int, x: float) -> float:
    """1 when x is outside the points of graphical function k, which does not extrapolate; else 0."""
    if K[k] == 1:
        return 0.0
    return 1.0 if x < X[P[k]] or x > X[P[k] + N[k] - 1] else 0.0


def past(hist: Any, h: int, n: int, lag: float, r: int, before: float) -> float:
    """History h of run r, `lag` steps before step n; `before` where there was none yet."""
    if not lag <= n or lag < 1.0:
        return before if lag == lag else lag
    return hist[h, n - int(lag), r]  # type: ignore[no-any-return]


def at(x: float, size: int) -> int:
    """Subscript x (from 1) as a position, held within the dimension."""
    if not x >= 1.0:
        return 0
    if x >= size:
        return size - 1
    return int(x) - 1


def within(x: float, size: int) -> bool:
    """Is subscript x inside its dimension?"""
    return 1.0 <= x < size + 1.0


def clearing_price(s: Any, size: int, quantity: int, q: int, profile: int, p: int, field: int, available: float) -> float:
    """The price at which demands add up to what is available, and to no more; the lowest number there is when that is enough for
    all, the highest when it is nothing (finite, so that no run counts as failed for it). A demand below zero is none.

    `quantity` and `profile` are the cells of the first demand and the first field of its profile (type, priority, width),
    `q`, `p` and `field` the strides. Halving the interval until it has no number inside finds the price to the last bit."""
    total = 0.0
    low = 0.0
    high = 0.0
    for i in range(size):
        if s[quantity + i * q] > 0.0:
            total = total + s[quantity + i * q]
        middle = s[profile + i * p + field]
        reach = 40.0 * abs(s[profile + i * p + 2 * field]) + 1.0
        if i == 0 or middle - reach < low:
            low = middle - reach
        if i == 0 or middle + reach > high:
            high = middle + reach
    if available >= total and available > 0.0:
        return -1.7976931348623157e308
    if available <= 0.0:
        return 1.7976931348623157e308
    for _ in range(2200):
        price = 0.5 * low + 0.5 * high
        if not low < price < high:
            break
        demanded = 0.0
        for i in range(size):
            at_i = profile + i * p
            demanded = demanded + demand_at_price(s[quantity + i * q], s[at_i], s[at_i + field], s[at_i + 2 * field], price)
        if demanded > available:
            low = price
        else:
            high = price
    return high


def fixed_share(s: Any, size: int, quantity: int, q: int, profile: int, p: int, field: int, available: float) -> float:
    """The share of their quantity that demands of no price (type 0) get: all of it, or what is available in equal shares.

    Cells and strides as in `clearing_price`; `field` is not used."""
    total = 0.0
    for i in range(size):
        if s[profile + i * p] == 0.0 and s[quantity + i * q] > 0.0:
            total = total + s[quantity + i * q]
    if available <= 0.0:
        return 0.0
    return divide(available, total) if total > available else 1.0


def priority_start(s: Any, size: int, quantity: int, q: int, priority: int, p: int, width: float, own: float) -> float:
    """How far the highest priority is ahead of priority `own`, counted along those that ask for something: each step down
    counts its distance in widths, at most 1."""
    current = own
    for i in range(size):
        if s[quantity + i * q] > 0.0 and s[priority + i * p] > current:
            current = s[priority + i * p]
    start = 0.0
    for _ in range(size):
        following = own
        for i in range(size):
            here = s[priority + i * p]
            if s[quantity + i * q] > 0.0 and following < here < current:
                following = here
        if not following < current:
            break
        gap = divide(current - following, width)
        start = start + (gap if gap < 1.0 else 1.0)
        current = following
    return start


def filling_level(s: Any, size: int, quantity: int, q: int, start: int, p: int, supply: float) -> float:
    """The level at which demands, each filling evenly from its own start to one above it, add up to the supply; a demand below
    zero is none."""
    there = 0.0 if supply < 0.0 else supply
    best = 0.0  # the highest corner that the supply reaches, what it takes, and the corner after it
    taken = 0.0
    after = float("inf")
    for corner in range(2 * size):
        level = s[start + (corner >> 1) * p] + float(corner & 1)
        used = 0.0
        for i in range(size):
            share = level - s[start + i * p]
            asked = s[quantity + i * q]
            used = used + (asked if asked > 0.0 else 0.0) * (0.0 if share < 0.0 else (1.0 if share > 1.0 else share))
        if used <= there:
            if level > best:
                best = level
                taken = used
        elif level < after:
            after = level
    if after == float("inf"):
        return best
    rate = 0.0
    middle = 0.5 * best + 0.5 * after
    for i in range(size):
        share = middle - s[start + i * p]
        if 0.0 < share < 1.0 and s[quantity + i * q] > 0.0:
            rate = rate + s[quantity + i * q]
    return best + divide(there - taken, rate)


def inverse(
    s: Any, size: int, matrix: int, row: int, column: int, scratch: int, line: int, cell: int, i: float, j: float
) -> float:
    """Element (i, j), from 1, of the inverse of a matrix: column j of the unit matrix solved for by elimination with
    pivots. `scratch` is room for `size` lines of `size + 1` cells. NaN, by 0/0, where the matrix has no inverse."""
    for a in range(size):
        for b in range(size):
            s[scratch + a * line + b * cell] = s[matrix + a * row + b * column]
        s[scratch + a * line + size * cell] = 1.0 if float(a + 1) == j else 0.0
    for k in range(size):
        pivot = k
        for a in range(k + 1, size):
            if abs(s[scratch + a * line + k * cell]) > abs(s[scratch + pivot * line + k * cell]):
                pivot = a
        for b in range(k, size + 1):
            held = s[scratch + k * line + b * cell]
            s[scratch + k * line + b * cell] = s[scratch + pivot * line + b * cell]
            s[scratch + pivot * line + b * cell] = held
        for a in range(size):
            if a != k:
                factor = divide(s[scratch + a * line + k * cell], s[scratch + k * line + k * cell])
                for b in range(k, size + 1):
                    s[scratch + a * line + b * cell] = (
                        s[scratch + a * line + b * cell] - factor * s[scratch + k * line + b * cell]
                    )
    at_i = int(i) - 1
    return divide(s[scratch + at_i * line + size * cell], s[scratch + at_i * line + at_i * cell])
