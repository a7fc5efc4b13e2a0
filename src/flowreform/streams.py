"""Streams of random words, each seeded by a seed, a name and a purpose, so that no stream moves another's.

Only raw words of PCG64 are used, which numpy keeps the same for ever.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BITS = 52
APART = 2**24
"""Words between the noise of one draw and that of the next: more than the most steps of a run."""


def words(seed: int, name: str, purpose: str, n: int, first: int = 0) -> NDArray[np.uint64]:
    """`n` raw 64-bit words, from number `first` on, of the stream that belongs to a seed, a name and a purpose."""
    import numpy as np

    return np.asarray(_stream(seed, name, purpose, first).random_raw(n), dtype=np.uint64)


def inside(raw: NDArray[np.uint64]) -> NDArray[np.float64]:
    """The top 52 bits of each word as a number strictly between 0 and 1."""
    import numpy as np

    return ((raw >> np.uint64(64 - BITS)).astype(np.float64) + 0.5) * 2.0**-BITS


def noise(seed: int, names: Sequence[str], draws: NDArray[np.int_], count: int) -> NDArray[np.float64]:
    """`count` numbers strictly between 0 and 1 for each stream and draw, float64[stream, count, draw].

    A stream's numbers depend on the seed, its name and the draw's number alone."""
    import numpy as np

    found = np.empty((len(names), count, len(draws)))
    for at, name in enumerate(names):
        stream, here = _stream(seed, name, "noise", 0), 0
        for place, draw in enumerate(draws.tolist()):
            stream.advance((draw * APART - here) % 2**128)
            found[at, :, place] = inside(stream.random_raw(count))
            here = draw * APART + count
    return found


def _stream(seed: int, name: str, purpose: str, first: int) -> np.random.PCG64:
    import numpy as np

    key = np.frombuffer(hashlib.sha256(f"{purpose}\0{name}".encode()).digest(), dtype="<u4")
    stream = np.random.PCG64(np.random.SeedSequence([seed, *(int(word) for word in key)]))
    if first:
        stream.advance(first)
    return stream
