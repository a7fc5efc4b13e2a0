"""One variable of an XMILE file (sections 4.1-4.5): stock, flow, auxiliary or graphical function to `Variable`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import islice, pairwise, product
from math import isfinite, nan, prod

from flowreform import arithmetic as ieee
from flowreform.errors import shorten
from flowreform.formats.expressions import NUMBER, qualified
from flowreform.formats.limits import how_to_raise
from flowreform.formats.points import Unorderable, in_order
from flowreform.formats.xmile_conveyors import driven_equation, read_conveyor, read_leak
from flowreform.formats.xmile_document import Node, Reading, line_of, text_of, truth
from flowreform.formats.xmile_specs import Behavior, canonical_dimensions, non_negative
from flowreform.model import Binary, Dimension, Equation, Expr, Lookup, LookupKind, Number, Role, Unary, Variable, canonical, fold


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
        if not after >= before:
            reason = f"the x points do not rise: {before:g} is followed by {after:g}"
            reading.fault("bad-lookup", reason, "sort the points", at=xpts if xpts is not None else node, element=label)
            return None
    try:
        return replace(in_order(x, y), kind=kind)
    except Unorderable as problem:
        reading.fault("bad-lookup", problem.reason, problem.repair, at=xpts if xpts is not None else node, element=label)
        return None


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


# --- variables -------------------------------------------------------------------------------------------------------


ROLES = {"stock": Role.STOCK, "flow": Role.FLOW, "aux": Role.AUXILIARY, "gf": Role.LOOKUP}

_LIST = re.compile(rf"\s*[+-]?{NUMBER}(?:\s*[,;]\s*[+-]?{NUMBER})+\s*[,;]?\s*")

_BLANK = re.compile(r"\{[^}]*\}|[?\s]+")

_NOT_DONE = {
    "leak_integers": ("leaks of whole units only are", "delete <leak_integers> and let fractions leak"),
    "multiplier": ("unit multipliers on a flow are", "write two flows, one the multiple of the other"),
}


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a variable is read against: the file, dimensions and their elements, the model's defaults, lookups with a name,
    and the outflows of conveyors and queues, which need no equation."""

    reading: Reading
    dimensions: Mapping[str, Dimension]
    members: Mapping[str, frozenset[str]]
    behavior: Behavior
    lookups: Mapping[str, Lookup]
    driven: frozenset[str] = frozenset()


def read_variable(node: Node, around: Surroundings) -> Variable | None:
    """The variable in an element; None, and faults, when it has no name or dimensions that do not exist."""
    reading = around.reading
    role = ROLES[node.tag]
    name = reading.name(node, {"aux": "auxiliary", "gf": "lookup"}.get(node.tag, node.tag))
    if not name:
        return None
    label = node.get("name")
    for child in (*node, *(part for inner in node.findall("element") for part in inner)):
        if child.tag in _NOT_DONE:
            what, repair = _NOT_DONE[child.tag]
            reading.fault("unsupported", f"{what} not supported", repair, at=child, element=label)
    axes = _axes(node, label, around)
    if axes is None:
        return None
    conveyor = read_conveyor(node, label, reading) if role is Role.STOCK else None
    leak = read_leak(node, label, reading) if role in (Role.FLOW, Role.AUXILIARY) else None
    own = driven_equation(node, name, leak, label, around.driven, reading)
    equations = own if own is not None else _equations(node, role, label, axes, around)
    variable = Variable(
        name,
        label,
        role,
        equations,
        tuple(axis.name for axis in axes),
        text_of(node.find("units")) or None,
        text_of(node.find("doc")),
        _range(node, label, reading),
        None,
        line_of(node),
        _non_negative(node, role, label, around) and conveyor is None and leak is None and node.find("queue") is None,
        _flows(node, "inflow", reading),
        _flows(node, "outflow", reading),
        conveyor,
        leak,
        role is Role.STOCK and node.find("queue") is not None,
        role is Role.FLOW and node.find("overflow") is not None,
    )
    return _settle(variable) if role is Role.AUXILIARY and leak is None else variable


