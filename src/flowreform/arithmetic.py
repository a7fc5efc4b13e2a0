"""IEEE arithmetic that never raises: what both engines mean by division, powers, rounding and the rest.

Every function takes and returns floats, never raises, never gives a complex or an int, and is the same to the last bit
whether CPython runs it or numba compiles it. Where CPython would raise (1/0, log(-1), exp(1000)) the plain Python form
returns the infinity or the NaN that the processor gives; `NATIVE` then names the form that numba compiles instead. A
function missing there is compiled as it stands. Comparisons, not min/max/abs, so that the treatment of NaN and -0.0 is
written down and not left to a library.
"""

from __future__ import annotations

import math
from collections.abc import Callable

INFINITY = math.inf
NAN = math.nan


def divide(a: float, b: float) -> float:
    """a / b, with a / 0 = +-inf and 0 / 0 = NaN."""
    try:
        return a / b
    except ZeroDivisionError:
        if a == 0.0 or a != a:
            return NAN
        return math.copysign(INFINITY, a) * math.copysign(1.0, b)


def _divide(a: float, b: float) -> float:
    return a / b


def power(a: float, b: float) -> float:
    """a to the power of b by the C library's `pow`; a negative base with a broken exponent is NaN."""
    try:
        return math.pow(a, b)
    except OverflowError:
        return -INFINITY if a < 0.0 and math.fmod(b, 2.0) != 0.0 else INFINITY
    except ValueError:
        if a == 0.0 and b < 0.0:
            odd = math.fmod(b, 2.0) in (1.0, -1.0)
            return math.copysign(INFINITY, a) if odd else INFINITY
        return NAN


def _power(a: float, b: float) -> float:
    return math.pow(a, b)


def exp(x: float) -> float:
    """e to the power of x."""
    try:
        return math.exp(x)
    except OverflowError:
        return INFINITY


def _exp(x: float) -> float:
    return math.exp(x)


def ln(x: float) -> float:
    """Natural logarithm; -inf at 0 and NaN below."""
    if x > 0.0:
        return math.log(x)
    return -INFINITY if x == 0.0 else NAN


def log10(x: float) -> float:
    """Decimal logarithm; -inf at 0 and NaN below."""
    if x > 0.0:
        return math.log10(x)
    return -INFINITY if x == 0.0 else NAN


def sqrt(x: float) -> float:
    """Square root; NaN below 0."""
    return math.sqrt(x) if x >= 0.0 else NAN


def sin(x: float) -> float:
    """Sine of x in radians; NaN at +-inf."""
    return math.sin(x) if x - x == 0.0 else NAN


def cos(x: float) -> float:
    """Cosine of x in radians; NaN at +-inf."""
    return math.cos(x) if x - x == 0.0 else NAN


def tan(x: float) -> float:
    """Tangent of x in radians; NaN at +-inf."""
    return math.tan(x) if x - x == 0.0 else NAN


def arcsin(x: float) -> float:
    """Angle in radians whose sine is x; NaN outside [-1, 1]."""
    return math.asin(x) if -1.0 <= x <= 1.0 else NAN


def arccos(x: float) -> float:
    """Angle in radians whose cosine is x; NaN outside [-1, 1]."""
    return math.acos(x) if -1.0 <= x <= 1.0 else NAN


def arctan(x: float) -> float:
    """Angle in radians whose tangent is x."""
    return math.atan(x)


def sinh(x: float) -> float:
    """Hyperbolic sine."""
    try:
        return math.sinh(x)
    except OverflowError:
        return math.copysign(INFINITY, x)


def _sinh(x: float) -> float:
    return math.sinh(x)


def cosh(x: float) -> float:
    """Hyperbolic cosine."""
    try:
        return math.cosh(x)
    except OverflowError:
        return INFINITY


def _cosh(x: float) -> float:
    return math.cosh(x)


def tanh(x: float) -> float:
    """Hyperbolic tangent."""
    return math.tanh(x)


def absolute(x: float) -> float:
    """|x|."""
    return abs(x)


def smaller(a: float, b: float) -> float:
    """The smaller of two; NaN when either is NaN."""
    return a if (a < b) | (a != a) else b


def larger(a: float, b: float) -> float:
    """The larger of two; NaN when either is NaN."""
    return a if (a > b) | (a != a) else b


