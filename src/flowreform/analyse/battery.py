"""The standard battery: the tests of a model that a machine can make, and the names of those that it cannot.

The list is that of Sterman (Business Dynamics, 2000, chapter 21). Rows are those of an assessment; targets, gates and other
simulators are assessed apart, and only counted here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from math import isfinite, nan

import numpy as np

from flowreform.analyse.assessment import Row
from flowreform.analyse.fitting.theil import theil
from flowreform.analyse.laws import Outcome, check_laws, rules
from flowreform.analyse.laws.runs import Settings, columns, courses, drawn, elements, own
from flowreform.case import Case, Conclusion, Laws
from flowreform.case.periods import measure_of
from flowreform.errors import FlowreformError
from flowreform.experiment import Experiment
from flowreform.model import Model
from flowreform.names import split

KIND = "test"

HUMAN = (
    ("boundary", "Boundary adequacy", "are the things that matter inside, and would the advice change with a wider boundary?"),
    ("structure", "Structure assessment", "do decisions use only what those who take them know? (conservation is tested above)"),
    ("parameter values", "Parameter assessment", "does every number stand for something real? (sources and ranges are tested)"),
    ("family", "Family member", "does the same structure serve other places? (the bundled models share one)"),
    ("surprise", "Surprise behaviour", "has the model shown something unnoticed that turned out to be so?"),
    ("improvement", "System improvement", "was anything decided better with it?"),
)  # fmt: skip
"""Classic tests that need a person: name, label, the question to ask."""

WORDS = {
    "conserved": "Mass balance: people and money are neither made nor lost",
    "never negative": "Nothing that is counted falls under 0",
    "never above": "Nothing is used that is not there",
    "steady": "Equilibrium: with everything off, nothing moves",
    "no demand": "Extreme: without demand everybody leaves",
    "halved dt": "Integration error: half the step gives the same KPIs",
    "scaling": "A system twice the size behaves the same",
    "last digits": "Parameters moved in their last digits move nothing else",
    "finite": "Every run gives numbers",
}


def battery(model: Model, case: Case, *, draws: int = 30, seed: int = 1, engine: str = "auto") -> Iterator[Row]:
    """The battery as rows of an assessment; `draws` draws of the uncertainties stand behind laws and conclusions."""
    yield _units(model)
    yield _documented(model)
    yield _sources(model, case)
    yield from _laws(model, case, case.laws, draws, seed, engine)
    if case.laws is not None:
        yield from extremes(model, case, case.laws, engine)
    yield from _series(model, case, engine)
    yield from conclusions(model, case, draws=max(draws, 30), seed=seed, engine=engine)
    for name, label, question in HUMAN:
        yield Row(KIND, name, label, "", nan, "needs a human", True, question)


# --- without running -------------------------------------------------------------------------------------------------


def _units(model: Model) -> Row:
    """Dimensional consistency: no unit finding, and a unit on every variable."""
    from flowreform.checks import check

    found = [finding for finding in check(model) if "unit" in finding.rule]
    note = str(found[0].element) + ": " + found[0].reason if found else ""
    return _row("units", "Dimensional consistency: unit findings", "none", len(found), not found, note)


def _documented(model: Model) -> Row:
    bare = [variable.name for variable in model if not variable.doc.strip() or variable.units is None]
    return _row("documentation", "Every variable has a unit and a description", "none without", len(bare), not bare, _few(bare))


def _sources(model: Model, case: Case) -> Row:
    """Parameter assessment, the part that can be counted: source, status and range of every parameter."""
    given = [*case.levers.items(), *case.uncertainties.items(), *case.parameters.items()]
    open_ended = [name for name, variable in model.parameters.items() if None in variable.range]
    bare = [name for name, item in given if not item.source.strip()]
    weak = sum(item.status in ("assumption", "recalled") for _, item in given)
    note = _few([*bare, *open_ended]) or f"{weak} of {len(given)} are assumed or recalled"
    wrong = len(bare) + len(open_ended)
    return _row("sources", "Every parameter has a source and a range", "none without", wrong, not wrong, note)


# --- laws ------------------------------------------------------------------------------------------------------------


def _laws(model: Model, case: Case, laws: Laws | None, draws: int, seed: int, engine: str) -> Iterator[Row]:
    if laws is None:
        yield Row(KIND, "laws", "Conservation, equilibrium, scaling", "", nan, "not run", True, "the case file has no [laws]")
        return
    worst: dict[str, Outcome] = {}
    broken: dict[str, list[str]] = {}
    for outcome in check_laws(model, case, laws, draws=draws, seed=seed, engine=engine):
        if not outcome.ok:
            broken.setdefault(outcome.law, []).append(outcome.name)
        before = worst.get(outcome.law)
        if before is None or _severity(outcome) > _severity(before):
            worst[outcome.law] = outcome
    for law, outcome in worst.items():
        names = broken.get(law, [])
        note = f"broken: {_few(names)}; {outcome.where}" if names else f"worst: {outcome.name}, {outcome.where}"
        limit = "none" if not outcome.limit else f"at most {outcome.limit:g}"
        yield _row(law, WORDS[law], limit, outcome.worst, not names, note if law != "finite" or names else "")


def _severity(outcome: Outcome) -> float:
    """How much of its limit an outcome uses up."""
    if not isfinite(outcome.worst):
        return float("inf")
    return outcome.worst / outcome.limit if outcome.limit else outcome.worst


def extremes(model: Model, case: Case, laws: Laws, engine: str = "auto") -> Iterator[Row]:
    """Extreme conditions: every parameter at each end of its range, one at a time; runs must give numbers and keep the laws."""
    runs: list[tuple[str, Settings]] = []
    for name, variable in model.parameters.items():
        for end in variable.range:
            if end is not None and any(own(model, element) != end for element in elements(model, name)):
                runs.append((f"{name} = {end:g}", {name: end}))
    if not runs:
        return
    found = courses(model, runs, rules.saved_for(model, case, laws), save_every=_yearly(model), engine=engine)
    bad = [label for label, name in zip(found.labels, found.bad, strict=True) if name]
    label = f"Extreme conditions: {len(runs)} runs, each parameter at each end of its range"
    yield _row("extremes", f"{label}: runs without a number", "none", len(bad), not bad, _few(bad))
    outcomes = [*rules.conserved(model, laws, found), *rules.never_negative(model, laws, found)]
    outcomes += rules.never_above(model, laws, found)
    broken = [outcome for outcome in outcomes if not outcome.ok]
    note = "; ".join(f"{outcome.name}, {outcome.where}" for outcome in broken[:3])
    yield _row("extremes keep the laws", f"{label}: laws broken", "none", len(broken), not broken, note)


def _yearly(model: Model) -> float:
    """A coarse saving interval: about a hundred values a run, and a whole number of them."""
    every = max(1, model.specs.steps // 100)
    while model.specs.steps % every:
        every -= 1
    return every * model.specs.dt


# --- behaviour -------------------------------------------------------------------------------------------------------


def _series(model: Model, case: Case, engine: str) -> Iterator[Row]:
    """Behaviour reproduction: the error of each observed series of three rows or more, with Theil's split."""
    from flowreform.analyse.assessment import in_settings
    from flowreform.measure import evaluate

    names = tuple(dict.fromkeys(split(name)[0] for item in case.reference.values() for name in item.variables))
    if not names or case.calendar is None:
        return
    ds = in_settings(model, case, [{}], names, engine)
    for name, reference in case.reference.items():
        pairs = []
        for row in case.observations:
            if row.series == name:
                try:
                    value = float(evaluate(measure_of(reference, row), ds, case.calendar).values[0])
                except FlowreformError:  # a year outside the horizon
                    continue
                pairs.append((value, row.value))
        if len(pairs) < 3:
            continue
        found = theil(*(np.array(side) for side in zip(*pairs, strict=True)))
        note = f"{len(pairs)} rows; bias {found.bias:.0%}, variation {found.variation:.0%}, covariation {found.covariation:.0%}"
        label = f"Behaviour: {reference.label or name.replace('_', ' ')}, root mean square error over mean"
        yield Row(KIND, f"series {name}", label, "", found.relative, "", True, note)