def _settle(variable: Variable) -> Variable:
    """An auxiliary that is points alone is a lookup; one whose equations are numbers is a parameter."""
    equations = variable.equations
    if equations and all(equation.lookup and equation.expr is None for equation in equations):
        return replace(variable, role=Role.LOOKUP)
    if not equations or any(equation.lookup or equation.initial or equation.expr is None for equation in equations):
        return variable
    values = [literal(equation.expr) for equation in equations if equation.expr is not None]
    if any(value is None for value in values):
        return variable
    settled = tuple(
        replace(equation, expr=Number(value)) for equation, value in zip(equations, values, strict=True) if value is not None
    )
    return replace(variable, role=Role.PARAMETER, equations=settled)


def literal(expr: Expr) -> float | None:
    """The number that an expression of numbers alone comes to; None for any other, and for one that is not finite."""
    value = fold(expr, _arithmetic)
    return value if value is not None and isfinite(value) else None


def _arithmetic(expr: Expr, inside: tuple[float | None, ...]) -> float | None:
    match expr, inside:
        case Number(value), ():
            return value
        case Unary("-", _), (float(value),):
            return -value
        case Unary("+", _), (float(value),):
            return value
        case Binary(op, _, _), (float(left), float(right)):
            match op:
                case "+":
                    return left + right
                case "-":
                    return left - right
                case "*":
                    return left * right
                case "/":
                    return ieee.divide(left, right)
                case "^":
                    return ieee.power(left, right)
    return None


# --- the parts of a variable -----------------------------------------------------------------------------------------


def _axes(node: Node, label: str, around: Surroundings) -> tuple[Dimension, ...] | None:
    reading = around.reading
    names = canonical_dimensions(node)
    for name in names:
        if name not in around.dimensions:
            hint = reading.like(name, around.dimensions) or "define it under <dimensions>"
            reading.fault("unknown-dimension", f'there is no dimension "{shorten(name)}"', hint, at=node, element=label)
    if any(name not in around.dimensions for name in names):
        return None
    axes = tuple(around.dimensions[name] for name in names)
    size = prod(len(axis.elements) for axis in axes)
    if size > reading.limits.elements:
        reason = f"the array has {size:,} elements, the limit is {reading.limits.elements:,}"
        reading.fault("too-many-elements", reason, how_to_raise("elements"), at=node, element=label)
        return None
    return axes


def _equations(node: Node, role: Role, label: str, axes: tuple[Dimension, ...], around: Surroundings) -> tuple[Equation, ...]:
    """The equation for all elements, or one for each `<element>`, or both: the first then holds where no element is written."""
    elements = node.findall("element")
    is_input = node.get("access") == "input"
    if not elements and axes and _LIST.fullmatch(text_of(node.find("eqn"))):
        return _listed(node.find("eqn"), label, axes, around)
    if not elements and axes and len(node.findall("eqn")) > 1:
        return _each(node.findall("eqn"), label, axes, around)
    if not elements:
        equation = _equation(node, _Shared(is_input=is_input), role, label, around)
        return (equation,) if equation else ()
    if not axes:
        reading = around.reading
        reading.fault("bad-element", "it has elements and no dimensions", "add <dimensions>", at=elements[0], element=label)
        return ()
    shared = _Shared(node.find("eqn"), node.find("gf"), is_input)
    found: dict[tuple[str, ...], Equation] = {}
    for child in elements:
        subscripts = _subscripts(child, axes, label, around)
        equation = _equation(child, shared, role, f"{label}[{child.get('subscript', '')}]", around) if subscripts else None
        if subscripts and subscripts in found:
            reason = f"the element [{', '.join(subscripts)}] is defined twice, first in line {found[subscripts].line}"
            around.reading.fault("duplicate-element", reason, "delete one", at=child, element=label)
        elif subscripts and equation:
            found[subscripts] = replace(equation, subscripts=subscripts)
    rest = _rest(node, role, label, axes, found, around) if len(found) == len(elements) else ()
    return (*rest, *found.values())


