"""Put what the models, forecasts, witnesses and speeds are known to be into README.md, between `<!-- trust -->` marks.

    python docs/refresh_trust.py              the block, from committed files alone
    python docs/refresh_trust.py --targets    first try every model against its targets again: docs/trust.csv (a minute)
    python docs/refresh_trust.py --speed      first run the benchmarks again: benchmarks/speed.csv (two minutes, an idle machine)

Read: `docs/trust.csv`, `experiments/forty_two_systems/scores.csv` and its README.md, `docs/witnesses.md`,
`benchmarks/speed.csv`, and the table of `analyse/portability.py`.
`tests/test_trust.py` fails where README.md, or a row of docs/trust.csv, is of something else.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import io
import json
import math
import platform
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TRUST = ROOT / "docs" / "trust.csv"
SPEED = ROOT / "benchmarks" / "speed.csv"
STUDY = ROOT / "experiments" / "forty_two_systems"
MODELS = (
    ("va_transformation", "US Veterans Health Administration, 1994 to 2001"),
    ("canterbury", "Canterbury, New Zealand, 2007 to 2018"),
    ("mental_health_shift", "English mental-health hospitals, 1954 to 2011"),
    ("stroke_centralisation", "Acute stroke care in three English regions, 2008 to 2017"),
    ("reform_levers", "Targets, inspection, competition and training in England, 1990 to 2014"),
    ("care_shift", "A system of your own (England per million people as it stands)"),
)
HEADS = ("model", "met", "targets", "draws", "share", "least", "least_share", "made_from")
MARKS = ("<!-- trust -->", "<!-- end of trust -->")
WORDS = {"label", "source", "status", "note", "because"}
"""Keys of a case file that change no number."""
SIMPLE = ("last value", "seasonal naive", "12-month mean", "mean of last and 12-month mean", "mean of the three")
SERIES = ("ga_beds_occupied", "ga_occupancy", "nctr_remaining")
TOOLS = {"ours": "flowreform", "c_by_hand": "C by hand", "pysimlin": "pysimlin", "pysd": "PySD"}


def main() -> None:
    """Read the command line, measure what was asked, write README.md."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--targets", action="store_true")
    parser.add_argument("--speed", action="store_true")
    wanted = parser.parse_args()
    if wanted.targets:
        write_table(TRUST, HEADS, (measured(name) for name, _ in MODELS))
    if wanted.speed:
        measure_speed()
    readme = ROOT / "README.md"
    readme.write_text(with_block(readme.read_text(encoding="utf-8")), encoding="utf-8", newline="\n")


def with_block(readme: str) -> str:
    """README.md with its block as the files have it."""
    start, end = MARKS
    return re.sub(rf"{start}\n.*?{end}", lambda _: f"{start}\n{block()}\n{end}", readme, flags=re.S)


def block() -> str:
    """The table of models, and a line each for forecasts, witnesses and speed."""
    rows = {row["model"]: row for row in read_table(TRUST)}
    lines = ["| model | targets met | all of them at once, in draws fitted to the data |", "| --- | ---: | ---: |"]
    for name, title in MODELS:
        row = rows[name]
        share = f"{float(row['share']):.0%} of {row['draws']}".replace("%", " %") if row["share"] else "no such draws"
        lines.append(f"| [{title}](models/{name}/README.md) | {row['met']} of {row['targets']} | {share} |")
    return "\n".join([*lines, "", *forecasts(), *witnesses(), *speeds()])


# --- targets of the models -------------------------------------------------------------------------------------------


def measured(name: str) -> tuple[object, ...]:
    """A model's row: targets met as it stands, and in what share of its conditioned draws all are met at once."""
    import numpy as np

    import flowreform as fr
    from flowreform.analyse.assessment import targets_held

    model = fr.read_model(name)
    case = fr.read_case(model)
    assert case is not None
    base = targets_held(model, case, [{}])
    row: list[object] = [name, sum(bool(held.all()) for held in base.values()), len(case.targets), "", "", "", ""]
    if case.ensemble is not None and case.ensemble.current:
        count = len(case.ensemble)
        columns = case.ensemble.columns(np.arange(count))
        held = targets_held(model, case, [{n: float(c[at]) for n, c in columns.items()} for at in range(count)])
        every = np.logical_and.reduce(list(held.values()))
        least = min(held, key=lambda target: float(held[target].mean()))
        row[3:] = [count, f"{every.mean():.4f}", least, f"{held[least].mean():.4f}"]
    return (*row, made_from(name))


def made_from(name: str) -> str:
    """A hash of what a row depends on: equations, targets, settings, priors, draws; not of documentation and labels."""
    folder = ROOT / "models" / name
    equations = re.sub(r"<doc>.*?</doc>|\s+", "", (folder / "model.xmile").read_text(encoding="utf-8"), flags=re.S)
    case = tomllib.loads((folder / "model.toml").read_text(encoding="utf-8"))
    tables = without_words({key: case.get(key) for key in ("calendar", "targets", "settings", "uncertainties", "fit")})
    draws = folder / "posterior.csv"
    parts = [
        equations,
        json.dumps(tables, sort_keys=True, default=str),
        draws.read_text(encoding="utf-8") if draws.exists() else "",
    ]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def without_words(raw: Any) -> Any:
    """A table without what changes no number."""
    if isinstance(raw, Mapping):
        return {key: without_words(value) for key, value in raw.items() if key not in WORDS}
    return [without_words(value) for value in raw] if isinstance(raw, list) else raw


# --- forecasts -------------------------------------------------------------------------------------------------------


