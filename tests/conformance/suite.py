"""The vendor-checked models of a folder, whatever it holds: each file with the table its vendor's tool printed.

Nothing here knows a file by its name. A file that cannot be compared is recognised by what is wrong with it (`broken`,
`other_table`): an equation `???`, XML that is not well-formed, a macro or an initial value that the exporter left out.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from flowreform import read_model, simulate
from flowreform.errors import Finding, ModelError
from flowreform.formats.expressions import qualified
from flowreform.model import Method, Model, Role, canonical
from flowreform.names import join, split

RTOL, ATOL = 1e-4, 1e-6
"""A vendor's table agrees when every value is within RTOL of itself plus ATOL of its column's range."""

SUFFIXES = (".mdl", ".xmile", ".stmx")
_TABLES = ("{stem}.tab", "{stem}.csv", "output.tab", "outputs.tab", "output.csv")


@dataclass(frozen=True)
class Table:
    """A vendor's output: times, and columns by canonical name (`beds[acute]`), NaN where a cell is empty or no number."""

    path: Path
    times: np.ndarray
    columns: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Miss:
    """A column that disagrees: where it is furthest off, what the tool gave and what the vendor did."""

    name: str
    time: float
    value: float
    vendor: float

    def __str__(self) -> str:
        return f"{self.name} at {self.time:g}: {self.value:.8g}, vendor {self.vendor:.8g}"


@dataclass(frozen=True)
class Outcome:
    """What became of one file: `matches`, `misses`, `broken` (the file), `unsupported`, or `runs` (there is no table)."""

    status: str
    reason: str = ""
    compared: int = 0


def models(folder: Path) -> list[Path]:
    """Every model file of a folder."""
    return sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES and path.is_file())


# --- tables ----------------------------------------------------------------------------------------------------------


def table_of(path: Path) -> Table | None:
    """The vendor's table beside a model: the first candidate whose first column is numbers (its header is the time)."""
    for pattern in _TABLES:
        candidate = path.parent / pattern.format(stem=path.stem)
        if candidate.is_file():
            found = read_table(candidate)
            if found is not None:
                return found
    return None


def read_table(path: Path) -> Table | None:
    """A table of numbers separated by tabs or commas; None where the first column is none."""
    text = path.read_text(encoding="utf-8-sig", errors="replace")
    mark = "\t" if "\t" in text.partition("\n")[0] else ","
    rows = [row for row in csv.reader(text.splitlines(), delimiter=mark) if any(cell.strip() for cell in row)]
    if len(rows) < 2:
        return None
    head, body = rows[0], rows[1:]
    cells = np.array([[_number(row[i]) if i < len(row) else math.nan for i in range(len(head))] for row in body])
    kept = np.isfinite(cells[:, 0])
    if not kept.any():
        return None
    cells = cells[kept]
    columns = {flat_name(name): cells[:, i] for i, name in enumerate(head) if i}
    return Table(path, cells[:, 0], columns)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def flat_name(text: str) -> str:
    """`Beds [Acute]` as `beds[acute]`."""
    base, elements = split(text)
    return join(qualified(base) if '"' not in text else base, elements)


def differences(table: Table, times: np.ndarray, columns: Mapping[str, np.ndarray]) -> tuple[int, list[Miss]]:
    """How many columns both have at common times, and those that disagree. An array's column may stand for one number."""
    near = np.abs(times[None, :] - table.times[:, None])
    where = near.argmin(axis=1)
    common = near[np.arange(len(where)), where] < 1e-6 * np.maximum(1.0, np.abs(table.times))
    compared, misses = 0, []
    for name, theirs in table.columns.items():
        ours = columns.get(name)
        usable = common & np.isfinite(theirs)
        if ours is None or not usable.any():
            continue
        compared += 1
        a, b = ours[where[usable]], theirs[usable]
        with np.errstate(invalid="ignore"):
            off = np.abs(a - b)
        fits = off <= RTOL * np.abs(b) + ATOL * np.ptp(b) + 1e-12
        if not fits.all():
            worst = int(np.where(fits, -1.0, np.where(np.isnan(off), np.inf, off)).argmax())
            misses.append(Miss(name, float(table.times[usable][worst]), float(a[worst]), float(b[worst])))
    return compared, misses


# --- flowreform ------------------------------------------------------------------------------------------------------


