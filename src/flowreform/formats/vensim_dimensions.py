"""Vensim's subscript ranges: their definitions as dimensions, and which dimensions a variable has.

A definition is `name : A, B, (C1-C9) -> other, (third : E, F)` or `name <-> other`. Ranges may share elements; one whose
elements all stand in an earlier or larger one is a subrange of it. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from flowreform.errors import Finding, did_you_mean, error
from flowreform.formats.limits import Limits, how_to_raise
from flowreform.formats.vensim_equations import Unreadable
from flowreform.formats.vensim_text import VensimEntry
from flowreform.model import Dimension, canonical

_QUOTED = r'"(?:\\.|[^"\\])*"'
_ITEM = re.compile(rf"\s*((?:{_QUOTED}|\([^()]*\)|[^,\"()])+)\s*(?:,|$)")
_HEAD = re.compile(rf"^((?:{_QUOTED}|[^\":<])+?)\s*(<->|:)(.*)$", re.DOTALL)
_RANGE = re.compile(r"^\(\s*(.*?)([0-9]+)\s*-\s*(.*?)([0-9]+)\s*\)$")
_MAPPED = re.compile(rf"^\(\s*((?:{_QUOTED}|[^\":()])+?)\s*:\s*(.*)\)$", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Raw:
    """A definition with its names unresolved; `copy_of` for `<->`."""

    entry: VensimEntry
    label: str
    items: tuple[str, ...] = ()
    copy_of: str = ""
    maps: tuple[tuple[str, tuple[str, ...]], ...] = ()


class Wrong(Exception):
    """A definition or a left side that means nothing: `reason` and `repair`."""

    def __init__(self, reason: str, repair: str = "") -> None:
        super().__init__(reason)
        self.reason, self.repair = reason, repair


def is_definition(equation: str) -> bool:
    """Whether an entry defines a subscript range: `name : ...` or `name <-> name`, and no keyword of data or checks."""
    found = _HEAD.match(equation)
    if not found or "=" in found.group(1) or "(" in found.group(1).split('"')[0] or "[" in found.group(1).split('"')[0]:
        return False
    return found.group(2) == "<->" or not re.match(r"\s*(?:[\w ]+:|=)", found.group(3))


Labels = Callable[[str, str, str, str, str], list[str]]
"""Reads names from a spreadsheet: file, tab, first and last cell, prefix."""


def define(
    entries: Iterable[VensimEntry], file: str, limits: Limits, labels: Labels
) -> tuple[dict[str, Dimension], list[Finding]]:
    """The dimensions that a file defines, by canonical name in file order, and what is wrong with its definitions."""
    raws: dict[str, _Raw] = {}
    findings: list[Finding] = []

    def report(entry: VensimEntry, label: str, wrong: Wrong) -> None:
        findings.append(error("subscripts", wrong.reason, wrong.repair, file=file, line=entry.line, element=label))

    for entry in entries:
        try:
            raw = _read(entry, limits, labels)
        except Wrong as wrong:
            report(entry, entry.equation[:60], wrong)
            continue
        name = canonical(raw.label)
        if name in raws:
            report(
                entry,
                raw.label,
                Wrong(f"the subscript range is defined twice, first on line {raws[name].entry.line}", "remove one"),
            )
            continue
        raws[name] = raw
    elements: dict[str, tuple[tuple[str, str], ...]] = {}
    for name, raw in raws.items():
        try:
            elements[name] = _elements(name, raws, limits)
        except Wrong as wrong:
            report(raw.entry, raw.label, wrong)
    dimensions = {name: _dimension(name, raws[name], elements, limits) for name in elements}
    for name, dimension in dimensions.items():
        dimensions[name] = replace(dimension, parent=_parent(dimension, dimensions))
    for name, raw in raws.items():
        for to, listed in raw.maps if name in dimensions else ():
            try:
                stands = _map(dimensions[name], to, listed, dimensions)
            except Wrong as wrong:
                report(raw.entry, raw.label, wrong)
                continue
            target = dimensions[to]
            dimensions[to] = replace(target, mappings=(*target.mappings, (name, stands)))
    return dimensions, findings


def _read(entry: VensimEntry, limits: Limits, labels: Labels) -> _Raw:
    found = _HEAD.match(entry.equation)
    if not found:
        raise Wrong("cannot read the subscript range")
    label, sign, rest = found.group(1).strip(), found.group(2), found.group(3)
    if sign == "<->":
        return _Raw(entry, label, copy_of=canonical(rest))
    listed, _, mapping = rest.partition("->")
    items: list[str] = []
    if re.match(r"\s*GET\b", rest, re.IGNORECASE):
        items = _from_file(listed, labels)
        listed = ""
    for item in _split(listed):
        items.extend(_numbered(item, limits) if item.startswith("(") else [item])
        if len(items) > limits.elements:
            raise Wrong(f"more than {limits.elements:,} elements", how_to_raise("elements"))
    if not items:
        raise Wrong("the subscript range has no elements", "list them after the colon")
    maps: list[tuple[str, tuple[str, ...]]] = []
    for item in _split(mapping):
        pair = _MAPPED.match(item)
        maps.append((canonical(pair.group(1)), tuple(_split(pair.group(2)))) if pair else (canonical(item), ()))
    return _Raw(entry, label, tuple(items), "", tuple(maps))


_FROM_FILE = re.compile(r"""^\s*GET\s+(?:XLS|DIRECT|123)\s+SUBSCRIPT\s*\(\s*(.*?)\s*\)\s*$""", re.IGNORECASE | re.DOTALL)
_TEXT = re.compile(r"""\s*(?:'([^']*)'|"([^"]*)")\s*(?:,|$)""")


