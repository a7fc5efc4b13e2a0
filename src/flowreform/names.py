"""Names as files write them: `open_beds`, `"Open Beds"`, or `open_beds[losing]` for one element of an arrayed variable."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

from flowreform.errors import did_you_mean
from flowreform.model import Equation, Expr, Model, Number, Role, Unary, Variable, canonical


@dataclass(frozen=True, slots=True)
class Named:
    """A variable, or one element of it: `name` is canonical (`open_beds[losing]`), `elements` one per dimension or none."""

    name: str
    variable: Variable
    elements: tuple[str, ...] = ()

    @property
    def is_array(self) -> bool:
        """Whether it stands for more than one number."""
        return bool(self.variable.dimensions) and not self.elements


@dataclass(frozen=True, slots=True)
class Unknown:
    """A name that stands for nothing: why, and what to write instead."""

    reason: str
    repair: str


RESERVED = ("scenario", "draw", "run", "time", "failed", "failed_variable", "failed_time", "failed_value")
"""Names that results need for themselves."""


def why_taken(name: str) -> str:
    """Why results cannot hold a variable of a name; "" where they can."""
    if name in RESERVED:
        return "results need this name for themselves"
    return "a name that ends in brackets stands for an element of an array" if split(name)[1] else ""


def split(name: str) -> tuple[str, tuple[str, ...]]:
    """`"Open Beds[Losing]"` as canonical base and elements: `("open_beds", ("losing",))`."""
    text = name.strip()
    if text.endswith("]") and "[" in text:
        base, _, inside = text[:-1].partition("[")
        return canonical(base), tuple(canonical(part) for part in inside.split(","))
    return canonical(text), ()


def join(base: str, elements: tuple[str, ...] = ()) -> str:
    """The one spelling of a name with its elements."""
    return f"{base}[{','.join(elements)}]" if elements else base


def find(model: Model, text: str, *, parameter: bool = False) -> Named | Unknown:
    """The variable that a text names, in any spelling; with `parameter`, only parameters will do.

    A text that names nothing gives an `Unknown` with the reason and the closest names there are."""
    base, elements = split(text)
    if canonical(text) in model.variables:  # a quoted name may hold brackets itself
        base, elements = canonical(text), ()
    variable = model.variables.get(base)
    if variable is None:
        known = model.parameters if parameter else model.variables
        word = "parameter" if parameter else "variable"
        return Unknown(f"the model has no such {word}", did_you_mean(base, known) or "`flowreform show` lists what the model has")
    if parameter and variable.role is not Role.PARAMETER:
        hint = did_you_mean(base, model.parameters) or "only a variable whose equation is a number can be set"
        return Unknown(f"this is a{'n' * (variable.role is Role.AUXILIARY)} {variable.role}, not a parameter", hint)
    if not elements:
        return Named(base, variable)
    if len(elements) != len(variable.dimensions):
        shape = f"[{', '.join(variable.dimensions)}]" if variable.dimensions else "no dimension"
        return Unknown(
            f"{len(elements)} element names are given, the variable has {shape}", "name one element for each dimension"
        )
    for element, dimension in zip(elements, variable.dimensions, strict=True):
        known_elements = elements_of(model, dimension)
        if element not in known_elements:
            hint = did_you_mean(element, known_elements) or f"elements are {', '.join(known_elements)}"
            return Unknown(f'dimension {dimension} has no element "{element}"', hint)
    return Named(join(base, elements), variable, elements)


def elements_of(model: Model, dimension: str) -> tuple[str, ...]:
    """The elements of a dimension; none when the model does not know it."""
    found = model.dimensions.get(dimension)
    return found.elements if found else ()


def element_names(model: Model, variable: Variable) -> tuple[str, ...]:
    """Every element of an arrayed variable by its full name, last dimension fastest; the bare name of a scalar."""
    if not variable.dimensions:
        return (variable.name,)
    return tuple(join(variable.name, parts) for parts in product(*(elements_of(model, name) for name in variable.dimensions)))


def base_values(model: Model, named: Named) -> tuple[float, ...]:
    """The number or numbers that the model's equations give a parameter, in the order of `element_names`."""
    variable = named.variable
    wanted = (
        [named.elements]
        if named.elements or not variable.dimensions
        else [split(name)[1] for name in element_names(model, variable)]
    )
    found = (equation_of(model, variable, elements) for elements in wanted)
    values = (_literal(equation.expr if equation else None) for equation in found)
    return tuple(value for value in values if value is not None)


def parameter_values(model: Model) -> dict[str, float]:
    """Every parameter as the model stands, arrays by element."""
    return {
        name: value
        for item in model.parameters.values()
        for name, value in zip(element_names(model, item), base_values(model, Named(item.name, item)), strict=False)
    }


def equation_of(model: Model, variable: Variable, elements: tuple[str, ...]) -> Equation | None:
    """The equation that holds for these elements of a variable: their own, before one for a whole dimension."""
    best: Equation | None = None
    for equation in variable.equations:
        sides = equation.subscripts
        fits = not sides or all(
            side == element or element in elements_of(model, side) for side, element in zip(sides, elements, strict=False)
        )
        if fits and (best is None or sides == elements):
            best = equation
    return best


def _literal(expr: Expr | None) -> float | None:
    match expr:
        case Number(value):
            return value
        case Unary("-", inner):
            number = _literal(inner)
            return None if number is None else -number
        case Unary("+", inner):
            return _literal(inner)
        case _:
            return None
