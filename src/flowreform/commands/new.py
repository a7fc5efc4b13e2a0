"""`new`: a form to fill, or a starter experiment; `schema`: what an experiment file may hold, for editors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from flowreform.commands.terminal import DONE, print_json, say, write
from flowreform.errors import ExperimentError, error
from flowreform.files import write_text

if TYPE_CHECKING:
    from flowreform.experiment import Experiment


def new(output: Path, model: str, source: str, *, as_json: bool) -> int:
    """Write a form (.xlsx) or an experiment (.toml) for a model, with what an experiment or a filled form holds."""
    kind = output.suffix.lower()
    if kind not in (".xlsx", ".toml"):
        reason, repair = "a new file is a form or an experiment", "give it a name that ends in .xlsx or .toml"
        raise ExperimentError(error("unknown-format", reason, repair, file=str(output)))
    if output.exists():
        reason = "there is a file of this name, and what was typed into it would be lost"
        raise ExperimentError(error("exists", reason, "choose another name, or remove it first", file=str(output)))
    experiment = _from(model, source)
    if kind == ".toml":
        write_text(output, experiment_text(experiment, output))
    else:
        from flowreform.export.form import write_form

        before, case = experiment.unfilled
        if case is None:
            raise ExperimentError(error("no-form", "the model has no case file, so no form", "use care_shift"))
        write_form(output, before, case, experiment)
    if as_json:
        print_json({"file": output.name, "model": experiment.model.name, "scenarios": list(experiment.scenarios)})
    else:
        _, case = experiment.unfilled
        counts = case is not None and case.form is not None
        then = "start {} --quick` shows what its numbers come to" if counts else "run {} -o out` runs it"
        say(f"wrote {output}: `flowreform {then.format(output)}")
    return DONE


def _from(model: str, source: str) -> Experiment:
    """The experiment that a new file begins with: what `--from` names, or the starter of the model."""
    from flowreform.experiment import read_experiment
    from flowreform.experiment.starter import starter

    return read_experiment(source) if source else starter(model)


def experiment_text(experiment: Experiment, path: Path) -> str:
    """The experiment file, and for a model that comes without ranges and KPIs an example of each, to be filled in."""
    from flowreform.experiment.experiment import reference, toml_text
    from flowreform.names import Named, base_values

    text = toml_text(experiment, reference(experiment.model, path.parent))
    model = experiment.model
    clock = {"initial_time", "final_time", "time_step", "saveper"}
    free = [name for name, variable in model.parameters.items() if name not in clock and not variable.dimensions]
    seen = [name for name, variable in model.stocks.items() if not variable.dimensions]
    if experiment.case is not None or not free or not seen:
        return text
    name, stock = free[0], seen[0]
    value = base_values(model, Named(name, model[name], ()))[0]
    low, high = sorted((0.8 * value, 1.2 * value)) if value else (-1.0, 1.0)
    lines = (
        "What is uncertain gets a range, and what you want to know is a KPI. Take the marks away, fill in what you know,",
        "write draws = 100 above, and take kpis = [] out.",
        "",
        f"[uncertainties.{name}]",
        'distribution = "triangular"',
        f"low = {low:g}",
        f"mode = {value:g}",
        f"high = {high:g}",
        f"unit = {json.dumps(model[name].units or 'dimensionless')}",
        'source = "where the range comes from"',
        'status = "assumption"',
        "",
        f"[kpis.{stock}_at_end]",
        f'label = "{stock.replace("_", " ").capitalize()} at the end"',
        f'variable = "{stock}"',
        'statistic = "final"',
    )
    return text.rstrip("\n") + "\n\n" + "".join(f"# {line}".rstrip() + "\n" for line in lines)


def schema(model: str, output: Path | None) -> int:
    """Print, or write, the JSON schema of experiment files."""
    from flowreform.experiment import as_experiment
    from flowreform.experiment.schema import schema_of

    case = as_experiment(model).unfilled[1]
    text = json.dumps(schema_of(case.form if case else None), indent=1, ensure_ascii=False) + "\n"
    if output is None:
        write(text)
    else:
        write_text(output, text)
        say(f"wrote {output}")
    return DONE
