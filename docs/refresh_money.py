"""Put into a model's README what its scenarios cost against business as usual: by growth, by closing rule, with harm at nothing.

    python docs/refresh_money.py [MODEL ...]

Writes the part of models/<name>/README.md between `<!-- money -->` and `<!-- end of money -->` from the experiment named below.
Every scenario is compared with the baseline of the same draw. For a model to plan with, one input is held at each of its values;
for a case, cost is taken apart and the multiple of the values of waiting and harm is found at which it turns. Takes some minutes.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- money -->", "<!-- end of money -->"


@dataclass(frozen=True)
class Story:
    """What is told of a model: its experiment, an input held at several values, what values harm, what is switched."""

    experiment: str
    held: str
    values: tuple[float, ...]
    harm: tuple[str, ...]
    first: str
    second: str
    switched: tuple[tuple[str, float, float], ...]
    worlds: Mapping[str, str]
    """Scenarios in a world of their own, and business as usual there: what they are compared with."""


STORIES = {
    "care_shift": Story(
        "care_shift_build_or_close_first",
        "annual_demand_growth",
        (0.0, 0.005, 0.01, 0.015, 0.02),
        ("value_of_waiting", "value_of_harm", "value_of_delayed_day", "value_of_day_without_a_bed", "value_of_care_not_given"),
        "build_first",
        "close_first",
        (
            ("stay_reduction_at_full_capability", 0.0, 0.08),
            ("admissions_avoided_per_episode", 0.0, 1.0),
            ("added_places_filled_against_plan", 0.68, 1.23),
            ("staff_follow_work", 0.0, 1.0),
            ("cost_of_last_days", 0.2, 0.9),
        ),
        {"cannot_recruit": "keep_up_too_few", "council_squeeze": "keep_up_squeezed"},
    ),
}
CASES = {
    "va_transformation": ("va_beds_to_community", "as_was"),
    "mental_health_shift": ("mental_health_double_running", "as_planned"),
}
"""Of each case the experiment, and the scenario that the others are compared with."""
COST, HARM = "net_present_cost", "harm_avoided"
DRAWS = 60
FEWER = 30
"""Draws behind each point of a switching value."""


def main(names: Sequence[str]) -> None:
    """Refresh the models named, or all."""
    for name in names or [*STORIES, *CASES]:
        readme = ROOT / "models" / name / "README.md"
        text = section(STORIES[name]) if name in STORIES else of_case(*CASES[name])
        readme.write_text(placed(readme.read_text(encoding="utf-8"), text), encoding="utf-8", newline="\n")
        print(text)


def costs(story: Story, fixed: Mapping[str, float], draws: int, scenarios: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Net present cost of every scenario but the baseline, in each draw, with some inputs held."""
    import flowreform as fr

    experiment = fr.read_experiment(story.experiment)
    wanted = [experiment.baseline, *(scenarios or [name for name in experiment.scenarios if name != experiment.baseline])]
    chosen = {
        name: replace(experiment.scenarios[name], settings={**experiment.scenarios[name].settings, **fixed}) for name in wanted
    }
    kpi = {COST: experiment.kpis[COST]}
    save = tuple(kpi[COST].variables)
    experiment = replace(experiment, scenarios=chosen, kpis=kpi, draws=draws, save=save, charts=())
    found = fr.kpis(fr.run(experiment), experiment)[COST]
    return {name: np.asarray(found.sel(scenario=name).values) for name in wanted[1:]}


