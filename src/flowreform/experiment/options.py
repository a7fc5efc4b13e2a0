"""Options over an experiment: keys of its [experiment] table, and settings for every scenario, through the same checks."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from flowreform.errors import ExperimentError, Finding, error
from flowreform.experiment.experiment import Experiment, build_experiment, toml_text
from flowreform.experiment.form_file import document_at
from flowreform.experiment.given import worded
from flowreform.experiment.settings import Points, Setting, SettingReader
from flowreform.experiment.starts import contradictions
from flowreform.names import Unknown, find
from flowreform.toml import Document, Source


def add_settings(experiment: Experiment, settings: Mapping[str, Setting | str]) -> Experiment:
    """The experiment with parameters set in every scenario; see `experiment.with_settings`."""
    findings: list[Finding] = []
    raw: dict[str, object] = {}
    fixed: dict[str, Points] = {}
    for text, value in settings.items():
        if isinstance(value, Points):
            named = find(experiment.model, text, parameter=True)
            if isinstance(named, Unknown):
                findings.append(error("unknown-parameter", named.reason, named.repair, file="--set", element=text))
            else:
                fixed[named.name] = value
        elif isinstance(value, str):
            raw[text] = worded(value)
            if isinstance(raw[text], str):
                repair = f"write {text}=1.5 or {text}='1.5 day'"
                findings.append(error("setting", f'"{value}" is no number', repair, file="--set", element=text))
                del raw[text]
        else:
            raw[text] = value
    calendar = experiment.case.calendar if experiment.case else None
    reader = SettingReader(experiment.model, calendar, Source(Document("--set", {}, {}), findings))
    added = {**reader.read(raw, ()), **fixed}
    if findings:
        raise ExperimentError(findings)
    scenarios = {
        name: replace(scenario, settings=MappingProxyType({**scenario.settings, **added}))
        for name, scenario in experiment.scenarios.items()
    }
    if faults := list(contradictions(experiment.model, experiment.case, scenarios, experiment.start)):
        raise ExperimentError(faults)
    return replace(experiment, scenarios=MappingProxyType(scenarios))


# --- options over an experiment --------------------------------------------------------------------------------------


def with_options(experiment: Experiment, options: Mapping[str, Any], settings: Sequence[str] = ()) -> Experiment:
    """The experiment with `options` over the keys of [experiment], and `NAME=VALUE` settings in every scenario.

    Raises ExperimentError with every fault of either."""
    wanted = read_settings(settings)
    found = _again(experiment, options) if options else experiment
    return add_settings(found, wanted) if wanted else found


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
    document = _document(found)
    table = {**document.table, "experiment": {**document.table["experiment"], **options}}
    source = Source(replace(document, table=table))
    built = build_experiment(source, *found.unfilled, found.path)
    if built is None or source.failed:
        raise ExperimentError([_of_option(finding, options) for finding in source.findings])
    return built


def _of_option(finding: Finding, options: Mapping[str, Any]) -> Finding:
    """A finding about a key that the command line gave, at the option and not at a line of the file."""
    for key in options:
        if finding.element == f"experiment.{key}":
            return replace(finding, file="command line", line=0, element=f"--{key.replace('_', '-')}")
    return finding


def _document(found: Experiment) -> Document:
    if found.path is not None:
        return document_at(found.path)
    return Document(found.model.file, tomllib.loads(toml_text(found, found.model.name)), {})
