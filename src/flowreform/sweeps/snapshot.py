"""The experiment and its model as run: files that say all of it again, kept in the folder of the sweep.

`experiment.toml` is written out in full (what came from the case file and the command line stands in it); the model is the
file as it was, or XMILE where that alone would not do. Whether they give the same experiment is tried before the first run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from flowreform.case.ensemble import write_text
from flowreform.case.form import NAME as FORM
from flowreform.case.form import START, WORDS
from flowreform.errors import ExperimentError, FlowreformError, error
from flowreform.experiment import Experiment, read_experiment
from flowreform.experiment.experiment import toml_text
from flowreform.files import inside, temporary_folder
from flowreform.formats import VENSIM_SUFFIXES, XMILE_SUFFIXES, read_model
from flowreform.formats.writer import to_xmile
from flowreform.model import Model
from flowreform.sweeps.identity import differences, identity_of

EXPERIMENT = "experiment.toml"
MODEL = "model"
"""Folder of the model, and the stem of its files."""

Files = Mapping[str, bytes]


def snapshot(experiment: Experiment) -> dict[str, bytes]:
    """The files, by path from the folder of the sweep.

    Raises ExperimentError where no files can be written that give the same experiment."""
    wanted, reason = identity_of(experiment), ""
    for kind, content in _models(experiment.model):
        files = {f"{MODEL}/{MODEL}{kind}": content, **_case(experiment)}
        if (drawn := experiment.ensemble) is not None and drawn.file:  # written anew: its own file may have changed since
            files[Path(drawn.file).name] = write_text(drawn).encode("ascii")
        files[EXPERIMENT] = toml_text(experiment, f"./{MODEL}/{MODEL}{kind}", whole=True).encode()
        try:
            found = differences(wanted, identity_of(restore(files, about(experiment))))
        except FlowreformError as fault:
            reason = str(fault)
            continue
        if not found:
            return files
        reason = f"{found[0][0]} would not be the same"
    raise ExperimentError(
        error("sweep-snapshot", f"the experiment cannot be written down for the sweep: {reason}", "run it from files")
    )


def about(experiment: Experiment) -> dict[str, Any]:
    """What files under other names would not give back: names and hashes of the originals."""
    return {
        "experiment": experiment.name,
        "experiment_sha256": experiment.sha256,
        "model": experiment.model.name,
        "model_sha256": experiment.model.sha256,
    }


def restore(files: Files, names: Mapping[str, Any]) -> Experiment:
    """The experiment that a snapshot holds, by way of a temporary folder."""
    with temporary_folder() as folder:
        for path, content in files.items():
            place = inside(folder, path)
            place.parent.mkdir(exist_ok=True)
            place.write_bytes(content)
        return read_snapshot(folder, names)


def read_snapshot(folder: Path, names: Mapping[str, Any]) -> Experiment:
    """The experiment in a folder, under its own name. Raises ExperimentError or ModelError where its files are damaged."""
    place = next((item for item in sorted((folder / MODEL).glob(f"{MODEL}.*")) if item.suffix in _SUFFIXES), None)
    if place is None:
        raise ExperimentError(error("no-file", "the sweep's model is not there", "sweep again", file=str(folder / MODEL)))
    model = replace(read_model(place), name=str(names["model"]), sha256=str(names["model_sha256"]))
    found = read_experiment(folder / EXPERIMENT, model)
    return replace(found, name=str(names["experiment"]), sha256=str(names["experiment_sha256"]))


_SUFFIXES = (*XMILE_SUFFIXES, *VENSIM_SUFFIXES)


def _models(model: Model) -> list[tuple[str, bytes]]:
    """The model's own file, and the model written anew, each with the ending of its name."""
    found: list[tuple[str, bytes]] = []
    if model.path is not None and model.path.suffix.lower() in _SUFFIXES and model.path.is_file():
        found.append((model.path.suffix.lower(), model.path.read_bytes()))
    return [*found, (".xmile", to_xmile(model))]


def _case(experiment: Experiment) -> dict[str, bytes]:
    """The case file, and the observed series and draws from the posterior beside it."""
    path = experiment.case.path if experiment.case else None
    if path is None or not path.is_file():
        return {}
    files = {f"{MODEL}/{MODEL}.toml": path.read_bytes()}
    for name in ("reference.csv", "posterior.csv", FORM, WORDS, START):
        if path.with_name(name).is_file():
            files[f"{MODEL}/{name}"] = path.with_name(name).read_bytes()
    return files
