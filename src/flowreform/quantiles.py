"""Random numbers from a sample of the unit interval: the inverse of a distribution function, cut to the range that is allowed.

Every function takes `u`, strictly between 0 and 1, then the lowest and the highest value allowed (NaN for no limit), then the
numbers of the distribution. What is left of the distribution between the limits keeps its shape, as in Vensim and Stella: values
outside are drawn anew there, and here `u` is spread over what lies inside. Written so that CPython runs them and numba compiles
them to the same bits; NaN where the numbers make no distribution. Tests hold each to scipy's distribution.
"""

from __future__ import annotations

import math

from flowreform.arithmetic import INFINITY, NAN, ceiling, exp, floor, ln, log_gamma, power, sqrt


def normal_share(x: float) -> float:
    """The share of the standard normal distribution below x."""
    return 0.5 * math.erfc(-x * 0.7071067811865476)


def normal_quantile(p: float) -> float:
    """The x below which the share p of the standard normal distribution lies, to 16 digits.

    Wichura (1988), Algorithm AS 241, Applied Statistics 37(3), PPND16."""
    if not 0.0 <= p <= 1.0:
        return NAN
    if p == 0.0:
        return -INFINITY
    if p == 1.0:
        return INFINITY
    q = p - 0.5
    if abs(q) <= 0.425:
        r = 0.180625 - q * q
        a = 4.5921953931549871457e4 + r * (6.7265770927008700853e4 + r * (3.3430575583588128105e4 + r * 2.5090809287301226727e3))
        a = 3.3871328727963666080 + r * (
            1.3314166789178437745e2 + r * (1.9715909503065514427e3 + r * (1.3731693765509461125e4 + r * a))
        )
        b = 2.1213794301586595867e4 + r * (3.9307895800092710610e4 + r * (2.8729085735721942674e4 + r * 5.2264952788528545610e3))
        b = 1.0 + r * (4.2313330701600911252e1 + r * (6.8718700749205790830e2 + r * (5.3941960214247511077e3 + r * b)))
        return q * a / b
    r = sqrt(-ln(p if q < 0.0 else 1.0 - p))
    if r <= 5.0:
        r = r - 1.6
        a = 1.27045825245236838258 + r * (
            2.41780725177450611770e-1 + r * (2.27238449892691845833e-2 + r * 7.74545014278341407640e-4)
        )
        a = 1.42343711074968357734 + r * (
            4.63033784615654529590 + r * (5.76949722146069140550 + r * (3.64784832476320460504 + r * a))
        )
        b = 1.48103976427480074590e-1 + r * (
            1.51986665636164571966e-2 + r * (5.47593808499534494600e-4 + r * 1.05075007164441684324e-9)
        )
        b = 1.0 + r * (2.05319162663775882187 + r * (1.67638483018380384940 + r * (6.89767334985100004550e-1 + r * b)))
    else:
        r = r - 5.0
        a = 2.65321895265761230930e-2 + r * (
            1.24266094738807843860e-3 + r * (2.71155556874348757815e-5 + r * 2.01033439929228813265e-7)
        )
        a = 6.65790464350110377720 + r * (
            5.46378491116411436990 + r * (1.78482653991729133580 + r * (2.96560571828505e-1 + r * a))
        )
        b = 7.86869131145613259100e-4 + r * (
            1.84631831751005468180e-5 + r * (1.42151175831644588870e-7 + r * 2.04426310338993978564e-15)
        )
        b = 1.0 + r * (5.99832206555887937690e-1 + r * (1.36929880922735805310e-1 + r * (1.48753612908506148525e-2 + r * b)))
    return -(a / b) if q < 0.0 else a / b


def kept(x: float, low: float, high: float) -> float:
    """x, or the limit that rounding took it over."""
    if x < low:
        return low
    return high if x > high else x


def uniform_between(u: float, low: float, high: float) -> float:
    """Between low and high, all alike."""
    return low + u * (high - low)


