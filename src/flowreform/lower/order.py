"""The order of assignments: each after everything it reads.

Statements that read each other in a circle are first taken apart into their elements, since a circle between whole
arrays need not be one between elements; a circle that remains is the modeller's and is spelled out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heapify, heappop, heappush

from flowreform.program import Assign, Loop, Read, Reduce, spread, walk


class Circle(Exception):
    """A circle of statements, in order; the last reads the first."""

    def __init__(self, statements: Sequence[Assign]) -> None:
        self.names = tuple(dict.fromkeys(statement.name for statement in statements))
        super().__init__(" -> ".join((*self.names, self.names[0])))


def reads(statement: Assign) -> set[int]:
    """Every slot a statement reads. A subscript picked while running reads its whole dimension."""
    loops = {loop.number: loop for loop in statement.loops}
    for part in walk(statement.code):
        if isinstance(part, Reduce):
            loops[part.loop] = Loop(part.loop, part.size)
    return {slot for part in walk(statement.code) if isinstance(part, Read) for slot in _touched(part, tuple(loops.values()))}


def _touched(read: Read, loops: tuple[Loop, ...]) -> Iterable[int]:
    if not read.terms and not read.picks:
        return (read.base,)
    slots = spread(read, loops)
    for pick in read.picks:
        slots = tuple(slot + i * pick.stride for slot in slots for i in range(pick.size))
    return slots


def dependencies(statements: Sequence[Assign]) -> list[set[int]]:
    """For each statement the numbers of those whose result it reads. Two writers of one slot never occur."""
    owner = {slot: number for number, statement in enumerate(statements) for slot in statement.slots()}
    return [{owner[slot] for slot in reads(statement) if slot in owner} for statement in statements]


def in_order(statements: Sequence[Assign]) -> tuple[Assign, ...]:
    """The statements, each after those it reads, otherwise as given. Raises `Circle`."""
    while True:
        needs = dependencies(statements)
        done = _sort(needs)
        if len(done) == len(statements):
            return tuple(statements[number] for number in done)
        circle = _circle(needs, set(range(len(statements))) - set(done))
        if not any(statements[number].loops for number in circle):
            raise Circle([statements[number] for number in circle])
        apart = set(circle)
        statements = [
            part
            for number, statement in enumerate(statements)
            for part in (statement.unrolled() if number in apart else (statement,))
        ]


def _sort(needs: Sequence[set[int]]) -> list[int]:
    """Kahn's algorithm, smallest number first; stops short when there is a circle."""
    waiting = [len(need) for need in needs]
    users: list[list[int]] = [[] for _ in needs]
    for number, need in enumerate(needs):
        for other in need:
            users[other].append(number)
    ready = [number for number, count in enumerate(waiting) if not count]
    heapify(ready)
    done = []
    while ready:
        number = heappop(ready)
        done.append(number)
        for user in users[number]:
            waiting[user] -= 1
            if not waiting[user]:
                heappush(ready, user)
    return done


def _circle(needs: Sequence[set[int]], among: set[int]) -> list[int]:
    """One circle among statements none of which could be placed: follow what each waits for until one comes again."""
    path: list[int] = []
    seen: dict[int, int] = {}
    number = min(among)
    while number not in seen:
        seen[number] = len(path)
        path.append(number)
        number = min(other for other in needs[number] if other in among)
    return path[seen[number] :][::-1]