@dataclass(frozen=True, slots=True)
class Sign:
    """How a conclusion fares: the difference in the model as it stands, and the share of draws in which its sign holds."""

    difference: float
    share: float
    counted: int


def conclusions(model: Model, case: Case, *, draws: int = 30, seed: int = 1, engine: str = "auto") -> Iterator[Row]:
    """Sensitivity of conclusions: does the sign of each survive the draws?"""
    found = signs(model, case, case.conclusions.values(), draws=draws, seed=seed, engine=engine)
    for (name, item), sign in zip(case.conclusions.items(), found, strict=True):
        holds = sign.difference > 0 if item.sign == "higher" else sign.difference < 0
        ok = holds and sign.share >= item.share
        note = f"{item.sign} by {abs(sign.difference):.4g} as it stands" if holds else "not so in the model as it stands"
        note += f"; {sign.counted} of {draws} draws have a value"
        yield _row(
            f"conclusion {name}", f"Conclusion: {item.label}: share of draws", f"at least {item.share:g}", sign.share, ok, note
        )


def signs(
    model: Model, case: Case, items: Iterable[Conclusion], *, draws: int, seed: int, engine: str = "auto"
) -> tuple[Sign, ...]:
    """The conclusions over draws: every gate they name is run for the same draws, the model as it stands first."""
    from flowreform.experiment import experiment_of
    from flowreform.kpi import kpis
    from flowreform.runs import simulated

    items = tuple(items)
    if not items:
        return ()
    laws = case.laws or Laws()
    save = rules.saved_for(model, case, laws)  # what the laws keep, so that one compiled kernel does for both
    samples: Sequence[Settings] = [{}, *drawn(case, draws, seed)]
    wanted = replace(experiment_of(model), kpis={item.kpi: case.kpis[item.kpi] for item in items})
    values = {}
    for gate, end in dict.fromkeys((gate, item.appraisal_end) for item in items for gate in (item.gate, item.against)):
        runs = [{**sample, **(case.gates[gate].settings if gate else {})} for sample in samples]
        given = {name: list(column) for name, column in columns(model, runs).items()}
        until = model if end is None else replace(model, specs=replace(model.specs, stop=end))
        values[gate, end] = simulated(until, given, save=save, engine=engine)
    found = []
    for item in items:
        only = replace(_only(wanted, {item.kpi}), appraisal_end=item.appraisal_end)
        end = item.appraisal_end
        if case.kpis[item.kpi].against is None:
            one, other = (kpis(values[gate, end], only)[item.kpi].values for gate in (item.gate, item.against))
            differences = one - other
        else:  # a KPI against the baseline: the gate it is held against is the baseline
            differences = kpis(values[item.gate, end], only, values[item.against, end])[item.kpi].values
        known = differences[1:][np.isfinite(differences[1:])]
        right = known > 0 if item.sign == "higher" else known < 0
        found.append(Sign(float(differences[0]), float(right.mean()) if len(known) else nan, len(known)))
    return tuple(found)


