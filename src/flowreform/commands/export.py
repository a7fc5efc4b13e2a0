"""`export`: a model, an experiment's results, or a finished sweep as a file for other programs; the suffix says which kind.

A kind is one line of `KINDS`. What runs is run as `flowreform run` would, with the same options.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from flowreform.commands.reading import read_experiment
from flowreform.commands.run import Options, code_from_text, failed_runs, stray_reads, warnings_of
from flowreform.commands.terminal import DONE, SOME_RUNS_FAILED, at_work, complain, print_json, say
from flowreform.errors import ExperimentError, did_you_mean, error

if TYPE_CHECKING:
    from xarray import Dataset

    from flowreform.calendar import Calendar
    from flowreform.experiment import Experiment

MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says beside the name: where to, how to run, and which form of a kind."""

    output: Path
    run: Options = field(default_factory=Options)
    kpis: bool = False
    values: bool = False
    template: Path | None = None
    map: Path | None = None
    scenario: str | None = None
    dt: float | None = None

    @property
    def live(self) -> bool:
        """Whether it is the workbook of formulas that is asked for."""
        return self.output.suffix.lower() == ".xlsx" and not self.values and self.template is None


@dataclass(frozen=True)
class Source:
    """Results to write: a Dataset (scenario, draw, time, ...) and the experiment it is of."""

    ds: Dataset
    experiment: Experiment
    folder: Path | None = None

    @property
    def indices(self) -> Dataset | None:
        """The sensitivity analysis that stands in a sweep's folder, where there is one."""
        from flowreform.results import read_netcdf

        place = self.folder / "sensitivity.nc" if self.folder else None
        return read_netcdf(place) if place is not None and place.is_file() else None

    @property
    def calendar(self) -> Calendar | None:
        """What model time means in dates, where the case says it."""
        return self.experiment.case.calendar if self.experiment.case else None


@dataclass(frozen=True)
class Written:
    """What came of an export: its exit code, notes for the user, and facts for scripts."""

    code: int = DONE
    notes: tuple[str, ...] = ()
    facts: Mapping[str, object] = field(default_factory=dict)
    summary: str = ""


def export(name: str, asked: Asked) -> int:
    """Write one file of the kind that its suffix names; 3 when runs behind it failed."""
    kind = _kind(asked)
    made = KINDS[kind](name, asked)
    if asked.run.as_json:
        print_json({"source": name, "file": asked.output.name, "notes": list(made.notes), **made.facts})
    else:
        say(f"wrote {asked.output}{f': {made.summary}' if made.summary else ''}")
        for note in made.notes:
            say(f"note: {note}")
    return made.code


def _kind(asked: Asked) -> str:
    """The key of `KINDS`. Raises ExperimentError for a suffix or a set of options that means nothing."""
    suffix = asked.output.suffix.lower()
    file = str(asked.output)
    if suffix not in KINDS:
        hint = did_you_mean(suffix, KINDS) or f"give it a name that ends in {', '.join(KINDS)}"
        raise ExperimentError(error("unknown-format", f'nothing is written as "{suffix or asked.output.name}"', hint, file=file))
    if (asked.template is None) != (asked.map is None):
        missing, given = ("--map", "--template") if asked.map is None else ("--template", "--map")
        reason = f"{given} needs {missing}: the workbook to fill, and which result goes into which cell"
        raise ExperimentError(error("usage", reason, f"add {missing} FILE", file=file))
    if asked.template is not None and suffix not in (".xlsx", ".xlsm"):
        raise ExperimentError(error("usage", "a template is filled into a workbook", "write .xlsx or .xlsm", file=file))
    if suffix == ".xlsm" and asked.template is None:
        raise ExperimentError(error("usage", "a workbook without a template holds no macros", "write .xlsx", file=file))
    if asked.kpis and suffix not in (".csv", ".parquet"):
        raise ExperimentError(
            error("usage", "--kpis is for .csv and .parquet", "leave it out: other files hold the KPIs", file=file)
        )
    if asked.values and suffix != ".xlsx":
        raise ExperimentError(
            error("usage", "--values is for .xlsx", "leave it out: other files hold nothing but values", file=file)
        )
    only_live = [option for option, given in (("--scenario", asked.scenario), ("--dt", asked.dt)) if given is not None]
    if only_live and not asked.live:
        raise ExperimentError(
            [error("usage", "only the live workbook takes it", "write -o FILE.xlsx", file=option) for option in only_live]
        )
    return suffix


# --- where results come from -----------------------------------------------------------------------------------------


def _results(name: str, asked: Asked) -> tuple[Source, Written]:
    """Run what the name means, or open the sweep in a folder; the results, and what to say of the runs."""
    import flowreform as fr
    from flowreform.results import command_text
    from flowreform.sweeps.store import is_sweep

    options = asked.run
    if is_sweep(Path(name)):
        return _swept(Path(name), options)
    with at_work("runs") as advance:
        experiment = read_experiment(name, options.table(), options.settings)
        complain((*warnings_of(experiment), *code_from_text(experiment, options.engine)))
        command = command_text(options.command(name))
        ds = fr.run(experiment, engine=options.engine, progress=advance, command=command)
    failed = tuple(failed_runs(ds, experiment))
    lines = (*failed, *stray_reads(ds))
    notes = lines[:MOST_NAMED] + ((f"... and {len(lines) - MOST_NAMED} more",) if len(lines) > MOST_NAMED else ())
    return Source(ds, experiment), Written(SOME_RUNS_FAILED if failed else DONE, notes)


