"""Memory that vector instructions like."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

LINE = 64
"""Bytes of a processor's cache line, and of its widest vector: a vector that lies across two lines costs twice."""


def zeros(*shape: int) -> np.ndarray:
    """float64 zeros from the start of a cache line on."""
    import numpy as np

    size = 8 * math.prod(shape)
    room = np.zeros(size + LINE, dtype=np.uint8)
    first = -room.ctypes.data % LINE
    return room[first : first + size].view(np.float64).reshape(shape)