def normal_between(u: float, low: float, high: float, mean: float, deviation: float) -> float:
    """A normal distribution."""
    if not deviation > 0.0:
        return kept(mean, low, high) if deviation == 0.0 else NAN
    a = -INFINITY if low != low else (low - mean) / deviation
    b = INFINITY if high != high else (high - mean) / deviation
    if a > b:
        return NAN
    if a > 0.0:  # far up, where shares are near 1 and lose their digits, the same from the other side
        least = normal_share(-b)
        z = -normal_quantile(least + (1.0 - u) * (normal_share(-a) - least))
    else:
        least = normal_share(a)
        z = normal_quantile(least + u * (normal_share(b) - least))
    return kept(mean + deviation * z, low, high)


def lognormal_between(u: float, low: float, high: float, mean: float, deviation: float) -> float:
    """A lognormal distribution; mean and deviation are those of the numbers themselves, not of their logarithms."""
    if not (mean > 0.0 and deviation >= 0.0):
        return NAN
    spread = ln(1.0 + (deviation / mean) * (deviation / mean))
    least = NAN if low != low or low <= 0.0 else ln(low)
    if high <= 0.0:
        return NAN
    most = NAN if high != high else ln(high)
    return kept(exp(normal_between(u, least, most, ln(mean) - 0.5 * spread, sqrt(spread))), low, high)


def waiting(u: float, low: float, high: float) -> float:
    """An exponential distribution with mean 1."""
    most = exp(-low) if low > 0.0 else 1.0
    least = exp(-high) if high == high else 0.0
    if high < low or high < 0.0:
        return NAN
    return kept(-ln(most - u * (most - least)), low, high)


def exponential_between(u: float, low: float, high: float, shift: float, stretch: float) -> float:
    """An exponential distribution with mean 1, times stretch, plus shift."""
    if not stretch > 0.0:
        return kept(shift, low, high) if stretch == 0.0 else NAN
    return kept(shift + stretch * waiting(u, (low - shift) / stretch, (high - shift) / stretch), low, high)


def weibull_between(u: float, low: float, high: float, shape: float, shift: float, stretch: float) -> float:
    """A Weibull distribution of that shape and scale 1, times stretch, plus shift."""
    if not (shape > 0.0 and stretch > 0.0):
        return kept(shift, low, high) if stretch == 0.0 and shape > 0.0 else NAN
    a, b = (low - shift) / stretch, (high - shift) / stretch
    least = 0.0 if not a > 0.0 else power(a, shape)
    most = power(b, shape) if b >= 0.0 else b
    return kept(shift + stretch * power(waiting(u, least, most), 1.0 / shape), low, high)


def unit_weibull_between(u: float, low: float, high: float, shape: float, shift: float, stretch: float) -> float:
    """A Weibull distribution of that shape and mean 1, times stretch, plus shift: Vensim's."""
    if not shape > 0.0:
        return NAN
    return weibull_between(u, low, high, shape, shift, stretch / exp(log_gamma(1.0 + 1.0 / shape)))


def pareto_between(u: float, low: float, high: float, shape: float, scale: float) -> float:
    """A Pareto distribution: scale and more, fewer the more."""
    if not (shape > 0.0 and scale > 0.0):
        return NAN
    if high < scale:
        return NAN
    least = shape * ln(low / scale) if low > scale else 0.0
    most = NAN if high != high else shape * ln(high / scale)
    return kept(scale * exp(waiting(u, least, most) / shape), low, high)


def logistic_between(u: float, low: float, high: float, mean: float, scale: float) -> float:
    """A logistic distribution."""
    if not scale > 0.0:
        return kept(mean, low, high) if scale == 0.0 else NAN
    least = 0.0 if low != low else 1.0 / (1.0 + exp(-((low - mean) / scale)))
    most = 1.0 if high != high else 1.0 / (1.0 + exp(-((high - mean) / scale)))
    if high < low:
        return NAN
    p = least + u * (most - least)
    return kept(mean + scale * (ln(p) - ln(1.0 - p)), low, high)


