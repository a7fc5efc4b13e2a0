"""What a study leaves behind: the primary file, blends, scores, and the folder's README."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from . import bands, simple
from .data import FORECAST, HORIZON, MONTHS, label
from .scores import Score, common_share, mean_error, scale, score
from .study import EFFECTIVE, R_HAT, Study, england

PRIMARY = "primary_forecast.csv"
BLENDS = "blends.csv"
SCORES = "scores.csv"
WORDS = {
    "ga_beds_occupied": "occupied beds",
    "ga_occupancy": "occupancy, points",
    "nctr_remaining": "no criteria to reside, remaining",
}
HORIZONS = ((1, 3), (4, 6), (7, 12), (13, 17))


def _csv(rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _number(value: float, series: int) -> str:
    return f"{value:.4f}" if FORECAST[series] == "ga_occupancy" else f"{value:.1f}"


def primary(study: Study) -> str:
    """42 boards x 17 months x 3 series with their 10th, 50th and 90th percentile; nothing else."""
    band = study.blind()
    rows: list[Sequence[object]] = [("icb_code", "month", "series", "p10", "p50", "p90")]
    for board, code in enumerate(study.counts.codes):
        for ahead in range(HORIZON):
            for series, name in enumerate(FORECAST):
                values = (_number(band[k, board, series, ahead], series) for k in range(3))
                rows.append((code, label(MONTHS + ahead), name, *values))
    return _csv(rows)


def blends(study: Study) -> str:
    """Beside the primary forecast: simple methods, the panel without stocks, halfway from the model to the mean of the three."""
    band = study.blind()
    methods = dict(study.simple(MONTHS, HORIZON))
    methods["panel without stocks"] = study.panel.bands[MONTHS][1]
    methods["half model, half mean of the three"] = (band[1] + methods["mean of the three"]) / 2
    rows: list[Sequence[object]] = [("icb_code", "month", "series", "method", "p50")]
    for board, code in enumerate(study.counts.codes):
        for ahead in range(HORIZON):
            for series, name in enumerate(FORECAST):
                for method, values in methods.items():
                    rows.append((code, label(MONTHS + ahead), name, method, _number(values[board, series, ahead], series)))
    return _csv(rows)


def _of(study: Study, band: np.ndarray, origin: int, series: int, first: int = 1, last: int = MONTHS) -> Score:
    window = slice(first - 1, last)
    unit = scale(study.counts.until(origin).forecast_series())[:, series]
    return score(study.actual(origin)[:, series, window], band[:, :, series, window], unit)


def methods(study: Study) -> dict[str, dict[int, np.ndarray]]:
    """Bands by method and inner origin; the model's and the panel's scaled as the blind forecast's are."""
    found = {"stocks": {}, "stocks, bands as they come": {}, "panel without stocks": {}}  # type: dict[str, dict[int, np.ndarray]]
    for origin in study.origins:
        found["stocks"][origin] = bands.scaled(study.stocks.bands[origin], study.factors, study.longest)
        found["stocks, bands as they come"][origin] = study.stocks.bands[origin]
        found["panel without stocks"][origin] = bands.scaled(study.panel.bands[origin], study.panel_factors, study.longest)
    for name, one in study.ablations.items():
        found[name] = one.bands
    return found


def best_simple(study: Study, origin: int, series: int, first: int = 1, last: int = MONTHS) -> tuple[str, float]:
    """The simple method with the least error, chosen after the fact, as hard a rival as there is."""
    actual = study.actual(origin)[:, series, first - 1 : last]
    errors = {
        name: mean_error(actual, values[:, series, first - 1 : last])
        for name, values in study.simple(origin, MONTHS - origin).items()
    }
    name = min(errors, key=lambda one: errors[one])
    return name, errors[name]


def ratios(study: Study, band: dict[int, np.ndarray]) -> np.ndarray:
    """float64[origin, series]: error over that of the best simple method."""
    return np.array(
        [
            [_of(study, band[origin], origin, series).error / best_simple(study, origin, series)[1] for series in range(3)]
            for origin in study.origins
        ]
    )


