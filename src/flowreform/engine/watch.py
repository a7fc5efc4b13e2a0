"""Which values must be watched for infinity and NaN so that none can pass unseen.

A value that is not finite stays so through + - * and as a numerator, and a stock never loses it. So only values that
can be swallowed (by a comparison, a lookup, MIN, a denominator, a clamp, or by nobody reading them) need watching.

A value that the modeller left out on purpose (:NA:) is no failure where it is only handed on; `handed_on` has the slots that
may hold one. Of those the rest of their expression is watched (`but_for_missing`), and whatever works something out with them.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator

from flowreform.program import Assign, Code, Const, LookupRead, Op, Past, Program, Read, Reduce, spread, walk

_NOTHING = Const(0.0)


def handed_on(program: Program) -> frozenset[int]:
    """Slots that may hold a value missing on purpose: written so, data with gaps, or handed on from such."""
    statements = (*program.constant, *program.initial, *program.step, *program.memory)
    found = {item.base for item in program.inputs if len(item.values) == 1 and math.isnan(item.values[0])}
    gaps = _gaps(program)
    if not found and not gaps and not any(_written(part) for s in statements for part in _handed(s.code)):
        return frozenset()
    while True:
        before = len(found)
        for statement in statements:
            if any(_may_be_missing(part, program, found, gaps) for part in _handed(statement.code)):
                found.update(statement.slots())
        if len(found) == before:
            return frozenset(found)


def has_missing(program: Program) -> bool:
    """Does a program write a missing value, or hold data with gaps?"""
    codes = [item.code for item in (*program.constant, *program.initial, *program.step, *program.memory)]
    codes += [stock.rate for stock in program.stocks]
    return bool(_gaps(program)) or any(_written(part) for code in codes for part in walk(code))


def but_for_missing(code: Code, program: Program, found: Collection[int]) -> Code:
    """The same expression with 0 for what may be missing on purpose where it is handed on."""
    if isinstance(code, Op) and code.name == "if":
        condition, a, b = code.args
        return Op("if", (condition, but_for_missing(a, program, found), but_for_missing(b, program, found)))
    gaps = _gaps(program)
    return _NOTHING if any(_may_be_missing(part, program, found, gaps) for part in _handed(code)) else code


def _gaps(program: Program) -> frozenset[int]:
    """The tables with a point that has no value."""
    return frozenset(number for number, table in enumerate(program.tables) if any(math.isnan(y) for y in table.y))


def _written(part: Code) -> bool:
    return isinstance(part, Const) and part.missing


def _may_be_missing(part: Code, program: Program, found: Collection[int], gaps: Collection[int]) -> bool:
    """May a part that is handed on be missing?"""
    match part:
        case Read(base, (), ()):
            return base in found
        case Read():
            return any(slot in found for slot in _place_of(part, program))
        case LookupRead(table, _, terms):
            return bool(gaps) if terms else table in gaps
        case Past():
            return any(slot in found for slot in program.remembered)
        case _:
            return _written(part)


def _place_of(read: Read, program: Program) -> range:
    """Every slot that an arrayed read may touch: those of the variable it belongs to."""
    owner = program.owners[read.base]
    place = program.places.get(owner)
    return place.slots if place is not None and read.base in place.slots else range(program.slots)


def _handed(code: Code) -> Iterator[Code]:
    """The parts of an expression that become its value as they are."""
    stack = [code]
    while stack:
        part = stack.pop()
        yield part
        match part:
            case Op("if", (_, a, b)):
                stack += (a, b)
            case Past(_, _, before, _):
                stack.append(before)


def watched(program: Program) -> set[int]:
    """Slots of auxiliaries and flows whose finiteness nothing else guarantees."""
    statements = (*program.constant, *program.step)
    missing = handed_on(program)
    safe: set[int] = set()
    for stock in program.stocks:
        if not stock.non_negative:
            for read in _strong(stock.rate):
                safe.update(_slots(read, Assign("", stock.target, stock.loops, stock.rate)))
    watch: set[int] = set()
    for statement in reversed(statements):
        own = statement.slots()
        if isinstance(statement.code, Const):
            continue  # written down as it is, an infinity is meant
        covered = safe.issuperset(own)
        if not covered:
            watch.update(own)
        code = statement.code if missing.isdisjoint(own) else but_for_missing(statement.code, program, missing)
        for read in _strong(code):
            safe.update(_slots(read, statement))
    return watch


def _slots(read: Read, statement: Assign) -> tuple[int, ...]:
    inner = {loop.number for loop in statement.loops}
    if read.picks or any(term.loop not in inner for term in read.terms):
        return ()
    return spread(read, statement.loops)


def _strong(code: Code) -> Iterator[Read]:
    """The reads whose infinity or NaN is sure to show in the result."""
    stack = [code]
    while stack:
        match stack.pop():
            case Read() as read:
                yield read
            case Op("+" | "-" | "*", args):
                stack.extend(args)
            case Op("neg" | "square", args):
                stack.extend(args)
            case Op("/", args):
                stack.append(args[0])
            case Reduce("+" | "*", _, _, body):
                stack.append(body)
