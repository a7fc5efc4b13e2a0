"""`export`: a model or an experiment as a file that other programs read. What is written follows from the file's suffix."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from flowreform.commands.reading import read_experiment
from flowreform.commands.terminal import DONE, at_work, complain, print_json, say
from flowreform.errors import ExperimentError, error


@dataclass(frozen=True)
class Options:
    """What the command line asks of an export."""

    scenario: str | None = None
    dt: float | None = None
    as_json: bool = False


def export(name: str, output: Path, options: Options) -> int:
    """Write the kind of file that the suffix asks for."""
    kind = KINDS.get(output.suffix.lower(), _xmile)  # the XMILE writer knows which other suffixes there are
    if kind is not _xlsx:
        _only_for_workbooks(options)
    return kind(name, output, options)


def _only_for_workbooks(options: Options) -> None:
    given = {"--scenario": options.scenario, "--dt": options.dt}
    wrong = [error("usage", "only a workbook takes it", "write -o FILE.xlsx", file=option) for option in given if given[option]]
    if wrong:
        raise ExperimentError(wrong)


def _xmile(name: str, output: Path, options: Options) -> int:
    """A model as XMILE 1.0."""
    import flowreform as fr

    with at_work("writing"):
        written = fr.write_model(fr.read_model(name), output)
    if options.as_json:
        print_json({"model": name, "file": written.name})
    else:
        say(f"wrote {written}")
    return DONE


def _xlsx(name: str, output: Path, options: Options) -> int:
    """A model with its scenarios as a live workbook."""
    from flowreform.export.workbook.write import to_xlsx
    from flowreform.results import command_text

    experiment = read_experiment(name)
    with at_work("writing the workbook") as advance:
        made = to_xlsx(
            experiment, output, scenario=options.scenario, dt=options.dt, progress=advance, command=command_text(sys.argv)
        )
    complain((*experiment.findings, *made.findings))
    if options.as_json:
        facts = {"formulas": made.formulas, "columns": made.columns, "rows": made.rows}
        print_json({"experiment": experiment.name, "file": output.name, **facts})
    else:
        say(f"wrote {output}: {made.formulas:,} formulas, {made.columns} columns x {made.rows:,} rows")
    return DONE


KINDS: dict[str, Callable[[str, Path, Options], int]] = {".xlsx": _xlsx}
"""What writes a file of each suffix; all others are XMILE."""
