"""Paths through a model: everything that acts on a variable, the feedback loops through it, and the loops of any graph."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Hashable, Iterable, Mapping
from typing import TypeVar

from flowreform.model import Causes, uses

Node = TypeVar("Node", bound=Hashable)


def ancestors(graph: Causes, name: str) -> set[str]:
    """Everything that acts on a variable, through however many equations; itself too when a loop leads back."""
    found: set[str] = set()
    stack = [name]
    while stack:
        for cause in graph.get(stack.pop(), ()):
            if cause not in found:
                found.add(cause)
                stack.append(cause)
    return found


def loops_through(graph: Causes, name: str, most: int = 12) -> tuple[tuple[str, ...], ...]:
    """Feedback loops through a variable, shortest first, at most `most`: for each of its uses the shortest way back.

    A model may hold millions of loops; the shortest one through every use names each of the ways in which a variable comes
    back to itself. Each loop starts with the variable and ends before it comes round again."""
    forward = uses(graph)
    loops = (_way_back(forward, first, name) for first in forward[name])
    found = {loop for loop in loops if loop is not None}
    return tuple(sorted(found, key=lambda loop: (len(loop), loop)))[:most]


def _way_back(forward: Causes, first: str, goal: str) -> tuple[str, ...] | None:
    if first == goal:
        return (goal,)
    came: dict[str, str] = {first: goal}
    queue = deque([first])
    while queue:
        here = queue.popleft()
        for following in forward[here]:
            if following == goal:
                path = [here]
                while path[-1] != first:
                    path.append(came[path[-1]])
                return (goal, *reversed(path))
            if following not in came:
                came[following] = here
                queue.append(following)
    return None


# --- components and loops of any graph --------------------------------------------------------------------------------


def components(graph: Mapping[Node, Iterable[Node]]) -> list[tuple[Node, ...]]:
    """The strongly connected components, each after those it leads to; nodes that are only led to are left out.

    Tarjan's algorithm (SIAM Journal on Computing 1, 1972) without recursion: time grows with nodes and edges."""
    index: dict[Node, int] = {}
    low: dict[Node, int] = {}
    open_nodes: list[Node] = []
    is_open: set[Node] = set()
    found: list[tuple[Node, ...]] = []
    for root in graph:
        if root in index:
            continue
        work = [(root, iter(tuple(graph[root])))]
        index[root] = low[root] = len(index)
        open_nodes.append(root)
        is_open.add(root)
        while work:
            node, rest = work[-1]
            following = next((other for other in rest if other in graph and (other not in index or other in is_open)), None)
            if following is None:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    at = len(open_nodes) - 1
                    while open_nodes[at] != node:
                        at -= 1
                    found.append(tuple(open_nodes[at:]))
                    is_open.difference_update(open_nodes[at:])
                    del open_nodes[at:]
            elif following in index:
                low[node] = min(low[node], index[following])
            else:
                index[following] = low[following] = len(index)
                open_nodes.append(following)
                is_open.add(following)
                work.append((following, iter(tuple(graph[following]))))
    return found


def circles(graph: Mapping[Node, Collection[Node]], most: int = 10) -> list[tuple[Node, ...]]:
    """Loops that cut the whole graph free of loops when one step of each is taken out, at most `most` in a component.

    Each is as short as can be through its first node, the one that comes first in the graph; a node that leads to itself is
    a loop of one."""
    order = {node: number for number, node in enumerate(graph)}
    found: list[tuple[Node, ...]] = []
    for component in components(graph):
        if len(component) == 1 and component[0] not in graph[component[0]]:
            continue
        inside = set(component)
        rest = {node: [other for other in graph[node] if other in inside] for node in sorted(component, key=order.__getitem__)}
        for _ in range(most):
            tied = next((part for part in components(rest) if len(part) > 1 or part[0] in rest[part[0]]), None)
            if tied is None:
                break
            circle = _circle(rest, min(tied, key=order.__getitem__), set(tied))
            found.append(circle)
            rest[circle[-1]] = [other for other in rest[circle[-1]] if other != circle[0]]
    return sorted(found, key=lambda circle: order[circle[0]])


def _circle(graph: Mapping[Node, Collection[Node]], start: Node, inside: set[Node]) -> tuple[Node, ...]:
    """The shortest loop through a node of a component."""
    came: dict[Node, Node] = {}
    queue = deque([start])
    while queue:
        here = queue.popleft()
        for following in graph[here]:
            if following == start:
                path = [here]
                while path[-1] != start:
                    path.append(came[path[-1]])
                return tuple(reversed(path))
            if following in inside and following not in came:
                came[following] = here
                queue.append(following)
    raise ValueError("the node is on no loop")


def turned(graph: Mapping[Node, Iterable[Node]]) -> dict[Node, dict[Node, None]]:
    """The same graph with every step the other way round; what it leads to must be a node of it."""
    found: dict[Node, dict[Node, None]] = {node: {} for node in graph}
    for node, others in graph.items():
        for other in others:
            found[other][node] = None
    return found
