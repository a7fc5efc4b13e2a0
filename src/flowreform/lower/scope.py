"""Where an equation stands while it is lowered, and where things are put: slots, statements, tables."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import accumulate

from flowreform.errors import did_you_mean
from flowreform.model import Dimension, Expr, LookupKind, Method, Model, Ref, Role, fold, rebuilt
from flowreform.program import Assign, Code, LookupTable, Loop, Place, Read, Stock, Term

MOST_GUESSES = 200
"""So many unknown names of a model are compared with those that there are."""


class Fault(Exception):
    """An equation that cannot be lowered: `reason`, `repair`, and the column in the equation if known."""

    def __init__(self, reason: str, repair: str = "", column: int = 0) -> None:
        super().__init__(reason)
        self.reason, self.repair, self.column = reason, repair, column


@dataclass(frozen=True, slots=True)
class Running:
    """A dimension that a loop runs over: the loop's number and the dimension (perhaps a subrange) it counts through."""

    loop: Loop
    dimension: Dimension


@dataclass(frozen=True, slots=True)
class Scope:
    """One equation's surroundings: the variable's name for messages and, outermost first, the loops around it.

    `stars` is None outside a reduction; inside one it collects the loops of the whole dimensions being reduced, by
    (dimension, how many times the same reference has named it before). `local` and `tables` are the variables and lookups of
    the macro call this stands in, `given` what the call gives for the macro's parameters, in the words of the model itself;
    `inside` are the macros being written out around it."""

    name: str
    running: tuple[Running, ...] = ()
    stars: dict[tuple[str, int], Running] | None = None
    local: Mapping[str, Read] = field(default_factory=dict)
    tables: Mapping[str, int] = field(default_factory=dict)
    inside: tuple[str, ...] = ()
    given: Mapping[str, Expr] = field(default_factory=dict)

    @property
    def loops(self) -> tuple[Loop, ...]:
        """The loops of the equation's own left side."""
        return tuple(run.loop for run in self.running)

    def outward(self, expr: Expr) -> Expr:
        """An expression of a macro with what its call gives in the place of its parameters."""
        if not self.given:
            return expr

        def combine(part: Expr, inside: tuple[Expr, ...]) -> Expr:
            match part:
                case Ref(name, ()):
                    return self.given.get(name, part)
                case _:
                    return rebuilt(part, inside)

        return fold(expr, combine)

    def reducing(self) -> Scope:
        """The same scope inside a reduction of its own."""
        return replace(self, stars={})


class Builder:
    """Everything that grows while a model is lowered. Lives for one call of `lower` and is then thrown away.

    `resolve` makes code of an expression; it is handed in because the functions it calls need it themselves."""

    def __init__(self, model: Model, resolve: Callable[[Builder, Scope, Expr], Code]) -> None:
        self.model = model
        self._resolve = resolve
        self.places: dict[str, Place] = {}
        self.owners: list[str] = []
        self.tables: list[LookupTable] = []
        self.table_of: dict[str, int] = {}
        self.shared: set[str] = set()  # arrayed lookups with one table for all elements
        self.step: list[Assign] = []
        self.begin: list[Assign] = []  # initial values: stocks, memory, INIT
        self.instead: dict[int, Code] = {}  # while initial values are worked out, slot -> ACTIVE INITIAL's code
        self.stocks: list[Stock] = []
        self.memory: list[Assign] = []
        self.remembered: list[int] = []
        self.driven: frozenset[str] = frozenset()  # flows out of conveyors and queues, whose values follow from what flowed in
        self.belted: frozenset[str] = frozenset()  # flows into conveyors and queues: never below zero
        self.asked: dict[str, Place] = {}  # flows that a conveyor may keep out: where their equations' values stand
        self.unlimited: dict[int, Code] = {}  # a flow that a non-negative stock limits, slot -> what its equation gives
        self.has_missing = False  # does the model write :NA: or hold data with gaps?
        self.noises: list[str] = []  # the streams of random functions
        self.random: dict[str, int] = {}  # how many random functions a variable has called so far
        self.room: dict[str, Read] = {}  # flows out of queues into conveyors: how much the belt takes this step
        self._loops = 0
        self._guesses = 0

    def near(self, name: str, known: Iterable[str]) -> str:
        """What an unknown name may have been meant to be; for the first of them only, since every guess looks at all names."""
        self._guesses += 1
        return did_you_mean(name, known) if self._guesses <= MOST_GUESSES else ""

    def value(self, scope: Scope, expr: Expr) -> Code:
        """The code of an expression. Raises `Fault` for anything that has no meaning here."""
        return self._resolve(self, scope, expr)

    def loop(self, size: int) -> Loop:
        """A loop with a number of its own."""
        self._loops += 1
        return Loop(self._loops - 1, size)

    def slot(self, name: str, count: int = 1) -> int:
        """The first of `count` fresh slots that belong to `name`."""
        base = len(self.owners)
        self.owners.extend([name] * count)
        return base

    def place(self, name: str, dimensions: tuple[str, ...], shape: tuple[int, ...], role: Role) -> Place:
        """Fresh slots for a variable."""
        found = Place(name, len(self.owners), dimensions, shape, role)
        self.slot(name, found.size)
        self.places[name] = found
        return found

    def hidden(self, scope: Scope) -> Read:
        """A fresh value of its own for every index of the loops around."""
        loops = scope.loops
        terms, stride = [], 1
        for loop in reversed(loops):
            terms.append(Term(loop.number, stride))
            stride *= loop.size
        return Read(self.slot(scope.name, stride), tuple(reversed(terms)))

    def auxiliary(self, scope: Scope, code: Code, *, held: bool = False) -> Read:
        """A hidden auxiliary holding `code`; see `Assign` for `held`."""
        target = self.hidden(scope)
        self.step.append(Assign(scope.name, target, scope.loops, code, held and not self.looks_once))
        return target

    @property
    def looks_once(self) -> bool:
        """Does the method work rates out once a step, at its beginning?"""
        return self.model.specs.method is Method.EULER

    def decided(self, scope: Scope, code: Code) -> Code:
        """What jumps in time, worked out at the beginning of a step and held until its end."""
        return code if self.looks_once or scope.stars is not None else self.auxiliary(scope, code, held=True)

    def begins(self, scope: Scope, target: Read, code: Code) -> None:
        """`target` starts as `code`."""
        self.begin.append(Assign(scope.name, target, scope.loops, code))

    def integrates(self, scope: Scope, target: Read, rate: Code) -> None:
        """`target` is a hidden stock with that rate; the rate must read auxiliaries only."""
        self.stocks.append(Stock(scope.name, target, scope.loops, rate))

    def tables_read(self, name: str, how: str, count: int) -> int:
        """The first of the tables of a lookup, or of copies of them that are read another way: `extrapolate` beyond their
        ends, `backward` (the point before) or `forward` (the point after), `left` (the x of the point before), `last`
        (the x of the last one), `slope after` and `slope at` (of its lines), `area` (the area up to
        there)."""
        if not how:
            return self.table_of[name]
        key = f"{name} {how}"
        if key not in self.table_of:
            first = self.table_of[name]
            self.table_of[key] = len(self.tables)
            self.tables.extend(_read_as(table, how) for table in self.tables[first : first + count])
        return self.table_of[key]

    def table(self, table: LookupTable) -> int:
        """The number of a graphical function."""
        self.tables.append(table)
        return len(self.tables) - 1


