"""The parts of an XMILE file that hold for the whole model: time, dimensions, units, default behaviour (sections 2.3-2.6)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite

from flowreform.errors import shorten
from flowreform.formats.limits import how_to_raise
from flowreform.formats.xmile_document import Node, Reading, attribute, line_of, text_of, truth
from flowreform.model import Dimension, Method, SimSpecs, UnitAlias, canonical
from flowreform.text import as_whole

_METHODS = {
    "euler": Method.EULER,
    "rk1": Method.EULER,
    "rk2": Method.RK2,
    "rungekutta2": Method.RK2,
    "2ndorderrungekutta": Method.RK2,
    "secondorderrungekutta": Method.RK2,
    "rk4": Method.RK4,
    "rungekutta4": Method.RK4,
    "4thorderrungekutta": Method.RK4,
    "fourthorderrungekutta": Method.RK4,
}
_QUOTED_OR_NOT = re.compile(r"""\s*("(?:[^"\\]|\\.)*"|[^,"]+?)\s*(?:,|$)""")
_ASSIGNED = re.compile(r"^[A-Za-z_ ]+=")
"""Vensim writes a time as the equation that it is: `TIME_STEP=0.25`."""
_FALL_BACK = {"rk45": Method.RK4, "gear": Method.RK4, "rk4auto": Method.RK4, "rk2auto": Method.RK2}
"""Methods with a step of their own; XMILE 1.0 (section 3.4.1) lets a reader fall back to a fixed step."""


def read_specs(nodes: list[Node], reading: Reading) -> SimSpecs | None:
    """The simulation specifications: those of the file, and over them those of the root model, field by field."""
    fields: dict[str, tuple[Node, str]] = {}
    for node in nodes:
        for name in ("start", "stop", "dt", "save_step", "saveper"):
            child = node.find(name)
            if child is not None:
                fields[name] = (child, _ASSIGNED.sub("", text_of(child)))
        for name in ("method", "time_units", "save_interval"):
            written = attribute(node, name)
            if written is not None:
                fields[name] = (node, written)
    if not nodes:
        repair = "add <sim_specs> with <start>, <stop> and <dt>"
        reading.fault(
            "missing-sim-specs", "the file has no sim_specs, so no start, stop and dt", repair, at=1, element="sim_specs"
        )
        return None
    last = nodes[-1]
    method = _method(*fields.get("method", (last, "euler")), reading)
    numbers = [_number(name, fields, last, reading) for name in ("start", "stop")]
    dt = _dt(fields, last, reading)
    save_every = _save_interval(fields, reading)
    start, stop = numbers
    if start is None or stop is None or dt is None or method is None:
        return None
    unit = fields["time_units"][1].strip() if "time_units" in fields else ""
    specs = SimSpecs(start, stop, dt, method, unit, None if save_every is None or save_every <= dt else save_every, line_of(last))
    return specs if _sound(specs, fields, reading) else None


def _number(name: str, fields: Mapping[str, tuple[Node, str]], last: Node, reading: Reading) -> float | None:
    node, written = fields.get(name, (last, ""))
    return reading.number(written, f"<{name}>", at=node, element="sim_specs", rule="bad-time")


def _dt(fields: Mapping[str, tuple[Node, str]], last: Node, reading: Reading) -> float | None:
    """The step: 1 when none is written (section 2.3); with `reciprocal`, one over what is written."""
    if "dt" not in fields:
        return 1.0
    node, written = fields["dt"]
    value = reading.number(written, "<dt>", at=node, element="sim_specs", rule="bad-time")
    reciprocal = truth(node.get("reciprocal"), False)
    if reciprocal is None:
        shown = shorten(node.get("reciprocal", ""), 40)
        reading.fault("bad-time", f'reciprocal is "{shown}"', "write true or false", at=node, element="dt")
        return None
    if value is None:
        return None
    if value <= 0:
        reading.fault("bad-time", f"dt is {value:g}", "write a dt above zero", at=node, element="sim_specs")
        return None
    dt = 1 / value if reciprocal else value
    if not isfinite(dt) or dt == 0:
        reading.fault(
            "bad-time", f"dt is 1/{value:g}, which is not a usable number", "write a larger dt", at=node, element="sim_specs"
        )
        return None
    return dt


def _save_interval(fields: Mapping[str, tuple[Node, str]], reading: Reading) -> float | None:
    """How often to save. XMILE has no word for it: Stella and xmutil write `isee:save_interval`, others an element."""
    for name in ("save_interval", "save_step", "saveper"):
        if name in fields:
            node, written = fields[name]
            value = reading.number(written, name, at=node, element="sim_specs", rule="bad-time")
            if value is not None and value < 0:
                reading.fault("bad-time", f"{name} is {value:g}", "write an interval above zero", at=node, element="sim_specs")
            return value or None
    return None


def _method(node: Node, written: str, reading: Reading) -> Method | None:
    """The first method of a comma-separated list that there is."""
    words = [re.sub(r"[^a-z0-9]", "", word) for word in written.lower().split(",")]
    words = [word for word in words if word] or ["euler"]
    done = next((_METHODS[word] for word in words if word in _METHODS), None)
    if done is None:
        done = next((_FALL_BACK[word] for word in words if word in _FALL_BACK), None)
    if done is None:
        reading.fault(
            "unknown-method",
            f'there is no method "{shorten(written, 40)}"',
            "write euler, rk2 or rk4",
            at=node,
            element="sim_specs",
        )
    elif words[0] not in _METHODS:
        reason = f'the method "{shorten(written, 40)}" is not available, {done} is used'
        reading.warn("method-replaced", reason, "write euler, rk2 or rk4", at=node, element="sim_specs")
    return done


def _sound(specs: SimSpecs, fields: Mapping[str, tuple[Node, str]], reading: Reading) -> bool:
    at = fields["stop"][0]
    length = specs.stop - specs.start
    if length <= 0:
        reason = f"stop ({specs.stop:g}) is not after start ({specs.start:g})"
        reading.fault("bad-time", reason, "write a stop time after the start time", at=at, element="sim_specs")
        return False
    steps = length / specs.dt
    if not steps <= reading.limits.steps:
        reason = (
            f"from {specs.start:g} to {specs.stop:g} by {specs.dt:g} is {steps:,.4g} steps, the limit is {reading.limits.steps:,}"
        )
        reading.fault("too-many-steps", reason, f"write a larger dt, or {how_to_raise('steps')}", at=at, element="sim_specs")
        return False
    if specs.blurred:
        reading.fault("bad-time", specs.blurred, "count time from a nearer start", at=at, element="sim_specs")
        return False
    if specs.steps < 1:
        reading.fault(
            "bad-time", f"dt ({specs.dt:g}) is longer than the run ({length:g})", "write a smaller dt", at=at, element="sim_specs"
        )
        return False
    if abs(steps - specs.steps) > 1e-6 * max(1.0, steps):
        reason = f"dt ({specs.dt:g}) does not divide the run ({length:g}): it ends at {specs.start + specs.steps * specs.dt:g}"
        reading.warn("uneven-steps", reason, "choose a dt that divides it", at=at, element="sim_specs")
    return True


def read_dimensions(root: Node, reading: Reading) -> dict[str, Dimension]:
    """The dimensions of the file by canonical name. One whose elements all belong to a larger one gets it as parent."""
    found: dict[str, Dimension] = {}
    room = reading.limits.elements
    for node in root.findall("dimensions/dim"):
        name = reading.name(node, "dimension")
        elements = _elements(node, room, reading) if name else None
        if not elements:
            continue
        if name in found:
            reason = f"the dimension is defined twice, first in line {found[name].line}"
            reading.fault("duplicate-dimension", reason, "rename one or delete it", at=node, element=node.get("name"))
            continue
        room -= len(elements)
        labels, mappings = tuple(elements.values()), _mappings(node, elements, reading)
        found[name] = Dimension(name, node.get("name"), tuple(elements), labels, line_of(node), mappings=mappings)
    members = members_of(found)
    return {name: replace(dimension, parent=_parent(name, members)) for name, dimension in found.items()}


def _mappings(node: Node, elements: Mapping[str, str], reading: Reading) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Which elements of other dimensions these stand for, where `write_model` has noted it."""
    found = []
    for child in node:
        if isinstance(child.tag, str) and child.tag.endswith("}map"):
            mapped = tuple(canonical(part) for part in _QUOTED_OR_NOT.findall(text_of(child)))
            if len(mapped) != len(elements):
                reading.fault(
                    "bad-dimension",
                    "a mapping has another number of elements",
                    "map each one",
                    at=child,
                    element=node.get("name"),
                )
                continue
            found.append((canonical(child.get("to") or ""), mapped))
    return tuple(found)