def section(story: Story) -> str:
    """The tables and sentences of a model."""
    import flowreform as fr

    experiment = fr.read_experiment(story.experiment)
    labels = {name: scenario.label.partition(":")[0] for name, scenario in experiment.scenarios.items()}
    by_value = [costs(story, {story.held: value}, DRAWS) for value in story.values]
    lines = [
        f"Net present cost against business as usual, million {_currency(experiment)}, waiting and harm valued: mean over",
        f"{DRAWS} draws (share of draws below 0), with {story.held.replace('_', ' ')} held at each value.",
        "",
        "| scenario | " + " | ".join(f"{100 * value:g} %" for value in story.values) + " |",
        "| --- |" + " ---: |" * len(story.values),
    ]
    for name in by_value[0]:
        if name not in story.worlds.values():
            usual = story.worlds.get(name)
            there = [found[name] - (found[usual] if usual else 0.0) for found in by_value]
            lines.append(f"| {labels[name]} | " + " | ".join(_cell(values) for values in there) + " |")
    worlds = " and ".join(f'"{labels[name]}"' for name in story.worlds)
    lines += ["", f"{worlds} are compared with business as usual in the same world."] if worlds else []
    lines += [_closed(story, labels[story.first])]
    lines += ["", f"{labels[story.second]} less {labels[story.first].lower()}, draw by draw:", ""]
    lines += [
        "| | " + " | ".join(f"{100 * value:g} %" for value in story.values) + " |",
        "| --- |" + " ---: |" * len(story.values),
    ]
    lines.append(_row("closing rule of the experiment", story, by_value))
    for limit in (0.92, 0.95, 1.0):
        found = [_pair(story, {story.held: value, "closure_occupancy_limit": limit}) for value in story.values]
        lines.append(_row(f"closing up to {100 * limit:g} per cent full" if limit < 1 else "closing any empty bed", story, found))
    nothing = dict.fromkeys(story.harm, 0.0)
    lines.append(_row("waiting and harm at nothing", story, [_pair(story, {story.held: v, **nothing}) for v in story.values]))
    lines += ["", "In each cell the median difference in millions, and the share of draws in which the second costs more.", ""]
    lines += [*_harm(story, labels), "", *_switching(story, labels)]
    return "\n".join([BEGIN, *lines, END])


def _closed(story: Story, label: str) -> str:
    """How many beds the first scenario has closed at the horizon, and in how many draws that has released cash, by growth."""
    import flowreform as fr

    experiment = fr.read_experiment(story.experiment)
    cells = []
    for value in story.values:
        first = experiment.scenarios[story.first]
        chosen = {story.first: replace(first, settings={**first.settings, story.held: value})}
        save = ("closed_beds", "total_cash_released")
        only = replace(experiment, scenarios=chosen, baseline=story.first, kpis={}, save=save, charts=(), appraisal_end=None)
        found = fr.run(replace(only, draws=FEWER)).isel(scenario=0, time=-1)
        closed, cash = float(found["closed_beds"].median()), float((found["total_cash_released"] > 1.0).mean())
        cells.append(f"{closed:.0f} ({cash:.2f}) at {100 * value:g} per cent")
    return (
        f"Beds closed at the horizon in {label.lower()} (median of {FEWER} draws; share of them in which that has released "
        f"cash by then): {', '.join(cells)}."
    )


def of_case(question: str, told: str) -> str:
    """What the scenarios of a case cost in its draws, and at which multiple of the values of waiting and harm that turns."""
    import flowreform as fr

    experiment = fr.read_experiment(question)
    kpi = {name: experiment.kpis[name] for name in (COST, HARM)}
    save = tuple(dict.fromkeys(name for one in kpi.values() for name in one.variables))
    found = fr.kpis(fr.run(replace(experiment, kpis=kpi, save=save, charts=())), replace(experiment, kpis=kpi))
    cost = {str(name): np.asarray(found[COST].sel(scenario=name).values) / 1e6 for name in experiment.scenarios}
    harm = {str(name): np.asarray(found[HARM].sel(scenario=name).values) / 1e6 for name in experiment.scenarios}
    labels = {name: scenario.label.partition(":")[0] for name, scenario in experiment.scenarios.items()}
    others = [name for name in cost if name not in (told, experiment.baseline)]
    lines = [
        f"Net present cost, million {_currency(experiment)}: mean over {experiment.draws} draws (share of draws below 0); what",
        "of it is waiting and harm valued; and the multiple of those values at which the mean changes its sign.",
        "",
        "| | net present cost | waiting and harm | without them | turns at |",
        "| --- | ---: | ---: | ---: | --- |",
    ]
    for name in [told, *others]:
        lines.append(_parted(f"{labels[name]}, against business as usual", cost[name], harm[name]))
    for name in others:
        lines.append(_parted(f"{labels[name]}, against {_lower(labels[told])}", cost[name] - cost[told], harm[name] - harm[told]))
    return "\n".join([BEGIN, *lines, END])


def _lower(label: str) -> str:
    return label[:1].lower() + label[1:]


