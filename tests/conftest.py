"""What every test may need: external tools and folders by name, and a kernel cache of the session's own.

`@pytest.mark.requires("pysimlin")` skips a test, with the reason, where the tool is not there. The names listed in
FLOWREFORM_REQUIRE (separated by commas) must be there: for them a missing tool is a failure, so that a machine that is
meant to have everything cannot pass by skipping.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]

# A shared machine may stall for a second in the middle of any example: time says nothing here.
settings.register_profile("flowreform", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("flowreform")


def _module(name: str) -> str | None:
    return None if importlib.util.find_spec(name) else f"the Python package {name} is not installed"


def _command(name: str) -> str | None:
    return None if shutil.which(name) else f"the command {name} is not on this machine"


def scenario_data_folder() -> Path:
    """Published data of scenario discovery, `bryant et al 2010 data.csv` of EMA workbench: FLOWREFORM_SCENARIO_DATA."""
    return Path(os.environ.get("FLOWREFORM_SCENARIO_DATA") or ROOT.parent / "shared" / "scenario_data")


def _mount() -> str | None:
    """Whether a small file system can be mounted: tried, because a container may hold a root without that right."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or shutil.which("mount") is None:
        return "only root may mount a small file system"
    with tempfile.TemporaryDirectory() as place:
        command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            return "this machine lets nobody mount a small file system"
        subprocess.run(["umount", place], capture_output=True, check=False)
    return None


def _folder(path: Path, variable: str) -> str | None:
    return None if path.is_dir() else f"there is no folder {path}; {variable} may name one"


def conformance_folder() -> Path:
    """The vendor-checked models: FLOWREFORM_TEST_MODELS, or `../shared/conformance` beside the project."""
    return Path(os.environ.get("FLOWREFORM_TEST_MODELS") or ROOT.parent / "shared" / "conformance")


def bad_inputs_folder() -> Path:
    """Files with one fault each: FLOWREFORM_BAD_INPUTS, or `../shared/bad_inputs` beside the project."""
    return Path(os.environ.get("FLOWREFORM_BAD_INPUTS") or ROOT.parent / "shared" / "bad_inputs")


# name -> why it is missing, or None where it is there
TOOLS: dict[str, Callable[[], str | None]] = {
    "pysimlin": lambda: _module("simlin"),
    "playwright": lambda: _module("playwright"),
    "gcc": lambda: _command("gcc"),
    "mount": _mount,
    "node": lambda: _command("node"),
    "chromium": lambda: _command("chromium"),
    "pdfinfo": lambda: _command("pdfinfo"),
    "soffice": lambda: _command("soffice"),
    "conformance": lambda: _folder(conformance_folder(), "FLOWREFORM_TEST_MODELS"),
    "scenario_data": lambda: _folder(scenario_data_folder(), "FLOWREFORM_SCENARIO_DATA"),
    "bad_inputs": lambda: _folder(bad_inputs_folder(), "FLOWREFORM_BAD_INPUTS"),
}


def must_have() -> set[str]:
    """The names that may not be missing here.

    Raises UsageError for a name that no test can ask for, since it would silently demand nothing."""
    names = {name.strip() for name in os.environ.get("FLOWREFORM_REQUIRE", "").split(",")} - {""}
    if unknown := names - TOOLS.keys():
        raise pytest.UsageError(f"FLOWREFORM_REQUIRE names {sorted(unknown)}; known are {sorted(TOOLS)}")
    return names


def need(name: str) -> None:
    """Skip the running test where `name` is missing; fail it where FLOWREFORM_REQUIRE says that it must be there."""
    if reason := TOOLS[name]():
        if name in must_have():
            pytest.fail(f"FLOWREFORM_REQUIRE names {name}, but {reason}", pytrace=False)
        pytest.skip(reason)


def pytest_configure(config: pytest.Config) -> None:
    must_have()
    if not os.environ.get("FLOWREFORM_CACHE"):
        folder = tempfile.mkdtemp(prefix="flowreform-test-cache-")
        os.environ["FLOWREFORM_CACHE"] = folder

        def clean() -> None:
            shutil.rmtree(folder, ignore_errors=True)
            os.environ.pop("FLOWREFORM_CACHE", None)

        config.add_cleanup(clean)


def pytest_runtest_setup(item: pytest.Item) -> None:
    for mark in item.iter_markers("requires"):
        for name in mark.args:
            need(name)


@pytest.fixture(scope="session")
def conformance() -> Path:
    """The folder of vendor-checked models, or a skip."""
    need("conformance")
    return conformance_folder()


@pytest.fixture(scope="session")
def bad_inputs() -> Path:
    """The folder of files with one fault each, or a skip."""
    need("bad_inputs")
    return bad_inputs_folder()


@pytest.fixture(scope="session")
def scenario_data() -> Path:
    """The folder of published data for scenario discovery, or a skip."""
    need("scenario_data")
    return scenario_data_folder()


@pytest.fixture(scope="session")
def ward() -> Path:
    """A small model with a case, an experiment and reference data: `model.xmile`, `model.toml`, `reference.csv`, `pace.toml`.

    `open_beds` falls by a share of itself, so that after n steps of dt it is 100 (1 - rate dt)^n; `bed_months_total` adds up
    what is in use."""
    return ROOT / "tests" / "fixtures" / "ward"
