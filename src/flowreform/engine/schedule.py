"""Which assignments share a run loop.

The emitted step walks over all runs of a block inside its innermost loop. Assignments with the same index ranges that
read each other only at the same index can share that loop; their values then stay in registers. Functions such as exp
and pow get loops of their own, because one of them keeps a compiler from vectorising everything beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flowreform.builtins import BUILTINS
from flowreform.lower.order import reads
from flowreform.program import Assign, Op, Read, spread, walk

MOST = 100
"""Assignments in one emitted function: compile time grows faster than linearly beyond."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Assignments in one run loop, inside loops of these sizes."""

    sizes: tuple[int, ...]
    heavy: bool
    statements: tuple[Assign, ...]


Key = tuple[int, tuple[tuple[int, int, tuple[int, ...]], ...]]


def key(read: Read, loops: Sequence[int]) -> Key | None:
    """A read's place with its loops numbered by position; None when it has subscripts of its own or other loops."""
    if read.picks or any(term.loop not in loops for term in read.terms):
        return None
    return read.base, tuple((loops.index(term.loop), term.stride, term.table) for term in sorted(read.terms, key=_by_loop(loops)))


def _by_loop(loops: Sequence[int]):  # type: ignore[no-untyped-def]
    return lambda term: (loops.index(term.loop), term.stride)


def numbers(statement: Assign) -> tuple[int, ...]:
    """The loop numbers of a statement, outermost first."""
    return tuple(loop.number for loop in statement.loops)


def is_heavy(statement: Assign) -> bool:
    """Does it call a function that would keep its neighbours from being vectorised?"""
    return any(isinstance(part, Op) and part.name in BUILTINS and BUILTINS[part.name].heavy for part in walk(statement.code))


def segments(statements: Sequence[Assign]) -> list[Segment]:
    """The statements grouped into run loops, every reader after its source and every overwriter after the readers.

    A statement may overwrite what earlier ones read (a stock's update); it then comes after all of those."""
    after = _constraints(statements)
    waiting = [len(before) for before in after]
    users: list[list[int]] = [[] for _ in statements]
    for number, before in enumerate(after):
        for other in before:
            users[other].append(number)
    kinds = [(tuple(loop.size for loop in s.loops), is_heavy(s)) for s in statements]
    ready: dict[tuple[tuple[int, ...], bool], list[int]] = {}
    for number, count in enumerate(waiting):
        if not count:
            ready.setdefault(kinds[number], []).append(number)
    done: list[Segment] = []
    while any(ready.values()):
        kind = max((k for k in ready if ready[k]), key=lambda k: (not k[1], -min(ready[k])))
        group: list[int] = []
        members: set[int] = set()
        queue, put_off = sorted(ready[kind]), []
        ready[kind] = []
        while queue and len(group) < MOST:
            number = queue.pop(0)
            if not all(_fits(statements[other], statements[number]) for other in after[number] if other in members):
                put_off.append(number)
                continue
            group.append(number)
            members.add(number)
            for user in users[number]:
                waiting[user] -= 1
                if not waiting[user]:
                    if kinds[user] == kind:
                        queue.append(user)
                    else:
                        ready.setdefault(kinds[user], []).append(user)
        ready[kind].extend((*queue, *put_off))
        done.append(Segment(*kind, tuple(statements[number] for number in group)))
    return done


def _constraints(statements: Sequence[Assign]) -> list[set[int]]:
    """For each statement the numbers of those that must come before it."""
    writers: dict[int, list[int]] = {}
    for number, statement in enumerate(statements):
        for slot in statement.slots():
            writers.setdefault(slot, []).append(number)
    before: list[set[int]] = [set() for _ in statements]
    for number, statement in enumerate(statements):
        for slot in reads(statement):
            for writer in writers.get(slot, ()):
                if writer < number:
                    before[number].add(writer)
                elif writer > number:
                    before[writer].add(number)
    return before


def _fits(earlier: Assign, later: Assign) -> bool:
    """May the two share a loop: wherever one touches the other's slots, is it at the same index?"""
    return _aligned(earlier, later) and _aligned(later, earlier)


def _aligned(writer: Assign, reader: Assign) -> bool:
    target = key(writer.target, numbers(writer))
    slots = set(writer.slots())
    for part in walk(reader.code):
        if isinstance(part, Read):
            inner = {loop.number: loop for loop in reader.loops}
            if part.picks or any(term.loop not in inner for term in part.terms):
                if not slots.isdisjoint(reads(reader)):
                    return False
            elif not slots.isdisjoint(spread(part, reader.loops)) and key(part, numbers(reader)) != target:
                return False
    return True


__all__ = ["Key", "Segment", "is_heavy", "key", "numbers", "segments"]
