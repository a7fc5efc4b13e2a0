"""Posterior of many boards under one national layer.

The target is exact: residuals come from the courses of the model itself. Proposals come from the same posterior with the courses
made straight (Gauss and Newton), but for the product of pass-through with everything else, which is kept: then, pass-through and
scales given, all is normal, and a board's numbers can be integrated out of the national layer.

A sweep takes, in turn, the national layer (boards go along; accepted or not by how far the straight courses are off), every board
given the national layer, the national residual, means, and scales. Chains of several problems (origins, or boards on their
own) run side by side, because the model runs fastest in large batches.

Axes: c chain, b board, s series, f product (see `_features`), t month, k number of a board, z national (season, residual by
series and month, mean of each number but pass-through), g problem.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from .courses import Course
from .data import MONTHS
from .settings import Settings

PASS = 5
"""Pass-through is the last of a board's numbers."""
SHARES = (1.0, 0.5, 0.7, 0.3)
"""How far the national layer moves in successive sweeps: all the way, or part of it where that would be refused."""
SHAPE = 3.0
"""Shape of the inverse gamma priors of variances: 3 leaves a coefficient of variation of one."""


@dataclass(frozen=True)
class Problem:
    """What one posterior is of: logs[board, series, month], NaN where nothing was counted or known at the origin."""

    logs: np.ndarray
    origin: int
    national: bool = True
    """Without it boards have no residual in common."""
    persistent: bool = True
    """Without it residuals are noise, and say nothing of next month."""


@dataclass(frozen=True)
class Posterior:
    """Kept states: [draw, chain, ...] of one problem."""

    numbers: np.ndarray
    season: np.ndarray
    residual: np.ndarray
    mean: np.ndarray
    between: np.ndarray
    noise: np.ndarray
    scale: np.ndarray
    national_scale: np.ndarray
    accepted: tuple[float, float]


def whitening(seen: np.ndarray, persistence: float) -> np.ndarray:
    """float64[..., t, t]: rows that make a stationary residual of variance one independent months; zero where not seen."""
    white = np.zeros((*seen.shape, seen.shape[-1]))
    for place in np.ndindex(seen.shape[:-1]):
        last = -1
        for month in np.flatnonzero(seen[place]):
            if last < 0:
                white[(*place, month, month)] = 1
            else:
                kept = persistence ** (month - last)
                spread = np.sqrt(1 - kept**2)
                white[(*place, month, month)] = 1 / spread
                white[(*place, month, last)] = -kept / spread
            last = month
    return white


def residuals(course: Course, observed: np.ndarray, numbers: np.ndarray, season: np.ndarray, origin: np.ndarray) -> np.ndarray:
    """[c, b, s, t]: logarithms counted over those of the model; for beds, what the residual of occupied beds does not explain."""
    off = observed - course.logs(numbers, season, origin)[..., :MONTHS]
    off[:, :, 1] -= course.follow(numbers)[..., None] * off[:, :, 0]
    return off