def triangle_share(x: float, start: float, peak: float, stop: float) -> float:
    """The share of a triangular distribution below x."""
    if x <= start:
        return 0.0
    if x >= stop:
        return 1.0
    if x <= peak:
        return (x - start) * (x - start) / ((stop - start) * (peak - start))
    return 1.0 - (stop - x) * (stop - x) / ((stop - start) * (stop - peak))


def triangular_between(u: float, low: float, high: float, start: float, peak: float, stop: float) -> float:
    """A triangular distribution from start over peak to stop."""
    if not start <= peak <= stop or high < low:
        return NAN
    if start == stop:
        return kept(start, low, high)
    least = 0.0 if low != low else triangle_share(low, start, peak, stop)
    most = 1.0 if high != high else triangle_share(high, start, peak, stop)
    p = least + u * (most - least)
    if p * (stop - start) < peak - start:
        return kept(start + sqrt(p * (stop - start) * (peak - start)), low, high)
    return kept(stop - sqrt((1.0 - p) * (stop - start) * (stop - peak)), low, high)


def first_counted(mean: float, deviation: float) -> float:
    """Where counting begins: below it there is nothing that a double could tell from 0."""
    first = floor(mean - 12.0 * deviation - 40.0)
    return first if first > 0.0 else 0.0


def poisson_between(u: float, low: float, high: float, mean: float) -> float:
    """A Poisson distribution of a mean up to 100,000, by adding up its probabilities."""
    if not 0.0 <= mean <= 100000.0 or high < low or high < 0.0:
        return NAN
    if mean == 0.0:
        return kept(0.0, low, high)
    k = first_counted(mean, sqrt(mean))
    chance = exp(k * ln(mean) - mean - log_gamma(k + 1.0))
    end = mean + 12.0 * sqrt(mean) + 60.0
    below = 0.0  # what lies under the lower limit, and what up to the upper one
    inside = 1.0
    bottom = ceiling(low) if low > 0.0 else 0.0
    top = floor(high) if high == high else end
    if low > 0.0 or high < end:
        inside = 0.0
        total = 0.0
        each = chance
        at = k
        while at <= top and at <= end:
            if at < bottom:
                below = below + each
            total = total + each
            at = at + 1.0
            each = each * (mean / at)
        inside = total - below
    goal = below + u * inside
    total = chance
    while total < goal and k < end:
        k = k + 1.0
        chance = chance * (mean / k)
        total = total + chance
    return kept(k, bottom, top if top >= bottom else bottom)


def binomial_between(u: float, low: float, high: float, probability: float, trials: float) -> float:
    """Successes among trials, up to 100,000 of them, by adding up their probabilities."""
    n = floor(trials)
    if not (0.0 <= probability <= 1.0 and 0.0 <= n <= 100000.0) or high < low or high < 0.0 or low > n:
        return NAN
    if probability == 0.0 or probability == 1.0:
        return kept(n * probability, low, high)
    odds = probability / (1.0 - probability)
    k = first_counted(n * probability, sqrt(n * probability * (1.0 - probability)))
    ways = log_gamma(n + 1.0) - log_gamma(k + 1.0) - log_gamma(n - k + 1.0)
    chance = exp(ways + k * ln(probability) + (n - k) * ln(1.0 - probability))
    below = 0.0
    inside = 1.0
    bottom = ceiling(low) if low > 0.0 else 0.0
    top = floor(high) if high < n else n
    if bottom > 0.0 or top < n:
        total = 0.0
        each = chance
        at = k
        while at <= top:
            if at < bottom:
                below = below + each
            total = total + each
            each = each * odds * ((n - at) / (at + 1.0))
            at = at + 1.0
        inside = total - below
    goal = below + u * inside
    total = chance
    while total < goal and k < n:
        chance = chance * odds * ((n - k) / (k + 1.0))
        k = k + 1.0
        total = total + chance
    return kept(k, bottom, top if top >= bottom else bottom)


def chance(u: float, probability: float) -> float:
    """1 with that probability, else 0."""
    return 1.0 if u < probability else 0.0
