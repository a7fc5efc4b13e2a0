"""From the number of a part to everything that is stored of its runs: draws, runs, KPIs, order statistics.

Nothing here knows a file, and nothing is kept from one part to the next but what the experiment itself fixes, so memory does
not grow with the number of runs. The numbers are those of `fr.run` and `fr.kpis`, bit for bit.
"""

from __future__ import annotations

import dataclasses
import json
import struct
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from flowreform import engine as engines
from flowreform.batch import Batch, ExperimentBatch, drive_of, matrix_of
from flowreform.engine.prepared import Check, Prepared
from flowreform.errors import ExperimentError, InternalError, error
from flowreform.experiment import Experiment
from flowreform.kpi import FAILED as KPI_FAILED
from flowreform.kpi import VALUE, difference, outcomes, taken
from flowreform.measure import taker
from flowreform.names import split
from flowreform.sampling import Drawer, drawer
from flowreform.sweeps.arrays import encode
from flowreform.sweeps.identity import machine
from flowreform.sweeps.layout import FAILED, OK, Layout
from flowreform.sweeps.ledger import UNWORKED, Failed
from flowreform.sweeps.sketch import summarise
from flowreform.trace import first_failure


@dataclass(frozen=True)
class Part:
    """A part worked out: `chunks` holds the bytes of its chunk of each array, `strays` (runs, reads) of each lookup that was
    read outside its points, `machine` where it was made."""

    number: int
    runs: int
    chunks: Mapping[str, bytes]
    failures: tuple[Failed, ...]
    failed: int
    strays: Mapping[str, tuple[int, int]]
    engine: str
    machine: Mapping[str, str]

    def pack(self) -> bytes:
        """As bytes, to send from one process to another: a line of JSON and the chunks behind it."""
        head = {
            "number": self.number,
            "runs": self.runs,
            "chunks": {name: len(content) for name, content in self.chunks.items()},
            "failures": [asdict(failure) for failure in self.failures],
            "failed": self.failed,
            "strays": dict(self.strays),
            "engine": self.engine,
            "machine": dict(self.machine),
        }
        text = json.dumps(head).encode()
        return struct.pack("<Q", len(text)) + text + b"".join(self.chunks.values())

    @classmethod
    def unpack(cls, packed: bytes) -> Part:
        """What `pack` gave. Raises InternalError when it is not whole."""
        (length,) = struct.unpack_from("<Q", packed)
        head = json.loads(packed[8 : 8 + length])
        at, chunks = 8 + length, {}
        for name, size in head["chunks"].items():
            chunks[name] = packed[at : at + size]
            at += size
        if at != len(packed):
            raise InternalError("a part did not arrive whole")
        failures = tuple(Failed(**failure) for failure in head["failures"])
        strays = {name: (pair[0], pair[1]) for name, pair in head["strays"].items()}
        return cls(head["number"], head["runs"], chunks, failures, head["failed"], strays, head["engine"], head["machine"])


# --- a part ----------------------------------------------------------------------------------------------------------


Floats = NDArray[np.float64]

BLOCK = 256
"""Runs whose trajectories are looked at together: few enough to stay in the processor's cache."""
MOST_ORDER_BYTES = 2**30
"""What the order of a Latin hypercube's strata may take."""
TRACED, WITH_INPUTS = 8, 100
"""So many failed runs of a part and scenario are run once more to name the variable and time, and so many have their inputs
written beside them; those of the others stand in `input_value` as well."""
ENGINES = ("auto", "python", "numba")


@dataclass
class Block:
    """What is kept of some runs of one scenario; `courses` float64[column, time, run] where trajectories are wanted."""

    kpis: Floats
    outcomes: NDArray[np.int8]
    failed: NDArray[np.bool_]
    courses: Floats | None
    failures: list[Failed] = field(default_factory=list)
    strays: dict[str, NDArray[np.float64]] = field(default_factory=dict)


