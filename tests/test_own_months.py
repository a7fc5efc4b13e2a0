"""A system calibrated to its own months: what is read, what is worked out, and what later runs take of it."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom, multivariate_t
from typer.testing import CliRunner

import flowreform as fr
from flowreform.analyse.fitting.calibrate import Month, _score, calibrate
from flowreform.analyse.fitting.history import History, month_of, read_history
from flowreform.analyse.fitting.months import MonthsLikelihood, likelihood_of, settings_of
from flowreform.analyse.fitting.sampler import Stream
from flowreform.cli import app
from flowreform.experiment import Experiment, read_to_fit
from flowreform.experiment.naming import name_ensemble

ROOT = Path(__file__).resolve().parents[1]
KNOWN = ("beds_open", "occupied_beds", "no_criteria_to_reside")
BOARDS = ROOT / "experiments" / "forty_two_systems" / "icb_monthly.csv"
HEAD = "month," + ",".join(KNOWN) + "\n"
PLAIN = HEAD + "".join(f"{2023 + at // 12}-{at % 12 + 1:02},{1600 + at},{1500 + at},{180 + at}\n" for at in range(13))


def written(folder: Path, text: str) -> Path:
    path = folder / "history.csv"
    path.write_text(text, encoding="utf-8")
    return path


# --- the file --------------------------------------------------------------------------------------------------------


def test_wide_and_tidy_are_the_same_months(tmp_path: Path) -> None:
    wide = read_history(written(tmp_path, PLAIN), KNOWN)
    rows = [line.split(",") for line in PLAIN.splitlines()[1:]]
    tidy = "series,month,value\n" + "".join(
        f"{name},{row[0]},{row[at + 1]}\n" for at, name in enumerate(KNOWN) for row in rows[::-1]
    )
    other = read_history(written(tmp_path, tidy), KNOWN)
    assert (other.first, other.months) == (wide.first, wide.months) == (wide.date(0), 13)
    for name in KNOWN:
        np.testing.assert_array_equal(other.series[name], wide.series[name])
    assert wide.series["occupied_beds"][12] == 1512


def test_blanks_and_left_out_months_are_missing(tmp_path: Path) -> None:
    lines = PLAIN.splitlines()
    lines[5] = "2023-05,,1504,"
    lines.append("2024-04,1620,1520,190")
    lines.append('March 2024,"1,619",1519,189')
    lines.append(",,,")
    found = read_history(written(tmp_path, "\n".join(lines)), KNOWN)
    assert found.months == 16
    assert np.flatnonzero(np.isnan(found.series["beds_open"])).tolist() == [4, 13]
    assert found.series["beds_open"][14] == 1619
    assert f"{found.date(15):%Y-%m}" == "2024-04"


@pytest.mark.parametrize("text", ["2024-03", "2024-03-31", "31/03/2024", "03/2024", "March 2024", "Mar-2024", "31 March 2024"])
def test_a_month_is_read_as_people_write_it(text: str) -> None:
    assert month_of(text) == 12 * 2024 + 2


FAULTS = {
    "there is no column": (PLAIN.replace("month", "date"), 1),
    "no such column is known": (PLAIN.replace("beds_open", "beds_opened"), 1),
    "this column is there twice": (PLAIN.replace("occupied_beds", "beds_open"), 1),
    "is no month": (PLAIN.replace("2023-04", "2023/24"), 5),
    "is no number": (PLAIN.replace("1503", "n/a"), 5),
    "is no count of a whole system": (PLAIN.replace("1503", "-1503"), 5),
    "is there already, in line 2": (PLAIN.replace("2023-04", "2023-01"), 5),
    "cells in a row of 4 columns": (PLAIN.replace("1503", "1,503"), 5),
    "12 are the least": ("\n".join(PLAIN.splitlines()[:12]), 0),
    "times away from the middle": (PLAIN.replace("183", "1.83"), 5),
    "is more than beds_open": (PLAIN.replace("1503", "1650"), 5),
    "there is no such series": ("month,series,value\n2023-01,bed_open,12\n", 2),
    "this is no CSV": (HEAD + '2023-01,"1600,1500,180\n', 2),
}


@pytest.mark.parametrize("reason", FAULTS)
def test_every_fault_has_file_line_reason_and_repair(reason: str, tmp_path: Path) -> None:
    text, line = FAULTS[reason]
    path = written(tmp_path, text)
    with pytest.raises(fr.ExperimentError) as caught:
        read_history(path, KNOWN)
    found = [item for item in caught.value.findings if reason in item.reason]
    assert found, caught.value
    assert (found[0].file, found[0].line) == (str(path), line)
    assert all(item.repair for item in caught.value.findings)


def test_all_faults_come_at_once(tmp_path: Path) -> None:
    path = written(tmp_path, PLAIN.replace("1503", "n/a").replace("2023-06,1605,1505,185", "2023-06,-1,1505,0"))
    with pytest.raises(fr.ExperimentError) as caught:
        read_history(path, KNOWN)
    assert [item.line for item in caught.value.findings] == [5, 7, 7]


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(fr.ExperimentError, match="cannot be read"):
        read_history(tmp_path / "none.csv", KNOWN)
    (tmp_path / "raw.csv").write_bytes(b"month\n\xff\xfe")
    with pytest.raises(fr.ExperimentError, match="UTF-8"):
        read_history(tmp_path / "raw.csv", KNOWN)


# --- where its numbers come from, and the back-test ------------------------------------------------------------------


def test_seasons_persistence_and_scales_are_those_of_forty_two_systems() -> None:
    """Worked out again from the months of all systems: least squares for each, and moments of what is left."""
    from scipy.optimize import brentq

    names = {"beds_open": "ga_beds_available", "occupied_beds": "ga_beds_occupied", "no_criteria_to_reside": "nctr_remaining"}
    rows = list(csv.DictReader(BOARDS.read_text(encoding="utf-8").splitlines()))
    boards, months = sorted({row["icb_code"] for row in rows}), sorted({row["month"] for row in rows})
    assert months[0] == "2022-04"
    assert months[-1] == "2024-03"
    counted = {name: np.full((len(boards), 24), np.nan) for name in names}
    for row in rows:
        for name, column in names.items():
            if row[column]:
                counted[name][boards.index(row["icb_code"]), months.index(row["month"])] = np.log(float(row[column]))
    settings, at = settings_of(fr.read_model("care_shift")), np.arange(24)
    table = fr.read_model("care_shift").variables["winter_profile"].equations[0].lookup
    assert table is not None
    profile = (np.array(table.y[:-1]) + np.array(table.y[1:])) / 2
    profile -= profile.mean()
    left: dict[str, NDArray[np.float64]] = {}
    for name, known in counted.items():
        seasons = []
        for board in known:
            here = np.isfinite(board)
            design = np.column_stack([np.ones(24), at, np.eye(12)[at % 12][:, 1:]])[here]
            found = np.linalg.lstsq(design, board[here], rcond=None)[0]
            season = np.array([0.0, *found[2:]])
            seasons.append(season - season.mean())
        mean = np.mean(seasons, axis=0)
        left[name] = known - mean[at % 12]
        left[name] -= np.nanmean(left[name], axis=1, keepdims=True)
        if name == "occupied_beds":
            heights = np.array(seasons) @ profile / (profile @ profile)
            assert settings.priors["winter_amplitude"].mean == pytest.approx(heights.mean() / 0.87, abs=0.001)
            assert settings.priors["winter_amplitude"].sd == pytest.approx(heights.std(ddof=1) / 0.87, abs=0.001)
            mean = mean - heights.mean() * profile
        np.testing.assert_allclose(settings.series[name].season, mean, atol=1e-4)
    left["beds_open"] = left["beds_open"] - settings.series["beds_open"].follow * left["occupied_beds"]

    def seen(rho: float) -> float:  # share of the variance that is left when the mean of 24 months is taken out
        return float(1.0 - (rho ** np.abs(at[:, None] - at)).mean())

    for name, rest in left.items():
        variance, change = np.nanmean(rest**2), np.nanmean(np.diff(rest, axis=1) ** 2)
        rho = brentq(lambda value, ratio=variance / change: ratio - seen(value) / (2 * (1 - value)), 0.05, 0.99)
        assert settings.series[name].persistence == pytest.approx(rho, abs=0.006)
        assert settings.series[name].scale == pytest.approx(np.sqrt(change / 2 / (1 - rho)), rel=0.02)


def test_the_back_test_against_numbers_made_by_hand() -> None:
    row = np.array([10.0, 12, 14, 16, 18, 20, 10, 12, 14, 16, 18, 20, 11, 13, np.nan, 17, 19, 30])
    history = History(fr.read_experiment("hertfordshire_and_west_essex").case.calendar.origin, {"beds": row}, "", "")  # type: ignore[union-attr]
    held = [Month("beds", "", value, (value - 1.0 if value < 30 else 31.0, value + 2.0, value + 4.0), True) for value in row[12:]]
    found = _score("beds", history, held)
    assert (found.months, found.error, found.inside) == (5, 2.0, 4)
    assert found.last_value == (9 + 7 + 3 + 1 + 10) / 5  # 20 in the last month seen
    assert found.same_month == (1 + 1 + 1 + 1 + 10) / 5


@pytest.mark.parametrize("line", ["", 'ensemble = "prior" # said before\n', "ensemble = [ 'a' ]\n"])
def test_the_draws_are_named_in_one_line_and_no_other_is_touched(line: str, tmp_path: Path) -> None:
    path = tmp_path / "ours.toml"
    text = f'# ensemble = 1\n[experiment]   # head\ntitle = "a"\n{line}\n[system]\nensemble = "not this"\n'
    path.write_text(text, encoding="utf-8")
    found = name_ensemble(path, "ours.posterior.csv")
    assert 'ensemble = "ours.posterior.csv"' in found
    kept = [item for item in text.splitlines() if item + "\n" != line]
    assert [item for item in found.splitlines() if item != 'ensemble = "ours.posterior.csv"'] == kept


# --- with the model --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def system() -> Experiment:
    return fr.read_experiment("hertfordshire_and_west_essex")


@pytest.fixture(scope="module")
def likelihood(system: Experiment) -> MonthsLikelihood:
    return likelihood_of(system.model, settings_of(system.model), months_of_the_system(), 12)


def months_of_the_system(code: str = "E54000025") -> History:
    columns = dict(zip(KNOWN, ("ga_beds_available", "ga_beds_occupied", "nctr_remaining"), strict=True))
    rows = [row for row in csv.DictReader(BOARDS.read_text(encoding="utf-8").splitlines()) if row["icb_code"] == code]
    series = {name: np.array([float(row[column] or "nan") for row in rows]) for name, column in columns.items()}
    first = fr.read_experiment("hertfordshire_and_west_essex").case.calendar.origin  # type: ignore[union-attr]
    return History(first.replace(year=2022), series, "", "history.csv")


@pytest.mark.slow
def test_the_likelihood_is_that_of_a_multivariate_t(likelihood: MonthsLikelihood) -> None:
    """Against scipy's density of the whole matrix, with the logarithms that the public `simulate` gives."""
    z = Stream(3, 1).normal(6, len(likelihood.names)) * 0.2
    values, settings = likelihood.values(z), likelihood.settings
    levels = {name: values[f"level of {name}"] for name in KNOWN}
    inputs = {
        **{name: values[name] for name in settings.priors},
        "share_of_growth_for_beds": np.ones(6),
        "beds_at_start": levels["beds_open"],
        "occupancy_at_start": levels["occupied_beds"] / levels["beds_open"],
    }
    delayed = settings.series["no_criteria_to_reside"].parameters
    own = np.array([likelihood.model.variables[name].equations[0].expr.value for name in delayed])  # type: ignore[union-attr]
    inputs |= {name: levels["no_criteria_to_reside"] * share for name, share in zip(delayed, own / own.sum(), strict=True)}
    ds = fr.simulate(likelihood.model, inputs, save=["staffed_beds", "occupied_beds", "delayed_discharges"], save_every=0.0625)
    expected = np.zeros(6)
    left = {}
    for name, variable in zip(KNOWN, ("staffed_beds", "occupied_beds", "delayed_discharges"), strict=True):
        monthly = ds[variable].values.reshape(6, -1)[:, : 24 * 16].reshape(6, 24, 16).mean(axis=2)
        drift = values.get(f"drift of {name}", np.zeros(6))[:, None] * 0.5 * (1 - np.exp(-(np.arange(24) + 0.5) / 6))
        left[name] = np.log(likelihood.history.series[name]) - np.log(monthly) - np.tile(settings.series[name].season, 2) - drift
    left["beds_open"] = left["beds_open"] - 0.6 * np.nan_to_num(left["occupied_beds"])
    for name in KNOWN:
        at = np.flatnonzero(np.isfinite(likelihood.history.series[name]))
        item = settings.series[name]
        shape = item.scale**2 * item.persistence ** np.abs(at[:, None] - at)
        expected += multivariate_t.logpdf(left[name][:, at], shape=shape, df=8)
    found, _ = likelihood(z)
    np.testing.assert_allclose(np.diff(found), np.diff(expected), rtol=1e-9)


