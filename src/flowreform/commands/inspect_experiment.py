"""`show` of an experiment: its question, its scenarios, what is uncertain, what is reported, and which file said so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flowreform.commands.terminal import print_json, show, table
from flowreform.export.describe import distribution
from flowreform.export.summary import setting_text
from flowreform.export.tables import shown_unit
from flowreform.kpi import kpi_unit
from flowreform.text import number

if TYPE_CHECKING:
    from flowreform.experiment import Experiment


def show_experiment(experiment: Experiment, *, as_json: bool) -> None:
    """Print an experiment."""
    if as_json:
        print_json(experiment_json(experiment))
        return
    size = f"{len(experiment.scenarios)} scenarios x {experiment.draws} draws ({experiment.design}, seed {experiment.seed})"
    unit = experiment.model.specs.time_unit
    span = f"{number(experiment.start)} to {number(experiment.stop)} {unit}, dt {number(experiment.dt, 6)}"
    lines = [experiment.title, experiment.question, f"model {experiment.model.name}; {size} = {experiment.runs:,} runs"]
    saved = f"{len(experiment.save)} variables saved every {number(experiment.save_every, 6)} {unit}"
    show(*(line for line in lines if line), f"{span}; {saved}")
    scenarios = (
        [name + (" (baseline)" if name == experiment.baseline else ""), item.label, _settings(experiment, name)]
        for name, item in experiment.scenarios.items()
    )
    show(table("Scenarios", ("name", "label", "what it sets"), scenarios))
    inputs = (
        [name, distribution(item), f"{item.source} ({item.status})", _origin(experiment, f"uncertainties.{name}")]
        for name, item in experiment.uncertainties.items()
    )
    show(table("Uncertainties", ("name", "distribution", "source", "stated in"), inputs))
    if experiment.correlations:
        pairs = (
            [" and ".join(item.between), number(item.rank_correlation), f"{item.source} ({item.status})"]
            for item in experiment.correlations
        )
        show(table("Correlations", ("between", "rank correlation", "source"), pairs))
    kpis = (
        [name, item.label, shown_unit(kpi_unit(item, experiment)), item.better, _origin(experiment, f"kpis.{name}")]
        for name, item in experiment.kpis.items()
    )
    show(table("KPIs", ("name", "label", "unit", "better", "stated in"), kpis))


def experiment_json(experiment: Experiment) -> dict[str, Any]:
    """An experiment for scripts."""
    from flowreform.experiment import Points

    def plain(value: object) -> object:
        return {"times": value.times, "values": value.values} if isinstance(value, Points) else value

    return {
        "name": experiment.name,
        "file": str(experiment.path) if experiment.path else "",
        "sha256": experiment.sha256,
        "title": experiment.title,
        "question": experiment.question,
        "model": experiment.model.name,
        "start": experiment.start,
        "stop": experiment.stop,
        "dt": experiment.dt,
        "save": list(experiment.save),
        "save_every": experiment.save_every,
        "draws": experiment.draws,
        "design": experiment.design,
        "seed": experiment.seed,
        "baseline": experiment.baseline,
        "scenarios": {
            name: {"label": item.label, "set": {key: plain(value) for key, value in item.settings.items()}}
            for name, item in experiment.scenarios.items()
        },
        "uncertainties": {
            name: item.model_dump(exclude_none=True) | {"stated_in": _origin(experiment, f"uncertainties.{name}")}
            for name, item in experiment.uncertainties.items()
        },
        "correlations": [item.model_dump() for item in experiment.correlations],
        "kpis": {
            name: item.model_dump(by_alias=True, exclude_none=True)
            | {"unit": kpi_unit(item, experiment), "stated_in": _origin(experiment, f"kpis.{name}")}
            for name, item in experiment.kpis.items()
        },
    }


def _settings(experiment: Experiment, name: str) -> str:
    settings = experiment.scenarios[name].settings
    return "; ".join(f"{key} = {setting_text(key, value, experiment)}" for key, value in settings.items()) or "-"


def _origin(experiment: Experiment, key: str) -> str:
    return str(experiment.origins[key]) if key in experiment.origins else ""
