"""A live workbook as an experiment: the scenario that it has chosen, with the inputs that stand in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from flowreform.errors import warning
from flowreform.experiment import Experiment, with_settings
from flowreform.experiment.options import read_settings, with_options
from flowreform.export.roundtrip.cells import read_sheets
from flowreform.export.roundtrip.inputs import as_given, facts, given, step_of
from flowreform.export.roundtrip.origin import find_origin


def experiment_in(path: Path, options: Mapping[str, Any] | None = None, settings: Sequence[str] = ()) -> Experiment:
    """The experiment that the inputs and the selector of a live workbook make: one scenario, one run, at the workbook's step.

    `options` go over the keys of [experiment], after those that the workbook was exported with; with `draws` among them the
    uncertain inputs vary, but for those that the workbook has changed. `settings` (NAME=VALUE) go over the workbook's inputs.

    Raises ExperimentError where it is no live workbook, where its model or experiment is not there or has changed since, and,
    all at once and by cell, for inputs that are missing, empty, text, out of range, or formulas that refer to other cells."""
    sheets = read_sheets(path)
    told = facts(sheets)
    origin = find_origin(told, path)
    wanted = {key: value for key, value in (options or {}).items() if value is not None}
    experiment = with_options(origin.experiment, dict(origin.told.options) | wanted, origin.told.settings)
    found = as_given(experiment, given(sheets, experiment), drawn="draws" in wanted)
    dt = step_of(told, experiment)
    findings = list(found.findings)
    if dt != experiment.dt:
        specs = replace(found.model.specs, dt=dt)
        found = replace(found, dt=dt, model=replace(found.model, specs=specs))
        reason = f"the workbook has step {dt:g}, the model {experiment.dt:g}: this run has the workbook's"
        findings.append(warning("dt", reason, file=sheets.file))
    if not origin.same_case:
        reason = "the case file of the model has changed since the workbook was made: labels and KPIs may be others"
        findings.append(warning("case", reason, file=sheets.file))
    found = replace(found, name=path.stem, findings=tuple(findings))
    extra = read_settings(settings)
    return with_settings(found, extra) if extra else found
