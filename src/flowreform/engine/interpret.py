"""Emitted text run by CPython: no wait for a compiler, for a few runs.

State is a list of plain floats: numpy's scalars would be slower and follow other rules.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from flowreform import arithmetic
from flowreform.engine import helpers
from flowreform.engine.expressions import LANES, WIDTH

if TYPE_CHECKING:
    import numpy as np

    from flowreform.engine.plan import Plan


class _Row(tuple[Any, ...]):
    """A tuple that knows its length the way an array does."""

    @property
    def shape(self) -> tuple[int]:
        return (len(self),)


def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """What the decorators of emitted text are to CPython."""
    return function


def _namespace(runs: int) -> dict[str, Any]:
    names: dict[str, Any] = {
        "R": runs,
        "W": WIDTH,
        "INFINITY": arithmetic.INFINITY,
        "NAN": arithmetic.NAN,
        "compiled": _plain,
        "part": _plain,
        "straight": _plain,
    }
    for module in (arithmetic, helpers):
        names.update({n: f for n, f in inspect.getmembers(module, inspect.isfunction) if not n.startswith("_")})
    return names


@functools.lru_cache(maxsize=32)
def _code(source: str) -> Any:
    return compile(source, "<emitted step>", "exec")


def load(source: str, runs: int) -> Callable[..., None]:
    """The `run` function of emitted text for so many runs. The text is ours: slots, indices and literals only (rule 10)."""
    names = _namespace(runs)
    exec(_code(source), names)  # noqa: S102 - emitted by engine.emit, holds nothing that came from a file
    run: Callable[..., None] = names["run"]
    return run


def block(plan: Plan, inputs: np.ndarray, drive: np.ndarray, out: np.ndarray, alarm: np.ndarray, strays: np.ndarray) -> None:
    """Run all columns of `inputs` [input slot, run]; fill `out` [slot, time, run], `alarm` [run], `strays` [table, run]."""
    runs = inputs.shape[1]
    if runs > LANES:
        raise ValueError(f"a block has at most {LANES} runs")
    state = [0.0] * (plan.text.slots * WIDTH)
    stages, held = [0.0] * (len(plan.stocks) * WIDTH), [0.0] * ((len(plan.stocks) + len(plan.memory_to)) * WIDTH)
    history: dict[tuple[int, int, int], float] = {}
    run = load(plan.text.source, runs)
    run(
        state,
        stages,
        held,
        {(j, r): float(inputs[j, r]) for j in range(inputs.shape[0]) for r in range(runs)},
        _Row(plan.where),
        _Row(plan.text.literals),
        plan.text.first_literal,
        out,
        _Row(plan.early),
        _Row(plan.late),
        plan.every,
        plan.program.steps,
        _Row(plan.stocks),
        plan.text.rates,
        _Row(plan.floors),
        _Row(plan.memory_to),
        _Row(plan.memory_from),
        _Row(plan.program.remembered),
        plan.tab,
        plan.X,
        plan.Y,
        plan.M,
        _Row(plan.P),
        plan.N,
        plan.K,
        {(k, h): float(value) for (k, h), value in _entries(drive)},
        history,
    )
    for r in range(runs):
        alarm[r] = state[plan.text.alarm * WIDTH + r]
        for j in range(len(plan.P)):
            strays[j, r] = state[(plan.text.counters + j) * WIDTH + r]


def _entries(drive: np.ndarray) -> Any:
    import numpy as np

    return np.ndenumerate(drive)
