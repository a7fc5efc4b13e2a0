"""What begins at a time is decided once a step, at its beginning, and means the same by every method.

Expected values follow from the definitions: XMILE 1.0 (section 3.5.5) has a pulse deliver its volume in one step, Vensim's PULSE
TRAIN gives the pulse that starts at its end time, a step that begins half-way between two steps belongs to the later one.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from building import auxiliary, flow, model, parameter, stock, variable
from flowreform import arithmetic
from flowreform.engine.expressions import Printer
from flowreform.lower.scope import Builder
from flowreform.model import Lookup, LookupKind, Method, Model, Role, Variable
from flowreform.runs import simulate

METHODS = list(Method)
PHASES = (0.0, 0.25, 0.5, 0.75)
"""Where between two steps a pulse starts; 0.5 is half-way."""


def series(made: Model, name: str) -> np.ndarray:
    """One variable's values at every step."""
    return np.asarray(simulate(made, engine="python")[name].values[0])


def filled(rate: str, method: Method, dt: float = 0.25, stop: float = 6.0, *more: Variable, start: float = 0.0) -> Model:
    """A stock `got` filled at a rate."""
    parts = [stock("got", "0", inflows=("rate",)), flow("rate", rate), *more]
    return model(parts, start=start, stop=stop, dt=dt, method=method)


def first_step(time: float, dt: float) -> float:
    """The time of the step that owns a moment: at most half a step before it or, from half-way on, after it."""
    return math.floor(time / dt + 0.5) * dt


# --- the volume of a pulse ---------------------------------------------------------------------------------------------


def a_pulse_keeps_its_volume(method: Method, phase: float, dt: float = 0.25) -> None:
    """The law: a pulse of 100 at `start` brings 100, all of it in the one step that owns its start."""
    start = 2.0 + phase * dt
    got = series(filled(f"PULSE(100, {start!r})", method, dt), "got")
    times = np.arange(len(got)) * dt
    np.testing.assert_allclose(got, np.where(times > first_step(start, dt) + 0.5 * dt, 100.0, 0.0), rtol=1e-12)


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("method", METHODS)
def test_a_pulse_keeps_its_volume(method: Method, phase: float) -> None:
    a_pulse_keeps_its_volume(method, phase)


def _as_strict_as_it_was(begun: float, dt: float, volume: float, start: float, every: float) -> float:
    middle = begun + 0.5 * dt
    if not middle > start:
        return 0.0
    within = arithmetic.wrap(middle - start, every) if every > 0.0 else middle - start
    return volume / dt if within < dt else 0.0


def test_the_law_catches_a_pulse_that_two_strict_comparisons_lose(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arithmetic, "pulse", _as_strict_as_it_was)
    with pytest.raises(AssertionError):
        a_pulse_keeps_its_volume(Method.EULER, 0.5)


@pytest.mark.parametrize("method", [Method.RK2, Method.RK4])
def test_the_law_catches_a_pulse_decided_inside_a_step(method: Method, monkeypatch: pytest.MonkeyPatch) -> None:
    def of_the_stage(printer: Printer, *rest: object) -> None:
        made(printer, *rest)  # type: ignore[arg-type]
        printer.begun = "t"

    made = Printer.__init__
    monkeypatch.setattr(Printer, "__init__", of_the_stage)
    monkeypatch.setattr(Builder, "decided", lambda self, scope, code: code)
    with pytest.raises(AssertionError):
        a_pulse_keeps_its_volume(method, 0.0)


@given(
    st.sampled_from(METHODS),
    st.sampled_from([0.1, 0.125, 0.25, 0.3, 1.0]),
    st.integers(-8, 8),
    st.floats(0.0, 5.0),
    st.one_of(st.just(0.0), st.floats(1.0, 4.0)),
)
@settings(max_examples=60, deadline=None)
def test_every_pulse_that_starts_within_a_run_arrives_once(
    method: Method, dt: float, offset: int, first: float, every: float
) -> None:
    """Whatever its phase and interval (at least a step), on clocks that start before zero and at decimal steps."""
    start, steps = offset * dt, 40
    got = series(filled(f"PULSE(7, {start + first!r}, {every * dt!r})", method, dt, start + steps * dt, start=start), "got")
    events = [first] if every == 0.0 else [first + k * every * dt for k in range(200)]
    due = sum(1 for event in events if event < (steps - 0.5) * dt * (1 - 1e-5))
    certain = sum(1 for event in events if event < (steps - 0.5) * dt * (1 + 1e-5))
    assert 7 * due - 1e-9 <= got[-1] <= 7 * certain + 1e-9


@pytest.mark.parametrize("method", METHODS)
def test_repeated_pulses_come_at_their_times_and_no_earlier(method: Method) -> None:
    got = series(filled("PULSE(100, 1, 3)", method, 0.25, 12.0), "got")
    assert got[[4, 5, 16, 17, 28, 29, 40, 41]] == pytest.approx([0, 100, 100, 200, 200, 300, 300, 400])


