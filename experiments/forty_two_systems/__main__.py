"""Calibrate England's 42 integrated care boards together to March 2024 and forecast April 2024 to August 2025, blind.

    python experiments/forty_two_systems [--output FOLDER] [--settings FILE]

Reads icb_monthly.csv, settings.toml and model.xmile of this folder and nothing else.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # small matrices: more threads are slower, and sum in another order
    os.environ.setdefault(_name, "1")
FOLDER = Path(__file__).resolve().parent
sys.path.insert(0, str(FOLDER))

from boards import data, pictures, publish, settings, study  # noqa: E402

SHOWN = [
    "Hertfordshire and West Essex",
    "Greater Manchester",
    "Gloucestershire",
    "Birmingham and Solihull",
    "Norfolk and Waveney",
]
"""An ordinary board, a large one, a small one whose reporting shifted, one whose delays doubled, one with many delays."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="forty_two_systems", description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=FOLDER, help="where the files go (default: this folder)")
    parser.add_argument("--settings", type=Path, default=FOLDER / "settings.toml", help="what is chosen and not fitted")
    options = parser.parse_args()
    start = time.process_time()
    counts = data.read(FOLDER / "icb_monthly.csv")
    found = study.carry_out(counts, FOLDER / "model.xmile", settings.read(options.settings), lambda text: print(text, flush=True))
    path = publish.write(found, options.output, (FOLDER / "README.template.md").read_text(encoding="utf-8"))
    pictures.draw(found, SHOWN, options.output / "boards.png")
    print(publish.ratio_table(found))
    sources = f"icb_monthly.csv (to March 2024), {options.settings.name} and model.xmile"
    print(f"{path}: 42 boards x 17 months x 3 series, from {sources}; {time.process_time() - start:,.0f} CPU s")
    unconverged = [origin for origin, (r, e) in found.converged.items() if r > study.R_HAT or e < study.EFFECTIVE]
    if unconverged:
        print(
            f"not converged at {', '.join(map(str, unconverged))} months: raise `iterations` in {options.settings}",
            file=sys.stderr,
        )
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