def _from_file(text: str, labels: Labels) -> list[str]:
    """GET DIRECT SUBSCRIPT('file', 'tab', 'first cell', 'last cell', 'prefix')."""
    call = _FROM_FILE.match(text)
    given = [a or b for a, b in _TEXT.findall(call.group(1))] if call else []
    if len(given) != 5:
        raise Wrong("GET DIRECT SUBSCRIPT takes five texts in quotes", "write file, tab, first cell, last cell and prefix")
    try:
        names = labels(given[0], given[1], given[2], given[3], given[4])
    except Unreadable as fault:
        raise Wrong(fault.reason, fault.repair) from None
    if len({canonical(name) for name in names}) < len(names):
        raise Wrong(f"two of the cells from {given[2]} to {given[3]} hold the same name", "give each element its own")
    return names


def _split(text: str) -> list[str]:
    """The items between commas, brackets kept whole."""
    items, position = [], 0
    while text[position:].strip():
        found = _ITEM.match(text, position)
        if not found or found.end() == position:
            raise Wrong(f"cannot read `{text[position:].strip()[:40]}` in the subscript range")
        items.append(found.group(1).strip())
        position = found.end()
    return items


def _numbered(item: str, limits: Limits) -> list[str]:
    """`(A1-A5)` as A1 to A5."""
    found = _RANGE.match(item)
    if not found or found.group(1).strip() != found.group(3).strip() or not found.group(1).strip():
        raise Wrong(f"cannot read the numbered range {item[:40]}", "write it as (name1-name9), with one name on both sides")
    if max(len(found.group(2)), len(found.group(4))) > 9:
        raise Wrong(f"the numbered range {item[:40]} is too large", how_to_raise("elements"))
    low, high = int(found.group(2)), int(found.group(4))
    if low >= high:
        raise Wrong(f"the numbered range {item[:40]} does not rise", "write the smaller number first")
    if high - low >= limits.elements:
        raise Wrong(f"more than {limits.elements:,} elements", how_to_raise("elements"))
    return [f"{found.group(1).strip()}{number}" for number in range(low, high + 1)]


def _elements(name: str, raws: Mapping[str, _Raw], limits: Limits, seen: tuple[str, ...] = ()) -> tuple[tuple[str, str], ...]:
    """Canonical name and label of every element, ranges named among the elements opened up."""
    if name in seen or len(seen) > 50:
        raise Wrong(f"the subscript ranges {', '.join((*seen, name))} are defined through each other", "list the elements of one")
    raw = raws[name]
    if raw.copy_of:
        if raw.copy_of not in raws:
            raise Wrong(
                f"there is no subscript range {raw.copy_of} to copy",
                did_you_mean(raw.copy_of, raws) or "correct the name, or define it",
            )
        return _elements(raw.copy_of, raws, limits, (*seen, name))
    found: dict[str, str] = {}
    for item in raw.items:
        inner = canonical(item)
        if inner in raws and inner != name:
            for element, label in _elements(inner, raws, limits, (*seen, name)):
                found.setdefault(element, label)
        elif inner in found:
            raise Wrong(f"element {item} is listed twice", "remove one")
        else:
            found[inner] = item
        if len(found) > limits.elements:
            raise Wrong(f"more than {limits.elements:,} elements", how_to_raise("elements"))
    return tuple(found.items())


