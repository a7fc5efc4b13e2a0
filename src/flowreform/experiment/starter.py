"""The experiment that somebody begins with who has numbers of a system: a bundled one, with its system left blank."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flowreform.experiment import Experiment, Subject, as_experiment, read_experiment
from flowreform.formats import bundled


def starter(model: Subject) -> Experiment:
    """What a new form holds: the options of the bundled experiment that enters a system into this model, the system blank.

    The ranges of what nobody counts stay. A model into which no bundled experiment enters a system comes as it is."""
    wanted = as_experiment(model).unfilled[0]
    for path in bundled("experiments").values():
        if "[system]" in path.read_text(encoding="utf-8"):
            found = read_experiment(path)
            if found.unfilled[0].path == wanted.path and found.system is not None:
                kept = {key: value for key, value in found.system.table.items() if is_drawn(value)}
                return found.with_(title="Our system", name="our_system", system=kept)
    return as_experiment(model)


def is_drawn(value: Any) -> bool:
    """Whether an entry is a range: what nobody counts, such as growth."""
    return isinstance(value, Mapping) and "low" in value
