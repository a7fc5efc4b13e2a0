"""The answers of a plan in words and tables, in the order that a board asks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from flowreform.analyse.planning import FoundPlan
from flowreform.analyse.planning.answers import Price
from flowreform.analyse.planning.lattice import Plan, values_of
from flowreform.analyse.planning.proof import interval
from flowreform.analyse.planning.rules import Rule, Threshold
from flowreform.analyse.planning.worlds import POINTS
from flowreform.experiment.plans import Requirement
from flowreform.export.tables import spread
from flowreform.kpi import KpiRow, kpi_unit, summary
from flowreform.names import split
from flowreform.text import Shown, columns, number, short, shown_unit

if TYPE_CHECKING:
    from xarray import Dataset


@dataclass(frozen=True)
class Dates:
    """When building and closing start in the plan: model times, NaN where the case does not say."""

    build: float
    close: float


def percent(share: float) -> str:
    """A share in per cent, without rounding what is not all up to all."""
    value = share * 100.0
    text = f"{value:.1f}".removesuffix(".0")
    if share not in (0.0, 1.0) and text in ("0", "100"):
        return "under 0.1 %" if share < 0.5 else "over 99.9 %"
    return f"{text} %"


def amount(value: float, unit: str) -> str:
    """A number with its unit; money in words."""
    word = shown_unit(unit)
    text = number(value)
    return text if not word else f"{word} {text}" if word.isupper() and len(word) == 3 else f"{text} {word}"


def answers(found: FoundPlan, ds: Dataset | None = None, kpis: Dataset | None = None) -> Iterator[Shown]:
    """All answers in order; what needs the runs of the plan (`ds`, `kpis` of `runnable`) is left out without them."""
    yield from _sentence(found, ds)
    yield from _shares(found)
    if found.nearest is not None:
        yield from _nearest(found)
    if kpis is not None:
        yield from _lines(found, kpis)
        yield from _freed(found, kpis)
    if found.nearest is None:
        yield from _least(found, ds)
        yield from _prices(found)
        yield from _binding(found)
        yield from _switching(found)
        yield from _frontier(found)
        yield from _regret(found)
        yield from _schedule(found)
    yield from _breaks(found)


def objective(found: FoundPlan, value: float, *, signed: bool = False) -> str:
    """A value of the objective with its unit."""
    text = amount(value, kpi_unit(found.experiment.kpis[found.problem.objective], found.experiment))
    return f"+{text}" if signed and value > 0 else text


def label(found: FoundPlan) -> str:
    """The objective's label."""
    return found.experiment.kpis[found.problem.objective].label or found.problem.objective.replace("_", " ")


def decisions(found: FoundPlan, plan: Plan) -> str:
    """A plan in one line."""
    rows = zip(found.problem.decisions, values_of(plan, found.problem.decisions), strict=True)
    return ", ".join(
        f"{item.label.lower() if item.label[1:2].islower() else item.label} {amount(value, item.unit)}" for item, value in rows
    )


def dates_of(found: FoundPlan, ds: Dataset | None) -> Dates:
    """When building and closing start: the median over the draws of the variables that the case names."""
    rules = found.problem.rules

    def at(name: str) -> float:
        if ds is None or not name or split(name)[0] not in ds:
            return float("nan")
        return float(np.nanmedian(ds[split(name)[0]].sel(scenario="plan").isel(time=0).values))

    return Dates(at(rules.build_date), at(rules.closure_date))


def month(found: FoundPlan, time: float) -> str:
    """A model time as a month, or as a number where there is no calendar."""
    calendar = found.experiment.case.calendar if found.experiment.case else None
    if calendar is None:
        return f"time {time:g}"
    text = calendar.text(time)
    try:
        return f"{calendar.date(time):%B %Y}"
    except (ValueError, OverflowError):
        return text


def _sentence(found: FoundPlan, ds: Dataset | None) -> Iterator[Shown]:
    dates = dates_of(found, ds)
    head = "The plan" if found.proof.holds else "No plan keeps every promise. The one that comes closest"
    if found.nearest is None and not found.proof.holds:
        head = "Not proved: every plan found falls short on fresh draws. The one that comes closest"
    when = []
    if dates.build == dates.build:
        when.append(f"building starts in {month(found, dates.build)}")
    if dates.close == dates.close:
        when.append(f"beds may close from {month(found, dates.close)}")
    joined = " and ".join(when)
    sentence = f"{joined[:1].upper()}{joined[1:]}."
    yield f"{head}: {decisions(found, found.plan)}.{' ' + sentence if when else ''}"
    value = found.objective(found.plan, fresh=True)
    searched = found.objective(found.plan, fresh=False)
    drop = found.problem.sense * (value - searched)
    which = "worse" if drop > 0 else "better"
    yield (
        f"{label(found)}: {objective(found, value)} (mean of {found.problem.fresh_draws} fresh draws; on the "
        f"{found.problem.draws} draws of the search {objective(found, searched)}: fresh draws are "
        f"{objective(found, abs(drop))} {which})."
    )
    warned = _zero_stay(found)
    if warned:
        yield warned


