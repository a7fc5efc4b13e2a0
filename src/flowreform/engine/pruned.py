"""What of a program is needed for a few series, and what of it is the same in many runs.

Both leave the arithmetic of what stays as it is: slots keep their numbers, values keep their bits."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from flowreform.lower.order import reads
from flowreform.program import Assign, Noise, Past, Program, walk


def _rates(program: Program) -> list[Assign]:
    return [Assign(stock.name, stock.target, stock.loops, stock.rate) for stock in program.stocks]


def _reads(program: Program, statement: Assign) -> set[int]:
    """Every slot a statement reads, those whose history it reads among them."""
    past = any(isinstance(part, Past) for part in walk(statement.code))
    return reads(statement) | (set(program.remembered) if past else set())


def prune(program: Program, keep: Collection[int]) -> Program:
    """The program with nothing but what the slots `keep` need.

    What was left out is not watched any more: a run that fails only there passes for one that did not."""
    rates = _rates(program)
    statements = (*program.constant, *program.initial, *program.step, *program.memory, *rates)
    needs = [(set(statement.slots()), _reads(program, statement)) for statement in statements]
    wanted = set(keep)
    while True:
        before = len(wanted)
        for written, read in needs:
            if not wanted.isdisjoint(written):
                wanted |= written | read
        if len(wanted) == before:
            break

    def kept(parts: tuple[Assign, ...]) -> tuple[Assign, ...]:
        return tuple(part for part in parts if not wanted.isdisjoint(part.slots()))

    stocks = tuple(stock for stock, rate in zip(program.stocks, rates, strict=True) if not wanted.isdisjoint(rate.slots()))
    return replace(
        program,
        constant=kept(program.constant),
        initial=kept(program.initial),
        step=kept(program.step),
        memory=kept(program.memory),
        stocks=stocks,
    )


def same(program: Program, drawn: Collection[int]) -> frozenset[int]:
    """The slots that are equal in all runs when only the input slots `drawn` differ between them."""
    statements = (*program.constant, *program.initial, *program.step, *program.memory, *_rates(program))
    noisy = [any(isinstance(part, Noise) for part in walk(statement.code)) for statement in statements]
    needs = [(set(statement.slots()), _reads(program, statement)) for statement in statements]
    differ = set(drawn)
    while True:
        before = len(differ)
        for (written, read), noise in zip(needs, noisy, strict=True):
            if noise or not differ.isdisjoint(read):
                differ |= written
        if len(differ) == before:
            return frozenset(range(program.slots)) - differ