def batch_of(experiment: Experiment, columns: bool) -> ExperimentBatch:
    """The experiment's model lowered once for all scenarios; with `columns` every saved variable, else what KPIs need."""
    needed = {split(name)[0] for kpi in experiment.kpis.values() for name in kpi.variables}
    save = experiment.save if columns or not needed else tuple(name for name in experiment.save if name in needed)
    return ExperimentBatch(experiment, save)


def assignments_of(batch: Batch) -> int:
    """How many numbers the model works out in one step."""
    program = batch.program
    return sum(len(statement.slots()) for statement in program.step) + len(program.stocks) if program else 1


def choose_engine(batch: Batch, runs: int) -> str:
    """What is expected to be done first with so many runs."""
    assert batch.program is not None
    return engines.choose(engines.plan(batch.program, batch.keep, batch.every), runs)


class Evaluator:
    """An experiment made ready once; `part` may be called from several threads at once."""

    def __init__(self, experiment: Experiment, layout: Layout, engine: str) -> None:
        self.experiment, self.layout = experiment, layout
        batch = batch_of(experiment, bool(layout.columns))
        assert batch.program is not None
        self.program, self.model = batch.program, batch.model
        self.engine = choose_engine(batch, layout.runs) if engine == "auto" else engine
        self.prepared = Prepared(engines.plan(self.program, batch.keep, batch.every), self.engine)
        self.drawer = drawer_of(experiment)
        row = {slot: at for at, slot in enumerate(self.prepared.slots)}
        places = {name: self.program.places[name] for name in batch.save}
        self.rows = {name: slice(row[place.base], row[place.base] + place.size) for name, place in places.items()}
        self.columns = (
            [at for name in batch.save for at in range(self.rows[name].start, self.rows[name].stop)] if layout.columns else []
        )
        calendar = experiment.case.calendar if experiment.case else None
        times = np.array(self.prepared.made.times)
        short = times[: int(np.searchsorted(times, experiment.stop + experiment.dt / 2))]
        self.takers = {}
        for name, kpi in experiment.kpis.items():
            measure, runs_on = taken(kpi, experiment)
            self.takers[name] = taker(measure, times if runs_on else short, calendar)
        self.against = tuple(name for name, kpi in experiment.kpis.items() if kpi.against is not None)
        self.picks = {name: self._pick(name) for kpi in experiment.kpis.values() for name in kpi.variables}
        self.times = len(times)
        self.series = {
            name: self.prepared.series(drive_of(self.program, self.model, scenario.moving))
            for name, scenario in experiment.scenarios.items()
        }
        self.arrays = layout.arrays()
        self.machine = machine()
        self.clock = time.monotonic
        self.stretches = self._stretches()

    def _pick(self, name: str) -> int | slice:
        """The row or rows of a variable or one of its elements among the kept slots."""
        base, elements = split(name)
        rows, variable = self.rows[base], self.model.variables[base]
        if not variable.dimensions:
            return rows.start
        if not elements:
            return rows
        from flowreform.names import element_names

        return rows.start + element_names(self.model, variable).index(name)

    def part(self, number: int, check: Check | None = None) -> Part:
        """Everything that is stored of a part; `check` is called with the number of runs just done and may raise."""
        layout, draws = self.layout, self.layout.draws_of(number)
        count, size = len(layout.scenarios), len(draws)
        drawn = self.drawer.part(draws.start, draws.stop)
        keep, sketch = layout.keeps_courses(number), bool(layout.quantiles)
        kpis = np.empty((size, count, len(layout.kpis)))
        flags = np.empty((size, count, len(layout.kpis)), dtype=np.int8)
        failed = np.empty((size, count), dtype=bool)
        courses = np.full((size, count, len(self.columns), self.times), np.nan) if keep else None
        sketches = np.full((1, count, len(self.columns), self.times, layout.ranks), np.nan) if sketch else None
        counts = np.zeros((1, count), dtype=np.int64)
        failures: list[Failed] = []
        strays: dict[str, tuple[int, int]] = {}
        for at, scenario in enumerate(layout.scenarios):
            block = self.runs(scenario, drawn, draws.start, check, courses=keep or sketch)
            kpis[:, at], flags[:, at], failed[:, at] = block.kpis, block.outcomes, block.failed
            failures += block.failures
            for name, row in block.strays.items():
                runs, reads = strays.get(name, (0, 0))
                strays[name] = (runs + int((row > 0).sum()), reads + int(row.sum()))
            counts[0, at] = size - int(block.failed.sum())
            if courses is not None and block.courses is not None:
                courses[:, at] = np.moveaxis(block.courses, -1, 0)
            if sketches is not None and block.courses is not None:
                sketches[0, at] = summarise(block.courses[:, :, ~block.failed], layout.ranks)
        numbers = np.arange(draws.start * count, draws.stop * count)
        values: dict[str, NDArray[Any]] = {
            "kpi_value": kpis.reshape(size * count, -1),
            "kpi_outcome": flags.reshape(size * count, -1),
            "status": np.where(failed, FAILED, OK).astype(np.int8).ravel(),
            "scenario_number": (numbers % count).astype(np.int16),
            "draw_number": numbers // count,
            "input_value": np.stack(list(drawn.values()), axis=1) if drawn else np.empty((size, 0)),
        }
        if courses is not None:
            values["trajectory"] = self._first(courses, draws.start).reshape(size * count, len(self.columns), self.times)
        if sketches is not None:
            values |= {"sketch": sketches, "sketch_count": counts}
        wanted = layout.arrays_of(number)
        stored = {name: encode(self.arrays[name], values[name]) for name in wanted}
        failures.sort(key=lambda failure: failure.run)
        return Part(number, size * count, stored, tuple(failures), int(failed.sum()), strays, self.engine, self.machine)

    def _first(self, courses: Floats, first: int) -> Floats:
        """Only the first so many draws have their courses kept, wherever a part ends."""
        courses[max(0, self.layout.kept_draws - first) :] = np.nan
        return courses

    def runs(
        self, scenario: str, drawn: Mapping[str, Floats], first: int, check: Check | None = None, *, courses: bool = False
    ) -> Block:
        """Draws from number `first` on, with values float64[draw] in `drawn`, in one scenario."""
        size = len(next(iter(drawn.values()))) if drawn else len(self.layout.draws_of(first // self.layout.draws_per_part))
        return self.runs_of(scenario, drawn, np.arange(first, first + size), check, courses=courses)

    def runs_of(
        self, scenario: str, drawn: Mapping[str, Floats], draws: NDArray[np.int_], check: Check | None, *, courses: bool
    ) -> Block:
        """Runs of one scenario; `draws` are their numbers, `drawn` the sampled inputs, float64[run] by parameter."""
        size, names = len(draws), list(self.takers)
        columns = self.experiment.scenarios[scenario].over(drawn, size)
        base = self.experiment.baseline if self.against and scenario != self.experiment.baseline else None
        base_columns = None if base is None else self.experiment.scenarios[base].over(drawn, size)
        base_buffer = None if base is None else np.empty((len(self.prepared.slots), self.times, min(BLOCK, size)))
        block = Block(
            np.empty((size, len(names))),
            np.empty((size, len(names)), dtype=np.int8),
            np.zeros(size, dtype=bool),
            np.empty((len(self.columns), self.times, size)) if courses else None,
        )
        series, endless = self.series[scenario], False
        buffer = np.empty((len(self.prepared.slots), self.times, min(BLOCK, size)))
        for begin in range(0, size, BLOCK):
            part = slice(begin, min(begin + BLOCK, size))
            values = buffer[:, :, : part.stop - begin]
            given = {name: column[part] for name, column in columns.items()}
            matrix = matrix_of(self.program, self.model, given, part.stop - begin, draws[part])
            if begin == 0:
                endless = bool(self.stretches) and all(
                    self._is_endless(matrix[:, at : at + 1], series) for at in {0, matrix.shape[1] - 1}
                )
            if endless:
                values[...] = np.nan
                finite, strays = np.ones(matrix.shape[1], dtype=bool), np.zeros((len(self.program.tables), matrix.shape[1]))
                slow = np.full(matrix.shape[1], np.inf)
            else:
                started = self.clock()
                finite, strays = self.prepared.run(matrix, series, values, check)
                slow = self._slow(matrix, series, self.clock() - started)
            block.failed[part] = ~finite | ~np.isnan(slow)
            for table, row in zip(self.program.tables, strays, strict=True):
                if row.any():
                    block.strays.setdefault(table.name, np.zeros(size))[part] += row
            against, lost = values, np.full(part.stop - begin, endless)
            if not endless and base is not None and base_columns is not None and base_buffer is not None:
                against = base_buffer[:, :, : part.stop - begin]
                given = {name: column[part] for name, column in base_columns.items()}
                other = matrix_of(self.program, self.model, given, part.stop - begin, draws[part])
                lost = ~self.prepared.run(other, self.series[base], against, check)[0]
            self._keep(values, against, lost, block, part)
            self._name_failures(scenario, columns, matrix, draws, begin, finite, slow, block)
        block.kpis[block.outcomes != VALUE] = np.nan
        return block

    def _keep(self, values: Floats, against: Floats, lost: NDArray[np.bool_], block: Block, part: slice) -> None:
        """KPIs and courses of a few runs; `against` are the baseline's of the same draws, `lost` which of those failed."""

        def course(name: str) -> Floats:
            return np.moveaxis(values[self.picks[name]], -2, -1)

        def more(name: str) -> Floats:
            return difference(course(name), np.moveaxis(against[self.picks[name]], -2, -1))

        for at, (name, take) in enumerate(self.takers.items()):
            compared = name in self.against
            raw = take.of(more if compared else course)
            failed = block.failed[part] | lost if compared else block.failed[part]
            block.kpis[part, at] = raw
            block.outcomes[part, at] = outcomes(self.experiment.kpis[name], raw, failed, self.experiment)
        if block.courses is not None:
            block.courses[:, :, part] = values[self.columns]

    def _stretches(self) -> list[Prepared]:
        """The same run as far as a 4,096th, a 1,024th, ... a quarter of its steps, and where runs go one by one all of them; none
        where a run has no limit."""
        if self.experiment.sweep.seconds_per_run is None:
            return []
        program, made = self.program, self.prepared.made
        counts = sorted({program.steps // 4**power for power in range(0 if self.engine == "python" else 1, 7)} - {0})
        shorter = [dataclasses.replace(program, stop=program.start + count * program.dt) for count in counts]
        return [Prepared(engines.plan(one, made.saved, made.every), self.engine) for one in shorter]

    def _is_endless(self, matrix: Floats, series: Floats) -> bool:
        """Whether one run takes longer than the limit, found out in about four times the limit: runs of one model take as many
        steps as each other, and a part of a run that is over the limit says so of the whole."""
        limit = self.experiment.sweep.seconds_per_run
        for stretch in self.stretches:
            values = np.empty((len(stretch.slots), len(stretch.made.times), 1))
            started = self.clock()
            stretch.run(matrix, series, values)
            if limit is not None and self.clock() - started > limit:
                return True
        return False

    def _slow(self, matrix: Floats, series: Floats, seconds: float) -> Floats:
        """Seconds that each run over the limit took, NaN for the others.

        Runs go side by side, so those of a block that took longer than one run may are timed again, one at a time."""
        runs, limit = matrix.shape[1], self.experiment.sweep.seconds_per_run
        found = np.full(runs, np.nan)
        if limit is None or seconds <= limit:
            return found
        alone = np.empty((len(self.prepared.slots), self.times, 1))
        for run in range(runs):
            started = self.clock()
            self.prepared.run(matrix[:, run : run + 1], series, alone)
            if self.clock() - started > limit:
                found[run] = self.clock() - started
        return found

    def _name_failures(
        self, scenario: str, columns: Mapping[str, Floats], matrix: Floats, draws: NDArray[np.int_], begin: int,
        finite: NDArray[np.bool_], slow: Floats, block: Block,
    ) -> None:  # fmt: skip
        at = self.layout.scenarios.index(scenario)
        for place in np.flatnonzero(~finite | ~np.isnan(slow)):
            draw = int(draws[begin + place])
            told = len(block.failures) < WITH_INPUTS
            inputs = {name: float(column[begin + place]) for name, column in columns.items()} if told else {}
            run = draw * len(self.layout.scenarios) + at
            if finite[place]:
                reason = f"too slow: over {self.experiment.sweep.seconds_per_run:g} s"
                block.failures.append(Failed(run, scenario, draw, reason, inputs=inputs))
                continue
            reason, found = "turned non-finite", None
            if len(block.failures) < TRACED:
                series = self.series[scenario][:, :-2]
                found = first_failure(self.program, matrix[:, place : place + 1], series)
            if found is None:
                block.failures.append(Failed(run, scenario, draw, reason, inputs=inputs))
            else:
                word = "NaN" if found.value != found.value else ("infinite" if found.value > 0 else "negative infinite")
                block.failures.append(Failed(run, scenario, draw, reason, found.variable, found.time, word, inputs))


WORKERS_DIED = "every worker that was given it died"


def unworked(experiment: Experiment, layout: Layout, number: int) -> Part:
    """A part that nobody could work out: its inputs are drawn, its runs are failed ones."""
    draws, count = layout.draws_of(number), len(layout.scenarios)
    drawn = drawer_of(experiment).part(draws.start, draws.stop)
    runs = len(draws) * count
    numbers = np.arange(draws.start * count, draws.stop * count)
    values: dict[str, NDArray[Any]] = {
        "kpi_value": np.full((runs, len(layout.kpis)), np.nan),
        "kpi_outcome": np.full((runs, len(layout.kpis)), KPI_FAILED, dtype=np.int8),
        "status": np.full(runs, FAILED, dtype=np.int8),
        "scenario_number": (numbers % count).astype(np.int16),
        "draw_number": numbers // count,
        "input_value": np.stack(list(drawn.values()), axis=1) if drawn else np.empty((len(draws), 0)),
        "trajectory": np.full((runs, len(layout.columns), layout.times), np.nan) if layout.keeps_courses(number) else np.empty(0),
        "sketch": np.full((1, count, len(layout.columns), layout.times, layout.ranks if layout.quantiles else 0), np.nan),
        "sketch_count": np.zeros((1, count), dtype=np.int64),
    }
    arrays = layout.arrays()
    stored = {name: encode(arrays[name], values[name]) for name in layout.arrays_of(number)}
    failures = tuple(Failed(int(run), layout.scenarios[run % count], int(run) // count, WORKERS_DIED) for run in numbers)
    return Part(number, runs, stored, failures, runs, {}, UNWORKED, machine())


def drawer_of(experiment: Experiment) -> Drawer:
    """The experiment's draws, to be had by the stretch. Raises ExperimentError for a Latin hypercube too large to be held."""
    size = 4 * experiment.draws * len(experiment.uncertainties)
    if experiment.design == "latin_hypercube" and size > MOST_ORDER_BYTES:
        reason = f"the order of a Latin hypercube of {experiment.draws:,} draws would take {size / 2**30:.1f} GiB"
        raise ExperimentError(error("too-large", reason, 'set design = "random" or "sobol"', element="experiment.design"))
    return drawer(experiment)
