"""Processes of our own beside this one: a module of this very flowreform, whatever lies in the current folder."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

SOURCE = str(Path(__file__).resolve().parents[1])
"""The folder from which this flowreform was imported: a process beside it must have the same."""


def of_module(module: str, *words: str) -> dict[str, Any]:
    """What `subprocess` takes to run a module: `args`, `cwd` and `env`.

    -P and a folder of its own: no file in the current folder is ever taken for a module or for a library's settings."""
    return {"args": [sys.executable, "-P", "-m", module, *words], "cwd": SOURCE, "env": _environment()}


def _environment() -> dict[str, str]:
    """This process's own, with paths that do not depend on the folder it is in."""
    paths = [SOURCE, *(os.path.abspath(path) for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path)]
    found = os.environ | {"PYTHONPATH": os.pathsep.join(paths)}
    return found | ({"FLOWREFORM_CACHE": os.path.abspath(kept)} if (kept := os.environ.get("FLOWREFORM_CACHE")) else {})
