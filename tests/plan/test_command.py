"""`flowreform plan` from files to files, on a small system that closes beds once places have opened."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import flowreform as fr
from building import auxiliary, flow, model, parameter, stock
from flowreform.analyse.planning import FoundPlan, find
from flowreform.analyse.planning import evaluate as evaluation
from flowreform.analyse.planning.score import ranked
from flowreform.analyse.planning.store import load, save
from flowreform.cli import app
from plan_problems import with_unit

CASE = """\
[case]
title = "A ward and a service"
question = "When may beds close?"

[calendar]
origin = 2026-04-01
time_unit = "month"
year_starts = 4
year_named_by = "start"

[levers.lead]
label = "Lead of building"
source = "s"
status = "assumption"

[levers.fund]
label = "Size of the fund"
source = "s"
status = "assumption"

[parameters.stay]
source = "s"
status = "assumption"

[uncertainties.delay]
label = "Time to build"
distribution = "uniform"
low = 6
high = 18
unit = "month"
source = "s"
status = "assumption"

[kpis.spend]
label = "Spend against the baseline"
variable = "spend"
statistic = "final"
against = "baseline"
better = "lower"
floor = 1.0

[kpis.freed]
label = "Beds freed by places"
variable = "freed"
statistic = "final"

[planning]
beds = ["beds"]
patients = ["waiting"]
lead = "lead"
build_date = "build_start"
closure_date = "closure_start"
fund_size = "fund"
switch = ["delay"]
lines = ["spend"]
freed = ["freed"]
closed = "closed"
places = [{ label = "Places", usable = "places", needed = "needed" }]
staff = [{ label = "Nurses", post = "nurses", gap = "nurses_gap" }]
"""
PLAN = """\
[experiment]
title = "When may beds close?"
question = "How far must building lead?"
model = "./model.xmile"
draws = 20
design = "latin_hypercube"
seed = 5
save = ["beds"]
uncertainties = ["delay"]

[scenarios.as_is]
label = "As it is"

[plan]
objective = "spend"
draws = 20
fresh_draws = 40
worlds = { delay = [8, 16] }
frontier = { against = "waiting", levels = [0, 5, 10] }

[plan.fixed]
closing = 20

[plan.decide.lead]
from = 0
to = 24
step = 2

[plan.decide.fund]
from = 0
to = 40
step = 5

[[plan.require]]
series = "waiting"
at_most = 1
step = 1

[[plan.require]]
name = "twenty beds closed"
series = "beds"
at_most = 80.5
from = 54
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("plan")
    built = model(
        [
            with_unit(replace(parameter("lead", 0.0), range=(0.0, 24.0)), "month"),
            with_unit(replace(parameter("fund", 0.0), range=(0.0, 100.0)), "GBP"),
            with_unit(replace(parameter("closing", 0.0), range=(0.0, 50.0)), "bed"),
            with_unit(parameter("stay", 1.0), "place/bed"),
            with_unit(parameter("delay", 12.0), "month"),
            with_unit(auxiliary("build_start", "6 + 0*lead"), "month"),
            with_unit(auxiliary("closure_start", "6 + lead"), "month"),
            with_unit(auxiliary("closed", "closing*STEP(1, closure_start)"), "bed"),
            with_unit(auxiliary("beds", "100 - closed"), "bed"),
            with_unit(auxiliary("places", "MIN(1, fund/20)*20*MAX(0, MIN(1, (TIME - 6)/delay))"), "place"),
            with_unit(auxiliary("needed", "closed*stay"), "place"),
            with_unit(auxiliary("waiting", "MAX(0, needed - places)"), "place"),
            with_unit(auxiliary("freed", "places/stay"), "bed"),
            with_unit(auxiliary("nurses", "places"), "wte"),
            with_unit(auxiliary("nurses_gap", "needed - places"), "wte"),
            with_unit(flow("paying", "fund/60 - closed*0.01"), "GBP/month"),
            with_unit(stock("spend", "0", inflows=("paying",)), "GBP"),
        ],
        stop=60.0,
        dt=1.0,
    )  # fmt: skip
    fr.write_model(built, place / "model.xmile")
    text = CASE.replace("[parameters.stay]", '[parameters.closing]\nsource = "s"\nstatus = "assumption"\n\n[parameters.stay]')
    (place / "model.toml").write_text(text)
    (place / "plan.toml").write_text(PLAN)
    return place


@pytest.fixture(scope="module")
def found(folder: Path) -> FoundPlan:
    return find(fr.read_experiment(folder / "plan.toml"))