def trunc(x: float) -> float:
    """The integer part, towards zero."""
    if not -4503599627370496.0 < x < 4503599627370496.0:
        return x
    return math.copysign(float(int(x)), x)


def floor(x: float) -> float:
    """The largest integer at or below x."""
    if not -4503599627370496.0 < x < 4503599627370496.0:
        return x
    whole = float(int(x))
    return math.copysign(whole if whole <= x else whole - 1.0, x)


def ceiling(x: float) -> float:
    """The smallest integer at or above x."""
    return -floor(-x)


def nearest(x: float) -> float:
    """The nearest integer, halves away from zero."""
    if not -4503599627370496.0 < x < 4503599627370496.0:
        return x
    whole = float(int(x))
    rest = x - whole
    if rest >= 0.5:
        whole += 1.0
    elif rest <= -0.5:
        whole -= 1.0
    return math.copysign(whole, x)


def modulo(x: float, m: float) -> float:
    """What is left of x after whole multiples of m, with the sign of x: x - m * trunc(x / m). NaN when m is 0."""
    return x - m * trunc(divide(x, m))


def _modulo(x: float, m: float) -> float:
    return x - m * trunc(x / m)


def wrap(x: float, m: float) -> float:
    """What is left of x after whole multiples of m, with the sign of m: x - m * floor(x / m). NaN when m is 0."""
    return x - m * floor(divide(x, m))


def _wrap(x: float, m: float) -> float:
    return x - m * floor(x / m)


def quantum(x: float, unit: float) -> float:
    """x cut down to whole multiples of `unit`; x itself when `unit` is not positive."""
    return unit * trunc(divide(x, unit)) if unit > 0.0 else x


def _quantum(x: float, unit: float) -> float:
    return unit * trunc(x / unit) if unit > 0.0 else x


def safe_divide(a: float, b: float, otherwise: float) -> float:
    """a / b, or `otherwise` when b is exactly 0."""
    return a / b if b != 0.0 else otherwise


def guarded_divide(a: float, b: float, otherwise: float) -> float:
    """a / b, or `otherwise` when |b| is under 1e-6 (Vensim's XIDZ and ZIDZ)."""
    return a / b if (b >= 1e-6) | (b <= -1e-6) | (b != b) else otherwise


# --- what begins at a time. A step owns the half-open interval from half a step before its time to half a step after, so that
# what begins half-way between two steps belongs to the later one, once, by every method: `begun` is the time at which the step
# began, also within a step of Runge-Kutta. A millionth of a step is taken off, so that rounding of times decides nothing.


def nothing(x: float) -> float:
    """0, or NaN where x is: a time that is no number must not pass for one that has not come."""
    return 0.0 if x == x else x


def step(begun: float, dt: float, height: float, start: float) -> float:
    """`height` from `start` on, 0 before."""
    return height if begun + 0.499999 * dt > start else nothing(start)


def ramp(t: float, slope: float, start: float, stop: float) -> float:
    """0 before `start`, then rising by `slope` per time unit, level from `stop` on. It never jumps, so `t` is any time."""
    until = t if t < stop else stop
    return slope * (until - start) if until > start else nothing(start + stop)


def pulse_width(begun: float, dt: float, start: float, width: float) -> float:
    """1 from `start` for `width` (at least one step), 0 otherwise (Vensim's PULSE)."""
    late = begun + 0.499999 * dt
    stop = start + (width if width > dt else dt)
    return 1.0 if start < late <= stop else nothing(start + width)


def pulse_train(begun: float, dt: float, start: float, width: float, every: float, stop: float) -> float:
    """1 for `width` at `start` and again `every` so often until `stop`, its own step included; 0 otherwise (Vensim's PULSE
    TRAIN)."""
    late = begun + 0.499999 * dt
    if not start < late <= stop + dt:
        return nothing(start + width + every + stop)
    if every <= 0.0:
        return 1.0
    within = wrap(late - start, every)
    return 1.0 if within < (width if width > dt else dt) else nothing(within + width)


