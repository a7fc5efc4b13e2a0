"""Runs for laws: settings and draws as columns of one batch, trajectories as plain arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from flowreform.batch import Batch
from flowreform.case import Case
from flowreform.model import Model
from flowreform.names import Named, base_values, element_names, find, split
from flowreform.sampling import draw, unit_samples

Floats = NDArray[np.float64]
Settings = Mapping[str, float]


@dataclass(frozen=True)
class Courses:
    """The courses of variables over a batch of runs: `values[name]` is float64[element, time, run]; `labels` says what
    each run was, `bad` names the first variable of a run that was not finite ("" when all were)."""

    times: Floats
    values: Mapping[str, Floats]
    labels: tuple[str, ...]
    bad: tuple[str, ...]

    def of(self, model: Model, name: str) -> Floats:
        """One variable, or one element of it: float64[element, time, run]."""
        base, elements = split(name)
        if not elements:
            return self.values[base]
        at = element_names(model, model.variables[base]).index(name)
        return self.values[base][at : at + 1]


def courses(
    model: Model,
    runs: Sequence[tuple[str, Settings]],
    save: Sequence[str],
    *,
    save_every: float | None = None,
    stop: float | None = None,
    engine: str = "auto",
) -> Courses:
    """Run a model for labelled settings, all in one batch, keeping the variables `save`."""
    if stop is not None:
        model = replace(model, specs=replace(model.specs, stop=stop))
    order = tuple(name for name in model.variables if name in set(save))
    found = Batch(model, order, save_every, engine).run(columns(model, [settings for _, settings in runs]), {}, len(runs))
    values = {name: np.asarray(block, dtype=np.float64).reshape(-1, *block.shape[-2:]) for name, block in found.values.items()}
    bad = ["" for _ in runs]
    for failure in found.failures:
        bad[failure.run] = failure.variable
    for at in np.flatnonzero(found.failed):
        bad[at] = bad[at] or "a variable"
    return Courses(np.asarray(found.times), values, tuple(label for label, _ in runs), tuple(bad))


def columns(model: Model, runs: Sequence[Settings]) -> dict[str, Floats]:
    """Settings of many runs as one column for each parameter element; a run that does not set it keeps the model's value."""
    matrix: dict[str, Floats] = {}
    for at, settings in enumerate(runs):
        for name, value in sorted(settings.items(), key=lambda item: "[" in item[0]):  # single elements over whole arrays
            for element in elements(model, name):
                if element not in matrix:
                    matrix[element] = np.full(len(runs), own(model, element))
                matrix[element][at] = value
    return matrix


def nudged(model: Model, runs: Sequence[tuple[str, Settings]], by: float) -> list[tuple[str, Settings]]:
    """The same runs with every parameter of the model moved by the share `by` of itself, up and down in turn.

    With -`by` each goes the other way: what matters in one direction alone is found in one of the two."""
    own_values = {element: own(model, element) for name in model.parameters for element in elements(model, name)}
    given = columns(model, [settings for _, settings in runs])
    moved: list[tuple[str, Settings]] = []
    for at, (label, _) in enumerate(runs):
        values = {name: float(given[name][at]) if name in given else value for name, value in own_values.items()}
        moved.append((label, {name: value * (1.0 + by * (-1.0) ** (at + i)) for i, (name, value) in enumerate(values.items())}))
    return moved


def elements(model: Model, name: str) -> tuple[str, ...]:
    """A parameter's elements by full name: all of an array, or the one named."""
    base, inside = split(name)
    return (name,) if inside else element_names(model, model.variables[base])


def own(model: Model, name: str) -> float:
    """The number that the model file gives a parameter, or an element of one."""
    found = find(model, name, parameter=True)
    assert isinstance(found, Named)
    return base_values(model, found)[0]


def drawn(case: Case, count: int, seed: int = 1) -> tuple[Settings, ...]:
    """`count` draws of all uncertainties, a Latin hypercube."""
    found = draw(case.uncertainties, count, "latin_hypercube", seed)
    return tuple({name: float(values[at]) for name, values in found.items()} for at in range(count))


def levers_anywhere(model: Model, case: Case, count: int, seed: int = 1) -> tuple[Settings, ...]:
    """`count` settings of all levers, each anywhere in its range; a lever with an open range stays where it is."""
    names = tuple(name for name in case.levers if None not in model.variables[split(name)[0]].range)
    u = unit_samples(names, count, "latin_hypercube", seed)

    def value(name: str, at: int) -> float:
        low, high = model.variables[split(name)[0]].range
        assert low is not None
        assert high is not None
        return low + (high - low) * float(u[name][at])

    return tuple({name: value(name, at) for name in names} for at in range(count))


def standing(case: Case) -> list[tuple[str, Settings]]:
    """The model as it stands, and in every setting of its case."""
    return [("as it stands", {}), *((f"setting {name}", item.values) for name, item in case.settings.items())]


def varied(model: Model, case: Case, count: int, seed: int = 1, *, anywhere: bool = True) -> Iterator[tuple[str, Settings]]:
    """`count` runs with drawn uncertainties, after the model as it stands and in its settings: levers in turn as they are, as
    a gate sets them, and (with `anywhere`) anywhere in their ranges."""
    yield from standing(case)
    gates = list(case.gates.items())
    levers = levers_anywhere(model, case, count, seed)
    turns = 3 if anywhere else 2
    for at, settings in enumerate(drawn(case, count, seed)):
        if at % turns == 1 and gates:
            name, gate = gates[(at // turns) % len(gates)]
            yield f"draw {at}, gate {name}", {**settings, **gate.settings}
        elif at % turns == 2:
            yield f"draw {at}, levers anywhere in range", {**levers[at], **settings}
        else:
            yield f"draw {at}", settings
