"""The cells of a sheet of somebody else's workbook, read by python-calamine in a process of its own.

calamine makes room for every cell from the first to the last one of a sheet, and ends its process where there is none: two
cells in far corners are enough. Here that ends a child, which may use so much memory and no more, and not the user's session.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from flowreform import processes

BYTES_PER_CELL = 200
"""Memory that a cell may take, its text and the document around it included."""
BYTES_AT_LEAST = 1_500_000_000
"""Memory that a child may always use: Python, calamine and the workbook unpacked."""
SECONDS = 120


class UnreadableBook(Exception):
    """Why the cells cannot be had; `names` are the sheets that there are, where the one asked for is not there."""

    def __init__(self, reason: str, names: Sequence[str] = ()) -> None:
        super().__init__(reason)
        self.names = tuple(names)


def sheet_cells(path: Path, sheet: str, most: int) -> list[list[Any]]:
    """The rows of a sheet, from its first cell A1: numbers, and anything else as text; case of its name does not matter.

    `most` is how many cells there may be from the first to the last. Raises UnreadableBook."""
    return sheets_cells(path, [sheet], most)[0]


def sheets_cells(path: Path, sheets: Sequence[str], most: int) -> list[list[list[Any]]]:
    """The rows of several sheets, in one process. Raises UnreadableBook."""
    beside = processes.of_module(__name__, str(path.resolve()), str(most), *sheets)
    try:
        done = subprocess.run(**beside, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired as fault:
        raise UnreadableBook(f"it takes longer than {SECONDS} seconds to read") from fault
    except (OSError, ValueError) as fault:
        raise UnreadableBook(str(fault)) from fault
    try:
        answer = json.loads(done.stdout)
    except ValueError as fault:
        raise UnreadableBook("it takes more memory than it may, or is damaged") from fault
    if "cells" not in answer:
        raise UnreadableBook(answer["reason"], answer.get("names", ()))
    cells: list[list[list[Any]]] = answer["cells"]
    return cells


def main(path: str, most: int, sheets: Sequence[str]) -> dict[str, Any]:
    """What the child answers."""
    from python_calamine import CalamineError, CalamineWorkbook

    plain = (str, int, float)
    cells = []
    try:
        with CalamineWorkbook.from_path(path) as book:
            for sheet in sheets:
                name = next((other for other in book.sheet_names if other.lower() == sheet.lower()), None)
                if name is None:
                    return {"reason": f"it has no sheet {sheet!r}", "names": book.sheet_names[:5]}
                found = book.get_sheet_by_name(name)
                if found.end is not None and (found.end[0] + 1) * (found.end[1] + 1) > most:
                    return {"reason": f"sheet {name!r} spans more than {most:,} cells"}
                rows = found.to_python(skip_empty_area=False)
                cells.append([[cell if isinstance(cell, plain) else str(cell) for cell in row] for row in rows])
    except (CalamineError, OSError, ValueError, MemoryError) as fault:
        return {"reason": str(fault)[:100]}
    return {"cells": cells}


def _hold_memory(most: int) -> None:
    """No more memory than so many cells take, where the system can say so."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        limit = BYTES_AT_LEAST + BYTES_PER_CELL * most
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


if __name__ == "__main__":
    _hold_memory(int(sys.argv[2]))
    json.dump(main(sys.argv[1], int(sys.argv[2]), sys.argv[3:]), sys.stdout)
