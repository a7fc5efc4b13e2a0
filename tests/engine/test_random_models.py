"""Random models against a plain integrator, pysimlin and PySD: a share in each run of the tests, a thousand under `slow`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flowreform import arithmetic, write_model
from flowreform.engine.reference import run_pysd
from flowreform.engine.witness import run_simlin
from flowreform.model import Method, Role
from flowreform.names import element_names
from flowreform.runs import simulate
from random_models import DETAILS, FEATURES, Made, made

QUICK, MANY = 60, 1000

UNLIKE = {
    "pysimlin": {
        "non-negative": "the flag is read and nothing done with it: stocks fall below zero",
        "pulse": "a pulse comes at the first step from its time on, not the nearest; under Runge-Kutta with a part of its volume",
        "fixed": "DELAY is a chain of stages, no shift by whole steps",
        "sample": "it has no such function",
        "order n": "DELAYN and SMTHN are not compiled",
        "lookup discrete": "it is read as a continuous one",
        "lookup extrapolate": "the last value is held",
    },
    "pysimlin, Runge-Kutta": {"step": "a step is decided in every stage, so that part of it comes a step early"},
    "PySD": {
        "non-negative": "stocks are held at zero while their outflows run on",
        "pulse": "a pulse between two steps is lost",
        "sample": "it has no such function",
        "previous": "it has no such function",
        "array": "its reader of XMILE takes no sum over a dimension",
        "lookup discrete": "it is read as a continuous one",
        "lookup extrapolate": "the last value is held",
    },
}
"""Where other tools differ, and why; without these features they give our numbers."""


def ours(random: Made, engine: str = "python") -> dict[str, np.ndarray]:
    """Every series of a model by name, elements apart."""
    ds = simulate(random.model, engine=engine)
    found = {}
    for variable in random.model:
        if variable.role is Role.LOOKUP or variable.role is Role.PARAMETER:
            continue
        values = np.asarray(ds[variable.name].isel(run=0).transpose("time", ...).values, dtype=float)
        flat = values.reshape(len(values), -1)
        found.update({name: flat[:, i] for i, name in enumerate(element_names(random.model, variable))})
    return found


def furthest(a: Mapping[str, np.ndarray], b: Mapping[str, np.ndarray]) -> tuple[float, str]:
    """The largest difference of the series that both have, as a share of the size of the series (at least 1), and where."""
    worst = (0.0, "")
    for name, series in a.items():
        if name in b:
            size = max(1.0, float(np.abs(series).max()), float(np.abs(b[name]).max()))
            off = float(np.abs(series - b[name]).max()) / size
            if not off <= worst[0]:
                worst = (off, name)
    return worst


def plain(random: Made) -> dict[str, np.ndarray]:
    """The same by the plain integrator."""
    course = random.plain.run()
    return {name: np.array(course[key]) for key, name in random.names.items()}


def agrees(seed: int) -> None:
    """A random model gives the plain integrator's numbers to 1e-9 of the size of each series."""
    random = made(seed)
    expected, found = plain(random), ours(random)
    assert set(expected) <= set(found)
    off, name = furthest(found, expected)
    assert off <= 1e-9, f"seed {seed}: {name} is {off:.2g} apart ({random.model.specs.method}, {sorted(random.features)})"


def all_agree(seeds: Iterable[int]) -> None:
    """The same for some seeds."""
    for seed in seeds:
        agrees(seed)


def of_tool(random: Made, tool: str, folder: Path) -> dict[str, np.ndarray]:
    """Every series by another tool, from the model written as XMILE; elements apart."""
    path = folder / "random.xmile"
    write_model(random.model, path)
    run: Callable[..., Any] = run_pysd if tool == "PySD" else run_simlin
    values = run(path, {}).values
    return {name: np.asarray(array[..., 0]) for name, array in values.items() if array.ndim == 2}


def other_agrees(seed: int, tool: str, folder: Path) -> int:
    """Another tool gives our numbers to 1e-9, its known differences left out; how many series were compared."""
    method = Method.EULER if tool == "PySD" else list(Method)[seed % 3]
    left_out = {*UNLIKE[tool], *(UNLIKE["pysimlin, Runge-Kutta"] if method is not Method.EULER else ())}
    random = made(seed, method, tuple(left_out))
    found, theirs = ours(random), of_tool(random, tool, folder)
    off, name = furthest(found, theirs)
    assert off <= 1e-9, f"seed {seed}: {name} is {off:.2g} apart ({method}, {sorted(random.features)})"
    return len(found.keys() & theirs.keys())


@pytest.mark.parametrize("seed", range(QUICK))
def test_a_random_model_agrees_with_a_plain_integrator(seed: int) -> None:
    agrees(seed)


@pytest.mark.requires("pysimlin")
@pytest.mark.parametrize("seed", range(0, QUICK, 5))
def test_a_random_model_agrees_with_pysimlin(seed: int, tmp_path: Path) -> None:
    assert other_agrees(seed, "pysimlin", tmp_path) >= 4


@pytest.mark.parametrize("seed", [3, 11])
def test_a_random_model_agrees_with_pysd(seed: int, tmp_path: Path) -> None:
    assert other_agrees(seed, "PySD", tmp_path) >= 4


@pytest.mark.slow
@pytest.mark.parametrize("hundred", range(MANY // 100))
def test_a_thousand_random_models_agree_with_a_plain_integrator(hundred: int) -> None:
    all_agree(range(100 * hundred, 100 * hundred + 100))


@pytest.mark.slow
@pytest.mark.requires("pysimlin")
@pytest.mark.parametrize("tool", ["pysimlin", "PySD"])
@pytest.mark.parametrize("hundred", range(MANY // 100))
def test_a_thousand_random_models_agree_with_other_tools(hundred: int, tool: str, tmp_path: Path) -> None:
    for seed in range(100 * hundred, 100 * hundred + 100):
        assert other_agrees(seed, tool, tmp_path) >= 4


def test_random_models_have_every_feature() -> None:
    """All features, details, methods and kinds of starts within the quick share, stocks that run dry, pulses between steps."""
    models = [made(seed) for seed in range(QUICK)]
    seen = set().union(*(random.features for random in models))
    assert seen >= {*FEATURES, *DETAILS}
    assert {random.model.specs.method for random in models} == set(Method)
    assert {0.0, -3.0, 0.5} <= {random.model.specs.start for random in models}
    dry = [
        random for random in models if any(name[0] == "p" and min(s) == 0.0 < max(s) for name, s in random.plain.run().items())
    ]
    assert len(dry) >= 5


@pytest.mark.parametrize("name", ["pulse", "step", "ramp", "smaller"])
def test_a_fault_of_the_engine_is_caught(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mutants: a function that is off by a thousandth in every place."""
    whole = getattr(arithmetic, name)
    monkeypatch.setattr(arithmetic, name, lambda *given: whole(*given) * 1.001)
    with pytest.raises(AssertionError):
        all_agree(range(QUICK))
