"""Equations for part of a dimension, written out element by element as XMILE has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import product

from flowreform import builtins
from flowreform.model import (
    Call,
    Dimension,
    Equation,
    Expr,
    Lookup,
    Number,
    Ref,
    Role,
    Variable,
    fold,
    rebuilt,
    walk,
)

Dimensions = Mapping[str, Dimension]


def unfolded(variable: Variable, dimensions: Dimensions) -> tuple[Equation, ...]:
    """The equations in the forms XMILE has: one for all elements, one for each element, or one for all that have none of
    their own. Others are written out; an element without an equation gets NAN."""
    if not variable.dimensions or _is_sayable(variable, dimensions):
        return variable.equations
    axes = [dimensions[name] for name in variable.dimensions]
    found: dict[tuple[str, ...], Equation] = {}
    for equation in variable.equations:
        sides = equation.subscripts or variable.dimensions
        left_out = {
            element for exception in equation.exceptions for element in product(*(_members(s, dimensions) for s in exception))
        }
        for element in product(*(_members(side, dimensions) for side in sides)):
            if element not in left_out:
                found[element] = _at(equation, sides, element, dimensions)
    nothing = Equation("NAN", Ref("nan"))
    if variable.role is Role.LOOKUP:
        nothing = Equation("", None, lookup=Lookup((0.0,), (float("nan"),)))
    wholes = product(*(axis.elements for axis in axes))
    return tuple(found.get(whole) or replace(nothing, subscripts=whole) for whole in wholes)


def _is_sayable(variable: Variable, dimensions: Dimensions) -> bool:
    equations = variable.equations
    if not all(_reads_only_its_own(equation, variable, dimensions) for equation in equations):
        return False
    whole = variable.dimensions
    if len(equations) == 1 and not equations[0].exceptions:
        return equations[0].subscripts in ((), whole)
    axes = [dimensions[name] for name in whole]
    first, rest = equations[0], equations
    if first.subscripts == whole:
        rest = equations[1:]
        if set(first.exceptions) != {equation.subscripts for equation in rest}:
            return False
    elements = [equation.subscripts for equation in rest]
    single = all(
        len(sides) == len(axes) and all(side in axis.elements for side, axis in zip(sides, axes, strict=True))
        for sides in elements
    )
    if not single or len(set(elements)) < len(elements) or any(equation.exceptions for equation in rest):
        return False
    count = 1
    for axis in axes:
        count *= len(axis.elements)
    return first.subscripts == whole or len(elements) == count


def _reads_only_its_own(equation: Equation, variable: Variable, dimensions: Dimensions) -> bool:
    """Whether every dimension in brackets on the right stands on the left too: no mapping is needed."""
    sides = equation.subscripts or variable.dimensions
    for expr in (equation.expr, equation.initial):
        if expr is not None and any(isinstance(part, Call) and _is_of_vectors(part) for part in walk(expr)):
            continue  # it takes a dimension as a whole, and means nothing for one element
        for part in walk(expr) if expr is not None else ():
            if not isinstance(part, Ref):
                continue
            for subscript in part.subscripts:
                if isinstance(subscript, Ref) and subscript.name in dimensions and subscript.name not in sides:
                    return False
    return True


def _is_of_vectors(call: Call) -> bool:
    row = builtins.find(call.function)
    return row is not None and row.kind is builtins.Kind.VECTOR


def _members(name: str, dimensions: Dimensions) -> tuple[str, ...]:
    return dimensions[name].elements if name in dimensions else (name,)


def _at(equation: Equation, sides: tuple[str, ...], element: tuple[str, ...], dimensions: Dimensions) -> Equation:
    """The equation of one element, dimensions' names replaced by what they stand for there."""
    running = [(dimensions[side], chosen) for side, chosen in zip(sides, element, strict=True) if side in dimensions]

    def at(expr: Expr | None) -> Expr | None:
        return None if expr is None else _bound(expr, running, dimensions)

    expr, initial = at(equation.expr), at(equation.initial)
    return replace(equation, text="", expr=expr, initial=initial, subscripts=element, exceptions=())


def _bound(expr: Expr, running: list[tuple[Dimension, str]], dimensions: Dimensions) -> Expr:
    indexes = {id(subscript) for part in walk(expr) if isinstance(part, Ref) for subscript in part.subscripts}

    def combine(part: Expr, inside: tuple[Expr, ...]) -> Expr:
        if isinstance(part, Ref) and not part.subscripts and part.name in dimensions:
            found = _stands_for(dimensions[part.name], running)
            if found is not None and id(part) in indexes:
                return Ref(found, (), part.column)
            if found is not None:
                dimension = dimensions[part.name]
                whole = dimensions.get(dimension.parent or "", dimension)
                return Number(float(whole.elements.index(found) + 1))
        return rebuilt(part, inside)

    return fold(expr, combine)


def _stands_for(wanted: Dimension, running: list[tuple[Dimension, str]]) -> str | None:
    """The element of a dimension that the running elements mean: the same one, or what it maps to."""
    for dimension, element in running:
        if dimension.name == wanted.name:
            return element
    for dimension, element in running:
        if set(dimension.elements) <= set(wanted.elements):
            return element
        at = dimension.elements.index(element)
        for other, mapped in dimension.mappings:
            if other == wanted.name:
                return mapped[at]
        for other, mapped in wanted.mappings:
            if other == dimension.name and element in mapped:
                return wanted.elements[mapped.index(element)]
    return None
