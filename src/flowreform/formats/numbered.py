"""A model with numbers for names: what it computes and nothing that its author wrote.

Another tool may build code from a model's text. It is given this instead: variables are `v0`, `v1`, ..., dimensions `d0`, ...,
elements `e0`, ...; labels, documentation and units are gone, equations are spelled anew from their trees.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from string import digits
from types import MappingProxyType

from flowreform.builtins import find
from flowreform.errors import ModelError, error
from flowreform.model import Call, Dimension, Equation, Expr, Model, Ref, Star, Variable, deep, fold, rebuilt


@dataclass(frozen=True)
class Numbered:
    """A model with numbered names, and the numbered name of each variable."""

    model: Model
    names: Mapping[str, str]


@deep()
def numbered(model: Model) -> Numbered:
    """The model with numbered names. Raises ModelError for one with macros, conveyors or queues, which are left as they are."""
    if model.macros or any(variable.conveyor or variable.queue for variable in model):
        raise ModelError(error("numbered", "a model with macros, conveyors or queues is not written anew", file=model.file))
    names = _Names(
        {name: f"v{at}" for at, name in enumerate(model.variables)},
        {name: f"d{at}" for at, name in enumerate(model.dimensions)},
        {
            name: name if set(name) <= set(digits) else f"e{at}"
            for at, name in enumerate(dict.fromkeys(e for dimension in model.dimensions.values() for e in dimension.elements))
        },
    )
    variables = [_variable(variable, names) for variable in model]
    dimensions = [_dimension(dimension, names) for dimension in model.dimensions.values()]
    made = Model(
        "model",
        replace(model.specs, time_unit="Month", line=0),
        MappingProxyType({variable.name: variable for variable in variables}),
        MappingProxyType({dimension.name: dimension for dimension in dimensions}),
    )
    return Numbered(made, MappingProxyType(names.variables))


@dataclass(frozen=True)
class _Names:
    """Old name to new."""

    variables: dict[str, str]
    dimensions: dict[str, str]
    elements: dict[str, str]

    def side(self, name: str) -> str:
        """What stands in brackets: a dimension or an element."""
        return self.dimensions.get(name) or self.elements[name]

    def known(self, name: str) -> str:
        """A name anywhere in an equation. Raises ModelError for one that is neither the model's nor a built-in's."""
        found = self.variables.get(name) or self.dimensions.get(name) or self.elements.get(name)
        if found is None and find(name) is None and name not in ("range", "not"):
            raise ModelError(error("numbered", "the name is neither a variable nor a built-in", element=name))
        return found or name


def _variable(variable: Variable, names: _Names) -> Variable:
    new = names.variables[variable.name]
    return Variable(
        new,
        new,
        variable.role,
        tuple(_equation(equation, names) for equation in variable.equations),
        tuple(names.dimensions[name] for name in variable.dimensions),
        non_negative=variable.non_negative,
        inflows=tuple(names.variables[name] for name in variable.inflows),
        outflows=tuple(names.variables[name] for name in variable.outflows),
    )


def _equation(equation: Equation, names: _Names) -> Equation:
    return Equation(
        "",
        equation.expr and _expr(equation.expr, names),
        subscripts=tuple(map(names.side, equation.subscripts)),
        lookup=equation.lookup,
        initial=equation.initial and _expr(equation.initial, names),
        exceptions=tuple(tuple(map(names.side, sides)) for sides in equation.exceptions),
    )


def _expr(expr: Expr, names: _Names) -> Expr:
    def combine(part: Expr, inside: tuple[Expr, ...]) -> Expr:
        match part:
            case Ref(name, subscripts):
                return Ref(names.known(name), tuple(map(bracket, subscripts, inside)))
            case Star(dimension):
                return Star(dimension and names.dimensions[dimension])
            case Call(function, _):
                return Call(names.known(function), inside)
            case _:
                return rebuilt(part, inside)

    def bracket(before: Expr, after: Expr) -> Expr:
        """In brackets a name is a dimension's or an element's first, and a variable's only then."""
        is_side = isinstance(before, Ref) and not before.subscripts and before.name in {**names.dimensions, **names.elements}
        return Ref(names.side(before.name)) if is_side and isinstance(before, Ref) else after

    return fold(expr, combine)


def _dimension(dimension: Dimension, names: _Names) -> Dimension:
    return Dimension(
        names.dimensions[dimension.name],
        names.dimensions[dimension.name],
        tuple(names.elements[name] for name in dimension.elements),
        parent=dimension.parent and names.dimensions[dimension.parent],
        mappings=tuple(
            (names.dimensions[other], tuple(names.elements[name] for name in mapped)) for other, mapped in dimension.mappings
        ),
    )
