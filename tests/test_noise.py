"""Random functions: against scipy's distributions, the same in every door, nothing that moves what another draws."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import flowreform as fr
from building import auxiliary, flow, model, parameter, stock
from flowreform import builtins, quantiles
from flowreform.builtins import Kind
from flowreform.errors import ExperimentError, ModelError
from flowreform.model import Method
from flowreform.streams import noise

NONE = math.nan
SHARES = np.concatenate([(np.arange(400) + 0.5) / 400, 10.0 ** -np.arange(3.0, 15.0), 1 - 10.0 ** -np.arange(3.0, 15.0)])
LOG = math.sqrt(math.log(1.0 + 0.3**2))


def cut(frozen: object, low: float, high: float) -> object:
    """The inverse of a distribution cut to a range, from scipy's share and inverse."""
    whole = float(low).is_integer() and hasattr(frozen, "pmf")
    least, most = frozen.cdf(low - 1 if whole else low), frozen.cdf(high)  # type: ignore[attr-defined]
    return lambda u: frozen.ppf(least + u * (most - least))  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("ours", "numbers", "theirs"),
    [
        ("uniform_between", (2.0, 5.0), stats.uniform(2, 3).ppf),
        ("normal_between", (NONE, NONE, 3.0, 2.0), stats.norm(3, 2).ppf),
        ("normal_between", (0.0, 4.0, 3.0, 2.0), stats.truncnorm(-1.5, 0.5, 3, 2).ppf),
        ("normal_between", (9.0, 10.0, 3.0, 1.0), stats.truncnorm(6, 7, 3, 1).ppf),
        ("lognormal_between", (NONE, NONE, 10.0, 3.0), stats.lognorm(LOG, scale=10 / math.sqrt(1.09)).ppf),
        ("lognormal_between", (8.0, 14.0, 10.0, 3.0), cut(stats.lognorm(LOG, scale=10 / math.sqrt(1.09)), 8, 14)),
        ("exponential_between", (NONE, NONE, 2.0, 5.0), stats.expon(2, 5).ppf),
        ("exponential_between", (3.0, 12.0, 2.0, 5.0), cut(stats.expon(2, 5), 3, 12)),
        ("weibull_between", (NONE, NONE, 1.7, 1.0, 5.0), stats.weibull_min(1.7, 1, 5).ppf),
        ("weibull_between", (2.0, 7.0, 1.7, 1.0, 5.0), cut(stats.weibull_min(1.7, 1, 5), 2, 7)),
        ("unit_weibull_between", (NONE, NONE, 1.7, 1.0, 5.0), stats.weibull_min(1.7, 1, 5 / math.gamma(1 + 1 / 1.7)).ppf),
        ("pareto_between", (NONE, NONE, 1.7, 5.0), stats.pareto(1.7, scale=5).ppf),
        ("pareto_between", (6.0, 9.0, 1.7, 5.0), cut(stats.pareto(1.7, scale=5), 6, 9)),
        ("logistic_between", (NONE, NONE, 1.7, 5.0), stats.logistic(1.7, 5).ppf),
        ("logistic_between", (-2.0, 9.0, 1.7, 5.0), cut(stats.logistic(1.7, 5), -2, 9)),
        ("triangular_between", (NONE, NONE, 1.0, 2.0, 6.0), stats.triang(0.2, 1, 5).ppf),
        ("triangular_between", (1.5, 5.0, 1.0, 2.0, 6.0), cut(stats.triang(0.2, 1, 5), 1.5, 5)),
        ("poisson_between", (NONE, NONE, 0.1), stats.poisson(0.1).ppf),
        ("poisson_between", (NONE, NONE, 77.5), stats.poisson(77.5).ppf),
        ("poisson_between", (NONE, NONE, 5000.0), stats.poisson(5000).ppf),
        ("poisson_between", (2.0, 7.0, 4.0), cut(stats.poisson(4), 2, 7)),
        ("binomial_between", (NONE, NONE, 0.3, 10.0), stats.binom(10, 0.3).ppf),
        ("binomial_between", (NONE, NONE, 0.999, 1000.0), stats.binom(1000, 0.999).ppf),
        ("binomial_between", (2.0, 7.0, 0.4, 12.0), cut(stats.binom(12, 0.4), 2, 7)),
    ],
)
def test_quantiles_are_those_of_scipy(ours: str, numbers: tuple[float, ...], theirs: object) -> None:
    found = np.array([getattr(quantiles, ours)(u, *numbers) for u in SHARES])
    expected = theirs(SHARES)  # type: ignore[operator]
    if ours in ("poisson_between", "binomial_between"):
        assert (found == expected)[SHARES > 1e-12].mean() > 0.99  # at a share on a step the last digit decides
        assert np.abs(found - expected)[(SHARES > 1e-10) & (SHARES < 1 - 1e-10)].max() == 0
    else:
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-11)


