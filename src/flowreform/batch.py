"""One program for several sets of inputs: named values in, named trajectories out."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flowreform import engine as engines
from flowreform.engine import Progress, Trajectories
from flowreform.errors import ExperimentError, error
from flowreform.experiment import Experiment, Points, Scenario
from flowreform.lower import lower
from flowreform.model import Model, Variable
from flowreform.names import Named, base_values, element_names, split
from flowreform.program import Program
from flowreform.streams import noise
from flowreform.trace import Failure, first_failure

if TYPE_CHECKING:
    import numpy as np

ENGINES = ("auto", "python", "numba", "pysd")
MAX_STEPS = 10_000_000
MAX_BYTES = 8 * 2**30
TRACED = 20
"""So many failed runs are traced to the variable and time where they failed; the rest are only marked."""


@dataclass(frozen=True)
class BatchResult:
    """Trajectories by variable name, float64[*elements, time, run], and what went wrong.

    `failed` is bool[run], `failures` says where the first of them failed, `strays` counts per lookup and run the reads
    outside its points."""

    times: np.ndarray
    values: dict[str, np.ndarray]
    failures: tuple[Failure, ...]
    failed: np.ndarray
    strays: dict[str, np.ndarray]
    engine: str


class Batch:
    """A model made ready once. `timed` names parameters that some scenario varies over time, `total` counts all runs."""

    def __init__(
        self,
        model: Model,
        save: Sequence[str],
        save_every: float | None = None,
        engine: str = "auto",
        progress: Progress | None = None,
        timed: set[str] | frozenset[str] = frozenset(),
        total: int = 0,
    ) -> None:
        if engine not in ENGINES:
            raise ExperimentError(error("unknown-engine", f"there is no engine {engine}", f"one of {', '.join(ENGINES)}"))
        if engine == "pysd" and model.noise_seed is not None:
            reason = "PySD draws random numbers of its own, others in every run"
            raise ExperimentError(error("pysd-noise", reason, "leave the noise seed out, or the engine pysd", file=model.file))
        self.model, self.save, self.save_every, self.engine, self.progress = model, tuple(save), save_every, engine, progress
        self.done, self.total = 0, total
        self.program: Program | None = None
        if engine != "pysd":
            self.program = lower(model, timed, save_every)
            self.every = _every(model, self.program)
            self.keep = [slot for name in self.save for slot in self.program.places[name].slots]
            self._made: engines.Plan | None = None

    def require_room(self, runs: int, inputs: int) -> None:
        """Raises ExperimentError where so many runs of so many inputs would not fit into memory."""
        kept = 0 if self.program is None else len(self.keep)
        if self.program is not None:
            _fits(self.program, kept, self.every, runs, self.model)
        if runs * inputs * 8 > MAX_BYTES:
            reason = f"the inputs of {runs:,} runs would take {runs * inputs * 8 / 2**30:.1f} GiB"
            raise ExperimentError(error("too-large", reason, "run fewer draws, or `flowreform sweep`", file=self.model.file))

    def run(
        self, columns: Mapping[str, np.ndarray], moving: Mapping[str, Points], runs: int, draws: np.ndarray | None = None
    ) -> BatchResult:
        """Run with parameters set to `columns` (float64[run] by name) and levers over time set to `moving`.

        `draws` are the numbers of the draws, int[run], by which random functions draw; 0, 1, 2 ... without."""
        import numpy as np

        if self.program is None:
            return _pysd(self.model, self.save, self.save_every, columns, moving, runs)
        _fits(self.program, len(self.keep), self.every, max(self.total, runs), self.model)
        matrix = matrix_of(self.program, self.model, columns, runs, draws)
        drive = drive_of(self.program, self.model, moving)
        chosen = self.engine
        if self._made is None:  # the text of the step takes longer than some runs
            self._made = engines.plan(self.program, self.keep, self.every)
        if chosen == "auto" and self.total > runs:  # several batches share one kernel: decide for all of them
            chosen = engines.choose(self._made, self.total)
        found = engines.simulate(
            self.program,
            matrix,
            drive,
            keep=self.keep,
            every=self.every,
            engine=chosen,
            progress=self._report(runs),
            made=self._made,
        )
        self.done += runs
        failures = _trace(self.program, found, matrix, drive)
        named = self.named(found.values, found.slots)
        return BatchResult(np.array(found.times), named, failures, ~found.finite, _strays(self.program, found), found.engine)

    def _report(self, runs: int) -> Progress | None:
        if self.progress is None:
            return None
        report, done, total = self.progress, self.done, self.total or runs
        return lambda count, _: report(done + count, total)

    def named(self, values: np.ndarray, slots: Sequence[int]) -> dict[str, np.ndarray]:
        """What an engine gave, float64[slot, time, run] in the order of `slots`, by variable: float64[*elements, time, run]."""
        assert self.program is not None
        row = {slot: i for i, slot in enumerate(slots)}
        found = {}
        for name in self.save:
            place = self.program.places[name]
            first = row[place.base]  # a variable's slots are all kept at the same moment, so they stand together
            block = values[first : first + place.size]
            found[name] = block.reshape(*place.shape, *block.shape[1:])
        return found


class ExperimentBatch(Batch):
    """An experiment made ready once, for all its scenarios (or those named) and whatever draws are handed in.

    This is the one loop over scenarios and draws: `run`, sensitivity analyses, sweeps and workbooks go through it, so that what a
    scenario sets, what varies over time and where a run starts and stops mean the same in all of them."""

    def __init__(
        self,
        experiment: Experiment,
        save: Sequence[str] | None = None,
        *,
        scenarios: Sequence[Scenario] | None = None,
        engine: str = "auto",
        progress: Progress | None = None,
        total: int = 0,
    ) -> None:
        self.scenarios = tuple(experiment.scenarios.values()) if scenarios is None else tuple(scenarios)
        save, timed = experiment.save if save is None else save, timed_in(self.scenarios)
        super().__init__(within_horizon(experiment), save, experiment.save_every, engine, progress, timed, total)

    def blocks(self, drawn: Mapping[str, np.ndarray], runs: int) -> Iterator[tuple[Scenario, dict[str, np.ndarray], BatchResult]]:
        """Each scenario with the same draws, float64[run] by parameter: the scenario, what its runs were given, what came out."""
        for scenario in self.scenarios:
            yield scenario, *self.block(scenario, drawn, runs)

    def block(
        self, scenario: Scenario, drawn: Mapping[str, np.ndarray], runs: int, draws: np.ndarray | None = None
    ) -> tuple[dict[str, np.ndarray], BatchResult]:
        """One scenario for some draws; `draws` as in `run`."""
        columns = scenario.over(drawn, runs)
        return columns, self.run(columns, scenario.moving, runs, draws)


def timed_in(scenarios: Iterable[Scenario]) -> frozenset[str]:
    """The parameters that some scenario varies over time."""
    return frozenset(split(name)[0] for scenario in scenarios for name in scenario.moving)


def within_horizon(experiment: Experiment) -> Model:
    """The model with the start and stop of an experiment's runs."""
    specs = dataclasses.replace(experiment.model.specs, start=experiment.start, stop=experiment.run_stop)
    return dataclasses.replace(experiment.model, specs=specs)