@pytest.mark.slow
def test_residuals_go_on_from_the_last_count_and_fade(likelihood: MonthsLikelihood) -> None:
    z = np.zeros((4000, len(likelihood.names)))
    drawn, left = likelihood.forecast(z, Stream(1, 2))
    months = likelihood.history.months
    for name in ("occupied_beds", "no_criteria_to_reside"):
        rho = likelihood.settings.series[name].persistence
        last = likelihood.residuals(likelihood.logarithms(z[:1]))[name][-1, 0]
        means = left[name][months:].mean(axis=1)
        np.testing.assert_allclose(means, last * rho ** np.arange(1, 13), atol=5 * left[name][-1].std() / np.sqrt(4000))
        assert np.corrcoef(left[name][months + 8], left[name][months + 9])[0, 1] == pytest.approx(rho, abs=0.03)
        assert left[name][months].std() < 0.75 * left[name][-1].std()
        np.testing.assert_allclose(drawn[name] - left[name], likelihood.logarithms(z[:1])[name] * np.ones(4000), rtol=1e-12)


@pytest.mark.slow
def test_winter_turns_with_the_first_month(system: Experiment) -> None:
    """A history from October meets winter three months later, not nine."""
    history = months_of_the_system()
    october = History(history.first.replace(month=10), {name: row[6:] for name, row in history.series.items()}, "", "")
    found = likelihood_of(system.model, settings_of(system.model), october, 0)
    z = np.zeros((1, len(found.names)))
    beds = (found.logarithms(z)["occupied_beds"] - found.without_winter(z)["occupied_beds"])[:12, 0]
    assert int(np.argmax(beds)) in (3, 4)
    assert int(np.argmin(beds)) in (9, 10)