def _zero_stay(found: FoundPlan) -> str:
    """A plan that rests on shorter stays says so in its first lines."""
    if len(found.problem.rules.switch) < 2 or found.nearest is not None:
        return ""
    for item in found.switches:
        if item.name in found.problem.rules.switch[1:] and item.shares and item.shares[0] < found.problem.share:
            name = _input(found, item.name)
            share = percent(item.shares[0])
            return f"The plan fails without it: with {name} at {number(item.values[0])} it is kept in {share} of draws."
    return ""


def _shares(found: FoundPlan) -> Iterator[Shown]:
    plan, count = found.plan, found.problem.fresh_draws
    searched, fresh = found.shares(plan, fresh=False), found.shares(plan, fresh=True)
    rows = []
    for item, one, other in zip(found.problem.requirements, searched, fresh, strict=True):
        low, high = interval(other, count)
        if found.terms.levels[found.problem.requirements.index(item)] is None:
            continue
        rows.append(
            (limit(item), percent(one), percent(other), f"{percent(low)} to {percent(high)}", percent(max(0.0, one - other)))
        )
    together = found.joint(plan, fresh=False), found.joint(plan, fresh=True)
    low, high = interval(together[1], count)
    drop = percent(max(0.0, together[0] - together[1]))
    rows.append(("all together", percent(together[0]), percent(together[1]), f"{percent(low)} to {percent(high)}", drop))
    title = f"Kept in so many runs (each asked in {percent(found.problem.share)})"
    heads = ("promise", f"{found.problem.draws} draws of the search", f"{count} fresh draws", "95 % interval", "drop")
    yield columns(title, heads, rows, right=range(1, 5))
    asked = [row.asked for row in found.proof.rounds]
    if len(asked) > 1:
        yield f"The search went on {len(asked) - 1} times with a higher share asked for: {', '.join(map(percent, asked))}."


def limit(item: Requirement, level: float | None = None) -> str:
    """A requirement in a few words."""
    value = item.level if level is None else level
    words = {
        "at_most": f"at most {amount(value, item.unit)}",
        "at_least": f"at least {amount(value, item.unit)}",
        "difference_at_most": f"at most {amount(value, item.unit)} against the baseline",
        "difference_at_least": f"at least {amount(value, item.unit)} against the baseline",
        "times": f"at most {number(value, 6)} times the baseline",
        "plus": f"at most {amount(value, item.unit)} above the baseline",
    }[item.form]
    mean = f", mean of each {item.average}" if item.average else ""
    window = ""
    if item.series and (item.start.text(), item.stop.text()) != ("start", "end"):
        window = f", {item.start.text()} to {item.stop.text()}"
    return f"{item.name}: {words}{mean}{window}"


def _nearest(found: FoundPlan) -> Iterator[Shown]:
    near = found.nearest
    assert near is not None
    rows = []
    for at, item in enumerate(found.problem.requirements):
        if found.terms.levels[at] is None:
            continue
        level, plan = near.levels[at], near.plans[at]
        moved = "no move of it alone is enough" if level is None else limit(item, level)
        rows.append(
            (limit(item), percent(near.shares[at]), percent(near.alone[at]), moved, decisions(found, plan) if plan else "-")
        )
    heads = (
        "promise",
        "kept by the nearest plan",
        "best share of it alone",
        "how far to move it until a plan exists",
        "that plan",
    )
    yield columns("What would have to give way", heads, rows)
    able = [item.name for at, item in enumerate(found.problem.requirements) if near.levels[at] is not None]
    yield (
        f"Moving one promise is enough: {', '.join(able)}."
        if able
        else "No single promise, moved or dropped, lets a plan exist: two at least have to give way."
    )


def _lines(found: FoundPlan, kpis: Dataset) -> Iterator[Shown]:
    rules = found.problem.rules
    names = [name for name in (*rules.lines, found.problem.objective) if name in kpis] or [str(name) for name in kpis.data_vars]
    wanted = list(dict.fromkeys(names))
    scenarios = [str(name) for name in kpis["scenario"].values]
    by = {(row.kpi, row.scenario): row for row in summary(kpis)}
    labels = [short(str(text)) for text in kpis["scenario_label"].values]
    rows = []
    for name in wanted:
        first = by[name, scenarios[0]]
        head = f"{first.label} ({first.unit})" if shown_unit(first.unit) else first.label
        rows.append((head, *(_spread(by[name, scenario]) for scenario in scenarios)))
    yield columns(
        f"What it costs and what it brings: median of {found.problem.fresh_draws} fresh draws (10th to 90th percentile)",
        ("measure", *labels), rows, right=range(1, 1 + len(labels)),
    )  # fmt: skip


