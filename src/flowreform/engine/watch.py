"""Which values must be watched for infinity and NaN so that none can pass unseen.

A value that is not finite stays so through + - * and as a numerator, and a stock never loses it. So only values that
can be swallowed (by a comparison, a lookup, MIN, a denominator, a clamp, or by nobody reading them) need watching.
"""

from __future__ import annotations

from collections.abc import Iterator

from flowreform.program import Assign, Code, Const, Op, Program, Read, Reduce, spread


def watched(program: Program) -> set[int]:
    """Slots of auxiliaries and flows whose finiteness nothing else guarantees."""
    statements = (*program.constant, *program.step)
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
        for read in _strong(statement.code):
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
