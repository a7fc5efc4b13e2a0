"""Settings from outside an experiment file: `--set NAME=VALUE`, and `with_settings`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from flowreform.errors import ExperimentError, Finding, error
from flowreform.experiment.experiment import Experiment
from flowreform.experiment.given import worded
from flowreform.experiment.settings import Points, Setting, SettingReader
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
                findings.append(error("unknown-parameter", named.reason, named.repair, element=text))
            else:
                fixed[named.name] = value
        elif isinstance(value, str):
            raw[text] = worded(value)
            if isinstance(raw[text], str):
                repair = f"write {text}=1.5 or {text}='1.5 day'"
                findings.append(error("setting", f'"{value}" is no number', repair, element=text))
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
    return replace(experiment, scenarios=MappingProxyType(scenarios))