def _spread(row: KpiRow) -> str:
    return spread(row)


def freed_shares(found: FoundPlan, kpis: Dataset) -> list[tuple[str, float, float, float, float]]:
    """Of each mechanism: its label, beds freed over the baseline (median, 10th, 90th percentile), its share of the means' sum."""
    names = [name for name in found.problem.rules.freed if name in kpis]
    means, rows = [], []
    for name in names:
        data = kpis[name]
        values = np.asarray((data.sel(scenario="plan") - data.sel(scenario=found.problem.baseline)).values, dtype=np.float64)
        values = values[np.isfinite(values)]
        if not len(values):
            continue
        means.append(float(values.mean()))
        low, middle, high = (float(np.quantile(values, q)) for q in (0.1, 0.5, 0.9))
        rows.append((str(data.attrs.get("long_name", name)), middle, low, high))
    total = sum(max(0.0, value) for value in means)
    return [(*row, max(0.0, mean) / total if total else float("nan")) for row, mean in zip(rows, means, strict=True)]


def _freed(found: FoundPlan, kpis: Dataset) -> Iterator[Shown]:
    rows = freed_shares(found, kpis)
    if not rows:
        return
    cells = [
        (name, number(middle), f"{number(low)} to {number(high)}", percent(share)) for name, middle, low, high, share in rows
    ]
    yield columns(
        "Beds freed against the baseline, by mechanism", ("mechanism", "median", "8 in 10 runs", "share"), cells, right=(1, 2, 3)
    )
    name, *_, share = rows[0]
    if share == share:
        yield f"Share of what is freed that rests on the first of these alone ({name.lower()}): {percent(share)}."


def _least(found: FoundPlan, ds: Dataset | None) -> Iterator[Shown]:
    rules = found.problem.rules
    for item in found.least:
        decision = next(row for row in found.problem.decisions if row.name == item.decision)
        kept = min(item.fresh, default=1.0)
        proof = f"kept in at least {percent(kept)} of fresh draws"
        if kept < found.problem.share:
            proof = f"not proved: {proof}"
        if item.decision == rules.lead:
            dates = dates_of(found, ds)
            when = ""
            if dates.close == dates.close:
                when = f"{month(found, dates.close - item.value)}, "
            side = "before" if item.value >= 0 else "after"
            yield (
                f"Latest safe start of building: {when}{amount(abs(item.value), decision.unit)} {side} closing may begin, with "
                f"{decisions(found, item.plan)} ({proof})."
            )
        else:
            value = amount(item.value, decision.unit)
            yield f"Least {decision.label.lower()}: {value}, with {decisions(found, item.plan)} ({proof})."


def _priced(found: FoundPlan, row: Price, first: str) -> tuple[str, ...]:
    if row.solved.plan is None:
        return first, "no plan keeps it", "-", "-"
    base = found.objective(found.plan, fresh=False)
    lead = "-" if row.lead != row.lead else number(row.lead)
    return first, objective(found, row.solved.objective - base, signed=True), lead, decisions(found, row.solved.plan)


def _prices(found: FoundPlan) -> Iterator[Shown]:
    by = {item.name: item for item in found.problem.requirements}
    rows = [
        _priced(found, row, limit(by[row.requirement], row.level) if row.requirement else f"each in {percent(row.share)} of runs")
        for row in found.prices
    ]
    heads = ("with", f"change of {label(found)}", "shortest lead", "plan")
    yield columns("Price of each promise, a step tighter and a step looser", heads, rows, right=(1, 2))


def _binding(found: FoundPlan) -> Iterator[Shown]:
    base = found.objective(found.plan, fresh=False)
    gains = [
        (row.requirement, found.problem.sense * (base - row.solved.objective))
        for row in found.binding
        if row.solved.plan is not None
    ]
    binds = [f"{name} ({objective(found, gain)})" for name, gain in gains if gain > 1e-9 * max(1.0, abs(base))]
    if not binds:
        yield "No promise binds: without any one of them the best plan is the same."
        return
    yield f"What binds, and what dropping it would gain: {', '.join(binds)}."


def _input(found: FoundPlan, name: str) -> str:
    item = found.experiment.uncertainties.get(name)
    text = (item.label if item else "") or name.replace("_", " ")
    return text.lower() if text[1:2].islower() else text


