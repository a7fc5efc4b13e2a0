"""How long a user waits: help, one run of a model, the main experiment warm and with no kernel kept."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

COMMANDS = {
    "help": ("--help",),
    "one run": ("run", "va_transformation"),
    "main experiment": ("run", "va_beds_to_community"),
}


def call(arguments: tuple[str, ...], folder: Path, cache: Path) -> None:
    extra = ("-o", str(folder)) if arguments[-1] == "va_beds_to_community" else ()
    environment = {**os.environ, "FLOWREFORM_CACHE": str(cache)}
    command = [sys.executable, "-c", "from flowreform.cli import main; raise SystemExit(main())", *arguments, *extra]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


@pytest.mark.parametrize("name", COMMANDS)
def test_warm(benchmark: Any, name: str, tmp_path: Path) -> None:
    cache = tmp_path / "kernels"
    call(COMMANDS[name], tmp_path / "out", cache)
    benchmark.group = "commands"
    benchmark.pedantic(call, (COMMANDS[name], tmp_path / "out", cache), rounds=3, iterations=1)


def test_cold(benchmark: Any, tmp_path: Path) -> None:
    """The main experiment when its kernel must first be compiled."""
    benchmark.group = "commands"
    arguments = (COMMANDS["main experiment"], tmp_path / "out", tmp_path / "kernels")
    benchmark.pedantic(call, arguments, rounds=1, iterations=1)
