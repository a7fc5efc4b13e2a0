"""The folder of a plan: plan.toml, plan.md, plans.csv, closure.csv, paths.csv and pictures, all of them or none."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from flowreform.analyse.planning import FoundPlan, runnable
from flowreform.analyse.planning.lattice import values_of
from flowreform.analyse.planning.score import joint, mean, ranked, shares
from flowreform.export.planning.closure import closure_csv, page, paths_csv
from flowreform.export.planning.pictures import draw_closure, draw_frontier, has_frontier
from flowreform.export.planning.words import answers
from flowreform.files import Writer, put, write_files
from flowreform.text import Shown, as_markdown, number_field, text_row

if TYPE_CHECKING:
    from xarray import Dataset


def write_plan(folder: Path, found: FoundPlan, ds: Dataset, kpis: Dataset) -> tuple[str, ...]:
    """Write the files of a plan; `ds` and `kpis` are the runs of `runnable(found)`. The names of what was written.

    Raises ExperimentError where the folder cannot be written to; then nothing in it has changed."""
    rules = found.problem.rules
    writers: dict[str, Writer] = {}
    if _named(found):
        writers["plan.toml"] = lambda path: put(path, _toml(found, folder).encode())
    writers["plan.md"] = lambda path: put(path, plan_text(found, ds, kpis).encode())
    writers["plans.csv"] = lambda path: put(path, plans_csv(found).encode())
    writers["paths.csv"] = lambda path: put(path, paths_csv(found, ds).encode())
    if rules.closed or rules.places:
        writers["closure.csv"] = lambda path: put(path, closure_csv(found, ds).encode())
        writers["closure.png"] = lambda path: draw_closure(path, found, ds)
    if has_frontier(found):
        writers["frontier.png"] = lambda path: draw_frontier(path, found)
    write_files(folder, writers)
    return tuple(writers)


def _named(found: FoundPlan) -> bool:
    return found.experiment.model.path is not None


def _toml(found: FoundPlan, folder: Path) -> str:
    from flowreform.experiment.experiment import reference, toml_text

    experiment = runnable(found)
    return toml_text(experiment, reference(experiment.model, folder), folder=folder)


def plan_text(found: FoundPlan, ds: Dataset, kpis: Dataset) -> str:
    """plan.md."""
    experiment = found.experiment
    head: list[Shown] = [experiment.question] if experiment.question else []
    parts = [f"# {experiment.title}\n", as_markdown([*head, *answers(found, ds, kpis)])]
    closure = list(page(found, ds, kpis))
    if closure:
        parts += ["## The bed-closure test\n", as_markdown(closure), "Month by month: closure.csv; closure.png.\n"]
    parts += ["## Where the numbers come from\n", as_markdown(_made(found))]
    return "\n".join(parts)


def _made(found: FoundPlan) -> Iterator[Shown]:
    experiment, problem = found.experiment, found.problem
    yield (
        f"{len(found.known)} plans of {problem.size:,} were tried on {problem.draws} draws (seed {experiment.seed}); the "
        f"plan was proved on {problem.fresh_draws} others. plan.toml holds it as an experiment on these: "
        f"`flowreform run plan.toml`, `flowreform export plan.toml -o plan.xlsx`. plans.csv holds every plan tried, "
        f"paths.csv what to expect month by month."
    )
    case = experiment.case
    if case is not None and case.about.price_base:
        yield f"Money: {case.about.currency}, real, at the prices of {case.about.price_base}."
    yield f"Model {experiment.model.name} {experiment.model.sha256[:8]}, experiment {experiment.name} {experiment.sha256[:8]}."


def plans_csv(found: FoundPlan) -> str:
    """Every plan tried, the best first: what it decides, the mean of the objective, the share of each requirement."""
    problem = found.problem
    heads = (
        *(item.name for item in problem.decisions), f"mean {problem.objective}",
        *(f"kept: {item.name}" for item in problem.requirements), "kept: all together", "fresh draws: least share",
    )  # fmt: skip
    lines = [text_row(heads)]
    for plan in ranked(dict(found.known), problem, found.terms):
        one = found.known[plan]
        fresh = min(found.shares(plan, fresh=True), default=np.nan) if plan in found.proved else np.nan
        values = (
            *values_of(plan, problem.decisions), mean(one), *shares(one, problem, found.terms),
            joint(one, problem, found.terms), fresh,
        )  # fmt: skip
        lines.append(",".join(number_field(float(value)) for value in values) + "\n")
    return "".join(lines)