def test_the_normal_quantile_is_right_to_fifteen_digits() -> None:
    from scipy.special import ndtri

    shares = np.concatenate([SHARES, 10.0 ** -np.arange(1.0, 300.0, 7.0)])
    assert [quantiles.normal_quantile(p) for p in shares] == pytest.approx(ndtri(shares), rel=2e-15, abs=1e-16)


# --- in models -------------------------------------------------------------------------------------------------------

VENSIM = """{UTF-8}
flat = RANDOM UNIFORM(2, 5, 0) ~~|
bell = RANDOM NORMAL(0, 20, 10, 3, 0) ~~|
wait = RANDOM EXPONENTIAL(0, 1e9, 1, 2, 0) ~~|
count = RANDOM POISSON(0, 1000, 4, 1, 2, 0) ~~|
sheet = RANDOM TRIANGULAR(0, 9, 1, 2, 6, 0) ~~|
life = RANDOM WEIBULL(0, 1e9, 1.5, 0, 3, 0) ~~|
hits = RANDOM BINOMIAL(0, 99, 0.3, 10, 0, 1, 0) ~~|
unit = RANDOM 0 1() ~~|
INITIAL TIME = 0 ~ Month ~|
FINAL TIME = 3999 ~ Month ~|
TIME STEP = 1 ~ Month ~|
SAVEPER = TIME STEP ~ Month ~|
"""
STELLA = {
    "flat": ("UNIFORM(2, 5)", stats.uniform(2, 3)),
    "rand": ("RANDOM(2, 5, 7)", stats.uniform(2, 3)),
    "bell": ("NORMAL(10, 3, 1)", stats.norm(10, 3)),
    "logs": ("LOGNORMAL(10, 3)", stats.lognorm(LOG, scale=10 / math.sqrt(1.09))),
    "wait": ("EXPRND(4)", stats.expon(0, 4)),
    "life": ("WEIBULL(1.5, 3)", stats.weibull_min(1.5, 0, 3)),
    "wealth": ("PARETO(3, 2)", stats.pareto(3, scale=2)),
    "mid": ("LOGISTIC(1, 2)", stats.logistic(1, 2)),
    "sheet": ("TRIANGULAR(1, 2, 6)", stats.triang(0.2, 1, 5)),
    "count": ("POISSON(8)", stats.poisson(4)),  # 8 in a unit of time, 4 in a step of 0.5
    "hits": ("BINOMIAL(10, 0.3)", stats.binom(10, 0.3)),
    "event": ("MONTECARLO(60)", stats.bernoulli(0.3)),
}


def agrees(values: np.ndarray, frozen: object) -> None:
    """Does a sample come from a distribution? At a chance of 1 in 10,000 to be told wrongly."""
    if hasattr(frozen, "pmf"):
        kinds, counts = np.unique(values, return_counts=True)
        expected = frozen.pmf(kinds) * len(values)  # type: ignore[attr-defined]
        many = expected >= 5
        rest = (len(values) - counts[many].sum(), len(values) - expected[many].sum())
        seen, wanted = np.append(counts[many], rest[0]), np.append(expected[many], max(rest[1], 1e-9))
        keep = wanted >= 1
        assert stats.chisquare(seen[keep], wanted[keep] * seen[keep].sum() / wanted[keep].sum()).pvalue > 1e-4
    else:
        assert stats.kstest(values, frozen.cdf).pvalue > 1e-4  # type: ignore[attr-defined]