TRUTH = {"annual_demand_growth": 0.015, "winter_amplitude": 0.03, "level of beds_open": 1650.0, "level of occupied_beds": 1530.0,
         "level of no_criteria_to_reside": 200.0}  # fmt: skip


def made_history(system: Experiment, truth: Mapping[str, float], seed: int) -> History:
    """Thirty months from `fr.simulate`, with seasons and AR(1) residuals put on them here."""
    settings, rng = settings_of(system.model), np.random.default_rng(seed)
    model = replace(system.model, specs=replace(system.model.specs, stop=30.0))
    delayed = settings.series["no_criteria_to_reside"].parameters
    own = np.array([model.variables[name].equations[0].expr.value for name in delayed])  # type: ignore[union-attr]
    inputs = {
        **{name: truth[name] for name in settings.priors},
        "share_of_growth_for_beds": 1.0,
        "beds_at_start": truth["level of beds_open"],
        "occupancy_at_start": truth["level of occupied_beds"] / truth["level of beds_open"],
        **{name: truth["level of no_criteria_to_reside"] * share for name, share in zip(delayed, own / own.sum(), strict=True)},
    }
    ds = fr.simulate(model, inputs, save=["staffed_beds", "occupied_beds", "delayed_discharges"], save_every=0.0625)
    series, left = {}, {}
    for name, item in settings.series.items():
        noise = np.empty(30)
        noise[0] = rng.normal()
        for at in range(1, 30):
            noise[at] = item.persistence * noise[at - 1] + np.sqrt(1 - item.persistence**2) * rng.normal()
        left[name] = item.scale * noise
    left["beds_open"] = left["beds_open"] + 0.6 * left["occupied_beds"]
    for name, item in settings.series.items():
        monthly = ds[item.variable].values.ravel()[: 30 * 16].reshape(30, 16).mean(axis=1)
        series[name] = monthly * np.exp(np.array(item.season)[np.arange(30) % 12] + left[name])
    return History(months_of_the_system().first.replace(year=2021), series, "", "made.csv")


