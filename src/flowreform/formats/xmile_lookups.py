"""Graphical functions (XMILE 1.0, section 3.1.4): `<gf>` to `Lookup`."""

from __future__ import annotations

from itertools import pairwise
from math import nan

from flowreform.errors import shorten
from flowreform.formats.limits import how_to_raise
from flowreform.formats.xmile_document import Node
from flowreform.formats.xmile_nodes import Reading, text_of, truth
from flowreform.model import Lookup, LookupKind


def is_reference(node: Node) -> bool:
    """Whether a `<gf name="...">` inside a variable stands for a graphical function defined elsewhere."""
    return node.get("name") is not None and node.find("ypts") is None


def read_lookup(node: Node, label: str, reading: Reading) -> Lookup | None:
    """The points of a `<gf>`; None, and faults, when they are not one function. A single point is a constant, with a warning."""
    kind = _kind(node, label, reading)
    y = _points(node.find("ypts"), "ypts", label, reading, node)
    xpts, xscale = node.find("xpts"), node.find("xscale")
    if y is None:
        return None
    if xpts is not None:
        x = _points(xpts, "xpts", label, reading, node)
    elif xscale is not None:
        x = _spread(xscale, len(y), label, reading)
    else:
        reading.fault(
            "bad-lookup", "the graphical function has neither xpts nor xscale", "write one of them", at=node, element=label
        )
        return None
    if x is None or kind is None:
        return None
    if len(x) != len(y):
        reason = f"the graphical function has {len(x)} x points and {len(y)} y points"
        reading.fault("bad-lookup", reason, "write as many of one as of the other", at=node, element=label)
        return None
    if len(y) == 1:
        reading.warn(
            "one-point-lookup",
            f"the graphical function has one point and is {y[0]:g} everywhere",
            "add points",
            at=node,
            element=label,
        )
    for before, after in pairwise(x):
        if not after > before:
            reason = f"the x points do not rise: {before:g} is followed by {after:g}"
            reading.fault(
                "bad-lookup", reason, "sort the points and give each x once", at=xpts if xpts is not None else node, element=label
            )
            return None
    return Lookup(x, y, kind)


def _kind(node: Node, label: str, reading: Reading) -> LookupKind | None:
    """The kind; older Stella files write `discrete="true"` instead."""
    written = (node.get("type") or "").strip().lower()
    if not written:
        return LookupKind.DISCRETE if truth(node.get("discrete"), False) else LookupKind.CONTINUOUS
    if written in set(LookupKind):
        return LookupKind(written)
    reason = f'there is no graphical function of type "{shorten(written, 40)}"'
    reading.fault("bad-lookup", reason, "write continuous, extrapolate or discrete", at=node, element=label)
    return None


def _points(node: Node | None, what: str, label: str, reading: Reading, owner: Node) -> tuple[float, ...] | None:
    if node is None or not text_of(node):
        reading.fault("bad-lookup", f"the graphical function has no {what}", "write its points", at=owner, element=label)
        return None
    separator = node.get("sep") or ","
    pieces = text_of(node).split(None if separator.isspace() else separator.strip())
    if len(pieces) > reading.limits.elements:
        reason = f"the graphical function has {len(pieces):,} points, the limit is {reading.limits.elements:,}"
        reading.fault("too-many-elements", reason, how_to_raise("elements"), at=node, element=label)
        return None
    values = [
        nan
        if what == "ypts" and piece.strip().lower() == "nan"  # a series that is there at its own times only
        else reading.number(piece, f"point {place} of {what}", at=node, element=label, rule="bad-lookup")
        for place, piece in enumerate(pieces, 1)
    ]
    known = tuple(value for value in values if value is not None)
    return known if len(known) == len(values) else None


def _spread(node: Node, count: int, label: str, reading: Reading) -> tuple[float, ...] | None:
    """`count` x points at equal distances over the scale, both ends exact."""
    low = reading.number(node.get("min"), "min of xscale", at=node, element=label, rule="bad-lookup")
    high = reading.number(node.get("max"), "max of xscale", at=node, element=label, rule="bad-lookup")
    if low is None or high is None:
        return None
    if count == 1:
        return (low,)
    if not low < high:
        reading.fault(
            "bad-lookup", f"the scale of x runs from {low:g} to {high:g}", "write a max above the min", at=node, element=label
        )
        return None
    last = count - 1
    return (*(low + (high - low) * (place / last) for place in range(last)), high)