def run_flat(model: Model, engine: str = "python") -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Saved times, and every series of a model by flat name; a constant is a series too."""
    ds = simulate(model, engine=engine)
    times = np.asarray(ds["time"].values, dtype=float)
    columns: dict[str, np.ndarray] = {}
    for variable in model:
        if variable.role is Role.LOOKUP or variable.name not in ds:
            continue
        array = ds[variable.name].isel(run=0) if "run" in ds[variable.name].dims else ds[variable.name]
        sizes = [len(model.dimensions[name].elements) for name in variable.dimensions]
        if "time" in array.dims:
            array = array.transpose(..., "time")
        values = np.asarray(array.values, dtype=float)
        if "time" not in array.dims:
            values = np.broadcast_to(values[..., None], (*values.shape, len(times)))
        values = values.reshape(*sizes, len(times))
        for place in np.ndindex(*sizes):
            elements = tuple(model.dimensions[d].elements[i] for d, i in zip(variable.dimensions, place, strict=True))
            columns[join(variable.name, elements)] = values[place]
    return times, columns


def judge(path: Path, engine: str = "python") -> Outcome:
    """Read, run and compare one file."""
    try:
        model = read_model(path)
        times, columns = run_flat(model, engine)
    except ModelError as fault:
        fault_of_file = next((text for finding in fault.findings if (text := broken(path, finding))), "")
        if fault_of_file:
            return Outcome("broken", fault_of_file)
        return Outcome("unsupported", str(fault).split("\n")[0])
    table = table_of(path)
    if table is None:
        return Outcome("runs", "there is no table beside it")
    compared, misses = differences(table, times, columns)
    if not misses:
        return Outcome("matches" if compared else "runs", "" if compared else "its table has none of its variables", compared)
    foreign = other_table(path, model, table)
    if foreign:
        return Outcome("runs", foreign)
    unbalanced = not_conserved(model, table)
    if unbalanced:
        return Outcome("broken", unbalanced)
    shown = f"{len(misses)} of {compared} columns: " + "; ".join(map(str, misses[:3]))
    twin = twin_of(path)
    if twin is not None:
        missing = lost_initial(model, twin)
        if missing:
            return Outcome("broken", f"the initial value of {missing} is not in the file ({shown})")
        if model.specs.method is not twin.specs.method:
            as_twin = replace(model, specs=replace(model.specs, method=twin.specs.method))
            compared, misses = differences(table, *run_flat(as_twin, engine))
            if not misses:
                reason = f"by {twin.specs.method} as in the .mdl file beside it; this file says {model.specs.method}"
                return Outcome("matches", reason, compared)
    return Outcome("misses", shown, compared)


def twin_of(path: Path) -> Model | None:
    """The same model in Vensim's own format, from which an exporter made this file."""
    other = path.with_suffix(".mdl")
    if path.suffix == ".mdl" or not other.is_file():
        return None
    try:
        return read_model(other)
    except ModelError:
        return None


# --- what is wrong with a file ---------------------------------------------------------------------------------------


def broken(path: Path, finding: Finding) -> str:
    """What is wrong with the file itself, for a finding that no reader could avoid; empty for any other."""
    text = path.read_text(encoding="utf-8", errors="replace")
    if finding.rule == "missing-equation" and "???" in text:
        return "an equation is ???"
    if finding.rule == "xml-syntax":
        return "it is not well-formed XML"
    if finding.rule == "unknown-element" and "<dim" in text:
        return "it uses an element that its dimension does not have"
    if finding.rule == "expression" and re.search(r"between \w+ and not$", finding.reason):
        return "NOT stands after its operand"
    if re.search(r"data file '.*' is not there", finding.reason):
        return "a data file that it reads is not in the folder"
    words = re.search(r"two names in a row \(([^)]*)\)", finding.reason)
    other = path.with_suffix(".mdl")
    if words and "<macro" not in text and other.is_file():
        heads = re.findall(r":MACRO:\s*([^(]+)\(", other.read_text(encoding="utf-8", errors="replace"))
        if canonical(words[1]) in {canonical(head) for head in heads}:
            return "the macro it calls is not in the file"
    return ""


def other_table(path: Path, model: Model, table: Table) -> str:
    """Whether the table is that of another model in the folder: vendors print every variable, so one that is not there
    means that the table is not this model's."""
    others = [other for other in path.parent.glob(f"*{path.suffix}") if other != path]
    known = {name.partition("[")[0] for name in table.columns}
    missing = [v.name for v in model if v.role not in (Role.LOOKUP, Role.PARAMETER) and v.name not in known]
    if others and len(missing) > len(model.variables) / 2:
        return f"the table beside it is of another model (it lacks {missing[0]} and {len(missing) - 1} more)"
    return ""


def not_conserved(model: Model, table: Table) -> str:
    """A non-negative stock that does not change by its own flows in the table: it was held at zero while they ran on, which the
    format's maker does not do, so the table is not the maker's."""
    dt = model.specs.dt
    if len(table.times) < 2 or model.specs.method is not Method.EULER or np.abs(np.diff(table.times) - dt).max() > 1e-6:
        return ""
    for stock in model:
        named = (stock.name, *stock.inflows, *stock.outflows)
        if not stock.non_negative or stock.dimensions or any(name not in table.columns for name in named):
            continue
        net = sum((table.columns[name] for name in stock.inflows), np.zeros(len(table.times)))
        net = net - sum((table.columns[name] for name in stock.outflows), np.zeros(len(table.times)))
        off = np.abs(np.diff(table.columns[stock.name]) - dt * net[:-1])
        if off.max() > 1e-3 * max(1.0, float(np.abs(net).max())):
            at = table.times[1 + int(off.argmax())]
            return f"in its table {stock.name} is held at zero while its flows run on (at {at:g}), so it is not the maker's"
    return ""


def lost_initial(model: Model, twin: Model) -> str:
    """A variable whose initial value differs from its equation in the twin (ACTIVE INITIAL) and not in this file."""
    for variable in twin:
        here = model.variables.get(variable.name)
        if here is not None and any(e.initial for e in variable.equations) and not any(e.initial for e in here.equations):
            return variable.label
    return ""


def tally(outcomes: Mapping[Path, Outcome]) -> Iterator[str]:
    """One line for each format: matches, what was compared, and all files."""
    for suffix in SUFFIXES:
        mine = [outcome for path, outcome in outcomes.items() if path.suffix == suffix]
        counts = {status: sum(outcome.status == status for outcome in mine) for status in ("matches", "misses", "broken")}
        rest = ", ".join(f"{word}: {sum(o.status == word for o in mine)}" for word in ("unsupported", "runs"))
        yield f"{suffix}: {counts['matches']} match of {len(mine)}; miss: {counts['misses']}; broken: {counts['broken']}; {rest}"
