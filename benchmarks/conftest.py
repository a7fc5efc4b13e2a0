"""The kernels in C, compiled by gcc where it is there."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import pytest

FLAGS = ("-O3", "-march=native", "-ffp-contract=off", "-fno-math-errno", "-shared", "-fPIC")


@pytest.fixture(scope="session")
def kernels_in_c(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The kernels of kernels.c."""
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("gcc is not on this machine")
    library = tmp_path_factory.mktemp("c") / "kernels.so"
    subprocess.run([gcc, *FLAGS, "-o", str(library), str(Path(__file__).parent / "kernels.c")], check=True)
    return ctypes.CDLL(str(library))
