"""What lies in the current folder is nobody's settings: it may have come with a stranger's model."""

from __future__ import annotations

import os
from pathlib import Path

NUMBA, MATPLOTLIB = ".numba_config.yaml", "matplotlibrc"
"""Files that these libraries read in the current folder. numba's can name a module to import and a folder of code to load."""


def leave_settings_unread() -> None:
    """Where such a file lies here, load the library from a folder in which none does, and tell it to look no more."""
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
