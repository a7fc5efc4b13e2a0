"""What the tests of sweeps share: the size of the small one, and what of a folder must be the same whatever happened."""

from __future__ import annotations

import hashlib
from pathlib import Path

DRAWS, PART = 300, 32


def contents(folder: Path) -> dict[str, str]:
    """The hash of every file that must be the same whatever happened on the way: arrays, and the KPIs as text."""
    files = [*(folder / "runs.zarr").rglob("*"), folder / "kpis.csv.gz"]
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(files)
        if path.is_file() and path.name != "zarr.json"
    }
