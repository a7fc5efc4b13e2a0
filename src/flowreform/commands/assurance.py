"""`qa`: the assurance log of an experiment, filled where a machine can and left to a person where it cannot."""

from __future__ import annotations

from pathlib import Path

from flowreform.commands.reading import read_experiment
from flowreform.commands.terminal import DONE, at_work, print_json, say
from flowreform.errors import ExperimentError, FlowreformError, error
from flowreform.files import put, write_file


def qa(name: str, output: Path, *, quick: bool, as_json: bool) -> int:
    """Check and assess the model of an experiment and write the log."""
    import flowreform as fr
    from flowreform.analyse.assessment import Assessment
    from flowreform.pages.assurance import PERSON, assurance

    if output.suffix.lower() != ".md":
        raise ExperimentError(error("unknown-format", "the log is Markdown", "give it a name that ends in .md", file=str(output)))
    result: Assessment | None = None
    why_not = "left out by --quick"
    with at_work("assessing"):
        experiment = read_experiment(name)
        findings = fr.check(experiment)
        if not quick:
            try:
                result = fr.assess(experiment.model)
            except FlowreformError as fault:
                why_not = str(fault).splitlines()[0]
    text = assurance(experiment, findings, result, why_not)
    data = text.encode()
    write_file(output, lambda temporary: put(temporary, data), size=len(data))
    open_lines = text.count(PERSON)
    if as_json:
        print_json({"file": str(output), "assessed": result is not None, "for_a_person": open_lines})
    else:
        say(f"wrote {output}; {open_lines} lines are for a person")
    return DONE