def _each(written: list[Node], label: str, axes: tuple[Dimension, ...], around: Surroundings) -> tuple[Equation, ...]:
    """One `<eqn>` for each element of an array, in order, last dimension fastest: how some programs write `<element>`."""
    wholes = list(product(*(axis.elements for axis in axes)))
    if len(written) != len(wholes):
        reason = f"there are {len(written):,} equations for {len(wholes):,} elements"
        around.reading.fault("bad-element", reason, "write <element subscript=...> around each", at=written[1], element=label)
        return ()
    found: list[Equation] = []
    for node, whole in zip(written, wholes, strict=True):
        own = f"{label}[{', '.join(whole)}]"
        expr = around.reading.expression(node, own)
        if expr is not None:
            found.append(Equation(text_of(node), expr, around.reading.document.place(node)[0], whole))
    return tuple(found)


def _listed(written: Node, label: str, axes: tuple[Dimension, ...], around: Surroundings) -> tuple[Equation, ...]:
    """The numbers of an array in one equation, `1, 2; 3, 4`, last dimension fastest."""
    pieces = [piece.strip() for piece in text_of(written).replace(";", ",").rstrip(", \n\t").split(",")]
    wholes = list(product(*(axis.elements for axis in axes)))
    if len(pieces) != len(wholes):
        reason = f"the equation lists {len(pieces):,} numbers for {len(wholes):,} elements"
        around.reading.fault("bad-element", reason, "write one number for each element", at=written, element=label)
        return ()
    values = [around.reading.number(piece, "the number", at=written, element=label) for piece in pieces]
    line = around.reading.document.place(written)[0]
    return tuple(
        Equation(piece, Number(value), line, whole)
        for piece, value, whole in zip(pieces, values, wholes, strict=True)
        if value is not None
    )


def _rest(
    node: Node,
    role: Role,
    label: str,
    axes: tuple[Dimension, ...],
    found: Mapping[tuple[str, ...], Equation],
    around: Surroundings,
) -> tuple[Equation, ...]:
    """The equation for the elements that none of their own; a fault when there are such and no equation."""
    if tuple(axis.name for axis in axes) in found:
        return ()
    covered = {
        whole
        for subscripts in found
        for whole in product(*(_covered(*pair, around) for pair in zip(subscripts, axes, strict=True)))
    }
    missing = (whole for whole in product(*(axis.elements for axis in axes)) if whole not in covered)
    first = list(islice(missing, 4))
    if not first:
        return ()
    if text_of(node.find("eqn")) or (node.find("gf") is not None and role is Role.AUXILIARY):
        equation = _equation(node, _Shared(), role, label, around)
        return (replace(equation, subscripts=tuple(axis.name for axis in axes), exceptions=tuple(found)),) if equation else ()
    shown = ", ".join(f"[{', '.join(whole)}]" for whole in first[:3]) + (" and others" if len(first) > 3 else "")
    around.reading.fault(
        "missing-element", f"there is no equation for {shown}", "add <element> with an equation", at=node, element=label
    )
    return ()


def _covered(name: str, axis: Dimension, around: Surroundings) -> tuple[str, ...]:
    return (name,) if name in around.members[axis.name] else axis.elements if name == axis.name else ()


def _subscripts(node: Node, axes: tuple[Dimension, ...], label: str, around: Surroundings) -> tuple[str, ...]:
    reading = around.reading
    written = node.get("subscript") or ""
    names = tuple(canonical(part) for part in written.split(",")) if written.strip() else ()
    if len(names) != len(axes):
        reason = f'the element "{shorten(written)}" has {len(names)} subscripts, the variable has {len(axes)} dimensions'
        reading.fault("bad-element", reason, "write one element name for each dimension", at=node, element=label)
        return ()
    sound = True
    for name, axis in zip(names, axes, strict=True):
        if not _covered(name, axis, around):
            hint = reading.like(name, axis.elements) or f"elements are {shorten(', '.join(axis.elements[:20]))}"
            reading.fault(
                "unknown-element", f'dimension {axis.label} has no element "{shorten(name)}"', hint, at=node, element=label
            )
            sound = False
    return names if sound else ()


@dataclass(frozen=True, slots=True)
class _Shared:
    """What an `<element>` may leave out, since its variable has it; `is_input` is for a variable that a module is fed."""

    eqn: Node | None = None
    gf: Node | None = None
    is_input: bool = False