def _dimension(name: str, raw: _Raw, elements: Mapping[str, tuple[tuple[str, str], ...]], limits: Limits) -> Dimension:
    pairs = elements[name]
    return Dimension(
        name, _label(raw.label), tuple(pair[0] for pair in pairs), tuple(_label(pair[1]) for pair in pairs), raw.entry.line
    )


def _label(text: str) -> str:
    plain = text.strip()
    return plain[1:-1].replace('\\"', '"') if len(plain) > 1 and plain[0] == plain[-1] == '"' else plain


def _parent(dimension: Dimension, dimensions: Mapping[str, Dimension]) -> str | None:
    """The largest other dimension that holds every element of this one; of two alike, the one defined first."""
    mine, best = set(dimension.elements), dimension
    for other in dimensions.values():
        if len(other.elements) > len(best.elements) and mine <= set(other.elements):
            best = other
    if best is dimension:
        for other in dimensions.values():
            if other.name == dimension.name:
                break
            if len(other.elements) == len(mine) and mine == set(other.elements):
                return other.name
        return None
    return best.name


def _map(dimension: Dimension, to: str, listed: tuple[str, ...], dimensions: Mapping[str, Dimension]) -> tuple[str, ...]:
    """For the dimension mapped to, which element of this one stands for each of its elements, in its order."""
    target = dimensions.get(to)
    if target is None:
        raise Wrong(
            f"the mapping names no subscript range: {to}", did_you_mean(to, dimensions) or "correct the name, or define it"
        )
    images = [canonical(item) for item in listed] or list(target.elements)
    if len(images) != len(dimension.elements):
        raise Wrong(
            f"the mapping to {target.label} has {len(images)} elements, the subscript range {len(dimension.elements)}",
            "name one element or subrange for each",
        )
    stands: dict[str, str] = {}
    for mine, image in zip(dimension.elements, images, strict=True):
        inner = dimensions[image].elements if image in dimensions and image not in target.elements else (image,)
        for element in inner:
            if element not in target.elements:
                raise Wrong(
                    f"the mapping names {element}, which {target.label} does not have", did_you_mean(element, target.elements)
                )
            stands.setdefault(element, mine)
    missing = [element for element in target.elements if element not in stands]
    if missing:
        raise Wrong(f"the mapping to {target.label} leaves out {missing[0]}", "map every element")
    return tuple(stands[element] for element in target.elements)


# --- left sides ------------------------------------------------------------------------------------------------------


def members(name: str, dimensions: Mapping[str, Dimension], known: Mapping[str, str]) -> tuple[str, ...]:
    """The elements that one subscript on a left side stands for; `known` holds every element of the model.

    Raises Wrong when it is neither a dimension nor an element."""
    if name in dimensions:
        return dimensions[name].elements
    if name in known:
        return (name,)
    raise Wrong(f"there is no subscript {name}", did_you_mean(name, (*dimensions, *known)) or "correct the name, or define it")


def covering(sides: Sequence[str], dimensions: Mapping[str, Dimension], known: Mapping[str, str]) -> str:
    """The dimension of a variable at one place of its left sides: one of those named there if it holds all, else the
    smallest there is that holds all.

    Raises Wrong when no dimension does."""
    wanted: set[str] = set()
    for side in sides:
        wanted.update(members(side, dimensions, known))
    named = [name for name in dict.fromkeys(sides) if name in dimensions and wanted <= set(dimensions[name].elements)]
    if named:
        return min(named, key=lambda name: len(dimensions[name].elements))
    best: Dimension | None = None
    for dimension in dimensions.values():
        if wanted <= set(dimension.elements) and (best is None or len(dimension.elements) < len(best.elements)):
            best = dimension
    if best is None:
        raise Wrong(f"no subscript range holds {', '.join(sorted(wanted)[:4])} together", "define one that holds them all")
    return best.name


def cells(sides: Sequence[str], dimensions: Mapping[str, Dimension], known: Mapping[str, str]) -> list[tuple[str, ...]]:
    """Every element a left side stands for, last subscript fastest."""
    return list(product(*(members(side, dimensions, known) for side in sides)))
