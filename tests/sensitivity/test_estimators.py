"""Estimators against SALib on the same samples, and against indices known in closed form."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from flowreform.analyse.sensitivity.designs import Design
from flowreform.analyse.sensitivity.estimators import Indices, Settings
from flowreform.analyse.sensitivity.methods import METHODS, make
from salib_witness import NAMES, SAMPLES, SETTINGS, Floats, G, compare, ishigami, outputs, salib, sobol_g

AT_ONCE = ("sobol", "morris", "fast", "rbd_fast", "dgsm")


def estimate(design: Design, settings: Settings | None = SETTINGS) -> tuple[Floats, Indices]:
    values = outputs(design.unit)
    return values, METHODS[design.method].estimate(design, values, settings)


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """SALib warns about its own intervals and sets how warnings look."""
    look, stream = warnings.formatwarning, np.random.get_state()
    with warnings.catch_warnings(record=True):  # delta turns its warnings on again: they end here
        warnings.simplefilter("ignore")
        yield
    warnings.formatwarning = look
    np.random.set_state(stream)


@pytest.mark.parametrize("method", NAMES)
def test_every_method_gives_what_salib_gives_on_the_same_sample(method: str) -> None:
    compare(method, METHODS[method].estimate)


def test_second_order_and_its_intervals_are_those_of_salib() -> None:
    design = make("sobol", 4, 128, seed=3, second_order=True)
    values, found = estimate(design)
    assert found.pairs is not None
    assert found.pair_half_widths is not None
    for column in range(values.shape[1]):
        witness = salib(design, values[:, column])
        np.testing.assert_allclose(found.pairs[..., column], witness["S2"], rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(found.pair_half_widths[..., column], witness["S2_conf"], rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(found.values["ST"][:, column], witness["ST"], rtol=1e-12, atol=1e-12)


def test_pairs_of_the_fractional_factorial_are_those_of_salib() -> None:
    design = make("ff", 3, 0, seed=1)
    values, found = estimate(design)
    witness = salib(design, values[:, 0])
    assert found.pairs is not None
    for (one, other), effect in zip(witness["interaction_names"], witness["IE"], strict=True):
        if not one.startswith("dummy") and not other.startswith("dummy"):
            np.testing.assert_allclose(found.pairs[int(one[1:]), int(other[1:]), 0], effect, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("method", [*AT_ONCE, "pawn", "ff"])
def test_nothing_but_delta_goes_through_salib_column_by_column(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("SALib's analyze was called")

    for name in ("sobol", "morris", "fast", "rbd_fast", "dgsm", "pawn", "ff", "delta"):
        monkeypatch.setattr(f"SALib.analyze.{name}.analyze", refuse)
    estimate(make(method, 3, SAMPLES[method], seed=5))
    with pytest.raises(AssertionError, match="was called"):  # the guard itself works
        estimate(make("delta", 3, 100, seed=5))


def test_columns_do_not_hang_on_what_lies_beside_them() -> None:
    design = make("sobol", 3, 64, seed=5, second_order=True)
    one = ishigami(design.unit)[:, None]
    estimator = METHODS["sobol"].estimate
    many = estimator(design, np.repeat(one, 300, axis=1), SETTINGS)
    alone = estimator(design, one, SETTINGS)
    for name in ("S1", "ST"):
        np.testing.assert_allclose(many.values[name], np.repeat(alone.values[name], 300, axis=1), rtol=1e-12, atol=1e-14)


# --- closed forms ----------------------------------------------------------------------------------------------------

VARIANCE = 7.0**2 / 8 + 0.1 * np.pi**4 / 5 + 0.1**2 * np.pi**8 / 18 + 0.5
ISHIGAMI_FIRST = np.array([0.5 * (1 + 0.1 * np.pi**4 / 5) ** 2, 7.0**2 / 8, 0.0]) / VARIANCE
ISHIGAMI_PAIR = 0.1**2 * np.pi**8 * (1 / 18 - 1 / 50) / VARIANCE
ISHIGAMI_TOTAL = ISHIGAMI_FIRST + np.array([ISHIGAMI_PAIR, 0.0, ISHIGAMI_PAIR])
G_PARTS = 1 / (3 * (1 + G) ** 2)
G_VARIANCE = np.prod(1 + G_PARTS) - 1
G_FIRST = G_PARTS / G_VARIANCE
G_TOTAL = np.array([G_PARTS[at] * np.prod(np.delete(1 + G_PARTS, at)) for at in range(4)]) / G_VARIANCE


def test_sobol_finds_the_indices_of_ishigami_and_of_the_g_function() -> None:
    design = make("sobol", 3, 4096, seed=11, second_order=True)
    found = METHODS["sobol"].estimate(design, ishigami(design.unit)[:, None], SETTINGS)
    np.testing.assert_allclose(found.values["S1"][:, 0], ISHIGAMI_FIRST, atol=0.01)
    np.testing.assert_allclose(found.values["ST"][:, 0], ISHIGAMI_TOTAL, atol=0.01)
    assert found.pairs is not None
    np.testing.assert_allclose(found.pairs[[0, 0, 1], [1, 2, 2], 0], [0, ISHIGAMI_PAIR, 0], atol=0.02)
    design = make("sobol", 4, 4096, seed=11)
    found = METHODS["sobol"].estimate(design, sobol_g(design.unit)[:, None], SETTINGS)
    np.testing.assert_allclose(found.values["S1"][:, 0], G_FIRST, atol=0.01)
    np.testing.assert_allclose(found.values["ST"][:, 0], G_TOTAL, atol=0.01)


def test_intervals_hold_the_truth_about_as_often_as_they_say() -> None:
    """Independent samples of the g-function: nearly all of the 95 % intervals hold the true index."""
    held = []
    for seed in range(1, 31):
        design = make("sobol", 4, 128, seed=seed)
        found = METHODS["sobol"].estimate(design, sobol_g(design.unit)[:, None], Settings(100, 0.95, seed))
        held.append(np.abs(found.values["ST"][:, 0] - G_TOTAL) <= found.half_widths["ST"][:, 0])
    assert np.mean(held) > 0.85


@pytest.mark.parametrize(("method", "index", "tolerance"), [("fast", "S1", 0.03), ("fast", "ST", 0.06), ("rbd_fast", "S1", 0.05)])
def test_fourier_methods_find_the_indices_of_ishigami(method: str, index: str, tolerance: float) -> None:
    design = make(method, 3, 2049, seed=2)
    found = METHODS[method].estimate(design, ishigami(design.unit)[:, None], None)
    truth = ISHIGAMI_FIRST if index == "S1" else ISHIGAMI_TOTAL
    np.testing.assert_allclose(found.values[index][:, 0], truth, atol=tolerance)


def test_screening_of_a_straight_line_gives_its_slopes() -> None:
    slopes = np.array([3.0, -2.0, 0.0])
    design = make("morris", 3, 20, seed=1)
    found = METHODS["morris"].estimate(design, (design.unit @ slopes)[:, None], SETTINGS)
    np.testing.assert_allclose(found.values["mu"][:, 0], slopes, atol=1e-12)
    np.testing.assert_allclose(found.values["mu_star"][:, 0], np.abs(slopes), atol=1e-12)
    np.testing.assert_allclose(found.values["sigma"][:, 0], 0, atol=1e-12)
    design = make("tornado", 3, 0, seed=1)
    found = METHODS["tornado"].estimate(design, (design.unit @ slopes)[:, None], None)
    np.testing.assert_allclose(found.values["low"][:, 0], -0.45 * slopes, atol=1e-12)
    np.testing.assert_allclose(found.values["swing"][:, 0], 0.9 * np.abs(slopes), atol=1e-12)
    design = make("ff", 3, 0, seed=1)
    found = METHODS["ff"].estimate(design, (design.unit @ slopes)[:, None], None)
    np.testing.assert_allclose(found.values["ME"][:, 0], slopes / 2, atol=1e-12)


def test_derivative_measures_bound_the_total_index() -> None:
    design = make("dgsm", 3, 2048, seed=1)
    found = METHODS["dgsm"].estimate(design, ishigami(design.unit)[:, None], SETTINGS)
    assert (found.values["dgsm"][:, 0] >= ISHIGAMI_TOTAL).all()
    np.testing.assert_allclose(
        found.half_widths["dgsm"] / found.half_widths["vi"], found.values["dgsm"] / found.values["vi"], rtol=1e-12
    )


def test_filtering_finds_the_input_that_decides() -> None:
    design = make("regional", 3, 400, seed=1)
    met = (design.unit[:, 1] > 0.7).astype(float)[:, None]
    found = METHODS["regional"].estimate(design, met, None)
    np.testing.assert_allclose(found.values["distance"][1, 0], 1.0)
    assert found.values["shift"][1, 0] == pytest.approx(0.5, abs=0.01)
    assert (found.values["distance"][[0, 2], 0] < 0.15).all()
    assert found.values["p_value"][1, 0] < 1e-6 < found.values["p_value"][[0, 2], 0].min()
