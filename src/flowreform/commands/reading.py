"""From what a user types to a model or an experiment, with the options of the command line over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flowreform.experiment import Experiment


def read_experiment(name: str, options: Mapping[str, Any] | None = None, settings: Sequence[str] = ()) -> Experiment:
    """The experiment of that name, or one run of the model of that name.

    `options` replace keys of [experiment] and are checked like them; `settings` are NAME=VALUE, for every scenario.
    Raises ExperimentError or ModelError with all faults found."""
    from flowreform import experiment as made
    from flowreform.experiment.options import read_settings, with_options

    options = {key: value for key, value in (options or {}).items() if value is not None}
    if is_workbook(name) and not _is_form(Path(name)):
        return _of_workbook(Path(name), options, settings)
    read_settings(settings)
    return with_options(made.as_experiment(name), options, settings)


def is_workbook(name: str) -> bool:
    """Whether a name means a live workbook, whose inputs are read back."""
    return name.lower().endswith((".xlsx", ".xlsm"))


def _is_form(path: Path) -> bool:
    """Whether a workbook is a filled form rather than a live workbook."""
    from flowreform.experiment.form_file import form_document

    return form_document(path) is not None


def _of_workbook(path: Path, options: Mapping[str, Any], settings: Sequence[str]) -> Experiment:
    """The scenario that a live workbook has chosen, with the inputs it holds: one run, or as many draws as the options say."""
    from flowreform.export.roundtrip.inputs import experiment_in

    return experiment_in(path, options, settings)
