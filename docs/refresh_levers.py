"""Put what lasts, and the answers to its five questions, into the README of reform_levers.

    python docs/refresh_levers.py

Writes models/reform_levers/answers.md with every lever, and the table of groups with a sentence for each question into README.md
between `<!-- answers -->` and `<!-- end of answers -->`. "Before the data" are draws of the uncertain inputs over their whole
ranges, with the fitted numbers as fitted. Where there is a posterior.csv its rows come first, and those draws beside them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from refresh_answers import BEGIN, END, LEAST, ROOT, splitting
from xarray import DataArray

Floats = NDArray[np.float64]
MODEL = "reform_levers"
FOLDER = ROOT / "models" / MODEL
YEARS = {
    "gain_at_stop": "at the stop",
    "gain_after_one_year": "1 year",
    "gain_after_five_years": "5 years",
    "gain_after_ten_years": "10 years",
}
LEFT, COST = "gain_after_ten_years", "cost_of_levers"
LASTING = "targets_or_capability"
README = (
    "targets", "inspection", "aims", "comparison", "training_and_aims", "from_outside", "from_within", "from_within_standardised",
    "all",
)  # fmt: skip
"""The scenarios that the README shows; answers.md has all of them."""
PAIRS: Mapping[str, Sequence[tuple[str, str]]] = {
    LASTING: (
        ("from_within", "from_outside"),
        ("aims", "targets"),
        ("targets", "comparison"),
        ("training_and_aims", "targets_and_training"),
        ("from_within_standardised", "from_within"),
        ("all", "from_within_standardised"),
    ),
    "leaders_every_two_years": (
        ("seven_years", "two_years"),
        ("two_years", "two_years_and_reorganised"),
        ("seven_years", "all_leave_at_once"),
    ),
    "one_target_too_many": (
        ("two_targets", "one_target"),
        ("twice_the_sanction", "one_target"),
        ("one_target_and_training", "two_targets"),
    ),
    "build_the_agency_or_the_trusts": (("trusts", "agency"), ("both", "trusts")),
    "open_comparison": (
        ("comparison_and_meetings", "comparison"),
        ("comparison_and_training", "comparison_and_meetings"),
        ("comparison_and_choice", "comparison"),
        ("comparison_and_competition", "comparison"),
    ),
}
"""Of each question the pairs of scenarios that answer it: the one that is said to leave more, and the other. The README
has the first of each."""

Runs = Mapping[str, Mapping[str, Floats]]


class Asked:
    """One experiment: KPIs by scenario and the draws of inputs, with draws from the posterior where there is one, and before the
    data; `told` names the draws that are told first."""

    def __init__(self, question: str) -> None:
        import flowreform as fr

        experiment = fr.read_experiment(question)
        self.question = experiment.question
        self.labels = {name: scenario.label for name, scenario in experiment.scenarios.items()}
        known = experiment.case is not None and experiment.case.ensemble is not None
        self.draws = ("conditioned", "prior") if known else ("prior",)
        self.told = self.draws[0]
        self.runs: dict[str, Runs] = {}
        self.inputs: dict[str, dict[str, Floats]] = {}
        for draws in self.draws:
            asked = experiment.with_(ensemble=draws) if known else experiment
            found, drawn = fr.kpis(fr.run(asked), asked), fr.draws(asked)
            self.runs[draws] = {kpi: {name: _of(found[kpi].sel(scenario=name)) for name in self.labels} for kpi in (*YEARS, COST)}
            self.inputs[draws] = {str(name): _of(drawn[name]) for name in drawn}


def _of(data: DataArray) -> Floats:
    return np.asarray(data.values, dtype=float)


def points(values: Floats) -> str:
    """Median and 10th to 90th percentile in points of 100; the median alone where it says all."""
    low, middle, high = (100 * float(np.quantile(values, share)) for share in (0.1, 0.5, 0.9))
    if max(abs(low), abs(high)) < 0.5:
        return "0"
    form = ".0f" if abs(middle) >= 10 else ".1f"
    return f"{middle + 0.0:{form}} ({low + 0.0:{form}}{' to ' if low < 0 else '-'}{high + 0.0:{form}})"


def table(asked: Asked, names: Sequence[str], *, cost: bool = True) -> str:
    """What is gained, what is left, what it cost; beside draws from the posterior what is left at ten years before the data."""
    runs, both = asked.runs[asked.told], len(asked.draws) > 1
    head = ["lever", *YEARS.values(), *(["10 years, before the data"] if both else []), *(["GBP million"] if cost else [])]
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    for name in names:
        cells = [points(runs[kpi][name]) for kpi in YEARS]
        if both:
            cells.append(points(asked.runs["prior"][LEFT][name]))
        if cost:
            cells.append(f"{float(np.median(runs[COST][name])) / 1e6 + 0.0:,.0f}")
        lines.append(f"| {asked.labels[name]} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def sentence(asked: Asked, more: str, less: str) -> str:
    """By how much one leaves more than another ten years on, in what share of draws, at what cost."""
    runs = asked.runs[asked.told]
    gap = runs[LEFT][more] - runs[LEFT][less]
    shares = [
        f"{100 * float(np.mean(asked.runs[draws][LEFT][more] > asked.runs[draws][LEFT][less])):.0f}" for draws in asked.draws
    ]
    cost = float(np.median(runs[COST][more] - runs[COST][less])) / 1e6
    money = f"GBP {abs(cost):,.0f} million {'more' if cost > 0 else 'less'}" if abs(cost) >= 1 else "at the same cost"
    held = f"in {shares[0]} per cent of draws" + (f" (before the data {shares[1]})" if len(shares) > 1 else "")
    return f"*{asked.labels[more]}* over *{asked.labels[less]}*: {points(gap)} points, {held}, {money}."


def deciding(asked: Asked, told: str) -> str:
    """Which input decides the order of single levers, and which decides how much is left of the groups."""
    from scipy.stats import spearmanr

    runs, inputs = asked.runs[told][LEFT], asked.inputs[told]
    single = ("targets", "aims", "comparison")
    said = []
    for one, other in ((one, other) for at, one in enumerate(single) for other in single[at + 1 :]):
        holds = runs[one] > runs[other]
        name, cut, below, above = splitting(holds, inputs)
        words = f"{asked.labels[one]} over {asked.labels[other]}: {100 * holds.mean():.0f} per cent of draws"
        if name and abs(below - above) >= LEAST:
            words += f"; {name.replace('_', ' ')} under {cut:.3g} {100 * below:.0f}, above {100 * above:.0f}"
        said.append(words)
    for name in ("from_within", "from_outside"):
        ranks = [(float(spearmanr(values, runs[name]).statistic), key) for key, values in inputs.items()]
        ranks.sort(key=lambda item: -abs(item[0]))
        first = ", ".join(f"{key.replace('_', ' ')} ({value:+.2f})" for value, key in ranks[:3])
        said.append(f"what is left of {asked.labels[name]} goes with {first} (rank correlation)")
    return "; ".join(said) + "."


def main() -> None:
    """Run the five experiments and write both files."""
    found = {question: Asked(question) for question in PAIRS}
    lasting = found[LASTING]
    answers = []
    for name, asked in found.items():
        answers.append(f"**{asked.question}** " + " ".join(sentence(asked, *pair) for pair in PAIRS[name]))
    words = {"conditioned": "After the data", "prior": "Before the data"}
    decides = " ".join(f"{words[draws]}: {deciding(lasting, draws)}" for draws in lasting.draws)
    answers.append(f"**Which assumption decides the order?** {decides}")
    head = (
        "Written by `python docs/refresh_levers.py`. What is left ten years after the stop, points of 100: median (10th to 90th "
        "percentile) of draws " + {"conditioned": "that have seen the data.", "prior": "before the data."}[lasting.told]
    )
    every = [f"## {asked.question}\n\n{table(asked, list(asked.labels))}" for asked in found.values()]
    write(FOLDER / "answers.md", "\n\n".join([f"# {MODEL}: questions and answers", head, *answers, *every]) + "\n")
    told = [f"- {sentence(asked, *PAIRS[name][0])}" for name, asked in found.items()]
    lead = "More left after ten years, and at what cost:"
    part = "\n\n".join([BEGIN, table(lasting, README, cost=False), lead, "\n".join(told), END])
    path = FOLDER / "README.md"
    write(path, re.sub(f"{BEGIN}.*?{END}", lambda _: part, path.read_text(encoding="utf-8"), flags=re.S))
    print(part, *answers, sep="\n\n")


def write(path: Path, text: str) -> None:
    """A file with the same bytes on every system."""
    path.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