@pytest.mark.slow
def test_known_numbers_are_recovered_as_often_as_the_bands_say(system: Experiment) -> None:
    """The truth is drawn from the priors anew for each history: 80 % bands hold it in about 80 per cent."""
    experiment = system.with_(system={**system.system.table, "start": "October 2023"})  # type: ignore[union-attr]
    rng = np.random.default_rng(5)
    held, counted = 0, 0
    priors = settings_of(system.model).priors
    tests: list[int] = []
    for seed in range(10):
        truth = dict(TRUTH)
        for name, item in priors.items():
            truth[name] = float(item.quantile(np.array([rng.uniform()]))[0])
        found = calibrate(experiment, made_history(system, truth, seed), seed=seed)
        assert found.r_hat <= 1.01
        for item in found.parameters:
            if item.name in truth:
                held += item.posterior[0] <= truth[item.name] <= item.posterior[2]
                counted += 1
        tests += [score.inside for score in found.scores]
    assert counted == 50
    assert 0.002 < binom.cdf(held, counted, 0.8) < 0.999, held
    assert 0.6 < sum(tests) / (6 * len(tests)) < 0.95, tests  # months of one history are not independent


@pytest.mark.slow
def test_from_months_to_every_later_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fr.read_experiment("hertfordshire_and_west_essex").with_(draws=16).to_toml("ours.toml")
    history = months_of_the_system()
    rows = []
    for at in range(24):
        counts = ("" if row[at] != row[at] else f"{row[at]:g}" for row in history.series.values())
        rows.append(f"{history.date(at):%Y-%m}," + ",".join(counts))
    written(tmp_path, HEAD + "\n".join(rows))
    command = ["fit", "ours.toml", "--history", "history.csv", "--write", "--chart", "fit.png", "--json"]
    first = CliRunner().invoke(app, command)
    assert first.exit_code == 0, first.output
    said = json.loads(first.stdout)
    assert {item["series"] for item in said["back_test"]} == set(KNOWN)
    assert Path("fit.png").read_bytes()[:4] == b"\x89PNG"
    draws = Path("ours.posterior.csv").read_bytes()
    assert CliRunner().invoke(app, command).stdout == first.stdout
    assert Path("ours.posterior.csv").read_bytes() == draws
    experiment = fr.read_experiment("ours.toml")
    assert experiment.ensemble is not None
    found = fr.draws(experiment)
    assert found["beds_at_start"].attrs["distribution"] == "posterior"
    assert set(found["beds_at_start"].values) <= set(experiment.ensemble.columns(np.arange(512))["beds_at_start"])
    run = fr.run(experiment)
    np.testing.assert_allclose(run["staffed_beds"].isel(time=0, scenario=0), found["beds_at_start"], rtol=1e-9)
    assert fr.read_experiment(saved(experiment, tmp_path / "copy.toml")).ensemble == experiment.ensemble
    Path("away").mkdir()
    assert fr.read_experiment(saved(experiment, tmp_path / "away" / "copy.toml")).ensemble == experiment.ensemble
    shutil.copy("ours.toml", "other.toml")
    text = Path("other.toml").read_text(encoding="utf-8")
    Path("other.toml").write_text(text.replace("496", "497"), encoding="utf-8")
    refused = CliRunner().invoke(app, ["run", "other.toml"])
    assert refused.exit_code != 0
    assert "old-posterior" in refused.output
    assert read_to_fit("other.toml").ensemble is None
    Path("ours.posterior.csv").unlink()
    assert "no-posterior" in CliRunner().invoke(app, ["run", "ours.toml"]).output


