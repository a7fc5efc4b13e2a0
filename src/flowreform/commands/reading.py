"""From what a user types to a model or an experiment, with the options of the command line over it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowreform.errors import ExperimentError, Finding, Level, ModelError, did_you_mean, error, shorten

if TYPE_CHECKING:
    from flowreform.experiment import Experiment
    from flowreform.toml import Document


def is_experiment(name: str) -> bool:
    """Whether a name means an experiment rather than a model.

    Raises ModelError for a bare word that is neither, with the closest names there are."""
    from flowreform.formats import bundled, is_bare

    if not is_bare(name):
        return name.lower().endswith(".toml")
    experiments, models = bundled("experiments"), bundled("models")
    if name in experiments:
        return True
    if name in models:
        return False
    hint = did_you_mean(name, (*models, *experiments)) or "`flowreform models` and `flowreform experiments` list them"
    if Path(name).exists():
        hint = f"for the file of that name write ./{shorten(name)}"
    raise ModelError(error("unknown-name", "no bundled model or experiment has this name", hint, element=name))


def read_experiment(name: str, options: Mapping[str, Any] | None = None, settings: Sequence[str] = ()) -> Experiment:
    """The experiment of that name, or one run of the model of that name.

    `options` go over the keys of [experiment] and are checked like them; `settings` are NAME=VALUE, for every scenario.
    Raises ExperimentError or ModelError with all faults found."""
    from flowreform import experiment as made
    from flowreform.formats import read_model

    options = {key: value for key, value in (options or {}).items() if value is not None}
    wanted = read_settings(settings)
    if is_experiment(name):
        found = made.read_experiment(name)
    else:
        found = made.experiment_of(read_model(name))
    if options:
        found = _again(found, options)
    return made.with_settings(found, wanted) if wanted else found


def read_settings(texts: Sequence[str]) -> dict[str, str]:
    """`NAME=VALUE` texts by name.

    Raises ExperimentError for a text without a name or a value, and for a name that comes twice."""
    found: dict[str, str] = {}
    findings: list[Finding] = []
    for text in texts:
        name, equals, value = text.partition("=")
        name, value = name.strip(), value.strip()
        if not equals or not name or not value:
            findings.append(
                error("setting", "a setting is NAME=VALUE", "write --set length_of_stay=7", file="--set", element=text)
            )
        elif name in found:
            findings.append(error("setting", "it is set twice", "keep one of them", file="--set", element=name))
        else:
            found[name] = value
    if findings:
        raise ExperimentError(findings)
    return found


def _again(found: Experiment, options: Mapping[str, Any]) -> Experiment:
    """The same experiment with other values in its [experiment] table, through the same checks."""
    from flowreform.experiment.build import build_experiment

    document = _document(found)
    table = {**document.table, "experiment": {**document.table["experiment"], **options}}
    findings: list[Finding] = []
    built = build_experiment(replace(document, table=table), found.model, found.case, findings, found.path)
    if built is None or any(finding.level is Level.ERROR for finding in findings):
        raise ExperimentError([_of_option(finding, options) for finding in findings])
    return built


def _of_option(finding: Finding, options: Mapping[str, Any]) -> Finding:
    """A finding about a key that the command line gave, at the option and not at a line of the file."""
    for key in options:
        if finding.element == f"experiment.{key}":
            return replace(finding, file="command line", line=0, element=f"--{key.replace('_', '-')}")
    return finding


def _document(found: Experiment) -> Document:
    from flowreform.toml import Document, read_document

    if found.path is not None:
        return read_document(found.path, ExperimentError)
    about = {"title": found.title, "question": found.question, "model": found.model.name}
    return Document(found.model.file, {"experiment": about}, {})
