"""Put the answers of a case's experiments into its README: what wins, by how much, in what share of draws, what would change it.

    python docs/refresh_answers.py [MODEL ...]

Writes models/<name>/answers.md, a screen for each question (two sentences, six KPIs, one picture), and the sentences alone
into README.md between `<!-- answers -->` and `<!-- end of answers -->`. Full tables stand in experiments/README.md.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from xarray import DataArray

Floats = NDArray[np.float64]
ROOT = Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- answers -->", "<!-- end of answers -->"
OBJECTIVE = "net_present_cost"
CASES: Mapping[str, tuple[str, Mapping[str, tuple[str, ...]]]] = {
    "canterbury": (
        "as_was",
        {
            "canterbury_no_transformation": (),
            "canterbury_earthquake": (
                "no_earthquake", "half_as_strong_again", "no_theatres_lost", "twelve_theatres_lost", "two_years_earlier",
                "rebuilt_by_the_crown",
            ),
            "canterbury_what_it_took": (),
        },
    ),
}  # fmt: skip
"""Of each case the scenario that the others are compared with, and its questions: each with the scenarios that nobody could
choose, the world without the event first. They are in the table and compete with nothing."""
SHOWN: Mapping[str, tuple[str, float, str]] = {
    "beds_at_end": ("beds at the end", 1.0, ",.0f"),
    "gridlocked_months": ("months of gridlock", 1.0, ",.0f"),
    "days_referral_to_discharge": ("days to discharge", 1.0, ",.1f"),
    "unmet_need": ("thousand person-months waited too long", 1e-3, ",.0f"),
    "deficit": ("deficit, million", 1e-6, ",.0f"),
    OBJECTIVE: ("net present cost, million", 1e-6, ",.0f"),
}
LEAST = 0.1
"""A cut leaves at least this share of the draws on either side."""


def main(names: Sequence[str]) -> None:
    """Refresh the models named, or all."""
    for name in names or CASES:
        readme = ROOT / "models" / name / "README.md"
        told, questions = CASES[name]
        screens = [answer(question, told, events, readme.parent) for question, events in questions.items()]
        head = "Written by `python docs/refresh_answers.py`: medians of the draws; net present cost is against business as usual."
        screen = "\n\n".join([f"# {name}: questions and answers", head, *("\n\n".join(parts) for parts in screens)])
        (readme.parent / "answers.md").write_text(screen + "\n", encoding="utf-8", newline="\n")
        text = "\n\n".join(f"{asked} {said}" for asked, said, _ in screens)
        part = f"{BEGIN}\n{text}\n{END}"
        whole = re.sub(f"{BEGIN}.*?{END}", lambda _, part=part: part, readme.read_text(encoding="utf-8"), flags=re.S)
        readme.write_text(whole, encoding="utf-8", newline="\n")
        print(text)


def answer(question: str, told: str, events: Sequence[str], folder: Path) -> tuple[str, str, str]:
    """One question: the question, two sentences, and a table of six KPIs with a picture."""
    import flowreform as fr

    experiment = fr.read_experiment(question)
    found = fr.kpis(fr.run(experiment), experiment)
    drawn = fr.draws(experiment)
    values = {kpi: {name: _of(found[kpi].sel(scenario=name)) for name in experiment.scenarios} for kpi in SHOWN}
    labels = {name: scenario.label.partition(":")[0] for name, scenario in experiment.scenarios.items()}
    currency = experiment.case.about.currency if experiment.case else ""
    picture(values[OBJECTIVE], labels, told, currency, folder / f"{question}.png")
    inputs = {str(name): _of(drawn[name]) for name in drawn}
    cost = values[OBJECTIVE]
    said = sentences({name: column for name, column in cost.items() if name not in events}, labels, inputs)
    if events:
        said = f"{_event(cost[told] - cost[events[0]], _lower(labels[events[0]]))} {said}"
    lines = ["| | " + " | ".join(label for label, _, _ in SHOWN.values()) + " |", "| --- |" + " ---: |" * len(SHOWN)]
    for name in experiment.scenarios:
        cells = [format(float(np.median(values[kpi][name])) * scale + 0.0, form) for kpi, (_, scale, form) in SHOWN.items()]
        lines.append(f"| {labels[name]} | " + " | ".join(cells) + " |")
    return f"**{experiment.question}**", said, "\n".join([*lines, "", f"![{experiment.question}]({question}.png)"])


def _of(data: DataArray) -> Floats:
    return np.asarray(data.values, dtype=float)


def sentences(cost: Mapping[str, Floats], labels: Mapping[str, str], inputs: Mapping[str, Floats]) -> str:
    """What costs least, waiting and harm valued, by how much and how often; and the input that would change it most."""
    names = list(cost)
    least = np.array(names)[np.argmin(np.stack([cost[name] for name in names]), axis=0)]
    order = sorted(names, key=lambda name: float(np.median(cost[name])))
    best, second = order[0], order[1]
    gain = (cost[second] - cost[best]) / 1e6
    middle, low, high = (float(np.quantile(gain, share)) for share in (0.5, 0.1, 0.9))
    if middle > 0:
        text = (
            f"“{labels[best]}” costs least, waiting and harm valued: {middle:,.0f} million ({low:,.0f} to {high:,.0f}) less than "
            f"the next, “{_lower(labels[second])}”, in {_share(gain > 0)} of draws (least of all in {_share(least == best)}). "
        )
    else:  # medians of two costs are in one order, most of their differences in the other
        text = (
            f"Nothing clearly costs least, waiting and harm valued: “{_lower(labels[best])}” has the lowest median, but costs "
            f"less than “{_lower(labels[second])}” in {_share(gain > 0)} of draws only ({low:,.0f} to {high:,.0f} million less). "
        )
    name, cut, below, above = splitting(gain > 0, inputs)
    if not name or abs(below - above) < LEAST:
        return text + "No single input changes that order."
    return text + (
        f"What would change it most is {name.replace('_', ' ')}: below {cut:.3g} that order holds in {100 * below:.0f} %, "
        f"above in {100 * above:.0f} %."
    )


def _event(more: Floats, without: str) -> str:
    """What an event has cost, against the world without it."""
    middle, low, high = (float(np.quantile(more / 1e6, share)) for share in (0.5, 0.1, 0.9))
    size = f"{middle:,.0f} million ({low:,.0f} to {high:,.0f}) more than “{without}”"
    return f"What happened cost {size}, waiting and harm valued, in {_share(more > 0)} of draws."


def splitting(holds: NDArray[np.bool_], inputs: Mapping[str, Floats]) -> tuple[str, float, float, float]:
    """The input and the value at which the share of draws that hold differs most on the two sides."""
    found = ("", 0.0, 0.0, 0.0)
    gap = 0.0
    for name, values in inputs.items():
        for share in np.linspace(LEAST, 1 - LEAST, 9):
            cut = float(np.quantile(values, share))
            under = values < cut
            if not LEAST / 2 <= under.mean() <= 1 - LEAST / 2:
                continue
            below, above = float(holds[under].mean()), float(holds[~under].mean())
            if abs(below - above) > gap:
                found, gap = (name, cut, below, above), abs(below - above)
    return found


def picture(cost: Mapping[str, Floats], labels: Mapping[str, str], told: str, currency: str, path: Path) -> None:
    """What each scenario costs against what was done: median, and from the tenth to the ninetieth percentile of the draws."""
    from matplotlib.figure import Figure

    names = [name for name in cost if name != told]
    figure = Figure(figsize=(7.6, 1.2 + 0.32 * len(names)), layout="constrained")
    axes = figure.subplots()
    for row, name in enumerate(reversed(names)):
        more = (cost[name] - cost[told]) / 1e6
        low, middle, high = (float(np.quantile(more, share)) for share in (0.1, 0.5, 0.9))
        axes.plot([low, high], [row, row], color="#7f9db9", linewidth=3, solid_capstyle="butt")
        axes.plot([middle], [row], "o", color="#1f3b57", markersize=5)
    axes.axvline(0, color="#999999", linewidth=0.8)
    axes.set_yticks(range(len(names)), [labels[name] for name in reversed(names)], fontsize=8)
    axes.tick_params(axis="x", labelsize=8)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.margins(x=0.06)  # the last figure of the axis stays inside the picture
    figure.suptitle(f"Net present cost less that of “{labels[told]}”", x=0.01, ha="left", fontsize=10, weight="bold")
    axes.set_xlabel(f"{currency} million; dot: median, line: 8 in 10 draws", fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _share(holds: NDArray[np.bool_]) -> str:
    return f"{100 * float(np.mean(holds)):.0f} %"


def _lower(label: str) -> str:
    return label[:1].lower() + label[1:]


if __name__ == "__main__":
    main(sys.argv[1:])
