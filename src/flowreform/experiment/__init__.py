"""An experiment: a model, scenarios, uncertainties, draws and KPIs, read from one TOML file and frozen.

Whatever the experiment does not say comes from the case file beside its model; `origins` says which file won.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from flowreform.case import Case, read_case
from flowreform.errors import ExperimentError, Finding, ModelError, did_you_mean, error, shorten
from flowreform.experiment.copula import Correlation
from flowreform.experiment.experiment import Experiment, build_experiment
from flowreform.experiment.form_file import document_at, is_workbook
from flowreform.experiment.options import add_settings
from flowreform.experiment.settings import Points, Scenario, Setting
from flowreform.experiment.tables import Origin
from flowreform.files import is_file
from flowreform.model import Model
from flowreform.toml import Document, Loc, Source

__all__ = [
    "Correlation",
    "Experiment",
    "Origin",
    "Points",
    "Scenario",
    "Setting",
    "Subject",
    "as_experiment",
    "as_model",
    "experiment_of",
    "experiment_path",
    "is_experiment",
    "read_experiment",
    "read_to_fit",
    "with_settings",
]


def experiment_path(name_or_path: str | Path) -> Path:
    """The file of an experiment: a bare word is a bundled one, anything with a separator or a suffix is a path.

    Raises ExperimentError when there is no such experiment or file."""
    from flowreform.formats import bundled, is_bare

    text = os.fspath(name_or_path)
    if isinstance(name_or_path, str) and is_bare(text):
        known = bundled("experiments")
        if text in known:
            return known[text]
        hint = did_you_mean(text, known) or (
            f"bundled are {', '.join(known)}" if known else "write the path of an experiment file"
        )
        hint = f"for the file write {text}.toml" if Path(f"{text}.toml").is_file() else hint
        raise ExperimentError(error("unknown-experiment", "no bundled experiment has this name", hint, element=text))
    path = Path(text)
    try:
        if path.is_file():
            return path
        near = path.parent.iterdir() if path.parent.is_dir() and not path.exists() else ()
        beside = [item.name for item in near if item.suffix == ".toml"]
        reason = "this is not an ordinary file" if path.exists() else "there is no such file"
        reason = "this is a folder, not an experiment file" if path.is_dir() else reason
    except (OSError, ValueError) as fault:  # a name too long or with a null character, a folder that may not be read
        reason, beside = f"cannot read the file: {getattr(fault, 'strerror', None) or fault}", []
    hint = did_you_mean(path.name, beside) or "check the path"
    raise ExperimentError(error("no-file", reason, hint, file=text))


def read_experiment(name_or_path: str | Path, model: Model | None = None) -> Experiment:
    """The experiment in a file, or the bundled one of that name.

    `model` stands in for the one the file names. Raises ExperimentError with all faults of the file at once, and ModelError
    with those of its model or case file::

        experiment = fr.read_experiment("care_shift_build_or_close_first")
        experiment.with_(draws=8, scenario="build_first")
    """
    path = experiment_path(name_or_path)
    source = Source(document_at(path))
    if model is None:
        model = _model_of(source, path)
    return _built(source, model, read_case(model), path)


def read_to_fit(path: str | Path) -> Experiment:
    """The experiment in a file without the draws that it names, which may be of what it said before."""
    source = Source(document_at(place := experiment_path(path)))
    table = source.document.table.get("experiment")
    if isinstance(table, dict) and str(table.get("ensemble", "")).lower().endswith(".csv"):
        kept = {**source.document.table, "experiment": {key: value for key, value in table.items() if key != "ensemble"}}
        source = Source(replace(source.document, table=kept))
    model = _model_of(source, place)
    return _built(source, model, read_case(model), place)


def _built(source: Source, model: Model, case: Case | None, path: Path | None) -> Experiment:
    experiment = build_experiment(source, model, case, path)
    if experiment is None or source.failed:
        raise ExperimentError(source.findings)
    return experiment


def _model_of(source: Source, path: Path) -> Model:
    """The model that an experiment file names."""
    from flowreform.formats import is_bare, read_model

    loc: Loc = ("experiment", "model")
    document = source.document
    table = source.required("experiment", "title, question and model")
    if not isinstance(table, dict):
        raise ExperimentError(
            source.findings or document.fault("schema", loc[:1], "a table is needed here", "write [experiment]")
        )
    name = table.get("model")
    if not isinstance(name, str) or not name.strip():
        raise ExperimentError(document.fault("schema", loc, "the model's name or path is needed", 'add model = "care_shift"'))
    if "://" in name or name.startswith(("//", "\\\\")):
        raise ExperimentError(
            document.fault("model-path", loc, "a model is read from a file of this machine only", "copy it beside")
        )
    if is_bare(name):
        return read_model(name)
    found = path.parent / name.replace("\\", "/")
    if not is_file(found):
        reason = f'there is no model file "{name}" beside the experiment'
        raise ExperimentError(document.fault("no-file", loc, reason, "write the path as seen from the experiment file"))
    return read_model(found)


def experiment_of(model: Model, settings: Mapping[str, Setting] | None = None) -> Experiment:
    """One run of a model as it stands: one scenario, one draw, every KPI of its case.

    `settings` holds values in the model's units by parameter; names in any spelling. Raises ModelError for the case file
    and ExperimentError for the settings."""
    case = read_case(model)
    title = case.about.title if case and case.about.title else model.name
    table = {"title": title, "question": case.about.question if case else "", "model": model.name}
    experiment = _built(Source(Document(model.file, {"experiment": table}, {})), model, case, None)
    return with_settings(experiment, settings) if settings else experiment


def with_settings(experiment: Experiment, settings: Mapping[str, Setting | str]) -> Experiment:
    """The experiment with parameters set in every scenario, over what the scenarios say (`--set NAME=VALUE`).

    A value is a number in the model's unit, `Points`, or text such as "6.5" or "6.5 day". Raises ExperimentError with all
    faults at once: unknown names, units of another dimension, values outside the range."""
    return add_settings(experiment, settings)


# --- what public functions take --------------------------------------------------------------------------------------

Subject = Experiment | Model | str | Path
"""What public functions work on: an experiment, a model, or the bundled name or path of one."""


def is_experiment(name: str | Path) -> bool:
    """Whether a name or path means an experiment rather than a model.

    Raises ModelError for a bare word that is neither, with the closest names there are."""
    from flowreform.formats import bundled, is_bare

    text = os.fspath(name)
    if not isinstance(name, str) or not is_bare(text):
        return text.lower().endswith(".toml") or is_workbook(text)
    experiments, models = bundled("experiments"), bundled("models")
    if text in experiments or text in models:
        return text in experiments
    hint = did_you_mean(text, (*models, *experiments)) or "`flowreform models` and `flowreform experiments` list them"
    if Path(text).exists():
        hint = f"for the file of that name write ./{shorten(text)}"
    raise ModelError(error("unknown-name", "no bundled model or experiment has this name", hint, element=text))


def as_experiment(subject: Subject) -> Experiment:
    """An experiment as public functions take it: itself, the one of a name or path, or one run of a model as it stands.

    Raises ExperimentError for anything else, and what reading raises."""
    from flowreform.formats import read_model

    if isinstance(subject, Experiment):
        return subject
    if isinstance(subject, Model):
        return experiment_of(subject)
    if isinstance(subject, str | Path):
        return read_experiment(subject) if is_experiment(subject) else experiment_of(read_model(subject))
    raise ExperimentError(_neither(subject, "an experiment"))


def as_model(subject: Subject) -> Model:
    """A model as public functions take it: itself, the one of a name or path, or the one of an experiment.

    Raises ModelError for anything else, and what reading raises."""
    from flowreform.formats import read_model

    if isinstance(subject, Model):
        return subject
    if isinstance(subject, Experiment):
        return subject.model
    if isinstance(subject, str | Path):
        return read_experiment(subject).model if is_experiment(subject) else read_model(subject)
    raise ModelError(_neither(subject, "a model"))


def _neither(subject: object, wanted: str) -> Finding:
    reason = f"{wanted} is needed, not {type(subject).__name__} ({shorten(repr(subject), 60)})"
    return error("subject", reason, "give a bundled name, a path, a Model or an Experiment")
