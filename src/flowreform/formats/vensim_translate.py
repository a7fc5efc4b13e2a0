"""Running the translator's child process: limits, protocol and what its failures mean."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flowreform.errors import ModelError, error

_CONSTANT = re.compile(r"\s*(\w[\w $']*?)\s*==?\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*")
_OUT_OF_MEMORY = ("MemoryError", "failed to map segment", "annot allocate memory")
CHILD = Path(__file__).with_name("vensim_child.py")


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one translation may use: seconds by the clock and of processor time, and megabytes of memory.

    A user raises them with FLOWREFORM_MAX_READ_SECONDS and FLOWREFORM_MAX_READ_MEGABYTES."""

    seconds: int = 120
    megabytes: int = 2_048


def allowance_from_environment() -> Allowance:
    """The allowance, with what the user has set in the environment; a setting that is no whole number is passed over."""
    values = {name: os.environ.get(f"FLOWREFORM_MAX_READ_{name.upper()}", "") for name in ("seconds", "megabytes")}
    return Allowance(
        **{name: int(text) for name, text in values.items() if text.isascii() and text.isdigit() and 0 < len(text) < 7}
    )


def _raise(name: str) -> str:
    return f"raise the limit with the environment variable FLOWREFORM_MAX_READ_{name} if this is meant"


def translate(equations: Sequence[str], file: str, allowance: Allowance, child: Path = CHILD) -> list[dict[str, Any]]:
    """One result per equation, as `vensim_child` describes them.

    Raises ModelError when the child needs more than its limits, or dies."""
    results: list[dict[str, Any] | None] = [_plain(equation) for equation in equations]
    waiting = [number for number, result in enumerate(results) if result is None]
    if waiting:
        for number, result in zip(waiting, _ask([equations[number] for number in waiting], file, allowance, child), strict=True):
            results[number] = result
    return [result for result in results if result is not None]


def _plain(equation: str) -> dict[str, Any] | None:
    """The result for `name = number`, which needs no translator; None for any other equation."""
    found = _CONSTANT.fullmatch(equation)
    if not found:
        return None
    nodes = [["number", float(found.group(2))]]
    return {"kind": "equation", "name": found.group(1), "subscripts": [], "exceptions": [], "keyword": None, "nodes": nodes}


def _ask(equations: Sequence[str], file: str, allowance: Allowance, child: Path) -> list[dict[str, Any]]:
    """The child's answers."""
    request = json.dumps({"paths": _package_folders(), "equations": list(equations)})
    command = [sys.executable, "-I", "-B", str(child), str(allowance.seconds), str(allowance.megabytes << 20)]
    try:
        done = subprocess.run(
            command, input=request.encode(), capture_output=True, timeout=allowance.seconds, env=_environment(), check=False
        )
    except subprocess.TimeoutExpired:
        reason = f"reading the equations took more than {allowance.seconds} seconds"
        raise ModelError(error("read-limit", reason, _raise("SECONDS"), file=file)) from None
    last = "".join(done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:])
    if done.returncode == 0:
        try:
            return list(json.loads(done.stdout)["results"])
        except (ValueError, KeyError):
            last = "its answer cannot be read"
    if any(sign in last for sign in _OUT_OF_MEMORY) or done.returncode in (-9, -11, -6):
        reason = f"reading the equations needs more than {allowance.megabytes} MB of memory"
        raise ModelError(error("read-limit", reason, _raise("MEGABYTES"), file=file))
    if done.returncode == -24:
        reason = f"reading the equations took more than {allowance.seconds} seconds of processor time"
        raise ModelError(error("read-limit", reason, _raise("SECONDS"), file=file))
    reason = f"the Vensim translator stopped: {last or f'exit code {done.returncode}'}"
    raise ModelError(error("translator", reason, "check that pysd is installed beside flowreform", file=file))


def _package_folders() -> list[str]:
    """The folders that hold pysd and what its translator imports, so that the isolated child finds what the parent finds."""
    folders: list[str] = []
    for name in ("pysd", "numpy", "parsimonious", "chardet", "regex"):
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin:
            folder = str(Path(spec.origin).resolve().parent.parent)
            if folder not in folders:
                folders.append(folder)
    return folders


def _environment() -> dict[str, str]:
    """What an interpreter needs to start, and no more; numpy is kept from reserving memory for threads."""
    kept = {name: os.environ[name] for name in ("SYSTEMROOT", "PATH", "LD_LIBRARY_PATH", "TEMP", "TMP") if name in os.environ}
    return kept | {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
