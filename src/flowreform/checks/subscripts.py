"""Arrays: subscripts name elements and dimensions that are there, and every element has one equation."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice, product
from math import prod

from flowreform import builtins
from flowreform.builtins import Kind
from flowreform.checks.subject import (
    Hints,
    Line,
    Taking,
    correspondence,
    finding,
    has_points,
    lines,
    named_element,
    running,
    sections,
    warn,
    with_taking,
)
from flowreform.errors import Finding, shorten
from flowreform.lower.subscripts import RENAME, also_dimension, positions
from flowreform.model import Call, Dimension, Equation, Expr, Model, Number, Ref, Star, Variable

Element = tuple[str, ...]


def subscripts(model: Model) -> Iterator[Finding]:
    """Subscripts on the right side: as many as there are dimensions, each an element, a dimension or a number that fits."""
    hints = Hints()
    for section in sections(model):
        for line in lines(section):
            if not any(axis not in model.dimensions for axis in line.variable.dimensions):
                yield from dict.fromkeys(_of_line(model, line, hints))


def _of_line(model: Model, line: Line, hints: Hints) -> Iterator[Finding]:
    around = running(model, line.variable, line.equation)
    for part, around_it in with_taking(line.expr):
        reducing = around_it is not Taking.ELEMENT
        if isinstance(part, Call) and part.function in line.section.visible and part.function not in model.macros:
            part = Ref(part.function, (), part.column)  # a lookup read like a function
            if not has_points(line.section.visible[part.name]):
                continue
        if not isinstance(part, Ref) or part.name in line.section.arguments:
            continue
        variable = line.section.visible.get(part.name)
        axes = [model.dimensions[name] for name in variable.dimensions if name in model.dimensions] if variable else []
        if variable is None or len(axes) != len(variable.dimensions):
            continue
        if part.subscripts and len(part.subscripts) != len(axes):
            shape = (
                f"{len(axes)} dimension{'s' * (len(axes) != 1)} ({', '.join(variable.dimensions)})" if axes else "no dimension"
            )
            given = f"{len(part.subscripts)} subscript{'s' * (len(part.subscripts) != 1)}"
            reason = f"{shorten(part.name)} has {shape} and is given {given}"
            repair = "write one subscript for each dimension" if axes else "take the brackets off"
            yield line.finding(model, "subscript-count", reason, repair, part.column)
            continue
        for axis, subscript in zip(axes, part.subscripts or (None,) * len(axes), strict=True):
            found = _fault(model, line, around, axis, part, subscript, reducing, hints)
            if found is not None:
                rule, reason, repair = found
                yield line.finding(model, rule, reason, repair, part.column)


def _fault(
    model: Model,
    line: Line,
    around: list[Dimension],
    axis: Dimension,
    ref: Ref,
    subscript: Expr | None,
    reducing: bool,
    hints: Hints,
) -> tuple[str, str, str] | None:
    """Rule, reason and repair for one subscript, or None when it is sound."""
    if subscript is None:
        if reducing or any(dimension.name == axis.name or correspondence(model, dimension, axis) for dimension in around):
            return None
        reason = f"{shorten(ref.name)} is arrayed over {axis.label}, and this equation is not"
        repair = f"name an element ({shorten(ref.name)}[{axis.elements[0]}]), or reduce it with SUM or MEAN"
        return "subscript-count", reason, repair
    if isinstance(subscript, Star):
        if subscript.dimension is not None and subscript.dimension not in model.dimensions:
            repair = hints.like(subscript.dimension, model.dimensions, "define it, or name another")
            return "unknown-dimension", f'there is no dimension "{shorten(subscript.dimension)}"', repair
        if not reducing:
            reason = f"{shorten(ref.name)} stands for a whole dimension where one number is wanted"
            return "whole-dimension", reason, "reduce it with SUM, MEAN, MIN, MAX or PROD"
        return None
    if isinstance(subscript, Number):
        number = subscript.value
        if f"{number:g}" in axis.elements or (number == int(number) and 1 <= number <= len(axis.elements)):
            return None
        return "unknown-element", f"dimension {axis.label} has no element {number:g}", f"it has {len(axis.elements)} elements"
    if isinstance(subscript, Ref) and not subscript.subscripts:
        return _named(model, line, around, axis, subscript.name, reducing, hints)
    return None  # worked out while running


def _named(
    model: Model, line: Line, around: list[Dimension], axis: Dimension, name: str, reducing: bool, hints: Hints
) -> tuple[str, str, str] | None:
    unclear = also_dimension(model, axis, name)
    if unclear:
        return "two-meanings", unclear, RENAME
    if named_element(axis, name) is not None or name in line.section.visible or name in line.section.arguments:
        return None
    shown = shorten(name)
    dimension = model.dimensions.get(name)
    if dimension is not None:
        if any(_means(model, outer, dimension, axis) for outer in around):
            return None
        if correspondence(model, dimension, axis) is None:
            reason = f"dimension {dimension.label} stands where {axis.label} is wanted"
            return "unknown-element", reason, f"write {axis.name} or one of its elements"
        if reducing:
            return None
        reason = f"dimension {dimension.label} is used as a subscript, but the equation does not run over it"
        return "subscript-count", reason, "name one element, reduce with SUM or MEAN, or give the variable that dimension"
    row = builtins.find(name)
    if row is not None and row.kind is Kind.VALUE:
        return None
    other = next((item.label for item in model.dimensions.values() if name in item.elements), None)
    also = f" (dimension {other} has)" if other else ""
    repair = hints.like(name, (*axis.elements, *model.dimensions), f"elements are {shorten(', '.join(axis.elements))}")
    return "unknown-element", f'dimension {axis.label} has no element "{shown}"{also}', repair


def _means(model: Model, outer: Dimension, dimension: Dimension, axis: Dimension) -> bool:
    """Whether a loop over `outer` says which element of `axis` the name of `dimension` means."""
    if outer.name == dimension.name:
        return correspondence(model, outer, axis) is not None
    return positions(outer, dimension) is not None and positions(dimension, axis) is not None


# --- left sides ------------------------------------------------------------------------------------------------------


def left_sides(model: Model) -> Iterator[Finding]:
    """Dimensions that are there, and left sides made of their elements and parts."""
    hints = Hints()
    for section in sections(model):
        for variable in section.own:
            missing = [name for name in variable.dimensions if name not in model.dimensions]
            for name in missing:
                repair = hints.like(name, model.dimensions, "define it under <dimensions>")
                yield finding(model, variable, "unknown-dimension", f'there is no dimension "{shorten(name)}"', repair)
            if missing:
                continue
            for equation in variable.equations:
                for sides in (equation.subscripts, *equation.exceptions):
                    yield from _left_side(model, variable, equation, sides, hints)


def _left_side(model: Model, variable: Variable, equation: Equation, sides: Element, hints: Hints) -> Iterator[Finding]:
    if not sides:
        return
    if len(sides) != len(variable.dimensions):
        reason = f"the left side [{', '.join(sides)}] has {len(sides)} names, the variable {len(variable.dimensions)} dimensions"
        yield finding(model, variable, "subscript-count", reason, "write one name for each dimension", line=equation.line)
        return
    for name, dimension in zip(sides, variable.dimensions, strict=True):
        axis = model.dimensions[dimension]
        if _covered(model, name, axis) is None:
            repair = hints.like(name, (*axis.elements, *model.dimensions), f"elements are {shorten(', '.join(axis.elements))}")
            reason = f'dimension {axis.label} has no element "{shorten(name)}"'
            yield finding(model, variable, "unknown-element", reason, repair, line=equation.line)


def _covered(model: Model, name: str, axis: Dimension) -> Element | None:
    """The elements that one name of a left side stands for; None when it stands for none."""
    if name in axis.elements:
        return (name,)
    dimension = model.dimensions.get(name)
    found = positions(dimension, axis) if dimension else None
    return tuple(axis.elements[at] for at in found) if found is not None else None


def covered(model: Model, variable: Variable, equation: Equation) -> list[Element]:
    """The elements an equation gives a value, its exceptions aside; none when its left side is not sound."""

    def whole(sides: Element) -> Iterator[Element]:
        parts = [_covered(model, name, axis) for name, axis in zip(sides, axes, strict=False)]
        return product(*(part for part in parts if part is not None)) if None not in parts else iter(())

    axes = [model.dimensions[name] for name in variable.dimensions if name in model.dimensions]
    sides = equation.subscripts or variable.dimensions
    if len(axes) != len(variable.dimensions) or len(sides) != len(axes):
        return []
    left_out = {element for exception in equation.exceptions if len(exception) == len(axes) for element in whole(exception)}
    return [element for element in whole(sides) if element not in left_out]


def coverage(model: Model) -> Iterator[Finding]:
    """Elements that have no equation, and elements that have two."""
    for variable in model:
        if not variable.dimensions or not any(equation.subscripts for equation in variable.equations):
            continue
        axes = [model.dimensions[name].elements for name in variable.dimensions if name in model.dimensions]
        if len(axes) != len(variable.dimensions):
            continue
        owner: dict[Element, Equation] = {}
        twice: dict[Element, Equation] = {}
        for equation in variable.equations:
            for element in covered(model, variable, equation):
                if owner.setdefault(element, equation) is not equation:
                    twice[element] = equation
        if twice:
            element, equation = next(iter(twice.items()))
            first = f", first in line {owner[element].line}" if owner[element].line else ""
            more = f", and so have {len(twice) - 1} others" if len(twice) > 1 else ""
            reason = f"[{', '.join(element)}] has two equations{first}{more}"
            yield finding(model, variable, "duplicate-element", reason, "delete one of them", line=equation.line)
        total = prod(len(axis) for axis in axes)
        if len(owner) < total:
            missing = list(islice((element for element in product(*axes) if element not in owner), 1))
            more = f", nor have {total - len(owner) - 1} others" if total > len(owner) + 1 else ""
            reason = f"[{', '.join(missing[0])}] has no equation{more}"
            yield warn(model, variable, "missing-element", reason, "give every element one: what reads it is not a number")
