"""Put the results of a run into README.md: the rows of its table and its picture.

    flowreform run hertfordshire_and_west_essex -o out && python docs/refresh_readme.py out

`.ci/run` fails when the README shows a row that the run does not give.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
ROWS = (
    "Days from referral",
    "Occupancy at the end",
    "Peak occupancy",
    "Staffed beds at the end",
    "Double running",
    "Stranded cost",
    "One-off cost",
)
AGAINST = ("Days from referral", "Beds with staff fewer", "Net present cost")
"""Rows of the differences to business as usual."""


def main(folder: Path) -> None:
    """Read `summary.md` and `chart.png` of a run in `folder`, write README.md and docs/hertfordshire_and_west_essex.png."""
    results = (folder / "summary.md").read_text(encoding="utf-8").partition("## Results")[2].partition("\n## ")[0]
    rows = [line for line in results.splitlines() if line.startswith("|")]
    kept = rows[:2] + [line for line in rows[2:] if line[2:].startswith(ROWS)]
    against = (folder / "summary.md").read_text(encoding="utf-8").partition("\n## Against")[2].partition("\n## ")[0].splitlines()
    table_rows = [line for line in against if line.startswith("|")]
    kept += ["", *table_rows[:2], *(line for line in table_rows[2:] if line[2:].startswith(AGAINST))]
    readme = ROOT / "README.md"
    table = "<!-- results -->\n" + "\n".join(kept) + "\n<!-- end of results -->"
    text = re.sub(
        r"<!-- results -->\n.*?<!-- end of results -->", lambda _: table, readme.read_text(encoding="utf-8"), flags=re.S
    )
    readme.write_text(text, encoding="utf-8", newline="\n")
    picture = Image.open(folder / "chart.png").convert("RGB").quantize(128, dither=Image.Dither.NONE)
    picture.save(ROOT / "docs" / "hertfordshire_and_west_essex.png", optimize=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
