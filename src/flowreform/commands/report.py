"""`report`: the decision paper and the live page of an experiment, a model or a finished sweep as one HTML file."""

from __future__ import annotations

from pathlib import Path

from flowreform.commands.reading import read_experiment
from flowreform.commands.run import Options, warnings_of
from flowreform.commands.terminal import DONE, SOME_RUNS_FAILED, at_work, complain, print_json, say
from flowreform.errors import ExperimentError, error

MOST_RUNS = 20_000
"""More are not kept in memory with all their courses; a paper needs a few hundred draws."""


def report(name: str, output: Path, options: Options) -> int:
    """Run an experiment and write its page; 3 when some runs failed."""
    from flowreform.files import put, write_file
    from flowreform.pages.assemble import conclusions_of, page_of
    from flowreform.pages.found import find
    from flowreform.results import command_text
    from flowreform.sweeps import experiment_of, is_sweep

    require_html(output, "a report")
    with at_work("runs") as advance:
        folder = Path(name)
        if folder.is_dir() and is_sweep(folder):
            experiment = experiment_of(folder)
            if options.draws is not None:
                experiment = experiment.with_(draws=options.draws)
        else:
            experiment = read_experiment(name, options.table(), options.settings)
        if experiment.runs > MOST_RUNS:
            reason = f"{experiment.runs:,} runs are more than the {MOST_RUNS:,} that a report keeps"
            raise ExperimentError(error("too-many-runs", reason, "take fewer: --draws 200", file=str(experiment.path or name)))
        complain(warnings_of(experiment))
        found = find(experiment, advance, command_text(options.command(Path(name).name)))
    with at_work("drawing"):
        data = page_of(found, conclusions_of(experiment)).encode()
    write_file(output, lambda temporary: put(temporary, data), size=len(data))
    if options.as_json:
        print_json({"file": str(output), "bytes": len(data), "runs": experiment.runs, "failed": found.failed})
    else:
        say(f"wrote {output} ({len(data) / 1e6:.1f} MB)")
    return SOME_RUNS_FAILED if found.failed else DONE


def page(name: str, output: Path, *, draws: int | None, as_json: bool) -> int:
    """Write the page in which a system is entered into a model."""
    from flowreform.files import put, write_file
    from flowreform.pages.form import form_page, page_subject
    from flowreform.results import command_text

    require_html(output, "a page")
    with at_work("runs") as advance:
        experiment = page_subject(read_experiment(name))
        if draws is not None:
            experiment = experiment.with_(draws=draws)
        text = form_page(experiment, command_text(["flowreform", "page", Path(name).name, "-o", output.name]), advance)
    data = text.encode()
    write_file(output, lambda temporary: put(temporary, data), size=len(data))
    if as_json:
        print_json({"file": str(output), "bytes": len(data)})
    else:
        say(f"wrote {output} ({len(data) / 1e6:.1f} MB)")
    return DONE


def require_html(output: Path, what: str) -> None:
    """Raises ExperimentError for a name that no page may have."""
    if output.suffix.lower() not in (".html", ".htm"):
        reason = f"{what} is an HTML page"
        raise ExperimentError(error("unknown-format", reason, "give it a name that ends in .html", file=str(output)))