def _parted(label: str, cost: np.ndarray, harm: np.ndarray) -> str:
    whole, part = float(cost.mean()), float(harm.mean())
    times = 1 - whole / part if part else -1.0
    turns = f"{float(f'{times:.2g}'):,g} times" if times > 0 else "no multiple"
    return f"| {label} | {whole:,.0f} ({np.mean(cost < 0):.2f}) | {part:,.0f} | {whole - part:,.0f} | {turns} |"


def _pair(story: Story, fixed: Mapping[str, float]) -> dict[str, np.ndarray]:
    return costs(story, fixed, DRAWS, (story.first, story.second))


def _row(label: str, story: Story, found: Sequence[Mapping[str, np.ndarray]]) -> str:
    cells = []
    for one in found:
        more = one[story.second] - one[story.first]
        cells.append(f"{np.median(more) / 1e6:+,.1f} ({np.mean(more > 0):.2f})")
    return f"| {label} | " + " | ".join(cells) + " |"


def _cell(values: np.ndarray) -> str:
    return f"{values.mean() / 1e6:,.0f} ({np.mean(values < 0):.2f})"


def _currency(experiment: Any) -> str:
    return str(experiment.case.about.currency)


def _harm(story: Story, labels: Mapping[str, str]) -> list[str]:
    """The multiple of the values of waiting and harm at which doing nothing turns cheaper than business as usual."""
    if "do_nothing" not in labels:
        return []
    cells = []
    for value in story.values:
        if value == 0:
            continue

        def mean(share: float, value: float = value) -> float:
            return float(costs(story, {story.held: value, **_scaled(story, share)}, FEWER, ("do_nothing",))["do_nothing"].mean())

        cells.append(f"{_crossing(mean, 0.0, 1.0)} at {100 * value:g} per cent")
    return [
        "Doing nothing turns cheaper than business as usual where waiting and harm count for less than this share of the values "
        f"assumed: {', '.join(cells)}."
    ]


def _scaled(story: Story, share: float) -> dict[str, float]:
    import flowreform as fr
    from flowreform.names import Named, base_values

    model = fr.read_experiment(story.experiment).model
    return {name: share * float(base_values(model, Named(name, model.variables[name], ()))[0]) for name in story.harm}


def _switching(story: Story, labels: Mapping[str, str]) -> list[str]:
    """For inputs without a good source: the net present cost of the first scenario at both ends, and where it turns."""
    rows = ["| input | range tried | net present cost, million | turns at |", "| --- | --- | --- | --- |"]
    for name, low, high in story.switched:

        def mean(value: float, name: str = name) -> float:
            return float(costs(story, {name: value}, FEWER, (story.first,))[story.first].mean())

        ends = mean(low), mean(high)
        turns = _crossing(mean, low, high) if ends[0] * ends[1] < 0 else "nowhere in it"
        rows.append(
            f"| {name.replace('_', ' ')} | {low:g} to {high:g} | {ends[0] / 1e6:,.0f} to {ends[1] / 1e6:,.0f} | {turns} |"
        )

    def valued(times: float) -> float:
        return float(costs(story, _scaled(story, times), FEWER, (story.first,))[story.first].mean())

    ends = valued(0.0), valued(2.0)
    turns = f"{_crossing(valued, 0.0, 2.0)} times" if ends[0] * ends[1] < 0 else "nowhere in it"
    rows.append(f"| values of waiting and harm | 0 to 2 times | {ends[0] / 1e6:,.0f} to {ends[1] / 1e6:,.0f} | {turns} |")
    return [f'Switching values of "{labels[story.first]}" against business as usual (mean over {FEWER} draws):', "", *rows]


def _crossing(mean: Any, low: float, high: float, steps: int = 6) -> str:
    """Where a mean changes its sign, by halving; in words where it does not."""
    first, last = mean(low), mean(high)
    if first * last >= 0:
        return "nowhere"
    for _ in range(steps):
        middle = (low + high) / 2
        if mean(middle) * first > 0:
            low = middle
        else:
            high = middle
    return f"{(low + high) / 2:.2g}"


def placed(text: str, part: str) -> str:
    """A README with the section put in anew."""
    return re.sub(f"{BEGIN}.*?{END}", lambda _: part, text, flags=re.S)


if __name__ == "__main__":
    main(sys.argv[1:])
