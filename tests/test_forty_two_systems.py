"""England's 42 boards: the data end in March 2024, the primary forecast is whole, and the sampler finds what made the data."""

from __future__ import annotations

import csv
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import flowreform as fr
from flowreform.analyse.laws import check_laws

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "experiments" / "forty_two_systems"
sys.path.insert(0, str(FOLDER))

from boards import bands, courses, data, sampler, scores, settings, simple, study  # noqa: E402

SETTINGS = settings.read(FOLDER / "settings.toml")
SHORT = replace(SETTINGS, chains=2, warm_up=10, iterations=30, draws=60)


def rows(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


# -- what is published ---------------------------------------------------------------------------------------------------------


def test_no_month_after_march_2024_is_in_the_repository() -> None:
    months = {row["month"] for row in rows("icb_monthly.csv")}
    assert sorted(months) == [f"{2022 + (3 + k) // 12}-{(3 + k) % 12 + 1:02d}" for k in range(24)]
    assert "2024-04" not in (FOLDER / "icb_monthly.csv").read_text(encoding="utf-8")


def test_a_later_month_is_refused(tmp_path: Path) -> None:
    text = (FOLDER / "icb_monthly.csv").read_text(encoding="utf-8")
    late = tmp_path / "icb_monthly.csv"
    late.write_text(text + text.splitlines()[-1].replace("2024-03", "2024-04") + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"2024-04; the forecast is blind"):
        data.read(late)
    late.write_text("\n".join(text.splitlines()[:-1]) + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"42 boards of 24 months are 1008"):
        data.read(late)


def test_the_primary_forecast_is_whole_and_ordered() -> None:
    found = rows("primary_forecast.csv")
    assert list(found[0]) == ["icb_code", "month", "series", "p10", "p50", "p90"]
    codes = {row["icb_code"] for row in rows("icb_monthly.csv")}
    months = [f"{2024 + (3 + k) // 12}-{(3 + k) % 12 + 1:02d}" for k in range(17)]
    series = ("ga_beds_occupied", "ga_occupancy", "nctr_remaining")
    assert months[0] == "2024-04"
    assert months[-1] == "2025-08"
    assert len(codes) == 42
    assert len(found) == 42 * 17 * 3
    assert {(row["icb_code"], row["month"], row["series"]) for row in found} == {
        (a, b, c) for a in codes for b in months for c in series
    }
    for row in found:
        low, middle, high = (float(row[name]) for name in ("p10", "p50", "p90"))
        assert 0 < low < middle < high, row
        assert row["series"] != "ga_occupancy" or (low > 0.7 and high < 1), row


def test_bands_widen_with_time() -> None:
    width = defaultdict(list)
    for row in rows("primary_forecast.csv"):
        width[row["series"], row["month"]].append(np.log(float(row["p90"]) / float(row["p10"])))
    for series in data.FORECAST:
        first, last = (np.mean(width[series, month]) for month in ("2024-04", "2025-08"))
        assert last > 1.2 * first


def test_the_readme_says_what_the_scores_say() -> None:
    """The geometric mean of the ratios, worked out again from scores.csv."""
    error: dict[tuple[str, str], dict[str, float]] = defaultdict(dict)
    for row in rows("scores.csv"):
        if row["from"] == "1" and int(row["to"]) == 24 - int(row["origin"]):
            error[row["origin"], row["series"]][row["method"]] = float(row["mae"])
    assert len(error) == 12
    ratios = [one["stocks"] / min(one[name] for name in simple.NAMES if name in one) for one in error.values()]
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    said = re.search(r"that ratio is \*\*(\d\.\d{3})\*\*", text)
    assert said
    assert float(said[1]) == pytest.approx(np.exp(np.mean(np.log(ratios))), abs=6e-4)
    assert "primary_forecast.csv" in text
    assert "Open Government Licence v3.0" in text


# -- scores and simple methods -------------------------------------------------------------------------------------------------


def test_simple_methods_by_hand() -> None:
    counts = np.arange(1.0, 15.0)[None, None]
    counts[0, 0, 3] = np.nan
    found = simple.forecasts(counts, 14, seasonal=True)
    assert found["last value"][0, 0].tolist() == [14.0] * 14
    assert found["seasonal naive"][0, 0].tolist() == [3, 3, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 3, 3]
    assert found["12-month mean"][0, 0, 0] == pytest.approx((sum(range(3, 15)) - 4) / 11)
    assert found["mean of the three"][0, 0, 0] == pytest.approx((14 + 3 + 98 / 11) / 3)
    assert set(simple.forecasts(counts, 2, seasonal=False)) == {"last value", "12-month mean", "mean of last and 12-month mean"}


def test_scores_by_hand() -> None:
    band = np.array([[[9.0, 9.0, 9.0]], [[10.0, 10.0, 10.0]], [[12.0, 12.0, 12.0]]])
    one = scores.score(np.array([[11.0, 13.0, np.nan]]), band, np.array([2.0]))
    assert (one.error, one.scaled, one.coverage, one.width, one.months) == (2.0, 1.0, 0.5, 3.0, 2)
    assert one.interval == pytest.approx((3 + 3 + 10 * 1) / 2)


def test_the_common_share_is_what_was_put_in() -> None:
    rng = np.random.default_rng(1)
    off = np.sqrt(0.3) * rng.standard_normal((1, 4000)) + np.sqrt(0.7) * rng.standard_normal((42, 4000))
    off[5, 100:] = np.nan
    assert scores.common_share(off) == pytest.approx(0.3, abs=0.02)


def test_scaled_bands_cover_what_they_should() -> None:
    rng = np.random.default_rng(2)
    truth = np.stack(
        [2000 * np.exp(0.04 * rng.standard_normal((42, 30))), np.full((42, 30), 0.93), np.full((42, 30), 300.0)], axis=1
    )
    band = np.stack(
        [truth * 0 + np.array(one)[:, None] for one in ([1960.0, 0.9, 280.0], [2000.0, 0.93, 300.0], [2040.0, 0.95, 320.0])]
    )
    factor = bands.factors([band], [truth])
    wide = bands.scaled(band, factor, longest=20)
    inside = (wide[0, :, 0] <= truth[:, 0]) & (truth[:, 0] <= wide[2, :, 0])
    assert inside[:, :20].mean() == pytest.approx(0.8, abs=0.02)
    assert factor[1:].tolist() == [1, 1]
    assert (np.log(wide[2, 0, 0, 29] / 2000) / np.log(wide[2, 0, 0, 19] / 2000)) == pytest.approx(np.sqrt(1.5))


# -- the sampler ---------------------------------------------------------------------------------------------------------------


def test_whitening_leaves_independent_residuals() -> None:
    seen = np.ones((1, 24), dtype=bool)
    seen[0, [4, 9, 10, 23]] = False
    white = sampler.whitening(seen, 0.9)[0]
    covariance = 0.9 ** np.abs(np.arange(24)[:, None] - np.arange(24))
    assert white @ covariance @ white.T == pytest.approx(np.diag(seen[0].astype(float)), abs=1e-12)


def test_months_after_an_origin_change_nothing() -> None:
    """The mutant: every later count doubled. Not a bit may move."""
    counts = data.read(FOLDER / "icb_monthly.csv").logs[:3]
    doubled = counts.copy()
    doubled[:, :, 12:] += np.log(2)
    chosen = replace(SHORT, warm_up=2, iterations=4)
    course = courses.Panel(chosen)
    one, other = (study.fit("blind", course, [sampler.Problem(logs, 12)], chosen) for logs in (counts, doubled))
    assert np.array_equal(one.bands[12], other.bands[12])
    leaking = study.fit("blind", course, [sampler.Problem(doubled, 13)], chosen)
    assert not np.array_equal(leaking.bands[13][..., 1:], other.bands[12][..., 2:])


def synthetic(course: courses.Course, boards: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Logs [board, series, 41 months] of boards with known numbers, and the numbers."""
    rng = np.random.default_rng(seed)
    numbers = SETTINGS.centre + np.array([0.5, 0.5, 0.015, 0.02, 0.08, 0.15]) * rng.standard_normal((boards, 6))
    season = rng.standard_normal(course.seasons)
    model = course.logs(numbers[None], season[None], np.array([24]))[0]
    months = model.shape[-1]
    root = np.linalg.cholesky(0.9 ** np.abs(np.arange(months)[:, None] - np.arange(months)))
    off = SETTINGS.scale[:, None] * (rng.standard_normal((boards, 3, months)) @ root.T)
    off += SETTINGS.national_scale[:, None] * (rng.standard_normal((3, months)) @ root.T)
    off[:, 1] += course.follow(numbers)[:, None] * off[:, 0]
    return model + off, numbers


def recovered(course: courses.Course, boards: int, chosen: settings.Settings, seed: int) -> tuple[np.ndarray, float]:
    """How often 80 % intervals hold the true numbers, by number, and how often 80 % bands hold what comes."""
    logs, numbers = synthetic(course, boards, seed)
    logs[0, 2, 5:9] = np.nan
    found = study.fit("synthetic", course, [sampler.Problem(logs[:, :, :24], 24)], chosen)
    low, high = np.quantile(found.posteriors[24].numbers, (0.1, 0.9), axis=(0, 1))
    actual = data.in_counts(logs[:, :, 24:])
    band = found.bands[24]
    return ((low <= numbers) & (numbers <= high)).mean(axis=0), float(((band[0] <= actual) & (actual <= band[2])).mean())


def test_the_sampler_finds_what_made_the_data() -> None:
    inside, ahead = recovered(courses.Panel(SHORT), 24, SHORT, seed=5)
    assert 0.65 <= inside.mean() <= 0.92
    assert 0.6 <= ahead <= 0.95


@pytest.mark.slow
def test_the_sampler_finds_what_made_the_data_with_stocks() -> None:
    chosen = replace(SETTINGS, chains=6, warm_up=60, iterations=150, draws=300)
    course = courses.Stocks(FOLDER / "model.xmile", chosen)
    inside, ahead = np.zeros(6), 0.0
    for seed in (7, 8):
        part, one = recovered(course, 42, chosen, seed)
        inside, ahead = inside + part / 2, ahead + one / 2
    assert 0.72 <= inside.mean() <= 0.88, inside
    assert (inside >= 0.6).all(), inside
    assert 0.65 <= ahead <= 0.92


def test_straight_courses_are_those_of_the_model_nearby() -> None:
    """What proposals rest on, against the model itself: a panel is straight, so all is accepted."""
    counts = data.read(FOLDER / "icb_monthly.csv").logs[:4]
    chosen = replace(SHORT, warm_up=2, iterations=4)
    found = sampler.Sampler(courses.Panel(chosen), [sampler.Problem(counts, 24)], chosen, np.random.default_rng(1)).run()
    assert found[0].accepted == (1.0, 1.0)


# -- the model -----------------------------------------------------------------------------------------------------------------

MUTANTS = {
    "people leave twice": ("conserved", "ready_to_leave", "<outflow>late_discharge</outflow>", ""),
    "a start out of balance": ("steady", "core_beds", "occupied_at_start/", "1.02*occupied_at_start/"),
    "beds of no size": ("scaling", "flexible_beds_wanted", "pass_through*pressure", "pass_through*pressure + 20"),
    "demand that stays": ("no demand", "admission", "*demand_multiplier", "*MAX(0.1, demand_multiplier)"),
}
LAWS = ("finite", "conserved", "never above", "never negative", "steady", "no demand", "scaling", "halved dt")


@pytest.mark.parametrize(
    ("laws", "draws"),
    [(("conserved", "steady", "no demand"), 1), pytest.param(LAWS, 9, marks=pytest.mark.slow)],
    ids=["some", "all"],
)
def test_the_model_keeps_every_law(laws: tuple[str, ...], draws: int) -> None:
    model = fr.read_model(FOLDER / "model.xmile")
    assert not list(fr.check(model))
    case = fr.read_case(model)
    assert case is not None
    assert case.laws is not None
    found = list(check_laws(model, case, case.laws, draws=draws, engine="python", only=laws))
    assert set(laws) <= {one.law for one in found}
    assert not [str(one) for one in found if not one.ok]


@pytest.mark.parametrize("fault", MUTANTS)
def test_a_law_catches_the_mutant(fault: str, tmp_path: Path) -> None:
    law, variable, old, new = MUTANTS[fault]
    shutil.copy(FOLDER / "model.toml", tmp_path / "model.toml")
    text = (FOLDER / "model.xmile").read_text(encoding="utf-8")
    block = re.search(rf'<(aux|flow|stock) name="{variable}">.*?</\1>', text, re.DOTALL)
    assert block
    assert old in block[0]
    (tmp_path / "model.xmile").write_text(text.replace(block[0], block[0].replace(old, new)), encoding="utf-8")
    model = fr.read_model(tmp_path / "model.xmile")
    case = fr.read_case(model)
    assert case is not None
    assert case.laws is not None
    assert [one for one in check_laws(model, case, case.laws, draws=3, engine="python", only=(law,)) if not one.ok]


# -- the command ---------------------------------------------------------------------------------------------------------------


def command(output: Path, chosen: Path) -> None:
    line = [sys.executable, str(FOLDER), "--output", str(output), "--settings", str(chosen)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 3), done.stderr
    assert str(output / "primary_forecast.csv") in done.stdout


@pytest.mark.slow
def test_the_command_gives_the_same_bytes_twice(tmp_path: Path) -> None:
    """A small run of everything the command does; the whole one is the command itself."""
    text = (FOLDER / "settings.toml").read_text(encoding="utf-8")
    for name, value in (("chains", 2), ("warm_up", 4), ("iterations", 20), ("draws", 40)):
        text = re.sub(rf"^{name} = \d+", f"{name} = {value}", text, flags=re.MULTILINE)
    (tmp_path / "settings.toml").write_text(text, encoding="utf-8")
    for name in ("one", "two"):
        command(tmp_path / name, tmp_path / "settings.toml")
    for path in sorted((tmp_path / "one").iterdir()):
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes(), path.name


@pytest.mark.slow
def test_the_command_gives_the_primary_forecast(tmp_path: Path) -> None:
    """The whole calibration: about a quarter of an hour."""
    command(tmp_path, FOLDER / "settings.toml")
    for name in ("primary_forecast.csv", "scores.csv", "blends.csv", "README.md"):
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes(), name
