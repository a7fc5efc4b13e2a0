"""Signs of links by the names of variables, for diagrams."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from flowreform.case import Case
from flowreform.errors import FlowreformError
from flowreform.links.claims import claimed, courses, pairs
from flowreform.links.course import Course, euler, slot_names
from flowreform.links.signs import constant_signs, equation, signs, structural_sign
from flowreform.lower import lower
from flowreform.model import Model
from flowreform.names import split
from flowreform.program import Program

RUNS = 4
"""Runs that signs are taken along: the model as it stands, then its settings and gates in the order of the file."""
STEPS = 160
"""Steps of a run that are looked at, at most."""


def link_signs(model: Model, case: Case | None) -> dict[tuple[str, str], int]:
    """By cause and reader 1 or -1, where every element acts that one way wherever it acts; other links are left out.

    By central differences along a few runs; where a link never acts there, by its equation alone. A model that does not run has
    no signs."""
    try:
        runs = courses(euler(lower(model)), model, case, 0, RUNS)
    except FlowreformError:
        return {}
    first = runs[0]
    names = slot_names(first.program, model)
    words = [split(name)[0] for name in names]
    links = [(a, b) for b in sorted(first.sources) for a in first.sources[b] if words[a] != words[b]]
    along = [signs(run, links, most=STEPS) for run in runs]
    seen = constant_signs(along)
    acting = {link for run in along for link, values in run.items() if values.any()}
    found: dict[tuple[str, str], set[int]] = {}
    for a, b in links:
        sign = seen.get((a, b), 0) if (a, b) in acting else structural_sign(equation(first, b).code, a, first.program) or 0
        found.setdefault((words[a], words[b]), set()).add(sign)
    return {link: next(iter(kinds)) for link, kinds in found.items() if len(kinds) == 1 and kinds != {0}}


def loop_links(model: Model, case: Case) -> Iterable[tuple[str, str, str, tuple[str, ...], tuple[int, ...]]]:
    """Of each loop that a case names: name, label, kind, the variables along it, and the sign of each link to the next, 0 where
    it is not the same throughout."""
    runs = courses(euler(lower(model)), model, case, 0, RUNS)
    names = slot_names(runs[0].program, model)
    for claim in claimed(case, model, runs[0]):
        if claim.path:
            seen = constant_signs(signs(run, pairs(claim.path), most=STEPS) for run in runs)
            yield (
                claim.name,
                claim.label,
                claim.kind,
                claim.words,
                _spoken_signs(claim.path, names, seen, runs[0].program, runs[0]),
            )


def _spoken_signs(
    path: tuple[int, ...], names: tuple[str, ...], seen: Mapping[tuple[int, int], int], program: Program, along: Course
) -> tuple[int, ...]:
    """The signs between the variables of a loop: through hidden slots they multiply."""
    found: list[int] = []
    total = 1
    for source, target in pairs(path):
        sign = seen.get((source, target))
        if sign is None:
            sign = structural_sign(equation(along, target).code, source, program) or 0
        total *= sign
        if names[source] != names[target]:
            found.append(total)
            total = 1
    if total != 1 and found:  # hidden slots at the seam belong to the first link
        found[0] *= total
    return tuple(found)
