"""Emitted text run by CPython: no wait for a compiler, for a few runs.

State is a list of plain floats: numpy's scalars would be slower and follow other rules.
"""

from __future__ import annotations

import functools
import inspect
import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from flowreform import arithmetic, quantiles
from flowreform.engine import helpers
from flowreform.engine.expressions import WIDTH

if TYPE_CHECKING:
    import numpy as np

    from flowreform.engine.plan import Plan


class _Row(tuple[Any, ...]):
    """A tuple that knows its length the way an array does, and as slots takes their values from the state."""

    @property
    def shape(self) -> tuple[int]:
        return (len(self),)

    @functools.cached_property
    def pick(self) -> Callable[[Sequence[float]], Any]:
        return operator.itemgetter(*(WIDTH * slot for slot in self))


def _plain(function: Callable[..., Any]) -> Callable[..., Any]:
    """What the decorators of emitted text are to CPython."""
    return function


def _keep(out: np.ndarray, column: int, first: int, m: int, slots: _Row, s: list[float]) -> None:
    """What emitted text does slot by slot, at once: writing a number into an array takes CPython longer than a step."""
    if slots:
        out[first : first + len(slots), m, column] = slots.pick(s)


def _row(out: Any, i: int, m: int, column: int, s: list[float], cell: int) -> None:
    out[i, m, column] = s[cell]


def _part(function: Callable[..., Any]) -> Callable[..., Any]:
    return _keep if function.__name__ == "keep" else function


def _namespace() -> dict[str, Any]:
    names: dict[str, Any] = {
        "R": 1,
        "W": WIDTH,
        "INFINITY": arithmetic.INFINITY,
        "NAN": arithmetic.NAN,
        "compiled": _plain,
        "part": _part,
        "straight": _plain,
        "row": _row,
    }
    for module in (arithmetic, quantiles, helpers):
        names.update({n: f for n, f in inspect.getmembers(module, inspect.isfunction) if not n.startswith("_")})
    return names


@functools.lru_cache(maxsize=32)
def _code(source: str) -> Any:
    return compile(source, "<emitted step>", "exec")


def load(source: str) -> Callable[..., None]:
    """The `run` function of emitted text for one run. The text is ours: slots, indices and literals only (rule 10)."""
    names = _namespace()
    exec(_code(source), names)  # noqa: S102 - emitted by engine.emit, holds nothing that came from a file
    run: Callable[..., None] = names["run"]
    return run


class InterpretedKernel:
    """Emitted text with its tables as tuples (see `prepared.Kernel`): one run at a time."""

    size = 1

    def __init__(self, plan: Plan) -> None:
        self.plan = p = plan
        self.run = load(p.text.source)
        self.head = (_Row(p.where), _Row(p.text.literals), p.text.first_literal)
        self.tail = (
            _Row(p.early), _Row(p.late), p.every, p.program.steps, _Row(p.program.remembered),
            p.tab, p.X, p.Y, p.M, p.P, p.N, p.K,
        )  # fmt: skip

    def block(
        self, inputs: np.ndarray, drive: np.ndarray, out: np.ndarray, alarm: np.ndarray, strays: np.ndarray, first: int = 0
    ) -> int:
        p = self.plan
        state = [0.0] * (p.text.slots * WIDTH)
        own = inputs[:, first].tolist()
        lanes = {(j, 0): value for j, value in enumerate(own[: len(p.where)])}
        series, count = own[len(p.where) :], len(p.program.noises)
        each = len(series) // max(1, count)  # series of random numbers, put behind the histories
        behind = len(p.program.remembered)
        history = {(behind + k, n, 0): series[k * each + n] for k in range(count) for n in range(p.program.steps + 1)}
        levers = {(k, h): value for k, row in enumerate(drive.tolist()) for h, value in enumerate(row)}
        self.run(state, lanes, *self.head, out, first, *self.tail, levers, history)
        alarm[first] = state[p.text.alarm * WIDTH]
        for j in range(len(p.P)):
            strays[j, first] = state[(p.text.counters + j) * WIDTH]
        return 1