def pulse(begun: float, dt: float, volume: float, start: float, every: float) -> float:
    """`volume` delivered within one step (as the rate volume / dt) at `start` and again `every` so often; 0 = once only.

    XMILE 1.0, section 3.5.5: a pulse is one step wide, so an interval shorter than a step gives one in every step."""
    late = begun + 0.499999 * dt
    if not late > start:
        return nothing(start)
    within = wrap(late - start, every) if every > 0.0 else late - start
    return volume / dt if within < dt else nothing(every)


def normal_below(x: float) -> float:
    """The share of the standard normal distribution below x, to 1e-5, by the formula that Vensim's results follow
    (Abramowitz and Stegun, Handbook of Mathematical Functions, 26.2.16)."""
    size = x if x >= 0.0 else -x
    k = 1.0 / (1.0 + 0.33267 * size)
    tail = 0.3989422804014327 * exp(-0.5 * size * size) * (k * (0.4361836 + k * (-0.1201676 + k * 0.937298)))
    return 1.0 - tail if x >= 0.0 else tail


def log_gamma(x: float) -> float:
    """The natural logarithm of the gamma function; inf at 0, NaN below.

    Stirling's series beyond 10 (Abramowitz and Stegun, 6.1.41), below it by the recurrence: right to 14 digits."""
    if not x > 0.0:
        return INFINITY if x == 0.0 else NAN
    if x == INFINITY:
        return INFINITY
    product = 1.0
    while x < 10.0:
        product = product * x
        x = x + 1.0
    y = 1.0 / (x * x)
    tail = 1.0 / 1680.0 - y * (1.0 / 1188.0 - y * 691.0 / 360360.0)
    series = (1.0 / 12.0 - y * (1.0 / 360.0 - y * (1.0 / 1260.0 - y * tail))) / x
    return (x - 0.5) * ln(x) - x + 0.9189385332046727 + series - ln(product)


def permutations(x: float, chosen: float) -> float:
    """In how many orders so many of x things can be chosen; fractions are cut off, NaN where there are not so many."""
    count = trunc(x)
    least = count - trunc(chosen)
    if not (count >= least >= 0.0 and count <= 1e6):
        return NAN
    total = 1.0
    while count > least and total < INFINITY:
        total = total * count
        count = count - 1.0
    return total


def factorial(x: float) -> float:
    """x!, of the whole part of x; NaN below 0, and infinity beyond 170."""
    return permutations(x, x)


def combinations(x: float, chosen: float) -> float:
    """How many choices of so many of x things there are; fractions are cut off, NaN where there are not so many."""
    count = trunc(x)
    some = trunc(chosen)
    if not (count >= some >= 0.0 and count <= 1e6):
        return NAN
    if some > count - some:
        some = count - some
    total = 1.0
    step = 1.0
    while step <= some and total < INFINITY:
        total = total * (count - some + step) / step
        step = step + 1.0
    return nearest(total)


def demand_at_price(quantity: float, profile: float, priority: float, width: float, price: float) -> float:
    """What is still asked for at a price: all of `quantity` far below `priority`, none far above it.

    `profile` is how it falls between (Vensim's ptype): 0 not at all, 1 as a straight line, 2 as two parabolas (both over
    `width`), 3 as a normal and 4 as a two-sided exponential distribution with `width` for spread; NaN for any other."""
    if not quantity > 0.0:
        return 0.0
    if profile == 0.0:
        return quantity
    spread = width if width > 1e-6 else 1e-6
    x = (price - priority) / spread
    if profile == 1.0:
        return quantity if x <= -0.5 else (0.0 if x >= 0.5 else quantity * (0.5 - x))
    if profile == 2.0:
        if x <= -0.5:
            return quantity
        if x >= 0.5:
            return 0.0
        return quantity * (1.0 - 2.0 * (x + 0.5) * (x + 0.5)) if x < 0.0 else quantity * (2.0 * (0.5 - x) * (0.5 - x))
    if profile == 3.0:
        return quantity * (1.0 - normal_below(x))
    if profile == 4.0:
        return quantity * (1.0 - 0.5 * exp(x)) if x < 0.0 else quantity * (0.5 * exp(-x))
    return NAN


NATIVE: dict[Callable[..., float], Callable[..., float]] = {
    divide: _divide,
    power: _power,
    exp: _exp,
    sinh: _sinh,
    cosh: _cosh,
    modulo: _modulo,
    wrap: _wrap,
    quantum: _quantum,
}
