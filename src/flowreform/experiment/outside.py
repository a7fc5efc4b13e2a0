"""Settings from outside an experiment file: `--set NAME=VALUE`, and `with_settings`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from flowreform.errors import ExperimentError, Finding, error
from flowreform.experiment.settings import Points, Setting, SettingReader
from flowreform.experiment.tables import Experiment
from flowreform.names import Unknown, find
from flowreform.toml import Document

_NUMBER_UNIT = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(.*?)\s*$")


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
            match = _NUMBER_UNIT.match(value)
            if match is None:
                repair = f"write {text}=1.5 or {text}='1.5 day'"
                findings.append(error("setting", f'"{value}" is no number', repair, element=text))
            else:
                raw[text] = {"value": float(match[1]), "unit": match[2]} if match[2] else float(match[1])
        else:
            raw[text] = value
    calendar = experiment.case.calendar if experiment.case else None
    reader = SettingReader(experiment.model, calendar, Document("--set", {}, {}), findings)
    added = {**reader.read(raw, ()), **fixed}
    if findings:
        raise ExperimentError(findings)
    scenarios = {
        name: replace(scenario, settings=MappingProxyType({**scenario.settings, **added}))
        for name, scenario in experiment.scenarios.items()
    }
    return replace(experiment, scenarios=MappingProxyType(scenarios))
