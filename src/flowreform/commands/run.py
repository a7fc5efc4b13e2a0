"""`run`: a model once, or an experiment over all its scenarios and draws; a table on the screen, files where asked."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from flowreform.commands.reading import read_experiment
from flowreform.commands.terminal import DONE, SOME_RUNS_FAILED, at_work, complain, print_json, say, show, table
from flowreform.text import number

if TYPE_CHECKING:
    from rich.console import RenderableType
    from xarray import Dataset

    from flowreform.experiment import Experiment

MOST_NAMED = 5
OUTSIDE = "reads_outside_"


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says beside the name."""

    output: Path | None = None
    settings: tuple[str, ...] = ()
    engine: str = "auto"
    draws: int | None = None
    save: tuple[str, ...] = ()
    save_every: float | None = None
    as_json: bool = False
    noise_seed: int | None = None

    def table(self) -> dict[str, Any]:
        """What replaces keys of [experiment]."""
        return {
            "draws": self.draws,
            "save": list(self.save) or None,
            "save_every": self.save_every,
            "noise_seed": self.noise_seed,
        }

    def command(self, name: str) -> list[str]:
        """The command that gives the same numbers again, whatever was done with them."""
        words = ["flowreform", "run", name]
        for setting in self.settings:
            words += ["--set", setting]
        if self.engine != "auto":
            words += ["--engine", self.engine]
        if self.draws is not None:
            words += ["--draws", str(self.draws)]
        for saved in self.save:
            words += ["--save", saved]
        if self.save_every is not None:
            words += ["--save-every", f"{self.save_every:g}"]
        if self.noise_seed is not None:
            words += ["--noise-seed", str(self.noise_seed)]
        return words


def run(name: str, options: Options) -> int:
    """Run, print, and write the four files where asked; 3 when some runs failed."""
    import flowreform as fr

    with at_work("runs") as advance, _only_numpy():
        experiment = read_experiment(name, options.table(), options.settings)
        complain((*warnings_of(experiment), *code_from_text(experiment, options.engine)))
        from flowreform.results import command_text

        command = command_text(options.command(name))
        ds = fr.run(experiment, engine=options.engine, progress=advance, command=command)
    kpis = fr.kpis(ds, experiment)
    failed, strays = tuple(failed_runs(ds, experiment)), tuple(stray_reads(ds))
    if options.output is not None:
        _write(options.output, ds, kpis, experiment, (*failed, *strays))
    if options.as_json:
        print_json(as_json(ds, kpis, experiment, (*failed, *strays), options.output))
    else:
        show(*_tables(ds, kpis, experiment))
        if options.output is not None:
            say(f"wrote {', '.join(_names(ds, experiment))} to {options.output}")
    for line in (*failed[:MOST_NAMED], *strays[:MOST_NAMED]):
        say(f"warning: {line}")
    for lines in (failed, strays):
        if len(lines) > MOST_NAMED:
            say(f"warning: ... and {len(lines) - MOST_NAMED} more; summary.md names them all (-o DIR)")
    return SOME_RUNS_FAILED if failed else DONE


@contextmanager
def _only_numpy() -> Iterator[None]:
    """Keep dask, pint and pyarrow out of this process while a command runs.

    xarray imports dask and pint at its first array, merely to ask whether the array is one of theirs, and pandas pyarrow: the
    better part of a second of processor time. A command's arrays are all numpy's. Where xarray is loaded already it knows where
    dask is, and would miss it."""
    absent = [name for name in ("dask", "pint", "pyarrow") if name not in sys.modules and "xarray" not in sys.modules]
    for name in absent:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        import xarray as xr

        xr.Dataset({"x": ("i", np.zeros(1))}, {"i": [0]}).isel(i=0)["x"].item()
        yield
    finally:
        for name in absent:
            if sys.modules.get(name, "") is None:
                del sys.modules[name]


def warnings_of(experiment: Experiment) -> Iterator[Any]:
    """What the readers of its files warned of."""
    from flowreform.errors import Finding

    for findings in (experiment.model.findings, experiment.case.findings if experiment.case else (), experiment.findings):
        yield from (finding for finding in findings if isinstance(finding, Finding))


def code_from_text(experiment: Experiment, engine: str) -> Iterator[Any]:
    """A warning where a model that did not come with the package is given to PySD."""
    from flowreform.errors import warning
    from flowreform.formats import is_bundled

    path = experiment.model.path
    if engine == "pysd" and path is not None and not is_bundled(path):
        reason = "PySD builds Python from the text of this file and runs it: whoever wrote the file can do what you can do here"
        yield warning("pysd-code", reason, "leave --engine out unless you trust the file", file=experiment.model.file)


def _write(folder: Path, ds: Dataset, kpis: Dataset, experiment: Experiment, lines: tuple[str, ...]) -> None:
    from flowreform.export.folder import write_folder
    from flowreform.export.summary import warning_lines

    write_folder(folder, ds, kpis, experiment, (*lines, *warning_lines(warnings_of(experiment))))


