"""Whether a sweep's folder still says what the model says: every checksum, and a sample of runs worked out again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowreform.sweeps.arrays import Arrays, damaged
from flowreform.sweeps.evaluate import Evaluator, batch_of, choose_engine
from flowreform.sweeps.identity import differences, identity_of, machine
from flowreform.sweeps.layout import FAILED, Layout
from flowreform.sweeps.reading import experiment_of
from flowreform.sweeps.store import fault_of, layout_in, open_ledger

SAMPLE = 64
"""Runs that are worked out again."""
TOLERANCE = 1e-9
"""Of a series' largest value, where machine or versions are others (rule 6)."""

EXACT = "same machine type and versions: equal to the last bit"


@dataclass(frozen=True)
class Verified:
    """What was checked and what was found. `faults` has a line for each file or number that is not as it should be."""

    files: int
    parts: int
    missing_parts: int
    runs: int
    numbers: int
    rule: str
    faults: tuple[str, ...]
    largest_difference: float

    @property
    def same(self) -> bool:
        """Whether everything is as it should be."""
        return not self.faults

    def rows(self) -> list[tuple[str, int, str]]:
        """What, how many, and how it went."""
        bad = len([fault for fault in self.faults if fault.startswith("file ")])
        wrong = len(self.faults) - bad
        return [
            ("checksums of files", self.files, "all equal" if not bad else f"{bad:,} not"),
            ("parts missing", self.missing_parts, "finished" if not self.missing_parts else "not finished: runs missing"),
            ("runs worked out again", self.runs, "all equal" if not wrong else f"{wrong:,} faults"),
            ("numbers compared", self.numbers, f"largest difference {self.largest_difference:.3g}"),
        ]


def verify_sweep(folder: Path, *, sample: int = SAMPLE, seed: int | None = None, engine: str = "auto") -> Verified:
    """Check every file against the ledger and work `sample` runs out again, drawn at random (`seed`: the same ones again).

    Compared bit by bit on the machine type and versions that made the sweep, else to 1e-9 of the largest value of each KPI,
    input or series. Raises ExperimentError where there is no sweep."""
    ledger = open_ledger(folder)
    try:
        files, have = ledger.files(), ledger.parts()
        layout, unworked = layout_in(ledger), ledger.unworked()
        identity, made_on = ledger.table("identity"), ledger.table("machine")
    finally:
        ledger.close()
    faults, bad_parts = [], set()
    for file in files:
        if reason := fault_of(folder, file):
            faults.append(f"file {file.path}: {reason}")
            if file.part is not None:
                bad_parts.add(file.part)
    experiment = experiment_of(folder)
    try:
        layout.require_of(experiment)
    except ValueError as fault:
        raise damaged(folder, str(fault)) from fault
    for name, _, _ in differences(identity, identity_of(experiment)):
        faults.append(f"file {name}: the experiment or model in the folder is not the one that was run")
    others = differences(made_on, machine())
    rule = EXACT
    if others:
        what = ", ".join(f"{name} {was} there, {now} here" for name, was, now in others)
        rule = f"another machine or other versions ({what}): equal to {TOLERANCE:g} of the largest value"
    worked = [part for part in have if part < layout.parts and part not in unworked]
    whole = [part for part in worked if part not in bad_parts]
    missing = layout.parts - len(worked)
    if engine == "auto":
        engine = choose_engine(batch_of(experiment, bool(layout.columns)), sample)
    worker = Evaluator(experiment, layout, engine)
    check = _Check(Arrays(folder, layout, files), layout, worker, exact=not others)
    for part, runs in _chosen(layout, whole, sample, seed).items():
        check.part(part, runs)
    return Verified(len(files), len(have), missing, check.runs, check.numbers, rule, (*faults, *check.faults), check.largest)