def joined(parts: Sequence[BatchResult]) -> BatchResult:
    """Several batches as one, runs end to end."""
    import numpy as np

    if len(parts) == 1:
        return parts[0]
    offset = 0
    failures: list[Failure] = []
    for part in parts:
        failures.extend(dataclasses.replace(failure, run=failure.run + offset) for failure in part.failures)
        offset += len(part.failed)
    strays = {
        name: np.concatenate([part.strays.get(name, np.zeros(len(part.failed))) for part in parts])
        for name in dict.fromkeys(name for part in parts for name in part.strays)
    }
    values = {name: np.concatenate([part.values[name] for part in parts], axis=-1) for name in parts[0].values}
    failed = np.concatenate([part.failed for part in parts])
    return BatchResult(parts[0].times, values, tuple(failures), failed, strays, parts[0].engine)


def _every(model: Model, program: Program) -> int:
    try:
        return engines.whole_steps(program, program.save_every)
    except ValueError as reason:
        raise ExperimentError(
            error(
                "save-every", f"the saving interval {reason}", "choose a multiple of dt", file=model.file, line=model.specs.line
            )
        ) from None


def _fits(program: Program, kept: int, every: int, runs: int, model: Model) -> None:
    steps = program.steps
    if steps > MAX_STEPS:
        reason = f"{steps:,} steps a run are over the limit of {MAX_STEPS:,}"
        raise ExperimentError(
            error("too-many-steps", reason, "raise dt or shorten the horizon", file=model.file, line=model.specs.line)
        )
    size = (kept * (steps // every + 1) + len(program.noises) * (steps + 1)) * runs * 8
    if size > MAX_BYTES:
        reason = f"the result would take {size / 2**30:.1f} GiB, over the limit of {MAX_BYTES // 2**30} GiB"
        repair = "save fewer variables (save), less often (save_every), or run fewer draws"
        raise ExperimentError(error("too-large", reason, repair, file=model.file))


def matrix_of(
    program: Program, model: Model, columns: Mapping[str, np.ndarray], runs: int, draws: np.ndarray | None = None
) -> np.ndarray:
    """float64[input slot, run]: the model's own values, and what is given laid over; then the series that random functions read,
    of the draws with those numbers (0, 1, 2 ... without)."""
    import numpy as np

    own = np.array([value for item in program.inputs for value in item.values], dtype=np.float64)
    matrix = np.repeat(own[:, None], runs, axis=1)
    first, at = {}, 0
    for item in program.inputs:
        first[item.name] = at
        at += len(item.values)
    for name in sorted(columns, key=_arrays_first):
        base, elements = split(name)
        for row in _rows(model.variables[base], model, elements):
            matrix[first[base] + row] = columns[name]
    if not program.noises or program.noise_seed is None:
        return matrix
    series = noise(program.noise_seed, program.noises, np.arange(runs) if draws is None else draws, program.steps + 1)
    return np.concatenate([matrix, series.reshape(-1, runs)])


def _arrays_first(name: str) -> bool:
    """Sort key: a whole array is set before single elements of it are laid over."""
    return "[" in name


def _rows(variable: Variable, model: Model, elements: tuple[str, ...]) -> range:
    """The positions of a parameter's elements, row-major: all of them, or the one named."""
    names = element_names(model, variable)
    if not elements:
        return range(len(names))
    position = names.index(f"{variable.name}[{','.join(elements)}]")
    return range(position, position + 1)


def drive_of(program: Program, model: Model, moving: Mapping[str, Points]) -> np.ndarray | None:
    """float64[series, half-step] of the levers over time; NaN where this scenario leaves one alone."""
    import numpy as np

    numbers = {item.name: item.drive for item in program.inputs if item.drive is not None}
    count = sum(len(item.values) for item in program.inputs if item.drive is not None)
    if not count:
        return None
    times = program.start + np.arange(2 * program.steps + 1) * (program.dt / 2.0)
    series = np.full((count, len(times)), np.nan)
    for name in sorted(moving, key=_arrays_first):
        base, elements = split(name)
        for row in _rows(model.variables[base], model, elements):
            series[numbers[base] + row] = moving[name].at(times.astype(np.float64))
    return series


def _trace(program: Program, found: Trajectories, matrix: np.ndarray, drive: np.ndarray | None) -> tuple[Failure, ...]:
    import numpy as np

    failures = []
    for run in np.flatnonzero(~found.finite)[:TRACED]:
        failure = first_failure(program, matrix[:, run : run + 1], drive)
        if failure is not None:
            failures.append(dataclasses.replace(failure, run=int(run)))
    return tuple(failures)


def _strays(program: Program, found: Trajectories) -> dict[str, np.ndarray]:
    """Per lookup, how often each run read it outside its points; lookups never read so are left out."""
    counts: dict[str, np.ndarray] = {}
    for table, row in zip(program.tables, found.strays, strict=True):
        counts[table.name] = counts[table.name] + row if table.name in counts else row
    return {name: row for name, row in counts.items() if row.any()}


def _not_of_the_file(model: Model) -> Iterator[tuple[str, float]]:
    """The numbers of parameters that are not those of the model's file: a system that was entered."""
    from flowreform.formats import read_model

    assert model.path is not None
    written = read_model(model.path)
    for name, variable in model.parameters.items():
        before = written.variables.get(name)
        if before is None or before.equations == variable.equations:
            continue
        values = zip(element_names(model, variable), base_values(model, Named(name, variable)), strict=True)
        was = base_values(written, Named(name, before))
        yield from (pair for pair, old in zip(values, was, strict=True) if pair[1] != old)


def _pysd(
    model: Model,
    save: Sequence[str],
    save_every: float | None,
    columns: Mapping[str, np.ndarray],
    moving: Mapping[str, Points],
    runs: int,
) -> BatchResult:
    """The same through PySD, from the model's file."""
    import numpy as np

    from flowreform.engine.reference import run_pysd

    if moving:
        raise ExperimentError(
            error("pysd-levers", "the engine pysd takes no levers over time", "use --engine auto", element=next(iter(moving)))
        )
    if model.path is None:
        raise ExperimentError(error("pysd-file", "the engine pysd needs a model read from a file", "use engine='auto'"))
    specs = dataclasses.replace(model.specs, save_every=save_every or model.specs.save_every)
    own = {name: np.full(runs, value) for name, value in _not_of_the_file(model)}
    found = run_pysd(model.path, {**own, **columns}, save, model=model, specs=specs)
    values = {name: np.broadcast_to(array, (*array.shape[:-1], runs)) for name, array in found.values.items()}
    bad = np.zeros(runs, dtype=bool)
    for array in values.values():
        bad |= ~np.isfinite(array).all(axis=tuple(range(array.ndim - 1)))
    return BatchResult(found.times, values, (), bad, {}, "pysd")
