"""The folder a run leaves behind: results.nc, kpis.csv, summary.md and chart.png, all of them or none."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from flowreform.export.summary import summary_text
from flowreform.export.tables import kpis_csv
from flowreform.files import Writer, put, write_files
from flowreform.results import to_netcdf

if TYPE_CHECKING:
    from xarray import Dataset

    from flowreform.experiment import Experiment

NAMES = ("results.nc", "kpis.csv", "summary.md", "chart.png")


def write_folder(folder: Path, ds: Dataset, kpis: Dataset, experiment: Experiment, warnings: Iterable[str] = ()) -> None:
    """Write the four files of a run into `folder`; what else stands there stays.

    Raises ExperimentError where the folder cannot be written to; then nothing in it has changed."""
    lines = tuple(warnings)
    text = summary_text(kpis, experiment, lines, ds.attrs, ds)
    table = kpis_csv(kpis)
    writers: dict[str, Writer] = {
        "results.nc": lambda path: to_netcdf(ds, path),
        "kpis.csv": lambda path: put(path, table.encode()),
        "summary.md": lambda path: put(path, text.encode()),
        "chart.png": lambda path: write_chart(path, ds, experiment),
    }
    writers = {name: writers[name] for name in names_of(ds, experiment)}
    write_files(folder, writers, size=ds.nbytes + len(text) + len(table))


def names_of(ds: Dataset, experiment: Experiment) -> tuple[str, ...]:
    """The files of a run; no chart where nothing moves over time."""
    from flowreform.export.panels import panels_of

    return NAMES if panels_of(ds, experiment) else NAMES[:-1]


def write_chart(path: Path, ds: Dataset, experiment: Experiment) -> None:
    """The chart of a run as a PNG."""
    from flowreform.export.chart import draw
    from flowreform.export.panels import panels_of
    from flowreform.text import short

    baseline = short(experiment.scenarios[experiment.baseline].label)
    panels = panels_of(ds, experiment)
    note = _note(experiment, any(panel.points for panel in panels))
    draw(path, panels, title=experiment.title, question=experiment.question, note=note, baseline=baseline)


def _note(experiment: Experiment, observed: bool) -> str:
    """What the lines are and where the numbers come from."""
    lines = f"Lines: median of {experiment.draws:,} draws; bands: 10th to 90th percentile. " if experiment.draws > 1 else ""
    model = f"Model {experiment.model.name} {experiment.model.sha256[:8]}"
    asked = f", experiment {experiment.name} {experiment.sha256[:8]}, seed {experiment.seed}" if experiment.sha256 else ""
    points = " Observed values: reference.csv of the model." if observed else ""
    return f"{lines}{model}{asked}.{points}"
