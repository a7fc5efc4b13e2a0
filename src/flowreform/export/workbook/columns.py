"""Which slots get a column of the Engine sheet, so that a model fits.

A model that fits is shown whole: a column for each variable. One that does not loses first what nothing shown depends on, and
then variables that are worked out inside the formulas that read them, cheapest first: what is read once costs nothing, what
is read twice is worked out twice. What is shown, checked or remembered always keeps its column.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from flowreform.export.workbook.flat import Flat, Kind
from flowreform.program import Code, Const, Drive, LookupRead, Now, Past, Read, Vector, inside, walk

LARGEST = 220
"""Parts of one formula after folding: well under Excel's 8,192 characters."""
DEEPEST = 40
"""Levels of one formula after folding: Excel's limit is 64."""

Argument = int | None
"""What a graphical function is read at: a slot, or None for the time."""


@dataclass(frozen=True)
class Columns:
    """The slots that have a column, in order; those worked out inside other formulas; and the graphical functions that need a
    column for the number of the point they stand at, by (table, argument)."""

    slots: tuple[int, ...]
    folded: frozenset[int]
    points: tuple[tuple[int, Argument], ...]

    @property
    def count(self) -> int:
        """Formulas in each row."""
        return len(self.slots) + len(self.points)


def choose(flat: Flat, shown: Collection[int], most: int) -> Columns:
    """The columns of a model of which `shown` must be seen, at most `most` where that can be done."""
    every = [slot for slot, kind in flat.kinds.items() if kind in (Kind.STEP, Kind.STOCK, Kind.MEMORY)]
    whole = _columns(flat, every, frozenset())
    if whole.count <= most:
        return whole
    live = _live(flat, shown)
    kept = [slot for slot in every if slot in live]
    folded = _fold(flat, kept, shown, most)
    return _columns(flat, [slot for slot in kept if slot not in folded], folded)


def reads_of(code: Code) -> Counter[int]:
    """How often an expression reads each slot."""
    found: Counter[int] = Counter()
    for part in walk(code):
        if isinstance(part, Read):
            found.update(_touched(part))
    return found


def _touched(read: Read) -> Iterable[int]:
    slots = [read.base]
    for pick in read.picks:
        slots = [slot + i * pick.stride for slot in slots for i in range(pick.size)]
    return slots


def _live(flat: Flat, shown: Collection[int]) -> set[int]:
    """Everything that what is shown depends on."""
    live: set[int] = set()
    stack = list(shown)
    while stack:
        slot = stack.pop()
        if slot in live:
            continue
        live.add(slot)
        codes = [*flat.codes(slot), *([flat.different[slot]] if slot in flat.different else ())]
        for code in codes:
            stack.extend(reads_of(code))
            stack.extend(flat.program.remembered[part.number] for part in walk(code) if isinstance(part, Past))
    return live


def _columns(flat: Flat, slots: list[int], folded: frozenset[int]) -> Columns:
    points: dict[tuple[int, Argument], None] = {}
    for slot in (*slots, *sorted(folded)):
        for code in _row_codes(flat, slot):
            for part in walk(code):
                if isinstance(part, LookupRead) and len(flat.program.tables[part.table].x) > 1 and moves(flat, part.x):
                    points[(part.table, argument(part))] = None
    return Columns(tuple(slots), folded, tuple(points))


def argument(read: LookupRead) -> Argument:
    """The slot that a graphical function is read at; None is the time."""
    return read.x.base if isinstance(read.x, Read) else None


def moves(flat: Flat, x: Code) -> bool:
    """Whether an argument differs from row to row."""
    return isinstance(x, Now) or (isinstance(x, Read) and flat.kinds[x.base] in (Kind.STEP, Kind.STOCK, Kind.MEMORY))


def _row_codes(flat: Flat, slot: int) -> list[Code]:
    """What stands in the rows of a column, the first one aside."""
    if slot in flat.step:
        return [flat.step[slot]]
    if slot in flat.rates:
        return [flat.rates[slot][0]]
    return [flat.memory[slot]] if slot in flat.memory else []


# --- folding ---------------------------------------------------------------------------------------------------------


def _fold(flat: Flat, kept: list[int], shown: Collection[int], most: int) -> frozenset[int]:
    """The slots to work out inside other formulas until at most `most` columns are left."""
    reads = {slot: sum((reads_of(code) for code in _row_codes(flat, slot)), Counter()) for slot in kept}
    size = {slot: sum(_size(code) for code in _row_codes(flat, slot)) for slot in kept}
    depth = {slot: max((_depth(code) for code in _row_codes(flat, slot)), default=0) for slot in kept}
    readers: dict[int, set[int]] = {slot: set() for slot in kept}
    for slot in kept:
        for other in reads[slot]:
            if other in readers:
                readers[other].add(slot)
    fixed = {*shown, *flat.program.remembered, *flat.different}
    for slot in kept:
        for code in (*_row_codes(flat, slot), *([flat.begin[slot]] if slot in flat.begin else ())):
            for part in walk(code):
                if isinstance(part, LookupRead) and isinstance(part.x, Read):
                    fixed.add(part.x.base)
                if isinstance(part, Read) and part.picks:
                    fixed.update(_touched(part))
    open_ = {slot for slot in kept if slot in flat.step and slot not in fixed and _foldable(flat.step[slot])}
    hidden = {slot for slot in open_ if not any(slot in place.slots for place in flat.program.places.values())}
    folded: set[int] = set()
    count = _columns(flat, kept, frozenset()).count
    while count > most and open_:
        best, price = -1, (0, True, 0)
        for slot in open_:
            uses = sum(reads[reader][slot] for reader in readers[slot])
            key = ((uses - 1) * size[slot], slot not in hidden, slot)
            if best < 0 or key < price:
                best, price = slot, key
        open_.discard(best)
        if any(
            size[reader] + reads[reader][best] * (size[best] - 1) > LARGEST or depth[reader] + depth[best] > DEEPEST
            for reader in readers[best]
        ):
            continue
        for reader in readers[best]:
            times = reads[reader].pop(best)
            size[reader] += times * (size[best] - 1)
            depth[reader] += depth[best]
            for other, often in reads[best].items():
                reads[reader][other] += times * often
                if other in readers:
                    readers[other].add(reader)
        for other in reads[best]:
            if other in readers:
                readers[other].discard(best)
        folded.add(best)
        count -= 1
    return frozenset(folded)


def _foldable(code: Code) -> bool:
    return not any(isinstance(part, Past | Drive | Vector) for part in walk(code))


def _size(code: Code) -> int:
    return sum(6 if isinstance(part, LookupRead) else 1 for part in walk(code))


def _depth(code: Code) -> int:
    return 1 + max((_depth(part) for part in inside(code)), default=0) if not isinstance(code, Const | Read) else 0
