"""Put into each model's README what matters most for double-running cost, and when: a picture, a table and two sentences.

    python docs/refresh_sensitivity.py [MODEL ...]      (--words: only the sentences anew, from the tables)

Writes models/<name>/sensitivity.png and sensitivity.csv and the part of README.md between `<!-- sensitivity -->` and
`<!-- end of sensitivity -->`, which follows from the table alone: a test holds them together. Takes some minutes.
"""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from io import BytesIO
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
ANALYSED = {
    "va_transformation": ("va_beds_to_community", "as_was"),
    "canterbury": ("canterbury_no_transformation", "as_was"),
    "mental_health_shift": ("mental_health_double_running", "as_planned"),
    "care_shift": ("care_shift_build_or_close_first", "build_first"),
}
"""The experiment and scenario that tell the story of each model."""
KPI, VARIABLE = "overlap_total", "overlap_cost"
SAMPLES = {"care_shift": 512, "canterbury": 512}
FEWER = 128
"""Samples of the other models, whose runs take longer."""
NAMED = 3
"""Inputs in the table and in the sentences."""
NOTICEABLE = 0.05
"""Times count where the range of the cost is at least this share of its widest."""
ALONE = 0.25
"""A share of the variance below this decides nothing by itself."""
BEGIN, END = "<!-- sensitivity -->", "<!-- end of sensitivity -->"


@dataclass(frozen=True)
class Row:
    """A line of the table: of the whole cost (`period` empty; index ST, P5, P50, P95) or of a part of its time (S1)."""

    experiment: str
    scenario: str
    samples: int
    seed: int
    model_sha256: str
    period: str
    parameter: str
    label: str
    index: str
    value: float
    half_width: float
    unit: str


def main(names: Sequence[str]) -> None:
    """Refresh the models named, or all."""
    chosen = [name for name in names if name != "--words"] or list(ANALYSED)
    for name in chosen:
        folder = ROOT / "models" / name
        if "--words" not in names:
            rows, picture = analyse(name, SAMPLES.get(name, FEWER))
            write_table(folder / "sensitivity.csv", rows)
            save(picture, folder / "sensitivity.png")
        rows = read_table(folder / "sensitivity.csv")  # digits as they stand there
        readme = folder / "README.md"
        readme.write_text(placed(readme.read_text(encoding="utf-8"), section(rows)), encoding="utf-8", newline="\n")
        print(name, section(rows), sep="\n")


def analyse(name: str, samples: int) -> tuple[list[Row], Any]:
    """The table of a model, and its picture."""
    import flowreform as fr
    from flowreform.export.panels import axis_of
    from flowreform.export.sensitivity_pictures import one_page

    question, scenario = ANALYSED[name]
    experiment = fr.read_experiment(question)
    ds = fr.sensitivity(experiment, "sobol", samples, scenario=scenario, kpis=[KPI], variables=[VARIABLE])
    one = ds.sel(scenario=scenario)
    calendar = experiment.case.calendar if experiment.case else None
    axis = axis_of(experiment.start, experiment.stop, experiment.model.specs.time_unit, calendar)
    common = (question, scenario, samples, int(ds.attrs["seed"]), experiment.model.sha256)
    rows = [*_whole(one, common), *_periods(one, axis, common)]
    title = f"What decides the cost of double running ({experiment.scenarios[scenario].label.partition(':')[0]})"
    return rows, one_page(one, KPI, VARIABLE, axis, title)


def _whole(one: Any, common: tuple[Any, ...]) -> list[Row]:
    unit = str(one["kpi_units"].values[0])
    values = np.asarray(one["kpi_value"].sel(kpi=KPI).values)
    rows = [
        Row(*common, "", "", "", f"P{share}", float(np.nanquantile(values, share / 100)), float("nan"), unit)
        for share in (5, 50, 95)
    ]
    index, width = (one[part].sel(kpi=KPI, index="ST").values for part in ("kpi_index", "kpi_confidence"))
    for at in np.argsort(-index, kind="stable")[:NAMED]:
        rows.append(Row(*common, "", *_input(one, at), "ST", float(index[at]), float(width[at]), ""))
    return rows


def _periods(one: Any, axis: Any, common: tuple[Any, ...]) -> list[Row]:
    """First-order shares in each third of the time in which the cost varies, each time weighted by the range of outcomes."""
    band, times = one["band"].sel(variable=VARIABLE), one["time"].values
    range_ = np.asarray(band.sel(quantile=0.95).values - band.sel(quantile=0.05).values)
    kept = np.flatnonzero(range_ >= NOTICEABLE * range_.max())
    index = np.clip(np.asarray(one["variable_index"].sel(variable=VARIABLE, index="S1").values), 0, None)  # [time, parameter]
    rows = []
    for part in np.array_split(np.arange(kept[0], kept[-1] + 1), 3):
        weight = range_[part]
        share = (index[part] * weight[:, None]).sum(axis=0) / weight.sum()
        first, last = (_year(axis, float(times[at])) for at in (part[0], part[-1]))
        period = first if first == last else f"{first} to {last}"
        for at in np.argsort(-share, kind="stable")[:NAMED]:
            rows.append(Row(*common, period, *_input(one, at), "S1", float(share[at]), float("nan"), ""))
    return rows