def scores(study: Study) -> str:
    """Every score by method, origin, series and horizon."""
    rows: list[Sequence[object]] = [
        ("method", "origin", "series", "from", "to", "months", "mae", "mase", "coverage", "width", "interval_score")
    ]
    for origin in study.origins:
        reach = MONTHS - origin
        windows = [(1, reach), *((a, min(b, reach)) for a, b in HORIZONS if a <= reach)]
        for series, name in enumerate(FORECAST):
            for first, last in windows:
                head = (origin, name, first, last)
                for method, band in methods(study).items():
                    one = _of(study, band[origin], origin, series, first, last)
                    values = (one.error, one.scaled, one.coverage, one.width, one.interval)
                    rows.append((method, *head, one.months, *(f"{value:.5g}" for value in values)))
                unit = scale(study.counts.until(origin).forecast_series())[:, series]
                actual = study.actual(origin)[:, series, first - 1 : last]
                for method, points in study.simple(origin, reach).items():
                    point = points[:, series, first - 1 : last]
                    one = score(actual, np.stack([point] * 3), unit)
                    rows.append((method, *head, one.months, f"{one.error:.5g}", f"{one.scaled:.5g}", "", "", ""))
    return _csv(rows)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join(lines)


def _error(value: float, series: int) -> str:
    return f"{100 * value:.2f}" if FORECAST[series] == "ga_occupancy" else f"{value:.1f}"


def _mean(values: np.ndarray) -> float:
    return float(np.exp(np.log(values).mean()))


def errors_table(study: Study) -> str:
    """Errors of the model, the panel and every simple method by origin and series."""
    names = [*simple.NAMES]
    rows = []
    every = methods(study)
    for series, name in enumerate(FORECAST):
        for origin in study.origins:
            own = _of(study, every["stocks"][origin], origin, series)
            panel = _of(study, every["panel without stocks"][origin], origin, series)
            found = study.simple(origin, MONTHS - origin)
            plain = {k: mean_error(study.actual(origin)[:, series], v[:, series]) for k, v in found.items()}
            best = min(plain.values())
            cells = [
                "–" if k not in plain else f"*{_error(plain[k], series)}*" if plain[k] == best else _error(plain[k], series)
                for k in names
            ]
            rows.append(
                (
                    WORDS[name],
                    f"{origin}",
                    f"**{_error(own.error, series)}**",
                    _error(panel.error, series),
                    *cells,
                    f"{own.error / best:.2f}",
                    f"{own.scaled:.2f}",
                )
            )
    return table(("series", "months known", "stocks", "panel", *names, "stocks / best simple", "MASE"), rows)


def bands_table(study: Study) -> str:
    """Coverage, width and interval score of the 80 % bands."""
    rows = []
    every = methods(study)
    for series, name in enumerate(FORECAST):
        for origin in study.origins:
            raw = _of(study, every["stocks, bands as they come"][origin], origin, series)
            own = _of(study, every["stocks"][origin], origin, series)
            panel = _of(study, every["panel without stocks"][origin], origin, series)
            left = held_out(study, origin)
            cells = [f"{100 * one:.0f} %" for one in (raw.coverage, own.coverage, left[series].coverage, panel.coverage)]
            numbers = (own.width, own.interval, panel.width, panel.interval)
            rows.append((WORDS[name], f"{origin}", *cells, *(_error(value, series) for value in numbers)))
    head = (
        "series",
        "months known",
        "as they come",
        "scaled",
        "scaled by the other origins",
        "panel",
        "width",
        "interval score",
        "panel's width",
        "panel's interval score",
    )
    return table(head, rows)