def _only(experiment: Experiment, names: set[str]) -> Experiment:
    """The same experiment with the KPIs that are wanted."""
    return replace(experiment, kpis={name: kpi for name, kpi in experiment.kpis.items() if name in names})


# --- rows and text ---------------------------------------------------------------------------------------------------


def _row(name: str, label: str, wanted: str, value: float, ok: bool, note: str = "") -> Row:
    return Row(KIND, name, label, wanted, float(value), "pass" if ok else "miss", ok, note)


def _few(names: Sequence[str], most: int = 4) -> str:
    """The first few names of a list."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def markdown(model: Model, rows: Iterable[Row]) -> str:
    """The battery as a Markdown table: the tests that were made, then those that need a human."""
    rows = list(rows)
    lines = [f"# Tests of {model.name}", "", "| test | wanted | found | verdict | note |", "| --- | --- | --- | --- | --- |"]
    for row in rows:
        if row.verdict != "needs a human":
            cells = (
                row.label,
                row.wanted,
                "" if row.simulated != row.simulated else f"{row.simulated:.3g}",
                row.verdict,
                row.note,
            )
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    lines += ["", "## What needs a human", ""]
    lines += [f"- **{row.label}**: {row.note}" for row in rows if row.verdict == "needs a human"]
    return "\n".join(lines) + "\n"


__all__ = ["HUMAN", "KIND", "battery", "conclusions", "extremes", "markdown", "signs"]
