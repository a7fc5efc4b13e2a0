"""What is found as a Dataset, as an experiment that runs, and as plain values for scripts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from flowreform.analyse.planning.evaluate import Progress, decided
from flowreform.analyse.planning.find import FRESH_SEED, FoundPlan, find
from flowreform.analyse.planning.lattice import Plan, values_of
from flowreform.analyse.planning.proof import interval
from flowreform.analyse.planning.rules import Rule
from flowreform.analyse.planning.score import shares
from flowreform.experiment import Experiment, Scenario, Subject, as_experiment
from flowreform.kpi import kpi_unit
from flowreform.names import split

if TYPE_CHECKING:
    from xarray import Dataset


def plan(experiment: Subject, *, full: bool = False, answers: bool = True, progress: Progress | None = None) -> Dataset:
    """The best plan that keeps its promises, found on some draws and proved on others: a Dataset (plan, draw).

    `experiment` is an Experiment with a `[plan]`, a bundled name, or a path. With `full` every plan is tried, up to 4,000;
    without `answers` it is found and proved, and no more is asked. `progress` is called with runs done and runs in sight.

    Of every plan tried there are `objective` (plan, draw), `worst` (requirement, plan, draw), `share` (requirement, plan), what
    it decides by name (plan), and `kept` (plan). `fresh_share` (requirement) and `fresh_objective` (fresh_draw) are of the plan
    found, on fresh draws. Attributes: `best`, its number; `runner_up` (or -1); `holds`, whether it kept its promises on
    fresh draws; `answers`, all else as JSON. Raises ExperimentError with every fault of `[plan]`::

        ds = fr.plan("care_shift_plan", answers=False)
        ds.isel(plan=ds.attrs["best"])["lead_time_of_community_care"].item()
    """
    return dataset(find(as_experiment(experiment), full=full, answers=answers, progress=progress))


def dataset(found: FoundPlan) -> Dataset:
    """A plan as a Dataset."""
    import json

    import xarray as xr

    problem, plans = found.problem, list(found.known)
    values = np.array([values_of(item, problem.decisions) for item in plans])
    every = [found.known[item] for item in plans]
    share = np.array([shares(item, problem, found.terms) for item in every]).reshape(len(plans), -1).T
    data: dict[str, Any] = {
        "objective": (("plan", "draw"), np.array([item.objective for item in every]), _objective_attributes(found)),
        "worst": (("requirement", "plan", "draw"), np.array([item.worst for item in every]).swapaxes(0, 1)),
        "share": (("requirement", "plan"), share, {"long_name": "share of draws in which it is kept"}),
        "kept": ("plan", (share >= problem.share - 1e-12).all(axis=0)),
        "fresh_share": ("requirement", np.array(found.shares(found.plan, fresh=True))),
        "fresh_objective": ("fresh_draw", found.proved[found.plan].objective, _objective_attributes(found)),
    }
    for at, item in enumerate(problem.decisions):
        data[item.name] = ("plan", values[:, at], {"units": item.unit, "long_name": item.label})
    levels = [item.level for item in problem.requirements]
    coords = {
        "plan": np.arange(len(plans)),
        "draw": np.arange(problem.draws),
        "requirement": np.array([item.name for item in problem.requirements], dtype=np.str_),
        "level": ("requirement", np.array(levels, dtype=np.float64)),
        "fresh_draw": np.arange(problem.fresh_draws),
    }
    attributes = {
        "experiment": found.experiment.name,
        "best": plans.index(found.plan),
        "runner_up": plans.index(found.runner_up) if found.runner_up is not None else -1,
        "holds": int(found.proof.holds),
        "runs": found.runs,
        "answers": json.dumps(_finite(as_json(found)), ensure_ascii=False),
    }
    return xr.Dataset(data, coords, attributes)


def _objective_attributes(found: FoundPlan) -> dict[str, str]:
    kpi = found.experiment.kpis[found.problem.objective]
    label = kpi.label or found.problem.objective.replace("_", " ")
    return {"units": kpi_unit(kpi, found.experiment), "long_name": label}


def _finite(value: Any) -> Any:
    """Numbers that JSON has no word for become null."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float) and value - value != 0:
        return None
    return value


def runnable(found: FoundPlan) -> Experiment:
    """The plan as an experiment on the fresh draws, with what stands beside it and the runner-up; figures come from it."""
    experiment, problem = found.experiment, found.problem
    scenarios: dict[str, Scenario] = {name: experiment.scenarios[name] for name in problem.beside}
    word = "The plan" if found.proof.holds else "The plan that comes closest"
    scenarios["plan"] = _scenario("plan", word, found.plan, found)
    if found.runner_up is not None:
        scenarios["runner_up"] = _scenario("runner_up", "The runner-up", found.runner_up, found)
    if found.scheduled is not None:
        constant = scenarios["plan"].settings
        settings = {key: item for key, item in constant.items() if key not in found.scheduled.moving}
        scenarios["schedule"] = Scenario("schedule", "The plan, by the period", {**settings, **found.scheduled.moving})
    rules = problem.rules
    read = [
        *(item.series for item in problem.requirements if item.series),
        *(name for name in (rules.build_date, rules.closure_date, rules.closed, rules.fund) if name),
        *rules.paths,
        *(name for row in rules.places for name in (row.usable, row.staffed, row.needed) if name),
        *(name for row in rules.staff for name in (row.post, row.gap)),
    ]
    save = tuple(dict.fromkeys((*experiment.save, *(split(name)[0] for name in read))))
    end = problem.appraisal_end
    return experiment.with_(
        name=f"{experiment.name}_found",
        title=f"{experiment.title}: the plan",
        scenarios=scenarios,
        baseline=problem.baseline,
        draws=problem.fresh_draws,
        seed=experiment.seed + FRESH_SEED,
        appraisal_end=end if end is not None and end > experiment.stop else None,
        save=list(save),
        paper={},
    )