def _chosen(layout: Layout, parts: list[int], sample: int, seed: int | None) -> dict[int, list[int]]:
    """Runs by part, drawn at random from all that can be read, in order."""
    random = np.random.default_rng(seed)
    count = len(layout.scenarios)
    sizes = np.array([len(layout.draws_of(part)) * count for part in parts], dtype=np.int64)
    total = int(sizes.sum())
    ends = np.cumsum(sizes)
    found: dict[int, list[int]] = {}
    for place in sorted(random.choice(total, size=min(sample, total), replace=False).tolist()) if total else ():
        at = int(np.searchsorted(ends, place, side="right"))
        first = parts[at] * layout.draws_per_part * count
        found.setdefault(parts[at], []).append(first + place - int(ends[at] - sizes[at]))
    return found


class _Check:
    """Runs worked out again, one by one, against what is stored of them."""

    def __init__(self, root: Arrays, layout: Layout, worker: Evaluator, *, exact: bool) -> None:
        self.root, self.layout, self.worker, self.exact = root, layout, worker, exact
        self.runs = self.numbers = 0
        self.largest = 0.0
        self.faults: list[str] = []

    def part(self, part: int, runs: list[int]) -> None:
        """Some runs of one part: those of a scenario are worked out together."""
        layout, count = self.layout, len(self.layout.scenarios)
        draws, known = layout.draws_of(part), layout.arrays()
        drawn = self.worker.drawer.part(draws.start, draws.stop)
        first = draws.start * count
        stored = {
            name: self.root[name][first : draws.stop * count] for name in ("kpi_value", "kpi_outcome", "status") if name in known
        }
        given = self.root["input_value"][draws.start : draws.stop] if drawn else np.empty((len(draws), 0))
        keep = layout.keeps_courses(part)
        for at, scenario in enumerate(layout.scenarios):
            chosen = np.array([run // count for run in runs if run % count == at], dtype=np.int64)
            if not len(chosen):
                continue
            some = {name: column[chosen - draws.start] for name, column in drawn.items()}
            block = self.worker.runs_of(scenario, some, chosen, None, courses=keep)
            for place, draw in enumerate(chosen.tolist()):
                where, row = f"scenario {scenario}, draw {draw}", draw * count + at - first
                self.runs += 1
                now = np.array([float(column[place]) for column in some.values()])
                self._compare(f"{where}, input", layout.parameters, given[draw - draws.start], now)
                if "kpi_value" in stored:
                    self._compare(f"{where}, KPI", layout.kpis, stored["kpi_value"][row], block.kpis[place])
                    if self.exact and not np.array_equal(stored["kpi_outcome"][row], block.outcomes[place]):
                        self.faults.append(f"{where}: the outcome of a KPI is another")
                limit = self.worker.experiment.sweep.seconds_per_run
                if limit is None and (int(stored["status"][row]) == FAILED) != bool(block.failed[place]):
                    self.faults.append(f"{where}: its status is another")
                if block.courses is not None and draw < layout.kept_draws:
                    course = self.root["trajectory"][draw * count + at]
                    self._compare(f"{where}, course of", layout.columns, course, block.courses[..., place])

    def _compare(self, where: str, names: tuple[str, ...], stored: NDArray[Any], now: NDArray[Any]) -> None:
        stored, now = np.atleast_1d(stored), np.atleast_1d(now)
        self.numbers += now.size
        for name, old, new in zip(names, stored, now, strict=True):
            old, new = np.atleast_1d(old), np.atleast_1d(new)
            with np.errstate(invalid="ignore"):
                away = np.abs(old - new)
            size = np.abs(new[np.isfinite(new)]).max(initial=0.0)
            self.largest = max(self.largest, float(np.nanmax(away, initial=0.0)))
            same = (old == new) | (np.isnan(old) & np.isnan(new))
            if not self.exact:
                same |= away <= TOLERANCE * size
            if not same.all():
                place = int(np.flatnonzero(~same)[0])
                self.faults.append(f"{where} {name}: stored {old[place]!r}, now {new[place]!r}")
