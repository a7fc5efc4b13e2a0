"""The same files and tolerance through other tools: PySD and pysimlin."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import suite

from flowreform.engine.witness import compare
from flowreform.model import Method

Flat = tuple[np.ndarray, dict[str, np.ndarray]]


def run_pysd(path: Path, scratch: Path) -> Flat:
    """Every column of a run of PySD, on a copy of the file and the data beside it."""
    import pysd

    folder = scratch / f"pysd_{abs(hash(path))}"
    shutil.copytree(path.parent, folder, dirs_exist_ok=True)
    copy = folder / path.name
    model = pysd.read_vensim(str(copy)) if path.suffix == ".mdl" else pysd.read_xmile(str(copy))
    frame = model.run(flatten_output=True)
    return np.asarray(frame.index, dtype=float), {
        suite.flat_name(str(name)): np.asarray(frame[name], dtype=float) for name in frame.columns
    }


def run_simlin(path: Path, scratch: Path) -> Flat:
    """Every column of a run of pysimlin."""
    import simlin

    frame = simlin.load(path).run(analyze_loops=False).results
    return np.asarray(frame.index, dtype=float), {
        suite.flat_name(str(name)): np.asarray(frame[name], dtype=float) for name in frame.columns
    }


TOOLS: dict[str, Callable[[Path, Path], Flat]] = {"PySD": run_pysd, "pysimlin": run_simlin}


def judge(run: Callable[[Path, Path], Flat], path: Path, scratch: Path) -> tuple[suite.Outcome, Flat | None]:
    """What a tool makes of a file. Whatever it raises means that it cannot run the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            times, columns = run(path, scratch)
        except ImportError:
            raise  # a tool that is not here is no tool that cannot
        except Exception as fault:  # noqa: BLE001 - another tool may raise anything over a model it cannot run
            return suite.Outcome("unsupported", f"{type(fault).__name__}: {str(fault)[:100]}"), None
    table = suite.table_of(path)
    if table is None:
        return suite.Outcome("runs"), (times, columns)
    compared, misses = suite.differences(table, times, columns)
    if misses:
        return suite.Outcome("misses", f"{len(misses)} of {compared}: {misses[0]}", compared), (times, columns)
    return suite.Outcome("matches" if compared else "runs", "", compared), (times, columns)


def report(files: Sequence[Path], ours: Mapping[Path, suite.Outcome], scratch: Path) -> tuple[str, dict[tuple[str, str], int]]:
    """Numbers matched, run and tried for each tool and format, and the disagreements."""
    found = {tool: {path: judge(run, path, scratch)[0] for path in files} for tool, run in TOOLS.items()}
    found["flowreform"] = dict(ours)
    lines = ["tool        format  matches  runs  files"]
    counts: dict[tuple[str, str], int] = {}
    for tool, outcomes in found.items():
        for suffix in suite.SUFFIXES:
            mine = [outcome for path, outcome in outcomes.items() if path.suffix == suffix]
            counts[tool, suffix] = sum(outcome.status == "matches" for outcome in mine)
            runs = sum(outcome.status in ("matches", "misses", "runs") for outcome in mine)
            lines.append(f"{tool:<12}{suffix:<8}{counts[tool, suffix]:>7}{runs:>6}{len(mine):>7}")
    lines.append("disagreements (the vendor's side first)")
    for path in files:
        states = {tool: outcomes[path].status for tool, outcomes in found.items()}
        if "misses" in states.values():
            with_vendor = ", ".join(tool for tool, state in states.items() if state == "matches") or "none"
            against = "; ".join(f"{tool} ({found[tool][path].reason})" for tool, state in states.items() if state == "misses")
            lines.append(f"  {path.parent.name}/{path.name}: {with_vendor} | {against}")
    return "\n".join(lines), counts


# --- to the ninth digit ----------------------------------------------------------------------------------------------

NINE_DIGITS = 1e-9


def is_exact(dt: float) -> bool:
    """Can a step be written in binary, so that no clock is off?"""
    return (dt * 2**30).is_integer()


def apart(ours: Flat, theirs: Flat) -> tuple[float, str]:
    """The largest difference over all columns that both have, |a - b| / max|b|, at common times, and the column."""
    worst, where = 0.0, ""
    near = np.abs(theirs[0][None, :] - ours[0][:, None])
    at = near.argmin(axis=1)
    common = near[np.arange(len(at)), at] < 1e-6
    for name, column in theirs[1].items():
        if name not in ours[1] or not common.any():
            continue
        a, b = ours[1][name][common], column[at[common]]
        off = compare({name: a}, {name: b})[name]
        if off > worst:
            worst, where = off, name
    return worst, where


def side_of_vendor(path: Path, name: str, ours: Flat, theirs: Flat, tool: str) -> str:
    """Whose column is nearer to the vendor's table."""
    table = suite.table_of(path)
    if table is None or name not in table.columns:
        return "not in the table"
    found = {}
    for who, (times, columns) in (("flowreform", ours), (tool, theirs)):
        near = np.abs(times[None, :] - table.times[:, None])
        at = near.argmin(axis=1)
        common = near[np.arange(len(at)), at] < 1e-6
        vendors = table.columns[name][common]
        told = np.isfinite(vendors)  # an empty cell says nothing for either
        if not told.any():
            return "not in the table"
        off = np.abs(columns[name][at[common]][told] - vendors[told])
        found[who] = float(np.where(np.isnan(off), np.inf, off).max())
    digits = 1e-5 * float(np.abs(vendors[told]).max()) + 1e-12
    if abs(found["flowreform"] - found[tool]) <= digits:
        return "both alike"
    return min(found, key=lambda who: found[who])


Row = tuple[str, str, str, float, str]
"""File, tool, column, how far apart, the vendor's side."""


def disagreements(
    files: Sequence[Path], folder: Path, scratch: Path, tools: Sequence[str] = tuple(TOOLS)
) -> tuple[list[Row], dict[tuple[str, str], tuple[int, int]]]:
    """Each file and tool that differ by more than 1e-9 where dt is exact; for each tool and format how many files were compared
    and how many agree. PySD knows Euler's method only, so a file that asks for another is run with Euler's beside it."""
    rows: list[Row] = []
    counts: dict[tuple[str, str], tuple[int, int]] = {}
    for path in files:
        model = suite.read_model(path)
        if not is_exact(model.specs.dt):
            continue
        for tool in tools:
            theirs = judge(TOOLS[tool], path, scratch)[1]
            if theirs is None:
                continue
            method = Method.EULER if tool == "PySD" else model.specs.method
            ours = suite.run_flat(replace(model, specs=replace(model.specs, method=method)))
            off, name = apart(ours, theirs)
            if off > NINE_DIGITS:
                side = side_of_vendor(path, name, ours, theirs, tool)
                rows.append((path.relative_to(folder).as_posix(), tool, name, off, side))
            compared, agree = counts.get((tool, path.suffix), (0, 0))
            counts[tool, path.suffix] = compared + 1, agree + (off <= NINE_DIGITS)
    return rows, counts