def members_of(dimensions: Mapping[str, Dimension]) -> dict[str, frozenset[str]]:
    """The elements of each dimension as a set."""
    return {name: frozenset(dimension.elements) for name, dimension in dimensions.items()}


def _elements(node: Node, room: int, reading: Reading) -> dict[str, str]:
    """Canonical names and labels of at most `room` elements; those of `size="3"` are 1, 2 and 3."""
    label = node.get("name")
    written = node.findall("elem")
    if not written:
        written_size = (node.get("size") or "").strip()
        size = as_whole(written_size) or 0
        if size <= 0:
            reason = f'its size is "{shorten(written_size, 40)}"' if written_size else "it has neither size nor elements"
            reading.fault("bad-dimension", reason, "write <elem> elements or a size above zero", at=node, element=label)
            return {}
        if size > room:
            reason = f"it has {size:,} elements, the limit for all dimensions together is {reading.limits.elements:,}"
            reading.fault("too-many-elements", reason, how_to_raise("elements"), at=node, element=label)
            return {}
        return {str(number): str(number) for number in range(1, size + 1)}
    elements: dict[str, str] = {}
    for child in written:
        name = reading.name(child, f"element of {shorten(label)}")
        if name in elements:
            reason = f'the element "{shorten(child.get("name"))}" stands twice in one dimension'
            reading.fault("duplicate-element", reason, "rename one or delete it", at=child, element=label)
        elif name:
            elements[name] = child.get("name")
    return elements