def _switching(found: FoundPlan) -> Iterator[Shown]:
    if found.harm_baseline == found.harm_baseline:
        multiple = number(found.harm_baseline)
        yield f"Values of harm at which the plan costs as much as the baseline: {multiple} times those assumed."
    elif found.problem.rules.harm:
        yield "No multiple of the values of harm, from zero up, makes the plan cost as much as the baseline."
    if found.harm_runner_up == found.harm_runner_up:
        yield f"Values of harm at which the runner-up is as good: {number(found.harm_runner_up)} times those assumed."

    def turn(pair: tuple[float, float]) -> str:
        value, share = pair
        if value != value:
            return "nowhere"
        return "everywhere" if share >= 1.0 else f"{number(value)} (beyond: {percent(share)} of draws)"

    rows = [
        (_input(found, row.name), number(row.strength, 2), turn(row.fails), turn(row.loses), turn(row.second))
        for row in found.switches
    ]
    if rows:
        heads = ("input", "rank correlation", "a promise fails at", "dearer than the baseline at", "runner-up better at")
        span = f"from the {POINTS[0]:.0%} to the {POINTS[-1]:.0%} point of its draws"
        yield columns(f"Switching values: each input alone, {span}", heads, rows, right=(1,))


def _frontier(found: FoundPlan) -> Iterator[Shown]:
    if not found.frontier:
        return
    item = next(row for row in found.problem.requirements if row.name == found.problem.frontier)
    rows = [
        (limit(item, point.level), "no plan keeps it", "-") if point.plan is None
        else (limit(item, point.level), objective(found, point.objective), decisions(found, point.plan))
        for point in found.frontier
    ]  # fmt: skip
    yield columns("The frontier", ("level", label(found), "plan"), rows, right=(1,))


def _regret(found: FoundPlan) -> Iterator[Shown]:
    item = found.regrets
    if item is None:
        return
    rows = []
    for world in item.worlds:
        kept = percent(world.shares[0])
        same = "the plan itself" if world.best == found.plan else decisions(found, world.best)
        rows.append((f"{_input(found, world.name)} {number(world.value)}", kept, objective(found, world.regrets[0]), same))
    yield columns("Regret of the plan by world", ("world", "kept in", "regret", "the world's best"), rows, right=(1, 2))
    at = item.candidates.index(item.least)
    same = "the plan itself" if item.least == found.plan else decisions(found, item.least)
    broken = f"; it breaks a promise in {item.broken[at]} of {len(item.worlds)} worlds" if item.broken[at] else ""
    yield (
        f"Least greatest regret, of {len(item.candidates)} good plans: {same} ({objective(found, item.greatest[at])}; the plan "
        f"{objective(found, item.greatest[0])}){broken}."
    )


def _schedule(found: FoundPlan) -> Iterator[Shown]:
    item = found.scheduled
    if item is None:
        return
    problem = found.problem
    begins = [month(found, problem.schedule_start + at * problem.every) for at in range(problem.periods)]
    by = {row.name: row for row in problem.decisions}
    rows = [(by[name].label, *(amount(value, by[name].unit) for value in row)) for name, row in item.values.items()]
    yield columns("The plan by the period", ("lever, from", *begins), rows, right=range(1, 1 + len(begins)))
    gain = problem.sense * (item.constant - item.objective)
    proof = "" if item.proof.holds else "; not proved: a promise falls short on fresh draws"
    least = percent(min(item.shares, default=1.0))
    yield (
        f"What the schedule gains over the same levers held constant: {objective(found, gain)} on fresh draws (each promise kept "
        f"in at least {least}{proof}; {item.tried} schedules tried)."
    )


def _breaks(found: FoundPlan) -> Iterator[Shown]:
    count = int(found.broken.sum()) if found.broken is not None else 0
    if not count:
        yield f"What breaks it: nothing in {found.problem.fresh_draws} fresh draws."
        return
    yield f"What breaks it: a promise is broken in {count} of {found.problem.fresh_draws} fresh draws."
    for rule in (found.one_cut, found.two_cuts):
        if rule is not None:
            yield rule_text(found, rule)
    box = found.box
    if box is not None:
        words = " and ".join(
            f"{_input(found, name)} from {number(low)} to {number(high)}" for name, (low, high) in box.limits.items()
        )
        yield (
            f"The box that patient rule induction finds: {words}: it holds {percent(box.coverage)} of the broken draws, and "
            f"{percent(box.density)} of the draws in it are broken."
        )


def _cut(found: FoundPlan, cut: Threshold) -> str:
    return f"{_input(found, cut.name)} is {'above' if cut.above else 'at most'} {number(cut.value)}"


def rule_text(found: FoundPlan, rule: Rule) -> str:
    """A rule with its counts, in a sentence."""
    words = " and ".join(_cut(found, cut) for cut in rule.cuts)
    inside = f"{rule.broken_inside} of {rule.inside} draws are broken"
    return f"Where {words}, {inside}; elsewhere {rule.broken_outside} of {rule.outside}."
