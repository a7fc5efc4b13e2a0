"""`export`: a model, an experiment's results, or a finished sweep as a file for other programs; the suffix says which kind.

A kind is one line of `KINDS`. What runs is run as `flowreform run` would, with the same options.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from flowreform.commands.reading import read_experiment
from flowreform.commands.run import Options, failed_runs, input_warnings, stray_reads
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


@dataclass(frozen=True)
class Source:
    """Results to write: a Dataset (scenario, draw, time, ...) and the experiment it is of."""

    ds: Dataset
    experiment: Experiment

    @property
    def calendar(self) -> Calendar | None:
        """What model time means in dates, where the case says it."""
        return self.experiment.case.calendar if self.experiment.case else None


Written = tuple[str, ...]
"""Lines about what was written: notes for the user."""


def export(name: str, asked: Asked) -> int:
    """Write one file of the kind that its suffix names; 3 when runs behind it failed."""
    kind = _kind(asked)
    notes, code = KINDS[kind](name, asked)
    if asked.run.as_json:
        print_json({"source": name, "file": asked.output.name, "notes": list(notes)})
    else:
        say(f"wrote {asked.output}")
        for note in notes:
            say(f"note: {note}")
    return code


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
    return suffix


# --- where results come from -----------------------------------------------------------------------------------------


def _results(name: str, asked: Asked) -> tuple[Source, Written, int]:
    """Run what the name means; the results, and what to say of the runs."""
    import flowreform as fr
    from flowreform.results import command_text

    options = asked.run
    with at_work("runs") as advance:
        experiment = read_experiment(name, options.table(), options.settings)
        complain(input_warnings(experiment))
        command = command_text(options.command(name))
        ds = fr.run(experiment, engine=options.engine, progress=advance, command=command)
    failed = tuple(failed_runs(ds, experiment))
    lines = (*failed, *stray_reads(ds))
    notes = lines[:MOST_NAMED] + ((f"... and {len(lines) - MOST_NAMED} more",) if len(lines) > MOST_NAMED else ())
    return Source(ds, experiment), notes, SOME_RUNS_FAILED if failed else DONE


# --- the kinds -------------------------------------------------------------------------------------------------------


def _model(name: str, asked: Asked) -> tuple[Written, int]:
    """A model as XMILE."""
    import flowreform as fr

    with at_work("writing"):
        fr.write_model(fr.read_model(name), asked.output)
    return (), DONE


def _csv(name: str, asked: Asked) -> tuple[Written, int]:
    """The tidy table, or the KPI table, as CSV."""
    from flowreform.export.tables import kpis_csv
    from flowreform.export.tidy import write_csv
    from flowreform.files import write_text

    source, notes, code = _results(name, asked)
    if _wants_kpis(asked):
        write_text(asked.output, kpis_csv(_kpis(source)))
    else:
        with at_work("writing") as advance:
            write_csv(asked.output, source.ds, source.calendar, advance)
    return notes, code


def _parquet(name: str, asked: Asked) -> tuple[Written, int]:
    """The tidy table, or the KPI table, as Parquet."""
    from flowreform.export.parquet import require_pyarrow, write_kpis, write_parquet

    require_pyarrow(asked.output)  # before anything runs
    source, notes, code = _results(name, asked)
    if _wants_kpis(asked):
        write_kpis(asked.output, _kpis(source))
    else:
        with at_work("writing") as advance:
            write_parquet(asked.output, source.ds, source.calendar, advance)
    return notes, code


def _netcdf(name: str, asked: Asked) -> tuple[Written, int]:
    """The whole Dataset as netCDF."""
    from flowreform.results import write_netcdf

    source, notes, code = _results(name, asked)
    write_netcdf(source.ds, asked.output)
    return notes, code


def _workbook(name: str, asked: Asked) -> tuple[Written, int]:
    """A filled template, or a workbook of values."""
    if asked.template is not None:
        return _template(name, asked)
    raise ExperimentError(
        error("usage", "a workbook of results is not written yet", "add --template and --map", file=str(asked.output))
    )


def _template(name: str, asked: Asked) -> tuple[Written, int]:
    """Yearly results in cells of a workbook that the user has."""
    from flowreform.export.template import fill, plan, read_template

    assert asked.template is not None
    assert asked.map is not None
    template = read_template(asked.template, asked.map, asked.output)  # its faults come before anything runs
    experiment = read_experiment(name, asked.run.table(), asked.run.settings)
    made = plan(template, experiment)
    options = replace(asked.run, save=(*asked.run.save, *template.map.variables(experiment)))
    source, notes, code = _results(name, replace(asked, run=options))
    return (*notes, *fill(made, source.ds, source.experiment, asked.output)), code


def _wants_kpis(asked: Asked) -> bool:
    return asked.kpis or Path(asked.output.stem).suffix.lower() == ".kpis"


def _kpis(source: Source) -> Dataset:
    import flowreform as fr

    if not source.experiment.kpis:
        raise ExperimentError(error("no-kpis", "there are no KPIs", "define one in [kpi.<name>], or leave out --kpis"))
    return fr.kpis(source.ds, source.experiment)


KINDS: dict[str, Callable[[str, Asked], tuple[Written, int]]] = {
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