def _experiment(name: str, asked: Asked) -> Experiment:
    """The experiment that a name or a sweep's folder means."""
    from flowreform.sweeps import experiment_of
    from flowreform.sweeps.store import is_sweep

    if is_sweep(Path(name)):
        return experiment_of(name)
    return read_experiment(name, asked.run.table(), asked.run.settings)


def _swept(folder: Path, options: Options) -> tuple[Source, Written]:
    """The results of a sweep, read from its folder as they are used. Nothing is run."""
    import flowreform as fr
    from flowreform.sweeps import experiment_of

    if Options(as_json=options.as_json) != options:
        repair = "leave out --set, --engine, --draws, --save and --save-every, or name the experiment"
        raise ExperimentError(error("usage", "a sweep is written as it was run", repair, file=str(folder)))
    ds = fr.open_sweep(folder)
    notes = []
    for key, word in (("missing_runs", "are missing: the sweep is not finished"), ("failed_runs", "failed")):
        if ds.attrs.get(key):
            notes.append(f"{int(ds.attrs[key]):,} of {int(ds.attrs['runs']):,} runs {word}")
    code = SOME_RUNS_FAILED if ds.attrs.get("failed_runs") else DONE
    return Source(ds, experiment_of(folder), folder), Written(code, tuple(notes))


# --- the kinds -------------------------------------------------------------------------------------------------------


def _model(name: str, asked: Asked) -> Written:
    """A model as XMILE."""
    import flowreform as fr

    with at_work("writing"):
        fr.write_model(fr.read_model(name), asked.output)
    return Written()


def _csv(name: str, asked: Asked) -> Written:
    """The tidy table, or the KPI table, as CSV."""
    from flowreform.export.tables import kpis_csv
    from flowreform.export.tidy import write_csv
    from flowreform.files import write_text

    source, made = _results(name, asked)
    if _wants_kpis(asked):
        write_text(asked.output, kpis_csv(_kpis(source)))
    else:
        with at_work("writing") as advance:
            write_csv(asked.output, source.ds, source.calendar, advance)
    return made


def _parquet(name: str, asked: Asked) -> Written:
    """The tidy table, or the KPI table, as Parquet."""
    from flowreform.export.parquet import require_pyarrow, write_kpis, write_parquet

    require_pyarrow(asked.output)  # before anything runs
    source, made = _results(name, asked)
    if _wants_kpis(asked):
        write_kpis(asked.output, _kpis(source))
    else:
        with at_work("writing") as advance:
            write_parquet(asked.output, source.ds, source.calendar, advance)
    return made


def _netcdf(name: str, asked: Asked) -> Written:
    """The whole Dataset as netCDF."""
    from flowreform.results import write_netcdf

    source, made = _results(name, asked)
    write_netcdf(source.ds, asked.output)
    return made


def _workbook(name: str, asked: Asked) -> Written:
    """A filled template, a workbook of values, or the live workbook."""
    if asked.template is not None:
        return _template(name, asked)
    return _values(name, asked) if asked.values or Path(name).is_dir() else _live(name, asked)


def _live(name: str, asked: Asked) -> Written:
    """A model with its scenarios as a workbook of formulas."""
    from flowreform.export.workbook.write import to_xlsx
    from flowreform.results import command_text

    experiment = read_experiment(name, asked.run.table(), asked.run.settings)
    words = asked.run.command(name)
    words[1:] = ["export", *words[2:], "-o", str(asked.output)]
    words += ["--scenario", asked.scenario] if asked.scenario else []
    words += ["--dt", f"{asked.dt:g}"] if asked.dt else []
    command = command_text(words)
    with at_work("writing the workbook") as advance:
        made = to_xlsx(experiment, asked.output, scenario=asked.scenario, dt=asked.dt, progress=advance, command=command)
    complain((*experiment.findings, *made.findings))
    facts = {"experiment": experiment.name, "formulas": made.formulas, "columns": made.columns, "rows": made.rows}
    return Written(facts=facts, summary=f"{made.formulas:,} formulas, {made.columns} columns x {made.rows:,} rows")


def _template(name: str, asked: Asked) -> Written:
    """Yearly results in cells of a workbook that the user has."""
    from flowreform.export.template import fill, plan, read_template

    assert asked.template is not None
    assert asked.map is not None
    template = read_template(asked.template, asked.map, asked.output)  # its faults come before anything runs
    experiment = _experiment(name, asked)
    ready = plan(template, experiment)
    if not Path(name).is_dir():
        asked = replace(asked, run=replace(asked.run, save=(*asked.run.save, *template.map.variables(experiment))))
    source, made = _results(name, asked)
    return replace(made, notes=(*made.notes, *fill(ready, source.ds, source.experiment, asked.output)))


def _values(name: str, asked: Asked) -> Written:
    """A workbook that holds values and no formulas."""
    from flowreform.export.values import write_values

    source, made = _results(name, asked)
    with at_work("writing"):
        write_values(asked.output, source.ds, source.experiment, source.indices)
    return made


def _wants_kpis(asked: Asked) -> bool:
    return asked.kpis or Path(asked.output.stem).suffix.lower() == ".kpis"


def _kpis(source: Source) -> Dataset:
    import flowreform as fr

    if not source.experiment.kpis:
        raise ExperimentError(error("no-kpis", "there are no KPIs", "define one in [kpis.<name>], or leave out --kpis"))
    return fr.kpis(source.ds, source.experiment)


KINDS: dict[str, Callable[[str, Asked], Written]] = {
    ".xlsx": _workbook,
    ".xlsm": _workbook,
    ".csv": _csv,
    ".parquet": _parquet,
    ".nc": _netcdf,
    ".xmile": _model,
    ".stmx": _model,
    ".xml": _model,
}
"""What writes a file, by its suffix."""