def _year(axis: Any, time: float) -> str:
    """The reporting year that a time lies in."""
    if not axis.years:
        return f"{time:g}"
    at = int(np.searchsorted(axis.edges, time, side="right")) - 1
    return str(axis.years[min(max(at, 0), len(axis.years) - 1)])


def _input(one: Any, at: int) -> tuple[str, str]:
    return str(one["parameter"].values[at]), str(one["parameter_label"].values[at])


# --- the table and the sentences that follow from it ------------------------------------------------------------------


def write_table(path: Path, rows: Sequence[Row]) -> None:
    """The rows as CSV, four digits of each number."""
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow([field.name for field in fields(Row)])
        for row in rows:
            writer.writerow([_plain(value) for value in asdict(row).values()])


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return "" if np.isnan(value) else f"{value:.4g}"
    return str(value)


def read_table(path: Path) -> list[Row]:
    """What `write_table` wrote."""
    with path.open(encoding="utf-8", newline="") as handle:
        return [
            Row(
                **(raw | {"samples": int(raw["samples"]), "seed": int(raw["seed"])}
                   | {key: float(raw[key] or "nan") for key in ("value", "half_width")})
            )
            for raw in csv.DictReader(handle)
        ]  # fmt: skip


def section(rows: Sequence[Row]) -> str:
    """The picture and two sentences: what matters most, and when."""
    first = rows[0]
    what, when = sentences(rows)
    text = f"![Shares of the variance of double-running cost, in all and over time](sensitivity.png)\n\n{what} {when}"
    text += f"\n(`{first.experiment}`, scenario `{first.scenario}`; table: `sensitivity.csv`.)"
    return f"{BEGIN}\n{text}\n{END}"


def sentences(rows: Sequence[Row]) -> tuple[str, str]:
    """What matters most for the cost of double running, and when."""
    from flowreform.text import number

    low, middle, high = (next(row for row in rows if row.index == f"P{share}") for share in (5, 50, 95))
    named = [f"{number(row.value, 3)}" for row in (middle, low, high)]
    cost = f"Double running costs {named[0]} {middle.unit} in all (median; 5th to 95th percentile {named[1]} to {named[2]})"
    leading = [row for row in rows if row.index == "ST"]
    shown = [f"{_low(row.label)} ({row.value:.2f} ± {row.half_width:.2f})" for row in leading]
    one, two = leading[0], leading[1]
    if one.value - one.half_width > two.value + two.half_width:
        order = f"is {shown[0]}, then {' and '.join(shown[1:])}"
    else:
        order = f"is {' or '.join(shown[:2])}, too close to tell which, then {shown[2]}"
    what = f"{cost}, and what matters most for it {order}: total shares of the variance."
    leaders: dict[str, Row] = {}
    for row in rows:
        if row.index == "S1":
            leaders.setdefault(row.period, row)
    groups = [list(group) for _, group in groupby(leaders.values(), key=lambda row: row.parameter)]
    spans = [f"{row.value:.2f} in {row.period}" for row in leaders.values()]
    label = _low(groups[0][0].label)
    if len(groups) > 1:
        when = f"When: {_list([_group(group) for group in groups])}, with its own share of the variance at that time."
    elif groups[0][0].parameter == one.parameter:
        when = f"It leads at all times: its own share of the cost's variance is {_list(spans)}."
    else:
        when = f"At any one time it is {label} that leads: its own share of the cost's variance is {_list(spans)}."
    return what, when


def _group(rows: Sequence[Row]) -> str:
    """An input, how long it leads, and its share in each part of that time."""
    first, last = rows[0].period.partition(" to ")[0], rows[-1].period.rpartition(" to ")[2]
    span = first if first == last else f"{first} to {last}"
    shares = " then ".join(f"{row.value:.2f}" for row in rows)
    if all(row.value < ALONE for row in rows):
        return f"no one input in {span} (the largest is {_low(rows[0].label)}, {shares}: inputs act together)"
    return f"{_low(rows[0].label)} in {span} ({shares})"


def _list(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} and {words[-1]}" if len(words) > 1 else words[0]


def _low(label: str) -> str:
    """A label inside a sentence: a first letter in lower case, unless more capitals follow."""
    text = label.replace("_", " ")
    return text[:1].lower() + text[1:] if text[1:2].islower() or text[1:2] == " " else text


def placed(text: str, part: str) -> str:
    """A README with its section put in, or put in anew at its end."""
    if BEGIN in text:
        return re.sub(f"{BEGIN}.*?{END}", lambda _: part, text, flags=re.S)
    return f"{text.rstrip()}\n\n## What matters most for double-running cost, and when\n\n{part}\n"


def save(figure: Any, path: Path) -> None:
    """A modest PNG, the same bytes for the same numbers."""
    import matplotlib
    from PIL import Image

    buffer = BytesIO()
    with matplotlib.rc_context({"text.parse_math": False}):
        figure.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    Image.open(buffer).convert("RGB").quantize(64, dither=Image.Dither.NONE).save(path, optimize=True)


if __name__ == "__main__":
    main(sys.argv[1:])