def held_out(study: Study, origin: int) -> list[Score]:
    """Scores with bands scaled by the other origins only."""
    others = [one for one in study.origins if one != origin]
    factor = bands.factors([study.stocks.bands[one] for one in others], [study.actual(one) for one in others])
    band = bands.scaled(study.stocks.bands[origin], factor, study.longest)
    return [_of(study, band, origin, series) for series in range(3)]


def horizon_table(study: Study) -> str:
    """Error and coverage by horizon, all inner origins together."""
    rows = []
    every = methods(study)
    for series, name in enumerate(FORECAST):
        for first, last in HORIZONS:
            there = [origin for origin in study.origins if MONTHS - origin >= first]
            if not there:
                continue
            found = [_of(study, every["stocks"][origin], origin, series, first, last) for origin in there]
            panel = [_of(study, every["panel without stocks"][origin], origin, series, first, last) for origin in there]
            best = [best_simple(study, origin, series, first, last)[1] for origin in there]
            weight = np.array([one.months for one in found]) / sum(one.months for one in found)
            own = float(weight @ [one.error for one in found])
            rows.append(
                (
                    WORDS[name],
                    f"{first} to {min(last, MONTHS - min(there))}",
                    _error(own, series),
                    _error(float(weight @ [one.error for one in panel]), series),
                    _error(float(weight @ best), series),
                    f"{own / float(weight @ best):.2f}",
                    f"{float(weight @ [one.scaled for one in found]):.2f}",
                    f"{100 * float(weight @ [one.coverage for one in found]):.0f} %",
                    _error(float(weight @ [one.width for one in found]), series),
                    _error(float(weight @ [one.interval for one in found]), series),
                )
            )
    head = ("series", "months ahead", "stocks", "panel", "best simple", "ratio", "MASE", "coverage", "width", "interval score")
    return table(head, rows)


def ratio_table(study: Study) -> str:
    """Ratios to the best simple method and coverage of every method, geometric means over the inner origins."""
    rows = []
    for name, band in methods(study).items():
        if name == "stocks, bands as they come":
            continue
        ratio = ratios(study, band)
        year = ratio[[origin >= study.settings.seasonal_from for origin in study.origins]]
        cover = [np.mean([_of(study, band[origin], origin, series).coverage for origin in study.origins]) for series in range(3)]
        cells = [f"{_mean(ratio[:, k]):.3f}" for k in range(3)]
        rows.append((name, *cells, f"**{_mean(ratio):.3f}**", f"{_mean(year):.3f}", *(f"{100 * one:.0f} %" for one in cover)))
    short = [WORDS[name] for name in FORECAST]
    head = ("method", *short, "all three", "without the 10-month origin", *(f"coverage, {name}" for name in short))
    return table(head, rows)


def common_table(study: Study) -> str:
    """How much of the error all boards share."""
    rows = []
    for series, name in enumerate(FORECAST):
        shares = []
        for origin in study.origins:
            off = np.log(study.actual(origin)[:, series]) - np.log(study.stocks.bands[origin][1, :, series])
            shares.append(common_share(off))
        share = float(np.mean(shares))
        boards = len(study.counts.codes)
        worth = 1 / (share + (1 - share) / boards)
        rows.append((WORDS[name], *(f"{100 * one:.0f} %" for one in shares), f"{100 * share:.0f} %", f"{worth:.0f}"))
    return table(("series", *(f"{origin} months" for origin in study.origins), "mean", "42 boards count as"), rows)


def england_table(study: Study) -> str:
    """England to March 2024: sum of boards, mean absolute error and bias in percent."""
    found = england(study)
    rows = []
    for series, name in enumerate(FORECAST):
        observed = found["observed"][series]
        cells = []
        for what in ("model", "with residual"):
            off = found[what][1, series] / observed - 1
            cells += [f"{100 * np.nanmean(np.abs(off)):.2f} %", f"{100 * np.nanmean(off):+.2f} %"]
        rows.append((WORDS[name].replace(", points", ""), *cells))
    head = ("series", "stocks and winter alone: mean error", "bias", "with the national residual: mean error", "bias")
    return table(head, rows)