def _inverted(table: LookupTable) -> LookupTable:
    """The lookup from y to x. Raises Fault where y turns round, since an x would not be the only one."""
    rises = all(a < b for a, b in zip(table.y, table.y[1:], strict=False))
    falls = all(a > b for a, b in zip(table.y, table.y[1:], strict=False))
    if not rises and not falls:
        raise Fault(f"the values of lookup {table.name} do not rise or fall throughout", "give an inverse only to one that does")
    ends = slice(None) if rises else slice(None, None, -1)
    return replace(table, x=table.y[ends], y=table.x[ends], kind=LookupKind.CONTINUOUS)


def _areas(table: LookupTable) -> LookupTable:
    """The area under the straight lines from the first point to each. Raises Fault where they are none."""
    if table.kind is not LookupKind.CONTINUOUS:
        reason = f"lookup {table.name} jumps or goes on beyond its points, and an area is taken under straight lines that end"
        raise Fault(reason, "take the area of a graph that is interpolated and holds its ends")
    strips = zip(table.x, table.x[1:], table.y, table.y[1:], strict=False)
    areas = accumulate(((low + high) / 2.0 * (right - left) for left, right, low, high in strips), initial=0.0)
    return replace(table, y=tuple(areas), kind=LookupKind.DISCRETE)


def _slopes(table: LookupTable, after: bool) -> LookupTable:
    """The slope of the straight line after each point, or the mean of those that meet there; where there is one, that one. Raises
    Fault where there are no straight lines."""
    if table.kind is LookupKind.DISCRETE or len(table.x) < 2:
        raise Fault(f"lookup {table.name} has no straight lines", "take the slope of a graph that is interpolated")
    lines = [
        (b - a) / (right - left) if right - left > 1e-9 * max(1.0, abs(left)) else math.nan  # a jump: two points of one x
        for left, right, a, b in zip(table.x, table.x[1:], table.y, table.y[1:], strict=False)
    ]
    behind, ahead = (lines[0], *lines), (*lines, lines[-1])
    slopes = ahead if after else tuple((a + b) / 2.0 for a, b in zip(behind, ahead, strict=True))
    return replace(table, y=slopes, kind=LookupKind.DISCRETE)


def _read_as(table: LookupTable, how: str) -> LookupTable:
    if how == "extrapolate":
        return replace(table, kind=LookupKind.EXTRAPOLATE)
    if how == "invert":
        return _inverted(table)
    if how in ("slope after", "slope at"):
        return _slopes(table, how == "slope after")
    if how == "last":
        return replace(table, y=table.x[-1:] * len(table.x), kind=LookupKind.DISCRETE)
    if how == "backward":
        return replace(table, kind=LookupKind.DISCRETE)
    if how == "left":
        return replace(table, y=table.x, kind=LookupKind.DISCRETE)
    if how == "area":
        return _areas(table)
    # From a hair behind one point on, the value of the next: far over the rounding of times, far under any step.
    behind = tuple(x + 1e-9 * max(1.0, abs(x)) for x in table.x[:-1])
    return replace(table, x=(table.x[0], *behind), kind=LookupKind.DISCRETE)
