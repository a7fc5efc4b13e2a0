"""[loops] of a case against the model: does the loop exist, and does it act as it is said to?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flowreform.batch import matrix_of
from flowreform.case import Case
from flowreform.errors import Finding, FlowreformError, Level
from flowreform.links.course import Course, course_of_each, euler, slot_names
from flowreform.links.scores import Link
from flowreform.links.signs import equation, signs, structural_sign
from flowreform.links.ways import Path, shortest_loop, spoken
from flowreform.lower import lower
from flowreform.model import Model
from flowreform.names import split
from flowreform.program import Program

if TYPE_CHECKING:
    import numpy as np

FEW, MOST = 2, 12
"""Runs along which claims are checked: the model as it stands, then its settings and gates in the order of the file; the first
few, and more only for loops that have not acted yet."""


@dataclass(frozen=True)
class Claimed:
    """A loop that the case names: the slots of the shortest loop through its variables, none where there is no such loop."""

    name: str
    label: str
    kind: str
    path: Path
    words: tuple[str, ...]


def claimed(case: Case, model: Model, along: Course) -> tuple[Claimed, ...]:
    """The loops that a case names, found in a program."""
    names = slot_names(along.program, model)
    found = []
    for name, loop in case.loops.items():
        path = shortest_loop(along.links, [_slot(along, names, item) for item in loop.through]) or ()
        found.append(Claimed(name, loop.label, loop.kind, path, spoken(path, names)))
    return tuple(found)


def _slot(along: Course, names: tuple[str, ...], name: str) -> int:
    """The slot of a variable, or of the element named; of an array its first element."""
    base, elements = split(name)
    place = along.program.places[base]
    return next((slot for slot in place.slots if elements and names[slot] == name), place.base)


def check_claims(model: Model, case: Case) -> tuple[Finding, ...]:
    """What is wrong with the loops that a case names: there is no such loop, or it does not act as claimed.

    The sign is that of the product of the partial derivatives around the loop, by central differences along the model as it
    stands and its first settings and gates, and along more of them where it acts in none of those; where it acts in none at all,
    the sign that the equations alone give."""
    if not case.loops:
        return ()
    try:
        program = euler(lower(model))
        runs = courses(program, model, case, 0, FEW)
        claims = claimed(case, model, runs[0])
        seen = {claim.name: _acts(claim.path, runs) for claim in claims if claim.path}
        for first in range(FEW, MOST, FEW):
            silent = [claim for claim in claims if not any(seen.get(claim.name, (True, True)))]
            more = courses(program, model, case, first, first + FEW) if silent else []
            if not more:
                break
            seen.update({claim.name: _acts(claim.path, more) for claim in silent})
    except FlowreformError:
        return ()  # a model that does not run has findings of its own
    return tuple(finding for claim in claims for finding in _check(claim, case, runs[0], seen.get(claim.name, (False, False))))


def courses(program: Program, model: Model, case: Case | None, first: int, last: int) -> list[Course]:
    """Runs that tell which way things act, those numbered from `first` to before `last`: the model as it stands, its settings,
    its gates. Raises ModelError where the model cannot be run."""
    import numpy as np

    places: list[Mapping[str, float]] = [{}]
    if case is not None:
        places += [item.values for item in case.settings.values()]
        places += [gate.settings for gate in case.gates.values()]
    given = [{name: np.array([value]) for name, value in place.items()} for place in places[first:last]]
    columns = [matrix_of(program, model, values, 1) for values in given]
    return list(course_of_each(program, np.concatenate(columns, axis=1))) if columns else []


def _check(claim: Claimed, case: Case, along: Course, acts: tuple[bool, bool]) -> Iterator[Finding]:
    if not claim.path:
        through = case.loops[claim.name].through
        reason = f"no loop passes through {', '.join(through)} in this order"
        yield _fault(case, claim, "through", reason, "name variables of one loop, in its order (`flowreform show` has them)")
        return
    up, down = acts
    words = " -> ".join((*claim.words, claim.words[0]))
    if not up and not down:
        structure = by_structure(claim.path, along)
        kind = {1: "reinforcing", -1: "balancing"}.get(structure or 0)
        if kind is None:
            reason = f"{words} acts in none of the runs, and its equations alone give it no sign"
            yield _fault(case, claim, "kind", reason, "name a loop that acts, or give a gate in which it does", Level.WARNING)
        elif kind != claim.kind:
            yield _fault(case, claim, "kind", f"by its equations {words} is {kind}, not {claim.kind}", f'write kind = "{kind}"')
        return
    kind = "changing" if up and down else "reinforcing" if up else "balancing"
    if kind != claim.kind:
        how = (
            f"{kind}, not {claim.kind}" if kind != "changing" else f"not {claim.kind} throughout: it is reinforcing at some times"
        )
        tail = " and balancing at others" if kind == "changing" else ""
        repair = f'write kind = "{kind}", or name another loop'
        yield _fault(case, claim, "kind", f"along the runs {words} is {how}{tail}", repair)


def _fault(case: Case, claim: Claimed, key: str, reason: str, repair: str, level: Level = Level.ERROR) -> Finding:
    line = case.document.line(("loops", claim.name, key)) if case.document else 0
    return Finding(level, "loop-claim", case.file, line, f"loops.{claim.name}", reason, repair)


def _acts(path: Path, runs: list[Course]) -> tuple[bool, bool]:
    """Whether a loop acts as reinforcing, and as balancing, at any step of any run."""
    up = down = False
    for run in runs:
        values = loop_signs(path, signs(run, pairs(path)))
        up, down = up or bool((values > 0).any()), down or bool((values < 0).any())
    return up, down


def pairs(path: Path) -> list[Link]:
    """The links of a loop."""
    return list(zip(path, (*path[1:], path[0]), strict=True))


def loop_signs(path: Path, by_link: Mapping[Link, np.ndarray]) -> np.ndarray:
    """The sign of a loop at each step, int8[step]; 0 where one of its links does not act."""
    total: np.ndarray | None = None
    for link in pairs(path):
        total = by_link[link] if total is None else total * by_link[link]
    assert total is not None
    return total


def by_structure(path: Path, along: Course) -> int | None:
    """The sign of a loop by its equations alone; None where they do not say."""
    total = 1
    for source, target in pairs(path):
        sign = structural_sign(equation(along, target).code, source, along.program)
        if not sign:
            return None
        total *= sign
    return total
