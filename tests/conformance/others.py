"""The same files and tolerance through other tools: PySD and pysimlin."""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import suite

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