def _parent(name: str, members: Mapping[str, frozenset[str]]) -> str | None:
    """The largest dimension that holds all elements of this one and more; else an equal one further up in the file."""
    inside = members[name]
    if "1" in inside:  # numbered elements of two dimensions are not the same elements
        return None
    larger = [other for other, elements in members.items() if inside < elements]
    if larger:
        return max(larger, key=lambda other: len(members[other]))
    earlier = list(members)[: list(members).index(name)]
    return next((other for other in earlier if members[other] == inside), None)


def read_units(root: Node, reading: Reading) -> tuple[UnitAlias, ...]:
    """The units that the file defines."""
    units = []
    for node in root.findall("model_units/unit"):
        if truth(node.get("disabled"), False):
            continue
        if reading.name(node, "unit"):
            aliases = tuple(text for text in map(text_of, node.findall("alias")) if text)
            units.append(UnitAlias(node.get("name").strip(), text_of(node.find("eqn")), aliases, line_of(node)))
    return tuple(units)


@dataclass(frozen=True, slots=True)
class Behavior:
    """Whether stocks and flows that say nothing themselves are kept from going below zero (section 2.6)."""

    stock: bool = False
    flow: bool = False


def read_behavior(owner: Node, inherited: Behavior, reading: Reading) -> Behavior:
    """The defaults that hold in `owner` (the file or a model), over the inherited ones."""
    node = owner.find("behavior")
    if node is None:
        return inherited
    both = non_negative(node, reading, "behavior")
    kinds = {}
    for kind in ("stock", "flow"):
        own = node.find(kind)
        stated = None if own is None else non_negative(own, reading, "behavior")
        first = both if stated is None else stated
        kinds[kind] = getattr(inherited, kind) if first is None else first
    return Behavior(kinds["stock"], kinds["flow"])


def non_negative(owner: Node, reading: Reading, label: str) -> bool | None:
    """What `<non_negative/>` in an element says: true, false, or None when it says nothing."""
    node = owner.find("non_negative")
    if node is None:
        return None
    stated = truth(text_of(node), True)
    if stated is None:
        reason = f'non_negative is "{shorten(text_of(node), 40)}"'
        reading.fault("bad-non-negative", reason, "write <non_negative/>, or true or false inside it", at=node, element=label)
    return stated


def canonical_dimensions(node: Node) -> list[str]:
    """The dimensions that a variable names, canonical."""
    return [canonical(child.get("name", "")) for child in node.findall("dimensions/dim")]