def worst(study: Study) -> str:
    """Where the model is worse than the best simple method, said in one line each."""
    ratio = ratios(study, methods(study)["stocks"])
    lines = []
    for k, origin in enumerate(study.origins):
        for series, name in enumerate(FORECAST):
            if ratio[k, series] > 1:
                rival = best_simple(study, origin, series)[0]
                what = WORDS[name].replace(", points", "")
                lines.append(f"- {what} at {origin} months: {ratio[k, series]:.2f} times the error of the {rival}")
    return "\n".join(lines) or "- nowhere at these origins"


def readme(study: Study, template: str) -> str:
    """The folder's README: the template's `{{name}}` filled in."""
    ratio = ratios(study, methods(study)["stocks"])
    coverage = [
        np.mean([_of(study, methods(study)["stocks"][origin], origin, series).coverage for origin in study.origins])
        for series in range(3)
    ]
    posterior = study.stocks.posteriors[MONTHS]
    names = study.settings
    numbers = [
        (
            name.replace("_", " "),
            f"{posterior.mean[..., k].mean():.3f}",
            f"{posterior.mean[..., k].std():.3f}",
            f"{np.median(posterior.between[..., k]):.3f}",
        )
        for k, name in enumerate(
            (
                "people_in_beds_at_start",
                "ready_at_start",
                "planned_occupancy",
                "annual_growth_of_need",
                "annual_drift_of_leaving",
                "pass_through",
            )
        )
    ]
    months = [label(k)[5:] for k in range(12)]
    winter = [
        (what, *(f"{100 * study.season[k][1, month]:+.1f}" for month in range(12)))
        for k, what in enumerate(("need, %", "time ready patients wait, %"))
    ]
    half = [
        (
            "half width of 80 %, need",
            *(f"{50 * (study.season[0][2, month] - study.season[0][0, month]):.1f}" for month in range(12)),
        ),
    ]
    filled = {
        "errors": errors_table(study),
        "bands": bands_table(study),
        "horizons": horizon_table(study),
        "ratios": ratio_table(study),
        "common": common_table(study),
        "england": england_table(study),
        "worst": worst(study),
        "national": table(("number", "national mean", "its uncertainty", "spread of boards"), numbers),
        "winter": table(("", *months), [*winter, *half]),
        "geometric": f"{_mean(ratio):.3f}",
        "coverage": ", ".join(f"{100 * one:.0f}" for one in coverage),
        "factors": ", ".join(f"{one:.2f}" for one in study.factors),
        "longest": str(study.longest),
        "converged": table(
            ("months known", "R-hat, largest", "effective size, smallest"),
            [(str(origin), f"{r:.4f}", f"{e:,.0f}") for origin, (r, e) in study.converged.items()],
        ),
        "limits": f"R-hat at most {R_HAT}, effective size at least {EFFECTIVE}",
        "chains": str(names.chains),
        "kept": f"{names.chains * names.iterations:,}",
        "draws": str(names.draws),
        "primary": PRIMARY,
        "first": label(MONTHS),
        "last": label(MONTHS + HORIZON - 1),
        "rows": f"{len(study.counts.codes) * HORIZON * 3:,}",
        "seed": str(names.seed),
    }
    for key, value in filled.items():
        template = template.replace("{{" + key + "}}", value)
    if "{{" in template:
        raise ValueError(f"the README's template has a place that nothing fills: {template[template.index('{{') :][:40]}")
    return template


def write(study: Study, folder: Path, template: str) -> Path:
    """Write all files; the primary one last, when all that it depends on is fixed. Returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / SCORES).write_text(scores(study), encoding="utf-8")
    (folder / BLENDS).write_text(blends(study), encoding="utf-8")
    (folder / "README.md").write_text(readme(study, template), encoding="utf-8")
    path = folder / PRIMARY
    path.write_text(primary(study), encoding="utf-8")
    return path
