"""`check` and `assess`: faults found without running, and behaviour against what was observed."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from flowreform.commands.terminal import DIFFERENT, DONE, WRONG_INPUT, at_work, complain, print_json, show
from flowreform.errors import Finding, FlowreformError, Level, ModelError
from flowreform.names import split

if TYPE_CHECKING:
    from flowreform.analyse.assessment import Assessment
    from flowreform.case import Case
    from flowreform.model import Model


def check(name: str, *, as_json: bool) -> int:
    """Print every finding of a model or experiment; 1 when one of them is an error."""
    from flowreform.commands.reading import is_experiment

    with at_work("checking"):
        findings = _experiment_findings(name) if is_experiment(name) else _model_findings(name)
    errors = sum(finding.level is Level.ERROR for finding in findings)
    warnings = len(findings) - errors
    if as_json:
        entries = [asdict(finding) for finding in findings]
        print_json({"name": name, "errors": errors, "warnings": warnings, "findings": entries})
    else:
        complain(findings)
        show(f"{name}: {_count(errors, 'error')}, {_count(warnings, 'warning')}")
    return WRONG_INPUT if errors else DONE


def _count(many: int, word: str) -> str:
    return f"{many or 'no'} {word}{'' if many == 1 else 's'}"


def _model_findings(name: str) -> tuple[Finding, ...]:
    from flowreform.formats import read_model

    try:
        model = read_model(name)
    except FlowreformError as fault:
        return fault.findings
    return _of_model(model)


def _experiment_findings(name: str) -> tuple[Finding, ...]:
    from flowreform.experiment import read_experiment

    try:
        experiment = read_experiment(name)
    except FlowreformError as fault:
        return fault.findings
    return _unique((*_of_model(experiment.model), *experiment.findings))


def _of_model(model: Model) -> tuple[Finding, ...]:
    """The findings of a model and of its case file."""
    import flowreform as fr
    from flowreform.case import read_case

    try:
        case = read_case(model)
    except ModelError as fault:
        return _unique((*fr.check(model), *fault.findings))
    return _unique((*fr.check(model, used=_used(case)), *(case.findings if case else ())))


def _used(case: Case | None) -> set[str]:
    """The variables that a case reads: they need no other use."""
    if case is None:
        return set()
    measured = {split(name)[0] for _, measure in case.measures() for name in measure.variables}
    return measured | {split(name)[0] for chart in case.charts for name in chart.variables}


def _unique(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    return tuple(dict.fromkeys(findings))


def assess(name: str, *, tests: bool, full: bool, markdown: bool, as_json: bool) -> int:
    """Print every target, gate and witness of a model, with `tests` the standard battery too; 4 when one that should hold
    does not."""
    import flowreform as fr
    from flowreform.formats import read_model

    with at_work("assessing"):
        model = read_model(name)
        result = fr.assess(model, full=full)
        if tests or markdown:
            result = _with_battery(model, result)
    if as_json:
        print_json(result.as_dict())
    elif markdown:
        from flowreform.analyse.battery import markdown as as_markdown

        print(as_markdown(model, result.rows))
    else:
        show(*result.manual())
    return DONE if result.ok else DIFFERENT


def _with_battery(model: Model, result: Assessment) -> Assessment:
    from dataclasses import replace

    from flowreform.analyse.battery import battery
    from flowreform.case import read_case

    case = read_case(model)
    return replace(result, rows=(*result.rows, *battery(model, case))) if case else result
