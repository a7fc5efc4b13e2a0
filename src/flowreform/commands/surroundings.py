"""The current folder holds nobody's settings: it may have come with a stranger's model. Some of the environment only stop us."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from flowreform.errors import ExperimentError, error

NUMBA, MATPLOTLIB = ".numba_config.yaml", "matplotlibrc"
"""Files that these libraries read in the current folder. numba's can name a module to import and a folder of code to load."""

STOPPING = ("MPLBACKEND", "NUMBA_DISABLE_JIT", "NUMBA_NUM_THREADS")
"""Settings without which nothing is missed: charts are written and never shown, and kernels are compiled, one thread each. With a
backend that there is not, without compilation, or with 0 threads, a library ends a run with a fault of its own."""

ZARR, DASK = "ZARR_", "DASK_"
"""How the settings of zarr and Dask begin. They name codecs to load and files to read. A sweep is stored in one way only, and
Dask is loaded by xarray too, where nobody has asked for a cluster."""


def _endless() -> bool:
    """Whether the file of settings that matplotlib would find first outside this folder is a device or a pipe."""
    named = os.environ.get("MATPLOTLIBRC", "")
    own = os.environ.get("MPLCONFIGDIR") or os.path.join(
        os.environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config"), "matplotlib"
    )
    for place in (named, os.path.join(named, MATPLOTLIB), os.path.join(own, MATPLOTLIB)):
        if os.path.exists(place) and not os.path.isdir(place):
            return not os.path.isfile(place)
    return False


def leave_settings_unread() -> None:
    """Forget settings of the environment that would stop a library. Where a file of settings lies here, load the library from a
    folder in which none does, and tell it to look no more."""
    unread = (ZARR,) if any(word.startswith("--scheduler") for word in sys.argv) else (ZARR, DASK)
    for name in [name for name in os.environ if name in STOPPING or name.startswith(unread)]:
        del os.environ[name]
    for name in ("COLUMNS", "LINES"):
        if not re.fullmatch("[1-9][0-9]{0,4}", os.environ.get(name, "80")):
            del os.environ[name]
    if _endless():
        os.environ["MATPLOTLIBRC"] = os.devnull  # found before the file that it would wait for, and empty
    found = [name for name in (NUMBA, MATPLOTLIB) if os.path.lexists(name)]
    if not found:
        return
    here = os.open(".", os.O_RDONLY)
    os.chdir(Path(__file__).parent)
    try:
        if NUMBA in found:
            from numba.core import config

            config._config_fname = os.devnull  # no ordinary file: it is looked for again at every compilation
        if MATPLOTLIB in found:
            import matplotlib

            assert matplotlib.rcParams
    finally:
        os.chdir(here)
        os.close(here)


def require_a_current_folder() -> None:
    """Raises ExperimentError where the current folder is gone: no path could be looked up, whatever it says."""
    try:
        os.getcwd()
    except OSError as fault:
        raise ExperimentError(
            error("no-folder", "the current folder is no longer there", "go to another one", file=".")
        ) from fault
