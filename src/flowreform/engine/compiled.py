"""Emitted text compiled by numba, in blocks of runs, kept on disk between sessions.

A kernel is named after the hash of its text and of every version it depends on. Only what was compiled from it is kept (see
`engine.kept`): its text is always the one we would write now. Where nothing can be kept, kernels are compiled each time.
"""

from __future__ import annotations

import functools
import hashlib
import sys
import threading
import types
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowreform.engine import kept
from flowreform.engine.expressions import LANES, WIDTH
from flowreform.engine.memory import zeros

if TYPE_CHECKING:
    import numpy as np

    from flowreform.engine.plan import Plan

_HEADER = """\"\"\"A kernel emitted by flowreform {version}: numbered slots, loop indices and literals.\"\"\"
from flowreform.engine import native
from flowreform.engine.native import compiled, part, row, straight

globals().update(native.HELPERS)
R = {lanes}
W = {width}


"""

_lock = threading.Lock()


def _versions() -> str:
    from importlib.metadata import version

    return " ".join([sys.version.split()[0], *(f"{name} {version(name)}" for name in ("numba", "llvmlite", "numpy"))])


def _text(source: str) -> str:
    from flowreform import __version__

    return _HEADER.format(version=__version__, lanes=LANES, width=WIDTH) + source


@functools.cache
def _own_source() -> str:
    """The helpers a kernel is built from are part of its identity."""
    from flowreform import arithmetic, quantiles
    from flowreform.engine import helpers, native, straight

    modules = (arithmetic, quantiles, helpers, native, straight)
    return "".join(Path(str(module.__file__)).read_text(encoding="utf-8") for module in modules)


def kernel_name(source: str) -> str:
    """The module name of a kernel: a hash of its text, its helpers and every version."""
    digest = hashlib.sha256("\n".join((_text(source), _own_source(), _versions())).encode()).hexdigest()
    return f"flowreform_kernel_{digest[:32]}"


def is_kept(source: str) -> bool:
    """Has this kernel been compiled and kept before?"""
    return kept.is_kept(kernel_name(source))


def load(source: str) -> Callable[..., None]:
    """The compiled `run` function of emitted text."""
    name = kernel_name(source)
    with _lock:
        module = sys.modules.get(name) or _module(name, _text(source))
    run: Callable[..., None] = module.run
    return run


def _module(name: str, text: str) -> types.ModuleType:
    """The kernel's module. numba finds a kept kernel's environment by its name in `sys.modules`."""
    module = types.ModuleType(name)
    module.__dict__["TEXT"] = text
    exec(compile(text, f"<{name}>", "exec"), module.__dict__)  # noqa: S102 - emitted by engine.emit (rule 10)
    sys.modules[name] = module
    return module


class CompiledKernel:
    """A compiled kernel with its tables as arrays (see `prepared.Kernel`)."""

    size = LANES

    def __init__(self, plan: Plan) -> None:
        import numpy as np

        self.plan = plan
        self.run = load(plan.text.source)
        self._threads = threading.local()

        def whole(values: Any) -> np.ndarray:
            return np.array(values, dtype=np.int64)

        def real(values: Any) -> np.ndarray:
            return np.array(values, dtype=np.float64)

        p = plan
        self.head = (whole(p.where), real(p.text.literals), p.text.first_literal)
        self.tail = (
            whole(p.early), whole(p.late), p.every, p.program.steps, whole(p.program.remembered),
            whole(p.tab), real(p.X), real(p.Y), real(p.M), whole(p.P), whole(p.N), whole(p.K),
        )  # fmt: skip

    def workspace(self) -> _Workspace:
        """This thread's arrays, made once and used for all of its blocks: fresh memory costs more than a short run."""
        found: _Workspace | None = getattr(self._threads, "workspace", None)
        if found is None:
            found = self._threads.workspace = _Workspace(self.plan)
        return found

    def block(
        self, inputs: np.ndarray, drive: np.ndarray, out: np.ndarray, alarm: np.ndarray, strays: np.ndarray, first: int = 0
    ) -> int:
        """A short block is filled up with copies of its last run. Results are gathered in a block of their own and copied:
        written straight to where they belong, a few far apart at every step, they take twice as long."""
        p, w = self.plan, self.workspace()
        runs: int = min(LANES, inputs.shape[1] - first)
        kept = w.room(runs)
        own = slice(first, first + runs)
        w.lanes[:, :runs] = inputs[: len(p.where), own]
        w.lanes[:, runs:] = inputs[: len(p.where), own.stop - 1 : own.stop]
        w.take_noise(p, inputs[len(p.where) :, own])
        self.run(w.state, w.lanes, *self.head, kept, 0, *self.tail, drive, w.history)
        out[:, :, own] = kept[:, :, :runs]
        state = w.state.reshape(-1, WIDTH)
        alarm[own] = state[p.text.alarm, :runs]
        strays[:, own] = state[p.text.counters : p.text.counters + len(p.P), :runs]
        return runs


class _Workspace:
    """The arrays of one block: state, inputs, kept values, history."""

    def __init__(self, plan: Plan) -> None:
        remembered, noises = plan.program.remembered, plan.program.noises
        steps = plan.program.steps + 1 if remembered or noises else 1
        self.state = zeros(plan.text.slots * WIDTH)
        self.lanes = zeros(len(plan.where), LANES)
        self.history = zeros(max(1, len(remembered) + len(noises)), steps, LANES)
        self.kept = zeros(len(plan.saved), len(plan.times), 0)

    def room(self, runs: int) -> np.ndarray:
        """Where the kept values of `runs` runs go [slot, time, run]. One run of a large model with every variable kept is a few
        megabytes; the same for a whole block is more than a gigabyte, which is slow to come by."""
        slots, times, had = self.kept.shape
        if had < runs:
            self.kept = zeros(slots, times, runs)
        return self.kept

    def take_noise(self, plan: Plan, rows: np.ndarray) -> None:
        """Series of random numbers, one after another in the rows after the inputs: put behind the histories."""
        if plan.program.noises:
            own = self.history[len(plan.program.remembered) :]
            series = rows.reshape(len(own), -1, rows.shape[1])[:, : own.shape[1]]
            own[:, :, : rows.shape[1]] = series
            own[:, :, rows.shape[1] :] = series[:, :, -1:]
