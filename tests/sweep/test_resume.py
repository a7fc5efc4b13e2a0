"""Resuming: only what is missing or damaged is worked out, more draws continue, and what has changed is refused by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

import flowreform as fr
from flowreform.errors import ExperimentError
from flowreform.experiment import Experiment
from flowreform.sweeps import campaign, evaluate, identity, store
from sweep.folders import DRAWS, PART, contents

Changed = Callable[..., Experiment]


def test_nothing_is_worked_out_twice(copied: Path, experiment: Experiment, right: dict[str, str]) -> None:
    done = fr.sweep(experiment, copied)
    assert (done.runs, done.computed) == (2 * DRAWS, 0)
    assert contents(copied) == right


@pytest.mark.parametrize("harm", ["deleted", "truncated", "flipped", "emptied", "longer"])
def test_a_damaged_part_is_worked_out_again_and_no_other(
    harm: str, copied: Path, experiment: Experiment, right: dict[str, str]
) -> None:
    chunk = copied / "runs.zarr" / "kpi_value" / "c.2.0"
    content = bytearray(chunk.read_bytes())
    if harm == "flipped":
        content[len(content) // 2] ^= 1
    changes = {"truncated": content[:-7], "flipped": content, "emptied": b"", "longer": content + b"\0"}
    chunk.write_bytes(changes.get(harm, b""))
    if harm == "deleted":
        chunk.unlink()
    assert contents(copied) != right
    done = fr.sweep(experiment, copied, engine="numba")
    assert done.computed == 2 * PART
    assert contents(copied) == right


@pytest.mark.parametrize(
    "name", ["kpis.csv.gz", "experiment.toml", "model/model.xmile", "runs.zarr/zarr.json", "runs.zarr/kpi/c.0"]
)
def test_other_files_are_mended_without_a_run(
    name: str, copied: Path, undisturbed: Path, experiment: Experiment, right: dict[str, str]
) -> None:
    (copied / name).write_bytes(b"no longer what it was")
    assert fr.sweep(experiment, copied).computed == 0
    assert contents(copied) == right
    assert (copied / name).read_bytes() == (undisturbed / name).read_bytes()


@pytest.mark.parametrize("design", ["random", "sobol"])
def test_more_draws_go_on(design: str, changed: Changed, tmp_path: Path) -> None:
    fr.sweep(changed(design=design, draws=200), tmp_path / "grown", engine="numba")
    done = fr.sweep(changed(design=design), tmp_path / "grown", engine="numba")
    assert (done.runs, done.computed) == (2 * DRAWS, 2 * (DRAWS - 200 // PART * PART))
    fr.sweep(changed(design=design), tmp_path / "fresh", engine="numba")
    assert contents(tmp_path / "grown") == contents(tmp_path / "fresh")
    assert (tmp_path / "grown" / "runs.zarr" / "zarr.json").read_bytes() == (
        tmp_path / "fresh" / "runs.zarr" / "zarr.json"
    ).read_bytes()


def test_a_short_part_stays_until_the_longer_one_is_there(changed: Changed, tmp_path: Path) -> None:
    fr.sweep(changed(draws=100, sweep_draws_per_part=64), tmp_path / "sweep", engine="numba")
    grown = store.Store.resume(tmp_path / "sweep", changed(draws=110))
    assert grown is not None
    assert grown.missing() == [1]
    assert grown.ledger.counts() == (200, 0)
    grown.close()
    assert fr.open_sweep(tmp_path / "sweep").attrs["missing_runs"] == 20


def test_a_latin_hypercube_says_why_it_cannot_go_on(changed: Changed, tmp_path: Path) -> None:
    fr.sweep(changed(design="latin_hypercube", draws=70), tmp_path / "sweep", engine="numba")
    before = contents(tmp_path / "sweep")
    with pytest.raises(ExperimentError, match=r"draws: .*cannot be continued, because it has one draw in each of 70 strata"):
        fr.sweep(changed(design="latin_hypercube", draws=140), tmp_path / "sweep")
    assert contents(tmp_path / "sweep") == before


def test_fewer_draws_are_refused(copied: Path, changed: Changed) -> None:
    with pytest.raises(ExperimentError, match="draws: 300 draws were begun and 100 are wanted"):
        fr.sweep(changed(draws=100), copied)


CHANGES = {
    "seed": ("seed = 1", "seed = 2"),
    "design": ("seed = 1", 'seed = 1\ndesign = "sobol"'),
    "stop": ("seed = 1", "seed = 1\nstop = 18"),
    "save_every": ("seed = 1", "seed = 1\nsave_every = 0.5"),
    "save": ("seed = 1", 'seed = 1\nsave = ["closing"]'),
    "scenario slower": ("closure_rate = 0.01", "closure_rate = 0.02"),
    "scenarios": ("[scenarios.slower]", "[scenarios.third]\n[scenarios.slower]"),
    "uncertainty share_in_use": ("[scenarios.slower]", "[uncertainties.share_in_use]\nlow = 0.7\n[scenarios.slower]"),
    "kpi empty_at": ("[scenarios.slower]", "[kpis.empty_at]\nthreshold = 11.0\n[scenarios.slower]"),
    "sweep.quantiles": ("[sweep]", "[sweep]\nquantiles = [0.5]"),
    "sweep.trajectories": ("[sweep]", '[sweep]\ntrajectories = "all"'),
}


@pytest.mark.parametrize("field", CHANGES)
def test_a_changed_experiment_is_refused_by_the_name_of_the_field(
    field: str, experiment_file: Path, experiment: Experiment, copied: Path, right: dict[str, str]
) -> None:
    text = experiment_file.read_text(encoding="utf-8")
    assert text.count(CHANGES[field][0]) == 1
    other = experiment_file.with_name("other.toml")
    other.write_text(text.replace(*CHANGES[field]), encoding="utf-8")
    with pytest.raises(ExperimentError) as fault:
        fr.sweep(fr.read_experiment(other), copied)
    assert field in [finding.element for finding in fault.value.findings]
    assert contents(copied) == right
    assert fr.sweep(experiment, copied).computed == 0


MODEL_CHANGES = {
    "equation of closing": ("open_beds * closure_rate", "open_beds * closure_rate * 1"),
    "equation of closure_rate": ("<eqn>0.05</eqn>", "<eqn>0.06</eqn>"),
    "equation of open_beds": ("<outflow>closing</outflow>", "<non_negative/><outflow>closing</outflow>"),
    "dt": ('<dt reciprocal="true">4</dt>', '<dt reciprocal="true">8</dt>'),
    "method": ('method="euler"', 'method="rk4"'),
}


@pytest.mark.parametrize("field", MODEL_CHANGES)
def test_a_changed_model_is_refused_by_the_name_of_what_changed(
    field: str, experiment_file: Path, experiment: Experiment, copied: Path, tmp_path: Path
) -> None:
    text = experiment_file.with_name("model.xmile").read_text(encoding="utf-8")
    assert text.count(MODEL_CHANGES[field][0]) == 1
    (tmp_path / "model.xmile").write_text(text.replace(*MODEL_CHANGES[field]), encoding="utf-8")
    for name in ("model.toml", "reference.csv"):
        (tmp_path / name).write_bytes(experiment_file.with_name(name).read_bytes())
    other = fr.read_experiment(experiment_file, fr.read_model(tmp_path / "model.xmile"))
    with pytest.raises(ExperimentError) as fault:
        fr.sweep(other, copied)
    assert [finding.element for finding in fault.value.findings] == [field]
    assert str(fault.value.findings[0].file) == str(copied)


@pytest.mark.parametrize("field", ["version of numpy", "version of flowreform", "processor", "system"])
def test_another_version_or_machine_is_refused(
    field: str, copied: Path, experiment: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = {**identity.machine(), field: "another"}
    monkeypatch.setattr(store, "machine", lambda: other)
    with pytest.raises(ExperimentError, match=f"{field}: it was .* when this sweep was begun and is another"):
        fr.sweep(experiment, copied)


def test_a_worker_of_another_version_is_refused(changed: Changed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = {**identity.machine(), "processor": "another"}
    monkeypatch.setattr(evaluate, "machine", lambda: other)
    with pytest.raises(ExperimentError, match="processor"):
        fr.sweep(changed(draws=64), tmp_path / "sweep", engine="numba")


def test_blanks_in_an_equation_change_nothing(experiment_file: Path, copied: Path, tmp_path: Path) -> None:
    text = experiment_file.with_name("model.xmile").read_text(encoding="utf-8")
    (tmp_path / "model.xmile").write_text(text.replace("open_beds * closure_rate", "Open_Beds*closure_rate"), encoding="utf-8")
    for name in ("model.toml", "reference.csv"):
        (tmp_path / name).write_bytes(experiment_file.with_name(name).read_bytes())
    other = fr.read_experiment(experiment_file, fr.read_model(tmp_path / "model.xmile"))
    assert fr.sweep(other, copied).computed == 0


def test_words_may_be_mended(copied: Path, experiment: Experiment, experiment_file: Path) -> None:
    text = experiment_file.read_text(encoding="utf-8").replace("The pace of closure", "How fast to close")
    other = experiment_file.with_name("words.toml")
    other.write_text("# a comment\n" + text, encoding="utf-8")
    assert fr.sweep(fr.read_experiment(other), copied).computed == 0


def test_a_folder_that_holds_something_else_is_left_alone(experiment: Experiment, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(ExperimentError, match="model stands here already"):
        fr.sweep(experiment, tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["model", "thesis.txt"]


def test_no_resume_refuses_a_sweep_and_keeps_it(copied: Path, experiment: Experiment, right: dict[str, str]) -> None:
    with pytest.raises(ExperimentError, match="holds a sweep already"):
        fr.sweep(experiment, copied, resume=False)
    assert contents(copied) == right


def test_a_damaged_ledger_is_one_line(copied: Path, experiment: Experiment) -> None:
    (copied / "ledger.sqlite").write_bytes(b"this is not a database at all, and long enough to look like one" * 50)
    for work in (lambda: fr.sweep(experiment, copied), lambda: fr.open_sweep(copied)):
        with pytest.raises(ExperimentError, match="the ledger is damaged"):
            work()


def test_a_folder_without_a_sweep(tmp_path: Path) -> None:
    with pytest.raises(ExperimentError, match="there is no sweep here"):
        fr.open_sweep(tmp_path)
    with pytest.raises(ExperimentError, match="there is no such folder"):
        fr.open_sweep(tmp_path / "nowhere")


def test_a_sweep_cut_short_is_not_read_as_if_it_were_whole(copied: Path) -> None:
    (copied / "runs.zarr" / "status" / "c.1").unlink()
    with pytest.raises(ExperimentError, match="missing or cut short"):
        fr.open_sweep(copied)


def test_bad_arguments_are_all_named(experiment: Experiment, tmp_path: Path) -> None:
    with pytest.raises(ExperimentError) as fault:
        campaign.sweep(experiment, tmp_path / "sweep", engine="pysd", pool="fibres", workers=0)
    assert len(fault.value.findings) == 3
    assert not (tmp_path / "sweep").exists()


def test_an_unfinished_sweep_shows_what_is_missing(changed: Changed, tmp_path: Path) -> None:
    experiment = changed(draws=200)
    made = campaign.sweep(experiment, tmp_path / "sweep", engine="numba")
    ledger = store.open_ledger(made.folder)
    ledger.close()
    from flowreform.sweeps.ledger import Ledger

    writable = Ledger(made.folder / "ledger.sqlite", write=True)
    writable.forget(1)
    writable.close()
    for path in (made.folder / "runs.zarr").glob("*/c.1*"):
        path.unlink()
    ds = fr.open_sweep(made.folder)
    assert ds.attrs["missing_runs"] == 2 * PART
    assert (ds["status"].isel(draw=slice(PART, 2 * PART)) == 0).all()
    assert bool(ds["kpi_value"].isel(draw=slice(PART, 2 * PART)).isnull().all())
    assert replace(experiment).draws == ds.sizes["draw"]