def test_vensims_functions_draw_from_their_distributions(tmp_path: Path) -> None:
    path = tmp_path / "m.mdl"
    path.write_text(VENSIM, encoding="utf-8")
    ds = fr.simulate(path, noise_seed=1, engine="python").isel(run=0)
    agrees(ds["flat"].values, stats.uniform(2, 3))
    agrees(ds["bell"].values, stats.truncnorm(-10 / 3, 10 / 3, 10, 3))
    agrees(ds["wait"].values, stats.expon(1, 2))
    agrees((ds["count"].values - 1) / 2, stats.poisson(4))
    agrees(ds["sheet"].values, stats.triang(0.2, 1, 5))
    agrees(ds["life"].values, stats.weibull_min(1.5, 0, 3 / math.gamma(1 + 1 / 1.5)))
    agrees(ds["hits"].values, stats.binom(10, 0.3))
    agrees(ds["unit"].values, stats.uniform())


def stella(stop: float = 2000.0, **more: str) -> fr.Model:
    made = {name: auxiliary(name, text) for name, (text, _) in STELLA.items()}
    return model([*made.values(), *(auxiliary(name, text) for name, text in more.items())], start=0, stop=stop, dt=0.5)


def test_stellas_functions_draw_from_their_distributions() -> None:
    ds = fr.simulate(stella(), noise_seed=3, engine="python").isel(run=0)
    for name, (_, frozen) in STELLA.items():
        agrees(ds[name].values, frozen)
    names = list(STELLA)
    table = np.corrcoef([stats.rankdata(ds[name].values) for name in names])
    assert np.abs(table - np.eye(len(names))).max() < 0.08  # 4,001 steps: 5 standard errors


def test_every_random_function_is_in_one_of_the_two_models() -> None:
    kinds = {row.name for row in builtins.BUILTINS.values() if row.kind is Kind.RANDOM}
    used = {text.partition("(")[0].lower() for text, _ in STELLA.values()}
    used |= {
        line.partition("= ")[2].partition("(")[0].strip().lower().replace(" ", "_")
        for line in VENSIM.splitlines()
        if "RANDOM" in line
    }
    assert kinds == used


def test_what_one_variable_draws_is_moved_by_no_other_and_by_no_place_in_the_file() -> None:
    alone = fr.simulate(stella(20.0), noise_seed=5)
    beside = fr.simulate(stella(20.0, another="NORMAL(0, 1) + NORMAL(0, 1)"), noise_seed=5)
    for name in STELLA:
        assert (alone[name].values == beside[name].values).all()
    halves = fr.simulate(model([auxiliary("x", "NORMAL(0, 1)"), auxiliary("two", "NORMAL(0, 1) - NORMAL(0, 1)")]), noise_seed=5)
    assert (halves["two"].values != 0.0).all()


def test_another_seed_and_another_run_draw_other_numbers() -> None:
    first, again, other = (fr.simulate(stella(20.0), noise_seed=seed)["bell"].values for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).all()
    runs = fr.simulate(model([parameter("mean", 1.0), auxiliary("x", "NORMAL(0, 1)")]), {"mean": [1.0, 2.0, 3.0]}, noise_seed=1)
    assert len(np.unique(runs["x"].values)) == runs["x"].size


def test_elements_draw_alone_and_both_engines_alike(tmp_path: Path) -> None:
    path = tmp_path / "m.mdl"
    path.write_text(
        "{UTF-8}\nWard: a, b, c ~~|\nSite: n, s ~~|\nbeds[Ward, Site] = INTEG(RANDOM NORMAL(-9, 9, 0, 1, 0) + x[Ward], 100) ~~|\n"
        "x[Ward] = DELAY FIXED(RANDOM UNIFORM(0, 1, 0), 2, 0) ~~|\nINITIAL TIME = 0 ~~|\nFINAL TIME = 20 ~~|\n"
        "TIME STEP = 0.25 ~~|\nSAVEPER = TIME STEP ~~|\n",
        encoding="utf-8",
    )
    both = [fr.simulate(path, noise_seed=9, engine=engine).isel(run=0) for engine in ("python", "numba")]
    assert (both[0]["beds"].values == both[1]["beds"].values).all()
    assert len(np.unique(both[0]["beds"].isel(time=-1).values)) == 6


