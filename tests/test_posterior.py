"""Draws that have seen the data: closed forms, what is kept beside a model, and who reads it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import flowreform as fr
from flowreform.analyse.assessment import targets_held
from flowreform.analyse.fitting.convergence import bulk, effective, r_hat, tail
from flowreform.analyse.fitting.likelihood import Likelihood
from flowreform.analyse.fitting.posterior import Posterior, belongs, write_posterior
from flowreform.analyse.fitting.sampler import Sampler
from flowreform.analyse.fitting.search import asked
from flowreform.errors import ExperimentError, ModelError
from flowreform.experiment import experiment_of, read_experiment
from flowreform.sampling import samples
from test_fit import TRUE, made

# --- sampler and convergence against closed forms --------------------------------------------------------------------


def linear(slopes: np.ndarray, data: np.ndarray):  # type: ignore[no-untyped-def]
    """A linear model with unit errors."""

    def residuals(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        away = z @ slopes.T - data
        return -0.5 * (away**2).sum(axis=1), away

    return residuals


@pytest.mark.parametrize(("width", "rows"), [(2, 3), (6, 4), (30, 5)])
def test_a_linear_model_gives_its_closed_posterior(width: int, rows: int) -> None:
    random = np.random.default_rng(width)
    slopes, data = 3 * random.standard_normal((rows, width)), 2 * random.standard_normal(rows)
    sampler = Sampler(linear(slopes, data), width, seed=1)
    assert sampler.warm_up()
    z = sampler.sample(400).z
    covariance = np.linalg.inv(np.eye(width) + slopes.T @ slopes)
    mean = covariance @ slopes.T @ data
    flat = z.reshape(-1, width)
    for at in range(width):
        spread = np.sqrt(covariance[at, at])
        chains = z[..., at]
        assert r_hat(chains) < 1.01
        assert abs(flat[:, at].mean() - mean[at]) < 4 * spread / np.sqrt(bulk(chains))
        assert abs(flat[:, at].std() / spread - 1) < 4 / np.sqrt(tail(chains))
    assert np.abs(np.cov(flat.T) - covariance).max() < 0.06


def test_a_curved_ridge_is_crossed() -> None:
    """y = z0 z1 is known and neither by itself: against the same posterior on a fine grid."""

    def residuals(z: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        away = ((z[:, 0] * z[:, 1] - 1.0) / 0.2)[:, None]
        return -0.5 * (away**2).sum(axis=1), away

    grid = np.linspace(-5, 5, 2001)
    one, other = np.meshgrid(grid, grid, indexing="ij")
    density = np.exp(-0.5 * (one**2 + other**2) - 0.5 * ((one * other - 1) / 0.2) ** 2)
    density /= density.sum()
    sampler = Sampler(residuals, 2, seed=3)
    assert sampler.warm_up()
    z = sampler.sample(3000).z
    size = np.abs(z[..., 0])
    assert size.mean() == pytest.approx((density * np.abs(one)).sum(), abs=4 * size.std() / np.sqrt(bulk(size)))
    assert (z**2).sum(axis=-1).mean() == pytest.approx((density * (one**2 + other**2)).sum(), rel=0.05)


def test_effective_size_of_a_first_order_chain() -> None:
    """For correlation phi from step to step it is n (1 - phi) / (1 + phi)."""
    random = np.random.default_rng(0)
    for phi in (0.0, 0.5, 0.9):
        chains = np.empty((200, 1000))
        chains[:, 0] = random.standard_normal(200)
        for at in range(1, 1000):
            chains[:, at] = phi * chains[:, at - 1] + np.sqrt(1 - phi**2) * random.standard_normal(200)
        assert effective(chains) == pytest.approx(200_000 * (1 - phi) / (1 + phi), rel=0.1)


def test_ensembles_apart_or_of_another_spread_are_seen() -> None:
    chains = np.random.default_rng(0).standard_normal((4, 8, 500))
    assert r_hat(chains) < 1.005
    apart, wide, drifting = chains.copy(), chains.copy(), chains + np.linspace(0, 1, 500)
    apart[0] += 0.5
    wide[0] *= 2
    assert min(r_hat(apart), r_hat(wide), r_hat(drifting)) > 1.01
    assert r_hat(np.zeros((4, 8, 500))) == 1.0
    assert np.isinf(r_hat(np.ones((4, 8, 500)) * np.arange(4)[:, None, None]))


# --- a model with a case ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> tuple[fr.Model, Posterior]:
    """A model with noisy data of its own making, sampled."""
    model = made(tmp_path_factory.mktemp("clinic"), [*TRUE, "idle"], TRUE, noise=0.02)
    found = fr.fit(model, posterior=True)
    write_posterior(model, found)
    return model, found


def test_the_truth_lies_where_the_draws_are(clinic: tuple[fr.Model, Posterior]) -> None:
    found = clinic[1]
    assert found.r_hat <= 1.01
    assert found.effective >= 400
    known = {item.name: item for item in found.parameters}
    for name, value in TRUE.items():
        column = found.ensemble.values[:, found.ensemble.names.index(name)]
        assert np.quantile(column, 0.005) < value < np.quantile(column, 0.995)
        assert known[name].narrowed > 0.5
    assert abs(known["idle"].narrowed) < 0.15  # the data say nothing of it
    assert known["idle"].posterior == pytest.approx((0.2, 1.0, 1.8), abs=0.12)
    assert 0.3 < found.misfit < 2.0
    for words in ("narrower by", "effective size", "meets the data"):
        assert words in str(found)


def test_spread_is_that_of_least_squares(clinic: tuple[fr.Model, Posterior]) -> None:
    """Where the model is near linear and the range wide, standard errors of the fit and of the draws are the same."""
    model, found = clinic
    errors = {item.name: item.standard_error for item in fr.fit(model).estimates}
    column = found.ensemble.values[:, found.ensemble.names.index("visits_each")]
    assert column.std() == pytest.approx(errors["visits_each"], rel=0.15)


def test_the_same_seed_gives_the_same_bytes(clinic: tuple[fr.Model, Posterior], tmp_path: Path) -> None:
    model = made(tmp_path, [*TRUE, "idle"], TRUE, noise=0.02)
    first = clinic[0].path.with_name("posterior.csv").read_bytes()  # type: ignore[union-attr]
    assert write_posterior(model, fr.fit(model, posterior=True)).read_bytes() == first
    assert write_posterior(model, fr.fit(model, posterior=True, seed=4)).read_bytes() != first


def test_runs_take_the_draws(clinic: tuple[fr.Model, Posterior], tmp_path: Path) -> None:
    model, found = clinic
    assert belongs(model).ok
    text = f'[experiment]\ntitle = "t"\nquestion = "q"\nmodel = "{model.path}"\ndraws = 600\nseed = 5\n'
    path = tmp_path / "asked.toml"
    path.write_text(text)
    experiment = read_experiment(path, model)
    drawn = samples(experiment)
    assert set(drawn) == set(found.ensemble.names)
    rows = {tuple(row) for row in found.ensemble.values}
    order = [tuple(drawn[name][at] for name in found.ensemble.names) for at in range(600)]
    assert set(order) == rows  # every row once before any comes again
    assert order[512:] == order[: 600 - 512]
    ds = fr.run(experiment)
    np.testing.assert_array_equal(ds["contact"].values, drawn["contact"])
    path.write_text(text.replace("draws = 600", "draws = 40"))
    few = samples(read_experiment(path, model))
    np.testing.assert_array_equal(few["contact"], drawn["contact"][:40])
    path.write_text(text + 'ensemble = ["contact"]\n')
    assert read_experiment(path, model).ensemble.names == ("contact",)  # type: ignore[union-attr]
    path.write_text(text + 'ensemble = "prior"\n')
    assert read_experiment(path, model).ensemble is None
    path.write_text(text + 'ensemble = ["conatct"]\n')
    with pytest.raises(ExperimentError, match="contact"):
        read_experiment(path, model)


def test_one_run_of_a_model_draws_nothing(clinic: tuple[fr.Model, Posterior]) -> None:
    assert experiment_of(clinic[0]).ensemble is None


def test_old_draws_are_refused(clinic: tuple[fr.Model, Posterior], tmp_path: Path) -> None:
    for name in ("model.xmile", "model.toml", "reference.csv", "posterior.csv"):
        (tmp_path / name).write_bytes(clinic[0].path.with_name(name).read_bytes())  # type: ignore[union-attr]
    asking = tmp_path / "asked.toml"
    asking.write_text('[experiment]\ntitle = "t"\nquestion = "q"\nmodel = "./model.xmile"\ndraws = 4\n')
    assert read_experiment(asking).ensemble is not None

    def changed(name: str, old: str, new: str, *, refused: bool) -> None:
        text = (tmp_path / name).read_text()
        assert old in text
        (tmp_path / name).write_text(text.replace(old, new, 1))
        if refused:
            with pytest.raises(ExperimentError, match="was made from other"):
                read_experiment(asking)
            assert not belongs(fr.read_model(tmp_path / "model.xmile")).ok
        else:
            assert read_experiment(asking).ensemble is not None
        (tmp_path / name).write_text(text)

    changed("model.toml", 'source = "a count"', 'source = "a better count"', refused=False)
    changed("model.xmile", "<eqn>2</eqn>", "<eqn>2.1</eqn>", refused=False)  # where a sampled parameter stands
    changed("model.xmile", "enrolled*leaving_rate", "enrolled*leaving_rate*1.1", refused=True)
    changed("model.xmile", 'reciprocal="true">16', 'reciprocal="true">32', refused=True)
    changed("model.toml", "error = 0.02", "error = 0.03", refused=True)
    changed("reference.csv", "enrolment,2003,", "enrolment,2003,1", refused=True)
    (tmp_path / "posterior.csv").write_text("nothing\n")
    with pytest.raises(ModelError, match="flowreform posterior"):
        read_experiment(asking)


Lines = list[list[str]]


def _column(name: str) -> Callable[[Lines], None]:
    def change(cells: Lines) -> None:
        cells[0][1] = name

    return change


def _cut(first: int, last: int, keep: int) -> Callable[[Lines], None]:
    """Rows from `first` to before `last` keep so many cells; the last ones go where it is negative."""

    def change(cells: Lines) -> None:
        for row in cells[first:last]:
            del row[keep:]

    return change


def _cell(text: str) -> Callable[[Lines], None]:
    def change(cells: Lines) -> None:
        cells[3][1] = text

    return change


WRONG: dict[str, tuple[Callable[[Lines], None], str]] = {
    "no parameter": (_column("nothing"), "nothing is not among what"),
    "a stock": (_column("enrolled"), "enrolled is not among what"),
    "not sampled": (_column("persuasion"), "persuasion is not among what"),
    "another spelling": (_column("IDLE"), "IDLE is not among what"),
    "a script": (_column("<script>"), "<script> is not among what"),
    "twice": (_column("idle"), ":3: error: the columns are"),
    "no columns": (_cut(0, 1000, 1), ":3: error: the columns are"),
    "no draws": (lambda cells: cells.__delitem__(slice(1, None)), "there is no draw in it"),
    "a column missing": (_cut(0, 1000, -1), "is sampled, and has no column"),
    "a short row": (_cut(3, 4, -1), ":6: error: .* cells in a row of"),
    "below the prior": (_cell("-5"), "outside its prior"),
    "far above it": (_cell("1e308"), "outside its prior"),
    **{
        text: (_cell(text), ":6: error: .* is no finite number")
        for text in ("nan", "inf", "1e400", "1_0", "\uff15", "=1+1", "8\0", "")
    },
}


@pytest.mark.parametrize("wrong", WRONG)
def test_draws_that_were_never_sampled_are_refused(clinic: tuple[fr.Model, Posterior], tmp_path: Path, wrong: str) -> None:
    """Whatever the fingerprint in the file says: it is a stranger's word. With the place, before anything runs."""
    model = _with_draws(clinic[0], tmp_path)
    path = tmp_path / "posterior.csv"
    head, about, *rows = path.read_text().splitlines()
    cells = [row.split(",") for row in rows]
    change, reason = WRONG[wrong]
    change(cells)
    path.write_text("\n".join([head, about, *(",".join(row) for row in cells), ""]))
    with pytest.raises(ModelError, match=reason):
        fr.read_case(model)