def _equation(node: Node, shared: _Shared, role: Role, label: str, around: Surroundings) -> Equation | None:
    """The equation in a variable or in one of its elements."""
    reading = around.reading
    own = node if node.tag == "gf" else node.find("gf")
    lookup_node = shared.gf if own is None else own
    written = node.find("eqn")
    if shared.eqn is not None and not text_of(written):
        written = shared.eqn
    lookup = _lookup(lookup_node, label, around) if lookup_node is not None else None
    if lookup_node is not None and lookup is None:
        return None
    text = text_of(written)
    if not _BLANK.sub("", text):
        if lookup is not None and role is not Role.STOCK and not text:
            return Equation("", None, line_of(lookup_node), lookup=lookup)
        if shared.is_input:
            return Equation(text, None, line_of(node))  # `flatten` asks for a connection
        _no_equation(node, role, label, text, reading)
        return None
    expr = reading.expression(written, label)
    start = node.find("init_eqn")
    initial = reading.expression(start, label) if text_of(start) else None
    if expr is None:
        return None
    return Equation(text, expr, reading.document.place(written)[0], lookup=lookup, initial=initial)


def _no_equation(node: Node, role: Role, label: str, text: str, reading: Reading) -> None:
    shown = f'its equation is "{text}"' if text else "it has no equation"
    if role is Role.STOCK:
        reason = f"the stock has no initial value{': ' + shown if text else ''}"
        reading.fault("stock-without-initial", reason, "write the value at the start in <eqn>", at=node, element=label)
    else:
        reading.fault("missing-equation", shown, "write one in <eqn>", at=node, element=label)


def _lookup(node: Node, label: str, around: Surroundings) -> Lookup | None:
    if not is_reference(node) or node.tag != "gf" or node.getparent().tag not in {"aux", "flow", "stock", "element"}:
        return read_lookup(node, label, around.reading)
    name = canonical(node.get("name"))
    found = around.lookups.get(name)
    if found is None:
        hint = around.reading.like(name, around.lookups) or "write its points here"
        around.reading.fault("unknown-lookup", f'there is no graphical function "{shorten(name)}"', hint, at=node, element=label)
    return found


def _range(node: Node, label: str, reading: Reading) -> tuple[float | None, float | None]:
    written = node.find("range")
    if written is None:
        return None, None
    sides = []
    for side in ("min", "max"):
        text = (written.get(side) or "").strip()
        sides.append(reading.number(text, f"{side} of the range", at=written, element=label, rule="bad-range") if text else None)
    low, high = sides
    if low is not None and high is not None and low > high:
        reading.fault("bad-range", f"the range runs from {low:g} down to {high:g}", "swap min and max", at=written, element=label)
    return low, high


def _non_negative(node: Node, role: Role, label: str, around: Surroundings) -> bool:
    if role not in {Role.STOCK, Role.FLOW}:
        return False
    default = around.behavior.stock if role is Role.STOCK else around.behavior.flow
    own = non_negative(node, around.reading, label)
    whole = default if own is None else own
    parts = {
        whole if (stated := non_negative(child, around.reading, label)) is None else stated for child in node.findall("element")
    }
    if len(parts) > 1:
        reason = "some elements are kept from going below zero and some are not"
        around.reading.fault("unsupported", reason, "treat all elements alike", at=node, element=label)
    return parts.pop() if parts else whole


def _flows(node: Node, tag: str, reading: Reading) -> tuple[str, ...]:
    """The flows of a stock, each once, as names that may be qualified."""
    names: dict[str, None] = {}
    for child in node.findall(tag):
        written = text_of(child)
        if not written:
            reading.fault(
                "undefined-flow", f"an {tag} has no name", f"name the flow, or delete <{tag}>", at=child, element=node.get("name")
            )
        elif (name := qualified(written)) in names:
            reading.fault(
                "duplicate-flow",
                f'"{shorten(written)}" stands twice among the {tag}s',
                "delete one",
                at=child,
                element=node.get("name"),
            )
        else:
            names[name] = None
    return tuple(names)