@pytest.mark.parametrize("engine", ["python", pytest.param("numba", marks=pytest.mark.slow)])
def test_a_number_holds_for_the_whole_of_a_step_under_runge_kutta(engine: str) -> None:
    """The stock moves by dt times what is shown, which it would not if a stage drew anew."""
    made = model([stock("s", "0", inflows=("f",)), flow("f", "NORMAL(0, 1)")], stop=10.0, dt=0.5, method=Method.RK4)
    ds = fr.simulate(made, noise_seed=2, engine=engine).isel(run=0)
    assert np.diff(ds["s"].values) == pytest.approx(0.5 * ds["f"].values[:-1], rel=1e-12)


def test_off_means_refused_with_the_repair_said() -> None:
    made = stella(20.0)
    found = [finding for finding in fr.check(made) if finding.rule == "refused-function"]
    assert len(found) == len(STELLA)
    assert all("--noise-seed" in finding.repair for finding in found)
    with pytest.raises(ModelError, match="noise-seed"):
        fr.simulate(made)
    assert not [finding for finding in fr.check(made, noise_seed=1) if finding.rule == "refused-function"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("GAMMA(2, 3)", "GAMMA is not done here"),
        ("NORMAL(0, 1, 1, 0, 5, 2)", "at every step only"),
        ("RANDOM(0)", "takes 2 to 3 arguments"),
    ],
)
def test_what_is_not_done_is_refused_by_name(text: str, reason: str) -> None:
    with pytest.raises(ModelError, match=reason):
        fr.simulate(model([auxiliary("x", text)]), noise_seed=1)


@pytest.mark.parametrize("seed", [-1, 1.5, True, 2**63])
def test_what_is_no_seed_is_refused(seed: object) -> None:
    with pytest.raises(ExperimentError, match="noise seed"):
        fr.simulate(stella(1.0), noise_seed=seed)  # type: ignore[arg-type]


def test_streams_do_not_depend_on_what_is_asked_beside_them() -> None:
    whole = noise(7, ("a", "b"), np.arange(6), 11)
    assert (noise(7, ("b",), np.array([4, 1]), 5)[0] == whole[1, :5, [4, 1]].T).all()
    assert len(np.unique(whole)) == whole.size


# --- in experiments and sweeps ---------------------------------------------------------------------------------------


@pytest.fixture
def clinic(tmp_path: Path) -> Path:
    (tmp_path / "m.xmile").write_text(
        """<xmile version="1.0" xmlns="http://docs.oasis-open.org/xmile/ns/XMILE/v1.0"><header><vendor>t</vendor><product>t</product>
        </header><sim_specs method="Euler" time_units="Months"><start>0</start><stop>12</stop><dt>0.25</dt></sim_specs>
        <model><variables><stock name="waiting"><eqn>100</eqn><inflow>referred</inflow><outflow>seen</outflow></stock>
        <flow name="referred"><eqn>POISSON(40 * share)</eqn></flow><flow name="seen"><eqn>waiting / 3</eqn></flow>
        <aux name="share"><eqn>1</eqn></aux></variables></model></xmile>""",
        encoding="utf-8",
    )
    (tmp_path / "e.toml").write_text(
        """[experiment]
title = "t"
question = "q"
model = "./m.xmile"
draws = 70
noise_seed = 4
uncertainties = ["share"]
save = ["waiting"]
[scenarios.as_is]
[scenarios.again]
[uncertainties.share]
distribution = "uniform"
low = 0.9
high = 1.1
unit = "1"
source = "a test"
status = "assumption"
[kpis.at_end]
variable = "waiting"
statistic = "final"
better = "lower"
""",
        encoding="utf-8",
    )
    return tmp_path / "e.toml"


