"""Loops as people name them: the slots of the shortest loop through some variables, and the variables along some slots."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence

from flowreform.graph import components

Path = tuple[int, ...]
"""A loop: its slots in order; the last acts on the first."""


def feedback(links: Mapping[int, Sequence[int]]) -> list[frozenset[int]]:
    """The groups of slots that act on each other, the largest first: no loop leaves its group."""
    found = [frozenset(group) for group in components(links) if len(group) > 1 or group[0] in links[group[0]]]
    return sorted(found, key=lambda group: (-len(group), min(group)))


def shortest_loop(links: Mapping[int, Sequence[int]], through: Sequence[int]) -> Path | None:
    """The shortest loop that passes some slots in the order given, each stretch as short as can be; None where there is none."""
    path: list[int] = []
    for at, first in enumerate(through):
        last = through[(at + 1) % len(through)]
        stretch = _stretch(links, first, last, {*path, *through})
        if stretch is None:
            return None
        path.extend(stretch)
    return tuple(path)


def _stretch(links: Mapping[int, Sequence[int]], first: int, last: int, closed: Collection[int]) -> list[int] | None:
    """The slots from one to before another, by the fewest links, passing none of those closed."""
    came: dict[int, int] = {}
    queue = deque([first])
    while queue:
        here = queue.popleft()
        for following in links[here]:
            if following == last:
                path = [here]
                while path[-1] != first:
                    path.append(came[path[-1]])
                return path[::-1]
            if following not in came and following not in closed:
                came[following] = here
                queue.append(following)
    return None


def spoken(path: Path, names: Sequence[str]) -> tuple[str, ...]:
    """The variables along a loop: hidden slots are part of the variable they serve, which is named once."""
    found: list[str] = []
    for slot in path:
        if not found or names[slot] != found[-1]:
            found.append(names[slot])
    while len(found) > 1 and found[0] == found[-1]:
        found.pop()
    return tuple(found)
