"""`start`: what a system's numbers come to before anything is run, what does not add up, and which inputs matter most."""

from __future__ import annotations

from flowreform.commands.reading import read_experiment
from flowreform.commands.run import warnings_of
from flowreform.commands.terminal import DONE, at_work, complain, print_json, show


def start(name: str, *, quick: bool, as_json: bool) -> int:
    """Print the start of an experiment's system."""
    from flowreform.analyse.start import start

    with at_work("starting"):
        experiment = read_experiment(name)
        complain(warnings_of(experiment))
        found = start(experiment, movers=not quick)
    if as_json:
        print_json(found.as_dict())
    else:
        show(*found.manual())
    return DONE