def test_it_finds_the_lead_that_building_takes(found: FoundPlan) -> None:
    """Places are built in 6 to 18 months, at most 16.8 in nine draws of ten, and 19 of 20 are enough: 0.95*16.8 is 15.96 months.
    The fund pays for all of them from 20 on, and for 19 of them from 19 on, which is between two steps."""
    lead, fund = (item.value(at) for item, at in zip(found.problem.decisions, found.plan, strict=True))
    assert (lead, fund) == (16.0, 20.0)
    assert found.proof.holds
    assert {item.decision: item.value for item in found.least} == {"lead": 16.0, "fund": 20.0}
    assert min(found.shares(found.plan, fresh=True)) >= 0.9


def test_no_plan_that_is_known_in_the_end_is_better_than_the_one_shown(found: FoundPlan) -> None:
    """Prices and what binds are differences to the plan: they mean something only where the plan is the best on its own terms."""
    best = ranked(dict(found.known), found.problem, found.proof.terms)[0]
    assert found.objective(best, fresh=False) == found.objective(found.plan, fresh=False)
    own = next(point for point in found.frontier if point.level == 0.0)
    assert own.plan is not None
    assert all(row.solved.objective <= found.objective(found.plan, fresh=False) for row in found.binding)


def test_plans_are_run_once_and_in_blocks_of_any_size(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exp = fr.read_experiment(folder / "plan.toml")
    one = find(exp, answers=False)
    monkeypatch.setattr(evaluation, "RUNS_AT_ONCE", 33)
    other = find(exp, answers=False)
    assert list(one.known) == list(other.known)
    for plan, kept in one.known.items():
        assert np.array_equal(kept.objective, other.known[plan].objective)
        assert np.array_equal(kept.worst, other.known[plan].worst)
    again = find(exp, answers=False, known=dict(one.known))
    assert again.plan == one.plan
    new = len(again.known) - len(one.known)
    assert again.runs == 40 * len(again.proved) + 20 * new  # what is known is not run again


def test_the_command_writes_a_plan_that_runs(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["plan", str(folder / "plan.toml"), "-o", str(out), "--json"])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["holds"] is True
    names = {"evaluated.npz", "plan.toml", "plan.md", "plans.csv", "paths.csv", "closure.csv", "closure.png", "frontier.png"}
    assert {path.name for path in out.iterdir()} == names
    exp = fr.read_experiment(out / "plan.toml")
    assert list(exp.scenarios) == ["as_is", "plan", "runner_up"][: len(exp.scenarios)]
    assert exp.scenarios["plan"].settings["lead"] == told["plan"]["lead"]
    values = fr.kpis(fr.run(exp), exp)["spend"].sel(scenario="plan").values
    assert values.mean() == pytest.approx(told["objective_fresh"], rel=1e-12)  # every figure comes from that file
    text = (out / "plan.md").read_text()
    for words in ("The plan: ", "Latest safe start of building: October 2026, 16 month before closing may begin", "What binds",
                  "The bed-closure test", "Places: least margin"):  # fmt: skip
        assert words in text
    rows = (out / "plans.csv").read_text().splitlines()
    assert len(rows) == told["plans"] + 1


def test_without_a_plan_it_says_what_to_add(folder: Path, tmp_path: Path) -> None:
    path = folder / "none.toml"
    path.write_text(PLAN[: PLAN.index("[plan]")])
    done = CliRunner().invoke(app, ["plan", str(path)])
    assert done.exit_code == 1
    assert "[no-plan]" in done.stderr


def test_the_dataset(folder: Path) -> None:
    ds = fr.plan(folder / "plan.toml", answers=False)
    best = ds.isel(plan=ds.attrs["best"])
    assert best["lead"].item() == 16.0
    assert bool(best["kept"])
    assert ds["objective"].dims == ("plan", "draw")
    assert ds["worst"].dims == ("requirement", "plan", "draw")
    assert json.loads(ds.attrs["answers"])["holds"] is True


def test_a_search_that_was_stopped_goes_on_where_it_was(folder: Path, tmp_path: Path) -> None:
    exp = fr.read_experiment(folder / "plan.toml")
    whole = find(exp, answers=False)
    part = dict(list(whole.known.items())[:40])
    save(tmp_path / "evaluated.npz", exp, part)
    back = load(tmp_path / "evaluated.npz", exp)
    assert list(back) == list(part)
    assert all(np.array_equal(back[plan].worst, part[plan].worst) for plan in part)
    assert find(exp, answers=False, known=back).plan == whole.plan
    assert load(tmp_path / "evaluated.npz", exp.with_(seed=6)) == {}  # other draws, other numbers
    (tmp_path / "evaluated.npz").write_bytes(b"PK damaged")
    assert load(tmp_path / "evaluated.npz", exp) == {}
    assert load(tmp_path / "none.npz", exp) == {}
