"""Put the results of a run into README.md: the rows of its tables, what they come to in words, and its picture.

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
PATIENTS, OVERLAP, COST = "Days from referral", "Double running", "Net present cost"
"""Rows that the sentences below the tables are of."""


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
    said = f"<!-- answer -->\n{answer(rows, table_rows)}\n<!-- end of answer -->"
    text = re.sub(r"<!-- answer -->\n.*?<!-- end of answer -->", lambda _: said, text, flags=re.S)
    readme.write_text(text, encoding="utf-8", newline="\n")
    picture = Image.open(folder / "chart.png").convert("RGB").quantize(128, dither=Image.Dither.NONE)
    picture.save(ROOT / "docs" / "hertfordshire_and_west_essex.png", optimize=True)


def answer(rows: list[str], differences: list[str]) -> str:
    """What the tables come to, in words: each order against business as usual, draw by draw, and what it costs on the way."""
    orders = [cell.strip() for cell in differences[0].strip("|").split("|")[1:]]

    def cells(table: list[str], start: str) -> list[str]:
        row = next(line for line in table[2:] if line[2:].startswith(start))
        return [cell.strip() for cell in row.strip().strip("|").split("|")[1:]]

    def listed(values: list[str]) -> str:
        pairs = [f"{value} ({order.lower()})" for order, value in zip(orders, values, strict=True)]
        return ", ".join(pairs[:-1]) + " and " + pairs[-1]

    def shares(start: str) -> str:
        return listed([re.findall(r"better in (\d+ %)", cell)[0] for cell in cells(differences, start)])

    overlap = [re.sub(r" \(.*?\)", "", cell) for cell in cells(rows, OVERLAP)[1:]]
    return (
        f"Against business as usual in the same draw, days from referral to discharge are fewer in {shares(PATIENTS)} of draws;"
        f" counted with waiting and harm, the cost is lower in {shares(COST)}. Paying for the new service and the old bed at once"
        f" (double running) comes to {listed([f'GBP {value}' for value in overlap])}."
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