def saved(experiment: Experiment, path: Path) -> Path:
    experiment.to_toml(path)
    return path


# --- refused before anything is run ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "reason"),
    [("April 2022", "the history ends in"), ("April 2027", "the history ends in"), (None, "when its plan starts")],
)
def test_a_plan_that_does_not_follow_the_months_is_refused(
    start: str | None, reason: str, system: Experiment, tmp_path: Path
) -> None:
    table = {key: value for key, value in system.system.table.items() if key != "start"}  # type: ignore[union-attr]
    other = system.with_(system=table | ({"start": start} if start else {}))
    with pytest.raises(fr.ExperimentError, match=reason):
        fr.fit(other, history=written(tmp_path, PLAIN))


def test_a_model_without_a_calibration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(fr.ExperimentError, match="cannot be calibrated to months"):
        fr.fit("va_beds_to_community", history=written(tmp_path, PLAIN))


def test_draws_cannot_be_kept_with_a_bundled_experiment(tmp_path: Path) -> None:
    line = ["fit", "hertfordshire_and_west_essex", "--history", str(written(tmp_path, PLAIN)), "--write"]
    found = CliRunner().invoke(app, line)
    assert found.exit_code == 1
    assert "flowreform new my_system.toml --from" in found.output


def test_what_has_not_converged_is_refused(system: Experiment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four moves of every walker are refused, with the numbers of what was wanted."""
    from flowreform.analyse.fitting import posterior

    monkeypatch.setattr(posterior, "BLOCK", 4)
    from flowreform.analyse.fitting.sampler import Sampler

    sampler = Sampler(lambda z: (-0.5 * (z**2).sum(axis=1), z), 2, seed=1)
    assert sampler.warm_up()
    with pytest.raises(fr.ModelError, match="has not converged"):
        posterior.sampled(system.model, ["one", "other"], sampler, [], 4, None)