def failed_runs(ds: Dataset, experiment: Experiment) -> Iterator[str]:
    """A line for each run that turned non-finite: which, by what variable, when."""
    failed = ds["failed"].transpose("scenario", "draw")
    for at, place in np.argwhere(np.asarray(failed.values, dtype=bool)):
        one = {"scenario": int(at), "draw": int(place)}
        scenario, draw = str(ds["scenario"].values[at]), int(ds["draw"].values[place])
        where = f"scenario {scenario}, draw {draw}" if experiment.runs > 1 else "the run"
        variable, time = str(ds["failed_variable"].isel(one).item()), float(ds["failed_time"].isel(one).item())
        value = float(ds["failed_value"].isel(one).item())
        seen = "NaN" if value != value else f"{value}"
        yield f"{where}: " + (f"{variable} is {seen}, first at time {number(time, 6)}" if variable else "turned non-finite")


def stray_reads(ds: Dataset) -> Iterator[str]:
    """A line for each lookup that was read outside its points: in how many runs, and how often."""
    for name in map(str, ds.data_vars):
        if name.startswith(OUTSIDE):
            counts = np.asarray(ds[name].values)
            runs = f"{int((counts > 0).sum()):,} of {counts.size:,} runs" if counts.size > 1 else "the run"
            lookup = name.removeprefix(OUTSIDE)
            yield f"lookup {lookup} was read outside its points in {runs} ({int(counts.sum()):,} times); its end values were used"


def as_json(ds: Dataset, kpis: Dataset, experiment: Experiment, warnings: tuple[str, ...], output: Path | None) -> dict[str, Any]:
    """A run for scripts: the summary of each KPI, the differences, warnings, provenance."""
    from dataclasses import asdict

    import flowreform as fr
    from flowreform.kpi import summary

    differences = summary(fr.contrast(kpis, baseline=experiment.baseline)) if len(experiment.scenarios) > 1 else ()
    return {
        "experiment": experiment.name,
        "title": experiment.title,
        "question": experiment.question,
        "scenarios": {name: scenario.label for name, scenario in experiment.scenarios.items()},
        "baseline": experiment.baseline,
        "runs": experiment.runs,
        "kpis": [asdict(row) for row in summary(kpis)],
        "differences": [asdict(row) for row in differences],
        "variables": _series(ds, experiment) if experiment.runs == 1 else {},
        "warnings": list(warnings),
        "provenance": dict(ds.attrs),
        "files": [str(output / name) for name in _names(ds, experiment)] if output else [],
    }


def _names(ds: Dataset, experiment: Experiment) -> tuple[str, ...]:
    from flowreform.export.folder import names_of

    return names_of(ds, experiment)


def _series(ds: Dataset, experiment: Experiment) -> dict[str, Any]:
    """Every saved value of a single run, by variable, and `time`."""
    one = ds.isel(scenario=0, draw=0)
    found: dict[str, Any] = {"time": one["time"].values.tolist()}
    for name in experiment.save:
        if name in one:
            found[name] = one[name].transpose(..., "time").values.tolist()
    return found


# --- tables ----------------------------------------------------------------------------------------------------------


def _tables(ds: Dataset, kpis: Dataset, experiment: Experiment) -> Iterator[RenderableType]:
    yield experiment.title
    if experiment.question:
        yield experiment.question
    if experiment.runs == 1:
        yield _path_table(ds, experiment)
    yield from kpi_tables(kpis, experiment)


def _path_table(ds: Dataset, experiment: Experiment) -> RenderableType:
    """The saved stocks of one run (or whatever was saved) at the start, in the middle and at the end."""
    from flowreform.export.panels import course

    heads, rows = course(ds, experiment)
    return table("", heads, rows, right=range(2, len(heads)))


def kpi_tables(kpis: Dataset, experiment: Experiment) -> Iterator[RenderableType]:
    """The KPIs by scenario, and what they are less than or over the baseline's, draw by draw."""
    import flowreform as fr
    from flowreform.export.tables import alone, by_kpi, heading, spread
    from flowreform.kpi import summary
    from flowreform.text import short

    if not len(kpis.data_vars):
        return
    names = list(experiment.scenarios)
    labels = [short(experiment.scenarios[name].label) for name in names] if experiment.path or len(names) > 1 else ["value"]
    middle = ": median (10th to 90th percentile)" if experiment.draws > 1 else ""
    rows = [
        [heading(next(iter(of.values()))), *(spread(of[name]) for name in names)] for of in by_kpi(summary(alone(kpis))).values()
    ]
    yield table(f"KPIs{middle}", ("KPI", *labels), rows)
    if len(names) < 2:
        return
    others = [name for name in names if name != experiment.baseline]
    delta = by_kpi(summary(fr.contrast(kpis, baseline=experiment.baseline)))
    rows = [[heading(next(iter(of.values()))), *(spread(of[name], signed=True) for name in others)] for of in delta.values()]
    title = f'Against "{short(experiment.scenarios[experiment.baseline].label)}", draw by draw{middle}'
    yield table(title, ("KPI", *(short(experiment.scenarios[name].label) for name in others)), rows)
