"""`sweep`: an experiment with many draws into a folder, with a bar, and a table of its KPIs at the end."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowreform.commands.terminal import DONE, SOME_RUNS_FAILED, complain, print_json, say, show
from flowreform.files import resolved

if TYPE_CHECKING:
    from flowreform.experiment import Experiment
    from flowreform.sweeps import State, Swept

MOST_NAMED = 5
EVERY = 30.0
"""Seconds between two lines of progress where there is no terminal."""


@dataclass(frozen=True, slots=True)
class SweepOptions:
    """What the command line says beside the name."""

    output: Path | None
    settings: tuple[str, ...] = ()
    draws: int | None = None
    workers: int | None = None
    processes: bool = False
    scheduler: str | None = None
    engine: str = "auto"
    resume: bool = True
    quiet: bool = False
    as_json: bool = False
    noise_seed: int | None = None

    def command(self, name: str) -> list[str]:
        """The command that goes on with this sweep, or begins it elsewhere."""
        words = ["flowreform", "sweep", name]
        for setting in self.settings:
            words += ["--set", setting]
        if self.draws is not None:
            words += ["--draws", str(self.draws)]
        if self.noise_seed is not None:
            words += ["--noise-seed", str(self.noise_seed)]
        return [*words, "-o", str(self.output)] if self.output is not None else words


def sweep(name: str, asked: SweepOptions) -> int:
    """Run what is missing, print the KPIs; 3 when some runs failed, 130 or 143 when a signal stopped it."""
    from flowreform.results import command_text
    from flowreform.sweeps import Interrupted, sweep

    experiment, folder = _experiment(name, asked)
    complain(_warnings(experiment))
    told = _nobody if asked.quiet else say
    command = asked.command(name)
    try:
        with _progress(asked.quiet, told) as advance:
            done = sweep(
                experiment,
                folder,
                workers=asked.workers,
                pool="processes" if asked.processes else "threads",
                scheduler=asked.scheduler,
                engine=asked.engine,
                resume=asked.resume,
                progress=advance,
                told=told,
                command=command_text(command),
            )
    except Interrupted as stop:
        say(f"stopped: {stop.done:,} of {stop.runs:,} runs are safe in {folder}; to go on:")
        say("  " + " ".join(_shell(word) for word in command))
        return stop.exit_code
    _report(done, experiment, asked)
    return SOME_RUNS_FAILED if done.failed else DONE


def _same(one: Path, other: Path) -> bool:
    try:
        return resolved(one) == resolved(other)
    except OSError:  # links that lead round in a circle
        return False


def _experiment(name: str, asked: SweepOptions) -> tuple[Experiment, Path]:
    """What is run and where to; the name of a sweep's folder goes on with that sweep."""
    from flowreform.commands.reading import read_experiment
    from flowreform.errors import ExperimentError, error
    from flowreform.experiment import is_experiment
    from flowreform.sweeps import experiment_of, is_sweep

    if is_sweep(Path(name)):
        if asked.settings or (asked.output is not None and not _same(asked.output, Path(name))):
            raise ExperimentError(
                error("sweep-folder", "a sweep's folder goes on as it was begun", "name the experiment instead", file=name)
            )
        import dataclasses

        found = experiment_of(name)
        return (found if asked.draws is None else dataclasses.replace(found, draws=asked.draws)), Path(name)
    if asked.output is None:
        raise ExperimentError(
            error("no-folder", "a sweep needs a folder", f"flowreform sweep {name} -o DIR", file="command line", element="-o")
        )
    if not is_experiment(name):
        reason = "this is a model, and a sweep runs an experiment"
        raise ExperimentError(
            error(
                "not-an-experiment", reason, "`flowreform experiments` lists what is bundled", file="command line", element=name
            )
        )
    return read_experiment(name, {"draws": asked.draws, "noise_seed": asked.noise_seed}, asked.settings), asked.output


def _report(done: Swept, experiment: Experiment, asked: SweepOptions) -> None:
    """KPIs by scenario, where everything is, which runs failed."""
    import flowreform as fr
    from flowreform.commands.run import kpi_tables

    ds = fr.open_sweep(done.folder)
    kpis = fr.kpis(ds, experiment) if "kpi_value" in ds else ds[[]]
    warnings = list(_lines(done))
    if asked.as_json:
        print_json(_as_json(done, experiment, kpis, warnings))
    elif not asked.quiet:
        show(experiment.title, *([experiment.question] if experiment.question else []), *kpi_tables(kpis, experiment))
        rate = (
            f", {done.computed:,} of them now in {_span(done.seconds)} by {done.workers}"
            if done.computed
            else ", all there before"
        )
        say(f"{done.runs:,} runs{rate}")
        say(f"in {done.folder}: {', '.join(done.files)} (KPIs of every run), runs.zarr (xarray reads it), ledger.sqlite")
    for line in warnings:
        say(f"warning: {line}")


