"""Parts of an experiment in words, the same on the screen and in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flowreform.text import number

if TYPE_CHECKING:
    from flowreform.case.uncertainty import Uncertainty


def short(label: str) -> str:
    """A scenario's label as far as its colon, where there is little room: `Build first` of `Build first: with a fund`."""
    return label.partition(":")[0].strip() or label


def distribution(item: Uncertainty) -> str:
    """`triangular(low 0.3, mode 0.5, high 0.8) month`."""
    parts = []
    for key in item.kind.needs():
        value = getattr(item, key)
        parts.append(f"{key} {' or '.join(map(number, value)) if isinstance(value, tuple) else number(value)}")
    return f"{item.distribution}({', '.join(parts)}) {item.unit}"
