"""Text that does one thing to many slots: stages of Runge-Kutta, remembered values, the last look at all stocks.

Slots that stand together are walked through in a loop, so that a thousand stocks are not a thousand statements."""

from __future__ import annotations

from collections.abc import Sequence

from flowreform.engine.expressions import WIDTH, cell


def stretches(*columns: Sequence[int]) -> list[tuple[tuple[int, ...], int]]:
    """Where in parallel all columns count up by one: the first of each and how many, in order."""
    found: list[tuple[tuple[int, ...], int]] = []
    for row in zip(*columns, strict=True):
        if found and row == tuple(first + found[-1][1] for first in found[-1][0]):
            found[-1] = (found[-1][0], found[-1][1] + 1)
        else:
            found.append((row, 1))
    return found


def lines(templates: Sequence[str], firsts: tuple[int, ...], count: int) -> list[str]:
    """The loops of one stretch; `{0}` in a template is the cell of the first column, and so on."""
    cells = [f"s[{cell(first)}]" if count == 1 else f"s[{WIDTH} * ({first} + i0) + r]" for first in firsts]
    head = ["for r in range(R):"] if count == 1 else [f"for i0 in range({count}):", "    for r in range(R):"]
    pad = "    " * len(head)
    return [*head, *(pad + template.format(*cells) for template in templates)]
