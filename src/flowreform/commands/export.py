"""`export`: a model, an experiment's results, or a finished sweep as a file for other programs; the suffix says which kind.

The kinds are the rows of `kinds.KINDS`, each with the name of its writer here. What runs is run as `flowreform run` would, with
the same options.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from flowreform.commands.kinds import kind_of
from flowreform.commands.reading import read_experiment
from flowreform.commands.run import Options, code_from_text, failed_runs, stray_reads, warnings_of
from flowreform.commands.terminal import DONE, SOME_RUNS_FAILED, at_work, complain, print_json, say
from flowreform.errors import ExperimentError, error
from flowreform.files import is_file

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
    into: Path | None = None
    sheet: str | None = None


@dataclass(frozen=True)
class ExportSource:
    """Results to write: a Dataset (scenario, draw, time, ...) and the experiment it is of."""

    ds: Dataset
    experiment: Experiment
    folder: Path | None = None

    @property
    def indices(self) -> Dataset | None:
        """The sensitivity analysis that stands in a sweep's folder, where there is one."""
        from flowreform.results import read_netcdf

        place = self.folder / "sensitivity.nc" if self.folder else None
        return read_netcdf(place) if place is not None and is_file(place) else None

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
    kind = kind_of(asked.output.suffix.lower(), _given(name, asked), str(asked.output))
    made: Written = globals()[kind.writer](name, asked)
    if asked.run.as_json:
        print_json({"source": name, "file": asked.output.name, "notes": list(made.notes), **made.facts})
    else:
        say(f"wrote {asked.output}{f': {made.summary}' if made.summary else ''}")
        for note in made.notes:
            say(f"note: {note}")
    return made.code


def _given(name: str, asked: Asked) -> list[str]:
    """The options of `KINDS` that are given; `.kpis.csv` asks for KPIs, the folder of a sweep has nothing but values."""
    given = {
        "kpis": asked.kpis or Path(asked.output.stem).suffix.lower() == ".kpis",
        "values": asked.values,
        "template": asked.template is not None,
        "map": asked.map is not None,
        "scenario": asked.scenario is not None,
        "dt": asked.dt is not None,
        "into": asked.into is not None,
        "sheet": asked.sheet is not None,
    }
    workbook = asked.output.suffix.lower() == ".xlsx" and not any(given.values())
    return [option for option, there in given.items() if there] + ["values"] * (workbook and Path(name).is_dir())


# --- where results come from -----------------------------------------------------------------------------------------


def _results(name: str, asked: Asked) -> tuple[ExportSource, Written]:
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
    return ExportSource(ds, experiment), Written(SOME_RUNS_FAILED if failed else DONE, notes)


def _experiment(name: str, asked: Asked) -> Experiment:
    """The experiment that a name or a sweep's folder means."""
    from flowreform.sweeps import experiment_of
    from flowreform.sweeps.store import is_sweep

    if is_sweep(Path(name)):
        return experiment_of(name)
    return read_experiment(name, asked.run.table(), asked.run.settings)


def _swept(folder: Path, options: Options) -> tuple[ExportSource, Written]:
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
    return ExportSource(ds, experiment_of(folder), folder), Written(code, tuple(notes))


# --- the kinds -------------------------------------------------------------------------------------------------------


def xmile(name: str, asked: Asked) -> Written:
    """A model as XMILE."""
    import flowreform as fr

    with at_work("writing"):
        fr.write_model(fr.read_model(name), asked.output)
    return Written()


def tidy_csv(name: str, asked: Asked) -> Written:
    """The tidy table as CSV."""
    from flowreform.export.tidy import write_csv

    source, made = _results(name, asked)
    with at_work("writing") as advance:
        write_csv(asked.output, source.ds, source.calendar, advance)
    return made


def kpis_csv(name: str, asked: Asked) -> Written:
    """The KPI table as CSV."""
    from flowreform.export import tables
    from flowreform.files import write_text

    source, made = _results(name, asked)
    write_text(asked.output, tables.kpis_csv(_kpis(source)))
    return made


def tidy_parquet(name: str, asked: Asked) -> Written:
    """The tidy table as Parquet."""
    from flowreform.export.tidy import require_pyarrow, write_parquet

    require_pyarrow(asked.output)  # before anything runs
    source, made = _results(name, asked)
    with at_work("writing") as advance:
        write_parquet(asked.output, source.ds, source.calendar, advance)
    return made


def kpis_parquet(name: str, asked: Asked) -> Written:
    """The KPI table as Parquet."""
    from flowreform.export.tidy import require_pyarrow, write_kpis

    require_pyarrow(asked.output)
    source, made = _results(name, asked)
    write_kpis(asked.output, _kpis(source))
    return made


def netcdf(name: str, asked: Asked) -> Written:
    """The whole Dataset as netCDF."""
    from flowreform.results import write_netcdf

    source, made = _results(name, asked)
    write_netcdf(source.ds, asked.output)
    return made


def live(name: str, asked: Asked) -> Written:
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


def template(name: str, asked: Asked) -> Written:
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


def into(name: str, asked: Asked) -> Written:
    """Yearly results on one sheet of a workbook that the user plans with."""
    from flowreform.export.template.into import SHEET, check_into, write_into

    assert asked.into is not None
    sheet = asked.sheet or SHEET
    check_into(asked.into, sheet)  # its faults come before anything runs
    source, made = _results(name, asked)
    count = write_into(asked.into, sheet, source.ds, source.experiment, asked.output)
    return replace(made, summary=f'{count} rows on its sheet "{sheet}"')


def values(name: str, asked: Asked) -> Written:
    """A workbook that holds values and no formulas."""
    from flowreform.export.values import write_values

    source, made = _results(name, asked)
    with at_work("writing"):
        write_values(asked.output, source.ds, source.experiment, source.indices)
    return made


def _kpis(source: ExportSource) -> Dataset:
    import flowreform as fr

    if not source.experiment.kpis:
        raise ExperimentError(error("no-kpis", "there are no KPIs", "define one in [kpis.<name>], or leave out --kpis"))
    return fr.kpis(source.ds, source.experiment)