@pytest.mark.parametrize("method", METHODS)
def test_a_pulse_may_empty_a_stock_that_moves_within_the_step(method: Method) -> None:
    """Its volume, too, is that of the step's beginning: PULSE(stock) takes all there is, not what a stage sees."""
    parts = [
        stock("ward", "80", inflows=("arriving",), outflows=("moving",)),
        flow("arriving", "0"),
        flow("moving", "PULSE(ward, 3)"),
    ]
    got = series(model(parts, stop=6.0, dt=0.5, method=method), "ward")
    assert got.tolist() == [80.0] * 7 + [0.0] * 6


# --- steps, rectangles, trains -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("rate", "length"), [("STEP(8, {0})", None), ("PULSE_WIDTH({0}, 1)", 1.0), ("PULSE_TRAIN({0}, 0.5, 100, 200)", 0.5)]
)
def test_what_switches_on_counts_whole_steps(method: Method, phase: float, rate: str, length: float | None) -> None:
    begins = 2.0 + phase * 0.25
    got = series(filled(rate.format(begins), method), "got")
    on = first_step(begins, 0.25)
    height = 8.0 if length is None else 1.0
    times = np.arange(len(got)) * 0.25
    np.testing.assert_allclose(got, height * np.clip(times - on, 0.0, length), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("end", "whole"), [(10.0, 2.5), (9.99, 2.5), (9.7, 2.0), (10.25, 3.0), (5.0, 1.0), (1.0, 0.0)])
def test_a_train_gives_the_pulse_that_starts_at_its_end(method: Method, end: float, whole: float) -> None:
    """PULSE TRAIN(2, 1, 4, end) at steps of 0.5: pulses at 2, 6 and 10, and none once the step of `end` is over."""
    assert series(filled(f"PULSE_TRAIN(2, 1, 4, {end})", method, 0.5, 12.0), "got")[-1] == pytest.approx(whole)


@pytest.mark.parametrize("method", METHODS)
def test_a_ramp_is_no_jump_and_is_integrated_as_it_runs(method: Method) -> None:
    """The area under slope 2 from 1 to 3 and level from there on; by Euler's method less half a step's rise in each step."""
    got = series(filled("RAMP(2, 1, 3)", method), "got")[-1]
    assert got == pytest.approx(4.0 + 4.0 * 3.0 - (0.5 * 0.25 * 4.0 if method is Method.EULER else 0.0))


# --- memory ------------------------------------------------------------------------------------------------------------


HELD = (
    "SAMPLE_IF_TRUE(TIME > 1.4, level, 0)",
    "SAMPLE_IF_TRUE(MODULO(level, 2) < 1, level, 5)",
    "PREVIOUS(level, 3)",
    "DELAY(level, 1, 2)",
    "DELAY(level, 0.5 + STEP(1, 2.6), 2)",
    "DELAY(level, 0.25 * level, 2)",
    "DELAY_FIXED(level, 0.6, 2)",
    "table(TIME)",
)
TABLE = variable("table", Role.LOOKUP, "0", lookup=Lookup((0.0, 1.0, 2.1, 4.0), (1.0, 5.0, -2.0, 3.0), LookupKind.DISCRETE))
LEVEL = (stock("level", "0", inflows=("rising",)), flow("rising", "k"), parameter("k", 4.0), TABLE)


@pytest.mark.parametrize("rate", HELD)
def test_memory_of_whole_steps_is_held_within_a_step(rate: str) -> None:
    """`level` rises by 4 a unit of time by any method, so every rate has the same values at the steps; a value held within
    the step is then integrated alike by all."""
    euler, *others = (series(filled(rate, method, 0.25, 5.0, *LEVEL), "got") for method in METHODS)
    for other in others:
        np.testing.assert_allclose(other, euler, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_both_engines_hold_alike_to_the_last_bit(method: Method) -> None:
    rates = ("PULSE(level, 1.1, 0.6)", "STEP(level, 0.3)", "PULSE_TRAIN(0.5, 0.2, 0.7, 3)", "PULSE_WIDTH(1, level)", *HELD)
    made = filled(" + ".join(rates), method, 0.125, 4.0, *LEVEL)
    values = {"k": np.linspace(0.1, 0.9, 5)}
    a, b = (simulate(made, values, engine=engine)["got"].values for engine in ("python", "numba"))
    assert np.ascontiguousarray(a).view(np.uint64).tolist() == np.ascontiguousarray(b).view(np.uint64).tolist()


def test_the_time_still_runs_within_a_step() -> None:
    """Only what jumps is held: a formula of the time is integrated as finely as before (Simpson's rule)."""
    made = model([stock("s", "0", inflows=("f",)), flow("f", "3 * TIME ^ 2 + extra"), auxiliary("extra", "STEP(1, 2)")], stop=4.0,
                 dt=0.5, method=Method.RK4)  # fmt: skip
    assert series(made, "s")[-1] == pytest.approx(64.0 + 2.0, rel=1e-12)
