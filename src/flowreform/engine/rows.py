"""Text that does one thing to many slots: stages of Runge-Kutta, remembered values, the last look at all stocks.

Slots that stand together are walked through in a loop, so that a thousand stocks are not a thousand statements."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from flowreform.engine.expressions import cell


def stretches(*columns: Sequence[int]) -> list[tuple[tuple[int, ...], int]]:
    """Where in parallel all columns count up by one: the first of each and how many, in order."""
    found: list[tuple[tuple[int, ...], int]] = []
    for row in zip(*columns, strict=True):
        if found and row == tuple(first + found[-1][1] for first in found[-1][0]):
            found[-1] = (found[-1][0], found[-1][1] + 1)
        else:
            found.append((row, 1))
    return found


def lines(templates: Sequence[str], part: Sequence[tuple[tuple[int, ...], int]], width: int) -> list[str]:
    """The loops of some stretches, one for all slots that stand alone; `{0}` in a template is the cell of the first column, and
    so on."""
    text: list[str] = []
    for alone, group in itertools.groupby(part, key=lambda stretch: stretch[1] == 1):
        if alone:
            text.append("for r in range(R):")
            for firsts, _ in group:
                text += _written("    ", templates, [f"s[{cell(first, width)}]" for first in firsts])
        else:
            for firsts, count in group:
                text += [f"for i0 in range({count}):", "    for r in range(R):"]
                text += _written("        ", templates, [f"s[{width} * ({first} + i0) + r]" for first in firsts])
    return text


def _written(pad: str, templates: Sequence[str], cells: Sequence[str]) -> list[str]:
    return [pad + template.format(*cells) for template in templates]