def _lines(done: Swept) -> Iterator[str]:
    """Failed runs, the first of them by name, and lookups read outside their points."""
    if done.failed:
        share = f"{done.failed:,} of {done.runs:,} runs failed and are left out of every percentile"
        yield share
        for failure in done.failures[:MOST_NAMED]:
            given = ", ".join(f"{name} = {value:.6g}" for name, value in failure.inputs.items())
            yield f"{failure}; inputs: {given or 'the model as it stands'}"
        if done.failed > MOST_NAMED:
            yield f"... and {done.failed - MOST_NAMED:,} more: table failures of {done.folder / 'ledger.sqlite'}"
    for lookup, (runs, reads) in done.strays.items():
        where = f"in {runs:,} of {done.runs:,} runs ({reads:,} times)"
        yield f"lookup {lookup} was read outside its points {where}; its end values were used"


def _as_json(done: Swept, experiment: Experiment, kpis: Any, warnings: list[str]) -> dict[str, Any]:
    from dataclasses import asdict

    import flowreform as fr
    from flowreform.kpi import summary

    several = len(experiment.scenarios) > 1 and len(kpis.data_vars)
    return {
        "experiment": experiment.name,
        "title": experiment.title,
        "question": experiment.question,
        "scenarios": {name: scenario.label for name, scenario in experiment.scenarios.items()},
        "baseline": experiment.baseline,
        "folder": str(done.folder),
        "files": [str(done.folder / name) for name in (*done.files, "runs.zarr", "ledger.sqlite")],
        "runs": done.runs,
        "computed": done.computed,
        "failed": done.failed,
        "failures": [asdict(failure) for failure in done.failures],
        "seconds": done.seconds,
        "workers": done.workers,
        "engine": done.engine,
        "kpis": [asdict(row) for row in summary(kpis)],
        "differences": [asdict(row) for row in summary(fr.contrast(kpis, baseline=experiment.baseline))] if several else [],
        "warnings": warnings,
        "provenance": dict(kpis.attrs),
    }


def _warnings(experiment: Experiment) -> Iterator[Any]:
    from flowreform.commands.run import warnings_of

    return warnings_of(experiment)


def _nobody(line: str) -> None:
    """--quiet."""


def _shell(word: str) -> str:
    import shlex

    return shlex.quote(word)


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


# --- progress --------------------------------------------------------------------------------------------------------


@contextmanager
def _progress(quiet: bool, told: Any) -> Iterator[Any]:
    """A bar on a terminal, a line now and then elsewhere; nothing with --quiet."""
    if quiet:
        yield None
    elif sys.stderr.isatty():
        with _bar() as advance:
            yield advance
    else:
        yield _Log(told).advance


class _Log:
    """Progress for a log file: how many runs, how fast, how long still."""

    def __init__(self, told: Any) -> None:
        self._told, self._began = told, time.monotonic()
        self._last = self._began

    def advance(self, state: State) -> None:
        now = time.monotonic()
        if now - self._last >= EVERY:
            self._last = now
            self._told(line_of(state, now - self._began))


def line_of(state: State, seconds: float) -> str:
    """`120,000 of 1,000,000 runs, 8,400 runs/s, 1 min 45 s left, 2 failed`."""
    rate = (state.done - state.before) / seconds if seconds > 0 else 0.0
    left = f", {_span((state.runs - state.done) / rate)} left" if rate > 0 else ""
    failed = f", {state.failed:,} failed" if state.failed else ""
    return f"{state.done:,} of {state.runs:,} runs, {rate:,.0f} runs/s{left}{failed}"


@contextmanager
def _bar() -> Iterator[Any]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    bar = Progress(BarColumn(), TextColumn("{task.description}", markup=False), console=Console(stderr=True), transient=True)
    task = bar.add_task("starting", total=None)
    began, lock = time.monotonic(), threading.Lock()

    def advance(state: State) -> None:
        with lock:
            bar.update(task, completed=state.done, total=state.runs, description=line_of(state, time.monotonic() - began))

    with bar:
        yield advance
