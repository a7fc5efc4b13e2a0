"""Emitted text compiled by numba, in blocks of runs, kept on disk between sessions.

A kernel's file is named after the hash of its text and of every version it depends on. It lives in the user's cache
folder (mode 0700), is written under a temporary name and renamed, and is used only if its text is what we would write
now. Where that folder cannot be written, kernels are compiled without being kept.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flowreform.engine.expressions import LANES

if TYPE_CHECKING:
    import numpy as np

    from flowreform.engine.plan import Plan

_HEADER = """\"\"\"A kernel emitted by flowreform {version}: numbered slots, loop indices and literals.\"\"\"
from flowreform.engine import native
from flowreform.engine.native import {decorator} as compiled

globals().update(native.HELPERS)
R = {lanes}


"""

_lock = threading.Lock()


def cache_folder() -> Path:
    """Where kernels are kept: FLOWREFORM_CACHE, or `kernels` in the user's cache folder."""
    named = os.environ.get("FLOWREFORM_CACHE")
    if named:
        return Path(named)
    from platformdirs import user_cache_path

    return user_cache_path("flowreform", appauthor=False) / "kernels"


def _versions() -> str:
    from importlib.metadata import version

    return " ".join([sys.version.split()[0], *(f"{name} {version(name)}" for name in ("numba", "llvmlite", "numpy"))])


def _text(source: str, decorator: str = "compiled") -> str:
    from flowreform import __version__

    return _HEADER.format(version=__version__, decorator=decorator, lanes=LANES) + source


@functools.cache
def _own_source() -> str:
    """The helpers a kernel is built from are part of its identity."""
    from flowreform import arithmetic
    from flowreform.engine import helpers

    return "".join(Path(str(module.__file__)).read_text(encoding="utf-8") for module in (arithmetic, helpers))


def kernel_name(source: str) -> str:
    """The module name of a kernel: a hash of its text, its helpers and every version."""
    digest = hashlib.sha256("\n".join((_text(source), _own_source(), _versions())).encode()).hexdigest()
    return f"flowreform_kernel_{digest[:32]}"


def is_kept(source: str) -> bool:
    """Has this kernel been compiled and kept before?"""
    folder = cache_folder() / "__pycache__"
    return any(folder.glob(f"{kernel_name(source)}.run-*.nbi")) if folder.is_dir() else False


def load(source: str) -> Callable[..., None]:
    """The compiled `run` function of emitted text."""
    name = kernel_name(source)
    with _lock:
        module = sys.modules.get(name) or _import(name, _text(source))
        if module is None:
            module = _without_file(name, _text(source, "passing"))
    run: Callable[..., None] = module.run
    return run


def _import(name: str, text: str) -> Any:
    """The kernel's module from its file in the cache folder; None when that cannot be written or is not ours alone."""
    folder = cache_folder()
    path = folder / f"{name}.py"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if os.name == "posix":
            info = folder.stat()
            if info.st_uid != os.getuid() or info.st_mode & 0o022:
                return None
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            temporary = folder / f".{name}.{os.getpid()}.tmp"
            temporary.write_text(text, encoding="utf-8")
            temporary.replace(path)
        if not os.access(folder, os.W_OK):
            return None
    except OSError:
        return None
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        return None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # numba pickles the kernel's environment by this name
    spec.loader.exec_module(module)
    return module


def _without_file(name: str, text: str) -> Any:
    import types

    module = types.ModuleType(name)
    exec(compile(text, f"<{name}>", "exec"), module.__dict__)  # noqa: S102 - emitted by engine.emit (rule 10)
    sys.modules[name] = module
    return module


class Kernel:
    """A compiled kernel with its tables as arrays. `block` may be called from several threads at once."""

    def __init__(self, plan: Plan) -> None:
        import numpy as np

        self.plan = plan
        self.run = load(plan.text.source)

        def whole(values: Any) -> np.ndarray:
            return np.array(values, dtype=np.int64)

        def real(values: Any) -> np.ndarray:
            return np.array(values, dtype=np.float64)

        p = plan
        self.head = (whole(p.where), real(p.text.literals), p.text.first_literal)
        self.tail = (
            whole(p.early), whole(p.late), p.every, p.program.steps, whole(p.stocks), p.text.rates, whole(p.floors),
            whole(p.memory_to), whole(p.memory_from), whole(p.program.remembered), whole(p.tab), real(p.X), real(p.Y), real(p.M),
            whole(p.P), whole(p.N), whole(p.K),
        )  # fmt: skip

    def block(self, inputs: np.ndarray, drive: np.ndarray, out: np.ndarray, alarm: np.ndarray, strays: np.ndarray) -> None:
        """Run up to LANES columns of `inputs`; a short block is filled up with copies of its last run."""
        import numpy as np

        p = self.plan
        runs = inputs.shape[1]
        lanes = np.empty((inputs.shape[0], LANES))
        lanes[:, :runs] = inputs
        lanes[:, runs:] = inputs[:, -1:]
        state = np.zeros(p.text.slots * LANES)
        stages = np.zeros(max(1, len(p.stocks)) * LANES)
        held = np.zeros(max(1, len(p.stocks) + len(p.memory_to)) * LANES)
        counts = np.zeros(max(1, len(p.P)) * LANES)
        steps = p.program.steps + 1 if p.program.remembered else 1
        history = np.zeros((max(1, len(p.program.remembered)), steps, LANES))
        whole = np.empty((out.shape[0], out.shape[1], LANES))
        self.run(state, stages, held, lanes, *self.head, whole, *self.tail, counts, drive, history)
        out[:] = whole[:, :, :runs]
        alarm[:] = state.reshape(-1, LANES)[p.text.alarm, :runs]
        strays[:] = counts.reshape(-1, LANES)[: len(p.P), :runs]