class Sampler:
    """Chains of one or several problems of equal size; `settings.chains` a problem."""

    def __init__(self, course: Course, problems: list[Problem], settings: Settings, rng: np.random.Generator) -> None:
        self.course, self.settings, self.rng = course, settings, rng
        self.problems = problems
        self.groups, self.boards = len(problems), problems[0].logs.shape[0]
        self.chains = settings.chains
        self.group = np.repeat(np.arange(self.groups), self.chains)
        self.origin = np.array([problem.origin for problem in problems])[self.group]
        observed = np.full((self.groups, self.boards, 3, MONTHS), np.nan)
        for g, problem in enumerate(problems):
            observed[g, :, :, : problem.origin] = problem.logs[:, :, : problem.origin]
        self.seen = np.isfinite(observed)
        self.observed = np.where(self.seen, observed, 0.0)
        self.count = self.seen.sum(axis=3)
        self.white = np.stack(
            [
                np.stack(
                    [whitening(self.seen[g, :, s], settings.persistence[s] if problem.persistent else 0.0) for s in range(3)],
                    axis=1,
                )
                for g, problem in enumerate(problems)
            ]
        )
        months = np.arange(MONTHS)
        kernels = [rho ** np.abs(months[:, None] - months[None, :]) for rho in settings.national_persistence]
        self.kernel_inverse = np.stack([np.linalg.inv(kernel) for kernel in kernels])
        self.on = np.array([problem.national for problem in problems])[self.group]
        self.k, self.w = PASS, course.seasons
        self.z = self.w + 3 * MONTHS + self.k
        self._straighten()

    # -- the straight courses ------------------------------------------------------------------------------------------------

    def _straighten(self) -> None:
        """Linearise the residuals about a mode of each problem, and keep the products that every sweep needs."""
        settings, origin = self.settings, np.array([problem.origin for problem in self.problems])
        numbers = np.broadcast_to(settings.centre, (self.groups, self.boards, self.k + 1)).copy()
        with np.errstate(invalid="ignore"):
            level = [np.nanmean(np.where(self.seen[:, :, s], self.observed[:, :, s], np.nan), axis=2) for s in range(3)]
        ready = np.where(np.isfinite(level[2]), level[2], level[0] + settings.centre[1] - settings.centre[0])
        numbers[..., 0], numbers[..., 1], numbers[..., 2] = level[0], ready, level[0] - level[1]
        season = np.zeros((self.groups, self.w))
        group = np.arange(self.groups)
        weights = np.broadcast_to(1 / settings.scale**2, (self.groups, self.boards, 3))
        for _ in range(3):
            self._jacobian(numbers, season, origin)
            state = _start(self, numbers, season, group)
            z, _, _, _ = self._reference(state, weights, group, random=False)
            season, residual, _ = self._parts(z)
            state = replace(state, season=season, residual=residual)
            state.mean[:, :PASS] = self._parts(z)[2]
            numbers = self._board_reference(state, weights, group)[0]
        self._jacobian(numbers, season, origin)

    def _jacobian(self, numbers: np.ndarray, season: np.ndarray, origin: np.ndarray) -> None:
        """Residuals about a point: at it, by number, by season, and how the last two change with pass-through."""
        step, season_step, pass_step = 1e-4, 1e-3, 0.05
        blocks = []
        for more in (0.0, pass_step):
            base = numbers + more * (np.arange(self.k + 1) == PASS)
            blocks.append((base, season))
            blocks += [(base + step * (np.arange(self.k + 1) == k), season) for k in range(self.k)]
            blocks += [(base, season + season_step * (np.arange(self.w) == w)) for w in range(self.w)]
        found = residuals(
            self.course,
            np.concatenate([self.observed] * len(blocks)),
            np.concatenate([block[0] for block in blocks]),
            np.concatenate([block[1] for block in blocks]),
            np.tile(origin, len(blocks)),
        ).reshape(2, 1 + self.k + self.w, *self.observed.shape)
        at = np.einsum("gbstu,pgbsu->pgbst", self.white, found[:, 0])
        slopes = np.concatenate(
            [(found[:, 1 : 1 + self.k] - found[:, :1]) / step, (found[:, 1 + self.k :] - found[:, :1]) / season_step], axis=1
        )
        slope = np.einsum("gbstu,pkgbsu->pgbstk", self.white, slopes)
        cross = (slope[1] - slope[0]) / pass_step
        months = np.zeros((*self.white.shape[:4], 3 * MONTHS))
        for s in range(3):
            months[:, :, s, :, s * MONTHS : (s + 1) * MONTHS] = -self.white[:, :, s]
        here = np.concatenate([numbers[..., : self.k], np.repeat(season[:, None], self.boards, axis=1)], axis=2)
        self.numbers_here, self.pass_here = numbers, numbers[..., PASS]
        # residual = constant + by (numbers, z) + (pass-through - pass_here) (pass_constant + pass_by (numbers, z))
        self.constant = at[0] - np.einsum("gbstk,gbk->gbst", slope[0], here)
        self.pass_constant = (at[1] - at[0]) / pass_step - np.einsum("gbstk,gbk->gbst", cross, here)
        self.by_number, self.pass_by_number = slope[0][..., : self.k], cross[..., : self.k]
        self.wide = np.concatenate([slope[0][..., self.k :], months], axis=4)
        self.pass_wide = np.concatenate([cross[..., self.k :], np.zeros_like(months)], axis=4)
        self.nn = self._features(self.by_number, self.pass_by_number, self.by_number, self.pass_by_number)
        self.nz = self._features(self.by_number, self.pass_by_number, self.wide, self.pass_wide)
        self.zz = self._features(self.wide, self.pass_wide, self.wide, self.pass_wide)
        constant = (self.constant[..., None], self.pass_constant[..., None])
        self.nc = self._features(self.by_number, self.pass_by_number, *constant)[..., 0]
        self.zc = self._features(self.wide, self.pass_wide, *constant)[..., 0]

    def _features(self, left: np.ndarray, pass_left: np.ndarray, right: np.ndarray, pass_right: np.ndarray) -> np.ndarray:
        """[g, b, f, ...]: products over months of series 0, 1, 2, then of series 1 what goes with pass-through and its square."""
        by_series = np.swapaxes(left, 3, 4) @ right
        one = [part[:, :, 1] for part in (left, pass_left, right, pass_right)]
        first = np.swapaxes(one[0], 2, 3) @ one[3] + np.swapaxes(one[1], 2, 3) @ one[2]
        second = np.swapaxes(one[1], 2, 3) @ one[3]
        return np.concatenate([by_series, first[:, :, None], second[:, :, None]], axis=2)

    def _feature_weights(self, weights: np.ndarray, numbers: np.ndarray, group: np.ndarray) -> np.ndarray:
        """[c, b, f] to go with `_features`."""
        off = (numbers[..., PASS] - self.pass_here[group])[..., None]
        return np.concatenate([weights, weights[..., 1:2] * off, weights[..., 1:2] * off**2], axis=2)

    def _straight(self, state: _State, *, crossed: bool) -> np.ndarray:
        """Whitened residuals [c, b, s, t] of the straight courses; without `crossed`, pass-through multiplies z alone."""
        straight, through = self._of_z(state, self.group)
        found = straight
        off = (state.numbers[..., PASS] - self.pass_here[self.group])[..., None]
        for g in range(self.groups):
            rows = self.group == g
            numbers = state.numbers[rows][..., : self.k]
            found[rows] += np.einsum("bstk,cbk->cbst", self.by_number[g], numbers, optimize=True)
            if crossed:
                through[rows] += np.einsum("btk,cbk->cbt", self.pass_by_number[g, :, 1], numbers, optimize=True)
            else:
                middle = np.einsum("btk,bk->bt", self.pass_by_number[g, :, 1], self._here(g))
                through[rows] += middle
        found[:, :, 1] += off * through
        return found

    def _here(self, g: int) -> np.ndarray:
        """The numbers about which courses were made straight."""
        return self.numbers_here[g][:, : self.k]

    def _of_z(self, state: _State, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """What constants and z make of the residuals [c, b, s, t], and of their slope by pass-through [c, b, t]."""
        z = np.concatenate([state.season, state.residual.reshape(len(group), -1)], axis=1)
        straight = np.empty((len(group), self.boards, 3, MONTHS))
        through = np.empty((len(group), self.boards, MONTHS))
        for g in range(self.groups):
            rows = group == g
            straight[rows] = self.constant[g] + np.einsum("bstz,cz->cbst", self.wide[g], z[rows], optimize=True)
            season = z[rows][:, : self.w]
            slope = np.einsum("btw,cw->cbt", self.pass_wide[g, :, 1, :, : self.w], season, optimize=True)
            through[rows] = self.pass_constant[g, :, 1] + slope
        return straight, through

    def _exact(self, season: np.ndarray, residual: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """Whitened residuals [c, b, s, t] of the model's own courses."""
        off = residuals(self.course, self.observed[self.group], numbers, season, self.origin) - residual[:, None]
        return self._whitened(off)

    def _whitened(self, values: np.ndarray, *, back: bool = False) -> np.ndarray:
        """values[c, b, s, t], or [c, 1, s, t] for all boards, by each board and series' whitening; `back`: its transpose."""
        found = np.empty((len(self.group), self.boards, 3, MONTHS))
        for g in range(self.groups):
            rows = self.group == g
            by_board = np.moveaxis(values[rows], 0, 2)
            white = self.white[g] if back else np.swapaxes(self.white[g], 2, 3)
            found[rows] = np.moveaxis(by_board @ white, 2, 0)
        return found

    def _reference(
        self, state: _State, weights: np.ndarray, group: np.ndarray, *, random: bool = True
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The straight posterior given pass-through and scales.

        Returns the mean of z, a deviation of z drawn, the mean of numbers, and minus their response to z."""
        chains, size = len(group), self.z - self.k
        feature = self._feature_weights(weights, state.numbers, group)
        between = 1 / state.between[:, : self.k] ** 2
        inner = np.empty((chains, self.boards, self.k, self.k))
        across = np.zeros((chains, self.boards, self.k, self.z))
        side = np.empty((chains, self.boards, self.k))
        outer = np.zeros((chains, self.z, self.z))
        right = np.zeros((chains, self.z))
        for g in range(self.groups):
            rows = group == g
            weight = feature[rows]
            inner[rows] = np.einsum("cbf,bfkl->cbkl", weight, self.nn[g], optimize=True)
            across[rows, :, :, :size] = np.einsum("cbf,bfkz->cbkz", weight, self.nz[g], optimize=True)
            side[rows] = -np.einsum("cbf,bfk->cbk", weight, self.nc[g], optimize=True)
            flat = weight.reshape(len(weight), -1)
            outer[rows, :size, :size] = (flat @ self.zz[g].reshape(flat.shape[1], -1)).reshape(-1, size, size)
            right[rows, :size] = -flat @ self.zc[g].reshape(flat.shape[1], -1)
        place = np.arange(self.k)
        inner[:, :, place, place] += between[:, None]
        across[:, :, place, size + place] -= between[:, None]
        place = np.arange(self.w)
        outer[:, place, place] += 1
        for s in range(3):
            here = slice(self.w + s * MONTHS, self.w + (s + 1) * MONTHS)
            outer[:, here, here] += self.kernel_inverse[s] / state.national_scale[:, s, None, None] ** 2
        place = size + np.arange(self.k)
        outer[:, place, place] += self.boards * between + 1 / self.settings.spread[: self.k] ** 2
        right[:, place] += (self.settings.centre / self.settings.spread**2)[: self.k]
        solved = np.linalg.solve(inner, np.concatenate([across, side[..., None]], axis=3))
        flat = across.reshape(chains, -1, self.z)
        taken = np.swapaxes(flat, 1, 2) @ solved.reshape(chains, -1, self.z + 1)
        outer -= taken[..., :-1]
        right -= taken[..., -1]
        z = np.linalg.solve(outer, right[..., None])[..., 0]
        numbers = solved[..., -1] - np.einsum("cbkz,cz->cbk", solved[..., :-1], z)
        if not random:
            return z, np.zeros_like(z), numbers, solved[..., :-1]
        root = np.linalg.cholesky(outer)
        noise = self.rng.standard_normal((chains, self.z))
        return z, np.linalg.solve(np.swapaxes(root, 1, 2), noise[..., None])[..., 0], numbers, solved[..., :-1]

    def _board_reference(self, state: _State, weights: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Every board's numbers given the national layer: mean and Cholesky factor of the precision."""
        straight, through = self._of_z(state, group)
        for g in range(self.groups):
            through[group == g] += np.einsum("btk,bk->bt", self.pass_by_number[g, :, 1], self._here(g))
        off = np.zeros_like(straight)
        off[:, :, 1] = through
        straight = straight - off * self.pass_here[group][..., None, None]
        precision = np.empty((len(group), self.boards, self.k + 1, self.k + 1))
        side = np.empty((len(group), self.boards, self.k + 1))
        for g in range(self.groups):
            rows = group == g
            weight, slope = weights[rows], self.by_number[g]
            precision[rows, :, :PASS, :PASS] = np.einsum("cbs,bskl->cbkl", weight, self.nn[g, :, :3], optimize=True)
            cross = np.einsum("cb,btk,cbt->cbk", weight[:, :, 1], slope[:, 1], through[rows], optimize=True)
            precision[rows, :, :PASS, PASS] = cross
            precision[rows, :, PASS, :PASS] = cross
            precision[rows, :, PASS, PASS] = weight[:, :, 1] * (through[rows] ** 2).sum(axis=2)
            side[rows, :, :PASS] = -np.einsum("cbs,bstk,cbst->cbk", weight, slope, straight[rows], optimize=True)
            side[rows, :, PASS] = -weight[:, :, 1] * (through[rows] * straight[rows][:, :, 1]).sum(axis=2)
        place = np.arange(self.k + 1)
        between = 1 / state.between**2
        precision[:, :, place, place] += between[:, None]
        side += (between * state.mean)[:, None]
        return np.linalg.solve(precision, side[..., None])[..., 0], np.linalg.cholesky(precision)

    def _parts(self, z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        middle = self.w + 3 * MONTHS
        return z[:, : self.w], z[:, self.w : middle].reshape(-1, 3, MONTHS), z[:, middle:]

    # -- sweeps --------------------------------------------------------------------------------------------------------------

    def run(self) -> list[Posterior]:
        """Warm up, sweep, and return the kept states of each problem."""
        settings = self.settings
        state = _start(self, None, None, self.group)
        weights = self._weights(state)
        state.numbers = self.numbers_here[self.group].copy()
        centre, off, _, _ = self._reference(state, weights, self.group)
        state.season, state.residual, mean = (part.copy() for part in self._parts(centre + off))
        state.mean[:, :PASS] = mean
        state.numbers, _ = self._board_reference(state, weights, self.group)
        state.exact = self._exact(state.season, state.residual, state.numbers)
        kept: list[tuple[np.ndarray, ...]] = []
        accepted = np.zeros(2)
        for sweep in range(settings.warm_up + settings.iterations):
            share = SHARES[sweep % len(SHARES)]
            rates = (self._national(state, share), self._each_board(state) if sweep % 2 else np.nan)
            self._residual(state)
            self._stretch(state)
            self._scales(state)
            if sweep >= settings.warm_up:
                accepted += np.nan_to_num(rates) * (1, 2)
                kept.append(
                    (
                        state.numbers.copy(),
                        state.season.copy(),
                        state.residual.copy(),
                        state.mean.copy(),
                        state.between.copy(),
                        state.noise.copy(),
                        state.scale.copy(),
                        state.national_scale.copy(),
                    )
                )
        accepted /= settings.iterations
        stacked = [np.stack(column) for column in zip(*kept, strict=True)]
        return [
            Posterior(*(column[:, self.group == g] for column in stacked), (float(accepted[0]), float(accepted[1])))
            for g in range(self.groups)
        ]

    def _weights(self, state: _State) -> np.ndarray:
        return np.asarray(1 / (state.scale[:, None, :] ** 2 * state.noise[:, :, (0, 0, 1)]))

    def _national(self, state: _State, share: float) -> float:
        """Season, national residual and means from the straight posterior; boards go along, and keep what is their own."""
        weights = self._weights(state)
        centre, off, _, response = self._reference(state, weights, self.group)
        now = np.concatenate([state.season, state.residual.reshape(len(centre), -1), state.mean[:, :PASS]], axis=1)
        z = centre + np.sqrt(1 - share**2) * (now - centre) + share * off
        season, residual, mean = self._parts(z)
        numbers = state.numbers.copy()
        numbers[..., :PASS] -= np.einsum("cbkz,cz->cbk", response, z - now)
        new = replace(state, season=season, residual=residual, numbers=numbers)
        new.exact = self._exact(season, residual, numbers)
        bent = self._bent(new, crossed=True) - self._bent(state, crossed=True)
        gain = -0.5 * np.einsum("cbs,cbst->c", weights, bent)
        accept = np.log(self.rng.uniform(size=len(gain))) < gain
        for name in ("season", "residual", "numbers", "exact"):
            old, value = getattr(state, name), getattr(new, name)
            setattr(state, name, np.where(accept.reshape(-1, *[1] * (old.ndim - 1)), value, old))
        state.mean[:, :PASS] = np.where(accept[:, None], mean, state.mean[:, :PASS])
        return float(accept.mean())

    def _bent(self, state: _State, *, crossed: bool) -> np.ndarray:
        """By how much squared residuals of the model's own courses are off those of the straight ones."""
        return np.asarray(state.exact**2 - self._straight(state, crossed=crossed) ** 2)

    def _each_board(self, state: _State) -> float:
        """Every board's numbers given the national layer: boards are independent then, so all take their turn at once."""
        weights = self._weights(state)
        middle, root = self._board_reference(state, weights, self.group)
        noise = self.rng.standard_normal((*middle.shape, 1))
        numbers = middle + np.linalg.solve(np.swapaxes(root, 2, 3), noise)[..., 0]
        new = replace(state, numbers=numbers, exact=self._exact(state.season, state.residual, numbers))
        bent = self._bent(new, crossed=False) - self._bent(state, crossed=False)
        gain = -0.5 * np.einsum("cbs,cbst->cb", weights, bent)
        accept = np.log(self.rng.uniform(size=gain.shape)) < gain
        state.numbers = np.where(accept[..., None], numbers, state.numbers)
        state.exact = np.where(accept[..., None, None], new.exact, state.exact)
        return float(accept.mean())

    def _residual(self, state: _State) -> None:
        """The national residual given everything else: normal, and drawn as such."""
        weights = self._weights(state)
        own = state.exact + self._whitened(state.residual[:, None])
        back = self._whitened(own, back=True)
        for s in range(3):
            precision = np.empty((len(self.group), MONTHS, MONTHS))
            for g in range(self.groups):
                here = self.white[g, :, s]
                flat = (np.swapaxes(here, 1, 2) @ here).reshape(self.boards, -1)
                precision[self.group == g] = (weights[self.group == g][:, :, s] @ flat).reshape(-1, MONTHS, MONTHS)
            precision += self.kernel_inverse[s] / state.national_scale[:, s, None, None] ** 2
            side = np.einsum("cb,cbu->cu", weights[:, :, s], back[:, :, s])
            root = np.linalg.cholesky(precision)
            noise = self.rng.standard_normal(side.shape)
            state.residual[:, s] = (
                np.linalg.solve(precision, side[..., None]) + np.linalg.solve(np.swapaxes(root, 1, 2), noise[..., None])
            )[..., 0]
        state.residual = np.where(self.on[:, None, None], state.residual, 0.0)
        state.exact = own - self._whitened(state.residual[:, None])

    def _stretch(self, state: _State) -> None:
        """The national residual and its scale together: where months say little, one alone moves slowly given the other."""
        weights = self._weights(state)
        part = self._whitened(state.residual[:, None])
        own = state.exact + part
        first = np.einsum("cbs,cbst,cbst->cs", weights, own, part, optimize=True)
        second = np.einsum("cbs,cbst,cbst->cs", weights, part, part, optimize=True)
        rate = (SHAPE - 1) * self.settings.national_scale**2
        factor = np.ones_like(first)

        def density(factor: np.ndarray) -> np.ndarray:
            square = (state.national_scale * factor) ** 2
            return np.asarray(factor * first - 0.5 * factor**2 * second - SHAPE * np.log(square) - rate / square)

        for _ in range(4):
            new = factor * np.exp(0.3 * self.rng.standard_normal(factor.shape))
            accept = np.log(self.rng.uniform(size=factor.shape)) < density(new) - density(factor)
            factor = np.where(accept & self.on[:, None], new, factor)
        state.residual = state.residual * factor[..., None]
        state.national_scale = state.national_scale * factor
        state.exact = own - part * factor[:, None, :, None]

    def _scales(self, state: _State) -> None:
        """Means given the boards, and scales given everything else, each by its inverse gamma."""
        settings, rng = self.settings, self.rng
        precision = self.boards / state.between**2 + 1 / settings.spread**2
        middle = (state.numbers.sum(axis=1) / state.between**2 + settings.centre / settings.spread**2) / precision
        state.mean = middle + rng.standard_normal(middle.shape) / np.sqrt(precision)
        squares = np.einsum("cbst,cbst->cbs", state.exact, state.exact)
        count = self.count[self.group]
        half = settings.freedom / 2
        own = squares / state.scale[:, None] ** 2
        for place, series in ((0, (0, 1)), (1, (2,))):
            shape = half + sum(count[:, :, s] for s in series) / 2
            rate = half + sum(own[:, :, s] for s in series) / 2
            state.noise[:, :, place] = rate / rng.standard_gamma(shape)
        shared = (squares / state.noise[:, :, (0, 0, 1)]).sum(axis=1)
        rate = (SHAPE - 1) * settings.scale**2 + shared / 2
        state.scale = np.sqrt(rate / rng.standard_gamma(SHAPE + count.sum(axis=1) / 2))
        off = ((state.numbers - state.mean[:, None]) ** 2).sum(axis=1)
        rate = (SHAPE - 1) * settings.boards**2 + off / 2
        state.between = np.sqrt(rate / rng.standard_gamma(SHAPE + self.boards / 2, size=rate.shape))
        off = np.einsum("cst,stu,csu->cs", state.residual, self.kernel_inverse, state.residual)
        rate = (SHAPE - 1) * settings.national_scale**2 + off / 2
        drawn = np.sqrt(rate / rng.standard_gamma(SHAPE + MONTHS / 2, size=rate.shape))
        state.national_scale = np.where(self.on[:, None], drawn, state.national_scale)


@dataclass
class _State:
    """Where the chains are; [c, ...]. `exact` holds the whitened residuals of the model's own courses."""

    numbers: np.ndarray
    season: np.ndarray
    residual: np.ndarray
    mean: np.ndarray
    between: np.ndarray
    noise: np.ndarray
    scale: np.ndarray
    national_scale: np.ndarray
    exact: np.ndarray


def _start(sampler: Sampler, numbers: np.ndarray | None, season: np.ndarray | None, group: np.ndarray) -> _State:
    settings, chains = sampler.settings, len(group)
    national = np.array([1.0 if problem.national else 1e-4 for problem in sampler.problems])[group]
    return _State(
        numbers=np.zeros((chains, sampler.boards, PASS + 1)) if numbers is None else numbers,
        season=np.zeros((chains, sampler.w)) if season is None else season,
        residual=np.zeros((chains, 3, MONTHS)),
        mean=np.broadcast_to(settings.centre, (chains, PASS + 1)).copy(),
        between=np.broadcast_to(settings.boards, (chains, PASS + 1)).copy(),
        noise=np.ones((chains, sampler.boards, 2)),
        scale=np.broadcast_to(settings.scale, (chains, 3)).copy(),
        national_scale=national[:, None] * settings.national_scale,
        exact=np.zeros((chains, sampler.boards, 3, MONTHS)),
    )
