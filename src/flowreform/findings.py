"""`fr.check`: every finding of a model, of the case file beside it, and of an experiment."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

from flowreform import checks
from flowreform.case import Case, read_case
from flowreform.errors import Finding, FlowreformError, Level, ModelError
from flowreform.experiment import Experiment, Subject, as_experiment, as_model, is_experiment
from flowreform.links.claims import check_claims
from flowreform.model import Model
from flowreform.names import split


def check(subject: Subject, used: Collection[str] = (), *, noise_seed: int | None = None) -> tuple[Finding, ...]:
    """Every finding of a model or an experiment, in the order of the file; empty when nothing is wrong.

    `subject` is a bundled name, a path, a Model or an Experiment. Of a model: names, units, loops, delays against dt, ranges,
    documentation, and the case file beside it, with the loops that it names: they are looked up and followed along a few runs. Of
    an experiment also its own. A finding has `level` (error or warning), `file`, `line`, `element`, `reason` and `repair`. `used`
    names variables that something outside the files reads, so that they are not reported as unused. With `noise_seed` random
    functions are no fault. Faults of files are findings, too. Raises ModelError for a subject that is none of these, and for a
    bare word that names nothing::

        for finding in fr.check("care_shift"):
            print(finding)
    """
    try:
        if isinstance(subject, Experiment) or (isinstance(subject, str | Path) and is_experiment(subject)):
            experiment = as_experiment(subject)
            return _unique((*_of_model(_with(experiment.model, noise_seed), used), *experiment.findings))
        return _of_model(_with(as_model(subject), noise_seed), used)
    except FlowreformError as fault:
        if not isinstance(subject, str | Path) or any(finding.rule == "unknown-name" for finding in fault.findings):
            raise
        return fault.findings


def _with(model: Model, noise_seed: int | None) -> Model:
    return model if noise_seed is None else replace(model, noise_seed=noise_seed)


def _of_model(model: Model, used: Collection[str]) -> tuple[Finding, ...]:
    """The findings of a model and of its case file."""
    try:
        case = read_case(model)
    except ModelError as fault:
        return _unique((*checks.check(model, used), *fault.findings))
    found = checks.check(model, {*used, *_used(case)})
    claims = check_claims(model, case) if case and not any(item.level is Level.ERROR for item in found) else ()
    return _unique((*found, *(case.findings if case else ()), *claims))


def _used(case: Case | None) -> set[str]:
    """The variables that a case reads: they need no other use."""
    if case is None:
        return set()
    measured = {split(name)[0] for _, measure in case.measures() for name in measure.variables}
    tables = (case.laws.conserved, case.laws.never_above) if case.laws else ()
    watched = [name for table in tables for pair in table.items() for name in pair]
    shown = [name for chart in case.charts for name in chart.variables]
    return measured | {split(name)[0] for name in (*watched, *shown)}


def _unique(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    return tuple(dict.fromkeys(findings))