def _scenario(name: str, label: str, plan: Plan, found: FoundPlan) -> Scenario:
    settings = {**found.problem.given}
    for key, value in decided(plan, found.problem.decisions).items():
        settings = {old: item for old, item in settings.items() if old != key and split(old)[0] != key}
        settings[key] = value
    return Scenario(name, label, settings)


# --- for scripts -----------------------------------------------------------------------------------------------------


def as_json(found: FoundPlan) -> dict[str, Any]:
    """Everything that was found, in plain values."""
    problem, plan = found.problem, found.plan
    count = problem.fresh_draws

    def settings(item: Plan | None) -> dict[str, float] | None:
        return None if item is None else decided(item, problem.decisions)

    def promises(item: Plan) -> dict[str, Any]:
        fresh, searched = found.shares(item, fresh=True), found.shares(item, fresh=False)
        return {
            row.name: {"searched": one, "fresh": other, "interval": list(interval(other, count))}
            for row, one, other in zip(problem.requirements, searched, fresh, strict=True)
        }

    return {
        "experiment": found.experiment.name,
        "objective": problem.objective,
        "possible": found.possible,
        "holds": found.proof.holds,
        "plan": settings(plan),
        "objective_searched": found.objective(plan, fresh=False),
        "objective_fresh": found.objective(plan, fresh=True),
        "kept": promises(plan),
        "joint": {"searched": found.joint(plan, fresh=False), "fresh": found.joint(plan, fresh=True)},
        "rounds": [
            {"plan": settings(row.plan), "asked": row.asked, "searched": list(row.searched), "fresh": list(row.fresh)}
            for row in found.proof.rounds
        ],
        "runner_up": settings(found.runner_up),
        "least": {
            row.decision: {"value": row.value, "plan": settings(row.plan), "fresh": list(row.fresh)} for row in found.least
        },
        "prices": [_priced(row, settings) for row in found.prices],
        "dropped": [_priced(row, settings) for row in found.binding],
        "frontier": [{"level": row.level, "plan": settings(row.plan), "objective": row.objective} for row in found.frontier],
        "schedule": _schedule_json(found),
        "harm_multiple": {"baseline": found.harm_baseline, "runner_up": found.harm_runner_up},
        "switching": [
            {
                "input": row.name,
                "fails": list(row.fails),
                "loses_to_baseline": list(row.loses),
                "runner_up_better": list(row.second),
            }
            for row in found.switches
        ],
        "worlds": _worlds_json(found, settings),
        "breaks": {"one_cut": _rule_json(found.one_cut), "two_cuts": _rule_json(found.two_cuts), "box": _box_json(found)},
        "nearest": _nearest_json(found, settings),
        "plans": len(found.known),
        "runs": found.runs,
    }


def _priced(row: Any, settings: Any) -> dict[str, Any]:
    return {
        "requirement": row.requirement, "level": row.level, "share": row.share, "objective": row.solved.objective,
        "plan": settings(row.solved.plan), "lead": row.lead,
    }  # fmt: skip


def _schedule_json(found: FoundPlan) -> dict[str, Any] | None:
    item = found.scheduled
    if item is None:
        return None
    return {
        "values": {name: list(row) for name, row in item.values.items()}, "objective_constant": item.constant,
        "objective": item.objective, "holds": item.proof.holds, "fresh": list(item.shares), "tried": item.tried,
    }  # fmt: skip


def _worlds_json(found: FoundPlan, settings: Any) -> dict[str, Any] | None:
    item = found.regrets
    if item is None:
        return None
    return {
        "least_greatest_regret": settings(item.least),
        "worlds": [
            {"input": row.name, "value": row.value, "best": settings(row.best), "regret": row.regrets[0], "share": row.shares[0]}
            for row in item.worlds
        ],
    }


def _rule_json(rule: Rule | None) -> dict[str, Any] | None:
    if rule is None:
        return None
    cuts = [{"input": cut.name, "above": cut.above, "value": cut.value} for cut in rule.cuts]
    counts = {
        "inside": rule.inside,
        "broken_inside": rule.broken_inside,
        "outside": rule.outside,
        "broken_outside": rule.broken_outside,
    }
    return {"cuts": cuts, **counts}


def _box_json(found: FoundPlan) -> dict[str, Any] | None:
    box = found.box
    if box is None:
        return None
    limits = {name: list(ends) for name, ends in box.limits.items()}
    return {"limits": limits, "coverage": box.coverage, "density": box.density, "mass": box.mass}


def _nearest_json(found: FoundPlan, settings: Any) -> dict[str, Any] | None:
    item = found.nearest
    if item is None:
        return None
    rows: Sequence[Any] = found.problem.requirements
    return {
        "plan": settings(item.plan),
        "requirements": [
            {"name": row.name, "share": share, "best_alone": alone, "level_needed": level}
            for row, share, alone, level in zip(rows, item.shares, item.alone, item.levels, strict=True)
        ],
    }