def test_without_the_look_at_the_priors_they_are_taken(
    clinic: tuple[fr.Model, Posterior], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The mutant of the test above."""
    model = _with_draws(clinic[0], tmp_path)
    path = tmp_path / "posterior.csv"
    path.write_text(path.read_text().replace("idle", "persuasion", 1))
    monkeypatch.setattr("flowreform.case.misfits", lambda found, priors: ())
    case = fr.read_case(model)
    assert case is not None
    assert case.ensemble is not None
    assert case.ensemble.current


@pytest.mark.parametrize("name", ["posterior.csv", "reference.csv", "model.toml"])
@pytest.mark.parametrize("kind", ["folder", "pipe", "dangling link"])
def test_a_file_that_cannot_be_read_is_not_taken_for_none(
    clinic: tuple[fr.Model, Posterior], tmp_path: Path, name: str, kind: str
) -> None:
    """Or the draws would be those of the prior, without a word."""
    model = _with_draws(clinic[0], tmp_path)
    path = tmp_path / name
    path.unlink()
    {"folder": path.mkdir, "pipe": lambda: os.mkfifo(path), "dangling link": lambda: path.symlink_to("nowhere")}[kind]()
    with pytest.raises(ModelError, match=f"{name}: error: .*cannot be read"):
        fr.read_case(model)


def _with_draws(model: fr.Model, folder: Path) -> fr.Model:
    for name in ("model.xmile", "model.toml", "reference.csv", "posterior.csv"):
        (folder / name).write_bytes(model.path.with_name(name).read_bytes())  # type: ignore[union-attr]
    return fr.read_model(folder / "model.xmile")


def test_what_is_found_without_data_is_the_prior(tmp_path: Path) -> None:
    """One row that nothing moves: every parameter keeps its distribution."""
    model = made(tmp_path, ["idle"], TRUE, series="[fit.series.visits_a_year]\nerror = 0.02\nfirst = 2000\nlast = 2001\n")
    found = fr.fit(model, posterior=True)
    assert found.parameters[0].posterior == pytest.approx((0.2, 1.0, 1.8), abs=0.12)


def test_a_prior_of_its_own_is_taken(tmp_path: Path) -> None:
    more = ""
    series = "[fit.series.visits_a_year]\nerror = 0.02\nfirst = 2000\nlast = 2001\n"
    prior = (
        '[fit.priors.idle]\ndistribution = "triangular"\nlow = 0.0\nmode = 2.0\nhigh = 2.0\nunit = "dimensionless"\n'
        'source = "a survey"\nstatus = "assumption"\n'
    )
    found = fr.fit(made(tmp_path, ["idle"], TRUE, more=more, series=series + prior), posterior=True)
    assert found.parameters[0].posterior == pytest.approx([2 * np.sqrt(q) for q in (0.1, 0.5, 0.9)], abs=0.12)
    wrong = prior.replace("[fit.priors.idle]", "[fit.priors.contact]")
    with pytest.raises(ModelError, match="it is not fitted"):
        fr.fit(made(tmp_path, ["idle"], TRUE, series=series + wrong), posterior=True)


def test_what_has_not_converged_is_refused(tmp_path: Path) -> None:
    """contact x persuasion is all that the data know, to a hundred-thousandth: a ridge that takes longer than it is given."""
    model = made(tmp_path, ["contact", "persuasion"], {**TRUE, "persuasion": 0.5},
                 series="[fit.series.enrolment]\nerror = 0.00002\n")  # fmt: skip
    with pytest.raises(ModelError, match="has not converged") as caught:
        fr.fit(model, posterior=True, iterations=250)
    assert "--iterations" in caught.value.findings[0].repair
    assert "contact" in caught.value.findings[0].reason


def test_chains_that_were_refused_go_on_with_the_same_numbers(
    clinic: tuple[fr.Model, Posterior], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped after 20 iterations and gone on with: the same draws as in one go, without warming up again."""
    model = clinic[0]
    for name, value in {"BLOCK": 20, "EFFECTIVE": 400, "TIMES": 1, "R_HAT": 1.2}.items():  # as short as it can be
        monkeypatch.setattr(f"flowreform.analyse.fitting.posterior.{name}", value)
    chain, lines = tmp_path / "chain.npz", list[str]()
    with pytest.raises(ModelError, match="after 20 iterations"):
        fr.fit(model, posterior=True, iterations=20, chain=chain, progress=lines.append)
    assert lines[-1] == f"chains kept in {chain}"
    again = list[str]()
    found = fr.fit(model, posterior=True, chain=chain, progress=again.append)
    alone = fr.fit(model, posterior=True)
    assert found.ensemble.digest == alone.ensemble.digest
    assert (found.iterations, found.runs, found.accepted) == (alone.iterations, alone.runs, pytest.approx(alone.accepted))
    assert found.iterations > 20
    assert again[0].startswith("20 iterations")  # no warming up
    before = chain.read_bytes()
    for content, reason in ((before, "another model"), (before[:-900], "cannot be read"), (b"", "cannot be read")):
        chain.write_bytes(content)
        with pytest.raises(ModelError, match=reason):
            fr.fit(model, posterior=True, chain=chain, seed=5 if content == before else None)
        assert chain.read_bytes() == content


def test_the_likelihood_is_the_sum_over_rows(tmp_path: Path) -> None:
    """By hand from a plain run: -1/2 sum ((model - data) / error)^2."""
    model = made(tmp_path, list(TRUE), TRUE, noise=0.02)
    case, question = asked(model)
    likelihood = Likelihood(model, case, question, question.priors, engine="python")
    z = np.array([[0.3, -0.2, 0.5, -1.0], [-0.5, 0.1, 0.0, 0.4]])
    values = likelihood.values(z)
    ds = fr.simulate(model, {name: column.tolist() for name, column in values.items()}, save_every=1.0, engine="python")
    wanted = np.zeros(2)
    for row in case.observations:
        at = row.year - 1999
        got = 100 * ds.enrolled[:, at] if row.series == "enrolment" else ds.visits[:, at] - ds.visits[:, at - 1]
        wanted -= 0.5 * ((np.asarray(got) - row.value) / (0.02 * row.value)) ** 2
    value, residuals = likelihood(z)
    np.testing.assert_allclose(value, wanted, rtol=1e-12)
    np.testing.assert_allclose(-0.5 * (residuals**2).sum(axis=1), wanted, rtol=1e-12)


def test_targets_over_draws(clinic: tuple[fr.Model, Posterior], tmp_path: Path) -> None:
    """The share in which all targets hold is worked out run by run."""
    model, found = clinic
    target = (
        '[targets.enrolled]\nlabel = "Enrolled"\nsource = "s"\nstatus = "derived"\nfails_when = "contact = 0.5"\n'
        '[[targets.enrolled.checks]]\nvariable = "enrolled"\nstatistic = "at"\nyear = 2006\nlow = 0.76\nhigh = 0.78\n'
        '[targets.visits]\nlabel = "Visits"\nsource = "s"\nstatus = "derived"\nfails_when = "visits_each = 1"\n'
        '[[targets.visits.checks]]\nvariable = "visits"\nstatistic = "at"\nyear = 2006\nlow = 16.3\n'
    )
    for name in ("model.xmile", "reference.csv", "posterior.csv"):
        (tmp_path / name).write_bytes(model.path.with_name(name).read_bytes())  # type: ignore[union-attr]
    toml = model.path.with_name("model.toml").read_text()  # type: ignore[union-attr]
    (tmp_path / "model.toml").write_text(toml.replace("[fit]", target + "[fit]", 1))
    other = fr.read_model(tmp_path / "model.xmile")
    case = fr.read_case(other)
    assert case is not None
    draws = [dict(zip(found.ensemble.names, map(float, row), strict=True)) for row in found.ensemble.values[:70]]
    held = targets_held(other, case, draws)
    ds = fr.simulate(other, {name: [draw[name] for draw in draws] for name in draws[0]}, save_every=1.0, engine="python")
    np.testing.assert_array_equal(held["enrolled"], ((ds.enrolled[:, 7] >= 0.76) & (ds.enrolled[:, 7] <= 0.78)).values)
    np.testing.assert_array_equal(held["visits"], (ds.visits[:, 7] >= 16.3).values)
    rows = {row.name: row for row in fr.assess(other, witnesses=()).rows if row.kind == "draws"}
    assert set(rows) == {"prior", "conditioned"}
    assert rows["conditioned"].simulated > rows["prior"].simulated
    text = (tmp_path / "model.toml").read_text().replace("error = 0.02", "error = 0.05")
    (tmp_path / "model.toml").write_text(text)
    assert [row.ok for row in fr.assess(other, witnesses=()).rows if row.kind == "draws"] == [False]


def test_the_command(clinic: tuple[fr.Model, Posterior], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from flowreform.commands.fit import check_posterior, posterior

    for name in ("model.xmile", "model.toml", "reference.csv"):
        (tmp_path / name).write_bytes(clinic[0].path.with_name(name).read_bytes())  # type: ignore[union-attr]
    path = str(tmp_path / "model.xmile")
    chart = tmp_path / "bands.png"
    assert posterior(path, write=True, chart=chart, draws=64, iterations=8000, as_json=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["draws"] == 64
    assert told["r_hat"] <= 1.01
    assert chart.stat().st_size > 10_000
    assert check_posterior(path, as_json=False) == 0
    (tmp_path / "model.toml").write_text((tmp_path / "model.toml").read_text().replace("error = 0.02", "error = 0.05"))
    assert check_posterior(path, as_json=False) == 4


def test_a_sweep_takes_the_same_draws(clinic: tuple[fr.Model, Posterior], tmp_path: Path) -> None:
    text = '[experiment]\ntitle = "t"\nquestion = "q"\nmodel = "./model.xmile"\ndraws = 30\nsave = ["enrolled"]\n'
    kpi = '[kpis.last]\nvariable = "enrolled"\nstatistic = "final"\n'
    for name in ("model.xmile", "model.toml", "reference.csv", "posterior.csv"):
        (tmp_path / name).write_bytes(clinic[0].path.with_name(name).read_bytes())  # type: ignore[union-attr]
    (tmp_path / "asked.toml").write_text(text + kpi)
    experiment = read_experiment(tmp_path / "asked.toml")
    fr.sweep(experiment, tmp_path / "out", workers=1)
    swept = fr.open_sweep(tmp_path / "out")
    alone = fr.kpis(fr.run(experiment), experiment)
    np.testing.assert_array_equal(swept.kpi_value.sel(kpi="last").transpose("scenario", "draw").values, alone["last"].values)