def test_scenarios_share_what_is_drawn_and_draws_do_not(clinic: Path) -> None:
    ds = fr.run(fr.read_experiment(clinic))
    assert (ds["waiting"].sel(scenario="as_is").values == ds["waiting"].sel(scenario="again").values).all()
    assert len(np.unique(ds["waiting"].isel(scenario=0, time=-1).values)) == 70
    assert ds.attrs["noise_seed"] == 4
    assert not fr.run(fr.read_experiment(clinic), noise_seed=5)["waiting"].equals(ds["waiting"])


def test_an_experiment_written_out_keeps_its_noise_seed(clinic: Path, tmp_path: Path) -> None:
    experiment = fr.read_experiment(clinic)
    experiment.to_toml(tmp_path / "copy.toml")
    assert fr.read_experiment(tmp_path / "copy.toml").noise_seed == 4
    assert experiment.with_(noise_seed=6).noise_seed == 6


@pytest.mark.parametrize("engine", ["python", pytest.param("numba", marks=pytest.mark.slow)])
def test_sweeps_of_any_number_of_workers_give_the_numbers_of_a_run(clinic: Path, tmp_path: Path, engine: str) -> None:
    from dataclasses import replace

    experiment = fr.read_experiment(clinic)
    experiment = replace(experiment, sweep=experiment.sweep.model_copy(update={"draws_per_part": 16, "trajectories": "all"}))
    expected = fr.kpis(fr.run(experiment), experiment)["at_end"].transpose("scenario", "draw").values
    for workers in (1, 3):
        folder = tmp_path / f"out_{workers}"
        fr.sweep(experiment, folder, workers=workers, engine=engine)
        stored = fr.open_sweep(folder)["kpi_value"].sel(kpi="at_end").transpose("scenario", "draw").values
        assert (stored == expected).all()


def test_a_sweep_with_another_noise_seed_is_another_sweep(clinic: Path, tmp_path: Path) -> None:
    experiment = fr.read_experiment(clinic)
    fr.sweep(experiment, tmp_path / "out", engine="python", workers=1)
    with pytest.raises(ExperimentError, match="noise_seed"):
        fr.sweep(experiment.with_(noise_seed=8), tmp_path / "out", engine="python", workers=1)


def test_rows_of_a_design_draw_alike(clinic: Path) -> None:
    """With noise of its own in each row, share would explain a small part of the variance only; its index is all of it."""
    indices = fr.sensitivity(fr.read_experiment(clinic), method="sobol", samples=64, scenario="as_is")
    assert indices["kpi_index"].sel(scenario="as_is", kpi="at_end", parameter="share", index="ST").item() == pytest.approx(
        1.0, abs=0.05
    )


def test_the_command_line_draws_with_a_seed_and_not_without(clinic: Path) -> None:
    from typer.testing import CliRunner

    from flowreform.cli import app

    path = str(clinic.parent / "m.xmile")
    assert CliRunner().invoke(app, ["check", path]).exit_code == 1
    assert CliRunner().invoke(app, ["check", path, "--noise-seed", "1"]).exit_code == 0
    refused = CliRunner().invoke(app, ["run", path])
    assert refused.exit_code == 1
    assert "--noise-seed" in refused.output
    first, again, other = (CliRunner().invoke(app, ["run", path, "--json", "--noise-seed", seed]).stdout for seed in "112")
    assert first == again != other


def test_a_workbook_refuses_by_name(clinic: Path, tmp_path: Path) -> None:
    with pytest.raises((ExperimentError, ModelError), match="random function"):
        fr.to_xlsx(fr.read_experiment(clinic), tmp_path / "m.xlsx")


def test_pysd_would_draw_numbers_of_its_own(clinic: Path) -> None:
    with pytest.raises(ExperimentError, match="PySD draws"):
        fr.simulate(clinic.parent / "m.xmile", noise_seed=1, engine="pysd")