def forecasts() -> Iterator[str]:
    """Error against the best simple method (geometric mean over origins, then series), and what bands cover."""
    rows = [row for row in read_table(STUDY / "scores.csv") if row["from"] == "1"]
    origins = list(dict.fromkeys(row["origin"] for row in rows))
    ratios, covered = [], []
    for series in SERIES:
        for origin in origins:
            here = [row for row in rows if (row["series"], row["origin"]) == (series, origin)]
            whole = {row["method"]: row for row in here if row["to"] == max((r["to"] for r in here), key=int)}
            best = min(float(whole[method]["mae"]) for method in SIMPLE if method in whole and whole[method]["mae"])
            ratios.append(math.log(float(whole["stocks"]["mae"]) / best))
            covered.append(float(whole["stocks"]["coverage"]))
    ratio = math.exp(sum(ratios) / len(ratios))
    share = [100 * sum(covered[at : at + len(origins)]) / len(origins) for at in range(0, len(covered), len(origins))]
    met = "**The limits are not met.**" not in (STUDY / "README.md").read_text(encoding="utf-8")
    yield (
        f"- **Forecasts.** England's 42 integrated care systems, fitted on the months known and scored on later months that were"
        f" held back: the error is {ratio:.2f} times that of the best simple method of each case, chosen"
        f" afterwards; bands of 8 in 10 held"
        f" {share[0]:.0f} % (beds occupied), {share[1]:.0f} % (occupancy) and {share[2]:.0f} % (people with no criteria"
        " to reside) of the months. A forecast of the next 17 months is committed and not yet scored."
        + ("" if met else " The sampling has not converged to its own limits.")
        + " [How, and where it is worse](experiments/forty_two_systems/README.md)."
    )


# --- witnesses -------------------------------------------------------------------------------------------------------


def witnesses() -> Iterator[str]:
    """Vendor-checked files matched, by tool; constructs of which it is known what other programs do."""
    from flowreform.analyse.portability import TABLE, TOOLS

    text = (ROOT / "docs" / "witnesses.md").read_text(encoding="utf-8").partition("## Against the vendor's table")[2]
    matched = {}
    for tool in ("flowreform", "PySD", "pysimlin"):
        line = next(line for line in text.splitlines() if line.startswith(f"| {tool} |"))
        pairs = re.findall(r"(\d+) of (\d+) match", line)
        matched[tool] = (sum(int(good) for good, _ in pairs), sum(int(all_) for _, all_ in pairs))
    (ours, files), pysd, simlin = matched["flowreform"], matched["PySD"][0], matched["pysimlin"][0]
    yield (
        f"- **Other simulators.** Of {files} test models with results from Vensim or Stella, {ours} agree here"
        f" ({pysd} in PySD, {simlin} in"
        f" pysimlin). For {len(TABLE)} constructs a table says what {len(TOOLS)} programs (Stella, Vensim, PySD,"
        f" simlin) do with each; tests"
        " hold it to PySD and simlin. [All differences, by name](docs/witnesses.md)."
    )


# --- speed -----------------------------------------------------------------------------------------------------------


def speeds() -> Iterator[str]:
    """Runs a second against the other programs: the two benchmark models, every step saved, one core."""
    rows = read_table(SPEED)
    at = {(row["model"], row["saved"], row["program"]): float(row["runs_per_second"]) for row in rows}
    models = list(dict.fromkeys(row["model"] for row in rows))

    def against(program: str) -> str:
        ratios = [at[m, "every step", TOOLS["ours"]] / at[m, "every step", program] for m in models]
        return " and ".join(f"{ratio:,.{0 if ratio >= 10 else 1}f}" for ratio in (rounded(one) for one in ratios))

    yield (
        f"- **Speed.** Runs a second on one core, two benchmark models, every step saved: {against('PySD')} times PySD,"
        f" {against('pysimlin')} times pysimlin, {against('C by hand')} times C written by hand ({rows[0]['machine']};"
        " [table](benchmarks/speed.csv), by `python docs/refresh_trust.py --speed`)."
    )


def rounded(value: float) -> float:
    """Two significant figures."""
    return round(value, 1 - math.floor(math.log10(value)))


def measure_speed() -> None:
    """Run the benchmarks of the kernels, and keep runs a second, the machine, and the day and commit of what was measured."""
    with tempfile.TemporaryDirectory() as folder:
        found = Path(folder) / "bench.json"
        words = [
            "-q",
            "-n",
            "0",
            "benchmarks/test_kernels.py",
            "-k",
            "not block",
            "--benchmark-enable",
            f"--benchmark-json={found}",
        ]
        subprocess.run([sys.executable, "-m", "pytest", *words], cwd=ROOT, check=True)
        keep_speed(json.loads(found.read_text(encoding="utf-8")))


def keep_speed(found: Mapping[str, Any]) -> None:
    """Write benchmarks/speed.csv from what pytest-benchmark wrote."""
    commit = subprocess.run(
        ["git", "log", "-1", "--format=%cs,%h"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.strip()
    day, short = commit.split(",")
    cpu = found["machine_info"]["cpu"].get("brand_raw") or platform.processor()
    machine = f"{cpu}, Python {found['machine_info']['python_version']}"
    rows = []
    for one in found["benchmarks"]:
        model, saved = one["group"].split(", saved ")
        program = TOOLS[re.sub(r"^test_|\[.*", "", one["name"])]
        rows.append(
            (model, saved, program, one["extra_info"]["runs_per_second"] or f"{1 / one['stats']['min']:.3g}", machine, day, short)
        )
    write_table(SPEED, ("model", "saved", "program", "runs_per_second", "machine", "day", "commit"), sorted(rows))


# --- tables ----------------------------------------------------------------------------------------------------------


def read_table(file: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    return list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))


def write_table(file: Path, heads: tuple[str, ...], rows: Any) -> None:
    """A CSV file."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(heads)
    writer.writerows(rows)
    file.write_text(text.getvalue(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
