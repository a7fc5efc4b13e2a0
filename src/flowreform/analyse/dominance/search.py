"""The feedback loops of a graph: all of them where they can be counted, else the strongest."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from flowreform.graph import components
from flowreform.links.ways import Path

Graph = Mapping[int, Sequence[int]]
"""By node the nodes it acts on."""


def every_loop(graph: Graph, most: int) -> list[Path] | None:
    """Every elementary loop, each from its smallest node; None where there are more than `most`.

    D. B. Johnson, "Finding all the elementary circuits of a directed graph" (SIAM Journal on Computing 4, 1975)."""
    found: list[Path] = []
    nodes = sorted(graph)
    for at, root in enumerate(nodes):
        rest = set(nodes[at:])
        part = {node: [other for other in graph[node] if other in rest] for node in rest}
        inside = next((set(group) for group in components(part) if root in group), {root})
        for loop in _from(root, {node: [other for other in part[node] if other in inside] for node in sorted(inside)}):
            found.append(loop)
            if len(found) > most:
                return None
    return found


def _from(root: int, graph: Graph) -> Iterator[Path]:
    """The loops through a node."""
    blocked: set[int] = {root}
    waiting: dict[int, set[int]] = {}
    path, work, closed = [root], [iter(graph[root])], [False]
    while work:
        step = next(work[-1], None)
        if step == root:
            yield tuple(path)
            closed[-1] = True
        elif step is None:
            work.pop()
            node, through = path.pop(), closed.pop()
            if through:
                _release(node, blocked, waiting)
                if closed:
                    closed[-1] = True
            else:
                for other in graph[node]:
                    waiting.setdefault(other, set()).add(node)
        elif step not in blocked:
            blocked.add(step)
            path.append(step)
            work.append(iter(graph[step]))
            closed.append(False)


def _release(node: int, blocked: set[int], waiting: dict[int, set[int]]) -> None:
    stack = [node]
    while stack:
        here = stack.pop()
        if here in blocked:
            blocked.discard(here)
            stack.extend(waiting.pop(here, ()))


Step = tuple[int, float, Path]
"""Where a stretch of links leads, the size of its score, and the nodes on the way."""


def contracted(graph: Mapping[int, Sequence[tuple[int, float]]], kept: Collection[int]) -> dict[int, list[Step]]:
    """The graph without nodes that only hand on: those with one way in or one way out. What leads through them is one step; the
    strongest steps come first. `kept` stay."""
    out: dict[int, list[Step]] = {node: [(other, size, ()) for other, size in others] for node, others in graph.items()}
    into: dict[int, set[int]] = {node: set() for node in out}
    for node, others in out.items():
        for other, _, _ in others:
            into.setdefault(other, set()).add(node)
    for node in sorted(out):
        if node in kept or node in into.get(node, ()):
            continue
        ways_in = [(before, step) for before in sorted(into[node]) for step in out[before] if step[0] == node]
        if len(ways_in) != 1 and len(out[node]) != 1:
            continue
        for before, (_, size, way) in ways_in:
            out[before] = [step for step in out[before] if step != (node, size, way)]
            for other, more, rest in out[node]:
                out[before].append((other, size * more, (*way, node, *rest)))
                into[other].add(before)
        for other, _, _ in out[node]:
            into[other].discard(node)
        del out[node], into[node]
    return {node: sorted(steps, key=lambda step: (-step[1], step[0], step[2])) for node, steps in out.items()}


def strongest(weights: Mapping[int, Sequence[tuple[int, float]]], starts: Collection[int]) -> set[Path]:
    """Strong loops through each of `starts`; `weights` are by node the nodes it acts on, each with the size of its link score.

    Eberlein and Schoenberg, "Finding the Loops that Matter" (2020): depth first along the strongest links, and no further
    where a node was reached by a stronger path before. The very strongest loop may be missed, its near relatives are not."""
    graph = contracted(weights, set(starts))
    found: set[Path] = set()
    for start in starts:
        best: dict[int, float] = {start: 0.0}
        path: list[Path] = [(start,)]
        on = {start}
        work = [(iter(graph.get(start, ())), 1.0)]
        while work:
            links, score = work[-1]
            step = next(links, None)
            if step is None:
                work.pop()
                on.discard(path.pop()[-1])
                continue
            node, weight, way = step
            total = score * weight
            if node == start:
                found.add(_turned([slot for part in path for slot in part] + list(way)))
            elif node not in on and total > best.get(node, 0.0):
                best[node] = total
                path.append((*way, node))
                on.add(node)
                work.append((iter(graph.get(node, ())), total))
    return found


def _turned(path: Sequence[int]) -> Path:
    """The loop from its smallest node."""
    at = path.index(min(path))
    return (*path[at:], *path[:at])
